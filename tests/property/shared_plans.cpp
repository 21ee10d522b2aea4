// Many small expressions that nearly are each other, run in one session, where they share plans, and each in a
// session of its own, where it shares nothing.
#include "graft/ops/elementwise.hpp"
#include "graft/ops/initializers.hpp"
#include "graft/ops/reduce.hpp"
#include "graft/ops/shape_ops.hpp"
#include "graft/ops/sources.hpp"
#include "graft/runtime/session.hpp"

#include "catch.hpp"
#include "dice.hpp"

using namespace graft;
using graft_test::dice;

namespace {

class expressions {
 public:
  expressions(Graph& g, dice& d) : d_(d) {
    for (int i = 0; i < 6; ++i) {
      leaves_.push_back(any_tensor(make_variable<float, shape<4>>(g, "w", normal(0, 1))));
      leaves_.push_back(constant(g, value()));
    }
    for (int i = 0; i < 2; ++i) {
      inputs_.push_back(any_tensor(placeholder<float, shape<4>>(g, "x")));
      leaves_.push_back(inputs_.back());
    }
    leaves_.push_back(constant(g, Array::scalar(0.5f)));
    leaves_.push_back(constant(g, Array::scalar(2.0f)));
  }

  Array value() {
    Array a(dtype::float32, {4});
    for (float& e : a.mutable_span<float>()) e = static_cast<float>(d_.below(9)) - 4;
    return a;
  }

  any_tensor make(std::size_t depth) {
    if (depth == 0) return d_.of(leaves_);
    const any_tensor a = make(depth - 1);
    switch (d_.below(9)) {
      case 0:
        return a + make(depth - 1);
      case 1:
        return a - make(depth - 1);
      case 2:
        return a * make(depth - 1);
      case 3:
        return leaky_relu(a, d_.one_in(2) ? 0.25 : 0.5);
      case 4:
        return a * (d_.one_in(2) ? 0.5f : 2.0f);
      case 5:
        return a + any_tensor(sum(make(depth - 1)));
      case 6:
        return a + zeros_like(make(depth - 1));
      case 7:
        return identity(a) * d_.of(leaves_);
      default:
        return tanh(a);
    }
  }

  // A call for a tensor; the inputs are asked for too, so that all may be fed.
  [[nodiscard]] std::vector<any_tensor> fetches(const any_tensor& t) const {
    return {t, inputs_[0], inputs_[1]};
  }
  [[nodiscard]] std::vector<feed_item> feeds() {
    return {feed(inputs_[0], value()), feed(inputs_[1], value())};
  }

 private:
  dice& d_;
  std::vector<any_tensor> leaves_, inputs_;
};

}  // namespace

TEST_CASE("expressions have the same bits whether they share plans or not") {
  graft_test::for_seeds(6, [](std::uint64_t seed) {
    INFO("GRAFT_TEST_SEED=" << seed);
    dice d(seed);
    Graph g;
    expressions made(g, d);
    Session session(g, {.threads = 1});
    session.initialize();
    const std::uint64_t before = session.plans_made();
    constexpr int count = 400;
    for (int i = 0; i < count; ++i) {
      const any_tensor t = made.make(d.one_in(4) ? 2 : 1);
      const std::vector<any_tensor> asked = made.fetches(t);
      const std::vector<feed_item> fed = made.feeds();
      const Array found = session.run(asked, fed).front();
      INFO("expression " << i << "\n" << session.explain_plan(asked, fed));
      Session alone(g, {.threads = 1});
      REQUIRE(found.same_bits(alone.run(asked, fed).front()));
    }
    CHECK(session.plans_made() - before <
          count * 4 / 5);  // 303 of 400 at most were seen in 600 sessions
  });
}
