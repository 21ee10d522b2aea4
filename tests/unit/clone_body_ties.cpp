// Ties that run through bodies: each op there that reads a parameter has one of its own where ties are split.
#include <map>

#include "graft/graft.hpp"
#include "graft/graph/tables.hpp"

#include "../support/failing_allocations.hpp"
#include "clone_fixture.hpp"

using namespace graft_test;

namespace {

using row3 = tensor<Graph, dtype::float32, shape<3>>;

Array three(float a, float b, float c) { return Array::from<float>({3}, {a, b, c}); }

// "w" is read three times in a body of a scan, and once outside.
struct scanned {
  Graph g;
  tensor<Graph, dtype::float32, shape<2, 3>> xs = placeholder<float, shape<2, 3>>(g, "xs");
  row3 w = make_variable<float, shape<3>>(g, "w", uniform());
  variable_id v = *g.variable_read_by(id_of(w));
  row3 y = network([&](int) { return w; });
  Array in = Array::from<float>({2, 3}, {0.5f, -1.0f, 2.0f, 0.25f, 1.5f, -0.75f});

  // What reads weight(0), weight(1) and weight(2) in the body, and weight(3) outside.
  template <class F>
  row3 network(F&& weight) {
    const auto start = fill<float, shape<3>>(g, 0.1f);
    auto [last, none] = scan(start, xs, [&](auto h, auto x) {
      const auto a = tanh(h * weight(0) + x);
      return std::tuple{a * weight(1) - weight(2), std::tuple<>{}};
    });
    return last + weight(3);
  }
};

Array values_of(int k) {
  const auto f = static_cast<float>(k);
  return three(0.5f + f, 1.0f - 0.25f * f, 0.125f * f - 0.5f);
}

// What the network gives for another weight at each place.
Array expected(scanned& s) {
  std::vector<row3> weights;
  for (int k = 0; k < 4; ++k) {
    weights.push_back(make_variable<float, shape<3>>(s.g, "apart", zeros()));
    s.g.store().set(*s.g.variable_read_by(id_of(weights.back())), values_of(k));
  }
  const row3 y = s.network([&](int k) { return weights[static_cast<std::size_t>(k)]; });
  return Session(s.g).run(y, feed(s.xs, s.in));
}

}  // namespace

TEST_CASE("ties are split in the body of a scan", "[clone][ties][edge-28][edge-60]") {
  scanned s;
  const Clone copy = clone(extract(inputs(s.xs), outputs(s.y)), bind(s.xs, s.xs), ties::split);
  copy.check();
  s.g.validate();
  const auto images = copy.images(s.v);
  REQUIRE(images.size() == 4);
  CHECK(images.front() == copy(s.v));
  CHECK(paths(s.g, images) ==
        std::vector<std::string>{"copy/w", "copy/w_1", "copy/w_2", "copy/w_3"});
  for (int k = 0; k < 4; ++k) s.g.store().set(images[static_cast<std::size_t>(k)], values_of(k));
  Session session(s.g);
  CHECK(session.run(copy(s.y), feed(s.xs, s.in)).same_bits(expected(s)));
  // Each is trained, and the way back leads to the one that there was.
  const training_step step = minimize(mean(square(copy(s.y))), sgd{0.1});
  CHECK(step.parameters == images);
  session.initialize();
  session.run(step, feed(s.xs, s.in));
  for (int k = 0; k < 4; ++k) {
    const variable_id image = images[static_cast<std::size_t>(k)];
    CHECK_FALSE(session.value(image).same_bits(values_of(k)));
    CHECK(copy.original(image) == s.v);
  }
  s.g.validate();
  // The source reads one, in the body that it had.
  CHECK(s.g.variables().front() == s.v);
  CHECK(clone(extract(inputs(s.xs), outputs(s.y))).images(s.v).size() == 1);
}

TEST_CASE("split ties of bodies start from the source's value, in another graph too",
          "[clone][ties][edge-28]") {
  scanned s;
  s.g.store().set(s.v, three(0.5f, -0.25f, 0.75f));
  Session here(s.g);
  const Array wanted = here.run(s.y, feed(s.xs, s.in));
  Graph other;
  const Clone copy = clone(extract(inputs(s.xs), outputs(s.y)), into(other, "there"), ties::split,
                           variables::copied);
  copy.check();
  other.validate();
  CHECK(copy.images(s.v).size() == 4);
  Session there(other);
  CHECK(there.run(copy(s.y), feed(copy(s.xs), s.in)).same_bits(wanted));
  const Clone again = clone(extract(inputs(copy(s.xs)), outputs(copy(s.y))), variables::copied);
  again.check();
  CHECK(again.parameters().size() == 4);
  CHECK(there.run(again(copy(s.y)), feed(again(copy(s.xs)), s.in)).same_bits(wanted));
}

TEST_CASE("ties are split between the branches of a cond", "[clone][ties][edge-28]") {
  Graph g;
  const auto x = placeholder<float, shape<3>>(g, "x");
  const auto p = placeholder<bool, shape<>>(g, "p");
  const auto w = make_variable<float, shape<3>>(g, "w", ones());
  const variable_id v = *g.variable_read_by(id_of(w));
  const auto y = cond(p, [&] { return x * w; }, [&] { return (x - w) / w; }) + w;
  const Clone copy = clone(extract(inputs(x, p), outputs(y)), bind(x, x, p, p), ties::split);
  copy.check();
  g.validate();
  const auto images = copy.images(v);
  REQUIRE(images.size() == 4);
  for (std::size_t k = 0; k < 4; ++k)
    g.store().set(images[k], Array::full<float>({3}, static_cast<float>(2 << k)));
  Session session(g);
  const auto run = [&](bool which) {
    return session.run(copy(y), feed(x, Array::full<float>({3}, 20)), feed(p, which))
        .at<float>({0});
  };
  CHECK(run(true) == 20 * 2 + 16);
  CHECK(run(false) == (20.0f - 4) / 8 + 16);
}

TEST_CASE("where each body reads a parameter once, bodies stay shared", "[clone][ties]") {
  Graph g;
  const auto x = placeholder<float, shape<3>>(g, "x");
  const auto p = placeholder<bool, shape<>>(g, "p");
  const auto w = make_variable<float, shape<3>>(g, "w", ones());
  const auto y = cond(p, [&] { return x * w; }, [&] { return x - w; });
  const Clone copy = clone(extract(inputs(x, p), outputs(y)), bind(x, x, p, p), ties::split);
  copy.check();
  CHECK(copy.images(*g.variable_read_by(id_of(w))).size() == 2);
  for (const char* key : {"then", "else"}) {
    CHECK(&g.body(g.attributes_of(op_of(y)).integer(key)) ==
          &g.body(g.attributes_of(op_of(copy(y))).integer(key)));
  }
}

TEST_CASE("ties are split in bodies within bodies", "[clone][ties][edge-28][edge-60]") {
  Graph g;
  const auto xs = placeholder<float, shape<2, 3>>(g, "xs");
  const auto w = make_variable<float, shape<3>>(g, "w", ones());
  const variable_id v = *g.variable_read_by(id_of(w));
  auto [last, none] = scan(fill<float, shape<3>>(g, 0.0f), xs, [&](auto h, auto x) {
    const auto inner = cond(sum(x) > 0.0f, [&] { return h * w + w; }, [&] { return x * w; });
    return std::tuple{inner + w, std::tuple<>{}};
  });
  const Clone copy = clone(extract(inputs(xs), outputs(last)), bind(xs, xs), ties::split);
  copy.check();
  g.validate();
  const auto images = copy.images(v);
  REQUIRE(images.size() == 4);
  const std::array<float, 4> value{2, 3, 5, 7};
  for (std::size_t k = 0; k < 4; ++k) g.store().set(images[k], Array::full<float>({3}, value[k]));
  Session session(g);
  const Array in = Array::from<float>({2, 3}, {-1, -1, -1, 1, 1, 1});
  const float first = -1 * 5 + 7, second = first * 2 + 3 + 7;
  CHECK(session.run(copy(last), feed(xs, in)).at<float>({0}) == second);
}

TEST_CASE("ties are split in both bodies of a loop, and a result that is the parameter reads it",
          "[clone][ties][edge-28]") {
  Graph g;
  const auto x = placeholder<float, shape<3>>(g, "x");
  const auto p = placeholder<bool, shape<>>(g, "p");
  const auto w = make_variable<float, shape<3>>(g, "w", ones());
  const variable_id v = *g.variable_read_by(id_of(w));
  const auto looped =
      while_loop(x, [&](auto h) { return sum(h) < sum(w); }, [&](auto h) { return h * w + w; });
  const auto y = looped + cond(p, [&] { return w; }, [&] { return x; });
  const Clone copy = clone(extract(inputs(x, p), outputs(y)), bind(x, x, p, p), ties::split);
  copy.check();
  g.validate();
  const auto images = copy.images(v);
  REQUIRE(images.size() == 4);
  const std::array<float, 4> value{10, 2, 1, 100};
  for (std::size_t k = 0; k < 4; ++k) g.store().set(images[k], Array::full<float>({3}, value[k]));
  Session session(g);
  const auto run = [&](bool which) {
    return session.run(copy(y), feed(x, Array::full<float>({3}, 1)), feed(p, which)).at<float>({0});
  };
  // 1, 3, 7, 15: three times 10 is passed then.
  CHECK(run(true) == 15 + 100);
  CHECK(run(false) == 15 + 1);
}

TEST_CASE("a parameter that is scanned over is read by the scan", "[clone][ties]") {
  Graph g;
  const auto w = make_variable<float, shape<3>>(g, "w", ones());
  auto [last, none] = scan(fill<float, shape<>>(g, 0.0f), w, [&](auto h, auto x) {
    return std::tuple{h + x * sum(w), std::tuple<>{}};
  });
  const Clone copy = clone(extract(inputs(), outputs(last)), ties::split);
  copy.check();
  g.validate();
  const auto images = copy.images(*g.variable_read_by(id_of(w)));
  REQUIRE(images.size() == 2);
  g.store().set(images[0], three(1, 2, 3));
  g.store().set(images[1], three(10, 20, 30));
  CHECK(Session(g).run(copy(last)).item<float>() == 6 * 60);
}

TEST_CASE("splitting many parameters of a body copies it once", "[clone][ties]") {
  Graph g;
  const auto xs = placeholder<float, shape<2, 3>>(g, "xs");
  std::vector<row3> weights;
  for (int i = 0; i < 5; ++i) weights.push_back(make_variable<float, shape<3>>(g, "w", ones()));
  auto [last, none] = scan(fill<float, shape<3>>(g, 0.1f), xs, [&](auto h, auto x) {
    row3 a = h + x;
    for (const row3& w : weights) a = row3((a * w + w).ref());
    return std::tuple{a, std::tuple<>{}};
  });
  const Clone copy = clone(extract(inputs(xs), outputs(last)), bind(xs, xs), ties::split);
  copy.check();
  g.validate();
  CHECK(copy.variables().size() == 10);
  CHECK(g.body_count() == 2);
}

TEST_CASE("splitting many parameters of bodies within bodies copies each body once",
          "[clone][ties]") {
  Graph g;
  const auto xs = placeholder<float, shape<2, 3>>(g, "xs");
  // Parameter i where it is read for the k-th time: two are read in the inner bodies only, one in these and around
  // them, one around them only.
  const auto network = [&](const auto& weight) {
    auto [last, none] = scan(fill<float, shape<3>>(g, 0.0f), xs, [&](auto h, auto x) {
      const auto inner = cond(
          sum(x) > 0.0f,
          [&] { return (h * weight(0, 0) + weight(1, 0)) * weight(0, 1) - weight(1, 1); },
          [&] { return x * weight(0, 2) + weight(1, 2) + weight(2, 0); });
      const row3 product = weight(2, 1) * weight(3, 0);
      return std::tuple{inner + product + weight(3, 1), std::tuple<>{}};
    });
    return any_tensor(last * weight(3, 2));
  };
  std::vector<row3> weights;
  for (int i = 0; i < 4; ++i) weights.push_back(make_variable<float, shape<3>>(g, "w", ones()));
  const any_tensor y = network([&](int i, int) { return weights[static_cast<std::size_t>(i)]; });
  const Clone copy = clone(extract(inputs(xs), outputs(y)), bind(xs, xs), ties::split);
  copy.check();
  g.validate();
  CHECK(g.body_count() == 2);
  std::map<std::pair<int, int>, row3> apart;
  for (int i = 0; i < 4; ++i) {
    const auto images =
        copy.images(*g.variable_read_by(id_of(weights[static_cast<std::size_t>(i)])));
    REQUIRE(images.size() == (i == 2 ? 2 : 3));
    for (int k = 0; k < static_cast<int>(images.size()); ++k) {
      const Array value = values_of(4 * i + k);
      g.store().set(images[static_cast<std::size_t>(k)], value);
      const auto own = make_variable<float, shape<3>>(g, "apart", ones());
      g.store().set(g.variables().back(), value);
      apart.emplace(std::pair(i, k), own);
    }
  }
  const any_tensor expected_of = network([&](int i, int k) { return apart.at(std::pair(i, k)); });
  Session session(g);
  for (const float sign : {-1.0f, 1.0f}) {
    const Array in = Array::from<float>({2, 3}, {sign, 0.5f, sign, 2 * sign, sign, -0.5f});
    CHECK(session.run(copy(y), feed(xs, in)).same_bits(session.run(expected_of, feed(xs, in))));
  }
}

TEST_CASE("ties are split in the graph around while a body is open in it", "[clone][ties]") {
  scanned s;
  const auto p = placeholder<bool, shape<>>(s.g, "p");
  const Region net = extract(inputs(s.xs), outputs(s.y));
  std::optional<Clone> copy;
  (void)cond(
      p,
      [&] {
        copy = clone(net, bind(s.xs, s.xs), ties::split);
        return row3((*copy)(s.y).ref());
      },
      [&] { return s.w; });
  copy->check();
  s.g.validate();
  CHECK(copy->images(s.v).size() == 4);
}

TEST_CASE("an allocation that fails while ties are split in bodies leaves the graph as it was",
          "[clone][ties][edge-84]") {
  scanned s;
  const Region region = extract(inputs(s.xs), outputs(s.y));
  const auto digest = s.g.digest();
  long n = 0;
  for (bool through = false; !through; ++n) {
    {
      Graph::transaction undo(s.g);
      through = failing::allocation(
          n, [&] { (void)clone(region, bind(s.xs, s.xs), ties::split, into("copy")); });
    }
    if (s.g.digest() != digest) FAIL("after allocation " << n);
  }
  CHECK(n > 100);
  s.g.validate();
}
