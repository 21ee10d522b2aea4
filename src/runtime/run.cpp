#include "runtime/run.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <new>
#include <shared_mutex>

#include "graft/core/error.hpp"
#include "graft/core/large_pages.hpp"

#include "graph/building.hpp"
#include "graph/store_lock.hpp"

namespace graft::detail {
namespace {

constexpr std::size_t cache_line = 64;

// Looks the variables up and puts their addresses into the pointers of the steps.
void find_variables(const Plan& p, const plan_instance& own, run_context& c, const Graph& g) {
  for (std::size_t i = 0; i < p.variables.size(); ++i) {
    const variable_id v = own.variables[i].front();
    variable_cell* cell = g.store().cell(v).get();
    if (p.variables[i].read && !cell->initialized) refuse_uninitialized(g, v);
    c.cells[i] = cell;
  }
  for (const plan_patch& patch : p.variable_pointers) {
    const Array& value = c.cells[patch.index]->value;
    c.pointers[patch.pointer] = const_cast<void*>(value.data());
  }
}

template <class T>
std::ptrdiff_t first_bad(const void* data, std::int64_t n) {
  const T* values = static_cast<const T*>(data);
  for (std::int64_t i = 0; i < n; ++i) {
    if (!std::isfinite(values[i])) return i;
  }
  return -1;
}
// Place of the first element that is not finite, or -1.
std::ptrdiff_t first_bad(const tensor_info& info, const void* data) {
  if (info.type == dtype::float32) return first_bad<float>(data, info.size);
  if (info.type == dtype::float64) return first_bad<double>(data, info.size);
  return -1;
}

double element(const tensor_info& info, const void* data, std::ptrdiff_t i) {
  return info.type == dtype::float32 ? static_cast<double>(static_cast<const float*>(data)[i])
                                     : static_cast<const double*>(data)[i];
}

void check_finite(const Plan& p, const Graph& g, const plan_step& s, op_id op,
                  void* const* pointers) {
  void* const* out = pointers + s.in.size();
  for (std::size_t o = 0; o < s.out.size(); ++o) {
    if (out[o] == nullptr) continue;
    const tensor_info& info = p.values[s.out[o]].info;
    const std::ptrdiff_t bad = first_bad(info, out[o]);
    if (bad < 0) continue;
    std::string found = "element " + std::to_string(bad) + " of " +
                        to_string(value_type::of(info.type, info.shape)) + " is " +
                        std::to_string(element(info, out[o], bad));
    for (std::size_t k = 0; k < s.in.size(); ++k) {
      // An operand that a result was written over came from a step that was tested.
      if (std::find(out, out + s.out.size(), pointers[k]) != out + s.out.size()) continue;
      if (s.in[k] == no_id || first_bad(p.values[s.in[k]].info, pointers[k]) < 0) continue;
      found += "; its operand '" + g.path_of(g.operand(op, static_cast<std::uint32_t>(k))) +
               "' was not finite already";
      break;
    }
    throw numeric_error({"'" + g.path_of(op) + "' was computed", found, declared(g, op),
                         "look at its operands; no variable was changed"});
  }
}

void run_steps(const Plan& p, const plan_instance& own, const Graph& g, void** all,
               std::byte* arena, parallel_runner& parallel, std::uint64_t seed, std::size_t first,
               std::size_t last) {
  auto kernel = std::lower_bound(own.kernels.begin(), own.kernels.end(), first,
                                 [](const own_kernel& k, std::size_t i) { return k.step < i; });
  for (std::size_t i = first; i < last; ++i) {
    const plan_step& s = p.steps[i];
    const bound_kernel& run = s.own ? (kernel++)->kernel : s.kernel;
    void** pointers = all + s.first_pointer;
    try {
      run.run({pointers, pointers + s.in.size(), arena + s.scratch.index, parallel, seed});
    } catch (const numeric_error& cause) {
      if (s.op == no_id) throw;
      rethrow_declared(cause, g, own.ops[s.op]);
    }
    if (p.check_numerics && s.op != no_id) check_finite(p, g, s, own.ops[s.op], pointers);
  }
}
void run_steps(const Plan& p, const plan_instance& own, run_context& c, const Graph& g,
               const run_arguments& a, std::size_t first, std::size_t last) {
  run_steps(p, own, g, c.pointers.data(), c.arena, a.parallel, a.seed, first, last);
}

const void* address_of(const Plan& p, const plan_instance& own, const run_context& c,
                       const run_arguments& a, std::uint32_t value) {
  const location& at = p.at(value);
  switch (at.where) {
    case home::arena:
      return c.arena + at.index;
    case home::constant:
      return p.constants[at.index].data();
    case home::stored:
      return own.stored[at.index].data();
    case home::feed:
      return a.feeds[own.feeds[at.index]];
    case home::fetch:
      return a.fetches[at.index];
    case home::variable:
      return static_cast<const Array&>(c.cells[at.index]->value).data();
    case home::none:
      break;
  }
  return nullptr;
}

// Gives the variables that are to be written storage of their own: all that may fail comes before
// the first write.
void own_storage(const Plan& p, const plan_instance& own, run_context& c, const Graph& g) {
  for (const plan_commit& commit : p.commits) {
    variable_cell& cell = *c.cells[commit.variable];
    if (cell.initialized) {
      (void)cell.value.mutable_data();
    } else {
      const value_type& type = g.variable_of(own.variables[commit.variable].front()).type;
      cell.value = Array::uninitialized(type.type, type.shape);
    }
  }
}

void commit(const Plan& p, const plan_instance& own, run_context& c, Graph& g,
            const run_arguments& a) {
  const std::unique_lock lock(detail::values_mutex(g.store()));
  find_variables(p, own, c, g);
  own_storage(p, own, c, g);
  find_variables(p, own, c, g);  // those that shared their storage have moved
  run_steps(p, own, c, g, a, p.first_update, p.steps.size());
  for (const plan_commit& commit : p.commits) {
    variable_cell& cell = *c.cells[commit.variable];
    if (commit.from != no_id && cell.value.bytes() > 0) {
      std::memcpy(cell.value.mutable_data(), address_of(p, own, c, a, commit.from),
                  cell.value.bytes());
    }
    if (cell.initialized) continue;
    cell.initialized = true;
    g.store().touch();
  }
}

}  // namespace

run_context::run_context(const Plan& p) : cells(p.variables.size()) {
  const auto [bytes, begins] = shape_of_block(std::max(p.arena_bytes, cache_line), cache_line);
  alignment_ = std::align_val_t{begins};
  pointers.reserve(p.pointers.size());
  arena = static_cast<std::byte*>(::operator new(bytes, alignment_, std::nothrow));
  if (arena == nullptr) {
    throw size_error(
        {"a plan was to be run",
         "there is no memory for its " + std::to_string(p.arena_bytes) + " bytes of results", "",
         "use smaller batches"});
  }
  if (begins != cache_line) ask_for_large_pages(arena, bytes);
  for (const location& at : p.pointers) {
    void* address = nullptr;
    if (at.where == home::arena) address = arena + at.index;
    if (at.where == home::constant) address = const_cast<void*>(p.constants[at.index].data());
    pointers.push_back(address);
  }
}

run_context::~run_context() { ::operator delete(arena, alignment_); }

void run_plan(const Plan& p, const plan_instance& own, run_context& c, Graph& g,
              const run_arguments& a, function_ref<void()> at_start) {
  for (const plan_patch& patch : p.feed_pointers) {
    c.pointers[patch.pointer] = const_cast<void*>(a.feeds[own.feeds[patch.index]]);
  }
  for (const plan_patch& patch : p.stored_pointers) {
    c.pointers[patch.pointer] = const_cast<void*>(own.stored[patch.index].data());
  }
  for (const plan_patch& patch : p.fetch_pointers) {
    c.pointers[patch.pointer] = a.fetches[patch.index];
  }
  // Runs that update follow one another, so what one has read is still so when it writes.
  std::unique_lock<std::mutex> updating;
  if (!p.commits.empty()) updating = std::unique_lock(detail::updates_mutex(g.store()));
  {
    const std::shared_lock lock(detail::values_mutex(g.store()));
    find_variables(p, own, c, g);
    at_start();
    run_steps(p, own, c, g, a, 0, p.first_update);
  }
  if (!p.commits.empty()) commit(p, own, c, g, a);
}

void run_steps(const Plan& p, const plan_instance& own, const Graph& g, void** pointers,
               std::byte* arena, const kernel_call& call) {
  run_steps(p, own, g, pointers, arena, call.parallel, call.seed, 0, p.steps.size());
}

std::string declared(const Graph& g, op_id op) {
  const std::string line = where(g.line_of(op));
  return g.path_of(op) + (line.empty() ? "" : ", declared at " + line);
}

void refuse_uninitialized(const Graph& g, variable_id v) {
  const variable_info& info = g.variable_of(v);
  std::string found = "it has no value yet";
  std::string hint = "run session.initialize() once after the last variable was made";
  if (info.origin.valid()) {
    const char* link = "; it is a copy of '";
    for (variable_id of = info.origin; g.contains(of); of = g.variable_of(of).origin) {
      found += link + g.path_of(of) + "'";
      link = ", which is a copy of '";
    }
    hint =
        "run session.initialize(), which gives all variables without a value their first one, "
        "session.run(copy.initializer()), which does so for a fresh clone's, or copy_values(copy), "
        "which "
        "takes the values of the sources";
  }
  throw uninitialized_error(
      {"variable '" + g.path_of(v) + "' was read", found, declared(g, info.read.op), hint});
}

}  // namespace graft::detail
