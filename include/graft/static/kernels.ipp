// The code of static networks, included once for each instruction set: inside a namespace of its
// own, inside a region in which the compiler may use that set, with GRAFT_FIXED_BYTES telling the
// bytes of a vector.
//
// Vector types are named directly, never as template arguments, which would drop their alignment.

inline constexpr std::size_t width = GRAFT_FIXED_BYTES / sizeof(float);
typedef float vec __attribute__((vector_size(GRAFT_FIXED_BYTES)));
typedef std::int32_t ints __attribute__((vector_size(GRAFT_FIXED_BYTES)));
typedef float loose __attribute__((vector_size(GRAFT_FIXED_BYTES), aligned(4), may_alias));

#define GRAFT_FIXED_INLINE [[gnu::always_inline]] inline

GRAFT_FIXED_INLINE vec load(const float* p) { return *reinterpret_cast<const loose*>(p); }
GRAFT_FIXED_INLINE void store(float* p, vec v) { *reinterpret_cast<loose*>(p) = v; }
GRAFT_FIXED_INLINE vec all(float x) { return x - vec{}; }
inline constexpr float infinity = __builtin_inff();

// --- Functions -----------------------------------------------------------------------------------

// Applies a scalar function where there is no vector one.
template <class F>
GRAFT_FIXED_INLINE vec lane_by_lane(vec x, F f) {
  for (std::size_t i = 0; i < width; ++i) x[i] = f(x[i]);
  return x;
}

// exp by 2^n * e^r, |r| <= ln 2 / 2, a polynomial of degree 6; relative error below 2e-7.
GRAFT_FIXED_INLINE vec exponential(vec x) {
  const vec top = all(88.3762626647949f), bottom = all(-87.3365478515625f);
  const vec clamped = x > top ? top : x < bottom ? bottom : x;
  const vec shifted = clamped * 1.44269504088896341f + 12582912.0f;  // rounds to an integer
  const vec n = shifted - 12582912.0f;
  const vec r = (clamped - n * 0.693359375f) + n * 2.12194440e-4f;
  vec p = all(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  const ints power = (__builtin_convertvector(n, ints) + 127) << 23;
  vec scale;
  __builtin_memcpy(&scale, &power, sizeof scale);
  p = p * scale;
  p = x > all(88.72283905206835f) ? all(infinity) : p;
  p = x < bottom ? all(0.0f) : p;
  return x == x ? p : x;
}
GRAFT_FIXED_INLINE vec magnitude(vec x) {  // of -0 it is 0
  ints bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  bits &= 0x7fffffff;
  __builtin_memcpy(&x, &bits, sizeof bits);
  return x;
}
GRAFT_FIXED_INLINE vec hyperbolic_tangent(vec x) {
  // Near 0 the difference below loses digits; an odd polynomial does not.
  const vec small = x * x;
  vec p = all(-5.70498872745e-3f);
  p = p * small + 2.06390887954e-2f;
  p = p * small - 5.37397155531e-2f;
  p = p * small + 1.33314422036e-1f;
  p = p * small - 3.33332819422e-1f;
  p = p * small * x + x;
  const vec a = magnitude(x);
  const vec e = exponential(-2.0f * a);
  const vec t = (1.0f - e) / (1.0f + e);
  return a < 0.625f ? p : x < 0.0f ? -t : t;
}
GRAFT_FIXED_INLINE vec logistic(vec x) {
  const vec e = exponential(-magnitude(x));
  const vec positive = 1.0f / (1.0f + e);
  const vec s = x < 0.0f ? e * positive : positive;
  return x == x ? s : x;
}

template <auto Net, std::uint32_t I>
struct unary_function {
  static constexpr const auto& table = Net.table();
  static constexpr const table_op& op = table.ops[I];
  static constexpr kind what = plan_of<Net>.ops[I].what;

  GRAFT_FIXED_INLINE vec operator()(vec x) const {
    if constexpr (what == kind::relu) return x < 0.0f ? vec{} : x;
    if constexpr (what == kind::tanh) return hyperbolic_tangent(x);
    if constexpr (what == kind::sigmoid) return logistic(x);
    // The product of infinity and 0 would be NaN.
    if constexpr (what == kind::silu) return x == -infinity ? all(-0.0f) : x * logistic(x);
    if constexpr (what == kind::exp) return exponential(x);
    if constexpr (what == kind::neg) return -x;
    if constexpr (what == kind::abs) return magnitude(x);
    if constexpr (what == kind::square) return x * x;
    if constexpr (what == kind::reciprocal) return 1.0f / x;
    if constexpr (what == kind::leaky_relu) {
      constexpr auto alpha = static_cast<float>(table.real_of(op, "alpha"));
      return x < 0.0f ? x * alpha : x;
    }
    if constexpr (what == kind::elu) {
      constexpr auto alpha = static_cast<float>(table.real_of(op, "alpha"));
      return lane_by_lane(x, [](float v) { return v < 0 ? alpha * std::expm1(v) : v; });
    }
    if constexpr (what == kind::clip) {
      constexpr auto low = static_cast<float>(table.real_of(op, "low"));
      constexpr auto high = static_cast<float>(table.real_of(op, "high"));
      return x < low ? all(low) : x > high ? all(high) : x;
    }
    if constexpr (what == kind::softplus) {
      return lane_by_lane(
          x, [](float v) { return (v > 0 ? v : 0.0f) + std::log1p(std::exp(-std::fabs(v))); });
    }
    if constexpr (what == kind::gelu) {
      return lane_by_lane(x, [](float v) {
        if (v == -infinity) return -0.0f;
        return 0.5f * v * (1.0f + std::erf(v * 0.707106781186547524f));
      });
    }
    if constexpr (what == kind::log) return lane_by_lane(x, [](float v) { return std::log(v); });
    if constexpr (what == kind::sqrt) return lane_by_lane(x, [](float v) { return std::sqrt(v); });
  }
};

template <kind What>
struct binary_function {
  // For vectors and for single numbers alike.
  template <class T>
  GRAFT_FIXED_INLINE T operator()(T a, T b) const {
    if constexpr (What == kind::add) return a + b;
    if constexpr (What == kind::sub) return a - b;
    if constexpr (What == kind::mul) return a * b;
    if constexpr (What == kind::div) return a / b;
    if constexpr (What == kind::squared_difference) return (a - b) * (a - b);
    if constexpr (What == kind::maximum) return a > b ? a : a != a ? a : b;
    if constexpr (What == kind::minimum) return a < b ? a : a != a ? a : b;
  }
};

// --- Elementwise loops ---------------------------------------------------------------------------

template <class F>
GRAFT_FIXED_INLINE void map(const float* x, float* y, std::size_t n, F f) {
  std::size_t i = 0;
  for (; i + width <= n; i += width) store(y + i, f(load(x + i)));
  if (i < n) {
    vec rest{};
    for (std::size_t k = 0; i + k < n; ++k) rest[k] = x[i + k];
    rest = f(rest);
    for (std::size_t k = 0; i + k < n; ++k) y[i + k] = rest[k];
  }
}

// One line of a broadcast: each operand moves along, or stands still.
template <extent StrideA, extent StrideB, class F>
GRAFT_FIXED_INLINE void line(const float* a, const float* b, float* y, std::size_t n, F f) {
  std::size_t i = 0;
  if constexpr ((StrideA == 0 || StrideA == 1) && (StrideB == 0 || StrideB == 1)) {
    for (; i + width <= n; i += width) {
      vec va, vb;
      if constexpr (StrideA == 1)
        va = load(a + i);
      else
        va = all(*a);
      if constexpr (StrideB == 1)
        vb = load(b + i);
      else
        vb = all(*b);
      store(y + i, f(va, vb));
    }
  }
  for (; i < n; ++i)
    y[i] = f(a[static_cast<extent>(i) * StrideA], b[static_cast<extent>(i) * StrideB]);
}

// The loops over the row extents of a result; L has extents, strides_a and strides_b, all
// constants.
template <class L, std::size_t D, class F>
GRAFT_FIXED_INLINE void nest(const float* a, const float* b, float*& y, F f) {
  if constexpr (D + 1 >= L::rank) {
    constexpr extent n = L::rank == 0 ? 1 : L::extents[D];
    line<L::strides_a[D], L::strides_b[D]>(a, b, y, static_cast<std::size_t>(n), f);
    y += n;
  } else {
    for (extent i = 0; i < L::extents[D]; ++i) {
      nest<L, D + 1>(a + i * L::strides_a[D], b + i * L::strides_b[D], y, f);
    }
  }
}

// --- Products ------------------------------------------------------------------------------------

template <std::size_t R, std::size_t G, std::size_t K, std::size_t N, bool Bias, bool Relu>
GRAFT_FIXED_INLINE void tile(const float* x, const float* w, const float* bias, float* y,
                             std::size_t column) {
  vec sum[R][G];
  GRAFT_FIXED_UNROLL
  for (std::size_t g = 0; g < G; ++g) {
    const vec start = Bias ? load(bias + column + g * width) : vec{};
    GRAFT_FIXED_UNROLL
    for (std::size_t r = 0; r < R; ++r) sum[r][g] = start;
  }
  for (std::size_t k = 0; k < K; ++k) {
    GRAFT_FIXED_UNROLL
    for (std::size_t g = 0; g < G; ++g) {
      const vec v = load(w + k * padded(N) + column + g * width);
      GRAFT_FIXED_UNROLL
      for (std::size_t r = 0; r < R; ++r) sum[r][g] += v * x[r * K + k];
    }
  }
  GRAFT_FIXED_UNROLL
  for (std::size_t r = 0; r < R; ++r) {
    GRAFT_FIXED_UNROLL
    for (std::size_t g = 0; g < G; ++g) {
      const std::size_t first = column + g * width;
      vec v = sum[r][g];
      if constexpr (Relu) v = v < 0.0f ? vec{} : v;
      if (first + width <= N) {
        store(y + r * N + first, v);
      } else {
        for (std::size_t i = 0; first + i < N; ++i) y[r * N + first + i] = v[i];
      }
    }
  }
}

// y[rows][N] = x[rows][K] * w, which is packed as [K][N padded].
template <std::size_t R, std::size_t K, std::size_t N, bool Bias, bool Relu>
GRAFT_FIXED_INLINE void strip(const float* x, const float* w, const float* bias, float* y) {
  constexpr std::size_t vectors = (N + width - 1) / width;
  constexpr std::size_t group = R == 1 ? 8 : 2;
  std::size_t done = 0;
  for (; done + group <= vectors; done += group) {
    tile<R, group, K, N, Bias, Relu>(x, w, bias, y, done * width);
  }
  if constexpr (vectors % group != 0) {
    tile<R, vectors % group, K, N, Bias, Relu>(x, w, bias, y, vectors / group * group * width);
  }
}
template <std::size_t K, std::size_t N, bool Bias, bool Relu>
void product(const float* x, const float* w, const float* bias, float* y, std::size_t rows) {
  std::size_t r = 0;
  for (; r + 4 <= rows; r += 4) strip<4, K, N, Bias, Relu>(x + r * K, w, bias, y + r * N);
  for (; r < rows; ++r) strip<1, K, N, Bias, Relu>(x + r * K, w, bias, y + r * N);
}

// --- Images --------------------------------------------------------------------------------------

// y[i] += w * x[i * Step]
template <extent Step>
GRAFT_FIXED_INLINE void add_scaled(const float* x, float w, float* y, extent n) {
  extent i = 0;
  if constexpr (Step == 1) {
    for (; i + static_cast<extent>(width) <= n; i += width)
      store(y + i, load(y + i) + load(x + i) * w);
  }
  for (; i < n; ++i) y[i] += w * x[i * Step];
}

// S: in and out channels, extents, window, groups, all constants.
template <class S>
void convolution(const float* x, const float* w, float* y) {
  constexpr extent in_plane = S::in_h * S::in_w, out_plane = S::out_h * S::out_w;
  constexpr extent group_in = S::in_c / S::groups, group_out = S::out_c / S::groups;
  for (extent f = 0; f < S::out_c; ++f) {
    float* const plane = y + f * out_plane;
    for (extent i = 0; i < out_plane; ++i) plane[i] = 0;
    for (extent c = 0; c < group_in; ++c) {
      const float* const from = x + (f / group_out * group_in + c) * in_plane;
      const float* const filter = w + (f * group_in + c) * S::k_h * S::k_w;
      for (extent kh = 0; kh < S::k_h; ++kh) {
        for (extent kw = 0; kw < S::k_w; ++kw) {
          const extent shift = kw * S::dilation_w - S::pad_left;
          // The columns whose window lies inside the image.
          const extent first = shift >= 0 ? 0 : (-shift + S::stride_w - 1) / S::stride_w;
          extent last = (S::in_w - shift + S::stride_w - 1) / S::stride_w;
          if (S::in_w <= shift) last = 0;
          if (last > S::out_w) last = S::out_w;
          if (first >= last) continue;
          for (extent oh = 0; oh < S::out_h; ++oh) {
            const extent ih = oh * S::stride_h + kh * S::dilation_h - S::pad_top;
            if (ih < 0 || ih >= S::in_h) continue;
            add_scaled<S::stride_w>(from + ih * S::in_w + first * S::stride_w + shift,
                                    filter[kh * S::k_w + kw], plane + oh * S::out_w + first,
                                    last - first);
          }
        }
      }
    }
  }
}

template <class S, bool Maximum, bool CountPadding>
void pooling(const float* x, float* y) {
  for (extent c = 0; c < S::in_c; ++c) {
    const float* const from = x + c * S::in_h * S::in_w;
    for (extent oh = 0; oh < S::out_h; ++oh) {
      for (extent ow = 0; ow < S::out_w; ++ow) {
        const extent top = oh * S::stride_h - S::pad_top, left = ow * S::stride_w - S::pad_left;
        float value = Maximum ? -__builtin_inff() : 0.0f;
        extent count = 0;
        for (extent kh = 0; kh < S::k_h; ++kh) {
          const extent ih = top + kh * S::dilation_h;
          if (ih < 0 || ih >= S::in_h) continue;
          for (extent kw = 0; kw < S::k_w; ++kw) {
            const extent iw = left + kw * S::dilation_w;
            if (iw < 0 || iw >= S::in_w) continue;
            const float v = from[ih * S::in_w + iw];
            if constexpr (Maximum) {
              value = v > value || v != v ? v : value;
            } else {
              value += v;
            }
            ++count;
          }
        }
        if constexpr (!Maximum)
          value /= static_cast<float>(CountPadding ? S::k_h * S::k_w : count > 0 ? count : 1);
        *y++ = value;
      }
    }
  }
}

// --- Lines: softmax and normalisation ------------------------------------------------------------

template <std::size_t N, bool Log>
void softmax(const float* x, float* y, std::size_t lines) {
  for (std::size_t r = 0; r < lines; ++r, x += N, y += N) {
    float top = x[0];
    for (std::size_t i = 1; i < N; ++i) top = x[i] > top || x[i] != x[i] ? x[i] : top;
    if constexpr (Log) {
      float total = 0;
      for (std::size_t i = 0; i < N; ++i) total += std::exp(x[i] - top);
      const float shift = top + std::log(total);
      for (std::size_t i = 0; i < N; ++i) y[i] = x[i] - shift;
    } else {
      map(x, y, N, [top](vec v) { return exponential(v - top); });
      float total = 0;
      for (std::size_t i = 0; i < N; ++i) total += y[i];
      for (std::size_t i = 0; i < N; ++i) y[i] /= total;
    }
  }
}

template <std::size_t N>
void layer_norm(const float* x, const float* scale, const float* bias, float* y, std::size_t lines,
                float epsilon) {
  for (std::size_t r = 0; r < lines; ++r, x += N, y += N) {
    float mean = 0, variance = 0;
    for (std::size_t i = 0; i < N; ++i) mean += x[i];
    mean /= static_cast<float>(N);
    for (std::size_t i = 0; i < N; ++i) variance += (x[i] - mean) * (x[i] - mean);
    const float factor = 1.0f / std::sqrt(variance / static_cast<float>(N) + epsilon);
    for (std::size_t i = 0; i < N; ++i) y[i] = (x[i] - mean) * factor * scale[i] + bias[i];
  }
}

// --- Steps: one op of the table ------------------------------------------------------------------

template <auto Net, std::uint32_t V>
GRAFT_FIXED_INLINE const float* read(const memory& m) {
  constexpr value_plan v = plan_of<Net>.values[plan_of<Net>.values[V].root];
  if constexpr (v.where == place::input) return m.inputs[v.offset];
  if constexpr (v.where == place::output) return m.outputs[v.offset];
  if constexpr (v.where == place::scratch) return m.scratch + v.offset * plan_of<Net>.rows;
  if constexpr (v.where == place::persistent) return m.persistent + v.offset;
}
template <auto Net, std::uint32_t V>
GRAFT_FIXED_INLINE float* write(const memory& m) {
  return const_cast<float*>(read<Net, V>(m));
}

template <auto Net, std::uint32_t I>
GRAFT_FIXED_INLINE void binary(const memory& m, std::size_t rows) {
  using loops = binary_loops<Net, I>;
  constexpr binary_function<plan_of<Net>.ops[I].what> f{};
  const float* a = read<Net, loops::a>(m);
  const float* b = read<Net, loops::b>(m);
  float* y = write<Net, loops::out>(m);
  if constexpr (loops::contiguous) {
    line<1, 1>(a, b, y, rows * loops::count, f);
  } else {
    for (std::size_t r = 0; r < rows; ++r, a += loops::row_a, b += loops::row_b)
      nest<loops, 0>(a, b, y, f);
  }
}

// Copies the parts of a concat, each a run of floats within every outer index.
template <auto Net, std::uint32_t I, std::uint32_t Part>
GRAFT_FIXED_INLINE void concat_part(const memory& m, float* y, std::size_t rows) {
  constexpr const auto& table = Net.table();
  constexpr const table_op& op = table.ops[I];
  using runs = concat_runs<Net, I, Part>;
  const float* x = read<Net, table.operands[op.operands.first + Part]>(m);
  for (std::size_t r = 0; r < rows * runs::outer; ++r) {
    __builtin_memcpy(y + r * runs::out_run + runs::offset, x + r * runs::run,
                     runs::run * sizeof(float));
  }
}
template <auto Net, std::uint32_t I>
GRAFT_FIXED_INLINE void concatenate(const memory& m, float* y, std::size_t rows) {
  [&]<std::uint32_t... P>(std::integer_sequence<std::uint32_t, P...>) {
    const int done[] = {(concat_part<Net, I, P>(m, y, rows), 0)...};
    static_cast<void>(done);
  }(std::make_integer_sequence<std::uint32_t, Net.table().ops[I].operands.count>{});
}

template <auto Net>
using all_ops =
    std::make_integer_sequence<std::uint32_t, static_cast<std::uint32_t>(Net.table().op_count())>;
// Runs the ops of a body, or of the network itself: body 0.
template <auto Net, std::uint32_t Body, std::uint32_t... I>
void run_all(const memory& m, std::size_t rows, std::integer_sequence<std::uint32_t, I...>);

template <auto Net, std::uint32_t I>
void scan(const memory& m, std::size_t rows);  // scan.ipp

template <auto Net, std::uint32_t I>
GRAFT_FIXED_INLINE void step(const memory& m, std::size_t rows) {
  constexpr const auto& table = Net.table();
  constexpr const auto& p = plan_of<Net>;
  constexpr const table_op& op = table.ops[I];
  constexpr kind s = p.ops[I].what;
  constexpr std::uint32_t out = p.ops[I].result;
  constexpr std::size_t count = p.values[out].count;
  if constexpr (s == kind::scalar) {
    constexpr table_attribute value = table.attributes[table.find_attribute(op, "value")];
    *write<Net, out>(m) = value.kind == attribute_kind::real ? static_cast<float>(value.real)
                                                             : static_cast<float>(value.integer);
  } else if constexpr (s == kind::fill_like) {
    constexpr table_attribute value = table.attributes[table.find_attribute(op, "value")];
    constexpr float number = value.kind == attribute_kind::real ? static_cast<float>(value.real)
                                                                : static_cast<float>(value.integer);
    float* const y = write<Net, out>(m);
    for (std::size_t i = 0; i < rows * count; ++i) y[i] = number;
  } else if constexpr (s == kind::scan) {
    scan<Net, I>(m, rows);
  } else if constexpr (is_binary(s)) {
    binary<Net, I>(m, rows);
  } else {
    constexpr std::uint32_t first = table.operands[op.operands.first];
    const float* x = read<Net, first>(m);
    float* y = write<Net, out>(m);
    if constexpr (is_unary(s)) {
      map(x, y, rows * count, unary_function<Net, I>{});
    } else if constexpr (s == kind::matmul) {
      constexpr auto k = static_cast<std::size_t>(last_extent(table, first));
      constexpr auto n = static_cast<std::size_t>(last_extent(table, out));
      const std::size_t lines = rows * (count / (n == 0 ? 1 : n));
      const float* const w = m.persistent + p.ops[I].packed;
      if constexpr (p.ops[I].bias != nothing) {
        product<k, n, true, p.ops[I].relu>(x, w, read<Net, p.ops[I].bias>(m), y, lines);
      } else {
        product<k, n, false, p.ops[I].relu>(x, w, nullptr, y, lines);
      }
    } else if constexpr (is_softmax(s)) {
      constexpr auto n = static_cast<std::size_t>(last_extent(table, out));
      softmax<n, s == kind::log_softmax>(x, y, rows * (count / (n == 0 ? 1 : n)));
    } else if constexpr (s == kind::layer_norm) {
      constexpr auto n = static_cast<std::size_t>(last_extent(table, out));
      layer_norm<n>(x, read<Net, table.operands[op.operands.first + 1]>(m),
                    read<Net, table.operands[op.operands.first + 2]>(m), y,
                    rows * (count / (n == 0 ? 1 : n)),
                    static_cast<float>(table.real_of(op, "epsilon", 1e-5)));
    } else if constexpr (s == kind::batch_norm) {
      // Scale and shift of each channel were prepared in place of the first two parameters.
      constexpr auto channels = static_cast<std::size_t>(first_row_extent(table, first));
      const float* const scale = read<Net, table.operands[op.operands.first + 1]>(m);
      const float* const bias = read<Net, table.operands[op.operands.first + 2]>(m);
      const float* const mean = read<Net, table.operands[op.operands.first + 3]>(m);
      const float* const variance = read<Net, table.operands[op.operands.first + 4]>(m);
      constexpr auto epsilon = static_cast<float>(table.real_of(op, "epsilon", 1e-3));
      constexpr std::size_t inner = channels == 0 ? 0 : count / channels;
      for (std::size_t r = 0; r < rows; ++r) {
        for (std::size_t c = 0; c < channels; ++c, x += inner, y += inner) {
          const float factor = scale[c] / std::sqrt(variance[c] + epsilon);
          const float shift = bias[c] - mean[c] * factor;
          map(x, y, inner, [factor, shift](vec v) { return v * factor + shift; });
        }
      }
    } else if constexpr (s == kind::conv2d) {
      using shape = window_shape<Net, I>;
      for (std::size_t r = 0; r < rows; ++r) {
        convolution<shape>(x + r * p.values[first].count,
                           read<Net, table.operands[op.operands.first + 1]>(m), y + r * count);
      }
    } else if constexpr (s == kind::max_pool2d || s == kind::avg_pool2d) {
      using shape = window_shape<Net, I>;
      for (std::size_t r = 0; r < rows; ++r) {
        pooling<shape, s == kind::max_pool2d, table.integer_of(op, "count_padding") != 0>(
            x + r * p.values[first].count, y + r * count);
      }
    } else if constexpr (is_reduction(s)) {
      using loops = copy_loops<Net, I>;
      constexpr std::size_t in_count = p.values[first].count;
      for (std::size_t r = 0; r < rows; ++r) {
        float* const to = y + r * count;
        for (std::size_t i = 0; i < count; ++i) to[i] = s == kind::max ? -__builtin_inff() : 0.0f;
        std::array<extent, loops::size> at{};
        for (std::size_t i = 0; i < in_count; ++i) {
          float& t = to[loops::advance(at)];
          const float v = x[r * in_count + i];
          if constexpr (s == kind::max) {
            t = v > t || v != v ? v : t;
          } else {
            t += v;
          }
        }
        if constexpr (s == kind::mean) {
          for (std::size_t i = 0; i < count; ++i)
            to[i] *= static_cast<float>(count) / static_cast<float>(in_count);
        }
      }
    } else if constexpr (s == kind::transpose || s == kind::slice) {
      using loops = copy_loops<Net, I>;
      constexpr std::size_t in_count = p.values[first].count;
      for (std::size_t r = 0; r < rows; ++r) {
        std::array<extent, loops::size> at{};
        if constexpr (loops::run > 1) {
          for (std::size_t i = 0; i < count; i += loops::run) {
            __builtin_memcpy(y + r * count + i, x + r * in_count + loops::template advance<1>(at),
                             loops::run * sizeof(float));
          }
        } else {
          for (std::size_t i = 0; i < count; ++i)
            y[r * count + i] = x[r * in_count + loops::advance(at)];
        }
      }
    } else if constexpr (s == kind::concat) {
      concatenate<Net, I>(m, y, rows);
    }
  }
}

template <auto Net, std::uint32_t Body, std::uint32_t... I>
void run_all(const memory& m, std::size_t rows, std::integer_sequence<std::uint32_t, I...>) {
  const int done[] = {[&] {
    if constexpr (plan_of<Net>.ops[I].runs && Net.table().ops[I].body == Body) {
      step<Net, I>(m, rows);
    }
    return 0;
  }()...};
  static_cast<void>(done);
}
template <auto Net, std::uint32_t... I>
void prepare_all(const memory& m, std::integer_sequence<std::uint32_t, I...>) {
  const int done[] = {[&] {
    if constexpr (plan_of<Net>.ops[I].prepares) step<Net, I>(m, 1);
    return 0;
  }()...};
  static_cast<void>(done);
}

// One block of rows. Not inlined, as what g++ knows of the number of rows where it is called makes it warn of loops that
// cannot run that far.
template <auto Net>
[[gnu::noinline]] void run(const memory& m, std::size_t rows) {
  run_all<Net, 0>(m, rows, all_ops<Net>{});
}
// What depends on variables alone.
template <auto Net>
void prepare(const memory& m) {
  prepare_all<Net>(m, all_ops<Net>{});
}
