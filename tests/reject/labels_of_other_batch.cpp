// expect: shape_mismatch
// expect: softmax_cross_entropy
// expect: needs<graft::shape<32> ?>
// expect: got<graft::shape<64> ?>
#include "graft/ops/softmax.hpp"

#include "type_target.hpp"

auto loss(graft::test::input<float, 32, 10> logits, graft::test::input<std::int64_t, 64> labels) {
  return graft::softmax_cross_entropy(logits, labels);
}
