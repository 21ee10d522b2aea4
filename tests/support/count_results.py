#!/usr/bin/env python3
"""Prints "N passed, N failed" for the last `meson test` in each build folder named.

Fails if a test failed or if none ran at all. Skipped tests count as neither.
"""
import json
import pathlib
import sys

PASSED = {"OK", "EXPECTEDFAIL"}
NEITHER = {"SKIP", "IGNORED"}


def count(build_dir):
    log = pathlib.Path(build_dir) / "meson-logs" / "testlog.json"
    passed = failed = 0
    if log.exists():
        for line in log.read_text(errors="replace").splitlines():
            result = json.loads(line)["result"]
            if result in PASSED:
                passed += 1
            elif result not in NEITHER:
                failed += 1
    return passed, failed


def main(build_dirs):
    counts = [count(d) for d in build_dirs]
    passed = sum(p for p, _ in counts)
    failed = sum(f for _, f in counts)
    if passed + failed == 0:
        failed = 1  # a run without tests proves nothing
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
