#include "ops/movement.hpp"

#include <algorithm>
#include <cstring>

#include "kernels/kernels.hpp"

namespace graft::support {
namespace {

// Elements of one piece of a copy, and how many there must be before threads share it.
constexpr std::int64_t piece = 32768;
constexpr std::int64_t worth_sharing = 4 * piece;

// One element after the other: for ranks and element sizes that the kernel does not have.
void copy_plainly(const std::byte* source, const dims& source_strides, std::byte* target,
                  const dims& target_strides, const dims& extents, std::size_t bytes) {
  dims index(extents.size(), 0);
  std::int64_t from = 0, to = 0;
  for (;;) {
    std::memcpy(element_address(target, to, bytes), element_address(source, from, bytes), bytes);
    std::size_t axis = extents.size();
    for (; axis-- > 0;) {
      from += source_strides[axis];
      to += target_strides[axis];
      if (++index[axis] < extents[axis]) break;
      from -= source_strides[axis] * extents[axis];
      to -= target_strides[axis] * extents[axis];
      index[axis] = 0;
    }
    if (axis == static_cast<std::size_t>(-1)) return;
  }
}

}  // namespace

std::int64_t count_of(const dims& shape) { return element_count(shape); }

dims contiguous_strides(const dims& shape) {
  dims strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

void run_parts(const kernel_call& call, std::int64_t parts, function_ref<void(std::int64_t)> f) {
  if (parts == 1) {
    f(0);
  } else if (parts > 1) {
    call.parallel.run(parts, f);
  }
}

std::size_t fixed_size(const bind_args& b, dtype type) {
  const std::size_t bytes = size_of(type);
  if (bytes != 0) return bytes;
  throw unsupported_error({"a kernel was looked for to run '" + std::string(b.where) + "'",
                           "its elements are " + std::string(name_of(type)), std::string(b.where),
                           "cast to a type of numbers"});
}

strided_copy::strided_copy(const dims& extents, const dims& source_strides,
                           std::int64_t source_offset, const dims& target_strides,
                           std::int64_t target_offset, std::size_t bytes)
    : source_offset_(source_offset),
      target_offset_(target_offset),
      size_(count_of(extents)),
      bytes_(bytes) {
  const dims to = target_strides.empty() ? contiguous_strides(extents) : target_strides;
  // Axes of one element go; neighbours that either side walks through evenly become one.
  for (std::size_t i = 0; i < extents.size(); ++i) {
    if (extents[i] == 1) continue;
    if (!extents_.empty() && source_strides_.back() == source_strides[i] * extents[i] &&
        target_strides_.back() == to[i] * extents[i]) {
      extents_.back() *= extents[i];
      source_strides_.back() = source_strides[i];
      target_strides_.back() = to[i];
    } else {
      extents_.push_back(extents[i]);
      source_strides_.push_back(source_strides[i]);
      target_strides_.push_back(to[i]);
    }
  }
  if (extents_.empty()) {
    extents_.push_back(1);
    source_strides_.push_back(1);
    target_strides_.push_back(1);
  }
}

void strided_copy::run_range(const void* source, void* target, std::int64_t first,
                             std::int64_t count) const {
  const std::byte* from =
      element_address(source, source_offset_ + first * source_strides_[0], bytes_);
  std::byte* to = element_address(target, target_offset_ + first * target_strides_[0], bytes_);
  dims extents = extents_;
  extents[0] = count;
  const bool known_size = bytes_ == 1 || bytes_ == 4 || bytes_ == 8;
  if (known_size && extents.size() <= static_cast<std::size_t>(kernels::max_rank)) {
    kernels::active().copy_strided(from, source_strides_.data(), to, target_strides_.data(),
                                   extents.data(), static_cast<std::int64_t>(extents.size()),
                                   static_cast<std::int64_t>(bytes_));
  } else {
    copy_plainly(from, source_strides_, to, target_strides_, extents, bytes_);
  }
}

void strided_copy::run(const kernel_call& call, const void* source, void* target) const {
  if (size_ == 0 || source == nullptr || target == nullptr) return;
  const std::int64_t outer = extents_[0];
  if (size_ < worth_sharing) return run_range(source, target, 0, outer);
  const std::int64_t each = std::max<std::int64_t>(1, piece / (size_ / outer));
  run_parts(call, (outer + each - 1) / each, [&](std::int64_t part) {
    const std::int64_t first = part * each;
    run_range(source, target, first, std::min(each, outer - first));
  });
}

bound_kernel bind_plain_copy(const bind_args& b) {
  const strided_copy copy({b.outputs[0].size}, {1}, fixed_size(b, b.outputs[0].type));
  bound_kernel result;
  result.in_place.push_back({0, 0});
  result.run = [copy](const kernel_call& call) {
    if (call.in[0] != call.out[0]) copy.run(call, call.in[0], call.out[0]);
  };
  return result;
}

dims broadcast_strides(const dims& from, const dims& to) {
  const dims own = contiguous_strides(from);
  dims strides(to.size(), 0);
  const std::size_t missing = to.size() - from.size();
  for (std::size_t i = 0; i < from.size(); ++i) strides[missing + i] = from[i] == 1 ? 0 : own[i];
  return strides;
}

}  // namespace graft::support
