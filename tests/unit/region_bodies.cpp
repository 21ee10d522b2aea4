// Regions with bodies in files.
#include "graft/io/region_file.hpp"
#include "graft/surgery/diff.hpp"

#include "clone_fixture.hpp"
#include "deep_network.hpp"
#include "io/region_format.hpp"
#include "io/tensor_file.hpp"
#include "nested_bodies.hpp"
#include "temporary_file.hpp"

using namespace graft_test;

namespace {

std::string structure_of(const std::string& path) {
  for (const auto& [key, value] : io::read_tensor_file(path).metadata) {
    if (key == io::region_key) return value;
  }
  FAIL("no structure");
  return {};
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  INFO(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

void check_equal(const Region& a, const Region& b) {
  const auto found =
      diff(a, b, including::values, including::streams, including::collections, including::names);
  INFO(to_string(found));
  CHECK(found.empty());
  CHECK(content_hash(a, including::values, including::streams) ==
        content_hash(b, including::values, including::streams));
}

// A while_loop whose body has a constant, a scope, a control edge and a random op, and which a cond's branch
// owns.
struct odd_network {
  tensor<Graph, dtype::float32, shape<3>> x;
  tensor<Graph, dtype::boolean, shape<>> p;
  tensor<Graph, dtype::float32, shape<3>> y;
};

odd_network odd(Graph& g) {
  const auto x = placeholder<float, shape<3>>(g, "x");
  const auto p = placeholder<bool, shape<>>(g, "p");
  const auto loop = [&] {
    const auto out = while_loop(
        std::tuple{constant(g, std::int32_t{0}), x},
        [&](auto i, auto) { return i < std::int32_t{4}; },
        [&](auto i, auto v) {
          Graph& body = *g.current_body()->current_body();
          body.enter_scope("noise");
          body.enter_scope("inner");
          const auto drawing = attribute_list()
                                   .set("shape", dims{3})
                                   .set("type", dtype::float32)
                                   .set("low", 0.0)
                                   .set("high", 1.0)
                                   .set("key", std::int64_t{99});
          const op_id drawn = body.add(ops::random_uniform, {}, drawing, "draw");
          body.leave_scope();
          const auto shift = constant(body, Array::from<float>({3}, {1, 2, 3}), "shift");
          body.leave_scope();
          const auto next = as<float, shape<3>>(add(mul(v, body.handle({drawn, 0})), shift));
          body.add_control_edge(drawn, body.id(next.ref()).op);
          return std::tuple{i + std::int32_t{1}, next};
        });
    return std::get<1>(out);
  };
  return {x, p, cond(p, loop, [&] { return x * 2.0f; })};
}

}  // namespace

TEST_CASE("a region with bodies three deep comes back as it was", "[edge-60][edge-86][rival]") {
  Graph g;
  const deep_network n = deep(g);
  const any_tensor dw = gradients(n.loss, {n.w})[0];  // a scan back, a while_loop_gradient, a cond
  Session session(g);
  session.initialize();
  const Region region = extract(inputs(n.xs, n.k), outputs(n.loss, dw));
  const temporary_file file, again;
  save_region(file.path, region);

  Graph to;
  const loaded_region loaded = load_region(to, file.path);
  to.validate();
  check_equal(region, loaded.region);
  save_region(again.path, loaded.region);
  CHECK(file.bytes() == again.bytes());

  Session there(to);
  const Array xs = some({4, 3}, 1), k = some({3}, 2);
  for (std::size_t i = 0; i < 2; ++i) {
    const Array here = session.run(i == 0 ? any_tensor(n.loss) : dw, feed(n.xs, xs), feed(n.k, k));
    CHECK(here.same_bits(
        there.run(loaded.outputs[i], feed(loaded.inputs[0], xs), feed(loaded.inputs[1], k))));
  }
  // What was loaded is a region as any other: it has gradients, and clones.
  const any_tensor slope = gradients(loaded.outputs[0], {loaded.inputs[1]})[0];
  const any_tensor wanted = gradients(n.loss, {n.k})[0];
  CHECK(session.run(wanted, feed(n.xs, xs), feed(n.k, k))
            .same_bits(there.run(slope, feed(loaded.inputs[0], xs), feed(loaded.inputs[1], k))));
  const Clone copy = clone(loaded.region, variables::copied);
  copy.check();
  to.validate();
}

TEST_CASE("inputs given for a region with bodies reach into the bodies", "[edge-60]") {
  Graph g;
  const deep_network n = deep(g);
  set_values(g);
  const temporary_file file;
  save_region(file.path, extract(inputs(n.xs, n.k), outputs(n.loss)));
  Graph to;
  const auto xs = placeholder<double, shape<4, 3>>(to, "mine");
  const auto k = placeholder<double, shape<3>>(to, "k2");
  const loaded_region loaded = load_region(to, file.path, inputs(xs, k), into("net"));
  to.validate();
  CHECK(trainable_variables(loaded.outputs[0]).size() == 1);
  const auto longer = placeholder<double, shape<6, 3>>(to, "longer");
  const auto digest = to.digest();
  CHECK_THROWS_AS(load_region(to, file.path, inputs(longer, k)), shape_error);
  CHECK(to.digest() == digest);
}

TEST_CASE("names, constants, draws and control edges in bodies come back") {
  Graph g;
  const odd_network n = odd(g);
  g.validate();
  const Region region = extract(inputs(n.x, n.p), outputs(n.y));
  const temporary_file file;
  save_region(file.path, region);
  const std::string text = structure_of(file.path);
  CHECK(count_of(text, "\"noise/inner/draw\"") == 1);
  CHECK(count_of(text, "\"noise/shift\"") == 1);
  CHECK(count_of(text, "\"after\"") == 1);
  CHECK(io::read_tensor_file(file.path).arrays.size() ==
        count_of(text, "{\"constant\":"));  // those of the bodies among them

  Graph to;
  (void)dense4(input4(to, "decoy"));
  const loaded_region loaded = load_region(to, file.path, into("there"));
  to.validate();
  const auto found = diff(region, loaded.region, including::streams);
  INFO(to_string(found));
  CHECK(found.empty());
  Session here(g), there(to);
  const Array x = Array::from<float>({3}, {1, -2, 3});
  for (const bool p : {true, false}) {
    CHECK(here.run(n.y, feed(n.x, x), feed(n.p, p))
              .same_bits(there.run(loaded.outputs[0], feed(loaded.inputs[0], x),
                                   feed(loaded.inputs[1], p))));
  }
}

TEST_CASE("bodies that ops share are saved once and shared again") {
  Graph g;
  const odd_network n = odd(g);
  const Clone copy =
      clone(extract(inputs(n.x, n.p), outputs(n.y)), bind(n.x, n.x), bind(n.p, n.p), seeds::same);
  const Region both = extract(inputs(n.x, n.p), outputs(n.y, copy(n.y)));
  const Region one = extract(inputs(n.x, n.p), outputs(n.y));
  const temporary_file first, second;
  save_region(first.path, one);
  save_region(second.path, both);
  // Two branches, and the loop's two within one of them.
  CHECK(count_of(structure_of(first.path), "\"results\"") == 2 * 4);  // name and operator
  CHECK(count_of(structure_of(second.path), "\"results\"") == 2 * 4);
  Graph to;
  const loaded_region loaded = load_region(to, second.path);
  CHECK(to.body_count() == 2);
  const auto body_of = [&](std::size_t output) {
    return to.attributes_of(id_of(loaded.outputs[output]).op).integer("then");
  };
  CHECK(id_of(loaded.outputs[0]) != id_of(loaded.outputs[1]));
  CHECK(body_of(0) == body_of(1));
  // A clone that draws other numbers has bodies of its own where they do: the loop's, and the branch it is in.
  const Clone other = clone(one, bind(n.x, n.x), bind(n.p, n.p));
  save_region(second.path, extract(inputs(n.x, n.p), outputs(n.y, other(n.y))));
  CHECK(count_of(structure_of(second.path), "\"results\"") == 2 * 6);
}

TEST_CASE("equal graphs with bodies give equal bytes, however they were built") {
  const auto build = [](Graph& g, bool clutter) {
    if (clutter) {
      const auto x = placeholder<float, shape<3>>(g, "clutter");
      const auto p = placeholder<bool, shape<>>(g, "chance");
      (void)cond(p, [&] { return x; }, [&] { return x * 3.0f; });
    }
    const deep_network n = deep(g);
    if (clutter) (void)tanh(n.loss);
    const odd_network o = odd(g);
    set_values(g);
    return extract(inputs(n.xs, n.k, o.x, o.p), outputs(n.loss, o.y));
  };
  Graph a, b, c;
  const temporary_file first, second;
  save_region(first.path, build(a, false));
  (void)placeholder<float, shape<3>>(b, "more");
  save_region(second.path, build(b, true));
  // Names are the same but for what clutter takes; cond is one of them.
  const auto no_number = [](std::string text) {
    for (auto at = text.find("cond_1"); at != std::string::npos; at = text.find("cond_1"))
      text.erase(at + 4, 2);
    return text;
  };
  CHECK(no_number(structure_of(first.path)) == no_number(structure_of(second.path)));
  save_region(second.path, build(c, false));
  CHECK(first.bytes() == second.bytes());
}

TEST_CASE("bodies that cannot be are refused with their place, and the graph stays", "[edge-86]") {
  Graph g;
  const odd_network n = odd(g);
  const temporary_file file;
  save_region(file.path, extract(inputs(n.x, n.p), outputs(n.y)));
  const io::tensor_file good = io::read_tensor_file(file.path);
  const std::string text = structure_of(file.path);
  INFO(text);
  Graph to;
  (void)dense4(input4(to));
  const auto digest = to.digest();
  const auto check = [&](const std::string& from, const std::string& by, const std::string& part) {
    io::write_tensor_file(file.path, {good.arrays, {{io::region_key, replaced(text, from, by)}}});
    const std::string found = message_of<io_error>([&] { load_region(to, file.path); });
    INFO(from << " -> " << by << ": " << found);
    CHECK(mentions(found, part));
    CHECK(mentions(found, "Nothing was loaded"));
    CHECK(to.digest() == digest);
  };
  check("\"bodies\":[", "\"bodies\":[7,", "body 0");
  check("\"bodies\":[", "\"bodies\":[{\"inputs\":[],\"ops\":[]},", "its last op is not 'results'");
  check("\"bodies\":[",
        "\"bodies\":[{\"inputs\":[],\"ops\":[{\"op\":\"results\",\"name\":\"results\"}]},", "");
  check("\"bodies\":[", "\"more\":[],\"bodies\":[", "'more' is not known");
  check("{\"body\":0}", "{\"body\":1}", "body 0");        // nobody owns it then
  check("{\"body\":1}", "{\"body\":3}", "out of range");  // that which owns it
  check("{\"body\":0}", "{\"body\":-1}", "out of range");
  check("{\"body\":3}", "{\"body\":4}", "out of range");
  check("{\"body\":3}", "{\"body\":2}", "body 3");  // nobody owns it then
  check("\"op\":\"results\"", "\"op\":\"relu\"", "its last op is not 'results'");
  check("\"op\":\"less\"", "\"op\":\"results\"", "the last op of a body");
  check("\"op\":\"less\"", "\"op\":\"variable\"", "a body has no variable");
  check("\"op\":\"less\"", "\"op\":\"add\"", "boolean");  // what the loop goes on by
  // An error within a body names all that the body is in.
  check("\"op\":\"less\"", "\"op\":\"matmul\"",
        "body 'condition' of 'while_loop', body 'then' of 'cond'");
  check("{\"constant\":\"/0\"}", "{\"constant\":\"/99\"}", "body '");
  check("\"op\":\"cond\"", "\"op\":\"while_loop\"", "");
  check("\"in0\"", "\"in9\"", "no tensor 'in9'");
  check("\"noise/inner/draw\"", "\"noise/shift\"", "two ops have that name");
  check("{\"constant\":\"/0\"}", "{\"constant\":\"/99\"}", "");
  check("{\"integer\":99}", "{\"variable\":0}", "");
  check("\"states\":{\"integer\":2}", "\"states\":{\"integer\":1}", "");
  check("\"states\":{\"integer\":2}", "\"states\":{\"integer\":-2}", "");
  check("\"then_captures\":{\"integer\":", "\"then_captures\":{\"integer\":9", "");
  check("\"outputs\":{\"integer\":1}", "\"outputs\":{\"integer\":2}", "outputs do not fit");
  check("\"outputs\":{\"integer\":1}", "\"outputs\":{\"integer\":2147483647}",
        "outputs do not fit");
  check("\"outputs\":{\"integer\":1}", "\"outputs\":{\"integer\":2147483648}",
        "it must be an integer from 0");
  io::write_tensor_file(
      file.path,
      {good.arrays, {{io::region_key, replaced(text, "\"op\":\"less\"", "\"op\":\"captured\"")}}});
  CHECK(mentions(message_of<io_error>([&] { load_region(to, file.path); }),
                 "'captured' is not known"));
  CHECK(to.digest() == digest);
  io::write_tensor_file(file.path, {good.arrays, {{io::region_key, text}}});
  load_region(to, file.path);
  to.validate();
}

TEST_CASE("files with bodies changed at random are refused or make a valid graph", "[edge-86]") {
  Graph g;
  const odd_network n = odd(g);
  const temporary_file file;
  save_region(file.path, extract(inputs(n.x, n.p), outputs(n.y)));
  const io::tensor_file good = io::read_tensor_file(file.path);
  const std::string text = structure_of(file.path);
  std::uint64_t state = 7;
  const auto below = [&state](std::size_t count) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<std::size_t>((state >> 33) % count);
  };
  int loaded = 0;
  constexpr int trials = 1500;
  for (int trial = 0; trial < trials; ++trial) {
    std::string changed = text;
    const std::size_t at = below(changed.size());
    switch (below(3)) {
      case 0:  // another digit where one is
        if (const auto digit = changed.find_first_of("0123456789", at);
            digit != std::string::npos) {
          changed[digit] = static_cast<char>('0' + below(10));
        }
        break;
      case 1:
        changed[at] = static_cast<char>(' ' + below(95));
        break;
      default:
        changed.erase(at, 1 + below(64));
        break;
    }
    io::write_tensor_file(file.path, {good.arrays, {{io::region_key, changed}}});
    Graph to;
    const auto digest = to.digest();
    INFO("trial " << trial);
    try {
      load_region(to, file.path);
      to.validate();
      ++loaded;
    } catch (const io_error&) {
      CHECK(to.digest() == digest);
    }
  }
  CHECK(loaded > 0);
  CHECK(loaded < trials);
}

TEST_CASE("bodies nested deeper than files hold are refused, and the file that was there stays") {
  Graph g;
  const auto x = placeholder<float, shape<>>(g, "x");
  const auto p = placeholder<bool, shape<>>(g, "p");
  using scalar = tensor<Graph, dtype::float32, shape<>>;
  const auto nested = [&](std::size_t depth) {
    const auto within = [&](const auto& self, std::size_t left) -> scalar {
      if (left == 0) return x;
      return cond(p, [&] { return self(self, left - 1); }, [&] { return x; });
    };
    return within(within, depth);
  };
  const temporary_file file;
  file.write("before");
  const scalar deepest = nested(io::max_body_depth), deeper = nested(io::max_body_depth + 1);
  CHECK(mentions(message_of<unsupported_error>(
                     [&] { save_region(file.path, extract(inputs(x, p), outputs(deeper))); }),
                 "64 others"));
  CHECK(file.bytes() == "before");
  save_region(file.path, extract(inputs(x, p), outputs(deepest)));
  Graph to;
  load_region(to, file.path);
  to.validate();
}

TEST_CASE("bodies that own one another many times over are saved and loaded once each") {
  Graph g, to;
  const auto x = placeholder<float, shape<2>>(g, "x");
  const auto p = placeholder<bool, shape<>>(g, "p");
  const op_id op = nested_choices(g, id_of(p), id_of(x), 40);
  const temporary_file file;
  save_region(file.path, extract(inputs(p, x), outputs(g.handle({op, 0}))));
  CHECK(count_of(structure_of(file.path), "\"results\"") == 2 * 40);
  const loaded_region loaded = load_region(to, file.path);
  to.validate();
  CHECK(to.type_of(id_of(loaded.outputs[0])) == value_type::of(dtype::float32, {2}));
  CHECK(to.digest() != 0);
}

TEST_CASE("a region with variables is not loaded into a body, and the error says what to do",
          "[region]") {
  Graph g;
  const auto x = input4(g);
  const auto w = make_variable<float, shape<4>>(g, "w", ones());
  const auto y = x * w, z = x * 2.0f;
  const temporary_file with, without;
  save_region(with.path, extract(inputs(x), outputs(y)));
  save_region(without.path, extract(inputs(x), outputs(z)));
  Graph other;
  const auto p = placeholder<bool, shape<>>(other, "p");
  const auto x2 = input4(other);
  const auto before = other.digest();
  const std::string text = message_of<graph_error>([&] {
    (void)cond(
        p, [&]() -> any_tensor { return load_region(*other.current_body(), with.path).outputs[0]; },
        [&]() -> any_tensor { return x2; });
  });
  INFO(text);
  CHECK(mentions(text, "'w'"));
  CHECK(mentions(text, "body"));
  CHECK(mentions(text, "before the body is built"));
  CHECK(other.digest() == before);
  const auto chosen = cond(
      p,
      [&]() -> any_tensor {
        return load_region(*other.current_body(), without.path, inputs(x2)).outputs[0];
      },
      [&]() -> any_tensor { return x2; });
  other.validate();
  CHECK(other.contains(id_of(chosen).op));
}
