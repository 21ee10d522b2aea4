// Functions of many operands that tell the line of their call. The line is a last argument with a default, which no
// pack may stand before; parameters that may be absent can.
#pragma once

#include <tuple>
#include <utility>

#include "graft/core/symbols.hpp"

namespace graft::detail {

struct absent {};

template <class T>
concept tensor_or_absent = tensor_like<T> || std::is_same_v<T, absent>;

// Calls f with those operands that are there, which come first.
template <class F, class... Operands>
constexpr auto call_with_present(F&& f, const Operands&... operands) {
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    const auto all = std::tie(operands...);
    return f(std::get<I>(all)...);
  }(std::make_index_sequence<(std::size_t{tensor_like<Operands>} + ...)>{});
}

}  // namespace graft::detail
