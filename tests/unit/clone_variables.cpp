// Variables of clones: policies, ties, roles, updates, collections, values, streams.
#include <cstring>

#include "clone_fixture.hpp"

using namespace graft;
using namespace graft_test;

namespace {

variable_id read_of(const Graph& g, const any_tensor& t) { return *g.variable_read_by(id_of(t)); }

struct layer {
  Graph g;
  row4 x = input4(g, "x");
  row4 y = dense4(x);
  variable_id w = variable_named(g, "dense/w"), b = variable_named(g, "dense/b");
  Region region = extract(inputs(x), outputs(y));

  [[nodiscard]] Array value(variable_id v) const { return g.store().get(v); }
};

// An op's integer attribute "key".
std::int64_t key_of(const Graph& g, op_id op) {
  REQUIRE(g.attributes_of(op).find("key").has_value());
  return g.attributes_of(op).integer("key");
}

}  // namespace

TEST_CASE("fresh variables are new and without values [edge-23][edge-33]") {
  layer l;
  set_values(l.g);
  const Array before = l.value(l.w);
  const auto copy = clone(l.region, variables::fresh);
  const variable_id w2 = copy(l.w);
  CHECK(w2 != l.w);
  CHECK(copy.variables() == std::vector<variable_id>{w2, copy(l.b)});
  CHECK(copy.initializer().variables == copy.variables());
  CHECK_FALSE(l.g.store().initialized(w2));
  CHECK(l.value(l.w).same_bits(before));
  CHECK(l.value(l.w).shares_storage_with(before));
  CHECK(l.g.store().cell(w2) != l.g.store().cell(l.w));
  CHECK(l.g.variable_of(w2).initial.op == copy(l.g.variable_of(l.w).initial.op));
  CHECK(uninitialized(l.g) == copy.variables());

  l.g.store().set(w2, Array::full<float>({4, 4}, 3));
  CHECK(l.value(l.w).same_bits(before));
}

TEST_CASE("fresh variables draw from streams of their own [edge-23][edge-45]") {
  layer l;
  const auto one = clone(l.region), two = clone(l.region);
  const auto initial_key = [&](variable_id v) {
    return key_of(l.g, l.g.variable_of(v).initial.op);
  };
  CHECK(initial_key(one(l.w)) != initial_key(l.w));
  CHECK(initial_key(one(l.w)) != initial_key(two(l.w)));
  for (const variable_id v : {one(l.w), two(l.w)}) {
    CHECK(static_cast<std::uint64_t>(initial_key(v)) == l.g.variable_of(v).stream_key);
  }
  layer again;
  const auto rerun = clone(again.region);
  CHECK(key_of(again.g, again.g.variable_of(rerun(again.w)).initial.op) == initial_key(one(l.w)));

  const auto same = clone(l.region, seeds::same);
  CHECK(initial_key(same(l.w)) == initial_key(l.w));
  CHECK(l.g.variable_of(same(l.w)).stream_key == l.g.variable_of(l.w).stream_key);
}

TEST_CASE("random ops inside a network get streams of their own [edge-45]") {
  Graph g;
  const auto x = input4(g, "x");
  attribute_list attributes;
  attributes.set("training", true).set("key", 17);
  const std::vector<tensor_id> operands = ids(x);
  const op_id noisy = g.add(schemas::noisy, operands, attributes);
  const auto region = extract(inputs(x), outputs(g.handle({noisy, 0})));
  const auto one = clone(region), two = clone(region), same = clone(region, seeds::same);
  CHECK(key_of(g, one(noisy)) != 17);
  CHECK(key_of(g, one(noisy)) != key_of(g, two(noisy)));
  CHECK(key_of(g, same(noisy)) == 17);
  CHECK(key_of(g, noisy) == 17);
  SECTION("even in the scope of the original") {
    const auto beside = clone(region, into(""));
    CHECK(key_of(g, beside(noisy)) != 17);
    CHECK(key_of(g, beside(noisy)) != key_of(g, one(noisy)));
  }
}

TEST_CASE("copied variables are equal at once and independent later [edge-24]") {
  layer l;
  set_values(l.g);
  const auto copy = clone(l.region, variables::copied);
  const variable_id w2 = copy(l.w);
  CHECK(l.value(w2).same_bits(l.value(l.w)));
  CHECK(l.value(w2).shares_storage_with(l.value(l.w)));  // no element was copied
  CHECK(copy.variables().size() == 2);
  CHECK(copy.initializer().variables.empty());  // running it would throw the values away

  Array changed = l.value(l.w);
  changed.mutable_span<float>()[0] = -7;
  l.g.store().set(l.w, changed);
  CHECK(l.value(w2).at<float>({0, 0}) == 1);
  l.g.store().set(w2, Array::full<float>({4, 4}, 9));
  CHECK(l.value(l.w).at<float>({0, 0}) == -7);
  copy.check();
}

TEST_CASE("shared variables are the same variables [edge-25]") {
  layer l;
  const auto x2 = input4(l.g, "x2");
  const std::size_t ops = l.g.op_count();
  const auto copy = clone(l.region, bind(l.x, x2), variables::shared);
  CHECK(copy(l.w) == l.w);
  CHECK(copy.variables().empty());
  CHECK(copy.initializer().variables.empty());
  CHECK(l.g.variables().size() == 2);
  CHECK(l.g.op_count() == ops + 2);  // matmul and add
  CHECK(l.g.operand(copy(op_of(l.y)), 1) == l.g.variable_of(l.b).read);
  // The map stays total.
  CHECK(copy(l.g.variable_of(l.w).read) == l.g.variable_of(l.w).read);
  CHECK(copy(l.g.variable_of(l.w).initial) == l.g.variable_of(l.w).initial);
  CHECK(copy.original(l.w) == l.w);
  for (const op_id op : l.region.nodes()) CHECK(copy.find(op).has_value());
  copy.check();
  const auto audit = copy.leak_audit();
  REQUIRE(audit.size() == 2);
  CHECK(audit[0].allowed);
  CHECK(audit[1].allowed);
}

TEST_CASE("variables shared with another graph have one storage [edge-25][edge-41]") {
  auto l = std::make_unique<layer>();
  set_values(l->g);
  Graph other;
  const auto copy = clone(l->region, into(other, "net"), variables::shared);
  const variable_id w2 = copy(l->w);
  CHECK(copy.variables().empty());
  CHECK(other.variables().size() == 2);
  CHECK(other.store().cell(w2) == l->g.store().cell(l->w));
  l->g.store().set(l->w, Array::full<float>({4, 4}, 5));
  CHECK(other.store().get(w2).at<float>({1, 1}) == 5);
  other.store().set(w2, Array::full<float>({4, 4}, 6));
  CHECK(l->value(l->w).at<float>({1, 1}) == 6);
  CHECK(copy.leak_audit().size() == 2);
  copy.check();
  l.reset();
  CHECK(other.store().get(w2).at<float>({1, 1}) == 6);
  other.validate();
}

TEST_CASE("frozen variables are snapshots [edge-26][edge-91]") {
  layer l;
  set_values(l.g);
  const auto copy = clone(l.region, variables::frozen);
  CHECK(copy.variables().empty());
  CHECK(l.g.variables().size() == 2);
  const tensor_id read = l.g.variable_of(l.w).read;
  const op_id constant = copy(read.op);
  CHECK(std::string(l.g.schema_of(constant).name) == "constant");
  CHECK(l.g.path_of(constant) == "copy/w");
  const auto snapshot = [&] { return l.g.constant(l.g.attributes_of(constant).integer("value")); };
  CHECK(snapshot().same_bits(l.value(l.w)));

  l.g.store().set(l.w, Array::full<float>({4, 4}, -1));
  CHECK(snapshot().at<float>({0, 0}) == 1);
  CHECK_FALSE(copy.find(l.w).has_value());
  CHECK(mentions(message_of<handle_error>([&] { (void)copy(l.w); }), "frozen"));
  CHECK_FALSE(copy.find(l.g.variable_of(l.w).initial.op).has_value());
  CHECK(copy.original(constant) == read.op);
  CHECK(copy.leak_audit().empty());
  copy.check();
  l.g.validate();

  Graph other;
  const auto far = clone(l.region, into(other, "far"), variables::frozen);
  CHECK(other.constant(other.attributes_of(far(read.op)).integer("value")).at<float>({0, 0}) == -1);
  CHECK(other.variables().empty());
  far.check();
}

TEST_CASE("a rule decides for each variable once, in order [edge-27]") {
  layer l;
  set_values(l.g);
  std::vector<variable_id> asked;
  const auto copy = clone(l.region, variables::by([&](const variable_info& v) {
                            asked.push_back(v.id);
                            return v.id == l.w ? variables::shared : variables::copied;
                          }));
  CHECK(asked == std::vector<variable_id>{l.w, l.b});
  CHECK(copy(l.w) == l.w);
  CHECK(copy.variables() == std::vector<variable_id>{copy(l.b)});
  CHECK(copy.variable_images()[0].policy == variables::shared);
  CHECK(copy.leak_audit().size() == 1);
  copy.check();

  SECTION("by path") {
    const auto by_path =
        clone(l.region, variables::by([](const Graph& g, const variable_info& v) {
                return g.path_of(v.id) == "dense/b" ? variables::frozen : variables::fresh;
              }));
    CHECK(by_path.variables().size() == 1);
    by_path.check();
  }
  SECTION("by scope, first match wins") {
    const auto z = dense4(dense4(l.x, "dense_tail"), "head");
    const auto region = extract(inputs(l.x), outputs(z, l.y));
    const auto mixed = clone(region, variables::by_scope({{"dense", variables::shared},
                                                          {"dense", variables::frozen},
                                                          {"head", variables::shared}},
                                                         variables::fresh));
    CHECK(mixed(l.w) == l.w);
    CHECK(mixed(variable_named(l.g, "dense_tail/w")) != variable_named(l.g, "dense_tail/w"));
    CHECK(mixed.variables().size() == 2);
    mixed.check();
  }
  SECTION("a rule that throws changes nothing") {
    const auto before = l.g.digest();
    CHECK_THROWS_AS(clone(l.region, variables::by([](const variable_info& v) -> variable_policy {
                            if (v.id.value > 0) throw std::runtime_error("no");
                            return variables::fresh;
                          })),
                    std::runtime_error);
    CHECK(l.g.digest() == before);
  }
}

TEST_CASE("ties stay ties [edge-28][edge-29]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto w = make_variable<float, shape<4, 4>>(g, "w", glorot_uniform());
  const auto h = matmul(relu(matmul(x, w)), w);        // two layers
  const auto y = matmul(h, w, false, true, "decode");  // and a transposed third
  const auto region = extract(inputs(x), outputs(y));
  CHECK(region.variables().size() == 1);
  for (const variable_policy policy : {variables::fresh, variables::shared}) {
    const auto copy = clone(region, policy);
    const tensor_id read = copy(id_of(w));
    std::size_t users = 0;
    for (const Graph::use& u : g.uses(read))
      users += copy.find_original(u.user).has_value() ? 1 : 0;
    CHECK(users >= 3);
    CHECK(copy.variables().size() == (policy == variables::fresh ? 1u : 0u));
    copy.check();
  }
  SECTION("between inside and outside: the policy decides") {
    const auto outside = matmul(x, w);
    const auto copy = clone(region, variables::fresh);
    CHECK(g.operand(op_of(outside), 1) == id_of(w));
    CHECK(copy(w).ref() != w.ref());
    copy.check();
  }
}

TEST_CASE("initial values that read variables are copied in chain [edge-30]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto a = make_variable<float, shape<4>>(g, "a", uniform());
  const variable_id b = g.add_variable("b", id_of(add(a, a)), variable_role::parameter, true);
  const auto y = add(x, g.handle(g.variable_of(b).read));
  const auto region = extract(inputs(x), outputs(y));
  const auto copy = clone(region);
  CHECK(copy.variables().size() == 2);
  CHECK(g.operand(g.variable_of(copy(b)).initial.op, 0) == copy(id_of(a)));
  copy.check();
  g.validate();

  SECTION("shared roots stay shared") {
    const auto mixed = clone(region, variables::by([&](const variable_info& v) {
                               return v.id == b ? variables::fresh : variables::shared;
                             }));
    CHECK(mixed.variables().size() == 1);
    CHECK(g.operand(g.variable_of(mixed(b)).initial.op, 0) == id_of(a));
    mixed.check();
  }
  SECTION("a frozen root is a constant in the initial value") {
    g.store().set(read_of(g, a), Array::full<float>({4}, 2));
    const auto mixed = clone(region, variables::by([&](const variable_info& v) {
                               return v.id == b ? variables::fresh : variables::frozen;
                             }));
    const tensor_id root = g.operand(g.variable_of(mixed(b)).initial.op, 0);
    CHECK(std::string(g.schema_of(root.op).name) == "constant");
    mixed.check();
  }
}

TEST_CASE("copying or freezing what has no value names it [edge-32]") {
  layer l;
  l.g.store().set(l.w, Array::full<float>({4, 4}, 1));
  const auto before = l.g.digest();
  for (const variable_policy policy : {variables::copied, variables::frozen}) {
    const std::string text =
        message_of<uninitialized_error>([&] { (void)clone(l.region, policy); });
    CHECK(mentions(text, "'dense/b'"));
    CHECK(mentions(text, "nitialise it first"));
  }
  CHECK(l.g.digest() == before);
  CHECK_THROWS_AS(copy_values(clone(l.region)), uninitialized_error);
}

TEST_CASE("variables of all kinds and sizes are copied [edge-34]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto scalar = make_variable<float, shape<>>(g, "scalar", constant(2));
  const auto none = make_variable<float, shape<0, 4>>(g, "none", zeros());
  const auto count =
      make_variable<std::int64_t, shape<>>(g, "count", zeros(), false, variable_role::counter);
  const auto fixed = make_variable<float, shape<4>>(g, "fixed", ones(), false);
  const auto y = add(x, fixed) * scalar;
  const auto region = extract(inputs(x), outputs(y, none, count));
  set_values(g);
  const auto copy = clone(region, variables::copied);
  for (const any_tensor t :
       {any_tensor(scalar), any_tensor(none), any_tensor(count), any_tensor(fixed)}) {
    const variable_info &mine = g.variable_of(read_of(g, t)),
                        &theirs = g.variable_of(read_of(g, copy(t)));
    CHECK(mine.type == theirs.type);
    CHECK(mine.role == theirs.role);
    CHECK(mine.trainable == theirs.trainable);
    CHECK(theirs.origin == mine.id);
    CHECK(g.store().get(theirs.id).same_bits(g.store().get(mine.id)));
  }
  CHECK(copy.parameters() ==
        std::vector<variable_id>{read_of(g, copy(scalar)), read_of(g, copy(none))});
  copy.check();
  g.validate();
}

TEST_CASE("trainable(false) is for the new variables [edge-37]") {
  layer l;
  const auto copy = clone(l.region, trainable(false));
  CHECK_FALSE(l.g.variable_of(copy(l.w)).trainable);
  CHECK(l.g.variable_of(l.w).trainable);
  CHECK(copy.parameters().empty());
  CHECK(copy.variables().size() == 2);
  // Statistics stay what they are.
  const auto again = clone(extract(inputs(copy(l.x)), outputs(copy(l.y))), trainable(true));
  CHECK(again.parameters().size() == 2);
}

TEST_CASE("updates of a layer follow its variables [edge-35][edge-36]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto moving =
      make_variable<float, shape<4>>(g, "moving", zeros(), false, variable_role::statistic);
  const variable_id v = read_of(g, moving);
  const auto y = sub(x, moving);
  const auto own = assign(moving, moving * 0.9f + mean<axes<0>>(x) * 0.1f, "own");
  g.own_update(v, op_of(own));
  const auto foreign = assign(moving, mean<axes<0>>(x), "foreign");
  const auto region = extract(inputs(x), outputs(y));
  const auto x2 = input4(g, "x2");

  SECTION("fresh: copied, for the new variable") {
    const auto copy = clone(region, bind(x, x2));
    const variable_info& info = g.variable_of(copy(v));
    REQUIRE(info.own_updates.size() == 1);
    CHECK(info.own_updates[0] == copy(op_of(own)));
    CHECK(g.attributes_of(info.own_updates[0]).integer("variable") == std::int64_t{copy(v).value});
    CHECK(info.role == variable_role::statistic);
    CHECK_FALSE(copy.find(op_of(foreign)).has_value());
    CHECK(g.variable_of(v).own_updates == std::vector<op_id>{op_of(own)});
    copy.check();
  }
  SECTION("shared in one graph: the source's own") {
    const std::size_t before = g.op_count();
    const auto copy = clone(region, bind(x, x2), variables::shared);
    CHECK(g.op_count() == before + 1);
    CHECK(copy(op_of(own)) == op_of(own));
    CHECK(g.variable_of(v).own_updates.size() == 1);
    copy.check();
  }
  SECTION("shared in another graph: copied there") {
    Graph other;
    const auto copy = clone(region, into(other, "net"), variables::shared);
    CHECK(other.variable_of(copy(v)).own_updates == std::vector<op_id>{copy(op_of(own))});
    copy.check();
    other.validate();
  }
  SECTION("frozen: dropped") {
    set_values(g);
    const auto copy = clone(region, bind(x, x2), variables::frozen);
    CHECK(copy.nodes().size() == 2);  // the constant and the sub
    CHECK_FALSE(copy.find(op_of(own)).has_value());
    copy.check();
  }
  SECTION("an update that the outputs depend on cannot be frozen") {
    set_values(g);
    const auto after_update = extract(inputs(x), outputs(relu(own)));
    const auto before = g.digest();
    CHECK(mentions(message_of<graph_error>([&] { (void)clone(after_update, variables::frozen); }),
                   "'moving'"));
    CHECK(g.digest() == before);
    const auto copy = clone(after_update, variables::fresh);
    CHECK(copy.variables().size() == 1);
    copy.check();
  }
  g.validate();
}

TEST_CASE("copies join the collections of their sources [edge-38]") {
  layer l;
  const auto penalty =
      sum(square(as<float, shape<4, 4>>(l.g.handle(l.g.variable_of(l.w).read))), "penalty");
  member variable{member::kind::variable, l.w, {}},
      tensor{member::kind::tensor, {}, id_of(penalty)}, op{member::kind::op, {}, {op_of(l.y), 0}},
      outside{member::kind::tensor, {}, id_of(l.x)};
  l.g.add_to_collection("weights", variable);
  l.g.add_to_collection("mine", variable);
  l.g.add_to_collection("losses", tensor);
  l.g.add_to_collection("mine", op);
  l.g.add_to_collection("mine", outside);
  const auto region = extract(inputs(l.x), outputs(l.y, penalty));

  const auto copy = clone(region);
  CHECK(l.g.collection("weights") ==
        std::vector<member>{variable, {member::kind::variable, copy(l.w), {}}});
  CHECK(l.g.collection("losses") ==
        std::vector<member>{tensor, {member::kind::tensor, {}, copy(id_of(penalty))}});
  CHECK(l.g.collection("mine") ==
        std::vector<member>{variable,
                            op,
                            outside,
                            {member::kind::variable, copy(l.w), {}},
                            {member::kind::op, {}, {copy(op_of(l.y)), 0}}});

  (void)clone(region, variables::shared);
  CHECK(l.g.collection("weights").size() == 2);
  CHECK(l.g.collection("losses").size() == 3);

  Graph other;
  const auto far = clone(region, into(other, "net"));
  CHECK(other.collection("weights") == std::vector<member>{{member::kind::variable, far(l.w), {}}});
  l.g.validate();
  other.validate();
}

TEST_CASE("two clones are initialised once each [edge-39]") {
  layer l;
  const auto one = clone(l.region), two = clone(l.region);
  std::vector<variable_id> all{l.w, l.b};
  for (const auto* c : {&one, &two}) {
    const auto mine = c->initializer().variables;
    all.insert(all.end(), mine.begin(), mine.end());
  }
  CHECK(all == l.g.variables());
  CHECK(initializer_of(l.g).variables == all);
}

TEST_CASE("random streams: copied ones go on with a key of their own [edge-47]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto stream =
      make_variable<std::int64_t, shape<2>>(g, "stream", zeros(), false, variable_role::rng_stream);
  const auto y = add(x, cast<float>(sum(stream)));
  const variable_id v = read_of(g, stream);
  g.store().set(v, Array::from<std::int64_t>({2}, {99, 12}));
  const auto region = extract(inputs(x), outputs(y));
  const auto split_up = clone(region, variables::copied);
  const Array value = g.store().get(split_up(v));
  CHECK(value.at<std::int64_t>({0}) != 99);
  CHECK(value.at<std::int64_t>({1}) == 12);
  const auto same = clone(region, variables::copied, seeds::same);
  CHECK(g.store().get(same(v)).same_bits(g.store().get(v)));
  CHECK(g.store().get(v).at<std::int64_t>({0}) == 99);
}

TEST_CASE("values are copied, swapped and drawn again [edge-44]") {
  layer l;
  set_values(l.g);
  const auto copy = clone(l.region);
  CHECK_THROWS_AS(swap_values(copy), uninitialized_error);
  copy_values(copy);
  CHECK(l.value(copy(l.w)).same_bits(l.value(l.w)));
  CHECK(l.value(copy(l.w)).shares_storage_with(l.value(l.w)));

  const Array mine = l.value(l.w), theirs = Array::full<float>({4, 4}, 8);
  l.g.store().set(copy(l.w), theirs);
  swap_values(copy);
  CHECK(l.value(l.w).same_bits(theirs));
  CHECK(l.value(copy(l.w)).same_bits(mine));
  swap_values(copy);
  CHECK(l.value(l.w).same_bits(mine));
  CHECK(l.value(copy(l.w)).same_bits(theirs));

  reinitialize(copy);
  CHECK(uninitialized(l.g) == copy.variables());

  const std::vector<std::pair<variable_id, variable_id>> pairs{{l.w, copy(l.w)}, {l.b, copy(l.b)}};
  copy_variables(l.g, pairs);
  CHECK(l.value(copy(l.b)).same_bits(l.value(l.b)));
  const std::vector<std::pair<variable_id, variable_id>> wrong{{l.b, copy(l.b)}, {l.w, copy(l.b)}};
  const auto before = l.g.digest();
  CHECK_THROWS_AS(copy_variables(l.g, wrong), shape_error);
  CHECK(l.g.digest() == before);
}

TEST_CASE("a fresh clone has no way to the source's variables [edge-88]") {
  layer l;
  const auto copy = clone(l.region);
  CHECK(copy.leak_audit().empty());
  // Of a shared one the audit lists exactly what its policy allows.
  const auto x2 = input4(l.g, "x2");
  const auto shared = clone(l.region, bind(l.x, x2), variables::shared);
  CHECK(shared.leak_audit().size() == 2);
  for (const source_access& access : shared.leak_audit()) CHECK(access.allowed);
}

TEST_CASE("the update of a data path follows the variable") {
  Graph g;
  const auto x = input4(g, "x");
  const auto v = make_variable<float, shape<4>>(g, "v", zeros());
  const auto y = add(x, assign(v, v + 1.0f, "bump"));
  const auto copy = clone(extract(inputs(x), outputs(y)));
  const op_id bump = copy(g.operand(op_of(y), 1).op);
  CHECK(g.attributes_of(bump).integer("variable") == std::int64_t{copy(read_of(g, v)).value});
  CHECK(g.variable_of(copy(read_of(g, v))).own_updates.empty());
  copy.check();
  g.validate();
}

TEST_CASE("a variable that only a frozen one's initial value reads is not made again") {
  Graph g;
  const auto x = input4(g, "x");
  const auto a = make_variable<float, shape<4>>(g, "a", uniform());
  const variable_id b = g.add_variable("b", id_of(add(a, a)), variable_role::parameter, true);
  const auto region = extract(inputs(x), outputs(add(x, g.handle(g.variable_of(b).read))));
  g.store().set(b, Array::full<float>({4}, 1));  // a has no value, and needs none
  const auto frozen = clone(region, variables::by([&](const variable_info& v) {
                              return v.id == b ? variables::frozen : variables::copied;
                            }));
  CHECK(frozen.variables().empty());
  CHECK_FALSE(frozen.find(read_of(g, a)).has_value());
  frozen.check();
  const auto shared = clone(region, variables::by([&](const variable_info& v) {
                              return v.id == b ? variables::shared : variables::fresh;
                            }));
  CHECK(shared.variables().empty());
  CHECK(shared(read_of(g, a)) == read_of(g, a));
  shared.check();
}

TEST_CASE("a variable shared with another graph keeps its stream there") {
  layer l;
  Graph other;
  const auto copy = clone(l.region, into(other, "net"), variables::shared);
  CHECK(key_of(other, other.variable_of(copy(l.w)).initial.op) ==
        key_of(l.g, l.g.variable_of(l.w).initial.op));
  CHECK(other.variable_of(copy(l.w)).stream_key == l.g.variable_of(l.w).stream_key);
}
