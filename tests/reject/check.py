#!/usr/bin/env python3
"""Compiles a program that must not compile, and reads the first error it gets.

    check.py FILE -- COMPILER [ARGUMENT...]

FILE opens with comment lines `// expect: <regex>`. The compiler must refuse it, and every regex must
match in the first error: from the start of the output, which tells how the compiler got there,
through the notes that follow, up to the next error. What only a later error says does not count.

A file that mentions GRAFT_ACCEPT is compiled a second time with that macro defined, and must then
pass: so it is the marked lines that are refused, not something else in the file.
"""
import os
import re
import subprocess
import sys

EXPECT = re.compile(r"//\s*expect:\s*(.+?)\s*$")
# The source lines that compilers quote are left out: a regex must meet the message, not the program.
QUIET = ["-fsyntax-only", "-w", "-fno-diagnostics-color", "-fmessage-length=0"]


def expectations(text):
    found = []
    for line in text.splitlines():
        if not line.startswith("//"):
            break
        match = EXPECT.match(line)
        if match:
            found.append(match.group(1))
    return found


def first_error(output):
    lines = output.splitlines()
    errors = [i for i, line in enumerate(lines) if "error:" in line]
    if not errors:
        return ""
    end = errors[1] if len(errors) > 1 else len(lines)
    return "\n".join(lines[:end])


def compile_with(command, extra, file):
    is_clang = "clang" in subprocess.run(command + ["--version"], capture_output=True, text=True).stdout
    no_caret = "-fno-caret-diagnostics" if is_clang else "-fno-diagnostics-show-caret"
    # The C locale: with others g++ writes typographic quotes.
    return subprocess.run(command + QUIET + [no_caret] + extra + [file], capture_output=True,
                          text=True, env={**os.environ, "LC_ALL": "C"})


def check(file, command):
    """Returns the reasons why the file does not do what it says."""
    with open(file, encoding="utf-8") as source:
        text = source.read()
    patterns = expectations(text)
    if not patterns:
        return [f"{file} does not say what it expects; open it with `// expect: <regex>`."]

    reasons = []
    result = compile_with(command, [], file)
    if result.returncode == 0:
        reasons.append(f"{file} compiles, and must not.")
    else:
        error = first_error(result.stderr)
        for pattern in patterns:
            if not re.search(pattern, error):
                reasons.append(f"The first error does not match /{pattern}/. The compiler says:\n"
                               f"{result.stderr}")
    if "GRAFT_ACCEPT" in text:
        result = compile_with(command, ["-DGRAFT_ACCEPT"], file)
        if result.returncode != 0:
            reasons.append(f"With GRAFT_ACCEPT defined {file} must compile. The compiler says:\n"
                           f"{result.stderr}")
    return reasons


def main(arguments):
    split = arguments.index("--")
    reasons = check(arguments[0], arguments[split + 1:])
    print("\n".join(reasons) or "Refused with the words that were asked for.")
    return 1 if reasons else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
