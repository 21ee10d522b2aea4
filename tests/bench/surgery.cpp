// Extracting and cloning regions, against Boost.Graph on an adjacency_list with records of about
// the same size.
//
// extract: the closure of the last op, with its maps. The peer is breadth_first_visit against the
// edges, with a
//   colour map of its own.
// clone: extract plus the whole clone (variables, names, attributes, scopes, the map both ways)
// into a graph of its
//   own. The peer is copy_graph, with its map one way.
// clone_within: the same into the source's own graph, which is made anew for each turn.
// substitute: the last op on another operand, in graphs of all sizes, made anew for each turn.
// small: a region of 10 ops in a small and in a large graph, extracted and cloned within it.
// memory: bytes per op, of the graph and of the peer's.
#include <cstdlib>
#include <fstream>
#include <memory>

#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/breadth_first_search.hpp>
#include <boost/graph/copy.hpp>
#include <boost/graph/reverse_graph.hpp>
#include <malloc.h>
#include <unistd.h>

#include "graft/surgery/clone.hpp"
#include "graft/surgery/substitute.hpp"

#include "harness.hpp"
#include "subjects.hpp"

namespace {

using namespace graft;
using bench::chain, bench::random_dag, bench::residual_blocks, bench::row, bench::subject;

// Bytes in use: what the allocator gave out, and all that is mapped besides what it has, as large pools are.
double bytes_in_use() {
  const struct mallinfo2 info = mallinfo2();
  std::size_t pages[6] = {};  // the last: written data and stacks
  std::ifstream statm("/proc/self/statm");
  for (std::size_t& p : pages) statm >> p;
  const double mapped = static_cast<double>(pages[5]) * static_cast<double>(sysconf(_SC_PAGESIZE));
  return static_cast<double>(info.uordblks) - static_cast<double>(info.arena) + mapped;
}

// The allocator puts small blocks that were freed together again at the next large request. Before each turn, so that
// nobody's turn pays for what the other one left.
void settle_heap() {
  void* const large = std::malloc(std::size_t{1} << 16);
  bench::keep(large);
  std::free(large);
}

struct record {
  char bytes[96];
};
struct edge_record {
  std::uint32_t slot = 0, output = 0;
};
using peer_graph =
    boost::adjacency_list<boost::vecS, boost::vecS, boost::bidirectionalS, record, edge_record>;

std::unique_ptr<peer_graph> as_peer(const Graph& g) {
  auto p = std::make_unique<peer_graph>(g.op_count());
  for (std::size_t i = 0; i < g.op_count(); ++i) {
    const op_id op = g.op_at(i);
    for (std::uint32_t k = 0; k < g.operand_count(op); ++k) {
      const tensor_id t = g.operand(op, k);
      boost::add_edge(g.index_of(t.op), i, edge_record{k, t.output}, *p);
    }
  }
  return p;
}

void add_cases(bench::harness& b, const std::string& kind,
               std::unique_ptr<subject> (*make)(std::size_t), std::vector<std::size_t> sizes) {
  for (const std::size_t n : sizes) {
    const std::string name = kind + "_" + std::to_string(n);
    bool wanted = false;
    for (const char* topic : {"extract", "clone", "clone_within", "memory"}) {
      for (const char* peer : {"graft", "boost"}) wanted = wanted || b.wants({topic, peer, name});
    }
    if (!wanted) continue;
    const double before = bytes_in_use();
    const std::shared_ptr<subject> s = make(n);
    const double between = bytes_in_use();
    const std::shared_ptr<peer_graph> p = as_peer(s->g);
    const auto ops = static_cast<double>(s->g.op_count());
    b.report({"memory", "graft", name}, (between - before) / ops);
    b.report({"memory", "boost", name}, (bytes_in_use() - between) / ops);

    b.add(
        {"extract", "graft", name}, [s] { bench::keep(extract(inputs(s->x), outputs(s->y))); },
        settle_heap);
    b.add(
        {"extract", "boost", name},
        [p] {
          std::vector<boost::default_color_type> colours(boost::num_vertices(*p));
          const auto reversed = boost::make_reverse_graph(*p);
          boost::queue<std::size_t> open;
          boost::breadth_first_visit(reversed, boost::num_vertices(*p) - 1, open,
                                     boost::bfs_visitor<>(),
                                     boost::make_iterator_property_map(
                                         colours.begin(), get(boost::vertex_index, reversed)));
          bench::keep(colours);
        },
        settle_heap);
    b.add(
        {"clone", "graft", name},
        [s] {
          Graph other;
          bench::keep(clone(extract(inputs(s->x), outputs(s->y)), into(other, "copy")));
        },
        settle_heap);
    b.add(
        {"clone", "boost", name},
        [p] {
          peer_graph copy;
          std::vector<std::size_t> map(boost::num_vertices(*p));
          boost::copy_graph(*p, copy,
                            boost::orig_to_copy(boost::make_iterator_property_map(
                                map.begin(), get(boost::vertex_index, *p))));
          bench::keep(copy);
        },
        settle_heap);
    const auto grown = std::make_shared<std::unique_ptr<subject>>();
    b.add(
        {"clone_within", "graft", name},
        [grown] {
          bench::keep(clone(extract(inputs((*grown)->x), outputs((*grown)->y)), into("copy")));
        },
        [grown, make, n] { *grown = make(n); });
  }
}

void add_small(bench::harness& b) {
  for (const std::size_t n : {1000u, 1000000u}) {
    const bench::case_id id{"small", "graft", "10_in_" + std::to_string(n)};
    if (!b.wants(id)) continue;
    struct state {
      std::unique_ptr<subject> s;
      row from;
    };
    const auto grown = std::make_shared<state>();
    b.add(
        id,
        [grown] {
          subject& s = *grown->s;
          bench::keep(clone(extract(inputs(grown->from), outputs(s.y)), into("copy")));
        },
        [grown, n] {
          grown->s = chain(n);
          grown->from = grown->s->y;
          for (int i = 0; i < 10; ++i) grown->s->y = relu(grown->s->y);
        });
  }
}

// The last op of a graph reads another tensor: one op is copied. The peer adds a vertex with the record and
// the edges of the last one, an edge of it elsewhere.
void add_substitute(bench::harness& b, const std::string& kind,
                    std::unique_ptr<subject> (*make)(std::size_t)) {
  for (const std::size_t n : {1000u, 10000u, 100000u, 1000000u}) {
    const std::string name = kind + "_" + std::to_string(n);
    if (b.wants({"substitute", "graft", name})) {
      struct state {
        std::unique_ptr<subject> s;
        row before;
      };
      const auto grown = std::make_shared<state>();
      b.add(
          {"substitute", "graft", name},
          [grown] {
            const subject& s = *grown->s;
            bench::keep(substitute(s.y, bind(grown->before, s.x)));
          },
          [grown, make, n] {
            grown->s = make(n);
            grown->before = grown->s->y;
            grown->s->y = relu(grown->before);
          });
    }
    if (b.wants({"substitute", "boost", name})) {
      const auto grown = std::make_shared<std::unique_ptr<peer_graph>>();
      b.add(
          {"substitute", "boost", name},
          [grown, n] {
            peer_graph& g = **grown;
            const auto added = boost::add_vertex(g[n], g);
            for (const auto e : boost::make_iterator_range(boost::in_edges(n, g))) {
              boost::add_edge(0, added, g[e], g);
            }
          },
          [grown, make, n] {
            const auto s = make(n);
            s->y = relu(s->y);
            *grown = as_peer(s->g);
            boost::add_vertex(**grown);  // its vector grows here, not in the turn
          });
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  bench::harness b(argc, argv);
  const std::vector<std::size_t> sizes{1000, 10000, 100000, 1000000};
  add_cases(b, "chain", chain, sizes);
  add_cases(b, "chain", chain, {20001});
  add_cases(b, "random", random_dag, sizes);
  add_cases(b, "resnet", residual_blocks, sizes);
  add_small(b);
  add_substitute(b, "chain", chain);
  add_substitute(b, "random", random_dag);
  add_substitute(b, "resnet", residual_blocks);
  return b.run();
}
