// Running graphs.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>

#include "graft/core/error.hpp"
#include "graft/graph/initializer.hpp"
#include "graft/runtime/feed.hpp"
#include "graft/runtime/feed_structure.hpp"
#include "graft/runtime/fetch.hpp"
#include "graft/runtime/prepared.hpp"

namespace graft {

/// The choices of a session.
struct session_options {
  int threads = 0;         ///< 0: one a processor; results are the same bits for every number
  std::uint64_t seed = 0;  ///< of all random streams
  /// Tests every result and throws numeric_error naming the first op that made a NaN or an
  /// infinity. Slow: nothing is fused then, and updates wait until all results were tested.
  bool check_numerics = false;
};

namespace detail {

class session_state;

void add_feed(std::vector<feed_item>& all, feed_item item);
void add_feeds(std::vector<feed_item>& all, const std::vector<feed_item>& items);

// These return auto so that compilers look into them where they are called, and name that line of the program.
template <class Feed>
auto append_feeds(std::vector<feed_item>& all, Feed&& feed) {
  if constexpr (std::is_convertible_v<Feed&&, feed_item>) {
    add_feed(all, std::forward<Feed>(feed));
  } else if constexpr (std::is_convertible_v<Feed&&, const std::vector<feed_item>&>) {
    add_feeds(all, feed);
  } else {
    static_assert(sizeof(Feed) == 0,
                  "graft: after what is asked for come feeds: feed(x, value); several tensors are "
                  "asked for as one argument: {a, b} or std::tuple(a, b)");
  }
}
template <class... Feeds>
auto feed_list(Feeds&&... feeds) {
  std::vector<feed_item> all;
  all.reserve(sizeof...(feeds));
  (append_feeds(all, std::forward<Feeds>(feeds)), ...);
  return all;
}

/// Zeros for a tensor whose extents are all known. @throws shape_error where one is not
feed_item known_shape(const graph_reference& target);

// What prepare() takes as inputs: feeds, or tensors whose extents are all known.
template <class Input>
auto append_inputs(std::vector<feed_item>& all, const Input& input) {
  if constexpr (tensor_like<Input>) {
    all.push_back(known_shape(input.ref()));
  } else if constexpr (reference_list<Input>) {
    for (const graph_reference& r : input.tensors) all.push_back(known_shape(r));
  } else {
    append_feeds(all, input);
  }
}

template <class Fetch>
auto list_of(const Fetch& fetch) {
  fetch_list list;
  collect_fetch(fetch, list);
  return list;
}

}  // namespace detail

/// Runs pieces of one graph. A plan is made once for each set of fetches, feeds and feed shapes,
/// and kept; calls of equal structure, such as a network and its clones, share one. Equal ops of a
/// call run once.
///
/// In a run every variable is read as it was at the start; updates are committed together at the
/// end; a run that throws has changed nothing. Several threads may run one session, or sessions of
/// graphs that share variables, at a time: runs that update variables follow one another, all
/// others go beside them. Changing the graph needs exclusive access.
class Session {
 public:
  /// The graph may move; when it is gone, using the session is a handle_error, as is using one that
  /// was moved from.
  explicit Session(Graph& graph, const session_options& options = {});
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  /// Gives every variable without a value its initial value; those that have one keep it.
  /// @throws graph_error for initial values that need each other; no variable has changed then
  void initialize();
  /// Gives exactly these variables their initial values, again if they have one. Initial values
  /// that read variables of the set see the new ones.
  void run(const initializer_set& initializer);

  /// Computes what is asked for: a tensor, updates, a training step, or tuples, pairs, arrays,
  /// vectors and optionals of such, nested. The result has the same structure, with Array for
  /// tensors and std::monostate for updates.
  ///
  /// What is asked for twice is computed once. A fed tensor that is asked for is the value fed.
  /// @param feeds feed(...) items, or vectors of them
  /// @throws feed_error, shape_error, dtype_error, argument_error where a fed shape lacks an axis that an op names,
  /// uninitialized_error, graph_error for two updates
  /// of one variable where neither follows from the other, unsupported_error, numeric_error
  template <class Fetch, class... Feeds>
  auto run(const Fetch& fetch, Feeds&&... feeds) {
    std::vector<Array> found =
        run_list(detail::list_of(fetch), detail::feed_list(std::forward<Feeds>(feeds)...));
    detail::fetch_results results(found);
    return detail::give_fetch(fetch, results);
  }
  /// The same of tensors in braces: `session.run({y, loss}, feed(x, batch))` gives an array each.
  template <class... Feeds>
  std::vector<Array> run(std::initializer_list<any_tensor> fetches, Feeds&&... feeds) {
    return run(std::vector<any_tensor>(fetches), std::forward<Feeds>(feeds)...);
  }

  /// Binds a call to memory of its own, for running it without allocating.
  /// @param fetch as for run; outputs are numbered in the order of its tensors
  /// @param inputs tensors whose extents are all known, shaped(x, {32, 784}), or feed(x, array) for
  /// first contents
  template <class Fetch, class... Inputs>
  [[nodiscard]] prepared_call prepare(const Fetch& fetch, const Inputs&... inputs) {
    std::vector<feed_item> all;
    (detail::append_inputs(all, inputs), ...);
    return prepare_list(detail::list_of(fetch), std::move(all));
  }
  /// The same of tensors in braces: `session.prepare({y, z}, {x})`. All extents of the inputs are known.
  [[nodiscard]] prepared_call prepare(std::initializer_list<any_tensor> fetches,
                                      std::initializer_list<any_tensor> inputs = {}) {
    std::vector<feed_item> all;
    for (const any_tensor& input : inputs) all.push_back(detail::known_shape(input.ref()));
    return prepare_list(detail::list_of(std::vector<any_tensor>(fetches)), std::move(all));
  }

  /// The value of a variable, given by the tensor that reads it.
  /// @throws argument_error if the tensor reads no variable, handle_error for one of another graph, uninitialized_error
  [[nodiscard]] Array value(const any_tensor& variable) const;
  /// The same of a variable's id. @throws likewise
  [[nodiscard]] Array value(variable_id variable) const;
  /// @throws argument_error, handle_error likewise; shape_error, dtype_error where the value does not fit
  void set_value(const any_tensor& variable, Array value);
  /// The same of a variable's id. @throws likewise
  void set_value(variable_id variable, Array value);

  /// Describes the plan of a call: its steps in order with shapes and where results go, the ops
  /// that were merged because they compute the same, and the memory.
  template <class Fetch, class... Feeds>
  [[nodiscard]] std::string explain_plan(const Fetch& fetch, Feeds&&... feeds) {
    return explain_list(detail::list_of(fetch), detail::feed_list(std::forward<Feeds>(feeds)...));
  }

  /// The graph it runs. @throws handle_error if it is gone
  [[nodiscard]] Graph& graph() const;
  /// The seed of all random streams.
  [[nodiscard]] std::uint64_t seed() const;
  /// Number of threads that kernels run on.
  [[nodiscard]] int threads() const;
  /// Number of plans made so far, those that were dropped since included. Calls that share a plan
  /// count once.
  [[nodiscard]] std::uint64_t plans_made() const;

 private:
  std::vector<Array> run_list(const detail::fetch_list& list, const std::vector<feed_item>& feeds);
  prepared_call prepare_list(const detail::fetch_list& list, std::vector<feed_item> inputs);
  std::string explain_list(const detail::fetch_list& list, const std::vector<feed_item>& feeds);
  [[nodiscard]] detail::session_state& state() const;  // refuses a session that was moved from

  std::shared_ptr<detail::session_state> state_;
};

namespace detail {
/// The graph of what is asked for. @throws argument_error if nothing is
Graph& graph_of(const fetch_list& list);
/// The same error with a hint for a call that has no session.
[[noreturn]] void refuse_evaluation(const uninitialized_error& cause);
}  // namespace detail

/// Computes tensors once, without a session: `evaluate(y, feed(x, array))`.
/// @throws uninitialized_error if a variable has no value
template <class Fetch, class... Feeds>
auto evaluate(const Fetch& fetch, Feeds&&... feeds) {
  Session session(detail::graph_of(detail::list_of(fetch)));
  try {
    return session.run(fetch, std::forward<Feeds>(feeds)...);
  } catch (const uninitialized_error& cause) {
    detail::refuse_evaluation(cause);
  }
}

/// The updates that the layers under a tensor own, by variable: statistics, draw counters. Batch norm that is applied in
/// several places, as by shared clones, has those of the applications under y; what is missing is added to the graph.
[[nodiscard]] update_group updates_of(const any_tensor& y);

}  // namespace graft
