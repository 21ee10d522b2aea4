// What a new user writes first, and means otherwise.
#include "graft/graft.hpp"

#include "either.hpp"

using namespace graft;

template <class T, extent... Extents>
using of = const tensor<Graph, dtype_of<T>, shape<Extents...>>&;
using matrix = of<float, 2, 3>;

// expect: layers_are_called_on_tensors<graft::got<float> ?>
auto dense_of_number(matrix x) { return dense<10>(either(x, 3.0f)); }
// expect: layers_are_called_on_tensors<graft::got<graft::Array> ?>
auto dense_of_array(Graph& g, const Array& a) {
  return dense<10>(either((as<float, shape<2, 3>>(constant(g, a))), a));
}
// expect: layers_are_called_on_tensors<graft::got<int> ?>
auto embedding_of_number(of<int, 2> x) { return embedding<9, 4>(either(x, 3)); }
// expect: layers_are_called_on_tensors<graft::got<float> ?>
auto dropout_of_number(matrix x) { return dropout(0.5)(either(x, 3.0f)); }
// expect: a network is called on tensors
auto network_of_number(matrix x) { return (dense<10> >> relu)(either(x, 3.0f)); }
// expect: layers_are_called_on_tensors<graft::got<void> ?>
auto dense_of_nothing(matrix x) { return either(dense<10>, dense<10>())(x); }

// expect: no_operator_of_tensors<.*"\(\)"}, graft::got<int> ?>
auto element_by_call(matrix x) { return either((slice<along<0, 0, 1>>(x)), x(0, 1)); }
// expect: no_operator_of_tensors<.*"\+\+"}
auto counted(matrix x) {
  auto y = x;
  either(y += 1, ++y);
  return y;
}
// expect: no_operator_of_tensors<.*"--"}
auto counted_down(matrix x) {
  auto y = x;
  either(y -= 1, y--);
  return y;
}
// expect: values_come_when_it_runs<graft::got<graft::tensor<.*> ?> ?>
auto value_of(of<float> loss, Session& s) {
  return either(s.run(loss).item<float>(), static_cast<float>(loss));
}
// expect: takes_one_tensor<.*"relu"}
auto relu_of_two(matrix x, matrix y) { return either(relu(x + y), relu(x, y)); }
// expect: takes_one_tensor<.*"sigmoid"}
auto sigmoid_with_slope(matrix x) { return either(sigmoid(0.5 * x), sigmoid(x, 0.5)); }
// expect: axes_are_whole_numbers<.*"mean"}
auto mean_with_weights(matrix x, const Array& a) { return mean(x, either((void(a), 0), a)); }
// expect: axes_are_whole_numbers<.*"sum"}
auto sum_of_two(matrix x, matrix y) { return either(sum(x + y), sum(x, y)); }
// expect: operands_are_tensors<.*"mean"}
auto mean_of_array(Graph& g, const Array& a) { return mean(either(constant(g, a), a), {0}); }
// expect: layers_as_arguments_are_calls<graft::activation<graft::ops::relu> ?>
auto residual_of_name(matrix x) { return residual(either(relu(), relu))(x); }
// expect: layers_as_arguments_are_calls<graft::activation<graft::ops::tanh> ?>
auto shortcut_of_name(matrix x) { return residual(dense<3>, either(tanh(), tanh))(x); }

// expect: after what is asked for come feeds
auto run_two(Session& s, matrix x) {
  return s.run(either(std::tuple(x, x), x), either(feed(x, Array()), x));
}
// expect: after what is asked for come feeds
auto run_number(Session& s, matrix x) { return s.run(x, either(feed(x, Array()), 3.0f)); }
// expect: after what is asked for come feeds
auto prepare_number(Session& s, matrix x) { return s.prepare(x, either(x, 3)); }
// expect: expected tensors, updates, or tuples
auto run_only_number(Session& s, matrix x) { return s.run(either(x, 3.0f)); }

// expect: dtype_mismatch<.*"feed"}, graft::needs_type<graft::dtype::int64>, graft::got_type<graft::dtype::int32>
auto feed_narrow(of<std::int64_t, 2> x) {
  return feed(x, {either(std::int64_t{0}, 0), either(std::int64_t{1}, 1)});
}
// expect: dtype_mismatch<.*"feed"}, graft::needs_type<graft::dtype::int32>, graft::got_type<graft::dtype::float32>
auto feed_vector(of<int, 2> x) { return feed(x, std::vector{either(1, 1.0f), either(2, 2.0f)}); }

// expect: a structure of tensors is fed as many values as it has tensors
auto feed_too_few(matrix x, const Array& a) {
  return feed(std::tuple(x, x), either(std::tuple(a, a), std::tuple(a)));
}
// expect: several tensors are fed several values
auto feed_one(matrix x, const Array& a) {
  return feed(std::tuple(x, x), either(std::tuple(a, a), a));
}
// expect: each tensor is fed an Array, elements of its type, or a number
auto feed_layer(matrix x, const Array& a) {
  return feed(std::tuple(x, x), std::tuple(a, either(a, dense<3>)));
}
// expect: dtype_mismatch<.*"feed"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::int32>
auto feed_other_type(matrix x, const Array& a) {
  return feed(std::tuple(x, x), std::tuple(a, std::vector{either(1.0f, 1)}));
}
struct heads {
  any_tensor policy, value;
};
// expect: described by BOOST_HANA_ADAPT_STRUCT
auto copy_of_struct(const Clone& copy, matrix x) {
  return copy(either(std::tuple(x, x), (heads{x, x})));
}
// expect: described by BOOST_HANA_ADAPT_STRUCT
auto fetch_of_struct(Session& s, matrix x) {
  return s.run(either(std::tuple(x, x), (heads{x, x})));
}

// expect: how a variable starts is told by an initializer
auto initial_number(Graph& g) {
  return make_variable<float, shape<3>>(g, "w", either(constant(0.5), 0.5));
}
// expect: takes the graph first
auto no_graph(Graph& g) { return placeholder<float, shape<3>>(either(g, "x")); }
