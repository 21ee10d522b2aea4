// Dropout and the random streams it draws from.
#pragma once

#include "graft/schema/apply.hpp"

namespace graft {
namespace ops::detail {

constexpr value_type stream_type() { return value_type::of(dtype::int64, {2}); }

constexpr inferred infer_stream(const infer_args&) { return stream_type(); }

constexpr bool is_stream(const value_type& v) {
  return (v.type == dtype::any || v.type == dtype::int64) &&
         (!v.ranked || (v.shape.size() == 1 && !surely_differ(v.shape[0], 2)));
}

constexpr inferred infer_advance(const infer_args& in) {
  if (!is_stream(in.operands[0])) {
    return problem{.clause = "a stream is the int64 pair of key and counter",
                   .needs = stream_type(),
                   .got = in.operands[0]};
  }
  return stream_type();
}

constexpr inferred infer_dropout(const infer_args& in) {
  if (in.operands[0].type != dtype::any && !is_floating(in.operands[0].type)) {
    return problem{.clause = "dropout needs floating elements",
                   .needs = value_type::unranked(dtype::float32),
                   .got = in.operands[0],
                   .about_type = true};
  }
  if (!is_stream(in.operands[1])) {
    return problem{.clause = "a stream is the int64 pair of key and counter",
                   .needs = stream_type(),
                   .got = in.operands[1]};
  }
  const double rate = in.attributes.real("rate", 0);
  if (!(rate >= 0 && rate < 1)) {
    return problem{.clause = "the rate of dropout must be at least 0 and below 1",
                   .needs = {},
                   .got = in.operands[0]};
  }
  return in.operands[0];
}

}  // namespace ops::detail

namespace ops {

namespace detail {
inline constexpr attribute_rule stream_takes[] = {declare::integer("key")};
inline constexpr attribute_rule dropout_takes[] = {declare::real("rate"),
                                                   declare::flag("training")};
}  // namespace detail

/// () -> int64 [2]: the stream's key (attribute "key") and a draw counter of 0. The initial value of a variable of
/// role rng_stream, whose path gives the key: a clone with fresh variables has a stream of its own.
inline constexpr operator_schema stream{
    "stream", 0, 0, detail::infer_stream, 0, detail::stream_takes};
/// stream -> the stream after one draw.
inline constexpr operator_schema advance_stream{"advance_stream", 1, 1, detail::infer_advance};
/// (x, stream) -> x / (1 - rate) where element i of the stream's draw is at least rate, else 0; x itself without "training".
/// Attributes: rate in [0, 1), training. The mask depends on the session's seed, the stream and i alone.
/// @see Srivastava et al., Dropout, 2014; ONNX Dropout
inline constexpr operator_schema dropout{
    "dropout", 2, 2, detail::infer_dropout, random | modal, detail::dropout_takes};

}  // namespace ops

}  // namespace graft
