// The loops of a static network's ops as types full of constants, and the memory they run over.
#pragma once

#include "graft/static/plan.hpp"

namespace graft::fixed {

/// Where a block of rows finds its values.
struct memory {
  const float* const* inputs;
  float* const* outputs;
  float* scratch;
  float* persistent;
};

template <class Table>
constexpr extent last_extent(const Table& t, std::uint32_t value) {
  const dims shape = t.shape_of(value);
  return shape.back();
}
/// The extent after the batch axis.
template <class Table>
constexpr extent first_row_extent(const Table& t, std::uint32_t value) {
  const dims shape = t.shape_of(value);
  return shape[1];
}

/// A list of extents as a constant.
struct fixed_dims {
  std::size_t size = 0;
  std::array<extent, 12> e{};
  constexpr fixed_dims() = default;
  constexpr explicit fixed_dims(const dims& d) : size(d.size()) {
    for (std::size_t i = 0; i < size; ++i) e[i] = d[i];
  }
};

struct three_dims {
  fixed_dims extents, a, b;
};

// Joins neighbouring axes over which both operands run on without a jump.
constexpr three_dims collapsed(const dims& extents, const dims& a, const dims& b) {
  dims e, sa, sb;
  for (std::size_t i = 0; i < extents.size(); ++i) {
    if (extents[i] == 1) continue;
    if (!e.empty() && sa.back() == a[i] * extents[i] && sb.back() == b[i] * extents[i]) {
      e.back() *= extents[i];
      sa.back() = a[i];
      sb.back() = b[i];
    } else {
      e.push_back(extents[i]);
      sa.push_back(a[i]);
      sb.push_back(b[i]);
    }
  }
  three_dims result;
  result.extents = fixed_dims(e);
  result.a = fixed_dims(sa);
  result.b = fixed_dims(sb);
  return result;
}

template <auto Net, std::uint32_t I>
struct binary_loops {
  static constexpr const auto& table = Net.table();
  static constexpr const auto& p = plan_of<Net>;
  static constexpr std::uint32_t a = table.operand(table.ops[I], 0);
  static constexpr std::uint32_t b = table.operand(table.ops[I], 1);
  static constexpr std::uint32_t out = table.ops[I].outputs.first;
  static constexpr bool rows_a = p.values[a].has_rows, rows_b = p.values[b].has_rows,
                        rows = p.values[out].has_rows;
  static constexpr extent row_a = rows_a ? static_cast<extent>(p.values[a].count) : 0;
  static constexpr extent row_b = rows_b ? static_cast<extent>(p.values[b].count) : 0;
  static constexpr std::size_t count = p.values[out].count;
  static constexpr three_dims loops =
      collapsed(row_dims(table, out, rows), broadcast_strides(table, a, rows_a, out, rows).strides,
                broadcast_strides(table, b, rows_b, out, rows).strides);
  static constexpr std::size_t rank = loops.extents.size;
  static constexpr std::array<extent, 12> extents = loops.extents.e;
  static constexpr std::array<extent, 12> strides_a = loops.a.e;
  static constexpr std::array<extent, 12> strides_b = loops.b.e;
  /// True where all rows together are one line.
  static constexpr bool contiguous =
      p.values[a].count == count && p.values[b].count == count && rows_a == rows && rows_b == rows;
};

// Walks the input of a reduction (giving places in the result) or the result of a copy (giving
// places in the input).
template <auto Net, std::uint32_t I>
struct copy_loops {
  struct walk {
    fixed_dims extents, strides;
    extent start = 0;
  };
  static constexpr walk make() {
    const auto& t = Net.table();
    const auto& p = plan_of<Net>;
    const table_op& op = t.ops[I];
    const std::uint32_t from = t.operand(op, 0), to = op.outputs.first;
    const bool rows = p.values[to].has_rows;
    const dims in = row_dims(t, from, rows), out = row_dims(t, to, rows);
    dims in_strides(in.size(), 0);
    extent step_size = 1;
    for (std::size_t i = in.size(); i-- > 0; step_size *= in[i]) in_strides[i] = step_size;
    walk result;
    dims strides;
    if (p.ops[I].what == kind::transpose) {
      dims perm = t.integers_of(op, "perm");
      const auto rank = static_cast<extent>(t.shape_of(from).size());
      for (std::size_t i = 0; i < out.size(); ++i) {
        extent axis = perm.empty() ? rank - 1 - static_cast<extent>(i) : perm[i + (rows ? 1 : 0)];
        if (axis < 0) axis += rank;
        strides.push_back(in_strides[static_cast<std::size_t>(axis - (rows ? 1 : 0))]);
      }
      result.extents = fixed_dims(out);
    } else if (p.ops[I].what == kind::slice) {
      const dims axes = row_axes(t, from, rows, t.integers_of(op, "axes")).strides;
      const dims begin = t.integers_of(op, "begin"), steps = t.integers_of(op, "step");
      strides = in_strides;
      for (std::size_t i = 0; i < axes.size(); ++i) {
        const auto axis = static_cast<std::size_t>(axes[i]);
        result.start += (begin[i] < 0 ? begin[i] + in[axis] : begin[i]) * in_strides[axis];
        if (i < steps.size()) strides[axis] = in_strides[axis] * steps[i];
      }
      result.extents = fixed_dims(out);
    } else {
      const dims axes = row_axes(t, from, rows, reduced_axes(t, op)).strides;
      strides = dims(in.size(), 0);
      extent step_out = 1;
      for (std::size_t i = in.size(); i-- > 0;) {
        bool reduced = false;
        for (const extent a : axes) reduced = reduced || a == static_cast<extent>(i);
        if (reduced) continue;
        strides[i] = step_out;
        step_out *= in[i];
      }
      result.extents = fixed_dims(in);
    }
    result.strides = fixed_dims(strides);
    return result;
  }
  static constexpr walk w = make();
  static constexpr std::size_t size = w.extents.size + 1;

  /// So many elements lie together at every place.
  static constexpr auto run = static_cast<std::size_t>(
      size > 1 && w.strides.e[size - 2] == 1 && w.extents.e[size - 2] > 1 ? w.extents.e[size - 2]
                                                                          : 1);

  /// Returns the place of an index and moves the index on, by a whole run where the last axis is left out; the last
  /// element of `at` is the place itself.
  template <std::size_t LeftOut = 0>
  static constexpr std::size_t advance(std::array<extent, size>& at) {
    const extent place = w.start + at[size - 1];
    for (std::size_t i = size - 1 - LeftOut; i-- > 0;) {
      at[size - 1] += w.strides.e[i];
      if (++at[i] < w.extents.e[i]) break;
      at[size - 1] -= w.strides.e[i] * w.extents.e[i];
      at[i] = 0;
    }
    return static_cast<std::size_t>(place);
  }
};

template <auto Net, std::uint32_t I, std::uint32_t Part>
struct concat_runs {
  struct sizes {
    std::size_t outer = 1, run = 1, out_run = 1, offset = 0;
  };
  static constexpr sizes make() {
    const auto& t = Net.table();
    const table_op& op = t.ops[I];
    const bool rows = plan_of<Net>.values[op.outputs.first].has_rows;
    const auto axis = static_cast<std::size_t>(
        row_axes(t, t.operand(op, 0), rows, {t.integer_of(op, "axis")}).strides[0]);
    sizes result;
    const dims part = row_dims(t, t.operand(op, Part), rows);
    for (std::size_t i = 0; i < axis; ++i) result.outer *= static_cast<std::size_t>(part[i]);
    std::size_t inner = 1;
    for (std::size_t i = axis + 1; i < part.size(); ++i) inner *= static_cast<std::size_t>(part[i]);
    result.run = inner * static_cast<std::size_t>(part[axis]);
    const dims whole = row_dims(t, op.outputs.first, rows);
    result.out_run = inner * static_cast<std::size_t>(whole[axis]);
    for (std::uint32_t k = 0; k < Part; ++k) {
      const dims before = row_dims(t, t.operand(op, k), rows);
      result.offset += inner * static_cast<std::size_t>(before[axis]);
    }
    return result;
  }
  static constexpr sizes s = make();
  static constexpr std::size_t outer = s.outer, run = s.run, out_run = s.out_run, offset = s.offset;
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

}  // namespace graft::fixed
