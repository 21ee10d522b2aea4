#include <string>
#include <vector>

#include "../bench/harness.hpp"
#include "catch.hpp"

namespace {

graft::bench::harness with_options(std::vector<std::string> words) {
  std::vector<char*> arguments;
  words.insert(words.begin(), "bench");
  for (auto& word : words) arguments.push_back(word.data());
  return {static_cast<int>(arguments.size()), arguments.data()};
}

}  // namespace

TEST_CASE("the filter is a regular expression over bench, peer and case") {
  const auto bench = with_options({"--filter", "^matmul,(graft|eigen),"});
  CHECK(bench.wants({"matmul", "graft", "8x8", 1}));
  CHECK_FALSE(bench.wants({"matmul", "openblas", "8x8", 1}));
  CHECK_FALSE(bench.wants({"conv", "graft", "8x8", 1}));
}

TEST_CASE("cases are registered for the thread count asked for") {
  CHECK(with_options({}).thread_counts() == std::vector<int>{1});
  CHECK(with_options({"--threads", "4"}).thread_counts() == std::vector<int>{4});
}

TEST_CASE("peers of one case take turns, and each is prepared before its turn") {
  auto bench = with_options({});
  std::string order;  // one letter per turn: repeated calls within a turn leave one
  const auto turn = [&order](char peer) {
    if (order.empty() || order.back() != peer) order += peer;
  };
  int prepared = 0;
  bench.add({"topic", "a", "case", 1}, [&] { turn('a'); }, [&] { ++prepared; });
  bench.add({"topic", "b", "case", 1}, [&] { turn('b'); });
  CHECK(bench.run() == 0);
  CHECK(order == "abababababababababab");  // calibration, then nine turns each
  CHECK(prepared > 9);
}

TEST_CASE("listing runs nothing") {
  auto bench = with_options({"--list"});
  bool ran = false;
  bench.add({"topic", "a", "case", 1}, [&] { ran = true; });
  CHECK(bench.run() == 0);
  CHECK_FALSE(ran);
}
