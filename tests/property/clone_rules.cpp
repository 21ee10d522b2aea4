// Random graphs cloned under random rules: the map is total and consistent, the copy is what a naive rebuilding gives,
// the source stays as it was.
#include <map>
#include <set>

#include "graft/ops/math.hpp"
#include "graft/runtime/session.hpp"

#include "random_net.hpp"

using namespace graft;
using namespace graft_test;

namespace {

enum class decision : std::uint8_t { keep, drop, shift, noise, scale_and_drop, slope };

bool is(const operator_schema& schema, std::string_view name) { return schema.name == name; }

// What becomes of an op: from its id and a seed alone.
decision decide(const Graph& g, op_id op, std::uint64_t seed) {
  dice d(seed ^ (op.value * 0x9e3779b97f4a7c15ull));
  if (g.output_count(op) != 1 || g.schema_of(op).has(ops::update)) return decision::keep;
  const bool like_operand =
      g.operand_count(op) != 0 && g.type_of(g.operand(op, 0)) == g.type_of({op, 0});
  switch (d.below(6)) {
    case 0:
      return like_operand ? decision::drop : decision::keep;
    case 1:
      return decision::shift;
    case 2:
      return decision::noise;
    case 3:
      return like_operand ? decision::scale_and_drop : decision::keep;
    case 4:
      return is(g.schema_of(op), "leaky_relu") ? decision::slope : decision::keep;
    default:
      return decision::keep;
  }
}

attribute_list steeper(attribute_list attributes) { return attributes.set("alpha", 0.75); }

std::optional<std::vector<any_tensor>> apply(const copied_op& op, decision what) {
  switch (what) {
    case decision::drop:
      return std::vector{op.operands[0]};
    case decision::shift:
      return std::vector<any_tensor>{op.outputs[0] + 1.0f};
    case decision::noise:
      return std::vector<any_tensor>{identity(op.outputs[0] + op.outputs[0])};
    case decision::scale_and_drop:
      return std::vector<any_tensor>{op.operands[0] * 0.5f};
    case decision::slope:
      op.graph->set_attributes(op.copy, steeper(op.graph->attributes_of(op.copy)));
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

// The same network built anew, one op after another.
class rebuilt {
 public:
  rebuilt(const Region& region, std::uint64_t seed)
      : region_(region), g_(region.graph()), seed_(seed) {}

  Graph h;
  std::map<tensor_id, any_tensor> fed;

  any_tensor operator()(tensor_id t) {
    const auto known = known_.find(t);
    if (known != known_.end()) return known->second;
    const auto& kept = region_.kept();
    const auto& inputs = region_.inputs();
    if (std::find(kept.begin(), kept.end(), t) != kept.end() ||
        std::find(inputs.begin(), inputs.end(), t) != inputs.end()) {
      return fed[t] = known_[t] = placeholder<float, shape<4>>(h, "input");
    }
    const attribute_list attributes = g_.attributes_of(t.op);
    const decision what = decide(g_, t.op, seed_);
    if (const auto v = g_.variable_read_by(t)) {
      return known_[t] = changed(what, {}, {constant(h, g_.store().get(*v))});
    }
    if (is(g_.schema_of(t.op), "constant")) {
      return known_[t] = changed(what, {}, {constant(h, g_.constant(attributes.integer("value")))});
    }
    std::vector<any_tensor> operands;
    std::vector<tensor_id> ids;
    for (const tensor_id operand : g_.operands(t.op)) {
      operands.push_back((*this)(operand));
      ids.push_back(operands.back().ref().id);
    }
    const op_id made =
        h.add(g_.schema_of(t.op), ids, what == decision::slope ? steeper(attributes) : attributes);
    return known_[t] = changed(what, operands, h.handle({made, t.output}));
  }

 private:
  static any_tensor changed(decision what, const std::vector<any_tensor>& operands,
                            const any_tensor& output) {
    switch (what) {
      case decision::drop:
        return operands[0];
      case decision::shift:
        return output + 1.0f;
      case decision::noise:
        return output + output;
      case decision::scale_and_drop:
        return operands[0] * 0.5f;
      default:
        return output;
    }
  }

  const Region& region_;
  const Graph& g_;
  const std::uint64_t seed_;
  std::map<tensor_id, any_tensor> known_;
};

// Some operands changed: the order of storage is no longer that of the data.
void shuffle(random_net& made, dice& d) {
  for (int i = 0; i < 6; ++i) {
    const op_id op = d.of(made.tensors).ref().id.op;
    const tensor_id other = d.of(made.tensors).ref().id;
    if (made.g.operand_count(op) == 0 ||
        made.g.type_of(made.g.operand(op, 0)) != made.g.type_of(other))
      continue;
    try {
      const operand_change change{op, 0, other};
      made.g.set_operands({&change, 1});
    } catch (const graph_error&) {  // a cycle
    }
  }
}

void check_map(const Clone& c) {
  const Graph& g = c.origin().graph();
  for (const op_id op : c.origin().nodes()) {
    REQUIRE(c.find(op).has_value());
    CHECK(c.original(c(op)) == op);
    for (std::uint32_t o = 0; o < g.output_count(op); ++o) {
      const tensor_id t{op, o}, image = c(t);
      CHECK(c.graph().contains(image.op));
      CHECK(c(c.original(image)) == image);
    }
  }
  for (const auto* list : {&c.origin().inputs(), &c.origin().kept()}) {
    for (const tensor_id t : *list) CHECK(c(c.original(c(t))) == c(t));
  }
  for (const variable_id v : c.origin().variables()) {
    for (const variable_id image : c.images(v)) CHECK(c.original(image) == v);
  }
  for (const op_id op : c.nodes()) CHECK(c.graph().contains(op));
}

void check_values(dice& d, const Clone& c, std::uint64_t seed) {
  const Region& region = c.origin();
  rebuilt expected(region, seed);
  std::vector<any_tensor> there, here;
  for (const tensor_id t : region.outputs()) {
    there.push_back(expected(t));
    here.push_back(c.graph().handle(c(t)));
  }
  std::vector<feed_item> feeds_there, feeds_here;
  for (const auto& [t, handle] : expected.fed) {
    Array value(dtype::float32, {4});
    for (float& e : value.mutable_span<float>()) e = static_cast<float>(d.below(7)) - 3;
    feeds_there.push_back(feed(handle, value));
    feeds_here.push_back(feed(c.graph().handle(c(t)), value));
    there.push_back(handle);  // what is asked for is used, whatever the rule left of it
    here.push_back(feeds_here.back().target);
  }
  Session one(expected.h, {.threads = 1}), other(c.graph(), {.threads = 1});
  const std::vector<Array> wanted = one.run(there, feeds_there),
                           found = other.run(here, feeds_here);
  for (std::size_t i = 0; i < wanted.size(); ++i) CHECK(found[i].same_bits(wanted[i]));
}

void trial(std::uint64_t seed) {
  INFO("seed " << seed);
  dice d(seed);
  random_net made(d, 5 + seed % 50, false);
  Graph& g = made.g;
  if (d.one_in(2)) shuffle(made, d);
  g.validate();
  const Region region = extract(as_list<input_list>(g, made.pick(d, d.below(4))),
                                as_list<output_list>(g, made.pick(d, 1 + d.below(3))), leaks::keep,
                                unused::allow, reentry::allow);
  const auto rule =
      each_op([&](const copied_op& op) { return apply(op, decide(g, op.source, seed)); });
  const ties tied = d.one_in(2) ? ties::split : ties::keep;
  const std::uint64_t digest = g.digest();

  {
    const Graph::transaction undo(g);
    const Clone c = clone(region, variables::copied, rule, tied);
    g.validate();
  }
  CHECK(g.digest() == digest);
  // A rule that fails on the way leaves nothing.
  std::size_t left = d.below(region.nodes().size() + 1);
  const auto failing = each_op([&](const copied_op& op) {
    if (left-- == 0) throw std::runtime_error("no more");
    return apply(op, decide(g, op.source, seed));
  });
  try {
    const Graph::transaction undo(g);
    (void)clone(region, failing, tied);
  } catch (const std::runtime_error&) {
  }
  CHECK(g.digest() == digest);

  Graph other;
  const Clone away = clone(region, into(other, "copy"), variables::copied, rule, tied);
  CHECK(g.digest() == digest);
  other.validate();
  away.check();
  check_map(away);
  check_values(d, away, seed);

  const Clone here = clone(region, variables::copied, rule, tied);
  CHECK_FALSE(region.stale());
  g.validate();
  here.check();
  CHECK(here.leak_audit().empty());
  check_map(here);
  check_values(d, here, seed);
}

}  // namespace

TEST_CASE("random graphs under random rules [edge-90]") {
  for_seeds(2000, [](std::uint64_t seed) { trial(seed); });
}
