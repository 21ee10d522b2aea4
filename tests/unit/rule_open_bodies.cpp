// Rules of clones that are made while a body is open: in the body, and in the graph around it.
#include "graft/graft.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

namespace {

using row3 = tensor<Graph, dtype::float32, shape<3>>;
using answer = std::optional<std::vector<any_tensor>>;

Array three(float a, float b, float c) { return Array::from<float>({3}, {a, b, c}); }

op_transform instead_of(const char* name, const any_tensor& t) {
  return each_op([name, t](const copied_op& op) -> answer {
    if (op.schema->name != name) return std::nullopt;
    return std::vector{t};
  });
}

// relu(h) + 1 with h = x * w, of which clones are made while a body is open.
struct subject {
  Graph g;
  row3 x = placeholder<float, shape<3>>(g, "x");
  row3 other = placeholder<float, shape<3>>(g, "other");
  tensor<Graph, dtype::boolean, shape<>> p = placeholder<bool, shape<>>(g, "p");
  row3 w = make_variable<float, shape<3>>(g, "w", ones());
  any_tensor h = x * w;
  any_tensor y = relu(h) + 1.0f;
  Region region = extract(inputs(x), outputs(y));

  Graph* innermost() {
    Graph* at = &g;
    while (Graph* body = at->current_body()) at = body;
    return at;
  }
  // cond(p, what a function builds, x), in a body of the body if it is nested.
  template <class F>
  any_tensor choose(bool nested, F&& f) {
    const auto build = [&] { return any_tensor(f()); };
    const auto otherwise = [&] { return any_tensor(x); };
    return cond(
        p, [&] { return nested ? any_tensor(cond(p, build, otherwise)) : build(); }, otherwise);
  }
  // cond(p, clone of the region in the body, x).
  template <class... Choices>
  any_tensor in_body(bool nested, const Choices&... choices) {
    return choose(nested, [&] {
      const Clone copy = clone(region, into(*innermost(), "copy"), choices...);
      copy.check();
      return copy(y);
    });
  }
  float run(const any_tensor& z) {
    const any_tensor all = z + other * 0.0f;  // needs what is fed
    g.validate();
    Session session(g);
    session.initialize();
    return session.run(all, feed(p, true), feed(x, three(2, 2, 2)), feed(other, three(5, 5, 5)))
        .at<float>({0});
  }
};

}  // namespace

TEST_CASE("a rule of a clone in a body returns nothing of the source around it",
          "[rule][edge-60]") {
  subject s;
  const bool nested = GENERATE(false, true);
  const auto before = s.g.digest();
  const std::string text = message_of<argument_error>(
      [&] { (void)s.in_body(nested, bind(s.x, s.other), instead_of("relu", s.h)); });
  INFO(text);
  CHECK(mentions(text, "asked about 'relu'"));
  CHECK(mentions(text, "'mul' of the source"));
  CHECK_THROWS_AS(s.in_body(nested, bind(s.x, s.other), instead_of("mul", s.w)), argument_error);
  CHECK(s.g.digest() == before);
  CHECK(s.g.current_body() == nullptr);

  // What is around the region, what inputs became, and what is shared by name.
  CHECK(s.run(s.in_body(nested, bind(s.x, s.other), instead_of("relu", s.x))) == 3.0f);
  CHECK(s.run(s.in_body(nested, bind(s.x, s.other), instead_of("relu", s.other))) == 6.0f);
  CHECK(s.run(s.in_body(nested, bind(s.x, row3(s.h.ref())), instead_of("mul", s.h))) == 3.0f);
  CHECK(s.run(s.in_body(nested, bind(s.x, s.other), variables::shared, instead_of("mul", s.w))) ==
        2.0f);
}

TEST_CASE("a rule for an op in a body of such a clone returns nothing of the source either",
          "[rule][edge-60]") {
  subject s;
  const auto looped = std::get<0>(
      scan(row3(s.h.ref()), placeholder<float, shape<2, 3>>(s.g, "xs"),
           [](auto state, auto step) { return std::tuple{tanh(state + step), std::tuple{}}; }));
  s.region = extract(inputs(s.x), outputs(looped), leaks::keep);
  s.y = looped;
  const auto before = s.g.digest();
  const std::string text = message_of<argument_error>(
      [&] { (void)s.in_body(false, bind(s.x, s.other), instead_of("tanh", s.h)); });
  INFO(text);
  CHECK(mentions(text, "'tanh' in body 'body' of 'scan'"));
  CHECK(s.g.digest() == before);
  (void)s.in_body(false, bind(s.x, s.other), instead_of("tanh", s.x));
  s.g.validate();
}

TEST_CASE("rules of a clone around an open body build around it", "[rule][edge-60]") {
  subject s;
  SECTION("ops and variables") {
    std::optional<Clone> copy;
    const any_tensor z = s.choose(false, [&] {
      copy = clone(s.region, bind(s.x, s.other), each_op([&](const copied_op& op) -> answer {
                     if (op.schema->name != "relu") return std::nullopt;
                     const auto gain = make_variable<float, shape<3>>(*op.graph, "gain", ones());
                     return std::vector<any_tensor>{op.outputs[0] * 2.0f + gain};
                   }));
      return (*copy)(s.y);
    });
    copy->check();
    CHECK(&copy->graph() == &s.g);
    CHECK(copy->variables().size() == 2);
    CHECK(s.run(z) == 12.0f);
  }
  SECTION("in bodies of its ops, too") {
    const any_tensor looped = while_loop(
        s.x, [&](auto h) { return sum(h) < 9.0f; },
        [&](auto h) { return h + cond(s.p, [&] { return tanh(h); }, [&] { return h; }); });
    const Region region = extract(inputs(s.x, s.p), outputs(looped));
    std::optional<Clone> copy;
    const any_tensor z = s.choose(false, [&] {
      copy = clone(region, bind(s.x, s.x, s.p, s.p), each_op([&](const copied_op& op) -> answer {
                     if (op.schema->name != "tanh") return std::nullopt;
                     return std::vector<any_tensor>{op.operands[0] * s.other};
                   }));
      return (*copy)(looped);
    });
    copy->check();
    CHECK(s.run(z) == 12.0f);
  }
  SECTION("and leave the body open where they fail") {
    const Region looped = extract(
        inputs(s.x, s.p), outputs(cond(s.p, [&] { return tanh(s.x); }, [&] { return s.x; })));
    const any_tensor z = s.choose(false, [&] {
      const any_tensor first = s.x * 3.0f;
      const Graph* const body = s.g.current_body();
      const auto before = body->digest();
      CHECK_THROWS_AS(clone(looped, each_op([](const copied_op& op) -> answer {
                              if (op.schema->name == "tanh") throw std::runtime_error("no");
                              return std::nullopt;
                            })),
                      std::runtime_error);
      REQUIRE(s.g.current_body() == body);
      CHECK(body->digest() == before);
      return first;
    });
    CHECK(s.run(z) == 6.0f);
  }
}
