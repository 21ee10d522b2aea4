// Shuffled batches of examples.
#pragma once

#include <cstdint>
#include <vector>

#include "graft/tensor/array.hpp"

namespace graft {

/// Walks over examples in batches, in a new order each epoch that depends on the seed and the epoch only.
///
/// @code
/// batches data({images, labels}, 64, seed);
/// for (int epoch = 0; epoch < 10; ++epoch) {
///   for (data.start(epoch); data.next();) session.run(step, feed(x, data[0]), feed(y, data[1]));
/// }
/// @endcode
class batches {
 public:
  /// @param examples arrays with one extent 0, the number of examples; else shape_error
  /// @param size examples a batch, >= 1; the last batch of an epoch is smaller where it does not divide
  batches(std::vector<Array> examples, std::int64_t size, std::uint64_t seed);

  /// Shuffles. @param passed batches of the epoch to pass over, when training goes on in its middle; >= 0
  void start(std::uint64_t epoch, std::int64_t passed = 0);
  bool next();  ///< gathers the next batch; false at the end of the epoch
  /// The current batch of array i. It stays as it is when somebody holds it.
  /// @throws argument_error if there is no such array
  [[nodiscard]] const Array& operator[](std::size_t i) const;
  /// Batches of an epoch, the smaller last one included.
  [[nodiscard]] std::int64_t count() const { return (rows_ + size_ - 1) / size_; }

 private:
  std::vector<Array> examples_;
  std::vector<Array> current_;
  std::vector<std::int64_t> order_;
  std::int64_t rows_ = 0, size_ = 1, at_ = 0;
  std::uint64_t seed_ = 0;
};

/// Picks rows of an array along axis 0. @throws argument_error for an index out of range
Array take_rows(const Array& array, std::span<const std::int64_t> rows);

/// The numbers 0 to count - 1 in an order that depends on the seed only. @throws argument_error if count < 0
std::vector<std::int64_t> permutation(std::int64_t count, std::uint64_t seed);

}  // namespace graft
