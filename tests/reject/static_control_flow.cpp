// Control flow that static networks do not run: the error says where it is.
#include "graft/graft.hpp"
#include "graft/static.hpp"

#include "either.hpp"

using namespace graft;

template <auto Builder>
constexpr auto recorded = inference_net<Builder, in<float, shape<dyn, 5, 8>, "x">>();

// Which branch runs is a question of values, and rows may have different answers.
// expect: control_flow_not_supported<.*"encoder/cond"}, .*"cond"} ?>
constexpr auto branch = recorded<[](auto x) {
  const scope s(x, "encoder");
  const auto y = lstm<4>(x);
  return either(y, (cond(sum(y) > 0, [&] { return y; }, [&] { return -y; })));
}>;
static_network<branch> f1;

// expect: control_flow_not_supported<.*"while_loop"}, .*"while_loop"} ?>
constexpr auto loop = recorded<[](auto x) {
  return either(x,
                (while_loop(x, [](auto s) { return sum(s) < 100; }, [](auto s) { return s + 1; })));
}>;
static_network<loop> f2;

// States that change places would have to do so at once.
// expect: control_flow_not_supported<.*"scan"}, .*"scan"} ?>
constexpr auto swapped = recorded<[](auto x) {
  const auto steps = transpose<1, 0, 2>(x);
  const auto a = sum<axes<1>>(x), b = mean<axes<1>>(x);
  return std::get<0>(std::get<0>(scan(std::tuple{a, b}, steps, [](const auto& s, auto e) {
    const auto first = either((std::get<0>(s) + e), std::get<1>(s));
    const auto second = either((std::get<1>(s) + e), std::get<0>(s));
    return std::tuple{std::tuple{first, second}, e};
  })));
}>;
static_network<swapped> f3;

// A scan along the batch: rows are computed apart.
// expect: control_flow_not_supported<.*"scan"}, .*"scan"} ?>
constexpr auto along_batch = recorded<[](auto x) {
  auto& network = target_traits<Recorder>::target_of(x.ref());
  const auto start =
      either((sum<axes<1>>(x)), (make_variable<float, shape<5, 8>>(network, "start", zeros())));
  const auto steps = either((transpose<1, 0, 2>(x)), x);
  static_cast<void>(network);
  return relu(std::get<0>(
      scan(start, steps, [](auto s, auto e) { return std::tuple{s + e, std::tuple{}}; })));
}>;
static_network<along_batch> f4;

// Traces are not kept.
// expect: control_flow_not_supported<.*"lstm/scan"}, .*"scan"} ?>
constexpr auto whole = recorded<[](auto x) { return lstm<4>(x); }>;
constexpr auto traced =
    extract<inputs_at<"x">, outputs_at<either("lstm/scan", "lstm/scan:3")>>(whole);
static_network<traced> f5;
