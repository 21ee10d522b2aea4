// Layers and losses on tensors that do not fit them.
#include "graft/graft.hpp"

#include "either.hpp"

using namespace graft;

template <class T, extent... Extents>
using of = const tensor<Graph, dtype_of<T>, shape<Extents...>>&;

// expect: dtype_mismatch<.*"depthwise_conv2d"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::int32>
auto depthwise_type(of<std::int32_t, dyn, 3, 8, 8> x) {
  return depthwise_conv2d<1>(either(cast<float>(x), x));
}
// expect: shape_mismatch<.*"depthwise_conv2d \\'deep\\'"}, .*got<graft::shape<-1, 3, 8, 8> ?>
auto depthwise_kernel(of<float, dyn, 3, 8, 8> x) {
  return depthwise_conv2d<1, conv{.kernel = {either(8, 9), 3}}, "deep">(x);
}
// expect: extent_not_known<.*"depthwise_conv2d"}, graft::got<graft::shape<-1, -1, 8, 8> ?>, graft::at_axis<1> ?>
auto depthwise_channels(of<float, dyn, either(3, dyn), 8, 8> x) { return depthwise_conv2d<1>(x); }
// expect: shape_mismatch<.*"\\'left_branch_stem\\' depthwise
auto long_name(of<float, either(1, dyn), 9, 9, either(1, dyn)> x) {
  return depthwise_conv2d<1, conv{.kernel = {1, 1}}, "left_branch_stem">(
      either(x, (reshape<shape<9, 9>>(x))));
}

// expect: dtype_mismatch<.*"layer_norm \\'ln\\'"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::int32>
auto layer_norm_type(of<std::int32_t, dyn, 3> x) {
  return layer_norm<"ln">(either(cast<float>(x), x));
}
// expect: extent_not_known<.*"batch_norm \\'bn\\'"}, graft::got<graft::shape<8, -1> ?>, graft::at_axis<1> ?>
auto batch_norm_extent(of<float, 8, either(3, dyn)> x) { return batch_norm<"bn">(x); }

// expect: dtype_mismatch<.*"gru"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::int32>
auto gru_type(of<std::int32_t, dyn, 5, 3> x) { return gru<4>(either(cast<float>(x), x)); }
// expect: shape_mismatch<.*"gru \\'cell\\'"}, graft::needs<graft::shape<-1, -1, -1> ?>, graft::got<graft::shape<-1, 3> ?>
auto gru_rank(of<float, dyn, 3> x) { return gru<4, "cell">(either(expand_dims<0>(x), x)); }
// expect: extent_not_known<.*"gru"}, graft::got<graft::shape<2, 5, -1> ?>, graft::at_axis<2> ?>
auto gru_extent(of<float, 2, 5, either(3, dyn)> x) { return gru<4>(x); }
// expect: dtype_mismatch<.*"lstm"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::int32>
auto lstm_type(of<std::int32_t, dyn, 5, 3> x) { return lstm<4>(either(cast<float>(x), x)); }
// expect: shape_mismatch<.*"lstm"}, graft::needs<graft::shape<-1, -1, -1> ?>, graft::got<graft::shape<-1, 3> ?>
auto lstm_rank(of<float, dyn, 3> x) { return lstm<4>.sequences()(either(expand_dims<0>(x), x)); }
// expect: extent_not_known<.*"lstm"}, graft::got<graft::named_shape<.*"batch"}, 5L?, -1L?> ?>, graft::at_axis<2> ?>
auto lstm_extent(of<float, dim<"batch">, 5, either(3, dyn)> x) { return lstm<4>(x); }

// expect: dtype_mismatch<.*"embedding"}, graft::needs_type<graft::dtype::int64>, graft::got_type<graft::dtype::uint8>
auto embedding_type(of<std::uint8_t, dyn> x) { return embedding<9, 4>(either(cast<int>(x), x)); }
// expect: shape_mismatch<.*"global_max_pool2d"}, graft::needs<graft::shape<-1, -1, -1, -1> ?>, graft::got<graft::shape<-1, 4> ?>
auto global_max_pool_rank(of<float, dyn, 4> x) {
  return global_max_pool2d(either((reshape<shape<dyn, 1, 2, 2>>(x)), x));
}
// expect: dtype_mismatch<.*"tanh"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::int32>
auto activation_in_chain(of<std::int32_t, dyn, 4> x) {
  return (tanh >> dense<3>)(either(cast<float>(x), x));
}
// expect: shape_mismatch<.*"repeat"}, graft::needs<graft::named_shape<.*"batch"}, 4L?> ?>, graft::got<graft::named_shape<.*"batch"}, 3L?> ?>
auto repeat_shapes(of<float, dim<"batch">, 4> x) { return repeat<2>(dense<either(4, 3)>)(x); }

// expect: shape_mismatch<.*"mse"}, graft::needs<graft::shape<8, 1> ?>, graft::got<graft::shape<8> ?>
auto mse_rank(of<float, 8, 1> y, of<float, 8> target) {
  return mse(either(squeeze<1>(y), y), target);
}
// expect: shape_mismatch<.*"mse"}, graft::needs<graft::shape<8, 1> ?>, graft::got<graft::shape<8, 3> ?>
auto mse_extent(of<float, 8, either(3, 1)> y, of<float, 8, 3> target) { return mse(y, target); }
// expect: dtype_mismatch<.*"mse"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::int32>
auto mse_types(of<float, 8> y, of<std::int32_t, 8> target) {
  return mse(y, either(cast<float>(target), target));
}
// expect: dtype_mismatch<.*"mse"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::int64>
auto mse_of_integers(of<std::int64_t, 8> y) {
  return mse(either(cast<float>(y), y), either(cast<float>(y), y));
}
// expect: shape_mismatch<.*"huber"}, graft::needs<graft::shape<8, 1> ?>, graft::got<graft::shape<8> ?>
auto huber_rank(of<float, 8, 1> y, of<float, 8> target) {
  return huber(either(squeeze<1>(y), y), target);
}
// expect: shape_mismatch<.*"sigmoid_cross_entropy"}, graft::needs<graft::shape<8> ?>, graft::got<graft::shape<1, 8> ?>
auto cross_entropy_rank(of<float, 8> logits, of<float, 1, 8> labels) {
  return sigmoid_cross_entropy(logits, either(squeeze<0>(labels), labels));
}
// expect: dtype_mismatch<.*"sigmoid_cross_entropy"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::int64>
auto cross_entropy_type(of<std::int64_t, 8> labels) {
  return sigmoid_cross_entropy(either(cast<float>(labels), labels),
                               either(cast<float>(labels), labels));
}
// expect: dtype_mismatch<.*"huber"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::float64>
auto huber_types(of<float, 8> y, of<double, 8> target) {
  return huber(y, either(cast<float>(target), target));
}
// expect: dtype_mismatch<.*"sigmoid_cross_entropy"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::int32>
auto cross_entropy_labels_type(of<float, 8> logits, of<std::int32_t, 8> labels) {
  return sigmoid_cross_entropy(logits, either(cast<float>(labels), labels));
}
// expect: shape_mismatch<.*"huber"}, graft::needs<graft::named_shape<.*"batch"}, 4L?> ?>, graft::got<graft::named_shape<.*"batch"}, 5L?> ?>
auto huber_named(of<float, dim<"batch">, 4> y, of<float, dim<"batch">, either(4, 5)> target) {
  return huber(y, target);
}
// expect: dtype_mismatch<.*"l2_regularization"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::int32>
auto penalty_type(of<std::int32_t, 8> w) {
  return l2_regularization(either(cast<float>(w), w), 0.1);
}
// expect: dtype_mismatch<.*"residual"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::float64>
auto residual_type(of<float, 8> x) {
  return residual([](auto y) { return cast<either(float, double)>(y); })(x);
}

// In networks that the compiler records, what does not fit in or around bodies.
template <class X>
constexpr X recorded(const X& x) {
  return x;
}
// expect: shape_mismatch<.*"lstm \\'memory\\'"}, graft::needs<graft::shape<-1, -1, -1> ?>, graft::got<graft::shape<-1, 8> ?> ?>
constexpr auto recorded_lstm =
    net<[](auto x) { return either(recorded(x), (lstm<3, "memory">(x))); },
        in<float, shape<dyn, 8>>>();
// expect: shape_mismatch<.*"the branches of cond"}, graft::needs<graft::shape<4> ?>, graft::got<graft::shape<1, 4> ?> ?>
constexpr auto recorded_cond = net<[](auto x) {
  return either(recorded(x),
                (cond(all(x > 0), [&] { return x; }, [&] { return expand_dims<0>(x); })));
},
                                   in<float, shape<4>>>();
// expect: dtype_mismatch<.*"the state of while_loop"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::float64>
constexpr auto recorded_loop = net<[](auto x) {
  return either(
      recorded(x),
      (while_loop(x, [](auto s) { return all(s > 0); }, [](auto s) { return cast<double>(s); })));
},
                                   in<float, shape<4>>>();
// expect: shape_mismatch<.*"the state of scan"}, graft::needs<graft::shape<3> ?>, graft::got<graft::shape<1, 3> ?> ?>
constexpr auto recorded_scan = net<[](auto x) {
  return either(recorded(x), (std::get<0>(scan(sum<axes<0>>(x), x, [](auto s, auto e) {
                  return std::tuple{expand_dims<0>(s + e), s};
                }))));
},
                                   in<float, shape<4, 3>>>();
// expect: recorder_refuses_tensor_of_a_closed_body
constexpr auto recorded_leak = net<[](auto x) {
  auto inner = x;
  const auto y = cond(all(x > 0), [&] { return inner = -x; }, [&] { return x; });
  return either(recorded(y), y + inner);
},
                                   in<float, shape<4>>>();
// expect: recorder_refuses_update_in_a_body
constexpr auto recorded_update = net<[](auto x) {
  return either(recorded(x),
                (cond(all(x > 0), [&] { return dropout(x, 0.5); }, [&] { return x; })));
},
                                     in<float, shape<4>>>();
// expect: recorder_refuses
constexpr auto recorded_clip =
    net<[](auto x) { return clip(x, either(0.0, 2.0), 1.0); }, in<float, shape<4>>>();
// expect: recorder_refuses
constexpr auto recorded_momentum =
    net<[](auto x) { return batch_norm<"bn">().momentum(either(0.9, 2.0))(x); },
        in<float, shape<dyn, 4>>>();
// expect: recorder_refuses
constexpr auto recorded_epsilon =
    inference_net<[](auto x) { return batch_norm<"bn">().epsilon(either(0.001, -1.0))(x); },
                  in<float, shape<dyn, 4>>>();
// expect: recorder_refuses
constexpr auto recorded_slope =
    net<[](auto x) { return leaky_relu(x, either(0.1, -1.0)); }, in<float, shape<4>>>();
static_assert(recorded_clip.op_count() + recorded_momentum.op_count() +
                  recorded_epsilon.op_count() + recorded_slope.op_count() >
              0);
static_assert(recorded_lstm.op_count() + recorded_cond.op_count() + recorded_loop.op_count() +
                  recorded_scan.op_count() + recorded_leak.op_count() + recorded_update.op_count() >
              0);
