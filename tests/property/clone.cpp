// Random graphs, random cuts, random policies: regions against a definition written out naively,
// clones against the original op by op and by value.
#include "graft/surgery/clone.hpp"

#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <string>

#include "graft/dsl/control.hpp"
#include "graft/graph/tables.hpp"
#include "graft/ops/elementwise.hpp"
#include "graft/ops/initializers.hpp"
#include "graft/ops/logic.hpp"
#include "graft/ops/reduce.hpp"
#include "graft/ops/slicing.hpp"
#include "graft/ops/sources.hpp"

#include "catch.hpp"
#include "dice.hpp"
#include "graph/body_view.hpp"

using namespace graft;

namespace {

constexpr inferred infer_nothing(const infer_args&) { return inferred(); }
constexpr operator_schema check_op{"test_check", 1, 1, infer_nothing, ops::effect};

using graft_test::dice;

using row = tensor<Graph, dtype::float32, shape<4>>;

// A random graph in which most tensors are float32 [4]: others are halves of them, scalars, booleans and
// float64 on the way to one. Branches take tensors from around them, up to three deep.
struct random_graph {
  Graph g;
  std::vector<row> tensors, placeholders;

  explicit random_graph(dice& d, std::size_t ops) {
    std::size_t depth = 0;
    while (tensors.size() < 2 || g.op_count() < ops) {
      if (depth < 3 && d.one_in(8)) {
        g.enter_scope("scope");
        ++depth;
      } else if (depth > 0 && d.one_in(6)) {
        g.leave_scope();
        --depth;
      }
      step(d);
    }
    for (; depth > 0; --depth) g.leave_scope();
    if (d.one_in(2)) edit(d);
    for (const variable_id v : g.variables()) {
      Array value(dtype::float32, {4});
      for (float& e : value.mutable_span<float>()) e = static_cast<float>(d.below(9)) - 4;
      g.store().set(v, value);
    }
  }

 private:
  // Some operands changed, some ops removed: ids are no longer places, and the order is no longer
  // that of ids.
  void edit(dice& d) {
    for (int i = 0; i < 6; ++i) {
      try {
        const op_id op = d.of(tensors).ref().id.op;
        const tensor_id other = d.of(tensors).ref().id;
        if (g.operand_count(op) > 0 && g.type_of(g.operand(op, 0)) == g.type_of(other)) {
          Graph::transaction undo(g);
          g.set_operand(op, 0, other);
          g.validate();
          undo.commit();
        }
      } catch (const graph_error&) {  // a cycle, of initial values perhaps
      }
      try {
        const std::vector<op_id> gone{d.of(tensors).ref().id.op};
        g.erase_ops(gone);
      } catch (const graph_error&) {  // in use
      }
      const auto is_gone = [this](const row& t) { return !g.contains(t.ref().id.op); };
      std::erase_if(tensors, is_gone);
      std::erase_if(placeholders, is_gone);
      if (tensors.empty()) {
        placeholders.push_back(placeholder<float, shape<4>>(g, "input"));
        tensors.push_back(placeholders.back());
      }
    }
  }

  // One of two things, by which of two sums is the larger.
  row branches(dice& d, const row& a, const row& b, int deep) {
    const row c = d.of(tensors);
    const bool deeper = deep < 3 && d.one_in(3);
    return row(cond(
                   less(sum(a), sum(b)),
                   [&] { return deeper ? branches(d, b, c, deep + 1) : row(mul(relu(a), c)); },
                   [&] { return row(sub(b, a)); })
                   .ref());
  }

  void step(dice& d) {
    const std::size_t what = d.below(16);
    if (tensors.empty() || what == 0) {
      placeholders.push_back(placeholder<float, shape<4>>(g, "input"));
      tensors.push_back(placeholders.back());
      return;
    }
    const row a = d.of(tensors), b = d.of(tensors);
    switch (what) {
      case 1:
        tensors.push_back(make_variable<float, shape<4>>(g, "w", uniform()));
        break;
      case 2: {
        const variable_id v =
            g.add_variable("derived", a.ref().id, variable_role::statistic, false);
        tensors.push_back(row(g.handle(g.variable_of(v).read).ref()));
        break;
      }
      case 3: {
        if (g.variables().empty()) break;
        const variable_id v = d.of(g.variables());
        const row read(g.handle(g.variable_of(v).read).ref());
        const op_id assigned = assign(read, a).ref().id.op;
        if (d.one_in(2)) g.own_update(v, assigned);
        if (d.one_in(3)) tensors.push_back(row(g.handle({assigned, 0}).ref()));
        break;
      }
      case 4: {
        const auto [left, right] = split<2, 0>(a);
        const auto joined = d.one_in(2) ? concat<0>(right, left) : concat<0>(left, left);
        tensors.push_back(joined);
        break;
      }
      case 5: {
        const std::vector<tensor_id> operand{a.ref().id};
        const op_id check = g.add(check_op, operand);
        const row later = relu(b);
        g.add_control_edge(check, later.ref().id.op);
        tensors.push_back(later);
        break;
      }
      case 6:
        tensors.push_back(row(constant(g, Array::full<float>({4}, 0.5f)).ref()));
        break;
      case 7:
        tensors.push_back(add(a, a));
        break;
      case 8:
      case 9:
        tensors.push_back(sub(a, b));
        break;
      case 10:
        tensors.push_back(mul(a, b));
        break;
      case 11:
        tensors.push_back(add(a, b));
        break;
      case 12:
        tensors.push_back(cast<float>(mul(cast<double>(a), 0.5)));
        break;
      case 13:
        tensors.push_back(branches(d, a, b, 1));
        break;
      default:
        tensors.push_back(relu(a));
        break;
    }
  }
};

// --- The definition of a region, naively
// ------------------------------------------------------------------

struct oracle {
  std::set<op_id> ops, sources;
  std::set<variable_id> variables;
  std::set<tensor_id> used_inputs, reentering;

  oracle(const Graph& g, const std::vector<tensor_id>& inputs,
         const std::vector<tensor_id>& outputs) {
    const std::set<tensor_id> cut(inputs.begin(), inputs.end());
    const auto need = [&](tensor_id t) {
      if (cut.contains(t)) return used_inputs.insert(t).second;
      if (std::string(g.schema_of(t.op).name) == "placeholder") return sources.insert(t.op).second;
      return ops.insert(t.op).second;
    };
    for (const tensor_id t : outputs) need(t);
    for (bool changed = true; changed;) {
      changed = false;
      const std::set<op_id> now = ops;
      for (const op_id op : now) {
        for (const tensor_id t : g.operands(op)) changed |= need(t);
        for (const op_id before : g.control_predecessors(op)) {
          if (g.schema_of(before).has(ops::effect)) changed |= this->ops.insert(before).second;
        }
        const auto a = g.attributes_of(op).find("variable");
        if (!a) continue;
        const variable_id v{static_cast<std::uint32_t>(a->integer)};
        changed |= variables.insert(v).second;
        const variable_info& info = g.variable_of(v);
        changed |= need(info.initial);
        changed |= this->ops.insert(info.read.op).second;
        for (const op_id own : info.own_updates) changed |= this->ops.insert(own).second;
      }
    }
    // Which ops of the region depend on an input, and which inputs depend on those through the
    // outside.
    std::set<op_id> moving;
    for (bool changed = true; changed;) {
      changed = false;
      for (const op_id op : this->ops) {
        for (const tensor_id t : g.operands(op)) {
          if (cut.contains(t) || moving.contains(t.op)) changed |= moving.insert(op).second;
        }
      }
    }
    for (const tensor_id input : inputs) {
      if (this->ops.contains(input.op)) continue;
      std::set<op_id> seen;
      if (reaches(g, input.op, cut, moving, seen)) reentering.insert(input);
    }
  }

 private:
  // Recursive: the graphs here are small.
  bool reaches(const Graph& g, op_id op, const std::set<tensor_id>& cut,
               const std::set<op_id>& moving, std::set<op_id>& seen) const {
    if (!seen.insert(op).second) return false;
    for (const tensor_id t : g.operands(op)) {
      if (cut.contains(t)) continue;
      if (moving.contains(t.op)) return true;
      if (!ops.contains(t.op) && reaches(g, t.op, cut, moving, seen)) return true;
    }
    return false;
  }
};

// --- Values, naively
// ------------------------------------------------------------------------------------------

class evaluator {
 public:
  using value = std::vector<float>;
  evaluator(const Graph& g, std::map<tensor_id, value> fed) : g_(g), known_(std::move(fed)) {}

  const value& operator()(tensor_id t) {
    if (const auto found = known_.find(t); found != known_.end()) return found->second;
    const std::string name(g_.schema_of(t.op).name);
    std::vector<value> in;
    for (const tensor_id operand : g_.operands(t.op)) in.push_back((*this)(operand));
    value out;
    const auto each = [&](auto f) {
      for (std::size_t i = 0; i < in[0].size(); ++i) out.push_back(f(i));
    };
    if (name == "variable") {
      const Array stored = g_.store().get(*g_.variable_read_by(t));
      out.assign(stored.span<float>().begin(), stored.span<float>().end());
    } else if (name == "constant") {
      const Array stored =
          g_.constant(g_.attributes_of(t.op).integer("value")).cast(dtype::float32);
      out.assign(stored.span<float>().begin(), stored.span<float>().end());
    } else if (name == "add") {
      each([&](std::size_t i) { return in[0][i] + in[1][i]; });
    } else if (name == "sub") {
      each([&](std::size_t i) { return in[0][i] - in[1][i]; });
    } else if (name == "mul") {
      each([&](std::size_t i) { return in[0][i] * in[1][in[1].size() == 1 ? 0 : i]; });
    } else if (name == "scalar") {
      out.push_back(static_cast<float>(g_.attributes_of(t.op).real("value")));
    } else if (name == "less") {
      each([&](std::size_t i) { return in[0][i] < in[1][i] ? 1.0f : 0.0f; });
    } else if (name == "sum") {
      out.push_back(0);
      for (const float e : in[0]) out[0] += e;
    } else if (name == "cast") {
      out = in[0];
    } else if (name == "cond") {
      const attribute_list& a = g_.attributes_of(t.op);
      const bool yes = in[0][0] != 0;
      const auto of_then = 1 + a.integer("then_captures");
      const detail::body_view body(g_.body(a.integer(yes ? "then" : "else")));
      std::map<tensor_id, value> given;
      for (std::size_t i = 0; i < body.inputs.size(); ++i) {
        given[body.inputs[i]] = in[i + (yes ? 1 : static_cast<std::size_t>(of_then))];
      }
      out = evaluator(body.graph, std::move(given))(body.results[t.output]);
    } else if (name == "relu") {
      each([&](std::size_t i) { return in[0][i] > 0 ? in[0][i] : 0; });
    } else if (name == "assign") {
      out = in[0];
    } else if (name == "split") {
      const auto middle = in[0].begin() + static_cast<std::ptrdiff_t>(in[0].size() / 2);
      t.output == 0 ? out.assign(in[0].begin(), middle) : out.assign(middle, in[0].end());
    } else if (name == "concat") {
      for (const value& part : in) out.insert(out.end(), part.begin(), part.end());
    } else {
      throw std::logic_error("no value for " + name);
    }
    return known_[t] = std::move(out);
  }

 private:
  const Graph& g_;
  std::map<tensor_id, value> known_;
};

// Everything of the ops that were there before: what a clone in the same graph must not change.
std::string account_of(const Graph& g, std::uint32_t below, std::size_t variables) {
  std::string text;
  for (std::uint32_t i = 0; i < below; ++i) {
    const op_id op{i};
    if (!g.contains(op)) continue;
    text += g.path_of(op) + " " + std::string(g.schema_of(op).name);
    for (const tensor_id t : g.operands(op)) {
      text += " " + std::to_string(t.op.value) + ":" + std::to_string(t.output);
    }
    for (const attribute& a : g.attributes_of(op)) {
      text += " " + std::string(a.key) + "=" + std::to_string(a.integer);
    }
    for (const op_id before : g.control_predecessors(op))
      text += " ^" + std::to_string(before.value);
    text += "\n";
  }
  for (std::uint32_t i = 0; i < variables; ++i) {
    if (!g.contains(variable_id{i})) continue;
    const variable_info& v = g.variable_of(variable_id{i});
    text += g.path_of(v.id) + " " + std::to_string(v.own_updates.size()) + " " +
            to_string(g.store().get(v.id)) + "\n";
  }
  return text;
}

std::vector<tensor_id> pick(dice& d, const std::vector<row>& from, std::size_t count) {
  std::set<tensor_id> chosen;
  for (std::size_t i = 0; i < count; ++i) chosen.insert(d.of(from).ref().id);
  return {chosen.begin(), chosen.end()};
}

input_list as_inputs(const Graph& g, const std::vector<tensor_id>& tensors) {
  input_list list;
  for (const tensor_id t : tensors) list.tensors.push_back(g.handle(t).ref());
  return list;
}
output_list as_outputs(const Graph& g, const std::vector<tensor_id>& tensors) {
  output_list list;
  for (const tensor_id t : tensors) list.tensors.push_back(g.handle(t).ref());
  return list;
}

void check_faults(const Graph& g, const oracle& expected, const std::vector<tensor_id>& in,
                  const std::vector<tensor_id>& out) {
  const auto strict = try_extract(as_inputs(g, in), as_outputs(g, out));
  std::set<op_id> sources;
  std::set<tensor_id> unused_inputs, reentering;
  if (!strict) {
    for (const boundary_finding& f : strict.error().findings) {
      switch (f.fault) {
        case boundary_fault::uncut_source: {
          sources.insert(f.tensor.op);
          // The path is one: from an output to the source, each op needing the next.
          CHECK(std::find(out.begin(), out.end(), f.path.front()) != out.end());
          CHECK(f.path.back().op == f.tensor.op);
          for (std::size_t i = 0; i + 1 < f.path.size(); ++i)
            CHECK(expected.ops.contains(f.path[i].op));
          break;
        }
        case boundary_fault::input_not_reached:
        case boundary_fault::input_shadowed:
          unused_inputs.insert(f.tensor);
          break;
        case boundary_fault::reentry:
          reentering.insert(f.tensor);
          break;
        default:
          FAIL("an unexpected fault: " << f.text);
      }
    }
  }
  CHECK(sources == expected.sources);
  CHECK(reentering == expected.reentering);
  std::set<tensor_id> expected_unused(in.begin(), in.end());
  for (const tensor_id t : expected.used_inputs) expected_unused.erase(t);
  CHECK(unused_inputs == expected_unused);
}

void check_structure(const Clone& c) {
  c.check();
  const Graph &g = c.origin().graph(), &h = c.graph();
  std::set<op_id> images;
  for (const op_id op : c.origin().nodes()) {
    const auto image = c.find(op);
    if (!image) continue;
    CHECK(images.insert(*image).second);
    CHECK(c.original(*image) == op);
    if (h.schema_of(*image).name != std::string(g.schema_of(op).name)) {
      CHECK(std::string(h.schema_of(*image).name) == "constant");
      continue;
    }
    // Initial values and updates of shared variables are themselves, whatever became of their
    // operands.
    if (&g == &h && *image == op) continue;
    for (std::uint32_t i = 0; i < g.operand_count(op); ++i) {
      CHECK(h.operand(*image, i) == c(g.operand(op, i)));
    }
  }
  std::set<variable_id> fresh;
  for (const variable_id v : c.variables()) CHECK(fresh.insert(v).second);
  if (&g == &h) {
    for (const variable_id v : c.origin().variables()) CHECK_FALSE(fresh.contains(v));
  }
}

std::map<tensor_id, std::vector<float>> random_values(dice& d,
                                                      const std::vector<tensor_id>& tensors) {
  std::map<tensor_id, std::vector<float>> values;
  for (const tensor_id t : tensors) {
    for (int i = 0; i < 4; ++i) values[t].push_back(static_cast<float>(d.below(7)) - 3);
  }
  return values;
}

// Equal to the bit: overflows make infinities and NaNs.
bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

void check_values(dice& d, const Clone& c) {
  const Region& r = c.origin();
  auto fed = random_values(d, r.inputs());
  for (const auto& [t, v] : random_values(d, r.kept())) fed[t] = v;
  std::map<tensor_id, std::vector<float>> fed_to_clone;
  for (const auto& [t, v] : fed) fed_to_clone[c(t)] = v;
  evaluator original(r.graph(), fed), copied(c.graph(), fed_to_clone);
  for (const tensor_id out : r.outputs()) CHECK(same_bits(original(out), copied(c(out))));
}

void trial(std::uint64_t seed, std::size_t size) {
  INFO("seed " << seed << ", size " << size);
  dice d(seed);
  random_graph made(d, size);
  Graph& g = made.g;
  g.validate();
  const auto in = pick(d, made.tensors, d.below(4));
  const auto out = pick(d, made.tensors, 1 + d.below(3));

  const oracle expected(g, in, out);
  check_faults(g, expected, in, out);
  const Region region =
      extract(as_inputs(g, in), as_outputs(g, out), leaks::keep, unused::allow, reentry::allow);
  CHECK(std::set<op_id>(region.nodes().begin(), region.nodes().end()) == expected.ops);
  CHECK(region.nodes().size() == expected.ops.size());
  CHECK(std::set<variable_id>(region.variables().begin(), region.variables().end()) ==
        expected.variables);
  CHECK(region.kept().size() == expected.sources.size());

  const std::uint32_t bound = g.op_id_bound();
  const std::size_t variables_before = g.data().variables.size();
  const std::string before = account_of(g, bound, variables_before);

  SECTION("fresh") {
    const Clone c = clone(region, variables::fresh);
    check_structure(c);
    CHECK(c.leak_audit().empty());
    CHECK(c.variables().size() == region.variables().size());
    // What was copied is cut out again by the new inputs, and is as large.
    std::vector<tensor_id> new_in = c.inputs(), new_out = c.outputs();
    const Region again = extract(as_inputs(g, new_in), as_outputs(g, new_out), leaks::keep,
                                 unused::allow, reentry::allow);
    CHECK(again.nodes().size() == region.nodes().size());
    for (const op_id op : region.nodes()) CHECK(again.contains(c(op)));
    copy_values(c);
    check_values(d, c);
  }
  SECTION("copied into another graph") {
    const auto digest = g.digest();
    Graph other;
    if (d.one_in(2)) (void)relu(placeholder<float, shape<4>>(other, "input"));
    const Clone c = clone(region, into(other, d.one_in(2) ? "copy" : ""), variables::copied);
    CHECK(g.digest() == digest);
    check_structure(c);
    check_values(d, c);
    other.validate();
  }
  SECTION("mixed") {
    const auto choose = [&](const variable_info& v) {
      // An update on the way to an output cannot be frozen.
      for (const op_id op : region.nodes()) {
        const auto a = g.attributes_of(op).find("variable");
        if (a && a->integer == v.id.value && g.schema_of(op).has(ops::update)) {
          return d.one_in(2) ? variables::copied : variables::shared;
        }
      }
      const std::vector<variable_policy> all{variables::copied, variables::shared,
                                             variables::frozen};
      return d.of(all);
    };
    const Clone c = clone(region, variables::by(choose));
    check_structure(c);
    check_values(d, c);
  }
  SECTION("only what is affected") {
    std::vector<row> replaced;
    bindings bound_inputs;
    for (const tensor_id t : in) {
      const row x2 = placeholder<float, shape<4>>(g, "replacement");
      bound_inputs.pairs.emplace_back(g.handle(t).ref(), x2.ref());
    }
    const Clone c = clone(region, bound_inputs, variables::shared, coverage::affected);
    check_structure(c);
    check_values(d, c);
  }
  CHECK(account_of(g, bound, variables_before) == before);
  g.validate();
}

}  // namespace

// Most graphs are small, where everything meets; some are large.
static std::size_t size_of(std::uint64_t seed) {
  if (seed % 1000 == 0) return 10000;
  if (seed % 250 == 0) return 500 + seed % 500;
  return 5 + seed % 60;
}

// GRAFT_TEST_SEED runs one graph again; GRAFT_TEST_ROUNDS multiplies their number, GRAFT_TEST_PART divides them.
TEST_CASE("random graphs, cuts and policies [edge-90]") {
  const graft_test::seed_range seeds = graft_test::seeds(10000);
  const std::uint64_t seed = GENERATE_COPY(range(seeds.first, seeds.last + 1));
  trial(seed, size_of(seed));
}
