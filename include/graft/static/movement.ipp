// Ops that move elements: to other places, apart, together, and from a table.

template <auto Net, std::uint32_t I, class T>
GRAFT_INLINE void move(const T* x, T* y, std::size_t rows) {
  using loops = move_loops<Net, I>;
  constexpr bool pads = loops::what == kind::pad;
  constexpr std::size_t in_count = plan_of<Net>.values[loops::from].count;
  constexpr std::size_t out_count = plan_of<Net>.values[loops::to].count;
  constexpr std::size_t walked = pads ? in_count : out_count;
  for (std::size_t r = 0; r < rows; ++r, x += in_count, y += out_count) {
    if constexpr (pads) {
      constexpr T value = number_of_attribute<T>(loops::table, loops::op);
      for (std::size_t i = 0; i < out_count; ++i) y[i] = value;
    }
    std::array<extent, loops::size> at{};
    for (std::size_t i = 0; i < walked; i += loops::run) {
      const std::size_t place = loops::advance(at);
      T* const to = y + (pads ? place : i);
      const T* const from = x + (pads ? i : place);
      if constexpr (loops::run > 1) {
        __builtin_memcpy(to, from, loops::run * sizeof(T));
      } else {
        *to = *from;
      }
    }
  }
}

// One part of a concat or a split.
template <auto Net, std::uint32_t I, std::uint32_t Part>
GRAFT_INLINE void move_part(const memory& m, std::size_t rows) {
  using runs = part_runs<Net, I, Part>;
  if constexpr (!runs::splits || plan_of<Net>.values[runs::part].where != place::none) {
    using T = element_of<Net, runs::part>;
    const T* from = read<Net, runs::splits ? runs::whole : runs::part>(m);
    T* to = write<Net, runs::splits ? runs::part : runs::whole>(m);
    from += runs::splits ? runs::offset : 0;
    to += runs::splits ? 0 : runs::offset;
    constexpr std::size_t from_step = runs::splits ? runs::whole_run : runs::run;
    constexpr std::size_t to_step = runs::splits ? runs::run : runs::whole_run;
    for (std::size_t r = 0; r < rows * runs::outer; ++r, from += from_step, to += to_step) {
      __builtin_memcpy(to, from, runs::run * sizeof(T));
    }
  }
}
template <auto Net, std::uint32_t I>
GRAFT_INLINE void move_parts(const memory& m, std::size_t rows) {
  constexpr const table_op& op = Net.table().ops[I];
  constexpr std::uint32_t parts =
      is_split(plan_of<Net>.ops[I].what) ? op.outputs.count : op.operands.count;
  [&]<std::uint32_t... P>(std::integer_sequence<std::uint32_t, P...>) {
    const int done[] = {(move_part<Net, I, P>(m, rows), 0)...};
    static_cast<void>(done);
  }(std::make_integer_sequence<std::uint32_t, parts>{});
}

template <class T, class Index>
void look_up(const T* table, const Index* indices, T* y, std::size_t outer, std::size_t entries,
             std::size_t inner, std::size_t count) {
  for (std::size_t o = 0; o < outer; ++o, table += entries * inner) {
    for (std::size_t i = 0; i < count; ++i, y += inner) {
      const T* const entry = table + static_cast<std::size_t>(indices[i]) * inner;
      __builtin_memcpy(y, entry, inner * sizeof(T));
    }
  }
}
// Rows of indices are looked up in one table, rows of a table by the same indices.
template <auto Net, std::uint32_t I, class T>
GRAFT_INLINE void gather(const memory& m, const T* table, T* y, std::size_t rows) {
  using shape = lookup_shape<Net, I>;
  const auto* const indices = read<Net, shape::indices>(m);
  const bool by_rows = plan_of<Net>.values[shape::indices].has_rows;
  const std::size_t count = shape::count * (by_rows ? rows : 1);
  check_indices(indices, count, shape::entries, path_of<Net, I>);
  look_up(table, indices, y, shape::outer * (by_rows ? 1 : rows), shape::entries, shape::inner,
          count);
}

template <class T, class Index>
void encode(const Index* indices, T* y, std::size_t count, std::size_t depth,
            std::string_view where) {
  check_indices(indices, count, depth, where);
  for (std::size_t i = 0; i < count * depth; ++i) y[i] = T(0);
  for (std::size_t i = 0; i < count; ++i)
    y[i * depth + static_cast<std::size_t>(indices[i])] = T(1);
}
