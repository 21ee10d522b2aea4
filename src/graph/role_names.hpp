// The roles of variables in messages.
#pragma once

#include "graft/schema/target.hpp"

namespace graft::detail {

constexpr const char* name_of(variable_role role) {
  switch (role) {
    case variable_role::parameter:
      return "parameter";
    case variable_role::statistic:
      return "statistic";
    case variable_role::slot:
      return "slot";
    case variable_role::counter:
      return "counter";
    case variable_role::rng_stream:
      return "random stream";
    case variable_role::constant:
      return "constant";
  }
  return "";
}

}  // namespace graft::detail
