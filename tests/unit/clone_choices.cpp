// Choices of clones: streams by number, and rules for variables that are at odds.
#include "graft/graft.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

namespace {

// The random weights of a clone of one layer, drawn under seed 1 in a graph of its own.
template <class... Choices>
Array drawn(const Choices&... choices) {
  Graph g;
  const row4 x = input4(g);
  const row4 y = dense4(x);
  const Clone copy = clone(extract(inputs(x), outputs(y)), choices...);
  Session session(g, {.seed = 1});
  session.initialize();
  return session.value(copy(variable_named(g, "dense/w")));
}

}  // namespace

TEST_CASE("fresh streams follow from the seed, the path and a number", "[clone][edge-45]") {
  const Array split = drawn(into("copy")), seven = drawn(into("copy"), seeds::fresh(7));
  CHECK(drawn(into("copy"), seeds::fresh(7)).same_bits(seven));
  CHECK_FALSE(seven.same_bits(split));
  CHECK_FALSE(drawn(into("copy"), seeds::fresh(8)).same_bits(seven));
  CHECK_FALSE(drawn(into("copy"), seeds::fresh(0)).same_bits(split));
  CHECK_FALSE(drawn(into("other"), seeds::fresh(7)).same_bits(seven));
  CHECK(drawn(into("copy"), seeds::split).same_bits(split));
  CHECK_FALSE(drawn(into("copy"), seeds::same).same_bits(split));
}

TEST_CASE("replicas on fresh streams differ, and more of them change nothing", "[clone][edge-48]") {
  Graph g;
  const row4 x = input4(g);
  const row4 y = dense4(x);
  const variable_id w = variable_named(g, "dense/w");
  const Region region = extract(inputs(x), outputs(y));
  const auto keys = [&](std::size_t count, std::uint64_t number) {
    std::vector<std::uint64_t> result;
    Graph other;
    for (const Clone& c : replicate(region, count, into(other, "member"), seeds::fresh(number))) {
      result.push_back(other.variable_of(c(w)).stream_key);
    }
    return result;
  };
  const auto three = keys(3, 5), five = keys(5, 5), others = keys(3, 6);
  CHECK(three == std::vector(five.begin(), five.begin() + 3));
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(three[i] != others[i]);
    for (std::size_t j = 0; j < i; ++j) CHECK(three[i] != three[j]);
  }
}

TEST_CASE("fresh streams reach dropout and bodies", "[clone][edge-45]") {
  Graph g;
  const auto x = placeholder<float, shape<64>>(g, "x");
  const auto xs = placeholder<float, shape<2, 64>>(g, "xs");
  const auto last = std::get<0>(scan(x, xs, [&](auto s, auto e) {
    const auto drawing = attribute_list()
                             .set("shape", dims{64})
                             .set("type", dtype::float32)
                             .set("low", 0.0)
                             .set("high", 1.0)
                             .set("key", std::int64_t{99});
    Graph& body = *g.current_body();
    const op_id made = body.add(ops::random_uniform, {}, drawing);
    return std::tuple{s + e * as<float, shape<64>>(body.handle({made, 0})), std::tuple{}};
  }));
  const auto y = dropout<>(x, 0.5);
  const Region region = extract(inputs(x, xs), outputs(last, y));
  Session session(g);
  session.initialize();
  const Array ones = Array::full<float>({64}, 1.0f), all = Array::full<float>({2, 64}, 1.0f);
  const auto run = [&](const any_tensor& t) {
    return session.run(t, feed(x, ones), feed(xs, all));
  };
  Graph h;
  const auto drawn_in = [&](Graph& to, const seeds& choice) {
    const auto x2 = placeholder<float, shape<64>>(to, "x");
    const auto xs2 = placeholder<float, shape<2, 64>>(to, "xs");
    const Clone copy = clone(region, bind(x, x2, xs, xs2), into(to, "copy"), choice);
    copy.check();
    Session there(to);
    there.initialize();
    return there.run(std::tuple{copy(last), copy(y)}, feed(x2, ones), feed(xs2, all));
  };
  Graph a, b, c, d;
  const auto [body_a, drop_a] = drawn_in(a, seeds::fresh(1));
  const auto [body_b, drop_b] = drawn_in(b, seeds::fresh(2));
  const auto [body_c, drop_c] = drawn_in(c, seeds::fresh(1));
  const auto [body_d, drop_d] = drawn_in(d, seeds::same);
  CHECK_FALSE(body_a.same_bits(body_b));
  CHECK_FALSE(drop_a.same_bits(drop_b));
  CHECK(body_a.same_bits(body_c));
  CHECK(drop_a.same_bits(drop_c));
  CHECK(body_d.same_bits(run(last)));
  CHECK_FALSE(body_a.same_bits(run(last)));
}

TEST_CASE("of several rules the first counts, or the most specific", "[clone][edge-27]") {
  Graph g;
  const row4 x = input4(g);
  const row4 y = [&] {
    const in_scope inside(g, "encoder");
    return dense4(dense4(x), "last");
  }();
  const Region region = extract(inputs(x), outputs(y));
  set_values(g);
  const variable_id w = variable_named(g, "encoder/dense/w"),
                    v = variable_named(g, "encoder/last/w");
  const auto policies = [&](const variables::chosen_by& rules) {
    const Clone copy = clone(region, rules);
    std::pair<variable_policy, variable_policy> found;
    for (const variable_image& image : copy.variable_images()) {
      if (image.source == w) found.first = image.policy;
      if (image.source == v) found.second = image.policy;
    }
    return found;
  };
  using std::pair;
  using variables::by_scope, variables::precedence;
  const variable_policy fresh = variables::fresh, shared = variables::shared,
                        frozen = variables::frozen;
  CHECK(policies(by_scope({{"encoder", shared}, {"encoder/last", frozen}}, fresh)) ==
        pair(shared, shared));
  CHECK(policies(by_scope({{"encoder", shared}, {"encoder/last", frozen}}, fresh,
                          precedence::specificity)) == pair(shared, frozen));
  CHECK(policies(by_scope({{"encoder/*", shared}, {"encoder/last", frozen}}, fresh,
                          precedence::specificity)) == pair(shared, frozen));
  CHECK(policies(by_scope({{"**", shared}, {"encoder/l*", frozen}}, fresh,
                          precedence::specificity)) == pair(shared, frozen));
  CHECK(policies(by_scope({{"**/last", frozen}}, fresh)) == pair(fresh, frozen));
  CHECK_THROWS_AS(policies(by_scope({{"last", frozen}}, fresh)), argument_error);
  CHECK_THROWS_AS(policies(by_scope({{"encoder/las", frozen}}, fresh)), argument_error);
  // Two that agree are no conflict, nor are two of which a third is more specific.
  CHECK(policies(by_scope({{"encoder/l*", shared}, {"encoder/*t", shared}}, fresh,
                          precedence::specificity)) == pair(fresh, shared));
  CHECK(policies(by_scope({{"encoder/l*", shared}, {"encoder/*t", frozen}, {"encoder/last", fresh}},
                          fresh, precedence::specificity)) == pair(fresh, fresh));
  CHECK_THROWS_AS(by_scope({{"a//b", shared}}, fresh), argument_error);
}

TEST_CASE("rules that are equally specific and at odds are an error", "[clone][edge-27]") {
  Graph g;
  const row4 x = input4(g);
  const row4 y = dense4(x, "last");
  (void)dense4(x, "other");
  const Region region = extract(inputs(x), outputs(y));
  set_values(g);
  const auto digest = g.digest();
  using variables::by_role, variables::by_scope, variables::precedence;
  const auto rules = std::vector<std::pair<std::string, variable_policy>>{
      {"other", variables::copied}, {"l*", variables::shared}, {"*t", variables::frozen}};
  const std::string found = message_of<argument_error>(
      [&] { (void)clone(region, by_scope(rules, variables::fresh, precedence::specificity)); });
  INFO(found);
  CHECK(mentions(found, "'last/w'"));
  CHECK(mentions(found, "rule 1 (scope 'l*': shared)"));
  CHECK(mentions(found, "rule 2 (scope '*t': frozen)"));
  CHECK(mentions(found, "equally specific"));
  const auto roles = std::vector<std::pair<variable_role, variable_policy>>{
      {variable_role::parameter, variables::copied}, {variable_role::parameter, variables::fresh}};
  const std::string also = message_of<argument_error>(
      [&] { (void)clone(region, by_role(roles, variables::fresh, precedence::specificity)); });
  INFO(also);
  CHECK(mentions(also, "rule 0 (role parameter: copied)"));
  CHECK(mentions(also, "rule 1 (role parameter: fresh)"));
  CHECK(g.digest() == digest);
  // Where order decides there is no conflict.
  CHECK(clone(region, by_role(roles, variables::shared)).initializer().variables.empty());
  CHECK(clone(region, by_scope(rules, variables::fresh)).variables().empty());
}

TEST_CASE("a rule for scopes without variables is refused with the scopes that have some",
          "[clone]") {
  Graph g;
  const row4 x = input4(g);
  const row4 y = dense4(dense4(x, "first"), "last");
  (void)dense4(x, "elsewhere");
  const Region region = extract(inputs(x), outputs(y));
  set_values(g);
  const auto asked = [](const char* scope) {
    return variables::by_scope({{"first", variables::shared}, {scope, variables::shared}},
                               variables::fresh);
  };
  const std::string found =
      message_of<argument_error>([&] { (void)clone(region, asked("fisrt")); });
  INFO(found);
  CHECK(mentions(found, "scope 'fisrt'"));
  CHECK(mentions(found, "'first', 'last'"));
  CHECK_FALSE(mentions(found, "'elsewhere'"));
  CHECK_THROWS_AS(ensemble(region, 2, asked("fisrt")), argument_error);
  CHECK_THROWS_AS(ensemble(region, 2).detach(
                      0, variables::by_scope({{"fisrt", variables::fresh}}, variables::copied)),
                  argument_error);
  CHECK_NOTHROW(clone(region, asked("elsewhere")));  // of the graph, though not of the region
  // Rules by role are for any network.
  CHECK_NOTHROW(clone(region, variables::by_role({{variable_role::statistic, variables::copied}},
                                                 variables::fresh)));
}

TEST_CASE("policies that contradict each other are refused", "[clone]") {
  Graph g;
  const row4 x = input4(g);
  const row4 y = dense4(x);
  const Region region = extract(inputs(x), outputs(y));
  const auto digest = g.digest();
  const auto rule = variables::by([](const variable_info&) { return variables::fresh; });
  const std::string found =
      message_of<argument_error>([&] { (void)clone(region, variables::fresh, variables::shared); });
  CHECK(mentions(found, "first by variables::fresh, then by variables::shared"));
  CHECK_THROWS_AS(clone(region, rule, variables::shared), argument_error);
  CHECK_THROWS_AS(clone(region, variables::shared, rule), argument_error);
  CHECK_THROWS_AS(clone(region, rule, rule), argument_error);
  CHECK_THROWS_AS(ensemble(region, 2, variables::fresh, variables::copied), argument_error);
  CHECK(g.digest() == digest);
  CHECK_NOTHROW(clone(region, variables::shared, variables::shared));
}

TEST_CASE("a clone that shares its variables draws by streams of its own where seeds are given",
          "[clone]") {
  Graph g;
  const auto x = placeholder<float, shape<1, 8>>(g, "x");
  const auto y = dropout(dense<32>(x), 0.5);
  const Region region = extract(inputs(x), outputs(y));
  const auto share = [&](const char* name, const auto&... choices) {
    return clone(region, bind(x, x), into(name), variables::shared, choices...);
  };
  const Clone early = share("early", seeds::split);  // the source's stream has no value yet
  CHECK(early.initializer().variables.size() == 1);
  Session session(g, {.seed = 3});
  session.initialize();
  const Clone plain = share("plain"), same = share("same", seeds::same);
  const Clone split = share("split", seeds::split), seven = share("seven", seeds::fresh(7));
  CHECK(plain.variables().empty());
  CHECK(same.variables().empty());
  REQUIRE(seven.variables().size() == 1);
  CHECK(g.variable_of(seven.variables()[0]).role == variable_role::rng_stream);
  CHECK(seven.initializer().variables.empty());  // it starts where the source's stream is
  const auto [of_y, of_plain, of_same, of_split, of_seven, of_early] =
      session.run(std::tuple{any_tensor(y), plain(any_tensor(y)), same(any_tensor(y)),
                             split(any_tensor(y)), seven(any_tensor(y)), early(any_tensor(y))},
                  feed(x, Array::full<float>({1, 8}, 0.5f)));
  CHECK(of_plain.same_bits(of_y));
  CHECK(of_same.same_bits(of_y));
  CHECK_FALSE(of_split.same_bits(of_y));
  CHECK_FALSE(of_seven.same_bits(of_y));
  CHECK_FALSE(of_early.same_bits(of_y));
  CHECK_FALSE(of_seven.same_bits(of_split));
  // Each step moves the streams that it draws from.
  const variable_id stream = seven.variables()[0];
  const Array before = session.value(stream);
  session.run(updates_of(seven(any_tensor(y))));
  CHECK_FALSE(session.value(stream).same_bits(before));
}
