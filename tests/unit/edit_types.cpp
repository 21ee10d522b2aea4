// What edits put in the place of a tensor has its element type, rank and known extents, unless shapes may change.
#include <functional>

#include "graft/surgery/splice.hpp"
#include "graft/surgery/substitute.hpp"

#include "clone_fixture.hpp"

using namespace graft;
using namespace graft_test;

namespace {

using two_by_four = tensor<Graph, dtype::float32, shape<2, 4>>;

// Two lines of ops on inputs of several types; handles without static types where edits are to be told at run time.
struct lines {
  Graph g;
  two_by_four a = placeholder<float, shape<2, 4>>(g, "a"), y = relu(a, "y"), z = exp(y, "z");
  tensor<Graph, dtype::float32, shape<8, 5>> big = placeholder<float, shape<8, 5>>(g, "big");
  decltype(big) of_big = relu(big, "of_big"), end = exp(of_big, "end");
  tensor<Graph, dtype::float64, shape<2, 4>> d = placeholder<double, shape<2, 4>>(g, "d");
  decltype(d) of_d = relu(d, "of_d"), last = exp(of_d, "last");
  any_tensor other_shape = big, other_type = d;
  any_tensor open = placeholder<float, shape<dyn, 4>>(g, "open");

  [[nodiscard]] value_type type(const any_tensor& t) const { return g.type_of(g.id(t)); }
  [[nodiscard]] Region narrow() const { return extract(inputs(a), outputs(y)); }
  [[nodiscard]] Region wide() const { return extract(inputs(big), outputs(of_big)); }
  [[nodiscard]] Region doubles() const { return extract(inputs(d), outputs(of_d)); }
};

struct edit {
  const char* name;
  std::function<void(lines&)> run;
  std::function<void(lines&)> prepare = [](lines&) {};
};

// What is refused leaves the graph as it was and says what was to come in whose place.
template <class Error>
void refused(const std::vector<edit>& edits, const std::vector<std::string>& words) {
  for (const edit& e : edits) {
    INFO(e.name);
    lines s;
    e.prepare(s);
    const auto before = s.g.digest();
    const std::string text = message_of<Error>([&] { e.run(s); });
    INFO(text);
    for (const std::string& word : words) CHECK(mentions(text, word));
    CHECK(mentions(text, e.name));
    CHECK(s.g.digest() == before);
    s.g.validate();
  }
}

any_tensor as_double(const any_tensor& t) {
  return any_tensor(cast<double>(as<float, shape<2, 4>>(t)));
}
any_tensor turned(const any_tensor& t) { return any_tensor(transpose(as<float, shape<2, 4>>(t))); }

}  // namespace

TEST_CASE("another element type in the place of a tensor is refused", "[edit]") {
  refused<dtype_error>(
      {
          {"reroute", [](lines& s) { reroute(any_tensor(s.a), s.other_type); }},
          {"reroute",
           [](lines& s) { reroute(any_tensor(s.a), s.other_type, reshaping::allow, any_op()); }},
          {"swap_uses", [](lines& s) { swap_uses(any_tensor(s.a), s.other_type); }},
          {"swap_uses", [](lines& s) { swap_uses(s.g, op_of(s.a), op_of(s.d)); }},
          {"swap_operands", [](lines& s) { swap_operands(s.g, op_of(s.y), op_of(s.of_d)); }},
          {"connect", [](lines& s) { connect(s.d, op_of(s.y), 0); }},
          {"connect", [](lines& s) { connect(s.d, op_of(s.y), 0, reshaping::allow); }},
          {"connect", [](lines& s) { connect(s.doubles(), extract(inputs(s.y), outputs(s.z))); }},
          {"swap_inputs", [](lines& s) { swap_inputs(s.narrow(), s.doubles()); }},
          {"swap_outputs", [](lines& s) { swap_outputs(s.narrow(), s.doubles()); }},
          {"insert_after", [](lines& s) { insert_after(any_tensor(s.a), as_double); }},
          {"insert_after",
           [](lines& s) {
             insert_after(s.a, ops::cast, attribute_list().set("type", dtype::float64));
           }},
          {"insert_before", [](lines& s) { insert_before(s.g, op_of(s.y), 0, as_double); }},
          {"splice",
           [](lines& s) { splice(s.doubles(), in_place_of(any_tensor(s.y), any_tensor(s.of_d))); }},
          {"bypass", [](lines& s) { bypass(s.g, *s.g.find_op("cast"), reshaping::allow); },
           [](lines& s) { (void)relu(cast<double>(s.a)); }},
      },
      {"float32 [2, 4]", "float64", "element types", "cast<T>(x)"});
}

TEST_CASE("another shape in the place of a tensor is refused unless it may change", "[edit]") {
  refused<shape_error>(
      {
          {"reroute", [](lines& s) { reroute(any_tensor(s.a), s.other_shape); }},
          {"reroute",
           [](lines& s) {
             reroute(std::vector<any_tensor>{s.d, s.a}, std::vector<any_tensor>{s.d, s.big});
           }},
          {"swap_uses", [](lines& s) { swap_uses(any_tensor(s.a), s.other_shape); }},
          {"swap_uses", [](lines& s) { swap_uses(s.g, op_of(s.a), op_of(s.big)); }},
          {"swap_operands", [](lines& s) { swap_operands(s.g, op_of(s.y), op_of(s.of_big)); }},
          {"connect", [](lines& s) { connect(s.big, op_of(s.y), 0); }},
          {"connect", [](lines& s) { connect(s.wide(), extract(inputs(s.y), outputs(s.z))); }},
          {"swap_inputs", [](lines& s) { swap_inputs(s.narrow(), s.wide()); }},
          {"swap_outputs", [](lines& s) { swap_outputs(s.narrow(), s.wide()); }},
          {"splice",
           [](lines& s) { splice(s.wide(), in_place_of(any_tensor(s.y), any_tensor(s.of_big))); }},
      },
      {"float32 [2, 4]", "float32 [8, 5]", "extents 2 and 8", "reshaping::allow"});
  refused<shape_error>(
      {
          {"insert_after", [](lines& s) { insert_after(any_tensor(s.a), turned); }},
          {"insert_before", [](lines& s) { insert_before(s.g, op_of(s.y), 0, turned); }},
          {"bypass", [](lines& s) { bypass(s.g, *s.g.find_op("transpose")); },
           [](lines& s) { (void)relu(transpose(s.a)); }},
      },
      {"[2, 4]", "[4, 2]", "reshaping::allow"});
  // What is less known does not do for what was known, but the other way round.
  refused<shape_error>({{"reroute", [](lines& s) { reroute(any_tensor(s.a), s.open); }},
                        {"swap_uses", [](lines& s) { swap_uses(any_tensor(s.a), s.open); }}},
                       {"extent 2 of axis 0 is not known", "as<T, shape<...>>(x)"});
  lines s;
  (void)tanh(s.open);
  CHECK(reroute(s.open, s.a) == 1);
}

TEST_CASE("shapes that may change are worked out anew", "[edit]") {
  const value_type small = value_type::of(dtype::float32, {2, 4}),
                   large = value_type::of(dtype::float32, {8, 5});
  const std::vector<edit> edits{
      {"reroute", [](lines& s) { CHECK(reroute(s.a, s.big, reshaping::allow) == 1); }},
      {"reroute some",
       [](lines& s) { CHECK(reroute(s.a, s.big, among({op_of(s.y)}), reshaping::allow) == 1); }},
      {"swap_uses", [](lines& s) { CHECK(swap_uses(s.a, s.big, reshaping::allow) == 2); }},
      {"swap_uses of ops",
       [](lines& s) { CHECK(swap_uses(s.g, op_of(s.a), op_of(s.big), reshaping::allow) == 2); }},
      {"swap_operands",
       [](lines& s) {
         CHECK(swap_operands(s.g, op_of(s.y), op_of(s.of_big), reshaping::allow) == 2);
       }},
      {"connect", [](lines& s) { connect(s.big, op_of(s.y), 0, reshaping::allow); }},
      {"connect regions",
       [](lines& s) {
         CHECK(connect(s.wide(), extract(inputs(s.y), outputs(s.z)), reshaping::allow) == 1);
       }},
      {"swap_inputs",
       [](lines& s) { CHECK(swap_inputs(s.narrow(), s.wide(), reshaping::allow) == 2); }},
      {"swap_outputs",
       [](lines& s) { CHECK(swap_outputs(s.narrow(), s.wide(), reshaping::allow) == 2); }},
      {"splice",
       [](lines& s) {
         splice(s.wide(), in_place_of(s.y, s.of_big, reshaping::allow), bind(s.big, s.big));
       }},
      {"insert_before",
       [](lines& s) {
         insert_before(
             s.g, op_of(s.y), 0, [&](const any_tensor&) { return s.other_shape; },
             reshaping::allow);
       }},
  };
  for (const edit& e : edits) {
    INFO(e.name);
    lines s;
    REQUIRE(s.type(s.z) == small);
    e.run(s);
    CHECK(s.type(s.z) == large);
    s.g.validate();
  }
  lines s;
  const auto turned_a =
      insert_after(s.a, [](const two_by_four& t) { return transpose(t); }, reshaping::allow);
  CHECK(s.type(s.z) == value_type::of(dtype::float32, {4, 2}));
  bypass(s.g, op_of(turned_a), reshaping::allow);
  CHECK(s.type(s.z) == small);
  insert_after(s.a, ops::transpose, attribute_list().set("axes", dims{1, 0}), any_op(),
               reshaping::allow);
  CHECK(s.type(s.z) == value_type::of(dtype::float32, {4, 2}));
}

TEST_CASE("handles whose static types edits made false are refused by what looks into graphs",
          "[edit]") {
  lines s;
  reroute(s.a, s.big, reshaping::allow);
  const Region region = extract(inputs(s.big), outputs(s.y));
  const Clone copy = clone(region);
  const std::string text = message_of<shape_error>([&] { (void)copy(s.y); });
  CHECK(mentions(text, "float32 [2, 4]"));
  CHECK(mentions(text, "float32 [8, 5]"));
  CHECK_THROWS_AS(copy.find(s.y), shape_error);
  CHECK_THROWS_AS(substitute(s.z, bind(s.big, s.big)), shape_error);
  CHECK(as<float, shape<8, 5>>(copy(any_tensor(s.y))).ref().id == copy.outputs()[0]);
  // A clone made before is as it was.
  lines t;
  const Clone before = clone(t.narrow(), bind(t.a, t.a));
  reroute(t.a, t.big, among({op_of(t.y)}), reshaping::allow);
  CHECK(t.type(before(t.y)) == value_type::of(dtype::float32, {2, 4}));
  CHECK_THROWS_AS(before.original(before(t.y)), shape_error);
}
