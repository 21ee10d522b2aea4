#!/usr/bin/env python3
"""Shows that check_headers.py accepts headers that compile alone, refuses others, and leaves out what sources try.

    check_headers_selftest.py COMPILER [ARGUMENT...]
"""
import pathlib
import sys
import tempfile

from check_headers import check_tree, headers_to_compile

GOOD = {
    "include/graft/core/a.hpp": "#pragma once\nstruct a {};\n",
    "include/graft/core/b.hpp": '#pragma once\n#include "graft/core/a.hpp"\nstruct b { a in; };\n',
    "include/graft/core/c.hpp": '#pragma once\n#include "graft/core/b.hpp"\nstruct c { b in; };\n',
    "include/graft/core/d.hpp": '#pragma once\n#include <cstddef>\n#include "graft/core/a.hpp"\nstruct d { a in; };\n',
    "src/core/a.cpp": '// A comment.\n#include "graft/core/b.hpp"\n',
}


def in_tree(tree, call):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in tree.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return call(pathlib.Path(folder).resolve())


def main(command):
    failures = []

    def same(what, found, wanted):
        if found != wanted:
            failures.append(f"{what}: {found!r}, and not {wanted!r}")

    same("left to compile", in_tree(GOOD, headers_to_compile)[1], ["graft/core/c.hpp", "graft/core/d.hpp"])
    no_sources = {name: text for name, text in GOOD.items() if name.startswith("include")}
    same("left to compile without sources", in_tree(no_sources, headers_to_compile)[1],
         ["graft/core/c.hpp", "graft/core/d.hpp"])
    same("a good tree", in_tree(GOOD, lambda root: check_tree(root, command)), ([], 4, 2))

    bad = {**GOOD, "include/graft/core/e.hpp": "#pragma once\nstruct e { a in; };\n"}
    problems, count, compiled = in_tree(bad, lambda root: check_tree(root, command))
    same("a header that needs another", (len(problems), count, compiled), (1, 5, 3))
    for piece in ("include/graft/core/e.hpp does not compile alone", "error:", "'a'"):
        if not any(piece in problem for problem in problems):
            failures.append(f"no {piece!r} in {problems}")

    begun = {**bad, "include/graft/core/f.hpp": '#pragma once\n#include "graft/core/e.hpp"\n'}
    problems, _, _ = in_tree(begun, lambda root: check_tree(root, command))
    same("a header that another begins with", len(problems), 1)

    print("\n".join(failures) or "The check of headers tells good from bad.")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
