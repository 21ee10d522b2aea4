#include "io/region_decoder.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <set>

#include "graft/schema/control_operators.hpp"
#include "graft/schema/core_operators.hpp"

#include "io/json.hpp"
#include "io/region_format.hpp"

namespace graft::io {

void refuse_region(const std::string& path, const std::string& found, const std::string& where) {
  throw io_error({"a region was to be loaded from '" + path + "'", found,
                  where.empty() ? path : where, "nothing was loaded; save the region again"});
}

std::string shown(const std::string& text) {
  std::string result = "'";
  for (const char c : text.substr(0, 80)) result += c < ' ' || c == '\x7f' ? '?' : c;
  return result + (text.size() > 80 ? "...'" : "'");
}

namespace {

class decoder {
 public:
  explicit decoder(const std::string& path) : path_(path) {}

  file_region run(const std::string& text) {
    const parsed_json parsed = parse_json(text);
    if (!parsed.fault.empty()) fail("its structure " + parsed.fault);
    const json& all = parsed.document;
    if (all.as<json::object>() == nullptr) fail("its structure is not a JSON object");
    where_ = "version";
    const std::int64_t version = integer(field(all, "version"));
    if (version > region_version) {
      fail("it was written in format " + std::to_string(version) +
           "; this version of Graft reads " + std::to_string(region_version));
    }
    if (version < 1) fail("its version is " + std::to_string(version));
    version_ = static_cast<int>(version);
    only(all,
         {"version", "bodies", "inputs", "kept", "ops", "outputs", "variables", "collections"});
    file_region r;
    if (all.find("bodies") != nullptr) {
      for (const json& entry : list(all, "bodies")) r.bodies.push_back(body(entry));
    }
    names_.clear();
    for (const json& entry : list(all, "inputs")) r.inputs.push_back(input(entry, r.inputs.size()));
    where_ = "kept";
    r.kept = number(field(all, "kept"), r.inputs.size() + 1);
    for (std::size_t i = 0; i + r.kept < r.inputs.size(); ++i) {
      where_ = "input " + std::to_string(i);
      if (!r.inputs[i].value.empty()) fail("it has a value and is not among those kept");
    }
    const json::list& ops = list(all, "ops");
    variable_count_ = list(all, "variables").size();
    inputs_ = r.inputs.size();
    for (const json& entry : ops) r.ops.push_back(op(entry, r.ops.size(), ops.size()));
    for (const json& entry : list(all, "outputs")) {
      where_ = "output " + std::to_string(r.outputs.size());
      r.outputs.push_back(tensor(entry, r.ops.size()));
    }
    if (r.outputs.empty()) fail("it has no outputs");
    for (const json& entry : list(all, "variables")) variable(entry, r);
    collections(all, r);
    check_variables(r);
    for (std::size_t k = 0; k < owned_.size(); ++k) {
      where_ = "body " + std::to_string(k);
      if (!owned_[k]) fail("no op owns it");
    }
    return r;
  }

 private:
  [[noreturn]] void fail(const std::string& found) const { refuse_region(path_, found, where_); }

  const json& field(const json& object, const char* key) const {
    (void)members(object);
    const json* found = object.find(key);
    if (found == nullptr) fail(std::string("the field '") + key + "' is missing");
    return *found;
  }
  const json::object& members(const json& object) const {
    const auto* found = object.as<json::object>();
    if (found == nullptr) fail("it is not an object");
    return *found;
  }
  const json::list& list(const json& object, const char* key) const {
    const auto* found = field(object, key).as<json::list>();
    if (found == nullptr) fail(std::string("the field '") + key + "' is not a list");
    return *found;
  }
  void only(const json& object, std::initializer_list<std::string_view> known) const {
    for (const json::member& m : members(object)) {
      if (std::find(known.begin(), known.end(), m.key) == known.end()) {
        fail("the field " + shown(m.key) + " is not known");
      }
    }
  }
  std::int64_t integer(const json& value) const {
    if (const auto number = value.integer()) return *number;
    fail(value.as<std::uint64_t>() != nullptr ? "a number is too large"
                                              : "a whole number was expected");
  }
  std::uint32_t number(const json& value, std::size_t below) const {
    const std::int64_t n = integer(value);
    if (n < 0 || static_cast<std::uint64_t>(n) >= below) {
      fail("the number " + std::to_string(n) + " is out of range");
    }
    return static_cast<std::uint32_t>(n);
  }
  bool truth(const json& value) const {
    const auto* found = value.as<bool>();
    if (found == nullptr) fail("true or false was expected");
    return *found;
  }
  const std::string& text(const json& value) const {
    const auto* found = value.as<std::string>();
    if (found == nullptr) fail("a text was expected");
    return *found;
  }
  dtype type(const json& value) const {
    const std::string& name = text(value);
    for (int i = 0; i < dtype_count; ++i) {
      const auto known = static_cast<dtype>(i);
      if (name_of(known) == name) return known;
    }
    fail("the element type " + shown(name) + " is not known");
  }
  extent extent_of(const json& value, bool as_shape) const {
    if (as_shape && value.is_null()) return dyn;
    if (const auto* name = value.as<std::string>()) {
      if (name->empty() || name->size() > max_dim_name)
        fail("the name of an extent is empty or too long");
      return named_dim(*name);
    }
    const std::int64_t e = integer(value);
    if (as_shape && e < 0) fail("an extent is negative");
    return e;
  }
  dims extents(const json& value, bool as_shape) const {
    const auto* list = value.as<json::list>();
    if (list == nullptr) fail("a list of extents was expected");
    if (list->size() > max_integers) fail("a list of extents is too long");
    dims result;
    for (const json& e : *list) result.push_back(extent_of(e, as_shape));
    return result;
  }

  file_tensor tensor(const json& value, std::size_t ops) const {
    const std::string all = text(value);
    const auto part = [&](std::string_view digits, std::size_t below) {
      std::uint32_t n = 0;
      const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
      if (fault != std::errc() || end != digits.data() + digits.size() || n >= below) {
        fail("there is no tensor " + shown(all) + " at this place");
      }
      return n;
    };
    file_tensor t;
    std::string_view rest = all;
    if (rest.starts_with("in")) {
      t.input = true;
      t.number = part(rest.substr(2), inputs_);
      return t;
    }
    const std::size_t colon = rest.find(':');
    t.number = part(rest.substr(0, colon), ops);
    if (colon != std::string_view::npos) t.output = part(rest.substr(colon + 1), 0xffffffffu);
    return t;
  }

  std::string path(const json& value) const {
    std::string name = text(value);
    if (name.empty() || name.front() == '/' || name.back() == '/' ||
        name.find("//") != std::string::npos) {
      fail("the name " + shown(name) + " is not a path");
    }
    return name;
  }

  file_input input(const json& entry, std::size_t i) {
    where_ = within_ + "input " + std::to_string(i);
    file_input result;
    result.name = path(field(entry, "name"));
    result.type = value_type::unranked(type(field(entry, "type")));
    if (const json* shape = entry.find("shape")) {
      result.type.ranked = true;
      result.type.shape = extents(*shape, true);
    }
    if (version_ < given_values_version || !within_.empty()) {
      only(entry, {"name", "type", "shape"});
      return result;
    }
    only(entry, {"name", "type", "shape", "value"});
    if (const json* value = entry.find("value")) {
      result.value = text(*value);
      if (!result.value.starts_with('/'))
        fail("its value " + shown(result.value) + " is not a constant of the file");
    }
    return result;
  }

  // Bodies come before those that own them, so that none can be within itself.
  file_body body(const json& entry) {
    const std::string what = "body " + std::to_string(owned_.size());
    where_ = what;
    only(entry, {"inputs", "ops"});
    file_body result;
    names_.clear();
    depth_ = 0;
    within_ = what + ", ";
    for (const json& each : list(entry, "inputs")) {
      result.inputs.push_back(input(each, result.inputs.size()));
      if (!names_.insert(result.inputs.back().name).second) fail("two inputs have that name");
    }
    inputs_ = result.inputs.size();
    const json::list& ops = list(entry, "ops");
    for (const json& each : ops) result.ops.push_back(op(each, result.ops.size(), ops.size()));
    within_.clear();
    where_ = what;
    if (result.ops.empty() || result.ops.back().schema != &ops::results)
      fail("its last op is not 'results'");
    if (depth_ >= max_body_depth) {
      fail("bodies nest deeper than " + std::to_string(max_body_depth));
    }
    depths_.push_back(depth_ + 1);
    owned_.push_back(false);
    return result;
  }

  file_op op(const json& entry, std::size_t i, std::size_t count) {
    where_ = within_ + "op " + std::to_string(i);
    file_op result;
    result.name = path(field(entry, "name"));
    where_ += ", " + shown(result.name);
    if (!names_.insert(result.name).second) fail("two ops have that name");
    const std::string name = text(field(entry, "op"));
    result.schema = find_schema(name);
    if (result.schema == nullptr) {
      throw io_error({"a region was to be loaded from '" + path_ + "'",
                      "its operator " + shown(name) + " is not known", where_,
                      "register_operator it, or use a version of Graft that has it"});
    }
    if (result.schema == &ops::results && (within_.empty() || i + 1 != count)) {
      fail("it is 'results', which is the last op of a body");
    }
    if (result.schema == &ops::variable && !within_.empty()) fail("a body has no variable");
    if (entry.find("in") != nullptr) {
      for (const json& operand : list(entry, "in")) result.operands.push_back(tensor(operand, i));
    }
    if (const json* all = entry.find("attributes")) {
      const auto* each = all->as<json::object>();
      if (each == nullptr) fail("its attributes are not an object");
      for (const json::member& m : *each) result.attributes.push_back(attribute_of(m.key, m.value));
    }
    if (entry.find("after") != nullptr) {
      for (const json& before : list(entry, "after")) result.after.push_back(number(before, count));
    }
    only(entry, {"op", "name", "in", "attributes", "after"});
    return result;
  }

  file_attribute attribute_of(const std::string& key, const json& value) {
    const auto* one = value.as<json::object>();
    if (one == nullptr || one->size() != 1)
      fail("the attribute " + shown(key) + " is not one value of one kind");
    file_attribute a;
    a.key = key;
    const auto& [kind, v] = one->front();
    if (kind == "integer") {
      a.integer = integer(v);
    } else if (kind == "real") {
      a.kind = attribute_kind::real;
      a.real = real(v);
    } else if (kind == "integers") {
      a.kind = attribute_kind::integers;
      a.integers = extents(v, false);
    } else if (kind == "string") {
      a.kind = attribute_kind::string;
      a.text = text(v);
    } else if (kind == "type") {
      a.kind = attribute_kind::type;
      a.integer = static_cast<std::int64_t>(type(v));
    } else if (kind == "variable") {
      if (!within_.empty()) fail("it refers to a variable, which ops of bodies cannot");
      a.kind = attribute_kind::variable;
      a.integer = number(v, variable_count_);
    } else if (kind == "constant") {
      a.kind = attribute_kind::constant;
      a.text = text(v);
    } else if (kind == "body") {
      a.kind = attribute_kind::body;
      a.integer = number(v, owned_.size());
      owned_[static_cast<std::size_t>(a.integer)] = true;
      depth_ = std::max(depth_, depths_[static_cast<std::size_t>(a.integer)]);
    } else {
      fail("the attribute " + shown(key) + " is of the kind " + shown(kind) +
           ", which is not known");
    }
    return a;
  }
  double real(const json& v) const {
    if (const auto* number = v.as<double>()) return *number;
    if (const auto* number = v.as<std::uint64_t>()) return static_cast<double>(*number);
    if (const auto* number = v.as<std::int64_t>()) return static_cast<double>(*number);
    const std::string& name = text(v);
    if (name == "nan") return std::bit_cast<double>(plain_nan);
    if (name.starts_with(nan_prefix)) {
      std::uint64_t bits = 0;
      const char* const last = name.data() + name.size();
      const auto [end, fault] =
          std::from_chars(name.data() + std::char_traits<char>::length(nan_prefix), last, bits);
      const auto result = std::bit_cast<double>(bits);
      if (fault == std::errc() && end == last && std::isnan(result)) return result;
    }
    if (name == "inf") return std::numeric_limits<double>::infinity();
    if (name == "-inf") return -std::numeric_limits<double>::infinity();
    fail("the number " + shown(name) + " is not known");
  }

  void variable(const json& entry, file_region& r) {
    where_ = "variable " + std::to_string(r.variables.size());
    file_variable v;
    v.read = number(field(entry, "read"), r.ops.size());
    v.initial = tensor(field(entry, "initial"), v.read);
    const std::string& role = text(field(entry, "role"));
    bool known = false;
    for (const auto& [value, name] : role_names) {
      if (role != name) continue;
      v.role = value;
      known = true;
    }
    if (!known) fail("the role " + shown(role) + " is not known");
    v.trainable = truth(field(entry, "trainable"));
    if (entry.find("updates") != nullptr) {
      for (const json& update : list(entry, "updates"))
        v.updates.push_back(number(update, r.ops.size()));
    }
    const auto* stream = field(entry, "stream").as<std::uint64_t>();
    if (stream == nullptr) fail("its stream is not a number of at least 0");
    v.stream = *stream;
    v.value = truth(field(entry, "value"));
    only(entry, {"read", "initial", "role", "trainable", "updates", "stream", "value"});
    r.variables.push_back(std::move(v));
  }

  void collections(const json& all, file_region& r) {
    where_ = "collections";
    const auto* each = field(all, "collections").as<json::object>();
    if (each == nullptr) fail("the collections are not an object");
    for (const json::member& collection : *each) {
      where_ = "collection " + shown(collection.key);
      const auto* entries = collection.value.as<json::list>();
      if (entries == nullptr) fail("it is not a list");
      std::vector<file_member> members;
      for (const json& entry : *entries) {
        const auto* one = entry.as<json::object>();
        if (one == nullptr || one->size() != 1) fail("a member is not one thing of one kind");
        file_member m;
        const auto& [kind, value] = one->front();
        if (kind == "variable") {
          m.number = number(value, r.variables.size());
        } else if (kind == "op") {
          m.what = member::kind::op;
          m.number = number(value, r.ops.size());
        } else if (kind == "tensor") {
          m.what = member::kind::tensor;
          m.tensor = tensor(value, r.ops.size());
        } else {
          fail("a member is of the kind " + shown(kind) + ", which is not known");
        }
        members.push_back(m);
      }
      r.collections.emplace_back(collection.key, std::move(members));
    }
  }

  // Each read op belongs to one variable, and no op refers to a variable that is read later.
  void check_variables(const file_region& r) {
    std::vector<std::size_t> reads(r.variables.size());
    for (std::size_t i = 0; i < r.ops.size(); ++i) {
      const file_op& o = r.ops[i];
      where_ = "op " + std::to_string(i) + ", " + shown(o.name);
      const bool read = o.schema == &ops::variable;
      std::size_t references = 0;
      for (const file_attribute& a : o.attributes) {
        if (a.kind != attribute_kind::variable) continue;
        ++references;
        const auto k = static_cast<std::size_t>(a.integer);
        if (a.key != "variable") fail("the attribute " + shown(a.key) + " refers to a variable");
        if (read ? r.variables[k].read != i : r.variables[k].read >= i) {
          fail("it refers to variable " + std::to_string(k) + ", which is read elsewhere");
        }
        reads[k] += read;
      }
      if (read && references != 1) fail("it reads no variable");
      if (read && !o.operands.empty()) fail("it reads a variable and has operands");
    }
    for (std::size_t k = 0; k < reads.size(); ++k) {
      where_ = "variable " + std::to_string(k);
      if (reads[k] != 1) fail("no op reads it");
    }
  }

  const std::string& path_;
  int version_ = region_version;
  std::string where_;
  std::string within_;  // "body 3, " while a body is decoded
  std::set<std::string> names_;
  std::vector<bool> owned_;          // by body
  std::vector<std::size_t> depths_;  // by body: 1 if none is within it
  std::size_t depth_ = 0;            // of what the graph's ops own
  std::size_t variable_count_ = 0;
  std::size_t inputs_ = 0;
};

}  // namespace

file_region decode_region(const std::string& path, const std::string& text) {
  return decoder(path).run(text);
}

}  // namespace graft::io
