// What clones cost, in allocations: nothing for values until they are written, and nothing for a graph around the
// region.
#include <algorithm>
#include <limits>

#include "graft/graft.hpp"

#include "clone_fixture.hpp"
#include "failing_allocations.hpp"

using namespace graft_test;

namespace {

constexpr extent side = 256;
constexpr long weight = side * side * sizeof(float);

using failing::cost;
using failing::cost_of;
using wide = tensor<Graph, dtype::float32, shape<dyn, side>>;

// The least of several runs: pools and tables that happen to be full grow in one of them only.
template <class F>
cost least_cost(F&& f) {
  cost least = cost_of(f);
  for (int i = 0; i < 8; ++i) {
    const cost next = cost_of(f);
    least = {std::min(least.allocations, next.allocations), std::min(least.bytes, next.bytes),
             std::min(least.array_bytes, next.array_bytes)};
  }
  return least;
}

// Ten ops amid `around` others.
struct amid {
  Graph g;
  row4 x2 = input4(g, "x2");
  std::optional<row4> x, y;

  explicit amid(int around) {
    row4 h = input4(g, "before");
    for (int i = 0; i < around / 2; ++i) h = relu(h, "before");
    x = h;
    const in_scope inside(g, "net");
    y = tanh(dense4(exp(dense4(tanh(*x)))));
    for (int i = 0; i < around / 2; ++i) h = relu(i == 0 ? *y : h, "after");
  }
};

}  // namespace

TEST_CASE("copied variables take no memory until the first is written", "[edge-87]") {
  Graph g;
  const wide x = placeholder<float, shape<dyn, side>>(g, "x");
  wide y = x;
  std::vector<variable_id> weights;
  for (int i = 0; i < 3; ++i) {
    const auto w = make_variable<float, shape<side, side>>(g, "w", zeros());
    weights.push_back(*g.variable_read_by(id_of(w)));
    g.store().set(weights.back(), Array::full<float>({side, side}, 1));
    y = matmul(y, w);
  }
  const Region region = extract(inputs(x), outputs(y));
  std::optional<Clone> copy;
  const cost cloning = cost_of([&] { copy = clone(region, bind(x, x), variables::copied); });
  CHECK(cloning.array_bytes == 0);
  CHECK(cloning.bytes < weight);  // nor do values hide in other memory

  // A value that is set takes the place of one; one that is changed in place is copied first.
  const variable_id changed = (*copy)(weights[1]);
  const auto read = g.handle(g.variable_of(changed).read);
  const update_group step(
      g, {op_of(assign(tensor<Graph, dtype::float32, shape<side, side>>(read.ref()),
                       tensor<Graph, dtype::float32, shape<side, side>>((read * 2.0f).ref())))});
  Session session(g, {.threads = 1});
  prepared_call call = session.prepare(step);
  const cost first = cost_of([&] { call.run(); });
  CHECK(first.array_bytes >= weight);
  CHECK(first.array_bytes < 2 * weight);
  CHECK(cost_of([&] { call.run(); }).array_bytes == 0);
  CHECK(copy->bytes_owned() == weight);
  CHECK(copy->bytes_shared() == 2 * weight);
  // Taking the source's values again gives the memory back.
  CHECK(cost_of([&] { copy_values(*copy); }).array_bytes == 0);
  CHECK(copy->bytes_owned() == 0);
}

TEST_CASE("the graph around a region costs a clone nothing", "[edge-89][demo-13]") {
  // Halves of whole blocks of ids, so that the region lies in its blocks alike.
  amid small(1024), large(102400);
  const auto whole = [](amid& a) {
    return
        [&a] { (void)clone(extract(inputs(*a.x), outputs(*a.y)), bind(*a.x, a.x2), into("copy")); };
  };
  const cost few = least_cost(whole(small)), many = least_cost(whole(large));
  CHECK(few.allocations > 10);
  CHECK(many.allocations == few.allocations);
  CHECK(many.bytes == few.bytes);
  const auto nested = [](amid& a) {
    return [&a] {
      (void)clone(extract(inputs(*a.x), outputs(*a.y)), bind(*a.x, a.x2), into("some/where"));
    };
  };
  CHECK(least_cost(nested(large)).bytes == least_cost(nested(small)).bytes);
  const auto region_only = [](amid& a) {
    return [&a] { (void)extract(inputs(*a.x), outputs(*a.y)); };
  };
  CHECK(least_cost(region_only(large)).bytes == least_cost(region_only(small)).bytes);
  const auto one_op = [](amid& a) { return [&a] { (void)substitute(*a.y, bind(*a.x, a.x2)); }; };
  CHECK(least_cost(one_op(large)).bytes == least_cost(one_op(small)).bytes);
}

TEST_CASE("what lies before a region costs nothing after edits either", "[edge-89]") {
  // An edit may leave ops stored after what takes them, and then places say nothing about what depends on what.
  struct edited {
    Graph g;
    row4 x = input4(g, "x");
    std::optional<row4> h, y;
    explicit edited(int before) {
      h = x;
      for (int i = 0; i < before; ++i) h = relu(*h);
      y = tanh(dense4(*h));
      const row4 end = exp(*y, "end");
      (void)insert_after(*y, [](const row4& t) { return row4(relu(t).ref()); });
      CHECK(g.operand(op_of(end), 0) != id_of(*y));
    }
  };
  edited small(1024), large(102400);
  const auto cut = [](edited& e) { return [&e] { (void)extract(inputs(*e.h), outputs(*e.y)); }; };
  CHECK(least_cost(cut(large)).bytes == least_cost(cut(small)).bytes);
  // Nor does it cost an edit that might have made a cycle.
  const auto edit = [](edited& e) {
    return [&e] { (void)insert_after(*e.y, [](const row4& t) { return row4(relu(t).ref()); }); };
  };
  CHECK(least_cost(edit(large)).bytes == least_cost(edit(small)).bytes);
  const auto wait = [](edited& e) {
    return [&e] {
      const op_id first = op_of(tanh(*e.y)), second = op_of(exp(e.x));
      add_control_edges(e.g, {first}, second);
    };
  };
  CHECK(least_cost(wait(large)).bytes == least_cost(wait(small)).bytes);
}

TEST_CASE("a clone asks for no more memory for each op the more there are", "[edge-89]") {
  const auto each = [](int ops) {
    Graph g;
    const auto x = input4(g, "x");
    row4 y = x;
    for (int i = 0; i < ops; ++i) y = i % 2 == 0 ? row4(relu(y)) : row4(tanh(y));
    const Region region = extract(inputs(x), outputs(y));
    const cost c = least_cost([&] { (void)clone(region, bind(x, x), into("copy")); });
    return std::pair{static_cast<double>(c.allocations) / ops, static_cast<double>(c.bytes) / ops};
  };
  const auto few = each(1000), many = each(100000);
  CHECK(many.first <= few.first);
  CHECK(many.second <= 1.1 * few.second);
  CHECK(many.first < 0.1);  // pools, not ops, are what is allocated
}

TEST_CASE("what was removed costs a graph nothing", "[edge-89]") {
  // The same small graph, after few and after many clones have come and gone.
  struct used {
    Graph g;
    row4 x = input4(g, "x");
    row4 y = dense4(relu(dense4(x)));
    Region region = extract(inputs(x), outputs(y));
    explicit used(int rounds) {
      for (int i = 0; i < rounds; ++i) come_and_go();
      set_values(g);
    }
    void come_and_go() {
      const Clone copy = clone(region);
      g.erase_ops(copy.nodes());
    }
  };
  used young(64), old(4096);
  CHECK(old.g.op_count() == young.g.op_count());
  CHECK(old.g.digest() == young.g.digest());
  const auto digest = [](used& u) { return [&u] { (void)u.g.digest(); }; };
  CHECK(least_cost(digest(old)).bytes == least_cost(digest(young)).bytes);
  const auto removal = [](used& u) {
    long least = std::numeric_limits<long>::max();
    for (int i = 0; i < 8; ++i) {
      const std::vector<op_id> gone = clone(u.region).nodes();
      least = std::min(least, long{cost_of([&] { u.g.erase_ops(gone); }).bytes});
    }
    return least;
  };
  CHECK(removal(old) <= removal(young));
}
