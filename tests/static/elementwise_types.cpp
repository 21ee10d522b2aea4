// The types of elementwise operators, sources and initialisers, worked out by the compiler.
#include "graft/ops/elementwise.hpp"
#include "graft/ops/initializers.hpp"

namespace {

// The least that can stand for a graph: it counts ops and runs shape rules.
struct Tally;
struct tally_reference {
  Tally* tally = nullptr;
  std::uint32_t value = 0;
  constexpr bool operator==(const tally_reference&) const = default;
};
struct Tally {
  std::uint32_t ops = 0;
  const graft::operator_schema* last = nullptr;
  graft::attribute_list last_attributes;
  graft::value_type types[64]{};
};

}  // namespace

template <>
struct graft::target_traits<Tally> {
  using reference = tally_reference;
  static constexpr Tally& target_of(const reference& r) { return *r.tally; }
  static constexpr value_type type_of(const reference& r) { return r.tally->types[r.value]; }
  static constexpr small_vector<reference, 1> add(Tally& t, const operator_schema& schema,
                                                  std::span<const reference> operands,
                                                  const attribute_list& attributes,
                                                  std::string_view, source_line) {
    small_vector<value_type, 3> types;
    for (const reference& r : operands) types.push_back(type_of(r));
    const inferred answer = infer(schema, {types, attributes});
    if (answer.error) throw answer.error.clause;
    t.last = &schema;
    t.last_attributes = attributes;
    t.types[t.ops] = answer.outputs[0];
    small_vector<reference, 1> result;
    result.push_back({&t, t.ops++});
    return result;
  }
};

namespace {

using namespace graft;

template <dtype Type, class Shape>
using handle = tensor<Tally, Type, Shape>;
template <class Shape>
using f32 = handle<dtype::float32, Shape>;
template <class Shape>
using truth = handle<dtype::boolean, Shape>;

template <class A, class B>
inline constexpr bool same = std::is_same_v<A, B>;
template <class A, class B>
using sum = decltype(std::declval<f32<A>>() + std::declval<f32<B>>());

// Broadcasting: aligned at the last axis; 1 gives way, a known extent decides over an unknown one.
static_assert(same<sum<shape<2, 3>, shape<2, 3>>, f32<shape<2, 3>>>);
static_assert(same<sum<shape<2, 3>, shape<3>>, f32<shape<2, 3>>>);
static_assert(same<sum<shape<3>, shape<2, 3>>, f32<shape<2, 3>>>);
static_assert(same<sum<shape<2, 1>, shape<1, 3>>, f32<shape<2, 3>>>);
static_assert(same<sum<shape<>, shape<4>>, f32<shape<4>>>);
static_assert(same<sum<shape<0, 3>, shape<1, 3>>, f32<shape<0, 3>>>);
static_assert(same<sum<shape<dyn, 3>, shape<3>>, f32<shape<dyn, 3>>>);
static_assert(same<sum<shape<dyn>, shape<1>>, f32<shape<dyn>>>);
static_assert(same<sum<shape<dyn>, shape<5>>, f32<shape<5>>>);
static_assert(same<sum<shape<dyn>, shape<dyn>>, f32<shape<dyn>>>);
static_assert(same<sum<shape<dim<"n">>, shape<dim<"n">>>, f32<shape<dim<"n">>>>);
static_assert(same<sum<shape<dim<"n">>, shape<1>>, f32<shape<dim<"n">>>>);
static_assert(same<sum<shape<dim<"n">>, shape<dim<"m">>>, f32<shape<dyn>>>);
static_assert(same<sum<shape<dim<"n">>, shape<7>>, f32<shape<7>>>);
static_assert(same<sum<any_shape, shape<3>>, f32<any_shape>>);

template <class X>
using doubled = decltype(std::declval<X>() * 2.0);
static_assert(same<doubled<f32<shape<dyn, 4>>>, f32<shape<dyn, 4>>>);
static_assert(same<doubled<handle<dtype::float64, shape<4>>>, handle<dtype::float64, shape<4>>>);
static_assert(same<decltype(1 - std::declval<handle<dtype::int32, shape<4>>>()),
                   handle<dtype::int32, shape<4>>>);
static_assert(same<doubled<handle<dtype::any, any_shape>>, handle<dtype::any, any_shape>>);
static_assert(
    same<decltype(std::declval<handle<dtype::any, any_shape>>() + std::declval<f32<shape<2>>>()),
         f32<any_shape>>);

static_assert(same<decltype(-std::declval<f32<shape<2>>>()), f32<shape<2>>>);
static_assert(same<decltype(relu(std::declval<f32<shape<2, dyn>>>())), f32<shape<2, dyn>>>);
static_assert(same<decltype(std::declval<f32<shape<2, 1>>>() < std::declval<f32<shape<3>>>()),
                   truth<shape<2, 3>>>);
static_assert(same<decltype(std::declval<f32<shape<2>>>() >= 0), truth<shape<2>>>);
static_assert(same<decltype(cast<std::int64_t>(std::declval<f32<shape<2>>>())),
                   handle<dtype::int64, shape<2>>>);
static_assert(
    same<decltype(cast(std::declval<f32<shape<2>>>(), dtype::int8)), handle<dtype::any, shape<2>>>);
static_assert(
    same<decltype(select(std::declval<truth<shape<2, 1>>>(), std::declval<f32<shape<3>>>(), 0)),
         f32<shape<2, 3>>>);
static_assert(same<decltype(is_nan(std::declval<f32<shape<2>>>())), truth<shape<2>>>);

// A handle is not comparable by == and !=, which would read as comparing handles.
template <class X>
concept equality = requires(X a, X b) { a == b; };
static_assert(!equality<f32<shape<2>>>);

static_assert(same<decltype(placeholder<float, shape<dyn, 784>>(std::declval<Tally&>(), "x")),
                   f32<shape<dyn, 784>>>);
static_assert(
    same<decltype(placeholder<float, any_shape>(std::declval<Tally&>())), f32<any_shape>>);
static_assert(same<decltype(constant(std::declval<Tally&>(), 2.0f)), f32<shape<>>>);
static_assert(same<decltype(constant(std::declval<Tally&>(), true)), truth<shape<>>>);
static_assert(
    same<decltype(fill<float, shape<2, 3>>(std::declval<Tally&>(), 1)), f32<shape<2, 3>>>);
static_assert(same<decltype(zeros_like(std::declval<f32<shape<dyn>>>())), f32<shape<dyn>>>);
static_assert(
    same<decltype(fill_like<bool>(std::declval<f32<shape<dyn>>>(), true)), truth<shape<dyn>>>);
static_assert(same<decltype(random_normal<float, shape<2, 3>>(
                       std::declval<handle<dtype::int64, shape<2>>>())),
                   f32<shape<2, 3>>>);

// The same functions in constant evaluation: what they add, and in which order.
constexpr std::uint32_t ops_of_chain() {
  Tally t;
  const auto x = placeholder<float, shape<4, 3>>(t, "x");
  const auto b = placeholder<float, shape<3>>(t, "b");
  const auto y = relu(tanh(x * 2.0f + b) * x - 1);  // two scalars
  return y.ref().value + 1;
}
static_assert(ops_of_chain() == 2 + 2 + 2 + 4);

constexpr bool number_takes_the_tensor_type() {
  Tally t;
  const auto x = placeholder(t, dtype::int64, dims{3});
  const auto y = x + 1;  // the type of x is known to the target alone
  return target_traits<Tally>::type_of(y.ref()) == value_type::of(dtype::int64, {3});
}
static_assert(number_takes_the_tensor_type());

constexpr bool attributes_arrive() {
  Tally t;
  const auto x = placeholder<float, shape<3>>(t);
  const auto y = leaky_relu(x, 0.3);
  const bool first = t.last == &ops::leaky_relu && t.last_attributes.real("alpha") == 0.3;
  clip(y, -1, 1);
  return first && t.last_attributes.real("low") == -1 && t.last_attributes.real("high") == 1;
}
static_assert(attributes_arrive());

// Initialisers: the fans of dense weights and of filters, and the bounds made of them.
static_assert(fans_of({784, 128}) == fans{784, 128});
static_assert(fans_of({16, 3, 5, 5}) == fans{75, 400});
static_assert(fans_of({7}) == fans{7, 7});
static_assert(fans_of({}) == fans{1, 1});

constexpr bool near(double a, double b) { return a - b < 1e-15 * b && b - a < 1e-15 * b; }
constexpr double bound_of(const initializer& i, const dims& shape, std::string_view key) {
  return i.make(dtype::float32, shape).attributes.real(key, -1);
}
constexpr const operator_schema* schema_of(const initializer& i, const dims& shape) {
  return i.make(dtype::float32, shape).schema;
}
static_assert(near(bound_of(glorot_uniform(), {3, 3}, "high"), 1.0));
static_assert(bound_of(glorot_uniform(), {3, 3}, "low") ==
              -bound_of(glorot_uniform(), {3, 3}, "high"));
static_assert(near(bound_of(he_uniform(), {6, 100}, "high"), 1.0));
static_assert(near(bound_of(lecun_uniform(), {12, 100}, "high"), 0.5));
static_assert(near(bound_of(he_normal(), {8, 2, 2, 2}, "stddev"), 0.5 / 0.87962566103423978));
static_assert(near(bound_of(glorot_normal(), {100, 100}, "stddev"), 0.1 / 0.87962566103423978));
static_assert(schema_of(he_uniform(), {2, 2}) == &ops::random_uniform);
static_assert(schema_of(he_normal(), {2, 2}) == &ops::truncated_normal);
static_assert(schema_of(orthogonal(), {2, 2}) == &ops::orthogonal);
static_assert(schema_of(zeros(), {2}) == &ops::fill);
static_assert(bound_of(ones(), {2}, "value") == 1);
static_assert(bound_of(lecun_uniform(), {0, 0}, "high") > 0);  // no division by an empty fan

}  // namespace
