// Operators that own bodies. Their types follow from the bodies (graph/body_types.cpp), the planner
// plans and runs the bodies (runtime/bodies.cpp), their gradients are bodies made of bodies
// (train/bodies.cpp); so there is nothing here but their names.
#include "graft/ops/control.hpp"

#include "ops/families.hpp"

namespace graft {

void add_control_operators(std::vector<operator_definition>& all) {
  const auto add = [&](const operator_schema& schema, const char* onnx) {
    operator_definition d;
    d.schema = &schema;
    d.onnx = onnx;
    all.push_back(d);
  };
  add(ops::cond, "If");
  add(ops::while_loop, "Loop");
  add(ops::scan, "Scan");
  add(ops::while_loop_gradient, "");
}

}  // namespace graft
