// Softmax, its losses, and normalisation.

// The columns of [size][inner] by vectors: each lane is a line of its own.
template <bool Log, class T>
GRAFT_INLINE void softmax_columns(const T* x, T* y, std::size_t size, std::size_t inner,
                                  int64_t n) {
  const bool partial = n < width<T>;
  const auto column = [&](const T* p, std::size_t i) {
    return partial ? load_partial(p + i * inner, n) : load(p + i * inner);
  };
  const auto set = [&](std::size_t i, vec<T> v) {
    partial ? store_partial(y + i * inner, v, n) : store(y + i * inner, v);
  };
  vec<T> top = column(x, 0);
  for (std::size_t i = 1; i < size; ++i) top = maximum(top, column(x, i));
  vec<T> total(T(0));
  for (std::size_t i = 0; i < size; ++i) {
    const vec<T> e = exp<T>(column(x, i) - top);
    if constexpr (!Log) set(i, e);
    total = total + e;
  }
  const vec<T> shift = Log ? top + log<T>(total) : total;
  for (std::size_t i = 0; i < size; ++i) {
    if constexpr (Log) {
      set(i, column(x, i) - shift);
    } else {
      set(i, column(y, i) / shift);
    }
  }
}

template <class T>
GRAFT_INLINE T largest_of(const T* x, std::size_t size) {
  T top = -traits<T>::infinity;
  fold_line<kind::max, 0>(x, &top, size);
  return top;
}
template <class T>
GRAFT_INLINE T sum_of_exp(const T* x, T top, std::size_t size) {
  const auto n = static_cast<int64_t>(size);
  const vec<T> shift(top);
  vec<T> sums(T(0));
  T total = 0;
  int64_t i = 0;
  for (; i + width<T> <= n; i += width<T>) sums = sums + exp<T>(load(x + i) - shift);
  const vec<T> rest = exp<T>(load_partial(x + i, n - i) - shift);
  for (int64_t k = 0; k < n - i; ++k) total += rest.v[k];
  for (int64_t k = 0; k < width<T>; ++k) total += sums.v[k];
  return total;
}
template <class T>
GRAFT_INLINE T logarithm(T x) {
  return log<T>(vec<T>(x)).v[0];
}

// One line whose elements lie together.
template <bool Log, class T>
GRAFT_INLINE void softmax_line(const T* x, T* y, std::size_t size) {
  const T top = largest_of(x, size);
  const vec<T> shift(top);
  if constexpr (Log) {
    const vec<T> all(top + logarithm(sum_of_exp(x, top, size)));
    map(x, y, size, [all](vec<T> v) { return v - all; });
  } else {
    map(x, y, size, [shift](vec<T> v) { return exp<T>(v - shift); });
    T total = 0;
    fold_line<kind::sum, 0>(y, &total, size);
    const vec<T> all(total);
    map(y, y, size, [all](vec<T> v) { return v / all; });
  }
}

// Lines of `size` elements that are `inner` apart.
template <bool Log, class T>
void softmax(const T* x, T* y, std::size_t outer, std::size_t size, std::size_t inner) {
  if (size == 0) return;
  for (std::size_t o = 0; o < outer; ++o, x += size * inner, y += size * inner) {
    if (inner == 1) {
      softmax_line<Log>(x, y, size);
      continue;
    }
    for (std::size_t c = 0; c < inner; c += static_cast<std::size_t>(width<T>)) {
      softmax_columns<Log>(x + c, y + c, size, inner, static_cast<int64_t>(inner - c));
    }
  }
}

// The loss of each line of logits, by the index of its class or by a weight for each class.
template <class T, class Label>
void cross_entropy(const T* x, const Label* labels, T* y, std::size_t lines, std::size_t classes,
                   std::string_view where) {
  if constexpr (!is_real<Label>) check_indices(labels, lines, classes, where);
  for (std::size_t r = 0; r < lines; ++r, x += classes) {
    const T top = largest_of(x, classes);
    const T all = top + logarithm(sum_of_exp(x, top, classes));
    if constexpr (is_real<Label>) {
      double loss = 0;
      for (std::size_t c = 0; c < classes; ++c, ++labels) {
        if (*labels != Label(0))
          loss -= static_cast<double>(*labels) * static_cast<double>(x[c] - all);
      }
      y[r] = static_cast<T>(loss);
    } else {
      y[r] = all - x[static_cast<std::size_t>(labels[r])];
    }
  }
}

template <class T>
void layer_norm(const T* x, const T* scale, const T* bias, T* y, std::size_t lines,
                std::size_t size, T epsilon) {
  const auto n = static_cast<int64_t>(size);
  for (std::size_t r = 0; r < lines; ++r, x += size, y += size) {
    T sum = 0, squares = 0;
    fold_line<kind::sum, 0>(x, &sum, size);
    const T mean = sum / static_cast<T>(size);
    const vec<T> middle(mean);
    map(x, y, size, [middle](vec<T> v) { return v - middle; });
    int64_t i = 0;
    vec<T> total(T(0));
    for (; i + width<T> <= n; i += width<T>) total = fma(load(y + i), load(y + i), total);
    for (; i < n; ++i) squares += y[i] * y[i];
    for (int64_t k = 0; k < width<T>; ++k) squares += total.v[k];
    const T factor = T(1) / std::sqrt(squares / static_cast<T>(size) + epsilon);
    for (i = 0; i + width<T> <= n; i += width<T>) {
      store(y + i, fma(load(y + i) * vec<T>(factor), load(scale + i), load(bias + i)));
    }
    for (; i < n; ++i) y[i] = y[i] * factor * scale[i] + bias[i];
  }
}

// By the moving statistics of each channel.
template <class T>
void batch_norm(const T* x, const T* scale, const T* bias, const T* mean, const T* variance, T* y,
                std::size_t rows, std::size_t channels, std::size_t inner, T epsilon) {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < channels; ++c, x += inner, y += inner) {
      const T scaled = scale[c] / std::sqrt(variance[c] + epsilon);
      const vec<T> factor(scaled), shift(bias[c] - mean[c] * scaled);
      map(x, y, inner, [factor, shift](vec<T> v) { return fma(v, factor, shift); });
    }
  }
}
