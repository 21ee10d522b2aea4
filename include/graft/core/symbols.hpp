// The operators of C++ on handles: a + b, a < b, a && b, -a, a += b. They stand for functions of the operators' headers.
#pragma once

#include <type_traits>

#include "graft/core/dtype.hpp"
#include "graft/core/misuse.hpp"
#include "graft/core/shape.hpp"
#include "graft/core/source_line.hpp"

namespace graft {

template <class Target, dtype Type, shape_type Shape>
class tensor;

namespace detail {
template <class Target, dtype Type, class Shape>
std::true_type derives_from_tensor(const tensor<Target, Type, Shape>*);
std::false_type derives_from_tensor(...);
}  // namespace detail

/// True for tensor<...> and what derives from it, such as variables.
template <class T>
inline constexpr bool is_tensor =
    decltype(detail::derives_from_tensor(static_cast<std::remove_cvref_t<T>*>(nullptr)))::value;

/// A handle of any target, type and shape.
template <class T>
concept tensor_like = is_tensor<std::remove_cvref_t<T>>;

/// A C++ number that may stand beside a tensor.
template <class T>
concept number_like = std::is_arithmetic_v<T>;

namespace detail {

template <class T>
concept beside_handle = tensor_like<T> || number_like<T>;

// In the place of constraints: compilers compare each friend with those of all other handles, and clang works out
// constraints anew for each pair, in memory that it keeps.
template <bool Holds>
using only_if = std::enable_if_t<Holds, int>;

// A handle as an operand of a symbol, and where the symbol stands in the user's program. Functions take that
// as their last argument; operators have none to spare, but the conversion of their operand takes one.
template <class Handle>
struct placed {
  const Handle& handle;
  source_line here;
  constexpr placed(
      const Handle& h,  // NOLINT: implicit, so that every handle converts where it stands
      source_line line = source_line::now())
      : handle(h), here(line) {}
};

// Whether `a += b` may let a name another tensor: not where its class says more than a handle's does.
template <class T>
inline constexpr bool is_rebindable = false;
template <class Target, dtype Type, class Shape>
inline constexpr bool is_rebindable<tensor<Target, Type, Shape>> = true;

// The handle on the left of `a += b`, and where that stands.
template <class Handle>
struct rebound {
  Handle& handle;
  source_line here;
  template <class H, only_if<std::is_same_v<H, Handle>> = 0>
  constexpr rebound(H& h, source_line line = source_line::now())  // NOLINT: see above
      : handle(h), here(line) {}
};

enum class meaning {
  add,
  sub,
  mul,
  div,
  less,
  less_equal,
  greater,
  greater_equal,
  logical_and,
  logical_or,
  neg
};
template <meaning>
struct symbol {};

// Base of a handle. The operators' headers say by apply_symbol(symbol<...>, operands..., source_line) what symbols do, and by
// rebind(symbol<...>, handle, result) which results a handle can name.
template <class Handle>
struct symbols {
  template <class B, only_if<beside_handle<B>> = 0>
  friend constexpr auto operator+(placed<Handle> a, const B& b) {
    return apply_symbol(symbol<meaning::add>{}, a.handle, b, a.here);
  }
  template <class A, only_if<number_like<A>> = 0>
  friend constexpr auto operator+(A a, placed<Handle> b) {
    return apply_symbol(symbol<meaning::add>{}, a, b.handle, b.here);
  }
  template <class B, only_if<beside_handle<B>> = 0>
  friend constexpr auto operator-(placed<Handle> a, const B& b) {
    return apply_symbol(symbol<meaning::sub>{}, a.handle, b, a.here);
  }
  template <class A, only_if<number_like<A>> = 0>
  friend constexpr auto operator-(A a, placed<Handle> b) {
    return apply_symbol(symbol<meaning::sub>{}, a, b.handle, b.here);
  }
  template <class B, only_if<beside_handle<B>> = 0>
  friend constexpr auto operator*(placed<Handle> a, const B& b) {
    return apply_symbol(symbol<meaning::mul>{}, a.handle, b, a.here);
  }
  template <class A, only_if<number_like<A>> = 0>
  friend constexpr auto operator*(A a, placed<Handle> b) {
    return apply_symbol(symbol<meaning::mul>{}, a, b.handle, b.here);
  }
  template <class B, only_if<beside_handle<B>> = 0>
  friend constexpr auto operator/(placed<Handle> a, const B& b) {
    return apply_symbol(symbol<meaning::div>{}, a.handle, b, a.here);
  }
  template <class A, only_if<number_like<A>> = 0>
  friend constexpr auto operator/(A a, placed<Handle> b) {
    return apply_symbol(symbol<meaning::div>{}, a, b.handle, b.here);
  }

  template <class B, only_if<beside_handle<B>> = 0>
  friend constexpr auto operator<(placed<Handle> a, const B& b) {
    return apply_symbol(symbol<meaning::less>{}, a.handle, b, a.here);
  }
  template <class A, only_if<number_like<A>> = 0>
  friend constexpr auto operator<(A a, placed<Handle> b) {
    return apply_symbol(symbol<meaning::less>{}, a, b.handle, b.here);
  }
  template <class B, only_if<beside_handle<B>> = 0>
  friend constexpr auto operator<=(placed<Handle> a, const B& b) {
    return apply_symbol(symbol<meaning::less_equal>{}, a.handle, b, a.here);
  }
  template <class A, only_if<number_like<A>> = 0>
  friend constexpr auto operator<=(A a, placed<Handle> b) {
    return apply_symbol(symbol<meaning::less_equal>{}, a, b.handle, b.here);
  }
  template <class B, only_if<beside_handle<B>> = 0>
  friend constexpr auto operator>(placed<Handle> a, const B& b) {
    return apply_symbol(symbol<meaning::greater>{}, a.handle, b, a.here);
  }
  template <class A, only_if<number_like<A>> = 0>
  friend constexpr auto operator>(A a, placed<Handle> b) {
    return apply_symbol(symbol<meaning::greater>{}, a, b.handle, b.here);
  }
  template <class B, only_if<beside_handle<B>> = 0>
  friend constexpr auto operator>=(placed<Handle> a, const B& b) {
    return apply_symbol(symbol<meaning::greater_equal>{}, a.handle, b, a.here);
  }
  template <class A, only_if<number_like<A>> = 0>
  friend constexpr auto operator>=(A a, placed<Handle> b) {
    return apply_symbol(symbol<meaning::greater_equal>{}, a, b.handle, b.here);
  }

  template <class B, only_if<is_tensor<B>> = 0>
  friend constexpr auto operator&&(placed<Handle> a, const B& b) {
    return apply_symbol(symbol<meaning::logical_and>{}, a.handle, b, a.here);
  }
  template <class B, only_if<is_tensor<B>> = 0>
  friend constexpr auto operator||(placed<Handle> a, const B& b) {
    return apply_symbol(symbol<meaning::logical_or>{}, a.handle, b, a.here);
  }
  template <class B, only_if<beside_handle<B>> = 0>
  friend constexpr Handle& operator+=(rebound<Handle> a, const B& b) {
    return rebind(symbol<meaning::add>{}, a.handle,
                  apply_symbol(symbol<meaning::add>{}, a.handle, b, a.here));
  }
  template <class B, only_if<beside_handle<B>> = 0>
  friend constexpr Handle& operator-=(rebound<Handle> a, const B& b) {
    return rebind(symbol<meaning::sub>{}, a.handle,
                  apply_symbol(symbol<meaning::sub>{}, a.handle, b, a.here));
  }
  template <class B, only_if<beside_handle<B>> = 0>
  friend constexpr Handle& operator*=(rebound<Handle> a, const B& b) {
    return rebind(symbol<meaning::mul>{}, a.handle,
                  apply_symbol(symbol<meaning::mul>{}, a.handle, b, a.here));
  }
  template <class B, only_if<beside_handle<B>> = 0>
  friend constexpr Handle& operator/=(rebound<Handle> a, const B& b) {
    return rebind(symbol<meaning::div>{}, a.handle,
                  apply_symbol(symbol<meaning::div>{}, a.handle, b, a.here));
  }

  friend constexpr auto operator-(placed<Handle> a) {
    return apply_symbol(symbol<meaning::neg>{}, a.handle, a.here);
  }

  // Refused, in words. Explicit: numbers that a handle became by itself would stand in every expression.
  template <class T, only_if<std::is_arithmetic_v<T>> = 0>
  constexpr explicit operator T() const {
    values_come_when_it_runs<got<Handle>> error{};
    (void)error;
    return {};
  }
  template <class I>
  no_operator_of_tensors<"[]", got<I>> operator[](const I&) const;
  // Of numbers only: a handle is nothing to be called, where functions ask.
  template <class I, class... More, only_if<std::is_integral_v<I>> = 0>
  no_operator_of_tensors<"()", got<I>> operator()(const I&, const More&...) const;
};

}  // namespace detail
}  // namespace graft
