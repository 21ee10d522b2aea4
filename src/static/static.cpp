#include "graft/static.hpp"

#include <cstdlib>
#include <cstring>

#include "graft/runtime/instruction_set.hpp"

namespace graft::fixed {

bool has_avx2() {
#if defined(__x86_64__)
  (void)instruction_set();  // says what is wrong with GRAFT_ISA
  const char* const asked = std::getenv("GRAFT_ISA");
  if (asked != nullptr && std::strcmp(asked, "sse2") == 0) return false;
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return false;
#endif
}

void refuse_span(const char* what, std::size_t wanted, std::size_t got) {
  throw shape_error(
      {std::string(what) + " of a static network was given " + std::to_string(got) + " numbers",
       "it has " + std::to_string(wanted), "", "pass batch times the size of one row"});
}

void refuse_variable(std::string_view path, std::string_view why) {
  throw name_error({"variable '" + std::string(path) + "' of a static network was asked for",
                    std::string(why), "",
                    "the names are those of the network's table, below the scope that was given"});
}

void refuse_unloaded(std::string_view path) {
  throw uninitialized_error({"a static network was run",
                             "variable '" + std::string(path) + "' has no value", std::string(path),
                             "call load(graph), or set(name, values) for each variable"});
}

void refuse_moved() {
  throw handle_error({"a static network was used", "it was moved from", "",
                      "use the object that it was moved to"});
}

void refuse_type(std::string_view path, dtype wanted, dtype got) {
  throw dtype_error(
      {"variable '" + std::string(path) + "' of a static network was set",
       "it is " + std::string(name_of(wanted)) + ", and was given " + std::string(name_of(got)),
       std::string(path), "give values of its element type"});
}

void refuse_index(std::string_view where, std::size_t place, std::int64_t index,
                  std::size_t entries) {
  throw numeric_error(
      {"'" + std::string(where) + "' of a static network looks up entries among " +
           std::to_string(entries),
       "index number " + std::to_string(place) + " of a block of rows is " + std::to_string(index),
       std::string(where),
       "every index must be at least 0 and less than " + std::to_string(entries)});
}

Array value_of(const Graph& g, std::string_view path, const value_type& wanted) {
  const std::optional<variable_id> v = g.find_variable(path);
  if (!v) refuse_variable(path, "the graph has no variable of that name");
  const value_type& type = g.variable_of(*v).type;
  if (type.type != wanted.type) {
    throw dtype_error({"variable '" + std::string(path) + "' was loaded into a static network",
                       "the network has " + to_string(wanted) + ", the graph " + to_string(type),
                       "", "load from a graph that this network was lowered to, or its clone"});
  }
  if (!(type.shape == wanted.shape)) {
    throw shape_error(
        {"variable '" + std::string(path) + "' was loaded into a static network",
         "the network has " + to_string(wanted.shape) + ", the graph " + to_string(type.shape), "",
         "load from a graph that this network was lowered to, or its clone"});
  }
  return g.store().get(*v);
}

bytes make_bytes(std::size_t count) {
  if (count == 0) count = 1;
  bytes result(static_cast<std::byte*>(::operator new(count, std::align_val_t{64})));
  std::memset(result.get(), 0, count);
  return result;
}

}  // namespace graft::fixed
