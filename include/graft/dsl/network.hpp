// A network as a compile-time value: a builder run in constant evaluation.
#pragma once

#include "graft/dsl/layer.hpp"
#include "graft/dsl/recorder.hpp"
#include "graft/dsl/structure.hpp"

namespace graft {

/// One input of a network: `in<float, shape<dyn, 4>>`, or with a name, `in<float, shape<dyn, 4>,
/// "x">`.
template <element T, shape_type Shape, text Name = "">
struct in {
  using shape_type = Shape;                              ///< of the input
  static constexpr dtype type = dtype_of<T>;             ///< of its elements
  static constexpr std::string_view name = Name.view();  ///< empty: made by the network
};

template <class T>
inline constexpr bool is_network_input = false;
template <class T, class Shape, text Name>
inline constexpr bool is_network_input<in<T, Shape, Name>> = true;

namespace detail {

// A network written with >> has no line of its own where its type is all that is known.
template <auto Builder, class... Inputs>
constexpr auto build(const std::tuple<Inputs...>& inputs) {
  if constexpr (!layer<decltype(Builder)>) {
    return std::apply(Builder, inputs);
  } else if constexpr (sizeof...(Inputs) == 1) {
    return Builder(std::get<0>(inputs), source_line{});
  } else {
    return Builder(inputs, source_line{});
  }
}

// Runs a builder on a recorder and returns its result; inputs are added from left to right.
template <auto Builder, class... Inputs>
constexpr auto record(Recorder& recorder) {
  const std::tuple inputs{
      recorder.input<Inputs::type, typename Inputs::shape_type>(Inputs::name)...};
  auto result = build<Builder>(inputs);
  for_each_handle(result, [&](const auto& handle) { recorder.output(handle.ref()); });
  return result;
}

template <auto Builder, mode Mode, class... Inputs>
constexpr table_sizes recorded_sizes() {
  Recorder recorder(Mode);
  record<Builder, Inputs...>(recorder);
  return recorder.sizes();
}

template <auto Builder, mode Mode, class... Inputs>
constexpr auto recorded_table() {
  // Constant evaluation hands out fixed sizes only, so it runs twice: to measure, and to keep.
  constexpr table_sizes sizes = recorded_sizes<Builder, Mode, Inputs...>();
  Recorder recorder(Mode);
  record<Builder, Inputs...>(recorder);
  return recorder.template freeze<sizes>();
}

}  // namespace detail

/// A network that the compiler knows: an empty value whose table is a constant of its type. Made by
/// net() and extract().
///
/// @tparam Source has `make()`, which returns the table, and the types `result` and `inputs`
template <class Source>
class network {
 public:
  /// A handle, a tuple or a struct of handles of a Recorder.
  using result_type = typename Source::result;
  /// A tuple of in<...> or of what looks like them.
  using input_types = typename Source::inputs;

  /// Ops, operands, shapes, names and variables.
  [[nodiscard]] static constexpr const auto& table() { return table_; }

  /// Ops of the network itself, as in a graph: those in bodies of its ops are not among them.
  [[nodiscard]] static constexpr std::size_t op_count() {
    std::size_t count = 0;
    for (const table_op& op : table_.ops) count += op.body == 0 ? 1 : 0;
    return count;
  }
  /// Elements of all trainable variables.
  [[nodiscard]] static constexpr extent parameter_count() { return table_.parameter_count(); }
  /// Variables of every role, those of bodies included.
  [[nodiscard]] static constexpr std::size_t variable_count() { return table_.variable_count(); }
  /// "dense_1/kernel", by order of creation.
  [[nodiscard]] static constexpr std::string_view variable_name(std::size_t i) {
    return table_.variable_path(i);
  }
  /// The shape of variable i, by order of creation. @param i < variable_count()
  [[nodiscard]] static constexpr dims variable_shape(std::size_t i) {
    return table_.variable_shape(i);
  }
  /// How many inputs there are.
  [[nodiscard]] static constexpr std::size_t input_count() { return table_.inputs.size(); }
  /// How many outputs there are.
  [[nodiscard]] static constexpr std::size_t output_count() { return table_.outputs.size(); }
  /// The shape of input i; unknown extents are `dyn`, named ones keep their names.
  [[nodiscard]] static constexpr dims input_shape(std::size_t i = 0) {
    return table_.shape_of(table_.inputs[i]);
  }
  /// The shape of output i, likewise.
  [[nodiscard]] static constexpr dims output_shape(std::size_t i = 0) {
    return table_.shape_of(table_.outputs[i]);
  }
  /// The element type of output i.
  [[nodiscard]] static constexpr dtype output_type(std::size_t i = 0) {
    return table_.values[table_.outputs[i]].type;
  }

 private:
  static constexpr auto table_ = Source::make();
};

/// The source of a network that net() records.
template <auto Builder, mode Mode, class... Inputs>
struct recorded_network {
  /// What the builder returns, in terms of the recorder.
  using result = decltype(detail::record<Builder, Inputs...>(std::declval<Recorder&>()));
  /// The inputs, in<...> each.
  using inputs = std::tuple<Inputs...>;
  /// The table that the builder leaves.
  static constexpr auto make() { return detail::recorded_table<Builder, Mode, Inputs...>(); }
};

/// Runs a builder at compile time: `constexpr auto n = net<[](auto x) { return mlp(x); }, in<float,
/// shape<dyn, 4>>>();`.
///
/// @tparam Builder a lambda without captures; a network in brackets, `(dense<16> >> relu >> dense<3>)`, where no layer
/// is shared by a key; or any other callable that may be a template argument
/// @tparam Inputs in<T, shape<...>> for each of its parameters
/// @return an empty value: ask it in static_assert, lower() it, or run it by static_network
template <auto Builder, class... Inputs>
  requires(sizeof...(Inputs) > 0 && (is_network_input<Inputs> && ...))
constexpr network<recorded_network<Builder, mode::training, Inputs...>> net() {
  return {};
}
/// The same, built in inference mode.
template <auto Builder, class... Inputs>
  requires(sizeof...(Inputs) > 0 && (is_network_input<Inputs> && ...))
constexpr network<recorded_network<Builder, mode::inference, Inputs...>> inference_net() {
  return {};
}

template <class T>
inline constexpr bool is_network = false;
template <class Source>
inline constexpr bool is_network<network<Source>> = true;

}  // namespace graft
