// A small graph with a letter for each op, for the tests of walks and edits.
#pragma once

#include "clone_fixture.hpp"

namespace graft_test {

/// graph_editor's fixture: a; foo{b, c = a+b, d}; foo/bar{e = c+d, f = c+d, g = c+a, h = f+g}, and h waits
/// for c. a, b and d are placeholders.
struct letters {
  Graph graph;
  row4 a, b, c, d, e, f, g, h;
  letters() : letters(input4) {}

 protected:
  using source = row4 (*)(Graph&, std::string_view name);
  explicit letters(source make) {
    a = make(graph, "a");
    const in_scope foo(graph, "foo");
    b = make(graph, "b");
    c = add(a, b, "c");
    d = make(graph, "d");
    const in_scope bar(graph, "bar");
    e = add(c, d, "e");
    f = add(c, d, "f");
    g = add(c, a, "g");
    h = add(f, g, "h");
    graph.add_control_edge(op_of(c), op_of(h));
  }
};

/// As letters, but a, b and d are constants, as they are there.
struct constant_letters : letters {
  constant_letters()
      : letters([](Graph& in, std::string_view name) {
          return row4(constant(in, Array::full<float>({2, 4}, 1), name).ref());
        }) {}
};

}  // namespace graft_test
