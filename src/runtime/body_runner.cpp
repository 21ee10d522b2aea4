#include "runtime/body_runner.hpp"

#include <cstring>

#include "graph/body_view.hpp"
#include "runtime/arena.hpp"
#include "runtime/call_graph.hpp"
#include "runtime/run.hpp"

namespace graft::detail {
namespace {

plan_request request_of(const Graph& body, std::span<const tensor_info> inputs,
                        bool check_numerics) {
  const body_view view(body);
  plan_request request;
  request.fetches = view.results;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    request.feeds.push_back({view.inputs[i], inputs[i].type, inputs[i].shape});
  }
  request.check_numerics = check_numerics;
  request.unused_feeds = true;
  return request;
}

}  // namespace

std::shared_ptr<const body_runner> body_plans::plan(const Graph& body,
                                                    std::span<const tensor_info> inputs,
                                                    bool check_numerics) {
  plan_key key{reinterpret_cast<std::uintptr_t>(&body), std::uint64_t{check_numerics}};
  for (const tensor_info& info : inputs) {
    key.push_back(std::uint64_t{info.shape.size()} << 8 | static_cast<std::uint64_t>(info.type));
    for (const extent e : info.shape) key.push_back(static_cast<std::uint64_t>(e));
  }
  if (const auto known = made_.find(key); known != made_.end()) return known->second;
  auto made = std::make_shared<const body_runner>(body, inputs, check_numerics, *this);
  return made_.emplace(std::move(key), std::move(made)).first->second;
}

body_runner::body_runner(const Graph& body, std::span<const tensor_info> inputs,
                         bool check_numerics, body_plans& inner)
    : body_(&body) {
  const plan_request request = request_of(body, inputs, check_numerics);
  call_graph call = make_call_graph(body, request);
  plan_ = make_plan(body, request, call, inner);
  own_ = make_instance(body, plan_, std::move(call));
  std::vector<std::uint32_t> writer(plan_.fetch_memory.size(), no_id);
  for (std::uint32_t i = 0; i < plan_.fetches.size(); ++i) {
    const plan_fetch& f = plan_.fetches[i];
    result r{no_id, f.same_as, plan_.at(f.value), bytes_of(plan_.values[f.value].info)};
    if (r.same_as == no_id && r.at.where == home::fetch) {
      // Two results may be views of one memory: the first has it.
      std::uint32_t& first = writer[r.at.index];
      if (first == no_id) {
        first = i;
        r.fetch_memory = static_cast<std::uint32_t>(r.at.index);
      } else {
        r.same_as = first;
      }
    }
    results_.push_back(r);
  }
}

std::size_t body_runner::bytes() const {
  return arena_layout::rounded(plan_.arena_bytes) +
         arena_layout::rounded(plan_.pointers.size() * sizeof(void*));
}

void body_runner::begin(std::byte* memory) const {
  void** pointers = reinterpret_cast<void**>(memory + arena_layout::rounded(plan_.arena_bytes));
  for (std::size_t i = 0; i < plan_.pointers.size(); ++i) {
    const location& at = plan_.pointers[i];
    pointers[i] = at.where == home::arena      ? memory + at.index
                  : at.where == home::constant ? const_cast<void*>(plan_.constants[at.index].data())
                  : at.where == home::stored   ? const_cast<void*>(own_.stored[at.index].data())
                                               : nullptr;
  }
}

void body_runner::run(std::byte* memory, const void* const* in, void* const* out,
                      const kernel_call& call) const {
  void** pointers = reinterpret_cast<void**>(memory + arena_layout::rounded(plan_.arena_bytes));
  for (const plan_patch& patch : plan_.feed_pointers) {
    pointers[patch.pointer] = const_cast<void*>(in[own_.feeds[patch.index]]);
  }
  small_vector<void*, 32> fetch_memory;
  fetch_memory.resize(plan_.fetch_memory.size());
  for (std::size_t i = 0; i < results_.size(); ++i) {
    if (results_[i].fetch_memory != no_id) fetch_memory[results_[i].fetch_memory] = out[i];
  }
  for (const plan_patch& patch : plan_.fetch_pointers) {
    pointers[patch.pointer] = fetch_memory[patch.index];
  }
  run_steps(plan_, own_, *body_, pointers, memory, call);
  for (std::size_t i = 0; i < results_.size(); ++i) {
    const result& r = results_[i];
    if (r.fetch_memory != no_id || r.bytes == 0) continue;
    const void* from = r.same_as != no_id             ? out[r.same_as]
                       : r.at.where == home::feed     ? in[own_.feeds[r.at.index]]
                       : r.at.where == home::constant ? plan_.constants[r.at.index].data()
                       : r.at.where == home::stored   ? own_.stored[r.at.index].data()
                                                      : memory + r.at.index;
    std::memcpy(out[i], from, r.bytes);
  }
}

}  // namespace graft::detail
