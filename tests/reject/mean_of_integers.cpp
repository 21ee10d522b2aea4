// expect: dtype_mismatch
// expect: mean
// expect: needs_type<graft::dtype::float32>
// expect: got_type<graft::dtype::int64>
#include "graft/ops/reduce.hpp"

#include "type_target.hpp"

auto average(graft::test::input<std::int64_t, 3, 4> x) { return graft::mean(x); }
