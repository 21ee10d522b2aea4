// Steps: one op of the table, and all of them in order.

// What elements are filled with.
template <auto Net, std::uint32_t I, class T>
GRAFT_INLINE void fill(T* y, std::size_t count) {
  constexpr const auto& table = Net.table();
  constexpr const table_op& op = table.ops[I];
  constexpr kind what = plan_of<Net>.ops[I].what;
  if constexpr (what == kind::reduction_size) {
    *y = convert<T>(static_cast<double>(reduction_size_of(table, op)));
  } else {
    constexpr T number = number_of_attribute<T>(table, op);
    for (std::size_t i = 0; i < count; ++i) y[i] = number;
    if constexpr (what == kind::fill_range) {
      const T inside = convert<T>(table.real_of(op, "inside"));
      const auto end = static_cast<std::size_t>(table.integer_of(op, "end"));
      for (auto i = static_cast<std::size_t>(table.integer_of(op, "begin")); i < end; ++i)
        y[i] = inside;
    }
  }
}

template <auto Net, std::uint32_t Body, std::uint32_t... I>
void run_all(const memory& m, std::size_t rows, std::integer_sequence<std::uint32_t, I...>);
template <auto Net, std::uint32_t I>
void scan(const memory& m, std::size_t rows);  // scan.ipp

template <auto Net, std::uint32_t I>
GRAFT_INLINE void step(const memory& m, std::size_t rows) {
  constexpr const auto& table = Net.table();
  constexpr const auto& p = plan_of<Net>;
  constexpr const table_op& op = table.ops[I];
  constexpr kind s = p.ops[I].what;
  constexpr std::uint32_t out = p.ops[I].result;
  constexpr std::size_t count = p.values[out].count;
  if constexpr (s == kind::scan) {
    scan<Net, I>(m, rows);
  } else if constexpr (is_spread(s)) {
    elementwise<Net, I>(m, rows);
  } else if constexpr (s == kind::concat || is_split(s)) {
    move_parts<Net, I>(m, rows);
  } else if constexpr (is_filled(s)) {
    fill<Net, I>(write<Net, out>(m), rows * count);
  } else {
    constexpr std::uint32_t first = table.operand(op, 0);
    constexpr std::size_t in_count = p.values[first].count;
    const auto* const x = read<Net, first>(m);
    auto* const y = write<Net, out>(m);
    using T = element_of<Net, first>;
    if constexpr (s == kind::matmul) {
      multiply<Net, I>(m, x, y, rows);
    } else if constexpr (is_softmax(s)) {
      using lines = axis_lines<Net, I>;
      softmax<s == kind::log_softmax>(x, y, rows * lines::outer, lines::size, lines::inner);
    } else if constexpr (s == kind::softmax_cross_entropy) {
      constexpr std::size_t classes = last_extent(table, first);
      cross_entropy(x, read<Net, table.operand(op, 1)>(m), y, rows * count, classes,
                    path_of<Net, I>);
    } else if constexpr (s == kind::layer_norm) {
      constexpr std::size_t n = last_extent(table, first);
      layer_norm(x, read<Net, table.operand(op, 1)>(m), read<Net, table.operand(op, 2)>(m), y,
                 rows * (count / (n == 0 ? 1 : n)), n,
                 static_cast<T>(table.real_of(op, "epsilon", 1e-5)));
    } else if constexpr (s == kind::batch_norm) {
      constexpr std::size_t channels = first_row_extent(table, first);
      batch_norm(x, read<Net, table.operand(op, 1)>(m), read<Net, table.operand(op, 2)>(m),
                 read<Net, table.operand(op, 3)>(m), read<Net, table.operand(op, 4)>(m), y, rows,
                 channels, channels == 0 ? 0 : count / channels,
                 static_cast<T>(table.real_of(op, "epsilon", 1e-3)));
    } else if constexpr (s == kind::conv2d) {
      using shape = window_shape<Net, I>;
      const T* const filters = read<Net, table.operand(op, 1)>(m);
      for (std::size_t r = 0; r < rows; ++r) {
        convolution<shape>(x + r * in_count, filters, y + r * count);
      }
    } else if constexpr (s == kind::max_pool2d || s == kind::avg_pool2d) {
      using shape = window_shape<Net, I>;
      constexpr bool counts = table.integer_of(op, "count_padding") != 0;
      for (std::size_t r = 0; r < rows; ++r) {
        pooling<shape, s == kind::max_pool2d, counts>(x + r * in_count, y + r * count);
      }
    } else if constexpr (is_reduction(s)) {
      reduce<Net, I>(x, y, rows);
    } else if constexpr (s == kind::argmax) {
      using lines = axis_lines<Net, I>;
      largest_places(x, y, rows * lines::outer, lines::size, lines::inner);
    } else if constexpr (s == kind::gather) {
      gather<Net, I>(m, x, y, rows);
    } else if constexpr (s == kind::one_hot || s == kind::one_hot_like) {
      encode(x, y, rows * in_count, last_extent(table, out), path_of<Net, I>);
    } else {
      move<Net, I>(x, y, rows);
    }
  }
}

template <auto Net>
using all_ops =
    std::make_integer_sequence<std::uint32_t, static_cast<std::uint32_t>(Net.table().op_count())>;

// Runs the ops of a body, or of the network itself: body 0.
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
