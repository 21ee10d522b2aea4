// Ensembles: many members as one batched network.
#include "graft/graft.hpp"
#include "graft/graph/tables.hpp"

#include "clone_fixture.hpp"
#include "ensemble_fixture.hpp"

using namespace graft_test;

TEST_CASE("an ensemble equals its members", "[ensemble][edge-84]") {
  Graph g;
  SECTION("dense layers") {
    const auto x = placeholder<float, shape<dim<"batch">, 4>>(g, "x");
    const auto y = dense<3>(tanh(dense<5>(x)));
    compare_with_clones(g, x, y, 3, numbers({7, 4}, 0.8f));
  }
  SECTION("a batch norm that is applied twice") {
    const auto x = placeholder<float, shape<dim<"batch">, 4>>(g, "x");
    constexpr auto norm = batch_norm<"bn">().shared("bn");
    const auto y = norm(tanh(norm(dense<4>(x))));
    compare_with_clones(g, x, y, 3, numbers({7, 4}, 0.8f));
  }
  SECTION("one member") {
    const auto x = input4(g);
    const auto y = graft_test::two_layers(x);
    compare_with_clones(g, x, y, 1, numbers({2, 4}, 0.8f));
  }
  SECTION("an empty batch") {
    const auto x = input4(g);
    const auto y = graft_test::two_layers(x);
    compare_with_clones(g, x, y, 2, numbers({0, 4}, 0.8f));
  }
  SECTION("batch norm with its statistics") {
    const auto x = placeholder<float, shape<dyn, 4>>(g, "x");
    const auto y = dense<2>(relu(batch_norm(dense<6>(x))));
    compare_with_clones(g, x, y, 4, numbers({9, 4}, 0.8f));
  }
  SECTION("layer norm, softmax and reductions") {
    const auto x = placeholder<float, shape<dyn, 4>>(g, "x");
    const auto h = layer_norm(dense<6>(x));
    const auto y = log_softmax(h) + sum<axes<1>, true>(h) * softmax(h);
    compare_with_clones(g, x, y, 3, numbers({5, 4}, 0.8f));
  }
  SECTION("losses that members compute against what they share, and residual networks") {
    const auto x = placeholder<float, shape<dim<"batch">, 4>>(g, "x");
    const auto near = huber(residual(dense<4> >> tanh)(x), x, 0.5);
    const auto y = mse(dense<4>(x), x) + mse(dense<4>(x), dense<4>(x)) + near +
                   mean(sigmoid_cross_entropy(dense<4>(x), sigmoid(x)));
    compare_with_clones(g, x, y, 3, numbers({5, 4}, 0.8f));
  }
  SECTION("images") {
    const auto x = placeholder<float, shape<dyn, 2, 8, 8>>(g, "x");
    auto h = relu(batch_norm(conv2d<4, conv{.kernel = {3, 3}, .padding = same_padding}>(x)));
    auto y = dense<3>(flatten(max_pool2d<pool{.window = {2, 2}}>(
        conv2d<6, conv{.kernel = {3, 3}, .padding = same_padding}>(h))));
    compare_with_clones(g, x, y, 3, numbers({2, 2, 8, 8}, 0.8f));
  }
  SECTION("an embedding") {
    const auto x = placeholder<std::int32_t, shape<dyn, 3>>(g, "words");
    const auto y = dense<2>(flatten(embedding<10, 4>(x)));
    Array words(dtype::int32, {4, 3});
    std::int32_t k = 0;
    for (std::int32_t& w : words.mutable_span<std::int32_t>()) w = (k += 7) % 10;
    compare_with_clones(g, x, y, 3, words);
  }
  SECTION("shapes") {
    const auto x = placeholder<float, shape<dyn, 6>>(g, "x");
    const auto a = dense<6>(x);
    const auto b = transpose<0, 2, 1>(reshape<shape<dyn, 2, 3>>(a));
    const auto c = concat<1>(flatten(b), a, x);
    compare_with_clones(g, x, c, 3, numbers({3, 6}, 0.8f));
  }
  SECTION("an operator that runs member by member") {
    const auto x = placeholder<float, shape<dyn, 4>>(g, "x");
    const auto y = one_hot<5>(argmax<1>(dense<5>(x)));
    compare_with_clones(g, x, y, 3, numbers({6, 4}, 0.8f));
  }
}

TEST_CASE("a batch for each member", "[ensemble]") {
  Graph g;
  const auto x = input4(g);
  const auto y = graft_test::two_layers(x);
  const auto xs = placeholder<float, shape<3, dyn, 4>>(g, "xs");
  const Region region = extract(inputs(x), outputs(y));
  const Ensemble many = ensemble(region, 3, bind_each(x, xs));
  const auto clones = replicate(region, 3, bind(x, x));
  Session session(g);
  session.initialize();
  many.gather_to(clones);
  const Array value = numbers({3, 5, 4}, 0.4f);
  const Array all = session.run(many(y), feed(xs, value));
  for (std::int64_t i = 0; i < 3; ++i) {
    const Array mine = value.rows(i, i + 1).reshaped({5, 4});
    check_close(all.rows(i, i + 1).reshaped({5, 4}),
                session.run(clones[static_cast<std::size_t>(i)](y), feed(x, mine)));
  }
}

TEST_CASE("eight members with tied weights and batch norm: one run, then one goes its own way",
          "[ensemble][demo-11]") {
  Graph g;
  const auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  const auto w = make_variable<float, shape<4, 4>>(g, "w", glorot_uniform());
  const auto hidden = batch_norm(tanh(matmul(x, w)));
  const auto y = matmul(hidden, transpose<1, 0>(w));
  const Region region = extract(inputs(x), outputs(y));
  const Ensemble many = ensemble(region, 8, bind(x, x));
  // w once, scale, bias and two statistics.
  CHECK(many.variables().size() == 5);
  Session session(g);
  session.run(many.initializer());
  const Array value = numbers({6, 4}, 0.3f);
  const Array all = session.run(many(y), feed(x, value));
  const Array w_all = session.value(many(*g.variable_read_by(g.id(w))));
  for (std::int64_t i = 1; i < 8; ++i) {
    CHECK_FALSE(w_all.rows(i, i + 1).same_bits(w_all.rows(0, 1)));
  }

  const Clone third = many.detach(3, bind(x, x));
  third.check();
  check_close(session.run(third(y), feed(x, value)), all.rows(3, 4).reshaped({6, 4}));
  const Clone view = many.member(3, bind(x, x));
  check_close(session.run(view(y), feed(x, value)), all.rows(3, 4).reshaped({6, 4}));
  CHECK(view.variables().empty());

  // A change of the stack shows in the view, not in the detached member.
  Array changed = w_all;
  for (float& e : changed.mutable_span<float>()) e += 0.5f;
  const Array before = session.run(third(y), feed(x, value));
  session.set_value(many(*g.variable_read_by(g.id(w))), changed);
  CHECK(session.run(third(y), feed(x, value)).same_bits(before));
  CHECK_FALSE(session.run(view(y), feed(x, value)).same_bits(before));
}

TEST_CASE("one optimiser trains all members", "[ensemble]") {
  Graph g;
  const auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  const auto target = placeholder<float, shape<dyn, 1>>(g, "target");
  const auto y = dense<1>(tanh(dense<8>(x)));
  const Ensemble many = ensemble(extract(inputs(x), outputs(y)), 4, bind(x, x));
  const any_tensor errors = square(many(y) - any_tensor(target));
  const any_tensor loss = mean(errors) * 4.0;
  const training_step step = minimize(loss, adam{.rate = 0.02});
  CHECK(step.parameters == many.parameters());
  Session session(g);
  session.initialize();
  const Array in = numbers({16, 4}, 0.9f);
  Array wanted(dtype::float32, {16, 1});
  for (std::int64_t i = 0; i < 16; ++i) {
    wanted.mutable_span<float>()[i] = in.span<float>()[4 * i] * in.span<float>()[4 * i + 1];
  }
  const float first = session.run(loss, feed(x, in), feed(target, wanted)).item<float>();
  for (int i = 0; i < 150; ++i) session.run(step, feed(x, in), feed(target, wanted));
  const Array last = session.run(errors, feed(x, in), feed(target, wanted));
  CHECK(session.run(loss, feed(x, in), feed(target, wanted)).item<float>() < 0.1f * first);
  for (std::int64_t i = 1; i < 4; ++i) CHECK_FALSE(last.rows(i, i + 1).same_bits(last.rows(0, 1)));
}

TEST_CASE("members of an ensemble drop different elements", "[ensemble]") {
  Graph g;
  g.set_mode(mode::training);
  const auto x = placeholder<float, shape<dyn, 32>>(g, "x");
  const auto y = dropout<>(x, 0.5);
  const Ensemble many = ensemble(extract(inputs(x), outputs(y)), 2, bind(x, x));
  Session session(g);
  session.initialize();
  Array ones(dtype::float32, {4, 32});
  for (float& e : ones.mutable_span<float>()) e = 1;
  const Array all = session.run(many(y), feed(x, ones));
  CHECK_FALSE(all.rows(0, 1).same_bits(all.rows(1, 2)));
}

TEST_CASE("policies of an ensemble", "[ensemble]") {
  Graph g;
  const auto x = input4(g);
  const auto y = dense4(x);
  const Region region = extract(inputs(x), outputs(y));
  set_values(g);
  SECTION("copied: all members start alike") {
    const Ensemble many = ensemble(region, 3, variables::copied, bind(x, x));
    CHECK(many.initializer().variables.empty());
    Session session(g);
    const Array value = numbers({2, 4}, 0.3f);
    const Array one = session.run(y, feed(x, value)), all = session.run(many(y), feed(x, value));
    for (std::int64_t i = 0; i < 3; ++i) check_close(all.rows(i, i + 1).reshaped({2, 4}), one);
  }
  SECTION("shared and frozen ones are not stacked") {
    const variable_id w = variable_named(g, "dense/w"), b = variable_named(g, "dense/b");
    const Ensemble many =
        ensemble(region, 3, bind(x, x), variables::by([&](const variable_info& v) {
                   return v.id == w ? variables::shared : variables::fresh;
                 }));
    CHECK(many.variables().size() == 1);
    CHECK(g.variable_of(many(b)).type.shape == dims{3, 4});
    CHECK_THROWS_AS(many(w), handle_error);
    const Ensemble frozen = ensemble(region, 2, bind(x, x), variables::frozen);
    CHECK(frozen.variables().empty());
    Session session(g);
    CHECK(session.run(frozen(y), feed(x, numbers({2, 4}, 0.3f))).shape() == dims{2, 2, 4});
  }
}

TEST_CASE("wrong ensembles are refused and change nothing", "[ensemble][edge-84][rival]") {
  Graph g;
  const auto x = input4(g);
  const auto y = dense4(x);
  const auto wide = placeholder<float, shape<3, dyn, 5>>(g, "wide");
  const auto fitting = placeholder<float, shape<3, dyn, 4>>(g, "fitting");
  const Region region = extract(inputs(x), outputs(y));
  const std::size_t ops = g.op_count(), variables_before = g.variables().size();
  CHECK(mentions(message_of<argument_error>([&] { (void)ensemble(region, 0); }), "at least 1"));
  CHECK_THROWS_AS(ensemble(region, 3, bind_each(x, wide)), shape_error);
  CHECK_THROWS_AS(ensemble(region, 2, bind_each(x, fitting)), shape_error);
  CHECK(mentions(
      message_of<uninitialized_error>([&] { (void)ensemble(region, 3, variables::copied); }),
      "dense/w"));
  CHECK_THROWS_AS(ensemble(region, 3, names::exact), argument_error);
  CHECK_THROWS_AS(ensemble(region, 3, ties::split), argument_error);
  CHECK_THROWS_AS(
      ensemble(region, 3, each_op([](const copied_op&) -> std::optional<std::vector<any_tensor>> {
                 return std::nullopt;
               })),
      argument_error);
  CHECK(g.op_count() == ops);
  CHECK(g.variables().size() == variables_before);

  const Ensemble many = ensemble(region, 3, bind(x, x));
  CHECK(mentions(message_of<argument_error>([&] { (void)many.member(3); }), "3 members"));
  CHECK_THROWS_AS(many.detach(0), uninitialized_error);
  const auto two = replicate(region, 2);
  CHECK(mentions(message_of<argument_error>([&] { many.scatter_from(two); }), "2 clones"));
  const Region other = extract(inputs(x), outputs(relu(y)));
  CHECK(mentions(message_of<argument_error>([&] { many.scatter_from(replicate(other, 3)); }),
                 "another region"));
  CHECK_THROWS_AS(many(wide), handle_error);
  g.validate();
}

TEST_CASE("an ensemble checks what its source checks", "[ensemble]") {
  Graph g;
  const auto x = placeholder<float, shape<4>>(g, "x");
  const auto w = make_variable<float, shape<4>>(g, "w", ones());
  const auto h = x * w;
  const op_id member_check = g.add(schemas::check, ids(h)), common = g.add(schemas::check, ids(x));
  const auto y = relu(h);
  g.add_control_edge(member_check, op_of(y));
  g.add_control_edge(common, op_of(y));
  const op_id first = g.op_at(g.op_count() - 1);
  const Ensemble many = ensemble(extract(inputs(x), outputs(y)), 3, bind(x, x));
  g.validate();
  std::size_t checks = 0, waiting = 0;
  for (std::size_t i = g.index_of(first) + 1; i < g.op_count(); ++i) {
    const op_id op = g.op_at(i);
    if (&g.schema_of(op) != &schemas::check) continue;
    ++checks;
    waiting += g.control_successors(op) == std::vector{op_of(many(y))} ? 1 : 0;
  }
  CHECK(checks == 4);  // one for each member, and one of what they share
  CHECK(waiting == 4);
}

TEST_CASE("an ensemble joins collections as clones do", "[ensemble]") {
  Graph g;
  const auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  const auto w = make_variable<float, shape<4, 4>>(g, "w", ones());
  const auto y = matmul(x, w);
  const auto loss = sum(square(w));
  const auto half = x * 0.5f;
  g.add_to_collection("losses", {member::kind::tensor, {}, id_of(loss)});
  g.add_to_collection("inputs", {member::kind::tensor, {}, id_of(half)});
  g.add_to_collection("weights", {member::kind::variable, *g.variable_read_by(id_of(w)), {}});
  g.add_to_collection("products", {member::kind::op, {}, id_of(y)});
  const Ensemble many = ensemble(extract(inputs(x), outputs(y + half, loss)), 3, bind(x, x));
  g.validate();
  const auto losses = g.collection("losses");
  REQUIRE(losses.size() == 4);  // a scalar for each member
  Session session(g);
  session.initialize();
  for (const member& m : losses) {
    CHECK(session.run(g.handle(m.tensor)).item<float>() == 16);
    CHECK(g.type_of(m.tensor) == g.type_of(id_of(loss)));
  }
  CHECK(g.collection("inputs").size() == 2);  // the same for all members
  const auto weights = g.collection("weights");
  REQUIRE(weights.size() == 2);
  CHECK(weights[1].variable == many.variables()[0]);
  CHECK(g.collection("products").size() == 2);

  // Shared variables are in their collections already.
  (void)ensemble(extract(inputs(x), outputs(y)), 2, bind(x, x), variables::shared);
  CHECK(g.collection("weights").size() == 2);
}

TEST_CASE("initial values that read other variables", "[ensemble]") {
  Graph g;
  const auto x = placeholder<float, shape<4>>(g, "x");
  const auto w = make_variable<float, shape<4>>(g, "w", uniform());
  const auto moving = as<float, shape<4>>(g.handle(
      g.variable_of(g.add_variable("moving", id_of(w), variable_role::statistic, false)).read));
  const auto start = moving * 2.0f + w;
  const auto twice = as<float, shape<4>>(g.handle(
      g.variable_of(g.add_variable("twice", id_of(start), variable_role::statistic, false)).read));
  const auto y = x * w + moving + twice;
  const Region region = extract(inputs(x), outputs(y));
  SECTION("follow the members' own variables") {
    const Ensemble many = ensemble(region, 2, bind(x, x));
    g.validate();
    Session session(g);
    session.initialize();
    const Array all = session.value(many(*g.variable_read_by(id_of(w))));
    CHECK_FALSE(all.rows(0, 1).same_bits(all.rows(1, 2)));
    CHECK(session.value(many(*g.variable_read_by(id_of(moving)))).same_bits(all));
    const Array third = session.value(many(*g.variable_read_by(id_of(twice))));
    for (std::size_t i = 0; i < 8; ++i)
      CHECK(third.span<float>()[i] == Approx(3 * all.span<float>()[i]));
  }
  SECTION("or shared ones") {
    const variable_id read = *g.variable_read_by(id_of(w));
    const Ensemble many =
        ensemble(region, 2, bind(x, x), variables::by([&](const variable_info& v) {
                   return v.id == read ? variables::shared : variables::fresh;
                 }));
    Session session(g);
    session.initialize();
    const Array all = session.value(many(*g.variable_read_by(id_of(moving))));
    CHECK(all.rows(0, 1).same_bits(all.rows(1, 2)));
    CHECK(all.rows(0, 1).reshaped({4}).same_bits(session.value(read)));
  }
  SECTION("but not themselves") {
    g.data().variables[g.variable_read_by(id_of(twice))->value].initial =
        id_of(twice);  // no edit would
    const auto digest = g.digest();
    CHECK(mentions(
        message_of<unsupported_error>([&] { (void)ensemble(extract(inputs(x), outputs(y)), 2); }),
        "reads the variable itself"));
    CHECK(g.digest() == digest);
  }
}

TEST_CASE("members of an ensemble draw different numbers", "[ensemble]") {
  Graph g;
  const auto x = placeholder<float, shape<4, 4>>(g, "x");
  const auto w = make_variable<float, shape<4, 4>>(g, "w", ones());
  const auto of = [&](const operator_schema& schema, const std::vector<tensor_id>& operands) {
    const auto with = attribute_list()
                          .set("shape", dims{4, 4})
                          .set("type", dtype::float32)
                          .set("key", std::int64_t{9});
    return as<float, shape<4, 4>>(g.handle({g.add(schema, operands, with, "noise"), 0}));
  };
  const any_tensor stream = constant(g, Array::from<std::int64_t>({2}, {77, 0}));
  const auto compare = [&](const tensor<Graph, dtype::float32, shape<4, 4>>& noise) {
    const auto y = x * w + noise;
    const Region region = extract(inputs(x), outputs(y));
    const Ensemble many = ensemble(region, 3, bind(x, x)), more = ensemble(region, 3, bind(x, x));
    g.validate();
    Session session(g);
    session.initialize();
    const auto run = [&](const any_tensor& t) {
      return session.run(t, feed(x, Array(dtype::float32, {4, 4})));
    };
    const Array all = run(many(y)), others = run(more(y)), source = run(y);
    CHECK(all.same_bits(run(many(y))));
    CHECK_FALSE(all.rows(0, 1).same_bits(all.rows(1, 2)));
    CHECK_FALSE(all.rows(0, 1).same_bits(all.rows(2, 3)));
    CHECK_FALSE(all.rows(1, 2).same_bits(all.rows(2, 3)));
    return std::pair{!all.same_bits(others), !all.rows(0, 1).reshaped({4, 4}).same_bits(source)};
  };
  for (const operator_schema* schema :
       {&ops::random_uniform, &ops::random_normal, &ops::truncated_normal, &ops::orthogonal}) {
    INFO(schema->name);
    const auto [apart, from_source] = compare(of(*schema, {}));  // with a key
    CHECK(apart);
    CHECK(from_source);
    if (schema != &ops::orthogonal) (void)compare(of(*schema, ids(stream)));
  }
  (void)compare(as<float, shape<4, 4>>(g.handle(
      {g.add(ops::random_uniform_like, ids(any_tensor(x), stream), attribute_list()), 0})));

  // From a stream that all share there is one orthogonal tensor only.
  const auto turned = of(ops::orthogonal, ids(stream));
  const Region region = extract(inputs(x), outputs(x * w + turned));
  const auto digest = g.digest();
  CHECK(mentions(message_of<unsupported_error>([&] { (void)ensemble(region, 2, bind(x, x)); }),
                 "would draw the same"));
  CHECK(g.digest() == digest);
}

TEST_CASE("members take values from clones with split ties where these agree",
          "[ensemble][edge-43]") {
  Graph g;
  const auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  const auto w = make_variable<float, shape<4, 4>>(g, "w", glorot_uniform());
  const variable_id v = *g.variable_read_by(g.id(w));
  const auto y = matmul(tanh(matmul(x, w)), w);
  const Region region = extract(inputs(x), outputs(y));
  const Ensemble many = ensemble(region, 2, bind(x, x));
  const std::vector<Clone> clones{clone(region, bind(x, x), into("tied")),
                                  clone(region, bind(x, x), into("split"), ties::split)};
  const std::vector<variable_id> split = clones[1].images(v);
  REQUIRE(split.size() == 2);
  set_values(g);  // no two values are alike
  const auto before = g.digest();
  const std::string text = message_of<argument_error>([&] { many.scatter_from(clones); });
  CHECK(mentions(text, "member 1"));
  CHECK(mentions(text, "ties were split"));
  CHECK(mentions(text, g.path_of(split[0])));
  CHECK(mentions(text, g.path_of(split[1])));
  CHECK(g.digest() == before);

  g.store().set(split[1], g.store().get(split[0]));
  many.scatter_from(clones);
  const Array all = g.store().get(many(v));
  CHECK(all.rows(0, 1).reshaped({4, 4}).same_bits(g.store().get(clones[0](v))));
  CHECK(all.rows(1, 2).reshaped({4, 4}).same_bits(g.store().get(split[0])));
  // And they give them to both.
  g.store().set(many(v), numbers({2, 4, 4}, 0.7f));
  many.gather_to(clones);
  for (const variable_id image : split) {
    CHECK(g.store().get(image).same_bits(g.store().get(many(v)).rows(1, 2).reshaped({4, 4})));
  }
}

TEST_CASE("members give values to networks of their own only", "[ensemble]") {
  Graph g;
  const auto x = input4(g);
  const auto y = dense4(x);
  const Region region = extract(inputs(x), outputs(y));
  const Ensemble many = ensemble(region, 2, bind(x, x));
  const Clone own = clone(region, into("own")), shared = clone(region, variables::shared);
  set_values(g);
  const auto before = g.digest();
  const std::vector<Clone> twice{own, own}, lent{own, shared};
  CHECK(mentions(message_of<argument_error>([&] { many.gather_to(twice); }), "clone 0's too"));
  CHECK(mentions(message_of<argument_error>([&] { many.gather_to(lent); }), "with its source"));
  CHECK(g.digest() == before);
  // Values may come from the same place for several.
  many.scatter_from(std::vector{shared, shared});
  const variable_id w = variable_named(g, "dense/w");
  CHECK(g.store().get(many(w)).rows(1, 2).reshaped({4, 4}).same_bits(g.store().get(w)));
}

TEST_CASE("an ensemble's variables that were removed are neither trained nor initialised",
          "[ensemble]") {
  Graph g;
  const auto x = input4(g);
  const auto a = make_variable<float, shape<4>>(g, "a", ones());
  const auto b = make_variable<float, shape<4>>(g, "b", zeros());
  const auto first = x * a, second = x + b;
  const Ensemble both = ensemble(extract(inputs(x), outputs(first, second)), 2, bind(x, x));
  const std::vector<variable_id> made = both.variables();
  REQUIRE(made.size() == 2);
  // All ops of the ensemble but those that the second head needs.
  const Region second_head = extract(inputs(x), outputs(both(second)));
  std::vector<op_id> gone;
  for (std::size_t i = 0; i < g.op_count(); ++i) {
    const op_id op = g.op_at(i);
    if (g.scope_within(g.scope_of(op), both.scope()) && !second_head.contains(op))
      gone.push_back(op);
  }
  g.erase_ops(gone);
  g.validate();
  const variable_id left = both(*g.variable_read_by(id_of(b)));
  CHECK(both.variables() == std::vector<variable_id>{left});
  CHECK(both.parameters() == std::vector<variable_id>{left});
  CHECK(both.initializer().variables == std::vector<variable_id>{left});
}
