// Bodies that own one another many times over: to look at each where it is owned takes for ever.
#pragma once

#include <memory>
#include <vector>

#include "graft/graft.hpp"
#include "graft/graph/tables.hpp"

#include "graph/body_view.hpp"

namespace graft_test {

using namespace graft;

/// What the innermost body computes of its value.
using innermost = tensor_id (*)(Graph& body, tensor_id value);

/// A cond whose branches are one body, which chooses between one other and the same other, and so on.
/// @param p, x a boolean and two floats
inline op_id nested_choices(
    Graph& g, tensor_id p, tensor_id x, int depth,
    innermost leaf = [](Graph&, tensor_id value) { return value; }) {
  const auto choose = [](Graph& in, const std::shared_ptr<const Graph>& body, tensor_id chance,
                         tensor_id value) {
    const std::int64_t owned = detail::append_body(in, body);
    attribute_list a;
    a.set("then", owned, attribute_kind::body).set("else", owned, attribute_kind::body);
    a.set("then_captures", 2).set("outputs", 1);
    return in.add(ops::cond, std::vector<tensor_id>{chance, chance, value, chance, value}, a);
  };
  std::shared_ptr<const Graph> last;
  for (int i = 0; i < depth; ++i) {
    auto body = std::make_shared<Graph>();
    attribute_list input;
    input.set("capture", 0).set("type", dtype::boolean).set("shape", dims{});
    const tensor_id chance{body->add(ops::captured, {}, input), 0};
    input.set("capture", 1).set("type", dtype::float32).set("shape", dims{2});
    tensor_id value{body->add(ops::captured, {}, input), 0};
    value = last != nullptr ? tensor_id{choose(*body, last, chance, value), 0} : leaf(*body, value);
    body->add(ops::results, std::vector<tensor_id>{value});
    body->data().closed = true;
    last = std::move(body);
  }
  return choose(g, last, p, x);
}

}  // namespace graft_test
