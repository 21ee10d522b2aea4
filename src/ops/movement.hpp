// Moving elements: strided copies that share their work among threads. Used by operators that only
// rearrange.
#pragma once

#include <cstddef>

#include "graft/core/function_ref.hpp"
#include "graft/graph/operator.hpp"

namespace graft::support {

/// Distances between neighbours along each axis of a row-major tensor.
dims contiguous_strides(const dims& shape);

/// Number of elements of a shape without unknown extents.
std::int64_t count_of(const dims& shape);

/// The address of an element.
inline const std::byte* element_address(const void* base, std::int64_t index, std::size_t bytes) {
  return static_cast<const std::byte*>(base) + index * static_cast<std::int64_t>(bytes);
}
inline std::byte* element_address(void* base, std::int64_t index, std::size_t bytes) {
  return static_cast<std::byte*>(base) + index * static_cast<std::int64_t>(bytes);
}

/// Runs f(part) for part in [0, parts), on the calling thread where there is only one.
void run_parts(const kernel_call& call, std::int64_t parts, function_ref<void(std::int64_t)> f);

/// Throws unsupported_error for elements without a fixed size; else returns the size.
std::size_t fixed_size(const bind_args& b, dtype type);

/// Copies target[i, j, ...] = source[i, j, ...] over an index space, each side with its own strides
/// (0 and negative ones too in the source).
class strided_copy {
 public:
  /// @param offset of the source element at index 0, ..., 0
  /// @param target_strides empty: contiguous
  strided_copy(const dims& extents, const dims& source_strides, std::int64_t source_offset,
               const dims& target_strides, std::int64_t target_offset, std::size_t bytes);
  strided_copy(const dims& extents, const dims& source_strides, std::size_t bytes)
      : strided_copy(extents, source_strides, 0, {}, 0, bytes) {}

  /// Copies, in parallel where it is worth it.
  void run(const kernel_call& call, const void* source, void* target) const;

 private:
  void run_range(const void* source, void* target, std::int64_t first, std::int64_t count) const;

  dims extents_, source_strides_, target_strides_;
  std::int64_t source_offset_, target_offset_;
  std::int64_t size_;
  std::size_t bytes_;
};

/// A kernel that copies operand 0 as it is and may work in place: for reshapes the planner did not
/// resolve.
bound_kernel bind_plain_copy(const bind_args& b);

/// The source strides with which a tensor of one shape is read as if it had a larger shape it
/// broadcasts to.
dims broadcast_strides(const dims& from, const dims& to);

}  // namespace graft::support
