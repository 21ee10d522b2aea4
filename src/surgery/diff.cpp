#include "graft/surgery/diff.hpp"

#include "surgery/matcher.hpp"

namespace graft {

correspondence correspond_regions(const Region& a, const Region& b,
                                  const compare_options& options) {
  return detail::matcher(detail::anchored(a), detail::anchored(b), options, false).run();
}
correspondence correspond_graphs(const Graph& a, const Graph& b, const compare_options& options) {
  return detail::matcher(detail::anchored(a), detail::anchored(b), options, false).run();
}

std::string to_string(const std::vector<difference>& differences) {
  if (differences.empty()) return "no difference\n";
  std::string text;
  for (const difference& d : differences) text += d.text + "\n";
  return text;
}

}  // namespace graft
