// Dictionaries (std::map, std::unordered_map and types like them) as structures of other things.
#pragma once

#include <concepts>
#include <span>
#include <vector>

#include "graft/core/function_ref.hpp"

namespace graft::detail {

/// A container of pairs (key, mapped).
template <class M>
concept dictionary = requires(const M& m) {
  typename M::key_type;
  typename M::mapped_type;
  { m.begin()->first } -> std::convertible_to<const typename M::key_type&>;
  { m.begin()->second } -> std::convertible_to<const typename M::mapped_type&>;
};

void sort_entries(std::span<const void*> entries,
                  function_ref<bool(const void*, const void*)> before);

/// Calls f(key, mapped) for each entry in the order of keys, whatever order the dictionary keeps: what is
/// made of a dictionary should be the same in every run and everywhere.
template <dictionary M, class F>
void each_entry(const M& all, F&& f) {
  if constexpr (requires { typename M::key_compare; }) {
    for (const auto& entry : all) f(entry.first, entry.second);
  } else {
    using entry_type = typename M::value_type;
    std::vector<const void*> order;
    for (const entry_type& entry : all) order.push_back(&entry);
    sort_entries(order, [](const void* a, const void* b) {
      return static_cast<const entry_type*>(a)->first < static_cast<const entry_type*>(b)->first;
    });
    for (const void* at : order) {
      const auto& entry = *static_cast<const entry_type*>(at);
      f(entry.first, entry.second);
    }
  }
}

/// The dictionary of the same kind with other mapped values; its allocator is the usual one.
template <class M, class T>
struct dictionary_of;
template <template <class...> class M, class Key, class Mapped, class... Rest, class T>
  requires requires { typename M<Key, Mapped, Rest...>::key_compare; }
struct dictionary_of<M<Key, Mapped, Rest...>, T> {
  using type = M<Key, T, typename M<Key, Mapped, Rest...>::key_compare>;
};
template <template <class...> class M, class Key, class Mapped, class... Rest, class T>
  requires requires { typename M<Key, Mapped, Rest...>::hasher; }
struct dictionary_of<M<Key, Mapped, Rest...>, T> {
  using type = M<Key, T, typename M<Key, Mapped, Rest...>::hasher,
                 typename M<Key, Mapped, Rest...>::key_equal>;
};

}  // namespace graft::detail
