#include "io/region_bodies.hpp"

#include <algorithm>
#include <unordered_map>

#include "graft/graph/operator.hpp"
#include "graft/ops/sources.hpp"
#include "graft/schema/core_operators.hpp"

#include "graph/body_view.hpp"
#include "graph/copy.hpp"

namespace graft::io {
namespace {

std::int64_t take_constant(Graph& to, const std::string& name, const file_op& op,
                           file_references& refers) {
  const auto found = refers.arrays.find(name);
  if (found == refers.arrays.end() || name.front() != '/') {
    refuse_region(refers.path, "the constant " + shown(name) + " is missing", op.name);
  }
  const std::int64_t index = detail::append_constant(to, std::move(found->second));
  refers.arrays.erase(found);
  return index;
}

// Ops of a graph that nobody else names ops in, under the names they had.
class body_maker {
 public:
  body_maker(const file_body& body, file_references& refers) : body_(body), refers_(refers) {
    scopes_.emplace("", scope_id{});
  }

  std::shared_ptr<const Graph> run() {
    for (std::size_t i = 0; i < body_.inputs.size(); ++i) {
      const file_input& input = body_.inputs[i];
      attribute_list attributes;
      attributes.set("capture", static_cast<std::int64_t>(i)).set("type", input.type.type);
      if (input.type.ranked) attributes.set("shape", input.type.shape);
      inputs_.push_back({add(ops::captured, {}, attributes, input.name), 0});
    }
    for (const file_op& op : body_.ops) {
      small_vector<tensor_id, 4> operands;
      for (const file_tensor& t : op.operands) operands.push_back(tensor(t));
      ops_.push_back(add(*op.schema, operands, make_attributes(*made_, op, refers_, {}), op.name));
      check_constant(*made_, op, ops_.back(), refers_.path);
    }
    for (std::size_t i = 0; i < ops_.size(); ++i) {
      for (const std::uint32_t before : body_.ops[i].after)
        made_->add_control_edge(ops_[before], ops_[i]);
    }
    made_->data().closed = true;
    (void)detail::body_view(*made_);  // refuses what is no body
    return made_;
  }

 private:
  op_id add(const operator_schema& schema, std::span<const tensor_id> operands,
            const attribute_list& attributes, const std::string& path) {
    const std::size_t slash = path.rfind('/');
    made_->reenter_scope(slash == std::string::npos ? scope_id{} : scope_of(path.substr(0, slash)));
    const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
    const op_id added = made_->add(schema, operands, attributes, name);
    made_->leave_scope();
    if (made_->path_of(added) != path)
      refuse_region(refers_.path, "two ops of a body have that name", path);
    return added;
  }
  scope_id scope_of(const std::string& path) {
    const auto known = scopes_.find(path);
    if (known != scopes_.end()) return known->second;
    // The nearest one that is there, then those below it.
    std::size_t end = path.rfind('/');
    while (end != std::string::npos && !scopes_.contains(path.substr(0, end)))
      end = path.rfind('/', end - 1);
    scope_id at = end == std::string::npos ? scope_id{} : scopes_.at(path.substr(0, end));
    while (end != path.size()) {
      const std::size_t begin = end == std::string::npos ? 0 : end + 1;
      end = std::min(path.find('/', begin), path.size());
      at = detail::append_scope(*made_, at, path.substr(begin, end - begin));
      scopes_.emplace(path.substr(0, end), at);
    }
    return at;
  }

  tensor_id tensor(const file_tensor& t) const {
    if (t.input) return inputs_[t.number];
    const op_id op = ops_[t.number];
    if (t.output < made_->output_count(op)) return {op, t.output};
    refuse_region(
        refers_.path,
        "there is no output " + std::to_string(t.output) + " of op " + std::to_string(t.number),
        body_.ops[t.number].name);
  }

  const file_body& body_;
  file_references& refers_;
  std::shared_ptr<Graph> made_ = std::make_shared<Graph>();
  std::unordered_map<std::string, scope_id> scopes_;
  std::vector<tensor_id> inputs_;
  std::vector<op_id> ops_;
};

}  // namespace

attribute_list make_attributes(Graph& to, const file_op& op, file_references& refers,
                               std::span<const variable_id> variables) {
  attribute_list list;
  for (const file_attribute& a : op.attributes) {
    const auto number = static_cast<std::size_t>(a.integer);
    switch (a.kind) {
      case attribute_kind::real:
        list.set(a.key, a.real);
        break;
      case attribute_kind::integers:
        list.set(a.key, a.integers);
        break;
      case attribute_kind::string:
        list.set_string(a.key, a.text);
        break;
      case attribute_kind::variable:
        list.set(a.key, std::int64_t{variables[number].value}, a.kind);
        break;
      case attribute_kind::constant:
        list.set(a.key, take_constant(to, a.text, op, refers), a.kind);
        break;
      case attribute_kind::body:
        list.set(a.key, detail::append_body(to, refers.bodies[number]), a.kind);
        break;
      default:
        list.set(a.key, a.integer, a.kind);
        break;
    }
  }
  return list;
}

// A stored constant says its type twice.
void check_constant(const Graph& g, const file_op& op, op_id made, const std::string& path) {
  if (op.schema != find_operator(ops::constant.name)->schema) return;
  const auto value = g.attributes_of(made).find("value");
  if (!value || value->kind != attribute_kind::constant) {
    refuse_region(path, "it has no value", op.name);
  }
  const Array& stored = g.constant(value->integer);
  if (!(g.type_of({made, 0}) == value_type::of(stored.type(), stored.shape()))) {
    refuse_region(path, "its value is not of its type", op.name);
  }
}

std::shared_ptr<const Graph> make_body(const file_body& body, file_references& refers) {
  return body_maker(body, refers).run();
}

}  // namespace graft::io
