// Every operator on bad input: its samples with attributes, element types, ranks, extents and the number of
// operands changed at random. What is accepted runs; what is refused says so. Nothing crashes, and nothing throws
// what is not documented.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <limits>
#include <string>

#include <sys/resource.h>

#include "graft/graph/operator.hpp"
#include "graft/ops/sources.hpp"
#include "graft/runtime/session.hpp"

#include "catch.hpp"
#include "dice.hpp"
#include "sanitizers.hpp"

using namespace graft;
using graft_test::dice;

namespace {

// Shapes that a mutant makes huge must fail to get memory instead of taking the machine's.
[[maybe_unused]] constexpr std::size_t most_bytes = std::size_t{256} << 20;

}  // namespace

#ifdef GRAFT_TEST_ADDRESS_SANITIZER
// What the limit of the address space is elsewhere: the sanitizer has taken most of that already.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() {
  return "allocator_may_return_null=1:max_allocation_size_mb=256";
}
#endif

namespace {

#ifdef GRAFT_TEST_ADDRESS_SANITIZER
class memory_limit {};
#else
class memory_limit {
 public:
  memory_limit() {
    getrlimit(RLIMIT_AS, &before_);
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    rlimit limit = before_;
    limit.rlim_cur = pages * 4096 + most_bytes;
    setrlimit(RLIMIT_AS, &limit);
  }
  ~memory_limit() { setrlimit(RLIMIT_AS, &before_); }
  memory_limit(const memory_limit&) = delete;
  memory_limit& operator=(const memory_limit&) = delete;

 private:
  rlimit before_{};
};
#endif

// Operands as they are declared, and the values fed to them.
struct mutant {
  std::vector<value_type> types;
  std::vector<Array> values;
  attribute_list attributes;
};

constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t gibi = std::int64_t{1} << 31;

std::int64_t odd_integer(dice& d) {
  constexpr std::int64_t values[] = {0, -1, 1, 2, 3, -2, 7, gibi, -gibi, gibi << 31, most, least};
  return values[d.below(std::size(values))];
}
double odd_real(dice& d) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  constexpr double values[] = {
      0, -1, 1, 0.5, 1e300, infinity, -infinity, std::numeric_limits<double>::quiet_NaN()};
  return values[d.below(std::size(values))];
}
dtype odd_type(dice& d) { return static_cast<dtype>(d.below(dtype_count)); }
dims odd_list(dice& d) {
  dims list;
  for (std::size_t n = d.below(6); n-- > 0;) list.push_back(odd_integer(d));
  return list;
}

// One attribute of any kind.
void set_any(attribute_list& a, std::string_view key, dice& d) {
  switch (d.below(6)) {
    case 0:
      a.set(key, odd_integer(d));
      break;
    case 1:
      a.set(key, odd_real(d));
      break;
    case 2:
      a.set(key, odd_list(d));
      break;
    case 3:
      a.set_string(key, d.one_in(2) ? "" : "no such word");
      break;
    case 4:
      a.set(key, odd_type(d));
      break;
    default: {
      constexpr attribute_kind references[] = {attribute_kind::constant, attribute_kind::variable,
                                               attribute_kind::body};
      a.set(key, odd_integer(d), references[d.below(3)]);
    }
  }
}

// Another value of the kind it has.
void change(attribute& a, dice& d) {
  switch (a.kind) {
    case attribute_kind::real:
      a.real = odd_real(d);
      break;
    case attribute_kind::integers:
      if (d.one_in(4)) {
        a.integers = odd_list(d);
      } else if (d.one_in(4) || a.integers.empty()) {
        a.integers.push_back(odd_integer(d));
      } else if (d.one_in(4)) {
        a.integers.pop_back();
      } else {
        a.integers[d.below(a.integers.size())] = odd_integer(d);
      }
      break;
    case attribute_kind::string:
      a.string = d.one_in(2) ? "" : "no such word";
      break;
    case attribute_kind::type:
      a.integer = d.one_in(5) ? odd_integer(d) : static_cast<std::int64_t>(odd_type(d));
      break;
    default:
      a.integer = odd_integer(d);
  }
}

void mutate_attribute(mutant& m, const std::vector<std::string_view>& keys, dice& d) {
  if (keys.empty()) return;
  const std::string_view key = keys[d.below(keys.size())];
  if (d.one_in(6) || m.attributes.find(key) == nullptr) return set_any(m.attributes, key, d);
  attribute_list changed;
  const bool drop = d.one_in(6);
  for (attribute a : m.attributes) {
    if (a.key == key && drop) continue;
    if (a.key == key) change(a, d);
    changed.add(a);
  }
  m.attributes = changed;
}

dims odd_shape(dims shape, dice& d) {
  switch (d.below(6)) {
    case 0:
      if (!shape.empty()) shape.pop_back();
      break;
    case 1:
      shape.push_back(static_cast<extent>(d.below(3)));
      break;
    case 2:
      shape = {};
      break;
    default:
      if (shape.empty()) break;
      extent& e = shape[d.below(shape.size())];
      const extent few = std::clamp<extent>(e, 1, 1000);
      const extent values[] = {0, 1, few + 1, 2 * few, few - 1, gibi, gibi << 31, most, dyn};
      e = values[d.below(std::size(values))];
  }
  return shape;
}

void mutate_operand(mutant& m, dice& d) {
  if (m.types.empty()) return;
  value_type& type = m.types[d.below(m.types.size())];
  if (d.one_in(3)) {
    type.type = odd_type(d);
  } else {
    type.shape = odd_shape(type.shape, d);
  }
}

void mutate_count(mutant& m, dice& d) {
  if (m.types.empty() || d.one_in(2)) {
    m.types.push_back(m.types.empty() ? value_type::of(dtype::float32, {2, 3})
                                      : m.types[d.below(m.types.size())]);
    m.values.emplace_back();
  } else {
    m.types.pop_back();
    m.values.pop_back();
  }
}

// Integers that are no indices, numbers that are none.
void mutate_values(mutant& m, dice& d) {
  if (m.values.empty()) return;
  Array& values = m.values[d.below(m.values.size())];
  if (values.size() == 0) return;
  const auto at = d.below(static_cast<std::size_t>(values.size()));
  if (values.type() == dtype::int64) values.mutable_span<std::int64_t>()[at] = odd_integer(d);
  if (values.type() == dtype::float32) {
    values.mutable_span<float>()[at] = static_cast<float>(odd_real(d));
  }
}

mutant mutated(const operator_sample& sample, const std::vector<std::string_view>& keys, dice& d) {
  mutant m;
  m.attributes = sample.attributes;
  for (const Array& a : sample.operands) {
    m.values.push_back(a.type() == dtype::float64 ? a.cast(dtype::float32) : a);
    m.types.push_back(value_type::of(m.values.back().type(), a.shape()));
  }
  for (attribute& a : m.attributes) {
    if (a.kind == attribute_kind::type && static_cast<dtype>(a.integer) == dtype::float64) {
      a.integer = static_cast<std::int64_t>(dtype::float32);
    }
  }
  do {
    const std::size_t what = d.below(10);
    if (what < 5) mutate_attribute(m, keys, d);
    if (what >= 5 && what < 8) mutate_operand(m, d);
    if (what == 8) mutate_count(m, d);
    if (what == 9) mutate_values(m, d);
  } while (d.one_in(3));
  return m;
}

std::string in_words(const mutant& m) {
  std::string words;
  for (const value_type& type : m.types) words += to_string(type) + "; ";
  for (const attribute& a : m.attributes) {
    words += std::string(a.key) + " = " + std::to_string(a.integer) + " | " +
             std::to_string(a.real) + " | " + to_string(a.integers) + " | " +
             std::string(a.string) + " of kind " + std::to_string(static_cast<int>(a.kind)) + "; ";
  }
  return words;
}

// Of the type declared; of the sample's values where they fit, else zeros. @throws size_error
Array value_for(const value_type& type, const Array& sample) {
  dims shape = type.shape;
  for (extent& e : shape) e = e < 0 ? 2 : e;
  if (type.type == dtype::any || sample.type() == dtype::any) {
    return Array(type.type == dtype::any ? dtype::float32 : type.type, shape);
  }
  if (to_string(sample.shape()) == to_string(shape)) return sample.cast(type.type);
  return Array(type.type, shape);
}

// Builds and runs. `declared` false: the graph learns shapes and types from the feeds only.
void build_and_run(const operator_definition& d, const mutant& m, bool declared) {
  Graph g;
  std::vector<tensor_id> ids;
  for (const value_type& type : m.types) {
    attribute_list a;
    a.set("type", type.type);
    if (declared) a.set("shape", type.shape);
    ids.push_back({g.add(ops::placeholder, {}, a, "x"), 0});
  }
  const auto before = g.digest();
  std::vector<any_tensor> outputs;
  try {
    const op_id op = g.add(*d.schema, ids, m.attributes);
    for (std::uint32_t o = 0; o < g.output_count(op); ++o) outputs.push_back(g.handle({op, o}));
  } catch (const error&) {
    REQUIRE(g.digest() == before);
    throw;
  }
  std::vector<feed_item> feeds;
  for (std::size_t i = 0; i < m.types.size(); ++i) {
    feeds.push_back(feed(g.handle(ids[i]), value_for(m.types[i], m.values[i])));
  }
  Session session(g);
  const std::vector<Array> found = session.run(outputs, feeds);
  REQUIRE(found.size() == outputs.size());
}

// Any other exception than a sentence is a failure.
void try_mutant(const operator_definition& d, const mutant& m, bool declared) {
  try {
    build_and_run(d, m, declared);
  } catch (const error& e) {
    REQUIRE(std::string_view(e.what()).size() > 20);
  }
}

// Operators without samples take whatever there is.
std::vector<operator_sample> samples_of(const operator_definition& d) {
  if (d.samples != nullptr) return d.samples();
  const Array some(dtype::float64, {2, 3});
  attribute_list declared;
  declared.set("type", dtype::float64).set("shape", dims{2, 3});
  return {{{}, declared}, {{some}, {}}, {{some, some}, declared}};
}

// The keys of their attributes, which are literals.
std::vector<std::string_view> keys_of(const std::vector<operator_sample>& samples) {
  std::vector<std::string_view> keys;
  for (const operator_sample& s : samples) {
    for (const attribute& a : s.attributes) {
      if (std::find(keys.begin(), keys.end(), a.key) == keys.end()) keys.push_back(a.key);
    }
  }
  return keys;
}

}  // namespace

TEST_CASE("no operator crashes on input changed at random") {
  [[maybe_unused]] const memory_limit limit;
  std::vector<std::string_view> every_key;
  for (const operator_definition* d : all_operators()) {
    for (const std::string_view key : keys_of(samples_of(*d))) every_key.push_back(key);
  }
  for (const operator_definition* d : all_operators()) {
    const std::vector<operator_sample> samples = samples_of(*d);
    const std::vector<std::string_view> keys = keys_of(samples);
    graft_test::for_seeds(400, [&](std::uint64_t seed) {
      dice random(seed);
      const mutant m = mutated(random.of(samples), random.one_in(8) ? every_key : keys, random);
      INFO(d->schema->name << ", seed " << seed << ": " << in_words(m));
      try_mutant(*d, m, !random.one_in(4));
    });
  }
}
