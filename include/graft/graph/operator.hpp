// Definitions of operators: what the library knows of an operator beyond its schema, and the registry of all.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graft/core/function_ref.hpp"
#include "graft/graph/graph.hpp"

namespace graft {

// --- Gradients --------------------------------------------------------------------------------------

/// What a gradient rule sees. It builds ops in the graph through handles and the public operators.
struct gradient_args {
  Graph& graph;                          ///< where the ops are added
  op_id op;                              ///< whose gradients are asked for
  std::span<const any_tensor> operands;  ///< of the op
  std::span<const any_tensor> outputs;   ///< of the op
  /// Gradient of each output; empty where none arrives.
  std::span<const std::optional<any_tensor>> output_gradients;
  const attribute_list& attributes;  ///< of the op
  /// True where the gradient of operand i is wanted.
  std::span<const bool> wanted;
};
/// One gradient an operand; empty where there is none or it is not wanted.
using operand_gradients = small_vector<std::optional<any_tensor>, 3>;
/// Builds the gradients of an op with respect to its operands.
using gradient_rule = operand_gradients (*)(const gradient_args&);

// --- Kernels ----------------------------------------------------------------------------------------

/// A tensor as a kernel is bound to it: everything known but the address. Row-major, contiguous.
struct tensor_info {
  dtype type = dtype::any;  ///< never any
  dims shape;               ///< all extents known
  std::int64_t size = 0;    ///< number of elements
};

/// Runs f(chunk) for chunk in [0, chunks) on the run's threads. Chunk boundaries must not depend on the
/// number of threads: results are the same bits for every count.
class parallel_runner {
 public:
  virtual ~parallel_runner() = default;
  /// Runs f for each chunk and returns when all have; what one throws is thrown here.
  virtual void run(std::int64_t chunks, function_ref<void(std::int64_t)> f) = 0;
  /// How many threads there are, this one included.
  [[nodiscard]] virtual int threads() const = 0;
};

/// The path of an op, for messages: put together when somebody asks for it.
///
/// Ops that compute the same at the same shapes share kernels. A kernel whose binding has asked for the path
/// is bound for each of them, so that it may keep what it was told.
class op_place {
 public:
  /// Answers once it is asked.
  struct question {
    const Graph& graph;  ///< that of the op
    op_id op;            ///< the op
    std::string path;    ///< once it was asked for
    bool asked = false;  ///< whether it was
  };
  /// A path that is known.
  op_place(std::string_view path) : path_(path) {}  // NOLINT: a path is where the op is
  /// A path that is put together when it is asked for.
  explicit op_place(question& q) : question_(&q) {}

  operator std::string_view() const {  // NOLINT: it stands for the path
    if (question_ == nullptr) return path_;
    if (!question_->asked) question_->path = question_->graph.path_of(question_->op);
    question_->asked = true;
    return question_->path;
  }

 private:
  question* question_ = nullptr;
  std::string_view path_;
};

/// What a kernel binding sees: everything but addresses.
struct bind_args {
  std::span<const tensor_info> inputs;   ///< one an operand
  std::span<const tensor_info> outputs;  ///< one an output
  const attribute_list& attributes;      ///< of the op
  const Graph& graph;                    ///< that of the op
  op_place where;                        ///< for messages
};

/// One call of a bound kernel.
struct kernel_call {
  /// One address an operand; nullptr for operands of which only the shape is read.
  const void* const* in;
  void* const* out;           ///< one an output; nullptr where nobody reads it
  std::byte* scratch;         ///< scratch_bytes of it, aligned to 64
  parallel_runner& parallel;  ///< the threads of the run
  std::uint64_t seed;         ///< of the session, for random operators
};

/// A kernel ready to run at fixed shapes. Thread-safe: what changes is in the call.
struct bound_kernel {
  std::function<void(const kernel_call&)> run;  ///< computes the outputs of one call
  std::size_t scratch_bytes = 0;                ///< memory that a call needs besides
  /// Outputs that may be written over an operand of equal size: {output, operand}. A kernel with such pairs must
  /// not throw from `run`: it may be writing a variable when a run commits.
  small_vector<std::pair<std::uint8_t, std::uint8_t>, 2> in_place;
  /// For operators with the trait `elementwise`: computes n consecutive elements of the broadcast result;
  /// scalar[i] tells that in[i] points at one element used for all. Must not throw. The planner fuses with it.
  std::function<void(const void* const* in, const bool* scalar, void* out, std::int64_t n)> tile;
};
/// Makes a kernel for operands of known shape.
using kernel_binding = bound_kernel (*)(const bind_args&);

// --- Samples, from which the tests of every operator are made -------------------------------------------

/// Operands that an operator is tested on.
struct operator_sample {
  std::vector<Array> operands;  ///< float operands are float64; other types are made by casting
  attribute_list attributes;    ///< of the op
  bool differentiable = true;   ///< false: at a kink, or integer operands only
  bool twice = true;            ///< smooth enough for a second-order check
};
/// Operands that must be refused.
struct operator_error_sample {
  std::vector<value_type> operands;  ///< their types
  attribute_list attributes;         ///< of the op
  std::string message;               ///< a part of the sentence that must come
};

/// Computes the operator the plain way, on float64 for floating operands: the oracle of tests.
using reference_rule = std::vector<Array> (*)(std::span<const Array> operands,
                                              const attribute_list&);

// --- Definition and registry --------------------------------------------------------------------------

/// An output that is the next value of an operand, as those of a batch norm are of its moving statistics.
struct next_value {
  std::uint32_t operand = 0;  ///< what it is the next value of
  std::uint32_t output = 0;   ///< where the value is
};

/// Everything about one operator outside its schema.
struct operator_definition {
  const operator_schema* schema = nullptr;  ///< must live as long as the program
  const char* onnx = "";             ///< ONNX operator of the same meaning, "" if there is none
  gradient_rule gradient = nullptr;  ///< nullptr: no gradient flows through
  kernel_binding bind = nullptr;     ///< makes kernels; nullptr: runs refuse the op
  reference_rule reference =
      nullptr;  ///< nullptr: the tests of every operator have nothing to compare with
  /// What the tests of every operator run it on; nullptr: they pass it over.
  std::vector<operator_sample> (*samples)() = nullptr;
  /// What they see refused; nullptr: nothing.
  std::vector<operator_error_sample> (*error_samples)() = nullptr;
  /// For operators of layers that read variables as such operands, and own the assigns of the outputs to them
  /// (Graph::own_update). Where such a variable is shared, each op that reads it moves it on: a clone has the assign
  /// that its op lacks made when its updates are asked for (updates_of, minimize).
  std::vector<next_value> next_values = {};
};

/// Adds an operator of the user's own. Thread-safe.
/// @throws name_error if an operator of that name is there already
void register_operator(const operator_definition& definition);
/// Returns the definition of a schema's name, or nullptr.
const operator_definition* find_operator(name_view name);
/// Returns all definitions, ordered by name.
std::vector<const operator_definition*> all_operators();

namespace detail {
/// False for the operators that programs registered.
bool is_built_in(name_view operator_name);
}  // namespace detail

}  // namespace graft
