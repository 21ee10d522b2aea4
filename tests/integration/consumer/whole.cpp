// The one header that users include, and a bit of each of its parts: a network, a copy of it with own
// variables, a run of both. Returns 1 where the two disagree.
#include <cstdio>

#include <graft/graft.hpp>

using namespace graft;

int main() {
  Graph g;
  auto x = placeholder<float, shape<dyn, 6>>(g, "x");
  auto y = dense<2, "logits">(relu(dense<4>(x)));
  Session session(g);
  session.initialize();

  auto x2 = placeholder<float, shape<dyn, 6>>(g, "x2");
  auto copy = clone(extract(inputs(x), outputs(y)), bind(x, x2), into("copy"), variables::copied);
  auto y2 = copy(y);

  const Array fed = Array::full<float>({3, 6}, 0.5f);
  const Array first = session.run(y, feed(x, fed));
  const Array second = session.run(y2, feed(x2, fed));
  const bool agree = first.same_bits(second) && !copy.variables().empty();
  std::puts(agree ? "the copy agrees" : "the copy disagrees");
  return agree ? 0 : 1;
}
