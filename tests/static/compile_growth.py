#!/usr/bin/env python3
"""Compiles networks of 10, 100 and 200 layers, and checks that what they cost grows as their length does.

    compile_growth.py COMPILER [ARGUMENT...]

Each program holds a network three times: built on a graph by a function, known to the compiler, and as a chain of
layers. Every layer has a width of its own, so that no two share what is instantiated for them. What is measured is
the compiler's peak memory: it says how much was made, and does not depend on what else the machine does. Templates
may nest no deeper than DEPTH.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

LAYERS = [10, 100, 200]
DEPTH = 600
# In the second half a layer may cost this much more than in the first; twice as many of a cost that grows
# with the square would take 2.7 times as much.
STEADY = 1.5
# Of the longest, without what the header alone takes, in KiB.
MOST = 800 * 1024


def program(layers):
    """A program with three networks of that many layers."""
    widths = range(8, 8 + layers)
    steps = "\n".join(f"  auto x{i + 1} = relu(dense<{width}>(x{i}));" for i, width in enumerate(widths))
    chain = " >> ".join(f"dense<{width}> >> relu" for width in widths)
    return f"""#include "graft/graft.hpp"
using namespace graft;
using row = tensor<Graph, dtype::float32, shape<dyn, 16>>;
constexpr auto build(auto x0) {{
{steps}
  return x{layers};
}}
auto on_a_graph(const row& x) {{ return build(x); }}
constexpr auto known = net<[](auto x) {{ return build(x); }}, in<float, shape<dyn, 16>>>();
static_assert(known.variable_count() == {2 * layers});
static_assert(known.op_count() == {1 + 5 * layers});
auto chained(const row& x) {{ return ({chain})(x); }}
"""


def peak_memory(command, text):
    """Compiles a text and returns the peak memory of the compiler in KiB."""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "network.cpp")
        source.write_text(text, encoding="utf-8")
        with subprocess.Popen([*command, str(source)], stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE) as process:
            error = process.stderr.read().decode(errors="replace")
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"The network does not compile:\n{error[:4000]}")
    return usage.ru_maxrss


def faults(costs):
    """The reasons why costs, {layers: KiB}, are not those of a compiler that takes each layer once."""
    few, some, many = sorted(costs)
    first = (costs[some] - costs[few]) / (some - few)
    second = (costs[many] - costs[some]) / (many - some)
    reasons = []
    if second > STEADY * first:
        reasons.append(f"A layer costs {first:.0f} KiB up to {some} layers, and {second:.0f} KiB from there to {many}.")
    if costs[many] - costs[few] > MOST:
        reasons.append(f"{many} layers cost {(costs[many] - costs[few]) // 1024} MiB more than {few}.")
    return reasons


def main(command):
    is_clang = "clang" in subprocess.run([*command, "--version"], capture_output=True, text=True,
                                         check=True).stdout
    # Neither compiler is to stop short of the longest, and g++ is to give no memory back on the way.
    more = ["-fconstexpr-steps=16777216"] if is_clang else ["--param=ggc-min-heapsize=8388608"]
    options = ["-fsyntax-only", "-w", f"-ftemplate-depth={DEPTH}", *more]
    costs = {layers: peak_memory([*command, *options], program(layers)) for layers in LAYERS}
    print(", ".join(f"{layers} layers: {kib // 1024} MiB" for layers, kib in costs.items()))
    reasons = faults(costs)
    print("\n".join(reasons))
    return 1 if reasons else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
