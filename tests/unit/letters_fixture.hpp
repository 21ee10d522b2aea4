// A small graph with a letter for each op, for the tests of walks and edits.
#pragma once

#include "clone_fixture.hpp"

namespace graft_test {

/// graph_editor's fixture: a; foo{b, c = a+b, d}; foo/bar{e = c+d, f = c+d, g = c+a, h = f+g}, and h waits
/// for c.
struct letters {
  Graph graph;
  row4 a, b, c, d, e, f, g, h;
  letters() {
    a = input4(graph, "a");
    const in_scope foo(graph, "foo");
    b = input4(graph, "b");
    c = add(a, b, "c");
    d = input4(graph, "d");
    const in_scope bar(graph, "bar");
    e = add(c, d, "e");
    f = add(c, d, "f");
    g = add(c, a, "g");
    h = add(f, g, "h");
    graph.add_control_edge(op_of(c), op_of(h));
  }
};

}  // namespace graft_test
