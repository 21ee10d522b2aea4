// Structure: what is copied, how it is wired, what the map says.
#include "clone_fixture.hpp"

using namespace graft;
using namespace graft_test;

namespace {

// Everything that must hold of any clone.
void check_clone(const Clone& c) {
  c.check();
  c.graph().validate();
  const Region& r = c.origin();
  for (const op_id op : r.nodes()) {
    if (const auto image = c.find(op)) CHECK(c.original(*image) == op);
  }
}

}  // namespace

TEST_CASE("the question: a second network from inputs and outputs alone") {
  Graph g;
  const auto x = input4(g, "x");
  const auto y = two_layers(x);
  const auto x2 = input4(g, "x2");

  const auto region = extract(inputs(x), outputs(y));
  const auto copy = clone(region, bind(x, x2), into("copy"), variables::fresh);
  const auto y2 = copy(y);
  static_assert(std::is_same_v<decltype(y2), const row4>);

  check_clone(copy);
  CHECK(id_of(y2) != id_of(y));
  CHECK(copy.variables().size() == 4);
  CHECK(copy.initializer().variables == copy.variables());
  CHECK(&copy.initializer().graph() == &g);
  CHECK(g.variables().size() == 8);
  CHECK(copy(x).ref() == x2.ref());
  CHECK(copy.inputs() == ids(x2));
  CHECK(copy.outputs() == ids(y2));
  CHECK(copy.scope_path() == "copy");
  CHECK(g.path_of(id_of(y2)) == "copy/dense_1/add");
  // The copy is cut by the new input alone.
  const Region again = extract(inputs(x2), outputs(y2));
  CHECK(again.nodes().size() == region.nodes().size());
  CHECK(again.variables() == copy.variables());
}

TEST_CASE("the clone of a passthrough is the new input [edge-1]") {
  Graph g;
  const auto x = input4(g, "x"), x2 = input4(g, "x2");
  const auto copy = clone(extract(inputs(x), outputs(x)), bind(x, x2));
  CHECK(copy(x).ref() == x2.ref());
  CHECK(copy.nodes().empty());
  check_clone(copy);
}

TEST_CASE("one input used by many and by both operands is one new input [edge-4]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto y = add(mul(x, x), add(x, relu(x)));
  SECTION("bound") {
    const auto x2 = input4(g, "x2");
    const auto copy = clone(extract(inputs(x), outputs(y)), bind(x, x2));
    CHECK(g.uses(id_of(x2)).size() == 4);
    CHECK(g.uses(id_of(x)).size() == 4);
    check_clone(copy);
  }
  SECTION("left open") {
    const auto copy = clone(extract(inputs(x), outputs(y)), into("copy"));
    const auto x2 = copy(x);
    CHECK(g.uses(id_of(x2)).size() == 4);
    CHECK(g.path_of(id_of(x2)) == "copy/x");
    CHECK(g.type_of(id_of(x2)) == g.type_of(id_of(x)));
    CHECK(std::string(g.schema_of(op_of(x2)).name) == "placeholder");
    CHECK(copy.original(x2).ref() == x.ref());
    CHECK(copy.nodes().size() == 5);
    check_clone(copy);
  }
  SECTION("kept") {
    const auto copy = clone(extract(inputs(x), outputs(y)), unbound::keep);
    CHECK(copy(x).ref() == x.ref());
    CHECK(g.uses(id_of(x)).size() == 8);
    check_clone(copy);
  }
  SECTION("refused") {
    const auto before = g.digest();
    const auto region = extract(inputs(x), outputs(y));
    CHECK(
        mentions(message_of<boundary_error>([&] { (void)clone(region, unbound::error); }), "'x'"));
    Graph other;
    CHECK_THROWS_AS(clone(region, into(other, "copy"), unbound::keep), boundary_error);
    CHECK(g.digest() == before);
  }
}

TEST_CASE("an unused input may be bound or not [edge-5]") {
  Graph g;
  const auto x = input4(g, "x"), extra = input4(g, "extra"), x2 = input4(g, "x2");
  const auto region = extract(inputs(x, extra), outputs(relu(x)), unused::allow);
  const auto copy = clone(region, bind(x, x2));
  CHECK(g.path_of(id_of(copy(extra))) == "copy/extra");
  CHECK(clone(region, bind(x, x2, extra, x2))(extra).ref() == x2.ref());
}

TEST_CASE("kept sources are shared, lifted ones become inputs of the clone [edge-6]") {
  Graph g;
  const auto x = input4(g, "x"), mask = input4(g, "mask"), x2 = input4(g, "x2");
  const auto y = mul(x, mask);
  const auto kept = clone(extract(inputs(x), outputs(y), leaks::keep), bind(x, x2));
  CHECK(g.operands(kept(op_of(y)))[1] == id_of(mask));
  CHECK(kept(mask).ref() == mask.ref());
  check_clone(kept);
  const auto lifted = clone(extract(inputs(x), outputs(y), leaks::lift), bind(x, x2));
  CHECK(lifted(mask).ref() != mask.ref());
  CHECK(g.operands(lifted(op_of(y)))[1] == id_of(lifted(mask)));
  check_clone(lifted);
  Graph other;
  const auto far = clone(extract(inputs(x), outputs(y), leaks::keep), into(other, "far"));
  CHECK(other.path_of(id_of(far(mask))) == "far/mask");
  check_clone(far);
}

TEST_CASE("the inner of two inputs is replaced [edge-8][edge-52]") {
  Graph g;
  const auto x = input4(g, "x"), x2 = input4(g, "x2"), h2 = input4(g, "h2");
  const auto h = relu(x, "h");
  const auto y = sub(h, x, "y");
  const auto copy = clone(extract(inputs(x, h), outputs(y)), bind(x, x2, h, h2));
  CHECK(g.operands(copy(op_of(y))) == small_vector<tensor_id, 4>{id_of(h2), id_of(x2)});
  CHECK_FALSE(copy.find(op_of(h)).has_value());
  CHECK(copy(h).ref() == h2.ref());
}

TEST_CASE("outside users of inner tensors are not touched [edge-9][edge-10]") {
  Graph g;
  const auto x = input4(g, "x"), x2 = input4(g, "x2");
  const auto h = relu(x);
  const auto y = tanh(h);
  const auto head = exp(h);
  const auto before = g.uses(id_of(h)).size();
  const auto copy = clone(extract(inputs(x), outputs(y)), bind(x, x2));
  CHECK(g.uses(id_of(h)).size() == before);
  CHECK(g.operands(op_of(head))[0] == id_of(h));
  CHECK_FALSE(copy.find(head).has_value());
  CHECK(copy.or_self(head).ref() == head.ref());
}

TEST_CASE("cloning one head copies the trunk once [edge-11]") {
  Graph g;
  const auto x = input4(g, "x"), x2 = input4(g, "x2");
  const auto trunk = dense4(x, "trunk");
  const auto a = dense4(trunk, "a"), b = dense4(trunk, "b");
  const auto one = clone(extract(inputs(x), outputs(a)), bind(x, x2));
  CHECK(one.variables().size() == 4);
  CHECK_FALSE(one.find(b).has_value());
  const auto both = clone(extract(inputs(x), outputs(a, b)), bind(x, x2));
  CHECK(both.variables().size() == 6);
  CHECK(g.uses(id_of(both(trunk))).size() == 2);
  check_clone(both);
}

TEST_CASE("outputs of one op on both sides of the cut [edge-15]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto [left, right] = split<2, 1>(x);
  const auto y = sub(left, right, "y");
  const auto left2 = placeholder<float, shape<dyn, 2>>(g, "left2");
  const auto copy = clone(extract(inputs(x, left), outputs(y)), bind(left, left2, x, x));
  CHECK(g.operands(copy(op_of(y)))[0] == id_of(left2));
  CHECK(g.operands(copy(op_of(y)))[1] == id_of(copy(right)));
  CHECK(copy(left).ref() == left2.ref());
  CHECK(id_of(copy(right)).output == 1);
  check_clone(copy);
}

TEST_CASE("a variable may be replaced by an expression [edge-16][edge-52]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto y = dense4(x);
  const variable_id w = variable_named(g, "dense/w");
  const auto read = as<float, shape<4, 4>>(g.handle(g.variable_of(w).read));
  const auto stepped = sub(read, read * 0.1f, "stepped");
  const auto copy =
      clone(extract(inputs(x, read), outputs(y)), bind(x, x, read, stepped), variables::shared);
  CHECK(copy(read).ref() == stepped.ref());
  CHECK(copy.variables().empty());
  CHECK(copy(variable_named(g, "dense/b")) == variable_named(g, "dense/b"));
  check_clone(copy);
}

TEST_CASE("deep and wide regions are cloned without recursion [edge-18]") {
  Graph g;
  const auto x = input4(g, "x"), x2 = input4(g, "x2");
  row4 y = x;
  for (int i = 0; i < 100000; ++i) y = relu(y);
  const auto copy = clone(extract(inputs(x), outputs(y)), bind(x, x2));
  CHECK(copy.nodes().size() == 100000);
  copy.check();
}

TEST_CASE("control edges inside are copied, those across the border dropped [edge-19][edge-20]") {
  Graph g;
  const auto x = input4(g, "x"), x2 = input4(g, "x2");
  const auto before = relu(x, "before");
  const auto y = tanh(x, "y");
  const auto z = exp(y, "z");
  const std::vector<tensor_id> checked = ids(x);
  const op_id check = g.add(schemas::check, checked);
  g.add_control_edge(op_of(before), op_of(y));
  g.add_control_edge(check, op_of(z));
  g.add_control_edge(op_of(y), op_of(z));
  const auto copy = clone(extract(inputs(x), outputs(z)), bind(x, x2));
  CHECK(g.control_predecessors(copy(op_of(y))).empty());
  auto found = g.control_predecessors(copy(op_of(z)));
  std::sort(found.begin(), found.end());
  std::vector<op_id> expected{copy(check), copy(op_of(y))};
  std::sort(expected.begin(), expected.end());
  CHECK(found == expected);
  CHECK(g.operands(copy(check))[0] == id_of(x2));
  check_clone(copy);
}

TEST_CASE("a cut against the grain is cloned on request [edge-22]") {
  Graph g;
  const auto x = input4(g, "x"), x2 = input4(g, "x2"), k2 = input4(g, "k2");
  const auto h = relu(x);
  const auto k = exp(tanh(h));
  const auto y = sub(h, k);
  const auto copy = clone(extract(inputs(x, k), outputs(y), reentry::allow), bind(x, x2, k, k2));
  CHECK(g.operands(copy(op_of(y))) == small_vector<tensor_id, 4>{id_of(copy(h)), id_of(k2)});
  check_clone(copy);
}

TEST_CASE("replacements are simultaneous [edge-50]") {
  Graph g;
  const auto a = input4(g, "a"), b = input4(g, "b");
  const auto y = sub(a, b);
  const auto region = extract(inputs(a, b), outputs(y));
  const auto swapped = clone(region, bind(a, b, b, a));
  CHECK(g.operands(swapped(op_of(y))) == small_vector<tensor_id, 4>{id_of(b), id_of(a)});
  CHECK(swapped(a).ref() == b.ref());
  const auto same = clone(region, bind(std::tuple{a, b}, std::array{a, a}));
  CHECK(g.operands(same(op_of(y))) == small_vector<tensor_id, 4>{id_of(a), id_of(a)});
  CHECK(same.original(a).ref() == a.ref());
  same.check();
}

TEST_CASE("a replacement may come from inside the original [edge-51]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto h = dense4(x);
  const auto y = relu(h);
  const auto region = extract(inputs(x), outputs(y));
  const auto stacked = clone(region, bind(x, y), into("second"));
  const Region all = extract(inputs(x), outputs(stacked(y)));
  CHECK(all.variables().size() == 4);
  check_clone(stacked);
  // The region itself cannot be fed back into: nothing of it changes.
  CHECK(extract(inputs(x), outputs(y)).nodes() == region.nodes());
}

TEST_CASE("keys must be inputs of the region, once each [edge-53]") {
  Graph g;
  const auto x = input4(g, "x"), x2 = input4(g, "x2");
  const auto h = relu(x, "h");
  const auto y = tanh(h, "y");
  const auto region = extract(inputs(x), outputs(y));
  const auto before = g.digest();
  const std::string text = message_of<boundary_error>([&] { (void)clone(region, bind(h, x2)); });
  CHECK(mentions(text, "'h'"));
  CHECK(mentions(text, "he inputs are: 'x'"));
  CHECK_THROWS_AS(clone(region, bind(x, x2, x, x2)), boundary_error);
  CHECK_THROWS_AS(clone(region, bind(x, x2), bind(x, x)), boundary_error);
  Graph other;
  const auto foreign = input4(other);
  CHECK_THROWS_AS(clone(region, bind(x, foreign)), handle_error);
  CHECK_THROWS_AS(clone(region, bind(foreign, x2)), handle_error);
  CHECK_THROWS_AS(clone(region, bind(std::vector{x}, std::vector{x2, x2})), argument_error);
  CHECK(g.digest() == before);
}

TEST_CASE("what cannot stand for an input is refused with a sentence [edge-49]") {
  Graph g;
  const auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  const auto y = relu(x);
  const auto region = extract(inputs(any_tensor(x)), outputs(y));
  const auto before_all = g.digest();
  const auto refusal = [&](const any_tensor& replacement) {
    const auto before = g.digest();
    std::string text;
    try {
      (void)clone(region, bind(any_tensor(x), replacement));
      FAIL("no exception");
    } catch (const dtype_error& e) {
      text = std::string("dtype: ") + e.what();
    } catch (const shape_error& e) {
      text = std::string("shape: ") + e.what();
    }
    CHECK(g.digest() == before);
    return text;
  };
  const auto type = refusal(placeholder<double, shape<dyn, 4>>(g, "d"));
  CHECK(mentions(type, "dtype: "));
  CHECK(mentions(type, "bind('x', 'd') replaces float32 [?, 4] by float64 [?, 4]"));
  CHECK(mentions(refusal(placeholder<float, shape<4>>(g, "r")), "the ranks 2 and 1 differ"));
  CHECK(mentions(refusal(placeholder<float, shape<dyn, 5>>(g, "s")),
                 "the extents 4 and 5 of axis 1 differ"));
  CHECK(mentions(refusal(placeholder<float, shape<dyn, dyn>>(g, "u")),
                 "the extent 4 of axis 1 is not known"));
  CHECK(mentions(refusal(placeholder<float, any_shape>(g, "n")),
                 "rank of the replacement is not known"));
  CHECK(g.digest() != before_all);  // the placeholders are there, and nothing else
  CHECK(g.op_count() == 7);
}

TEST_CASE("types follow a replacement that knows more [edge-55]") {
  Graph g;
  const auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  const auto y = two_layers(x);
  const auto x8 = placeholder<float, shape<8, 4>>(g, "x8");
  const auto copy = clone(extract(inputs(x), outputs(y)), bind(x, x8));
  CHECK(g.type_of(id_of(copy(y))) == value_type::of(dtype::float32, {8, 4}));
  CHECK(g.type_of(id_of(y)) == value_type::of(dtype::float32, {dyn, 4}));
  check_clone(copy);

  SECTION("and a conflict further down is the operator's own sentence") {
    const auto a = placeholder<float, shape<dyn, 4>>(g, "a"),
               b = placeholder<float, shape<dyn, 4>>(g, "b");
    const auto region = extract(inputs(a, b), outputs(add(a, b, "sum")));
    const auto b9 = placeholder<float, shape<9, 4>>(g, "b9");
    const auto before = g.digest();
    CHECK(
        mentions(message_of<shape_error>([&] { (void)clone(region, bind(a, x8, b, b9)); }), "sum"));
    CHECK(g.digest() == before);
  }
}

TEST_CASE("the map mirrors containers and keeps types [edge-56]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto w = make_variable<float, shape<4>>(g, "w", zeros());
  const auto h = add(x, w);
  const auto y = mean(h);
  const auto copy = clone(extract(inputs(x), outputs(y)));

  const auto [a, b] = copy(std::tuple{h, y});
  static_assert(std::is_same_v<decltype(a), decltype(h)>);
  static_assert(std::is_same_v<decltype(b), decltype(y)>);
  CHECK(a.ref() == copy(h).ref());
  const std::array<any_tensor, 2> both = copy(std::array<any_tensor, 2>{h, y});
  CHECK(both[1].ref() == b.ref());
  CHECK(copy(std::vector{h, h}).size() == 2);
  CHECK(copy(std::vector<row4>{}).empty());
  CHECK(copy(std::pair{x, std::optional{h}}).second->ref() == a.ref());
  CHECK_FALSE(copy(std::optional<row4>{}).has_value());
  CHECK(copy(std::tuple<>{}) == std::tuple<>{});
  CHECK(copy(op_of(h)) == op_of(a));
  CHECK(copy(id_of(h)) == id_of(a));
  const variable_id v = *g.variable_read_by(id_of(w));
  CHECK(copy(v) == *g.variable_read_by(id_of(copy(w))));
  CHECK(std::get<1>(copy.original(copy(std::tuple{h, y}))).ref() == y.ref());

  const auto outside = relu(h);
  CHECK(mentions(message_of<handle_error>([&] { (void)copy(outside); }), "'relu'"));
  CHECK_FALSE(copy.find(outside).has_value());
  CHECK(std::get<0>(copy.or_self(std::tuple{outside, h})).ref() == outside.ref());
  CHECK(std::get<1>(copy.or_self(std::tuple{outside, h})).ref() == a.ref());
  CHECK_THROWS_AS(copy.original(outside), handle_error);
  CHECK_THROWS_AS(copy(std::tuple{h, outside}), handle_error);
  CHECK_THROWS_AS(copy(op_of(outside)), handle_error);
  Graph other;
  CHECK_THROWS_AS(copy.find(input4(other)), handle_error);
  CHECK_THROWS_AS(copy(row4()), handle_error);
}

TEST_CASE("operand order and parallel edges are kept [edge-57]") {
  Graph g;
  const auto x = input4(g, "x"), m = input4(g, "m");
  const auto y = sub(sub(m, x), sub(x, x));
  const auto copy = clone(extract(inputs(x, m), outputs(y)), bind(x, m, m, x));
  for (const op_id op : copy.origin().nodes()) {
    const op_id image = copy(op);
    for (std::uint32_t i = 0; i < g.operand_count(op); ++i) {
      CHECK(copy(g.operand(op, i)) == g.operand(image, i));
    }
  }
  check_clone(copy);
}

TEST_CASE("attributes of the copy are its own [edge-58]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto y = clip(x, -1.0, 1.0);
  const attribute_list before = g.attributes_of(op_of(y));
  const auto copy = clone(extract(inputs(x), outputs(y)));
  CHECK(g.attributes_of(copy(op_of(y))) == before);
  const std::vector<tensor_id> noise_in = ids(x);
  attribute_list training;
  training.set("training", true);
  const op_id noisy = g.add(schemas::noisy, noise_in, training);
  const auto quiet = clone(extract(inputs(x), outputs(g.handle({noisy, 0}))), mode::inference);
  CHECK(g.attributes_of(quiet(noisy)).integer("training") == 0);
  CHECK(g.attributes_of(noisy).integer("training") == 1);
  check_clone(quiet);
}

TEST_CASE("two runs give equal clones and names [edge-59]") {
  const auto build = [] {
    Graph g;
    const auto x = input4(g, "x");
    const auto y = two_layers(x);
    (void)clone(extract(inputs(x), outputs(y)), variables::fresh);
    (void)clone(extract(inputs(x), outputs(y)), variables::shared);
    return g.digest();
  };
  CHECK(build() == build());
}

TEST_CASE("into the same graph, another, and one with equal names [edge-63]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto y = two_layers(x);
  const auto c = add(y, as<float, shape<4>>(constant(g, Array::full<float>({4}, 2.5f), "c")));
  const auto region = extract(inputs(x), outputs(c));
  Graph other;
  const auto first = clone(region, into(other, "net"));
  CHECK(&first.graph() == &other);
  CHECK(first(c).ref().slot == other.slot());
  CHECK(other.variables().size() == 4);
  CHECK(other.path_of(id_of(first(y))) == "net/dense_1/add");
  const op_id copied_constant = first(g.operand(op_of(c), 1).op);
  CHECK(other.constant(other.attributes_of(copied_constant).integer("value")).at<float>({3}) ==
        2.5f);
  check_clone(first);

  const auto second = clone(region, into(other, "net"));
  CHECK(second.scope_path() == "net_1");
  CHECK(other.variables().size() == 8);
  check_clone(second);

  const auto root = clone(region, into(other, ""));
  CHECK(other.path_of(id_of(root(y))) == "dense_1/add");
  const auto root_again = clone(region, into(other, ""));
  CHECK(other.path_of(id_of(root_again(y))) == "dense_3/add");
  check_clone(root);
  check_clone(root_again);
}

TEST_CASE("a graph that is cloned from into another does not change [edge-63]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto region = extract(inputs(x), outputs(two_layers(x)));
  const auto before = g.digest();
  Graph other;
  (void)clone(region, into(other, "net"), variables::fresh);
  CHECK(g.digest() == before);
}

TEST_CASE("clones of clones compose [edge-40]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto y = two_layers(x);
  const auto one = clone(extract(inputs(x), outputs(y)), into("one"));
  const auto two = clone(extract(inputs(one(x)), outputs(one(y))), into("two"));
  const auto three = clone(extract(inputs(two(one(x))), outputs(two(one(y)))), into("three"));
  CHECK(one.original(two.original(three.original(three(two(one(y)))))).ref() == y.ref());
  const variable_id w = variable_named(g, "dense/w");
  const variable_id w3 = three(two(one(w)));
  CHECK(g.path_of(w3) == "three/dense/w");
  CHECK(g.variable_of(w3).origin == two(one(w)));
  CHECK(g.variable_of(two(one(w))).origin == one(w));
  check_clone(three);
}

TEST_CASE("clones may outlive their graphs [edge-41]") {
  std::optional<Clone> copy;
  row4 y;
  {
    Graph g;
    const auto x = input4(g, "x");
    y = two_layers(x);
    copy = clone(extract(inputs(x), outputs(y)));
  }
  CHECK_THROWS_AS(copy->graph(), handle_error);
  CHECK_THROWS_AS(copy->initializer(), handle_error);
  CHECK_THROWS_AS(copy->check(), handle_error);
  CHECK_THROWS_AS(copy->scope_path(), handle_error);
  CHECK(copy->variables().size() == 4);
  CHECK(copy->find(y).has_value());  // the handle is as dead as the graph
}

TEST_CASE("a stale region is refused [edge-93]") {
  Graph g;
  const auto x = input4(g);
  std::optional<Region> region;
  {
    const Graph::transaction undo(g);
    region = extract(inputs(x), outputs(relu(x)));
  }
  const auto before = g.digest();
  CHECK_THROWS_AS(clone(*region), graph_error);
  CHECK(g.digest() == before);
}

TEST_CASE("only what is affected is copied on request") {
  Graph g;
  const auto x = input4(g, "x");
  const auto m = input4(g, "m"), m2 = input4(g, "m2");
  const auto h = dense4(x);
  const auto gated = mul(h, m);
  const auto y = dense4(gated);
  const auto copy = clone(extract(inputs(x, m), outputs(y)), bind(x, x, m, m2), variables::shared,
                          coverage::affected);
  CHECK(copy.nodes().size() == 3);  // mul, matmul, add
  CHECK(copy(h).ref() == h.ref());
  CHECK(copy(y).ref() != y.ref());
  check_clone(copy);
  Graph other;
  CHECK_THROWS_AS(clone(extract(inputs(x, m), outputs(y)), into(other), coverage::affected),
                  argument_error);
}

TEST_CASE("inference keeps what the mode does not change") {
  Graph g;
  const auto x = input4(g, "x");
  const auto h = dense4(x);
  CHECK(inference(h).ref() == h.ref());
  attribute_list training;
  training.set("training", true);
  const std::vector<tensor_id> operands = ids(h);
  const op_id noisy = g.add(schemas::noisy, operands, training, "noisy");
  const auto y = relu(as<float, shape<dyn, 4>>(g.handle({noisy, 0})));
  const std::size_t before = g.op_count();
  const auto quiet = inference(y);
  static_assert(std::is_same_v<decltype(quiet), const std::remove_cv_t<decltype(y)>>);
  CHECK(g.op_count() == before + 2);
  CHECK(g.path_of(id_of(quiet)) == "inference/relu");
  CHECK(g.operand(g.operand(op_of(quiet), 0).op, 0) == id_of(h));
  CHECK(inference(quiet).ref() == quiet.ref());
  g.validate();
}
