// The choices of clone(), gathered.
#include "graft/surgery/policy.hpp"

namespace graft {

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
  policy = p;
  policy_given = true;
  decide = {};
}

void clone_options::set(const variables::chosen_by& c) {
  decide = c.decide;
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
