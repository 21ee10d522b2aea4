// Structural patterns: what a piece of a graph looks like, and where it occurs.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "graft/core/callable.hpp"
#include "graft/core/name_view.hpp"
#include "graft/surgery/select.hpp"

namespace graft {

namespace detail {
struct pattern_node;
struct pattern_access;
}  // namespace detail

/// What a tensor may look like: any tensor, a number, or the output of an operator whose operands look
/// like patterns in turn. Made by the functions of namespace patterns.
///
/// A pattern is a value; copies of it are the same node, and one node stands for one tensor however
/// often it occurs: with `auto x = patterns::any();`, `op(ops::sub, x, x)` matches `h - h` and not
/// `h - k`. The functions below return a changed pattern, which is a node of its own.
class pattern {
 public:
  /// Asked of the tensor: its graph and its id.
  using predicate = callable<bool(const Graph&, tensor_id)>;

  /// Gives the tensor a name, under which a match knows it; equal names stand for one tensor.
  [[nodiscard]] pattern as(name_view name) const;

  /// The element type. (`float32`, ...)
  [[nodiscard]] pattern typed(dtype type) const;
  /// The rank; a tensor of unknown rank does not match.
  [[nodiscard]] pattern ranked(std::size_t rank) const;
  /// The shape; dyn stands for any extent, known or not.
  [[nodiscard]] pattern shaped(const dims& shape) const;
  /// Whatever else can be asked of the tensor. @param holds may be asked several times
  [[nodiscard]] pattern where(predicate holds) const;
  /// The same of the op that makes it: `within_scope("encoder")`, `!matching("^head/")`.
  [[nodiscard]] pattern where(op_filter makers) const;

  // Its surroundings, inside the match and outside, inside a region and outside.
  /// The number of operands that are the tensor: an op that takes it twice counts twice.
  [[nodiscard]] pattern uses(std::size_t count) const;
  /// An op that the filter accepts takes the tensor.
  [[nodiscard]] pattern used_by(op_filter user) const;
  /// Something takes the tensor, and all that do are accepted.
  [[nodiscard]] pattern used_only_by(op_filter users) const;
  /// The op that makes the tensor waits, by a control edge, for one that the filter accepts.
  [[nodiscard]] pattern after(op_filter earlier) const;
  /// One that the filter accepts waits for it.
  [[nodiscard]] pattern before(op_filter later) const;

  // Of operators only. @throws argument_error for others
  /// An attribute of the op; one that the op does not have counts as 0, "" or [].
  [[nodiscard]] pattern with(name_view key, std::int64_t value) const;
  /// A whole number.
  [[nodiscard]] pattern with(name_view key, int value) const {
    return with(key, std::int64_t{value});
  }
  /// A truth value.
  [[nodiscard]] pattern with(name_view key, bool value) const {
    return with(key, std::int64_t{value});
  }
  /// A real number.
  [[nodiscard]] pattern with(name_view key, double value) const;
  /// A list of integers, all of them.
  [[nodiscard]] pattern with(name_view key, const dims& value) const;
  /// An element type.
  [[nodiscard]] pattern with(name_view key, dtype value) const;
  /// A string.
  [[nodiscard]] pattern with(name_view key, const char* value) const;
  /// The output of the op, 0 without this.
  [[nodiscard]] pattern output(std::uint32_t index) const;
  /// Nothing outside the match takes the op's outputs, and they are no outputs of the region. The
  /// root of a match is not asked.
  [[nodiscard]] pattern sole_use() const;
  /// Whether two operands may be exchanged; without this, as the operator is.
  [[nodiscard]] pattern commutative(bool value) const;

  /// Made by the functions of `patterns`.
  explicit pattern(std::shared_ptr<const detail::pattern_node> node) : node_(std::move(node)) {}

 private:
  friend struct detail::pattern_access;
  std::shared_ptr<const detail::pattern_node> node_;
};

/// The beginnings of patterns.
namespace patterns {

/// Any tensor. @param name as pattern::as, empty: none
pattern any(name_view name = {});
/// A number in every element: a scalar, a fill or a stored constant, of any type and shape.
pattern number(double value);
/// The value of a variable.
pattern variable(name_view name = {});
/// The first of some patterns that fits. @throws argument_error if there is none
pattern any_of(std::vector<pattern> choices);
/// An op. @param operands all of them, in order; an empty list stands for any operands
pattern op_of(const operator_schema& schema, std::vector<pattern> operands);

/// An op of an operator: `op(ops::matmul, op(ops::transpose, any("a")), any("b"))`.
template <class... Patterns>
pattern op(const operator_schema& schema, const Patterns&... operands) {
  return op_of(schema, {operands...});
}

}  // namespace patterns

/// Where a pattern occurs.
struct pattern_match {
  tensor_id root;  ///< the tensor that the pattern as a whole stands for
  std::vector<std::pair<std::string, tensor_id>> captures;  ///< in the order they were met
  std::vector<op_id> ops;  ///< those that op() stands for, ascending; numbers and any() are not

  /// The tensor of a name. @throws name_error if the pattern has no such name
  [[nodiscard]] tensor_id operator[](name_view name) const;
};

/// All places where a pattern occurs, none overlapping another.
///
/// Roots are tried in storage order, and the first match found at a root is taken: operands in the
/// order of the pattern, exchanged operands second. An op is in one match at most (as what op()
/// stands for; any() and number() may stand for the same tensors in several). Inside one match two
/// nodes of a pattern may stand for one tensor.
/// Complexity: O(ops of the root's operator x size of the pattern x 2^exchangeable ops in it)
/// @throws argument_error for a pattern whose root is not an op
std::vector<pattern_match> find_matches(const Graph& graph, const pattern& what);
/// Inside a region: op() stands for its ops only, and does not reach through its inputs.
/// @throws handle_error, graph_error for a lost graph or a stale region
std::vector<pattern_match> find_matches(const Region& region, const pattern& what);

}  // namespace graft
