// The operators that own bodies; their functions are in graft/dsl/control.hpp.
#pragma once

#include "graft/schema/control_operators.hpp"
