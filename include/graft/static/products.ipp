// Products of matrices: by a packed matrix, tile by tile.

// What a product is added to.
enum class product_start : std::uint8_t { nothing, bias, like_result };

// R rows by G vectors of columns, which lie in panels of `Across` vectors.
template <std::size_t R, std::size_t G, std::size_t Across, std::size_t K, std::size_t N,
          product_start Start, bool Relu, class T>
GRAFT_INLINE void tile(const T* x, const T* w, const T* start, T* y, std::size_t column) {
  using lanes_type = typename vec<T>::raw;
  constexpr auto step = static_cast<std::size_t>(width<T>);
  lanes_type sum[R][G];
  GRAFT_FIXED_UNROLL
  for (std::size_t r = 0; r < R; ++r) {
    GRAFT_FIXED_UNROLL
    for (std::size_t g = 0; g < G; ++g) {
      const std::size_t first = column + g * step;
      if constexpr (Start == product_start::nothing) {
        sum[r][g] = lanes_type{};
      } else if constexpr (Start == product_start::bias) {  // padded
        sum[r][g] = load(start + first).v;
      } else {
        sum[r][g] = (first + step <= N
                         ? load(start + r * N + first)
                         : load_partial(start + r * N + first,
                                        static_cast<int64_t>(N) - static_cast<int64_t>(first)))
                        .v;
      }
    }
  }
  for (std::size_t k = 0; k < K; ++k) {
    GRAFT_FIXED_UNROLL
    for (std::size_t g = 0; g < G; ++g) {
      const lanes_type v =
          load(w + g / Across * (Across * step * K) + k * (Across * step) + g % Across * step).v;
      GRAFT_FIXED_UNROLL
      for (std::size_t r = 0; r < R; ++r) sum[r][g] += v * x[r * K + k];
    }
  }
  GRAFT_FIXED_UNROLL
  for (std::size_t r = 0; r < R; ++r) {
    GRAFT_FIXED_UNROLL
    for (std::size_t g = 0; g < G; ++g) {
      const std::size_t first = column + g * step;
      lanes_type v = sum[r][g];
      if constexpr (Relu) v = v < T(0) ? lanes_type{} : v;
      if (first + step <= N) {
        store(y + r * N + first, vec<T>(v));
      } else if (first < N) {
        store_partial(y + r * N + first, vec<T>(v),
                      static_cast<int64_t>(N) - static_cast<int64_t>(first));
      }
    }
  }
}

// A panel of columns for four rows, a few vectors at a time so that the sums stay in registers.
template <std::size_t Across, std::size_t K, std::size_t N, product_start Start, bool Relu, class T>
GRAFT_INLINE void panel_of_four(const T* x, const T* w, const T* start, T* y, std::size_t column) {
  constexpr std::size_t group = Across < 2 ? Across : 2;
  constexpr auto step = static_cast<std::size_t>(width<T>);
  for (std::size_t g = 0; g < Across; g += group) {
    tile<4, group, Across, K, N, Start, Relu>(x, w + g * step, start, y, column + g * step);
  }
}

// All columns for one row, several panels at a time so that the sums do not wait for one another.
template <std::size_t K, std::size_t N, product_start Start, bool Relu, class T>
GRAFT_INLINE void row_product(const T* x, const T* packed, const T* start, T* y) {
  constexpr auto step = static_cast<std::size_t>(width<T>);
  constexpr std::size_t columns = panel_bytes / sizeof(T), across = columns / step;
  constexpr std::size_t panels = padded(N, sizeof(T)) / columns, together = 8 / across;
  std::size_t p = 0;
  for (; p + together <= panels; p += together) {
    tile<1, 8, across, K, N, Start, Relu>(x, packed + p * columns * K, start, y, p * columns);
  }
  if constexpr (panels % together != 0) {
    tile<1, panels % together * across, across, K, N, Start, Relu>(x, packed + p * columns * K,
                                                                   start, y, p * columns);
  }
  if constexpr (padded(N, sizeof(T)) % columns != 0) {
    constexpr std::size_t narrow = across / 2;
    tile<1, narrow, narrow, K, N, Start, Relu>(x, packed + panels * columns * K, start, y,
                                               panels * columns);
  }
}

// y[lines][N] = x[lines][K] times a packed matrix [K][N]. A panel stays in the first cache while some lines go over it.
template <std::size_t K, std::size_t N, product_start Start, bool Relu, class T>
void product(const T* x, const T* packed, const T* start, T* y, std::size_t lines) {
  constexpr std::size_t columns = panel_bytes / sizeof(T);
  constexpr std::size_t across = columns / static_cast<std::size_t>(width<T>);
  constexpr std::size_t panels = padded(N, sizeof(T)) / columns;
  constexpr std::size_t start_step = Start == product_start::like_result ? N : 0;
  std::size_t r = 0;
  while (r + 4 <= lines) {
    const std::size_t last = lines - r < 16 ? r + (lines - r) / 4 * 4 : r + 16;
    for (std::size_t p = 0; p < panels; ++p) {
      for (std::size_t i = r; i < last; i += 4) {
        panel_of_four<across, K, N, Start, Relu>(x + i * K, packed + p * columns * K,
                                                 start + i * start_step, y + i * N, p * columns);
      }
    }
    if constexpr (padded(N, sizeof(T)) % columns != 0) {
      for (std::size_t i = r; i < last; i += 4) {
        panel_of_four<across / 2, K, N, Start, Relu>(x + i * K, packed + panels * columns * K,
                                                     start + i * start_step, y + i * N,
                                                     panels * columns);
      }
    }
    r = last;
  }
  for (; r < lines; ++r) {
    row_product<K, N, Start, Relu>(x + r * K, packed, start + r * start_step, y + r * N);
  }
}

// The same of whole numbers, with a matrix as it lies or transposed.
template <std::size_t K, std::size_t N, bool TransposeA, bool TransposeB, class T>
void whole_product(const T* x, const T* w, T* y, std::size_t lines) {
  for (std::size_t r = 0; r < lines; ++r) {
    for (std::size_t c = 0; c < N; ++c) {
      T sum = 0;
      for (std::size_t k = 0; k < K; ++k) {
        sum = wrapping_sum(sum, wrapping_product(x[TransposeA ? k * lines + r : r * K + k],
                                                 w[TransposeB ? c * K + k : k * N + c]));
      }
      y[r * N + c] = sum;
    }
  }
}

// One product of a batch of them. The matrix is packed in the workspace unless it was the last one, too.
template <class L, class T>
GRAFT_INLINE void matrix_product(const T* a, const T* b, T* y, T* workspace, const T*& last) {
  constexpr std::size_t m = L::m, k = L::k, n = L::n;
  if constexpr (is_real<T>) {
    if (b != last) pack_panels(b, workspace, k, n, L::transpose_b);
    last = b;
    if constexpr (L::transpose_a) {
      T* const lines = workspace + k * padded(n, sizeof(T));
      for (std::size_t r = 0; r < m; ++r) {
        for (std::size_t i = 0; i < k; ++i) lines[r * k + i] = a[i * m + r];
      }
      a = lines;
    }
    product<k, n, product_start::nothing, false>(a, workspace, static_cast<const T*>(nullptr), y,
                                                 m);
  } else {
    whole_product<k, n, L::transpose_a, L::transpose_b>(a, b, y, m);
  }
}
template <class L, std::size_t D, class T>
GRAFT_INLINE void matrix_products(const T* a, const T* b, T*& y, T* workspace, const T*& last) {
  if constexpr (D == L::rank) {
    matrix_product<L>(a, b, y, workspace, last);
    y += L::m * L::n;
  } else {
    for (extent i = 0; i < L::template extent_at<D>; ++i) {
      matrix_products<L, D + 1>(a + i * L::template step_a<D>, b + i * L::template step_b<D>, y,
                                workspace, last);
    }
  }
}

template <auto Net, std::uint32_t I, class T>
GRAFT_INLINE void multiply(const memory& m, const T* x, T* y, std::size_t rows) {
  constexpr const auto& table = Net.table();
  constexpr const op_plan& op = plan_of<Net>.ops[I];
  constexpr std::uint32_t a = table.operand(table.ops[I], 0), b = table.operand(table.ops[I], 1);
  if constexpr (op.flat) {
    constexpr std::size_t k = last_extent(table, a), n = last_extent(table, op.result);
    const std::size_t lines = rows * (plan_of<Net>.values[op.result].count / (n == 0 ? 1 : n));
    if constexpr (!op.packs) {
      constexpr bool transposed = table.integer_of(table.ops[I], "transpose_b") != 0;
      whole_product<k, n, false, transposed>(x, read<Net, b>(m), y, lines);
    } else {
      const T* const packed = reinterpret_cast<const T*>(m.persistent + op.packed);
      if constexpr (op.start == nothing) {
        product<k, n, product_start::nothing, op.relu>(x, packed, static_cast<const T*>(nullptr), y,
                                                       lines);
      } else {
        constexpr auto start = plan_of<Net>.values[op.start].has_rows ? product_start::like_result
                                                                      : product_start::bias;
        product<k, n, start, op.relu>(x, packed, read<Net, op.start>(m), y, lines);
      }
    }
  } else {
    using loops = matrix_loops<Net, I>;
    const T* w = read<Net, b>(m);
    T* const workspace = reinterpret_cast<T*>(m.workspace);
    const T* last = nullptr;
    for (std::size_t r = 0; r < rows; ++r, x += loops::row_a, w += loops::row_b) {
      matrix_products<loops, 0>(x, w, y, workspace, last);
    }
  }
}
