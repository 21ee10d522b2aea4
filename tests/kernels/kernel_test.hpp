#pragma once

// What the kernel tests share: guarded buffers, fills, and distances in units of the last place.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "catch.hpp"
#include "kernels/kernels.hpp"
#include "kernels/reference.hpp"

namespace kt {

using namespace graft::kernels;
using std::int64_t;

// `n` elements with known bytes before and after them, at an address that is no better aligned than
// T is.
template <class T>
class guarded {
 public:
  explicit guarded(int64_t n, T value = T{})
      : size_(n), bytes_(2 * guard + sizeof(T) * static_cast<std::size_t>(n) + 64, mark) {
    std::size_t at = guard;
    while (reinterpret_cast<std::uintptr_t>(bytes_.data() + at) % 64 != sizeof(T)) ++at;
    begin_ = at;
    for (int64_t i = 0; i < n; ++i) data()[i] = value;
  }
  guarded(const guarded& other) : guarded(other.size_) { *this = other; }
  guarded& operator=(const guarded& other) {
    for (int64_t i = 0; i < size_; ++i) data()[i] = other.data()[i];
    return *this;
  }

  T* data() { return reinterpret_cast<T*>(bytes_.data() + begin_); }
  const T* data() const { return reinterpret_cast<const T*>(bytes_.data() + begin_); }
  T& operator[](int64_t i) { return data()[i]; }
  const T& operator[](int64_t i) const { return data()[i]; }
  int64_t size() const { return size_; }

  bool intact() const {
    const std::size_t end = begin_ + sizeof(T) * static_cast<std::size_t>(size_);
    for (std::size_t i = 0; i < bytes_.size(); ++i) {
      if ((i < begin_ || i >= end) && bytes_[i] != mark) return false;
    }
    return true;
  }
  bool same_bits(const guarded& other) const {
    return size_ == other.size_ &&
           (size_ == 0 ||
            std::memcmp(data(), other.data(), sizeof(T) * static_cast<std::size_t>(size_)) == 0);
  }

 private:
  static constexpr unsigned char mark = 0xa5;
  static constexpr std::size_t guard = 128;
  int64_t size_;
  std::vector<unsigned char> bytes_;
  std::size_t begin_ = 0;
};

inline std::mt19937_64& engine() {
  static std::mt19937_64 e(20240607);
  return e;
}

template <class T>
void fill_random(guarded<T>& b, double lo = -1.0, double hi = 1.0) {
  std::uniform_real_distribution<double> d(lo, hi);
  for (int64_t i = 0; i < b.size(); ++i) b[i] = static_cast<T>(d(engine()));
}
template <class T>
guarded<T> random_buffer(int64_t n, double lo = -1.0, double hi = 1.0) {
  guarded<T> b(n);
  fill_random(b, lo, hi);
  return b;
}

template <class T>
constexpr element element_of() {
  if constexpr (std::is_same_v<T, float>)
    return element::f32;
  else if constexpr (std::is_same_v<T, double>)
    return element::f64;
  else if constexpr (std::is_same_v<T, std::int32_t>)
    return element::i32;
  else if constexpr (std::is_same_v<T, std::int64_t>)
    return element::i64;
  else if constexpr (std::is_same_v<T, std::uint8_t>)
    return element::u8;
  else
    return element::i8;
}

// |got - want| in units of the last place of `want`; 0 for the same infinity or NaN, huge for a
// mismatch.
template <class T>
double ulps(T got, long double want) {
  const T rounded = static_cast<T>(want);
  if (std::isnan(got) || std::isnan(rounded))
    return std::isnan(got) == std::isnan(rounded) ? 0.0 : 1e30;
  if (std::isinf(got) || std::isinf(rounded)) return got == rounded ? 0.0 : 1e30;
  const T magnitude = std::fmax(std::fabs(rounded), std::numeric_limits<T>::min());
  const T ulp = std::nextafter(magnitude, std::numeric_limits<T>::infinity()) - magnitude;
  return static_cast<double>(std::fabs(static_cast<long double>(got) - want) / ulp);
}

// Largest |a - b| relative to `scale`; NaN patterns must agree.
template <class T>
double worst(const guarded<T>& a, const guarded<T>& b, double scale = 1.0) {
  double w = 0.0;
  for (int64_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    if (a[i] == b[i]) continue;
    const double d = std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])) / scale;
    w = d >= w || std::isnan(d) ? (std::isnan(d) ? 1e300 : d) : w;
  }
  return w;
}

template <class T>
constexpr double epsilon() {
  return std::numeric_limits<T>::epsilon();
}

// Memory for a kernel, exactly as much as it asked for, with guards.
struct scratch {
  explicit scratch(int64_t bytes) : memory(bytes) {}
  void* get() { return memory.size() == 0 ? nullptr : memory.data(); }
  guarded<unsigned char> memory;
};

inline std::vector<int64_t> sizes() {
  std::vector<int64_t> s;
  for (int64_t n = 0; n <= 70; ++n) s.push_back(n);
  for (int64_t n : {127, 128, 129, 1000, 4095, 4096, 4097, 10000}) s.push_back(n);
  return s;
}

}  // namespace kt

// Runs the block for every instruction set of this machine, the table being `k`.
#define FOR_EACH_ISA(k)                                                        \
  for (const graft::kernels::isa_info& each_isa : graft::kernels::available()) \
    if (const graft::kernels::kernel_table& k = *each_isa.table; true)         \
      for (bool once = true; once; once = false) DYNAMIC_SECTION(each_isa.name)
