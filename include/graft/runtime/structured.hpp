// Fetching a user's struct of handles: the result is indexed by its members.
//
// A struct takes part when it is described to Boost.Hana, by BOOST_HANA_DEFINE_STRUCT inside it or
// BOOST_HANA_ADAPT_STRUCT after it (<boost/hana/define_struct.hpp>, <boost/hana/adapt_struct.hpp>):
//
//   struct heads { any_tensor policy, value; };
//   BOOST_HANA_ADAPT_STRUCT(heads, policy, value);
//   auto found = session.run(heads{p, v}, feed(x, batch));
//   Array policy = found[&heads::policy];
#pragma once

#include <memory>
#include <tuple>
#include <type_traits>

#include <boost/hana/accessors.hpp>
#include <boost/hana/concept/struct.hpp>
#include <boost/hana/second.hpp>
#include <boost/hana/tuple.hpp>
#include <boost/hana/unpack.hpp>

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
  fetched_struct(const Struct& handles, detail::fetch_results& found)
      : handles_(handles), values_(detail::give_members(handles, found)) {}

  template <class Member>
  [[nodiscard]] const detail::fetched<Member>& operator[](Member Struct::* member) const {
    return *detail::with_members<Struct>([&](const auto&... each) {
      return find<Member>(member, std::index_sequence_for<decltype(each)...>{}, each...);
    });
  }

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

}  // namespace detail
}  // namespace graft
