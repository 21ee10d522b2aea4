#include "runtime/parallel.hpp"

#include <algorithm>
#include <memory>
#include <mutex>
#include <thread>

#include "graft/core/error.hpp"

#ifdef GRAFT_HAS_TBB
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#else
#include <atomic>
#include <exception>
#include <vector>
#endif

namespace graft::detail {
namespace {

class serial_runner : public parallel_runner {
 public:
  void run(std::int64_t chunks, function_ref<void(std::int64_t)> f) override {
    for (std::int64_t i = 0; i < chunks; ++i) f(i);
  }
  [[nodiscard]] int threads() const override { return 1; }
};

#ifdef GRAFT_HAS_TBB

// By default there are no more threads than processors; who asks for more gets them.
void allow_threads(int count) {
  static std::mutex mutex;
  static int allowed = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  static std::unique_ptr<tbb::global_control> control;
  const std::lock_guard lock(mutex);
  if (count <= allowed) return;
  control.reset();  // of several the least would count
  control = std::make_unique<tbb::global_control>(tbb::global_control::max_allowed_parallelism,
                                                  static_cast<std::size_t>(count));
  allowed = count;
}

class shared_runner : public parallel_runner {
 public:
  explicit shared_runner(int threads) : threads_(threads), arena_(threads) {
    allow_threads(threads);
  }
  void run(std::int64_t chunks, function_ref<void(std::int64_t)> f) override {
    if (chunks == 1) return f(0);
    arena_.execute([&] {
      // One chunk is one task: kernels make chunks worth a thread's while.
      tbb::parallel_for(tbb::blocked_range<std::int64_t>(0, chunks, 1), [&](const auto& range) {
        for (std::int64_t i = range.begin(); i < range.end(); ++i) f(i);
      });
    });
  }
  [[nodiscard]] int threads() const override { return threads_; }

 private:
  int threads_;
  tbb::task_arena arena_;
};

#else

// Without the threading library: threads made for the call. Slow to start, and right.
class shared_runner : public parallel_runner {
 public:
  explicit shared_runner(int threads) : threads_(threads) {}
  void run(std::int64_t chunks, function_ref<void(std::int64_t)> f) override {
    if (chunks == 1) return f(0);
    std::atomic<std::int64_t> next{0};
    std::mutex mutex;
    std::exception_ptr failure;
    const auto work = [&] {
      for (std::int64_t i = next++; i < chunks; i = next++) {
        try {
          f(i);
        } catch (...) {
          const std::lock_guard lock(mutex);
          if (!failure) failure = std::current_exception();
        }
      }
    };
    {
      std::vector<std::jthread> others;
      for (std::int64_t i = 1; i < std::min<std::int64_t>(threads_, chunks); ++i) {
        others.emplace_back(work);
      }
      work();
    }
    if (failure) std::rethrow_exception(failure);
  }
  [[nodiscard]] int threads() const override { return threads_; }

 private:
  int threads_;
};

#endif

}  // namespace

std::unique_ptr<parallel_runner> make_parallel_runner(int threads) {
  if (threads < 0 || threads > 1024) {
    throw argument_error({"a session with " + std::to_string(threads) + " threads was asked for",
                          "the number must be between 0 and 1024", "", "0 means one a processor"});
  }
  const int count =
      threads > 0 ? threads : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  if (count == 1) return std::make_unique<serial_runner>();
  return std::make_unique<shared_runner>(count);
}

}  // namespace graft::detail
