// Layers on graphs: what they add, how they name it, what they refuse, and that lowering is
// building.
#include <string>

#include "graft/graft.hpp"

#include "catch.hpp"

using namespace graft;

namespace {

std::vector<std::string> names_of_variables(const Graph& g) {
  std::vector<std::string> texts;
  for (const variable_id v : g.variables()) texts.push_back(g.path_of(v));
  return texts;
}

// Runs f, which must throw an E, and returns its sentence.
template <class E, class F>
std::string refusal(F&& f) {
  try {
    f();
  } catch (const E& e) {
    return e.what();
  }
  return "nothing was thrown";
}

using texts = std::vector<std::string>;

}  // namespace

TEST_CASE("a dense layer makes a kernel and a bias in a scope of its name", "[dsl]") {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  auto y = dense<3, "logits">(relu(dense<5>(x)));
  static_assert(std::is_same_v<decltype(y), tensor<Graph, dtype::float32, shape<dyn, 3>>>);
  CHECK(names_of_variables(g) ==
        texts{"dense/kernel", "dense/bias", "logits/kernel", "logits/bias"});
  CHECK(g.type_of(g.id(y)) == value_type::of(dtype::float32, {dyn, 3}));
  CHECK(g.variable_of(g.variables()[2]).type == value_type::of(dtype::float32, {5, 3}));
  CHECK_NOTHROW(g.validate());
}

TEST_CASE("each call makes new variables, a shared layer reuses them", "[dsl]") {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g);
  auto builder = [](auto t) { return dense<4>(t); };
  builder(builder(x));
  CHECK(g.variable_count() == 4);
  constexpr auto shared = dense<4>.shared("tied");
  auto a = shared(x);
  CHECK(g.variable_count() == 6);
  auto b = shared(a);
  CHECK(g.variable_count() == 6);
  auto kernel = [&](const auto& t) {
    const op_id add = g.id(t).op;
    return g.operand(g.operand(add, 0).op, 1);
  };
  CHECK(kernel(a) == kernel(b));
  CHECK(a.ref().id != b.ref().id);
  CHECK_NOTHROW(g.validate());
}

TEST_CASE("a shared layer on another width is refused and changes nothing", "[dsl]") {
  Graph g;
  any_tensor x = placeholder<float, shape<dyn, 4>>(g);
  any_tensor narrow = placeholder<float, shape<dyn, 3>>(g);
  constexpr auto shared = dense<4>.shared("tied");
  shared(x);
  const std::uint64_t before = g.digest();
  CHECK_THROWS_AS(shared(narrow), error);
  CHECK(g.digest() == before);
  CHECK(g.current_scope() == scope_id{});
}

TEST_CASE("layers look up what the type of a handle does not tell", "[dsl]") {
  Graph g;
  any_tensor x = placeholder<float, shape<dyn, 6>>(g);
  auto y = dense<3>(x);
  static_assert(std::is_same_v<decltype(y), tensor<Graph, dtype::any, any_shape>>);
  CHECK(g.type_of(g.id(y)) == value_type::of(dtype::float32, {dyn, 3}));
  any_tensor images = placeholder<double, shape<dyn, 6, 9, 9>>(g);
  auto maps = conv2d<4, conv{.groups = 2}>(images);
  CHECK(g.type_of(g.id(maps)) == value_type::of(dtype::float64, {dyn, 4, 7, 7}));
  auto normed = layer_norm(batch_norm(maps));
  CHECK(g.type_of(g.id(normed)) == value_type::of(dtype::float64, {dyn, 4, 7, 7}));
  auto deep = depthwise_conv2d<2>(images);
  CHECK(g.type_of(g.id(deep)) == value_type::of(dtype::float64, {dyn, 12, 7, 7}));
}

TEST_CASE("layers refuse at run time in sentences and leave the graph as it was", "[dsl]") {
  Graph g;
  any_tensor vector = placeholder<float, shape<784>>(g);
  any_tensor open = placeholder(g, dtype::float32, dims{dyn, dyn});
  any_tensor integers = placeholder<std::int32_t, shape<dyn, 4>>(g);
  any_tensor images = placeholder<float, shape<dyn, 6, 8, 8>>(g);
  any_tensor row = placeholder<float, shape<dyn, 4>>(g);
  const std::uint64_t before = g.digest();

  CHECK_THAT(
      (refusal<shape_error>([&] { dense<10, "logits">(vector); })),
      Catch::Contains("dense 'logits'") && Catch::Contains("[?, ?]") && Catch::Contains("[784]"));
  CHECK_THAT((refusal<shape_error>([&] { dense<10>(open); })), Catch::Contains("must be known"));
  CHECK_THAT((refusal<dtype_error>([&] { dense<10>(integers); })), Catch::Contains("int32"));
  CHECK_THAT((refusal<shape_error>([&] { conv2d<8, conv{.groups = 4}, "stem">(images); })),
             Catch::Contains("conv2d 'stem'") && Catch::Contains("[?, 8, ?, ?]"));
  CHECK_THAT((refusal<shape_error>([&] { conv2d<8, conv{.kernel = {9, 9}}>(images); })),
             Catch::Contains("kernel must fit"));
  CHECK_THAT((refusal<shape_error>([&] { batch_norm<"bn">(vector); })),
             Catch::Contains("batch_norm 'bn'"));
  CHECK_THAT((refusal<shape_error>([&] { residual<"block">(dense<3>)(row); })),
             Catch::Contains("residual 'block'") && Catch::Contains("[?, 4]") &&
                 Catch::Contains("[?, 3]"));
  CHECK_THAT((refusal<dtype_error>([&] { embedding<5, 2>(row); })), Catch::Contains("embedding"));
  CHECK_THAT((refusal<argument_error>([&] { dropout(row, 1.5); })), Catch::Contains("1.5"));
  CHECK_THROWS_AS(dropout(row, std::numeric_limits<double>::quiet_NaN()), argument_error);
  CHECK_THROWS_AS(
      (dense<3> >> relu >> reshape<shape<dyn, 7>>() >> dense<2>)(as<float, any_shape>(vector)),
      shape_error);

  // What the parts before the failing one added is taken back too.
  CHECK_THROWS_AS((dense<3> >> relu >> conv2d<2>)(row), shape_error);
  CHECK_THROWS_AS(residual(dense<4> >> [](auto t) { return conv2d<2>(t); })(row), shape_error);
  CHECK_THROWS_AS((parallel(dense<2>, conv2d<2>))(row), shape_error);

  CHECK(g.digest() == before);
  CHECK(g.current_scope() == scope_id{});
  CHECK_NOTHROW(g.validate());
}

TEST_CASE("a layer that refuses says what it was called on, in which scope and in which line",
          "[dsl]") {
  Graph g;
  any_tensor vector = placeholder<float, shape<784>>(g, "pixels");
  any_tensor images = placeholder<float, shape<dim<"batch">, 6, 8, 8>>(g, "images");
  any_tensor integers = placeholder<std::int32_t, shape<dim<"batch">, 4>>(g, "tokens");
  any_tensor bytes = placeholder<std::uint8_t, shape<dyn, 4>>(g, "bytes");
  any_tensor row = placeholder<float, shape<dim<"batch">, 4>>(g, "row");
  const auto inner = scope(g, "encoder");
  const std::uint64_t before = g.digest();
  const auto says = [&](auto&& build, std::initializer_list<const char*> words) {
    const std::string text = refusal<error>(build);
    INFO(text);
    for (const char* word : words) CHECK_THAT(text, Catch::Contains(word));
    CHECK_THAT(text, Catch::Contains("dsl_layers.cpp:"));
    CHECK_THAT(text, Catch::Contains("encoder"));
    CHECK(g.digest() == before);
  };
  says([&] { dense<10, "logits">(vector); }, {"dense 'logits'", "'pixels'", "[?, ?]", "[784]"});
  says([&] { dense<10>(integers); }, {"dense", "'tokens'", "float32", "int32"});
  says([&] { conv2d<8>(row); }, {"conv2d", "'row'", "[?, ?, ?, ?]", "[batch, 4]"});
  says([&] { conv2d<8, conv{.groups = 4}>(images); }, {"'images'", "[?, 8, ?, ?]", "[batch, 6,"});
  says([&] { batch_norm(vector); }, {"batch_norm", "'pixels'"});
  says([&] { layer_norm(integers); }, {"layer_norm", "'tokens'"});
  says([&] { lstm<3>(row); }, {"lstm", "'row'", "[?, ?, ?]", "[batch, 4]"});
  says([&] { embedding<5, 2>(row); }, {"embedding", "'row'", "int64", "float32"});
  says([&] { embedding<5, 2>(bytes); }, {"embedding", "'bytes'", "int64", "uint8"});
  says([&] { dropout(row, 1.0); }, {"dropout", "'row'", "1.0"});
  says([&] { residual<"block">(dense<3>)(row); },
       {"residual 'block'", "'row'", "[batch, 4]", "[batch, 3]"});
  says([&] { (dense<3> >> relu >> conv2d<2>)(row); }, {"conv2d", "relu'", "[batch, 3]"});
  says([&] { sequence(relu(), tanh())(integers); }, {"relu", "int32"});
}

TEST_CASE("every layer and loss that is refused leaves the graph as it was", "[dsl]") {
  Graph g;
  any_tensor row = placeholder<float, shape<dyn, 4>>(g, "row");
  any_tensor wide = placeholder<float, shape<dyn, 5>>(g, "wide");
  any_tensor vector = placeholder<float, shape<4>>(g, "vector");
  any_tensor steps = placeholder<float, shape<dyn, 3, 4>>(g, "steps");
  any_tensor images = placeholder<float, shape<dyn, 4, 8, 8>>(g, "images");
  any_tensor integers = placeholder<std::int32_t, shape<dyn, 4>>(g, "integers");
  any_tensor truth = placeholder<bool, shape<dyn, 4>>(g, "truth");
  const auto unfit = [](const auto& x) { return matmul(relu(x), reshape(x, dims{7, 7, 7})); };
  const auto late = [&](auto part) { return part >> unfit; };
  const auto refused = [&](const char* name, auto&& build) {
    INFO(name);
    const std::uint64_t before = g.digest();
    const std::size_t ops = g.op_count();
    CHECK_THROWS_AS(build(), error);
    CHECK(g.op_count() == ops);
    CHECK(g.digest() == before);
    CHECK(g.current_scope() == scope_id{});
  };
  any_tensor open = placeholder<float, any_shape>(g, "open");
#define GRAFT_REFUSED(...) refused(#__VA_ARGS__, [&] { (void)(__VA_ARGS__); })
  for (const any_tensor& x : {integers, vector, open, truth}) {
    GRAFT_REFUSED(dense<3>(x));
    GRAFT_REFUSED(batch_norm(x));
    GRAFT_REFUSED(conv2d<3>(x));
    GRAFT_REFUSED(depthwise_conv2d<3>(x));
    GRAFT_REFUSED(simple_rnn<3>(x));
    GRAFT_REFUSED(lstm<3>.sequences()(x));
    GRAFT_REFUSED(gru<3>(x));
  }
  for (const any_tensor& x : {integers, truth}) {
    GRAFT_REFUSED(layer_norm(x));
    GRAFT_REFUSED(dropout(x, 0.5));
    GRAFT_REFUSED((sequence(relu(), tanh())(x)));
    GRAFT_REFUSED(mse(x, x));
    GRAFT_REFUSED(huber(x, x));
    GRAFT_REFUSED(sigmoid_cross_entropy(x, x));
    GRAFT_REFUSED(softmax_cross_entropy(x, x));
    GRAFT_REFUSED(l2_regularization(0.5, row, x));
  }
  for (const any_tensor& x : {row, truth}) GRAFT_REFUSED(embedding<5, 2>(x));
  GRAFT_REFUSED(global_avg_pool2d(row));
  GRAFT_REFUSED(global_max_pool2d(row));
  GRAFT_REFUSED(max_pool2d<pool{.window = {9, 9}}>(images));
  GRAFT_REFUSED(avg_pool2d<pool{.window = {9, 9}}>(images));
  GRAFT_REFUSED(conv2d<3, conv{.kernel = {9, 9}}>(images));
  GRAFT_REFUSED(depthwise_conv2d<3, conv{.kernel = {9, 9}}>(images));
  GRAFT_REFUSED(mse(row, wide));
  GRAFT_REFUSED(huber(row, wide));
  GRAFT_REFUSED(sigmoid_cross_entropy(row, wide));
  GRAFT_REFUSED(softmax_cross_entropy(row, wide));
  GRAFT_REFUSED(select(truth, wide, 0));
  GRAFT_REFUSED(select(truth, 0.5, wide));
  GRAFT_REFUSED(select(truth, integers, 0.5));
  GRAFT_REFUSED(less(0.5, truth));
  GRAFT_REFUSED(pad(integers, dims{1, 1}, dims{1, 1}, 0.5));
  GRAFT_REFUSED(fill_like(integers, 0.5));
  GRAFT_REFUSED(late(dense<4>)(row));
  GRAFT_REFUSED(late(dense<4> >> layer_norm)(row));
  GRAFT_REFUSED(late(dense<4> >> batch_norm >> dropout(0.5))(row));
  GRAFT_REFUSED(late(conv2d<3>)(images));
  GRAFT_REFUSED(late(lstm<3>)(steps));
  GRAFT_REFUSED(late(gru<3>.sequences())(steps));
  GRAFT_REFUSED(late(embedding<5, 2>)(integers));
  GRAFT_REFUSED(sequence<"inner">(dense<4>, unfit)(row));
  GRAFT_REFUSED(residual(late(dense<4>))(row));
  GRAFT_REFUSED(residual(dense<4>, dense<5>)(row));
  GRAFT_REFUSED(residual(dense<4>, late(dense<4>))(row));
  GRAFT_REFUSED(parallel(dense<4>, late(dense<4>))(row));
  GRAFT_REFUSED((parallel(dense<4>, dense<5>) >> concat<0>())(row));
  GRAFT_REFUSED(repeat<3>([](auto x) { return any_tensor(slice(x, -1, 1, 3)); })(row));
#undef GRAFT_REFUSED
  CHECK_NOTHROW(g.validate());
}

TEST_CASE("handles of graphs that are gone are refused by layers", "[dsl]") {
  any_tensor lost;
  CHECK_THROWS_AS(dense<3>(lost), handle_error);
  {
    Graph g;
    lost = placeholder<float, shape<dyn, 4>>(g);
  }
  CHECK_THROWS_AS(dense<3>(lost), handle_error);
  CHECK_THROWS_AS((dense<3> >> relu)(lost), handle_error);
}

TEST_CASE("scopes and modes last as long as their objects", "[dsl]") {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g);
  {
    auto s = scope(g, "encoder");
    dense<2>(x);
    auto inner = scope(x, "head");
    dense<2>(x);
  }
  dense<2>(x);
  CHECK(names_of_variables(g) == texts{"encoder/dense/kernel", "encoder/dense/bias",
                                       "encoder/head/dense/kernel", "encoder/head/dense/bias",
                                       "dense/kernel", "dense/bias"});
  try {
    auto s = scope(g, "broken");
    throw 1;
  } catch (int) {
  }
  CHECK(g.current_scope() == scope_id{});
  CHECK_THROWS_AS(scope(g, "a/b"), name_error);

  const auto training = [&](const auto& t) {
    return g.attributes_of(g.id(t).op).integer("training", -1);
  };
  CHECK(training(dropout(x, 0.5)) == 1);
  {
    auto m = with_mode(g, mode::inference);
    CHECK(training(dropout(x, 0.5)) == 0);
    CHECK(training(batch_norm(x)) == 0);
  }
  CHECK(training(batch_norm(x)) == 1);
}

TEST_CASE("updates of statistics belong to their variables", "[dsl]") {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g);
  dropout(batch_norm(x), 0.5);
  std::size_t updates = 0;
  for (const variable_id v : g.variables()) {
    const variable_info& info = g.variable_of(v);
    CHECK(info.own_updates.size() == (info.role == variable_role::parameter ? 0 : 1));
    CHECK(info.trainable == (info.role == variable_role::parameter));
    updates += info.own_updates.size();
  }
  CHECK(updates == 3);
  CHECK_NOTHROW(g.validate());
}

TEST_CASE("a network written with >> is the network written as calls", "[dsl]") {
  // clang-format off: version 14 takes `> >>` for comparisons
  constexpr auto network = dense<8> >> relu >> residual(dense<8> >> tanh) >>
                           parallel(dense<2>, dense<3> >> softmax) >> concat<1>() >> dense<1, "out">;
  // clang-format on
  Graph a, b;
  network(placeholder<float, shape<dyn, 4>>(a, "x"));
  {
    auto x = placeholder<float, shape<dyn, 4>>(b, "x");
    auto y = relu(dense<8>(x));
    std::optional<scope<Graph>> s(std::in_place, b, "residual");
    auto r = apply<ops::add, detail::equal_shapes>({}, {}, {}, tanh(dense<8>(y)), y);
    s.emplace(b, "parallel");
    auto left = dense<2>(r);
    auto right = softmax(dense<3>(r));
    s.reset();
    dense<1, "out">(concat<1>(left, right));
  }
  REQUIRE(a.op_count() == b.op_count());
  for (std::size_t i = 0; i < a.op_count(); ++i) {
    const op_id p = a.op_at(i), q = b.op_at(i);
    CHECK(a.path_of(p) == b.path_of(q));
    CHECK(&a.schema_of(p) == &b.schema_of(q));
    CHECK(a.attributes_of(p) == b.attributes_of(q));
  }
  CHECK(a.digest() == b.digest());
}

TEST_CASE("structures of handles are walked and rebuilt", "[dsl]") {
  Graph g;
  auto x = placeholder<float, shape<2>>(g);
  auto y = placeholder<float, shape<3>>(g);
  const std::tuple s{x, std::pair{y, x}, std::array{x, x}, std::vector<any_tensor>{y}};
  CHECK(handle_count(s) == 6);
  int n = 0;
  const auto numbers = transform_handles(s, [&](const auto&) { return ++n; });
  static_assert(
      std::is_same_v<decltype(numbers), const std::tuple<int, std::pair<int, int>,
                                                         std::array<int, 2>, std::vector<int>>>);
  CHECK(numbers == std::tuple{1, std::pair{2, 3}, std::array{4, 5}, std::vector{6}});
}
