// What operators declare of their attributes is held wherever a graph takes some.
#include <limits>

#include "graft/graft.hpp"
#include "graft/graph/operator.hpp"
#include "graft/graph/tables.hpp"

#include "clone_fixture.hpp"
#include "nested_bodies.hpp"

using namespace graft_test;

namespace {

constexpr attribute_rule own_takes[] = {declare::integer("level", 1, 9).required(),
                                        declare::real("rate"),
                                        declare::flag("loud"),
                                        declare::sizes("pads").of(2),
                                        declare::shape("to"),
                                        declare::type("as"),
                                        declare::string("label"),
                                        declare::number("by")};
constexpr operator_schema own{"test_declared", 1, 1, schemas::infer_same, 0, own_takes};

attribute_list level(std::int64_t value = 5) { return attribute_list().set("level", value); }

}  // namespace

TEST_CASE("attributes are of the kind and in the range that the operator declares") {
  Graph g;
  const std::vector<tensor_id> x{id_of(input4(g))};
  const auto digest = g.digest();
  const auto refusal = [&](const attribute_list& a) {
    const std::string found = message_of<argument_error>([&] { g.add(own, x, a, "mine"); });
    CHECK(g.digest() == digest);
    CHECK(mentions(found, "test_declared 'mine'"));
    return found;
  };
  CHECK(mentions(refusal({}), "'level' is missing; it must be an integer from 1 to 9"));
  CHECK(mentions(refusal(level(0)), "'level' is the integer 0; it must be an integer from 1 to 9"));
  CHECK(mentions(refusal(level(10)), "'level' is the integer 10"));
  CHECK(mentions(refusal(attribute_list().set("level", 5.0)), "'level' is a real"));
  CHECK(mentions(refusal(level().set("rate", 1)), "'rate' is the integer 1; it must be a real"));
  CHECK(mentions(refusal(level().set("loud", 2)), "from 0 to 1"));
  CHECK(mentions(refusal(level().set("pads", dims{1})), "it must be 2 integers"));
  CHECK(mentions(refusal(level().set("pads", dims{1, std::int64_t{1} << 40})), "integers [1, "));
  CHECK(mentions(refusal(level().set("to", dims{3, -66})), "extents, dyn or named"));
  CHECK(mentions(refusal(level().set_string("as", "float32")), "'as' is a string"));
  CHECK(mentions(refusal(level().set("as", std::int64_t{-100}, attribute_kind::type)),
                 "'as' is type number -100, and there is no such type"));
  CHECK(mentions(refusal(level().set("as", std::int64_t{dtype_count}, attribute_kind::type)),
                 "no such type"));
  CHECK(mentions(refusal(level().set("label", true)), "it must be a string"));
  CHECK(mentions(refusal(level().set("by", dims{})), "it must be a real or an integer"));
  // A type that is none is no tag either.
  CHECK(mentions(refusal(level().set("tag", std::int64_t{99}, attribute_kind::type)), "no such"));

  attribute_list all = level(9);
  all.set("rate", -1e300).set("loud", true).set("pads", dims{-1, 7}).set("as", dtype::any);
  all.set("to", dims{3, dyn, named_dim("batch"), named_dim("a name that is long")}).set("by", 2);
  const op_id made = g.add(own, x, all.set_string("label", ""), "mine");
  CHECK(g.attributes_of(made) == all);
  g.validate();
}

TEST_CASE("attributes that an operator does not declare are tags, and refer to nothing") {
  Graph g;
  const auto x = input4(g);
  const auto v = make_variable<float, shape<4>>(g, "v", ones());
  const op_id op = op_of(leaky_relu(x, 0.5));
  attribute_list tagged = g.attributes_of(op);
  tagged.set_string("device", "gpu:0").set("rank", 3).set("sizes", dims{1, -2}).set("as", 1.5);
  g.set_attributes(op, tagged);
  CHECK(g.attributes_of(op) == tagged);
  g.validate();
  const auto digest = g.digest();
  attribute_list refers = tagged;
  refers.set("of", std::int64_t{g.variable_read_by(id_of(v))->value}, attribute_kind::variable);
  CHECK(mentions(message_of<argument_error>([&] { g.set_attributes(op, refers); }),
                 "'of' is a variable, and the operator takes no attribute of that name"));
  CHECK(g.digest() == digest);
}

TEST_CASE("arithmetic and steps of optimisers say what they take") {
  Graph g;
  const auto x = input4(g);
  for (const any_tensor& y : {any_tensor(x + x), any_tensor(x * x), any_tensor(maximum(x, x))}) {
    const auto with = [&](const attribute_list& a) { g.set_attributes(id_of(y).op, a); };
    with(attribute_list().set("equal_shapes", true));
    CHECK(mentions(
        message_of<argument_error>([&] { with(attribute_list().set("equal_shapes", 0.5)); }),
        "'equal_shapes' is a real; it must be an integer from 0 to 1"));
    CHECK(mentions(message_of<argument_error>(
                       [&] { with(attribute_list().set("equal_shapes", std::int64_t{2})); }),
                   "'equal_shapes' is the integer 2"));
  }
  for (const char* step : {"sgd_update", "momentum_update", "rmsprop_update", "adagrad_update"}) {
    const auto& takes = find_operator(step)->schema->attributes;
    CHECK(std::any_of(takes.begin(), takes.end(),
                      [](const attribute_rule& r) { return r.key == "decoupled"; }));
  }
}

TEST_CASE("attributes that are replaced are held to the same, and the graph stays") {
  Graph g;
  const auto x = input4(g);
  const op_id op = op_of(softmax(x));
  const auto digest = g.digest();
  CHECK(mentions(
      message_of<argument_error>([&] { g.set_attributes(op, attribute_list().set("axis", 0.5)); }),
      "'axis' is a real; it must be an integer"));
  const op_id to = op_of(cast(x, dtype::int32));
  CHECK(mentions(message_of<argument_error>([&] { g.set_attributes(to, {}); }),
                 "'type' is missing; it must be a type"));
  CHECK(g.digest() != digest);
  g.validate();
}

TEST_CASE("a graph whose attributes were tampered with is not valid") {
  Graph g;
  const op_id op = op_of(cast(input4(g), dtype::int32));
  g.validate();
  Graph::tables& t = g.data();
  const std::uint32_t list = t.ops[static_cast<std::uint32_t>(g.index_of(op))].attributes;
  t.attributes.items[t.attributes.lists[list].first].integer = -100;
  CHECK(mentions(message_of<graph_error>([&] { g.validate(); }), "type number -100"));
}

TEST_CASE("an op with bodies has the counts that its bodies allow") {
  Graph g;
  const auto x = placeholder<float, shape<2>>(g, "x");
  const auto p = placeholder<bool, shape<>>(g, "p");
  const auto xs = placeholder<float, shape<3, 2>>(g, "xs");
  const op_id chosen = op_of(cond(p, [&] { return x; }, [&] { return x * 2.0f; }));
  const op_id looped =
      op_of(while_loop(x, [&](auto v) { return sum(v) < 3.0f; }, [&](auto v) { return v * 2.0f; }));
  const op_id scanned =
      op_of(std::get<0>(scan(x, xs, [&](auto s, auto e) { return std::tuple{s + e, sum(s)}; })));
  const auto digest = g.digest();
  const auto refused = [&](op_id op, const char* key, std::int64_t value) {
    attribute_list a = g.attributes_of(op);
    REQUIRE(a.find(key) != nullptr);
    const std::string found =
        message_of<argument_error>([&] { g.set_attributes(op, a.set(key, value)); });
    INFO(found);
    CHECK(g.digest() == digest);
    return mentions(found, g.path_of(op));
  };
  constexpr std::int64_t huge = std::int64_t{1} << 31;
  for (const op_id op : {chosen, looped, scanned}) {
    for (const std::int64_t n :
         {huge, huge - 1, std::int64_t{0}, std::int64_t{-1}, std::int64_t{7}})
      CHECK(refused(op, "outputs", n));
  }
  for (const std::int64_t n :
       {huge, huge - 1, std::int64_t{0}, std::int64_t{-1}, std::int64_t{7}}) {
    CHECK(refused(looped, "states", n));
    CHECK(refused(scanned, "states", n));
  }
  CHECK(refused(chosen, "then_captures", huge - 1));
  CHECK(refused(scanned, "sequences", 5));
}

TEST_CASE("bodies that own one another many times over are looked at once") {
  Graph g;
  const auto x = placeholder<float, shape<2>>(g, "x");
  const auto p = placeholder<bool, shape<>>(g, "p");
  const op_id op = nested_choices(g, id_of(p), id_of(x), 40);
  CHECK(g.type_of({op, 0}) == value_type::of(dtype::float32, {2}));
  g.validate();
  CHECK(g.digest() != 0);
  const auto wide = placeholder<float, shape<3>>(g, "wide");
  CHECK(mentions(message_of<error>([&] { g.set_operand(op, 4, id_of(wide)); }), "two branches"));
}

TEST_CASE("an error within a body names what the body is in") {
  Graph g;
  const auto x = placeholder<float, shape<2>>(g, "x");
  const auto p = placeholder<bool, shape<>>(g, "p");
  const auto y = cond(
      p, [&] { return x; },
      [&] { return cond(p, [&] { return add(x, x * 2.0f, "inner"); }, [&] { return x; }, "low"); },
      "top");
  const auto wrong = placeholder<double, shape<2>>(g, "wrong");
  std::string found;
  for (std::uint32_t slot = 1; slot < g.operand_count(op_of(y)); ++slot) {
    if (g.operand(op_of(y), slot) != id_of(x)) continue;
    try {
      g.set_operand(op_of(y), slot, id_of(wrong));
    } catch (const error& e) {
      found += e.what();
    }
  }
  INFO(found);
  CHECK(mentions(found, "in body 'then' of cond 'low"));
  CHECK(mentions(found, "in body 'else' of cond 'top'"));
}

TEST_CASE("operators declare the attributes that their samples have") {
  for (const operator_definition* d : all_operators()) {
    // Samples of optimisers have the attributes of all of them.
    if (d->schema->name.ends_with("_update")) continue;
    INFO(d->schema->name);
    if (d->samples == nullptr) continue;
    for (const operator_sample& s : d->samples()) {
      for (const attribute& a : s.attributes) {
        INFO(a.key);
        CHECK(std::any_of(d->schema->attributes.begin(), d->schema->attributes.end(),
                          [&a](const attribute_rule& r) { return r.key == a.key; }));
      }
    }
  }
}

TEST_CASE(
    "numbers and axes that cannot be are arguments out of range, not shapes that do not fit") {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  Graph g;
  const any_tensor x = input4(g);
  const any_tensor images = placeholder<float, shape<dyn, 3, 8, 8>>(g, "images");
  const auto digest = g.digest();
  const auto refusal = [&](auto&& build) {
    const std::string found = message_of<argument_error>(build);
    CHECK(g.digest() == digest);
    return found;
  };
  for (const double wrong : {nan, -1.0, 2.0}) {
    CHECK(mentions(refusal([&] { (void)batch_norm().momentum(wrong)(x); }), "from 0 to 1"));
  }
  for (const double wrong : {nan, -1.0}) {
    const std::string norm = refusal([&] { (void)batch_norm().epsilon(wrong)(x); });
    CHECK(mentions(norm, "epsilon must be at least 0 and finite"));
    CHECK(mentions(norm, "1e-5"));
    CHECK_FALSE(mentions(norm, "found ["));
    CHECK(mentions(refusal([&] { (void)layer_norm().epsilon(wrong)(x); }), "epsilon must be"));
  }
  const auto axis = "every axis must be one of the tensor's";
  CHECK(mentions(refusal([&] { (void)argmax(x, 7); }), axis));
  CHECK(mentions(refusal([&] { (void)sum(x, dims{7}); }), axis));
  CHECK(mentions(refusal([&] { (void)softmax(x, 5); }), axis));
  CHECK(mentions(refusal([&] { (void)concat(std::vector<any_tensor>{x, x}, 9); }), "axis"));
  CHECK(mentions(refusal([&] { (void)slice(x, 9, 0, 1); }), "axis"));
  CHECK(mentions(refusal([&] { (void)transpose(x, dims{1, 1}); }), "twice"));
  CHECK(mentions(refusal([&] { (void)expand_dims(x, dims{9}); }), "axis"));
  // What a shape would mend is a matter of shapes.
  CHECK_THROWS_AS(conv2d<4>(x), shape_error);
  CHECK_THROWS_AS((conv2d<4, conv{.kernel = {9, 9}}>(images)), shape_error);
}
