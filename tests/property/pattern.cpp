// Random graphs: matches against a definition written out naively, and simplification against the
// values before.
#include "graft/surgery/pattern.hpp"

#include <cmath>
#include <set>

#include "graft/ops/math.hpp"
#include "graft/ops/shape_ops.hpp"
#include "graft/runtime/session.hpp"
#include "graft/surgery/rewrite.hpp"

#include "random_net.hpp"

using namespace graft;
using namespace graft_test;
using patterns::any;
using patterns::op;

namespace {

bool is(const Graph& g, op_id op, std::string_view name) { return g.schema_of(op).name == name; }

// Puts what simplifies on top of random tensors, and other things on top of that.
std::vector<any_tensor> add_clutter(random_net& made, dice& d, std::size_t count) {
  std::vector<any_tensor> all(made.tensors.begin(), made.tensors.end());
  for (std::size_t i = 0; i < count; ++i) {
    const any_tensor x = d.of(all);
    const any_tensor clutter = [&]() -> any_tensor {
      switch (d.below(12)) {
        case 0:
          return add(x, 0);
        case 1:
          return mul(1, x);
        case 2:
          return sub(x, 0);
        case 3:
          return neg(x);
        case 4:
          return neg(neg(x));
        case 5:
          return identity(x);
        case 6:
          return cast(x, dtype::float32);
        case 7:
          return reshape(reshape(x, {2, 2}), {4});
        case 8:
          return reshape(transpose(transpose(reshape(x, {2, 2}))), {4});
        case 9:
          return add(x, d.of(all));
        case 10:
          return div(x, 1);
        default:
          return tanh(x);
      }
    }();
    if (made.g.type_of(clutter.ref().id).shape == dims{4}) all.push_back(clutter);
  }
  return all;
}

std::set<tensor_id> sources_of(const Graph& g, op_id top) {
  std::set<tensor_id> sources;
  std::set<op_id> seen{top};
  std::vector<op_id> open{top};
  while (!open.empty()) {
    const op_id op = open.back();
    open.pop_back();
    if (is(g, op, "placeholder")) sources.insert({op, 0});
    for (const tensor_id t : g.operands(op)) {
      if (seen.insert(t.op).second) open.push_back(t.op);
    }
  }
  return sources;
}

std::vector<Array> values_of(random_net& made, const std::vector<any_tensor>& of) {
  // A placeholder that nothing needs may not be fed, so each tensor is run with those it needs.
  std::vector<Array> result;
  Session session(made.g);
  for (const any_tensor& t : of) {
    std::vector<feed_item> feeds;
    for (const tensor_id source : sources_of(made.g, t.ref().id.op)) {
      std::vector<float> numbers;
      for (int k = 0; k < 4; ++k) {
        numbers.push_back(
            static_cast<float>((source.op.value * 7 + static_cast<unsigned>(k) * 3) % 11) * 0.25f -
            1);
      }
      feeds.push_back(feed(made.g.handle(source), Array::from<float>({4}, numbers)));
    }
    result.push_back(session.run(t, feeds));
  }
  return result;
}

}  // namespace

TEST_CASE("matches are those of the definition, greedily in storage order") {
  const int seed = GENERATE_COPY(range(1, static_cast<int>(seed_count(100)) + 1));
  INFO("seed " << seed);
  dice d(static_cast<std::uint64_t>(seed));
  const random_net made(d, 80);
  const Graph& g = made.g;
  const auto found = find_matches(g, op(ops::add, op(ops::tanh, any("x")), any("y")));
  std::set<op_id> taken;
  std::size_t next = 0;
  for (std::size_t i = 0; i < g.op_count(); ++i) {
    const op_id root = g.op_at(i);
    if (!is(g, root, "add") || taken.count(root) != 0) continue;
    for (std::uint32_t side = 0; side < 2; ++side) {
      const op_id inner = g.operand(root, side).op;
      if (!is(g, inner, "tanh") || taken.count(inner) != 0) continue;
      REQUIRE(next < found.size());
      CHECK(found[next].root == tensor_id{root, 0});
      CHECK(found[next]["x"] == g.operand(inner, 0));
      CHECK(found[next]["y"] == g.operand(root, 1 - side));
      taken.insert({root, inner});
      ++next;
      break;
    }
  }
  CHECK(next == found.size());
}

TEST_CASE("simplified graphs compute what they did") {
  const int seed = GENERATE_COPY(range(1, static_cast<int>(seed_count(60)) + 1));
  INFO("seed " << seed);
  dice d(static_cast<std::uint64_t>(seed));
  random_net made(d, 20, false);
  std::vector<any_tensor> all = add_clutter(made, d, 30);
  std::vector<any_tensor> chosen;
  for (int i = 0; i < 5; ++i) chosen.push_back(d.of(all));
  chosen.push_back(all.back());
  const std::vector<Array> before = values_of(made, chosen);
  const std::size_t ops = made.g.op_count();

  rewritten done;
  const bool whole = d.one_in(2);
  if (whole) {
    done = simplify(made.g);
  } else {
    done = simplify(extract(inputs(), outputs(chosen), leaks::keep));
  }
  made.g.validate();
  CHECK(made.g.op_count() == ops - done.removed);  // these rules make no op that stays beside
  std::vector<any_tensor> now;
  std::vector<Array> wanted;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const any_tensor image = done(chosen[i]);
    // In a whole graph nothing says which tensors are asked for: one within a match goes where only the match took it. The
    // outputs of a region stay.
    if (whole && !made.g.contains(image.ref().id.op)) continue;
    now.push_back(image);
    wanted.push_back(before[i]);
  }
  const std::vector<Array> after = values_of(made, now);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    for (std::size_t k = 0; k < 4; ++k) {
      const float x = wanted[i].span<float>()[k], y = after[i].span<float>()[k];
      CHECK((x == y || (std::isnan(x) && std::isnan(y))));
    }
  }
}
