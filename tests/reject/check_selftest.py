#!/usr/bin/env python3
"""Shows that check.py tells a proper refusal from the ways a test can pass by accident.

    check_selftest.py COMPILER [ARGUMENT...]
"""
import pathlib
import sys
import tempfile

from check import check

# Name, program, and whether check.py should be content with it.
CASES = [
    ("refused with the right words",
     "// expect: dense needs 784\nstatic_assert(sizeof(int) == 1, \"dense needs 784\");\n", True),
    ("the words stand in the way to the error",
     "// expect: named_in_template<\\s*32\n"
     "template <int N> struct named_in_template { static_assert(N < 0, \"no\"); };\n"
     "named_in_template<32> x;\n", True),
    ("accepted by the compiler", "// expect: anything\nint main() {}\n", False),
    ("refused for another reason", "// expect: dense needs\nint x = nowhere;\n", False),
    ("the right words come in the second error only",
     "// expect: dense needs 784\nint x = nowhere;\n"
     "static_assert(sizeof(int) == 1, \"dense needs 784\");\n", False),
    ("the right words stand in the quoted source line only",
     "// expect: dense needs 784\nint x = nowhere;  // dense needs 784\n", False),
    ("one of two expectations fails",
     "// expect: dense needs\n// expect: conv needs\n"
     "static_assert(sizeof(int) == 1, \"dense needs 784\");\n", False),
    ("each case is refused with its words",
     "// expect: no 1\n#define TWO 2\ntemplate <int N> struct no1 { static_assert(N < 0, \"no 1\"); };\n"
     "no1<1> x;\n// expect: no 2\nstatic_assert(TWO == 1, \"no 2\");\n", True),
    ("a case has the words of another",
     "// expect: no 1\nstatic_assert(sizeof(int) == 1, \"no 1\");\n"
     "// expect: no 1\nstatic_assert(sizeof(int) == 1, \"no 2\");\n", False),
    ("a case compiles",
     "// expect: no 1\nstatic_assert(sizeof(int) == 1, \"no 1\");\n// expect: no 1\nint x = 1;\n", False),
    ("the words come in the second error of a case only",
     "// expect: no 1\nstatic_assert(sizeof(int) == 1, \"no 1\");\n"
     "// expect: no 2\nint x = nowhere;\nstatic_assert(sizeof(int) == 1, \"no 2\");\n", False),
    ("says nothing", "int x = nowhere;\n", False),
    ("the rest of the file compiles",
     "// expect: nowhere\n#ifndef GRAFT_ACCEPT\nint x = nowhere;\n#endif\n", True),
    ("the rest of the file does not compile",
     "// expect: nowhere\nint x = nowhere;\n#ifdef GRAFT_ACCEPT\n#endif\n", False),
]


def main(command):
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        for name, text, wanted in CASES:
            file = pathlib.Path(folder, "case.cpp")
            file.write_text(text)
            if (check(str(file), command) == []) != wanted:
                failures.append(f"'{name}' should {'pass' if wanted else 'fail'} and does not.")
    print("\n".join(failures) or "The runner judges every case rightly.")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
