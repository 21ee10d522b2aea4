#include "graph/copy.hpp"

#include <algorithm>
#include <numeric>

#include "graft/core/error.hpp"
#include "graft/schema/core_operators.hpp"

#include "graph/building.hpp"
#include "graph/index_map.hpp"

namespace graft::detail {

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
  bool occupied = false;  // a few others are there, and names are compared with theirs
};

// Everything about a copy that is decided before the first op is appended.
class copier {
 public:
  explicit copier(const copy_request& r)
      : request_(r), from_(r.from->data()), to_(r.to->data()), mapped_(&from_ != &to_) {
    if (!r.ops.ascends()) refuse("the list is not ascending");
    if (!r.ops.empty() && r.ops.back() >= from_.ops.size()) {
      refuse("op " + std::to_string(r.ops.back()) + " does not exist");
    }
    if (r.places == nullptr) own_places_ = place_map(r.ops);
    places_ = r.places != nullptr ? r.places : &own_places_;
    for (const tensor_id cut : r.cut) {
      cuts_inside_ = cuts_inside_ || (from_.contains(cut.op) &&
                                      places_->find(from_.index(cut.op)) != place_map::none);
    }
    scopes_.expect(from_.scopes.size(), r.ops.size());
    if (mapped_) {
      if (from_.strings.size() <= 4 * r.ops.size() + 64) near_.assign(from_.strings.size(), none);
      near_count_ = static_cast<std::uint32_t>(near_.size());
      files_.assign(from_.files.size(), none);
    }
  }

  copied_ops run() {
    steps all(to_);
    const scope_guard marks(to_, marked_scopes_);
    prepare();
    const copied_ops result = append();
    if (request_.infer_again) {
      std::vector<std::uint32_t> ops(result.count);
      std::iota(ops.begin(), ops.end(), result.first);
      infer_downstream(to_, std::move(ops));
    }
    all.commit();
    marked_scopes_.clear();
    return result;
  }

 private:
  [[nodiscard]] bool is_cut(std::uint32_t op, std::uint32_t output) const {
    return cuts_inside_ && std::binary_search(request_.cut.begin(), request_.cut.end(),
                                              tensor_id{from_.id(op), output});
  }

  void prepare() {
    const std::size_t count = request_.ops.size();
    const tables::op_record& first = from_.ops[request_.ops[0]];
    stretch operands{first.first_operand}, outputs{first.first_output};
    std::uint32_t scope = none, name = none, file = none;
    std::uint32_t first_list = none, next_list = none;
    bool occupied = false, like_another = false, clash = false;
    bool lists_in_row = !request_.attributes || request_.reference;
    for (std::size_t k = 0; k < count; ++k) {
      const std::uint32_t i = request_.ops[k];
      const tables::op_record& r = from_.ops[i];
      operands.add(r.first_operand, r.operand_count);
      outputs.add(r.first_output, r.output_count);
      if (r.attributes != 0) {
        if (mapped_) {
          const unsigned traits = r.schema->traits;
          if (first_list == none) first_list = next_list = r.attributes;
          lists_in_row &= r.attributes == next_list && (traits & request_.ask_traits) == 0;
          next_list = r.attributes + 1;
          if ((traits & request_.own_traits) != 0 && request_.owned) request_.owned(from_.id(i));
        } else {
          attributes(i, r);
        }
      }
      if (r.scope != scope) {
        scope = r.scope;
        decide_scope(scope);
        occupied = scopes_.find(scope)->occupied;
        name = none;
      }
      if (r.name != name) {
        name = r.name;
        const std::uint32_t name_there = mapped_ ? string_for(name) : name;
        like_another = occupied && is_like_another(scopes_.find(scope)->scope, name_there);
      }
      clash |= like_another;
      if (r.control_in != none) control(i);
      if (!mapped_) continue;
      if (r.file != file && r.file != none) {
        file = r.file;
        if (files_[file] == none) files_[file] = file_number(to_, from_.files[file].text);
      }
    }
    operands_ = operands;
    outputs_ = outputs;
    find_outside();
    if (mapped_ && first_list != none) {
      if (!lists_in_row || !shift_lists(first_list, next_list)) {
        for (std::size_t k = 0; k < count; ++k) {
          const tables::op_record& r = from_.ops[request_.ops[k]];
          if (r.attributes != 0) attributes(request_.ops[k], r);
        }
      }
    }
    if (mapped_) {
      meet_extents();
      copy_extents();
    }
    ask_for_attributes();
    if (clash) leave_occupied();
    if (choose_names_) choose_names();
  }

  // True if the name of an op that was there before may be equal.
  [[nodiscard]] bool is_like_another(std::uint32_t scope, std::uint32_t name) const {
    return std::any_of(request_.named.begin(), request_.named.end(), [&](op_id op) {
      const tables::op_record& other = to_.ops[to_.index(op)];
      return other.scope == scope && other.name == name;
    });
  }

  // Names in occupied scopes are chosen one by one after all.
  void leave_occupied() {
    choose_names_ = true;
    scopes_.for_each([&](std::uint32_t, scope_target& its) {
      if (!its.occupied || !its.verbatim) return;
      its.verbatim = false;
      for (const marked_scope& m : marked_scopes_) {
        if (m.scope == its.scope) to_.scopes[m.scope].batch = m.batch;
      }
    });
  }

  // For the scopes where names of others may be: takes a name for each op.
  void choose_names() {
    name_taker names(to_);
    std::uint32_t scope = none, name = none, name_there = 0;
    scope_target target;
    const std::size_t count = request_.ops.size();
    for (std::size_t k = 0; k < count; ++k) {
      const tables::op_record& r = from_.ops[request_.ops[k]];
      if (r.scope != scope) target = *scopes_.find(scope = r.scope);
      if (target.verbatim) continue;
      if (r.name != name) name_there = string_there(name = r.name);
      const std::uint32_t ordinal = names.take(target.scope, name_there, r.ordinal);
      if (ordinal != r.ordinal) ordinals_.push_back({k, ordinal});
    }
  }

  // --- Operands and outputs, which those of consecutive ops are one array of as a rule

  // Calls f(record) for the operands of all ops, in order.
  template <class F>
  void for_each_operand(F&& f) const {
    if (operands_.in_one_piece) {
      for (std::size_t k = 0; k < operands_.count; ++k) f(from_.edges[operands_.first + k]);
      return;
    }
    for (std::size_t k = 0; k < request_.ops.size(); ++k) {
      const tables::op_record& r = from_.ops[request_.ops[k]];
      const std::uint32_t first = r.first_operand, beyond = first + r.operand_count;
      for (std::uint32_t e = first; e < beyond; ++e) f(from_.edges[e]);
    }
  }

  void find_outside() {
    for_each_operand([&](const tables::edge& e) {
      if (places_->find(e.producer) == none || is_cut(e.producer, e.output)) {
        resolve(e.user, tables::edge(e));
      }
    });
  }

  // Calls f(records) for the outputs of all ops, in order.
  template <class F>
  void for_each_outputs(F&& f) const {
    if (outputs_.in_one_piece) {
      f(std::span(from_.outputs.begin() + outputs_.first, outputs_.count));
      return;
    }
    for (std::size_t k = 0; k < request_.ops.size(); ++k) {
      const tables::op_record& r = from_.ops[request_.ops[k]];
      f(std::span(from_.outputs.begin() + r.first_output, r.output_count));
    }
  }

  void meet_extents() {
    met_extents met;
    for_each_outputs([&](std::span<const tables::output_record> outputs) {
      for (const tables::output_record& out : outputs) met.add(out.extents, out.rank);
    });
    extents_.add(met);
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

  // --- Attributes

  // Decides which list the copy of an op has: the same one, or one of its own.
  void attributes(std::uint32_t op, const tables::op_record& r) {
    const bool marked = from_.marked(r);
    const bool owned = (r.schema->traits & request_.own_traits) != 0;
    const bool asked = request_.attributes && ((marked && !request_.reference) ||
                                               (r.schema->traits & request_.ask_traits) != 0);
    const bool packed = mapped_ || owned || (marked && request_.reference);
    if (!packed && !asked) return;
    if (asked) asked_.push_back(lists_.size());
    lists_.push_back({op, packed ? packed_attributes(r) : r.attributes});
    if (!mapped_ && owned && request_.owned) request_.owned(from_.id(op));
  }

  // The lists of consecutive ops are consecutive as a rule, and are copied in one piece then.
  // @returns false, with nothing done, where they do not lie in one piece
  bool shift_lists(std::uint32_t first, std::uint32_t beyond) {
    const pool<attribute_range>& old = from_.attributes.lists;
    for (std::uint32_t list = first; list + 1 < beyond; ++list) {
      if (old[list].first + old[list].count != old[list + 1].first) return false;
    }
    attribute_store& store = to_.attributes;
    const std::uint32_t old_item = old[first].first;
    const std::uint32_t items = old[beyond - 1].first + old[beyond - 1].count - old_item;
    store.lists.reserve(beyond - first);
    store.items.reserve(items);
    list_shift_ = store.lists.size() - first;
    const std::uint32_t item = store.items.size(), item_shift = item - old_item;
    attribute_range* const lists = store.lists.extend(beyond - first);
    std::copy_n(old.begin() + first, beyond - first, lists);
    std::copy_n(from_.attributes.items.begin() + old_item, items, store.items.extend(items));
    map_items(item, items);
    for (std::uint32_t k = 0; k < beyond - first; ++k) {
      lists[k].first += item_shift;
    }
    for (std::uint32_t k = 0; k < beyond - first && request_.reference; ++k) {
      const attribute_range range = store.lists[list_shift_ + first + k];
      if (range.marked) refer(range.first, range.count);
    }
    shifted_ = true;
    return true;
  }

  // Of attributes that were just copied: texts become those of the target, and integers are noted to become so.
  void map_items(std::uint32_t first, std::uint32_t count) {
    stored_attribute* const items = to_.attributes.items.begin();
    for (std::uint32_t k = first; k < first + count; ++k) {
      stored_attribute& a = items[k];
      a.key = string_for(a.key);
      if (a.kind == attribute_kind::string) a.integer = string_for(a.text());
      if (a.kind == attribute_kind::integers && a.count() != 0) {
        extents_.add(a.first(), a.count());
        integers_.push_back(k);
      }
    }
  }

  // A copy of a list; what it refers to is what that becomes.
  std::uint32_t packed_attributes(const tables::op_record& r) {
    attribute_store& store = to_.attributes;
    const attribute_range range = from_.attributes.lists[r.attributes];
    store.items.reserve(range.count);
    store.lists.reserve(1);
    const std::uint32_t first = store.items.size();
    std::copy_n(from_.attributes.items.begin() + range.first, range.count,
                store.items.extend(range.count));
    store.lists.push_back({first, range.count, range.marked});
    const std::uint32_t list = store.lists.size() - 1;
    if (mapped_) map_items(first, range.count);
    if (range.marked && request_.reference) refer(first, range.count);
    return list;
  }

  void refer(std::uint32_t first, std::uint32_t count) {
    for (std::uint32_t k = first; k < first + count; ++k) {
      const stored_attribute a = to_.attributes.items[k];
      if (is_reference(a.kind)) {
        to_.attributes.items[k].integer = request_.reference(a.kind, a.integer);
      }
    }
  }

  void ask_for_attributes() {
    for (const std::size_t at : asked_) {
      const attribute_list before = attribute_view(to_.attributes, lists_[at].list);
      attribute_list list = before;
      request_.attributes(from_.id(lists_[at].op), list);
      if (!(list == before)) lists_[at].list = store_attributes(to_, list);
    }
  }

  // --- Texts and extents, which have other numbers in another graph

  std::uint32_t string_for(std::uint32_t i) {
    if (i < near_count_ && near_[i] != none) return near_[i];
    return other_string(i);
  }
  [[gnu::noinline]] std::uint32_t other_string(std::uint32_t i) {
    if (i < near_count_) return near_[i] = to_.strings.intern(from_.strings[i]);
    if (const std::uint32_t* known = strings_.find(i)) return *known;
    return strings_.set(i, to_.strings.intern(from_.strings[i]));
  }
  [[nodiscard]] std::uint32_t string_there(std::uint32_t i) const {
    if (!mapped_) return i;
    return i < near_count_ ? near_[i] : *strings_.find(i);
  }

  // Those of a region lie close together as a rule, and are copied in one piece; others one after another.
  void copy_extents() {
    if (extents_.total == 0) return;
    const std::uint32_t range = extents_.beyond - extents_.lowest;
    if (range <= 2 * extents_.total + 64) {
      to_.extents.reserve(range);
      extent_shift_ = to_.extents.size() - extents_.lowest;
      std::copy_n(from_.extents.begin() + extents_.lowest, range, to_.extents.extend(range));
    } else {
      scattered_ = true;
      for_each_outputs([&](std::span<const tables::output_record> outputs) {
        for (const tables::output_record& out : outputs) {
          if (out.rank != 0) copy_scattered(out.extents, out.rank);
        }
      });
    }
    for (const std::uint32_t k : integers_) {
      stored_attribute& a = to_.attributes.items[k];
      if (scattered_) copy_scattered(a.first(), a.count());
      a.set_integers(extents_there(a.first()), a.count());
    }
  }

  void copy_scattered(std::uint32_t first, std::uint32_t count) {
    const extents_copy* known = scattered_extents_.find(first);
    if (known != nullptr && known->count >= count) return;
    to_.extents.reserve(count);
    const std::uint32_t there = to_.extents.size();
    std::copy_n(from_.extents.begin() + first, count, to_.extents.extend(count));
    scattered_extents_.set(first, {there, count});
  }

  [[nodiscard]] std::uint32_t extents_there(std::uint32_t first) const {
    return scattered_ ? scattered_extents_.find(first)->there : first + extent_shift_;
  }

  // --- Scopes

  // Scopes of the target that the names of this copy are alone in: `batch` says so. It is taken back here if the
  // copy fails, and by an edit where an outer transaction might come back to the scope.
  struct marked_scope {
    std::uint32_t scope, batch;
    bool used;
  };
  class scope_guard {
   public:
    scope_guard(tables& t, const std::vector<marked_scope>& marked) : t_(t), marked_(marked) {}
    ~scope_guard() {
      for (std::size_t i = marked_.size(); i-- > 0;) {
        t_.scopes[marked_[i].scope].batch = marked_[i].batch;
        t_.scopes[marked_[i].scope].used = marked_[i].used;
      }
    }
    scope_guard(const scope_guard&) = delete;
    scope_guard& operator=(const scope_guard&) = delete;

   private:
    tables& t_;
    const std::vector<marked_scope>& marked_;
  };

  void decide_scope(std::uint32_t scope) {
    if (scopes_.contains(scope)) return;
    scope_target target;
    target.scope =
        request_.scope ? request_.scope(from_.scope(scope)).value : to_.scope_stack.back();
    if (target.scope >= to_.scopes.size() || is_removed(to_.scopes[target.scope]))
      refuse("they were to go to a scope that does not exist");
    // Names of one scope cannot meet in a scope that nobody else names ops in.
    const std::uint32_t at = target.scope, batch = to_.scopes[at].batch;
    const bool used = to_.scopes[at].used;
    target.occupied = used && at >= request_.first_new_scope && batch != to_.batches.size() &&
                      request_.named.size() <= few_names;
    target.verbatim = !used || target.occupied;
    if (target.verbatim) {
      // Scopes younger than a transaction go with it. The last mark is this copy's own.
      const std::size_t outer = to_.marks.size() - 1;
      if (outer != 0 && at < to_.marks[outer - 1].scopes) {
        note(to_, [at, batch, used](tables& u) {
          u.scopes[at].used = used;
          u.scopes[at].batch = batch;
        });
      }
      marked_scopes_.push_back({at, batch, used});
      to_.scopes[at].used = true;
      to_.scopes[at].batch = to_.batches.size();
    } else {
      choose_names_ = true;
      if (batch == to_.batches.size()) {  // another scope of this copy was to be alone there
        to_.scopes[at].batch = none;
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
        const op_id becomes = request_.control_outside(from_.id(before), from_.id(op));
        if (becomes.valid()) controls_.push_back({to_.index(becomes), after, false});
      }
    }
    // The list has the latest first.
    std::reverse(controls_.begin() + static_cast<std::ptrdiff_t>(first), controls_.end());
  }

  // --- Appending

  // From here on nothing can fail once the room is reserved.
  copied_ops append() {
    const auto count = static_cast<std::uint32_t>(request_.ops.size());
    reserve_ops(to_, count);
    to_.edges.reserve(operands_.count);
    to_.outputs.reserve(outputs_.count);
    to_.controls.reserve(controls_.size());
    to_.batches.reserve(1);
    const std::uint32_t first = to_.ops.size();
    const copied_ops result{first, count, to_.next_id, to_.number};

    tables::op_record* const records = to_.ops.extend(count);
    const bool one_piece =
        operands_.in_one_piece && !cuts_inside_ && from_.ordered && request_.ops.consecutive();
    append_records(records, one_piece);
    append_outputs();
    if (!one_piece || !shift_operands(first, records)) append_operands(first, records);
    if (!from_.ordered) to_.ordered = false;
    for (const control_place& c : controls_) {
      link_control(to_, c.inside ? first + c.before : c.before, first + c.after);
    }
    if (!marked_scopes_.empty()) to_.batches.push_back({first, first + count, false});
    give_ids(to_, first);
    touch(to_);
    return result;
  }

  void append_outputs() {
    tables::output_record* const first = to_.outputs.extend(outputs_.count);
    tables::output_record* next = first;
    for_each_outputs([&](std::span<const tables::output_record> outputs) {
      next = std::copy(outputs.begin(), outputs.end(), next);
    });
    if (!mapped_) return;
    for (tables::output_record* made = first; made != next; ++made) {
      if (made->rank != 0) made->extents = extents_there(made->extents);
    }
  }

  // Everything but operands and outputs; the ends of the lists of uses where operands are to be shifted.
  void append_records(tables::op_record* records, bool shifted) {
    std::size_t next_ordinal_at = 0, next_list = 0;
    std::uint32_t scope = none, name = none, name_there = 0, file = none, file_there = none;
    std::uint32_t edge = to_.edges.size();
    scope_target target;
    std::uint32_t output = to_.outputs.size();
    // Kept out of memory, which the records might be part of for all that the compiler knows.
    const tables::op_record* const old_ops = from_.ops.begin();
    const std::uint32_t* const near = near_.data();
    const std::uint32_t near_count = near_count_;
    const op_indices ops = request_.ops;
    const std::uint32_t first_use = operands_.first;
    const std::uint32_t use_count = shifted ? static_cast<std::uint32_t>(operands_.count) : 0;
    const std::uint32_t use_shift = edge - first_use, list_shift = list_shift_;
    const bool mapped = mapped_, in_row = shifted_;
    const std::size_t count = ops.size();
    for (std::size_t k = 0; k < count; ++k) {
      const std::uint32_t i = ops[k];
      const tables::op_record& old = old_ops[i];
      tables::op_record& r = records[k];
      r = old;
      r.first_use = old.first_use - first_use < use_count ? old.first_use + use_shift : none;
      r.last_use = old.last_use - first_use < use_count ? old.last_use + use_shift : none;
      r.control_in = r.control_out = none;
      r.stamp = 0;
      r.first_operand = edge;
      edge += r.operand_count;
      if (old.scope != scope) {
        scope = old.scope;
        target = *scopes_.find(scope);
      }
      r.scope = target.scope;
      if (next_ordinal_at < ordinals_.size() && ordinals_[next_ordinal_at].place == k) {
        r.ordinal = ordinals_[next_ordinal_at++].ordinal;
      }
      if (in_row) {
        if (old.attributes != 0) r.attributes = old.attributes + list_shift;
      } else if (next_list < lists_.size() && lists_[next_list].op == i) {
        r.attributes = lists_[next_list++].list;
      }
      r.first_output = output;
      output += r.output_count;
      if (!mapped) continue;
      if (old.name != name) {
        name = old.name;
        name_there = name < near_count ? near[name] : string_there(name);
      }
      r.name = name_there;
      if (old.file != file) {
        file = old.file;
        file_there = file == none ? none : files_[file];
      }
      r.file = file_there;
    }
  }

  // Uses by place: of an edge among the copied ones, where these are in one piece.
  [[nodiscard]] bool is_inside(std::uint32_t edge) const {
    return edge - operands_.first < operands_.count;
  }

  // The operands of any list of ops.
  void append_operands(std::uint32_t first, tables::op_record* records) {
    std::size_t next_outside = 0;
    const std::size_t count = request_.ops.size();
    for (std::size_t k = 0; k < count; ++k) {
      const tables::op_record& old = from_.ops[request_.ops[k]];
      const std::uint32_t op = first + static_cast<std::uint32_t>(k), edge = to_.edges.size();
      tables::edge* const edges = to_.edges.extend(old.operand_count);
      for (std::uint32_t n = 0; n < old.operand_count; ++n) {
        const tables::edge& e = from_.edges[old.first_operand + n];
        const std::uint32_t place = places_->find(e.producer);
        if (place != none && !is_cut(e.producer, e.output)) {
          edges[n] = {first + place, e.output, op, none, none};
        } else {
          const tensor_place becomes = outside_[next_outside++];
          edges[n] = {becomes.op, becomes.output, op, none, none};
        }
        if (from_.ordered) link_use(to_, edge + n);
      }
    }
    if (!from_.ordered) link_all(records);
  }

  void link_all(tables::op_record* records) {
    for (std::size_t k = 0; k < request_.ops.size(); ++k) {
      const tables::op_record& r = records[k];
      for (std::uint32_t n = 0; n < r.operand_count; ++n) link_use(to_, r.first_operand + n);
    }
  }

  // The operands of consecutive ops that lie in one piece: the lists of their uses are the old ones, shifted, but
  // for what is outside. Nothing is looked up, and memory is gone through once, in order.
  // @returns false, with nothing done, where a list is not in the order of operands: edits leave such
  bool shift_operands(std::uint32_t first, tables::op_record* records) {
    const auto count = static_cast<std::uint32_t>(request_.ops.size());
    const auto operands = static_cast<std::uint32_t>(operands_.count);
    const std::uint32_t old_first = request_.ops.front(), old_edge = operands_.first;
    const std::uint32_t edge = to_.edges.size();
    const std::uint32_t op_shift = first - old_first, edge_shift = edge - old_edge;
    const auto give_up = [&] {
      to_.edges.truncate(edge);
      for (std::uint32_t k = 0; k < count; ++k) records[k].first_use = records[k].last_use = none;
      return false;
    };
    tables::edge* const edges = to_.edges.extend(operands);
    const tables::edge* const old = from_.edges.begin() + old_edge;
    std::size_t next_outside = 0;
    for (std::uint32_t k = 0; k < operands; ++k) {
      const tables::edge e = old[k];
      const std::uint32_t place = e.producer - old_first;
      if (place >= count) {
        const tensor_place becomes = outside_[next_outside++];
        edges[k] = {becomes.op, becomes.output, e.user + op_shift, none, none};
        continue;
      }
      // What was used inside after an outside use, or before a use that comes first, is out of order.
      if (e.prev_use != none && (!is_inside(e.prev_use) || e.prev_use > old_edge + k))
        return give_up();
      const bool last = !is_inside(e.next_use);
      if (last && e.next_use != none) records[place].last_use = edge + k;
      edges[k] = {e.producer + op_shift, e.output, e.user + op_shift,
                  last ? none : e.next_use + edge_shift,
                  e.prev_use == none ? none : e.prev_use + edge_shift};
    }
    if (next_outside == 0) return true;
    for (std::uint32_t k = 0; k < operands; ++k) {
      if (edges[k].producer - first >= count) link_use(to_, edge + k);
    }
    return true;
  }

  static constexpr std::size_t few_names = 4;
  struct control_place {
    std::uint32_t before, after;  // places in the region, or a dense index of `to`
    bool inside;
  };
  struct other_ordinal {
    std::size_t place;
    std::uint32_t ordinal;
  };
  struct own_list {
    std::uint32_t op, list;
  };
  struct extents_copy {
    std::uint32_t there = 0, count = 0;
  };
  struct met_extents {
    std::size_t total = 0;  // each as often as it is met
    std::uint32_t lowest = none, beyond = 0;
    void add(std::uint32_t first, std::uint32_t count) {
      if (count == 0) return;
      total += count;
      lowest = std::min(lowest, first);
      beyond = std::max(beyond, first + count);
    }
    void add(const met_extents& more) {
      total += more.total;
      lowest = std::min(lowest, more.lowest);
      beyond = std::max(beyond, more.beyond);
    }
  };
  // Operands or outputs of the ops. Those of an op that has none are somewhere, too: in one piece with the others
  // where they were added in a row.
  struct stretch {
    std::uint32_t first = 0;
    std::size_t count = 0;
    bool in_one_piece = true;
    void add(std::uint32_t next, std::uint32_t more) {
      in_one_piece &= next == first + count;
      count += more;
    }
  };

  const copy_request& request_;
  const tables& from_;
  tables& to_;
  const bool mapped_;  // texts and extents are the other graph's own
  place_map own_places_;
  const place_map* places_ = nullptr;
  bool cuts_inside_ = false;  // a tensor that counts as outside is of an op that is copied

  stretch operands_, outputs_;
  bool choose_names_ = false;
  std::vector<tensor_place> outside_;
  std::vector<other_ordinal>
      ordinals_;                    // of ops that are called otherwise than they were, in order
  std::vector<own_list> lists_;     // of ops whose copies have other lists than they, in order
  bool shifted_ = false;            // or all were copied in one piece,
  std::uint32_t list_shift_ = 0;    // which is this far off
  std::vector<std::size_t> asked_;  // places in lists_ of those the request is asked about
  std::vector<control_place> controls_;
  std::vector<marked_scope> marked_scopes_;
  index_map<scope_target> scopes_;
  std::vector<std::uint32_t> near_;  // texts by number, where the source has few
  std::uint32_t near_count_ = 0;
  index_map<std::uint32_t> strings_;  // else
  std::vector<std::uint32_t> files_;
  met_extents extents_;
  std::vector<std::uint32_t> integers_;  // attributes of the target that have some
  std::uint32_t extent_shift_ = 0;
  bool scattered_ = false;
  index_map<extents_copy> scattered_extents_;
};

}  // namespace

copied_ops append_copy(const copy_request& request) {
  if (request.from == nullptr || request.to == nullptr) refuse("no graph was given");
  if (request.ops.empty()) {
    const tables& to = request.to->data();
    return {to.ops.size(), 0, to.next_id, to.number};
  }
  return copier(request).run();
}

}  // namespace graft::detail
