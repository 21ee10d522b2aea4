// Compile-time networks as straight-line code: no graph, no session, no allocation per call.
//
// Opt-in: this header makes the compiler write the code of the network into the file that includes
// it, once for the processor's baseline and once for AVX2 with FMA; the better one is chosen when
// it runs. With GRAFT_BASELINE_ONLY defined, in all sources of a program or in none, there is only the first, for
// which the compiler takes less time.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <tuple>

#include "graft/dsl/extract.hpp"
#include "graft/graph/graph.hpp"
#include "graft/static/movement_loops.hpp"
#include "graft/static/packing.hpp"

#if defined(__clang__)
#define GRAFT_FIXED_UNROLL _Pragma("unroll")
#else
#define GRAFT_FIXED_UNROLL _Pragma("GCC unroll 16")
#endif
#pragma push_macro("GRAFT_INLINE")
#undef GRAFT_INLINE
#define GRAFT_INLINE inline __attribute__((always_inline))

namespace graft::fixed::baseline {
#define GRAFT_VECTOR_BYTES 16
#include "graft/static/kernels.ipp"
#undef GRAFT_VECTOR_BYTES
}  // namespace graft::fixed::baseline

#if defined(__x86_64__) && !defined(GRAFT_BASELINE_ONLY)
#define GRAFT_FIXED_WIDE 1
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
namespace graft::fixed::avx2 {
#define GRAFT_VECTOR_BYTES 32
#define GRAFT_VECTOR_AVX2 1
#include "graft/static/kernels.ipp"
#undef GRAFT_VECTOR_BYTES
#undef GRAFT_VECTOR_AVX2
}  // namespace graft::fixed::avx2
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

#pragma pop_macro("GRAFT_INLINE")
#undef GRAFT_FIXED_UNROLL

namespace graft {

namespace fixed {

/// True where this processor runs the wide code and GRAFT_ISA does not ask for sse2.
bool has_avx2();
[[noreturn]] void refuse_span(const char* what, std::size_t wanted, std::size_t got);
[[noreturn]] void refuse_variable(std::string_view path, std::string_view why);
[[noreturn]] void refuse_unloaded(std::string_view path);
[[noreturn]] void refuse_moved();
[[noreturn]] void refuse_type(std::string_view path, dtype wanted, dtype got);
/// The value of a graph's variable by path. @throws name_error, shape_error, dtype_error,
/// uninitialized_error
Array value_of(const Graph& g, std::string_view path, const value_type& type);

template <const operator_schema* Schema>
constexpr auto label_of() {
  return spelled(graft::detail::schema_label<*Schema>());
}

template <class Table>
constexpr int place_of_input(const Table& t, std::uint32_t value) {
  int place = 0;
  while (t.inputs[static_cast<std::size_t>(place)] != value) ++place;
  return place;
}
template <dtype Type>
constexpr auto type_text() {
  constexpr std::string_view name = name_of(Type);
  text<name.size() + 1> result;
  for (std::size_t i = 0; i < name.size(); ++i) result.data[i] = name[i];
  return spelled(result);
}

template <auto Net>
constexpr void check_network() {
  constexpr const auto& p = plan_of<Net>;
  if constexpr (p.unsupported != nothing) {
    constexpr const table_op& op = Net.table().ops[p.unsupported];
    constexpr auto label = label_of<op.schema>();
    if constexpr (p.ops[p.unsupported].what == kind::placeholder && p.why == refusal::rows) {
      input_needs_a_batch_axis<place_of_input(Net.table(), op.outputs.first)> error{};
      (void)error;
    } else if constexpr (p.why == refusal::type) {
      constexpr dtype type = Net.table().values[op.outputs.first].type;
      element_type_not_supported<label, type_text<type>()> error{};
      (void)error;
    } else if constexpr (op.schema->has(ops::bodies)) {
      control_flow_not_supported<path_text_of<Net, p.unsupported>, label> error{};
      (void)error;
    } else if constexpr (p.why == refusal::rows) {
      rows_not_apart<path_text_of<Net, p.unsupported>, label> error{};
      (void)error;
    } else {
      operator_not_supported<label> error{};
      (void)error;
    }
  }
}

struct free_aligned {
  void operator()(std::byte* p) const { ::operator delete(p, std::align_val_t{64}); }
};
using bytes = std::unique_ptr<std::byte[], free_aligned>;
/// Zeros, aligned to 64 bytes.
bytes make_bytes(std::size_t count);

/// One span for each of some values: an array where all are of one type, else a tuple.
template <class... Spans>
struct several {
  using type = std::tuple<Spans...>;
};
template <class First, class... Rest>
  requires(std::is_same_v<First, Rest> && ...)
struct several<First, Rest...> {
  using type = std::array<First, 1 + sizeof...(Rest)>;
};
template <>
struct several<> {
  using type = std::array<std::span<float>, 0>;
};

}  // namespace fixed

/// A compile-time network compiled to straight-line code: `static_network<mlp> f; f.load(g); f(x,
/// y, batch);`.
///
/// Sizes and places of all values are constants; the number of rows is given with each call.
/// Computes in inference mode: dropout passes through, batch norm uses its moving statistics. Elements are float32,
/// float64, integers of every size and truth values; other types do not compile (element_type_not_supported).
///
/// Whole numbers, truth values and what is only moved are a session's. Sums of floating numbers are taken in another order
/// than a session's, and products and sums may be joined, which rounds once: in float32 a sum, of products too, agrees
/// within 1e-6 of the sum of its terms' magnitudes, a function of one number or two within 1e-5 of the larger of 1
/// and its result. So results agree within 1e-5 of the largest magnitude of an output row where large terms do
/// not cancel; where they do, within that of the terms. In float64 the same holds with 1e-14 and 1e-13. Where results
/// are so near to one another, what a comparison, argmax or a conversion to integers makes of them may differ.
///
/// Rows are computed apart: what would join those of the batch does not compile (rows_not_apart). Recurrent layers run,
/// and scans like theirs: along the axis after the batch, with a known number of steps. Other control flow
/// does not compile (control_flow_not_supported), nor do random numbers and what only training computes
/// (operator_not_supported): run it in a session. A page lists which operators run: docs/how-to/static-networks.md.
///
/// An object holds a copy of the variables and the memory for one block of rows: use one for each
/// thread.
/// @tparam Net a network made by net(), whose inputs and outputs have a dyn or named batch axis
template <auto Net>
class static_network {
  static_assert(is_network<std::remove_cv_t<decltype(Net)>>,
                "graft: static_network takes what net() returned");
  static constexpr const auto& table = Net.table();
  static constexpr const auto& plan = fixed::plan_of<Net>;

 public:
  static constexpr std::size_t input_count = table.inputs.size();    ///< how many inputs there are
  static constexpr std::size_t output_count = table.outputs.size();  ///< how many outputs there are
  /// The C++ type of the elements of an input, of an output.
  template <std::size_t I = 0>
  using input_type = fixed::element_of<Net, table.inputs[I]>;
  /// The C++ type of the elements of output I.
  template <std::size_t I = 0>
  using output_type = fixed::element_of<Net, table.outputs[I]>;

 private:
  template <std::size_t... I>
  static typename fixed::several<std::span<const input_type<I>>...>::type make_inputs(
      std::index_sequence<I...>);
  template <std::size_t... I>
  static typename fixed::several<std::span<output_type<I>>...>::type make_outputs(
      std::index_sequence<I...>);

 public:
  /// A span for each input, and for each output: a std::array where all have one type, else a std::tuple.
  using input_spans = decltype(make_inputs(std::make_index_sequence<input_count>{}));
  /// The spans of the outputs, likewise.
  using output_spans = decltype(make_outputs(std::make_index_sequence<output_count>{}));

  static_network()
      : persistent_(fixed::make_bytes(plan.persistent)),
        scratch_(fixed::make_bytes(scratch_bytes())) {
    fixed::check_network<Net>();
    if constexpr (!needs_variables()) prepare();
  }

  /// A network of its own with the same values. @throws handle_error if the other was moved from
  static_network(const static_network& other) : static_network() { *this = other; }
  static_network& operator=(const static_network& other) {
    if (other.persistent_ == nullptr) fixed::refuse_moved();
    if (this == &other) return *this;
    if (persistent_ == nullptr) *this = static_network();
    std::copy_n(other.persistent_.get(), plan.persistent, persistent_.get());
    loaded_ = other.loaded_;
    return *this;
  }
  static_network(static_network&&) noexcept = default;
  static_network& operator=(static_network&&) noexcept = default;

  /// Elements of an input or output row.
  [[nodiscard]] static constexpr std::size_t input_size(std::size_t i = 0) {
    return plan.values[table.inputs[i]].count;
  }
  /// Elements of a row of output i.
  [[nodiscard]] static constexpr std::size_t output_size(std::size_t i = 0) {
    return plan.values[table.outputs[i]].count;
  }
  /// Variables of every role.
  [[nodiscard]] static constexpr std::size_t variable_count() { return table.variable_count(); }
  /// Bytes of memory that an object holds.
  [[nodiscard]] static constexpr std::size_t bytes() { return plan.persistent + scratch_bytes(); }

  /// Takes the values of all variables from a graph, by name.
  /// @param scope where in the graph the network was lowered or cloned to, such as "copy"; empty:
  /// the root
  /// @throws name_error, shape_error, dtype_error, uninitialized_error; then nothing has changed. numeric_error if what
  /// is computed of the variables alone looks up an index that is not there
  void load(const Graph& g, name_view scope = {}) {
    if (persistent_ == nullptr) fixed::refuse_moved();
    std::array<Array, table.variables.size()> values;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!needed(i)) continue;
      std::string path(scope.view());
      if (!path.empty()) path += '/';
      path += table.variable_path(i);
      values[i] = fixed::value_of(g, path, table.type_of(table.variables[i].value));
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (needed(i)) copy(i, values[i].data());
    }
    prepare();
  }

  /// Sets one variable by name; the others keep their values.
  /// @throws name_error, shape_error, dtype_error
  void set(name_view path, std::span<const float> values) { set_variable(path, values); }
  void set(name_view path, std::span<const double> values) { set_variable(path, values); }
  void set(name_view path, std::span<const std::int32_t> values) { set_variable(path, values); }
  void set(name_view path, std::span<const std::int64_t> values) { set_variable(path, values); }

  /// Runs the network on `batch` rows.
  /// @param x batch * input_size() elements
  /// @param y batch * output_size() elements, not overlapping x
  /// @throws shape_error if a span has another size; uninitialized_error if a variable was never
  /// loaded; numeric_error if an index lies outside what it looks up, and y then holds part of the results
  void operator()(std::span<const input_type<>> x, std::span<output_type<>> y, std::size_t batch)
    requires(table.inputs.size() == 1 && table.outputs.size() == 1)
  {
    run(input_spans{x}, output_spans{y}, batch);
  }
  /// The same with several inputs and outputs.
  void run(input_spans x, output_spans y, std::size_t batch) {
    check("an input", x, batch, std::make_index_sequence<input_count>{},
          [](std::size_t i) { return input_size(i); });
    check("an output", y, batch, std::make_index_sequence<output_count>{},
          [](std::size_t i) { return output_size(i); });
    for (std::size_t i = 0; i < table.variables.size(); ++i) {
      if (needed(i) && !loaded_[i]) fixed::refuse_unloaded(table.variable_path(i));
    }
    if (scratch_ == nullptr) fixed::refuse_moved();
    if constexpr (plan.unsupported == fixed::nothing) {
      run_blocks(addresses<const void*>(x, std::make_index_sequence<input_count>{}),
                 addresses<void*>(y, std::make_index_sequence<output_count>{}), batch);
    }
  }

 private:
  static constexpr std::size_t scratch_bytes() {
    return plan.scratch_per_row * plan.rows + plan.workspace;
  }
  [[nodiscard]] fixed::memory memory_of(const void* const* in, void* const* out) const {
    return {in, out, scratch_.get(), persistent_.get(),
            scratch_.get() + plan.scratch_per_row * plan.rows};
  }
  template <class Pointer, class Spans, std::size_t... I>
  static std::array<Pointer, sizeof...(I)> addresses(const Spans& spans,
                                                     std::index_sequence<I...>) {
    return {std::get<I>(spans).data()...};
  }
  // Bytes of a row.
  static constexpr std::size_t row_bytes(std::uint32_t value) {
    return plan.values[value].count * size_of(table.values[value].type);
  }

  void run_blocks(std::array<const void*, input_count> in, std::array<void*, output_count> out,
                  std::size_t batch) {
    const fixed::memory m = memory_of(in.data(), out.data());
    for (std::size_t row = 0; row < batch; row += plan.rows) {
      const std::size_t rows = batch - row < plan.rows ? batch - row : plan.rows;
      dispatch(m, rows, wide_);
      copy_outputs(m, rows, std::make_index_sequence<output_count>{});
      for (std::size_t i = 0; i < input_count; ++i) {
        in[i] = static_cast<const std::byte*>(in[i]) + rows * row_bytes(table.inputs[i]);
      }
      for (std::size_t i = 0; i < output_count; ++i) {
        out[i] = static_cast<std::byte*>(out[i]) + rows * row_bytes(table.outputs[i]);
      }
    }
  }
  static constexpr bool needed(std::size_t variable) {
    return plan.values[table.variables[variable].value].where == fixed::place::persistent;
  }
  static constexpr bool needs_variables() {
    for (std::size_t i = 0; i < table.variables.size(); ++i) {
      if (needed(i)) return true;
    }
    return false;
  }
  template <class Spans, std::size_t... I, class Size>
  static void check(const char* what, const Spans& spans, std::size_t batch,
                    std::index_sequence<I...>, Size size) {
    (check_span(what, size(I), std::get<I>(spans).size(), batch), ...);
  }
  static void check_span(const char* what, std::size_t size, std::size_t got, std::size_t batch) {
    std::size_t wanted = 0;
    if (__builtin_mul_overflow(size, batch, &wanted) || wanted != got)
      fixed::refuse_span(what, wanted, got);
  }
  template <class T>
  void set_variable(std::string_view path, std::span<const T> values) {
    if (persistent_ == nullptr) fixed::refuse_moved();
    for (std::size_t i = 0; i < table.variables.size(); ++i) {
      if (table.variable_path(i) != path) continue;
      const dtype type = table.values[table.variables[i].value].type;
      if (type != dtype_of<T>) fixed::refuse_type(path, type, dtype_of<T>);
      const auto wanted = static_cast<std::size_t>(element_count(table.variable_shape(i)));
      if (values.size() != wanted) fixed::refuse_span("a variable", wanted, values.size());
      if (needed(i)) copy(i, values.data());
      prepare();
      return;
    }
    fixed::refuse_variable(path, "the network has no variable of that name");
  }
  void copy(std::size_t variable, const void* values) {
    const std::uint32_t value = table.variables[variable].value;
    const std::size_t bytes = row_bytes(value);
    if (bytes != 0) std::memcpy(persistent_.get() + plan.values[value].offset, values, bytes);
    loaded_[variable] = true;
  }

  static void dispatch(const fixed::memory& m, std::size_t rows, [[maybe_unused]] bool wide) {
#ifdef GRAFT_FIXED_WIDE
    if (wide) return fixed::avx2::run<Net>(m, rows);
#endif
    fixed::baseline::run<Net>(m, rows);
  }

  // Computes what depends on variables alone, and packs the matrices of products. Until all variables are loaded some
  // are zeros.
  void prepare() {
    const fixed::memory m = memory_of(nullptr, nullptr);
    if constexpr (plan.unsupported == fixed::nothing) {
      fixed::baseline::prepare<Net>(m);
      pack_all(m, std::make_index_sequence<table.ops.size()>{});
    }
  }
  template <std::size_t... I>
  static void pack_all(const fixed::memory& m, std::index_sequence<I...>) {
    (pack<static_cast<std::uint32_t>(I)>(m), ...);
  }
  template <std::uint32_t I>
  static void pack(const fixed::memory& m) {
    if constexpr (plan.ops[I].packs) {
      constexpr std::uint32_t w = table.operand(table.ops[I], 1);
      constexpr bool transposed = table.integer_of(table.ops[I], "transpose_b") != 0;
      constexpr std::size_t last = fixed::last_extent(table, w);
      constexpr std::size_t first = last == 0 ? 0 : plan.values[w].count / last;
      using T = fixed::element_of<Net, w>;
      fixed::pack_panels(fixed::read<Net, w>(m),
                         reinterpret_cast<T*>(m.persistent + plan.ops[I].packed),
                         transposed ? last : first, transposed ? first : last, transposed);
    }
  }

  // Outputs that view something else, or are asked for twice.
  template <std::size_t... K>
  static void copy_outputs(const fixed::memory& m, std::size_t rows, std::index_sequence<K...>) {
    (copy_output<K>(m, rows), ...);
  }
  template <std::size_t K>
  static void copy_output(const fixed::memory& m, std::size_t rows) {
    constexpr std::uint32_t value = table.outputs[K];
    constexpr fixed::value_plan root = plan.values[plan.values[value].root];
    if constexpr (root.where != fixed::place::output || root.offset != K) {
      const std::size_t bytes = rows * row_bytes(value);
      if (bytes != 0) std::memcpy(m.outputs[K], fixed::read<Net, value>(m), bytes);
    }
  }

  fixed::bytes persistent_;
  fixed::bytes scratch_;
  bool wide_ = fixed::has_avx2();
  std::array<bool, table.variables.size()> loaded_{};
};

}  // namespace graft

#undef GRAFT_FIXED_WIDE
