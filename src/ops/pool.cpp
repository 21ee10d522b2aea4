#include "graft/ops/pool.hpp"

#include <algorithm>
#include <limits>

#include "ops/families.hpp"
#include "ops/floating.hpp"

namespace graft {
namespace {

kernels::pool2d_shape shape_of(const dims& x, const attribute_list& a) {
  const window2d window = ops::detail::pool_window(a);
  const padding2d pad = window.resolved(x[2], x[3]);
  kernels::pool2d_shape s;
  s.planes = x[0] * x[1], s.in_h = x[2], s.in_w = x[3];
  s.kernel_h = window.size.height, s.kernel_w = window.size.width;
  s.stride_h = window.stride.height, s.stride_w = window.stride.width;
  s.dilation_h = window.dilation.height, s.dilation_w = window.dilation.width;
  s.pad_top = pad.top, s.pad_left = pad.left, s.pad_bottom = pad.bottom, s.pad_right = pad.right;
  return s;
}

// Planes are independent; a fixed number a chunk keeps chunks worth a thread's while.
template <class Run>
bound_kernel over_planes(const kernels::pool2d_shape& whole, Run run) {
  const std::int64_t plane = std::max<std::int64_t>(whole.in_h * whole.in_w, 1);
  const std::int64_t each = std::max<std::int64_t>(16384 / plane, 1);
  const std::int64_t chunks = (whole.planes + each - 1) / each;
  bound_kernel result;
  result.run = [=](const kernel_call& call) {
    call.parallel.run(chunks, [&](std::int64_t chunk) {
      kernels::pool2d_shape part = whole;
      part.planes = std::min(each, whole.planes - chunk * each);
      run(call, part, chunk * each);
    });
  };
  return result;
}

template <class T>
T* at(T* base, std::int64_t elements, std::size_t width) {
  if (base == nullptr) return nullptr;
  using byte = std::conditional_t<std::is_const_v<T>, const std::byte, std::byte>;
  return static_cast<byte*>(base) + static_cast<std::size_t>(elements) * width;
}

bound_kernel bind_max(const bind_args& b) {
  if (b.outputs[0].size == 0) return nothing_to_do();
  const auto s = shape_of(b.inputs[0].shape, b.attributes);
  const auto kernel = kernels::active().pool2d(floating_element(b));
  const std::size_t width = size_of(b.inputs[0].type);
  const std::int64_t in = s.in_h * s.in_w, out = s.out_h() * s.out_w();
  bound_kernel result =
      over_planes(s, [=](const kernel_call& call, const auto& part, std::int64_t first) {
        kernel.max(part, at(call.in[0], first * in, width), at(call.out[0], first * out, width),
                   static_cast<std::int64_t*>(at(call.out[1], first * out, 8)));
      });
  // Where only the index is read the maxima still need room.
  result.scratch_bytes = static_cast<std::size_t>(b.outputs[0].size) * width;
  result.run = [run = std::move(result.run)](const kernel_call& call) {
    void* out_or_scratch[2] = {call.out[0] != nullptr ? call.out[0] : call.scratch, call.out[1]};
    run({call.in, out_or_scratch, call.scratch, call.parallel, call.seed});
  };
  return result;
}

bound_kernel bind_max_gradient(const bind_args& b) {
  if (b.outputs[0].size == 0) return nothing_to_do();
  const auto s = shape_of(b.inputs[0].shape, b.attributes);
  const auto kernel = kernels::active().pool2d(floating_element(b, 2));
  const std::size_t width = size_of(b.inputs[2].type);
  const std::int64_t in = s.in_h * s.in_w, out = s.out_h() * s.out_w();
  return over_planes(s, [=](const kernel_call& call, const auto& part, std::int64_t first) {
    kernel.max_gradient(part, at(call.in[2], first * out, width),
                        static_cast<const std::int64_t*>(at(call.in[1], first * out, 8)),
                        at(call.out[0], first * in, width));
  });
}

bound_kernel bind_average(const bind_args& b) {
  if (b.outputs[0].size == 0) return nothing_to_do();
  const auto s = shape_of(b.inputs[0].shape, b.attributes);
  const auto kernel = kernels::active().pool2d(floating_element(b));
  const std::size_t width = size_of(b.inputs[0].type);
  const bool all = b.attributes.integer("count_padding") != 0;
  const std::int64_t in = s.in_h * s.in_w, out = s.out_h() * s.out_w();
  return over_planes(s, [=](const kernel_call& call, const auto& part, std::int64_t first) {
    kernel.average(part, at(call.in[0], first * in, width), at(call.out[0], first * out, width),
                   all);
  });
}

bound_kernel bind_average_gradient(const bind_args& b) {
  if (b.outputs[0].size == 0) return nothing_to_do();
  const auto s = shape_of(b.inputs[0].shape, b.attributes);
  const auto kernel = kernels::active().pool2d(floating_element(b, 1));
  const std::size_t width = size_of(b.inputs[1].type);
  const bool all = b.attributes.integer("count_padding") != 0;
  const std::int64_t in = s.in_h * s.in_w, out = s.out_h() * s.out_w();
  return over_planes(s, [=](const kernel_call& call, const auto& part, std::int64_t first) {
    kernel.average_gradient(part, at(call.in[1], first * out, width),
                            at(call.out[0], first * in, width), all);
  });
}

template <class T>
void gather_planes(const T* x, const std::int64_t* index, T* y, std::int64_t planes,
                   std::int64_t in, std::int64_t out) {
  for (std::int64_t p = 0; p < planes; ++p) {
    for (std::int64_t i = 0; i < out; ++i) {
      const std::int64_t from = index[p * out + i];
      y[p * out + i] = from >= 0 && from < in ? x[p * in + from] : T(0);
    }
  }
}

bound_kernel bind_plane_gather(const bind_args& b) {
  if (b.outputs[0].size == 0) return nothing_to_do();
  const bool f32 = floating_element(b) == kernels::element::f32;
  const dims& x = b.inputs[0].shape;
  const dims& y = b.outputs[0].shape;
  const std::int64_t planes = x[0] * x[1], in = x[2] * x[3], out = y[2] * y[3];
  bound_kernel result;
  result.run = [=](const kernel_call& call) {
    const auto* index = static_cast<const std::int64_t*>(call.in[1]);
    if (f32) {
      gather_planes(static_cast<const float*>(call.in[0]), index, static_cast<float*>(call.out[0]),
                    planes, in, out);
    } else {
      gather_planes(static_cast<const double*>(call.in[0]), index,
                    static_cast<double*>(call.out[0]), planes, in, out);
    }
  };
  return result;
}

// --- gradients ---

any_tensor apply_one(const operator_schema& schema, std::initializer_list<any_tensor> operands,
                     const attribute_list& attributes) {
  small_vector<graph_reference, 4> refs;
  for (const any_tensor& t : operands) refs.push_back(t.ref());
  return any_tensor(apply_dynamic<Graph>(schema, refs, attributes)[0]);
}

operand_gradients max_gradient(const gradient_args& a) {
  operand_gradients g(1);
  if (!a.output_gradients[0]) return g;
  g[0] = apply_one(ops::max_pool2d_gradient, {a.operands[0], a.outputs[1], *a.output_gradients[0]},
                   a.attributes);
  return g;
}
operand_gradients max_gradient_gradient(const gradient_args& a) {
  operand_gradients g(3);
  g[2] = apply_one(ops::plane_gather, {*a.output_gradients[0], a.operands[1]}, a.attributes);
  return g;
}
operand_gradients plane_gather_gradient(const gradient_args& a) {
  operand_gradients g(2);
  g[0] = apply_one(ops::max_pool2d_gradient, {a.operands[0], a.operands[1], *a.output_gradients[0]},
                   a.attributes);
  return g;
}
operand_gradients average_gradient(const gradient_args& a) {
  operand_gradients g(1);
  g[0] = apply_one(ops::avg_pool2d_gradient, {a.operands[0], *a.output_gradients[0]}, a.attributes);
  return g;
}
operand_gradients average_gradient_gradient(const gradient_args& a) {
  operand_gradients g(2);
  g[1] = apply_one(ops::avg_pool2d, {*a.output_gradients[0]}, a.attributes);
  return g;
}

// --- references ---

// Calls visit(number of the window, elements of x under it) for each window.
template <class Visit>
void for_each_window(const kernels::pool2d_shape& s, Visit visit) {
  const std::int64_t out_h = s.out_h(), out_w = s.out_w();
  std::vector<std::size_t> under;
  for (std::int64_t p = 0; p < s.planes; ++p)
    for (std::int64_t i = 0; i < out_h; ++i)
      for (std::int64_t j = 0; j < out_w; ++j) {
        under.clear();
        for (std::int64_t k = 0; k < s.kernel_h; ++k)
          for (std::int64_t l = 0; l < s.kernel_w; ++l) {
            const std::int64_t row = i * s.stride_h - s.pad_top + k * s.dilation_h;
            const std::int64_t column = j * s.stride_w - s.pad_left + l * s.dilation_w;
            if (row < 0 || row >= s.in_h || column < 0 || column >= s.in_w) continue;
            under.push_back(static_cast<std::size_t>((p * s.in_h + row) * s.in_w + column));
          }
        visit(static_cast<std::size_t>((p * out_h + i) * out_w + j), under);
      }
}

std::vector<Array> reference_max(std::span<const Array> in, const attribute_list& a) {
  const dims& x = in[0].shape();
  const auto s = shape_of(x, a);
  const dims out{x[0], x[1], s.out_h(), s.out_w()};
  Array y(dtype::float64, out), index(dtype::int64, out);
  const auto values = in[0].span<double>();
  for_each_window(s, [&](std::size_t to, const std::vector<std::size_t>& under) {
    double best = -std::numeric_limits<double>::infinity();
    std::int64_t place = -1;
    for (const std::size_t from : under) {
      if (place >= 0 && values[from] <= best) continue;
      best = values[from];
      place = static_cast<std::int64_t>(from) % (s.in_h * s.in_w);
    }
    y.mutable_span<double>()[to] = best;
    index.mutable_span<std::int64_t>()[to] = place;
  });
  return {y, index};
}
std::vector<Array> reference_max_gradient(std::span<const Array> in, const attribute_list&) {
  const dims &x = in[0].shape(), &y = in[1].shape();
  Array dx(dtype::float64, x);
  const std::int64_t plane_in = x[2] * x[3], plane_out = y[2] * y[3];
  for (std::int64_t i = 0; i < in[1].size(); ++i) {
    const std::int64_t at = in[1].span<std::int64_t>()[static_cast<std::size_t>(i)];
    if (at < 0) continue;
    dx.mutable_span<double>()[static_cast<std::size_t>(i / plane_out * plane_in + at)] +=
        in[2].span<double>()[static_cast<std::size_t>(i)];
  }
  return {dx};
}
std::vector<Array> reference_plane_gather(std::span<const Array> in, const attribute_list&) {
  const dims &x = in[0].shape(), &y = in[1].shape();
  Array out(dtype::float64, y);
  for (std::int64_t i = 0; i < in[1].size(); ++i) {
    const std::int64_t at = in[1].span<std::int64_t>()[static_cast<std::size_t>(i)];
    const std::int64_t plane = i / (y[2] * y[3]);
    out.mutable_span<double>()[static_cast<std::size_t>(i)] =
        at < 0 ? 0 : in[0].span<double>()[static_cast<std::size_t>(plane * x[2] * x[3] + at)];
  }
  return {out};
}
double share(const kernels::pool2d_shape& s, const attribute_list& a, std::size_t inside) {
  const auto whole = static_cast<std::size_t>(s.kernel_h * s.kernel_w);
  const std::size_t count = a.integer("count_padding") != 0 ? whole : inside;
  return count > 0 ? 1.0 / static_cast<double>(count) : 0;
}
std::vector<Array> reference_average(std::span<const Array> in, const attribute_list& a) {
  const dims& x = in[0].shape();
  const auto s = shape_of(x, a);
  Array y(dtype::float64, {x[0], x[1], s.out_h(), s.out_w()});
  for_each_window(s, [&](std::size_t to, const std::vector<std::size_t>& under) {
    double total = 0;
    for (const std::size_t from : under) total += in[0].span<double>()[from];
    y.mutable_span<double>()[to] = total * share(s, a, under.size());
  });
  return {y};
}
std::vector<Array> reference_average_gradient(std::span<const Array> in, const attribute_list& a) {
  const auto s = shape_of(in[0].shape(), a);
  Array dx(dtype::float64, in[0].shape());
  for_each_window(s, [&](std::size_t to, const std::vector<std::size_t>& under) {
    const double part = in[1].span<double>()[to] * share(s, a, under.size());
    for (const std::size_t from : under) dx.mutable_span<double>()[from] += part;
  });
  return {dx};
}

// --- samples ---

struct pool_case {
  dims x;
  pool options;
};
std::vector<pool_case> cases() {
  return {{{2, 3, 4, 6}, {}},
          {{1, 2, 5, 7}, {.window = {3, 2}, .stride = {2, 1}}},
          {{2, 1, 5, 5}, {.window = {3, 3}, .stride = {2, 2}, .padding = same_padding}},
          {{1, 1, 4, 4}, {.window = {2, 2}, .padding = {1, 1, 1, 1}, .count_padding = true}},
          {{1, 2, 6, 5}, {.window = {2, 3}, .stride = {1, 2}, .dilation = {3, 2}}},
          {{2, 1, 4, 5},
           {.window = {3, 2}, .stride = {2, 1}, .padding = same_padding, .dilation = {2, 3}}},
          {{1, 1, 3, 4},
           {.window = {2, 2},
            .stride = {1, 1},
            .padding = {2, 2, 1, 1},
            .dilation = {2, 3},
            .count_padding = true}},
          {{1, 1, 1, 1}, {.window = {1, 1}}},
          {{0, 3, 4, 4}, {}}};
}
dims out_of(const pool_case& c) {
  const auto s = shape_of(c.x, c.options.list());
  return {c.x[0], c.x[1], s.out_h(), s.out_w()};
}
std::vector<operator_sample> forward_samples() {
  std::vector<operator_sample> samples;
  for (const pool_case& c : cases()) {
    samples.push_back({{sample_array(c.x, 1)}, c.options.list()});
  }
  return samples;
}
std::vector<operator_sample> max_gradient_samples() {
  std::vector<operator_sample> samples;
  for (const pool_case& c : cases()) {
    const Array x = sample_array(c.x, 1);
    const Array index = reference_max(std::span<const Array>(&x, 1), c.options.list())[1];
    samples.push_back({{x, index, sample_array(out_of(c), 2)}, c.options.list()});
  }
  return samples;
}
std::vector<operator_sample> plane_gather_samples() {
  std::vector<operator_sample> samples = max_gradient_samples();
  for (operator_sample& s : samples) s.operands.pop_back();
  return samples;
}
std::vector<operator_sample> average_gradient_samples() {
  std::vector<operator_sample> samples;
  for (const pool_case& c : cases()) {
    samples.push_back({{sample_array(c.x, 1), sample_array(out_of(c), 2)}, c.options.list()});
  }
  return samples;
}
value_type f32(const dims& d) { return value_type::of(dtype::float32, d); }
value_type i64(const dims& d) { return value_type::of(dtype::int64, d); }

// What no pool takes, nor what computes with a pool's attributes: `beside` are the operands behind
// the images, shaped as what a pool of the default attributes makes of [2, 3, 4, 4].
std::vector<operator_error_sample> pool_errors(const std::vector<value_type>& beside) {
  const attribute_list two = pool{}.list();
  const auto with = [&](const char* key, const dims& list) {
    return attribute_list(two).set(key, list);
  };
  constexpr std::int64_t huge = std::int64_t{1} << 31;
  std::vector<operator_error_sample> errors{
      {{f32({2, 3, 4})}, two, "[batch, channels, height, width]"},
      {{f32({2, 3, 1, 1})}, two, "must fit into the padded image"},
      {{f32({2, 3, 4, 4})}, with("dilations", {4, 1}), "must fit into the padded image"},
      {{value_type::of(dtype::int32, {2, 3, 4, 4})}, two, "floating elements"},
      {{f32({2, 3, 4, 4})}, with("kernel", {0, 2}), "at least one element"},
      {{f32({2, 3, 4, 4})}, with("kernel", {2, -1}), "at least one element"},
      {{f32({2, 3, 4, 4})}, with("kernel", {2}), "'kernel' is integers [2]"},
      {{f32({2, 3, 4, 4})}, with("strides", {0, 1}), "strides must be at least 1"},
      {{f32({2, 3, 4, 4})}, with("strides", {1}), "'strides' is integers [1]"},
      {{f32({2, 3, 4, 4})}, with("dilations", {1, -1}), "dilations must be at least 1"},
      {{f32({2, 3, 4, 4})}, with("dilations", {}), "'dilations' is integers []"},
      {{f32({2, 3, 4, 4})}, with("pads", {0, 0, -1, 0}), "padding must not be negative"},
      {{f32({2, 3, 4, 4})}, with("pads", {1, 1}), "it must be 4 integers"},
      {{f32({2, 3, 4, 4})},
       with("pads", {0, huge, 0, 0}),
       "it must be 4 integers from -2147483647 to 2147483647"},
      {{f32({1, 1, 1, huge << 31 | 1})}, two, "must be at most 2^62"}};
  for (operator_error_sample& e : errors) {
    e.operands.insert(e.operands.end(), beside.begin(), beside.end());
  }
  return errors;
}
std::vector<operator_error_sample> forward_errors() { return pool_errors({}); }

// The same where other operands stand beside the images, and what is wrong with those.
std::vector<operator_error_sample> index_errors(const std::vector<value_type>& gradient) {
  const dims pooled{2, 3, 2, 2};
  std::vector<value_type> beside{i64(pooled)};
  beside.insert(beside.end(), gradient.begin(), gradient.end());
  std::vector<operator_error_sample> errors = pool_errors(beside);
  const auto add = [&](const value_type& index, const char* message) {
    errors.push_back({{f32({2, 3, 4, 4}), index}, pool{}.list(), message});
    errors.back().operands.insert(errors.back().operands.end(), gradient.begin(), gradient.end());
  };
  add(f32(pooled), "the places of maxima must be int64");
  add(i64({2, 3, 2, 3}), "the places of maxima must have the shape");
  add(i64({2, 3, 4}), "the places of maxima must have the shape");
  return errors;
}
std::vector<operator_error_sample> plane_gather_errors() { return index_errors({}); }

void add_gradient_errors(std::vector<operator_error_sample>& errors,
                         const std::vector<value_type>& before) {
  const auto add = [&](const value_type& gradient, const char* message) {
    errors.push_back({before, pool{}.list(), message});
    errors.back().operands.push_back(gradient);
  };
  add(value_type::of(dtype::float64, {2, 3, 2, 2}), "must have one element type");
  add(f32({2, 3, 2, 3}), "the gradient must have the shape of the pool's result");
  add(f32({12}), "the gradient must have the shape of the pool's result");
}
std::vector<operator_error_sample> max_gradient_errors() {
  auto errors = index_errors({f32({2, 3, 2, 2})});
  add_gradient_errors(errors, {f32({2, 3, 4, 4}), i64({2, 3, 2, 2})});
  return errors;
}
std::vector<operator_error_sample> average_gradient_errors() {
  auto errors = pool_errors({f32({2, 3, 2, 2})});
  add_gradient_errors(errors, {f32({2, 3, 4, 4})});
  return errors;
}

}  // namespace

void add_pool_operators(std::vector<operator_definition>& all) {
  all.push_back({&ops::max_pool2d, "MaxPool", max_gradient, bind_max, reference_max,
                 forward_samples, forward_errors});
  all.push_back({&ops::max_pool2d_gradient, "", max_gradient_gradient, bind_max_gradient,
                 reference_max_gradient, max_gradient_samples, max_gradient_errors});
  all.push_back({&ops::plane_gather, "", plane_gather_gradient, bind_plane_gather,
                 reference_plane_gather, plane_gather_samples, plane_gather_errors});
  all.push_back({&ops::avg_pool2d, "AveragePool", average_gradient, bind_average, reference_average,
                 forward_samples, forward_errors});
  all.push_back({&ops::avg_pool2d_gradient, "", average_gradient_gradient, bind_average_gradient,
                 reference_average_gradient, average_gradient_samples, average_gradient_errors});
}

}  // namespace graft
