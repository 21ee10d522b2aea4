#!/usr/bin/env python3
"""Doxygen's filter for headers.

What a header declares goes into the group of its layer (include/graft/<layer>). What is the same for many gets its
sentence here rather than in each header: schemas of operators, setters of choices, comparisons. Lines keep their numbers.
"""
import pathlib
import re
import sys

path = pathlib.Path(sys.argv[1])
lines = path.read_text(encoding="utf-8").split("\n")
layer = path.parent.name if path.parent.name != "graft" else path.stem if path.stem in ("static", "fuse") else ""
for i, line in enumerate(lines):
    documented = i > 0 and lines[i - 1].lstrip().startswith(("///", "*/"))
    schema = re.match(r"inline constexpr operator_schema (\w+)\b", line)
    if schema and not documented:
        line = f"/** The schema of the operator `{schema[1]}`. */ {line}"
    if not documented:
        line = re.sub(r"^(  void set\()", r"  /** Takes one choice. */ \1", line)
        line = re.sub(r"^(  .*\boperator==\(.* = default;)", r"  /** Member by member. */ \1", line)
    if layer:
        line = re.sub(r"^(namespace graft(?:::\w+)* \{)$", rf"\1 /** @addtogroup graft_{layer} */ /** @{{ */", line)
        line = re.sub(r"^(\}  // namespace graft(?:::\w+)*)$", r"/** @} */ \1", line)
    lines[i] = line
sys.stdout.write("\n".join(lines))
