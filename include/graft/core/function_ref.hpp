// A reference to something callable, for calls that do not outlive it.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace graft {

template <class Signature>
class function_ref;

/// Refers to a callable without owning or copying it, so passing one allocates nothing. Use it for parameters only.
template <class R, class... A>
class function_ref<R(A...)> {
 public:
  /// @param f must live as long as the reference
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, function_ref> &&
             std::is_invocable_r_v<R, F&, A...>)
  function_ref(F&& f) noexcept  // NOLINT: a parameter takes lambdas as they are
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* object, A... arguments) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(std::forward<A>(arguments)...);
        }) {}

  /// Calls it.
  R operator()(A... arguments) const { return call_(object_, std::forward<A>(arguments)...); }

 private:
  void* object_;
  R (*call_)(void*, A...);
};

}  // namespace graft
