// The ops of an ensemble: what its outputs depend on, operands first, and what goes with them.
#include <algorithm>
#include <bit>

#include "graph/building.hpp"
#include "surgery/collected.hpp"
#include "surgery/ensemble_builder.hpp"

namespace graft::detail {

ensemble_builder::ensemble_builder(const Region& region, std::size_t members,
                                   const ensemble_options& options)
    : options_(options),
      r_(*region.data()),
      g_(require_current(r_)),
      data_(std::make_shared<ensemble_data>(region)),
      changes_(std::make_shared<body_changes>()),
      rule_(g_, static_cast<std::int64_t>(members), changes_) {
  data_->slot = g_.slot();
  data_->generation = g_.slot()->generation;
  data_->members = static_cast<std::int64_t>(members);
  data_->as_mode = options_.as_mode;
  check_choices(members);
}

Ensemble ensemble_builder::run() {
  resolve_inputs();
  decide();
  steps all(g_.data());
  data_->scope =
      append_scopes(g_, options_.where_given ? std::string_view(options_.where.scope) : "ensemble",
                    options_.naming);
  scopes_.emplace(0u, data_->scope);
  changes_->as_mode = options_.as_mode;
  changes_->stream = g_.scope_path(data_->scope);
  if (options_.where_given &&
      options_.where.scope.empty()) {  // others may be made in the same scope
    changes_->stream += "#" + std::to_string(g_.op_id_bound());
  }
  add_inputs();
  for (const tensor_id out : r_.outputs) build(out);
  add_own_updates();
  add_control_edges();
  add_to_collections();
  for (const tensor_id out : r_.outputs) {
    member_tensor& t = data_->images.at(out);
    if (t.stacked) continue;
    const inside_scope in(g_, data_->scope);
    t = {rule_.broadcast(t), true};
  }
  std::sort(data_->variables.begin(), data_->variables.end(),
            [](const variable_image& a, const variable_image& b) { return a.source < b.source; });
  std::sort(data_->stacked.begin(), data_->stacked.end());
  Ensemble result(std::move(data_));
  all.commit();
  return result;
}

scope_id ensemble_builder::scope_of(scope_id s) {
  std::vector<scope_id> missing;  // the innermost first
  for (; !scopes_.contains(s.value); s = g_.parent_scope(s)) missing.push_back(s);
  scope_id at = scopes_.at(s.value);
  for (; !missing.empty(); missing.pop_back()) {
    at = append_scope(g_, at, scope_name(g_, missing.back()));
    scopes_.emplace(missing.back().value, at);
  }
  return at;
}

// Adds what a tensor depends on, operands first, without recursion.
void ensemble_builder::build(tensor_id wanted) {
  if (data_->images.contains(wanted)) return;
  std::vector<op_id> open{wanted.op};
  while (!open.empty()) {
    const op_id op = open.back();
    if (built_.contains(op.value)) {
      open.pop_back();
      continue;
    }
    const std::size_t before = open.size();
    open_needs(op, open);
    if (open.size() > before) continue;
    open.pop_back();
    built_.insert(op.value);
    if (const auto v = read_by(op)) {
      const member_tensor image = make_variable(*v);
      data_->images.try_emplace({op, 0}, image);
      if (owns(*v)) made_.emplace(op.value, std::vector<op_id>{image.tensor.op});
    } else if (g_.schema_of(op).has(ops::update)) {
      add_update(op);
    } else {
      add_op(op);
    }
  }
}

// Puts what must be there before an op is added, and is not, on top of what is open.
void ensemble_builder::open_needs(op_id op, std::vector<op_id>& open) {
  const auto need = [&](tensor_id t) {
    if (!data_->images.contains(t)) open.push_back(t.op);
  };
  for (std::uint32_t k = 0; k < g_.operand_count(op); ++k) need(g_.operand(op, k));
  for (const op_id before : g_.control_predecessors(op)) {
    if (is_assertion(before) && !built_.contains(before.value)) open.push_back(before);
  }
  if (g_.schema_of(op).has(ops::update)) {
    if (const variable_id v = updated_by(op); owns(v)) {  // even where its read is an input
      const op_id read = g_.variable_of(v).read.op;
      if (!built_.contains(read.value)) open.push_back(read);
    }
  } else if (const auto v = read_by(op); v && waits_for_initial(*v)) {
    open.push_back(g_.variable_of(*v).initial.op);
  }
}

void ensemble_builder::add_op(op_id op) {
  std::vector<value_type> types;
  std::vector<member_tensor> operands;
  for (std::uint32_t k = 0; k < g_.operand_count(op); ++k) {
    const tensor_id operand = g_.operand(op, k);
    types.push_back(g_.type_of(operand));
    operands.push_back(data_->images.at(operand));
  }
  attribute_list attributes = g_.attributes_of(op);
  const operator_schema& schema = g_.schema_of(op);
  if (schema.has(ops::modal) && options_.as_mode) {
    attributes.set("training", *options_.as_mode == mode::training);
  }
  const inside_scope in(g_, scope_of(g_.scope_of(op)));
  if (schema.has(ops::random) && attributes.find("key") != nullptr) {
    attributes.set("key", std::bit_cast<std::int64_t>(stream_key_of(
                              g_.scope_path(g_.current_scope()) + "/" + g_.name_of(op))));
  }
  const std::size_t first = g_.op_count();
  const std::vector<member_tensor> made = rule_.add(g_, op, attributes, types, operands);
  for (std::uint32_t o = 0; o < made.size(); ++o) {
    data_->images.try_emplace({op, o}, made[o]);  // inputs keep their images
  }
  note_made(op, first, made);
}

// The ops that do what an op of the source did: those of its operator, or else those of the results.
void ensemble_builder::note_made(op_id op, std::size_t first,
                                 const std::vector<member_tensor>& results) {
  std::vector<op_id> made;
  for (std::size_t i = first; i < g_.op_count(); ++i) {
    if (&g_.schema_of(g_.op_at(i)) == &g_.schema_of(op)) made.push_back(g_.op_at(i));
  }
  for (std::size_t o = 0; made.empty() && o < results.size(); ++o) {
    made.push_back(results[o].tensor.op);
  }
  made_.emplace(op.value, std::move(made));
}

// Between what was made, as between the ops of the source.
void ensemble_builder::add_control_edges() {
  for (const op_id op : r_.nodes) {
    const auto after = made_.find(op.value);
    if (after == made_.end()) continue;
    for (const op_id source : g_.control_predecessors(op)) {
      const auto before = made_.find(source.value);
      if (before == made_.end()) continue;
      const std::vector<op_id>&b = before->second, &a = after->second;
      if (a.size() == b.size()) {  // member by member
        for (std::size_t i = 0; i < a.size(); ++i) g_.add_control_edge(b[i], a[i]);
        continue;
      }
      for (const op_id x : b) {
        for (const op_id y : a) g_.add_control_edge(x, y);
      }
    }
  }
}

// What the region's members of collections became joins them, as clones do: of a tensor each member's part.
void ensemble_builder::add_to_collections() {
  if (joins_none(options_)) return;
  std::vector<std::pair<std::string, member>> additions;  // taken down first: adding may move them
  const Graph::tables& t = g_.data();
  std::uint32_t asked = no_id;
  std::optional<std::string> name;
  for (const collected& each : collected_in(g_, r_)) {
    if (!has_image(each.what)) continue;
    if (each.collection != asked) {
      asked = each.collection;
      name = joined_in_place_of(options_, t.strings[t.collections[asked].name]);
    }
    if (!name) continue;
    for (const member& image : images_of(each.what)) additions.emplace_back(*name, image);
  }
  for (const auto& [collection, m] : additions) g_.add_to_collection(collection, m);
}

bool ensemble_builder::has_image(const member& m) const {
  if (m.what != member::kind::variable) return made_.contains(m.tensor.op.value);
  return std::any_of(data_->variables.begin(), data_->variables.end(),
                     [&](const variable_image& v) { return v.source == m.variable; });
}

std::vector<member> ensemble_builder::images_of(const member& m) {
  std::vector<member> images;
  if (m.what == member::kind::variable) {
    for (const variable_image& v : data_->variables) {
      if (v.source == m.variable) images.push_back({member::kind::variable, v.image, {}});
    }
    return images;
  }
  const auto made = made_.find(m.tensor.op.value);
  if (made == made_.end()) return images;
  if (m.what == member::kind::op) {
    for (const op_id op : made->second) images.push_back({m.what, {}, {op, 0}});
    return images;
  }
  const member_tensor t = data_->images.at(m.tensor);
  if (!t.stacked) return {{m.what, {}, t.tensor}};
  const inside_scope in(g_, data_->scope);
  for (std::int64_t i = 0; i < data_->members; ++i) {
    images.push_back({m.what, {}, rule_.part(t.tensor, i)});
  }
  return images;
}

}  // namespace graft::detail
