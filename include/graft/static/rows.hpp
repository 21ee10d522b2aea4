// Shapes within one row of the batch, for the static executor.
#pragma once

#include "graft/dsl/network_table.hpp"
#include "graft/ops/slicing.hpp"

namespace graft::fixed {

/// The extents of a value within one row: without the batch axis, where it has one.
template <class Table>
constexpr dims row_dims(const Table& t, std::uint32_t value, bool has_rows) {
  const dims all = t.shape_of(value);
  return has_rows ? dims(all.begin() + 1, all.end()) : all;
}

/// The row-major distances between neighbours along each axis.
constexpr dims strides_of(const dims& extents) {
  dims strides(extents.size(), 0);
  extent step = 1;
  for (std::size_t i = extents.size(); i-- > 0; step *= extents[i]) strides[i] = step;
  return strides;
}

/// Numbers for each axis within a row, and `fits` = false where there are none, row by row.
struct axis_numbers {
  bool fits = true;
  dims numbers;
};

/// Strides of an operand over the row extents of a result it broadcasts to.
template <class Table>
constexpr axis_numbers broadcast_strides(const Table& t, std::uint32_t from, bool from_rows,
                                         std::uint32_t to, bool to_rows) {
  axis_numbers result;
  const dims out = row_dims(t, to, to_rows);
  dims in = row_dims(t, from, from_rows);
  if (from_rows && in.size() != out.size()) result.fits = false;
  if (!from_rows && to_rows && in.size() == out.size() + 1 && in[0] == 1) in.erase(0);
  if (in.size() > out.size()) result.fits = false;
  if (!result.fits) return result;
  result.numbers.resize(out.size(), 0);
  const dims steps = strides_of(in);
  for (std::size_t i = 0; i < in.size(); ++i) {
    result.numbers[out.size() - in.size() + i] = in[i] == 1 ? 0 : steps[i];
  }
  return result;
}

/// Axes of a value as places within a row; the batch axis must not be among them.
template <class Table>
constexpr axis_numbers row_axes(const Table& t, std::uint32_t value, bool has_rows,
                                const dims& axes) {
  axis_numbers result;
  const std::size_t rank = t.shape_of(value).size();
  for (const extent a : axes) {
    const extent place = (a < 0 ? a + static_cast<extent>(rank) : a) - (has_rows ? 1 : 0);
    if (place < 0) result.fits = false;
    result.numbers.push_back(place);
  }
  return result;
}

/// The axes of a value that a reduction combines.
template <class Table>
constexpr dims reduced_axes(const Table& t, const table_op& op) {
  const dims from = t.shape_of(t.operand(op, 0));
  dims axes;
  if (op.operands.count == 2) {  // sum_to_like: those along which the result would be repeated
    const dims to = t.shape_of(op.outputs.first);
    const std::size_t more = from.size() - to.size();
    for (std::size_t i = 0; i < from.size(); ++i) {
      if (i < more || (to[i - more] == 1 && from[i] != 1)) axes.push_back(static_cast<extent>(i));
    }
    return axes;
  }
  if (t.find_attribute(op, "axes") != t.not_found) return t.integers_of(op, "axes");
  for (std::size_t i = 0; i < from.size(); ++i) axes.push_back(static_cast<extent>(i));
  return axes;
}

/// One axis that an op works along, 0 or `otherwise` where it does not say.
template <class Table>
constexpr axis_numbers row_axis(const Table& t, const table_op& op, std::uint32_t value,
                                bool has_rows, extent otherwise = 0) {
  return row_axes(t, value, has_rows, {t.integer_of(op, "axis", otherwise)});
}

/// Where slice, crop and pad begin along each axis of a row, and by how much they step.
struct row_window {
  bool fits = true;
  dims begin, step;
};
template <class Table>
constexpr row_window row_window_of(const Table& t, const table_op& op, bool has_rows, bool slices) {
  const dims from = t.shape_of(t.operand(op, 0));
  row_window w{true, dims(from.size(), 0), dims(from.size(), 1)};
  const attribute_list attributes = t.attributes_of(op.attributes);
  if (slices) {
    const ops::detail::slice_lists lists(attributes, from.size());
    for (std::size_t i = 0; i < lists.axes.size(); ++i) {
      const auto axis = static_cast<std::size_t>(lists.axes[i]);
      w.begin[axis] =
          ops::detail::slice_axis(from[axis], lists.begin[i], lists.size[i], lists.step[i]).begin;
      w.step[axis] = lists.step[i];
      if (axis == 0 && has_rows) w.fits = w.fits && lists.size[i] < 0;
    }
  } else {
    const ops::detail::border_lists lists(attributes, from.size());
    for (std::size_t i = 0; i < lists.axes.size(); ++i) {
      const auto axis = static_cast<std::size_t>(lists.axes[i]);
      w.begin[axis] = lists.before[i];
      if (axis == 0 && has_rows) w.fits = w.fits && lists.after[i] == 0;
    }
  }
  if (!has_rows) return w;
  w.fits = w.fits && w.begin[0] == 0 && w.step[0] == 1;
  w.begin.erase(0);
  w.step.erase(0);
  return w;
}

/// The extents of an operand of a matmul within one row of the result; `fits` = false where the batch is an axis
/// of the matrices themselves.
template <class Table>
constexpr axis_numbers matrix_dims(const Table& t, std::uint32_t value, bool has_rows,
                                   std::uint32_t result, bool rows) {
  axis_numbers m{true, row_dims(t, value, has_rows)};
  const std::size_t rank = t.shape_of(result).size();
  if (!rows) return m;
  if (has_rows) {
    m.fits = t.shape_of(value).size() == rank && rank > 2;
  } else if (m.numbers.size() == rank) {
    m.fits = m.numbers[0] == 1 && rank > 2;
    m.numbers.erase(0);
  }
  return m;
}

}  // namespace graft::fixed
