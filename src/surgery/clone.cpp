#include "graft/surgery/clone.hpp"

#include <algorithm>
#include <bit>

#include "graft/ops/sources.hpp"

#include "graph/building.hpp"
#include "surgery/cloner.hpp"
#include "surgery/collected.hpp"

namespace graft {
namespace detail {

namespace {

template <class T>
void fetch(const T* record) {
  const auto* const bytes = reinterpret_cast<const char*>(record);
  for (std::size_t i = 0; i < sizeof(T); i += 64) __builtin_prefetch(bytes + i);
}

Graph& target_graph(const region_data& r, const clone_options& options) {
  Graph& source = require_current(r);
  return options.where.graph != nullptr ? *options.where.graph : source;
}

}  // namespace

cloner::cloner(const Region& region, const clone_options& options, const start_values* starts,
               cloner* body)
    : options_(options),
      starts_(starts),
      r_(*region.data()),
      source_(require_current(r_)),
      target_(target_graph(r_, options)),
      owner_(outermost_of(target_)),
      same_graph_(&source_ == &target_),
      in_body_(target_.is_open_body()),
      body_(body),
      source_key_(source_.data().strings.find("key")),
      data_(std::make_shared<clone_data>(region)) {
  data_->slot = target_.slot();
  data_->generation = target_.slot()->generation;
  data_->target = target_.number();
  data_->owner = owner_.slot();
  data_->owner_generation = owner_.slot()->generation;
  data_->owner_number = owner_.number();
  data_->same_graph = same_graph_;
  data_->as_mode = options_.as_mode;
  data_->elements = options_.elements;
}

Clone cloner::run() {
  std::optional<Graph::transaction> inputs;  // of a body: what is bound may come from around it
  if (in_body_) inputs.emplace(target_);
  resolve_bindings();
  resolve_controls();
  decide_variables();
  select_ops();
  find_bundles();
  check_scopes();

  clone_transaction additions(target_, options_);
  first_op_ = target_.data().op(target_.op_id_bound());
  make_scopes();
  add_around();
  add_placeholders();
  add_stand_ins();
  append_ops();
  settle_controls();
  if (converts()) convert_elements(target_, data_->copy(0), options_.elements);
  add_variables();
  split_streams();
  add_ways_back();
  check_names();
  apply_rules();
  add_to_collections();
  split_ties();

  data_->variable_originals.reserve(data_->images.size() + data_->splits.size());
  for (const variable_image& image : data_->images) {
    if (image.image.valid()) data_->variable_originals.emplace_back(image.image, image.source);
  }
  for (const auto& [source, further] : data_->splits) {
    data_->variable_originals.emplace_back(further, source);
  }
  auto& originals = data_->variable_originals;
  if (!std::is_sorted(originals.begin(), originals.end())) {
    std::sort(originals.begin(), originals.end());
  }
  std::sort(data_->extra.begin(), data_->extra.end());
  Clone result(std::move(data_));
  additions.commit();
  if (inputs) inputs->commit();
  return result;
}

void cloner::add_ways_back() {
  for (const auto* list : {&r_.inputs, &r_.kept}) {
    for (const tensor_id t : *list) data_->cut_originals.try_emplace(data_->cut_images.at(t), t);
  }
  for (const op_id read : replaced_reads_) {
    data_->stand_in_originals.try_emplace(data_->stand_ins.at(read), read);
  }
}

void cloner::add_placeholders() {
  if (unbound_.empty() && valued_.empty() && converted_.empty()) return;
  const inside_scope inside(target_, data_->scope);
  for (const tensor_id t : unbound_) {
    const value_type type = converted(source_.type_of(t));
    attribute_list attributes;
    attributes.set("type", type.type);
    if (type.ranked) attributes.set("shape", type.shape);
    const op_id added =
        target_.add(ops::placeholder, {}, attributes, source_.name_of(t.op), source_.line_of(t.op));
    data_->extra.push_back(added);
    data_->cut_images.emplace(t, tensor_id{added, 0});
  }
  for (const tensor_id t : valued_) {
    const tensor_id added = target_.add_constant(converted(*value_of(r_, t)), source_.name_of(t.op),
                                                 source_.line_of(t.op));
    data_->extra.push_back(added.op);
    data_->cut_images.emplace(t, added);
  }
  for (const tensor_id t : converted_) {
    const tensor_id added = add_cast(t);
    data_->extra.push_back(added.op);
    data_->cut_images.emplace(t, added);
    // As a kept tensor is its own image, or as what was bound is the input's.
    const auto other = casts_.find(t);
    data_->cut_originals.emplace(other == casts_.end() ? t : other->second, t);
  }
}

void cloner::add_stand_ins() {
  for (const op_id read : replaced_reads_) {
    if (!adds_stand_in(read)) continue;
    const variable_image& image = *data_->image_of(read_by(source_.data().index(read)));
    const inside_scope inside(
        target_, target_.data().scope(*scope_images_.find(source_.scope_of(read).value)));
    const std::string name(source_.name_of(read));
    tensor_id added;
    if (image.policy == variable_policy::frozen) {
      added = target_.add_constant(*start_of(image.source), name, source_.line_of(read));
    } else if (const auto other = casts_.find({read, 0}); other != casts_.end()) {
      added = add_cast({read, 0});
      data_->stand_in_originals.emplace(other->second, read);
    } else if (source_.type_of({read, 0}) != converted(source_.type_of({read, 0}))) {
      added = add_cast({read, 0});
    } else {
      const tensor_id operand{read, 0};
      added = {target_.add(ops::identity, {&operand, 1}, {}, name, source_.line_of(read)), 0};
    }
    data_->extra.push_back(added.op);
    data_->stand_ins.emplace(read, added);
  }
}

void cloner::append_ops() {
  if (copies_.empty()) {
    data_->first_id = target_.op_id_bound();
    return;
  }
  copy_request request;
  request.from = &source_;
  request.to = &target_;
  request.ops = copies_;
  if (data_->copy_of_place.empty()) request.places = &r_.places;
  request.cut = r_.cuts;
  const auto outside = [this](tensor_id t) {
    const auto cut = data_->cut_images.find(t);
    if (cut != data_->cut_images.end()) return cut->second;
    const std::uint32_t state = data_->copy_of_place[place_of(t.op)];
    return state == clone_data::replaced ? data_->stand_ins.at(t.op) : t;
  };
  request.outside = outside;
  const auto scope = [this](scope_id s) {
    return target_.data().scope(*scope_images_.find(s.value));
  };
  request.scope = scope;
  request.first_new_scope = first_scope_;
  request.named = data_->extra;
  const auto reference = [this](attribute_kind kind, std::int64_t number) {
    return image_of_reference(kind, number);
  };
  request.reference = reference;
  const auto attributes = [this](op_id, attribute_list& list) {
    list.set("training", *options_.as_mode == mode::training);
  };
  if (options_.as_mode) {
    request.attributes = attributes;
    request.ask_traits = ops::modal;
  }
  // Keys come when the names are settled (split_streams), so lists that may have one are the copy's own.
  const auto random = [this](op_id op) {
    const Graph::tables& t = source_.data();
    const std::uint32_t list = t.ops[t.index(op)].attributes;
    if (t.attributes.find(list, source_key_) != nullptr) random_ops_.push_back(op);
  };
  if (options_.streams != seeds::same) {
    request.own_traits = ops::random;
    request.owned = random;
  }
  const auto control = [this](op_id before, op_id after) {
    return image_of_control(before, after);
  };
  request.control_outside = control;
  request.infer_again = infer_again_ && !converts();  // else once types are the new ones
  const copied_ops copied = append_copy(request);
  data_->first_id = copied.first_id;
  if (!data_->copy_of_place.empty() || !copies_.consecutive()) return;
  run_first_ = copies_.front();
  run_count_ = copied.count;
  run_copy_ = copied.first;
}

std::int64_t cloner::image_of_reference(attribute_kind kind, std::int64_t number) {
  if (kind == attribute_kind::variable) {
    const variable_image* const image = data_->image_of(source_.data().variable(number));
    return image != nullptr && image->image.valid() ? std::int64_t{image->image.value} : number;
  }
  if (kind == attribute_kind::body) return image_of_body(number);
  if (same_graph_ && !converts()) return number;
  const Array& value = source_.constant(number);
  if (same_graph_ && options_.elements(value.type()) == value.type()) return number;
  const auto [place, fresh] = constant_images_.try_emplace(number, 0);
  if (fresh) place->second = append_constant(target_, converted(value));
  return place->second;
}

std::optional<Array> cloner::start_of(variable_id v) const {
  if (starts_ != nullptr) {
    const auto given = starts_->find(v);
    if (given != starts_->end()) return converted(given->second);
  }
  const VariableStore& store = source_.store();
  return store.initialized(v) ? std::optional(converted(store.get(v))) : std::nullopt;
}

void cloner::add_variables() {
  const VariableStore& store = source_.store();
  const auto made = static_cast<std::size_t>(
      std::count_if(data_->images.begin(), data_->images.end(),
                    [this](const variable_image& image) { return is_made(image); }));
  target_.data().variables.reserve(made);
  target_.store().reserve(made);
  if (made == 0) return;
  Graph::tables& t = target_.data();
  for (std::size_t i = 0; i < data_->images.size(); ++i) {
    fetch_ahead(i);
    const variable_image& image = data_->images[i];
    if (!is_made(image)) continue;
    // The transaction takes it back should anything fail.
    variable_info& info = t.variables.push_back(source_.data().variables[image.source.value]);
    info.id = image.image;
    info.origin = same_graph_ ? image.source : variable_id{};
    info.read.op = image_of(info.read.op);
    info.type.type = options_.elements(info.type.type);
    if (info.initial.valid()) info.initial = image_of(info.initial);
    if (converts() && info.initial.valid()) require_initial(image.source, info);
    if (body_ != nullptr) info.own_updates.clear();  // a body updates no variable
    for (op_id& update : info.own_updates) update = image_of(update);
    if (options_.trainable && (info.role == variable_role::parameter || !*options_.trainable)) {
      info.trainable = *options_.trainable;
    }
    if (!keeps_streams(image)) info.stream_key = key_of_copy(info.read.op);

    std::shared_ptr<variable_cell> cell;
    if (image.policy == variable_policy::shared) {
      cell = store.cell(image.source);
      target_.store().share_lock_with(source_.store());
    } else {
      data_->created.push_back(image.image);
      if (image.policy == variable_policy::fresh) data_->unset.push_back(image.image);
    }
    if (image.policy == variable_policy::copied) {
      Array value = *start_of(image.source);
      const bool stream = info.role == variable_role::rng_stream && value.type() == dtype::int64 &&
                          value.size() == 2;
      if (stream && !keeps_streams(image)) {
        value.mutable_span<std::int64_t>()[0] = std::bit_cast<std::int64_t>(info.stream_key);
      }
      cell = std::make_shared<variable_cell>();
      cell->value = std::move(value);
      cell->initialized = true;
    }
    set_initial_key(image, info);
    target_.store().add(std::move(cell), info.type);
  }
  touch(t);
}

op_id cloner::image_of(op_id op) const {
  const std::uint32_t number = op.value - run_first_;
  return number < run_count_ ? data_->copy(number) : *data_->forward(op);
}

tensor_id cloner::image_of(tensor_id t) const {
  const std::uint32_t number = t.op.value - run_first_;
  if (number >= run_count_ || is_cut(t)) return *data_->forward(t);
  return {data_->copy(number), t.output};
}

// Variables lie far apart among the ops: those that come next are asked for while one is worked on, or each would wait
// for memory.
void cloner::fetch_ahead(std::size_t i) const {
  constexpr std::size_t near = 4, far = 8, many = 8192;
  const std::size_t count = data_->images.size();
  if (count < many || i + far >= count || run_count_ == 0)
    return;  // all in the caches, or not in order
  const Graph::tables &from = source_.data(), &to = target_.data();
  fetch(&from.variables[data_->images[i + far].source.value]);
  const variable_info& next = from.variables[data_->images[i + near].source.value];
  const std::uint32_t read = next.read.op.value - run_first_;
  const std::uint32_t initial = next.initial.op.value - run_first_;
  if (read < run_count_) fetch(&to.ops[run_copy_ + read]);
  if (initial >= run_count_) return;
  fetch(&from.ops[run_first_ + initial]);
  fetch(&to.ops[run_copy_ + initial]);
}

void cloner::set_key(op_id op, std::uint64_t key) {
  Graph::tables& t = target_.data();
  Graph::tables::op_record& r = t.ops[t.index(op)];
  if (r.schema->has(ops::random)) {  // its list is its own
    if (target_key_ == no_id) target_key_ = t.strings.find("key");
    for (stored_attribute& a : t.attributes.of(r.attributes)) {
      if (a.key != target_key_) continue;
      a.integer = std::bit_cast<std::int64_t>(key);
      return;
    }
  }
  attribute_list changed = t.attributes_of(r);
  changed.set("key", std::bit_cast<std::int64_t>(key));
  r.attributes = store_attributes(t, changed);
}

// The key of a variable's initial value is the variable's.
void cloner::set_initial_key(const variable_image& image, const variable_info& info) {
  if (options_.streams == seeds::same || !info.initial.valid() || !data_->is_copy(info.initial.op))
    return;
  const Graph::tables& t = source_.data();
  const op_id old_op = t.variables[image.source.value].initial.op;
  const Graph::tables::op_record& r = t.ops[t.index(old_op)];
  const stored_attribute* const key = t.attributes.find(r.attributes, source_key_);
  if (key == nullptr && !r.schema->has(ops::random)) return;
  initial_ops_.insert(info.initial.op.value);
  if (!keeps_streams(image)) {
    set_key(info.initial.op, info.stream_key);
  } else if (key != nullptr) {
    set_key(info.initial.op, std::bit_cast<std::uint64_t>(key->integer));
  }
}

// Keys are made from the new paths as they came out, so that no two streams of one graph are equal (but for
// the chance that two of 64 bits are).
void cloner::split_streams() {
  for (const op_id op : random_ops_) {
    const op_id copy = *data_->forward(op);
    if (!initial_ops_.contains(copy.value)) set_key(copy, key_of_copy(copy));
  }
}

bool joins_none(const clone_options& options) {
  return options.joined == collection_policy::none && !options.rename_collection;
}

std::optional<std::string> joined_in_place_of(const clone_options& options,
                                              std::string_view collection) {
  std::string name(collection);  // rules may change the graph that it is in
  return options.rename_collection ? options.rename_collection(name) : name;
}

void cloner::add_to_collections() {
  if (joins_none(options_)) return;
  // Names and members are taken down first: adding to a collection may move it.
  std::vector<std::pair<std::string, member>> additions;
  const Graph::tables& t = source_.data();
  std::uint32_t asked = no_id;
  std::optional<std::string> name;  // that copies of members of the collection `asked` join
  for (const collected& each : collected_in(source_, r_)) {
    const member& m = each.what;
    member copy = m;
    if (m.what == member::kind::variable) {
      const variable_image* image = data_->image_of(m.variable);
      if (image == nullptr || !is_made(*image)) continue;
      copy.variable = image->image;
    } else {
      if (data_->copy_number(place_of(m.tensor.op)) >= data_->count) continue;
      if (m.what == member::kind::tensor) {
        copy.tensor = data_->forward(m.tensor).value_or(tensor_id{});
      } else {
        copy.tensor.op = *data_->forward(m.tensor.op);
      }
      if (!target_.contains(copy.tensor.op)) continue;  // removed by a rule
    }
    if (each.collection != asked) {
      asked = each.collection;
      name = joined_in_place_of(options_, t.strings[t.collections[asked].name]);
    }
    if (name) additions.emplace_back(*name, copy);
  }
  for (const auto& [collection, m] : additions) target_.add_to_collection(collection, m);
}

}  // namespace detail

Clone clone_region(const Region& region, const clone_options& options) {
  return detail::cloner(region, options).run();
}

std::vector<Clone> replicate_region(const Region& region, std::size_t count,
                                    const clone_options& options) {
  std::vector<Clone> result;
  if (count == 0) return result;
  result.reserve(count);
  detail::clone_transaction all(detail::target_graph(*region.data(), options), options);
  for (std::size_t i = 0; i < count; ++i) result.push_back(clone_region(region, options));
  all.commit();
  return result;
}

namespace detail {

graph_reference in_mode(const graph_reference& y, mode m) {
  const Region region = extract(input_list{}, output_list{{y}}, leaks::keep);
  clone_options options;
  options.set(m);
  options.set(variable_policy::shared);
  options.set(coverage::affected);
  options.set(seeds::same);
  options.set(into(m == mode::inference ? "inference" : "training"));
  const Clone clone = clone_region(region, options);
  graph_reference result = y;
  result.id = *clone.data()->forward(y.id);
  return result;
}

}  // namespace detail
}  // namespace graft
