#include "graft/surgery/ensemble.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <unordered_map>
#include <unordered_set>

#include "graft/ops/shape_ops.hpp"
#include "graft/ops/sources.hpp"

#include "graph/building.hpp"
#include "surgery/cloner.hpp"
#include "surgery/ensemble_data.hpp"

namespace graft {

namespace detail {

const variable_image* image_of(const ensemble_data& d, variable_id v) {
  const auto found = std::lower_bound(
      d.variables.begin(), d.variables.end(), v,
      [](const variable_image& i, variable_id wanted) { return i.source < wanted; });
  return found != d.variables.end() && found->source == v ? &*found : nullptr;
}

void require_member(const ensemble_data& d, std::size_t i) {
  if (i < static_cast<std::size_t>(d.members)) return;
  throw argument_error({"an ensemble was asked for member " + std::to_string(i),
                        "it has " + std::to_string(d.members) + " members, counted from 0", "",
                        "ask for one of these"});
}

}  // namespace detail

namespace {

using detail::member_tensor;

// The additions of one ensemble() call, inside one transaction.
class builder {
 public:
  builder(const Region& region, std::size_t members, const ensemble_options& options)
      : options_(options),
        r_(*region.data()),
        g_(detail::require_current(r_)),
        data_(std::make_shared<ensemble_data>(region)),
        changes_(std::make_shared<detail::body_changes>()),
        rule_(g_, static_cast<std::int64_t>(members), changes_) {
    data_->slot = g_.slot();
    data_->generation = g_.slot()->generation;
    data_->members = static_cast<std::int64_t>(members);
    check_choices(members);
  }

  Ensemble run() {
    resolve_inputs();
    decide();
    detail::steps all(g_.data());
    data_->scope = detail::append_scope(
        g_, g_.current_scope(), options_.where.scope.empty() ? "ensemble" : options_.where.scope);
    scopes_.emplace(0u, data_->scope);
    changes_->as_mode = options_.as_mode;
    changes_->stream = g_.scope_path(data_->scope);
    add_inputs();
    for (const tensor_id out : r_.outputs) build(out);
    add_own_updates();
    add_control_edges();
    add_to_collections();
    for (const tensor_id out : r_.outputs) {
      member_tensor& t = data_->images.at(out);
      if (t.stacked) continue;
      const inside in(g_, data_->scope);
      t = {rule_.broadcast(t), true};
    }
    std::sort(data_->variables.begin(), data_->variables.end(),
              [](const variable_image& a, const variable_image& b) { return a.source < b.source; });
    std::sort(data_->stacked.begin(), data_->stacked.end());
    Ensemble result(std::move(data_));
    all.commit();
    return result;
  }

 private:
  class inside {
   public:
    inside(Graph& g, scope_id s) : graph_(g) { graph_.reenter_scope(s); }
    ~inside() { graph_.leave_scope(); }
    inside(const inside&) = delete;
    inside& operator=(const inside&) = delete;

   private:
    Graph& graph_;
  };

  void check_choices(std::size_t members) const {
    const auto refuse = [](const char* what, const char* hint) {
      throw argument_error({"an ensemble was asked for", what, "", hint});
    };
    if (members == 0) refuse("it was to have 0 members", "give at least 1");
    if (options_.where.graph != nullptr && options_.where.graph != &g_) {
      refuse("it was to be made in another graph", "clone the region there first");
    }
    if (options_.naming != names::unique || options_.streams != seeds::split ||
        options_.covered != coverage::whole || options_.inputs != unbound::placeholder ||
        options_.strip || !options_.expressions.pairs.empty()) {
      refuse("one of the choices is for clones only",
             "give bind(...), into(...), a policy, trainable(...) or a mode");
    }
  }

  void resolve_inputs() {
    for (const auto& [from, to] : options_.bound.pairs) resolve(from, to, false);
    for (const auto& [from, to] : options_.stacked.pairs) resolve(from, to, true);
  }

  void resolve(const graph_reference& from, const graph_reference& to, bool stacked) {
    const tensor_id key = g_.id(from), value = g_.id(to);
    const std::string verb = stacked ? "bind_each" : "bind";
    if (!std::binary_search(r_.cuts.begin(), r_.cuts.end(), key)) {
      throw boundary_error({verb + " replaces '" + g_.path_of(key) + "'",
                            "it is no input of the region", g_.path_of(key),
                            "bind what the region was extracted with"});
    }
    if (stacked) {
      check_stacked(key, value);
    } else {
      detail::check_replacement(g_, key, g_, value);
    }
    if (!data_->images.emplace(key, member_tensor{value, stacked}).second) {
      throw boundary_error({verb + " replaces '" + g_.path_of(key) + "' a second time",
                            "an input has one replacement", g_.path_of(key),
                            "bind each input once"});
    }
  }

  void check_stacked(tensor_id key, tensor_id value) const {
    value_type wanted = g_.type_of(key);
    const value_type got = g_.type_of(value);
    if (wanted.ranked) {
      dims shape{data_->members};
      shape.append(wanted.shape.begin(), wanted.shape.end());
      wanted.shape = shape;
    }
    const error_parts parts{
        "bind_each gives '" + g_.path_of(key) + "' the " + to_string(got) + " '" +
            g_.path_of(value) + "'",
        "for " + std::to_string(data_->members) + " members it needs " + to_string(wanted),
        g_.path_of(key), "put the axis of members first"};
    if (got.type != wanted.type) throw dtype_error(parts);
    bool fits = !wanted.ranked || (got.ranked && got.shape.size() == wanted.shape.size());
    for (std::size_t i = 0; fits && wanted.ranked && i < wanted.shape.size(); ++i) {
      fits = !is_known(wanted.shape[i]) || got.shape[i] == wanted.shape[i];
    }
    if (!fits) throw shape_error(parts);
  }

  void decide() {
    for (const variable_id v : r_.variables) {
      const variable_policy policy =
          options_.decide ? options_.decide(g_, g_.variable_of(v)) : options_.policy;
      const bool valued = policy == variable_policy::copied || policy == variable_policy::frozen;
      if (valued && !g_.store().initialized(v)) {
        throw uninitialized_error(
            {"an ensemble was to start from the value of '" + g_.path_of(v) + "'",
             "the variable has no value yet", g_.path_of(v),
             "initialise it first, or choose variables::fresh"});
      }
      policies_.emplace(v, policy);
    }
  }

  scope_id scope_of(scope_id s) {
    const auto found = scopes_.find(s.value);
    if (found != scopes_.end()) return found->second;
    const scope_id parent = scope_of(g_.parent_scope(s));
    const scope_id made = detail::append_scope(g_, parent, detail::scope_name(g_, s));
    scopes_.emplace(s.value, made);
    return made;
  }

  void add_inputs() {
    for (const auto* list : {&r_.inputs, &r_.kept}) {
      for (const tensor_id t : *list) {
        if (data_->images.contains(t)) continue;
        if (const Array* value = list == &r_.kept ? detail::value_of(r_, t) : nullptr) {
          const inside in(g_, data_->scope);
          data_->images.emplace(t, member_tensor{g_.add_constant(*value, g_.name_of(t.op)), false});
          continue;
        }
        if (list == &r_.kept) {
          data_->images.emplace(t, member_tensor{t, false});
          continue;
        }
        const inside in(g_, data_->scope);
        const value_type type = g_.type_of(t);
        attribute_list attributes;
        attributes.set("type", type.type);
        if (type.ranked) attributes.set("shape", type.shape);
        const op_id added = g_.add(ops::placeholder, {}, attributes, g_.name_of(t.op));
        data_->images.emplace(t, member_tensor{{added, 0}, false});
      }
    }
  }

  // Adds what a tensor depends on, operands first, without recursion.
  void build(tensor_id wanted) {
    std::vector<op_id> open{wanted.op};
    if (data_->images.contains(wanted)) return;
    while (!open.empty()) {
      const op_id op = open.back();
      if (built_.contains(op.value)) {
        if (const auto v = read_by(op); v && making_.contains(v->value)) refuse_circle(*v);
        open.pop_back();
        continue;
      }
      bool ready = true;
      for (std::uint32_t k = 0; k < g_.operand_count(op); ++k) {
        const tensor_id operand = g_.operand(op, k);
        if (data_->images.contains(operand)) continue;
        ready = false;
        open.push_back(operand.op);
      }
      for (const op_id before : g_.control_predecessors(op)) {
        if (!is_assertion(before) || built_.contains(before.value)) continue;
        ready = false;
        open.push_back(before);
      }
      if (!ready) continue;
      open.pop_back();
      built_.insert(op.value);
      if (const auto v = read_by(op)) {
        const member_tensor image = make_variable(*v);
        data_->images.try_emplace({op, 0}, image);
        if (owns(*v)) made_.emplace(op.value, std::vector<op_id>{image.tensor.op});
      } else {
        add_op(op);
      }
    }
  }

  [[nodiscard]] std::optional<variable_id> read_by(op_id op) const {
    if (g_.output_count(op) == 0) return std::nullopt;
    return g_.variable_read_by({op, 0});
  }

  // True for an op of the region that others wait for although they take nothing from it.
  [[nodiscard]] bool is_assertion(op_id op) const {
    return r_.places.find(op.value) != detail::place_map::none && g_.schema_of(op).has(ops::effect);
  }

  [[nodiscard]] bool owns(variable_id v) const {
    const variable_policy p = policies_.at(v);
    return p == variable_policy::fresh || p == variable_policy::copied;
  }

  [[noreturn]] void refuse_circle(variable_id v) const {
    throw unsupported_error({"an ensemble was asked for with members' own '" + g_.path_of(v) + "'",
                             "its initial value reads the variable itself", g_.path_of(v),
                             "give it an initial value that does not"});
  }

  void add_op(op_id op) {
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
    const inside in(g_, scope_of(g_.scope_of(op)));
    if (schema.has(ops::random) && attributes.find("key") != nullptr) {
      attributes.set("key", std::bit_cast<std::int64_t>(detail::stream_key_of(
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
  void note_made(op_id op, std::size_t first, const std::vector<member_tensor>& results) {
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
  void add_control_edges() {
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
  void add_to_collections() {
    std::vector<std::pair<std::string, member>>
        additions;  // taken down first: adding may move them
    for (std::size_t c = 0; c < g_.data().collections.size(); ++c) {
      const std::string name(g_.data().strings[g_.data().collections[c].name]);
      for (const member& m : std::vector<member>(g_.data().collections[c].members)) {
        for (const member& image : images_of(m)) additions.emplace_back(name, image);
      }
    }
    for (const auto& [name, m] : additions) g_.add_to_collection(name, m);
  }

  std::vector<member> images_of(const member& m) {
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
    const inside in(g_, data_->scope);
    for (std::int64_t i = 0; i < data_->members; ++i) {
      images.push_back({m.what, {}, rule_.part(t.tensor, i)});
    }
    return images;
  }

  member_tensor make_variable(variable_id v) {
    const variable_info info = g_.variable_of(v);
    const variable_policy policy = policies_.at(v);
    const inside in(g_, scope_of(g_.scope_of(info.read.op)));
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
  tensor_id stacked_initial(const variable_info& info, const std::string& name) {
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
        attributes.set("key", std::bit_cast<std::int64_t>(
                                  detail::stream_key_of(path + "#" + std::to_string(m))));
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
  void add_own_updates() {
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
        const inside in(g_, scope_of(g_.scope_of(update)));
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

  const ensemble_options& options_;
  const region_data& r_;
  Graph& g_;
  std::shared_ptr<ensemble_data> data_;
  std::shared_ptr<detail::body_changes> changes_;
  detail::stacker rule_;
  std::unordered_map<variable_id, variable_policy> policies_;
  std::unordered_map<std::uint32_t, scope_id> scopes_;
  detail::index_set built_;
  std::unordered_map<std::uint32_t, std::vector<op_id>> made_;  // by op of the source
  std::unordered_set<std::uint32_t> making_;  // variables whose initial values are being made
};

[[noreturn]] void refuse_tensor(const Graph& g, tensor_id t, const char* why) {
  throw handle_error(
      {"an ensemble was asked for '" + g.path_of(t) + "'", why, g.path_of(t),
       "ask for an output of the region, or for what lies behind a member's variable"});
}

}  // namespace

Ensemble ensemble_region(const Region& region, std::size_t members,
                         const ensemble_options& options) {
  return builder(region, members, options).run();
}

std::size_t Ensemble::size() const { return static_cast<std::size_t>(data_->members); }
Graph& Ensemble::graph() const { return detail::graph_of(*data_); }
const Region& Ensemble::origin() const { return data_->region; }
scope_id Ensemble::scope() const { return data_->scope; }
const std::vector<variable_id>& Ensemble::variables() const { return data_->created; }

std::vector<variable_id> Ensemble::parameters() const {
  const Graph& g = graph();
  std::vector<variable_id> result;
  for (const variable_id v : data_->created) {
    const variable_info& info = g.variable_of(v);
    if (info.trainable && info.role == variable_role::parameter) result.push_back(v);
  }
  return result;
}

initializer_set Ensemble::initializer() const { return {&graph(), data_->unset}; }

variable_id Ensemble::operator()(variable_id v) const {
  if (const variable_image* image = detail::image_of(*data_, v)) return image->image;
  throw handle_error({"an ensemble was asked for variable " + std::to_string(v.value),
                      "it has no stacked copy of it", "",
                      "shared and frozen variables are the same for all members"});
}

bool Ensemble::has_members(const any_tensor& t) const {
  const auto found = data_->images.find(graph().id(t));
  return found != data_->images.end() && found->second.stacked;
}

graph_reference Ensemble::image(const graph_reference& r) const {
  const Graph& g = graph();
  const tensor_id t = g.id(r);
  const auto found = data_->images.find(t);
  if (found == data_->images.end()) refuse_tensor(g, t, "it is not in the region, or not needed");
  if (!found->second.stacked) refuse_tensor(g, t, "it is the same for all members");
  return {data_->slot, data_->generation, found->second.tensor};
}

Clone Ensemble::member_clone(std::size_t i, clone_options options) const {
  const ensemble_data& d = *data_;
  detail::require_member(d, i);
  Graph& g = graph();
  detail::clone_transaction all(g, options);
  if (!options.where_given) options.set(into("member"));
  options.set(variables::shared);
  detail::stacker rule(g, d.members);
  const auto replace = [&](variable_id source, tensor_id by) {
    const auto reference = [&](tensor_id t) { return graph_reference{d.slot, d.generation, t}; };
    options.expressions.pairs.emplace_back(reference(g.variable_of(source).read), reference(by));
  };
  for (const variable_image& image : d.variables) {
    tensor_id read = g.variable_of(image.image).read;
    if (std::binary_search(d.stacked.begin(), d.stacked.end(), image.source)) {
      read = rule.part(read, static_cast<std::int64_t>(i));
    }
    replace(image.source, read);
  }
  for (const variable_id v : d.region.variables()) {
    if (const auto frozen = detail::constant_of(d, g.variable_of(v))) replace(v, *frozen);
  }
  Clone result = clone_region(d.region, options);
  all.commit();
  return result;
}

}  // namespace graft
