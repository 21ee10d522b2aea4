// Random graphs with copies of their ops planted among them: whichever copy is asked for, it has the
// bits of the original, and nothing is computed twice.
#include <map>
#include <set>
#include <string>

#include "graft/runtime/session.hpp"

#include "catch.hpp"
#include "random_net.hpp"

using namespace graft_test;

namespace {

class doubled {
 public:
  doubled(Graph& g, dice& d) : g_(g), d_(d) {}

  // Adds a second op beside most pure ones, on operands that are equal to the first one's.
  void plant() {
    const std::size_t count = g_.op_count();
    for (std::size_t i = 0; i < count; ++i) {
      const op_id op = g_.op_at(i);
      const operator_schema& schema = g_.schema_of(op);
      if ((schema.traits & (ops::source | ops::update | ops::effect | ops::random)) != 0 ||
          d_.one_in(4)) {
        continue;
      }
      std::vector<tensor_id> operands;
      for (const tensor_id t : g_.operands(op)) operands.push_back(one_of(t));
      const attribute_list attributes = g_.attributes_of(op);
      const op_id twin = g_.add(schema, operands, attributes);
      for (std::uint32_t o = 0; o < g_.output_count(op); ++o) {
        equals_[{op, o}].push_back({twin, o});
      }
    }
  }
  // A tensor or one of those that are equal to it.
  tensor_id one_of(tensor_id t) {
    const auto found = equals_.find(t);
    if (found == equals_.end() || d_.one_in(3)) return t;
    return d_.of(found->second);
  }

 private:
  Graph& g_;
  dice& d_;
  std::map<tensor_id, std::vector<tensor_id>> equals_;
};

// The feeds of those placeholders that lie under some tensors.
std::vector<feed_item> feeds_under(const random_net& made, const std::vector<tensor_id>& tensors,
                                   const std::vector<feed_item>& all) {
  std::set<op_id> under;
  std::vector<op_id> open;
  for (const tensor_id t : tensors) open.push_back(t.op);
  while (!open.empty()) {
    const op_id op = open.back();
    open.pop_back();
    if (!under.insert(op).second) continue;
    for (const tensor_id t : made.g.operands(op)) open.push_back(t.op);
  }
  std::vector<feed_item> result;
  for (const feed_item& f : all) {
    if (under.contains(f.target.ref().id.op)) result.push_back(f);
  }
  return result;
}

std::vector<any_tensor> handles(Graph& g, const std::vector<tensor_id>& tensors) {
  std::vector<any_tensor> result;
  for (const tensor_id t : tensors) result.push_back(g.handle(t));
  return result;
}

// "plan: 7 steps"
std::string steps_of(const std::string& plan) { return plan.substr(0, plan.find(',')); }

}  // namespace

TEST_CASE("merged ops have the bits of unmerged ones and take no step", "[edge-79]") {
  for_seeds(80, [](std::uint64_t seed) {
    INFO("GRAFT_TEST_SEED=" << seed);
    dice d(seed);
    random_net made(d, 10 + d.below(60), false);
    std::vector<feed_item> all;
    for (const row& x : made.placeholders) {
      Array value(dtype::float32, {4});
      for (float& e : value.mutable_span<float>()) e = static_cast<float>(d.below(9)) - 4;
      all.push_back(feed(x, value));
    }
    const std::vector<tensor_id> chosen = made.pick(d, 1 + d.below(4));
    const std::vector<feed_item> fed = feeds_under(made, chosen, all);
    Session session(made.g, {.threads = 1});
    const std::vector<Array> expected = session.run(handles(made.g, chosen), fed);
    const std::string plan = session.explain_plan(handles(made.g, chosen), fed);

    doubled twins(made.g, d);
    twins.plant();
    std::vector<tensor_id> asked = chosen;
    std::vector<std::size_t> as;  // of each of the others, the one it must equal
    for (int i = 0; i < 6; ++i) {
      as.push_back(d.below(chosen.size()));
      asked.push_back(twins.one_of(chosen[as.back()]));
    }
    const std::vector<Array> found = session.run(handles(made.g, asked), fed);
    for (std::size_t i = 0; i < asked.size(); ++i) {
      const std::size_t original = i < chosen.size() ? i : as[i - chosen.size()];
      REQUIRE(found[i].same_bits(expected[original]));
      // By itself, where maybe nothing is merged.
      const std::vector<tensor_id> one{asked[i]};
      const Array alone = session.run(handles(made.g, one), feeds_under(made, one, all)).front();
      REQUIRE(alone.same_bits(expected[original]));
    }
    const std::string merged = session.explain_plan(handles(made.g, asked), fed);
    INFO(plan << merged);
    REQUIRE(steps_of(merged) == steps_of(plan));
  });
}
