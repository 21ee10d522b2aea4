#include <cstdlib>

#include "kernel_test.hpp"

using namespace kt;

TEST_CASE("the tables of this machine") {
  REQUIRE(available().size() >= 1);
  CHECK(available()[0].which == isa::sse2);
  for (const isa_info& i : available()) {
    CHECK(i.table->which == i.which);
    CHECK(table_for(i.which) == i.table);
    CHECK(isa_name(i.which) == i.name);
  }
}

// The test is also run with GRAFT_ISA set, see meson.build.
TEST_CASE("the environment chooses") {
  const char* wanted = std::getenv("GRAFT_ISA");
  const isa_info& best = available().back();
  if (wanted == nullptr || *wanted == '\0') {
    CHECK(&active() == best.table);
    CHECK(isa_warning().empty());
    return;
  }
  for (const isa_info& i : available()) {
    if (i.name == wanted) {
      CHECK(&active() == i.table);
      CHECK(isa_warning().empty());
      return;
    }
  }
  CHECK(&active() == best.table);
  CHECK_FALSE(isa_warning().empty());
}
