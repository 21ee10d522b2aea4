#!/usr/bin/env python3
"""Compiles a program that must not compile, and reads the first error it gets.

    check.py FILE -- COMPILER [ARGUMENT...]

FILE opens with comment lines `// expect: <regex>`. The compiler must refuse it, and every regex must
match in the first error: from the start of the output, which tells how the compiler got there,
through the notes that follow, up to the next error. What only a later error says does not count.

Where such lines stand further down, the file holds several cases, each from its `// expect:` lines to
the next ones. Each must be refused by an error of its own, one that mentions a line of the case; what
was said of the first error above holds for the first error of each case.

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


def cases(text):
    """Returns the cases of a file: their regexes, and their first and last lines."""
    found, in_block, opening = [], False, True
    for number, line in enumerate(text.splitlines(), 1):
        match = EXPECT.match(line)
        if match and not in_block:
            found.append(([], number))
        if match:
            found[-1][0].append(match.group(1))
        in_block = bool(match)
        opening = opening and line.startswith("//")
        if opening:
            end_of_opening = number
    ends = [first - 1 for _, first in found[1:]] + [number]
    return [(patterns, first, last) for (patterns, first), last in zip(found, ends)], \
        bool(found) and found[-1][1] > end_of_opening


def errors(output, is_clang):
    """Splits what a compiler says into errors: how it got there, the message, the notes."""
    found, lead = [], []
    for line in output.splitlines():
        if "error:" in line:
            found.append(lead + [line])
            lead = []
        elif found and (is_clang or "note:" in line):
            found[-1] += lead + [line]
            lead = []
        else:
            lead.append(line)
    if found:
        found[-1] += lead
    return ["\n".join(lines) for lines in found]


def of_case(file, first, last, found):
    """Returns the errors that mention a line of the case."""
    mention = re.compile(re.escape(os.path.basename(file)) + r":(\d+)")
    return [error for error in found
            if any(first <= int(line) <= last for line in mention.findall(error))]


def compile_with(command, extra, file):
    is_clang = "clang" in subprocess.run(command + ["--version"], capture_output=True, text=True).stdout
    no_caret = "-fno-caret-diagnostics" if is_clang else "-fno-diagnostics-show-caret"
    no_limit = "-ferror-limit=0" if is_clang else "-fmax-errors=0"
    # The C locale: with others g++ writes typographic quotes.
    result = subprocess.run(command + QUIET + [no_caret, no_limit] + extra + [file],
                            capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    return result, is_clang


def check(file, command):
    """Returns the reasons why the file does not do what it says."""
    with open(file, encoding="utf-8") as source:
        text = source.read()
    listed, several = cases(text)
    if not listed:
        return [f"{file} does not say what it expects; open it with `// expect: <regex>`."]

    reasons = []
    result, is_clang = compile_with(command, [], file)
    found = errors(result.stderr, is_clang)
    if result.returncode == 0:
        reasons.append(f"{file} compiles, and must not.")
        listed = []
    for patterns, first, last in listed:
        about = of_case(file, first, last, found) if several else found
        place = f" of the case in line {first}" if several else ""
        if not about:
            reasons.append(f"No error{place} is there. The compiler says:\n{result.stderr}")
            continue
        for pattern in patterns:
            if not re.search(pattern, about[0]):
                reasons.append(f"The first error{place} does not match /{pattern}/. The compiler says:\n"
                               f"{about[0] if several else result.stderr}")
    if "GRAFT_ACCEPT" in text:
        result, _ = compile_with(command, ["-DGRAFT_ACCEPT"], file)
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
