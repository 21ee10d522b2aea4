// Interrupts that wait for the end of a step.
#include "graft/train/interrupt.hpp"

#include <csignal>

#include <sys/wait.h>
#include <unistd.h>

#include "catch.hpp"

using graft::interrupt_watch;

namespace {

volatile std::sig_atomic_t own_handler_calls = 0;
void own_handler(int) { own_handler_calls = own_handler_calls + 1; }

}  // namespace

TEST_CASE("the first interrupt is remembered", "[interrupt]") {
  for (const int signal : {SIGINT, SIGTERM}) {
    const interrupt_watch watch;
    CHECK_FALSE(watch.requested());
    {
      const interrupt_watch inner;
      REQUIRE(std::raise(signal) == 0);
      CHECK(inner.requested());
    }
    CHECK(watch.requested());
  }
  const interrupt_watch later;
  CHECK_FALSE(later.requested());
}

TEST_CASE("the second interrupt ends the program", "[interrupt]") {
  for (const int second : {SIGINT, SIGTERM}) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      const interrupt_watch watch;
      std::raise(SIGINT);
      std::raise(second);
      ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == second);
  }
}

TEST_CASE("a signal that was ignored stays so after the other one came", "[interrupt]") {
  for (const int ignored : {SIGINT, SIGTERM}) {
    const int other = ignored == SIGINT ? SIGTERM : SIGINT;
    const auto status_of = [&](std::initializer_list<int> signals) {
      const pid_t child = ::fork();
      REQUIRE(child >= 0);
      if (child == 0) {
        std::signal(ignored, SIG_IGN);
        const interrupt_watch watch;
        for (const int s : signals) std::raise(s);
        ::_exit(watch.requested() ? 7 : 0);
      }
      int status = 0;
      REQUIRE(::waitpid(child, &status, 0) == child);
      return status;
    };
    const int remembered = status_of({other, ignored, ignored});
    REQUIRE(WIFEXITED(remembered));
    CHECK(WEXITSTATUS(remembered) == 7);
    const int second = status_of({ignored, other, ignored, other});
    REQUIRE(WIFSIGNALED(second));
    CHECK(WTERMSIG(second) == other);
  }
}

TEST_CASE("handlers that were there come back, and ignored signals stay ignored", "[interrupt]") {
  const auto before = std::signal(SIGINT, own_handler);
  {
    const interrupt_watch watch;
    std::raise(SIGINT);
    CHECK(watch.requested());
    CHECK(own_handler_calls == 0);
  }
  std::raise(SIGINT);
  CHECK(own_handler_calls == 1);
  std::signal(SIGINT, SIG_IGN);
  {
    const interrupt_watch watch;
    std::raise(SIGINT);
    CHECK_FALSE(watch.requested());
  }
  std::signal(SIGINT, before);
}
