#!/usr/bin/env python3
"""Holds the C++ of the project to .clang-format.

    check_format.py CLANG_FORMAT SOURCE_ROOT [--fix]

With --fix the files are formatted instead.
"""
import pathlib
import subprocess
import sys

FOLDERS = ["src", "include", "tests", "examples", "docs/snippets"]


def sources(root):
    files = []
    for folder in FOLDERS:
        found = [file for ending in ("cpp", "hpp", "ipp") for file in (root / folder).rglob(f"*.{ending}")]
        if not found:
            sys.exit(f"There is no C++ in {root / folder}.")
        files += found
    return sorted(files)


def main(arguments):
    program, root = arguments[0], pathlib.Path(arguments[1])
    files = sources(root)
    if "--fix" in arguments[2:]:
        return subprocess.run([program, "-i", *files]).returncode
    status = subprocess.run([program, "--dry-run", "--Werror", "--ferror-limit=1", *files]).returncode
    if status != 0:
        print(f"Format them: python3 tests/support/check_format.py {pathlib.Path(program).name} . --fix")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
