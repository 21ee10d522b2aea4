// Where values are: lifetimes, results written over operands, places in the arena.
#include <algorithm>

#include "runtime/arena.hpp"
#include "runtime/planner.hpp"

namespace graft::detail {
namespace {

// Up to so many buffers are also placed largest first, which packs better and takes quadratic time.
constexpr std::size_t packed_buffers = 1500;

class memory_layout {
 public:
  explicit memory_layout(Plan& p) : p_(p), buffer_of_(p.values.size(), no_id) {}

  void run() {
    find_last_uses();
    make_fetch_memory();
    make_buffers();
    place_buffers();
    collect_pointers();
  }

 private:
  // A piece of memory that one value after another lives in.
  struct buffer {
    std::size_t first = 0, last = 0;  // steps
    std::size_t bytes = 0, offset = 0;
    std::uint32_t fetch = no_id;
  };

  [[nodiscard]] std::uint32_t root(std::uint32_t value) const { return p_.values[value].root; }

  void find_last_uses() {
    last_use_.assign(p_.values.size(), 0);
    for (std::size_t s = 0; s < p_.steps.size(); ++s) {
      for (const std::uint32_t in : p_.steps[s].in) {
        if (in != no_id) last_use_[root(in)] = s;
      }
    }
    for (const plan_commit& c : p_.commits) {
      if (c.from != no_id) last_use_[root(c.from)] = p_.steps.size();
    }
  }

  // Results that steps compute are written to memory of the caller.
  void make_fetch_memory() {
    fetch_of_.assign(p_.values.size(), no_id);
    for (const plan_fetch& f : p_.fetches) {
      const std::uint32_t r = root(f.value);
      if (p_.values[r].at.where != home::none || fetch_of_[r] != no_id) continue;
      fetch_of_[r] = static_cast<std::uint32_t>(p_.fetch_memory.size());
      p_.fetch_memory.push_back(p_.values[r].info);
    }
  }

  void make_buffers() {
    scratch_.assign(p_.steps.size(), no_id);
    for (std::size_t s = 0; s < p_.steps.size(); ++s) {
      plan_step& step = p_.steps[s];
      small_vector<std::uint32_t, 4> taken;
      for (std::size_t o = 0; o < step.out.size(); ++o) {
        const std::uint32_t out = step.out[o];
        if (p_.values[out].at.where != home::none) continue;  // writes a variable
        if (p_.values[out].unread) continue;
        std::uint32_t b = dying_operand(s, o, taken);
        if (b == no_id) {
          b = new_buffer(s, bytes_of(p_.values[out].info));
        } else {
          taken.push_back(b);
        }
        buffers_[b].last = std::max(s, last_use_[out]);
        if (fetch_of_[out] != no_id) buffers_[b].fetch = fetch_of_[out];
        buffer_of_[out] = b;
      }
      if (step.kernel.scratch_bytes > 0) scratch_[s] = new_buffer(s, step.kernel.scratch_bytes);
    }
  }

  std::uint32_t new_buffer(std::size_t step, std::size_t bytes) {
    buffers_.push_back({step, step, arena_layout::rounded(bytes), 0, no_id});
    return static_cast<std::uint32_t>(buffers_.size() - 1);
  }

  // The buffer of an operand that nobody reads after this step and that this output may be written
  // over.
  [[nodiscard]] std::uint32_t dying_operand(std::size_t s, std::size_t output,
                                            const small_vector<std::uint32_t, 4>& taken) const {
    const plan_step& step = p_.steps[s];
    for (const auto& [o, k] : step.kernel.in_place) {
      if (o != output || k >= step.in.size() || step.in[k] == no_id) continue;
      const std::uint32_t in = root(step.in[k]), b = buffer_of_[in];
      if (b == no_id || last_use_[in] != s || fetch_of_[in] != no_id ||
          std::find(taken.begin(), taken.end(), b) != taken.end() ||
          bytes_of(p_.values[in].info) != bytes_of(p_.values[step.out[output]].info)) {
        continue;
      }
      if (only_in_place(step, output, in)) return b;
    }
    return no_id;
  }
  // Every operand that is this memory may be written over.
  [[nodiscard]] bool only_in_place(const plan_step& step, std::size_t output,
                                   std::uint32_t in) const {
    for (std::size_t k = 0; k < step.in.size(); ++k) {
      if (step.in[k] == no_id || root(step.in[k]) != in) continue;
      const bool listed =
          std::any_of(step.kernel.in_place.begin(), step.kernel.in_place.end(),
                      [&](const auto& pair) { return pair.first == output && pair.second == k; });
      if (!listed) return false;
    }
    return true;
  }

  // --- places
  // -------------------------------------------------------------------------------------------

  void place_buffers() {
    std::vector<std::uint32_t> all;  // in the arena, in the order of their first steps
    for (std::uint32_t b = 0; b < buffers_.size(); ++b) {
      if (buffers_[b].fetch == no_id) all.push_back(b);
    }
    p_.arena_bytes = place_as_they_come(all);
    if (all.size() > packed_buffers) return;
    std::vector<std::size_t> before;
    for (const std::uint32_t b : all) before.push_back(buffers_[b].offset);
    const std::size_t packed = place_largest_first(all);
    if (packed < p_.arena_bytes) {
      p_.arena_bytes = packed;
    } else {
      for (std::size_t i = 0; i < all.size(); ++i) buffers_[all[i]].offset = before[i];
    }
  }

  std::size_t place_as_they_come(const std::vector<std::uint32_t>& all) {
    arena_layout arena;
    std::vector<std::vector<std::uint32_t>> ends(p_.steps.size() + 1);
    std::size_t i = 0;
    for (std::size_t s = 0; s < p_.steps.size(); ++s) {
      for (; i < all.size() && buffers_[all[i]].first == s; ++i) {
        buffer& b = buffers_[all[i]];
        b.offset = arena.take(b.bytes);
        ends[b.last].push_back(all[i]);
      }
      for (const std::uint32_t e : ends[s]) arena.give(buffers_[e].offset, buffers_[e].bytes);
    }
    return arena.end();
  }

  std::size_t place_largest_first(std::vector<std::uint32_t> all) {
    std::sort(all.begin(), all.end(), [&](std::uint32_t a, std::uint32_t b) {
      return buffers_[a].bytes != buffers_[b].bytes ? buffers_[a].bytes > buffers_[b].bytes : a < b;
    });
    std::vector<std::uint32_t> placed;  // by offset
    std::size_t end = 0;
    for (const std::uint32_t at : all) {
      buffer& b = buffers_[at];
      std::size_t best = 0, best_gap = 0, free_from = 0;
      bool found = false;
      for (const std::uint32_t other : placed) {
        const buffer& o = buffers_[other];
        if (o.last < b.first || b.last < o.first) continue;
        if (o.offset > free_from) {
          const std::size_t gap = o.offset - free_from;
          if (gap >= b.bytes && (!found || gap < best_gap)) {
            best = free_from;
            best_gap = gap;
            found = true;
          }
        }
        free_from = std::max(free_from, o.offset + o.bytes);
      }
      b.offset = found ? best : free_from;
      end = std::max(end, b.offset + b.bytes);
      const auto place = std::upper_bound(
          placed.begin(), placed.end(), b.offset,
          [&](std::size_t offset, std::uint32_t other) { return offset < buffers_[other].offset; });
      placed.insert(place, at);
    }
    return end;
  }

  // --- pointers
  // --------------------------------------------------------------------------------------------

  void collect_pointers() {
    for (std::uint32_t v = 0; v < p_.values.size(); ++v) {
      const std::uint32_t b = buffer_of_[v];
      if (b == no_id) continue;
      p_.values[v].at = buffers_[b].fetch != no_id ? location{home::fetch, buffers_[b].fetch}
                                                   : location{home::arena, buffers_[b].offset};
    }
    for (std::size_t s = 0; s < p_.steps.size(); ++s) {
      plan_step& step = p_.steps[s];
      step.first_pointer = p_.pointers.size();
      if (scratch_[s] != no_id) step.scratch = {home::arena, buffers_[scratch_[s]].offset};
      for (const std::uint32_t in : step.in) add_pointer(in == no_id ? location{} : p_.at(in));
      for (const std::uint32_t out : step.out) add_pointer(p_.at(out));
    }
  }
  void add_pointer(const location& at) {
    const plan_patch patch{static_cast<std::uint32_t>(p_.pointers.size()),
                           static_cast<std::uint32_t>(at.index)};
    p_.pointers.push_back(at);
    if (at.where == home::feed) p_.feed_pointers.push_back(patch);
    if (at.where == home::stored) p_.stored_pointers.push_back(patch);
    if (at.where == home::variable) p_.variable_pointers.push_back(patch);
    if (at.where == home::fetch) p_.fetch_pointers.push_back(patch);
  }

  Plan& p_;
  std::vector<std::uint32_t> buffer_of_;  // by root value
  std::vector<std::size_t> last_use_;     // by root value
  std::vector<std::uint32_t> fetch_of_;   // by root value
  std::vector<buffer> buffers_;
  std::vector<std::uint32_t> scratch_;  // by step
};

}  // namespace

void lay_out_memory(Plan& p) { memory_layout(p).run(); }

}  // namespace graft::detail
