// What a region says of itself: what crosses its border, and what in it draws or has effects.
#include <utility>

#include "graft/graph/tables.hpp"

#include "clone_fixture.hpp"

using namespace graft;
using namespace graft_test;

TEST_CASE("a tensor used inside and outside is inside, and a side exit", "[edge-9]") {
  Graph g;
  const auto x = input4(g);
  const auto h = relu(x, "h");
  const auto y = relu(h, "y");
  const auto head = tanh(h, "head");

  const Region r = extract(inputs(x), outputs(y));
  CHECK(r.contains(op_of(h)));
  CHECK_FALSE(r.contains(op_of(head)));
  CHECK(r.report().side_exits == std::vector<region_report::exit>{{id_of(h), op_of(head)}});
  CHECK(mentions(to_string(r), "side exits: 'h' -> 'head'"));
}

TEST_CASE("control edges at the border are reported, not followed", "[edge-19]") {
  Graph g;
  const auto x = input4(g);
  const auto before = relu(x, "before"), inside = tanh(x, "inside"), y = exp(inside, "y"),
             after = sin(x, "after");
  g.add_control_edge(op_of(before), op_of(inside));
  g.add_control_edge(op_of(inside), op_of(y));
  g.add_control_edge(op_of(y), op_of(after));
  const Region r = extract(inputs(x), outputs(y));
  CHECK(r.nodes() == std::vector<op_id>{op_of(inside), op_of(y)});
  const region_report report = r.report();
  CHECK(report.control_in == std::vector<std::pair<op_id, op_id>>{{op_of(before), op_of(inside)}});
  CHECK(report.control_out == std::vector<std::pair<op_id, op_id>>{{op_of(y), op_of(after)}});
}

TEST_CASE("an initial value's random op is part of the bundle", "[edge-31]") {
  Graph g;
  const auto x = input4(g);
  const auto y = dense4(x);
  const Region r = extract(inputs(x), outputs(y));
  CHECK(r.report().random ==
        std::vector<op_id>{g.variable_of(variable_named(g, "dense/w")).initial.op});
}

TEST_CASE("the account of a region is stable", "[edge-94]") {
  Graph g;
  const auto x = input4(g);
  const auto y = dense4(x);
  const Region r = extract(inputs(x), outputs(y));
  const std::string text = to_string(r);
  CHECK(text == to_string(extract(inputs(x), outputs(y))));
  CHECK(mentions(text, "region of 6 ops and 2 variables"));
  CHECK(mentions(text, "inputs: 'x' float32 [?, 4]"));
  CHECK(mentions(text, "'dense/b' float32 [4] (parameter)"));
}

TEST_CASE("a report looks at its region and its surroundings, not at the graph", "[edge-89]") {
  Graph g;
  std::vector<row4> far{input4(g, "far")};
  for (int i = 0; i < 200; ++i) far.push_back(relu(far.back()));
  const row4 x = input4(g);
  const row4 y = two_layers(x);
  const Region region = extract(inputs(x), outputs(y));
  const region_report before = region.report();
  (void)input4(g);  // the graph has changed
  // Whoever looks at an op that is far away does not come back.
  std::vector<const operator_schema*> schemas;
  for (const row4& t : far) {
    auto& record = g.data().ops[static_cast<std::uint32_t>(g.index_of(op_of(t)))];
    schemas.push_back(std::exchange(record.schema, nullptr));
  }
  const region_report report = region.report();
  for (std::size_t i = 0; i < far.size(); ++i) {
    g.data().ops[static_cast<std::uint32_t>(g.index_of(op_of(far[i])))].schema = schemas[i];
  }
  CHECK(report.side_exits == before.side_exits);
  CHECK(report.random == before.random);
  CHECK(report.foreign_updates.empty());
  g.validate();
}
