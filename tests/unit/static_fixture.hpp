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

// Every number as a session's: whole numbers and truth values the same, NaN where there is NaN, infinities and zeros by
// their signs, the rest within `tolerance` of the larger of 1 and the number.
template <class T>
void check_numbers(std::span<const T> found, std::span<const T> wanted, double tolerance) {
  REQUIRE(found.size() == wanted.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    INFO("element " << i << ": " << +found[i] << " for " << +wanted[i]);
    if constexpr (!std::is_floating_point_v<T>) {
      REQUIRE(found[i] == wanted[i]);
    } else if (std::isnan(wanted[i])) {
      REQUIRE(std::isnan(found[i]));
    } else if (std::isinf(wanted[i]) || wanted[i] == 0) {
      REQUIRE((found[i] == wanted[i] && std::signbit(found[i]) == std::signbit(wanted[i])));
    } else {
      REQUIRE(std::fabs(found[i] - wanted[i]) <= tolerance * std::fmax(1.0, std::fabs(wanted[i])));
    }
  }
}

template <class Input>
struct input_element;
template <class T, class Shape, graft::text Name>
struct input_element<graft::in<T, Shape, Name>> {
  using type = T;
};

// Runs a network of any inputs and one output both ways on given rows, for every instruction set, all at once and row by
// row.
template <auto Net, class... Inputs, std::size_t... I>
void compare_on(const std::vector<graft::Array>& rows, double tolerance,
                std::index_sequence<I...>) {
  using namespace graft;
  using network = static_network<Net>;
  using result = typename network::template output_type<>;
  Graph g;
  const std::tuple x{
      placeholder<typename input_element<Inputs>::type, typename Inputs::shape_type>(g)...};
  const any_tensor y = [&] {
    const auto m = with_mode(g, mode::inference);
    return any_tensor(lower(Net, g, std::get<I>(x)...));
  }();
  Session session(g, {.seed = 5});
  session.initialize();
  const Array wanted = session.run(y, feed(std::get<I>(x), rows[I])...);
  REQUIRE(dtype_of<result> == wanted.type());
  const auto batch = static_cast<std::size_t>(rows[0].shape()[0]);
  for (const char* isa : {"sse2", ""}) {
    setenv("GRAFT_ISA", isa, 1);
    network f;
    unsetenv("GRAFT_ISA");
    f.load(g);
    for (const std::size_t at_once : {batch, std::size_t{1}}) {
      INFO("isa '" << isa << "' " << at_once << " rows at once of " << batch);
      Array found(wanted.type(), wanted.shape());
      for (std::size_t row = 0; row < batch; row += at_once) {
        f.run({rows[I].template span<typename network::template input_type<I>>().subspan(
                  row * f.input_size(I), at_once * f.input_size(I))...},
              {found.mutable_span<result>().subspan(row * f.output_size(),
                                                    at_once * f.output_size())},
              at_once);
      }
      check_numbers<result>(found.span<result>(), wanted.span<result>(), tolerance);
    }
  }
}

template <auto Builder, class... Inputs>
void compare_with(const std::vector<graft::Array>& rows, double tolerance = 1e-5) {
  static constexpr auto n = graft::inference_net<Builder, Inputs...>();
  compare_on<n, Inputs...>(rows, tolerance, std::index_sequence_for<Inputs...>{});
}

// One row, an odd number of them, and more than a block.
inline constexpr graft::extent batch_sizes[] = {1, 5, 33};

template <graft::extent... Extents>
using floats = graft::in<float, graft::shape<graft::dyn, Extents...>>;
template <graft::extent... Extents>
using longs = graft::in<std::int64_t, graft::shape<graft::dyn, Extents...>>;

inline graft::Array some(const graft::dims& shape, unsigned seed = 3) {
  const auto count = static_cast<std::size_t>(graft::element_count(shape));
  return graft::Array::from<float>(shape, some_numbers(count, seed));
}

}  // namespace graft_test
