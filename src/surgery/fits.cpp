#include "surgery/fits.hpp"

namespace graft::detail {

std::optional<misfit> misfit_of(const value_type& wanted, const value_type& got, bool any_shape) {
  using kind = misfit::kind;
  if (wanted == got) return std::nullopt;
  if (wanted.type != dtype::any && wanted.type != got.type) {
    return misfit{kind::element_type, "the element types differ"};
  }
  if (wanted.kind != got.kind)
    return misfit{kind::kind_of_value, "one is a tensor and the other is not"};
  if (any_shape || !wanted.ranked) return std::nullopt;
  if (!got.ranked) return misfit{kind::open_rank, "the rank of the replacement is not known"};
  if (wanted.shape.size() != got.shape.size()) {
    return misfit{kind::rank, "the ranks " + std::to_string(wanted.shape.size()) + " and " +
                                  std::to_string(got.shape.size()) + " differ"};
  }
  for (std::size_t axis = 0; axis < wanted.shape.size(); ++axis) {
    const extent w = wanted.shape[axis], o = got.shape[axis];
    if (!is_known(w) || w == o) continue;
    if (is_known(o)) {
      return misfit{kind::extent, "the extents " + std::to_string(w) + " and " + std::to_string(o) +
                                      " of axis " + std::to_string(axis) + " differ"};
    }
    return misfit{kind::open_extent, "the extent " + std::to_string(w) + " of axis " +
                                         std::to_string(axis) + " is not known of the replacement"};
  }
  return std::nullopt;
}

void check_takes_place(const Graph& g, const char* call, tensor_id old, tensor_id by,
                       shape_choice shapes) {
  if (old == by) return;
  const value_type wanted = g.type_of(old), got = g.type_of(by);
  const auto why = misfit_of(wanted, got, shapes.any());
  if (!why) return;
  const auto hint = [&]() -> std::string {
    switch (why->what) {
      case misfit::kind::element_type:
        return "insert cast<T>(x); element types stay what they are in place, and a clone has "
               "others by "
               "element_type(...)";
      case misfit::kind::kind_of_value:
        return "put values of one kind in each other's place";
      case misfit::kind::open_rank:
      case misfit::kind::open_extent:
        return "view it as<T, shape<...>>(x), or let shapes change: reshaping::allow";
      case misfit::kind::rank:
      case misfit::kind::extent:
        return "reshape it, or let shapes change: reshaping::allow";
    }
    return {};
  };
  const error_parts parts{std::string(call) + " was to put '" + g.path_of(by) + "', " +
                              to_string(got) + ", in the place of '" + g.path_of(old) + "', " +
                              to_string(wanted),
                          why->found, g.path_of(old), hint()};
  if (why->what == misfit::kind::element_type) throw dtype_error(parts);
  throw shape_error(parts);
}

}  // namespace graft::detail
