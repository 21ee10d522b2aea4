// What the operators of C++ on handles stand for: each operator's header gives its schema as `meant`.
#pragma once

#include "graft/schema/apply.hpp"

namespace graft::detail {

template <meaning>
inline constexpr const operator_schema* meant = nullptr;

template <meaning Meaning, tensor_like X>
constexpr auto apply_symbol(symbol<Meaning>, const X& x, source_line here) {
  return apply<*meant<Meaning>>({}, {}, here, x);
}

// Whether a handle whose type tells A may name a tensor whose type tells B: it tells no more.
template <shape_type A, shape_type B>
constexpr bool may_name() {
  if constexpr (A::ranked && B::ranked) {
    const dims a = A::list(), b = B::list();
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (a[i] != dyn && a[i] != b[i]) return false;
    }
  }
  return !A::ranked || B::ranked;
}

// "+=", and so on.
template <meaning Meaning>
constexpr text<3> rebinding_symbol() {
  text<3> symbol("?=");
  symbol.data[0] = "+-*/"[static_cast<std::size_t>(Meaning)];
  return symbol;
}

// `a += b`: the handle names the result.
template <meaning Meaning, class Handle, class Result>
constexpr Handle& rebind(symbol<Meaning>, Handle& handle, const Result& result) {
  if constexpr (Handle::type != dtype::any && Handle::type != Result::type) {
    refuse_type<rebinding_symbol<Meaning>(), Handle::type, Result::type>();
  } else if constexpr (!may_name<typename Handle::shape_type, typename Result::shape_type>()) {
    refuse_shape<rebinding_symbol<Meaning>(), typename Handle::shape_type,
                 typename Result::shape_type>();
  } else {
    handle = Handle(result.ref());
  }
  return handle;
}

}  // namespace graft::detail
