// What ensemble() is told: policies, scopes, modes; and long chains of variables.
#include "ensemble_fixture.hpp"

using namespace graft_test;

namespace {

struct subject {
  Graph g;
  row4 x = input4(g);
  row4 y = dense4(x);
  Region region = extract(inputs(x), outputs(y));
};

}  // namespace

TEST_CASE("policies that are for clones only are refused", "[ensemble]") {
  subject s;
  const auto before = s.g.digest();
  for (const variable_policy policy :
       {variable_policy::linked, variable_policy::replaced, static_cast<variable_policy>(17)}) {
    const auto by = variables::by(
        [policy](const variable_info& v) { return v.trainable ? policy : variables::fresh; });
    const std::string text = message_of<argument_error>([&] { (void)ensemble(s.region, 2, by); });
    INFO(text);
    CHECK(mentions(text, "dense/w"));
    CHECK(mentions(text, "Choose fresh, copied, shared or frozen"));
    CHECK_THROWS_AS(ensemble(s.region, 2, policy), argument_error);
  }
  const auto wide = placeholder<float, shape<dyn, 4, 4>>(s.g, "wide");
  const auto digest = s.g.digest();
  CHECK(mentions(
      message_of<argument_error>([&] { (void)ensemble(s.region, 2, bind_reshaped(s.x, wide)); }),
      "for clones only"));
  CHECK(s.g.digest() == digest);
  CHECK(before != digest);
}

TEST_CASE("an ensemble goes into the scope that is named, as clones do", "[ensemble][names]") {
  subject s;
  const auto path_of = [&](const Ensemble& e) { return s.g.scope_path(e.scope()); };
  const auto path_of_w = [&](const Ensemble& e) {
    return s.g.path_of(e(variable_named(s.g, "dense/w")));
  };
  CHECK(path_of(ensemble(s.region, 2)) == "ensemble");
  const Ensemble inner = ensemble(s.region, 2, into("a/b"));
  CHECK(path_of(inner) == "a/b");
  CHECK(path_of_w(inner) == "a/b/dense/w");
  CHECK(path_of(ensemble(s.region, 2, into("a/b"))) == "a/b_1");
  {
    const in_scope inside(s.g, "outer");
    const Ensemble here = ensemble(s.region, 2, into(""));
    CHECK(path_of(here) == "outer");
    CHECK(path_of_w(here) == "outer/dense/w");
    CHECK(path_of_w(ensemble(s.region, 2, into(""))) == "outer/dense_1/w");
  }
  CHECK(path_of(ensemble(s.region, 2, into(""))).empty());
  s.g.validate();
  const auto before = s.g.digest();
  CHECK_THROWS_AS(ensemble(s.region, 2, into("a//b")), name_error);
  CHECK(s.g.digest() == before);
}

TEST_CASE("members of an ensemble are in its mode", "[ensemble]") {
  Graph g;
  const row4 x = input4(g);
  const row4 y = row4(batch_norm(dense4(x)).ref());
  Session session(g);
  session.initialize();
  const Array rows = numbers({3, 4}, 0.3f);
  const Ensemble many =
      ensemble(extract(inputs(x), outputs(y)), 2, bind(x, x), variables::copied, mode::inference);
  const Array all = session.run(many(y), feed(x, rows));
  const Array wanted = all.rows(1, 2).reshaped({3, 4});
  REQUIRE_FALSE(session.run(y, feed(x, rows)).same_bits(wanted));
  check_close(session.run(many.member(1, bind(x, x))(y), feed(x, rows)), wanted);
  check_close(session.run(many.detach(1, bind(x, x))(y), feed(x, rows)), wanted);
  const Array other = session.run(many.detach(1, bind(x, x), mode::training)(y), feed(x, rows));
  check_close(other, session.run(y, feed(x, rows)));
}

TEST_CASE("variables that start with each other in a long chain", "[ensemble]") {
  Graph g;
  const auto x = placeholder<float, shape<2>>(g, "x");
  tensor<Graph, dtype::float32, shape<2>> last =
      make_variable<float, shape<2>>(g, "first", uniform());
  const variable_id first = *g.variable_read_by(id_of(last));
  for (int i = 0; i < 20000; ++i) {
    const auto start = last * 1.0f;
    last = as<float, shape<2>>(g.handle(
        g.variable_of(g.add_variable("next", id_of(start), variable_role::parameter, true)).read));
  }
  const variable_id v = *g.variable_read_by(id_of(last));
  const auto y = x + last;
  Session session(g);
  session.initialize();
  const Region region = extract(inputs(x), outputs(y));
  SECTION("fresh") {
    const Ensemble many = ensemble(region, 2, bind(x, x));
    CHECK(many.variables().size() == 20001);
    session.run(many.initializer());
    CHECK(session.value(many(v)).same_bits(session.value(many(first))));
  }
  SECTION("copied") {
    const Ensemble many = ensemble(region, 2, bind(x, x), variables::copied);
    CHECK(session.value(many(v)).rows(1, 2).reshaped({2}).same_bits(session.value(first)));
  }
}
