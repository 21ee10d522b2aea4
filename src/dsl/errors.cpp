// What layers and recorders say when a builder asks for something that does not fit.
#include <string>

#include "graft/dsl/layer.hpp"
#include "graft/dsl/recorder.hpp"

namespace graft::detail {

namespace {

// "needs float32 [?, 64], got float32 [?, 32]", leaving out what the problem does not tell.
std::string compared(const problem& why) {
  const bool tells_needs = why.needs.ranked || why.needs.type != dtype::any;
  const std::string got = "got " + to_string(why.got);
  return tells_needs ? "needs " + to_string(why.needs) + ", " + got : got;
}

[[noreturn]] void throw_problem(error_parts parts, bool about_type) {
  if (about_type) throw dtype_error(std::move(parts));
  throw shape_error(std::move(parts));
}

}  // namespace

void layer_refuses(std::string_view label, const problem& why) {
  throw_problem({std::string(label) + " was called on a tensor",
                 std::string(why.clause) + ": " + compared(why), "", why.hint},
                why.about_type);
}

void refuse_element_type(std::string_view label, bool floating, const value_type& got) {
  layer_refuses(label, {.clause = floating ? "the operand must have floating elements"
                                           : "the operand must have integer elements",
                        .needs = value_type::unranked(floating ? dtype::float32 : dtype::int64),
                        .got = got,
                        .hint = "insert cast<T>(x)",
                        .about_type = true});
}

void refuse_rank(std::string_view label, std::size_t needed, const value_type& got) {
  layer_refuses(label, {.clause = got.shape.size() < needed ? "the operand has too few axes"
                                                            : "the operand has too many axes",
                        .needs = value_type::of(got.type, dims(needed, dyn)),
                        .got = got,
                        .hint = "insert flatten, reshape or expand_dims before it"});
}

void refuse_unknown(std::string_view label, const value_type& got) {
  layer_refuses(label,
                {.clause = "element type, rank and the extent that decides the shape of a variable "
                           "must be known",
                 .needs = {},
                 .got = got,
                 .hint = "view the operand with as<T, shape<...>>(x)"});
}

void refuse_rate(std::string_view label, double rate) {
  throw argument_error({std::string(label) + " was made with the rate " + std::to_string(rate),
                        "a rate must be at least 0 and below 1", "",
                        "pass the share of elements to drop, such as 0.5"});
}

void recorder_refuses(const char* schema, const problem& why) {
  throw_problem({std::string(schema) + " was recorded",
                 std::string(why.clause) + ": " + compared(why), "", why.hint},
                why.about_type);
}

void recorder_refuses_handle(const char* why) {
  throw handle_error({"a handle was given to a recorder", why, "",
                      "use the handles that the builder got or made itself"});
}

void recorder_refuses_name(const char* why) {
  throw name_error({"something was named while recording", why, "", "give a plain name"});
}

}  // namespace graft::detail
