// Operators of a program's own in a session: what their bindings do must not mix up plans.
#include <algorithm>
#include <cstring>
#include <string>

#include "graft/graft.hpp"
#include "graft/graph/operator.hpp"

#include "clone_fixture.hpp"
#include "failing_allocations.hpp"

using namespace graft_test;

namespace {

constexpr inferred same(const infer_args& in) { return in.operands[0]; }
constexpr inferred one(const infer_args&) { return value_type::of(dtype::float32, {1}); }
constexpr attribute_rule with_table[] = {declare::constant("table").required()};

constexpr operator_schema scaled{"test.scaled", 1, 1, same};
constexpr operator_schema plus_table{"test.plus_table", 1, 1, same, 0, with_table};
constexpr operator_schema ticks{"test.ticks", 0, 0, one, ops::source};
constexpr operator_schema named{"test.named", 1, 1, same};

// As many elements as its key says, for each of the operand's.
constexpr inferred as_key_says(const infer_args& in) {
  const extent n = in.operands.empty() ? 1 : in.operands[0].shape[0];
  return value_type::of(dtype::float32, {is_known(n) ? n * in.attributes.integer("key") : n});
}
constexpr operator_schema sized_by_key{"test.sized_by_key", 0, 1, as_key_says, ops::random};
constexpr operator_schema view_of_nothing{"test.view_of_nothing", 0, 1, one, ops::view};

constexpr inferred twice_the_same(const infer_args& in) {
  inferred both;
  for (int i = 0; i < 2; ++i) both.outputs.push_back(in.operands[0]);
  return both;
}
constexpr operator_schema checked_view{"test.checked_view", 1, 1, same, ops::view | ops::effect};
constexpr operator_schema view_and_more{"test.view_and_more", 1, 1, twice_the_same, ops::view};

template <class F>
bound_kernel elementwise(const bind_args& b, F f) {
  bound_kernel k;
  k.run = [f, n = b.inputs[0].size](const kernel_call& call) {
    for (std::int64_t i = 0; i < n; ++i)
      static_cast<float*>(call.out[0])[i] = f(static_cast<const float*>(call.in[0])[i], i);
  };
  return k;
}

// Works a factor out with a session of its own while it is bound.
bound_kernel bind_scaled(const bind_args& b) {
  Graph inner;
  const float factor = evaluate(constant(inner, Array::scalar(2.0f))).item<float>();
  return elementwise(b, [factor](float x, std::int64_t) { return factor * x; });
}

bound_kernel bind_plus_table(const bind_args& b) {
  const Array table = b.graph.constant(b.attributes.integer("table"));
  return elementwise(b, [table](float x, std::int64_t i) { return x + table.span<float>()[i]; });
}

bound_kernel bind_ticks(const bind_args&) {
  bound_kernel k;
  k.run = [](const kernel_call& call) {
    static float count = 0;
    *static_cast<float*>(call.out[0]) = ++count;
  };
  return k;
}

bound_kernel bind_named(const bind_args& b) {
  bound_kernel k = elementwise(b, [](float x, std::int64_t) { return x; });
  k.scratch_bytes = std::string(b.where).size();
  return k;
}

bound_kernel bind_sevens(const bind_args& b) {
  bound_kernel k;
  k.run = [n = b.outputs[0].size](const kernel_call& call) {
    std::fill_n(static_cast<float*>(call.out[0]), n, 7.0f);
  };
  return k;
}

int checks = 0;
bound_kernel bind_checked_view(const bind_args& b) {
  bound_kernel k = elementwise(b, [](float x, std::int64_t) { return x; });
  k.run = [copy = k.run](const kernel_call& call) {
    ++checks;
    copy(call);
  };
  return k;
}

bound_kernel bind_view_and_more(const bind_args& b) {
  bound_kernel k;
  k.run = [n = b.outputs[0].size](const kernel_call& call) {
    const auto* x = static_cast<const float*>(call.in[0]);
    for (std::int64_t i = 0; i < n; ++i) {
      static_cast<float*>(call.out[0])[i] = x[i];
      static_cast<float*>(call.out[1])[i] = -x[i];
    }
  };
  return k;
}

void register_all() {
  static const bool once = [] {
    const std::pair<const operator_schema*, kernel_binding> all[] = {
        {&scaled, bind_scaled},
        {&plus_table, bind_plus_table},
        {&ticks, bind_ticks},
        {&named, bind_named},
        {&sized_by_key, bind_sevens},
        {&view_of_nothing, bind_sevens},
        {&view_and_more, bind_view_and_more},
        {&checked_view, bind_checked_view}};
    for (const auto& [schema, binding] : all) {
      operator_definition d;
      d.schema = schema;
      d.bind = binding;
      register_operator(d);
    }
    return true;
  }();
  (void)once;
}

any_tensor plus(Graph& g, tensor_id x, const Array& table) {
  const tensor_id c = g.add_constant(table);
  attribute_list attributes;
  attributes.set("table", g.attributes_of(c.op).integer("value"), attribute_kind::constant);
  return g.handle({g.add(plus_table, {&x, 1}, attributes), 0});
}

}  // namespace

TEST_CASE("a binding that runs calls of its own leaves plans alone", "[session]") {
  register_all();
  Graph g;
  const any_tensor c = constant(g, Array::from<float>({2}, {5, 6}));
  const any_tensor y = apply<scaled>({}, {}, source_line::now(), exp(c));
  Session session(g);
  const Array before = session.run(y);
  CHECK(session.run(c).same_bits(Array::from<float>({2}, {5, 6})));
  const std::uint64_t plans = session.plans_made();
  CHECK(session.run(y).same_bits(before));
  CHECK(session.plans_made() == plans);
}

TEST_CASE("a constant of an undone transaction is not taken for a later one of its number",
          "[session]") {
  register_all();
  Graph g;
  const auto x = placeholder<float, shape<2>>(g, "x");
  const auto fed = feed(x, Array::from<float>({2}, {0, 0}));
  Session session(g);
  {
    Graph::transaction tried(g);
    const any_tensor y = plus(g, id_of(x), Array::from<float>({2}, {1, 2}));
    CHECK(session.run(y, fed).span<float>()[1] == 2);
  }
  const any_tensor y = plus(g, id_of(x), Array::from<float>({2}, {10, 20}));
  CHECK(session.run(y, fed).span<float>()[1] == 20);
}

TEST_CASE("bodies with sources of a program's own run once each", "[session]") {
  register_all();
  Graph g;
  const auto p = placeholder<bool, shape<>>(g, "p");
  const auto z = placeholder<float, shape<1>>(g, "z");
  const any_tensor y = cond(
      p,
      [&] {
        Graph& body = *g.current_body();
        return body.handle({body.add(ticks, {}), 0}) + z;
      },
      [&] { return any_tensor(z); });
  const any_tensor copy = clone(extract(inputs(p, z), outputs(y)), bind(p, p, z, z))(y);
  Session session(g);
  const auto [first, second] = session.run(std::tuple{y, copy}, feed(p, Array::scalar(true)),
                                           feed(z, Array::from<float>({1}, {0})));
  CHECK(first.item<float>() != second.item<float>());
}

TEST_CASE("a binding that wants more memory for an op alike is refused", "[session]") {
  register_all();
  Graph g;
  const auto x = placeholder<float, shape<2>>(g, "x");
  const any_tensor brief = apply<named>({}, "k", source_line::now(), x);
  const any_tensor lengthy = apply<named>({}, std::string(300, 'k'), source_line::now(), x);
  const auto fed = feed(x, Array::from<float>({2}, {1, 2}));
  Session session(g);
  session.run(brief, fed);
  CHECK(mentions(message_of<unsupported_error>([&] { session.run(lengthy, fed); }),
                 "other scratch memory"));
}

TEST_CASE("what a prepared call gave stays when its inputs change or it fails", "[session]") {
  Graph g;
  const auto x = placeholder<float, shape<1>>(g, "x");
  const any_tensor wide = broadcast_to(any_tensor(x), dims{4}),
                   view = reshape(any_tensor(x), {1, 1});
  Session session(g, {.threads = 1});
  auto call = session.prepare({wide, view, any_tensor(x)}, {x});
  call.input<float>(0)[0] = 3;
  call.run();
  call.input<float>(0)[0] = 100;
  for (std::size_t i = 0; i < 3; ++i) CHECK(call.output<float>(i)[0] == 3);
  bool ran = false;
  for (long at = 0; !ran; ++at) {
    Graph::transaction undone(g);
    g.set_attributes(id_of(wide).op, attribute_list().set("shape", dims{8}));
    ran = failing::allocation(at, [&] { call.run(); });
    REQUIRE(call.output_count() == 3);
    CHECK(call.output<float>(0).size() == (ran ? 8 : 4));
    for (std::size_t i = 0; i < 3; ++i) CHECK(call.output<float>(i)[0] == (ran ? 100 : 3));
    if (ran) CHECK(at >= 20);
  }
  call.run();
  CHECK(call.output<float>(0).size() == 4);
  for (std::size_t i = 0; i < 3; ++i) CHECK(call.output<float>(i)[0] == 100);
}

TEST_CASE("ops whose keys say how much they draw have plans of their own", "[session]") {
  register_all();
  Graph g;
  const auto x = placeholder<float, shape<dyn>>(g, "x");
  const auto drawn = [&](std::int64_t key, std::span<const tensor_id> operands) {
    return g.handle({g.add(sized_by_key, operands, attribute_list().set("key", key)), 0});
  };
  const tensor_id operand = id_of(x);
  const any_tensor two = drawn(2, {}), three = drawn(3, {}), twofold = drawn(2, {&operand, 1}),
                   threefold = drawn(3, {&operand, 1}), also_two = drawn(2, {});
  const auto fed = feed(x, Array(dtype::float32, {4}));
  Session session(g);
  for (int turn = 0; turn < 2; ++turn) {
    CHECK(session.run(two).shape() == dims{2});
    CHECK(session.run(three).shape() == dims{3});
    CHECK(session.run(twofold, fed).shape() == dims{8});
    CHECK(session.run(threefold, fed).shape() == dims{12});
  }
  CHECK(session.plans_made() == 4);
  CHECK(session.run(also_two).same_bits(Array::full<float>({2}, 7)));
}

TEST_CASE("an operator that is a view runs without operands, and with more outputs than one",
          "[session]") {
  register_all();
  Graph g;
  const any_tensor nothing = g.handle({g.add(view_of_nothing, {}), 0});
  const auto x = placeholder<float, shape<2>>(g, "x");
  const tensor_id operand = id_of(x);
  const op_id both = g.add(view_and_more, {&operand, 1});
  Session session(g);
  CHECK(session.run(exp(nothing) * 0.0f + nothing).item<float>() == 7);
  const auto [same, minus] = session.run(std::tuple{g.handle({both, 0}), g.handle({both, 1})},
                                         feed(x, Array::from<float>({2}, {1, 2})));
  CHECK(same.same_bits(Array::from<float>({2}, {1, 2})));
  CHECK(minus.same_bits(Array::from<float>({2}, {-1, -2})));
}

TEST_CASE("a view with an effect runs for it", "[session]") {
  register_all();
  Graph g;
  const auto x = placeholder<float, shape<2>>(g, "x");
  const tensor_id operand = id_of(x);
  const any_tensor y = g.handle({g.add(checked_view, {&operand, 1}), 0}) * 2.0f;
  Session session(g);
  const auto fed = feed(x, Array::from<float>({2}, {1, 2}));
  const int before = checks;
  CHECK(session.run(y, fed).same_bits(Array::from<float>({2}, {2, 4})));
  session.run(y, fed);
  CHECK(checks == before + 2);
}
