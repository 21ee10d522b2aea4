// Cutting compile-time networks.
#include "graft/graft.hpp"

using namespace graft;

namespace {

constexpr auto whole = net<[](auto x) {
  const scope s(x, "encoder");
  auto h = relu(dense<8>(batch_norm(dense<4>(x))), "hidden");
  auto side = tanh(dense<3>(h));
  return dense<2, "logits">(dropout(h, 0.5) + dense<8>(side));
},
                           in<float, shape<dyn, 5>, "x">>();

constexpr auto head = extract<"encoder/hidden", "encoder/logits/add">(whole);
static_assert(head.input_count() == 1);
static_assert(head.input_shape() == dims{dyn, 8});
static_assert(head.output_shape() == dims{dyn, 2});
// Two dense layers, the stream of dropout, and the logits, under the names they had.
static_assert(head.variable_count() == 7);
static_assert(head.variable_name(0) == "encoder/dense_2/kernel");
static_assert(head.variable_name(2) == "encoder/dropout/stream");
static_assert(head.variable_name(3) == "encoder/dense_3/kernel");
static_assert(head.variable_name(5) == "encoder/logits/kernel");
static_assert(head.parameter_count() == 8 * 3 + 3 + 3 * 8 + 8 + 8 * 2 + 2);

// A layer's path is that of its result; an op that is named as a scope comes first.
template <class A, class B>
constexpr bool same_part(const A& a, const B& b) {
  return a.op_count() == b.op_count() && a.variable_count() == b.variable_count() &&
         a.output_shape() == b.output_shape();
}
static_assert(same_part(extract<"encoder/hidden", "encoder/logits">(whole), head));
static_assert(same_part(extract<"encoder/hidden", "encoder">(whole), head));
static_assert(same_part(extract<"encoder/dense", "encoder/batch_norm">(whole),
                        extract<"encoder/dense/add", "encoder/batch_norm/batch_norm">(whole)));
constexpr auto layers =
    net<[](auto x) { return (dense<32, "hidden"> >> relu >> dense<5, "logits">)(x); },
        in<float, shape<dyn, 4>>>();
constexpr auto last = extract<"hidden", "logits">(layers);
static_assert(last.input_shape() == dims{dyn, 32} && last.output_shape() == dims{dyn, 5});
static_assert(last.variable_count() == 2 && last.variable_name(0) == "logits/kernel");
// What a second use of a layer reads of the first one's variables is no result of the first.
constexpr auto tied = net<[](auto x) {
  const auto d = dense<4, "d">.shared("d");
  return d(tanh(d(x)));
},
                          in<float, shape<dyn, 4>>>();
static_assert(extract<"d", "tanh">(tied).op_count() == 2);
// Recurrent layers have scopes in bodies, too.
constexpr auto reader =
    net<[](auto x) { return dense<3, "label">(lstm<8>(x)); }, in<float, shape<dyn, 5, 4>, "x">>();
static_assert(same_part(extract<"lstm", "label">(reader), extract<"lstm", "label/add">(reader)));

constexpr auto trunk = extract<"x", "encoder/hidden">(whole);
static_assert(trunk.variable_count() == 2 + 4 + 2);
static_assert(trunk.variable_name(2) == "encoder/batch_norm/scale");
// The statistics' updates belong to them.
static_assert([] {
  std::size_t assigns = 0;
  for (const table_op& op : trunk.table().ops) assigns += op.schema->name == "assign";
  return assigns;
}() == 2);
static_assert(trunk.parameter_count() + head.parameter_count() == whole.parameter_count());

// A part of a part.
constexpr auto middle = extract<"encoder/dense/add", "encoder/batch_norm/batch_norm">(trunk);
static_assert(middle.variable_count() == 4);
static_assert(middle.op_count() == 1 + 4 + 1 + 2);

// An op between the same tensors is nothing but the tensor.
constexpr auto nothing = extract<"encoder/hidden", "encoder/hidden">(whole);
static_assert(nothing.op_count() == 1 && nothing.variable_count() == 0);

// Several ends. An op may have one output inside and another one cut.
constexpr auto pair_of = net<[](auto x, auto mask) {
  const auto [left, right] = split<2, 1>(dense<6, "wide">(x) * mask);
  auto h = relu(left, "h");
  return dense<2, "logits">(h + tanh(right, "t"));
},
                             in<float, shape<dyn, 5>, "x">, in<float, shape<dyn, 6>, "mask">>();
constexpr auto halves = extract<inputs_at<"x", "mask">, outputs_at<"h", "split:1">>(pair_of);
static_assert(halves.input_count() == 2 && halves.output_count() == 2);
static_assert(halves.input_shape(1) == dims{dyn, 6} && halves.output_shape(1) == dims{dyn, 3});
static_assert(halves.variable_count() == 2);
static_assert(std::tuple_size_v<decltype(halves)::result_type> == 2);
constexpr auto inner =
    extract<inputs_at<"split:1", "wide/add", "mask">, outputs_at<"add">>(pair_of);
static_assert(inner.input_count() == 3 && inner.variable_count() == 0);
static_assert(inner.op_count() == 3 + 1 + 1 + 1 + 1 + 1);
constexpr auto twice = extract<inputs_at<"h">, outputs_at<"h", "h">>(pair_of);
static_assert(twice.op_count() == 1 && twice.output_count() == 2);

}  // namespace
