// Adding an op through typed handles: the shape rule runs in the types first, then in the target.
#pragma once

#include <array>
#include <tuple>

#include "graft/core/error.hpp"
#include "graft/core/name_view.hpp"
#include "graft/schema/mismatch.hpp"
#include "graft/schema/target.hpp"

namespace graft {

/// Attributes that are part of the type: `static constexpr attribute_list list()`.
struct no_attributes {
  static constexpr attribute_list list() { return {}; }
};

namespace detail {

// A value_type without heap, so that it can be stored in a constexpr variable.
struct static_value {
  dtype type = dtype::any;
  bool ranked = false;
  std::size_t rank = 0;
  extent extents[12]{};

  constexpr static_value() = default;
  constexpr explicit static_value(const value_type& v)
      : type(v.type), ranked(v.ranked), rank(v.shape.size()) {
    for (std::size_t i = 0; i < rank; ++i) extents[i] = v.shape[i];
  }
};

template <std::size_t MaxOutputs = 4>
struct static_result {
  bool failed = false;
  bool about_type = false;
  static_value needs, got;
  const char* clause = nullptr;
  std::size_t count = 0;
  static_value outputs[MaxOutputs]{};
};

template <const operator_schema& Schema, class Attributes, class... Types>
constexpr auto infer_static() {
  const std::array<value_type, sizeof...(Types)> operands{
      value_type_of<Types::type, typename Types::shape_type>()...};
  const attribute_list attributes = Attributes::list();
  const inferred answer = infer(Schema, {operands, attributes});
  static_result<> result;
  result.failed = static_cast<bool>(answer.error);
  if (result.failed) {
    result.about_type = answer.error.about_type;
    result.needs = static_value(answer.error.needs);
    result.got = static_value(answer.error.got);
    result.clause = answer.error.clause;
    return result;
  }
  result.count = answer.outputs.size();
  for (std::size_t i = 0; i < result.count && i < 4; ++i) {
    result.outputs[i] = static_value(answer.outputs[i]);
  }
  return result;
}

template <const operator_schema& Schema, class Attributes, class... Types>
inline constexpr auto static_inference = infer_static<Schema, Attributes, Types...>();

template <const static_value& V, class I>
struct shape_from;
template <const static_value& V, std::size_t... I>
struct shape_from<V, std::index_sequence<I...>> {
  using type = shape<V.extents[I]...>;
};

template <const auto& Result, std::size_t Output>
inline constexpr static_value output_value = Result.outputs[Output];
template <const auto& Result>
inline constexpr static_value needs_value = Result.needs;
template <const auto& Result>
inline constexpr static_value got_value = Result.got;

template <const static_value& V>
constexpr auto shape_type_of() {
  if constexpr (V.ranked) {
    return typename shape_from<V, std::make_index_sequence<V.rank>>::type{};
  } else {
    return any_shape{};
  }
}

template <class Target, const auto& Result, std::size_t Output>
using output_tensor = tensor<Target, Result.outputs[Output].type,
                             decltype(shape_type_of<output_value<Result, Output>>())>;

template <const operator_schema& Schema>
constexpr auto schema_label() {
  constexpr std::size_t n = Schema.name.size();
  text<n + 1> label{};
  for (std::size_t i = 0; i < n; ++i) label.data[i] = Schema.name[i];
  return label;
}

template <auto Label, const auto& Result>
constexpr void check_static() {
  if constexpr (Result.failed && Result.about_type) {
    refuse_type<Label, Result.needs.type, Result.got.type>();
  } else if constexpr (Result.failed && Result.needs.ranked) {
    refuse_shape<Label, decltype(shape_type_of<needs_value<Result>>()),
                 decltype(shape_type_of<got_value<Result>>())>();
  } else if constexpr (Result.failed) {
    struct clause {
      static constexpr std::string_view value() { return Result.clause; }
    };
    bad_attribute<Label, why_of<clause>, got<shown<decltype(shape_type_of<got_value<Result>>())>>>
        error{};
    (void)error;
  }
}

// The references of an op's outputs where they are numbered one after the other.
template <class Reference>
struct consecutive_references {
  Reference first;
  constexpr Reference operator[](std::size_t i) const {
    Reference r = first;
    r.value += static_cast<std::uint32_t>(i);
    return r;
  }
};

template <class Target, const auto& Result, class References, std::size_t... I>
constexpr auto outputs_tuple(const References& refs, std::index_sequence<I...>) {
  return std::tuple<output_tensor<Target, Result, I>...>(
      output_tensor<Target, Result, I>(refs[I])...);
}

// What an op is made of but for its operands. Attributes come as a function and a list, either of which may be absent; flags
// tell, because the address of an object is not always known to differ from null in constant evaluation.
struct op_parts {
  const operator_schema* schema;
  attribute_list (*fixed)();
  bool has_fixed;
  const attribute_list* more;
  bool has_more;
  std::string_view name;
  source_line line;
  const stated_type* stated = nullptr;  // of the operands, if their handles are to be checked
};

// The parts of adding an op that depend on no types but the target's: one copy of code, however many shapes.
template <class Target>
[[gnu::noinline]] constexpr auto add_op(Target& target, const op_parts& op,
                                        const typename target_traits<Target>::reference* operands,
                                        std::size_t count) {
  if constexpr (checks_stated<Target>) {
    if (op.stated != nullptr) {
      target_traits<Target>::check_stated({operands, count}, op.stated, op.schema->name, op.line);
    }
  }
  attribute_list attributes;
  if (op.has_fixed) attributes = op.fixed();
  if (op.has_more) attributes.set(*op.more);
  return target_traits<Target>::add(target, *op.schema, {operands, count}, attributes, op.name,
                                    op.line);
}
template <class Target>
[[gnu::noinline]] constexpr auto add_op_beside(
    const op_parts& op, const typename target_traits<Target>::reference* operands,
    std::size_t count) {
  return add_op<Target>(target_traits<Target>::target_of(operands[0]), op, operands, count);
}
template <class Target>
[[gnu::noinline]] constexpr typename target_traits<Target>::reference add_single_op(
    const op_parts& op, const typename target_traits<Target>::reference* operands,
    std::size_t count) {
  return add_op_beside<Target>(op, operands, count)[0];
}
// The same where constant evaluation knows the outputs' types: every call counts there.
template <class Target>
constexpr auto add_known_op(const op_parts& op,
                            const typename target_traits<Target>::reference* operands,
                            std::size_t count, const static_value* outputs,
                            std::size_t output_count) {
  using traits = target_traits<Target>;
  return traits::add_known(traits::target_of(operands[0]), op, operands, count, outputs,
                           output_count);
}

}  // namespace detail

/// Attributes as an argument: a list, or {} for none.
class more_attributes {
 public:
  constexpr more_attributes() = default;
  /// @param list must live as long as this
  constexpr more_attributes(const attribute_list& list)  // NOLINT: a list is one
      : list_(&list), any_(!list.empty()) {}
  /// The list, or nullptr.
  [[nodiscard]] constexpr const attribute_list* list() const { return list_; }
  /// Whether there is at least one.
  [[nodiscard]] constexpr bool any() const { return any_; }

 private:
  const attribute_list* list_ = nullptr;
  bool any_ = false;
};

/// Adds one op of an operator to the target of its operands and returns its output as a typed handle, a tuple of
/// handles where it has several.
///
/// Operands whose types cannot fit do not compile; what only a run can know is checked by the target.
/// @tparam Schema the operator
/// @tparam StaticAttributes attributes that decide the output's type
/// @tparam Label how diagnostics call the op: the operator's name, or the layer's
/// @param more attributes that do not decide the type
/// @param name of the op; empty: made from the operator's name
template <const operator_schema& Schema, class StaticAttributes = no_attributes,
          auto Label = detail::schema_label<Schema>(), class Target, dtype... Types,
          class... Shapes>
constexpr auto apply(more_attributes more, std::string_view name, source_line line,
                     const tensor<Target, Types, Shapes>&... operands) {
  constexpr const auto& result =
      detail::static_inference<Schema, StaticAttributes, tensor<Target, Types, Shapes>...>;
  detail::check_static<Label, result>();
  if constexpr (result.failed) {
    // Accepted silently by later layers: one error, no cascade.
    return tensor<Target, dtype::any, any_shape>{};
  } else {
    using reference = typename target_traits<Target>::reference;
    const reference refs[] = {operands.ref()...};
    const detail::op_parts op{&Schema,
                              &StaticAttributes::list,
                              !std::is_same_v<StaticAttributes, no_attributes>,
                              more.list(),
                              more.any(),
                              name,
                              line,
                              detail::stated_by<tensor<Target, Types, Shapes>...>};
    constexpr std::make_index_sequence<result.count> all_outputs{};
    if constexpr (((Types != dtype::any && Shapes::ranked) && ...) &&
                  requires { &target_traits<Target>::add_known; }) {
      const detail::consecutive_references<reference> outputs{detail::add_known_op<Target>(
          op, refs, sizeof...(operands), result.outputs, result.count)};
      if constexpr (result.count == 1) {
        return detail::output_tensor<Target, result, 0>(outputs.first);
      } else {
        return detail::outputs_tuple<Target, result>(outputs, all_outputs);
      }
    } else if constexpr (result.count == 1) {
      return detail::output_tensor<Target, result, 0>(
          detail::add_single_op<Target>(op, refs, sizeof...(operands)));
    } else {
      return detail::outputs_tuple<Target, result>(
          detail::add_op_beside<Target>(op, refs, sizeof...(operands)), all_outputs);
    }
  }
}

/// The same for an operator without operands, whose target must be given.
template <const operator_schema& Schema, class StaticAttributes = no_attributes,
          auto Label = detail::schema_label<Schema>(), class Target>
constexpr auto apply_source(Target& target, more_attributes more, std::string_view name,
                            source_line line) {
  static_assert(
      requires { sizeof(target_traits<Target>); },
      "graft: what has no tensor among its operands takes the graph first");
  constexpr const auto& result = detail::static_inference<Schema, StaticAttributes>;
  detail::check_static<Label, result>();
  if constexpr (result.failed) {
    return tensor<Target, dtype::any, any_shape>{};
  } else {
    const detail::op_parts op{&Schema,
                              &StaticAttributes::list,
                              !std::is_same_v<StaticAttributes, no_attributes>,
                              more.list(),
                              more.any(),
                              name,
                              line};
    const auto outputs = detail::add_op<Target>(target, op, nullptr, 0);
    if constexpr (result.count == 1) {
      return detail::output_tensor<Target, result, 0>(outputs[0]);
    } else {
      return detail::outputs_tuple<Target, result>(outputs,
                                                   std::make_index_sequence<result.count>{});
    }
  }
}

/// The same for attributes known only at run time: the result's element type and shape are left to the target.
/// @returns the references of all outputs
template <class Target>
constexpr auto apply_dynamic(const operator_schema& schema,
                             std::span<const typename target_traits<Target>::reference> operands,
                             const attribute_list& attributes, std::string_view name = {},
                             source_line line = {}) {
  using traits = target_traits<Target>;
  return traits::add(traits::target_of(operands[0]), schema, operands, attributes, name, line);
}

}  // namespace graft
