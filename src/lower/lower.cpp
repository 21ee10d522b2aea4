#include "graft/lower/lower.hpp"

#include <string>

#include "graft/core/error.hpp"
#include "graft/schema/rules.hpp"

namespace graft {

namespace {

using traits = target_traits<Graph>;

// Leaves the scopes that are still open and restores the mode, also when something throws.
class building_state {
 public:
  explicit building_state(Graph& g) : graph_(&g), mode_(g.current_mode()) {}
  ~building_state() {
    for (; depth_ > 0; --depth_) graph_->leave_scope();
    if (graph_->current_mode() != mode_) graph_->set_mode(mode_);
  }
  building_state(const building_state&) = delete;
  building_state& operator=(const building_state&) = delete;

  void enter(std::string_view name) {
    graph_->enter_scope(name);
    ++depth_;
  }
  void leave() {
    graph_->leave_scope();
    --depth_;
  }

 private:
  Graph* graph_;
  mode mode_;
  std::size_t depth_ = 0;
};

void check_input(const value_type& wanted, const value_type& got, std::size_t i) {
  const std::string asked = "input " + std::to_string(i) + " of a network was given a tensor";
  const std::string found =
      "the network takes " + to_string(wanted) + ", the tensor is " + to_string(got);
  if (wanted.type != dtype::any && got.type != dtype::any && wanted.type != got.type) {
    throw dtype_error({asked, found, "", "insert cast<T>(x)"});
  }
  if (rules::surely_differ(wanted, got)) {
    throw shape_error(
        {asked, found, "", "reshape the tensor, or record the network for its shape"});
  }
}

// Replays the steps of a builder; values[i] is what value i of the table became.
class replay {
 public:
  replay(const table_view& table, Graph& g, std::span<const any_tensor> inputs)
      : table_(table), graph_(g), inputs_(inputs), state_(g), values_(table.values.size()) {}

  std::vector<any_tensor> run() {
    for (const table_step& s : table_.steps) step(s);
    std::vector<any_tensor> outputs;
    for (const std::uint32_t value : table_.outputs) outputs.emplace_back(values_[value]);
    return outputs;
  }

 private:
  void step(const table_step& s) {
    switch (s.what) {
      case table_step::kind::enter_scope:
        state_.enter(table_.characters_of(table_.scopes[s.index].name));
        break;
      case table_step::kind::leave_scope:
        state_.leave();
        break;
      case table_step::kind::input:
        values_[table_.inputs[s.index]] = inputs_[s.index].ref();
        break;
      case table_step::kind::op:
        op(table_.ops[s.index]);
        break;
      case table_step::kind::variable:
        values_[table_.variables[s.index].value] = variable(table_.variables[s.index]);
        break;
      case table_step::kind::reuse:
        break;  // the variable is there already
      case table_step::kind::set_mode:
        graph_.set_mode(static_cast<mode>(s.index));
        break;
      case table_step::kind::own_update:
        traits::own_update(graph_, values_[s.index], values_[s.second]);
        break;
    }
  }

  void op(const table_op& o) {
    small_vector<graph_reference, 4> operands;
    for (std::uint32_t i = 0; i < o.operands.count; ++i) {
      operands.push_back(values_[table_.operand(o, i)]);
    }
    attribute_list attributes = table_.attributes_of(o.attributes);
    for (attribute& a : attributes) {
      if (a.kind == attribute_kind::variable) a.integer = variable_number(a.integer);
    }
    const auto outputs =
        traits::add(graph_, *o.schema, operands, attributes, table_.characters_of(o.name), o.line);
    for (std::uint32_t i = 0; i < o.outputs.count; ++i) values_[o.outputs.first + i] = outputs[i];
  }

  graph_reference variable(const table_variable& v) {
    variable_spec spec;
    spec.name = table_.characters_of(v.name);
    spec.type = table_.type_of(v.value);
    spec.initial.schema = v.initial;
    spec.initial.attributes = table_.attributes_of(v.initial_attributes);
    spec.role = v.role;
    spec.trainable = v.trainable;
    spec.shared_key = table_.characters_of(v.shared_key);
    return traits::add_variable(graph_, spec, v.line);
  }

  // The graph's number of one of the table's variables.
  std::int64_t variable_number(std::int64_t in_table) const {
    const graph_reference& read =
        values_[table_.variables[static_cast<std::size_t>(in_table)].value];
    return std::int64_t{graph_.variable_read_by(read.id)->value};
  }

  const table_view& table_;
  Graph& graph_;
  std::span<const any_tensor> inputs_;
  building_state state_;
  std::vector<graph_reference> values_;
};

}  // namespace

std::vector<any_tensor> lower(const table_view& table, Graph& g,
                              std::span<const any_tensor> inputs) {
  if (inputs.size() != table.inputs.size()) {
    throw argument_error(
        {"a network was lowered onto " + std::to_string(inputs.size()) + " tensors",
         "it has " + std::to_string(table.inputs.size()) + " inputs", "",
         "pass one tensor for each input"});
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const tensor_id id = g.id(inputs[i]);  // refuses handles of other graphs
    check_input(table.type_of(table.inputs[i]), g.type_of(id), i);
  }
  Graph::transaction changes(g);
  std::vector<any_tensor> outputs = replay(table, g, inputs).run();
  changes.commit();
  return outputs;
}

}  // namespace graft
