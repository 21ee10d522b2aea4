// What is kept to be called: copies, emptiness, what may be kept.
#include "graft/core/callable.hpp"

#include <functional>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <utility>

#include "catch.hpp"

using graft::callable;

namespace {

int twice(int x) { return 2 * x; }

// Counts the objects there are.
struct counted {
  static inline int there = 0;
  int added = 1;
  counted() { ++there; }
  counted(const counted& other) : added(other.added) { ++there; }
  counted(counted&& other) noexcept : added(other.added) { ++there; }
  counted& operator=(const counted&) = default;
  ~counted() { --there; }
  int operator()(int x) const { return x + added; }
};

}  // namespace

TEST_CASE("functions, lambdas and function objects are kept", "[callable]") {
  const callable<int(int)> function = twice, pointer = &twice, lambda = [](int x) { return x + 1; };
  CHECK(function(3) == 6);
  CHECK(pointer(3) == 6);
  CHECK(lambda(3) == 4);
  const std::function<int(int)> standard = twice;
  CHECK(callable<int(int)>(standard)(4) == 8);
  const std::function<int(int)> back = lambda;
  CHECK(back(4) == 5);
  const callable<double(int)> converted = lambda;  // another signature that fits
  CHECK(converted(1) == 2.0);
  std::string seen;
  const callable<void(const std::string&)> nothing = [&](const std::string& s) { return seen = s; };
  nothing("text");
  CHECK(seen == "text");
}

TEST_CASE("members of what is given are kept by pointers to them", "[callable]") {
  struct pair {
    int first;
    [[nodiscard]] int plus(int x) const { return first + x; }
  };
  const callable<int(const pair&)> first = &pair::first;
  const callable<int(const pair&, int)> plus = &pair::plus;
  CHECK(first(pair{3}) == 3);
  CHECK(plus(pair{3}, 4) == 7);
  CHECK_FALSE(callable<int(const pair&)>(static_cast<int pair::*>(nullptr)));
}

TEST_CASE("without anything to call a callable is empty and says so", "[callable]") {
  int (*none)(int) = nullptr;
  const callable<int(int)> all[] = {
      {}, nullptr, none, std::function<int(int)>(), callable<double(int)>()};
  for (const auto& c : all) {
    CHECK_FALSE(c);
    CHECK(c == nullptr);
    CHECK_THROWS_AS(c(1), std::bad_function_call);
  }
  CHECK(callable<int(int)>(twice));
  CHECK(callable<int(int)>(twice) != nullptr);
}

TEST_CASE("copies have objects of their own, and all of them go", "[callable]") {
  {
    callable<int()> first = [n = 0]() mutable { return ++n; };
    CHECK(first() == 1);
    callable<int()> second = first;
    CHECK(first() == 2);
    CHECK(second() == 2);
    second = first;
    CHECK(second() == 3);
    CHECK(first() == 3);
  }
  {
    callable<int(int)> a = counted(), b = a, c = std::move(a);
    CHECK(counted::there == 2);
    CHECK_FALSE(a);  // NOLINT: a callable that was moved from is empty
    CHECK(c(1) == 2);
    b = c;
    CHECK(counted::there == 2);
    const callable<int(int)>& same = b;
    b = same;
    CHECK(b(1) == 2);
    b = nullptr;
    CHECK(counted::there == 1);
    std::swap(b, c);
    CHECK(b(2) == 3);
    CHECK_FALSE(c);
  }
  CHECK(counted::there == 0);
}

TEST_CASE("copying may fail, moving may not", "[callable]") {
  using kept = callable<int(int)>;
  static_assert(!std::is_nothrow_copy_constructible_v<kept> &&
                !std::is_nothrow_copy_assignable_v<kept>);
  static_assert(std::is_nothrow_move_constructible_v<kept> &&
                std::is_nothrow_move_assignable_v<kept>);
  struct fragile {
    fragile() = default;
    fragile(const fragile&) { throw std::bad_alloc(); }
    fragile(fragile&&) noexcept {}
    int operator()(int x) const { return x; }
  };
  const kept source = fragile{};
  kept target = [](int x) { return x + 1; };
  CHECK_THROWS_AS(target = source, std::bad_alloc);
  CHECK(target(1) == 2);
}

TEST_CASE("arguments are passed on as they are", "[callable]") {
  const callable<int(std::unique_ptr<int>)> taken = [](std::unique_ptr<int> p) { return *p; };
  CHECK(taken(std::make_unique<int>(7)) == 7);
  const callable<int&(int&)> same = [](int& x) -> int& { return x; };
  int x = 1;
  same(x) = 5;
  CHECK(x == 5);
  STATIC_REQUIRE_FALSE(std::is_constructible_v<callable<int(int)>, std::string>);
  STATIC_REQUIRE_FALSE(std::is_constructible_v<callable<int(int)>, std::string (*)(int)>);
}
