// What functions that make ops say of arguments that cannot be.
#include <sstream>
#include <string>

#include "graft/core/error.hpp"
#include "graft/ops/initializers.hpp"
#include "graft/ops/loss_operands.hpp"

#include "core/where.hpp"

namespace graft::detail {

namespace {

std::string called(std::string_view operand) {
  return operand.empty() ? std::string("a tensor") : std::string(operand);
}

std::string in_words(double number) { return (std::ostringstream() << number).str(); }
std::string in_words(const attribute& number) {
  return number.kind == attribute_kind::real ? in_words(number.real)
                                             : std::to_string(number.integer);
}

}  // namespace

void refuse_number(const attribute& number, std::string_view tensor, const problem& why,
                   source_line here) {
  throw dtype_error({"the number " + in_words(number) + " was put beside " + called(tensor),
                     std::string(why.clause) + ", and the tensor is " + to_string(why.got),
                     where(here), why.hint});
}

void loss_refuses(std::string_view loss, std::string_view prediction, std::string_view target,
                  const problem& why, source_line here) {
  error_parts parts{
      std::string(loss) + " was called on " + called(prediction) + " and " + called(target),
      std::string(why.clause) + ": needs " + to_string(why.needs) + ", got " + to_string(why.got),
      where(here), why.hint};
  if (why.about_type) throw dtype_error(std::move(parts));
  throw shape_error(std::move(parts));
}

void initializer_refuses_low_above_high(double low, double high, source_line here) {
  throw argument_error(
      {"an initializer was asked for between " + in_words(low) + " and " + in_words(high),
       "the lower bound must not be above the upper one", where(here),
       "give the smaller one first, as in uniform(-0.05, 0.05)"});
}

void initializer_refuses_standard_deviation(double stddev, source_line here) {
  throw argument_error(
      {"an initializer was asked for with the standard deviation " + in_words(stddev),
       "it must be at least 0", where(here),
       "give for example 0.05; the mean comes first, as in normal(0, 0.05)"});
}

void initializer_refuses_scale(double scale, source_line here) {
  throw argument_error({"variance_scaling was asked for with the scale " + in_words(scale),
                        "a variance is at least 0", where(here), "give for example 2"});
}

void initializer_refuses_what_is_not_finite(double number, source_line here) {
  throw argument_error({"an initializer was asked for with the number " + in_words(number),
                        "what it is made of, and the distance of its bounds, must be finite",
                        where(here), "give for example 0.05"});
}

}  // namespace graft::detail
