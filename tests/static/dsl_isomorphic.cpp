// Comparing and cloning compile-time networks. [edge-95] [demo-14]
#include <type_traits>

#include "graft/dsl/isomorphic.hpp"
#include "graft/graft.hpp"

using namespace graft;

namespace {

using input = in<float, shape<dyn, 4>>;

constexpr auto mlp = net<[](auto x) { return dense<2>(relu(dense<8>(x))); }, input>();
constexpr auto renamed =
    net<[](auto x) { return dense<2, "logits">(relu(dense<8, "first">(x), "act")); }, input>();

// Distinct types, one structure.
using copy = clone_t<decltype(mlp)>;
using tagged = clone_t<decltype(mlp), struct critic_tag>;
using twice = clone_t<copy>;
static_assert(!std::is_same_v<copy, std::remove_cvref_t<decltype(mlp)>>);
static_assert(!std::is_same_v<copy, tagged> && !std::is_same_v<copy, twice>);
static_assert(is_network<copy> && is_network<twice>);
static_assert(isomorphic_v<copy, decltype(mlp)> && isomorphic_v<tagged, copy>);
static_assert(isomorphic_v<twice, decltype(mlp)>);
static_assert(copy::parameter_count() == mlp.parameter_count());
static_assert(copy::variable_name(0) == mlp.variable_name(0));

// Names say nothing.
static_assert(isomorphic_v<decltype(mlp), decltype(renamed)>);
static_assert((require_isomorphic(mlp, renamed), true));

// A part of a clone is the part of the original.
static_assert(isomorphic_v<decltype(extract<"relu", "dense_1/add">(mlp)),
                           decltype(extract<"relu", "dense_1/add">(copy{}))>);
static_assert(!isomorphic_v<decltype(extract<"relu", "dense_1/add">(mlp)), decltype(mlp)>);

template <auto Builder, class... Inputs>
constexpr bool like_mlp = isomorphic_v<decltype(net<Builder, Inputs...>()), decltype(mlp)>;

static_assert(like_mlp<[](auto x) { return dense<2>(relu(dense<8>(x))); }, input>);
// An operator, a width, an op more, another input.
static_assert(!like_mlp<[](auto x) { return dense<2>(tanh(dense<8>(x))); }, input>);
static_assert(!like_mlp<[](auto x) { return dense<2>(relu(dense<9>(x))); }, input>);
static_assert(!like_mlp<[](auto x) { return relu(dense<2>(relu(dense<8>(x)))); }, input>);
static_assert(
    !like_mlp<[](auto x) { return dense<2>(relu(dense<8>(x))); }, in<double, shape<dyn, 4>>>);
static_assert(!like_mlp<[](auto x) { return std::tuple{dense<2>(relu(dense<8>(x))), x}; }, input>);

template <auto Left, auto Right, class... Inputs>
constexpr network_difference between =
    detail::difference_of_networks<std::remove_cvref_t<decltype(net<Left, Inputs...>())>,
                                   std::remove_cvref_t<decltype(net<Right, Inputs...>())>>
        .what;

// Operands of what does not commute, and ties.
static_assert(between<[](auto a, auto b) { return a - b; }, [](auto a, auto b) { return b - a; },
                      input, input> == network_difference::inputs);
static_assert(between<[](auto x) { return relu(x) - tanh(x); },
                      [](auto x) { return tanh(x) - relu(x); }, input> ==
              network_difference::operators);
static_assert(between<[](auto x) {
                auto h = relu(x);
                return h + h;
              },
                      [](auto x) { return relu(x) + relu(x); }, input> == network_difference::tie);
static_assert(between<[](auto x) { return leaky_relu(x, 0.1); },
                      [](auto x) { return leaky_relu(x, 0.2); }, input> ==
              network_difference::attributes);
static_assert(between<[](auto x) { return x; }, [](auto x) { return std::tuple{x, x}; }, input> ==
              network_difference::outputs);
// Layers with statistics and streams.
static_assert(between<[](auto x) { return dropout(batch_norm(x), 0.5); },
                      [](auto x) { return dropout<"d">(batch_norm<"b">(x), 0.5); }, input> ==
              network_difference::none);
static_assert(between<[](auto x) { return dropout(batch_norm(x), 0.5); },
                      [](auto x) { return dropout(batch_norm(x), 0.25); }, input> ==
              network_difference::attributes);
static_assert(
    !isomorphic_v<decltype(net<[](auto x) { return batch_norm(x); }, input>()),
                  decltype(inference_net<[](auto x) { return batch_norm(x); }, input>())>);

}  // namespace
