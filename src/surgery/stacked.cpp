#include "surgery/stacked.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <string_view>

#include "graft/ops/conv.hpp"
#include "graft/ops/dropout.hpp"
#include "graft/ops/elementwise.hpp"
#include "graft/ops/gather.hpp"
#include "graft/ops/matmul.hpp"
#include "graft/ops/normalize.hpp"
#include "graft/ops/optimizer.hpp"
#include "graft/ops/pool.hpp"
#include "graft/ops/random.hpp"
#include "graft/ops/reduce.hpp"
#include "graft/ops/shape_ops.hpp"
#include "graft/ops/slicing.hpp"
#include "graft/ops/softmax.hpp"
#include "graft/ops/sources.hpp"

#include "graph/copy.hpp"

namespace graft::detail {
namespace {

bool is_one_of(const operator_schema& schema, std::initializer_list<const operator_schema*> list) {
  return std::any_of(list.begin(), list.end(), [&](const operator_schema* s) {
    return s == &schema || s->name == schema.name;
  });
}

// Axes of one member as axes behind that of the members; negative ones count from the end anyway.
dims shifted(const dims& axes) {
  dims result = axes;
  for (extent& a : result) a += a >= 0 ? 1 : 0;
  return result;
}

std::size_t open_extents(const dims& shape) {
  return static_cast<std::size_t>(
      std::count_if(shape.begin(), shape.end(), [](extent e) { return !is_known(e); }));
}

}  // namespace

tensor_id stacker::make(const operator_schema& schema, std::span<const tensor_id> operands,
                        const attribute_list& attributes) {
  return {graph_.add(schema, operands, attributes), 0};
}

tensor_id stacker::reshape(tensor_id t, const dims& shape) {
  return make(ops::reshape, {&t, 1}, attribute_list().set("shape", shape));
}

tensor_id stacker::widen(tensor_id stacked, std::size_t count) {
  if (count == 0) return stacked;
  dims axes;
  for (std::size_t i = 0; i < count; ++i) axes.push_back(static_cast<extent>(i) + 1);
  return make(ops::expand_dims, {&stacked, 1}, attribute_list().set("axes", axes));
}

tensor_id stacker::stack(std::span<const tensor_id> parts) {
  std::vector<tensor_id> rows;
  rows.reserve(parts.size());
  for (const tensor_id& part : parts) {
    rows.push_back(make(ops::expand_dims, {&part, 1}, attribute_list().set("axes", dims{0})));
  }
  return make(ops::concat, rows, attribute_list().set("axis", 0));
}

tensor_id stacker::broadcast(const member_tensor& t) {
  if (t.stacked) return t.tensor;
  return stack(std::vector<tensor_id>(static_cast<std::size_t>(members_), t.tensor));
}

tensor_id stacker::part(tensor_id stacked, std::int64_t member) {
  std::vector<tensor_id>& made = parts_[stacked];
  if (made.empty()) made.resize(static_cast<std::size_t>(members_));
  tensor_id& result = made[static_cast<std::size_t>(member)];
  if (!result.valid()) {
    const tensor_id row =
        make(ops::slice, {&stacked, 1},
             attribute_list().set("axes", dims{0}).set("begin", dims{member}).set("size", dims{1}));
    result = make(ops::squeeze, {&row, 1}, attribute_list().set("axes", dims{0}));
  }
  return result;
}

tensor_id stacker::fold(tensor_id t) {
  const value_type all = type(t);
  if (!all.ranked || all.shape.size() < 3 || !all_known(std::span(all.shape).subspan(2))) return {};
  dims order, shape{all.shape[1], all.shape[0] * all.shape[2]};
  for (std::size_t i = 0; i < all.shape.size(); ++i) order.push_back(static_cast<extent>(i));
  std::swap(order[0], order[1]);
  shape.append(all.shape.begin() + 3, all.shape.end());
  return reshape(make(ops::transpose, {&t, 1}, attribute_list().set("perm", order)), shape);
}

// From [batch, members * channels, ...] back to [members, batch, channels, ...].
tensor_id stacker::unfold(tensor_id t, const dims& member_shape) {
  dims shape{member_shape[0], members_}, order;
  shape.append(member_shape.begin() + 1, member_shape.end());
  for (std::size_t i = 0; i < shape.size(); ++i) order.push_back(static_cast<extent>(i));
  std::swap(order[0], order[1]);
  const tensor_id apart = reshape(t, shape);
  return make(ops::transpose, {&apart, 1}, attribute_list().set("perm", order));
}

stacker::outputs stacker::direct(const call& c, std::span<const tensor_id> operands,
                                 const attribute_list& attributes) {
  const op_id op = graph_.add(c.schema, operands, attributes, c.name, c.line);
  outputs result;
  for (std::uint32_t o = 0; o < graph_.output_count(op); ++o) result.push_back({{op, o}, true});
  return result;
}

stacker::outputs stacker::member_by_member(const call& c) {
  std::vector<std::vector<tensor_id>> parts;  // of each output
  std::vector<tensor_id> operands(c.operands.size());
  attribute_list attributes = c.attributes;
  const attribute* key =
      c.schema.has(ops::random) ? c.attributes.find("key") : nullptr;  // each draws on its own
  for (std::int64_t m = 0; m < members_; ++m) {
    if (key != nullptr) {
      attributes.set(
          "key", std::bit_cast<std::int64_t>(mixed_key(std::bit_cast<std::uint64_t>(key->integer),
                                                       static_cast<std::uint64_t>(m))));
    }
    for (std::size_t k = 0; k < operands.size(); ++k) {
      const member_tensor& t = c.operands[k];
      operands[k] = t.stacked ? part(t.tensor, m) : t.tensor;
    }
    const op_id op = graph_.add(c.schema, operands, attributes, c.name, c.line);
    parts.resize(graph_.output_count(op));
    for (std::uint32_t o = 0; o < parts.size(); ++o) parts[o].push_back({op, o});
  }
  outputs result;
  for (const std::vector<tensor_id>& list : parts) result.push_back({stack(list), true});
  return result;
}

std::optional<stacker::outputs> stacker::elementwise(const call& c) {
  std::size_t rank = 0;
  for (const value_type& t : c.types) {
    if (!t.ranked) return std::nullopt;
    rank = std::max(rank, t.shape.size());
  }
  std::vector<tensor_id> operands;
  for (std::size_t k = 0; k < c.operands.size(); ++k) {
    const member_tensor& t = c.operands[k];
    operands.push_back(t.stacked ? widen(t.tensor, rank - c.types[k].shape.size()) : t.tensor);
  }
  attribute_list attributes = c.attributes;
  const auto is_stacked = [](const member_tensor& t) { return t.stacked; };
  if (attributes.integer("equal_shapes") != 0 &&
      !std::all_of(c.operands.begin(), c.operands.end(), is_stacked)) {
    attributes.set("equal_shapes", false);  // what all members share broadcasts over them
  }
  return direct(c, operands, attributes);
}

std::optional<stacker::outputs> stacker::product(const call& c) {
  return elementwise(c);  // leading axes broadcast, and the last two stay the last two
}

std::optional<stacker::outputs> stacker::shifted_axes(const call& c, std::string_view key,
                                                      bool all_if_absent) {
  attribute_list attributes = c.attributes;
  const attribute* axes = attributes.find(key);
  if (axes != nullptr) {
    attributes.set(axes->key, shifted(axes->integers));
  } else {
    if (!c.types[0].ranked) return std::nullopt;
    std::size_t count = c.types[0].shape.size();
    if (!all_if_absent) {  // the first ones, as many as are described
      const dims begin = attributes.integers("begin", attributes.integers("before"));
      count = begin.size();
    }
    dims all;
    for (std::size_t i = 0; i < count; ++i) all.push_back(static_cast<extent>(i) + 1);
    attributes.set("axes", all);
  }
  const tensor_id operand = c.operands[0].tensor;
  return direct(c, {&operand, 1}, attributes);
}

std::optional<stacker::outputs> stacker::shifted_axis(const call& c, std::int64_t otherwise) {
  attribute_list attributes = c.attributes;
  const std::int64_t axis = attributes.integer("axis", otherwise);
  attributes.set("axis", axis >= 0 ? axis + 1 : axis);
  std::vector<tensor_id> operands;
  for (const member_tensor& t : c.operands) operands.push_back(broadcast(t));
  return direct(c, operands, attributes);
}

std::optional<stacker::outputs> stacker::reshaped(const call& c) {
  dims shape{members_};
  if (is_one_of(c.schema, {&ops::flatten})) {
    const value_type& x = c.types[0];
    if (!x.ranked || x.shape.empty() || !all_known(std::span(x.shape).subspan(1))) {
      return std::nullopt;
    }
    shape.push_back(x.shape[0]);
    shape.push_back(element_count(std::span<const extent>(x.shape).subspan(1)));
  } else {
    const dims wanted = c.attributes.integers("shape");
    shape.append(wanted.begin(), wanted.end());
  }
  if (open_extents(shape) > 1) return std::nullopt;
  return outputs{{reshape(c.operands[0].tensor, shape), true}};
}

// All members' filters side by side: groups of their own, or all on the one image they share.
std::optional<stacker::outputs> stacker::convolution(const call& c) {
  const member_tensor &x = c.operands[0], &w = c.operands[1];
  const value_type filters = c.types[1], images = c.types[0];
  const std::int64_t groups = c.attributes.integer("groups", 1);
  if (!filters.ranked || !all_known(filters.shape) || !images.ranked ||
      !all_known(std::span(images.shape).subspan(1))) {
    return std::nullopt;
  }
  dims merged = filters.shape;
  merged[0] *= members_;
  attribute_list attributes = c.attributes;
  std::array<tensor_id, 2> operands{};
  if (!x.stacked && groups == 1) {
    operands = {x.tensor, reshape(w.tensor, merged)};
  } else {
    operands = {fold(broadcast(x)), reshape(broadcast(w), merged)};
    attributes.set("groups", groups * members_);
  }
  const op_id op = graph_.add(c.schema, operands, attributes, c.name, c.line);
  dims member_shape = type({op, 0}).shape;
  member_shape[1] /= members_;
  return outputs{{unfold({op, 0}, member_shape), true}};
}

// Members as channels: for operators that treat each channel by itself.
std::optional<stacker::outputs> stacker::folded(const call& c) {
  const tensor_id x = fold(c.operands[0].tensor);
  if (!x.valid()) return std::nullopt;
  const tensor_id y{graph_.add(c.schema, {&x, 1}, c.attributes, c.name, c.line), 0};
  dims shape = type(y).shape;
  shape[1] /= members_;
  return outputs{{unfold(y, shape), true}};
}

std::optional<stacker::outputs> stacker::batch_norm(const call& c) {
  const value_type& member = c.types[0];
  if (!member.ranked || !all_known(std::span(member.shape).subspan(1))) return std::nullopt;
  const extent channels = member.shape[1];
  std::vector<tensor_id> operands{fold(broadcast(c.operands[0]))};
  for (std::size_t k = 1; k < c.operands.size(); ++k) {
    operands.push_back(reshape(broadcast(c.operands[k]), dims{members_ * channels}));
  }
  const op_id op = graph_.add(c.schema, operands, c.attributes, c.name, c.line);
  dims shape = type({op, 0}).shape;
  shape[1] = channels;
  outputs result{{unfold({op, 0}, shape), true}};
  for (std::uint32_t o = 1; o < graph_.output_count(op); ++o) {
    result.push_back({reshape({op, o}, dims{members_, channels}), true});
  }
  return result;
}

// Scale and bias differ between members: they are taken out of the operator.
std::optional<stacker::outputs> stacker::layer_norm(const call& c) {
  const value_type &x = c.types[0], &scale = c.types[1];
  if (!x.ranked || !scale.ranked || !all_known(scale.shape)) return std::nullopt;
  if (!c.operands[1].stacked && !c.operands[2].stacked) {
    const std::array operands{c.operands[0].tensor, c.operands[1].tensor, c.operands[2].tensor};
    return direct(c, operands, c.attributes);
  }
  const auto filled = [&](double value) {
    return make(ops::fill, {},
                attribute_list().set("shape", scale.shape).set("type", x.type).set("value", value));
  };
  const std::array plain{c.operands[0].tensor, filled(1), filled(0)};
  const tensor_id y{graph_.add(c.schema, plain, c.attributes, c.name, c.line), 0};
  const auto aligned = [&](const member_tensor& t) {
    return t.stacked ? widen(t.tensor, x.shape.size() - 1) : t.tensor;
  };
  const std::array scaled{y, aligned(c.operands[1])};
  const std::array moved{make(ops::mul, scaled), aligned(c.operands[2])};
  return outputs{{make(ops::add, moved), true}};
}

std::optional<stacker::outputs> stacker::looked_up(const call& c) {
  const member_tensor &table = c.operands[0], &indices = c.operands[1];
  std::int64_t axis = c.attributes.integer("axis", 0);
  if (indices.stacked) {
    if (table.stacked || axis != 0) return std::nullopt;
  } else if (axis >= 0) {
    ++axis;
  }
  attribute_list attributes = c.attributes;
  attributes.set("axis", axis);
  const std::array operands{table.tensor, indices.tensor};
  return direct(c, operands, attributes);
}

// Of each member apart: sums over all axes but the first, with elements widened as the operator widens them.
std::optional<stacker::outputs> stacker::squared_norm(const call& c) {
  if (!c.types[0].ranked) return std::nullopt;
  const tensor_id operand = c.operands[0].tensor;
  const tensor_id wide =
      make(ops::cast, {&operand, 1}, attribute_list().set("type", dtype::float64));
  const tensor_id squares = make(ops::square, {&wide, 1}, {});
  dims axes;
  for (std::size_t i = 0; i < c.types[0].shape.size(); ++i) {
    axes.push_back(static_cast<extent>(i) + 1);
  }
  const tensor_id total =
      axes.empty() ? squares : make(ops::sum, {&squares, 1}, attribute_list().set("axes", axes));
  const call result{
      ops::cast, attribute_list().set("type", c.attributes.type("type", dtype::float64)),
      c.types,   c.operands,
      c.from,    c.source,
      c.name,    c.line};
  return direct(result, {&total, 1}, result.attributes);
}

std::optional<stacker::outputs> stacker::together(const call& c) {
  const operator_schema& s = c.schema;
  if (s.has(ops::elementwise)) return elementwise(c);
  if (is_one_of(s, {&ops::matmul})) return product(c);
  if (is_one_of(s, {&ops::identity, &ops::stop_gradient, &ops::assign})) {
    const tensor_id operand = c.operands[0].tensor;
    return direct(c, {&operand, 1}, c.attributes);
  }
  if (is_one_of(s, {&ops::ensure_shape})) {
    attribute_list attributes = c.attributes;
    if (c.attributes.find("shape") != nullptr) {
      dims shape{members_};
      for (const extent e : c.attributes.integers("shape")) shape.push_back(e);
      attributes.set("shape", shape);
    }
    const tensor_id operand = c.operands[0].tensor;
    return direct(c, {&operand, 1}, attributes);
  }
  if (is_one_of(s,
                {&ops::sum, &ops::mean, &ops::prod, &ops::max, &ops::min, &ops::all, &ops::any})) {
    return shifted_axes(c, "axes", true);
  }
  if (is_one_of(s, {&ops::slice, &ops::pad, &ops::crop, &ops::expand_dims, &ops::squeeze})) {
    return shifted_axes(c, "axes", false);
  }
  if (is_one_of(s, {&ops::argmax, &ops::softmax, &ops::log_softmax})) return shifted_axis(c, -1);
  if (is_one_of(s, {&ops::concat, &ops::split})) return shifted_axis(c, 0);
  if (is_one_of(s, {&ops::transpose})) {
    dims order = c.attributes.integers("perm");
    if (c.attributes.find("perm") == nullptr) {
      if (!c.types[0].ranked) return std::nullopt;
      for (std::size_t i = c.types[0].shape.size(); i-- > 0;)
        order.push_back(static_cast<extent>(i));
    }
    dims all{0};
    for (const extent axis : order) all.push_back(axis + 1);
    attribute_list attributes = c.attributes;
    attributes.set("perm", all);
    const tensor_id operand = c.operands[0].tensor;
    return direct(c, {&operand, 1}, attributes);
  }
  if (is_one_of(s, {&ops::reshape, &ops::flatten})) return reshaped(c);
  if (is_one_of(s, {&ops::conv2d})) return convolution(c);
  if (is_one_of(s, {&ops::max_pool2d, &ops::avg_pool2d})) return folded(c);
  if (is_one_of(s, {&ops::batch_norm})) return batch_norm(c);
  if (is_one_of(s, {&ops::layer_norm})) return layer_norm(c);
  if (is_one_of(s, {&ops::gather})) return looked_up(c);
  if (is_one_of(s, {&ops::squared_norm})) return squared_norm(c);
  return std::nullopt;
}

// What draws at random draws for each member, also where its operands are the same for all. Where elements are
// drawn by their places, those of the members follow one another in one draw.
stacker::outputs stacker::drawn(const call& c) {
  if (is_one_of(c.schema, {&ops::dropout, &ops::random_uniform_like, &ops::random_normal_like}) &&
      !c.operands[1].stacked) {
    const std::array operands{broadcast(c.operands[0]), c.operands[1].tensor};
    return direct(c, operands, c.attributes);
  }
  const bool stacked = std::any_of(c.operands.begin(), c.operands.end(),
                                   [](const member_tensor& t) { return t.stacked; });
  if (is_one_of(c.schema, {&ops::random_uniform, &ops::random_normal, &ops::truncated_normal}) &&
      !stacked) {
    dims shape{members_};
    const dims own = c.attributes.integers("shape");
    shape.append(own.begin(), own.end());
    attribute_list attributes = c.attributes;
    attributes.set("shape", shape);
    std::vector<tensor_id> operands;
    for (const member_tensor& t : c.operands) operands.push_back(t.tensor);
    return direct(c, operands, attributes);
  }
  for (std::size_t k = 0; k < c.operands.size(); ++k) {
    if (c.operands[k].stacked || !(c.types[k] == value_type::of(dtype::int64, {2}))) continue;
    throw unsupported_error(
        {"an ensemble was asked of '" + c.from.path_of(c.source) + "'",
         "its members would draw the same from the stream '" +
             c.from.path_of(c.from.operand(c.source, static_cast<std::uint32_t>(k))) + "'",
         c.from.path_of(c.source), "make networks of their own with replicate()"});
  }
  return member_by_member(c);
}

std::vector<member_tensor> stacker::add(const Graph& from, op_id source,
                                        const attribute_list& attributes,
                                        std::span<const value_type> types,
                                        std::span<const member_tensor> operands) {
  const operator_schema& schema = from.schema_of(source);
  call c{schema,
         attributes,
         types,
         operands,
         from,
         source,
         from.name_of(source),
         from.line_of(source)};
  for (attribute& a : c.attributes) {
    if (a.kind == attribute_kind::body) return add_with_bodies(c);
    if (a.kind == attribute_kind::constant && &from != &graph_) {
      a.integer = append_constant(graph_, from.constant(a.integer));
    }
  }
  const bool stacked = std::any_of(operands.begin(), operands.end(),
                                   [](const member_tensor& t) { return t.stacked; });
  if (schema.has(ops::random)) return drawn(c);
  if (!stacked) {
    std::vector<tensor_id> plain;
    for (const member_tensor& t : operands) plain.push_back(t.tensor);
    outputs result = direct(c, plain, c.attributes);
    for (member_tensor& t : result) t.stacked = false;
    return result;
  }
  if (auto result = together(c)) return *std::move(result);
  return member_by_member(c);
}

}  // namespace graft::detail
