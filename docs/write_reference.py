#!/usr/bin/env python3
"""Runs Doxygen and says what it found.

    write_reference.py DOXYGEN DOXYFILE OUTPUT_FOLDER

Prints how many public names lack a docstring, by header; the list is in OUTPUT_FOLDER/warnings.txt. Anything else that
Doxygen warns of (a parameter that does not exist, a snippet that is not found) is an error.
"""
import collections
import pathlib
import re
import subprocess
import sys

doxygen, doxyfile, output = sys.argv[1:]
subprocess.run([doxygen, doxyfile], check=True)
undocumented, others = collections.Counter(), []
for line in (pathlib.Path(output) / "warnings.txt").read_text(encoding="utf-8").splitlines():
    place = re.match(r".*include/(graft/[^:]*):\d+: warning: .* is not documented\.$", line)
    if place:
        undocumented[place[1]] += 1
    elif line.strip():
        others.append(line)
print(f"{output}/html/index.html: {sum(undocumented.values())} public names without a docstring")
for header, count in undocumented.most_common():
    print(f"  {count:4} {header}")
print("\n".join(others))
sys.exit(1 if others else 0)
