// Static networks against sessions.
#pragma once

#include <cmath>
#include <cstdlib>
#include <vector>

#include "graft/graft.hpp"
#include "graft/static.hpp"

#include "catch.hpp"

namespace graft_test {

// Numbers in [-2, 2) that differ from place to place.
inline std::vector<float> some_numbers(std::size_t n, unsigned seed) {
  std::vector<float> numbers(n);
  std::uint32_t state = seed * 2654435761u + 12345u;
  for (float& x : numbers) {
    state = state * 1664525u + 1013904223u;
    x = static_cast<float>(state >> 8) / static_cast<float>(1u << 22) - 2.0f;
  }
  return numbers;
}

// Runs a network of one input and one output both ways.
template <auto Net, graft::extent... Extents>
void compare() {
  using namespace graft;
  Graph g;
  auto x = placeholder<float, shape<dyn, Extents...>>(g, "x");
  any_tensor y = [&] {
    const auto m = with_mode(g, mode::inference);
    return lower(Net, g, x);
  }();
  Session session(g);
  session.initialize();
  // Statistics and biases that are not just 0 and 1.
  unsigned seed = 1;
  for (const variable_id v : g.variables()) {
    const Array now = g.store().get(v);
    if (now.type() != dtype::float32) continue;
    std::vector<float> values = some_numbers(static_cast<std::size_t>(now.size()), ++seed);
    for (float& value : values) value = std::fabs(value) * 0.25f;
    g.store().set(v, Array::from<float>(now.shape(), values));
  }
  for (const char* isa : {"sse2", ""}) {
    setenv("GRAFT_ISA", isa, 1);
    static_network<Net> f;
    unsetenv("GRAFT_ISA");
    f.load(g);
    for (const std::size_t batch : {0, 1, 2, 5, 16, 33}) {
      const std::vector<float> in =
          some_numbers(batch * f.input_size(), static_cast<unsigned>(batch) + 7);
      std::vector<float> out(batch * f.output_size(), -77.0f);
      f(in, out, batch);
      const Array wanted =
          session.run(y, feed(x, Array::from<float>({static_cast<extent>(batch), Extents...}, in)));
      REQUIRE(static_cast<std::size_t>(wanted.size()) == out.size());
      float largest = 1e-3f;
      for (const float w : wanted.span<float>()) largest = std::max(largest, std::fabs(w));
      for (std::size_t i = 0; i < out.size(); ++i) {
        INFO("isa '" << isa << "' batch " << batch << " element " << i);
        REQUIRE(std::fabs(out[i] - wanted.span<float>()[i]) <= 1e-5f * largest);
      }
    }
  }
}

}  // namespace graft_test
