// Ops that are made on behalf of others: gradients, optimiser steps.
#pragma once

#include <optional>

#include "graft/graph/tables.hpp"

namespace graft::detail {

/// While it lives, what is added to a graph is said to stand where the program declared what it is made for: lines of
/// the library tell a program's author nothing.
class placed_at {
 public:
  placed_at(Graph& g, std::optional<source_line> line)
      : tables_(g.data()), before_(tables_.placed) {
    tables_.placed = line;
  }
  ~placed_at() { tables_.placed = before_; }
  placed_at(const placed_at&) = delete;
  placed_at& operator=(const placed_at&) = delete;

 private:
  Graph::tables& tables_;
  const std::optional<source_line> before_;
};

}  // namespace graft::detail
