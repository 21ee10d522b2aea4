// Clones of variables of every role and kind, and what becomes of them: types and sizes, updates, counters, slots,
// streams, and graphs that go.
#include "graft/graft.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

namespace {

variable_id read_by(const Graph& g, const any_tensor& t) { return *g.variable_read_by(g.id(t)); }

constexpr variable_policy own_policies[] = {variables::fresh, variables::copied};

}  // namespace

TEST_CASE("variables of whole numbers, of truth values and of more than 2 GB are cloned",
          "[edge-34]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto flags = make_variable<bool, shape<3>>(g, "flags", zeros(), false);
  const auto bytes = make_variable<std::uint8_t, shape<5>>(g, "bytes", zeros(), false);
  const auto words = make_variable<std::int32_t, shape<>>(g, "words", zeros(), false);
  // More than 2 GB that nobody writes, so no memory is behind them.
  constexpr extent many = (extent{1} << 31) + 8;
  const auto large = make_variable<std::uint8_t, shape<many>>(g, "large", zeros(), false);
  g.store().set(read_by(g, flags), Array::from<bool>({3}, {true, false, true}));
  g.store().set(read_by(g, bytes), Array::from<std::uint8_t>({5}, {255, 0, 7, 128, 1}));
  g.store().set(read_by(g, words), Array::scalar<std::int32_t>(-5));
  g.store().set(read_by(g, large), Array::uninitialized(dtype::uint8, {many}));
  const Region region = extract(inputs(x), outputs(relu(x), flags, bytes, words, large));
  const Clone copied = clone(region, variables::copied), fresh = clone(region);
  const Clone shared = clone(region, variables::shared), frozen = clone(region, variables::frozen);
  for (const any_tensor t :
       {any_tensor(flags), any_tensor(bytes), any_tensor(words), any_tensor(large)}) {
    const variable_id v = read_by(g, t);
    INFO(g.path_of(v));
    CHECK(g.store().get(copied(v)).shares_storage_with(g.store().get(v)));
    CHECK(g.variable_of(copied(v)).type == g.variable_of(v).type);
    CHECK(g.variable_of(fresh(v)).type == g.variable_of(v).type);
    CHECK_FALSE(g.store().initialized(fresh(v)));
    CHECK(shared(v) == v);
    CHECK_FALSE(frozen.find(v).has_value());
    CHECK(g.type_of(g.id(frozen(t))) == g.type_of(g.id(t)));
  }
  CHECK(copied.bytes_shared() == many + 3 + 5 + 4);
  // One that is written is no longer the other's.
  g.store().set(copied(read_by(g, flags)), Array(dtype::boolean, {3}));
  CHECK(g.store().get(read_by(g, flags)).at<bool>({0}));
  g.validate();
}

TEST_CASE("a variable that only its own update reads, and one that nothing reads", "[edge-35]") {
  Graph g;
  const auto count =
      make_variable<float, shape<>>(g, "count", zeros(), false, variable_role::counter);
  const variable_id v = read_by(g, count);
  const auto counted = assign(count, count + 1.0f, "counted");
  g.own_update(v, op_of(counted));
  const auto unread = make_variable<float, shape<2>>(g, "unread", ones());
  const auto written = assign(unread, constant(g, Array::full<float>({2}, 3)), "written");
  const Region region = extract(inputs(), outputs(counted, written));
  CHECK(region.variables().size() == 2);
  const Clone copy = clone(region);
  copy.check();
  Session session(g);
  session.initialize();
  session.run(update_group(g, {op_of(copy(counted)), op_of(copy(written))}));
  CHECK(session.value(copy(v)).item<float>() == 1);
  CHECK(session.value(v).item<float>() == 0);
  CHECK(session.value(copy(read_by(g, unread))).at<float>({1}) == 3);
  CHECK(session.value(unread).at<float>({1}) == 1);
}

TEST_CASE("moving statistics keep their mode and their updates in every kind of clone",
          "[edge-36]") {
  Graph g;
  const auto x = input4(g, "x"), x2 = input4(g, "x2");
  const auto y = batch_norm(x);
  const Region region = extract(inputs(x), outputs(y));
  Session session(g);
  session.initialize();
  Array rows(dtype::float32, {2, 4});
  for (float& e : rows.mutable_span<float>())
    e = static_cast<float>(&e - rows.span<float>().data());
  for (const variable_policy policy : own_policies) {
    for (const bool trains : {true, false}) {
      const Clone copy =
          clone(region, bind(x, x2), policy, trains ? mode::training : mode::inference);
      session.initialize();
      const auto updates = updates_of(copy(y));
      CHECK(updates.assigns().size() == 2);
      std::vector<Array> before;
      for (const variable_id v : region.variables()) before.push_back(session.value(v));
      if (trains) {
        session.run(updates, feed(x2, rows));
        bool moved = false;
        for (const variable_id v : region.variables()) {
          moved = moved || !session.value(copy(v)).same_bits(session.value(v));
        }
        CHECK(moved);
      }
      for (std::size_t i = 0; i < before.size(); ++i) {
        CHECK(session.value(region.variables()[i]).same_bits(before[i]));
      }
      // In training the batch is normalised by its own statistics, in inference by those it keeps.
      const Array out = session.run(copy(y), feed(x2, rows));
      CHECK((std::abs(out.at<float>({0, 0}) + 1) < 1e-3) == trains);
    }
  }
}

TEST_CASE("step counters, slots and shadows are cloned fresh, copied or shared", "[edge-37]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto w = make_variable<float, shape<4, 4>>(g, "w", glorot_uniform());
  const auto shadow =
      make_variable<float, shape<4, 4>>(g, "shadow", zeros(), false, variable_role::statistic);
  g.own_update(read_by(g, shadow), op_of(assign(shadow, shadow * 0.5f + w * 0.5f)));
  const any_tensor loss = mean(square(matmul(x, w) + sum(shadow) * 0.0f));
  const training_step step = minimize(loss, adam{.rate = 0.1});
  Session session(g, {.threads = 1});
  session.initialize();
  const Array batch = Array::full<float>({2, 4}, 0.5f);
  for (int i = 0; i < 3; ++i) session.run(step, feed(x, batch));
  const Region region = extract_training(inputs(x), step);
  std::size_t slots = 0;
  for (const variable_id v : region.variables()) {
    slots += g.variable_of(v).role == variable_role::slot ? 1 : 0;
  }
  REQUIRE(slots == 2);

  SECTION("fresh ones begin again") {
    const Clone copy = clone(region, bind(x, x));
    session.run(copy.initializer());
    for (const variable_id v : region.variables()) {
      CHECK(g.variable_of(copy(v)).role == g.variable_of(v).role);
      CHECK(copy(v) != v);
    }
    CHECK(session.value(copy(step.step)).item<std::int64_t>() == 0);
    CHECK(session.value(step.step).item<std::int64_t>() == 3);
    for (const variable_id v : step.slots) {
      if (g.variable_of(v).role != variable_role::slot) continue;
      CHECK(session.value(copy(v)).same_bits(Array(dtype::float32, {4, 4})));
      CHECK_FALSE(session.value(v).same_bits(Array(dtype::float32, {4, 4})));
    }
  }
  SECTION("copied ones go on as the source would") {
    const Clone copy = clone(region, bind(x, x), variables::copied);
    for (const variable_id v : region.variables()) {
      CHECK(session.value(copy(v)).same_bits(session.value(v)));
    }
    const training_step second = copy(step);
    session.run(second, feed(x, batch));
    CHECK(session.value(copy(step.step)).item<std::int64_t>() == 4);
    CHECK(session.value(step.step).item<std::int64_t>() == 3);
    session.run(step, feed(x, batch));
    for (const variable_id v : region.variables()) {
      INFO(g.path_of(v));
      CHECK(session.value(copy(v)).same_bits(session.value(v)));
    }
    reset_slots(copy);
    CHECK_FALSE(g.store().initialized(copy(step.step)));
    CHECK(g.store().initialized(copy(read_by(g, w))));
    CHECK(g.store().initialized(copy(read_by(g, shadow))));
  }
  SECTION("shared ones are the source's") {
    const std::size_t before = g.variables().size();
    const Clone copy = clone(region, bind(x, x), variables::shared);
    CHECK(g.variables().size() == before);
    for (const variable_id v : region.variables()) CHECK(copy(v) == v);
  }
}

TEST_CASE("clones in other graphs outlive their source, and leave nothing behind", "[edge-41]") {
  const Array batch = Array::full<float>({2, 4}, 0.5f);
  for (const variable_policy policy :
       {variables::fresh, variables::copied, variables::shared, variables::frozen}) {
    auto source = std::make_unique<Graph>();
    Graph other;
    const auto x = input4(*source, "x");
    const auto y = graft_test::two_layers(x);
    set_values(*source);
    const Array expected = Session(*source).run(y, feed(x, batch));
    {
      const Clone copy = clone(extract(inputs(x), outputs(y)), into(other, "net"), policy);
      const auto x2 = copy(x), y2 = copy(y);
      source.reset();
      other.validate();
      Session session(other);
      session.initialize();
      CHECK(session.run(y2, feed(x2, batch)).same_bits(expected) == (policy != variables::fresh));
    }
    other.validate();
    CHECK(other.find_scope("net").has_value());
  }

  // The other way about: the clone's graph goes first.
  Graph g;
  const auto x = input4(g, "x");
  const auto y = graft_test::two_layers(x);
  set_values(g);
  const Region region = extract(inputs(x), outputs(y));
  const auto before = g.digest();
  {
    Graph other;
    const Clone shared = clone(region, into(other, "net"), variables::shared);
    const Clone copied = clone(region, into(other, "mine"), variables::copied);
    other.store().set(copied(region.variables().front()), Array::full<float>({4, 4}, 8));
  }
  CHECK(g.digest() == before);
  for (const variable_id v : g.variables()) {
    CHECK_FALSE(g.store().get(v).empty());
    CHECK(g.store().cell(v).use_count() == 1);
  }
  Session session(g);
  session.set_value(region.variables().front(), Array::full<float>({4, 4}, 2));
  CHECK(g.digest() != before);
  g.validate();
}

TEST_CASE("clones with the same streams drop the same elements, call after call", "[edge-46]") {
  Graph g;
  const auto x = placeholder<float, shape<dyn, 64>>(g, "x");
  const auto y = dropout<"drop">(x, 0.5);
  const Region region = extract(inputs(x), outputs(y));
  Session session(g, {.threads = 1, .seed = 4});
  const Clone one = clone(region, bind(x, x), into("one"), seeds::same);
  const Clone two = clone(region, bind(x, x), into("two"), seeds::same);
  session.initialize();
  const Array ones = Array::full<float>({3, 64}, 1);
  Array last;
  for (int i = 0; i < 4; ++i) {
    const auto a = session.run(std::tuple{one(y), updates_of(one(y))}, feed(x, ones));
    const auto b = session.run(std::tuple{two(y), updates_of(two(y))}, feed(x, ones));
    const auto c = session.run(std::tuple{y, updates_of(y)}, feed(x, ones));
    CHECK(std::get<0>(a).same_bits(std::get<0>(b)));
    CHECK(std::get<0>(a).same_bits(std::get<0>(c)));
    CHECK_FALSE(std::get<0>(a).same_bits(last));
    last = std::get<0>(a);
  }
}

TEST_CASE("a copied stream goes on where the source is, a fresh one begins again", "[edge-47]") {
  Graph g;
  const auto x = placeholder<float, shape<dyn, 64>>(g, "x");
  const auto y = dropout<"drop">(x, 0.5);
  const Region region = extract(inputs(x), outputs(y));
  Session session(g, {.threads = 1, .seed = 4});
  session.initialize();
  const Array ones = Array::full<float>({3, 64}, 1);
  const auto draw = [&](const any_tensor& t) {
    return std::get<0>(session.run(std::tuple{t, updates_of(t)}, feed(x, ones)));
  };
  std::vector<Array> draws;
  for (int i = 0; i < 3; ++i) draws.push_back(draw(y));
  const Clone going_on = clone(region, bind(x, x), variables::copied, seeds::same);
  const Clone again = clone(region, bind(x, x), variables::fresh, seeds::same);
  session.run(again.initializer());
  for (int i = 0; i < 3; ++i) CHECK(draw(again(y)).same_bits(draws[static_cast<std::size_t>(i)]));
  const Array next = draw(y);
  CHECK(draw(going_on(y)).same_bits(next));
  for (const Array& earlier : draws) CHECK_FALSE(next.same_bits(earlier));
  // With streams of their own, copied ones keep the place and not the numbers.
  const Clone apart = clone(region, bind(x, x), variables::copied);
  const variable_id stream = region.variables().front();
  REQUIRE(g.variable_of(stream).role == variable_role::rng_stream);
  CHECK(session.value(apart(stream)).at<std::int64_t>({1}) ==
        session.value(stream).at<std::int64_t>({1}));
  CHECK_FALSE(draw(apart(y)).same_bits(draw(y)));
}
