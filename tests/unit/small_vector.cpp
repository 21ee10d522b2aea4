#include "graft/core/small_vector.hpp"

#include <string>

#include "catch.hpp"

using graft::small_vector;

namespace {

constexpr int sum_in_constant_evaluation() {
  small_vector<int, 2> v{1, 2};
  for (int i = 3; i <= 10; ++i) v.push_back(i);  // grows past the inner room
  small_vector<int, 2> copy(v);
  small_vector<int, 2> moved(std::move(v));
  copy = moved;
  int sum = 0;
  for (const int i : copy) sum += i;
  return sum;
}
static_assert(sum_in_constant_evaluation() == 55);

}  // namespace

TEST_CASE("a small vector grows, shrinks and keeps its elements") {
  small_vector<std::string, 2> v;
  CHECK(v.empty());
  for (int i = 0; i < 100; ++i) v.push_back("element " + std::to_string(i));
  REQUIRE(v.size() == 100);
  CHECK(v.front() == "element 0");
  CHECK(v.back() == "element 99");
  v.insert(1, "inserted");
  CHECK(v[1] == "inserted");
  CHECK(v[2] == "element 1");
  CHECK(v.back() == "element 99");
  v.erase(1);
  CHECK(v[1] == "element 1");
  CHECK(v.size() == 100);
  v.resize(3);
  CHECK(v.size() == 3);
  v.resize(5, "more");
  CHECK(v[4] == "more");
  v.pop_back();
  CHECK(v.size() == 4);
  v.clear();
  CHECK(v.empty());
}

TEST_CASE("a small vector copies, moves and compares, inside and on the heap") {
  for (const std::size_t count : {1u, 2u, 3u, 50u}) {
    small_vector<std::string, 2> a;
    for (std::size_t i = 0; i < count; ++i) a.push_back(std::to_string(i));
    const small_vector<std::string, 2> copy(a);
    CHECK(copy == a);
    small_vector<std::string, 2> moved(std::move(a));
    CHECK(moved == copy);
    CHECK(a.empty());  // NOLINT: what moving leaves is part of the contract
    a = copy;
    CHECK(a == moved);
    a[0] = "other";
    CHECK_FALSE(a == moved);
    a = std::move(moved);
    CHECK(a == copy);
    const auto& self = a;
    a = self;
    CHECK(a == copy);
    moved.push_back("usable again");
    CHECK(moved.size() == 1);
  }
}

TEST_CASE("a small vector keeps an element that is pushed from itself") {
  small_vector<std::string, 2> v{"a", "b"};
  v.push_back(v[0]);  // grows while the argument refers into it
  CHECK(v[2] == "a");
  v.resize(10, v[1]);
  CHECK(v[9] == "b");
}
