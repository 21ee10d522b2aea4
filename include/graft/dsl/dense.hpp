// Layers of matrix products: dense and embedding.
#pragma once

#include "graft/dsl/layer.hpp"
#include "graft/ops/arithmetic.hpp"
#include "graft/ops/gather.hpp"
#include "graft/ops/matmul.hpp"

namespace graft {

namespace detail {

// A dense layer but for its types.
struct dense_parts {
  std::string_view label;
  std::string_view scope;
  std::string_view key;
  extent units;
  const initializer* kernel;
  const initializer* bias;
  bool has_bias;
  source_line here;
};
inline constexpr operand_rule dense_rule{.min_rank = 2, .known_axis = -1};

template <class Target>
[[gnu::noinline]] constexpr auto build_dense(const typename target_traits<Target>::reference& x,
                                             const dense_parts& parts, const static_type& result) {
  const value_type type = checked_type<Target>(x, parts.label, parts.here, dense_rule);
  Target& target = target_traits<Target>::target_of(x);
  layer_frame frame(target, parts.scope);
  const layer_context<Target> layer{&target, parts.key, parts.here};
  const auto kernel =
      layer.variable("kernel", type.type, {type.shape.back(), parts.units}, *parts.kernel);
  auto y = layer.op(ops::matmul, {x, kernel}, result);
  if (parts.has_bias) {
    y = layer.op(ops::add, {y, layer.variable("bias", type.type, {parts.units}, *parts.bias)},
                 result);
  }
  frame.keep();
  return y;
}

}  // namespace detail

/// A fully connected layer; use it through `dense<Units>`.
template <std::int64_t Units, text Name = "">
struct dense_layer : layer_base {
  static_assert(Units > 0, "graft: a dense layer has at least one unit");
  static constexpr auto label = detail::layer_label<"dense", Name>();

  initializer kernel_initializer = glorot_uniform();
  initializer bias_initializer = zeros();
  detail::layer_key key;
  bool has_bias = true;

  /// The same layer with its variables tied: every layer of that key in one target uses the same
  /// ones.
  [[nodiscard]] constexpr dense_layer shared(name_view shared_key) const {
    dense_layer copy = *this;
    copy.key = detail::kept_key(shared_key);
    return copy;
  }
  /// The same layer whose kernel starts differently (default: glorot_uniform()).
  [[nodiscard]] constexpr dense_layer init(const initializer& kernel) const {
    dense_layer copy = *this;
    copy.kernel_initializer = kernel;
    return copy;
  }
  /// The same layer whose bias starts differently (default: zeros()).
  [[nodiscard]] constexpr dense_layer bias_init(const initializer& bias) const {
    dense_layer copy = *this;
    copy.bias_initializer = bias;
    return copy;
  }
  /// The same layer with or without a bias.
  [[nodiscard]] constexpr dense_layer bias(bool on) const {
    dense_layer copy = *this;
    copy.has_bias = on;
    return copy;
  }

  using layer_base::operator();
  /// x * kernel + bias.
  /// @param x floating [..., K] of rank 2 or more, K known
  /// @return [..., Units]
  /// @throws shape_error or dtype_error where the type of x does not tell; what it tells does not
  /// compile
  template <tensor_like X>
  constexpr auto operator()(const X& x, source_line here = source_line::now()) const {
    using target_type = typename X::target_type;
    if constexpr (!detail::operand_fits<detail::dense_rule, X>) {
      return detail::refuse_operand<label, detail::dense_rule, X>();
    } else {
      detail::check_stated(label.view(), here, x);
      using result_shape = decltype(detail::with_last<Units, typename X::shape_type>());
      return tensor<target_type, X::type, result_shape>(detail::build_dense<target_type>(
          x.ref(),
          {label.view(), detail::layer_scope_name<"dense", Name>(), key, Units, &kernel_initializer,
           &bias_initializer, has_bias, here},
          detail::static_type_of<X::type, result_shape>()));
    }
  }
};

/// A fully connected layer: `dense<10>(x)`, `dense<10, "logits">(x)`, `dense<10>.bias(false)`.
///
/// Every call makes variables of its own, `kernel` [K, Units] and `bias` [Units], in a scope named
/// after the layer;
/// `.shared("key")` ties them.
template <std::int64_t Units, text Name = "">
inline constexpr dense_layer<Units, Name> dense{};

/// A table of vectors looked up by index; use it through `embedding<Count, Width>`.
template <std::int64_t Count, std::int64_t Width, text Name = "">
struct embedding_layer : layer_base {
  static_assert(Count > 0 && Width > 0,
                "graft: an embedding has at least one vector of at least one element");
  static constexpr auto label = detail::layer_label<"embedding", Name>();

  initializer table_initializer = uniform(-0.05, 0.05);
  detail::layer_key key;

  /// The same layer with its table tied under a key.
  [[nodiscard]] constexpr embedding_layer shared(name_view shared_key) const {
    embedding_layer copy = *this;
    copy.key = detail::kept_key(shared_key);
    return copy;
  }
  /// The same layer whose table starts differently (default: uniform(-0.05, 0.05)).
  [[nodiscard]] constexpr embedding_layer init(const initializer& table) const {
    embedding_layer copy = *this;
    copy.table_initializer = table;
    return copy;
  }

  using layer_base::operator();
  /// @tparam T element type of the table
  /// @param indices int32 or int64, any shape, each in [0, Count)
  /// @return the indices' shape with Width appended
  template <element T = float, tensor_like X>
  constexpr auto operator()(const X& indices, source_line here = source_line::now()) const {
    using target_type = typename X::target_type;
    if constexpr (!detail::operand_fits<rule, X>) {
      return detail::refuse_operand<label, rule, X>();
    } else {
      target_type& target = detail::target_of(indices);
      const value_type type = detail::type_of(indices);
      if (detail::judge_operand(rule, type) != detail::verdict::fits) {
        detail::refuse_call<target_type>(
            label.view(), here, indices.ref(), [&](const detail::layer_call& call) {
              detail::layer_refuses(call, detail::verdict::not_indices, rule, type);
            });
      }
      detail::layer_frame frame(target, detail::layer_scope_name<"embedding", Name>());
      const detail::layer_context<target_type> layer{&target, key, here};
      const tensor<target_type, dtype_of<T>, shape<Count, Width>> table(
          layer.variable("table", dtype_of<T>, {Count, Width}, table_initializer));
      auto result = gather(table, indices, {}, here);
      frame.keep();
      return result;
    }
  }

 private:
  static constexpr detail::operand_rule rule{.indices = true};
};

/// Vectors looked up by index: `embedding<10000, 64>(tokens)`. Variable: `table` [Count, Width].
template <std::int64_t Count, std::int64_t Width, text Name = "">
inline constexpr embedding_layer<Count, Width, Name> embedding{};

}  // namespace graft
