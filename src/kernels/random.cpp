// Counter-based random numbers: Philox 4x32-10 of Random123.
//
// The 128-bit counter holds the block of elements (32 bits), the use (32) and the stream (64); the
// key is the seed. One block gives four elements of 32 bits or two of 64. Normals come from the
// inverse distribution function, with a logarithm of our own: the C library's may round differently
// from one machine to the next.
#include <cmath>
#include <cstring>
#include <type_traits>

#include <Random123/philox.h>

#include "kernels.hpp"

namespace graft::kernels {
namespace {

using std::int64_t;
using std::uint32_t;
using std::uint64_t;

struct block {
  uint32_t word[4];
};

block philox(const random_state& s, int64_t index) {
  const r123::Philox4x32 generator;
  r123::Philox4x32::ctr_type counter;
  counter[0] = static_cast<uint32_t>(index);
  counter[1] = static_cast<uint32_t>(s.counter);
  counter[2] = static_cast<uint32_t>(s.stream);
  counter[3] = static_cast<uint32_t>(s.stream >> 32);
  r123::Philox4x32::key_type key;
  key[0] = static_cast<uint32_t>(s.key);
  key[1] = static_cast<uint32_t>(s.key >> 32);
  const auto r = generator(counter, key);
  return {{r[0], r[1], r[2], r[3]}};
}

// f(i, word) for elements offset + i of 32 bits each.
template <class F>
void words32(const random_state& s, int64_t offset, int64_t n, F f) {
  for (int64_t i = 0; i < n;) {
    const int64_t at = offset + i;
    const block b = philox(s, at / 4);
    for (int64_t lane = at % 4; lane < 4 && i < n; ++lane, ++i) f(i, b.word[lane]);
  }
}

template <class F>
void words64(const random_state& s, int64_t offset, int64_t n, F f) {
  for (int64_t i = 0; i < n;) {
    const int64_t at = offset + i;
    const block b = philox(s, at / 2);
    for (int64_t lane = at % 2; lane < 2 && i < n; ++lane, ++i) {
      f(i, static_cast<uint64_t>(b.word[2 * lane]) | static_cast<uint64_t>(b.word[2 * lane + 1])
                                                         << 32);
    }
  }
}

// [0, 1), every value exact in the element's type.
double unit(uint32_t w) { return static_cast<double>(w >> 8) * 0x1p-24; }
double unit(uint64_t w) { return static_cast<double>(w >> 11) * 0x1p-53; }
// (0, 1), for the inverse distribution function.
double open_unit(uint32_t w) { return (static_cast<double>(w) + 0.5) * 0x1p-32; }
double open_unit(uint64_t w) { return (static_cast<double>(w >> 12) + 0.5) * 0x1p-52; }

// Natural logarithm of a positive normal number, within an ulp.
double portable_log(double x) {
  uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  bits += 0x3ff0000000000000ULL - 0x3fe6a09e667f3bcdULL;
  const double k = static_cast<double>(static_cast<int64_t>(bits >> 52) - 1023);
  bits = (bits & 0x000fffffffffffffULL) + 0x3fe6a09e667f3bcdULL;
  std::memcpy(&x, &bits, sizeof x);
  const double f = x - 1.0, s = f / (2.0 + f), z = s * s;
  const double r =
      z * (6.666666666666735130e-01 +
           z * (3.999999999940941908e-01 +
                z * (2.857142874366239149e-01 +
                     z * (2.222219843214978396e-01 +
                          z * (1.818357216161805012e-01 +
                               z * (1.531383769920937332e-01 + z * 1.479819860511658591e-01))))));
  const double half = 0.5 * f * f;
  return k * 6.93147180369123816490e-01 -
         ((half - (s * (half + r) + k * 1.90821492927058770002e-10)) - f);
}

double ratio(const double (&p)[8], const double (&q)[8], double x) {
  double a = p[7], b = q[7];
  for (int i = 6; i >= 0; --i) {
    a = a * x + p[i];
    b = b * x + q[i];
  }
  return a / b;
}

// Inverse of the normal distribution function (Wichura's algorithm AS 241, about 1e-16).
double normal_quantile(double p) {
  static constexpr double a[] = {3.3871328727963666080e0,  1.3314166789178437745e+2,
                                 1.9715909503065514427e+3, 1.3731693765509461125e+4,
                                 4.5921953931549871457e+4, 6.7265770927008700853e+4,
                                 3.3430575583588128105e+4, 2.5090809287301226727e+3};
  static constexpr double b[] = {1.0,
                                 4.2313330701600911252e+1,
                                 6.8718700749205790830e+2,
                                 5.3941960214247511077e+3,
                                 2.1213794301586595867e+4,
                                 3.9307895800092710610e+4,
                                 2.8729085735721942674e+4,
                                 5.2264952788528545610e+3};
  static constexpr double c[] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                                 5.76949722146069140550e0,  3.64784832476320460504e0,
                                 1.27045825245236838258e0,  2.41780725177450611770e-1,
                                 2.27238449892691845833e-2, 7.74545014278341407640e-4};
  static constexpr double d[] = {1.0,
                                 2.05319162663775882187e0,
                                 1.67638483018380384940e0,
                                 6.89767334985100004550e-1,
                                 1.48103976427480074590e-1,
                                 1.51986665636164571966e-2,
                                 5.47593808499534494600e-4,
                                 1.05075007164441684324e-9};
  static constexpr double e[] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                                 1.78482653991729133580e0,  2.96560571828504891230e-1,
                                 2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                 2.71155556874348757815e-5, 2.01033439929228813265e-7};
  static constexpr double f[] = {1.0,
                                 5.99832206555887937690e-1,
                                 1.36929880922735805310e-1,
                                 1.48753612908506148525e-2,
                                 7.86869131145613259100e-4,
                                 1.84631831751005468180e-5,
                                 1.42151175831644588870e-7,
                                 2.04426310338993978564e-15};
  const double q = p - 0.5;
  if (std::fabs(q) <= 0.425) return q * ratio(a, b, 0.180625 - q * q);
  const double r = std::sqrt(-portable_log(q < 0.0 ? p : 1.0 - p));
  const double value = r <= 5.0 ? ratio(c, d, r - 1.6) : ratio(e, f, r - 5.0);
  return q < 0.0 ? -value : value;
}

// Calls f with a float or double pointer and the generator of words of that size.
template <class F>
bool with_type(element e, void* y, F f) {
  if (e == element::f32)
    f(static_cast<float*>(y), [](auto&&... a) { words32(a...); });
  else if (e == element::f64)
    f(static_cast<double*>(y), [](auto&&... a) { words64(a...); });
  else
    return false;
  return true;
}

}  // namespace

bool random_uniform(const random_state& s, element e, void* y, int64_t offset, int64_t n, double lo,
                    double hi) {
  return with_type(e, y, [&](auto* out, auto words) {
    using T = std::remove_reference_t<decltype(*out)>;
    // Rounding could reach the upper end, which is excluded.
    const T low = static_cast<T>(lo), high = static_cast<T>(hi);
    const T last = high > low ? std::nextafter(high, low) : low;
    words(s, offset, n, [&](int64_t i, auto w) {
      const T v = static_cast<T>(lo + (hi - lo) * unit(w));
      out[i] = v > last ? last : v;
    });
  });
}

bool random_normal(const random_state& s, element e, void* y, int64_t offset, int64_t n,
                   double mean, double deviation) {
  return with_type(e, y, [&](auto* out, auto words) {
    using T = std::remove_reference_t<decltype(*out)>;
    words(s, offset, n, [&](int64_t i, auto w) {
      out[i] = static_cast<T>(mean + deviation * normal_quantile(open_unit(w)));
    });
  });
}

bool random_truncated_normal(const random_state& s, element e, void* y, int64_t offset, int64_t n,
                             double mean, double deviation) {
  constexpr double below = 0.022750131948179207200;  // the distribution function at -2
  return with_type(e, y, [&](auto* out, auto words) {
    using T = std::remove_reference_t<decltype(*out)>;
    words(s, offset, n, [&](int64_t i, auto w) {
      const double p = below + (1.0 - 2.0 * below) * open_unit(w);
      out[i] = static_cast<T>(mean + deviation * normal_quantile(p));
    });
  });
}

void random_bernoulli(const random_state& s, std::uint8_t* y, int64_t offset, int64_t n, double p) {
  const double scaled = p * 0x1p32;
  const uint64_t limit = !(scaled > 0.0)    ? 0
                         : scaled >= 0x1p32 ? uint64_t{1} << 32
                                            : static_cast<uint64_t>(scaled);
  words32(s, offset, n, [&](int64_t i, uint32_t w) { y[i] = w < limit; });
}

void random_below(const random_state& s, int64_t* y, int64_t offset, int64_t n, int64_t bound) {
  words64(s, offset, n, [&](int64_t i, uint64_t w) {
    __extension__ using wide = unsigned __int128;
    y[i] = bound > 0
               ? static_cast<int64_t>(static_cast<wide>(w) * static_cast<uint64_t>(bound) >> 64)
               : 0;
  });
}

}  // namespace graft::kernels
