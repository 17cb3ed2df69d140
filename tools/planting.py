# SPDX-License-Identifier: MIT
"""Defects in a copy of the tree, one of which is chosen at run time; what tools/defects and tools/mutate stand on.

The sources stay clean. A copy of the tree is made under build/defects/tree, in which each edit keeps the original
beside the changed code: `if (PLANTED(7)) { changed } else { original }`, `(PLANTED(8) ? changed : original)`. One build
holds them all, those that people planted (tests/defects/*.txt) and the mutants that rules make of src/engine. The
variable PLAIT_PLANTED names the one that is alive; without it the build does what the sources say.
"""
import errno
import os
import re
import resource
import shutil
import signal
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PLACE = os.path.join(ROOT, "build", "defects")
TREE = os.path.join(PLACE, "tree")
BUILT = os.path.join(PLACE, "out")
SCRATCH = os.path.join(PLACE, "scratch")

HEADER = """/* Made by tools/planting.py: which planted defect is alive, and which were reached. */
#ifndef PLAIT_BASE_PLANTED_H
#define PLAIT_BASE_PLANTED_H
extern int plait__planted;
extern unsigned char plait__reached[];
#define PLANTED(n) (plait__reached[n] = 1, plait__planted == (n))
#endif
"""
SOURCE = """/* Made by tools/planting.py. */
#include "base/planted.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static const char *const names[] = {
%s};
#define COUNT (sizeof names / sizeof names[0])
int plait__planted = -1;
unsigned char plait__reached[COUNT];
__attribute__((constructor)) static void choose(void)
{
    const char *name = getenv("PLAIT_PLANTED");
    for (unsigned i = 0; name && *name && i < COUNT; i++) {
        if (strcmp(names[i], name) == 0)
            plait__planted = (int)i;
    }
    if (name && *name && plait__planted < 0) {
        (void)fprintf(stderr, "nothing named %%s is planted in this build\\n", name);
        abort();
    }
}
__attribute__((destructor)) static void tell(void)
{
    const char *path = getenv("PLAIT_REACHED");
    FILE *out = path ? fopen(path, "a") : NULL;
    for (unsigned i = 0; out && i < COUNT; i++) {
        if (plait__reached[i])
            (void)fprintf(out, "%%u\\n", i);
    }
    if (out)
        (void)fclose(out);
}
"""


class Wrong(Exception):
    """What is wrong with the edits or the build, in a sentence."""


# --- reading the house's C -------------------------------------------------------------------------------------------

def blank(text):
    """Comments and the insides of literals become spaces: every character keeps its place."""
    token = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

    def wipe(match):
        found = match.group()
        if found[0] in "\"'":
            return found[0] + " " * (len(found) - 2) + found[-1]
        return re.sub(r"[^\n]", " ", found)

    return token.sub(wipe, text)


def bodies(code):
    """(name, start, end) of each function's body: the house sets a function's braces into the first column."""
    for found in re.finditer(r"^\{\n", code, re.M):
        end = code.find("\n}", found.end() - 1)
        head = code[:found.start()].rstrip()
        above = max(head.rfind("\n\n"), head.rfind(";\n"), head.rfind("}\n"), 0)
        name = re.search(r"([A-Za-z_]\w*)\s*\(", head[above:])
        if end > 0 and name and head.endswith(")"):
            yield name.group(1), found.end(), end + 1


# --- edits -----------------------------------------------------------------------------------------------------------

class Edit:
    """One change. `parts` are texts and, as (start, end), places of the original, in which further edits may stand."""

    def __init__(self, name, path, start, end, parts):
        self.name, self.path, self.start, self.end, self.parts = name, path, start, end, parts
        self.inner = []

    def holds(self, other):
        return any(not isinstance(part, str) and part[0] <= other.start and other.end <= part[1]
                   for part in self.parts)


def nest(edits):
    """The outermost edits, each with those inside it. One that overlaps another half is left out."""
    top, open_edits = [], []
    for edit in sorted(edits, key=lambda e: (e.start, -e.end)):
        while open_edits and open_edits[-1].end <= edit.start:
            open_edits.pop()
        if open_edits and not open_edits[-1].holds(edit):
            continue
        (open_edits[-1].inner if open_edits else top).append(edit)
        open_edits.append(edit)
    return top


def render(text, start, end, edits, numbers):
    """text[start:end] with the edits made."""
    out, at = [], start
    for edit in edits:
        if edit.start < start or edit.end > end:
            continue
        out.append(text[at:edit.start])
        number = numbers.setdefault(edit.name, len(numbers))
        for part in edit.parts:
            if isinstance(part, str):
                out.append(part.replace("@", str(number)))
            else:
                out.append(render(text, part[0], part[1], edit.inner, numbers))
        at = edit.end
    out.append(text[at:end])
    return "".join(out)


# --- what people planted ---------------------------------------------------------------------------------------------

class Defect:
    """One planted defect: what goes wrong, who finds it, and its edits."""

    def __init__(self, name, where):
        self.name, self.where = name, where
        self.says, self.found_by, self.path, self.function = "", [], None, None
        self.edits = []


def read_defects(root=ROOT):
    """The lists in tests/defects: see the head of planted.txt for their form."""
    folder = os.path.join(root, "tests", "defects")
    defects = []
    for name in sorted(os.listdir(folder)):
        if name.endswith(".txt") and name != "survivors.txt":
            with open(os.path.join(folder, name), encoding="utf-8") as lines:
                read_list(name, lines.read().split("\n"), defects, root)
    names = [defect.name for defect in defects]
    for name in names:
        if names.count(name) > 1:
            raise Wrong(f"tests/defects: '{name}' is there twice")
    return defects


def read_list(file_name, lines, defects, root):
    old, new = [], []
    for number, line in enumerate(lines + [""], 1):
        where = f"tests/defects/{file_name}:{number}"
        if not line.startswith(("-", "+")) and old:
            plant_lines(defects[-1], old, new, root, where)
            old, new = [], []
        if line.startswith("#") or not line.strip():
            continue
        if line.startswith("== "):
            defects.append(Defect(line[3:].strip(), where))
            continue
        if not defects:
            raise Wrong(f"{where}: a defect begins with == NAME")
        read_line(defects[-1], line, old, new, root, where)


def read_line(defect, line, old, new, root, where):
    if line.startswith("-"):
        old.append(line[1:])
    elif line.startswith("+"):
        new.append(line[1:])
    elif line.startswith("wrong: "):
        defect.says = line[7:].strip()
    elif line.startswith("found by: "):
        defect.found_by = line[10:].split()
    elif line.startswith("file: "):
        defect.path, defect.function = line[6:].strip(), None
    elif line.startswith("in: "):
        defect.function = line[4:].strip()
    elif line.startswith("instead of: "):
        defect.instead = line[12:]
    elif line.startswith("expression: "):
        start, end, _ = locate(defect, defect.instead, root, where)
        defect.edits.append(Edit(defect.name, defect.path, start, end,
                                 [f"(PLANTED(@) ? ({line[12:]}) : (", (start, end), "))"]))
    else:
        raise Wrong(f"{where}: '{line.split()[0]}' is no word of this list")


def locate(defect, wanted, root, where):
    """Where the original stands in its file: once, or once in the function that is named."""
    try:
        with open(os.path.join(root, defect.path), encoding="utf-8") as file:
            text = file.read()
    except (OSError, TypeError) as error:
        raise Wrong(f"{where}: {defect.name}: {defect.path} can't be read") from error
    first, last = 0, len(text)
    if defect.function:
        found = [body for body in bodies(blank(text)) if body[0] == defect.function]
        if len(found) != 1:
            raise Wrong(f"{where}: {defect.name}: {defect.path} has {len(found)} functions {defect.function}")
        first, last = found[0][1:]
    count = text.count(wanted, first, last)
    if count != 1:
        raise Wrong(f"{where}: {defect.name}: the original is there {count} times in {defect.path}: "
                    f"{wanted.strip().splitlines()[0].strip()}")
    start = text.index(wanted, first, last)
    return start, start + len(wanted), text


def plant_lines(defect, old, new, root, where):
    start, end, _ = locate(defect, "\n".join(old) + "\n", root, where)
    bad = "\n".join(new) + "\n" if new else ""
    defect.edits.append(Edit(defect.name, defect.path, start, end,
                             ["if (PLANTED(@)) {\n" + bad + "} else {\n", (start, end), "}\n"]))


def edits_of(defects, mutants):
    """All edits: there is one build for what is planted by hand and by rules."""
    return [edit for defect in defects for edit in defect.edits] + [mutant.edit for mutant in mutants]


# --- the copy and its build ------------------------------------------------------------------------------------------

def files(root):
    for where, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in ("build", ".git", "__pycache__")]
        for name in names:
            yield os.path.relpath(os.path.join(where, name), root)


def put(path, content):
    """Writes a file unless it is the same already: what didn't change isn't built again."""
    try:
        with open(path, "rb") as file:
            if file.read() == content:
                return
    except OSError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)


def make_tree(edits, root=ROOT, tree=TREE):
    """Makes the copy. Returns the number of each planted name."""
    by_path = {}
    for edit in edits:
        by_path.setdefault(edit.path, []).append(edit)
    numbers, there = {}, set()
    for path in sorted(files(root)):
        with open(os.path.join(root, path), "rb") as file:
            content = file.read()
        if path in by_path:
            text = content.decode("utf-8")
            body = render(text, 0, len(text), nest(by_path[path]), numbers)
            content = ('#include "base/planted.h" ' + body).encode("utf-8")
        if path == "src/base/meson.build":
            content += b"room_sources += files('planted.c')\n"
        put(os.path.join(tree, path), content)
        shutil.copymode(os.path.join(root, path), os.path.join(tree, path))
        there.add(path)
    names = "".join(f'    "{name}",\n' for name in numbers) or '    "nothing",\n'
    put(os.path.join(tree, "src/base/planted.h"), HEADER.encode())
    put(os.path.join(tree, "src/base/planted.c"), (SOURCE % names).encode())
    for path in files(tree):
        if path not in there and "planted." not in path:
            os.remove(os.path.join(tree, path))
    return numbers


def build(targets, jobs):
    """Builds targets of the copy with the sanitizers: what a defect does to memory is seen."""
    compiler = dict(os.environ, CC=os.environ.get("PLANTED_CC", "clang"))
    if not os.path.exists(os.path.join(BUILT, "build.ninja")):
        command = ["meson", "setup", "-Doptimization=1", "-Ddebug=false", "-Db_sanitize=address,undefined",
                   "-Db_lundef=false", "-Dshared=false", "-Dc_args=-w -gline-tables-only", BUILT, TREE]
        run_or_fail(command, compiler)
    run_or_fail(["ninja", "-C", BUILT, f"-j{jobs}", "-k0", *targets], compiler)


def run_or_fail(command, env):
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise Wrong(f"{' '.join(command)} failed:\n{done.stdout.decode(errors='replace')[-4000:]}")


# --- running ---------------------------------------------------------------------------------------------------------

class Outcome:
    """How a run ended: `well`, or how not; what it wrote; how long it took."""

    def __init__(self, well, how, output, seconds):
        self.well, self.how, self.output, self.seconds = well, how, output, seconds


def limits():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 20, 64 << 20))
    os.nice(2)


def run(command, planted, seconds, reached=None):
    """Runs a program of the copy with one defect alive ('' for none), in a process group that ends with it."""
    os.makedirs(SCRATCH, exist_ok=True)
    env = dict(os.environ, PLAIT_PLANTED=planted, PLAIT_ROOT=TREE, PLAIT_BUILD=BUILT, TMPDIR=SCRATCH,
               PLAIT=os.path.join(BUILT, "plait"), CMOCKA_TEST_ABORT="1" if planted else "0",
               ASAN_OPTIONS="detect_stack_use_after_return=0:abort_on_error=0:hard_rss_limit_mb=1000:"
                            "handle_abort=0:symbolize=0:detect_leaks=%d" % (not reached),
               UBSAN_OPTIONS="halt_on_error=1:symbolize=0")
    env.pop("PLAIT_REACHED", None)
    if reached:
        env["PLAIT_REACHED"] = reached
    began = time.monotonic()
    with subprocess.Popen(command, env=env, cwd=TREE, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=limits) as child:
        try:
            output = child.communicate(timeout=seconds)[0].decode(errors="replace")
            how = name_of(child.returncode)
        except subprocess.TimeoutExpired:
            output, how = "", "did not end"
        end_group(child)
    return Outcome(how == "", how, output, time.monotonic() - began)


def end_group(child):
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except OSError as error:
        if error.errno not in (errno.ESRCH, errno.EPERM):
            raise
    child.wait()


def name_of(status):
    if status == 0:
        return ""
    return f"status {status}" if status > 0 else f"ended by signal {-status}"
