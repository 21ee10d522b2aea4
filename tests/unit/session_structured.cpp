// Structs of handles as fetches and feeds.
#include <boost/hana/adapt_struct.hpp>
#include <boost/hana/define_struct.hpp>

#include "graft/runtime/structured.hpp"

#include "catch.hpp"
#include "session_fixture.hpp"

using namespace session_test;

namespace structured_test {
struct heads {
  any_tensor policy, value;
};
struct observation {
  Array policy, value;
};
struct agent {
  BOOST_HANA_DEFINE_STRUCT(agent, (heads, online), (any_tensor, target), (update_group, follow),
                           (std::vector<any_tensor>, hidden));
};
}  // namespace structured_test
BOOST_HANA_ADAPT_STRUCT(structured_test::heads, policy, value);
BOOST_HANA_ADAPT_STRUCT(structured_test::observation, policy, value);

using structured_test::agent;
using structured_test::heads;
using structured_test::observation;

TEST_CASE("a struct of handles is fetched by its members") {
  Graph g;
  auto x = placeholder<float, shape<2>>(g, "x");
  const heads both{x + 1.0f, x * 2.0f};
  Session session(g);
  const auto found = session.run(both, feed(x, {3.0f, 4.0f}));
  CHECK(found[&heads::policy].same_bits(vector_of({4, 5})));
  CHECK(found[&heads::value].same_bits(vector_of({6, 8})));
}

TEST_CASE("structs nest with everything else") {
  Graph g;
  auto x = placeholder<float, shape<2>>(g, "x");
  auto w = make_variable<float, shape<2>>(g, "w", zeros());
  agent a;
  a.online = {x + 1.0f, x * 2.0f};
  a.target = x - 1.0f;
  a.follow = updates(g, assign(w, x));
  a.hidden = {x, x * x};
  Session session(g);
  const auto [found, again] = session.run(std::tuple{a, x}, feed(x, {3.0f, 4.0f}));
  CHECK(found[&agent::online][&heads::value].same_bits(vector_of({6, 8})));
  CHECK(found[&agent::target].same_bits(vector_of({2, 3})));
  CHECK(found[&agent::hidden][1].same_bits(vector_of({9, 16})));
  CHECK(again.same_bits(vector_of({3, 4})));
  CHECK(session.value(w).same_bits(vector_of({3, 4})));
  CHECK(evaluate(a.online, feed(x, {3.0f, 4.0f}))[&heads::policy].same_bits(vector_of({4, 5})));
}

TEST_CASE(
    "a struct of handles is fed what was fetched for it, a struct of values, or values in order") {
  Graph g;
  auto x = placeholder<float, shape<2>>(g, "x");
  const heads both{x + 1.0f, x * 2.0f};
  const auto y = both.policy - both.value;
  Session session(g);
  const auto found = session.run(both, feed(x, {3.0f, 4.0f}));
  const Array right = vector_of({-2, -3});
  CHECK(session.run(y, feed(both, found)).same_bits(right));
  CHECK(session.run(y, feed(both, observation{vector_of({4, 5}), vector_of({6, 8})}))
            .same_bits(right));
  CHECK(session.run(y, feed(both, found.as_tuple())).same_bits(right));
  CHECK(session.run(y, feed(both, {vector_of({4, 5}), vector_of({6, 8})})).same_bits(right));
  CHECK(session.run(y, feed(std::tuple(both), std::tuple(found))).same_bits(right));
  CHECK_THROWS_AS(feed(both, {right}), feed_error);
}
