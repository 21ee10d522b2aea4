#include "graft/report/surgery_drawing.hpp"

#include <algorithm>

namespace graft {
namespace {

// Reads of shared variables stand in both groups, so that they are drawn as shared.
void add_shared_reads(const Graph& g, const Clone& clone, drawing& what) {
  for (const variable_id v : clone.origin().variables()) {
    const auto image = clone.find(v);
    if (!image || *image != v) continue;
    auto& ops = what.groups[1].ops;
    const op_id read = g.variable_of(v).read.op;
    if (std::find(ops.begin(), ops.end(), read) == ops.end()) ops.push_back(read);
  }
}

}  // namespace

drawing draw(const Region& region) {
  drawing what;
  what.groups.push_back({"region", region.nodes()});
  what.inputs = region.inputs();
  what.outputs = region.outputs();
  for (const tensor_id t : region.inputs()) {
    auto& ops = what.groups[0].ops;
    if (std::find(ops.begin(), ops.end(), t.op) == ops.end()) ops.push_back(t.op);
  }
  return what;
}

drawing draw(const Region& region, const Clone& clone) {
  if (&region.graph() != &clone.graph()) {
    drawing what;
    what.groups.push_back({"clone", clone.nodes()});
    what.inputs = clone.inputs();
    what.outputs = clone.outputs();
    return what;
  }
  drawing what = draw(region);
  what.groups[0].title = "original";
  what.groups.push_back({"clone", clone.nodes()});
  for (const tensor_id t : clone.inputs()) {
    what.inputs.push_back(t);
    auto& ops = what.groups[1].ops;
    if (std::find(ops.begin(), ops.end(), t.op) == ops.end()) ops.push_back(t.op);
  }
  for (const tensor_id t : clone.outputs()) what.outputs.push_back(t);
  add_shared_reads(region.graph(), clone, what);
  for (const op_id op : region.nodes()) {
    const auto copy = clone.find(op);
    if (copy && *copy != op) what.copies.emplace_back(*copy, op);
  }
  return what;
}

std::string dot(const Region& region) { return dot(region.graph(), draw(region)); }
std::string dot(const Region& region, const Clone& clone) {
  return dot(clone.graph(), draw(region, clone));
}
std::string svg(const Region& region) { return svg(region.graph(), draw(region)); }
std::string svg(const Region& region, const Clone& clone) {
  return svg(clone.graph(), draw(region, clone));
}

}  // namespace graft
