// A hash of what a graph says, whatever its addresses, ids and storage.
#include <algorithm>
#include <bit>
#include <cstring>
#include <mutex>

#include "graft/schema/core_operators.hpp"

#include "graph/building.hpp"

namespace graft {

namespace {

class hasher {
 public:
  void word(std::uint64_t w) {
    h_ = (h_ ^ w) * 0x9fb21c651e98df25ull;
    h_ ^= h_ >> 35;
  }
  void bytes(const void* data, std::size_t size) {
    const auto* at = static_cast<const unsigned char*>(data);
    for (; size >= 8; size -= 8, at += 8) {
      std::uint64_t w;
      std::memcpy(&w, at, 8);
      word(w);
    }
    std::uint64_t rest = 0;
    if (size != 0) std::memcpy(&rest, at, size);
    word(rest ^ std::uint64_t{size} << 56);
  }
  void text(std::string_view s) {
    word(s.size());
    bytes(s.data(), s.size());
  }
  // Names too long to pack are numbered in the order they came: the name itself is the same
  // everywhere.
  void shape(std::span<const extent> extents) {
    word(extents.size());
    for (const extent e : extents) {
      if (-(e + 2) >= detail::interned_names) {
        text(dim_name(e));
      } else {
        word(static_cast<std::uint64_t>(e));
      }
    }
  }
  void array(const Array& a) {
    word(static_cast<std::uint64_t>(a.type()));
    shape(a.shape());
    bytes(a.data(), a.bytes());
  }
  [[nodiscard]] std::uint64_t value() const { return h_ ^ h_ >> 28; }

 private:
  std::uint64_t h_ = 0x2545f4914f6cdd1dull;
};

class digester {
 public:
  explicit digester(const Graph& g) : g_(g), t_(g.data()), scopes_(t_.scopes.size()) {}

  std::uint64_t run() {
    for (std::uint32_t s = 1; s < t_.scopes.size(); ++s) {  // parents come first
      hasher h;
      h.word(scopes_[t_.scopes[s].parent]);
      h.text(t_.strings[t_.scopes[s].name]);
      h.word(t_.scopes[s].ordinal);
      scopes_[s] = h.value();
    }
    out_.word(t_.ops.size());
    for (std::uint32_t i = 0; i < t_.ops.size(); ++i) op(i);
    for (const variable_info& v : t_.variables) {
      if (v.id.valid()) variable(v);
    }
    for (const auto& [key, id] : t_.shared_keys) {
      out_.text(key);
      out_.word(number(id));
    }
    collections();
    return out_.value();
  }

 private:
  // Place among the variables that are there, as removed ones leave no trace.
  std::uint64_t number(variable_id id) {
    if (numbers_.empty()) {
      std::uint64_t next = 0;
      for (const variable_info& v : t_.variables) numbers_.push_back(v.id.valid() ? next++ : no_id);
    }
    return id.value < numbers_.size() ? numbers_[id.value] : no_id;
  }

  void tensor(tensor_id t) { out_.word(std::uint64_t{t_.index(t.op)} << 32 | t.output); }

  void op(std::uint32_t i) {
    const Graph::tables::op_record& r = t_.ops[i];
    out_.text(r.schema->name);
    out_.word(scopes_[r.scope]);
    out_.text(t_.strings[r.name]);
    out_.word(r.ordinal);
    for (const Graph::tables::edge& e : t_.operands_of(i)) {
      out_.word(std::uint64_t{e.producer} << 32 | e.output);
    }
    out_.word(r.operand_count);
    for (std::uint32_t k = 0; k < r.output_count; ++k) {
      const Graph::tables::output_record& o = t_.output(i, k);
      out_.word(static_cast<std::uint64_t>(o.type) | static_cast<std::uint64_t>(o.kind) << 8 |
                std::uint64_t{o.ranked} << 16);
      out_.shape(t_.extents_of(o));
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
    hasher h;
    h.text(a.key);
    h.word(static_cast<std::uint64_t>(a.kind));
    switch (a.kind) {
      case attribute_kind::integer:
      case attribute_kind::type:
        h.word(static_cast<std::uint64_t>(a.integer));
        break;
      case attribute_kind::real:
        h.word(std::bit_cast<std::uint64_t>(a.real));
        break;
      case attribute_kind::integers:
        h.shape(a.integers);
        break;
      case attribute_kind::string:
        h.text(a.string);
        break;
      case attribute_kind::constant:
        h.array(g_.constant(a.integer));
        break;
      case attribute_kind::variable:
        h.word(number({static_cast<std::uint32_t>(a.integer)}));
        break;
      case attribute_kind::body:
        h.word(g_.body(a.integer).digest());
        break;
    }
    return h.value();
  }

  void variable(const variable_info& v) {
    out_.word(static_cast<std::uint64_t>(v.role) | std::uint64_t{v.trainable} << 8 |
              static_cast<std::uint64_t>(v.type.type) << 16);
    out_.shape(v.type.shape);
    tensor(v.read);
    tensor(v.initial);
    for (const op_id u : v.own_updates) out_.word(t_.index(u));
    out_.word(v.stream_key);
    const std::shared_lock lock(t_.store->mutex());
    const variable_cell& cell = *t_.store->cell(v.id);
    out_.word(cell.initialized);
    if (cell.initialized) out_.array(cell.value);
  }

  void collections() {
    std::uint64_t all = 0;
    for (const Graph::tables::named_collection& c : t_.collections) {
      if (c.members.empty()) continue;
      hasher h;
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
  std::vector<std::uint64_t> scopes_;
  std::vector<std::uint64_t> numbers_;
  hasher out_;
};

}  // namespace

std::uint64_t Graph::digest() const { return digester(*this).run(); }

}  // namespace graft
