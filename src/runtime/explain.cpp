// A plan in words.
#include "runtime/plan.hpp"

namespace graft::detail {
namespace {

class describer {
 public:
  describer(const Graph& g, const Plan& p, const plan_instance& own) : g_(g), p_(p), own_(own) {}

  [[nodiscard]] std::string text() const {
    std::string text = "plan: " + std::to_string(p_.steps.size()) + " steps, arena of " +
                       std::to_string(p_.arena_bytes) + " bytes\n";
    for (std::size_t s = 0; s < p_.steps.size(); ++s) text += described(s);
    for (const plan_commit& c : p_.commits) {
      text += "  commit to '" + path_of_variable(c.variable) + "'";
      text += c.from == no_id ? ", in place\n" : " from " + described_value(c.from) + "\n";
    }
    for (const plan_fetch& f : p_.fetches) text += "  result: " + described_value(f.value) + "\n";
    for (const merged_op& m : own_.merged) {
      if (g_.operand_count(m.op) == 0) continue;  // nothing was computed for it
      text += "  merged: '" + g_.path_of(m.op) + "' is '" + g_.path_of(own_.ops[m.as]) + "'\n";
    }
    return text;
  }

 private:
  [[nodiscard]] std::string path_of_variable(std::size_t variable) const {
    return g_.path_of(own_.variables[variable].front());
  }

  [[nodiscard]] std::string place_in_words(std::uint32_t value) const {
    const location& at = p_.at(value);
    switch (at.where) {
      case home::arena:
        return "arena+" + std::to_string(at.index);
      case home::constant:
        return "constant " + std::to_string(at.index);
      case home::stored:
        return "stored constant " + std::to_string(at.index);
      case home::feed:
        return "feed " + std::to_string(at.index);
      case home::fetch:
        return "fetch " + std::to_string(at.index);
      case home::variable:
        return "variable '" + path_of_variable(at.index) + "'";
      case home::none:
        break;
    }
    return "nowhere";
  }

  [[nodiscard]] std::string described_value(std::uint32_t value) const {
    const tensor_info& info = p_.values[value].info;
    return std::string(name_of(info.type)) + " " + to_string(info.shape) + " in " +
           place_in_words(value);
  }

  [[nodiscard]] std::string described(std::size_t s) const {
    const plan_step& step = p_.steps[s];
    std::string text = s < p_.first_update ? "  step " : "  update ";
    text += std::to_string(s) + ": ";
    if (step.op == no_id) {
      text += "copy";
    } else {
      const op_id op = own_.ops[step.op];
      text += "'" + g_.path_of(op) + "' (" + std::string(g_.schema_of(op).name) + ")";
    }
    if (step.ops > 1) text += ", fused from " + std::to_string(step.ops) + " ops";
    if (step.compiled > 0) text += ", " + std::to_string(step.compiled) + " of them compiled";
    for (const std::uint32_t out : step.out) text += ", to " + described_value(out);
    if (step.kernel.scratch_bytes > 0) {
      text += ", scratch " + std::to_string(step.kernel.scratch_bytes);
    }
    return text + "\n";
  }

  const Graph& g_;
  const Plan& p_;
  const plan_instance& own_;
};

}  // namespace

std::string describe(const Graph& g, const Plan& p, const plan_instance& own) {
  return describer(g, p, own).text();
}

}  // namespace graft::detail
