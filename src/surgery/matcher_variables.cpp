// Pairing variables and what belongs to them.
#include <algorithm>
#include <set>
#include <tuple>

#include "graph/role_names.hpp"
#include "surgery/matcher.hpp"

namespace graft::detail {
void matcher::match_variables(op_id left_op, op_id right_op, variable_id x, variable_id y) {
  if (outer_ != nullptr) {
    const std::size_t before = outer_->result_.differences.size();
    outer_->match_variables({}, {}, x, y);
    if (outer_->result_.differences.size() == before) return;
    difference d = std::move(outer_->result_.differences.back());
    outer_->result_.differences.pop_back();
    add(d.what, left_op, right_op, std::move(d.text));
    return;
  }
  const Graph &g = l_.a.graph(), &h = r_.a.graph();
  const auto known = l_.variables.find(x.value), other = r_.variables.find(y.value);
  if (known != l_.variables.end() && known->second == y) return;
  if (known != l_.variables.end() || other != r_.variables.end()) {
    const std::string text =
        known != l_.variables.end()
            ? "variable '" + g.path_of(x) + "' stands for '" + h.path_of(known->second) +
                  "' elsewhere and for '" + h.path_of(y) + "' here"
            : "variable '" + h.path_of(y) + "' stands for '" + g.path_of(other->second) +
                  "' elsewhere and for '" + g.path_of(x) + "' here";
    add(difference_kind::tie, left_op, right_op, text);
    return;
  }
  l_.variables.emplace(x.value, y);
  r_.variables.emplace(y.value, x);
  result_.variables.emplace_back(x, y);
  const variable_info &v = g.variable_of(x), &w = h.variable_of(y);
  const op_id lo = v.read.op, ro = w.read.op;
  const std::string both = "variable '" + g.path_of(x) + "' is ";
  const std::string than = ", '" + h.path_of(y) + "' is ";
  if (v.role != w.role) {
    add(difference_kind::variable, lo, ro,
        both + "a " + name_of(v.role) + than + "a " + name_of(w.role));
  }
  if (!(v.type == w.type)) {
    add(difference_kind::variable, lo, ro, both + to_string(v.type) + than + to_string(w.type));
  }
  if (v.trainable != w.trainable) {
    add(difference_kind::variable, lo, ro,
        both + (v.trainable ? "trainable" : "not trainable") + than +
            (w.trainable ? "trainable" : "not trainable"));
  }
  if (v.own_updates.size() != w.own_updates.size()) {
    add(difference_kind::variable, lo, ro,
        "variable '" + g.path_of(x) + "' has " + std::to_string(v.own_updates.size()) +
            " updates of its own, '" + h.path_of(y) + "' " + std::to_string(w.own_updates.size()));
  }
  if (options_.streams && v.stream_key != w.stream_key) {
    add(difference_kind::stream, lo, ro,
        "variable '" + g.path_of(x) + "' and '" + h.path_of(y) + "' draw from other streams");
  }
  if (options_.values) match_values(v, w);
  if (v.read.valid() && w.read.valid()) {
    later_.push_back({v.read, w.read, lo, ro, 0, "read", true});
  }
  if (v.initial.valid() && w.initial.valid()) {
    later_.push_back({v.initial, w.initial, lo, ro, 0, "initial value", false});
  }
  for (std::size_t i = 0; i < std::min(v.own_updates.size(), w.own_updates.size()); ++i) {
    later_.push_back({{v.own_updates[i], 0},
                      {w.own_updates[i], 0},
                      lo,
                      ro,
                      static_cast<std::uint32_t>(i),
                      "own update",
                      true});
  }
}

void matcher::match_values(const variable_info& v, const variable_info& w) {
  const Graph &g = l_.a.graph(), &h = r_.a.graph();
  const VariableStore &s = g.store(), &u = h.store();
  const bool a = s.initialized(v.id), b = u.initialized(w.id);
  std::string text;
  if (a != b) {
    text = "variable '" + g.path_of(v.id) + "' has " + (a ? "a" : "no") + " value, '" +
           h.path_of(w.id) + "' has " + (b ? "one" : "none");
  } else if (a && !s.get(v.id).same_bits(u.get(w.id))) {
    text = "variables '" + g.path_of(v.id) + "' and '" + h.path_of(w.id) + "' have other values";
  }
  if (!text.empty()) add(difference_kind::value, v.read.op, w.read.op, std::move(text));
}

void matcher::check_collections() {
  // By the left's places: what the right's members stand for.
  using key = std::pair<std::string, std::pair<std::uint32_t, std::uint64_t>>;
  const auto members = [&](const side& s, bool translate) {
    std::set<key> all;
    const Graph& g = s.a.graph();
    for (const std::string& name : g.collections()) {
      if (name == "variables" || name == "trainable_variables") continue;
      for (const member& m : g.collection(name)) {
        if (m.what == member::kind::variable) {
          const auto found = s.variables.find(m.variable.value);
          if (found == s.variables.end()) continue;
          all.insert({name, {0, translate ? found->second.value : m.variable.value}});
        } else {
          const std::uint32_t place = s.a.place(m.tensor.op);
          if (place == none) continue;
          const std::uint64_t at = translate ? s.partner[place] : place;
          const std::uint32_t out = m.what == member::kind::tensor ? m.tensor.output : 0;
          all.insert({name, {m.what == member::kind::tensor ? 1 : 2, at << 32 | out}});
        }
      }
    }
    return all;
  };
  const std::set<key> x = members(l_, false), y = members(r_, true);
  for (const auto& [one, other, where] :
       {std::tuple{&x, &y, "left"}, std::tuple{&y, &x, "right"}}) {
    for (const key& k : *one) {
      if (other->count(k) != 0) continue;
      op_id lo;
      std::string who;
      if (k.second.first == 0) {
        const variable_id v{static_cast<std::uint32_t>(k.second.second)};
        lo = l_.a.graph().variable_of(v).read.op;
      } else if (k.second.second >> 32 < l_.a.count()) {
        lo = l_.a.op(static_cast<std::uint32_t>(k.second.second >> 32));
      }
      if (lo.valid()) who = left(lo);
      add(difference_kind::collection, lo, {},
          "in the collection '" + k.first + "' " + (who.empty() ? "an op" : who) +
              " is a member on the " + where + " only");
    }
  }
}

}  // namespace graft::detail
