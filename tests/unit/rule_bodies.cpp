// Rules of a clone that are asked about the ops in bodies.
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <set>

#include "graft/graft.hpp"
#include "graft/graph/tables.hpp"

#include "catch.hpp"
#include "deep_network.hpp"
#include "failing_allocations.hpp"
#include "nested_bodies.hpp"

using namespace graft;
using graft_test::deep;
using graft_test::deep_network;
using graft_test::some;

namespace {

using answer = std::optional<std::vector<any_tensor>>;
using vector3 = tensor<Graph, dtype::float32, shape<3>>;

Array numbers(std::initializer_list<float> values) {
  return Array::from<float>({static_cast<std::int64_t>(values.size())}, values);
}

std::string sentence_of(const Region& region, const op_transform& rule) {
  try {
    (void)clone(region, rule);
  } catch (const error& e) {
    return e.what();
  }
  return {};
}

std::size_t count_within(const Graph& g, std::string_view name) {
  std::size_t n = 0;
  for (std::size_t i = 0; i < g.op_count(); ++i) n += g.schema_of(g.op_at(i)).name == name;
  for (std::size_t b = 0; b < g.body_count(); ++b) {
    n += count_within(g.body(static_cast<std::int64_t>(b)), name);
  }
  return n;
}

// tanh(h + x) step by step.
struct loop {
  Graph g;
  tensor<Graph, dtype::float32, shape<2, 3>> xs = placeholder<float, shape<2, 3>>(g, "xs");
  vector3 h = placeholder<float, shape<3>>(g, "h");
  any_tensor last = std::get<0>(
      scan(h, xs, [](auto s, auto x) { return std::tuple{tanh(s + x), std::tuple{}}; }));
  Region region = extract(inputs(xs, h), outputs(last));

  Array run(const any_tensor& y) {
    Session session(g);
    session.initialize();
    return session.run(y, feed(xs, Array::from<float>({2, 3}, {1, 2, 3, 4, 5, 6})),
                       feed(h, numbers({0.5f, 0, 0})));
  }
};

// What rules make of tanh.
op_transform instead_of_tanh(std::function<any_tensor(const copied_op&)> make,
                             bodies nested = bodies::enter) {
  return each_op(
      [make](const copied_op& op) -> answer {
        if (op.schema->name != "tanh") return std::nullopt;
        return std::vector{make(op)};
      },
      nested);
}

}  // namespace

TEST_CASE("rules are asked about the ops of a body, before the op that has it", "[rule][edge-60]") {
  loop n;
  std::vector<std::string> asked;
  const Clone copy = clone(n.region, each_op([&](const copied_op& op) -> answer {
                             asked.emplace_back(op.schema->name);
                             CHECK(&op.origin->schema_of(op.source) == op.schema);
                             CHECK(&op.graph->schema_of(op.copy) == op.schema);
                             return std::nullopt;
                           }));
  CHECK(asked == std::vector<std::string>{"add", "tanh", "scan"});
  // A body that no rule changes stays the one that there was.
  CHECK(n.g.body_count() == 1);
  copy.check();
  asked.clear();
  const auto listed = [&](const copied_op& op) -> answer {
    asked.emplace_back(op.schema->name);
    return std::nullopt;
  };
  (void)clone(n.region, each_op(listed, bodies::skip));
  CHECK(asked == std::vector<std::string>{"scan"});
}

TEST_CASE("what rules make of ops in a body runs there", "[rule][edge-60]") {
  loop n;
  const auto relu_instead =
      instead_of_tanh([](const copied_op& op) { return relu(op.operands[0]); });
  const std::uint64_t before = n.g.body(0).digest();
  const Clone copy = clone(n.region, bind(n.xs, n.xs), bind(n.h, n.h), relu_instead);
  n.g.validate();
  copy.check();
  CHECK(n.run(copy(n.last)).same_bits(numbers({5.5f, 7, 9})));
  CHECK(n.g.body(0).digest() == before);
  CHECK_FALSE(n.run(n.last).same_bits(n.run(copy(n.last))));

  const Clone alike =
      clone(n.region, bind(n.xs, n.xs), bind(n.h, n.h),
            instead_of_tanh([](const copied_op& op) { return op.operands[0]; }, bodies::skip));
  CHECK(n.run(alike(n.last)).same_bits(n.run(n.last)));
}

TEST_CASE("a rule changes attributes, removes copies and adds behind them in a body",
          "[rule][edge-60]") {
  Graph g;
  const auto x = placeholder<float, shape<3>>(g, "x");
  const auto p = placeholder<bool, shape<>>(g, "p");
  const auto y = cond(p, [&] { return leaky_relu(x, 0.5) * 2.0f; }, [&] { return neg(x); });
  const Clone copy = clone(extract(inputs(x, p), outputs(y)), bind(x, x), bind(p, p),
                           each_op([](const copied_op& op) -> answer {
                             if (op.schema->name == "leaky_relu") {
                               attribute_list changed = op.graph->attributes_of(op.copy);
                               op.graph->set_attributes(op.copy, changed.set("alpha", 0.25));
                             }
                             if (op.schema->name == "neg")
                               return std::vector<any_tensor>{op.outputs[0] + 1.0f};
                             return std::nullopt;
                           }));
  g.validate();
  copy.check();
  Session session(g);
  const auto run = [&](bool which) {
    return session.run(copy(y), feed(x, numbers({-4, 1, 2})), feed(p, which));
  };
  CHECK(run(true).same_bits(numbers({-2, 2, 4})));
  CHECK(run(false).same_bits(numbers({5, 0, -1})));
}

TEST_CASE("what a rule takes from around a body becomes an operand of its op", "[rule][edge-60]") {
  loop n;
  SECTION("a tensor of the graph") {
    const auto scale = placeholder<float, shape<3>>(n.g, "scale");
    const Clone copy = clone(
        n.region, bind(n.xs, n.xs), bind(n.h, n.h),
        instead_of_tanh([&](const copied_op& op) { return any_tensor(op.operands[0] * scale); }));
    n.g.validate();
    copy.check();
    const Array found =
        Session(n.g).run(copy(n.last), feed(n.xs, Array::from<float>({2, 3}, {1, 2, 3, 4, 5, 6})),
                         feed(n.h, numbers({0, 0, 0})), feed(scale, numbers({1, 0, 2})));
    CHECK(found.same_bits(numbers({5, 0, 24})));
    const Clone again = clone(extract(inputs(n.xs, n.h, scale), outputs(copy(n.last))));
    again.check();
  }
  SECTION("a variable that it makes, which belongs to the clone") {
    const Clone copy = clone(n.region, into("copy"), instead_of_tanh([](const copied_op& op) {
                               const auto b =
                                   make_variable<float, shape<3>>(*op.graph, "bias", ones());
                               return any_tensor(tanh(op.operands[0] + b));
                             }));
    n.g.validate();
    copy.check();
    REQUIRE(copy.variables().size() == 1);
    CHECK(n.g.path_of(copy.variables()[0]) == "copy/bias");
    CHECK(trainable_variables(copy(n.last)) == copy.variables());
    CHECK(gradients(sum(copy(n.last)),
                    {copy.graph().handle(n.g.variable_of(copy.variables()[0]).read)})
              .size() == 1);
  }
  SECTION("not what depends on the op") {
    const std::uint64_t digest = n.g.digest();
    CHECK(sentence_of(n.region, each_op([&](const copied_op& op) -> answer {
                        if (op.schema->name != "tanh") return std::nullopt;
                        Graph& around = n.g;
                        const op_id last{around.op_id_bound() - 1};  // the copy of the scan
                        return std::vector<any_tensor>{op.outputs[0] + around.handle({last, 0})};
                      }))
              .find("depends on what the body computes") != std::string::npos);
    n.g.validate();
    CHECK(n.g.digest() == digest);
  }
}

TEST_CASE("captures of both bodies of a loop and a cond find their places", "[rule][edge-60]") {
  Graph g;
  const deep_network n = deep(g);
  const auto shift = placeholder<double, shape<>>(g, "shift");
  // Everything that is compared with < is compared with what is larger by a tensor from outside.
  const auto shifted = each_op([&](const copied_op& op) -> answer {
    if (op.schema->name == "tanh") return std::vector<any_tensor>{op.outputs[0] + shift};
    if (op.schema->name != "less" ||
        op.graph->type_of(op.graph->id(op.operands[0])).type != dtype::float64) {
      return std::nullopt;
    }
    return std::vector<any_tensor>{less(op.operands[0] - shift, op.operands[1])};
  });
  const Clone copy = clone(extract(inputs(n.xs, n.k), outputs(n.loss)), bind(n.xs, n.xs),
                           bind(n.k, n.k), variables::shared, shifted);
  g.validate();
  copy.check();
  Session session(g);
  session.initialize();
  const Array xs = some({4, 3}, 1), k = some({3}, 2);
  const auto run = [&](const any_tensor& y, double by) {
    return session.run(y, feed(n.xs, xs), feed(n.k, k), feed(shift, by));
  };
  CHECK(run(copy(n.loss), 0).same_bits(session.run(n.loss, feed(n.xs, xs), feed(n.k, k))));
  CHECK_FALSE(run(copy(n.loss), 0.5).same_bits(run(copy(n.loss), 0)));
  // In graphs of its own, too, and differentiated.
  Graph other;
  const Clone away = clone(extract(inputs(n.xs, n.k, shift), outputs(copy(n.loss))), into(other),
                           variables::copied);
  other.validate();
  const auto slope = gradients(copy(n.loss), {any_tensor(shift)})[0];
  CHECK(run(slope, 0.25).size() == 1);
}

TEST_CASE("a body that many ops have is ruled once, and stays shared", "[rule][edge-60]") {
  Graph g;
  const auto p = placeholder<bool, shape<>>(g, "p");
  const auto x = placeholder<float, shape<2>>(g, "x");
  const auto leaf = [](Graph& body, tensor_id value) {
    return tensor_id{body.add(ops::neg, {&value, 1}), 0};
  };
  const op_id top = graft_test::nested_choices(g, g.id(p), g.id(x), 40, leaf);
  const any_tensor y = g.handle({top, 0});
  std::size_t asked = 0;
  const Clone copy = clone(extract(inputs(p, x), outputs(y)), bind(p, p), bind(x, x),
                           each_op([&](const copied_op& op) -> answer {
                             ++asked;
                             if (op.schema->name != "neg") return std::nullopt;
                             return std::vector<any_tensor>{op.outputs[0] * 2.0f};
                           }));
  CHECK(asked == 41);  // the conds, and the one neg
  g.validate();
  const attribute_view a = g.attributes_of(*copy.find(top));
  CHECK(a.integer("then") == a.integer("else"));
  Session session(g);
  CHECK(session.run(copy(y), feed(p, true), feed(x, numbers({1, 2}))).same_bits(numbers({-2, -4})));
}

TEST_CASE("a shared body that takes more from around is one for each graph around it",
          "[rule][edge-60]") {
  Graph g;
  const auto p = placeholder<bool, shape<>>(g, "p");
  const auto x = placeholder<float, shape<2>>(g, "x");
  const auto scale = placeholder<float, shape<2>>(g, "scale");
  const auto leaf = [](Graph& body, tensor_id value) {
    return tensor_id{body.add(ops::neg, {&value, 1}), 0};
  };
  const op_id top = graft_test::nested_choices(g, g.id(p), g.id(x), 12, leaf);
  const any_tensor y = g.handle({top, 0});
  const Clone copy = clone(extract(inputs(p, x), outputs(y)), bind(p, p), bind(x, x),
                           each_op([&](const copied_op& op) -> answer {
                             if (op.schema->name != "neg") return std::nullopt;
                             return std::vector<any_tensor>{op.outputs[0] * scale};
                           }));
  g.validate();
  copy.check();
  CHECK(Session(g)
            .run(copy(y), feed(p, false), feed(x, numbers({1, 2})), feed(scale, numbers({3, 5})))
            .same_bits(numbers({-3, -10})));
}

TEST_CASE("a rule that fails in a body leaves the graph as it was, and names the place",
          "[rule][edge-85]") {
  Graph g;
  const deep_network n = deep(g);
  const Region region = extract(inputs(n.xs, n.k), outputs(n.loss));
  const std::uint64_t digest = g.digest();
  const auto at_tanh = [](auto f) {
    return each_op([f](const copied_op& op) -> answer {
      if (op.schema->name == "tanh") f(op);
      return std::nullopt;
    });
  };
  CHECK_THROWS_AS(clone(region, at_tanh([](const copied_op&) { throw std::runtime_error("no"); })),
                  std::runtime_error);
  CHECK(sentence_of(region, each_op([](const copied_op& op) -> answer {
                      if (op.schema->name != "tanh") return std::nullopt;
                      return std::vector<any_tensor>{};
                    }))
            .find("'tanh' in body 'then' of 'cond' in body 'body' of 'while_loop' in body 'body' "
                  "of 'net/scan'") != std::string::npos);
  CHECK(sentence_of(region, at_tanh([](const copied_op& op) { op.graph->leave_scope(); }))
            .find("left a scope") != std::string::npos);
  CHECK(sentence_of(region, at_tanh([](const copied_op& op) { op.graph->open_body(); }))
            .find("left a body open") != std::string::npos);
  CHECK(sentence_of(region, instead_of_tanh([](const copied_op& op) {
                      return any_tensor(constant(*op.graph, Array(dtype::float64, {2})));
                    }))
            .find("needs") != std::string::npos);  // what takes it cannot
  CHECK(g.digest() == digest);
  CHECK(g.current_body() == nullptr);
  g.validate();
  for (long k = 0;; ++k) {
    INFO("allocation " << k);
    if (failing::allocation(k, [&] {
          (void)clone(region, instead_of_tanh([&](const copied_op& op) {
                        return any_tensor(op.outputs[0] * n.k);
                      }));
        })) {
      CHECK(k > 100);
      break;
    }
    REQUIRE(g.digest() == digest);
    REQUIRE(g.current_body() == nullptr);
  }
  g.validate();
}

TEST_CASE("rules for a layer that runs step by step", "[rule][edge-60]") {
  Graph g;
  const auto x = placeholder<float, shape<2, 5, 3>>(g, "x");
  const auto y = lstm<4>(x);
  // Hard gates instead of soft ones.
  const Clone copy = clone(
      extract(inputs(x), outputs(y)), bind(x, x), variables::shared,
      each_op([](const copied_op& op) -> answer {
        if (op.schema->name != "sigmoid") return std::nullopt;
        return std::vector<any_tensor>{minimum(maximum(op.operands[0] * 0.2f + 0.5f, 0.0f), 1.0f)};
      }));
  g.validate();
  copy.check();
  CHECK(count_within(g, "sigmoid") > 0);
  const Graph& body = g.body(g.attributes_of(*copy.find(*g.find_op("lstm/scan"))).integer("body"));
  CHECK(std::none_of(body.data().ops.begin(), body.data().ops.end(), [&](const auto& r) {
    return r.schema->name == "sigmoid" && r.first_use != Graph::tables::none;
  }));
  Session session(g);
  session.initialize();
  Array in(dtype::float32, {2, 5, 3});
  float v = 0;
  for (float& e : in.mutable_span<float>()) e = (v += 0.1f);
  CHECK_FALSE(session.run(copy(y), feed(x, in)).same_bits(session.run(y, feed(x, in))));
}

TEST_CASE("what comes before the results of a body still does where a rule added behind them",
          "[rule][edge-60]") {
  Graph g;
  const auto p = placeholder<bool, shape<>>(g, "p");
  const auto x = placeholder<float, shape<2>>(g, "x");
  Graph& body = g.open_body();
  const tensor_id in = body.add_argument(value_type::of(dtype::float32, {2}));
  const tensor_id value{body.add(ops::tanh, {&in, 1}), 0};
  const op_id first = body.add(ops::neg, {&in, 1});
  const op_id results = body.add(ops::results, {&value, 1}, attribute_list().set("tag", 7));
  body.add_control_edge(first, results);
  const std::int64_t both = g.close_body().index;
  const std::array operands{g.id(p), g.id(x), g.id(x)};
  const op_id choice = g.add(ops::cond, operands,
                             attribute_list()
                                 .set("then", both, attribute_kind::body)
                                 .set("else", both, attribute_kind::body)
                                 .set("then_captures", std::int64_t{1})
                                 .set("outputs", std::int64_t{1}));
  const any_tensor y = g.handle({choice, 0});
  const Clone copy =
      clone(extract(inputs(p, x), outputs(y)), bind(p, p), bind(x, x),
            instead_of_tanh([](const copied_op& op) { return any_tensor(op.outputs[0] * 2.0f); }));
  g.validate();
  copy.check();
  const Graph& ruled = g.body(g.attributes_of(g.id(copy(y)).op).integer("then"));
  const op_id last = ruled.op_at(ruled.op_count() - 1);
  CHECK(ruled.schema_of(last).name == "results");
  CHECK(ruled.attributes_of(last).integer("tag") == 7);
  const std::vector<op_id> before = ruled.control_predecessors(last);
  REQUIRE(before.size() == 1);
  CHECK(ruled.schema_of(before[0]).name == "neg");
}

TEST_CASE("ids of ops in a body are the body's", "[rule][edge-60]") {
  loop n;
  // The scan, and the op of the body that has the same number.
  const op_id wanted = n.last.ref().id.op;
  std::vector<std::string> alike, own;
  (void)clone(n.region, each_op([&](const copied_op& op) -> answer {
                if (op.source == wanted) alike.emplace_back(op.schema->name);
                if (op.source == wanted && op.origin == &n.g) own.emplace_back(op.schema->name);
                CHECK(op.origin->contains(op.source));
                return std::nullopt;
              }));
  CHECK(alike.size() > own.size());
  CHECK(own == std::vector<std::string>{"scan"});
}

TEST_CASE("rules see the element types of a clone, in bodies too",
          "[rule][element type][edge-60]") {
  loop n;
  std::size_t asked = 0;
  const Clone copy =
      clone(n.region, element_type(dtype::float64), each_op([&](const copied_op& op) -> answer {
              ++asked;
              const tensor_id made = op.graph->id(op.outputs[0]);
              CHECK(op.graph->type_of(made).type == dtype::float64);
              if (op.schema->name != "tanh") return std::nullopt;
              return std::vector<any_tensor>{op.outputs[0] * 0.5};
            }));
  CHECK(asked == 3);
  n.g.validate();
  copy.check();
  Session session(n.g);
  const Array found = session.run(
      copy(any_tensor(n.last)), feed(copy(any_tensor(n.xs)), Array(dtype::float64, {2, 3})),
      feed(copy(any_tensor(n.h)), Array::from<double>({3}, {1, 0, -1})));
  CHECK(found.span<double>()[0] == Approx(0.5 * std::tanh(0.5 * std::tanh(1.0))));
}
