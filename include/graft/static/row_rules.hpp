// Which ops can be run row by row of the batch, for the static executor.
#pragma once

#include "graft/static/plan_parts.hpp"
#include "graft/static/rows.hpp"

namespace graft::fixed {

/// Asks of one op of a table whose operands are classified. `Plan` is a plan.
template <class Table, class Plan>
class row_rules {
 public:
  constexpr row_rules(const Table& t, const Plan& p, const table_op& op, kind what, bool rows)
      : t_(t), p_(p), op_(op), what_(what), rows_(rows) {}

  /// True where every row of the result follows from the same rows of the operands, or there are no rows at all.
  [[nodiscard]] constexpr bool keep_rows() const {
    if (is_filled(what_)) return what_ != kind::reduction_size || counts_known_axes();
    if (is_spread(what_)) return all_spread();
    switch (what_) {
      case kind::matmul:
        return is_flat() || (fits_matrix(0) && fits_matrix(1));
      case kind::argmax:
      case kind::softmax:
      case kind::log_softmax:
        return row_axis(t_, op_, first(), rows_, -1).fits;
      case kind::softmax_cross_entropy:
        return all_operands_are(rows_) && rank() > (rows_ ? 1u : 0u);
      case kind::transpose: {
        const dims perm = t_.integers_of(op_, "perm");
        return !rows_ || (!perm.empty() && (perm[0] == 0 || perm[0] + extent(rank()) == 0));
      }
      case kind::concat:
        return all_operands_are(rows_) && row_axis(t_, op_, first(), rows_).fits;
      case kind::split:
      case kind::split_like:
        return row_axis(t_, op_, first(), rows_).fits;
      case kind::slice:
        return row_window_of(t_, op_, rows_, true).fits;
      case kind::pad:
      case kind::crop:
        return row_window_of(t_, op_, rows_, false).fits;
      case kind::gather:
        return gathers_rows();
      case kind::one_hot:
      case kind::one_hot_like:
        return true;
      case kind::layer_norm:
        return !rows_ || (only_first_has_rows() && rank() > 1);
      case kind::conv2d:
      case kind::batch_norm:
        return only_first_has_rows();
      case kind::max_pool2d:
      case kind::avg_pool2d:
        return rows_;
      default:
        return is_reduction(what_) && row_axes(t_, first(), rows_, reduced_axes(t_, op_)).fits;
    }
  }

  /// True for a matmul of all rows by one matrix without rows.
  [[nodiscard]] constexpr bool is_flat() const {
    return what_ == kind::matmul && only_first_has_rows() &&
           t_.integer_of(op_, "transpose_a") == 0 && t_.shape_of(t_.operand(op_, 1)).size() == 2;
  }
  /// True for one whose matrix is packed once: of integers none is.
  [[nodiscard]] constexpr bool packs() const {
    const dtype type = t_.values[op_.outputs.first].type;
    return is_flat() && (type == dtype::float32 || type == dtype::float64);
  }

 private:
  [[nodiscard]] constexpr std::uint32_t first() const { return t_.operand(op_, 0); }
  [[nodiscard]] constexpr std::size_t rank() const { return t_.shape_of(first()).size(); }
  [[nodiscard]] constexpr bool has_rows(std::uint32_t k) const {
    return p_.values[t_.operand(op_, k)].has_rows;
  }
  [[nodiscard]] constexpr bool all_operands_are(bool rows) const {
    for (std::uint32_t k = 0; k < op_.operands.count; ++k) {
      if (has_rows(k) != rows) return false;
    }
    return true;
  }
  [[nodiscard]] constexpr bool only_first_has_rows() const {
    for (std::uint32_t k = 1; k < op_.operands.count; ++k) {
      if (has_rows(k)) return false;
    }
    return has_rows(0);
  }
  [[nodiscard]] constexpr bool all_spread() const {
    for (std::uint32_t k = 0; k < operands_read(op_, what_); ++k) {
      const std::uint32_t from = t_.operand(op_, k);
      if (!broadcast_strides(t_, from, has_rows(k), op_.outputs.first, rows_).fits) return false;
    }
    return true;
  }
  [[nodiscard]] constexpr bool counts_known_axes() const {
    const dims all = t_.shape_of(first());
    for (const extent a : reduced_axes(t_, op_)) {
      if (all[static_cast<std::size_t>(a < 0 ? a + extent(all.size()) : a)] < 0) return false;
    }
    return t_.values[first()].ranked;
  }
  [[nodiscard]] constexpr bool fits_matrix(std::uint32_t k) const {
    return matrix_dims(t_, t_.operand(op_, k), has_rows(k), op_.outputs.first, rows_).fits;
  }
  // Rows of indices look up one table along its first axis; rows of a table are looked up by the same indices.
  [[nodiscard]] constexpr bool gathers_rows() const {
    if (!rows_) return true;
    const axis_numbers axis = row_axis(t_, op_, first(), has_rows(0));
    return has_rows(0) ? !has_rows(1) && axis.fits : axis.numbers[0] == 0;
  }

  const Table& t_;
  const Plan& p_;
  const table_op& op_;
  kind what_;
  bool rows_;
};

}  // namespace graft::fixed
