#include "graft/core/error.hpp"

#include <utility>

namespace graft {

namespace {

// True for a hint that begins with code: "bind(x, y)", "as<T>(x)", "session.run(y)", "bind_reshaped".
bool begins_with_code(const std::string& hint) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto part_of_name = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '_'; };
  std::size_t end = 0;
  while (end < hint.size() && part_of_name(hint[end])) ++end;
  if (hint.find('_') < end) return true;
  if (end == hint.size()) return false;
  if (hint[end] == '(' || hint[end] == '<') return true;
  return (hint[end] == '.' || hint[end] == ':') && end + 1 < hint.size() && hint[end + 1] != ' ';
}

// "asked; found (where). Hint." Parts that are empty leave no trace; names of functions keep their case.
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
    if (hint[0] >= 'a' && hint[0] <= 'z' && !begins_with_code(hint))
      hint[0] = static_cast<char>(hint[0] - 'a' + 'A');
    if (!text.empty()) text += ' ';
    text += hint;
    if (text.back() != '.' && text.back() != '?' && text.back() != '!') text += '.';
  }
  return text;
}

}  // namespace

error::error(error_parts parts) : std::runtime_error(sentence(parts)), parts_(std::move(parts)) {}

}  // namespace graft
