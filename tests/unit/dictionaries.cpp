// Structures of handles with names: boundaries, maps of clones, substitutions, fetches.
#include <map>
#include <unordered_map>

#include "graft/graft.hpp"

#include "clone_fixture.hpp"

using namespace graft;
using namespace graft_test;

namespace {

struct subject {
  Graph g;
  row4 x = input4(g, "x"), z = input4(g, "z");
  row4 h = dense4(x);
  std::map<std::string, row4> heads{{"value", relu(h)}, {"policy", tanh(h)}};
};

}  // namespace

TEST_CASE("dictionaries of handles are boundaries and are mirrored by clones", "[edge-56][rival]") {
  subject s;
  const std::unordered_map<std::string, any_tensor> given{{"b", s.x}};
  const Region region = extract(inputs(given), outputs(s.heads));
  // In the order of keys.
  CHECK(region.outputs() == std::vector{id_of(s.heads.at("policy")), id_of(s.heads.at("value"))});
  const Clone copy = clone(region, bind(s.x, s.z));
  const std::map<std::string, row4> images = copy(s.heads);
  CHECK(images.size() == 2);
  CHECK(images.at("value").ref() == copy(s.heads.at("value")).ref());
  CHECK(images.at("policy").ref() == copy(s.heads.at("policy")).ref());
  CHECK(copy.original(images).at("value").ref() == s.heads.at("value").ref());
  CHECK(copy(given).at("b").ref() == s.z.ref());

  // Nested, empty, and with keys of other types.
  std::map<int, std::vector<std::map<char, row4>>> deep;
  deep[3].push_back({{'v', s.heads.at("value")}});
  deep[1];
  const auto mapped = copy(deep);
  CHECK(mapped.at(1).empty());
  CHECK(mapped.at(3)[0].at('v').ref() == images.at("value").ref());
  CHECK(copy(std::map<std::string, row4>{}).empty());
}

TEST_CASE("substitutions mirror dictionaries", "[edge-56][rival]") {
  subject s;
  const auto replaced = substitute(s.heads, bind(s.x, s.z));
  static_assert(std::is_same_v<decltype(replaced), const std::map<std::string, row4>>);
  CHECK(replaced.at("value").ref() != s.heads.at("value").ref());
  const Region region = extract(inputs(s.z), outputs(replaced));
  CHECK(region.outputs().size() == 2);
}

TEST_CASE("results come in the dictionaries that were fetched", "[edge-79]") {
  subject s;
  set_values(s.g);
  Session session(s.g);
  Array rows(dtype::float32, {2, 4});
  const std::map<std::string, Array> found = session.run(s.heads, feed(s.x, rows));
  CHECK(found.at("value").same_bits(session.run(s.heads.at("value"), feed(s.x, rows))));
  CHECK(found.at("policy").same_bits(session.run(s.heads.at("policy"), feed(s.x, rows))));
  const std::unordered_map<int, std::pair<row4, any_tensor>> pairs{
      {7, {s.heads.at("value"), s.x}}, {2, {s.heads.at("policy"), s.h}}};
  const auto both = session.run(pairs, feed(s.x, rows));
  CHECK(both.at(7).first.same_bits(found.at("value")));
  CHECK(both.at(7).second.same_bits(rows));
  CHECK(both.at(2).first.same_bits(found.at("policy")));
  CHECK(session.run(std::map<int, row4>{}).empty());
}
