// All operators that work element by element.
#pragma once

#include "graft/ops/activations.hpp"
#include "graft/ops/arithmetic.hpp"
#include "graft/ops/logic.hpp"
#include "graft/ops/math.hpp"
