#include "graft/core/dims.hpp"

#include <thread>
#include <vector>

#include "graft/core/error.hpp"
#include "graft/core/shape.hpp"
#include "graft/schema/value_type.hpp"

#include "catch.hpp"

using namespace graft;

static_assert(dim<"batch"> < dyn);
static_assert(dim<"batch"> != dim<"time">);
static_assert(refine(dyn, dim<"batch">) == dim<"batch">);
static_assert(refine(dim<"batch">, 3) == 3);
static_assert(!surely_differ(dim<"batch">, 3));
static_assert(surely_differ(2, 3));
static_assert(element_count(dims{2, 3, 4}) == 24);
static_assert(element_count(dims{}) == 1);
static_assert(element_count(dims{2, dyn}) == dyn);
static_assert(element_count(dims{dyn, 0}) == 0);
static_assert(shape<2, dyn>::rank == 2);

TEST_CASE("names of extents come back") {
  CHECK(dim_name(dim<"batch">) == "batch");
  CHECK(dim_name(dim<"a">) == "a");
  CHECK(dim_name(dim<"Zz_9012345">) == "Zz_9012345");
  CHECK(named_dim("batch") == dim<"batch">);
  const std::string name = "a name that is long, with spaces and Grüßen";
  const extent e = named_dim(name);
  CHECK(is_named(e));
  CHECK(dim_name(e) == name);
  CHECK(named_dim(name) == e);
  CHECK(named_dim("another long name") != e);
  CHECK(dim_name(dyn) == "?");
  CHECK(dim_name(7) == "7");
  CHECK_THROWS_AS(named_dim(""), argument_error);
}

TEST_CASE("numbers that are no name of an extent do not break") {
  CHECK(dim_name(std::numeric_limits<extent>::min()) == "?");
  CHECK(dim_name(-2) == "?");
}

TEST_CASE("long names are interned once, from several threads too") {
  std::vector<std::thread> threads;
  std::vector<std::vector<extent>> seen(4);
  for (auto& list : seen) {
    threads.emplace_back([&list] {
      for (int i = 0; i < 200; ++i)
        list.push_back(named_dim("dimension number " + std::to_string(i)));
    });
  }
  for (std::thread& t : threads) t.join();
  for (const auto& list : seen) CHECK(list == seen[0]);
  CHECK(dim_name(seen[0][17]) == "dimension number 17");
}

TEST_CASE("shapes and types print as people write them") {
  CHECK(to_string(dims{}) == "[]");
  CHECK(to_string(dims{64, dyn, dim<"time">}) == "[64, ?, time]");
  CHECK(to_string(value_type::of(dtype::float32, {64, 784})) == "float32 [64, 784]");
  CHECK(to_string(value_type::unranked(dtype::int64)) == "int64 of unknown rank");
  CHECK(to_string(value_type{}) == "any type of unknown rank");
  CHECK(to_string(value_type{dtype::uint8, value_kind::sequence, true, {2}}) ==
        "sequence of uint8 [2]");
}

TEST_CASE("element counts that do not fit are refused") {
  const extent big = extent{1} << 40;
  CHECK_THROWS_AS(element_count(dims{big, big}), size_error);
  CHECK(element_count(dims{big, big, 0}) == 0);
  CHECK(element_count(dims{0, big, big}) == 0);
}

TEST_CASE("an error is a sentence and its parts") {
  const shape_error full({"dense 'logits' multiplies [64, 784] by [128, 10]", "784 and 128 differ",
                          "net.cpp:12", "change the units"});
  CHECK(std::string(full.what()) ==
        "dense 'logits' multiplies [64, 784] by [128, 10]; 784 and 128 differ (net.cpp:12). Change "
        "the units.");
  CHECK(full.parts().found == "784 and 128 differ");
  CHECK(std::string(name_error({"it was asked", "", "", ""}).what()) == "it was asked.");
  CHECK(std::string(name_error({"", "it was found", "", "do this."}).what()) ==
        "it was found. Do this.");
  const error& base = full;
  CHECK(dynamic_cast<const std::runtime_error*>(&base) != nullptr);
}
