// A program's own functions, called while a graph is being changed.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "graft/core/error.hpp"
#include "graft/core/small_vector.hpp"
#include "graft/graph/graph.hpp"
#include "graft/graph/tables.hpp"

namespace graft::detail {

/// Has a graph in a scope while a function of the program's adds to it, and afterwards in the scopes and the mode that
/// it had, whatever the function entered or threw.
class callback_scope {
 public:
  callback_scope(Graph& g, scope_id s)
      : tables_(g.data()),
        before_(tables_.scope_stack.begin(), tables_.scope_stack.end()),
        mode_(tables_.current),
        in_body_(tables_.open_body != nullptr) {
    g.reenter_scope(s);
  }
  ~callback_scope() {
    tables_.scope_stack.assign(before_.begin(), before_.end());  // there was room for them
    tables_.current = mode_;
  }
  callback_scope(const callback_scope&) = delete;
  callback_scope& operator=(const callback_scope&) = delete;

  /// To be called when the function has returned. Scopes that it entered do no harm; it may not leave those that were
  /// entered before, as their ops may be gone with them.
  /// @param words gives what the function was asked and where, for the message
  /// @throws graph_error where it left such a scope, or left a body open
  template <class Words>
  void check(Words&& words) const {
    const std::vector<std::uint32_t>& now = tables_.scope_stack;
    if (now.size() <= before_.size() || !std::equal(before_.begin(), before_.end(), now.begin())) {
      const auto [asked, where] = words();
      throw graph_error({asked, "it left a scope that it had not entered", where,
                         "leave as many scopes as you enter, best by a scope guard"});
    }
    if (!in_body_ && tables_.open_body != nullptr) {
      const auto [asked, where] = words();
      throw graph_error({asked, "it left a body open", where,
                         "close what open_body() opened by close_body() or abandon_body()"});
    }
  }

 private:
  Graph::tables& tables_;
  small_vector<std::uint32_t, 8> before_;
  const mode mode_;
  const bool in_body_;
};

}  // namespace graft::detail
