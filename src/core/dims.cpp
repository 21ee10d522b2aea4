#include "graft/core/dims.hpp"

#include <functional>
#include <map>
#include <mutex>
#include <unordered_map>

#include "graft/core/error.hpp"

#include "core/dim_names.hpp"

namespace graft {

namespace {

// Names that do not pack into an extent, for the whole process: equal names must be equal extents
// in every graph.
struct long_names {
  std::mutex guard;
  std::map<std::string, extent, std::less<>> numbers;
  std::unordered_map<extent, std::string_view> names;  // keys of `numbers`
};

long_names& interned() {
  static long_names instance;
  return instance;
}

constexpr std::uint64_t long_name_count = (std::uint64_t{7} << 60) - 1;

// The number follows from the name alone, so that it is the same in every process unless two names meet; and it is
// one that hardly anybody writes into a list of plain numbers.
std::uint64_t hash_of(std::string_view name) {
  std::uint64_t h = 0xcbf29ce484222325ull;
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  h = (h ^ h >> 32) * 0x9fb21c651e98df25ull;
  return (h ^ h >> 28) % long_name_count;
}
extent long_name(std::uint64_t place) {
  return -2 - (detail::interned_names + static_cast<extent>(place));
}

// The name of a number that named_dim() gave out, or "".
std::string long_name_of(extent e) {
  long_names& all = interned();
  const std::lock_guard lock(all.guard);
  const auto found = all.names.find(e);
  return found == all.names.end() ? std::string() : std::string(found->second);
}

}  // namespace

extent named_dim(std::string_view name) {
  if (name.empty()) {
    throw argument_error({.asked = "a dimension was to be named",
                          .found = "its name is empty",
                          .where = {},
                          .hint = "use dyn for an extent without a name"});
  }
  const extent packed = detail::pack_name(name);
  if (packed != dyn) return packed;
  long_names& all = interned();
  const std::lock_guard lock(all.guard);
  if (const auto found = all.numbers.find(name); found != all.numbers.end()) return found->second;
  std::uint64_t place = hash_of(name);
  while (all.names.contains(long_name(place))) place = (place + 1) % long_name_count;
  const extent value = long_name(place);
  const auto made = all.numbers.emplace(std::string(name), value).first;
  try {
    all.names.emplace(value, made->first);
  } catch (...) {
    all.numbers.erase(made);
    throw;
  }
  return value;
}

std::string dim_name(extent e) {
  if (!is_named(e)) return e == dyn ? "?" : std::to_string(e);
  extent packed = -(e + 2);
  if (packed >= detail::interned_names) {
    const std::string name = long_name_of(e);
    return name.empty() ? "?" : name;
  }
  std::string name;
  for (; packed != 0; packed >>= 6) {
    const extent code = packed & 63;
    if (code == 0) return "?";  // no name packs to this number
    name += detail::code_character(code);
  }
  return name.empty() ? "?" : name;
}

bool detail::is_long_name(extent e) {
  return is_named(e) && -(e + 2) >= interned_names && !long_name_of(e).empty();
}

bool detail::has_name(extent e) {
  if (!is_named(e)) return false;
  // A long name may be any text, "?" too.
  return -(e + 2) >= interned_names ? is_long_name(e) : dim_name(e) != "?";
}

std::string to_string(const dims& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i != 0) text += ", ";
    text += is_known(shape[i]) ? std::to_string(shape[i]) : dim_name(shape[i]);
  }
  return text + "]";
}

namespace detail {

void throw_size_overflow(std::span<const extent> shape) {
  throw size_error(
      {.asked = "the number of elements of " + to_string(dims(shape)) + " was to be counted",
       .found = "it does not fit in 63 bits",
       .where = {},
       .hint = "check the shape"});
}

}  // namespace detail
}  // namespace graft
