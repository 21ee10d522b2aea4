// Rules that change ops while they are cloned.
#include "graft/graft.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

namespace {

bool is(const copied_op& op, const char* name) { return std::string_view(op.schema->name) == name; }

std::size_t count_of(const Graph& g, const Clone& c, const char* name) {
  std::size_t n = 0;
  for (const op_id op : c.nodes()) n += std::string_view(g.schema_of(op).name) == name;
  return n;
}

Array ones_of(const dims& shape) {
  Array a(dtype::float32, shape);
  for (float& e : a.mutable_span<float>()) e = 1;
  return a;
}

}  // namespace

TEST_CASE("a rule inserts ops behind others", "[clone][rule]") {
  Graph g;
  const auto x = input4(g);
  const auto h = relu(x);
  const auto y = h * h + h;
  const Clone copy =
      clone(extract(inputs(x), outputs(y)), bind(x, x),
            each_op([](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
              if (!is(op, "relu")) return std::nullopt;
              return std::vector<any_tensor>{op.outputs[0] + 1.0f};
            }));
  copy.check();
  g.validate();
  CHECK(g.id(copy(h)) != tensor_id{copy(g.id(h).op), 0});
  CHECK(copy.original(copy(h)).ref().id == h.ref().id);
  Session session(g);
  const Array found = session.run(copy(y), feed(x, ones_of({2, 4})));
  for (const float e : found.span<float>()) CHECK(e == 6.0f);
  const Array original = session.run(y, feed(x, ones_of({2, 4})));
  for (const float e : original.span<float>()) CHECK(e == 2.0f);
}

TEST_CASE("a rule replaces and drops ops", "[clone][rule]") {
  Graph g;
  const auto x = input4(g);
  const auto y = tanh(relu(x) * 2.0f) * 2.0f;
  const Clone copy =
      clone(extract(inputs(x), outputs(y)), bind(x, x),
            each_op([](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
              if (is(op, "tanh")) return std::vector<any_tensor>{op.operands[0]};
              if (is(op, "relu")) return std::vector<any_tensor>{neg(op.operands[0])};
              return std::nullopt;
            }));
  copy.check();
  Session session(g);
  const Array found = session.run(copy(y), feed(x, ones_of({1, 4})));
  for (const float e : found.span<float>()) CHECK(e == -4.0f);
}

TEST_CASE("a rule changes attributes", "[clone][rule]") {
  Graph g;
  const auto x = input4(g);
  const auto y = leaky_relu(x, 0.5);
  const Clone copy =
      clone(extract(inputs(x), outputs(y)), bind(x, x),
            each_op([](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
              if (is(op, "leaky_relu")) {
                attribute_list changed = op.graph->attributes_of(op.copy);
                changed.set("alpha", 0.25);
                op.graph->set_attributes(op.copy, changed);
              }
              return std::nullopt;
            }));
  copy.check();
  Session session(g);
  Array in = ones_of({1, 4});
  for (float& e : in.mutable_span<float>()) e = -1;
  CHECK(session.run(y, feed(x, in)).span<float>()[0] == -0.5f);
  CHECK(session.run(copy(y), feed(x, in)).span<float>()[0] == -0.25f);
}

TEST_CASE("a rule that fails leaves the graph as it was", "[clone][rule][edge-85]") {
  Graph g;
  const auto x = input4(g);
  const auto y = relu(dense4(x));
  const Region region = extract(inputs(x), outputs(y));
  const std::size_t ops = g.op_count();
  const auto with = [&](std::vector<any_tensor> answer) {
    return each_op([answer](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
      if (is(op, "matmul")) return answer;
      return std::nullopt;
    });
  };
  CHECK(mentions(message_of<argument_error>([&] { (void)clone(region, with({x, x})); }),
                 "2 tensors"));
  const auto narrow = placeholder<float, shape<3>>(g, "narrow");
  CHECK_THROWS_AS(clone(region, with({narrow})), shape_error);
  CHECK_THROWS_AS(
      clone(region, each_op([](const copied_op&) -> std::optional<std::vector<any_tensor>> {
              throw std::runtime_error("no");
            })),
      std::runtime_error);
  CHECK(g.op_count() == ops + 1);
  CHECK(g.current_scope() == scope_id{});
  g.validate();
  CHECK(count_of(g, clone(region), "relu") == 1);
}

TEST_CASE("a rule may make initial values, but not of the variables that start with them [edge-30]",
          "[clone][rule]") {
  Graph g;
  const auto x = input4(g);
  const auto start = relu(fill<float, shape<4>>(g, -2.0), "start");
  const any_tensor a = g.handle(
      g.variable_of(g.add_variable("a", id_of(start), variable_role::parameter, true)).read);
  const any_tensor b = g.handle(
      g.variable_of(g.add_variable("b", id_of(identity(a)), variable_role::parameter, true)).read);
  const any_tensor y = add(mul(x, a), b);
  const Region region = extract(inputs(x), outputs(y));
  const Clone copy =
      clone(region, bind(x, x),
            each_op([](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
              if (!is(op, "relu")) return std::nullopt;
              return std::vector<any_tensor>{exp(op.operands[0] + 2.0f)};
            }));
  g.validate();
  copy.check();
  Session session(g);
  session.run(copy.initializer());
  CHECK(session.value(copy(b)).at<float>({3}) == 1);
  // Edits go on noticing circles.
  const op_id sum = g.operand(g.variable_of(*g.variable_read_by(id_of(copy(a)))).initial.op, 0).op;
  const auto before = g.digest();
  CHECK_THROWS_AS(g.set_operand(sum, 0, id_of(copy(b))), graph_error);
  CHECK(g.digest() == before);

  const std::string text = message_of<graph_error>([&] {
    const std::uint32_t first = g.op_id_bound();
    clone(region, bind(x, x),
          each_op([&](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
            if (!is(op, "relu")) return std::nullopt;
            for (std::uint32_t id = first; id < g.op_id_bound(); ++id) {
              if (g.name_of(op_id{id}) == "b")
                return std::vector<any_tensor>{g.handle({op_id{id}, 0})};
            }
            return std::nullopt;
          }));
  });
  INFO(text);
  CHECK(mentions(text, "/a' was to be made with a clone"));
  CHECK(g.digest() == before);
}
