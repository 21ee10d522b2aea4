#include "graft/runtime/session.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <list>
#include <map>
#include <mutex>
#include <new>
#include <unordered_set>

#include "runtime/parallel.hpp"
#include "runtime/plan.hpp"

namespace graft {
namespace detail {
namespace {

constexpr std::align_val_t alignment{64};
constexpr std::size_t max_plans = 256;

// The memory one run of a plan needs.
class context {
 public:
  explicit context(const plan& p)
      : arena_(static_cast<std::byte*>(::operator new(std::max<std::size_t>(p.arena_bytes, 64), alignment))),
        pointers_(p.pointer_count) {}
  ~context() { ::operator delete(arena_, alignment); }
  context(const context&) = delete;
  context& operator=(const context&) = delete;
  [[nodiscard]] std::byte* arena() { return arena_; }
  [[nodiscard]] std::vector<void*>& pointers() { return pointers_; }

 private:
  std::byte* arena_;
  std::vector<void*> pointers_;
};

template <class T>
bool all_finite(const void* data, std::int64_t n) {
  const T* values = static_cast<const T*>(data);
  for (std::int64_t i = 0; i < n; ++i) {
    if (!std::isfinite(values[i])) return false;
  }
  return true;
}

std::string key_of(const call_signature& call, std::uint64_t version) {
  std::string key;
  const auto add = [&](std::uint64_t word) { key.append(reinterpret_cast<const char*>(&word), sizeof word); };
  add(version);
  add(call.fetches.size());
  for (const tensor_id t : call.fetches) add((std::uint64_t{t.op.value} << 32) | t.output);
  add(call.updates.size());
  for (const op_id op : call.updates) add(op.value);
  for (std::size_t i = 0; i < call.feeds.size(); ++i) {
    add((std::uint64_t{call.feeds[i].op.value} << 32) | call.feeds[i].output);
    add(static_cast<std::uint64_t>(call.feed_types[i].type));
    add(call.feed_types[i].shape.size());
    for (const extent e : call.feed_types[i].shape) add(static_cast<std::uint64_t>(e));
  }
  return key;
}

}  // namespace

// A plan and the contexts that wait for the next run.
class cached_plan {
 public:
  explicit cached_plan(plan p) : plan_(std::move(p)) {}
  [[nodiscard]] const plan& get() const { return plan_; }
  std::unique_ptr<context> take() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        auto c = std::move(idle_.back());
        idle_.pop_back();
        return c;
      }
    }
    return std::make_unique<context>(plan_);
  }
  void give(std::unique_ptr<context> c) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(c));
  }

 private:
  plan plan_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<context>> idle_;
};

class session_state {
 public:
  session_state(Graph& g, const session_options& options)
      : slot_(g.slot()),
        generation_(g.slot()->generation),
        options_(options),
        parallel_(make_parallel_runner(options.threads)) {}

  [[nodiscard]] Graph& graph() const {
    return target_traits<Graph>::target_of(graph_reference{slot_, generation_, {}});
  }

  // Checks feeds against the graph and puts the call into numbers.
  call_signature sign(const fetch_list& list, const std::vector<feed_item>& feeds) const {
    const Graph& g = graph();
    call_signature call;
    for (const any_tensor& t : list.tensors) call.fetches.push_back(g.id(t));
    for (const op_id op : list.updates) {
      g.index_of(op);
      if (std::find(call.updates.begin(), call.updates.end(), op) == call.updates.end()) call.updates.push_back(op);
    }
    std::map<extent, std::pair<extent, tensor_id>> names;
    for (const feed_item& f : feeds) {
      const tensor_id t = g.id(f.target);
      if (std::find(call.feeds.begin(), call.feeds.end(), t) != call.feeds.end()) {
        throw feed_error({"'" + g.path_of(t) + "' was fed twice in one run", "only one value can be used",
                          g.path_of(t), "leave one feed out"});
      }
      check_feed(g, t, f.value, names);
      call.feeds.push_back(t);
      call.feed_types.push_back(value_type::of(f.value.type(), f.value.shape()));
    }
    return call;
  }

  std::shared_ptr<cached_plan> plan_for(const call_signature& call) {
    const std::string key = key_of(call, graph().version());
    const std::lock_guard lock(mutex_);
    const auto known = by_key_.find(key);
    if (known != by_key_.end()) {
      recent_.splice(recent_.begin(), recent_, known->second);
      return known->second->second;
    }
    auto made = std::make_shared<cached_plan>(make_plan(graph(), call));
    recent_.emplace_front(key, made);
    by_key_.emplace(key, recent_.begin());
    if (recent_.size() > max_plans) {
      by_key_.erase(recent_.back().first);
      recent_.pop_back();
    }
    return made;
  }

  // Runs a plan and calls done(addresses by slot) while the results are there. `feeds` are addresses in the call's order.
  template <class Done>
  void run(cached_plan& cached, const void* const* feeds, Done&& done) {
    const plan& p = cached.get();
    Graph& g = graph();
    std::unique_ptr<context> c = cached.take();
    struct give_back {
      cached_plan& to;
      std::unique_ptr<context>& what;
      ~give_back() {
        if (what) to.give(std::move(what));
      }
    } guard{cached, c};
    // A run that updates has the store to itself, so what it read is still so when it commits.
    std::shared_lock<std::shared_mutex> shared(g.store().mutex(), std::defer_lock);
    std::unique_lock<std::shared_mutex> alone(g.store().mutex(), std::defer_lock);
    if (p.commits.empty()) {
      shared.lock();
    } else {
      alone.lock();
    }
    check_initialized(g, p);
    if (!p.commits.empty()) make_writable(g, p);
    const auto address = [&](std::uint32_t s) { return address_of(g, p, *c, feeds, s); };
    for (std::size_t i = 0; i < p.steps.size(); ++i) {
      const step& s = p.steps[i];
      void** pointers = c->pointers().data() + s.first_pointer;
      for (std::size_t k = 0; k < s.in.size(); ++k) pointers[k] = s.in[k] == no_id ? nullptr : address(s.in[k]);
      void** out = pointers + s.in.size();
      for (std::size_t o = 0; o < s.out.size(); ++o) out[o] = s.out[o] == no_id ? nullptr : address(s.out[o]);
      s.kernel.run({pointers, out, c->arena() + p.scratch_offset, *parallel_, options_.seed});
      // Steps that write variables are past the point of failing; what they read was checked before.
      if (options_.check_numerics && i < p.first_update) check_finite(g, p, s, out);
    }
    done(address);
    commit_values(g, p, address);
  }

 private:
  static void check_feed(const Graph& g, tensor_id t, const Array& value,
                         std::map<extent, std::pair<extent, tensor_id>>& names) {
    const value_type type = g.type_of(t);
    const std::string asked = "'" + g.path_of(t) + "' was fed " +
                              to_string(value_type::of(value.type(), value.shape()));
    const std::string wanted = "it is " + to_string(type);
    if (type.type != dtype::any && value.type() != type.type) {
      throw dtype_error({asked, wanted, g.path_of(t), "cast the value to " + std::string(name_of(type.type))});
    }
    if (!type.ranked) return;
    bool fits = type.shape.size() == value.rank();
    for (std::size_t i = 0; fits && i < type.shape.size(); ++i) {
      fits = type.shape[i] < 0 || type.shape[i] == value.shape()[i];
    }
    if (!fits) throw shape_error({asked, wanted, g.path_of(t), "reshape the value"});
    for (std::size_t i = 0; i < type.shape.size(); ++i) {
      if (!is_named(type.shape[i])) continue;
      const auto [known, fresh] = names.try_emplace(type.shape[i], value.shape()[i], t);
      if (fresh || known->second.first == value.shape()[i]) continue;
      throw shape_error({asked, "its '" + dim_name(type.shape[i]) + "' is " + std::to_string(value.shape()[i]) +
                                    " where '" + g.path_of(known->second.second) + "' has " +
                                    std::to_string(known->second.first),
                         g.path_of(t), "feed values of one extent, or give the dimensions different names"});
    }
  }

  static void check_initialized(const Graph& g, const plan& p) {
    for (const variable_id v : p.read) {
      if (g.store().cell(v)->initialized) continue;
      const variable_id origin = g.variable_of(v).origin;
      throw uninitialized_error({"variable '" + g.path_of(v) + "' was read",
                                 "it has no value yet" + (origin.valid() ? ", being a clone of '" + g.path_of(origin) + "'"
                                                                         : std::string()),
                                 g.path_of(v),
                                 origin.valid() ? "run the clone's initializer(), or session.initialize()"
                                                : "run session.initialize()"});
    }
  }

  // Variables that steps write get storage of their own before anything is computed.
  static void make_writable(Graph& g, const plan& p) {
    for (const commit& change : p.commits) {
      variable_cell& cell = *g.store().cell(change.variable);
      if (!cell.initialized) {
        const value_type& type = g.variable_of(change.variable).type;
        cell.value = Array(type.type, type.shape);
      }
      cell.value.mutable_data();
    }
  }

  static void* address_of(const Graph& g, const plan& p, context& c, const void* const* feeds, std::uint32_t s) {
    const slot& at = p.slots[s];
    switch (at.where) {
      case place::arena: return c.arena() + at.offset;
      case place::feed: return const_cast<void*>(feeds[at.offset]);
      case place::constant:
        return const_cast<void*>(g.constant(static_cast<std::int64_t>(at.offset)).data());
      case place::cell: break;
    }
    return const_cast<void*>(
        static_cast<const Array&>(g.store().cell({static_cast<std::uint32_t>(at.offset)})->value).data());
  }

  template <class Address>
  static void commit_values(Graph& g, const plan& p, Address&& address) {
    for (const commit& change : p.commits) {
      variable_cell& cell = *g.store().cell(change.variable);
      if (change.from != no_id && p.slots[change.from].where != place::cell) {
        if (cell.value.bytes() > 0) std::memcpy(cell.value.mutable_data(), address(change.from), cell.value.bytes());
      }
    }
    // Values that come from other variables: all are read before the first is written.
    small_vector<std::pair<variable_id, Array>, 2> copies;
    for (const commit& change : p.commits) {
      if (change.from == no_id || p.slots[change.from].where != place::cell) continue;
      const slot& from = p.slots[change.from];
      if (from.offset == change.variable.value) continue;
      const Array& source = g.store().cell({static_cast<std::uint32_t>(from.offset)})->value;
      Array copy = Array::uninitialized(source.type(), g.variable_of(change.variable).type.shape);
      if (copy.bytes() > 0) std::memcpy(copy.mutable_data(), source.data(), copy.bytes());
      copies.push_back({change.variable, std::move(copy)});
    }
    for (auto& [variable, value] : copies) g.store().cell(variable)->value = std::move(value);
    for (const commit& change : p.commits) {
      variable_cell& cell = *g.store().cell(change.variable);
      if (!cell.initialized) {
        cell.initialized = true;
        g.store().touch();
      }
    }
  }

  static void check_finite(const Graph& g, const plan& p, const step& s, void* const* out) {
    for (std::size_t o = 0; o < s.out.size(); ++o) {
      if (s.out[o] == no_id) continue;
      const tensor_info& info = p.slots[s.out[o]].info;
      const bool finite = info.type == dtype::float32   ? all_finite<float>(out[o], info.size)
                          : info.type == dtype::float64 ? all_finite<double>(out[o], info.size)
                                                        : true;
      if (finite) continue;
      const source_line line = g.line_of(s.op);
      throw numeric_error({"'" + g.path_of(s.op) + "' was computed", "its result has a NaN or an infinity",
                           g.path_of(s.op) + (line.line > 0 ? std::string(", declared at ") + line.file + ":" +
                                                                  std::to_string(line.line)
                                                            : std::string()),
                           "look at its operands; nothing was committed"});
    }
  }

  graph_slot* slot_;
  std::uint32_t generation_;
  session_options options_;
  std::unique_ptr<parallel_runner> parallel_;
  std::mutex mutex_;
  std::list<std::pair<std::string, std::shared_ptr<cached_plan>>> recent_;
  std::map<std::string, decltype(recent_)::iterator> by_key_;
};

}  // namespace detail

Session::Session(Graph& graph, const session_options& options)
    : state_(std::make_shared<detail::session_state>(graph, options)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

std::vector<Array> Session::run_list(const detail::fetch_list& list, const std::vector<feed_item>& feeds) {
  const detail::call_signature call = state_->sign(list, feeds);
  const auto cached = state_->plan_for(call);
  std::vector<const void*> addresses;
  for (const feed_item& f : feeds) addresses.push_back(f.value.data());
  std::vector<Array> results;
  const detail::plan& p = cached->get();
  state_->run(*cached, addresses.data(), [&](auto&& address) {
    for (const std::uint32_t s : p.fetches) {
      const tensor_info& info = p.slots[s].info;
      Array value = Array::uninitialized(info.type, info.shape);
      if (value.bytes() > 0) std::memcpy(value.mutable_data(), address(s), value.bytes());
      results.push_back(std::move(value));
    }
  });
  return results;
}

std::string Session::explain_list(const detail::fetch_list& list, const std::vector<feed_item>& feeds) {
  return detail::describe(state_->graph(), state_->plan_for(state_->sign(list, feeds))->get());
}

void Session::run(const initializer_set& initializer) {
  Graph& g = state_->graph();
  if (initializer.graph != &g) {
    throw handle_error({"an initialiser was to be run", "it belongs to another graph", "",
                        "run it in a session of its own graph"});
  }
  std::unordered_set<std::uint32_t> waiting;
  for (const variable_id v : initializer.variables) waiting.insert(v.value);
  // Which of the waiting variables each initial value reads.
  const auto needs = [&](variable_id v) {
    std::vector<variable_id> found;
    std::unordered_set<op_id> seen;
    std::vector<op_id> open{g.variable_of(v).initial.op};
    while (!open.empty()) {
      const op_id op = open.back();
      open.pop_back();
      if (!seen.insert(op).second) continue;
      if (const auto read = g.variable_read_by({op, 0})) {
        found.push_back(*read);
        continue;
      }
      for (const tensor_id t : g.operands(op)) open.push_back(t.op);
    }
    return found;
  };
  std::vector<std::pair<variable_id, std::vector<variable_id>>> open;
  for (const variable_id v : initializer.variables) open.emplace_back(v, needs(v));
  while (!open.empty()) {
    std::vector<std::pair<variable_id, std::vector<variable_id>>> later;
    std::vector<variable_id> now;
    detail::fetch_list list;
    for (auto& item : open) {
      const bool ready = std::none_of(item.second.begin(), item.second.end(),
                                      [&](variable_id n) { return waiting.contains(n.value); });
      if (ready) {
        now.push_back(item.first);
        list.tensors.push_back(g.handle(g.variable_of(item.first).initial));
      } else {
        later.push_back(std::move(item));
      }
    }
    if (now.empty()) {
      std::string path;
      for (const auto& item : later) path += (path.empty() ? "'" : ", '") + g.path_of(item.first) + "'";
      throw graph_error({"variables were to be initialised", "the initial values of " + path + " need each other",
                         g.path_of(later.front().first), "give one of them an initial value that reads no other"});
    }
    std::vector<Array> values = run_list(list, {});
    for (std::size_t i = 0; i < now.size(); ++i) {
      g.store().set(now[i], std::move(values[i]));
      waiting.erase(now[i].value);
    }
    open = std::move(later);
  }
}

void Session::initialize() {
  Graph& g = state_->graph();
  run(initializer_set{&g, uninitialized(g)});
}

Array Session::value(const any_tensor& variable) const {
  const Graph& g = state_->graph();
  const auto v = g.variable_read_by(g.id(variable));
  if (!v) {
    throw handle_error({"the value of '" + g.path_of(g.id(variable)) + "' was asked for", "it is not a variable",
                        g.path_of(g.id(variable)), "fetch it with run()"});
  }
  return g.store().get(*v);
}

void Session::set_value(const any_tensor& variable, Array value) {
  Graph& g = state_->graph();
  const auto v = g.variable_read_by(g.id(variable));
  if (!v) {
    throw handle_error({"'" + g.path_of(g.id(variable)) + "' was to be set", "it is not a variable",
                        g.path_of(g.id(variable)), "feed it instead"});
  }
  g.store().set(*v, std::move(value));
}

update_group updates_of(const any_tensor& y) {
  Graph& g = target_traits<Graph>::target_of(y.ref());
  std::unordered_set<op_id> seen;
  std::vector<op_id> open{g.id(y).op};
  std::vector<variable_id> variables;
  while (!open.empty()) {
    const op_id op = open.back();
    open.pop_back();
    if (!seen.insert(op).second) continue;
    if (const auto v = g.variable_read_by({op, 0})) variables.push_back(*v);
    for (const tensor_id t : g.operands(op)) open.push_back(t.op);
  }
  std::sort(variables.begin(), variables.end());
  std::vector<op_id> updates;
  for (const variable_id v : variables) {
    for (const op_id u : g.variable_of(v).own_updates) {
      if (std::find(updates.begin(), updates.end(), u) == updates.end()) updates.push_back(u);
    }
  }
  return update_group(g, std::move(updates));
}

// --- prepared calls -----------------------------------------------------------------------------------

struct prepared_call::state {
  std::shared_ptr<detail::session_state> session;
  std::shared_ptr<detail::cached_plan> plan;
  std::vector<Array> inputs;
  std::vector<Array> outputs;
  std::vector<const void*> addresses;
};

prepared_call::prepared_call(std::unique_ptr<state> s) : state_(std::move(s)) {}
prepared_call::prepared_call(prepared_call&&) noexcept = default;
prepared_call& prepared_call::operator=(prepared_call&&) noexcept = default;
prepared_call::~prepared_call() = default;

prepared_call Session::prepare_list(const detail::fetch_list& list, const std::vector<feed_item>& feeds) {
  const detail::call_signature call = state_->sign(list, feeds);
  auto s = std::make_unique<prepared_call::state>();
  s->session = state_;
  s->plan = state_->plan_for(call);
  for (const feed_item& f : feeds) {
    s->inputs.push_back(f.value);
    s->addresses.push_back(s->inputs.back().mutable_data());
  }
  for (const std::uint32_t slot : s->plan->get().fetches) {
    const tensor_info& info = s->plan->get().slots[slot].info;
    s->outputs.emplace_back(info.type, info.shape);
  }
  return prepared_call(std::move(s));
}

void prepared_call::run() {
  state& s = *state_;
  const detail::plan& p = s.plan->get();
  s.session->run(*s.plan, s.addresses.data(), [&](auto&& address) {
    for (std::size_t i = 0; i < p.fetches.size(); ++i) {
      if (s.outputs[i].bytes() > 0) std::memcpy(s.outputs[i].mutable_data(), address(p.fetches[i]), s.outputs[i].bytes());
    }
  });
}

namespace {
const Array& checked(const std::vector<Array>& all, std::size_t i, const char* what) {
  if (i < all.size()) return all[i];
  throw argument_error({std::string(what) + " " + std::to_string(i) + " of a prepared call was asked for",
                        "there are " + std::to_string(all.size()), "", "count from 0 in the order of preparation"});
}
void check_type(const Array& a, dtype type, const char* what) {
  if (a.type() == type) return;
  throw dtype_error({std::string(what) + " of a prepared call was asked for as " + std::string(name_of(type)),
                     "it is " + std::string(name_of(a.type())), "", "ask for that type"});
}
}  // namespace

void* prepared_call::input_data(std::size_t i, dtype type) {
  check_type(checked(state_->inputs, i, "input"), type, "an input");
  return const_cast<void*>(state_->addresses[i]);
}
std::size_t prepared_call::input_size(std::size_t i) const {
  return static_cast<std::size_t>(checked(state_->inputs, i, "input").size());
}
const void* prepared_call::output_data(std::size_t i, dtype type) const {
  const Array& a = checked(state_->outputs, i, "output");
  check_type(a, type, "an output");
  return a.data();
}
std::size_t prepared_call::output_size(std::size_t i) const {
  return static_cast<std::size_t>(checked(state_->outputs, i, "output").size());
}

}  // namespace graft
