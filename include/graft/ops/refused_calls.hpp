// Calls that cannot be meant: functions on tensors called on an array of values, a number, a layer, or on too many or too
// few tensors. Each refuses them in its own name; since these take what converts, they give way to every function
// of C and of the user's that fits better.
#pragma once

#include "graft/core/misuse.hpp"
#include "graft/core/shape.hpp"
#include "graft/core/tensor.hpp"
#include "graft/ops/pool.hpp"
#include "graft/schema/axes.hpp"

namespace graft {

class Array;
struct layer_base;

namespace detail {

struct no_tensor {
  no_tensor(double);             // NOLINT: implicit, so that these are passed where a
  no_tensor(const Array&);       // NOLINT: tensor should be
  no_tensor(const layer_base&);  // NOLINT
};

// What is given where axes should be, and is no list of them.
struct no_axes {
  template <class T>
    requires(tensor_like<T> || std::is_floating_point_v<T>)
  no_axes(const T&);           // NOLINT: implicit, as above
  no_axes(const Array&);       // NOLINT
  no_axes(const layer_base&);  // NOLINT
};

// A tensor, by a conversion: functions of the user's that take tensors by one fit no worse.
struct some_tensor {
  template <tensor_like X>
  some_tensor(const X&);  // NOLINT: implicit, as above
};

// What is given where a name should be.
struct no_name {
  template <class T>
    requires(tensor_like<T> || number_like<T>)
  no_name(const T&);           // NOLINT: implicit, as above
  no_name(const Array&);       // NOLINT
  no_name(const layer_base&);  // NOLINT
};

}  // namespace detail

// Element by element.
operands_are_tensors<"neg"> neg(detail::no_tensor, ...);
operands_are_tensors<"abs"> abs(detail::no_tensor, ...);
operands_are_tensors<"sign"> sign(detail::no_tensor, ...);
operands_are_tensors<"square"> square(detail::no_tensor, ...);
operands_are_tensors<"exp"> exp(detail::no_tensor, ...);
operands_are_tensors<"expm1"> expm1(detail::no_tensor, ...);
operands_are_tensors<"log"> log(detail::no_tensor, ...);
operands_are_tensors<"log1p"> log1p(detail::no_tensor, ...);
operands_are_tensors<"sqrt"> sqrt(detail::no_tensor, ...);
operands_are_tensors<"rsqrt"> rsqrt(detail::no_tensor, ...);
operands_are_tensors<"reciprocal"> reciprocal(detail::no_tensor, ...);
operands_are_tensors<"sin"> sin(detail::no_tensor, ...);
operands_are_tensors<"cos"> cos(detail::no_tensor, ...);
operands_are_tensors<"erf"> erf(detail::no_tensor, ...);
operands_are_tensors<"floor"> floor(detail::no_tensor, ...);
operands_are_tensors<"ceil"> ceil(detail::no_tensor, ...);
operands_are_tensors<"round"> round(detail::no_tensor, ...);
operands_are_tensors<"clip"> clip(detail::no_tensor, ...);
operands_are_tensors<"relu"> relu(detail::no_tensor, ...);
operands_are_tensors<"tanh"> tanh(detail::no_tensor, ...);
operands_are_tensors<"sigmoid"> sigmoid(detail::no_tensor, ...);
operands_are_tensors<"softplus"> softplus(detail::no_tensor, ...);
operands_are_tensors<"silu"> silu(detail::no_tensor, ...);
operands_are_tensors<"gelu"> gelu(detail::no_tensor, ...);
operands_are_tensors<"gelu_tanh"> gelu_tanh(detail::no_tensor, ...);
operands_are_tensors<"leaky_relu"> leaky_relu(detail::no_tensor, ...);
operands_are_tensors<"elu"> elu(detail::no_tensor, ...);
operands_are_tensors<"is_nan"> is_nan(detail::no_tensor, ...);
operands_are_tensors<"logical_not"> logical_not(detail::no_tensor, ...);

// Of one tensor: what stands in the place of its name is none.
template <class = void>
takes_one_tensor<"neg"> neg(detail::some_tensor, detail::no_name, ...);
template <class = void>
takes_one_tensor<"abs"> abs(detail::some_tensor, detail::no_name, ...);
template <class = void>
takes_one_tensor<"sign"> sign(detail::some_tensor, detail::no_name, ...);
template <class = void>
takes_one_tensor<"square"> square(detail::some_tensor, detail::no_name, ...);
template <class = void>
takes_one_tensor<"exp"> exp(detail::some_tensor, detail::no_name, ...);
template <class = void>
takes_one_tensor<"expm1"> expm1(detail::some_tensor, detail::no_name, ...);
template <class = void>
takes_one_tensor<"log"> log(detail::some_tensor, detail::no_name, ...);
template <class = void>
takes_one_tensor<"log1p"> log1p(detail::some_tensor, detail::no_name, ...);
template <class = void>
takes_one_tensor<"sqrt"> sqrt(detail::some_tensor, detail::no_name, ...);
template <class = void>
takes_one_tensor<"rsqrt"> rsqrt(detail::some_tensor, detail::no_name, ...);
template <class = void>
takes_one_tensor<"reciprocal"> reciprocal(detail::some_tensor, detail::no_name, ...);
template <class = void>
takes_one_tensor<"sin"> sin(detail::some_tensor, detail::no_name, ...);
template <class = void>
takes_one_tensor<"cos"> cos(detail::some_tensor, detail::no_name, ...);
template <class = void>
takes_one_tensor<"erf"> erf(detail::some_tensor, detail::no_name, ...);
template <class = void>
takes_one_tensor<"floor"> floor(detail::some_tensor, detail::no_name, ...);
template <class = void>
takes_one_tensor<"ceil"> ceil(detail::some_tensor, detail::no_name, ...);
template <class = void>
takes_one_tensor<"round"> round(detail::some_tensor, detail::no_name, ...);
template <class = void>
takes_one_tensor<"relu"> relu(detail::some_tensor, detail::no_name, ...);
template <class = void>
takes_one_tensor<"tanh"> tanh(detail::some_tensor, detail::no_name, ...);
template <class = void>
takes_one_tensor<"sigmoid"> sigmoid(detail::some_tensor, detail::no_name, ...);
template <class = void>
takes_one_tensor<"softplus"> softplus(detail::some_tensor, detail::no_name, ...);
template <class = void>
takes_one_tensor<"silu"> silu(detail::some_tensor, detail::no_name, ...);
template <class = void>
takes_one_tensor<"gelu"> gelu(detail::some_tensor, detail::no_name, ...);
template <class = void>
takes_one_tensor<"gelu_tanh"> gelu_tanh(detail::some_tensor, detail::no_name, ...);
template <class = void>
takes_one_tensor<"is_nan"> is_nan(detail::some_tensor, detail::no_name, ...);
template <class = void>
takes_one_tensor<"logical_not"> logical_not(detail::some_tensor, detail::no_name, ...);

// Of two operands.
operands_are_tensors<"add"> add(detail::no_tensor, ...);
template <tensor_like X>
operands_are_tensors<"add"> add(const X&, detail::no_tensor, ...);
operands_are_tensors<"sub"> sub(detail::no_tensor, ...);
template <tensor_like X>
operands_are_tensors<"sub"> sub(const X&, detail::no_tensor, ...);
operands_are_tensors<"mul"> mul(detail::no_tensor, ...);
template <tensor_like X>
operands_are_tensors<"mul"> mul(const X&, detail::no_tensor, ...);
operands_are_tensors<"div"> div(detail::no_tensor, ...);
template <tensor_like X>
operands_are_tensors<"div"> div(const X&, detail::no_tensor, ...);
operands_are_tensors<"pow"> pow(detail::no_tensor, ...);
template <tensor_like X>
operands_are_tensors<"pow"> pow(const X&, detail::no_tensor, ...);
operands_are_tensors<"maximum"> maximum(detail::no_tensor, ...);
template <tensor_like X>
operands_are_tensors<"maximum"> maximum(const X&, detail::no_tensor, ...);
operands_are_tensors<"minimum"> minimum(detail::no_tensor, ...);
template <tensor_like X>
operands_are_tensors<"minimum"> minimum(const X&, detail::no_tensor, ...);
operands_are_tensors<"squared_difference"> squared_difference(detail::no_tensor, ...);
template <tensor_like X>
operands_are_tensors<"squared_difference"> squared_difference(const X&, detail::no_tensor, ...);
operands_are_tensors<"equal"> equal(detail::no_tensor, ...);
template <tensor_like X>
operands_are_tensors<"equal"> equal(const X&, detail::no_tensor, ...);
operands_are_tensors<"not_equal"> not_equal(detail::no_tensor, ...);
template <tensor_like X>
operands_are_tensors<"not_equal"> not_equal(const X&, detail::no_tensor, ...);
operands_are_tensors<"less"> less(detail::no_tensor, ...);
template <tensor_like X>
operands_are_tensors<"less"> less(const X&, detail::no_tensor, ...);
operands_are_tensors<"less_equal"> less_equal(detail::no_tensor, ...);
template <tensor_like X>
operands_are_tensors<"less_equal"> less_equal(const X&, detail::no_tensor, ...);
operands_are_tensors<"greater"> greater(detail::no_tensor, ...);
template <tensor_like X>
operands_are_tensors<"greater"> greater(const X&, detail::no_tensor, ...);
operands_are_tensors<"greater_equal"> greater_equal(detail::no_tensor, ...);
template <tensor_like X>
operands_are_tensors<"greater_equal"> greater_equal(const X&, detail::no_tensor, ...);
operands_are_tensors<"logical_and"> logical_and(detail::no_tensor, ...);
template <tensor_like X>
operands_are_tensors<"logical_and"> logical_and(const X&, detail::no_tensor, ...);
operands_are_tensors<"logical_or"> logical_or(detail::no_tensor, ...);
template <tensor_like X>
operands_are_tensors<"logical_or"> logical_or(const X&, detail::no_tensor, ...);
operands_are_tensors<"logical_xor"> logical_xor(detail::no_tensor, ...);
template <tensor_like X>
operands_are_tensors<"logical_xor"> logical_xor(const X&, detail::no_tensor, ...);
operands_are_tensors<"matmul"> matmul(detail::no_tensor, ...);
template <tensor_like X>
operands_are_tensors<"matmul"> matmul(const X&, detail::no_tensor, ...);
operands_are_tensors<"gather"> gather(detail::no_tensor, ...);
template <tensor_like X>
operands_are_tensors<"gather"> gather(const X&, detail::no_tensor, ...);

// Losses.
operands_are_tensors<"mse"> mse(detail::no_tensor, ...);
template <tensor_like X>
operands_are_tensors<"mse"> mse(const X&, detail::no_tensor, ...);
operands_are_tensors<"huber"> huber(detail::no_tensor, ...);
template <tensor_like X>
operands_are_tensors<"huber"> huber(const X&, detail::no_tensor, ...);
operands_are_tensors<"softmax_cross_entropy"> softmax_cross_entropy(detail::no_tensor, ...);
template <tensor_like X>
operands_are_tensors<"softmax_cross_entropy"> softmax_cross_entropy(const X&, detail::no_tensor,
                                                                    ...);
operands_are_tensors<"sigmoid_cross_entropy"> sigmoid_cross_entropy(detail::no_tensor, ...);
template <tensor_like X>
operands_are_tensors<"sigmoid_cross_entropy"> sigmoid_cross_entropy(const X&, detail::no_tensor,
                                                                    ...);

operands_are_tensors<"select"> select(detail::no_tensor, ...);
template <tensor_like C>
operands_are_tensors<"select"> select(const C&, detail::no_tensor, ...);
template <tensor_like C, tensor_like A>
operands_are_tensors<"select"> select(const C&, const A&, detail::no_tensor, ...);
template <element T>
operands_are_tensors<"cast"> cast(detail::no_tensor, ...);

// Reductions, and what works along an axis.
template <class Axes = all_axes, bool KeepDims = false>
operands_are_tensors<"sum"> sum(detail::no_tensor, ...);
template <class Axes = all_axes, bool KeepDims = false>
operands_are_tensors<"mean"> mean(detail::no_tensor, ...);
template <class Axes = all_axes, bool KeepDims = false>
operands_are_tensors<"prod"> prod(detail::no_tensor, ...);
template <class Axes = all_axes, bool KeepDims = false>
operands_are_tensors<"max"> max(detail::no_tensor, ...);
template <class Axes = all_axes, bool KeepDims = false>
operands_are_tensors<"min"> min(detail::no_tensor, ...);
template <class Axes = all_axes, bool KeepDims = false>
operands_are_tensors<"all"> all(detail::no_tensor, ...);
template <class Axes = all_axes, bool KeepDims = false>
operands_are_tensors<"any"> any(detail::no_tensor, ...);
// Axes in braces, which `...` does not take.
operands_are_tensors<"sum"> sum(detail::no_tensor, const axis_list&, ...);
operands_are_tensors<"mean"> mean(detail::no_tensor, const axis_list&, ...);
operands_are_tensors<"prod"> prod(detail::no_tensor, const axis_list&, ...);
operands_are_tensors<"max"> max(detail::no_tensor, const axis_list&, ...);
operands_are_tensors<"min"> min(detail::no_tensor, const axis_list&, ...);
operands_are_tensors<"all"> all(detail::no_tensor, const axis_list&, ...);
operands_are_tensors<"any"> any(detail::no_tensor, const axis_list&, ...);
// What follows the tensor are axes.
template <class = void>
axes_are_whole_numbers<"sum"> sum(detail::some_tensor, detail::no_axes, ...);
template <class = void>
axes_are_whole_numbers<"mean"> mean(detail::some_tensor, detail::no_axes, ...);
template <class = void>
axes_are_whole_numbers<"prod"> prod(detail::some_tensor, detail::no_axes, ...);
template <class = void>
axes_are_whole_numbers<"all"> all(detail::some_tensor, detail::no_axes, ...);
template <class = void>
axes_are_whole_numbers<"any"> any(detail::some_tensor, detail::no_axes, ...);
template <std::int64_t Axis = -1, bool KeepDims = false>
operands_are_tensors<"argmax"> argmax(detail::no_tensor, ...);
template <std::int64_t Axis = -1>
operands_are_tensors<"softmax"> softmax(detail::no_tensor, ...);
template <std::int64_t Axis = -1>
operands_are_tensors<"log_softmax"> log_softmax(detail::no_tensor, ...);

// Shapes.
operands_are_tensors<"flatten"> flatten(detail::no_tensor, ...);
template <shape_type Shape>
operands_are_tensors<"reshape"> reshape(detail::no_tensor, ...);
template <shape_type Shape>
operands_are_tensors<"broadcast_to"> broadcast_to(detail::no_tensor, ...);
template <extent... Axes>
operands_are_tensors<"expand_dims"> expand_dims(detail::no_tensor, ...);
template <extent... Axes>
operands_are_tensors<"squeeze"> squeeze(detail::no_tensor, ...);
template <extent... Axes>
operands_are_tensors<"transpose"> transpose(detail::no_tensor, ...);
template <class... Along>
operands_are_tensors<"slice"> slice(detail::no_tensor, ...);
template <class... Along>
operands_are_tensors<"pad"> pad(detail::no_tensor, ...);
template <class... Along>
operands_are_tensors<"crop"> crop(detail::no_tensor, ...);
template <std::int64_t Count, std::int64_t Axis = 0>
operands_are_tensors<"split"> split(detail::no_tensor, ...);
template <std::int64_t Axis>
operands_are_tensors<"concat"> concat(detail::no_tensor, ...);
template <std::int64_t Axis, tensor_like X>
operands_are_tensors<"concat"> concat(const X&, detail::no_tensor, ...);

// Layers that are called by their names.
template <pool Options = pool{}>
operands_are_tensors<"max_pool2d"> max_pool2d(detail::no_tensor, ...);
template <pool Options = pool{}>
operands_are_tensors<"avg_pool2d"> avg_pool2d(detail::no_tensor, ...);
template <text Name = "">
operands_are_tensors<"batch_norm"> batch_norm(detail::no_tensor, ...);
template <text Name = "">
operands_are_tensors<"layer_norm"> layer_norm(detail::no_tensor, ...);
template <text Name = "">
operands_are_tensors<"dropout"> dropout(detail::no_tensor, double, ...);
operands_are_tensors<"global_max_pool2d"> global_max_pool2d(detail::no_tensor, ...);
operands_are_tensors<"global_avg_pool2d"> global_avg_pool2d(detail::no_tensor, ...);

// Of one tensor, or of two.
template <tensor_like X>
takes_two_tensors<"matmul"> matmul(const X&);
template <tensor_like X>
takes_two_tensors<"maximum"> maximum(const X&);
template <tensor_like X>
takes_two_tensors<"minimum"> minimum(const X&);
template <tensor_like A, class B>
  requires(tensor_like<B> || std::is_floating_point_v<B>)
takes_one_tensor<"max"> max(const A&, const B&, ...);
template <tensor_like A, class B>
  requires(tensor_like<B> || std::is_floating_point_v<B>)
takes_one_tensor<"min"> min(const A&, const B&, ...);
template <tensor_like A, tensor_like B>
axis_is_a_template_argument<"concat"> concat(const A&, const B&, ...);

}  // namespace graft
