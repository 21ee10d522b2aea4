#include "graft/graph/update_group.hpp"

#include <algorithm>

#include "graph/foreign_ids.hpp"

namespace graft {

update_group::update_group(const Graph& g, std::vector<op_id> assigns)
    : slot_(g.slot()), generation_(g.slot()->generation), assigns_(std::move(assigns)) {
  for (const op_id op : assigns_) {
    if (!op.may_be_of(g.number())) {
      detail::refuse_foreign("a group of updates was made with " + detail::in_words(op));
    }
  }
}

Graph& update_group::graph() const {
  return target_traits<Graph>::target_of(graph_reference{slot_, generation_, {}});
}

update_group operator+(update_group a, const update_group& b) {
  if (a.slot_ == nullptr) return b;
  if (b.slot_ == nullptr) return a;
  if (a.slot_ != b.slot_ || a.generation_ != b.generation_) {
    throw handle_error({"two groups of updates were joined", "they belong to different graphs", "",
                        "run each in a session of its own graph"});
  }
  for (const op_id op : b.assigns_) {
    if (std::find(a.assigns_.begin(), a.assigns_.end(), op) == a.assigns_.end())
      a.assigns_.push_back(op);
  }
  return a;
}

}  // namespace graft
