#include "graft/lower/lower.hpp"

#include <string>
#include <utility>

#include "graft/core/error.hpp"
#include "graft/schema/control_operators.hpp"
#include "graft/schema/rules.hpp"

namespace graft {

namespace {

using traits = target_traits<Graph>;

// Leaves the scopes that are still open and restores the mode, also when something throws. Bodies that are open
// then go with the transaction.
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

// Replays the steps of a builder; values[i] is what value i of the table became. An input of a body that stands
// for something outside is what that became: the graph takes it in by itself, in the table's order.
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
      case table_step::kind::enter_scope: {
        const std::string_view name = table_.characters_of(table_.scopes[s.index].name);
        if (bodies_.empty()) {
          state_.enter(name);
        } else {
          here().enter_scope(name);
        }
        break;
      }
      case table_step::kind::leave_scope:
        if (bodies_.empty()) {
          state_.leave();
        } else {
          here().leave_scope();
        }
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
        here().set_mode(static_cast<mode>(s.index));
        break;
      case table_step::kind::own_update:
        traits::own_update(graph_, values_[s.index], values_[s.second]);
        break;
      case table_step::kind::open_body:
        bodies_.push_back({&traits::open_body(here()), s.index, table_.owner_of(s.index).op});
        break;
      case table_step::kind::argument:
        values_[s.index] = traits::add_argument(here(), next_argument(bodies_.back()));
        ++bodies_.back().arguments;
        break;
      case table_step::kind::capture:
        capture(s.index, s.second);
        break;
      case table_step::kind::close_body:
        close_body(s.index, table_.ops[s.second]);
        break;
      case table_step::kind::variable_scope:
        break;  // the graph makes it
    }
  }

  // What is built into now.
  Graph& here() { return bodies_.empty() ? graph_ : *bodies_.back().graph; }

  struct captured_value {
    std::uint32_t inner, outer;  // values of the table
  };
  struct open_body {
    Graph* graph;
    std::uint32_t number;
    std::uint32_t owner;  // op of the table
    std::size_t arguments = 0;
    std::vector<captured_value> captures = {};
  };
  struct closed_body {
    std::int64_t index = 0;
    std::size_t table_captures = 0;
    std::vector<graph_reference> captures;  // fewer than the table's where inputs are one tensor
  };

  // The type of a body's next argument: the graph may know more of the operand than the table.
  [[nodiscard]] value_type next_argument(const open_body& body) const {
    const table_op& owner = table_.ops[body.owner];
    const auto number = static_cast<std::uint32_t>(body.arguments);
    value_type type = traits::type_of(values_[table_.operand(owner, number)]);
    const bool element = owner.schema->name == ops::scan.name &&
                         std::int64_t{number} >= table_.integer_of(owner, "states");
    if (element && type.ranked) type.shape.erase(0);
    return type;
  }

  void capture(std::uint32_t inner, std::uint32_t outer) {
    values_[inner] = values_[outer];
    const std::uint32_t number = table_.ops[table_.values[inner].op].body;
    for (open_body& b : bodies_) {
      if (b.number == number) b.captures.push_back({inner, outer});
    }
    // For a body around the innermost one, that one's own step follows.
    if (bodies_.back().number == number) (void)here().capture(values_[outer]);
  }

  void close_body(std::uint32_t number, const table_op& op) {
    small_vector<graph_reference, 4> results;
    for (std::uint32_t i = 0; i < op.operands.count; ++i) {
      results.push_back(values_[table_.operand(op, i)]);
    }
    const open_body body = bodies_.back();
    // A variable that was made in the body is known by the body's tensor as yet.
    std::vector<std::pair<std::uint32_t, std::size_t>> made_inside;
    for (const auto& [inner, outer] : body.captures) {
      const graph_reference& r = values_[inner];
      if (r.slot != body.graph->slot()) continue;
      const auto place =
          static_cast<std::size_t>(body.graph->attributes_of(r.id.op).find("capture")->integer);
      made_inside.emplace_back(outer, place - body.arguments);
    }
    bodies_.pop_back();
    const traits::closed_body closed = traits::close_body(here(), results);
    for (const auto& [outer, place] : made_inside) values_[outer] = closed.captures[place];
    if (closed_.size() < number) closed_.resize(number);
    closed_[number - 1] = {closed.index, body.captures.size(), closed.captures};
  }

  void op(const table_op& o) {
    attribute_list attributes = table_.attributes_of(o.attributes);
    std::uint32_t own = o.operands.count;  // operands but for what bodies take
    small_vector<graph_reference, 4> taken;
    for (attribute& a : attributes) {
      if (a.kind == attribute_kind::variable) a.integer = variable_number(a.integer);
      if (a.kind != attribute_kind::body) continue;
      const closed_body& body = closed_[static_cast<std::size_t>(a.integer) - 1];
      own -= static_cast<std::uint32_t>(body.table_captures);
      taken.append(body.captures.begin(), body.captures.end());
      a.integer = body.index;
      count_captures(attributes, a.key, body.captures.size());
    }
    small_vector<graph_reference, 4> operands;
    for (std::uint32_t i = 0; i < own; ++i) operands.push_back(values_[table_.operand(o, i)]);
    operands.append(taken.begin(), taken.end());
    const auto outputs =
        traits::add(here(), *o.schema, operands, attributes, table_.characters_of(o.name), o.line);
    for (std::uint32_t i = 0; i < o.outputs.count; ++i) values_[o.outputs.first + i] = outputs[i];
  }

  // Says how many operands a body takes, where an operator with several bodies has to be told.
  static void count_captures(attribute_list& attributes, std::string_view body, std::size_t count) {
    const std::string key = std::string(body) + "_captures";
    for (attribute& a : attributes) {
      if (a.key == key) a.integer = static_cast<std::int64_t>(count);
    }
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
    return traits::add_variable(here(), spec, v.line);
  }

  // The graph's number of one of the table's variables.
  std::int64_t variable_number(std::int64_t in_table) const {
    const graph_reference& read =
        values_[table_.variables[static_cast<std::size_t>(in_table)].value];
    if (graph_.is_open_body()) {
      throw graph_error({"a network was lowered into a body that is open",
                         "it updates '" + graph_.path_of(read.id) +
                             "', and a body may run often or never, so it updates no variable",
                         "", "lower it outside the body, onto the whole sequence"});
    }
    return std::int64_t{graph_.variable_read_by(read.id)->value};
  }

  const table_view& table_;
  Graph& graph_;
  std::span<const any_tensor> inputs_;
  building_state state_;
  std::vector<graph_reference> values_;
  std::vector<open_body> bodies_;    // the innermost is the last
  std::vector<closed_body> closed_;  // by number, from 1
};

}  // namespace

std::vector<any_tensor> lower(const table_view& table, Graph& outer,
                              std::span<const any_tensor> inputs) {
  // As where the builder is called: what is built goes to the innermost body that is open.
  Graph* innermost = &outer;
  while (Graph* body = innermost->current_body()) innermost = body;
  Graph& g = *innermost;
  if (inputs.size() != table.inputs.size()) {
    throw argument_error(
        {"a network was lowered onto " + std::to_string(inputs.size()) + " tensors",
         "it has " + std::to_string(table.inputs.size()) + " inputs", "",
         "pass one tensor for each input"});
  }
  Graph::transaction changes(g);
  std::vector<any_tensor> taken;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    // Refuses handles of other graphs; what is around a body becomes an input of it.
    const tensor_id id = g.is_open_body() ? g.capture(inputs[i].ref()) : g.id(inputs[i]);
    check_input(table.type_of(table.inputs[i]), g.type_of(id), i);
    taken.push_back(g.handle(id));
  }
  std::vector<any_tensor> outputs = replay(table, g, taken).run();
  changes.commit();
  return outputs;
}

}  // namespace graft
