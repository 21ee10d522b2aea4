// Compile-time networks with bodies on graphs: lowering a table equals running its builder, and what comes of it runs
// and learns.
#include <string>
#include <tuple>

#include "graft/graft.hpp"

#include "catch.hpp"
#include "same_graphs.hpp"

using namespace graft;
using graft_test::check_same;

namespace {

// Every kind of body, nested, with variables in all sorts of places; the same code for both targets. Operands that are
// calls have names: C++ leaves open which of two is called first.
constexpr auto everything = [](auto p, auto x) {
  const scope s(x, "net");
  constexpr auto tied = dense<4>.shared("tied");
  const auto h = (gru<6>.sequences() >> simple_rnn<5, "plain">.sequences() >> lstm<4>)(x);
  const auto chosen = cond(
      p,
      [&] {
        const scope head(x, "head");
        const auto m = with_mode(x, mode::inference);
        const auto inner =
            cond(p, [&] { return tied(dense<4>(h)); }, [&] { return dense<4>(h); }, "inner");
        const auto both = inner + h;
        return std::tuple{both, -inner};
      },
      [&] {
        const scope head(x, "head");
        return std::tuple{h, dense<4>(tied(h))};
      });
  const auto joined = tied(std::get<0>(chosen)) + std::get<1>(chosen);
  const auto looped = while_loop(
      std::tuple{joined, sum(square(joined))}, [&](auto, auto total) { return total < 100.0f; },
      [&](auto a, auto total) {
        const auto grown = a * 1.5f;
        const auto next = grown + layer_norm(h);
        return std::tuple{next, total + 40.0f};
      },
      5);
  const auto over_time =
      scan(std::get<0>(looped), std::tuple{transpose<1, 0, 2>(x)}, [&](auto state, auto element) {
        const auto next = tanh(dense<4, "step">(std::get<0>(element)));
        const auto kept = state * 0.5f;
        return std::tuple{kept + next, std::tuple{next, state}};
      });
  return std::tuple{dense<3, "logits">(dropout(std::get<0>(over_time), 0.25)),
                    std::get<1>(over_time)};
};
constexpr auto recorded =
    net<everything, in<bool, shape<>, "p">, in<float, shape<dyn, 5, 3>, "x">>();

// A graph with a network in it, and a step that trains it.
template <extent Batch = dyn>
struct built {
  Graph g;
  tensor<Graph, dtype::boolean, shape<>> p = placeholder<bool, shape<>>(g, "p");
  tensor<Graph, dtype::float32, shape<Batch, 5, 3>> x =
      placeholder<float, shape<Batch, 5, 3>>(g, "x");
  std::vector<any_tensor> outputs;

  template <class F>
  explicit built(F&& f) {
    for_each_handle(f(g, p, x), [&](const auto& h) { outputs.emplace_back(h); });
  }
};
constexpr auto directly = [](Graph&, const auto& p, const auto& x) { return everything(p, x); };
constexpr auto by_table = [](Graph& g, const auto& p, const auto& x) {
  return lower(recorded, g, p, x);
};

Array some_rows(std::int64_t batch) {
  Array a(dtype::float32, {batch, 5, 3});
  std::uint32_t state = 7;
  for (float& v : a.mutable_span<float>()) {
    state = state * 1664525u + 1013904223u;
    v = static_cast<float>(state >> 8) / static_cast<float>(1u << 23) - 1.0f;
  }
  return a;
}

}  // namespace

TEST_CASE("lowering a table with bodies gives the graph that the builder gives", "[dsl][lower]") {
  built direct(directly), lowered(by_table);
  lowered.g.validate();
  check_same(direct.g, lowered.g);
  CHECK(isomorphic(direct.g, lowered.g, including::names, including::streams));
  CHECK(direct.g.digest() == lowered.g.digest());
  CHECK(lowered.g.current_scope() == scope_id{});
  CHECK(lowered.g.current_mode() == mode::training);
  CHECK(lowered.g.current_body() == nullptr);
  // The graph may know more of the inputs than the table.
  built<4> direct_4(directly), lowered_4(by_table);
  check_same(direct_4.g, lowered_4.g);
  CHECK(direct_4.g.digest() == lowered_4.g.digest());
}

TEST_CASE("the table's variables are those of the graph, also of bodies", "[dsl][lower]") {
  built lowered(by_table);
  const std::vector<variable_id> variables = lowered.g.variables();
  REQUIRE(variables.size() == recorded.variable_count());
  std::int64_t parameters = 0;
  for (std::size_t i = 0; i < variables.size(); ++i) {
    const variable_info& v = lowered.g.variable_of(variables[i]);
    CHECK(lowered.g.path_of(variables[i]) == recorded.variable_name(i));
    CHECK(v.type.shape == recorded.variable_shape(i));
    if (v.trainable) parameters += element_count(v.type.shape);
  }
  CHECK(parameters == recorded.parameter_count());
}

TEST_CASE("a lowered network with bodies computes and learns as the built one, to the bit",
          "[dsl][lower]") {
  const auto run = [](auto& b) {
    const any_tensor loss = mean(square(b.outputs[0])) + mean(square(b.outputs[1]));
    const training_step train = minimize(loss, adam{.rate = 0.01});
    Session session(b.g, {.seed = 11});
    session.initialize();
    std::vector<Array> results;
    for (int step = 0; step < 12; ++step) {
      const auto now = session.run(std::vector<any_tensor>{b.outputs[0], b.outputs[1], loss},
                                   feed(b.x, some_rows(4)), feed(b.p, step % 2 == 0));
      results.insert(results.end(), now.begin(), now.end());
      session.run(train.updates, feed(b.x, some_rows(4)), feed(b.p, step % 2 == 0));
    }
    return results;
  };
  built direct(directly), lowered(by_table);
  const std::vector<Array> wanted = run(direct), found = run(lowered);
  REQUIRE(wanted.size() == found.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) CHECK(found[i].same_bits(wanted[i]));
  CHECK(found[35].item<float>() < 0.9f * found[5].item<float>());  // losses of one branch
}

TEST_CASE("a classifier with an LSTM that only the compiler saw learns", "[dsl][lower]") {
  // Which of two places has the larger number: the first or the last.
  static constexpr auto reader =
      net<[](auto x) { return dense<1, "logit">(lstm<8>(x)); }, in<float, shape<dyn, 6, 1>>>();
  Graph g;
  const auto x = placeholder<float, shape<dyn, 6, 1>>(g, "x");
  const auto target = placeholder<float, shape<dyn, 1>>(g, "target");
  const auto y = lower(reader, g, x);
  static_assert(std::is_same_v<decltype(y), const tensor<Graph, dtype::float32, shape<dyn, 1>>>);
  const auto loss = mean(softplus(y) - y * target);
  const training_step train = minimize(loss, adam{.rate = 0.02});
  Session session(g, {.seed = 3});
  session.initialize();
  Array in(dtype::float32, {64, 6, 1}), wanted(dtype::float32, {64, 1});
  std::uint32_t state = 5;
  const auto batch = [&] {
    const auto a = in.mutable_span<float>(), b = wanted.mutable_span<float>();
    for (float& v : a) {
      state = state * 1664525u + 1013904223u;
      v = static_cast<float>(state >> 8) / static_cast<float>(1u << 23) - 1.0f;
    }
    for (std::size_t i = 0; i < 64; ++i) b[i] = a[6 * i] > a[6 * i + 5] ? 1.0f : 0.0f;
  };
  for (int step = 0; step < 300; ++step) {
    batch();
    session.run(train.updates, feed(x, in), feed(target, wanted));
  }
  batch();
  const Array logits = session.run(y, feed(x, in));
  int right = 0;
  for (std::size_t i = 0; i < 64; ++i) {
    right += (logits.span<float>()[i] > 0) == (wanted.span<float>()[i] > 0.5f);
  }
  CHECK(right > 56);  // of 64; chance is 32
}

TEST_CASE("one tensor may be several inputs of a network with bodies", "[dsl][lower]") {
  static constexpr auto builder = [](auto p, auto a, auto b) {
    return cond(p, [&] { return a - b * 2.0f; }, [&] { return b; });
  };
  static constexpr auto n =
      net<builder, in<bool, shape<>>, in<float, shape<3>>, in<float, shape<3>>>();
  Graph g;
  const auto p = placeholder<bool, shape<>>(g, "p");
  const auto a = placeholder<float, shape<3>>(g, "a"), b = placeholder<float, shape<3>>(g, "b");
  const auto same = lower(n, g, p, a, a), built_same = builder(p, a, a);
  const auto apart = lower(n, g, p, a, b);
  g.validate();
  CHECK(
      isomorphic(extract(inputs(p, a), outputs(same)), extract(inputs(p, a), outputs(built_same))));
  Session session(g);
  const Array one = Array::from<float>({3}, {1, 2, 3}), two = Array::from<float>({3}, {5, 5, 5});
  const auto [s, t] =
      session.run(std::tuple{same, apart}, feed(p, true), feed(a, one), feed(b, two));
  CHECK(s.same_bits(Array::from<float>({3}, {-1, -2, -3})));
  CHECK(t.same_bits(Array::from<float>({3}, {-9, -8, -7})));
}

TEST_CASE("a shared layer in a body is tied to what the graph has", "[dsl][lower]") {
  static constexpr auto n = net<[](auto p, auto x) {
    constexpr auto tied = dense<3>.shared("enc");
    return cond(p, [&] { return tied(x); }, [&] { return tied(tied(x)); });
  },
                                in<bool, shape<>>, in<float, shape<2, 3>>>();
  static_assert(n.variable_count() == 2);
  Graph g;
  const auto p = placeholder<bool, shape<>>(g);
  const auto x = placeholder<float, shape<2, 3>>(g);
  (void)lower(n, g, p, dense<3>.shared("enc")(x));
  (void)lower(n, g, p, x);
  CHECK(g.variable_count() == 2);
  // The kernel itself as the input: the body has it once.
  (void)lower(
      n, g, p,
      as<float, shape<2, 3>>(slice(g.handle(g.variable_of(g.variables()[0]).read), 0, 0, 2)));
  g.validate();
  CHECK(g.variable_count() == 2);
}

TEST_CASE("what does not fit in a body leaves the graph as it was", "[dsl][lower]") {
  static constexpr auto n =
      net<[](auto p, auto x, auto y) {
        return cond(p, [&] { return dense<3>(x) + y; }, [&] { return y; });
      },
          in<bool, shape<>>, in<float, shape<dyn, 3>>, in<float, shape<dyn, 3>>>();
  Graph g;
  const auto p = placeholder<bool, shape<>>(g);
  const auto x = placeholder<float, shape<2, 3>>(g);
  const auto y = placeholder<float, shape<4, 3>>(g);
  g.enter_scope("outer");
  const std::uint64_t before = g.digest();
  CHECK_THROWS_AS(lower(n, g, p, x, y), shape_error);
  CHECK(g.digest() == before);
  CHECK(g.current_body() == nullptr);
  CHECK(g.scope_path(g.current_scope()) == "outer");
  CHECK_NOTHROW(lower(n, g, p, x, x));
}

TEST_CASE("parts with bodies compute what they do in the whole, on its variables", "[dsl][lower]") {
  constexpr auto front = extract<inputs_at<"x">, outputs_at<"net/lstm/scan">>(recorded);
  constexpr auto back =
      extract<inputs_at<"p", "x", "net/lstm/scan">, outputs_at<"net/scan:1">>(recorded);
  built whole(by_table);
  Graph first, second;
  const auto x1 = placeholder<float, shape<dyn, 5, 3>>(first, "x");
  const auto y1 = lower(front, first, x1);
  const auto p2 = placeholder<bool, shape<>>(second, "p");
  const auto x2 = placeholder<float, shape<dyn, 5, 3>>(second, "x");
  const auto h2 = placeholder<float, shape<dyn, 4>>(second, "h");
  const auto y2 = lower(back, second, p2, x2, h2);
  static_assert(
      std::is_same_v<decltype(y2), const tensor<Graph, dtype::float32, shape<5, dyn, 4>>>);
  Session session(whole.g), session_1(first), session_2(second);
  session.initialize();
  const auto take_values = [&](const Graph& g, Session& to) {
    g.validate();
    for (const variable_id v : g.variables()) {
      INFO(g.path_of(v));
      const auto same = whole.g.find_variable(g.path_of(v));
      REQUIRE(same);
      to.set_value(v, session.value(*same));
    }
  };
  take_values(first, session_1);
  take_values(second, session_2);
  CHECK(first.variable_count() + second.variable_count() + 3 == whole.g.variable_count());
  for (const bool branch : {true, false}) {
    const Array rows = some_rows(3);
    const Array wanted = session.run(whole.outputs[1], feed(whole.x, rows), feed(whole.p, branch));
    const Array h = session_1.run(y1, feed(x1, rows));
    CHECK(session_2.run(y2, feed(x2, rows), feed(h2, h), feed(p2, branch)).same_bits(wanted));
  }
}

TEST_CASE("lowered clones of a network with bodies have variables of their own", "[dsl][lower]") {
  using critic = clone_t<std::remove_cv_t<decltype(recorded)>, struct critic_tag>;
  built actor(by_table);
  const std::size_t before = actor.g.variable_count();
  (void)lower(critic{}, actor.g, actor.p, actor.x);
  actor.g.validate();
  CHECK(actor.g.variable_count() == 2 * before - 2);  // but for the tied layer
}

namespace {

// A handle that tells nothing, so that only the recorder can judge.
template <class H>
auto unknown(const H& h) {
  return tensor<Recorder, dtype::any, any_shape>(h.ref());
}

template <class E, class F>
std::string sentence(F&& f) {
  try {
    f();
  } catch (const E& e) {
    return e.parts().asked + ": " + e.parts().found + "; " + e.parts().hint;
  }
  return "nothing was thrown";
}
bool says(const std::string& text, const char* part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a recorder refuses bodies that do not fit, with the rule that they break", "[dsl]") {
  Recorder r;
  const auto p = unknown(r.input<dtype::boolean, shape<>>("p"));
  const auto x = unknown(r.input<dtype::float32, shape<7, 3>>("x"));
  const auto y = unknown(r.input<dtype::float32, shape<5, 3>>("y"));
  const auto row = unknown(sum(x, dims{0}));
  const auto add_up = [](auto s, auto e) { return std::tuple{s + e, s}; };

  CHECK(says(sentence<shape_error>([&] { (void)cond(p, [&] { return x; }, [&] { return y; }); }),
             "cond was recorded: the branches must give equal results: needs float32 [7, 3], got "
             "float32 [5, 3]"));
  CHECK(says(sentence<dtype_error>([&] { (void)cond(x, [&] { return x; }, [&] { return x; }); }),
             "what decides must be one boolean"));
  CHECK(says(sentence<shape_error>([&] {
               (void)while_loop(row, [](auto s) { return s > 0; }, [](auto s) { return s; });
             }),
             "while_loop was recorded: what decides must be one boolean: needs boolean [], got "
             "boolean [3]"));
  CHECK(says(sentence<dtype_error>([&] {
               (void)scan(row, x,
                          [&](auto s, auto) { return std::tuple{unknown(cast<double>(s)), s}; });
             }),
             "a state must come out of a step as it went in"));
  CHECK(says(sentence<shape_error>([&] {
               (void)scan(row, std::tuple{x, y}, [&](auto s, const auto& e) {
                 return std::tuple{s + std::get<0>(e), std::get<1>(e)};
               });
             }),
             "the sequences must be of one length: needs float32 [7, 3], got float32 [5, 3]"));
  CHECK(says(sentence<shape_error>([&] { (void)scan(row, unknown(sum(x)), add_up); }),
             "a sequence must have a first axis"));

  auto inner = x;
  const auto chosen = cond(
      p,
      [&] {
        inner = -x;
        return x;
      },
      [&] { return x; });
  CHECK(says(sentence<handle_error>([&] { (void)(chosen + inner); }), "return it from the body"));
  CHECK(says(sentence<graph_error>([&] {
               (void)cond(p, [&] { return unknown(dropout(x, 0.5)); }, [&] { return x; });
             }),
             "a body may run often or never"));
}
