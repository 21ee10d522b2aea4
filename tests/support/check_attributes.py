#!/usr/bin/env python3
"""Holds operators to what they declare: every attribute that the code of a family reads is declared in its header.

    check_attributes.py SOURCE_ROOT

What is not declared is a tag: no graph or file checks it. Each finding is one sentence that names the file, the line
and the attribute. tests/property/undeclared_attributes.cpp checks the operators themselves.
"""
import pathlib
import re
import sys

READ = re.compile(r'(?:\.|->)(?:integer|real|integers|string|type|find)\(\s*"(\w+)"')
DECLARED = re.compile(r'declare::\w+\(\s*"(\w+)"')
FAMILY = re.compile(r'#include "graft/ops/(\w+)\.hpp"')


def main():
    root = pathlib.Path(sys.argv[1])
    headers = {path.stem: path for path in sorted((root / "include/graft/ops").glob("*.hpp"))}
    schema = sorted((root / "include/graft/schema").glob("*.hpp"))
    declared = {path: set(DECLARED.findall(path.read_text())) for path in [*headers.values(), *schema]}
    everywhere = set().union(*declared.values())

    def known_in(path):
        if path in schema:  # what several families share is declared by one of them
            return everywhere
        if path in declared:
            return declared[path]
        if path.stem not in headers:
            return everywhere
        header = headers[path.stem]
        of = [header, *(headers[name] for name in FAMILY.findall(header.read_text()))]
        return set().union(*(declared[each] for each in of))

    reads = findings = 0
    for path in [*headers.values(), *sorted((root / "src/ops").glob("*.[ch]pp")), *schema]:
        known = known_in(path)
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for key in READ.findall(line):
                reads += 1
                if key in known:
                    continue
                findings += 1
                print(f"{path.relative_to(root)}:{number}: the attribute '{key}' is read, and no operator of the "
                      "family declares it; name it in the attribute rules of the schemas that have it.")
    if reads < 50:
        sys.exit(f"Only {reads} attributes were found to be read; has the way they are read changed?")
    if findings:
        sys.exit(1)
    print("Every attribute that operators read is declared.")


if __name__ == "__main__":
    main()
