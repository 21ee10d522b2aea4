// Lines of elements as vectors: how operands are read and results written.

// The vector of an operand that moves along a line by a constant stride, or stands still.
template <class T, extent Stride>
GRAFT_INLINE vec<T> lanes(const T* p) {
  if constexpr (Stride == 1) {
    return load(p);
  } else if constexpr (Stride == 0) {
    return vec<T>(*p);
  } else {
    vec<T> x(T(0));
    for (int64_t i = 0; i < width<T>; ++i) x.v[i] = p[i * Stride];
    return x;
  }
}
// The first n of them; the other lanes are zero. Touches no element beyond them.
template <class T, extent Stride>
GRAFT_INLINE vec<T> lanes(const T* p, int64_t n) {
  vec<T> x(T(0));
  for (int64_t i = 0; i < n; ++i) x.v[i] = p[i * Stride];
  return x;
}
// Truth values beside elements of type T.
template <class T, extent Stride>
GRAFT_INLINE mask<T> lanes(const bool* p) {
  using I = typename int_of<T>::type;
  mask<T> x{ivec<T>(I(0))};
  for (int64_t i = 0; i < width<T>; ++i) x.m.v[i] = p[i * Stride] ? I(-1) : I(0);
  return x;
}
template <class T, extent Stride>
GRAFT_INLINE mask<T> lanes(const bool* p, int64_t n) {
  using I = typename int_of<T>::type;
  mask<T> x{ivec<T>(I(0))};
  for (int64_t i = 0; i < n; ++i) x.m.v[i] = p[i * Stride] ? I(-1) : I(0);
  return x;
}

template <class T>
GRAFT_INLINE void put(T* y, vec<T> x) {
  store(y, x);
}
template <class T>
GRAFT_INLINE void put(T* y, vec<T> x, int64_t n) {
  store_partial(y, x, n);
}
template <class T>
GRAFT_INLINE void put(bool* y, mask<T> x) {
  for (int64_t i = 0; i < width<T>; ++i) y[i] = x.m.v[i] != 0;
}
template <class T>
GRAFT_INLINE void put(bool* y, mask<T> x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = x.m.v[i] != 0;
}

// y[i] = f(x[i]) with vectors; y may be x.
template <class T, class F>
GRAFT_INLINE void map(const T* x, T* y, std::size_t count, F f) {
  const auto n = static_cast<int64_t>(count);
  int64_t i = 0;
  for (; i + width<T> <= n; i += width<T>) store(y + i, f(load(x + i)));
  if (i < n) store_partial(y + i, f(load_partial(x + i, n - i)), n - i);
}
