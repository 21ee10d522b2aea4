// Handles of graph tensors: what they refer to, and how a stale one is noticed.
#pragma once

#include <atomic>
#include <iosfwd>
#include <span>
#include <type_traits>
#include <vector>

#include "graft/graph/ids.hpp"
#include "graft/schema/target.hpp"

namespace graft {

class Graph;

/// The fixed place through which handles find their graph. Slots are reused under a new generation
/// and never freed, so a handle may outlive its graph and still be asked, from any thread.
struct graph_slot {
  std::atomic<Graph*> graph{nullptr};        ///< nullptr: it is gone
  std::atomic<std::uint32_t> generation{0};  ///< which of the graphs that have had the slot
};

/// Names one output of one op of one graph.
struct graph_reference {
  graph_slot* slot = nullptr;    ///< nullptr: of an empty handle
  std::uint32_t generation = 0;  ///< that of the slot when the handle was made
  tensor_id id;                  ///< the output
  constexpr bool operator==(const graph_reference&) const = default;
};

template <>
struct target_traits<Graph> {
  using reference = graph_reference;
  using references = small_vector<reference, 1>;
  /// A graph wherever it was moved to.
  class place {
   public:
    explicit place(Graph& g);
    [[nodiscard]] Graph* find() const noexcept;  ///< nullptr: it is gone

   private:
    graph_slot* slot_;
    std::uint32_t generation_;
  };
  /// @throws handle_error if the handle is empty, or its graph or op is gone
  static Graph& target_of(const reference& r);
  static value_type type_of(const reference& r);
  /// Holds what handles say of their tensors to what their graph knows.
  /// @param stated one each
  /// @param what takes them, for the error
  /// @throws dtype_error or shape_error where edits made it false
  static void check_stated(std::span<const reference> handles, const detail::stated_type* stated,
                           std::string_view what, source_line line);
  /// Returns how errors call a tensor, and the scope that is being built in: "'relu_1' in scope
  /// 'encoder'".
  static std::string in_words(const reference& r);
  static references add(Graph& g, const operator_schema& schema,
                        std::span<const reference> operands, const attribute_list& attributes,
                        std::string_view name, source_line line);
  static reference add_variable(Graph& g, const variable_spec& spec, source_line line);
  static void enter_scope(Graph& g, std::string_view name);
  static void leave_scope(Graph& g);
  static mode mode_of(Graph& g);
  static void set_mode(Graph& g, mode m);
  static void own_update(Graph& g, const reference& variable_read, const reference& update);
  /// Opens a body: what is built next goes into it. See Graph::open_body.
  static Graph& open_body(Graph& g);
  static reference add_argument(Graph& body, const value_type& type);
  struct closed_body {
    std::int64_t index = 0;           ///< for an attribute of attribute_kind::body
    std::vector<reference> captures;  ///< operands that the body takes after its arguments
  };
  /// Closes the body that is open in g; `results`, tensors of it or of graphs around it, are what it computes.
  static closed_body close_body(Graph& g, std::span<const reference> results);
  static references latest_own_update(Graph& g, const reference& variable_read);
};

/// A graph tensor whose element type and shape only the graph knows. Every typed handle converts to
/// it.
using any_tensor = tensor<Graph, dtype::any, any_shape>;

/// Writes what a handle names, and no values: "'encoder/relu' of float32 [?, 4]". Values are what session.run(t) returns.
/// Of a handle whose graph or op is gone it says so.
///
/// A template, so that a function of the user's own for the same goes before it.
template <class = void>
std::ostream& operator<<(std::ostream& out, const any_tensor& t);

/// A variable of a graph as a typed handle; converts to the tensor that reads it.
template <dtype Type, shape_type Shape>
class variable : public tensor<Graph, Type, Shape> {
 public:
  using tensor<Graph, Type, Shape>::tensor;
  /// @param read the tensor that reads it; that it does is not checked
  constexpr explicit variable(const tensor<Graph, Type, Shape>& read)
      : tensor<Graph, Type, Shape>(read) {}
};

/// Views a handle as a typed one: `as<float, shape<dyn, 10>>(t)`. Where the graph knows as much, it is the same tensor;
/// where it knows less, what an op ensure_shape gives, which refuses runs in which it is another.
/// @throws dtype_error or shape_error if the graph's tensor cannot be that
template <element T, shape_type Shape>
tensor<Graph, dtype_of<T>, Shape> as(const any_tensor& t, source_line here = source_line::now());

namespace detail {
/// @throws as as() does
void check_as(const any_tensor& t, const value_type& wanted);
[[nodiscard]] graph_reference ensured_as(const any_tensor& t, const value_type& wanted,
                                         source_line line);
}  // namespace detail

template <element T, shape_type Shape>
tensor<Graph, dtype_of<T>, Shape> as(const any_tensor& t, source_line here) {
  return tensor<Graph, dtype_of<T>, Shape>(
      detail::ensured_as(t, value_type_of<dtype_of<T>, Shape>(), here));
}

}  // namespace graft
