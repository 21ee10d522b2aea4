#!/usr/bin/env python3
"""Shows that check_layers.py accepts a good tree and rejects each kind of bad include."""
import pathlib
import sys
import tempfile

from check_layers import check_tree

GOOD = {
    "include/graft/core/shape.hpp": "#include <array>\n",
    "include/graft/graph/graph.hpp": '#include "graft/core/shape.hpp"\n',
    "include/graft/graph/boost.hpp": "#include <boost/graph/graph_concepts.hpp>\n",
    "include/graft/dsl/dense.hpp": "#include <boost/hana.hpp>\n#include \"graft/core/shape.hpp\"\n",
    "include/graft/graft.hpp": '#include "graft/dsl/dense.hpp"\n#include "graft/graph/graph.hpp"\n',
    "src/kernels/gemm.hpp": "#include <cstddef>\n",
    "src/kernels/gemm.cpp": '#include <xsimd/xsimd.hpp>\n#include "kernels/gemm.hpp"\n',
    "src/ops/matmul.cpp": '#include <fmt/core.h>\n#include "kernels/gemm.hpp"\n',
}

# File, its text, and a piece of the sentence that must come back.
BAD = [
    ("include/graft/core/bad.hpp", '#include "graft/graph/graph.hpp"\n',
     "include/graft/core/bad.hpp:1: #include of graft/graph/graph.hpp: headers of 'core' may include no"),
    ("include/graft/dsl/bad.hpp", '\n#include "graft/graph/graph.hpp"\n', "include/graft/dsl/bad.hpp:2:"),
    ("include/graft/ops/bad.hpp", '#include "kernels/gemm.hpp"\n', "full path"),
    ("src/report/bad.cpp", '#include "graft/train/loss.hpp"\n', "'train' is not among them"),
    ("src/dsl/bad.cpp", '#include "kernels/gemm.hpp"\n', "'kernels' is not among them"),
    ("src/dsl/bad.cpp", '#include "../kernels/gemm.hpp"\n', "'kernels' is not among them"),
    ("src/runtime/bad.cpp", "#include <xsimd/xsimd.hpp>\n", "only under src/kernels"),
    ("src/runtime/bad.hpp", "#include <fmt/core.h>\n", "only by .cpp files"),
    ("include/graft/dsl/bad.hpp", "#include <boost/graph/copy.hpp>\n", "Boost.Graph"),
    ("src/dsl/bad.cpp", "#include <boost/graph/copy.hpp>\n", "Boost.Graph"),
    ("src/core/bad.cpp", "#include <boost/hana.hpp>\n", "Boost.Hana"),
    ("docs/explanation/architecture.md", "| core | element types | schema |\n", "headers of 'core' may include 'schema'"),
    ("include/graft/core/bad.hpp", "#include <boost/hana.hpp>\n", "Boost.Hana"),
    ("include/graft/tensor/bad.hpp", "#include <tbb/tbb.h>\n", "nothing from outside"),
    ("include/graft/tensor/bad.hpp", "#include <other/thing.h>\n", "nothing from outside"),
    ("include/graft/tensor/bad.hpp", "// as Xsimd does\n", "not even in a comment"),
    ("include/graft/extra/bad.hpp", "\n", "'extra' is no layer"),
    ("include/graft/graph/graph.hpp", "#include <boost/graph/copy.hpp>\n",
     "graft/graft.hpp -> graft/graph/graph.hpp -> boost/graph/copy.hpp"),
    ("include/graft/graft.hpp", '#include "graft/static.hpp"\n', "graft/graft.hpp must not lead there"),
]


def findings_for(tree):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in tree.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return check_tree(folder)


def main():
    failures = [f"a good tree is refused: {f}" for f in findings_for(GOOD)]
    for name, text, wanted in BAD:
        found = findings_for({**GOOD, name: text})
        if not any(wanted in f for f in found):
            failures.append(f"{name} with {text!r} gives {found}, without {wanted!r}")
    print("\n".join(failures) or f"{len(BAD)} bad trees are rejected, the good one is not.")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
