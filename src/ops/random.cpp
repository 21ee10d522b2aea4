#include "graft/ops/random.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "ops/families.hpp"
#include "ops/support.hpp"

namespace graft {
namespace {

enum class distribution { uniform, normal, truncated };

struct draw {
  distribution what;
  double first = 0, second = 1;  // bounds, or mean and deviation

  static draw of(distribution what, const attribute_list& a) {
    if (what == distribution::uniform) return {what, a.real("low", 0), a.real("high", 1)};
    return {what, a.real("mean", 0), a.real("stddev", 1)};
  }
  // Elements [offset, offset + n) of the sequence, to out.
  void write(const kernels::random_state& state, kernels::element e, void* out, std::int64_t offset,
             std::int64_t n) const {
    switch (what) {
      case distribution::uniform:
        kernels::random_uniform(state, e, out, offset, n, first, second);
        break;
      case distribution::normal:
        kernels::random_normal(state, e, out, offset, n, first, second);
        break;
      case distribution::truncated:
        kernels::random_truncated_normal(state, e, out, offset, n, first, second);
        break;
    }
  }
};

// The stream is an operand, or the attribute "key" with a counter of 0.
kernels::random_state state_of(std::uint64_t seed, const void* stream, std::int64_t key) {
  std::int64_t pair[2] = {key, 0};
  if (stream != nullptr) std::memcpy(pair, stream, sizeof pair);
  return {seed, static_cast<std::uint64_t>(pair[0]), static_cast<std::uint64_t>(pair[1])};
}

kernels::element floating(const bind_args& b) {
  const dtype type = b.outputs[0].type;
  if (type != dtype::float32 && type != dtype::float64) {
    support::refuse_type(b, "a random operator", type);
  }
  return *support::kernel_element(type);
}

// The stream stands at place StreamOperand, if the op has so many operands.
template <distribution What, std::size_t StreamOperand>
bound_kernel bind_random(const bind_args& b) {
  const kernels::element element = floating(b);
  const draw rule = draw::of(What, b.attributes);
  const std::size_t width = size_of(b.outputs[0].type);
  const std::int64_t n = b.outputs[0].size, key = b.attributes.integer("key");
  const bool streamed = b.inputs.size() > StreamOperand;
  bound_kernel result;
  result.run = [=](const kernel_call& call) {
    const auto state = state_of(call.seed, streamed ? call.in[StreamOperand] : nullptr, key);
    support::run_chunked(call, n, [&](std::int64_t first, std::int64_t count) {
      rule.write(state, element,
                 static_cast<std::byte*>(call.out[0]) + static_cast<std::size_t>(first) * width,
                 first, count);
    });
  };
  return result;
}

// --- Orthogonal tensors
// -----------------------------------------------------------------------------------

double dot(const double* a, const double* b, std::int64_t n) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

// Makes `count` vectors of `length` elements orthonormal, one after the other, by the modified
// Gram-Schmidt process. A vector that loses most of its length loses digits too, and is projected a
// second time.
void orthonormalize(double* vectors, std::int64_t count, std::int64_t length) {
  for (std::int64_t i = 0; i < count; ++i) {
    double* v = vectors + i * length;
    double before = std::sqrt(dot(v, v, length));
    for (int pass = 0; pass < 3; ++pass) {
      for (std::int64_t k = 0; k < i; ++k) {
        const double* u = vectors + k * length;
        const double along = dot(u, v, length);
        for (std::int64_t j = 0; j < length; ++j) v[j] -= along * u[j];
      }
      const double after = std::sqrt(dot(v, v, length));
      if (after > 0.5 * before) break;
      before = after;
    }
    const double norm = std::sqrt(dot(v, v, length));
    for (std::int64_t j = 0; j < length && norm > 0; ++j) v[j] /= norm;
  }
}

// Fills `out`, rows times columns, from `vectors`: the rows or the columns, whichever are fewer.
template <class T>
void place_vectors(const double* vectors, T* out, std::int64_t rows, std::int64_t cols,
                   double gain) {
  const bool are_rows = rows <= cols;
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < cols; ++c) {
      out[r * cols + c] =
          static_cast<T>(gain * (are_rows ? vectors[r * cols + c] : vectors[c * rows + r]));
    }
  }
}

void make_orthogonal(const kernels::random_state& state, double* vectors, std::int64_t rows,
                     std::int64_t cols) {
  const std::int64_t count = std::min(rows, cols), length = std::max(rows, cols);
  kernels::random_normal(state, kernels::element::f64, vectors, 0, count * length, 0, 1);
  orthonormalize(vectors, count, length);
}

bound_kernel bind_orthogonal(const bind_args& b) {
  const bool f32 = floating(b) == kernels::element::f32;
  const std::int64_t n = b.outputs[0].size, key = b.attributes.integer("key");
  const std::int64_t cols = b.outputs[0].shape.back(), rows = n == 0 ? 0 : n / cols;
  const double gain = b.attributes.real("gain", 1);
  const bool streamed = !b.inputs.empty();
  bound_kernel result;
  result.scratch_bytes = static_cast<std::size_t>(n) * sizeof(double);
  result.run = [=](const kernel_call& call) {
    if (n == 0) return;
    auto* vectors = reinterpret_cast<double*>(call.scratch);
    make_orthogonal(state_of(call.seed, streamed ? call.in[0] : nullptr, key), vectors, rows, cols);
    if (f32) {
      place_vectors(vectors, static_cast<float*>(call.out[0]), rows, cols, gain);
    } else {
      place_vectors(vectors, static_cast<double*>(call.out[0]), rows, cols, gain);
    }
  };
  return result;
}

// --- Oracles and samples, under seed 0 as the tests of operators run
// ---------------------------------------

// Draws of float32, as all samples are: those of float64 take more bits and are other numbers.
template <distribution What>
Array drawn(const dims& shape, const void* stream, const attribute_list& a) {
  Array result(dtype::float32, shape);
  const auto values = result.mutable_span<float>();
  const draw rule = draw::of(What, a);
  const kernels::random_state state = state_of(0, stream, a.integer("key"));
  for (std::size_t i = 0; i < values.size(); ++i) {
    rule.write(state, kernels::element::f32, &values[i], static_cast<std::int64_t>(i), 1);
  }
  return result.cast(dtype::float64);
}
template <distribution What>
std::vector<Array> reference_random(std::span<const Array> in, const attribute_list& a) {
  return {drawn<What>(a.integers("shape"), in.empty() ? nullptr : in[0].data(), a)};
}
template <distribution What>
std::vector<Array> reference_random_like(std::span<const Array> in, const attribute_list& a) {
  return {drawn<What>(in[0].shape(), in[1].data(), a)};
}

Array stream_of(std::int64_t key, std::int64_t counter) {
  return Array::from<std::int64_t>({2}, {key, counter});
}
template <distribution What>
attribute_list distribution_attributes() {
  attribute_list a;
  if (What == distribution::uniform) return a.set("low", -2.0).set("high", 3.0);
  return a.set("mean", 1.0).set("stddev", 0.5);
}
template <distribution What>
std::vector<operator_sample> random_samples() {
  std::vector<operator_sample> samples;
  for (const dims& shape : {dims{}, dims{1}, dims{7}, dims{0, 3}, dims{31, 17}}) {
    attribute_list a = distribution_attributes<What>();
    a.set("type", dtype::float32).set("shape", shape);
    samples.push_back({{stream_of(5, 3)}, a, false});
    samples.push_back({{}, a.set("key", std::int64_t{99}), false});
  }
  return samples;
}
template <distribution What>
std::vector<operator_sample> random_like_samples() {
  std::vector<operator_sample> samples;
  for (const dims& shape : {dims{}, dims{7}, dims{0, 3}, dims{31, 17}}) {
    samples.push_back(
        {{Array(dtype::float32, shape), stream_of(5, 3)}, distribution_attributes<What>(), false});
  }
  return samples;
}

std::vector<Array> reference_orthogonal(std::span<const Array> in, const attribute_list& a) {
  Array result(dtype::float64, a.integers("shape"));
  if (result.empty()) return {result};
  const std::int64_t cols = result.shape().back(), rows = result.size() / cols;
  std::vector<double> vectors(static_cast<std::size_t>(result.size()));
  make_orthogonal(state_of(0, in.empty() ? nullptr : in[0].data(), a.integer("key")),
                  vectors.data(), rows, cols);
  place_vectors(vectors.data(), result.mutable_span<double>().data(), rows, cols,
                a.real("gain", 1));
  return {result};
}
std::vector<operator_sample> orthogonal_samples() {
  std::vector<operator_sample> samples;
  for (const dims& shape :
       {dims{1, 1}, dims{5, 5}, dims{3, 8}, dims{8, 3}, dims{2, 3, 4}, dims{0, 3}, dims{3, 0}}) {
    attribute_list a;
    a.set("type", dtype::float64).set("shape", shape).set("gain", 1.5).set("key", 7);
    samples.push_back({{}, a, false});
  }
  return samples;
}

template <bool Like>
std::vector<operator_error_sample> random_errors() {
  std::vector<operator_error_sample> samples;
  const value_type stream = value_type::of(dtype::int64, {2}),
                   x = value_type::of(dtype::float32, {3});
  const auto add = [&](const value_type& s, const attribute_list& more, dtype type,
                       const char* message) {
    attribute_list a = more;
    if (!Like) a.set("type", type).set("shape", dims{3});
    std::vector<value_type> operands{s};
    if (Like) operands.insert(operands.begin(), value_type::of(type, {3}));
    samples.push_back({operands, a, message});
  };
  add(x, {}, dtype::float32, "key and counter");
  add(stream, {}, dtype::int32, "floating");
  add(stream, attribute_list().set("low", 1.0).set("high", 0.0), dtype::float32, "lower bound");
  add(stream, attribute_list().set("stddev", -1.0), dtype::float32, "standard deviation");
  const double nan = std::nan(""), infinite = std::numeric_limits<double>::infinity();
  add(stream, attribute_list().set("low", nan), dtype::float32, "bounds must be finite");
  add(stream, attribute_list().set("high", infinite), dtype::float32, "bounds must be finite");
  add(stream, attribute_list().set("low", -1e308).set("high", 1e308), dtype::float32, "too far");
  add(stream, attribute_list().set("mean", nan), dtype::float32, "mean must be finite");
  add(stream, attribute_list().set("stddev", infinite), dtype::float32, "standard deviation");
  return samples;
}
std::vector<operator_error_sample> orthogonal_errors() {
  attribute_list vector, unknown, no_gain;
  no_gain.set("type", dtype::float32).set("shape", dims{3, 3}).set("gain", std::nan(""));
  vector.set("type", dtype::float32).set("shape", dims{3});
  unknown.set("type", dtype::float32).set("shape", dims{3, dyn});
  return {{{}, vector, "two axes"},
          {{}, unknown, "extents must be known"},
          {{}, no_gain, "gain must be finite"}};
}

}  // namespace

void add_random_operators(std::vector<operator_definition>& all) {
  using enum distribution;
  all.push_back({&ops::random_uniform, "RandomUniform", support::no_gradient,
                 bind_random<uniform, 0>, reference_random<uniform>, random_samples<uniform>,
                 random_errors<false>});
  all.push_back({&ops::random_normal, "RandomNormal", support::no_gradient, bind_random<normal, 0>,
                 reference_random<normal>, random_samples<normal>, random_errors<false>});
  all.push_back({&ops::truncated_normal, "", support::no_gradient, bind_random<truncated, 0>,
                 reference_random<truncated>, random_samples<truncated>, random_errors<false>});
  all.push_back({&ops::random_uniform_like, "RandomUniformLike", support::no_gradient,
                 bind_random<uniform, 1>, reference_random_like<uniform>,
                 random_like_samples<uniform>, random_errors<true>});
  all.push_back({&ops::random_normal_like, "RandomNormalLike", support::no_gradient,
                 bind_random<normal, 1>, reference_random_like<normal>, random_like_samples<normal>,
                 random_errors<true>});
  all.push_back({&ops::orthogonal, "", support::no_gradient, bind_orthogonal, reference_orthogonal,
                 orthogonal_samples, orthogonal_errors});
}

}  // namespace graft
