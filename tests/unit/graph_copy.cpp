// Copying ops in bulk, which clones are made of.
#include <algorithm>
#include <numeric>

#include "graft/core/error.hpp"
#include "graft/graph/tables.hpp"

#include "catch.hpp"
#include "failing_allocations.hpp"
#include "graph/copy.hpp"
#include "small_graph.hpp"

using namespace graft;
using namespace graft::detail;
using small::apply;
using small::make_input;

namespace {

struct sample {
  Graph g;
  tensor_id x, first, halves, last, outside;
  variable_id w;
  sample() {
    x = make_input(g, {2, 3}, "x");
    g.enter_scope("net");
    first = apply(g, small::relu, {x}, "layer");
    outside = apply(g, small::relu, {first}, "layer");
    halves = apply(g, small::split, {first}, "halves", attribute_list().set("axis", 1));
    g.enter_scope("inner");
    w = g.add_variable(small::weight("w", {2, 3}));
    last = apply(g, small::add, {tensor_id{halves.op, 1}, g.variable_of(w).read}, "layer_5");
    g.leave_scope();
    g.leave_scope();
    g.add_control_edge(first.op, last.op);
    g.add_control_edge(outside.op, last.op);
  }
  [[nodiscard]] std::vector<std::uint32_t> region() const {
    std::vector<std::uint32_t> r;
    for (const tensor_id t :
         {first, halves, g.variable_of(w).initial, g.variable_of(w).read, last}) {
      r.push_back(static_cast<std::uint32_t>(g.index_of(t.op)));
    }
    return r;
  }
};

// Copies the sample's region into a new scope, the variable included.
copied_ops copy_region(const sample& s, Graph& to, tensor_id x2, std::string_view into) {
  const std::vector<std::uint32_t> ops = s.region();
  std::vector<std::pair<scope_id, scope_id>> scopes;
  const auto scope = [&](scope_id old) {
    const bool inner = s.g.scope_path(old) == "net/inner";
    const scope_id parent = inner ? scopes.at(0).second : scope_id{0};
    scopes.emplace_back(old, append_scope(to, parent, inner ? "inner" : into));
    return scopes.back().second;
  };
  const auto outside = [&](tensor_id t) {
    CHECK(t == s.x);
    return x2;
  };
  const variable_id fresh = next_variable(to);
  const auto attributes = [&](op_id, attribute_list& a) {
    if (a.find("variable") != nullptr)
      a.set("variable", std::int64_t{fresh.value}, attribute_kind::variable);
  };
  Graph::transaction all(to);
  copy_request request;
  request.from = &s.g;
  request.to = &to;
  request.ops = ops;
  request.scope = scope;
  request.outside = outside;
  request.attributes = attributes;
  const copied_ops copies = append_copy(request);
  variable_info info = s.g.variable_of(s.w);
  info.read.op = copies.id(3);
  info.initial.op = copies.id(2);
  info.origin = s.w;
  append_variable(to, info);
  all.commit();
  return copies;
}

}  // namespace

TEST_CASE("a region is copied with names, operands, attributes and variables") {
  sample s;
  const tensor_id x2 = make_input(s.g, {2, 3}, "x2");
  const copied_ops c = copy_region(s, s.g, x2, "copy");
  s.g.validate();
  CHECK(c.count == 5);
  const op_id last = c.id(4);
  CHECK(s.g.path_of(last) == "copy/inner/layer_5");
  CHECK(s.g.path_of(c.id(0)) == "copy/layer");
  CHECK(s.g.operand(c.id(0), 0) == x2);
  CHECK(s.g.operand(last, 0) == tensor_id{c.id(1), 1});
  CHECK(s.g.operand(last, 1) == tensor_id{c.id(3), 0});
  CHECK(s.g.attributes_of(c.id(1)).integer("axis") == 1);
  const Graph::tables& t = s.g.data();  // shared: they cannot change
  CHECK(t.ops[c.first + 1].attributes == t.ops[t.index(s.halves.op)].attributes);
  CHECK(s.g.control_predecessors(last) == std::vector{c.id(0)});  // the one from outside is dropped
  CHECK(s.g.variables().size() == 2);
  CHECK(s.g.variable_read_by({c.id(3), 0}) == variable_id{1});
  CHECK(s.g.variable_of(variable_id{1}).origin == s.w);
  CHECK(s.g.find_op("copy/inner/layer_5") == last);
  CHECK(s.g.edit_stamp(s.first.op) == 0);
}

TEST_CASE("names in copied scopes are counted when somebody adds there") {
  sample s;
  copy_region(s, s.g, s.x, "copy");
  const scope_id scope = *s.g.find_scope("copy/inner");
  CHECK_FALSE(name_is_free(s.g, scope, "layer_5"));
  CHECK(name_is_free(s.g, scope, "layer"));
  s.g.reenter_scope(scope);
  CHECK(s.g.name_of(make_input(s.g, {1}, "layer_5").op) == "layer");
  CHECK(s.g.name_of(make_input(s.g, {1}, "w").op) == "w_1");
  s.g.leave_scope();
  s.g.validate();
  CHECK_FALSE(scope_name_is_free(s.g, scope_id{0}, "copy"));
  CHECK(scope_name_is_free(s.g, scope_id{0}, "copy_1"));
}

TEST_CASE("a region is copied to another graph and again from there") {
  sample s;
  Graph other;
  const tensor_id x2 = make_input(other, {2, 3}, "x2");
  const copied_ops c = copy_region(s, other, x2, "net");
  other.validate();
  CHECK(other.path_of(c.id(4)) == "net/inner/layer_5");
  CHECK(other.type_of({c.id(4), 0}) == s.g.type_of(s.last));
  CHECK(other.attributes_of(c.id(1)).integer("axis") == 1);
  CHECK(s.g.op_count() == 7);
  {
    sample gone = std::move(s);
  }
  other.validate();  // nothing of it was the source's
  CHECK(other.digest() != 0);
}

TEST_CASE("two scopes may be copied to one, or to one where names are") {
  sample s;
  const std::vector<std::uint32_t> ops{1, 6};  // "layer", "layer_5"
  for (const bool used : {false, true}) {
    const scope_id target = append_scope(s.g, scope_id{0}, "target");
    if (used) {
      s.g.reenter_scope(target);
      make_input(s.g, {1}, "layer");
      s.g.leave_scope();
    }
    const auto scope = [&](scope_id) { return target; };
    const auto outside = [&](tensor_id) { return s.x; };
    copy_request r;
    r.from = r.to = &s.g;
    r.ops = ops;
    r.scope = scope;
    r.outside = outside;
    const copied_ops first = append_copy(r);
    const copied_ops second = append_copy(r);
    s.g.validate();
    CHECK(s.g.name_of(first.id(0)) == (used ? "layer_1" : "layer"));
    CHECK(s.g.name_of(first.id(1)) == "layer_5");
    CHECK(s.g.name_of(second.id(0)) != s.g.name_of(first.id(0)));
  }
}

TEST_CASE("cut outputs count as outside") {
  sample s;
  const std::vector<std::uint32_t> ops{3, 6};  // halves, last
  const std::vector<tensor_id> cut{{s.halves.op, 1}};
  std::vector<tensor_id> asked;
  const auto outside = [&](tensor_id t) {
    asked.push_back(t);
    return s.x;
  };
  const auto scope = [&](scope_id old) {
    return append_scope(s.g, scope_id{0}, scope_name(s.g, old));
  };
  copy_request r;
  r.from = r.to = &s.g;
  r.ops = ops;
  r.cut = cut;
  r.outside = outside;
  r.scope = scope;
  const copied_ops c = append_copy(r);
  CHECK(asked == std::vector<tensor_id>{s.first, {s.halves.op, 1}, s.g.variable_of(s.w).read});
  CHECK(s.g.operand(c.id(1), 0) == s.x);
  s.g.validate();
}

TEST_CASE("types are worked out anew when asked for") {
  sample s;
  const tensor_id wide = make_input(s.g, {1, 3}, "wide"), bad = make_input(s.g, {5, 7}, "bad");
  const std::vector<std::uint32_t> ops{1, 3, 6};
  tensor_id x2 = wide;
  const auto outside = [&](tensor_id t) { return t == s.x ? x2 : t; };
  const auto scope = [&](scope_id old) {
    return append_scope(s.g, scope_id{0}, scope_name(s.g, old));
  };
  copy_request r;
  r.from = r.to = &s.g;
  r.ops = ops;
  r.outside = outside;
  r.scope = scope;
  r.infer_again = true;
  const copied_ops c = append_copy(r);
  CHECK(s.g.type_of({c.id(0), 0}).shape == dims{1, 3});
  CHECK(s.g.type_of({c.id(2), 0}).shape == dims{2, 3});
  s.g.validate();
  x2 = bad;
  const std::uint64_t before = s.g.digest();
  CHECK_THROWS_AS(append_copy(r), shape_error);
  CHECK(s.g.digest() == before);
  s.g.validate();
}

TEST_CASE("requests that make no sense are refused") {
  sample s;
  const std::uint64_t before = s.g.digest();
  copy_request r;
  CHECK_THROWS_AS(append_copy(r), graph_error);
  r.from = r.to = &s.g;
  CHECK(append_copy(r).count == 0);
  for (const std::vector<std::uint32_t>& ops :
       {std::vector<std::uint32_t>{2, 1}, {1, 1}, {1, 99}, {0xffffffffu}, {1}}) {
    r.ops = ops;  // the last one takes x, and nobody says what becomes of it
    CHECK_THROWS_AS(append_copy(r), graph_error);
  }
  const std::vector<std::uint32_t> one{1};
  r.ops = one;
  const auto nowhere = [](tensor_id) { return tensor_id{op_id{1234}, 0}; };
  r.outside = nowhere;
  CHECK_THROWS_AS(append_copy(r), handle_error);
  CHECK_THROWS_AS(append_variable(s.g, s.g.variable_of(s.w)), graph_error);
  CHECK(s.g.digest() == before);
  s.g.validate();
}

TEST_CASE("a copy that runs out of memory leaves nothing") {
  bool done = false;
  for (long n = 0; !done; ++n) {
    sample s;
    const tensor_id x2 = make_input(s.g, {2, 3}, "x2");
    const std::uint64_t before = s.g.digest();
    done = failing::allocation(n, [&] { copy_region(s, s.g, x2, "copy"); });
    if (!done) {
      CHECK(s.g.digest() == before);
      CHECK_FALSE(s.g.find_scope("copy"));
    }
    s.g.validate();
    copy_region(s, s.g, x2, "copy");
    CHECK(s.g.find_scope("copy").has_value());
    s.g.validate();
    REQUIRE(n < 1000);
  }
}

TEST_CASE("a graph whose storage order is not topological is copied") {
  Graph g;
  const tensor_id x = make_input(g), a = apply(g, small::relu, {x}), b = apply(g, small::relu, {a});
  const tensor_id late = apply(g, small::relu, {x});
  g.set_operand(a.op, 0, late);
  g.rename(b.op, "relu_9");
  Graph to;
  std::vector<std::uint32_t> all(g.op_count());
  std::iota(all.begin(), all.end(), 0u);
  copy_request r;
  r.from = &g;
  r.to = &to;
  r.ops = all;
  append_copy(r);
  to.validate();
  CHECK(to.digest() == g.digest());
  CHECK(to.find_op("relu_9").has_value());
}

TEST_CASE("places are found in dense and in sparse lists") {
  for (const std::uint32_t step : {1u, 3u, 1000u}) {
    std::vector<std::uint32_t> list;
    for (std::uint32_t i = 0; i < 500; ++i) list.push_back(7 + i * step);
    const place_map map{std::span<const std::uint32_t>(list)};
    for (std::uint32_t i = 0; i < 500; ++i) CHECK(map.find(list[i]) == i);
    CHECK(map.find(0) == place_map::none);
    CHECK(map.find(list.back() + 1) == place_map::none);
    CHECK(map.find(0xfffffff0u) == place_map::none);
    if (step > 1) CHECK(map.find(8) == place_map::none);
  }
  CHECK(place_map().find(0) == place_map::none);
  CHECK(place_map(std::span<const std::uint32_t>()).find(0) == place_map::none);
}

namespace {

std::vector<std::pair<op_id, std::uint32_t>> uses_of(const Graph& g, op_id op) {
  std::vector<std::pair<op_id, std::uint32_t>> result;
  g.for_each_use(op,
                 [&](const Graph::use& u, std::uint32_t) { result.emplace_back(u.user, u.slot); });
  return result;
}

}  // namespace

TEST_CASE("uses of copies are those inside, in the order of operands") {
  // 0 edits: the lists are as they were made. 1: an outside use is first. 2: inside uses change places.
  const int edit = GENERATE(0, 1, 2);
  const bool within = GENERATE(false, true);
  Graph g, h;
  const tensor_id x = make_input(g), before = make_input(g);
  const tensor_id a = apply(g, small::relu, {x}, "a");
  const tensor_id b = apply(g, small::add, {a, a}, "b"), c = apply(g, small::add, {a, b}, "c");
  const tensor_id d = apply(g, small::add, {b, c}, "d");
  const tensor_id outside = apply(g, small::add, {a, before}, "outside");
  (void)apply(g, small::relu, {b}, "outside");
  if (edit == 1) {  // all inside uses of a are added anew, after the one from outside
    for (const op_id user : {b.op, b.op, c.op}) {
      for (std::uint32_t slot = 0; slot < 2; ++slot) {
        if (g.operand(user, slot) != a) continue;
        g.set_operand(user, slot, x);
        g.set_operand(user, slot, a);
      }
    }
    CHECK(uses_of(g, a.op).front().first == outside.op);
  } else if (edit == 2) {
    g.set_operand(b.op, 0, x);
    g.set_operand(b.op, 0, a);
  }
  Graph& to = within ? g : h;
  const tensor_id x2 = make_input(to);
  std::vector<std::uint32_t> ops;
  for (const tensor_id t : {a, b, c, d}) {
    ops.push_back(static_cast<std::uint32_t>(g.index_of(t.op)));
  }
  copy_request r;
  r.from = &g;
  r.to = &to;
  r.ops = ops;
  const auto from_outside = [&](tensor_id) { return x2; };
  r.outside = from_outside;
  const copied_ops copies = append_copy(r);
  to.validate();
  using uses = std::vector<std::pair<op_id, std::uint32_t>>;
  const op_id a2 = copies.id(0), b2 = copies.id(1), c2 = copies.id(2), d2 = copies.id(3);
  CHECK(uses_of(to, x2.op) == uses{{a2, 0}});
  CHECK(uses_of(to, a2) == uses{{b2, 0}, {b2, 1}, {c2, 0}});
  CHECK(uses_of(to, b2) == uses{{c2, 1}, {d2, 0}});
  CHECK(uses_of(to, c2) == uses{{d2, 1}});
  CHECK(uses_of(to, d2).empty());
  CHECK(to.operand(d2, 0) == tensor_id{b2, 0});
}

TEST_CASE("a tensor that counts as outside is one though its op is copied") {
  Graph g;
  const tensor_id x = make_input(g), other = make_input(g);
  const tensor_id a = apply(g, small::relu, {x}, "a"), b = apply(g, small::add, {a, a}, "b");
  const std::vector<tensor_id> cut{a};
  copy_request r;
  r.from = r.to = &g;
  const std::vector<std::uint32_t> ops{2, 3};
  r.ops = ops;
  r.cut = cut;
  const auto outside = [&](tensor_id t) { return t == a ? other : x; };
  r.outside = outside;
  const copied_ops copies = append_copy(r);
  CHECK(g.operand(copies.id(1), 0) == other);
  CHECK(g.operand(copies.id(1), 1) == other);
  CHECK(g.operand(copies.id(0), 0) == x);
  CHECK(uses_of(g, copies.id(0)).empty());
  CHECK(uses_of(g, b.op).empty());
  g.validate();
}
