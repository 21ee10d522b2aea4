// Structs of handles in surgery: as boundaries, in bindings and through the map of a clone.
//
// A struct takes part when it is described to Boost.Hana (see structured.hpp):
//
//   struct heads { any_tensor policy, value; };
//   BOOST_HANA_ADAPT_STRUCT(heads, policy, value);
//   Region region = extract(inputs(x), outputs(heads{p, v}));
//   heads copied = clone(region, bind(x, x2))(heads{p, v});
#pragma once

#include <boost/hana/accessors.hpp>
#include <boost/hana/concept/struct.hpp>
#include <boost/hana/second.hpp>
#include <boost/hana/tuple.hpp>
#include <boost/hana/unpack.hpp>

#include "graft/surgery/mirror.hpp"

namespace graft {

template <class T>
  requires(boost::hana::Struct<T>::value && !detail::leaf<T>)
struct mirror<T> {
  template <class F>
  static void each(const T& value, F&& f) {
    boost::hana::unpack(boost::hana::accessors<T>(), [&](const auto&... pair) {
      (detail::each_handle(boost::hana::second(pair)(value), f), ...);
    });
  }
  /// The members that are handles are mapped; the others are not allowed.
  template <class F>
  static T map(const T& value, F&& f) {
    T result = value;
    boost::hana::unpack(boost::hana::accessors<T>(), [&](const auto&... pair) {
      ((boost::hana::second(pair)(result) =
            detail::map_handles(boost::hana::second(pair)(value), f)),
       ...);
    });
    return result;
  }
};

}  // namespace graft
