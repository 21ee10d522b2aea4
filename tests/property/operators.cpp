// Every operator of the registry: kernels against the naive reference, gradients against differences, errors.
//
// The cases come from the definitions themselves, so an operator without samples or reference fails here.
#include <algorithm>
#include <cmath>
#include <random>

#include "graft/graph/operator.hpp"
#include "graft/ops/elementwise.hpp"
#include "graft/ops/normalize.hpp"
#include "graft/ops/reduce.hpp"
#include "graft/ops/sources.hpp"
#include "graft/runtime/session.hpp"
#include "graft/train/gradients.hpp"

#include "catch.hpp"
#include "ops/support.hpp"

using namespace graft;

namespace {

// Not the operators that have no meaning outside a graph's variables, placeholders, constants and bodies; those
// with bodies have tests of their own (tests/unit/control_*.cpp).
bool stands_alone(const operator_schema& schema) {
  return !schema.has(ops::source) && !schema.has(ops::bodies) && !schema.has(ops::update) &&
         schema.name != "constant";
}

// The operators of which no wrong operands can be listed.
bool takes_anything(const operator_schema& schema) {
  constexpr std::string_view names[] = {
      "identity",
      "stop_gradient",  // any tensor of any type passes through
      "stream",         // no operands, and every key is one
      "placeholder",
      "captured",  // no operands, and any type may be declared
      "variable",
      "constant",  // made by the graph alone, from values it has checked
      "assign",
      "results",  // what fits is up to the variable, or the op around it
      "cond",
      "while_loop",
      "scan",                 // the same for the bodies: tests/unit/control_flow.cpp
      "while_loop_gradient",  // made by gradients alone
  };
  return std::find(std::begin(names), std::end(names), schema.name) != std::end(names);
}

// True for operators of which no gradient is wanted: what they compute is no smooth function of their operands.
bool has_no_gradient(const operator_definition& d) {
  return d.gradient == nullptr || d.gradient == support::no_gradient;
}

bool is_floating_array(const Array& a) { return a.type() == dtype::float64; }

// How many outputs are functions to be differentiated: the statistics of a batch norm are not.
std::size_t smooth_outputs(const operator_definition& d, const std::vector<Array>& outputs) {
  if (d.schema == &ops::batch_norm) return 1;
  std::size_t count = 0;
  while (count < outputs.size() && is_floating_array(outputs[count])) ++count;
  return count;
}

Array in_precision(const Array& a, dtype precision) {
  return a.type() == dtype::float64 ? a.cast(precision) : a;
}

struct built {
  Graph graph;
  std::vector<any_tensor> operands, outputs;
  op_id op;
};

// The sample as a graph of placeholders and the one op.
std::unique_ptr<built> build(const operator_definition& d, const operator_sample& s,
                             dtype precision) {
  auto b = std::make_unique<built>();
  std::vector<tensor_id> ids;
  for (const Array& operand : s.operands) {
    const dtype type = operand.type() == dtype::float64 ? precision : operand.type();
    attribute_list a;
    a.set("type", type).set("shape", operand.shape());
    ids.push_back({b->graph.add(ops::placeholder, {}, a, "x"), 0});
    b->operands.push_back(b->graph.handle(ids.back()));
  }
  attribute_list attributes = s.attributes;
  for (attribute& a : attributes) {
    if (a.kind == attribute_kind::type && static_cast<dtype>(a.integer) == dtype::float64) {
      a.integer = static_cast<std::int64_t>(precision);
    }
  }
  b->op = b->graph.add(*d.schema, ids, attributes);
  for (std::uint32_t o = 0; o < b->graph.output_count(b->op); ++o) {
    b->outputs.push_back(b->graph.handle({b->op, o}));
  }
  return b;
}

std::vector<feed_item> feeds_of(const built& b, std::span<const Array> values) {
  std::vector<feed_item> feeds;
  for (std::size_t i = 0; i < values.size(); ++i) feeds.push_back(feed(b.operands[i], values[i]));
  return feeds;
}

// A value that need not depend on every operand: the op's own outputs are fetched too, so that every feed is used.
Array run_fed(Session& session, const built& b, const any_tensor& t,
              std::span<const Array> values) {
  return std::get<0>(session.run(std::tuple{t, b.outputs}, feeds_of(b, values)));
}

// Equal within `tolerance` relative to the larger of 1 and the largest magnitude; NaN and infinities match themselves.
void require_close(const Array& found, const Array& wanted, double tolerance) {
  REQUIRE(to_string(found.shape()) == to_string(wanted.shape()));
  const Array a = found.cast(dtype::float64), b = wanted.cast(dtype::float64);
  const auto x = a.span<double>(), y = b.span<double>();
  double scale = 1;
  for (const double v : y) {
    if (std::isfinite(v)) scale = std::max(scale, std::abs(v));
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    INFO("element " << i << ": found " << x[i] << ", wanted " << y[i]);
    if (std::isnan(y[i])) {
      REQUIRE(std::isnan(x[i]));
    } else if (std::isinf(y[i])) {
      REQUIRE(x[i] == y[i]);
    } else {
      REQUIRE(std::abs(x[i] - y[i]) <= tolerance * scale);
    }
  }
}

Array weights_like(const Array& a, std::mt19937_64& random) {
  Array w(dtype::float64, a.shape());
  for (double& v : w.mutable_span<double>()) {
    v = std::uniform_real_distribution<double>(-1, 1)(random);
  }
  return w;
}

double dot(const Array& a, const Array& b) {
  double total = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) {
    total += a.span<double>()[static_cast<std::size_t>(i)] *
             b.span<double>()[static_cast<std::size_t>(i)];
  }
  return total;
}

// d f / d operands[k][i] by central differences, extrapolated to fourth order.
template <class F>
double difference(F&& f, std::vector<Array> operands, std::size_t k, std::size_t i) {
  const double x = operands[k].span<double>()[i];
  const auto at = [&](double shift) {
    operands[k].mutable_span<double>()[i] = x + shift;
    return f(operands);
  };
  const double h = 1e-3;
  const double wide = (at(h) - at(-h)) / (2 * h), narrow = (at(h / 2) - at(-h / 2)) / h;
  return (4 * narrow - wide) / 3;
}

// A few elements of a tensor, all of a small one.
std::vector<std::size_t> elements(const Array& a, std::mt19937_64& random) {
  std::vector<std::size_t> chosen;
  const auto n = static_cast<std::size_t>(a.size());
  for (std::size_t i = 0; i < std::min<std::size_t>(n, 8); ++i) {
    chosen.push_back(n <= 8 ? i : random() % n);
  }
  return chosen;
}

void require_derivative(double found, double wanted, double tolerance) {
  INFO("derivative found " << found << ", by differences " << wanted);
  REQUIRE(std::abs(found - wanted) <= tolerance * std::max(1.0, std::abs(wanted)));
}

}  // namespace

TEST_CASE("every operator is defined in full") {
  REQUIRE(all_operators().size() > 60);
  for (const operator_definition* d : all_operators()) {
    INFO(d->schema->name);
    if (!stands_alone(*d->schema)) continue;
    CHECK(d->bind != nullptr);
    CHECK(d->reference != nullptr);
    CHECK(d->samples != nullptr);
    if (d->samples != nullptr) CHECK(!d->samples().empty());
    // Where floating elements go in and come out, a gradient or the word that there is none.
    if (d->samples == nullptr || d->reference == nullptr) continue;
    bool floating = false, differentiable = false;
    for (const operator_sample& s : d->samples()) {
      if (std::none_of(s.operands.begin(), s.operands.end(), is_floating_array)) continue;
      if (!is_floating_array(d->reference(s.operands, s.attributes)[0])) continue;
      floating = true;
      differentiable = differentiable || (s.differentiable && s.operands[0].size() > 0);
    }
    if (floating) CHECK(d->gradient != nullptr);
    // The gradient of with_gradient_of is another function's, by what it is for.
    const bool own = d->schema->name != "with_gradient_of";
    if (floating && own && !has_no_gradient(*d)) CHECK(differentiable);
  }
}

TEST_CASE("the next value of an operand is of its type") {
  std::size_t declared = 0;
  for (const operator_definition* d : all_operators()) {
    INFO(d->schema->name);
    for (const next_value& n : d->next_values) {
      ++declared;
      REQUIRE(d->samples != nullptr);
      for (const operator_sample& s : d->samples()) {
        std::vector<value_type> types;
        for (const Array& a : s.operands) types.push_back(value_type::of(a.type(), a.shape()));
        const inferred answer = infer(*d->schema, {types, s.attributes});
        REQUIRE(n.operand < types.size());
        REQUIRE(n.output < answer.outputs.size());
        CHECK(answer.outputs[n.output] == types[n.operand]);
      }
    }
  }
  CHECK(declared >= 2);  // those of batch norm
}

TEST_CASE("kernels agree with the references") {
  for (const operator_definition* d : all_operators()) {
    if (!stands_alone(*d->schema) || d->samples == nullptr || d->reference == nullptr) continue;
    std::size_t number = 0;
    for (const operator_sample& s : d->samples()) {
      for (const dtype precision : {dtype::float64, dtype::float32}) {
        INFO(d->schema->name << ", sample " << number << ", " << name_of(precision));
        const auto b = build(*d, s, precision);
        std::vector<Array> operands, rounded;
        for (const Array& a : s.operands) {
          operands.push_back(in_precision(a, precision));
          rounded.push_back(operands.back().type() == dtype::float32
                                ? operands.back().cast(dtype::float64)
                                : operands.back());
        }
        const std::vector<Array> wanted = d->reference(rounded, s.attributes);
        Session session(b->graph);
        const std::vector<Array> found = session.run(b->outputs, feeds_of(*b, operands));
        REQUIRE(found.size() == wanted.size());
        for (std::size_t o = 0; o < found.size(); ++o) {
          INFO("output " << o);
          require_close(found[o], wanted[o], precision == dtype::float64 ? 1e-11 : 2e-5);
        }
      }
      ++number;
    }
  }
}

TEST_CASE("gradients agree with differences") {
  std::mt19937_64 random(20);
  for (const operator_definition* d : all_operators()) {
    if (!stands_alone(*d->schema) || d->gradient == nullptr || d->samples == nullptr) continue;
    std::size_t number = 0, checked = 0, possible = 0;
    for (const operator_sample& s : d->samples()) {
      INFO(d->schema->name << ", sample " << number++);
      if (!s.differentiable) continue;
      const auto b = build(*d, s, dtype::float64);
      const std::vector<Array> outputs = d->reference(s.operands, s.attributes);
      // A scalar function: a weighted sum of the outputs that carry gradients.
      const std::size_t smooth = smooth_outputs(*d, outputs);
      if (smooth == 0) continue;
      std::vector<Array> weights;
      std::optional<any_tensor> all;
      for (std::size_t o = 0; o < smooth; ++o) {
        weights.push_back(weights_like(outputs[o], random));
        const any_tensor part = sum(b->outputs[o] * constant(b->graph, weights[o]));
        all = all ? any_tensor(*all + part) : part;
      }
      const any_tensor loss = *all;
      std::vector<any_tensor> wanted;
      std::vector<std::size_t> places;
      for (std::size_t k = 0; k < s.operands.size(); ++k) {
        if (s.operands[k].type() != dtype::float64) continue;
        wanted.push_back(b->operands[k]);
        places.push_back(k);
      }
      const auto found = try_gradients(loss, wanted);
      const auto value = [&](const std::vector<Array>& operands) {
        const std::vector<Array> results = d->reference(operands, s.attributes);
        double total = 0;
        for (std::size_t o = 0; o < smooth; ++o) total += dot(results[o], weights[o]);
        return total;
      };
      Session session(b->graph);
      std::vector<any_tensor> firsts;
      std::vector<std::size_t> first_places;
      for (std::size_t j = 0; j < found.size(); ++j) {
        const std::size_t k = places[j];
        INFO("operand " << k);
        Array gradient(dtype::float64, s.operands[k].shape());  // zeros where none flows
        if (found[j]) gradient = run_fed(session, *b, *found[j], s.operands);
        REQUIRE(to_string(gradient.shape()) == to_string(s.operands[k].shape()));
        possible += static_cast<std::size_t>(s.operands[k].size());
        for (const std::size_t i : elements(s.operands[k], random)) {
          require_derivative(gradient.span<double>()[i], difference(value, s.operands, k, i), 1e-7);
          ++checked;
        }
        if (!found[j]) continue;
        firsts.push_back(*found[j]);
        first_places.push_back(k);
      }
      if (!s.twice || firsts.empty() || outputs[0].size() == 0) continue;
      // Second order: a weighted sum of the first derivatives, differentiated again.
      std::vector<Array> second_weights;
      std::optional<any_tensor> total;
      for (std::size_t j = 0; j < firsts.size(); ++j) {
        second_weights.push_back(weights_like(s.operands[first_places[j]], random));
        const any_tensor part = sum(firsts[j] * constant(b->graph, second_weights[j]));
        total = total ? any_tensor(*total + part) : part;
      }
      const auto seconds = try_gradients(*total, wanted);
      const auto first_value = [&](const std::vector<Array>& operands) {
        return run_fed(session, *b, *total, operands).item<double>();
      };
      for (std::size_t j = 0; j < seconds.size(); ++j) {
        INFO("second order, operand " << places[j]);
        const std::size_t k = places[j];
        Array gradient(dtype::float64, s.operands[k].shape());  // zeros where none arrives
        if (seconds[j]) gradient = run_fed(session, *b, *seconds[j], s.operands);
        for (const std::size_t i : elements(s.operands[k], random)) {
          require_derivative(gradient.span<double>()[i], difference(first_value, s.operands, k, i),
                             1e-5);
        }
      }
    }
    INFO(d->schema->name);
    CHECK((checked > 0 || possible == 0));
  }
}

TEST_CASE("wrong operands get a sentence and change nothing") {
  for (const operator_definition* d : all_operators()) {
    INFO(d->schema->name);
    if (d->error_samples == nullptr) {
      CHECK(takes_anything(*d->schema));
      continue;
    }
    CHECK_FALSE(takes_anything(*d->schema));
    CHECK(!d->error_samples().empty());
    std::size_t number = 0;
    for (const operator_error_sample& s : d->error_samples()) {
      INFO(d->schema->name << ", error sample " << number++);
      Graph g;
      std::vector<tensor_id> ids;
      for (const value_type& type : s.operands) {
        attribute_list a;
        a.set("type", type.type).set("shape", type.shape);
        ids.push_back({g.add(ops::placeholder, {}, a, "x"), 0});
      }
      const auto before = g.digest();
      std::string message;
      try {
        g.add(*d->schema, ids, s.attributes);
      } catch (const error& e) {
        message = e.what();
      }
      INFO("message: " << message);
      CHECK(message.find(s.message) != std::string::npos);
      CHECK(g.digest() == before);
    }
  }
}
