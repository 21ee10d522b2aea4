#!/usr/bin/env python3
"""Writes one source out of several that the compiler takes less time for than for each alone.

  join_sources.py OUTPUT SOURCE...

What costs time in a small test is less its own text than the headers and the templates it shares with others. Each
source stands in a namespace of its own, so that names of one are none of another's; the headers of all come first, in
the order they are met, and are not read again inside. So a source cannot be joined that includes a header under a
condition, adds to a namespace of somebody else's, or replaces a global function; and sources whose headers replace one
are joined with each other only, or the others would be changed by it.
"""

import pathlib
import re
import sys

SUPPORT = pathlib.Path(__file__).parent
INCLUDE = re.compile(r'^#include\s+([<"][^>"]+[>"])', re.MULTILINE)


def replaces_allocation(file: pathlib.Path) -> bool:
    """Whether a source or a header of the tests that it includes replaces operator new."""
    text = file.read_text(encoding="utf-8")
    if re.search(r"^void\* operator new\(", text, re.MULTILINE):
        return True
    names = [header[1:-1] for header in INCLUDE.findall(text) if header.startswith('"')]
    places = [folder / name for name in names for folder in (file.parent, SUPPORT)]
    return any(place.exists() and replaces_allocation(place) for place in places)


def joined(sources: list[pathlib.Path]) -> str:
    headers: dict[str, None] = {}
    for source in sources:
        headers.update(dict.fromkeys(INCLUDE.findall(source.read_text(encoding="utf-8"))))
    lines = [f"#include {header}" for header in headers]
    for source in sources:
        lines += [f"namespace of_{source.stem} {{", f'#include "{source.resolve()}"', "}"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sources = [pathlib.Path(argument) for argument in sys.argv[2:]]
    replacing = [source.stem for source in sources if replaces_allocation(source)]
    if replacing and len(replacing) < len(sources):
        others = [source.stem for source in sources if source.stem not in replacing]
        sys.exit(
            f"{', '.join(replacing)} replace operator new and would do so for {', '.join(others)}, too: "
            "list them as tests that count in tests/unit/meson.build."
        )
    pathlib.Path(sys.argv[1]).write_text(joined(sources), encoding="utf-8")
