// What most tests read, compiled ahead. Without the layers of the DSL, whose names (network, layer) tests have uses of
// their own for.
#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>
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
#include "graft/runtime/session.hpp"
#include "graft/surgery/clone.hpp"
#include "graft/surgery/edit.hpp"
#include "graft/train/gradients.hpp"

#include "catch.hpp"
