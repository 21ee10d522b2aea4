// Building, walking, sorting and copying a graph, against the usual Boost storage with records of
// about the same size. Times are of one pass over a graph of the named number of ops; divide by it.
#include <memory>
#include <numeric>
#include <vector>

#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/copy.hpp>
#include <boost/graph/topological_sort.hpp>

#include "graft/graph/boost.hpp"
#include "graft/schema/core_operators.hpp"
#include "graft/schema/rules.hpp"

#include "graph/building.hpp"
#include "graph/copy.hpp"
#include "harness.hpp"

namespace {

using namespace graft;

constexpr inferred infer_add(const infer_args& a) {
  return rules::broadcast(a.operands[0], a.operands[1]);
}
constexpr operator_schema input{"input", 0, 0, detail::infer_declared, ops::source};
constexpr operator_schema add{"add", 2, 2, infer_add, ops::elementwise};

struct record {
  const void* schema = nullptr;
  std::uint32_t fields[22] = {};  // name, scope, attributes, types: what an op of Graph keeps
};
using list_graph = boost::adjacency_list<boost::vecS, boost::vecS, boost::bidirectionalS, record>;

// Op i takes ops i - 1 and one of the 32 before it, as in networks with skip connections.
std::size_t second_operand(std::size_t i) {
  return i - 1 - (i * 2654435761u >> 7) % std::min<std::size_t>(i, 32);
}

void build(Graph& g, std::size_t n) {
  attribute_list declared;
  declared.set("type", dtype::float32).set("shape", dims{64, 128});
  g.add(input, {}, declared);
  for (std::size_t i = 1; i < n; ++i) {
    const tensor_id operands[] = {{op_id{static_cast<std::uint32_t>(i - 1)}, 0},
                                  {op_id{static_cast<std::uint32_t>(second_operand(i))}, 0}};
    g.add(add, operands);
  }
}

void build(list_graph& g, std::size_t n) {
  boost::add_vertex(g);
  for (std::size_t i = 1; i < n; ++i) {
    const auto v = boost::add_vertex(record{&g, {}}, g);
    boost::add_edge(i - 1, v, g);
    boost::add_edge(second_operand(i), v, g);
  }
}

// Sums over all operands and all uses.
template <class G>
std::size_t walk(const G& g) {
  std::size_t sum = 0;
  for (auto [v, last] = vertices(g); v != last; ++v) {
    for (auto [e, end] = in_edges(*v, g); e != end; ++e) sum += source(*e, g);
    for (auto [e, end] = out_edges(*v, g); e != end; ++e) sum += target(*e, g);
  }
  return sum;
}

template <class G>
std::size_t sort(const G& g) {
  std::vector<std::size_t> order;
  order.reserve(num_vertices(g));
  boost::topological_sort(g, std::back_inserter(order));
  return order.back();
}

}  // namespace

int main(int argc, char** argv) {
  bench::harness bench(argc, argv);
  for (const std::size_t n : {1000u, 10000u, 100000u, 1000000u}) {
    const std::string size = std::to_string(n);
    const auto ours = std::make_shared<Graph>();
    build(*ours, n);
    const auto list = std::make_shared<list_graph>();
    build(*list, n);

    bench.add({"graph_build", "graft", size}, [n] {
      Graph g;
      build(g, n);
      bench::keep(g.op_count());
    });
    bench.add({"graph_build", "adjacency_list", size}, [n] {
      list_graph g;
      build(g, n);
      bench::keep(num_vertices(g));
    });
    bench.add({"graph_walk", "graft", size}, [ours] { bench::keep(walk(data_graph(*ours))); });
    bench.add({"graph_walk", "adjacency_list", size}, [list] { bench::keep(walk(*list)); });
    bench.add({"graph_sort", "graft", size}, [ours] { bench::keep(sort(data_graph(*ours))); });
    bench.add({"graph_sort", "adjacency_list", size}, [list] { bench::keep(sort(*list)); });

    // A copy with its old-to-new map; ours once into the same graph, where it is undone again, and
    // once into a new graph, which has to bring its own names and shapes.
    const auto all = std::make_shared<std::vector<std::uint32_t>>(n);
    std::iota(all->begin(), all->end(), 0u);
    const auto copy_to = [ours, all](Graph& to) {
      const scope_id top = detail::append_scope(to, scope_id{0}, "copy");
      const auto scope = [top](scope_id) { return top; };
      detail::copy_request request;
      request.from = ours.get();
      request.to = &to;
      request.ops = *all;
      request.scope = scope;
      bench::keep(detail::append_copy(request).first);
    };
    bench.add({"graph_copy", "graft", size}, [ours, copy_to] {
      const detail::steps undo(ours->data());
      copy_to(*ours);
    });
    bench.add({"graph_copy", "graft to another graph", size}, [copy_to] {
      Graph to;
      copy_to(to);
    });
    bench.add({"graph_copy", "adjacency_list", size}, [list] {
      list_graph copy;
      std::vector<std::size_t> map(num_vertices(*list));
      boost::copy_graph(*list, copy,
                        boost::orig_to_copy(boost::make_iterator_property_map(
                            map.begin(), get(boost::vertex_index, *list))));
      bench::keep(map.back());
    });
  }
  return bench.run();
}
