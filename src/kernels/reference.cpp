#include "reference.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace graft::kernels::reference {

using std::int64_t;
using real = long double;

namespace {
constexpr real infinity = std::numeric_limits<real>::infinity();
constexpr real pi = 3.14159265358979323846264338327950288L;

real sigmoid(real x) { return 1.0L / (1.0L + std::exp(-x)); }
real normal_cdf(real x) { return 0.5L * std::erfc(-x / std::sqrt(2.0L)); }
}  // namespace

real unary(unary_op op, real x, const double* p) {
  if (std::isnan(x) && op != unary_op::is_nan) return x;
  switch (op) {
    case unary_op::neg:
      return -x;
    case unary_op::abs:
      return std::fabs(x);
    case unary_op::sign:
      return x > 0 ? 1 : x < 0 ? -1 : 0;
    case unary_op::exp:
      return std::exp(x);
    case unary_op::log:
      return std::log(x);
    case unary_op::log1p:
      return std::log1p(x);
    case unary_op::expm1:
      return std::expm1(x);
    case unary_op::sqrt:
      return std::sqrt(x);
    case unary_op::rsqrt:
      return 1 / std::sqrt(x);
    case unary_op::reciprocal:
      return 1 / x;
    case unary_op::square:
      return x * x;
    case unary_op::sin:
      return std::sin(x);
    case unary_op::cos:
      return std::cos(x);
    case unary_op::tanh:
      return std::tanh(x);
    case unary_op::sigmoid:
      return sigmoid(x);
    case unary_op::relu:
      return x < 0 ? 0 : x;
    case unary_op::softplus:
      return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
    case unary_op::erf:
      return std::erf(x);
    case unary_op::gelu:
      return x == -infinity ? 0 : x * normal_cdf(x);
    case unary_op::gelu_tanh:
      return std::isinf(x) ? std::max(x, real(0))
                           : x * sigmoid(2 * std::sqrt(2 / pi) * (x + 0.044715L * x * x * x));
    case unary_op::silu:
      return x == -infinity ? 0 : x * sigmoid(x);
    case unary_op::floor:
      return std::floor(x);
    case unary_op::ceil:
      return std::ceil(x);
    case unary_op::round:
      return std::nearbyint(x);
    case unary_op::logical_not:
      return x == 0;
    case unary_op::is_nan:
      return std::isnan(x);
    case unary_op::leaky_relu:
      return x < 0 ? x * p[0] : x;
    case unary_op::elu:
      return x < 0 ? p[0] * std::expm1(x) : x;
    case unary_op::clip:
      return x < p[0] ? p[0] : x > p[1] ? p[1] : x;
  }
  return 0;
}

real gradient(gradient_op op, real dy, real v, const double* p) {
  const real density = std::exp(-v * v / 2) / std::sqrt(2 * pi);
  switch (op) {
    case gradient_op::tanh:
      return dy * (1 - v * v);
    case gradient_op::sigmoid:
      return dy * v * (1 - v);
    case gradient_op::relu:
      return std::isnan(v) ? v : v > 0 ? dy : 0;
    case gradient_op::softplus:
      return dy * sigmoid(v);
    case gradient_op::gelu:
      return dy * (normal_cdf(v) + v * density);
    case gradient_op::gelu_tanh: {
      const real c = 2 * std::sqrt(2 / pi), s = sigmoid(c * (v + 0.044715L * v * v * v));
      return dy * (s + v * s * (1 - s) * c * (1 + 3 * 0.044715L * v * v));
    }
    case gradient_op::silu:
      return dy * (sigmoid(v) + v * sigmoid(v) * (1 - sigmoid(v)));
    case gradient_op::leaky_relu:
      return v < 0 ? dy * p[0] : dy;
    case gradient_op::elu:
      return v < 0 ? dy * (v + p[0]) : dy;
  }
  return 0;
}

real binary(binary_op op, real a, real b) {
  switch (op) {
    case binary_op::add:
      return a + b;
    case binary_op::sub:
      return a - b;
    case binary_op::mul:
      return a * b;
    case binary_op::div:
      return a / b;
    case binary_op::min:
      return std::isnan(a) ? a : std::isnan(b) ? b : std::min(a, b);
    case binary_op::max:
      return std::isnan(a) ? a : std::isnan(b) ? b : std::max(a, b);
    case binary_op::pow:
      return std::pow(a, b);
    case binary_op::mod: {
      const real r = std::fmod(a, b);
      return r != 0 && (r < 0) != (b < 0) ? r + b : r;
    }
    case binary_op::squared_difference:
      return (a - b) * (a - b);
    case binary_op::logical_and:
      return a != 0 && b != 0;
    case binary_op::logical_or:
      return a != 0 || b != 0;
    case binary_op::logical_xor:
      return (a != 0) != (b != 0);
  }
  return 0;
}

template <class T>
T reduce(reduce_op op, const T* x, int64_t n, int64_t stride) {
  real r = 0;
  if (op == reduce_op::prod || op == reduce_op::all) r = 1;
  if (op == reduce_op::max) r = -infinity;
  if (op == reduce_op::min) r = infinity;
  for (int64_t i = 0; i < n; ++i) {
    const real v = x[i * stride];
    switch (op) {
      case reduce_op::sum:
        r += v;
        break;
      case reduce_op::sum_of_squares:
        r += v * v;
        break;
      case reduce_op::prod:
        r *= v;
        break;
      case reduce_op::max:
        r = r == 0 && v == 0 ? (std::signbit(r) ? v : r) : binary(binary_op::max, r, v);
        break;
      case reduce_op::min:
        r = r == 0 && v == 0 ? (std::signbit(r) ? r : v) : binary(binary_op::min, r, v);
        break;
      case reduce_op::any:
        r = r != 0 || v != 0;
        break;
      case reduce_op::all:
        r = r != 0 && v != 0;
        break;
    }
  }
  return static_cast<T>(r);
}

template <class T>
void matmul(const matmul_args& g) {
  const T* a = static_cast<const T*>(g.a);
  const T* b = static_cast<const T*>(g.b);
  T* c = static_cast<T*>(g.c);
  for (int64_t i = 0; i < g.m; ++i) {
    for (int64_t j = 0; j < g.n; ++j) {
      real s = g.accumulate ? c[i * g.ldc + j] : 0;
      for (int64_t p = 0; p < g.k; ++p) {
        s += static_cast<real>(g.trans_a ? a[p * g.lda + i] : a[i * g.lda + p]) *
             static_cast<real>(g.trans_b ? b[j * g.ldb + p] : b[p * g.ldb + j]);
      }
      if (g.column_bias != nullptr) s += static_cast<const T*>(g.column_bias)[j];
      if (g.row_bias != nullptr) s += static_cast<const T*>(g.row_bias)[i];
      if (g.after == epilogue::relu && s < 0) s = 0;
      c[i * g.ldc + j] = static_cast<T>(s);
    }
  }
}

template <class T>
void softmax(const T* x, T* y, int64_t rows, int64_t cols, bool logarithm) {
  for (int64_t r = 0; r < rows; ++r) {
    const T* in = x + r * cols;
    T* out = y + r * cols;
    real top = -infinity, total = 0;
    for (int64_t i = 0; i < cols; ++i) top = std::max(top, static_cast<real>(in[i]));
    for (int64_t i = 0; i < cols; ++i) total += std::exp(in[i] - top);
    for (int64_t i = 0; i < cols; ++i) {
      out[i] =
          static_cast<T>(logarithm ? in[i] - top - std::log(total) : std::exp(in[i] - top) / total);
    }
  }
}

template <class T>
void layer_norm(const layer_norm_args& a) {
  for (int64_t r = 0; r < a.rows; ++r) {
    const T* x = static_cast<const T*>(a.x) + r * a.cols;
    T* y = static_cast<T*>(a.y) + r * a.cols;
    real mean = 0, variance = 0;
    for (int64_t i = 0; i < a.cols; ++i) mean += x[i];
    mean /= a.cols;
    for (int64_t i = 0; i < a.cols; ++i) variance += (x[i] - mean) * (x[i] - mean);
    variance /= a.cols;
    const real inv = 1 / std::sqrt(variance + a.epsilon);
    for (int64_t i = 0; i < a.cols; ++i) {
      const real scale = a.scale != nullptr ? static_cast<const T*>(a.scale)[i] : 1;
      const real bias = a.bias != nullptr ? static_cast<const T*>(a.bias)[i] : 0;
      y[i] = static_cast<T>((x[i] - mean) * inv * scale + bias);
    }
    if (a.mean != nullptr) static_cast<T*>(a.mean)[r] = static_cast<T>(mean);
    if (a.inv_std != nullptr) static_cast<T*>(a.inv_std)[r] = static_cast<T>(inv);
  }
}

// The chain rule through mean and variance, written out.
template <class T>
void layer_norm_gradient(const layer_norm_gradient_args& a) {
  for (int64_t r = 0; r < a.rows; ++r) {
    const T* dy = static_cast<const T*>(a.dy) + r * a.cols;
    const T* x = static_cast<const T*>(a.x) + r * a.cols;
    T* dx = static_cast<T*>(a.dx) + r * a.cols;
    const real mean = static_cast<const T*>(a.mean)[r], inv = static_cast<const T*>(a.inv_std)[r];
    std::vector<real> g(a.cols);
    for (int64_t i = 0; i < a.cols; ++i) {
      g[i] = dy[i] *
             (a.scale != nullptr ? static_cast<real>(static_cast<const T*>(a.scale)[i]) : real(1));
    }
    for (int64_t j = 0; j < a.cols; ++j) {
      real s = 0;
      for (int64_t i = 0; i < a.cols; ++i) {
        const real direct = i == j ? 1 : 0;
        s += g[i] * inv *
             (direct - real(1) / a.cols - (x[i] - mean) * (x[j] - mean) * inv * inv / a.cols);
      }
      dx[j] = static_cast<T>(s);
    }
  }
}

template <class T>
void channel_moments(const T* x, T* mean, T* variance, int64_t outer, int64_t channels,
                     int64_t inner) {
  for (int64_t c = 0; c < channels; ++c) {
    real m = 0, v = 0;
    const real count = static_cast<real>(outer * inner);
    for (int pass = 0; pass < 2; ++pass) {
      for (int64_t o = 0; o < outer; ++o) {
        for (int64_t i = 0; i < inner; ++i) {
          const real e = x[(o * channels + c) * inner + i];
          if (pass == 0)
            m += e / count;
          else
            v += (e - m) * (e - m) / count;
        }
      }
    }
    mean[c] = static_cast<T>(m);
    variance[c] = static_cast<T>(v);
  }
}

namespace {

// f(input index, filter index, output index) for every product of the convolution of one image.
template <class F>
void for_products(const conv2d_shape& s, int64_t image, F f) {
  const int64_t ig = s.in_channels / s.groups, og = s.out_channels / s.groups;
  for (int64_t o = 0; o < s.out_channels; ++o) {
    for (int64_t i = 0; i < ig; ++i) {
      for (int64_t oh = 0; oh < s.out_h(); ++oh) {
        for (int64_t ow = 0; ow < s.out_w(); ++ow) {
          for (int64_t kh = 0; kh < s.kernel_h; ++kh) {
            for (int64_t kw = 0; kw < s.kernel_w; ++kw) {
              const int64_t h = oh * s.stride_h + kh * s.dilation_h - s.pad_top;
              const int64_t w = ow * s.stride_w + kw * s.dilation_w - s.pad_left;
              if (h < 0 || h >= s.in_h || w < 0 || w >= s.in_w) continue;
              const int64_t channel = o / og * ig + i;
              f(((image * s.in_channels + channel) * s.in_h + h) * s.in_w + w,
                ((o * ig + i) * s.kernel_h + kh) * s.kernel_w + kw,
                ((image * s.out_channels + o) * s.out_h() + oh) * s.out_w() + ow);
            }
          }
        }
      }
    }
  }
}

template <class T>
void round_to(const std::vector<real>& from, T* to, int64_t offset = 0) {
  for (std::size_t i = 0; i < from.size(); ++i)
    to[offset + static_cast<int64_t>(i)] = static_cast<T>(from[i]);
}

}  // namespace

template <class T>
void conv2d(const conv2d_args& a) {
  const conv2d_shape& s = a.shape;
  const int64_t plane = s.out_h() * s.out_w(), size = s.out_channels * plane;
  for (int64_t n = a.first; n < a.last; ++n) {
    std::vector<real> y(size);
    for (int64_t i = 0; i < size && a.bias != nullptr; ++i)
      y[i] = static_cast<const T*>(a.bias)[i / plane];
    for_products(s, n, [&](int64_t in, int64_t filter, int64_t out) {
      y[out - n * size] += static_cast<real>(static_cast<const T*>(a.x)[in]) *
                           static_cast<const T*>(a.filter)[filter];
    });
    if (a.after == epilogue::relu) {
      for (real& v : y) v = v < 0 ? 0 : v;
    }
    round_to(y, static_cast<T*>(a.out), n * size);
  }
}

template <class T>
void conv2d_input_gradient(const conv2d_args& a) {
  const conv2d_shape& s = a.shape;
  const int64_t size = s.in_channels * s.in_h * s.in_w;
  for (int64_t n = a.first; n < a.last; ++n) {
    std::vector<real> dx(size);
    for_products(s, n, [&](int64_t in, int64_t filter, int64_t out) {
      dx[in - n * size] += static_cast<real>(static_cast<const T*>(a.dy)[out]) *
                           static_cast<const T*>(a.filter)[filter];
    });
    round_to(dx, static_cast<T*>(a.out), n * size);
  }
}

template <class T>
void conv2d_filter_gradient(const conv2d_args& a) {
  const conv2d_shape& s = a.shape;
  std::vector<real> d(s.out_channels * (s.in_channels / s.groups) * s.kernel_h * s.kernel_w);
  for (int64_t n = 0; n < s.batch; ++n) {
    for_products(s, n, [&](int64_t in, int64_t filter, int64_t out) {
      d[filter] +=
          static_cast<real>(static_cast<const T*>(a.dy)[out]) * static_cast<const T*>(a.x)[in];
    });
  }
  round_to(d, static_cast<T*>(a.out));
}

namespace {

// f(plane, output index in the plane, input index or -1 for padding), padding being what the shape
// declares.
template <class F>
void for_windows(const pool2d_shape& s, F f) {
  for (int64_t p = 0; p < s.planes; ++p) {
    for (int64_t oh = 0; oh < s.out_h(); ++oh) {
      for (int64_t ow = 0; ow < s.out_w(); ++ow) {
        for (int64_t kh = 0; kh < s.kernel_h; ++kh) {
          for (int64_t kw = 0; kw < s.kernel_w; ++kw) {
            const int64_t h = oh * s.stride_h + kh * s.dilation_h - s.pad_top,
                          w = ow * s.stride_w + kw * s.dilation_w - s.pad_left;
            const bool inside = h >= 0 && h < s.in_h && w >= 0 && w < s.in_w;
            f(p, oh * s.out_w() + ow, inside ? h * s.in_w + w : -1);
          }
        }
      }
    }
  }
}

}  // namespace

template <class T>
void max_pool(const pool2d_shape& s, const T* x, T* y, int64_t* index) {
  const int64_t in = s.in_h * s.in_w, out = s.out_h() * s.out_w();
  for (int64_t i = 0; i < s.planes * out; ++i) {
    y[i] = -std::numeric_limits<T>::infinity();
    index[i] = -1;
  }
  for_windows(s, [&](int64_t p, int64_t o, int64_t i) {
    if (i < 0) return;
    T& best = y[p * out + o];
    int64_t& at = index[p * out + o];
    const T v = x[p * in + i];
    if (at < 0 || v > best || (std::isnan(v) && !std::isnan(best))) {
      best = v;
      at = i;
    }
  });
}

template <class T>
void average_pool(const pool2d_shape& s, const T* x, T* y, bool count_include_pad) {
  const int64_t in = s.in_h * s.in_w, out = s.out_h() * s.out_w();
  std::vector<real> total(s.planes * out), count(s.planes * out);
  for_windows(s, [&](int64_t p, int64_t o, int64_t i) {
    if (i >= 0) total[p * out + o] += x[p * in + i];
    if (i >= 0 || count_include_pad) count[p * out + o] += 1;
  });
  for (std::size_t i = 0; i < total.size(); ++i)
    y[i] = count[i] > 0 ? static_cast<T>(total[i] / count[i]) : T(0);
}

template <class T>
void average_pool_gradient(const pool2d_shape& s, const T* dy, T* dx, bool count_include_pad) {
  const int64_t in = s.in_h * s.in_w, out = s.out_h() * s.out_w();
  std::vector<real> count(s.planes * out), d(s.planes * in);
  for_windows(s, [&](int64_t p, int64_t o, int64_t i) {
    if (i >= 0 || count_include_pad) count[p * out + o] += 1;
  });
  for_windows(s, [&](int64_t p, int64_t o, int64_t i) {
    if (i >= 0) d[p * in + i] += dy[p * out + o] / count[p * out + o];
  });
  round_to(d, dx);
}

template <class T>
void optimiser(optimiser_op op, const optimiser_args& a) {
  for (int64_t i = 0; i < a.n; ++i) {
    real p = static_cast<const T*>(a.parameter)[i], s1 = 0, s2 = 0;
    if (a.state1 != nullptr) s1 = static_cast<const T*>(a.state1)[i];
    if (a.state2 != nullptr) s2 = static_cast<const T*>(a.state2)[i];
    real g = static_cast<const T*>(a.gradient)[i] * static_cast<real>(a.gradient_scale);
    if (a.decoupled_decay)
      p *= 1 - static_cast<real>(a.rate) * a.weight_decay;
    else
      g += a.weight_decay * p;
    switch (op) {
      case optimiser_op::sgd:
        p -= a.rate * g;
        break;
      case optimiser_op::momentum:
        s1 = a.momentum * s1 + g;
        p -= a.rate * (a.nesterov ? g + a.momentum * s1 : s1);
        break;
      case optimiser_op::rmsprop:
        s1 = a.rho * s1 + (1 - a.rho) * g * g;
        p -= a.rate * g / (std::sqrt(s1) + a.epsilon);
        break;
      case optimiser_op::adagrad:
        s1 += g * g;
        p -= a.rate * g / (std::sqrt(s1) + a.epsilon);
        break;
      case optimiser_op::adam:
        s1 = a.beta1 * s1 + (1 - a.beta1) * g;
        s2 = a.beta2 * s2 + (1 - a.beta2) * g * g;
        p -= a.rate * (s1 / a.correction1) / (std::sqrt(s2 / a.correction2) + a.epsilon);
        break;
    }
    static_cast<T*>(a.parameter_out)[i] = static_cast<T>(p);
    if (a.state1_out != nullptr) static_cast<T*>(a.state1_out)[i] = static_cast<T>(s1);
    if (a.state2_out != nullptr) static_cast<T*>(a.state2_out)[i] = static_cast<T>(s2);
  }
}

template <class U>
void copy_strided(const U* src, const int64_t* src_strides, U* dst, const int64_t* dims,
                  int64_t rank) {
  int64_t count = 1;
  for (int64_t d = 0; d < rank; ++d) count *= dims[d];
  for (int64_t i = 0; i < count; ++i) {
    int64_t rest = i, at = 0;
    for (int64_t d = rank - 1; d >= 0; --d) {
      at += rest % dims[d] * src_strides[d];
      rest /= dims[d];
    }
    dst[i] = src[at];
  }
}

#define GRAFT_REFERENCE(T)                                                      \
  template T reduce(reduce_op, const T*, int64_t, int64_t);                     \
  template void matmul<T>(const matmul_args&);                                  \
  template void softmax(const T*, T*, int64_t, int64_t, bool);                  \
  template void layer_norm<T>(const layer_norm_args&);                          \
  template void layer_norm_gradient<T>(const layer_norm_gradient_args&);        \
  template void channel_moments(const T*, T*, T*, int64_t, int64_t, int64_t);   \
  template void conv2d<T>(const conv2d_args&);                                  \
  template void conv2d_input_gradient<T>(const conv2d_args&);                   \
  template void conv2d_filter_gradient<T>(const conv2d_args&);                  \
  template void max_pool(const pool2d_shape&, const T*, T*, int64_t*);          \
  template void average_pool(const pool2d_shape&, const T*, T*, bool);          \
  template void average_pool_gradient(const pool2d_shape&, const T*, T*, bool); \
  template void optimiser<T>(optimiser_op, const optimiser_args&);
GRAFT_REFERENCE(float)
GRAFT_REFERENCE(double)

template void copy_strided(const std::uint8_t*, const int64_t*, std::uint8_t*, const int64_t*,
                           int64_t);
template void copy_strided(const std::uint32_t*, const int64_t*, std::uint32_t*, const int64_t*,
                           int64_t);
template void copy_strided(const std::uint64_t*, const int64_t*, std::uint64_t*, const int64_t*,
                           int64_t);

}  // namespace graft::kernels::reference
