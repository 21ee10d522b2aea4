// A small harness for benchmarks that compare peers.
//
// Peers of the same bench, case and thread count run in turns (A B A B ...), so that a slow moment
// of the machine meets all of them; each turn repeats the callable until it takes long enough to be
// measured, and the median over the turns is reported as CSV.
//
//   int main(int argc, char** argv) {
//     graft::bench::harness bench(argc, argv);
//     for (int threads : bench.thread_counts())
//       bench.add({"matmul", "graft", "256x256x256", threads}, [=] { ... });
//     return bench.run();
//   }
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <regex>
#include <string>
#include <utility>
#include <vector>

namespace graft::bench {

/// Makes the compiler believe that the value is read, so that its computation stays.
template <class T>
inline void keep(const T& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

/// What a row of the output says besides the time.
struct case_id {
  std::string bench;  ///< topic: what is measured
  std::string peer;   ///< whose implementation
  std::string name;   ///< size or variant; no commas
  int threads = 1;
};

class harness {
 public:
  using callable = std::function<void()>;

  /// Reads `--filter REGEX` (over "bench,peer,case"), `--threads N` and `--list`.
  harness(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
      const std::string option = argv[i];
      if (option == "--list") {
        list_only_ = true;
      } else if (option == "--filter" && i + 1 < argc) {
        filter_ = std::regex(argv[++i]);
      } else if (option == "--threads" && i + 1 < argc) {
        thread_counts_ = {std::max(1, std::atoi(argv[++i]))};
      } else {
        std::fprintf(stderr, "usage: %s [--filter REGEX] [--threads N] [--list]\n", argv[0]);
        std::exit(2);
      }
    }
  }

  /// Thread counts to register cases for: the one asked for, else 1.
  [[nodiscard]] const std::vector<int>& thread_counts() const { return thread_counts_; }

  /// Tells whether a case would run; ask before preparing expensive data.
  [[nodiscard]] bool wants(const case_id& id) const {
    return std::regex_search(id.bench + "," + id.peer + "," + id.name, filter_);
  }

  /// Registers a case. `prepare`, if given, runs untimed before each turn of the case, for what
  /// peers share and disagree on, such as a library's global thread count.
  void add(case_id id, callable body, callable prepare = {}) {
    if (wants(id)) cases_.push_back({std::move(id), std::move(body), std::move(prepare), 0, {}});
  }

  /// Adds a row with a value that was measured otherwise, such as bytes; the unit is the bench's.
  void report(const case_id& id, double value) {
    if (!wants(id)) return;
    entry row{id, {}, {}, 0, {}};
    row.samples.push_back(value);
    print(row);
  }

  /// The median of a case that has run; 0 if there is none.
  [[nodiscard]] double median_ns(const case_id& id) const {
    for (const entry& e : cases_) {
      if (same_race(e.id, id) && e.id.peer == id.peer && !e.samples.empty()) return median(e);
    }
    return 0;
  }

  /// Runs or lists what was registered; returns the exit code of the program.
  int run() {
    std::vector<bool> done(cases_.size(), false);
    for (std::size_t i = 0; i < cases_.size(); ++i) {
      if (done[i]) continue;
      std::vector<entry*> peers;
      for (std::size_t j = i; j < cases_.size(); ++j) {
        if (!done[j] && same_race(cases_[i].id, cases_[j].id)) {
          peers.push_back(&cases_[j]);
          done[j] = true;
        }
      }
      if (!list_only_) race(peers);
      for (const entry* peer : peers) print(*peer);
    }
    return 0;
  }

 private:
  struct entry {
    case_id id;
    callable body;
    callable prepare;
    std::int64_t iterations;
    std::vector<double> samples;  // ns of one call
  };

  static constexpr int turns = 9;
  static constexpr double turn_ns = 2e6;       // shorter turns drown in the clock and the scheduler
  static constexpr double long_turn_ns = 2e8;  // from here on a turn is one call

  static bool same_race(const case_id& a, const case_id& b) {
    return a.bench == b.bench && a.name == b.name && a.threads == b.threads;
  }

  static double time_ns(entry& e, std::int64_t iterations) {
    if (e.prepare) e.prepare();
    const auto start = std::chrono::steady_clock::now();
    for (std::int64_t i = 0; i < iterations; ++i) e.body();
    const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - start;
    return spent.count();
  }

  /// Doubles the calls of a turn until it is long enough; warms caches up on the way.
  static void calibrate(entry& e) {
    double spent = time_ns(e, 1);
    e.iterations = 1;
    if (spent > long_turn_ns) return;
    while ((spent = time_ns(e, e.iterations)) < turn_ns) {
      const double factor = std::clamp(1.2 * turn_ns / std::max(spent, 1.0), 2.0, 100.0);
      e.iterations = static_cast<std::int64_t>(static_cast<double>(e.iterations) * factor);
    }
  }

  static void race(const std::vector<entry*>& peers) {
    for (entry* peer : peers) calibrate(*peer);
    for (int turn = 0; turn < turns; ++turn) {
      for (entry* peer : peers) {
        const double spent = time_ns(*peer, peer->iterations);
        peer->samples.push_back(spent / static_cast<double>(peer->iterations));
      }
    }
  }

  static double median(const entry& e) {
    std::vector<double> sorted = e.samples;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }

  void print(const entry& e) const {
    std::printf("%s,%s,%s,%d", e.id.bench.c_str(), e.id.peer.c_str(), e.id.name.c_str(),
                e.id.threads);
    if (list_only_) {
      std::printf("\n");
    } else {
      std::printf(",%.1f\n", median(e));
    }
    std::fflush(stdout);
  }

  std::regex filter_{""};
  std::vector<int> thread_counts_{1};
  bool list_only_ = false;
  std::vector<entry> cases_;
};

}  // namespace graft::bench
