#include "graft/core/version.hpp"

#include <string>

#include "catch.hpp"

TEST_CASE("the library, its headers and the build file agree on the version") {
  const std::string headers = std::to_string(graft::version_major) + "." +
                              std::to_string(graft::version_minor) + "." +
                              std::to_string(graft::version_patch);
  CHECK(headers == graft::version());
  CHECK(headers == GRAFT_PROJECT_VERSION);
}
