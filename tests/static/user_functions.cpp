// Functions of the user's that have names of Graft's: they are called as if Graft had refused nothing of these names.
#include <ostream>
#include <set>

#include "graft/graft.hpp"

using namespace graft;

namespace mine {

struct answer {};
answer log(const any_tensor&, double) { return {}; }
answer relu(any_tensor, double) { return {}; }
answer round(any_tensor, int) { return {}; }
answer mean(any_tensor, any_tensor) { return {}; }
answer sum(const any_tensor&, const any_tensor&) { return {}; }
std::ostream& operator<<(std::ostream& out, const any_tensor&) { return out; }

[[maybe_unused]] void call(const tensor<Graph, dtype::float32, shape<2, 4>>& x, const any_tensor& y,
                           std::ostream& out) {
  static_assert(std::same_as<decltype(log(x, 2.0)), answer>);
  static_assert(std::same_as<decltype(relu(x, 0.1)), answer>);
  static_assert(std::same_as<decltype(round(x, 2)), answer>);
  static_assert(std::same_as<decltype(mean(x, y)), answer>);
  static_assert(std::same_as<decltype(sum(x, x)), answer>);
  out << x << y;
}

void each(const Graph::use&, std::uint32_t) {}
[[maybe_unused]] void visit(const Graph& g, op_id op, std::set<op_id>& users) {
  g.for_each_use(op, each);
  g.for_each_use(op,
                 [&](const Graph::use& u, std::uint32_t) { return users.insert(u.user).second; });
}

}  // namespace mine

// What is kept to be called may be a pointer to a member.
[[maybe_unused]] static auto rule_of_member() { return each_op(&copied_op::outputs); }
[[maybe_unused]] static auto written_by_member() {
  return rewrite_rule{"x", patterns::op(ops::neg, patterns::any("x")), &rule_args::root};
}
