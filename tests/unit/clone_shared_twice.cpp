// Clones that share variables with their source, in one other graph.
#include "graft/graft.hpp"

#include "clone_fixture.hpp"

using namespace graft;
using namespace graft_test;

namespace {

struct subject {
  Graph g, h;
  row4 x = input4(g, "x");
  row4 y;
  std::optional<Region> region;
  subject() {
    const row4 a = dense4(x);
    const auto moving =
        make_variable<float, shape<4>>(g, "moving", zeros(), false, variable_role::statistic);
    g.own_update(*g.variable_read_by(id_of(moving)),
                 op_of(assign(moving, moving * 0.5f + mean<axes<0>>(a) * 0.5f)));
    y = sub(a, moving);
    region = extract(inputs(x), outputs(y));
    set_values(g);
  }
};

}  // namespace

TEST_CASE("two shared clones in another graph share its variables", "[edge-25]") {
  subject s;
  const Clone first = clone(*s.region, into(s.h, "first"), variables::shared);
  const std::size_t ops = s.h.op_count();
  const Clone second = clone(*s.region, into(s.h, "second"), variables::shared);
  CHECK(s.h.variables().size() == 3);
  CHECK(second.variables().empty());
  const variable_id w = variable_named(s.g, "dense/w"), moving = variable_named(s.g, "moving");
  CHECK(first(w) == second(w));
  CHECK(first(moving) == second(moving));
  CHECK(second(s.g.variable_of(w).initial) == first(s.g.variable_of(w).initial));
  CHECK(second(s.g.variable_of(moving).own_updates[0]) ==
        first(s.g.variable_of(moving).own_updates[0]));
  CHECK(second.original(s.h.variable_of(second(w)).read) == s.g.variable_of(w).read);
  CHECK(s.h.op_count() - ops == 4);  // x, matmul, add, sub
  first.check();
  second.check();
  s.h.validate();
  for (const source_access& access : second.leak_audit()) CHECK(access.allowed);
  CHECK(to_string(second).find("'dense/w' float32 [4, 4]: shared, 'first/dense/w'") !=
        std::string::npos);

  // An optimiser of both trains each parameter once, and the source's values with it.
  const any_tensor loss = mean(square(first(s.y)) + square(second(s.y)));
  const training_step step = minimize(loss, sgd{.rate = 0.1}, {.own_updates = false});
  CHECK(step.gradients.size() == 2);
  Session session(s.h);
  session.initialize();
  const Array before = s.g.store().get(w);
  Array rows(dtype::float32, {2, 4});
  for (float& e : rows.mutable_span<float>()) e = 1;
  session.run(step, feed(first(s.x), rows), feed(second(s.x), rows));
  CHECK_FALSE(s.g.store().get(w).same_bits(before));
  CHECK(s.g.store().get(w).same_bits(s.h.store().get(first(w))));
}

TEST_CASE("a shared clone beside others keeps to its policy", "[edge-25]") {
  subject s;
  const variable_id w = variable_named(s.g, "dense/w");
  const Clone copied = clone(*s.region, into(s.h, "copied"), variables::copied);
  const Clone first = clone(*s.region, into(s.h, "first"), variables::shared);
  const Clone fresh = clone(*s.region, into(s.h, "fresh"));
  const Clone second =
      clone(*s.region, into(s.h, "second"), variables::by([&](const variable_info& v) {
        return v.id == w ? variables::shared : variables::fresh;
      }));
  CHECK(s.h.variables().size() == 3 + 3 + 3 + 2);
  CHECK(first(w) == second(w));
  CHECK(first(w) != copied(w));
  CHECK(first(w) != fresh(w));
  for (const Clone* c : {&copied, &first, &fresh, &second}) c->check();
  // A variable that is gone is made anew.
  Graph k;
  const Clone gone = clone(*s.region, into(k, "gone"), variables::shared);
  k.erase_ops(gone.nodes());
  CHECK(k.variables().empty());
  const Clone again = clone(*s.region, into(k, "again"), variables::shared);
  CHECK(k.variables().size() == 3);
  again.check();
  // A failure leaves the index of shared variables as it was, too.
  {
    Graph::transaction undo(k);
    (void)clone(*s.region, into(k, "undone"), variables::shared);
  }
  const Clone last = clone(*s.region, into(k, "last"), variables::shared);
  CHECK(last(w) == again(w));
  k.validate();
}
