#include "graft/runtime/session.hpp"

#include <algorithm>
#include <tuple>

#include "graft/core/error.hpp"

#include "runtime/session_state.hpp"
#include "surgery/own_updates.hpp"

namespace graft {
namespace detail {

namespace {

graph_slot& slot_of(const Graph& g) {
  (void)g.data();  // refuses a graph that was moved from
  return *g.slot();
}

}  // namespace

session_state::session_state(Graph& g, const session_options& options)
    : slot_(&slot_of(g)),
      generation_(slot_->generation),
      options_(options),
      parallel_(make_parallel_runner(options.threads)) {}

Graph& session_state::graph() const {
  Graph* g = slot_->graph.load();
  if (g != nullptr && slot_->generation == generation_) return *g;
  throw handle_error({"a session was used", "its graph is gone", "",
                      "keep the graph alive as long as its sessions"});
}

session_call session_state::resolve(const Graph& g, const fetch_list& list,
                                    std::span<const feed_item> feeds) const {
  session_call call;
  call.fetches.reserve(list.tensors.size());
  for (const graph_reference& r : list.tensors) call.fetches.push_back(g.id(r));
  for (const update_group& u : list.updates) {
    if (u.empty()) continue;
    if (&u.graph() != &g) {
      throw handle_error({"updates were to be run", "they belong to another graph", "",
                          "run them in a session of their own graph"});
    }
    call.updates.insert(call.updates.end(), u.assigns().begin(), u.assigns().end());
  }
  call.feeds.reserve(feeds.size());
  for (std::uint32_t i = 0; i < feeds.size(); ++i) call.feeds.push_back({g.id(feeds[i].target), i});
  std::sort(call.feeds.begin(), call.feeds.end(),
            [](const session_call::fed& a, const session_call::fed& b) {
              return std::tie(a.tensor, a.place) < std::tie(b.tensor, b.place);
            });
  return call;
}

namespace {

void make_key(plan_key& key, const session_call& call, std::span<const feed_item> feeds) {
  const auto word = [](tensor_id t) { return std::uint64_t{t.op.value} << 32 | t.output; };
  key.clear();
  key.push_back(std::uint64_t{call.fetches.size()} << 32 | call.updates.size());
  for (const tensor_id t : call.fetches) key.push_back(word(t));
  for (const op_id op : call.updates) key.push_back(op.value);
  for (const session_call::fed& f : call.feeds) {
    const Array& value = feeds[f.place].value;
    key.push_back(word(f.tensor));
    key.push_back(std::uint64_t{value.rank()} << 8 | static_cast<std::uint64_t>(value.type()));
    for (const extent e : value.shape()) key.push_back(static_cast<std::uint64_t>(e));
  }
}

}  // namespace

std::shared_ptr<planned_call> session_state::plan_for(const Graph& g, const session_call& call,
                                                      std::span<const feed_item> feeds) {
  thread_local plan_key wanted;
  make_key(wanted, call, feeds);
  if (std::shared_ptr<planned_call> known = cache_.find(wanted, g)) return known;
  const plan_key key = wanted;  // a binding may run calls of its own
  std::shared_ptr<planned_call> made = plan_once(g, call, feeds);
  cache_.add(key, made);
  return made;
}

std::shared_ptr<planned_call> session_state::plan_once(const Graph& g, const session_call& call,
                                                       std::span<const feed_item> feeds) {
  check_feeds(g, call, feeds);
  plan_request request{call.fetches, call.updates, {}, options_.check_numerics};
  for (const session_call::fed& f : call.feeds) {
    const Array& value = feeds[f.place].value;
    request.feeds.push_back({f.tensor, value.type(), value.shape()});
  }
  return cache_.plan(g, request);
}

std::vector<Array> session_state::run(Graph& g, planned_call& planned, const session_call& call,
                                      std::span<const feed_item> feeds) {
  const Plan& p = planned.plan();
  const plan_instance& own = planned.own();
  small_vector<const void*, 8> fed;
  for (const session_call::fed& f : call.feeds) fed.push_back(feeds[f.place].value.data());
  std::vector<Array> made;
  small_vector<void*, 8> addresses;
  made.reserve(p.fetch_memory.size());
  for (const tensor_info& info : p.fetch_memory) {
    made.push_back(Array::uninitialized(info.type, info.shape));
    addresses.push_back(made.back().mutable_data());
  }
  std::vector<Array> results(p.fetches.size());
  {
    leased_context context(planned.shared());
    run_plan(p, own, *context, g, arguments(fed.data(), addresses.data()), [&] {
      // Values of variables are those at the start: a copy keeps them when the run writes the
      // variable.
      for (std::size_t i = 0; i < results.size(); ++i) {
        const location& at = p.at(p.fetches[i].value);
        if (at.where == home::variable) results[i] = (*context).cells[at.index]->value;
      }
    });
  }
  for (std::size_t i = 0; i < results.size(); ++i) {
    const plan_fetch& f = p.fetches[i];
    const location& at = p.at(f.value);
    if (f.same_as != no_id) {
      results[i] = results[f.same_as];
      continue;
    }
    if (at.where == home::fetch) results[i] = made[at.index];
    if (at.where == home::feed) results[i] = feeds[call.feeds[own.feeds[at.index]].place].value;
    if (at.where == home::constant) results[i] = p.constants[at.index];
    if (at.where == home::stored) results[i] = own.stored[at.index];
    const dims& shape = p.values[f.value].info.shape;
    if (!(results[i].shape() == shape)) results[i] = results[i].reshaped(shape);
  }
  return results;
}

void fetch_list::add(const graph_reference& tensor) { tensors.push_back(tensor); }
void fetch_list::add(std::span<const graph_reference> more) {
  tensors.insert(tensors.end(), more.begin(), more.end());
}
void fetch_list::add(const update_group& update) { updates.push_back(update); }

Graph& graph_of(const fetch_list& list) {
  if (!list.tensors.empty()) return target_traits<Graph>::target_of(list.tensors.front());
  for (const update_group& u : list.updates) {
    if (!u.empty()) return u.graph();
  }
  throw argument_error({"nothing was asked to be evaluated", "there is no tensor among the fetches",
                        "", "pass a tensor"});
}

void refuse_evaluation(const uninitialized_error& cause) {
  error_parts parts = cause.parts();
  parts.hint =
      "call initialize() of a Session of the graph, or load its variables, first; the graph keeps "
      "the values";
  throw uninitialized_error(std::move(parts));
}

}  // namespace detail

Session::Session(Graph& graph, const session_options& options)
    : state_(std::make_shared<detail::session_state>(graph, options)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

detail::session_state& Session::state() const {
  if (state_ != nullptr) return *state_;
  throw handle_error(
      {"a session was used", "it was moved from", "", "use the session it was moved to"});
}

std::vector<Array> Session::run_list(const detail::fetch_list& list,
                                     const std::vector<feed_item>& feeds) {
  Graph& g = state().graph();
  const detail::session_call call = state().resolve(g, list, feeds);
  const std::shared_ptr<detail::planned_call> plan = state().plan_for(g, call, feeds);
  return state().run(g, *plan, call, feeds);
}

std::string Session::explain_list(const detail::fetch_list& list,
                                  const std::vector<feed_item>& feeds) {
  const Graph& g = state().graph();
  const detail::session_call call = state().resolve(g, list, feeds);
  const std::shared_ptr<detail::planned_call> planned = state().plan_for(g, call, feeds);
  return detail::describe(g, planned->plan(), planned->own());
}

void Session::initialize() {
  Graph& g = state().graph();
  state().initialize(g, uninitialized(g));
}

void Session::run(const initializer_set& initializer) {
  Graph& g = state().graph();
  if (!initializer.variables.empty() && &initializer.graph() != &g) {
    throw handle_error({"variables were to be initialised", "they belong to another graph", "",
                        "run the initializer in a session of its own graph"});
  }
  state().initialize(g, initializer.variables);
}

Graph& Session::graph() const { return state().graph(); }
std::uint64_t Session::seed() const { return state().seed(); }
int Session::threads() const { return state().threads(); }
std::uint64_t Session::plans_made() const { return state().plans_made(); }

// --- values of variables
// ------------------------------------------------------------------------------

namespace {

variable_id variable_behind(const Graph& g, const any_tensor& read, const char* what) {
  const tensor_id t = g.id(read);
  if (const auto v = g.variable_read_by(t)) return *v;
  throw argument_error({std::string(what) + " '" + g.path_of(t) + "'", "it reads no variable",
                        g.path_of(t), "fetch it with run(), or feed it with feed()"});
}

}  // namespace

Array Session::value(const any_tensor& variable) const {
  return value(variable_behind(state().graph(), variable, "a variable's value was asked for:"));
}

Array Session::value(variable_id variable) const {
  const Graph& g = state().graph();
  (void)g.variable_of(variable);
  if (!g.store().initialized(variable)) detail::refuse_uninitialized(g, variable);
  return g.store().get(variable);
}

void Session::set_value(const any_tensor& variable, Array value) {
  set_value(variable_behind(state().graph(), variable, "a variable's value was to be set:"),
            std::move(value));
}

void Session::set_value(variable_id variable, Array value) {
  Graph& g = state().graph();
  const value_type& type = g.variable_of(variable).type;
  const value_type got = value_type::of(value.type(), value.shape());
  if (!(type == got)) {
    error_parts parts{
        "variable '" + g.path_of(variable) + "' was to be set to " + to_string(got),
        "it is " + to_string(type), g.path_of(variable),
        type.type == got.type ? "reshape the value" : "convert the value with cast()"};
    if (type.type != got.type) throw dtype_error(std::move(parts));
    throw shape_error(std::move(parts));
  }
  g.store().set(variable, std::move(value));  // between two runs that update
}

// --- updates that layers own
// ----------------------------------------------------------------------------

update_group updates_of(const any_tensor& y) {
  Graph& g = target_traits<Graph>::target_of(y.ref());
  return {g, detail::own_updates_below(g, g.id(y))};
}

}  // namespace graft
