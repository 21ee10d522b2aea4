// Control edges from outside a region: dropped, kept, refused, or led to another op.
#include "graft/graft.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

namespace {

// y = exp(tanh(x)), where the tanh waits for `guard` and `late`, and the exp for the placeholder x.
struct guarded {
  Graph g;
  row4 x = input4(g, "x"), x2 = input4(g, "x2"), other = input4(g, "other");
  row4 guard = relu(other, "guard"), late = tanh(other, "late");
  row4 h = tanh(x, "h"), y = exp(h, "y");
  guarded() {
    g.add_control_edge(op_of(guard), op_of(h));
    g.add_control_edge(op_of(late), op_of(h));
    g.add_control_edge(op_of(x), op_of(y));
  }
  [[nodiscard]] Region region() const { return extract(inputs(x), outputs(y)); }
};

std::vector<op_id> sorted(std::vector<op_id> ops) {
  std::sort(ops.begin(), ops.end());
  return ops;
}

}  // namespace

TEST_CASE("edges from outside are dropped, and the account says so", "[clone][edge-19]") {
  guarded s;
  const Clone copy = clone(s.region(), bind(s.x, s.x2));
  CHECK(s.g.control_predecessors(copy(op_of(s.h))).empty());
  CHECK(s.g.control_predecessors(copy(op_of(s.y))).empty());
  const auto& images = copy.control_images();
  REQUIRE(images.size() == 3);
  CHECK((images[0].before == op_of(s.guard) && images[0].after == op_of(s.h)));
  CHECK((images[1].before == op_of(s.late) && images[1].after == op_of(s.h)));
  CHECK((images[2].before == op_of(s.x) && images[2].after == op_of(s.y)));
  for (const control_image& c : images) CHECK_FALSE(c.image.valid());
  CHECK(mentions(to_string(copy), "  'h' waits for 'guard', its copy for nothing of that\n"));
  // The guard is not part of the clone, and may go without it.
  s.g.remove_control_edge(op_of(s.guard), op_of(s.h));
  s.g.erase_ops(ops_of({s.guard}));
  s.g.validate();
  CHECK(mentions(to_string(copy), "'late'"));
}

TEST_CASE("edges from outside are kept on request within a graph", "[clone][edge-19]") {
  guarded s;
  const Clone copy = clone(s.region(), bind(s.x, s.x2), control_in::keep);
  CHECK(sorted(s.g.control_predecessors(copy(op_of(s.h)))) == ops_of({s.guard, s.late}));
  // What makes an input is waited for in the image of the input.
  CHECK(s.g.control_predecessors(copy(op_of(s.y))) == ops_of({s.x2}));
  copy.check();
  s.g.validate();
  CHECK(mentions(to_string(copy), "  'h' waits for 'guard', its copy for 'guard'\n"));
  CHECK(mentions(to_string(copy), "  'y' waits for 'x', its copy for 'x2'\n"));
  const Clone apart = clone(s.region(), control_in::keep);  // on a placeholder of its own
  CHECK(s.g.control_predecessors(apart(op_of(s.y))) == std::vector<op_id>{apart(id_of(s.x)).op});
  const Clone same = clone(s.region(), unbound::keep, control_in::keep);
  CHECK(s.g.control_predecessors(same(op_of(s.y))) == ops_of({s.x}));
  // Clones of clones and copies of the affected part wait as well.
  const Clone next = clone(extract(inputs(s.x2), outputs(copy(s.y))), control_in::keep);
  CHECK(s.g.control_predecessors(next(copy(op_of(s.h)))).size() == 2);
  s.g.validate();
}

TEST_CASE("an update that a network waits for runs with a clone that waits, too",
          "[clone][edge-19]") {
  Graph g;
  const auto x = placeholder<float, shape<4>>(g, "x");
  const auto steps = make_variable<float, shape<>>(g, "steps", zeros());
  const auto count = assign(steps, steps + 1.0f);
  const auto y = tanh(x, "y");
  g.add_control_edge(op_of(count), op_of(y));
  const Region region = extract(inputs(x), outputs(y));
  const Clone dropped = clone(region, bind(x, x)),
              kept = clone(region, bind(x, x), control_in::keep);
  Session session(g);
  session.initialize();
  const auto value = feed(x, Array::full<float>({4}, 1.0f));
  const auto counted = [&] {
    return session.value(*g.variable_read_by(id_of(steps))).at<float>({});
  };
  session.run(y, value);
  CHECK(counted() == 1);
  session.run(dropped(y), value);
  CHECK(counted() == 1);
  session.run(kept(y), value);
  CHECK(counted() == 2);
  // What runs with it is listed, and as it was asked for.
  CHECK(dropped.leak_audit().empty());
  const auto audit = kept.leak_audit();
  REQUIRE(audit.size() == 2);
  const variable_id v = *g.variable_read_by(id_of(steps));
  CHECK((audit[0].op == op_of(steps) && audit[1].op == op_of(count)));
  for (const source_access& a : audit) CHECK((a.variable == v && a.allowed));
  kept.check();
}

TEST_CASE("what bound control edges make run is listed, the clone's own is not",
          "[clone][edge-19][edge-88]") {
  guarded s;
  const auto w = make_variable<float, shape<4>>(s.g, "w", ones());
  const row4 other = row4(add(s.x2, w).ref()), before = relu(other, "before"),
             later = exp(s.x2 * w, "later");
  s.g.add_control_edge(op_of(later), op_of(before));
  // On `other`, which the caller bound: what makes it is the caller's.
  const Clone copy = clone(s.region(), bind(s.x, other), bind_control(s.guard, before));
  const auto audit = copy.leak_audit();
  REQUIRE(audit.size() == 1);
  CHECK(audit[0].op == op_of(w));
  CHECK(audit[0].allowed);
  CHECK(clone(s.region(), bind(s.x, other)).leak_audit().empty());
}

TEST_CASE("edges that cannot be kept are an error that names them", "[clone][edge-19]") {
  guarded s;
  Graph there;
  const std::string text = message_of<boundary_error>(
      [&] { (void)clone(s.region(), into(there, "copy"), control_in::keep); });
  INFO(text);
  CHECK(mentions(text, "'h' waits for 'guard', 'h' waits for 'late'"));
  CHECK(mentions(text, "bind_control(op, other)"));
  CHECK_FALSE(mentions(text, "'y'"));  // x has an image
  CHECK(there.op_count() == 0);
  CHECK(there.scope_count() == 1);
  const auto digest = s.g.digest();
  const std::string refused =
      message_of<boundary_error>([&] { (void)clone(s.region(), control_in::error); });
  CHECK(mentions(refused, "'y' waits for 'x'"));
  CHECK(s.g.digest() == digest);
  // Without edges there is nothing to refuse.
  const Region clear = extract(inputs(s.x), outputs(tanh(s.x)));
  CHECK(clone(clear, control_in::error).control_images().empty());
  CHECK(clone(clear, into(there, "clear"), control_in::keep).control_images().empty());
}

TEST_CASE("ops that are waited for are bound to others", "[clone][edge-19]") {
  guarded s;
  SECTION("in the same graph, the rest as the policy says") {
    const row4 instead = relu(s.x2, "instead");
    const Clone copy = clone(s.region(), bind_control(s.guard, op_of(instead)));
    CHECK(s.g.control_predecessors(copy(op_of(s.h))) == ops_of({instead}));
    CHECK(mentions(to_string(copy), "  'h' waits for 'guard', its copy for 'instead'\n"));
    const Clone both = clone(s.region(), control_in::keep, bind_control(op_of(s.guard), instead));
    CHECK(sorted(s.g.control_predecessors(both(op_of(s.h)))) == sorted(ops_of({instead, s.late})));
    s.g.validate();
  }
  SECTION("several by one: one edge") {
    const Clone copy = clone(s.region(), bind_control(s.guard, s.x2, s.late, s.x2));
    CHECK(s.g.control_predecessors(copy(op_of(s.h))) == ops_of({s.x2}));
    CHECK(copy.control_images().size() == 3);
    s.g.validate();
  }
  SECTION("in another graph") {
    Graph there;
    const row4 a = input4(there, "a");
    const Clone copy = clone(s.region(), into(there, "copy"), control_in::keep,
                             bind_control(s.guard, a), bind_control(s.late, op_of(a)));
    CHECK(there.control_predecessors(copy(op_of(s.h))) == ops_of({a}));
    there.validate();
    CHECK_THROWS_AS(clone(s.region(), into(there, "x"), bind_control(s.guard, s.late)),
                    handle_error);
    CHECK_THROWS_AS(clone(s.region(), into(there, "x"), bind_control(s.guard, op_id{999})),
                    handle_error);
    CHECK_THROWS_AS(clone(s.region(), into(there, "x"), bind_control(a, a)), handle_error);
  }
  SECTION("what nothing waits for, is inside, or is bound twice is refused") {
    const auto digest = s.g.digest();
    const auto message = [&](const auto&... choices) {
      return message_of<boundary_error>([&] { (void)clone(s.region(), choices...); });
    };
    CHECK(mentions(message(bind_control(s.other, s.x2)), "no op that is copied waits for it"));
    CHECK(mentions(message(bind_control(s.h, s.x2)), "it is an op of the region"));
    CHECK(mentions(message(bind_control(s.guard, s.x2, s.guard, s.x)), "it is replaced twice"));
    CHECK(s.g.digest() == digest);
  }
}

TEST_CASE("edges from what stands for a variable are copied with it", "[clone][edge-19]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto w = make_variable<float, shape<4>>(g, "w", ones());
  const auto y = mul(tanh(x, "h"), w, "y");
  const op_id h = g.operand(op_of(y), 0).op;
  g.add_control_edge(op_of(w), h);
  set_values(g);
  const Region region = extract(inputs(x), outputs(y));
  const Clone frozen = clone(region, variables::frozen);
  CHECK(g.control_predecessors(frozen(h)) == std::vector<op_id>{frozen(id_of(w)).op});
  CHECK(g.control_predecessors(clone(region, variables::shared)(h)) == ops_of({w}));
  CHECK(frozen.control_images().empty());  // an edge inside
  g.validate();
}

TEST_CASE("a clone that is unfrozen waits for what it waited for", "[clone][edge-19]") {
  Graph g;
  const auto x = input4(g, "x"), guard = relu(x, "guard"), instead = exp(x, "instead");
  const auto w = make_variable<float, shape<4>>(g, "w", ones());
  const auto y = mul(x, w, "y");
  g.add_control_edge(op_of(guard), op_of(y));
  set_values(g);
  const Region region = extract(inputs(x), outputs(y));
  const Clone frozen = clone(region, bind(x, x), variables::frozen, bind_control(guard, instead));
  CHECK(g.control_predecessors(unfreeze(frozen)(op_of(y))) == ops_of({instead}));
  CHECK(g.control_predecessors(unfreeze(frozen, bind_control(guard, guard))(op_of(y))) ==
        ops_of({guard}));
  Graph there;
  CHECK(there.control_predecessors(unfreeze(frozen, into(there, ""))(op_of(y))).empty());
  CHECK_THROWS_AS(unfreeze(frozen, into(there, "kept"), control_in::keep), boundary_error);
  g.validate();
}

TEST_CASE("further parameters of split ties wait for what the first waits for",
          "[clone][ties][edge-19]") {
  Graph g;
  const auto x = input4(g, "x"), guard = relu(x, "guard");
  const auto w = make_variable<float, shape<4>>(g, "w", ones());
  const auto y = mul(mul(x, w), w, "y");
  g.add_control_edge(op_of(guard), op_of(w));
  const Clone copy = clone(extract(inputs(x), outputs(y)), ties::split, control_in::keep);
  const auto images = copy.images(*g.variable_read_by(id_of(w)));
  REQUIRE(images.size() == 2);
  for (const variable_id v : images) {
    CHECK(g.control_predecessors(g.variable_of(v).read.op) == ops_of({guard}));
  }
  g.validate();
}

TEST_CASE("ensembles take no choices of control edges") {
  guarded s;
  CHECK_THROWS_AS(ensemble(s.region(), 2, control_in::keep), argument_error);
  CHECK_THROWS_AS(ensemble(s.region(), 2, bind_control(s.guard, s.late)), argument_error);
}
