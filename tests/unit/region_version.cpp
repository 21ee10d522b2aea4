// Files of the versions of the region format that there were go on being loaded.
#include <limits>

#include "graft/graft.hpp"
#include "graft/io/region_file.hpp"
#include "graft/surgery/diff.hpp"

#include "catch.hpp"
#include "region_version_1.hpp"
#include "region_version_2.hpp"
#include "temporary_file.hpp"

using namespace graft;
using namespace graft_test;

namespace {

// What the file of version 1 holds: all that the format can say, in small.
Region version_1(Graph& g) {
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
        const auto next =
            cond(sum(s) < 1.0f, [&] { return tanh(s * w) + e; }, [&] { return s - e; });
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

// What came with version 2: tensors with given values, one of them where a variable starts.
Region version_2(Graph& g) {
  const auto x = placeholder<float, shape<dim<"batch">, 3>>(g, "x");
  g.enter_scope("net");
  const auto mask = placeholder<float, shape<3>>(g, "mask");
  const auto inner = tanh(mask, "inner");
  const auto first = constant(g, Array::full<float>({3}, 5), "first");
  const variable_id w = g.add_variable("w", g.id(first.ref()), variable_role::parameter, true);
  const auto y = add(mul(mul(x, mask), g.handle(g.variable_of(w).read)), inner, "y");
  g.leave_scope();
  g.store().set(w, Array::from<float>({3}, {0.25f, 0.5f, 0.75f}));
  return extract(inputs(x), outputs(y),
                 given(mask, Array::from<float>({3}, {1, -2, 3}), inner,
                       Array::from<float>({3}, {0.5f, 0, -1}), first, Array::full<float>({3}, 2)));
}

// A kept file as it is loaded today: as the region that it was made of.
loaded_region load_kept(const temporary_file& file, std::string_view kept, const Region& region,
                        Graph& to) {
  file.write(std::string(kept));
  loaded_region loaded = load_region(to, file.path);
  to.validate();
  const auto found = diff(region, loaded.region, including::values, including::streams,
                          including::collections, including::names);
  INFO(to_string(found));
  CHECK(found.empty());
  return loaded;
}

}  // namespace

TEST_CASE("a file of version 1 goes on being loaded", "[edge-86]") {
  Graph g, to;
  const Region region = version_1(g);
  const temporary_file file;
  const loaded_region loaded = load_kept(file, region_version_1, region, to);
  const Array x = Array::from<float>({2, 3}, {1, -2, 3, -4, 5, -6});
  Session here(g), there(to);
  std::vector<any_tensor> fetched;
  for (const tensor_id t : region.outputs()) fetched.push_back(g.handle(t));
  const auto wanted = here.run(fetched, feed(g.handle(region.inputs()[0]), x));
  const auto got = there.run(loaded.outputs, feed(loaded.inputs[0], x));
  REQUIRE(got.size() == 2);
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i].same_bits(wanted[i]));
}

TEST_CASE("a file of version 2 goes on being loaded", "[edge-86]") {
  Graph g, to;
  const Region region = version_2(g);
  const temporary_file file;
  const loaded_region loaded = load_kept(file, region_version_2, region, to);
  const Array x = Array::from<float>({2, 3}, {1, -2, 3, -4, 5, -6});
  CHECK(Session(to)
            .run(loaded.outputs[0], feed(loaded.inputs[0], x))
            .same_bits(Array::from<float>({2, 3}, {0.75f, 2, 5.75f, -0.5f, -5, -14.5f})));
  // It is written again as it was.
  save_region(file.path, loaded.region);
  CHECK(file.bytes() == region_version_2);
}
