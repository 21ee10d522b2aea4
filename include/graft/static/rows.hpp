// Shapes within one row of the batch, for the static executor.
#pragma once

#include "graft/dsl/network_table.hpp"

namespace graft::fixed {

/// The extents of a value within one row: without the batch axis, where it has one.
template <class Table>
constexpr dims row_dims(const Table& t, std::uint32_t value, bool has_rows) {
  const dims all = t.shape_of(value);
  return has_rows ? dims(all.begin() + 1, all.end()) : all;
}

/// Strides of an operand over the row extents of a result it broadcasts to, and `fits` = false
/// where it cannot row by row.
struct broadcast_plan {
  bool fits = true;
  dims strides;
};
template <class Table>
constexpr broadcast_plan broadcast_strides(const Table& t, std::uint32_t from, bool from_rows,
                                           std::uint32_t to, bool to_rows) {
  broadcast_plan result;
  const dims out = row_dims(t, to, to_rows);
  dims in = row_dims(t, from, from_rows);
  if (from_rows && in.size() != out.size()) result.fits = false;
  if (!from_rows && to_rows && in.size() == out.size() + 1 && in[0] == 1) in.erase(0);
  if (in.size() > out.size()) result.fits = false;
  if (!result.fits) return result;
  result.strides.resize(out.size(), 0);
  extent step = 1;
  for (std::size_t i = in.size(); i-- > 0;) {
    const std::size_t at = out.size() - in.size() + i;
    result.strides[at] = in[i] == 1 ? 0 : step;
    step *= in[i];
  }
  return result;
}

/// Axes of a reduction or other op as places within a row; `fits` = false where the batch axis is
/// among them.
template <class Table>
constexpr broadcast_plan row_axes(const Table& t, std::uint32_t value, bool has_rows,
                                  const dims& axes) {
  broadcast_plan result;
  const std::size_t rank = t.shape_of(value).size();
  for (const extent a : axes) {
    const extent place = (a < 0 ? a + static_cast<extent>(rank) : a) - (has_rows ? 1 : 0);
    if (place < 0) result.fits = false;
    result.strides.push_back(place);
  }
  return result;
}

template <class Table>
constexpr dims reduced_axes(const Table& t, const table_op& op) {
  dims axes = t.integers_of(op, "axes");
  if (t.find_attribute(op, "axes") == t.not_found) {
    for (std::size_t i = 0; i < t.shape_of(t.operand(op, 0)).size(); ++i)
      axes.push_back(static_cast<extent>(i));
  }
  return axes;
}

}  // namespace graft::fixed
