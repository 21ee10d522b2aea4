// Compile-time networks on graphs: lowering a table equals running its builder.
#include <optional>
#include <tuple>

#include "graft/graft.hpp"

#include "catch.hpp"
#include "same_graphs.hpp"

using namespace graft;
using graft_test::check_same;

namespace {

constexpr auto everything = [](auto x, auto tokens) {
  const scope s(x, "net");
  auto maps = conv2d<4, conv{.kernel = {3, 3}, .padding = same_padding}, "stem">(x);
  constexpr auto norm = batch_norm<"norm">().shared("norm");
  maps = norm(relu(norm(batch_norm(maps))));
  auto [left, right] = split<2, 1>(maps);
  auto pooled = max_pool2d(concat<1>(right, left));
  auto flat = dropout(flatten(pooled), 0.25);
  constexpr auto tied = dense<8>.shared("tied");
  auto h = tied(dense<8>.init(orthogonal())(flat));
  h = layer_norm(tied(h) + 0.5);
  for (int i = 0; i < 3; ++i) h = residual<"block_5">(dense<8> >> elu(0.3))(h);
  auto m = with_mode(x, mode::inference);
  auto words = mean<axes<1>>(embedding<20, 8>(tokens));
  return std::tuple{h * words, std::pair{dropout(h, 0.1), words}};
};
constexpr auto recorded = net<everything, in<float, shape<dyn, 1, 6, 6>, "images">,
                              in<std::int32_t, shape<dyn, 5>, "tokens">>();

struct built {
  Graph g;
  std::size_t handles = 0;
  std::vector<tensor_id> outputs;
};

template <class F>
void build(built& b, F&& f) {
  auto x = placeholder<float, shape<dyn, 1, 6, 6>>(b.g, "images");
  auto t = placeholder<std::int32_t, shape<dyn, 5>>(b.g, "tokens");
  const auto result = f(x, t);
  for_each_handle(result, [&](const auto& h) { b.outputs.push_back(b.g.id(h)); });
}

}  // namespace

TEST_CASE("lowering a table gives the graph that the builder gives", "[dsl][lower]") {
  built direct, lowered;
  build(direct, [](auto x, auto t) { return everything(x, t); });
  build(lowered, [&](auto x, auto t) { return lower(recorded, lowered.g, x, t); });
  const Graph &a = direct.g, &b = lowered.g;
  check_same(a, b);
  CHECK(a.digest() == b.digest());
  CHECK(direct.outputs == lowered.outputs);
  CHECK(b.current_scope() == scope_id{});
  CHECK(b.current_mode() == mode::training);
  CHECK_NOTHROW(b.validate());
}

TEST_CASE("the table's names are the names in the graph", "[dsl][lower]") {
  built lowered;
  build(lowered, [&](auto x, auto t) { return lower(recorded, lowered.g, x, t); });
  const std::vector<variable_id> variables = lowered.g.variables();
  REQUIRE(variables.size() == recorded.variable_count());
  for (std::size_t i = 0; i < variables.size(); ++i) {
    CHECK(lowered.g.path_of(variables[i]) == recorded.variable_name(i));
    CHECK(lowered.g.variable_of(variables[i]).type.shape == recorded.variable_shape(i));
  }
}

TEST_CASE("lowering twice makes new variables under new names, as calling twice does",
          "[dsl][lower]") {
  constexpr auto builder = [](auto x) { return dense<2>(tanh(dense<3, "a">(x))); };
  constexpr auto n = net<builder, in<float, shape<dyn, 4>>>();
  Graph a;
  auto x = placeholder<float, shape<dyn, 4>>(a);
  auto y = lower(n, a, x);
  static_assert(std::is_same_v<decltype(y), tensor<Graph, dtype::float32, shape<dyn, 2>>>);
  CHECK(a.variable_count() == 4);
  lower(n, a, x);
  CHECK(a.variable_count() == 8);
  CHECK(a.path_of(a.variables()[4]) == "a_1/kernel");
  CHECK(a.path_of(a.variables()[6]) == "dense_1/kernel");
}

TEST_CASE("a network is lowered into the current scope", "[dsl][lower]") {
  constexpr auto n = net<[](auto x) { return dense<2>(x); }, in<float, shape<dyn, 4>>>();
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g);
  const scope s(g, "outer");
  lower(n, g, x);
  CHECK(g.path_of(g.variables()[0]) == "outer/dense/kernel");
}

TEST_CASE("inputs that do not fit a network are refused and the graph is unchanged",
          "[dsl][lower]") {
  constexpr auto n = net<[](auto x) { return dense<2>(x); }, in<float, shape<dyn, 4>>>();
  Graph g, other;
  any_tensor wide = placeholder<float, shape<dyn, 5>>(g);
  any_tensor integers = placeholder<std::int32_t, shape<dyn, 4>>(g);
  any_tensor foreign = placeholder<float, shape<dyn, 4>>(other);
  const std::uint64_t before = g.digest();
  CHECK_THROWS_AS(lower(n, g, wide), shape_error);
  CHECK_THROWS_AS(lower(n, g, integers), dtype_error);
  CHECK_THROWS_AS(lower(n, g, foreign), handle_error);
  CHECK_THROWS_AS(lower(n, g, any_tensor{}), handle_error);
  const std::vector<any_tensor> none;
  CHECK_THROWS_AS(lower(view_of(n.table()), g, none), argument_error);
  CHECK(g.digest() == before);
}

TEST_CASE("a name that exists as a shared key ties a lowered network to what is there",
          "[dsl][lower]") {
  constexpr auto n =
      net<[](auto x) { return dense<3>.shared("enc")(x); }, in<float, shape<dyn, 4>>>();
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g);
  dense<3>.shared("enc")(x);
  lower(n, g, x);
  CHECK(g.variable_count() == 2);
}

TEST_CASE("networks and names made of temporaries leave nothing dangling", "[edge-66]") {
  // All that a network is made of is gone when it is applied, and that when the graph runs.
  const auto make = [] {
    const auto first = dense<8>.init(he_normal());
    const auto head = [part = residual(first >> relu)](const auto& x) { return dense<3>(part(x)); };
    return head;
  };
  Graph g;
  const auto apply_under = [&](std::string name) {
    auto x = placeholder<float, shape<dyn, 8>>(g, name + "_input_of_a_length_that_is_allocated");
    const scope s(g, name + "_scope_of_a_length_that_is_allocated");
    return std::pair{x, make()(x)};
  };
  const auto [x, y] = apply_under("outer");
  g.validate();
  CHECK(g.path_of(g.id(y).op).find("outer_scope_of_a_length_that_is_allocated/") == 0);
  const Clone copy =
      clone(extract(inputs(x), outputs(y)), variables::fresh, into(std::string("copy")));
  Session session(g);
  session.initialize();
  const Array in = Array::full<float>({2, 8}, 0.5f);
  const Array before = session.run(y, feed(x, in));
  CHECK(before.shape() == dims{2, 3});
  CHECK_FALSE(session.run(copy(y), feed(g.handle(copy.inputs()[0]), in)).same_bits(before));
}

TEST_CASE("layers may share by the key of a temporary string", "[edge-66]") {
  const auto key = [](int i) { return "a key of a length that is allocated " + std::to_string(i); };
  const auto first = dense<3>.shared(key(1));
  const auto second = dense<3>.shared(key(2));
  const auto first_again = dense<3>.shared(key(1));
  Graph g;
  auto x = placeholder<float, shape<dyn, 3>>(g, "x");
  first(second(first_again(x)));
  CHECK(g.variable_count() == 4);
  CHECK_THROWS_AS(dense<3>.shared(""), argument_error);
  const char* none = nullptr;
  CHECK_THROWS_AS(dense<3>.shared(none), argument_error);
  CHECK_THROWS_AS(conv2d<3>.shared(std::string()), argument_error);
}

TEST_CASE("a graph may be moved while a scope or a mode of it is open", "[edge-66]") {
  const auto build = [] {
    Graph g;
    auto x = placeholder<float, shape<dyn, 3>>(g, "x");
    const scope outer(g, "outer");
    const auto m = with_mode(g, mode::inference);
    auto y = dense<2>(x);
    return std::tuple{std::move(g), y};  // the guards end after this
  };
  auto [g, y] = build();
  CHECK(g.current_scope() == scope_id{0});
  CHECK(g.current_mode() == mode::training);
  CHECK(g.path_of(g.id(y).op).find("outer/") == 0);
  {
    auto dying = std::make_unique<Graph>();
    const scope outer(*dying, "outer");
    const auto m = with_mode(*dying, mode::inference);
    dying.reset();
  }
  g.validate();
}

TEST_CASE("a handle viewed as more than the graph knows is held to it in each run",
          "[dsl][lower]") {
  Graph g;
  const any_tensor x = placeholder(g, dtype::float32, {dyn, dyn}, "x");
  const auto four = as<float, shape<dyn, 4>>(x);
  CHECK(g.schema_of(g.id(four).op).name == "ensure_shape");
  const auto again = as<float, shape<dyn, 4>>(any_tensor(four));  // known by now
  CHECK(again.ref() == four.ref());
  CHECK((as<float, shape<dyn, dyn>>(four).ref() == four.ref()));
  auto y = dense<3>(four);
  static_assert(std::is_same_v<typename decltype(y)::shape_type, shape<dyn, 3>>);
  const any_tensor slope = gradients(any_tensor(sum(y)), {x})[0];
  Session session(g);
  session.initialize();
  CHECK(session.run(y, feed(x, Array::full<float>({2, 4}, 1))).shape() == dims{2, 3});
  CHECK(session.run(slope, feed(x, Array::full<float>({2, 4}, 1))).shape() == dims{2, 4});
  CHECK_THROWS_WITH(session.run(four, feed(x, Array::full<float>({2, 5}, 1))),
                    Catch::Contains("the shape must be the one that was declared"));
  const any_tensor anything = g.handle(
      {g.add(ops::placeholder, {}, attribute_list().set("type", dtype::any), "anything"), 0});
  auto z = dense<2>(as<float, shape<dyn, 3>>(anything));
  session.initialize();
  CHECK(session.run(z, feed(anything, Array::full<float>({5, 3}, 1))).shape() == dims{5, 2});
  CHECK_THROWS_AS(session.run(z, feed(anything, Array::full<double>({5, 3}, 1))), dtype_error);
  CHECK_THROWS_AS(session.run(z, feed(anything, Array::full<float>({3}, 1))), shape_error);
  CHECK_THROWS_AS((as<float, shape<dyn, 5>>(four)), shape_error);
  CHECK_THROWS_AS((as<double, shape<dyn, 4>>(four)), dtype_error);
  g.validate();

  // In an ensemble it is the same for every member.
  const Ensemble e = ensemble(extract(inputs(x), outputs(y)), 2, bind(x, x));
  session.initialize();
  CHECK(session.run(e(y), feed(x, Array::full<float>({2, 4}, 1))).shape() == dims{2, 2, 3});
}

TEST_CASE("a part with several ends computes what it does in the whole", "[dsl][lower]") {
  static constexpr auto whole = net<[](auto x, auto mask) {
    const auto [left, right] = split<2, 1>(x * mask);
    return relu(left, "h") + tanh(right, "t");
  },
                                    in<float, shape<2, 6>, "x">, in<float, shape<2, 6>, "mask">>();
  constexpr auto first = extract<inputs_at<"mask", "x">, outputs_at<"split:1", "h">>(whole);
  constexpr auto second = extract<inputs_at<"h", "split:1">, outputs_at<"add">>(whole);
  Graph g;
  const auto x = placeholder<float, shape<2, 6>>(g, "x"), mask = placeholder<float, shape<2, 6>>(g);
  const auto y = lower(whole, g, x, mask);
  const auto [right, h] = lower(first, g, mask, x);
  const auto again = lower(second, g, h, right);
  static_assert(std::is_same_v<decltype(again), decltype(y)>);
  const Array a = Array::from<float>({2, 6}, {1, -2, 3, 4, -5, 6, 7, 8, -9, 0.5f, 0.25f, -1});
  Session session(g);
  const auto [wanted, found] =
      session.run(std::tuple{y, again}, feed(x, a), feed(mask, Array::full<float>({2, 6}, 0.5f)));
  CHECK(found.same_bits(wanted));
}
