#!/usr/bin/env python3
"""Measures what a network costs the compiler: seconds and memory against the number of layers.

    compile_time.py [--filter REGEX] [--list] [--threads N (ignored)]

Prints CSV rows "bench,peer,case,threads,value": `compile` in nanoseconds and `compile_rss_kib` in KiB.
The case `include` is a file with nothing but the header; `layers_N` a builder of N layers; `blocks_N`
one of N residual blocks. The
compiler is $CXX (default g++) with -O2.
"""
import argparse
import os
import pathlib
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADER = "graft/graft.hpp"
LAYERS = [10, 50, 100, 200]
BLOCKS = [8, 64]
REPETITIONS = 3


def include_only():
    return f'#include "{HEADER}"\n'


def network(layers):
    """A program whose builder chains that many dense layers, each behind a relu."""
    steps = "\n".join(f"  auto x{i + 1} = dense<16>(relu(x{i}));" for i in range(layers))
    return (f'#include "{HEADER}"\n'
            "using namespace graft;\n"
            "auto build(auto x0) {\n"
            f"{steps}\n"
            f"  return x{layers};\n"
            "}\n"
            "int main() {\n"
            "  Graph g;\n"
            '  auto x = placeholder<float, shape<dyn, 16>>(g, "x");\n'
            "  auto y = build(x);\n"
            "  (void)y;\n"
            "}\n")


def residual_blocks(blocks):
    """The same with residual blocks, as a point-free chain."""
    chain = " >> ".join(["residual(dense<16> >> relu)"] * blocks)
    return (f'#include "{HEADER}"\n'
            "using namespace graft;\n"
            "int main() {\n"
            "  Graph g;\n"
            '  auto x = placeholder<float, shape<dyn, 16>>(g, "x");\n'
            f"  auto y = ({chain})(x);\n"
            "  (void)y;\n"
            "}\n")


def cases():
    yield "include", include_only()
    for layers in LAYERS:
        yield f"layers_{layers}", network(layers)
    for blocks in BLOCKS:
        yield f"blocks_{blocks}", residual_blocks(blocks)


def compile_once(command):
    """Returns wall seconds and the peak memory in KiB of a compiler and its children."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    error = process.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"compile_time.py: {shlex.join(command)} fails:\n{error[:2000]}")
    return seconds, usage.ru_maxrss


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--filter", default="")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--threads", help="accepted for tests/bench/run, without effect")
    options = parser.parse_args()
    compiler = shlex.split(os.environ.get("CXX", "g++"))

    if not (ROOT / "include" / HEADER).is_file():
        print(f"compile_time.py: there is no include/{HEADER} yet", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "network.cpp")
        for name, text in cases():
            benches = [bench for bench in ("compile", "compile_rss_kib")
                       if re.search(options.filter, f"{bench},graft,{name}")]
            if options.list:
                for bench in benches:
                    print(f"{bench},graft,{name},1")
            if options.list or not benches:
                continue
            source.write_text(text)
            command = [*compiler, "-std=c++20", "-O2", "-I", str(ROOT / "include"), "-c", str(source),
                       "-o", os.devnull]
            results = [compile_once(command) for _ in range(REPETITIONS)]
            values = {"compile": round(statistics.median(s for s, _ in results) * 1e9),
                      "compile_rss_kib": max(kib for _, kib in results)}
            for bench in benches:
                print(f"{bench},graft,{name},1,{values[bench]}", flush=True)


if __name__ == "__main__":
    main()
