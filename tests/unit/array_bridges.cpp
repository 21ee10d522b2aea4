// Arrays seen as types of other libraries.
#include "graft/tensor/mdspan.hpp"
#if GRAFT_WITH_EIGEN
#include "graft/tensor/eigen.hpp"
#endif

#include "catch.hpp"

using namespace graft;

namespace {

// The part of std::mdspan that is used; any implementation has it.
template <class T, std::size_t... Extents>
class small_mdspan {
 public:
  using element_type = T;
  static constexpr std::size_t rank() { return sizeof...(Extents); }
  static constexpr std::size_t static_extent(std::size_t i) {
    return std::array<std::size_t, rank()>{Extents...}[i];
  }
  small_mdspan(T* data, const std::array<extent, sizeof...(Extents)>& extents)
      : data_(data), extents_(extents) {}
  T& operator()(extent row, extent column) const { return data_[row * extents_[1] + column]; }

 private:
  T* data_;
  std::array<extent, sizeof...(Extents)> extents_;
};
constexpr std::size_t open_extent = std::size_t(-1);

Array six() { return Array::from<float>({2, 3}, {1, 2, 3, 4, 5, 6}); }

template <class Error, class F>
bool throws_with(F&& f, const char* part) {
  try {
    f();
  } catch (const Error& e) {
    INFO(e.what());
    return std::string(e.what()).find(part) != std::string::npos;
  }
  return false;
}

}  // namespace

TEST_CASE("an array as a multidimensional span") {
  Array a = six();
  const Array before = a;
  CHECK(as_mdspan<small_mdspan<const float, open_extent, 3>>(before)(1, 0) == 4);
  as_mdspan<small_mdspan<float, open_extent, open_extent>>(a)(1, 0) = 9;
  CHECK(a.at<float>({1, 0}) == 9);
  CHECK(before.at<float>({1, 0}) == 4);  // written copies are their own
  using narrow = small_mdspan<const float, open_extent, 2>;
  using line = small_mdspan<const float, open_extent>;
  using whole = small_mdspan<const double, open_extent, open_extent>;
  CHECK(throws_with<shape_error>([&] { (void)as_mdspan<narrow>(before); }, "axis 1"));
  CHECK(throws_with<shape_error>([&] { (void)as_mdspan<line>(before); }, "its rank is 2"));
  CHECK_THROWS_AS(as_mdspan<whole>(before), dtype_error);
  const Array none(dtype::float32, {0, 3});
  (void)as_mdspan<small_mdspan<const float, open_extent, 3>>(none);
}

#if GRAFT_WITH_EIGEN
TEST_CASE("arrays as matrices of Eigen, and back") {
  const Array a = six();
  const auto m = as_matrix<float>(a);
  CHECK(m.rows() == 2);
  CHECK(m(1, 0) == 4);
  CHECK(m.data() == a.data());
  CHECK(from_eigen(m).same_bits(a));
  CHECK(from_eigen(m.transpose()).same_bits(Array::from<float>({3, 2}, {1, 4, 2, 5, 3, 6})));
  CHECK(from_eigen(m.row(1)).same_bits(Array::from<float>({3}, {4, 5, 6})));
  CHECK(from_eigen(m.col(1)).same_bits(Array::from<float>({2}, {2, 5})));
  CHECK(from_eigen(m * m.transpose()).same_bits(Array::from<float>({2, 2}, {14, 32, 32, 77})));

  Array b = a;
  as_mutable_matrix<float>(b)(0, 0) = 7;
  CHECK(a.at<float>({0, 0}) == 1);
  CHECK(b.at<float>({0, 0}) == 7);
  Array v = Array::from<float>({3}, {1, 2, 2});
  CHECK(as_vector<float>(v).norm() == 3);
  as_mutable_vector<float>(v) *= 2;
  CHECK(v.at<float>({2}) == 4);

  CHECK(throws_with<shape_error>([&] { (void)as_matrix<float>(v); }, "a matrix"));
  CHECK(throws_with<shape_error>([&] { (void)as_vector<float>(a); }, "a vector"));
  CHECK_THROWS_AS(as_matrix<double>(a), dtype_error);
  CHECK(from_eigen(eigen_matrix<double>(0, 5)).shape() == dims{0, 5});
}
#endif
