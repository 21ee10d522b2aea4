// A hash of what a graph says, whatever its addresses, ids and storage.
#include <algorithm>
#include <shared_mutex>
#include <unordered_map>

#include "graft/schema/core_operators.hpp"

#include "graph/building.hpp"
#include "graph/content_hash.hpp"
#include "graph/index_map.hpp"
#include "graph/store_lock.hpp"

namespace graft {

namespace {

using detail::content_hash;

using known_bodies = std::unordered_map<const Graph*, std::uint64_t>;

class digester {
 public:
  digester(const Graph& g, known_bodies& bodies)
      : g_(g), t_(g.data()), variables_(detail::live_variables(t_)), bodies_(bodies) {
    scopes_.expect(t_.scopes.size(), t_.ops.size());
    scopes_.set(0, 0);
  }

  std::uint64_t run() {
    out_.word(t_.ops.size());
    for (std::uint32_t i = 0; i < t_.ops.size(); ++i) op(i);
    for (const std::uint32_t v : variables_) variable(t_.variables[v]);
    for (const auto& [key, id] : t_.shared_keys) {
      out_.text(key);
      out_.word(number(id));
    }
    collections();
    return out_.value();
  }

 private:
  // Place among the variables that are there, as removed ones leave no trace.
  [[nodiscard]] std::uint64_t number(variable_id id) const {
    const auto at = std::lower_bound(variables_.begin(), variables_.end(), id.value);
    return at != variables_.end() && *at == id.value
               ? static_cast<std::uint64_t>(at - variables_.begin())
               : no_id;
  }

  // Of the scopes that ops are in: most may be removed.
  std::uint64_t scope(std::uint32_t s) {
    const std::uint64_t* known = scopes_.find(s);
    if (known != nullptr) return *known;
    std::vector<std::uint32_t> way;  // the innermost first
    for (; known == nullptr; known = scopes_.find(s)) {
      way.push_back(s);
      s = t_.scopes[s].parent;
    }
    std::uint64_t hash = *known;
    for (; !way.empty(); way.pop_back()) {
      const Graph::tables::scope_record& r = t_.scopes[way.back()];
      content_hash h;
      h.word(hash);
      h.text(t_.strings[r.name]);
      h.word(r.ordinal);
      hash = h.value();
      scopes_.set(way.back(), hash);
    }
    return hash;
  }

  void tensor(tensor_id t) { out_.word(std::uint64_t{t_.index(t.op)} << 32 | t.output); }

  void op(std::uint32_t i) {
    const Graph::tables::op_record& r = t_.ops[i];
    out_.text(r.schema->name);
    out_.word(scope(r.scope));
    out_.text(t_.strings[r.name]);
    out_.word(r.ordinal);
    for (const Graph::tables::edge& e : t_.operands_of(i)) {
      out_.word(std::uint64_t{e.producer} << 32 | e.output);
    }
    out_.word(r.operand_count);
    for (std::uint32_t k = 0; k < r.output_count; ++k) {
      const Graph::tables::output_record& o = t_.output(i, k);
      out_.type(o.type, o.kind, o.ranked, t_.extents_of(o));
    }
    // The uses, so that an undone edit that left them in another order shows.
    for (std::uint32_t e = r.first_use; e != detail::none; e = t_.edges[e].next_use) {
      out_.word(std::uint64_t{t_.edges[e].user} << 32 |
                (e - t_.ops[t_.edges[e].user].first_operand));
    }
    for (std::uint32_t c = r.control_in; c != detail::none; c = t_.controls[c].next_in) {
      out_.word(t_.controls[c].before);
    }
    std::uint64_t attributes = 0;  // a sum: their order says nothing
    for (const attribute& a : t_.attributes_of(r)) attributes += hash_of(a);
    out_.word(attributes);
  }

  std::uint64_t hash_of(const attribute& a) {
    return detail::hash_of(
        g_, a, [this](variable_id v) { return number(v); },
        [this](const Graph& body) { return digest_of(body); });
  }

  // Bodies may own one another many times over.
  std::uint64_t digest_of(const Graph& body) {
    const auto known = bodies_.find(&body);
    if (known != bodies_.end()) return known->second;
    const std::uint64_t made = digester(body, bodies_).run();
    bodies_.emplace(&body, made);
    return made;
  }

  void variable(const variable_info& v) {
    out_.word(static_cast<std::uint64_t>(v.role) | std::uint64_t{v.trainable} << 8 |
              static_cast<std::uint64_t>(v.type.type) << 16);
    out_.shape(v.type.shape);
    tensor(v.read);
    tensor(v.initial);
    for (const op_id u : v.own_updates) out_.word(t_.index(u));
    out_.word(v.stream_key);
    const std::shared_lock lock(detail::values_mutex(*t_.store));
    const variable_cell& cell = *t_.store->cell(v.id);
    out_.word(cell.initialized);
    if (cell.initialized) out_.array(cell.value);
  }

  void collections() {
    std::uint64_t all = 0;
    for (const Graph::tables::named_collection& c : t_.collections) {
      if (c.members.empty()) continue;
      content_hash h;
      h.text(t_.strings[c.name]);
      for (const member& m : c.members) {
        h.word(static_cast<std::uint64_t>(m.what));
        if (m.what == member::kind::variable) {
          h.word(number(m.variable));
        } else {
          h.word(std::uint64_t{t_.index(m.tensor.op)} << 32 |
                 (m.what == member::kind::tensor ? m.tensor.output : 0));
        }
      }
      all += h.value();
    }
    out_.word(all);
  }

  const Graph& g_;
  const Graph::tables& t_;
  const std::vector<std::uint32_t> variables_;
  detail::index_map<std::uint64_t> scopes_;
  known_bodies& bodies_;
  content_hash out_;
};

}  // namespace

std::uint64_t Graph::digest() const {
  known_bodies bodies;
  return digester(*this, bodies).run();
}

}  // namespace graft
