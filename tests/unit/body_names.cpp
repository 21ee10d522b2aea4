// Names in bodies: they may be those of ops outside, and never wire anything.
#include "graft/graft.hpp"
#include "graft/io/region_file.hpp"

#include "clone_fixture.hpp"
#include "temporary_file.hpp"

using namespace graft;
using namespace graft_test;

namespace {

using vec = tensor<Graph, dtype::float32, shape<3>>;

vec number(Graph& g, std::initializer_list<float> values, std::string_view name) {
  return as<float, shape<3>>(constant(g, Array::from<float>({3}, values), name));
}

// Bodies two deep whose ops, constants and variables have the names of ops outside, with other values there.
struct shadowed {
  Graph g;
  vec x = placeholder<float, shape<3>>(g, "x");
  tensor<Graph, dtype::boolean, shape<>> p = placeholder<bool, shape<>>(g, "p");
  vec h = add(x, x, "h");
  vec k = number(g, {100, 200, 300}, "k");
  vec y;

  shadowed() {
    y = cond(
        p,
        [&] {
          Graph& body = *g.current_body();
          const vec inner_k = number(body, {1, 2, 3}, "k");
          const vec inner_h = add(h, inner_k, "h");  // the outer h, under the same name
          return cond(
              p,
              [&] {
                Graph& deeper = *body.current_body();
                const vec deep_k = number(deeper, {10, 20, 30}, "k");
                const vec x_of_its_own = mul(inner_h, deep_k, "x");
                return sub(x_of_its_own, k, "h");  // the outermost k
              },
              [&] { return inner_h; });
        },
        [&] { return k; });
  }
  // What y is for p: ((2x + inner k) * deep k) - outer k.
  [[nodiscard]] static Array wanted(const Array& x) {
    Array result = x;
    auto e = result.mutable_span<float>();
    for (std::size_t i = 0; i < 3; ++i) {
      const auto n = static_cast<float>(i + 1);
      e[i] = (2 * e[i] + n) * (10 * n) - 100 * n;
    }
    return result;
  }
};

const Array rows = Array::from<float>({3}, {1, -2, 4});

Array run(Graph& g, const any_tensor& y, const any_tensor& x, const any_tensor& p) {
  Session session(g, {.threads = 1});
  return session.run(y, feed(x, rows), feed(p, Array::scalar(true)));
}

}  // namespace

TEST_CASE("what a body calls as something outside is called stays the body's own",
          "[edge-60][rival]") {
  shadowed s;
  REQUIRE(run(s.g, s.y, s.x, s.p).same_bits(shadowed::wanted(rows)));
  const Region region = extract(inputs(s.x, s.p), outputs(s.y));

  SECTION("in clones, in the same graph and in one with decoys of those names") {
    const Clone here = clone(region, into(""));
    here.check();
    CHECK(run(s.g, here(s.y), here(s.x), here(s.p)).same_bits(shadowed::wanted(rows)));
    Graph other;
    for (const char* name : {"x", "h", "k", "p"})
      (void)constant(other, Array::full<float>({3}, 1e6f), name);
    const Clone there = clone(region, into(other, ""));
    there.check();
    CHECK(run(other, there(s.y), there(s.x), there(s.p)).same_bits(shadowed::wanted(rows)));
    const Clone again = clone(extract(inputs(there(s.x), there(s.p)), outputs(there(s.y))));
    CHECK(run(other, again(there(s.y)), again(there(s.x)), again(there(s.p)))
              .same_bits(shadowed::wanted(rows)));
  }
  SECTION("what comes from outside is the replacement, and only that") {
    const vec h2 = number(s.g, {0, 0, 0}, "h");
    const Clone copy =
        clone(extract(inputs(s.h, s.p), outputs(s.y)), bind(s.h, h2), bind(s.p, s.p));
    Session session(s.g, {.threads = 1});
    const Array found = session.run(copy(s.y), feed(s.p, true));
    CHECK(found.same_bits(Array::from<float>({3}, {-90, -160, -210})));  // k * 10 k - 100 k
    const vec y2 = substitute(s.y, bind(s.h, h2));
    CHECK(session.run(y2, feed(s.p, true)).same_bits(found));
  }
  SECTION("through a file") {
    const temporary_file file;
    save_region(file.path, region);
    Graph other;
    (void)constant(other, Array::full<float>({3}, 1e6f), "k");
    const loaded_region loaded = load_region(other, file.path);
    other.validate();
    CHECK(run(other, loaded.outputs[0], loaded.inputs[0], loaded.inputs[1])
              .same_bits(shadowed::wanted(rows)));
  }
  SECTION("and its gradient") {
    const any_tensor slope = gradients(sum(square(s.y)), {s.x})[0];
    const Clone copy = clone(extract(inputs(s.x, s.p), outputs(slope)));
    const Array wanted = Array::from<float>({3}, {-2800, -19200, 3600});  // 2 y * 20 n
    CHECK(run(s.g, slope, s.x, s.p).same_bits(wanted));
    CHECK(run(s.g, copy(slope), copy(s.x), copy(s.p)).same_bits(wanted));
  }
}

TEST_CASE("each body of three takes the copy of what it took", "[edge-60]") {
  Graph g;
  const vec x = placeholder<float, shape<3>>(g, "x"), a = placeholder<float, shape<3>>(g, "a");
  const vec b = placeholder<float, shape<3>>(g, "b"), c = placeholder<float, shape<3>>(g, "c");
  const auto p = placeholder<bool, shape<>>(g, "p");
  // a is taken by the first body alone, b by the second, c by the third, x by all.
  const vec y = cond(
      p,
      [&] {
        const vec first = cond(
            p,
            [&] {
              const vec second =
                  cond(p, [&] { return vec(sub(mul(x, c), c)); }, [&] { return vec(x * 1.0f); });
              return vec(sub(b, second));
            },
            [&] { return vec(x * 1.0f); });
        return vec(div(first, a));
      },
      [&] { return vec(x * 1.0f); });
  const Region region = extract(inputs(x, a, b, c, p), outputs(y));
  const auto number = [](float v) { return Array::full<float>({3}, v); };
  const auto value = [&](Graph& in, const any_tensor& t, const std::vector<any_tensor>& at) {
    Session session(in, {.threads = 1});
    return session
        .run(t, std::vector<feed_item>{feed(at[0], number(2)), feed(at[1], number(4)),
                                       feed(at[2], number(8)), feed(at[3], number(16)),
                                       feed(at[4], Array::scalar(true))})
        .at<float>({0});
  };
  const float wanted = (8 - (2 * 16 - 16)) / 4.0f;
  REQUIRE(value(g, y, {x, a, b, c, p}) == wanted);
  // The captures of each depth change places, all at once.
  const Clone turned = clone(region, bind(x, x, a, b, b, c, c, a, p, p));
  turned.check();
  CHECK(value(g, turned(y), {x, b, c, a, p}) == wanted);
  Graph other;
  const Clone far = clone(region, into(other, "far"));
  far.check();
  CHECK(value(other, far(y), {far(x), far(a), far(b), far(c), far(p)}) == wanted);
  // A capture that only the third body takes is a leak all the same.
  CHECK(mentions(message_of<boundary_error>([&] { (void)extract(inputs(x, a, b, p), outputs(y)); }),
                 "'c'"));
  // Bound to one tensor, all of them.
  const Clone one = clone(region, bind(x, x, a, x, b, x, c, x, p, p));
  one.check();
  Session session(g, {.threads = 1});
  CHECK(session.run(one(y), feed(x, number(3)), feed(p, true)).at<float>({0}) ==
        -1);  // (3 - 6) / 3
}
