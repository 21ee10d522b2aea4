// What a first program of a user needs to compile, link and run against an installed Graft.
#include <cstdio>

#include "graft/core/version.hpp"

int main() {
  const auto version = graft::version();
  std::printf("graft %.*s\n", static_cast<int>(version.size()), version.data());
}
