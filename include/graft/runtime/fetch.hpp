// Fetches: what a run is asked for, as handles in any structure, and the results in the same
// structure.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "graft/core/dictionary.hpp"
#include "graft/graph/update_group.hpp"

namespace graft {

namespace detail {

/// What to fetch and to update, without the structure it was asked in.
struct fetch_list {
  std::vector<graph_reference> tensors;
  std::vector<update_group> updates;

  void add(const graph_reference& tensor);
  void add(std::span<const graph_reference> more);
  void add(const update_group& update);
};

/// Hands out results in the order in which they were asked for.
class fetch_results {
 public:
  explicit fetch_results(std::span<Array> found) : next_(found.data()) {}
  Array take() { return std::move(*next_++); }

 private:
  Array* next_;
};

/// How one kind of fetch is taken apart (`collect`) and given back (`give`).
template <class T>
struct fetch_traits;

template <class T>
concept fetchable = requires { sizeof(fetch_traits<std::remove_cvref_t<T>>); };

// Returns auto so that compilers look into it where it is called, and name that line of the program.
template <class T>
auto collect_fetch(const T& fetch, fetch_list& list) {
  static_assert(
      fetchable<T>,
      "graft: expected tensors, updates, or tuples, pairs, arrays, vectors, maps or optionals of "
      "them; a struct of your own is described by BOOST_HANA_ADAPT_STRUCT "
      "(graft/runtime/structured.hpp, in graft/graft.hpp)");
  if constexpr (fetchable<T>) fetch_traits<T>::collect(fetch, list);
}
template <class T>
auto give_fetch(const T& fetch, fetch_results& found) {
  if constexpr (fetchable<T>) {
    return fetch_traits<T>::give(fetch, found);
  } else {
    return std::monostate{};  // refused by collect_fetch
  }
}
template <class T>
using fetched = decltype(give_fetch(std::declval<const T&>(), std::declval<fetch_results&>()));

template <tensor_like T>
struct fetch_traits<T> {
  static void collect(const T& t, fetch_list& list) { list.add(t.ref()); }
  static Array give(const T&, fetch_results& found) { return found.take(); }
};

template <>
struct fetch_traits<update_group> {
  static void collect(const update_group& u, fetch_list& list) { list.add(u); }
  static std::monostate give(const update_group&, fetch_results&) { return {}; }
};

/// What carries updates, such as a training step, stands for them.
template <class T>
concept has_updates = requires(const T& t) {
  { t.updates } -> std::convertible_to<const update_group&>;
};
template <has_updates T>
struct fetch_traits<T> {
  static void collect(const T& t, fetch_list& list) { list.add(t.updates); }
  static std::monostate give(const T&, fetch_results&) { return {}; }
};

template <class T, class Allocator>
struct fetch_traits<std::vector<T, Allocator>> {
  static void collect(const std::vector<T, Allocator>& all, fetch_list& list) {
    for (const T& t : all) collect_fetch(t, list);
  }
  static std::vector<fetched<T>> give(const std::vector<T, Allocator>& all, fetch_results& found) {
    std::vector<fetched<T>> result;
    result.reserve(all.size());
    for (const T& t : all) result.push_back(give_fetch(t, found));
    return result;
  }
};

template <class T, std::size_t N>
struct fetch_traits<std::array<T, N>> {
  static void collect(const std::array<T, N>& all, fetch_list& list) {
    for (const T& t : all) collect_fetch(t, list);
  }
  static std::array<fetched<T>, N> give(const std::array<T, N>& all, fetch_results& found) {
    std::array<fetched<T>, N> result;
    for (std::size_t i = 0; i < N; ++i) result[i] = give_fetch(all[i], found);
    return result;
  }
};

template <class... T>
struct fetch_traits<std::tuple<T...>> {
  static void collect(const std::tuple<T...>& all, fetch_list& list) {
    std::apply([&](const T&... t) { (collect_fetch(t, list), ...); }, all);
  }
  static std::tuple<fetched<T>...> give(const std::tuple<T...>& all, fetch_results& found) {
    // Braces, so that the elements are taken from left to right.
    return std::apply(
        [&](const T&... t) { return std::tuple<fetched<T>...>{give_fetch(t, found)...}; }, all);
  }
};

template <class A, class B>
struct fetch_traits<std::pair<A, B>> {
  static void collect(const std::pair<A, B>& both, fetch_list& list) {
    collect_fetch(both.first, list);
    collect_fetch(both.second, list);
  }
  static std::pair<fetched<A>, fetched<B>> give(const std::pair<A, B>& both, fetch_results& found) {
    return std::pair<fetched<A>, fetched<B>>{give_fetch(both.first, found),
                                             give_fetch(both.second, found)};
  }
};

template <dictionary M>
struct fetch_traits<M> {
  using result_type = typename dictionary_of<M, fetched<typename M::mapped_type>>::type;
  static void collect(const M& all, fetch_list& list) {
    each_entry(all, [&](const auto&, const auto& t) { collect_fetch(t, list); });
  }
  static result_type give(const M& all, fetch_results& found) {
    result_type result;
    each_entry(all,
               [&](const auto& key, const auto& t) { result.emplace(key, give_fetch(t, found)); });
    return result;
  }
};

template <class T>
struct fetch_traits<std::optional<T>> {
  static void collect(const std::optional<T>& maybe, fetch_list& list) {
    if (maybe) collect_fetch(*maybe, list);
  }
  static std::optional<fetched<T>> give(const std::optional<T>& maybe, fetch_results& found) {
    if (!maybe) return std::nullopt;
    return give_fetch(*maybe, found);
  }
};

/// Lists of tensors such as `outputs(...)`: a vector of arrays.
template <class T>
concept reference_list = requires(const T& t) {
  { t.tensors } -> std::convertible_to<const std::vector<graph_reference>&>;
};
template <reference_list T>
struct fetch_traits<T> {
  static void collect(const T& t, fetch_list& list) { list.add(t.tensors); }
  static std::vector<Array> give(const T& t, fetch_results& found) {
    std::vector<Array> result;
    for (std::size_t i = 0; i < t.tensors.size(); ++i) result.push_back(found.take());
    return result;
  }
};

}  // namespace detail
}  // namespace graft
