# SPDX-License-Identifier: MIT
"""Makes a linker version script from packaging/symbols.txt, the list of everything that a library exports.

usage: symbol_map.py LIBRARY SYMBOLS_TXT OUTPUT

The list has one symbol a line under a heading such as [plait]. What isn't in the list isn't exported, so that a new
public function has to be listed on purpose; tools/lint compares the list with the headers.
"""
import sys


def read_list(path):
    """Symbols by library, in the order of the file."""
    lists, current = {}, None
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            line = line.split("#", 1)[0].strip()
            if line.startswith("["):
                current = lists.setdefault(line.strip("[]"), [])
            elif line:
                current.append(line)
    return lists


def main():
    library, listed, out = sys.argv[1:4]
    symbols = read_list(listed).get(library, [])
    with open(out, "w", encoding="utf-8") as script:
        script.write("PLAIT_0 {\n")
        if symbols:
            script.write("global:\n" + "".join(f"    {name};\n" for name in symbols))
        script.write("local:\n    *;\n};\n")


if __name__ == "__main__":
    main()
