// Ensembles: many members as one batched network.
#include "graft/graft.hpp"

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
    const auto y = graft_test::network(x);
    compare_with_clones(g, x, y, 1, numbers({2, 4}, 0.8f));
  }
  SECTION("an empty batch") {
    const auto x = input4(g);
    const auto y = graft_test::network(x);
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
  const auto y = graft_test::network(x);
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

TEST_CASE("wrong ensembles are refused and change nothing", "[ensemble][edge-84]") {
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
