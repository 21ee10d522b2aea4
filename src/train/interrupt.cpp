#include "graft/train/interrupt.hpp"

#include <atomic>
#include <csignal>

namespace graft {
namespace {

constexpr int watched[] = {SIGINT, SIGTERM};

std::atomic<bool> came{false};
static_assert(std::atomic<bool>::is_always_lock_free, "it is written in a signal handler");
int depth = 0;
struct sigaction before[2];
volatile std::sig_atomic_t taken[2] = {0, 0};  // whether the handler below is there for the signal

// The signals that are watched end the program from now on: the user may be unable to wait for the
// step. One that was ignored before stays so.
extern "C" void graft_remember_interrupt(int) {
  came.store(true, std::memory_order_relaxed);
  for (std::size_t i = 0; i < 2; ++i) {
    if (taken[i] != 0) std::signal(watched[i], SIG_DFL);
  }
}

}  // namespace

interrupt_watch::interrupt_watch() {
  if (depth++ > 0) return;
  came.store(false, std::memory_order_relaxed);
  struct sigaction action{};
  action.sa_handler = graft_remember_interrupt;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < 2; ++i) {
    ::sigaction(watched[i], nullptr, &before[i]);
    // A program that was started to ignore the signal, as by nohup, goes on ignoring it.
    taken[i] = before[i].sa_handler != SIG_IGN ? 1 : 0;
  }
  for (std::size_t i = 0; i < 2; ++i) {  // after all flags: a signal may come at once
    if (taken[i] != 0) ::sigaction(watched[i], &action, nullptr);
  }
}

interrupt_watch::~interrupt_watch() {
  if (--depth > 0) return;
  for (std::size_t i = 0; i < 2; ++i) ::sigaction(watched[i], &before[i], nullptr);
}

bool interrupt_watch::requested() const noexcept { return came.load(std::memory_order_relaxed); }

}  // namespace graft
