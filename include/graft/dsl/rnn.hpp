// Recurrent layers on scan: simple_rnn, lstm, gru.
#pragma once

#include "graft/dsl/control.hpp"
#include "graft/dsl/layer.hpp"
#include "graft/ops/activations.hpp"
#include "graft/ops/arithmetic.hpp"
#include "graft/ops/matmul.hpp"
#include "graft/ops/reduce.hpp"
#include "graft/ops/shape_ops.hpp"
#include "graft/ops/slicing.hpp"
#include "graft/ops/sources.hpp"

namespace graft {

/// The recurrent cells. Rows of kernels are ordered by gates as in ONNX.
enum class rnn_cell : std::uint8_t {
  simple,  ///< h
  lstm,    ///< i, o, f, c
  gru      ///< z, r, h
};

namespace detail {

// A recurrent layer but for its types.
struct rnn_parts {
  rnn_cell cell;
  std::string_view label;
  std::string_view scope;
  std::string_view key;
  extent units;
  const initializer* kernel;
  const initializer* recurrent;
  double forget_bias;
  bool sequences;
  source_line here;
};
inline constexpr operand_rule rnn_rule{.min_rank = 3, .max_rank = 3, .known_axis = 2};

constexpr extent gate_count(rnn_cell cell) {
  return cell == rnn_cell::lstm ? 4 : cell == rnn_cell::gru ? 3 : 1;
}

// One step; `x` is the projected input [batch, gates * units], bias included. Returns the new state,
// whose first part is the output. No two operands are both calls: C++ leaves open which is made first, and graphs
// are to be the same whoever compiles them.
template <class H>
constexpr small_vector<H, 2> rnn_step(rnn_cell cell, extent units, const H& recurrent, const H& x,
                                      const small_vector<H, 2>& state) {
  const H& h = state[0];
  const auto gate = [&](const H& all, extent number) {
    return slice(all, -1, number * units, units);
  };
  if (cell == rnn_cell::simple) return {H(tanh(x + matmul(h, recurrent)))};
  if (cell == rnn_cell::lstm) {
    const H gates = x + matmul(h, recurrent);
    const H i = sigmoid(gate(gates, 0)), o = sigmoid(gate(gates, 1)), f = sigmoid(gate(gates, 2));
    const H kept = f * state[1], added = i * tanh(gate(gates, 3));
    const H c = kept + added;
    return {H(o * tanh(c)), c};
  }
  const H both = slice(x, -1, 0, 2 * units);
  const H gates = both + matmul(h, slice(recurrent, -1, 0, 2 * units));
  const H z = sigmoid(gate(gates, 0)), r = sigmoid(gate(gates, 1)), reset = r * h;
  const H back = matmul(reset, slice(recurrent, -1, 2 * units, units));
  const H candidate = tanh(gate(x, 2) + back);
  return {H(candidate + z * (h - candidate))};
}

template <class Target>
[[gnu::noinline]] constexpr auto build_rnn(const typename target_traits<Target>::reference& x,
                                           const rnn_parts& parts) {
  using handle = tensor<Target, dtype::any, any_shape>;
  const value_type type = checked_type<Target>(x, parts.label, parts.here, rnn_rule);
  Target& target = target_traits<Target>::target_of(x);
  layer_frame frame(target, parts.scope);
  const layer_context<Target> layer{&target, parts.key, parts.here};
  const extent units = parts.units, width = gate_count(parts.cell) * units;
  const handle kernel(
      layer.variable("kernel", type.type, {type.shape.back(), width}, *parts.kernel));
  const handle recurrent(
      layer.variable("recurrent_kernel", type.type, {units, width}, *parts.recurrent));
  initial_value start{&ops::fill_range, {}};
  start.attributes.set("value", 0.0);
  if (parts.cell == rnn_cell::lstm) {
    start.attributes.set("begin", std::int64_t{2 * units})
        .set("end", std::int64_t{3 * units})
        .set("inside", parts.forget_bias);
  }
  const handle bias(layer.variable("bias", type.type, {width}, start));

  // All steps' inputs are projected in one product, then time becomes the first axis.
  const handle projected = matmul(handle(x), kernel) + bias;
  // Only its shape is computed.
  const handle zero = zeros_like(slice(sum(projected, dims{1}), -1, 0, units));
  const handle steps = transpose(projected, dims{1, 0, 2});
  handle last, all;
  if (parts.cell == rnn_cell::lstm) {
    const auto [state, ys] =
        scan(std::tuple{zero, zero}, steps, [&](const auto& s, const handle& element) {
          const auto next = rnn_step<handle>(parts.cell, units, recurrent, element,
                                             {std::get<0>(s), std::get<1>(s)});
          return std::tuple{std::tuple{next[0], next[1]}, next[0]};
        });
    last = std::get<0>(state);
    all = ys;
  } else {
    const auto [state, ys] = scan(zero, steps, [&](const handle& s, const handle& element) {
      const auto next = rnn_step<handle>(parts.cell, units, recurrent, element, {s});
      return std::tuple{next[0], next[0]};
    });
    last = state;
    all = ys;
  }
  const handle y = parts.sequences ? handle(transpose(all, dims{1, 0, 2})) : last;
  frame.keep();
  return y.ref();
}

template <class Shape, extent Units, bool Sequences>
struct rnn_result {
  using type = any_shape;
};
template <extent Batch, extent Time, extent Features, extent Units>
struct rnn_result<shape<Batch, Time, Features>, Units, true> {
  using type = shape<Batch, Time, Units>;
};
template <extent Batch, extent Time, extent Features, extent Units>
struct rnn_result<shape<Batch, Time, Features>, Units, false> {
  using type = shape<Batch, Units>;
};

constexpr std::string_view cell_name(rnn_cell cell) {
  return cell == rnn_cell::lstm ? "lstm" : cell == rnn_cell::gru ? "gru" : "simple_rnn";
}
template <rnn_cell Cell, text Name>
constexpr auto rnn_label() {
  if constexpr (Cell == rnn_cell::lstm) {
    return layer_label<"lstm", Name>();
  } else if constexpr (Cell == rnn_cell::gru) {
    return layer_label<"gru", Name>();
  } else {
    return layer_label<"simple_rnn", Name>();
  }
}

}  // namespace detail

/// A recurrent layer; use it through simple_rnn, lstm and gru.
template <rnn_cell Cell, std::int64_t Units, text Name = "", bool Sequences = false>
struct rnn_layer : layer_base {
  static_assert(Units > 0, "graft: a recurrent layer has at least one unit");
  static constexpr auto label = detail::rnn_label<Cell, Name>();

  initializer kernel_initializer = glorot_uniform();
  initializer recurrent_initializer = orthogonal();
  double forget = 1;  ///< what the bias of an LSTM's forget gate starts with
  detail::layer_key key;

  /// The same layer that returns the outputs of all steps, [batch, time, Units].
  [[nodiscard]] constexpr auto sequences() const {
    rnn_layer<Cell, Units, Name, true> all;
    all.kernel_initializer = kernel_initializer;
    all.recurrent_initializer = recurrent_initializer;
    all.forget = forget;
    all.key = key;
    return all;
  }
  /// The same layer with its variables tied under a key.
  [[nodiscard]] constexpr rnn_layer shared(name_view shared_key) const {
    rnn_layer copy = *this;
    copy.key = detail::kept_key(shared_key);
    return copy;
  }
  /// The same layer whose kernel starts differently (default: glorot_uniform()).
  [[nodiscard]] constexpr rnn_layer init(const initializer& kernel) const {
    rnn_layer copy = *this;
    copy.kernel_initializer = kernel;
    return copy;
  }
  /// The same layer whose recurrent kernel starts differently (default: orthogonal()).
  [[nodiscard]] constexpr rnn_layer recurrent_init(const initializer& recurrent) const {
    rnn_layer copy = *this;
    copy.recurrent_initializer = recurrent;
    return copy;
  }
  /// The same LSTM whose bias of the forget gate starts differently (default: 1).
  /// @see Gers, Schmidhuber, Cummins, Learning to forget, 2000
  [[nodiscard]] constexpr rnn_layer forget_bias(double value) const
    requires(Cell == rnn_cell::lstm)
  {
    rnn_layer copy = *this;
    copy.forget = value;
    return copy;
  }

  using layer_base::operator();
  /// @param x floating [batch, time, features], features known
  /// @return the last step's output [batch, Units]; with sequences() all, [batch, time, Units]. Without
  /// steps the output is zeros.
  /// @throws shape_error or dtype_error where the type of x does not tell; what it tells does not
  /// compile
  template <tensor_like X>
  constexpr auto operator()(const X& x, source_line here = source_line::now()) const {
    using target_type = typename X::target_type;
    if constexpr (!detail::operand_fits<detail::rnn_rule, X>) {
      return detail::refuse_operand<label, detail::rnn_rule, X>();
    } else {
      detail::check_stated(label.view(), here, x);
      using result = typename detail::rnn_result<typename X::shape_type, Units, Sequences>::type;
      return tensor<target_type, X::type, result>(detail::build_rnn<target_type>(
          x.ref(), {Cell, label.view(), Name.empty() ? detail::cell_name(Cell) : Name.view(), key,
                    Units, &kernel_initializer, &recurrent_initializer, forget, Sequences, here}));
    }
  }
};

/// The plain recurrent layer: h' = tanh(x W + h R + b), from h = 0.
///
/// Variables: kernel W [features, Units], recurrent_kernel R [Units, Units], bias b [Units].
/// @see Elman, Finding structure in time, 1990; ONNX operator RNN
template <std::int64_t Units, text Name = "">
inline constexpr rnn_layer<rnn_cell::simple, Units, Name> simple_rnn{};

/// Long short-term memory: `lstm<64>(x)`, `lstm<64>.sequences()(x)`. From h = c = 0,
///
///     i = sigmoid(x Wi + h Ri + bi)     o = sigmoid(x Wo + h Ro + bo)     f = sigmoid(x Wf + h Rf + bf)
///     c' = f * c + i * tanh(x Wc + h Rc + bc)     h' = o * tanh(c')
///
/// Variables: kernel [features, 4 Units], recurrent_kernel [Units, 4 Units], bias [4 Units]; gates in
/// ONNX's order i, o, f, c. The bias of f starts at 1, all else at 0.
/// @see Hochreiter & Schmidhuber, Long short-term memory, 1997; Gers et al. 2000 for f; ONNX operator
/// LSTM, without peepholes
template <std::int64_t Units, text Name = "">
inline constexpr rnn_layer<rnn_cell::lstm, Units, Name> lstm{};

/// Gated recurrent unit: `gru<64>(x)`, `gru<64>.sequences()(x)`. From h = 0,
///
///     z = sigmoid(x Wz + h Rz + bz)     r = sigmoid(x Wr + h Rr + br)
///     n = tanh(x Wh + (r * h) Rh + bh)     h' = (1 - z) * n + z * h
///
/// Variables: kernel [features, 3 Units], recurrent_kernel [Units, 3 Units], bias [3 Units]; gates in
/// ONNX's order z, r, h.
/// @see Cho et al., Learning phrase representations using RNN encoder-decoder, 2014; ONNX operator GRU
/// with linear_before_reset = 0
template <std::int64_t Units, text Name = "">
inline constexpr rnn_layer<rnn_cell::gru, Units, Name> gru{};

}  // namespace graft
