// What tests/unit/region_version_1.hpp holds a file of: all that version 1 of the format can say, in small.
#pragma once

#include "graft/graft.hpp"

namespace graft_test {

using namespace graft;

inline Region version_1(Graph& g) {
  const auto x = placeholder<float, shape<dim<"batch">, 3>>(g, "x");
  g.enter_scope("net");
  const auto w = make_variable<float, shape<3>>(g, "w", uniform(0.1, 0.9));
  const auto steps =
      make_variable<std::int64_t, shape<>>(g, "steps", zeros(), false, variable_role::counter);
  const auto shift = constant(g, Array::from<float>({3}, {0.5f, -1.0f, 2.0f}), "shift");
  const auto step = assign(steps, steps + std::int64_t{1}, "step");
  const auto id = [&g](const auto& t) { return g.id(t.ref()); };
  g.own_update(*g.variable_read_by(id(steps)), id(step).op);
  const auto h = dropout(clip(x * w + shift, -std::numeric_limits<double>::infinity(), 4.0), 0.25);
  const auto kept = stop_gradient(h, "kept");
  g.add_control_edge(id(shift).op, id(kept).op);
  const auto sums = std::get<1>(
      scan(w, as<float, shape<4, 3>>(broadcast_to(shift, dims{4, 3})), [&](auto s, auto e) {
        const auto next = cond(
            sum(s) < 1.0f, [&] { return tanh(s * w) + e; }, [&] { return s - e; });
        return std::tuple{next, sum(next)};
      }));
  const auto y = cast(kept + mean(sums), dtype::float64, "y");
  attribute_list tagged = g.attributes_of(id(y).op);
  g.set_attributes(id(y).op, tagged.set_string("device", "gpu:0"));
  g.leave_scope();
  g.add_to_collection("losses", {member::kind::tensor, {}, id(y)});
  g.add_to_collection("frozen", {member::kind::variable, *g.variable_read_by(id(w)), {}});
  g.add_to_collection("marked", {member::kind::op, {}, {id(kept).op, 0}});
  Session session(g);
  session.set_value(w, Array::from<float>({3}, {0.25f, 0.5f, 0.75f}));
  session.initialize();
  return extract(inputs(x), outputs(y, sums));
}

}  // namespace graft_test
