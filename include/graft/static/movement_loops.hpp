// The loops of ops that move elements, as types full of constants.
#pragma once

#include "graft/static/loops.hpp"

namespace graft::fixed {

/// Walks the result of a transpose, a slice or a crop, giving places in the operand; of a pad it walks the operand,
/// giving places in the result.
template <auto Net, std::uint32_t I>
struct move_loops {
  struct walk {
    fixed_dims extents, strides;
    extent start = 0;
  };
  static constexpr const auto& table = Net.table();
  static constexpr const table_op& op = table.ops[I];
  static constexpr kind what = plan_of<Net>.ops[I].what;
  static constexpr std::uint32_t from = table.operand(op, 0), to = op.outputs.first;
  static constexpr bool rows = plan_of<Net>.values[to].has_rows;

  static constexpr walk make() {
    const dims in = row_dims(table, from, rows), out = row_dims(table, to, rows);
    const dims steps = strides_of(what == kind::pad ? out : in);
    walk result;
    dims strides = steps;
    if (what == kind::transpose) {
      const dims perm = table.integers_of(op, "perm");
      const extent first = rows ? 1 : 0, rank = static_cast<extent>(in.size()) + first;
      for (std::size_t i = 0; i < out.size(); ++i) {
        const extent at = static_cast<extent>(i) + first;
        extent axis = perm.empty() ? rank - 1 - at : perm[static_cast<std::size_t>(at)];
        if (axis < 0) axis += rank;
        strides[i] = steps[static_cast<std::size_t>(axis - first)];
      }
    } else {
      const row_window window = row_window_of(table, op, rows, what == kind::slice);
      for (std::size_t i = 0; i < steps.size(); ++i) {
        result.start += window.begin[i] * steps[i];
        strides[i] = steps[i] * window.step[i];
      }
    }
    result.extents = fixed_dims(what == kind::pad ? in : out);
    result.strides = fixed_dims(strides);
    return result;
  }
  static constexpr walk w = make();
  static constexpr std::size_t size = w.extents.size + 1;

  /// So many elements lie together at every place.
  static constexpr auto run = static_cast<std::size_t>(
      size > 1 && w.strides.e[size - 2] == 1 && w.extents.e[size - 2] > 1 ? w.extents.e[size - 2]
                                                                          : 1);

  /// Returns the place of an index and moves the index on, by a whole run; the last element of `at` is the place
  /// itself.
  static constexpr std::size_t advance(std::array<extent, size>& at) {
    const extent place = w.start + at[size - 1];
    for (std::size_t i = size - 1 - (run > 1 ? 1 : 0); i-- > 0;) {
      at[size - 1] += w.strides.e[i];
      if (++at[i] < w.extents.e[i]) break;
      at[size - 1] -= w.strides.e[i] * w.extents.e[i];
      at[i] = 0;
    }
    return static_cast<std::size_t>(place);
  }
};

/// The parts that concat puts together and split takes apart: runs of elements within every outer index of the whole.
template <auto Net, std::uint32_t I, std::uint32_t Part>
struct part_runs {
  static constexpr const auto& table = Net.table();
  static constexpr const table_op& op = table.ops[I];
  static constexpr bool splits = is_split(plan_of<Net>.ops[I].what);
  static constexpr std::uint32_t whole = splits ? table.operand(op, 0) : op.outputs.first;
  static constexpr std::uint32_t part_number(std::uint32_t k) {
    return splits ? op.outputs.first + k : table.operand(op, k);
  }
  static constexpr std::uint32_t part = part_number(Part);

  struct sizes {
    std::size_t outer = 1, run = 1, whole_run = 1, offset = 0;
  };
  static constexpr sizes make() {
    const bool rows = plan_of<Net>.values[whole].has_rows;
    const dims all = row_dims(table, whole, rows);
    const auto axis = static_cast<std::size_t>(row_axis(table, op, whole, rows).numbers[0]);
    const auto extent_of = [&](std::uint32_t k) {
      return static_cast<std::size_t>(row_dims(table, part_number(k), rows)[axis]);
    };
    sizes result;
    result.outer = product_of(all, 0, axis);
    const std::size_t inner = product_of(all, axis + 1, all.size());
    result.run = inner * extent_of(Part);
    result.whole_run = inner * static_cast<std::size_t>(all[axis]);
    for (std::uint32_t k = 0; k < Part; ++k) result.offset += inner * extent_of(k);
    return result;
  }
  static constexpr sizes s = make();
  static constexpr std::size_t outer = s.outer, run = s.run, whole_run = s.whole_run,
                               offset = s.offset;
};

/// A table as [outer][entries][inner], of which [outer][count][inner] is looked up, all within one row.
template <auto Net, std::uint32_t I>
struct lookup_shape {
  static constexpr const auto& table = Net.table();
  static constexpr const auto& p = plan_of<Net>;
  static constexpr const table_op& op = table.ops[I];
  static constexpr std::uint32_t from = table.operand(op, 0), indices = table.operand(op, 1);

  struct sizes {
    std::size_t outer = 1, entries = 0, inner = 1;
  };
  static constexpr sizes make() {
    const bool rows = p.values[from].has_rows;
    const dims all = row_dims(table, from, rows);
    const auto axis = static_cast<std::size_t>(row_axis(table, op, from, rows).numbers[0]);
    return {product_of(all, 0, axis), static_cast<std::size_t>(all[axis]),
            product_of(all, axis + 1, all.size())};
  }
  static constexpr sizes s = make();
  static constexpr std::size_t outer = s.outer, entries = s.entries, inner = s.inner;
  static constexpr std::size_t count = p.values[indices].count;
};

}  // namespace graft::fixed
