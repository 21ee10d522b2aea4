// Feeds: values given to tensors for one run.
#pragma once

#include <initializer_list>
#include <span>
#include <vector>

#include "graft/graph/graph.hpp"

namespace graft {

/// A value for a tensor. Any tensor can be fed; its producer is then not run.
struct feed_item {
  any_tensor target;
  Array value;
};

inline feed_item feed(const any_tensor& target, Array value) { return {target, std::move(value)}; }

/// Feeds elements of a tensor whose type and extents are static but for at most one, which follows from the count.
/// @throws shape_error where the count does not fit
template <dtype Type, extent... Extents, element T>
  requires(dtype_of<T> == Type)
feed_item feed(const tensor<Graph, Type, shape<Extents...>>& target, std::span<const T> values) {
  dims shape{Extents...};
  std::int64_t known = 1, open = -1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] >= 0) {
      known *= shape[i];
    } else {
      open = static_cast<std::int64_t>(i);
    }
  }
  if (open >= 0 && known > 0) shape[static_cast<std::size_t>(open)] = static_cast<std::int64_t>(values.size()) / known;
  return {target, Array::from<T>(shape, values)};
}
template <dtype Type, extent... Extents, element T>
  requires(dtype_of<T> == Type)
feed_item feed(const tensor<Graph, Type, shape<Extents...>>& target, const std::vector<T>& values) {
  return feed(target, std::span<const T>(values));
}

}  // namespace graft
