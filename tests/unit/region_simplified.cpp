// Regions saved in their simplest form.
#include "graft/graft.hpp"

#include "clone_fixture.hpp"
#include "temporary_file.hpp"

using namespace graft;
using namespace graft_test;

namespace {

struct subject {
  Graph g;
  row4 x = input4(g, "x");
  row4 y;
  std::optional<Region> region;

  subject() {
    const in_scope inside(g, "net");
    g.set_mode(mode::inference);
    row4 h = dense4(x) * 1.0f;
    h = dropout(h, 0.5) + 0.0f;
    const auto w = make_variable<float, shape<4, 4>>(g, "w", glorot_uniform());
    const auto flipped = transpose<1, 0>(w);
    y = row4(identity(relu(matmul(h, transpose<1, 0>(flipped)))).ref());
    set_values(g);
    region = extract(inputs(x), outputs(y));
  }
};

}  // namespace

TEST_CASE("a region is saved simplified, and computes what it did") {
  subject s;
  const std::uint64_t before = s.g.digest();
  const temporary_file whole, simple, again;
  save_region(whole.path, *s.region);
  save_region(simple.path, *s.region, saving::simplified);
  CHECK(s.g.digest() == before);
  save_region(again.path, *subject().region, saving::simplified);
  CHECK(simple.bytes() == again.bytes());

  Graph h;
  const loaded_region as_was = load_region(h, whole.path, into("whole"));
  const loaded_region simplest = load_region(h, simple.path, into("simple"));
  CHECK(simplest.region.nodes().size() + 7 <= as_was.region.nodes().size());
  // The names stay; the stream of the dropout that lets everything pass is not needed.
  CHECK(simplest.variables.size() + 1 == as_was.variables.size());
  for (const variable_id v : simplest.variables) {
    CHECK(has(paths(h, as_was.variables), "whole" + h.path_of(v).substr(6)));
  }
  Session session(h);
  Array rows(dtype::float32, {3, 4});
  float next = -5;
  for (float& e : rows.mutable_span<float>()) e = next++;
  CHECK(session.run(simplest.outputs[0], feed(simplest.inputs[0], rows))
            .same_bits(session.run(as_was.outputs[0], feed(as_was.inputs[0], rows))));
}

TEST_CASE("what cannot be saved is refused simplified, too") {
  subject s;
  const Region region = *s.region;
  s.g.set_operand(op_of(s.y), 0, id_of(s.x));
  const temporary_file file;
  CHECK_THROWS_AS(save_region(file.path, region, saving::simplified), graph_error);
}
