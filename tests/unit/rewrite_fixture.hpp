// What the tests of rewriting share: a rule, and what is left.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "graft/ops/elementwise.hpp"
#include "graft/surgery/rewrite.hpp"

namespace graft_test {

using namespace graft;
using maybe = std::optional<any_tensor>;

inline const rewrite_rule double_negation{
    "double negation", patterns::op(ops::neg, patterns::op(ops::neg, patterns::any("x"))),
    [](const rule_args& r) -> maybe { return r["x"]; }};

/// The names of the operators of all ops, in storage order.
inline std::vector<std::string> operators(const Graph& g) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < g.op_count(); ++i) names.emplace_back(g.schema_of(g.op_at(i)).name);
  return names;
}

}  // namespace graft_test
