#!/usr/bin/env python3
"""Runs Doxygen and refuses what it warns of.

    write_reference.py DOXYGEN DOXYFILE OUTPUT_FOLDER [--check]

Writes the reference as HTML; with --check it writes no pages, and warns all the same. A public name without a docstring, a
parameter that does not exist, a snippet that is not found: each is an error.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

# With these Doxygen reads all that it is given and writes no page.
CHECK_ONLY = """
GENERATE_HTML = NO
GENERATE_TAGFILE = {folder}/tags.xml
OUTPUT_DIRECTORY = {folder}
WARN_LOGFILE = {folder}/warnings.txt
"""


def warnings_of(doxygen, settings, folder):
    """What Doxygen warns of, a line each, paths from `include` on."""
    subprocess.run([doxygen, "-"], input=settings, text=True, check=True)
    text = (pathlib.Path(folder) / "warnings.txt").read_text(encoding="utf-8")
    return [re.sub(r"^/\S*?/(?=(include/graft|docs)/)", "", line) for line in text.splitlines() if line.strip()]


def main(doxygen, doxyfile, output, *mode):
    settings = pathlib.Path(doxyfile).read_text(encoding="utf-8")
    if mode == ("--check",):
        with tempfile.TemporaryDirectory() as folder:
            found = warnings_of(doxygen, settings + CHECK_ONLY.format(folder=folder), folder)
    else:
        found = warnings_of(doxygen, settings, output)
        print(f"{output}/html/index.html")
    print("\n".join(found) or "Every public name has its docstring.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
