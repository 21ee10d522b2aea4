// Feeding structures of tensors: tuples, pairs, arrays, vectors, maps and optionals of handles, nested, with values in
// the same structure. Structs are in structured.hpp.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "graft/core/dictionary.hpp"
#include "graft/runtime/feed.hpp"

namespace graft {

namespace detail {

/// How a structure of handles is fed: `collect(handles, values, list)`.
template <class T>
struct feed_traits;

template <class T>
concept feedable_structure = requires { sizeof(feed_traits<T>); };

// Throw feed_error: as many values as tensors are needed, a value of each key, a value where there is a tensor.
[[noreturn]] void refuse_feed_count(std::size_t tensors, std::size_t values);
[[noreturn]] void refuse_feed_key(const std::string& key, bool value_is_missing);
[[noreturn]] void refuse_feed_of_nothing(bool value_is_missing);

// Returns auto so that compilers look into it where it is called, and name that line of the program.
template <class Handles, class Values>
auto collect_feeds(const Handles& handles, const Values& values, std::vector<feed_item>& list) {
  if constexpr (feedable_structure<Handles>) {
    feed_traits<Handles>::collect(handles, values, list);
  } else {
    constexpr bool one_for_one = requires { feed(handles, values); };
    static_assert(tensor_like<Handles> && one_for_one,
                  "graft: a structure of tensors is fed values in the same structure: "
                  "feed(std::tuple(a, b), std::tuple(A, B)); each tensor is fed an Array, elements "
                  "of its type, or a number");
    if constexpr (tensor_like<Handles> && one_for_one) list.push_back(feed(handles, values));
  }
}

template <class T>
concept tuple_like = requires { std::tuple_size<T>::value; };

// Tuples, pairs and arrays beside such; arrays beside other lists, too.
template <class Handles, class Values, std::size_t... I>
auto collect_parts(const Handles& handles, const Values& values, std::vector<feed_item>& list,
                   std::index_sequence<I...>) {
  if constexpr (tuple_like<Values>) {
    constexpr bool as_many = std::tuple_size_v<Values> == sizeof...(I);
    static_assert(as_many, "graft: a structure of tensors is fed as many values as it has tensors");
    if constexpr (as_many) {
      (collect_feeds(std::get<I>(handles), std::get<I>(values), list), ...);
    }
  } else {
    constexpr bool is_list = requires { values.begin() + values.size(); };
    static_assert(is_list,
                  "graft: several tensors are fed several values: a tuple, an array or a vector");
    if constexpr (is_list) {
      if (values.size() != sizeof...(I)) refuse_feed_count(sizeof...(I), values.size());
      (collect_feeds(std::get<I>(handles), *(values.begin() + I), list), ...);
    }
  }
}

template <tuple_like T>
struct feed_traits<T> {
  template <class Values>
  static auto collect(const T& handles, const Values& values, std::vector<feed_item>& list) {
    collect_parts(handles, values, list, std::make_index_sequence<std::tuple_size_v<T>>());
  }
};

template <class T, class Allocator>
struct feed_traits<std::vector<T, Allocator>> {
  template <class Values>
  static auto collect(const std::vector<T, Allocator>& handles, const Values& values,
                      std::vector<feed_item>& list) {
    constexpr bool is_list = requires { values.begin() + values.size(); };
    static_assert(is_list, "graft: a vector of tensors is fed a vector or an array of values");
    if constexpr (is_list) {
      if (values.size() != handles.size()) refuse_feed_count(handles.size(), values.size());
      auto value = values.begin();
      for (const T& handle : handles) collect_feeds(handle, *value++, list);
    }
  }
};

template <class Key>
std::string key_in_words(const Key& key) {
  if constexpr (std::is_convertible_v<const Key&, std::string>) {
    return "'" + std::string(key) + "'";
  } else if constexpr (std::is_arithmetic_v<Key>) {
    return std::to_string(key);
  } else {
    return "";
  }
}

template <dictionary M>
struct feed_traits<M> {
  template <class Values>
  static auto collect(const M& handles, const Values& values, std::vector<feed_item>& list) {
    static_assert(dictionary<Values>, "graft: a map of tensors is fed a map of values");
    if constexpr (dictionary<Values>) {
      each_entry(handles, [&](const auto& key, const auto& handle) {
        const auto value = values.find(key);
        if (value == values.end()) refuse_feed_key(key_in_words(key), true);
        collect_feeds(handle, value->second, list);
      });
      each_entry(values, [&](const auto& key, const auto&) {
        if (handles.find(key) == handles.end()) refuse_feed_key(key_in_words(key), false);
      });
    }
  }
};

template <class T>
struct feed_traits<std::optional<T>> {
  template <class Value>
  static auto collect(const std::optional<T>& handle, const std::optional<Value>& value,
                      std::vector<feed_item>& list) {
    if (handle.has_value() != value.has_value()) refuse_feed_of_nothing(handle.has_value());
    if (handle) collect_feeds(*handle, *value, list);
  }
};

}  // namespace detail

/// Feeds the tensors of a structure the values of one like it: `feed(std::tuple(x, labels), std::tuple(batch, digits))`.
///
/// Tuples, pairs and arrays are fed such of as many values, vectors and arrays also lists of as many, maps
/// the values of their keys, optionals optionals; structs are fed as structured.hpp says. A tensor in it is fed what
/// feed() takes for one. What was fetched in the structure can be fed to it.
/// @return one item a tensor, in order, for run(), prepare() and evaluate()
/// @throws feed_error where there are not as many values as tensors, and what feed() throws; numbers that the types
/// tell do not compile
template <class Handles, class Values>
  requires detail::feedable_structure<Handles>
std::vector<feed_item> feed(const Handles& handles, const Values& values) {
  std::vector<feed_item> list;
  detail::collect_feeds(handles, values, list);
  return list;
}
/// The same with arrays listed in place: `feed(std::tuple(x, labels), {batch, digits})`.
template <class Handles>
  requires detail::feedable_structure<Handles>
std::vector<feed_item> feed(const Handles& handles, std::initializer_list<Array> values) {
  std::vector<feed_item> list;
  detail::collect_feeds(handles, values, list);
  return list;
}

}  // namespace graft
