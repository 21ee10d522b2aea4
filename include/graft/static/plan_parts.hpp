// What a plan of a static network says of each op and each value.
#pragma once

#include <array>

#include "graft/static/kinds.hpp"
#include "graft/static/scan_parts.hpp"
#include "graft/static/types.hpp"

namespace graft::fixed {

enum class place : std::uint8_t {
  none,       ///< never computed
  input,      ///< where the caller keeps it
  output,     ///< where the caller wants it
  scratch,    ///< rewritten by every block of rows
  persistent  ///< variables, constants and what follows from them alone
};

/// One value. `count` is per row for values that have rows.
struct value_plan {
  bool has_rows = false;
  bool time_first =
      false;  ///< the batch is the second axis; in memory its rows come first all the same
  place where = place::none;
  std::size_t count = 0;         ///< elements
  std::size_t offset = 0;        ///< in bytes; for inputs and outputs their number
  std::uint32_t root = nothing;  ///< the value whose memory this one views, or itself
  std::uint32_t last_use = 0;    ///< op; of roots
};

/// How an op runs.
struct op_plan {
  kind what = kind::other;
  form_op form = form_op::neg;     ///< of elementwise ops
  bool runs = false;               ///< for every block of rows
  bool prepares = false;           ///< once after loading: nothing in it depends on an input
  bool flat = false;               ///< matmul: by one matrix, of all rows at once
  bool packs = false;              ///< flat matmul: the matrix is packed once after loading
  std::uint32_t start = nothing;   ///< packed matmul: value that the products are added to
  bool relu = false;               ///< packed matmul: negative results become 0
  std::uint32_t result = nothing;  ///< value that the op writes, after what was merged into it
  std::size_t packed = 0;          ///< packed matmul: offset of the matrix, in bytes
};

/// Why an op does not run.
enum class refusal : std::uint8_t {
  none,
  unknown,  ///< no such operator, or not that output of it
  rows,     ///< it does not keep the rows of the batch apart
  type,     ///< elements of a type that is not computed with
};

template <std::size_t Ops, std::size_t Values>
struct plan {
  std::array<op_plan, Ops> ops{};
  std::array<value_plan, Values> values{};
  std::size_t persistent = 0;           ///< bytes
  std::size_t scratch_per_row = 0;      ///< bytes
  std::size_t workspace = 0;            ///< bytes that an op may use while it runs
  std::size_t rows = 1;                 ///< of a block
  std::uint32_t unsupported = nothing;  ///< an op
  refusal why = refusal::none;
};

}  // namespace graft::fixed
