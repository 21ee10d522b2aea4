// A reference to a callable, for callbacks that are only called during the call they are passed to.
#pragma once

#include <type_traits>
#include <utility>

namespace graft::detail {

template <class Signature>
class function_view;

/// Refers to a callable without owning it; empty by default.
template <class R, class... Args>
class function_view<R(Args...)> {
 public:
  function_view() = default;
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, function_view> &&
             std::is_invocable_r_v<R, F&, Args...>)
  function_view(F&& f)  // NOLINT: what a callback parameter is for
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* object, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(std::forward<Args>(args)...);
        }) {}

  R operator()(Args... args) const { return call_(object_, std::forward<Args>(args)...); }
  explicit operator bool() const { return call_ != nullptr; }

 private:
  void* object_ = nullptr;
  R (*call_)(void*, Args...) = nullptr;
};

}  // namespace graft::detail
