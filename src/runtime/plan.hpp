// A plan: everything about a call that does not change from run to run.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "graft/graph/operator.hpp"

namespace graft::detail {

/// What a call is, in numbers.
struct call_signature {
  std::vector<tensor_id> fetches;
  std::vector<op_id> updates;
  std::vector<tensor_id> feeds;
  std::vector<value_type> feed_types;  // all extents known
};

/// Where a value is while a plan runs.
enum class place : std::uint8_t { arena, feed, cell, constant };
struct slot {
  place where = place::arena;
  std::size_t offset = 0;  // arena: bytes; feed: index; cell: variable; constant: index
  tensor_info info;
};

/// One kernel call, or a group of elementwise ones run tile by tile.
struct step {
  op_id op;
  bound_kernel kernel;
  std::vector<std::uint32_t> in, out;  // slots; no_id: not read or not wanted
  std::size_t first_pointer = 0;       // in the context's pointers
};

/// A slot whose bytes become a variable's value when the run ends.
struct commit {
  variable_id variable;
  std::uint32_t from = no_id;  // no_id: a step writes the cell itself
};

struct plan {
  std::vector<slot> slots;
  std::vector<step> steps;
  std::size_t first_update = 0;  // steps from here on write variables and cannot fail
  std::vector<std::uint32_t> fetches;
  std::vector<commit> commits;
  std::vector<variable_id> variables;  // read or written: must be there
  std::vector<variable_id> read;       // must have a value
  std::size_t arena_bytes = 0, scratch_offset = 0, pointer_count = 0;
};

/// Makes a plan. @throws what Session::run documents
plan make_plan(const Graph& g, const call_signature& call);

std::string describe(const Graph& g, const plan& p);

}  // namespace graft::detail
