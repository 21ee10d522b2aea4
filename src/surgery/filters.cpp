// Filters of ops by name and scope.
#include <memory>
#include <regex>
#include <unordered_set>

#include "graft/surgery/select.hpp"

namespace graft {
namespace {

std::shared_ptr<const std::regex> compile(std::string_view pattern) {
  auto flags = std::regex::ECMAScript;
#ifdef __GLIBCXX__
  // Its other engine takes stack for every character of a name, and may take exponential time.
  flags |= std::regex_constants::__polynomial;
#endif
  try {
    return std::make_shared<std::regex>(std::string(pattern), flags);
  } catch (const std::regex_error& e) {
    throw argument_error(
        {"the regular expression '" + std::string(pattern) + "' was to be used", e.what(), "",
         "write an ECMAScript regular expression without back-references; \\ makes a "
         "character literal"});
  }
}

// One component of a scope pattern: literal characters, and places where anything may stand.
struct component {
  std::vector<std::string> parts;  // between the stars; one more than there are stars
  bool any_depth = false;          // "**"

  [[nodiscard]] bool matches(std::string_view name) const {
    if (parts.size() == 1) return name == parts[0];
    if (name.substr(0, parts[0].size()) != parts[0]) return false;
    name.remove_prefix(parts[0].size());
    // Each part where it first fits; the last at the end.
    for (std::size_t i = 1; i + 1 < parts.size(); ++i) {
      const std::size_t at = name.find(parts[i]);
      if (at == std::string_view::npos) return false;
      name.remove_prefix(at + parts[i].size());
    }
    const std::string& last = parts.back();
    return name.size() >= last.size() && name.substr(name.size() - last.size()) == last;
  }
};

std::vector<component> parse(std::string_view path) {
  const auto refuse = [&](const char* why) {
    throw argument_error({"ops in the scope '" + std::string(path) + "' were to be selected", why,
                          "", "write scopes as \"a/b\"; * stands for any part of a component"});
  };
  std::vector<component> result;
  if (path.empty()) return result;
  component next{{""}, false};
  bool empty = true;
  const auto finish = [&] {
    if (empty) refuse("a component is empty");
    next.any_depth = next.parts == std::vector<std::string>{"", "", ""};
    result.push_back(std::exchange(next, component{{""}, false}));
    empty = true;
  };
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '/') {
      if (i + 1 == path.size()) break;  // one at the end is allowed
      finish();
      continue;
    }
    empty = false;
    if (path[i] == '*') {
      next.parts.emplace_back();
      continue;
    }
    if (path[i] == '\\' && ++i == path.size()) refuse("it ends in \\");
    next.parts.back() += path[i];
  }
  finish();
  return result;
}

// Whether a pattern matches the first components of a scope, so that the scope lies within it. The
// states that are possible after each component, as a set of places in the pattern.
bool lies_within(const std::vector<component>& pattern,
                 const std::vector<std::string_view>& names) {
  std::vector<bool> at(pattern.size() + 1);
  const auto skip = [&] {  // "**" may stand for nothing
    for (std::size_t i = 0; i < pattern.size(); ++i) {
      if (at[i] && pattern[i].any_depth) at[i + 1] = true;
    }
  };
  at[0] = true;
  skip();
  if (at.back()) return true;
  for (const std::string_view name : names) {
    std::vector<bool> next(at.size());
    for (std::size_t i = 0; i < pattern.size(); ++i) {
      if (!at[i]) continue;
      if (pattern[i].any_depth) next[i] = true;
      if (!pattern[i].any_depth && pattern[i].matches(name)) next[i + 1] = true;
    }
    at = std::move(next);
    skip();
    if (at.back()) return true;
  }
  return false;
}

}  // namespace

tensor_filter::tensor_filter(op_filter made_by)
    : accept_([f = std::move(made_by)](const Graph& g, tensor_id t) { return f(g, t.op); }) {}

op_filter matching(name_view pattern) {
  return op_filter([regex = compile(pattern)](const Graph& g, op_id op) {
    return std::regex_search(g.path_of(op), *regex);
  });
}

tensor_filter tensors_matching(name_view pattern) {
  return tensor_filter([regex = compile(pattern)](const Graph& g, tensor_id t) {
    return std::regex_search(g.path_of(t), *regex);
  });
}

op_filter within_scope(name_view path) {
  return op_filter([pattern = parse(path)](const Graph& g, op_id op) {
    if (pattern.empty()) return true;
    const std::string scope = g.scope_path(g.scope_of(op));
    std::vector<std::string_view> names;
    for (std::string_view rest = scope; !rest.empty();) {
      const std::size_t slash = rest.find('/');
      names.push_back(rest.substr(0, slash));
      if (slash == std::string_view::npos) break;
      rest.remove_prefix(slash + 1);
    }
    return lies_within(pattern, names);
  });
}

op_filter of_operator(name_view name) {
  return op_filter([wanted = std::string(name)](const Graph& g, op_id op) {
    return wanted == g.schema_of(op).name;
  });
}

std::vector<op_id> find_ops(const Graph& g, const op_filter& accept) {
  std::vector<op_id> result;
  for (std::size_t i = 0; i < g.op_count(); ++i) {
    const op_id op = g.op_at(i);
    if (accept(g, op)) result.push_back(op);
  }
  return result;
}

std::vector<op_id> find_ops(const Graph& g, const std::vector<op_id>& among,
                            const op_filter& accept) {
  std::vector<op_id> result;
  for (const op_id op : among) {
    (void)g.index_of(op);
    if (accept(g, op)) result.push_back(op);
  }
  return result;
}

std::vector<tensor_id> find_tensors(const Graph& g, const tensor_filter& accept) {
  std::vector<tensor_id> result;
  for (std::size_t i = 0; i < g.op_count(); ++i) {
    const op_id op = g.op_at(i);
    for (std::uint32_t o = 0; o < g.output_count(op); ++o) {
      if (accept(g, {op, o})) result.push_back({op, o});
    }
  }
  return result;
}

std::vector<tensor_id> find_tensors(const Graph& g, const std::vector<op_id>& of,
                                    const tensor_filter& accept) {
  std::vector<tensor_id> result = tensors_of(g, of);
  std::erase_if(result, [&](tensor_id t) { return !accept(g, t); });
  return result;
}

std::vector<tensor_id> find_tensors_matching(const Graph& g, name_view pattern) {
  return find_tensors(g, tensors_matching(pattern));
}

std::vector<variable_id> find_variables(const Graph& g, const op_filter& accept) {
  std::vector<variable_id> result;
  for (const variable_id v : g.variables()) {
    if (accept(g, g.variable_of(v).read.op)) result.push_back(v);
  }
  return result;
}

namespace detail {

// What was chosen so far.
struct selector::chosen {
  std::unordered_set<op_id> ops;
  std::unordered_set<tensor_id> tensors;
};

selector::selector(const Graph& g) : graph_(g), chosen_(std::make_unique<chosen>()) {}
selector::~selector() = default;

void selector::add(const op_filter& accept) { add_listed({find_ops(graph_, accept), {}}); }

void selector::add(const tensor_filter& accept) { add_listed({{}, find_tensors(graph_, accept)}); }

void selector::add_listed(const selection& some) {
  for (const op_id op : some.ops) {
    (void)graph_.index_of(op);
    if (chosen_->ops.insert(op).second) found_.ops.push_back(op);
  }
  for (const tensor_id t : some.tensors) {
    (void)graph_.type_of(t);
    if (chosen_->tensors.insert(t).second) found_.tensors.push_back(t);
  }
}

}  // namespace detail
}  // namespace graft
