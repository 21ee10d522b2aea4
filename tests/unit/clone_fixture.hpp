// Small networks for the tests of regions and clones.
#pragma once

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "graft/ops/elementwise.hpp"
#include "graft/ops/initializers.hpp"
#include "graft/ops/matmul.hpp"
#include "graft/ops/reduce.hpp"
#include "graft/ops/shape_ops.hpp"
#include "graft/ops/slicing.hpp"
#include "graft/ops/sources.hpp"
#include "graft/surgery/clone.hpp"

#include "catch.hpp"

namespace graft_test {

using namespace graft;

namespace schemas {

constexpr inferred infer_same(const infer_args& in) { return in.operands[0]; }
constexpr inferred infer_nothing(const infer_args&) { return inferred(); }

/// Checks its operand and makes nothing.
inline constexpr operator_schema check{"test_check", 1, 1, infer_nothing, ops::effect};
/// Differs between training and inference.
inline constexpr operator_schema noisy{"test_noisy", 1, 1, infer_same, ops::modal | ops::random};

}  // namespace schemas

/// Leaves the scope with its block.
class in_scope {
 public:
  in_scope(Graph& g, std::string_view name) : graph_(g) { graph_.enter_scope(name); }
  ~in_scope() { graph_.leave_scope(); }
  in_scope(const in_scope&) = delete;
  in_scope& operator=(const in_scope&) = delete;

 private:
  Graph& graph_;
};

using row4 = tensor<Graph, dtype::float32, shape<dyn, 4>>;

inline row4 input4(Graph& g, std::string_view name = "x") {
  return placeholder<float, shape<dyn, 4>>(g, name);
}

/// x * w + b in a scope of its own, 4 to 4, with variables "w" (random) and "b" (zeros).
inline row4 dense4(const row4& x, std::string_view scope = "dense") {
  Graph& g = target_traits<Graph>::target_of(x.ref());
  const in_scope inside(g, scope);
  const auto w = make_variable<float, shape<4, 4>>(g, "w", glorot_uniform());
  const auto b = make_variable<float, shape<4>>(g, "b", zeros());
  return matmul(x, w) + b;
}

/// Two dense layers with a relu between them.
inline row4 two_layers(const row4& x) { return dense4(relu(dense4(x))); }

inline op_id op_of(const any_tensor& t) { return t.ref().id.op; }
inline tensor_id id_of(const any_tensor& t) { return t.ref().id; }

template <class... Handles>
std::vector<tensor_id> ids(const Handles&... handles) {
  return {id_of(handles)...};
}

inline std::vector<op_id> ops_of(std::initializer_list<any_tensor> tensors) {
  std::vector<op_id> ops;
  for (const any_tensor& t : tensors) ops.push_back(op_of(t));
  return ops;
}

inline variable_id variable_named(const Graph& g, std::string_view path) {
  const auto v = g.find_variable(path);
  REQUIRE(v.has_value());
  return *v;
}

/// Gives every variable a value of its own.
inline void set_values(Graph& g, float first = 1) {
  for (const variable_id v : g.variables()) {
    const value_type& type = g.variable_of(v).type;
    if (type.type != dtype::float32) {
      g.store().set(v, Array(type.type, type.shape));
      continue;
    }
    Array value(type.type, type.shape);
    for (float& e : value.mutable_span<float>()) e = first++;
    g.store().set(v, value);
  }
}

inline std::vector<std::string> paths(const Graph& g, const std::vector<variable_id>& variables) {
  std::vector<std::string> result;
  for (const variable_id v : variables) result.push_back(g.path_of(v));
  return result;
}

template <class T>
bool has(const std::vector<T>& list, const T& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

inline bool mentions(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// The message of the exception of type E that f throws.
template <class E, class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const E& e) {
    return e.what();
  } catch (const std::exception& e) {
    FAIL("an exception of another type: " << e.what());
  }
  FAIL("no exception came");
  return {};
}

}  // namespace graft_test
