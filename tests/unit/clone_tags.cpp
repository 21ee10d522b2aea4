// What users hang on ops: attributes of their own, and collections that say what belongs together, such as what
// is to run on one device.
#include "graft/io/region_file.hpp"
#include "graft/surgery/substitute.hpp"

#include "clone_fixture.hpp"
#include "temporary_file.hpp"

using namespace graft_test;

namespace {

void tag(Graph& g, op_id op, std::string_view device) {
  attribute_list attributes = g.attributes_of(op);
  attributes.set_string("device", device);
  g.set_attributes(op, attributes);
}
std::string tag_of(const Graph& g, op_id op) {
  return std::string(g.attributes_of(op).string("device"));
}

member op_member(op_id op) { return {member::kind::op, {}, {op, 0}}; }

}  // namespace

TEST_CASE("tags of ops follow into clones and are the copies' own", "[clone][edge-62][edge-58]") {
  Graph g;
  const auto x = input4(g);
  const auto h = relu(x);
  const auto y = tanh(h);
  tag(g, op_of(h), "cpu:1");
  const Region region = extract(inputs(x), outputs(y));
  const Clone copy = clone(region);
  CHECK(tag_of(g, copy(op_of(h))) == "cpu:1");
  CHECK(tag_of(g, copy(op_of(y))).empty());
  tag(g, copy(op_of(h)), "cpu:2");
  CHECK(tag_of(g, op_of(h)) == "cpu:1");
  CHECK(tag_of(g, copy(op_of(h))) == "cpu:2");
  const Clone second = clone(extract(inputs(copy(x)), outputs(copy(y))));
  CHECK(tag_of(g, second(copy(op_of(h)))) == "cpu:2");

  Graph other;
  const Clone far = clone(region, into(other, "far"));
  CHECK(tag_of(other, far(op_of(h))) == "cpu:1");
  const temporary_file file;
  save_region(file.path, extract(inputs(x), outputs(h)));
  const loaded_region loaded = load_region(other, file.path);
  CHECK(tag_of(other, op_of(loaded.outputs[0])) == "cpu:1");
  const auto on_other_input = substitute(y, bind(x, input4(g, "x2")));
  CHECK(tag_of(g, g.operand(op_of(on_other_input), 0).op) == "cpu:1");
}

TEST_CASE("tags can be changed and dropped while ops are copied", "[clone][edge-62]") {
  Graph g;
  const auto x = input4(g);
  const auto h = relu(x);
  const auto y = tanh(h);
  tag(g, op_of(h), "cpu:1");
  tag(g, op_of(y), "gpu:0");
  const auto retag = each_op([](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
    const attribute_list& was = op.graph->attributes_of(op.copy);
    attribute_list now;
    for (const attribute& a : was) {
      if (a.key != "device") now.set(attribute_list().set(a.key, a.integer, a.kind));
    }
    if (was.string("device") == "gpu:0") now.set_string("device", "gpu:1");
    op.graph->set_attributes(op.copy, now);
    return std::nullopt;
  });
  const Clone copy = clone(extract(inputs(x), outputs(y)), retag);
  CHECK(tag_of(g, copy(op_of(h))).empty());
  CHECK(tag_of(g, copy(op_of(y))) == "gpu:1");
  CHECK(tag_of(g, op_of(h)) == "cpu:1");
  CHECK(tag_of(g, op_of(y)) == "gpu:0");
  g.validate();
}

TEST_CASE("copies join those that belong with their sources; what lies outside stays alone",
          "[clone][edge-62][edge-38]") {
  Graph g;
  const auto x = input4(g);
  const auto before = tanh(x);
  const auto h = relu(before);
  const auto y = dense4(h);
  const auto after = tanh(y);
  const variable_id w = variable_named(g, "dense/w");
  const std::vector<member> together{op_member(op_of(before)), op_member(op_of(h)),
                                     member{member::kind::variable, w, {}},
                                     op_member(op_of(after))};
  for (const member& m : together) g.add_to_collection("device:0", m);
  const Region region = extract(inputs(before), outputs(y));
  SECTION("within one graph they join the members that are there") {
    const Clone copy = clone(region);
    std::vector<member> wanted = together;
    wanted.push_back(op_member(copy(op_of(h))));
    wanted.push_back({member::kind::variable, copy(w), {}});
    CHECK(g.collection("device:0") == wanted);
  }
  SECTION("a shared variable is there already") {
    const Clone copy = clone(region, variables::shared);
    CHECK(g.collection("device:0").size() == together.size() + 1);
  }
  SECTION("in another graph only they are there") {
    Graph other;
    const Clone copy = clone(region, into(other));
    CHECK(other.collection("device:0") ==
          std::vector<member>{op_member(copy(op_of(h))), {member::kind::variable, copy(w), {}}});
    const temporary_file file;
    save_region(file.path, region);
    Graph third;
    load_region(third, file.path);
    CHECK(third.collection("device:0").size() == 2);
  }
  SECTION("a clone that fails leaves them as they were") {
    CHECK_THROWS(
        clone(region, each_op([](const copied_op&) -> std::optional<std::vector<any_tensor>> {
                throw std::runtime_error("no");
              })));
    CHECK(g.collection("device:0") == together);
  }
}
