// Every allocation of rewriting and of loading fails once: the graph is as it was.
#include <cstdio>
#include <filesystem>

#include <unistd.h>

#include "graft/io/region_file.hpp"
#include "graft/surgery/diff.hpp"
#include "graft/surgery/rewrite.hpp"

#include "clone_fixture.hpp"
#include "failing_allocations.hpp"

using namespace graft_test;

namespace {

row4 cluttered(const row4& x) {
  Graph& g = target_traits<Graph>::target_of(x.ref());
  const row4 h(neg(neg(identity(add(dense4(x), 0)))).ref());
  const row4 y(matmul(reshape(reshape(h, {2, -1}), {-1, 4}),
                      transpose(constant(g, Array(dtype::float32, {4, 4}))))
                   .ref());
  const auto start = identity(fill<float, shape<4>>(g, 2.0));
  (void)g.add_variable("v", id_of(start), variable_role::parameter, true);
  g.add_to_collection("losses", {member::kind::tensor, {}, id_of(y)});
  return y;
}

}  // namespace

TEST_CASE("a failing allocation leaves a graph that was to be rewritten as it was [edge-85]") {
  (void)simplification_rules();  // made once
  const bool whole = GENERATE(true, false);
  for (long n = 0;; ++n) {
    Graph g;
    const row4 x = input4(g);
    const row4 y = cluttered(x);
    const Region region = extract(inputs(x), outputs(y));
    const auto digest = g.digest();
    const bool through = failing::allocation(n, [&] { whole ? simplify(g) : simplify(region); });
    g.validate();
    if (through) {
      CHECK(g.digest() != digest);
      CHECK(n > 100);
      break;
    }
    INFO("allocation " << n);
    REQUIRE(g.digest() == digest);
    CHECK_FALSE(region.stale());
  }
}

TEST_CASE("a failing allocation while loading leaves the graph as it was [edge-85]") {
  Graph g;
  const row4 x = input4(g);
  const row4 y = cluttered(x);
  set_values(g);
  const std::string path =
      (std::filesystem::temp_directory_path() / ("graft_failing_" + std::to_string(getpid())))
          .string();
  save_region(path, extract(inputs(x), outputs(y)));
  Graph to;
  (void)dense4(input4(to));
  const auto digest = to.digest();
  // Reading the file comes first and touches no graph. Too many inputs are noticed after it.
  const row4 a = input4(to, "a");
  const auto with_a = to.digest();
  CHECK(digest != with_a);
  constexpr long enough = 1000000;
  failing::left = enough;
  try {
    load_region(to, path, inputs(a, a));
  } catch (const boundary_error&) {
  }
  const long reading = enough - failing::left;
  failing::left = -1;
  for (long n = reading;; ++n) {
    if (failing::allocation(n, [&] { load_region(to, path, into("copy")); })) {
      CHECK(n > reading + 50);
      break;
    }
    REQUIRE(to.digest() == with_a);
  }
  CHECK(to.digest() != with_a);
  to.validate();
  std::remove(path.c_str());
}
