// The shapes that operators on shapes, products, reductions and lookups have in their types, and
// that their rules give when attributes come at run time.
#include "graft/ops/gather.hpp"
#include "graft/ops/matmul.hpp"
#include "graft/ops/reduce.hpp"
#include "graft/ops/shape_ops.hpp"
#include "graft/ops/slicing.hpp"
#include "graft/ops/softmax.hpp"

#include "type_target.hpp"

using namespace graft;
using namespace graft::test;

namespace {

constexpr extent batch = dim<"batch">;

// The handles hold no place in a target here: only their types are looked at.
template <class T, extent... Extents>
constexpr bool is(const auto& t) {
  return has_type<T, Extents...>(t) && agrees(t);
}

constexpr bool products() {
  type_target t;
  const auto a = make<input<float, 3, 5>>(t);
  const auto b = make<input<float, 5, 7>>(t);
  const auto x = make<input<float, batch, 784>>(t);
  const auto w = make<input<float, 784, 10>>(t);
  const auto images = make<input<double, 2, 1, 3, 4>>(t);
  const auto filters = make<input<double, 6, 4, 5>>(t);
  bool ok = is<float, 3, 7>(matmul(a, b));
  ok = ok && is<float, 5, 5>(matmul<true>(a, matmul(a, matmul<false, true>(b, b))));
  ok = ok && is<float, batch, 10>(matmul(x, w));
  ok = ok && is<float, 784, 784>(matmul<true, false>(x, x));
  ok = ok && is<double, 2, 6, 3, 5>(matmul(images, filters));
  ok = ok && known_as(matmul(a, a, true, false), dtype::float32, {5, 5});
  const auto unknown = make<unknown_input>(t, value_type::of(dtype::float32, {dyn, 5}));
  const auto product = matmul(unknown, b);
  ok = ok && std::is_same_v<decltype(product)::shape_type, any_shape>;
  return ok && known_as(product, dtype::float32, {dyn, 7});
}
static_assert(products());

constexpr bool reductions() {
  type_target t;
  const auto x = make<input<float, 2, 3, 4>>(t);
  const auto n = make<input<float, batch, 10>>(t);
  const auto flags = make<input<bool, 2, 3>>(t);
  bool ok = is<float>(sum(x));
  ok = ok && is<float, 2, 4>(sum<axes<1>>(x));
  ok = ok && is<float, 2, 4>(mean<axes<-2>>(x));
  ok = ok && is<float, 3>(max<axes<0, 2>>(x));
  ok = ok && is<float, 1, 3, 1>(min<axes<2, 0>, true>(x));
  ok = ok && is<float, 1, 1, 1>(prod<all_axes, true>(x));
  ok = ok && is<float, 2, 3, 4>(sum<axes<>>(x));
  ok = ok && is<float, batch>(sum<axes<1>>(n));
  ok = ok && is<float, 10>(mean<axes<0>>(n));
  ok = ok && is<bool, 2>(all<axes<1>>(flags)) && is<bool>(any(flags));
  ok = ok && is<std::int64_t, batch>(argmax(n));
  ok = ok && is<std::int64_t, 2, 1, 4>(argmax<1, true>(x));
  ok = ok && is<float>(reduction_size<axes<0>>(n));
  ok = ok && known_as(sum(x, dims{0, -1}), dtype::float32, {3});
  ok = ok && known_as(mean(x, dims{1}, true), dtype::float32, {2, 1, 4});
  ok = ok && known_as(argmax(x, 0), dtype::int64, {3, 4});
  return ok;
}
static_assert(reductions());

constexpr bool reshapes() {
  type_target t;
  const auto x = make<input<float, 2, 3, 4>>(t);
  const auto n = make<input<float, batch, 64>>(t);
  const auto y = make<input<float, 4, 6>>(t);
  const auto d = make<input<float, dyn, 4>>(t);
  bool ok = is<float, 6, 4>(reshape<shape<6, 4>>(x));
  ok = ok && is<float, 4, 6>(reshape<shape<dyn, 6>>(x));
  ok = ok && is<float, 24>(reshape<shape<dyn>>(x));
  ok = ok && is<float, batch, 1, 8, 8>(reshape<shape<dyn, 1, 8, 8>>(n));
  ok = ok && is<float, dyn, 32>(reshape<shape<dyn, 32>>(n));
  ok = ok && is<float, batch, 32>(reshape<shape<batch, 32>>(n));
  ok = ok && is<float, dyn, 2, 2>(reshape<shape<dyn, 2, 2>>(d));
  ok = ok && is<float, 4, 6>(reshape_like(x, y));
  ok = ok && is<float, 2, 12>(flatten(x)) && is<float, batch, 64>(flatten(n));
  ok = ok && is<float, 1, 2, 3, 4, 1>(expand_dims<0, -1>(x));
  ok = ok && is<float, 2, 3, 4>(squeeze<0, -1>(expand_dims<0, -1>(x)));
  ok = ok && is<float, 4, 3, 2>(transpose(x)) && is<float, 4, 2, 3>(transpose<2, 0, 1>(x));
  ok = ok && is<float, 64, batch>(transpose<1, 0>(n));
  ok = ok && known_as(reshape(x, dims{-1, 2}), dtype::float32, {12, 2});
  ok = ok && known_as(transpose(x, dims{0, 2, 1}), dtype::float32, {2, 4, 3});
  ok = ok && known_as(expand_dims(y, dims{1}), dtype::float32, {4, 1, 6});
  ok = ok && known_as(squeeze(expand_dims(y, dims{1}), dims{-2}), dtype::float32, {4, 6});
  return ok;
}
static_assert(reshapes());

constexpr bool broadcasts() {
  type_target t;
  const auto row = make<input<float, 10>>(t);
  const auto column = make<input<float, 3, 1>>(t);
  const auto n = make<input<float, batch, 10>>(t);
  const auto unknown = make<unknown_input>(t, value_type::unranked(dtype::any));
  bool ok = is<float, 4, 3, 10>(broadcast_to<shape<4, 3, 10>>(row));
  ok = ok && is<float, 3, 7>(broadcast_to<shape<dyn, 7>>(column));
  ok = ok && is<float, batch, 10>(broadcast_like(row, n));
  ok = ok && is<float, 10>(sum_to_like(n, row));
  ok = ok && is<float, 3, 1>(sum_to_like(broadcast_to<shape<2, 3, 5>>(column), column));
  ok = ok && known_as(broadcast_to(column, dims{2, 3, 4}), dtype::float32, {2, 3, 4});
  const auto like = broadcast_like(row, unknown);
  ok = ok && std::is_same_v<decltype(like)::shape_type, any_shape>;
  return ok && decltype(like)::type == dtype::float32;
}
static_assert(broadcasts());

constexpr bool parts() {
  type_target t;
  const auto x = make<input<float, 6, 4>>(t);
  const auto n = make<input<float, batch, 4>>(t);
  const auto y = make<input<float, 6, 3>>(t);
  bool ok = is<float, 6, 11>(concat<1>(x, y, x));
  ok = ok && is<float, 12, 4>(concat<-2>(x, x));
  ok = ok && is<float, batch, 8>(concat<1>(n, n));
  ok = ok && known_as(concat(std::array{x, x}, 0), dtype::float32, {12, 4});
  const auto [a, b, c] = split<3>(x);
  ok = ok && is<float, 2, 4>(a) && is<float, 2, 4>(c) && !(a.ref() == b.ref());
  const auto six = split<6>(x);  // more than apply() can return
  ok = ok && std::tuple_size_v<decltype(six)> == 6 && is<float, 1, 4>(std::get<5>(six));
  const auto [left, right] = split<2, -1>(n);
  ok = ok && is<float, batch, 2>(left) && is<float, batch, 2>(right);
  const auto sized = split(x, dims{1, 5}, 0);
  ok = ok && sized.size() == 2 && known_as(sized[1], dtype::float32, {5, 4});
  ok = ok && known_as(split(x, 2, 1)[0], dtype::float32, {6, 2});
  ok = ok && is<float, 3, 4>(slice<along<0, 2, 3>>(x));
  ok = ok && is<float, 6, 2>(slice<along<1, -1, dyn, -2>>(x));
  ok = ok && is<float, 2, 1>(slice<along<0, 1, 2>, along<1, 3>>(x));
  ok = ok && is<float, batch, 2>(slice<along<1, 0, 2>>(n));
  ok = ok && is<float, dyn, 4>(slice<along<0, 1>>(n)) && is<float, batch, 4>(slice<along<0, 0>>(n));
  ok = ok && known_as(slice(x, 0, 1, 4, 1), dtype::float32, {4, 4});
  ok = ok && is<float, 8, 7>(pad<border<0, 1>, border<1, 3, 0>>(x));
  ok = ok && is<float, 6, 4>(crop<border<0, 1>>(pad<border<0, 1>>(x, 0.5)));
  ok = ok && is<float, batch, 6>(pad<border<1, 1>>(n)) && is<float, dyn, 4>(pad<border<0, 1>>(n));
  ok = ok && known_as(pad(x, dims{0, 1}, dims{0, 2}), dtype::float32, {6, 7});
  ok = ok && known_as(crop(x, dims{0, 1}, dims{0, 2}), dtype::float32, {6, 1});
  return ok;
}
static_assert(parts());

constexpr bool lookups() {
  type_target t;
  const auto table = make<input<float, 100, 16>>(t);
  const auto words = make<input<std::int64_t, batch, 12>>(t);
  const auto labels = make<input<std::int32_t, batch>>(t);
  const auto n = make<input<float, batch, 10>>(t);
  bool ok = is<float, batch, 12, 16>(gather(table, words));
  ok = ok && is<float, 100, batch>(gather<1>(table, labels));
  ok = ok && is<float, batch, 10>(one_hot<10>(labels));
  ok = ok && is<double, batch, 12, 3>(one_hot<3, double>(words));
  ok = ok && is<float, batch, 10>(one_hot_like(labels, n));
  ok = ok && known_as(gather(table, words, 1), dtype::float32, {100, batch, 12});
  ok = ok &&
       known_as(gather_gradient(table, labels, gather(table, labels)), dtype::float32, {100, 16});
  ok = ok && known_as(one_hot(labels, 4, dtype::int64), dtype::int64, {batch, 4});
  ok = ok && is<float, batch, 10>(softmax(n)) && is<float, batch, 10>(log_softmax<0>(n));
  ok = ok && is<float, batch>(softmax_cross_entropy(n, labels));
  ok = ok && is<float, batch>(softmax_cross_entropy(n, n));
  ok = ok && is<float>(mean(softmax_cross_entropy(n, labels)));
  ok = ok && is<float, batch, 10>(sigmoid_cross_entropy(n, n));
  return ok;
}
static_assert(lookups());

// What does not fit is a problem of the rule, with its clause.
template <const operator_schema& Schema, class Attributes, shape_type... Shapes>
constexpr std::string_view complaint() {
  const std::array types{value_type_of<dtype::float32, Shapes>()...};
  const attribute_list attributes = Attributes::list();
  const inferred answer = infer(Schema, {types, attributes});
  return answer.error ? answer.error.clause : "";
}
using none = no_attributes;
static_assert(complaint<ops::matmul, none, shape<2, 3>, shape<4, 5>>() ==
              "the inner extents must be equal");
static_assert(complaint<ops::matmul, none, shape<2, dyn>, shape<4, 5>>().empty());
static_assert(complaint<ops::sum, axes<3>, shape<2, 3>>() ==
              "every axis must be one of the tensor's");
static_assert(complaint<ops::max, none, shape<0>>() ==
              "there must be at least one element to choose from");
static_assert(complaint<ops::max, none, shape<dyn>>().empty());
static_assert(complaint<ops::flatten, none, shape<>>() == "there must be at least one axis");
static_assert(complaint<ops::sum_to_like, none, shape<2, 3>, shape<2>>() ==
              "the shape to sum to must broadcast to the tensor's");
static_assert(complaint<ops::concat, none, shape<2, 3>, shape<2, 4>>() ==
              "all extents but that of the joined axis must be equal");
static_assert(complaint<ops::split, graft::detail::split_attributes<2, 0>, shape<7>>() ==
              "the axis must divide into equal parts");
static_assert(complaint<ops::slice, graft::detail::slice_attributes<along<0, 5, 3>>, shape<7>>() ==
              "the slice must lie within the tensor");
static_assert(complaint<ops::softmax_cross_entropy, none, shape<3, 5>, shape<3, 4>>() ==
              "labels must have the logits' shape");

}  // namespace
