#include "graft/core/form.hpp"

#include <charconv>

namespace graft {
namespace {

std::string in_words(double number) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, number);
  return std::string(text, end.ptr);
}

}  // namespace

std::string to_string(const elementwise_form& form) {
  std::string text;
  const auto word = [&](std::string_view w) {
    if (!text.empty()) text += ' ';
    text += w;
  };
  for (std::size_t i = 0; i < form.node_count; ++i) {
    const form_node& n = form.nodes[i];
    const int count = entry_of(n.op).operands;
    for (int k = 0; k < count; ++k) {
      const std::uint8_t reference = n.operands[k];
      // The result of the operator just before needs no name where it is the first operand.
      if (k == 0 && i > 0 && reference == node_reference + i - 1) continue;
      if (reference >= node_reference) {
        word("n" + std::to_string(reference - node_reference));
        continue;
      }
      const form_operand& o = form.operands[reference];
      if (o.what == operand_class::constant) {
        word("#" + in_words(std::bit_cast<double>(o.number)));
      } else {
        word(std::string(1, "frcs"[static_cast<std::size_t>(o.what)]) + std::to_string(reference));
      }
    }
    std::string name(name_of(n.op));
    for (std::size_t p = 0; p < 2 && !attribute_of(n.op, p).empty(); ++p) {
      name += (p == 0 ? "(" : ",") + in_words(std::bit_cast<double>(n.numbers[p]));
      if (p == 1 || attribute_of(n.op, p + 1).empty()) name += ')';
    }
    word(name + (n.stored && i + 1 < form.node_count ? "!" : ""));
  }
  return text;
}

}  // namespace graft
