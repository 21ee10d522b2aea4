// Reductions: every element of the operand is folded into its place of the result.

// What two elements become, and what nothing gives.
template <kind What>
struct folding {
  template <class T>
  static constexpr T of_nothing() {
    if constexpr (What == kind::prod || What == kind::all) {
      return T(1);
    } else if constexpr (What == kind::max || What == kind::min) {
      if constexpr (is_real<T>) {
        return What == kind::max ? -traits<T>::infinity : traits<T>::infinity;
      } else {
        return What == kind::max ? lowest_whole<T> : highest_whole<T>;
      }
    } else {
      return T(0);
    }
  }
  template <class T>
  GRAFT_INLINE vec<T> operator()(vec<T> a, vec<T> b) const {
    if constexpr (What == kind::prod)
      return a * b;
    else if constexpr (What == kind::max)
      return largest(a, b);
    else if constexpr (What == kind::min)
      return smallest(a, b);
    else
      return a + b;
  }
  template <class T>
  GRAFT_INLINE T operator()(T a, T b) const {
    if constexpr (What == kind::all)
      return a && b;
    else if constexpr (What == kind::any)
      return a || b;
    else if constexpr (What == kind::max)
      return largest(a, b);
    else if constexpr (What == kind::min)
      return smallest(a, b);
    else if constexpr (is_real<T>)
      return What == kind::prod ? a * b : a + b;
    else
      return What == kind::prod ? wrapping_product(a, b) : wrapping_sum(a, b);
  }
};

// Folds a line into one element (Stride 0), into a line of them (1), or into places apart.
template <kind What, extent Stride, class T>
void fold_line(const T* x, T* y, std::size_t count) {
  constexpr folding<What> f{};
  const auto n = static_cast<int64_t>(count);
  int64_t i = 0;
  if constexpr (is_real<T> && Stride == 0) {
    if (n >= 2 * width<T>) {
      vec<T> a = load(x), b = load(x + width<T>);
      for (i = 2 * width<T>; i + 2 * width<T> <= n; i += 2 * width<T>) {
        a = f(a, load(x + i));
        b = f(b, load(x + i + width<T>));
      }
      a = f(a, b);
      T total = a.v[0];
      for (int64_t k = 1; k < width<T>; ++k) total = f(total, static_cast<T>(a.v[k]));
      *y = f(*y, total);
    }
  } else if constexpr (is_real<T> && Stride == 1) {
    for (; i + width<T> <= n; i += width<T>) store(y + i, f(load(y + i), load(x + i)));
  }
  for (; i < n; ++i) y[i * Stride] = f(y[i * Stride], x[i]);
}

template <class L, kind What, std::size_t D, class T>
GRAFT_INLINE void fold(const T*& x, T* y) {
  if constexpr (L::rank == 0) {
    fold_line<What, 0>(x++, y, 1);
  } else if constexpr (D + 1 == L::rank) {
    constexpr auto n = static_cast<std::size_t>(L::template extent_at<D>);
    fold_line<What, L::template to<D>>(x, y, n);
    x += n;
  } else {
    for (extent i = 0; i < L::template extent_at<D>; ++i) {
      fold<L, What, D + 1>(x, y + i * L::template to<D>);
    }
  }
}

template <auto Net, std::uint32_t I, class T>
GRAFT_INLINE void reduce(const T* x, T* y, std::size_t rows) {
  constexpr const auto& p = plan_of<Net>;
  constexpr kind what = p.ops[I].what;
  constexpr std::size_t count = p.values[p.ops[I].result].count;
  constexpr std::size_t in_count = p.values[Net.table().operand(Net.table().ops[I], 0)].count;
  for (std::size_t r = 0; r < rows; ++r, y += count) {
    for (std::size_t i = 0; i < count; ++i) y[i] = folding<what>::template of_nothing<T>();
    fold<fold_loops<Net, I>, what, 0>(x, y);
    if constexpr (what == kind::mean) {
      for (std::size_t i = 0; i < count; ++i) {
        y[i] /= static_cast<T>(in_count) / static_cast<T>(count);
      }
    }
  }
}

// The place of the largest element of each line; the first of equals, and NaN beats all.
template <class T>
void largest_places(const T* x, std::int64_t* y, std::size_t outer, std::size_t size,
                    std::size_t inner) {
  for (std::size_t o = 0; o < outer; ++o, x += size * inner) {
    for (std::size_t c = 0; c < inner; ++c) {
      std::size_t best = 0;
      for (std::size_t i = 1; i < size; ++i) {
        const T top = x[best * inner + c], v = x[i * inner + c];
        if (top == top && (v > top || v != v)) best = i;
      }
      *y++ = static_cast<std::int64_t>(best);
    }
  }
}
