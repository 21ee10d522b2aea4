// Structs of handles through boundaries, bindings and the map.
#include <boost/hana/adapt_struct.hpp>
#include <boost/hana/define_struct.hpp>

#include "graft/runtime/struct_mirror.hpp"

#include "clone_fixture.hpp"

using namespace graft;
using namespace graft_test;

namespace {

struct observation {
  row4 image, pose;
};
struct heads {
  row4 policy;
  std::optional<row4> value;
  observation seen;
};

}  // namespace

BOOST_HANA_ADAPT_STRUCT(observation, image, pose);
BOOST_HANA_ADAPT_STRUCT(heads, policy, value, seen);

TEST_CASE("structs of handles are mirrored [edge-56]") {
  Graph g;
  const observation in{input4(g, "image"), input4(g, "pose")},
      other{input4(g, "image2"), input4(g, "pose2")};
  const auto trunk = dense4(add(in.image, in.pose));
  const heads out{relu(trunk), tanh(trunk), in};
  const Region region = extract(inputs(in), outputs(out));
  CHECK(region.inputs() == ids(in.image, in.pose));
  CHECK(region.outputs() == ids(out.policy, *out.value, in.image, in.pose));

  const auto copy = clone(region, bind(in, other));
  const heads copied = copy(out);
  CHECK(copied.policy.ref() == copy(out.policy).ref());
  CHECK(copied.value->ref() == copy(*out.value).ref());
  CHECK(copied.seen.image.ref() == other.image.ref());
  CHECK(copied.seen.pose.ref() == other.pose.ref());
  CHECK_FALSE(copy(heads{out.policy, {}, in}).value.has_value());
}
