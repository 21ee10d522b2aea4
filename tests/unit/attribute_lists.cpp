// Lists of integers in attributes: numbers stay numbers and names stay names, in files, hashes and messages.
#include <bit>
#include <cmath>
#include <limits>

#include "graft/graph/operator.hpp"
#include "graft/io/region_file.hpp"
#include "graft/surgery/diff.hpp"

#include "clone_fixture.hpp"
#include "io/region_format.hpp"
#include "io/tensor_file.hpp"
#include "temporary_file.hpp"

using namespace graft_test;

namespace {

constexpr extent first_long = -2 - (extent{1} << 60);
constexpr extent least = std::numeric_limits<extent>::min();
constexpr const char* long_name = "a dimension of this test";

constexpr attribute_rule own_takes[] = {declare::integers("numbers"), declare::shape("extents"),
                                        declare::real("rate"), declare::integers("pair").of(2)};
constexpr operator_schema own{"test.lists", 1, 1, schemas::infer_same, 0, own_takes};

void register_own() {
  static const bool once = [] {
    operator_definition d;
    d.schema = &own;
    register_operator(d);
    return true;
  }();
  (void)once;
}

struct listed {
  Graph g;
  row4 x = input4(g);
  op_id op;
  explicit listed(const attribute_list& attributes) {
    register_own();
    const tensor_id operand = id_of(x);
    op = g.add(own, {&operand, 1}, attributes, "op");
  }
  [[nodiscard]] Region region() { return extract(inputs(x), outputs(g.handle({op, 0}))); }
};

std::string structure_of(const std::string& path) {
  for (const auto& [key, value] : io::read_tensor_file(path).metadata) {
    if (key == io::region_key) return value;
  }
  FAIL("no structure");
  return {};
}

// What a file says, once it was loaded and found to be equal.
std::string saved(const attribute_list& attributes) {
  listed from(attributes);
  const temporary_file file;
  save_region(file.path, from.region());
  Graph to;
  const loaded_region loaded = load_region(to, file.path);
  to.validate();
  const op_id back = id_of(loaded.outputs[0]).op;
  attribute_list sorted = attributes;
  std::sort(sorted.begin(), sorted.end(), [](auto& a, auto& b) { return a.key < b.key; });
  for (const attribute& a : attributes) {
    INFO(std::string(a.key));
    const auto b = to.attributes_of(back).find(a.key);
    REQUIRE(b.has_value());
    CHECK(b->integers == a.integers);
    CHECK(std::bit_cast<std::uint64_t>(b->real) == std::bit_cast<std::uint64_t>(a.real));
  }
  INFO(to_string(diff(from.region(), loaded.region)));
  CHECK(isomorphic(from.region(), loaded.region));
  CHECK(content_hash(from.region()) == content_hash(loaded.region));
  return structure_of(file.path);
}

std::uint64_t hash_of(const attribute_list& attributes) {
  return content_hash(listed(attributes).region());
}

}  // namespace

TEST_CASE("numbers of lists come back whatever they are", "[edge-86]") {
  const dims all{least,
                 least + 1,
                 first_long - 1,
                 first_long,
                 first_long + 1,
                 -3,
                 -2,
                 -1,
                 0,
                 1,
                 std::numeric_limits<extent>::max()};
  (void)saved(attribute_list().set("numbers", all).set("tag", all));
  // In a list that the operator declares to be of numbers, what is a name elsewhere is a number.
  const extent name = named_dim(long_name);
  CHECK(mentions(saved(attribute_list().set("numbers", dims{name})), std::to_string(name)));
}

TEST_CASE("names of dimensions in lists are written as names", "[edge-86]") {
  const dims extents{3, dyn, named_dim("batch"), named_dim(long_name), named_dim("?")};
  for (const char* key : {"extents", "tag"}) {
    const std::string text = saved(attribute_list().set(key, extents));
    CHECK(mentions(text, std::string("\"") + long_name + "\",\"?\""));
  }
  // What is no name is no extent.
  CHECK(mentions(
      message_of<argument_error>([] { listed(attribute_list().set("extents", dims{first_long})); }),
      "extents, dyn or named"));
}

TEST_CASE("a long name has the number that follows from it") {
  CHECK(named_dim(long_name) == -2954594715359375767);
  CHECK(named_dim("a dimension of that test") != named_dim(long_name));
  CHECK(named_dim(long_name) <= first_long);
}

TEST_CASE("hashes tell numbers of lists apart") {
  for (const char* key : {"numbers", "tag"}) {
    const auto with = [&](extent e) { return attribute_list().set(key, dims{e}); };
    CHECK(hash_of(with(least)) != hash_of(with(first_long)));
    CHECK(listed(with(least)).g.digest() != listed(with(first_long)).g.digest());
    listed a(with(least)), b(with(first_long));
    CHECK_FALSE(isomorphic(a.region(), b.region()));
  }
}

TEST_CASE("lists read as what they are in messages") {
  listed a(attribute_list().set("numbers", dims{-3, dyn}).set("tag", dims{-3}));
  listed b(attribute_list().set("numbers", dims{-4, dyn}).set("tag", dims{named_dim(long_name)}));
  const std::string text = to_string(diff(a.region(), b.region()));
  CHECK(mentions(text, "is [-3, -1], of 'op' [-4, -1]"));
  CHECK(mentions(text, std::string("is [-3], of 'op' [") + long_name + "]"));
  listed c(attribute_list().set("extents", dims{named_dim("a"), dyn}));
  listed d(attribute_list().set("extents", dims{named_dim("b"), dyn}));
  CHECK(mentions(to_string(diff(c.region(), d.region())), "is [a, ?], of 'op' [b, ?]"));
  CHECK(mentions(
      message_of<argument_error>([] { listed(attribute_list().set("pair", dims{-3, -1, 2})); }),
      "'pair' is integers [-3, -1, 2]"));
}

TEST_CASE("reals that are no numbers come back bit by bit", "[edge-86]") {
  for (const std::uint64_t bits :
       {0x7ff8000000000000ull, 0xfff8000000000000ull, 0x7ff800000000beefull, 0x7ff0000000000000ull,
        0xfff0000000000000ull, 0x8000000000000000ull, 0x0000000000000001ull}) {
    INFO(bits);
    (void)saved(attribute_list().set("rate", std::bit_cast<double>(bits)));
  }
}

TEST_CASE("reals of files that are none are refused", "[edge-86]") {
  listed from(attribute_list().set("rate", std::bit_cast<double>(0x7ff800000000beefull)));
  const temporary_file file;
  save_region(file.path, from.region());
  const std::string structure = structure_of(file.path);
  for (const char* wrong : {"nan:", "nan:5", "nan:x", "nan:99999999999999999999999", "nan:12 "}) {
    std::string text = structure;
    const auto at = text.find("nan:");
    REQUIRE(at != std::string::npos);
    io::tensor_file changed;
    changed.metadata.emplace_back(io::region_key, text.replace(at, text.find('"', at) - at, wrong));
    io::write_tensor_file(file.path, changed);
    Graph to;
    CHECK(mentions(message_of<io_error>([&] { load_region(to, file.path); }), "is not known"));
    CHECK(to.op_count() == 0);
  }
}

TEST_CASE("what a file could not be loaded with is not saved", "[edge-86]") {
  const temporary_file file;
  file.write("before");
  listed many(attribute_list().set("numbers", dims(std::vector<extent>(100'001, 1))));
  CHECK(mentions(message_of<unsupported_error>([&] { save_region(file.path, many.region()); }),
                 "'numbers' has 100001 integers"));
  (void)saved(attribute_list().set("numbers", dims(std::vector<extent>(100'000, 1))));
  const std::string name(1001, 'n');
  listed named(attribute_list().set("extents", dims{named_dim(name)}));
  CHECK(mentions(message_of<unsupported_error>([&] { save_region(file.path, named.region()); }),
                 "has 1001 bytes"));
  (void)saved(attribute_list().set("extents", dims{named_dim(name.substr(1))}));
  Graph g;
  const auto x = g.handle(
      {g.add(ops::placeholder, {},
             attribute_list().set("type", dtype::float32).set("shape", dims{named_dim(name)})),
       0});
  CHECK(mentions(message_of<unsupported_error>(
                     [&] { save_region(file.path, extract(inputs(x), outputs(relu(x)))); }),
                 "has 1001 bytes"));
  CHECK(file.bytes() == "before");
}
