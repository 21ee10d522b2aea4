#include "runtime/call_ops.hpp"

#include <algorithm>
#include <queue>

#include "graft/core/error.hpp"

#include "graph/building.hpp"
#include "runtime/run.hpp"

namespace graft::detail {

call_ops::call_ops(const Graph& g, const plan_request& request)
    : g_(g),
      t_(g.data()),
      r_(request),
      next_feed_(request.feeds.size(), no_id),
      fed_used_(request.feeds.size(), false) {
  for (std::uint32_t i = 0; i < r_.feeds.size(); ++i) {
    const std::uint32_t index = t_.index(r_.feeds[i].tensor);
    if (const std::uint32_t* first = first_feed_.find(index)) next_feed_[i] = *first;
    first_feed_.set(index, i);
  }
  collect();
  if (!r_.unused_feeds) refuse_unused_feeds();
}

std::uint32_t call_ops::feed_of(std::uint32_t index, std::uint32_t output) const {
  const std::uint32_t* first = first_feed_.find(index);
  std::uint32_t feed = first == nullptr ? no_id : *first;
  while (feed != no_id && r_.feeds[feed].tensor.output != output) feed = next_feed_[feed];
  return feed;
}

call_ops::edge call_ops::source_of(tensor_id t) const {
  const std::uint32_t index = t_.index(t), feed = feed_of(index, t.output);
  return feed != no_id ? edge{no_id, feed} : edge{*node_of_.find(index), t.output};
}

// Of a node that is there only for its shapes, whether the graph knows them already.
bool call_ops::known_without_operands(const node& n) const {
  if (n.value) return false;
  for (std::uint32_t o = 0; o < t_.ops[n.index].output_count; ++o) {
    if (!settled(t_.type_of(n.index, o))) return false;
  }
  return true;
}

std::uint32_t call_ops::demand_op(std::uint32_t index, bool value, std::uint32_t by) {
  if (const std::uint32_t* known = node_of_.find(index)) {
    node& n = nodes_[*known];
    if (value && !n.value) {
      n.value = true;
      n.asked_by = by;
      open_.push_back(*known);
    }
    return *known;
  }
  const auto place = static_cast<std::uint32_t>(nodes_.size());
  node_of_.set(index, place);
  nodes_.push_back({});
  nodes_.back().index = index;
  nodes_.back().asked_by = by;
  nodes_.back().value = value;
  open_.push_back(place);
  return place;
}

call_ops::edge call_ops::demand(std::uint32_t index, std::uint32_t output, bool value,
                                std::uint32_t by) {
  if (const std::uint32_t feed = feed_of(index, output); feed != no_id) {
    fed_used_[feed] = true;
    return {no_id, feed};
  }
  return {demand_op(index, value, by), output};
}

void call_ops::collect() {
  for (const tensor_id t : r_.fetches) demand(t_.index(t), t.output, true, no_id);
  for (const op_id op : r_.updates) demand_op(t_.index(op), true, no_id);
  while (!open_.empty()) {
    const std::uint32_t at = open_.back();
    open_.pop_back();
    node n = nodes_[at];  // a copy: demand() may move the nodes
    n.first_edge = static_cast<std::uint32_t>(edges_.size());
    n.operands = n.controls = 0;
    n.as_known = known_without_operands(n);
    if (!n.as_known) {
      const operator_schema& schema = *t_.ops[n.index].schema;
      for (const Graph::tables::edge& e : t_.operands_of(n.index)) {
        const bool value = n.value && !reads_shape_only(schema, n.operands);
        edges_.push_back(demand(e.producer, e.output, value, at));
        ++n.operands;
      }
    }
    for (std::uint32_t c = t_.ops[n.index].control_in; n.value && c != none;
         c = t_.controls[c].next_in) {
      const std::uint32_t before = demand_op(t_.controls[c].before, true, at);
      nodes_[before].tied = n.tied = true;
      edges_.push_back({before, 0});
      ++n.controls;
    }
    node& done = nodes_[at];
    n.tied = n.tied || done.tied;
    done = n;
  }
}

void call_ops::refuse_unused_feeds() const {
  const auto unused = std::find(fed_used_.begin(), fed_used_.end(), false);
  if (unused == fed_used_.end()) return;
  const auto& feed = r_.feeds[static_cast<std::size_t>(unused - fed_used_.begin())];
  const std::string path = g_.path_of(feed.tensor), needed = unfed_sources();
  throw feed_error({"'" + path + "' was fed", "nothing that was asked for needs it",
                    declared(g_, feed.tensor.op),
                    needed.empty()
                        ? "leave the feed out, or feed the tensor that what is fetched depends on"
                        : "what is asked for needs " + needed + " instead"});
}

// The placeholders that are needed and not fed, for a sentence: 'x2', 'mask'.
std::string call_ops::unfed_sources() const {
  std::string list;
  int count = 0;
  for (const node& n : nodes_) {
    const Graph::tables::op_record& op = t_.ops[n.index];
    const bool open = op.schema->has(ops::source) && op.operand_count == 0 && !t_.marked(op);
    if (!open || feed_of(n.index, 0) != no_id) continue;
    if (++count > 3) return list + ", ...";
    list += (list.empty() ? "'" : ", '") + g_.path_of(t_.id(n.index)) + "'";
  }
  return list;
}

std::vector<std::uint32_t> call_ops::in_order() const {
  std::vector<std::uint32_t> order(nodes_.size());
  for (std::uint32_t n = 0; n < order.size(); ++n) order[n] = n;
  const auto earlier = [&](std::uint32_t a, std::uint32_t b) {
    return nodes_[a].index < nodes_[b].index;
  };
  if (t_.ordered) {
    std::sort(order.begin(), order.end(), earlier);
    return order;
  }
  // Kahn's algorithm, the op stored first of those that are ready.
  const auto for_each_before = [&](const node& n, auto&& f) {
    for (const edge& e : std::span(edges_).subspan(n.first_edge, n.operands + n.controls)) {
      if (e.node != no_id) f(e.node);
    }
  };
  std::vector<std::uint32_t> waits(nodes_.size(), 0), first(nodes_.size() + 1, 0);
  for (std::uint32_t n = 0; n < nodes_.size(); ++n) {
    for_each_before(nodes_[n], [&](std::uint32_t before) { ++waits[n], ++first[before + 1]; });
  }
  for (std::size_t n = 0; n < nodes_.size(); ++n) first[n + 1] += first[n];
  std::vector<std::uint32_t> after(first.back()), filled(first.begin(), first.end() - 1);
  for (std::uint32_t n = 0; n < nodes_.size(); ++n) {
    for_each_before(nodes_[n], [&](std::uint32_t before) { after[filled[before]++] = n; });
  }
  const auto later = [&](std::uint32_t a, std::uint32_t b) { return earlier(b, a); };
  std::priority_queue<std::uint32_t, std::vector<std::uint32_t>, decltype(later)> ready(later);
  for (std::uint32_t n = 0; n < nodes_.size(); ++n) {
    if (waits[n] == 0) ready.push(n);
  }
  order.clear();
  while (!ready.empty()) {
    const std::uint32_t n = ready.top();
    ready.pop();
    order.push_back(n);
    for (std::uint32_t i = first[n]; i < first[n + 1]; ++i) {
      if (--waits[after[i]] == 0) ready.push(after[i]);
    }
  }
  return order;
}

}  // namespace graft::detail
