// At which shapes the ops of a call run, and the kernels bound to them.
#include "runtime/planner.hpp"

#include <algorithm>
#include <unordered_map>

#include "graft/core/error.hpp"
#include "graft/ops/shape_ops.hpp"
#include "graft/schema/core_operators.hpp"

#include "graph/building.hpp"
#include "runtime/binding.hpp"
#include "runtime/bodies.hpp"
#include "runtime/call_ops.hpp"
#include "runtime/parallel.hpp"
#include "runtime/run.hpp"
#include "tensor/limits.hpp"

namespace graft::detail {
namespace {

// Results up to this size that follow from shapes and constants are computed once, when the plan is
// made.
constexpr std::size_t folded_bytes = 4096;

// Operators whose result is operand 0 as it is where both have one number of elements: nothing is
// then summed or repeated.
bool may_be_view(const operator_schema& schema) {
  // One that has effects or draws runs for them.
  const bool runs = schema.has(ops::effect) || schema.has(ops::random);
  return (schema.has(ops::view) && !runs) || is_operator(schema, ops::assign) ||
         is_operator(schema, ops::sum_to_like) || is_operator(schema, ops::broadcast_like) ||
         is_operator(schema, ops::broadcast_to);
}

tensor_info info_of(const value_type& type) {
  return {type.type, type.shape, element_count(type.shape)};
}

// A kernel of an op; what its binding refuses, it refuses where the program declared the op.
bound_kernel bound(const operator_definition& definition, op_binding& binding, const Graph& g,
                   op_id op) {
  try {
    return definition.bind(binding.arguments());
  } catch (const unsupported_error& cause) {
    rethrow_declared(cause, g, op);
  } catch (const size_error& cause) {
    rethrow_declared(cause, g, op);
  }
}

class planner {
 public:
  planner(const Graph& g, const plan_request& request, const call_graph& call, body_plans& bodies)
      : g_(g), t_(g.data()), r_(request), c_(call), bodies_(bodies) {}

  Plan make() {
    p_.check_numerics = r_.check_numerics;
    p_.bodies = c_.bodies;
    p_.variables.resize(c_.variables.size());
    take_feeds();
    work_out_types();
    for (const call_op& op : c_.ops) {
      if (op.value) make_step(op);
    }
    make_fetches();
    make_commits();
    if (!r_.check_numerics) fuse_elementwise(p_, kept(), rules_);
    order_updates(p_);
    join_updates(p_);
    lay_out_memory(p_);
    list_own_steps();
    return std::move(p_);
  }

 private:
  [[nodiscard]] const operator_schema& schema_of(const call_op& op) const {
    return *t_.ops[op.index].schema;
  }
  [[nodiscard]] std::uint32_t number_of(const call_op& op) const {
    return static_cast<std::uint32_t>(&op - c_.ops.data());
  }
  [[nodiscard]] std::uint32_t output_count(const call_op& op) const {
    return t_.ops[op.index].output_count;
  }
  [[nodiscard]] attribute_view attributes_of(const call_op& op) const {
    return t_.attributes_of(t_.ops[op.index]);
  }
  [[nodiscard]] std::string path_of(const call_op& op) const { return g_.path_of(t_.id(op.index)); }
  [[nodiscard]] std::string declared_at(const call_op& op) const {
    return declared(g_, t_.id(op.index));
  }
  [[nodiscard]] op_in_words in_words(const call_op& op) const {
    return {schema_of(op), path_of(op), g_.line_of(t_.id(op.index))};
  }
  [[nodiscard]] bool is_fed(const call_op& op, std::uint32_t output) const {
    return std::any_of(r_.feeds.begin(), r_.feeds.end(), [&](const fed_tensor& f) {
      return f.tensor == tensor_id{t_.id(op.index), output};
    });
  }

  const operator_definition* definition_of(const operator_schema& schema) {
    const auto [known, fresh] = definitions_.try_emplace(&schema, nullptr);
    if (fresh) known->second = find_operator(schema.name);
    return known->second;
  }
  // A placeholder, or a user's operator like it: its value can only be fed.
  bool is_placeholder(const call_op& op) {
    const operator_schema& schema = schema_of(op);
    if (!schema.has(ops::source) || is_operator(schema, ops::variable)) return false;
    const operator_definition* d = definition_of(schema);
    return d == nullptr || d->bind == nullptr;
  }

  // --- at which shapes
  // ------------------------------------------------------------------------------------

  void take_feeds() {
    for (std::size_t i = 0; i < c_.feeds.size(); ++i) {
      const fed_tensor& f = r_.feeds[c_.feeds[i]];
      types_.push_back(value_type::of(f.type, f.shape));
      new_value({home::feed, i});
    }
  }

  std::uint32_t new_value(location at) {
    const auto made = static_cast<std::uint32_t>(p_.values.size());
    p_.values.push_back({info_of(types_[made]), at, made});
    return made;
  }

  void work_out_types() {
    for (const call_op& op : c_.ops) {
      if (is_placeholder(op)) require_feed(op);
      if (op.as_known) {
        for (std::uint32_t o = 0; o < output_count(op); ++o) {
          types_.push_back(t_.type_of(op.index, o));
        }
      } else {
        infer_outputs(op);
      }
      for (std::uint32_t o = 0; o < output_count(op); ++o) {
        const value_type& type = types_[p_.values.size()];
        if (op.value) require_settled(op, type, o);
        require_room(op, type);
        new_value({});
      }
    }
  }

  void infer_outputs(const call_op& op) {
    small_vector<value_type, 4> operands;
    for (const std::uint32_t value : c_.operands_of(op)) operands.push_back(types_[value]);
    const operator_schema& schema = schema_of(op);
    const attribute_list attributes = attributes_of(op);
    inferred answer = infer(schema, {operands, attributes});
    if (answer.error) refuse_operands(in_words(op), operands, answer.error, attributes);
    if (schema.has(ops::update) || schema.has(ops::bodies))
      check_op(t_, in_words(op), attributes, operands, answer);
    if (answer.outputs.size() != output_count(op)) {
      throw graph_error(
          {"'" + path_of(op) + "' was to be run",
           "its operator now has " + std::to_string(answer.outputs.size()) + " outputs",
           declared_at(op), "an operator's number of outputs must not depend on shapes"});
    }
    for (const value_type& v : answer.outputs) types_.push_back(v);
    if (op.own) {
      p_.drawn.push_back({number_of(op),
                          {operands.begin(), operands.end()},
                          {answer.outputs.begin(), answer.outputs.end()}});
    }
  }

  void require_settled(const call_op& op, const value_type& type, std::uint32_t output) const {
    if (settled(type) && size_of(type.type) > 0) return;
    if (is_fed(op, output)) return;
    if (settled(type)) {
      throw unsupported_error({"'" + path_of(op) + "' was to be run",
                               "no kernel works on " + std::string(name_of(type.type)),
                               declared_at(op), "feed what depends on it instead"});
    }
    throw unsupported_error({"'" + path_of(op) + "' was to be run",
                             "its result is " + to_string(type) + ", which the feeds do not settle",
                             declared_at(op), "feed tensors whose types and shapes determine it"});
  }

  // Kernels multiply extents in whatever order, those beside a 0 too.
  void require_room(const call_op& op, const value_type& type) const {
    if (!settled(type)) return;
    dims some = type.shape;
    std::replace(some.begin(), some.end(), extent{0}, extent{1});
    if (is_addressable(some, size_of(type.type))) return;
    throw size_error({"'" + path_of(op) + "' was to be run",
                      "its result is " + to_string(type) + ", more than a process can address",
                      declared_at(op), "check the shapes of what it is computed from"});
  }

  void require_settled_operands(const call_op& op) const {
    const std::span<const Graph::tables::edge> operands = t_.operands_of(op.index);
    for (std::size_t k = 0; k < operands.size(); ++k) {
      const value_type& type = types_[c_.operands_of(op)[k]];
      if (settled(type)) continue;
      const tensor_id operand{t_.id(operands[k].producer), operands[k].output};
      throw unsupported_error({"'" + path_of(op) + "' was to be run",
                               "its operand '" + g_.path_of(operand) + "' is " + to_string(type) +
                                   ", which the feeds do not settle",
                               declared_at(op),
                               "feed tensors whose types and shapes determine it"});
    }
  }

  void require_feed(const call_op& op) const {
    const tensor_id t{t_.id(op.index), 0};
    if (is_fed(op, 0) || (!op.value && settled(g_.type_of(t)))) return;
    std::uint32_t end = op.asked_by;
    while (end != no_id && c_.ops[end].asked_by != no_id) end = c_.ops[end].asked_by;
    std::string found = "it was not fed";
    if (op.asked_by != no_id) {
      found +=
          ", and '" + path_of(c_.ops[op.asked_by]) + "' reads " + (op.value ? "it" : "its shape");
      if (end != op.asked_by) found += " on the way to '" + path_of(c_.ops[end]) + "'";
    }
    std::string hint = "add feed(" + g_.name_of(t.op) + ", value) with " + to_string(g_.type_of(t));
    if (const auto v = owner_of(end)) {
      found += ", by which a layer updates '" + g_.path_of(*v) + "'";
      hint +=
          ", or train without what layers update: minimize(loss, optimizer, {.own_updates = "
          "false})";
    }
    throw feed_error(
        {"the value of placeholder '" + path_of(op) + "' is needed", found, declared_at(op), hint});
  }
  // The variable for which a layer declared an op as its update.
  [[nodiscard]] std::optional<variable_id> owner_of(std::uint32_t op) const {
    if (op == no_id || !schema_of(c_.ops[op]).has(ops::update)) return {};
    const op_id update = t_.id(c_.ops[op].index);
    const variable_id v{static_cast<std::uint32_t>(g_.attributes_of(update).integer("variable"))};
    const std::vector<op_id>& own = g_.variable_of(v).own_updates;
    if (std::find(own.begin(), own.end(), update) == own.end()) return {};
    return v;
  }

  // --- steps
  // ------------------------------------------------------------------------------------------------

  void make_step(const call_op& op) {
    const operator_schema& schema = schema_of(op);
    if (is_placeholder(op)) return;
    if (is_operator(schema, ops::variable)) {
      p_.variables[op.slot].read = true;
      p_.values[op.first_value].at = {home::variable, op.slot};
      return;
    }
    if (is_operator(schema, ops::constant)) {
      if (op.slot != no_id) {
        p_.values[op.first_value].at = {home::stored, op.slot};
      } else {
        add_constant(op.first_value, g_.constant(attributes_of(op).integer("value")));
      }
      return;
    }
    if (schema.has(ops::update) && op.slot != no_id) updates_.push_back(&op);
    if (is_view(op)) {
      p_.values[op.first_value].root = p_.values[c_.operands_of(op)[0]].root;
      return;
    }
    const operator_definition* definition = definition_of(schema);
    if (!schema.has(ops::bodies) && (definition == nullptr || definition->bind == nullptr)) {
      throw unsupported_error({"'" + path_of(op) + "' was to be run",
                               "the operator " + std::string(schema.name) + " has no kernel",
                               declared_at(op), "register the operator with a kernel binding"});
    }
    bind(op, definition);
  }

  [[nodiscard]] bool is_view(const call_op& op) const {
    if (!may_be_view(schema_of(op)) || op.operands == 0 || output_count(op) != 1) return false;
    const tensor_info& from = p_.values[c_.operands_of(op)[0]].info;
    const tensor_info& to = p_.values[op.first_value].info;
    return from.type == to.type && from.size == to.size;
  }

  void bind(const call_op& op, const operator_definition* definition) {
    const operator_schema& schema = schema_of(op);
    require_settled_operands(op);
    plan_step step;
    step.op = number_of(op);
    for (std::uint32_t k = 0; k < op.operands; ++k) {
      step.in.push_back(reads_shape_only(schema, k) ? no_id : c_.operands_of(op)[k]);
    }
    for (std::uint32_t o = 0; o < output_count(op); ++o) step.out.push_back(op.first_value + o);
    op_binding binding(g_, c_, op, p_.values);
    if (schema.has(ops::bodies)) {
      step.kernel =
          bind_bodies(schema, binding.arguments(), {outputs_read(op), r_.check_numerics, bodies_});
    } else {
      step.kernel = bound(*definition, binding, g_, t_.id(op.index));
    }
    if (step.kernel.scratch_bytes > static_cast<std::size_t>(most_bytes)) {
      throw size_error({"'" + path_of(op) + "' was to be run",
                        "its kernel needs more scratch memory than a process can address",
                        declared_at(op), "check the shapes of what it is computed from"});
    }
    step.own = op.own || binding.told_path();
    if (folds(schema, step, binding.outputs())) {
      add_constant(op.first_value, computed(step, binding.outputs()[0]));
      return;
    }
    rules_.tied.push_back(op.tied || schema.has(ops::effect) || schema.has(ops::random));
    rules_.fixed.push_back(rules_.tied.back() || step.own || !schema.has(ops::elementwise));
    if (!rules_.fixed.back()) step.code = code_of(schema, binding.attributes());
    p_.steps.push_back(std::move(step));
  }

  // What an elementwise op is in forms, if they have it.
  static std::optional<form_node> code_of(const operator_schema& schema,
                                          const attribute_list& attributes) {
    const found_form_op found = form_op_named(schema.name);
    if (!found.found) return std::nullopt;
    form_node code;
    code.op = found.op;
    for (std::size_t k = 0; k < 2; ++k) {
      const std::string_view key = attribute_of(found.op, k);
      if (!key.empty()) {
        code.numbers[k] = std::bit_cast<std::uint64_t>(attributes.real(key, number_left_out(key)));
      }
    }
    return code;
  }

  // Which outputs of an op with bodies somebody reads; notes those that nobody does.
  std::vector<bool> outputs_read(const call_op& op) {
    std::vector<bool> result;
    for (std::uint32_t value = op.first_value; value < op.first_value + output_count(op); ++value) {
      result.push_back(c_.read[value]);
      p_.values[value].unread = !c_.read[value];
    }
    return result;
  }

  // Whether a result is the same in every run and small enough to keep.
  [[nodiscard]] bool folds(const operator_schema& schema, const plan_step& step,
                           std::span<const tensor_info> outputs) const {
    constexpr unsigned changing = ops::random | ops::source | ops::effect | ops::update;
    return !r_.check_numerics && !step.own && outputs.size() == 1 && !schema.has(ops::bodies) &&
           (schema.traits & changing) == 0 && bytes_of(outputs[0]) <= folded_bytes &&
           step.kernel.scratch_bytes == 0 &&
           std::all_of(step.in.begin(), step.in.end(), [&](std::uint32_t in) {
             return in == no_id || p_.at(in).where == home::constant;
           });
  }
  [[nodiscard]] Array computed(const plan_step& step, const tensor_info& info) const {
    Array result = Array::uninitialized(info.type, info.shape);
    small_vector<const void*, 4> in;
    for (const std::uint32_t value : step.in) {
      in.push_back(value == no_id ? nullptr : p_.constants[p_.at(value).index].data());
    }
    void* out[] = {result.mutable_data()};
    step.kernel.run({in.data(), out, nullptr, *make_parallel_runner(1), 0});
    return result;
  }

  void add_constant(std::uint32_t value, Array array) {
    p_.values[value].at = {home::constant, p_.constants.size()};
    p_.constants.push_back(std::move(array));
  }

  // --- results
  // --------------------------------------------------------------------------------------------

  void make_fetches() {
    std::unordered_map<std::uint32_t, std::uint32_t> earlier;
    for (const std::uint32_t value : c_.fetches) {
      const auto [known, fresh] =
          earlier.try_emplace(value, static_cast<std::uint32_t>(p_.fetches.size()));
      p_.fetches.push_back({value, fresh ? no_id : known->second});
    }
  }

  void make_commits() {
    std::unordered_map<std::uint32_t, const call_op*> latest;  // by variable
    std::vector<std::uint32_t> written;                        // in order
    for (const call_op* update : updates_) {
      p_.variables[update->slot].written = true;
      const auto [known, fresh] = latest.try_emplace(update->slot, update);
      if (fresh) {
        written.push_back(update->slot);
      } else {
        require_chained(*known->second, *update);
        known->second = update;
      }
    }
    for (const std::uint32_t variable : written) {
      p_.commits.push_back({variable, latest.at(variable)->first_value});
    }
  }

  // Whether an op waits for another, along operands and control edges.
  [[nodiscard]] bool waits_for(const call_op& later, const call_op& earlier) const {
    std::vector<std::uint32_t> producer(p_.values.size(), no_id);
    for (const call_op& op : c_.ops) {
      for (std::uint32_t o = 0; o < output_count(op); ++o) {
        producer[op.first_value + o] = number_of(op);
      }
    }
    std::vector<std::uint32_t> open{number_of(later)};
    std::vector<bool> seen(c_.ops.size(), false);
    const auto visit = [&](std::uint32_t before) {
      if (before == no_id || seen[before]) return;
      seen[before] = true;
      open.push_back(before);
    };
    while (!open.empty()) {
      const call_op& at = c_.ops[open.back()];
      open.pop_back();
      if (&at == &earlier) return true;
      for (const std::uint32_t value : c_.operands_of(at)) visit(producer[value]);
      for (const std::uint32_t before : c_.before_of(at)) visit(before);
    }
    return false;
  }

  void require_chained(const call_op& earlier, const call_op& later) const {
    if (waits_for(later, earlier)) return;
    const std::string variable = g_.path_of(c_.variables[later.slot].front());
    throw graph_error(
        {"variable '" + variable + "' was to be updated twice in one run",
         "neither of '" + path_of(earlier) + "' and '" + path_of(later) +
             "' follows from the other",
         declared_at(later),
         "compute the second value from after(the first update), or run them one after "
         "the other"});
  }

  // Root values that are read when the steps are done.
  [[nodiscard]] std::vector<bool> kept() const {
    std::vector<bool> result(p_.values.size(), false);
    for (const plan_fetch& f : p_.fetches) result[p_.values[f.value].root] = true;
    for (const plan_commit& c : p_.commits) result[p_.values[c.from].root] = true;
    return result;
  }

  void list_own_steps() {
    for (std::uint32_t s = 0; s < p_.steps.size(); ++s) {
      if (!p_.steps[s].own) continue;
      p_.steps[s].kernel.run = nullptr;
      p_.own_steps.push_back(s);
    }
  }

  const Graph& g_;
  const Graph::tables& t_;
  const plan_request& r_;
  const call_graph& c_;
  body_plans& bodies_;
  Plan p_;
  std::vector<value_type> types_;  // by value
  std::unordered_map<const operator_schema*, const operator_definition*> definitions_;
  std::vector<const call_op*> updates_;  // in order
  step_rules rules_;
};

}  // namespace

Plan make_plan(const Graph& g, const plan_request& request, const call_graph& call,
               body_plans& bodies) {
  return planner(g, request, call, bodies).make();
}

bool serves(const Plan& p, const Graph& g, const call_graph& call) {
  const Graph::tables& t = g.data();
  return std::all_of(p.drawn.begin(), p.drawn.end(), [&](const drawn_types& drawn) {
    const Graph::tables::op_record& op = t.ops[call.ops[drawn.op].index];
    const attribute_list attributes = t.attributes_of(op);
    const inferred now = infer(*op.schema, {drawn.operands, attributes});
    return !now.error && std::equal(now.outputs.begin(), now.outputs.end(), drawn.outputs.begin(),
                                    drawn.outputs.end());
  });
}

plan_instance make_instance(const Graph& g, const Plan& p, call_graph call) {
  plan_instance own;
  own.ops.reserve(call.ops.size());
  for (const call_op& op : call.ops) own.ops.push_back(g.data().id(op.index));
  own.kernels.reserve(p.own_steps.size());
  for (const std::uint32_t s : p.own_steps) {
    const call_op& op = call.ops[p.steps[s].op];
    op_binding binding(g, call, op, p.values);
    const operator_definition* definition = find_operator(g.data().ops[op.index].schema->name);
    bound_kernel kernel = bound(*definition, binding, g, g.data().id(op.index));
    const bound_kernel& laid_out = p.steps[s].kernel;
    if (kernel.scratch_bytes > laid_out.scratch_bytes || !(kernel.in_place == laid_out.in_place)) {
      throw unsupported_error(
          {"'" + g.path_of(own.ops[p.steps[s].op]) + "' was to be run",
           "its binding asks for other scratch memory or overwrites another operand than for an op "
           "alike",
           g.path_of(own.ops[p.steps[s].op]),
           "let both follow from the types of the operands and the attributes alone"});
    }
    own.kernels.push_back({s, std::move(kernel)});
  }
  own.merged = std::move(call.merged);
  own.feeds = std::move(call.feeds);
  own.variables = std::move(call.variables);
  own.stored = std::move(call.constants);
  own.stamps = std::move(call.stamps);
  return own;
}

}  // namespace graft::detail
