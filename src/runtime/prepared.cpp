#include "graft/runtime/prepared.hpp"

#include <cstring>

#include "graft/core/error.hpp"

#include "runtime/session_state.hpp"

namespace graft {

struct prepared_call::state {
  std::shared_ptr<detail::session_state> session;
  detail::fetch_list fetches;
  std::vector<feed_item> inputs;

  // What follows from the plan, made again where the graph was edited.
  std::shared_ptr<detail::planned_call> plan;
  std::unique_ptr<detail::run_context> context;
  std::vector<const void*> feeds;  // addresses in the order of the request
  std::vector<Array> made;         // memory that steps write results to
  std::vector<void*> addresses;    // of `made`
  struct result {
    const tensor_info* info = nullptr;
    const void* data = nullptr;
    Array kept;  // of a variable's or an input's value at the start of the run
    std::uint32_t variable = no_id, feed = no_id;
  };
  std::vector<result> results;

  void bind(Graph& g);
  void run();
};

void prepared_call::state::bind(Graph& g) {
  const detail::session_call call = session->resolve(g, fetches, inputs);
  const std::shared_ptr<detail::planned_call> found = session->plan_for(g, call, inputs);
  const detail::Plan& p = found->plan();
  // All of it is made before any of it is changed: what the last run left stays where this fails.
  auto new_context = std::make_unique<detail::run_context>(p);
  std::vector<const void*> new_feeds;
  std::vector<Array> new_made;
  std::vector<void*> new_addresses;
  std::vector<result> new_results;
  for (const auto& f : call.feeds) new_feeds.push_back(inputs[f.place].value.mutable_data());
  for (const tensor_info& info : p.fetch_memory) {
    new_made.push_back(Array(info.type, info.shape));
    new_addresses.push_back(new_made.back().mutable_data());
  }
  for (const detail::plan_fetch& f : p.fetches) {
    result r;
    r.info = &p.values[f.value].info;
    const detail::location& at = p.at(f.value);
    switch (at.where) {
      case detail::home::fetch:
        r.data = new_addresses[at.index];
        break;
      case detail::home::feed:
        r.kept = Array(r.info->type, r.info->shape);
        r.data = r.kept.mutable_data();
        r.feed = found->own().feeds[at.index];
        break;
      case detail::home::constant:
        r.data = p.constants[at.index].data();
        break;
      case detail::home::stored:
        r.data = found->own().stored[at.index].data();
        break;
      default:
        r.kept = Array(r.info->type, r.info->shape);
        r.data = r.kept.mutable_data();
        r.variable = static_cast<std::uint32_t>(at.index);
    }
    new_results.push_back(std::move(r));
  }
  plan = found;
  context = std::move(new_context);
  feeds.swap(new_feeds);
  made.swap(new_made);
  addresses.swap(new_addresses);
  results.swap(new_results);
}

void prepared_call::state::run() {
  Graph& g = session->graph();
  if (!plan->holds(g)) bind(g);
  const auto keep_values = [&] {
    for (result& r : results) {
      if (r.kept.bytes() == 0) continue;
      const void* const value =
          r.feed != no_id ? feeds[r.feed] : context->cells[r.variable]->value.data();
      std::memcpy(r.kept.mutable_data(), value, r.kept.bytes());
    }
  };
  detail::run_plan(plan->plan(), plan->own(), *context, g,
                   session->arguments(feeds.data(), addresses.data()), keep_values);
}

prepared_call::prepared_call(std::unique_ptr<state> s) : state_(std::move(s)) {}
prepared_call::prepared_call(prepared_call&&) noexcept = default;
prepared_call& prepared_call::operator=(prepared_call&&) noexcept = default;
prepared_call::~prepared_call() = default;

prepared_call::state& prepared_call::held() const {
  if (state_ != nullptr) return *state_;
  throw handle_error(
      {"a prepared call was used", "it was moved from", "", "use the call it was moved to"});
}

void prepared_call::run() { held().run(); }

prepared_call Session::prepare_list(const detail::fetch_list& list, std::vector<feed_item> inputs) {
  Graph& g = state().graph();
  auto s = std::make_unique<prepared_call::state>();
  s->session = state_;
  s->fetches = list;
  s->inputs = std::move(inputs);
  s->bind(g);
  return prepared_call(std::move(s));
}

namespace {

void check_place(std::size_t i, std::size_t count, const char* what) {
  if (i < count) return;
  throw argument_error(
      {std::string(what) + " " + std::to_string(i) + " of a prepared call was asked for",
       "it has " + std::to_string(count), "", "count from 0 in the order they were given in"});
}
void check_type(dtype type, dtype wanted, const char* what, std::size_t i) {
  if (type == wanted) return;
  throw dtype_error({std::string(what) + " " + std::to_string(i) +
                         " of a prepared call was asked for as " + std::string(name_of(wanted)),
                     "it is " + std::string(name_of(type)), "", "ask for its own element type"});
}

}  // namespace

std::size_t prepared_call::input_count() const { return held().inputs.size(); }
std::size_t prepared_call::output_count() const { return held().results.size(); }

const dims& prepared_call::input_shape(std::size_t i) const {
  check_place(i, input_count(), "input");
  return held().inputs[i].value.shape();
}
const dims& prepared_call::output_shape(std::size_t i) const {
  check_place(i, output_count(), "output");
  return held().results[i].info->shape;
}

prepared_call::memory prepared_call::input_memory(std::size_t i, dtype type) {
  check_place(i, input_count(), "input");
  Array& value = held().inputs[i].value;
  check_type(value.type(), type, "input", i);
  return {value.mutable_data(), static_cast<std::size_t>(value.size())};
}
prepared_call::memory prepared_call::output_memory(std::size_t i, dtype type) const {
  check_place(i, output_count(), "output");
  const state::result& r = held().results[i];
  check_type(r.info->type, type, "output", i);
  return {const_cast<void*>(r.data), static_cast<std::size_t>(r.info->size)};
}

}  // namespace graft
