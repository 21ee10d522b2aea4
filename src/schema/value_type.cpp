#include "graft/schema/value_type.hpp"

namespace graft {

std::string to_string(const value_type& type) {
  std::string text;
  if (type.kind == value_kind::sequence) text = "sequence of ";
  if (type.kind == value_kind::optional) text = "optional ";
  text += type.type == dtype::any ? "any type" : std::string(name_of(type.type));
  return text + (type.ranked ? " " + to_string(type.shape) : " of unknown rank");
}

}  // namespace graft
