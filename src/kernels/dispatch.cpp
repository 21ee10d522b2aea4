// The choice of the instruction set, once per process.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "kernels.hpp"

namespace graft::kernels {

namespace sse2 {
extern const kernel_table table;
}
// The wide sets are compiled unless the build leaves them out.
#ifdef GRAFT_KERNELS_AVX2
namespace avx2 {
extern const kernel_table table;
}
#endif
#ifdef GRAFT_KERNELS_AVX512
namespace avx512 {
extern const kernel_table table;
}
#endif

namespace {

// The compiler's reader also asks whether the operating system saves the wide registers.
[[maybe_unused]] bool runs_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
[[maybe_unused]] bool runs_avx512() {
  return runs_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512cd");
}

struct choice {
  isa_info sets[3];
  std::size_t count = 0;
  const kernel_table* active = nullptr;
  std::string warning;

  void add(isa which, const kernel_table& table) {
    sets[count++] = {which, isa_name(which), &table};
  }

  choice() {
    __builtin_cpu_init();
    add(isa::sse2, sse2::table);
#ifdef GRAFT_KERNELS_AVX2
    if (runs_avx2()) add(isa::avx2, avx2::table);
#endif
#ifdef GRAFT_KERNELS_AVX512
    if (runs_avx512()) add(isa::avx512, avx512::table);
#endif
    active = sets[count - 1].table;

    const char* wanted = std::getenv("GRAFT_ISA");
    if (wanted == nullptr || *wanted == '\0') return;
    const std::string_view name(wanted);
    for (std::size_t i = 0; i < count; ++i) {
      if (sets[i].name == name) {
        active = sets[i].table;
        return;
      }
    }
    const bool known = name == "sse2" || name == "avx2" || name == "avx512";
    warning = "GRAFT_ISA=" + std::string(name.substr(0, 32)) +
              (known ? " is not supported by this machine or left out of this build"
                     : " is unknown (sse2, avx2, avx512)") +
              "; using " + std::string(sets[count - 1].name);
    // Nobody who set it would notice otherwise; the choice is made once, so this is said once.
    std::fprintf(stderr, "graft: %s\n", warning.c_str());
  }
};

const choice& chosen() {
  static const choice c;
  return c;
}

}  // namespace

const kernel_table& active() { return *chosen().active; }
std::string_view isa_warning() { return chosen().warning; }
std::span<const isa_info> available() { return {chosen().sets, chosen().count}; }

const kernel_table* table_for(isa which) {
  for (const isa_info& i : available()) {
    if (i.which == which) return i.table;
  }
  return nullptr;
}

std::string_view isa_name(isa which) {
  switch (which) {
    case isa::sse2:
      return "sse2";
    case isa::avx2:
      return "avx2";
    case isa::avx512:
      return "avx512";
  }
  return "unknown";
}

}  // namespace graft::kernels
