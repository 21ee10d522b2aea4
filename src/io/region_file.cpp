// Writing regions. @see region_reader.cpp for the way back
#include "graft/io/region_file.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>
#include <unordered_map>

#include "graft/graph/operator.hpp"
#include "graft/schema/control_operators.hpp"
#include "graft/schema/core_operators.hpp"
#include "graft/surgery/clone.hpp"
#include "graft/surgery/rewrite.hpp"

#include "graph/attribute_lists.hpp"
#include "graph/body_view.hpp"
#include "graph/building.hpp"
#include "io/json.hpp"
#include "io/region_format.hpp"
#include "io/tensor_file.hpp"
#include "surgery/anchored.hpp"

namespace graft {
namespace {

using detail::anchored;
using detail::canonical;
using io::json;

json real_of(double value) {
  if (std::isfinite(value)) return value;
  if (!std::isnan(value)) return value < 0 ? "-inf" : "inf";
  const auto bits = std::bit_cast<std::uint64_t>(value);
  return bits == io::plain_nan ? "nan" : io::nan_prefix + std::to_string(bits);
}

// What the pieces of a file share: its path, and what they refer to.
class file_writer {
 public:
  explicit file_writer(const std::string& file_path) : path(file_path) {}

  /// The number of a body; writes it down where it was not yet.
  std::size_t body(const Graph& owner, op_id op, const attribute& a);

  /// The name of an array of the file.
  std::string constant(const Array& value) {
    std::string name(1, '/');
    name += std::to_string(constants.size());
    constants.emplace_back(name, value);
    return name;
  }

  const std::string& path;
  json::list bodies;
  named_arrays constants;

 private:
  std::unordered_map<const Graph*, std::size_t> body_number_;
  std::size_t depth_ = 0;
};

// Ops in canonical order: of a region, or of a body.
class piece {
 public:
  piece(file_writer& file, const anchored& of)
      : file_(file), a_(of), g_(of.graph()), order_(canonical_of(of)) {
    for (std::size_t i = 0; i < order_.variables.size(); ++i) {
      variable_number_.emplace(order_.variables[i].value, i);
    }
  }

  [[nodiscard]] const std::vector<variable_id>& variables() const { return order_.variables; }
  [[nodiscard]] std::uint32_t number(op_id op) const { return order_.number[a_.place(op)]; }
  /// @return nothing for a variable that no op refers to
  [[nodiscard]] std::optional<std::size_t> number(variable_id v) const {
    const auto found = variable_number_.find(v.value);
    return found == variable_number_.end() ? std::nullopt : std::optional(found->second);
  }

  [[nodiscard]] std::string tensor(tensor_id t) const {
    if (const int cut = a_.cut(t); cut >= 0) {
      return "in" + std::to_string(order_.cut_number[static_cast<std::size_t>(cut)]);
    }
    std::string text = std::to_string(number(t.op));
    if (t.output != 0) text += ":" + std::to_string(t.output);
    return text;
  }

  /// A tensor that an op needs. It comes before the op, unless initial values need one another.
  [[nodiscard]] std::string needed(tensor_id t, op_id by) const {
    if (a_.cut(t) < 0 && number(t.op) >= number(by)) {
      const op_id read = detail::is_operator(g_.schema_of(t.op), ops::variable) ? t.op : by;
      throw graph_error({"'" + file_.path + "' was to be written",
                         "the initial value of variable '" + g_.path_of(read) +
                             "' depends on the variable itself",
                         g_.path_of(read), "let it start from something else"});
    }
    return tensor(t);
  }

  /// Writes given values down after the constants that the file has so far.
  [[nodiscard]] json inputs() const {
    std::vector<std::size_t> ordered(a_.cuts().size());
    for (std::size_t i = 0; i < ordered.size(); ++i) ordered[order_.cut_number[i]] = i;
    json::list list;
    for (const std::size_t cut : ordered) {
      const tensor_id t = a_.cuts()[cut];
      const value_type type = g_.type_of(t);
      json entry = json::object();
      entry.add("name", g_.path_of(t.op));
      entry.add("type", name_of(type.type));
      if (type.ranked) entry.add("shape", shape_of(t.op, type.shape));
      if (const Array* value = a_.value(cut)) entry.add("value", file_.constant(*value));
      list.push_back(std::move(entry));
    }
    return list;
  }

  json ops() {
    json::list list;
    for (const op_id op : order_.ops) list.push_back(op_entry(op));
    return list;
  }

 private:
  [[noreturn]] void refuse(const std::string& found, op_id op, const char* hint) const {
    throw unsupported_error(
        {"'" + file_.path + "' was to be written", found, g_.path_of(op), hint});
  }

  [[nodiscard]] json name_of_dim(op_id op, extent e) const {
    std::string name = dim_name(e);
    if (name.size() > io::max_dim_name) {
      refuse("the name of a dimension has " + std::to_string(name.size()) + " bytes", op,
             "give it one of at most 1000");
    }
    return name;
  }
  [[nodiscard]] json shape_of(op_id op, const dims& shape) const {
    json::list list;
    for (const extent e : shape) {
      list.push_back(e == dyn ? json() : is_named(e) ? name_of_dim(op, e) : json(e));
    }
    return list;
  }
  // Names that do not pack are written as names, so that whoever loads them has them.
  [[nodiscard]] json integers_of(op_id op, const attribute& a) const {
    if (a.integers.size() > io::max_integers) {
      refuse("its attribute '" + std::string(a.key) + "' has " + std::to_string(a.integers.size()) +
                 " integers",
             op, "keep so many in a constant: an attribute has at most 100000");
    }
    const operator_schema& schema = g_.schema_of(op);
    json::list list;
    for (const extent e : a.integers) {
      list.push_back(detail::is_long_name_in(schema, a.key, e) ? name_of_dim(op, e) : json(e));
    }
    return list;
  }

  json op_entry(op_id op) {
    const operator_schema& schema = g_.schema_of(op);
    if (!io::find_schema(schema.name)) {
      refuse(std::string("the operator '") + std::string(schema.name) + "' is not registered", op,
             "register_operator it, or the file could not be loaded");
    }
    json entry = json::object();
    entry.add("op", schema.name);
    entry.add("name", g_.path_of(op));
    if (g_.operand_count(op) != 0) {
      json::list list;
      for (std::uint32_t i = 0; i < g_.operand_count(op); ++i)
        list.push_back(needed(g_.operand(op, i), op));
      entry.add("in", std::move(list));
    }
    if (!g_.attributes_of(op).empty()) entry.add("attributes", attributes(op));
    std::vector<std::uint32_t> after;
    for (const op_id before : a_.waits_for(op)) after.push_back(number(before));
    std::sort(after.begin(), after.end());
    if (!after.empty()) entry.add("after", json::list(after.begin(), after.end()));
    return entry;
  }

  json attributes(op_id op) {
    attribute_list sorted = g_.attributes_of(op);
    std::sort(sorted.begin(), sorted.end(),
              [](const attribute& x, const attribute& y) { return x.key < y.key; });
    json all = json::object();
    for (const attribute& a : sorted) all.add(std::string(a.key), value_of(op, a));
    return all;
  }

  json value_of(op_id op, const attribute& a) {
    switch (a.kind) {
      case attribute_kind::integer:
        return {"integer", a.integer};
      case attribute_kind::real:
        return {"real", real_of(a.real)};
      case attribute_kind::integers:
        return {"integers", integers_of(op, a)};
      case attribute_kind::string:
        return {"string", a.string};
      case attribute_kind::type:
        return {"type", name_of(static_cast<dtype>(a.integer))};
      case attribute_kind::variable:
        if (const auto v = number(g_.data().variable(a.integer))) {
          return {"variable", *v};
        }
        refuse("a body refers to a variable other than through an input", op,
               "update variables outside of bodies");
      case attribute_kind::constant:
        return {"constant", file_.constant(g_.constant(a.integer))};
      case attribute_kind::body:
        return {"body", file_.body(g_, op, a)};
    }
    return {};
  }

  file_writer& file_;
  const anchored& a_;
  const Graph& g_;
  const canonical order_;
  std::unordered_map<std::uint32_t, std::size_t> variable_number_;
};

std::size_t file_writer::body(const Graph& owner, op_id op, const attribute& a) {
  const Graph& g = owner.body(a.integer);
  if (const auto known = body_number_.find(&g); known != body_number_.end()) return known->second;
  const auto refuse = [&](const std::string& found, const char* hint) {
    throw unsupported_error({"'" + path + "' was to be written",
                             "its body '" + std::string(a.key) + "' " + found, owner.path_of(op),
                             hint});
  };
  if (depth_ == io::max_body_depth) {
    refuse("is in more than " + std::to_string(depth_) + " others",
           "cut the region so that the op stays outside");
  }
  ++depth_;
  const anchored whole(g);
  const auto inputs = detail::body_view(g).inputs;  // by number
  if (inputs != whole.cuts()) {
    refuse("has inputs that are not in order, or placeholders",
           "make it with cond, while_loop or scan, and placeholders outside");
  }
  piece written(*this, whole);
  json entry = json::object();
  entry.add("inputs", written.inputs());
  entry.add("ops", written.ops());
  --depth_;
  bodies.push_back(std::move(entry));
  return body_number_.emplace(&g, bodies.size() - 1).first->second;
}

class writer {
 public:
  writer(const Region& region, const std::string& path)
      : file_(path), a_(region), g_(a_.graph()), region_(file_, a_) {}

  void write() {
    json ops = region_.ops();  // and the bodies
    json all = json::object();
    all.add("version", has_given_values() ? io::given_values_version : 1);
    if (!file_.bodies.empty()) all.add("bodies", std::move(file_.bodies));
    all.add("inputs", region_.inputs());
    all.add("kept", a_.cuts().size() - a_.given());
    all.add("ops", std::move(ops));
    json::list outputs;
    for (const tensor_id t : a_.outputs()) outputs.push_back(region_.tensor(t));
    all.add("outputs", std::move(outputs));
    all.add("variables", variables());
    all.add("collections", collections());
    std::optional<std::string> text = all.dump();
    if (!text) {
      throw name_error({"'" + file_.path + "' was to be written", "a name is not valid UTF-8",
                        file_.path, "rename the op, the collection or the attribute"});
    }
    io::tensor_file file;
    file.metadata.emplace_back(io::region_key, std::move(*text));
    file.arrays = std::move(arrays_);
    for (auto& constant : file_.constants) file.arrays.push_back(std::move(constant));
    io::write_tensor_file(file_.path, file);
  }

 private:
  [[nodiscard]] bool has_given_values() const {
    for (std::size_t i = a_.given(); i < a_.cuts().size(); ++i) {
      if (a_.value(i) != nullptr) return true;
    }
    return false;
  }

  json variables() {
    json::list list;
    for (const variable_id id : region_.variables()) {
      const variable_info& v = g_.variable_of(id);
      json entry = json::object();
      entry.add("read", region_.number(v.read.op));
      entry.add("initial", region_.needed(v.initial, v.read.op));
      entry.add("role", io::name_of_role(v.role));
      entry.add("trainable", v.trainable);
      if (!v.own_updates.empty()) {
        json::list updates;
        for (const op_id update : v.own_updates) updates.push_back(region_.number(update));
        entry.add("updates", std::move(updates));
      }
      entry.add("stream", v.stream_key);
      const bool set = g_.store().initialized(id);
      entry.add("value", set);
      if (set) arrays_.emplace_back(g_.path_of(id), g_.store().get(id));
      list.push_back(std::move(entry));
    }
    return list;
  }

  json collections() const {
    std::vector<std::string> known = g_.collections();
    std::sort(known.begin(), known.end());
    json all = json::object();
    for (const std::string& name : known) {
      if (name == "variables" || name == "trainable_variables") continue;
      json::list members;
      for (const member& m : g_.collection(name)) {
        if (m.what == member::kind::variable) {
          if (const auto v = region_.number(m.variable)) members.push_back({"variable", *v});
        } else if (a_.place(m.tensor.op) != anchored::none) {
          if (m.what == member::kind::op) {
            members.push_back({"op", region_.number(m.tensor.op)});
          } else {
            members.push_back({"tensor", region_.tensor(m.tensor)});
          }
        }
      }
      if (!members.empty()) all.add(name, std::move(members));
    }
    return all;
  }

  file_writer file_;
  const anchored a_;
  const Graph& g_;
  piece region_;
  named_arrays arrays_;
};

}  // namespace

namespace io {

const char* name_of_role(variable_role role) {
  for (const auto& [known, name] : role_names) {
    if (known == role) return name;
  }
  return "";
}

const operator_schema* find_schema(std::string_view name) {
  if (name == ops::variable.name) return &ops::variable;
  if (name == ops::captured.name) return nullptr;
  if (name == ops::results.name) return &ops::results;
  const operator_definition* found = find_operator(name);
  return found != nullptr ? found->schema : nullptr;
}

}  // namespace io

namespace {

void save_simplified(const std::string& path, const Region& region) {
  // A copy under the same names and with the same values and streams, in a graph of its own.
  Graph scratch;
  const Clone copy = clone(region, into(scratch, ""), from(""), variables::shared, seeds::same);
  const rewritten done = simplify(scratch);
  const auto now = [&](const std::vector<tensor_id>& tensors) {
    std::vector<any_tensor> handles;
    for (const tensor_id t : tensors) handles.push_back(scratch.handle(done(t)));
    return handles;
  };
  writer(
      extract(inputs(now(copy.inputs())), outputs(now(copy.outputs())), leaks::keep, unused::allow),
      path)
      .write();
}

}  // namespace

void save_region(const std::string& path, const Region& region, saving how) {
  if (how == saving::simplified) return save_simplified(path, region);
  writer(region, path).write();
}

}  // namespace graft
