#!/usr/bin/env python3
"""Holds the layers: reads every #include under include/graft and src and reports the forbidden ones.

    check_layers.py SOURCE_ROOT

The tables below are the rules; docs explain them. Each finding is one sentence that names the file,
the line, the include and the rule.
"""
import pathlib
import re
import sys

# What the public headers of a layer may include, besides their own layer.
HEADERS = {
    "core": "",
    "vector": "",
    "schema": "core",
    "tensor": "core",
    "graph": "core schema tensor",
    "ops": "core schema",
    "dsl": "core schema ops",
    "lower": "core schema dsl ops graph tensor",
    "surgery": "core schema tensor graph ops lower",
    "train": "core schema tensor graph ops dsl lower surgery",
    "runtime": "core schema tensor graph ops surgery",
    "io": "core schema tensor graph ops surgery runtime",
    "report": "core schema tensor graph surgery",
    "static": "core vector schema tensor graph ops dsl lower runtime",
    "fuse": "core vector schema tensor graph ops dsl lower runtime",
}
# What the sources of a layer may include beyond that. `kernels` and `cli` exist only under src.
SOURCES = {
    "ops": "tensor graph kernels",
    "runtime": "kernels",
    "kernels": "core vector tensor",
    "cli": "core schema tensor graph ops dsl lower surgery train runtime io report",
}
LAYERS = {**{layer: set(names.split()) for layer, names in HEADERS.items()},
          "kernels": set(), "cli": set()}
ALLOWED_IN_SRC = {layer: LAYERS[layer] | set(SOURCES.get(layer, "").split()) for layer in LAYERS}

UMBRELLA = "graft/graft.hpp"
# What a user of the umbrella header must not pay for, not even through another header.
NOT_BEHIND_UMBRELLA = re.compile(r"graft/graph/boost\.hpp|graft/static|graft/fuse|graft/vector|boost/graph/|xsimd")

# Libraries from outside: a pattern for the include and a rule of where it may stand.
# Each rule is a predicate on (public, layer, path) and the words for the message.
OUTSIDE = [
    (r"xsimd/", lambda public, layer, path: layer == "kernels",
     "xsimd may be included only under src/kernels"),
    (r"boost/graph/", lambda public, layer, path: layer in ("graph", "surgery"),
     "Boost.Graph may be included only by the graph and surgery layers"),
    (r"boost/hana(/|\.hpp)", lambda public, layer, path: layer in ("dsl", "lower", "runtime"),
     "Boost.Hana may be included only by the dsl, lower and runtime layers"),
    (r"(fmt|nlohmann)/", lambda public, layer, path: path.endswith(".cpp"),
     "fmt and nlohmann/json may be included only by .cpp files"),
    (r"(onnx|google/protobuf)/", lambda public, layer, path: not public and layer == "io",
     "ONNX and its message library may be included only under src/io"),
    (r"CLI/", lambda public, layer, path: layer == "cli",
     "the command-line parser may be included only under src/cli"),
    (r"(tbb|oneapi|Random123)/", lambda public, layer, path: not public,
     "public headers may need nothing from outside but the standard library and Boost's headers"),
    (r"Eigen/", lambda public, layer, path: layer == "tensor",
     "Eigen may be included only by the bridges of the tensor layer"),
]
NOT_EVEN_IN_COMMENTS = re.compile(r"xsimd|protobuf", re.IGNORECASE)
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')


def files(root):
    for folder in ("include/graft", "src"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".hpp", ".cpp", ".ipp", ".h"):
                yield path


def includes(path):
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1)


def layer_of_file(relative):
    """core for include/graft/core/x.hpp and src/core/x.cpp; the file's stem for include/graft/x.hpp."""
    parts = relative.parts[2:] if relative.parts[0] == "include" else relative.parts[1:]
    return parts[0] if len(parts) > 1 else pathlib.Path(parts[0]).stem


def layer_of_include(path, root, target):
    """The layer an include leads to, or None for one that leaves the project."""
    if target.startswith("graft/"):
        rest = target.split("/")[1:]
        return rest[0] if len(rest) > 1 else pathlib.Path(rest[0]).stem
    if (path.parent / target).is_file():
        return layer_of_file((path.parent / target).resolve().relative_to(root))
    if (root / "src" / target).is_file():
        return target.split("/")[0]
    return None


def check_file(root, path):
    relative = path.relative_to(root)
    public = relative.parts[0] == "include"
    layer = layer_of_file(relative)
    name = relative.as_posix()
    is_umbrella = name == f"include/{UMBRELLA}"
    if layer not in LAYERS and not is_umbrella:
        yield f"{name}: the folder '{layer}' is no layer; add it to the tables of check_layers.py."
        return
    allowed = set(HEADERS) - {"static", "fuse", "vector"} if is_umbrella else (LAYERS if public else ALLOWED_IN_SRC)[layer]

    for number, target in includes(path):
        where = f"{name}:{number}: #include of {target}: "
        other = layer_of_include(path, root, target)
        if other is not None:
            if public and not target.startswith("graft/"):
                yield where + "public headers are included by their full path, graft/<layer>/<name>.hpp."
            if other != layer and other not in allowed:
                listed = ", ".join(sorted(allowed)) or "no other layer"
                kind = "headers" if public else "sources"
                yield where + f"{kind} of '{layer}' may include {listed}, and '{other}' is not among them."
            continue
        rule_found = False
        for pattern, may_stand, rule in OUTSIDE:
            if re.match(pattern, target):
                rule_found = True
                if not may_stand(public, layer, name):
                    yield where + rule + "."
        if public and not rule_found and "/" in target and not re.match(r"(boost|sys)/", target):
            yield where + "public headers may need nothing from outside but Boost's headers."

    if public:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = NOT_EVEN_IN_COMMENTS.search(line)
            if match and not INCLUDE.match(line):
                yield (f"{name}:{number}: public headers must not mention {match.group(0)}, "
                       "not even in a comment: it is a detail of the library's inside.")


def check_umbrella(root):
    """Follows the public headers from the umbrella and reports the first way to something banned."""
    start = root / "include" / UMBRELLA
    if not start.is_file():
        return
    came_from, waiting = {start: None}, [start]
    while waiting:
        path = waiting.pop()
        for number, target in includes(path):
            if NOT_BEHIND_UMBRELLA.match(target):
                way = [target]
                at = path
                while at is not None:
                    way.insert(0, at.relative_to(root / "include").as_posix())
                    at = came_from[at]
                yield (f"{path.relative_to(root).as_posix()}:{number}: #include of {target}: "
                       f"{UMBRELLA} must not lead there, and does: {' -> '.join(way)}.")
                continue
            following = root / "include" / target
            if target.startswith("graft/") and following.is_file() and following not in came_from:
                came_from[following] = path
                waiting.append(following)


def check_page(root):
    """Holds the table of layers in docs/explanation/architecture.md to the one above."""
    page = root / "docs" / "explanation" / "architecture.md"
    if not page.is_file():
        return
    text = page.read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([a-z]+) \| [^|]+ \| ([a-z, -]+) \|$", text, re.M)
    shown = {layer: "" if included == "-" else included.replace(",", "") for layer, included in rows}
    for layer, wanted in HEADERS.items():
        if shown.get(layer) != wanted:
            yield (f"docs/explanation/architecture.md: the table of layers says that headers of '{layer}' may include "
                   f"'{shown.get(layer)}', and the rule is '{wanted}'.")


def check_tree(root):
    root = pathlib.Path(root).resolve()
    findings = [finding for path in files(root) for finding in check_file(root, path)]
    return findings + list(check_umbrella(root)) + list(check_page(root))


if __name__ == "__main__":
    problems = check_tree(sys.argv[1])
    print("\n".join(problems) or "Every include keeps to its layer.")
    sys.exit(1 if problems else 0)
