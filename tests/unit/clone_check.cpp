// What check() and leak_audit() find out about clones that were bent by hand.
#include <cmath>

#include "graft/graft.hpp"
#include "graft/graph/tables.hpp"

#include "clone_fixture.hpp"

using namespace graft;
using namespace graft_test;

namespace {

struct subject {
  Graph g;
  row4 x = input4(g, "x"), z = input4(g, "z");
  row4 y;
  variable_id w, moving;
  std::optional<Region> region;
  std::optional<Clone> copy;

  explicit subject(variable_policy policy = variables::fresh) {
    const row4 h = dense4(x);
    w = variable_named(g, "dense/w");
    const auto mean_of =
        make_variable<float, shape<4>>(g, "moving", zeros(), false, variable_role::statistic);
    moving = *g.variable_read_by(id_of(mean_of));
    g.own_update(moving, op_of(assign(mean_of, mean_of * 0.9f + mean<axes<0>>(h) * 0.1f)));
    y = sub(h, mean_of);
    set_values(g);
    region = extract(inputs(x), outputs(y));
    copy = clone(*region, bind(x, z), into("copy"), policy);
    copy->check();
  }
  [[nodiscard]] op_id product() const {  // of the copy
    return op_of(copy->operator()(g.handle({*g.find_op("dense/matmul"), 0})));
  }
  [[nodiscard]] std::string fault() const {
    return message_of<graph_error>([&] { copy->check(); });
  }
};

}  // namespace

TEST_CASE("a copy that reads the source's weight is found out", "[edge-88]") {
  subject s;
  s.g.set_operand(s.product(), 1, s.g.variable_of(s.w).read);
  CHECK(mentions(s.fault(), "an operand of a copy is not the operand's image"));
  bool found = false;
  for (const source_access& access : s.copy->leak_audit()) {
    found = found || (access.variable == s.w && !access.allowed);
  }
  CHECK(found);
}

TEST_CASE("a copy that reads the source's weight by a way of its own is found out", "[edge-88]") {
  subject s;
  // Behind the copy's own weight's update: no operand of the forward path differs.
  const Clone other =
      clone(*s.region, bind(s.x, s.z), into("other"), each_op([&](const copied_op& op) {
        if (std::string(op.schema->name) != "matmul")
          return std::optional<std::vector<any_tensor>>();
        return std::optional(
            std::vector<any_tensor>{op.outputs[0] + sum(s.g.handle(s.g.variable_of(s.w).read))});
      }));
  const std::vector<source_access> accesses = other.leak_audit();
  REQUIRE(accesses.size() == 1);
  CHECK(accesses[0].variable == s.w);
  CHECK_FALSE(accesses[0].allowed);
  CHECK(mentions(message_of<graph_error>([&] { other.check(); }),
                 "uses the source's variable 'dense/w'"));
}

TEST_CASE("a deliberately shared clone is allowed exactly its variables", "[edge-88]") {
  subject s(variables::shared);
  std::vector<variable_id> met;
  for (const source_access& access : s.copy->leak_audit()) {
    CHECK(access.allowed);
    if (!has(met, access.variable)) met.push_back(access.variable);
  }
  std::sort(met.begin(), met.end());
  CHECK(met == s.region->variables());
}

TEST_CASE("check finds what else no longer corresponds") {
  subject s;
  Graph::tables& t = s.g.data();
  const variable_id image = (*s.copy)(s.w), statistic = (*s.copy)(s.moving);
  SECTION("another operand count or order") {
    s.g.set_operands(std::vector<operand_change>{
        {op_of((*s.copy)(s.y)), 0, s.g.operand(op_of((*s.copy)(s.y)), 1)}});
    CHECK(mentions(s.fault(), "an operand"));
  }
  SECTION("an attribute") {
    attribute_list changed = s.g.attributes_of(s.product());
    changed.set("transpose_b", true);
    s.g.set_attributes(s.product(), changed);
    CHECK_FALSE(s.fault().empty());
  }
  SECTION("an op that is gone") {
    s.g.erase_ops(std::vector{op_of((*s.copy)(s.y))});
    CHECK(mentions(s.fault(), "is gone"));
  }
  SECTION("a role") {
    t.variables[image.value].role = variable_role::slot;
    CHECK(mentions(s.fault(), "role"));
  }
  SECTION("an update that was dropped") {
    t.variables[statistic.value].own_updates.clear();
    CHECK(mentions(s.fault(), "an update of a variable is missing"));
  }
  SECTION("storage that is the source's") {
    (void)s.g.store().exchange(image, s.g.store().cell(s.w));
    CHECK(mentions(s.fault(), "storage"));
  }
  SECTION("an initial value") {
    t.variables[image.value].initial = s.g.variable_of(s.w).initial;
    CHECK(mentions(s.fault(), "initial value"));
  }
}

TEST_CASE("check looks into bodies") {
  Graph g, other;
  const auto x = placeholder<float, shape<4>>(g, "x");
  const auto p = placeholder<bool, shape<>>(g, "p");
  const auto y = cond(p, [&] { return x * 2.0f; }, [&] { return x - 1.0f; });
  const Clone copy = clone(extract(inputs(x, p), outputs(y)), into(other, "copy"));
  copy.check();
  // The branches change places: as many ops, other ones.
  auto& bodies = other.data().bodies;
  REQUIRE(bodies.size() == 2);
  bodies[0].swap(bodies[1]);
  CHECK(mentions(message_of<graph_error>([&] { copy.check(); }), "another body"));
}

TEST_CASE("freezing and cloning may come in either order", "[edge-91]") {
  subject s;
  const auto frozen_then = clone(*s.region, into("frozen"), variables::frozen, unbound::keep);
  const Clone a = clone(extract(inputs(s.x), outputs(frozen_then(s.y))), bind(s.x, s.z), into("a"));
  const Clone copied = clone(*s.region, bind(s.x, s.z), into("b"), variables::copied);
  const Clone b = clone(extract(inputs(s.z), outputs(copied(s.y))), bind(s.z, s.z), into("c"),
                        variables::frozen);
  const row4 left = a(frozen_then(s.y)), right = b(copied(s.y));
  CHECK(isomorphic(extract(inputs(s.z), outputs(left)), extract(inputs(s.z), outputs(right))));
  Session session(s.g);
  Array rows(dtype::float32, {3, 4});
  float next = 1;
  for (float& e : rows.mutable_span<float>()) e = next++;
  const Array expected = session.run(s.y, feed(s.x, rows));
  CHECK(session.run(left, feed(s.z, rows)).same_bits(expected));
  CHECK(session.run(right, feed(s.z, rows)).same_bits(expected));
  // Snapshots both: what the source becomes does not show.
  s.g.store().set(s.w, Array::full<float>({4, 4}, 9));
  CHECK(session.run(left, feed(s.z, rows)).same_bits(expected));
  CHECK(session.run(right, feed(s.z, rows)).same_bits(expected));
}

TEST_CASE("policies that say nothing are refused") {
  subject s;
  const std::uint64_t before = s.g.digest();
  CHECK(mentions(
      message_of<argument_error>([&] { (void)clone(*s.region, variable_policy::replaced); }),
      "variables::expr"));
  CHECK_THROWS_AS(clone(*s.region, static_cast<variable_policy>(17)), argument_error);
  CHECK(mentions(message_of<name_error>([&] { (void)clone(*s.region, into("a//b")); }), "'a//b'"));
  CHECK(mentions(message_of<name_error>([&] { (void)clone(*s.region, into("a/")); }), "'a/'"));
  CHECK(s.g.digest() == before);
}

TEST_CASE("the lineage of a clone ends where a source was removed", "[edge-41]") {
  subject s;
  const Clone second = clone(extract(inputs(s.z), outputs((*s.copy)(s.y))), into("second"));
  const variable_id last = second((*s.copy)(s.w));
  CHECK(lineage(s.g, last) == std::vector{(*s.copy)(s.w), s.w});
  s.g.erase_ops(s.region->nodes());
  CHECK(lineage(s.g, last) == std::vector{(*s.copy)(s.w)});
  s.g.validate();
}

TEST_CASE(
    "attributes that are not a number are equal to themselves, and rules may leave some out") {
  Graph g;
  const auto x = input4(g);
  const any_tensor y = sum<axes<1>>(pad(x, dims{0, 1}, dims{0, 0}, std::nanf("")));
  const Region region = extract(inputs(x), outputs(y));
  clone(region).check();
  const Clone changed =
      clone(region, each_op([&](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
              if (op.schema->name != "sum") return std::nullopt;
              attribute_list fewer;
              fewer.set("axes", dims{0});
              op.graph->set_attributes(op.copy, fewer);
              return std::nullopt;
            }));
  changed.check();
  g.validate();
}
