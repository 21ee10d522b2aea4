// Scopes that go with the last of their ops.
#include <algorithm>
#include <memory>
#include <set>
#include <unordered_set>

#include "graph/building.hpp"
#include "graph/lookup.hpp"

namespace graft::detail {
namespace {

// What comes back when it is undone.
struct removed_scopes {
  struct scope {
    std::uint32_t index, serial;
  };
  struct counter {
    name_counters::key key;
    std::uint32_t next;
  };
  std::vector<scope> scopes;
  std::vector<counter> counters;
  std::set<std::pair<name_counters::key, std::uint32_t>> apart;
  std::size_t names_taken = 0;

  void restore(tables& t) noexcept {
    give_names_back(t, names_taken);  // what was taken since
    for (const counter& c : counters) t.names.undo(c.key, c.next, none);
    t.names.apart.swap(apart);
    for (const scope& s : scopes) t.scopes[s.index].serial = s.serial;
    t.lookup->forget_scopes();
  }
};

// Names between the one that is free again and the next one never given count as taken apart.
void free_name(name_counters& names, name_counters::entry& e, std::uint32_t ordinal) {
  names.apart.erase({e.what, ordinal});
  if (ordinal >= e.next) return;
  for (std::uint32_t o = ordinal + 1; o < e.next; ++o) names.apart.insert({e.what, o});
  e.has_apart = e.has_apart || ordinal + 1 < e.next;
  e.next = ordinal;
}

}  // namespace

namespace {

// Scopes with all that they are in.
class scope_set {
 public:
  void insert(const tables& t, std::uint32_t scope) {
    if (scope == last_) return;  // neighbouring ops as a rule
    last_ = scope;
    while (scopes_.insert(scope).second && scope != 0) scope = t.scopes[scope].parent;
  }
  [[nodiscard]] bool contains(std::uint32_t scope) const { return scopes_.count(scope) != 0; }
  [[nodiscard]] const std::unordered_set<std::uint32_t>& all() const { return scopes_; }

 private:
  std::unordered_set<std::uint32_t> scopes_;
  std::uint32_t last_ = none;
};

}  // namespace

void remove_empty_scopes(tables& t, std::span<const std::uint32_t> losing) {
  if (t.open_body != nullptr) return;  // it knows scopes of this graph by number
  scope_set lives, lost;
  lives.insert(t, 0);
  for (const tables::op_record& r : t.ops) lives.insert(t, r.scope);
  for (const std::uint32_t s : t.scope_stack) lives.insert(t, s);
  for (const std::uint32_t s : losing) lost.insert(t, s);
  std::uint32_t first = t.scopes.size();  // of those that go
  for (const std::uint32_t s : lost.all()) {
    if (!lives.contains(s) && !is_removed(t.scopes[s])) first = std::min(first, s);
  }

  const auto removed = std::make_shared<removed_scopes>();
  std::unordered_set<std::uint32_t> goes;
  std::vector<std::uint32_t> outermost;  // their names are among those of scopes that stay
  for (std::uint32_t s = first; s < t.scopes.size(); ++s) {  // a scope comes after the one it is in
    const tables::scope_record& r = t.scopes[s];
    if (is_removed(r) || lives.contains(s)) continue;
    const bool inner = goes.count(r.parent) != 0;
    if (!lost.contains(s) && !inner) continue;
    goes.insert(s);
    removed->scopes.push_back({s, r.serial});
    if (!inner) outermost.push_back(s);
  }
  if (removed->scopes.empty()) return;
  const auto key_of = [&](std::uint32_t s) {
    return counter_key(t, t.scopes[s].parent, t.scopes[s].name, name_kind::scope);
  };
  for (const std::uint32_t s : outermost) {
    if (t.scopes[t.scopes[s].parent].uncounted) count_scopes(t);
  }
  for (const std::uint32_t s : outermost) {
    removed->counters.push_back({key_of(s), t.names.at(key_of(s)).next});
  }
  removed->apart = t.names.apart;
  removed->names_taken = t.counter_log.size();
  note(t, [removed](tables& u) { removed->restore(u); });
  for (const std::uint32_t s : outermost) {
    free_name(t.names, t.names.at(key_of(s)), t.scopes[s].ordinal);
  }
  for (const removed_scopes::scope& s : removed->scopes) t.scopes[s.index].serial = none;
}

}  // namespace graft::detail
