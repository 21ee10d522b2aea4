// Pictures of differences.
#include "graft/report/diff_drawing.hpp"

#include "graft/report/surgery_drawing.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;
using graft_test::two_layers;

namespace {

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

constexpr const char* grey = "fillcolor=\"#f1f5f9\"";
constexpr const char* amber = "fillcolor=\"#fef3c7\"";
constexpr const char* red = "fillcolor=\"#fee2e2\"";
constexpr const char* green = "fillcolor=\"#dcfce7\"";

}  // namespace

TEST_CASE("equal regions are drawn grey [edge-94]") {
  Graph g;
  const row4 x = input4(g);
  const row4 y = two_layers(x);
  const Region region = extract(inputs(x), outputs(y));
  const Clone c = clone(region);
  const std::string text = diff_dot(region, extract(inputs(c(x)), outputs(c(y))));
  // Two layers of two ops and two variables each, a relu, the ports. Initial values are left out.
  CHECK(count(text, grey) == 2 * 4 + 1 + 2);
  CHECK(count(text, " -> ") == 2 * 4 + 1 + 1);
  for (const char* other : {amber, red, green}) CHECK(count(text, other) == 0);
  CHECK(text == diff_dot(region, extract(inputs(c(x)), outputs(c(y)))));
}

TEST_CASE("what differs is coloured, on both sides") {
  Graph g, h;
  const row4 x = input4(g), z = input4(h);
  const Region a =
      extract(inputs(x), outputs(tanh(neg(leaky_relu(x, 0.1, "act"), "minus"), "top")));
  const Region b = extract(inputs(z), outputs(exp(tanh(leaky_relu(z, 0.2, "act"), "top"), "more")));
  const std::string text = diff_dot(a, b);
  INFO(text);
  CHECK(count(text, amber) == 1);
  CHECK(mentions(text, "attribute 'alpha' of 'act' is 0.1, of 'act' 0.2"));
  CHECK(count(text, red) == 1);
  CHECK(count(text, green) == 1);
  CHECK(mentions(text, "[label=\"minus\", fillcolor=\"#fee2e2\""));
  CHECK(mentions(text, "[label=\"more\", fillcolor=\"#dcfce7\""));
  CHECK(count(text, "[color=\"#b91c1c\"]") == 3);  // act -> minus -> top -> output
  CHECK(count(text, "[color=\"#15803d\"]") == 3);  // act -> top -> more -> output
  CHECK(count(text, "[color=\"#94a3b8\"]") == 1);  // input -> act

  const std::string picture = diff_svg(a, b);
  CHECK(picture.starts_with("<svg "));
  CHECK(picture.ends_with("</svg>\n"));
  CHECK(count(picture, "<text") == 6 + 4);  // the boxes and the legend
  CHECK(mentions(picture, ">minus<"));
  CHECK(picture == diff_svg(a, b));
}

TEST_CASE("graphs, names with odd characters, and sides that are in each other's way") {
  Graph g, h;
  const row4 x = input4(g), z = input4(h);
  (void)tanh(relu(x, "a<\"&"));
  (void)relu(tanh(z));
  CHECK(mentions(diff_svg(g, h), "a&lt;&quot;&amp;"));
  CHECK(mentions(diff_dot(g, h), "a<\\\"&"));
  CHECK(mentions(diff_svg(g, Graph()), "left only"));
  CHECK(diff_dot(Graph(), Graph()).starts_with("digraph"));
  // Orders that contradict each other make a circle of both sides together.
  Graph k, l;
  const row4 p = input4(k), q = input4(l);
  const row4 a = relu(p), b = tanh(p);
  (void)add(sub(a, b), b);
  const row4 c = relu(q);
  const row4 d = tanh(c);
  (void)add(sub(c, d), d);
  CHECK(mentions(diff_svg(k, l), "</svg>"));
}

TEST_CASE("ops without outputs are drawn") {
  Graph g;
  const row4 x = input4(g);
  const row4 h = relu(x), y = tanh(h);
  const op_id guard = g.add(schemas::check, std::vector{id_of(h)}, {}, "guard");
  g.add_control_edge(guard, op_of(y));
  const Region with = extract(inputs(x), outputs(y)), without = extract(inputs(x), outputs(h));
  REQUIRE(with.contains(guard));
  for (const std::string& text : {dot(with), svg(with), dot(with, clone(with, bind(x, x)))}) {
    CHECK(mentions(text, "guard"));
  }
  CHECK(count(diff_dot(with, with), "guard") > 0);
  CHECK(count(diff_dot(without, with), green) == 2);  // tanh and guard
}
