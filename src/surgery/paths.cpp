#include "surgery/paths.hpp"

#include <algorithm>
#include <optional>

#include "graft/surgery/select.hpp"

#include "graph/building.hpp"

namespace graft {

namespace detail {
namespace {

// How many characters must be added, taken away or changed to make one of the other (Levenshtein's distance).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string names_near::hint() const {
  constexpr std::size_t most = 8;
  if (paths.empty()) return "nothing is there";
  std::string text = "there are ";
  for (std::size_t i = 0; i < paths.size() && i < most; ++i) {
    text += (i > 0 ? ", '" : "'") + paths[i] + "'";
  }
  if (paths.size() > most) text += " and " + std::to_string(paths.size() - most) + " more";
  return text;
}

names_near names_at(const Graph& g, std::string_view path) {
  std::string_view scope = path;
  std::optional<scope_id> inside;
  while (!inside) {
    const std::size_t slash = scope.rfind('/');
    scope = slash == std::string_view::npos ? std::string_view() : scope.substr(0, slash);
    inside = g.find_scope(scope);
  }
  names_near near{std::string(scope), {}};
  for (std::uint32_t s = 1; s < g.scope_count(); ++s) {
    if (is_removed(g.data().scopes[s])) continue;
    const scope_id inner = g.data().scope(s);
    if (g.parent_scope(inner) == *inside) near.paths.push_back(g.scope_path(inner));
  }
  for (std::size_t i = 0; i < g.op_count(); ++i) {
    if (g.scope_of(g.op_at(i)) == *inside) near.paths.push_back(g.path_of(g.op_at(i)));
  }
  // What is far from the path stays in the order of the graph.
  const auto rank = [&](const std::string& name) {
    const std::size_t far = distance(name, path);
    return far * 2 > path.size() - scope.size() + 1 ? path.size() + 1 : far;
  };
  std::vector<std::pair<std::size_t, std::size_t>> ranked;
  for (std::size_t i = 0; i < near.paths.size(); ++i) ranked.emplace_back(rank(near.paths[i]), i);
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::string> sorted;
  sorted.reserve(ranked.size());
  for (const auto& [far, i] : ranked) sorted.push_back(std::move(near.paths[i]));
  near.paths = std::move(sorted);
  return near;
}

}  // namespace detail

op_id op_named(const Graph& g, name_view path) {
  if (const auto op = g.find_op(path)) return *op;
  const detail::names_near near = detail::names_at(g, path);
  const bool scope = g.find_scope(path).has_value();
  throw name_error({"the op '" + std::string(path) + "' was asked for",
                    scope ? "it is a scope" : "no op has that path",
                    near.scope.empty() ? std::string("the graph") : near.scope, near.hint()});
}

}  // namespace graft
