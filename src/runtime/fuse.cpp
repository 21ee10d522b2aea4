// Which elementwise steps become one step.
#include <algorithm>
#include <memory>
#include <optional>

#include "runtime/planner.hpp"
#include "runtime/tiles.hpp"

namespace graft::detail {
namespace {

constexpr std::size_t max_members = 32;
constexpr std::size_t max_outer = 32;

// How an operand is spread over the elements of a result of the shape `out`, the result seen as
// rows of `cols` elements where that matters; nothing where no such pattern fits.
struct spread {
  tile_mode mode = tile_mode::full;
  std::int64_t cols = 0;  // 0: any
};
std::optional<spread> spread_of(const tensor_info& operand, const tensor_info& out) {
  if (operand.size == out.size) return spread{};
  if (operand.size == 1) return spread{tile_mode::scalar, 0};
  const std::size_t rank = out.shape.size(), own = operand.shape.size();
  if (own > rank) return std::nullopt;
  const auto extent_at = [&](std::size_t axis) {
    return axis + own < rank ? 1 : operand.shape[axis + own - rank];
  };
  std::size_t first = 0, last = rank;  // the axes that are not 1 in the operand
  while (first < last && extent_at(first) == 1) ++first;
  while (last > first && extent_at(last - 1) == 1) --last;
  for (std::size_t axis = first; axis < last; ++axis) {
    if (extent_at(axis) != out.shape[axis]) return std::nullopt;
  }
  std::int64_t before = 1, after = 1;
  for (std::size_t axis = 0; axis < first; ++axis) before *= out.shape[axis];
  for (std::size_t axis = last; axis < rank; ++axis) after *= out.shape[axis];
  if (after == 1) return spread{tile_mode::row, operand.size};
  if (before == 1) return spread{tile_mode::column, after};
  return std::nullopt;
}

class fuser {
 public:
  fuser(Plan& p, const std::vector<bool>& kept, const std::vector<bool>& fixed)
      : p_(p), kept_(kept), fixed_(fixed) {}

  void run() {
    list_readers();
    form_groups();
    std::vector<plan_step> result;
    result.reserve(p_.steps.size());
    for (std::uint32_t s = 0; s < p_.steps.size(); ++s) {
      const std::uint32_t g = group_of_[s];
      if (g == no_id || groups_[g].members.size() == 1) {
        result.push_back(std::move(p_.steps[s]));
      } else if (groups_[g].root == s) {
        std::reverse(groups_[g].members.begin(), groups_[g].members.end());
        result.push_back(fused(groups_[g]));
      }
    }
    p_.steps = std::move(result);
  }

 private:
  struct group {
    std::uint32_t root = 0;              // the last of its steps: it runs in that one's place
    std::vector<std::uint32_t> members;  // last first while groups form
    std::int64_t size = 0, cols = 0;
    std::size_t outer = 0;  // operands of all members, an upper bound
  };

  [[nodiscard]] const tensor_info& info(std::uint32_t value) const { return p_.values[value].info; }
  [[nodiscard]] std::uint32_t root(std::uint32_t value) const { return p_.values[value].root; }

  void list_readers() {
    first_reader_.assign(p_.values.size() + 1, 0);
    const auto each = [&](auto&& f) {
      for (std::uint32_t s = 0; s < p_.steps.size(); ++s) {
        for (const std::uint32_t in : p_.steps[s].in) {
          if (in != no_id) f(root(in), s);
        }
      }
    };
    each([&](std::uint32_t value, std::uint32_t) { ++first_reader_[value + 1]; });
    for (std::size_t v = 0; v + 1 < first_reader_.size(); ++v)
      first_reader_[v + 1] += first_reader_[v];
    readers_.resize(first_reader_.back());
    std::vector<std::uint32_t> filled(first_reader_.begin(), first_reader_.end() - 1);
    each([&](std::uint32_t value, std::uint32_t s) { readers_[filled[value]++] = s; });
  }
  [[nodiscard]] std::span<const std::uint32_t> readers(std::uint32_t value) const {
    return std::span(readers_).subspan(first_reader_[value],
                                       first_reader_[value + 1] - first_reader_[value]);
  }

  // The columns that the operands of a step ask for: 0 for any; nothing where the step cannot run
  // in tiles.
  [[nodiscard]] std::optional<std::int64_t> columns(std::uint32_t s) const {
    const plan_step& step = p_.steps[s];
    if (fixed_[s] || !step.kernel.tile || step.out.size() != 1 || step.in.empty() ||
        step.in.size() > max_tile_operands) {
      return std::nullopt;
    }
    const tensor_info& out = info(step.out[0]);
    if (out.size == 0) return std::nullopt;
    std::int64_t cols = 0;
    for (const std::uint32_t in : step.in) {
      const auto how = in == no_id ? std::nullopt : spread_of(info(in), out);
      if (!how || (cols != 0 && how->cols != 0 && how->cols != cols)) return std::nullopt;
      if (how->cols != 0) cols = how->cols;
    }
    return cols;
  }

  // From the last step to the first: a step joins the group of its readers if all others read its
  // result after the group has run. So a group never waits for something that waits for one of its
  // members.
  void form_groups() {
    group_of_.assign(p_.steps.size(), no_id);
    for (std::uint32_t s = static_cast<std::uint32_t>(p_.steps.size()); s-- > 0;) {
      const auto cols = columns(s);
      if (!cols) continue;
      const std::int64_t size = info(p_.steps[s].out[0]).size;
      std::uint32_t best = no_id;
      const auto all = readers(p_.steps[s].out[0]);
      for (const std::uint32_t reader : all) {
        const std::uint32_t g = group_of_[reader];
        if (g != no_id && (best == no_id || groups_[g].root < groups_[best].root)) best = g;
      }
      if (best != no_id && fits(groups_[best], s, size, *cols, all, best)) {
        group& g = groups_[best];
        g.members.push_back(s);
        g.outer += p_.steps[s].in.size();
        if (*cols != 0) g.cols = *cols;
        group_of_[s] = best;
      } else {
        group_of_[s] = static_cast<std::uint32_t>(groups_.size());
        groups_.push_back({s, {s}, size, *cols, p_.steps[s].in.size()});
      }
    }
  }

  [[nodiscard]] bool fits(const group& g, std::uint32_t s, std::int64_t size, std::int64_t cols,
                          std::span<const std::uint32_t> all, std::uint32_t number) const {
    if (g.size != size || (g.cols != 0 && cols != 0 && g.cols != cols) ||
        g.members.size() >= max_members || g.outer + p_.steps[s].in.size() > max_outer) {
      return false;
    }
    // Members read it element by element: seen as something smaller it would not be.
    for (const std::uint32_t reader : all) {
      if (group_of_[reader] == number ? !reads_whole(reader, p_.steps[s].out[0], size)
                                      : reader <= g.root) {
        return false;
      }
    }
    return true;
  }
  [[nodiscard]] bool reads_whole(std::uint32_t reader, std::uint32_t value,
                                 std::int64_t size) const {
    return std::all_of(p_.steps[reader].in.begin(), p_.steps[reader].in.end(),
                       [&](std::uint32_t in) {
                         return in == no_id || root(in) != value || info(in).size == size;
                       });
  }

  plan_step fused(const group& g) {
    plan_step result;
    result.op = p_.steps[g.root].op;
    result.ops = static_cast<std::uint32_t>(g.members.size());
    tile_program program(g.size, g.cols);
    std::vector<std::pair<std::uint32_t, std::uint32_t>> made;  // root value, instruction
    for (const std::uint32_t s : g.members) {
      plan_step& step = p_.steps[s];
      const std::uint32_t out = step.out[0];
      tile_program::instruction code;
      for (const std::uint32_t in : step.in) {
        const auto inner = std::find_if(made.begin(), made.end(),
                                        [&](const auto& m) { return m.first == root(in); });
        if (inner != made.end()) {
          code.in.push_back(program.result_of(inner->second));
        } else {
          code.in.push_back(program.outer(place_in(result.in, in),
                                          spread_of(info(in), info(out))->mode,
                                          size_of(info(in).type)));
        }
      }
      for (const auto& [o, k] : step.kernel.in_place) {
        if (o == 0) code.in_place.push_back(k);
      }
      code.tile = std::move(step.kernel.tile);
      const bool stored =
          kept_[out] || std::any_of(readers(out).begin(), readers(out).end(),
                                    [&](std::uint32_t r) { return group_of_[r] != group_of_[s]; });
      if (stored || s == g.root) result.out.push_back(out);
      made.emplace_back(
          out, program.add(std::move(code), size_of(info(out).type), stored || s == g.root));
    }
    result.kernel = std::move(program).bind();
    return result;
  }

  // Views of one value are one operand if they are read in the same way, which they are if they
  // have one size.
  std::uint32_t place_in(std::vector<std::uint32_t>& operands, std::uint32_t value) const {
    for (std::uint32_t k = 0; k < operands.size(); ++k) {
      if (operands[k] == value) return k;
    }
    operands.push_back(value);
    return static_cast<std::uint32_t>(operands.size() - 1);
  }

  Plan& p_;
  const std::vector<bool>& kept_;
  const std::vector<bool>& fixed_;
  std::vector<std::uint32_t> first_reader_, readers_;
  std::vector<group> groups_;
  std::vector<std::uint32_t> group_of_;
};

}  // namespace

void fuse_elementwise(Plan& p, const std::vector<bool>& kept, const std::vector<bool>& fixed) {
  fuser(p, kept, fixed).run();
}

}  // namespace graft::detail
