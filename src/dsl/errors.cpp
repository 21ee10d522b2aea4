// What layers and recorders say when a builder asks for something that does not fit.
#include <string>

#include "graft/dsl/layer.hpp"
#include "graft/dsl/recorder.hpp"

#include "core/where.hpp"

namespace graft::detail {

namespace {

// "needs float32 [?, 64], got float32 [?, 32]", leaving out what the problem does not tell.
std::string compared(const problem& why) {
  const bool tells_needs = why.needs.ranked || why.needs.type != dtype::any;
  const std::string got = "got " + to_string(why.got);
  return tells_needs ? "needs " + to_string(why.needs) + ", " + got : got;
}

bool tells(const problem& why) {
  return why.needs.ranked || why.got.ranked || why.needs.type != dtype::any ||
         why.got.type != dtype::any;
}

[[noreturn]] void throw_problem(error_parts parts, bool about_type) {
  if (about_type) throw dtype_error(std::move(parts));
  throw shape_error(std::move(parts));
}

std::string was_called(const layer_call& call) {
  return std::string(call.label) + " was called on " +
         (call.operand.empty() ? "a tensor" : std::string(call.operand));
}

problem problem_of(verdict why, const operand_rule& rule, const value_type& got) {
  switch (why) {
    case verdict::not_floating:
      return {.clause = "the operand must have floating elements",
              .needs = value_type::unranked(dtype::float32),
              .got = got,
              .hint = "insert cast<float>(x)",
              .about_type = true};
    case verdict::not_indices:
      return {.clause = "the operand must have int64 or int32 elements",
              .needs = value_type::unranked(dtype::int64),
              .got = got,
              .hint = "insert cast<std::int64_t>(x)",
              .about_type = true};
    case verdict::low_rank:
      return {.clause = "the operand has too few axes",
              .needs = value_type::of(got.type, dims(rule.min_rank, dyn)),
              .got = got,
              .hint = "insert reshape or expand_dims before it"};
    case verdict::high_rank:
      return {.clause = "the operand has too many axes",
              .needs = value_type::of(got.type, dims(rule.max_rank, dyn)),
              .got = got,
              .hint = "insert flatten, reshape or squeeze before it"};
    default:
      return {.clause =
                  "element type, rank and the extent that decides the shape of a variable "
                  "must be known",
              .needs = {},
              .got = got,
              .hint = "view the operand with as<T, shape<...>>(x)"};
  }
}

}  // namespace

void layer_refuses(const layer_call& call, const problem& why) {
  throw_problem({was_called(call), std::string(why.clause) + ": " + compared(why), where(call.here),
                 why.hint},
                why.about_type);
}

void layer_refuses(const layer_call& call, verdict why, const operand_rule& rule,
                   const value_type& got) {
  layer_refuses(call, problem_of(why, rule, got));
}

void refuse_rate(const layer_call& call, double rate) {
  throw argument_error({was_called(call) + " with the rate " + std::to_string(rate),
                        "a rate must be at least 0 and below 1", where(call.here),
                        "pass the share of elements to drop, such as 0.5"});
}

void recorder_refuses(std::string_view schema, const problem& why) {
  error_parts parts{std::string(schema) + " was recorded",
                    std::string(why.clause) + (tells(why) ? ": " + compared(why) : ""), "",
                    why.hint};
  // Where no shape would fit, it is what the operator was given beside its operands that is wrong.
  if (!why.about_type && !why.needs.ranked) throw argument_error(std::move(parts));
  throw_problem(std::move(parts), why.about_type);
}

void recorder_refuses_handle(const char* why) {
  throw handle_error({"a handle was given to a recorder", why, "",
                      "use the handles that the builder got or made itself"});
}

void recorder_refuses_tensor_of_a_closed_body() {
  throw handle_error({"a handle was given to a recorder",
                      "it is a tensor of a body, which is complete", "",
                      "return it from the body, and use what cond, while_loop or scan returned"});
}

void recorder_refuses_update_in_a_body() {
  throw graph_error({"a variable was to be updated in a body", "a body may run often or never", "",
                     "return the value from the body and assign it outside; build layers that "
                     "update variables outside"});
}

void recorder_refuses_name(const char* why) {
  throw name_error({"something was named while recording", why, "", "give a plain name"});
}

}  // namespace graft::detail
