#!/usr/bin/env python3
"""Doxygen's filter for headers.

What a header declares goes into the group of its layer (include/graft/<layer>). What is the same for many gets its
sentence here rather than in each header: schemas of operators, setters of choices, comparisons, calls of layers. Lines
keep their numbers.
"""
import pathlib
import re
import sys

path = pathlib.Path(sys.argv[1])
lines = path.read_text(encoding="utf-8").split("\n")
layer = path.parent.name if path.parent.name != "graft" else path.stem if path.stem in ("static", "fuse") else ""

# Patterns of declarations without a docstring, and the sentence of each; the first that fits counts.
SENTENCES = [
    (r"inline constexpr operator_schema (\w+)\b", r"The schema of the operator `\1`."),
    (r"  (?:constexpr )?void set\(", "Takes one choice."),
    (r"  .*\boperator==\(.* = default;", "Member by member."),
    (r"  .*\boperator<=>\(.* = default;", "Member by member, in their order."),
    (r"  (\w+)\(const \1&(?: other)?\)(?: = default)?;", "Copies."),
    (r"  (\w+)& operator=\(const \1&", "Copies."),
    (r"  (?:constexpr )?(\w+)\(\1&&", "Takes over what the other holds."),
    (r"  (\w+)& operator=\(\1&&", "Takes over what the other holds."),
    (r"  \[\[nodiscard\]\] .*\(\) && \{", "The same of a temporary: by value."),
    (r"inline constexpr dtype dtype_of<(\w+)> =", r"The element type of `\1`."),
    (r"inline constexpr bool is_(\w+)<", r"These are one."),
    (r"inline constexpr bool is_(\w+) =", r"Whether a type is one: `\1`."),
    (r"(\w+)\(.*\) -> \1<.*>;", "What the arguments of the constructor tell of the type."),
    (r"  (?:static |\[\[nodiscard\]\] )constexpr attribute_list list\(\)", "The same as attributes of an op."),
    (r"  (?:\[\[nodiscard\]\] )?(?:constexpr )?[\w:*& ]+ (?:begin|end)\(\) (?:const|\{)", "A range, as those of the standard library."),
]
IN_LAYER = {
    "dsl": [
        (r"  constexpr (?:auto|X) operator\(\)\(const X& x, source_line here",
         "Adds what it is made of to the graph or recorder of `x`, whose type and shape are checked where it is called."),
        (r"  static constexpr auto label =", "What errors call the layer: its kind and its name."),
        (r"  detail::layer_key key;", "The key by which it shares its variables; empty: it shares none."),
        (r"  bool has_bias =", "Whether there is a bias."),
        (r"  initializer (\w+)_initializer =", r"How the values of the \1 start."),
        (r"  double (\w+)_value =", r"What the function \1() sets."),
        (r"  F (?:network|function);", "What is called."),
        (r"  constexpr (?:explicit )?(?:\w+_layer|then)\(", "Used by the function that makes the layer."),
    ],
}
if path.name == "boost.hpp":
    SENTENCES.append((r"inline ", "As the concepts of Boost.Graph want it."))


def first_line(at):
    """Where the declaration begins whose name is on line `at`: at its template parameters."""
    while at > 0 and re.match(r"\s*(template <|requires\b)", lines[at - 1]):
        at -= 1
    return at


def documented(at):
    return "///<" in lines[at] or at > 0 and lines[first_line(at) - 1].lstrip().startswith(("///", "*/"))


sentences = SENTENCES + IN_LAYER.get(layer, [])
found = {}
for at, line in enumerate(lines):
    for pattern, sentence in sentences:
        match = re.match(pattern, line)
        if match:
            if not documented(at):
                found[first_line(at)] = match.expand(sentence)
            break
for at, line in enumerate(lines):
    if re.match(r"#(define|undef) GRAFT_VECTOR_BYTES", line):  # set for one header, as an argument
        line = ""
    if at in found:
        line = re.sub(r"^(\s*)", lambda indent: f"{indent[1]}/** {found[at]} */ ", line, count=1)
    if layer:
        line = re.sub(r"^(namespace graft(?:::\w+)* \{)$", rf"\1 /** @addtogroup graft_{layer} */ /** @{{ */", line)
        line = re.sub(r"^(\}  // namespace graft(?:::\w+)*)$", r"/** @} */ \1", line)
    lines[at] = line
sys.stdout.write("\n".join(lines))
