// Containers of handles: walking over the handles inside, and mapping them into an equal container.
#pragma once

#include <array>
#include <concepts>
#include <optional>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "graft/core/dictionary.hpp"
#include "graft/graph/handle.hpp"

namespace graft {

/// A handle of a graph tensor of any static type, variables included.
template <class T>
concept graph_handle = requires(const T& t) {
  { T::type } -> std::convertible_to<dtype>;
  typename T::shape_type;
  requires std::derived_from<T, tensor<Graph, T::type, typename T::shape_type>>;
};

/// How a container of handles is taken apart and put together again.
///
/// A specialisation has `each(const T&, f)`, which calls f for every handle in order, and
/// `map(const T&, f)`, which returns a container of the same structure with f(handle) in every
/// handle's place. Structs of your own may be given to `inputs`, `outputs`, `bind` and to the map of a clone, once they are
/// described to Boost.Hana (runtime/struct_mirror.hpp) or mirror is specialised for them.
template <class T>
struct mirror;

namespace detail {

template <class T>
concept mirrored = requires { sizeof(mirror<T>); };

// What stands for itself rather than for what is inside it.
template <class T>
concept leaf = graph_handle<T> || std::same_as<T, op_id> || std::same_as<T, tensor_id> ||
               std::same_as<T, variable_id>;

template <class T, class F>
constexpr void each_handle(const T& value, F&& f) {
  static_assert(leaf<T> || mirrored<T>,
                "graft: expected handles of graph tensors, or tuples, arrays, vectors, maps or "
                "optionals of them; "
                "a struct of your own is described by BOOST_HANA_ADAPT_STRUCT "
                "(graft/runtime/struct_mirror.hpp, in graft/graft.hpp)");
  if constexpr (leaf<T>) {
    f(value);
  } else if constexpr (mirrored<T>) {
    mirror<T>::each(value, f);
  }
}

template <class T, class F>
constexpr auto map_handles(const T& value, F&& f) {
  static_assert(leaf<T> || mirrored<T>,
                "graft: expected handles or ids of a graph, or tuples, arrays, vectors, maps or "
                "optionals of them; "
                "a struct of your own is described by BOOST_HANA_ADAPT_STRUCT "
                "(graft/runtime/struct_mirror.hpp, in graft/graft.hpp)");
  if constexpr (leaf<T>) {
    return f(value);
  } else if constexpr (mirrored<T>) {
    return mirror<T>::map(value, f);
  }
}

}  // namespace detail

template <class... Parts>
struct mirror<std::tuple<Parts...>> {
  template <class F>
  static constexpr void each(const std::tuple<Parts...>& value, F&& f) {
    std::apply([&](const Parts&... parts) { (detail::each_handle(parts, f), ...); }, value);
  }
  template <class F>
  static constexpr auto map(const std::tuple<Parts...>& value, F&& f) {
    return std::apply(
        [&](const Parts&... parts) {
          // Braces, so that the parts are mapped from left to right.
          return std::tuple<decltype(detail::map_handles(parts, f))...>{
              detail::map_handles(parts, f)...};
        },
        value);
  }
};

template <class First, class Second>
struct mirror<std::pair<First, Second>> {
  template <class F>
  static constexpr void each(const std::pair<First, Second>& value, F&& f) {
    detail::each_handle(value.first, f);
    detail::each_handle(value.second, f);
  }
  template <class F>
  static constexpr auto map(const std::pair<First, Second>& value, F&& f) {
    auto first = detail::map_handles(value.first, f);
    return std::pair{std::move(first), detail::map_handles(value.second, f)};
  }
};

template <class T, std::size_t N>
struct mirror<std::array<T, N>> {
  template <class F>
  static constexpr void each(const std::array<T, N>& value, F&& f) {
    for (const T& part : value) detail::each_handle(part, f);
  }
  template <class F>
  static constexpr auto map(const std::array<T, N>& value, F&& f) {
    std::array<decltype(detail::map_handles(value[0], f)), N> result;
    for (std::size_t i = 0; i < N; ++i) result[i] = detail::map_handles(value[i], f);
    return result;
  }
};

template <class T, class Allocator>
struct mirror<std::vector<T, Allocator>> {
  template <class F>
  static constexpr void each(const std::vector<T, Allocator>& value, F&& f) {
    for (const T& part : value) detail::each_handle(part, f);
  }
  template <class F>
  static constexpr auto map(const std::vector<T, Allocator>& value, F&& f) {
    std::vector<decltype(detail::map_handles(std::declval<const T&>(), f))> result;
    result.reserve(value.size());
    for (const T& part : value) result.push_back(detail::map_handles(part, f));
    return result;
  }
};

/// Maps to a vector: a span does not own what it shows.
template <class T, std::size_t Extent>
struct mirror<std::span<T, Extent>> {
  template <class F>
  static constexpr void each(std::span<T, Extent> value, F&& f) {
    for (const T& part : value) detail::each_handle(part, f);
  }
  template <class F>
  static constexpr auto map(std::span<T, Extent> value, F&& f) {
    std::vector<decltype(detail::map_handles(std::declval<const std::remove_const_t<T>&>(), f))>
        result;
    result.reserve(value.size());
    for (const T& part : value) result.push_back(detail::map_handles(part, f));
    return result;
  }
};

/// Entries in the order of keys; keys stay.
template <detail::dictionary M>
struct mirror<M> {
  template <class F>
  static void each(const M& value, F&& f) {
    detail::each_entry(value, [&](const auto&, const auto& part) { detail::each_handle(part, f); });
  }
  template <class F>
  static auto map(const M& value, F&& f) {
    using part_type = typename M::mapped_type;
    using image = decltype(detail::map_handles(std::declval<const part_type&>(), f));
    typename detail::dictionary_of<M, image>::type result;
    detail::each_entry(value, [&](const auto& key, const auto& part) {
      result.emplace(key, detail::map_handles(part, f));
    });
    return result;
  }
};

template <class T>
struct mirror<std::optional<T>> {
  template <class F>
  static constexpr void each(const std::optional<T>& value, F&& f) {
    if (value) detail::each_handle(*value, f);
  }
  template <class F>
  static constexpr auto map(const std::optional<T>& value, F&& f) {
    std::optional<decltype(detail::map_handles(*value, f))> result;
    if (value) result = detail::map_handles(*value, f);
    return result;
  }
};

}  // namespace graft
