// The typed handle of a symbolic tensor.
#pragma once

#include <type_traits>

#include "graft/core/refused_symbols.hpp"
#include "graft/core/symbols.hpp"

namespace graft {

/// What a target (a graph, a recorder) is to handles: the type that names one output of one op in it.
///
/// A specialisation has `reference`, a small literal type that is regular and default-constructible.
/// @see schema/target.hpp for the operations a target offers
template <class Target>
struct target_traits;

/// A symbolic tensor: one output of one op of a target, with what is known of it in its type.
///
/// Handles are small values: copy them freely. They stay valid while their op exists; a handle whose
/// graph or op is gone is refused with handle_error, never followed.
/// @tparam Target what the tensor belongs to: Graph at run time, Recorder in constant evaluation
/// @tparam Type element type; `dtype::any` where only the graph knows it
/// @tparam Shape shape<...> or any_shape
template <class Target, dtype Type, shape_type Shape>
class tensor : public detail::symbols<tensor<Target, Type, Shape>> {
 public:
  using target_type = Target;                                   ///< what it belongs to
  using shape_type = Shape;                                     ///< shape<...> or any_shape
  using reference = typename target_traits<Target>::reference;  ///< how its target names it
  static constexpr dtype type = Type;  ///< element type; dtype::any: known at run time only

  constexpr tensor() = default;
  /// A handle of what a target names; that the type in it is right is not checked.
  constexpr explicit tensor(const reference& r) : reference_(r) {}

  /// A handle that knows less converts from one that knows more.
  template <dtype OtherType, class OtherShape>
    requires((Type == dtype::any || Type == OtherType) && std::is_same_v<Shape, any_shape> &&
             !(Type == OtherType && std::is_same_v<OtherShape, Shape>))
  constexpr tensor(const tensor<Target, OtherType, OtherShape>& other)  // NOLINT: widening
      : reference_(other.ref()) {}

  /// How its target names it. Equal for handles of one tensor.
  [[nodiscard]] constexpr const reference& ref() const { return reference_; }

 private:
  reference reference_{};
};

}  // namespace graft
