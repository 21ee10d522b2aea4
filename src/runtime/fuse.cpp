// Which elementwise steps become one step.
#include <algorithm>
#include <functional>
#include <memory>
#include <optional>

#include "runtime/forms.hpp"
#include "runtime/planner.hpp"
#include "runtime/tiles.hpp"

namespace graft::detail {
namespace {

constexpr std::size_t max_members = 32;
constexpr std::size_t max_outer = 64;
constexpr std::size_t sibling_distance = 64;  // steps between groups that may join

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
  fuser(Plan& p, const std::vector<bool>& kept, const step_rules& rules)
      : p_(p), kept_(kept), rules_(rules) {}

  void run() {
    list_readers();
    form_groups();
    list_units();
    join_siblings();
    std::vector<plan_step> result;
    result.reserve(p_.steps.size());
    for (const unit& u : units_) {
      if (u.group == no_id || groups_[u.group].members.size() == 1) {
        result.push_back(std::move(p_.steps[u.step]));
      } else {
        std::reverse(groups_[u.group].members.begin(), groups_[u.group].members.end());
        result.push_back(fused(groups_[u.group]));
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
    if (rules_.fixed[s] || !step.kernel.tile || step.out.size() != 1 || step.in.empty() ||
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

  // --- Siblings: groups that read the same values in one pass ----------------------------------

  // What becomes one step of the plan.
  struct unit {
    std::uint32_t group = no_id;
    std::uint32_t step = 0;  // of no group, or of a group of one
  };

  void list_units() {
    producer_.assign(p_.values.size(), no_id);
    for (std::uint32_t s = 0; s < p_.steps.size(); ++s) {
      for (const std::uint32_t out : p_.steps[s].out) producer_[out] = s;
      const std::uint32_t g = group_of_[s];
      if (g == no_id || groups_[g].root == s) units_.push_back({g, s});
    }
    becomes_variable_.assign(p_.values.size(), false);
    for (const plan_commit& c : p_.commits) {
      if (c.from != no_id) becomes_variable_[root(c.from)] = true;
    }
  }

  [[nodiscard]] std::span<const std::uint32_t> steps_of(const unit& u) const {
    return u.group == no_id ? std::span(&u.step, 1) : std::span(groups_[u.group].members);
  }

  // The gradients of several operands rest on the same values, and no one of them reads another:
  // such groups join, each the next one after it. What waits for the first moves behind both.
  void join_siblings() {
    marks_.assign(p_.steps.size(), 0);
    for (std::size_t i = 0; i < units_.size(); ++i) {
      while (joined_one_before(i)) {
      }
    }
  }
  // Joins the unit at i with one before it, and moves i along.
  bool joined_one_before(std::size_t& i) {
    if (units_[i].group == no_id) return false;
    const std::size_t first = i < sibling_distance ? 0 : i - sibling_distance;
    for (std::size_t j = i; j-- > first;) {
      if (units_[j].group == no_id || !may_join(units_[j].group, units_[i].group) ||
          !may_move_behind(j, i)) {
        continue;
      }
      join(units_[j].group, units_[i].group);
      std::vector<unit> behind;
      std::size_t to = j;
      for (std::size_t k = j + 1; k < i; ++k) {
        if (is_marked(units_[k])) {
          behind.push_back(units_[k]);
        } else {
          units_[to++] = units_[k];
        }
      }
      units_[to] = units_[i];
      units_.erase(units_.begin() + static_cast<std::ptrdiff_t>(i));
      i = to;
      std::copy(behind.begin(), behind.end(), units_.begin() + static_cast<std::ptrdiff_t>(i + 1));
      return true;
    }
    return false;
  }
  [[nodiscard]] bool is_marked(const unit& u) const { return marks_[steps_of(u).front()] == mark_; }

  [[nodiscard]] bool may_join(std::uint32_t earlier, std::uint32_t later) const {
    const group &a = groups_[earlier], &b = groups_[later];
    if (a.size != b.size || a.size < 2 || (a.cols != 0 && b.cols != 0 && a.cols != b.cols) ||
        a.members.size() + b.members.size() > max_members || a.outer + b.outer > max_outer) {
      return false;
    }
    for (const group* g : {&a, &b}) {  // those steps write the variables themselves
      for (const std::uint32_t s : g->members) {
        if (becomes_variable_[p_.steps[s].out[0]]) return false;
      }
    }
    bool shared = false;
    for (const std::uint32_t s : b.members) {
      for (const std::uint32_t in : p_.steps[s].in) {
        const std::uint32_t made = producer_[root(in)];
        const bool by_a = made != no_id && group_of_[made] == earlier;
        if (by_a && info(in).size != b.size) return false;  // not element by element
        shared = shared || by_a || (info(in).size == b.size && reads(a, root(in)));
      }
    }
    return shared;
  }
  [[nodiscard]] bool reads(const group& g, std::uint32_t value) const {
    return std::any_of(g.members.begin(), g.members.end(), [&](std::uint32_t s) {
      return std::any_of(p_.steps[s].in.begin(), p_.steps[s].in.end(), [&](std::uint32_t in) {
        return root(in) == value && info(in).size == g.size;
      });
    });
  }

  // Marks the units between two that wait for the first; false where the second waits for one of
  // them, or one of them may not move.
  bool may_move_behind(std::size_t j, std::size_t i) {
    ++mark_;
    for (const std::uint32_t s : steps_of(units_[j])) marks_[s] = mark_;
    for (std::size_t k = j + 1; k < i; ++k) {
      const std::span<const std::uint32_t> steps = steps_of(units_[k]);
      if (!reads_marked(steps)) continue;
      for (const std::uint32_t s : steps) {
        if (rules_.tied[s]) return false;
        marks_[s] = mark_;
      }
    }
    for (const std::uint32_t s : steps_of(units_[j])) marks_[s] = 0;
    return !reads_marked(steps_of(units_[i]));
  }
  [[nodiscard]] bool reads_marked(std::span<const std::uint32_t> steps) const {
    return std::any_of(steps.begin(), steps.end(), [&](std::uint32_t s) {
      return std::any_of(p_.steps[s].in.begin(), p_.steps[s].in.end(), [&](std::uint32_t in) {
        const std::uint32_t made = in == no_id ? no_id : producer_[root(in)];
        return made != no_id && marks_[made] == mark_;
      });
    });
  }

  void join(std::uint32_t earlier, std::uint32_t later) {
    group &a = groups_[earlier], &b = groups_[later];
    for (const std::uint32_t s : a.members) group_of_[s] = later;
    b.members.insert(b.members.end(), a.members.begin(), a.members.end());
    std::sort(b.members.begin(), b.members.end(), std::greater<>());
    b.root = b.members.front();
    if (a.cols != 0) b.cols = a.cols;
    b.outer += a.outer;
    a.members.clear();
  }

  // --- Steps of groups -------------------------------------------------------------------------

  // Members that one compiled kernel computes: a stretch of the order in which they run.
  struct compiled_chain {
    std::size_t first = 0, count = 0;
    fused_kernel kernel = nullptr;
    std::vector<std::pair<std::uint32_t, tile_mode>> operands;  // values and how they are read
    std::vector<std::uint32_t> stored;  // members, in the order of the kernel's results
  };

  plan_step fused(const group& g) {
    plan_step result;
    result.op = p_.steps[g.root].op;
    result.ops = static_cast<std::uint32_t>(g.members.size());
    std::vector<std::uint32_t> order = g.members;
    const std::vector<compiled_chain> chains = find_chains(g, order);
    tile_program program(g.size, g.cols);
    std::vector<std::pair<std::uint32_t, std::uint32_t>> made;  // root value, result
    const auto operand = [&](std::uint32_t in, tile_mode mode) {
      const auto inner = std::find_if(made.begin(), made.end(),
                                      [&](const auto& m) { return m.first == root(in); });
      return inner != made.end()
                 ? program.result_of(inner->second)
                 : program.outer(place_in(result.in, in), mode, size_of(info(in).type));
    };
    const auto add = [&](tile_program::instruction code, std::span<const std::uint32_t> members) {
      small_vector<tile_program::result, 2> results;
      for (const std::uint32_t s : members) {
        const std::uint32_t out = p_.steps[s].out[0];
        const bool stored = s == g.root || read_outside(s, [&](std::uint32_t reader) {
                              return group_of_[reader] == group_of_[s];
                            });
        if (stored) result.out.push_back(out);
        results.push_back({size_of(info(out).type), stored});
      }
      std::uint32_t number = program.add(std::move(code), {results.data(), results.size()});
      for (const std::uint32_t s : members) made.emplace_back(p_.steps[s].out[0], number++);
    };
    auto chain = chains.begin();
    for (std::size_t i = 0; i < order.size(); ++i) {
      tile_program::instruction code;
      if (chain != chains.end() && chain->first == i) {
        for (const auto& [in, mode] : chain->operands) {
          code.in_place.push_back(static_cast<std::uint8_t>(code.in.size()));
          code.in.push_back(operand(in, mode));
        }
        code.fused = chain->kernel;
        add(std::move(code), chain->stored);
        result.compiled += static_cast<std::uint32_t>(chain->count);
        i += chain->count - 1;
        ++chain;
        continue;
      }
      plan_step& step = p_.steps[order[i]];
      for (const std::uint32_t in : step.in) {
        code.in.push_back(operand(in, spread_of(info(in), info(step.out[0]))->mode));
      }
      for (const auto& [o, k] : step.kernel.in_place) {
        if (o == 0) code.in_place.push_back(k);
      }
      code.tile = std::move(step.kernel.tile);
      add(std::move(code), {&order[i], 1});
    }
    result.kernel = std::move(program).bind();
    return result;
  }

  // Whether a step's result is read where `inside(reader)` does not hold, or after the last step.
  template <class F>
  [[nodiscard]] bool read_outside(std::uint32_t s, F&& inside) const {
    const std::uint32_t out = p_.steps[s].out[0];
    const auto all = readers(out);
    return kept_[out] || std::any_of(all.begin(), all.end(),
                                     [&](std::uint32_t reader) { return !inside(reader); });
  }

  // --- Forms: which members a compiled kernel can compute --------------------------------------

  // Looks for the longest stretches that have a kernel, in the order of the steps and in the one in
  // which whole expressions are stretches; takes the order in which more members are compiled.
  std::vector<compiled_chain> find_chains(const group& g, std::vector<std::uint32_t>& order) const {
    const dtype type = info(p_.steps[g.root].out[0]).type;
    if (longest_form(type) == 0) return {};
    const auto calls_saved = [](const std::vector<compiled_chain>& chains) {
      std::size_t saved = 0;
      for (const compiled_chain& c : chains) saved += c.count - 1;
      return saved;
    };
    std::vector<std::uint32_t> other = by_expressions(g);
    std::vector<compiled_chain> chains = chains_in(order, type);
    if (other == order) return chains;
    std::vector<compiled_chain> more = chains_in(other, type);
    if (calls_saved(more) <= calls_saved(chains)) return chains;
    order = std::move(other);
    return more;
  }

  // The members, each right after what only it reads.
  [[nodiscard]] std::vector<std::uint32_t> by_expressions(const group& g) const {
    std::vector<std::uint32_t> result, open;
    const auto placed = [&](std::uint32_t s) {
      return std::find(result.begin(), result.end(), s) != result.end();
    };
    const std::uint32_t number = group_of_[g.root];
    for (const std::uint32_t sink : g.members) {
      const auto all = readers(p_.steps[sink].out[0]);
      if (std::any_of(all.begin(), all.end(),
                      [&](std::uint32_t reader) { return group_of_[reader] == number; })) {
        continue;
      }
      open.push_back(sink);
      while (!open.empty()) {
        const std::uint32_t s = open.back();
        std::uint32_t missing = no_id;
        for (const std::uint32_t in : p_.steps[s].in) {
          const auto made = std::find_if(g.members.begin(), g.members.end(), [&](std::uint32_t m) {
            return p_.steps[m].out[0] == root(in);
          });
          if (made == g.members.end() || placed(*made)) continue;
          missing = *made;
          break;
        }
        if (missing != no_id) {
          open.push_back(missing);
        } else {
          open.pop_back();
          if (!placed(s)) result.push_back(s);
        }
      }
    }
    return result;
  }

  [[nodiscard]] std::vector<compiled_chain> chains_in(const std::vector<std::uint32_t>& order,
                                                      dtype type) const {
    std::vector<compiled_chain> result;
    std::vector<bool> taken(order.size(), false);
    std::vector<std::uint64_t> operators(order.size() + 1, 0);  // sums of hashes
    std::vector<std::size_t> refused(order.size() + 1, 0);
    for (std::size_t i = 0; i < order.size(); ++i) {
      const plan_step& step = p_.steps[order[i]];
      operators[i + 1] = operators[i] + (step.code ? hash_of(step.code->op) : 0);
      refused[i + 1] = refused[i] + (may_be_compiled(step, type) ? 0 : 1);
    }
    for (std::size_t count = std::min({order.size(), longest_form(type), max_form_nodes});
         count >= 2; --count) {
      for (std::size_t first = 0; first + count <= order.size(); ++first) {
        const auto begin = taken.begin() + static_cast<std::ptrdiff_t>(first);
        if (refused[first + count] != refused[first] ||
            !any_form_of(operators[first + count] - operators[first], type) ||
            std::find(begin, begin + static_cast<std::ptrdiff_t>(count), true) !=
                begin + static_cast<std::ptrdiff_t>(count)) {
          continue;
        }
        if (auto chain = compiled(std::span(order).subspan(first, count), type)) {
          chain->first = first;
          std::fill_n(begin, count, true);
          result.push_back(std::move(*chain));
        }
      }
    }
    std::sort(result.begin(), result.end(),
              [](const compiled_chain& a, const compiled_chain& b) { return a.first < b.first; });
    return result;
  }
  [[nodiscard]] bool may_be_compiled(const plan_step& step, dtype type) const {
    return step.code &&
           info(step.out[0]).type == (gives_truth(step.code->op) ? dtype::boolean : type);
  }

  // The kernel for these members, if there is one.
  [[nodiscard]] std::optional<compiled_chain> compiled(std::span<const std::uint32_t> members,
                                                       dtype type) const {
    elementwise_form form;
    std::vector<std::pair<std::uint32_t, tile_mode>> operands;
    for (const std::uint32_t s : members) {
      const plan_step& step = p_.steps[s];
      form_node node = *step.code;
      for (std::size_t k = 0; k < step.in.size(); ++k) {
        const auto inner = std::find_if(members.begin(), members.end(), [&](std::uint32_t m) {
          return p_.steps[m].out[0] == root(step.in[k]);
        });
        if (inner != members.end()) {
          node.operands[k] = static_cast<std::uint8_t>(node_reference + (inner - members.begin()));
        } else {
          const auto added = add_operand(form, operands, step.in[k], info(step.out[0]), type);
          if (!added) return std::nullopt;
          node.operands[k] = *added;
        }
      }
      node.stored = read_outside(s, [&](std::uint32_t reader) {
        return std::find(members.begin(), members.end(), reader) != members.end();
      });
      if (node.stored && gives_truth(node.op)) return std::nullopt;
      form.add_node(node);
    }
    canonical_form found = canonical(form);
    fused_kernel kernel = find_fused_kernel(found.form, type);
    if (kernel == nullptr) {  // with any numbers in place of the constants
      bool any = false;
      for (std::size_t k = 0; k < form.operand_count; ++k) {
        if (form.operands[k].what != operand_class::constant) continue;
        form.operands[k] = {operand_class::scalar, 0};
        any = true;
      }
      if (!any) return std::nullopt;
      found = canonical(form);
      kernel = find_fused_kernel(found.form, type);
    }
    if (kernel == nullptr) return std::nullopt;
    compiled_chain result;
    result.count = members.size();
    result.kernel = kernel;
    for (std::size_t k = 0; k < found.form.operand_count; ++k) {
      result.operands.push_back(operands[found.operand_from[k]]);
    }
    for (std::size_t i = 0; i < found.form.node_count; ++i) {
      if (found.form.nodes[i].stored) result.stored.push_back(members[found.node_from[i]]);
    }
    return result;
  }

  // The number of an operand that comes from outside the chain; nothing where forms have none such.
  std::optional<std::uint8_t> add_operand(
      elementwise_form& form, std::vector<std::pair<std::uint32_t, tile_mode>>& operands,
      std::uint32_t value, const tensor_info& out, dtype type) const {
    if (info(value).type != type) return std::nullopt;
    constexpr operand_class classes[] = {operand_class::full, operand_class::scalar,
                                         operand_class::row, operand_class::column};
    const tile_mode mode = spread_of(info(value), out)->mode;
    for (std::uint8_t k = 0; k < operands.size(); ++k) {
      if (root(operands[k].first) == root(value) && operands[k].second == mode) return k;
    }
    if (form.operand_count == max_form_operands) return std::nullopt;
    operand_class what = classes[static_cast<std::size_t>(mode)];
    double number = 0;
    if (p_.at(value).where == home::constant && info(value).size == 1) {
      const Array& array = p_.constants[p_.at(value).index];
      number = type == dtype::float32 ? static_cast<double>(array.span<float>()[0])
                                      : array.span<double>()[0];
      what = operand_class::constant;
    }
    const std::uint8_t added = form.add_operand(what, number);
    if (added == operands.size()) operands.emplace_back(value, mode);
    return added;
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
  const step_rules& rules_;
  std::vector<std::uint32_t> first_reader_, readers_;
  std::vector<group> groups_;
  std::vector<unit> units_;
  std::vector<std::uint32_t> producer_;  // by root value: the step
  std::vector<bool> becomes_variable_;   // by root value
  std::vector<std::uint32_t> marks_;     // by step
  std::uint32_t mark_ = 0;
  std::vector<std::uint32_t> group_of_;
};

}  // namespace

void fuse_elementwise(Plan& p, const std::vector<bool>& kept, const step_rules& rules) {
  fuser(p, kept, rules).run();
}

}  // namespace graft::detail
