// Numeric kernels: the one header the rest of the library sees.
//
// A kernel is a plain function over raw memory. Every instruction set provides a `kernel_table`;
// `active()` is the best one this machine can run. Look kernels up once, when a plan is built, and
// call the pointers: a lookup returns nullptr when no such kernel exists.
//
// Conventions, valid for every kernel unless it says otherwise:
//  * sizes and strides are counted in elements, tensors are row-major and contiguous;
//  * no alignment beyond that of the element type is needed;
//  * an output may be exactly the same memory as an input of the same element size for elementwise
//    kernels (unary, binary in mode vv or on the vector operand, optimiser steps, softmax,
//    layer_norm, scale_shift); any other overlap is not allowed;
//  * zero sizes are fine, and then pointers are not looked at;
//  * nothing allocates, throws, or keeps state: kernels may run on any number of threads;
//  * for one instruction set the bits of a result depend on the values and the sizes only, the sign
//    and payload of a NaN aside. Elementwise kernels give each element the same bits wherever it
//    stands, so any split is safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "graft/core/form.hpp"

namespace graft::kernels {

enum class isa : std::uint8_t { sse2, avx2, avx512 };

enum class element : std::uint8_t { f32, f64, i32, i64, u8, i8, b8 };  // b8: one byte, 0 or 1

constexpr std::int64_t element_size(element e) {
  switch (e) {
    case element::f32:
    case element::i32:
      return 4;
    case element::f64:
    case element::i64:
      return 8;
    default:
      return 1;
  }
}

// ---- elementwise ----------------------------------------------------------------------------

// Floating types have all of them but logical_not. Integers have neg abs sign square relu clip
// (wrapping arithmetic); b8 has logical_not only. is_nan writes uint8_t 0/1 whatever the input
// type.
enum class unary_op : std::uint8_t {
  neg,
  abs,
  sign,
  exp,
  log,
  log1p,
  expm1,
  sqrt,
  rsqrt,
  reciprocal,
  square,
  sin,
  cos,
  tanh,
  sigmoid,
  relu,
  softplus,
  erf,
  gelu,
  gelu_tanh,
  silu,
  floor,
  ceil,
  round,
  logical_not,
  is_nan,
  leaky_relu,  // params: alpha
  elu,         // params: alpha
  clip,        // params: lo, hi (may be infinite); NaN stays NaN
};

// y[i] = op(x[i]); `params` may be null for operations without parameters.
using unary_kernel = void (*)(const void* x, void* y, std::int64_t n, const double* params);

// Derivatives, each as dx[i] = dy[i] * f'(...) where `v` is the saved input x or output y of the
// forward operation as named: tanh, sigmoid, relu, exp, sqrt, elu, leaky_relu from the output y;
// the others from x.
enum class gradient_op : std::uint8_t {
  tanh,
  sigmoid,
  relu,
  softplus,
  gelu,
  gelu_tanh,
  silu,
  leaky_relu /*alpha*/,
  elu /*alpha*/,
};
using gradient_kernel = void (*)(const void* dy, const void* v, void* dx, std::int64_t n,
                                 const double* params);

// Integers: add sub mul div min max squared_difference mod pow; arithmetic wraps, a division or mod
// by zero gives 0, and the smallest value / -1 wraps to itself. div truncates towards zero; mod
// (floats too) takes the sign of the divisor, as Python and NumPy do. min and max of a NaN and
// anything is NaN. b8: logical_and logical_or logical_xor only.
enum class binary_op : std::uint8_t {
  add,
  sub,
  mul,
  div,
  min,
  max,
  pow,
  mod,
  squared_difference,
  logical_and,
  logical_or,
  logical_xor,
};
enum class compare_op : std::uint8_t { eq, ne, lt, le, gt, ge };

// Which operands are vectors of n elements (v) and which point at a single element (s).
enum class operands : std::uint8_t { vv, vs, sv, ss };  // ss: select only

using binary_kernel = void (*)(const void* a, const void* b, void* y, std::int64_t n);
// The same over rows: row r reads a + r * a_stride and b + r * b_stride, and writes y + r * cols. A
// stride of 0 repeats a row, which covers bias addition and per-row factors.
using binary_rows_kernel = void (*)(const void* a, std::int64_t a_stride, const void* b,
                                    std::int64_t b_stride, void* y, std::int64_t rows,
                                    std::int64_t cols);
using compare_kernel = void (*)(const void* a, const void* b, std::uint8_t* y, std::int64_t n);
using select_kernel = void (*)(const std::uint8_t* cond, const void* a, const void* b, void* y,
                               std::int64_t n);

// To integers: rounds towards zero, saturates, NaN gives 0; between integers the low bits are kept;
// to b8: x != 0 (NaN is true). y must not overlap x unless both elements have the same size.
using cast_kernel = void (*)(const void* x, void* y, std::int64_t n);

// ---- reductions -----------------------------------------------------------------------------

// sum, prod, sum_of_squares, max, min: f32 f64 i32 i64 u8 i8, result of the same type (integers
// wrap); any, all: b8. Empty: sum 0, prod 1, any 0, all 1, max -inf or lowest, min +inf or highest.
// max and min return NaN when there is one; 0 is larger than -0.
enum class reduce_op : std::uint8_t { sum, max, min, prod, any, all, sum_of_squares };

// y[r] = reduce of x[r][0..cols). The tree depends on cols alone: a row longer than
// `reduction_block` is cut into blocks of that size, each reduced on its own, and the partial
// results are reduced the same way (by combine_op(op)). To share one long row among threads reduce
// the blocks as rows, then the partials.
using reduce_rows_kernel = void (*)(const void* x, void* y, std::int64_t rows, std::int64_t cols);
inline constexpr std::int64_t reduction_block = 4096;
constexpr reduce_op combine_op(reduce_op op) {
  return op == reduce_op::sum_of_squares ? reduce_op::sum : op;
}

// y[o][i] = reduce over r of x[o][r][i], where x[o][r] starts at (o * rows + r) * row_stride
// elements. row_stride >= inner; the tree depends on rows alone, so columns may be split among
// threads.
using reduce_columns_kernel = void (*)(const void* x, void* y, std::int64_t outer,
                                       std::int64_t rows, std::int64_t inner,
                                       std::int64_t row_stride);

// Index of the largest (smallest) element of each row; the first one wins, and a NaN beats all (as
// NumPy). cols must be positive.
using arg_rows_kernel = void (*)(const void* x, std::int64_t* y, std::int64_t rows,
                                 std::int64_t cols);

// ---- matrix product -------------------------------------------------------------------------

enum class epilogue : std::uint8_t { none, relu };

// c[m][n] = a[m][k] b[k][n] (+ c if accumulate) (+ bias), then the epilogue.
struct matmul_args {
  const void* a = nullptr;
  const void* b = nullptr;
  void* c = nullptr;
  std::int64_t m = 0, n = 0, k = 0;
  std::int64_t lda = 0, ldb = 0, ldc = 0;  // distance between stored rows
  bool trans_a = false;                    // a is stored as [k][m]
  bool trans_b = false;                    // b is stored as [n][k]
  bool accumulate = false;
  const void* column_bias = nullptr;  // n elements, added to every row
  const void* row_bias = nullptr;     // m elements, added to every column
  epilogue after = epilogue::none;    // integers: none only
  void* scratch = nullptr;            // scratch_bytes(...) bytes; may be null when that is 0
};

// `run` does all of it. Alternatively call `run_chunk` for every chunk in [0, chunks(...)), in any
// order and on any threads, each with scratch of its own of the same size: the bits are the same.
struct matmul_kernel {
  std::int64_t (*scratch_bytes)(std::int64_t m, std::int64_t n, std::int64_t k, bool trans_a,
                                bool trans_b) = nullptr;
  std::int64_t (*chunks)(std::int64_t m, std::int64_t n, std::int64_t k) = nullptr;
  void (*run)(const matmul_args&) = nullptr;
  void (*run_chunk)(const matmul_args&, std::int64_t chunk) = nullptr;
  explicit operator bool() const { return run != nullptr; }
};

// ---- rows: softmax and layer normalisation -----------------------------------------------------

// y = softmax(x) or log_softmax(x) of each row. A row of -inf alone gives NaN, as the formula does.
using softmax_kernel = void (*)(const void* x, void* y, std::int64_t rows, std::int64_t cols);
// dx from dy and the forward output y.
using softmax_gradient_kernel = void (*)(const void* dy, const void* y, void* dx, std::int64_t rows,
                                         std::int64_t cols);

struct layer_norm_args {
  const void* x = nullptr;
  void* y = nullptr;
  std::int64_t rows = 0, cols = 0;
  const void* scale = nullptr;  // cols elements; null: 1
  const void* bias = nullptr;   // cols elements; null: 0
  double epsilon = 1e-5;
  void* mean = nullptr;     // optional output, rows elements
  void* inv_std = nullptr;  // optional output, rows elements
};
using layer_norm_kernel = void (*)(const layer_norm_args&);

// Backward in x: dx of each row from dy, x, mean, inv_std and scale (null: 1). The gradients of
// scale and bias are column reductions the caller builds from reduce_columns.
struct layer_norm_gradient_args {
  const void* dy = nullptr;
  const void* x = nullptr;
  const void* mean = nullptr;
  const void* inv_std = nullptr;
  const void* scale = nullptr;
  void* dx = nullptr;
  std::int64_t rows = 0, cols = 0;
};
using layer_norm_gradient_kernel = void (*)(const layer_norm_gradient_args&);

// ---- batch normalisation ------------------------------------------------------------------------

// y[o][c][i] = x[o][c][i] * scale[c] + shift[c].
using scale_shift_kernel = void (*)(const void* x, const void* scale, const void* shift, void* y,
                                    std::int64_t outer, std::int64_t channels, std::int64_t inner);
// Mean and biased variance of every channel in [first, last) over outer and inner, in two passes.
// The tree does not depend on the range, so channels may be split among threads. Empty: NaN.
using channel_moments_kernel = void (*)(const void* x, void* mean, void* variance,
                                        std::int64_t outer, std::int64_t channels,
                                        std::int64_t inner, std::int64_t first, std::int64_t last);
// sum_dy[c] = sum dy[o][c][i]; sum_dy_x[c] = sum dy[o][c][i] * (x[o][c][i] - mean[c]): what the
// gradient of batch normalisation needs. Same splitting rule.
using channel_products_kernel = void (*)(const void* dy, const void* x, const void* mean,
                                         void* sum_dy, void* sum_dy_x, std::int64_t outer,
                                         std::int64_t channels, std::int64_t inner,
                                         std::int64_t first, std::int64_t last);

// ---- convolution and pooling, NCHW
// ----------------------------------------------------------------

struct conv2d_shape {
  std::int64_t batch = 0, in_channels = 0, in_h = 0, in_w = 0;
  std::int64_t out_channels = 0, kernel_h = 1, kernel_w = 1;
  std::int64_t stride_h = 1, stride_w = 1;
  std::int64_t pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  std::int64_t dilation_h = 1, dilation_w = 1;
  std::int64_t groups = 1;  // divides in_channels and out_channels

  constexpr std::int64_t out_h() const {
    return extent(in_h, kernel_h, stride_h, pad_top + pad_bottom, dilation_h);
  }
  constexpr std::int64_t out_w() const {
    return extent(in_w, kernel_w, stride_w, pad_left + pad_right, dilation_w);
  }

 private:
  static constexpr std::int64_t extent(std::int64_t in, std::int64_t kernel, std::int64_t stride,
                                       std::int64_t pad, std::int64_t dilation) {
    const std::int64_t room = in + pad - (dilation * (kernel - 1) + 1);
    return room < 0 ? 0 : room / stride + 1;
  }
};

// x[batch][in_channels][in_h][in_w], filter[out_channels][in_channels/groups][kernel_h][kernel_w],
// y[batch][out_channels][out_h][out_w]. Images [first, last) are worked on, so a batch may be split
// among threads, each with scratch of its own; pointers are those of the whole batch.
struct conv2d_args {
  conv2d_shape shape;
  const void* x = nullptr;           // forward, filter gradient: input
  const void* filter = nullptr;      // forward, input gradient: input
  const void* bias = nullptr;        // forward: out_channels elements or null
  const void* dy = nullptr;          // both gradients: input
  void* out = nullptr;               // y, dx or dfilter
  epilogue after = epilogue::none;   // forward only
  std::int64_t first = 0, last = 0;  // images; forward and input gradient
  void* scratch = nullptr;
};

// filter_gradient runs over the whole batch when called through `filter_gradient`; to share it
// among threads call filter_gradient_partial for each part in [0, filter_gradient_parts(shape))
// writing to partials + part * filter size, then filter_gradient_combine. `filter_gradient` gives
// the same bits (its scratch holds the partials).
struct conv2d_kernel {
  std::int64_t (*forward_scratch_bytes)(const conv2d_shape&) = nullptr;
  void (*forward)(const conv2d_args&) = nullptr;
  std::int64_t (*input_gradient_scratch_bytes)(const conv2d_shape&) = nullptr;
  void (*input_gradient)(const conv2d_args&) = nullptr;
  std::int64_t (*filter_gradient_scratch_bytes)(const conv2d_shape&) = nullptr;
  void (*filter_gradient)(const conv2d_args&) = nullptr;
  std::int64_t (*filter_gradient_parts)(const conv2d_shape&) = nullptr;
  std::int64_t (*filter_gradient_partial_scratch_bytes)(const conv2d_shape&) = nullptr;
  void (*filter_gradient_partial)(const conv2d_args&,
                                  std::int64_t part) = nullptr;  // out: this part's
  void (*filter_gradient_combine)(const conv2d_shape&, const void* partials, void* out) = nullptr;
  explicit operator bool() const { return forward != nullptr; }
};

struct pool2d_shape {
  std::int64_t planes = 0;  // batch * channels
  std::int64_t in_h = 0, in_w = 0;
  std::int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1;
  std::int64_t dilation_h = 1, dilation_w = 1;
  std::int64_t pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;

  constexpr std::int64_t out_h() const {
    const std::int64_t room = in_h + pad_top + pad_bottom - dilation_h * (kernel_h - 1) - 1;
    return room < 0 ? 0 : room / stride_h + 1;
  }
  constexpr std::int64_t out_w() const {
    const std::int64_t room = in_w + pad_left + pad_right - dilation_w * (kernel_w - 1) - 1;
    return room < 0 ? 0 : room / stride_w + 1;
  }
};

// Planes are independent: offset the pointers and set `planes` to share the work among threads.
// Padding never wins a maximum; a window of padding alone gives -inf and index -1. A NaN wins.
struct pool2d_kernel {
  // index, if not null, receives the flat position in the in_h * in_w plane of each maximum (first
  // one wins).
  void (*max)(const pool2d_shape&, const void* x, void* y, std::int64_t* index) = nullptr;
  // dx is overwritten: zero, plus dy at each index (those outside the plane, -1 too, are dropped).
  void (*max_gradient)(const pool2d_shape&, const void* dy, const std::int64_t* index,
                       void* dx) = nullptr;
  void (*average)(const pool2d_shape&, const void* x, void* y, bool count_include_pad) = nullptr;
  void (*average_gradient)(const pool2d_shape&, const void* dy, void* dx,
                           bool count_include_pad) = nullptr;
  explicit operator bool() const { return max != nullptr; }
};

// ---- gather and scatter
// -----------------------------------------------------------------------------

// y[i] = x[indices[i]] for rows of row_elements elements. Indices are in range and not negative:
// the caller checks.
using gather_rows_kernel = void (*)(const void* x, const void* indices, void* y, std::int64_t count,
                                    std::int64_t row_elements);
// y[indices[i]] += x[i], in the order of i. y is not cleared first.
using scatter_add_rows_kernel = void (*)(const void* x, const void* indices, void* y,
                                         std::int64_t count, std::int64_t row_elements);

// ---- optimiser steps
// -------------------------------------------------------------------------------------

// One step over n parameters. Outputs may be exactly the inputs (in place) or elsewhere (out of
// place).
//   g = gradient * gradient_scale + weight_decay * p      (decoupled_decay: the decay goes to p
//   instead) sgd       p' = p - rate * g momentum  s1' = momentum * s1 + g;   p' = p - rate *
//   (nesterov ? g + momentum * s1' : s1') rmsprop   s1' = rho * s1 + (1 - rho) * g^2;  p' = p -
//   rate * g / (sqrt(s1') + epsilon) adagrad   s1' = s1 + g^2;            p' = p - rate * g /
//   (sqrt(s1') + epsilon) adam      s1' = beta1 * s1 + (1 - beta1) * g;  s2' = beta2 * s2 + (1 -
//   beta2) * g^2
//             p' = p - rate * (s1' / correction1) / (sqrt(s2' / correction2) + epsilon)
//             with correction1 = 1 - beta1^t, correction2 = 1 - beta2^t from the caller
//   decoupled_decay (any): p is first multiplied by 1 - rate * weight_decay
enum class optimiser_op : std::uint8_t { sgd, momentum, rmsprop, adagrad, adam };
struct optimiser_args {
  const void* parameter = nullptr;
  const void* gradient = nullptr;
  const void* state1 = nullptr;  // momentum; squares of rmsprop, adagrad; first moment of adam
  const void* state2 = nullptr;  // adam's second moment
  void* parameter_out = nullptr;
  void* state1_out = nullptr;
  void* state2_out = nullptr;
  std::int64_t n = 0;
  double rate = 0.0;
  double gradient_scale = 1.0;
  double weight_decay = 0.0;
  bool decoupled_decay = false;
  double momentum = 0.0;
  bool nesterov = false;
  double rho = 0.9;
  double beta1 = 0.9, beta2 = 0.999;
  double correction1 = 1.0, correction2 = 1.0;
  double epsilon = 1e-8;
};
using optimiser_kernel = void (*)(const optimiser_args&);

// ---- the table
// ----------------------------------------------------------------------------------------------

// Each member is a lookup; use as `active().unary(unary_op::exp, element::f32)`.
struct kernel_table {
  isa which;
  unary_kernel (*unary)(unary_op, element);
  gradient_kernel (*gradient)(gradient_op, element);  // f32 f64
  binary_kernel (*binary)(binary_op, element, operands);
  binary_rows_kernel (*binary_rows)(binary_op, element, operands);
  compare_kernel (*compare)(compare_op, element, operands);       // all elements
  select_kernel (*select)(std::int64_t element_bytes, operands);  // 1, 4, 8 bytes
  cast_kernel (*cast)(element from, element to);                  // all pairs
  reduce_rows_kernel (*reduce_rows)(reduce_op, element);
  reduce_columns_kernel (*reduce_columns)(reduce_op, element);
  arg_rows_kernel (*argmax_rows)(element);  // all elements
  arg_rows_kernel (*argmin_rows)(element);
  matmul_kernel (*matmul)(element);    // f32 f64 i32 i64
  softmax_kernel (*softmax)(element);  // f32 f64, as all below
  softmax_kernel (*log_softmax)(element);
  softmax_gradient_kernel (*softmax_gradient)(element);
  softmax_gradient_kernel (*log_softmax_gradient)(element);
  layer_norm_kernel (*layer_norm)(element);
  layer_norm_gradient_kernel (*layer_norm_gradient)(element);
  scale_shift_kernel (*scale_shift)(element);
  channel_moments_kernel (*channel_moments)(element);
  channel_products_kernel (*channel_products)(element);
  conv2d_kernel (*conv2d)(element);
  pool2d_kernel (*pool2d)(element);
  gather_rows_kernel (*gather_rows)(element, element index);  // all elements; index i32 i64
  scatter_add_rows_kernel (*scatter_add_rows)(element, element index);  // f32 f64 i32 i64
  optimiser_kernel (*optimiser)(optimiser_op, element);
  // Of a form of shipped_forms (forms.hpp), by its number there: f32 f64. Every element has the bits
  // that the kernels of its operators give one after the other.
  fused_kernel (*fused)(std::size_t form, element);

  // y[i] = *value for elements of 1, 4 or 8 bytes.
  void (*fill)(void* y, const void* value, std::int64_t n, std::int64_t element_bytes);
  // dst[d0][d1]... = src[...] over the index space dims[0..rank). Strides are in elements and may
  // be zero or negative in src (pointers are those of index 0...0); null dst_strides means
  // contiguous. Covers transpose, permute, slice, broadcast, concat and pad. Elements of 1, 4 or 8
  // bytes, any rank up to max_rank.
  void (*copy_strided)(const void* src, const std::int64_t* src_strides, void* dst,
                       const std::int64_t* dst_strides, const std::int64_t* dims, std::int64_t rank,
                       std::int64_t element_bytes);
};
inline constexpr std::int64_t max_rank = 16;

struct isa_info {
  isa which;
  std::string_view name;      // "sse2", "avx2", "avx512"
  const kernel_table* table;  // never null in available()
};

// The table in use, chosen once: the best this machine supports, or what the environment variable
// GRAFT_ISA names.
const kernel_table& active();
// Not empty when GRAFT_ISA could not be honoured.
std::string_view isa_warning();
// What this machine can run, best last.
std::span<const isa_info> available();
// Null when this machine (or this build) lacks it.
const kernel_table* table_for(isa which);
std::string_view isa_name(isa which);

// ---- random numbers
// --------------------------------------------------------------------------------------------

// Philox 4x32-10. Element i of the infinite sequence (key, stream, counter) depends on these and i
// alone; a call writes elements offset .. offset + n - 1, so any split gives the same bits, on
// every instruction set.
struct random_state {
  std::uint64_t key = 0;      // the seed
  std::uint64_t stream = 0;   // which consumer
  std::uint64_t counter = 0;  // which use by that consumer; only the low 32 bits count
};
// f32 and f64 only; false for other elements. uniform: lo <= y < hi. Normals by the inverse
// distribution function.
bool random_uniform(const random_state&, element, void* y, std::int64_t offset, std::int64_t n,
                    double lo, double hi);
bool random_normal(const random_state&, element, void* y, std::int64_t offset, std::int64_t n,
                   double mean, double deviation);
// Normal cut off (not clamped) at two deviations from the mean.
bool random_truncated_normal(const random_state&, element, void* y, std::int64_t offset,
                             std::int64_t n, double mean, double deviation);
// 1 with probability p, else 0.
void random_bernoulli(const random_state&, std::uint8_t* y, std::int64_t offset, std::int64_t n,
                      double p);
// y[i] in [0, bound).
void random_below(const random_state&, std::int64_t* y, std::int64_t offset, std::int64_t n,
                  std::int64_t bound);

}  // namespace graft::kernels
