#!/usr/bin/env python3
"""Holds the code on the pages to code that is compiled and run.

    check_snippets.py SOURCE_ROOT

On a page, `<!-- snippet: file.cpp name -->` before a block says that the block is the region
between the two lines `//! [name]` of docs/snippets/file.cpp, without their common indentation. A
block of C++ that no such line precedes is a finding too; blocks of text (what an error says) may do
without. So is a link to a file that does not exist. Each finding is one sentence.
"""
import pathlib
import re
import sys
import textwrap

MARK = re.compile(r"<!--\s*snippet:\s*(\S+)\s+(\S+)\s*-->")
LINK = re.compile(r"\]\(([^)\s]+)\)")
TAG = re.compile(r"^\s*//! \[(\w+)\]\s*$")


def blocks(text):
    """Yields (number of the line where a block opens, (file, name) or None, the block) for C++ and
    for other blocks with a mark."""
    mark, opened, body, language = None, None, [], ""
    for number, line in enumerate(text.splitlines(), 1):
        if opened is not None:
            if line.strip() == "```":
                if language == "cpp" or mark is not None:
                    yield opened, mark, "\n".join(body)
                mark, opened, body = None, None, []
            else:
                body.append(line)
        elif line.strip().startswith("```"):
            opened, language = number, line.strip()[3:]
        elif MARK.match(line.strip()):
            mark = MARK.match(line.strip()).groups()
        elif line.strip():
            mark = None


def regions(path):
    """The regions of a file by name: their text without common indentation and without inner tags."""
    lines = path.read_text(encoding="utf-8").splitlines()
    tags = [(number, TAG.match(line).group(1)) for number, line in enumerate(lines) if TAG.match(line)]
    found = {}
    for name in {name for _, name in tags}:
        places = [number for number, other in tags if other == name]
        if len(places) != 2:
            raise ValueError(f"{path.name}: the region '{name}' is marked {len(places)} times instead of twice.")
        inner = [line for line in lines[places[0] + 1:places[1]] if not TAG.match(line)]
        found[name] = textwrap.dedent("\n".join(inner)).strip("\n")
    return found


def broken_links(root, page, text):
    """Yields sentences about links of a page to files that are not there."""
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        inside ^= line.strip().startswith("```")
        for target in [] if inside else LINK.findall(line):
            path = target.split("#")[0]
            if "://" in target or not path:
                continue
            if not (page.parent / path).exists():
                yield f"{page.relative_to(root).as_posix()}:{number}: the link to {target} leads nowhere."


def check_tree(root):
    root = pathlib.Path(root)
    pages = [page for page in (root / "README.md", root / "CONTRIBUTING.md", root / "examples" / "README.md") if page.is_file()]
    pages += sorted((root / "docs").rglob("*.md"))
    files, used = {}, set()
    for path in sorted((root / "docs" / "snippets").glob("*.cpp")):
        try:
            files[path.name] = regions(path)
        except ValueError as problem:
            yield str(problem)
            files[path.name] = {}
    for page in pages:
        text = page.read_text(encoding="utf-8")
        yield from broken_links(root, page, text)
        for number, mark, body in blocks(text):
            where = f"{page.relative_to(root).as_posix()}:{number}: "
            if mark is None:
                yield where + "this block of C++ names no snippet; code on the pages is compiled."
                continue
            file, name = mark
            used.add(mark)
            if file not in files:
                yield where + f"docs/snippets/{file} does not exist."
            elif name not in files[file]:
                known = ", ".join(sorted(files[file])) or "none"
                yield where + f"docs/snippets/{file} has no region '{name}' (it has: {known})."
            elif files[file][name] != body.strip("\n"):
                page_lines, file_lines = body.strip("\n").split("\n"), files[file][name].split("\n")
                differs = next((i for i, (a, b) in enumerate(zip(page_lines, file_lines)) if a != b),
                               min(len(page_lines), len(file_lines)))
                yield (where + f"the block differs from region '{name}' of docs/snippets/{file} "
                       f"from its line {differs + 1} on.")
    reference = root / "docs" / "reference.md"
    main_page = reference.read_text(encoding="utf-8") if reference.is_file() else ""
    for file, names in files.items():
        for name in sorted(names):
            if (file, name) not in used and f"\\snippet {file} {name}" not in main_page:
                yield f"docs/snippets/{file}: no page shows the region '{name}'."


if __name__ == "__main__":
    problems = list(check_tree(sys.argv[1]))
    print("\n".join(problems) or "All code on the pages is that of the snippets.")
    sys.exit(1 if problems else 0)
