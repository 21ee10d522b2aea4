// Which variables of its source a clone can reach: by its own account, and by following every operand, initial
// value and update.
#include <cstring>
#include <set>

#include "graft/graft.hpp"

#include "clone_fixture.hpp"

using namespace graft;
using namespace graft_test;

namespace {

// One of each way to hold variables: statistics with updates, a tied layer, a stream, a body that reads a weight,
// an initial value that reads another variable.
struct source {
  Graph g;
  row4 x = input4(g, "x"), x2 = input4(g, "x2");
  tensor<Graph, dtype::boolean, shape<>> p = placeholder<bool, shape<>>(g, "p");
  any_tensor y;
  variable_id base, tied, start;

  source() {
    const auto of = [&](const any_tensor& read) { return *g.variable_read_by(g.id(read)); };
    constexpr auto layer = dense<4, "tied">.shared("tied");
    const auto h = dropout(batch_norm(layer(tanh(layer(x)))), 0.5);
    const auto w = make_variable<float, shape<4>>(g, "in_body", ones());
    const auto chosen = cond(p, [&] { return h * w; }, [&] { return h * 1.0f; });
    const auto root = make_variable<float, shape<4>>(g, "base", uniform());
    base = of(root);
    start = g.add_variable("start", id_of(root * 2.0f), variable_role::parameter, true);
    y = chosen + as<float, shape<4>>(g.handle(g.variable_of(start).read));
    tied = variable_named(g, "tied/kernel");
    Session session(g, {.seed = 3});
    session.initialize();
  }
  [[nodiscard]] Region region() const { return extract(inputs(x, p), outputs(y)); }
};

// The variables of the source that can be reached from a clone's outputs and new variables.
std::set<variable_id> reached(const Clone& c) {
  const Graph& g = c.graph();
  std::vector<op_id> open;
  std::set<op_id> seen;
  std::set<variable_id> met;
  const auto go_to = [&](op_id op) {
    if (seen.insert(op).second) open.push_back(op);
  };
  const auto visit = [&](variable_id v) {
    if (!met.insert(v).second) return;
    go_to(g.variable_of(v).initial.op);
    for (const op_id update : g.variable_of(v).own_updates) go_to(update);
  };
  for (const tensor_id t : c.outputs()) go_to(t.op);
  for (const variable_id v : c.variables()) visit(v);
  while (!open.empty()) {
    const op_id op = open.back();
    open.pop_back();
    for (const tensor_id t : g.operands(op)) go_to(t.op);
    for (const op_id before : g.control_predecessors(op)) go_to(before);
    for (std::uint32_t i = 0; i < g.output_count(op); ++i) {
      if (const auto v = g.variable_read_by({op, i})) visit(*v);
    }
  }
  std::set<variable_id> result;
  for (const variable_id v : c.origin().variables()) {
    if (met.contains(v)) result.insert(v);
  }
  return result;
}

std::set<variable_id> listed(const Clone& c) {
  std::set<variable_id> result;
  for (const source_access& access : c.leak_audit()) {
    CHECK(access.allowed);
    result.insert(access.variable);
  }
  return result;
}

}  // namespace

TEST_CASE("a clone with variables of its own reaches none of the source's", "[edge-88]") {
  source s;
  const variable_policy policy = GENERATE(variables::fresh, variables::copied, variables::frozen);
  const Region region = s.region();
  REQUIRE(region.variables().size() > 7);
  const auto own = [](const Clone& c) {
    c.check();
    CHECK(c.leak_audit().empty());
    CHECK(reached(c).empty());
  };
  const bool frozen = policy == variables::frozen;
  // A stream has to be drawn from, so what is frozen is all but streams.
  const variables::chosen_by choice = variables::by([&](const variable_info& v) {
    return frozen && v.role == variable_role::rng_stream ? variables::copied : policy;
  });
  own(clone(region, bind(s.x, s.x2, s.p, s.p), choice));
  own(clone(region, bind(s.x, s.x2, s.p, s.p), choice, ties::split));
  own(clone(region, bind(s.x, s.x2, s.p, s.p), choice, mode::inference));
  const auto all = replicate(region, 2, choice);
  own(all[0]);
  own(all[1]);
  const Clone first = clone(region, choice);
  Session(s.g).initialize();
  const Clone second =
      clone(extract(inputs(first(s.x), first(s.p)), outputs(first(s.y))), variables::copied);
  own(second);
  for (const variable_id v : first.variables()) CHECK(second(v) != v);
}

TEST_CASE("what is shared or linked is listed, exactly", "[edge-88]") {
  source s;
  const Region region = s.region();
  const auto choose = [&](const std::set<variable_id>& some, variable_policy policy) {
    return clone(region, bind(s.x, s.x2, s.p, s.p),
                 variables::by([some, policy](const variable_info& v) {
                   return some.contains(v.id) ? policy : variables::fresh;
                 }));
  };
  const variable_policy policy = GENERATE(variables::shared, variables::linked);
  for (const std::set<variable_id>& some :
       {std::set{s.tied}, std::set{s.base}, std::set{s.tied, variable_named(s.g, "in_body")}}) {
    const Clone c = choose(some, policy);
    c.check();
    CHECK(listed(c) == some);
    CHECK(reached(c) == some);
  }
  // What a shared variable starts as is the source's own business, base included.
  const Clone c = choose({s.start}, policy);
  c.check();
  CHECK(listed(c) == std::set{s.start});
  CHECK(reached(c) == std::set{s.start, s.base});
  const Clone all = clone(region, bind(s.x, s.x2, s.p, s.p), variables::shared);
  // What y needs; updates of statistics stay the source's, and base is read by an initial value alone.
  std::set<variable_id> needed;
  const std::vector<op_id> behind_y = backward_walk(s.g, s.y);
  for (const variable_id v : region.variables()) {
    if (has(behind_y, s.g.variable_of(v).read.op)) needed.insert(v);
  }
  REQUIRE(needed.size() > 5);
  CHECK(listed(all) == needed);
  needed.insert(s.base);
  CHECK(reached(all) == needed);
}

TEST_CASE("a tensor of the source that an input was bound to is no leak", "[edge-88]") {
  source s;
  const Region region = s.region();
  const auto h = as<float, shape<dyn, 4>>(s.y);
  const Clone behind = clone(region, bind(s.x, h, s.p, s.p));
  behind.check();
  CHECK(behind.leak_audit().empty());
  // The audit is of the clone's ops; the way through what it was bound to is the caller's, as gradients are.
  CHECK_FALSE(reached(behind).empty());
  const Clone apart = clone(region, bind(s.x, stop_gradient(h), s.p, s.p));
  for (const variable_id v : region.variables()) {
    const std::vector<any_tensor> read{s.g.handle(s.g.variable_of(v).read)};
    if (s.g.variable_of(v).role != variable_role::parameter || v == s.base) continue;
    CHECK_FALSE(try_gradients(mean(square(apart(s.y))), read)[0].has_value());
    CHECK(try_gradients(mean(square(behind(s.y))), read)[0].has_value());
  }
}

TEST_CASE("in another graph only what is shared has the source's storage", "[edge-88]") {
  source s;
  Graph other;
  const Clone c =
      clone(s.region(), into(other, "there"), variables::by([&](const variable_info& v) {
              return v.id == s.tied ? variables::shared : variables::copied;
            }));
  c.check();
  CHECK(listed(c) == std::set{s.tied});
  for (const variable_image& image : c.variable_images()) {
    INFO(s.g.path_of(image.source));
    const Array before = other.store().get(image.image);
    Array changed(before.type(), before.shape());
    std::memset(changed.mutable_data(), 7, changed.bytes());
    s.g.store().set(image.source, changed);
    CHECK(other.store().get(image.image).same_bits(image.source == s.tied ? changed : before));
  }
}
