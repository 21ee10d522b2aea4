#include "runtime/call_graph.hpp"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "graft/ops/dropout.hpp"
#include "graft/schema/core_operators.hpp"

#include "graph/building.hpp"
#include "runtime/call_ops.hpp"
#include "runtime/forms.hpp"

namespace graft::detail {
namespace {

// Constants that results are computed from while planning are in the key by content up to this
// size, larger ones by storage.
constexpr std::size_t content_bytes = 256;

constexpr unsigned impure = ops::random | ops::update | ops::effect;

// A source of a program's own may give something else each time.
bool is_unknown_source(const operator_schema& schema) {
  return schema.has(ops::source) && !is_operator(schema, ops::constant) &&
         !is_operator(schema, ops::variable) && !is_operator(schema, ops::captured);
}

// Whether running a body twice may be something else than running it once.
class body_purity {
 public:
  bool operator()(const Graph& body) {
    const auto [known, fresh] = known_.try_emplace(&body, true);
    if (!fresh) return known->second;
    const Graph::tables& t = body.data();
    bool pure = true;
    for (std::uint32_t i = 0; pure && i < t.ops.size(); ++i) {
      const Graph::tables::op_record& op = t.ops[i];
      pure = (op.schema->traits & impure) == 0 && !is_unknown_source(*op.schema);
      if (!op.schema->has(ops::bodies)) continue;
      for (const stored_attribute& a : t.stored(op)) {
        if (pure && a.kind == attribute_kind::body) pure = (*this)(body.body(a.integer));
      }
    }
    return known_[&body] = pure;
  }

 private:
  std::unordered_map<const Graph*, bool> known_;
};

class numbering {
 public:
  numbering(const Graph& g, const plan_request& request)
      : g_(g),
        t_(g.data()),
        r_(request),
        found_(g, request),
        key_name_(t_.strings.find("key")),
        number_of_(found_.nodes().size(), no_id),
        feed_value_(request.feeds.size(), no_id) {}

  call_graph make() {
    const std::vector<std::uint32_t> order = found_.in_order();
    find_told(order);
    reserve();
    word(std::uint64_t{r_.check_numerics} << 32 | r_.feeds.size());
    word(forms_registered());
    next_value_ = static_cast<std::uint32_t>(r_.feeds.size());
    // What has no operands comes before its first reader, wherever it is stored: variables may be
    // older than the ops, or younger.
    for (const std::uint32_t n : order) {
      if (!floats(found_.nodes()[n])) number(n);
    }
    for (const tensor_id t : r_.fetches) c_.fetches.push_back(value_of(found_.source_of(t)));
    for (const std::uint32_t n : order) {
      if (number_of_[n] == no_id) number(n);
    }
    for (std::uint32_t f = 0; f < r_.feeds.size(); ++f) feed_value(f);
    close();
    return std::move(c_);
  }

 private:
  using node = call_ops::node;

  void word(std::uint64_t w) { c_.key.push_back(w); }
  void words(const void* data, std::size_t bytes) {
    const std::size_t first = c_.key.size();
    c_.key.resize(first + (bytes + 7) / 8, 0);
    if (bytes != 0) std::memcpy(c_.key.data() + first, data, bytes);
  }

  void reserve() {
    const std::size_t count = found_.nodes().size();
    c_.ops.reserve(count);
    c_.stamps.reserve(count + r_.feeds.size());
    c_.operands.reserve(2 * count);
    c_.key.reserve(12 * count);
    words_of_.reserve(count + 1);
    std::size_t size = 16;
    while (size < 2 * count) size *= 2;
    table_.assign(size, no_id);
  }

  [[nodiscard]] const operator_schema& schema_of(const node& n) const {
    return *t_.ops[n.index].schema;
  }
  [[nodiscard]] bool floats(const node& n) const {
    return t_.ops[n.index].operand_count == 0 && !n.tied && !schema_of(n).has(ops::effect) &&
           !schema_of(n).has(ops::update);
  }
  // The number that makes clones draw on their own is in an attribute of such ops.
  static bool draws_by_key(const operator_schema& schema) {
    return schema.has(ops::random) || is_operator(schema, ops::stream);
  }

  // --- Constants that a plan computes with, so that they are part of the key

  void find_told(const std::vector<std::uint32_t>& order) {
    struct state {
      bool fixed = false;           // the same in every run, as far as is known here
      std::uint32_t under = no_id;  // the constant that a result is a view of
    };
    std::vector<state> states(order.size());
    told_.assign(order.size(), false);
    for (const std::uint32_t at : order) {
      const node& n = found_.nodes()[at];
      const operator_schema& schema = schema_of(n);
      if (!n.value || schema.has(ops::bodies) || schema.has(ops::source) ||
          (schema.traits & impure) != 0 || draws_by_key(schema)) {
        continue;
      }
      const auto operands = found_.operands_of(n);
      const auto for_each_read = [&](auto&& f) {
        for (std::uint32_t k = 0; k < operands.size(); ++k) {
          if (!reads_shape_only(schema, k)) f(operands[k].node);
        }
      };
      state& mine = states[at];
      mine.fixed = true;
      for_each_read([&](std::uint32_t from) {
        mine.fixed = mine.fixed && from != no_id && states[from].fixed;
      });
      if (!mine.fixed) continue;
      if (is_operator(schema, ops::constant)) {
        mine.under = at;
      } else if (schema.has(ops::view) && !operands.empty() && operands[0].node != no_id) {
        mine.under = states[operands[0].node].under;
      } else {
        for_each_read([&](std::uint32_t from) {
          if (states[from].under != no_id) told_[states[from].under] = true;
        });
      }
    }
  }

  // --- Values

  std::uint32_t feed_value(std::uint32_t feed) {
    if (feed_value_[feed] == no_id) {
      feed_value_[feed] = static_cast<std::uint32_t>(c_.feeds.size());
      c_.feeds.push_back(feed);
    }
    return feed_value_[feed];
  }
  std::uint32_t value_of(const call_ops::edge& e) {
    if (e.node == no_id) return feed_value(e.output);
    if (number_of_[e.node] == no_id) number(e.node);
    return c_.ops[number_of_[e.node]].first_value + e.output;
  }

  // --- Ops

  void number(std::uint32_t at) {
    const node& n = found_.nodes()[at];
    call_op op;
    op.index = n.index;
    op.value = n.value;
    op.tied = n.tied;
    op.as_known = n.as_known || schema_of(n).has(ops::source);
    op.first_operand = static_cast<std::uint32_t>(c_.operands.size());
    op.operands = n.operands;
    for (const call_ops::edge& e : found_.operands_of(n)) {
      const std::uint32_t value = value_of(e);  // may number an op without operands
      c_.operands.push_back(value);
    }
    op.first_before = static_cast<std::uint32_t>(c_.before.size());
    op.before = n.controls;
    for (const call_ops::edge& e : found_.controls_of(n)) c_.before.push_back(number_of_[e.node]);
    std::sort(c_.before.begin() + op.first_before, c_.before.end());

    const std::size_t start = c_.key.size();
    describe(at, op);
    c_.stamps.push_back({t_.id(n.index), t_.ops[n.index].stamp});
    const std::uint32_t equal = equal_to(n, op, start);
    if (equal != no_id) {
      number_of_[at] = equal;
      c_.merged.push_back({equal, t_.id(n.index)});
      c_.key.resize(start);
      c_.operands.resize(op.first_operand);
      return;
    }
    number_of_[at] = static_cast<std::uint32_t>(c_.ops.size());
    node_of_.push_back(at);
    op.first_value = next_value_;
    next_value_ += t_.ops[n.index].output_count;
    c_.ops.push_back(op);
  }

  // Appends the words that say what the op is.
  void describe(std::uint32_t at, call_op& op) {
    const node& n = found_.nodes()[at];
    const Graph::tables::op_record& r = t_.ops[n.index];
    const bool fed = found_.is_fed(n.index);
    word(reinterpret_cast<std::uintptr_t>(r.schema));
    word(std::uint64_t{r.output_count} << 32 | std::uint64_t{n.operands} << 8 |
         std::uint64_t{fed} << 3 | std::uint64_t{op.as_known} << 2 | std::uint64_t{op.tied} << 1 |
         std::uint64_t{op.value});
    const auto attributes = t_.stored(r);
    word(std::uint64_t{attributes.size()} << 32 | op.before);
    for (const stored_attribute& a : attributes) describe(at, a, op);
    const auto operands = std::span(c_.operands).subspan(op.first_operand);
    for (const std::uint32_t value : operands) word(value);
    for (const std::uint32_t before : std::span(c_.before).subspan(op.first_before)) word(before);
    if (op.as_known) {
      for (std::uint32_t o = 0; o < r.output_count; ++o) {
        const Graph::tables::output_record& type = t_.output(n.index, o);
        word(std::uint64_t{type.rank} << 32 | std::uint64_t{type.ranked} << 16 |
             static_cast<std::uint64_t>(type.kind) << 8 | static_cast<std::uint64_t>(type.type));
        for (const extent e : t_.extents_of(type)) word(static_cast<std::uint64_t>(e));
      }
    }
    for (std::uint32_t o = 0; fed && o < r.output_count; ++o) {
      word(found_.is_fed(n.index, o));
    }
  }

  void describe(std::uint32_t at, const stored_attribute& a, call_op& op) {
    const operator_schema& schema = *t_.ops[op.index].schema;
    word(std::uint64_t{a.key} << 8 | static_cast<std::uint64_t>(a.kind));
    switch (a.kind) {
      case attribute_kind::integer:
        if (a.key == key_name_ && draws_by_key(schema)) {
          op.own = true;
          return;
        }
        break;
      case attribute_kind::integers: {
        const auto integers = t_.attributes.integers_of(a);
        word(integers.size());
        words(integers.data(), integers.size_bytes());
        return;
      }
      case attribute_kind::variable:
        if (!op.value) return;
        if (!is_operator(schema, ops::variable) && !schema.has(ops::update)) {
          word(t_.id(op.index).value);  // numbers of what was undone are given again, ids are not
          break;
        }
        describe_variable(t_.variable(a.integer), op);
        return;
      case attribute_kind::constant:
        if (!op.value) return;
        if (!is_operator(schema, ops::constant)) {
          word(t_.id(op.index).value);
          break;
        }
        describe_constant(g_.constant(a.integer), told_[at], op);
        return;
      case attribute_kind::body: {
        const std::shared_ptr<const Graph>& body = t_.bodies[static_cast<std::size_t>(a.integer)];
        c_.bodies.push_back(body);
        word(reinterpret_cast<std::uintptr_t>(body.get()));
        return;
      }
      default:
        break;
    }
    word(static_cast<std::uint64_t>(a.integer));
  }

  void describe_variable(variable_id v, call_op& op) {
    const variable_cell* cell = g_.store().cell(v).get();
    const auto [known, fresh] =
        variables_.try_emplace(cell, static_cast<std::uint32_t>(c_.variables.size()));
    if (fresh) c_.variables.emplace_back();
    variable_ids& ids = c_.variables[known->second];
    if (std::find(ids.begin(), ids.end(), v) == ids.end()) ids.push_back(v);
    op.slot = known->second;
    word(op.slot);
    if (op.as_known) return;  // then its type follows
    const value_type& type = g_.variable_of(v).type;
    word(std::uint64_t{type.shape.size()} << 8 | static_cast<std::uint64_t>(type.type));
    for (const extent e : type.shape) word(static_cast<std::uint64_t>(e));
  }

  void describe_constant(const Array& value, bool told, call_op& op) {
    if (value.size() == 1 || (told && value.bytes() <= content_bytes)) {
      word(0);
      words(value.data(), value.bytes());
    } else if (told) {
      word(1);
      word(reinterpret_cast<std::uintptr_t>(value.data()));
    } else {
      word(2);
      op.slot = place_of(value);
      word(op.slot);
    }
  }
  std::uint32_t place_of(const Array& value) {
    const auto [known, fresh] =
        constants_.try_emplace(value.data(), static_cast<std::uint32_t>(c_.constants.size()));
    if (!fresh) {
      const Array& first = c_.constants[known->second];
      if (first.type() == value.type() && first.shape() == value.shape()) return known->second;
    }
    c_.constants.push_back(value);
    return static_cast<std::uint32_t>(c_.constants.size() - 1);
  }

  // --- Equal ops

  [[nodiscard]] bool may_merge(const node& n, const call_op& op) {
    const operator_schema& schema = schema_of(n);
    if ((schema.traits & impure) != 0 || op.tied || op.own || found_.is_fed(n.index) ||
        (schema.has(ops::source) && !is_operator(schema, ops::variable))) {
      return false;
    }
    if (!schema.has(ops::bodies)) return true;
    const auto attributes = t_.stored(t_.ops[n.index]);
    return std::all_of(attributes.begin(), attributes.end(), [&](const stored_attribute& a) {
      return a.kind != attribute_kind::body || pure_(g_.body(a.integer));
    });
  }

  // The op whose words are those from `start` on, or no_id: then the new one will be found by them.
  std::uint32_t equal_to(const node& n, const call_op& op, std::size_t start) {
    words_of_.push_back(start);
    if (!may_merge(n, op)) return no_id;
    const auto mine = std::span(c_.key).subspan(start);
    const std::size_t mask = table_.size() - 1;
    for (std::size_t at = hash_of(mine) & mask;; at = (at + 1) & mask) {
      std::uint32_t& entry = table_[at];
      if (entry == no_id) {
        entry = static_cast<std::uint32_t>(c_.ops.size());
        return no_id;
      }
      const std::size_t first = words_of_[entry], last = words_of_[entry + 1];
      if (std::ranges::equal(mine, std::span(c_.key).subspan(first, last - first))) {
        words_of_.pop_back();
        return entry;
      }
    }
  }

  // --- The end

  void close() {
    word(0);  // no schema: the ops are complete
    for (const std::uint32_t f : c_.feeds) {
      word(std::uint64_t{r_.feeds[f].shape.size()} << 8 |
           static_cast<std::uint64_t>(r_.feeds[f].type));
      for (const extent e : r_.feeds[f].shape) word(static_cast<std::uint64_t>(e));
    }
    for (const std::uint32_t value : c_.fetches) word(value);
    c_.read.assign(next_value_, false);
    for (std::size_t n = 0; n < c_.ops.size(); ++n) {
      call_op& op = c_.ops[n];
      const std::uint32_t by = found_.nodes()[node_of_[n]].asked_by;
      if (by != no_id) op.asked_by = number_of_[by];
      for (std::uint32_t k = 0; op.value && k < op.operands; ++k) {
        if (reads_shape_only(*t_.ops[op.index].schema, k)) continue;
        c_.read[c_.operands[op.first_operand + k]] = true;
      }
    }
    for (const std::uint32_t value : c_.fetches) c_.read[value] = true;
    for (const fed_tensor& f : r_.feeds)
      c_.stamps.push_back({f.tensor.op, g_.edit_stamp(f.tensor.op)});
  }

  const Graph& g_;
  const Graph::tables& t_;
  const plan_request& r_;
  const call_ops found_;
  const std::uint32_t key_name_;  // of the text "key"
  call_graph c_;
  std::vector<bool> told_;                 // by node
  std::vector<std::uint32_t> number_of_;   // by node
  std::vector<std::uint32_t> node_of_;     // by number
  std::vector<std::uint32_t> feed_value_;  // by place in the request
  std::vector<std::size_t> words_of_;      // by number: where its words begin
  std::vector<std::uint32_t> table_;       // numbers by hash; the size is a power of two
  std::uint32_t next_value_ = 0;
  std::unordered_map<const variable_cell*, std::uint32_t> variables_;
  std::unordered_map<const void*, std::uint32_t> constants_;
  body_purity pure_;
};

}  // namespace

call_graph make_call_graph(const Graph& g, const plan_request& request) {
  return numbering(g, request).make();
}

}  // namespace graft::detail
