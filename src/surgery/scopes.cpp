// Where the clone's ops go and how they are called.
#include <algorithm>

#include "graft/graph/tables.hpp"

#include "surgery/cloner.hpp"

namespace graft::detail {

namespace {

// A scope has a higher number than the one it is in.
scope_id common_scope(const Graph::tables& t, scope_id a, scope_id b) {
  while (a != b) {
    scope_id& inner = a < b ? b : a;
    inner = t.scope(t.scopes[inner.value].parent);
  }
  return a;
}

std::vector<std::string_view> components(std::string_view whole) {
  std::vector<std::string_view> result;
  std::string_view path = whole;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part.empty()) {
      throw name_error({"a copy was to go into '" + std::string(whole) + "'",
                        "a component is empty", "", "write scopes as \"a/b\""});
    }
    result.push_back(part);
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
    if (path.empty()) {
      throw name_error({"a copy was to go into '" + std::string(whole) + "'",
                        "its path ends in '/'", "", "write scopes as \"a/b\""});
    }
  }
  return result;
}

}  // namespace

void refuse_taken_name(const std::string& name, const std::string& where) {
  throw name_error({"clone was asked for exact names, '" + name + "' among them",
                    "the name is taken", where, "choose another scope, or leave names::exact out"});
}

void cloner::check_scopes() {
  const Graph::tables& t = source_.data();
  if (data_->copy_of_place.empty()) {  // all ops are copied
    scopes_ = r_.scopes;
  } else {
    index_set met;
    std::uint32_t last = Graph::tables::none;
    const auto meet = [&](std::uint32_t scope) {
      if (scope == last) return;
      last = scope;
      met.insert(scope);
    };
    for (std::size_t k = 0; k < copies_.size(); ++k) meet(t.ops[copies_[k]].scope);
    for (const op_id read : replaced_reads_) {
      if (adds_stand_in(read)) meet(t.ops[t.index(read)].scope);
    }
    if (bundles_) {
      for (const op_id op : bundles_->nodes()) meet(t.ops[t.index(op)].scope);
    }
    scopes_ = met.sorted_as<scope_id>(t.number);
  }

  if (!options_.strip) {
    if (!scopes_.empty()) base_ = scopes_[0];
    for (const scope_id s : scopes_) base_ = common_scope(t, base_, s);
    return;
  }
  const auto base = source_.find_scope(*options_.strip);
  if (!base) {
    throw name_error({"clone was asked to copy from the scope '" + *options_.strip + "'",
                      "there is no scope of that path", "",
                      "scopes are written as paths: \"a/b\""});
  }
  base_ = *base;
  std::string outside;
  std::size_t count = 0;
  for (std::size_t k = 0; k < copies_.size(); ++k) {
    const std::uint32_t index = copies_[k];
    if (source_.scope_within(t.scope(t.ops[index].scope), base_)) continue;
    if (++count <= 8)
      outside += (outside.empty() ? "'" : ", '") + source_.path_of(t.id(index)) + "'";
  }
  if (count == 0) return;
  if (count > 8) outside += ", ... (" + std::to_string(count) + " in all)";
  throw name_error({"clone was asked to copy from the scope '" + *options_.strip + "'",
                    "the region has ops outside it: " + outside, *options_.strip,
                    "leave from(...) out, or name a scope that holds them all"});
}

scope_id append_scopes(Graph& g, std::string_view path, names naming) {
  scope_id at = g.current_scope();
  const std::vector<std::string_view> parts = components(path);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::string above = g.scope_path(at);
    if (i + 1 < parts.size()) {
      const auto there =
          g.find_scope(above.empty() ? std::string(parts[i]) : above + "/" + std::string(parts[i]));
      at = there ? *there : append_scope(g, at, parts[i]);
      continue;
    }
    if (naming == names::exact && !scope_name_is_free(g, at, parts[i])) {
      refuse_taken_name(std::string(parts[i]), above);
    }
    at = append_scope(g, at, parts[i]);
  }
  return at;
}

void cloner::make_scopes() {
  if (body_ != nullptr) return scope_like_body();
  if (copies_.empty() && replaced_reads_.empty() && unbound_.empty() && valued_.empty()) {
    data_->scope = target_.current_scope();
    return;
  }
  first_scope_ = static_cast<std::uint32_t>(target_.scope_count());
  data_->scope =
      append_scopes(target_, options_.where_given ? std::string_view(options_.where.scope) : "copy",
                    options_.naming);
  scope_images_.expect(source_.scope_count(), scopes_.size());
  target_.data().scopes.reserve(scopes_.size());
  scope_images_.set(base_.value, data_->scope.value);
  for (const scope_id s : scopes_) make_image_of(s.value);
}

void cloner::make_image_of(std::uint32_t scope) {
  const Graph::tables& t = source_.data();
  if (scope_images_.contains(scope)) return;
  // Outer scopes come first as a rule. From the innermost one that has no image:
  const std::uint32_t* above = scope != 0 ? scope_images_.find(t.scopes[scope].parent) : nullptr;
  if (above != nullptr) return add_scope_like(scope, *above);
  std::vector<std::uint32_t> missing{scope};
  while (missing.back() != 0) {
    const std::uint32_t parent = t.scopes[missing.back()].parent;
    above = scope_images_.find(parent);
    if (above != nullptr) break;
    missing.push_back(parent);
  }
  if (above ==
      nullptr) {  // outside the base: what stands for a variable there is in the clone's own scope
    for (const std::uint32_t other : missing) scope_images_.set(other, data_->scope.value);
    return;
  }
  std::uint32_t at = *above;
  for (std::size_t i = missing.size(); i-- > 0; at = *scope_images_.find(missing[i])) {
    add_scope_like(missing[i], at);
  }
}

void cloner::add_scope_like(std::uint32_t scope, std::uint32_t parent) {
  const Graph::tables::scope_record& like = source_.data().scopes[scope];
  Graph::tables& t = target_.data();
  if (options_.naming == names::exact) {
    const std::string name = scope_name(source_, source_.data().scope(scope));
    if (!scope_name_is_free(target_, t.scope(parent), name))
      refuse_taken_name(name, target_.scope_path(t.scope(parent)));
  }
  // Scopes that were made for this clone hold none but its own, whose names differ as they do in the source.
  const bool own = options_.naming != names::exact && parent >= first_scope_;
  const std::uint32_t name = name_in_target(like.name), ordinal = like.ordinal;
  scope_images_.set(scope, own ? append_inner_scope(t, parent, name, ordinal)
                               : append_scope(t, parent, name, ordinal));
}

std::uint32_t cloner::name_in_target(std::uint32_t name) {
  if (same_graph_) return name;
  name_pair& known = scope_names_[name % scope_names_.size()];
  if (known.source != name) {
    known = {name, target_.data().strings.intern(source_.data().strings[name])};
  }
  return known.target;
}

// Within new scopes names stay as they are; only where a scope was there before may they have
// changed.
void cloner::check_names() {
  if (options_.naming != names::exact) return;
  for (std::uint32_t k = 0; k < data_->count; ++k) {
    const op_id copy = data_->copy(k);
    const std::string name = source_.name_of(r_.nodes[data_->place_number(k)]);
    if (target_.name_of(copy) != name)
      refuse_taken_name(name, target_.scope_path(target_.scope_of(copy)));
  }
  for (const op_id added : data_->extra) {
    const auto read = data_->stand_in_originals.find(tensor_id{added, 0});
    const op_id original = read != data_->stand_in_originals.end()
                               ? read->second
                               : data_->cut_originals.at(tensor_id{added, 0}).op;
    const std::string name = source_.name_of(original);
    if (target_.name_of(added) != name)
      refuse_taken_name(name, target_.scope_path(target_.scope_of(added)));
  }
}

}  // namespace graft::detail
