// Which steps write variables themselves, and in which order.
#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "runtime/planner.hpp"

namespace graft::detail {
namespace {

class update_order {
 public:
  explicit update_order(Plan& p) : p_(p) {}

  void run() {
    copy_moving_sources();
    if (!p_.check_numerics) choose();
    sort();
    place();
  }

 private:
  [[nodiscard]] std::uint32_t root(std::uint32_t value) const { return p_.values[value].root; }
  // The variable whose memory a value is, or no_id.
  [[nodiscard]] std::uint32_t variable_at(std::uint32_t value) const {
    const location& at = p_.at(value);
    return at.where == home::variable ? static_cast<std::uint32_t>(at.index) : no_id;
  }

  // Where a variable takes the value of another that changes too, the old value is kept apart. One
  // that takes its own value does not change.
  void copy_moving_sources() {
    std::erase_if(p_.commits,
                  [&](const plan_commit& c) { return variable_at(c.from) == c.variable; });
    for (plan_commit& c : p_.commits) {
      const std::uint32_t source = variable_at(c.from);
      if (source == no_id || !p_.variables[source].written) continue;
      const auto copy = static_cast<std::uint32_t>(p_.values.size());
      p_.values.push_back({p_.values[c.from].info, {}, copy});
      plan_step step;
      step.in.push_back(c.from);
      step.out.push_back(copy);
      const std::size_t bytes = bytes_of(p_.values[copy].info);
      step.kernel.run = [bytes](const kernel_call& call) {
        if (bytes != 0) std::memcpy(call.out[0], call.in[0], bytes);
      };
      p_.steps.push_back(std::move(step));
      c.from = copy;
    }
  }

  // The steps all of whose results do nothing but become values of variables, each over the
  // variable it was made from.
  void choose() {
    std::vector<std::uint32_t> commit_of(p_.values.size(), no_id);  // by root
    std::vector<bool> read(p_.values.size(), false);
    for (std::uint32_t c = 0; c < p_.commits.size(); ++c) {
      std::uint32_t& place = commit_of[root(p_.commits[c].from)];
      if (place != no_id) read[root(p_.commits[c].from)] = true;  // becomes several variables
      place = c;
    }
    for (const plan_fetch& f : p_.fetches) read[root(f.value)] = true;
    for (const plan_step& s : p_.steps) {
      for (const std::uint32_t in : s.in) {
        if (in != no_id) read[root(in)] = true;
      }
    }
    for (std::uint32_t s = 0; s < p_.steps.size(); ++s) {
      const plan_step& step = p_.steps[s];
      candidate found{s, {}, {}};
      const bool all = std::all_of(step.out.begin(), step.out.end(), [&](const std::uint32_t& out) {
        const std::uint32_t commit = commit_of[out];
        if (commit == no_id || read[out]) return false;
        const auto o = static_cast<std::size_t>(&out - step.out.data());
        found.commits.push_back(commit);
        return over_its_variable(step, o, p_.commits[commit].variable);
      });
      if (!all || step.out.empty()) continue;
      for (const std::uint32_t in : step.in) {
        if (in != no_id && variable_at(in) != no_id) found.reads.push_back(variable_at(in));
      }
      candidates_.push_back(std::move(found));
    }
  }

  // The new value may be written over the old one if the kernel allows that for every operand that
  // is the old one.
  [[nodiscard]] bool over_its_variable(const plan_step& step, std::size_t output,
                                       std::uint32_t variable) const {
    bool any = false;
    for (std::size_t k = 0; k < step.in.size(); ++k) {
      if (step.in[k] == no_id || variable_at(step.in[k]) != variable) continue;
      if (!allows(step.kernel, output, k) ||
          bytes_of(p_.values[step.in[k]].info) != bytes_of(p_.values[step.out[output]].info)) {
        return false;
      }
      any = true;
    }
    return any;
  }
  static bool allows(const bound_kernel& kernel, std::size_t output, std::size_t operand) {
    return std::any_of(kernel.in_place.begin(), kernel.in_place.end(), [&](const auto& pair) {
      return pair.first == output && pair.second == operand;
    });
  }

  // A candidate that reads a variable comes before the one that writes it; where they wait for each
  // other one of them writes elsewhere.
  void sort() {
    std::unordered_map<std::uint32_t, std::uint32_t> writer;  // variable -> candidate
    for (std::uint32_t c = 0; c < candidates_.size(); ++c) {
      for (const std::uint32_t commit : candidates_[c].commits) {
        writer[p_.commits[commit].variable] = c;
      }
    }
    std::vector<std::vector<std::uint32_t>> later(candidates_.size());
    std::vector<std::uint32_t> waits(candidates_.size(), 0);
    for (std::uint32_t c = 0; c < candidates_.size(); ++c) {
      for (const std::uint32_t v : candidates_[c].reads) {
        const auto w = writer.find(v);
        if (w == writer.end() || w->second == c) continue;
        later[c].push_back(w->second);
        ++waits[w->second];
      }
    }
    std::vector<std::uint32_t> ready;
    std::vector<bool> done(candidates_.size(), false);
    const auto finish = [&](std::uint32_t c) {
      done[c] = true;
      for (const std::uint32_t l : later[c]) {
        if (--waits[l] == 0 && !done[l]) ready.push_back(l);
      }
    };
    for (std::uint32_t c = static_cast<std::uint32_t>(candidates_.size()); c-- > 0;) {
      if (waits[c] == 0) ready.push_back(c);
    }
    std::uint32_t next = 0;
    for (;;) {
      if (!ready.empty()) {
        const std::uint32_t c = ready.back();
        ready.pop_back();
        if (done[c]) continue;
        order_.push_back(c);
        finish(c);
        continue;
      }
      while (next < candidates_.size() && done[next]) ++next;
      if (next == candidates_.size()) break;
      finish(next);  // not in order_: it stays an ordinary step
    }
  }

  void place() {
    std::vector<bool> last(p_.steps.size(), false);
    for (const std::uint32_t c : order_) last[candidates_[c].step] = true;
    std::vector<plan_step> steps;
    steps.reserve(p_.steps.size());
    for (std::size_t s = 0; s < p_.steps.size(); ++s) {
      if (!last[s]) steps.push_back(std::move(p_.steps[s]));
    }
    p_.first_update = steps.size();
    for (const std::uint32_t c : order_) {
      plan_step& step = p_.steps[candidates_[c].step];
      for (std::size_t o = 0; o < step.out.size(); ++o) {
        plan_commit& commit = p_.commits[candidates_[c].commits[o]];
        p_.values[step.out[o]].at = {home::variable, commit.variable};
        commit.from = no_id;
      }
      steps.push_back(std::move(step));
    }
    p_.steps = std::move(steps);
  }

  struct candidate {
    std::uint32_t step;
    std::vector<std::uint32_t> commits;  // one an output
    std::vector<std::uint32_t> reads;    // variables
  };

  Plan& p_;
  std::vector<candidate> candidates_;
  std::vector<std::uint32_t> order_;
};

}  // namespace

void order_updates(Plan& p) { update_order(p).run(); }

}  // namespace graft::detail
