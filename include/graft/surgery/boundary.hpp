// The boundary of a region: its inputs and outputs, and what can be wrong with them.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "graft/core/error.hpp"
#include "graft/graph/graph.hpp"
#include "graft/surgery/mirror.hpp"

namespace graft {

/// The tensors at which a region begins, in the order given.
struct input_list {
  std::vector<graph_reference> tensors;  ///< graph_references, repetitions kept
};
/// The tensors at which a region ends, in the order given; one may stand several times.
struct output_list {
  std::vector<graph_reference> tensors;  ///< graph_references, repetitions kept
};

/// Names the inputs of a region: handles, or tuples, arrays, vectors, optionals and mirrored
/// structs of handles.
template <class... Handles>
input_list inputs(const Handles&... handles) {
  input_list list;
  (detail::each_handle(handles, [&](const auto& t) { list.tensors.push_back(t.ref()); }), ...);
  return list;
}

/// Names the outputs of a region, as inputs() does.
template <class... Handles>
output_list outputs(const Handles&... handles) {
  output_list list;
  (detail::each_handle(handles, [&](const auto& t) { list.tensors.push_back(t.ref()); }), ...);
  return list;
}

/// What can be wrong with a boundary.
enum class boundary_fault : std::uint8_t {
  no_outputs,         ///< nothing was asked for
  foreign,            ///< a handle of another graph, or of a graph or an op that is gone
  duplicate_input,    ///< one tensor given twice as input, or as input and with a value
  uncut_source,       ///< an output depends on a placeholder that no input cuts off
  input_not_reached,  ///< no output depends on an input
  input_shadowed,     ///< all paths from an input to the outputs pass through other inputs
  value_not_used,     ///< no output depends on a tensor that was given a value
  reentry,            ///< an input depends, through ops outside the region, on ops inside it
};

/// One thing that is wrong.
struct boundary_finding {
  boundary_fault fault = boundary_fault::uncut_source;  ///< what is wrong
  tensor_id tensor;                                     ///< the source, or the input
  /// uncut_source: from an output down to the source; reentry: from the input down to an op of the
  /// region; input_not_reached: the nearest tensor that is reached, if one was found. Else empty.
  /// An op without outputs stands as its output 0.
  std::vector<tensor_id> path;
  std::string text;  ///< one clause: "output 'logits' <- 'mul' <- placeholder 'mask'"
};

/// Everything that is wrong with a boundary, worst first, then in the order of ids: never in the
/// order of addresses.
struct boundary_problem {
  std::vector<boundary_finding> findings;  ///< at least one
  error_parts parts;                       ///< the sentence that boundary_error carries

  /// What is wrong in the first finding.
  [[nodiscard]] boundary_fault fault() const { return findings.front().fault; }
  /// Throws the sentence as a boundary_error.
  [[noreturn]] void raise() const { throw boundary_error(parts); }
};

/// The sentence, as boundary_error says it.
std::string to_string(const boundary_problem& problem);

/// A value or the reason why there is none.
///
/// (std::expected is C++23.)
template <class Value, class Problem>
class result {
 public:
  /// A value.
  result(Value value) : content_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: either
  /// The reason why there is none.
  result(Problem problem) : content_(std::in_place_index<1>, std::move(problem)) {}  // NOLINT: or

  /// Whether there is a value.
  [[nodiscard]] bool has_value() const { return content_.index() == 0; }
  /// Whether there is a value.
  explicit operator bool() const { return has_value(); }
  /// The value. @throws what the reason says if there is none: boundary_error for a boundary_problem
  [[nodiscard]] const Value& value() const {
    if (!has_value()) std::get<1>(content_).raise();
    return std::get<0>(content_);
  }
  /// The value. @throws as value()
  [[nodiscard]] const Value& operator*() const { return value(); }
  /// The value. @throws as value()
  [[nodiscard]] const Value* operator->() const { return &value(); }
  /// The reason. @throws argument_error if there is a value
  [[nodiscard]] const Problem& error() const {
    if (has_value()) {
      throw argument_error({"the reason for a failure was asked for",
                            "nothing failed: there is a value", "", "ask has_value() first"});
    }
    return std::get<1>(content_);
  }

 private:
  std::variant<Value, Problem> content_;
};

}  // namespace graft
