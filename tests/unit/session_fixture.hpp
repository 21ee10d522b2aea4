// What the tests of sessions share: updates by handle, operators that fail or count.
#pragma once

#include <atomic>
#include <cstring>
#include <string>

#include "graft/graph/operator.hpp"
#include "graft/ops/elementwise.hpp"
#include "graft/ops/initializers.hpp"
#include "graft/ops/matmul.hpp"
#include "graft/ops/reduce.hpp"
#include "graft/ops/shape_ops.hpp"
#include "graft/ops/sources.hpp"
#include "graft/runtime/session.hpp"

#include "catch.hpp"

namespace session_test {

using namespace graft;

/// A group of the ops behind handles.
template <class... Handles>
update_group updates(Graph& g, const Handles&... handles) {
  return update_group(g, {g.id(any_tensor(handles)).op...});
}

inline Array vector_of(std::initializer_list<float> values) {
  return Array::from<float>({static_cast<std::int64_t>(values.size())}, values);
}

/// The sentence that an exception of type E carries; fails the test for any other outcome.
template <class E, class F>
std::string sentence(F&& f) {
  try {
    f();
  } catch (const E& e) {
    return e.what();
  }
  FAIL("nothing was thrown");
  return {};
}

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// --- Operators of the tests' own
// ----------------------------------------------------------------------

constexpr inferred infer_same(const infer_args& in) { return in.operands[0]; }

inline constexpr operator_schema counted_schema{"test.counted", 1, 1, infer_same};
inline constexpr operator_schema failing_schema{"test.failing", 1, 1, infer_same};
inline constexpr operator_schema no_kernel_schema{"test.no_kernel", 1, 1, infer_same};

inline std::atomic<int> count_of_runs{0};
inline std::atomic<bool> kernel_fails{true};

inline bound_kernel bind_counted(const bind_args& b) {
  const std::size_t bytes = static_cast<std::size_t>(b.inputs[0].size) * size_of(b.inputs[0].type);
  bound_kernel k;
  k.run = [bytes](const kernel_call& call) {
    ++count_of_runs;
    std::memcpy(call.out[0], call.in[0], bytes);
  };
  return k;
}
inline bound_kernel bind_failing(const bind_args& b) {
  bound_kernel k = bind_counted(b);
  const std::string where(b.where);
  k.run = [where, copy = k.run](const kernel_call& call) {
    if (kernel_fails)
      throw numeric_error({"a test's kernel ran", "it was told to fail", where, ""});
    copy(call);
  };
  return k;
}

// a[i] + b[n - 1 - i]: may be written over a, not over b.
constexpr inferred infer_mirrored(const infer_args& in) { return in.operands[0]; }
inline constexpr operator_schema mirrored_schema{"test.mirrored", 2, 2, infer_mirrored};
inline bound_kernel bind_mirrored(const bind_args& b) {
  const std::int64_t n = b.inputs[0].size;
  bound_kernel k;
  k.in_place.push_back({0, 0});
  k.run = [n](const kernel_call& call) {
    const auto* first = static_cast<const float*>(call.in[0]);
    const auto* second = static_cast<const float*>(call.in[1]);
    auto* out = static_cast<float*>(call.out[0]);
    for (std::int64_t i = 0; i < n; ++i) out[i] = first[i] + second[n - 1 - i];
  };
  return k;
}

inline void register_test_operators() {
  static const bool once = [] {
    operator_definition d;
    d.schema = &counted_schema;
    d.bind = bind_counted;
    register_operator(d);
    d.schema = &failing_schema;
    d.bind = bind_failing;
    register_operator(d);
    d.schema = &mirrored_schema;
    d.bind = bind_mirrored;
    register_operator(d);
    d.schema = &no_kernel_schema;
    d.bind = nullptr;
    register_operator(d);
    return true;
  }();
  (void)once;
}

template <class X>
auto counted(const X& x) {
  register_test_operators();
  return apply<counted_schema>({}, {}, {}, x);
}
template <class A, class B>
auto mirrored_op(const A& a, const B& b) {
  register_test_operators();
  return apply<mirrored_schema>({}, {}, {}, a, b);
}
template <class X>
auto may_fail(const X& x) {
  register_test_operators();
  return apply<failing_schema>({}, {}, {}, x);
}

}  // namespace session_test
