#include "graft/ops/optimizer.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "graft/ops/elementwise.hpp"
#include "graft/ops/reduce.hpp"

#include "kernels/kernels.hpp"
#include "ops/families.hpp"
#include "ops/movement.hpp"
#include "ops/plain_reduction.hpp"
#include "ops/support.hpp"

namespace graft {
namespace {

using kernels::optimiser_args;
using kernels::optimiser_op;

constexpr std::int64_t chunk_elements = 32768;

double read_scalar(const void* address, dtype type) {
  return type == dtype::float32 ? static_cast<double>(*static_cast<const float*>(address))
                                : *static_cast<const double*>(address);
}

struct step_layout {
  optimiser_op op;
  std::size_t slots;
  bool counted;  // a step number stands before the rate
};

// The hyperparameters that attributes hold; absent ones keep the defaults of the kernel.
optimiser_args constants_of(const attribute_list& a) {
  optimiser_args args;
  args.weight_decay = a.real("weight_decay", 0);
  args.decoupled_decay = a.integer("decoupled", 0) != 0;
  args.momentum = a.real("momentum", 0);
  args.nesterov = a.integer("nesterov", 0) != 0;
  args.rho = a.real("rho", args.rho);
  args.beta1 = a.real("beta1", args.beta1);
  args.beta2 = a.real("beta2", args.beta2);
  args.epsilon = a.real("epsilon", args.epsilon);
  return args;
}

template <optimiser_op Op, std::size_t Slots, bool Counted>
bound_kernel bind_step(const bind_args& b) {
  const dtype type = b.inputs[0].type;
  const dtype rate_type = b.inputs[2 + Slots + (Counted ? 1 : 0)].type;
  if ((type != dtype::float32 && type != dtype::float64) ||
      (rate_type != dtype::float32 && rate_type != dtype::float64)) {
    throw unsupported_error({"an optimiser step was bound at '" + std::string(b.where) + "'",
                             "its parameter is " + std::string(name_of(type)) + " and its rate " +
                                 std::string(name_of(rate_type)),
                             std::string(b.where), "use float32 or float64"});
  }
  const auto kernel = kernels::active().optimiser(
      Op, type == dtype::float32 ? kernels::element::f32 : kernels::element::f64);
  const std::size_t width = size_of(type);
  const std::int64_t n = b.inputs[0].size;
  const optimiser_args constants = constants_of(b.attributes);
  bound_kernel result;
  for (std::uint8_t o = 0; o <= Slots; ++o) {
    result.in_place.push_back({o, static_cast<std::uint8_t>(o == 0 ? 0 : o + 1)});
  }
  result.run = [=](const kernel_call& call) {
    optimiser_args args = constants;
    args.rate = read_scalar(call.in[2 + Slots + (Counted ? 1 : 0)], rate_type);
    if constexpr (Counted) {
      const double step =
          static_cast<double>(*static_cast<const std::int64_t*>(call.in[2 + Slots]));
      args.correction1 = 1 - std::pow(args.beta1, step);
      args.correction2 = 1 - std::pow(args.beta2, step);
    }
    const auto part = [&](std::int64_t chunk) {
      const std::int64_t first = chunk * chunk_elements;
      const auto at = [&](const void* p) {
        return static_cast<const void*>(static_cast<const std::byte*>(p) +
                                        static_cast<std::size_t>(first) * width);
      };
      const auto out = [&](std::size_t o) { return const_cast<void*>(at(call.out[o])); };
      optimiser_args mine = args;
      mine.n = std::min(chunk_elements, n - first);
      mine.parameter = at(call.in[0]);
      mine.gradient = at(call.in[1]);
      mine.parameter_out = out(0);
      if constexpr (Slots > 0) {
        mine.state1 = at(call.in[2]);
        mine.state1_out = out(1);
      }
      if constexpr (Slots > 1) {
        mine.state2 = at(call.in[3]);
        mine.state2_out = out(2);
      }
      kernel(mine);
    };
    const std::int64_t chunks = (n + chunk_elements - 1) / chunk_elements;
    if (chunks == 1) {
      part(0);
    } else if (chunks > 1) {
      call.parallel.run(chunks, part);
    }
  };
  return result;
}

// The formulas as they stand in the papers, on float64.
template <optimiser_op Op, std::size_t Slots, bool Counted>
std::vector<Array> reference_step(std::span<const Array> in, const attribute_list& attributes) {
  const optimiser_args h = constants_of(attributes);
  const Array rate_array = in[2 + Slots + (Counted ? 1 : 0)].cast(dtype::float64);
  const double rate = rate_array.item<double>();
  std::vector<Array> out{in[0]};
  for (std::size_t s = 0; s < Slots; ++s) out.push_back(in[2 + s]);
  const auto gradient = in[1].span<double>();
  const auto p = out[0].mutable_span<double>();
  for (std::size_t i = 0; i < p.size(); ++i) {
    double g = gradient[i];
    if (h.decoupled_decay) {
      p[i] *= 1 - rate * h.weight_decay;
    } else {
      g += h.weight_decay * p[i];
    }
    if constexpr (Op == optimiser_op::sgd) {
      p[i] -= rate * g;
    } else {
      double& s = out[1].mutable_span<double>()[i];
      if constexpr (Op == optimiser_op::momentum) {
        s = h.momentum * s + g;
        p[i] -= rate * (h.nesterov ? g + h.momentum * s : s);
      } else if constexpr (Op == optimiser_op::rmsprop) {
        s = h.rho * s + (1 - h.rho) * g * g;
        p[i] -= rate * g / (std::sqrt(s) + h.epsilon);
      } else if constexpr (Op == optimiser_op::adagrad) {
        s += g * g;
        p[i] -= rate * g / (std::sqrt(s) + h.epsilon);
      } else {
        const double t = static_cast<double>(in[4].item<std::int64_t>());
        double& v = out[2].mutable_span<double>()[i];
        s = h.beta1 * s + (1 - h.beta1) * g;
        v = h.beta2 * v + (1 - h.beta2) * g * g;
        p[i] -= rate * (s / (1 - std::pow(h.beta1, t))) /
                (std::sqrt(v / (1 - std::pow(h.beta2, t))) + h.epsilon);
      }
    }
  }
  return out;
}

template <optimiser_op Op, std::size_t Slots, bool Counted>
std::vector<operator_sample> step_samples() {
  std::vector<operator_sample> samples;
  for (const std::int64_t n : {0, 1, 7, 33}) {
    operator_sample s;
    for (std::size_t k = 0; k < 2 + Slots; ++k) {
      Array values(dtype::float64, dims{n});
      for (std::int64_t i = 0; i < n; ++i) {
        const double wave = std::sin(0.7 * static_cast<double>(i + 1) * static_cast<double>(k + 1));
        values.mutable_span<double>()[static_cast<std::size_t>(i)] =
            k >= 2 ? 0.1 + wave * wave : wave;
      }
      s.operands.push_back(values);
    }
    if constexpr (Counted) s.operands.push_back(Array::scalar<std::int64_t>(3));
    s.operands.push_back(Array::scalar<double>(0.05));
    if (Op == optimiser_op::momentum) s.attributes.set("momentum", 0.9).set("nesterov", n == 7);
    s.attributes.set("weight_decay", 0.01).set("decoupled", n == 33);
    s.differentiable = false;
    samples.push_back(std::move(s));
  }
  return samples;
}

template <std::size_t Slots, bool Counted>
std::vector<operator_error_sample> step_errors() {
  const value_type five = value_type::of(dtype::float32, {5});
  operator_error_sample wrong_shape;
  wrong_shape.operands.assign(2 + Slots, five);
  wrong_shape.operands[1] = value_type::of(dtype::float32, {4});
  if constexpr (Counted) wrong_shape.operands.push_back(value_type::of(dtype::int64, {}));
  wrong_shape.operands.push_back(value_type::of(dtype::float32, {}));
  wrong_shape.message = "must have the parameter's shape";
  operator_error_sample wrong_type = wrong_shape;
  wrong_type.operands[1] = value_type::of(dtype::float64, {5});
  wrong_type.message = "must have the parameter's element type";
  operator_error_sample many_rates = wrong_shape, whole_rate = wrong_shape;
  many_rates.operands[1] = whole_rate.operands[1] = five;
  many_rates.operands.back() = value_type::of(dtype::float32, {0});
  many_rates.message = "the rate must be a scalar";
  whole_rate.operands.back() = value_type::of(dtype::int64, {});
  whole_rate.message = "the rate must be floating";
  std::vector<operator_error_sample> all{wrong_shape, wrong_type, many_rates, whole_rate};
  if constexpr (Counted) {
    all.push_back(all[3]);
    all.back().operands[2 + Slots] = all.back().operands.back() =
        value_type::of(dtype::float32, {});
    all.back().message = "the number of the step must be an int64 scalar";
  }
  return all;
}

template <optimiser_op Op, std::size_t Slots, bool Counted>
operator_definition step_definition(const operator_schema& schema) {
  operator_definition d;
  d.schema = &schema;
  d.gradient = support::no_gradient;
  d.bind = bind_step<Op, Slots, Counted>;
  d.reference = reference_step<Op, Slots, Counted>;
  d.samples = step_samples<Op, Slots, Counted>;
  d.error_samples = step_errors<Slots, Counted>;
  return d;
}

bool is_single_or_double(dtype type) { return type == dtype::float32 || type == dtype::float64; }

bound_kernel bind_checked_rate(const bind_args& b) {
  const dtype type = b.inputs[0].type;
  if (!is_single_or_double(type)) support::refuse_type(b, "a checked rate", type);
  bound_kernel result;
  result.run = [type, where = std::string(b.where)](const kernel_call& call) {
    const double rate = read_scalar(call.in[0], type);
    if (!(rate >= 0 && std::isfinite(rate))) {
      throw numeric_error({"'" + where + "' is the rate of a step of training",
                           "its learning rate is " + std::to_string(rate), where,
                           "it must be finite and not negative; no variable was changed"});
    }
    std::memcpy(call.out[0], call.in[0], size_of(type));
  };
  return result;
}

bound_kernel bind_checked_fraction(const bind_args& b) {
  const dtype type = b.inputs[0].type;
  if (!is_single_or_double(type)) support::refuse_type(b, "a checked fraction", type);
  bound_kernel result;
  result.run = [type, where = std::string(b.where)](const kernel_call& call) {
    const double tau = read_scalar(call.in[0], type);
    if (!(tau >= 0 && tau <= 1)) {
      throw numeric_error({"'" + where + "' is how far a soft update goes",
                           "it is " + std::to_string(tau), where,
                           "it must be between 0 and 1; no variable was changed"});
    }
    std::memcpy(call.out[0], call.in[0], size_of(type));
  };
  return result;
}

bound_kernel bind_soft_update(const bind_args& b) {
  const dtype type = b.inputs[0].type, tau_type = b.inputs[2].type;
  if (!is_single_or_double(type)) support::refuse_type(b, "a soft update", type);
  if (!is_single_or_double(tau_type)) support::refuse_type(b, "a soft update's tau", tau_type);
  // t + tau (s - t) is a step of gradient descent at the rate tau along t - s, which is weight decay and -s.
  const auto kernel =
      kernels::active().optimiser(kernels::optimiser_op::sgd, *support::kernel_element(type));
  const std::size_t width = size_of(type);
  const std::int64_t n = b.inputs[0].size;
  bound_kernel result;
  result.in_place.push_back({0, 0});
  // Elements follow from those at their place, so that the planner may join the steps of several variables.
  result.tile = [=](const void* const* in, const bool*, void* out, std::int64_t count) {
    kernels::optimiser_args step;
    step.rate = read_scalar(in[2], tau_type);
    if (type == dtype::float32)
      step.rate = static_cast<float>(step.rate);  // as the kernel takes it
    if (step.rate == 0 || step.rate == 1) {
      const void* const from = in[step.rate == 0 ? 0 : 1];
      if (from != out) std::memcpy(out, from, static_cast<std::size_t>(count) * width);
      return;
    }
    step.gradient_scale = -1;
    step.weight_decay = 1;
    step.n = count;
    step.parameter = in[0];
    step.gradient = in[1];
    step.parameter_out = out;
    kernel(step);
  };
  result.run = [n, width, tile = result.tile](const kernel_call& call) {
    support::run_chunked(call, n, [&](std::int64_t first, std::int64_t count) {
      constexpr bool scalar[] = {false, false, true};
      const void* const in[] = {support::element_address(call.in[0], first, width),
                                support::element_address(call.in[1], first, width), call.in[2]};
      tile(in, scalar, support::element_address(call.out[0], first, width), count);
    });
  };
  return result;
}

operand_gradients soft_update_gradients(const gradient_args& a) {
  const any_tensor &target = a.operands[0], &source = a.operands[1];
  const any_tensor& gradient = *a.output_gradients[0];
  const dtype type = support::type_of(target).type, given = support::type_of(a.operands[2]).type;
  const any_tensor part =
      (given == type ? a.operands[2] : any_tensor(cast(a.operands[2], type))) * gradient;
  operand_gradients result(3);
  if (a.wanted[0]) result[0] = gradient - part;
  if (a.wanted[1]) result[1] = part;
  if (a.wanted[2]) {
    const any_tensor moved = sum(gradient * (source - target));
    result[2] = given == type ? moved : any_tensor(cast(moved, given));
  }
  return result;
}

std::vector<Array> reference_soft_update(std::span<const Array> in, const attribute_list&) {
  const double tau = in[2].item<double>();
  Array result = in[0];
  const auto t = result.mutable_span<double>();
  const auto s = in[1].span<double>();
  for (std::size_t i = 0; i < t.size(); ++i) t[i] += tau * (s[i] - t[i]);
  return {result};
}

std::vector<operator_sample> soft_update_samples() {
  std::vector<operator_sample> samples;
  for (const std::int64_t n : {0, 1, 7, 33}) {
    for (const double tau : {0.0, 0.005, 0.7, 1.0}) {
      operator_sample s;
      s.operands = {support::spread({n}, -2, 2), support::spread({n}, -1, 3, 1),
                    Array::scalar(tau)};
      samples.push_back(std::move(s));
    }
  }
  return samples;
}

std::vector<operator_error_sample> soft_update_errors() {
  const value_type five = value_type::of(dtype::float32, {5});
  const value_type scalar = value_type::of(dtype::float32, {});
  return {{{five, value_type::of(dtype::float32, {4}), scalar}, {}, "must have the target's shape"},
          {{five, value_type::of(dtype::float64, {5}), scalar},
           {},
           "must have the target's element type"},
          {{five, five, five}, {}, "tau must be a scalar"},
          {{five, five, value_type::of(dtype::int64, {})}, {}, "tau must be floating"}};
}

// Of an operator that passes a scalar on, or refuses it when it is run.
operator_definition checked_scalar_definition(const operator_schema& schema, kernel_binding bind,
                                              std::vector<operator_error_sample> (*errors)()) {
  operator_definition d;
  d.schema = &schema;
  d.gradient = [](const gradient_args& a) { return operand_gradients{a.output_gradients[0]}; };
  d.bind = bind;
  d.reference = [](std::span<const Array> in, const attribute_list&) {
    return std::vector<Array>{in[0]};
  };
  d.samples = [] {
    std::vector<operator_sample> samples(1);
    samples[0].operands = {Array::scalar(0.25)};
    return samples;
  };
  d.error_samples = errors;
  return d;
}

std::vector<operator_error_sample> checked_rate_errors() {
  return {{{value_type::of(dtype::float32, {1})}, {}, "the rate must be a scalar"},
          {{value_type::of(dtype::int32, {})}, {}, "the rate must be floating"}};
}

std::vector<operator_error_sample> checked_fraction_errors() {
  return {{{value_type::of(dtype::float32, {1})}, {}, "tau must be a scalar"},
          {{value_type::of(dtype::int32, {})}, {}, "tau must be floating"}};
}

operator_definition soft_update_definition() {
  operator_definition d;
  d.schema = &ops::soft_update;
  d.gradient = soft_update_gradients;
  d.bind = bind_soft_update;
  d.reference = reference_soft_update;
  d.samples = soft_update_samples;
  d.error_samples = soft_update_errors;
  return d;
}

}  // namespace

void add_optimizer_operators(std::vector<operator_definition>& all) {
  all.push_back(step_definition<optimiser_op::sgd, 0, false>(ops::sgd_update));
  all.push_back(step_definition<optimiser_op::momentum, 1, false>(ops::momentum_update));
  all.push_back(step_definition<optimiser_op::rmsprop, 1, false>(ops::rmsprop_update));
  all.push_back(step_definition<optimiser_op::adagrad, 1, false>(ops::adagrad_update));
  all.push_back(step_definition<optimiser_op::adam, 2, true>(ops::adam_update));
  all.push_back(
      checked_scalar_definition(ops::checked_rate, bind_checked_rate, checked_rate_errors));
  all.push_back(checked_scalar_definition(ops::checked_fraction, bind_checked_fraction,
                                          checked_fraction_errors));
  all.push_back(soft_update_definition());
}

}  // namespace graft
