// Compiled chains in plans: what the library ships, and chains of the program's own.
#include <cmath>
#include <cstring>
#include <thread>

#include "graft/fuse.hpp"
#include "graft/ops/softmax.hpp"
#include "graft/surgery/clone.hpp"
#include "graft/train/gradients.hpp"

#include "catch.hpp"
#include "session_fixture.hpp"

using namespace session_test;

namespace {

constexpr auto full = operand_class::full, row = operand_class::row, column = operand_class::column,
               scalar = operand_class::scalar;

inline constexpr auto gate = elementwise(
    [](auto x, auto w, auto b, auto c) { return sigmoid(tanh(x * w + b) * c + x * 0.1); });
inline constexpr auto mixed = elementwise([](auto x, auto y, auto s) {
  return select(x > y, softplus(x) * s, elu(y, 0.7)) - maximum(x, y) / (square(y) + 1.0);
});
inline constexpr auto waves = elementwise(
    [](auto x, auto y) { return exp(sin(x) * y) + log1p(abs(y)) * clip(x, -1.0, 1.0); });

Array numbers(dtype type, const dims& shape, int salt, bool strange = false) {
  Array a(dtype::float64, shape);
  int i = 0;
  for (double& v : a.mutable_span<double>()) {
    v = std::sin(0.7 * ++i + salt) * 3;
    if (strange && i % 5 == 0) v = i % 3 == 0 ? NAN : i % 2 == 0 ? INFINITY : -INFINITY;
  }
  return a.cast(type);
}

// Keeps every op between the placeholders and t in a step of its own.
void hold_apart(Graph& g, const any_tensor& t, op_id before) {
  std::vector<op_id> open{g.id(t).op};
  std::vector<bool> seen(4096, false);
  while (!open.empty()) {
    const op_id op = open.back();
    open.pop_back();
    if (seen[op.value] || g.operands(op).empty()) continue;
    seen[op.value] = true;
    for (const tensor_id operand : g.operands(op)) open.push_back(operand.op);
    g.add_control_edge(before, op);
  }
}

template <class T>
bool equal_bits(const Array& a, const Array& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < static_cast<std::size_t>(a.size()); ++i) {
    const T x = a.span<T>()[i], y = b.span<T>()[i];
    if (std::memcmp(&x, &y, sizeof(T)) != 0 && !(x != x && y != y)) {
      UNSCOPED_INFO("element " << i << ": " << x << " and " << y);
      return false;
    }
  }
  return true;
}

int compiled_ops(const std::string& plan) {
  int count = 0;
  for (std::size_t at = 0; (at = plan.find(" of them compiled", at)) != std::string::npos; ++at) {
    const std::size_t comma = plan.rfind(' ', at - 1);
    count += std::stoi(plan.substr(comma + 1));
  }
  return count;
}

// The chain on as many tensors as it takes.
template <class Chain>
any_tensor called(const Chain& chain, const std::vector<any_tensor>& x) {
  if constexpr (std::is_invocable_v<Chain, any_tensor, any_tensor>) {
    return chain(x[0], x[1]);
  } else if constexpr (std::is_invocable_v<Chain, any_tensor, any_tensor, any_tensor>) {
    return chain(x[0], x[1], x[2]);
  } else {
    return chain(x[0], x[1], x[2], x[3]);
  }
}

// A chain on tensors of a type, computed fused, by a session of several threads, and op by op.
template <class T, class Chain>
void compare(const Chain& chain, const std::vector<dims>& shapes, int ops, bool strange) {
  Array by_threads[2], apart;
  std::string plan;
  for (int how = 0; how < 3; ++how) {
    Graph g;
    std::vector<any_tensor> x;
    std::vector<feed_item> feeds;
    for (std::size_t k = 0; k < shapes.size(); ++k) {
      x.push_back(placeholder(g, dtype_of<T>, shapes[k], "x"));
      feeds.push_back(
          feed(x.back(), numbers(dtype_of<T>, shapes[k], static_cast<int>(k), strange)));
    }
    const any_tensor y = called(chain, x);
    if (how == 2) hold_apart(g, y, g.id(x[0]).op);
    Session session(g, {.threads = how == 0 ? 1 : 3});
    (how == 2 ? apart : by_threads[how]) = session.run(y, feeds);
    if (how == 0) plan = session.explain_plan(y, feeds);
  }
  INFO(plan);
  CHECK(equal_bits<T>(by_threads[0], by_threads[1]));
  CHECK(equal_bits<T>(by_threads[0], apart));
  if (by_threads[0].size() > 1) CHECK(compiled_ops(plan) == ops);
}

}  // namespace

TEMPLATE_TEST_CASE("a registered chain has the bits of its operators", "[fused]", float, double) {
  register_fused<gate>();
  register_fused<gate, full, row, row, full>();
  register_fused<mixed, full, full, scalar>();
  register_fused<mixed, full, column, column>();
  register_fused<waves>();
  for (const bool strange : {false, true}) {
    for (const std::int64_t n : {0, 1, 2, 7, 64, 255, 4097}) {
      compare<TestType>(gate, {{n}, {n}, {n}, {n}}, 7, strange);
      compare<TestType>(mixed, {{n}, {n}, {}}, 10, strange);
      compare<TestType>(waves, {{n}, {n}}, 8, strange);
    }
    for (const dims& shape :
         {dims{3, 5}, dims{33, 10}, dims{2, 300}, dims{300, 2}, dims{5, 1025}}) {
      compare<TestType>(gate, {shape, {shape[1]}, {1, shape[1]}, shape}, 7, strange);
      compare<TestType>(mixed, {shape, {shape[0], 1}, {shape[0], 1}}, 7, strange);
    }
  }
  compare<TestType>(gate, {{300001}, {300001}, {300001}, {300001}}, 7, false);
  compare<TestType>(gate, {{301, 1003}, {1003}, {1003}, {301, 1003}}, 7, false);
}

namespace own {
inline constexpr auto chain =
    elementwise([](auto x, auto w, auto b) { return silu(x * w) * tanh(x - b) + 0.25; });
}  // namespace own

TEST_CASE("a group whose ops see other shapes", "[fused]") {
  register_fused<gate, full, row, row, full>();
  Graph g;
  const auto x = placeholder<float, shape<4, 8>>(g, "x"),
             c = placeholder<float, shape<4, 8>>(g, "c");
  const auto w = placeholder<float, shape<8>>(g, "w"), b = placeholder<float, shape<8>>(g, "b");
  const any_tensor y = sign(reshape<shape<32>>(gate(x, w, b, c))) * 2.0;
  const std::vector<feed_item> feeds{
      feed(x, numbers(dtype::float32, {4, 8}, 1)), feed(w, numbers(dtype::float32, {8}, 2)),
      feed(b, numbers(dtype::float32, {8}, 3)), feed(c, numbers(dtype::float32, {4, 8}, 4))};
  Session session(g);
  const std::string plan = session.explain_plan(y, feeds);
  INFO(plan);
  CHECK(has(plan, "fused from 9 ops, 7 of them compiled"));
  const Array fused = session.run(y, feeds);
  hold_apart(g, y, g.id(any_tensor(x)).op);
  Session apart(g);
  CHECK(equal_bits<float>(fused, apart.run(y, feeds)));
}

TEST_CASE("three results of one value are one pass", "[fused]") {
  Graph g;
  const any_tensor x = placeholder<float, shape<dyn>>(g, "x");
  const std::vector<any_tensor> y{sum(sin(x)), sum(cos(x)), sum(exp(x))};
  Session session(g);
  const Array value = numbers(dtype::float32, {100}, 1);
  CHECK(has(session.explain_plan(y, feed(x, value)), "fused from 3 ops"));
  const std::vector<Array> got = session.run(y, feed(x, value));
  for (const any_tensor& t : y) hold_apart(g, t, g.id(x).op);
  Session apart(g);
  const std::vector<Array> plain = apart.run(y, feed(x, value));
  for (std::size_t k = 0; k < 3; ++k) CHECK(equal_bits<float>(got[k], plain[k]));
}

TEST_CASE("what the library ships is found in networks", "[fused]") {
  Graph g;
  auto x = placeholder<float, shape<dyn, 12>>(g, "x");
  auto w = make_variable<float, shape<12, 9>>(g, "w", glorot_uniform());
  auto b = make_variable<float, shape<9>>(g, "b", glorot_uniform());
  auto y = relu(matmul(x, w) + b);
  Session session(g);
  session.initialize();
  const std::string plan = session.explain_plan(y, feed(x, Array(dtype::float32, {4, 12})));
  CHECK(has(plan, "fused from 2 ops, 2 of them compiled"));
  CHECK(has_fused_kernel(form_of("f0 r1 add relu"), dtype::float32));
  CHECK(has_fused_kernel(form_of("r1 f0 add relu"), dtype::float64));
  CHECK(!has_fused_kernel(form_of("f0 r1 add relu"), dtype::int32));
  CHECK(!has_fused_kernel(form_of("f0 r1 add relu relu relu relu"), dtype::float32));
}

TEST_CASE("a form is found however the graph came to hold it", "[fused]") {
  Graph g;
  auto x = placeholder<float, shape<dyn, 8>>(g, "x");
  auto w = make_variable<float, shape<8>>(g, "w", glorot_uniform());
  auto b = make_variable<float, shape<8>>(g, "b", glorot_uniform());
  const Array value = numbers(dtype::float32, {5, 8}, 1);
  const auto before = own::chain(x, w, b);
  Session early(g);
  early.initialize();
  const Array tiles = early.run(before, feed(x, value));
  CHECK(compiled_ops(early.explain_plan(before, feed(x, value))) == 0);

  register_fused<own::chain, full, row, row>();
  // A plan made before keeps what it has; a new session makes a new one.
  CHECK(equal_bits<float>(early.run(before, feed(x, value)), tiles));
  Session session(g);
  CHECK(compiled_ops(session.explain_plan(before, feed(x, value))) == 6);
  CHECK(equal_bits<float>(session.run(before, feed(x, value)), tiles));
  // Written out, in another order.
  const auto same = 0.25 + tanh(x - b) * silu(w * x);
  CHECK(compiled_ops(session.explain_plan(same, feed(x, value))) == 6);
  // Cloned.
  const Clone copy = clone(extract(inputs(x), outputs(before)), variables::shared);
  const any_tensor cloned = copy(before);
  CHECK(compiled_ops(session.explain_plan(cloned, feed(copy(x), value))) == 6);
  CHECK(equal_bits<float>(session.run(cloned, feed(copy(x), value)), tiles));
  // Amid other elementwise ops: a part of a group.
  const auto around = abs(own::chain(floor(x), w, b)) * x;
  CHECK(compiled_ops(session.explain_plan(around, feed(x, value))) == 6);
  // Not with another number, nor with operands of other classes.
  const auto other = silu(x * w) * tanh(x - b) + 0.5;
  CHECK(compiled_ops(session.explain_plan(other, feed(x, value))) == 0);
  // An inner result that is fetched too is another form.
  const auto inner = silu(x * w);
  const auto outer = inner * tanh(x - b) + 0.25;
  CHECK(compiled_ops(session.explain_plan(std::vector<any_tensor>{inner, outer}, feed(x, value))) ==
        0);
}

namespace {

// Gradients of a chain with respect to w and b, or to all its operands.
template <class T, class Chain>
void check_gradient(const Chain& chain, const std::vector<dims>& shapes, bool data_too, int ops) {
  Graph g;
  std::vector<any_tensor> x;
  std::vector<feed_item> feeds;
  for (std::size_t k = 0; k < shapes.size(); ++k) {
    x.push_back(placeholder(g, dtype_of<T>, shapes[k], "x"));
    feeds.push_back(feed(x.back(), numbers(dtype_of<T>, shapes[k], static_cast<int>(k))));
  }
  const any_tensor y = called(chain, x);
  const any_tensor loss = sum(softmax(y) * 3.0 + y);
  const std::vector<any_tensor> wanted(x.begin() + (data_too ? 0 : 1), x.end());
  const std::vector<any_tensor> d = gradients(loss, wanted);
  Session session(g);
  const std::string plan = session.explain_plan(d, feeds);
  INFO(plan);
  CHECK(compiled_ops(plan) >= ops);
  const std::vector<Array> got = session.run(d, feeds);
  if constexpr (std::is_same_v<T, double>) {
    for (std::size_t k = 0; k < wanted.size(); ++k) {
      const std::size_t place = k + (data_too ? 0 : 1);
      const Array at = feeds[place].value;
      for (std::int64_t i = 0; i < at.size(); i += 3) {
        const double step = 1e-5;
        double sides[2];
        for (int s = 0; s < 2; ++s) {
          Array moved = at;
          moved.mutable_span<double>()[static_cast<std::size_t>(i)] += s == 0 ? step : -step;
          std::vector<feed_item> other = feeds;
          other[place] = feed(x[place], moved);
          sides[s] = session.run(loss, other).template span<double>()[0];
        }
        const double slope = (sides[0] - sides[1]) / (2 * step);
        CHECK(got[k].span<double>()[static_cast<std::size_t>(i)] ==
              Approx(slope).margin(1e-6).epsilon(1e-6));
      }
    }
  }
  // The same bits as op by op.
  for (const any_tensor& t : d) hold_apart(g, t, g.id(x[0]).op);
  Session apart(g);
  const std::vector<Array> plain = apart.run(d, feeds);
  for (std::size_t k = 0; k < d.size(); ++k) CHECK(equal_bits<T>(got[k], plain[k]));
}

}  // namespace

TEMPLATE_TEST_CASE("gradients use the kernels of the derivative", "[fused]", float, double) {
  register_fused<gate>();
  register_fused<gate, full, row, row, full>();
  register_fused<waves>();
  register_fused<own::chain, full, row, row>();
  // All of the chain, and of its gradient at least three quarters.
  check_gradient<TestType>(gate, {{4, 6}, {4, 6}, {4, 6}, {4, 6}}, true, 12);
  check_gradient<TestType>(gate, {{4, 6}, {6}, {6}, {4, 6}}, false, 10);
  check_gradient<TestType>(gate, {{4, 6}, {6}, {6}, {4, 6}}, true, 12);
  check_gradient<TestType>(waves, {{5, 3}, {5, 3}}, true, 14);
  check_gradient<TestType>(own::chain, {{5, 8}, {8}, {8}}, false, 10);
}

TEST_CASE("chains may be registered while plans are made", "[fused]") {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 20; ++i) {
        if (t == 0) register_fused<waves, full, row>();
        Graph g;
        const any_tensor x = placeholder<float, shape<dyn, 4>>(g, "x");
        const any_tensor y = placeholder<float, shape<4>>(g, "y");
        Session session(g, {.threads = 1});
        session.run(any_tensor(waves(x, y)), feed(x, Array(dtype::float32, {i + 1, 4})),
                    feed(y, Array(dtype::float32, {4})));
      }
    });
  }
  for (std::thread& t : threads) t.join();
}

TEST_CASE("what may not be registered", "[fused]") {
  const fused_kernel kernel = [](const fused_block&) {};
  const elementwise_form good = form_of("f0 r1 add abs");
  CHECK_THROWS_AS(register_fused_kernel(good, dtype::int32, kernel), dtype_error);
  CHECK_THROWS_AS(register_fused_kernel(good, dtype::float32, nullptr), argument_error);
  CHECK_THROWS_AS(register_fused_kernel(elementwise_form(), dtype::float32, kernel),
                  argument_error);
  CHECK_THROWS_AS(register_fused_kernel(form_of("r0 r1 add"), dtype::float32, kernel),
                  argument_error);
  CHECK_THROWS_AS(register_fused_kernel(form_of("f0 f1 less"), dtype::float32, kernel),
                  argument_error);
  CHECK(has(sentence<argument_error>([&] {
              elementwise_form f;
              const auto a = f.add_operand(row), b = f.add_operand(full);
              f.add_node({form_op::sub, true, {b, a}});
              register_fused_kernel(f, dtype::float32, kernel);
            }),
            "canonical order"));
}
