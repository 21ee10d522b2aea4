// Clones whose elements are of another floating type.
#include <cmath>
#include <functional>

#include "graft/graft.hpp"

#include "catch.hpp"
#include "clone_fixture.hpp"
#include "failing_allocations.hpp"

using namespace graft;
using graft_test::mentions;
using graft_test::message_of;

namespace {

Array wave(dtype type, const dims& shape, double step) {
  Array a(dtype::float64, shape);
  double x = 0.1;
  for (double& e : a.mutable_span<double>()) e = std::sin(x += step);
  return type == dtype::float64 ? a : a.cast(type);
}

double largest_difference(const Array& a, const Array& b) {
  const Array x = a.cast(dtype::float64), y = b.cast(dtype::float64);
  double worst = 0;
  for (std::size_t i = 0; i < x.span<double>().size(); ++i) {
    worst = std::max(worst, std::abs(x.span<double>()[i] - y.span<double>()[i]));
  }
  return worst;
}

// The largest difference between gradients and central differences, over every element of all parameters.
double gradient_error(Session& session, const any_tensor& loss, const feed_item& fed) {
  const std::vector<variable_id> parameters = trainable_variables(loss);
  Graph& g = session.graph();
  std::vector<any_tensor> reads;
  for (const variable_id v : parameters) reads.push_back(g.handle(g.variable_of(v).read));
  const std::vector<any_tensor> slopes = gradients(loss, reads);
  double worst = 0;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Array slope = session.run(slopes[i], fed);
    REQUIRE(slope.type() == dtype::float64);
    const Array start = session.value(parameters[i]);
    for (std::size_t k = 0; k < slope.span<double>().size(); ++k) {
      const auto at = [&](double by) {
        Array moved = start;
        moved.mutable_span<double>()[k] += by;
        session.set_value(parameters[i], moved);
        return session.run(loss, fed).template span<double>()[0];
      };
      constexpr double h = 1e-5;
      const double difference = (at(h) - at(-h)) / (2 * h);
      worst = std::max(worst, std::abs(difference - slope.span<double>()[k]));
    }
    session.set_value(parameters[i], start);
  }
  return worst;
}

// A network of float32 as one of float64, which computes what it did, with gradients that differences confirm.
void check_in_double(Graph& g, const any_tensor& x, const any_tensor& y, const dims& shape) {
  Session session(g);
  session.initialize();
  const Array in = wave(dtype::float32, shape, 0.7);
  const Clone copy = clone(extract(inputs(x), outputs(y)), element_type(dtype::float64),
                           variables::copied, into("double"));
  g.validate();
  copy.check();
  CHECK(copy.leak_audit().empty());
  const any_tensor x64 = copy(x), y64 = copy(y);
  CHECK(g.type_of(g.id(x64)).type == dtype::float64);
  CHECK(g.type_of(g.id(y64)).type == dtype::float64);
  for (const op_id op : copy.nodes()) {
    for (std::uint32_t o = 0; o < g.output_count(op); ++o) {
      CHECK(g.type_of({op, o}).type != dtype::float32);
    }
  }
  for (const variable_id v : copy.variables()) {
    const value_type& type = g.variable_of(v).type;
    CHECK(type.type != dtype::float32);
    CHECK(session.value(v).type() == type.type);
  }
  const Array before = session.run(y, feed(x, in));
  const Array found = session.run(y64, feed(x64, in.cast(dtype::float64)));
  CHECK(found.type() == dtype::float64);
  CHECK(largest_difference(before, found) < 1e-5);
  CHECK(gradient_error(session, sum(square(y64)), feed(x64, in.cast(dtype::float64))) < 1e-6);

  // And back: rounded, the values are those of the original.
  const Clone single = clone(extract(inputs(x64), outputs(y64)), element_type(dtype::float32),
                             variables::copied, into("single"));
  single.check();
  CHECK(session.run(single(y64), feed(single(x64), in)).same_bits(before));
  CHECK(isomorphic(extract(inputs(x), outputs(y)),
                   extract(inputs(single(x64)), outputs(single(y64)))));
}

}  // namespace

TEST_CASE("a network of convolution, batch norm and dense layers in double precision",
          "[element type]") {
  Graph g;
  const auto x = placeholder<float, shape<3, 1, 6, 6>>(g, "x");
  const auto h = max_pool2d<pool{.window = {2, 2}}>(
      relu(batch_norm(conv2d<3, conv{.kernel = {3, 3}, .padding = same_padding}>(x))));
  const auto y = softmax(dense<4>(flatten(h)));
  check_in_double(g, x, y, {3, 1, 6, 6});
}

TEST_CASE("a recurrent network in double precision", "[element type]") {
  Graph g;
  const auto x = placeholder<float, shape<2, 4, 3>>(g, "x");
  const auto y = dense<2>(lstm<3>(x));
  check_in_double(g, x, y, {2, 4, 3});
}

TEST_CASE("constants, casts, draws and bodies are converted; what is not floating stays",
          "[element type][edge-60]") {
  Graph g;
  const auto x = placeholder<float, shape<2>>(g, "x");
  const auto n = placeholder<std::int64_t, shape<2>>(g, "n");
  const auto p = placeholder<bool, shape<>>(g, "p");
  const auto table = constant(g, Array::from<float>({2}, {0.5f, 1.5f}));
  const auto counts = constant(g, Array::from<std::int64_t>({2}, {3, 4}));
  const auto inner = cond(
      p, [&] { return x * table + cast<float>(n) * 2.0f; },
      [&] { return cond(p, [&] { return x; }, [&] { return x + constant(g, 0.25f); }); });
  const auto y = inner + cast<float>(counts) + cast<float>(less(x, table));
  const Clone copy = clone(extract(inputs(x, n, p), outputs(y)), element_type(dtype::float64));
  g.validate();
  copy.check();
  CHECK(g.type_of(g.id(copy(any_tensor(n)))).type == dtype::int64);
  CHECK(g.type_of(g.id(copy(any_tensor(p)))).type == dtype::boolean);
  Session session(g);
  const auto run = [&](bool which) {
    return session.run(copy(any_tensor(y)),
                       feed(copy(any_tensor(x)), Array::from<double>({2}, {1, 2})),
                       feed(copy(n), Array::from<std::int64_t>({2}, {1, 2})), feed(copy(p), which));
  };
  CHECK(run(true).same_bits(Array::from<double>({2}, {5.5, 11})));
  CHECK(run(false).same_bits(Array::from<double>({2}, {4.25, 6.25})));
  // The bodies that there were are as they were.
  CHECK(session
            .run(y, feed(x, Array::from<float>({2}, {1, 2})),
                 feed(n, Array::from<std::int64_t>({2}, {1, 2})), feed(p, true))
            .same_bits(Array::from<float>({2}, {5.5f, 11})));
}

TEST_CASE("static handles of another type are refused, others view the image", "[element type]") {
  Graph g;
  const auto x = placeholder<float, shape<2, 3>>(g, "x");
  const auto y = dense<2>(x);
  const Clone copy = clone(extract(inputs(x), outputs(y)), element_type(dtype::float64));
  const std::string text = message_of<dtype_error>([&] { (void)copy(y); });
  CHECK(mentions(text, "by a handle of float32"));
  CHECK(mentions(text, "the elements of the clone are float64"));
  CHECK(mentions(text, "any_tensor(y)"));
  const auto typed = as<double, shape<2, 2>>(copy(any_tensor(y)));
  STATIC_REQUIRE(std::is_same_v<decltype(typed), const tensor<Graph, dtype::float64, shape<2, 2>>>);
  CHECK(copy.original(any_tensor(typed)).ref() == y.ref());
}

TEST_CASE("what is bound must have the new type", "[element type]") {
  Graph g;
  const auto x = placeholder<float, shape<2, 3>>(g, "x");
  const auto y = dense<2>(x);
  const Region region = extract(inputs(x), outputs(y));
  const any_tensor single = placeholder<float, shape<2, 3>>(g, "single");
  const any_tensor twice = placeholder<double, shape<2, 3>>(g, "twice");
  const std::uint64_t digest = g.digest();
  const std::string text = message_of<dtype_error>(
      [&] { (void)clone(region, bind(any_tensor(x), single), element_type(dtype::float64)); });
  CHECK(mentions(text, "replaces float64 [2, 3] by float32 [2, 3]"));
  CHECK(g.digest() == digest);
  const Clone copy = clone(region, bind(any_tensor(x), twice), element_type(dtype::float64));
  copy.check();
  CHECK(copy(any_tensor(x)).ref() == twice.ref());
  CHECK(mentions(message_of<argument_error>([] { (void)element_type(dtype::int32); }),
                 "elements of int32"));
}

TEST_CASE("fresh variables draw in the new type, and shared and frozen ones are converted",
          "[element type]") {
  Graph g;
  const auto x = placeholder<float, shape<2, 3>>(g, "x");
  const auto y = tanh(dense<2>(x));
  Session session(g);
  session.initialize();
  const Region region = extract(inputs(x), outputs(y));
  const Array in = wave(dtype::float64, {2, 3}, 0.4);
  const Array before = session.run(y, feed(x, in.cast(dtype::float32)));
  SECTION("fresh") {
    const Clone copy = clone(region, element_type(dtype::float64));
    copy.check();
    session.run(copy.initializer());
    for (const variable_id v : copy.variables()) {
      CHECK(session.value(v).type() == dtype::float64);
    }
    copy_values(copy);
    CHECK(largest_difference(session.run(copy(any_tensor(y)), feed(copy(any_tensor(x)), in)),
                             before) < 1e-6);
    CHECK_THROWS_AS(swap_values(copy), dtype_error);
    CHECK_THROWS_AS(soft_update(copy), dtype_error);
  }
  SECTION("shared: read through casts, and trained in their own type") {
    const Clone copy = clone(region, element_type(dtype::float64), variables::shared);
    copy.check();
    CHECK(copy.variables().empty());
    CHECK(copy.variable_images()[0].policy == variable_policy::linked);
    CHECK(largest_difference(session.run(copy(any_tensor(y)), feed(copy(any_tensor(x)), in)),
                             before) < 1e-6);
    CHECK(trainable_variables(copy(any_tensor(y))) == trainable_variables(y));
    const any_tensor kernel = g.handle(g.variable_of(*g.find_variable("dense/kernel")).read);
    const any_tensor slope = gradients(sum(copy(any_tensor(y))), {kernel})[0];
    CHECK(g.type_of(g.id(slope)).type == dtype::float32);
    Graph other;
    CHECK_THROWS_AS(
        clone(region, element_type(dtype::float64), variables::shared, into(other, "copy")),
        unsupported_error);
    CHECK(other.op_count() == 0);
  }
  SECTION("frozen, and unfrozen again") {
    const Clone copy = clone(region, element_type(dtype::float64), variables::frozen);
    copy.check();
    CHECK(largest_difference(session.run(copy(any_tensor(y)), feed(copy(any_tensor(x)), in)),
                             before) < 1e-6);
    const Clone thawed = unfreeze(copy);
    thawed.check();
    CHECK(session.run(thawed(any_tensor(y)), feed(thawed(any_tensor(x)), in))
              .same_bits(session.run(copy(any_tensor(y)), feed(copy(any_tensor(x)), in))));
  }
  SECTION("into another graph") {
    Graph other;
    const Clone copy =
        clone(region, element_type(dtype::float64), variables::copied, into(other, "copy"));
    other.validate();
    copy.check();
    Session there(other);
    CHECK(largest_difference(there.run(copy(any_tensor(y)), feed(copy(any_tensor(x)), in)),
                             before) < 1e-6);
  }
}

TEST_CASE("kept tensors are read through casts", "[element type]") {
  Graph g;
  const auto x = placeholder<float, shape<3>>(g, "x");
  const auto scale = placeholder<float, shape<3>>(g, "scale");
  const auto y = x * scale;
  const Region region = extract(inputs(x), outputs(y), leaks::keep);
  const Clone copy = clone(region, element_type(dtype::float64));
  g.validate();
  copy.check();
  Session session(g);
  CHECK(session
            .run(copy(any_tensor(y)),
                 feed(copy(any_tensor(x)), Array::from<double>({3}, {0.1, 0.2, 0.3})),
                 feed(scale, Array::from<float>({3}, {1, 2, 4})))
            .same_bits(Array::from<double>({3}, {0.1, 0.4, 1.2})));
  const Clone inputs_kept = clone(region, element_type(dtype::float64), unbound::keep);
  inputs_kept.check();
}

TEST_CASE("half precision, and one type of several", "[element type]") {
  Graph g;
  const auto x = placeholder<float, shape<2, 3>>(g, "x");
  const auto y = dense<3>(x) * cast<float>(cast<double>(x) * 2.0);
  const Region region = extract(inputs(x), outputs(y));
  const Clone half = clone(region, element_type(dtype::float32, dtype::float16));
  g.validate();
  half.check();
  std::size_t doubles = 0;
  for (const op_id op : half.nodes()) doubles += g.type_of({op, 0}).type == dtype::float64;
  CHECK(doubles > 0);
  CHECK(g.type_of(g.id(half(any_tensor(y)))).type == dtype::float16);
}

TEST_CASE("a training step is cloned with its slots and updates", "[element type]") {
  Graph g;
  const auto x = placeholder<float, shape<4, 3>>(g, "x");
  const auto loss = mean(square(batch_norm(dense<2>(x))));
  const training_step step = minimize(loss, adam{.rate = 0.1});
  const Clone copy = clone(extract_training(inputs(x), step), element_type(dtype::float64),
                           variables::fresh, into("double"));
  g.validate();
  copy.check();
  Session session(g);
  session.run(copy.initializer());
  const auto fed = feed(copy(any_tensor(x)), wave(dtype::float64, {4, 3}, 0.9));
  const training_step theirs = copy(step);
  const double first = session.run(copy(any_tensor(loss)), fed).span<double>()[0];
  for (int i = 0; i < 5; ++i) session.run(theirs, fed);
  CHECK(session.run(copy(any_tensor(loss)), fed).span<double>()[0] != first);
}

TEST_CASE("a step that clips gradients by their norm is converted to a smaller type, too",
          "[element type]") {
  Graph g;
  const auto x = placeholder<double, shape<4, 3>>(g, "x");
  const auto w = make_variable<double, shape<3, 2>>(g, "w", uniform(0.2, 0.9));
  const auto loss = mean(square(matmul(x, w)));
  const training_step step = minimize(loss, sgd{.rate = 0.1}, {.clip_norm = 0.5});
  Session session(g);
  session.initialize();
  const Clone copy = clone(extract_training(inputs(x), step), element_type(dtype::float32),
                           variables::copied, into("single"));
  g.validate();
  copy.check();
  const Array in = wave(dtype::float64, {4, 3}, 0.9);
  session.run(step, feed(x, in));
  session.run(copy(step), feed(copy(any_tensor(x)), in.cast(dtype::float32)));
  const variable_id original = *g.find_variable("w");
  CHECK(session.value(copy(original)).type() == dtype::float32);
  CHECK(largest_difference(session.value(copy(original)), session.value(original)) < 1e-6);
}

TEST_CASE("a failing allocation leaves no half-converted clone", "[element type][edge-85]") {
  Graph g;
  const auto x = placeholder<float, shape<2, 2, 2>>(g, "x");
  const auto y = dense<2>(lstm<2>(x));
  Session(g).initialize();
  const Region region = extract(inputs(x), outputs(y));
  const std::uint64_t digest = g.digest();
  for (long k = 0;; k += 3) {
    INFO("allocation " << k);
    if (failing::allocation(
            k, [&] { (void)clone(region, element_type(dtype::float64), variables::copied); })) {
      CHECK(k > 100);
      break;
    }
    REQUIRE(g.digest() == digest);
  }
  g.validate();
}
