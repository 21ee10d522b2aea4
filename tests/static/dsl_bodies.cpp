// Compile-time networks with bodies: what is known of them, their parts, comparing them.
#include "graft/dsl/isomorphic.hpp"
#include "graft/graft.hpp"

using namespace graft;

namespace {

template <class Path>
constexpr bool is(const Path& path, std::string_view text) {
  return std::string_view(path.data(), path.size()) == text;
}

// --- Recurrent layers ----------------------------------------------------------------------------

constexpr auto reader =
    net<[](auto x) { return dense<3, "logits">(lstm<32>(x)); }, in<float, shape<dyn, 5, 8>, "x">>();
static_assert(reader.output_shape() == dims{dyn, 3});
static_assert(reader.output_type() == dtype::float32);
static_assert(reader.parameter_count() == 8 * 128 + 32 * 128 + 128 + 32 * 3 + 3);
static_assert(reader.variable_count() == 5);
static_assert(reader.variable_name(0) == "lstm/kernel");
static_assert(reader.variable_name(1) == "lstm/recurrent_kernel");
static_assert(reader.variable_name(2) == "lstm/bias");
static_assert(reader.variable_name(4) == "logits/bias");
static_assert(reader.variable_shape(0) == dims{8, 128});
static_assert(reader.variable_shape(1) == dims{32, 128});
static_assert(reader.variable_shape(2) == dims{128});
static_assert(sizeof(reader) == 1);
// Ops of the network itself: x, three variables, matmul, add, sum, slice, fill_like, transpose, scan; and the four of
// dense. Those of the body are in the table, after the owner's path.
static_assert(reader.op_count() == 1 + 3 + 7 + 4);
static_assert(reader.table().op_count() > reader.op_count());
static_assert([] {
  for (std::size_t i = 0; i < reader.table().op_count(); ++i) {
    const bool in_body = reader.table().ops[i].body != 0;
    const auto path = reader.table().op_path(i);
    const std::string_view text(path.data(), path.size());
    if (in_body != text.starts_with("lstm/scan/body/")) return false;
  }
  return true;
}());

constexpr auto stack = net<[](auto x) {
  return (gru<6, "first">.sequences() >> simple_rnn<5>.sequences() >> lstm<4, "last">)(x);
},
                           in<double, shape<dim<"batch">, dyn, 3>>>();
static_assert(stack.output_shape() == dims{dim<"batch">, 4});
static_assert(stack.output_type() == dtype::float64);
static_assert(stack.variable_name(3) == "simple_rnn/kernel");
static_assert(stack.variable_shape(0) == dims{3, 18} && stack.variable_shape(6) == dims{5, 16});

// Tied layers are one entry each.
constexpr auto siamese = net<[](auto a, auto b) {
  constexpr auto encoder = gru<8>.shared("encoder");
  return encoder(a) - encoder(b);
},
                             in<float, shape<dyn, 4, 3>, "a">, in<float, shape<dyn, 4, 3>, "b">>();
static_assert(siamese.variable_count() == 3);

// --- Control flow --------------------------------------------------------------------------------

constexpr auto branches = net<[](auto p, auto x) {
  return cond(p, [&] { return std::tuple{x, dense<4>(x)}; }, [&] { return std::tuple{-x, x}; });
},
                              in<bool, shape<>>, in<float, shape<2, 4>>>();
static_assert(branches.output_count() == 2 && branches.output_shape(1) == dims{2, 4});
static_assert(branches.variable_name(1) == "dense/bias");

// Where branches know different things, the result knows what both do.
constexpr auto partly =
    net<[](auto p, auto x, auto y) { return cond(p, [&] { return x; }, [&] { return y; }); },
        in<bool, shape<>>, in<float, shape<2, 4>>, in<float, shape<dyn, 4>>>();
static_assert(partly.output_shape() == dims{dyn, 4});

constexpr auto loop = net<[](auto x, auto limit) {
  return while_loop(
      std::tuple{x, limit}, [&](auto s, auto) { return all(s < limit); },
      [](auto s, auto t) { return std::tuple{s + dense<3, "step">(s), t}; }, 10);
},
                          in<float, shape<2, 3>>, in<float, shape<>>>();
static_assert(loop.output_shape(0) == dims{2, 3} && loop.output_shape(1).empty());
static_assert(loop.variable_name(0) == "step/kernel");

constexpr auto along = net<[](auto x, auto y) {
  return scan(sum<axes<0>>(x), std::tuple{x, y}, [](auto s, auto e) {
    return std::tuple{s + std::get<0>(e), std::tuple{s, std::get<1>(e)}};
  });
},
                           in<float, shape<7, 3>>, in<std::int64_t, shape<dyn, 2>>>();
static_assert(along.output_shape(0) == dims{3} && along.output_shape(1) == dims{7, 3});
static_assert(along.output_shape(2) == dims{7, 2} && along.output_type(2) == dtype::int64);

// --- Names of variables in bodies: those of graphs -----------------------------------------------

constexpr auto nested = net<[](auto p, auto x) {
  constexpr auto tied = dense<4>.shared("tied");
  const auto y = dense<4>(x);
  const auto a = cond(
      p,
      [&] {
        const scope s(x, "head");
        const auto first =
            cond(p, [&] { return dense<4>(dense<4>(y)); }, [&] { return y; }, "inner");
        return tied(first) + x;
      },
      [&] {
        const scope s(x, "head");
        return dense<4>(x);
      });
  return cond(
      p,
      [&] {
        const scope s(x, "head");
        return tied(dense<4>(a));
      },
      [&] { return a; }, "last");
},
                            in<bool, shape<>, "p">, in<float, shape<2, 4>, "x">>();
static_assert(nested.variable_count() == 12);
static_assert(nested.variable_name(0) == "dense/kernel");
static_assert(nested.variable_name(2) == "head/dense/kernel");
static_assert(nested.variable_name(4) == "head/dense_1/kernel");
static_assert(nested.variable_name(6) == "head/dense_2/kernel");
static_assert(nested.variable_name(8) == "head_1/dense/kernel");
static_assert(nested.variable_name(10) == "head_2/dense/kernel");

// --- Parts ---------------------------------------------------------------------------------------

constexpr auto memory = extract<"x", "lstm/scan">(reader);
static_assert(memory.variable_count() == 3 && memory.variable_name(1) == "lstm/recurrent_kernel");
static_assert(memory.output_shape() == dims{dyn, 32});
constexpr auto logits = extract<"lstm/scan", "logits/add">(reader);
static_assert(logits.variable_count() == 2 && logits.op_count() == logits.table().op_count());
static_assert(memory.parameter_count() + logits.parameter_count() == reader.parameter_count());
// What is stacked and the traces are outputs, too.
static_assert(extract<inputs_at<"x">, outputs_at<"lstm/scan:2">>(reader).output_shape() ==
              dims{5, dyn, 32});
// A body's input from outside is one of the part's.
constexpr auto inside =
    extract<inputs_at<"lstm/transpose", "lstm/fill_like", "lstm/recurrent_kernel">,
            outputs_at<"lstm/scan">>(reader);
static_assert(inside.op_count() == 3 + 1 && inside.variable_count() == 0);

// A part has the names of the whole: also where a scope was numbered because of a body that is cut off, and where a
// tied layer was applied there first.
constexpr auto last = extract<inputs_at<"p", "cond">, outputs_at<"last">>(nested);
static_assert(last.variable_count() == 4);
static_assert(last.variable_name(0) == "head/dense_2/kernel");
static_assert(last.variable_name(2) == "head_2/dense/kernel");
constexpr auto first = extract<inputs_at<"p", "dense/add", "x">, outputs_at<"cond">>(nested);
static_assert(first.variable_count() == 8);
static_assert(first.variable_name(0) == "head/dense/kernel");
static_assert(first.variable_name(6) == "head_1/dense/kernel");
// A part of a part, and the whole as a part of itself.
static_assert(isomorphic_v<decltype(extract<inputs_at<"p", "x">, outputs_at<"last">>(nested)),
                           decltype(nested)>);
static_assert(isomorphic_v<decltype(extract<"x", "lstm/scan">(memory)), decltype(memory)>);

// --- Comparing and cloning -----------------------------------------------------------------------

using copy = clone_t<decltype(reader)>;
static_assert(isomorphic_v<copy, decltype(reader)>);
static_assert(!std::is_same_v<copy, std::remove_cv_t<decltype(reader)>>);
static_assert(copy::variable_name(1) == "lstm/recurrent_kernel");

template <auto Builder>
using recorded = decltype(net<Builder, in<float, shape<dyn, 5, 8>, "x">>());
static_assert(isomorphic_v<recorded<[](auto x) { return dense<3, "a">(lstm<32, "b">(x)); }>,
                           decltype(reader)>);
static_assert(
    !isomorphic_v<recorded<[](auto x) { return dense<3>(lstm<31>(x)); }>, decltype(reader)>);
static_assert(
    !isomorphic_v<recorded<[](auto x) { return dense<3>(gru<32>(x)); }>, decltype(reader)>);

template <auto Left, auto Right>
constexpr network_difference between =
    detail::difference_of_networks<std::remove_cv_t<recorded<Left>>,
                                   std::remove_cv_t<recorded<Right>>>
        .what;
template <auto Step>
constexpr auto over_batch = [](auto x) { return scan(sum<axes<0>>(x), x, Step); };
constexpr auto doubled = [](auto s, auto e) { return std::tuple{s + e + e, s}; };
static_assert(between<over_batch<doubled>, over_batch<doubled>> == network_difference::none);
static_assert(between<over_batch<doubled>, over_batch<[](auto s, auto e) {
                        return std::tuple{e + s + e, s};  // the arguments changed places
                      }>> == network_difference::attributes);
static_assert(between<over_batch<doubled>, over_batch<[](auto s, auto e) {
                        return std::tuple{s + e + e, e};  // another result
                      }>> == network_difference::tie);
static_assert(
    between<over_batch<[](auto s, auto e) {
              const auto h = tanh(e);
              return std::tuple{s + h, h};
            }>,
            over_batch<[](auto s, auto e) { return std::tuple{s + tanh(e), tanh(e)}; }>> ==
    network_difference::tie);

}  // namespace
