#include <algorithm>
#include <charconv>
#include <cstring>
#include <iterator>

#include "graft/core/error.hpp"

#include "graph/building.hpp"
#include "graph/copy.hpp"

namespace graft::detail {

namespace {

std::uint64_t hash_of(std::string_view text) {
  std::uint64_t h = 0x9e3779b97f4a7c15ull ^ text.size();
  while (text.size() >= 8) {
    std::uint64_t word;
    std::memcpy(&word, text.data(), 8);
    h = (h ^ word) * 0xff51afd7ed558ccdull;
    h ^= h >> 32;
    text.remove_prefix(8);
  }
  std::uint64_t word = 0;
  if (!text.empty()) std::memcpy(&word, text.data(), text.size());
  h = (h ^ word) * 0xc4ceb9fe1a85ec53ull;
  return h ^ h >> 29;
}

constexpr std::size_t block_bytes = 4096;

}  // namespace

// --- Strings
// ----------------------------------------------------------------------------------------

string_pool::string_pool() = default;
string_pool::~string_pool() = default;

std::size_t string_pool::place_of(std::string_view text, std::uint64_t hash) const {
  const std::size_t mask = table_.size() - 1;
  std::size_t at = hash & mask;
  while (table_[at] != 0) {
    const std::uint32_t i = table_[at] - 1;
    if (hashes_[i] == static_cast<std::uint32_t>(hash) && strings_[i] == text) break;
    at = (at + 1) & mask;
  }
  return at;
}

std::uint32_t string_pool::find(std::string_view text) const {
  if (table_.empty()) return no_id;
  const std::uint32_t found = table_[place_of(text, hash_of(text))];
  return found == 0 ? no_id : found - 1;
}

std::uint32_t string_pool::intern(std::string_view text) {
  std::uint32_t& recent =
      recent_[(reinterpret_cast<std::uintptr_t>(text.data()) * 0x9e3779b97f4a7c15ull) >> 60];
  if (recent < strings_.size() && strings_[recent] == text) return recent;
  return recent = intern_new(text);
}

std::uint32_t string_pool::intern_new(std::string_view text) {
  if ((strings_.size() + 1) * 2 > table_.size()) grow();
  const std::uint64_t hash = hash_of(text);
  const std::size_t at = place_of(text, hash);
  if (table_[at] != 0) return table_[at] - 1;
  // All that can fail first.
  strings_.reserve(strings_.size() + 1 > strings_.capacity() ? strings_.size() * 2 + 16 : 0);
  hashes_.reserve(strings_.size() + 1 > hashes_.capacity() ? strings_.size() * 2 + 16 : 0);
  if (text.size() > room_) {
    const std::size_t bytes = std::max(block_bytes, text.size());
    blocks_.push_back(std::make_unique<char[]>(bytes));
    next_ = blocks_.back().get();
    room_ = bytes;
  }
  if (!text.empty()) std::memcpy(next_, text.data(), text.size());
  strings_.emplace_back(next_, text.size());
  hashes_.push_back(static_cast<std::uint32_t>(hash));
  next_ += text.size();
  room_ -= text.size();
  table_[at] = static_cast<std::uint32_t>(strings_.size());
  return static_cast<std::uint32_t>(strings_.size() - 1);
}

void string_pool::grow() {
  std::vector<std::uint32_t> bigger(std::max<std::size_t>(64, table_.size() * 2));
  const std::size_t mask = bigger.size() - 1;
  for (std::uint32_t i = 0; i < strings_.size(); ++i) {
    std::size_t at = hash_of(strings_[i]) & mask;
    while (bigger[at] != 0) at = (at + 1) & mask;
    bigger[at] = i + 1;
  }
  table_.swap(bigger);
}

// --- Counters
// ----------------------------------------------------------------------------------------

std::size_t name_counters::place_of(key k) const {
  const std::size_t mask = table_.size() - 1;
  std::size_t at =
      (k * 0x9e3779b97f4a7c15ull >> 32) & mask;  // the bits that all of the key reaches
  while (table_[at].used && table_[at].what != k) at = (at + 1) & mask;
  return at;
}

name_counters::entry& name_counters::at(key k) {
  if ((used_ + 1) * 2 > table_.size()) {
    std::vector<entry> old(std::max<std::size_t>(64, table_.size() * 2));
    old.swap(table_);
    for (const entry& e : old) {
      if (e.used) table_[place_of(e.what)] = e;
    }
  }
  entry& e = table_[place_of(k)];
  if (!e.used) {
    e = {k, 0, true, false};
    ++used_;
  }
  return e;
}

const name_counters::entry* name_counters::find(key k) const {
  if (table_.empty()) return nullptr;
  const entry& e = table_[place_of(k)];
  return e.used ? &e : nullptr;
}

void name_counters::undo(key k, std::uint32_t next, std::uint32_t taken_apart) noexcept {
  if (table_.empty()) return;
  entry& e = table_[place_of(k)];
  if (e.used) e.next = next;
  if (taken_apart != none) apart.erase({k, taken_apart});
}

bool name_counters::taken(key k, std::uint32_t ordinal) const {
  const entry* e = find(k);
  return e != nullptr && (ordinal < e->next || (e->has_apart && apart.count({k, ordinal}) != 0));
}

std::uint32_t name_counters::choose(const entry& e, std::uint32_t ordinal) const {
  if (ordinal > e.next && !(e.has_apart && apart.count({e.what, ordinal}) != 0)) return ordinal;
  std::uint32_t next = e.next;
  while (e.has_apart && apart.count({e.what, next}) != 0) ++next;
  return next;
}

void name_counters::take(entry& e, std::uint32_t ordinal) {
  // Names taken apart before are caught up with when counting reaches them.
  std::uint32_t next = e.next;
  while (next < ordinal && e.has_apart && apart.count({e.what, next}) != 0) ++next;
  if (next == ordinal) {
    e.next = ordinal + 1;
  } else {
    apart.insert({e.what, ordinal});
    e.has_apart = true;
  }
}

// --- Parsing
// --------------------------------------------------------------------------------------------

parsed_name parse_name(std::string_view name) {
  std::size_t first = name.size();
  while (first > 0 && name[first - 1] >= '0' && name[first - 1] <= '9') --first;
  const std::size_t digits = name.size() - first;
  // Nine digits fit; a leading zero would not come back when the name is put together.
  if (digits == 0 || digits > 9 || name[first] == '0' || first < 2 || name[first - 1] != '_') {
    return {name, 0};
  }
  std::uint32_t ordinal = 0;
  for (const char c : name.substr(first))
    ordinal = ordinal * 10 + static_cast<std::uint32_t>(c - '0');
  return {name.substr(0, first - 1), ordinal};
}

void check_name(std::string_view name, const char* what) {
  const char* fault = nullptr;
  if (name.empty()) fault = "it is empty";
  for (const char c : name) {
    if (c == '/') fault = "it holds a '/', which separates scopes";
    if (static_cast<unsigned char>(c) < ' ' || c == 127) fault = "it holds a control character";
  }
  if (fault == nullptr) return;
  std::string shown;
  for (const char c : name) shown += static_cast<unsigned char>(c) < ' ' || c == 127 ? '?' : c;
  throw name_error({.asked = std::string(what) + " was to be named '" + shown + "'",
                    .found = fault,
                    .where = {},
                    .hint = "give a plain name; scopes are entered one by one"});
}

// --- Taking names
// ------------------------------------------------------------------------------------------

void count_names(tables& t, std::uint32_t scope) {
  const std::uint32_t batch = t.scopes[scope].batch;
  if (batch == none || t.batches[batch].counted) return;
  const tables::copy_batch b = t.batches[batch];
  const bool noted = !t.marks.empty();
  if (noted) {
    t.counter_log.reserve(b.last_op - b.first_op);
    note(t, [batch](tables& u) {
      if (batch < u.batches.size()) u.batches[batch].counted = false;
    });
  }
  for (std::uint32_t i = b.first_op; i < b.last_op; ++i) {
    const tables::op_record& r = t.ops[i];
    if (t.scopes[r.scope].batch != batch) continue;  // its name was counted when it was copied
    name_counters::entry& e = t.names.at(counter_key(t, r.scope, r.name, name_kind::op));
    const std::uint32_t before = e.next;
    if (r.ordinal < before) continue;  // counted by an attempt that ran out of memory
    t.names.take(e, r.ordinal);
    if (noted) t.counter_log.push_back({e.what, before, e.next == before ? r.ordinal : none});
  }
  t.batches[batch].counted = true;
}

void count_scopes(tables& t) {
  for (std::uint32_t s = t.first_uncounted; s < t.scopes.size(); ++s) {
    const tables::scope_record& r = t.scopes[s];
    if (!t.scopes[r.parent].uncounted || is_removed(r)) continue;
    name_counters::entry& e = t.names.at(counter_key(t, r.parent, r.name, name_kind::scope));
    if (r.ordinal >= e.next) t.names.take(e, r.ordinal);
  }
  for (std::uint32_t s = t.first_uncounted; s < t.scopes.size(); ++s) {
    t.scopes[s].uncounted = false;
  }
  t.first_uncounted = none;
}

std::uint32_t next_ordinal(tables& t, std::uint32_t scope, std::uint32_t base,
                           std::uint32_t ordinal, name_kind kind) {
  if (kind == name_kind::op) {
    count_names(t, scope);
  } else if (t.scopes[scope].uncounted) {
    count_scopes(t);
  }
  return t.names.choose(t.names.at(counter_key(t, scope, base, kind)), ordinal);
}

std::uint32_t take_name(tables& t, std::uint32_t scope, std::uint32_t base, std::uint32_t ordinal,
                        name_kind kind) {
  if (kind == name_kind::op) {
    if (t.scopes[scope].batch != none) count_names(t, scope);
  } else if (t.scopes[scope].uncounted) {
    count_scopes(t);
  }
  // Counters of scopes younger than the transaction are keyed by a serial that never comes again.
  const bool noted = !t.marks.empty() && scope < t.marks.back().scopes;
  if (noted) t.counter_log.reserve(1);
  name_counters::entry& e = t.names.at(counter_key(t, scope, base, kind));
  const std::uint32_t chosen = t.names.choose(e, ordinal);
  const std::uint32_t before = e.next;
  t.names.take(e, chosen);
  if (noted) t.counter_log.push_back({e.what, before, e.next == before ? chosen : none});
  if (kind == name_kind::op) t.scopes[scope].used = true;
  return chosen;
}

std::uint32_t name_taker::take_other(std::uint32_t scope, std::uint32_t base,
                                     std::uint32_t ordinal) {
  const std::uint32_t chosen = take_name(t_, scope, base, ordinal, name_kind::op);
  entry_ = &t_.names.at(counter_key(t_, scope, base, name_kind::op));
  scope_ = scope;
  base_ = base;
  return chosen;
}

std::string full_name(const tables& t, std::uint32_t name, std::uint32_t ordinal) {
  std::string text(t.strings[name]);
  if (ordinal != 0) text += "_" + std::to_string(ordinal);
  return text;
}

std::string path_of_scope(const tables& t, std::uint32_t scope) {
  std::vector<std::uint32_t> way;
  for (std::uint32_t s = scope; s != 0; s = t.scopes[s].parent) way.push_back(s);
  std::string path;
  for (std::size_t i = way.size(); i-- > 0;) {
    if (!path.empty()) path += '/';
    path += full_name(t, t.scopes[way[i]].name, t.scopes[way[i]].ordinal);
  }
  return path;
}

std::string join_path(std::string_view scope, std::string_view name) {
  std::string path(scope);
  if (!path.empty()) path += '/';
  return path.append(name);
}

std::string path_of_op(const tables& t, std::uint32_t op) {
  const tables::op_record& r = t.ops[op];
  return join_path(path_of_scope(t, r.scope), full_name(t, r.name, r.ordinal));
}

namespace {

// The finaliser of SplitMix64. source: Steele, Lea, Flood, Fast splittable pseudorandom number generators, 2014
std::uint64_t mixed(std::uint64_t h) {
  h ^= h >> 30;
  h *= 0xbf58476d1ce4e5b9ull;
  h ^= h >> 27;
  h *= 0x94d049bb133111ebull;
  return h ^ h >> 31;
}

// FNV-1a, then mixed: paths differ in few characters, streams should differ in all bits.
class path_hash {
 public:
  path_hash() = default;
  explicit path_hash(std::uint64_t state) : h_(state) {}
  [[nodiscard]] std::uint64_t state() const { return h_; }
  void add(std::string_view text) {
    for (const char c : text) h_ = (h_ ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  }
  void add_name(const tables& t, std::uint32_t name, std::uint32_t ordinal) {
    add(t.strings[name]);
    if (ordinal == 0) return;
    char digits[12] = "_";
    add({digits, static_cast<std::size_t>(std::to_chars(digits + 1, std::end(digits), ordinal).ptr -
                                          digits)});
  }
  [[nodiscard]] std::uint64_t key() const { return mixed(h_); }

 private:
  std::uint64_t h_ = 0xcbf29ce484222325ull;
};

}  // namespace

std::uint64_t stream_key_of(std::string_view path) {
  path_hash h;
  h.add(path);
  return h.key();
}

path_keys::path_keys(const tables& t, std::size_t scopes) : t_(t) {
  scopes_.expect(t.scopes.size(), scopes);
  scopes_.set(0, path_hash().state());
}

std::uint64_t path_keys::of(std::uint32_t op) {
  const tables::op_record& r = t_.ops[op];
  if (r.scope != last_scope_) {
    hash_of_last_ = hash_of_scope(r.scope);
    last_scope_ = r.scope;
  }
  path_hash h(hash_of_last_);
  h.add_name(t_, r.name, r.ordinal);
  return h.key();
}

std::uint64_t path_keys::hash_of_scope(std::uint32_t scope) {
  const auto with = [this](std::uint64_t above, std::uint32_t s) {
    path_hash h(above);
    h.add_name(t_, t_.scopes[s].name, t_.scopes[s].ordinal);
    h.add("/");
    return scopes_.set(s, h.state());
  };
  const std::uint64_t* known = scopes_.find(scope);
  if (known != nullptr) return *known;
  known = scopes_.find(t_.scopes[scope].parent);
  if (known != nullptr) return with(*known, scope);
  small_vector<std::uint32_t, 8> way{scope};
  while ((known = scopes_.find(t_.scopes[way.back()].parent)) == nullptr) {
    way.push_back(t_.scopes[way.back()].parent);
  }
  std::uint64_t hash = *known;
  for (std::size_t i = way.size(); i-- > 0;) hash = with(hash, way[i]);
  return hash;
}

std::uint64_t mixed_key(std::uint64_t key, std::uint64_t number) {
  // Mixed before they meet, so that neighbouring numbers do not lead to neighbouring keys, and 0 is a number.
  return mixed(key ^ mixed(number + 0x9e3779b97f4a7c15ull));
}

std::uint32_t append_scope(tables& t, std::uint32_t parent, std::string_view name) {
  check_name(name, "a scope");
  const parsed_name parts = parse_name(name);
  return append_scope(t, parent, t.strings.intern(parts.base), parts.ordinal);
}

std::uint32_t append_scope(tables& t, std::uint32_t parent, std::uint32_t base,
                           std::uint32_t ordinal) {
  t.scopes.reserve(1);
  const std::uint32_t taken = take_name(t, parent, base, ordinal, name_kind::scope);
  t.scopes.push_back({parent, base, taken, t.next_serial++, none, false, false});
  touch(t);
  return t.scopes.size() - 1;
}

std::uint32_t file_number(tables& t, const char* file) {
  if (file == nullptr || *file == 0) return none;
  // Ops come in runs of one file; the list is short, so looking from the end finds it at once.
  for (std::uint32_t i = t.files.size(); i-- > 0;) {
    if (t.files[i].text == file) return i;
  }
  t.files.reserve(1);
  t.files.push_back({file});
  return t.files.size() - 1;
}

}  // namespace graft::detail
