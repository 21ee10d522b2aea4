#include "graft/train/batches.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

namespace graft {
namespace {

// SplitMix64 (Steele, Lea, Flood, 2014): a few lines, the same numbers on every machine.
std::uint64_t next_random(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9e3779b97f4a7c15ull);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

void check_rows(const Array& a, std::int64_t rows, std::size_t place) {
  if (a.rank() > 0 && a.shape()[0] == rows) return;
  throw shape_error({"batches were asked of arrays with " + std::to_string(rows) + " examples",
                     "array " + std::to_string(place) + " has shape " + to_string(a.shape()), "",
                     "give all arrays one extent 0"});
}

}  // namespace

std::vector<std::int64_t> permutation(std::int64_t count, std::uint64_t seed) {
  if (count < 0) {
    throw argument_error({"a permutation of " + std::to_string(count) + " numbers was asked for",
                          "the count must be at least 0", "", "pass the number of examples"});
  }
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::uint64_t state = seed;
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[next_random(state) % i]);
  }
  return order;
}

Array take_rows(const Array& array, std::span<const std::int64_t> rows) {
  if (array.rank() == 0) {
    throw shape_error({"rows were asked of a scalar", "it has no axis 0", "", "reshape it first"});
  }
  dims shape = array.shape();
  const std::int64_t available = shape[0];
  shape[0] = static_cast<std::int64_t>(rows.size());
  Array result = Array::uninitialized(array.type(), shape);
  if (result.bytes() == 0) return result;
  const std::size_t width = array.bytes() / static_cast<std::size_t>(available > 0 ? available : 1);
  auto* to = static_cast<std::byte*>(result.mutable_data());
  const auto* from = static_cast<const std::byte*>(array.data());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] < 0 || rows[i] >= available) {
      throw argument_error({"row " + std::to_string(rows[i]) + " was asked for",
                            "the array has rows 0 to " + std::to_string(available - 1), "",
                            "check the indices"});
    }
    std::memcpy(to + i * width, from + static_cast<std::size_t>(rows[i]) * width, width);
  }
  return result;
}

batches::batches(std::vector<Array> examples, std::int64_t size, std::uint64_t seed)
    : examples_(std::move(examples)), size_(size), seed_(seed) {
  if (examples_.empty() || size < 1) {
    throw argument_error({"batches of " + std::to_string(size) + " were asked of " +
                              std::to_string(examples_.size()) + " arrays",
                          "there must be an array and the size must be at least 1", "",
                          "for example batches({images, labels}, 64, seed)"});
  }
  rows_ = examples_[0].rank() > 0 ? examples_[0].shape()[0] : -1;
  for (std::size_t i = 0; i < examples_.size(); ++i) check_rows(examples_[i], rows_, i);
  current_.resize(examples_.size());
  start(0);
}

void batches::start(std::uint64_t epoch, std::int64_t passed) {
  if (passed < 0) {
    throw argument_error({"an epoch was to be started after " + std::to_string(passed) + " batches",
                          "the number must be at least 0", "",
                          "pass the batches that were used already"});
  }
  order_ = permutation(rows_, seed_ * 0x9e3779b97f4a7c15ull + epoch);
  at_ = passed < count() ? passed * size_ : rows_;
}

bool batches::next() {
  if (at_ >= rows_) return false;
  const std::int64_t count = std::min(size_, rows_ - at_);
  const std::span<const std::int64_t> rows(order_.data() + at_, static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < examples_.size(); ++i) current_[i] = take_rows(examples_[i], rows);
  at_ += count;
  return true;
}

const Array& batches::operator[](std::size_t i) const {
  if (i < current_.size()) return current_[i];
  throw argument_error({"array " + std::to_string(i) + " of a batch was asked for",
                        "it has " + std::to_string(current_.size()), "",
                        "count from 0 in the order the arrays were given in"});
}

}  // namespace graft
