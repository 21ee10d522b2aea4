#include "graft/surgery/substitute.hpp"

#include <algorithm>
#include <unordered_map>

#include "graph/building.hpp"
#include "graph/copy.hpp"
#include "surgery/index_set.hpp"
#include "surgery/region_data.hpp"

namespace graft::detail {
namespace {

struct key_state {
  tensor_id value;  // what replaces it; once settled, what replaces that
  bool used = false;
};

// One call. `tensor_id`s are of the one graph that everything is in.
class substituter {
 public:
  substituter(Graph& g, const substitute_options& options)
      : g_(g), t_(g.data()), options_(options) {}

  void add_key(tensor_id key, tensor_id value) {
    if (!keys_.emplace(key, key_state{value, false}).second) {
      throw boundary_error({"substitute replaces '" + g_.path_of(key) + "' twice",
                            "a tensor has one replacement", g_.path_of(key), "bind each key once"});
    }
    order_.push_back(key);
    retyped_ = retyped_ || !(g_.type_of(key) == g_.type_of(value));
  }

  void run(const std::vector<tensor_id>& targets) {
    find_affected(targets);
    const bool chained = options_.inside == replacements::chained;
    if (!chained && !retyped_) {
      copy(affected_.sorted());
    } else {
      sort_affected(targets);
      if (retyped_) infer_affected();
      copy_sorted(chained);
    }
    for (const tensor_id target : targets) {
      if (const auto key = keys_.find(target); key != keys_.end()) key->second.used = true;
    }
  }

  [[nodiscard]] tensor_id image(tensor_id t) const {
    if (const auto key = keys_.find(t); key != keys_.end()) return key->second.value;
    return copy_of(t);
  }

  [[nodiscard]] std::vector<tensor_id> unused_keys() const {
    std::vector<tensor_id> result;
    for (const tensor_id key : order_) {
      if (!keys_.at(key).used) result.push_back(key);
    }
    return result;
  }
  [[nodiscard]] const std::vector<op_id>& added() const { return added_; }

 private:
  // --- Which ops lie between keys and targets

  // Backwards from the targets to the keys, and forwards from the keys, by turns: when either comes
  // to its end, the other only has to look at what that one met.
  void find_affected(const std::vector<tensor_id>& targets) {
    index_set behind, ahead;
    std::vector<std::uint32_t> open_behind, open_ahead;
    std::unordered_map<tensor_id, bool> followed;  // keys whose replacements were looked at
    const auto need = [&](tensor_id wanted) {
      const tensor_id t = through_keys(wanted, followed);
      if (!t.valid()) return;
      const std::uint32_t producer = t_.index(t.op);
      if (behind.insert(producer)) open_behind.push_back(producer);
    };
    for (const tensor_id target : targets) need(target);

    // Uses are looked at one by one: a key may have many.
    std::size_t next_key = 0;
    std::uint32_t use = none, output = none;  // output: the only one whose uses count
    const auto look_at_use = [&] {
      while (use == none) {
        if (!open_ahead.empty()) {
          use = t_.ops[open_ahead.back()].first_use;
          open_ahead.pop_back();
          output = none;
        } else if (next_key < order_.size()) {
          use = t_.ops[t_.index(order_[next_key].op)].first_use;
          output = order_[next_key++].output;
        } else {
          return false;
        }
      }
      const Graph::tables::edge& e = t_.edges[use];
      use = e.next_use;
      if ((output == none || output == e.output) && ahead.insert(e.user))
        open_ahead.push_back(e.user);
      return true;
    };

    for (;;) {
      if (open_behind.empty()) {
        backwards_within(forwards_within(behind), targets);
        return;
      }
      const std::uint32_t op = open_behind.back();
      open_behind.pop_back();
      for_each_operand(op, [&](tensor_id operand) { need(operand); });
      for (std::uint32_t i = 0; i <= t_.ops[op].operand_count; ++i) {
        if (look_at_use()) continue;
        backwards_within(ahead, targets);
        return;
      }
    }
  }

  // Operands, and ops with effects that an op waits for (as their output 0).
  template <class F>
  void for_each_operand(std::uint32_t op, F&& f) const {
    for (const Graph::tables::edge& e : t_.operands_of(op)) f({t_.id(e.producer), e.output});
    for (std::uint32_t c = t_.ops[op].control_in; c != none; c = t_.controls[c].next_in) {
      const std::uint32_t before = t_.controls[c].before;
      if (t_.ops[before].schema->has(ops::effect)) f({t_.id(before), 0});
    }
  }

  // Where to go on behind a tensor: itself, or for a key, if replacements are chained, the tensor
  // at the end of the chain that starts there, once. An invalid id if there is nothing to do.
  tensor_id through_keys(tensor_id t, std::unordered_map<tensor_id, bool>& followed) const {
    for (auto key = keys_.find(t); key != keys_.end(); key = keys_.find(t)) {
      if (options_.inside != replacements::chained || !followed.emplace(t, true).second) return {};
      t = key->second.value;
    }
    return t;
  }

  // All that is behind the targets is known: what of it depends on a key?
  [[nodiscard]] index_set forwards_within(const index_set& behind) const {
    index_set ahead;
    const std::vector<std::uint32_t> ops = behind.sorted();
    const auto is_key = [this](const Graph::tables::edge& e) {
      return keys_.contains({t_.id(e.producer), e.output});
    };
    if (t_.ordered) {
      for (const std::uint32_t op : ops) {
        for (const Graph::tables::edge& e : t_.operands_of(op)) {
          if (!is_key(e) && !ahead.contains(e.producer)) continue;
          ahead.insert(op);
          break;
        }
      }
      return ahead;
    }
    std::vector<std::uint32_t> open;
    std::unordered_map<std::uint32_t, std::vector<std::uint32_t>> users;
    for (const std::uint32_t op : ops) {
      for (const Graph::tables::edge& e : t_.operands_of(op)) {
        if (is_key(e)) {
          if (ahead.insert(op)) open.push_back(op);
        } else if (behind.contains(e.producer)) {
          users[e.producer].push_back(op);
        }
      }
    }
    while (!open.empty()) {
      const auto found = users.find(open.back());
      open.pop_back();
      if (found == users.end()) continue;
      for (const std::uint32_t user : found->second) {
        if (ahead.insert(user)) open.push_back(user);
      }
    }
    return ahead;
  }

  // All that depends on a key is known: what of it is behind the targets? Each such op depends on
  // the last key of a path to it in a way that is behind the targets, too, so that all are
  // affected. An assertion that only an op waits for which does not change is not met: that op
  // waits for the original.
  void backwards_within(const index_set& ahead, const std::vector<tensor_id>& targets) {
    std::vector<std::uint32_t> open;
    std::unordered_map<tensor_id, bool> followed;
    const auto need = [&](tensor_id wanted) {
      const tensor_id t = through_keys(wanted, followed);
      if (!t.valid()) return;
      const std::uint32_t producer = t_.index(t.op);
      if (ahead.contains(producer) && affected_.insert(producer)) open.push_back(producer);
    };
    for (const tensor_id target : targets) need(target);
    while (!open.empty()) {
      const std::uint32_t op = open.back();
      open.pop_back();
      for_each_operand(op, need);
    }
  }

  // --- In which order

  // Ops and keys such that what a replacement is made of comes before the key, and the key before
  // its users.
  struct step {
    std::uint32_t op = none;
    tensor_id key;  // if op is none
  };

  void sort_affected(const std::vector<tensor_id>& targets) {
    enum : std::uint8_t { open = 1, closed = 2 };
    struct visit {
      step at;
      std::vector<step> needs;  // ops, or tensors
      std::size_t next = 0;
    };
    const bool chained = options_.inside == replacements::chained;
    std::unordered_map<std::uint32_t, std::uint8_t> ops;
    std::unordered_map<tensor_id, std::uint8_t> keys;
    std::vector<visit> path;
    const auto enter_op = [&](std::uint32_t op) {
      if (!affected_.contains(op)) return;
      std::uint8_t& state = ops[op];
      if (state == open) refuse_circle(path, {});
      if (state == closed) return;
      state = open;
      visit v{{op, {}}, {}, 0};
      for_each_operand(op, [&](tensor_id operand) { v.needs.push_back({none, operand}); });
      // A copy waits for the copy of what the op waits for, which must be there then.
      for (std::uint32_t c = t_.ops[op].control_in; c != none; c = t_.controls[c].next_in) {
        v.needs.push_back({t_.controls[c].before, {}});
      }
      path.push_back(std::move(v));
    };
    const auto enter = [&](tensor_id t) {
      const auto key = keys_.find(t);
      if (key == keys_.end()) return enter_op(t_.index(t.op));
      if (!chained) return;
      std::uint8_t& state = keys[t];
      if (state == open) refuse_circle(path, t);
      if (state == closed) return;
      state = open;
      path.push_back({{none, t}, {{none, key->second.value}}, 0});
    };
    for (const tensor_id target : targets) {
      enter(target);
      while (!path.empty()) {
        visit& last = path.back();
        if (last.next < last.needs.size()) {
          const step need = last.needs[last.next++];
          need.op != none ? enter_op(need.op) : enter(need.key);
          continue;
        }
        sorted_.push_back(last.at);
        if (last.at.op != none) {
          ops[last.at.op] = closed;
        } else {
          keys[last.at.key] = closed;
        }
        path.pop_back();
      }
    }
  }

  template <class Path>
  [[noreturn]] void refuse_circle(const Path& path, tensor_id again) const {
    std::string circle;
    for (const auto& v : path) {
      if (v.at.op == none) circle += "'" + g_.path_of(v.at.key) + "', ";
    }
    if (circle.size() > 2) circle.resize(circle.size() - 2);
    throw graph_error({"substitute was asked to chain the replacements of " + circle,
                       again.valid() ? "the replacement of '" + g_.path_of(again) +
                                           "' depends on what it replaces"
                                     : "a replacement depends on what it replaces",
                       again.valid() ? g_.path_of(again) : "",
                       "use replacements::as_given, where replacements depend on the original"});
  }

  // --- Types, with the names that the user knows

  void infer_affected() {
    std::unordered_map<tensor_id, value_type> types;
    const bool chained = options_.inside == replacements::chained;
    const auto type_of = [&](tensor_id t) {
      if (const auto found = types.find(t); found != types.end()) return found->second;
      const auto key = keys_.find(t);
      return g_.type_of(key == keys_.end() ? t : key->second.value);
    };
    for (const step& s : sorted_) {
      if (s.op == none) {
        if (!chained) continue;
        const tensor_id value = keys_.at(s.key).value;
        types.emplace(s.key, type_of(value));
        continue;
      }
      const Graph::tables::op_record& r = t_.ops[s.op];
      const attribute_list attributes = t_.attributes_of(r);
      small_vector<value_type, 4> operands;
      for (const Graph::tables::edge& e : t_.operands_of(s.op)) {
        operands.push_back(type_of({t_.id(e.producer), e.output}));
      }
      const op_in_words words{*r.schema, path_of_op(t_, s.op), g_.line_of(t_.id(s.op))};
      inferred answer = infer(*r.schema, {operands, attributes});
      if (answer.error) refuse_operands(words, operands, answer.error, attributes);
      if (r.schema->has(ops::update) || has_references(attributes))
        check_op(t_, words, attributes, operands, answer);
      for (std::uint32_t o = 0; o < answer.outputs.size(); ++o) {
        types.insert_or_assign(tensor_id{t_.id(s.op), o}, answer.outputs[o]);
      }
      // A key is what replaces it, whatever its op gives now.
      for (std::uint32_t o = 0; o < answer.outputs.size(); ++o) {
        const tensor_id t{t_.id(s.op), o};
        if (const auto key = keys_.find(t); key != keys_.end()) {
          types.insert_or_assign(t, type_of(key->second.value));
        }
      }
    }
  }

  // --- Copies

  void copy_sorted(bool chained) {
    std::vector<std::uint32_t> batch;
    const auto flush = [&] {
      if (batch.empty()) return;
      std::sort(batch.begin(), batch.end());
      copy(std::exchange(batch, {}));
    };
    for (const step& s : sorted_) {
      if (s.op != none) {
        batch.push_back(s.op);
        continue;
      }
      if (!chained) continue;
      flush();
      key_state& key = keys_.at(s.key);
      if (const auto other = keys_.find(key.value); other != keys_.end()) other->second.used = true;
      key.value = image(key.value);
    }
    flush();
  }

  void copy(std::vector<std::uint32_t> ops) {
    if (ops.empty()) return;
    std::vector<tensor_id> cut;
    for (const tensor_id key : order_) {
      if (std::binary_search(ops.begin(), ops.end(), t_.index(key.op))) cut.push_back(key);
    }
    std::sort(cut.begin(), cut.end());
    copy_request request;
    request.from = request.to = &g_;
    request.ops = ops;
    request.cut = cut;
    const auto outside = [this](tensor_id t) {
      const auto key = keys_.find(t);
      if (key == keys_.end()) return copy_of(t);
      key->second.used = true;
      return key->second.value;
    };
    request.outside = outside;
    const auto scope = [](scope_id s) { return s; };
    request.scope = scope;
    const auto control = [this](op_id before, op_id) { return copy_of(tensor_id{before, 0}).op; };
    request.control_outside = control;
    request.infer_again = retyped_;
    const copied_ops made = append_copy(request);
    for (std::uint32_t i = 0; i < made.count; ++i) added_.push_back(made.id(i));
    if (options_.inside == replacements::chained) {
      for (std::uint32_t i = 0; i < made.count; ++i) copies_.emplace(ops[i], made.id(i));
    } else {  // the only batch
      places_ = place_map(ops);
      first_id_ = made.first_id;
    }
  }

  [[nodiscard]] tensor_id copy_of(tensor_id t) const {
    if (const std::uint32_t place = places_.find(t_.index(t.op)); place != place_map::none) {
      return {t_.op(first_id_ + place), t.output};
    }
    const auto found = copies_.find(t_.index(t.op));
    return found == copies_.end() ? t : tensor_id{found->second, t.output};
  }

  Graph& g_;
  Graph::tables& t_;
  const substitute_options& options_;
  std::unordered_map<tensor_id, key_state> keys_;
  std::vector<tensor_id> order_;  // of keys, as given
  bool retyped_ = false;
  index_set affected_;
  std::vector<step> sorted_;
  place_map places_;  // of a single batch
  std::uint32_t first_id_ = 0;
  std::unordered_map<std::uint32_t, op_id> copies_;  // of several, by dense index
  std::vector<op_id> added_;
};

void refuse_unused(const Graph& g, const std::vector<tensor_id>& unused_keys) {
  constexpr std::size_t most = 8;
  std::string list;
  for (std::size_t i = 0; i < unused_keys.size() && i < most; ++i) {
    list += (i == 0 ? "'" : ", '") + g.path_of(unused_keys[i]) + "'";
  }
  if (unused_keys.size() > most)
    list += ", ... (" + std::to_string(unused_keys.size()) + " in all)";
  throw boundary_error(
      {"substitute was asked to replace " + list,
       "no target depends on " + std::string(unused_keys.size() == 1 ? "it" : "them") +
           ", or only through other keys",
       g.path_of(unused_keys.front()), "leave out what has no effect, or pass unused::allow"});
}

}  // namespace

Graph* graph_of(const std::vector<substitution_target>& targets, const bindings& keys) {
  const graph_reference* first = !targets.empty()      ? &targets.front().tensor
                                 : !keys.pairs.empty() ? &keys.pairs.front().first
                                                       : nullptr;
  if (first == nullptr) return nullptr;
  return &graph_behind(first->slot, first->generation, "a tensor");
}

substitution_answer substitute_all(const std::vector<substitution_target>& targets,
                                   const bindings& keys, const substitute_options& options) {
  Graph* const g = graph_of(targets, keys);
  if (g == nullptr) return {};
  std::vector<tensor_id> wanted;
  for (const substitution_target& target : targets) wanted.push_back(g->id(target.tensor));
  substituter job(*g, options);
  for (const auto& [key, value] : keys.pairs) job.add_key(g->id(key), id_for_use(*g, value));

  steps all(g->data());  // ids may be given again after a failure: nobody has seen them
  job.run(wanted);
  substitution_answer answer;
  for (const tensor_id key : job.unused_keys()) answer.unused.push_back(g->handle(key));
  if (options.keys == unused::error && !answer.unused.empty()) refuse_unused(*g, job.unused_keys());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const tensor_id image = job.image(wanted[i]);
    const any_tensor result = image == wanted[i] ? any_tensor(targets[i].tensor) : g->handle(image);
    const value_type& type = targets[i].wanted;
    if (type.type != dtype::any || type.ranked) check_as(result, type);
    answer.targets.push_back(result.ref());
  }
  answer.added = job.added();
  all.commit();
  return answer;
}

}  // namespace graft::detail
