// Comparing ensembles with clones.
#pragma once

#include "graft/graft.hpp"

#include "clone_fixture.hpp"

namespace graft_test {

inline Array numbers(const dims& shape, float first) {
  Array a(dtype::float32, shape);
  for (float& e : a.mutable_span<float>()) e = first, first = first * -0.93f + 0.11f;
  return a;
}

/// What ensemble() promises of float32 outputs: how far they are from those of clones at most, for each element
/// relative to 1 + its magnitude.
inline constexpr double promised = 2e-6;

inline void check_close(const Array& a, const Array& b, double tolerance = promised) {
  REQUIRE(a.shape() == b.shape());
  const auto compare = [&](const auto& x, const auto& y) {
    for (std::size_t i = 0; i < x.size(); ++i)
      CHECK(x[i] == Approx(y[i]).epsilon(tolerance).margin(tolerance));
  };
  if (a.type() == dtype::float64) return compare(a.span<double>(), b.span<double>());
  compare(a.span<float>(), b.span<float>());
}

// Runs an ensemble and as many clones with the same values, and compares outputs, updates included.
template <class X, class Y>
void compare_with_clones(Graph& g, const X& x, const Y& y, std::size_t members,
                         const Array& value) {
  const Region region = extract(inputs(x), outputs(y));
  const Ensemble many = ensemble(region, members, bind(x, x));
  const auto clones = replicate(region, members, bind(x, x), into("single"));
  g.validate();
  Session session(g);
  session.initialize();
  many.scatter_from(clones);
  for (int round = 0; round < 2; ++round) {
    const Array all = session.run(many(y), feed(x, value));
    REQUIRE(all.shape()[0] == static_cast<std::int64_t>(members));
    for (std::size_t i = 0; i < members; ++i) {
      INFO("member " << i);
      const auto m = static_cast<std::int64_t>(i);
      const Array expected = session.run(clones[i](y), feed(x, value));
      check_close(all.rows(m, m + 1).reshaped(expected.shape()), expected);
    }
    // The layers' own updates keep them equal.
    if (updates_of(many(y)).empty()) return;
    session.run(updates_of(many(y)), feed(x, value));
    for (const Clone& c : clones) session.run(updates_of(c(y)), feed(x, value));
  }
}

}  // namespace graft_test
