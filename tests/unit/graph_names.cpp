#include <map>
#include <random>
#include <set>
#include <string>

#include "graft/core/error.hpp"

#include "catch.hpp"
#include "failing_allocations.hpp"
#include "small_graph.hpp"

using namespace graft;
using small::apply;
using small::make_input;

namespace {

std::string name_after(Graph& g, std::string_view asked) {
  return g.name_of(make_input(g, {1}, asked).op);
}

}  // namespace

TEST_CASE("names come from the operator and are counted in their scope") {
  Graph g;
  CHECK(name_after(g, "") == "input");
  CHECK(name_after(g, "") == "input_1");
  g.enter_scope("s");
  CHECK(name_after(g, "") == "input");
  g.leave_scope();
  CHECK(name_after(g, "") == "input_2");
}

TEST_CASE("names that are free are given as asked") {
  Graph g;
  CHECK(name_after(g, "w_2") == "w_2");
  CHECK(name_after(g, "w_1") == "w_1");
  CHECK(name_after(g, "w") == "w");
  CHECK(name_after(g, "w") == "w_3");
  CHECK(name_after(g, "w_7") == "w_7");
  CHECK(name_after(g, "w_7") == "w_4");
  CHECK(name_after(g, "w") == "w_5");
  CHECK(name_after(g, "w_1") == "w_6");
  CHECK(name_after(g, "w") == "w_8");
  g.validate();
}

TEST_CASE("numbers that are no ordinals belong to the name") {
  Graph g;
  for (const char* name :
       {"v_0", "v_01", "v1", "_1", "1", "v_", "v_12345678901", "v_2_3", "ünïcode_ß", "a:b.c"}) {
    CHECK(name_after(g, name) == name);
  }
  CHECK(name_after(g, "v_0") == "v_0_1");
  CHECK(name_after(g, "v_2_3") == "v_2");  // the next free one of v_2 is v_2 itself
  CHECK(name_after(g, "1") == "1_1");
  const std::string long_name(5000, 'n');
  CHECK(name_after(g, long_name) == long_name);
  CHECK(name_after(g, long_name) == long_name + "_1");
  g.validate();
}

TEST_CASE("malformed names are refused") {
  Graph g;
  const std::uint64_t version = g.version();
  CHECK_THROWS_AS(make_input(g, {1}, "a/b"), name_error);
  CHECK_THROWS_AS(make_input(g, {1}, "a\nb"), name_error);
  CHECK_THROWS_AS(g.enter_scope(""), name_error);
  CHECK_THROWS_AS(g.enter_scope("a/b"), name_error);
  CHECK(g.version() == version);
  CHECK(g.scope_count() == 1);
}

TEST_CASE("scopes nest, are unique, and can be entered again") {
  Graph g;
  const scope_id a = g.enter_scope("a");
  const scope_id b = g.enter_scope("b");
  CHECK(g.scope_path(b) == "a/b");
  CHECK(g.path_of(make_input(g, {1}, "x").op) == "a/b/x");
  g.leave_scope();
  g.leave_scope();
  const scope_id a1 = g.enter_scope("a");
  CHECK(g.scope_path(a1) == "a_1");
  g.leave_scope();
  g.reenter_scope(b);
  CHECK(g.path_of(make_input(g, {1}, "x").op) == "a/b/x_1");
  g.leave_scope();
  CHECK(g.current_scope() == scope_id{0});
  CHECK_THROWS_AS(g.leave_scope(), graph_error);
  CHECK_THROWS_AS(g.reenter_scope(scope_id{17}), handle_error);

  CHECK(g.scope_within(b, a));
  CHECK(g.scope_within(a, a));
  CHECK(g.scope_within(a, scope_id{0}));
  CHECK_FALSE(g.scope_within(a1, a));
  CHECK_FALSE(g.scope_within(a, b));
  CHECK(g.parent_scope(b) == a);
  CHECK(g.scope_path(scope_id{0}).empty());
}

TEST_CASE("ops and scopes are found by path, by component") {
  Graph g;
  const tensor_id x = make_input(g, {1}, "x");
  const scope_id a = g.enter_scope("a");
  const tensor_id ax = make_input(g, {1}, "x");
  const scope_id ab = g.enter_scope("ab_12");
  const tensor_id deep = make_input(g, {1}, "x_3");
  CHECK(g.find_op("x") == x.op);
  CHECK(g.find_op("a/x") == ax.op);
  CHECK(g.find_op("a/ab_12/x_3") == deep.op);
  CHECK_FALSE(g.find_op("a/ab/x_3"));
  CHECK_FALSE(g.find_op("a/ab_12"));
  CHECK_FALSE(g.find_op("a/ab_12/x"));
  CHECK_FALSE(g.find_op(""));
  CHECK_FALSE(g.find_op("a//x"));
  CHECK_FALSE(g.find_op("/x"));
  CHECK(g.find_scope("a") == a);
  CHECK(g.find_scope("a/ab_12") == ab);
  CHECK(g.find_scope("") == scope_id{0});
  CHECK_FALSE(g.find_scope("ab_12"));
  const tensor_id later = make_input(g, {1}, "later");
  CHECK(g.find_op("a/ab_12/later") == later.op);
  CHECK(g.path_of(tensor_id{later.op, 0}) == "a/ab_12/later");
  const tensor_id halves = apply(g, small::split, {later}, "halves");
  CHECK(g.path_of(tensor_id{halves.op, 1}) == "a/ab_12/halves:1");
}

TEST_CASE("an op can be renamed") {
  Graph g;
  const tensor_id x = make_input(g, {1}, "x"), y = make_input(g, {1}, "y");
  g.rename(x.op, "better");
  CHECK(g.name_of(x.op) == "better");
  CHECK(g.edit_stamp(x.op) != 0);
  CHECK(g.edit_stamp(y.op) == 0);
  g.rename(y.op, "better");
  CHECK(g.name_of(y.op) == "better_1");
  g.rename(y.op, "better_1");
  CHECK(g.name_of(y.op) == "better_1");
  CHECK_THROWS_AS(g.rename(y.op, "no/slash"), name_error);
  CHECK(g.find_op("better") == x.op);
  CHECK_FALSE(g.find_op("x"));
  g.validate();
}

TEST_CASE("ops are found by path whatever was added, renamed, removed and undone") {
  const int seed = GENERATE(range(0, 40));
  std::mt19937 random(static_cast<unsigned>(seed));
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  Graph g;
  std::set<std::string> paths;  // all that ever was one
  const auto change = [&] {
    const std::string name =
        std::string(1, static_cast<char>('a' + below(4))) + "_" + std::to_string(below(3));
    const auto some = [&] { return g.op_at(below(g.op_count())); };
    switch (g.op_count() < 3 ? 0 : below(4)) {
      case 0: {
        const bool inside = below(2) == 0;
        if (inside) g.enter_scope(name);
        make_input(g, {1}, name);
        if (inside) g.leave_scope();
        break;
      }
      case 1:
        g.rename(some(), name);
        break;
      case 2: {
        const op_id gone = some();
        g.erase_ops({&gone, 1});
        break;
      }
      default:
        make_input(g, {1}, name);
    }
  };
  const auto look = [&] {
    std::map<std::string, op_id> there;
    for (std::size_t i = 0; i < g.op_count(); ++i) {
      const std::string path = g.path_of(g.op_at(i));
      there.emplace(path, g.op_at(i));
      paths.insert(path);
    }
    for (const std::string& path : paths) {
      const auto wanted = there.find(path);
      const auto found = g.find_op(path);
      REQUIRE(found.has_value() == (wanted != there.end()));
      if (found) REQUIRE(*found == wanted->second);
    }
  };
  for (int turn = 0; turn < 60; ++turn) {
    if (below(3) == 0) {
      Graph::transaction undo(g);
      for (std::size_t k = below(4); k > 0; --k) {
        change();
        if (below(2) == 0) look();
      }
      if (below(3) == 0) undo.commit();
    } else {
      change();
    }
    if (below(2) == 0) look();
  }
  look();
  g.validate();
}

TEST_CASE("to find an op after a change costs what changed") {
  Graph g;
  const tensor_id x = make_input(g, {1}, "x");
  for (int i = 0; i < 2000; ++i) (void)make_input(g, {1}, "more");
  (void)g.find_op("x");
  const auto next = make_input(g, {1}, "next");
  CHECK(failing::bytes_of([&] { CHECK(g.find_op("next") == next.op); }) < 1000);
  g.rename(x.op, "y");
  CHECK(failing::bytes_of([&] { CHECK(g.find_op("y") == x.op); }) < 1000);
  const op_id gone = *g.find_op("more_7");
  g.erase_ops({&gone, 1});
  CHECK(failing::bytes_of([&] { CHECK_FALSE(g.find_op("more_7")); }) < 1000);
}

TEST_CASE("scopes go with the last of their ops, and their names are free again") {
  Graph g;
  const auto made_in = [&](const char* scope, std::vector<op_id>& ops) {
    const scope_id s = g.enter_scope(scope);
    g.enter_scope("inner");
    ops.push_back(make_input(g, {1}, "x").op);
    g.enter_scope("empty");
    g.leave_scope();
    g.leave_scope();
    ops.push_back(make_input(g, {1}, "x").op);
    g.leave_scope();
    return s;
  };
  std::vector<op_id> a, b, c, seven;
  const scope_id of_a = made_in("s", a), of_b = made_in("s", b), of_c = made_in("s", c),
                 of_seven = made_in("s_7", seven);
  CHECK(g.scope_path(of_c) == "s_2");
  CHECK(g.scope_path(of_seven) == "s_7");
  const scope_id early = g.enter_scope("early");  // empty from the beginning
  g.leave_scope();
  const auto before = g.digest();
  const auto paths = [&] {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < g.op_count(); ++i) all.push_back(g.path_of(g.op_at(i)));
    return all;
  };
  const auto paths_before = paths();

  SECTION("part of the ops: the scope stays") {
    g.erase_ops({a.data(), 1});
    CHECK(g.find_scope("s") == of_a);
    CHECK_FALSE(g.find_scope("s/inner"));
    CHECK(g.scope_path(early) == "early");
  }
  SECTION("all: it goes, and others keep their names") {
    g.erase_ops(b);
    CHECK_FALSE(g.find_scope("s_1"));
    CHECK_FALSE(g.find_scope("s_1/inner/empty"));
    CHECK_THROWS_WITH(g.scope_path(of_b), Catch::Contains("'s_1' is gone"));
    CHECK_THROWS_AS(g.reenter_scope(of_b), handle_error);
    g.validate();
    std::vector<op_id> again, next, after;
    CHECK(g.scope_path(made_in("s", again)) == "s_1");
    CHECK(g.path_of(again[0]) == "s_1/inner/x");
    CHECK(g.scope_path(made_in("s", next)) == "s_3");
    g.erase_ops(seven);
    CHECK(g.scope_path(made_in("s_7", after)) == "s_7");
  }
  SECTION("one that is entered stays") {
    g.reenter_scope(of_a);
    g.erase_ops(a);
    CHECK(g.current_scope() == of_a);
    CHECK(g.scope_path(of_a) == "s");
    CHECK_FALSE(g.find_scope("s/inner"));
    CHECK(g.path_of(make_input(g, {1}, "y").op) == "s/y");
    g.leave_scope();
  }
  SECTION("taken back: all is as it was") {
    {
      const Graph::transaction undone(g);
      std::vector<op_id> gone = a, again, other;
      gone.insert(gone.end(), seven.begin(), seven.end());
      g.erase_ops(gone);
      CHECK(g.scope_path(made_in("s", again)) == "s");
      CHECK(g.scope_path(made_in("s_7", other)) == "s_7");
      g.erase_ops(again);
      g.erase_ops(c);
      CHECK(g.scope_path(made_in("s", other)) == "s");
      g.validate();
    }
    CHECK(g.digest() == before);
    CHECK(paths() == paths_before);
    CHECK(g.find_scope("s/inner") == g.scope_of(a[0]));
    std::vector<op_id> next;
    CHECK(g.scope_path(made_in("s", next)) == "s_3");
    CHECK(g.scope_path(made_in("s_7", next)) == "s_4");
  }
  g.validate();
}

TEST_CASE("where an op was declared is kept") {
  Graph g;
  const op_id a =
      g.add(small::input, {}, small::declared(dtype::float32, {1}), {}, source_line::now());
  const op_id b = g.add(small::input, {}, small::declared(dtype::float32, {1}));
  CHECK(std::string(g.line_of(a).file).find("graph_names.cpp") != std::string::npos);
  CHECK(g.line_of(a).line > 0);
  CHECK(g.line_of(b).file == std::string());
}

TEST_CASE("a null pointer is no name") {
  Graph g;
  const char* const none = nullptr;
  const op_id a = g.add(small::input, {}, small::declared(dtype::float32, {1}), none);
  CHECK(g.path_of(a) == "input");
  const std::uint64_t before = g.digest();
  CHECK_THROWS_AS(g.enter_scope(none), name_error);
  CHECK_THROWS_AS(g.rename(a, none), name_error);
  CHECK(g.digest() == before);
  CHECK_FALSE(g.find_op(none));
  CHECK_FALSE(g.find_variable(none));
  CHECK(g.find_scope(none) == scope_id{});
  CHECK(g.collection(none).empty());
  CHECK(g.attributes_of(a).find(none) == std::nullopt);
}
