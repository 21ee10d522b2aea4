// Graphs of any size for the benchmarks of surgery.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "graft/ops/elementwise.hpp"
#include "graft/ops/initializers.hpp"
#include "graft/ops/matmul.hpp"

namespace graft::bench {

using row = tensor<Graph, dtype::float32, shape<dyn, 4>>;

/// A graph with the input and the output of a region that is nearly all of it.
struct subject {
  Graph g;
  row x, y;
  explicit subject() { x = placeholder<float, shape<dyn, 4>>(g, "x"); }
};

inline std::unique_ptr<subject> chain(std::size_t ops) {
  auto s = std::make_unique<subject>();
  s->y = s->x;
  while (s->g.op_count() < ops) s->y = relu(s->y);
  return s;
}

// Every op takes the one before and some earlier one.
inline std::unique_ptr<subject> random_dag(std::size_t ops) {
  auto s = std::make_unique<subject>();
  std::vector<row> all{s->x};
  std::uint64_t state = 1;
  while (s->g.op_count() < ops) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    all.push_back(add(all.back(), all[(state >> 33) % all.size()]));
  }
  s->y = all.back();
  return s;
}

// Residual blocks of two dense layers: x + dense(relu(dense(x))). Each block and each layer is in a
// scope, each layer has two variables: fourteen ops a block.
inline row dense_layer_on(Graph& g, const row& x) {
  g.enter_scope("dense");
  const auto w = make_variable<float, shape<4, 4>>(g, "w", glorot_uniform());
  const auto b = make_variable<float, shape<4>>(g, "b", zeros());
  const row y = matmul(x, w) + b;
  g.leave_scope();
  return y;
}
inline std::unique_ptr<subject> residual_blocks(std::size_t ops) {
  auto s = std::make_unique<subject>();
  s->y = s->x;
  while (s->g.op_count() < ops) {
    s->g.enter_scope("block");
    s->y = s->y + dense_layer_on(s->g, relu(dense_layer_on(s->g, s->y)));
    s->g.leave_scope();
  }
  return s;
}

}  // namespace graft::bench
