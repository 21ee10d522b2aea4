// What most sources of the library read, compiled ahead where the build says so (meson.build). A source includes what it
// needs all the same: builds by g++ hold it to that.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "graft/graph/graph.hpp"
#include "graft/graph/operator.hpp"
#include "graft/schema/core_operators.hpp"

#include "graph/building.hpp"
