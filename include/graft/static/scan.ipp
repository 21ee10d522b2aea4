// The loops of scans: how bodies are run.

// Calls f<0>(), f<1>(), ...
template <class F, std::uint32_t... K>
GRAFT_INLINE void each(const F& f, std::integer_sequence<std::uint32_t, K...>) {
  const int done[] = { 0, (f.template operator()<K>(), 0)... };
  static_cast<void>(done);
}
template <std::uint32_t Count, class F>
GRAFT_INLINE void each(const F& f) {
  each(f, std::make_integer_sequence<std::uint32_t, Count>{});
}

// Runs a body for every element of the sequences. All steps of a row lie together, so an element is a stride in each row.
template <auto Net, std::uint32_t I>
void scan(const memory& m, std::size_t rows) {
  using loops = scan_loops<Net, I>;
  constexpr const auto& p = plan_of<Net>;
  constexpr scan_parts parts = loops::parts;
  each<parts.states>([&]<std::uint32_t K>() {
    constexpr std::uint32_t state = loops::template input<K>;
    __builtin_memcpy(write<Net, state>(m), read<Net, loops::template operand<K>>(m),
                     rows * p.values[state].count * sizeof(element_of<Net, state>));
  });
  for (std::size_t t = 0; t < loops::steps; ++t) {
    each<parts.sequences>([&]<std::uint32_t Q>() {
      constexpr std::uint32_t element = loops::template input<parts.states + Q>;
      constexpr std::size_t count = p.values[element].count;
      using T = element_of<Net, element>;
      const T* const from = read<Net, loops::template operand<parts.states + Q>>(m);
      T* const to = write<Net, element>(m);
      for (std::size_t r = 0; r < rows; ++r) {
        __builtin_memcpy(to + r * count, from + (r * loops::steps + t) * count, count * sizeof(T));
      }
    });
    run_all<Net, parts.body>(m, rows, all_ops<Net>{});
    // What is stacked may be a state as it was.
    each<parts.stacked>([&]<std::uint32_t Y>() {
      constexpr std::uint32_t result = loops::template result<parts.states + Y>;
      constexpr std::uint32_t stacked = loops::template output<parts.states + Y>;
      if constexpr (p.values[stacked].where != place::none) {
        constexpr std::size_t count = p.values[result].count;
        using T = element_of<Net, stacked>;
        const T* const from = read<Net, result>(m);
        T* const to = write<Net, stacked>(m);
        for (std::size_t r = 0; r < rows; ++r) {
          __builtin_memcpy(to + (r * loops::steps + t) * count, from + r * count,
                           count * sizeof(T));
        }
      }
    });
    each<parts.states>([&]<std::uint32_t K>() {
      constexpr std::uint32_t state = loops::template input<K>;
      constexpr std::uint32_t next = loops::template result<K>;
      if constexpr (p.values[next].root != state) {
        __builtin_memcpy(write<Net, state>(m), read<Net, next>(m),
                         rows * p.values[state].count * sizeof(element_of<Net, state>));
      }
    });
  }
}
