// Names and scopes of clones.
#include <set>

#include "graft/io/region_file.hpp"
#include "graft/surgery/select.hpp"

#include "clone_fixture.hpp"
#include "temporary_file.hpp"

using namespace graft;
using namespace graft_test;

TEST_CASE("scopes are repeated from the deepest one that holds all [edge-67]") {
  Graph g;
  const auto x = input4(g, "x");
  row4 y, z;
  {
    const in_scope actor(g, "actor");
    {
      const in_scope body(g, "body");
      y = dense4(x, "first");
    }
    z = dense4(y, "second");
  }
  const auto whole = clone(extract(inputs(x), outputs(z)), into("critic"));
  CHECK(g.path_of(whole(variable_named(g, "actor/body/first/w"))) == "critic/body/first/w");
  CHECK(g.path_of(whole(variable_named(g, "actor/second/w"))) == "critic/second/w");
  const auto part = clone(extract(inputs(x), outputs(y)), into("part"));
  CHECK(g.path_of(part(variable_named(g, "actor/body/first/w"))) == "part/w");

  SECTION("from names the scope that is left out") {
    const auto from_actor = clone(extract(inputs(x), outputs(y)), from("actor"), into("critic"));
    CHECK(from_actor.scope_path() == "critic_1");
    CHECK(g.path_of(from_actor(variable_named(g, "actor/body/first/w"))) ==
          "critic_1/body/first/w");
    const auto from_root = clone(extract(inputs(x), outputs(y)), from(""), into("all"));
    CHECK(g.path_of(from_root(variable_named(g, "actor/body/first/w"))) ==
          "all/actor/body/first/w");
  }
}

TEST_CASE("scopes match by component [edge-67]") {
  Graph g;
  const auto x = input4(g, "x");
  row4 y;
  {
    const in_scope a(g, "a");
    y = dense4(x, "b");
  }
  const in_scope ab(g, "ab");
  const auto z = dense4(y, "b.*(+");
  const auto region = extract(inputs(x), outputs(z));
  const auto before = g.digest();
  const std::string text = message_of<name_error>([&] { (void)clone(region, from("a")); });
  CHECK(mentions(text, "'ab/b.*(+/matmul'"));
  CHECK_FALSE(mentions(text, "'a/b/matmul'"));
  CHECK_THROWS_AS(clone(region, from("nowhere")), name_error);
  CHECK(g.digest() == before);
}

TEST_CASE("variables outside the source scope have their stand-ins in the clone's own [edge-67]") {
  Graph g;
  const auto x = input4(g, "x");
  tensor<Graph, dtype::float32, shape<4>> w;
  {
    const in_scope outer(g, "weights");
    const in_scope inner(g, "deep");
    w = make_variable<float, shape<4>>(g, "w", ones());
  }
  row4 y;
  {
    const in_scope net(g, "net");
    const in_scope layer(g, "layer");
    y = relu(x * w, "y");
  }
  set_values(g);
  const auto region = extract(inputs(x), outputs(y));
  const auto scopes_of = [&](const Clone& c) {
    c.check();
    g.validate();
    std::set<std::string> made;
    for (const op_id op : c.nodes()) made.insert(g.scope_path(g.scope_of(op)));
    return made;
  };
  using set = std::set<std::string>;
  const auto frozen = clone(region, bind(x, x), from("net"), into("f"), variables::frozen);
  CHECK(scopes_of(frozen) == set{"f", "f/layer"});
  CHECK(g.path_of(id_of(frozen(w))) == "f/w");
  const auto linked = clone(region, bind(x, x), from("net"), into("l"), variables::linked);
  CHECK(scopes_of(linked) == set{"l", "l/layer"});
  CHECK(g.path_of(id_of(linked(w))) == "l/w");
  const auto other = tensor<Graph, dtype::float32, shape<4>>((w * w).ref());
  const auto replaced =
      clone(region, bind(x, x), from("net"), into("e"), variables::expr(w, other));
  CHECK(scopes_of(replaced) == set{"e/layer"});
  CHECK(id_of(replaced(w)) == id_of(other));
  CHECK_FALSE(g.find_scope("e/deep").has_value());
  // Without from() what is not copied has no say in what is repeated.
  const auto plain = clone(region, bind(x, x), into("p"), variables::expr(w, other));
  CHECK(scopes_of(plain) == set{"p"});
  // The same names may be taken by then.
  const auto before = g.digest();
  CHECK(mentions(message_of<name_error>([&] {
                   (void)clone(region, bind(x, x), from("net"), into("weights/deep"),
                               variables::frozen, names::exact);
                 }),
                 "'deep'"));
  CHECK(g.digest() == before);
}

TEST_CASE("a region outside its source scope is refused with a list [edge-70]") {
  Graph g;
  const auto x = input4(g, "x");
  row4 y;
  {
    const in_scope net(g, "net");
    y = dense4(x);
  }
  const auto z = relu(y, "outside");
  const auto region = extract(inputs(x), outputs(z));
  const auto before = g.digest();
  CHECK(mentions(message_of<name_error>([&] { (void)clone(region, from("net"), into("copy")); }),
                 "ops outside it: 'outside'"));
  CHECK(g.digest() == before);
}

TEST_CASE("a destination that is taken gets a number, or is refused [edge-68]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto region = extract(inputs(x), outputs(two_layers(x)));
  const auto one = clone(region, into("copy"), names::exact), two = clone(region, into("copy"));
  CHECK(one.scope_path() == "copy");
  CHECK(two.scope_path() == "copy_1");
  CHECK(clone(region).scope_path() == "copy_2");
  const auto before = g.digest();
  CHECK(mentions(message_of<name_error>([&] { (void)clone(region, into("copy"), names::exact); }),
                 "'copy'"));
  CHECK(g.digest() == before);
  CHECK_THROWS_AS(clone(region, into(""), names::exact), name_error);
  CHECK(g.digest() == before);
  Graph empty;
  const auto same_names = clone(region, into(empty, ""), names::exact);
  for (const op_id op : region.nodes()) CHECK(empty.path_of(same_names(op)) == g.path_of(op));
  empty.validate();
}

TEST_CASE("two inputs of one name collide under exact names only [edge-68]") {
  Graph g;
  row4 a, b;
  {
    const in_scope first(g, "first");
    a = input4(g, "x");
  }
  {
    const in_scope second(g, "second");
    b = input4(g, "x");
  }
  const auto region = extract(inputs(a, b), outputs(sub(a, b)));
  const auto copy = clone(region, into("copy"));
  CHECK(g.path_of(id_of(copy(a))) == "copy/x");
  CHECK(g.path_of(id_of(copy(b))) == "copy/x_1");
  const auto before = g.digest();
  CHECK_THROWS_AS(clone(region, into("other"), names::exact), name_error);
  CHECK(g.digest() == before);
}

TEST_CASE("a name never wires anything [edge-69]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto y = relu(x, "y");
  row4 decoy;
  {
    const in_scope copy(g, "copy");
    decoy = input4(g, "x");
  }
  const auto region = extract(inputs(x), outputs(y));
  const auto copy = clone(region, into("copy"));
  CHECK(copy(x).ref() != decoy.ref());
  CHECK(g.uses(id_of(decoy)).empty());
  const auto beside = clone(region, bind(x, x), into(""));
  CHECK(g.path_of(id_of(beside(y))) == "y_1");
  CHECK(g.operand(op_of(beside(y)), 0) == id_of(x));
  g.validate();
}

TEST_CASE("clones go under the current scope, and into nested ones") {
  Graph g;
  const auto x = input4(g, "x");
  const auto region = extract(inputs(x), outputs(relu(x, "y")));
  {
    const in_scope here(g, "here");
    CHECK(clone(region, into("a/b")).scope_path() == "here/a/b");
    CHECK(clone(region, into("a/b")).scope_path() == "here/a/b_1");
    CHECK(clone(region, into("")).scope_path() == "here");
    CHECK(g.scope_path(g.current_scope()) == "here");
  }
  CHECK(g.scope_path(g.current_scope()).empty());
  const auto before = g.digest();
  for (const char* wrong : {"a//b", "/a", "a/"})
    CHECK_THROWS_AS(clone(region, into(wrong)), name_error);
  CHECK(g.digest() == before);
}

TEST_CASE("names may be unicode and very long [edge-67]") {
  Graph g;
  const auto x = input4(g, "x");
  const std::string longest(5000, 'n');
  const auto y = relu(relu(x, longest), "größe");
  const auto copy = clone(extract(inputs(x), outputs(y)), into("kopie_ü"));
  CHECK(g.path_of(id_of(copy(y))) == "kopie_ü/größe");
  CHECK(g.path_of(g.operand(op_of(copy(y)), 0)) == "kopie_ü/" + longest);
  g.validate();
}

TEST_CASE("later ops in a clone's scopes get names of their own") {
  Graph g;
  const auto x = input4(g, "x");
  const auto copy = clone(extract(inputs(x), outputs(two_layers(x))), into("copy"));
  const auto inner = g.find_scope("copy/dense");
  REQUIRE(inner.has_value());
  g.reenter_scope(*inner);
  const auto another = relu(x, "w");
  g.leave_scope();
  CHECK(g.path_of(id_of(another)) == "copy/dense/w_1");
  CHECK(g.find_variable("copy/dense/w") == copy(variable_named(g, "dense/w")));
  g.validate();
}

TEST_CASE("later scopes in a clone's scopes get names of their own") {
  Graph g;
  const auto x = input4(g, "x");
  const auto region = extract(inputs(x), outputs(two_layers(x)));
  const bool elsewhere = GENERATE(false, true);
  Graph other;
  Graph& h = elsewhere ? other : g;
  const auto first = clone(region, into(h, "copy"));
  const auto second = clone(region, into(h, "copy"));
  const auto before = h.digest();
  {
    const Graph::transaction all(h);  // what is counted on the way is right though it is undone
    h.reenter_scope(first.scope());
    h.enter_scope("dense");
    h.leave_scope();
    h.leave_scope();
  }
  CHECK(h.digest() == before);
  for (const Clone& copy : {first, second}) {
    h.reenter_scope(copy.scope());
    CHECK(h.scope_path(h.enter_scope("dense")) == copy.scope_path() + "/dense_2");
    h.leave_scope();
    CHECK(h.scope_path(h.enter_scope("another")) == copy.scope_path() + "/another");
    h.leave_scope();
    h.leave_scope();
  }
  h.validate();
}

TEST_CASE("names beside those of placeholders stay as they are, or differ from them") {
  Graph g;
  row4 x;
  {
    const in_scope inputs_of_net(g, "in");
    x = input4(g, GENERATE("x", "relu", "relu_1"));
  }
  const auto y = relu(relu(relu(x)));  // relu, relu_1, relu_2
  const auto copy = clone(extract(inputs(x), outputs(y)), into("copy"));
  std::set<std::string> names{g.name_of(op_of(copy(x)))};
  CHECK(*names.begin() == g.name_of(op_of(x)));
  for (const op_id op : copy.origin().nodes()) {
    CHECK(names.insert(g.name_of(copy(op))).second);
    if (g.name_of(op_of(x)) == "x") CHECK(g.name_of(copy(op)) == g.name_of(op));
  }
  g.validate();
  g.reenter_scope(copy.scope());
  CHECK(names.insert(g.name_of(op_of(relu(x)))).second);
  CHECK(names.insert(g.name_of(op_of(relu(x, g.name_of(op_of(copy(x))))))).second);
  g.leave_scope();
  g.validate();
}

TEST_CASE("a clone that was erased leaves no name behind", "[edge-41][edge-68]") {
  Graph g;
  const auto x = input4(g, "x");
  const in_scope net(g, "net");
  const auto y = two_layers(x);
  const Region region = extract(inputs(x), outputs(y));
  const auto clone_and_erase = [&](auto... options) {
    const std::uint32_t first = g.op_id_bound();
    const auto copy = clone(region, options...);
    std::vector<op_id> ops;
    std::vector<std::string> names{copy.scope_path()};
    for (std::uint32_t id = first; id < g.op_id_bound(); ++id) {
      ops.push_back(op_id{id});
      names.push_back(g.path_of(op_id{id}));
    }
    g.erase_ops(ops);
    g.validate();
    return names;
  };
  const auto names = clone_and_erase(into("copy"));
  CHECK(names[0] == "net/copy");
  CHECK(clone_and_erase(into("copy")) == names);
  CHECK(clone_and_erase(into("copy"), bind(x, x))[0] == "net/copy");
  const auto kept = clone(region, into("copy"), names::exact);
  CHECK(kept.scope_path() == "net/copy");
  CHECK(clone_and_erase(into("copy"))[0] == "net/copy_1");
  CHECK(clone_and_erase(into("copy"))[0] == "net/copy_1");
  CHECK(clone_and_erase(into("deep/copy"))[0] == "net/deep/copy");
  CHECK_FALSE(g.find_scope("net/deep"));
}

TEST_CASE("every choice of a scope compares whole components, literally [edge-67]") {
  const std::string longest(5000, 'n');
  // Of each pair the second has the first as a prefix, or as a regular expression.
  const std::vector<std::pair<std::string, std::string>> pairs{
      {"a", "ab"},    {"a", "ab/a"}, {"a/b", "a/bc"},         {"a.c", "abc"},
      {"a+", "aa"},   {"[xy]", "x"}, {"gr", "größe"},         {"größe", "größer"},
      {"(a|b)", "b"}, {"^a$", "a"},  {longest, longest + "n"}};
  for (const auto& [first, second] : pairs) {
    INFO(first.substr(0, 20) << " and " << second.substr(0, 20));
    Graph h;
    const auto x = input4(h, "x");
    const auto within = [&](const std::string& path, const row4& in) {
      int depth = 0;
      for (std::size_t end = 0; end != std::string::npos; ++depth) {
        const std::size_t begin = depth == 0 ? 0 : end + 1;
        end = path.find('/', begin);
        const auto there = h.find_scope(path.substr(0, end));
        if (there) h.reenter_scope(*there);
        if (!there) h.enter_scope(path.substr(begin, end - begin));
      }
      const row4 y = dense4(in);
      while (depth-- > 0) h.leave_scope();
      return y;
    };
    const row4 y = within(first, x), z = within(second, y);
    set_values(h);
    REQUIRE(h.find_scope(first).has_value());
    REQUIRE(h.find_scope(second).has_value());
    CHECK(*h.find_scope(first) != *h.find_scope(second));

    CHECK(find_ops(h, within_scope(first)).size() == closure(inputs(x), outputs(y)).size());
    const Region region = extract(inputs(x), outputs(z));
    const Clone by =
        clone(region, variables::by_scope({{first, variables::shared}}, variables::fresh));
    CHECK(paths(h, by.origin().variables()).size() == 4);
    for (const variable_image& image : by.variable_images()) {
      const std::string path = h.path_of(image.source);
      CHECK((image.policy == variable_policy::shared) == (path.rfind(first + "/dense/", 0) == 0));
    }
    CHECK_THROWS_AS(clone(region, from(first)), name_error);
    const Region inner = extract(inputs(x), outputs(y));
    const Clone stripped = clone(inner, from(first), into(second));
    CHECK(stripped.scope_path() == second + "_1");
    CHECK(h.path_of(stripped(variable_named(h, first + "/dense/w"))) == second + "_1/dense/w");
    h.validate();

    const temporary_file file;
    save_region(file.path, inner);
    Graph other;
    (void)dense4(input4(other, "x"), "dense");
    const loaded_region loaded = load_region(other, file.path, from(first), into(first));
    CHECK(other.path_of(loaded.variables[0]) == first + "/dense/w");
    // What is not in that scope keeps its whole path.
    save_region(file.path, extract(inputs(y), outputs(z)));
    const loaded_region whole = load_region(other, file.path, from(first), into("apart"));
    CHECK(other.path_of(whole.variables[0]) == "apart/" + second + "/dense/w");
    other.validate();
  }
}
