// What an operator does not declare is a tag: its types and results do not depend on it. The cases come from the
// samples of the definitions. tests/support/check_attributes.py finds what is declared by none.
#include <algorithm>
#include <set>
#include <string>

#include "graft/graph/operator.hpp"

#include "catch.hpp"
#include "run_operator.hpp"

using namespace graft;

namespace {

bool declares(const operator_schema& schema, std::string_view key) {
  return std::any_of(schema.attributes.begin(), schema.attributes.end(),
                     [key](const attribute_rule& rule) { return rule.key == key; });
}

// Every attribute that some operator declares.
std::set<std::string_view> all_keys() {
  std::set<std::string_view> keys;
  for (const operator_definition* d : all_operators()) {
    for (const attribute_rule& rule : d->schema->attributes) keys.insert(rule.key);
  }
  return keys;
}

attribute_list tagged(const operator_schema& schema, attribute_list list,
                      const std::set<std::string_view>& keys, int round) {
  for (const std::string_view key : keys) {
    if (declares(schema, key)) continue;
    switch (round) {
      case 0:
        list.set(key, std::int64_t{1});
        break;
      case 1:
        list.set(key, 0.75);
        break;
      case 2:
        list.set(key, dims{1, 1});
        break;
      case 3:
        list.set(key, dtype::int32);
        break;
      default:
        list.set_string(key, "a tag");
    }
  }
  return list;
}

}  // namespace

TEST_CASE("no operator depends on what it does not declare", "[operators]") {
  const std::set<std::string_view> keys = all_keys();
  REQUIRE(keys.size() > 30);
  std::size_t ran = 0;
  for (const operator_definition* definition : all_operators()) {
    const operator_definition& d = *definition;
    if (d.samples == nullptr) continue;
    INFO(d.schema->name);
    for (const operator_sample& sample : d.samples()) {
      for (const attribute& a : sample.attributes) {
        INFO(a.key);
        CHECK(declares(*d.schema, a.key));
      }
      std::vector<value_type> types;
      for (const Array& a : sample.operands) types.push_back(value_type::of(a.type(), a.shape()));
      const inferred plain = infer(*d.schema, {types, sample.attributes});
      const bool runs = d.bind != nullptr && !d.schema->has(ops::bodies);
      std::vector<Array> results;
      if (runs) results = testing::run_operator(d.schema->name, sample.operands, sample.attributes);
      for (int round = 0; round < 5; ++round) {
        INFO("round " << round);
        const attribute_list more = tagged(*d.schema, sample.attributes, keys, round);
        const inferred with_tags = infer(*d.schema, {types, more});
        REQUIRE(std::equal(plain.outputs.begin(), plain.outputs.end(), with_tags.outputs.begin(),
                           with_tags.outputs.end()));
        if (!runs) continue;
        const auto again = testing::run_operator(d.schema->name, sample.operands, more);
        for (std::size_t o = 0; o < results.size(); ++o) {
          CHECK(again[o].same_bits(results[o]));
          ++ran;
        }
      }
    }
  }
  CHECK(ran > 1000);
}
