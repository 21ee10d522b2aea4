#include "surgery/own_updates.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "graft/graph/operator.hpp"
#include "graft/ops/shape_ops.hpp"
#include "graft/ops/slicing.hpp"
#include "graft/ops/sources.hpp"

#include "graph/building.hpp"
#include "graph/lookup.hpp"
#include "surgery/region_data.hpp"

namespace graft::detail {
namespace {

// Linked clones read a variable through an identity, ensembles through a reshape, and have the next value through one.
tensor_id behind_views(const Graph& g, tensor_id t) {
  while (g.schema_of(t.op).has(ops::view)) t = g.operand(t.op, 0);
  return t;
}

// The row that an op takes out of a value, if it takes one.
std::optional<std::int64_t> row_taken(const Graph& g, op_id op) {
  if (!is_operator(g.schema_of(op), ops::slice)) return {};
  const attribute_view a = g.attributes_of(op);
  const auto axes = a.find("axes"), begin = a.find("begin"), size = a.find("size");
  if (!axes || !begin || !size || a.size() != 3) return {};
  const dims &along = axes->integers, &first = begin->integers, &count = size->integers;
  const bool one = along == dims{0} && first.size() == 1 && count == dims{1} && first[0] >= 0;
  return one ? std::optional(first[0]) : std::nullopt;
}

}  // namespace

std::optional<follower> follower_of(const Graph& g, const variable_info& v) {
  for (const op_id update : v.own_updates) {
    if (!is_operator(g.schema_of(update), ops::assign)) continue;
    const tensor_id next = behind_views(g, g.operand(update, 0));
    const operator_definition* const known = find_operator(g.schema_of(next.op).name);
    if (known == nullptr) continue;
    for (const next_value& n : known->next_values) {
      if (n.output != next.output || n.operand >= g.operand_count(next.op)) continue;
      if (g.variable_read_by(behind_views(g, g.operand(next.op, n.operand))) == v.id)
        return follower{v.id, update, n.operand, n.output};
    }
  }
  return {};
}

std::unordered_map<op_id, std::optional<std::int64_t>> applications(const Graph& g,
                                                                    const follower& f) {
  const operator_schema& schema = g.schema_of(behind_views(g, g.operand(f.update, 0)).op);
  std::unordered_map<op_id, std::optional<std::int64_t>> found;
  struct reader {
    op_id op;
    std::optional<std::int64_t> row;
  };
  std::vector<reader> open{{g.variable_of(f.variable).read.op, {}}};
  while (!open.empty()) {
    const reader reading = open.back();
    open.pop_back();
    g.for_each_use(reading.op, [&](const Graph::use& u, std::uint32_t) {
      const operator_schema& user = g.schema_of(u.user);
      const auto row = reading.row ? std::nullopt : row_taken(g, u.user);
      if (user.has(ops::view) && u.slot == 0) {
        open.push_back({u.user, reading.row});
      } else if (row) {
        open.push_back({u.user, row});
      } else if (is_operator(user, schema) && g.operand(u.user, f.operand).op == reading.op) {
        found.emplace(u.user, reading.row);
      }
    });
  }
  return found;
}

namespace {

class collector {
 public:
  collector(Graph& g, tensor_id y) : g_(g), y_(y), below_{y.op} {
    std::vector<op_id> open{y.op};
    while (!open.empty()) {
      const op_id op = open.back();
      open.pop_back();
      if (const auto v = g_.variable_read_by({op, 0})) variables_.push_back(*v);
      for (std::uint32_t k = 0; k < g_.operand_count(op); ++k) {
        const op_id producer = g_.operand(op, k).op;
        if (below_.insert(producer).second) open.push_back(producer);
      }
    }
    std::sort(variables_.begin(), variables_.end());
  }

  std::vector<op_id> run() {
    for (const variable_id v : variables_) choose(v);
    std::optional<Graph::transaction> all;  // until the list stands: making it may fail, too
    if (!missing_.empty()) all.emplace(g_);
    for (const auto& [index, followers] : missing_) apply(g_.data().id(index), followers);
    std::vector<op_id> result;
    std::unordered_set<op_id> listed;
    for (const variable_id v : variables_) {
      for (const op_id update : updates_[v]) {
        if (listed.insert(update).second) result.push_back(update);
      }
    }
    if (all) all->commit();
    return result;
  }

 private:
  using application_rows = std::unordered_map<op_id, std::optional<std::int64_t>>;
  struct followed {
    follower by;
    std::optional<std::int64_t> row;
  };

  // Those among some applications that the declared updates follow from.
  [[nodiscard]] std::unordered_set<op_id> declared(const variable_info& v,
                                                   const application_rows& among) const {
    std::unordered_set<op_id> found, seen;
    std::vector<op_id> open = v.own_updates;
    while (!open.empty()) {
      const op_id op = open.back();
      open.pop_back();
      for (const tensor_id t : g_.operands(op)) {
        if (among.contains(t.op)) {
          found.insert(t.op);
        } else if (!below_.contains(t.op) && seen.insert(t.op).second) {
          open.push_back(t.op);
        }
      }
    }
    return found;
  }

  [[nodiscard]] bool in_inference_mode(op_id op) const {
    return g_.schema_of(op).has(ops::modal) && g_.attributes_of(op).integer("training") == 0;
  }

  void choose(variable_id id) {
    const variable_info& v = g_.variable_of(id);
    if (v.own_updates.empty()) return;
    const auto f = follower_of(g_, v);
    if (!f) {
      require_application(v);
      updates_[id] = v.own_updates;
      return;
    }
    const application_rows all = applications(g_, *f);
    const std::unordered_set<op_id> known = declared(v, all);
    const auto is_below = [&](op_id op) { return below_.contains(op); };
    const bool whole = std::all_of(known.begin(), known.end(), is_below);
    if (whole ||
        std::none_of(all.begin(), all.end(), [&](const auto& a) { return is_below(a.first); })) {
      updates_[id] = v.own_updates;
      latest_[id] = {v.own_updates.back(), 0};
    }
    for (const auto& [op, row] : all) {
      if (!is_below(op) || in_inference_mode(op) || (whole && known.contains(op))) continue;
      missing_[g_.data().index(op)].push_back({*f, row});
    }
  }

  // Values that graphs hold themselves: of variables, constants, numbers.
  [[nodiscard]] bool is_held(op_id op) const {
    return g_.operand_count(op) == 0 && !g_.schema_of(op).has(ops::random) &&
           !is_open_source(g_.data(), g_.data().index(op));
  }

  // Goes on to what ops are made of, themselves included, without what graphs hold, until f(op) is true: then it is.
  template <class F>
  bool any_behind(std::vector<op_id> open, std::unordered_set<op_id>& met, F&& f) const {
    std::erase_if(open, [&](op_id op) { return !met.insert(op).second; });
    while (!open.empty()) {
      const op_id op = open.back();
      open.pop_back();
      if (f(op)) return true;
      for (const tensor_id t : g_.operands(op)) {
        if (!is_held(t.op) && met.insert(t.op).second) open.push_back(t.op);
      }
    }
    return false;
  }

  // Nobody can tell what an update that is written as several ops would be for another input: it counts where it
  // follows from what y depends on, or from no application of the layer at all.
  void require_application(const variable_info& v) const {
    std::unordered_set<op_id> update, met;
    if (any_behind(v.own_updates, update, [&](op_id op) { return below_.contains(op); })) return;
    std::optional<op_id> here, elsewhere;
    std::vector<op_id> open{v.read.op};
    while (!open.empty()) {
      const op_id reader = open.back();
      open.pop_back();
      g_.for_each_use(reader, [&](const Graph::use& u, std::uint32_t) {
        if (g_.schema_of(u.user).has(ops::view)) {
          open.push_back(u.user);
        } else if (below_.contains(u.user)) {
          std::unordered_set<op_id> behind;
          const auto is_other = [&](op_id op) { return op != u.user; };
          if (!here && any_behind({u.user}, behind, is_other)) here = u.user;
        } else if (!elsewhere && !only_updates(u.user, v)) {
          if (any_behind({u.user}, met, [&](op_id op) { return update.contains(op); })) {
            elsewhere = u.user;
          }
        }
      });
    }
    if (!here || !elsewhere) return;
    const std::string path = g_.path_of(v.own_updates.back());
    throw unsupported_error(
        {"the updates of layers that '" + g_.path_of(y_) + "' depends on were asked for",
         "'" + g_.path_of(v.id) + "' is updated by '" + path + "', which follows from what '" +
             g_.path_of(*elsewhere) + "' takes and not from what '" + g_.path_of(*here) +
             "' does: an update of several ops is not derived for another application of its layer",
         path,
         "leave such updates out ({.own_updates = false}), ask for those of what it follows, clone "
         "with variables::copied, or have one operator give the next value (next_values)"});
  }

  // True for an op that nothing but the variable's own updates is made of.
  [[nodiscard]] bool only_updates(op_id op, const variable_info& v) const {
    std::unordered_set<op_id> met{op};
    std::vector<op_id> open{op};
    while (!open.empty()) {
      const op_id at = open.back();
      open.pop_back();
      const auto& own = v.own_updates;
      if (std::find(own.begin(), own.end(), at) != own.end()) continue;
      bool used = false;
      g_.for_each_use(at, [&](const Graph::use& u, std::uint32_t) {
        used = true;
        if (met.insert(u.user).second) open.push_back(u.user);
      });
      if (!used) return false;
    }
    return true;
  }

  // One more application: of the values that the ones before it gave.
  void apply(op_id op, const std::vector<followed>& followers) {
    g_.reenter_scope(g_.scope_of(op));
    std::vector<tensor_id> operands;
    for (const tensor_id t : g_.operands(op)) operands.push_back(t);
    std::optional<tensor_id> before;
    for (const auto& [f, row] : followers) {
      const auto latest = latest_.find(f.variable);
      if (latest == latest_.end()) continue;
      tensor_id& operand = operands[f.operand];
      const tensor_id value = row ? rows(latest->second, *row, 1) : latest->second;
      before = operand = viewed(value, g_.type_of(operand));
    }
    const op_id applied = before ? again(op, operands, *before) : op;
    for (const auto& [f, row] : followers) {
      const tensor_id next{applied, f.output};
      const value_type& type = g_.variable_of(f.variable).type;
      const op_id update = updated(f, row ? with_row(f.variable, *row, next) : viewed(next, type));
      updates_[f.variable].push_back(update);
      latest_[f.variable] = {update, 0};
    }
    g_.leave_scope();
  }

  // The variable's latest value with another row.
  tensor_id with_row(variable_id v, std::int64_t row, tensor_id next) {
    const variable_info& info = g_.variable_of(v);
    const auto latest = latest_.find(v);
    const tensor_id all = latest == latest_.end() ? info.read : latest->second;
    value_type type = info.type;
    const std::int64_t behind = type.shape[0] - row - 1;
    type.shape[0] = 1;
    std::vector<tensor_id> parts;
    if (row > 0) parts.push_back(rows(all, 0, row));
    parts.push_back(viewed(next, type));
    if (behind > 0) parts.push_back(rows(all, row + 1, behind));
    if (parts.size() == 1) return parts.front();
    return added_once(ops::concat, parts, attribute_list().set("axis", std::int64_t{0}));
  }

  tensor_id rows(tensor_id all, std::int64_t first, std::int64_t count) {
    return added_once(
        ops::slice, {&all, 1},
        attribute_list().set("axes", dims{0}).set("begin", dims{first}).set("size", dims{count}));
  }

  // The output of an op that is added unless there is such a one.
  tensor_id added_once(const operator_schema& schema, std::span<const tensor_id> operands,
                       const attribute_list& attributes) {
    std::optional<op_id> known;
    g_.for_each_use(operands[0].op, [&](const Graph::use& u, std::uint32_t) {
      const auto theirs = g_.operands(u.user);
      if (is_operator(g_.schema_of(u.user), schema) &&
          std::equal(theirs.begin(), theirs.end(), operands.begin(), operands.end()) &&
          attribute_list(g_.attributes_of(u.user)) == attributes) {
        known = u.user;
      }
    });
    return {known ? *known : g_.add(schema, operands, attributes, {}, g_.line_of(operands[0].op)),
            0};
  }

  // A tensor in the shape that is wanted of it, which has as many elements.
  tensor_id viewed(tensor_id t, const value_type& type) {
    if (g_.type_of(t) == type) return t;
    std::optional<tensor_id> known;
    g_.for_each_use(t.op, [&](const Graph::use& u, std::uint32_t output) {
      const tensor_id other{u.user, 0};
      if (output == t.output && is_operator(g_.schema_of(u.user), ops::reshape) &&
          g_.type_of(other) == type) {
        known = other;
      }
    });
    if (known) return *known;
    const attribute_list attributes = attribute_list().set("shape", type.shape);
    return {g_.add(ops::reshape, {&t, 1}, attributes, {}, g_.line_of(t.op)), 0};
  }

  op_id again(op_id op, const std::vector<tensor_id>& operands, tensor_id before) {
    std::optional<op_id> known;
    g_.for_each_use(before.op, [&](const Graph::use& u, std::uint32_t) {
      const auto theirs = g_.operands(u.user);
      if (&g_.schema_of(u.user) == &g_.schema_of(op) &&
          std::equal(theirs.begin(), theirs.end(), operands.begin(), operands.end()) &&
          g_.attributes_of(u.user) == g_.attributes_of(op)) {
        known = u.user;
      }
    });
    if (known) return *known;
    const attribute_list attributes = g_.attributes_of(op);
    const std::string name(g_.name_of(op));
    return g_.add(g_.schema_of(op), operands, attributes, name, g_.line_of(op));
  }

  op_id updated(const follower& f, tensor_id next) {
    for (const op_id update : updates_of(g_, f.variable)) {
      if (is_operator(g_.schema_of(update), ops::assign) && g_.operand(update, 0) == next)
        return update;
    }
    const attribute_list attributes = g_.attributes_of(f.update);
    const std::string name(g_.name_of(f.update));
    return g_.add(ops::assign, {&next, 1}, attributes, name, g_.line_of(next.op));
  }

  Graph& g_;
  const tensor_id y_;
  std::unordered_set<op_id> below_;
  std::vector<variable_id> variables_;  // that y reads, ascending
  std::unordered_map<variable_id, std::vector<op_id>> updates_;
  std::unordered_map<variable_id, tensor_id> latest_;       // values after the updates so far
  std::map<std::uint32_t, std::vector<followed>> missing_;  // by index of the application
};

}  // namespace

std::vector<op_id> own_updates_below(Graph& g, tensor_id y) { return collector(g, y).run(); }

}  // namespace graft::detail
