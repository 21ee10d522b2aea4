// Surgery behind C functions, so that python_peers.py can time it in turns with libraries of Python.
#include <exception>
#include <memory>
#include <string_view>

#include "graft/surgery/clone.hpp"

#include "subjects.hpp"

using namespace graft;

extern "C" {

/// A graph of the kind "chain", "random" or "resnet"; null if there is no such kind or no memory.
void* bench_make(const char* kind, std::size_t ops) {
  try {
    const std::string_view name = kind;
    if (name == "chain") return bench::chain(ops).release();
    if (name == "random") return bench::random_dag(ops).release();
    if (name == "resnet") return bench::residual_blocks(ops).release();
  } catch (const std::exception&) {
  }
  return nullptr;
}

void bench_free(void* made) { delete static_cast<bench::subject*>(made); }

/// The number of ops that extracting finds, 0 on an error.
std::size_t bench_extract(void* made) {
  try {
    const auto& s = *static_cast<bench::subject*>(made);
    return extract(inputs(s.x), outputs(s.y)).nodes().size();
  } catch (const std::exception&) {
    return 0;
  }
}

/// Extracts and clones into another graph; the number of ops there, 0 on an error.
std::size_t bench_clone(void* made) {
  try {
    const auto& s = *static_cast<bench::subject*>(made);
    Graph other;
    const Clone copy = clone(extract(inputs(s.x), outputs(s.y)), into(other, "copy"));
    return other.op_count();
  } catch (const std::exception&) {
    return 0;
  }
}
}
