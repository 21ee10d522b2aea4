// A hash of contents: over the canonical order, so that it is equal for isomorphic regions.
#include "graft/surgery/isomorphic.hpp"

#include <algorithm>
#include <shared_mutex>
#include <unordered_map>

#include "graft/surgery/diff.hpp"

#include "graph/content_hash.hpp"
#include "graph/store_lock.hpp"
#include "surgery/anchored.hpp"
#include "surgery/matcher.hpp"

namespace graft {
namespace {

using detail::anchored;
using detail::canonical;
using detail::content_hash;

using known_bodies = std::unordered_map<const Graph*, std::uint64_t>;

class content_hasher {
 public:
  content_hasher(const anchored& a, const compare_options& options, const Graph& variables_of,
                 known_bodies& bodies)
      : a_(a),
        g_(a.graph()),
        owner_(variables_of),
        options_(options),
        order_(canonical_of(a)),
        bodies_(bodies) {
    for (std::size_t i = 0; i < order_.variables.size(); ++i) {
      variable_number_.emplace(order_.variables[i].value, i);
    }
  }

  std::uint64_t run() {
    out_.word(a_.given());
    for (const tensor_id t : a_.cuts()) {
      if (order_.cut_number[static_cast<std::size_t>(a_.cut(t))] < a_.given()) {
        out_.type(g_.type_of(t));
        if (options_.names) out_.text(g_.path_of(t));
      }
    }
    given_values();
    out_.word(order_.ops.size());
    for (const op_id op : order_.ops) hash_op(op);
    out_.word(a_.outputs().size());
    for (const tensor_id t : a_.outputs()) tensor(t);
    for (const variable_id v : order_.variables) variable(v);
    if (options_.collections) collections();
    return out_.value();
  }

 private:
  // A sum: the cuts are in the order of ids.
  void given_values() {
    std::uint64_t all = 0;
    for (std::size_t i = a_.given(); i < a_.cuts().size(); ++i) {
      const Array* value = a_.value(i);
      if (value == nullptr) continue;
      content_hash h;
      h.word(order_.cut_number[i]);
      h.array(*value);
      all += h.value();
    }
    if (all != 0) out_.word(all);
  }
  void tensor(tensor_id t) {
    if (const int cut = a_.cut(t); cut >= 0) {
      out_.word(std::uint64_t{1} << 63 | order_.cut_number[static_cast<std::size_t>(cut)]);
    } else {
      op(t.op);
      out_.word(t.output);
    }
  }
  std::uint64_t number(op_id op) {
    const std::uint32_t place = a_.place(op);
    return place == anchored::none ? anchored::none : order_.number[place];
  }
  void op(op_id o) { out_.word(number(o)); }

  void hash_op(op_id o) {
    const operator_schema& schema = g_.schema_of(o);
    out_.text(schema.name);
    const std::uint32_t operands = g_.operand_count(o), outputs = g_.output_count(o);
    out_.word(std::uint64_t{operands} << 32 | outputs);
    for (std::uint32_t i = 0; i < operands; ++i) tensor(g_.operand(o, i));
    for (std::uint32_t i = 0; i < outputs; ++i) out_.type(g_.type_of({o, i}));
    std::uint64_t all = 0;  // a sum: their order says nothing
    for (const attribute& a : g_.attributes_of(o)) {
      if (!options_.streams && detail::is_stream_key(schema, a)) continue;
      all += hash_of(a);
    }
    out_.word(all);
    all = 0;
    for (const op_id before : a_.waits_for(o)) {
      content_hash h;
      h.word(number(before));
      all += h.value();
    }
    out_.word(all);
    if (options_.names) out_.text(g_.path_of(o));
  }

  std::uint64_t number(variable_id v) {
    const auto found = variable_number_.find(v.value);
    return found == variable_number_.end() ? no_id : found->second;
  }
  std::uint64_t hash_of(const attribute& a) {
    return detail::hash_of(
        g_, a, [this](variable_id v) { return number(v); },
        [this](const Graph& body) { return hash_of_body(body); });
  }

  // Bodies may own one another many times over.
  std::uint64_t hash_of_body(const Graph& body) {
    const auto known = bodies_.find(&body);
    if (known != bodies_.end()) return known->second;
    const std::uint64_t made = content_hasher(anchored(body), options_, owner_, bodies_).run();
    bodies_.emplace(&body, made);
    return made;
  }

  void variable(variable_id id) {
    if (&g_ != &owner_) return;  // of the graph around a body
    const variable_info& v = g_.variable_of(id);
    out_.word(static_cast<std::uint64_t>(v.role) | std::uint64_t{v.trainable} << 8);
    out_.type(v.type);
    if (v.initial.valid()) tensor(v.initial);
    out_.word(v.own_updates.size());
    for (const op_id update : v.own_updates) op(update);
    if (options_.streams) out_.word(v.stream_key);
    if (!options_.values) return;
    const std::shared_lock lock(detail::values_mutex(g_.store()));
    const variable_cell& cell = *g_.store().cell(id);
    out_.word(cell.initialized);
    if (cell.initialized) out_.array(cell.value);
  }

  void collections() {
    std::uint64_t all = 0;
    for (const std::string& name : g_.collections()) {
      if (name == "variables" || name == "trainable_variables") continue;
      content_hash h;
      h.text(name);
      bool any = false;
      for (const member& m : g_.collection(name)) {
        std::uint64_t who = anchored::none;
        if (m.what == member::kind::variable) {
          const auto found = variable_number_.find(m.variable.value);
          if (found != variable_number_.end()) who = found->second;
        } else {
          who = number(m.tensor.op);
        }
        if (who == anchored::none) continue;
        any = true;
        h.word(static_cast<std::uint64_t>(m.what));
        h.word(who);
        h.word(m.what == member::kind::tensor ? m.tensor.output : 0);
      }
      if (any) all += h.value();
    }
    out_.word(all);
  }

  const anchored& a_;
  const Graph& g_;
  const Graph& owner_;
  compare_options options_;
  canonical order_;
  known_bodies& bodies_;
  std::unordered_map<std::uint32_t, std::uint64_t> variable_number_;
  content_hash out_;
};

}  // namespace

std::uint64_t content_hash_of(const Region& region, const compare_options& options) {
  const anchored a(region);
  known_bodies bodies;
  return content_hasher(a, options, a.graph(), bodies).run();
}
std::uint64_t content_hash_of(const Graph& graph, const compare_options& options) {
  const anchored a(graph);
  known_bodies bodies;
  return content_hasher(a, options, graph, bodies).run();
}

bool isomorphic_regions(const Region& a, const Region& b, const compare_options& options) {
  return detail::matcher(anchored(a), anchored(b), options, true).run().same();
}
bool isomorphic_graphs(const Graph& a, const Graph& b, const compare_options& options) {
  return detail::matcher(anchored(a), anchored(b), options, true).run().same();
}

}  // namespace graft
