#include "graph/copy.hpp"

#include <algorithm>
#include <bit>
#include <numeric>

#include "graft/core/error.hpp"
#include "graft/schema/core_operators.hpp"

#include "graph/building.hpp"
#include "graph/index_map.hpp"

namespace graft::detail {

// --- Places
// -----------------------------------------------------------------------------------------------

place_map::place_map(std::span<const std::uint32_t> sorted) {
  if (sorted.empty()) return;
  first_ = sorted.front();
  const std::size_t range = std::size_t{sorted.back()} - first_ + 1;
  if (range <= 8 * sorted.size() + 64) {
    places_.assign(range, none);
    for (std::uint32_t i = 0; i < sorted.size(); ++i) places_[sorted[i] - first_] = i;
    return;
  }
  table_.resize(std::bit_ceil(2 * sorted.size()));
  const std::size_t mask = table_.size() - 1;
  for (std::uint32_t i = 0; i < sorted.size(); ++i) {
    std::size_t at = (sorted[i] * 0x9e3779b97f4a7c15ull >> 32) & mask;
    while (table_[at].index != none) at = (at + 1) & mask;
    table_[at] = {sorted[i], i};
  }
}

std::uint32_t place_map::find_hashed(std::uint32_t index) const {
  const std::size_t mask = table_.size() - 1;
  std::size_t at = (index * 0x9e3779b97f4a7c15ull >> 32) & mask;
  while (table_[at].index != none && table_[at].index != index) at = (at + 1) & mask;
  return table_[at].place;
}

// --- Copying
// ------------------------------------------------------------------------------------------------

namespace {

[[noreturn]] void refuse(std::string found) {
  throw graph_error({.asked = "ops were to be copied",
                     .found = std::move(found),
                     .where = {},
                     .hint = "list each op of the region once, in storage order"});
}

struct tensor_place {
  std::uint32_t op, output;
};

// Where the ops of one scope go, and whether their names can go with them unchanged.
struct scope_target {
  std::uint32_t scope = 0;
  bool verbatim = false;
};

// Everything about a copy that is decided before the first op is appended.
class copier {
 public:
  explicit copier(const copy_request& r)
      : request_(r), from_(r.from->data()), to_(r.to->data()), same_(&from_ == &to_) {
    for (std::size_t i = 0; i < r.ops.size(); ++i) {
      if (i != 0 && r.ops[i] <= r.ops[i - 1]) refuse("the list is not ascending");
    }
    if (!r.ops.empty() && r.ops.back() >= from_.ops.size()) {
      refuse("op " + std::to_string(r.ops.back()) + " does not exist");
    }
    if (r.places == nullptr) own_places_ = place_map(r.ops);
    places_ = r.places != nullptr ? r.places : &own_places_;
  }

  copied_ops run() {
    steps all(to_);
    prepare();
    const copied_ops result = append();
    if (request_.infer_again) {
      std::vector<std::uint32_t> ops(result.count);
      std::iota(ops.begin(), ops.end(), result.first);
      infer_downstream(to_, std::move(ops));
    }
    all.commit();
    return result;
  }

 private:
  [[nodiscard]] bool is_cut(std::uint32_t op, std::uint32_t output) const {
    return !request_.cut.empty() && std::binary_search(request_.cut.begin(), request_.cut.end(),
                                                       tensor_id{from_.id(op), output});
  }

  void prepare() {
    std::uint32_t scope = none;
    for (const std::uint32_t i : request_.ops) {
      const tables::op_record& r = from_.ops[i];
      operands_ += r.operand_count;
      outputs_ += r.output_count;
      for (const tables::edge& e : from_.operands_of(i)) {
        if (places_->find(e.producer) == none || is_cut(e.producer, e.output)) resolve(i, e);
      }
      if (r.attributes != 0) attributes(i, r);
      if (r.scope != scope) {
        scope = r.scope;
        decide_scope(scope);
      }
      if (r.control_in != none) control(i);
      if (!same_) {
        remember_string(r.name);
        for (std::uint32_t o = 0; o < r.output_count; ++o) extents_ += from_.output(i, o).rank;
        if (r.file != none) (void)file_number(to_, from_.files[r.file].text);
      }
    }
    if (choose_names_) choose_names();
  }

  // For the scopes where names of others may be: takes a name for each op.
  void choose_names() {
    for (const std::uint32_t i : request_.ops) {
      const tables::op_record& r = from_.ops[i];
      const scope_target target = *scopes_.find(r.scope);
      if (target.verbatim) continue;
      ordinals_.push_back(
          take_name(to_, target.scope, string_there(r.name), r.ordinal, name_kind::op));
    }
  }

  // Remembers what an operand from outside becomes.
  void resolve(std::uint32_t op, const tables::edge& e) {
    if (!request_.outside) {
      refuse("'" + path_of_op(from_, op) + "' takes '" + path_of_op(from_, e.producer) +
             "', which is not among them");
    }
    const tensor_id becomes = request_.outside({from_.id(e.producer), e.output});
    outside_.push_back({to_.index(becomes), becomes.output});
  }

  void attributes(std::uint32_t op, const tables::op_record& r) {
    const bool asked = request_.attributes && (from_.attribute_marks[r.attributes] != 0 ||
                                               (r.schema->traits & request_.ask_traits) != 0);
    if (!asked) {
      if (!same_) attributes_.push_back(store_attributes(to_, from_.attribute_lists[r.attributes]));
      return;
    }
    const attribute_list& before = from_.attribute_lists[r.attributes];
    attribute_list list = before;
    request_.attributes(from_.id(op), list);
    const bool kept = same_ && list == before;
    attributes_.push_back(kept ? r.attributes : store_attributes(to_, std::move(list)));
    asked_.push_back(op);
  }

  void remember_string(std::uint32_t i) {
    if (!strings_.contains(i)) strings_.set(i, to_.strings.intern(from_.strings[i]));
  }
  [[nodiscard]] std::uint32_t string_there(std::uint32_t i) const {
    return same_ ? i : *strings_.find(i);
  }

  void decide_scope(std::uint32_t scope) {
    if (scopes_.contains(scope)) return;
    scope_target target;
    target.scope = request_.scope ? request_.scope(scope_id{scope}).value : to_.scope_stack.back();
    if (target.scope >= to_.scopes.size()) refuse("they were to go to a scope that does not exist");
    // Names of one scope cannot meet in a scope that nobody else names ops in.
    tables::scope_record& r = to_.scopes[target.scope];
    target.verbatim = !r.used;
    if (target.verbatim) {
      const std::uint32_t at = target.scope, batch = r.batch;
      note(to_, [at, batch](tables& u) {
        u.scopes[at].used = false;
        u.scopes[at].batch = batch;
      });
      r.used = true;
      r.batch = to_.batches.size();
      batched_ = true;
    } else {
      choose_names_ = true;
      if (r.batch == to_.batches.size()) {  // another scope of this copy was to be alone there
        r.batch = none;
        scopes_.for_each([&](std::uint32_t, scope_target& its) {
          if (its.scope == target.scope) its.verbatim = false;
        });
      }
    }
    scopes_.set(scope, target);
  }

  void control(std::uint32_t op) {
    const std::size_t first = controls_.size();
    for (std::uint32_t c = from_.ops[op].control_in; c != none; c = from_.controls[c].next_in) {
      const std::uint32_t before = from_.controls[c].before;
      const std::uint32_t place = places_->find(before);
      const std::uint32_t after = places_->find(op);
      if (place != none) {
        controls_.push_back({place, after, true});
      } else if (request_.control_outside) {
        const op_id becomes = request_.control_outside(from_.id(before));
        if (becomes.valid()) controls_.push_back({to_.index(becomes), after, false});
      }
    }
    // The list has the latest first.
    std::reverse(controls_.begin() + static_cast<std::ptrdiff_t>(first), controls_.end());
  }

  // From here on nothing can fail once the room is reserved.
  copied_ops append() {
    const auto count = static_cast<std::uint32_t>(request_.ops.size());
    reserve_ops(to_, count);
    to_.edges.reserve(operands_);
    to_.outputs.reserve(outputs_);
    to_.extents.reserve(extents_);
    to_.controls.reserve(controls_.size());
    to_.batches.reserve(1);
    const std::uint32_t first = to_.ops.size();
    const copied_ops result{first, count, to_.next_id};

    tables::op_record* const records = to_.ops.extend(count);
    if (from_.ordered) {
      append_ops<true>(first, records);
    } else {
      append_ops<false>(first, records);
      to_.ordered = false;
      for (std::uint32_t i = 0; i < count; ++i) {
        const tables::op_record& r = records[i];
        for (std::uint32_t k = 0; k < r.operand_count; ++k) link_use(to_, r.first_operand + k);
      }
    }
    for (const control_place& c : controls_) {
      link_control(to_, c.inside ? first + c.before : c.before, first + c.after);
    }
    if (batched_) to_.batches.push_back({first, first + count, false});
    give_ids(to_, first);
    touch(to_);
    return result;
  }

  template <bool Link>
  void append_ops(std::uint32_t first, tables::op_record* records) {
    std::size_t next_outside = 0, next_ordinal_at = 0, next_attributes = 0, next_asked = 0;
    std::uint32_t scope = none, last_extents = none, new_extents = 0;
    scope_target target;
    std::uint32_t op = first;
    for (const std::uint32_t i : request_.ops) {
      const tables::op_record& old = from_.ops[i];
      tables::op_record& r = *records++;
      r = old;
      r.first_use = r.last_use = r.control_in = r.control_out = none;
      r.stamp = 0;
      if (old.scope != scope) {
        scope = old.scope;
        target = *scopes_.find(scope);
      }
      r.scope = target.scope;
      if (!target.verbatim) r.ordinal = ordinals_[next_ordinal_at++];
      if (old.attributes != 0) {
        if (next_asked < asked_.size() && asked_[next_asked] == i) {
          ++next_asked;
          r.attributes = attributes_[next_attributes++];
        } else if (!same_) {
          r.attributes = attributes_[next_attributes++];
        }
      }
      if (!same_) {
        r.name = string_there(old.name);
        if (old.file != none) r.file = file_number(to_, from_.files[old.file].text);
      }

      const std::uint32_t edge = to_.edges.size();
      r.first_operand = edge;
      tables::edge* const edges = to_.edges.extend(old.operand_count);
      for (std::uint32_t k = 0; k < old.operand_count; ++k) {
        const tables::edge& e = from_.edges[old.first_operand + k];
        const std::uint32_t place = places_->find(e.producer);
        if (place != none && !is_cut(e.producer, e.output)) {
          edges[k] = {first + place, e.output, op, none, none};
        } else {
          const tensor_place becomes = outside_[next_outside++];
          edges[k] = {becomes.op, becomes.output, op, none, none};
        }
        if constexpr (Link) link_use(to_, edge + k);
      }

      r.first_output = to_.outputs.size();
      tables::output_record* const outputs = to_.outputs.extend(old.output_count);
      for (std::uint32_t k = 0; k < old.output_count; ++k) {
        outputs[k] = from_.outputs[old.first_output + k];
        if (same_ || outputs[k].rank == 0) continue;
        if (outputs[k].extents != last_extents) {
          last_extents = outputs[k].extents;
          new_extents = to_.extents.size();
          for (const extent e : from_.extents_of(outputs[k])) to_.extents.push_back(e);
        } else if (to_.extents.size() - new_extents < outputs[k].rank) {
          // Equal beginnings, unequal ranks: the rest is appended, as nothing was in between.
          for (std::uint32_t x = to_.extents.size() - new_extents; x < outputs[k].rank; ++x) {
            to_.extents.push_back(from_.extents[last_extents + x]);
          }
        }
        outputs[k].extents = new_extents;
      }
      ++op;
    }
  }

  struct control_place {
    std::uint32_t before, after;  // places in the region, or a dense index of `to`
    bool inside;
  };

  const copy_request& request_;
  const tables& from_;
  tables& to_;
  const bool same_;
  place_map own_places_;
  const place_map* places_ = nullptr;

  std::size_t operands_ = 0, outputs_ = 0, extents_ = 0;
  bool batched_ = false, choose_names_ = false;
  std::vector<tensor_place> outside_;
  std::vector<std::uint32_t> ordinals_;    // of ops whose names are chosen anew, in order
  std::vector<std::uint32_t> attributes_;  // of ops whose lists may change, in order
  std::vector<std::uint32_t> asked_;       // those for which the request was asked
  std::vector<control_place> controls_;
  index_map<scope_target> scopes_;
  index_map<std::uint32_t> strings_;
};

}  // namespace

copied_ops append_copy(const copy_request& request) {
  if (request.from == nullptr || request.to == nullptr) refuse("no graph was given");
  if (request.ops.empty()) return {request.to->data().ops.size(), 0, request.to->data().next_id};
  return copier(request).run();
}

// --- Variables, scopes, constants
// -----------------------------------------------------------------------------

variable_id next_variable(const Graph& g) {
  return {static_cast<std::uint32_t>(g.data().variables.size())};
}

variable_id append_variable(Graph& g, variable_info info, std::shared_ptr<variable_cell> cell) {
  tables& t = g.data();
  if (g.is_open_body()) refuse_in_body(g, path_of_op(t, t.index(info.read)));
  const variable_id id = next_variable(g);
  (void)t.index(info.initial);
  const std::uint32_t read = t.index(info.read);
  const tables::op_record& r = t.ops[read];
  if (!is_operator(*r.schema, ops::variable) ||
      t.attribute_lists[r.attributes].integer("variable", -1) != id.value) {
    throw graph_error(
        {.asked = "variable " + std::to_string(id.value) + " was to be registered",
         .found = "'" + path_of_op(t, read) + "' does not read it",
         .where = {},
         .hint = "set the attribute \"variable\" of its read op to the next variable's id"});
  }
  if (cell == nullptr) cell = std::make_shared<variable_cell>();
  info.id = id;
  const value_type type = info.type;
  t.variables.push_back(std::move(info));
  try {
    t.store->add(std::move(cell), type);
  } catch (...) {
    t.variables.pop_back();
    t.store->truncate(t.variables.size());
    throw;
  }
  touch(t);
  return id;
}

scope_id append_scope(Graph& g, scope_id parent, std::string_view name) {
  tables& t = g.data();
  if (parent.value >= t.scopes.size())
    refuse("their scope was to be under one that does not exist");
  return {append_scope(t, parent.value, name)};
}

scope_id append_scope_like(Graph& g, scope_id parent, const Graph& from, scope_id like) {
  tables& t = g.data();
  const tables::scope_record& r = from.data().scopes[like.value];
  const std::uint32_t base = &g == &from ? r.name : t.strings.intern(from.data().strings[r.name]);
  return {append_scope(t, parent.value, base, r.ordinal)};
}

std::string scope_name(const Graph& g, scope_id scope) {
  const tables& t = g.data();
  if (scope.value >= t.scopes.size()) return {};
  return full_name(t, t.scopes[scope.value].name, t.scopes[scope.value].ordinal);
}

bool name_is_free(const Graph& g, scope_id scope, std::string_view name) {
  const tables& t = g.data();
  const parsed_name parts = parse_name(name);
  const std::uint32_t base = t.strings.find(parts.base);
  if (base == no_id) return true;
  const std::uint32_t batch = t.scopes[scope.value].batch;
  if (batch != none && !t.batches[batch].counted) {
    for (std::uint32_t i = t.batches[batch].first_op; i < t.batches[batch].last_op; ++i) {
      const tables::op_record& r = t.ops[i];
      if (r.scope == scope.value && r.name == base && r.ordinal == parts.ordinal) return false;
    }
  }
  return !t.names.taken(counter_key(t, scope.value, base, name_kind::op), parts.ordinal);
}

bool scope_name_is_free(const Graph& g, scope_id parent, std::string_view name) {
  const tables& t = g.data();
  const parsed_name parts = parse_name(name);
  const std::uint32_t base = t.strings.find(parts.base);
  return base == no_id ||
         !t.names.taken(counter_key(t, parent.value, base, name_kind::scope), parts.ordinal);
}

std::int64_t append_constant(Graph& g, Array value) {
  tables& t = g.data();
  t.constants.push_back(std::move(value));
  touch(t);
  return static_cast<std::int64_t>(t.constants.size() - 1);
}

}  // namespace graft::detail
