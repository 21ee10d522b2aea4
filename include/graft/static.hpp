// Compile-time networks as straight-line code: no graph, no session, no allocation per call.
//
// Opt-in: this header makes the compiler write the code of the network into the file that includes
// it, once for the processor's baseline and once for AVX2 with FMA; the better one is chosen when
// it runs.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <new>
#include <string>

#include "graft/dsl/extract.hpp"
#include "graft/graph/graph.hpp"
#include "graft/static/loops.hpp"

#if defined(__clang__)
#define GRAFT_FIXED_UNROLL _Pragma("unroll")
#else
#define GRAFT_FIXED_UNROLL _Pragma("GCC unroll 16")
#endif

namespace graft::fixed::baseline {
#define GRAFT_FIXED_BYTES 16
#include "graft/static/kernels.ipp"
#include "graft/static/scan.ipp"
#undef GRAFT_FIXED_BYTES
}  // namespace graft::fixed::baseline

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
namespace graft::fixed::avx2 {
#define GRAFT_FIXED_BYTES 32
#include "graft/static/kernels.ipp"
#include "graft/static/scan.ipp"
#undef GRAFT_FIXED_BYTES
}  // namespace graft::fixed::avx2
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

#undef GRAFT_FIXED_UNROLL

namespace graft {

namespace fixed {

/// True where this processor runs the wide code and GRAFT_ISA does not ask for sse2.
bool has_avx2();
[[noreturn]] void refuse_span(const char* what, std::size_t wanted, std::size_t got);
[[noreturn]] void refuse_variable(std::string_view path, std::string_view why);
[[noreturn]] void refuse_unloaded(std::string_view path);
[[noreturn]] void refuse_moved();
/// The value of a graph's variable by path. @throws name_error, shape_error, dtype_error,
/// uninitialized_error
Array value_of(const Graph& g, std::string_view path, const dims& shape);

template <const operator_schema* Schema>
constexpr auto label_of() {
  return graft::detail::schema_label<*Schema>();
}

template <auto Net>
constexpr void check_network() {
  constexpr const auto& p = plan_of<Net>;
  if constexpr (p.unsupported != nothing) {
    constexpr const table_op& op = Net.table().ops[p.unsupported];
    if constexpr (p.ops[p.unsupported].what == kind::placeholder) {
      input_needs_a_batch_axis<static_cast<int>(p.values[op.outputs.first].offset)> error{};
      (void)error;
    } else if constexpr (op.schema->has(ops::bodies)) {
      control_flow_not_supported<
          graft::detail::path_text<std::remove_cv_t<decltype(Net)>, p.unsupported>(),
          label_of<op.schema>()>
          error{};
      (void)error;
    } else {
      operator_not_supported<label_of<op.schema>()> error{};
      (void)error;
    }
  }
}

struct free_aligned {
  void operator()(float* p) const { ::operator delete(p, std::align_val_t{64}); }
};
using floats = std::unique_ptr<float[], free_aligned>;
/// Zeros, aligned to 64 bytes.
floats make_floats(std::size_t count);

}  // namespace fixed

/// A compile-time network compiled to straight-line code: `static_network<mlp> f; f.load(g); f(x,
/// y, batch);`.
///
/// Sizes and places of all values are constants; the number of rows is given with each call.
/// Computes in float32, in inference mode: dropout passes through, batch norm uses its moving
/// statistics. Its sums are taken in another order than a session's and its functions are approximated by other
/// polynomials: a sum, of products too, agrees within 1e-6 of the sum of its terms' magnitudes, a function of
/// one number within 1e-5 of the larger of 1 and its result. So results agree within 1e-5 of the largest magnitude of
/// an output row where large terms do not cancel; where they do, within that of the terms.
///
/// Recurrent layers run, and scans like theirs: along the axis after the batch, with a known number of steps. Other control flow
/// does not compile (control_flow_not_supported): run it in a session.
///
/// An object holds a copy of the variables and the memory for one block of rows: use one for each
/// thread.
/// @tparam Net a network made by net(), whose inputs and outputs are float32 with a dyn or named
/// batch axis
template <auto Net>
class static_network {
  static_assert(is_network<std::remove_cv_t<decltype(Net)>>,
                "graft: static_network takes what net() returned");
  static constexpr const auto& table = Net.table();
  static constexpr const auto& plan = fixed::plan_of<Net>;

 public:
  static constexpr std::size_t input_count = table.inputs.size();
  static constexpr std::size_t output_count = table.outputs.size();

  static_network()
      : persistent_(fixed::make_floats(plan.persistent)),
        scratch_(fixed::make_floats(plan.scratch_per_row * plan.rows)) {
    fixed::check_network<Net>();
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

  /// Floats of an input or output row.
  [[nodiscard]] static constexpr std::size_t input_size(std::size_t i = 0) {
    return plan.values[table.inputs[i]].count;
  }
  [[nodiscard]] static constexpr std::size_t output_size(std::size_t i = 0) {
    return plan.values[table.outputs[i]].count;
  }
  [[nodiscard]] static constexpr std::size_t variable_count() { return table.variable_count(); }
  /// Bytes of memory that an object holds.
  [[nodiscard]] static constexpr std::size_t bytes() {
    return (plan.persistent + plan.scratch_per_row * plan.rows) * sizeof(float);
  }

  /// Takes the values of all variables from a graph, by name.
  /// @param scope where in the graph the network was lowered or cloned to, such as "copy"; empty:
  /// the root
  /// @throws name_error, shape_error, dtype_error, uninitialized_error; then nothing has changed
  void load(const Graph& g, std::string_view scope = {}) {
    if (persistent_ == nullptr) fixed::refuse_moved();
    std::array<Array, table.variables.size()> values;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!needed(i)) continue;
      std::string path(scope);
      if (!path.empty()) path += '/';
      path += table.variable_path(i);
      values[i] = fixed::value_of(g, path, table.variable_shape(i));
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (needed(i)) copy(i, values[i].template span<float>());
    }
    prepare();
  }

  /// Sets one variable by name; the others keep their values.
  /// @throws name_error, shape_error
  void set(std::string_view path, std::span<const float> values) {
    if (persistent_ == nullptr) fixed::refuse_moved();
    for (std::size_t i = 0; i < table.variables.size(); ++i) {
      if (table.variable_path(i) != path) continue;
      const auto wanted = static_cast<std::size_t>(element_count(table.variable_shape(i)));
      if (values.size() != wanted) fixed::refuse_span("a variable", wanted, values.size());
      if (needed(i)) copy(i, values);
      prepare();
      return;
    }
    fixed::refuse_variable(path, "the network has no variable of that name");
  }

  /// Runs the network on `batch` rows.
  /// @param x batch * input_size() floats
  /// @param y batch * output_size() floats, not overlapping x
  /// @throws shape_error if a span has another size; uninitialized_error if a variable was never
  /// loaded
  void operator()(std::span<const float> x, std::span<float> y, std::size_t batch)
    requires(table.inputs.size() == 1 && table.outputs.size() == 1)
  {
    run({x}, {y}, batch);
  }
  /// The same with several inputs and outputs.
  void run(std::array<std::span<const float>, input_count> x,
           std::array<std::span<float>, output_count> y, std::size_t batch) {
    for (std::size_t i = 0; i < input_count; ++i)
      check("an input", input_size(i), x[i].size(), batch);
    for (std::size_t i = 0; i < output_count; ++i)
      check("an output", output_size(i), y[i].size(), batch);
    for (std::size_t i = 0; i < table.variables.size(); ++i) {
      if (needed(i) && !loaded_[i]) fixed::refuse_unloaded(table.variable_path(i));
    }
    if (scratch_ == nullptr) fixed::refuse_moved();
    if constexpr (plan.unsupported == fixed::nothing) run_blocks(x, y, batch);
  }

 private:
  void run_blocks(const std::array<std::span<const float>, input_count>& x,
                  const std::array<std::span<float>, output_count>& y, std::size_t batch) {
    for (std::size_t row = 0; row < batch; row += plan.rows) {
      const std::size_t rows = batch - row < plan.rows ? batch - row : plan.rows;
      std::array<const float*, input_count> in{};
      std::array<float*, output_count> out{};
      for (std::size_t i = 0; i < input_count; ++i) in[i] = x[i].data() + row * input_size(i);
      for (std::size_t i = 0; i < output_count; ++i) out[i] = y[i].data() + row * output_size(i);
      const fixed::memory m{in.data(), out.data(), scratch_.get(), persistent_.get()};
      dispatch(m, rows, wide_);
      copy_outputs(m, rows, std::make_index_sequence<output_count>{});
    }
  }
  static constexpr bool needed(std::size_t variable) {
    return plan.values[table.variables[variable].value].where == fixed::place::persistent;
  }
  static void check(const char* what, std::size_t size, std::size_t got, std::size_t batch) {
    std::size_t wanted = 0;
    if (__builtin_mul_overflow(size, batch, &wanted) || wanted != got)
      fixed::refuse_span(what, wanted, got);
  }
  void copy(std::size_t variable, std::span<const float> values) {
    float* const to = persistent_.get() + plan.values[table.variables[variable].value].offset;
    for (std::size_t i = 0; i < values.size(); ++i) to[i] = values[i];
    loaded_[variable] = true;
  }

  static void dispatch(const fixed::memory& m, std::size_t rows, [[maybe_unused]] bool wide) {
#if defined(__x86_64__)
    if (wide) return fixed::avx2::run<Net>(m, rows);
#endif
    fixed::baseline::run<Net>(m, rows);
  }

  // Computes what depends on variables alone, and packs the matrices of products.
  void prepare() {
    const fixed::memory m{nullptr, nullptr, nullptr, persistent_.get()};
    fixed::baseline::prepare<Net>(m);
    for (std::uint32_t i = 0; i < table.ops.size(); ++i) {
      if (!plan.ops[i].runs || plan.ops[i].what != fixed::kind::matmul) continue;
      const table_op& op = table.ops[i];
      const bool transposed = table.integer_of(op, "transpose_b") != 0;
      const std::uint32_t w = table.operand(op, 1);
      const dims shape = table.shape_of(w);
      const auto k = static_cast<std::size_t>(shape[transposed ? 1 : 0]);
      const auto n = static_cast<std::size_t>(shape[transposed ? 0 : 1]);
      const float* const from = persistent_.get() + plan.values[plan.values[w].root].offset;
      float* const to = persistent_.get() + plan.ops[i].packed;
      for (std::size_t r = 0; r < k; ++r) {
        for (std::size_t c = 0; c < n; ++c) {
          to[r * fixed::padded(n) + c] = from[transposed ? c * k + r : r * n + c];
        }
      }
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
      const float* const from = fixed::baseline::read<Net, value>(m);
      const std::size_t count = rows * plan.values[value].count;
      for (std::size_t i = 0; i < count; ++i) m.outputs[K][i] = from[i];
    }
  }

  fixed::floats persistent_;
  fixed::floats scratch_;
  bool wide_ = fixed::has_avx2();
  std::array<bool, table.variables.size()> loaded_{};
};

}  // namespace graft
