// Choosing ops and tensors, their boundaries, and regions made from regions.
#include "graft/runtime/session.hpp"
#include "graft/surgery/edit.hpp"
#include "graft/surgery/ensemble.hpp"
#include "graft/surgery/select.hpp"

#include "letters_fixture.hpp"

using namespace graft;
using namespace graft_test;

namespace {

std::vector<std::string> paths_of(const Graph& g, const std::vector<op_id>& ops) {
  std::vector<std::string> result;
  for (const op_id op : ops) result.push_back(g.path_of(op));
  return result;
}

using names_list = std::vector<std::string>;

}  // namespace

TEST_CASE("ops are selected by scope, component by component and literally", "[edge-67]") {
  Graph g;
  const auto put = [&](const std::vector<std::string>& scopes, std::string_view name) {
    for (const std::string& s : scopes) g.enter_scope(s);
    (void)input4(g, name);
    for (std::size_t i = 0; i < scopes.size(); ++i) g.leave_scope();
  };
  const std::string odd = "a.b(c)+[d]";
  const std::string long_name(20000, 'n');
  put({}, "top");
  put({"foo"}, "x");
  put({"foobar"}, "x");
  put({odd}, "x");
  put({"aXb(c)+[d]"}, "x");
  put({"große_Schicht"}, "x");
  put({"star*"}, "x");
  put({"starling"}, "x");
  put({long_name}, "x");
  g.enter_scope("net");
  for (const char* block : {"block", "block", "block"}) {
    g.enter_scope(block);
    put({"dense"}, "x");
    put({"deep", "dense"}, "y");
    g.leave_scope();
  }
  g.leave_scope();

  const auto in = [&](std::string_view path) {
    return paths_of(g, find_ops(g, within_scope(path)));
  };
  CHECK(in("foo") == names_list{"foo/x"});
  CHECK(in("foo/") == names_list{"foo/x"});
  CHECK(in("fo").empty());
  CHECK(in("x").empty());      // an op, not a scope
  CHECK(in("dense").empty());  // not at the root
  CHECK(in(odd) == names_list{odd + "/x"});
  CHECK(in("a.b").empty());
  CHECK(in("große_Schicht") == names_list{"große_Schicht/x"});
  CHECK(in(long_name).size() == 1);
  CHECK(in("").size() == g.op_count());
  CHECK(in("net").size() == 6);
  CHECK(in("net/block").size() == 2);
  CHECK(in("net/block_1/deep") == names_list{"net/block_1/deep/dense/y"});

  CHECK(in("net/*/dense") ==
        names_list{"net/block/dense/x", "net/block_1/dense/x", "net/block_2/dense/x"});
  CHECK(in("net/block_*").size() == 4);
  CHECK(in("*/bl*k/d*se").size() == 1);
  CHECK(in("**/dense").size() == 6);
  CHECK(in("net/**/deep/dense").size() == 3);
  CHECK(in("**/dense/**/x").empty());
  CHECK(in("foo*").size() == 2);
  CHECK(in("star*").size() == 2);
  CHECK(in("star\\*") == names_list{"star*/x"});
  CHECK(in("s*r*").size() == 2);
  CHECK(in("*a*a*").empty());
  CHECK_THROWS_AS(within_scope("a//b"), argument_error);
  CHECK_THROWS_AS(within_scope("/a"), argument_error);
  CHECK_THROWS_AS(within_scope("a\\"), argument_error);
}

TEST_CASE("ops and tensors are selected by regular expression, operator and predicate") {
  Graph g;
  const auto x = input4(g, "x");
  const auto y = dense4(x, "one");
  const auto middle = relu(y, "middle");
  const auto z = dense4(middle, "two");
  const auto halves = split<2, 1>(z);
  const op_id cut = op_of(std::get<0>(halves));

  CHECK(paths_of(g, find_ops(g, matching("^(one|two)/matmul$"))) ==
        names_list{"one/matmul", "two/matmul"});
  CHECK(find_ops(g, matching("mat")).size() == 2);  // a part is enough
  CHECK(find_ops(g, matching("^mat")).empty());
  CHECK(find_ops(g, of_operator("relu")) == ops_of({middle}));
  CHECK(find_ops(g, within_scope("one") && of_operator("matmul")).size() == 1);
  CHECK(find_ops(g, of_operator("matmul") || of_operator("relu")).size() == 3);
  CHECK(find_ops(g, !within_scope("one") && !within_scope("two")).size() == 3);
  CHECK(find_ops(g, [&](op_id op) { return op == cut; }) == std::vector<op_id>{cut});
  CHECK(find_ops(g, [](const Graph& h, op_id op) { return h.operand_count(op) == 2; }).size() == 4);
  CHECK(find_ops(g, {cut, op_of(x)}, of_operator("placeholder")) == ops_of({x}));
  CHECK(find_tensors(g, [&](op_id op) { return op == cut; }) ==
        std::vector<tensor_id>{{cut, 0}, {cut, 1}});
  CHECK(find_tensors_matching(g, ":1$") == std::vector<tensor_id>{{cut, 1}});
  CHECK(find_variables(g, within_scope("two")).size() == 2);
  CHECK(paths(g, find_variables(g, matching("/w$"))) == names_list{"one/w", "two/w"});

  const std::string text = message_of<argument_error>([] { (void)matching("a("); });
  CHECK(mentions(text, "'a('"));
  CHECK_THROWS_AS(find_tensors_matching(g, "["), argument_error);
  CHECK_THROWS_AS(find_ops(g, {op_id{12345}}, any_op()), handle_error);
}

TEST_CASE("tensors that some ops take and make are selected, operands first, each once") {
  const letters s;
  const Graph& g = s.graph;
  const std::vector<op_id> some = ops_of({s.h, s.g, s.f});
  const auto all = [](tensor_id) { return true; };
  CHECK(find_tensors(g, some, all) == ids(s.f, s.g, s.c, s.a, s.d, s.h));
  CHECK(find_tensors(g, some, all) == tensors_of(g, some));
  CHECK(find_tensors(g, ops_of({s.h, s.h}), all) == ids(s.f, s.g, s.h));
  CHECK(find_tensors(g, std::vector<op_id>{}, all).empty());
  // By predicate, expression, scope and operator; filters of ops are of what makes the tensor.
  CHECK(find_tensors(g, some, [&](tensor_id t) { return t == id_of(s.d); }) == ids(s.d));
  CHECK(find_tensors(g, some, [](const Graph& h, tensor_id t) { return h.uses(t).size() > 1; }) ==
        ids(s.c, s.a, s.d));
  CHECK(find_tensors(g, some, tensors_matching("^foo/[cd]$")) == ids(s.c, s.d));
  CHECK(find_tensors(g, some, within_scope("foo/bar")) == ids(s.f, s.g, s.h));
  CHECK(find_tensors(g, some, of_operator("placeholder")) == ids(s.a, s.d));
  CHECK(find_tensors(g, some, [&](op_id op) { return op == op_of(s.g); }) == ids(s.g));
  CHECK(find_tensors(g, some, !within_scope("foo") || tensors_matching("h$")) == ids(s.a, s.h));
  CHECK(find_tensors(g, some, tensors_matching("foo") && !tensors_matching("bar")) ==
        ids(s.c, s.d));
  // Of the whole graph, in storage order.
  CHECK(find_tensors(g, tensors_matching("foo/bar/[fg]")) == ids(s.f, s.g));
  CHECK(find_tensors(g, all).size() == g.op_count());
  CHECK_THROWS_AS(find_tensors(g, {op_id{999}}, all), handle_error);
  CHECK_THROWS_AS(tensors_matching("("), argument_error);
}

TEST_CASE("outputs after the first are tensors of their own to filters") {
  Graph g;
  const auto x = input4(g, "x");
  const auto halves = split<2, 1>(x);
  const op_id cut = op_of(std::get<0>(halves));
  const auto second = relu(std::get<1>(halves), "second");
  CHECK(find_tensors(g, {cut}, of_operator("split")) == std::vector<tensor_id>{{cut, 0}, {cut, 1}});
  CHECK(find_tensors(g, ops_of({second}), tensors_matching(":1$")) ==
        std::vector<tensor_id>{{cut, 1}});
  CHECK(find_tensors(g, [](tensor_id t) { return t.output == 1; }) ==
        std::vector<tensor_id>{{cut, 1}});
}

TEST_CASE("ops and tensors are chosen together, in the order of first mention") {
  const letters s;
  const Graph& g = s.graph;
  const selection some =
      choose(g, of_operator("placeholder"), tensors_matching("[gh]$"), op_of(s.h), s.a,
             std::vector{op_of(s.a), op_of(s.c)}, std::tuple{s.h, op_of(s.e)});
  CHECK(some.ops == ops_of({s.a, s.b, s.d, s.h, s.c, s.e}));
  CHECK(some.tensors == ids(s.g, s.h, s.a));
  CHECK(choose(g).ops.empty());
  CHECK(choose(g, [&](op_id op) { return op == op_of(s.f); }).ops == ops_of({s.f}));
  CHECK(choose(g, [&](tensor_id t) { return t == id_of(s.f); }).tensors == ids(s.f));
  const selection again = choose(g, some, s.b);
  CHECK(again.ops == some.ops);
  CHECK(again.tensors == ids(s.g, s.h, s.a, s.b));
  CHECK(forward_walk(g, choose(g, s.d, op_of(s.g))) == ops_of({s.g, s.e, s.f, s.h}));
  CHECK_THROWS_AS(choose(g, op_id{999}), handle_error);
  Graph other;
  CHECK_THROWS_AS(choose(g, input4(other)), handle_error);
}

TEST_CASE("expressions that take long elsewhere end on long names") {
  Graph g;
  (void)input4(g, std::string(50000, 'a'));
  CHECK(find_ops(g, matching("(a|b)*$")).size() == 1);
  CHECK(find_ops(g, matching("^(a*)*b$")).empty());
}

TEST_CASE("the boundary of a set of ops") {
  Graph g;
  const auto x = input4(g, "x"), b = input4(g, "b");
  const auto c = add(x, b, "c"), d = relu(c, "d"), e = add(d, c, "e"), f = exp(c, "f");
  SECTION("one op") {
    const op_boundary one = boundary_of(g, ops_of({e}));
    CHECK(one.inputs == ids(d, c));
    CHECK(one.outputs == ids(e));  // nobody takes it
    CHECK(one.inside.empty());
  }
  SECTION("a tensor taken inside and outside is in both lists") {
    const op_boundary some = boundary_of(g, ops_of({c, d, e}));
    CHECK(some.inputs == ids(x, b));
    CHECK(some.outputs == ids(c, e));
    CHECK(some.inside == ids(c, d));
  }
  SECTION("nothing, repetitions, and what is not there") {
    CHECK(boundary_of(g, {}).outputs.empty());
    CHECK(boundary_of(g, ops_of({d, d})).outputs == ids(d));
    CHECK_THROWS_AS(boundary_of(g, {op_id{999}}), handle_error);
  }
  SECTION("neighbours and tensors") {
    g.add_control_edge(op_of(f), op_of(e));
    CHECK(neighbours(g, ops_of({c})) == ops_of({x, b, d, e, f}));
    CHECK(neighbours(g, ops_of({e})) == ops_of({d, c}));
    CHECK(neighbours(g, ops_of({e}), true) == ops_of({d, c, f}));
    CHECK(tensors_of(g, ops_of({e, d})) == ids(d, c, e));
  }
}

TEST_CASE("a region of the ops of a scope, with its variables whole") {
  Graph g;
  const auto x = input4(g, "x");
  const auto y = dense4(relu(x, "before"), "net");
  const auto after = tanh(y, "after");
  const Region r = region_of(g, find_ops(g, within_scope("net")));
  CHECK(r.inputs() == std::vector<tensor_id>{g.operand(g.operand(op_of(y), 0).op, 0)});
  CHECK(r.outputs() == ids(y));
  CHECK(r.variables().size() == 2);
  CHECK_FALSE(r.contains(op_of(after)));
  CHECK_THROWS_AS(region_of(g, {}), boundary_error);
  CHECK_THROWS_AS(region_of(g, ops_of({x, after})), boundary_error);  // a placeholder inside
  CHECK(region_of(g, ops_of({x, after}), leaks::lift).inputs() == ids(y, x));
}

TEST_CASE("between and closure are two sets") {
  Graph g;
  const auto x = input4(g, "x"), other = input4(g, "other");
  const auto bias = exp(other, "bias"), h = relu(x, "h");
  const auto y = dense4(add(h, bias, "sum"), "net");
  const auto loss = mean(square(y), "loss");
  (void)loss;
  CHECK(paths_of(g, between(inputs(x), outputs(y))) ==
        names_list{"h", "sum", "net/matmul", "net/add"});
  const auto all = closure(inputs(x), outputs(y));
  CHECK(all.size() == 9);  // also bias, two reads and two initial values
  CHECK(has(all, op_of(bias)));
  CHECK_FALSE(has(all, op_of(other)));
  CHECK(between(inputs(), outputs(y)).empty());
  CHECK(between(inputs(x, h), outputs(h)).empty());
  // What is behind the inner of two inputs is on no path of the outer one.
  CHECK(paths_of(g, between(inputs(x, h), outputs(y))) ==
        names_list{"sum", "net/matmul", "net/add"});
  CHECK(extract(inputs(x, other), outputs(y)).between().size() == 5);
  CHECK_THROWS_AS(between(inputs(x), outputs()), boundary_error);
}

TEST_CASE("the inputs of a region are chosen anew: subset, order, repetition") {
  Graph g;
  const auto a = input4(g, "a"), b = input4(g, "b");
  const auto h = relu(b, "h");
  const auto y = sub(a, h, "y");
  const Region r = extract(inputs(a, h), outputs(y));
  CHECK(r.with_inputs({1, 0}).inputs() == ids(h, a));
  const Region less = r.with_inputs({0});
  CHECK(less.inputs() == ids(a));
  CHECK(less.kept() == ids(h));  // it still cuts, though it is no source
  CHECK(less.nodes() == r.nodes());
  CHECK(r.with_inputs(inputs(h)).kept() == ids(a));
  CHECK(less.with_hidden_inputs().inputs() == ids(a, h));
  CHECK(less.with_hidden_inputs().kept().empty());
  CHECK(r.with_inputs(std::vector<std::size_t>{}).kept() == ids(a, h));
  CHECK_THROWS_AS(r.with_inputs({0, 0}), boundary_error);
  CHECK_THROWS_AS(r.with_inputs({2}), argument_error);
  CHECK_THROWS_AS(r.with_inputs(inputs(b)), boundary_error);

  const auto a2 = input4(g, "a2");
  const auto copy = clone(less, bind(a, a2));  // the hidden one is shared
  CHECK(g.operand(op_of(copy(y)), 0) == id_of(a2));
  CHECK(g.operand(op_of(copy(y)), 1) == id_of(h));
  Graph elsewhere;
  clone(less, into(elsewhere, "net")).check();
  elsewhere.validate();

  const Region padded = extract(inputs(a, h, b), outputs(y), unused::allow);
  CHECK(padded.without_unused_inputs().inputs() == ids(a, h));
}

TEST_CASE("the outputs of a region are chosen anew: subset, order, repetition", "[edge-2]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto a = relu(x, "a"), b = tanh(x, "b");
  const Region r = extract(inputs(x), outputs(a, b, x));
  CHECK(r.with_outputs({1, 0, 1}).outputs() == ids(b, a, b));
  const Region less = r.with_outputs({1});
  CHECK(less.nodes() == ops_of({b}));  // what only a needed is gone
  CHECK(r.with_outputs(outputs(a)).nodes() == ops_of({a}));
  CHECK(r.with_outputs({2}).passthroughs() == ids(x));
  CHECK_THROWS_AS(r.with_outputs({3}), argument_error);
  CHECK_THROWS_AS(r.with_outputs(std::vector<std::size_t>{}), boundary_error);
  const auto other = exp(x, "other");
  CHECK_THROWS_AS(r.with_outputs(outputs(other)), boundary_error);
}

TEST_CASE("what is in the way of taking a region for a function is listed") {
  Graph g;
  const auto x = input4(g, "x"), m = input4(g, "m"), lonely = input4(g, "lonely");
  const auto h = relu(x, "h"), outside = tanh(h, "outside"), k = exp(outside, "k");
  const auto w = make_variable<float, shape<4>>(g, "w", zeros());
  const auto y = mul(sub(h, k), w, "y");
  CHECK(extract(inputs(x), outputs(y)).is_eligible());

  g.add_control_edge(op_of(m), op_of(h));
  g.add_control_edge(op_of(h), op_of(lonely));
  const op_id bump = op_of(assign(w, w + 1.0f));
  const auto z = add(y, m, "z");
  const Region r =
      extract(inputs(x, k, lonely), outputs(z), leaks::keep, unused::allow, reentry::allow);
  using kind = obstacle::kind;
  std::vector<kind> found;
  for (const obstacle& o : r.obstacles()) {
    found.push_back(o.what);
    CHECK_FALSE(o.text.empty());
  }
  CHECK(found == std::vector<kind>{kind::hidden_input, kind::unused_input, kind::reentry,
                                   kind::control_in, kind::control_out, kind::foreign_update});
  CHECK(r.obstacles().back().tensor.op == bump);
  g.rename(op_of(h), "renamed");
  REQUIRE(r.obstacles().size() == 1);
  CHECK(r.obstacles()[0].what == kind::stale);
}

TEST_CASE("a leak becomes a constant", "[edge-6]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto mask = placeholder<float, shape<dyn, 4>>(g, "mask");
  const auto second = input4(g, "second");
  const auto y = add(mul(x, mask, "masked"), second, "y");
  const Array ones = Array::full<float>({3, 4}, 1.0f);

  const Region r = extract(inputs(x), outputs(y), leaks::constant, given(mask, ones, second, ones));
  CHECK(r.inputs() == ids(x));
  CHECK(r.kept() == ids(mask, second));
  REQUIRE(r.value_of(id_of(mask)) != nullptr);
  CHECK(r.value_of(id_of(mask))->same_bits(ones));
  CHECK(r.value_of(id_of(x)) == nullptr);
  CHECK(mentions(to_string(r), "given values: 'mask'"));
  CHECK(r.is_eligible());

  SECTION("in clones") {
    const auto before = g.op_count();
    const Clone copy = clone(r);
    copy.check();
    g.validate();
    CHECK(g.op_count() == before + 5);  // x, two constants, two ops
    const op_id masked = g.operand(op_of(copy(y)), 0).op;
    const tensor_id constant = g.operand(masked, 1);
    CHECK(std::string(g.schema_of(constant.op).name) == "constant");
    CHECK(g.constant(g.attributes_of(constant.op).integer("value")).same_bits(ones));
    CHECK(g.type_of(id_of(copy(y))) == value_type::of(dtype::float32, {3, 4}));  // more is known
    CHECK(id_of(copy(mask)) == constant);
    CHECK(copy.original(copy(mask)).ref() == mask.ref());

    Graph other;
    const Clone there = clone(r, into(other, ""));
    there.check();
    other.validate();
    CHECK(other.find_op("mask").has_value());
    const auto mask2 = input4(g, "mask2");
    const Clone bound = clone(r, bind(mask, mask2));
    CHECK(g.operand(g.operand(op_of(bound(y)), 0).op, 1) == id_of(mask2));
  }
  SECTION("an inner tensor") {
    const auto masked = g.operand(op_of(y), 0);
    const Region cut = extract(inputs(second), outputs(y), given(g.handle(masked), ones));
    CHECK(cut.nodes() == ops_of({y}));
  }
  SECTION("without a value it is an error with its path") {
    const auto answer = try_extract(inputs(x), outputs(y), leaks::constant, given(mask, ones));
    REQUIRE_FALSE(answer.has_value());
    CHECK(answer.error().fault() == boundary_fault::uncut_source);
    CHECK(answer.error().findings[0].text == "output 'y' <- placeholder 'second'");
    CHECK(mentions(answer.error().parts.hint, "given(t, value)"));
  }
  SECTION("what has no effect, is double or does not fit is refused") {
    const auto lonely = input4(g, "lonely");
    const auto fault = [&](const auto&... choices) {
      const auto answer = try_extract(choices...);
      REQUIRE_FALSE(answer.has_value());
      return answer.error().fault();
    };
    CHECK(fault(inputs(x, mask, second), outputs(y), given(lonely, ones)) ==
          boundary_fault::value_not_used);
    CHECK(fault(inputs(x, mask, second), outputs(y), given(mask, ones)) ==
          boundary_fault::duplicate_input);
    CHECK(fault(inputs(x, second), outputs(y), given(mask, ones, mask, ones)) ==
          boundary_fault::duplicate_input);
    CHECK_THROWS_AS(
        extract(inputs(x, second), outputs(y), given(mask, Array::full<float>({3, 5}, 1))),
        shape_error);
    CHECK_THROWS_AS(
        extract(inputs(x, second), outputs(y), given(mask, Array::full<std::int64_t>({3, 4}, 1))),
        dtype_error);
    Graph other;
    CHECK(fault(inputs(x, second), outputs(y), given(input4(other), ones)) ==
          boundary_fault::foreign);
  }
  SECTION("values follow a region whose boundary is chosen anew") {
    const Region again = r.with_outputs({0, 0}).with_inputs(std::vector<std::size_t>{});
    CHECK(again.value_of(id_of(mask)) != nullptr);
    CHECK(again.kept() == ids(x, mask, second));
    CHECK(again.with_hidden_inputs().inputs() == ids(x));
  }
}

TEST_CASE("members of an ensemble share the values that were given") {
  Graph g;
  const auto x = placeholder<float, shape<2, 4>>(g, "x");
  const auto mask = placeholder<float, shape<4>>(g, "mask");
  const auto w = make_variable<float, shape<4>>(g, "w", ones());
  const auto y = mul(mul(x, w), mask, "y");
  const Region r = extract(inputs(x), outputs(y), given(mask, Array::full<float>({4}, 3.0f)));
  const Ensemble many = ensemble(r, 3, bind(x, x));
  g.validate();
  Session session(g);
  session.initialize();
  const Array all = session.run(many(y), feed(x, Array::full<float>({2, 4}, 2.0f)));
  REQUIRE(all.shape()[0] == 3);
  for (const float e : all.span<float>()) CHECK(e == 6.0f);
}
