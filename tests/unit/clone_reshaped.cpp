// Clones on inputs of another shape.
#include "graft/runtime/session.hpp"
#include "graft/surgery/substitute.hpp"

#include "clone_fixture.hpp"

using namespace graft;
using namespace graft_test;

namespace {

struct subject {
  Graph g;
  tensor<Graph, dtype::float32, shape<2, 4>> x = placeholder<float, shape<2, 4>>(g, "x");
  tensor<Graph, dtype::float32, shape<3, 4>> longer = placeholder<float, shape<3, 4>>(g, "longer");
  tensor<Graph, dtype::float32, shape<2, 5>> wider = placeholder<float, shape<2, 5>>(g, "wider");
  tensor<Graph, dtype::float32, shape<4, 4>> w =
      make_variable<float, shape<4, 4>>(g, "w", glorot_uniform());
  decltype(relu(matmul(x, w))) y = relu(matmul(x, w), "y");
  Region region = extract(inputs(x), outputs(y));
};

}  // namespace

TEST_CASE("an input is replaced by one of another shape", "[edge-49][edge-55]") {
  subject s;
  const Clone c = clone(s.region, bind_reshaped(s.x, s.longer), variables::shared, into("copy"));
  const any_tensor y = c(any_tensor(s.y));
  CHECK(s.g.type_of(s.g.id(y)) == value_type::of(dtype::float32, {3, 4}));
  c.check();
  s.g.validate();
  Session session(s.g);
  session.initialize();
  const Array three = Array::from<float>({3, 4}, {1, 2, 3, 4, -5, 6, 7, 8, 9, -10, 11, 12});
  const Array all = session.run(y, feed(s.longer, three));
  CHECK(session.run(s.y, feed(s.x, three.rows(0, 2))).same_bits(all.rows(0, 2)));

  // Handles keep their static types, or say that they cannot.
  const std::string text = message_of<shape_error>([&] { (void)c(s.y); });
  CHECK(text.find("float32 [2, 4]") != std::string::npos);
  CHECK_THROWS_AS(c.find(s.y), shape_error);
  CHECK(c(s.w).ref() == s.w.ref());
  CHECK(as<float, shape<3, 4>>(y).ref() == y.ref());
  CHECK_THROWS_AS(c.original(s.longer), shape_error);
  CHECK(c.original(any_tensor(s.longer)).ref() == s.x.ref());
}

TEST_CASE("the first op that cannot take another shape is named and nothing changes", "[edge-49]") {
  subject s;
  const std::uint64_t before = s.g.digest();
  const std::string text =
      message_of<shape_error>([&] { (void)clone(s.region, bind_reshaped(s.x, s.wider)); });
  CHECK(text.find("matmul") != std::string::npos);
  CHECK(text.find("[2, 5]") != std::string::npos);
  // Without leave it is refused at the input, with the way out.
  const any_tensor x = s.x, longer = s.longer;
  CHECK(message_of<shape_error>([&] {
          (void)clone(s.region, bind(x, longer));
        }).find("bind_reshaped") != std::string::npos);
  CHECK(s.g.digest() == before);
  // Leave for one input is none for another.
  const auto two = placeholder<float, shape<2, 4>>(s.g, "two");
  const Region both = extract(inputs(s.x, two), outputs(s.y + two));
  const std::uint64_t then = s.g.digest();
  CHECK_THROWS_AS(clone(both, bind_reshaped(s.x, s.longer), bind(any_tensor(two), longer)),
                  shape_error);
  CHECK(s.g.digest() == then);
  const Clone c = clone(both, bind_reshaped(s.x, s.longer, two, s.longer));
  CHECK(s.g.type_of(c.outputs()[0]) == value_type::of(dtype::float32, {3, 4}));
}

TEST_CASE("a substitution takes what has another static shape", "[edge-55]") {
  subject s;
  const any_tensor y = substitute(any_tensor(s.y), bind_reshaped(s.x, s.longer));
  CHECK(s.g.type_of(s.g.id(y)) == value_type::of(dtype::float32, {3, 4}));
  CHECK_THROWS_AS(substitute(s.y, bind_reshaped(s.x, s.longer)), shape_error);
}
