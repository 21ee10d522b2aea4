#include "digits.hpp"

#include <algorithm>
#include <fstream>
#include <span>
#include <stdexcept>

digits read_digits(const std::string& path, std::uint64_t seed) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot open the digits at '" + path + "'");
  std::vector<float> pixels;
  std::vector<std::int64_t> labels;
  int value = 0;
  for (std::int64_t i = 0; file >> value; ++i) {
    if (i % 65 == 64) {
      labels.push_back(value);
    } else {
      pixels.push_back(static_cast<float>(value) / 16.0f);
    }
    if (file.peek() == ',') file.ignore();
  }
  const auto n = static_cast<std::int64_t>(labels.size());
  if (n == 0 || pixels.size() != labels.size() * 64) {
    throw std::runtime_error("'" + path + "' does not hold lines of 65 integers");
  }
  const auto images = graft::Array::from<float>({n, 64}, std::span<const float>(pixels));
  const auto digit = graft::Array::from<std::int64_t>({n}, std::span<const std::int64_t>(labels));
  const auto order = graft::permutation(n, seed);
  const std::span<const std::int64_t> all(order);
  const auto held_out = static_cast<std::size_t>(n / 3);
  const auto test = all.first(held_out), train = all.subspan(held_out);
  return {{graft::take_rows(images, train), graft::take_rows(digit, train)},
          {graft::take_rows(images, test), graft::take_rows(digit, test)}};
}

double accuracy(const graft::Array& logits, const graft::Array& labels) {
  const auto scores = logits.span<float>();
  const auto wanted = labels.span<std::int64_t>();
  const std::size_t classes = scores.size() / wanted.size();
  std::size_t right = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto row = scores.subspan(i * classes, classes);
    const auto best = std::max_element(row.begin(), row.end()) - row.begin();
    right += best == wanted[i] ? 1 : 0;
  }
  return static_cast<double>(right) / static_cast<double>(wanted.size());
}
