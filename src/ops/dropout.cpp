#include "graft/ops/dropout.hpp"

#include <algorithm>
#include <cstring>

#include "ops/families.hpp"
#include "ops/floating.hpp"

namespace graft {
namespace {

constexpr std::int64_t chunk_elements = 16384;

// The uniform draws of the elements decide; they are drawn in pieces that fit the stack.
template <class T>
void drop(const kernels::random_state& state, const T* x, T* y, std::int64_t first, std::int64_t n,
          double rate) {
  constexpr std::int64_t piece = 512;
  float draws[piece];
  const T scale = static_cast<T>(1 / (1 - rate));
  for (std::int64_t at = first; at < first + n; at += piece) {
    const std::int64_t count = std::min(piece, first + n - at);
    kernels::random_uniform(state, kernels::element::f32, draws, at, count, 0, 1);
    for (std::int64_t i = 0; i < count; ++i) {
      y[at + i] = static_cast<double>(draws[i]) >= rate ? x[at + i] * scale : T(0);
    }
  }
}

bound_kernel bind_dropout(const bind_args& b) {
  const bool f32 = floating_element(b) == kernels::element::f32;
  const std::int64_t n = b.inputs[0].size;
  const double rate = b.attributes.integer("training") != 0 ? b.attributes.real("rate", 0) : 0;
  const std::size_t width = size_of(b.inputs[0].type);
  bound_kernel result;
  result.in_place.push_back({0, 0});
  result.run = [=](const kernel_call& call) {
    if (rate == 0) {
      if (n > 0 && call.out[0] != call.in[0]) {
        std::memcpy(call.out[0], call.in[0], static_cast<std::size_t>(n) * width);
      }
      return;
    }
    std::int64_t stream[2];
    std::memcpy(stream, call.in[1], sizeof stream);
    const kernels::random_state state{call.seed, static_cast<std::uint64_t>(stream[0]),
                                      static_cast<std::uint64_t>(stream[1])};
    call.parallel.run((n + chunk_elements - 1) / chunk_elements, [&](std::int64_t chunk) {
      const std::int64_t first = chunk * chunk_elements,
                         count = std::min(chunk_elements, n - first);
      if (f32) {
        drop(state, static_cast<const float*>(call.in[0]), static_cast<float*>(call.out[0]), first,
             count, rate);
      } else {
        drop(state, static_cast<const double*>(call.in[0]), static_cast<double*>(call.out[0]),
             first, count, rate);
      }
    });
  };
  return result;
}

bound_kernel bind_stream(const bind_args& b) {
  const std::int64_t key = b.attributes.integer("key");
  bound_kernel result;
  result.run = [=](const kernel_call& call) {
    const std::int64_t stream[2] = {key, 0};
    std::memcpy(call.out[0], stream, sizeof stream);
  };
  return result;
}

bound_kernel bind_advance(const bind_args&) {
  bound_kernel result;
  result.in_place.push_back({0, 0});
  result.run = [](const kernel_call& call) {
    std::int64_t stream[2];
    std::memcpy(stream, call.in[0], sizeof stream);
    stream[1] = static_cast<std::int64_t>(static_cast<std::uint64_t>(stream[1]) + 1);
    std::memcpy(call.out[0], stream, sizeof stream);
  };
  return result;
}

// Linear in x with the mask of the same draw, so it is its own gradient.
operand_gradients dropout_gradient(const gradient_args& a) {
  operand_gradients g(2);
  const graph_reference operands[] = {a.output_gradients[0]->ref(), a.operands[1].ref()};
  g[0] = any_tensor(apply_dynamic<Graph>(ops::dropout, operands, a.attributes)[0]);
  return g;
}

// The oracle draws under seed 0, as the tests of operators do.
std::vector<Array> reference_dropout(std::span<const Array> in, const attribute_list& a) {
  Array y = in[0];
  const double rate = a.integer("training") != 0 ? a.real("rate", 0) : 0;
  if (rate == 0) return {y};
  const auto stream = in[1].span<std::int64_t>();
  const auto values = y.mutable_span<double>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    float draw = 0;
    kernels::random_uniform(
        {0, static_cast<std::uint64_t>(stream[0]), static_cast<std::uint64_t>(stream[1])},
        kernels::element::f32, &draw, static_cast<std::int64_t>(i), 1, 0, 1);
    values[i] = static_cast<double>(draw) >= rate ? values[i] / (1 - rate) : 0;
  }
  return {y};
}
std::vector<Array> reference_stream(std::span<const Array>, const attribute_list& a) {
  return {Array::from<std::int64_t>({2}, {a.integer("key"), 0})};
}
std::vector<Array> reference_advance(std::span<const Array> in, const attribute_list&) {
  return {Array::from<std::int64_t>(
      {2}, {in[0].at<std::int64_t>({0}), in[0].at<std::int64_t>({1}) + 1})};
}

Array stream_at(std::int64_t key, std::int64_t counter) {
  return Array::from<std::int64_t>({2}, {key, counter});
}
std::vector<operator_sample> dropout_samples() {
  std::vector<operator_sample> samples;
  for (const std::int64_t n : {0, 1, 5, 700}) {
    samples.push_back({{sample_array({n}, 1), stream_at(77, n)},
                       attribute_list().set("rate", 0.4).set("training", true)});
  }
  samples.push_back({{sample_array({2, 3}, 1), stream_at(77, 0)},
                     attribute_list().set("rate", 0.4).set("training", false)});
  return samples;
}
std::vector<operator_error_sample> dropout_errors() {
  const value_type x = value_type::of(dtype::float32, {4});
  const value_type s = value_type::of(dtype::int64, {2});
  return {{{x, s}, attribute_list().set("rate", 1.0), "at least 0 and below 1"},
          {{x, x}, attribute_list().set("rate", 0.5), "key and counter"},
          {{s, s}, attribute_list().set("rate", 0.5), "floating elements"}};
}
std::vector<operator_sample> stream_samples() {
  return {{{}, attribute_list().set("key", std::int64_t{12345}), false}};
}
std::vector<operator_error_sample> advance_errors() {
  return {{{value_type::of(dtype::float32, {2})}, {}, "key and counter"},
          {{value_type::of(dtype::int64, {3})}, {}, "key and counter"}};
}
std::vector<operator_sample> advance_samples() { return {{{stream_at(5, 9)}, {}, false}}; }

}  // namespace

void add_dropout_operators(std::vector<operator_definition>& all) {
  all.push_back({&ops::dropout, "Dropout", dropout_gradient, bind_dropout, reference_dropout,
                 dropout_samples, dropout_errors});
  all.push_back(
      {&ops::stream, "", nullptr, bind_stream, reference_stream, stream_samples, nullptr});
  all.push_back({&ops::advance_stream, "", nullptr, bind_advance, reference_advance,
                 advance_samples, advance_errors});
}

}  // namespace graft
