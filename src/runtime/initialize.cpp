// Giving variables their first values: all are computed before the first is set.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "graft/core/error.hpp"

#include "graph/value_change.hpp"
#include "runtime/session_state.hpp"

namespace graft::detail {
namespace {

class initial_values {
 public:
  initial_values(const Graph& g, const std::vector<variable_id>& variables) : g_(g) {
    for (const variable_id v : variables) {
      (void)g.variable_of(v);  // refuses ids of other graphs
      if (place_of_.emplace(v, jobs_.size()).second) jobs_.push_back({v, {}, 0});
    }
    for (job& j : jobs_) j.reads = reads_of(j.variable);
    sort();
  }

  // Groups of variables whose initial values need only those of earlier groups and of other
  // variables.
  std::vector<std::vector<std::size_t>> stages() const {
    std::vector<std::vector<std::size_t>> result;
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      result.resize(std::max(result.size(), jobs_[i].stage + 1));
      result[jobs_[i].stage].push_back(i);
    }
    return result;
  }
  [[nodiscard]] variable_id variable(std::size_t i) const { return jobs_[i].variable; }
  // Jobs whose variables a job's initial value reads.
  [[nodiscard]] const std::vector<std::size_t>& reads(std::size_t i) const {
    return jobs_[i].reads;
  }
  [[nodiscard]] std::size_t count() const { return jobs_.size(); }

 private:
  struct job {
    variable_id variable;
    std::vector<std::size_t> reads;
    std::size_t stage;
  };

  std::vector<std::size_t> reads_of(variable_id v) const {
    std::vector<std::size_t> found;
    std::vector<op_id> open{g_.variable_of(v).initial.op};
    std::unordered_set<op_id> seen(open.begin(), open.end());
    while (!open.empty()) {
      const op_id op = open.back();
      open.pop_back();
      if (const auto read = g_.variable_read_by({op, 0})) {
        if (const auto place = place_of_.find(*read); place != place_of_.end())
          found.push_back(place->second);
        continue;
      }
      for (std::uint32_t k = 0; k < g_.operand_count(op); ++k) {
        const op_id producer = g_.operand(op, k).op;
        if (seen.insert(producer).second) open.push_back(producer);
      }
      for (const op_id before : g_.control_predecessors(op)) {
        if (seen.insert(before).second) open.push_back(before);
      }
    }
    return found;
  }

  // Depth first, with a path of its own instead of recursion.
  void sort() {
    enum class mark : std::uint8_t { unseen, open, done };
    std::vector<mark> marks(jobs_.size(), mark::unseen);
    struct frame {
      std::size_t job, next;
    };
    std::vector<frame> path;
    for (std::size_t start = 0; start < jobs_.size(); ++start) {
      if (marks[start] != mark::unseen) continue;
      path.push_back({start, 0});
      marks[start] = mark::open;
      while (!path.empty()) {
        frame& top = path.back();
        job& j = jobs_[top.job];
        if (top.next == j.reads.size()) {
          for (const std::size_t r : j.reads) j.stage = std::max(j.stage, jobs_[r].stage + 1);
          marks[top.job] = mark::done;
          path.pop_back();
          continue;
        }
        const std::size_t next = j.reads[top.next++];
        if (marks[next] == mark::done) continue;
        if (marks[next] == mark::open) {
          std::vector<std::size_t> cycle;
          for (const frame& f : path) cycle.push_back(f.job);
          cycle.erase(cycle.begin(), std::find(cycle.begin(), cycle.end(), next));
          refuse_cycle(cycle);
        }
        marks[next] = mark::open;
        path.push_back({next, 0});
      }
    }
  }

  [[noreturn]] void refuse_cycle(const std::vector<std::size_t>& cycle) const {
    std::string path;
    for (const std::size_t j : cycle) path += "'" + g_.path_of(jobs_[j].variable) + "' <- ";
    path += "'" + g_.path_of(jobs_[cycle.front()].variable) + "'";
    throw graph_error({"variables were to be initialised",
                       "initial values read each other: " + path,
                       g_.path_of(jobs_[cycle.front()].variable),
                       "give one of them an initial value that reads none of the others"});
  }

  const Graph& g_;
  std::vector<job> jobs_;
  std::unordered_map<variable_id, std::size_t> place_of_;
};

void require_fit(const Graph& g, variable_id v, const Array& value) {
  const value_type& type = g.variable_of(v).type;
  if (type.type == value.type() && type.shape == value.shape()) return;
  throw shape_error({"variable '" + g.path_of(v) + "' was to be initialised",
                     "its initial value is " +
                         to_string(value_type::of(value.type(), value.shape())) +
                         " and the variable " + to_string(type),
                     g.path_of(v), "give it an initial value of its own type and shape"});
}

}  // namespace

void session_state::initialize(Graph& g, const std::vector<variable_id>& variables) {
  const initial_values all(g, variables);
  if (all.count() == 0) return;
  std::vector<Array> values(all.count());
  for (const std::vector<std::size_t>& stage : all.stages()) {
    fetch_list list;
    std::vector<feed_item> feeds;
    std::unordered_set<std::size_t> fed;
    for (const std::size_t job : stage) {
      list.tensors.push_back(g.handle(g.variable_of(all.variable(job)).initial).ref());
      for (const std::size_t read : all.reads(job)) {
        if (!fed.insert(read).second) continue;
        feeds.push_back({g.handle(g.variable_of(all.variable(read)).read), values[read]});
      }
    }
    const session_call call = resolve(g, list, feeds);
    const std::shared_ptr<planned_call> plan = plan_once(g, call, feeds);
    std::vector<Array> found = run(g, *plan, call, feeds);
    for (std::size_t i = 0; i < stage.size(); ++i) {
      require_fit(g, all.variable(stage[i]), found[i]);
      values[stage[i]] = std::move(found[i]);
    }
  }
  value_change change({&g.store()});
  for (std::size_t job = 0; job < all.count(); ++job) {
    change.set(g.store(), all.variable(job), std::move(values[job]));
  }
  change.write();
}

}  // namespace graft::detail
