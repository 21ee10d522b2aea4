// Networks without points: a >> b, sequence, residual, parallel, repeat.
#pragma once

#include "graft/core/absent.hpp"
#include "graft/dsl/activation.hpp"
#include "graft/dsl/structure.hpp"
#include "graft/ops/arithmetic.hpp"

namespace graft {

namespace detail {

// Calls a part of a network: layers learn the user's line, other callables are just called; a tuple
// is spread where the callable takes its parts.
template <class F, class X>
constexpr auto call_part(const F& f, const X& x, source_line here) {
  if constexpr (layer<F>) {
    return f(x, here);
  } else if constexpr (std::is_invocable_v<const F&, const X&>) {
    return f(x);
  } else {
    return std::apply(f, x);
  }
}

template <class X>
constexpr const auto& first_handle(const X& x) {
  if constexpr (tensor_like<X>) {
    return x;
  } else {
    static_assert(
        requires { std::get<0>(x); },
        "graft: a network is called on tensors: what placeholder() or another layer "
        "returned, or a tuple of them");
    return first_handle(std::get<0>(x));
  }
}

}  // namespace detail

template <class T>
inline constexpr bool is_then = false;
template <class First, class Second>
inline constexpr bool is_then<then<First, Second>> = true;

/// One network after another; made by `first >> second`.
template <class First, class Second>
struct then : layer_base {
  First first;    ///< called first
  Second second;  ///< called on what the first returns

  constexpr then(const First& f, const Second& s) : first(f), second(s) {}

  /// Where a part throws, what the parts before it added to a graph is taken back.
  template <class X>
  constexpr auto operator()(const X& x, source_line here = source_line::now()) const {
    auto changes = detail::begin_transaction(detail::target_of(detail::first_handle(x)));
    auto result = build(x, here);
    changes.commit();
    return result;
  }
  /// For a first part that takes several handles; more than eight come as a tuple.
  template <
      tensor_like A, tensor_like B, detail::tensor_or_absent C = detail::absent,
      detail::tensor_or_absent D = detail::absent, detail::tensor_or_absent E = detail::absent,
      detail::tensor_or_absent F = detail::absent, detail::tensor_or_absent G = detail::absent,
      detail::tensor_or_absent H = detail::absent>
  constexpr auto operator()(const A& a, const B& b, const C& c = {}, const D& d = {},
                            const E& e = {}, const F& f = {}, const G& g = {}, const H& h = {},
                            source_line here = source_line::now()) const {
    return detail::call_with_present(
        [&]<class... X>(const X&... x) { return (*this)(std::tuple<X...>(x...), here); }, a, b, c,
        d, e, f, g, h);
  }

  /// The parts' work, kept short: networks have hundreds of these, one inside the other.
  template <class X>
  constexpr auto build(const X& x, source_line here) const {
    if constexpr (is_then<First> && layer<Second>) {
      return second(first.build(x, here), here);
    } else if constexpr (is_then<First>) {
      return detail::call_part(second, first.build(x, here), here);
    } else {
      return detail::call_part(second, detail::call_part(first, x, here), here);
    }
  }
};

/// Composes: `constexpr auto net = dense<128> >> relu >> dense<10>;`, to be called as `net(x)`.
///
/// Either side may be a lambda from handles to handles, or the name of a layer without arguments, such as
/// relu or flatten.
template <class A, class B>
  requires((layer<A> || layer<B>) && detail::builder_object<A> && detail::builder_object<B>)
constexpr then<A, B> operator>>(const A& a, const B& b) {
  return {a, b};
}
template <class A, class B>
  requires((layer<A> && !detail::builder_object<B>) || (layer<B> && !detail::builder_object<A>))
networks_are_made_of_layers<got<std::conditional_t<layer<A>, B, A>>> operator>>(const A&, const B&);

/// A network in a scope of its own; made by `sequence<"name">(...)` and `named<"name">(f)`.
template <text Name, class F>
struct scoped_layer : layer_base {
  F network;
  constexpr explicit scoped_layer(const F& f) : network(f) {}

  template <class X>
  constexpr auto operator()(const X& x, source_line here = source_line::now()) const {
    const auto& some = detail::first_handle(x);
    detail::layer_frame frame(detail::target_of(some), Name.view());
    auto result = detail::call_part(network, x, here);
    frame.keep();
    return result;
  }
};

namespace detail {

template <class F>
constexpr F chain(const F& f) {
  return f;
}
template <class A, class B, class... More>
constexpr auto chain(const A& a, const B& b, const More&... more) {
  return chain(then<A, B>(a, b), more...);
}

}  // namespace detail

/// The parts one after another: `sequence(dense<64>, relu(), dense<10>)` is `dense<64> >> relu >>
/// dense<10>`.
///
/// As arguments, activations are written as calls: `relu()`.
template <class... Parts>
  requires(sizeof...(Parts) > 0)
constexpr auto sequence(const Parts&... parts) {
  (detail::check_part<Parts>(), ...);
  return detail::chain(parts...);
}
/// The same in a scope: `sequence<"encoder">(...)`.
template <text Name, class... Parts>
  requires(sizeof...(Parts) > 0)
constexpr auto sequence(const Parts&... parts) {
  (detail::check_part<Parts>(), ...);
  using network = decltype(detail::chain(parts...));
  return scoped_layer<Name, network>(detail::chain(parts...));
}

/// What residual adds to the network's result when it is not told: the operand itself.
struct no_shortcut {};

/// A network whose operand is added to its result; made by residual().
template <class F, class Shortcut, text Name>
struct residual_layer : layer_base {
  static constexpr auto label = detail::layer_label<"residual", Name>();
  F network;
  Shortcut shortcut;  ///< what is called on the operand and added, or no_shortcut
  constexpr residual_layer(const F& f, const Shortcut& s) : network(f), shortcut(s) {}

  using layer_base::operator();
  template <tensor_like X>
  constexpr auto operator()(const X& x, source_line here = source_line::now()) const {
    detail::layer_frame frame(detail::target_of(x), detail::layer_scope_name<"residual", Name>());
    const auto inner = detail::call_part(network, x, here);
    if constexpr (std::is_same_v<Shortcut, no_shortcut>) {
      auto result = sum(inner, x, here);
      frame.keep();
      return result;
    } else {
      auto result = sum(inner, detail::call_part(shortcut, x, here), here);
      frame.keep();
      return result;
    }
  }

 private:
  template <class Y, class S>
  static constexpr auto sum(const Y& y, const S& s, source_line here) {
    if constexpr (!rules::types_agree(Y::type, S::type)) {
      detail::refuse_type<label, S::type, Y::type>();
      return tensor<typename S::target_type, dtype::any, any_shape>{};
    } else if constexpr (detail::shapes_surely_differ<typename Y::shape_type,
                                                      typename S::shape_type>()) {
      detail::refuse_shape<label, typename S::shape_type, typename Y::shape_type>();
      return tensor<typename S::target_type, dtype::any, any_shape>{};
    } else {
      const value_type have = detail::type_of(y), wanted = detail::type_of(s);
      if (rules::surely_differ(have, wanted)) {
        detail::refuse_call<typename S::target_type>(
            label.view(), here, s.ref(), [&](const detail::layer_call& call) {
              detail::layer_refuses(call,
                                    {.clause = "the network must keep the shape of its operand",
                                     .needs = wanted,
                                     .got = have,
                                     .hint = "give residual a shortcut as second argument"});
            });
      }
      return apply<ops::add, detail::equal_shapes, label>({}, {}, here, y, s);
    }
  }
};

/// f(x) + x, or f(x) + shortcut(x): `residual(dense<64> >> relu)`, `residual<"block">(f,
/// dense<64>)`.
///
/// The two must have one shape: nothing is broadcast, also where only a run knows the shapes.
template <text Name = "", class F, class Shortcut = no_shortcut>
constexpr residual_layer<F, Shortcut, Name> residual(const F& network,
                                                     const Shortcut& shortcut = {}) {
  detail::check_part<F>();
  return {network, shortcut};
}

/// Networks side by side on one operand; made by parallel().
template <text Name, class... Branches>
struct parallel_layer : layer_base {
  boost::hana::tuple<Branches...> branches;  ///< called from left to right
  constexpr explicit parallel_layer(const Branches&... b) : branches(b...) {}

  /// @return a tuple of what the branches return
  template <class X>
  constexpr auto operator()(const X& x, source_line here = source_line::now()) const {
    detail::layer_frame frame(detail::target_of(detail::first_handle(x)),
                              detail::layer_scope_name<"parallel", Name>());
    auto result = boost::hana::unpack(branches, [&](const auto&... branch) {
      return std::tuple<decltype(detail::call_part(branch, x, here))...>{
          detail::call_part(branch, x, here)...};  // braces: from left to right
    });
    frame.keep();
    return result;
  }
};

/// Several networks on one operand: `parallel(dense<8>, dense<8> >> tanh) >> concat<1>()`.
template <text Name = "", class... Branches>
  requires(sizeof...(Branches) > 0)
constexpr parallel_layer<Name, Branches...> parallel(const Branches&... branches) {
  (detail::check_part<Branches>(), ...);
  return parallel_layer<Name, Branches...>(branches...);
}

/// The same network again and again, each time with variables of its own; made by repeat().
template <std::size_t Count, class F>
struct repeat_layer : layer_base {
  F network;
  constexpr explicit repeat_layer(const F& f) : network(f) {}

  template <class X>
  constexpr X operator()(const X& x, source_line here = source_line::now()) const {
    using result = decltype(detail::call_part(network, x, here));
    if constexpr (!std::is_convertible_v<result, X>) {
      if constexpr (tensor_like<X> && tensor_like<result>) {
        if constexpr (!rules::types_agree(X::type, result::type)) {
          detail::refuse_type<text("repeat"), X::type, result::type>();
        } else {
          detail::refuse_shape<text("repeat"), typename X::shape_type,
                               typename result::shape_type>();
        }
      } else {
        static_assert(
            std::is_convertible_v<result, X>,
            "graft: the network of repeat must return as many tensors, of the same types, "
            "as it takes");
      }
      return x;
    } else {
      return repeated(x, here);
    }
  }

 private:
  template <class X>
  constexpr X repeated(const X& x, source_line here) const {
    auto changes = detail::begin_transaction(detail::target_of(detail::first_handle(x)));
    X y = x;
    for (std::size_t i = 0; i < Count; ++i) y = detail::call_part(network, y, here);
    changes.commit();
    return y;
  }
};

/// A network applied Count times, each time with new variables: `repeat<8>(residual(dense<64> >>
/// relu))`.
///
/// The network must return what it takes. Compiles in the time of one. Where one of the networks cannot
/// be built, none is.
template <std::size_t Count, class F>
constexpr repeat_layer<Count, F> repeat(const F& network) {
  detail::check_part<F>();
  return repeat_layer<Count, F>(network);
}

}  // namespace graft
