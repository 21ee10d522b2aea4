// When a region is stale: the graph it was cut out of may change, but not the region's own ops.
#include "clone_fixture.hpp"

using namespace graft;
using namespace graft_test;

TEST_CASE("adding to the graph leaves a region current, taking back makes it stale", "[edge-93]") {
  Graph g;
  const auto x = input4(g);
  const auto y = two_layers(x);
  const Region r = extract(inputs(x), outputs(y));
  (void)relu(y);
  CHECK_FALSE(r.stale());
  std::optional<Region> taken;
  {
    const Graph::transaction undo(g);
    taken = extract(inputs(x), outputs(tanh(y)));
    CHECK_FALSE(taken->stale());
  }
  CHECK(taken->stale());
  CHECK_FALSE(r.stale());
  (void)tanh(y);  // another op in its place
  CHECK(taken->stale());
  CHECK_THROWS_AS(taken->report(), graph_error);
}

TEST_CASE("edits of a region's own ops make it stale, others do not", "[edge-93]") {
  Graph g;
  const auto x = input4(g, "x"), x2 = input4(g, "x2");
  const auto h = relu(x, "h");
  const auto y = sub(h, x, "y");
  const auto head = tanh(h, "head");
  const Region r = extract(inputs(x), outputs(y));

  g.set_operand(op_of(head), 0, id_of(x2));
  g.rename(op_of(head), "other_head");
  CHECK_FALSE(r.stale());

  SECTION("an operand") { g.set_operand(op_of(y), 1, id_of(h)); }
  SECTION("a name") { g.rename(op_of(h), "hidden"); }
  SECTION("an op removed") {
    const std::vector<op_id> gone{op_of(y)};
    g.erase_ops(gone);
  }
  SECTION("an update declared later") {
    const auto w = make_variable<float, shape<4>>(g, "w", zeros());
    const Region with_w = extract(inputs(x), outputs(add(x, w)));
    const op_id bump = op_of(assign(w, w + 1.0f));
    CHECK_FALSE(with_w.stale());
    g.own_update(*g.variable_read_by(id_of(w)), bump);
    CHECK(with_w.stale());
    g.set_operand(op_of(y), 1, id_of(h));
  }
  CHECK(r.stale());
  CHECK_THROWS_AS(clone(r), graph_error);
}

TEST_CASE("an edit that is taken back leaves a region current, one cut meanwhile becomes stale",
          "[edge-93]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto h = relu(x, "h");
  const auto y = sub(h, x, "y");
  const Region before = extract(inputs(x), outputs(y));
  std::optional<Region> meanwhile;
  {
    const Graph::transaction undo(g);
    g.set_operand(op_of(y), 0, id_of(x));
    CHECK(before.stale());
    meanwhile = extract(inputs(x), outputs(y));
    CHECK(meanwhile->nodes().size() == 1);
  }
  CHECK_FALSE(before.stale());
  CHECK(meanwhile->stale());
}

TEST_CASE("a region may outlive its graph") {
  std::optional<Region> r;
  {
    Graph g;
    const auto x = input4(g);
    r = extract(inputs(x), outputs(relu(x)));
  }
  CHECK(r->stale());
  CHECK(r->nodes().size() == 1);
  CHECK_THROWS_AS(r->graph(), handle_error);
  CHECK_THROWS_AS(r->report(), handle_error);
}
