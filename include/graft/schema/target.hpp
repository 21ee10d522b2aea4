// What every target of building offers: adding ops and variables, scopes, modes.
#pragma once

#include <concepts>
#include <span>

#include "graft/core/source_line.hpp"
#include "graft/core/tensor.hpp"
#include "graft/schema/operator_schema.hpp"

namespace graft {

/// What a variable is for.
enum class variable_role : std::uint8_t {
  parameter,
  statistic,
  slot,
  counter,
  rng_stream,
  constant
};

/// The mode that layers such as dropout and batch norm are built in.
enum class mode : std::uint8_t { training, inference };

/// How a variable gets its first value: an operator without operands and its attributes
/// ("shape" and "type" are set by the target).
struct initial_value {
  const operator_schema* schema = nullptr;  ///< of an operator without operands
  attribute_list attributes;                ///< of the op
};

/// A variable to be made.
struct variable_spec {
  std::string_view name;                          ///< last component of its path
  value_type type;                                ///< all extents known
  initial_value initial;                          ///< how it starts
  variable_role role = variable_role::parameter;  ///< what it is for
  bool trainable = true;                          ///< whether optimisers may change it
  /// Not empty: the variable of this key is made once and reused by whoever asks again with an equal type.
  std::string_view shared_key;
};

/// Operations of a target, found in target_traits<Target>:
///
/// - `reference`: names one output of one op
/// - `add(Target&, schema, operands, attributes, name, line)` -> small_vector<reference, 1>
/// - `target_of(reference)` -> Target&; throws handle_error where the target is gone
/// - `type_of(reference)` -> value_type
/// - `add_variable(Target&, spec, line)` -> reference of the read
/// - `enter_scope(Target&, name)`, `leave_scope(Target&)`: names are made unique
/// - `mode_of(Target&)`, `set_mode(Target&, mode)`
/// - `own_update(Target&, variable_read, update)`: marks an update as declared by the variable's layer
/// - `latest_own_update(Target&, variable_read)`: the one marked last, as a list of one or none
template <class Target>
concept building_target = requires(Target& t, typename target_traits<Target>::reference r) {
  { target_traits<Target>::target_of(r) } -> std::same_as<Target&>;
  target_traits<Target>::enter_scope(t, std::string_view{});
  target_traits<Target>::leave_scope(t);
};

namespace detail {

// What a handle says of its tensor. Edits may have made it false, so a target that can be edited has
// `check_stated(references, stated types, what takes them, line)`.
struct stated_type {
  dtype type;
  bool ranked;
  std::uint8_t rank;
  const extent* extents;
};
// One table for all handles of some types: nothing else of the check depends on them.
template <class... Handles>
inline constexpr stated_type stated_by[] = {{Handles::type, Handles::shape_type::ranked,
                                             static_cast<std::uint8_t>(Handles::shape_type::rank),
                                             Handles::shape_type::extents}...};
template <class Target>
concept checks_stated = requires { &target_traits<Target>::check_stated; };

// Refuses handles of which the target knows better, for what takes them without apply().
template <class... Handles>
constexpr void check_stated([[maybe_unused]] std::string_view what,
                            [[maybe_unused]] source_line here, const Handles&... handles) {
  if constexpr (sizeof...(Handles) > 0) {
    using traits = target_traits<std::common_type_t<typename Handles::target_type...>>;
    if constexpr (requires { &traits::check_stated; }) {
      const typename traits::reference references[] = {handles.ref()...};
      traits::check_stated(references, stated_by<Handles...>, what, here);
    }
  }
}

struct no_transaction {
  constexpr explicit no_transaction(const void*) {}
  constexpr void commit() {}
};

// A graph takes back what a failing function added; a recorder is thrown away as a whole.
template <class Target>
constexpr auto begin_transaction(Target& target) {
  static_assert(sizeof(Target) > 0, "graft: include graft/graft.hpp to build on a graph");
  if constexpr (requires { typename Target::transaction; }) {
    return typename Target::transaction(target);
  } else {
    return no_transaction(&target);
  }
}

// What several ops in a row make: all of them are added, or none. x tells the target.
template <tensor_like X, class F>
constexpr auto all_or_nothing(const X& x, F&& build) {
  auto transaction = begin_transaction(target_traits<typename X::target_type>::target_of(x.ref()));
  auto result = build();
  transaction.commit();
  return result;
}
// The same in a scope of its own: whoever meets one of the ops later reads what it is part of.
template <tensor_like X, class F>
constexpr auto all_or_nothing(const X& x, std::string_view scope, F&& build) {
  using traits = target_traits<typename X::target_type>;
  return all_or_nothing(x, [&] {
    auto& target = traits::target_of(x.ref());
    traits::enter_scope(target, scope);  // one that is not left goes with what was added
    auto result = build();
    traits::leave_scope(target);
    return result;
  });
}

}  // namespace detail

}  // namespace graft
