// The graph: ops, tensors, variables, scopes, collections; built by appending, edited in transactions.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graft/core/function_ref.hpp"
#include "graft/core/name_view.hpp"
#include "graft/graph/attribute_view.hpp"
#include "graft/graph/handle.hpp"
#include "graft/graph/store.hpp"
#include "graft/tensor/array.hpp"

namespace graft {

class Graph;

/// What the graph knows of a variable.
struct variable_info {
  variable_id id;                                 ///< of the graph's
  value_type type;                                ///< all extents known
  variable_role role = variable_role::parameter;  ///< what it is for
  bool trainable = true;                          ///< whether optimisers may change it
  tensor_id read;                                 ///< output of the op that reads it
  tensor_id initial;                              ///< the tensor whose value it starts with
  std::vector<op_id> own_updates;  ///< assigns declared by the layer that made the variable
  variable_id origin;              ///< the variable it was cloned from, if any
  std::uint64_t stream_key = 0;    ///< hash of the path at creation; keys random streams
};

/// A member of a collection.
struct member {
  /// What it is.
  enum class kind : std::uint8_t { variable, tensor, op } what = kind::variable;  ///< one of these
  variable_id variable;  ///< for kind variable
  tensor_id tensor;      ///< for kind op, only tensor.op counts
  bool operator==(const member&) const = default;
};

/// One operand that is to become another tensor.
struct operand_change {
  op_id user;              ///< the op that takes it
  std::uint32_t slot = 0;  ///< which operand of the op, from 0
  tensor_id value;         ///< what it becomes
};

/// A directed multigraph of ops. An edge leads from the op that makes a tensor to an op that takes it; operands keep
/// their order and may repeat.
///
/// Graphs are built by appending (which never invalidates a handle) and edited in transactions. Every
/// function that throws leaves the graph as it was. Ops are stored in the order they were added; in a
/// graph that was only appended to, that order is topological.
///
/// A const Graph may be read from several threads; changing it needs exclusive access.
class Graph {
 public:
  Graph();
  ~Graph();
  Graph(Graph&& other) noexcept;  ///< handles follow the graph
  Graph& operator=(Graph&& other) noexcept;
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  /// The number of the graph, which its ids carry: no other graph of the process has it, and it is never 0. It goes
  /// with the graph where that is moved to. A body is a graph of its own. All functions that take an id refuse one of
  /// another graph by a handle_error; contains() is false for it.
  [[nodiscard]] std::uint32_t number() const;

  // --- Building ---------------------------------------------------------------------------------

  /// Adds one op.
  /// @param operands tensors of this graph
  /// @param name last component of the op's name; empty: made from the operator's. Made unique in its scope.
  /// @throws shape_error, dtype_error, argument_error with the operator's sentence; handle_error
  op_id add(const operator_schema& schema, std::span<const tensor_id> operands,
            const attribute_list& attributes = {}, name_view name = {}, source_line line = {});

  /// Adds a constant with a value.
  tensor_id add_constant(Array value, name_view name = {}, source_line line = {});

  /// Adds a variable whose initial value is made by an operator without operands.
  variable_id add_variable(const variable_spec& spec, source_line line = {});
  /// Adds a variable whose initial value is a tensor of this graph (which may read other variables).
  variable_id add_variable(name_view name, tensor_id initial, variable_role role, bool trainable,
                           source_line line = {});
  /// Declares an assign op as belonging to a variable, so that clones take it along.
  void own_update(variable_id variable, op_id assign);
  /// Makes an op run after another although it takes nothing from it. An edge that is there already is kept once.
  /// @throws graph_error if that would be a cycle, of which initial values of variables may be a part
  void add_control_edge(op_id before, op_id after);

  // --- Scopes, names, modes ----------------------------------------------------------------------

  /// The scope that ops are added in.
  [[nodiscard]] scope_id current_scope() const;
  /// Makes a new child scope; the name is made unique.
  scope_id enter_scope(name_view name);
  scope_id reenter_scope(scope_id scope);  ///< goes into an existing scope
  /// Goes back to the scope that was current before. @throws graph_error if none was entered
  void leave_scope();
  [[nodiscard]] std::string scope_path(scope_id scope) const;  ///< "encoder/dense_1"; root: ""
  /// The scope around a scope; the root's is the root. @throws handle_error for one that the graph does not have
  [[nodiscard]] scope_id parent_scope(scope_id scope) const;
  [[nodiscard]] std::size_t scope_count() const;  ///< ids ever given, of removed ones too
  /// Finds a scope by path, by components.
  [[nodiscard]] std::optional<scope_id> find_scope(name_view path) const;
  /// Whether a scope is another or inside it. O(depth). @throws handle_error for one that the graph does not have
  [[nodiscard]] bool scope_within(scope_id inner, scope_id outer) const;
  /// The mode that layers are built in, training at first.
  [[nodiscard]] mode current_mode() const;
  /// Sets the mode for what is built from here on.
  void set_mode(mode m);

  // --- Ops ---------------------------------------------------------------------------------------

  /// How many ops the graph has. O(1)
  [[nodiscard]] std::size_t op_count() const;
  /// Number of ids ever given: ids are below it.
  [[nodiscard]] std::uint32_t op_id_bound() const;
  /// The op at a place in storage order, 0 <= index < op_count().
  [[nodiscard]] op_id op_at(std::size_t index) const;
  /// Whether the graph has the op: false for one that was removed and one of another graph.
  [[nodiscard]] bool contains(op_id op) const;
  /// Place of an op in storage order.
  [[nodiscard]] std::size_t index_of(op_id op) const;
  /// Changes when an edit touches the op: its operands, types, attributes, control edges or name. 0 as added.
  [[nodiscard]] std::uint64_t edit_stamp(op_id op) const;
  /// The operator. @throws handle_error for an op that the graph does not have, as all functions below
  [[nodiscard]] const operator_schema& schema_of(op_id op) const;
  /// The attributes, as a view; valid until the graph is edited.
  [[nodiscard]] attribute_view attributes_of(op_id op) const;
  /// How many operands the op has.
  [[nodiscard]] std::uint32_t operand_count(op_id op) const;
  /// Operand i. @throws handle_error if there is none
  [[nodiscard]] tensor_id operand(op_id op, std::uint32_t i) const;
  /// All operands, in order, repetitions included.
  [[nodiscard]] small_vector<tensor_id, 4> operands(op_id op) const;
  /// How many outputs the op has.
  [[nodiscard]] std::uint32_t output_count(op_id op) const;
  /// The ops that it waits for by control edges, in the order the edges were added.
  [[nodiscard]] std::vector<op_id> control_predecessors(op_id op) const;
  /// The ops that wait for it by control edges, in the order the edges were added.
  [[nodiscard]] std::vector<op_id> control_successors(op_id op) const;
  /// The scope that it was added in.
  [[nodiscard]] scope_id scope_of(op_id op) const;
  [[nodiscard]] std::string name_of(op_id op) const;  ///< last component: "matmul_1"
  [[nodiscard]] std::string path_of(op_id op) const;  ///< with scopes: "encoder/dense_1/matmul"
  /// Where the program added it, as far as that is known.
  [[nodiscard]] source_line line_of(op_id op) const;
  /// The op of a path. O(ops that were added or renamed since the last call); all are, once a change of names is undone.
  [[nodiscard]] std::optional<op_id> find_op(name_view path) const;

  // --- Tensors -----------------------------------------------------------------------------------

  /// Element type and shape, as far as the shape rules tell. @throws handle_error if there is no such op or output
  [[nodiscard]] value_type type_of(tensor_id t) const;
  /// The op's path, ":1" appended for outputs after the first.
  [[nodiscard]] std::string path_of(tensor_id t) const;
  /// A place where a tensor is read.
  struct use {
    op_id user;          ///< the op that takes it
    std::uint32_t slot;  ///< which operand of the op, from 0
  };
  /// The uses of a tensor, in the order they were added.
  [[nodiscard]] std::vector<use> uses(tensor_id t) const;
  /// Calls f(use, output) for each data use of any output of an op, in order, without allocating.
  template <class F>
  void for_each_use(op_id op, F&& f) const {
    visit_uses(op, [&f](const use& u, std::uint32_t output) { static_cast<void>(f(u, output)); });
  }

  /// A handle of the tensor. @throws handle_error for an op that the graph does not have
  [[nodiscard]] any_tensor handle(tensor_id t) const;
  /// The id behind a handle. In an open body, a tensor of a graph around it is the input that stands for it.
  /// @throws handle_error if it is of another graph or stale, or if the body does not use it
  [[nodiscard]] tensor_id id(const graph_reference& r) const;
  /// The id behind a handle, in the same way.
  [[nodiscard]] tensor_id id(const any_tensor& t) const { return id(t.ref()); }

  // --- Variables, values, collections --------------------------------------------------------------

  /// How many variables there are. O(1)
  [[nodiscard]] std::size_t variable_count() const;
  /// Whether the graph has the variable: false for one that was removed and one of another graph.
  [[nodiscard]] bool contains(variable_id v) const;
  /// What is known of a variable; valid until a variable is added or removed. @throws handle_error
  [[nodiscard]] const variable_info& variable_of(variable_id v) const;
  /// The path of the op that reads it, "encoder/dense_1/kernel". @throws handle_error
  [[nodiscard]] std::string path_of(variable_id v) const;
  [[nodiscard]] std::vector<variable_id> variables() const;  ///< all, in order of creation
  /// The variable that a tensor reads, if its op is a variable read.
  [[nodiscard]] std::optional<variable_id> variable_read_by(tensor_id t) const;
  /// The variable of a path, or nothing. As find_op().
  [[nodiscard]] std::optional<variable_id> find_variable(name_view path) const;
  void set_trainable(variable_id v, bool trainable);  ///< whether optimisers may change it

  /// The values of the graph's variables. @throws handle_error for a graph that was moved from
  [[nodiscard]] VariableStore& store() {
    if (store_ == nullptr) refuse_moved();
    return *store_;
  }
  /// The values, read-only. @throws likewise
  [[nodiscard]] const VariableStore& store() const {
    if (store_ == nullptr) refuse_moved();
    return *store_;
  }

  void add_to_collection(name_view name, const member& m);  ///< once each; order kept
  /// The members of a collection in the order they were added; none if there is no such collection. "variables" and
  /// "trainable_variables" the graph keeps itself.
  [[nodiscard]] std::vector<member> collection(name_view name) const;
  /// The names of the collections.
  [[nodiscard]] std::vector<std::string> collections() const;

  /// The value of an attribute of attribute_kind::constant.
  [[nodiscard]] const Array& constant(std::int64_t index) const;
  /// A nested graph, owned by ops that carry an attribute of attribute_kind::body.
  [[nodiscard]] const Graph& body(std::int64_t index) const;
  /// Adds a graph that was built elsewhere. @throws graph_error if it is not valid
  std::int64_t add_body(std::unique_ptr<Graph> body);
  [[nodiscard]] std::size_t body_count() const;  ///< numbers ever given, of removed ones too

  /// Opens a body: until it is closed, what is built through handles of this graph goes into the graph that is
  /// returned. Tensors of this graph that are used there become captures; variables that are made there belong
  /// to the outermost graph. Bodies nest.
  /// @throws graph_error if one is open already (open the next one on that one)
  Graph& open_body();
  /// What closing a body gives.
  struct closed_body {
    std::int64_t index = 0;  ///< for an attribute of attribute_kind::body
    /// Of this graph, in the order the body numbers them; invalid ids for arguments.
    std::vector<tensor_id> captures;
  };
  /// @throws graph_error if none is open
  closed_body close_body();
  /// Forgets the open body, if there is one.
  void abandon_body() noexcept;
  /// The body that is open, or nullptr.
  [[nodiscard]] Graph* current_body() const;
  /// Of an open body: adds an input that its op gives a value of its own, such as a state of a loop.
  /// Inputs added before anything is captured have the numbers 0, 1, ...
  tensor_id add_argument(const value_type& type);
  /// True while this graph is a body that is open.
  [[nodiscard]] bool is_open_body() const;
  /// Of an open body: the tensor of it that stands for one of a graph around it.
  /// @throws handle_error if that graph is not around this one
  tensor_id capture(const graph_reference& outer);

  // --- Edits ---------------------------------------------------------------------------------------
  // Each stamps the ops it touches, so that regions and plans notice.

  /// Makes an operand another tensor, of any type that the op takes: what was known of the old one binds nothing here, as it
  /// does in the functions of surgery (surgery/edit.hpp). The types of the op and of all that depend on it are worked out
  /// anew; handles with static types may then be refused (@see as).
  /// @throws shape_error, dtype_error where an op cannot take the new types, argument_error where these lack an axis that
  /// it names; graph_error for a cycle, which it names;
  /// one through the initial values of variables is a cycle, too
  void set_operand(op_id user, std::uint32_t slot, tensor_id value);
  /// Changes several operands at once, so that what lies between need not be valid: two tensors change places
  /// without a cycle on the way. The uses of a tensor are in the order of the changes.
  /// @throws shape_error, dtype_error, argument_error where an op cannot take the new types; graph_error for a cycle, as
  /// set_operand(); argument_error also for an operand named twice
  /// Complexity: O(changes + what depends on them) where all values were added before their users
  void set_operands(std::span<const operand_change> changes);
  /// Replaces the attributes of an op; types are worked out anew.
  void set_attributes(op_id op, const attribute_list& attributes);
  /// @throws graph_error if there is no such edge
  void remove_control_edge(op_id before, op_id after);
  /// Gives an op another name in its scope, made unique there.
  void rename(op_id op, name_view name);
  /// Removes ops, all or none. A variable goes with the op that reads it. Other ids stay as they are.
  ///
  /// Members of collections and own updates that are removed leave their lists. Scopes that are left empty go,
  /// unless they are entered, and their names are free again. Complexity: O(graph), so remove many at once.
  /// @throws graph_error if something that stays uses what would go
  void erase_ops(std::span<const op_id> ops);

  // --- Transactions, checks ------------------------------------------------------------------------

  /// Undoes all changes of the graph since its construction unless commit() was called. Values of variables
  /// that were there before are not part of it. Ids of what was undone are not given again.
  ///
  /// Transactions nest like the blocks they live in: what an inner one committed is undone with the outer.
  /// A graph and its open bodies are one: what a body took from the graphs around it, and variables that were
  /// made there for it, are undone, too.
  class transaction {
   public:
    /// Begins one. @throws handle_error for a graph that was moved from
    explicit transaction(Graph& g);
    ~transaction();
    transaction(const transaction&) = delete;
    transaction& operator=(const transaction&) = delete;
    /// Keeps the changes; an enclosing transaction may still undo them.
    void commit() noexcept;

   private:
    struct part {
      graph_slot* of;
      std::uint32_t generation;
      std::size_t mark;
    };
    small_vector<part, 2> parts_;  // from the outermost graph to the innermost body
  };

  /// Changes whenever the graph does.
  [[nodiscard]] std::uint64_t version() const;
  /// Checks every invariant: operands exist, no op or initial value depends on itself, use lists equal operands,
  /// types equal the shape rules', names unique, variables complete, collections without dangling members.
  /// @throws graph_error that names the first broken one
  void validate() const;
  /// A hash of structure, names, attributes, collections, variables and stored values.
  [[nodiscard]] std::uint64_t digest() const;

  /// Storage, for the algorithms of this library; see graph/tables.hpp, which programs do not pay for.
  struct tables;
  /// @throws handle_error for a graph that was moved from
  [[nodiscard]] tables& data() {
    if (tables_ == nullptr) refuse_moved();
    return *tables_;
  }
  /// The same, read-only.
  [[nodiscard]] const tables& data() const {
    if (tables_ == nullptr) refuse_moved();
    return *tables_;
  }
  /// Through which handles find the graph.
  [[nodiscard]] graph_slot* slot() const { return slot_; }

 private:
  [[noreturn]] static void refuse_moved();
  void visit_uses(op_id op, function_ref<void(const use&, std::uint32_t)> visit) const;

  graph_slot* slot_ = nullptr;
  std::unique_ptr<tables> tables_;
  std::shared_ptr<VariableStore> store_;
};

}  // namespace graft
