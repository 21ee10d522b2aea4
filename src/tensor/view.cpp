#include "graft/tensor/view.hpp"

namespace graft::detail {

void refuse_view(const std::string& asked, const std::string& found) {
  throw argument_error({.asked = asked + " of a view was asked for",
                        .found = "the view is " + found,
                        .where = {},
                        .hint = "indices and axes count from 0; copy() makes any view contiguous"});
}

}  // namespace graft::detail
