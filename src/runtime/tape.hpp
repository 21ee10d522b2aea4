// The record of a loop whose length nobody knows, kept from run to run.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

#include "graft/core/error.hpp"

namespace graft::detail {

/// A stack of frames of equal size. Memory stays when frames are popped.
class tape {
 public:
  explicit tape(std::size_t frame_bytes) : frame_bytes_(frame_bytes == 0 ? 64 : frame_bytes) {}

  void clear() { size_ = 0; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  /// A new frame, aligned to 64. @throws size_error
  std::byte* push() {
    if (size_ == blocks_.size() * frames_per_block) grow();
    return frame(size_++);
  }
  /// The latest frame; good until the next push().
  const std::byte* pop() { return frame(--size_); }

 private:
  static constexpr std::size_t frames_per_block = 32;
  struct release {
    void operator()(std::byte* p) const { ::operator delete(p, std::align_val_t{64}); }
  };
  using block = std::unique_ptr<std::byte, release>;

  std::byte* frame(std::size_t i) const {
    return blocks_[i / frames_per_block].get() + i % frames_per_block * frame_bytes_;
  }
  void grow() {
    const std::size_t bytes = frames_per_block * frame_bytes_;
    void* made = ::operator new(bytes, std::align_val_t{64}, std::nothrow);
    if (made == nullptr) {
      throw size_error({"a loop was to be recorded for its gradient",
                        "there is no memory for step " + std::to_string(size_), "",
                        "bound the loop with max_iterations"});
    }
    blocks_.push_back(block(static_cast<std::byte*>(made)));
  }

  std::size_t frame_bytes_, size_ = 0;
  std::vector<block> blocks_;
};

/// Tapes that wait for the next run; as many as there were runs at one time.
class tape_pool {
 public:
  std::unique_ptr<tape> take(std::size_t frame_bytes) {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        std::unique_ptr<tape> t = std::move(idle_.back());
        idle_.pop_back();
        t->clear();
        return t;
      }
      idle_.reserve(++made_);  // so that giving it back cannot fail
    }
    return std::make_unique<tape>(frame_bytes);
  }
  void give(std::unique_ptr<tape> t) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(t));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<tape>> idle_;
  std::size_t made_ = 0;
};

/// A tape for the duration of a run.
class leased_tape {
 public:
  leased_tape(tape_pool& from, std::size_t frame_bytes)
      : from_(from), tape_(from.take(frame_bytes)) {}
  ~leased_tape() { from_.give(std::move(tape_)); }
  leased_tape(const leased_tape&) = delete;
  leased_tape& operator=(const leased_tape&) = delete;
  tape& operator*() const { return *tape_; }

 private:
  tape_pool& from_;
  std::unique_ptr<tape> tape_;
};

}  // namespace graft::detail
