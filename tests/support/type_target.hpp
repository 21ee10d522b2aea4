// The smallest target of building: it keeps the types of tensors and nothing else. It works in
// constant evaluation, so operators can be tried in static_assert.
#pragma once

#include <vector>

#include "graft/schema/apply.hpp"

namespace graft::test {

struct type_target {
  std::vector<value_type> types;
};

struct type_reference {
  type_target* target = nullptr;
  std::size_t place = 0;
  constexpr bool operator==(const type_reference&) const = default;
};

}  // namespace graft::test

template <>
struct graft::target_traits<graft::test::type_target> {
  using target = graft::test::type_target;
  using reference = graft::test::type_reference;

  static constexpr target& target_of(const reference& r) { return *r.target; }
  static constexpr value_type type_of(const reference& r) { return r.target->types[r.place]; }
  static constexpr void enter_scope(target&, std::string_view) {}
  static constexpr void leave_scope(target&) {}
  // Throws where operands do not fit, which ends constant evaluation with an error.
  static constexpr small_vector<reference, 1> add(target& t, const operator_schema& schema,
                                                  std::span<const reference> operands,
                                                  const attribute_list& attributes,
                                                  std::string_view, source_line) {
    small_vector<value_type, 4> types;
    for (const reference& r : operands) types.push_back(type_of(r));
    const inferred answer = infer(schema, {types, attributes});
    if (answer.error) throw answer.error.clause;
    small_vector<reference, 1> result;
    for (const value_type& type : answer.outputs) {
      result.push_back({&t, t.types.size()});
      t.types.push_back(type);
    }
    return result;
  }
};

namespace graft::test {

/// A handle of static element type and extents.
template <class T, extent... Extents>
using input = tensor<type_target, dtype_of<T>, shape<Extents...>>;
/// A handle that knows nothing.
using unknown_input = tensor<type_target, dtype::any, any_shape>;

/// Adds a tensor of a type to a target.
template <class Tensor>
constexpr Tensor make(type_target& t, const value_type& type) {
  t.types.push_back(type);
  return Tensor(type_reference{&t, t.types.size() - 1});
}
template <class Tensor>
constexpr Tensor make(type_target& t) {
  return make<Tensor>(t, value_type_of<Tensor::type, typename Tensor::shape_type>());
}

/// True where a handle has this element type and these extents in its type.
template <class T, extent... Extents, class Tensor>
constexpr bool has_type(const Tensor&) {
  return Tensor::type == dtype_of<T> &&
         std::is_same_v<typename Tensor::shape_type, shape<Extents...>>;
}

/// True where the target knows this of the tensor.
template <class Tensor>
constexpr bool known_as(const Tensor& t, dtype type, const dims& extents) {
  const value_type known = target_traits<type_target>::type_of(t.ref());
  return known == value_type::of(type, extents);
}

/// True where what the type of a handle says is what the target knows.
template <class Tensor>
constexpr bool agrees(const Tensor& t) {
  return target_traits<type_target>::type_of(t.ref()) ==
         value_type_of<Tensor::type, typename Tensor::shape_type>();
}

}  // namespace graft::test
