#include "graft/core/error.hpp"

#include <utility>

namespace graft {

namespace {

// "asked; found (where). Hint." Parts that are empty leave no trace.
std::string sentence(const error_parts& parts) {
  std::string text = parts.asked;
  if (!parts.found.empty()) {
    if (!text.empty()) text += "; ";
    text += parts.found;
  }
  if (!parts.where.empty()) text += " (" + parts.where + ")";
  if (!text.empty() && text.back() != '.' && text.back() != '?' && text.back() != '!') text += '.';
  if (!parts.hint.empty()) {
    std::string hint = parts.hint;
    if (hint[0] >= 'a' && hint[0] <= 'z') hint[0] = static_cast<char>(hint[0] - 'a' + 'A');
    if (!text.empty()) text += ' ';
    text += hint;
    if (text.back() != '.' && text.back() != '?' && text.back() != '!') text += '.';
  }
  return text;
}

}  // namespace

error::error(error_parts parts) : std::runtime_error(sentence(parts)), parts_(std::move(parts)) {}

}  // namespace graft
