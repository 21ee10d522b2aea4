// What is built, edited and differentiated in a body while it is open, with tensors from outside.
#include <stdexcept>

#include "graft/graft.hpp"

#include "catch.hpp"

namespace {

using namespace graft;
using row = tensor<Graph, dtype::float32, shape<2>>;

struct model {
  Graph g;
  row x = placeholder<float, shape<2>>(g, "x");
  row z = placeholder<float, shape<2>>(g, "z");
  tensor<Graph, dtype::boolean, shape<>> p = placeholder<bool, shape<>>(g, "p");

  // The value of what `then` builds in a body, for x = 3 and z = 5.
  template <class Then>
  float first_of(Then&& then) {
    const auto y = cond(p, [&]() -> row { return then(); }, [&]() -> row { return x; });
    g.validate();
    Session session(g);
    return session
        .run(y, feed(p, true), feed(x, Array::full<float>({2}, 3.0f)),
             feed(z, Array::full<float>({2}, 5.0f)))
        .template at<float>({0});
  }
  // What a body throws that begins with some work and then fails.
  template <class Error, class Then>
  std::string failure(Then&& then) {
    const std::uint64_t before = g.digest();
    std::string text;
    try {
      (void)cond(p, [&]() -> row { return then(); }, [&]() -> row { return x; });
    } catch (const Error& e) {
      text = e.what();
    }
    CHECK(g.digest() == before);
    CHECK(g.current_body() == nullptr);
    return text;
  }
};

bool says(const std::string& text, const char* part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("variables of layers in bodies are in the layers' scopes", "[edge-60]") {
  Graph g;
  auto x = placeholder<float, shape<3, 4>>(g, "x");
  auto p = placeholder<bool, shape<>>(g, "p");
  g.enter_scope("net");
  const auto head = sequence(dense<4, "a">, dense<4, "b">);
  (void)cond(
      p, [&] { return cond(p, [&] { return head(x); }, [&] { return dense<4, "a">(x); }); },
      [&] { return dense<4, "c">(x); });
  g.leave_scope();
  g.validate();
  std::vector<std::string> paths;
  for (const variable_id v : g.variables()) paths.push_back(g.path_of(v));
  CHECK(paths == std::vector<std::string>{"net/a/kernel", "net/a/bias", "net/b/kernel",
                                          "net/b/bias", "net/a_1/kernel", "net/a_1/bias",
                                          "net/c/kernel", "net/c/bias"});
}

TEST_CASE("two variables of one scope of a body share the scope") {
  Graph g;
  auto p = placeholder<bool, shape<>>(g, "p");
  auto x = placeholder<float, shape<2>>(g, "x");
  (void)cond(
      p,
      [&] {
        Graph& body = *g.current_body();
        body.enter_scope("empty");
        body.leave_scope();
        body.enter_scope("a");
        auto first = make_variable<float, shape<2>>(body, "w", zeros());
        body.enter_scope("deep");
        auto second = make_variable<float, shape<2>>(body, "w", zeros());
        body.leave_scope();
        auto third = make_variable<float, shape<2>>(body, "w", zeros());
        body.leave_scope();
        return x + first + second + third;
      },
      [&] { return x; });
  std::vector<std::string> paths;
  for (const variable_id v : g.variables()) paths.push_back(g.path_of(v));
  CHECK(paths == std::vector<std::string>{"a/w", "a/deep/w", "a/w_1"});
  CHECK_FALSE(g.find_scope("empty"));  // only what variables need
}

TEST_CASE("a transaction in a body takes back variables, scopes and captures of all graphs") {
  model m;
  Graph& g = m.g;
  const auto outer = m.z * 2.0f;
  Graph& body = g.open_body();
  Graph& inner = body.open_body();
  inner.enter_scope("a");
  const auto digests = [&] { return std::vector{g.digest(), body.digest(), inner.digest()}; };
  const auto before = digests();
  for (int turn = 0; turn < 2; ++turn) {
    {
      Graph::transaction undo(inner);
      (void)(make_variable<float, shape<2>>(inner, "w", zeros()) + outer);
      CHECK(g.variable_count() == 1);
      CHECK(body.op_count() == 2);
      // An inner transaction that is kept goes with the outer.
      Graph::transaction kept(body);
      (void)make_variable<float, shape<2>>(inner, "v", zeros());
      kept.commit();
    }
    CHECK(digests() == before);
  }
  Graph::transaction keep(inner);
  const auto w = make_variable<float, shape<2>>(inner, "w", zeros());
  keep.commit();
  CHECK(g.path_of(g.variables().front()) == "a/w");
  (void)w;
  // A scope that was taken back is made anew.
  inner.enter_scope("b");
  {
    Graph::transaction undo(g);
    (void)make_variable<float, shape<2>>(inner, "w", zeros());
  }
  (void)make_variable<float, shape<2>>(inner, "w", zeros());
  CHECK(g.path_of(g.variables().back()) == "a/b/w");
  g.abandon_body();
  g.validate();
}

TEST_CASE("an op that is refused in a body leaves no capture in the bodies around") {
  model m;
  const auto wide = placeholder<float, shape<7>>(m.g, "wide");
  Graph& body = m.g.open_body();
  Graph& inner = body.open_body();
  const any_tensor a = m.x, b = wide;
  CHECK_THROWS_AS(a + b, shape_error);
  CHECK(body.op_count() == 0);
  CHECK(inner.op_count() == 0);
  m.g.abandon_body();
}

TEST_CASE("a failed edit in a body takes back the variables that it made") {
  model m;
  CHECK(says(m.failure<graph_error>([&] {
    auto y = m.x * 2.0f;
    const std::size_t variables = m.g.variable_count();
    CHECK_THROWS_AS(insert_after(y,
                                 [&](auto t) {
                                   auto w = make_variable<float, shape<2>>(m.g, "w", zeros());
                                   if (w.ref().slot != nullptr)
                                     throw graph_error({"a", "b", "", ""});
                                   return t + w;
                                 }),
                    graph_error);
    CHECK(m.g.variable_count() == variables);
    throw graph_error({"the rest", "failed", "", ""});
    return y;
  }),
             "the rest"));
}

TEST_CASE("gradients in a body by tensors from outside") {
  model m;
  // d(x*x*z)/dx = 2*x*z
  CHECK(m.first_of([&] { return gradient(m.x * m.x * m.z, m.x); }) == 30.0f);
  // A body of a body; z is used in neither before.
  CHECK(m.first_of([&] {
    return cond(
        m.p, [&] { return gradient(m.x * m.x, m.x) + gradient(m.x, m.z); }, [&] { return m.x; });
  }) == 6.0f);
}

TEST_CASE("a gradient that would have to pass through ops outside the body is refused") {
  model m;
  const auto h = square(m.x);
  const std::string text = m.failure<unsupported_error>([&] { return gradient(h * m.z, m.x); });
  CHECK(says(text, "'square'"));
  CHECK(says(text, "outside the body"));
  // By two bodies.
  CHECK(says(m.failure<unsupported_error>([&] {
    return cond(m.p, [&] { return gradient(m.x * h, m.x); }, [&] { return m.x; });
  }),
             "'square'"));
  // By what is computed in the body around.
  CHECK(says(m.failure<unsupported_error>([&] {
    const auto inside = tanh(m.x);
    return cond(m.p, [&] { return gradient(m.x * inside, m.x); }, [&] { return m.x; });
  }),
             "'tanh'"));
  // With respect to it, it works: d(x*x*z)/d(x*x) = z.
  CHECK(m.first_of([&] { return gradient(h * m.z, h); }) == 5.0f);
}

TEST_CASE("substitute and edits in a body take tensors from outside") {
  model m;
  CHECK(m.first_of([&] {
    const auto y = m.x * 2.0f;
    return substitute(y, bind(m.x, m.z));  // z was not used in the body
  }) == 10.0f);
  CHECK(m.first_of([&] {
    const auto inside = identity(m.x);
    const auto y = (inside + 1.0f) * 2.0f;
    reroute(inside, m.z);
    return y;
  }) == 12.0f);
  CHECK(m.first_of([&] {
    const auto y = m.x * m.x;
    Graph& body = *m.g.current_body();
    connect(m.z, body.id(y).op, 1);
    return y;
  }) == 15.0f);
  CHECK(m.first_of([&] {
    const auto y = m.x * 2.0f;
    const Clone copy = clone(extract(inputs(m.x), outputs(y)), bind(m.x, m.z));
    return copy(y);
  }) == 10.0f);
}

TEST_CASE("what is used on the wrong side of a body is a sentence") {
  model m;
  const auto h = square(m.z);
  std::string text = m.failure<handle_error>([&] {
    const auto y = m.x * 2.0f;
    return substitute(y, bind(h, y));
  });
  CHECK(says(text, "'square' was used within a body"));
  CHECK(says(text, "identity(x)"));
  text = m.failure<handle_error>([&] {
    const auto y = m.x * 2.0f;
    return substitute(h, bind(m.z, y));
  });
  CHECK(says(text, "was used outside of its body"));
}

namespace {

// A clone of x * 2 on z, in a body, with a gain of its own.
Clone with_gain(const model& m, const row& y) {
  return clone(extract(inputs(m.x), outputs(y)), bind(m.x, m.z),
               each_op([](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
                 if (op.schema->name != "mul") return std::nullopt;
                 const auto gain = make_variable<float, shape<2>>(*op.graph, "gain", ones());
                 return std::vector<any_tensor>{op.outputs[0] * any_tensor(gain)};
               }));
}

}  // namespace

TEST_CASE("variables that a rule makes for a clone in a body are the clone's", "[clone][rule]") {
  model m;
  std::optional<Clone> copy;
  const bool nested = GENERATE(false, true);
  const auto build = [&]() -> row {
    const auto y = m.x * 2.0f;
    copy = with_gain(m, y);
    return (*copy)(y);
  };
  const auto y = cond(
      m.p,
      [&]() -> row { return nested ? cond(m.p, build, [&]() -> row { return m.x; }) : build(); },
      [&]() -> row { return m.x; });
  m.g.validate();
  REQUIRE(m.g.variable_count() == 1);
  CHECK(copy->variables() == m.g.variables());
  CHECK(copy->parameters() == m.g.variables());
  CHECK(&copy->initializer().graph() == &m.g);
  CHECK(copy->initializer().variables == m.g.variables());
  CHECK(copy->bytes_owned() == 0);
  Session session(m.g);
  session.run(copy->initializer());
  CHECK(copy->bytes_owned() + copy->bytes_shared() == 8);
  m.g.store().set(m.g.variables()[0], Array::full<float>({2}, 7.0f));
  CHECK(session
            .run(y, feed(m.p, true), feed(m.x, Array::full<float>({2}, 3.0f)),
                 feed(m.z, Array::full<float>({2}, 5.0f)))
            .at<float>({0}) == 70.0f);
  reinitialize(*copy);
  CHECK_FALSE(m.g.store().initialized(m.g.variables()[0]));
}

TEST_CASE("variables that a rule made for a clone in a body go with it", "[clone][rule]") {
  model m;
  CHECK(says(m.failure<std::runtime_error>([&]() -> row {
    const auto y = m.x * 2.0f;
    (void)with_gain(m, y);
    CHECK(m.g.variable_count() == 1);
    const Graph& body = *m.g.current_body();
    const std::uint64_t before = body.digest();
    CHECK_THROWS_AS(
        clone(extract(inputs(m.x), outputs(y)),
              each_op([](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
                (void)make_variable<float, shape<2>>(*op.graph, "gain", ones());
                throw std::logic_error("no");
              })),
        std::logic_error);
    CHECK(m.g.variable_count() == 1);
    CHECK(body.digest() == before);
    // Of several clones the first ones go with the one that fails.
    int turns = 0;
    const auto second_fails =
        each_op([&](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
          if (op.schema->name != "mul") return std::nullopt;
          (void)make_variable<float, shape<2>>(*op.graph, "gain", ones());
          if (++turns == 2) throw std::logic_error("no");
          return std::vector<any_tensor>{op.outputs[0] + m.z};
        });
    CHECK_THROWS_AS(replicate(extract(inputs(m.x), outputs(y)), 2, second_fails), std::logic_error);
    CHECK(turns == 2);
    CHECK(m.g.variable_count() == 1);
    CHECK(body.digest() == before);
    throw std::runtime_error("the rest");
  }),
             "the rest"));
}

TEST_CASE("a rule puts a tensor from outside into a body's clone", "[clone][rule]") {
  model m;
  CHECK(m.first_of([&] {
    const auto y = (m.x + 1.0f) * 2.0f;
    const Clone copy =
        clone(extract(inputs(m.x), outputs(y)), bind(m.x, m.x),
              each_op([&](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
                if (op.schema->name != "add") return std::nullopt;
                return std::vector<any_tensor>{m.z};  // the body did not use it before
              }));
    copy.check();
    return copy(y);
  }) == 10.0f);
}

TEST_CASE("rules are asked about ops that have bodies, and on demand not about those in them",
          "[clone][rule]") {
  model m;
  const auto y = cond(m.p, [&]() -> row { return tanh(m.x); }, [&]() -> row { return exp(m.x); });
  const bodies nested = GENERATE(bodies::enter, bodies::skip);
  std::vector<std::string> asked;
  const auto doubled = [&](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
    asked.emplace_back(op.schema->name);
    return std::vector<any_tensor>{op.outputs[0] * 2.0f};
  };
  const Clone copy = clone(extract(inputs(m.x, m.p), outputs(y)), bind(m.x, m.z, m.p, m.p),
                           each_op(doubled, nested));
  copy.check();
  m.g.validate();
  const bool enter = nested == bodies::enter;
  CHECK(asked == (enter ? std::vector<std::string>{"tanh", "exp", "cond"}
                        : std::vector<std::string>{"cond"}));
  Session session(m.g);
  CHECK(session.run(copy(y), feed(m.p, false), feed(m.z, Array::full<float>({2}, 0.0f)))
            .at<float>({0}) == (enter ? 4.0f : 2.0f));
}

TEST_CASE("a tensor from outside is viewed with a known shape in a body, which takes it in") {
  Graph g;
  const auto p = placeholder<bool, shape<>>(g, "p");
  const any_tensor x = placeholder<float, shape<dyn>>(g, "x");
  const auto known = placeholder<float, shape<3>>(g, "known");
  const auto y = cond(
      p, [&] { return as<float, shape<3>>(x) + known; },
      [&] { return as<float, shape<3>>(any_tensor(known)) * 2.0f; });
  g.validate();
  Session session(g);
  const Array ones = Array::full<float>({3}, 1.0f), fours = Array::full<float>({3}, 4.0f);
  CHECK(session.run(y, feed(p, true), feed(x, ones), feed(known, fours))
            .same_bits(Array::full<float>({3}, 5.0f)));
  CHECK(session.run(y, feed(p, false), feed(x, ones), feed(known, fours))
            .same_bits(Array::full<float>({3}, 8.0f)));
  CHECK_THROWS_AS(
      session.run(y, feed(p, true), feed(x, Array::full<float>({2}, 1.0f)), feed(known, fours)),
      shape_error);
}

namespace {

constexpr auto two_layers =
    net<[](auto x) { return dense<2, "second">(tanh(dense<3, "first">(x))); },
        in<float, shape<dyn, 4>>>();
constexpr auto normalized =
    net<[](auto x) { return batch_norm(dense<3>(x)); }, in<float, shape<dyn, 4>>>();
constexpr auto recurrent = net<[](auto x) { return lstm<2>(x); }, in<float, shape<1, 3, 4>>>();

}  // namespace

TEST_CASE("a compile-time network is lowered into the body that is open", "[edge-60]") {
  Graph g;
  const auto p = placeholder<bool, shape<>>(g, "p");
  const auto x = placeholder<float, shape<1, 4>>(g, "x");
  const auto other = placeholder<float, shape<1, 2>>(g, "other");
  // On a tensor of the body, and on one around it.
  const bool inside = GENERATE(true, false);
  const bool nested = GENERATE(true, false);
  const auto build = [&] {
    if (inside) return any_tensor(lower(two_layers, g, x * 2.0f));
    return any_tensor(lower(two_layers, g, x));
  };
  const auto y = cond(
      p,
      [&] {
        if (!nested) return build();
        return any_tensor(cond(p, build, [&] { return any_tensor(other); }));
      },
      [&] { return any_tensor(other); });
  g.validate();
  CHECK(g.variable_count() == 4);
  CHECK(g.find_variable("first/kernel").has_value());
  CHECK_FALSE(g.find_op("second/matmul").has_value());  // it is in the body
  Session session(g, {.seed = 3});
  session.initialize();
  Graph alone;
  const auto z = placeholder<float, shape<1, 4>>(alone, "x");
  const auto wanted = lower(two_layers, alone, z);
  Session reference(alone, {.seed = 3});
  reference.initialize();
  const Array some = Array::full<float>({1, 4}, 0.5f), twice = Array::full<float>({1, 4}, 1.0f);
  CHECK(session.run(y, feed(p, true), feed(x, some), feed(other, Array(dtype::float32, {1, 2})))
            .same_bits(reference.run(wanted, feed(z, inside ? twice : some))));
}

TEST_CASE("a network with bodies is lowered into a body", "[edge-60]") {
  Graph g;
  const auto p = placeholder<bool, shape<>>(g, "p");
  const auto x = placeholder<float, shape<1, 3, 4>>(g, "x");
  const auto y = cond(
      p, [&] { return any_tensor(lower(recurrent, g, tanh(x))); },
      [&] { return any_tensor(lower(recurrent, g, x)); });
  g.validate();
  CHECK(g.variable_count() == 6);
  Session session(g);
  session.initialize();
  CHECK(session.run(y, feed(p, true), feed(x, Array::full<float>({1, 3, 4}, 0.5f))).size() == 2);
}

TEST_CASE("a network that updates variables is not lowered into a body", "[edge-60]") {
  model m;
  const auto x = placeholder<float, shape<1, 4>>(m.g, "wide");
  const std::string text = m.failure<graph_error>([&] {
    (void)lower(normalized, m.g, x);
    return m.x;
  });
  CHECK(says(text, "a network was lowered into a body that is open"));
  CHECK(says(text, "it updates no variable"));
  CHECK(m.g.variable_count() == 0);
  m.g.validate();
}

TEST_CASE("a network that updates variables is cloned into a body in inference mode, or frozen",
          "[clone][edge-60]") {
  model m;
  const auto wide = placeholder<float, shape<1, 4>>(m.g, "wide");
  const auto normal = batch_norm(dense<2>(wide));
  const auto noisy = dropout(dense<2, "other">(wide), 0.5);
  const auto into_body = [&](const any_tensor& y, mode as,
                             variable_policy policy = variables::shared) {
    return clone(extract(inputs(wide), outputs(y)), into(*m.g.current_body(), "copy"),
                 bind(wide, wide), policy, as);
  };
  Session(m.g).initialize();
  for (const any_tensor& y : {any_tensor(normal), any_tensor(noisy)}) {
    const std::string text = m.failure<graph_error>([&] {
      (void)into_body(y, mode::training);
      return m.x;
    });
    CHECK(says(text, "into a body"));
    CHECK(says(text, "it updates no variable"));
    (void)cond(
        m.p, [&] { return into_body(y, mode::inference)(y); }, [&] { return any_tensor(y); });
    // Constants have no updates.
    (void)cond(
        m.p, [&] { return into_body(y, mode::training, variables::frozen)(y); },
        [&] { return any_tensor(y); });
    m.g.validate();
  }
}
