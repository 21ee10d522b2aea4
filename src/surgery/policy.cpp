// The choices of clone(), gathered.
#include "graft/surgery/policy.hpp"

#include "graft/core/error.hpp"
#include "graft/surgery/explain.hpp"

namespace graft {
namespace {

std::string in_words(const clone_options& options) {
  return options.decide ? "a rule" : "variables::" + to_string(options.policy);
}

[[noreturn]] void refuse_second(const clone_options& first, const std::string& second) {
  throw argument_error(
      {"what becomes of variables was chosen twice in one call",
       "first by " + in_words(first) + ", then by " + second, "",
       "choose once: variables::by(...), by_scope(...) and by_role(...) decide for each "
       "variable"});
}

}  // namespace

void clone_options::set(const bindings& b) {
  bound.pairs.insert(bound.pairs.end(), b.pairs.begin(), b.pairs.end());
  bound.reshaped.insert(bound.reshaped.end(), b.reshaped.begin(), b.reshaped.end());
}

void clone_options::set(const variables::expressions& e) {
  expressions.pairs.insert(expressions.pairs.end(), e.pairs.pairs.begin(), e.pairs.pairs.end());
}

void clone_options::set(const destination& d) {
  where = d;
  where_given = true;
}

void clone_options::set(const source_scope& s) { strip = s.path; }

void clone_options::set(variable_policy p) {
  if (policy_given && (decide || policy != p)) refuse_second(*this, "variables::" + to_string(p));
  policy = p;
  policy_given = true;
}

void clone_options::set(const variables::chosen_by& c) {
  if (policy_given) refuse_second(*this, "a rule");
  decide = c.decide;
  require = c.require;
  policy_given = true;
}

void clone_options::set(const control_bindings& b) {
  controls.pairs.insert(controls.pairs.end(), b.pairs.begin(), b.pairs.end());
}

void clone_options::set(collection_policy p) {
  joined = p;
  rename_collection = {};
}

void clone_options::set(const collections::chosen_by& c) { rename_collection = c.decide; }

void clone_options::set(const op_transform& t) { rules.push_back(t); }

}  // namespace graft
