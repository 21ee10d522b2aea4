// What would join rows of the batch, or tear them apart, in a static network: the error says where it is.
#include "graft/graft.hpp"
#include "graft/static.hpp"

#include "either.hpp"

using namespace graft;

template <auto Builder>
constexpr auto recorded = inference_net<Builder, in<float, shape<dyn, 4>, "x">>();

// expect: rows_not_apart<.*"head/sum"}, .*"sum"} ?>
constexpr auto summed = recorded<[](auto x) {
  const scope s(x, "head");
  return x - either((sum<axes<1>, true>(x)), (sum<axes<0>>(x)));
}>;
static_network<summed> f1;

// expect: rows_not_apart<.*"reshape"}, .*"reshape"} ?>
constexpr auto torn = recorded<[](auto x) {
  return either((reshape<shape<dyn, 2, 2>>(x)), (reshape<shape<dyn, 2>>(x)));
}>;
static_network<torn> f2;

// Every row would be multiplied by every other.
// expect: rows_not_apart<.*"matmul"}, .*"matmul"} ?>
constexpr auto all_pairs = recorded<[](auto x) { return either(x, (matmul<false, true>(x, x))); }>;
static_network<all_pairs> f3;

// A slice of the batch.
// expect: rows_not_apart<.*"slice"}, .*"slice"} ?>
constexpr auto some_rows = recorded<[](auto x) {
  return either((slice<along<0, 0>, along<1, 1>>(x)), (slice<along<0, 1>>(x)));
}>;
static_network<some_rows> f4;

// As many rows as there are of the batch twice over, though no element of them is read.
// expect: rows_not_apart<.*"fill_like"}, .*"fill_like"} ?>
constexpr auto more_rows =
    recorded<[](auto x) { return zeros_like(either((concat<1>(x, x)), (concat<0>(x, x)))); }>;
static_network<more_rows> f5;
