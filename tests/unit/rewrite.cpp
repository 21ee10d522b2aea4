// Rewriting by rules: what it replaces, when it ends, and that it is all or nothing.
#include "graft/surgery/rewrite.hpp"

#include <type_traits>

#include "graft/dsl/normalize_layers.hpp"
#include "graft/runtime/session.hpp"
#include "graft/surgery/diff.hpp"

#include "clone_fixture.hpp"
#include "rewrite_fixture.hpp"

using namespace graft_test;
using patterns::any;
using patterns::number;
using patterns::op;

namespace {

std::size_t count_of(const Graph& g, std::string_view name) {
  const auto all = operators(g);
  return static_cast<std::size_t>(std::count(all.begin(), all.end(), name));
}

}  // namespace

TEST_CASE("a match is replaced, what took it takes the replacement, and what is left over goes") {
  Graph g;
  const row4 x = input4(g);
  const row4 y = tanh(neg(neg(relu(x, "h"))), "y");
  const rewritten done = rewrite(g, {double_negation});
  CHECK(done.replacements == 1);
  CHECK(done.removed == 2);
  CHECK(done.by_rule == std::vector<std::pair<std::string, std::size_t>>{{"double negation", 1}});
  CHECK(operators(g) == std::vector<std::string>{"placeholder", "relu", "tanh"});
  CHECK(g.path_of(g.operand(op_of(y), 0)) == "h");
  CHECK(done(y).ref() == y.ref());
  g.validate();
  CHECK(rewrite(g, {double_negation}).replacements == 0);
}

TEST_CASE("results that were replaced are found through the map") {
  Graph g;
  const row4 x = input4(g);
  const row4 y = neg(neg(neg(neg(relu(x)))));
  const auto [a, b] = std::tuple{y, neg(neg(x))};
  const rewritten done = rewrite(g, {double_negation});
  CHECK(done.passes == 2);
  const auto images = done(std::tuple{a, b, x});
  CHECK(g.schema_of(op_of(std::get<0>(images))).name == std::string("relu"));
  CHECK(std::get<1>(images).ref() == x.ref());
  CHECK(std::get<2>(images).ref() == x.ref());
  CHECK_THROWS_AS(relu(y), handle_error);
  CHECK(g.op_count() == 2);
}

TEST_CASE("others that use a part of a match keep it") {
  Graph g;
  const row4 x = input4(g);
  const row4 inner = neg(x, "inner");
  const row4 y = relu(neg(inner));
  const row4 other = exp(inner);
  const rewritten done = rewrite(g, {double_negation});
  CHECK(done.removed == 1);
  CHECK(g.operand(op_of(y), 0) == id_of(x));
  CHECK(g.operand(op_of(other), 0) == id_of(inner));
  g.validate();
}

TEST_CASE("leftovers stay on demand and are not matched again") {
  Graph g;
  const row4 x = input4(g);
  const row4 y = neg(neg(x));
  rewrite_options keep;
  keep.keep_dead = true;
  const rewritten done = rewrite(g, {double_negation}, keep);
  CHECK(done.replacements == 1);
  CHECK(done.removed == 0);
  CHECK(g.op_count() == 3);
  CHECK(done(y).ref() == x.ref());
}

TEST_CASE("rules take their turns in order, and new ops are in the root's scope") {
  Graph g;
  const row4 x = input4(g);
  row4 y = [&] {
    const in_scope inside(g, "net");
    return row4(relu(x, "act").ref());
  }();
  const rewrite_rule to_tanh{"relu to tanh", op(ops::relu, any("x")),
                             [](const rule_args& r) -> maybe { return tanh(r["x"], "act2"); }};
  const rewrite_rule to_exp{"tanh to exp", op(ops::tanh, any("x")),
                            [](const rule_args& r) -> maybe { return exp(r["x"]); }};
  const rewritten done = rewrite(g, {to_tanh, to_exp});
  CHECK(operators(g) == std::vector<std::string>{"placeholder", "exp"});
  CHECK(g.path_of(op_of(done(y))) == "net/exp");
  CHECK(done.replacements == 2);
}

TEST_CASE("a rule may leave a match alone, and may wrap the root itself") {
  Graph g;
  const row4 x = input4(g);
  const row4 y = relu(x, "r");
  const row4 z = tanh(y);
  const rewrite_rule never{"never", op(ops::relu),
                           [](const rule_args&) -> maybe { return std::nullopt; }};
  const rewrite_rule root{"itself", op(ops::relu),
                          [](const rule_args& r) -> maybe { return r.root(); }};
  const auto before = g.digest();
  CHECK(rewrite(g, {never, root}).replacements == 0);
  CHECK(g.digest() == before);

  const rewrite_rule wrap{"scale", op(ops::relu),
                          [](const rule_args& r) -> maybe { return mul(r.root(), 2); }};
  const rewritten done = rewrite(g, {wrap});
  CHECK(done.replacements == 1);
  CHECK(g.schema_of(g.operand(op_of(z), 0).op).name == std::string("mul"));
  CHECK(g.operand(op_of(done(y)), 0) == id_of(y));
  g.validate();
}

TEST_CASE("rules that never end are an error and change nothing [edge-92]") {
  Graph g;
  const row4 x = input4(g);
  (void)tanh(add(x, relu(x)));
  const auto before = g.digest();
  const rewrite_rule grow{
      "grow", op(ops::add, any("a"), any("b")),
      [](const rule_args& r) -> maybe { return add(add(r["a"], r["b"]), r["b"]); }};
  const std::string message = message_of<graph_error>([&] { rewrite(g, {grow}); });
  CHECK(mentions(message, "'grow'"));
  CHECK(mentions(message, "still applied"));
  CHECK(g.digest() == before);
  g.validate();

  const rewrite_rule there{"there", op(ops::relu, any("x")),
                           [](const rule_args& r) -> maybe { return tanh(r["x"]); }};
  const rewrite_rule back{"back", op(ops::tanh, any("x")),
                          [](const rule_args& r) -> maybe { return relu(r["x"]); }};
  rewrite_options few;
  few.passes = 7;
  CHECK(mentions(message_of<graph_error>([&] { rewrite(g, {there, back}, few); }), "7 passes"));
  few.passes = 100;
  few.replacements = 5;
  CHECK(
      mentions(message_of<graph_error>([&] { rewrite(g, {there, back}, few); }), "5 replacements"));
  CHECK(g.digest() == before);
}

TEST_CASE("what a rule throws, and what does not fit, changes nothing [edge-85]") {
  Graph g;
  const row4 x = input4(g);
  const row4 y = tanh(relu(neg(neg(x)), "r"));
  const auto before = g.digest();
  const auto check = [&]<class E>(auto replace, std::type_identity<E>, const char* part) {
    const rewrite_rule bad{"bad", op(ops::relu, any("x")), replace};
    const std::string message = message_of<E>([&] { rewrite(g, {double_negation, bad}); });
    INFO(message);
    CHECK(mentions(message, part));
    CHECK(g.digest() == before);
    g.validate();
  };
  check([](const rule_args&) -> maybe { throw std::runtime_error("mine"); },
        std::type_identity<std::runtime_error>{}, "mine");
  check([](const rule_args& r) -> maybe { return cast(r["x"], dtype::float64); },
        std::type_identity<dtype_error>{}, "'bad'");
  check([](const rule_args& r) -> maybe { return concat<1>(r["x"], r["x"]); },
        std::type_identity<shape_error>{}, "'bad'");
  check([](const rule_args& r) -> maybe { return r["y"]; }, std::type_identity<name_error>{},
        "'y'");
  // A replacement that depends on what takes the root.
  check([&](const rule_args&) -> maybe { return exp(any_tensor(y)); },
        std::type_identity<graph_error>{}, "'bad'");
  Graph other;
  const any_tensor foreign = input4(other);
  check([&](const rule_args&) -> maybe { return foreign; }, std::type_identity<handle_error>{},
        "graph");
  const rewrite_rule empty{"empty", op(ops::relu), {}};
  CHECK_THROWS_AS(rewrite(g, {empty}), argument_error);
}

TEST_CASE("a replacement that waits for what takes the root is refused [edge-19] [edge-92]") {
  Graph g;
  const row4 x = input4(g), late = input4(g, "late");
  const row4 y = tanh(relu(x, "r"), "y");
  const auto refused = [&](const any_tensor& value) {
    const rewrite_rule bad{"bad", op(ops::relu, any("x")),
                           [&](const rule_args&) -> maybe { return value; }};
    const auto before = g.digest();
    const std::string message = message_of<graph_error>([&] { rewrite(g, {bad}); });
    INFO(message);
    CHECK(mentions(message, "'r' was to be replaced by the rule 'bad'"));
    CHECK(g.digest() == before);
    g.validate();
    return message;
  };
  SECTION("by a control edge to an op that takes nothing") {
    g.add_control_edge(op_of(y), op_of(late));
    CHECK(mentions(refused(late), "'late'"));
  }
  SECTION("by the initial value of a variable that it reads") {
    const auto start = mean<axes<0>>(y);
    const variable_id v = g.add_variable("v", id_of(start), variable_role::parameter, true);
    const auto value = add(x, g.handle(g.variable_of(v).read), "value");
    CHECK(mentions(refused(value), "'v'"));
  }
}

TEST_CASE(
    "a replacement that reads the variable whose initial value it would be is refused [edge-30]") {
  Graph g;
  const auto seed = placeholder<float, shape<4>>(g, "seed");
  const auto start = relu(seed, "start");
  const variable_id a = g.add_variable("a", id_of(start), variable_role::parameter, true);
  const auto read = g.handle(g.variable_of(a).read);
  const auto other = tanh(read, "other");
  const variable_id b = g.add_variable("b", id_of(other), variable_role::parameter, true);
  const auto of_b = g.handle(g.variable_of(b).read);
  const auto before = g.digest();
  for (const any_tensor& value : {any_tensor(read), any_tensor(other), any_tensor(of_b)}) {
    const bool wrapped = GENERATE(false, true);
    const rewrite_rule bad{"bad", op(ops::relu, any("x")), [&](const rule_args& r) -> maybe {
                             return wrapped ? maybe(add(r["x"], value)) : maybe(value);
                           }};
    const std::string message = message_of<graph_error>([&] { rewrite(g, {bad}); });
    INFO(message);
    CHECK(mentions(message, "variable 'a' would start with"));
    CHECK(g.digest() == before);
    g.validate();
  }
  // One that is made later than the variable is well, and edits go on noticing circles.
  const rewrite_rule good{"good", op(ops::relu, any("x")),
                          [](const rule_args& r) -> maybe { return exp(r["x"], "exp"); }};
  CHECK(rewrite(g, {good}).replacements == 1);
  g.validate();
  const op_id exp_op = g.variable_of(a).initial.op;
  CHECK(g.name_of(exp_op) == "exp");
  CHECK_THROWS_AS(g.set_operand(exp_op, 0, id_of(of_b)), graph_error);
}

TEST_CASE("nothing remains of what a rule built before it declined") {
  Graph g;
  const row4 x = input4(g);
  const row4 y = tanh(relu(x, "r"), "y");
  const auto digest = g.digest();
  const auto ops = g.op_count();
  const bool root = GENERATE(false, true);
  const rewrite_rule decline{"decline", op(ops::relu, any("x")), [&](const rule_args& r) -> maybe {
                               const in_scope inside(r.graph, "made");
                               (void)make_variable<float, shape<4>>(r.graph, "v", zeros());
                               (void)exp(r["x"]);
                               r.graph.add_to_collection("c",
                                                         {member::kind::tensor, {}, r.match.root});
                               return root ? maybe(r.root()) : std::nullopt;
                             }};
  CHECK(rewrite(g, {decline}).replacements == 0);
  CHECK(g.op_count() == ops);
  CHECK(g.variable_count() == 0);
  CHECK(g.digest() == digest);
  g.validate();
  // Other rules go on after it.
  const rewrite_rule good{"good", op(ops::relu, any("x")),
                          [](const rule_args& r) -> maybe { return exp(r["x"]); }};
  CHECK(rewrite(g, {decline, good}).replacements == 1);
  CHECK(g.op_count() == ops);
  CHECK(g.path_of(g.operand(op_of(y), 0)) == "exp");
  g.validate();
}

TEST_CASE("initial values, collections and updates follow or stay") {
  Graph g;
  const row4 x = input4(g);
  const auto start = neg(neg(fill<float, shape<4>>(g, 2.0)));
  const variable_id v = g.add_variable("v", id_of(start), variable_role::parameter, true);
  const any_tensor read = g.handle(g.variable_of(v).read);
  const any_tensor next = neg(neg(read));
  const any_tensor update = assign(read, next);
  g.own_update(v, op_of(update));
  const row4 y = neg(neg(x));
  g.add_to_collection("losses", {member::kind::tensor, {}, id_of(x)});
  g.add_to_collection("losses", {member::kind::tensor, {}, id_of(y)});
  g.add_to_collection("results", {member::kind::tensor, {}, id_of(y)});
  rewrite(g, {double_negation});
  g.validate();
  CHECK(g.schema_of(g.variable_of(v).initial.op).name == std::string("fill"));
  CHECK(g.operand(op_of(update), 0) == id_of(read));
  CHECK(g.collection("losses").size() == 1);
  CHECK(g.collection("results")[0].tensor == id_of(x));
  Session session(g);
  session.initialize();
  CHECK(g.store().get(v).at<float>({3}) == 2);
}

TEST_CASE("ops that control edges touch are left alone") {
  Graph g;
  const row4 x = input4(g);
  const row4 a = neg(x), b = neg(a);
  const row4 c = relu(b);
  g.add_control_edge(op_of(x), op_of(b));
  CHECK(rewrite(g, {double_negation}).replacements == 0);
  (void)c;
}

TEST_CASE("a region bounds what is rewritten") {
  Graph g;
  const row4 x = input4(g);
  const row4 a = neg(neg(x));
  const row4 h = relu(a, "h");
  const row4 y = neg(neg(neg(neg(h))));
  const row4 z = tanh(y);
  const rewritten done = rewrite(extract(inputs(h), outputs(y)), {double_negation});
  CHECK(done.replacements == 2);
  CHECK(done(y).ref() == h.ref());
  CHECK(g.operand(op_of(z), 0) == id_of(h));
  CHECK(count_of(g, "neg") == 2);  // those before h
  g.validate();
  const Region region = extract(inputs(x), outputs(z));
  g.rename(op_of(z), "q");
  CHECK_THROWS_AS(rewrite(region, {double_negation}), graph_error);
}

TEST_CASE("hidden inputs and given values bound a region for as long as it is rewritten") {
  Graph g;
  const row4 x = input4(g);
  const row4 before = neg(neg(x));
  const row4 h = relu(before, "h");
  const row4 y = neg(neg(tanh(neg(neg(h)))));
  const auto check = [&](const Region& region) {
    CHECK(rewrite(region, {double_negation}).replacements == 2);
    CHECK(count_of(g, "neg") == 2);  // those before h
    CHECK(g.operand(op_of(h), 0) == id_of(before));
    g.validate();
  };
  SECTION("an input that was dropped") {
    check(extract(inputs(h), outputs(y)).with_inputs(std::vector<std::size_t>{}));
  }
  SECTION("a given value") {
    check(extract(inputs(), outputs(y), given(h, Array::full<float>({2, 4}, 1))));
  }
  SECTION("one that nothing needs for a while") {
    // The first rule leads around h, the second takes it in again; then what is before h is not inside either.
    const Region region =
        extract(inputs(x, h), outputs(y), unused::allow).with_inputs(std::vector<std::size_t>{0});
    const rewrite_rule around{"around", op(ops::tanh, op(ops::neg, any())),
                              [&](const rule_args&) -> maybe { return exp(x); }};
    const rewrite_rule back{"back", op(ops::exp, any()),
                            [&](const rule_args&) -> maybe { return sin(h); }};
    CHECK(rewrite(region, {around, back, double_negation}).replacements == 3);
    CHECK(g.operand(op_of(h), 0) == id_of(before));
    g.validate();
  }
}

// --- Simplification ------------------------------------------------------------------------------

TEST_CASE("simplification leaves every value equal") {
  Graph g;
  const row4 x = input4(g);
  g.set_mode(mode::inference);
  const auto w = constant(
      g, Array::from<float>({4, 4}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}));
  const any_tensor any_w = w;
  std::vector<any_tensor> results;
  const any_tensor h = any_tensor(x);
  results.push_back(add(relu(h), 0));
  results.push_back(sub(mul(1, relu(h)), 0));
  results.push_back(div(h, 1));
  results.push_back(pow(tanh(h), 1));
  results.push_back(neg(neg(h)));
  results.push_back(cast(identity(h), dtype::float32));
  results.push_back(dropout(x, 0.5));
  results.push_back(transpose(transpose(h)));
  results.push_back(matmul(h, transpose(any_w)));
  results.push_back(matmul(transpose(transpose(any_w)), transpose(h)));
  results.push_back(matmul(transpose(any_w), transpose(h)));
  results.push_back(reshape(reshape(h, {2, -1}), {-1, 2}));
  results.push_back(reshape(any_w, {4, 4}));
  const Array value =
      Array::from<float>({4, 4}, {1, -2, 3, -4, 5, -6, 7, -8, 0.5f, -0.25f, 0, 2, 9, 8, 7, 6});
  const auto run = [&](const any_tensor& y) {
    Session session(g);
    return session.run(y, feed(x, value));
  };
  const auto values = [&](const std::vector<any_tensor>& all) {
    std::vector<Array> found;
    for (std::size_t i = 0; i + 1 < all.size(); ++i) found.push_back(run(all[i]));
    found.push_back(Session(g).run(all.back()));  // depends on no input
    return found;
  };
  Session(g).initialize();
  const std::vector<Array> wanted = values(results);
  const std::size_t ops = g.op_count();
  const rewritten done = simplify(g);
  g.validate();
  CHECK(g.op_count() < ops);
  const auto now = done(results);
  const std::vector<Array> got = values(now);
  for (std::size_t i = 0; i < now.size(); ++i) {
    INFO(i);
    REQUIRE(got[i].shape() == wanted[i].shape());
    for (std::size_t k = 0; k < static_cast<std::size_t>(got[i].size()); ++k) {
      CHECK(got[i].span<float>()[k] == Approx(wanted[i].span<float>()[k]).margin(1e-6));
    }
  }
  CHECK(now[4].ref() == h.ref());
  CHECK(now[5].ref() == h.ref());
  CHECK(now[6].ref() == h.ref());
  CHECK(now[7].ref() == h.ref());
  CHECK(now[12].ref() == any_w.ref());
  for (const char* gone :
       {"neg", "cast", "identity", "dropout", "scalar", "div", "pow", "transpose"}) {
    INFO(gone);
    CHECK(count_of(g, gone) == 0);
  }
  CHECK(count_of(g, "reshape") == 1);
  CHECK(simplify(g).replacements == 0);
}

TEST_CASE("simplification leaves alone what is needed") {
  Graph g;
  const auto x = placeholder<float, shape<4>>(g, "x");
  const auto wide = fill<float, shape<3, 4>>(g, 0.0);
  const auto broadcast = add(x, wide, "broadcast");  // changes the shape
  const auto training = dropout(x, 0.5);             // drops
  const auto other = add(x, 1);                      // another number
  const auto from = sub(0, x);                       // not x - 0
  const auto turned = transpose(placeholder<float, shape<2, 3>>(g, "m"));
  const auto cut = cast(x, dtype::float64);
  const auto open = placeholder<float, shape<dyn, dyn>>(g, "open");
  const auto same_rank = reshape(open, {4, -1});
  const auto digest = g.digest();
  CHECK(simplify(g).replacements == 0);
  CHECK(g.digest() == digest);
  (void)broadcast, (void)training, (void)other, (void)from, (void)turned, (void)cut,
      (void)same_rank;
}

TEST_CASE(
    "a region in inference mode is simplified and stays isomorphic to one that never had dropout") {
  Graph g;
  const row4 x = input4(g);
  const auto m = with_mode(g, mode::inference);
  const row4 with = dense4(row4(dropout(relu(dense4(x)), 0.5).ref()));
  const row4 without = dense4(relu(dense4(x)));
  const rewritten done = simplify(extract(inputs(x), outputs(with)));
  CHECK(done.replacements == 1);
  const Region a = extract(inputs(x), outputs(done(with))),
               b = extract(inputs(x), outputs(without));
  INFO(to_string(diff(a, b)));
  CHECK(isomorphic(a, b));
}

TEST_CASE("matches that a rule removes are passed over, but not the one it is asked about") {
  Graph g;
  const row4 x = input4(g);
  const row4 a = neg(neg(x)), b = neg(neg(exp(x)));
  const auto before = g.digest();
  op_id gone = op_of(b);
  bool keep = false;
  const rewrite_rule removing{"removing", double_negation.find, [&](const rule_args& r) -> maybe {
                                if (r.graph.contains(gone)) r.graph.erase_ops(std::vector{gone});
                                return keep ? std::nullopt : maybe(r["x"]);
                              }};
  const rewritten done = rewrite(g, {removing});
  CHECK(done.replacements == 1);
  CHECK(count_of(g, "neg") == 1);  // the inner one of the match that was removed
  g.validate();

  const row4 c = neg(neg(x));
  gone = op_of(c);
  const auto between = g.digest();
  CHECK(between != before);
  CHECK(mentions(message_of<graph_error>([&] { (void)rewrite(g, {removing}); }),
                 "the rule removed it"));
  CHECK(g.digest() == between);
  keep = true;
  CHECK(rewrite(g, {removing}).replacements == 0);
  CHECK(g.digest() == between);
  (void)a;
}
