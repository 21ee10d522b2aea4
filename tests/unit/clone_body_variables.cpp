// Clones that go into an open body with variables of their own, which are the outermost graph's.
#include <stdexcept>

#include "graft/graft.hpp"

#include "catch.hpp"
#include "failing_allocations.hpp"

namespace {

using namespace graft;
using row = tensor<Graph, dtype::float32, shape<2, 4>>;

Array filled(float value) { return Array::full<float>({2, 4}, value); }

// Two layers of which clones go into bodies, on `other` in the place of x.
struct two_layers {
  Graph g;
  row x = placeholder<float, shape<2, 4>>(g, "x");
  row other = placeholder<float, shape<2, 4>>(g, "other");
  tensor<Graph, dtype::boolean, shape<>> p = placeholder<bool, shape<>>(g, "p");
  row y = dense<4, "second">(tanh(dense<4, "first">(x)));
  Region region = extract(inputs(x), outputs(y));
  std::optional<Clone> copy;

  two_layers() { Session(g, {.seed = 1}).initialize(); }

  // cond(p, clone of the network, other) with the clone in the body, or in a body of it.
  template <class... Choices>
  any_tensor in_body(bool nested, const Choices&... choices) {
    const auto build = [&] {
      copy = clone(region, bind(x, other), into(*innermost(), "copy"), choices...);
      return any_tensor((*copy)(y));
    };
    const auto otherwise = [&] { return any_tensor(other); };
    return cond(
        p, [&] { return nested ? any_tensor(cond(p, build, otherwise)) : build(); }, otherwise);
  }
  Graph* innermost() {
    Graph* at = &g;
    while (Graph* body = at->current_body()) at = body;
    return at;
  }
  [[nodiscard]] std::vector<std::string> paths(const std::vector<variable_id>& of) const {
    std::vector<std::string> result;
    for (const variable_id v : of) result.push_back(g.path_of(v));
    return result;
  }
  template <class Error, class F>
  std::string refused(F&& f) {
    const std::uint64_t before = g.digest();
    std::string text;
    try {
      f();
    } catch (const Error& e) {
      text = e.what();
    }
    CHECK(g.digest() == before);
    CHECK(g.current_body() == nullptr);
    g.validate();
    return text;
  }
};

// A variable that starts with a tensor of the graph.
template <class T>
T starting_with(Graph& g, const char* name, const T& initial) {
  const variable_id made = g.add_variable(name, g.id(initial), variable_role::parameter, true);
  return T(
      tensor<Graph, T::type, typename T::shape_type>(g.handle(g.variable_of(made).read).ref()));
}

bool says(const std::string& text, const char* part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a clone in a body has variables of its own, which belong to the graph", "[edge-60]") {
  two_layers n;
  const auto policy = GENERATE(variables::fresh, variables::copied);
  const bool nested = GENERATE(false, true);
  const bool scoped = GENERATE(false, true);
  const auto before = n.g.variables();
  if (scoped) n.g.enter_scope("net");
  const any_tensor z = n.in_body(nested, policy, trainable(false));
  if (scoped) n.g.leave_scope();
  n.g.validate();
  const Clone& copy = *n.copy;
  copy.check();

  // As a layer that is declared there.
  const std::string in = scoped ? "net/copy/" : "copy/";
  CHECK(n.paths(copy.variables()) ==
        std::vector<std::string>{in + "first/kernel", in + "first/bias", in + "second/kernel",
                                 in + "second/bias"});
  CHECK(n.g.variable_count() == before.size() + 4);
  CHECK(copy.parameters().empty());
  CHECK(&copy.initializer().graph() == &n.g);
  CHECK(copy.initializer().variables.size() == (policy == variables::fresh ? 4 : 0));

  // The map is total and leads both ways.
  for (const variable_id v : n.region.variables()) {
    const variable_id image = copy(v);
    CHECK(copy.find_original(image) == v);
    CHECK(copy.images(v) == std::vector{image});
    CHECK(lineage(n.g, image) == std::vector{v});
    CHECK(lineage(image, {copy}) == std::vector{v});
    CHECK(&copy.initializer_of(v).graph() == &n.g);
    const variable_info mine = n.g.variable_of(v), theirs = n.g.variable_of(image);
    CHECK(theirs.stream_key != mine.stream_key);
    // The body has an input for the read; the initial value is around it.
    const any_tensor read = copy(n.g.handle(mine.read)), initial = copy(n.g.handle(mine.initial));
    CHECK(read.ref().slot == copy.graph().slot());
    CHECK(initial.ref() == n.g.handle(theirs.initial).ref());
    CHECK(copy.find_original(read)->ref().id == mine.read);
    CHECK(copy.find_original(initial)->ref().id == mine.initial);
    CHECK(says(to_string(copy), ("'" + n.g.path_of(image) + "'").c_str()));
  }
  CHECK(copy.leak_audit().empty());

  Session session(n.g, {.seed = 1});
  if (policy == variables::fresh) session.run(copy.initializer());
  const auto source = [&] { return session.run(n.y, feed(n.x, filled(0.5f))); };
  const auto cloned = [&] { return session.run(z, feed(n.p, true), feed(n.other, filled(0.5f))); };
  const Array wanted = source();
  CHECK(cloned().same_bits(wanted) == (policy == variables::copied));
  CHECK(copy.bytes_owned() + copy.bytes_shared() == 2 * (16 + 4) * 4);
  copy_values(copy);
  CHECK(cloned().same_bits(wanted));
  n.g.store().set(copy(before[0]), Array::full<float>({4, 4}, 0.0f));
  swap_values(copy);
  CHECK(cloned().same_bits(wanted));
  CHECK(!source().same_bits(wanted));
  swap_values(copy);
  session.run(soft_update(copy, {.tau = 1}));
  CHECK(cloned().same_bits(wanted));
  reinitialize(copy);
  CHECK(uninitialized(n.g) == copy.variables());
}

TEST_CASE("the same program draws the same values for a clone in a body as for the layer",
          "[edge-60]") {
  Graph a, b;
  const auto build = [](Graph& g, bool clones) {
    auto x = placeholder<float, shape<2, 4>>(g, "x");
    auto p = placeholder<bool, shape<>>(g, "p");
    const auto other = dense<4, "copy">(x);
    const Region region = extract(inputs(x), outputs(other));
    return cond(
        p,
        [&] {
          if (!clones) return any_tensor(dense<4, "twin">(x));
          return any_tensor(clone(region, bind(x, x), into(*g.current_body(), "twin"))(other));
        },
        [&] { return any_tensor(other); });
  };
  const auto value = [](Graph& g, const any_tensor& y) {
    Session session(g, {.seed = 5});
    session.initialize();
    return session.run(y, feed(g.handle({*g.find_op("p"), 0}), true),
                       feed(g.handle({*g.find_op("x"), 0}), filled(0.5f)));
  };
  const any_tensor y = build(a, false), z = build(b, true);
  CHECK(a.find_variable("twin/kernel").has_value());
  CHECK(b.find_variable("twin/kernel").has_value());
  CHECK(value(a, y).same_bits(value(b, z)));
}

TEST_CASE("loops whose bodies have such clones run and are trained", "[edge-60]") {
  // Three steps of h = clone(h), in a loop and written out.
  const auto kind = GENERATE(0, 1);
  INFO("kind " << kind);
  two_layers n;
  const auto trained = [&](const any_tensor& last, const std::vector<variable_id>& own) {
    std::vector<any_tensor> reads;
    for (const variable_id v : own) reads.push_back(n.g.handle(n.g.variable_of(v).read));
    const any_tensor loss = mean(square(last - 0.25f));
    minimize_options options;
    options.parameters = own;
    const training_step step = minimize(loss, sgd{0.5}, options);
    Session session(n.g, {.seed = 1});
    session.initialize();
    std::vector<float> losses;
    for (int i = 0; i < 5; ++i) {
      losses.push_back(session.run(loss, feed(n.other, filled(0.5f))).at<float>({}));
      session.run(step.updates, feed(n.other, filled(0.5f)));
    }
    return losses;
  };
  std::optional<Clone> inside;
  const auto apply = [&](const auto& h) {
    inside = clone(n.region, bind(n.x, h), into(*n.innermost(), "copy"), variables::copied);
    return as<float, shape<2, 4>>(any_tensor((*inside)(n.y)));
  };
  any_tensor last;
  if (kind == 0) {
    const auto steps = as<float, shape<3>>(constant(n.g, Array::full<float>({3}, 0.0f)));
    last = std::get<0>(scan(n.other, steps, [&](auto h, auto) {
      const auto next = apply(h);
      return std::tuple{next, std::tuple{}};
    }));
  } else {
    last = std::get<1>(while_loop(
        std::tuple{constant(n.g, std::int32_t{0}), n.other},
        [](auto i, auto) { return i < std::int32_t{3}; },
        [&](auto i, auto h) { return std::tuple{i + std::int32_t{1}, apply(h)}; }));
  }
  inside->check();
  const Clone unrolled = clone(n.region, bind(n.x, n.other), variables::copied);
  any_tensor h = unrolled(n.y);
  for (int i = 0; i < 2; ++i) {
    const Region again = extract(inputs(n.other), outputs(any_tensor(unrolled(n.y))));
    h = clone(again, bind(n.other, h), variables::shared)(any_tensor(unrolled(n.y)));
  }
  n.g.validate();
  const auto losses = trained(last, inside->parameters());
  const auto expected = trained(h, unrolled.parameters());
  CHECK(losses.back() < losses.front());
  for (std::size_t i = 0; i < losses.size(); ++i) {
    CHECK(losses[i] == Approx(expected[i]).epsilon(1e-5));
  }
}

TEST_CASE("a network of another graph gets variables around the body", "[edge-60]") {
  two_layers source;
  const auto policy = GENERATE(variables::copied, variables::shared);
  Graph g;
  const auto p = placeholder<bool, shape<>>(g, "p");
  const auto x = placeholder<float, shape<2, 4>>(g, "x");
  std::optional<Clone> first, second;
  const auto copy = [&](std::optional<Clone>& made) {
    made = clone(source.region, bind(source.x, x), into(*g.current_body(), "copy"), policy);
    return any_tensor((*made)(source.y));
  };
  const auto y = cond(p, [&] { return copy(first); }, [&] { return copy(second); });
  g.validate();
  first->check();
  second->check();
  const bool shared = policy == variables::shared;
  // What the graph shares already, it shares once.
  CHECK(g.variable_count() == (shared ? 4 : 8));
  CHECK(first->leak_audit().size() == (shared ? 4 : 0));
  for (const source_access& access : first->leak_audit()) CHECK(first->graph().contains(access.op));
  Session session(g), theirs(source.g);
  const auto run = [&](bool branch) {
    return session.run(y, feed(p, branch), feed(x, filled(0.5f)));
  };
  const Array wanted = theirs.run(source.y, feed(source.x, filled(0.5f)));
  CHECK(run(true).same_bits(wanted));
  CHECK(run(false).same_bits(wanted));
  source.g.store().set(source.region.variables()[0], Array::full<float>({4, 4}, 0.1f));
  CHECK(run(true).same_bits(theirs.run(source.y, feed(source.x, filled(0.5f)))) == shared);
}

TEST_CASE("policies are mixed, types are others, and initial values go along", "[edge-60]") {
  Graph g;
  const auto p = placeholder<bool, shape<>>(g, "p");
  const auto x = placeholder<float, shape<2>>(g, "x");
  const auto wide = placeholder<double, shape<2>>(g, "wide");
  const auto base = make_variable<float, shape<2>>(g, "base", ones());
  const auto scaled = starting_with(g, "scaled", base * 3.0f);
  const auto bias = make_variable<float, shape<2>>(g, "bias", ones());
  const auto y = x * scaled + bias;
  Session(g).initialize();
  const Region region = extract(inputs(x), outputs(y));
  std::optional<Clone> copy;
  const auto z = cond(
      p,
      [&] {
        copy = clone(region, bind(any_tensor(x), any_tensor(wide)), into(*g.current_body(), "copy"),
                     element_type(dtype::float64), variables::by([&](const variable_info& v) {
                       const std::string path = g.path_of(v.id);
                       return path == "scaled" ? variables::fresh
                              : path == "base" ? variables::shared
                                               : variables::frozen;
                     }));
        return any_tensor((*copy)(any_tensor(y)));
      },
      [&] { return any_tensor(wide); });
  g.validate();
  copy->check();
  REQUIRE(copy->variables().size() == 1);
  CHECK(g.variable_of(copy->variables()[0]).type.type == dtype::float64);
  g.store().set(*g.find_variable("base"), Array::full<float>({2}, 2.0f));
  Session session(g);
  session.run(copy->initializer());  // from the base of the graph, which is shared
  CHECK(session.run(z, feed(p, true), feed(wide, Array::full<double>({2}, 2.0))).at<double>({0}) ==
        13.0);
}

TEST_CASE("rules see what is made around a body, and ties are split there", "[rule][edge-60]") {
  Graph g;
  const auto p = placeholder<bool, shape<>>(g, "p");
  const auto x = placeholder<float, shape<2>>(g, "x");
  const auto w = make_variable<float, shape<2>>(g, "w", ones());
  const auto y = (x * w) + w;
  const Region region = extract(inputs(x), outputs(y));
  std::vector<std::string> asked;
  std::optional<Clone> copy;
  const bool split = GENERATE(false, true);
  const auto z = cond(
      p,
      [&] {
        const auto doubled = [&](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
          asked.push_back(op.origin->path_of(op.source));
          if (op.schema->name != "variable") return std::nullopt;
          const auto gain = make_variable<float, shape<2>>(*op.graph, "gain", ones());
          return std::vector<any_tensor>{op.outputs[0] * 2.0f * any_tensor(gain)};
        };
        copy = clone(region, bind(x, x), into(*g.current_body(), "copy"), each_op(doubled),
                     split ? ties::split : ties::keep);
        return any_tensor((*copy)(y));
      },
      [&] { return any_tensor(x); });
  g.validate();
  copy->check();
  CHECK(asked == std::vector<std::string>{"w_initial", "w", "mul", "add"});
  CHECK(copy->variables().size() == (split ? 3 : 2));
  CHECK(copy->images(*g.find_variable("w")).size() == (split ? 2 : 1));
  Session session(g);
  session.initialize();
  const auto run = [&] {
    return session.run(z, feed(p, true), feed(x, Array::full<float>({2}, 5.0f))).at<float>({0});
  };
  CHECK(run() == 12.0f);
  g.store().set(copy->images(*g.find_variable("w")).back(), Array::full<float>({2}, 3.0f));
  CHECK(run() == (split ? 16.0f : 36.0f));
}

TEST_CASE("names are exact around a body, too", "[edge-60]") {
  two_layers n;
  n.g.enter_scope("copy");
  (void)constant(n.g, 1.0f);
  n.g.leave_scope();
  const std::string text = n.refused<name_error>([&] { (void)n.in_body(false, names::exact); });
  CHECK(says(text, "'copy' among them"));
  (void)n.in_body(false);
  CHECK(n.g.path_of(n.copy->variables()[0]) == "copy_1/first/kernel");
}

TEST_CASE("what a clone in a body cannot have is a sentence", "[edge-60]") {
  two_layers n;
  const auto variables = n.g.variable_count();
  // Statistics whose updates a body would have to make.
  const auto normal = batch_norm(n.x);
  const auto moving =
      make_variable<float, shape<4>>(n.g, "moving", zeros(), false, variable_role::statistic);
  n.g.own_update(*n.g.variable_read_by(n.g.id(moving)), n.g.id(assign(moving, moving * 0.9f)).op);
  const auto centred = n.x - moving;
  const auto into_body = [&](const any_tensor& of, const auto&... choices) {
    const Region region = extract(inputs(n.x), outputs(of));
    return cond(
        n.p,
        [&] {
          const Clone copy =
              clone(region, bind(n.x, n.other), into(*n.g.current_body(), "copy"), choices...);
          copy.check();
          return copy(of);
        },
        [&] { return any_tensor(n.other); });
  };
  std::string text = n.refused<graph_error>([&] { (void)into_body(normal, mode::training); });
  CHECK(says(text, "in training mode it updates"));
  text = n.refused<graph_error>([&] { (void)into_body(centred); });
  CHECK(says(text, "'moving', which has an update of its own"));
  CHECK(says(text, "it updates no variable"));
  const any_tensor quiet = into_body(normal, mode::inference);
  (void)into_body(centred, variables::shared);
  n.g.validate();
  CHECK(n.g.variable_count() == variables + 4 + 1 + 4);
  for (const variable_id v : n.g.variables()) {
    if (n.g.path_of(v).starts_with("copy/")) CHECK(n.g.variable_of(v).own_updates.empty());
  }
  Session session(n.g);
  session.initialize();
  CHECK(session.run(quiet, feed(n.p, true), feed(n.other, filled(1))).at<float>({0, 0}) ==
        Approx(1.0f).epsilon(0.01));

  // An initial value that the body computes.
  const auto started = n.x * starting_with(n.g, "started", n.x * 2.0f);
  text = n.refused<graph_error>([&] {
    (void)cond(
        n.p,
        [&] {
          return any_tensor(clone(extract(inputs(n.x), outputs(started)), bind(n.x, n.other * 1.0f),
                                  into(*n.g.current_body(), "copy"))(started));
        },
        [&] { return any_tensor(n.other); });
  });
  CHECK(says(text, "an initial value depends on 'x'"));
  // By a tensor of the graph it works.
  (void)into_body(started);
  n.g.validate();
}

TEST_CASE("what such a clone made goes with it in all graphs", "[edge-60]") {
  two_layers n;
  const std::string text = n.refused<std::runtime_error>([&] {
    (void)cond(
        n.p,
        [&] {
          Graph& body = *n.g.current_body();
          const auto digests = [&] { return std::pair(n.g.digest(), body.digest()); };
          const auto before = digests();
          const std::size_t count = n.g.variable_count();
          {
            Graph::transaction undo(body);
            (void)clone(n.region, bind(n.x, n.other), into(body, "copy"));
            CHECK(n.g.variable_count() == count + 4);
          }
          CHECK(digests() == before);
          // The last op's rule fails.
          CHECK_THROWS_AS(
              clone(n.region, bind(n.x, n.other), into(body, "copy"),
                    each_op([&](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
                      if (op.graph != &body) return std::nullopt;
                      throw std::logic_error("no");
                    })),
              std::logic_error);
          CHECK(digests() == before);
          // Several clones: all or none.
          (void)replicate(n.region, 2, bind(n.x, n.other), into(body, "copy"));
          CHECK(n.g.variable_count() == count + 8);
          CHECK(n.g.find_variable("copy_1/first/kernel").has_value());
          throw std::runtime_error("the rest");
          return any_tensor(n.other);
        },
        [&] { return any_tensor(n.other); });
  });
  CHECK(says(text, "the rest"));
}

TEST_CASE("a failing allocation of such a clone leaves all graphs as they were", "[edge-85]") {
  const auto policy = GENERATE(variables::fresh, variables::copied);
  const auto tied = GENERATE(ties::keep, ties::split);
  long through = -1;
  for (long at = 0; through < 0; ++at) {
    two_layers n;
    Graph& body = n.g.open_body();
    const auto before = std::pair(n.g.digest(), body.digest());
    if (failing::allocation(at, [&] {
          (void)clone(n.region, bind(n.x, n.other), into(body, "copy"), policy, tied);
        })) {
      through = at;
    } else {
      INFO("allocation " << at);
      REQUIRE(std::pair(n.g.digest(), body.digest()) == before);
    }
    n.g.abandon_body();
    n.g.validate();
  }
  CHECK(through > 50);
}
