#!/usr/bin/env python3
"""Holds that every header that users include compiles where nothing is included before it.

    check_headers.py SOURCE_ROOT COMPILER [ARGUMENT...]

A source that begins with a header tries it as the library is built, and so a header tries the one that it begins with.
Only what is not tried so is compiled here, as a program of one include, several at once. Each failure is reported with the
first error of the compiler.
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

# Headers that need what Graft does not, its header and its package: they are tried where it is installed.
NEEDED = {"graft/tensor/eigen.hpp": ("Eigen/Core", "eigen3")}

# Headers that are left out, as trying them would cost time and show little: those that only other headers of the library
# name, and the one of all headers, which most tests begin with.
LEFT_OUT = re.compile(r"graft/static/|graft/graph/tables\.hpp|graft/graft\.hpp")

FIRST_INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.M)


def begins_with(path):
    """The include that a file begins with, or None."""
    match = FIRST_INCLUDE.search(path.read_text(encoding="utf-8"))
    return match.group(1) if match else None


def chain_from(root, target):
    """The public header `target`, the one that it begins with, and so on."""
    while target and target.startswith("graft/") and (root / "include" / target).is_file():
        yield target
        target = begins_with(root / "include" / target)


def headers_to_compile(root):
    """All public headers, and the few of them that nothing else tries."""
    headers = {p.relative_to(root / "include").as_posix() for p in (root / "include" / "graft").rglob("*.hpp")}
    tried = {header for source in (root / "src").rglob("*.cpp") for header in chain_from(root, begins_with(source))}
    rest = {header for header in headers - tried if not LEFT_OUT.match(header)}
    begun_with = {inner for header in rest for inner in list(chain_from(root, header))[1:]}
    return headers, sorted(rest - begun_with)


def compile_text(command, root, text):
    """What the compiler says of a program, or None if it compiles."""
    run = subprocess.run([*command, f"-I{root / 'include'}", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c++", "-"],
                         input=text, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    return None if run.returncode == 0 else run.stderr


def flags_of(package):
    """What a compiler must be told to find the headers of a package."""
    try:
        run = subprocess.run(["pkg-config", "--cflags", package], capture_output=True, text=True)
    except OSError:
        return []
    return [flag.replace("-I", "-isystem", 1) for flag in run.stdout.split()] if run.returncode == 0 else []


def first_error(text):
    lines = [line for line in text.splitlines() if "error:" in line]
    return lines[0] if lines else text.strip() or "the compiler failed and said nothing"


def check_tree(root, command):
    """Sentences about the headers that do not compile, and how many there are of which how many were compiled here."""
    root = pathlib.Path(root).resolve()
    headers, chosen = headers_to_compile(root)
    commands = {header: [*command, *flags_of(package)] for header, (_, package) in NEEDED.items()}
    absent = {header for header, (name, _) in NEEDED.items()
              if compile_text(commands[header], root, f"#include <{name}>\n")}
    chosen = [header for header in chosen if header not in absent]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        said = pool.map(lambda header: compile_text(commands.get(header, command), root, f'#include "{header}"\n'),
                        chosen)
    problems = [f"include/{header} does not compile alone, it includes less than it needs: {first_error(text)}"
                for header, text in zip(chosen, said) if text]
    return problems, len(headers), len(chosen)


if __name__ == "__main__":
    found, count, compiled = check_tree(sys.argv[1], sys.argv[2:])
    print("\n".join(found) or f"Every header compiles alone: of {count}, {compiled} were tried here; sources and tests begin with the others.")
    sys.exit(1 if found else 0)
