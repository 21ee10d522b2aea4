// The exceptions that Graft throws. Each is a sentence and the parts it is made of.
#pragma once

#include <stdexcept>
#include <string>

namespace graft {

/// The parts of an error message.
struct error_parts {
  std::string asked;  ///< what was asked: "dense 'logits' multiplies [64, 784] by [128, 10]"
  std::string found;  ///< what was found: "the inner extents 784 and 128 differ"
  std::string where;  ///< node and scope, or file and offset; may be empty
  std::string hint;   ///< what to do
};

/// Base of all exceptions of Graft. What was there before the failing call is there unchanged.
class error : public std::runtime_error {
 public:
  /// what() is made of the parts: "asked; found (where). Hint."
  explicit error(error_parts parts);
  /// The parts, for programs that show them their own way.
  [[nodiscard]] const error_parts& parts() const noexcept { return parts_; }

 private:
  error_parts parts_;
};

/// Shapes that do not fit an operator, a feed or a binding.
class shape_error : public error {
  using error::error;
};
/// Element types that do not fit.
class dtype_error : public error {
  using error::error;
};
/// A size that does not fit in 63 bits or in memory.
class size_error : public error {
  using error::error;
};
/// An argument outside its range: a negative rate, a NaN, an unknown attribute, an axis out of range.
class argument_error : public error {
  using error::error;
};
/// A handle of another graph, of a graph that is gone, or of an op that was removed.
class handle_error : public error {
  using error::error;
};
/// A name that is taken, malformed or not found.
class name_error : public error {
  using error::error;
};
/// A region whose inputs and outputs do not cut it out of its graph.
class boundary_error : public error {
  using error::error;
};
/// A graph that breaks an invariant, or an edit that would (a cycle, two updates of one variable).
class graph_error : public error {
  using error::error;
};
/// A placeholder without a feed, a feed that nothing uses, a feed of the wrong kind.
class feed_error : public error {
  using error::error;
};
/// A variable that is read before it has a value.
class uninitialized_error : public error {
  using error::error;
};
/// An op that no kernel can run, or a tensor that has no gradient.
class unsupported_error : public error {
  using error::error;
};
/// A value that is not a number or outside the range of an index, found while running.
class numeric_error : public error {
  using error::error;
};
/// A file that is missing, truncated, altered or does not match.
class io_error : public error {
  using error::error;
};

}  // namespace graft
