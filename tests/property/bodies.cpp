// Random networks with bodies in bodies: rules of clones and rewriting do in each body what they do in a graph.
#include <cmath>

#include "graft/graft.hpp"

#include "catch.hpp"
#include "dice.hpp"

using namespace graft;
using namespace graft_test;

namespace {

using row = tensor<Graph, dtype::float32, shape<4>>;
using answer = std::optional<std::vector<any_tensor>>;

// What a rule does with the ops of an operator, done by the builder instead.
enum class variant : std::uint8_t { plain, ruled };

// The same network for the same seed, but for what a rule would change.
class builder {
 public:
  builder(std::uint64_t seed, variant how) : dice_(seed), how_(how) {}

  row network(Graph& g) {
    x_ = placeholder<float, shape<4>>(g, "x");
    xs_ = placeholder<float, shape<3, 4>>(g, "xs");
    scale_ = placeholder<float, shape<4>>(g, "scale");
    p_ = placeholder<bool, shape<>>(g, "p");
    return tensors({x_, scale_}, 4 + dice_.below(6), 0);
  }

  row x_, scale_;
  tensor<Graph, dtype::float32, shape<3, 4>> xs_;
  tensor<Graph, dtype::boolean, shape<>> p_;

 private:
  row one_of(const std::vector<row>& known) { return dice_.of(known); }

  // The last of some tensors made of those known, which may be from around the body.
  row tensors(std::vector<row> known, std::size_t count, int depth) {
    for (std::size_t i = 0; i < count; ++i) known.push_back(op(known, depth));
    return known.back();
  }

  row op(const std::vector<row>& known, int depth) {
    switch (dice_.below(depth < 3 ? 11 : 7)) {
      case 0: {
        const row a = one_of(known), b = one_of(known);
        return a + b;
      }
      case 1: {
        const row a = one_of(known), b = one_of(known);
        return a * b;
      }
      case 2:
      case 3: {  // what rules are about
        const row a = one_of(known);
        return how_ == variant::ruled ? row(tanh(a) * scale_ + 0.5f) : row(tanh(a));
      }
      case 4:
        return neg(neg(one_of(known)));
      case 5:
        return identity(one_of(known));
      case 6: {
        const row a = one_of(known);
        return how_ == variant::ruled ? a : row(relu(a));  // dropped
      }
      case 7:
      case 8: {
        const std::size_t first = 1 + dice_.below(3), second = 1 + dice_.below(3);
        return cond(
            p_, [&] { return tensors(known, first, depth + 1); },
            [&] { return tensors(known, second, depth + 1); });
      }
      case 9: {
        const row start = one_of(known);
        return std::get<1>(while_loop(
            std::tuple{constant(target_traits<Graph>::target_of(start.ref()), std::int32_t{0}),
                       start},
            [](auto i, auto) { return i < std::int32_t{2}; },
            [&](auto i, auto v) {
              std::vector<row> inside = known;
              inside.push_back(v);
              return std::tuple{i + std::int32_t{1},
                                tensors(inside, 1 + dice_.below(3), depth + 1)};
            }));
      }
      default: {
        const row start = one_of(known);
        return std::get<0>(scan(start, xs_, [&](auto s, auto e) {
          std::vector<row> inside = known;
          inside.push_back(s);
          inside.push_back(e);
          const row next = tensors(inside, 1 + dice_.below(3), depth + 1);
          return std::tuple{next, std::tuple{}};
        }));
      }
    }
  }

  dice dice_;
  variant how_;
};

struct random_bodies {
  random_bodies(std::uint64_t seed, variant how) : made(seed, how), y(made.network(g)) {}

  Array run(const any_tensor& of, bool p) {
    return run(of, made.x_, made.scale_, made.xs_, made.p_, dtype::float32, p);
  }
  // The same of a clone that has inputs of its own.
  Array run(const Clone& copy, bool p, dtype type) {
    return run(copy(any_tensor(y)), copy(any_tensor(made.x_)), copy(any_tensor(made.scale_)),
               copy(any_tensor(made.xs_)), copy(any_tensor(made.p_)), type, p);
  }
  Array run(const any_tensor& of, const any_tensor& x, const any_tensor& scale,
            const any_tensor& xs, const any_tensor& which, dtype type, bool p) {
    const auto some = [type](const dims& shape, float first) {
      Array a(dtype::float32, shape);
      for (float& e : a.mutable_span<float>()) e = first += 0.17f;
      return a.cast(type);
    };
    // What nothing needs may not be fed.
    Session session(g, {.threads = 1});
    const any_tensor all = of + (x * 0.0 + scale * 0.0 + sum(xs) * 0.0 + cast(which, type) * 0.0);
    return session.run(all, feed(x, some({4}, -0.5f)), feed(scale, some({4}, 0.2f)),
                       feed(xs, some({3, 4}, -1)), feed(which, p));
  }

  Graph g;
  builder made;
  row y;
};

bool alike(const Array& a, const Array& b) {
  for (std::size_t i = 0; i < 4; ++i) {
    const float x = a.span<float>()[i], y = b.span<float>()[i];
    if (x != y && !(std::isnan(x) && std::isnan(y))) return false;
  }
  return true;
}

std::size_t matches_within(const Graph& g, const pattern& what) {
  std::size_t n = find_matches(g, what).size();
  for (std::size_t b = 0; b < g.body_count(); ++b) {
    // Bodies that nothing has any more stay where they were.
    bool used = false;
    for (std::size_t i = 0; i < g.op_count(); ++i) {
      for (const attribute& a : g.attributes_of(g.op_at(i))) {
        used =
            used || (a.kind == attribute_kind::body && a.integer == static_cast<std::int64_t>(b));
      }
    }
    if (used) n += matches_within(g.body(static_cast<std::int64_t>(b)), what);
  }
  return n;
}

}  // namespace

TEST_CASE("rules of clones make in bodies what a builder would have made [edge-60]") {
  for_seeds(300, [](std::uint64_t seed) {
    INFO("seed " << seed);
    random_bodies plain(seed, variant::plain), expected(seed, variant::ruled);
    const builder& m = plain.made;
    const Region region =
        extract(inputs(m.x_, m.xs_, m.scale_, m.p_), outputs(plain.y), leaks::error, unused::allow);
    const auto rule = each_op([&](const copied_op& op) -> answer {
      if (op.schema->name == "relu") return std::vector{op.operands[0]};
      if (op.schema->name != "tanh") return std::nullopt;
      return std::vector<any_tensor>{op.outputs[0] * m.scale_ + 0.5f};
    });
    const std::uint64_t digest = plain.g.digest();
    std::size_t left = seed % 7;
    const auto failing = each_op([&](const copied_op& op) -> answer {
      if (left-- == 0) throw std::runtime_error("no more");
      if (op.schema->name != "tanh") return std::nullopt;
      return std::vector<any_tensor>{op.outputs[0] * m.scale_};
    });
    try {
      const Graph::transaction undo(plain.g);
      (void)clone(region, failing);
    } catch (const std::runtime_error&) {
    }
    REQUIRE(plain.g.digest() == digest);
    const Clone copy = clone(region, bind(m.x_, m.x_), bind(m.xs_, m.xs_), bind(m.scale_, m.scale_),
                             bind(m.p_, m.p_), rule);
    plain.g.validate();
    copy.check();
    for (const bool p : {false, true}) {
      CHECK(alike(plain.run(copy(plain.y), p), expected.run(expected.y, p)));
    }
  });
}

TEST_CASE("simplified bodies compute what they did, and nothing matches any more [edge-60]") {
  for_seeds(300, [](std::uint64_t seed) {
    INFO("seed " << seed);
    random_bodies n(seed, variant::plain);
    const Array no = n.run(n.y, false), yes = n.run(n.y, true);
    any_tensor y = n.y;
    if (seed % 2 == 0) {
      y = simplify(n.g)(y);
      CHECK(matches_within(n.g, patterns::op(ops::identity, patterns::any())) == 0);
      CHECK(simplify(n.g).replacements == 0);
    } else {
      const builder& m = n.made;
      y = simplify(extract(inputs(m.x_, m.xs_, m.scale_, m.p_), outputs(n.y), leaks::error,
                           unused::allow))(y);
    }
    n.g.validate();
    CHECK(alike(n.run(y, false), no));
    CHECK(alike(n.run(y, true), yes));
  });
}

TEST_CASE("clones in double precision compute what the network does, and back its very bits") {
  for_seeds(300, [](std::uint64_t seed) {
    INFO("seed " << seed);
    random_bodies n(seed, variant::plain);
    const builder& m = n.made;
    const auto cut = [&](const any_tensor& x, const any_tensor& xs, const any_tensor& scale,
                         const any_tensor& p, const any_tensor& y) {
      return extract(inputs(x, xs, scale, p), outputs(y), leaks::error, unused::allow);
    };
    const Clone twice = clone(cut(m.x_, m.xs_, m.scale_, m.p_, n.y), element_type(dtype::float64));
    const auto of = [&](const any_tensor& t) { return twice(t); };
    const Region region = cut(of(m.x_), of(m.xs_), of(m.scale_), of(m.p_), of(n.y));
    const Clone back = clone(region, element_type(dtype::float32));
    n.g.validate();
    twice.check();
    back.check();
    for (const bool p : {false, true}) {
      const Array wanted = n.run(n.y, p), found = n.run(twice, p, dtype::float64);
      REQUIRE(found.type() == dtype::float64);
      // Where rounding has not been blown up, as products of products may.
      for (std::size_t i = 0; i < 4; ++i) {
        const double a = static_cast<double>(wanted.span<float>()[i]), b = found.span<double>()[i];
        if (std::abs(a) < 10) CHECK(std::abs(a - b) < 1e-3);
      }
      const Array again = n.run(back(of(n.y)), back(of(m.x_)), back(of(m.scale_)), back(of(m.xs_)),
                                back(of(m.p_)), dtype::float32, p);
      CHECK(alike(again, wanted));
    }
  });
}
