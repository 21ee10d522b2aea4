// Graphs of which much was removed.
#include "graft/graft.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

TEST_CASE("removals one after the other are undone one after the other") {
  Graph g;
  const auto x = input4(g, "x");
  std::vector<row4> all{x};
  const auto grow = [&](int count) {
    for (int i = 0; i < count; ++i) all.push_back(relu(all.back()));
  };
  const auto cut = [&](std::size_t from) {
    std::vector<op_id> gone;
    for (std::size_t i = from; i < all.size(); ++i) gone.push_back(op_of(all[i]));
    g.erase_ops(gone);
    all.resize(from, x);
  };
  grow(10);
  SECTION("the first of all") {
    const auto digest = g.digest();
    {
      const Graph::transaction undone(g);
      cut(6);
      grow(3);
      cut(4);
      grow(5);
      g.validate();
    }
    g.validate();
    CHECK(g.digest() == digest);
    CHECK(g.op_count() == 11);
  }
  SECTION("after others") {
    cut(8);
    grow(4);
    const auto digest = g.digest();
    const std::vector<row4> before = all;
    {
      Graph::transaction outer(g);
      cut(9);
      grow(2);
      {
        const Graph::transaction inner(g);
        cut(3);
        grow(7);
        g.validate();
      }
      g.validate();
      CHECK(g.op_count() == 11);
    }
    all = before;
    g.validate();
    CHECK(g.digest() == digest);
    for (std::size_t i = 1; i < all.size(); ++i) {
      CHECK(g.index_of(op_of(all[i])) == i);
      CHECK(g.operands(op_of(all[i]))[0] == id_of(all[i - 1]));
    }
    grow(1);  // ids that were undone are not given again
    g.validate();
  }
}

TEST_CASE("variables are listed in order of creation, however many were removed") {
  Graph g;
  const auto x = input4(g, "x");
  std::vector<variable_id> kept;
  for (int i = 0; i < 40; ++i) {
    const auto w = make_variable<float, shape<4>>(g, "w", zeros());
    const variable_id v = *g.variable_read_by(id_of(w));
    if (i % 8 == 3) {
      kept.push_back(v);
      continue;
    }
    const tensor_id initial = g.variable_of(v).initial;
    g.erase_ops(std::vector<op_id>{op_of(w), initial.op});
  }
  CHECK(g.op_count() == 11);
  CHECK(g.variables() == kept);
  CHECK(g.variable_count() == 5);
  CHECK(g.collection("variables").size() == 5);
  CHECK(g.collection("trainable_variables").size() == 5);
  Session session(g);
  session.initialize();
  CHECK(uninitialized(g).empty());
  (void)x;
  g.validate();
}

TEST_CASE("scopes are found by path, whatever was removed or undone before") {
  Graph g;
  const auto x = input4(g, "x");
  const auto put = [&](const char* outer, const char* inner) {
    const in_scope above(g, outer);
    const in_scope below(g, inner);
    return op_of(relu(x));
  };
  const auto scope_at = [&](const char* path) { return g.find_scope(path); };
  const op_id first = put("a", "b");
  const auto there = scope_at("a/b");
  REQUIRE(there);
  CHECK(g.scope_path(*there) == "a/b");
  CHECK_FALSE(scope_at("b"));
  CHECK_FALSE(scope_at("a/c"));

  g.erase_ops(std::vector{first});
  CHECK_FALSE(scope_at("a/b"));
  CHECK_FALSE(scope_at("a"));
  const op_id second = put("a", "b");
  const auto again = scope_at("a/b");
  REQUIRE(again);
  CHECK(*again != *there);
  {
    const Graph::transaction undone(g);
    g.erase_ops(std::vector{second});
    CHECK_FALSE(scope_at("a/b"));
    (void)put("a", "b");
    CHECK(scope_at("a/b") != again);
    CHECK(g.find_op("a/b/relu").has_value());
  }
  CHECK(scope_at("a/b") == again);
  CHECK(g.find_op("a/b/relu") == second);

  // Places of scopes that were undone are given again where nobody has seen them.
  const auto y = relu(x, "y");
  const Region region = extract(inputs(x), outputs(y));
  g.add_to_collection("outputs", {member::kind::op, {}, id_of(y)});
  const auto rule = [&](bool fails) {
    return collections::by([&g, fails](std::string_view) {
      CHECK(g.find_scope(fails ? "in/wrong" : "in/right").has_value());
      if (fails) throw std::runtime_error("no");
      return std::string("copies");
    });
  };
  CHECK_THROWS_AS(clone(region, bind(x, x), into("in/wrong"), rule(true)), std::runtime_error);
  CHECK_FALSE(scope_at("in"));
  (void)clone(region, bind(x, x), into("in/right"), rule(false));
  CHECK(scope_at("in/right").has_value());
  CHECK_FALSE(scope_at("in/wrong"));
  // Many scopes that come and go leave the look-up.
  for (int i = 0; i < 300; ++i) {
    const op_id op = put("come", "go");
    CHECK(scope_at("come/go").has_value());
    g.erase_ops(std::vector{op});
    CHECK_FALSE(scope_at("come/go"));
  }
  CHECK(scope_at("a/b") == again);
  g.validate();
}
