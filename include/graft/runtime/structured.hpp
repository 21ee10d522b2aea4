// Fetching and feeding a user's struct of handles: what was fetched is indexed by its members.
//
// A struct takes part when it is described to Boost.Hana, by BOOST_HANA_DEFINE_STRUCT inside it or
// BOOST_HANA_ADAPT_STRUCT after it (<boost/hana/define_struct.hpp>, <boost/hana/adapt_struct.hpp>):
//
//   struct heads { any_tensor policy, value; };
//   BOOST_HANA_ADAPT_STRUCT(heads, policy, value);
//   auto found = session.run(heads{p, v}, feed(x, batch));
//   Array policy = found[&heads::policy];
//   session.run(y, feed(heads{p, v}, found));
#pragma once

#include <memory>
#include <tuple>
#include <type_traits>

#include <boost/hana/accessors.hpp>
#include <boost/hana/concept/struct.hpp>
#include <boost/hana/second.hpp>
#include <boost/hana/tuple.hpp>
#include <boost/hana/unpack.hpp>

#include "graft/runtime/feed_structure.hpp"
#include "graft/runtime/fetch.hpp"

namespace graft {

namespace detail {

// f(accessor...), each a function from the struct to one of its members, in order.
template <class Struct, class F>
decltype(auto) with_members(F&& f) {
  return boost::hana::unpack(
      boost::hana::accessors<Struct>(),
      [&](const auto&... pair) -> decltype(auto) { return f(boost::hana::second(pair)...); });
}

template <class Struct>
auto give_members(const Struct& s, fetch_results& found) {
  return with_members<Struct>([&](const auto&... member) {
    return std::tuple<fetched<std::remove_cvref_t<decltype(member(s))>>...>{
        give_fetch(member(s), found)...};
  });
}

}  // namespace detail

/// What a struct of handles was fetched as: `result[&heads::policy]` is the Array of that handle;
/// for a member that is a structure itself it is a structure of arrays.
template <class Struct>
class fetched_struct {
 public:
  /// Made by Session::run().
  fetched_struct(const Struct& handles, detail::fetch_results& found)
      : handles_(handles), values_(detail::give_members(handles, found)) {}

  /// What a member was fetched as.
  template <class Member>
  [[nodiscard]] const detail::fetched<Member>& operator[](Member Struct::* member) const {
    return *detail::with_members<Struct>([&](const auto&... each) {
      return find<Member>(member, std::index_sequence_for<decltype(each)...>{}, each...);
    });
  }

  /// The members' arrays in order, as a tuple.
  [[nodiscard]] const auto& as_tuple() const { return values_; }

 private:
  using values = decltype(detail::give_members(std::declval<const Struct&>(),
                                               std::declval<detail::fetch_results&>()));

  template <class Member, std::size_t... I, class... Accessors>
  const detail::fetched<Member>* find(Member Struct::* member, std::index_sequence<I...>,
                                      const Accessors&... each) const {
    const detail::fetched<Member>* found = nullptr;
    const auto look = [&](const auto& part, const auto& value) {
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(part)>, Member>) {
        if (std::addressof(part) == std::addressof(handles_.*member)) found = std::addressof(value);
      }
    };
    (look(each(handles_), std::get<I>(values_)), ...);
    return found;
  }

  Struct handles_;
  values values_;
};

namespace detail {

template <class T>
  requires(boost::hana::Struct<T>::value && !tensor_like<T> && !has_updates<T> &&
           !reference_list<T>)
struct fetch_traits<T> {
  static void collect(const T& s, fetch_list& list) {
    with_members<T>([&](const auto&... member) { (collect_fetch(member(s), list), ...); });
  }
  static fetched_struct<T> give(const T& s, fetch_results& found) { return {s, found}; }
};

template <class T>
inline constexpr bool is_fetched_struct = false;
template <class Struct>
inline constexpr bool is_fetched_struct<fetched_struct<Struct>> = true;

// Structs are fed what was fetched for them, structs of values, or a tuple or list of these in the order of members.
template <class T>
  requires(boost::hana::Struct<T>::value && !tensor_like<T>)
struct feed_traits<T> {
  template <class Values>
  static auto collect(const T& handles, const Values& values, std::vector<feed_item>& list) {
    const auto parts = with_members<T>([&](const auto&... member) {
      return std::tuple<const std::remove_cvref_t<decltype(member(handles))>&...>{
          member(handles)...};
    });
    if constexpr (is_fetched_struct<Values>) {
      collect_feeds(parts, values.as_tuple(), list);
    } else if constexpr (boost::hana::Struct<Values>::value) {
      with_members<Values>(
          [&](const auto&... member) { collect_feeds(parts, std::tie(member(values)...), list); });
    } else {
      collect_feeds(parts, values, list);
    }
  }
};

}  // namespace detail
}  // namespace graft
