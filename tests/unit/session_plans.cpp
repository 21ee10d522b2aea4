// Plans: fusion against one op at a time, memory, what makes a plan stale.
#include <cmath>
#include <random>

#include "graft/ops/softmax.hpp"
#include "graft/train/optimizer.hpp"

#include "catch.hpp"
#include "session_fixture.hpp"

using namespace session_test;

namespace {

Array random_array(const dims& shape, std::mt19937& random) {
  Array a(dtype::float32, shape);
  for (float& v : a.mutable_span<float>()) v = std::uniform_real_distribution<float>(-2, 2)(random);
  return a;
}

// Every op run by itself, its operands fed: no fusion, no memory used twice.
class one_at_a_time {
 public:
  explicit one_at_a_time(Graph& g) : g_(g), session_(g, {.threads = 1}) {}
  void give(const any_tensor& t, const Array& value) { values_.emplace_back(g_.id(t), value); }
  Array compute(const any_tensor& t) {
    const tensor_id id = g_.id(t);
    if (const Array* known = find(id)) return *known;
    std::vector<feed_item> feeds;
    for (const tensor_id operand : g_.operands(id.op)) {
      const any_tensor handle = g_.handle(operand);
      const Array value = compute(handle);
      if (g_.schema_of(operand.op).name == std::string("scalar")) continue;
      bool fed = false;
      for (const feed_item& f : feeds) fed = fed || g_.id(f.target) == operand;
      if (!fed) feeds.push_back(feed(handle, value));
    }
    give(t, session_.run(t, feeds));
    return *find(id);
  }

 private:
  const Array* find(tensor_id id) const {
    for (const auto& [known, value] : values_) {
      if (known == id) return &value;
    }
    return nullptr;
  }
  Graph& g_;
  Session session_;
  std::vector<std::pair<tensor_id, Array>> values_;
};

any_tensor random_op(const std::vector<any_tensor>& all, std::mt19937& random) {
  const auto pick = [&] {
    // Recent tensors more often, so that chains get long.
    const std::size_t back = std::min<std::size_t>(all.size() - 1, random() % 6);
    return random() % 4 == 0 ? all[random() % all.size()] : all[all.size() - 1 - back];
  };
  const any_tensor a = pick(), b = pick();
  switch (random() % 14) {
    case 0:
      return a + b;
    case 1:
      return a - b;
    case 2:
      return a * b;
    case 3:
      return maximum(a, b);
    case 4:
      return tanh(a);
    case 5:
      return relu(a);
    case 6:
      return sigmoid(a);
    case 7:
      return a * 0.5f;
    case 8:
      return select(a > b, a, b);
    case 9:
      return 1.0f - abs(a);
    case 10:
      return square(a) * 0.1f;
    case 11:
      return cast<float>(a < b);
    case 12:
      return identity(a);
    default:
      return minimum(a, b) + a;
  }
}

}  // namespace

TEST_CASE("fused steps give the bits of single ones") {
  const std::vector<std::vector<dims>> families{
      {{1}, {}},
      {{7}, {1}, {}},
      {{1000}, {}},
      {{5, 10}, {10}, {5, 1}, {}},
      {{64, 3}, {3}, {64, 1}, {1, 3}},
      {{3, 300}, {300}, {3, 1}},
      {{2, 3000}, {1, 3000}, {2, 1}, {1}},
      {{2, 5, 40}, {5, 40}, {2, 1, 1}, {40}, {5, 1}},
      {{70000}, {}},
      {{700, 100}, {100}, {700, 1}},
      {{0, 4}, {4}},
  };
  std::mt19937 random(3);
  for (std::size_t round = 0; round < 88; ++round) {
    const auto& shapes = families[round % families.size()];
    INFO("round " << round);
    Graph g;
    std::vector<any_tensor> all;
    std::vector<feed_item> feeds;
    one_at_a_time oracle(g);
    for (const dims& shape : shapes) {
      const Array value = random_array(shape, random);
      const any_tensor x = placeholder(g, dtype::float32, shape, "x");
      oracle.give(x, value);
      feeds.push_back(feed(x, value));
      all.push_back(x);
    }
    // All inputs are used, whatever the ops choose.
    any_tensor sum_of_all = all[0];
    for (std::size_t i = 1; i < shapes.size(); ++i) all.push_back(sum_of_all = sum_of_all + all[i]);
    const std::size_t count = 5 + random() % 40;
    for (std::size_t i = 0; i < count; ++i) all.push_back(random_op(all, random));
    std::vector<any_tensor> fetches{sum_of_all, all.back()};
    for (int i = 0; i < 3; ++i) fetches.push_back(all[random() % all.size()]);
    Session session(g, {.threads = 2});
    for (int repeat = 0; repeat < 2; ++repeat) {
      const std::vector<Array> found = session.run(fetches, feeds);
      for (std::size_t i = 0; i < fetches.size(); ++i) {
        INFO("fetch " << i << "\n" << session.explain_plan(fetches, feeds));
        REQUIRE(found[i].same_bits(oracle.compute(fetches[i])));
      }
    }
  }
}

TEST_CASE("training gives the bits of single steps, whatever is fused or written in place") {
  std::vector<std::vector<Array>> all;
  for (const session_options& options :
       {session_options{.threads = 1, .seed = 7}, session_options{.threads = 4, .seed = 7},
        session_options{.threads = 1, .seed = 7, .check_numerics = true}}) {
    Graph g;
    auto x = placeholder<float, shape<dyn, 20>>(g, "x");
    auto target = placeholder<float, shape<dyn, 3>>(g, "target");
    auto w1 = make_variable<float, shape<20, 300>>(g, "w1", glorot_uniform());
    auto b1 = make_variable<float, shape<300>>(g, "b1", zeros());
    auto w2 = make_variable<float, shape<300, 3>>(g, "w2", glorot_uniform());
    auto b2 = make_variable<float, shape<3>>(g, "b2", zeros());
    auto hidden = tanh(matmul(x, w1) + b1);
    auto y = matmul(hidden * sigmoid(hidden), w2) + b2;
    auto loss = mean(squared_difference(y, target)) + sum(square(w1)) * 1e-4f;
    const training_step step =
        minimize(loss, adam{.rate = 0.01}, {.parameters = {}, .clip_norm = 1.0});
    Session session(g, options);
    session.initialize();
    std::mt19937 random(5);
    float first = 0, last = 0;
    for (int i = 0; i < 25; ++i) {
      const Array batch = random_array({i % 2 == 0 ? 64 : 33, 20}, random);
      const Array targets = Array::full<float>({batch.shape()[0], 3}, 0.5f);
      const auto [now, done] =
          session.run(std::tuple{step.loss, step}, feed(x, batch), feed(target, targets));
      last = now.template item<float>();
      if (i == 0) first = last;
    }
    CHECK(last < first);
    all.emplace_back();
    for (const variable_id v : g.variables()) all.back().push_back(session.value(v));
  }
  for (const std::vector<Array>& values : all) {
    for (std::size_t i = 0; i < values.size(); ++i) CHECK(values[i].same_bits(all[0][i]));
  }
}

TEST_CASE("a chain behind a product is one step") {
  Graph g;
  auto x = placeholder<float, shape<dyn, 8>>(g, "x");
  auto w = make_variable<float, shape<8, 4>>(g, "w", ones());
  auto b = make_variable<float, shape<4>>(g, "b", ones());
  auto y = tanh(relu(matmul(x, w) + b) * 2.0f);
  Session session(g);
  session.initialize();
  const Array fed(dtype::float32, {16, 8});
  const std::string text = session.explain_plan(y, feed(x, fed));
  CHECK(has(text, "plan: 2 steps"));
  CHECK(has(text, "fused from 4 ops"));
  CHECK(session.run(y, feed(x, fed)).at<float>({3, 3}) == Approx(std::tanh(2.0f)));
}

TEST_CASE("what follows from constants and shapes alone is computed once") {
  Graph g;
  auto x = placeholder<float, shape<2>>(g, "x");
  auto fixed = counted(constant(g, vector_of({1, 2})));
  auto y = x + ones_like(x) * 3.0f + as<float, shape<2>>(fixed);
  Session session(g);
  count_of_runs = 0;
  for (int i = 0; i < 3; ++i)
    CHECK(session.run(y, feed(x, {0.0f, 1.0f})).same_bits(vector_of({4, 6})));
  CHECK(count_of_runs == 1);
  CHECK(has(session.explain_plan(y, feed(x, {0.0f, 1.0f})), "plan: 1 steps"));
}

TEST_CASE("memory is used again") {
  Graph g;
  auto x = placeholder<float, shape<1024>>(g, "x");
  any_tensor y = x;
  for (int i = 0; i < 50; ++i) y = counted(y);
  Session session(g);
  const Array fed = Array::full<float>({1024}, 3.0f);
  const std::string text = session.explain_plan(y, feed(x, fed));
  CHECK(has(text, "plan: 50 steps, arena of 8192 bytes"));
  CHECK(session.run(y, feed(x, fed)).same_bits(fed));
  // A result written over its operand needs no second piece.
  any_tensor z = x;
  for (int i = 0; i < 50; ++i) z = softmax(z);
  CHECK(has(session.explain_plan(z, feed(x, fed)), "arena of"));
}

TEST_CASE("a result is written over an operand only where every use of it allows that") {
  Graph g;
  auto x = placeholder<float, shape<3>>(g, "x");
  auto made = counted(x);
  Session session(g);
  const auto fed = feed(x, {1.0f, 10.0f, 100.0f});
  CHECK(session.run(mirrored_op(made, x), fed).same_bits(vector_of({101, 20, 101})));
  CHECK(session.run(mirrored_op(made, made), fed).same_bits(vector_of({101, 20, 101})));
  CHECK(session.run(counted(mirrored_op(made, made)), fed).same_bits(vector_of({101, 20, 101})));
  // The same for a variable that is updated.
  auto w = make_variable<float, shape<3>>(g, "w", zeros());
  session.set_value(w, vector_of({1, 10, 100}));
  session.run(updates(g, assign(w, mirrored_op(w, w))));
  CHECK(session.value(w).same_bits(vector_of({101, 20, 101})));
  CHECK(has(session.explain_plan(updates(g, assign(w, mirrored_op(w, x))), fed), "in place"));
}

TEST_CASE("views share memory and results have their own shapes") {
  Graph g;
  auto x = placeholder<float, shape<2, 3>>(g, "x");
  auto w = make_variable<float, shape<6>>(g, "w", ones());
  auto c = constant(g, vector_of({1, 2, 3, 4, 5, 6}));
  auto y = x + 1.0f;
  auto flat = flatten(reshape<shape<3, 2>>(y));
  auto sum = reshape<shape<6>>(y) + w;
  Session session(g);
  session.initialize();
  const Array fed = Array::from<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  const auto [a, b, s, v, k, f] =
      session.run(std::tuple{y, flat, sum, reshape<shape<2, 3>>(w), reshape(c, dims{3, 2}),
                             reshape<shape<6>>(x)},
                  feed(x, fed));
  CHECK(a.same_bits(Array::from<float>({2, 3}, {2, 3, 4, 5, 6, 7})));
  CHECK(b.same_bits(Array::from<float>({3, 2}, {2, 3, 4, 5, 6, 7})));
  CHECK(s.same_bits(vector_of({3, 4, 5, 6, 7, 8})));
  CHECK(v.same_bits(Array::full<float>({2, 3}, 1)));
  CHECK(k.same_bits(Array::from<float>({3, 2}, {1, 2, 3, 4, 5, 6})));
  CHECK(f.same_bits(vector_of({1, 2, 3, 4, 5, 6})));
  // Results belong to the caller.
  Array mine = k;
  mine.mutable_span<float>()[0] = 100;
  Array copy = v;
  copy.mutable_span<float>()[0] = 100;
  CHECK(session.run(c, std::vector<feed_item>{}).at<float>({0}) == 1);
  CHECK(session.value(w).at<float>({0}) == 1);
}

TEST_CASE("a plan lives until an op of its own is edited") {
  Graph g;
  auto x = placeholder<float, shape<2>>(g, "x");
  auto a = exp(x);
  auto y = a + 1.0f;
  Session session(g);
  const auto fed = feed(x, {0.0f, 0.0f});
  CHECK(session.run(y, fed).same_bits(vector_of({2, 2})));
  CHECK(session.run(y, fed).same_bits(vector_of({2, 2})));
  CHECK(session.plans_made() == 1);
  auto more = y * 3.0f;  // adding does not matter
  CHECK(session.run(y, fed).same_bits(vector_of({2, 2})));
  CHECK(session.plans_made() == 1);
  CHECK(session.run(more, fed).same_bits(vector_of({6, 6})));
  CHECK(session.plans_made() == 2);

  g.set_operand(g.id(y).op, 0, g.id(x));
  CHECK(session.run(y, fed).same_bits(vector_of({1, 1})));
  CHECK(session.run(more, fed).same_bits(vector_of({3, 3})));
  {
    Graph::transaction undone(g);
    g.set_operand(g.id(y).op, 0, g.id(a));
    CHECK(session.run(y, fed).same_bits(vector_of({2, 2})));
  }
  CHECK(session.run(y, fed).same_bits(vector_of({1, 1})));
  const op_id gone[] = {g.id(more).op};
  g.erase_ops(gone);
  CHECK(session.run(y, fed).same_bits(vector_of({1, 1})));
  CHECK_THROWS_AS(session.run(more, fed), handle_error);
}

TEST_CASE("other shapes make other plans, and old ones are dropped") {
  Graph g;
  auto x = placeholder<float, shape<dyn>>(g, "x");
  auto y = x * 2.0f;
  Session session(g, {.threads = 1});
  for (int repeat = 0; repeat < 2; ++repeat) {
    for (std::int64_t n = 0; n < 300; ++n) {
      const Array found = session.run(y, feed(x, Array::full<float>({n}, 1.5f)));
      REQUIRE(found.same_bits(Array::full<float>({n}, 3.0f)));
    }
  }
  CHECK(session.plans_made() == 600);
}

TEST_CASE("ops run in the order of their operands however they are stored") {
  Graph g;
  auto x = placeholder<float, shape<2>>(g, "x");
  auto first = x + 1.0f;
  auto second = first * 2.0f;
  auto late = exp(x) - 1.0f;  // stored after what will use it
  g.set_operand(g.id(first).op, 0, g.id(late));
  Session session(g);
  CHECK(session.run(second, feed(x, {0.0f, 0.0f})).same_bits(vector_of({2, 2})));
}

TEST_CASE("a chain of a hundred thousand ops runs") {
  Graph g;
  auto x = placeholder<float, shape<3>>(g, "x");
  any_tensor y = x;
  for (int i = 0; i < 100000; ++i) y = y + x;
  Session session(g, {.threads = 1});
  CHECK(session.run(y, feed(x, {1.0f, 0.0f, -1.0f})).same_bits(vector_of({100001, 0, -100001})));
}

TEST_CASE("explaining a plan names steps, shapes and memory") {
  Graph g;
  auto x = placeholder<float, shape<dyn, 2>>(g, "x");
  auto y = sum<axes<1>>(counted(x), "total");
  Session session(g);
  const std::string text = session.explain_plan(y, feed(x, Array(dtype::float32, {5, 2})));
  CHECK(has(text, "(test.counted)"));
  CHECK(has(text, "'total' (sum)"));
  CHECK(has(text, "float32 [5, 2] in arena+0"));
  CHECK(has(text, "result: float32 [5] in fetch 0"));
}
