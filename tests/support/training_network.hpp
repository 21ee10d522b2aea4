// A training step with a layer of each kind, large enough for all of them to share their work
// between threads.
#pragma once

#include "graft/graft.hpp"

namespace graft_test {

using namespace graft;

struct training_network {
  Graph g;
  tensor<Graph, dtype::float32, shape<64, 3, 24, 24>> images =
      placeholder<float, shape<64, 3, 24, 24>>(g, "images");
  tensor<Graph, dtype::int64, shape<64, 40>> words =
      placeholder<std::int64_t, shape<64, 40>>(g, "words");
  tensor<Graph, dtype::int64, shape<64>> labels = placeholder<std::int64_t, shape<64>>(g, "labels");
  any_tensor loss;
  training_step step;

  training_network() {
    auto seen =
        relu(batch_norm(conv2d<24, conv{.kernel = {3, 3}, .padding = same_padding}>(images)));
    auto deep =
        relu(conv2d<24, conv{.kernel = {3, 3}, .padding = same_padding, .groups = 24}>(seen));
    auto pooled = flatten(max_pool2d<pool{.window = {2, 2}}>(deep));
    auto read = flatten(embedding<5000, 32>(words));
    auto mixed = dropout(layer_norm(dense<200>(concat<1>(pooled, read))), 0.3);
    loss = mean(softmax_cross_entropy(dense<10>(tanh(mixed)), labels));
    step = minimize(loss, adamw{.rate = 1e-3}, {.clip_value = 10, .clip_norm = 1});
  }

  [[nodiscard]] prepared_call prepare(Session& session) const {
    prepared_call call = session.prepare(std::tuple{loss, step.updates}, images, words, labels);
    std::uint64_t i = 0;
    for (float& e : call.input<float>(0))
      e = static_cast<float>(i++ * 2654435761u % 1000) / 500 - 1;
    i = 0;
    // Few words, so that many rows of the gradient come to one.
    for (std::int64_t& e : call.input<std::int64_t>(1))
      e = static_cast<std::int64_t>((i++ * 2654435761u >> 7) % 50);
    i = 0;
    for (std::int64_t& e : call.input<std::int64_t>(2)) e = static_cast<std::int64_t>(i++ % 10);
    return call;
  }
};

}  // namespace graft_test
