// Recurrent layers against plain loops in float64, their gradients, their clones, and one that learns.
#include <cmath>
#include <random>

#include "graft/graft.hpp"

#include "catch.hpp"

using namespace graft;

namespace {

Array some(const dims& shape, double salt, double scale = 1) {
  Array a(dtype::float64, shape);
  double x = salt;
  for (double& v : a.mutable_span<double>()) {
    x += 0.6180339887498949;
    v = scale * (2 * (x - std::floor(x)) - 1);
  }
  return a;
}

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

// What a layer computes for one element of the batch: outputs of all steps.
std::vector<std::vector<double>> by_loops(rnn_cell cell, const Array& x, std::int64_t element,
                                          const Array& kernel, const Array& recurrent,
                                          const Array& bias) {
  const std::int64_t time = x.shape()[1], features = x.shape()[2], units = recurrent.shape()[0];
  std::vector<double> h(static_cast<std::size_t>(units), 0), c = h;
  std::vector<std::vector<double>> all;
  for (std::int64_t t = 0; t < time; ++t) {
    const auto input = [&](std::int64_t column) {
      double total = bias.at<double>({column});
      for (std::int64_t f = 0; f < features; ++f) {
        total += x.at<double>({element, t, f}) * kernel.at<double>({f, column});
      }
      return total;
    };
    const auto back = [&](const std::vector<double>& state, std::int64_t column) {
      double total = 0;
      for (std::int64_t u = 0; u < units; ++u) {
        total += state[static_cast<std::size_t>(u)] * recurrent.at<double>({u, column});
      }
      return total;
    };
    std::vector<double> next = h, reset = h;
    if (cell == rnn_cell::gru) {
      for (std::int64_t u = 0; u < units; ++u) {
        reset[static_cast<std::size_t>(u)] *= logistic(input(units + u) + back(h, units + u));
      }
    }
    for (std::int64_t u = 0; u < units; ++u) {
      const auto at = static_cast<std::size_t>(u);
      const auto gate = [&](std::int64_t g) {
        return input(g * units + u) + back(h, g * units + u);
      };
      if (cell == rnn_cell::simple) next[at] = std::tanh(gate(0));
      if (cell == rnn_cell::lstm) {
        c[at] = logistic(gate(2)) * c[at] + logistic(gate(0)) * std::tanh(gate(3));
        next[at] = logistic(gate(1)) * std::tanh(c[at]);
      }
      if (cell == rnn_cell::gru) {
        const double z = logistic(gate(0));
        const double n = std::tanh(input(2 * units + u) + back(reset, 2 * units + u));
        next[at] = (1 - z) * n + z * h[at];
      }
    }
    h = next;
    all.push_back(h);
  }
  return all;
}

using input = tensor<Graph, dtype::float64, shape<dyn, dyn, 3>>;

void check_built(Graph& g, const input& x, const any_tensor& ys, const any_tensor& last,
                 rnn_cell cell) {
  g.validate();
  const std::vector<variable_id> variables = trainable_variables(last);
  REQUIRE(variables.size() == 3);
  Session session(g);
  session.initialize();
  std::vector<any_tensor> reads;
  for (const variable_id v : variables) {
    reads.push_back(g.handle(g.variable_of(v).read));
    session.set_value(v, some(g.variable_of(v).type.shape, 3 + v.value, 0.8));
  }
  const Array kernel = session.value(variables[0]), recurrent = session.value(variables[1]),
              bias = session.value(variables[2]);
  const Array in = some({2, 5, 3}, 1);
  const auto [all, end] = session.run(std::tuple{ys, last}, feed(x, in));
  REQUIRE(all.shape() == dims{2, 5, 4});
  for (std::int64_t b = 0; b < 2; ++b) {
    const auto wanted = by_loops(cell, in, b, kernel, recurrent, bias);
    for (std::int64_t t = 0; t < 5; ++t) {
      for (std::int64_t u = 0; u < 4; ++u) {
        const double w = wanted[static_cast<std::size_t>(t)][static_cast<std::size_t>(u)];
        CHECK(std::abs(all.at<double>({b, t, u}) - w) < 1e-12);
        if (t == 4) CHECK(end.at<double>({b, u}) == all.at<double>({b, t, u}));
      }
    }
  }
  // No steps: zeros.
  const Array none = session.run(last, feed(x, Array(dtype::float64, {2, 0, 3})));
  for (const double v : none.span<double>()) CHECK(v == 0);

  // Gradients, of variables and input, of first and second order.
  const any_tensor loss = sum(ys * constant(g, some({2, 5, 4}, 7))) + sum(square(last));
  std::vector<any_tensor> by = reads;
  by.push_back(x);
  const std::vector<any_tensor> first = gradients(loss, by);
  any_tensor total = sum(first[0] * constant(g, some(kernel.shape(), 11)));
  for (std::size_t k = 1; k < by.size(); ++k) total = total + sum(first[k] * first[k]);
  const std::vector<any_tensor> second = gradients(total, by);
  std::vector<Array> values{kernel, recurrent, bias, in};
  const auto at = [&](const any_tensor& y) {
    std::vector<feed_item> feeds;
    for (std::size_t k = 0; k < by.size(); ++k) feeds.push_back(feed(by[k], values[k]));
    return session.run(std::vector<any_tensor>{y, loss}, feeds)[0];
  };
  for (std::size_t k = 0; k < by.size(); ++k) {
    const Array found = at(first[k]), found_second = at(second[k]);
    for (const std::int64_t i : {std::int64_t{0}, values[k].size() / 2, values[k].size() - 1}) {
      const auto place = static_cast<std::size_t>(i);
      const double old = values[k].span<double>()[place], step = 1e-4;
      const auto difference = [&](const any_tensor& y) {
        values[k].mutable_span<double>()[place] = old + step;
        const double up = at(y).item<double>();
        values[k].mutable_span<double>()[place] = old - step;
        const double down = at(y).item<double>();
        values[k].mutable_span<double>()[place] = old;
        return (up - down) / (2 * step);
      };
      const double d = difference(loss), dd = difference(total);
      CHECK(std::abs(found.span<double>()[place] - d) < 1e-6 * std::max(1.0, std::abs(d)));
      CHECK(std::abs(found_second.span<double>()[place] - dd) < 1e-5 * std::max(1.0, std::abs(dd)));
    }
  }

  // A clone computes the same from equal values, on its own variables.
  auto x2 = placeholder<double, shape<dyn, dyn, 3>>(g, "x2");
  const auto copy = clone(extract(inputs(x), outputs(last)), bind(x, x2), variables::copied);
  copy.check();
  CHECK(session.run(copy(last), feed(x2, in)).same_bits(end));
  CHECK(trainable_variables(copy(last)) != variables);
}

template <class Layer>
void check_layer(const Layer& layer, rnn_cell cell) {
  Graph g;
  const input x = placeholder<double, shape<dyn, dyn, 3>>(g, "x");
  auto ys = layer.shared("weights").sequences()(x);
  auto last = layer.shared("weights")(x);
  STATIC_REQUIRE(std::is_same_v<decltype(ys), tensor<Graph, dtype::float64, shape<dyn, dyn, 4>>>);
  STATIC_REQUIRE(std::is_same_v<decltype(last), tensor<Graph, dtype::float64, shape<dyn, 4>>>);
  check_built(g, x, ys, last, cell);
}

}  // namespace

TEST_CASE("simple_rnn") { check_layer(simple_rnn<4>, rnn_cell::simple); }
TEST_CASE("lstm") { check_layer(lstm<4>, rnn_cell::lstm); }
TEST_CASE("gru") { check_layer(gru<4>, rnn_cell::gru); }

TEST_CASE("recurrent layers start as they say") {
  Graph g;
  auto x = placeholder<float, shape<dyn, 7, 3>>(g, "x");
  auto y = lstm<5, "memory">.sequences()(x);
  STATIC_REQUIRE(std::is_same_v<decltype(y), tensor<Graph, dtype::float32, shape<dyn, 7, 5>>>);
  Session session(g);
  session.initialize();
  REQUIRE(g.find_variable("memory/kernel"));
  const Array bias = session.value(*g.find_variable("memory/bias"));
  for (std::int64_t i = 0; i < 20; ++i)
    CHECK(bias.at<float>({i}) == (i >= 10 && i < 15 ? 1.0f : 0.0f));
  const Array r = session.value(*g.find_variable("memory/recurrent_kernel"));
  CHECK(r.shape() == dims{5, 20});
  for (std::int64_t a = 0; a < 5; ++a) {
    for (std::int64_t b = 0; b < 5; ++b) {
      double dot = 0;
      for (std::int64_t c = 0; c < 20; ++c) dot += r.at<float>({a, c}) * r.at<float>({b, c});
      CHECK(std::abs(dot - (a == b ? 1 : 0)) < 1e-5);
    }
  }
  const any_tensor flat = placeholder<float, shape<2, 3>>(g, "flat");
  CHECK_THROWS_AS(lstm<5>(flat), shape_error);
  CHECK_THROWS_AS(gru<5>(any_tensor(placeholder<std::int32_t, shape<2, 3, 4>>(g, "whole"))),
                  dtype_error);
  g.validate();
}

TEST_CASE("a GRU learns the parity of a row of bits") {
  Graph g;
  auto x = placeholder<float, shape<dyn, 8, 1>>(g, "x");
  auto target = placeholder<float, shape<dyn, 8, 1>>(g, "target");
  auto y = dense<1>(gru<16>.sequences()(x));
  auto loss = mean(softplus(y) - y * target);  // binary cross-entropy of logits, at every step
  const training_step train = minimize(loss, adam{.rate = 0.02});
  Session session(g, {.seed = 5});
  session.initialize();
  std::mt19937 random(3);
  const auto batch = [&](Array& in, Array& out) {
    const auto a = in.mutable_span<float>(), b = out.mutable_span<float>();
    for (std::size_t i = 0; i < a.size(); ++i) {
      a[i] = static_cast<float>(random() >> 7 & 1);
      const bool before = i % 8 != 0 && b[i - 1] > 0.5f;
      b[i] = (a[i] > 0.5f) != before ? 1.0f : 0.0f;
    }
  };
  Array in(dtype::float32, {64, 8, 1}), out(dtype::float32, {64, 8, 1});
  for (int step = 0; step < 400; ++step) {
    batch(in, out);
    session.run(train.updates, feed(x, in), feed(target, out));
  }
  batch(in, out);
  const Array logits = session.run(y, feed(x, in));
  int right = 0;
  for (std::int64_t i = 0; i < logits.size(); ++i) {
    const auto place = static_cast<std::size_t>(i);
    right += (logits.span<float>()[place] > 0) == (out.span<float>()[place] > 0.5f);
  }
  CHECK(right > 500);  // of 512; chance is 256
}
