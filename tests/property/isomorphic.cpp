// Random graphs: a clone is isomorphic to its region; after one random change it is not, and the
// difference names an op of the change.
#include "graft/surgery/isomorphic.hpp"

#include "graft/ops/elementwise.hpp"
#include "graft/surgery/diff.hpp"

#include "random_net.hpp"

using namespace graft;
using namespace graft_test;

namespace {

Region cut(const Graph& g, const std::vector<tensor_id>& in, const std::vector<tensor_id>& out) {
  input_list inputs;
  output_list outputs;
  for (const tensor_id t : in) inputs.tensors.push_back(g.handle(t).ref());
  for (const tensor_id t : out) outputs.tensors.push_back(g.handle(t).ref());
  return extract(inputs, outputs, leaks::keep, unused::allow, reentry::allow);
}

bool is(const Graph& g, op_id op, std::string_view name) { return g.schema_of(op).name == name; }

// Ops that the output depends on through operands, so that a change of them shows.
std::vector<op_id> ops_of(const Region& r, std::string_view name) {
  std::vector<op_id> found;
  for (const op_id op : r.nodes()) {
    if (is(r.graph(), op, name)) found.push_back(op);
  }
  return found;
}

bool names(const Graph& g, const std::vector<difference>& found, op_id op) {
  for (const difference& d : found) {
    if (d.left == op || d.right == op) return true;
    if (d.text.find("'" + g.path_of(op) + "'") != std::string::npos) return true;
  }
  return false;
}

void check_differs(const Region& a, const Region& b, op_id changed) {
  CHECK_FALSE(isomorphic(a, b));
  CHECK_FALSE(isomorphic(b, a));
  CHECK(content_hash(a) != content_hash(b));
  const auto found = diff(a, b);
  REQUIRE_FALSE(found.empty());
  INFO(to_string(found));
  CHECK(names(b.graph(), found, changed));
}

void trial(std::uint64_t seed) {
  INFO("seed " << seed);
  dice d(seed);
  random_net made(d, 5 + d.below(60));
  Graph& g = made.g;
  const auto in = made.pick(d, d.below(3)), out = made.pick(d, 1 + d.below(3));
  const Region region = cut(g, in, out);

  Graph other;
  const bool elsewhere = d.one_in(2);
  if (elsewhere) (void)relu(placeholder<float, shape<4>>(other, "decoy"));
  const Clone c = elsewhere ? clone(region, into(other, "copy")) : clone(region);
  Graph& h = c.graph();
  std::vector<tensor_id> new_in = c.inputs();
  const auto again = [&] { return cut(h, new_in, c.outputs()); };
  {
    const Region copy = again();
    const auto found = diff(region, copy);
    INFO(to_string(found));
    CHECK(isomorphic(region, copy));
    CHECK(isomorphic(copy, region));
    CHECK(found.empty());
    CHECK(content_hash(region) == content_hash(copy));
    // The pairing is that of the clone.
    for (const auto& [x, y] : correspond(region, copy).ops) CHECK(c(x) == y);
    const auto order = canonical_order(region), copied = canonical_order(copy);
    CHECK(order.size() == region.nodes().size());
    REQUIRE(order.size() == copied.size());
    for (std::size_t i = 0; i < order.size(); ++i) CHECK(c(order[i]) == copied[i]);
  }
  SECTION("another attribute") {
    const auto all = ops_of(region, "leaky_relu");
    if (all.empty()) return;
    const op_id op = c(d.of(all));
    attribute_list changed = h.attributes_of(op);
    changed.set("alpha", changed.real("alpha") + 0.5);
    h.set_attributes(op, changed);
    check_differs(region, again(), op);
  }
  SECTION("operands of what does not commute, exchanged") {
    const auto all = ops_of(region, "sub");
    if (all.empty()) return;
    const op_id op = c(d.of(all));
    const tensor_id a = h.operand(op, 0), b = h.operand(op, 1);
    if (a == b) return;
    h.set_operand(op, 0, b);
    h.set_operand(op, 1, a);
    const Region copy = again();
    // The two may compute the same; then only ties tell, and those are kept.
    const auto found = diff(region, copy);
    CHECK(isomorphic(region, copy) == found.empty());
    CHECK((content_hash(region) == content_hash(copy)) == found.empty());
    if (isomorphic(cut(h, new_in, {a}), cut(h, new_in, {b}))) return;
    CHECK_FALSE(found.empty());
  }
  SECTION("a broken tie") {
    // An op with two uses by ops of the region gets a twin for one of them.
    std::vector<std::pair<op_id, Graph::use>> uses;
    for (const op_id op : region.nodes()) {
      const op_id copy = c(op);
      if (h.operand_count(copy) == 0 || h.schema_of(copy).has(ops::update)) continue;
      std::vector<Graph::use> inside;
      h.for_each_use(copy, [&](const Graph::use& u, std::uint32_t output) {
        if (output == 0 && c.find_original(u.user)) inside.push_back(u);
      });
      if (inside.size() > 1) uses.emplace_back(copy, inside.back());
    }
    if (uses.empty()) return;
    const auto& [op, use] = d.of(uses);
    const auto operands = h.operands(op);
    const op_id twin =
        h.add(h.schema_of(op), std::vector<tensor_id>(operands.begin(), operands.end()),
              h.attributes_of(op), "twin");
    h.set_operand(use.user, use.slot, {twin, 0});
    const Region copy = again();
    CHECK_FALSE(isomorphic(region, copy));
    CHECK_FALSE(isomorphic(copy, region));
    CHECK(content_hash(region) != content_hash(copy));
    const auto found = diff(region, copy);
    REQUIRE_FALSE(found.empty());
    INFO(to_string(found));
    CHECK((names(h, found, twin) || names(h, found, op)));
  }
}

}  // namespace

TEST_CASE("random clones are isomorphic, random changes are not [edge-64] [edge-90]") {
  for_seeds(200, trial);
}
