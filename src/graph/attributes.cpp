// Attributes packed in pools, and how they are read.
#include <algorithm>
#include <bit>

#include "graph/building.hpp"

namespace graft {

namespace detail {

namespace {

attribute unpacked(const attribute_store& s, const stored_attribute& a) {
  attribute result{.key = (*s.strings)[a.key], .kind = a.kind, .integers = {}, .string = {}};
  switch (a.kind) {
    case attribute_kind::real:
      result.real = std::bit_cast<double>(a.integer);
      break;
    case attribute_kind::integers:
      result.integers = dims(s.integers_of(a));
      break;
    case attribute_kind::string:
      result.string = (*s.strings)[a.text()];
      break;
    default:
      result.integer = a.integer;
  }
  return result;
}

bool equal(const attribute_store& s, const stored_attribute& a, const attribute_store& t,
           const stored_attribute& b) {
  if (a.kind != b.kind || (*s.strings)[a.key] != (*t.strings)[b.key]) return false;
  switch (a.kind) {
    case attribute_kind::real:
      return std::bit_cast<double>(a.integer) == std::bit_cast<double>(b.integer);
    case attribute_kind::integers: {
      const auto x = s.integers_of(a), y = t.integers_of(b);
      return std::equal(x.begin(), x.end(), y.begin(), y.end());
    }
    case attribute_kind::string:
      return (*s.strings)[a.text()] == (*t.strings)[b.text()];
    default:
      return a.integer == b.integer;
  }
}

}  // namespace

const stored_attribute* attribute_store::find(std::uint32_t list, std::string_view key) const {
  for (const stored_attribute& a : of(list)) {
    const std::string_view its = (*strings)[a.key];
    if (its.size() == key.size() && its == key) return &a;
  }
  return nullptr;
}

bool has_references(const attribute_list& attributes) {
  return std::any_of(attributes.begin(), attributes.end(),
                     [](const attribute& a) { return is_reference(a.kind); });
}

std::uint32_t store_integers(tables& t, std::span<const extent> values) {
  const auto count = static_cast<std::uint32_t>(values.size());
  const std::uint32_t size = t.extents.size();
  if (size >= count &&
      std::equal(values.begin(), values.end(), t.extents.begin() + (size - count))) {
    return size - count;
  }
  t.extents.reserve(count);
  for (const extent e : values) t.extents.push_back(e);
  return size;
}

std::uint32_t store_attributes(tables& t, const attribute_list& attributes) {
  if (attributes.empty()) return 0;
  attribute_store& s = t.attributes;
  s.lists.reserve(1);
  s.items.reserve(attributes.size());
  const std::uint32_t first = s.items.size();
  bool marked = false;
  for (const attribute& a : attributes) {
    stored_attribute made{t.strings.intern(a.key), a.kind, a.integer};
    if (a.kind == attribute_kind::real) {
      made.integer = std::bit_cast<std::int64_t>(a.real);
    } else if (a.kind == attribute_kind::string) {
      made.integer = t.strings.intern(a.string);
    } else if (a.kind == attribute_kind::integers) {
      try {
        made.set_integers(store_integers(t, a.integers),
                          static_cast<std::uint32_t>(a.integers.size()));
      } catch (...) {
        s.items.truncate(first);
        throw;
      }
    }
    marked = marked || is_reference(a.kind);
    s.items.push_back(made);
  }
  s.lists.push_back({first, static_cast<std::uint32_t>(attributes.size()), marked});
  return s.lists.size() - 1;
}

}  // namespace detail

attribute attribute_view::iterator::operator*() const {
  return detail::unpacked(*store_, store_->items[at_]);
}

std::optional<attribute> attribute_view::find(name_view key) const {
  const detail::stored_attribute* a = store_->find(list_, key);
  if (a == nullptr) return std::nullopt;
  return detail::unpacked(*store_, *a);
}

std::int64_t attribute_view::integer(name_view key, std::int64_t otherwise) const {
  const detail::stored_attribute* a = store_->find(list_, key);
  if (a == nullptr) return otherwise;
  return a->is_integer() ? a->integer : 0;
}

double attribute_view::real(name_view key, double otherwise) const {
  const detail::stored_attribute* a = store_->find(list_, key);
  if (a == nullptr) return otherwise;
  return a->kind == attribute_kind::real ? std::bit_cast<double>(a->integer) : 0;
}

dims attribute_view::integers(name_view key, const dims& otherwise) const {
  const detail::stored_attribute* a = store_->find(list_, key);
  if (a == nullptr) return otherwise;
  return a->kind == attribute_kind::integers ? dims(store_->integers_of(*a)) : dims();
}

std::string_view attribute_view::string(name_view key) const {
  const detail::stored_attribute* a = store_->find(list_, key);
  const bool is_text = a != nullptr && a->kind == attribute_kind::string;
  return is_text ? (*store_->strings)[a->text()] : std::string_view{};
}

dtype attribute_view::type(name_view key, dtype otherwise) const {
  const detail::stored_attribute* a = store_->find(list_, key);
  if (a == nullptr) return otherwise;
  return static_cast<dtype>(a->is_integer() ? a->integer : 0);
}

std::size_t attribute_view::size() const { return store_->lists[list_].count; }
attribute_view::iterator attribute_view::begin() const {
  return {store_, store_->lists[list_].first};
}
attribute_view::iterator attribute_view::end() const {
  const detail::attribute_range& r = store_->lists[list_];
  return {store_, r.first + r.count};
}

attribute_list attribute_view::list() const {
  attribute_list result;
  for (const detail::stored_attribute& a : store_->of(list_)) {
    result.add(detail::unpacked(*store_, a));
  }
  return result;
}

bool attribute_view::operator==(const attribute_view& other) const {
  const auto mine = store_->of(list_), theirs = other.store_->of(other.list_);
  if (mine.data() == theirs.data() && mine.size() == theirs.size()) return true;
  return std::equal(mine.begin(), mine.end(), theirs.begin(), theirs.end(),
                    [&](const detail::stored_attribute& a, const detail::stored_attribute& b) {
                      return detail::equal(*store_, a, *other.store_, b);
                    });
}

}  // namespace graft
