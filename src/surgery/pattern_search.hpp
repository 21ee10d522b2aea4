// Matching a pattern at one tensor.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "graft/surgery/pattern.hpp"

namespace graft::detail {

struct pattern_node {
  enum class kind : std::uint8_t { any, number, variable, choice, op };
  kind what = kind::any;
  double value = 0;                         // number
  const operator_schema* schema = nullptr;  // op
  std::vector<pattern> operands;            // op, choice
  bool any_operands = false;
  std::optional<bool> commutative;
  bool sole_use = false;
  std::uint32_t output = 0;
  std::string name;
  std::vector<pattern::predicate> conditions;
  std::vector<std::function<bool(const attribute_list&)>> attributes;
};

struct pattern_access {
  static const pattern_node& node(const pattern& p) { return *p.node_; }
};

/// True for a tensor of one number in every element, known without running anything.
bool is_number(const Graph& g, tensor_id t, double value);

/// Which ops a match may consist of.
struct search_space {
  const Graph& graph;
  const Region* region = nullptr;  // nullptr: the whole graph
  std::vector<tensor_id> cuts;     // sorted: tensors that no op() may stand for
  std::vector<tensor_id> outputs;  // sorted: used by somebody outside
  const std::unordered_set<op_id>* taken = nullptr;

  search_space(const Graph& g, const Region* r);
  [[nodiscard]] bool inside(tensor_id t) const;
};

/// The match of a pattern at a tensor.
std::optional<pattern_match> match_at(const search_space& space, const pattern& what,
                                      tensor_id root);

/// The tensors that may be roots, in storage order.
std::vector<tensor_id> possible_roots(const search_space& space, const pattern& what);

}  // namespace graft::detail
