// Errors name what the program called, and the line where it did.
#include <limits>

#include "graft/graft.hpp"

#include "catch.hpp"
#include "operands_fixture.hpp"

using namespace graft_test;
using Catch::Matchers::Contains;

namespace {

template <class F>
error_parts parts_of(F&& f) {
  try {
    f();
  } catch (const error& e) {
    return e.parts();
  }
  FAIL("nothing was thrown");
  return {};
}

std::string at(int line) { return std::string(__FILE__) + ":" + std::to_string(line); }

// The line of the op that makes a tensor.
int line_of(const Graph& g, const any_tensor& t) {
  return static_cast<int>(g.line_of(g.id(t).op).line);
}
bool stands_here(const Graph& g, op_id op) { return g.line_of(op).file == std::string(__FILE__); }

}  // namespace

TEST_CASE("symbols tell their line as functions do") {
  operands s;
  const auto [p, q, i] = std::tuple(s.p, s.q, s.i);
  CHECK(parts_of([&] { (void)(p + q); }).where == at(__LINE__));
  CHECK(parts_of([&] { (void)(p - q); }).where == at(__LINE__));
  CHECK(parts_of([&] { (void)(p * q); }).where == at(__LINE__));
  CHECK(parts_of([&] { (void)(p / q); }).where == at(__LINE__));
  CHECK(parts_of([&] { (void)(p < q); }).where == at(__LINE__));
  CHECK(parts_of([&] { (void)(p <= q); }).where == at(__LINE__));
  CHECK(parts_of([&] { (void)(p > q); }).where == at(__LINE__));
  CHECK(parts_of([&] { (void)(p >= q); }).where == at(__LINE__));
  CHECK(parts_of([&] { (void)-any_tensor(p < p); }).where == at(__LINE__));
  CHECK(parts_of([&] { (void)(i * 0.5); }).where == at(__LINE__));
  CHECK(parts_of([&] { (void)(0.5 / i); }).where == at(__LINE__));
  CHECK(parts_of([&] { (void)(0.5 >= i); }).where == at(__LINE__));
  const variable<dtype::float32, shape<4>> v(make_variable<float, shape<4>>(s.g, "v", zeros()));
  CHECK(line_of(s.g, v + v) == __LINE__);
  CHECK(line_of(s.g, 1.0f - v) == __LINE__);
  CHECK(line_of(s.g, p * v) == __LINE__);
  CHECK(line_of(s.g, v < p) == __LINE__);
  const any_tensor sum = p +  //
                         p;
  CHECK(line_of(s.g, sum) >= __LINE__ - 2);
  CHECK(parts_of([&] { (void)(i && p); }).where == at(__LINE__));
  CHECK(parts_of([&] { (void)(i || p); }).where == at(__LINE__));
  any_tensor changed = p;
  CHECK(parts_of([&] { changed += q; }).where == at(__LINE__));
  CHECK(parts_of([&] { changed -= q; }).where == at(__LINE__));
  CHECK(parts_of([&] { changed *= q; }).where == at(__LINE__));
  CHECK(parts_of([&] { changed /= q; }).where == at(__LINE__));
}

TEST_CASE("functions of many tensors tell their line") {
  operands s;
  const auto [p, q, i] = std::tuple(s.p, s.q, s.i);
  CHECK(line_of(s.g, concat<1>(p)) == __LINE__);
  CHECK(line_of(s.g, concat<1>(p, p)) == __LINE__);
  CHECK(line_of(s.g, concat<1>(p, p, p)) == __LINE__);
  CHECK(line_of(s.g, concat<1>(p, p, p, p)) == __LINE__);
  CHECK(parts_of([&] { (void)concat<0>(p, p, p, p, q); }).where == at(__LINE__));
  CHECK(parts_of([&] { (void)concat<0>(p, p, p, p, p, p, q); }).where == at(__LINE__));
  const any_tensor many = concat<1>(p, p, p, p, p, p, p, p, p, p, p, p, p, p, p, q);
  CHECK(line_of(s.g, many) == __LINE__ - 1);
  CHECK(s.g.type_of(s.g.id(many)) == value_type::of(dtype::float32, {dyn, 65}));
  CHECK(concat<1>(p, p, p, p, p, p, p, p, p, p, p, p, p, p, p, p, p).ref().slot != nullptr);

  constexpr auto both = [](auto a, auto b) { return a + b; };
  constexpr auto all = [](auto a, auto b, auto c, auto d, auto e) { return a + b + c + d + e; };
  CHECK(parts_of([&] { (void)(both >> dense<3>)(i, i); }).where == at(__LINE__));
  CHECK(parts_of([&] { (void)(all >> dense<3>)(i, i, i, i, i); }).where == at(__LINE__));
}

TEST_CASE("networks that the compiler records keep the lines of symbols") {
  constexpr auto n = net<[](auto x) { return x * 2.0f + 1.0f; }, in<float, shape<dyn, 4>>>();
  constexpr int line = __LINE__ - 1;
  for (const auto& op : n.table().ops) {
    if (op.schema->name == "mul" || op.schema->name == "add") CHECK(op.line.line == line);
  }
}

TEST_CASE("losses are named by what was called, while building and in a run") {
  operands s;
  const auto [p, q, i] = std::tuple(s.p, s.q, s.i);
  const any_tensor a = placeholder<float, shape<dyn>>(s.g, "a");
  const any_tensor b = placeholder<float, shape<dyn>>(s.g, "b");
  Session session(s.g);
  const auto check = [&](const std::string& name, auto&& loss, int line) {
    const error_parts shapes = parts_of([&] { (void)loss(p, q); });
    CHECK(shapes.asked == name + " was called on 'p' and 'q'");
    CHECK(shapes.found == "both must have one shape: needs float32 [?, 4], got float32 [?, 5]");
    CHECK(shapes.where == at(line));
    const error_parts types = parts_of([&] { (void)loss(p, i); });
    CHECK(types.found == "both must have one element type: needs float32 [?, 4], got int32 [?, 4]");
    CHECK(parts_of([&] { (void)loss(i, i); }).asked == name + " was called on 'i' and 'i'");
    const any_tensor late = loss(a, b);
    CHECK(s.g.path_of(s.g.id(late)).starts_with(name + "/"));
    const error_parts run = parts_of(
        [&] { session.run(late, feed(a, {1.0f, 2.0f, 3.0f}), feed(b, {1.0f, 2.0f, 3.0f, 4.0f})); });
    CHECK_THAT(run.asked, Contains("'" + name + "/"));
    CHECK(run.where == at(line));
  };
  check("mse", [](auto x, auto y) { return mse(x, y); }, __LINE__);
  check("huber", [](auto x, auto y) { return huber(x, y); }, __LINE__);
  check(
      "sigmoid_cross_entropy", [](auto x, auto y) { return sigmoid_cross_entropy(x, y); },
      __LINE__ - 1);
  const error_parts penalty = parts_of([&] { (void)l1_regularization(i, 0.5); });
  CHECK(penalty.asked == "l1_regularization was called on 'i'");
  CHECK(penalty.where == at(__LINE__ - 2));
  const any_tensor both = l2_regularization(0.1, p, q);
  CHECK(line_of(s.g, both) == __LINE__ - 1);
  CHECK(parts_of([&] { (void)huber(p, p, -1.0); }).where == at(__LINE__));
}

TEST_CASE("ops of gradients and optimisers stand where the program declared what they are for") {
  Graph g;
  const auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  const auto labels = placeholder<std::int64_t, shape<dyn>>(g, "labels");
  const auto y = dense<3>(gelu(dense<8>(x)) * 2.0f);
  const auto loss = mean(softmax_cross_entropy(y, labels));
  const std::size_t before = g.op_count();
  (void)minimize(loss, adam{.rate = exponential_decay(0.1, 10, 0.5)}, {.clip_norm = 1.0});
  REQUIRE(g.op_count() > before);
  for (std::size_t k = before; k < g.op_count(); ++k) {
    const op_id op = g.op_at(k);
    CAPTURE(g.path_of(op), g.line_of(op).file, g.line_of(op).line);
    CHECK((stands_here(g, op) || *g.line_of(op).file == 0));
  }
  const any_tensor gradient_of_x = gradients(loss, {x})[0];
  CHECK(stands_here(g, g.id(gradient_of_x).op));
}

TEST_CASE("a number takes the type of a tensor beside it, whenever that is known") {
  Graph g;
  const any_tensor x = placeholder(g, dtype::any, dims{dyn}, "x");
  Session session(g);
  const any_tensor doubled = x * 2.0, shifted = 1 - x, above = x > 1.5, half = x * 0.5;
  const std::string line = at(__LINE__ - 1);
  const any_tensor chosen = select(x < 2, 0, x);
  const Array floats = Array::from<float>({3}, {1, 2, 3});
  const Array integers = Array::from<std::int32_t>({3}, {1, 2, 3});
  CHECK(session.run(doubled, feed(x, floats)).at<float>({2}) == 6);
  CHECK(session.run(doubled, feed(x, integers)).at<std::int32_t>({2}) == 6);
  CHECK(session.run(shifted, feed(x, integers)).at<std::int32_t>({2}) == -2);
  CHECK(session.run(above, feed(x, floats)).at<bool>({1}));
  CHECK(session.run(chosen, feed(x, integers)).at<std::int32_t>({0}) == 0);
  CHECK(session.run(half, feed(x, floats)).at<float>({0}) == 0.5f);
  const error_parts refused = parts_of([&] { session.run(half, feed(x, integers)); });
  CHECK_THAT(refused.found, Contains("must be a whole number"));
  CHECK(refused.where == line);
  const any_tensor slope = gradients(sum(doubled), {x})[0];
  CHECK(session.run(slope, feed(x, floats)).at<float>({0}) == 2);

  const any_tensor i = placeholder<std::int32_t, shape<3>>(g, "i");
  const error_parts known = parts_of([&] { (void)(i * 0.5); });
  CHECK(known.asked == "the number 0.5 was put beside 'i'");
  CHECK(known.found ==
        "a number among integers must be a whole number, and the tensor is int32 [3]");
}

TEST_CASE("initializers that cannot be are refused where they are made") {
  constexpr double infinite = std::numeric_limits<double>::infinity();
  const error_parts bounds = parts_of([] { (void)uniform(1, -1); });
  CHECK(bounds.asked == "an initializer was asked for between 1 and -1");
  CHECK(bounds.where == at(__LINE__ - 2));
  CHECK_THROWS_AS(normal(0, -1), argument_error);
  CHECK_THROWS_AS(truncated_normal(0, -1), argument_error);
  CHECK_THROWS_AS(normal(infinite), argument_error);
  CHECK_THROWS_AS(uniform(-1e308, 1e308), argument_error);
  CHECK_THROWS_AS(orthogonal(std::numeric_limits<double>::quiet_NaN()), argument_error);
  CHECK_THROWS_AS(variance_scaling(-1, initializer::fan::in, initializer::kind::normal),
                  argument_error);
  CHECK_NOTHROW(uniform(0.5, 0.5));
  CHECK_NOTHROW(normal(0, 0));
}

TEST_CASE("assign names both tensors and its line") {
  operands s;
  const any_tensor v = make_variable<float, shape<4>>(s.g, "v", zeros());
  const error_parts shapes = parts_of([&] { (void)assign(v, s.q); });
  CHECK(shapes.asked == "assign was called on 'v' and 'q'");
  CHECK(shapes.found == "the shapes differ: needs float32 [4], got float32 [?, 5]");
  CHECK(shapes.where == at(__LINE__ - 3));
  CHECK(parts_of([&] { (void)assign(s.p, s.p); }).found == "the first reads no variable");
}

TEST_CASE("a copy whose values were taken away is told how it gets some") {
  Graph g;
  const auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  const auto y = dense<2, "layer">(x);
  Session session(g);
  session.initialize();
  const Region region = extract(inputs(x), outputs(y));
  const Clone copy = clone(region, variables::copied, bind(x, x));
  reinitialize(copy);
  const any_tensor z = copy(any_tensor(y));
  const Array some(dtype::float32, {1, 4});
  const error_parts refused = parts_of([&] { session.run(z, feed(x, some)); });
  CHECK_THAT(refused.hint, Contains("session.initialize()"));
  CHECK_THAT(refused.hint, Contains("copy_values(copy)"));
  session.initialize();
  CHECK_NOTHROW(session.run(z, feed(x, some)));
}

TEST_CASE("values that kernels refuse are told with the line of their op") {
  Graph g;
  const auto logits = placeholder<float, shape<1, 3>>(g, "logits");
  const auto labels = placeholder<std::int64_t, shape<1>>(g, "labels");
  const any_tensor loss = softmax_cross_entropy(logits, labels, "loss");
  const std::string line = at(__LINE__ - 1);
  Session session(g);
  const error_parts refused = parts_of([&] {
    session.run(loss, feed(logits, {0.0f, 0.0f, 0.0f}), feed(labels, {std::int64_t{3}}));
  });
  CHECK(refused.where == "loss, declared at " + line);
}

TEST_CASE("what a session refuses before it runs is told with the line of the op") {
  Graph g;
  const auto x = placeholder<float, shape<3>>(g, "x");
  const any_tensor half = placeholder(g, dtype::float16, dims{3}, "half");
  const any_tensor unused = placeholder<float, shape<3>>(g, "unused");
  const std::string fed = at(__LINE__ - 1);
  const any_tensor root = exp(half, "root");
  const std::string typed = at(__LINE__ - 1);
  const auto v = make_variable<float, shape<>>(g, "v", ones());
  const any_tensor one = assign(v, v + 1.0f, "one"), two = assign(v, v + 2.0f, "two");
  const std::string updated = at(__LINE__ - 1);
  Session session(g);
  session.initialize();
  const Array three(dtype::float32, {3});
  const error_parts kernel =
      parts_of([&] { session.run(root, feed(half, three.cast(dtype::float16))); });
  CHECK_THAT(kernel.found, Contains("no kernel for float16"));
  CHECK(kernel.where == "root, declared at " + typed);
  const error_parts twice = parts_of([&] { session.run(std::tuple{one, two}); });
  CHECK_THAT(twice.asked, Contains("updated twice"));
  CHECK(twice.where == "two, declared at " + updated);
  const error_parts needless =
      parts_of([&] { session.run(x * 2.0f, feed(x, three), feed(unused, three)); });
  CHECK(needless.asked == "'unused' was fed");
  CHECK(needless.where == "unused, declared at " + fed);

  constexpr extent side = extent{1} << 31;
  (void)make_variable<float, shape<side, side>>(g, "huge", zeros());
  const std::string made = at(__LINE__ - 1);
  const error_parts room = parts_of([&] { session.initialize(); });
  CHECK_THAT(room.found, Contains("more than a process can address"));
  CHECK_THAT(room.where, Contains("declared at " + made));
}

TEST_CASE("a label that is none is told of the loss where only the gradient is run") {
  Graph g;
  const auto logits = placeholder<float, shape<1, 3>>(g, "logits");
  const auto labels = placeholder<std::int64_t, shape<1>>(g, "labels");
  const any_tensor loss = softmax_cross_entropy(logits, labels, "loss");
  const std::string line = at(__LINE__ - 1);
  const any_tensor slope = gradients(sum(loss), {logits})[0];
  Session session(g);
  const error_parts refused = parts_of([&] {
    session.run(slope, feed(logits, {0.0f, 0.0f, 0.0f}), feed(labels, {std::int64_t{3}}));
  });
  CHECK_THAT(refused.asked, Contains("/labels_of_loss'"));
  CHECK(refused.found == "index number 0 is 3");
  CHECK_THAT(refused.where, Contains("declared at " + line));
}

TEST_CASE("hints begin with a capital, names of functions do not") {
  const auto said = [](const char* hint) {
    return std::string(error({"asked", "found", "", hint}).what());
  };
  CHECK(said("report() lists them") == "asked; found. report() lists them.");
  CHECK(said("bind(x, y) both") == "asked; found. bind(x, y) both.");
  CHECK(said("as<T>(x) views it") == "asked; found. as<T>(x) views it.");
  CHECK(said("session.initialize() gives it one") ==
        "asked; found. session.initialize() gives it one.");
  CHECK(said("leaks::lift makes it an input") == "asked; found. leaks::lift makes it an input.");
  CHECK(said("bind_reshaped takes others") == "asked; found. bind_reshaped takes others.");
  CHECK(said("bind it") == "asked; found. Bind it.");
  CHECK(said("its parts: a, b") == "asked; found. Its parts: a, b.");
  CHECK(said("stop") == "asked; found. Stop.");
  CHECK(said("x") == "asked; found. X.");
  CHECK(said("'a' is there?") == "asked; found. 'a' is there?");
}
