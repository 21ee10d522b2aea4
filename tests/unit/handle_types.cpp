// Handles whose static types edits made false: nothing is built on them, and all else goes on as before.
#include <functional>
#include <vector>

#include "graft/graft.hpp"

#include "clone_fixture.hpp"

using namespace graft;
using namespace graft_test;

namespace {

// y is a handle of float32 [2, 4]; by the edit it is [8, 4] in the graph.
struct reshaped {
  Graph g;
  tensor<Graph, dtype::float32, shape<2, 4>> x = placeholder<float, shape<2, 4>>(g, "x");
  tensor<Graph, dtype::float32, shape<8, 4>> longer = placeholder<float, shape<8, 4>>(g, "longer");
  decltype(x) y = relu(x, "y"), apart = tanh(x, "apart");
  tensor<Graph, dtype::boolean, shape<>> yes = constant(g, true);

  void edit() { reroute(x, longer, among({op_of(y)}), reshaping::allow); }
};

struct use {
  const char* name;
  std::function<void(reshaped&)> build;
};

const std::vector<use>& uses() {
  static const std::vector<use> all{
      {"relu", [](reshaped& s) { (void)relu(s.y); }},
      {"add", [](reshaped& s) { (void)(s.y + s.apart); }},
      {"add", [](reshaped& s) { (void)(s.apart + s.y); }},
      {"mul", [](reshaped& s) { s.y *= 2.0f; }},
      {"sum", [](reshaped& s) { (void)sum(s.y); }},
      {"sum", [](reshaped& s) { (void)sum(s.y, 1); }},
      {"squared_difference", [](reshaped& s) { (void)mse(s.y, s.y); }},
      {"concat", [](reshaped& s) { (void)concat<0>(s.apart, s.y); }},
      {"concat", [](reshaped& s) { (void)concat(std::vector{s.apart, s.y}, 0); }},
      {"split", [](reshaped& s) { (void)split<2>(s.y); }},
      {"split", [](reshaped& s) { (void)split(s.y, 2, 0); }},
      {"split", [](reshaped& s) { (void)split(s.y, dims{1, 1}, 0); }},
      {"dense", [](reshaped& s) { (void)dense<3>(s.y); }},
      {"dense 'head'", [](reshaped& s) { (void)(dense<3, "head"> >> relu)(s.y); }},
      {"relu", [](reshaped& s) { (void)(relu >> dense<3>)(s.y); }},
      {"batch_norm", [](reshaped& s) { (void)batch_norm(s.y); }},
      {"dropout", [](reshaped& s) { (void)dropout(s.y, 0.5); }},
      {"cond",
       [](reshaped& s) { (void)cond(s.yes, [&] { return s.apart; }, [&] { return s.y; }); }},
      {"while_loop",
       [](reshaped& s) {
         (void)while_loop(
             s.y, [](auto v) { return sum(v) < 1.0f; }, [](auto v) { return v + 1.0f; });
       }},
      {"exp",
       [](reshaped& s) {
         (void)while_loop(
             s.apart, [](auto v) { return sum(v) < 1.0f; }, [&](auto) { return exp(s.y); });
       }},
      {"scan",
       [](reshaped& s) {
         const auto start = sum<axes<0>>(s.x);
         (void)scan(start, s.y, [](auto h, auto v) { return std::tuple{h + v, h}; });
       }},
      {"gradient", [](reshaped& s) { (void)gradient(sum(any_tensor(s.y)), s.y); }},
      {"inference", [](reshaped& s) { (void)inference(s.y); }},
  };
  return all;
}

}  // namespace

TEST_CASE("nothing is built on a handle whose shape an edit made false", "[handle][edit]") {
  for (const use& u : uses()) {
    INFO(u.name);
    reshaped s;
    s.edit();
    const auto before = s.g.digest();
    const std::string text = message_of<shape_error>([&] {
      // What the function itself adds before goes as well.
      Graph::transaction all(s.g);
      u.build(s);
    });
    INFO(text);
    CHECK(mentions(text, std::string(u.name) + " was to take 'y'"));
    CHECK(mentions(text, "float32 [2, 4]"));
    CHECK(mentions(text, "float32 [8, 4]"));
    CHECK(mentions(text, "as<T, shape<...>>(t)"));
    CHECK(s.g.digest() == before);
    s.g.validate();
  }
}

TEST_CASE("handles that say what is true are built on as before", "[handle][edit]") {
  for (const use& u : uses()) {
    INFO(u.name);
    reshaped s;
    CHECK_NOTHROW(u.build(s));
    s.g.validate();
  }
  reshaped s;
  s.edit();
  const auto now = as<float, shape<8, 4>>(s.y);
  CHECK(now.ref() == s.y.ref());
  CHECK(s.g.type_of(s.g.id(relu(now))) == value_type::of(dtype::float32, {8, 4}));
  CHECK(s.g.type_of(s.g.id(relu(any_tensor(s.y)))) == value_type::of(dtype::float32, {8, 4}));
  (void)(s.apart * 2.0f);  // others are as they were
  (void)relu(tensor<Graph, dtype::float32, any_shape>(s.y));
  const any_tensor of_y = s.y;
  (void)relu(as<float, shape<dyn, 4>>(of_y));
  s.g.validate();
}

TEST_CASE("a composite that meets a false handle leaves nothing behind", "[handle][edit]") {
  reshaped s;
  s.edit();
  const auto before = s.g.digest();
  CHECK_THROWS_AS(mse(s.y, s.apart), shape_error);
  CHECK(s.g.digest() == before);
  CHECK_THROWS_AS(dense<3>(s.y), shape_error);
  CHECK(s.g.digest() == before);
  CHECK_THROWS_AS(batch_norm(s.y), shape_error);
  CHECK(s.g.digest() == before);
  CHECK_THROWS_AS(cond(s.yes, [&] { return relu(s.apart); }, [&] { return s.y; }), shape_error);
  CHECK(s.g.digest() == before);
  s.g.validate();
}

TEST_CASE("an edit that is undone makes handles true again", "[handle][edit]") {
  reshaped s;
  {
    Graph::transaction all(s.g);
    s.edit();
    CHECK_THROWS_AS(relu(s.y), shape_error);
  }
  CHECK_NOTHROW(relu(s.y));
  s.edit();
  reroute(s.longer, s.x, among({op_of(s.y)}), reshaping::allow);
  CHECK_NOTHROW(relu(s.y));
}

TEST_CASE("a rank that an edit changed is told, and an extent that it made unknown is not",
          "[handle][edit]") {
  Graph g;
  const auto x = placeholder<float, shape<2, 4>>(g, "x");
  const auto deep = placeholder<float, shape<3, 2, 4>>(g, "deep");
  const auto open = placeholder<float, shape<dyn, 4>>(g, "open");
  const auto y = relu(x, "y");
  const op_id op = op_of(y);
  g.set_operand(op, 0, g.id(deep));
  CHECK(mentions(message_of<shape_error>([&] { (void)exp(y); }), "float32 [3, 2, 4]"));
  g.set_operand(op, 0, g.id(open));
  CHECK_NOTHROW(exp(y));  // it may be what the handle says
}

TEST_CASE("nothing is built on a handle whose element type an edit made false", "[handle][edit]") {
  Graph g;
  const auto x = placeholder<float, shape<2, 4>>(g, "x");
  const auto wide = placeholder<double, shape<2, 4>>(g, "wide");
  const auto y = relu(x, "y");
  g.set_operand(op_of(y), 0, g.id(wide));
  const auto before = g.digest();
  const std::string text = message_of<dtype_error>([&] { (void)exp(y); });
  INFO(text);
  CHECK(mentions(text, "exp was to take 'y'"));
  CHECK(mentions(text, "float32 [2, 4]"));
  CHECK(mentions(text, "float64 [2, 4]"));
  CHECK_THROWS_AS(exp(tensor<Graph, dtype::float32, any_shape>(y)), dtype_error);
  CHECK(g.digest() == before);
}

TEST_CASE("bodies take no false handle of the graph around them", "[handle][edit]") {
  reshaped s;
  s.edit();
  const auto before = s.g.digest();
  const std::string text = message_of<shape_error>(
      [&] { (void)cond(s.yes, [&] { return exp(s.apart); }, [&] { return exp(s.y); }); });
  INFO(text);
  CHECK(mentions(text, "exp was to take 'y'"));
  CHECK(s.g.digest() == before);
  s.g.validate();
}

TEST_CASE("the map of an ensemble refuses false handles", "[handle][edit]") {
  Graph g;
  const auto x = placeholder<float, shape<2, 4>>(g, "x");
  const auto longer = placeholder<float, shape<8, 4>>(g, "longer");
  const auto y = dense<3>(x);
  const Ensemble all = ensemble(extract(inputs(x), outputs(y)), 2);
  CHECK_NOTHROW(all(y));
  reroute(x, longer, reshaping::allow);
  const std::string text = message_of<shape_error>([&] { (void)all(y); });
  INFO(text);
  CHECK(mentions(text, "float32 [2, 3]"));
  CHECK(mentions(text, "float32 [8, 3]"));
}
