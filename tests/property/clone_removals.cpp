// Random graphs cloned under rules that drop updates and remove ops, and clones of which parts are removed later: what
// the map names is there, and what works on values takes what is left.
#include "graft/surgery/explain.hpp"
#include "graft/train/optimizer.hpp"

#include "random_net.hpp"

using namespace graft;
using namespace graft_test;

namespace {

// Removes some ops, if nothing else needs them.
void try_to_erase(Graph& g, dice& d, const std::vector<op_id>& among) {
  std::vector<op_id> gone;
  for (std::size_t i = 1 + d.below(4); i > 0 && !among.empty(); --i) {
    const op_id op = d.of(among);
    if (!g.contains(op) || std::find(gone.begin(), gone.end(), op) != gone.end()) continue;
    gone.push_back(op);
    if (g.output_count(op) == 0) continue;
    const auto v = g.variable_read_by({op, 0});
    const op_id initial = v ? g.variable_of(*v).initial.op : op;
    if (std::find(gone.begin(), gone.end(), initial) == gone.end()) gone.push_back(initial);
  }
  try {
    g.erase_ops(gone);
  } catch (const graph_error&) {  // something needs one of them
  }
}

op_transform random_rule(dice& d) {
  return each_op([&d, first = no_id](
                     const copied_op& op) mutable -> std::optional<std::vector<any_tensor>> {
    Graph& g = *op.graph;
    first = std::min(first, op.copy.value);
    if (d.one_in(8)) g.enter_scope("left");
    std::optional<std::vector<any_tensor>> answer;
    if (op.outputs.size() == 1) {
      const bool like_operand =
          !op.operands.empty() && g.type_of(g.id(op.operands[0])) == g.type_of(g.id(op.outputs[0]));
      switch (d.below(8)) {
        case 0:
        case 1:
          if (like_operand) answer = {{op.operands[0]}};
          break;
        case 2:
          answer = {{op.outputs[0] + 1.0f}};
          break;
        case 3:
          if (op.schema->has(ops::update)) {
            const auto v = static_cast<std::uint32_t>(g.attributes_of(op.copy).integer("variable"));
            const any_tensor read = g.handle(g.variable_of(variable_id{v}).read);
            answer = {{assign(read, op.operands[0] * 0.5f)}};
          }
          break;
        case 4:
          if (d.one_in(3)) {
            const auto made = make_variable<float, shape<4>>(g, "made", ones());
            answer = {{op.outputs[0] + any_tensor(made)}};
          }
          break;
        default:
          break;
      }
    }
    if (d.one_in(3)) {
      std::vector<op_id> among;
      for (std::uint32_t id = first; id < g.op_id_bound(); ++id) among.push_back(op_id{id});
      if (answer) std::erase(among, answer->at(0).ref().id.op);
      try_to_erase(g, d, among);
    }
    return answer;
  });
}

void check_map(const Clone& c) {
  const Graph &source = c.origin().graph(), &target = c.graph();
  c.check();
  for (const op_id op : c.origin().nodes()) {
    if (const auto image = c.find(op)) CHECK(target.contains(*image));
    for (std::uint32_t o = 0; o < source.output_count(op); ++o) {
      const auto image = c.find(tensor_id{op, o});
      if (!image) continue;
      REQUIRE(target.contains(image->op));
      CHECK(c(c.original(*image)) == *image);
    }
  }
  for (const auto& list : {c.inputs(), c.outputs()}) {
    for (const tensor_id t : list) CHECK(target.contains(t.op));
  }
  for (const variable_id v : c.origin().variables()) {
    const std::vector<variable_id> copies = c.images(v);
    if (copies.empty() || (&source == &target && copies.front() == v)) continue;
    for (const variable_id image : copies) CHECK(target.contains(image));
    for (const op_id update : source.variable_of(v).own_updates) {
      const update_group images = c(update_group(source, {update}));
      for (const op_id image : images.assigns()) {
        REQUIRE(target.contains(image));
        CHECK(target.schema_of(image).has(ops::update));
      }
    }
    // What is a copy's own is what became of its source's own.
    for (const variable_id image : copies) {
      for (const op_id own : target.variable_of(image).own_updates) {
        const std::vector<op_id> all =
            c(update_group(source, source.variable_of(v).own_updates)).assigns();
        CHECK(std::find(all.begin(), all.end(), own) != all.end());
      }
    }
  }
  for (const op_id op : c.nodes()) CHECK(target.contains(op));
  for (const variable_id v : c.variables()) CHECK(target.contains(v));
  for (const variable_id v : c.initializer().variables) CHECK(target.contains(v));
}

// Whatever was removed: a sentence or an answer, and in the latter case what is left is as asked for.
void check_values(const Clone& c) {
  Graph &source = c.origin().graph(), &target = c.graph();
  CHECK(c.bytes_owned() + c.bytes_shared() >= 0);
  CHECK_FALSE(to_string(c).empty());
  (void)c.leak_audit();
  for (const variable_id v : c.variables()) {
    if (!target.store().initialized(v)) target.store().set(v, Array::full<float>({4}, 5.0f));
  }
  copy_values(c);
  for (const variable_image& image : c.variable_images()) {
    const bool own =
        image.policy == variable_policy::fresh || image.policy == variable_policy::copied;
    if (!own || !source.contains(image.source)) continue;
    for (const variable_id v : c.images(image.source)) {
      if (target.contains(v))
        CHECK(target.store().get(v).same_bits(source.store().get(image.source)));
    }
  }
  try {
    swap_values(c);
  } catch (const argument_error&) {  // ties were split
  }
  try {
    const Graph::transaction undo(target);
    (void)soft_update(c, {.tau = 0.5});
    target.validate();
  } catch (const argument_error&) {  // in another graph, or nothing is left
  }
  reinitialize(c);
  target.validate();
}

void trial(std::uint64_t seed) {
  INFO("seed " << seed);
  dice d(seed);
  random_net made(d, 5 + seed % 40);
  Graph& g = made.g;
  const Region region = extract(as_list<input_list>(g, made.pick(d, d.below(3))),
                                as_list<output_list>(g, made.pick(d, 1 + d.below(3))), leaks::keep,
                                unused::allow, reentry::allow);
  Graph other;
  const bool here = d.one_in(2);
  Graph& target = here ? g : other;
  clone_options options;
  options.set(into(target, "copy"));
  options.set(d.one_in(2) ? ties::split : ties::keep);
  options.set(variables::by([&](const variable_info&) {
    switch (d.below(here ? 5 : 4)) {
      case 0:
        return variables::fresh;
      case 1:
        return variables::shared;
      case 2:
        return variables::frozen;
      case 3:
        return variables::copied;
      default:
        return variables::linked;
    }
  }));
  options.set(random_rule(d));
  const std::uint64_t digest = g.digest(), there = other.digest();
  std::optional<Clone> c;
  try {
    c = clone_region(region, options);
  } catch (const error&) {
    CHECK(g.digest() == digest);
    CHECK(other.digest() == there);
    CHECK(target.current_scope() == scope_id{});
    return;
  }
  CHECK(target.current_scope() == scope_id{});
  target.validate();
  if (!region.stale()) check_map(*c);
  check_values(*c);
  std::vector<op_id> all;
  for (int i = 0; i < 6; ++i) {
    Graph& from = d.one_in(2) ? g : target;
    all.clear();
    for (std::size_t k = 0; k < from.op_count(); ++k) all.push_back(from.op_at(k));
    try_to_erase(from, d, all);
  }
  check_values(*c);
}

}  // namespace

TEST_CASE("random graphs under rules that remove [clone][rule]") {
  for_seeds(2000, [](std::uint64_t seed) { trial(seed); });
}
