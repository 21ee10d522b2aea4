// Members of an ensemble as clones, whatever the policy of its variables.
#include "ensemble_fixture.hpp"

using namespace graft_test;

namespace {

// Weights, batch norm (two of its four variables are statistics), and changes of all values.
struct subject {
  Graph g;
  row4 x = input4(g);
  row4 y = row4(batch_norm(dense4(x)).ref());
  Region region = extract(inputs(x), outputs(y));
  Session session{g};
  Array value = numbers({3, 4}, 0.3f);

  subject() { set_values(g); }
  Array run(const any_tensor& t) { return session.run(inference(t), feed(x, value)); }
  // Other values of the source's variables only.
  void change() {
    for (const variable_id v : region.variables()) {
      Array changed = session.value(v);
      for (float& e : changed.mutable_span<float>()) e = e * 0.75f + 2.0f;
      session.set_value(v, changed);
    }
  }
  Array member_of(const Ensemble& many, std::int64_t i) {
    return run(many(y)).rows(i, i + 1).reshaped({3, 4});
  }
};

}  // namespace

TEST_CASE("members of a frozen ensemble are frozen", "[ensemble]") {
  subject s;
  const Ensemble many = ensemble(s.region, 2, bind(s.x, s.x), variables::frozen);
  const Clone view = many.member(0, bind(s.x, s.x)), own = many.detach(1, bind(s.x, s.x));
  const Array before = s.member_of(many, 0);
  check_close(s.run(view(s.y)), before);
  CHECK(s.run(own(s.y)).same_bits(s.run(view(s.y))));
  const Array then = s.run(view(s.y));
  s.change();
  REQUIRE_FALSE(s.run(s.y).same_bits(then));
  CHECK(s.run(view(s.y)).same_bits(then));
  CHECK(s.run(own(s.y)).same_bits(then));
  // One made after the change has the ensemble's values too.
  const Clone late_view = many.member(1, bind(s.x, s.x)), late = many.detach(0, bind(s.x, s.x));
  CHECK(s.run(late_view(s.y)).same_bits(then));
  CHECK(s.run(late(s.y)).same_bits(then));
  for (const Clone* c : {&view, &own, &late_view, &late}) {
    c->check();
    CHECK(c->variables().empty());
    CHECK(c->leak_audit().empty());
    CHECK(updates_of((*c)(s.y)).empty());
    for (const variable_image& image : c->variable_images()) CHECK_FALSE(image.image.valid());
  }
  // The view reads what the ensemble reads; the other has constants of its own, and can be unfrozen.
  const variable_id w = variable_named(s.g, "dense/w");
  const op_id read = s.g.variable_of(w).read.op;
  CHECK(s.g.path_of(view(s.g.handle({read, 0})).ref().id) == "ensemble/dense/w");
  CHECK(s.g.path_of(late(s.g.handle({read, 0})).ref().id) == "member_3/dense/w");
  const Clone thawed = unfreeze(late, bind(s.x, s.x));
  CHECK(s.run(thawed(s.y)).same_bits(then));
}

TEST_CASE("members of an ensemble whose variables have several policies", "[ensemble]") {
  subject s;
  const variable_id w = variable_named(s.g, "dense/w"), b = variable_named(s.g, "dense/b");
  const Ensemble many = ensemble(
      s.region, 2, bind(s.x, s.x), variables::by([&](const variable_info& v) {
        return v.id == w ? variables::frozen : v.id == b ? variables::copied : variables::shared;
      }));
  Array biases = s.session.value(many(b));
  for (float& e : biases.mutable_span<float>()) e = e * -1.25f + 0.5f;
  s.session.set_value(many(b), biases);
  const Clone view = many.member(1, bind(s.x, s.x)), own = many.detach(1, bind(s.x, s.x));
  const Array then = s.member_of(many, 1);
  check_close(s.run(view(s.y)), then);
  check_close(s.run(own(s.y)), then);
  CHECK(own.find(b));
  CHECK_FALSE(own.find(w));

  const Array kept = s.run(own(s.y));
  s.change();
  // Shared variables of the view follow the source, frozen ones do not.
  check_close(s.run(view(s.y)), s.member_of(many, 1));
  CHECK_FALSE(s.run(view(s.y)).same_bits(kept));
  CHECK(s.run(own(s.y)).same_bits(kept));
}

TEST_CASE("a member of a shared ensemble is detached with variables of its own", "[ensemble]") {
  subject s;
  const Ensemble many = ensemble(s.region, 2, bind(s.x, s.x), variables::shared);
  const Clone view = many.member(0, bind(s.x, s.x)), own = many.detach(0, bind(s.x, s.x));
  own.check();
  CHECK(own.variables().size() == s.region.variables().size());
  CHECK(own.leak_audit().empty());
  const Array then = s.run(s.y);
  CHECK(s.run(own(s.y)).same_bits(then));
  const auto step = minimize(mean(square(own(s.y))), sgd{0.1});
  s.session.initialize();
  s.session.run(step, feed(s.x, s.value));
  CHECK(s.run(s.y).same_bits(then));
  CHECK_FALSE(s.run(own(s.y)).same_bits(then));
  s.change();
  check_close(s.run(view(s.y)), s.run(s.y));

  s.g.store().reset(variable_named(s.g, "dense/w"));
  const auto digest = s.g.digest();
  CHECK(mentions(message_of<uninitialized_error>([&] { (void)many.detach(0); }), "dense/w"));
  CHECK(s.g.digest() == digest);
}

TEST_CASE("a member is detached with values, into any graph", "[ensemble]") {
  Graph g, h;
  const row4 x = input4(g);
  const row4 y = row4(dropout(dense4(x), 0.5).ref());
  const Region region = extract(inputs(x), outputs(y));
  const Ensemble many = ensemble(region, 3, bind(x, x));
  Session here(g), there(h);
  here.run(many.initializer());
  const Array value = numbers({2, 4}, 0.3f);
  const Array all = here.run(inference(many(y)), feed(x, value));
  const auto before = g.digest();
  (void)input4(h, "decoy");
  (void)make_variable<float, shape<2>>(h, "decoy", zeros());

  const Clone other = many.detach(2, into(h, "there"));
  CHECK(g.digest() == before);
  h.validate();
  other.check();
  check_close(there.run(inference(other(y)), feed(other(x), value)),
              all.rows(2, 3).reshaped({2, 4}));
  (void)there.run(other(y), feed(other(x), value));  // its stream has a start, too

  // Nothing is left to initialise, so initialising it does not undo the values.
  const Clone own = many.detach(1, bind(x, x));
  for (const Clone* c : {&own, &other}) CHECK(c->initializer().variables.empty());
  const Array then = here.run(inference(own(y)), feed(x, value));
  here.run(own.initializer());
  CHECK(here.run(inference(own(y)), feed(x, value)).same_bits(then));
  // Each draws from a stream of its own.
  CHECK_FALSE(here.run(own(y), feed(x, Array::full<float>({2, 4}, 1)))
                  .same_bits(here.run(many.detach(1, bind(x, x))(y),
                                      feed(x, Array::full<float>({2, 4}, 1)))));
}

TEST_CASE("an ensemble goes on without its source", "[ensemble][edge-41]") {
  subject s;
  const Ensemble many = ensemble(s.region, 2, bind(s.x, s.x), variables::copied);
  const auto clones = replicate(s.region, 2, bind(s.x, s.x), variables::copied);
  const variable_id w = variable_named(s.g, "dense/w");
  const update_group updates = updates_of(s.y);
  const Array before = s.member_of(many, 1);
  s.g.erase_ops(s.region.nodes());
  s.g.validate();
  CHECK(s.member_of(many, 1).same_bits(before));  // the map knows what is gone
  CHECK(many.has_members(s.y));
  CHECK(s.g.contains(many(w)));
  s.session.run(many(updates), feed(s.x, s.value));
  const auto step = minimize(mean(square(many(s.y))), sgd{0.1});
  s.session.initialize();  // the step counter
  s.session.run(step, feed(s.x, s.value));
  many.gather_to(clones);
  check_close(s.run(clones[1](s.y)), s.member_of(many, 1));
  many.scatter_from(clones);
  const auto digest = s.g.digest();
  for (const std::string& text :
       {message_of<graph_error>([&] { (void)many.member(0); }),
        message_of<graph_error>([&] { (void)many.detach(1, bind(s.x, s.x)); })}) {
    CHECK(mentions(text, "which were edited or removed since"));
    CHECK(mentions(text, "gather_to()"));
  }
  CHECK_THROWS_AS(many.member(2), argument_error);
  CHECK(s.g.digest() == digest);
}

TEST_CASE("a member is detached with the policy that was asked for", "[ensemble]") {
  subject s;
  const Ensemble many = ensemble(s.region, 2, bind(s.x, s.x));
  s.session.run(many.initializer());
  const Array then = s.member_of(many, 1);
  const auto all_are = [](const Clone& c, variable_policy policy) {
    for (const variable_image& image : c.variable_images()) CHECK(image.policy == policy);
  };
  SECTION("frozen") {
    const Clone own = many.detach(1, bind(s.x, s.x), variables::frozen);
    own.check();
    CHECK(own.variables().empty());
    CHECK(own.leak_audit().empty());
    all_are(own, variables::frozen);
    check_close(s.run(own(s.y)), then);
    CHECK(s.run(unfreeze(own, bind(s.x, s.x))(s.y)).same_bits(s.run(own(s.y))));
  }
  SECTION("fresh") {
    const Clone own = many.detach(1, bind(s.x, s.x), variables::fresh);
    own.check();
    all_are(own, variables::fresh);
    CHECK(own.initializer().variables.size() == s.region.variables().size());
    CHECK_THROWS_AS(s.run(own(s.y)), uninitialized_error);
    s.session.run(own.initializer());
    CHECK_FALSE(s.run(own(s.y)).same_bits(then));
  }
  SECTION("by a rule, asked once for each variable") {
    std::vector<variable_id> asked;
    const auto rule = variables::by([&](const variable_info& v) {
      asked.push_back(v.id);
      return v.role == variable_role::parameter ? variables::frozen : variables::copied;
    });
    const Clone own = many.detach(1, bind(s.x, s.x), rule);
    own.check();
    CHECK(asked == s.region.variables());
    CHECK(own.parameters().empty());
    CHECK(own.variables().size() == 2);  // the statistics
    check_close(s.run(own(s.y)), then);
  }
  SECTION("with an expression in place of one") {
    const variable_id w = variable_named(s.g, "dense/w");
    const auto read = as<float, shape<4, 4>>(s.g.handle(s.g.variable_of(w).read));
    s.g.store().reset(many(w));  // not needed then
    const Clone own = many.detach(1, bind(s.x, s.x), variables::expr(read, read * 2.0f));
    own.check();
    CHECK(own.images(w).empty());
    CHECK(own.variables().size() == s.region.variables().size() - 1);
  }
}

TEST_CASE("values are asked for where a member is detached with them", "[ensemble]") {
  subject s;
  const Ensemble many = ensemble(s.region, 2, bind(s.x, s.x));
  const auto digest = s.g.digest();
  CHECK_THROWS_AS(many.detach(0), uninitialized_error);
  CHECK_THROWS_AS(many.detach(0, variables::frozen), uninitialized_error);
  CHECK(s.g.digest() == digest);
  const Clone own = many.detach(0, variables::fresh);
  own.check();
}

TEST_CASE("a member shares with the source what the ensemble shares", "[ensemble]") {
  subject s;
  const variable_id w = variable_named(s.g, "dense/w"), b = variable_named(s.g, "dense/b");
  const auto choose = [&](variable_policy of_w, variable_policy otherwise) {
    return variables::by([=](const variable_info& v) { return v.id == w ? of_w : otherwise; });
  };
  const Ensemble many =
      ensemble(s.region, 2, bind(s.x, s.x), choose(variables::shared, variables::copied));
  const auto digest = s.g.digest();
  for (const variable_policy policy : {variables::shared, variables::linked}) {
    const std::string text =
        message_of<argument_error>([&] { (void)many.detach(1, bind(s.x, s.x), policy); });
    INFO(text);
    CHECK(mentions(text, "the source's own 'dense/b'"));
    CHECK(mentions(text, "member() for a view"));
  }
  CHECK(s.g.digest() == digest);
  const Clone own = many.detach(1, bind(s.x, s.x), choose(variables::shared, variables::copied));
  own.check();
  CHECK(own(w) == w);
  CHECK(own(b) != b);
  // What became of a frozen variable is no longer the source's.
  const Ensemble still = ensemble(s.region, 2, bind(s.x, s.x), variables::frozen);
  CHECK(mentions(message_of<argument_error>([&] { (void)still.detach(0, variables::shared); }),
                 "a constant in its place"));
  const Clone thawed = still.detach(0, bind(s.x, s.x), variables::copied);
  CHECK(thawed.variables().size() == s.region.variables().size());
  check_close(s.run(thawed(s.y)), s.run(s.y));
}

TEST_CASE("a view takes no choices of variables", "[ensemble]") {
  subject s;
  const Ensemble many = ensemble(s.region, 2, bind(s.x, s.x), variables::copied);
  const variable_id w = variable_named(s.g, "dense/w");
  const auto read = as<float, shape<4, 4>>(s.g.handle(s.g.variable_of(w).read));
  const auto twice = read * 2.0f;
  const auto digest = s.g.digest();
  const auto refused = [&](const auto& choice) {
    const std::string text =
        message_of<argument_error>([&] { (void)many.member(1, bind(s.x, s.x), choice); });
    INFO(text);
    CHECK(mentions(text, "member 1 as a view"));
    CHECK(mentions(text, "detach(1, ...)"));
  };
  for (const variable_policy policy : {variables::fresh, variables::copied, variables::shared,
                                       variables::frozen, variables::linked})
    refused(policy);
  refused(variables::by([](const variable_info&) { return variables::fresh; }));
  refused(variables::expr(read, twice));
  refused(trainable(false));
  refused(ties::split);
  CHECK(s.g.digest() == digest);
}

TEST_CASE("a view has random streams of its own where that is asked for", "[ensemble]") {
  Graph g;
  const row4 x = input4(g);
  const row4 y = row4(dropout(dense4(x), 0.5).ref());
  const variable_id stream = variable_named(g, "dropout/stream");
  const bool shared = GENERATE(false, true);
  INFO((shared ? "the source's" : "the ensemble's"));
  const Ensemble many = ensemble(
      extract(inputs(x), outputs(y)), 2, bind(x, x), variables::by([&](const variable_info& v) {
        return shared && v.id == stream ? variables::shared : variables::fresh;
      }));
  const variable_id theirs = shared ? stream : many(stream);
  Session session(g);
  const Array in = Array::full<float>({8, 4}, 1);
  const auto counter = [&](variable_id v) { return session.value(v).at<std::int64_t>({1}); };
  // Before the ensemble's stream has a value those of views have none either.
  const Clone early = many.member(1, bind(x, x), seeds::split);
  early.check();
  REQUIRE(early.variables().size() == 1);
  CHECK(early.initializer().variables == early.variables());
  session.initialize();
  session.run(updates_of(many(y)));
  REQUIRE(counter(theirs) == 1);
  const Clone view = many.member(1, bind(x, x)), split = many.member(1, bind(x, x), seeds::split),
              numbered = many.member(1, bind(x, x), seeds::fresh(7));
  g.validate();
  CHECK(view.variables().empty());
  CHECK(many.member(1, bind(x, x), seeds::same).variables().empty());
  for (const Clone* own : {&split, &numbered}) {
    own->check();
    REQUIRE(own->variables().size() == 1);
    CHECK(own->initializer().variables.empty());
    CHECK(counter((*own)(stream)) == 1);
    CHECK_FALSE(session.run((*own)(y), feed(x, in)).same_bits(session.run(view(y), feed(x, in))));
    session.run(updates_of((*own)(y)));
    CHECK(counter((*own)(stream)) == 2);
  }
  CHECK(counter(theirs) == 1);
  session.run(updates_of(view(y)));
  CHECK(counter(theirs) == 2);
}

TEST_CASE("a view stays in the graph of its ensemble", "[ensemble]") {
  subject s;
  const Ensemble many = ensemble(s.region, 2, bind(s.x, s.x), variables::copied);
  Graph there;
  const auto digest = s.g.digest(), digest_there = there.digest();
  const std::string text =
      message_of<argument_error>([&] { (void)many.member(1, into(there, "view")); });
  INFO(text);
  CHECK(mentions(text, "another graph"));
  CHECK(mentions(text, "detach(1, into(graph))"));
  CHECK(s.g.digest() == digest);
  CHECK(there.digest() == digest_there);
  // In another floating type it reads its slices through casts.
  const Clone wide = many.member(1, element_type(dtype::float64));
  wide.check();
  const Array rows = s.session.run(inference(wide(any_tensor(s.y))),
                                   feed(wide(any_tensor(s.x)), s.value.cast(dtype::float64)));
  check_close(rows.cast(dtype::float32), s.member_of(many, 1), 1e-5);
}

TEST_CASE("an ensemble of a training step has no views", "[ensemble][training]") {
  Graph g;
  const row4 x = input4(g);
  const row4 y = dense4(x);
  const training_step step = minimize(mean(square(y)), sgd{0.1});
  Session session(g);
  session.initialize();
  const Region region = extract_training(inputs(x), step);
  const Ensemble many = ensemble(region, 3, bind(x, x), variables::copied);
  const auto digest = g.digest();
  const std::string text = message_of<unsupported_error>([&] { (void)many.member(1, bind(x, x)); });
  INFO(text);
  CHECK(mentions(text, "member 1 as a view"));
  CHECK(mentions(text, "one variable for all members"));
  CHECK(mentions(text, "detach(1)"));
  CHECK(mentions(text, "many(step.updates)"));
  CHECK(g.digest() == digest);
  // The network alone has views, and a member with its step is taken out.
  const Ensemble nets = ensemble(extract(inputs(x), outputs(y)), 3, bind(x, x), variables::copied);
  nets.member(1, bind(x, x)).check();
  const Clone own = many.detach(1, bind(x, x));
  own.check();
  session.run(own(step), feed(x, numbers({2, 4}, 0.3f)));
}
