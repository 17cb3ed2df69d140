# SPDX-License-Identifier: MIT
"""The tools judge; here they are judged: for each rule a tiny bad tree must be flagged, and a good one must not."""
import os
import subprocess
import sys
import tempfile
import unittest

TOOLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools")

OPENING = """/* SPDX-License-Identifier: MIT
 *
 * What it is.
 * What it isn't.
 * Its test.
 */
"""
HEADER = """/* SPDX-License-Identifier: MIT
 *
 * What it is.
 */
"""


class Tree(unittest.TestCase):
    """A tree of its own for each test."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = self.folder.name
        self.write("tools/rooms.txt", "err.h base\nreactor.h engine\nweb.h web\nsim.h sim\n")
        self.write("packaging/symbols.txt", "[plait]\n[plait-sim]\n")

    def tearDown(self):
        self.folder.cleanup()

    def write(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)

    def source(self, path, code):
        """A good source but for `code`, and named by its meson.build."""
        self.write(path, OPENING + code)
        self.write(os.path.join(os.path.dirname(path), "meson.build"), f"'{os.path.basename(path)}'\n")

    def tool(self, name, *arguments):
        done = subprocess.run([sys.executable, os.path.join(TOOLS, name), "--root", self.root, *arguments],
                              capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def flagged(self, rule, what=""):
        status, output = self.tool("lint")
        self.assertEqual(status, 1, output)
        self.assertTrue(any(f"({rule})" in line and what in line for line in output.split("\n")), output)

    def clean(self):
        status, output = self.tool("lint")
        self.assertEqual((status, output), (0, "lint: clean\n"))


class Lint(Tree):
    def test_a_good_tree_is_clean(self):
        self.source("src/engine/a.c",
                    '#include <plait/err.h>\n#include "base/x.h"\n\nstatic const int table[] = {1};\n\n'
                    "int f(struct s *s);\nint f(struct s *s)\n{\n    return s->ops->read(s, table[0]);\n}\n")
        self.write("include/plait/err.h", HEADER
                   + "/** Says something. Errors: PLAIT_EIO. */\nPLAIT_API plait_err f(void);\n")
        self.write("packaging/symbols.txt", "[plait]\nf\n[plait-sim]\n")
        self.clean()

    def test_a_lower_room_may_not_include_a_higher_one(self):
        self.source("src/base/a.c", '#include "engine/core.h"\n')
        self.flagged("floors")

    def test_a_lower_room_may_not_include_a_higher_public_header(self):
        self.source("src/base/a.c", "#include <plait/reactor.h>\n")
        self.flagged("floors")

    def test_two_families_may_not_include_each_other(self):
        self.source("src/web/a.c", '#include "small/finger.h"\n')
        self.flagged("floors")

    def test_the_library_may_not_include_the_simulated_world(self):
        self.source("src/web/a.c", "#include <plait/sim.h>\n")
        self.flagged("floors", "simulated")

    def test_the_program_may_not_include_internal_headers(self):
        self.source("src/program/a.c", '#include "engine/core.h"\n')
        self.flagged("floors", "public headers only")

    def test_a_codec_may_not_include_the_engine(self):
        self.source("src/web/http1_wire.c", "#include <plait/reactor.h>\n")
        self.flagged("floors", "codec")

    def test_a_codec_may_not_use_what_its_own_header_brings_along(self):
        self.write("include/plait/reactor.h", HEADER + "struct plait_reactor;\n")
        self.source("src/web/http1_wire.c", "#include <plait/web.h>\n\nvoid f(struct plait_reactor *r);\n")
        self.flagged("floors", "uses plait_reactor of the engine")

    def test_a_public_header_may_not_include_a_third_partys(self):
        self.write("include/plait/err.h", HEADER + "#include <openssl/ssl.h>\n")
        self.flagged("floors", "standard header")

    def test_a_public_header_belongs_to_a_room(self):
        self.write("include/plait/new.h", HEADER)
        self.flagged("floors", "rooms.txt")

    def test_a_long_function(self):
        self.source("src/base/a.c", "int f(void)\n{\n" + "    g();\n" * 70 + "}\n")
        self.flagged("size", "70 lines")

    def test_a_function_of_69_lines_is_fine(self):
        self.source("src/base/a.c", "int f(void)\n{\n" + "    g();\n" * 69 + "}\n")
        self.clean()

    def test_a_long_source(self):
        self.source("src/base/a.c", "int f(void);\n" * 800)
        self.flagged("size", "a source stays under")

    def test_a_long_header(self):
        self.write("src/base/a.h", HEADER + "int f(void);\n" * 250)
        self.flagged("size", "a header stays under")

    def test_many_parameters(self):
        self.source("src/base/a.c",
                    "int f(int a, int b, int c, int (*d)(int, int), int e, int g, int h)\n{\n    return a;\n}\n")
        self.flagged("size", "7 parameters")

    def test_banned_calls(self):
        for name in ("strcpy", "strcat", "sprintf", "vsprintf", "strtok", "atoi", "atol", "sscanf", "gets", "alloca",
                     "strncpy"):
            self.source("src/base/a.c", f"int f(void)\n{{\n    return {name}(a);\n}}\n")
            self.flagged("banned", name)

    def test_the_heap(self):
        self.source("src/base/a.c", "void f(void)\n{\n    void *p = malloc(1);\n    free(p);\n}\n")
        self.flagged("banned", "malloc")
        self.flagged("banned", "free")

    def test_printing_outside_the_program(self):
        self.source("src/base/a.c", 'void f(void)\n{\n    printf("x");\n}\n')
        self.flagged("banned", "printf")
        self.source("src/base/a.c", "")
        self.source("src/program/a.c", 'void f(void)\n{\n    printf("x");\n}\n')
        self.clean()

    def test_a_direct_system_call(self):
        self.source("src/engine/a.c",
                    "int f(int fd)\n{\n    if (read(fd, b, 1) < 0)\n        return close(fd);\n    return 0;\n}\n")
        self.flagged("oscall", "read")
        self.flagged("oscall", "close")

    def test_the_kernels_table_may_call_the_system(self):
        self.source("src/engine/sys_kernel.c", "int f(int fd)\n{\n    return close(fd);\n}\n")
        self.clean()

    def test_a_member_or_a_comment_is_no_call(self):
        self.source("src/engine/a.c", '/* close(fd) */\nvoid f(struct s *s)\n{\n    s->ops->close(s, "read(x)");\n}\n')
        self.clean()

    def test_mutable_state_at_file_scope(self):
        for code in ("static int counter;\n", "int counter = 1;\n", "static const char *names[] = {\"a\"};\n",
                     "static struct s {\n    int a;\n} it;\n", "static void (*hook)(int);\n",
                     "static _Thread_local int t;\n"):
            self.source("src/base/a.c", code)
            self.flagged("state")

    def test_mutable_static_state_in_a_function(self):
        self.source("src/base/a.c", "int f(void)\n{\n    static int calls;\n    return ++calls;\n}\n")
        self.flagged("state")

    def test_constant_state_is_fine(self):
        self.source("src/base/a.c",
                    "static const char *const names[] = {\n    \"a\",\n};\nstatic int (*const t[])(int) = {f};\n"
                    "struct s {\n    int a;\n};\nenum e { A, B };\ntypedef int (*fn)(void);\n")
        self.clean()

    def test_a_public_function_without_a_comment(self):
        self.write("include/plait/err.h", HEADER + "PLAIT_API void f(void);\n")
        self.flagged("doc", "no /** comment")

    def test_a_pointer_without_its_owner(self):
        self.write("include/plait/err.h", HEADER + "/** Gives one. */\nPLAIT_API char *f(void);\n")
        self.flagged("doc", "Ownership")

    def test_an_error_that_is_not_named(self):
        self.write("include/plait/err.h", HEADER + "/** Does it. */\nPLAIT_API plait_err f(void);\n")
        self.flagged("doc", "Errors")

    def test_a_deferred_without_its_errors(self):
        self.write("include/plait/err.h", HEADER
                   + "/** Does it. Ownership: x. */\nPLAIT_API struct plait_deferred *f(void);\n")
        self.flagged("doc", "Errors")

    def test_a_callback_without_its_time(self):
        self.write("include/plait/err.h", HEADER + "/** Does it. */\nPLAIT_API void f(plait_call_fn fn, void *ctx);\n")
        self.flagged("doc", "Callbacks")

    def test_a_file_without_its_opening(self):
        self.write("src/base/a.h", "int f(void);\n")
        self.flagged("opening")

    def test_a_source_that_says_too_little(self):
        self.source("src/base/a.c", "")
        self.write("src/base/a.c", "/* SPDX-License-Identifier: MIT\n *\n * It.\n */\n")
        self.flagged("opening")

    def test_a_source_whose_test_is_not_there(self):
        self.source("src/base/a.c", "")
        opening = "/* SPDX-License-Identifier: MIT\n *\n * It is.\n * Test: tests/base/test_no.c.\n */\n"
        self.write("src/base/a.c", opening)
        self.flagged("opening", "test_no.c")

    def test_a_long_line(self):
        self.source("src/base/a.c", "/* " + "x" * 120 + " */\n")
        self.flagged("text", "columns")

    def test_white_space_at_a_lines_end(self):
        self.source("src/base/a.c", "int f(void); \n")
        self.flagged("text", "white space")

    def test_unfinished_work(self):
        for word in ("TO" + "DO", "FIX" + "ME"):
            self.source("src/base/a.c", f"/* {word}: later */\n")
            self.flagged("text", "unfinished")

    def test_a_brace_on_the_functions_line(self):
        self.source("src/base/a.c", "int f(void) {\n    return 0;\n}\n")
        self.flagged("text", "brace")

    def test_a_symbol_that_is_not_listed(self):
        self.write("include/plait/err.h", HEADER + "/** Does it. */\nPLAIT_API void f(void);\n")
        self.flagged("symbols", "not listed")
        self.tool("lint", "--write-symbols")
        self.clean()

    def test_a_listed_symbol_that_is_gone(self):
        self.write("packaging/symbols.txt", "[plait]\ngone\n")
        self.flagged("symbols", "no header declares it")

    def test_a_source_that_is_never_built(self):
        self.write("src/base/a.c", OPENING)
        self.flagged("listed")

    def test_a_test_that_is_never_run(self):
        self.write("tests/base/test_a.c", HEADER)
        self.flagged("listed")

    def test_an_exception_passes_and_a_stale_one_is_flagged(self):
        self.source("src/engine/a.c", "int f(int fd)\n{\n    return close(fd);\n}\n")
        self.write("tools/lint_exceptions.txt", "oscall src/engine/a.c close It has its reason.\n")
        self.clean()
        self.source("src/engine/a.c", "")
        self.flagged("listed", "no longer needed")


class Sites(Tree):
    CODE = OPENING + "plait_err f(int x)\n{\n    PLAIT_TRY(g(x));\n    return PLAIT_FAIL(PLAIT_EIO);\n}\n"

    def sites(self, known):
        self.write("sites.txt", "".join(f"{hits}\t../src/base/a.c\t{line}\t{text}\n" for hits, line, text in known))
        return self.tool("sites", os.path.join(self.root, "sites.txt"))

    def test_all_seen(self):
        self.write("src/base/a.c", self.CODE)
        status, output = self.sites([(0, 9, "g(x)"), (2, 9, "g(x)"), (1, 10, "PLAIT_EIO")])
        self.assertEqual(status, 0, output)

    def test_one_never_failed(self):
        self.write("src/base/a.c", self.CODE)
        status, output = self.sites([(0, 9, "g(x)"), (1, 10, "PLAIT_EIO")])
        self.assertEqual(status, 1)
        self.assertIn("src/base/a.c:9: PLAIT_TRY(g(x)) never failed", output)

    def test_one_that_was_in_no_test(self):
        self.write("src/base/a.c", self.CODE)
        status, output = self.sites([(3, 9, "g(x)")])
        self.assertEqual(status, 1)
        self.assertIn("src/base/a.c:10: PLAIT_FAIL(PLAIT_EIO) was in no test", output)

    def test_a_reason_excludes(self):
        self.write("src/base/a.c", self.CODE.replace("(g(x));", "(g(x)); /* unseen: g can't fail here */"))
        status, output = self.sites([(0, 9, "g(x)"), (1, 10, "PLAIT_EIO")])
        self.assertEqual(status, 0, output)
        self.assertIn("1 are excluded", output)

    def test_two_on_one_line_are_told_apart(self):
        self.write("src/base/a.c", OPENING
                   + "int f(int x)\n{\n    return x ? PLAIT_FAIL(PLAIT_EIO) : PLAIT_FAIL(PLAIT_EEOF);\n}\n")
        status, output = self.sites([(1, 9, "PLAIT_EIO"), (0, 9, "PLAIT_EEOF")])
        self.assertEqual(status, 1)
        self.assertIn("PLAIT_FAIL(PLAIT_EEOF) never failed", output)

    def test_no_site_at_all_is_a_failure(self):
        self.write("src/base/a.c", OPENING)
        self.assertEqual(self.sites([])[0], 1)


class Coverage(Tree):
    def build(self, argument):
        """Builds and runs a program of two branches with coverage."""
        self.write("main.c", "int f(int x);\nint main(int c, char **v)\n{\n    (void)v;\n    return f(c) ? 0 : 0;\n}\n")
        folder = os.path.join(self.root, "build")
        os.makedirs(folder)
        for command in (["gcc", "--coverage", "-c", "../src/base/a.c", "-o", "src_base_a.c.o"],
                        ["gcc", "--coverage", "../main.c", "src_base_a.c.o", "-o", "x"], ["./x"] + argument):
            subprocess.run(command, cwd=folder, check=True)
        return self.tool("coverage", folder)

    CODE = OPENING + "int f(int x)\n{\n    if (x > 1)\n        return 7;\n    return 0;\n}\n"

    def test_a_line_that_did_not_run(self):
        self.write("src/base/a.c", self.CODE)
        status, output = self.build([])
        self.assertEqual(status, 1)
        self.assertIn("src/base/a.c: 10\n", output)

    def test_a_reason_excludes(self):
        self.write("src/base/a.c", self.CODE.replace("7;", "7; /* uncovered: needs two */"))
        status, output = self.build([])
        self.assertEqual(status, 0, output)

    def test_a_source_that_was_not_built(self):
        self.write("src/base/a.c", self.CODE.replace("7;", "7; /* uncovered: needs two */"))
        self.write("src/base/b.c", self.CODE)
        status, output = self.build([])
        self.assertEqual(status, 1)
        self.assertIn("src/base/b.c: was not built", output)


class Docs(Tree):
    def test_links_that_lead_somewhere(self):
        self.write("README.md",
                   "# One thing\n[a](docs/a.md) [b](docs/a.md#two-things) [c](#one-thing) [w](https://example.org/)\n")
        self.write("docs/a.md", "# A\n## Two things\n")
        self.assertEqual(self.tool("docs")[0], 0)

    def test_a_link_to_a_file_that_is_not_there(self):
        self.write("README.md", "[a](docs/a.md)\n")
        self.assertEqual(self.tool("docs")[0], 1)

    def test_a_link_to_a_heading_that_is_not_there(self):
        self.write("README.md", "# A\n[a](#b)\n")
        self.assertEqual(self.tool("docs")[0], 1)

    TEST = "static void it_works(void **state)\n{\n}\nTEST_MAIN(cmocka_unit_test(it_works))\n"

    def said(self, document, text):
        self.write(document, text)
        status, output = self.tool("docs", "--quirks", "2")
        self.assertEqual(status, 0 if "\n" not in output.strip() else 1, output)
        return output

    def test_tests_that_are_there(self):
        self.write("tests/engine/test_a.c", self.TEST)
        self.assertIn(" 0 faults", self.said("README.md", "`test_a/it_works`\n"))

    def test_tests_that_are_not_there(self):
        self.write("tests/engine/test_a.c", self.TEST)
        self.assertIn("README.md:1: there is no test file test_b.c", self.said("README.md", "`test_b/it_works`\n"))
        self.assertIn("test_a.c runs no test it_fails", self.said("README.md", "`test_a/it_fails`\n"))
        self.write("tests/engine/test_a.c", self.TEST.split("TEST_MAIN")[0])
        self.assertIn("test_a.c runs no test it_works", self.said("README.md", "`test_a/it_works`\n"))

    QUIRKS = "| TQ | what | ours | where | provoked |\n|---|---|---|---|---|\n"

    def test_a_table_of_quirks_that_is_whole(self):
        self.write("tests/engine/test_a.c", self.TEST)
        self.write("src/engine/a.c", OPENING)
        not_built = "\n| TQ | whose |\n|---|---|\n| 2 | another's |\n"
        built = "| 1 | b | c | a.c | K `test_a/it_works` |\n"
        self.assertIn(" 0 faults", self.said("docs/quirks.md", self.QUIRKS + built + not_built))
        self.assertIn(" 0 faults", self.said("docs/quirks.md", self.QUIRKS + "| 1 to 2 | b | c | a.c | – |\n"))

    def test_a_table_of_quirks_with_faults(self):
        self.write("src/engine/a.c", OPENING)
        self.assertIn("TQ-2 is missing", self.said("docs/quirks.md", self.QUIRKS + "| 1 | b | c | a.c | – |\n"))
        twice = "| 1, 2 | b | c | a.c | – |\n| 1 | b | c | a.c | – |\n"
        self.assertIn("TQ-1 stands in line 3 already", self.said("docs/quirks.md", self.QUIRKS + twice))
        self.assertIn("no source file b.c", self.said("docs/quirks.md", self.QUIRKS + "| 1, 2 | b | c | b.c | – |\n"))
        self.assertIn("names no test", self.said("docs/quirks.md", self.QUIRKS + "| 1, 2 | b | c | a.c | K |\n"))


class Tally(unittest.TestCase):
    def tally(self, text):
        with tempfile.TemporaryDirectory() as folder:
            log, out = os.path.join(folder, "log"), os.path.join(folder, "out")
            with open(log, "w", encoding="utf-8") as file:
                file.write(text)
            done = subprocess.run([sys.executable, os.path.join(TOOLS, "tally"), log, out], capture_output=True,
                                  text=True)
            with open(out, encoding="utf-8") as file:
                return done.returncode, file.read()

    def test_single_tests_are_counted(self):
        self.assertEqual(self.tally('{"result": "OK", "stdout": "[       OK ] a\\n[       OK ] b\\n", "stderr": ""}\n'
                                    '{"result": "OK", "stdout": "fine"}\n'), (0, "3 0\n"))

    def test_a_failure_is_counted_once(self):
        said = r"[       OK ] a\n[  FAILED  ] b\n[  FAILED  ] tests: 1 test(s), listed below:\n[  FAILED  ] b\n"
        log = '{"result": "FAIL", "stdout": "' + said + '"}\n'
        self.assertEqual(self.tally(log), (1, "1 1\n"))

    def test_a_crash_and_a_skip_are_failures(self):
        log = '{"result": "FAIL", "stdout": "[       OK ] a\\n"}\n{"result": "SKIP", "stdout": ""}\n'
        self.assertEqual(self.tally(log), (1, "1 2\n"))

    def test_nothing_is_a_failure(self):
        self.assertEqual(self.tally("")[0], 1)


if __name__ == "__main__":
    unittest.main()
