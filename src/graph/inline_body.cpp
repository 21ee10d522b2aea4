// Copying what a body computes into a graph.
#include <unordered_map>

#include "graft/schema/control_operators.hpp"
#include "graft/schema/core_operators.hpp"

#include "graph/body_view.hpp"
#include "graph/building.hpp"
#include "graph/copy.hpp"

namespace graft::detail {

std::int64_t append_body(Graph& to, std::shared_ptr<const Graph> body) {
  tables& t = to.data();
  for (std::size_t i = 0; i < t.bodies.size(); ++i) {
    if (t.bodies[i] == body) return static_cast<std::int64_t>(i);
  }
  t.bodies.push_back(std::move(body));
  touch(t);
  return static_cast<std::int64_t>(t.bodies.size() - 1);
}

std::int64_t share_body(Graph& to, const Graph& from, std::int64_t index) {
  (void)from.body(index);  // refuses numbers that are none
  return append_body(to, from.data().bodies[static_cast<std::size_t>(index)]);
}

std::vector<tensor_id> inline_body(Graph& to, const body_view& body,
                                   std::span<const tensor_id> inputs) {
  const Graph& from = body.graph;
  const tables& t = from.data();
  std::vector<std::uint32_t> ops;
  std::unordered_map<tensor_id, tensor_id> given;
  for (std::size_t k = 0; k < body.inputs.size(); ++k) given.emplace(body.inputs[k], inputs[k]);
  for (std::uint32_t i = 0; i < t.ops.size(); ++i) {
    const operator_schema& schema = *t.ops[i].schema;
    if (!is_operator(schema, ops::captured) && !is_operator(schema, ops::results)) ops.push_back(i);
  }
  const place_map places(ops);
  std::unordered_map<std::int64_t, std::int64_t> constants;
  copy_request request;
  request.from = &from;
  request.to = &to;
  request.ops = ops;
  request.places = &places;
  const auto outside = [&](tensor_id x) { return given.at(x); };
  request.outside = outside;
  const auto attributes = [&](op_id, attribute_list& list) {
    for (attribute& a : list) {
      if (a.kind == attribute_kind::constant) {
        const auto [known, fresh] = constants.try_emplace(a.integer, 0);
        if (fresh) known->second = append_constant(to, from.constant(a.integer));
        a.integer = known->second;
      } else if (a.kind == attribute_kind::body) {
        a.integer = share_body(to, from, a.integer);
      }
    }
  };
  request.attributes = attributes;
  request.infer_again = true;
  const copied_ops copies = append_copy(request);
  std::vector<tensor_id> results;
  for (const tensor_id r : body.results) {
    const std::uint32_t place = places.find(t.index(r.op));
    results.push_back(place == place_map::none ? given.at(r)
                                               : tensor_id{copies.id(place), r.output});
  }
  return results;
}

}  // namespace graft::detail
