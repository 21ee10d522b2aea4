// The schema of an operator: its name, its traits and its shape rule, usable in constant evaluation.
#pragma once

#include <span>
#include <string_view>

#include "graft/schema/attribute_rule.hpp"
#include "graft/schema/value_type.hpp"

namespace graft {

/// Why operands do not fit an operator, in parts from which both the run-time sentence and the
/// compile-time diagnostic are made.
struct problem {
  /// A clause in plain words, a literal: "the inner extents must be equal". nullptr: no problem.
  const char* clause = nullptr;
  value_type needs;         ///< what would fit; parts that do not matter are dyn or any
  value_type got;           ///< what was found
  const char* hint = "";    ///< what to do, a literal; "": nothing to say
  bool about_type = false;  ///< element types disagree rather than shapes

  /// Whether there is a problem.
  constexpr explicit operator bool() const { return clause != nullptr; }
};

/// What an operator's shape rule sees.
struct infer_args {
  std::span<const value_type> operands;  ///< their types
  const attribute_list& attributes;      ///< of the op
};

/// What it answers: one type an output, or a problem.
struct inferred {
  small_vector<value_type, 1> outputs;  ///< their types; none where there is a problem
  problem error;                        ///< none: `outputs` hold

  constexpr inferred() = default;
  /// One output.
  constexpr inferred(value_type one) { outputs.push_back(one); }  // NOLINT: the usual answer
  /// What is wrong.
  constexpr inferred(const problem& p) : error(p) {}  // NOLINT: the other one
};

// In namespace ops, where the schemas are: as plain names of namespace graft they would make `random()` of
// <stdlib.h> ambiguous for those who write `using namespace graft`.
namespace ops {

/// Properties of operators that planner, surgery and gradients ask for: `schema.has(ops::update)`.
enum operator_trait : unsigned {
  /// Output element i depends on operand elements i (after broadcasting) only.
  elementwise = 1u << 0,
  commutative = 1u << 1,
  random = 1u << 2,           ///< draws from a stream
  source = 1u << 3,           ///< placeholder, variable read: value comes from outside
  update = 1u << 4,           ///< assigns a variable at the end of a run
  effect = 1u << 5,           ///< must run although nothing reads it (print, assert)
  modal = 1u << 6,            ///< has an integer attribute "training" that a clone may change
  shape_of_first = 1u << 7,   ///< reads only the shape of operand 0
  shape_of_second = 1u << 8,  ///< reads only the shape of operand 1
  view = 1u << 9,     ///< output 0 has the elements of operand 0 in the same order (reshape)
  bodies = 1u << 10,  ///< owns graphs that it runs; its types follow from theirs
};

}  // namespace ops
using ops::operator_trait;

/// An operator as the DSL, the recorder and the graph know it. One constant per operator, compared by address
/// or, across libraries, by name.
struct operator_schema {
  std::string_view name;                 ///< "matmul", a literal
  int min_operands;                      ///< at least so many
  int max_operands;                      ///< -1: any number
  inferred (*infer)(const infer_args&);  ///< the shape rule: types of operands to types of outputs
  unsigned traits = 0;                   ///< bits of operator_trait
  /// What its attributes must be like, checked wherever an op is added, changed, validated or loaded. Attributes that
  /// it does not declare are the user's own: tags, which ops carry along. They may not refer to variables, constants
  /// or bodies, unless the operator declares nothing at all.
  std::span<const attribute_rule> attributes = {};

  /// Whether it has a trait.
  [[nodiscard]] constexpr bool has(operator_trait t) const { return (traits & t) != 0; }
};

/// Runs the shape rule after checking the number of operands.
constexpr inferred infer(const operator_schema& schema, const infer_args& args) {
  const int n = static_cast<int>(args.operands.size());
  if (n < schema.min_operands || (schema.max_operands >= 0 && n > schema.max_operands)) {
    return problem{.clause = "the number of operands is wrong", .needs = {}, .got = {}};
  }
  return schema.infer(args);
}

}  // namespace graft
