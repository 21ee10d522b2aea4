// Something callable that is kept: what std::function is, for a fraction of what <functional> costs an including file.
#pragma once

#include <concepts>
#include <cstddef>
#include <type_traits>
#include <utility>

namespace graft {

template <class Signature>
class callable;

namespace detail {

// An object of a type that was forgotten, or none. Copies have objects of their own.
class kept_object {
 public:
  kept_object() = default;
  kept_object(const kept_object& other)
      : object_(other.object_ != nullptr ? other.care_(other.object_, true) : nullptr),
        care_(other.care_) {}
  kept_object(kept_object&& other) noexcept
      : object_(std::exchange(other.object_, nullptr)), care_(other.care_) {}
  // Two functions: one that took its argument by value would promise, for those of callable as well, not to throw.
  kept_object& operator=(const kept_object& other) { return *this = kept_object(other); }
  kept_object& operator=(kept_object&& other) noexcept {
    std::swap(object_, other.object_);
    std::swap(care_, other.care_);
    return *this;
  }
  ~kept_object() {
    if (object_ != nullptr) care_(object_, false);
  }

  template <class F>
  void keep(F&& f) {
    using kept = std::decay_t<F>;
    object_ = new kept(std::forward<F>(f));
    care_ = [](void* object, bool copy) -> void* {
      if (copy) return new kept(*static_cast<const kept*>(object));
      delete static_cast<kept*>(object);
      return nullptr;
    };
  }
  [[nodiscard]] void* get() const { return object_; }

 private:
  void* object_ = nullptr;
  void* (*care_)(void* object, bool copy) = nullptr;  // copies the object, or destroys it
};

[[noreturn]] void refuse_empty_call();

// What a pointer to a member gives of an object, or what its function returns.
template <class Member, class Object, class... A>
decltype(auto) call_member(Member member, Object&& object, A&&... arguments) {
  if constexpr (std::is_member_object_pointer_v<Member>) {
    return std::forward<Object>(object).*member;
  } else {
    return (std::forward<Object>(object).*member)(std::forward<A>(arguments)...);
  }
}

}  // namespace detail

/// Keeps a copy of anything that can be called like this, as std::function does, which may be given for it. Copies keep
/// copies; without one, or made of nullptr, it is empty. A std::function made of an empty one is not empty: it cannot
/// know, and its calls throw. So ask first.
/// @throws std::bad_function_call, from the call, where it is empty
template <class R, class... A>
class callable<R(A...)> {
 public:
  callable() = default;        ///< an empty one
  callable(std::nullptr_t) {}  ///< an empty one
  /// @param f is copied or moved; an empty std::function or a null pointer makes an empty one
  template <class F>
    requires(!std::same_as<std::remove_cvref_t<F>, callable> &&
             std::is_invocable_r_v<R, std::decay_t<F>&, A...>)
  callable(F&& f) {  // NOLINT: lambdas are callables
    // What can be made empty may be: lambdas and functions cannot.
    if constexpr (requires(std::remove_cvref_t<F>& g) { g = nullptr, g == nullptr; }) {
      if (f == nullptr) return;
    }
    object_.keep(std::forward<F>(f));
    call_ = [](void* object, A... arguments) -> R {
      auto& kept = *static_cast<std::decay_t<F>*>(object);
      // Casts, as what is returned may be of no use: R may be void.
      if constexpr (std::is_member_pointer_v<std::decay_t<F>>) {
        return static_cast<R>(detail::call_member(kept, std::forward<A>(arguments)...));
      } else {
        return static_cast<R>(kept(std::forward<A>(arguments)...));
      }
    };
  }

  /// Calls it. A lambda that changes what it captured changes this copy of it.
  R operator()(A... arguments) const {
    if (object_.get() == nullptr) detail::refuse_empty_call();
    return call_(object_.get(), std::forward<A>(arguments)...);
  }
  /// Whether there is something to call.
  explicit operator bool() const { return object_.get() != nullptr; }
  /// Whether it is empty.
  friend bool operator==(const callable& c, std::nullptr_t) { return !c; }

 private:
  detail::kept_object object_;
  R (*call_)(void*, A...) = nullptr;
};

}  // namespace graft
