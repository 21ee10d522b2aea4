// What a copy keeps however it is made: the order of operands, the structure of what is asked for, and the
// graph that it was made from.
#include <map>

#include <boost/hana/adapt_struct.hpp>

#include "graft/graft.hpp"
#include "graft/runtime/struct_mirror.hpp"

#include "clone_fixture.hpp"
#include "ensemble_fixture.hpp"
#include "temporary_file.hpp"

using namespace graft;
using namespace graft_test;

namespace {

using square = tensor<Graph, dtype::float32, shape<3, 3>>;

// A value that changes with every exchange of two operands: products, differences, quotients, a choice, joined
// parts, and tensors that one op takes several times.
struct ordered {
  Graph g;
  square a = placeholder<float, shape<3, 3>>(g, "a"), b = placeholder<float, shape<3, 3>>(g, "b");
  any_tensor y;

  // With clutter, unrelated ops lie between those of the region.
  explicit ordered(bool clutter) {
    const auto beside = [&] {
      if (clutter) (void)exp(a, "beside");
    };
    const auto product = matmul(a, b);
    beside();
    const auto difference = sub(product, b);
    beside();
    const auto quotient = div(a, add(difference, difference));
    beside();
    const auto chosen = select(a < b, sub(b, quotient), a);
    const auto once = matmul(difference, difference);
    beside();
    y = concat<0>(chosen, difference, once, difference, sub(a, chosen));
  }
  [[nodiscard]] Region region() const { return extract(inputs(a, b), outputs(y)); }
};

Array first() { return numbers({3, 3}, 0.7f); }
Array second() { return numbers({3, 3}, -0.4f); }

Array value_of(Graph& g, const any_tensor& y, const any_tensor& a, const any_tensor& b) {
  Session session(g, {.threads = 1});
  return session.run(y, feed(a, first()), feed(b, second()));
}

// The images of the uses of each tensor, in order, are the uses of the images.
void check_uses(const Clone& c) {
  Graph &from = c.origin().graph(), &to = c.graph();
  for (const op_id op : c.origin().nodes()) {
    for (std::uint32_t i = 0; i < from.output_count(op); ++i) {
      std::vector<std::pair<op_id, std::uint32_t>> wanted, found;
      for (const Graph::use& u : from.uses({op, i})) {
        if (const auto image = c.find(u.user)) wanted.emplace_back(*image, u.slot);
      }
      for (const Graph::use& u : to.uses(c(tensor_id{op, i}))) found.emplace_back(u.user, u.slot);
      CHECK(found == wanted);
    }
  }
}

struct pair_of_rows {
  row4 left, right;
};
struct answer {
  row4 touched;
  std::optional<pair_of_rows> pair;
  std::map<std::string, std::vector<row4>> named;
  std::array<row4, 0> nothing;
};

}  // namespace

BOOST_HANA_ADAPT_STRUCT(pair_of_rows, left, right);
BOOST_HANA_ADAPT_STRUCT(answer, touched, pair, named, nothing);

TEST_CASE("the order of operands is kept by every way of copying", "[edge-57]") {
  ordered s(GENERATE(false, true));
  const Region region = s.region();
  const Array wanted = value_of(s.g, s.y, s.a, s.b);
  // The order matters: exchanging the two inputs gives another value.
  CHECK_FALSE(value_of(s.g, s.y, s.b, s.a).same_bits(wanted));

  SECTION("in the same graph") {
    const auto c = placeholder<float, shape<3, 3>>(s.g, "c");
    const Clone copy = clone(region, bind(s.a, s.b, s.b, c));
    copy.check();
    check_uses(clone(region));
    CHECK(value_of(s.g, copy(s.y), s.b, c).same_bits(wanted));
  }
  SECTION("with the two inputs exchanged") {
    const Clone copy = clone(region, bind(s.a, s.b, s.b, s.a));
    CHECK(value_of(s.g, copy(s.y), s.b, s.a).same_bits(wanted));
  }
  SECTION("in another graph, one of replicas, a clone of a clone") {
    Graph other;
    (void)dense4(input4(other, "a"));
    const auto replicas = replicate(region, 2, into(other, "net"));
    const Clone& copy = replicas[1];
    copy.check();
    check_uses(copy);
    CHECK(value_of(other, copy(s.y), copy(s.a), copy(s.b)).same_bits(wanted));
    const Clone next = clone(extract(inputs(copy(s.a), copy(s.b)), outputs(copy(s.y))));
    check_uses(next);
    CHECK(value_of(other, next(copy(s.y)), next(copy(s.a)), next(copy(s.b))).same_bits(wanted));
  }
  SECTION("by substitution") {
    const auto c = placeholder<float, shape<3, 3>>(s.g, "c");
    CHECK(value_of(s.g, substitute(s.y, bind(s.a, s.b, s.b, c)), s.b, c).same_bits(wanted));
    CHECK(value_of(s.g, substitute(s.y, bind(s.a, s.b, s.b, s.a)), s.b, s.a).same_bits(wanted));
  }
  SECTION("through a file") {
    const temporary_file file;
    save_region(file.path, region);
    Graph other;
    const loaded_region loaded = load_region(other, file.path);
    CHECK(value_of(other, loaded.outputs[0], loaded.inputs[0], loaded.inputs[1]).same_bits(wanted));
  }
  SECTION("by a rule that leaves ops as they are") {
    const Clone copy = clone(
        region, each_op([](const copied_op&) { return std::optional<std::vector<any_tensor>>(); }));
    check_uses(copy);
    CHECK(value_of(s.g, copy(s.y), copy(s.a), copy(s.b)).same_bits(wanted));
  }
  SECTION("in an ensemble") {
    const auto each = placeholder<float, shape<2, 3, 3>>(s.g, "each");
    const Ensemble many = ensemble(region, 2, bind_each(s.a, each), bind(s.b, s.b));
    Array both(dtype::float32, {2, 3, 3});
    for (std::size_t i = 0; i < 9; ++i) {
      both.mutable_span<float>()[i] = second().span<float>()[i] * 3.0f;
      both.mutable_span<float>()[9 + i] = first().span<float>()[i];
    }
    Session session(s.g);
    const Array all = session.run(many(s.y), feed(each, both), feed(s.b, second()));
    check_close(all.rows(1, 2).reshaped(wanted.shape()), wanted, 1e-5);
  }
}

TEST_CASE("an op that takes one tensor several times does so in the copy", "[edge-57]") {
  Graph g;
  const auto x = placeholder<float, shape<2>>(g, "x");
  const auto twice = add(x, x);
  const auto joined = concat<0>(twice, x, twice, twice);
  const Clone copy = clone(extract(inputs(x), outputs(joined)), into("copy"));
  const auto places = [&](const any_tensor& t, const any_tensor& user) {
    std::vector<std::uint32_t> result;
    for (const Graph::use& u : g.uses(id_of(t))) {
      if (u.user == op_of(user)) result.push_back(u.slot);
    }
    return result;
  };
  CHECK(places(copy(x), copy(twice)) == std::vector<std::uint32_t>{0, 1});
  CHECK(places(copy(twice), copy(joined)) == std::vector<std::uint32_t>{0, 2, 3});
  CHECK(places(copy(x), copy(joined)) == std::vector<std::uint32_t>{1});
  g.validate();
}

TEST_CASE("structures of every kind are mirrored, and what nothing changes is itself",
          "[edge-56]") {
  Graph g;
  const row4 x = input4(g, "x"), x2 = input4(g, "x2"), other = input4(g, "other");
  const row4 y = relu(x), z = tanh(x), away = relu(other);
  const answer asked{y, pair_of_rows{away, z}, {{"none", {}}, {"some", {away, y}}}, {}};

  SECTION("by substitution") {
    const answer found = substitute(asked, bind(x, x2));
    CHECK(found.touched.ref() != y.ref());
    CHECK(found.pair->left.ref() == away.ref());
    CHECK(found.pair->right.ref() != z.ref());
    CHECK(found.named.at("none").empty());
    CHECK(found.named.at("some")[0].ref() == away.ref());
    CHECK(found.named.at("some")[1].ref() == found.touched.ref());
    const answer without = substitute(answer{y, {}, {}, {}}, bind(x, x2));
    CHECK_FALSE(without.pair.has_value());
    CHECK(without.named.empty());
  }
  SECTION("by the map of a clone") {
    const Region region = extract(inputs(x, other), outputs(asked));
    CHECK(region.outputs().size() == 5);
    const Clone copy = clone(region, bind(x, x2, other, other), coverage::affected);
    const answer found = copy(asked);
    CHECK(found.pair->left.ref() == away.ref());
    CHECK(found.named.at("some")[0].ref() == away.ref());
    CHECK(found.touched.ref() == copy(y).ref());
    CHECK(copy.original(found).pair->right.ref() == z.ref());
    const row4 outside = exp(y);
    const answer kept = copy.or_self(answer{outside, pair_of_rows{y, outside}, {}, {}});
    CHECK(kept.touched.ref() == outside.ref());
    CHECK(kept.pair->left.ref() == found.touched.ref());
  }
  SECTION("with nothing in them") {
    const Clone copy = clone(extract(inputs(x), outputs(y)));
    CHECK(copy(std::array<row4, 0>{}).empty());
    CHECK(copy(std::pair{std::tuple<>{}, std::vector<std::optional<row4>>(2)}).second.size() == 2);
    const auto [none, one] = substitute(std::tuple{std::array<row4, 0>{}, y}, bind(x, x2));
    CHECK(none.empty());
    CHECK(g.operand(op_of(one), 0) == id_of(x2));
  }
}

TEST_CASE("what is in a graph with equal names stays as it is", "[edge-63]") {
  Graph g, other;
  const row4 x = input4(g, "x"), theirs_in = input4(other, "x");
  const row4 y = graft_test::two_layers(x), theirs = graft_test::two_layers(theirs_in);
  set_values(g, 1);
  set_values(other, 100);
  const Region region = extract(inputs(x), outputs(y));
  const auto before = g.digest();
  const std::vector<variable_id> there = other.variables();
  const std::vector<std::string> names_there = paths(other, there);
  Session session(other), here(g);
  const Array rows = numbers({2, 4}, 0.5f);
  const Array wanted = session.run(theirs, feed(theirs_in, rows));

  const Clone copy = clone(region, into(other, ""), variables::copied);
  other.validate();
  CHECK(paths(other, there) == names_there);
  CHECK(paths(other, copy.variables()) ==
        std::vector<std::string>{"dense_2/w", "dense_2/b", "dense_3/w", "dense_3/b"});
  CHECK(session.run(theirs, feed(theirs_in, rows)).same_bits(wanted));
  CHECK(session.run(copy(y), feed(copy(x), rows)).same_bits(here.run(y, feed(x, rows))));
  CHECK(other.uses(id_of(theirs_in)).size() == 1);
  // The one that was there may be the copy's input, and its output what the copy goes on from.
  const Clone behind = clone(region, into(other, ""), bind(x, theirs), variables::copied);
  CHECK(session.run(behind(y), feed(theirs_in, rows)).same_bits(here.run(y, feed(x, wanted))));
  CHECK(g.digest() == before);
}

TEST_CASE("a graph that may only be read is cloned from", "[edge-63]") {
  Graph g;
  const row4 x = input4(g, "x");
  row4 y;
  {
    const in_scope inside(g, "net");
    y = graft_test::two_layers(x);
  }
  set_values(g);
  const Graph& source = g;
  const auto digest = source.digest();
  const auto version = source.version();
  const Region region = region_of(source, find_ops(source, within_scope("net")));
  CHECK(region.inputs() == ids(x));

  Graph other;
  const Clone copied = clone(region, into(other, "net"), variables::copied);
  const Clone frozen = clone(region, into(other, "net"), variables::frozen);
  const Clone shared = clone(region, into(other, "net"), variables::shared);
  const Clone fresh = clone(region, into(other, "net"));
  other.validate();
  Session session(other);
  const Array rows = numbers({3, 4}, 0.5f);
  const Array wanted = session.run(copied(y), feed(copied(x), rows));
  CHECK(session.run(frozen(y), feed(frozen(x), rows)).same_bits(wanted));
  CHECK(session.run(shared(y), feed(shared(x), rows)).same_bits(wanted));
  CHECK_THROWS_AS(session.run(fresh(y), feed(fresh(x), rows)), uninitialized_error);
  const temporary_file file;
  save_region(file.path, region);
  CHECK(source.digest() == digest);
  CHECK(source.version() == version);
  CHECK_FALSE(region.stale());
}
