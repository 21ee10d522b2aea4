// The names of surgery beside those of C and of the standard library.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <utility>

#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clone_fixture.hpp"

using namespace std;
using namespace graft;

TEST_CASE("clone and bind are found where C and std have names like them") {
  Graph g;
  auto x = graft_test::input4(g, "x");
  auto x2 = graft_test::input4(g, "x2");
  auto y = graft_test::two_layers(x);
  const auto region = extract(inputs(x), outputs(y));
  auto copied = clone(region, bind(x, x2), into("copied"), variables::fresh);
  CHECK(copied(x).ref() == x2.ref());
  // Containers of std bring std::bind in by their arguments.
  auto from_tuple = clone(region, bind(std::tuple{x}, std::tuple{x2}));
  auto from_vector = clone(region, bind(std::vector{x}, std::vector{x2}));
  CHECK(from_tuple(x).ref() == x2.ref());
  CHECK(from_vector(x).ref() == x2.ref());
  CHECK_THROWS_AS(clone(region, bind(y, x2)), boundary_error);
}
