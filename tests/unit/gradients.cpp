// Gradients as graph: values, structure, errors.
#include <cmath>

#include "graft/graft.hpp"
#include "graft/graph/operator.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

namespace {

using vector3 = tensor<Graph, dtype::float64, shape<3>>;

Array doubles(const dims& shape, std::initializer_list<double> values) {
  Array a(dtype::float64, shape);
  std::copy(values.begin(), values.end(), a.mutable_span<double>().begin());
  return a;
}

void check_values(const Array& a, std::initializer_list<double> expected) {
  REQUIRE(a.size() == static_cast<std::int64_t>(expected.size()));
  std::size_t i = 0;
  for (const double e : expected) CHECK(a.span<double>()[i++] == Approx(e).epsilon(1e-12));
}

}  // namespace

TEST_CASE("gradients of hand-worked expressions", "[gradients]") {
  Graph g;
  const auto x = placeholder<double, shape<3>>(g, "x");
  const auto y = placeholder<double, shape<3>>(g, "y");
  Session session(g);
  const Array a = doubles({3}, {1, 2, -3}), b = doubles({3}, {4, 0.5, 2});
  SECTION("a product") {
    const auto d = gradients(sum(x * y), {x, y});
    check_values(session.run(d[0], feed(y, b)), {4, 0.5, 2});
    check_values(session.run(d[1], feed(x, a)), {1, 2, -3});
  }
  SECTION("several paths add up") {
    const auto d = gradients(sum(x * x + x * 3.0 + x), {x});
    check_values(session.run(d[0], feed(x, a)), {6, 8, -2});
  }
  SECTION("a tensor that is not a scalar counts as its sum") {
    check_values(session.run(gradients(x * x, {x})[0], feed(x, a)), {2, 4, -6});
  }
  SECTION("a seed weighs the elements") {
    const std::vector<any_tensor> wrt{x};
    const auto d = try_gradients(x * x, wrt, any_tensor(y));
    check_values(session.run(*d[0], feed(x, a), feed(y, b)), {8, 2, -12});
  }
  SECTION("with respect to an inner tensor") {
    const auto h = x * 2.0;
    const auto d = gradients(sum(h * h), {h, x});
    check_values(session.run(d[0], feed(x, a)), {4, 8, -12});
    check_values(session.run(d[1], feed(x, a)), {8, 16, -24});
  }
  SECTION("a handle keeps its type") {
    const auto d = gradient(sum(x * y), x);
    static_assert(std::is_same_v<decltype(d), const vector3>);
    check_values(session.run(d, feed(y, b)), {4, 0.5, 2});
  }
  SECTION("of itself it is one") {
    check_values(session.run(gradients(x, {x})[0], feed(x, a)), {1, 1, 1});
  }
}

TEST_CASE("derivatives of derivatives", "[gradients]") {
  Graph g;
  const auto x = placeholder<double, shape<3>>(g, "x");
  Session session(g);
  const Array a = doubles({3}, {1, 2, -3});
  const any_tensor first = gradients(sum(x * x * x), {x})[0];
  const any_tensor second = gradients(sum(first), {x})[0];
  const any_tensor third = gradients(sum(second), {x})[0];
  check_values(session.run(first, feed(x, a)), {3, 12, 27});
  check_values(session.run(second, feed(x, a)), {6, 12, -18});
  check_values(session.run(gradients(sum(sin(first)), {x})[0], feed(x, a)),
               {6 * std::cos(3.0), 12 * std::cos(12.0), -18 * std::cos(27.0)});
  check_values(session.run(third), {6, 6, 6});
}

TEST_CASE("what does not depend has no gradient, or zeros", "[gradients]") {
  Graph g;
  const auto x = placeholder<double, shape<3>>(g, "x");
  const auto y = placeholder<double, shape<3>>(g, "y");
  const std::vector<any_tensor> wrt{y, x};
  const auto maybe = try_gradients(sum(x * x), wrt);
  CHECK_FALSE(maybe[0].has_value());
  CHECK(maybe[1].has_value());
  Session session(g);
  const auto zeros = gradients(sum(x * x), wrt);
  check_values(session.run(zeros[0], feed(y, doubles({3}, {7, 8, 9}))), {0, 0, 0});
  SECTION("stop_gradient stops it") {
    const std::vector<any_tensor> only{x};
    CHECK_FALSE(try_gradients(sum(stop_gradient(x) * y), only)[0].has_value());
  }
  SECTION("integers pass none on") {
    const std::vector<any_tensor> only{x};
    CHECK_FALSE(try_gradients(sum(cast<double>(cast<std::int64_t>(x))), only)[0].has_value());
  }
}

TEST_CASE("a variable that is used twice gets the sum", "[gradients]") {
  Graph g;
  const auto x = placeholder<double, shape<2, 2>>(g, "x");
  const auto w = make_variable<double, shape<2, 2>>(g, "w", ones());
  const auto y = sum(matmul(matmul(x, w), w));
  Session session(g);
  session.initialize();
  const Array found = session.run(gradients(y, {w})[0], feed(x, doubles({2, 2}, {1, 2, 3, 4})));
  // d/dw of sum(x w w) = x^T 1 w^T + (x w)^T 1 with w = ones: column sums 4, 6 of x; row sums 3, 7.
  check_values(found, {8 + 10, 8 + 10, 12 + 10, 12 + 10});
}

TEST_CASE("a parameter that two ops read is trained as one", "[gradients]") {
  Graph g;
  const auto x = placeholder<float, shape<dyn, 3>>(g, "x");
  const auto gamma = make_variable<float, shape<3>>(g, "gamma", ones());
  const auto y = x * gamma;
  const auto z = y * gamma;
  const training_step step = minimize(mean(square(z)), sgd{0.1});
  CHECK(step.parameters.size() == 1);
  Session session(g);
  session.initialize();
  session.run(step, feed(x, Array::full<float>({2, 3}, 1)));
  // mean over 6 of gamma^4: d/dgamma = 4 * 2 / 6 = 4/3 at gamma = 1.
  const Array found = session.value(gamma);
  for (const float e : found.span<float>()) {
    CHECK(e == Approx(1 - 0.1 * 4.0 / 3.0).epsilon(1e-6));
  }
}

TEST_CASE("gradients that cannot be are refused and change nothing", "[gradients]") {
  Graph g;
  const auto x = placeholder<double, shape<3>>(g, "x");
  const auto n = placeholder<std::int32_t, shape<3>>(g, "n");
  const any_tensor whole = sum(n);
  CHECK(mentions(message_of<dtype_error>([&] { (void)gradients(whole, {x}); }), "floating"));
  CHECK(mentions(message_of<dtype_error>([&] { (void)gradients(sum(x), {n}); }), "'n'"));
  const auto checked = g.handle({g.add(graft_test::schemas::noisy, std::vector<tensor_id>{g.id(x)},
                                       attribute_list().set("training", 1)),
                                 0});
  const any_tensor y = sum(checked);
  const std::size_t ops = g.op_count();
  CHECK(mentions(message_of<unsupported_error>([&] { (void)gradients(y, {x}); }), "test_noisy"));
  CHECK(g.op_count() == ops);
  // Seeds are of the type and shape of what they are gradients of.
  const any_tensor wanted[] = {x};
  const any_tensor total = sum(x);
  const std::size_t before = g.op_count();
  CHECK(mentions(message_of<shape_error>([&] { (void)gradients(total, wanted, any_tensor(x)); }),
                 "'x' was given as the gradient of 'sum"));
  CHECK_THROWS_AS(gradients(any_tensor(x * x), wanted, any_tensor(n)), dtype_error);
  CHECK(g.op_count() == before + 1);  // the product
  g.validate();
}

TEST_CASE("what a gradient rule gives is a gradient of the operand", "[gradients]") {
  static constexpr operator_schema same{
      "gradients_test_same", 1, 1, [](const infer_args& in) -> inferred { return in.operands[0]; }};
  static any_tensor (*rule)(const any_tensor&) = nullptr;
  operator_definition d;
  d.schema = &same;
  d.gradient = [](const gradient_args& a) {
    return operand_gradients{rule(*a.output_gradients[0])};
  };
  if (find_operator(same.name) == nullptr) register_operator(d);
  Graph g;
  const auto x = placeholder<double, shape<3>>(g, "x");
  const tensor_id operand = g.id(x);
  const any_tensor y = sum(g.handle({g.add(same, {&operand, 1}, {}), 0}));
  const std::uint64_t before = g.digest();
  rule = [](const any_tensor& grad) { return any_tensor(sum(grad)); };
  CHECK(mentions(message_of<shape_error>([&] { (void)gradients(y, {x}); }),
                 "the gradient rule of 'gradients_test_same'"));
  rule = [](const any_tensor& grad) { return any_tensor(cast<float>(grad)); };
  CHECK_THROWS_AS(gradients(y, {x}), dtype_error);
  CHECK(g.digest() == before);
  rule = [](const any_tensor& grad) { return grad; };
  CHECK(gradients(y, {x}).size() == 1);
}

TEST_CASE("gradients of a hundred thousand ops need no stack", "[gradients]") {
  Graph g;
  const auto x = placeholder<double, shape<3>>(g, "x");
  any_tensor y = x;
  for (int i = 0; i < 100000; ++i) y = y * 1.0;
  Session session(g);
  check_values(session.run(gradients(sum(y), {x})[0]), {1, 1, 1});
}

TEST_CASE("the norm of many gradients is clipped together", "[gradients]") {
  Graph g;
  const auto a = placeholder<double, shape<2>>(g, "a");
  const auto b = placeholder<double, shape<1>>(g, "b");
  const std::vector<any_tensor> both{a, b};
  Session session(g);
  const auto at = [&](double factor) {
    return std::tuple{feed(a, doubles({2}, {3 * factor, 4 * factor})),
                      feed(b, doubles({1}, {12 * factor}))};
  };
  const auto run = [&](const std::vector<any_tensor>& t, double factor) {
    return std::apply([&](const auto&... f) { return session.run(t, f...); }, at(factor));
  };
  check_values(run({global_norm(both)}, 1)[0], {13});
  const auto clipped = clip_by_global_norm(both, 6.5);
  check_values(run(clipped, 1)[0], {1.5, 2});
  check_values(run(clipped, 1)[1], {6});
  check_values(run(clipped, 0.25)[0], {0.75, 1});
  for (const Array& part : run(clipped, std::nan(""))) {
    for (const double e : part.span<double>()) CHECK(std::isnan(e));
  }
  for (const double wrong : {0.0, -1.0, std::nan(""), HUGE_VAL}) {
    CHECK_THROWS_AS(clip_by_global_norm(both, wrong), argument_error);
  }
  CHECK_THROWS_AS(global_norm(std::vector<any_tensor>{}), argument_error);

  // Gradients whose squares overflow are clipped like others.
  const auto c = placeholder<float, shape<2>>(g, "c");
  const auto e = clip_by_global_norm(std::vector<any_tensor>{c}, 10);
  const Array large = session.run(e, feed(c, Array::from<float>({2}, {3e37f, -4e37f})))[0];
  CHECK(large.span<float>()[0] == Approx(6));
  CHECK(large.span<float>()[1] == Approx(-8));
  const float inf = std::numeric_limits<float>::infinity();
  const Array lost = session.run(e, feed(c, Array::from<float>({2}, {1, inf})))[0];
  CHECK((std::isnan(lost.span<float>()[0]) && std::isnan(lost.span<float>()[1])));
  // Their norm is worked out in float64, without copies of them in float64.
  for (std::size_t i = 0; i < g.op_count(); ++i) {
    const op_id op = g.op_at(i);
    if (g.operand_count(op) == 0 || g.operand(op, 0) != g.id(c)) continue;
    const value_type type = g.type_of(tensor_id{op, 0});
    CHECK((type.type != dtype::float64 || type.shape.empty()));
  }
  // Of several types: each keeps its own.
  const std::vector<any_tensor> mixed{a, c};
  CHECK(session
            .run(global_norm(mixed), feed(a, doubles({2}, {3, 0})),
                 feed(c, Array::from<float>({2}, {4, 0})))
            .item<double>() == Approx(5));
  const auto parts = session.run(clip_by_global_norm(mixed, 1), feed(a, doubles({2}, {3, 0})),
                                 feed(c, Array::from<float>({2}, {4, 0})));
  CHECK(parts[0].span<double>()[0] == Approx(0.6));
  CHECK(parts[1].span<float>()[0] == Approx(0.8));
  CHECK_THROWS_AS(global_norm(std::vector<any_tensor>{placeholder<std::int32_t, shape<2>>(g, "i")}),
                  dtype_error);
}

TEST_CASE("an expression may have a gradient of one's own", "[gradients][custom]") {
  Graph g;
  const auto x = placeholder<double, shape<3>>(g, "x");
  Session session(g);
  const Array a = doubles({3}, {1.25, 2, -3.5});
  SECTION("straight through") {
    const auto y = with_gradient_of(round(x), x);
    static_assert(std::is_same_v<std::remove_const_t<decltype(y)>, vector3>);
    check_values(session.run(y, feed(x, a)), {1, 2, -4});
    check_values(session.run(gradients(sum(y * y), {x})[0], feed(x, a)), {2, 4, -8});
  }
  SECTION("reversed") {
    check_values(session.run(gradients(sum(with_gradient_of(x, x * -0.5)), {x})[0]),
                 {-0.5, -0.5, -0.5});
  }
  SECTION("a slope of one's own, twice differentiable") {
    const auto y = with_gradient_of(x * x * x, x * stop_gradient(x));
    const any_tensor first = gradients(sum(y), {x})[0];
    check_values(session.run(first, feed(x, a)), {1.25, 2, -3.5});
    const auto smooth = with_gradient_of(abs(x), x * x);
    const any_tensor slope = gradients(sum(smooth), {x})[0];
    check_values(session.run(gradients(sum(slope), {x})[0]), {2, 2, 2});
  }
  SECTION("what only the value depends on gets none") {
    const auto y = placeholder<double, shape<3>>(g, "y");
    const std::vector<any_tensor> wrt{y, x};
    const auto d = try_gradients(sum(with_gradient_of(x * y, x)), wrt);
    CHECK_FALSE(d[0].has_value());
    check_values(session.run(*d[1]), {1, 1, 1});
  }
  SECTION("a clone has it too") {
    const auto y = with_gradient_of(round(x), x * 3.0);
    const Clone copy = clone(extract(inputs(x), outputs(y)), into("copy"));
    const any_tensor x2 = copy(x);
    check_values(session.run(gradients(copy(y), {x2})[0]), {3, 3, 3});
  }
}

TEST_CASE("gradients are cloned with what they belong to", "[gradients]") {
  Graph g;
  const auto x = input4(g);
  const auto y = graft_test::two_layers(x);
  const std::vector<any_tensor> wrt{x, g.handle(g.variable_of(variable_named(g, "dense/w")).read)};
  const any_tensor loss = mean(square(y));
  const auto d = gradients(loss, wrt);
  Session session(g);
  session.initialize();
  const Clone copy =
      clone(extract(inputs(x), outputs(loss, d[0], d[1])), into("copy"), variables::copied);
  const Array in = Array::from<float>({2, 4}, {1, -2, 3, 0.5f, -1, 2, 0.25f, 4});
  const auto theirs = session.run(d, feed(x, in));
  const any_tensor x2 = copy(x);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(session.run(copy(d[i]), feed(x2, in)).same_bits(theirs[i]));
  }
  // The gradient of the copy, made anew, is the copy of the gradient.
  CHECK(session.run(gradients(copy(loss), {x2})[0], feed(x2, in)).same_bits(theirs[0]));
  // It follows the copy's own variables from now on.
  const variable_id w = copy(variable_named(g, "dense/w"));
  session.set_value(w, Array::full<float>({4, 4}, 0.5f));
  CHECK_FALSE(session.run(copy(d[1]), feed(x2, in)).same_bits(theirs[1]));
  CHECK(session.run(d[1], feed(x, in)).same_bits(theirs[1]));
}

TEST_CASE("a batch norm that is applied twice is trained as one", "[gradients]") {
  Graph g;
  const auto x = placeholder<float, shape<dyn, 2>>(g, "x");
  constexpr auto norm = batch_norm<"bn">().momentum(0.5).shared("bn");
  const auto h = norm(x);
  const auto y = norm(h * 3.0f + 1.0f);
  CHECK(trainable_variables(y).size() == 2);
  const auto scale = variable_named(g, "bn/scale");
  const any_tensor loss = mean(square(y - 1.0f));
  const training_step step = minimize(loss, sgd{0.1});
  Session session(g);
  session.initialize();
  const Array in = Array::from<float>({4, 2}, {1, 2, 3, 6, 5, 4, 7, 0});
  // Against differences of the loss.
  const Array d = session.run(step.gradients[0], feed(x, in));
  for (std::size_t i = 0; i < 2; ++i) {
    const Array start = session.value(scale);
    const auto at = [&](float shift) {
      Array moved = start;
      moved.mutable_span<float>()[i] += shift;
      session.set_value(scale, moved);
      const double l = session.run(loss, feed(x, in)).item<float>();
      session.set_value(scale, start);
      return l;
    };
    CHECK(d.span<float>()[i] == Approx((at(0.01f) - at(-0.01f)) / 0.02).margin(1e-2));
  }
  // The statistics take both batches in, one after the other.
  session.run(step, feed(x, in));
  const Array mean_after = session.value(variable_named(g, "bn/moving_mean"));
  // Column 0: means 4 of x, then 1 of h * 3 + 1: (0 + 4) / 2 = 2, (2 + 1) / 2 = 1.5.
  CHECK(mean_after.span<float>()[0] == Approx(1.5).epsilon(1e-4));
  CHECK(mean_after.span<float>()[1] == Approx((3.0 / 2 + 1) / 2).epsilon(1e-4));
}

TEST_CASE("a clone for inference uses one set of statistics at both places and leaves it alone",
          "[gradients]") {
  Graph g;
  const auto x = placeholder<float, shape<dyn, 2>>(g, "x");
  constexpr auto norm = batch_norm<"bn">().momentum(0.5).epsilon(1e-5).shared("bn");
  const auto h = norm(x);
  const auto y = norm(h * 3.0f + 1.0f);
  const Clone copy =
      clone(extract(inputs(x), outputs(h, y)), into("copy"), bind(x, x), mode::inference);
  Session session(g);
  session.initialize();
  const variable_id mean = copy(variable_named(g, "bn/moving_mean"));
  const variable_id variance = copy(variable_named(g, "bn/moving_variance"));
  session.set_value(mean, Array::from<float>({2}, {0.7f, -1.3f}));
  session.set_value(variance, Array::from<float>({2}, {0.3f, 2.1f}));
  const Array before[] = {session.value(mean), session.value(variance)};
  const Array in = Array::from<float>({2, 2}, {1, 2, -3, 0.5f});
  const auto [first, second] = session.run(std::tuple{copy(h), copy(y)}, feed(x, in));
  const double factor = 1 / std::sqrt(0.3 + 1e-5);
  const double inner = (1 - 0.7) * factor;
  CHECK(first.at<float>({0, 0}) == Approx(inner).epsilon(1e-4));
  CHECK(second.at<float>({0, 0}) == Approx((inner * 3 + 1 - 0.7) * factor).epsilon(1e-4));
  session.run(updates_of(copy(y)), feed(x, in));
  CHECK(session.value(mean).same_bits(before[0]));
  CHECK(session.value(variance).same_bits(before[1]));
}
