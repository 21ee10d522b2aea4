// The README's example.
//! [clone]
#include <graft/graft.hpp>
using namespace graft;

int main() {
  Graph g;
  auto x = placeholder<float, shape<dim<"batch">, 784>>(g, "x");
  auto y = dense<10, "logits">(relu(dense<128>(x)));  // could be anybody's builder function

  auto x2 = placeholder<float, shape<dim<"batch">, 784>>(g, "x2");
  auto region = extract(inputs(x), outputs(y));  // directed and checked
  auto copy = clone(region, bind(x, x2), into("copy"), variables::fresh);
  auto y2 = copy(y);  // the same static type as y

  Session session(g);
  session.run(copy.initializer());  // exactly the clone's variables
  Array out = session.run(y2, feed(x2, Array(dtype::float32, {32, 784})));
}
//! [clone]
