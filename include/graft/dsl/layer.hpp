// What layers are made of: labels, checks, scopes and variables.
#pragma once

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

/// Base of everything that may stand in a network written with `>>`.
struct layer_base {};

/// A callable that takes handles and returns handles, and composes with `>>`.
template <class T>
concept layer = std::is_base_of_v<layer_base, std::remove_cvref_t<T>>;

namespace detail {

// "dense", or "dense 'logits'" for a named layer: how diagnostics call it.
template <text Kind, text Name>
constexpr auto layer_label() {
  if constexpr (Name.empty()) {
    return Kind;
  } else {
    return Kind + text(" '") + Name + text("'");
  }
}

// The scope that a layer opens.
template <text Kind, text Name>
constexpr std::string_view layer_scope_name() {
  return Name.empty() ? Kind.view() : Name.view();
}

// Throws shape_error, or dtype_error where `why` is about types. Not constexpr: in constant
// evaluation the compiler names this function and prints its arguments.
[[noreturn]] void layer_refuses(std::string_view label, const problem& why);
[[noreturn]] void refuse_element_type(std::string_view label, bool floating, const value_type& got);
[[noreturn]] void refuse_rank(std::string_view label, std::size_t needed, const value_type& got);
[[noreturn]] void refuse_unknown(std::string_view label, const value_type& got);
// Throws argument_error: dropout takes rates from 0 up to but not including 1.
[[noreturn]] void refuse_rate(std::string_view label, double rate);

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

template <auto Label, class Needs, class Got>
constexpr void refuse_shape() {
  shape_mismatch<Label, needs<Needs>, got<Got>> error{};
  (void)error;
}
template <auto Label, dtype Needs, dtype Got>
constexpr void refuse_type() {
  dtype_mismatch<Label, needs_type<Needs>, got_type<Got>> error{};
  (void)error;
}

inline constexpr int no_axis = -100;

/// Which operands a layer takes.
struct operand_rule {
  std::size_t min_rank = 0;
  std::size_t max_rank = 64;
  bool floating = true;      ///< false: integers
  int known_axis = no_axis;  ///< this axis (negative: from the end) must be known
};

enum class verdict : std::uint8_t {
  fits,
  not_floating,
  not_integer,
  low_rank,
  high_rank,
  unknown_extent
};

// Judges an operand by its type, as far as that knows.
template <operand_rule Rule, tensor_like X>
constexpr verdict judge_operand() {
  if (X::type != dtype::any && Rule.floating && !is_floating(X::type)) return verdict::not_floating;
  if (X::type != dtype::any && !Rule.floating && !is_integer(X::type)) return verdict::not_integer;
  if constexpr (X::shape_type::ranked) {
    constexpr std::size_t rank = X::shape_type::rank;
    if (rank < Rule.min_rank) return verdict::low_rank;
    if (rank > Rule.max_rank) return verdict::high_rank;
    if (Rule.known_axis != no_axis &&
        !is_known(extent_at<typename X::shape_type>(Rule.known_axis))) {
      return verdict::unknown_extent;
    }
  }
  return verdict::fits;
}
template <operand_rule Rule, tensor_like X>
inline constexpr bool operand_fits = judge_operand<Rule, X>() == verdict::fits;

// The compile-time error for an operand that does not fit.
// @return a handle that later layers accept silently, so that there is one error
template <auto Label, operand_rule Rule, tensor_like X>
constexpr auto refuse_operand() {
  using shape_type = typename X::shape_type;
  constexpr verdict why = judge_operand<Rule, X>();
  if constexpr (why == verdict::not_floating) {
    refuse_type<Label, dtype::float32, X::type>();
  } else if constexpr (why == verdict::not_integer) {
    refuse_type<Label, dtype::int64, X::type>();
  } else if constexpr (why == verdict::low_rank) {
    refuse_shape<Label, rank_shape<Rule.min_rank>, shape_type>();
  } else if constexpr (why == verdict::high_rank) {
    refuse_shape<Label, rank_shape<Rule.max_rank>, shape_type>();
  } else {
    extent_not_known<Label, got<shape_type>, at_axis<Rule.known_axis>> error{};
    (void)error;
  }
  return tensor<typename X::target_type, dtype::any, any_shape>{};
}

// The same for what only the target knows. From here on nothing depends on types but the target's:
// layers are called with many shapes, and each should cost the compiler little more than its own
// checks.
template <class Target>
[[gnu::noinline]] constexpr value_type checked_type(
    const typename target_traits<Target>::reference& x, std::string_view label,
    const operand_rule& rule) {
  value_type t = target_traits<Target>::type_of(x);
  if (t.type != dtype::any && (rule.floating ? !is_floating(t.type) : !is_integer(t.type))) {
    refuse_element_type(label, rule.floating, t);
  }
  if (t.type == dtype::any || !t.ranked) refuse_unknown(label, t);
  if (t.shape.size() < rule.min_rank) refuse_rank(label, rule.min_rank, t);
  if (t.shape.size() > rule.max_rank) refuse_rank(label, rule.max_rank, t);
  if (rule.known_axis != no_axis) {
    const auto axis = static_cast<std::size_t>(
        rule.known_axis >= 0 ? rule.known_axis
                             : static_cast<int>(t.shape.size()) + rule.known_axis);
    if (!is_known(t.shape[axis])) refuse_unknown(label, t);
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
