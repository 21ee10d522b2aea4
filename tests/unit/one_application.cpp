// Regions of one application of a layer whose variables follow from all of them, as those of batch norm do.
#include "ensemble_fixture.hpp"
#include "temporary_file.hpp"

using namespace graft_test;

namespace {

// Two views of one network; what is behind the second one has variables of its own.
struct two_views {
  Graph g;
  row4 x = input4(g), x2 = input4(g, "x2");
  any_tensor h2, y1, y2;
  variable_id mean_of, variance_of;
  Session session{g};
  Array rows = numbers({3, 4}, 0.3f);

  two_views() {
    const auto norm = batch_norm().momentum(0.75).shared("norm");
    const auto last = dense<4>.shared("last");
    const row4 behind = dense4(x2, "behind");
    h2 = behind;
    y1 = tanh(last(norm(x)));
    y2 = tanh(last(norm(behind)));
    mean_of = variable_named(g, "batch_norm/moving_mean");
    variance_of = variable_named(g, "batch_norm/moving_variance");
    session.initialize();
  }
  std::vector<Array> statistics(Session& s, variable_id mean, variable_id variance) const {
    return {s.value(mean), s.value(variance)};
  }
};

// What one run of the updates makes of the first statistics, from a batch alone.
std::vector<Array> moved_by(const Array& batch) {
  Graph g;
  const row4 x = input4(g);
  const any_tensor y = batch_norm().momentum(0.75)(x);
  Session session(g);
  session.initialize();
  session.run(updates_of(y), feed(x, batch));
  return {session.value(variable_named(g, "batch_norm/moving_mean")),
          session.value(variable_named(g, "batch_norm/moving_variance"))};
}

void check_same(const std::vector<Array>& a, const std::vector<Array>& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i].same_bits(b[i]));
}

}  // namespace

TEST_CASE("one of two applications of a layer is cut out", "[extract][updates][edge-10][edge-11]") {
  two_views n;
  const auto before = n.g.digest();
  const Region one = extract(inputs(n.x), outputs(n.y1));
  const Region two = extract(inputs(n.x2), outputs(n.y2));
  CHECK(n.g.digest() == before);
  // What the layer takes elsewhere is kept, and nothing behind it is inside.
  CHECK(one.inputs() == ids(n.x));
  CHECK(one.kept() == ids(n.h2));
  CHECK_FALSE(one.contains(op_of(n.h2)));
  CHECK_FALSE(one.contains(variable_named(n.g, "behind/w")));
  CHECK(one.variables().size() == 6);
  CHECK(mentions(to_string(one), "kept sources"));
  CHECK(two.inputs() == ids(n.x2));
  CHECK(two.kept() == ids(n.x));
  CHECK(two.variables().size() == 8);

  for (const bool first : {true, false}) {
    const auto z = input4(n.g, "z");
    const any_tensor y = first ? n.y1 : n.y2;
    const Clone copy = first ? clone(one, bind(n.x, z), variables::copied)
                             : clone(two, bind(n.x2, z), variables::copied);
    copy.check();
    const Array wanted =
        first ? n.session.run(y, feed(n.x, n.rows)) : n.session.run(y, feed(n.x2, n.rows));
    CHECK(n.session.run(copy(y), feed(z, n.rows)).same_bits(wanted));
    // Its statistics move by its own input, and those of the source stay.
    const auto theirs = n.statistics(n.session, n.mean_of, n.variance_of);
    n.session.run(updates_of(copy(y)), feed(z, n.rows));
    check_same(n.statistics(n.session, n.mean_of, n.variance_of), theirs);
    const Array batch = first ? n.rows : n.session.run(n.h2, feed(n.x2, n.rows));
    check_same(n.statistics(n.session, copy(n.mean_of), copy(n.variance_of)), moved_by(batch));
    const training_step step = minimize(mean(square(copy(y))), sgd{0.1});
    n.session.initialize();
    n.session.run(step, feed(z, n.rows));
  }
  n.g.validate();
}

TEST_CASE("a clone that shares statistics is cut out", "[extract][updates]") {
  Graph g;
  const row4 x = input4(g), x2 = input4(g, "x2"), x3 = input4(g, "x3");
  const any_tensor y = tanh(batch_norm().momentum(0.75)(x));
  const auto policy = GENERATE(variable_policy::shared, variable_policy::linked);
  const Clone first = clone(extract(inputs(x), outputs(y)), bind(x, x2), policy);
  const any_tensor theirs = first(y);
  const Region region = extract(inputs(x2), outputs(theirs));
  CHECK(region.kept() == ids(x));
  const Clone copy = clone(region, bind(x2, x3));
  copy.check();
  Session session(g);
  session.initialize();
  const Array rows = numbers({3, 4}, 0.3f);
  session.run(updates_of(copy(theirs)), feed(x3, rows));
  check_same({session.value(copy(variable_named(g, "batch_norm/moving_mean"))),
              session.value(copy(variable_named(g, "batch_norm/moving_variance")))},
             moved_by(rows));
}

TEST_CASE("one of two applications of a layer in other graphs and files", "[extract][updates]") {
  two_views n;
  const Region one = extract(inputs(n.x), outputs(n.y1));
  const Array wanted = n.session.run(n.y1, feed(n.x, n.rows));
  Graph h;
  const Clone there = clone(one, into(h, "copy"), variables::copied);
  there.check();
  Session other(h);
  CHECK(other.run(there(n.y1), feed(there(n.x), n.rows)).same_bits(wanted));
  other.run(updates_of(there(n.y1)), feed(there(n.x), n.rows));
  check_same(n.statistics(other, there(n.mean_of), there(n.variance_of)), moved_by(n.rows));

  const temporary_file file;
  save_region(file.path, one);
  Graph q;
  const loaded_region loaded = load_region(q, file.path);
  Session third(q);
  const any_tensor in = q.handle(loaded.region.inputs()[0]),
                   out = q.handle(loaded.region.outputs()[0]);
  CHECK(third.run(out, feed(in, n.rows)).same_bits(wanted));
  third.run(updates_of(out), feed(in, n.rows));
}

TEST_CASE("members of an ensemble of one application of a layer", "[extract][ensemble][updates]") {
  two_views n;
  const Ensemble many =
      ensemble(extract(inputs(n.x), outputs(n.y1)), 2, bind(n.x, n.x), variables::copied);
  n.g.validate();
  const Array all = n.session.run(many(n.y1), feed(n.x, n.rows));
  check_close(all.rows(1, 2).reshaped({3, 4}), n.session.run(n.y1, feed(n.x, n.rows)));
  n.session.run(updates_of(many.detach(1, bind(n.x, n.x))(n.y1)), feed(n.x, n.rows));
  // Statistics of all members move by what the application that is inside takes.
  n.session.run(updates_of(many(n.y1)), feed(n.x, n.rows));
  const std::vector<Array> wanted = moved_by(n.rows);
  const std::vector<Array> moved = n.statistics(n.session, many(n.mean_of), many(n.variance_of));
  for (std::int64_t i = 0; i < 2; ++i) {
    check_close(moved[0].rows(i, i + 1).reshaped({4}), wanted[0]);
    check_close(moved[1].rows(i, i + 1).reshaped({4}), wanted[1]);
  }
}

TEST_CASE("an ensemble of both applications is trained through one or both",
          "[ensemble][updates]") {
  two_views n;
  const Region both = extract(inputs(n.x, n.x2), outputs(n.y1, n.y2));
  const Ensemble many = ensemble(both, 2, bind(n.x, n.x, n.x2, n.x2));
  const auto clones = replicate(both, 2, bind(n.x, n.x, n.x2, n.x2), into("single"));
  n.session.initialize();
  many.scatter_from(clones);
  const auto check_members = [&] {
    for (std::int64_t i = 0; i < 2; ++i) {
      for (const variable_id v : {n.mean_of, n.variance_of}) {
        check_close(n.session.value(many(v)).rows(i, i + 1).reshaped({4}),
                    n.session.value(clones[static_cast<std::size_t>(i)](v)));
      }
    }
  };
  const Array other = numbers({3, 4}, -0.8f);
  for (const any_tensor& y : {n.y2, n.y1}) {
    const auto fed = y.ref() == n.y1.ref() ? feed(n.x, n.rows) : feed(n.x2, other);
    const update_group updates = updates_of(many(y));
    CHECK(updates.assigns().size() == 2);
    n.session.run(updates, fed);
    for (const Clone& c : clones) n.session.run(updates_of(c(y)), fed);
    check_members();
    // Asked again, it is there.
    const std::size_t ops = n.g.op_count();
    CHECK(updates_of(many(y)).assigns() == updates.assigns());
    CHECK(n.g.op_count() == ops);
  }
  n.session.run(updates_of(many(n.y1) + many(n.y2)), feed(n.x, n.rows), feed(n.x2, other));
  for (const Clone& c : clones) {
    n.session.run(updates_of(c(n.y1) + c(n.y2)), feed(n.x, n.rows), feed(n.x2, other));
  }
  check_members();
  n.g.validate();
}

TEST_CASE("what an output itself needs is no part of other applications", "[extract][updates]") {
  two_views n;
  const auto m = input4(n.g, "m");
  const any_tensor y = n.y1 * any_tensor(m);
  const std::string text =
      message_of<boundary_error>([&] { (void)extract(inputs(n.x), outputs(y)); });
  INFO(text);
  CHECK(mentions(text, "'m'"));
  CHECK_FALSE(mentions(text, "'x2'"));
  // An input that both applications take is needed by the one that is inside.
  Graph g;
  const auto x = input4(g);
  const auto norm = batch_norm().shared("norm");
  const any_tensor a = norm(x), b = norm(x);
  CHECK_THROWS_AS(extract(inputs(), outputs(a)), boundary_error);
  CHECK(extract(inputs(x), outputs(b)).kept().empty());
  // Choices for what is open stay as they are, and so does an input that is named.
  CHECK(extract(inputs(n.x), outputs(n.y1), leaks::keep).kept() == ids(n.x2));
  CHECK(extract(inputs(n.x), outputs(n.y1), leaks::lift).inputs() == ids(n.x, n.x2));
  CHECK(extract(inputs(n.x, n.x2), outputs(n.y1)).kept().empty());
  CHECK(extract(inputs(n.x, n.h2), outputs(n.y1)).kept().empty());
}
