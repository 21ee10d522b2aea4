// Reading regions: the text is decoded first, then built in one transaction.
#include <set>
#include <unordered_map>

#include "graft/graph/operator.hpp"
#include "graft/io/region_file.hpp"
#include "graft/ops/sources.hpp"
#include "graft/schema/core_operators.hpp"

#include "graph/building.hpp"
#include "graph/copy.hpp"
#include "io/region_bodies.hpp"
#include "io/region_decoder.hpp"
#include "io/region_format.hpp"
#include "io/tensor_file.hpp"

namespace graft {
namespace {

using namespace graft::io;  // what the file says

class builder {
 public:
  builder(Graph& g, const std::string& path, const load_region_options& options)
      : g_(g), path_(path), options_(options) {}

  loaded_region run() {
    if (options_.where.graph != nullptr && options_.where.graph != &g_) {
      throw argument_error({"a region was to be loaded from '" + path_ + "'",
                            "into(...) names another graph than the first argument", path_,
                            "give the graph once"});
    }
    io::tensor_file file = io::read_tensor_file(path_);
    const std::string* text = nullptr;
    for (const auto& [key, value] : file.metadata) {
      if (key == io::region_key) text = &value;
    }
    if (text == nullptr)
      refuse_region(path_, "it holds values and no region; load_variables reads those");
    r_ = decode_region(path_, *text);
    variables_.resize(r_.variables.size());
    take_arrays(file);
    check_no_body();

    Graph::transaction all(g_);
    take_inputs();
    try {
      for (std::size_t k = 0; k < r_.bodies.size(); ++k) add_body(k);
      make_top_scope();
      add_inputs();
      for (std::size_t i = 0; i < r_.ops.size(); ++i) add_op(i);
      check_front();
      finish();
    } catch (const name_error& e) {
      if (of_the_caller_) throw;
      refuse_region(path_, e.parts().asked + ": " + e.parts().found, e.parts().where);
    } catch (const io_error&) {
      throw;
    } catch (const error& e) {
      if (options_.inputs_given && building_) throw;  // it is the inputs that do not fit
      refuse_region(path_, e.parts().asked + ": " + e.parts().found, e.parts().where);
    }
    loaded_region result = make_result();
    all.commit();
    return result;
  }

 private:
  // Of a front of names to leave out.
  void check_front() {
    if (options_.strip.empty() || stripped_) return;
    of_the_caller_ = true;
    throw name_error({"the region of '" + path_ + "' was to be loaded without '" + options_.strip +
                          "' in front of its names",
                      "none of its names begins with '" + options_.strip + "/'", path_,
                      "give the scope that it was saved from, or leave from() out"});
  }
  void check_no_body() const {
    if (!g_.is_open_body() || r_.variables.empty()) return;
    throw graph_error({"a region was to be loaded from '" + path_ + "' into a body",
                       "it has variables, '" + r_.ops[r_.variables.front().read].name +
                           "' among them, and a body holds none",
                       path_,
                       "load it into the graph around before the body is built, and use its "
                       "tensors inside"});
  }

  void take_arrays(io::tensor_file& file) {
    std::size_t constants = 0;
    const auto count = [&constants](const std::vector<file_op>& ops) {
      for (const file_op& o : ops) {
        for (const file_attribute& a : o.attributes)
          constants += a.kind == attribute_kind::constant;
      }
    };
    count(r_.ops);
    for (const file_body& body : r_.bodies) count(body.ops);
    for (const file_input& input : r_.inputs) constants += !input.value.empty();
    for (auto& [name, array] : file.arrays) refers_.arrays.emplace(name, std::move(array));
    std::size_t values = 0;
    for (const file_variable& v : r_.variables) {
      variable_of_read_.emplace(v.read, variable_of_read_.size());
      if (!v.value) continue;
      ++values;
      if (refers_.arrays.count(r_.ops[v.read].name) == 0) {
        refuse_region(path_, "the value of variable " + shown(r_.ops[v.read].name) + " is missing");
      }
    }
    if (refers_.arrays.size() != values + constants) {
      refuse_region(path_, "it has " + std::to_string(refers_.arrays.size()) + " arrays where " +
                               std::to_string(values + constants) +
                               " belong to its ops and variables");
    }
  }

  // In a body they may come from around it.
  void take_inputs() {
    if (!options_.inputs_given) return;
    const std::size_t wanted = r_.inputs.size() - r_.kept;
    if (options_.given.size() != wanted) {
      throw boundary_error({"a region was to be loaded from '" + path_ + "'",
                            std::to_string(options_.given.size()) + " inputs were given, it has " +
                                std::to_string(wanted),
                            path_, "give each saved input, in order"});
    }
    for (std::size_t i = 0; i < wanted; ++i) {
      const tensor_id t = detail::id_for_use(g_, options_.given[i]);
      taken_.push_back(t);
      const value_type is = g_.type_of(t), was = r_.inputs[i].type;
      const auto parts = [&] {
        return error_parts{"'" + g_.path_of(t) + "' was given for input " + std::to_string(i) +
                               ", '" + r_.inputs[i].name + "', of '" + path_ + "'",
                           "it is " + to_string(is) + ", the input " + to_string(was),
                           g_.path_of(t), "give a tensor of that type and shape"};
      };
      if (is.type != was.type && was.type != dtype::any) throw dtype_error(parts());
      if (!is.ranked || !was.ranked) continue;
      bool fits = is.shape.size() == was.shape.size();
      for (std::size_t k = 0; fits && k < is.shape.size(); ++k) {
        fits = !surely_differ(is.shape[k], was.shape[k]);
      }
      if (!fits) throw shape_error(parts());
    }
  }

  [[noreturn]] void refuse_name(const std::string& name) {
    of_the_caller_ = true;
    throw name_error({"a region was to be loaded under exact names, '" + name + "' among them",
                      "the name is taken", path_,
                      "choose another scope, or leave names::exact out"});
  }

  void require_name(op_id made, const std::string& name) {
    if (options_.naming == names::exact && g_.name_of(made) != name) refuse_name(name);
  }

  scope_id make_scope(scope_id under, std::string_view name) {
    if (options_.naming == names::exact && !detail::scope_name_is_free(g_, under, name)) {
      refuse_name(std::string(name));
    }
    return detail::append_scope(g_, under, name);
  }

  void make_top_scope() {
    top_ = g_.current_scope();
    std::string_view rest = options_.where.scope;
    while (!rest.empty()) {
      const std::size_t slash = rest.find('/');
      const std::string_view part = rest.substr(0, slash);
      const bool last = slash == std::string_view::npos;
      if (part.empty() || (!last && slash + 1 == rest.size())) {
        of_the_caller_ = true;
        throw name_error({"a region was to be loaded into '" + options_.where.scope + "'",
                          "a component is empty", "", "write scopes as \"a/b\""});
      }
      if (last) {
        top_ = make_scope(top_, part);
        break;
      }
      const std::string above = g_.scope_path(top_);
      const auto there =
          g_.find_scope(above.empty() ? std::string(part) : above + "/" + std::string(part));
      top_ = there ? *there : detail::append_scope(g_, top_, part);
      rest.remove_prefix(slash + 1);
    }
    scopes_.emplace("", top_);
  }

  // The name of an op without its scope, and the scope, made if need be.
  std::pair<scope_id, std::string> place(const std::string& path) {
    std::string_view rest = path;
    if (!options_.strip.empty() && rest.starts_with(options_.strip) &&
        rest.size() > options_.strip.size() && rest[options_.strip.size()] == '/') {
      rest.remove_prefix(options_.strip.size() + 1);
      stripped_ = true;
    }
    const std::size_t slash = rest.rfind('/');
    if (slash == std::string_view::npos) return {top_, std::string(rest)};
    return {scope_of(rest.substr(0, slash)), std::string(rest.substr(slash + 1))};
  }
  scope_id scope_of(std::string_view path) {
    scope_id at = top_;
    for (std::size_t end = path.find('/');; end = path.find('/', end + 1)) {
      const std::string above(path.substr(0, end));
      const auto found = scopes_.find(above);
      if (found != scopes_.end()) {
        at = found->second;
      } else {
        const std::size_t begin = above.rfind('/');
        at = make_scope(at, begin == std::string::npos ? above : above.substr(begin + 1));
        scopes_.emplace(above, at);
      }
      if (end == std::string_view::npos) return at;
    }
  }

  template <class F>
  auto inside(scope_id scope, F&& add) {
    g_.reenter_scope(scope);  // an exception undoes it with all else
    auto result = add();
    g_.leave_scope();
    return result;
  }

  void add_body(std::size_t k) {
    try {
      refers_.bodies.push_back(make_body(r_.bodies[k], refers_));
    } catch (const io_error& e) {
      error_parts parts = e.parts();
      parts.where += ", " + place_of_body(k);
      throw io_error(parts);
    } catch (const error& e) {
      refuse_region(path_, e.parts().asked + ": " + e.parts().found, place_of_body(k));
    }
  }
  // "body 'then' of 'choice', body 'body' of 'net/scan'": the first op that owns it, and what that is within.
  std::string place_of_body(std::size_t k) const {
    const auto owned_by = [k](const std::vector<file_op>& ops) -> std::string {
      for (const file_op& o : ops) {
        for (const file_attribute& a : o.attributes) {
          if (a.kind != attribute_kind::body || static_cast<std::size_t>(a.integer) != k) continue;
          return "body " + shown(a.key) + " of " + shown(o.name);
        }
      }
      return {};
    };
    std::string place = owned_by(r_.ops);
    for (std::size_t outer = k + 1; place.empty() && outer < r_.bodies.size(); ++outer) {
      place = owned_by(r_.bodies[outer].ops);
      if (!place.empty()) place += ", " + place_of_body(outer);
    }
    return place;
  }

  void add_inputs() {
    for (std::size_t i = 0; i < r_.inputs.size(); ++i) {
      const bool given = options_.inputs_given && i < options_.given.size();
      if (given) {
        inputs_.push_back(taken_[i]);
        continue;
      }
      const auto [scope, name] = place(r_.inputs[i].name);
      if (!r_.inputs[i].value.empty()) {
        inputs_.push_back(given_value(r_.inputs[i], scope, name));
        continue;
      }
      attribute_list attributes;
      attributes.set("type", r_.inputs[i].type.type);
      if (r_.inputs[i].type.ranked) attributes.set("shape", r_.inputs[i].type.shape);
      const std::string& as = name;
      inputs_.push_back(
          {inside(scope, [&] { return g_.add(ops::placeholder, {}, attributes, as); }), 0});
      require_name(inputs_.back().op, name);
    }
  }

  // A constant, so that the outputs can be run; the region is cut there.
  tensor_id given_value(const file_input& input, scope_id scope, const std::string& name) {
    const auto found = refers_.arrays.find(input.value);
    if (found == refers_.arrays.end()) {
      refuse_region(path_, "its given value " + shown(input.value) + " is missing", input.name);
    }
    Array value = std::move(found->second);
    refers_.arrays.erase(found);
    if (!detail::may_be(input.type, value_type::of(value.type(), value.shape()))) {
      refuse_region(path_, "its given value is not of its type", input.name);
    }
    const tensor_id made = inside(scope, [&] { return g_.add_constant(value, name); });
    require_name(made.op, name);
    given_.values.emplace_back(g_.handle(made).ref(), std::move(value));
    return made;
  }

  tensor_id tensor(const file_tensor& t) const {
    if (t.input) return inputs_[t.number];
    const op_id op = ops_[t.number];
    if (t.output >= g_.output_count(op)) {
      refuse_region(
          path_,
          "there is no output " + std::to_string(t.output) + " of op " + std::to_string(t.number),
          r_.ops[t.number].name);
    }
    return {op, t.output};
  }

  void add_op(std::size_t i) {
    const file_op& o = r_.ops[i];
    const auto [scope, name] = place(o.name);
    op_id made;
    if (o.schema == &ops::variable) {
      made = add_variable(i, scope, name);
    } else {
      small_vector<tensor_id, 4> operands;
      for (const file_tensor& t : o.operands) operands.push_back(tensor(t));
      const attribute_list attributes = make_attributes(g_, o, refers_, variables_);
      const std::string& as = name;
      building_ = true;
      made = inside(scope, [&] { return g_.add(*o.schema, operands, attributes, as); });
      building_ = false;
      check_constant(g_, o, made, path_);
    }
    require_name(made, name);
    ops_.push_back(made);
  }

  op_id add_variable(std::size_t i, scope_id scope, const std::string& name) {
    const std::size_t k = variable_of_read_.at(i);
    const file_variable& v = r_.variables[k];
    const tensor_id initial = tensor(v.initial);
    const variable_id made =
        inside(scope, [&] { return g_.add_variable(name, initial, v.role, v.trainable); });
    variable_info& info = g_.data().variables[made.value];
    info.stream_key = v.stream;
    variables_[k] = made;
    const file_op& o = r_.ops[i];
    dims shape;
    dtype type = dtype::any;
    for (const file_attribute& a : o.attributes) {
      if (a.key == "shape" && a.kind == attribute_kind::integers) shape = a.integers;
      if (a.key == "type" && a.kind == attribute_kind::type) type = static_cast<dtype>(a.integer);
    }
    if (!(info.type == value_type::of(type, shape))) {
      refuse_region(path_, "the variable is not of the type of its initial value", o.name);
    }
    return info.read.op;
  }

  void finish() {
    for (std::size_t i = 0; i < r_.ops.size(); ++i) {
      for (const std::uint32_t before : r_.ops[i].after) g_.add_control_edge(ops_[before], ops_[i]);
    }
    for (std::size_t k = 0; k < r_.variables.size(); ++k) {
      const file_variable& v = r_.variables[k];
      for (const std::uint32_t update : v.updates) g_.own_update(variables_.at(k), ops_[update]);
      if (!v.value) continue;
      g_.store().set(variables_.at(k), refers_.arrays.at(r_.ops[v.read].name));
    }
    for (const auto& [name, members] : r_.collections) {
      for (const file_member& m : members) {
        member made{m.what, {}, {}};
        if (m.what == member::kind::variable) made.variable = variables_.at(m.number);
        if (m.what == member::kind::op) made.tensor = {ops_[m.number], 0};
        if (m.what == member::kind::tensor) made.tensor = tensor(m.tensor);
        g_.add_to_collection(name, made);
      }
    }
    for (const file_tensor& t : r_.outputs) outputs_.push_back(tensor(t));
  }

  loaded_region make_result() {
    input_list in;
    output_list out;
    std::set<tensor_id> seen;
    for (std::size_t i = 0; i + r_.kept < inputs_.size(); ++i) {
      if (seen.insert(inputs_[i]).second) in.tensors.push_back(g_.handle(inputs_[i]).ref());
    }
    for (const tensor_id t : outputs_) out.tensors.push_back(g_.handle(t).ref());
    loaded_region result{
        extract(in, out, given_, leaks::keep, unused::allow, reentry::allow), {}, {}, {}};
    for (std::size_t i = 0; i + r_.kept < inputs_.size(); ++i)
      result.inputs.push_back(g_.handle(inputs_[i]));
    for (const tensor_id t : outputs_) result.outputs.push_back(g_.handle(t));
    for (std::size_t k = 0; k < r_.variables.size(); ++k)
      result.variables.push_back(variables_.at(k));
    return result;
  }

  Graph& g_;
  const std::string& path_;
  const load_region_options& options_;
  file_region r_;
  file_references refers_{path_, {}, {}};
  std::unordered_map<std::string, scope_id> scopes_;
  scope_id top_;
  std::vector<tensor_id> taken_;  // the caller's inputs
  std::vector<tensor_id> inputs_, outputs_;
  given_values given_;
  std::vector<op_id> ops_;
  std::unordered_map<std::size_t, std::size_t> variable_of_read_;
  std::vector<variable_id> variables_;  // by number
  bool of_the_caller_ = false;
  bool stripped_ = false;  // names had the front that is to be left out
  bool building_ = false;
};

}  // namespace

void load_region_options::set(const destination& d) { where = d; }

void load_region_options::set(const source_scope& s) { strip = s.path; }

void load_region_options::set(const input_list& list) {
  given = list.tensors;
  inputs_given = true;
}

loaded_region load_region_from(Graph& graph, const std::string& path,
                               const load_region_options& options) {
  return builder(graph, path, options).run();
}

}  // namespace graft
