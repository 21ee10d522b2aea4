#include "graft/core/error.hpp"
#include "graft/graph/tables.hpp"

#include "catch.hpp"
#include "small_graph.hpp"

using namespace graft;
using small::apply;
using small::make_input;
using small::weight;

TEST_CASE("a variable brings its read and its initial value") {
  Graph g;
  g.enter_scope("dense");
  const variable_id w = g.add_variable(weight("kernel", {3, 4}), source_line{"net.cpp", 7});
  const variable_info& v = g.variable_of(w);
  CHECK(v.id == w);
  CHECK(g.path_of(w) == "dense/kernel");
  CHECK(g.path_of(v.read) == "dense/kernel");
  CHECK(g.path_of(v.initial) == "dense/kernel_initial");
  CHECK(g.type_of(v.read) == value_type::of(dtype::float32, {3, 4}));
  CHECK(g.type_of(v.initial) == g.type_of(v.read));
  CHECK(v.trainable);
  CHECK_FALSE(v.origin.valid());
  CHECK(g.variable_read_by(v.read) == w);
  CHECK_FALSE(g.variable_read_by(v.initial));
  CHECK(g.find_variable("dense/kernel") == w);
  CHECK_FALSE(g.find_variable("dense/kernel_initial"));
  CHECK(g.line_of(v.read.op).line == 7);
  CHECK(g.variables() == std::vector{w});
  g.validate();
}

TEST_CASE("random initial values are keyed by the variable's path") {
  const auto key_of = [](Graph& g, variable_id v) {
    return g.attributes_of(g.variable_of(v).initial.op).integer("key");
  };
  Graph g, h;
  const variable_id a = g.add_variable(weight("w", {2}));
  const variable_id b = g.add_variable(weight("w", {2}));
  const variable_id same = h.add_variable(weight("w", {2}));
  CHECK(g.path_of(b) == "w_1");
  CHECK(key_of(g, a) != key_of(g, b));
  CHECK(key_of(g, a) == key_of(h, same));
  CHECK(static_cast<std::uint64_t>(key_of(g, a)) == g.variable_of(a).stream_key);
  variable_spec zeros = weight("z", {2});
  zeros.initial.schema = &small::zeros;
  const variable_id z = g.add_variable(zeros);
  CHECK_FALSE(g.attributes_of(g.variable_of(z).initial.op).find("key").has_value());
}

TEST_CASE("variables that cannot be are refused and leave nothing") {
  Graph g;
  const std::uint64_t before = g.digest();
  CHECK_THROWS_AS(g.add_variable(weight("w", {dyn})), shape_error);
  CHECK_THROWS_AS(g.add_variable(weight("w", {dim<"batch">})), shape_error);
  CHECK_THROWS_AS(g.add_variable(weight("a/b", {1})), name_error);
  CHECK_THROWS_AS(g.add_variable(weight("w", {extent{1} << 40, extent{1} << 40})), size_error);
  variable_spec none = weight("w", {1});
  none.initial.schema = nullptr;
  CHECK_THROWS_AS(g.add_variable(none), argument_error);
  variable_spec text = weight("w", {1});
  text.type.type = dtype::string;
  CHECK_THROWS_AS(g.add_variable(text), dtype_error);
  variable_spec unranked = weight("w", {1});
  unranked.type = value_type::unranked(dtype::float32);
  CHECK_THROWS_AS(g.add_variable(unranked), shape_error);
  variable_spec needs_operand = weight("w", {1});
  needs_operand.initial.schema = &small::relu;
  CHECK_THROWS_AS(g.add_variable(needs_operand), argument_error);
  variable_spec wrong = weight("w", {1});
  static constexpr operator_schema liar{
      "liar", 0, 0, [](const infer_args&) { return inferred(value_type::of(dtype::int32, {9})); }};
  wrong.initial.schema = &liar;
  CHECK_THROWS_AS(g.add_variable(wrong), shape_error);
  CHECK(g.digest() == before);
  CHECK(g.op_count() == 0);
  CHECK(g.store().size() == 0);
  CHECK(g.path_of(g.add_variable(weight("w", {1}))) == "w");  // no name was used up
  g.validate();
}

TEST_CASE("an initial value may be a tensor that reads other variables") {
  Graph g;
  const variable_id w = g.add_variable(weight("w", {2, 2}));
  const tensor_id doubled = apply(g, small::add, {g.variable_of(w).read, g.variable_of(w).read});
  const variable_id copy = g.add_variable("copy", doubled, variable_role::slot, false);
  CHECK(g.variable_of(copy).initial == doubled);
  CHECK(g.variable_of(copy).role == variable_role::slot);
  CHECK_FALSE(g.variable_of(copy).trainable);
  CHECK(g.variable_of(copy).stream_key != g.variable_of(w).stream_key);
  CHECK_THROWS_AS(g.add_variable("bad", make_input(g, {dyn}), variable_role::slot, false),
                  shape_error);
  g.validate();
  // An edit does not close a circle, and one that is there is found.
  const tensor_id z{g.add(small::zeros, {}, small::declared(dtype::float32, {2, 2})), 0};
  const tensor_id r = apply(g, small::relu, {z});
  const variable_id odd = g.add_variable("odd", r, variable_role::slot, false);
  CHECK_THROWS_AS(g.set_operand(r.op, 0, g.variable_of(odd).read), graph_error);
  g.validate();
  g.data().variables[odd.value].initial = g.variable_of(odd).read;
  CHECK_THROWS_WITH(g.validate(), Catch::Contains("depends on itself"));
}

TEST_CASE("one key means one variable") {
  Graph g;
  variable_spec spec = weight("w", {2, 3});
  spec.shared_key = "tower";
  const variable_id w = g.add_variable(spec);
  const std::uint64_t before = g.digest();
  g.enter_scope("elsewhere");
  CHECK(g.add_variable(spec) == w);
  CHECK(g.digest() == before);
  spec.type.shape = {3, 2};
  CHECK_THROWS_AS(g.add_variable(spec), shape_error);
  spec.type = value_type::of(dtype::float64, {2, 3});
  CHECK_THROWS_AS(g.add_variable(spec), dtype_error);
  spec.shared_key = "other";
  CHECK(g.add_variable(spec) != w);
  spec.shared_key = {};
  CHECK(g.add_variable(spec) != w);
  g.validate();
}

TEST_CASE("updates fit their variable and belong to it") {
  Graph g;
  const variable_id w = g.add_variable(weight("w", {2, 3})),
                    other = g.add_variable(weight("other", {2, 3}));
  const tensor_id loose = make_input(g, {dyn, 3});
  const tensor_id update = small::assign(g, w, loose);
  CHECK(g.type_of(update) == g.variable_of(w).type);  // refined by the variable
  CHECK_THROWS_AS(small::assign(g, w, make_input(g, {3, 3})), shape_error);
  CHECK_THROWS_AS(small::assign(g, w, make_input(g, {2, 3}, {}, dtype::int32)), dtype_error);
  CHECK_THROWS_AS(small::assign(g, variable_id{9}, loose), argument_error);
  g.own_update(w, update.op);
  g.own_update(w, update.op);  // once
  CHECK(g.variable_of(w).own_updates == std::vector{update.op});
  CHECK_THROWS_AS(g.own_update(other, update.op), argument_error);
  CHECK_THROWS_AS(g.own_update(w, loose.op), argument_error);
  g.validate();
}

TEST_CASE("references to variables stay good while others are added") {
  Graph g;
  const variable_info& first = g.variable_of(g.add_variable(weight("first", {2})));
  for (int i = 0; i < 1000; ++i) g.add_variable(weight("w", {1}));
  CHECK(first.type.shape == dims{2});
  CHECK(g.variable_count() == 1001);
}

TEST_CASE("values live in the store") {
  Graph g;
  const variable_id w = g.add_variable(weight("w", {2}));
  VariableStore& store = g.store();
  CHECK_FALSE(store.initialized(w));
  CHECK_THROWS_AS(store.get(w), uninitialized_error);
  const std::uint64_t empty = g.digest();
  store.set(w, Array::from<float>({2}, {1, 2}));
  CHECK(store.initialized(w));
  CHECK(g.digest() != empty);
  const Array value = store.get(w);
  CHECK(value.shares_storage_with(store.get(w)));
  CHECK_THROWS_AS(store.set(w, Array::from<float>({1}, {1})), shape_error);
  CHECK_THROWS_AS(store.set(w, Array::from<double>({2}, {1, 2})), dtype_error);
  CHECK(store.get(w).same_bits(value));
  const std::uint64_t version = store.version();
  store.set(w, Array::from<float>({2}, {3, 4}));
  CHECK(store.version() == version);  // a value alone is no change of structure
  store.reset(w);
  CHECK_FALSE(store.initialized(w));
  CHECK(g.digest() == empty);
  CHECK(value.at<float>({0}) == 1);
  CHECK_THROWS_AS(store.get(variable_id{5}), handle_error);
  CHECK_THROWS_AS(store.get(variable_id{}), handle_error);
}

TEST_CASE("stores that share cells share one lock") {
  VariableStore a, b, c;
  CHECK(&a.root_lock() != &b.root_lock());
  b.share_lock_with(a);
  c.share_lock_with(b);
  CHECK(&a.root_lock() == &b.root_lock());
  CHECK(&a.root_lock() == &c.root_lock());
  a.share_lock_with(c);  // already: no loop
  CHECK(&a.root_lock() == &c.root_lock());
}

TEST_CASE("collections keep members once, in order") {
  Graph g;
  const variable_id w = g.add_variable(weight("w", {2}));
  const tensor_id x = make_input(g);
  const member as_tensor{member::kind::tensor, {}, x}, as_op{member::kind::op, {}, x},
      as_variable{member::kind::variable, w, {}};
  g.add_to_collection("losses", as_tensor);
  g.add_to_collection("losses", as_op);
  g.add_to_collection("losses", as_tensor);
  g.add_to_collection("losses", as_variable);
  CHECK(g.collection("losses") == std::vector{as_tensor, as_op, as_variable});
  CHECK(g.collection("nothing").empty());
  CHECK(g.collection("variables") == std::vector{as_variable});
  CHECK(g.collection("trainable_variables").size() == 1);
  g.set_trainable(w, false);
  CHECK(g.collection("trainable_variables").empty());
  CHECK(g.collections() == std::vector<std::string>{"variables", "losses"});
  CHECK_THROWS_AS(g.add_to_collection("variables", as_tensor), name_error);
  CHECK_THROWS_AS(g.add_to_collection("losses", member{member::kind::variable, variable_id{7}, {}}),
                  handle_error);
  CHECK_THROWS_AS(g.add_to_collection("losses", member{member::kind::op, {}, {}}), handle_error);
  g.validate();
}

TEST_CASE("a variable goes with its read op") {
  Graph g;
  const variable_id w = g.add_variable(weight("w", {2})),
                    kept = g.add_variable(weight("kept", {2}));
  const tensor_id read = g.variable_of(w).read, initial = g.variable_of(w).initial;
  const tensor_id update = small::assign(g, w, read);
  g.own_update(w, update.op);
  g.add_to_collection("mine", {member::kind::variable, w, {}});
  g.add_to_collection("mine", {member::kind::variable, kept, {}});
  CHECK_THROWS_AS(g.erase_ops(std::vector{initial.op}), graph_error);
  CHECK_THROWS_AS(g.erase_ops(std::vector{read.op}), graph_error);
  CHECK_THROWS_AS(g.erase_ops(std::vector{read.op, initial.op}), graph_error);  // the update stays
  CHECK(g.variable_count() == 2);
  g.erase_ops(std::vector{update.op});
  CHECK(g.variable_of(w).own_updates.empty());
  g.erase_ops(std::vector{read.op, initial.op});
  CHECK(g.variables() == std::vector{kept});
  CHECK_FALSE(g.contains(w));
  CHECK_THROWS_AS(g.variable_of(w), handle_error);
  CHECK_THROWS_AS(g.store().get(w), handle_error);
  CHECK(g.collection("mine").size() == 1);
  CHECK(g.path_of(kept) == "kept");
  CHECK(g.add_variable(weight("next", {1})).value == 2);  // ids are not given again
  g.validate();
}

TEST_CASE("a variable whose value nobody asked for is removed, and comes back") {
  Graph g;
  const variable_id w = g.add_variable(weight("w", {2}));
  const std::vector<op_id> ops{g.variable_of(w).read.op, g.variable_of(w).initial.op};
  {
    const Graph::transaction all(g);
    g.erase_ops(ops);
    CHECK_THROWS_AS(g.store().cell(w), handle_error);
    CHECK_THROWS_AS(g.store().initialized(w), handle_error);
  }
  CHECK_FALSE(g.store().initialized(w));
  g.store().set(w, Array::from<float>({2}, {1, 2}));
  CHECK(g.store().get(w).at<float>({1}) == 2);
  g.validate();
  g.erase_ops(ops);
  CHECK_THROWS_AS(g.store().get(w), handle_error);
}

TEST_CASE("a cell is found by what it is, also where it was made late") {
  Graph g, h;
  for (const char* name : {"a", "b"}) {
    g.add_variable(weight(name, {2}));
    h.add_variable(weight(name, {3}));
  }
  CHECK_FALSE(h.store().find(*g.store().cell(variable_id{1})).valid());
  const variable_cell& late = *h.store().cell(variable_id{1});
  CHECK(h.store().find(late) == variable_id{1});
  CHECK(&late == h.store().cell(variable_id{1}).get());
}
