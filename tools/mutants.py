# SPDX-License-Identifier: MIT
"""Mutants of the engine, made by rules from the house's C; tools/mutate runs them.

`negate` a condition; `errno`: a comparison with an errno comes out as if it were another one; `edge`: < for <= and the
like; `logic`: && for ||; `skip` a call or the change of a flag; `return` the other truth, or success for an error.
"""
import errno
import os
import re

import planting
from planting import ROOT, Edit

# The calls that touch the machine itself: a mutant there could harm it, and no simulated world reaches it. The switch
# between stacks is written for a processor.
LEFT_OUT = re.compile(r"_kernel\.c$|/task_switch\.c$|/tls_random\.c$")
# Descriptor 0 is somebody's standard input: no program here ever gets it.
DESCRIPTOR = re.compile(r"(fd|\bown)$")
CAST = re.compile(r"\((?:u?int\d+_t|s?size_t|unsigned|int|uintptr_t)\)")
# Who only counts, takes a time or writes a line for people.
TELLS = re.compile(r"^(assert|plait__callback_begin|plait__callback_end|va_\w+|log_rarely|describe\w*|plait__warn|"
                   r"plait_log_\w+|plait_metric_\w+|ERR_clear_error|plait_metrics_add|plait_histogram_\w+|count_lag|"
                   r"[A-Z_]+)$")
ERRNOS = set(errno.errorcode.values()) | {"EWOULDBLOCK"}

TOKEN = re.compile(r"->|<<=|>>=|<<|>>|<=|>=|==|!=|&&|\|\||\+\+|--|[-+*/%&|^]=|[A-Za-z_]\w*|\d\w*|\"[^\"]*\"|'[^']*'|\S")
OPEN, CLOSE = "([{", ")]}"
ENDS = {";", ",", "?", ":", "=", "return", "case", "else", "do", "{", "}", "(", "[", ")", "]", "+=", "-=", "*=", "/=",
        "%=", "&=", "|=", "^=", "<<=", ">>="}
WEAKER = {"&&": {"||"}, "||": set(), "==": {"&&", "||", "&", "|", "^"}, "<": {"&&", "||", "&", "|", "^", "==", "!="}}


class Mutant:
    """One change: its key is stable, its number isn't."""

    def __init__(self, rule, function, edit, text):
        self.rule, self.function, self.edit = rule, function, edit
        self.text = " ".join(text.split())
        self.key = self.name = ""


# --- making them -----------------------------------------------------------------------------------------------------

class Body:
    """The tokens of a function's body, and which bracket closes which."""

    def __init__(self, path, name, text, code, start, end):
        self.path, self.name, self.text, self.code = path, name, text, code
        hidden = self.hide(code, start, end)
        self.tokens = [(m.group(), m.start(), m.end()) for m in TOKEN.finditer(hidden, start, end)]
        self.pair, stack, self.in_brackets = {}, [], set()
        for i, (token, _, _) in enumerate(self.tokens):
            if any(self.tokens[j][0] in "([" for j in stack):
                self.in_brackets.add(i)
            if token in OPEN:
                stack.append(i)
            elif token in CLOSE and stack:
                self.pair[i] = stack.pop()
                self.pair[self.pair[i]] = i
        self.found = []

    @staticmethod
    def hide(code, start, end):
        """Directives, constants and what debug builds assert aren't mutated."""
        wipe = lambda m: re.sub(r"[^\n]", " ", m.group())
        inside = re.sub(r"^[ \t]*#.*$", wipe, code[start:end], flags=re.M)
        inside = re.sub(r"^[ \t]*static\b.*?;$", wipe, inside, flags=re.M | re.S)
        inside = re.sub(r"\bassert\(.*?\);", wipe, inside, flags=re.S)
        return code[:start] + inside + code[end:]

    def binary(self, i):
        """Whether & or * at a token has something on its left."""
        before = self.tokens[i - 1][0] if i else ";"
        return before in (")", "]") or bool(re.match(r"\w", before) and before not in ENDS)

    def stops(self, i, weaker):
        token = self.tokens[i][0]
        if token in weaker:
            return token != "&" or self.binary(i)
        return token in ENDS

    def left(self, i, kind):
        """Where the left operand of an operator begins."""
        j = i - 1
        while j >= 0:
            if self.tokens[j][0] in CLOSE and j in self.pair and self.tokens[j][0] != "}":
                j = self.pair[j] - 1
                continue
            if self.stops(j, WEAKER[kind]):
                break
            j -= 1
        return self.tokens[j + 1][1]

    def right(self, i, kind):
        j, weaker = i + 1, WEAKER[kind] | {kind}
        if kind in ("<", "=="):
            weaker |= {"<", ">", "<=", ">=", "==", "!="}
        while j < len(self.tokens):
            if self.tokens[j][0] in "([" and j in self.pair:
                j = self.pair[j] + 1
                continue
            if self.stops(j, weaker):
                break
            j += 1
        return self.tokens[j - 1][2]

    def add(self, rule, start, end, parts):
        text = self.text[start:end]
        self.found.append(Mutant(rule, self.name, Edit("", self.path, start, end, parts), text))

    # --- the rules ---

    def conditions(self):
        for i, (token, _, _) in enumerate(self.tokens[:-1]):
            if token not in ("if", "while", "for") or self.tokens[i + 1][0] != "(":
                continue
            first, last = i + 2, self.pair[i + 1]
            if token == "for":
                marks = [j for j in range(first, last) if self.tokens[j][0] == ";"]
                first, last = marks[0] + 1, marks[1]
            if first < last:
                span = (self.tokens[first][1], self.tokens[last - 1][2])
                self.add("negate", *span, ["((", span, ") ? !PLANTED(@) : PLANTED(@))"])

    def operators(self):
        for i, (token, start, end) in enumerate(self.tokens):
            if token in ("<", "<=", ">", ">="):
                left, right = (self.left(i, "<"), start), (end, self.right(i, "<"))
                a, b = (self.text[span[0]:span[1]].strip() for span in (left, right))
                if b == "0" and DESCRIPTOR.search(a) or self.chooses(right[1], a, b):
                    continue
                other = token[0] if len(token) == 2 else token + "="
                self.add("edge", left[0], right[1],
                         ["(PLANTED(@) ? ((", left, f") {other} (", right, ")) : ((", left, f") {token} (", right,
                          ")))"])
            elif token in ("&&", "||"):
                left, right = (self.left(i, token), start), (end, self.right(i, token))
                no = "!" if token == "||" else ""
                self.add("logic", left[0], right[1],
                         ["((", left, f") ? ({no}PLANTED(@) || (", right, f")) : ({no}PLANTED(@) && (", right, ")))"])
            elif token in ("==", "!=") and self.errno_follows(i):
                left, right = (self.left(i, "=="), start), (end, self.right(i, "=="))
                other = "0" if token == "==" else "1"
                self.add("errno", left[0], right[1], [f"(PLANTED(@) ? {other} : (", (left[0], right[1]), "))"])

    def chooses(self, end, a, b):
        """Whether a comparison only chooses the smaller or larger of its sides: when they are equal it is all one."""
        arms = re.match(r"\s*\?\s*([^:;?]+?)\s*:\s*([^;]*)", CAST.sub("", self.text[end:end + 200]))
        a, b = CAST.sub("", a), CAST.sub("", b)
        return bool(arms) and any(arms.group(1) == one and re.match(re.escape(two) + r"(?!\w)", arms.group(2))
                                  for one, two in ((a, b), (b, a)))

    def errno_follows(self, i):
        j = i + 2 if self.tokens[i + 1][0] == "-" else i + 1
        return j < len(self.tokens) and self.tokens[j][0] in ERRNOS

    def begins(self, i):
        """Whether a statement begins at a token."""
        before = self.tokens[i - 1][0] if i else ";"
        if before == ")":
            opened = self.pair.get(i - 1, 0)
            return opened > 0 and self.tokens[opened - 1][0] in ("if", "while", "for", "switch")
        return before in (";", "{", "}", "else", "do") or (before == ":" and self.is_label(i - 1))

    def is_label(self, i):
        while self.tokens[i][0] not in ("?", ";", "{", "}", "case", "default"):
            i -= 1
        return self.tokens[i][0] in ("case", "default")

    def statement_end(self, i):
        while i < len(self.tokens) and self.tokens[i][0] != ";":
            i = self.pair[i] + 1 if self.tokens[i][0] in OPEN and i in self.pair else i + 1
        return i

    def statements(self):
        for i, (token, start, _) in enumerate(self.tokens):
            if i in self.in_brackets or not self.begins(i) or not re.match(r"[A-Za-z_(+-]", token) or \
                    token in ("for", "if", "while", "switch", "else", "do", "case", "goto"):
                continue
            last = self.statement_end(i)
            if last >= len(self.tokens):
                continue
            words = [t for t, _, _ in self.tokens[i:last]]
            end = self.tokens[last - 1][2]
            if token == "return":
                self.returned(i, last, words)
            elif self.is_call(i, last, words) or self.is_flag(words):
                self.add("skip", start, end, ["(PLANTED(@) ? (void)0 : (void)(", (start, end), "))"])

    def is_call(self, i, last, words):
        if words[:3] == ["(", "void", ")"]:
            i, words = i + 3, words[3:]
        if words and words[0] == "!":
            i, words = i + 1, words[1:]
        if not words or words[-1] != ")" or not re.match(r"[a-z_]", words[0]):
            return False
        opened = self.pair[last - 1]
        name = self.tokens[opened - 1][0]
        chain = "".join(t for t, _, _ in self.tokens[i:opened])
        return bool(re.fullmatch(r"[\w>.\-\[\]*&]+", chain)) and not TELLS.match(name) and \
            not re.match(r"(const|struct|enum|union|static)$", words[0]) and self.one_word(i, opened)

    def one_word(self, i, opened):
        """A call, not a declaration: no two names stand side by side before the bracket."""
        names = [t for t, _, _ in self.tokens[i:opened]]
        return not any(re.match(r"\w", a) and re.match(r"\w", b) for a, b in zip(names, names[1:]))

    @staticmethod
    def is_flag(words):
        flag = any(word in ("|=", "&=") for word in words)
        return flag or (words[-1] in ("++", "--") and words[0] not in ("(",)) or words[0] in ("++", "--")

    def returned(self, i, last, words):
        start, end = self.tokens[i][2], self.tokens[last - 1][2]
        if words[1:] in (["true"], ["false"]):
            other = "false" if words[1] == "true" else "true"
        elif words[1:3] == ["PLAIT_FAIL", "("] and self.pair[i + 2] == last - 1:
            other = "PLAIT_OK"
        elif words[1:2] == ["-"] and words[2] in ERRNOS and len(words) == 3:
            other = "0"
        else:
            return
        self.add("return", start, end, [f" (PLANTED(@) ? {other} : (", (start, end), "))"])


def mutants_of(path, root=ROOT):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        text = file.read()
    code, found = planting.blank(text), []
    for name, start, end in planting.bodies(code):
        body = Body(path, name, text, code, start, end)
        body.conditions()
        body.operators()
        body.statements()
        found += body.found
    return sorted(found, key=lambda m: (m.edit.start, -m.edit.end, m.rule != "negate"))


def all_mutants(root=ROOT):
    """Every mutant, named and keyed; the same sources give the same ones."""
    found, counts = [], {}
    folder = os.path.join(root, "src", "engine")
    for name in sorted(os.listdir(folder)):
        path = f"src/engine/{name}"
        if name.endswith(".c") and not LEFT_OUT.search(path):
            found += mutants_of(path, root)
    for number, mutant in enumerate(found):
        key = f"{mutant.edit.path} {mutant.function} {mutant.rule}: {mutant.text}"
        counts[key] = counts.get(key, 0) + 1
        mutant.key = key if counts[key] == 1 else f"{key} #{counts[key]}"
        mutant.name = mutant.edit.name = f"m{number}"
    return found
