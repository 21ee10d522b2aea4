// What may stand for a name, and for axes known at run time: no call takes a number or a list of numbers for a name.
#include <string>

#include "graft/dsl/dense.hpp"
#include "graft/dsl/recorder.hpp"
#include "graft/dsl/scope.hpp"
#include "graft/ops/elementwise.hpp"
#include "graft/ops/reduce.hpp"
#include "graft/ops/shape_ops.hpp"
#include "graft/ops/softmax.hpp"

#include "type_target.hpp"

using namespace graft;
using namespace graft::test;

namespace {

// --- Names ---------------------------------------------------------------------------------------

template <class T>
inline constexpr bool is_name = std::is_convertible_v<T, name_view>;
static_assert(is_name<const char*> && is_name<char*> && is_name<const char (&)[4]>);
static_assert(is_name<std::string> && is_name<const std::string&> && is_name<std::string_view>);
static_assert(!is_name<int> && !is_name<std::nullptr_t> && !is_name<bool> && !is_name<void*>);
static_assert(!is_name<const wchar_t*> && !is_name<dims> && !is_name<std::string*>);

constexpr std::size_t length(name_view name) { return name.view().size(); }
static_assert(length("name") == 4 && length(std::string_view("na")) == 2 && length({}) == 0);
static_assert(length(static_cast<const char*>(nullptr)) == 0);
template <class F>
concept takes_numbers = requires(F f) { f({0}); } || requires(F f) { f({0, 1}); } ||
                        requires(F f) { f(0); } || requires(F f) { f(nullptr); };
static_assert(!takes_numbers<decltype(length)*>);

// --- Axes ----------------------------------------------------------------------------------------

constexpr bool axes_at_run_time() {
  type_target t;
  const auto x = make<input<float, 2, 3>>(t);
  const auto b = make<input<bool, 2, 3>>(t);
  const std::size_t last = 1;
  bool ok = known_as(sum(x, 0), dtype::float32, {3}) && known_as(sum(x, -1), dtype::float32, {2});
  ok = ok && known_as(sum(x, last), dtype::float32, {2});
  ok = ok && known_as(sum(x, {0}), dtype::float32, {3});
  ok = ok && known_as(sum(x, {0, 1}), dtype::float32, {});
  ok = ok && known_as(sum(x, {}), dtype::float32, {2, 3});  // over none
  ok = ok && known_as(sum(x, 0, true, "name"), dtype::float32, {1, 3});
  ok = ok && known_as(sum(x, {0, 1}, true), dtype::float32, {1, 1});
  ok = ok && known_as(mean(x, 1), dtype::float32, {2});
  ok = ok && known_as(mean(x, {0, 1}), dtype::float32, {});
  ok = ok && known_as(max(x, 0), dtype::float32, {3}) && known_as(min(x, {1}), dtype::float32, {2});
  ok = ok && known_as(prod(x, 0), dtype::float32, {3});
  ok = ok && known_as(all(b, 0), dtype::boolean, {3}) && known_as(any(b, -1), dtype::boolean, {2});
  ok = ok && known_as(argmax(x, 0), dtype::int64, {3});
  ok = ok && known_as(softmax(x, 0), dtype::float32, {2, 3});
  ok = ok && known_as(log_softmax(x, -1), dtype::float32, {2, 3});
  ok = ok && known_as(transpose(x, {0, 1}), dtype::float32, {2, 3});
  ok = ok && known_as(transpose(x, {1, 0}), dtype::float32, {3, 2});
  ok = ok && known_as(expand_dims(x, 0), dtype::float32, {1, 2, 3});
  ok = ok && known_as(expand_dims(x, {0, -1}), dtype::float32, {1, 2, 3, 1});
  ok = ok && known_as(squeeze(expand_dims(x, -1), 2), dtype::float32, {2, 3});
  return ok;
}
static_assert(axes_at_run_time());

// A name leaves the axes all, and the type static.
constexpr bool named() {
  type_target t;
  const auto x = make<input<float, 2, 3>>(t);
  bool ok = has_type<float>(sum(x, "s")) && has_type<float>(mean(x, std::string_view("m")));
  ok = ok && has_type<float, 3, 2>(transpose(x, "t")) && has_type<float, 3>(sum<axes<0>>(x, "s"));
  return ok && has_type<float, 2, 3>(relu(x, {})) && has_type<float>(sum(x, name_view()));
}
static_assert(named());

// --- Where no axis can be meant ------------------------------------------------------------------

#define REFUSED(call) \
  ([]<class X>(const X& x) { return !requires { call; }; }(input<float, 2, 3>()))
static_assert(REFUSED(relu(x, 0)) && REFUSED(abs(x, 0)) && REFUSED(gelu(x, -1)));
static_assert(REFUSED(flatten(x, 0)) && REFUSED(transpose(x, 0)) && REFUSED(identity(x, nullptr)));
static_assert(REFUSED(softmax_cross_entropy(x, x, 0)) && REFUSED(add(x, x, 0)));
static_assert(REFUSED(sum(x, nullptr)) && REFUSED(sum(x, true)) && REFUSED(sum(x, 0.5)));
static_assert(REFUSED(sum<axes<0>>(x, 0)) && REFUSED(relu(x, {0})) && REFUSED(relu(x, {0, 1})));
static_assert(!REFUSED(relu(x, "name")) && !REFUSED(sum(x, 0)));

template <class Layer>
concept takes_number_for_key = requires(const Layer& l) { l.shared(0); };
static_assert(!takes_number_for_key<dense_layer<3>> &&
              !takes_number_for_key<embedding_layer<3, 4>>);

template <class Target>
concept takes_number_for_name = requires(Target& t) {
  placeholder<float, shape<3>>(t, 0);
} || requires(Target& t) { scope(t, 0); } || requires(Target& t) { t.template input<float>(0); };
static_assert(!takes_number_for_name<Recorder>);

}  // namespace
