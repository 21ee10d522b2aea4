// Scopes and modes while building: entered by an object, left by its destructor.
#pragma once

#include "graft/core/name_view.hpp"
#include "graft/schema/target.hpp"

namespace graft {

namespace detail {

// Where a guard finds its target when its block ends: targets that may be moved or die before say so themselves.
template <class Target>
struct target_place {
  Target* target;
  constexpr explicit target_place(Target& t) : target(&t) {}
  [[nodiscard]] constexpr Target* find() const { return target; }
};
template <class Target>
  requires requires { typename target_traits<Target>::place; }
struct target_place<Target> : target_traits<Target>::place {
  using target_traits<Target>::place::place;
};

}  // namespace detail

/// Names what is built while it lives: `auto s = scope(g, "encoder");`.
///
/// Scopes nest; the name is made unique among those of the enclosing one. Takes a target (a Graph)
/// or any handle of it, so builders that only see tensors can open scopes. The graph may be moved meanwhile.
template <class Target>
  requires(!tensor_like<Target>)
class scope {
 public:
  /// @throws name_error if the name is empty or holds a '/'
  constexpr scope(Target& target, name_view name) : place_(target) {
    target_traits<Target>::enter_scope(target, name);
  }
  /// Enters the scope in the graph or recorder of a tensor. @throws as above; handle_error if it is gone
  template <dtype Type, shape_type Shape>
  constexpr scope(const tensor<Target, Type, Shape>& t, name_view name)
      : scope(target_traits<Target>::target_of(t.ref()), name) {}
  scope(const scope&) = delete;
  scope& operator=(const scope&) = delete;
  constexpr ~scope() {
    if (Target* const target = place_.find()) target_traits<Target>::leave_scope(*target);
  }

 private:
  detail::target_place<Target> place_;
};

template <class Target>
  requires(!tensor_like<Target>)
scope(Target&, name_view) -> scope<Target>;
template <class Target, dtype Type, class Shape>
scope(const tensor<Target, Type, Shape>&, name_view) -> scope<Target>;

/// Builds in a mode while it lives; made by with_mode().
template <class Target>
class mode_guard {
 public:
  /// Sets the mode of a graph or recorder. The destructor sets the one before.
  constexpr mode_guard(Target& target, mode m)
      : place_(target), before_(target_traits<Target>::mode_of(target)) {
    target_traits<Target>::set_mode(target, m);
  }
  mode_guard(const mode_guard&) = delete;
  mode_guard& operator=(const mode_guard&) = delete;
  constexpr ~mode_guard() {
    if (Target* const target = place_.find()) target_traits<Target>::set_mode(*target, before_);
  }

 private:
  detail::target_place<Target> place_;
  mode before_;
};

/// Layers such as dropout and batch norm are built in that mode until the result is destroyed:
/// `auto m = with_mode(g, mode::inference);`.
/// @param where a target or any handle of it
template <class Where>
[[nodiscard]] constexpr auto with_mode(Where& where, mode m) {
  if constexpr (tensor_like<Where>) {
    using target = typename Where::target_type;
    return mode_guard<target>(target_traits<target>::target_of(where.ref()), m);
  } else {
    return mode_guard<Where>(where, m);
  }
}

}  // namespace graft
