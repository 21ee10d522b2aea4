// Networks on which every allocation of an operation fails once. For one source file of a program.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "graft/graft.hpp"

#include "clone_fixture.hpp"
#include "failing_allocations.hpp"

namespace graft_test {

using row = tensor<Graph, dtype::float32, shape<2, 4>>;

// All that surgery may meet in small: layers, a tie, a statistic with its layer's update, a stream, a
// constant, an assertion, collections, scopes, an op behind them, and a second graph.
struct plain_network {
  Graph g, target;
  row x = placeholder<float, shape<2, 4>>(g, "x"), x2 = placeholder<float, shape<2, 4>>(g, "x2");
  row w, first, y, after, twice;
  any_tensor loss;
  op_id check;
  std::optional<Region> region, head;

  explicit plain_network(bool checked = true) {
    (void)relu(input4(target));
    const in_scope inside(g, "net");
    w = make_variable<float, shape<2, 4>>(g, "w", uniform());
    first = row(dropout<"drop">(tanh(x * w), 0.5).ref());
    const auto moving =
        make_variable<float, shape<4>>(g, "moving", zeros(), false, variable_role::statistic);
    g.own_update(*g.variable_read_by(id_of(moving)),
                 op_of(assign(moving, moving * 0.9f + mean<axes<0>>(first) * 0.1f)));
    const row h = first - moving + as<float, shape<4>>(constant(g, Array::full<float>({4}, 2.0f)));
    y = h * w;
    if (checked) {
      check = g.add(schemas::check, ids(h));
      g.add_control_edge(check, op_of(y));
    }
    after = relu(y) + y;
    twice = w * 2.0f;
    loss = mean(y);
    g.add_to_collection("weights", {member::kind::variable, *g.variable_read_by(id_of(w)), {}});
    g.add_to_collection("outputs", {member::kind::tensor, {}, id_of(y)});
    set_values(g);
    region = extract(inputs(x), outputs(y));
    head = extract(inputs(y), outputs(after));
  }
};

// Control flow with a variable that its bodies read.
struct recurrent_network {
  Graph g, target;
  tensor<Graph, dtype::float32, shape<1, 2, 2>> xs = placeholder<float, shape<1, 2, 2>>(g, "xs");
  tensor<Graph, dtype::float32, shape<1, 2>> x = placeholder<float, shape<1, 2>>(g, "x");
  tensor<Graph, dtype::boolean, shape<>> p = placeholder<bool, shape<>>(g, "p");
  any_tensor y, loss;
  std::optional<Region> region;

  explicit recurrent_network(bool gated = false) {
    const auto w = make_variable<float, shape<1, 2>>(g, "w", uniform());
    const auto [last, all] = scan(x, x, [&](auto s, auto e) { return std::tuple{s * w + e, s}; });
    y = cond(p, [&] { return last * w; }, [&] { return tanh(last); });
    if (gated) y = y + gru<2>(xs);
    loss = mean(square(y));
    set_values(g);
    region = gated ? extract(inputs(x, p, xs), outputs(y)) : extract(inputs(x, p), outputs(y));
  }
};

// Gives every variable a value that no other has, so that a value in the wrong place shows.
inline void set_distinct_values(Graph& g, int first) {
  for (const variable_id v : g.variables()) {
    Array value(g.variable_of(v).type.type, g.variable_of(v).type.shape);
    if (value.type() == dtype::float32) {
      for (float& e : value.mutable_span<float>()) e = static_cast<float>(first++);
    } else {
      for (std::int64_t& e : value.mutable_span<std::int64_t>()) e = first++;
    }
    g.store().set(v, std::move(value));
  }
}

// Runs f on a new network with the first, the second, ... allocation failing, until it succeeds.
// New each time, as what an attempt has reserved is not allocated again.
// @param least how many allocations there must be
// @return true if it changed a graph in the end: what changes none is not tested
template <class Make, class F>
bool fail_everywhere(const std::string& what, long least, Make&& make, F&& f) {
  INFO(what);
  f(*make());  // what a program makes once, as the table of operators, is not allocated again
  for (long at = 0;; ++at) {
    const auto n = make();
    const auto source = n->g.digest(), target = n->target.digest();
    const scope_id scope = n->g.current_scope();
    if (failing::allocation(at, [&] { f(*n); })) {
      n->g.validate();
      n->target.validate();
      CHECK(at >= least);
      return n->g.digest() != source || n->target.digest() != target;
    }
    if (n->g.digest() == source && n->target.digest() == target && n->g.current_scope() == scope &&
        n->g.current_body() == nullptr) {
      n->g.validate();
      n->target.validate();
      continue;
    }
    FAIL("a graph changed when allocation " << at << " failed");
  }
}

template <class F>
bool fail_plain(const std::string& what, long least, F&& f) {
  return fail_everywhere(what, least, [] { return std::make_unique<plain_network>(); }, f);
}
template <class F>
bool fail_recurrent(const std::string& what, long least, F&& f) {
  return fail_everywhere(what, least, [] { return std::make_unique<recurrent_network>(); }, f);
}

}  // namespace graft_test
