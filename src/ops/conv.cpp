#include "graft/ops/conv.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/kernels.hpp"
#include "ops/families.hpp"
#include "ops/floating.hpp"

namespace graft {
namespace {

kernels::conv2d_shape shape_of(const dims& x, const dims& w, const attribute_list& a) {
  const window2d window = window2d::of(a, {w[2], w[3]});
  const padding2d pad = window.resolved(x[2], x[3]);
  kernels::conv2d_shape s;
  s.batch = x[0], s.in_channels = x[1], s.in_h = x[2], s.in_w = x[3];
  s.out_channels = w[0], s.kernel_h = w[2], s.kernel_w = w[3];
  s.stride_h = window.stride.height, s.stride_w = window.stride.width;
  s.pad_top = pad.top, s.pad_left = pad.left, s.pad_bottom = pad.bottom, s.pad_right = pad.right;
  s.dilation_h = window.dilation.height, s.dilation_w = window.dilation.width;
  s.groups = a.integer("groups", 1);
  return s;
}

// The kernels copy images with their padding, or write the gradients of patches out: how many
// elements that takes must fit in 63 bits with some room to spare.
void require_room(const bind_args& b, const kernels::conv2d_shape& s) {
  const auto real = [](std::int64_t n) { return static_cast<double>(n); };
  const double height = 2 * real(s.in_h + s.pad_top + s.pad_bottom);
  const double width = 2 * real(s.in_w + s.pad_left + s.pad_right) + real(s.stride_w);
  const double channels = real(std::max(s.in_channels, s.out_channels) / s.groups);
  const double patch = std::max(96.0, real(s.kernel_h) * real(s.kernel_w));
  const double patches = patch * real(s.out_h()) * real(s.out_w());
  if (std::max(height * width * channels, patches) < 0x1p56) return;
  throw size_error({"'" + std::string(b.where) + "' was to be run",
                    "images of " + to_string(b.inputs[0].shape) +
                        " with its padding and strides are more than a process can address",
                    std::string(b.where), "check the convolution's strides and padding"});
}

std::size_t aligned(std::int64_t bytes) { return (static_cast<std::size_t>(bytes) + 63) / 64 * 64; }

// Images are independent, so any split gives the same bits; each part needs scratch of its own.
constexpr std::int64_t image_parts = 8;

template <class Run>
bound_kernel over_images(std::int64_t batch, std::size_t scratch, Run run) {
  bound_kernel result;
  const std::int64_t parts = std::min(batch, image_parts);
  result.scratch_bytes = scratch * static_cast<std::size_t>(parts);
  result.run = [=](const kernel_call& call) {
    call.parallel.run(parts, [&](std::int64_t part) {
      run(call, batch * part / parts, batch * (part + 1) / parts,
          call.scratch + static_cast<std::size_t>(part) * scratch);
    });
  };
  return result;
}

bound_kernel bind_forward(const bind_args& b) {
  if (b.outputs[0].size == 0) return nothing_to_do();
  const auto shape = shape_of(b.inputs[0].shape, b.inputs[1].shape, b.attributes);
  require_room(b, shape);
  const auto kernel = kernels::active().conv2d(floating_element(b));
  return over_images(
      shape.batch, aligned(kernel.forward_scratch_bytes(shape)),
      [=](const kernel_call& call, std::int64_t first, std::int64_t last, std::byte* scratch) {
        kernels::conv2d_args args;
        args.shape = shape;
        args.x = call.in[0], args.filter = call.in[1], args.out = call.out[0];
        args.first = first, args.last = last, args.scratch = scratch;
        kernel.forward(args);
      });
}

bound_kernel bind_input_gradient(const bind_args& b) {
  if (b.outputs[0].size == 0) return nothing_to_do();
  const auto shape = shape_of(b.inputs[0].shape, b.inputs[1].shape, b.attributes);
  require_room(b, shape);
  const auto kernel = kernels::active().conv2d(floating_element(b));
  return over_images(
      shape.batch, aligned(kernel.input_gradient_scratch_bytes(shape)),
      [=](const kernel_call& call, std::int64_t first, std::int64_t last, std::byte* scratch) {
        kernels::conv2d_args args;
        args.shape = shape;
        args.filter = call.in[1], args.dy = call.in[2], args.out = call.out[0];
        args.first = first, args.last = last, args.scratch = scratch;
        kernel.input_gradient(args);
      });
}

bound_kernel bind_filter_gradient(const bind_args& b) {
  if (b.outputs[0].size == 0) return nothing_to_do();
  const auto shape = shape_of(b.inputs[0].shape, b.inputs[1].shape, b.attributes);
  require_room(b, shape);
  const auto kernel = kernels::active().conv2d(floating_element(b));
  const std::int64_t parts = kernel.filter_gradient_parts(shape);
  const std::size_t partial =
      static_cast<std::size_t>(b.outputs[0].size) * size_of(b.outputs[0].type);
  const std::size_t scratch = aligned(kernel.filter_gradient_partial_scratch_bytes(shape));
  const std::size_t partials = aligned(static_cast<std::int64_t>(partial) * parts);
  bound_kernel result;
  result.scratch_bytes = partials + scratch * static_cast<std::size_t>(parts);
  result.run = [=](const kernel_call& call) {
    call.parallel.run(parts, [&](std::int64_t part) {
      const auto p = static_cast<std::size_t>(part);
      kernels::conv2d_args args;
      args.shape = shape;
      args.x = call.in[0], args.dy = call.in[2];
      args.out = call.scratch + p * partial;
      args.scratch = call.scratch + partials + p * scratch;
      kernel.filter_gradient_partial(args, part);
    });
    kernel.filter_gradient_combine(shape, call.scratch, call.out[0]);
  };
  return result;
}

// --- gradients: each of the three is linear in two of its operands, and the others compute its gradients ---

any_tensor apply_one(const operator_schema& schema, std::initializer_list<any_tensor> operands,
                     const attribute_list& attributes) {
  small_vector<graph_reference, 4> refs;
  for (const any_tensor& t : operands) refs.push_back(t.ref());
  return any_tensor(apply_dynamic<Graph>(schema, refs, attributes)[0]);
}

operand_gradients forward_gradient(const gradient_args& a) {
  const any_tensor &x = a.operands[0], &w = a.operands[1], &dy = *a.output_gradients[0];
  operand_gradients g(2);
  if (a.wanted[0]) g[0] = apply_one(ops::conv2d_input_gradient, {x, w, dy}, a.attributes);
  if (a.wanted[1]) g[1] = apply_one(ops::conv2d_filter_gradient, {x, w, dy}, a.attributes);
  return g;
}

operand_gradients input_gradient_gradient(const gradient_args& a) {
  const any_tensor &w = a.operands[1], &dy = a.operands[2], &u = *a.output_gradients[0];
  operand_gradients g(3);
  if (a.wanted[1]) g[1] = apply_one(ops::conv2d_filter_gradient, {u, w, dy}, a.attributes);
  if (a.wanted[2]) g[2] = apply_one(ops::conv2d, {u, w}, a.attributes);
  return g;
}

operand_gradients filter_gradient_gradient(const gradient_args& a) {
  const any_tensor &x = a.operands[0], &dy = a.operands[2], &u = *a.output_gradients[0];
  operand_gradients g(3);
  if (a.wanted[0]) g[0] = apply_one(ops::conv2d_input_gradient, {x, u, dy}, a.attributes);
  if (a.wanted[2]) g[2] = apply_one(ops::conv2d, {x, u}, a.attributes);
  return g;
}

// --- references: one loop over every product of the definition ---

template <class Visit>
void for_each_product(const kernels::conv2d_shape& s, Visit visit) {
  const std::int64_t out_h = s.out_h(), out_w = s.out_w();
  const std::int64_t in_group = s.in_channels / s.groups, out_group = s.out_channels / s.groups;
  for (std::int64_t n = 0; n < s.batch; ++n)
    for (std::int64_t f = 0; f < s.out_channels; ++f)
      for (std::int64_t i = 0; i < out_h; ++i)
        for (std::int64_t j = 0; j < out_w; ++j)
          for (std::int64_t c = 0; c < in_group; ++c)
            for (std::int64_t p = 0; p < s.kernel_h; ++p)
              for (std::int64_t q = 0; q < s.kernel_w; ++q) {
                const std::int64_t row = i * s.stride_h - s.pad_top + p * s.dilation_h;
                const std::int64_t column = j * s.stride_w - s.pad_left + q * s.dilation_w;
                if (row < 0 || row >= s.in_h || column < 0 || column >= s.in_w) continue;
                const std::int64_t channel = f / out_group * in_group + c;
                visit(((n * s.in_channels + channel) * s.in_h + row) * s.in_w + column,
                      ((f * in_group + c) * s.kernel_h + p) * s.kernel_w + q,
                      ((n * s.out_channels + f) * out_h + i) * out_w + j);
              }
}

std::vector<Array> reference_forward(std::span<const Array> in, const attribute_list& a) {
  const auto s = shape_of(in[0].shape(), in[1].shape(), a);
  Array y(dtype::float64, {s.batch, s.out_channels, s.out_h(), s.out_w()});
  const auto x = in[0].span<double>(), w = in[1].span<double>();
  const auto out = y.mutable_span<double>();
  for_each_product(s, [&](auto xi, auto wi, auto yi) {
    out[static_cast<std::size_t>(yi)] +=
        x[static_cast<std::size_t>(xi)] * w[static_cast<std::size_t>(wi)];
  });
  return {y};
}
std::vector<Array> reference_input_gradient(std::span<const Array> in, const attribute_list& a) {
  const auto s = shape_of(in[0].shape(), in[1].shape(), a);
  Array dx(dtype::float64, in[0].shape());
  const auto w = in[1].span<double>(), dy = in[2].span<double>();
  const auto out = dx.mutable_span<double>();
  for_each_product(s, [&](auto xi, auto wi, auto yi) {
    out[static_cast<std::size_t>(xi)] +=
        dy[static_cast<std::size_t>(yi)] * w[static_cast<std::size_t>(wi)];
  });
  return {dx};
}
std::vector<Array> reference_filter_gradient(std::span<const Array> in, const attribute_list& a) {
  const auto s = shape_of(in[0].shape(), in[1].shape(), a);
  Array dw(dtype::float64, in[1].shape());
  const auto x = in[0].span<double>(), dy = in[2].span<double>();
  const auto out = dw.mutable_span<double>();
  for_each_product(s, [&](auto xi, auto wi, auto yi) {
    out[static_cast<std::size_t>(wi)] +=
        x[static_cast<std::size_t>(xi)] * dy[static_cast<std::size_t>(yi)];
  });
  return {dw};
}

// --- samples ---

struct conv_case {
  dims x, w;
  conv options;
};

std::vector<conv_case> cases() {
  return {
      {{2, 3, 5, 4}, {4, 3, 3, 3}, {.padding = same_padding}},
      {{1, 2, 6, 7}, {3, 2, 2, 3}, {.kernel = {2, 3}, .stride = {2, 1}}},
      {{2, 4, 5, 5}, {6, 2, 3, 2}, {.kernel = {3, 2}, .padding = {1, 0, 2, 1}, .groups = 2}},
      // Depthwise.
      {{1, 3, 7, 7}, {3, 1, 3, 3}, {.padding = same_padding, .dilation = {2, 2}, .groups = 3}},
      {{1, 1, 1, 1}, {1, 1, 1, 1}, {.kernel = {1, 1}}},
      {{0, 2, 4, 4}, {3, 2, 3, 3}, {}},
  };
}

std::vector<operator_sample> forward_samples() {
  std::vector<operator_sample> samples;
  for (const conv_case& c : cases()) {
    samples.push_back({{sample_array(c.x, 1), sample_array(c.w, 2)}, c.options.list()});
  }
  return samples;
}
std::vector<operator_sample> gradient_samples() {
  std::vector<operator_sample> samples;
  for (const conv_case& c : cases()) {
    const auto s = shape_of(c.x, c.w, c.options.list());
    const dims y{s.batch, s.out_channels, s.out_h(), s.out_w()};
    samples.push_back(
        {{sample_array(c.x, 1), sample_array(c.w, 2), sample_array(y, 3)}, c.options.list()});
  }
  return samples;
}
value_type f32(const dims& d) { return value_type::of(dtype::float32, d); }

std::vector<operator_error_sample> forward_errors() {
  const value_type x = f32({2, 3, 5, 5}), w = f32({4, 3, 3, 3});
  const attribute_list plain = conv{}.list();
  const auto with = [&](const char* key, const dims& list) {
    return attribute_list(plain).set(key, list);
  };
  constexpr std::int64_t huge = std::int64_t{1} << 31;
  return {
      {{x, f32({4, 2, 3, 3})}, plain, "channels must be groups times"},
      {{f32({2, 3, 5}), w}, plain, "images must be [batch, channels, height, width]"},
      {{x, f32({4, 27})}, plain, "filters must be [filters, channels / groups, height, width]"},
      {{f32({2, 3, 2, 2}), w}, plain, "must fit into the padded image"},
      {{f32({2, 4, 5, 5}), f32({3, 2, 3, 3})},
       conv{.groups = 2}.list(),
       "divide the number of filters"},
      {{x, w}, conv{.groups = 0}.list(), "groups must be at least 1"},
      {{x, w}, conv{.groups = -4}.list(), "'groups' is the integer -4"},
      {{x, f32({0, huge << 9, 3, 3})}, conv{.groups = huge - 1}.list(), "must fit in 63 bits"},
      {{x, value_type::of(dtype::float64, {4, 3, 3, 3})}, plain, "one element type"},
      {{value_type::of(dtype::int32, {2, 3, 5, 5}), value_type::of(dtype::int32, {4, 3, 3, 3})},
       plain,
       "a convolution needs floating elements"},
      {{x, f32({4, 3, 0, 3})}, plain, "a window must have at least one element"},
      {{x, f32({1, 3, huge, 1})}, plain, "less than 2^31 elements high and wide"},
      {{x, w}, conv{.stride = {0, 1}}.list(), "strides must be at least 1"},
      {{x, w}, conv{.dilation = {1, 0}}.list(), "dilations must be at least 1"},
      {{x, w}, conv{.padding = {0, -1, 0, 0}}.list(), "padding must not be negative"},
      {{x, w},
       conv{.stride = {huge, 1}}.list(),
       "it must be 2 integers from -2147483647 to 2147483647"},
      {{x, w}, with("strides", {1, 1, 1}), "'strides' is integers [1, 1, 1]"},
      {{x, w}, with("dilations", {2}), "'dilations' is integers [2]"},
      {{x, w}, with("pads", {1, 1}), "it must be 4 integers"},
      {{f32({1, 1, huge << 31 | 1, 1}), w}, plain, "must be at most 2^62"},
  };
}
std::vector<operator_error_sample> gradient_errors() {
  std::vector<operator_error_sample> errors = forward_errors();
  for (operator_error_sample& e : errors) e.operands.push_back(f32({2, 4, 3, 3}));
  const value_type x = f32({2, 3, 5, 5}), w = f32({4, 3, 3, 3});
  const char* const shape = "the gradient must have the shape of the convolution's result";
  errors.push_back({{x, w, f32({2, 4, 3, 4})}, conv{}.list(), shape});
  errors.push_back({{x, w, f32({72})}, conv{}.list(), shape});
  errors.push_back({{x, w, value_type::of(dtype::float64, {2, 4, 3, 3})},
                    conv{}.list(),
                    "the operands must have one element type"});
  return errors;
}

}  // namespace

void add_conv_operators(std::vector<operator_definition>& all) {
  all.push_back({&ops::conv2d, "Conv", forward_gradient, bind_forward, reference_forward,
                 forward_samples, forward_errors});
  all.push_back({&ops::conv2d_input_gradient, "", input_gradient_gradient, bind_input_gradient,
                 reference_input_gradient, gradient_samples, gradient_errors});
  all.push_back({&ops::conv2d_filter_gradient, "", filter_gradient_gradient, bind_filter_gradient,
                 reference_filter_gradient, gradient_samples, gradient_errors});
}

}  // namespace graft
