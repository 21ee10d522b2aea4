// What a graph knows of its collections from the members' side.
#include <map>

#include "graft/graft.hpp"
#include "graft/graph/tables.hpp"

#include "clone_fixture.hpp"
#include "graph/lookup.hpp"
#include "surgery/collected.hpp"

using namespace graft_test;

namespace {

member of(tensor_id t) { return {member::kind::tensor, {}, t}; }
member of(variable_id v) { return {member::kind::variable, v, {}}; }
member of(op_id op) { return {member::kind::op, {}, {op, 0}}; }

// Names of the collections that a variable, or an op with its tensors, is in: as its members know, each with a number
// of entries.
template <class Id>
std::map<std::string, int> known_of(const Graph& g, Id id) {
  const Graph::tables& t = g.data();
  std::map<std::string, int> result;
  const detail::memberships& index = t.lookup->memberships;
  index.for_each(id, [&](std::uint32_t i) {
    const std::uint32_t c = index[i].collection;
    ++result[std::string(t.strings[t.collections[c].name])];
  });
  return result;
}
using known = std::map<std::string, int>;

struct sample {
  Graph g;
  row4 x = input4(g, "x"), a = relu(x, "a"), b = tanh(a, "b"), c = exp(b, "c");
  variable_id w = *g.variable_read_by(id_of(make_variable<float, shape<4>>(g, "w", ones())));
  sample() {
    g.add_to_collection("one", of(id_of(a)));
    g.add_to_collection("one", of(id_of(b)));
    g.add_to_collection("one", of(w));
    g.add_to_collection("two", of(op_of(a)));
    g.add_to_collection("two", of(id_of(a)));
    g.add_to_collection("two", of(id_of(a)));  // once
  }
};

}  // namespace

TEST_CASE("members know their collections", "[collections]") {
  sample s;
  CHECK(known_of(s.g, op_of(s.a)) == known{{"one", 1}, {"two", 2}});
  CHECK(known_of(s.g, op_of(s.b)) == known{{"one", 1}});
  CHECK(known_of(s.g, s.w) == known{{"one", 1}});
  CHECK(known_of(s.g, op_of(s.c)).empty());
  s.g.validate();
}

TEST_CASE("what members know is undone with its transaction", "[collections]") {
  sample s;
  const auto digest = s.g.digest();
  {
    Graph::transaction undo(s.g);
    s.g.add_to_collection("two", of(id_of(s.c)));
    s.g.add_to_collection("three", of(id_of(s.c)));
    s.g.erase_ops(std::vector{op_of(s.c)});
    s.g.validate();
    s.g.add_to_collection("four", of(id_of(s.b)));
    CHECK(known_of(s.g, op_of(s.b)) == known{{"one", 1}, {"four", 1}});
  }
  s.g.validate();
  CHECK(s.g.digest() == digest);
  CHECK(known_of(s.g, op_of(s.b)) == known{{"one", 1}});
  CHECK(known_of(s.g, op_of(s.c)).empty());
  // A name that was undone is made again, after others.
  s.g.add_to_collection("other", of(id_of(s.c)));
  s.g.add_to_collection("three", of(id_of(s.b)));
  CHECK(s.g.collection("three") == std::vector{of(id_of(s.b))});
  CHECK(s.g.collection("other") == std::vector{of(id_of(s.c))});
  s.g.validate();
}

TEST_CASE("what is removed leaves its collections, and the others keep their order",
          "[collections]") {
  sample s;
  s.g.erase_ops(std::vector{op_of(s.c), op_of(s.b)});
  s.g.validate();
  CHECK(s.g.collection("one") == std::vector{of(id_of(s.a)), of(s.w)});
  CHECK(known_of(s.g, op_of(s.a)) == known{{"one", 1}, {"two", 2}});
  s.g.add_to_collection("one", of(id_of(s.a)));
  CHECK(s.g.collection("one").size() == 2);
  s.g.add_to_collection("three", of(id_of(s.a)));
  CHECK(known_of(s.g, op_of(s.a)) == known{{"one", 1}, {"two", 2}, {"three", 1}});
  Graph moved(std::move(s.g));
  moved.validate();
  moved.add_to_collection("two", of(id_of(s.x)));
  CHECK(moved.collection("two").size() == 3);
}

TEST_CASE("a member that another one takes the place of keeps its place", "[collections]") {
  sample s;
  s.g.add_to_collection("both", of(id_of(s.a)));
  s.g.add_to_collection("both", of(id_of(s.c)));
  s.g.add_to_collection("both", of(id_of(s.x)));
  const auto digest = s.g.digest();
  {
    Graph::transaction undo(s.g);
    bypass(s.g, op_of(s.a));  // x takes the place of a
    s.g.validate();
    CHECK(s.g.collection("one") == std::vector{of(id_of(s.x)), of(id_of(s.b)), of(s.w)});
    CHECK(s.g.collection("both") == std::vector{of(id_of(s.x)), of(id_of(s.c))});
    s.g.add_to_collection("both", of(id_of(s.b)));
    s.g.validate();
  }
  s.g.validate();
  CHECK(s.g.digest() == digest);
  CHECK(s.g.collection("both") == std::vector{of(id_of(s.a)), of(id_of(s.c)), of(id_of(s.x))});
  CHECK(known_of(s.g, op_of(s.a)) == known{{"one", 1}, {"two", 2}, {"both", 1}});
}

TEST_CASE("a region finds its members by what it holds, however many others there are",
          "[collections][clone][edge-89]") {
  sample s;
  const Region region = extract(inputs(s.x), outputs(s.b));
  const auto found = [&] {
    std::vector<std::pair<std::string, member>> result;
    const Graph::tables& t = s.g.data();
    for (const auto& each : detail::collected_in(s.g, *region.data())) {
      result.emplace_back(t.strings[t.collections[each.collection].name], each.what);
    }
    return result;
  };
  const auto few = found();
  CHECK(few == std::vector<std::pair<std::string, member>>{{"one", of(id_of(s.a))},
                                                           {"one", of(id_of(s.b))},
                                                           {"two", of(op_of(s.a))},
                                                           {"two", of(id_of(s.a))}});
  row4 outside = s.c;
  for (int i = 0; i < 200; ++i) {
    outside = relu(outside);
    s.g.add_to_collection(i % 2 == 0 ? "one" : "further", of(id_of(outside)));
  }
  REQUIRE(s.g.data().lookup->memberships.size() > 10 * region.nodes().size());
  CHECK(found() == few);
  const Clone copy = clone(region);
  const auto one = s.g.collection("one");
  REQUIRE(one.size() == 3 + 100 + 2);
  CHECK(one[103] == of(copy(id_of(s.a))));
  CHECK(one[104] == of(copy(id_of(s.b))));
  s.g.validate();
}
