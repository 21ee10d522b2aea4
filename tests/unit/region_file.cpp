// Regions in files: what comes back is what was saved, and damage is refused.
#include "graft/io/region_file.hpp"

#include <limits>

#include <sys/stat.h>

#include "graft/dsl/normalize_layers.hpp"
#include "graft/graph/tables.hpp"
#include "graft/runtime/session.hpp"
#include "graft/surgery/diff.hpp"

#include "clone_fixture.hpp"
#include "io/region_format.hpp"
#include "io/tensor_file.hpp"
#include "temporary_file.hpp"

using namespace graft_test;
using graft_test::two_layers;

namespace {

std::string structure_of(const std::string& path) {
  for (const auto& [key, value] : io::read_tensor_file(path).metadata) {
    if (key == io::region_key) return value;
  }
  FAIL("no structure");
  return {};
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

// Batch norm, dropout, a tie, a constant, two layers.
row4 rich(const row4& x) {
  Graph& g = target_traits<Graph>::target_of(x.ref());
  const in_scope inside(g, "net");
  const row4 h(dropout(batch_norm(dense4(x)), 0.5).ref());
  const auto w = make_variable<float, shape<4, 4>>(g, "tied", normal(0, 1));
  const auto c = constant(g, Array::from<float>({4}, {1, 2, 3, 4}), "shift");
  const row4 y(add(matmul(matmul(h, w), w), c).ref());
  g.add_to_collection("losses", {member::kind::tensor, {}, id_of(y)});
  g.add_to_collection("mine", {member::kind::variable, *g.variable_read_by(id_of(w)), {}});
  g.add_to_collection("mine", {member::kind::op, {}, {op_of(h), 0}});
  return y;
}

void check_equal(const Region& a, const Region& b) {
  const auto found = diff(a, b, including::values, including::streams, including::collections);
  INFO(to_string(found));
  CHECK(found.empty());
  CHECK(content_hash(a, including::values, including::streams, including::collections) ==
        content_hash(b, including::values, including::streams, including::collections));
}

}  // namespace

TEST_CASE("a saved region comes back in another graph as it was [edge-86]") {
  Graph g;
  const row4 x = input4(g);
  const row4 y = rich(x);
  Session session(g);
  session.initialize();
  const Region region = extract(inputs(x), outputs(y));
  const temporary_file file;
  save_region(file.path, region);

  Graph other;
  (void)two_layers(input4(other, "decoy"));
  const loaded_region loaded = load_region(other, file.path);
  other.validate();
  check_equal(region, loaded.region);
  CHECK(diff(region, loaded.region, including::names).empty());
  CHECK(loaded.variables.size() == region.variables().size());
  REQUIRE(loaded.inputs.size() == 1);
  CHECK(other.path_of(id_of(loaded.inputs[0])) == "x");
  CHECK(other.type_of(id_of(loaded.inputs[0])) == g.type_of(id_of(x)));
  CHECK(other.collection("losses").size() == 1);
  CHECK(other.collection("mine").size() == 2);
  for (const variable_id v : loaded.variables) {
    const variable_info& info = other.variable_of(v);
    const variable_info& was = g.variable_of(variable_named(g, other.path_of(v)));
    CHECK(info.role == was.role);
    CHECK(info.trainable == was.trainable);
    CHECK(info.stream_key == was.stream_key);
    CHECK(info.own_updates.size() == was.own_updates.size());
  }

  // The same outputs to the bit, dropout included, and again after the updates of a step.
  const Array value = Array::from<float>({2, 4}, {1, -2, 3, -4, 5, 6, -7, 8});
  Session there(other);
  for (int step = 0; step < 2; ++step) {
    CHECK(session.run(y, feed(x, value))
              .same_bits(there.run(loaded.outputs[0], feed(loaded.inputs[0], value))));
  }
  // Fresh values draw the same numbers.
  session.initialize();
  there.initialize();
  CHECK(session.value(variable_named(g, "net/tied"))
            .same_bits(there.value(variable_named(other, "net/tied"))));
}

TEST_CASE("equal graphs give equal bytes, however they were built") {
  const auto build = [](Graph& g, bool clutter) {
    if (clutter) (void)relu(input4(g, "clutter"));
    const row4 x = input4(g);
    if (clutter) (void)tanh(x, "aside");
    const row4 y = rich(x);
    if (clutter) g.erase_ops(std::vector<op_id>{*g.find_op("aside")});
    set_values(g);
    return extract(inputs(x), outputs(y));
  };
  Graph a, b;
  const temporary_file first, second, third;
  save_region(first.path, build(a, false));
  save_region(second.path, build(b, true));
  CHECK(first.bytes() == second.bytes());
  // And once through a file.
  Graph c;
  save_region(third.path, load_region(c, first.path).region);
  CHECK(first.bytes() == third.bytes());
  // A value, a name or a trainable flag shows.
  const Region region = load_region(c, first.path, into("again")).region;
  c.set_trainable(region.variables()[0], !c.variable_of(region.variables()[0]).trainable);
  save_region(third.path, region);
  CHECK(first.bytes() != third.bytes());
}

TEST_CASE("names go where they are asked to go") {
  Graph g;
  const auto [x, y] = [&] {
    const in_scope inside(g, "actor");
    const row4 in = input4(g);
    return std::pair(in, two_layers(in));
  }();
  const Region region = extract(inputs(x), outputs(y));
  const temporary_file file;
  save_region(file.path, region);
  const auto first_variable = [](Graph& to, const loaded_region& l) {
    return to.path_of(l.variables[0]);
  };

  Graph to;
  const loaded_region plain = load_region(to, file.path);
  CHECK(first_variable(to, plain) == "actor/dense/w");
  CHECK_FALSE(to.store().initialized(plain.variables[0]));  // it had no value
  CHECK(first_variable(to, load_region(to, file.path)) == "actor_1/dense/w");
  CHECK(first_variable(to, load_region(to, file.path, into("copy"))) == "copy/actor/dense/w");
  CHECK(first_variable(to, load_region(to, file.path, into("a/b"), from("actor"))) ==
        "a/b/dense/w");
  CHECK(first_variable(to, load_region(to, file.path, into(to, "a/b"), from("actor"))) ==
        "a/b_1/dense/w");
  CHECK(first_variable(to, load_region(to, file.path, into("exact"), names::exact)) ==
        "exact/actor/dense/w");
  const auto digest = to.digest();
  CHECK(mentions(message_of<name_error>([&] { load_region(to, file.path, names::exact); }),
                 "'actor'"));
  CHECK(
      mentions(message_of<name_error>([&] { load_region(to, file.path, into("a//b")); }), "empty"));
  CHECK(mentions(message_of<name_error>([&] { load_region(to, file.path, from("critic")); }),
                 "none of its names begins with 'critic/'"));
  CHECK_THROWS_AS(load_region(to, file.path, into(g, "there")), argument_error);
  CHECK(to.digest() == digest);
  // The current scope counts.
  const in_scope inside(to, "outer");
  CHECK(first_variable(to, load_region(to, file.path, from("actor"))) == "outer/dense/w");
  to.validate();
}

TEST_CASE("exact names are those of placeholders and given values, too", "[edge-68]") {
  Graph g;
  const row4 x = input4(g, "x"), mask = input4(g, "mask"), hidden = input4(g, "hidden");
  const row4 y = add(mul(x, mask), hidden, "y");
  const temporary_file file;
  save_region(file.path, extract(inputs(x), outputs(y), given(mask, Array::full<float>({2, 4}, 2)),
                                 leaks::keep));
  for (const char* taken : {"x", "mask", "hidden", "y"}) {
    INFO(taken);
    Graph to;
    (void)input4(to, taken);
    const auto digest = to.digest();
    const std::string text =
        message_of<name_error>([&] { (void)load_region(to, file.path, names::exact); });
    CHECK(mentions(text, "'" + std::string(taken) + "' among them"));
    CHECK(to.digest() == digest);
    (void)load_region(to, file.path);  // else a number is appended
    CHECK(to.find_op(std::string(taken) + "_1").has_value());
  }
  // What is given needs no name.
  Graph to;
  const row4 there = input4(to, "x");
  const loaded_region loaded = load_region(to, file.path, inputs(there), names::exact);
  CHECK(loaded.inputs[0].ref() == there.ref());
}

TEST_CASE("saved inputs are replaced by what is given") {
  Graph g;
  const row4 a = input4(g, "a"), b = input4(g, "b");
  const row4 y = sub(dense4(a), b);
  set_values(g);
  const temporary_file file;
  save_region(file.path, extract(inputs(a, b), outputs(y, b, y)));

  Graph to;
  const row4 p = input4(to, "p"), q = input4(to, "q");
  const std::size_t before = to.op_count();
  const loaded_region loaded = load_region(to, file.path, inputs(p, q));
  CHECK(to.op_count() == before + 7);  // no placeholder: matmul, add, sub, and two of each variable
  CHECK(loaded.inputs[1].ref() == q.ref());
  REQUIRE(loaded.outputs.size() == 3);
  CHECK(loaded.outputs[1].ref() == q.ref());
  CHECK(loaded.outputs[0].ref() == loaded.outputs[2].ref());
  check_equal(extract(inputs(a, b), outputs(y, b, y)), loaded.region);
  // One tensor for both.
  const loaded_region both = load_region(to, file.path, inputs(p, p));
  CHECK(both.region.inputs().size() == 1);

  const auto digest = to.digest();
  const auto wide = placeholder<float, shape<dyn, 5>>(to, "wide");
  const auto other_type = placeholder<double, shape<dyn, 4>>(to, "other_type");
  const auto after = to.digest();
  CHECK(digest != after);
  CHECK(mentions(message_of<boundary_error>([&] { load_region(to, file.path, inputs(p)); }),
                 "1 inputs were given, it has 2"));
  CHECK(mentions(message_of<shape_error>([&] { load_region(to, file.path, inputs(wide, q)); }),
                 "'a'"));
  CHECK(mentions(
      message_of<dtype_error>([&] { load_region(to, file.path, inputs(p, other_type)); }), "'b'"));
  CHECK_THROWS_AS(load_region(to, file.path, inputs(a, b)), handle_error);
  CHECK(to.digest() == after);
}

TEST_CASE("kept sources, control edges and values that are odd come back") {
  Graph g;
  const auto x = placeholder<float, shape<dim<"batch">, 4>>(g, "x");
  const auto mask = placeholder<float, shape<dim<"batch">, 4>>(g, "mask");
  const row4 h(relu(mul(x, mask)).ref());
  const std::vector<tensor_id> operand{id_of(h)};
  const op_id stop = g.add(ops::identity, operand);
  const row4 y(clip(tanh(h), -std::numeric_limits<double>::infinity(), 0.1).ref());
  g.add_control_edge(op_of(h), op_of(y));
  (void)stop;
  const auto v = make_variable<float, shape<0, 3>>(g, "empty", zeros());
  const auto truth =
      make_variable<bool, shape<>>(g, "truth", zeros(), false, variable_role::constant);
  const auto z = add(y, cast(truth, dtype::float32));
  Session(g).initialize();
  const Region region = extract(inputs(x), outputs(z, v), leaks::keep);
  REQUIRE(region.kept().size() == 1);
  const temporary_file file;
  save_region(file.path, region);
  Graph to;
  const loaded_region loaded = load_region(to, file.path);
  to.validate();
  check_equal(region, loaded.region);
  CHECK(loaded.region.kept().size() == 1);
  CHECK(to.type_of(id_of(loaded.inputs[0])).shape[0] == named_dim("batch"));
}

TEST_CASE("what cannot be saved is refused, and the file that was there stays") {
  Graph g;
  const row4 x = input4(g);
  const temporary_file file;
  file.write("before");
  const std::vector<tensor_id> operand{id_of(x)};
  constexpr static operator_schema unknown{"test_unknown", 1, 1, schemas::infer_same};
  const row4 y(g.handle({g.add(unknown, operand), 0}).ref());
  CHECK(mentions(message_of<unsupported_error>(
                     [&] { save_region(file.path, extract(inputs(x), outputs(y))); }),
                 "'test_unknown' is not registered"));
  const row4 z = relu(x, "\xff");
  CHECK_THROWS_AS(save_region(file.path, extract(inputs(x), outputs(z))), name_error);
  CHECK(file.bytes() == "before");
  CHECK_THROWS_AS(save_region("/nowhere/file", extract(inputs(x), outputs(relu(x)))), io_error);
}

TEST_CASE("initial values that need one another are not saved", "[edge-30]") {
  Graph g;
  const row4 x = input4(g);
  const auto v = make_variable<float, shape<4>>(g, "v", ones());
  const row4 y(mul(x, v).ref());
  const temporary_file file;
  save_region(file.path, extract(inputs(x), outputs(y)));
  const std::string before = file.bytes();
  // No edit makes such a circle.
  g.data().variables[g.variable_read_by(id_of(v))->value].initial = id_of(neg(v));
  CHECK(mentions(
      message_of<graph_error>([&] { save_region(file.path, extract(inputs(x), outputs(y))); }),
      "the initial value of variable 'v' depends on the variable itself"));
  CHECK(file.bytes() == before);
}

TEST_CASE("a truncated or altered file is refused, and the graph stays [edge-86]") {
  Graph g;
  const row4 x = input4(g);
  const auto v = make_variable<float, shape<4>>(g, "v", ones());
  const row4 y(mul(relu(x), v).ref());
  set_values(g);
  const temporary_file file;
  save_region(file.path, extract(inputs(x), outputs(y)));
  const std::string good = file.bytes();
  Graph to;
  (void)two_layers(input4(to));
  const auto digest = to.digest();
  const auto refused = [&](const std::string& bytes) {
    file.write(bytes);
    try {
      load_region(to, file.path);
    } catch (const io_error& e) {
      return to.digest() == digest && !e.parts().found.empty();
    }
    return false;
  };
  std::vector<std::size_t> accepted;
  for (std::size_t n = 0; n < good.size(); ++n) {
    if (!refused(good.substr(0, n))) accepted.push_back(n);
  }
  CHECK(accepted == std::vector<std::size_t>());
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ (1 << i % 8));
    if (!refused(bad)) accepted.push_back(i);
  }
  CHECK(accepted == std::vector<std::size_t>());
  CHECK(refused(good + " "));
  CHECK(refused(std::string(100, '\0')));
  file.write(good);
  load_region(to, file.path);  // still good
  to.validate();
  CHECK_THROWS_AS(load_region(to, "/nowhere/file"), io_error);
}

TEST_CASE("only regular files are read [edge-86]") {
  Graph to;
  const auto refused = [&](const std::string& path) {
    return message_of<io_error>([&] { load_region(to, path); });
  };
  const auto folder = std::filesystem::temp_directory_path().string();
  CHECK(mentions(refused(folder), "it is a folder, not a regular file"));
  CHECK(mentions(refused("/dev/zero"), "it is a device, not a regular file"));
  const temporary_file pipe;
  REQUIRE(::mkfifo(pipe.path.c_str(), 0600) == 0);  // nobody will ever write to it
  CHECK(mentions(refused(pipe.path), "it is a pipe, not a regular file"));
  const temporary_file link;
  std::filesystem::create_symlink(pipe.path, link.path);
  CHECK(mentions(refused(link.path), "it is a pipe, not a regular file"));
  CHECK(to.op_count() == 0);
}

TEST_CASE("contents that cannot be are refused with their place, and the graph stays") {
  Graph g;
  const row4 x = input4(g);
  const auto v = make_variable<float, shape<4>>(g, "v", ones());
  const auto c = constant(g, Array::full<float>({4}, 2), "c");
  const row4 h(mul(relu(x, "r"), v, "m").ref());
  const row4 y(add(h, c, "y").ref());
  g.own_update(*g.variable_read_by(id_of(v)), op_of(assign(v, v)));
  g.add_to_collection("losses", {member::kind::tensor, {}, id_of(y)});
  set_values(g);
  const temporary_file file;
  save_region(file.path, extract(inputs(x), outputs(y)));
  const io::tensor_file good = io::read_tensor_file(file.path);
  const std::string text = structure_of(file.path);
  Graph to;
  (void)two_layers(input4(to));
  const auto digest = to.digest();

  const auto message = [&](const std::string& structure, const named_arrays& arrays) {
    io::write_tensor_file(file.path, {arrays, {{io::region_key, structure}}});
    const std::string found = message_of<io_error>([&] { load_region(to, file.path); });
    CHECK(to.digest() == digest);
    to.validate();
    return found;
  };
  const auto check = [&](const std::string& from, const std::string& by, const std::string& part) {
    const std::string found = message(replaced(text, from, by), good.arrays);
    INFO(from << " -> " << by << ": " << found);
    CHECK(mentions(found, part));
  };
  INFO(text);
  check("\"version\":1", "\"version\":3", "format 3; this version of Graft reads 2");
  check("\"version\":1", "\"version\":0", "version is 0");
  check("\"version\":1", "\"version\":\"1\"", "whole number");
  check("\"version\":1,", "", "'version' is missing");
  check("\"version\":1,", "\"version\":1,\"version\":1,", "twice");
  check("\"version\":1,", "\"version\":1,\"more\":1,", "'more' is not known");
  check("\"kept\":0", "\"kept\":2", "out of range");
  check("\"relu\"", "\"no_such\"", "operator 'no_such' is not known");
  check("\"relu\"", "\"captured\"", "is not known");
  check("\"relu\"", "\"sub\"", "'r'");  // takes two
  check("\"op\":\"relu\"", "\"op\":7", "text was expected");
  check("\"in0\"", "\"in1\"", "no tensor 'in1'");
  check("\"in0\"", "\"0\"", "no tensor '0'");  // itself
  check("\"in0\"", "\"-1\"", "no tensor");
  check("\"in0\"", "\"4\"", "no tensor");  // later
  check("\"in0\"", "\"0:1\"", "no tensor");
  check("\"outputs\":[\"", "\"outputs\":[\"99", "no tensor");
  check("\"name\":\"r\"", "\"name\":\"m\"", "two ops have that name");
  check("\"name\":\"r\"", "\"name\":\"\"", "is not a path");
  check("\"name\":\"r\"", "\"name\":\"a//b\"", "is not a path");
  check("\"name\":\"r\"", "\"name\":\"a\\u0001b\"", "'a?b'");
  check("\"float32\"", "\"float31\"", "'float31' is not known");
  check("[null,4]", "[null,-4]", "negative");
  check("[null,4]", "[null,4.5]", "whole number");
  check("[null,4]", "[null,5]", "");  // does not broadcast
  check("\"role\":\"parameter\"", "\"role\":\"boss\"", "role 'boss'");
  check("\"trainable\":true", "\"trainable\":1", "true or false");
  check("\"read\":2", "\"read\":1", "");
  check("\"read\":2", "\"read\":77", "out of range");
  check("\"value\":true", "\"value\":false", "arrays");
  check("\"updates\":[", "\"updates\":[0,", "");
  check("{\"variable\":0}", "{\"variable\":1}", "out of range");
  // What would write variable 0 of the graph that it is loaded into.
  const std::string updated = "\"attributes\":{\"variable\":{\"variable\":0}}";
  check(updated, "\"attributes\":{\"variable\":{\"integer\":0}}",
        "'variable' is the integer 0; it must be a variable");
  check(updated, "\"attributes\":{\"variable\":{\"integers\":[0]}}", "it must be a variable");
  check(updated, "\"attributes\":{}", "'variable' is missing");
  check("{\"constant\":\"/0\"}", "{\"constant\":\"/1\"}", "constant '/1' is missing");
  check("{\"constant\":\"/0\"}", "{\"constant\":\"v\"}", "missing");
  check("{\"constant\":\"/0\"}", "{\"body\":0}", "out of range");
  check("{\"constant\":\"/0\"}", "{\"soul\":0}", "'soul', which is not known");
  check("\"relu\"", "\"results\"", "the last op of a body");
  check("\"losses\"", "\"variables\"", "variables");
  check("\"losses\":[{\"tensor\"", "\"losses\":[{\"thing\"", "'thing'");
  check("{\"version\"", "[{\"version\"", "JSON");
  CHECK(mentions(message("[]", good.arrays), "not a JSON object"));
  CHECK(mentions(message("{}", good.arrays), "'version' is missing"));
  CHECK(mentions(message(std::string(200000, '['), good.arrays), "JSON"));

  CHECK(mentions(message(text, {}), "missing"));
  named_arrays more = good.arrays;
  more.emplace_back("more", Array::scalar<float>(1));
  CHECK(mentions(message(text, more), "arrays"));
  named_arrays other = good.arrays;
  for (auto& [name, array] : other) {
    if (name == "v") array = Array::full<float>({5}, 1);
  }
  (void)message(text, other);
  other = good.arrays;
  for (auto& [name, array] : other) {
    if (name == "/0") array = Array::full<double>({4}, 1);
  }
  CHECK(mentions(message(text, other), "its value is not of its type (c)"));
  // A file of values is no region.
  write_safetensors(file.path, good.arrays);
  CHECK(mentions(message_of<io_error>([&] { load_region(to, file.path); }), "load_variables"));
  // And as it was, it loads.
  io::write_tensor_file(file.path, {good.arrays, {{io::region_key, text}}});
  load_region(to, file.path);
}

TEST_CASE("structures changed at random are refused or make a valid graph") {
  Graph g;
  const row4 x = input4(g);
  const row4 y = rich(x);
  set_values(g);
  const temporary_file file;
  save_region(file.path, extract(inputs(x), outputs(y)));
  const io::tensor_file good = io::read_tensor_file(file.path);
  const std::string text = structure_of(file.path);
  std::uint64_t state = 1;
  const auto below = [&state](std::size_t n) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<std::size_t>((state >> 33) % n);
  };
  int loaded = 0;
  for (int trial = 0; trial < 1500; ++trial) {
    std::string changed = text;
    const std::size_t at = below(changed.size());
    switch (below(4)) {
      case 0:  // another digit where one is
        if (const auto digit = changed.find_first_of("0123456789", at);
            digit != std::string::npos) {
          changed[digit] = static_cast<char>('0' + below(10));
        }
        break;
      case 1:
        changed[at] = static_cast<char>(' ' + below(95));
        break;
      case 2:
        changed.erase(at, 1 + below(64));
        break;
      default:
        changed.insert(at, changed.substr(below(changed.size()), 1 + below(64)));
        break;
    }
    io::write_tensor_file(file.path, {good.arrays, {{io::region_key, changed}}});
    Graph to;
    const auto digest = to.digest();
    INFO("trial " << trial);
    try {
      const loaded_region back = load_region(to, file.path);
      to.validate();
      ++loaded;
    } catch (const io_error&) {
      CHECK(to.digest() == digest);
    }
  }
  CHECK(loaded > 0);
  CHECK(loaded < 1500);
}

TEST_CASE("a header that has a name twice is refused") {
  const std::string entry = R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]})";
  const auto bytes = [](const std::string& header) {
    const std::uint64_t size = header.size();
    return std::string(reinterpret_cast<const char*>(&size), sizeof size) + header + "1234";
  };
  const temporary_file file;
  file.write(bytes("{" + entry + "}"));
  CHECK(read_safetensors(file.path).size() == 1);
  file.write(bytes("{" + entry + "," + entry + "}"));
  CHECK(mentions(message_of<io_error>([&] { read_safetensors(file.path); }), "'a' twice"));
}

TEST_CASE("the largest numbers of lists come back") {
  Graph g;
  const auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  const auto y = relu(x);
  const dims most{std::numeric_limits<std::int64_t>::max(),
                  std::numeric_limits<std::int64_t>::max() - 1, 1};
  g.set_attributes(op_of(y), attribute_list().set("tag", most));
  const temporary_file file;
  save_region(file.path, extract(inputs(x), outputs(y)));
  Graph other;
  const loaded_region loaded = load_region(other, file.path);
  CHECK(other.attributes_of(other.op_at(other.op_count() - 1)).integers("tag") == most);
}
