// What operators say of their attributes, held wherever a graph takes some.
#include <algorithm>

#include "graft/core/error.hpp"

#include "core/dim_names.hpp"
#include "graph/attribute_lists.hpp"
#include "graph/building.hpp"

namespace graft::detail {

const attribute_rule* rule_of(const operator_schema& schema, std::string_view key) {
  const auto rule = std::find_if(schema.attributes.begin(), schema.attributes.end(),
                                 [key](const attribute_rule& r) { return r.key == key; });
  return rule == schema.attributes.end() ? nullptr : &*rule;
}

bool is_long_name_in(const operator_schema& schema, std::string_view key, extent e) {
  const attribute_rule* rule = rule_of(schema, key);
  return (rule == nullptr || rule->extents) && is_long_name(e);
}

std::string integers_text(const operator_schema& schema, const attribute& a) {
  const attribute_rule* rule = rule_of(schema, a.key);
  if (rule != nullptr && rule->extents) return to_string(a.integers);
  std::string text;
  for (const extent e : a.integers) {
    text += text.empty() ? "" : ", ";
    text += is_long_name_in(schema, a.key, e) ? dim_name(e) : std::to_string(e);
  }
  return "[" + text + "]";
}

namespace {

constexpr const char* kind_names[] = {"an integer", "a real",     "integers",   "a string",
                                      "a type",     "a constant", "a variable", "a body"};

const char* name_of_kind(attribute_kind kind) { return kind_names[static_cast<std::size_t>(kind)]; }

// "the integer -7", "integers [1, 2]".
std::string shown(const operator_schema& schema, const attribute& a) {
  switch (a.kind) {
    case attribute_kind::integer:
      return "the integer " + std::to_string(a.integer);
    case attribute_kind::integers:
      return "integers " + integers_text(schema, a);
    case attribute_kind::type:
      return "type number " + std::to_string(a.integer);
    default:
      return name_of_kind(a.kind);
  }
}

std::string range_of(const attribute_rule& rule) {
  using limits = std::numeric_limits<std::int64_t>;
  const bool least = rule.least != limits::min(), most = rule.most != limits::max();
  if (least && most)
    return " from " + std::to_string(rule.least) + " to " + std::to_string(rule.most);
  if (least) return " of at least " + std::to_string(rule.least);
  return most ? " of at most " + std::to_string(rule.most) : "";
}

// "an integer from 0 to 1", "2 integers of at least 1", "a real or an integer".
std::string allowed(const attribute_rule& rule) {
  std::string text;
  for (std::size_t k = std::size(kind_names); k-- > 0;) {
    const auto kind = static_cast<attribute_kind>(k);
    if (!rule.allows(kind)) continue;
    if (!text.empty()) text += " or ";
    if (kind == attribute_kind::integers && rule.length != 0)
      text += std::to_string(rule.length) + " ";
    text += name_of_kind(kind);
    if (rule.extents) text += " that are extents, dyn or named";
    if (kind == attribute_kind::integer || kind == attribute_kind::integers) text += range_of(rule);
  }
  return text;
}

bool is_type(const attribute& a) { return a.integer >= 0 && a.integer < dtype_count; }

bool obeys(const attribute& a, const attribute_rule& rule) {
  if (!rule.allows(a.kind)) return false;
  const auto in_range = [&rule](std::int64_t i) { return rule.least <= i && i <= rule.most; };
  switch (a.kind) {
    case attribute_kind::integer:
      return in_range(a.integer);
    case attribute_kind::integers:
      return (rule.length == 0 || a.integers.size() == rule.length) &&
             std::all_of(a.integers.begin(), a.integers.end(), [&](extent e) {
               return rule.extents ? !is_named(e) || has_name(e) : in_range(e);
             });
    default:
      return true;
  }
}

[[noreturn]] void refuse(function_ref<op_in_words()> words, std::string found, std::string hint) {
  const op_in_words op = words();
  throw argument_error({.asked = "the attributes of " + describe_op(op) + " were to be set",
                        .found = std::move(found),
                        .where = where(op.line),
                        .hint = std::move(hint)});
}

// What the last op that referred to it did not take along.
bool is_there(const tables& t, attribute_kind kind, std::size_t number) {
  switch (kind) {
    case attribute_kind::constant:
      return t.constants[number].type() != dtype::any;
    case attribute_kind::body:
      return t.bodies[number] != nullptr;
    default:
      return t.variables[number].id.valid();
  }
}

void check_reference(const tables& t, const attribute& a, function_ref<op_in_words()> words) {
  const bool constant = a.kind == attribute_kind::constant, body = a.kind == attribute_kind::body;
  const std::size_t count = constant ? t.constants.size()
                            : body   ? t.bodies.size()
                                     : t.variables.size();
  if (a.integer >= 0 && static_cast<std::uint64_t>(a.integer) < count &&
      is_there(t, a.kind, static_cast<std::size_t>(a.integer))) {
    return;
  }
  refuse(words,
         std::string("the graph has no ") +
             (constant ? "constant "
              : body   ? "body "
                       : "variable ") +
             std::to_string(a.integer),
         "attributes refer to what is in the same graph");
}

}  // namespace

void check_attribute_rules(const operator_schema& schema, const attribute_list& attributes,
                           function_ref<op_in_words()> words) {
  for (const attribute& a : attributes) {
    if (a.kind == attribute_kind::type && !is_type(a)) {
      refuse(words,
             "'" + std::string(a.key) + "' is " + shown(schema, a) + ", and there is no such type",
             "give a dtype");
    }
    const attribute_rule* rule = rule_of(schema, a.key);
    if (rule == nullptr) {
      if (schema.attributes.empty() || !is_reference(a.kind)) continue;
      refuse(words,
             "'" + std::string(a.key) + "' is " + shown(schema, a) +
                 ", and the operator takes no attribute of that name",
             "leave it out; what ops carry along is a number, a list, a type "
             "or a string");
    }
    if (obeys(a, *rule)) continue;
    refuse(words,
           "'" + std::string(a.key) + "' is " + shown(schema, a) + "; it must be " + allowed(*rule),
           "");
  }
  for (const attribute_rule& rule : schema.attributes) {
    if (!rule.needed || attributes.find(rule.key) != nullptr) continue;
    refuse(words, "'" + std::string(rule.key) + "' is missing; it must be " + allowed(rule), "");
  }
}

void check_attributes(const tables& t, const operator_schema& schema,
                      const attribute_list& attributes, std::size_t operands,
                      function_ref<op_in_words()> words) {
  check_attribute_rules(schema, attributes, words);
  for (const attribute& a : attributes) {
    if (is_reference(a.kind)) check_reference(t, a, words);
  }
  if (schema.has(ops::bodies)) check_body_counts(t, schema, attributes, operands, words);
}

}  // namespace graft::detail
