// Texts and numbers as drawings write them.
#pragma once

#include <string>
#include <string_view>

namespace graft::report {

/// With one decimal.
std::string number(double value);
/// For SVG: < > & and quotes as entities.
std::string escaped(std::string_view text);
/// For DOT: in quotes, with a line end as \n.
std::string quoted(std::string_view text);

}  // namespace graft::report
