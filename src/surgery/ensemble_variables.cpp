// The variables of an ensemble, with their initial values.
#include <bit>
#include <cstring>

#include "graph/building.hpp"
#include "surgery/ensemble_builder.hpp"

namespace graft::detail {

member_tensor ensemble_builder::make_variable(variable_id v) {
  const variable_info info = g_.variable_of(v);
  const variable_policy policy = policies_.at(v);
  const inside_scope in(g_, scope_of(g_.scope_of(info.read.op)));
  switch (policy) {
    case variable_policy::shared:
      return {info.read, false};
    case variable_policy::frozen:
      return {g_.add_constant(g_.store().get(v), g_.name_of(info.read.op)), false};
    default:
      break;
  }
  const bool stream = info.role == variable_role::rng_stream;
  const std::string name(g_.name_of(info.read.op));
  variable_id made;
  if (stream) {
    variable_spec spec;
    spec.name = name;
    spec.type = info.type;
    spec.initial.schema = &g_.schema_of(info.initial.op);
    spec.initial.attributes = g_.attributes_of(info.initial.op);
    spec.role = info.role;
    spec.trainable = false;
    made = g_.add_variable(spec);
  } else {
    made = g_.add_variable(name, stacked_initial(info, name), info.role,
                           options_.trainable && info.role == variable_role::parameter
                               ? *options_.trainable
                               : info.trainable);
    data_->stacked.push_back(v);
  }
  data_->created.push_back(made);
  data_->variables.push_back({v, made, policy});
  if (policy == variable_policy::copied && !stream) {
    const Array value = g_.store().get(v);
    dims shape{data_->members};
    shape.append(value.shape().begin(), value.shape().end());
    Array all(value.type(), shape);
    auto* to = static_cast<std::byte*>(all.mutable_data());
    for (std::int64_t m = 0; m < data_->members && value.bytes() > 0; ++m) {
      std::memcpy(to + static_cast<std::size_t>(m) * value.bytes(), value.data(), value.bytes());
    }
    g_.store().set(made, std::move(all));
  } else {
    data_->unset.push_back(made);
  }
  return {g_.variable_of(made).read, !stream};
}

// True where the initial value of a member's own variable follows from variables, and is not there yet.
bool ensemble_builder::waits_for_initial(variable_id v) {
  if (!owns(v)) return false;
  const variable_info& info = g_.variable_of(v);
  if (info.role == variable_role::rng_stream || data_->images.contains(info.initial) ||
      !reads_variables(info.initial.op))
    return false;
  if (making_.insert(v.value).second) return true;
  throw unsupported_error({"an ensemble was asked for with members' own '" + g_.path_of(v) + "'",
                           "its initial value reads the variable itself", g_.path_of(v),
                           "give it an initial value that does not"});
}

// Each op is looked at once, whatever the number of initial values that depend on it.
bool ensemble_builder::reads_variables(op_id wanted) {
  std::vector<op_id> open{wanted};
  while (!open.empty()) {
    const op_id op = open.back();
    const std::size_t before = open.size();
    bool reads = read_by(op).has_value();
    const auto look_at = [&](op_id other) {
      const auto known = reading_.find(other.value);
      if (known == reading_.end()) {
        open.push_back(other);
      } else {
        reads = reads || known->second;
      }
    };
    if (!reading_.contains(op.value) && !reads) {
      for (const tensor_id operand : g_.operands(op)) look_at(operand.op);
      for (const op_id other : g_.control_predecessors(op)) {
        if (g_.schema_of(other).has(ops::effect)) look_at(other);
      }
    }
    if (open.size() > before && !reads) continue;
    open.resize(before - 1);
    reading_.try_emplace(op.value, reads);
  }
  return reading_.at(wanted.value);
}

// One initial value for each member, with a stream of its own.
tensor_id ensemble_builder::stacked_initial(const variable_info& info, const std::string& name) {
  const op_id source = info.initial.op;
  const operator_schema& schema = g_.schema_of(source);
  if (reads_variables(source)) return rule_.broadcast(data_->images.at(info.initial));
  std::vector<tensor_id> parts;
  if (g_.operand_count(source) > 0) {
    const Region bundle =
        extract(input_list{},
                output_list{{graph_reference{g_.slot(), g_.slot()->generation, info.initial}}},
                leaks::keep);
    for (std::int64_t m = 0; m < data_->members; ++m) {
      clone_options each;
      each.set(into(name + "_initial"));
      parts.push_back(*clone_region(bundle, each).data()->forward(info.initial));
    }
    return rule_.stack(parts);
  }
  const std::string path = g_.scope_path(g_.current_scope()) + "/" + name;
  for (std::int64_t m = 0; m < data_->members; ++m) {
    attribute_list attributes = g_.attributes_of(source);
    if (schema.has(ops::random)) {
      attributes.set("key",
                     std::bit_cast<std::int64_t>(stream_key_of(path + "#" + std::to_string(m))));
    }
    parts.push_back({g_.add(schema, {}, attributes, name + "_initial"), info.initial.output});
    if (!schema.has(ops::random)) {  // equal for all
      parts.resize(static_cast<std::size_t>(data_->members), parts.front());
      break;
    }
  }
  return rule_.stack(parts);
}

}  // namespace graft::detail
