// Prepared calls, and that running them allocates nothing.
#include <atomic>
#include <cstdlib>
#include <new>

#include "graft/dsl/control.hpp"
#include "graft/ops/optimizer.hpp"
#include "graft/surgery/boundary.hpp"
#include "graft/train/gradients.hpp"

#include "../support/training_network.hpp"
#include "catch.hpp"
#include "session_fixture.hpp"

using namespace session_test;

namespace {
std::atomic<bool> counting{false};
std::atomic<int> allocations{0};

void* allocate(std::size_t bytes, std::size_t alignment) {
  if (counting) ++allocations;
  void* memory =
      alignment <= alignof(std::max_align_t)
          ? std::malloc(bytes > 0 ? bytes : 1)
          : std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  return memory;
}
void* allocate_or_throw(std::size_t bytes, std::size_t alignment) {
  if (void* memory = allocate(bytes, alignment)) return memory;
  throw std::bad_alloc();
}
}  // namespace

[[gnu::noinline]] void* operator new(std::size_t n) { return allocate_or_throw(n, 1); }
[[gnu::noinline]] void* operator new[](std::size_t n) { return allocate_or_throw(n, 1); }
[[gnu::noinline]] void* operator new(std::size_t n, std::align_val_t a) {
  return allocate_or_throw(n, static_cast<std::size_t>(a));
}
[[gnu::noinline]] void* operator new[](std::size_t n, std::align_val_t a) {
  return allocate_or_throw(n, static_cast<std::size_t>(a));
}
[[gnu::noinline]] void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
  return allocate(n, 1);
}
[[gnu::noinline]] void* operator new[](std::size_t n, const std::nothrow_t&) noexcept {
  return allocate(n, 1);
}
[[gnu::noinline]] void* operator new(std::size_t n, std::align_val_t a,
                                     const std::nothrow_t&) noexcept {
  return allocate(n, static_cast<std::size_t>(a));
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
  std::free(p);
}
[[gnu::noinline]] void operator delete[](void* p, std::size_t, std::align_val_t) noexcept {
  std::free(p);
}

namespace {

template <class F>
int allocations_of(F&& f) {
  allocations = 0;
  counting = true;
  f();
  counting = false;
  return allocations;
}

struct two_layers {
  Graph g;
  tensor<Graph, dtype::float32, shape<dyn, 8>> x = placeholder<float, shape<dyn, 8>>(g, "x");
  tensor<Graph, dtype::float32, shape<8, 16>> w1 =
      make_variable<float, shape<8, 16>>(g, "w1", uniform(-1, 1));
  tensor<Graph, dtype::float32, shape<16>> b1 = make_variable<float, shape<16>>(g, "b1", zeros());
  tensor<Graph, dtype::float32, shape<16, 4>> w2 =
      make_variable<float, shape<16, 4>>(g, "w2", uniform(-1, 1));
  any_tensor y = matmul(relu(matmul(x, w1) + b1), w2);
};

}  // namespace

TEST_CASE("a prepared call computes what a run computes") {
  two_layers n;
  Session session(n.g);
  session.initialize();
  prepared_call call = session.prepare(std::tuple{n.y, n.x, n.b1}, shaped(n.x, {3, 8}));
  REQUIRE(call.input_count() == 1);
  REQUIRE(call.output_count() == 3);
  CHECK(call.input_shape() == dims{3, 8});
  CHECK(call.output_shape(0) == dims{3, 4});
  for (int round = 0; round < 3; ++round) {
    Array fed(dtype::float32, {3, 8});
    for (std::size_t i = 0; i < 24; ++i) {
      fed.mutable_span<float>()[i] = call.input<float>()[i] =
          0.1f * static_cast<float>(i) - static_cast<float>(round);
    }
    call.run();
    const Array wanted = session.run(n.y, feed(n.x, fed));
    const auto out = call.output<float>();
    REQUIRE(Array::from<float>({3, 4}, out).same_bits(wanted));
    CHECK(call.output<float>(1)[5] == fed.span<float>()[5]);
    CHECK(call.output<float>(2)[0] == 0);
  }
  CHECK_THROWS_AS(call.input<float>(1), argument_error);
  CHECK_THROWS_AS(call.output<float>(3), argument_error);
  CHECK_THROWS_AS(call.output<double>(0), dtype_error);
}

TEST_CASE("ways to name the inputs of a prepared call") {
  Graph g;
  auto x = placeholder<float, shape<2>>(g, "x");
  auto z = placeholder<float, shape<dyn>>(g, "z");
  auto y = x + 1.0f;
  Session session(g);
  const auto value_of = [](prepared_call call) {
    call.input<float>()[0] = 4;
    call.run();
    return call.output<float>()[0];
  };
  CHECK(value_of(session.prepare(y, x)) == 5);
  CHECK(value_of(session.prepare({y}, {x})) == 5);
  CHECK(value_of(session.prepare(outputs(y), inputs(x))) == 5);
  CHECK(value_of(session.prepare(y, feed(x, {1.0f, 2.0f}))) == 5);
  const Array mine = vector_of({1, 2});
  CHECK(value_of(session.prepare(y, feed(x, mine))) == 5);
  CHECK(mine.same_bits(vector_of({1, 2})));  // the call has memory of its own
  CHECK(
      has(sentence<shape_error>([&] { (void)session.prepare(z * 2.0f, z); }), "shaped(x, {...})"));
  CHECK_THROWS_AS(session.prepare(y), feed_error);
}

TEST_CASE("running a prepared call allocates nothing") {
  two_layers n;
  for (const int threads : {1, 2}) {
    Session session(n.g, {.threads = threads});
    session.initialize();
    // Enough rows for the threads to share them.
    prepared_call call = session.prepare(std::tuple{n.y, n.w1}, shaped(n.x, {20000, 8}));
    call.run();
    CHECK(allocations_of([&] {
            for (int i = 0; i < 10; ++i) call.run();
          }) == 0);
  }
  // The counter counts.
  CHECK(allocations_of([] { ::operator delete(::operator new(8)); }) > 0);
}

TEST_CASE("running a prepared training step allocates nothing on any number of threads") {
  for (const int threads : {1, 2, 3}) {
    graft_test::training_network net;
    Session session(net.g, {.threads = threads, .seed = 5});
    session.initialize();
    prepared_call call = net.prepare(session);
    call.run();
    call.run();
    CHECK(allocations_of([&] {
            for (int i = 0; i < 2; ++i) call.run();
          }) == 0);
  }
}

TEST_CASE("a prepared call that was moved from says so") {
  two_layers n;
  Session session(n.g);
  session.initialize();
  prepared_call call = session.prepare(n.y, shaped(n.x, {3, 8}));
  prepared_call moved = std::move(call);
  moved.run();
  CHECK(has(sentence<handle_error>([&] { call.run(); }), "moved from"));  // NOLINT: that is asked
  CHECK_THROWS_AS(call.input<float>(), handle_error);
  CHECK_THROWS_AS(call.output<float>(), handle_error);
  CHECK_THROWS_AS(call.input_count(), handle_error);
  CHECK_THROWS_AS(call.output_count(), handle_error);
  CHECK_THROWS_AS(call.input_shape(), handle_error);
  CHECK_THROWS_AS(call.output_shape(), handle_error);
  call = std::move(moved);
  call.run();
}

TEST_CASE("running a prepared update allocates nothing") {
  Graph g;
  auto x = placeholder<float, shape<4, 8>>(g, "x");
  auto w = make_variable<float, shape<4, 8>>(g, "w", ones());
  auto m = make_variable<float, shape<4, 8>>(g, "m", zeros());
  auto steps = make_variable<std::int64_t, shape<>>(g, "steps", zeros());
  auto average = make_variable<float, shape<4, 8>>(g, "average", zeros());
  auto loss = sum(square(w - x));
  auto [value, velocity] = apply<ops::momentum_update>(attribute_list().set("momentum", 0.5), {},
                                                       {}, w, 2.0f * (w - x), m, constant(g, 0.1f));
  auto step =
      updates(g, assign(w, value), assign(m, velocity), assign(steps, steps + std::int64_t{1}),
              assign(average, average + (w - average) * 0.1f));
  Session session(g, {.threads = 1});
  session.initialize();
  prepared_call call = session.prepare(std::tuple{loss, step}, x);
  call.run();
  const float first = call.output<float>()[0];
  CHECK(allocations_of([&] {
          for (int i = 0; i < 10; ++i) call.run();
        }) == 0);
  CHECK(call.output<float>()[0] < first);
  CHECK(session.value(steps).item<std::int64_t>() == 11);
}

TEST_CASE("a prepared call follows the graph") {
  auto g = std::make_unique<Graph>();
  auto x = placeholder<float, shape<2>>(*g, "x");
  auto a = exp(x);
  auto y = a + 1.0f;
  auto session = std::make_unique<Session>(*g);
  prepared_call call = session->prepare(y, x);
  const auto input = call.input<float>();
  call.run();
  CHECK(call.output<float>()[0] == 2);
  const auto output = call.output<float>();
  (void)relu(y);  // no op of the call is edited
  call.run();
  prepared_call moved = std::move(call);
  call = std::move(moved);
  CHECK(call.output<float>().data() == output.data());
  session.reset();  // the call keeps what it needs
  g->set_operand(g->id(y).op, 0, g->id(x));
  input[0] = 5;
  call.run();
  CHECK(call.output<float>()[0] == 6);
  CHECK(call.input<float>().data() == input.data());
  g.reset();
  CHECK_THROWS_AS(call.run(), handle_error);
}

TEST_CASE("a prepared call that fails can be run again") {
  Graph g;
  auto x = placeholder<float, shape<2>>(g, "x");
  auto w = make_variable<float, shape<2>>(g, "w", zeros());
  auto y = may_fail(x);
  auto step = updates(g, assign(w, w + y));
  Session session(g);
  session.initialize();
  prepared_call call = session.prepare(step, feed(x, {1.0f, 2.0f}));
  kernel_fails = true;
  CHECK_THROWS_AS(call.run(), numeric_error);
  CHECK(session.value(w).same_bits(vector_of({0, 0})));
  kernel_fails = false;
  call.run();
  CHECK(session.value(w).same_bits(vector_of({1, 2})));
}

TEST_CASE("bodies allocate nothing in their steps, nor do their gradients") {
  Graph g;
  auto xs = placeholder<float, shape<dyn, 4, 6>>(g, "xs");
  auto w = make_variable<float, shape<6, 6>>(g, "w", uniform(-0.5, 0.5));
  auto zero = fill<float, shape<4, 6>>(g, 0.5);
  auto [last, ys] = scan(std::tuple{zero, zero}, xs, [&](auto state, auto x) {
    auto [h, c] = state;
    auto next = while_loop(
        tanh(matmul(h, w) + x), [](auto v) { return sum(v) > 3.0f; },
        [](auto v) { return v * 0.9f; });
    auto kept = cond(sum(next) > 0.0f, [&] { return c + next; }, [&] { return c * next; });
    return std::tuple{std::tuple{next, kept}, kept};
  });
  const any_tensor dw = gradients(sum(ys) + sum(std::get<0>(last)), {w})[0];
  Session session(g);
  session.initialize();
  prepared_call call = session.prepare(std::tuple{ys, dw}, shaped(xs, {20, 4, 6}));
  for (float& v : call.input<float>()) v = 0.75f;
  call.run();  // the first run makes its context and the record of the loop
  CHECK(allocations_of([&] { call.run(); }) == 0);
}

TEST_CASE("compiled chains allocate nothing") {
  Graph g;
  const any_tensor x = placeholder<float, shape<dyn, 300>>(g, "x");
  const any_tensor b = placeholder<float, shape<300>>(g, "b");
  const any_tensor y = sign(tanh(x + b) + x) * x;  // a compiled stretch and a rest
  Session session(g, {.threads = 2});
  REQUIRE(session
              .explain_plan(y, feed(x, Array(dtype::float32, {500, 300})),
                            feed(b, Array(dtype::float32, {300})))
              .find("2 of them compiled") != std::string::npos);
  prepared_call call = session.prepare(y, shaped(x, {500, 300}), shaped(b, {300}));
  for (float& v : call.input<float>(0)) v = 0.25f;
  for (float& v : call.input<float>(1)) v = 0.5f;
  call.run();
  call.run();
  CHECK(allocations_of([&] {
          for (int i = 0; i < 10; ++i) call.run();
        }) == 0);
}
