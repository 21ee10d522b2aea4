// Structures of handles: tuples, pairs, arrays, vectors and the user's own structs, nested at will.
//
// A struct takes part when it is described to Boost.Hana, by BOOST_HANA_DEFINE_STRUCT inside it or
// BOOST_HANA_ADAPT_STRUCT after it; include <boost/hana/define_struct.hpp> or adapt_struct.hpp for
// that.
#pragma once

#include <array>
#include <tuple>
#include <utility>
#include <vector>

#include <boost/hana/accessors.hpp>
#include <boost/hana/concept/struct.hpp>
#include <boost/hana/second.hpp>
#include <boost/hana/tuple.hpp>
#include <boost/hana/unpack.hpp>

#include "graft/core/small_vector.hpp"
#include "graft/core/tensor.hpp"

namespace graft {

namespace detail {

template <class T>
inline constexpr bool is_tuple = false;
template <class... T>
inline constexpr bool is_tuple<std::tuple<T...>> = true;
template <class A, class B>
inline constexpr bool is_tuple<std::pair<A, B>> = true;
template <class T, std::size_t N>
inline constexpr bool is_tuple<std::array<T, N>> = true;

template <class T>
inline constexpr bool is_sequence = false;
template <class T, class A>
inline constexpr bool is_sequence<std::vector<T, A>> = true;
template <class T, std::size_t N>
inline constexpr bool is_sequence<small_vector<T, N>> = true;

// Hana's accessors of a struct, spread out: f(accessor...), each a function from the struct to a
// member.
template <class Struct, class F>
constexpr decltype(auto) with_accessors(F&& f) {
  return boost::hana::unpack(
      boost::hana::accessors<Struct>(),
      [&](const auto&... pair) -> decltype(auto) { return f(boost::hana::second(pair)...); });
}

}  // namespace detail

/// A user's struct that Boost.Hana can walk through.
template <class T>
concept mirrored = boost::hana::Struct<std::remove_cvref_t<T>>::value;

/// Something made of handles: a handle, or a tuple, pair, array, vector or mirrored struct of such.
template <class T>
concept structure = tensor_like<T> || detail::is_tuple<std::remove_cvref_t<T>> ||
                    detail::is_sequence<std::remove_cvref_t<T>> || mirrored<T>;

/// Calls f(handle) for every handle of a structure, in order.
template <class S, class F>
constexpr void for_each_handle(S&& s, F&& f) {
  using type = std::remove_cvref_t<S>;
  if constexpr (tensor_like<type>) {
    f(s);
  } else if constexpr (detail::is_tuple<type>) {
    std::apply([&](auto&&... part) { (for_each_handle(part, f), ...); }, s);
  } else if constexpr (detail::is_sequence<type>) {
    for (auto& part : s) for_each_handle(part, f);
  } else {
    static_assert(mirrored<type>,
                  "graft: not a handle, a tuple, a vector or a struct described to Boost.Hana");
    detail::with_accessors<type>(
        [&](const auto&... member) { (for_each_handle(member(s), f), ...); });
  }
}

/// Returns the structure with f(handle) in place of every handle.
///
/// Tuples, pairs and arrays stay what they are, vectors become vectors of the results. A struct
/// stays itself where f keeps its members' types, else it becomes a tuple of its members in order.
template <class S, class F>
constexpr auto transform_handles(const S& s, F&& f) {
  if constexpr (tensor_like<S>) {
    return f(s);
  } else if constexpr (detail::is_tuple<S>) {
    return std::apply(
        [&]<class... Part>(const Part&... part) {
          // Braces keep the order of the calls.
          if constexpr (requires { typename S::first_type; }) {
            return std::pair<decltype(transform_handles(part, f))...>{
                transform_handles(part, f)...};
          } else if constexpr (requires { s[0]; }) {
            using result = decltype(transform_handles(s[0], f));
            return std::array<result, sizeof...(Part)>{transform_handles(part, f)...};
          } else {
            return std::tuple<decltype(transform_handles(part, f))...>{
                transform_handles(part, f)...};
          }
        },
        s);
  } else if constexpr (detail::is_sequence<S>) {
    std::vector<decltype(transform_handles(*s.begin(), f))> result;
    result.reserve(s.size());
    for (const auto& part : s) result.push_back(transform_handles(part, f));
    return result;
  } else {
    static_assert(mirrored<S>,
                  "graft: not a handle, a tuple, a vector or a struct described to Boost.Hana");
    return detail::with_accessors<S>([&](const auto&... member) {
      constexpr bool same = (std::is_same_v<std::remove_cvref_t<decltype(member(s))>,
                                            decltype(transform_handles(member(s), f))> &&
                             ...);
      if constexpr (same) {
        S result = s;
        ((member(result) = transform_handles(member(s), f)), ...);
        return result;
      } else {
        return std::tuple<decltype(transform_handles(member(s), f))...>{
            transform_handles(member(s), f)...};
      }
    });
  }
}

/// Returns the number of handles in a structure.
template <class S>
constexpr std::size_t handle_count(const S& s) {
  std::size_t count = 0;
  for_each_handle(s, [&](const auto&) { ++count; });
  return count;
}

}  // namespace graft
