#include "kernel_test.hpp"

using namespace kt;

namespace {

template <class T>
void check(const kernel_table& k, optimiser_op op, bool decoupled, bool nesterov) {
  for (const int64_t n : {0, 1, 3, 7, 8, 15, 16, 17, 33, 70, 1000}) {
    guarded<T> p = random_buffer<T>(n), g = random_buffer<T>(n), s1 = random_buffer<T>(n, 0, 1),
               s2 = random_buffer<T>(n, 0, 1);
    guarded<T> p2(n), s12(n), s22(n), want(n), want1(n), want2(n);
    optimiser_args a;
    a.parameter = p.data();
    a.gradient = g.data();
    a.state1 = s1.data();
    a.state2 = s2.data();
    a.parameter_out = p2.data();
    a.state1_out = s12.data();
    a.state2_out = s22.data();
    a.n = n;
    a.rate = 0.05;
    a.gradient_scale = 0.5;
    a.weight_decay = 0.01;
    a.decoupled_decay = decoupled;
    a.momentum = 0.9;
    a.nesterov = nesterov;
    a.correction1 = 1 - 0.9 * 0.9;
    a.correction2 = 1 - 0.999 * 0.999;
    a.epsilon = 1e-4;
    const optimiser_kernel run = k.optimiser(op, element_of<T>());
    run(a);
    optimiser_args r = a;
    r.parameter_out = want.data();
    r.state1_out = want1.data();
    r.state2_out = want2.data();
    reference::optimiser<T>(op, r);
    REQUIRE(worst(p2, want) <= 16 * epsilon<T>());
    REQUIRE((p2.intact() && s12.intact() && s22.intact()));
    if (op != optimiser_op::sgd) REQUIRE(worst(s12, want1) <= 8 * epsilon<T>());
    if (op == optimiser_op::adam) REQUIRE(worst(s22, want2) <= 8 * epsilon<T>());

    // In place, and cut in two: the same bits.
    const int64_t cut = n / 3;
    for (int part = 0; part < 2; ++part) {
      const int64_t begin = part == 0 ? 0 : cut;
      optimiser_args b = a;
      b.parameter = b.parameter_out = p.data() + begin;
      b.gradient = g.data() + begin;
      b.state1 = b.state1_out = s1.data() + begin;
      b.state2 = b.state2_out = s2.data() + begin;
      b.n = part == 0 ? cut : n - cut;
      run(b);
    }
    REQUIRE(p.same_bits(p2));
    if (op != optimiser_op::sgd) REQUIRE(s1.same_bits(s12));
    if (op == optimiser_op::adam) REQUIRE(s2.same_bits(s22));
  }
}

}  // namespace

TEST_CASE("optimiser steps") {
  FOR_EACH_ISA(k) {
    for (const optimiser_op op : {optimiser_op::sgd, optimiser_op::momentum, optimiser_op::rmsprop,
                                  optimiser_op::adagrad, optimiser_op::adam}) {
      for (const bool decoupled : {false, true}) {
        for (const bool nesterov : {false, true}) {
          INFO("optimiser " << static_cast<int>(op));
          check<float>(k, op, decoupled, nesterov);
          check<double>(k, op, decoupled, nesterov);
        }
      }
    }
  }
}
