// Random tensors. Every draw depends on the session's seed, a key and a counter, and the element's
// place: nothing else.
#pragma once

#include "graft/ops/sources.hpp"

namespace graft::ops {
namespace detail {

constexpr bool fits_stream(const value_type& v) {
  return (v.type == dtype::any || v.type == dtype::int64) &&
         (!v.ranked || (v.shape.size() == 1 && !surely_differ(v.shape[0], 2)));
}

constexpr problem stream_problem(const value_type& got) {
  return rules::shape_problem("a stream is the int64 pair of key and counter",
                              value_type::of(dtype::int64, {2}), got);
}

// What is wrong with the numbers of a distribution, or nullptr.
constexpr const char* distribution_fault(const attribute_list& a) {
  const double low = a.real("low", 0), high = a.real("high", 1), stddev = a.real("stddev", 1);
  if (!rules::is_finite(low) || !rules::is_finite(high)) return "the bounds must be finite";
  if (!(low <= high)) return "the lower bound must not be above the upper one";
  if (!rules::is_finite(high - low)) return "the bounds are too far apart";
  if (!rules::is_finite(a.real("mean", 0))) return "the mean must be finite";
  if (!(stddev >= 0 && rules::is_finite(stddev)))
    return "the standard deviation must be at least 0 and finite";
  if (!rules::is_finite(a.real("gain", 1))) return "the gain must be finite";
  return nullptr;
}

constexpr inferred check_random(const infer_args& in, const value_type& result) {
  if (!rules::may_be_floating(result.type)) {
    return rules::type_problem("random numbers are floating", value_type::unranked(dtype::float32),
                               result, "insert cast<T>(x) after it");
  }
  if (const char* fault = distribution_fault(in.attributes)) {
    return problem{.clause = fault, .needs = {}, .got = {}};
  }
  return result;
}

constexpr inferred infer_random(const infer_args& in) {
  if (!in.operands.empty() && !fits_stream(in.operands[0])) return stream_problem(in.operands[0]);
  const value_type result =
      value_type::of(in.attributes.type("type"), in.attributes.integers("shape"));
  if (!all_known(result.shape))
    return rules::shape_problem("all extents must be known", {}, result);
  return check_random(in, result);
}

constexpr inferred infer_random_like(const infer_args& in) {
  if (!fits_stream(in.operands[1])) return stream_problem(in.operands[1]);
  return check_random(in, in.operands[0]);
}

constexpr inferred infer_orthogonal(const infer_args& in) {
  const inferred result = infer_random(in);
  if (!result.error && result.outputs[0].shape.size() < 2) {
    return rules::shape_problem("an orthogonal tensor must have at least two axes",
                                value_type::of(result.outputs[0].type, {dyn, dyn}),
                                result.outputs[0]);
  }
  return result;
}

}  // namespace detail

namespace detail {
inline constexpr attribute_rule random_uniform_takes[] = {
    declare::type("type"), declare::shape("shape"), declare::real("low"), declare::real("high"),
    declare::integer("key")};
inline constexpr attribute_rule random_normal_takes[] = {
    declare::type("type"), declare::shape("shape"), declare::real("mean"), declare::real("stddev"),
    declare::integer("key")};
inline constexpr attribute_rule orthogonal_takes[] = {
    declare::type("type"), declare::shape("shape"), declare::real("gain"), declare::integer("key")};
}  // namespace detail

/// (stream, optional) -> random numbers. Attributes: type, shape; key, where there is no stream;
/// low and high, or mean and stddev. Uniform numbers are in [low, high). ONNX RandomUniform,
/// RandomNormal.
inline constexpr operator_schema random_uniform{
    "random_uniform", 0, 1, detail::infer_random, random, detail::random_uniform_takes};
inline constexpr operator_schema random_normal{
    "random_normal", 0, 1, detail::infer_random, random, detail::random_normal_takes};
/// Normal numbers cut off (not clamped) at two standard deviations from the mean.
inline constexpr operator_schema truncated_normal{
    "truncated_normal", 0, 1, detail::infer_random, random, detail::random_normal_takes};
/// Orthonormal rows or columns, whichever are fewer, of the tensor flattened to [all but the last,
/// last], times gain. Attributes: type, shape, key, gain.
/// @see Saxe, McClelland, Ganguli, Exact solutions to the nonlinear dynamics of learning, 2014
inline constexpr operator_schema orthogonal{
    "orthogonal", 0, 1, detail::infer_orthogonal, random, detail::orthogonal_takes};
/// (x, only its shape; stream) -> random numbers of x's type and shape. ONNX RandomUniformLike,
/// RandomNormalLike.
inline constexpr operator_schema random_uniform_like{
    "random_uniform_like",       2, 2, detail::infer_random_like, random | shape_of_first,
    detail::random_uniform_takes};
inline constexpr operator_schema random_normal_like{
    "random_normal_like",       2, 2, detail::infer_random_like, random | shape_of_first,
    detail::random_normal_takes};

}  // namespace graft::ops

namespace graft {

// A stream is an int64 pair of a key and a counter, the reading of a variable of role rng_stream;
// the same pair gives the same numbers, in every run and on any number of threads.

/// Uniform random numbers in [low, high): `random_uniform<float, shape<64, 10>>(stream)`.
template <element T, shape_type Shape, tensor_like Stream>
constexpr auto random_uniform(const Stream& stream, double low = 0, double high = 1,
                              name_view name = {}, source_line here = source_line::now()) {
  attribute_list a;
  a.set("low", low).set("high", high);
  return apply<ops::random_uniform, detail::source_attributes<dtype_of<T>, Shape>>(a, name, here,
                                                                                   stream);
}
/// Normal random numbers.
template <element T, shape_type Shape, tensor_like Stream>
constexpr auto random_normal(const Stream& stream, double mean = 0, double stddev = 1,
                             name_view name = {}, source_line here = source_line::now()) {
  attribute_list a;
  a.set("mean", mean).set("stddev", stddev);
  return apply<ops::random_normal, detail::source_attributes<dtype_of<T>, Shape>>(a, name, here,
                                                                                  stream);
}
/// Uniform random numbers in [low, high) of the type and shape of x.
template <tensor_like X, tensor_like Stream>
constexpr auto random_uniform_like(const X& x, const Stream& stream, double low = 0,
                                   double high = 1, name_view name = {},
                                   source_line here = source_line::now()) {
  attribute_list a;
  a.set("low", low).set("high", high);
  return apply<ops::random_uniform_like>(a, name, here, x, stream);
}
/// Normal random numbers of the type and shape of x.
template <tensor_like X, tensor_like Stream>
constexpr auto random_normal_like(const X& x, const Stream& stream, double mean = 0,
                                  double stddev = 1, name_view name = {},
                                  source_line here = source_line::now()) {
  attribute_list a;
  a.set("mean", mean).set("stddev", stddev);
  return apply<ops::random_normal_like>(a, name, here, x, stream);
}

}  // namespace graft
