// Values copied between regions that are the same network, clones of each other or not.
#include "graft/graft.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

namespace {

// Two layers and a statistic, from a builder that is used twice.
struct network_pair {
  Graph g, h;
  row4 x = input4(g, "x"), x2 = input4(h, "other");
  row4 y = build(x, "net"), y2 = build(x2, "elsewhere/deep");
  Region source = extract(inputs(x), outputs(y)), target = extract(inputs(x2), outputs(y2));

  static row4 build(const row4& in, std::string_view scope, bool tied = false) {
    Graph& to = target_traits<Graph>::target_of(in.ref());
    const in_scope inside(to, scope.substr(0, scope.find('/')));
    const auto w = make_variable<float, shape<4, 4>>(to, "w", glorot_uniform());
    const auto v = tied ? w : make_variable<float, shape<4, 4>>(to, "v", glorot_uniform());
    return row4(batch_norm(matmul(relu(matmul(in, w)), v)).ref());
  }
  network_pair() {
    set_values(g, 1);
    set_values(h, 500);
  }
};

}  // namespace

TEST_CASE("values are copied between networks of one structure", "[edge-44]") {
  network_pair n;
  REQUIRE(n.source.variables().size() == n.target.variables().size());
  REQUIRE_FALSE(isomorphic(n.source, n.target, including::values));
  const auto before = n.g.digest();
  copy_values(n.source, n.target);
  CHECK(isomorphic(n.source, n.target, including::values));
  CHECK(n.g.digest() == before);
  // The values are one until they are written.
  for (const auto& [from, to] : correspond(n.source, n.target).variables) {
    CHECK(n.g.store().get(from).shares_storage_with(n.h.store().get(to)));
  }
  n.g.store().set(n.source.variables().front(), Array::full<float>({4, 4}, 9));
  CHECK_FALSE(isomorphic(n.source, n.target, including::values));

  // Whether a variable is trained is no matter, and both may be of one graph.
  const Clone quiet = clone(n.source, bind(n.x, n.x), trainable(false));
  const Region quiet_region = extract(inputs(n.x), outputs(quiet(n.y)));
  REQUIRE_FALSE(isomorphic(n.source, quiet_region));
  copy_values(n.source, quiet_region);
  for (const variable_id v : n.source.variables()) {
    CHECK(n.g.store().get(quiet(v)).same_bits(n.g.store().get(v)));
  }
}

TEST_CASE("values are not copied between networks that differ", "[edge-44]") {
  network_pair n;
  const auto refused = [&](const Region& source, const Region& target) {
    const auto g = n.g.digest(), h = n.h.digest();
    const std::string text = message_of<argument_error>([&] { copy_values(source, target); });
    CHECK(n.g.digest() == g);
    CHECK(n.h.digest() == h);
    CHECK(mentions(text, "not the same network"));
    const auto first = diff(source, target).front().text;
    CHECK(mentions(text, first));
    return text;
  };
  SECTION("an operator") {
    const Region deeper = extract(inputs(n.x2), outputs(tanh(n.y2, "odd")));
    CHECK(mentions(refused(n.source, deeper), "odd"));
  }
  SECTION("a tie") {
    const row4 tied = network_pair::build(n.x2, "tied", true);
    set_values(n.h, 900);
    (void)refused(n.source, extract(inputs(n.x2), outputs(tied)));
    (void)refused(extract(inputs(n.x2), outputs(tied)), n.source);
  }
  SECTION("a shape") {
    const auto wide = matmul(n.x2, make_variable<float, shape<4, 8>>(n.h, "wide", zeros()));
    const auto narrow = matmul(n.x, make_variable<float, shape<4, 4>>(n.g, "narrow", zeros()));
    set_values(n.g), set_values(n.h);
    (void)refused(extract(inputs(n.x), outputs(narrow)), extract(inputs(n.x2), outputs(wide)));
  }
  SECTION("the role of a variable") {
    const auto a = make_variable<float, shape<4>>(n.g, "a", zeros(), false);
    const auto b =
        make_variable<float, shape<4>>(n.h, "b", zeros(), false, variable_role::statistic);
    set_values(n.g), set_values(n.h);
    CHECK(mentions(
        refused(extract(inputs(n.x), outputs(n.x + a)), extract(inputs(n.x2), outputs(n.x2 + b))),
        "statistic"));
  }
}

TEST_CASE("a region without values gives none", "[edge-44]") {
  network_pair n;
  n.g.store().reset(n.source.variables().back());
  const auto before = n.h.digest();
  CHECK(mentions(message_of<uninitialized_error>([&] { copy_values(n.source, n.target); }),
                 n.g.path_of(n.source.variables().back())));
  CHECK(n.h.digest() == before);
}
