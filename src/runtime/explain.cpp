// A plan in words.
#include "runtime/plan.hpp"

namespace graft::detail {
namespace {

std::string place_in_words(const Graph& g, const Plan& p, std::uint32_t value) {
  const location& at = p.at(value);
  switch (at.where) {
    case home::arena:
      return "arena+" + std::to_string(at.index);
    case home::constant:
      return "constant " + std::to_string(at.index);
    case home::feed:
      return "feed " + std::to_string(at.index);
    case home::fetch:
      return "fetch " + std::to_string(at.index);
    case home::variable:
      return "variable '" + g.path_of(p.variables[at.index].ids.front()) + "'";
    case home::none:
      break;
  }
  return "nowhere";
}

std::string described(const Graph& g, const Plan& p, std::uint32_t value) {
  const tensor_info& info = p.values[value].info;
  return std::string(name_of(info.type)) + " " + to_string(info.shape) + " in " +
         place_in_words(g, p, value);
}

}  // namespace

std::string describe(const Graph& g, const Plan& p) {
  std::string text = "plan: " + std::to_string(p.steps.size()) + " steps, arena of " +
                     std::to_string(p.arena_bytes) + " bytes\n";
  for (std::size_t s = 0; s < p.steps.size(); ++s) {
    const plan_step& step = p.steps[s];
    text += s < p.first_update ? "  step " : "  update ";
    text += std::to_string(s) + ": ";
    text += step.op.valid() ? "'" + g.path_of(step.op) + "' (" + g.schema_of(step.op).name + ")"
                            : std::string("copy");
    if (step.ops > 1) text += ", fused from " + std::to_string(step.ops) + " ops";
    if (step.compiled > 0) text += ", " + std::to_string(step.compiled) + " of them compiled";
    for (const std::uint32_t out : step.out) text += ", to " + described(g, p, out);
    if (step.kernel.scratch_bytes > 0) {
      text += ", scratch " + std::to_string(step.kernel.scratch_bytes);
    }
    text += "\n";
  }
  for (const plan_commit& c : p.commits) {
    text += "  commit to '" + g.path_of(p.variables[c.variable].ids.front()) + "'";
    text += c.from == no_id ? ", in place\n" : " from " + described(g, p, c.from) + "\n";
  }
  for (const plan_fetch& f : p.fetches) text += "  result: " + described(g, p, f.value) + "\n";
  return text;
}

}  // namespace graft::detail
