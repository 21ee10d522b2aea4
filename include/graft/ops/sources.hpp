// Where values come from: placeholders, constants, fills, variables; and what passes values on
// unchanged.
#pragma once

#include "graft/ops/arithmetic.hpp"
#include "graft/schema/core_operators.hpp"

namespace graft::ops {
namespace detail {

// "shape" is absent where not even the rank is known.
constexpr inferred infer_placeholder(const infer_args& in) {
  value_type result = value_type::unranked(in.attributes.type("type"));
  if (const attribute* shape = in.attributes.find("shape")) {
    result.ranked = true;
    result.shape = shape->integers;
  }
  return result;
}

constexpr inferred infer_fill(const infer_args& in) {
  inferred number = infer_scalar(in);
  if (number.error) return number;
  number.outputs[0].shape = in.attributes.integers("shape");
  if (!all_known(number.outputs[0].shape)) {
    return rules::shape_problem("all extents must be known", {}, number.outputs[0]);
  }
  return number;
}

constexpr inferred infer_fill_range(const infer_args& in) {
  const inferred filled = infer_fill(in);
  if (filled.error) return filled;
  const extent count = element_count(filled.outputs[0].shape);
  const std::int64_t begin = in.attributes.integer("begin"), end = in.attributes.integer("end");
  if (begin < 0 || end < begin || end > count) {
    return problem{.clause = "the range must lie within the elements",
                   .needs = {},
                   .got = filled.outputs[0],
                   .hint = "give 0 <= begin <= end <= the number of elements"};
  }
  return filled;
}

constexpr inferred infer_identity(const infer_args& in) { return in.operands[0]; }

constexpr inferred infer_with_gradient_of(const infer_args& in) {
  const value_type &value = in.operands[0], &surrogate = in.operands[1];
  if (!rules::types_agree(value.type, surrogate.type)) return rules::types_differ(value, surrogate);
  const dtype type = rules::join(value.type, surrogate.type);
  if (!rules::may_be_floating(type)) {
    return rules::type_problem("only floating tensors have gradients",
                               value_type::unranked(dtype::float32), value_type::unranked(type),
                               "insert cast<float>(x)");
  }
  if (rules::surely_differ(value, surrogate)) {
    return rules::shape_problem("the shapes must be equal", value, surrogate);
  }
  return rules::refine(value, surrogate);
}

}  // namespace detail

namespace detail {
inline constexpr attribute_rule placeholder_takes[] = {declare::type("type"),
                                                       declare::shape("shape")};
inline constexpr attribute_rule fill_range_takes[] = {
    declare::type("type"),     declare::shape("shape"), declare::number("value"),
    declare::integer("begin"), declare::integer("end"), declare::real("inside")};
}  // namespace detail

/// () -> what is fed. Attributes: type, shape (absent: unknown rank).
inline constexpr operator_schema placeholder{
    "placeholder", 0, 0, detail::infer_placeholder, source, detail::placeholder_takes};
/// () -> one number in every element. Attributes: type, shape, value. ONNX ConstantOfShape.
inline constexpr operator_schema fill{"fill", 0, 0, detail::infer_fill, 0, detail::fill_takes};
/// () -> one number in the elements [begin, end) in row-major order, another in the rest. Attributes:
/// type, shape, value; begin, end, inside (default: no element).
inline constexpr operator_schema fill_range{
    "fill_range", 0, 0, detail::infer_fill_range, 0, detail::fill_range_takes};
/// x -> x. ONNX Identity.
inline constexpr operator_schema identity{"identity", 1, 1, detail::infer_identity, view};
/// x -> x, through which no gradient flows.
inline constexpr operator_schema stop_gradient{"stop_gradient", 1, 1, detail::infer_identity, view};
/// (value, surrogate, only its shape) -> value, with the gradient of the surrogate.
inline constexpr operator_schema with_gradient_of{
    "with_gradient_of", 2, 2, detail::infer_with_gradient_of, view | shape_of_second};

}  // namespace graft::ops

namespace graft {

namespace detail {

template <dtype Type, shape_type Shape>
struct source_attributes {
  static constexpr attribute_list list() {
    attribute_list a;
    a.set("type", Type);
    if (Shape::ranked) a.set("shape", Shape::list());
    return a;
  }
};

// Thrown where a tensor that reads no variable is assigned to, or a value does not fit.
struct assignment {
  std::string_view variable, value;  // as the target calls them; empty: unknown
  value_type wanted, got;
  source_line here;
};
[[noreturn]] void refuse_assign(std::string_view why, const assignment& asked);

template <class Target>
[[gnu::noinline]] constexpr void refuse_assign(
    std::string_view why, const typename target_traits<Target>::reference& read,
    const typename target_traits<Target>::reference& value, source_line here) {
  using traits = target_traits<Target>;
  const value_type wanted = traits::type_of(read), got = traits::type_of(value);
  if constexpr (requires { traits::in_words(read); }) {
    const auto variable_words = traits::in_words(read), value_words = traits::in_words(value);
    refuse_assign(why, {variable_words, value_words, wanted, got, here});
  } else {
    refuse_assign(why, {{}, {}, wanted, got, here});
  }
}

// Thrown where a variable would be assigned to in a body.
[[noreturn]] void refuse_update_in_body();

// The number of the variable that a handle reads: a target's own answer, else a graph's.
template <tensor_like V, tensor_like X>
constexpr std::int64_t variable_number(const V& read, const X& value, source_line here) {
  using target_type = typename V::target_type;
  using traits = target_traits<target_type>;
  auto& target = traits::target_of(read.ref());
  if constexpr (requires { traits::variable_number(target, read.ref()); }) {
    return traits::variable_number(target, read.ref());
  } else {
    if constexpr (requires { target.is_open_body(); }) {
      if (target.is_open_body()) refuse_update_in_body();
    }
    const auto found = target.variable_read_by(target.id(read.ref()));
    if (!found) {
      refuse_assign<target_type>("the first reads no variable", read.ref(), value.ref(), here);
    }
    return std::int64_t{found->value};
  }
}

}  // namespace detail

/// Adds a tensor whose value is fed: `placeholder<float, shape<dyn, 784>>(g, "x")`.
/// @tparam T element type
/// @tparam Shape extents known, dyn, or dim<"name">; any_shape for an unknown rank
/// @param target a graph, or another target of building
template <element T, shape_type Shape, class Target>
constexpr auto placeholder(Target& target, name_view name = {},
                           source_line here = source_line::now()) {
  return apply_source<ops::placeholder, detail::source_attributes<dtype_of<T>, Shape>>(target, {},
                                                                                       name, here);
}
/// The same for a type and shape known only at run time.
template <class Target>
constexpr auto placeholder(Target& target, dtype type, const dims& shape, name_view name = {},
                           source_line here = source_line::now()) {
  attribute_list a;
  a.set("type", type).set("shape", shape);
  return apply_source<ops::placeholder>(target, a, name, here);
}

/// Adds a number as a tensor of rank 0 and of the number's own type.
template <class Target, element S>
  requires number_like<S>
constexpr auto constant(Target& target, S value, name_view name = {},
                        source_line here = source_line::now()) {
  attribute_list a;
  detail::set_number(a, value);
  return apply_source<ops::scalar, detail::type_attribute<dtype_of<S>>>(target, a, name, here);
}
/// Adds an array as a constant of a graph. View it with as<T, shape<...>>(c) for a static type.
template <class Target, class Value>
  requires requires(Target& t, const Value& v) { t.add_constant(v); }
auto constant(Target& target, const Value& value, name_view name = {},
              source_line here = source_line::now()) {
  return target.handle(target.add_constant(value, name, here));
}

/// Adds a tensor of one number: `fill<float, shape<2, 3>>(g, 0.5)`. All extents must be known.
template <element T, shape_type Shape, class Target, number_like S>
constexpr auto fill(Target& target, S value, name_view name = {},
                    source_line here = source_line::now()) {
  attribute_list a;
  detail::set_number(a, value);
  return apply_source<ops::fill, detail::source_attributes<dtype_of<T>, Shape>>(target, a, name,
                                                                                here);
}

/// A tensor of x's type and shape, every element `value`. Only the shape of x is computed.
template <tensor_like X, number_like S>
constexpr auto fill_like(const X& x, S value, name_view name = {},
                         source_line here = source_line::now()) {
  attribute_list a;
  detail::set_number(a, value);
  return apply<ops::fill_like>(a, name, here, x);
}
/// The same with another element type: `fill_like<bool>(x, true)`.
template <element T, tensor_like X, number_like S>
constexpr auto fill_like(const X& x, S value, name_view name = {},
                         source_line here = source_line::now()) {
  attribute_list a;
  detail::set_number(a, value);
  return apply<ops::fill_like, detail::type_attribute<dtype_of<T>>>(a, name, here, x);
}
/// A tensor of zeros, of x's type and shape.
template <tensor_like X>
constexpr auto zeros_like(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return fill_like(x, 0, name, here);
}
/// A tensor of ones, of x's type and shape.
template <tensor_like X>
constexpr auto ones_like(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return fill_like(x, 1, name, here);
}

/// x itself as a tensor of its own, to be named, fed or cut at.
template <tensor_like X>
constexpr auto identity(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::identity>({}, name, here, x);
}
/// x, as a constant to gradients.
template <tensor_like X>
constexpr auto stop_gradient(const X& x, name_view name = {},
                             source_line here = source_line::now()) {
  return apply<ops::stop_gradient>({}, name, here, x);
}

/// The value of one tensor with the gradient of another: a gradient of one's own for an expression.
///
/// The surrogate is computed only for its gradient, which goes to what it depends on; none goes to what only
/// the value depends on. It is graph like all else: it can be cloned and differentiated again.
/// @code
/// with_gradient_of(round(x), x)                               // straight through
/// with_gradient_of(x, x * -0.1)                               // reversed, scaled
/// with_gradient_of(f(x), x * stop_gradient(slope_of_f(x)))    // a slope of one's own
/// @endcode
/// @param value floating
/// @param surrogate of the value's type and shape
template <tensor_like Value, tensor_like Surrogate>
constexpr auto with_gradient_of(const Value& value, const Surrogate& surrogate, name_view name = {},
                                source_line here = source_line::now()) {
  return apply<ops::with_gradient_of>({}, name, here, value, surrogate);
}

/// Adds a variable and returns the tensor that reads it: `make_variable<float, shape<3>>(g, "b",
/// zeros())`.
/// @param initial an initializer, or anything with `make(dtype, dims) -> initial_value`
template <element T, shape_type Shape, class Target, class Initializer>
constexpr auto make_variable(Target& target, name_view name, const Initializer& initial,
                             bool trainable = true, variable_role role = variable_role::parameter,
                             source_line here = source_line::now()) {
  static_assert(Shape::ranked && all_known(Shape::list()),
                "graft: the extents of a variable must be known");
  static_assert(
      requires { initial.make(dtype_of<T>, dims{}); },
      "graft: how a variable starts is told by an initializer: zeros(), constant(0.5), "
      "glorot_uniform()");
  variable_spec spec;
  spec.name = name;
  spec.type = value_type::of(dtype_of<T>, Shape::list());
  spec.initial = initial.make(dtype_of<T>, spec.type.shape);
  spec.role = role;
  spec.trainable = trainable;
  return tensor<Target, dtype_of<T>, Shape>(
      target_traits<Target>::add_variable(target, spec, here));
}

/// Adds the update of a variable: at the end of a run that fetches it, the variable takes the
/// value.
///
/// Whoever reads the variable in that run sees the old value; the returned tensor is the new one.
/// Two updates of one in one run are an error, unless one follows from the other: the last counts.
/// @param read the tensor that reads the variable
/// @param value of the variable's type and shape
/// @return the value after the update
/// @throws graph_error if `read` reads no variable; shape_error, dtype_error if the value does not
/// fit and the types do not tell
template <tensor_like V, tensor_like X>
constexpr auto assign(const V& read, const X& value, name_view name = {},
                      source_line here = source_line::now()) {
  using traits = target_traits<typename V::target_type>;
  constexpr text label("assign");
  if constexpr (!rules::types_agree(V::type, X::type)) {
    detail::refuse_type<label, V::type, X::type>();
  } else if constexpr (detail::shapes_surely_differ<typename V::shape_type,
                                                    typename X::shape_type>()) {
    detail::refuse_shape<label, typename V::shape_type, typename X::shape_type>();
  }
  const value_type wanted = traits::type_of(read.ref()), got = traits::type_of(value.ref());
  if (!rules::types_agree(wanted.type, got.type)) {
    detail::refuse_assign<typename V::target_type>("the element types differ", read.ref(),
                                                   value.ref(), here);
  }
  if (rules::surely_differ(wanted, got)) {
    detail::refuse_assign<typename V::target_type>("the shapes differ", read.ref(), value.ref(),
                                                   here);
  }
  attribute_list a;
  a.set("variable", detail::variable_number(read, value, here), attribute_kind::variable);
  return apply<ops::assign>(a, name, here, value);
}

/// The value that a variable has after an update: what assign returned.
template <tensor_like X>
constexpr X after(const X& update) {
  return update;
}

}  // namespace graft
