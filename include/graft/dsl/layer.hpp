// What layers are made of: labels, checks, scopes and variables.
#pragma once

#include "graft/dsl/layer_key.hpp"
#include "graft/dsl/scope.hpp"
#include "graft/ops/initializers.hpp"
#include "graft/schema/apply.hpp"

namespace graft {

template <int Axis>
struct at_axis;

/// The extent of that axis decides the shape of the layer's variables, and the operand's type
/// leaves it open.
///
/// Give the extent where the operand is made, view the operand with as<T, shape<...>>(x), or pass
/// it as any_tensor, whose shape is looked up in the graph.
template <text Layer, class Got, class Axis>
struct extent_not_known;

/// A layer was called on what is no tensor of a graph, or on nothing: dense<10>(x) is a call, dense<10> the layer. Call it on what placeholder() or another layer returned; an array
/// of values goes in by constant(graph, array), or by feed(x, array) when the graph runs.
template <class Got>
struct layers_are_called_on_tensors;

/// A layer was called on more than one tensor, or told more than its template arguments and members say: units and
/// names stand in brackets, as in dense<10, "logits">(x).
template <class... Got>
struct layers_take_one_tensor;

/// A part of a network is neither a layer nor a lambda from tensors to tensors. A network is called on its tensors,
/// `(dense<8> >> relu)(x)`; nothing is passed in by `>>`.
template <class Got>
struct networks_are_made_of_layers;

/// The name of a function that is a layer, too, was given as an argument. There it is written as a call:
/// residual(relu()), parallel(relu(), tanh()), sequence(relu(), dense<10>). Between `>>` the name does.
template <class Layer>
struct layers_as_arguments_are_calls;

/// Base of everything that may stand in a network written with `>>`.
struct layer_base {
  /// Refuses a call without an operand.
  layers_are_called_on_tensors<got<void>> operator()() const;
  /// Refuses what is no tensor.
  template <class X, class... More>
    requires(!tensor_like<X>)
  layers_are_called_on_tensors<got<X>> operator()(const X&, const More&...) const;
  /// Refuses a second operand: layers take one tensor.
  template <tensor_like X, class More, class... AndMore>
    requires(!std::is_same_v<More, source_line>)
  layers_take_one_tensor<got<X>, got<More>> operator()(const X&, const More&,
                                                       const AndMore&...) const;
};

/// A callable that takes handles and returns handles, and composes with `>>`.
template <class T>
concept layer = std::is_base_of_v<layer_base, std::remove_cvref_t<T>>;

template <class First, class Second>
struct then;

/// The parameter by which a function is told to return a layer: `relu` as an operand of `>>` means
/// `relu(layer_tag{})`.
///
/// The names have to stay functions, since tanh, exp and others are functions of the C library too.
struct layer_tag {};

namespace detail {

// What may stand in a network without being a layer: a lambda from handles to handles.
template <class T>
concept builder_object = std::is_class_v<T> && !tensor_like<T>;

template <class T>
constexpr void check_part() {
  if constexpr (!builder_object<T>) {
    networks_are_made_of_layers<got<T>> error{};
    (void)error;
  }
}

}  // namespace detail

/// Base of the layers that are named without a call: `dense<8> >> relu`, `flatten >> dense<8>`.
template <class Part>
struct named_part : layer_base {
  template <layer A>
  friend constexpr then<A, Part> operator>>(const A& a, Part (&f)(layer_tag)) {
    return {a, f({})};
  }
  template <layer B>
  friend constexpr then<Part, B> operator>>(Part (&f)(layer_tag), const B& b) {
    return {f({}), b};
  }
  template <tensor_like X>
  friend networks_are_made_of_layers<got<X>> operator>>(const X&, Part (&)(layer_tag));
  template <tensor_like X>
  friend networks_are_made_of_layers<got<X>> operator>>(Part (&)(layer_tag), const X&);

  template <class... More>
  friend layers_as_arguments_are_calls<Part> residual(Part (&)(layer_tag), const More&...);
  template <class F>
  friend layers_as_arguments_are_calls<Part> residual(const F&, Part (&)(layer_tag));
};

namespace detail {

// "dense", or "dense 'logits'" for a named layer: how diagnostics call it. Where compilers would cut
// that, the name comes first.
template <text Kind, text Name>
constexpr auto layer_label() {
  if constexpr (Name.empty()) {
    return Kind;
  } else if constexpr (Kind.view().size() + Name.view().size() + 3 > shown_characters) {
    return text("'") + Name + text("' ") + Kind;
  } else {
    return Kind + text(" '") + Name + text("'");
  }
}

// The scope that a layer opens.
template <text Kind, text Name>
constexpr std::string_view layer_scope_name() {
  return Name.empty() ? Kind.view() : Name.view();
}

inline constexpr int no_axis = -100;

/// Which operands a layer takes.
struct operand_rule {
  std::size_t min_rank = 0;
  std::size_t max_rank = 64;
  bool indices = false;      ///< int64 or int32 elements rather than floating ones
  int known_axis = no_axis;  ///< this axis (negative: from the end) must be known
};

enum class verdict : std::uint8_t {
  fits,
  not_floating,
  not_indices,
  low_rank,
  high_rank,
  unknown_extent
};

// Judges an operand, as far as its type is known.
constexpr verdict judge_operand(const operand_rule& rule, const value_type& t) {
  if (t.type != dtype::any) {
    if (!rule.indices && !is_floating(t.type)) return verdict::not_floating;
    if (rule.indices && t.type != dtype::int64 && t.type != dtype::int32) {
      return verdict::not_indices;
    }
  }
  if (!t.ranked) return verdict::fits;
  const std::size_t rank = t.shape.size();
  if (rank < rule.min_rank) return verdict::low_rank;
  if (rank > rule.max_rank) return verdict::high_rank;
  if (rule.known_axis == no_axis) return verdict::fits;
  const auto axis = static_cast<std::size_t>(
      rule.known_axis >= 0 ? rule.known_axis : static_cast<int>(rank) + rule.known_axis);
  return is_known(t.shape[axis]) ? verdict::fits : verdict::unknown_extent;
}
// What was called: a layer's label, its operand as the target calls it (empty: unknown), the line.
struct layer_call {
  std::string_view label;
  std::string_view operand;
  source_line here;
};

// Throws shape_error, or dtype_error where `why` is about types. Not constexpr: in constant
// evaluation the compiler names this function and prints its arguments.
[[noreturn]] void layer_refuses(const layer_call& call, const problem& why);
[[noreturn]] void layer_refuses(const layer_call& call, verdict why, const operand_rule& rule,
                                const value_type& got);
// Throws argument_error: dropout takes rates from 0 up to but not including 1.
[[noreturn]] void refuse_rate(const layer_call& call, double rate);

// Calls refuse(layer_call) of a layer that was called on x.
template <class Target, class F>
[[gnu::noinline]] constexpr void refuse_call(std::string_view label, source_line here,
                                             const typename target_traits<Target>::reference& x,
                                             F&& refuse) {
  if constexpr (requires { target_traits<Target>::in_words(x); }) {
    const auto operand = target_traits<Target>::in_words(x);
    refuse(layer_call{label, operand, here});
  } else {
    refuse(layer_call{label, {}, here});
  }
}

// A layer's place in its target: opens its scope, closes it, and takes back what was added unless
// kept.
template <class Target>
class layer_frame {
 public:
  constexpr layer_frame(Target& target, std::string_view name)
      : transaction_(begin_transaction(target)), scope_(target, name) {}
  constexpr void keep() { transaction_.commit(); }

 private:
  decltype(begin_transaction(std::declval<Target&>())) transaction_;
  scope<Target> scope_;
};

template <tensor_like X>
constexpr auto& target_of(const X& x) {
  return target_traits<typename X::target_type>::target_of(x.ref());
}
template <tensor_like X>
constexpr value_type type_of(const X& x) {
  return target_traits<typename X::target_type>::type_of(x.ref());
}

// One extent of a static shape; a negative axis counts from the end.
template <shape_type Shape>
constexpr extent extent_at(int axis) {
  const dims list = Shape::list();
  return list[axis >= 0 ? static_cast<std::size_t>(axis)
                        : list.size() - static_cast<std::size_t>(-axis)];
}

// The shape that a layer wants: `Rank` extents, of which the last or the second may have to be
// known.
template <std::size_t... I>
constexpr auto unknown_shape(std::index_sequence<I...>) {
  return shape<(static_cast<void>(I), dyn)...>{};
}
template <std::size_t Rank>
using rank_shape = decltype(unknown_shape(std::make_index_sequence<Rank>{}));

template <operand_rule Rule, tensor_like X>
inline constexpr verdict operand_verdict =
    judge_operand(Rule, value_type_of<X::type, typename X::shape_type>());
template <operand_rule Rule, tensor_like X>
inline constexpr bool operand_fits = operand_verdict<Rule, X> == verdict::fits;

// The compile-time error for an operand that does not fit.
// @return a handle that later layers accept silently, so that there is one error
template <auto Label, operand_rule Rule, tensor_like X>
constexpr auto refuse_operand() {
  using shape_type = typename X::shape_type;
  constexpr verdict why = operand_verdict<Rule, X>;
  if constexpr (why == verdict::not_floating) {
    refuse_type<Label, dtype::float32, X::type>();
  } else if constexpr (why == verdict::not_indices) {
    refuse_type<Label, dtype::int64, X::type>();
  } else if constexpr (why == verdict::low_rank) {
    refuse_shape<Label, rank_shape<Rule.min_rank>, shape_type>();
  } else if constexpr (why == verdict::high_rank) {
    refuse_shape<Label, rank_shape<Rule.max_rank>, shape_type>();
  } else {
    extent_not_known<Label, got<shown<shape_type>>, at_axis<Rule.known_axis>> error{};
    (void)error;
  }
  return tensor<typename X::target_type, dtype::any, any_shape>{};
}

// The same for what only the target knows. From here on nothing depends on types but the target's:
// layers are called with many shapes, and each should cost the compiler little more than its own
// checks.
template <class Target>
[[gnu::noinline]] constexpr value_type checked_type(
    const typename target_traits<Target>::reference& x, std::string_view label, source_line here,
    const operand_rule& rule) {
  value_type t = target_traits<Target>::type_of(x);
  verdict answer = judge_operand(rule, t);
  if (answer == verdict::fits && (t.type == dtype::any || !t.ranked)) {
    answer = verdict::unknown_extent;
  }
  if (answer != verdict::fits) {
    refuse_call<Target>(label, here, x,
                        [&](const layer_call& call) { layer_refuses(call, answer, rule, t); });
  }
  return t;
}

// The type of a value where its handle's type tells it, for constant evaluation.
struct static_type {
  const static_value* value = nullptr;
  bool is_known = false;
};
template <dtype Type, shape_type Shape>
inline constexpr static_value known_value{value_type_of<Type, Shape>()};
template <dtype Type, shape_type Shape>
constexpr static_type static_type_of() {
  if constexpr (Type != dtype::any && Shape::ranked) {
    return {&known_value<Type, Shape>, true};
  } else {
    return {};
  }
}

// What the parts of one layer share while it is built.
template <class Target>
struct layer_context {
  using reference = typename target_traits<Target>::reference;
  Target* target;
  std::string_view key;  // of a shared layer; else empty
  source_line here;

  // A shared layer's variables have keys of their own: "<key>/<name>".
  [[gnu::noinline]] constexpr reference variable(std::string_view name, dtype type,
                                                 const dims& shape, const initial_value& initial,
                                                 variable_role role = variable_role::parameter,
                                                 bool trainable = true) const {
    variable_spec spec;
    spec.name = name;
    spec.type = value_type::of(type, shape);
    spec.initial = initial;
    spec.role = role;
    spec.trainable = trainable;
    small_vector<char, 64> full_key;
    if (!key.empty()) {
      full_key.append(key.begin(), key.end());
      full_key.push_back('/');
      full_key.append(name.begin(), name.end());
      spec.shared_key = std::string_view(full_key.data(), full_key.size());
    }
    return target_traits<Target>::add_variable(*target, spec, here);
  }
  constexpr reference variable(std::string_view name, dtype type, const dims& shape,
                               const initializer& initial) const {
    return variable(name, type, shape, initial.make(type, shape));
  }

  // Adds an op of one output.
  constexpr reference op(const operator_schema& schema, std::initializer_list<reference> operands,
                         const static_type& known) const {
    const op_parts parts{&schema, nullptr, false, nullptr, false, {}, here};
    if constexpr (requires { &target_traits<Target>::add_known; }) {
      if (known.is_known) {
        return target_traits<Target>::add_known(*target, parts, operands.begin(), operands.size(),
                                                known.value, 1);
      }
    }
    return add_op<Target>(*target, parts, operands.begin(), operands.size())[0];
  }
};

// A shape with its last extent replaced.
template <extent Last, class Shape, class I>
struct last_replaced;
template <extent Last, shape_type Shape, std::size_t... I>
struct last_replaced<Last, Shape, std::index_sequence<I...>> {
  using type = shape<(I + 1 == sizeof...(I) ? Last : extent_at<Shape>(I))...>;
};
template <extent Last, shape_type Shape>
constexpr auto with_last() {
  if constexpr (Shape::ranked) {
    return typename last_replaced<Last, Shape, std::make_index_sequence<Shape::rank>>::type{};
  } else {
    return any_shape{};
  }
}

}  // namespace detail
}  // namespace graft
