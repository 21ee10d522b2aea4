// Steps that write variables element by element, as those of a soft update, joined into one: a table of spans that one
// kernel walks. However small the variables are, a run then waits for its threads once.
#include <algorithm>
#include <cstring>
#include <functional>

#include "runtime/planner.hpp"

namespace graft::detail {
namespace {

constexpr std::int64_t chunk_elements = 32768;
// Fewer are computed faster by one thread than others take to begin.
constexpr std::int64_t parallel_elements = 65536;

constexpr std::size_t most_operands = 4;

using tile_kernel = std::function<void(const void* const*, const bool*, void*, std::int64_t)>;

// One of the steps that were joined, or the copy of a variable.
struct joined_part {
  tile_kernel tile;
  std::size_t in = 0, operands = 0, out = 0;  // the first of its operands, their number, its output
  std::size_t widths[most_operands + 1] =
      {};                           // bytes of an element of each operand, and of the output
  bool scalar[most_operands] = {};  // one element for all
  std::int64_t elements = 0;

  void compute(const kernel_call& call, std::int64_t first, std::int64_t count) const {
    const auto at = [&](const void* p, std::size_t width) {
      return static_cast<const std::byte*>(p) + static_cast<std::size_t>(first) * width;
    };
    const void* from[most_operands];
    for (std::size_t k = 0; k < operands; ++k) {
      from[k] = scalar[k] ? call.in[in + k] : at(call.in[in + k], widths[k]);
    }
    tile(from, scalar, const_cast<std::byte*>(at(call.out[out], widths[operands])), count);
  }
};

// Elements of one part that are computed together.
struct joined_span {
  std::uint32_t part = 0;
  std::int64_t first = 0, count = 0;
};

// Chunks are cut by sizes alone: never within a chunk of one part, and small parts share one.
class span_table {
 public:
  explicit span_table(std::vector<joined_part> parts) : parts_(std::move(parts)) {
    std::int64_t room = 0;
    for (std::uint32_t p = 0; p < parts_.size(); ++p) {
      for (std::int64_t first = 0; first < parts_[p].elements; first += chunk_elements) {
        const std::int64_t count = std::min(chunk_elements, parts_[p].elements - first);
        if (count > room) {
          chunks_.push_back(spans_.size());
          room = chunk_elements;
        }
        room -= count;
        elements_ += count;
        spans_.push_back({p, first, count});
      }
    }
    chunks_.push_back(spans_.size());
  }

  void run(const kernel_call& call) const {
    const auto walk = [&](std::size_t first, std::size_t last) {
      for (std::size_t i = first; i < last; ++i) {
        const joined_span& s = spans_[i];
        parts_[s.part].compute(call, s.first, s.count);
      }
    };
    if (elements_ < parallel_elements) {
      walk(0, spans_.size());
      return;
    }
    call.parallel.run(static_cast<std::int64_t>(chunks_.size()) - 1, [&](std::int64_t chunk) {
      const auto c = static_cast<std::size_t>(chunk);
      walk(chunks_[c], chunks_[c + 1]);
    });
  }

 private:
  std::vector<joined_part> parts_;
  std::vector<joined_span> spans_;
  std::vector<std::size_t> chunks_;  // where each begins among the spans, and their end
  std::int64_t elements_ = 0;
};

class update_joiner {
 public:
  explicit update_joiner(Plan& p)
      : p_(p), read_(p.variables.size()), passed_(read_), taken_(read_), written_(read_) {}

  void run() {
    find_groups();
    add_copies();
    std::erase_if(groups_, [](const group& g) { return g.steps.size() + g.copies.size() < 2; });
    if (!groups_.empty()) join();
  }

 private:
  struct group {
    std::vector<std::size_t>
        steps;  // the first of them is where all go; without any they go to the end
    std::vector<std::size_t> copies;  // commits
  };

  [[nodiscard]] std::uint32_t variable_at(std::uint32_t value) const {
    const location& at = p_.at(value);
    return at.where == home::variable ? static_cast<std::uint32_t>(at.index) : no_id;
  }
  template <class F>
  void each_read(const plan_step& s, F&& f) const {
    for (const std::uint32_t in : s.in) {
      if (in != no_id && variable_at(in) != no_id) f(variable_at(in));
    }
  }
  // Where the values of a step are, but for the variable that it writes.
  template <class F>
  [[nodiscard]] bool reads_any(const plan_step& s, F&& f) const {
    bool any = false;
    each_read(s, [&](std::uint32_t v) { any = any || (v != variable_at(s.out[0]) && f(v)); });
    return any;
  }

  // Its result follows element by element from operands of its size, and from operands of one element.
  [[nodiscard]] bool is_elementwise(const plan_step& s) const {
    return s.kernel.tile && s.ops == 1 && !s.own && s.out.size() == 1 &&
           s.in.size() <= most_operands && std::all_of(s.in.begin(), s.in.end(), [&](auto in) {
             if (in == no_id) return false;
             const std::int64_t size = p_.values[in].info.size;
             return size == p_.values[s.out[0]].info.size || size == 1;
           });
  }

  // A step joins one before it if nothing that stays between reads what it writes, and no two that are joined touch
  // what the other writes: they run at once then.
  void find_groups() {
    std::uint32_t number = 0;
    for (std::size_t i = p_.first_update; i < p_.steps.size(); ++i) {
      const plan_step& s = p_.steps[i];
      each_read(s, [&](std::uint32_t v) { read_[v] = 1; });
      if (!is_elementwise(s)) {
        each_read(s, [&](std::uint32_t v) { passed_[v] = number; });
        continue;
      }
      const std::uint32_t own = variable_at(s.out[0]);
      const bool apart = number == 0 || passed_[own] == number || taken_[own] == number ||
                         reads_any(s, [&](std::uint32_t v) { return written_[v] == number; });
      if (apart) {
        groups_.push_back({});
        ++number;
      }
      groups_.back().steps.push_back(i);
      written_[own] = number;
      each_read(s, [&](std::uint32_t v) {
        if (v != own) taken_[v] = number;
      });
    }
  }

  // Variables that take the value of another, where no step reads what they had.
  void add_copies() {
    if (groups_.empty()) groups_.push_back({});
    for (std::size_t c = 0; c < p_.commits.size(); ++c) {
      const plan_commit& commit = p_.commits[c];
      if (commit.from == no_id || variable_at(commit.from) == no_id) continue;
      if (read_[commit.variable] == 0) groups_.front().copies.push_back(c);
    }
  }

  void join() {
    std::vector<plan_step> steps;
    steps.reserve(p_.steps.size());
    std::vector<const group*> starts(p_.steps.size(), nullptr);
    std::vector<bool> joined(p_.steps.size(), false);
    for (const group& g : groups_) {
      if (g.steps.empty()) continue;
      starts[g.steps.front()] = &g;
      for (const std::size_t s : g.steps) joined[s] = true;
    }
    for (std::size_t s = 0; s < p_.steps.size(); ++s) {
      if (starts[s] != nullptr) {
        steps.push_back(joined_step(*starts[s]));
      } else if (!joined[s]) {
        steps.push_back(std::move(p_.steps[s]));
      }
    }
    for (const group& g : groups_) {
      if (g.steps.empty()) steps.push_back(joined_step(g));
    }
    p_.steps = std::move(steps);
  }

  plan_step joined_step(const group& g) {
    plan_step all;
    std::vector<joined_part> parts;
    const auto add = [&](tile_kernel tile, const std::vector<std::uint32_t>& in,
                         std::uint32_t out) {
      joined_part part;
      part.tile = std::move(tile);
      part.in = all.in.size();
      part.operands = in.size();
      part.out = all.out.size();
      part.elements = p_.values[out].info.size;
      for (std::size_t k = 0; k < in.size(); ++k) {
        const tensor_info& info = p_.values[in[k]].info;
        part.widths[k] = size_of(info.type);
        part.scalar[k] = info.size != part.elements;
      }
      part.widths[in.size()] = size_of(p_.values[out].info.type);
      parts.push_back(std::move(part));
      all.in.insert(all.in.end(), in.begin(), in.end());
      all.out.push_back(out);
    };
    for (const std::size_t s : g.steps) {
      plan_step& step = p_.steps[s];
      add(std::move(step.kernel.tile), step.in, step.out[0]);
    }
    for (const std::size_t c : g.copies) {
      plan_commit& commit = p_.commits[c];
      const tensor_info info = p_.values[commit.from].info;
      const auto value = static_cast<std::uint32_t>(p_.values.size());
      p_.values.push_back({info, {home::variable, commit.variable}, value});
      const auto copy = [width = size_of(info.type)](const void* const* from, const bool*, void* to,
                                                     std::int64_t count) {
        std::memcpy(to, from[0], static_cast<std::size_t>(count) * width);
      };
      add(copy, {commit.from}, value);
      commit.from = no_id;
    }
    if (!g.steps.empty()) {
      all.op = p_.steps[g.steps.back()].op;
      all.ops = static_cast<std::uint32_t>(g.steps.size());
    }
    all.kernel.run = [table = span_table(std::move(parts))](const kernel_call& call) {
      table.run(call);
    };
    return all;
  }

  Plan& p_;
  std::vector<group> groups_;
  // By variable: whether a step that writes variables reads it; and the latest group that, since it began, a step left
  // outside reads it, one of its own reads it, one of its own writes it.
  std::vector<std::uint32_t> read_, passed_, taken_, written_;
};

}  // namespace

void join_updates(Plan& p) {
  if (!p.check_numerics) update_joiner(p).run();
}

}  // namespace graft::detail
