// Ops that compute every element from those in its place, after broadcasting.

// An operator of forms on vectors of T and on truth values beside them.
template <class T, form_op Op, class... X>
GRAFT_INLINE auto apply(vec<T> first, vec<T> second, X... x) {
  if constexpr (Op == form_op::select) {
    return select(x...);
  } else if constexpr (gives_truth(Op)) {
    return apply_comparison<T, Op>(x...);
  } else if constexpr (Op >= form_op::relu_gradient) {
    return apply_gradient<T, Op>(x..., first);
  } else if constexpr (sizeof...(X) == 2) {
    return apply_binary<T, Op>(x...);
  } else {
    return apply_unary<T, Op>(x..., first, second);
  }
}

// What is done along a line; each takes the operands' strides, the result, how many elements, and the operands.
template <class T, form_op Op>
struct real_line {
  numbers n;

  template <extent... S, class R, class... X>
  void operator()(strides<S...>, R* y, std::size_t count, const X*... x) const {
    const vec<T> first(static_cast<T>(n.first)), second(static_cast<T>(n.second));
    const auto last = static_cast<int64_t>(count);
    int64_t i = 0;
    for (; i + width<T> <= last; i += width<T>) {
      put(y + i, apply<T, Op>(first, second, lanes<T, S>(x + i * S)...));
    }
    if (i < last) {
      put(y + i, apply<T, Op>(first, second, lanes<T, S>(x + i * S, last - i)...), last - i);
    }
  }
};

template <form_op Op>
struct whole_line {
  numbers n;

  template <extent... S, class R, class... X>
  void operator()(strides<S...>, R* y, std::size_t count, const X*... x) const {
    for (int64_t i = 0; i < static_cast<int64_t>(count); ++i) {
      y[i] = static_cast<R>(whole<Op>(n, x[i * S]...));
    }
  }
};

struct converted_line {
  template <extent S, class R, class X>
  void operator()(strides<S>, R* y, std::size_t count, const X* x) const {
    for (int64_t i = 0; i < static_cast<int64_t>(count); ++i) y[i] = convert<R>(x[i * S]);
  }
};

struct nan_line {
  template <extent S, class X>
  void operator()(strides<S>, bool* y, std::size_t count, const X* x) const {
    for (int64_t i = 0; i < static_cast<int64_t>(count); ++i) y[i] = x[i * S] != x[i * S];
  }
};

// The loops of L but for the innermost, which is f's; the result is written from beginning to end.
template <class L, std::size_t D, class F, std::size_t... K, class R, class... X>
GRAFT_INLINE void nest(const F& f, std::index_sequence<K...> all, R*& y, const X*... x) {
  if constexpr (L::rank == 0) {
    f(strides<(static_cast<void>(K), 0)...>{}, y++, 1, x...);
  } else if constexpr (D + 1 == L::rank) {
    constexpr auto n = static_cast<std::size_t>(L::template extent_at<D>);
    f(strides<L::template stride<K, D>...>{}, y, n, x...);
    y += n;
  } else {
    for (extent i = 0; i < L::template extent_at<D>; ++i) {
      nest<L, D + 1>(f, all, y, (x + i * L::template stride<K, D>)...);
    }
  }
}
template <class L, class F, std::size_t... K, class R, class... X>
GRAFT_INLINE void spread(const F& f, std::size_t rows, std::index_sequence<K...> all, R* y,
                         const X*... x) {
  if constexpr (L::one_line) {
    f(strides<L::template line_stride<K>...>{}, y, rows * L::count, x...);
  } else {
    for (std::size_t r = 0; r < rows; ++r) {
      nest<L, 0>(f, all, y, (x + r * L::template row_stride<K>)...);
    }
  }
}

// The type whose vectors an op computes with; void where it is one of whole numbers or truth values.
template <class T, class... Rest>
constexpr auto vector_type() {
  if constexpr (is_real<T>) {
    return T{};
  } else if constexpr (sizeof...(Rest) > 0) {
    return vector_type<Rest...>();
  }
}

template <auto Net, std::uint32_t I, class R, class... X>
constexpr auto line_of() {
  constexpr const auto& table = Net.table();
  constexpr kind what = plan_of<Net>.ops[I].what;
  if constexpr (what == kind::cast || what == kind::broadcast_to || what == kind::broadcast_like) {
    return converted_line{};
  } else if constexpr (what == kind::is_nan) {
    return nan_line{};
  } else {
    constexpr form_op op = plan_of<Net>.ops[I].form;
    constexpr std::string_view first = attribute_of(op, 0), second = attribute_of(op, 1);
    const numbers n{table.real_of(table.ops[I], first, number_left_out(first)),
                    table.real_of(table.ops[I], second, number_left_out(second))};
    using T = decltype(vector_type<R, X...>());
    if constexpr (std::is_void_v<T>) {
      return whole_line<op>{n};
    } else {
      return real_line<T, op>{n};
    }
  }
}

template <auto Net, std::uint32_t I, std::size_t... K>
GRAFT_INLINE void elementwise_of(const memory& m, std::size_t rows, std::index_sequence<K...> all) {
  using loops = spread_loops<Net, I>;
  constexpr auto f = line_of<Net, I, element_of<Net, loops::out>,
                             element_of<Net, loops::template operand<K>>...>();
  spread<loops>(f, rows, all, write<Net, loops::out>(m),
                read<Net, loops::template operand<K>>(m)...);
}
template <auto Net, std::uint32_t I>
GRAFT_INLINE void elementwise(const memory& m, std::size_t rows) {
  elementwise_of<Net, I>(m, rows, std::make_index_sequence<spread_loops<Net, I>::operands>{});
}
