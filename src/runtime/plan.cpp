#include "runtime/plan.hpp"

#include <algorithm>
#include <unordered_set>

#include "runtime/arena.hpp"
#include "runtime/fusion.hpp"

namespace graft::detail {
namespace {

bool is_named(const operator_schema& schema, std::string_view name) { return schema.name == name; }

bool reads_shape_only(const operator_schema& schema, std::uint32_t operand) {
  return (operand == 0 && schema.has(ops::shape_of_first)) || (operand == 1 && schema.has(ops::shape_of_second));
}

// Makes one plan; each member function is one pass.
class planner {
 public:
  planner(const Graph& g, const call_signature& call) : g_(g), call_(call) {}

  plan make() {
    for (std::size_t i = 0; i < call_.feeds.size(); ++i) fed_.emplace(call_.feeds[i], i);
    order_ops();
    mark_needed();
    infer_types();
    make_steps();
    make_commits();
    fuse_elementwise(p_, kept(), [this](std::uint32_t s) { return root(s); });
    order_updates();
    place_values();
    return std::move(p_);
  }

 private:
  // --- which ops, in which order -----------------------------------------------------------------

  // All ops whose value or shape is needed, producers first.
  void order_ops() {
    struct frame {
      op_id op;
      std::uint32_t next;
    };
    std::vector<frame> path;
    const auto visit = [&](op_id start) {
      if (!place_.emplace(start, no_id).second) return;
      path.push_back({start, 0});
      while (!path.empty()) {
        frame& top = path.back();
        if (top.next < g_.operand_count(top.op)) {
          const tensor_id operand = g_.operand(top.op, top.next++);
          if (!fed_.contains(operand) && place_.emplace(operand.op, no_id).second) path.push_back({operand.op, 0});
          continue;
        }
        const std::vector<op_id> before = g_.control_predecessors(top.op);
        const std::uint32_t extra = top.next - g_.operand_count(top.op);
        if (extra < before.size()) {
          ++top.next;
          if (place_.emplace(before[extra], no_id).second) path.push_back({before[extra], 0});
          continue;
        }
        place_[top.op] = static_cast<std::uint32_t>(order_.size());
        order_.push_back(top.op);
        path.pop_back();
      }
    };
    for (const tensor_id t : call_.fetches) {
      if (!fed_.contains(t)) visit(t.op);
    }
    for (const op_id op : call_.updates) visit(op);
  }

  // Ops that only a shape is wanted of are not run.
  void mark_needed() {
    needed_.assign(order_.size(), false);
    const auto need = [&](tensor_id t) {
      if (!fed_.contains(t)) needed_[place_.at(t.op)] = true;
      else used_feeds_.insert(t);
    };
    for (const tensor_id t : call_.fetches) need(t);
    for (const op_id op : call_.updates) needed_[place_.at(op)] = true;
    for (std::size_t i = order_.size(); i-- > 0;) {
      const operator_schema& schema = g_.schema_of(order_[i]);
      for (std::uint32_t k = 0; k < g_.operand_count(order_[i]); ++k) {
        const tensor_id operand = g_.operand(order_[i], k);
        if (fed_.contains(operand)) used_feeds_.insert(operand);
        if (needed_[i] && !reads_shape_only(schema, k)) need(operand);
      }
      if (!needed_[i]) continue;
      for (const op_id before : g_.control_predecessors(order_[i])) needed_[place_.at(before)] = true;
    }
    for (const tensor_id t : call_.feeds) {
      if (used_feeds_.contains(t)) continue;
      throw feed_error({"'" + g_.path_of(t) + "' was fed", "nothing that was asked for needs it", g_.path_of(t),
                        "leave the feed out, or feed the tensor that the fetched network reads"});
    }
  }

  // --- shapes ---------------------------------------------------------------------------------------

  void infer_types() {
    for (std::size_t i = 0; i < call_.feeds.size(); ++i) types_[call_.feeds[i]] = call_.feed_types[i];
    for (std::size_t i = 0; i < order_.size(); ++i) {
      const op_id op = order_[i];
      const operator_schema& schema = g_.schema_of(op);
      if (is_named(schema, "placeholder")) {
        infer_placeholder(op, needed_[i]);
        continue;
      }
      small_vector<value_type, 3> operands;
      for (const tensor_id t : g_.operands(op)) operands.push_back(types_.at(t));
      const inferred answer = infer(schema, {operands, g_.attributes_of(op)});
      if (answer.error) refuse(op, answer.error);
      for (std::uint32_t o = 0; o < answer.outputs.size(); ++o) {
        if (types_.contains({op, o})) continue;  // fed
        const value_type& type = answer.outputs[o];
        if (needed_[i] && (!type.ranked || !all_known(type.shape) || type.type == dtype::any)) {
          throw unsupported_error({"'" + g_.path_of(op) + "' was to be run",
                                   "its output is " + to_string(type) + ", which the feeds do not settle",
                                   g_.path_of(op), "feed tensors whose shapes determine it"});
        }
        types_[{op, o}] = type;
      }
    }
  }

  void infer_placeholder(op_id op, bool value_needed) {
    const tensor_id t{op, 0};
    if (types_.contains(t)) return;
    const value_type type = g_.type_of(t);
    if (!value_needed && type.ranked && all_known(type.shape)) {
      types_[t] = type;
      return;
    }
    std::string users;
    for (const Graph::use& use : g_.uses(t)) {
      if (place_.contains(use.user)) {
        users = ", which '" + g_.path_of(use.user) + "' reads";
        break;
      }
    }
    throw feed_error({"placeholder '" + g_.path_of(op) + "' is needed" + users, "it was not fed", g_.path_of(op),
                      "pass feed(" + g_.name_of(op) + ", value) with " + to_string(type)});
  }

  [[noreturn]] void refuse(op_id op, const problem& p) const {
    std::string operands;
    for (const tensor_id t : g_.operands(op)) {
      operands += (operands.empty() ? "" : ", ") + to_string(types_.at(t));
    }
    const source_line line = g_.line_of(op);
    const std::string where =
        g_.path_of(op) + (line.line > 0 ? std::string(", declared at ") + line.file + ":" + std::to_string(line.line) : "");
    error_parts parts{"'" + g_.path_of(op) + "' cannot take " + operands, p.clause, where,
                      *p.hint != '\0' ? p.hint : "check the shapes of the feeds"};
    if (p.about_type) throw dtype_error(std::move(parts));
    throw shape_error(std::move(parts));
  }

  // --- steps -----------------------------------------------------------------------------------------

  tensor_info info_of(const value_type& type) const { return {type.type, type.shape, element_count(type.shape)}; }

  std::uint32_t new_slot(slot s) {
    p_.slots.push_back(std::move(s));
    return static_cast<std::uint32_t>(p_.slots.size() - 1);
  }

  // The slot of a tensor that has been made.
  std::uint32_t slot_of(tensor_id t) {
    const auto known = slots_.find(t);
    if (known != slots_.end()) return known->second;
    const std::size_t feed = fed_.at(t);
    return slots_[t] = new_slot({place::feed, feed, info_of(types_.at(t))});
  }

  void make_steps() {
    std::unordered_set<tensor_id> wanted(call_.fetches.begin(), call_.fetches.end());
    for (std::size_t i = 0; i < order_.size(); ++i) {
      if (!needed_[i]) continue;
      const operator_schema& schema = g_.schema_of(order_[i]);
      for (std::uint32_t k = 0; k < g_.operand_count(order_[i]); ++k) {
        if (!reads_shape_only(schema, k)) wanted.insert(g_.operand(order_[i], k));
      }
    }
    for (std::size_t i = 0; i < order_.size(); ++i) {
      if (needed_[i]) make_step(order_[i], wanted);
    }
    for (const tensor_id t : call_.fetches) p_.fetches.push_back(slot_of(t));
  }

  void make_step(op_id op, const std::unordered_set<tensor_id>& wanted) {
    const operator_schema& schema = g_.schema_of(op);
    const tensor_id first{op, 0};
    if (is_named(schema, "placeholder")) return;
    if (const auto v = g_.variable_read_by(first)) {
      if (fed_.contains(first)) return;
      slots_[first] = new_slot({place::cell, v->value, info_of(types_.at(first))});
      p_.read.push_back(*v);
      p_.variables.push_back(*v);
      return;
    }
    if (is_named(schema, "constant")) {
      if (fed_.contains(first)) return;
      const auto index = static_cast<std::size_t>(g_.attributes_of(op).integer("value"));
      slots_[first] = new_slot({place::constant, index, info_of(types_.at(first))});
      return;
    }
    if (schema.has(ops::update) || schema.has(ops::view)) {
      if (!fed_.contains(first)) {
        const std::uint32_t from = slot_of(g_.operand(op, 0));
        slot alias = p_.slots[from];
        alias.info = info_of(types_.at(first));
        const std::uint32_t own = new_slot(alias);
        alias_of_[own] = root(from);
        slots_[first] = own;
      }
      if (schema.has(ops::update)) p_.variables.push_back(target_of(op));
      return;
    }
    const operator_definition* definition = find_operator(schema.name);
    if (definition == nullptr || definition->bind == nullptr) {
      throw unsupported_error({"'" + g_.path_of(op) + "' was to be run",
                               std::string("the operator ") + schema.name + " has no kernel", g_.path_of(op),
                               "register the operator with a kernel binding"});
    }
    step s;
    s.op = op;
    std::vector<tensor_info> inputs, outputs;
    for (std::uint32_t k = 0; k < g_.operand_count(op); ++k) {
      const tensor_id operand = g_.operand(op, k);
      inputs.push_back(info_of(types_.at(operand)));
      s.in.push_back(reads_shape_only(schema, k) ? no_id : slot_of(operand));
    }
    for (std::uint32_t o = 0; o < g_.output_count(op); ++o) {
      const tensor_id output{op, o};
      outputs.push_back(info_of(types_.at(output)));
      if (fed_.contains(output) || !wanted.contains(output)) {
        s.out.push_back(no_id);
      } else {
        s.out.push_back(slots_[output] = new_slot({place::arena, 0, outputs.back()}));
      }
    }
    const std::string where = g_.path_of(op);
    s.kernel = definition->bind({inputs, outputs, g_.attributes_of(op), g_, where});
    p_.steps.push_back(std::move(s));
  }

  [[nodiscard]] variable_id target_of(op_id assign) const {
    return {static_cast<std::uint32_t>(g_.attributes_of(assign).integer("variable"))};
  }

  [[nodiscard]] std::uint32_t root(std::uint32_t slot) const {
    const auto alias = alias_of_.find(slot);
    return alias == alias_of_.end() ? slot : alias->second;
  }

  // --- updates ------------------------------------------------------------------------------------------

  void make_commits() {
    std::map<variable_id, std::vector<op_id>> by_variable;
    for (const op_id op : order_) {
      if (needed_[place_.at(op)] && g_.schema_of(op).has(ops::update)) by_variable[target_of(op)].push_back(op);
    }
    for (const auto& [variable, assigns] : by_variable) {
      for (std::size_t i = 1; i < assigns.size(); ++i) {
        if (depends(assigns[i], assigns[i - 1])) continue;
        throw graph_error({"variable '" + g_.path_of(variable) + "' was to be updated twice in one run",
                           "neither of '" + g_.path_of(assigns[i - 1]) + "' and '" + g_.path_of(assigns[i]) +
                               "' follows from the other",
                           g_.path_of(variable), "compute the second from the first one's output, or run them apart"});
      }
      p_.commits.push_back({variable, slot_of({assigns.back(), 0})});
    }
  }

  [[nodiscard]] bool depends(op_id later, op_id earlier) const {
    std::unordered_set<op_id> seen{later};
    std::vector<op_id> open{later};
    while (!open.empty()) {
      const op_id op = open.back();
      open.pop_back();
      if (op == earlier) return true;
      for (const tensor_id t : g_.operands(op)) {
        if (seen.insert(t.op).second) open.push_back(t.op);
      }
    }
    return false;
  }

  // Slots whose bytes are wanted after the last step.
  [[nodiscard]] std::unordered_set<std::uint32_t> kept() const {
    std::unordered_set<std::uint32_t> result;
    for (const std::uint32_t s : p_.fetches) result.insert(root(s));
    for (const commit& c : p_.commits) result.insert(root(c.from));
    return result;
  }

  // A step whose outputs do nothing but become variables may write over the variables themselves, once every other
  // step has read them and nothing can fail any more: such steps go last.
  void order_updates() {
    std::unordered_map<std::uint32_t, std::size_t> committed;  // root slot -> place in commits
    for (std::size_t c = 0; c < p_.commits.size(); ++c) {
      if (!committed.emplace(root(p_.commits[c].from), c).second) committed[root(p_.commits[c].from)] = no_id;
    }
    std::unordered_set<std::uint32_t> read_elsewhere;  // roots with readers other than commits
    for (const std::uint32_t f : p_.fetches) read_elsewhere.insert(root(f));
    std::unordered_map<std::size_t, std::size_t> cell_readers;  // variable -> steps that read it
    for (const step& s : p_.steps) {
      std::unordered_set<std::size_t> mine;
      for (const std::uint32_t in : s.in) {
        if (in == no_id) continue;
        read_elsewhere.insert(root(in));
        if (p_.slots[in].where == place::cell) mine.insert(p_.slots[in].offset);
      }
      for (const std::size_t v : mine) ++cell_readers[v];
    }
    // Variables that are fetched or committed to others must keep their old bytes.
    std::unordered_set<std::size_t> pinned;
    for (const std::uint32_t f : p_.fetches) {
      if (p_.slots[f].where == place::cell) pinned.insert(p_.slots[f].offset);
    }
    for (const commit& c : p_.commits) {
      if (p_.slots[c.from].where == place::cell) pinned.insert(p_.slots[c.from].offset);
    }
    std::vector<step> others, updates;
    for (step& s : p_.steps) {
      if (writes_variables_only(s, committed, read_elsewhere, pinned)) {
        updates.push_back(std::move(s));
      } else {
        others.push_back(std::move(s));
      }
    }
    // A variable that a step writes may have readers among the other update steps: then it is not written in place.
    for (step& s : updates) {
      for (std::size_t o = 0; o < s.out.size(); ++o) {
        if (s.out[o] == no_id) continue;
        const std::size_t place_in_commits = committed.at(s.out[o]);
        const std::size_t variable = p_.commits[place_in_commits].variable.value;
        std::size_t update_readers = 0;
        for (const step& other : updates) {
          for (const std::uint32_t in : other.in) {
            if (in != no_id && p_.slots[in].where == place::cell && p_.slots[in].offset == variable) {
              ++update_readers;
              break;
            }
          }
        }
        if (update_readers > 1) continue;
        p_.slots[s.out[o]].where = place::cell;
        p_.slots[s.out[o]].offset = variable;
        p_.commits[place_in_commits].from = no_id;
      }
    }
    p_.first_update = others.size();
    p_.steps = std::move(others);
    for (step& s : updates) p_.steps.push_back(std::move(s));
  }

  [[nodiscard]] bool writes_variables_only(const step& s, const std::unordered_map<std::uint32_t, std::size_t>& committed,
                                           const std::unordered_set<std::uint32_t>& read_elsewhere,
                                           const std::unordered_set<std::size_t>& pinned) const {
    bool any = false;
    for (std::size_t o = 0; o < s.out.size(); ++o) {
      if (s.out[o] == no_id) continue;
      const auto found = committed.find(s.out[o]);
      if (found == committed.end() || found->second == no_id || read_elsewhere.contains(s.out[o])) return false;
      const std::size_t variable = p_.commits[found->second].variable.value;
      if (pinned.contains(variable)) return false;
      const bool over_itself = std::any_of(s.kernel.in_place.begin(), s.kernel.in_place.end(), [&](const auto& pair) {
        const std::uint32_t in = pair.first == o ? s.in[pair.second] : no_id;
        return in != no_id && p_.slots[in].where == place::cell && p_.slots[in].offset == variable;
      });
      if (!over_itself) return false;
      any = true;
    }
    return any;
  }

  // --- memory -----------------------------------------------------------------------------------------------

  void place_values() {
    std::vector<std::size_t> last_use(p_.slots.size(), 0);
    for (std::size_t i = 0; i < p_.steps.size(); ++i) {
      for (const std::uint32_t in : p_.steps[i].in) {
        if (in != no_id) last_use[root(in)] = i;
      }
    }
    for (const std::uint32_t s : kept_now()) last_use[s] = p_.steps.size();

    arena_layout arena;
    std::vector<std::vector<std::uint32_t>> ends(p_.steps.size() + 1);
    std::size_t scratch = 0;
    for (std::size_t i = 0; i < p_.steps.size(); ++i) {
      step& s = p_.steps[i];
      s.first_pointer = p_.pointer_count;
      p_.pointer_count += s.in.size() + s.out.size();
      scratch = std::max(scratch, s.kernel.scratch_bytes);
      std::unordered_set<std::uint32_t> taken_over;
      for (std::size_t o = 0; o < s.out.size(); ++o) {
        const std::uint32_t out = s.out[o];
        if (out == no_id || p_.slots[out].where != place::arena) continue;
        const std::uint32_t over = dying_operand(s, o, i, last_use, taken_over);
        if (over != no_id) {
          p_.slots[out].offset = p_.slots[over].offset;
          taken_over.insert(over);
        } else {
          p_.slots[out].offset = arena.take(bytes_of(out));
        }
        ends[std::max(last_use[out], i)].push_back(out);
      }
      for (const std::uint32_t dead : ends[i]) {
        if (!taken_over.contains(dead)) arena.give(p_.slots[dead].offset, bytes_of(dead));
      }
    }
    // Aliases are where their roots are.
    for (const auto& [alias, of] : alias_of_) {
      p_.slots[alias].where = p_.slots[of].where;
      p_.slots[alias].offset = p_.slots[of].offset;
    }
    p_.scratch_offset = arena_layout::rounded(arena.end());
    p_.arena_bytes = p_.scratch_offset + arena_layout::rounded(scratch);
    deduplicate(p_.variables);
    deduplicate(p_.read);
  }

  [[nodiscard]] std::size_t bytes_of(std::uint32_t s) const {
    return static_cast<std::size_t>(p_.slots[s].info.size) * size_of(p_.slots[s].info.type);
  }
  [[nodiscard]] std::vector<std::uint32_t> kept_now() const {
    std::vector<std::uint32_t> result;
    for (const std::uint32_t s : p_.fetches) result.push_back(root(s));
    for (const commit& c : p_.commits) {
      if (c.from != no_id) result.push_back(root(c.from));
    }
    return result;
  }

  // An operand in the arena that nobody reads after this step and that this output may be written over.
  [[nodiscard]] std::uint32_t dying_operand(const step& s, std::size_t output, std::size_t now,
                                            const std::vector<std::size_t>& last_use,
                                            const std::unordered_set<std::uint32_t>& taken_over) const {
    for (const auto& [o, k] : s.kernel.in_place) {
      if (o != output || k >= s.in.size() || s.in[k] == no_id) continue;
      const std::uint32_t in = root(s.in[k]);
      if (p_.slots[in].where != place::arena || last_use[in] != now || taken_over.contains(in)) continue;
      if (arena_layout::rounded(bytes_of(in)) != arena_layout::rounded(bytes_of(s.out[output]))) continue;
      // Another operand of the step may be the same memory; only exact in-place use is allowed.
      const auto same = std::count_if(s.in.begin(), s.in.end(), [&](std::uint32_t other) {
        return other != no_id && root(other) == in;
      });
      if (same == 1) return in;
    }
    return no_id;
  }

  static void deduplicate(std::vector<variable_id>& all) {
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
  }

  const Graph& g_;
  const call_signature& call_;
  plan p_;
  std::unordered_map<tensor_id, std::size_t> fed_;
  std::unordered_set<tensor_id> used_feeds_;
  std::vector<op_id> order_;
  std::unordered_map<op_id, std::uint32_t> place_;
  std::vector<bool> needed_;
  std::unordered_map<tensor_id, value_type> types_;
  std::unordered_map<tensor_id, std::uint32_t> slots_;
  std::unordered_map<std::uint32_t, std::uint32_t> alias_of_;  // slot -> the slot whose memory it is
};

}  // namespace

plan make_plan(const Graph& g, const call_signature& call) { return planner(g, call).make(); }

std::string describe(const Graph& g, const plan& p) {
  std::string text = std::to_string(p.steps.size()) + " steps, " + std::to_string(p.arena_bytes) + " bytes\n";
  for (std::size_t i = 0; i < p.steps.size(); ++i) {
    const step& s = p.steps[i];
    text += (i >= p.first_update ? "update " : "step ") + g.path_of(s.op) + " (" + g.schema_of(s.op).name + ")";
    for (const std::uint32_t o : s.out) {
      if (o == no_id) continue;
      const slot& out = p.slots[o];
      text += " -> " + to_string(value_type::of(out.info.type, out.info.shape)) +
              (out.where == place::arena ? " at " + std::to_string(out.offset) : " in its variable");
    }
    text += "\n";
  }
  return text;
}

}  // namespace graft::detail
