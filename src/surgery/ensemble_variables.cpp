// The variables of an ensemble, with their initial values and the updates that layers declared.
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
    case variable_policy::linked:
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

// One initial value for each member, with a stream of its own.
tensor_id ensemble_builder::stacked_initial(const variable_info& info, const std::string& name) {
  const op_id source = info.initial.op;
  const operator_schema& schema = g_.schema_of(source);
  std::vector<tensor_id> parts;
  if (g_.operand_count(source) > 0 || g_.variable_read_by(info.initial)) {
    const Region bundle =
        extract(input_list{},
                output_list{{graph_reference{g_.slot(), g_.slot()->generation, info.initial}}},
                leaks::keep);
    if (!bundle.variables().empty()) {  // it follows from those of the members
      making_.insert(info.id.value);
      build(info.initial);
      making_.erase(info.id.value);
      return rule_.broadcast(data_->images.at(info.initial));
    }
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

// The updates that layers declared, for the variables that were made.
void ensemble_builder::add_own_updates() {
  for (std::size_t i = 0; i < data_->variables.size(); ++i) {  // grows
    const variable_image image = data_->variables[i];
    const std::vector<op_id> updates = g_.variable_of(image.source).own_updates;
    for (const op_id update : updates) {
      const tensor_id value = g_.operand(update, 0);
      build(value);
      for (const op_id before : g_.control_predecessors(update)) {
        if (is_assertion(before) && !built_.contains(before.value)) build({before, 0});
      }
      const member_tensor t = data_->images.at(value);
      const inside_scope in(g_, scope_of(g_.scope_of(update)));
      const bool stream = g_.variable_of(image.image).role == variable_role::rng_stream;
      const tensor_id operand = stream ? t.tensor : rule_.broadcast(t);
      attribute_list attributes = g_.attributes_of(update);
      attributes.set("variable", std::int64_t{image.image.value}, attribute_kind::variable);
      const op_id made =
          g_.add(g_.schema_of(update), {&operand, 1}, attributes, g_.name_of(update));
      data_->images.try_emplace({update, 0}, member_tensor{{made, 0}, !stream});
      made_.emplace(update.value, std::vector<op_id>{made});
      g_.own_update(image.image, made);
    }
  }
}

}  // namespace graft::detail
