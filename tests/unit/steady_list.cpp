// The list whose elements stay where they are.
#include "graft/graph/steady_list.hpp"

#include <memory>

#include "catch.hpp"

using graft::detail::steady_list;

TEST_CASE("elements of a steady list stay where they are") {
  steady_list<std::unique_ptr<int>> list;
  CHECK(list.empty());
  std::vector<const std::unique_ptr<int>*> places;
  for (int i = 0; i < 1000; ++i) places.push_back(&list.push_back(std::make_unique<int>(i)));
  CHECK(list.size() == 1000);
  for (std::size_t i = 0; i < 1000; ++i) {
    CHECK(&list[i] == places[i]);
    CHECK(*list[i] == static_cast<int>(i));
  }
  int next = 0;
  for (const std::unique_ptr<int>& each : list) CHECK(*each == next++);
  CHECK(next == 1000);
  CHECK(*list.back() == 999);
}

TEST_CASE("a steady list gives up its last elements, and takes others in their place") {
  const auto counted = std::make_shared<int>(0);
  {
    steady_list<std::shared_ptr<int>> list;
    list.reserve(100);
    for (int i = 0; i < 100; ++i) list.push_back(counted);
    CHECK(counted.use_count() == 101);
    while (list.size() > 15) list.pop_back();
    CHECK(counted.use_count() == 16);
    for (int i = 0; i < 50; ++i) list.push_back(counted);
    CHECK(list.size() == 65);
  }
  CHECK(counted.use_count() == 1);
}
