#include "graft/core/dims.hpp"

#include <deque>
#include <map>
#include <mutex>

#include "graft/core/error.hpp"

namespace graft {

namespace {

// Names that do not pack into an extent, for the whole process: equal names must be equal extents
// in every graph.
struct long_names {
  std::mutex guard;
  std::deque<std::string> names;
  std::map<std::string, extent, std::less<>> numbers;
};

long_names& interned() {
  static long_names instance;
  return instance;
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
  const extent value = -2 - (detail::interned_names + static_cast<extent>(all.names.size()));
  all.names.emplace_back(name);
  try {
    all.numbers.emplace(std::string(name), value);
  } catch (...) {
    all.names.pop_back();
    throw;
  }
  return value;
}

std::string dim_name(extent e) {
  if (!is_named(e)) return e == dyn ? "?" : std::to_string(e);
  extent packed = -(e + 2);
  if (packed >= detail::interned_names) {
    long_names& all = interned();
    const std::lock_guard lock(all.guard);
    const auto place = static_cast<std::size_t>(packed - detail::interned_names);
    return place < all.names.size() ? all.names[place] : "?";
  }
  std::string name;
  for (; packed != 0; packed >>= 6) {
    const extent code = packed & 63;
    if (code == 0) return "?";  // no name packs to this number
    name += detail::code_character(code);
  }
  return name.empty() ? "?" : name;
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
