// Values that tensors of a region were given() go into its file and come back.
#include "graft/graft.hpp"
#include "graft/io/region_file.hpp"
#include "graft/surgery/diff.hpp"

#include "clone_fixture.hpp"
#include "io/region_format.hpp"
#include "io/tensor_file.hpp"
#include "temporary_file.hpp"

using namespace graft_test;

namespace {

Array rows(float first) {
  Array result(dtype::float32, {2, 4});
  for (float& e : result.mutable_span<float>()) e = first++;
  return result;
}

std::string structure_of(const std::string& path) {
  for (const auto& [key, value] : io::read_tensor_file(path).metadata) {
    if (key == io::region_key) return value;
  }
  FAIL("no structure");
  return {};
}

using rows4 = tensor<Graph, dtype::float32, shape<2, 4>>;

rows4 input(Graph& g, std::string_view name) { return placeholder<float, shape<2, 4>>(g, name); }

// Two sources, a tensor inside and an initial value, all with given values but the second source.
struct masked {
  Graph g;
  rows4 x = input(g, "x"), mask = input(g, "mask"), source = input(g, "source");
  rows4 y, inner;
  std::optional<Region> region;

  masked() {
    const in_scope inside(g, "net");
    inner = tanh(x, "inner");
    const auto first = constant(g, Array::full<float>({4}, 5), "first");
    const auto w = variable<dtype::float32, shape<4>>(
        g.handle(g.variable_of(g.add_variable("w", first.ref().id, variable_role::parameter, true))
                     .read)
            .ref());
    const auto offset = constant(g, Array::full<float>({4}, 3), "offset");
    y = rows4(add(mul(sub(mul(x, mask), source), w), mul(inner, offset), "y").ref());
    Session(g).initialize();
    region = extract(inputs(x), outputs(y, mask), leaks::keep,
                     given(mask, rows(1), inner, rows(-3), first, Array::full<float>({4}, 9)));
  }
};

void check_equal(const Region& a, const Region& b) {
  const auto found = diff(a, b, including::values, including::streams, including::names);
  INFO(to_string(found));
  CHECK(found.empty());
  CHECK(content_hash(a, including::values) == content_hash(b, including::values));
}

}  // namespace

TEST_CASE("given values come back with a region", "[edge-86]") {
  masked m;
  const Region& region = *m.region;
  REQUIRE(region.kept().size() == 4);
  const temporary_file file, again;
  save_region(file.path, region);
  Graph to;
  const loaded_region loaded = load_region(to, file.path);
  to.validate();
  check_equal(region, loaded.region);
  REQUIRE(loaded.inputs.size() == 1);
  CHECK(loaded.region.kept().size() == 4);
  std::size_t valued = 0;
  for (const tensor_id t : loaded.region.kept()) {
    const Array* value = loaded.region.value_of(t);
    if (value == nullptr) {
      CHECK(to.path_of(t) == "source");
      continue;
    }
    ++valued;
    const std::string name = to.path_of(t);
    CHECK(value->same_bits(name == "mask"        ? rows(1)
                           : name == "net/inner" ? rows(-3)
                                                 : Array::full<float>({4}, 9)));
  }
  CHECK(valued == 3);
  save_region(again.path, loaded.region);
  CHECK(file.bytes() == again.bytes());

  // What is loaded computes what a clone computes; no value is asked for that was given.
  const Clone copy = clone(region, bind(m.x, m.x, m.source, m.source), variables::copied);
  Session here(m.g), there(to);
  const rows4 kept(to.handle({*to.find_op("source"), 0}).ref());
  const rows4 in(loaded.inputs[0].ref());
  const auto wanted = here.run(copy(m.y), feed(m.x, rows(2)), feed(m.source, rows(7)));
  const auto mask = there.run(loaded.outputs[1]);
  CHECK(there.run(loaded.outputs[0], feed(in, rows(2)), feed(kept, rows(7))).same_bits(wanted));
  CHECK(mask.same_bits(rows(1)));
  // So does a clone of what is loaded, whose variable starts with the value given.
  const Clone third = clone(loaded.region, bind(in, in, kept, kept), variables::fresh);
  there.run(third.initializer());
  for (const variable_id v : third.variables()) {
    CHECK(to.store().get(v).same_bits(Array::full<float>({4}, 9)));
  }
  CHECK(there.run(third(loaded.outputs[1])).same_bits(rows(1)));
}

TEST_CASE("a tensor whose extents are open comes back with those of its given value") {
  Graph g, to;
  const row4 x = input4(g), mask = input4(g, "mask");
  const row4 y = mul(mask, x);
  const Region region = extract(inputs(x), outputs(y), given(mask, rows(1)));
  const temporary_file file, again, third;
  save_region(file.path, region);
  const loaded_region loaded = load_region(to, file.path);
  REQUIRE(loaded.region.kept().size() == 1);
  CHECK(to.type_of(loaded.region.kept()[0]) == value_type::of(dtype::float32, {2, 4}));
  CHECK(Session(to)
            .run(loaded.outputs[0], feed(row4(loaded.inputs[0].ref()), rows(3)))
            .same_bits(Session(g).run(y, feed(x, rows(3)), feed(mask, rows(1)))));
  // It is the same from then on.
  save_region(again.path, loaded.region);
  Graph next;
  const loaded_region twice = load_region(next, again.path);
  check_equal(loaded.region, twice.region);
  save_region(third.path, twice.region);
  CHECK(again.bytes() == third.bytes());
}

TEST_CASE("given values are constants in a simplified file") {
  masked m;
  const temporary_file file;
  save_region(file.path, *m.region, saving::simplified);
  Graph to;
  const loaded_region loaded = load_region(to, file.path);
  CHECK(loaded.region.kept().size() == 1);
  const Clone copy = clone(*m.region, bind(m.x, m.x, m.source, m.source), variables::copied);
  const rows4 kept(to.handle({*to.find_op("source"), 0}).ref());
  const rows4 in(loaded.inputs[0].ref());
  CHECK(Session(to)
            .run(loaded.outputs[0], feed(in, rows(2)), feed(kept, rows(7)))
            .same_bits(Session(m.g).run(copy(m.y), feed(m.x, rows(2)), feed(m.source, rows(7)))));
}

TEST_CASE("a region without given values is written as version 1") {
  Graph g;
  const row4 x = input4(g), mask = input4(g, "mask");
  const row4 y = mul(x, mask);
  const temporary_file file;
  save_region(file.path, extract(inputs(x), outputs(y), leaks::keep));
  CHECK(mentions(structure_of(file.path), "{\"version\":1,"));
  CHECK_FALSE(mentions(structure_of(file.path), "\"value\""));
  save_region(file.path, extract(inputs(x), outputs(y), given(mask, rows(1))));
  CHECK(mentions(structure_of(file.path), "{\"version\":2,"));
}

TEST_CASE("given values that cannot be are refused with their place, and the graph stays") {
  Graph g, to;
  const row4 x = input4(g), mask = input4(g, "mask");
  const row4 y = mul(x, mask, "y");
  const temporary_file file;
  save_region(file.path, extract(inputs(x), outputs(y), given(mask, rows(1))));
  const io::tensor_file good = io::read_tensor_file(file.path);
  const std::string text = structure_of(file.path);
  const auto digest = to.digest();
  const auto check = [&](const std::string& from, const std::string& by, const named_arrays& arrays,
                         const std::string& part) {
    std::string structure = text;
    const auto at = structure.find(from);
    REQUIRE(at != std::string::npos);
    structure.replace(at, from.size(), by);
    io::write_tensor_file(file.path, {arrays, {{io::region_key, structure}}});
    const std::string found = message_of<io_error>([&] { load_region(to, file.path); });
    INFO(from << " -> " << by << ": " << found);
    CHECK(mentions(found, part));
    CHECK(to.digest() == digest);
  };
  const std::string value = ",\"value\":\"/0\"";
  check("\"version\":2", "\"version\":1", good.arrays, "the field 'value' is not known");
  check("\"kept\":1", "\"kept\":0", good.arrays, "it has a value and is not among those kept");
  check(value, ",\"value\":\"/1\"", good.arrays, "given value '/1' is missing (mask)");
  check(value, ",\"value\":\"mask\"", good.arrays, "'mask' is not a constant of the file");
  check(value, ",\"value\":0", good.arrays, "a text was expected");
  check(value, "", good.arrays, "it has 1 arrays where 0 belong");
  check(value, value, {{"/0", Array::full<double>({2, 4}, 1)}}, "not of its type (mask)");
  check(value, value, {{"/0", Array::full<float>({2, 5}, 1)}}, "not of its type (mask)");
  check(value, value, {}, "it has 0 arrays where 1 belong");
  io::write_tensor_file(file.path, {good.arrays, {{io::region_key, text}}});
  (void)load_region(to, file.path);
}

TEST_CASE("inputs that no output uses stay inputs in a simplified file") {
  Graph g;
  const row4 x = input4(g), idle = input4(g, "idle");
  const row4 y = relu(identity(x));
  const Region region = extract(inputs(idle, x), outputs(y), unused::allow);
  const temporary_file file;
  save_region(file.path, region, saving::simplified);
  Graph to;
  const loaded_region loaded = load_region(to, file.path);
  REQUIRE(loaded.inputs.size() == 2);
  CHECK(to.path_of(id_of(loaded.inputs[0])) == "idle");
  CHECK(loaded.region.report().unused_inputs.size() == 1);
  CHECK(Session(to)
            .run(loaded.outputs[0], feed(row4(loaded.inputs[1].ref()), rows(-4)))
            .same_bits(Session(g).run(y, feed(x, rows(-4)))));
}
