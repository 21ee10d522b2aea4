// Rules that decide for each variable what a clone does with it.
#include <algorithm>
#include <array>
#include <utility>

#include "graft/surgery/policy.hpp"
#include "graft/surgery/select.hpp"

#include "graph/role_names.hpp"

namespace graft::variables {
namespace {

const char* name_of(variable_policy policy) {
  constexpr std::array names{"fresh", "copied", "shared", "frozen", "linked", "replaced"};
  return names[static_cast<std::size_t>(policy)];
}

// How deep a scope is, and how many of its components are spelled out.
using specificity = std::pair<std::size_t, std::size_t>;

specificity specificity_of(std::string_view path) {
  specificity result{0, 0};
  std::size_t length = 0, stars = 0;
  const auto finish = [&] {
    if (length > 0 && !(length == 2 && stars == 2)) ++result.first;
    if (length > 0 && stars == 0) ++result.second;
    length = stars = 0;
  };
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '/') {
      finish();
      continue;
    }
    ++length;
    stars += path[i] == '*';
    if (path[i] == '\\') ++i;
  }
  finish();
  return result;
}

struct entry {
  variable_policy policy;
  specificity weight;
  std::string what;  // for messages: "scope 'encoder'"
};

std::string in_words(const std::vector<entry>& rules, std::size_t i) {
  return "rule " + std::to_string(i) + " (" + rules[i].what + ": " + name_of(rules[i].policy) + ")";
}

// What rules say of a variable that those fit for which fits(i) is true.
template <class F>
variable_policy decide(const std::vector<entry>& rules, variable_policy otherwise, precedence how,
                       const Graph& g, const variable_info& v, F&& fits) {
  const std::size_t none = rules.size();
  std::size_t best = none, rival = none;  // rival: as specific as the best, with another policy
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (!fits(i)) continue;
    if (how == precedence::order) return rules[i].policy;
    if (best == none || rules[best].weight < rules[i].weight) {
      best = i;
      rival = none;
    } else if (rival == none && rules[best].weight == rules[i].weight &&
               rules[best].policy != rules[i].policy) {
      rival = i;
    }
  }
  if (best == none) return otherwise;
  if (rival == none) return rules[best].policy;
  throw argument_error({"a policy was to be chosen for '" + g.path_of(v.id) + "'",
                        in_words(rules, best) + " and " + in_words(rules, rival) +
                            " fit it and are equally specific",
                        g.path_of(v.id),
                        "drop one, name a deeper scope in one, or let their order decide "
                        "(variables::precedence::order)"});
}

// The scopes that have variables, for a sentence, in the order of these.
std::string scopes_of(const Graph& g, std::span<const variable_id> variables) {
  constexpr std::size_t most = 8;
  std::vector<std::string> known;
  for (const variable_id v : variables) {
    const std::string scope = g.scope_path(g.scope_of(g.variable_of(v).read.op));
    if (scope.empty() || std::find(known.begin(), known.end(), scope) != known.end()) continue;
    if (known.size() == most) {
      known.emplace_back("...");
      break;
    }
    known.push_back(scope);
  }
  std::string list;
  for (const std::string& scope : known) {
    list += list.empty() ? "" : ", ";
    list += scope == "..." ? scope : "'" + scope + "'";
  }
  return list;
}

// That a rule fits a variable of the graph, of those that are cloned most often.
void require_fit(const Graph& g, std::span<const variable_id> among, const entry& rule,
                 const op_filter& filter) {
  const auto fits = [&](variable_id v) { return filter(g, g.variable_of(v).read.op); };
  if (std::any_of(among.begin(), among.end(), fits)) return;
  const std::vector<variable_id> all = g.variables();
  if (std::any_of(all.begin(), all.end(), fits)) return;
  const std::string known = scopes_of(g, among);
  throw argument_error({"a policy was chosen for " + rule.what,
                        "no variable of the graph lies there", "",
                        known.empty() ? "what is cloned has no variable in a scope"
                                      : "what is cloned has variables in " + known});
}

}  // namespace

chosen_by by_scope(std::vector<std::pair<std::string, variable_policy>> scopes,
                   variable_policy otherwise, precedence how) {
  std::vector<entry> rules;
  std::vector<op_filter> filters;
  for (const auto& [path, policy] : scopes) {
    filters.push_back(within_scope(path));
    rules.push_back({policy, specificity_of(path), "scope '" + path + "'"});
  }
  const auto require = [rules, filters](const Graph& g, std::span<const variable_id> among) {
    for (std::size_t i = 0; i < rules.size(); ++i) require_fit(g, among, rules[i], filters[i]);
  };
  return {[rules = std::move(rules), filters = std::move(filters), otherwise, how](
              const Graph& g, const variable_info& v) {
            return decide(rules, otherwise, how, g, v,
                          [&](std::size_t i) { return filters[i](g, v.read.op); });
          },
          require};
}

chosen_by by_role(std::vector<std::pair<variable_role, variable_policy>> roles,
                  variable_policy otherwise, precedence how) {
  std::vector<entry> rules;
  for (const auto& [role, policy] : roles) {
    rules.push_back({policy, {}, std::string("role ") + detail::name_of(role)});
  }
  return {[rules = std::move(rules), roles = std::move(roles), otherwise, how](
              const Graph& g, const variable_info& v) {
    return decide(rules, otherwise, how, g, v,
                  [&](std::size_t i) { return roles[i].first == v.role; });
  }};
}

}  // namespace graft::variables
