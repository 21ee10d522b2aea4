// What the bodies of Graph share: names, use lists, undo. Functions take the tables, not the graph.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "graft/core/function_ref.hpp"
#include "graft/graph/graph.hpp"
#include "graft/graph/tables.hpp"

#include "core/where.hpp"

namespace graft::detail {

using tables = Graph::tables;
inline constexpr std::uint32_t none = tables::none;

// --- Names (names.cpp)
// --------------------------------------------------------------------------------

/// A name in parts: "add_12" is ("add", 12), "add" and "add_0" and "add_01" are themselves with
/// ordinal 0.
struct parsed_name {
  std::string_view base;
  std::uint32_t ordinal = 0;
};
parsed_name parse_name(std::string_view name);
/// @throws name_error for an empty name, a '/' or a control character
void check_name(std::string_view name, const char* what);

enum class name_kind : std::uint32_t { op, scope };
inline name_counters::key counter_key(const tables& t, std::uint32_t scope, std::uint32_t base,
                                      name_kind kind) {
  return std::uint64_t{t.scopes[scope].serial} << 32 | base << 1 | static_cast<std::uint32_t>(kind);
}
/// Counts the names of a bulk copy that a scope belongs to, if nobody did yet.
void count_names(tables& t, std::uint32_t scope);
/// Counts the names of scopes that came along with bulk copies, if nobody did yet.
void count_scopes(tables& t);
/// Takes a name in a scope; the ordinal asked for if it is free. On an exception nothing is taken.
std::uint32_t take_name(tables& t, std::uint32_t scope, std::uint32_t base, std::uint32_t ordinal,
                        name_kind kind);
/// True for a scope that went with the last of its ops.
inline bool is_removed(const tables::scope_record& scope) { return scope.serial == none; }
/// Removes the scopes that have no ops, nor have those in them, and are not entered; their names are free again. To be
/// called inside a transaction.
/// @param losing what ops were in that were removed just now; others stay although they are empty
void remove_empty_scopes(tables& t, std::span<const std::uint32_t> losing);
/// Takes names of ops one after another, with the entry of the last base name at hand.
class name_taker {
 public:
  explicit name_taker(tables& t) : t_(t) {}
  std::uint32_t take(std::uint32_t scope, std::uint32_t base, std::uint32_t ordinal) {
    // What is undone is where counting began, so one note will do while names come in order.
    const bool next =
        scope == scope_ && base == base_ && ordinal == entry_->next && !entry_->has_apart;
    return next ? entry_->next++ : take_other(scope, base, ordinal);
  }

 private:
  std::uint32_t take_other(std::uint32_t scope, std::uint32_t base, std::uint32_t ordinal);

  tables& t_;
  std::uint32_t scope_ = none, base_ = none;
  name_counters::entry* entry_ = nullptr;
};
/// What take_name would answer.
std::uint32_t next_ordinal(tables& t, std::uint32_t scope, std::uint32_t base,
                           std::uint32_t ordinal, name_kind kind);
std::string full_name(const tables& t, std::uint32_t name, std::uint32_t ordinal);
std::string path_of_scope(const tables& t, std::uint32_t scope);
std::string path_of_op(const tables& t, std::uint32_t op);
/// Path that a component would have in a scope.
std::string join_path(std::string_view scope, std::string_view name);
std::uint32_t append_scope(tables& t, std::uint32_t parent, std::string_view name);
/// The same for a name in parts that was checked before: a number in t.strings and an ordinal.
std::uint32_t append_scope(tables& t, std::uint32_t parent, std::uint32_t base,
                           std::uint32_t ordinal);
/// Number of a source file in t.files; may throw.
std::uint32_t file_number(tables& t, const char* file);

// --- Pools (storage.cpp)
// --------------------------------------------------------------------------------

/// Appends an edge to the use list of its producer.
inline void link_use(tables& t, std::uint32_t e) {
  tables::edge& x = t.edges[e];
  tables::op_record& p = t.ops[x.producer];
  x.next_use = none;
  x.prev_use = p.last_use;
  (p.last_use != none ? t.edges[p.last_use].next_use : p.first_use) = e;
  p.last_use = e;
}
inline void unlink_use(tables& t, std::uint32_t e) {
  const tables::edge& x = t.edges[e];
  tables::op_record& p = t.ops[x.producer];
  (x.prev_use != none ? t.edges[x.prev_use].next_use : p.first_use) = x.next_use;
  (x.next_use != none ? t.edges[x.next_use].prev_use : p.last_use) = x.prev_use;
}
/// Stores attributes (attributes.cpp), their texts made the graph's own. 0 for the empty list.
std::uint32_t store_attributes(tables& t, const attribute_list& attributes);
/// True if attributes refer to variables, constants or bodies.
bool has_references(const attribute_list& attributes);
/// Reserves room for ops, their ids included.
void reserve_ops(tables& t, std::size_t count);
/// The numbers of the variables that are there, ascending. Each has an op that reads it, so where more were removed than
/// there are ops, the ops are asked. Complexity: O(min(ops, variables ever made))
std::vector<std::uint32_t> live_variables(const tables& t);
/// Gives ids to the op records from `first` on; the room must have been reserved.
void give_ids(tables& t, std::uint32_t first);
/// Stores an output's type; where the extents equal those of an operand they are shared. Room must
/// have been reserved.
tables::output_record store_type(tables& t, const value_type& type, std::uint32_t op);
/// Changes the number that tells whether something changed.
inline void touch(tables& t) { ++t.version; }
// An op needs the makers of its operands, the ops it waits for by control edges and, where it reads a variable, the
// op of that variable's initial value. No op needs itself, along however many others.
/// True if `to` needs `from`, or is it.
bool reaches(const tables& t, std::uint32_t from, std::uint32_t to);
/// True if one of some ops needs one of some others, or is it, by a way from `lowest` to `highest` (dense indices).
/// Complexity: O(the smaller of what some need and what needs the others), and the variables where the latter is the
/// smaller
bool any_needs(const tables& t, std::span<const std::uint32_t> to,
               std::span<const std::uint32_t> from, std::uint32_t lowest, std::uint32_t highest);
/// The ops from one on (dense indices), each after those of them that it takes: as they are stored, unless edits
/// changed that.
std::vector<std::uint32_t> data_order(const tables& t, std::uint32_t first);
/// A cycle through one of some ops, of which each needs the next one; empty if there is none. Only ops from `lowest`
/// to `highest` are looked at.
std::vector<std::uint32_t> find_cycle(const tables& t, std::span<const std::uint32_t> through,
                                      std::uint32_t lowest, std::uint32_t highest);
void link_control(tables& t, std::uint32_t before, std::uint32_t after);  // room reserved
bool has_control(const tables& t, std::uint32_t before, std::uint32_t after);

// --- Rules (rules.cpp)
// ------------------------------------------------------------------------------------

/// What a message says of an op that is about to be.
struct op_in_words {
  const operator_schema& schema;
  std::string path;
  source_line line;
  /// The op that owns the body it is in, if it is looked at as part of that one, and the body's name.
  const op_in_words* owner = nullptr;
  std::string_view body = {};
};
/// "add 'net/add'", "add 'add' in body 'then' of cond 'net/cond'".
std::string describe_op(const op_in_words& op);
/// Throws the sentence of a shape rule's problem, with the attributes where it is not about what the operands need.
[[noreturn]] void refuse_operands(const op_in_words& op, std::span<const value_type> operands,
                                  const problem& why, const attribute_list& attributes);
/// Holds attributes to what the operator declares (attribute_rules.cpp). `words` are asked for in order to
/// refuse only.
/// @throws argument_error
void check_attribute_rules(const operator_schema& schema, const attribute_list& attributes,
                           function_ref<op_in_words()> words);
/// The same, and what they refer to must be there. To be called before the operator's rule, which takes them
/// for right.
/// @throws argument_error
void check_attributes(const tables& t, const operator_schema& schema,
                      const attribute_list& attributes, std::size_t operands,
                      function_ref<op_in_words()> words);
/// Checks that the counts among the attributes of an op with bodies are what bodies and operands allow
/// (body_types.cpp).
/// @throws argument_error
void check_body_counts(const tables& t, const operator_schema& schema,
                       const attribute_list& attributes, std::size_t operands,
                       function_ref<op_in_words()> words);
/// Checks what the graph knows and the rule does not: the types of bodies and updates. Refines the outputs.
void check_op(const tables& t, const op_in_words& op, const attribute_list& attributes,
              std::span<const value_type> operands, inferred& answer);
/// Works out the outputs of an op with bodies from theirs (body_types.cpp).
/// @throws shape_error, dtype_error, argument_error where a body and the operands do not fit
void refine_by_bodies(const tables& t, const op_in_words& op, const attribute_list& attributes,
                      std::span<const value_type> operands, inferred& answer);
/// Runs the rule and the checks for an op that is there.
inferred infer_op(const tables& t, std::uint32_t op, const attribute_list& attributes);
/// Works out the types of ops (dense indices) and of all that depend on them; inside a transaction.
void infer_downstream(tables& t, std::vector<std::uint32_t> ops);
/// Works out the types of one op (dense index); inside a transaction.
/// @returns whether they changed
bool infer_in_place(tables& t, std::uint32_t op);
/// Checks the variables that start with outputs of ops (dense indices) whose types changed.
/// @throws shape_error where an initial value no longer fits its variable
void check_initial_values(const tables& t, const std::set<std::uint32_t>& changed);
/// True if a value of type `got` may always or sometimes be taken for `wanted`.
bool may_be(const value_type& wanted, const value_type& got);
bool is_operator(const operator_schema& schema, const operator_schema& known);

// --- Edits (edit.cpp)
// ---------------------------------------------------------------------------------------

/// Edits the operands of many ops, each after what it takes.
///
/// Types are worked out when an op's turn comes, and what depends on it is left until then, so that all edits
/// together cost what the ops visited have operands, in whatever order they are stored. Inside a transaction.
class ordered_edit {
 public:
  /// @param first the first of the ops that are visited or added meanwhile
  ordered_edit(Graph& g, op_id first) : graph_(g), first_(first) {}
  /// The next op: makes some of its operands others and works out its types.
  /// @param anew true: something else that its types follow from was changed
  /// @throws shape_error, dtype_error where it cannot take them
  void visit(op_id op, std::span<const operand_change> changes, bool anew = false);
  /// An op that may be on a cycle without a change of its operands: the read of a variable that starts with
  /// another tensor now.
  void watch(op_id op) { watched_.push_back(op); }
  /// Checks what only all edits together show.
  /// @throws graph_error for a cycle, of initial values too; shape_error, dtype_error as visit
  void finish();

 private:
  void check_cycles() const;

  Graph& graph_;
  const op_id first_;
  std::vector<operand_change> made_;
  std::vector<op_id> watched_;
  std::set<op_id> changed_;  // ops whose types are others than before
};

// --- Undo (transaction.cpp)
// ----------------------------------------------------------------------------------

/// Begins a transaction; returns its mark.
std::size_t begin(tables& t);
/// Ends the transactions from a mark on.
void commit(tables& t, std::size_t mark) noexcept;
/// Undoes everything since a mark and ends it.
/// @param reuse_ids right where no handle of the removed ops can be outside
void roll_back(tables& t, std::size_t mark, bool reuse_ids) noexcept;

/// Undoes the taking of names, latest first, until so many are left.
void give_names_back(tables& t, std::size_t taken) noexcept;

/// Makes one function of several steps a transaction.
class steps {
 public:
  explicit steps(tables& t) : tables_(&t), mark_(begin(t)) {}
  ~steps() {
    if (tables_ != nullptr) roll_back(*tables_, mark_, true);
  }
  steps(const steps&) = delete;
  steps& operator=(const steps&) = delete;
  void commit() noexcept { detail::commit(*std::exchange(tables_, nullptr), mark_); }

 private:
  tables* tables_;
  std::size_t mark_;
};

/// Notes how to undo the edit that follows. `undo` must not throw; called before the edit.
template <class F>
void note(tables& t, F&& undo) {
  if (t.marks.empty()) return;
  t.edits.push_back({t.edges.size(), t.controls.size(), std::forward<F>(undo)});
}
/// Adds an op of any operator, variable reads included, to the current scope. Dense index.
std::uint32_t append_op(tables& t, const operator_schema& schema,
                        std::span<const tensor_id> operands, const attribute_list& attributes,
                        std::string_view name, source_line line);
/// The tensor of an open body that stands for one of a graph around it, if there is one.
std::optional<tensor_id> captured(const Graph& body, const graph_reference& r);
/// The id of a tensor that ops are to take: what an open body does not use yet becomes an input of it. Call inside a
/// transaction.
inline tensor_id id_for_use(Graph& g, const graph_reference& r) {
  return g.is_open_body() ? g.capture(r) : g.id(r);
}
/// Puts one tensor in the place of another in all collections; call inside a transaction.
void replace_members(tables& t, tensor_id from, tensor_id to);
/// Stamps an op as edited; call inside a transaction.
void stamp(tables& t, std::uint32_t op);

}  // namespace graft::detail
