// Every operation that changes values of variables, at every one of its allocations: one that fails leaves all
// values bit for bit as they were.
#include "graft/io/checkpoint.hpp"
#include "graft/io/safetensors.hpp"

#include "failure_fixture.hpp"
#include "temporary_file.hpp"

using namespace graft_test;

namespace {

// A clone whose values are none of its source's.
struct cloned : plain_network {
  Clone copy = clone(*region, variables::copied);
  cloned() { set_distinct_values(g, 1000); }
};

// An ensemble and as many clones, every value another.
struct many_networks : plain_network {
  Ensemble many = ensemble(*region, 2, variables::copied);
  std::vector<Clone> clones = replicate(*region, 2, variables::copied);
  many_networks() { set_distinct_values(g, 1000); }
};

// Clones in graphs of their own; the second is in `target`, which is watched.
struct far_networks : plain_network {
  Ensemble many = ensemble(*region, 2, variables::copied);
  Graph other;
  std::vector<Clone> clones{clone(*region, into(other, "first"), variables::copied),
                            clone(*region, into(target, "second"), variables::copied)};
  std::uint64_t other_before;
  far_networks() {
    set_distinct_values(g, 1000);
    set_distinct_values(other, 2000);
    set_distinct_values(target, 3000);
    other_before = other.digest();
  }
};

struct trained : plain_network {
  training_step step = minimize(loss, momentum{.rate = 0.1});
  Session session{g, {.threads = 1, .seed = 1}};
  Array batch = Array::full<float>({2, 4}, 0.25f);
  trained() : plain_network(false) {}  // nothing runs its check
};

template <class Network>
auto made() {
  return [] { return std::make_unique<Network>(); };
}

}  // namespace

TEST_CASE("values of clones move without a trace at any allocation", "[edge-85]") {
  const auto make = made<cloned>();
  CHECK(fail_everywhere("copy_values", 1, make, [](auto& n) { copy_values(n.copy); }));
  CHECK(fail_everywhere("swap_values", 1, make, [](auto& n) { swap_values(n.copy); }));
  CHECK(fail_everywhere("copy_variables", 1, make, [](auto& n) {
    const variable_id from = *n.g.variable_read_by(id_of(n.w));
    copy_variables(n.g, std::vector{std::pair{from, n.copy(from)}});
  }));
  CHECK(fail_everywhere("soft_update", 10, make,
                        [](auto& n) { (void)soft_update(n.copy, {.tau = 0.5}); }));
}

TEST_CASE("values of clones are taken away without a trace at any allocation", "[edge-85]") {
  CHECK(fail_everywhere("reinitialize", 1, made<cloned>(), [](auto& n) { reinitialize(n.copy); }));
  struct half_set : plain_network {
    Clone copy = clone(*region);
    half_set() { g.store().set(copy.variables().front(), Array::full<float>({2, 4}, 3)); }
  };
  CHECK(fail_everywhere("reinitialize what has no value", 1, made<half_set>(),
                        [](auto& n) { reinitialize(n.copy); }));
  struct trained_twice : plain_network {
    training_step step = minimize(loss, momentum{.rate = 0.1});
    Clone copy = clone(extract_training(inputs(x), step));
    trained_twice() { set_distinct_values(g, 1000); }
  };
  CHECK(fail_everywhere("reset_slots", 1, made<trained_twice>(),
                        [](auto& n) { reset_slots(n.copy); }));
}

TEST_CASE("frozen clones thaw without a trace at any allocation", "[edge-85]") {
  struct frozen : plain_network {
    Clone copy = clone(*region, bind(x, x2), variables::frozen);
  };
  CHECK(fail_everywhere("unfreeze", 10, made<frozen>(), [](auto& n) { (void)unfreeze(n.copy); }));
  CHECK(fail_everywhere("unfreeze into another graph", 10, made<frozen>(), [](auto& n) {
    (void)unfreeze(n.copy, into(n.target, "thawed"), variables::copied);
  }));
}

TEST_CASE("values of ensembles move without a trace at any allocation", "[edge-85]") {
  const auto make = made<many_networks>();
  CHECK(fail_everywhere("member", 20, make, [](auto& n) { (void)n.many.member(1); }));
  CHECK(fail_everywhere("detach", 20, make, [](auto& n) { (void)n.many.detach(1); }));
  CHECK(fail_everywhere("scatter_from", 1, make, [](auto& n) { n.many.scatter_from(n.clones); }));
  CHECK(fail_everywhere("gather_to", 1, make, [](auto& n) { n.many.gather_to(n.clones); }));
  CHECK(fail_everywhere("scatter_from other graphs", 1, made<far_networks>(),
                        [](auto& n) { n.many.scatter_from(n.clones); }));
  CHECK(fail_everywhere("gather_to other graphs", 1, made<far_networks>(), [](auto& n) {
    try {
      n.many.gather_to(n.clones);
    } catch (...) {
      if (n.other.digest() != n.other_before) throw std::logic_error("a third graph changed");
      throw;
    }
  }));
}

TEST_CASE("a session changes values without a trace at any allocation", "[edge-85]") {
  CHECK(
      fail_everywhere("initialize", 20, made<trained>(), [](auto& n) { n.session.initialize(); }));
  struct unset : trained {
    Clone copy = clone(*region);
    unset() { set_distinct_values(g, 1000); }
  };
  CHECK(fail_everywhere("an initializer", 20, made<unset>(),
                        [](auto& n) { n.session.run(n.copy.initializer()); }));
  const auto set = [](auto& n) { n.session.set_value(n.w, Array::full<float>({2, 4}, 7)); };
  CHECK(fail_everywhere("set_value", 1, made<trained>(), set));
  struct initialized : trained {
    initialized() { session.initialize(); }
  };
  CHECK(fail_everywhere("a training step", 20, made<initialized>(),
                        [](auto& n) { n.session.run(n.step, feed(n.x, n.batch)); }));
  // The values of one are held elsewhere, and the plan is made: the memory to write to is asked for when all else
  // is done.
  struct held : initialized {
    std::vector<Array> values;
    held() {
      session.run(step, feed(x, batch));
      for (const variable_id v : g.variables()) values.push_back(session.value(v));
    }
  };
  CHECK(fail_everywhere("a training step on shared values", 4, made<held>(),
                        [](auto& n) { n.session.run(n.step, feed(n.x, n.batch)); }));
}

TEST_CASE("values are loaded without a trace at any allocation", "[edge-85]") {
  const temporary_file variables, checkpoint;
  {
    trained n;
    n.session.initialize();
    set_distinct_values(n.g, 5000);
    save_variables(n.g, variables.path);
    save_checkpoint(n.session, checkpoint.path,
                    {{"epoch", "a note that is longer than a short one"}});
  }
  CHECK(fail_everywhere("load_variables", 100, made<trained>(),
                        [&](auto& n) { (void)load_variables(n.g, variables.path); }));
  CHECK(fail_everywhere("load_checkpoint", 100, made<trained>(),
                        [&](auto& n) { (void)load_checkpoint(n.session, checkpoint.path); }));
}
