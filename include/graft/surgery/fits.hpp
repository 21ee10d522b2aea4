// Whether one tensor can come in the place of another, as far as static types tell.
#pragma once

#include <utility>

#include "graft/schema/mismatch.hpp"
#include "graft/surgery/mirror.hpp"

namespace graft {

/// Whether what an edit puts in the place of a tensor may have another shape.
namespace reshaping {

struct allowed {};
/// Shapes may change, rank included; element types stay: `reroute(x, longer, reshaping::allow)`.
///
/// Types are worked out anew from there on, and the first op that cannot take its new operands is named in a
/// shape_error. Handles of static type keep what they say, which may be true no more: ask the graph for
/// another (`g.handle(g.id(y))`) and view it as<...>. The map of a later clone refuses such handles.
inline constexpr allowed allow{};

}  // namespace reshaping

/// What reshaping::allow decides, given to functions that know no static types.
class shape_choice {
 public:
  constexpr shape_choice() = default;
  /// Shapes may change.
  constexpr shape_choice(reshaping::allowed) : any_(true) {}  // NOLINT: a choice is one
  /// True where shapes may change.
  [[nodiscard]] constexpr bool any() const { return any_; }

 private:
  bool any_ = false;
};

namespace detail {

// Says at compile time where the replacement of a static type can never fit.
template <text Label, class From, class To, bool AnyShape>
constexpr void check_fits() {
  if constexpr (From::type != dtype::any && To::type != dtype::any && From::type != To::type) {
    refuse_type<Label, From::type, To::type>();
  } else if constexpr (!AnyShape &&
                       shapes_surely_differ<typename From::shape_type, typename To::shape_type>()) {
    refuse_shape<Label, typename From::shape_type, typename To::shape_type>();
  }
}

// The same for containers of one structure; what others hold is compared when it is given.
template <text Label, bool AnyShape, class From, class To>
constexpr void check_all_fit() {
  if constexpr (graph_handle<From> && graph_handle<To>) {
    check_fits<Label, From, To, AnyShape>();
  } else if constexpr (requires {
                         typename From::value_type;
                         typename To::value_type;
                       }) {
    check_all_fit<Label, AnyShape, typename From::value_type, typename To::value_type>();
  } else if constexpr (requires {
                         std::tuple_size<From>::value;
                         std::tuple_size<To>::value;
                       }) {
    if constexpr (std::tuple_size_v<From> == std::tuple_size_v<To>) {
      [&]<std::size_t... I>(std::index_sequence<I...>) {
        (check_all_fit<Label, AnyShape, std::tuple_element_t<I, From>,
                       std::tuple_element_t<I, To>>(),
         ...);
      }(std::make_index_sequence<std::tuple_size_v<From>>{});
    }
  }
}

}  // namespace detail

}  // namespace graft
