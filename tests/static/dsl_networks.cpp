// Networks as constants: what constant evaluation knows of them, in both compilers.
#include <cmath>

#include <boost/hana/define_struct.hpp>
#include <sys/select.h>
#include <sys/socket.h>

#include "graft/graft.hpp"

using namespace graft;  // beside tanh, exp, log, sqrt, abs of <cmath> and select, bind of the
                        // system

namespace {

// --- Builders with points ------------------------------------------------------------------------

constexpr auto mlp = net<[](auto x) { return dense<10, "logits">(relu(dense<32>(x))); },
                         in<float, shape<dyn, 4>, "x">>();
static_assert(mlp.parameter_count() == 4 * 32 + 32 + 32 * 10 + 10);
static_assert(mlp.variable_count() == 4);
static_assert(mlp.variable_name(0) == "dense/kernel");
static_assert(mlp.variable_name(1) == "dense/bias");
static_assert(mlp.variable_name(2) == "logits/kernel");
static_assert(mlp.variable_shape(2) == dims{32, 10});
static_assert(mlp.output_shape() == dims{dyn, 10});
static_assert(mlp.output_type() == dtype::float32);
static_assert(mlp.op_count() == 10);  // x; two variables, matmul, add; relu; the same again

template <class Path>
constexpr bool is(const Path& path, std::string_view text) {
  return std::string_view(path.data(), path.size()) == text;
}
static_assert(is(mlp.table().op_path(0), "x"));
static_assert(is(mlp.table().op_path(2), "dense/matmul"));
static_assert(is(mlp.table().op_path(5), "relu"));
static_assert(mlp.table().ops[2].schema == &ops::matmul);
static_assert(mlp.table().operand(mlp.table().ops[2], 0) == mlp.table().inputs[0]);

// A named batch passes through to the result.
constexpr auto with_batch =
    net<[](auto x) { return softmax(dense<3>(x)); }, in<double, shape<dim<"batch">, 5>>>();
static_assert(with_batch.output_shape() == dims{dim<"batch">, 3});
static_assert(with_batch.output_type() == dtype::float64);

// --- Names ---------------------------------------------------------------------------------------

constexpr auto names = net<[](auto x) {
  const scope outer(x, "encoder");
  auto y = dense<4>(x);
  {
    const scope inner(x, "block_7");
    y = dense<4>(y);
  }
  const scope again(x, "block_7");
  y = dense<4>(dense<4, "dense">(y));
  return identity(identity(y, "last_2"), "last_2");
},
                           in<float, shape<dyn, 4>>>();
static_assert(names.variable_name(0) == "encoder/dense/kernel");
static_assert(names.variable_name(2) == "encoder/block_7/dense/kernel");
static_assert(names.variable_name(4) ==
              "encoder/block/dense/kernel");  // 7 is taken: the first free number
static_assert(names.variable_name(6) == "encoder/block/dense_1/kernel");
static_assert(is(names.table().op_path(names.op_count() - 2), "encoder/block/last_2"));
static_assert(is(names.table().op_path(names.op_count() - 1), "encoder/block/last"));

// --- Sharing -------------------------------------------------------------------------------------

constexpr auto siamese = net<[](auto a, auto b) {
  constexpr auto encoder = dense<8>.shared("encoder");
  return abs(encoder(a) - encoder(b));
},
                             in<float, shape<dyn, 3>, "a">, in<float, shape<dyn, 3>, "b">>();
static_assert(siamese.variable_count() == 2);
static_assert(siamese.parameter_count() == 3 * 8 + 8);
constexpr auto separate = net<[](auto a, auto b) { return dense<8>(a) - dense<8>(b); },
                              in<float, shape<dyn, 3>>, in<float, shape<dyn, 3>>>();
static_assert(separate.variable_count() == 4);

// A subexpression used twice is one op; two equal calls are two.
constexpr auto used_twice = net<[](auto x) {
  auto y = tanh(x);
  return y + y * y;
},
                                in<float, shape<dyn>>>();
static_assert(used_twice.op_count() == 4);
constexpr auto called_twice =
    net<[](auto x) { return tanh(x) + tanh(x); }, in<float, shape<dyn>>>();
static_assert(called_twice.op_count() == 4);

// --- Without points ------------------------------------------------------------------------------

// clang-format off: version 14 takes `> >>` for comparisons
constexpr auto chain = dense<32> >> relu >> dense<32>.bias(false) >> tanh >> flatten >>
                       residual(dense<32> >> leaky_relu(0.2)) >> [](auto x) { return x * 2.0f; } >>
                       parallel(dense<3>, dense<4> >> softmax) >> concat<1>() >>
                       repeat<3>(residual<"block">(sequence<"body">(dense<7>, relu(), dense<7>))) >>
                       reshape<shape<dyn, 7, 1>>() >> transpose<0, 2, 1>() >> split<7, 2>() >>
                       [](auto first, auto, auto, auto, auto, auto, auto) { return first; };
// clang-format on
constexpr auto chained = net<[](auto x) { return chain(x); }, in<float, shape<dyn, 4>>>();
static_assert(chained.output_shape() == dims{dyn, 1, 1});
static_assert(chained.variable_name(3) == "residual/dense/kernel");
static_assert(chained.variable_name(9) == "block/body/dense/kernel");
static_assert(chained.variable_name(13) == "block_1/body/dense/kernel");
static_assert(chained.variable_count() == 2 + 1 + 2 + 4 + 3 * 4);

// The same network in both styles is the same table.
constexpr auto pointed =
    net<[](auto x) { return dense<2>(tanh(dense<3>(x))); }, in<float, shape<dyn, 4>>>();
constexpr auto pointless =
    net<[](auto x) { return (dense<3> >> tanh >> dense<2>)(x); }, in<float, shape<dyn, 4>>>();
static_assert(pointed.op_count() == pointless.op_count());
static_assert([] {
  for (std::size_t i = 0; i < pointed.op_count(); ++i) {
    const auto &a = pointed.table().ops[i], &b = pointless.table().ops[i];
    if (a.schema != b.schema || a.scope != b.scope || a.operands.first != b.operands.first)
      return false;
  }
  return true;
}());

// It may stand in net<> itself: in brackets, as >> would end the list.
constexpr auto as_argument = net<(dense<3> >> tanh >> dense<2>), in<float, shape<dyn, 4>>>();
static_assert(as_argument.op_count() == pointed.op_count());
static_assert(as_argument.variable_name(0) == "dense/kernel");
static_assert(as_argument.table().ops[2].line.line == 0);  // the line of a call is not known
template <auto Network, class... Inputs>
inline constexpr bool builds = net<Network, Inputs...>().output_count() == 1;
using four = in<float, shape<dyn, 4>>;
static_assert(builds<dense<3>, four> && builds<dense<3>.init(he_normal()).bias(false), four>);
static_assert(builds<sequence<"s">(dense<4>, relu(), layer_norm(), dropout(0.5)), four>);
static_assert(builds<(residual(dense<4> >> relu) >> repeat<2>(dense<4>)), four>);
static_assert(builds<(parallel(dense<2>, dense<3>) >> concat<1>()), four>);
static_assert(builds<(dense<4> >> [](auto x) { return x * 2.0f; }), four>);
static_assert(builds<([](auto a, auto b) { return a + b; } >> dense<4>), four, four>);
static_assert(
    builds<(conv2d<4> >> batch_norm >> flatten >> dense<3>), in<float, shape<dyn, 1, 8, 8>>>);
static_assert(builds<(embedding<9, 4> >> lstm<8> >> dense<3>), in<int, shape<dyn, 5>>>);

// --- Images, normalisation, modes ----------------------------------------------------------------

// clang-format off
constexpr auto images =
    conv2d<8, conv{.kernel = {3, 3}, .padding = same_padding}, "stem"> >> batch_norm >> relu >>
    max_pool2d() >> depthwise_conv2d<2> >> batch_norm<"second">().momentum(0.9) >> relu >>
    conv2d<16, conv{.kernel = {1, 1}, .groups = 4}> >> avg_pool2d<pool{.window = {2, 2}}>() >>
    flatten >> layer_norm >> dropout(0.3) >> dense<10>;
// clang-format on
constexpr auto cnn = net<[](auto x) { return images(x); }, in<float, shape<dyn, 1, 12, 12>>>();
static_assert(cnn.output_shape() == dims{dyn, 10});
static_assert(cnn.variable_shape(0) == dims{8, 1, 3, 3});
static_assert(cnn.variable_name(2) == "batch_norm/scale");
static_assert(!cnn.table().variables[4].trainable);
static_assert(cnn.table().variables[4].role == variable_role::statistic);
static_assert(cnn.variable_shape(6) == dims{16, 1, 3, 3});
static_assert(cnn.variable_name(8) == "second/scale");
static_assert(cnn.variable_shape(12) == dims{16, 4, 1, 1});
constexpr auto pooled =
    net<[](auto x) { return global_avg_pool2d(conv2d<3>(x)); }, in<float, shape<dyn, 1, 12, 12>>>();
static_assert(pooled.output_shape() == dims{dyn, 3});
constexpr auto pooled_in_chain = net<[](auto x) {
  return (conv2d<3> >> global_max_pool2d >> dense<2>)(x) +
         (global_avg_pool2d >> dense<2>)(x);  // without parentheses, as other layers
},
                                     in<float, shape<dyn, 1, 12, 12>>>();
static_assert(pooled_in_chain.output_shape() == dims{dyn, 2});

template <class Net>
constexpr std::int64_t training_of_dropout(const Net& n) {
  for (const table_op& op : n.table().ops) {
    if (op.schema == &ops::dropout) return n.table().integer_of(op, "training");
  }
  return -1;
}
constexpr auto dropping = [](auto x) { return dropout(x, 0.5); };
static_assert(training_of_dropout(net<dropping, in<float, shape<8>>>()) == 1);
static_assert(training_of_dropout(inference_net<dropping, in<float, shape<8>>>()) == 0);
static_assert(training_of_dropout(net<[](auto x) {
                auto m = with_mode(x, mode::inference);
                return dropout(x, 0.5);
              },
                                      in<float, shape<8>>>()) == 0);

constexpr auto words = net<[](auto tokens) { return embedding<100, 8, "words">(tokens); },
                           in<std::int64_t, shape<dyn, 3>>>();
static_assert(words.output_shape() == dims{dyn, 3, 8});
static_assert(words.parameter_count() == 800);

// --- Structures ----------------------------------------------------------------------------------

template <class Mean, class Deviation>
struct gaussian {
  BOOST_HANA_DEFINE_STRUCT(gaussian, (Mean, mean), (Deviation, deviation));
};
constexpr auto encoder = net<[](auto x) {
  auto mean = dense<5>(x);
  auto deviation = softplus(dense<5>(x));
  return std::tuple{gaussian<decltype(mean), decltype(deviation)>{mean, deviation},
                    std::array{x, x}};
},
                             in<float, shape<dyn, 4>>>();
static_assert(encoder.output_count() == 4);
static_assert(encoder.output_shape(1) == dims{dyn, 5});
static_assert(encoder.output_shape(3) == dims{dyn, 4});

static_assert(structure<tensor<Graph, dtype::float32, shape<2>>>);
static_assert(structure<std::vector<any_tensor>>);
static_assert(structure<gaussian<any_tensor, any_tensor>>);
static_assert(!structure<int>);

// --- Loops: blocks of one type compile once ------------------------------------------------------

constexpr auto deep = net<[](auto x) {
  auto y = dense<16>(x);
  for (int i = 0; i < 64; ++i) y = relu(y + dense<16>(relu(dense<16>(y))));
  return y;
},
                          in<float, shape<dyn, 16>>>();
static_assert(deep.variable_count() == 2 + 64 * 4);
static_assert(deep.variable_name(257) == "dense_128/bias");

// --- Chains grow by their parts only -------------------------------------------------------------

constexpr auto one_block = residual(dense<16> >> relu);
constexpr auto four_blocks = one_block >> one_block >> one_block >> one_block;
constexpr auto sixteen_blocks = four_blocks >> four_blocks >> four_blocks >> four_blocks;
constexpr auto all_blocks = sixteen_blocks >> sixteen_blocks >> sixteen_blocks >> sixteen_blocks;
// 64 blocks hold the parts of 64 blocks, and a few bytes for each ">>".
static_assert(sizeof(all_blocks) <= 64 * sizeof(one_block) + 64 * 8);
// A network of the compiler's is an empty object, however many blocks it has.
static_assert(sizeof(net<[](auto x) { return all_blocks(x); }, in<float, shape<dyn, 16>>>()) == 1);

// --- Attributes that types do not depend on are checked with those that they do ------------------

constexpr auto padded =
    net<[](auto x) { return pad<border<1, 2, 1>, border<2, 0, 3>>(pad<border<1, 1>>(x), -1.5); },
        in<float, shape<dyn, 3, 4>>>();
static_assert(padded.table().op_count() == 3);
static_assert(padded.table().shape_of(padded.table().outputs[0]) == dims{dyn, 8, 7});
static_assert(padded.table().real_of(padded.table().ops[2], "value") == -1.5);

// --- Initial values are part of the table --------------------------------------------------------

constexpr auto initialized =
    net<[](auto x) { return dense<2>.init(he_normal()).bias_init(constant(0.5))(x); },
        in<float, shape<dyn, 8>>>();
static_assert(initialized.table().variables[0].initial == &ops::truncated_normal);
static_assert(initialized.table().variables[1].initial == &ops::fill);
static_assert(initialized.table()
                  .attributes[initialized.table().variables[1].initial_attributes.first]
                  .real == 0.5);

}  // namespace

int main() { return std::tanh(0.0) == tanh(0.0) ? 0 : 1; }
