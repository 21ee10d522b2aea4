// The loops of a static network's ops as types full of constants, and the memory they run over.
#pragma once

#include "graft/dsl/extract.hpp"
#include "graft/static/plan.hpp"

namespace graft::fixed {

/// Where a block of rows finds its values.
struct memory {
  const void* const* inputs;
  void* const* outputs;
  std::byte* scratch;
  std::byte* persistent;
  std::byte* workspace;
};

/// The C++ type of a value's elements.
template <auto Net, std::uint32_t V>
using element_of = element_type<Net.table().values[V].type>;

/// Where a value is, for those who read it and for the op that writes it.
template <auto Net, std::uint32_t V>
inline const element_of<Net, V>* read(const memory& m) {
  constexpr value_plan v = plan_of<Net>.values[plan_of<Net>.values[V].root];
  const void* at = nullptr;
  if constexpr (v.where == place::input) at = m.inputs[v.offset];
  if constexpr (v.where == place::output) at = m.outputs[v.offset];
  if constexpr (v.where == place::scratch) at = m.scratch + v.offset * plan_of<Net>.rows;
  if constexpr (v.where == place::persistent) at = m.persistent + v.offset;
  return static_cast<const element_of<Net, V>*>(at);
}
template <auto Net, std::uint32_t V>
inline element_of<Net, V>* write(const memory& m) {
  return const_cast<element_of<Net, V>*>(read<Net, V>(m));
}

/// The numbers that are attributes of an elementwise op.
struct numbers {
  double first = 0, second = 0;
};
/// The attribute "value" of an op that fills or pads; 0 where it has none.
template <class T, class Table>
constexpr T number_of_attribute(const Table& t, const table_op& op) {
  const std::uint32_t at = t.find_attribute(op, "value");
  if (at == t.not_found) return T(0);
  const table_attribute& a = t.attributes[at];
  return a.kind == attribute_kind::real ? static_cast<T>(a.real) : static_cast<T>(a.integer);
}
/// How many elements a reduction would combine.
template <class Table>
constexpr extent reduction_size_of(const Table& t, const table_op& op) {
  const dims all = t.shape_of(t.operand(op, 0));
  extent size = 1;
  for (const extent a : reduced_axes(t, op)) {
    size *= all[static_cast<std::size_t>(a < 0 ? a + static_cast<extent>(all.size()) : a)];
  }
  return size;
}

/// The same text with every character written, its end too: else clang shows some as numbers.
template <std::size_t N>
constexpr text<N> spelled(const text<N>& t) {
  text<N> result;
  for (std::size_t i = 0; i < N; ++i) result.data[i] = t.data[i];
  return result;
}
/// The path of an op, for messages.
template <auto Net, std::uint32_t I>
inline constexpr auto path_text_of =
    spelled(graft::detail::path_text<std::remove_cv_t<decltype(Net)>, I>());
template <auto Net, std::uint32_t I>
inline constexpr std::string_view path_of = path_text_of<Net, I>.view();

/// @throws numeric_error
[[noreturn]] void refuse_index(std::string_view where, std::size_t place, std::int64_t index,
                               std::size_t entries);
template <class Index>
void check_indices(const Index* indices, std::size_t count, std::size_t entries,
                   std::string_view where) {
  for (std::size_t i = 0; i < count; ++i) {
    if (indices[i] < 0 || static_cast<std::size_t>(indices[i]) >= entries) {
      refuse_index(where, i, static_cast<std::int64_t>(indices[i]), entries);
    }
  }
}

template <class Table>
constexpr std::size_t last_extent(const Table& t, std::uint32_t value) {
  return static_cast<std::size_t>(t.shape_of(value).back());
}
/// The extent after the batch axis.
template <class Table>
constexpr std::size_t first_row_extent(const Table& t, std::uint32_t value) {
  return static_cast<std::size_t>(t.shape_of(value)[1]);
}
constexpr std::size_t product_of(const dims& d, std::size_t first, std::size_t last) {
  std::size_t product = 1;
  for (std::size_t i = first; i < last; ++i) product *= static_cast<std::size_t>(d[i]);
  return product;
}

/// How far each operand of a line moves from element to element.
template <extent... S>
struct strides {};

/// A list of extents as a constant.
struct fixed_dims {
  std::size_t size = 0;
  std::array<extent, 12> e{};
  constexpr fixed_dims() = default;
  constexpr explicit fixed_dims(const dims& d) : size(d.size()) {
    for (std::size_t i = 0; i < size; ++i) e[i] = d[i];
  }
};

/// Extents, and the strides of some operands over them.
template <std::size_t N>
struct nested_loops {
  fixed_dims extents;
  std::array<fixed_dims, N> strides;
};

/// Joins neighbouring axes over which all operands run on without a jump.
template <std::size_t N>
constexpr nested_loops<N> collapsed(const dims& extents, const std::array<dims, N>& strides) {
  dims joined;
  std::array<dims, N> steps;
  for (std::size_t i = 0; i < extents.size(); ++i) {
    if (extents[i] == 1) continue;
    bool runs_on = !joined.empty();
    for (std::size_t k = 0; k < N && runs_on; ++k) {
      runs_on = steps[k].back() == strides[k][i] * extents[i];
    }
    if (runs_on) joined.back() *= extents[i];
    if (!runs_on) joined.push_back(extents[i]);
    for (std::size_t k = 0; k < N; ++k) {
      if (runs_on) steps[k].back() = strides[k][i];
      if (!runs_on) steps[k].push_back(strides[k][i]);
    }
  }
  nested_loops<N> result;
  result.extents = fixed_dims(joined);
  for (std::size_t k = 0; k < N; ++k) result.strides[k] = fixed_dims(steps[k]);
  return result;
}

/// The loops of an op that computes elements from those in their places, after broadcasting.
template <auto Net, std::uint32_t I>
struct spread_loops {
  static constexpr const auto& table = Net.table();
  static constexpr const auto& p = plan_of<Net>;
  static constexpr const table_op& op = table.ops[I];
  static constexpr std::uint32_t out = op.outputs.first;
  static constexpr std::uint32_t operands = operands_read(op, p.ops[I].what);
  static constexpr bool rows = p.values[out].has_rows;
  static constexpr std::size_t count = p.values[out].count;

  template <std::uint32_t K>
  static constexpr std::uint32_t operand = table.operand(op, K);

  static constexpr nested_loops<operands> make() {
    std::array<dims, operands> steps;
    for (std::uint32_t k = 0; k < operands; ++k) {
      const std::uint32_t from = table.operand(op, k);
      steps[k] = broadcast_strides(table, from, p.values[from].has_rows, out, rows).numbers;
    }
    return collapsed(row_dims(table, out, rows), steps);
  }
  static constexpr nested_loops<operands> loops = make();
  static constexpr std::size_t rank = loops.extents.size;
  template <std::size_t D>
  static constexpr extent extent_at = loops.extents.e[D];
  template <std::size_t K, std::size_t D>
  static constexpr extent stride = loops.strides[K].e[D];
  /// Elements from one row of an operand to the next.
  template <std::uint32_t K>
  static constexpr std::size_t row_stride =
      p.values[operand<K>].has_rows ? p.values[operand<K>].count : 0;

  /// True where all rows together are one line.
  static constexpr bool is_line() {
    if (rank > 1) return false;
    for (std::uint32_t k = 0; k < operands; ++k) {
      const value_plan& v = p.values[table.operand(op, k)];
      const extent step = rank == 0 ? 0 : loops.strides[k].e[0];
      const bool along = v.has_rows && v.count == count && (count == 1 || step == 1);
      if (rows && !along && !(!v.has_rows && v.count == 1)) return false;
      if (!rows && v.count != 1 && step != 1) return false;
    }
    return true;
  }
  static constexpr bool one_line = is_line();
  template <std::uint32_t K>
  static constexpr extent line_stride =
      p.values[operand<K>].has_rows || p.values[operand<K>].count > 1 ? 1 : 0;
};

/// The loops of a reduction: over the elements of its operand as they lie, with their places in the result.
template <auto Net, std::uint32_t I>
struct fold_loops {
  static constexpr nested_loops<2> make() {
    const auto& t = Net.table();
    const table_op& op = t.ops[I];
    const std::uint32_t from = t.operand(op, 0);
    const bool rows = plan_of<Net>.values[from].has_rows;
    const dims in = row_dims(t, from, rows);
    const dims axes = row_axes(t, from, rows, reduced_axes(t, op)).numbers;
    dims to(in.size(), 0);
    extent step = 1;
    for (std::size_t i = in.size(); i-- > 0;) {
      bool reduced = false;
      for (const extent a : axes) reduced = reduced || a == static_cast<extent>(i);
      if (reduced) continue;
      to[i] = step;
      step *= in[i];
    }
    return collapsed<2>(in, {strides_of(in), to});
  }
  static constexpr nested_loops<2> loops = make();
  static constexpr std::size_t rank = loops.extents.size;
  template <std::size_t D>
  static constexpr extent extent_at = loops.extents.e[D];
  template <std::size_t D>
  static constexpr extent to = loops.strides[1].e[D];
};

/// The lines of an op along one axis: `outer` times `size` elements that are `inner` apart.
template <auto Net, std::uint32_t I>
struct axis_lines {
  struct sizes {
    std::size_t outer = 1, size = 1, inner = 1;
  };
  static constexpr sizes make() {
    const auto& t = Net.table();
    const table_op& op = t.ops[I];
    const std::uint32_t from = t.operand(op, 0);
    const bool rows = plan_of<Net>.values[from].has_rows;
    const dims in = row_dims(t, from, rows);
    const auto axis = static_cast<std::size_t>(row_axis(t, op, from, rows, -1).numbers[0]);
    return {product_of(in, 0, axis), static_cast<std::size_t>(in[axis]),
            product_of(in, axis + 1, in.size())};
  }
  static constexpr sizes s = make();
  static constexpr std::size_t outer = s.outer, size = s.size, inner = s.inner;
};

/// The matrices of a product that is not flat, within one row.
template <auto Net, std::uint32_t I>
struct matrix_loops {
  static constexpr const auto& table = Net.table();
  static constexpr const auto& p = plan_of<Net>;
  static constexpr const table_op& op = table.ops[I];
  static constexpr std::uint32_t a = table.operand(op, 0), b = table.operand(op, 1);
  static constexpr std::uint32_t out = op.outputs.first;
  static constexpr bool rows = p.values[out].has_rows;
  static constexpr bool transpose_a = table.integer_of(op, "transpose_a") != 0;
  static constexpr bool transpose_b = table.integer_of(op, "transpose_b") != 0;

  struct numbers {
    std::size_t m = 0, k = 0, n = 0;
    nested_loops<2> batch;
  };
  static constexpr numbers make() {
    const dims of_a = matrix_dims(table, a, p.values[a].has_rows, out, rows).numbers;
    const dims of_b = matrix_dims(table, b, p.values[b].has_rows, out, rows).numbers;
    const dims y = row_dims(table, out, rows);
    numbers result;
    result.m = static_cast<std::size_t>(y[y.size() - 2]);
    result.n = static_cast<std::size_t>(y.back());
    result.k = static_cast<std::size_t>(of_a[of_a.size() - (transpose_a ? 2 : 1)]);
    const dims batch(y.begin(), y.end() - 2);
    std::array<dims, 2> steps{dims(batch.size(), 0), dims(batch.size(), 0)};
    for (std::size_t o = 0; o < 2; ++o) {
      const dims& of = o == 0 ? of_a : of_b;
      const dims own = strides_of(of);
      for (std::size_t i = 0; i + 2 < of.size(); ++i) {
        steps[o][batch.size() + 2 - of.size() + i] = of[i] == 1 ? 0 : own[i];
      }
    }
    result.batch = collapsed<2>(batch, steps);
    return result;
  }
  static constexpr numbers sizes = make();
  static constexpr std::size_t m = sizes.m, k = sizes.k, n = sizes.n;
  static constexpr std::size_t row_a = p.values[a].has_rows ? p.values[a].count : 0;
  static constexpr std::size_t row_b = p.values[b].has_rows ? p.values[b].count : 0;
  static constexpr std::size_t rank = sizes.batch.extents.size;
  template <std::size_t D>
  static constexpr extent extent_at = sizes.batch.extents.e[D];
  template <std::size_t D>
  static constexpr extent step_a = sizes.batch.strides[0].e[D];
  template <std::size_t D>
  static constexpr extent step_b = sizes.batch.strides[1].e[D];
};

/// The numbers of a convolution or a pool.
template <auto Net, std::uint32_t I>
struct window_shape {
  struct numbers {
    extent in_c, in_h, in_w, out_c, out_h, out_w, k_h, k_w, groups;
    window2d window;
    padding2d padding;
  };
  static constexpr numbers make() {
    const auto& t = Net.table();
    const auto& p = plan_of<Net>;
    const table_op& op = t.ops[I];
    const dims in = t.shape_of(t.operand(op, 0)), out = t.shape_of(op.outputs.first);
    extent2d size{1, 1};
    if (p.ops[I].what == kind::conv2d) {
      const dims w = t.shape_of(t.operand(op, 1));
      size = {w[2], w[3]};
    } else {
      const dims kernel = t.integers_of(op, "kernel");
      size = {kernel[0], kernel[1]};
    }
    const window2d window = window2d::of(t.attributes_of(op.attributes), size);
    return {in[1],
            in[2],
            in[3],
            out[1],
            out[2],
            out[3],
            size.height,
            size.width,
            t.integer_of(op, "groups", 1),
            window,
            window.resolved(in[2], in[3])};
  }
  static constexpr numbers n = make();
  static constexpr extent in_c = n.in_c, in_h = n.in_h, in_w = n.in_w;
  static constexpr extent out_c = n.out_c, out_h = n.out_h, out_w = n.out_w;
  static constexpr extent k_h = n.k_h, k_w = n.k_w, groups = n.groups;
  static constexpr extent stride_h = n.window.stride.height, stride_w = n.window.stride.width;
  static constexpr extent dilation_h = n.window.dilation.height,
                          dilation_w = n.window.dilation.width;
  static constexpr extent pad_top = n.padding.top, pad_left = n.padding.left;
};

/// The values of a scan.
template <auto Net, std::uint32_t I>
struct scan_loops {
  static constexpr const auto& table = Net.table();
  static constexpr const table_op& op = table.ops[I];
  static constexpr scan_parts parts = scan_parts::of(table, op);
  static constexpr auto steps =
      static_cast<std::size_t>(table.shape_of(table.operand(op, parts.states))[0]);
  /// Of the body: its input of a number, its result of a number.
  template <std::uint32_t K>
  static constexpr std::uint32_t input = body_input(table, parts.body, K);
  template <std::uint32_t K>
  static constexpr std::uint32_t result = table.operand(table.ops[parts.results], K);
  template <std::uint32_t K>
  static constexpr std::uint32_t operand = table.operand(op, K);
  template <std::uint32_t K>
  static constexpr std::uint32_t output = op.outputs.first + K;
};

}  // namespace graft::fixed
