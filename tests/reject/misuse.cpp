// Functions, operators and networks used as in other libraries, or by oversight.
#include <algorithm>
#include <string>

#include "graft/graft.hpp"

#include "either.hpp"

using namespace graft;

template <class T, extent... Extents>
using of = const tensor<Graph, dtype_of<T>, shape<Extents...>>&;
using matrix = of<float, 2, 3>;
using truths = of<bool, 2, 3>;

// expect: operands_are_tensors<.*"\+"}, graft::got<graft::Array> ?>
auto add_array(Graph& g, matrix x, const Array& a) { return x + either(constant(g, a), a); }
// expect: operands_are_tensors<.*"\*"}, graft::got<graft::Array> ?>
auto array_times(matrix x, const Array& a) { return either((void(a), x), a) * x; }
// expect: operands_are_tensors<.*"-"}, graft::got<char ?\[5\]>
auto subtract_text(matrix x) { return x - either(1, "text"); }
// expect: operands_are_tensors<.*"<="}, graft::got<graft::dense_layer<3
auto compare_layer(matrix x) { return x <= either(dense<3>(x), dense<3>); }
// expect: operands_are_tensors<.*"&&"}, graft::got<bool> ?>
auto and_truth(truths b) { return b && either(b, true); }
// expect: dtype_mismatch<.*"logical_or"}, graft::needs_type<graft::dtype::boolean>, graft::got_type<graft::dtype::float32>
auto or_numbers(matrix x) { return (x < 0) || either(x > 1, x); }
// expect: dtype_mismatch<.*"logical_not"}, graft::needs_type<graft::dtype::boolean>, graft::got_type<graft::dtype::float32>
auto not_number(matrix x) { return !either((x > 1), x); }

// expect: tensors_are_compared_by_equal<graft::got<graft::tensor<.*> ?>, graft::got<graft::tensor<
auto equal_tensors(matrix x, matrix y) { return either(equal(x, y), x == y); }
// expect: tensors_are_compared_by_equal<graft::got<graft::tensor<.*> ?>, graft::got<int> ?>
auto unequal_number(matrix x) { return either(not_equal(x, 3), x != 3); }
// expect: no_operator_of_tensors<.*"%"}, graft::got<graft::tensor<.*> ?>, graft::got<int> ?>
auto modulo(matrix x) { return either(x - floor(x / 2) * 2, x % 2); }
// expect: no_operator_of_tensors<.*"&"}
auto bit_and(truths a, truths b) { return either(a && b, a & b); }
// expect: no_operator_of_tensors<.*"~"}
auto complement(truths b) { return either(!b, ~b); }
// expect: no_operator_of_tensors<.*"\[\]"}, graft::got<int> ?>
auto element(matrix x) { return either((slice<along<0, 0, 1>>(x)), x[0]); }

// expect: values_come_when_it_runs<graft::got<graft::tensor<graft::Graph, graft::dtype::boolean, graft::shape<2, 3> ?> ?> ?>
auto larger(matrix x, matrix y) { return either(select(x < y, y, x), (x < y ? y : x)); }
// expect: values_come_when_it_runs<graft::got<graft::tensor<graft::Graph, graft::dtype::boolean, graft::shape<5> ?> ?> ?>
auto maximum_of_values(of<float, 5> x, of<float, 5> y) {
  return either(maximum(x, y), std::max(x, y));
}

// expect: operands_are_tensors<.*"\+="}, graft::got<graft::Array> ?>
auto accumulate_array(Graph& g, const Array& a) {
  any_tensor sum = constant(g, a);
  sum += either(constant(g, a), a);
  return sum;
}
// expect: handle_names_one_tensor<.*"-="}, graft::got<const graft::tensor<
auto change_constant(matrix x) {
  either(auto, const auto) y = x;
  y -= x;
  return y;
}
// expect: handle_names_one_tensor<.*"\+="}, graft::got<graft::variable<
template <class T, class Shape>
using some_tensor = tensor<Graph, dtype_of<T>, Shape>;
template <class T, class Shape>
using some_variable = variable<dtype_of<T>, Shape>;
auto change_variable(matrix x) {
  either(some_tensor, some_variable)<float, shape<2, 3>> y(x);
  y += x;
  return y;
}
// expect: shape_mismatch<.*"\*="}, graft::needs<graft::shape<1, 3> ?>, graft::got<graft::shape<2, 3> ?>
auto grow(of<float, either(2, 1), 3> x, matrix y) {
  auto z = x;
  z *= y;
  return z;
}

// expect: operands_are_tensors<.*"relu"}
auto relu_of_number(matrix x) { return relu(either(x, 3.0f)); }
// expect: operands_are_tensors<.*"tanh"}
auto tanh_of_array(matrix x, const Array& a) { return tanh(either((void(a), x), a)); }
// expect: operands_are_tensors<.*"softmax"}
auto softmax_of_layer(matrix x) { return softmax<1>(either(dense<3>(x), dense<3>)); }
// expect: operands_are_tensors<.*"sum"}
auto sum_of_array(matrix x, const Array& a) { return sum<axes<0>>(either((void(a), x), a)); }
// expect: operands_are_tensors<.*"mean"}
auto mean_of_number(matrix x) { return mean(either(x, 3.0f)); }
// expect: operands_are_tensors<.*"maximum"}
auto maximum_of_array(matrix x, const Array& a) { return maximum(x, either((void(a), x), a)); }
// expect: operands_are_tensors<.*"select"}
auto select_by_truth(matrix x) { return select(either(x > 0, true), x, x); }
// expect: operands_are_tensors<.*"select"}
auto select_array(matrix x, const Array& a) { return select(x > 0, x, either((void(a), x), a)); }
// expect: operands_are_tensors<.*"mse"}
auto mse_of_array(matrix x, const Array& a) { return mse(x, either((void(a), x), a)); }
// expect: operands_are_tensors<.*"softmax_cross_entropy"}
auto labels_of_array(Graph& g, matrix x, const Array& a) {
  return softmax_cross_entropy(x, either((as<int, shape<2>>(constant(g, a))), a));
}
// expect: operands_are_tensors<.*"reshape"}
auto reshape_array(matrix x, const Array& a) { return reshape<shape<6>>(either((void(a), x), a)); }
// expect: operands_are_tensors<.*"cast"}
auto cast_number(matrix x) { return cast<int>(either(x, 3.0f)); }
// expect: operands_are_tensors<.*"concat"}
auto concat_array(matrix x, const Array& a) { return concat<0>(x, either((void(a), x), a)); }
// expect: operands_are_tensors<.*"batch_norm"}
auto batch_norm_of_number(matrix x) { return batch_norm<>(either(x, 3.0f)); }
// expect: operands_are_tensors<.*"dropout"}
auto dropout_of_array(matrix x, const Array& a) { return dropout(either((void(a), x), a), 0.5); }
// expect: operands_are_tensors<.*"matmul"}
auto matmul_of_number(matrix x, of<float, 3, 4> y) { return matmul(x, either(y, 3)); }

// expect: takes_two_tensors<.*"matmul"}
auto matmul_of_one(of<float, 3, 3> x) { return either(matmul(x, x), matmul(x)); }
// expect: takes_two_tensors<.*"maximum"}
auto maximum_of_one(matrix x) { return either(max(x), maximum(x)); }
// expect: takes_one_tensor<.*"max"}
auto max_of_two(matrix x, matrix y) { return either(maximum(x, y), max(x, y)); }
// expect: takes_one_tensor<.*"min"}
auto min_of_number(matrix x) { return either(minimum(x, 0.5f), min(x, 0.5f)); }
// expect: axis_is_a_template_argument<.*"concat"}
auto concat_without_axis(matrix x, matrix y) { return either(concat<0>(x, y), concat(x, y, 0)); }

// expect: layers_take_one_tensor<graft::got<graft::tensor<.*> ?>, graft::got<graft::tensor<
auto dense_of_two(matrix x) { return either(dense<3>(x), dense<3>(x, x)); }
// expect: layers_take_one_tensor<graft::got<graft::tensor<.*> ?>, graft::got<char ?\[5\]> ?>
auto dense_and_name(matrix x) { return either((dense<3, "name">(x)), dense<3>(x, "name")); }
// expect: layers_are_called_on_tensors<graft::got<graft::Graph> ?>
auto dense_on_graph(Graph& g, matrix x) { return either((void(g), dense<3>(x)), dense<3>(g, x)); }
// expect: networks_are_made_of_layers<graft::got<graft::tensor<
auto into_layer(matrix x) { return either(dense<3>(x), x >> dense<3>); }
// expect: networks_are_made_of_layers<graft::got<graft::tensor<
auto into_named_layer(matrix x) { return either(relu(x), x >> relu); }
// expect: networks_are_made_of_layers<graft::got<graft::tensor<
auto layer_before_tensor(matrix x) { return either((dense<3> >> relu)(x), dense<3> >> relu >> x); }
// expect: networks_are_made_of_layers<graft::got<int> ?>
auto layer_of_number(matrix x) { return (dense<3> >> either(relu, 3))(x); }
// expect: networks_are_made_of_layers<graft::got<graft::tensor<
auto residual_of_tensor(matrix x) { return either(residual(dense<3>)(x), residual(x)); }
// expect: networks_are_made_of_layers<graft::got<graft::tensor<
auto parallel_tensors(of<float, 5, 3> x) {
  return either(parallel(tanh(), relu())(x), parallel(x, x));
}
