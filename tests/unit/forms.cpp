// Canonical forms of elementwise chains, and the derivatives of forms.
#include <bit>

#include "graft/core/form.hpp"
#include "graft/fuse/derivative.hpp"

#include "catch.hpp"

using namespace graft;

namespace {

constexpr std::uint8_t node(int i) { return static_cast<std::uint8_t>(node_reference + i); }

// relu(x * w + b), written in two orders.
constexpr elementwise_form one_way() {
  elementwise_form f;
  const auto x = f.add_operand(operand_class::full), w = f.add_operand(operand_class::row),
             b = f.add_operand(operand_class::row);
  f.add_node({form_op::mul, false, {x, w}});
  f.add_node({form_op::add, false, {node(0), b}});
  f.add_node({form_op::relu, true, {node(1)}});
  return f;
}
constexpr elementwise_form other_way() {
  elementwise_form f;
  const auto b = f.add_operand(operand_class::row), w = f.add_operand(operand_class::row),
             x = f.add_operand(operand_class::full);
  f.add_node({form_op::mul, false, {w, x}});
  f.add_node({form_op::add, false, {b, node(0)}});
  f.add_node({form_op::relu, true, {node(1)}});
  return f;
}

}  // namespace

TEST_CASE("a form does not depend on the order of its parts", "[forms]") {
  STATIC_REQUIRE(canonical(one_way()).form == canonical(other_way()).form);
  STATIC_REQUIRE(canonical(one_way()).form == form_of("f0 r1 mul r2 add relu"));
  STATIC_REQUIRE(canonical(one_way()).form == form_of("r2 r1 f0 mul add relu"));
  CHECK(hash_of(canonical(one_way()).form) == hash_of(canonical(other_way()).form));
  CHECK(hash_of_operators(one_way()) == hash_of_operators(other_way()));
  // A canonical form is its own.
  const elementwise_form f = canonical(one_way()).form;
  CHECK(canonical(f).form == f);
}

TEST_CASE("two sinks and shared operands are told apart", "[forms]") {
  CHECK(form_of("f0 f1 mul! f0 f2 mul!") == form_of("f0 f2 mul! f0 f1 mul!"));
  CHECK(form_of("f0 f1 mul f0 add") == form_of("f1 f1 f0 mul add"));
  CHECK(!(form_of("f0 f1 mul f0 add") == form_of("f0 f1 mul f2 add")));
  CHECK(!(form_of("f0 f1 sub") == form_of("f0 r1 sub")));
  CHECK(!(form_of("f0 r1 sub") == form_of("r1 f0 sub")));
  CHECK(!(form_of("f0 f1 add! relu") == form_of("f0 f1 add relu")));
  CHECK(!(form_of("f0 #2 mul") == form_of("f0 #3 mul")));
  CHECK(!(form_of("f0 f1 maximum f0 add") == form_of("f1 f0 maximum f0 add")));
}

TEST_CASE("where a canonical form's parts were", "[forms]") {
  const elementwise_form before = other_way();
  const canonical_form after = canonical(before);
  for (std::size_t i = 0; i < after.form.node_count; ++i) {
    CHECK(after.form.nodes[i].op == before.nodes[after.node_from[i]].op);
  }
  for (std::size_t k = 0; k < after.form.operand_count; ++k) {
    CHECK(after.form.operands[k] == before.operands[after.operand_from[k]]);
  }
}

TEST_CASE("forms in words", "[forms]") {
  for (const char* text :
       {"f0 f1 add relu", "f0 f1 mul! f0 n0 mul", "f0 #0.5 mul f1 sigmoid_gradient"}) {
    CHECK(form_of(to_string(form_of(text))) == form_of(text));
  }
  elementwise_form f;
  f.add_node({form_op::clip,
              true,
              {f.add_operand(operand_class::full)},
              {0, std::bit_cast<std::uint64_t>(6.0)}});
  CHECK(to_string(f) == "f0 clip(0,6)");
}

TEST_CASE("constants as float32 holds them", "[forms]") {
  const elementwise_form f = rounded_to_float(form_of("f0 #0.1 mul"));
  CHECK(std::bit_cast<double>(f.operands[0].what == operand_class::constant
                                  ? f.operands[0].number
                                  : f.operands[1].number) == static_cast<double>(0.1f));
}

TEST_CASE("the derivative of a form", "[forms]") {
  const fused::derivative d = fused::differentiate(form_of("f0 r1 mul r2 add tanh"), ~0u);
  REQUIRE(d.exists);
  CHECK(canonical(d.forward).form == form_of("f0 r1 mul r2 add tanh"));  // it saves its result only
  CHECK(canonical(d.backward).form == form_of("f0 f1 tanh_gradient! r2 mul! n0 f3 mul!"));
  const fused::derivative saving = fused::differentiate(form_of("f0 r1 add gelu"), ~0u);
  REQUIRE(saving.exists);
  CHECK(canonical(saving.forward).form == form_of("f0 r1 add! gelu"));
  // Nothing to do where the gradient passes as it is.
  CHECK(!fused::differentiate(form_of("f0 f1 add"), ~0u).exists);
  CHECK(!fused::differentiate(form_of("f0 f1 mul"), 0).exists);
}
