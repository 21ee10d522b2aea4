// The kernels again as plain loops with sums in long double: slow, obviously right, and kept for
// ever as what the tests compare with. Instantiated for float and double in reference.cpp. Not part
// of the library.
#pragma once

#include <cstdint>

#include "kernels.hpp"

namespace graft::kernels::reference {

// One element, in long double. NaN where the real function has no value.
long double unary(unary_op op, long double x, const double* params);
long double gradient(gradient_op op, long double dy, long double v, const double* params);
long double binary(binary_op op, long double a, long double b);

template <class T>
T reduce(reduce_op op, const T* x, std::int64_t n, std::int64_t stride);

template <class T>
void matmul(const matmul_args& args);  // no scratch needed

template <class T>
void softmax(const T* x, T* y, std::int64_t rows, std::int64_t cols, bool logarithm);
template <class T>
void layer_norm(const layer_norm_args& args);
template <class T>
void layer_norm_gradient(const layer_norm_gradient_args& args);
template <class T>
void channel_moments(const T* x, T* mean, T* variance, std::int64_t outer, std::int64_t channels,
                     std::int64_t inner);

template <class T>
void conv2d(const conv2d_args& args);
template <class T>
void conv2d_input_gradient(const conv2d_args& args);
template <class T>
void conv2d_filter_gradient(const conv2d_args& args);

template <class T>
void max_pool(const pool2d_shape& s, const T* x, T* y, std::int64_t* index);
template <class T>
void average_pool(const pool2d_shape& s, const T* x, T* y, bool count_include_pad);
template <class T>
void average_pool_gradient(const pool2d_shape& s, const T* dy, T* dx, bool count_include_pad);

template <class T>
void optimiser(optimiser_op op, const optimiser_args& args);

// dst is contiguous; strides in elements.
template <class U>
void copy_strided(const U* src, const std::int64_t* src_strides, U* dst, const std::int64_t* dims,
                  std::int64_t rank);

}  // namespace graft::kernels::reference
