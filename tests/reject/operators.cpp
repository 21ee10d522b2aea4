// Operators whose operands or template arguments cannot be.
#include "graft/graft.hpp"

#include "either.hpp"

using namespace graft;

template <class T, extent... Extents>
using of = const tensor<Graph, dtype_of<T>, shape<Extents...>>&;
using matrix = of<float, 2, 3>;
using integers = of<std::int32_t, 2, 3>;
using truths = of<bool, 2, 3>;

// expect: bad_attribute<.*"sum"}, graft::why<.*"every axis must be one of the"}, .*got<graft::shape<2, 3> ?>
auto sum_axis(matrix x) { return sum<axes<either(1, 2)>>(x); }
// expect: bad_attribute<.*"max"}, graft::why<.*"every axis must be one of the"}
auto max_axis(matrix x) { return max<axes<either(-2, -3)>>(x); }
// expect: bad_attribute<.*"prod"}, graft::why<.*"no axis may be named twice"}
auto axis_twice(matrix x) { return prod<axes<1, either(0, 1)>>(x); }
// expect: bad_attribute<.*"argmax"}, graft::why<.*"every axis must be one of the"}
auto argmax_axis(matrix x) { return argmax<either(1, 2)>(x); }
// expect: dtype_mismatch<.*"all"}, graft::needs_type<graft::dtype::boolean>, graft::got_type<graft::dtype::float32>
auto all_type(matrix x, truths b) { return all(either((void(x), b), (void(b), x))); }
// expect: dtype_mismatch<.*"min"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::boolean>
auto min_type(matrix x, truths b) { return min(either((void(b), x), (void(x), b))); }

// expect: dtype_mismatch<.*"less"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::int32>
auto less_types(matrix x, integers i) { return x < either(cast<float>(i), i); }
// expect: shape_mismatch<.*"equal"}, graft::needs<graft::shape<2, 3> ?>, graft::got<graft::shape<2, 4> ?>
auto equal_shapes(matrix x, of<float, 2, 4> y) {
  return equal(x, either((slice<along<1, 0, 3>>(y)), y));
}

// expect: dtype_mismatch<.*"logical_and"}, graft::needs_type<graft::dtype::boolean>, graft::got_type<graft::dtype::float32>
auto and_types(truths b, matrix x) { return logical_and(b, either(x > 0, x)); }
// expect: dtype_mismatch<.*"logical_not"}, graft::needs_type<graft::dtype::boolean>, graft::got_type<graft::dtype::float32>
auto not_type(matrix x) { return logical_not(either(x > 0, x)); }
// expect: shape_mismatch<.*"logical_or"}, graft::needs<graft::shape<2, 3> ?>, graft::got<graft::shape<3, 2> ?>
auto or_shapes(truths a, of<bool, 3, 2> b) { return logical_or(a, either(transpose(b), b)); }
// expect: dtype_mismatch<.*"clip"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::boolean>
auto clip_type(truths b) { return clip(either(cast<float>(b), b), 0, 1); }

// expect: dtype_mismatch<.*"gather"}, graft::needs_type<graft::dtype::int64>, graft::got_type<graft::dtype::float32>
auto gather_type(of<float, 9, 4> table, matrix x) { return gather(table, either(cast<int>(x), x)); }
// expect: bad_attribute<.*"gather"}, graft::why<.*"every axis must be one of the"}
auto gather_axis(of<float, 9, 4> table, integers i) { return gather<either(1, 2)>(table, i); }
// expect: dtype_mismatch<.*"one_hot"}, graft::needs_type<graft::dtype::int64>, graft::got_type<graft::dtype::float32>
auto one_hot_type(matrix x) { return one_hot<3>(either(cast<int>(x), x)); }
// expect: bad_attribute<.*"one_hot"}, graft::why<.*"the depth must not be negative"}
auto one_hot_depth(integers i) { return one_hot<either(3, -1)>(i); }

// expect: bad_attribute<.*"expand_dims"}, graft::why<.*"every axis must be one of the"}
auto expand_axis(matrix x) { return expand_dims<either(2, 3)>(x); }
// expect: shape_mismatch<.*"squeeze"}, graft::needs<graft::shape<1, 1> ?>, graft::got<graft::shape<1, 3> ?>
auto squeeze_extent(of<float, 1, 3> x) { return squeeze<either(0, 1)>(x); }
// expect: bad_attribute<.*"squeeze"}, graft::why<.*"every axis must be one of the"}
auto squeeze_axis(of<float, 1, 3> x) { return squeeze<either(0, 2)>(x); }
// expect: shape_mismatch<.*"broadcast_to"}, graft::needs<graft::shape<2, 4> ?>, graft::got<graft::shape<1, 3> ?>
auto broadcast_extent(of<float, 1, 3> x) { return broadcast_to<shape<2, either(3, 4)>>(x); }
// expect: shape_mismatch<.*"crop"}, graft::needs<graft::shape<-1, 4> ?>, graft::got<graft::shape<2, 3> ?>
auto crop_extent(matrix x) { return crop<border<1, 2, either(1, 2)>>(x); }
// expect: bad_attribute<.*"crop"}, graft::why<.*"every axis must be one of the"}
auto crop_axis(matrix x) { return crop<border<either(1, 2), 1>>(x); }

// expect: dtype_mismatch<.*"log_softmax"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::int32>
auto log_softmax_type(integers i) { return log_softmax(either(cast<float>(i), i)); }
// expect: bad_attribute<.*"log_softmax"}, graft::why<.*"every axis must be one of the"}
auto log_softmax_axis(matrix x) { return log_softmax<either(1, 2)>(x); }

// expect: dtype_mismatch<.*"matmul"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::int32>
auto matmul_types(of<float, 4, 2> x, integers i) { return matmul(x, either(cast<float>(i), i)); }
// expect: shape_mismatch<.*"matmul"}, graft::needs<graft::shape<-1, -1> ?>, graft::got<graft::shape<3> ?>
auto matmul_rank(matrix x, of<float, 3> y) { return matmul(x, either(expand_dims<1>(y), y)); }
// expect: shape_mismatch<.*"matmul"}, graft::needs<graft::shape<5, .*got<graft::shape<4, 3, 2> ?>
auto matmul_batch(of<float, 5, 2, 3> x, of<float, either(5, 4), 3, 2> y) { return matmul(x, y); }

// expect: dtype_mismatch<.*"max_pool2d"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::int8>
auto max_pool_type(of<std::int8_t, 1, 2, 6, 6> x) {
  return max_pool2d<pool{}>(either(cast<float>(x), x));
}
// expect: shape_mismatch<.*"max_pool2d"}, .*got<graft::shape<1, 2, 6, 6> ?>
auto max_pool_window(of<float, 1, 2, 6, 6> x) {
  return max_pool2d<pool{.window = {either(6, 7), 2}}>(x);
}
// expect: dtype_mismatch<.*"avg_pool2d"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::int8>
auto avg_pool_type(of<std::int8_t, 1, 2, 6, 6> x) {
  return avg_pool2d<pool{}>(either(cast<float>(x), x));
}
// expect: shape_mismatch<.*"avg_pool2d"}, graft::needs<graft::shape<-1, -1, -1, -1> ?>, graft::got<graft::shape<2, 3> ?>
auto avg_pool_rank(matrix x) {
  return avg_pool2d<pool{.window = {1, 1}}>(either((reshape<shape<1, 1, 2, 3>>(x)), x));
}

// expect: dtype_mismatch<.*"assign"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::int32>
auto assign_type(matrix variable, integers i) {
  return assign(variable, either(cast<float>(i), i));
}
// expect: shape_mismatch<.*"assign"}, graft::needs<graft::shape<2, 3> ?>, graft::got<graft::shape<6> ?>
auto assign_rank(matrix variable, of<float, 6> x) {
  return assign(variable, either((reshape<shape<2, 3>>(x)), x));
}
// expect: shape_mismatch<.*"assign"}, graft::needs<graft::shape<2, 3> ?>, graft::got<graft::shape<2, 1> ?>
auto assign_extent(matrix variable, of<float, 2, either(3, 1)> x) { return assign(variable, x); }
