// How a graph is stored: for the algorithms of this library, which walk dense indices instead of ids. Everything here may
// change.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "graft/graph/graph.hpp"
#include "graft/graph/pool.hpp"
#include "graft/graph/steady_list.hpp"

namespace graft {

namespace detail {

struct graph_lookup;  // lazily built indices by name

// Strings by number. Strings stay where they are until the graph is gone; numbers are never reused.
class string_pool {
 public:
  string_pool();
  ~string_pool();
  string_pool(const string_pool&) = delete;
  string_pool& operator=(const string_pool&) = delete;

  std::uint32_t intern(std::string_view text);
  /// The number of a text, or no_id.
  [[nodiscard]] std::uint32_t find(std::string_view text) const;
  [[nodiscard]] std::string_view operator[](std::uint32_t i) const { return strings_[i]; }
  [[nodiscard]] std::size_t size() const { return strings_.size(); }

 private:
  [[nodiscard]] std::size_t place_of(std::string_view text, std::uint64_t hash) const;
  std::uint32_t intern_new(std::string_view text);
  void grow();

  // Texts that are asked for again and again are the same characters in memory: by address, the number last found.
  std::array<std::uint32_t, 16> recent_{};
  std::vector<std::string_view> strings_;
  std::vector<std::uint32_t> hashes_;  // of each string
  std::vector<std::uint32_t> table_;   // number + 1; size is a power of two
  std::vector<std::unique_ptr<char[]>> blocks_;
  std::size_t room_ = 0;
  char* next_ = nullptr;
};

// Which ordinals of names are taken: for a key (scope and base name) all below `next`, and those in
// `apart` (taken by an explicit name such as "conv_7" while lower ones are free).
class name_counters {
 public:
  using key = std::uint64_t;
  struct entry {
    key what = 0;
    std::uint32_t next = 0;
    bool used = false;
    bool has_apart = false;
  };

  /// The entry of a key, made if missing. May throw; the reference lives until the next call.
  entry& at(key k);
  [[nodiscard]] const entry* find(key k) const;
  /// Undoes a take: `next` as it was, and the ordinal that was taken apart, if any.
  void undo(key k, std::uint32_t next, std::uint32_t taken_apart) noexcept;
  [[nodiscard]] bool taken(key k, std::uint32_t ordinal) const;
  /// Where taking a name would lead: the ordinal asked for if it is free, else the first free one.
  [[nodiscard]] std::uint32_t choose(const entry& e, std::uint32_t ordinal) const;
  /// Marks an ordinal as taken.
  void take(entry& e, std::uint32_t ordinal);
  std::set<std::pair<key, std::uint32_t>> apart;

 private:
  [[nodiscard]] std::size_t place_of(key k) const;
  std::vector<entry> table_;
  std::size_t used_ = 0;
};

// An attribute as it is stored.
struct stored_attribute {
  std::uint32_t key;  // in strings
  attribute_kind kind;
  // Also: the bits of a real; the number of a text; of integers, where they are in the pool of extents (lower
  // half) and how many they are.
  std::int64_t integer;

  [[nodiscard]] std::uint32_t text() const { return static_cast<std::uint32_t>(integer); }
  [[nodiscard]] std::uint32_t first() const { return static_cast<std::uint32_t>(integer); }
  [[nodiscard]] std::uint32_t count() const { return static_cast<std::uint32_t>(integer >> 32); }
  void set_integers(std::uint32_t first, std::uint32_t count) {
    integer = static_cast<std::int64_t>(std::uint64_t{count} << 32 | first);
  }
  [[nodiscard]] bool is_integer() const {
    return kind != attribute_kind::real && kind != attribute_kind::integers &&
           kind != attribute_kind::string;
  }
};

inline bool is_reference(attribute_kind kind) {
  return kind == attribute_kind::constant || kind == attribute_kind::variable ||
         kind == attribute_kind::body;
}

struct attribute_range {
  std::uint32_t first;
  std::uint32_t count : 31;
  std::uint32_t marked : 1;  // refers to variables, constants or bodies
};

// Lists of attributes, each in one piece. Copies of ops share lists that are not marked, so these do not change once
// they are added.
struct attribute_store {
  pool<stored_attribute> items;
  pool<attribute_range> lists;
  const string_pool* strings;
  const pool<extent>* extents;

  [[nodiscard]] std::span<const stored_attribute> of(std::uint32_t list) const {
    return {items.begin() + lists[list].first, lists[list].count};
  }
  [[nodiscard]] std::span<stored_attribute> of(std::uint32_t list) {
    return {items.begin() + lists[list].first, lists[list].count};
  }
  [[nodiscard]] std::span<const extent> integers_of(const stored_attribute& a) const {
    return {extents->begin() + a.first(), a.count()};
  }
  [[nodiscard]] const stored_attribute* find(std::uint32_t list, std::string_view key) const;
  /// The same of a key by number; no_id is the key of none.
  [[nodiscard]] const stored_attribute* find(std::uint32_t list, std::uint32_t key) const {
    for (const stored_attribute& a : of(list)) {
      if (a.key == key) return &a;
    }
    return nullptr;
  }
};

}  // namespace detail

/// Dense indices ("index") count live ops in storage order; ids are what users hold.
struct Graph::tables {
  static constexpr std::uint32_t none = 0xffffffffu;

  struct op_record {
    const operator_schema* schema;
    std::uint32_t first_operand, operand_count;  // in edges
    std::uint32_t first_output, output_count;    // in outputs
    std::uint32_t attributes;                    // in attributes.lists; 0 is the empty list
    std::uint32_t scope;
    std::uint32_t name, ordinal;  // base in strings, ordinal 0 is left out: "add", "add_1"
    std::uint32_t first_use,
        last_use;  // in edges: uses of all outputs, in the order they were added
    std::uint32_t control_in, control_out;  // in controls, latest first
    std::uint32_t file, line;               // file in files
    std::uint64_t stamp;                    // version of the latest edit; 0: as added
  };
  /// An operand and a use at once. The operands of an op are consecutive.
  struct edge {
    std::uint32_t producer, output;
    std::uint32_t user;
    std::uint32_t next_use, prev_use;  // among the uses of `producer`
  };
  struct output_record {
    std::uint32_t extents, rank;  // in extents
    dtype type;
    value_kind kind;
    bool ranked;
  };
  struct control_edge {
    std::uint32_t before, after;
    std::uint32_t next_out;  // among those of equal `before`
    std::uint32_t next_in;   // among those of equal `after`
  };
  struct scope_record {
    std::uint32_t parent;
    std::uint32_t name, ordinal;
    std::uint32_t serial;  // never reused, keys the counters; none: the scope is removed
    std::uint32_t batch;   // names of the ops of this bulk copy are not counted yet; none: counted
    bool used;             // ops have taken names here; may stay true when they are undone
    bool uncounted;        // names of the scopes in it are not counted yet
  };
  /// A bulk copy whose names are counted only when somebody adds an op to one of its scopes.
  struct copy_batch {
    std::uint32_t first_op, last_op;
    bool counted;
  };
  struct named_collection {
    std::uint32_t name;
    std::vector<member> members;
    std::set<std::array<std::uint32_t, 3>> known;

    static std::array<std::uint32_t, 3> key_of(const member& m);
    /// @returns false if it is there already; on an exception nothing is added
    bool add(const member& m);
    void remove_last() noexcept;
  };
  struct file_name {
    const char* text;
  };
  struct capture {
    tensor_id outer, inner;
  };

  tables();
  ~tables();
  tables(const tables&) = delete;
  tables& operator=(const tables&) = delete;

  // --- Ops: pools
  // -----------------------------------------------------------------------------------
  detail::pool<op_record> ops;
  detail::pool<edge> edges;
  detail::pool<output_record> outputs;
  detail::pool<extent> extents;
  detail::pool<control_edge> controls;
  detail::pool<scope_record> scopes;
  detail::pool<copy_batch> batches;
  detail::pool<file_name> files;
  detail::string_pool strings;
  detail::attribute_store attributes{{}, {}, &strings, &extents};
  detail::name_counters names;

  const std::uint32_t number =
      next_number();  // what ids are told apart from those of other graphs by; never 0

  // Ids are equal to indices until something is removed; from then on both maps are filled.
  detail::pool<std::uint32_t> id_of_index;
  detail::pool<std::uint32_t> index_of_id;
  std::uint32_t next_id = 0;
  bool ids_are_indices = true;
  bool ordered = true;   // every op comes after all it needs, reads after initial values
  bool stamped = false;  // an op was edited, though this may have been undone
  bool retyped = false;  // an edit changed a type, so a handle may say what is true no more

  // By id; one that was removed has no valid id. Elements stay where they are, as references to them are given out.
  detail::steady_list<variable_info> variables;
  std::map<std::string, variable_id, std::less<>> shared_keys;
  std::vector<named_collection> collections;
  std::deque<Array> constants;
  std::vector<std::shared_ptr<const Graph>> bodies;
  std::unique_ptr<Graph> open_body;
  std::vector<capture>
      captures;  // of a body: tensor of the graph around it, and the op that stands for it
  graph_slot* around = nullptr;  // of an open body: the graph it is in
  // Of an open body, by scope: the scope of the outermost graph that holds the variables made in it; none: not
  // made yet. May be shorter than scopes.
  std::vector<std::uint32_t> owner_scopes;
  bool closed = false;  // of a body: it is complete, and nothing outside may use its tensors

  std::vector<std::uint32_t> scope_stack;
  mode current = mode::training;
  std::optional<source_line>
      placed;  // where ops are said to stand that are made on behalf of others
  std::uint32_t next_serial = 0;
  std::uint32_t first_uncounted = none;  // scopes before it are not `uncounted`
  std::uint64_t version = 1;

  // --- Undo
  // -------------------------------------------------------------------------------------------
  struct mark {
    std::uint32_t ops, edges, outputs, extents, controls, scopes, batches, files;
    std::uint32_t attributes, attribute_lists;
    std::size_t variables, collections, constants, bodies, captures;
    std::size_t edits, counters;
    std::uint32_t next_id;
    bool ordered, in_body;
    std::vector<std::uint32_t> scope_stack;
    mode current;
  };
  struct edit_entry {  // undone in reverse; appended edges above these sizes are unlinked first
    std::uint32_t edges, controls;
    std::function<void(tables&)> undo;
  };
  struct counter_entry {
    detail::name_counters::key key;
    std::uint32_t next;
    std::uint32_t apart;  // none, or the ordinal to remove from `apart`
  };
  std::vector<mark> marks;
  std::vector<edit_entry> edits;
  detail::pool<counter_entry> counter_log;

  std::unique_ptr<detail::graph_lookup> lookup;
  VariableStore* store = nullptr;

  // --- Reading
  // ------------------------------------------------------------------------------------------
  [[nodiscard]] bool contains(op_id op) const {
    if (!op.may_be_of(number)) return false;
    if (ids_are_indices) return op.value < ops.size();
    return op.value < index_of_id.size() && index_of_id[op.value] != none;
  }
  [[nodiscard]] bool contains(variable_id v) const {
    return v.may_be_of(number) && v.value < variables.size() && variables[v.value].id.valid();
  }
  /// @throws handle_error
  [[nodiscard]] std::uint32_t index(op_id op) const {
    if (!contains(op)) refuse(op);
    return ids_are_indices ? op.value : index_of_id[op.value];
  }
  /// @throws handle_error
  [[nodiscard]] std::uint32_t index(tensor_id t) const {
    const std::uint32_t i = index(t.op);
    if (t.output >= ops[i].output_count) refuse(t);
    return i;
  }
  [[nodiscard]] op_id id(std::uint32_t i) const {
    return op_id{ids_are_indices ? i : id_of_index[i], number};
  }
  /// Ids by number: of an op as it was given, of a variable, of a scope.
  [[nodiscard]] op_id op(std::uint32_t i) const { return op_id{i, number}; }
  [[nodiscard]] variable_id variable(std::uint32_t i) const { return variable_id{i, number}; }
  /// The same of an attribute that names one; an empty id for what no number is.
  [[nodiscard]] variable_id variable(std::int64_t i) const {
    return variable(static_cast<std::uint32_t>(i));
  }
  [[nodiscard]] scope_id scope(std::uint32_t i) const { return scope_id{i, number}; }
  [[nodiscard]] const output_record& output(std::uint32_t op, std::uint32_t i) const {
    return outputs[ops[op].first_output + i];
  }
  [[nodiscard]] std::span<const extent> extents_of(const output_record& o) const {
    return {extents.begin() + o.extents, o.rank};
  }
  [[nodiscard]] value_type type_of(std::uint32_t op, std::uint32_t i) const {
    const output_record& o = output(op, i);
    return {o.type, o.kind, o.ranked, dims(extents_of(o))};
  }
  [[nodiscard]] attribute_view attributes_of(const op_record& r) const {
    return {attributes, r.attributes};
  }
  /// The same as they are stored.
  [[nodiscard]] std::span<const detail::stored_attribute> stored(const op_record& r) const {
    return attributes.of(r.attributes);
  }
  /// True if the attributes refer to variables, constants or bodies.
  [[nodiscard]] bool marked(const op_record& r) const {
    return attributes.lists[r.attributes].marked != 0;
  }
  [[nodiscard]] std::span<const edge> operands_of(std::uint32_t op) const {
    return {edges.begin() + ops[op].first_operand, ops[op].operand_count};
  }

  [[noreturn]] void refuse(op_id op) const;
  [[noreturn]] void refuse(tensor_id t) const;

 private:
  static std::uint32_t next_number();
};

}  // namespace graft
