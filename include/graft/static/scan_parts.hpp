// What a scan of a table is made of, for the static executor.
#pragma once

#include "graft/static/kinds.hpp"

namespace graft::fixed {

inline constexpr std::uint32_t nothing = 0xffffffffu;

/// How the operands, outputs and body of a scan are divided.
struct scan_parts {
  std::uint32_t states = 0, sequences = 0;
  std::uint32_t stacked = 0;  ///< outputs after the states; traces come after them
  std::uint32_t body = 0;
  std::uint32_t results = nothing;  ///< the op that ends the body
  bool reverse = false;

  template <class Table>
  static constexpr scan_parts of(const Table& t, const table_op& op) {
    scan_parts s;
    s.states = static_cast<std::uint32_t>(t.integer_of(op, "states"));
    s.sequences = static_cast<std::uint32_t>(t.integer_of(op, "sequences"));
    s.body = static_cast<std::uint32_t>(t.integer_of(op, "body"));
    s.reverse = t.integer_of(op, "reverse") != 0;
    for (const table_step& step : t.steps) {
      if (step.what == table_step::kind::close_body && step.index == s.body)
        s.results = step.second;
    }
    s.stacked = t.ops[s.results].operands.count - s.states;
    return s;
  }
  [[nodiscard]] constexpr std::uint32_t arguments() const { return states + sequences; }
};

/// The value of a body's input of that number: the states, an element of each sequence, then what comes from outside.
template <class Table>
constexpr std::uint32_t body_input(const Table& t, std::uint32_t body, std::uint32_t number) {
  for (const table_op& op : t.ops) {
    if (op.body == body && op.schema->name == ops::captured.name &&
        t.integer_of(op, "capture") == number) {
      return op.outputs.first;
    }
  }
  return nothing;
}

}  // namespace graft::fixed
