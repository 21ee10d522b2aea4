#include "graft/surgery/rewrite.hpp"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "graft/ops/sources.hpp"

#include "graph/body_edit.hpp"
#include "graph/building.hpp"
#include "graph/callback_scope.hpp"
#include "graph/foreign_ids.hpp"
#include "graph/inside_scope.hpp"
#include "surgery/body_owner.hpp"
#include "surgery/pattern_search.hpp"
#include "surgery/region_data.hpp"

namespace graft {
namespace {

using detail::body_owner;
using detail::none;
using detail::search_space;

// As Graph::set_operand, for a value of which it is known that it does not depend on the user.
void redirect_use(Graph& g, op_id user, std::uint32_t slot, tensor_id value) {
  Graph::tables& t = g.data();
  const std::uint32_t at = t.index(user), producer = t.index(value.op);
  detail::stamp(t, at);
  const std::uint32_t e = t.ops[at].first_operand + slot;
  const Graph::tables::edge old = t.edges[e];
  detail::note(t, [e, old](Graph::tables& u) {
    detail::unlink_use(u, e);
    u.edges[e] = old;
    Graph::tables::op_record& p = u.ops[old.producer];
    (old.prev_use != none ? u.edges[old.prev_use].next_use : p.first_use) = e;
    (old.next_use != none ? u.edges[old.next_use].prev_use : p.last_use) = e;
  });
  detail::unlink_use(t, e);
  t.edges[e].producer = producer;
  t.edges[e].output = value.output;
  detail::link_use(t, e);
  if (producer > at) t.ordered = false;
}

// The ops of a graph, and how many of them are in its bodies, each body counted once.
std::size_t count_ops(const Graph& outermost, bool within) {
  std::size_t count = 0;
  std::unordered_set<const Graph*> met{&outermost};
  std::vector<const Graph*> open{&outermost};
  while (!open.empty()) {
    const Graph& g = *open.back();
    open.pop_back();
    count += g.op_count();
    if (!within) break;
    for (const std::shared_ptr<const Graph>& body : g.data().bodies) {
      if (body != nullptr && met.insert(body.get()).second) open.push_back(body.get());
    }
  }
  return count;
}

// One call of rewrite(): the rules, and what was done so far.
struct rewriting {
  rewriting(const Graph& g, const std::vector<rewrite_rule>& all, const rewrite_options& chosen)
      : rules(all), options(chosen) {
    if (options.replacements == 0) {
      options.replacements = 16 * count_ops(g, options.nested == bodies::enter) + 1024;
    }
    for (const rewrite_rule& r : rules) {
      if (!r.replace) {
        throw argument_error({"a graph was to be rewritten by '" + r.name + "'",
                              "the rule has no right side", "", "give it a function"});
      }
      done.by_rule.emplace_back(r.name, 0);
    }
  }

  // What a body became. It is held, so that no other body comes to its address.
  struct treated_body {
    std::shared_ptr<const Graph> body;
    detail::other_body by;
  };

  const std::vector<rewrite_rule>& rules;
  rewrite_options options;
  rewritten done;
  std::size_t last_rule = 0;
  // Where bodies take more than they did, by the graph around them, too.
  std::map<std::pair<const Graph*, const Graph*>, treated_body> treated;
};

// One graph, or one body, which is open: its inputs and results stay what they are.
class rewriter {
 public:
  rewriter(rewriting& all, Graph& g, const Region* region, const body_owner* in = nullptr)
      : all_(all),
        g_(g),
        in_(in),
        rules_(all.rules),
        options_(all.options),
        first_new_(g.op_id_bound()),
        done_(all.done) {
    if (region != nullptr) region_ = given_ = *region;
  }

  // @returns the number of passes
  std::size_t run() {
    for (std::size_t pass = 1;; ++pass) {
      if (pass > options_.passes) {
        refuse_limit("after " + std::to_string(options_.passes) + " passes it still applied");
      }
      const std::size_t before = done_.replacements;
      for (std::size_t i = 0; i < rules_.size(); ++i) turn(i);
      if (options_.nested == bodies::enter) enter_bodies();
      if (done_.replacements == before) return pass;
      remove_dead();
    }
  }

  void finish_images() {
    for (const auto& [root, value] : images_) {
      if (root.op.value < first_new_) done_.images.emplace(root, image_of(value));
    }
  }

 private:
  [[noreturn]] void refuse_limit(const std::string& found) const {
    const std::string name = rules_.empty() ? std::string() : rules_[all_.last_rule].name;
    throw graph_error({"a graph was to be rewritten by the rule '" + name + "'", found, "",
                       "let a rule make something that no rule matches, or raise the limit"});
  }
  // "'net/neg' was to be replaced by the rule 'r'"
  [[nodiscard]] std::string asked(tensor_id root, std::size_t rule) const {
    return detail::place_in_words(g_.path_of(root), in_) + " was to be replaced by the rule '" +
           rules_[rule].name + "'";
  }

  // The bodies of the ops that are there, each rewritten until no rule matches in it.
  void enter_bodies() {
    if (g_.data().bodies.empty()) return;
    if (region_) refresh_region();
    std::vector<op_id> owners;
    for (std::size_t i = 0; i < g_.op_count(); ++i) {
      const op_id op = g_.op_at(i);
      if (!g_.schema_of(op).has(ops::bodies) || dead_.count(op) != 0) continue;
      if (!region_ || region_->contains(op)) owners.push_back(op);
    }
    for (const op_id op : owners) {
      bool changed = false;
      const attribute_list attributes = g_.attributes_of(op);
      for (const attribute& a : attributes) {
        if (a.kind == attribute_kind::body) changed = enter_body(op, a) || changed;
      }
      if (changed) detail::infer_downstream(g_.data(), {g_.data().index(op)});
    }
  }

  bool enter_body(op_id op, const attribute& a) {
    const std::shared_ptr<const Graph> body = g_.data().bodies[static_cast<std::size_t>(a.integer)];
    auto known = all_.treated.find({body.get(), nullptr});
    if (known == all_.treated.end()) known = all_.treated.find({body.get(), &g_});
    if (known == all_.treated.end()) {
      detail::other_body by = rewritten_body(body, {g_, op, a.key, in_});
      // What came out is done with, where it is met again.
      all_.treated.insert_or_assign({by.body.get(), nullptr},
                                    rewriting::treated_body{by.body, {by.body, {}}});
      const Graph* const frame = by.captures.empty() ? nullptr : &g_;
      known =
          all_.treated
              .insert_or_assign({body.get(), frame}, rewriting::treated_body{body, std::move(by)})
              .first;
    }
    if (known->second.by.body == body) return false;
    (void)detail::replace_body(g_, op, a.key, known->second.by);
    return true;
  }

  detail::other_body rewritten_body(const std::shared_ptr<const Graph>& body,
                                    const body_owner& owner) {
    if (!may_match(*body)) return {body, {}};
    const std::size_t before = done_.replacements;
    const detail::inside_scope around(g_, g_.scope_of(owner.op));
    detail::body_copy copy(g_, body);
    (void)rewriter(all_, copy.graph(), nullptr, &owner).run();
    if (done_.replacements == before) return {body, {}};
    return copy.close();
  }

  // Whether a rule matches anything in a body or in those within.
  [[nodiscard]] bool may_match(const Graph& outermost) const {
    std::unordered_set<const Graph*> met{&outermost};
    std::vector<const Graph*> open{&outermost};
    while (!open.empty()) {
      const Graph& body = *open.back();
      open.pop_back();
      for (const rewrite_rule& r : rules_) {
        if (!find_matches(body, r.find).empty()) return true;
      }
      for (const std::shared_ptr<const Graph>& inner : body.data().bodies) {
        if (inner != nullptr && met.insert(inner.get()).second) open.push_back(inner.get());
      }
    }
    return false;
  }

  void turn(std::size_t i) {
    if (region_) refresh_region();
    const search_space space(g_, region_ ? &*region_ : nullptr);
    const std::vector<pattern_match> found =
        region_ ? find_matches(*region_, rules_[i].find) : find_matches(g_, rules_[i].find);
    for (const pattern_match& candidate : found) {
      if (images_.count(candidate.root) != 0 || dead_.count(candidate.root.op) != 0) continue;
      if (!g_.contains(candidate.root.op)) continue;  // a rule removed it
      const auto match = detail::match_at(space, rules_[i].find, candidate.root);
      if (match && may_go(*match)) apply(i, *match);
    }
  }

  void refresh_region() {
    if (!region_->stale() && outputs_fresh_) return;
    std::vector<tensor_id> outputs;
    for (const tensor_id t : given_->outputs()) outputs.push_back(image_of(t));
    // By the cuts it was given with, as one that nothing needs for a while may be needed again.
    region_ = detail::cut_again(g_, *given_->data(), given_->inputs(), outputs, given_->kept());
    outputs_fresh_ = true;
  }

  [[nodiscard]] bool may_go(const pattern_match& match) const {
    return std::all_of(match.ops.begin(), match.ops.end(), [&](op_id op) {
      const operator_schema& schema = g_.schema_of(op);
      const Graph::tables& t = g_.data();
      const Graph::tables::op_record& r = t.ops[t.index(op)];
      return !schema.has(ops::update) && !schema.has(ops::effect) && r.control_in == none &&
             r.control_out == none;
    });
  }

  void apply(std::size_t i, const pattern_match& match) {
    all_.last_rule = i;
    const tensor_id root = match.root;
    const std::uint32_t first_made = g_.op_id_bound();
    Graph::transaction building(g_);  // a rule may decline after it has built something
    const std::optional<any_tensor> made = ask(i, match);
    if (!made) return;
    const tensor_id value = image_of(g_.id(*made));
    if (value == root) return;
    building.commit();
    check_fits(i, root, value);
    if (++done_.replacements > options_.replacements) {
      refuse_limit("after " + std::to_string(options_.replacements) +
                   " replacements it still applied");
    }
    ++done_.by_rule[i].second;
    redirect(i, match, value, first_made);
    images_.emplace(root, value);
    outputs_fresh_ = false;
    candidates_.insert(candidates_.end(), match.ops.begin(), match.ops.end());
  }

  [[nodiscard]] std::optional<any_tensor> ask(std::size_t i, const pattern_match& match) {
    const detail::callback_scope inside(g_, g_.scope_of(match.root.op));
    std::optional<any_tensor> made = rules_[i].replace({g_, match});
    if (!made) return made;  // what it did is taken back
    if (!g_.contains(match.root.op)) {
      throw graph_error({"a tensor was to be replaced by the rule '" + rules_[i].name + "'",
                         "the rule removed it", "",
                         "leave that to rewrite(): what nothing takes any more is removed after a "
                         "pass"});
    }
    inside.check([&] { return std::pair(asked(match.root, i), g_.path_of(match.root)); });
    return made;
  }

  void check_fits(std::size_t i, tensor_id root, tensor_id value) const {
    const value_type was = g_.type_of(root), is = g_.type_of(value);
    const auto parts = [&] {
      return error_parts{asked(root, i),
                         "it is " + to_string(was) + ", the replacement '" + g_.path_of(value) +
                             "' is " + to_string(is),
                         g_.path_of(root), "make a tensor of the same type and shape"};
    };
    if (was.type != is.type) throw dtype_error(parts());
    if (!was.ranked || !is.ranked) return;
    bool fits = was.shape.size() == is.shape.size();
    for (std::size_t k = 0; fits && k < was.shape.size(); ++k) {
      fits = !surely_differ(was.shape[k], is.shape[k]);
    }
    if (!fits) throw shape_error(parts());
  }

  // True where a replacement is made of the match's own tensors and new ops only: then it cannot
  // depend on what takes the root.
  bool made_of_match(const pattern_match& match, tensor_id value, std::uint32_t first_made) const {
    const auto known = [&](tensor_id t) {
      if (t.op.value >= first_made) return true;  // what it needs is looked at below
      if (std::binary_search(match.ops.begin(), match.ops.end(), t.op)) return true;
      if (needs_nothing(t.op)) return true;
      return std::any_of(match.captures.begin(), match.captures.end(),
                         [&](const auto& c) { return c.second.op == t.op; });
    };
    if (!known(value)) return false;
    for (std::uint32_t id = first_made; id < g_.op_id_bound(); ++id) {
      const op_id op = g_.data().op(id);
      if (!g_.contains(op)) continue;
      for (const tensor_id operand : g_.operands(op)) {
        if (!known(operand)) return false;
      }
      if (!g_.control_predecessors(op).empty()) return false;
      if (detail::is_operator(g_.schema_of(op), ops::variable) &&
          !known(g_.variable_of(*g_.variable_read_by({op, 0})).initial)) {
        return false;
      }
    }
    return true;
  }
  [[nodiscard]] bool needs_nothing(op_id op) const {
    const Graph::tables& t = g_.data();
    return g_.operand_count(op) == 0 && t.ops[t.index(op)].control_in == none &&
           !detail::is_operator(g_.schema_of(op), ops::variable);
  }

  void redirect(std::size_t i, const pattern_match& match, tensor_id value,
                std::uint32_t first_made) {
    const tensor_id root = match.root;
    std::vector<operand_change> changes;
    for (const Graph::use& u : g_.uses(root)) {
      // A replacement may take the root itself.
      if (u.user.value < first_made) changes.push_back({u.user, u.slot, value});
    }
    const bool safe = made_of_match(match, value, first_made);
    if (safe) {
      std::vector<std::uint32_t> changed;
      for (const operand_change& c : changes) {
        redirect_use(g_, c.user, c.slot, value);
        changed.push_back(g_.data().index(c.user));
      }
      if (!changed.empty()) detail::infer_downstream(g_.data(), std::move(changed));
    } else {
      try {
        g_.set_operands(changes);
      } catch (const graph_error& e) {
        refuse_cycle(i, root, e.parts().found);
      }
    }
    redirect_variables(i, root, value, safe);
    detail::replace_members(g_.data(), root, value);
    detail::touch(g_.data());
  }

  [[noreturn]] void refuse_cycle(std::size_t i, tensor_id root, const std::string& found) const {
    throw graph_error({asked(root, i), found, g_.path_of(root),
                       "make the replacement of tensors that the match captured"});
  }

  void redirect_variables(std::size_t i, tensor_id root, tensor_id value, bool safe) {
    Graph::tables& t = g_.data();
    for (; variables_seen_ < t.variables.size(); ++variables_seen_) {  // rules may make some
      const variable_info& v = t.variables[variables_seen_];
      if (v.id.valid()) initial_of_[v.initial].push_back(v.id);
    }
    const auto found = initial_of_.find(root);
    if (found == initial_of_.end()) return;
    const std::vector<variable_id> moved = std::move(found->second);
    initial_of_.erase(found);
    for (const variable_id id : moved) {
      if (!g_.contains(id) || t.variables[id.value].initial != root) continue;
      const std::uint32_t read = t.index(t.variables[id.value].read.op);
      if (!safe && detail::reaches(t, read, t.index(value.op))) {
        refuse_cycle(i, root,
                     "variable '" + g_.path_of(id) + "' would start with '" + g_.path_of(value) +
                         "', which depends on that variable");
      }
      detail::note(t, [id, root](Graph::tables& u) { u.variables[id.value].initial = root; });
      t.variables[id.value].initial = value;
      if (t.index(value.op) > read) t.ordered = false;
      detail::stamp(t, read);
      initial_of_[value].push_back(id);
    }
  }

  [[nodiscard]] tensor_id image_of(tensor_id t) const {
    for (auto found = images_.find(t); found != images_.end(); found = images_.find(t)) {
      t = found->second;
    }
    return t;
  }

  // Ops of matches that nothing takes any more, and the numbers they took.
  void remove_dead() {
    std::unordered_set<op_id> needed;
    for (const auto& [root, value] : images_) needed.insert(image_of(value).op);
    if (given_) {
      for (const tensor_id t : given_->data()->cuts) needed.insert(t.op);
      for (const tensor_id t : given_->outputs()) needed.insert(image_of(t).op);
    }
    for (const variable_id v : g_.variables()) needed.insert(g_.variable_of(v).initial.op);
    for (const auto& c : g_.data().collections) {
      for (const member& m : c.members) {
        if (m.what != member::kind::variable) needed.insert(m.tensor.op);
      }
    }
    std::unordered_set<op_id> gone;
    const auto is_dead = [&](op_id op) {
      if (!g_.contains(op) || needed.count(op) != 0 || gone.count(op) != 0) return false;
      if (g_.schema_of(op).has(ops::source)) return false;
      const Graph::tables& t = g_.data();
      const Graph::tables::op_record& r = t.ops[t.index(op)];
      if (r.control_in != none || r.control_out != none) return false;
      bool used = false;
      g_.for_each_use(
          op, [&](const Graph::use& u, std::uint32_t) { used = used || gone.count(u.user) == 0; });
      return !used;
    };
    std::sort(candidates_.begin(), candidates_.end());
    candidates_.erase(std::unique(candidates_.begin(), candidates_.end()), candidates_.end());
    const std::unordered_set<op_id> matched(candidates_.begin(), candidates_.end());
    std::vector<op_id> open = candidates_;
    while (!open.empty()) {
      const op_id op = open.back();
      open.pop_back();
      if (!is_dead(op)) continue;
      gone.insert(op);
      for (const tensor_id t : g_.operands(op)) {
        if (matched.count(t.op) != 0 || is_plain_number(t.op)) open.push_back(t.op);
      }
    }
    std::erase_if(candidates_, [&](op_id op) { return gone.count(op) != 0; });
    if (options_.keep_dead) {
      dead_.insert(gone.begin(), gone.end());
      return;
    }
    std::vector<op_id> erase(gone.begin(), gone.end());
    std::sort(erase.begin(), erase.end());
    for (const op_id op : erase) done_.removed += op.value < first_new_;
    if (!erase.empty()) g_.erase_ops(erase);
  }

  [[nodiscard]] bool is_plain_number(op_id op) const {
    const operator_schema& schema = g_.schema_of(op);
    return detail::is_operator(schema, ops::scalar) || detail::is_operator(schema, ops::fill) ||
           detail::is_operator(schema, ops::constant);
  }

  rewriting& all_;
  Graph& g_;
  const body_owner* in_;                  // of a body
  std::optional<Region> given_, region_;  // as it was given, and as it is now
  bool outputs_fresh_ = true;
  const std::vector<rewrite_rule>& rules_;
  const rewrite_options& options_;
  std::uint32_t first_new_;
  std::unordered_map<tensor_id, tensor_id> images_;
  std::unordered_map<tensor_id, std::vector<variable_id>> initial_of_;  // whose initial value it is
  std::size_t variables_seen_ = 0;
  std::unordered_set<op_id> dead_;
  std::vector<op_id> candidates_;
  rewritten& done_;
};

rewritten rewrite_all(Graph& g, const Region* region, const std::vector<rewrite_rule>& rules,
                      const rewrite_options& options) {
  rewriting all(g, rules, options);
  all.done.graph = g.number();
  Graph::transaction undo(g);
  rewriter whole(all, g, region);
  all.done.passes = whole.run();
  whole.finish_images();
  undo.commit();
  return std::move(all.done);
}

}  // namespace

void rewritten::require_own(op_id op) const {
  if (op.may_be_of(graph) || graph == 0) return;
  detail::refuse_foreign("rewriting was asked what stands for " + detail::in_words(op));
}
void rewritten::require_own(variable_id v) const {
  if (v.may_be_of(graph) || graph == 0) return;
  detail::refuse_foreign("rewriting was asked what stands for " + detail::in_words(v));
}

rewritten rewrite(Graph& graph, const std::vector<rewrite_rule>& rules,
                  const rewrite_options& options) {
  return rewrite_all(graph, nullptr, rules, options);
}
rewritten rewrite(const Region& region, const std::vector<rewrite_rule>& rules,
                  const rewrite_options& options) {
  Graph& g = detail::require_current(*region.data());
  return rewrite_all(g, &region, rules, options);
}

rewritten simplify(Graph& graph, const rewrite_options& options) {
  return rewrite(graph, simplification_rules(), options);
}
rewritten simplify(const Region& region, const rewrite_options& options) {
  return rewrite(region, simplification_rules(), options);
}

}  // namespace graft
