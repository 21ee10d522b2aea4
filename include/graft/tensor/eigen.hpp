// Arrays as Eigen matrices, and back. Needs Eigen 3.3 or later; nothing else of the library does.
#pragma once

#include <string>

#include <Eigen/Core>

#include "graft/tensor/array.hpp"

namespace graft {

/// Matrices with the order of elements that arrays have.
template <element T>
using eigen_matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
/// Columns of elements.
template <element T>
using eigen_vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;

namespace detail {

inline void require_rank(const Array& array, std::size_t rank, const char* what) {
  if (array.rank() == rank) return;
  throw shape_error(
      {"an array of " + to_string(array.shape()) + " was to be viewed as " + what,
       "its rank is " + std::to_string(array.rank()), "",
       "reshape it: array.reshaped({" + std::string(rank == 1 ? "n" : "rows, columns") + "})"});
}

}  // namespace detail

/// An array of rank 2 as a matrix, without copying; valid as long as the array is and is not written.
/// @throws shape_error for another rank, dtype_error if T is not the element type
template <element T>
[[nodiscard]] Eigen::Map<const eigen_matrix<T>> as_matrix(const Array& array) {
  detail::require_rank(array, 2, "a matrix");
  return {array.span<T>().data(), static_cast<Eigen::Index>(array.shape()[0]),
          static_cast<Eigen::Index>(array.shape()[1])};
}
/// The same to write through; makes the storage the array's own first.
template <element T>
[[nodiscard]] Eigen::Map<eigen_matrix<T>> as_mutable_matrix(Array& array) {
  detail::require_rank(array, 2, "a matrix");
  return {array.mutable_span<T>().data(), static_cast<Eigen::Index>(array.shape()[0]),
          static_cast<Eigen::Index>(array.shape()[1])};
}
/// A map of a temporary would dangle.
template <element T>
void as_matrix(const Array&&) = delete;

/// An array of rank 1 as a vector, without copying; valid as long as the array is and is not written.
/// @throws shape_error for another rank, dtype_error if T is not the element type
template <element T>
[[nodiscard]] Eigen::Map<const eigen_vector<T>> as_vector(const Array& array) {
  detail::require_rank(array, 1, "a vector");
  return {array.span<T>().data(), static_cast<Eigen::Index>(array.shape()[0])};
}
/// The same to write through; makes the storage the array's own first.
template <element T>
[[nodiscard]] Eigen::Map<eigen_vector<T>> as_mutable_vector(Array& array) {
  detail::require_rank(array, 1, "a vector");
  return {array.mutable_span<T>().data(), static_cast<Eigen::Index>(array.shape()[0])};
}
/// A map of a temporary would dangle.
template <element T>
void as_vector(const Array&&) = delete;

/// The value of any matrix expression: rank 1 for what is a vector by its type, else rank 2. Copies.
template <class Derived>
[[nodiscard]] Array from_eigen(const Eigen::DenseBase<Derived>& expression) {
  using scalar = typename Derived::Scalar;
  static_assert(element<scalar>, "graft: arrays have no elements of this matrix's scalar type");
  if constexpr (Derived::IsVectorAtCompileTime) {
    Array result = Array::uninitialized(dtype_of<scalar>, {static_cast<extent>(expression.size())});
    auto to = as_mutable_vector<scalar>(result);
    if constexpr (Derived::RowsAtCompileTime == 1) {
      to = expression.derived().transpose();
    } else {
      to = expression.derived();
    }
    return result;
  } else {
    Array result = Array::uninitialized(dtype_of<scalar>, {static_cast<extent>(expression.rows()),
                                                           static_cast<extent>(expression.cols())});
    as_mutable_matrix<scalar>(result) = expression.derived();
    return result;
  }
}

}  // namespace graft
