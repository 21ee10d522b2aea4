#include "graft/surgery/diff.hpp"

#include "graph/value_change.hpp"
#include "surgery/matcher.hpp"

namespace graft {

correspondence correspond_regions(const Region& a, const Region& b,
                                  const compare_options& options) {
  return detail::matcher(detail::anchored(a), detail::anchored(b), options, false).run();
}
correspondence correspond_graphs(const Graph& a, const Graph& b, const compare_options& options) {
  return detail::matcher(detail::anchored(a), detail::anchored(b), options, false).run();
}

namespace {

// True for two variables of which only one is trainable, and that differ in nothing else of their own.
bool differs_in_training_only(const Graph& g, const Graph& h, const difference& d) {
  if (d.what != difference_kind::variable || !d.left.valid() || !d.right.valid()) return false;
  const auto x = g.variable_read_by({d.left, 0}), y = h.variable_read_by({d.right, 0});
  if (!x || !y) return false;
  const variable_info &v = g.variable_of(*x), &w = h.variable_of(*y);
  return v.role == w.role && v.type == w.type && v.own_updates.size() == w.own_updates.size();
}

}  // namespace

void copy_values(const Region& source, const Region& target) {
  const correspondence pairs = correspond(source, target);
  Graph &from = source.graph(), &to = target.graph();
  for (const difference& d : pairs.differences) {
    if (differs_in_training_only(from, to, d)) continue;
    throw argument_error({"values were to be copied from one region to another",
                          "they are not the same network: " + d.text,
                          d.left.valid() && from.contains(d.left) ? from.path_of(d.left) : "",
                          "diff() lists all that differs"});
  }
  detail::value_change change({&from.store(), &to.store()});
  for (const auto& [x, y] : pairs.variables) {
    if (!from.store().initialized(x)) {
      throw uninitialized_error({"the value of '" + from.path_of(x) + "' was to be copied",
                                 "the variable has no value yet", from.path_of(x),
                                 "initialise it first"});
    }
    change.set(to.store(), y, from.store().get(x));
  }
  change.write();
}

std::string to_string(const std::vector<difference>& differences) {
  if (differences.empty()) return "no difference\n";
  std::string text;
  for (const difference& d : differences) text += d.text + "\n";
  return text;
}

}  // namespace graft
