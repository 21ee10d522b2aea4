#include "runtime/bodies.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

#include "graft/core/error.hpp"
#include "graft/schema/control_operators.hpp"

#include "graph/body_view.hpp"
#include "graph/building.hpp"
#include "runtime/arena.hpp"
#include "runtime/body_runner.hpp"
#include "runtime/tape.hpp"

namespace graft::detail {
namespace {

using addresses = small_vector<const void*, 32>;
using destinations = small_vector<void*, 32>;

void copy(void* to, const void* from, std::size_t bytes) {
  if (bytes != 0 && to != nullptr && to != from) std::memcpy(to, from, bytes);
}

const Graph& body_of(const bind_args& b, const char* key) {
  return b.graph.body(b.attributes.integer(key, -1));
}

std::span<const tensor_info> part(std::span<const tensor_info> all, std::size_t first,
                                  std::size_t count) {
  return all.subspan(first, count);
}
std::vector<tensor_info> joined(std::initializer_list<std::span<const tensor_info>> lists) {
  std::vector<tensor_info> all;
  for (const auto& list : lists) all.insert(all.end(), list.begin(), list.end());
  return all;
}

tensor_info element_of(const tensor_info& sequence) {
  dims rest;
  for (std::size_t i = 1; i < sequence.shape.size(); ++i) rest.push_back(sequence.shape[i]);
  return {sequence.type, rest, element_count(rest)};
}

// Places in a kernel's scratch memory.
class scratch_layout {
 public:
  std::size_t take(std::size_t bytes) {
    const std::size_t at = end_;
    end_ += arena_layout::rounded(bytes);
    return at;
  }
  [[nodiscard]] std::size_t bytes() const { return end_; }

 private:
  std::size_t end_ = 0;
};

// --- cond
// ----------------------------------------------------------------------------------------------------

struct cond_work {
  std::shared_ptr<const body_runner> branches[2];  // then, else
  std::size_t first[2] = {}, count[2] = {};        // operands
  std::size_t base[2] = {};
  std::vector<std::size_t> spare;  // for outputs that nobody reads
  std::vector<bool> read;

  void run(const kernel_call& call) const {
    const int chosen = *static_cast<const bool*>(call.in[0]) ? 0 : 1;
    destinations out;
    for (std::size_t o = 0; o < read.size(); ++o) {
      out.push_back(read[o] ? call.out[o] : call.scratch + spare[o]);
    }
    const body_runner& branch = *branches[chosen];
    std::byte* memory = call.scratch + base[chosen];
    branch.begin(memory);
    branch.run(memory, call.in + first[chosen], out.data(), call);
  }
};

bound_kernel bind_cond(const bind_args& b, const body_binding& how) {
  const auto thens = static_cast<std::size_t>(b.attributes.integer("then_captures"));
  auto work = std::make_shared<cond_work>(cond_work{
      {how.plan(body_of(b, "then"), part(b.inputs, 1, thens)),
       how.plan(body_of(b, "else"), part(b.inputs, 1 + thens, b.inputs.size() - 1 - thens))},
      {1, 1 + thens},
      {thens, b.inputs.size() - 1 - thens},
      {},
      {},
      how.read});
  scratch_layout scratch;
  for (std::size_t o = 0; o < work->read.size(); ++o) {
    work->spare.push_back(work->read[o] ? 0 : scratch.take(bytes_of(b.outputs[o])));
  }
  const std::size_t base = scratch.bytes();  // one branch runs, so they share memory
  work->base[0] = work->base[1] = base;
  bound_kernel kernel;
  kernel.scratch_bytes =
      base + std::max(work->branches[0]->bytes(), work->branches[1]->bytes()) + 64;
  kernel.run = [work](const kernel_call& call) { work->run(call); };
  return kernel;
}

// --- while_loop
// ----------------------------------------------------------------------------------------------

// The forward loop, used by while_loop and by its gradient.
struct loop_work {
  loop_work(const bind_args& b, const body_binding& how)
      : parts(b.attributes),
        condition(how.plan(body_of(b, "condition"),
                           joined({part(b.inputs, 0, parts.states),
                                   part(b.inputs, parts.states, parts.condition_captures)}))),
        body(how.plan(body_of(b, "body"),
                      joined({part(b.inputs, 0, parts.states),
                              part(b.inputs, parts.states + parts.condition_captures,
                                   parts.body_captures)}))),
        limit(b.attributes.integer("max_iterations", -1)) {
    for (std::size_t i = 0; i < parts.states; ++i) bytes.push_back(bytes_of(b.inputs[i]));
  }

  void lay_out(scratch_layout& scratch) {
    condition_at = scratch.take(condition->bytes());
    body_at = scratch.take(body->bytes());
    answer_at = scratch.take(1);
    for (const std::size_t n : bytes) {
      state_at[0].push_back(scratch.take(n));
      state_at[1].push_back(scratch.take(n));
    }
  }

  /// Calls on_step(state) with the state that each step starts from; leaves the last state in `last`.
  template <class F>
  void run(const kernel_call& call, addresses& last, F&& on_step) const {
    std::byte* s = call.scratch;
    condition->begin(s + condition_at);
    body->begin(s + body_at);
    addresses asked, taken;
    for (std::size_t i = 0; i < parts.states; ++i) {
      asked.push_back(call.in[i]);
      taken.push_back(call.in[i]);
    }
    for (std::size_t i = 0; i < parts.condition_captures; ++i) {
      asked.push_back(call.in[parts.states + i]);
    }
    for (std::size_t i = 0; i < parts.body_captures; ++i) {
      taken.push_back(call.in[parts.states + parts.condition_captures + i]);
    }
    destinations next;
    next.resize(parts.states);
    void* const answer[] = {s + answer_at};
    for (std::int64_t step = 0; limit < 0 || step < limit; ++step) {
      condition->run(s + condition_at, asked.data(), answer, call);
      if (!*reinterpret_cast<const bool*>(s + answer_at)) break;
      on_step(taken.data());
      for (std::size_t i = 0; i < parts.states; ++i) next[i] = s + state_at[step % 2][i];
      body->run(s + body_at, taken.data(), next.data(), call);
      for (std::size_t i = 0; i < parts.states; ++i) asked[i] = taken[i] = next[i];
    }
    last = taken;
  }

  while_parts parts;
  std::shared_ptr<const body_runner> condition, body;
  std::int64_t limit;
  std::vector<std::size_t> bytes;  // of each state
  std::size_t condition_at = 0, body_at = 0, answer_at = 0;
  std::vector<std::size_t> state_at[2];
};

bound_kernel bind_while(const bind_args& b, const body_binding& how) {
  auto work = std::make_shared<loop_work>(b, how);
  scratch_layout scratch;
  work->lay_out(scratch);
  bound_kernel kernel;
  kernel.scratch_bytes = scratch.bytes();
  kernel.run = [work](const kernel_call& call) {
    addresses last;
    work->run(call, last, [](const void* const*) {});
    for (std::size_t i = 0; i < work->parts.states; ++i) {
      copy(call.out[i], last[i], work->bytes[i]);
    }
  };
  return kernel;
}

struct loop_gradient_work {
  loop_gradient_work(const bind_args& b, const body_binding& how)
      : loop(b, how),
        gradient(how.plan(
            body_of(b, "gradient"),
            joined({part(b.inputs, 0, loop.parts.states),
                    part(b.inputs, loop.parts.own(), b.inputs.size() - loop.parts.own())}))),
        carried(loop.parts.gradients + loop.parts.sums),
        inputs(b.inputs.size()) {
    for (std::size_t i = 0; i < carried; ++i) bytes.push_back(bytes_of(b.outputs[i]));
    for (const std::size_t n : loop.bytes) frame_bytes += arena_layout::rounded(n);
  }

  void run(const kernel_call& call) const {
    const leased_tape tape(tapes, frame_bytes);
    addresses last;
    loop.run(call, last, [&](const void* const* state) {
      std::byte* frame = (*tape).push();
      for (const std::size_t n : loop.bytes) {
        copy(frame, *state++, n);
        frame += arena_layout::rounded(n);
      }
    });
    std::byte* s = call.scratch;
    gradient->begin(s + gradient_at);
    addresses in;
    in.resize(loop.parts.states);
    for (std::size_t i = loop.parts.own(); i < inputs; ++i) in.push_back(call.in[i]);
    destinations next;
    next.resize(carried);
    for (std::size_t step = 0; !(*tape).empty(); ++step) {
      const std::byte* frame = (*tape).pop();
      for (std::size_t i = 0; i < loop.parts.states; ++i) {
        in[i] = frame;
        frame += arena_layout::rounded(loop.bytes[i]);
      }
      for (std::size_t i = 0; i < carried; ++i) next[i] = s + carried_at[step % 2][i];
      gradient->run(s + gradient_at, in.data(), next.data(), call);
      for (std::size_t i = 0; i < carried; ++i) in[loop.parts.states + i] = next[i];
    }
    for (std::size_t i = 0; i < carried; ++i) {
      copy(call.out[i], in[loop.parts.states + i], bytes[i]);
    }
  }

  loop_work loop;
  std::shared_ptr<const body_runner> gradient;
  std::size_t carried, inputs;
  std::vector<std::size_t> bytes;
  std::size_t frame_bytes = 0, gradient_at = 0;
  std::vector<std::size_t> carried_at[2];
  mutable tape_pool tapes;
};

bound_kernel bind_while_gradient(const bind_args& b, const body_binding& how) {
  auto work = std::make_shared<loop_gradient_work>(b, how);
  scratch_layout scratch;
  work->loop.lay_out(scratch);
  work->gradient_at = scratch.take(work->gradient->bytes());
  for (const std::size_t n : work->bytes) {
    work->carried_at[0].push_back(scratch.take(n));
    work->carried_at[1].push_back(scratch.take(n));
  }
  bound_kernel kernel;
  kernel.scratch_bytes = scratch.bytes();
  kernel.run = [work](const kernel_call& call) { work->run(call); };
  return kernel;
}

// --- scan
// ----------------------------------------------------------------------------------------------------

std::vector<tensor_info> scan_inputs(const bind_args& b, const scan_parts& p) {
  std::vector<tensor_info> all = joined({part(b.inputs, 0, p.states)});
  for (std::size_t i = 0; i < p.sequences; ++i) {
    all.push_back(element_of(b.inputs[p.states + i]));
  }
  const std::size_t first = p.states + p.sequences;
  const auto captures = part(b.inputs, first, b.inputs.size() - first);
  all.insert(all.end(), captures.begin(), captures.end());
  return all;
}

struct scan_work {
  scan_work(const bind_args& b, const body_binding& how)
      : parts(b.attributes),
        body(how.plan(body_of(b, "body"), scan_inputs(b, parts))),
        inputs(b.inputs.size()),
        steps(b.inputs[parts.states].shape[0]),
        read(how.read) {
    for (std::size_t i = 0; i < parts.states; ++i) state_bytes.push_back(bytes_of(b.inputs[i]));
    for (std::size_t i = 0; i < parts.sequences; ++i) {
      element_bytes.push_back(bytes_of(element_of(b.inputs[parts.states + i])));
    }
    for (std::size_t i = 0; i < parts.stacked; ++i) {
      stacked_bytes.push_back(bytes_of(element_of(b.outputs[parts.states + i])));
    }
  }

  void lay_out(scratch_layout& scratch) {
    body_at = scratch.take(body->bytes());
    for (std::size_t i = 0; i < parts.states; ++i) {
      for (auto& at : state_at) at.push_back(is_traced(i) ? 0 : scratch.take(state_bytes[i]));
      last_at.push_back(read[i] ? 0 : scratch.take(state_bytes[i]));
    }
    for (std::size_t i = 0; i < parts.stacked; ++i) {
      spare_at.push_back(read[parts.states + i] ? 0 : scratch.take(stacked_bytes[i]));
    }
  }

  // Whether the state has a trace that somebody reads: each step then finds it there.
  [[nodiscard]] bool is_traced(std::size_t state) const {
    return state < parts.traces && read[parts.states + parts.stacked + state];
  }

  void run(const kernel_call& call) const {
    std::byte* s = call.scratch;
    body->begin(s + body_at);
    addresses in;
    in.resize(parts.states + parts.sequences);
    for (std::size_t i = parts.states + parts.sequences; i < inputs; ++i) in.push_back(call.in[i]);
    destinations out;
    out.resize(parts.states + parts.stacked);
    for (std::size_t i = 0; i < parts.states; ++i) {
      in[i] = call.in[i];
      if (steps > 0 && is_traced(i)) {
        void* first = trace(call, i, place(0));
        copy(first, in[i], state_bytes[i]);
        in[i] = first;
      }
    }
    for (std::int64_t step = 0; step < steps; ++step) {
      const std::int64_t t = place(step);
      for (std::size_t i = 0; i < parts.sequences; ++i) {
        in[parts.states + i] = at(call.in[parts.states + i], t, element_bytes[i]);
      }
      for (std::size_t i = 0; i < parts.states; ++i) out[i] = state_after(call, i, step);
      for (std::size_t i = 0; i < parts.stacked; ++i) {
        const std::size_t o = parts.states + i;
        out[o] = read[o] ? const_cast<std::byte*>(at(call.out[o], t, stacked_bytes[i]))
                         : s + spare_at[i];
      }
      body->run(s + body_at, in.data(), out.data(), call);
      for (std::size_t i = 0; i < parts.states; ++i) in[i] = out[i];
    }
    if (steps > 0) return;
    for (std::size_t i = 0; i < parts.states; ++i) {
      if (read[i]) copy(call.out[i], call.in[i], state_bytes[i]);
    }
  }

  // The place in the sequences that a step is at.
  [[nodiscard]] std::int64_t place(std::int64_t step) const {
    return parts.reverse ? steps - 1 - step : step;
  }
  static const std::byte* at(const void* sequence, std::int64_t t, std::size_t bytes) {
    return static_cast<const std::byte*>(sequence) + static_cast<std::size_t>(t) * bytes;
  }
  [[nodiscard]] void* trace(const kernel_call& call, std::size_t state, std::int64_t t) const {
    return const_cast<std::byte*>(
        at(call.out[parts.states + parts.stacked + state], t, state_bytes[state]));
  }
  // Where a step writes a state: what it reads is elsewhere.
  [[nodiscard]] void* state_after(const kernel_call& call, std::size_t i, std::int64_t step) const {
    if (step + 1 == steps) return read[i] ? call.out[i] : call.scratch + last_at[i];
    if (is_traced(i)) return trace(call, i, place(step + 1));
    return call.scratch + state_at[step % 2][i];
  }

  scan_parts parts;
  std::shared_ptr<const body_runner> body;
  std::size_t inputs;
  std::int64_t steps;
  std::vector<bool> read;
  std::vector<std::size_t> state_bytes, element_bytes, stacked_bytes;
  std::size_t body_at = 0;
  std::vector<std::size_t> state_at[2], last_at, spare_at;
};

bound_kernel bind_scan(const bind_args& b, const body_binding& how) {
  auto work = std::make_shared<scan_work>(b, how);
  scratch_layout scratch;
  work->lay_out(scratch);
  bound_kernel kernel;
  kernel.scratch_bytes = scratch.bytes();
  kernel.run = [work](const kernel_call& call) { work->run(call); };
  return kernel;
}

}  // namespace

bound_kernel bind_bodies(const operator_schema& schema, const bind_args& b,
                         const body_binding& how) {
  if (is_operator(schema, ops::cond)) return bind_cond(b, how);
  if (is_operator(schema, ops::while_loop)) return bind_while(b, how);
  if (is_operator(schema, ops::scan)) return bind_scan(b, how);
  if (is_operator(schema, ops::while_loop_gradient)) {
    return bind_while_gradient(b, how);
  }
  throw unsupported_error({"'" + std::string(b.where) + "' was to be run",
                           "nothing knows how " + std::string(schema.name) + " runs its bodies",
                           std::string(b.where), "use cond, while_loop or scan"});
}

}  // namespace graft::detail
