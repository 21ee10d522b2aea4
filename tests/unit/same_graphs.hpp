// Two graphs that must be alike to the last name.
#pragma once

#include "graft/graph/graph.hpp"

#include "catch.hpp"

namespace graft_test {

/// Checks that the graphs have the same ops in the same order, bodies included.
inline void check_same(const graft::Graph& a, const graft::Graph& b) {
  REQUIRE(a.op_count() == b.op_count());
  REQUIRE(a.body_count() == b.body_count());
  for (std::size_t i = 0; i < a.op_count(); ++i) {
    const graft::op_id p = a.op_at(i), q = b.op_at(i);
    INFO(a.path_of(p));
    CHECK(a.path_of(p) == b.path_of(q));
    CHECK(&a.schema_of(p) == &b.schema_of(q));
    CHECK(a.operands(p) == b.operands(q));
    CHECK(a.attributes_of(p) == b.attributes_of(q));
    for (std::uint32_t k = 0; k < a.output_count(p); ++k) {
      CHECK(a.type_of({p, k}) == b.type_of({q, k}));
    }
  }
  for (std::size_t i = 0; i < a.body_count(); ++i) {
    INFO("body " << i);
    check_same(a.body(static_cast<std::int64_t>(i)), b.body(static_cast<std::int64_t>(i)));
  }
}

}  // namespace graft_test
