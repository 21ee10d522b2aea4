// Random sequences of building, editing and undoing: a graph stays valid, and what is undone leaves
// no trace.
#include <algorithm>
#include <numeric>
#include <random>

#include "graft/core/error.hpp"

#include "catch.hpp"
#include "graph/copy.hpp"
#include "small_graph.hpp"

using namespace graft;

namespace {

class player {
 public:
  player(Graph& g, std::uint32_t seed) : g_(g), random_(seed) {}

  // One random change; refusals are part of the game.
  void step() {
    try {
      change();
    } catch (const error&) {
      ++refused;
    }
  }
  int refused = 0;

 private:
  std::uint32_t below(std::size_t n) { return static_cast<std::uint32_t>(random_() % n); }
  op_id any_op() { return g_.op_at(below(g_.op_count())); }
  tensor_id any_tensor_id() {
    for (;;) {
      const op_id op = any_op();
      if (g_.output_count(op) != 0) return {op, below(g_.output_count(op))};
    }
  }
  std::string any_name() {
    static const char* const names[] = {"", "a", "b", "a_1", "a_2", "a_7", "b_3", "layer"};
    return names[below(std::size(names))];
  }

  void change() {
    if (g_.op_count() < 3) {
      small::make_input(g_, {2, 3}, any_name());
      return;
    }
    switch (below(18)) {
      case 0:
        small::make_input(g_, {2, 3}, any_name());
        break;
      case 1:
        small::make_input(g_, {below(3) + 1, 3}, any_name());
        break;
      case 2:
      case 3:
      case 4:
        small::apply(g_, small::add, {any_tensor_id(), any_tensor_id()}, any_name());
        break;
      case 5:
        small::apply(g_, small::split, {any_tensor_id()}, any_name());
        break;
      case 6:
        small::apply(g_, small::relu, {any_tensor_id()}, any_name());
        break;
      case 7:
        g_.add_variable(small::weight(any_name(), {2, 3}));
        break;
      case 8: {
        const auto all = g_.variables();
        if (all.empty()) break;
        const variable_id v = all[below(all.size())];
        g_.own_update(v, small::assign(g_, v, any_tensor_id()).op);
        break;
      }
      case 9:
        g_.enter_scope(below(2) == 0 ? "s" : "t_2");
        break;
      case 10:
        g_.leave_scope();
        break;
      case 11:
        g_.add_control_edge(any_op(), any_op());
        break;
      case 12: {
        const op_id after = any_op();
        const auto before = g_.control_predecessors(after);
        if (!before.empty()) g_.remove_control_edge(before[below(before.size())], after);
        break;
      }
      case 13:
        g_.set_operand(any_op(), below(2), any_tensor_id());
        break;
      case 14:
        g_.rename(any_op(), any_name());
        break;
      case 15: {
        std::vector<op_id> some{any_op()};
        for (int i = 0; i < 3; ++i) some.push_back(any_op());
        // What uses them goes along half of the time, so that removal is not always refused.
        for (std::size_t i = 0; below(2) == 0 && i < some.size(); ++i) {
          g_.for_each_use(some[i], [&](const Graph::use& u, std::uint32_t) {
            if (std::find(some.begin(), some.end(), u.user) == some.end()) some.push_back(u.user);
          });
        }
        g_.erase_ops(some);
        break;
      }
      case 16:
        g_.add_to_collection(
            any_name() + "c",
            {below(2) == 0 ? member::kind::tensor : member::kind::op, {}, any_tensor_id()});
        break;
      default:
        copy_some();
        break;
    }
  }

  void copy_some() {
    std::vector<std::uint32_t> ops;
    for (std::uint32_t i = 0; i < g_.op_count(); ++i) {
      const operator_schema& schema = g_.schema_of(g_.op_at(i));
      if (below(4) == 0 && !schema.has(ops::source) && !schema.has(ops::update)) ops.push_back(i);
    }
    const auto same = [](tensor_id t) { return t; };
    const bool flat = below(2) == 0;
    const scope_id top = detail::append_scope(g_, scope_id{0}, "copy");
    const auto scope = [&](scope_id s) {
      return flat
                 ? top
                 : detail::append_scope(g_, top, s.value == 0 ? "root" : detail::scope_name(g_, s));
    };
    detail::copy_request r;
    r.from = r.to = &g_;
    r.ops = ops;
    r.outside = same;
    r.scope = scope;
    append_copy(r);
  }

  Graph& g_;
  std::mt19937 random_;
};

}  // namespace

TEST_CASE("random sequences of changes keep a graph valid") {
  int refused = 0;
  for (std::uint32_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    Graph g;
    player p(g, seed);
    for (int i = 0; i < 80 && g.op_count() < 400; ++i) {
      const std::uint64_t before = g.digest();
      const int refused_before = p.refused;
      p.step();
      REQUIRE_NOTHROW(g.validate());
      if (p.refused != refused_before) REQUIRE(g.digest() == before);
    }
    refused += p.refused;
  }
  CHECK(refused > 0);
}

TEST_CASE("undone sequences leave no trace, nested ones neither") {
  for (std::uint32_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    Graph g, twin;  // the twin never sees what is undone
    player p(g, seed), q(twin, seed);
    for (int i = 0; i < 25; ++i) {
      p.step();
      q.step();
    }
    REQUIRE(g.digest() == twin.digest());
    for (int round = 0; round < 4; ++round) {
      const std::uint64_t before = g.digest();
      {
        Graph::transaction undo(g);
        player r(g, seed * 100 + static_cast<std::uint32_t>(round));
        for (int i = 0; i < 15; ++i) r.step();
        const std::uint64_t middle = g.digest();
        {
          Graph::transaction inner(g);
          for (int i = 0; i < 10; ++i) r.step();
        }
        REQUIRE(g.digest() == middle);
        {
          Graph::transaction inner(g);
          for (int i = 0; i < 10; ++i) r.step();
          inner.commit();
        }
        REQUIRE_NOTHROW(g.validate());
      }
      REQUIRE_NOTHROW(g.validate());
      REQUIRE(g.digest() == before);
      for (int i = 0; i < 5; ++i) {
        p.step();
        q.step();
      }
      REQUIRE(g.digest() == twin.digest());  // names, too, come out as if nothing had been
    }
  }
}
