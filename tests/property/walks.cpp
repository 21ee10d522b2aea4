// Walks on random graphs against a definition written out naively.
#include "graft/graph/walks.hpp"

#include <map>
#include <set>

#include <boost/graph/adjacency_list.hpp>

#include "graft/surgery/select.hpp"

#include "catch.hpp"
#include "random_rows.hpp"

using namespace random_rows;
using graft_test::for_seeds;

namespace {

struct edge {
  op_id from, to;
  std::optional<tensor_id> data;  // none: a control edge
};

std::vector<edge> edges_of(const Graph& g) {
  std::vector<edge> all;
  for (std::size_t i = 0; i < g.op_count(); ++i) {
    const op_id op = g.op_at(i);
    for (const tensor_id t : g.operands(op)) all.push_back({t.op, op, t});
    for (const op_id before : g.control_predecessors(op)) all.push_back({before, op, std::nullopt});
  }
  return all;
}

struct limits {
  std::set<op_id> seeds, within;
  std::set<tensor_id> stops;
  bool control = false, inclusive = true;
};

// By rounds: each adds what is one edge further. Also says how far each op is.
std::map<op_id, int> naive_walk(const std::vector<edge>& edges, const limits& l, bool forward) {
  std::map<op_id, int> distance;
  for (const op_id s : l.seeds) {
    if (l.within.contains(s)) distance[s] = 0;
  }
  for (int round = 1;; ++round) {
    std::map<op_id, int> more;
    for (const edge& e : edges) {
      if (!e.data && !l.control) continue;
      if (e.data && l.stops.contains(*e.data)) continue;
      const op_id here = forward ? e.from : e.to, there = forward ? e.to : e.from;
      if (distance.contains(here) && !distance.contains(there) && l.within.contains(there))
        more[there] = round;
    }
    if (more.empty()) break;
    distance.merge(more);
  }
  if (!l.inclusive) std::erase_if(distance, [](const auto& entry) { return entry.second == 0; });
  return distance;
}

void check_same(const std::vector<op_id>& walk, const std::map<op_id, int>& expected) {
  CHECK(walk.size() == expected.size());
  int last = 0;
  std::set<op_id> once;
  for (const op_id op : walk) {
    REQUIRE(expected.contains(op));
    CHECK(expected.at(op) >= last);  // nearest first
    last = expected.at(op);
    CHECK(once.insert(op).second);
  }
}

std::set<op_id> as_set(const std::vector<op_id>& ops) { return {ops.begin(), ops.end()}; }

void trial(std::uint64_t seed) {
  INFO("seed " << seed);
  dice d(seed);
  Graph g;
  const std::vector<tensor_id> rows = fill(g, d, {5 + d.below(60), true, true});
  std::vector<op_id> all;
  std::vector<tensor_id> tensors;
  for (std::size_t i = 0; i < g.op_count(); ++i) {
    all.push_back(g.op_at(i));
    for (std::uint32_t o = 0; o < g.output_count(all.back()); ++o)
      tensors.push_back({all.back(), o});
  }
  const std::vector<edge> edges = edges_of(g);

  const auto random_options = [&](limits& l) {
    walk_options options;
    options.control = l.control = d.one_in(2);
    options.inclusive = l.inclusive = !d.one_in(3);
    options.stop_at = d.some_of(tensors, d.below(4));
    l.stops = {options.stop_at.begin(), options.stop_at.end()};
    l.within = as_set(all);
    if (d.one_in(2)) {
      options.within = d.some_of(all, all.size());
      l.within = as_set(*options.within);
    }
    if (d.one_in(3)) {
      const std::uint32_t odd = static_cast<std::uint32_t>(d.below(2));
      options.within_if = op_filter([odd](op_id op) { return op.value % 3 != odd; });
      std::erase_if(l.within, [odd](op_id op) { return op.value % 3 == odd; });
    }
    return options;
  };
  limits ahead, behind;
  const walk_options forward_options = random_options(ahead),
                     backward_options = random_options(behind);
  const walk_seeds from{d.some_of(all, d.below(3)), d.some_of(tensors, d.below(3))};
  const walk_seeds to{d.some_of(all, d.below(3)), d.some_of(tensors, d.below(3))};
  ahead.seeds = as_set(from.ops);
  for (const edge& e : edges) {
    if (e.data &&
        std::find(from.tensors.begin(), from.tensors.end(), *e.data) != from.tensors.end())
      ahead.seeds.insert(e.to);
  }
  behind.seeds = as_set(to.ops);
  for (const tensor_id t : to.tensors) behind.seeds.insert(t.op);

  const auto expected_ahead = naive_walk(edges, ahead, true);
  const auto expected_behind = naive_walk(edges, behind, false);
  check_same(forward_walk(g, from, forward_options), expected_ahead);
  check_same(backward_walk(g, to, backward_options), expected_behind);
  std::set<op_id> both, either;
  for (const auto& [op, distance] : expected_ahead) {
    if (expected_behind.contains(op)) both.insert(op);
    either.insert(op);
  }
  for (const auto& [op, distance] : expected_behind) either.insert(op);
  const auto in_both = walk_intersection(g, from, to, forward_options, backward_options);
  const auto in_either = walk_union(g, from, to, forward_options, backward_options);
  CHECK(as_set(in_both) == both);
  CHECK(in_both.size() == both.size());
  CHECK(as_set(in_either) == either);
  CHECK(in_either.size() == either.size());

  // The same walk over a copy that Boost made.
  using listed = boost::adjacency_list<boost::vecS, boost::vecS, boost::bidirectionalS>;
  listed copy(g.op_count());
  for (const edge& e : edges) add_edge(g.index_of(e.from), g.index_of(e.to), copy);
  std::vector<std::size_t> starts;
  for (const op_id op : from.ops) starts.push_back(g.index_of(op));
  std::set<op_id> copied;
  for (const std::size_t v : walks::forward(copy, starts)) copied.insert(g.op_at(v));
  CHECK(copied == as_set(forward_walk(g, from.ops, {.control = true})));

  // A boundary, naively.
  const std::vector<op_id> some = d.some_of(all, d.below(8));
  const op_boundary boundary = boundary_of(g, some);
  std::set<tensor_id> in, out, inside;
  for (const op_id op : some) {
    for (std::uint32_t o = 0; o < g.output_count(op); ++o) out.insert({op, o});
  }
  const std::set<op_id> members = as_set(some);
  for (const edge& e : edges) {
    if (!e.data) continue;
    if (members.contains(e.to)) (members.contains(e.from) ? inside : in).insert(*e.data);
  }
  std::set<tensor_id> taken_outside;
  for (const edge& e : edges) {
    if (e.data && !members.contains(e.to)) taken_outside.insert(*e.data);
  }
  std::erase_if(out, [&](tensor_id t) { return inside.contains(t) && !taken_outside.contains(t); });
  const auto same = [](const std::vector<tensor_id>& list, const std::set<tensor_id>& set) {
    return std::set<tensor_id>(list.begin(), list.end()) == set && list.size() == set.size();
  };
  CHECK(same(boundary.inputs, in));
  CHECK(same(boundary.outputs, out));
  CHECK(same(boundary.inside, inside));

  // What is between tensors: ops that depend on an input and that an output depends on, cut at
  // inputs.
  const std::vector<tensor_id> starts_of = d.some_of(rows, 1 + d.below(3)),
                               ends = d.some_of(rows, 1 + d.below(3));
  input_list given_in;
  output_list given_out;
  for (const tensor_id t : starts_of) given_in.tensors.push_back(g.handle(t).ref());
  for (const tensor_id t : ends) given_out.tensors.push_back(g.handle(t).ref());
  const std::set<tensor_id> cuts(starts_of.begin(), starts_of.end());
  limits down, up;
  down.within = up.within = as_set(all);
  for (const edge& e : edges) {
    if (e.data && cuts.contains(*e.data)) down.seeds.insert(e.to);
  }
  for (const tensor_id t : ends) {
    if (!cuts.contains(t)) up.seeds.insert(t.op);
  }
  down.stops = up.stops = cuts;
  std::set<op_id> paths;
  const auto above = naive_walk(edges, up, false);
  for (const auto& [op, distance] : naive_walk(edges, down, true)) {
    if (above.contains(op)) paths.insert(op);
  }
  CHECK(as_set(between(given_in, given_out)) == paths);
}

}  // namespace

TEST_CASE("walks, boundaries and what is between on random graphs", "[edge-90]") {
  for_seeds(300, trial);
}
