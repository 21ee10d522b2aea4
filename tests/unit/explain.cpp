// What is said of paths and clones.
#include "graft/surgery/explain.hpp"

#include "graft/dsl/control.hpp"

#include "clone_fixture.hpp"

using namespace graft;
using namespace graft_test;

namespace {

struct subject {
  Graph g;
  row4 x = input4(g, "x");
  row4 z = input4(g, "z");
  row4 y;
  std::vector<variable_id> v;
  subject() {
    g.enter_scope("net");
    const auto w = make_variable<float, shape<4, 4>>(g, "w", glorot_uniform());
    const auto b = make_variable<float, shape<4>>(g, "b", zeros());
    const auto s = make_variable<float, shape<4>>(g, "s", zeros());
    y = relu(matmul(x, w) + b) * s;
    g.leave_scope();
    v = g.variables();
    g.store().set(v[2], Array(dtype::float32, {4}));
  }
};

}  // namespace

TEST_CASE("what is at a path") {
  subject s;
  CHECK(explain(s.g, "net/w") ==
        "'net/w' is a variable of float32 [4, 4]\n"
        "  role: parameter\n"
        "  value: none yet\n"
        "  starts as: 'net/w_initial' (random_uniform)\n"
        "  used by: 'net/matmul'\n");
  CHECK(explain(s.g, "net/matmul") ==
        "'net/matmul' is matmul\n"
        "  takes: 'x' float32 [?, 4], 'net/w' float32 [4, 4]\n"
        "  gives: float32 [?, 4]\n"
        "  used by: 'net/add'\n");
  CHECK(explain(s.g, "net") ==
        "'net' is a scope of 10 ops\n"
        "  variables: 'net/w' float32 [4, 4], 'net/b' float32 [4], 'net/s' float32 [4]\n");
  CHECK(explain(s.g, "net/relu:0") ==
        "'net/relu' is output 0 of 'net/relu' (relu)\n"
        "  type: float32 [?, 4]\n"
        "  used by: 'net/mul'\n");
  CHECK(explain(s.g, "").starts_with("the root is a scope of 12 ops\n"));
}

TEST_CASE("a path that leads nowhere gets the names there are") {
  subject s;
  for (const char* path : {"net/kernel", "net/kernel/deep", "nothing:0", "net/relu:1",
                           "net/relu:", "/", "x:99999999999"}) {
    INFO(path);
    CHECK_THROWS_AS(explain(s.g, path), name_error);
  }
  CHECK(message_of<name_error>([&] { (void)explain(s.g, "net/kernel"); }).find("'net/w'") !=
        std::string::npos);
}

TEST_CASE("what a clone did, path by path") {
  subject s;
  const Clone c = clone(extract(inputs(s.x), outputs(s.y)), bind(s.x, s.z), into("copy"),
                        variables::by([&](const variable_info& v) {
                          if (v.id == s.v[1]) return variable_policy::shared;
                          return v.id == s.v[2] ? variable_policy::frozen : variable_policy::fresh;
                        }));
  const auto second_line = [&](const char* path) {
    const std::string text = explain(c, path);
    const std::size_t first = text.find('\n') + 1;
    return text.substr(first, text.find('\n', first) - first);
  };
  CHECK(second_line("copy/w") == "  clone: fresh, from 'net/w'");
  CHECK(second_line("net/w") == "  clone: fresh, in the clone 'copy/w'");
  CHECK(second_line("net/b") == "  clone: shared, used by clone and source");
  CHECK(second_line("net/s") == "  clone: frozen, in the clone 'copy/s'");
  CHECK(second_line("copy/s") == "  clone: takes the place of variable 'net/s', frozen");
  CHECK(second_line("copy/matmul") == "  clone: a copy of 'net/matmul'");
  CHECK(second_line("net/matmul") == "  clone: copied to 'copy/matmul'");
  CHECK(second_line("net/s_initial") == "  clone: not needed there");
  CHECK(second_line("net/b_initial") == "  clone: shared, not copied");
  CHECK(second_line("x") == "  clone: an input, replaced by 'z'");
  CHECK(second_line("z") == "  clone: takes the place of 'x'");
  CHECK(second_line("copy").starts_with("  in the clone of "));
  CHECK(second_line("net") == "  clone: no part of it, nor of what was cloned");
  CHECK_THROWS_AS(explain(c, "copy/x"), name_error);
  CHECK(explain(c, "copy/w").find("  cloned from: 'net/w'\n") != std::string::npos);
}

TEST_CASE("the account of a clone", "[edge-94]") {
  subject s;
  const Region region = extract(inputs(s.x), outputs(s.y));
  const auto policies = [&](const variable_info& v) {
    if (v.id == s.v[1]) return variable_policy::shared;
    return v.id == s.v[2] ? variable_policy::frozen : variable_policy::fresh;
  };
  const Clone c = clone(region, bind(s.x, s.z), into("copy"), variables::by(policies));
  CHECK(to_string(c) ==
        "clone of 7 ops in 'copy'\n"
        "  input 'x': 'z' float32 [?, 4]\n"
        "  output 'net/mul': 'copy/mul' float32 [?, 4]\n"
        "  variable 'net/w' float32 [4, 4]: fresh, 'copy/w'\n"
        "  variable 'net/b' float32 [4]: shared\n"
        "  variable 'net/s' float32 [4]: frozen, 'copy/s'\n");
  Graph other, again;
  const std::string there = to_string(clone(region, into(other, "copy")));
  CHECK(there == to_string(clone(region, into(again, "copy"))));
  CHECK(there ==
        "clone of 11 ops in 'copy' of another graph\n"
        "  input 'x': 'copy/x' float32 [?, 4]\n"
        "  output 'net/mul': 'copy/mul' float32 [?, 4]\n"
        "  variable 'net/w' float32 [4, 4]: fresh, 'copy/w'\n"
        "  variable 'net/b' float32 [4]: fresh, 'copy/b'\n"
        "  variable 'net/s' float32 [4]: fresh, 'copy/s'\n");
  // What stays uncut, what has a given value, and what rules make.
  const auto mask = input4(s.g, "mask"), side = input4(s.g, "side");
  const auto sum_of_all = s.y * mask + side;
  const Region held = extract(inputs(s.x), outputs(sum_of_all),
                              given(mask, Array::full<float>({1, 4}, 2)), leaks::keep);
  const std::string account = to_string(clone(
      held, bind(s.x, s.z), into("held"), variables::shared,
      each_op([&](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
        if (op.schema->name != "add") return std::nullopt;
        return std::vector<any_tensor>{op.outputs[0] *
                                       make_variable<float, shape<4>>(*op.graph, "gain", ones())};
      })));
  CAPTURE(account);
  CHECK(account.find("  kept 'mask': 'held/mask' float32 [1, 4]\n") != std::string::npos);
  CHECK(account.find("  kept 'side': itself\n") != std::string::npos);
  CHECK(account.find("  variable made by a rule: 'held/gain' float32 [4]\n") != std::string::npos);
  const Clone split = clone(region, variables::linked);
  CHECK(to_string(split).find("'net/w' float32 [4, 4]: linked") != std::string::npos);
}

TEST_CASE("ops without outputs are accounted for") {
  Graph g;
  const auto x = input4(g);
  g.enter_scope("net");
  const auto h = relu(x), y = tanh(h);
  const op_id guard = g.add(schemas::check, std::vector{id_of(h)}, {}, "guard");
  g.add_control_edge(guard, op_of(y));
  g.leave_scope();
  const Clone copy = clone(extract(inputs(x), outputs(y)), bind(x, x), into("copy"));
  CHECK(mentions(explain(g, "net"), "a scope of 3 ops"));
  CHECK(mentions(explain(copy, "net/guard"), "copied to 'copy/guard'"));
  CHECK(mentions(explain(copy, "copy/guard"), "a copy of 'net/guard'"));
}

TEST_CASE("ops in bodies are found behind the op that has the body") {
  Graph g;
  const auto p = placeholder<bool, shape<>>(g, "p");
  const auto x = placeholder<float, shape<2, 4>>(g, "x");
  const auto xs = placeholder<float, shape<3, 2, 4>>(g, "xs");
  g.enter_scope("net");
  const auto [last, all] = scan(x, xs, [&](auto s, auto e) {
    const auto next = cond(p, [&] { return tanh(s); }, [&] { return s + e; });
    return std::tuple{exp(next), next};
  });
  g.leave_scope();
  CHECK(explain(g, "net/scan/body/exp") ==
        "'exp' is exp\n"
        "  in body 'body' of 'net/scan'\n"
        "  takes: 'cond' float32 [2, 4]\n"
        "  gives: float32 [2, 4]\n"
        "  used by: 'results'\n");
  CHECK(mentions(explain(g, "net/scan/body/cond/then/tanh"),
                 "  in body 'then' of 'cond' in body 'body' of 'net/scan'\n"));
  const auto told = [&](const char* path) {
    return message_of<name_error>([&] { (void)explain(g, path); });
  };
  CHECK(mentions(told("net/scan/body/tan"), "'exp'"));
  CHECK(mentions(told("net/scan/body/tan"), "body 'body' of 'net/scan'"));
  CHECK(mentions(told("net/scan/body/cond/no/add"), "Its bodies are 'then', 'else'"));
  CHECK(mentions(told("net/scan/tanh"), "'net/scan' has no body 'tanh'"));
  CHECK_THROWS_AS(explain(g, "net/scan/body"), name_error);
  CHECK_THROWS_AS(explain(g, "net/scan/body/"), name_error);
  const Clone c = clone(extract(inputs(p, x, xs), outputs(last)), into("copy"));
  CHECK(mentions(explain(c, "copy/scan/body/exp"),
                 "  in body 'body' of 'copy/scan'\n  clone: a copy of 'net/scan'\n"));
  CHECK(mentions(explain(c, "net/scan/body/exp"), "  clone: copied to 'copy/scan'\n"));
}
