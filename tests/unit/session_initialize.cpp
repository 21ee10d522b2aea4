// Initialising variables: order, sets, cycles, seeds.
#include <optional>

#include "graft/graph/tables.hpp"
#include "graft/surgery/clone.hpp"

#include "catch.hpp"
#include "session_fixture.hpp"

using namespace session_test;

namespace {

variable_id id_of(const Graph& g, const any_tensor& read) {
  return *g.variable_read_by(g.id(read));
}

any_tensor variable_from(Graph& g, const char* name, const any_tensor& initial) {
  return g.handle(
      g.variable_of(g.add_variable(name, g.id(initial), variable_role::parameter, true)).read);
}

}  // namespace

TEST_CASE("initial values that read other variables find them") {
  Graph g;
  auto base = make_variable<float, shape<2>>(g, "base", ones());
  const any_tensor twice = variable_from(g, "twice", base * 2.0f);
  const any_tensor sum = variable_from(g, "sum", twice + base);
  Session session(g);
  session.initialize();
  CHECK(session.value(twice).same_bits(vector_of({2, 2})));
  CHECK(session.value(sum).same_bits(vector_of({3, 3})));

  // A set sees its own new values, and the present values of all others.
  session.set_value(base, vector_of({5, 5}));
  const variable_id only[] = {id_of(g, sum)};
  session.run(initializer_of(g, only));
  CHECK(session.value(sum).same_bits(vector_of({7, 7})));
  const variable_id pair[] = {id_of(g, sum), id_of(g, twice)};
  session.run(initializer_of(g, pair));
  CHECK(session.value(sum).same_bits(vector_of({15, 15})));
  session.run(initializer_of(g));
  CHECK(session.value(sum).same_bits(vector_of({3, 3})));
}

TEST_CASE("what an initial value waits for has its variables first") {
  Graph g;
  const any_tensor late = variable_from(g, "late", constant(g, vector_of({1, 2})));
  const any_tensor early = variable_from(g, "early", constant(g, vector_of({3, 4})));
  const any_tensor waited_for = exp(early);
  g.add_control_edge(g.id(waited_for).op, g.variable_of(id_of(g, late)).initial.op);
  Session session(g);
  session.initialize();
  CHECK(session.value(late).same_bits(vector_of({1, 2})));
  CHECK(session.value(early).same_bits(vector_of({3, 4})));
}

TEST_CASE("an initializer goes with its graph, and is refused when that is gone") {
  std::optional<Graph> g(std::in_place);
  const auto x = placeholder<float, shape<dyn, 2>>(*g, "x");
  const any_tensor w = make_variable<float, shape<2>>(*g, "w", ones());
  const Clone copy = clone(extract(inputs(x), outputs(x + w)), into("copy"), variables::fresh);
  const initializer_set all = initializer_of(*g), own = copy.initializer();
  std::optional<Graph> moved(std::move(*g));
  {
    Session session(*moved);
    session.run(all);
    session.run(own);
    CHECK(&own.graph() == &*moved);
    CHECK(session.value(w).same_bits(vector_of({1, 1})));
    Graph other;
    Session elsewhere(other);
    CHECK(has(sentence<handle_error>([&] { elsewhere.run(all); }), "another graph"));
  }
  // Another graph at the place of the old one is another graph.
  moved.reset();
  moved.emplace();
  (void)make_variable<float, shape<2>>(*moved, "v", ones());
  Session session(*moved);
  CHECK(has(sentence<handle_error>([&] { session.run(all); }), "their graph is gone"));
  CHECK_THROWS_AS(session.run(own), handle_error);
  CHECK(uninitialized(*moved).size() == 1);
  CHECK_THROWS_AS(initializer_set().graph(), handle_error);
}

TEST_CASE("initialising what needs a variable without a value names it") {
  Graph g;
  auto base = make_variable<float, shape<2>>(g, "base", ones());
  const any_tensor twice = variable_from(g, "twice", base * 2.0f);
  Session session(g);
  const variable_id only[] = {id_of(g, twice)};
  CHECK(
      has(sentence<uninitialized_error>([&] { session.run(initializer_of(g, only)); }), "'base'"));
  CHECK(!g.store().initialized(id_of(g, twice)));
}

TEST_CASE("a clone without values says whose copy it is and what to run") {
  Graph g;
  auto x = placeholder<float, shape<2>>(g, "x");
  auto w = make_variable<float, shape<2>>(g, "w", ones());
  auto y = x * w;
  Session session(g);
  session.initialize();
  auto copy = clone(extract(inputs(x), outputs(y)), bind(x, x), into("copy"), variables::fresh);
  const std::string text =
      sentence<uninitialized_error>([&] { session.run(copy(y), feed(x, {2.0f, 3.0f})); });
  CHECK(has(text, "'copy/w'"));
  CHECK(has(text, "a copy of 'w'"));
  CHECK(has(text, "copy.initializer()"));
  session.run(copy.initializer());
  CHECK(session.run(copy(y), feed(x, {2.0f, 3.0f})).same_bits(vector_of({2, 3})));
}

TEST_CASE("whatever reads a clone's variable without a value names it and what to run",
          "[edge-81]") {
  Graph g, other;
  auto x = placeholder<float, shape<2>>(g, "x");
  auto w = make_variable<float, shape<2>>(g, "w", ones());
  auto y = x * w;
  Session session(g), far(other);
  session.initialize();
  const Region region = extract(inputs(x), outputs(y));
  const Clone first = clone(region, bind(x, x), into("first"));
  const Clone second = clone(extract(inputs(x), outputs(first(y))), bind(x, x), into("second"));
  const auto replicas = replicate(region, 2, bind(x, x), into("member"));
  const Clone there = clone(region, into(other, "there"));
  const auto fed = feed(x, {2.0f, 3.0f});

  // Of a clone of a clone: its own name, and whose copy it is.
  std::string text = sentence<uninitialized_error>([&] { session.run(second(first(y)), fed); });
  CHECK(has(text, "'second/w'"));
  CHECK(has(text, "it is a copy of 'first/w', which is a copy of 'w'"));
  CHECK(has(text, "copy.initializer()"));
  text = sentence<uninitialized_error>([&] { session.run(replicas[1](y), fed); });
  CHECK(has(text, "'member_1/w'"));
  CHECK(has(text, "a copy of 'w'"));
  // The source is in another graph, which may be gone: what is to be run is said all the same.
  text = sentence<uninitialized_error>([&] { far.run(there(y), feed(there(x), {2.0f, 3.0f})); });
  CHECK(has(text, "'there/w'"));
  CHECK(has(text, "initialize()"));
  // Updates, values and clones that need one say so too, and nothing is written.
  const auto copied_w = as<float, shape<2>>(first(w));
  const auto step = updates(g, assign(w, w * 2.0f), assign(copied_w, copied_w + 1.0f));
  text = sentence<uninitialized_error>([&] { session.run(step); });
  CHECK(has(text, "'first/w'"));
  CHECK(session.value(w).same_bits(vector_of({1, 1})));
  text = sentence<uninitialized_error>([&] { (void)session.value(copied_w); });
  CHECK(has(text, "'first/w'"));
  text = sentence<uninitialized_error>(
      [&] { (void)clone(extract(inputs(x), outputs(first(y))), variables::copied); });
  CHECK(has(text, "'first/w'"));

  // What was said helps, each for its own variables.
  session.run(second.initializer());
  CHECK(session.run(second(first(y)), fed).same_bits(vector_of({2, 3})));
  CHECK_THROWS_AS(session.run(first(y), fed), uninitialized_error);
  session.initialize();
  CHECK(session.run(first(y), fed).same_bits(vector_of({2, 3})));
  CHECK(session.run(replicas[1](y), fed).same_bits(vector_of({2, 3})));
  far.run(there.initializer());
  CHECK(far.run(there(y), feed(there(x), {2.0f, 3.0f})).same_bits(vector_of({2, 3})));
}

TEST_CASE("initial values that read each other are refused with the path") {
  Graph g;
  auto a = make_variable<float, shape<2>>(g, "a", ones());
  const any_tensor b = variable_from(g, "b", a + 1.0f);
  const any_tensor c = variable_from(g, "c", b + 1.0f);
  auto alone = make_variable<float, shape<2>>(g, "alone", ones());
  const any_tensor d = variable_from(g, "d", identity(alone));
  g.data().variables[id_of(g, d).value].initial = g.id(d);  // no edit would do so
  Session session(g);
  const std::string text = sentence<graph_error>([&] { session.initialize(); });
  CHECK(has(text, "'d' <- 'd'"));
  CHECK(uninitialized(g).size() == g.variable_count());  // none was set
  const variable_id rest[] = {id_of(g, c), id_of(g, a), id_of(g, b)};
  session.run(initializer_of(g, rest));
  CHECK(session.value(c).same_bits(vector_of({3, 3})));
}

TEST_CASE("a long cycle is shown from end to end") {
  Graph g;
  auto start = make_variable<float, shape<2>>(g, "start", ones());
  const any_tensor a = variable_from(g, "a", identity(start));
  const any_tensor b = variable_from(g, "b", a + 1.0f);
  const any_tensor c = variable_from(g, "c", b + 1.0f);
  g.data().variables[id_of(g, a).value].initial = g.id(c);  // no edit would do so
  Session session(g);
  CHECK(has(sentence<graph_error>([&] { session.initialize(); }), "'a' <- 'c' <- 'b' <- 'a'"));
}

TEST_CASE("a chain of ten thousand variables initialises") {
  Graph g;
  any_tensor last = make_variable<float, shape<1>>(g, "v", ones());
  for (int i = 0; i < 10000; ++i) last = variable_from(g, "v", last);
  Session session(g, {.threads = 1});
  session.initialize();
  CHECK(session.value(last).item<float>() == 1);
}

TEST_CASE("random initial values depend on seed and path only") {
  const auto drawn = [](std::uint64_t seed, const char* name, bool more) {
    Graph g;
    if (more) (void)make_variable<float, shape<3>>(g, "another", uniform(-1, 1));
    auto w = make_variable<float, shape<64>>(g, name, uniform(-1, 1));
    Session session(g, {.seed = seed});
    session.initialize();
    return session.value(w);
  };
  CHECK(drawn(1, "w", false).same_bits(drawn(1, "w", true)));
  CHECK(!drawn(1, "w", false).same_bits(drawn(2, "w", false)));
  CHECK(!drawn(1, "w", false).same_bits(drawn(1, "u", false)));
}
