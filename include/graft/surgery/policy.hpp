// The choices of clone(): each is a value that is named at the call. All but rules may be made in constant
// evaluation.
#pragma once

#include <concepts>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "graft/core/callable.hpp"
#include "graft/core/name_view.hpp"
#include "graft/surgery/bodies.hpp"
#include "graft/surgery/fits.hpp"

namespace graft {

struct variable_info;

/// What replaces what, all at once. @see bind
struct bindings {
  std::vector<std::pair<graph_reference, graph_reference>> pairs = {};  ///< (key, replacement)
  std::vector<graph_reference> reshaped = {};  ///< keys whose replacements may have another shape
};

/// What a clone does with one variable of its source.
enum class variable_policy : std::uint8_t { fresh, copied, shared, frozen, linked, replaced };

/// What a clone does with the variables of its source. One decision falls per variable, however
/// often it is read: ties stay ties.
namespace variables {

/// A new variable without a value, whose initial value is a copy of the source's with a random
/// stream of its own.
inline constexpr variable_policy fresh = variable_policy::fresh;
/// As fresh, and it has the source's value at once; the elements are copied when either is written.
/// The source must have a value.
inline constexpr variable_policy copied = variable_policy::copied;
/// The same variable; in another graph a variable with the same storage. Training either trains
/// both. Random streams are shared as well, so that a shared dropout drops what the source's drops; where seeds::split or
/// seeds::fresh(...) is given, the clone has streams of its own, which start as copied ones do, or as fresh ones where
/// the source's have no value yet. In an open body, which has no variables, the graph's own is read as any tensor around the body; in the map it is
/// a replaced one then.
inline constexpr variable_policy shared = variable_policy::shared;
/// A constant with the value of now; never trained, never changed by the source's later updates.
/// The source must have a value.
inline constexpr variable_policy frozen = variable_policy::frozen;
/// The source's variable, read through an op of the clone's own: gradients with respect to the
/// source's variable flow through the clone, and those with respect to the clone's reading
/// (`copy(w)`) stay apart. Within one graph only.
inline constexpr variable_policy linked = variable_policy::linked;

/// Decides for one variable.
using rule = callable<variable_policy(const Graph&, const variable_info&)>;

/// A policy for each variable. @see by
struct chosen_by {
  rule decide;  ///< asked once for each
  /// Refuses, before anything is decided, what cannot have been meant for these variables; may be empty.
  callable<void(const Graph&, std::span<const variable_id>)> require = {};
};

/// A decision for each variable: `variables::by([](const variable_info& v) { return ...; })`.
/// @param decide takes (const variable_info&) or (const Graph&, const variable_info&); asked once
/// for each variable, in order of creation; what it throws leaves both graphs as they were
template <class Rule>
chosen_by by(Rule decide) {
  if constexpr (std::is_invocable_r_v<variable_policy, Rule&, const Graph&, const variable_info&>) {
    return {std::move(decide)};
  } else {
    return {[decide = std::move(decide)](const Graph&, const variable_info& v) mutable {
      return decide(v);
    }};
  }
}

/// Which rule counts where several fit one variable.
enum class precedence : std::uint8_t {
  order,  ///< the first of them
  specificity,  ///< the most specific one, wherever it stands; where two of one specificity differ in their
                ///< policy, clone() throws argument_error
};

/// By scope: `by_scope({{"encoder", shared}}, fresh)` shares what lies in the scope "encoder", at any depth,
/// and makes the rest fresh. The first rule that fits counts, or the most specific one
/// (`variables::precedence::specificity`): that of the deepest scope, and of two equally deep the one with fewer
/// components that have a star.
/// @param scopes match by component, so "encoder" is not "encoder_1"; patterns as in within_scope():
/// "layer_*", "*" for any component, "**" for any number of them; `\` before a character makes it literal
/// @throws argument_error for a pattern that is none; and from clone() for one in whose scopes the source's graph has
/// no variable, as a misspelt one: patterns may name parts of the graph that are not cloned
chosen_by by_scope(std::vector<std::pair<std::string, variable_policy>> scopes,
                   variable_policy otherwise, precedence how = precedence::order);

/// By role: `by_role({{variable_role::statistic, copied}}, fresh)`. All rules are equally specific; there need not be
/// variables of a role.
chosen_by by_role(std::vector<std::pair<variable_role, variable_policy>> roles,
                  variable_policy otherwise, precedence how = precedence::order);

/// Tensors that are read in place of variables. @see expr
struct expressions {
  bindings pairs;  ///< (read of the variable, what is read instead)
};

}  // namespace variables

/// Whether random streams of a clone differ from the source's.
///
/// Without a choice those of variables that the clone has of its own are split, and those that it shares are the
/// source's: what draws from them draws the same. A choice of `split` or `fresh` holds for shared ones too. Streams that
/// are frozen or linked stay what they are.
class seeds {
 public:
  /// A key made from the new path: other draws than the source's, the same in every rerun.
  static const seeds split;
  /// The source's key: equal draws.
  static const seeds same;
  /// A key made from the new path and a number: other draws for each number, also for clones of equal paths
  /// (of several graphs, or of one that is made anew), and the same in every rerun. What is drawn follows from
  /// the session's seed, the path and the number.
  static constexpr seeds fresh(std::uint64_t number) { return {kind::fresh, number}; }

  constexpr bool operator==(const seeds&) const = default;
  /// The number given to fresh().
  [[nodiscard]] constexpr std::optional<std::uint64_t> number() const {
    return kind_ == kind::fresh ? std::optional(number_) : std::nullopt;
  }

 private:
  enum class kind : std::uint8_t { split, same, fresh };
  constexpr seeds(kind k, std::uint64_t number) : kind_(k), number_(number) {}

  kind kind_;
  std::uint64_t number_;
};
inline constexpr seeds seeds::split{kind::split, 0};
inline constexpr seeds seeds::same{kind::same, 0};

/// What becomes of a parameter that several ops read on the way to the outputs.
enum class ties : std::uint8_t {
  keep,  ///< one new parameter, read by the copies of all of them
  /// A new parameter for each op, of the same policy; names get numbers. Ops in bodies of cond, while_loop and scan count
  /// each, at any depth (once, however often the body runs); the op with the bodies only where it reads the parameter
  /// itself, as a state or a sequence. Bodies of operators that are not the library's own stay as they are: their op
  /// counts as one. Each has a copy of the initial value and
  /// of the updates that belong to the parameter: these read it where the source's read theirs, and otherwise
  /// what the first one's read. Initial values and updates of other variables read the first. A parameter that
  /// an update among the ops of the outputs writes (a training step) is an unsupported_error.
  split,
};
/// What happens where a name is taken.
enum class names : std::uint8_t {
  unique,  ///< a number is appended: "copy_1"
  /// name_error, before rules are asked. What ties::split and rules add has no name to keep: a number is appended.
  exact,
};
/// What becomes of inputs that are not bound.
enum class unbound : std::uint8_t {
  placeholder,  ///< a new placeholder of the input's name and type
  keep,         ///< the clone reads the source's tensor; in the same graph only
  error,        ///< boundary_error
};
/// Which ops are copied.
enum class coverage : std::uint8_t {
  whole,     ///< all
  affected,  ///< those that bindings, variables or the mode change, and what depends on them; the
             ///< rest is shared
};

/// What becomes of control edges by which ops that are copied wait for ops outside the region. Those that bind_control()
/// names are kept in any case; those inside the region are always copied. Ops outside never wait for copies.
enum class control_in : std::uint8_t {
  /// The copies do not wait, so that a clone runs, and outlives, nothing of its source's surroundings. @see
  /// Clone::control_images
  drop,
  /// The copies wait for the same ops, and where those make inputs, for what the inputs were bound to. Running the clone
  /// runs these ops, updates among them too. What is in another graph cannot be waited for: boundary_error
  keep,
  error,  ///< boundary_error that names the edges
};

/// What of collections comes along. @see collections
enum class collection_policy : std::uint8_t { keep, none };

/// What the copies of members of collections join.
namespace collections {

/// Copies join the collections of what they are copies of.
inline constexpr collection_policy keep = collection_policy::keep;
/// Copies join none.
inline constexpr collection_policy none = collection_policy::none;

/// The collection that the copies of a collection's members join, or nothing.
using rule = callable<std::optional<std::string>(std::string_view)>;
/// A rule for each collection. @see by
struct chosen_by {
  rule decide;  ///< asked once for each
};
/// A decision for each collection: `collections::by([](std::string_view name) { return "copy/" + std::string(name); })`.
/// @param decide takes the name, returns a std::optional<std::string> (std::nullopt: the copies join none); asked once
/// for each collection with members that are copied, in the order the collections were made; it must not change the
/// graphs, and what it throws leaves both as they were. The names that the graph keeps itself ("variables", "trainable_variables") are a name_error
template <class Rule>
chosen_by by(Rule decide) {
  return {rule(std::move(decide))};
}

}  // namespace collections

/// Where a clone goes. @see into
struct destination {
  Graph* graph = nullptr;  ///< nullptr: the source's
  std::string scope;       ///< "a/b"; "": the current one
};
/// @see from
struct source_scope {
  std::string path;  ///< of the source, to be left out at the front of paths
};
/// @see trainable
struct trainable_flag {
  bool value = true;  ///< for all variables of the clone
};

/// Which element types of a clone are others than its source's. @see element_type
struct element_types {
  dtype from = dtype::any;  ///< any: every floating type
  dtype to = dtype::any;    ///< any: all stay as they are

  /// What a type becomes.
  constexpr dtype operator()(dtype t) const {
    return to != dtype::any && (from == dtype::any ? is_floating(t) : t == from) ? to : t;
  }
};

namespace detail {

[[noreturn]] void refuse_element_type(dtype asked);

}  // namespace detail

/// The clone computes in another floating type: `clone(region, element_type(dtype::float64), variables::copied)` is a
/// float32 network in double precision, as checks of gradients by differences need it.
///
/// All floating tensors become of that type, or with `element_type(from, to)` those of one type: variables with their
/// initial values and, where they are copied, the values themselves; constants, frozen variables among them; attributes
/// that name a type, as those of casts and random operators do; bodies; placeholders of inputs. What is bound must have
/// the new type. What the clone reads of its source's graph (variables::shared and linked, kept tensors) it reads
/// through a cast, so a float32 variable may be trained by a float16 clone; variables shared like that are in the map as
/// linked ones, and shared within one graph only. Everything else (integers, booleans, counters, streams) stays.
///
/// Types are worked out anew, before rules are asked. The map gives images of their new type: a handle whose type says
/// another is refused, so ask for that of `any_tensor(y)` and view it, as<double, shape<...>>(copy(any_tensor(y))).
/// copy_values() converts; what moves values both ways or blends them (swap_values, soft_update) is refused.
/// @throws argument_error where a type is no floating one; dtype_error, from clone(), of an operator that does not take
/// the new types, or that makes others from them than its users take. An operator without a kernel for a type is
/// refused by the session that runs it.
constexpr element_types element_type(dtype to) {
  if (!is_floating(to)) detail::refuse_element_type(to);
  return {dtype::any, to};
}
/// The same for the tensors of one type. @param from floating, as `to` is
constexpr element_types element_type(dtype from, dtype to) {
  if (!is_floating(from)) detail::refuse_element_type(from);
  if (!is_floating(to)) detail::refuse_element_type(to);
  return {from, to};
}

/// Where the clone's ops go: a new scope under the current one. "a/b" goes into a (made if need be)
/// and makes b. An empty path puts them into the current scope itself.
constexpr destination into(name_view scope) { return {nullptr, std::string(scope)}; }
/// The same in another graph.
constexpr destination into(Graph& graph, name_view scope = {}) {
  return {&graph, std::string(scope)};
}
/// The scope of the source that is not repeated in the clone's names; without it the deepest scope
/// that holds all that is copied. It must hold all ops that are copied; what takes the place of frozen and linked
/// variables of other scopes goes into the clone's scope itself. @see clone
constexpr source_scope from(name_view scope) { return {std::string(scope)}; }
/// Whether an optimiser may train the new variables; without it as in the source.
constexpr trainable_flag trainable(bool value) { return {value}; }

namespace detail {

[[noreturn]] void refuse_counts(std::size_t from, std::size_t to);

template <bool AnyShape, class From, class To>
constexpr void bind_pair(bindings& all, const From& from, const To& to) {
  if constexpr (graph_handle<From> && graph_handle<To>) {
    check_fits<text("bind"), From, To, AnyShape>();
    all.pairs.emplace_back(from.ref(), to.ref());
  } else {
    std::vector<graph_reference> left, right;
    each_handle(from, [&](const auto& t) { left.push_back(t.ref()); });
    each_handle(to, [&](const auto& t) { right.push_back(t.ref()); });
    if (left.size() != right.size()) refuse_counts(left.size(), right.size());
    for (std::size_t i = 0; i < left.size(); ++i) all.pairs.emplace_back(left[i], right[i]);
  }
}

template <bool AnyShape = false>
constexpr void bind_all(bindings&) {}
template <bool AnyShape = false, class From, class To, class... Rest>
constexpr void bind_all(bindings& all, const From& from, const To& to, const Rest&... rest) {
  bind_pair<AnyShape>(all, from, to);
  bind_all<AnyShape>(all, rest...);
}

}  // namespace detail

/// Replaces inputs: `bind(x, x2)`, `bind(x, x2, mask, mask2)`, `bind(std::tuple{x, mask},
/// std::tuple{x2, mask2})`.
///
/// All replacements happen at once: `bind(a, b, b, a)` swaps. What does not fit by its static type
/// does not compile.
/// @throws argument_error where containers hold different numbers of handles
// Forwarding references make this a better match than std::bind, which argument-dependent lookup
// finds for containers.
template <class From, class To, class... Rest>
  requires((graph_handle<std::remove_cvref_t<From>> ||
            detail::mirrored<std::remove_cvref_t<From>>) &&
           (graph_handle<std::remove_cvref_t<To>> || detail::mirrored<std::remove_cvref_t<To>>) &&
           sizeof...(Rest) % 2 == 0)
constexpr bindings bind(From&& from, To&& to, Rest&&... rest) {
  bindings all;
  detail::bind_all(all, from, to, rest...);
  return all;
}

/// The same for replacements of another shape, rank included: `bind_reshaped(x, x2)`.
///
/// Types are worked out anew from the replacements on. The first op that cannot take its new operands is
/// named in a shape_error, as is a handle whose static type its image no longer has: ask for the image of
/// `any_tensor(y)` then, and view it as<...>. Variables keep their shapes.
template <class From, class To, class... Rest>
  requires(sizeof...(Rest) % 2 == 0)
constexpr bindings bind_reshaped(const From& from, const To& to, const Rest&... rest) {
  bindings all;
  detail::bind_all<true>(all, from, to, rest...);
  for (const auto& pair : all.pairs) all.reshaped.push_back(pair.first);
  return all;
}

/// One end of a control edge: an op of a graph that a call names otherwise, or the op behind a handle.
struct control_end {
  op_id op;                ///< not valid: the handle's
  graph_reference handle;  ///< where `op` is not valid
};
/// What copies wait for in place of ops outside the region. @see bind_control
struct control_bindings {
  std::vector<std::pair<control_end, control_end>>
      pairs;  ///< (outside the region, what stands for it)
};

namespace detail {
template <class T>
control_end control_end_of(const T& t) {
  static_assert(graph_handle<T> || std::same_as<T, op_id>,
                "graft: bind_control takes ids of ops, or handles of what they make");
  if constexpr (graph_handle<T>) {
    return {{}, t.ref()};
  } else {
    return {t, {}};
  }
}
inline void bind_controls(control_bindings&) {}
template <class From, class To, class... Rest>
void bind_controls(control_bindings& all, const From& from, const To& to, const Rest&... rest) {
  all.pairs.emplace_back(control_end_of(from), control_end_of(to));
  bind_controls(all, rest...);
}
}  // namespace detail

/// What waits in the region for `from`, an op outside, waits in the clone for `to`: `bind_control(guard, guard2)`. It
/// holds whatever control_in is chosen, and for clones in other graphs.
/// @param from an op_id of the region's graph, or a handle of what the op makes
/// @param to the same of the clone's graph; further pairs may follow
template <class From, class To, class... Rest>
  requires(sizeof...(Rest) % 2 == 0)
control_bindings bind_control(const From& from, const To& to, const Rest&... rest) {
  control_bindings all;
  detail::bind_controls(all, from, to, rest...);
  return all;
}

/// One op that a clone copied, as a rule sees it. @see each_op
struct copied_op {
  Graph* graph = nullptr;                   ///< of the copy: the clone's, or a body in it
  const Graph* origin = nullptr;            ///< of the source: the region's, or a body in it
  op_id source;                             ///< in `origin`
  op_id copy;                               ///< in `graph`
  const operator_schema* schema = nullptr;  ///< of both
  std::vector<any_tensor> operands;         ///< of the copy: what the rules made of the ops before
  std::vector<any_tensor> outputs;  ///< of the copy, or what the rules before this one returned
};
/// What becomes of one op of a clone. @see each_op
using op_rule = callable<std::optional<std::vector<any_tensor>>(const copied_op&)>;
/// A rule for the ops of a clone. @see each_op
struct op_transform {
  op_rule rule;                   ///< what is asked
  bodies nested = bodies::enter;  ///< whether about ops in bodies, too
};

/// Calls a rule for each op that is copied, inside the scope of the copy: an op after those that it takes, and of
/// others the one stored first.
///
/// What the rule returns takes the place of the copy's outputs, for the other copies, for variables that start with
/// them and in the map of the clone: `std::vector{op.outputs[0] + noise}` adds noise,
/// `std::vector{op.operands[0]}` drops the op, nothing keeps it. Types follow from op to op. The rule may add ops
/// and variables (they are among Clone::nodes(), variables() and, without a value, initializer()), and change the
/// copy's attributes (Graph::set_attributes). A copy that is no longer read stays in the graph; runs leave it out.
/// Tensors of the clone's graph from outside the region are welcome. What is copied is not: sharing it with the
/// source has names of its own (coverage::affected, variables::shared, unbound::keep).
///
/// Ops in bodies are asked about like others, before the op that has the body; `bodies::skip` asks about the graph's own
/// ops only. There `graph` and `origin` are the body and its source, whose ops the ids are of. What a rule builds of the
/// body's tensors goes into the body; tensors of the clone's graph that it takes become operands of the op that has
/// the body, and variables that it makes belong to the clone's graph. A body that several ops have is treated once,
/// unless it takes more from around it than it did, and stays shared; one that no rule changes stays as it is. The map
/// of the clone is of the graph's own ops.
///
/// Updates follow: where a rule drops an assign, or puts another one in its place, the variable's own updates and
/// the clone's image of an update_group leave it out, or have the other.
///
/// A rule may remove ops that nothing takes (Graph::erase_ops), copies too: these have no image then, which an
/// output must have. Scopes that it enters are left when it returns, and the graph has the mode that it had.
///
/// Several rules are asked one after the other about each op; what one added the others are not asked about. Ties
/// are split afterwards, with what rules put behind a parameter.
/// @param rule takes a `const copied_op&`, returns a std::optional<std::vector<any_tensor>>; what it
/// throws leaves the graphs as they were
/// @param nested whether it is asked about ops in bodies
/// @throws argument_error from clone() for a result that the source has and the clone a copy of; graph_error for one
/// that depends on what takes it, or that another rule removed before it
/// was taken; for a tensor that a body takes although it depends on the op that has the body; for a rule that leaves a
/// scope it had not entered, or a body open
/// Complexity: O(ops that are copied and added, and their operands) besides the rules' own work
template <class Rule>
op_transform each_op(Rule rule, bodies nested = bodies::enter) {
  return {op_rule(std::move(rule)), nested};
}

namespace variables {

/// Reads tensors in place of variables: `clone(region, variables::expr(w, w - rate * dw))` is the
/// network one gradient step later, without variables of its own, and gradients flow through the
/// expressions. Takes pairs or containers as bind does; variables that are not named follow the
/// other policies.
///
/// An expression must have the variable's type. Updates that a layer declared for the variable are
/// dropped.
/// @throws argument_error where containers hold different numbers of handles
/// @see Finn, Abbeel, Levine, Model-agnostic meta-learning, 2017
template <class From, class To, class... Rest>
  requires(sizeof...(Rest) % 2 == 0)
constexpr expressions expr(const From& from, const To& to, const Rest&... rest) {
  expressions all;
  detail::bind_all(all.pairs, from, to, rest...);
  return all;
}

}  // namespace variables

/// All choices of one clone() call. clone() takes the values in any order.
struct clone_options {
  bindings bound;                    ///< @see bind
  bindings expressions;              ///< (read of a variable, what is read instead)
  destination where;                 ///< @see into
  bool where_given = false;          ///< whether `where` was
  std::optional<std::string> strip;  ///< @see from
  variables::rule decide;            ///< empty: `policy` for all
  callable<void(const Graph&, std::span<const variable_id>)>
      require;                                         ///< @see variables::chosen_by
  variable_policy policy = variable_policy::fresh;     ///< for all variables without another
  bool policy_given = false;                           ///< whether `policy` was
  std::optional<bool> trainable;                       ///< @see trainable
  std::optional<mode> as_mode;                         ///< the mode of ops that have one
  seeds streams = seeds::split;                        ///< @see seeds
  bool streams_given = false;                          ///< whether `streams` was
  names naming = names::unique;                        ///< @see names
  unbound inputs = unbound::placeholder;               ///< @see unbound
  coverage covered = coverage::whole;                  ///< @see coverage
  ties tied = ties::keep;                              ///< @see ties
  element_types elements;                              ///< @see element_type
  control_in waiting = control_in::drop;               ///< @see control_in
  control_bindings controls;                           ///< @see bind_control
  collection_policy joined = collection_policy::keep;  ///< @see collections
  collections::rule rename_collection;                 ///< empty: `joined` for all
  std::vector<op_transform> rules;                     ///< in the order they are asked
  source_line line;                                    ///< of the call, for the ops that are added

  void set(const bindings& b);
  void set(const variables::expressions& e);
  void set(const destination& d);
  void set(const source_scope& s);
  /// @throws argument_error where another policy was given already; parts of a network have policies of their own by
  /// rules
  void set(variable_policy p);
  void set(const variables::chosen_by& c);
  void set(trainable_flag t) { trainable = t.value; }
  void set(mode m) { as_mode = m; }
  void set(seeds s) {
    streams = s;
    streams_given = true;
  }
  void set(names n) { naming = n; }
  void set(unbound u) { inputs = u; }
  void set(coverage c) { covered = c; }
  void set(ties t) { tied = t; }
  void set(const element_types& e) { elements = e; }
  void set(control_in c) { waiting = c; }
  void set(const control_bindings& b);
  void set(collection_policy p);
  void set(const collections::chosen_by& c);
  void set(const op_transform& t);
};

}  // namespace graft
