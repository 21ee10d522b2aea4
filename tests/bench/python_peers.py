#!/usr/bin/env python3
"""Times extracting and cloning in turns with libraries of Python: networkx and torch.fx, as far as they
are installed.

    python_peers.py --library FILE [--filter REGEX] [--list] [--threads N (ignored)]

Prints CSV rows "bench,peer,case,threads,median_ns". FILE is the shared library of surgery_library.cpp.
networkx: `extract` is the ancestors of the last op, `clone` their subgraph copied under new labels.
torch.fx: `clone` is Graph.graph_copy into a new graph; it has no extraction between two tensors.
"""
import argparse
import ctypes
import re
import statistics
import sys
import time

SIZES = [1000, 10000, 100000]
TURNS = 5
KINDS = ["chain", "random"]


def load(path):
    library = ctypes.CDLL(path)
    library.bench_make.restype = ctypes.c_void_p
    library.bench_make.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    library.bench_free.argtypes = [ctypes.c_void_p]
    for function in (library.bench_extract, library.bench_clone):
        function.restype = ctypes.c_size_t
        function.argtypes = [ctypes.c_void_p]
    return library


def operands(kind, count):
    """The operands of each op, as the C++ side makes them: op 0 is the placeholder."""
    state = 1
    yield 0, []
    for op in range(1, count):
        if kind == "chain":
            yield op, [op - 1]
            continue
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield op, [op - 1, (state >> 33) % op]


class Graft:
    name = "graft_from_python"
    benches = ("extract", "clone")

    def __init__(self, library, kind, count):
        self.library = library
        self.made = library.bench_make(kind.encode(), count)
        if not self.made:
            sys.exit("python_peers.py: the graph could not be made")

    def __del__(self):
        self.library.bench_free(self.made)

    def extract(self):
        return self.library.bench_extract(self.made)

    def clone(self):
        return self.library.bench_clone(self.made)


class Networkx:
    name = "networkx"
    benches = ("extract", "clone")

    def __init__(self, module, kind, count):
        self.nx = module
        self.last = count - 1
        self.graph = module.MultiDiGraph()
        for op, producers in operands(kind, count):
            self.graph.add_node(op, operator="add", name=f"add_{op}")
            for slot, producer in enumerate(producers):
                self.graph.add_edge(producer, op, slot=slot)

    def extract(self):
        return len(self.nx.ancestors(self.graph, self.last)) + 1

    def clone(self):
        nodes = self.nx.ancestors(self.graph, self.last) | {self.last}
        names = {node: ("copy", node) for node in nodes}
        return len(self.nx.relabel_nodes(self.graph.subgraph(nodes), names, copy=True))


class TorchFx:
    name = "torch_fx"
    benches = ("clone",)

    def __init__(self, module, kind, count):
        self.fx = module.fx
        self.graph = module.fx.Graph()
        nodes = []
        for op, producers in operands(kind, count):
            if op == 0:
                nodes.append(self.graph.placeholder("x"))
            elif kind == "chain":
                nodes.append(self.graph.call_function(module.relu, (nodes[producers[0]],)))
            else:
                nodes.append(self.graph.call_function(module.add, tuple(nodes[p] for p in producers)))
        self.graph.output(nodes[-1])

    def clone(self):
        copy, images = self.fx.Graph(), {}
        copy.output(copy.graph_copy(self.graph, images))
        return len(images) + 1


def peers():
    for module, peer in (("networkx", Networkx), ("torch.fx", TorchFx)):
        try:
            found = __import__(module)
        except ImportError:
            print(f"python_peers.py: {module} is not installed; its rows are left out", file=sys.stderr)
            continue
        yield peer, found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--library", required=True)
    parser.add_argument("--filter", default="")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--threads", help="accepted for tests/bench/run, without effect")
    options = parser.parse_args()
    makers = [(Graft, load(options.library)), *peers()]
    for kind in KINDS:
        for count in SIZES:
            case = f"{kind}_{count}"
            rows = [(bench, peer) for bench in ("extract", "clone") for peer, _ in makers
                    if bench in peer.benches and re.search(options.filter, f"{bench},{peer.name},{case}")]
            if options.list:
                for bench, peer in rows:
                    print(f"{bench},{peer.name},{case},1")
            if options.list or not rows:
                continue
            made = {peer: peer(module, kind, count) for peer, module in makers}
            times = {row: [] for row in rows}
            for _ in range(TURNS):
                for bench, peer in rows:
                    start = time.perf_counter_ns()
                    size = getattr(made[peer], bench)()
                    times[bench, peer].append(time.perf_counter_ns() - start)
                    if not count - 1 <= size <= count + 1:
                        sys.exit(f"python_peers.py: {peer.name} found {size} ops of {count}")
            for (bench, peer), spent in times.items():
                print(f"{bench},{peer.name},{case},1,{statistics.median(spent)}", flush=True)


if __name__ == "__main__":
    main()
