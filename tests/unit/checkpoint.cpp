// Training that is broken off and goes on.
#include "graft/io/checkpoint.hpp"

#include <thread>

#include "graft/graft.hpp"

#include "clone_fixture.hpp"
#include "failing_allocations.hpp"
#include "io/tensor_file.hpp"
#include "temporary_file.hpp"

using namespace graft_test;

namespace {

// Everything that has a state: batch norm, dropout, optimiser slots, counters, a schedule.
struct trainer {
  Graph g;
  tensor<Graph, dtype::float32, shape<dyn, 6>> x = placeholder<float, shape<dyn, 6>>(g, "x");
  any_tensor y;
  training_step step;
  Session session;
  batches data;

  explicit trainer(std::uint64_t seed = 3,
                   optimizer rule = adam{.rate = warmup(0.05, 3, cosine_decay(0.05, 8))})
      : session(g, {.threads = 1, .seed = seed}), data({inputs()}, 8, 11) {
    y = dense<2>(dropout<>(batch_norm(relu(dense<9>(x))), 0.3));
    step = minimize(mean(square(y)), rule, {.clip_norm = 1});
  }
  static Array inputs() {
    Array a(dtype::float32, {40, 6});
    float v = 0.9f;
    for (float& e : a.mutable_span<float>()) e = v, v = v * -0.97f + 0.05f;
    return a;
  }
  // Steps first, first + 1, ..., last - 1 of an endless walk over the data.
  void train(std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      data.start(static_cast<std::uint64_t>(i / data.count()), i % data.count());
      REQUIRE(data.next());
      session.run(step, feed(x, data[0]));
    }
  }
};

void check_equal(const trainer& a, const trainer& b) {
  const auto left = a.g.variables(), right = b.g.variables();
  REQUIRE(left.size() == right.size());
  for (std::size_t i = 0; i < left.size(); ++i) {
    INFO(a.g.path_of(left[i]));
    CHECK(a.g.store().get(left[i]).same_bits(b.g.store().get(right[i])));
  }
}

template <class Error>
std::string refusal(trainer& t, const std::string& path) {
  const std::uint64_t before = t.g.digest();
  std::string message = message_of<Error>([&] { (void)load_checkpoint(t.session, path); });
  CHECK(t.g.digest() == before);
  return message;
}

}  // namespace

TEST_CASE("five steps, a checkpoint and five more are ten steps, bit by bit", "[checkpoint]") {
  const optimizer rules[] = {adam{.rate = warmup(0.05, 3, cosine_decay(0.05, 8))},
                             momentum{.rate = 0.01, .nesterov = true},
                             rmsprop{},
                             adagrad{},
                             adamw{},
                             sgd{0.01}};
  for (const optimizer& rule : rules) {
    const temporary_file file;
    trainer straight(3, rule);
    straight.session.initialize();
    straight.train(0, 10);
    {
      trainer first(3, rule);
      first.session.initialize();
      first.train(0, 5);
      save_checkpoint(first.session, file.path, {{"step", "5"}});
    }
    trainer second(3, rule);
    const checkpoint_info info = load_checkpoint(second.session, file.path);
    CHECK(info.seed == 3);
    second.train(std::stoi(info.note("step")), 10);
    check_equal(straight, second);
  }
}

TEST_CASE("a checkpoint undoes what came after it", "[checkpoint]") {
  const temporary_file file;
  trainer t, other;
  t.session.initialize();
  other.session.initialize();
  save_checkpoint(t.session, file.path);
  t.train(0, 7);
  load_checkpoint(t.session, file.path);
  check_equal(t, other);
}

TEST_CASE("without the streams and slots the steps would differ", "[checkpoint]") {
  const temporary_file file;
  trainer straight, second;
  straight.session.initialize();
  straight.train(0, 5);
  save_checkpoint(straight.session, file.path);
  second.session.initialize();
  // Values alone: parameters and statistics.
  std::vector<variable_id> some;
  for (const variable_id v : second.g.variables()) {
    const variable_role role = second.g.variable_of(v).role;
    if (role == variable_role::parameter || role == variable_role::statistic) some.push_back(v);
  }
  const load_report report =
      load_variables(second.g, file.path, {.strict = false, .variables = some});
  CHECK(report.loaded.size() == some.size());
  CHECK_FALSE(report.unexpected.empty());
  straight.train(5, 6);
  second.train(5, 6);
  const variable_id same = *straight.g.find_variable(second.g.path_of(some[0]));
  CHECK_FALSE(straight.session.value(same).same_bits(second.session.value(some[0])));
}

TEST_CASE("variables without a value come back without one", "[checkpoint]") {
  const temporary_file file;
  trainer t;
  const auto extra = make_variable<float, shape<2>>(t.g, "extra", ones());
  const variable_id v = *t.g.variable_read_by(t.g.id(extra));
  save_checkpoint(t.g, file.path);
  t.session.initialize();
  CHECK(t.session.run(extra).size() == 2);
  CHECK_FALSE(load_checkpoint(t.g, file.path).seed.has_value());
  CHECK_FALSE(t.g.store().initialized(v));
  CHECK_THROWS_AS(t.session.run(extra), uninitialized_error);
  t.session.initialize();
  CHECK(t.session.value(v).at<float>({1}) == 1);
}

TEST_CASE("notes", "[checkpoint]") {
  const temporary_file file;
  trainer t;
  save_checkpoint(t.session, file.path,
                  {{"epoch", "12"}, {"", "quotes \" and \n lines"}, {"graft.checkpoint", "x"}});
  const checkpoint_info info = read_checkpoint_info(file.path);
  CHECK(info.seed == 3);
  CHECK(info.note("epoch") == "12");
  CHECK(info.note("").starts_with("quotes"));
  CHECK(info.note("graft.checkpoint") == "x");
  CHECK(info.note("loss", "unknown") == "unknown");
  const std::string before = file.bytes();
  CHECK(mentions(message_of<name_error>(
                     [&] { save_checkpoint(t.session, file.path, {{"a", "1"}, {"a", "2"}}); }),
                 "twice"));
  CHECK_THROWS_AS(save_checkpoint(t.session, file.path, {{"a", "\xff"}}), name_error);
  CHECK(file.bytes() == before);
}

TEST_CASE("checkpoints of something else are refused and change nothing", "[checkpoint]") {
  const temporary_file file;
  trainer t;
  t.session.initialize();
  save_checkpoint(t.session, file.path);
  SECTION("another seed") {
    trainer other(4);
    CHECK(mentions(refusal<argument_error>(other, file.path), "{.seed = 3}"));
    (void)load_checkpoint(other.g, file.path);
    check_equal(t, other);
  }
  SECTION("another optimiser") {
    trainer other(3, momentum{.rate = 0.1});
    const std::string message = refusal<name_error>(other, file.path);
    CHECK(mentions(message, "velocity"));
    CHECK(mentions(message, "adam_m"));
  }
  SECTION("a variable more") {
    (void)make_variable<float, shape<2>>(t.g, "extra", ones());
    CHECK(mentions(refusal<name_error>(t, file.path), "1 missing: 'extra'"));
  }
  SECTION("another shape under the same name") {
    Graph g, wider;
    (void)make_variable<float, shape<2>>(g, "w", ones());
    const auto w = make_variable<float, shape<3>>(wider, "w", ones());
    Session(g).initialize();
    save_checkpoint(g, file.path);
    CHECK_THROWS_AS(load_checkpoint(wider, file.path), shape_error);
    CHECK_FALSE(wider.store().initialized(*wider.variable_read_by(wider.id(w))));
  }
  SECTION("another role under the same name") {
    Graph g, other;
    (void)make_variable<float, shape<2>>(g, "w", ones());
    variable_spec spec;
    spec.name = "w";
    spec.type = value_type::of(dtype::float32, {2});
    spec.initial = zeros().make(dtype::float32, {2});
    spec.role = variable_role::slot;
    (void)other.add_variable(spec);
    save_checkpoint(g, file.path);
    CHECK(mentions(message_of<name_error>([&] { (void)load_checkpoint(other, file.path); }),
                   "is a slot here and was a parameter"));
  }
  SECTION("values only") {
    save_variables(t.g, file.path);
    CHECK(mentions(refusal<io_error>(t, file.path), "values only"));
  }
  SECTION("a structure that is none") {
    for (const char* text :
         {"", "7", "{}", "{\"version\":1}", "{\"version\":\"1\",\"roles\":{}}",
          "{\"version\":2,\"roles\":{}}", "{\"version\":1,\"roles\":[]}",
          "{\"version\":1,\"roles\":{\"a\":1}}", "{\"version\":1,\"seed\":-1,\"roles\":{}}",
          "{\"version\":1,\"version\":1,\"roles\":{}}"}) {
      io::write_tensor_file(file.path, {{}, {{"graft.checkpoint", text}}});
      INFO(text);
      CHECK(mentions(refusal<io_error>(t, file.path), "as a checkpoint"));
    }
    io::write_tensor_file(file.path, {{{"a", Array::scalar<float>(1)}},
                                      {{"graft.checkpoint", "{\"version\":1,\"roles\":{}}"}}});
    CHECK(mentions(refusal<io_error>(t, file.path), "not in its list"));
  }
  SECTION("damage") {
    const std::string whole = file.bytes();
    for (std::size_t at = 0; at < whole.size(); at += 41) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ 4);
      file.write(bytes);
      refusal<io_error>(t, file.path);
      file.write(whole.substr(0, at));
      refusal<io_error>(t, file.path);
    }
  }
}

TEST_CASE("a checkpoint beside training has the values of one moment", "[checkpoint][threads]") {
  Graph g;
  const auto a = make_variable<float, shape<1000>>(g, "a", zeros());
  const auto b = make_variable<float, shape<1000>>(g, "b", zeros());
  const training_step step = minimize(sum(a) + sum(b), sgd{1.0});
  Session session(g, {.threads = 1});
  session.initialize();
  const temporary_file file;
  std::thread training([&] {
    for (int i = 0; i < 300; ++i) session.run(step);
  });
  bool torn = false;
  for (int i = 0; i < 30; ++i) {
    save_checkpoint(session, file.path);
    const named_arrays found = read_safetensors(file.path);
    torn = torn || found[0].second.at<float>({0}) != found[1].second.at<float>({999});
    torn = torn || -static_cast<float>(found[2].second.item<std::int64_t>()) !=
                       found[0].second.at<float>({5});
  }
  training.join();
  CHECK_FALSE(torn);
}

TEST_CASE("checkpoints of sixteen times as many variables ask for sixteen times as much memory") {
  const auto asked = [](int count) {
    Graph g;
    for (int i = 0; i < count; ++i)
      (void)make_variable<float, shape<2>>(g, "layer_" + std::to_string(i) + "_kernel", zeros());
    set_values(g);
    const temporary_file file;
    const failing::cost save = failing::cost_of([&] { save_checkpoint(g, file.path); });
    return std::pair(save, failing::cost_of([&] { load_checkpoint(g, file.path); }));
  };
  const auto few = asked(1000), many = asked(16000);
  for (const auto& [more, less] :
       {std::pair(many.first, few.first), std::pair(many.second, few.second)}) {
    CHECK(more.allocations < 20 * less.allocations);
    CHECK(more.bytes < 24 * less.bytes);
  }
}
