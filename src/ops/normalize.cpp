#include "graft/ops/normalize.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "graft/ops/elementwise.hpp"
#include "graft/ops/reduce.hpp"
#include "graft/ops/shape_ops.hpp"

#include "ops/families.hpp"
#include "ops/floating.hpp"

namespace graft {
namespace {

struct channel_layout {
  std::int64_t outer, channels, inner;
};
channel_layout layout_of(const dims& x) {
  channel_layout l{x[0], x[1], 1};
  for (std::size_t i = 2; i < x.size(); ++i) l.inner *= x[i];
  return l;
}

// Scale and shift of each channel from its mean and variance: y = x * scale + shift.
template <class T>
void fold(const T* scale, const T* bias, const T* mean, const T* variance, double epsilon,
          T* factor, T* shift, std::int64_t channels) {
  for (std::int64_t c = 0; c < channels; ++c) {
    const double f =
        static_cast<double>(scale[c]) / std::sqrt(static_cast<double>(variance[c]) + epsilon);
    factor[c] = static_cast<T>(f);
    shift[c] = static_cast<T>(static_cast<double>(bias[c]) - static_cast<double>(mean[c]) * f);
  }
}

template <class T>
void blend(const T* old, const T* batch, double momentum, double correction, T* out,
           std::int64_t n) {
  if (out == nullptr) return;
  for (std::int64_t i = 0; i < n; ++i) {
    out[i] = static_cast<T>(momentum * static_cast<double>(old[i]) +
                            (1 - momentum) * correction * static_cast<double>(batch[i]));
  }
}

template <class T>
bound_kernel bind_batch_norm_as(const bind_args& b, kernels::element element) {
  const channel_layout l = layout_of(b.inputs[0].shape);
  const bool training = b.attributes.integer("training") != 0;
  const double epsilon = b.attributes.real("epsilon", 1e-5);
  const double momentum = b.attributes.real("momentum", 0.9);
  const auto moments = kernels::active().channel_moments(element);
  const auto scale_shift = kernels::active().scale_shift(element);
  const std::int64_t count = l.outer * l.inner;
  const double unbiased =
      count > 1 ? static_cast<double>(count) / static_cast<double>(count - 1) : 1.0;
  const std::int64_t image = l.channels * l.inner;
  const std::int64_t each = std::max<std::int64_t>(32768 / std::max<std::int64_t>(image, 1), 1);
  bound_kernel result;
  result.scratch_bytes = static_cast<std::size_t>(4 * l.channels) * sizeof(T);
  result.run = [=](const kernel_call& call) {
    const auto in = [&](std::size_t i) { return static_cast<const T*>(call.in[i]); };
    const auto out = [&](std::size_t i) { return static_cast<T*>(call.out[i]); };
    T* mean = reinterpret_cast<T*>(call.scratch);
    T *variance = mean + l.channels, *factor = variance + l.channels, *shift = factor + l.channels;
    const auto bytes = static_cast<std::size_t>(l.channels) * sizeof(T);
    if (training && count > 0) {
      const std::int64_t group =
          std::max<std::int64_t>(32768 / std::max<std::int64_t>(count, 1), 1);
      call.parallel.run((l.channels + group - 1) / group, [&](std::int64_t chunk) {
        moments(in(0), mean, variance, l.outer, l.channels, l.inner, chunk * group,
                std::min((chunk + 1) * group, l.channels));
      });
      blend(in(3), mean, momentum, 1.0, out(1), l.channels);
      blend(in(4), variance, momentum, unbiased, out(2), l.channels);
    } else {
      std::memcpy(mean, in(3), bytes);
      std::memcpy(variance, in(4), bytes);
      for (const std::size_t i : {std::size_t{1}, std::size_t{2}}) {
        if (out(i) != nullptr) std::memmove(out(i), in(i + 2), bytes);
      }
    }
    if (out(0) == nullptr) return;
    fold(in(1), in(2), mean, variance, epsilon, factor, shift, l.channels);
    call.parallel.run((l.outer + each - 1) / each, [&](std::int64_t chunk) {
      const std::int64_t first = chunk * each, images = std::min(each, l.outer - first);
      scale_shift(in(0) + first * image, factor, shift, out(0) + first * image, images, l.channels,
                  l.inner);
    });
  };
  return result;
}

bound_kernel bind_batch_norm(const bind_args& b) {
  const kernels::element element = floating_element(b);
  return element == kernels::element::f32 ? bind_batch_norm_as<float>(b, element)
                                          : bind_batch_norm_as<double>(b, element);
}

bound_kernel bind_layer_norm(const bind_args& b) {
  const auto kernel = kernels::active().layer_norm(floating_element(b));
  const std::int64_t cols = b.inputs[1].size;
  const std::int64_t rows = cols > 0 ? b.inputs[0].size / cols : 0;
  const double epsilon = b.attributes.real("epsilon", 1e-5);
  const std::size_t width = size_of(b.inputs[0].type);
  const std::int64_t each = std::max<std::int64_t>(16384 / std::max<std::int64_t>(cols, 1), 1);
  bound_kernel result;
  result.run = [=](const kernel_call& call) {
    call.parallel.run((rows + each - 1) / each, [&](std::int64_t chunk) {
      const std::size_t offset = static_cast<std::size_t>(chunk * each * cols) * width;
      kernels::layer_norm_args args;
      args.x = static_cast<const std::byte*>(call.in[0]) + offset;
      args.y = static_cast<std::byte*>(call.out[0]) + offset;
      args.rows = std::min(each, rows - chunk * each), args.cols = cols;
      args.scale = call.in[1], args.bias = call.in[2], args.epsilon = epsilon;
      kernel(args);
    });
  };
  return result;
}

// --- gradients, from primitive operators, so that they can be differentiated again ---

// The gradient of y = normalised(x) * scale + bias, where the statistics are taken over `axes` of x.
// dx = inv * (dn - mean(dn) - n * mean(dn * n)) with n = (x - mean) * inv and dn = dy * scale.
struct normalization_gradients {
  any_tensor dx, dscale, dbias;
};
normalization_gradients through_normalization(const any_tensor& x, const any_tensor& scale,
                                              const any_tensor& dy, const dims& axes,
                                              const dims& parameter_axes, double epsilon) {
  const any_tensor centred = x - mean(x, axes, true);
  const any_tensor inv = rsqrt(mean(square(centred), axes, true) + epsilon);
  const any_tensor n = centred * inv;
  const any_tensor dn = dy * scale;
  const any_tensor dx = inv * (dn - mean(dn, axes, true) - n * mean(dn * n, axes, true));
  return {dx, sum(dy * n, parameter_axes, false), sum(dy, parameter_axes, false)};
}

dims all_axes_but(std::size_t rank, std::size_t kept) {
  dims axes;
  for (std::size_t i = 0; i < rank; ++i) {
    if (i != kept) axes.push_back(static_cast<extent>(i));
  }
  return axes;
}

std::size_t known_rank(const gradient_args& a, const char* what) {
  const value_type type = a.graph.type_of(a.graph.operand(a.op, 0));
  if (type.ranked) return type.shape.size();
  throw unsupported_error({std::string("the gradient of ") + what + " was asked for",
                           "the rank of its input is not known", a.graph.path_of(a.op),
                           "declare the input with as<T, shape<...>>()"});
}

operand_gradients batch_norm_gradient(const gradient_args& a) {
  operand_gradients g(5);
  if (!a.output_gradients[0]) return g;
  const any_tensor &x = a.operands[0], &dy = *a.output_gradients[0];
  const std::size_t rank = known_rank(a, "batch_norm");
  const double epsilon = a.attributes.real("epsilon", 1e-5);
  // A channel vector as [C, 1, 1]: it then broadcasts along axis 1.
  dims column{-1};
  column.resize(rank - 1, 1);
  const dims others = all_axes_but(rank, 1);
  const any_tensor scale = reshape(a.operands[1], column);
  if (a.attributes.integer("training") != 0) {
    const auto all = through_normalization(x, scale, dy, others, others, epsilon);
    g[0] = all.dx, g[1] = all.dscale, g[2] = all.dbias;
    return g;
  }
  const any_tensor mean_column = reshape(a.operands[3], column);
  const any_tensor inv = rsqrt(reshape(a.operands[4], column) + epsilon);
  const any_tensor n = (x - mean_column) * inv;
  g[0] = dy * (scale * inv);
  g[1] = sum(dy * n, others, false);
  g[2] = sum(dy, others, false);
  if (a.wanted[3]) g[3] = sum(dy * (scale * inv) * -1.0, others, false);
  if (a.wanted[4]) {
    g[4] = sum(dy * n * scale * inv * inv * -0.5, others, false);
  }
  return g;
}

operand_gradients layer_norm_gradient(const gradient_args& a) {
  const std::size_t rank = known_rank(a, "layer_norm");
  const dims last{static_cast<extent>(rank - 1)};
  const auto all =
      through_normalization(a.operands[0], a.operands[1], *a.output_gradients[0], last,
                            all_axes_but(rank, rank - 1), a.attributes.real("epsilon", 1e-5));
  operand_gradients g(3);
  g[0] = all.dx, g[1] = all.dscale, g[2] = all.dbias;
  return g;
}

// --- references ---

std::vector<Array> reference_batch_norm(std::span<const Array> in, const attribute_list& a) {
  const channel_layout l = layout_of(in[0].shape());
  const bool training = a.integer("training") != 0;
  const double epsilon = a.real("epsilon", 1e-5), momentum = a.real("momentum", 0.9);
  const std::int64_t count = l.outer * l.inner;
  Array y(dtype::float64, in[0].shape()), new_mean = in[3], new_variance = in[4];
  const auto x = in[0].span<double>();
  const auto index = [&](std::int64_t o, std::int64_t c, std::int64_t i) {
    return static_cast<std::size_t>((o * l.channels + c) * l.inner + i);
  };
  for (std::int64_t c = 0; c < l.channels; ++c) {
    const auto k = static_cast<std::size_t>(c);
    double mean = in[3].span<double>()[k], variance = in[4].span<double>()[k];
    if (training && count > 0) {
      double total = 0, squares = 0;
      for (std::int64_t o = 0; o < l.outer; ++o)
        for (std::int64_t i = 0; i < l.inner; ++i) total += x[index(o, c, i)];
      const double batch_mean = total / static_cast<double>(count);
      for (std::int64_t o = 0; o < l.outer; ++o)
        for (std::int64_t i = 0; i < l.inner; ++i) {
          squares += (x[index(o, c, i)] - batch_mean) * (x[index(o, c, i)] - batch_mean);
        }
      const double batch_variance = squares / static_cast<double>(count);
      const double unbiased = count > 1 ? squares / static_cast<double>(count - 1) : batch_variance;
      new_mean.mutable_span<double>()[k] = momentum * mean + (1 - momentum) * batch_mean;
      new_variance.mutable_span<double>()[k] = momentum * variance + (1 - momentum) * unbiased;
      mean = batch_mean, variance = batch_variance;
    }
    const double inv = 1 / std::sqrt(variance + epsilon);
    for (std::int64_t o = 0; o < l.outer; ++o)
      for (std::int64_t i = 0; i < l.inner; ++i) {
        y.mutable_span<double>()[index(o, c, i)] =
            (x[index(o, c, i)] - mean) * inv * in[1].span<double>()[k] + in[2].span<double>()[k];
      }
  }
  return {y, new_mean, new_variance};
}

std::vector<Array> reference_layer_norm(std::span<const Array> in, const attribute_list& a) {
  const double epsilon = a.real("epsilon", 1e-5);
  const auto cols = static_cast<std::size_t>(in[1].size());
  Array y(dtype::float64, in[0].shape());
  const auto x = in[0].span<double>();
  const auto out = y.mutable_span<double>();
  for (std::size_t start = 0; cols > 0 && start < x.size(); start += cols) {
    double mean = 0, variance = 0;
    for (std::size_t i = 0; i < cols; ++i) mean += x[start + i] / static_cast<double>(cols);
    for (std::size_t i = 0; i < cols; ++i) {
      variance += (x[start + i] - mean) * (x[start + i] - mean) / static_cast<double>(cols);
    }
    for (std::size_t i = 0; i < cols; ++i) {
      out[start + i] =
          (x[start + i] - mean) / std::sqrt(variance + epsilon) * in[1].span<double>()[i] +
          in[2].span<double>()[i];
    }
  }
  return {y};
}

// --- samples ---

Array positive(const dims& shape, int salt) {
  Array a = sample_array(shape, salt);
  for (double& v : a.mutable_span<double>()) v = 0.5 + v * v;
  return a;
}
std::vector<operator_sample> batch_norm_samples() {
  std::vector<operator_sample> samples;
  for (const bool training : {true, false}) {
    for (const dims& x : {dims{4, 3}, dims{2, 3, 4, 5}, dims{5, 1, 3}, dims{7, 2, 1, 1}}) {
      const dims c{x[1]};
      attribute_list a;
      a.set("training", training).set("epsilon", 1e-3).set("momentum", 0.9);
      operator_sample s{{sample_array(x, 1), sample_array(c, 2), sample_array(c, 3),
                         sample_array(c, 4), positive(c, 5)},
                        a};
      samples.push_back(std::move(s));
    }
  }
  return samples;
}
std::vector<operator_error_sample> batch_norm_errors() {
  const auto f32 = [](const dims& d) { return value_type::of(dtype::float32, d); };
  const value_type three = f32({3}), two = f32({2});
  return {
      {{f32({4, 3, 2}), three, two, three, three}, {}, "one element a channel"},
      {{f32({4}), three, three, three, three}, {}, "too few axes"},
      {{value_type::of(dtype::int32, {4, 3}), three, three, three, three}, {}, "floating elements"},
      {{f32({4, 3}), three, three, three, three},
       attribute_list().set("epsilon", -1.0),
       "epsilon must be at least 0"},
      {{f32({4, 3}), three, three, three, three},
       attribute_list().set("epsilon", std::nan("")),
       "epsilon must be at least 0"},
      {{f32({4, 3}), three, three, three, three},
       attribute_list().set("momentum", std::nan("")),
       "momentum of the moving statistics must be from 0 to 1"},
      {{f32({4, 3}), three, three, three, three},
       attribute_list().set("momentum", 2.0),
       "momentum of the moving statistics must be from 0 to 1"}};
}
std::vector<operator_sample> layer_norm_samples() {
  std::vector<operator_sample> samples;
  for (const dims& x : {dims{4, 5}, dims{2, 3, 7}, dims{6}, dims{0, 5}, dims{3, 33}}) {
    const dims d{x[x.size() - 1]};
    samples.push_back({{sample_array(x, 1), sample_array(d, 2), sample_array(d, 3)},
                       attribute_list().set("epsilon", 1e-3)});
  }
  return samples;
}
std::vector<operator_error_sample> layer_norm_errors() {
  const auto f32 = [](const dims& d) { return value_type::of(dtype::float32, d); };
  return {{{f32({4, 5}), f32({4}), f32({5})}, {}, "one element for each of the last axis"},
          {{f32({}), f32({5}), f32({5})}, {}, "too few axes"},
          {{f32({4, 5}), f32({5}), f32({5})},
           attribute_list().set("epsilon", std::nan("")),
           "epsilon must be at least 0"}};
}

}  // namespace

void add_normalize_operators(std::vector<operator_definition>& all) {
  all.push_back({&ops::batch_norm,
                 "BatchNormalization",
                 batch_norm_gradient,
                 bind_batch_norm,
                 reference_batch_norm,
                 batch_norm_samples,
                 batch_norm_errors,
                 // The moving statistics.
                 {{.operand = 3, .output = 1}, {.operand = 4, .output = 2}}});
  all.push_back({&ops::layer_norm, "LayerNormalization", layer_norm_gradient, bind_layer_norm,
                 reference_layer_norm, layer_norm_samples, layer_norm_errors});
}

}  // namespace graft
