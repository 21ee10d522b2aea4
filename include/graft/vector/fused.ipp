// The kernel of a form: all its operators over one vector of elements after another, what passes
// between them held in registers. Included after operators.ipp.

template <class T>
consteval T number_of(std::uint64_t bits) {
  return static_cast<T>(std::bit_cast<double>(bits));
}

// What the operators of a form have computed for one vector of elements.
template <class T>
struct fused_values {
  vec<T> operands[max_form_operands];
  vec<T> nodes[max_form_nodes];
  mask<T> truths[max_form_nodes];

  template <std::uint8_t Reference>
  GRAFT_INLINE vec<T> get() const {
    if constexpr (Reference >= node_reference)
      return nodes[Reference - node_reference];
    else
      return operands[Reference];
  }
  template <std::uint8_t Reference>
  GRAFT_INLINE mask<T> truth() const {
    return truths[Reference - node_reference];
  }
};

template <class T, elementwise_form F, std::size_t I>
GRAFT_INLINE void fused_node(fused_values<T>& v) {
  constexpr form_node n = F.nodes[I];
  constexpr int count = entry_of(n.op).operands;
  if constexpr (n.op == form_op::select) {
    v.nodes[I] = select(v.template truth<n.operands[0]>(), v.template get<n.operands[1]>(),
                        v.template get<n.operands[2]>());
  } else if constexpr (is_logic(n.op)) {
    v.truths[I] = apply_logic<T, n.op>(v.template truth<n.operands[0]>(),
                                       v.template truth<n.operands[count - 1]>());
  } else if constexpr (gives_truth(n.op)) {
    v.truths[I] =
        apply_comparison<T, n.op>(v.template get<n.operands[0]>(), v.template get<n.operands[1]>());
  } else if constexpr (n.op >= form_op::relu_gradient) {
    v.nodes[I] =
        apply_gradient<T, n.op>(v.template get<n.operands[0]>(), v.template get<n.operands[1]>(),
                                vec<T>(number_of<T>(n.numbers[0])));
  } else if constexpr (count == 2) {
    v.nodes[I] =
        apply_binary<T, n.op>(v.template get<n.operands[0]>(), v.template get<n.operands[1]>());
  } else {
    v.nodes[I] =
        apply_unary<T, n.op>(v.template get<n.operands[0]>(), vec<T>(number_of<T>(n.numbers[0])),
                             vec<T>(number_of<T>(n.numbers[1])));
  }
}

consteval bool is_read_along(operand_class c) {
  return c == operand_class::full || c == operand_class::row;
}

template <class T, elementwise_form F>
struct fused_code {
  // Addresses of a row.
  const T* in[max_form_operands];
  T* out[max_form_nodes];

  template <std::size_t K>
  GRAFT_INLINE void read(fused_values<T>& v, const fused_values<T>& held, std::int64_t i) const {
    if constexpr (is_read_along(F.operands[K].what))
      v.operands[K] = load(in[K] + i);
    else
      v.operands[K] = held.operands[K];
  }
  template <std::size_t K>
  GRAFT_INLINE void read_partial(fused_values<T>& v, const fused_values<T>& held, std::int64_t i,
                                 std::int64_t n) const {
    if constexpr (is_read_along(F.operands[K].what))
      v.operands[K] = load_partial(in[K] + i, n);
    else
      v.operands[K] = held.operands[K];
  }
  // The number of a stored node among the results.
  static consteval std::size_t place(std::size_t node) {
    std::size_t stored = 0;
    for (std::size_t i = 0; i < node; ++i) stored += F.nodes[i].stored ? 1u : 0u;
    return stored;
  }
  template <std::size_t I>
  GRAFT_INLINE void write(const fused_values<T>& v, std::int64_t i) const {
    if constexpr (F.nodes[I].stored) store(out[place(I)] + i, v.nodes[I]);
  }
  template <std::size_t I>
  GRAFT_INLINE void write_partial(const fused_values<T>& v, std::int64_t i, std::int64_t n) const {
    if constexpr (F.nodes[I].stored) store_partial(out[place(I)] + i, v.nodes[I], n);
  }

  template <std::size_t... K, std::size_t... I>
  GRAFT_INLINE void line(const fused_values<T>& held, std::int64_t columns,
                         std::index_sequence<K...>, std::index_sequence<I...>) const {
    constexpr std::int64_t w = width<T>;
    std::int64_t i = 0;
    // Two at once where registers suffice: the latency of one hides in the other.
    if constexpr (sizeof...(I) + sizeof...(K) <= 10) {
      for (; i + 2 * w <= columns; i += 2 * w) {
        fused_values<T> a, b;
        (read<K>(a, held, i), ...);
        (read<K>(b, held, i + w), ...);
        (fused_node<T, F, I>(a), ...);
        (fused_node<T, F, I>(b), ...);
        (write<I>(a, i), ...);
        (write<I>(b, i + w), ...);
      }
    }
    for (; i + w <= columns; i += w) {
      fused_values<T> a;
      (read<K>(a, held, i), ...);
      (fused_node<T, F, I>(a), ...);
      (write<I>(a, i), ...);
    }
    if (i < columns) {
      fused_values<T> a;
      (read_partial<K>(a, held, i, columns - i), ...);
      (fused_node<T, F, I>(a), ...);
      (write_partial<I>(a, i, columns - i), ...);
    }
  }

  template <std::size_t K>
  GRAFT_INLINE void start(const fused_block& b, fused_values<T>& held) {
    constexpr form_operand o = F.operands[K];
    if constexpr (o.what == operand_class::constant) {
      held.operands[K] = vec<T>(number_of<T>(o.number));
    } else {
      in[K] = static_cast<const T*>(b.in[K]);
      if constexpr (o.what == operand_class::scalar) held.operands[K] = vec<T>(*in[K]);
    }
  }
  template <std::size_t K>
  GRAFT_INLINE void begin_row(fused_values<T>& held) const {
    if constexpr (F.operands[K].what == operand_class::column) held.operands[K] = vec<T>(*in[K]);
  }
  template <std::size_t K>
  GRAFT_INLINE void next_row(std::int64_t stride) {
    if constexpr (F.operands[K].what == operand_class::full) in[K] += stride;
    if constexpr (F.operands[K].what == operand_class::column) ++in[K];
  }

  template <std::size_t... K, std::size_t... I, std::size_t... O>
  GRAFT_INLINE void run(const fused_block& b, std::index_sequence<K...> operands,
                        std::index_sequence<I...> nodes, std::index_sequence<O...>) {
    fused_values<T> held;
    (start<K>(b, held), ...);
    ((out[O] = static_cast<T*>(b.out[O])), ...);
    for (std::int64_t r = 0; r < b.rows; ++r) {
      (begin_row<K>(held), ...);
      line(held, b.columns, operands, nodes);
      (next_row<K>(b.stride), ...);
      ((out[O] += b.stride), ...);
    }
  }
};

/// The kernel of a form for elements of type T.
template <class T, elementwise_form F>
void run_fused(const fused_block& b) {
  if (b.rows <= 0 || b.columns <= 0) return;
  fused_code<T, F> code;
  code.run(b, std::make_index_sequence<F.operand_count>{}, std::make_index_sequence<F.node_count>{},
           std::make_index_sequence<F.output_count()>{});
}
