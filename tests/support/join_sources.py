#!/usr/bin/env python3
"""Writes one source out of several that the compiler takes less time for than for each alone.

  join_sources.py OUTPUT SOURCE...

What costs time in a small test is less its own text than the headers and the templates it shares with others. Each
source stands in a namespace of its own, so that names of one are none of another's; the headers of all come first, in
the order they are met, and are not read again inside. So a source that includes a header under a condition, adds to a
namespace of somebody else's, or replaces a global function cannot be joined.
"""

import pathlib
import re
import sys

INCLUDE = re.compile(r'^#include\s+([<"][^>"]+[>"])', re.MULTILINE)


def joined(sources: list[pathlib.Path]) -> str:
    headers: dict[str, None] = {}
    for source in sources:
        headers.update(dict.fromkeys(INCLUDE.findall(source.read_text(encoding="utf-8"))))
    lines = [f"#include {header}" for header in headers]
    for source in sources:
        lines += [f"namespace of_{source.stem} {{", f'#include "{source.resolve()}"', "}"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    pathlib.Path(sys.argv[1]).write_text(joined([pathlib.Path(s) for s in sys.argv[2:]]), encoding="utf-8")
