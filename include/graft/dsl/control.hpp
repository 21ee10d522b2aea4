// Control flow: cond, while_loop and scan, whose branches and steps are lambdas that build bodies, in a Graph or,
// in constant evaluation, in a recorded network.
#pragma once

#include <optional>

#include "graft/dsl/layer.hpp"
#include "graft/dsl/structure.hpp"
#include "graft/schema/control_operators.hpp"
#include "graft/schema/rules.hpp"

namespace graft {

namespace detail {

// The handles of a structure as one tuple; variables become the tensors that read them.
template <class S>
constexpr auto tensors_in(const S& s) {
  if constexpr (tensor_like<S>) {
    using handle = tensor<typename S::target_type, S::type, typename S::shape_type>;
    return std::tuple<handle>(handle(s.ref()));
  } else if constexpr (is_tuple<S>) {
    return std::apply([](const auto&... part) { return std::tuple_cat(tensors_in(part)...); }, s);
  } else {
    static_assert(mirrored<S>,
                  "graft: control flow takes handles, tuples of them, and structs "
                  "described to Boost.Hana; their number must be known");
    return with_accessors<S>(
        [&](const auto&... member) { return std::tuple_cat(tensors_in(member(s))...); });
  }
}
template <class S>
using flat = decltype(tensors_in(std::declval<const S&>()));

template <class Flat>
struct flat_target;
template <class First, class... More>
struct flat_target<std::tuple<First, More...>> {
  using type = typename First::target_type;
  static_assert((std::is_same_v<type, typename More::target_type> && ...),
                "graft: the tensors belong to targets of two kinds");
};

template <extent A, extent B>
inline constexpr extent common_extent = A == B ? A : dyn;

template <class A, class B>
struct common_shape {
  using type = any_shape;
};
template <extent... A, extent... B>
  requires(sizeof...(A) == sizeof...(B))
struct common_shape<shape<A...>, shape<B...>> {
  using type = shape<common_extent<A, B>...>;
};

// What one handle's type and another's, either of which may come, have in common.
template <auto Label, class In, class Out>
constexpr auto common_handle() {
  using in_shape = typename In::shape_type;
  using out_shape = typename Out::shape_type;
  if constexpr (!rules::types_agree(In::type, Out::type)) {
    refuse_type<Label, In::type, Out::type>();
  } else if constexpr (shapes_surely_differ<in_shape, out_shape>()) {
    refuse_shape<Label, in_shape, out_shape>();
  }
  return tensor<typename In::target_type, rules::join(In::type, Out::type),
                typename common_shape<in_shape, out_shape>::type>{};
}

// The same for structures: that of the first, with handles that know what both know.
template <auto Label, class In, class Out, std::size_t... I>
constexpr auto common_flat(std::index_sequence<I...>) {
  return std::tuple(
      common_handle<Label, std::tuple_element_t<I, In>, std::tuple_element_t<I, Out>>()...);
}

//
// To be called, and not only asked for its type: so constant evaluation meets what the types tell before the target
// refuses the op.
template <auto Label, class In, class Out>
constexpr auto common_types() {
  static_assert(std::tuple_size_v<In> == std::tuple_size_v<Out>,
                "graft: the two sides (branches, or a state before and after a step) do not have "
                "one number of tensors");
  return common_flat<Label, In, Out>(std::make_index_sequence<std::tuple_size_v<In>>{});
}

// The structure of S with the handles of a flat tuple type, which refer to `refs`.
template <class Flat, std::size_t I, class S, class References>
constexpr auto rebuild(const S& s, const References& refs) {
  if constexpr (tensor_like<S>) {
    return std::tuple_element_t<I, Flat>(refs[I]);
  } else if constexpr (is_tuple<S>) {
    return [&]<std::size_t... P>(std::index_sequence<P...>) {
      // Where the handles of part p begin.
      [[maybe_unused]] constexpr auto start = [](std::size_t p) {
        std::size_t counts[] = {std::tuple_size_v<flat<std::tuple_element_t<P, S>>>..., 0}, at = I;
        for (std::size_t k = 0; k < p; ++k) at += counts[k];
        return at;
      };
      return std::tuple<decltype(rebuild<Flat, start(P)>(std::get<P>(s), refs))...>(
          rebuild<Flat, start(P)>(std::get<P>(s), refs)...);
    }(std::make_index_sequence<std::tuple_size_v<S>>{});
  } else {
    // A struct keeps its members' types, checked against what the graph knows.
    S result = s;
    std::size_t next = I;
    for_each_handle(result, [&](auto& h) { h = std::remove_cvref_t<decltype(h)>(refs[next++]); });
    return result;
  }
}

template <class Flat>
struct first_axis_dropped;
template <class Target, dtype Type, extent First, extent... Rest>
struct first_axis_dropped<tensor<Target, Type, shape<First, Rest...>>> {
  using type = tensor<Target, Type, shape<Rest...>>;
  static constexpr extent length = First;
};
template <class Target, dtype Type>
struct first_axis_dropped<tensor<Target, Type, any_shape>> {
  using type = tensor<Target, Type, any_shape>;
  static constexpr extent length = dyn;
};
template <class Target, dtype Type>
struct first_axis_dropped<tensor<Target, Type, shape<>>> {
  static_assert(Type != Type, "graft: scan goes along the first axis, and a scalar has none");
};

template <extent Length, class H>
struct first_axis_added {
  using type = tensor<typename H::target_type, H::type, any_shape>;
};
template <extent Length, class Target, dtype Type, extent... Rest>
struct first_axis_added<Length, tensor<Target, Type, shape<Rest...>>> {
  using type = tensor<Target, Type, shape<Length, Rest...>>;
};

template <class Flat>
struct all_dropped;
template <class... H>
struct all_dropped<std::tuple<H...>> {
  using type = std::tuple<typename first_axis_dropped<H>::type...>;
  static constexpr extent length = [] {
    extent result = dyn;
    ((result = result == dyn ? first_axis_dropped<H>::length
                             : graft::refine(result, first_axis_dropped<H>::length)),
     ...);
    return result;
  }();
};
template <extent Length, class Flat>
struct all_added;
template <extent Length, class... H>
struct all_added<Length, std::tuple<H...>> {
  using type = std::tuple<typename first_axis_added<Length, H>::type...>;
};

template <class Target>
inline constexpr bool builds_bodies = requires { &target_traits<Target>::open_body; };

using value_types = small_vector<value_type, 3>;
template <class Target>
using references = small_vector<typename target_traits<Target>::reference, 4>;

// What the functions below share: references, a transaction that gives a body up when it fails.
template <class Target>
class control_builder {
 public:
  using traits = target_traits<Target>;

  constexpr control_builder(Target& target, const operator_schema& schema, std::string_view name,
                            source_line here)
      : target_(target),
        undo_(begin_transaction(target)),
        schema_(schema),
        name_(name),
        here_(here) {}

  template <class Flat>
  constexpr void operands(const Flat& handles) {
    std::apply(
        [&](const auto&... h) {
          check_stated(schema_.name, here_, h...);
          (operands_.push_back(h.ref()), ...);
        },
        handles);
  }
  /// Builds a body: `make(refs of its arguments)` returns a flat tuple of results.
  /// @return the number of its captures
  template <class F>
  constexpr std::int64_t body(std::string_view key, const value_types& arguments, F&& make) {
    Target& inner = traits::open_body(target_);
    references<Target> refs;
    for (const value_type& type : arguments) refs.push_back(traits::add_argument(inner, type));
    references<Target> results;
    std::apply(
        [&](const auto&... h) {
          check_stated(schema_.name, here_, h...);
          (results.push_back(h.ref()), ...);
        },
        make(refs));
    const auto closed = traits::close_body(target_, results);
    attributes.set(key, closed.index, attribute_kind::body);
    operands_.append(closed.captures.begin(), closed.captures.end());
    return static_cast<std::int64_t>(closed.captures.size());
  }
  /// Adds the op with the bodies.
  /// @param result makes what the caller returns of the references to its outputs; what that throws gives
  /// the op up, too
  template <class F>
  constexpr auto add(std::size_t outputs, F&& result) {
    attributes.set("outputs", static_cast<std::int64_t>(outputs));
    auto made = result(traits::add(target_, schema_, operands_, attributes, name_, here_));
    undo_.commit();
    return made;
  }

  attribute_list attributes;

 private:
  Target& target_;
  decltype(begin_transaction(std::declval<Target&>())) undo_;
  const operator_schema& schema_;
  std::string_view name_;
  source_line here_;
  references<Target> operands_;
};

template <class Flat>
constexpr value_types types_of_handles(const Flat& handles) {
  value_types types;
  std::apply([&](const auto&... h) { (types.push_back(detail::type_of(h)), ...); }, handles);
  return types;
}

// The type of an element of a sequence.
constexpr void drop_first_axis(value_type& sequence) {
  dims rest;
  for (std::size_t i = 1; i < sequence.shape.size(); ++i) rest.push_back(sequence.shape[i]);
  sequence.shape = rest;
}

// f(state), or f(first, second, ...) for a tuple where f takes its parts.
template <class F, class S>
constexpr auto call_with_state(F& f, const S& state) {
  if constexpr (is_tuple<S>) {
    if constexpr (std::is_invocable_v<F&, const S&>) {
      return f(state);
    } else {
      return std::apply(f, state);
    }
  } else {
    return f(state);
  }
}

}  // namespace detail

/// Computes one of two results: `cond(loss < 1.0, [&] { return a; }, [&] { return b; })`.
///
/// The lambdas are called once each, while building; what they build goes into bodies, of which a run
/// executes one. What they use from outside becomes an operand. Variables that they make belong to the
/// graph; they update none (see docs/explanation/control-flow.md).
/// @param pred boolean, of one element
/// @param then, otherwise return a handle, or a tuple of them, of equal structure, types and shapes
/// @return what the lambdas return; extents that differ in the handles' types are dyn
/// @throws dtype_error, shape_error where the branches differ or pred is no truth value; what the types
/// tell does not compile
/// @see ONNX operator If
template <tensor_like Pred, class Then, class Else>
constexpr auto cond(const Pred& pred, Then&& then, Else&& otherwise, name_view name = {},
                    source_line here = source_line::now()) {
  using target_type = typename Pred::target_type;
  static_assert(detail::builds_bodies<target_type>,
                "graft: what is built into has no bodies, so it has no control flow");
  static_assert(rules::types_agree(Pred::type, dtype::boolean),
                "graft: the condition of cond is a boolean; compare with <");
  using result = std::decay_t<decltype(then())>;
  using then_flat = detail::flat<result>;
  using else_flat = detail::flat<std::decay_t<decltype(otherwise())>>;
  const auto common = detail::common_types<text("the branches of cond"), then_flat, else_flat>();
  using out = std::remove_const_t<decltype(common)>;
  detail::control_builder<target_type> builder(detail::target_of(pred), ops::cond, name, here);
  builder.operands(detail::tensors_in(pred));
  std::optional<result> structure;
  const std::int64_t captures = builder.body("then", {}, [&](const auto&) {
    structure.emplace(then());
    return detail::tensors_in(*structure);
  });
  builder.attributes.set("then_captures", captures);
  builder.body("else", {}, [&](const auto&) { return detail::tensors_in(otherwise()); });
  return builder.add(std::tuple_size_v<then_flat>,
                     [&](const auto& refs) { return detail::rebuild<out, 0>(*structure, refs); });
}

/// Repeats a step while a condition holds:
/// `while_loop(std::tuple(i, s), [](auto i, auto) { return i < 10; }, [](auto i, auto s) { ... })`.
///
/// Both lambdas are called once, while building, with the state as handles: as it is, or as its parts
/// where it is a tuple and they take parts.
/// @param init the state at the start: a handle, or a tuple of them
/// @param condition returns a boolean of one element
/// @param body returns the new state, of the structure, types and shapes of the old one
/// @param max_iterations stops after that many steps though the condition may hold; -1: no bound
/// @return the state when the condition fails
/// @throws dtype_error, shape_error where a state comes out of a step as it did not go in; what the
/// types tell does not compile
/// @see ONNX operator Loop
template <structure S, class Condition, class Body>
constexpr auto while_loop(const S& init, Condition&& condition, Body&& body,
                          std::int64_t max_iterations = -1, name_view name = {},
                          source_line here = source_line::now()) {
  const auto handles = detail::tensors_in(init);
  using in = std::remove_const_t<decltype(handles)>;
  using target_type = typename detail::flat_target<in>::type;
  static_assert(detail::builds_bodies<target_type>,
                "graft: what is built into has no bodies, so it has no control flow");
  detail::control_builder<target_type> builder(detail::target_of(std::get<0>(handles)),
                                               ops::while_loop, name, here);
  builder.operands(handles);
  const detail::value_types types = detail::types_of_handles(handles);
  constexpr auto states = static_cast<std::int64_t>(std::tuple_size_v<in>);
  builder.attributes.set("states", states);
  const std::int64_t asked = builder.body("condition", types, [&](const auto& refs) {
    const auto go_on = detail::call_with_state(condition, detail::rebuild<in, 0>(init, refs));
    using answer = std::remove_const_t<decltype(go_on)>;
    static_assert(tensor_like<answer>, "graft: the condition of while_loop returns one tensor");
    return detail::tensors_in(go_on);
  });
  builder.attributes.set("condition_captures", asked);
  using new_state = std::decay_t<decltype(detail::call_with_state(
      body, detail::rebuild<in, 0>(init, detail::references<target_type>{})))>;
  const auto common =
      detail::common_types<text("the state of while_loop"), in, detail::flat<new_state>>();
  using out = std::remove_const_t<decltype(common)>;
  const std::int64_t taken = builder.body("body", types, [&](const auto& refs) {
    return detail::tensors_in(detail::call_with_state(body, detail::rebuild<in, 0>(init, refs)));
  });
  builder.attributes.set("body_captures", taken);
  if (max_iterations >= 0) builder.attributes.set("max_iterations", max_iterations);
  return builder.add(std::tuple_size_v<in>,
                     [&](const auto& refs) { return detail::rebuild<out, 0>(init, refs); });
}

/// Carries a state along the first axis of sequences:
/// `auto [last, ys] = scan(h0, xs, [&](auto h, auto x) { return std::tuple{f(h, x), g(h)}; })`.
///
/// The lambda is called once, while building.
/// @param init the state at the start: a handle, or a tuple of them
/// @param xs sequences [T, ...] of one length: a handle, or a tuple of them
/// @param step called with (state, x), x being an element of each sequence; returns a tuple or pair of
/// the new state, of the old one's structure, types and shapes, and what is to be stacked: a handle, or
/// a tuple of them, which may be empty
/// @return a tuple of the last state and what was stacked, [T, ...]
/// @throws dtype_error, shape_error where a state comes out of a step as it did not go in, or sequences
/// differ in length; what the types tell does not compile
/// @see ONNX operator Scan
template <structure S, structure Xs, class Step>
constexpr auto scan(const S& init, const Xs& xs, Step&& step, name_view name = {},
                    source_line here = source_line::now()) {
  const auto states = detail::tensors_in(init);
  const auto sequences = detail::tensors_in(xs);
  using in = std::remove_const_t<decltype(states)>;
  using all = detail::all_dropped<std::remove_const_t<decltype(sequences)>>;
  using element = typename all::type;
  using target_type = typename detail::flat_target<in>::type;
  static_assert(detail::builds_bodies<target_type>,
                "graft: what is built into has no bodies, so it has no control flow");
  using references = detail::references<target_type>;
  const auto one_step = [&](const references& refs) {
    const references later(refs.begin() + std::tuple_size_v<in>, refs.end());
    return step(detail::rebuild<in, 0>(init, refs), detail::rebuild<element, 0>(xs, later));
  };
  using result = std::decay_t<decltype(one_step(references{}))>;
  static_assert(detail::is_tuple<result> && std::tuple_size_v<result> == 2,
                "graft: a step of scan returns std::tuple{new_state, y}; y may be std::tuple{}");
  using new_state = std::decay_t<std::tuple_element_t<0, result>>;
  using y_type = std::decay_t<std::tuple_element_t<1, result>>;
  using y_flat = detail::flat<y_type>;
  const auto common =
      detail::common_types<text("the state of scan"), in, detail::flat<new_state>>();
  using out = std::remove_const_t<decltype(common)>;
  using stacked = typename detail::all_added<all::length, y_flat>::type;
  constexpr std::size_t state_count = std::tuple_size_v<in>, y_count = std::tuple_size_v<y_flat>;

  detail::control_builder<target_type> builder(detail::target_of(std::get<0>(states)), ops::scan,
                                               name, here);
  builder.operands(states);
  builder.operands(sequences);
  detail::value_types types = detail::types_of_handles(states);
  for (value_type x : detail::types_of_handles(sequences)) {
    detail::drop_first_axis(x);
    types.push_back(x);
  }
  std::optional<y_type> structure;
  builder.body("body", types, [&](const auto& refs) {
    const result made = one_step(refs);
    structure.emplace(std::get<1>(made));
    return std::tuple_cat(detail::tensors_in(std::get<0>(made)),
                          detail::tensors_in(std::get<1>(made)));
  });
  builder.attributes.set("states", static_cast<std::int64_t>(state_count))
      .set("sequences", static_cast<std::int64_t>(std::tuple_size_v<element>));
  return builder.add(2 * state_count + y_count, [&](const auto& refs) {
    const references later(refs.begin() + state_count, refs.end());
    return std::tuple(detail::rebuild<out, 0>(init, refs),
                      detail::rebuild<stacked, 0>(*structure, later));
  });
}

}  // namespace graft
