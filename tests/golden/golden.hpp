// Comparing with files: tests/golden/expected/<name>.
#pragma once

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "catch.hpp"

namespace graft_test {

/// Fails unless a text is what the file says. With GRAFT_UPDATE_GOLDEN=1 in the environment the
/// file is written instead, to be looked at before it is committed.
inline void check_golden(const std::string& name, const std::string& text) {
  const std::string path = std::string(GRAFT_GOLDEN_DIR) + "/" + name;
  const char* update = std::getenv("GRAFT_UPDATE_GOLDEN");
  if (update != nullptr && std::string(update) == "1") {
    std::ofstream(path, std::ios::binary) << text;
  }
  std::ifstream file(path, std::ios::binary);
  INFO("The file is tests/golden/expected/" << name << ".");
  REQUIRE(file.is_open());
  std::ostringstream expected;
  expected << file.rdbuf();
  CHECK(text == expected.str());
}

}  // namespace graft_test
