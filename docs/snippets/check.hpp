// What the pages claim about their code holds, or the program ends with an error.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <regex>
#include <sstream>
#include <string>
#include <string_view>

inline void check(bool holds, const char* claim) {
  if (holds) return;
  std::fprintf(stderr, "This does not hold: %s.\n", claim);
  std::exit(1);
}

/// Calls a function that must throw, and looks for some words in what it says.
template <class F>
void check_refused(F call, std::string_view words) {
  try {
    call();
  } catch (const std::exception& e) {
    if (std::string_view(e.what()).find(words) != std::string_view::npos) return;
    std::fprintf(stderr, "It was refused with other words than \"%.*s\": %s\n",
                 static_cast<int>(words.size()), words.data(), e.what());
    std::exit(1);
  }
  std::fprintf(stderr, "It was accepted, and should say \"%.*s\".\n",
               static_cast<int>(words.size()), words.data());
  std::exit(1);
}

/// Words with single spaces between them; tags of regions and source lines are left out.
inline std::string words_of(const std::string& text) {
  std::istringstream lines(text);
  std::string line, word, result;
  while (std::getline(lines, line)) {
    if (line.find("//! [") != std::string::npos) continue;
    std::istringstream words(line);
    while (words >> word) result += (result.empty() ? "" : " ") + word;
  }
  return std::regex_replace(result, std::regex("\\((.*declared at )?[^() ]+:[0-9]+\\)"),
                            "($1FILE:LINE)");
}

/// Calls a function that must throw an Error that says just this, however the lines are broken.
template <class Error, class F>
void check_says(F call, const std::string& sentence) {
  try {
    call();
  } catch (const Error& e) {
    if (words_of(e.what()) == words_of(sentence)) return;
    std::fprintf(stderr, "It says: %s\nand should say: %s\n", words_of(e.what()).c_str(),
                 words_of(sentence).c_str());
    std::exit(1);
  }
  std::fprintf(stderr, "It was accepted, and should say: %s\n", words_of(sentence).c_str());
  std::exit(1);
}
