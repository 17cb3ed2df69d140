# SPDX-License-Identifier: MIT
"""Planting defects: edits are made where they say, one that fits nowhere is an error, and rules make the same mutants
each time."""
import os
import sys
import tempfile
import unittest

TOOLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools")
sys.path.insert(0, TOOLS)
sys.dont_write_bytecode = True

import mutants  # noqa: E402
import planting  # noqa: E402

SOURCE = """/* A comment with if (this) { in it. */
static bool full(const struct box *b)
{
    return b->count >= b->max && !b->open;
}

static plait_err put(struct box *b, int fd)
{
    static const int sizes[] = {1 < 2, 3};
    assert(b->count < 100);
    if (fd < 0 || full(b))
        return PLAIT_FAIL(PLAIT_ELIMIT);
    while (take(fd) == -EAGAIN)
        wait_for(fd);
    b->flags |= FULL;
    return PLAIT_OK;
}
"""
LIST = """== forgotten_flag
wrong: The flag is forgotten.
file: src/engine/box.c
in: put
-    b->flags |= FULL;
+    (void)b;

== one_too_many
wrong: One more than allowed goes in.
file: src/engine/box.c
instead of: b->count >= b->max
expression: b->count > b->max
"""


class Planting(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = self.folder.name
        self.write("src/engine/box.c", SOURCE)
        self.write("src/base/meson.build", "")
        self.write("tests/defects/planted.txt", LIST)

    def tearDown(self):
        self.folder.cleanup()

    def write(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)

    def planted(self, found):
        tree = os.path.join(self.root, "build", "tree")
        edits = planting.edits_of(planting.read_defects(self.root), found)
        numbers = planting.make_tree(edits, self.root, tree)
        with open(os.path.join(tree, "src/engine/box.c"), encoding="utf-8") as file:
            return numbers, file.read()

    def test_an_edit_keeps_the_original_beside_the_change(self):
        numbers, text = self.planted([])
        self.assertEqual(sorted(numbers), ["forgotten_flag", "one_too_many"])
        self.assertIn(f"(PLANTED({numbers['one_too_many']}) ? (b->count > b->max) : (b->count >= b->max))", text)
        self.assertIn("(void)b;\n} else {\n    b->flags |= FULL;\n}\n", text)

    def test_an_edit_whose_original_is_gone_is_an_error(self):
        self.write("src/engine/box.c", SOURCE.replace("b->flags |= FULL;", "b->flags = FULL;"))
        with self.assertRaisesRegex(planting.Wrong, "forgotten_flag: the original is there 0 times"):
            planting.read_defects(self.root)

    def test_an_original_that_is_there_twice_is_an_error(self):
        self.write("src/engine/box.c", SOURCE.replace("b->open", "b->count >= b->max"))
        with self.assertRaisesRegex(planting.Wrong, "one_too_many: the original is there 2 times"):
            planting.read_defects(self.root)

    def test_the_rules_make_these_mutants(self):
        found = {(m.rule, m.text) for m in mutants.all_mutants(self.root)}
        self.assertEqual(found, {
            ("logic", "b->count >= b->max && !b->open"), ("edge", "b->count >= b->max"),
            ("negate", "fd < 0 || full(b)"), ("logic", "fd < 0 || full(b)"),
            ("return", "PLAIT_FAIL(PLAIT_ELIMIT)"),
            ("negate", "take(fd) == -EAGAIN"), ("errno", "take(fd) == -EAGAIN"),
            ("skip", "wait_for(fd)"), ("skip", "b->flags |= FULL")})

    def test_keys_are_stable_and_names_are_all_different(self):
        first, again = mutants.all_mutants(self.root), mutants.all_mutants(self.root)
        self.assertEqual([m.key for m in first], [m.key for m in again])
        self.assertEqual(len({m.key for m in first}), len(first))
        self.assertIn("src/engine/box.c put skip: wait_for(fd)", [m.key for m in first])

    def test_mutants_stand_inside_the_originals_of_edits(self):
        numbers, text = self.planted(mutants.all_mutants(self.root))
        self.assertEqual(len(numbers), 11)
        self.assertNotIn("@", text)
        for number in numbers.values():
            self.assertIn(f"PLANTED({number})", text)


if __name__ == "__main__":
    unittest.main()
