// Edits of regions: joined, exchanged, led around, cut free and put in the place of tensors.
#include <sys/socket.h>  // has a connect() of its own

#include "graft/surgery/splice.hpp"

#include "letters_fixture.hpp"

using namespace graft;
using namespace graft_test;

namespace {

// Where the first operands lead to.
tensor_id spine_begin(const Graph& g, tensor_id t) {
  while (g.operand_count(t.op) != 0) t = g.operand(t.op, 0);
  return t;
}

tensor_id operand(const Graph& g, const any_tensor& t, std::uint32_t slot) {
  return g.operand(op_of(t), slot);
}

}  // namespace

TEST_CASE("regions of what was edited are refused afterwards", "[edge-93]") {
  letters s;
  const Region touched = extract(inputs(s.c, s.d), outputs(s.f));
  const Region apart = extract(inputs(s.a, s.b), outputs(s.c));
  reroute(s.d, s.a, among({op_of(s.f)}));
  CHECK(touched.stale());
  CHECK_FALSE(apart.stale());
  CHECK_THROWS_AS(clone(touched), graph_error);
  CHECK_THROWS_AS(bypass(touched), graph_error);
  CHECK_THROWS_AS(detach(touched), graph_error);
  CHECK_THROWS_AS(connect(apart, touched), graph_error);
  CHECK_THROWS_AS(touched.with_inputs({0}), graph_error);
  CHECK_THROWS_AS(touched.between(), graph_error);
}

TEST_CASE("regions are joined, exchanged and led around") {
  letters s;
  Graph& g = s.graph;
  SECTION("joined") {
    // One chosen input of e gets z, the other stays.
    const auto z = relu(input4(g, "y"), "z");
    const Region maker = extract(inputs(), outputs(z), leaks::keep);
    const Region taker = extract(inputs(s.c, s.d), outputs(s.e)).with_inputs({0});
    CHECK(connect(maker, taker) == 1);
    CHECK(operand(g, s.e, 0) == id_of(z));
    CHECK(operand(g, s.e, 1) == id_of(s.d));
    CHECK(operand(g, s.f, 0) == id_of(s.c));
  }
  SECTION("led around") {
    const auto y = relu(tanh(s.h, "deep"), "y"), end = exp(y, "end");
    const Region r = extract(inputs(s.h), outputs(y));
    CHECK(bypass(r) == 1);
    CHECK(operand(g, end, 0) == id_of(s.h));
    CHECK(g.uses(id_of(y)).empty());
    CHECK_FALSE(r.stale());  // its own ops are as they were
  }
  SECTION("inputs exchanged") {
    const auto p = input4(g, "p"), q = input4(g, "q");
    const auto from_p = relu(tanh(p)), from_q = exp(sin(q));
    const auto before = g.digest();
    const auto regions = [&](const row4& of_p, const row4& of_q) {
      return std::pair{extract(inputs(of_p), outputs(from_p)),
                       extract(inputs(of_q), outputs(from_q))};
    };
    const auto [first, second] = regions(p, q);
    CHECK(swap_inputs(first, second) == 2);
    CHECK(spine_begin(g, id_of(from_p)) == id_of(q));
    const auto [third, fourth] = regions(q, p);
    CHECK(swap_inputs(third, fourth) == 2);
    CHECK(g.digest() == before);
  }
  SECTION("outputs exchanged: inner uses stay") {
    const Region of_f = extract(inputs(s.c, s.d), outputs(s.f));
    const Region of_g = extract(inputs(s.c, s.a), outputs(s.g));
    CHECK(swap_outputs(of_f, of_g) == 2);
    CHECK(operand(g, s.h, 0) == id_of(s.g));
    CHECK(operand(g, s.h, 1) == id_of(s.f));
  }
  g.validate();
}

TEST_CASE("regions that share ops exchange their inputs all at once") {
  Graph g;
  const auto p = input4(g, "p"), q = input4(g, "q"), r = input4(g, "r");
  const auto both = sub(p, q, "both");  // in both regions, and takes an input of either
  const auto of_p = relu(sub(both, p), "of_p"), of_q = tanh(sub(both, q), "of_q");
  const auto before = g.digest();
  SECTION("an op of both takes what it takes in either") {
    CHECK(swap_inputs(extract(inputs(p), outputs(of_p), leaks::keep),
                      extract(inputs(q), outputs(of_q), leaks::keep)) == 4);
    CHECK(operand(g, both, 0) == id_of(q));
    CHECK(operand(g, both, 1) == id_of(p));
    CHECK(g.operand(g.operand(op_of(of_p), 0).op, 1) == id_of(q));
    CHECK(g.operand(g.operand(op_of(of_q), 0).op, 1) == id_of(p));
    CHECK(swap_inputs(extract(inputs(q), outputs(of_p), leaks::keep),
                      extract(inputs(p), outputs(of_q), leaks::keep)) == 4);
    CHECK(g.digest() == before);
  }
  SECTION("inputs of both regions, in another order") {
    const Region a = extract(inputs(p, q), outputs(of_p)), b = extract(inputs(q, p), outputs(of_q));
    CHECK(swap_inputs(a, b) == 4);
    CHECK(operand(g, both, 0) == id_of(q));
    CHECK(operand(g, both, 1) == id_of(p));
    CHECK(swap_inputs(extract(inputs(q, p), outputs(of_p)), extract(inputs(p, q), outputs(of_q))) ==
          4);
    CHECK(g.digest() == before);
  }
  SECTION("what would become two tensors at once is refused") {
    const Region a = extract(inputs(p, q), outputs(of_p)),
                 b = extract(inputs(q, r), outputs(of_q), leaks::keep, unused::allow);
    const std::string text = message_of<argument_error>([&] { swap_inputs(a, b); });
    INFO(text);
    CHECK(mentions(text, "'both' is in both regions"));
    CHECK(mentions(text, "'q', would become 'r' in one and 'p' in the other"));
    CHECK(g.digest() == before);
    CHECK_FALSE(a.stale());
  }
  g.validate();
}

TEST_CASE("regions that share ops exchange their outputs for others") {
  Graph g;
  const auto x = input4(g, "x");
  const auto h = relu(x, "h"), y = tanh(h, "y"), z = exp(h, "z");
  const auto of_y = sin(y, "of_y"), of_z = sin(z, "of_z"), of_h = sin(h, "of_h");
  const auto before = g.digest();
  SECTION("what they share stays") {
    CHECK(swap_outputs(extract(inputs(x), outputs(y)), extract(inputs(x), outputs(z))) == 2);
    CHECK(operand(g, of_y, 0) == id_of(z));
    CHECK(operand(g, of_z, 0) == id_of(y));
    CHECK(operand(g, y, 0) == id_of(h));
    CHECK(operand(g, of_h, 0) == id_of(h));
  }
  SECTION("an output of one inside the other") {
    CHECK(swap_outputs(extract(inputs(x), outputs(y)), extract(inputs(x), outputs(h))) == 3);
    CHECK(operand(g, of_y, 0) == id_of(h));
    CHECK(operand(g, of_h, 0) == id_of(y));
    CHECK(operand(g, z, 0) == id_of(y));  // outside of both
    CHECK(operand(g, y, 0) == id_of(h));
  }
  SECTION("what would become two tensors at once is refused") {
    CHECK_THROWS_AS(
        swap_outputs(extract(inputs(x), outputs(y, z)), extract(inputs(x), outputs(h, y))),
        argument_error);
    CHECK(g.digest() == before);
  }
  g.validate();
}

TEST_CASE("what is cut free gets placeholders, one for each tensor") {
  letters s;
  Graph& g = s.graph;
  SECTION("a region") {
    const Region r = extract(inputs(s.c, s.a), outputs(s.g));
    g.add_control_edge(op_of(s.d), op_of(s.g));
    const detached cut = detach(extract(inputs(s.c, s.a), outputs(s.g)));
    REQUIRE(cut.inputs.size() == 2);
    CHECK(operand(g, s.g, 0) == id_of(cut.inputs[0]));
    CHECK(operand(g, s.g, 1) == id_of(cut.inputs[1]));
    CHECK(g.type_of(id_of(cut.inputs[0])) == g.type_of(id_of(s.c)));
    REQUIRE(cut.outputs.size() == 1);
    CHECK(operand(g, s.h, 1) == id_of(cut.outputs[0]));
    CHECK(operand(g, s.e, 0) == id_of(s.c));  // uses outside stay
    CHECK(g.control_predecessors(op_of(s.g)).empty());
    CHECK(r.stale());
  }
  SECTION("hidden inputs, too") {
    const Region whole = extract(inputs(s.c, s.a), outputs(s.h), leaks::keep,
                                 given(s.d, Array::full<float>({2, 4}, 3)));
    const Region r = whole.with_inputs(std::vector<std::size_t>{1});
    REQUIRE(r.kept() == ids(s.c, s.d));
    const auto before = g.digest();
    {
      const Graph::transaction undone(g);
      CHECK(detach_inputs(r).size() == 1);
      CHECK(operand(g, s.f, 0) == id_of(s.c));  // hidden ones stay
    }
    CHECK(g.digest() == before);
    const detached cut = detach(r);
    REQUIRE(cut.inputs.size() == 1);
    REQUIRE(cut.hidden.size() == 2);
    CHECK(operand(g, s.g, 1) == id_of(cut.inputs[0]));
    CHECK(operand(g, s.g, 0) == id_of(cut.hidden[0]));
    CHECK(operand(g, s.f, 0) == id_of(cut.hidden[0]));
    CHECK(operand(g, s.f, 1) == id_of(cut.hidden[1]));
    CHECK(std::string(g.schema_of(op_of(cut.hidden[1])).name) == "constant");
    CHECK(operand(g, s.e, 0) == id_of(s.c));  // outside
    CHECK(operand(g, s.e, 1) == id_of(s.d));
    const Region free = extract(inputs(cut.inputs[0], cut.hidden[0]), outputs(s.h));
    CHECK(free.kept().empty());
  }
  SECTION("only outside edges are cut") {
    const Region r = extract(inputs(s.a, s.b, s.d), outputs(s.e, s.f));
    const std::vector<any_tensor> made = detach_outputs(r);
    REQUIRE(made.size() == 2);
    CHECK(made[0].ref().slot == nullptr);  // nobody takes e
    CHECK(operand(g, s.h, 0) == id_of(made[1]));
    CHECK(operand(g, s.f, 0) == id_of(s.c));
    CHECK(detach_inputs(extract(inputs(s.a), outputs(s.c), leaks::keep)).size() == 1);
    CHECK(operand(g, s.g, 1) == id_of(s.a));
  }
  SECTION("an op that takes a tensor twice") {
    const auto squared = mul(s.a, s.a, "squared");
    const auto root = relu(squared, "root");
    const detached cut = detach(g, op_of(squared));
    REQUIRE(cut.inputs.size() == 2);
    CHECK(id_of(cut.inputs[0]) == id_of(cut.inputs[1]));
    CHECK(operand(g, squared, 1) == id_of(cut.inputs[0]));
    CHECK(operand(g, root, 0) == id_of(cut.outputs[0]));
  }
  SECTION("an input that passes through") {
    const Region r = extract(inputs(s.c), outputs(s.c));
    const detached cut = detach(r);
    CHECK(operand(g, s.e, 0) == id_of(s.c));
    CHECK(cut.outputs[0].ref().slot == nullptr);
  }
  g.validate();
}

TEST_CASE("a copy of a region comes in the place of tensors") {
  Graph host, library;
  const auto x = input4(host, "x");
  const auto old = relu(x, "old"), end = tanh(old, "end"), other = exp(old, "other");
  const auto in = input4(library, "in");
  const auto h = dense4(in), y = relu(h, "y");
  set_values(library);
  const Region region = extract(inputs(in), outputs(y));
  const auto before = host.digest();
  SECTION("in another graph") {
    const Clone copy =
        splice(region, in_place_of(old, y), bind(in, x), into(host, "net"), variables::copied);
    CHECK(operand(host, end, 0) == id_of(copy(y)));
    CHECK(operand(host, other, 0) == id_of(copy(y)));
    CHECK(host.uses(id_of(old)).empty());
    CHECK(host.path_of(copy.variables()[0]) == "net/dense/w");
    copy.check();
  }
  SECTION("behind what it replaces, for several tensors at once") {
    const Clone copy = splice(region, in_place_of(std::tuple{old, end}, std::vector{y, h}),
                              bind(in, old), into(host, "net"));
    CHECK(operand(host, end, 0) == id_of(copy(y)));
    CHECK(host.uses(id_of(old)).size() == 1);  // the copy's own
    CHECK(host.uses(id_of(old))[0].user == copy(op_id{*library.find_op("dense/matmul")}));
  }
  SECTION("what does not fit is refused, and nothing remains") {
    const any_tensor wide = placeholder<float, shape<dyn, 5>>(host, "wide");
    (void)add(wide, placeholder<float, shape<dyn, 5>>(host, "five"));
    const auto with_wide = host.digest();
    CHECK_THROWS_AS(splice(region, in_place_of(wide, y), bind(in, x), into(host)), shape_error);
    CHECK_THROWS_AS(splice(region, in_place_of(x, y), bind(in, end), into(host)), graph_error);
    CHECK_THROWS_AS(splice(region, in_place_of(std::tuple{old, old}, std::tuple{y, h}), bind(in, x),
                           into(host)),
                    argument_error);
    CHECK_THROWS_AS(splice(region, in_place_of(std::tuple{old, end}, y), bind(in, x), into(host)),
                    argument_error);
    CHECK_THROWS_AS(splice(region, in_place_of(std::vector<row4>{}, std::vector<row4>{})),
                    argument_error);
    CHECK_THROWS_AS(splice(region, in_place_of(old, y), bind(in, in)), handle_error);
    CHECK(host.digest() == with_wide);
    CHECK_FALSE(region.stale());
  }
  CHECK((host.digest() != before));
  host.validate();
}
