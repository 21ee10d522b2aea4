// Scopes that go with the last of their ops.
#include <memory>

#include "graph/building.hpp"

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

void remove_empty_scopes(tables& t, std::vector<bool> lost) {
  if (t.open_body != nullptr) return;  // it knows scopes of this graph by number
  std::vector<bool> lives(t.scopes.size());
  lives[0] = true;
  for (const tables::op_record& r : t.ops) lives[r.scope] = true;
  for (const std::uint32_t s : t.scope_stack) lives[s] = true;
  for (std::uint32_t s = t.scopes.size() - 1; s > 0; --s) {  // a scope comes after the one it is in
    const std::uint32_t parent = t.scopes[s].parent;
    if (lives[s]) lives[parent] = true;
    if (lost[s]) lost[parent] = true;
  }

  const auto removed = std::make_shared<removed_scopes>();
  std::vector<bool> goes(t.scopes.size());
  std::vector<std::uint32_t> outermost;  // their names are among those of scopes that stay
  for (std::uint32_t s = 1; s < t.scopes.size(); ++s) {
    const tables::scope_record& r = t.scopes[s];
    if (is_removed(r) || lives[s] || !(lost[s] || goes[r.parent])) continue;
    goes[s] = true;
    removed->scopes.push_back({s, r.serial});
    if (!goes[r.parent]) outermost.push_back(s);
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
