#!/usr/bin/env python3
"""Tests check_snippets.py on small trees of pages and snippets."""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import check_snippets  # noqa: E402

SNIPPET = "int main() {\n  //! [a]\n  int x = 1;\n    x += 2;\n  //! [a]\n}\n"
MARK = "<!-- snippet: one.cpp a -->\n"
BLOCK = "```cpp\nint x = 1;\n  x += 2;\n```\n"


class Snippets(unittest.TestCase):
    def findings(self, readme, snippet=SNIPPET):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "docs" / "snippets").mkdir(parents=True)
            (root / "docs" / "snippets" / "one.cpp").write_text(snippet)
            (root / "README.md").write_text(readme)
            return list(check_snippets.check_tree(root))

    def one(self, words, *args):
        found = self.findings(*args)
        self.assertEqual(len(found), 1, found)
        self.assertIn(words, found[0])

    def test_equal(self):
        self.assertEqual(self.findings(MARK + BLOCK), [])

    def test_blank_line_after_mark(self):
        self.assertEqual(self.findings(MARK + "\n" + BLOCK), [])

    def test_other_text(self):
        self.one("from its line 2 on", MARK + BLOCK.replace("2", "3"))

    def test_shorter_text(self):
        self.one("from its line 2 on", MARK + BLOCK.replace("  x += 2;\n", ""))

    def test_unmarked(self):
        self.one("names no snippet", BLOCK + MARK + BLOCK)

    def test_mark_is_of_the_next_block_only(self):
        self.one("names no snippet", MARK + BLOCK + BLOCK)

    def test_no_file(self):
        self.one("two.cpp does not exist", MARK + BLOCK + MARK.replace("one", "two") + BLOCK)

    def test_no_region(self):
        self.one("no region 'b' (it has: a)", MARK + BLOCK + MARK.replace(" a ", " b ") + BLOCK)

    def test_unused(self):
        self.one("no page shows the region 'a'", "nothing\n")

    def test_text(self):
        text = BLOCK.replace("cpp", "text")
        self.assertEqual(self.findings(MARK + BLOCK + text), [])
        self.one("from its line 2 on", MARK + text.replace("2", "3"))

    def test_shell_is_not_code(self):
        self.assertEqual(self.findings(MARK + BLOCK + "```sh\nmake\n```\n"), [])

    def test_links(self):
        self.assertEqual(self.findings(MARK + BLOCK + "[a](docs/snippets/one.cpp#x) [b](https://example.org) [c](#d)\n"), [])
        self.assertEqual(self.findings(MARK + BLOCK + "```text\nmany[0](y)\n```\n"), [])
        self.one("the link to docs/two.md leads nowhere", MARK + BLOCK + "see [a](docs/two.md)\n")

    def test_open_region(self):
        self.one("marked 1 times", "nothing\n", "//! [a]\n")


if __name__ == "__main__":
    unittest.main()
