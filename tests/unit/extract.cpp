#include "clone_fixture.hpp"
#include "graph/building.hpp"

using namespace graft;
using namespace graft_test;

namespace {

boundary_problem problem_of(const input_list& in, const output_list& out) {
  const auto answer = try_extract(in, out);
  REQUIRE_FALSE(answer.has_value());
  const std::string text = message_of<boundary_error>([&] { (void)extract(in, out); });
  CHECK(to_string(answer.error()) == text);
  for (const boundary_finding& f : answer.error().findings) CHECK(mentions(text, f.text));
  return answer.error();
}

}  // namespace

TEST_CASE("a region is the closure of its outputs, with whole variables") {
  Graph g;
  const auto x = input4(g);
  const auto y = two_layers(x);
  const auto loss = mean(square(y));  // hangs on the output

  const Region r = extract(inputs(x), outputs(y));
  CHECK(r.inputs() == ids(x));
  CHECK(r.outputs() == ids(y));
  CHECK(r.variables().size() == 4);
  // Two layers of matmul, add, two reads and two initial values; one relu.
  CHECK(r.nodes().size() == 13);
  CHECK(std::is_sorted(r.nodes().begin(), r.nodes().end()));
  CHECK_FALSE(r.contains(op_of(x)));
  CHECK_FALSE(r.contains(op_of(loss)));
  for (const variable_id v : r.variables()) {
    CHECK(r.contains(g.variable_of(v).read.op));
    CHECK(r.contains(g.variable_of(v).initial.op));
  }
  CHECK(&r.graph() == &g);
}

TEST_CASE("an output that is an input passes through", "[edge-1]") {
  Graph g;
  const auto x = input4(g);
  const Region r = extract(inputs(x), outputs(x));
  CHECK(r.nodes().empty());
  CHECK(r.passthroughs() == ids(x));
}

TEST_CASE("outputs keep order and repetition", "[edge-2]") {
  Graph g;
  const auto x = input4(g);
  const auto a = relu(x), b = relu(a);
  const Region r = extract(inputs(x), outputs(b, a, b));
  CHECK(r.outputs() == ids(b, a, b));
  CHECK(r.nodes().size() == 2);
}

TEST_CASE("an input given twice is an error that names it", "[edge-3]") {
  Graph g;
  const auto x = input4(g, "pixels");
  const auto problem = problem_of(inputs(x, x), outputs(relu(x)));
  CHECK(problem.fault() == boundary_fault::duplicate_input);
  CHECK(mentions(problem.parts.found, "'pixels'"));
}

TEST_CASE("an input that no output depends on is reported with the nearest tensor that is",
          "[edge-5]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto scaled = sub(x, x, "scaled");
  const auto y = relu(scaled);
  const auto other = input4(g, "other");
  const auto late = relu(y, "late");

  const auto lonely = problem_of(inputs(scaled, other), outputs(y));
  CHECK(lonely.fault() == boundary_fault::input_not_reached);
  CHECK(lonely.findings[0].tensor == id_of(other));
  CHECK(lonely.findings[0].path.empty());

  const auto behind = problem_of(inputs(scaled, late), outputs(y));
  CHECK(behind.fault() == boundary_fault::input_not_reached);
  CHECK(behind.findings[0].path == ids(y));
  CHECK(mentions(behind.parts.found, "'late'"));

  const Region r = extract(inputs(scaled, other), outputs(y), unused::allow);
  CHECK(r.inputs() == ids(scaled, other));
  CHECK(r.report().unused_inputs == ids(other));
}

TEST_CASE("an uncut placeholder is reported with its path", "[edge-6]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto mask = input4(g, "mask");
  const auto hidden = relu(x, "hidden");
  const auto masked = mul(hidden, mask, "masked");
  const auto logits = relu(masked, "logits");

  const auto problem = problem_of(inputs(x), outputs(logits));
  CHECK(problem.fault() == boundary_fault::uncut_source);
  REQUIRE(problem.findings.size() == 1);
  CHECK(problem.findings[0].text == "output 'logits' <- 'masked' <- placeholder 'mask'");
  CHECK(problem.findings[0].path == ids(logits, masked, mask));
  CHECK(problem.findings[0].tensor == id_of(mask));

  SECTION("or kept outside") {
    const Region r = extract(inputs(x), outputs(logits), leaks::keep);
    CHECK(r.kept() == ids(mask));
    CHECK(r.inputs() == ids(x));
    CHECK(r.nodes().size() == 3);
  }
  SECTION("or made an input") {
    const Region r = extract(inputs(x), outputs(logits), leaks::lift);
    CHECK(r.kept().empty());
    CHECK(r.inputs() == ids(x, mask));
  }
}

TEST_CASE("all leaks are listed, in the order of the graph", "[edge-7]") {
  Graph g;
  std::vector<row4> sources;
  for (int i = 0; i < 5; ++i) sources.push_back(input4(g, "s" + std::to_string(i)));
  row4 y = sources[3];
  for (const int i : {1, 4, 0, 2}) y = add(y, sources[static_cast<std::size_t>(i)]);

  const auto first = problem_of(inputs(), outputs(y));
  REQUIRE(first.findings.size() == 5);
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(first.findings[i].tensor == id_of(sources[i]));
    CHECK(mentions(first.parts.found, "placeholder 's" + std::to_string(i) + "'"));
  }
  CHECK(problem_of(inputs(), outputs(y)).parts.found == first.parts.found);
}

TEST_CASE("a wrong input is reported together with the right one") {
  Graph g;
  const auto x = input4(g, "x"), wrong = input4(g, "wrong");
  const auto problem = problem_of(inputs(wrong), outputs(relu(x, "y")));
  REQUIRE(problem.findings.size() == 2);
  CHECK(problem.findings[0].fault == boundary_fault::uncut_source);
  CHECK(problem.findings[1].fault == boundary_fault::input_not_reached);
}

TEST_CASE("of two inputs on one path the inner one cuts", "[edge-8]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto h = relu(x, "h");
  const auto y = relu(h, "y");

  const auto problem = problem_of(inputs(x, h), outputs(y));
  CHECK(problem.fault() == boundary_fault::input_shadowed);
  CHECK(mentions(problem.parts.found, "input 'x' reaches the outputs only through the input 'h'"));

  const Region r = extract(inputs(x, h), outputs(y), unused::allow);
  CHECK(r.nodes() == std::vector<op_id>{op_of(y)});

  const auto both = sub(h, x, "both");  // the outer one is needed as well
  CHECK(extract(inputs(x, h), outputs(both)).nodes() == std::vector<op_id>{op_of(both)});
}

TEST_CASE("what hangs on the outputs is not dragged in", "[edge-10]") {
  Graph g;
  const auto x = input4(g);
  const auto y = two_layers(x);
  const auto before = extract(inputs(x), outputs(y));

  // A loss, a made-up gradient and an optimiser's update of every weight.
  const auto loss = mean(square(y), "loss");
  std::vector<op_id> updates;
  for (const variable_id v : g.variables()) {
    const any_tensor read = g.handle(g.variable_of(v).read);
    updates.push_back(op_of(assign(read, read - read * 0.1)));
  }
  const auto after = extract(inputs(x), outputs(y));
  CHECK(after.nodes() == before.nodes());
  CHECK(after.variables() == before.variables());
  CHECK(after.report().foreign_updates == updates);
  CHECK_FALSE(after.contains(op_of(loss)));
}

TEST_CASE("two heads share their trunk", "[edge-11]") {
  Graph g;
  const auto x = input4(g);
  const auto trunk = dense4(x, "trunk");
  const auto a = dense4(trunk, "a"), b = dense4(trunk, "b");
  const Region r = extract(inputs(x), outputs(a));
  CHECK(paths(g, r.variables()) == std::vector<std::string>{"trunk/w", "trunk/b", "a/w", "a/b"});
  CHECK_FALSE(r.contains(op_of(b)));
  CHECK(extract(inputs(x), outputs(a, b)).variables().size() == 6);
}

TEST_CASE("an output that depends on no input is its whole closure", "[edge-12]") {
  Graph g;
  const auto x = input4(g);
  const auto c = exp(constant(g, 2.0f));
  const Region r = extract(inputs(), outputs(c));
  CHECK(r.nodes().size() == 2);
  CHECK(extract(inputs(x), outputs(relu(x), c)).nodes().size() == 3);
}

TEST_CASE("empty boundaries", "[edge-13]") {
  Graph g;
  const auto x = input4(g);
  CHECK(problem_of(inputs(x), outputs()).fault() == boundary_fault::no_outputs);
  CHECK(problem_of(inputs(), outputs()).fault() == boundary_fault::no_outputs);
  CHECK(problem_of(inputs(std::tuple<>{}), outputs(std::vector<any_tensor>{})).fault() ==
        boundary_fault::no_outputs);
}

TEST_CASE("handles of other graphs and of graphs that are gone are refused", "[edge-14]") {
  Graph g;
  const auto x = input4(g);
  const auto y = relu(x);
  {
    Graph other;
    const auto foreign = input4(other, "foreign");
    const auto problem = problem_of(inputs(foreign), outputs(y));
    CHECK(problem.fault() == boundary_fault::foreign);
    CHECK(mentions(problem.parts.found, "'foreign' of another graph"));
  }
  row4 dangling;
  {
    Graph gone;
    dangling = input4(gone);
  }
  CHECK(problem_of(inputs(dangling), outputs(y)).fault() == boundary_fault::foreign);
  CHECK(problem_of(inputs(row4()), outputs(y)).fault() == boundary_fault::foreign);
  CHECK(problem_of(inputs(), outputs(dangling)).fault() == boundary_fault::foreign);

  SECTION("handles follow a graph that moves") {
    const Graph moved = std::move(g);
    CHECK(extract(inputs(x), outputs(y)).nodes().size() == 1);
    CHECK(&extract(inputs(x), outputs(y)).graph() == &moved);
  }
  SECTION("an op that was taken back is gone") {
    row4 taken;
    {
      const Graph::transaction undo(g);
      taken = relu(y);
    }
    CHECK(problem_of(inputs(x), outputs(taken)).fault() == boundary_fault::foreign);
  }
}

TEST_CASE("outputs of one op on both sides of the boundary", "[edge-15]") {
  Graph g;
  const auto x = input4(g);
  const auto [left, right] = split<2, 1>(x);
  const Region only_second = extract(inputs(x), outputs(right));
  CHECK(only_second.nodes() == std::vector<op_id>{op_of(left)});

  const auto y = add(left, right, "y");
  const Region r = extract(inputs(x, left), outputs(y));
  CHECK(r.nodes() == std::vector<op_id>{op_of(left), op_of(y)});
  CHECK(r.inputs() == ids(x, left));
}

TEST_CASE("a variable given as input is cut at its read", "[edge-16][edge-17]") {
  Graph g;
  const auto x = input4(g);
  const auto y = dense4(x);
  const variable_id w = variable_named(g, "dense/w");
  const any_tensor read = g.handle(g.variable_of(w).read);
  const Region r = extract(inputs(x, read), outputs(y));
  CHECK(paths(g, r.variables()) == std::vector<std::string>{"dense/b"});
  CHECK_FALSE(r.contains(g.variable_of(w).initial.op));
}

TEST_CASE("diamonds, a thousand branches and a chain of 100000 ops", "[edge-18]") {
  Graph g;
  const auto x = input4(g);
  SECTION("diamond with a long skip") {
    const auto a = relu(x), b = tanh(a), c = exp(a);
    CHECK(extract(inputs(x), outputs(add(add(b, c), x))).nodes().size() == 5);
  }
  SECTION("branches") {
    row4 sum = relu(x);
    for (int i = 0; i < 1000; ++i) sum = add(sum, relu(x));
    CHECK(extract(inputs(x), outputs(sum)).nodes().size() == 2001);
  }
  SECTION("chain") {
    row4 y = x;
    for (int i = 0; i < 100000; ++i) y = relu(y);
    CHECK(extract(inputs(x), outputs(y)).nodes().size() == 100000);
    const auto problem = problem_of(inputs(), outputs(y));
    CHECK(problem.findings[0].path.size() == 100001);
    CHECK(problem.parts.found.size() < 600);  // the middle is left out
  }
}

TEST_CASE("an assertion that the region waits for belongs to it", "[edge-20]") {
  Graph g;
  const auto x = input4(g), limit = input4(g, "limit");
  const auto y = relu(x, "y");
  const std::vector<tensor_id> checked = ids(tanh(x));
  const op_id check = g.add(schemas::check, checked);
  g.add_control_edge(check, op_of(y));
  const Region r = extract(inputs(x), outputs(y));
  CHECK(r.contains(check));
  CHECK(r.contains(checked[0].op));
  CHECK(r.report().stateful == std::vector<op_id>{check});

  const std::vector<tensor_id> leaking = ids(sub(x, limit, "over"));
  const op_id second = g.add(schemas::check, leaking, {}, "second");
  g.add_control_edge(second, op_of(y));
  const auto problem = problem_of(inputs(x), outputs(y));
  CHECK(problem.findings[0].text ==
        "output 'y' <- (waits for) 'second' <- 'over' <- placeholder 'limit'");
}

TEST_CASE("ops of the same scope that no output needs stay out", "[edge-21]") {
  Graph g;
  const auto x = input4(g);
  const in_scope inside(g, "net");
  const auto y = relu(x);
  const auto dead = tanh(x);
  CHECK_FALSE(extract(inputs(x), outputs(y)).contains(op_of(dead)));
}

TEST_CASE("an input that depends on the region through the outside is refused", "[edge-22]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto h = relu(x, "h");
  const auto outside = tanh(h, "outside");
  const auto k = exp(outside, "k");
  const auto y = sub(h, k, "y");
  const auto problem = problem_of(inputs(x, k), outputs(y));
  CHECK(problem.fault() == boundary_fault::reentry);
  CHECK(problem.findings[0].path == ids(k, outside, h));
  CHECK(mentions(problem.parts.found, "input 'k' <- 'outside' <- 'h', which is inside the region"));
  CHECK(mentions(problem.parts.hint, "reentry::extend"));

  const Region r = extract(inputs(x, k), outputs(y), reentry::allow);
  CHECK(r.nodes() == std::vector<op_id>{op_of(h), op_of(y)});

  SECTION("or what is outside comes in") {
    const Region whole = extract(inputs(x, k), outputs(y), reentry::extend);
    CHECK(whole.inputs() == ids(x));
    CHECK(whole.nodes() == ops_of({h, outside, k, y}));
    CHECK(whole.is_eligible());
    // Through one input to the next, and by a source that is met only then.
    const auto mask = input4(g, "mask");
    const auto far = add(tanh(y), mask, "far"), end = sub(y, far, "end");
    const Region chain = extract(inputs(x, k, far, mask), outputs(end), reentry::extend);
    CHECK(chain.inputs() == ids(x, mask));
    CHECK(chain.contains(op_of(outside)));
    CHECK(chain.contains(op_of(far)));
    CHECK(mentions(message_of<boundary_error>(
                       [&] { (void)extract(inputs(x, k, far), outputs(end), reentry::extend); }),
                   "placeholder 'mask'"));
    // Inputs that do not depend on the region stay.
    const auto before = tanh(x, "before");
    const auto joined = add(relu(before), k, "joined");
    CHECK(extract(inputs(before, k), outputs(joined), reentry::extend).inputs() == ids(before, k));
  }
  SECTION("a weight used on both sides is no reentry") {
    const auto w = make_variable<float, shape<4>>(g, "w", zeros());
    const auto first = add(x, w, "first");
    const auto second = relu(first, "second");
    CHECK(extract(inputs(second), outputs(add(second, w))).variables().size() == 1);
  }
}

TEST_CASE("an initial value that reads another variable brings it along", "[edge-30]") {
  Graph g;
  const auto x = input4(g);
  const auto a = make_variable<float, shape<4>>(g, "a", uniform());
  const auto doubled = add(a, a, "doubled");
  const variable_id b = g.add_variable("b", id_of(doubled), variable_role::parameter, true);
  const any_tensor minus_b = neg(g.handle(g.variable_of(b).read));
  const variable_id c = g.add_variable("c", id_of(minus_b), variable_role::parameter, true);
  const Region r = extract(inputs(x), outputs(add(x, g.handle(g.variable_of(c).read))));
  CHECK(paths(g, r.variables()) == std::vector<std::string>{"a", "b", "c"});
  CHECK(r.contains(op_of(doubled)));
}

TEST_CASE("a leak through an initial value says so") {
  Graph g;
  const auto x = input4(g);
  const auto seed = placeholder<float, shape<4>>(g, "seed");
  const variable_id v =
      g.add_variable("v", id_of(relu(seed, "start")), variable_role::parameter, true);
  const auto y = add(x, g.handle(g.variable_of(v).read), "y");
  const auto problem = problem_of(inputs(x), outputs(y));
  CHECK(problem.findings[0].text ==
        "output 'y' <- 'v' <- initial value 'start' <- placeholder 'seed'");
}

TEST_CASE("updates that a layer declared belong to the region, others do not",
          "[edge-35][edge-36]") {
  Graph g;
  const auto x = input4(g);
  const auto moving =
      make_variable<float, shape<4>>(g, "moving", zeros(), false, variable_role::statistic);
  const variable_id v = *g.variable_read_by(id_of(moving));
  const auto y = sub(x, moving, "y");
  const auto batch = mean<axes<0>>(x);
  const auto own = assign(moving, moving * 0.9f + batch * 0.1f, "own");
  g.own_update(v, op_of(own));
  const auto foreign = assign(moving, batch, "foreign");

  const Region r = extract(inputs(x), outputs(y));
  CHECK(r.contains(op_of(own)));
  CHECK(r.contains(op_of(batch)));
  CHECK_FALSE(r.contains(op_of(foreign)));
  CHECK(r.report().foreign_updates == std::vector<op_id>{op_of(foreign)});
  CHECK(r.report().stateful == std::vector<op_id>{op_of(own)});

  SECTION("foreign ones that come, are taken back and go") {
    const auto foreign_now = [&] { return r.report().foreign_updates; };
    {
      const Graph::transaction undone(g);
      const auto second = assign(moving, batch);
      CHECK(foreign_now() == std::vector<op_id>{op_of(foreign), op_of(second)});
    }
    CHECK(foreign_now() == std::vector<op_id>{op_of(foreign)});
    {
      const graft::detail::steps undone(g.data());  // its number is given again
      (void)assign(moving, batch);
      CHECK(foreign_now().size() == 2);
    }
    const auto third = assign(moving, batch);
    CHECK(foreign_now() == std::vector<op_id>{op_of(foreign), op_of(third)});
    const op_id gone = op_of(foreign);
    g.erase_ops({&gone, 1});
    CHECK(foreign_now() == std::vector<op_id>{op_of(third)});
    const auto copy = clone(extract(inputs(x), outputs(y)), bind(x, x));
    CHECK(foreign_now() == std::vector<op_id>{op_of(third)});
    CHECK(extract(inputs(x), outputs(copy(y))).report().foreign_updates.empty());
  }
  SECTION("a variable that only its own update uses") {
    const auto count =
        make_variable<float, shape<>>(g, "count", zeros(), false, variable_role::counter);
    const auto counted = assign(count, count + 1.0f, "counted");
    g.own_update(*g.variable_read_by(id_of(count)), op_of(counted));
    CHECK(extract(inputs(x), outputs(y)).variables().size() == 1);  // nothing reads it here
    CHECK(extract(inputs(), outputs(counted)).variables().size() == 1);
  }
}

TEST_CASE("regions of graphs whose ids are not their places") {
  Graph g;
  const auto x = input4(g, "x");
  const auto gone = relu(x, "gone");
  const auto y = two_layers(x);
  const std::vector<op_id> removed{op_of(gone)};
  g.erase_ops(removed);
  const Region r = extract(inputs(x), outputs(y));
  CHECK(r.nodes().size() == 13);
  const auto copy = clone(r);
  copy.check();
  g.validate();
  CHECK(copy.variables().size() == 4);
  Graph other;
  clone(r, into(other, "net")).check();
  other.validate();
}

TEST_CASE("boundaries come in any nesting") {
  Graph g;
  const auto x = input4(g, "a"), y = input4(g, "b"), z = input4(g, "c");
  const auto sum = add(add(x, y), z);
  const std::vector<row4> two{x, y};
  CHECK(extract(inputs(two, z), outputs(std::array{sum})).inputs() == ids(x, y, z));
  CHECK(extract(inputs(std::tuple{x, std::pair{y, z}}), outputs(std::optional{sum})).inputs() ==
        ids(x, y, z));
}
