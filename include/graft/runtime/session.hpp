// Running graphs.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "graft/graph/initializer.hpp"
#include "graft/graph/update_group.hpp"
#include "graft/runtime/feed.hpp"

namespace graft {

struct session_options {
  int threads = 0;         ///< 0: one a processor; results are the same bits for every number
  std::uint64_t seed = 0;  ///< of all random streams
  /// Test every result and throw numeric_error naming the first op whose result is not finite. Slow.
  bool check_numerics = false;
};

namespace detail {
class session_state;

/// What to fetch and to update, without the structure it was asked in.
struct fetch_list {
  std::vector<any_tensor> tensors;
  std::vector<op_id> updates;
};

// How each kind of fetch is collected and given back.
template <class T>
struct fetch_traits;

template <dtype Type, class Shape>
struct fetch_traits<tensor<Graph, Type, Shape>> {
  static void collect(const tensor<Graph, Type, Shape>& t, fetch_list& list) { list.tensors.push_back(t); }
  static Array give(const tensor<Graph, Type, Shape>&, const std::vector<Array>& found, std::size_t& at) {
    return found[at++];
  }
};
template <dtype Type, class Shape>
struct fetch_traits<variable<Type, Shape>> : fetch_traits<tensor<Graph, Type, Shape>> {};
template <>
struct fetch_traits<update_group> {
  static void collect(const update_group& u, fetch_list& list) {
    list.updates.insert(list.updates.end(), u.assigns().begin(), u.assigns().end());
  }
  static std::monostate give(const update_group&, const std::vector<Array>&, std::size_t&) { return {}; }
};
template <class T>
struct fetch_traits<std::vector<T>> {
  static void collect(const std::vector<T>& all, fetch_list& list) {
    for (const T& t : all) fetch_traits<T>::collect(t, list);
  }
  static auto give(const std::vector<T>& all, const std::vector<Array>& found, std::size_t& at) {
    std::vector<decltype(fetch_traits<T>::give(std::declval<const T&>(), found, at))> result;
    for (const T& t : all) result.push_back(fetch_traits<T>::give(t, found, at));
    return result;
  }
};
template <class T, std::size_t N>
struct fetch_traits<std::array<T, N>> {
  static void collect(const std::array<T, N>& all, fetch_list& list) {
    for (const T& t : all) fetch_traits<T>::collect(t, list);
  }
  static auto give(const std::array<T, N>& all, const std::vector<Array>& found, std::size_t& at) {
    std::array<decltype(fetch_traits<T>::give(std::declval<const T&>(), found, at)), N> result;
    for (std::size_t i = 0; i < N; ++i) result[i] = fetch_traits<T>::give(all[i], found, at);
    return result;
  }
};
template <class... T>
struct fetch_traits<std::tuple<T...>> {
  static void collect(const std::tuple<T...>& all, fetch_list& list) {
    std::apply([&](const auto&... t) { (fetch_traits<std::remove_cvref_t<decltype(t)>>::collect(t, list), ...); }, all);
  }
  static auto give(const std::tuple<T...>& all, const std::vector<Array>& found, std::size_t& at) {
    // Braces, so that the elements are taken from left to right.
    return std::apply(
        [&](const auto&... t) {
          return std::tuple<decltype(fetch_traits<T>::give(t, found, at))...>{
              fetch_traits<std::remove_cvref_t<decltype(t)>>::give(t, found, at)...};
        },
        all);
  }
};
template <class A, class B>
struct fetch_traits<std::pair<A, B>> {
  static void collect(const std::pair<A, B>& all, fetch_list& list) {
    fetch_traits<A>::collect(all.first, list);
    fetch_traits<B>::collect(all.second, list);
  }
  static auto give(const std::pair<A, B>& all, const std::vector<Array>& found, std::size_t& at) {
    auto first = fetch_traits<A>::give(all.first, found, at);
    return std::pair(std::move(first), fetch_traits<B>::give(all.second, found, at));
  }
};

}  // namespace detail

/// A call bound once: its fetches, its feeds and their shapes. Running it allocates nothing.
class prepared_call {
 public:
  prepared_call(prepared_call&&) noexcept;
  prepared_call& operator=(prepared_call&&) noexcept;
  ~prepared_call();

  /// The memory of feed i, to be written before run(). Its contents stay between runs.
  template <element T>
  [[nodiscard]] std::span<T> input(std::size_t i) {
    return {static_cast<T*>(input_data(i, dtype_of<T>)), input_size(i)};
  }
  /// The result of fetch i after run(), valid until the next run.
  template <element T>
  [[nodiscard]] std::span<const T> output(std::size_t i) const {
    return {static_cast<const T*>(output_data(i, dtype_of<T>)), output_size(i)};
  }
  void run();

 private:
  friend class Session;
  struct state;
  explicit prepared_call(std::unique_ptr<state> s);
  [[nodiscard]] void* input_data(std::size_t i, dtype type);
  [[nodiscard]] std::size_t input_size(std::size_t i) const;
  [[nodiscard]] const void* output_data(std::size_t i, dtype type) const;
  [[nodiscard]] std::size_t output_size(std::size_t i) const;
  std::unique_ptr<state> state_;
};

/// Runs pieces of one graph. Plans are made once for each set of fetches, feeds and feed shapes, and kept.
///
/// In a run every variable is read as it was at the start; updates are committed together at the end, and a run
/// that throws commits none. Several threads may run one session at a time, as long as none changes the graph.
class Session {
 public:
  explicit Session(Graph& graph, const session_options& options = {});
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  /// Gives every variable without a value its initial value, in an order in which initial values that read other
  /// variables find them. @throws graph_error for initial values that need each other
  void initialize();
  /// Gives exactly these variables their initial values (again).
  void run(const initializer_set& initializer);

  /// Computes what is asked for: a tensor, updates, or tuples, pairs, arrays and vectors of them, nested; the result has the
  /// same structure, with Array for tensors and std::monostate for updates.
  /// @throws feed_error, shape_error, dtype_error, uninitialized_error, unsupported_error, numeric_error: nothing has changed then
  template <class Fetch, class... Feeds>
  auto run(const Fetch& fetch, Feeds&&... feeds) {
    std::vector<feed_item> items;
    items.reserve(sizeof...(feeds));
    (append(items, std::forward<Feeds>(feeds)), ...);
    detail::fetch_list list;
    detail::fetch_traits<Fetch>::collect(fetch, list);
    const std::vector<Array> found = run_list(list, items);
    std::size_t at = 0;
    return detail::fetch_traits<Fetch>::give(fetch, found, at);
  }

  /// Binds a call. @param feeds the arrays give the shapes and the first contents
  template <class Fetch>
  prepared_call prepare(const Fetch& fetch, const std::vector<feed_item>& feeds = {}) {
    detail::fetch_list list;
    detail::fetch_traits<Fetch>::collect(fetch, list);
    return prepare_list(list, feeds);
  }

  [[nodiscard]] Array value(const any_tensor& variable) const;
  void set_value(const any_tensor& variable, Array value);

  /// Describes the plan of a call: steps, shapes, places, bytes of the arena.
  template <class Fetch, class... Feeds>
  std::string explain_plan(const Fetch& fetch, Feeds&&... feeds) {
    std::vector<feed_item> items;
    (append(items, std::forward<Feeds>(feeds)), ...);
    detail::fetch_list list;
    detail::fetch_traits<Fetch>::collect(fetch, list);
    return explain_list(list, items);
  }

 private:
  static void append(std::vector<feed_item>& items, feed_item item) { items.push_back(std::move(item)); }
  static void append(std::vector<feed_item>& items, const std::vector<feed_item>& more) {
    items.insert(items.end(), more.begin(), more.end());
  }
  std::vector<Array> run_list(const detail::fetch_list& list, const std::vector<feed_item>& feeds);
  prepared_call prepare_list(const detail::fetch_list& list, const std::vector<feed_item>& feeds);
  std::string explain_list(const detail::fetch_list& list, const std::vector<feed_item>& feeds);

  std::shared_ptr<detail::session_state> state_;
};

/// Computes tensors once, without keeping a session.
template <class Fetch, class... Feeds>
auto evaluate(const Fetch& fetch, Feeds&&... feeds) {
  detail::fetch_list list;
  detail::fetch_traits<Fetch>::collect(fetch, list);
  if (list.tensors.empty()) {
    throw argument_error({"nothing was asked to be evaluated", "there is no tensor to fetch", "", "pass a tensor"});
  }
  Session session(target_traits<Graph>::target_of(list.tensors[0].ref()));
  return session.run(fetch, std::forward<Feeds>(feeds)...);
}

/// The updates that the layers under a tensor own: moving statistics, random streams.
update_group updates_of(const any_tensor& y);

}  // namespace graft
