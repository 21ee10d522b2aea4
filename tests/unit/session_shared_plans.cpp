// Calls of one structure share one plan, and each keeps what is its own: variables, draws, names.
#include <algorithm>

#include "graft/graft.hpp"
#include "graft/runtime/fused.hpp"

#include "catch.hpp"
#include "session_fixture.hpp"

using namespace session_test;

namespace {

using row8 = tensor<Graph, dtype::float32, shape<dyn, 8>>;

Array numbers(const dims& shape, float first = 0.7f) {
  Array a(dtype::float32, shape);
  for (float& e : a.mutable_span<float>()) e = first, first = first * -0.93f + 0.11f;
  return a;
}

// A network and clones of it, each on an input of its own.
struct family {
  Graph g;
  row8 x = placeholder<float, shape<dyn, 8>>(g, "x");
  any_tensor y;
  std::vector<Clone> clones;
  std::vector<any_tensor> in{x}, out;

  template <class Build, class Variables = decltype(variables::fresh)>
  explicit family(Build&& build, int count = 3, const Variables& rule = variables::fresh)
      : y(build(x)), out{y} {
    const Region region = extract(inputs(x), outputs(y));
    for (int i = 0; i < count; ++i) {
      const auto input = placeholder<float, shape<dyn, 8>>(g, "x" + std::to_string(i));
      clones.push_back(clone(region, bind(x, input), into("copy" + std::to_string(i)), rule));
      in.push_back(input);
      out.push_back(clones.back()(y));
    }
  }
};

any_tensor perceptron(const row8& x) { return dense<4>(relu(dense<16>(tanh(dense<16>(x))))); }

// The result of a call in a session that has planned nothing else.
template <class Fetch, class... Feeds>
auto alone(Graph& g, const Fetch& fetch, const Feeds&... feeds) {
  Session session(g, {.threads = 1});
  return session.run(fetch, feeds...);
}

}  // namespace

TEST_CASE("a network and its clones are planned once") {
  family f(perceptron);
  Session session(f.g, {.threads = 1});
  session.initialize();
  const std::uint64_t before = session.plans_made();
  std::vector<Array> found;
  for (std::size_t i = 0; i < f.out.size(); ++i) {
    found.push_back(session.run(f.out[i], feed(f.in[i], numbers({5, 8}))));
  }
  CHECK(session.plans_made() == before + 1);
  for (std::size_t i = 0; i < f.out.size(); ++i) {
    CHECK(found[i].same_bits(alone(f.g, f.out[i], feed(f.in[i], numbers({5, 8})))));
    for (std::size_t k = 0; k < i; ++k) CHECK_FALSE(found[i].same_bits(found[k]));
  }
  // Again, in another order and as prepared calls, whose memory is their own.
  std::vector<prepared_call> calls;
  for (std::size_t i = f.out.size(); i-- > 0;) {
    CHECK(session.run(f.out[i], feed(f.in[i], numbers({5, 8}))).same_bits(found[i]));
    calls.push_back(session.prepare(f.out[i], feed(f.in[i], numbers({5, 8}))));
  }
  for (prepared_call& call : calls) call.run();
  for (std::size_t c = 0; c < calls.size(); ++c) {
    const Array& expected = found[f.out.size() - 1 - c];
    CHECK(Array::from<float>(expected.shape(), calls[c].output<float>()).same_bits(expected));
  }
  CHECK(session.plans_made() == before + 1);
  // Another batch is another plan, again for all.
  for (std::size_t i = 0; i < f.out.size(); ++i) {
    session.run(f.out[i], feed(f.in[i], numbers({2, 8})));
  }
  CHECK(session.plans_made() == before + 2);
}

TEST_CASE("clones whose variables are shared, copied or constants share plans") {
  for (const int rule : {0, 1, 2}) {
    INFO(rule);
    Graph g;
    const auto x = placeholder<float, shape<dyn, 8>>(g, "x");
    const any_tensor y = perceptron(x);
    Session session(g, {.threads = 1});
    session.initialize();
    const Region region = extract(inputs(x), outputs(y));
    const std::vector<variable_id> originals = g.variables();
    std::vector<any_tensor> out;
    for (int i = 0; i < 3; ++i) {
      // Between the clones the weights move, so that frozen ones hold other numbers.
      for (const variable_id v : originals) {
        Array value = session.value(v);
        for (float& e : value.mutable_span<float>()) e += 0.125f;
        session.set_value(v, value);
      }
      const Clone copy = rule == 0   ? clone(region, bind(x, x), variables::shared)
                         : rule == 1 ? clone(region, bind(x, x), variables::copied)
                                     : clone(region, bind(x, x), variables::frozen);
      out.push_back(copy(y));
    }
    const auto fed = feed(x, numbers({3, 8}));
    const std::uint64_t before = session.plans_made();
    for (const any_tensor& t : out) {
      CHECK(session.run(t, fed).same_bits(alone(g, t, fed)));
    }
    CHECK(session.plans_made() == before + 1);
    CHECK(session.run(out[0], fed).same_bits(session.run(out[2], fed)) == (rule == 0));
  }
}

TEST_CASE("random numbers of clones are their own under a shared plan") {
  family f([](const row8& x) { return any_tensor(dropout(0.5)(dense<16>(x))); });
  Session session(f.g, {.threads = 1, .seed = 9});
  session.run(initializer_set{f.g, f.g.variables()});
  const std::uint64_t before = session.plans_made();
  for (const Clone& c : f.clones) session.run(c.initializer());
  CHECK(session.plans_made() == before + 1);
  // Nothing about the values depends on who was planned first.
  {
    family other([](const row8& x) { return any_tensor(dropout(0.5)(dense<16>(x))); });
    Session backwards(other.g, {.threads = 1, .seed = 9});
    for (std::size_t i = other.clones.size(); i-- > 0;) {
      backwards.run(other.clones[i].initializer());
    }
    for (std::size_t i = 0; i < f.clones.size(); ++i) {
      const auto mine = f.clones[i].variables(), theirs = other.clones[i].variables();
      REQUIRE(mine.size() == theirs.size());
      for (std::size_t k = 0; k < mine.size(); ++k) {
        CHECK(session.value(mine[k]).same_bits(backwards.value(theirs[k])));
      }
    }
  }
  std::vector<Array> outputs;
  const std::uint64_t planned = session.plans_made();
  for (std::size_t i = 0; i < f.out.size(); ++i) {
    outputs.push_back(session.run(f.out[i], feed(f.in[i], Array::full<float>({4, 8}, 1.0f))));
    for (std::size_t k = 0; k < i; ++k) CHECK_FALSE(outputs[i].same_bits(outputs[k]));
  }
  CHECK(session.plans_made() == planned + 1);
}

TEST_CASE("a clone with another attribute is planned anew") {
  family f([](const row8& x) { return any_tensor(leaky_relu(dense<4>(x), 0.25)); }, 2);
  Session session(f.g);
  session.initialize();
  const std::uint64_t before = session.plans_made();
  f.g.set_attributes(f.g.id(f.out[2]).op, attribute_list().set("alpha", 0.5));
  std::vector<Array> found;
  for (std::size_t i = 0; i < f.out.size(); ++i) {
    found.push_back(session.run(f.out[i], feed(f.in[i], numbers({5, 8}))));
    CHECK(found[i].same_bits(alone(f.g, f.out[i], feed(f.in[i], numbers({5, 8})))));
  }
  CHECK(session.plans_made() == before + 2);
  // One that runs has its plan replaced when it is edited, and the others keep theirs.
  f.g.set_attributes(f.g.id(f.out[1]).op, attribute_list().set("alpha", 0.5));
  CHECK_FALSE(session.run(f.out[1], feed(f.in[1], numbers({5, 8}))).same_bits(found[1]));
  CHECK(session.run(f.out[0], feed(f.in[0], numbers({5, 8}))).same_bits(found[0]));
  CHECK(session.plans_made() == before + 2);  // that of the other clone was there
}

TEST_CASE("the order in which inputs were made and fed does not matter") {
  Graph g;
  const auto a = placeholder<float, shape<2>>(g, "a");
  const auto b = placeholder<float, shape<2>>(g, "b");
  const auto y = a * 2.0f - b;
  const auto b2 = placeholder<float, shape<2>>(g, "b2");
  const auto a2 = placeholder<float, shape<2>>(g, "a2");
  const Clone copy = clone(extract(inputs(a, b), outputs(y)), bind(a, a2, b, b2));
  Session session(g);
  CHECK(session.run(y, feed(a, {1.0f, 2.0f}), feed(b, {10.0f, 20.0f}))
            .same_bits(vector_of({-8, -16})));
  CHECK(session.run(copy(y), feed(b2, {10.0f, 20.0f}), feed(a2, {1.0f, 2.0f}))
            .same_bits(vector_of({-8, -16})));
  CHECK(session.run(copy(y), feed(a2, {1.0f, 2.0f}), feed(b2, {30.0f, 40.0f}))
            .same_bits(vector_of({-28, -36})));
  CHECK(session.plans_made() == 1);
  const auto [fed_b, difference, fed_a] =
      session.run(std::tuple{b2, copy(y), a2}, feed(b2, {1.0f, 1.0f}), feed(a2, {5.0f, 6.0f}));
  CHECK(fed_a.same_bits(vector_of({5, 6})));
  CHECK(fed_b.same_bits(vector_of({1, 1})));
  CHECK(difference.same_bits(vector_of({9, 11})));
  prepared_call call =
      session.prepare(std::tuple{b2, a2}, feed(b2, {1.0f, 2.0f}), feed(a2, {3.0f, 4.0f}));
  call.run();
  CHECK(call.output<float>(0)[1] == 2);
  CHECK(call.output<float>(1)[1] == 4);
}

TEST_CASE("updates of clones share plans") {
  family f(perceptron);
  Session session(f.g, {.threads = 1});
  session.initialize();
  std::vector<update_group> follow;
  std::vector<training_step> steps;
  for (std::size_t i = 0; i < f.clones.size(); ++i) follow.push_back(soft_update(f.clones[i]));
  for (std::size_t i = 0; i < f.out.size(); ++i) {
    steps.push_back(minimize(mean(square(f.out[i])), adam{.rate = 0.01}));
  }
  session.initialize();
  std::uint64_t before = session.plans_made();
  for (const update_group& u : follow) session.run(u);
  CHECK(session.plans_made() == before + 1);
  before = session.plans_made();
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
      session.run(steps[i], feed(f.in[i], numbers({5, 8})));
    }
  }
  CHECK(session.plans_made() == before + 1);
  // The same steps, each in a session of its own, on the same graph made again.
  family g(perceptron);
  Session{g.g, {.threads = 1}}.initialize();
  std::vector<update_group> other_follow;
  std::vector<training_step> other_steps;
  for (std::size_t i = 0; i < g.clones.size(); ++i) {
    other_follow.push_back(soft_update(g.clones[i]));
  }
  for (std::size_t i = 0; i < g.out.size(); ++i) {
    other_steps.push_back(minimize(mean(square(g.out[i])), adam{.rate = 0.01}));
  }
  Session{g.g, {.threads = 1}}.initialize();
  for (const update_group& u : other_follow) alone(g.g, u);
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < other_steps.size(); ++i) {
      alone(g.g, other_steps[i], feed(g.in[i], numbers({5, 8})));
    }
  }
  const std::vector<variable_id> mine = f.g.variables(), theirs = g.g.variables();
  REQUIRE(mine.size() == theirs.size());
  for (std::size_t i = 0; i < mine.size(); ++i) {
    INFO(f.g.path_of(mine[i]));
    CHECK(f.g.store().get(mine[i]).same_bits(g.g.store().get(theirs[i])));
  }
}

TEST_CASE("errors name the op of the clone that ran") {
  Graph g;
  const auto words = placeholder<std::int64_t, shape<dyn>>(g, "words");
  const auto y = sum<axes<1>>(log(embedding<10, 4>(words)));
  const auto words2 = placeholder<std::int64_t, shape<dyn>>(g, "words2");
  const Clone copy = clone(extract(inputs(words), outputs(y)), bind(words, words2), into("copy"));
  const Array bad = Array::from<std::int64_t>({2}, {1, 10});
  const Array good = Array::from<std::int64_t>({2}, {1, 9});
  for (const bool checked : {false, true}) {
    Session session(g, {.threads = 1, .check_numerics = checked});
    // A variable without a value.
    CHECK(has(sentence<uninitialized_error>([&] { session.run(y, feed(words, good)); }),
              "'embedding"));
    CHECK(has(sentence<uninitialized_error>([&] { session.run(copy(y), feed(words2, good)); }),
              "'copy/embedding"));
    session.initialize();
    const std::uint64_t before = session.plans_made();
    // What a kernel finds.
    for (int i = 0; i < 2; ++i) {
      const std::string own = sentence<numeric_error>([&] { session.run(y, feed(words, bad)); });
      CHECK_FALSE(has(own, "copy/"));
      const std::string theirs =
          sentence<numeric_error>([&] { session.run(copy(y), feed(words2, bad)); });
      CHECK(has(theirs, "'copy/embedding"));
    }
    // What a careful session finds: logarithms of negative numbers.
    if (checked) {
      CHECK(has(sentence<numeric_error>([&] { session.run(copy(y), feed(words2, good)); }),
                "'copy/log'"));
    }
    CHECK(session.plans_made() == before);
    const std::string text = session.explain_plan(copy(y), feed(words2, good));
    CHECK(has(text, "'copy/embedding"));
    CHECK(has(text, "variable 'copy/") == has(text, "variable '"));
    for (const variable_id v : g.variables()) g.store().reset(v);
  }
}

TEST_CASE("kernels of the user's that keep the path of their op keep the right one") {
  Graph g;
  const auto x = placeholder<float, shape<2>>(g, "x");
  const auto y = may_fail(x * 2.0f);
  const auto x2 = placeholder<float, shape<2>>(g, "x2");
  const Clone copy = clone(extract(inputs(x), outputs(y)), bind(x, x2), into("copy"));
  Session session(g);
  kernel_fails = true;
  const std::string own = sentence<numeric_error>([&] { session.run(y, feed(x, {1.0f, 2.0f})); });
  const std::string theirs =
      sentence<numeric_error>([&] { session.run(copy(y), feed(x2, {1.0f, 2.0f})); });
  CHECK_FALSE(has(own, "copy/"));
  CHECK(has(theirs, "copy/"));
  kernel_fails = false;
  CHECK(session.run(copy(y), feed(x2, {1.0f, 2.0f})).same_bits(vector_of({2, 4})));
  CHECK(session.plans_made() == 1);
}

TEST_CASE("constants that results are computed from while planning tell plans apart") {
  Graph g;
  const any_tensor x = placeholder<float, shape<3>>(g, "x");
  std::vector<any_tensor> all;
  for (const float v : {1.0f, 2.0f}) {
    const any_tensor small = constant(g, vector_of({v, v, v}));
    const any_tensor large = constant(g, Array::full<float>({1000}, v));
    all.push_back(x + small);                                      // by its place alone
    all.push_back(x + exp(small));                                 // computed while planning
    all.push_back(x + sum(large));                                 // the same of a large one
    all.push_back(x * any_tensor(constant(g, Array::scalar(v))));  // may choose a kernel
  }
  Session session(g);
  for (const any_tensor& t : all) {
    const auto fed = feed(x, vector_of({1, 2, 3}));
    CHECK(session.run(t, fed).same_bits(alone(g, t, fed)));
  }
  CHECK(session.plans_made() == 7);
}

TEST_CASE("loops of clones share plans") {
  Graph g;
  const auto x = placeholder<float, shape<3, 5, 8>>(g, "x");
  const any_tensor y = lstm<6>(x);
  const Region region = extract(inputs(x), outputs(y));
  Session session(g, {.threads = 1});
  std::vector<any_tensor> out{y};
  for (int i = 0; i < 2; ++i) out.push_back(clone(region, bind(x, x))(y));
  session.initialize();
  const std::uint64_t before = session.plans_made();
  const auto fed = feed(x, numbers({3, 5, 8}));
  for (const any_tensor& t : out) CHECK(session.run(t, fed).same_bits(alone(g, t, fed)));
  CHECK(session.plans_made() == before + 1);
}

TEST_CASE("plans outlive the clone they were made for") {
  Graph g;
  const auto x = placeholder<float, shape<4>>(g, "x");
  const auto p = placeholder<bool, shape<>>(g, "p");
  const auto y = tanh(cond(p, [&] { return x * 2.0f; }, [&] { return x - 1.0f; }));
  const Region region = extract(inputs(x, p), outputs(y));
  Session session(g);
  const auto fed = feed(x, numbers({4}));
  const auto yes = feed(p, Array::scalar(true));
  Array first;
  {
    Graph::transaction undone(g);
    const Clone gone = clone(region, bind(x, x, p, p));
    first = session.run(gone(y), fed, yes);
  }
  CHECK(session.run(y, fed, yes).same_bits(first));
  const Clone copy = clone(region, bind(x, x, p, p));
  CHECK(session.run(copy(y), fed, yes).same_bits(first));
  CHECK(session.plans_made() == 1);
}

TEST_CASE("a plan that is in use is kept for clones to come") {
  Graph g;
  const auto x = placeholder<float, shape<dyn>>(g, "x");
  const auto y = x * 2.0f;
  Session session(g, {.threads = 1});
  const auto one = feed(x, vector_of({1}));
  session.run(y, one);
  for (std::int64_t n = 2; n < 300; ++n) {
    session.run(y, feed(x, Array(dtype::float32, {n})));
    session.run(y, one);
  }
  const std::uint64_t before = session.plans_made();
  const Clone copy = clone(extract(inputs(x), outputs(y)), bind(x, x));
  CHECK(session.run(copy(y), one).same_bits(vector_of({2})));
  CHECK(session.plans_made() == before);
}

TEST_CASE("clones that come after a chain was registered are planned with it") {
  Graph g;
  const auto x = placeholder<float, shape<64>>(g, "x");
  const auto y = tanh(x * 0.1875f) - x;
  const Region region = extract(inputs(x), outputs(y));
  const Clone before = clone(region, bind(x, x)), after = clone(region, bind(x, x));
  Session session(g);
  const auto fed = feed(x, numbers({64}));
  const Array plain = session.run(y, fed);
  CHECK(session.run(before(y), fed).same_bits(plain));
  auto prepared = session.prepare(before(y), x);
  std::ranges::copy(fed.value.span<float>(), prepared.input<float>().begin());
  CHECK(session.plans_made() == 1);
  // One that does not compute what it is registered for shows where it is.
  register_fused_kernel(form_for(form_of("f0 #0.1875 mul tanh f0 sub"), dtype::float32),
                        dtype::float32, [](const fused_block& b) {
                          for (std::int64_t row = 0; row < b.rows; ++row)
                            std::fill_n(static_cast<float*>(b.out[0]) + row * b.stride, b.columns,
                                        42.0f);
                        });
  const Array marked = Array::full<float>({64}, 42);
  CHECK(session.run(after(y), fed).same_bits(marked));
  CHECK(session.plans_made() == 2);
  // What was planned before stays with its plan until one of its ops is edited.
  CHECK(session.run(before(y), fed).same_bits(plain));
  prepared.run();
  CHECK(prepared.output<float>()[0] == plain.span<float>()[0]);
  g.rename(g.id(before(y).ref()).op, "edited");
  CHECK(session.run(before(y), fed).same_bits(marked));
  prepared.run();
  CHECK(prepared.output<float>()[0] == 42);
  CHECK(session.run(y, fed).same_bits(plain));
  CHECK(session.plans_made() == 2);
}
