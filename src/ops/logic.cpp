#include "graft/ops/logic.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "graft/ops/sources.hpp"

#include "core/half.hpp"
#include "ops/elementwise_kernels.hpp"
#include "ops/families.hpp"

namespace graft {
namespace {

using kernels::binary_op;
using kernels::compare_op;
using kernels::operands;
using kernels::unary_op;

// --- Comparisons and logic
// -----------------------------------------------------------------------------

template <compare_op Op, class Plain>
bound_kernel bind_compare(const bind_args& b) {
  const dtype type = b.inputs[0].type;
  if (const auto element = support::kernel_element(type)) {
    const auto& table = kernels::active();
    if (const auto vv = table.compare(Op, *element, operands::vv)) {
      return support::bind_elementwise(
          b, support::binary_tile(vv, table.compare(Op, *element, operands::vs),
                                  table.compare(Op, *element, operands::sv), 1));
    }
  }
  support::tile_function tile;
  support::with_number_type(type, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_integral_v<T>) tile = support::plain_tile<bool, T, T>(Plain{});
  });
  if (!tile) support::refuse_type(b, "a comparison", type);
  return support::bind_elementwise(b, std::move(tile));
}

template <binary_op Op>
bound_kernel bind_logic(const bind_args& b) {
  return support::bind_binary(b, Op, "logic", [](auto x, auto) { return x; });
}
bound_kernel bind_not(const bind_args& b) {
  return support::bind_unary(b, unary_op::logical_not, "logical_not", support::floating_only{});
}
bound_kernel bind_is_nan(const bind_args& b) {
  const auto element = support::kernel_element(b.inputs[0].type);
  const auto kernel = element ? kernels::active().unary(unary_op::is_nan, *element) : nullptr;
  if (kernel == nullptr) support::refuse_type(b, "is_nan", b.inputs[0].type);
  return support::bind_unary_kernel(
      b, [kernel](const void* x, void* y, std::int64_t n) { kernel(x, y, n, nullptr); });
}

// --- Choice
// ----------------------------------------------------------------------------------------------

template <class T>
support::tile_function plain_select() {
  return support::plain_tile<T, bool, T, T>([](bool c, T x, T y) { return c ? x : y; });
}

bound_kernel bind_select(const bind_args& b) {
  const dtype type = b.inputs[1].type;
  const std::size_t width = size_of(type);
  const auto& table = kernels::active();
  const auto bytes = static_cast<std::int64_t>(width);
  if (type == dtype::string || type == dtype::any) support::refuse_type(b, "select", type);
  if (width == 2) return support::bind_elementwise(b, plain_select<std::uint16_t>());
  const std::array<kernels::select_kernel, 4> kernel{
      table.select(bytes, operands::vv), table.select(bytes, operands::vs),
      table.select(bytes, operands::sv), table.select(bytes, operands::ss)};
  return support::bind_elementwise(
      b, [kernel, width](const void* const* in, const bool* scalar, void* out, std::int64_t n) {
        if (n == 0) return;
        const auto* condition = static_cast<const std::uint8_t*>(in[0]);
        if (!scalar[0]) {
          kernel[(scalar[1] ? 2u : 0u) + (scalar[2] ? 1u : 0u)](condition, in[1], in[2], out, n);
          return;
        }
        const int chosen = *condition != 0 ? 1 : 2;
        if (scalar[chosen]) {
          support::fill(out, in[chosen], n, width);
        } else if (out != in[chosen]) {
          std::memmove(out, in[chosen], static_cast<std::size_t>(n) * width);
        }
      });
}

// --- Conversion
// ------------------------------------------------------------------------------------------

// Types without kernel are converted in two steps, through int64 between integers and through
// double otherwise; nothing that fits the result is lost on the way.
template <class Wide>
using load_function = void (*)(const void* x, Wide* y, std::int64_t n);
template <class Wide>
using store_function = void (*)(const Wide* x, void* y, std::int64_t n);

template <class T, class Wide>
void load(const void* x, Wide* y, std::int64_t n) {
  const T* from = static_cast<const T*>(x);
  for (std::int64_t i = 0; i < n; ++i) {
    if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>) {
      y[i] = static_cast<Wide>(detail::to_float(from[i]));
    } else {
      y[i] = static_cast<Wide>(from[i]);
    }
  }
}

template <class T, class Wide>
T narrowed(Wide v) {
  if constexpr (std::is_same_v<T, float16>) {
    return detail::to_float16(static_cast<float>(v));
  } else if constexpr (std::is_same_v<T, bfloat16>) {
    return detail::to_bfloat16(static_cast<float>(v));
  } else if constexpr (std::is_same_v<T, bool>) {
    return v != 0;
  } else if constexpr (std::is_integral_v<T> && std::is_floating_point_v<Wide>) {
    if (v != v) return T(0);
    if (v <= static_cast<Wide>(std::numeric_limits<T>::lowest()))
      return std::numeric_limits<T>::lowest();
    // The largest value need not be a double; the power of two above it is.
    const Wide end = static_cast<Wide>(std::numeric_limits<T>::max() / 2 + 1) * 2;
    return v >= end ? std::numeric_limits<T>::max() : static_cast<T>(v);
  } else {
    return static_cast<T>(v);
  }
}
template <class T, class Wide>
void store(const Wide* x, void* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) static_cast<T*>(y)[i] = narrowed<T>(x[i]);
}

template <class F>
bool with_any_type(dtype type, F&& f) {
  if (type == dtype::boolean) return f(bool{}), true;
  if (type == dtype::float16) return f(float16{}), true;
  if (type == dtype::bfloat16) return f(bfloat16{}), true;
  return support::with_number_type(type, f);
}

template <class Wide>
bound_kernel bind_two_steps(const bind_args& b) {
  load_function<Wide> first = nullptr;
  store_function<Wide> second = nullptr;
  const dtype from = b.inputs[0].type, to = b.outputs[0].type;
  with_any_type(from, [&](auto zero) { first = load<decltype(zero), Wide>; });
  with_any_type(to, [&](auto zero) { second = store<decltype(zero), Wide>; });
  if (first == nullptr) support::refuse_type(b, "cast", from);
  if (second == nullptr) support::refuse_type(b, "cast", to);
  const std::size_t from_width = size_of(from), to_width = size_of(to);
  return support::bind_unary_kernel(b, [=](const void* x, void* y, std::int64_t n) {
    constexpr std::int64_t piece = 256;
    Wide values[piece];
    for (std::int64_t at = 0; at < n; at += piece) {
      const std::int64_t count = std::min(piece, n - at);
      first(static_cast<const std::byte*>(x) + static_cast<std::size_t>(at) * from_width, values,
            count);
      second(values, static_cast<std::byte*>(y) + static_cast<std::size_t>(at) * to_width, count);
    }
  });
}

bound_kernel bind_cast(const bind_args& b) {
  const dtype from = b.inputs[0].type, to = b.outputs[0].type;
  const auto source_element = support::kernel_element(from),
             target_element = support::kernel_element(to);
  if (source_element && target_element) {
    if (const auto kernel = kernels::active().cast(*source_element, *target_element)) {
      return support::bind_unary_kernel(b, kernel);
    }
  }
  const auto whole = [](dtype type) { return is_integer(type) || type == dtype::boolean; };
  if (from == dtype::uint64 && !whole(to)) {  // int64 would turn large values negative
    return bind_two_steps<double>(b);
  }
  return whole(from) && whole(to) ? bind_two_steps<std::int64_t>(b) : bind_two_steps<double>(b);
}

// --- Gradients
// -------------------------------------------------------------------------------------------

operand_gradients select_gradient(const gradient_args& a) {
  operand_gradients result(3);
  const any_tensor &condition = a.operands[0], &x = a.operands[1], &y = a.operands[2];
  const any_tensor& g = *a.output_gradients[0];
  if (a.wanted[1]) result[1] = support::unbroadcast(select(condition, g, 0), x, {condition, y});
  if (a.wanted[2]) result[2] = support::unbroadcast(select(condition, 0, g), y, {condition, x});
  return result;
}

operand_gradients cast_gradient(const gradient_args& a) {
  operand_gradients result(1);
  const dtype from = support::type_of(a.operands[0]).type;
  if (is_floating(from) && is_floating(a.attributes.type("type"))) {
    result[0] = cast(*a.output_gradients[0], from);
  }
  return result;
}

// --- Oracles and samples
// -----------------------------------------------------------------------------------

template <bool (*F)(double, double)>
std::vector<Array> reference_relation(std::span<const Array> in, const attribute_list&) {
  return {support::reference_elementwise(
      in, dtype::boolean, [](const double* v) { return F(v[0], v[1]) ? 1.0 : 0.0; })};
}
bool is_equal(double a, double b) { return a == b; }
bool is_not_equal(double a, double b) { return a != b; }
bool is_less(double a, double b) { return a < b; }
bool is_less_equal(double a, double b) { return a <= b; }
bool is_greater(double a, double b) { return a > b; }
bool is_greater_equal(double a, double b) { return a >= b; }
bool is_both(double a, double b) { return a != 0 && b != 0; }
bool is_either(double a, double b) { return a != 0 || b != 0; }
bool is_one(double a, double b) { return (a != 0) != (b != 0); }

std::vector<Array> reference_not(std::span<const Array> in, const attribute_list&) {
  return {support::reference_elementwise(in, dtype::boolean,
                                         [](const double* v) { return v[0] != 0 ? 0.0 : 1.0; })};
}
std::vector<Array> reference_is_nan(std::span<const Array> in, const attribute_list&) {
  return {support::reference_elementwise(in, dtype::boolean,
                                         [](const double* v) { return v[0] != v[0] ? 1.0 : 0.0; })};
}
std::vector<Array> reference_select(std::span<const Array> in, const attribute_list&) {
  return {support::reference_elementwise(in, in[1].type(),
                                         [](const double* v) { return v[0] != 0 ? v[1] : v[2]; })};
}
// Between types whose values a double holds.
std::vector<Array> reference_cast(std::span<const Array> in, const attribute_list& a) {
  const dtype to = a.type("type");
  return {support::reference_elementwise(in, to, [to](const double* v) {
    if (to == dtype::boolean || !is_integer(to)) return v[0];
    const double bits = 8.0 * static_cast<double>(size_of(to));
    const bool is_signed = to <= dtype::int64;
    const double low = is_signed ? -std::exp2(bits - 1) : 0;
    const double high = std::exp2(is_signed ? bits - 1 : bits) - 1;
    return v[0] != v[0] ? 0 : std::clamp(std::trunc(v[0]), low, high);
  })};
}

std::vector<operator_sample> compare_samples() {
  std::vector<operator_sample> samples = support::binary_samples(-2, 2, -2, 2);
  for (operator_sample& s : samples) s.differentiable = false;
  for (const dtype type :
       {dtype::int32, dtype::int64, dtype::uint8, dtype::int8, dtype::int16, dtype::uint64}) {
    samples.push_back(
        {{support::counting(type, {3, 7}, 0, 1), support::counting(type, {7}, 3, 1)}, {}, false});
  }
  const Array x = Array::from<double>({4}, {1, std::nan(""), -0.0, INFINITY});
  const Array y = Array::from<double>({4}, {1, std::nan(""), 0.0, 1});
  samples.push_back({{x, y}, {}, false});
  samples.push_back({{support::truths({9}), support::truths({9}, 1)}, {}, false});
  return samples;
}
std::vector<operator_sample> logic_samples() {
  return {{{support::truths({}), support::truths({})}, {}, false},
          {{support::truths({17}), support::truths({17}, 1)}, {}, false},
          {{support::truths({3, 5}), support::truths({5}, 2)}, {}, false},
          {{support::truths({3, 1}), support::truths({}, 1)}, {}, false},
          {{support::truths({0}), support::truths({1})}, {}, false}};
}
std::vector<operator_sample> not_samples() {
  return {{{support::truths({})}, {}, false},
          {{support::truths({70})}, {}, false},
          {{support::truths({0, 3})}, {}, false}};
}
std::vector<operator_sample> is_nan_samples() {
  return {{{Array::from<double>({5}, {0, std::nan(""), INFINITY, -1, std::nan("")})}, {}, false},
          {{support::spread({3, 7}, -1, 1)}, {}, false}};
}
std::vector<operator_sample> select_samples() {
  std::vector<operator_sample> samples;
  const dims shapes[][3] = {{{}, {}, {}},      {{7}, {7}, {7}},       {{3, 5}, {}, {3, 5}},
                            {{3, 5}, {5}, {}}, {{5}, {3, 5}, {3, 1}}, {{3, 1}, {3, 5}, {5}},
                            {{}, {4}, {4}},    {{2}, {}, {}},         {{0}, {0}, {1}}};
  int salt = 0;
  for (const auto& s : shapes) {
    samples.push_back({{support::truths(s[0], salt), support::spread(s[1], -2, 2, salt),
                        support::spread(s[2], -2, 2, salt + 3)},
                       {}});
    ++salt;
  }
  for (const dtype type : {dtype::int32, dtype::uint8, dtype::int16, dtype::int64}) {
    samples.push_back({{support::truths({7}), support::counting(type, {7}, 0, 1),
                        support::counting(type, {7}, 20, 1)},
                       {},
                       false});
  }
  return samples;
}
std::vector<operator_sample> cast_samples() {
  std::vector<operator_sample> samples;
  const auto to = [](dtype type) { return attribute_list().set("type", type); };
  for (const dtype type : {dtype::float64, dtype::float32}) {
    samples.push_back({{support::spread({3, 5}, -2, 2)}, to(type), type == dtype::float64, true});
  }
  const Array edges =
      Array::from<double>({8}, {0, -1.9, 1.9, 300, -300, 1e30, -1e30, std::nan("")});
  for (const dtype type : {dtype::int8, dtype::int16, dtype::int32, dtype::uint8, dtype::uint16,
                           dtype::uint32, dtype::boolean}) {
    samples.push_back({{edges}, to(type), false});
    samples.push_back({{support::counting(type == dtype::boolean ? dtype::int32 : type, {5}, 0, 1)},
                       to(dtype::float64),
                       false});
    samples.push_back({{support::truths({9})}, to(type), false});
  }
  samples.push_back({{support::counting(dtype::uint64, {5}, 0, 9)}, to(dtype::int64), false});
  samples.push_back({{support::counting(dtype::int64, {0}, 0, 9)}, to(dtype::float64), false});
  return samples;
}

std::vector<operator_error_sample> compare_errors() {
  const value_type x = value_type::of(dtype::float32, {2});
  return {{{x, value_type::of(dtype::float32, {3})}, {}, "equal or broadcast"},
          {{x, value_type::of(dtype::int32, {2})}, {}, "one element type"},
          {{value_type::of(dtype::string, {2}), value_type::of(dtype::string, {2})},
           {},
           "numbers or truth values"}};
}
std::vector<operator_error_sample> logic_errors() {
  const value_type x = value_type::of(dtype::float32, {2}), c = value_type::of(dtype::boolean, {2});
  return {{{c, x}, {}, "truth values"},
          {{c, value_type::of(dtype::boolean, {3})}, {}, "equal or broadcast"}};
}
std::vector<operator_error_sample> not_errors() {
  return {{{value_type::of(dtype::int32, {2})}, {}, "truth values"}};
}
std::vector<operator_error_sample> is_nan_errors() {
  return {{{value_type::of(dtype::int32, {2})}, {}, "can be NaN"}};
}
std::vector<operator_error_sample> select_errors() {
  const value_type x = value_type::of(dtype::float32, {2}), c = value_type::of(dtype::boolean, {2});
  return {{{x, x, x}, {}, "condition must be"},
          {{c, x, value_type::of(dtype::int32, {2})}, {}, "one element type"},
          {{c, x, value_type::of(dtype::float32, {3})}, {}, "equal or broadcast"},
          {{value_type::of(dtype::boolean, {3}), x, x}, {}, "equal or broadcast"}};
}
std::vector<operator_error_sample> cast_errors() {
  return {
      {{value_type::of(dtype::string, {2})}, attribute_list().set("type", dtype::float32), "text"}};
}

}  // namespace

void add_logic_operators(std::vector<operator_definition>& all) {
  const auto relation = [&](const operator_schema& schema, const char* onnx, kernel_binding bind,
                            reference_rule reference) {
    all.push_back({&schema, onnx, nullptr, bind, reference, compare_samples, compare_errors});
  };
  relation(ops::equal, "Equal", bind_compare<compare_op::eq, std::equal_to<>>,
           reference_relation<is_equal>);
  relation(ops::not_equal, "", bind_compare<compare_op::ne, std::not_equal_to<>>,
           reference_relation<is_not_equal>);
  relation(ops::less, "Less", bind_compare<compare_op::lt, std::less<>>,
           reference_relation<is_less>);
  relation(ops::less_equal, "LessOrEqual", bind_compare<compare_op::le, std::less_equal<>>,
           reference_relation<is_less_equal>);
  relation(ops::greater, "Greater", bind_compare<compare_op::gt, std::greater<>>,
           reference_relation<is_greater>);
  relation(ops::greater_equal, "GreaterOrEqual", bind_compare<compare_op::ge, std::greater_equal<>>,
           reference_relation<is_greater_equal>);

  const auto logic = [&](const operator_schema& schema, const char* onnx, kernel_binding bind,
                         reference_rule reference) {
    all.push_back({&schema, onnx, nullptr, bind, reference, logic_samples, logic_errors});
  };
  logic(ops::logical_and, "And", bind_logic<binary_op::logical_and>, reference_relation<is_both>);
  logic(ops::logical_or, "Or", bind_logic<binary_op::logical_or>, reference_relation<is_either>);
  logic(ops::logical_xor, "Xor", bind_logic<binary_op::logical_xor>, reference_relation<is_one>);
  all.push_back(
      {&ops::logical_not, "Not", nullptr, bind_not, reference_not, not_samples, not_errors});
  all.push_back({&ops::is_nan, "IsNaN", nullptr, bind_is_nan, reference_is_nan, is_nan_samples,
                 is_nan_errors});
  all.push_back({&ops::select, "Where", select_gradient, bind_select, reference_select,
                 select_samples, select_errors});
  all.push_back(
      {&ops::cast, "Cast", cast_gradient, bind_cast, reference_cast, cast_samples, cast_errors});
}

}  // namespace graft
