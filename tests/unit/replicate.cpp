// Many clones of one region.
#include "graft/graft.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

TEST_CASE("replicas are named in order and have variables of their own", "[clone][replicate]") {
  Graph g;
  const auto x = input4(g);
  const auto y = graft_test::two_layers(x);
  const Region region = extract(inputs(x), outputs(y));
  const auto all = replicate<3>(region, bind(x, x), into("member"));
  CHECK(all[0].scope_path() == "member");
  CHECK(all[1].scope_path() == "member_1");
  CHECK(all[2].scope_path() == "member_2");
  for (const Clone& c : all) {
    c.check();
    CHECK(c.variables().size() == 4);
  }
  CHECK(all[0].variables() != all[1].variables());
}

TEST_CASE("streams of replicas differ, and the first do not depend on how many there are",
          "[clone][replicate][edge-48]") {
  const auto drawn = [](std::size_t count) {
    Graph g;
    const auto x = input4(g);
    const auto y = dense4(x);
    const auto all = replicate(extract(inputs(x), outputs(y)), count, into("member"));
    Session session(g);
    session.initialize();
    std::vector<Array> result;
    for (const Clone& c : all) result.push_back(g.store().get(c(variable_named(g, "dense/w"))));
    return result;
  };
  const auto three = drawn(3), five = drawn(5);
  for (std::size_t i = 0; i < 3; ++i) CHECK(three[i].same_bits(five[i]));
  for (std::size_t i = 0; i < 5; ++i) {
    for (std::size_t k = 0; k < i; ++k) CHECK_FALSE(five[i].same_bits(five[k]));
  }
}

TEST_CASE("replicas that cannot all be made leave none", "[clone][replicate]") {
  Graph g;
  const auto x = input4(g);
  const auto y = dense4(x);
  const Region region = extract(inputs(x), outputs(y));
  const std::size_t ops = g.op_count(), variables = g.variables().size();
  CHECK(mentions(
      message_of<name_error>([&] { (void)replicate(region, 3, into("member"), names::exact); }),
      "member"));
  CHECK(g.op_count() == ops);
  CHECK(g.variables().size() == variables);
  g.validate();
  CHECK(replicate(region, 0).empty());
}

TEST_CASE("workers share weights and keep their activations", "[clone][replicate]") {
  Graph g;
  const auto x = input4(g);
  const auto y = graft_test::two_layers(x);
  const std::size_t variables = g.variables().size();
  const auto workers = replicate(extract(inputs(x), outputs(y)), 4, variables::shared);
  CHECK(g.variables().size() == variables);
  Session session(g);
  session.initialize();
  const Array value(dtype::float32, {2, 4});
  const Array expected = session.run(y, feed(x, value));
  for (const Clone& w : workers) {
    CHECK(session.run(w(y), feed(w(x), value)).same_bits(expected));
  }
}
