// Choices of clones in constant evaluation: policies, streams, bindings. [edge-97]
#include <array>
#include <optional>
#include <tuple>
#include <vector>

#include "graft/surgery/clone.hpp"

using namespace graft;

namespace {

using wide = tensor<Graph, dtype::float32, shape<dyn, 4>>;
using truth = tensor<Graph, dtype::boolean, shape<>>;

template <class T>
constexpr T numbered(std::uint32_t op) {
  return T(graph_reference{nullptr, 0, tensor_id{op_id{op}, 0}});
}
constexpr bool leads(const bindings& b, std::size_t i, std::uint32_t from, std::uint32_t to) {
  return b.pairs[i].first.id.op == op_id{from} && b.pairs[i].second.id.op == op_id{to};
}

// Policies, flags and streams are constants.
constexpr std::array policies{variables::fresh, variables::copied, variables::shared,
                              variables::frozen, variables::linked};
static_assert(policies[0] != policies[1] && policies[4] == variable_policy::linked);
constexpr seeds seven = seeds::fresh(7);
static_assert(seven == seeds::fresh(7) && seven != seeds::fresh(8) && seven.number() == 7u);
static_assert(seeds::fresh(0) != seeds::split && seeds::split != seeds::same &&
              !seeds::same.number());
static_assert(trainable(false).value == false && trainable(true).value);

// Destinations and bindings hold memory, which is given back before the constant is made.
// Clang cannot make short texts of libstdc++ 12 in constant evaluation.
#if !defined(__clang__) || !defined(_GLIBCXX_RELEASE) || _GLIBCXX_RELEASE >= 13
static_assert(into("critic").scope == "critic" && into("critic").graph == nullptr);
static_assert(from("actor/body").path == "actor/body");
#endif
static_assert(into("a scope with a name so long that it lies on the heap, not in the text itself")
                  .scope.size() > 40);

static_assert([] {
  const bindings all =
      bind(numbered<wide>(1), numbered<wide>(2), numbered<truth>(3), numbered<truth>(4));
  return all.pairs.size() == 2 && leads(all, 0, 1, 2) && leads(all, 1, 3, 4);
}());
static_assert([] {  // all at once: a swap
  const wide a = numbered<wide>(1), b = numbered<wide>(2);
  const bindings swap = bind(a, b, b, a);
  return leads(swap, 0, 1, 2) && leads(swap, 1, 2, 1);
}());
static_assert([] {  // containers, one in the other
  const std::tuple from{numbered<wide>(1), std::array{numbered<wide>(2), numbered<wide>(3)}};
  const std::vector<any_tensor> to{numbered<wide>(4), numbered<wide>(5), numbered<wide>(6)};
  const bindings all = bind(from, to);
  return all.pairs.size() == 3 && leads(all, 0, 1, 4) && leads(all, 2, 3, 6);
}());
static_assert([] {
  const bindings none = bind(std::optional<wide>(), std::optional<wide>());
  const bindings one = bind(std::pair{numbered<wide>(1), numbered<truth>(2)},
                            std::pair{numbered<wide>(3), numbered<truth>(4)});
  return none.pairs.empty() && one.pairs.size() == 2 && leads(one, 1, 2, 4);
}());
static_assert([] {
  const variables::expressions e = variables::expr(numbered<wide>(1), numbered<wide>(2));
  return e.pairs.pairs.size() == 1 && leads(e.pairs, 0, 1, 2);
}());

}  // namespace
