// Which ops a call needs, in which order, at which shapes, and the kernels bound to them.
#include "runtime/planner.hpp"

#include <algorithm>
#include <queue>
#include <unordered_map>
#include <unordered_set>

#include "graft/core/error.hpp"
#include "graft/ops/shape_ops.hpp"
#include "graft/schema/core_operators.hpp"

#include "graph/building.hpp"
#include "runtime/bodies.hpp"
#include "runtime/parallel.hpp"
#include "tensor/limits.hpp"

namespace graft::detail {
namespace {

// Results up to this size that follow from shapes and constants are computed once, when the plan is
// made.
constexpr std::size_t folded_bytes = 4096;

bool reads_shape_only(const operator_schema& schema, std::uint32_t operand) {
  return (operand == 0 && schema.has(ops::shape_of_first)) ||
         (operand == 1 && schema.has(ops::shape_of_second));
}

// Operators whose result is operand 0 as it is where both have one number of elements: nothing is
// then summed or repeated.
bool may_be_view(const operator_schema& schema) {
  return schema.has(ops::view) || is_operator(schema, ops::assign) ||
         is_operator(schema, ops::sum_to_like) || is_operator(schema, ops::broadcast_like) ||
         is_operator(schema, ops::broadcast_to);
}

bool settled(const value_type& type) {
  return type.ranked && all_known(type.shape) && type.type != dtype::any &&
         type.kind == value_kind::tensor;
}

tensor_info info_of(const value_type& type) {
  return {type.type, type.shape, element_count(type.shape)};
}

class planner {
 public:
  planner(const Graph& g, const plan_request& request) : g_(g), t_(g.data()), r_(request) {}

  Plan make() {
    p_.check_numerics = r_.check_numerics;
    take_feeds();
    collect();
    put_in_order();
    work_out_types();
    for (const std::uint32_t n : order_) {
      if (nodes_[n].value) make_step(nodes_[n]);
    }
    make_fetches();
    make_commits();
    if (!r_.check_numerics) fuse_elementwise(p_, kept(), rules_);
    order_updates(p_);
    lay_out_memory(p_);
    for (const node& n : nodes_) p_.ops.emplace_back(t_.id(n.index), t_.ops[n.index].stamp);
    for (const fed_tensor& f : r_.feeds) {
      p_.ops.emplace_back(f.tensor.op, g_.edit_stamp(f.tensor.op));
    }
    return std::move(p_);
  }

 private:
  // An op that the call needs.
  struct node {
    std::uint32_t index = 0;         // dense
    std::uint32_t asked_by = no_id;  // the first node that needed it; no_id: the call itself
    std::uint32_t first_value = no_id;
    bool value = false;  // its results are needed, not only their shapes
  };

  [[nodiscard]] const operator_schema& schema_of(const node& n) const {
    return *t_.ops[n.index].schema;
  }
  [[nodiscard]] attribute_view attributes_of(const node& n) const {
    return t_.attributes_of(t_.ops[n.index]);
  }
  [[nodiscard]] std::string path_of(const node& n) const { return g_.path_of(t_.id(n.index)); }
  [[nodiscard]] op_in_words in_words(const node& n) const {
    return {schema_of(n), path_of(n), g_.line_of(t_.id(n.index))};
  }

  const operator_definition* definition_of(const operator_schema& schema) {
    const auto [known, fresh] = definitions_.try_emplace(&schema, nullptr);
    if (fresh) known->second = find_operator(schema.name);
    return known->second;
  }
  // A placeholder, or a user's operator like it: its value can only be fed.
  bool is_placeholder(const node& n) {
    const operator_schema& schema = schema_of(n);
    if (!schema.has(ops::source) || is_operator(schema, ops::variable)) return false;
    const operator_definition* d = definition_of(schema);
    return d == nullptr || d->bind == nullptr;
  }

  // --- which ops
  // ------------------------------------------------------------------------------------

  void take_feeds() {
    p_.feed_count = r_.feeds.size();
    fed_used_.assign(r_.feeds.size(), false);
    for (std::size_t i = 0; i < r_.feeds.size(); ++i) {
      const fed_tensor& f = r_.feeds[i];
      fed_.emplace(f.tensor, static_cast<std::uint32_t>(i));
      types_.push_back(value_type::of(f.type, f.shape));
      new_value({home::feed, i});
    }
  }

  [[nodiscard]] std::uint32_t feed_of(tensor_id t) const {
    if (fed_.empty()) return no_id;
    const auto found = fed_.find(t);
    return found == fed_.end() ? no_id : found->second;
  }

  void demand_op(std::uint32_t index, bool value, std::uint32_t by) {
    const auto [known, fresh] =
        node_of_.try_emplace(index, static_cast<std::uint32_t>(nodes_.size()));
    if (fresh) {
      nodes_.push_back({index, by, no_id, value});
    } else {
      node& n = nodes_[known->second];
      if (n.value || !value) return;
      n.value = true;
      n.asked_by = by;
    }
    open_.push_back(known->second);
  }
  void demand(tensor_id t, std::uint32_t index, bool value, std::uint32_t by) {
    if (const std::uint32_t feed = feed_of(t); feed != no_id) {
      fed_used_[feed] = true;
    } else {
      if (value && t_.ops[index].schema->has(ops::bodies)) read_.insert(t);
      demand_op(index, value, by);
    }
  }

  // Of a node that is there only for its shapes, whether the graph knows them already.
  [[nodiscard]] bool known_without_operands(const node& n) const {
    if (n.value) return false;
    for (std::uint32_t o = 0; o < t_.ops[n.index].output_count; ++o) {
      if (!settled(t_.type_of(n.index, o))) return false;
    }
    return true;
  }

  void collect() {
    for (const tensor_id t : r_.fetches) demand(t, t_.index(t), true, no_id);
    for (const op_id op : r_.updates) demand_op(t_.index(op), true, no_id);
    while (!open_.empty()) {
      const std::uint32_t at = open_.back();
      open_.pop_back();
      const node n = nodes_[at];  // a copy: demand() may move the nodes
      if (known_without_operands(n)) continue;
      const std::span<const Graph::tables::edge> operands = t_.operands_of(n.index);
      for (std::uint32_t k = 0; k < operands.size(); ++k) {
        const Graph::tables::edge& e = operands[k];
        demand({t_.id(e.producer), e.output}, e.producer,
               n.value && !reads_shape_only(schema_of(n), k), at);
      }
      if (!n.value) continue;
      for (std::uint32_t c = t_.ops[n.index].control_in; c != none; c = t_.controls[c].next_in) {
        demand_op(t_.controls[c].before, true, at);
      }
    }
    for (std::size_t i = 0; i < r_.feeds.size(); ++i) {
      if (fed_used_[i] || r_.unused_feeds) continue;
      const std::string path = g_.path_of(r_.feeds[i].tensor);
      const std::string needed = unfed_sources();
      throw feed_error(
          {"'" + path + "' was fed", "nothing that was asked for needs it", path,
           needed.empty() ? "leave the feed out, or feed the tensor that what is fetched depends on"
                          : "what is asked for needs " + needed + " instead"});
    }
  }

  // The placeholders that are needed and not fed, for a sentence: 'x2', 'mask'.
  [[nodiscard]] std::string unfed_sources() const {
    std::string list;
    int count = 0;
    for (const node& n : nodes_) {
      const bool open = schema_of(n).has(ops::source) && t_.ops[n.index].operand_count == 0 &&
                        !t_.marked(t_.ops[n.index]);
      if (!open || feed_of({t_.id(n.index), 0}) != no_id) continue;
      if (++count > 3) return list + ", ...";
      list += (list.empty() ? "'" : ", '") + path_of(n) + "'";
    }
    return list;
  }

  // --- in which order
  // -----------------------------------------------------------------------------------

  template <class F>
  void for_each_predecessor(const node& n, F&& f) const {
    if (known_without_operands(n)) return;
    for (const Graph::tables::edge& e : t_.operands_of(n.index)) {
      if (feed_of({t_.id(e.producer), e.output}) == no_id) f(node_of_.at(e.producer));
    }
    if (!n.value) return;
    for (std::uint32_t c = t_.ops[n.index].control_in; c != none; c = t_.controls[c].next_in) {
      f(node_of_.at(t_.controls[c].before));
    }
  }

  void put_in_order() {
    order_.resize(nodes_.size());
    for (std::uint32_t n = 0; n < order_.size(); ++n) order_[n] = n;
    const auto earlier = [&](std::uint32_t a, std::uint32_t b) {
      return nodes_[a].index < nodes_[b].index;
    };
    if (t_.ordered) {
      std::sort(order_.begin(), order_.end(), earlier);
      return;
    }
    // Kahn's algorithm, the op stored first of those that are ready.
    std::vector<std::uint32_t> waits(nodes_.size(), 0), first(nodes_.size() + 1, 0);
    for (std::uint32_t n = 0; n < nodes_.size(); ++n) {
      for_each_predecessor(nodes_[n],
                           [&](std::uint32_t before) { ++waits[n], ++first[before + 1]; });
    }
    for (std::size_t n = 0; n < nodes_.size(); ++n) first[n + 1] += first[n];
    std::vector<std::uint32_t> after(first.back()), filled(first.begin(), first.end() - 1);
    for (std::uint32_t n = 0; n < nodes_.size(); ++n) {
      for_each_predecessor(nodes_[n], [&](std::uint32_t before) { after[filled[before]++] = n; });
    }
    const auto later = [&](std::uint32_t a, std::uint32_t b) { return earlier(b, a); };
    std::priority_queue<std::uint32_t, std::vector<std::uint32_t>, decltype(later)> ready(later);
    for (std::uint32_t n = 0; n < nodes_.size(); ++n) {
      if (waits[n] == 0) ready.push(n);
    }
    order_.clear();
    while (!ready.empty()) {
      const std::uint32_t n = ready.top();
      ready.pop();
      order_.push_back(n);
      for (std::uint32_t i = first[n]; i < first[n + 1]; ++i) {
        if (--waits[after[i]] == 0) ready.push(after[i]);
      }
    }
  }

  // --- at which shapes
  // ------------------------------------------------------------------------------------

  std::uint32_t new_value(location at) {
    const auto made = static_cast<std::uint32_t>(p_.values.size());
    p_.values.push_back({types_.size() > made ? info_of(types_[made]) : tensor_info{}, at, made});
    return made;
  }

  [[nodiscard]] std::uint32_t value_of(tensor_id t, std::uint32_t index) const {
    const std::uint32_t feed = feed_of(t);
    return feed != no_id ? feed : nodes_[node_of_.at(index)].first_value + t.output;
  }
  [[nodiscard]] std::uint32_t value_of(const Graph::tables::edge& e) const {
    return value_of({t_.id(e.producer), e.output}, e.producer);
  }

  void work_out_types() {
    for (const std::uint32_t at : order_) {
      node& n = nodes_[at];
      n.first_value = static_cast<std::uint32_t>(p_.values.size());
      const std::uint32_t outputs = t_.ops[n.index].output_count;
      if (is_placeholder(n)) require_feed(n);
      if (known_without_operands(n) || schema_of(n).has(ops::source)) {
        for (std::uint32_t o = 0; o < outputs; ++o) types_.push_back(t_.type_of(n.index, o));
      } else {
        infer_outputs(n);
      }
      for (std::uint32_t o = 0; o < outputs; ++o) {
        const value_type& type = types_[p_.values.size()];
        if (n.value) require_settled(n, type, o);
        require_room(n, type);
        new_value({});
      }
    }
  }

  void infer_outputs(const node& n) {
    small_vector<value_type, 4> operands;
    for (const Graph::tables::edge& e : t_.operands_of(n.index)) {
      operands.push_back(types_[value_of(e)]);
    }
    const operator_schema& schema = schema_of(n);
    const attribute_list attributes = attributes_of(n);
    inferred answer = infer(schema, {operands, attributes});
    if (answer.error) refuse_operands(in_words(n), operands, answer.error);
    if (schema.has(ops::update) || schema.has(ops::bodies))
      check_op(t_, in_words(n), attributes, operands, answer);
    if (answer.outputs.size() != t_.ops[n.index].output_count) {
      throw graph_error(
          {"'" + path_of(n) + "' was to be run",
           "its operator now has " + std::to_string(answer.outputs.size()) + " outputs", path_of(n),
           "an operator's number of outputs must not depend on shapes"});
    }
    for (const value_type& v : answer.outputs) types_.push_back(v);
  }

  void require_settled(const node& n, const value_type& type, std::uint32_t output) const {
    if (feed_of({t_.id(n.index), output}) != no_id) return;
    if (settled(type) && size_of(type.type) > 0) return;
    if (settled(type)) {
      throw unsupported_error({"'" + path_of(n) + "' was to be run",
                               "no kernel works on " + std::string(name_of(type.type)), path_of(n),
                               "feed what depends on it instead"});
    }
    throw unsupported_error({"'" + path_of(n) + "' was to be run",
                             "its result is " + to_string(type) + ", which the feeds do not settle",
                             path_of(n), "feed tensors whose types and shapes determine it"});
  }

  // Kernels multiply extents in whatever order, those beside a 0 too.
  void require_room(const node& n, const value_type& type) const {
    if (!settled(type)) return;
    dims some = type.shape;
    std::replace(some.begin(), some.end(), extent{0}, extent{1});
    if (is_addressable(some, size_of(type.type))) return;
    throw size_error({"'" + path_of(n) + "' was to be run",
                      "its result is " + to_string(type) + ", more than a process can address",
                      path_of(n), "check the shapes of what it is computed from"});
  }

  [[noreturn]] void require_settled_operand(const node& n, const Graph::tables::edge& e,
                                            const value_type& type) const {
    throw unsupported_error({"'" + path_of(n) + "' was to be run",
                             "its operand '" + g_.path_of(tensor_id{t_.id(e.producer), e.output}) +
                                 "' is " + to_string(type) + ", which the feeds do not settle",
                             path_of(n), "feed tensors whose types and shapes determine it"});
  }

  void require_feed(const node& n) const {
    const tensor_id t{t_.id(n.index), 0};
    if (feed_of(t) != no_id || (!n.value && settled(g_.type_of(t)))) return;
    std::uint32_t end = n.asked_by;
    while (end != no_id && nodes_[end].asked_by != no_id) end = nodes_[end].asked_by;
    std::string found = "it was not fed";
    if (n.asked_by != no_id) {
      found +=
          ", and '" + path_of(nodes_[n.asked_by]) + "' reads " + (n.value ? "it" : "its shape");
      if (end != n.asked_by) found += " on the way to '" + path_of(nodes_[end]) + "'";
    }
    const std::string line = where(g_.line_of(t.op));
    throw feed_error(
        {"the value of placeholder '" + path_of(n) + "' is needed", found,
         path_of(n) + (line.empty() ? "" : ", declared at " + line),
         "add feed(" + g_.name_of(t.op) + ", value) with " + to_string(g_.type_of(t))});
  }

  // --- steps
  // ------------------------------------------------------------------------------------------------

  void make_step(const node& n) {
    const operator_schema& schema = schema_of(n);
    if (is_placeholder(n)) return;
    if (is_operator(schema, ops::variable)) {
      p_.values[n.first_value].at = {home::variable, variable_slot(variable_of(n), true)};
      return;
    }
    if (is_operator(schema, ops::constant)) {
      add_constant(n.first_value, g_.constant(attributes_of(n).integer("value")));
      return;
    }
    if (schema.has(ops::update) && attributes_of(n).find("variable")) {
      updates_.push_back(&n);
    }
    if (is_view(n)) {
      const std::uint32_t of = value_of(t_.operands_of(n.index)[0]);
      p_.values[n.first_value].root = p_.values[of].root;
      return;
    }
    const operator_definition* definition = definition_of(schema);
    if (schema.has(ops::bodies)) {
      bind(n, nullptr);
      return;
    }
    if (definition == nullptr || definition->bind == nullptr) {
      throw unsupported_error({"'" + path_of(n) + "' was to be run",
                               std::string("the operator ") + schema.name + " has no kernel",
                               path_of(n), "register the operator with a kernel binding"});
    }
    bind(n, definition);
  }

  [[nodiscard]] bool is_view(const node& n) const {
    if (!may_be_view(schema_of(n))) return false;
    const std::span<const Graph::tables::edge> operands = t_.operands_of(n.index);
    if (operands.empty()) return false;
    const tensor_info& from = p_.values[value_of(operands[0])].info;
    const tensor_info& to = p_.values[n.first_value].info;
    return from.type == to.type && from.size == to.size;
  }

  // @param definition nullptr for an op with bodies
  void bind(const node& n, const operator_definition* definition) {
    const operator_schema& schema = schema_of(n);
    const std::span<const Graph::tables::edge> operands = t_.operands_of(n.index);
    plan_step step;
    step.op = t_.id(n.index);
    std::vector<tensor_info> inputs, outputs;
    for (std::uint32_t k = 0; k < operands.size(); ++k) {
      const std::uint32_t value = value_of(operands[k]);
      inputs.push_back(p_.values[value].info);
      if (!settled(types_[value])) require_settled_operand(n, operands[k], types_[value]);
      step.in.push_back(reads_shape_only(schema, k) ? no_id : value);
    }
    for (std::uint32_t o = 0; o < t_.ops[n.index].output_count; ++o) {
      outputs.push_back(p_.values[n.first_value + o].info);
      step.out.push_back(n.first_value + o);
    }
    const std::string where = path_of(n);
    const attribute_list attributes = attributes_of(n);
    const bind_args arguments{inputs, outputs, attributes, g_, where};
    if (definition != nullptr) {
      step.kernel = definition->bind(arguments);
    } else {
      step.kernel = bind_bodies(schema, arguments, outputs_read(n), r_.check_numerics);
    }
    if (step.kernel.scratch_bytes > static_cast<std::size_t>(most_bytes)) {
      throw size_error({"'" + where + "' was to be run",
                        "its kernel needs more scratch memory than a process can address", where,
                        "check the shapes of what it is computed from"});
    }
    if (folds(schema, step, outputs)) {
      add_constant(n.first_value, computed(step, outputs[0]));
      return;
    }
    const bool ties = t_.ops[n.index].control_in != none || t_.ops[n.index].control_out != none;
    rules_.tied.push_back(ties || schema.has(ops::effect) || schema.has(ops::random));
    rules_.fixed.push_back(rules_.tied.back() || !schema.has(ops::elementwise));
    if (!rules_.fixed.back()) step.code = code_of(schema, attributes_of(n));
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
  std::vector<bool> outputs_read(const node& n) {
    std::vector<bool> result;
    for (std::uint32_t o = 0; o < t_.ops[n.index].output_count; ++o) {
      result.push_back(read_.contains({t_.id(n.index), o}));
      p_.values[n.first_value + o].unread = !result.back();
    }
    return result;
  }

  // Whether a result is the same in every run and small enough to keep.
  [[nodiscard]] bool folds(const operator_schema& schema, const plan_step& step,
                           const std::vector<tensor_info>& outputs) const {
    constexpr unsigned changing = ops::random | ops::source | ops::effect | ops::update;
    return !r_.check_numerics && outputs.size() == 1 && !schema.has(ops::bodies) &&
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

  [[nodiscard]] variable_id variable_of(const node& n) const {
    return {static_cast<std::uint32_t>(attributes_of(n).integer("variable"))};
  }

  // Variables that hold one cell are one: what is written to one is written to the other.
  std::uint32_t variable_slot(variable_id v, bool read) {
    const variable_cell* cell = g_.store().cell(v).get();
    const auto [known, fresh] =
        slots_.try_emplace(cell, static_cast<std::uint32_t>(p_.variables.size()));
    if (fresh) p_.variables.push_back({});
    plan_variable& slot = p_.variables[known->second];
    if (std::find(slot.ids.begin(), slot.ids.end(), v) == slot.ids.end()) slot.ids.push_back(v);
    (read ? slot.read : slot.written) = true;
    return known->second;
  }

  // --- results
  // --------------------------------------------------------------------------------------------

  void make_fetches() {
    std::unordered_map<std::uint32_t, std::uint32_t> earlier;
    for (const tensor_id t : r_.fetches) {
      const std::uint32_t value = value_of(t, t_.index(t));
      const auto [known, fresh] =
          earlier.try_emplace(value, static_cast<std::uint32_t>(p_.fetches.size()));
      p_.fetches.push_back({value, fresh ? no_id : known->second});
    }
  }

  void make_commits() {
    std::unordered_map<std::uint32_t, const node*> latest;  // by variable slot
    std::vector<std::uint32_t> written;                     // in order
    for (const node* update : updates_) {
      const std::uint32_t slot = variable_slot(variable_of(*update), false);
      const auto [known, fresh] = latest.try_emplace(slot, update);
      if (fresh) {
        written.push_back(slot);
      } else {
        require_chained(*known->second, *update);
        known->second = update;
      }
    }
    for (const std::uint32_t slot : written) {
      p_.commits.push_back({slot, latest.at(slot)->first_value});
    }
  }

  void require_chained(const node& earlier, const node& later) const {
    std::vector<std::uint32_t> open{node_of_.at(later.index)};
    std::vector<bool> seen(nodes_.size(), false);
    while (!open.empty()) {
      const std::uint32_t at = open.back();
      open.pop_back();
      if (nodes_[at].index == earlier.index) return;
      for_each_predecessor(nodes_[at], [&](std::uint32_t before) {
        if (!seen[before]) {
          seen[before] = true;
          open.push_back(before);
        }
      });
    }
    const std::string variable = g_.path_of(variable_of(later));
    throw graph_error(
        {"variable '" + variable + "' was to be updated twice in one run",
         "neither of '" + path_of(earlier) + "' and '" + path_of(later) +
             "' follows from the other",
         variable,
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

  const Graph& g_;
  const Graph::tables& t_;
  const plan_request& r_;
  Plan p_;
  std::unordered_map<tensor_id, std::uint32_t> fed_;
  std::vector<bool> fed_used_;
  std::vector<node> nodes_;
  std::unordered_map<std::uint32_t, std::uint32_t> node_of_;  // dense index -> place in nodes_
  std::unordered_set<tensor_id> read_;                        // of the outputs of ops with bodies
  std::vector<std::uint32_t> open_, order_;
  std::vector<value_type> types_;  // by value
  std::unordered_map<const operator_schema*, const operator_definition*> definitions_;
  std::unordered_map<const variable_cell*, std::uint32_t> slots_;
  std::vector<const node*> updates_;  // in order; nodes_ is complete by then
  step_rules rules_;
};

}  // namespace

Plan make_plan(const Graph& g, const plan_request& request) { return planner(g, request).make(); }

}  // namespace graft::detail
