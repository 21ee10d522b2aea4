// What of collections comes along with a clone.
#include "graft/graft.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

namespace {

struct collected {
  Graph g;
  row4 x = input4(g, "x"), y = dense4(x), outside = relu(x, "outside");
  variable_id w = variable_named(g, "dense/w");
  Region region = extract(inputs(x), outputs(y));
  collected() {
    g.add_to_collection("weights", {member::kind::variable, w, {}});
    g.add_to_collection("outputs", {member::kind::tensor, {}, id_of(y)});
    g.add_to_collection("outputs", {member::kind::op, {}, id_of(y)});
    g.add_to_collection("elsewhere", {member::kind::tensor, {}, id_of(outside)});
  }
};

}  // namespace

TEST_CASE("copies join no collection where none is wanted", "[clone][edge-38]") {
  collected s;
  const Clone copy = clone(s.region, collections::none);
  CHECK(s.g.collection("weights").size() == 1);
  CHECK(s.g.collection("outputs").size() == 2);
  CHECK(has(s.g.variables(), copy(s.w)));  // what the graph keeps itself is not a choice
  Graph there;
  (void)clone(s.region, into(there, "copy"), collections::none);
  CHECK(there.collections() == std::vector<std::string>{"variables", "trainable_variables"});
  (void)clone(s.region, collections::none, collections::keep);  // the last one counts
  CHECK(s.g.collection("weights").size() == 2);
}

TEST_CASE("collections of copies are named by a rule", "[clone][edge-38]") {
  collected s;
  std::vector<std::string> asked;
  const auto rule = collections::by([&](std::string_view name) -> std::optional<std::string> {
    asked.emplace_back(name);
    if (name == "weights") return std::nullopt;
    return "copy/" + std::string(name);
  });
  const Clone copy = clone(s.region, rule);
  CHECK(asked == std::vector<std::string>{"weights", "outputs"});  // once each, of those concerned
  CHECK(s.g.collection("weights").size() == 1);
  CHECK(s.g.collection("outputs").size() == 2);
  CHECK(s.g.collection("copy/outputs") ==
        std::vector<member>{{member::kind::tensor, {}, copy(id_of(s.y))},
                            {member::kind::op, {}, copy(id_of(s.y))}});
  // Two may become one, in another graph, too.
  Graph there;
  const Clone other = clone(s.region, into(there, ""),
                            collections::by([](std::string_view) { return std::string("all"); }));
  CHECK(there.collection("all").size() == 3);
  CHECK(there.collection("all")[0].variable == other(s.w));
  there.validate();
}

TEST_CASE("what a rule for collections does wrong leaves the graphs as they were",
          "[clone][edge-38][edge-85]") {
  collected s;
  const auto digest = s.g.digest();
  CHECK_THROWS_AS(
      clone(s.region, collections::by([](std::string_view) { return std::string("variables"); })),
      name_error);
  CHECK_THROWS_AS(clone(s.region, collections::by([](std::string_view) -> std::string {
                          throw std::runtime_error("no");
                        })),
                  std::runtime_error);
  CHECK(s.g.digest() == digest);
}

TEST_CASE("further parameters of split ties follow the first", "[clone][ties][edge-38]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto w = make_variable<float, shape<4>>(g, "w", ones());
  const auto y = mul(mul(x, w), w, "y");
  g.add_to_collection("weights", {member::kind::variable, *g.variable_read_by(id_of(w)), {}});
  const Region region = extract(inputs(x), outputs(y));
  (void)clone(region, ties::split, collections::none);
  CHECK(g.collection("weights").size() == 1);
  (void)clone(region, ties::split,
              collections::by([](std::string_view) { return std::string("mine"); }));
  CHECK(g.collection("mine").size() == 2);
  CHECK(g.collection("weights").size() == 1);
}

TEST_CASE("ensembles follow the choice of collections", "[ensemble][edge-38]") {
  collected s;
  (void)ensemble(s.region, 2, collections::none);
  CHECK(s.g.collection("outputs").size() == 2);
  CHECK(s.g.collection("weights").size() == 1);
  (void)ensemble(s.region, 2, collections::by([](std::string_view name) {
                   return name == "weights" ? std::nullopt : std::optional<std::string>("many");
                 }));
  CHECK(s.g.collection("many").size() >= 2);
  CHECK(s.g.collection("weights").size() == 1);
  s.g.validate();
}
