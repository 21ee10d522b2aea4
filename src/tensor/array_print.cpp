#include <algorithm>
#include <charconv>
#include <cmath>
#include <ostream>
#include <vector>

#include "graft/tensor/array.hpp"

namespace graft {

namespace {

// Arrays of more elements are shortened: axes longer than two edges show only their edges.
constexpr std::int64_t shown_in_full = 1000;
constexpr std::int64_t edge = 3;

std::string format(double x) {
  if (std::isnan(x)) return "nan";
  if (std::isinf(x)) return x < 0 ? "-inf" : "inf";
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, x, std::chars_format::general, 6);
  return {buffer, end.ptr};
}

// Elements as text; half precision is converted before.
class formatter {
 public:
  explicit formatter(const Array& array)
      : array_(array.type() == dtype::float16 || array.type() == dtype::bfloat16
                   ? array.cast(dtype::float32)
                   : array) {}

  [[nodiscard]] std::string operator()(std::int64_t at) const {
    const auto i = static_cast<std::size_t>(at);
    switch (array_.type()) {
      case dtype::float32:
        return format(static_cast<double>(array_.span<float>()[i]));
      case dtype::float64:
        return format(array_.span<double>()[i]);
      case dtype::int8:
        return std::to_string(array_.span<std::int8_t>()[i]);
      case dtype::int16:
        return std::to_string(array_.span<std::int16_t>()[i]);
      case dtype::int32:
        return std::to_string(array_.span<std::int32_t>()[i]);
      case dtype::int64:
        return std::to_string(array_.span<std::int64_t>()[i]);
      case dtype::uint8:
        return std::to_string(array_.span<std::uint8_t>()[i]);
      case dtype::uint16:
        return std::to_string(array_.span<std::uint16_t>()[i]);
      case dtype::uint32:
        return std::to_string(array_.span<std::uint32_t>()[i]);
      case dtype::uint64:
        return std::to_string(array_.span<std::uint64_t>()[i]);
      case dtype::boolean:
        return array_.span<bool>()[i] ? "true" : "false";
      default:
        return "?";
    }
  }

 private:
  Array array_;
};

struct shown_axis {
  std::vector<std::int64_t> places;  // indices that are shown
  std::size_t gap = 0;               // "..." stands before this place; 0: nowhere
};

}  // namespace

std::string to_string(const Array& array) {
  std::string text = std::string(name_of(array.type())) + " " + to_string(array.shape());
  if (array.type() == dtype::any) return "empty array";
  const dims& shape = array.shape();
  const std::size_t rank = shape.size();
  if (array.empty()) return text + "\n[]";

  const formatter element(array);
  if (rank == 0) return text + "\n" + element(0);

  std::vector<shown_axis> axes(rank);
  for (std::size_t a = 0; a < rank; ++a) {
    const std::int64_t n = shape[a];
    const bool shorten = array.size() > shown_in_full && n > 2 * edge;
    for (std::int64_t i = 0; i < n; ++i) {
      if (shorten && i == edge) {
        axes[a].gap = static_cast<std::size_t>(edge);
        i = n - edge;
      }
      axes[a].places.push_back(i);
    }
  }

  // Walks the shown elements with an odometer; `pos` counts shown places, not indices.
  std::vector<std::size_t> pos(rank, 0);
  std::vector<std::string> words;
  std::size_t width = 0;
  const auto advance = [&] {
    for (std::size_t a = rank; a-- > 0;) {
      if (++pos[a] < axes[a].places.size()) return true;
      pos[a] = 0;
    }
    return false;
  };
  do {
    std::int64_t offset = 0;
    for (std::size_t a = 0; a < rank; ++a) offset = offset * shape[a] + axes[a].places[pos[a]];
    words.push_back(element(offset));
    width = std::max(width, words.back().size());
  } while (advance());

  text += '\n';
  std::size_t at = 0;
  std::fill(pos.begin(), pos.end(), 0);
  do {
    // The axis that moved last: all inner ones start anew and open a bracket.
    std::size_t moved = rank - 1;
    while (moved > 0 && pos[moved] == 0) --moved;
    const bool first = at == 0;
    if (first) {
      text.append(rank, '[');
    } else {
      const std::size_t closed = rank - 1 - moved;
      const bool gap = axes[moved].gap != 0 && pos[moved] == axes[moved].gap;
      text.append(closed, ']');
      text += ',';
      const std::string line =
          closed == 0 ? " " : std::string(closed, '\n') + std::string(moved + 1, ' ');
      if (gap) text += line + "...,";
      text += line;
      text.append(closed, '[');
    }
    text.append(width - words[at].size(), ' ');
    text += words[at++];
  } while (advance());
  return text.append(rank, ']');
}

std::ostream& operator<<(std::ostream& out, const Array& array) { return out << to_string(array); }

}  // namespace graft
