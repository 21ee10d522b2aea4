// Feeds: their shapes, and whether they fit the tensors they are for.
#include <map>

#include "graft/core/error.hpp"

#include "runtime/session_state.hpp"

namespace graft {
namespace detail {

void add_feed(std::vector<feed_item>& all, feed_item item) { all.push_back(std::move(item)); }
void add_feeds(std::vector<feed_item>& all, const std::vector<feed_item>& items) {
  all.insert(all.end(), items.begin(), items.end());
}

namespace {

std::string described(const Array& value) {
  return std::string(name_of(value.type())) + " " + to_string(value.shape());
}

std::string count_in_words(std::size_t count, const char* what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

void check_shape(const Graph& g, tensor_id t, const value_type& type, const Array& value,
                 const std::string& asked) {
  const std::string place = declared(g, t.op);
  if (type.shape.size() != value.rank()) {
    throw shape_error({asked,
                       "the tensor is " + to_string(type) + ": it has " +
                           count_in_words(type.shape.size(), "extent") + " and the value " +
                           std::to_string(value.rank()),
                       place, "reshape the value"});
  }
  for (std::size_t axis = 0; axis < type.shape.size(); ++axis) {
    if (!surely_differ(type.shape[axis], value.shape()[axis])) continue;
    throw shape_error({asked,
                       "the tensor is " + to_string(type) + ": axis " + std::to_string(axis) +
                           " has " + std::to_string(type.shape[axis]) + " elements, the value's " +
                           std::to_string(value.shape()[axis]),
                       place, "feed a value of the tensor's shape"});
  }
}

}  // namespace

void check_feeds(const Graph& g, const session_call& call, std::span<const feed_item> feeds) {
  struct seen {
    extent length;
    tensor_id where;
  };
  std::map<extent, seen> named;
  for (std::size_t i = 0; i < call.feeds.size(); ++i) {
    const tensor_id t = call.feeds[i].tensor;
    const Array& value = feeds[call.feeds[i].place].value;
    if (i > 0 && call.feeds[i - 1].tensor == t) {
      throw feed_error({"'" + g.path_of(t) + "' was fed twice in one run", "a tensor has one value",
                        declared(g, t.op), "leave one of the feeds out"});
    }
    const value_type type = g.type_of(t);
    const std::string asked = "'" + g.path_of(t) + "' was fed " + described(value);
    if (value.type() == dtype::any) {
      throw feed_error({asked, "the array is empty", declared(g, t.op),
                        "feed an array with a type and a shape"});
    }
    if (type.type != dtype::any && type.type != value.type()) {
      throw dtype_error(
          {asked, "the tensor is " + to_string(type), declared(g, t.op),
           "convert the value with cast(dtype::" + std::string(name_of(type.type)) + ")"});
    }
    if (!type.ranked) continue;
    check_shape(g, t, type, value, asked);
    for (std::size_t axis = 0; axis < type.shape.size(); ++axis) {
      if (!is_named(type.shape[axis])) continue;
      const extent length = value.shape()[axis];
      const auto [known, fresh] = named.try_emplace(type.shape[axis], seen{length, t});
      if (fresh || known->second.length == length) continue;
      throw shape_error({asked,
                         "its '" + dim_name(type.shape[axis]) + "' is " + std::to_string(length) +
                             " where that of '" + g.path_of(known->second.where) + "' is " +
                             std::to_string(known->second.length),
                         declared(g, t.op),
                         "feed values that agree, or give the two dimensions different names"});
    }
  }
}

dims feed_shape(const graph_reference& target, std::size_t count) {
  const Graph& g = target_traits<Graph>::target_of(target);
  const tensor_id t = g.id(target);
  const value_type type = g.type_of(t);
  const std::string asked = "'" + g.path_of(t) + "' was fed " + count_in_words(count, "element");
  dims shape = type.shape;
  dims numbers;
  std::size_t open = 0, unknown = 0;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (is_known(shape[axis])) {
      numbers.push_back(shape[axis]);
    } else {
      open = axis;
      ++unknown;
    }
  }
  const extent known = element_count(numbers);  // throws if it overflows
  const auto given = static_cast<extent>(count);
  // Where other axes are empty, any length of the open one holds no elements.
  if (!type.ranked || unknown > 1 || (unknown == 1 && known == 0 && given == 0)) {
    throw shape_error(
        {asked,
         "the tensor is " + to_string(type) + ", so the elements may be arranged in several ways",
         declared(g, t.op), "feed an Array, which has a shape"});
  }
  if (unknown == 1 && known > 0 && given % known == 0) {
    shape[open] = given / known;
  } else if (unknown == 1 || given != known) {
    throw shape_error({asked, "the tensor is " + to_string(type), declared(g, t.op),
                       unknown == 1 && known > 0
                           ? "give a multiple of " + std::to_string(known) + " elements"
                           : "give " + count_in_words(static_cast<std::size_t>(known), "element")});
  }
  return shape;
}

void refuse_feed_count(std::size_t tensors, std::size_t values) {
  throw feed_error({count_in_words(tensors, "tensor") +
                        (tensors == 1 ? " was fed " : " were fed ") +
                        count_in_words(values, "value"),
                    values < tensors ? "a tensor has no value" : "a value has no tensor", "",
                    "give a value for each tensor, in the same structure"});
}
void refuse_feed_key(const std::string& key, bool value_is_missing) {
  throw feed_error({"a map of tensors was fed a map of values",
                    "the key " + key + (key.empty() ? "" : " ") + "has no " +
                        (value_is_missing ? "value" : "tensor"),
                    "", "give a value for each tensor, under the same key"});
}
void refuse_feed_of_nothing(bool value_is_missing) {
  throw feed_error(
      {"an optional tensor was fed an optional value",
       value_is_missing ? "there is a tensor and no value" : "there is a value and no tensor", "",
       "give a value where there is a tensor"});
}

feed_item known_shape(const graph_reference& target) {
  const Graph& g = target_traits<Graph>::target_of(target);
  const tensor_id t = g.id(target);
  const value_type type = g.type_of(t);
  if (!type.ranked || !all_known(type.shape)) {
    throw shape_error(
        {"a call with input '" + g.path_of(t) + "' was to be prepared",
         "the tensor is " + to_string(type) + ", and a prepared call has fixed shapes",
         g.path_of(t), "give the shape: shaped(x, {...})"});
  }
  return shaped(g.handle(t), type.shape);
}

}  // namespace detail

feed_item shaped(const any_tensor& target, const dims& shape) {
  return {target, Array(target_traits<Graph>::type_of(target.ref()).type, shape)};
}

}  // namespace graft
