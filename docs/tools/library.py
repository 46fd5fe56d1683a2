#!/usr/bin/python3
"""docs/tools/library.py    Makes docs/library.md, the reference of libdriftd, from the comments of include/driftd/*.h.

    docs/tools/library.py           writes docs/library.md, and the list of headers in include/driftd/driftd.h

A header is: a comment that says what it is (lines that are indented are formulas), then blocks.  A block is a comment
and the declarations below it, up to the next comment that begins a line or to a blank line.
"""
import os
import re

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
HEADERS = os.path.join(ROOT, "include", "driftd")
UMBRELLA = os.path.join(HEADERS, "driftd.h")
TARGET = os.path.join(ROOT, "docs", "library.md")
FIRST = ["driftd.h", "version.h", "error.h"]
SCAFFOLD = re.compile(r"^#ifndef DRIFTD_\w+_H\n#define DRIFTD_\w+_H\n|^#include [^\n]*\n|^#ifdef __cplusplus\n.*?^#endif\n|^#endif\n?\Z", re.M | re.S)
COMMENT = re.compile(r"/\*(.*?)\*/", re.S)
TABLE = re.compile(r"#define DRIFT_\w+\(X\)")
SIGNATURE = r"\w[^;{}()=#]*?[ *](drift_\w+)\("

HEAD = r"""# libdriftd

The statistics of driftd as a small C library. What the numbers mean is in [statistics.md](statistics.md); this page is
made from the comments of `include/driftd/*.h` by `docs/tools/library.py`.

```
cmake --preset release && cmake --build --preset release
cmake --install build/release --component library --prefix /usr/local
cc program.c $(pkg-config --cflags --libs driftd)                                                              # shared
cc program.c $(pkg-config --cflags --static --libs driftd | sed 's/-ldriftd/-l:libdriftd.a/')                  # static
```

Headers compile as C11 and as C++17. The shared library exports the functions below and nothing else, each under the
version that first had it. Each header
says what its calls cost and which of them allocate. `drift_stats_init()` is called once, before anything else.
"""


class Item:
    """A comment and what is declared below it."""

    def __init__(self, comment, code):
        self.comment, self.code = comment, code

    def functions(self):
        """Names of the functions that are declared or defined at the outer level."""
        return re.findall("^(?!typedef)" + SIGNATURE, outer(self.code), re.M)

    def tables(self):
        """Names of constant arrays."""
        return re.findall(r"^extern \w[^;{}()=#]*?[ *](drift_\w+)\[", outer(self.code), re.M)

    def exported(self):
        return re.findall("^(?!typedef|static)" + SIGNATURE, outer(self.code), re.M) + self.tables()

    def documented(self):
        return bool(self.comment or COMMENT.search(self.code))


class Header:
    def __init__(self, name):
        self.name = name
        with open(os.path.join(HEADERS, name)) as f:
            text = f.read()
        top = COMMENT.match(text)
        if not top or not top.group(1).startswith(f" {name} - "):
            raise SystemExit(f"{name}: the file must begin with the comment: {name} - what it is")
        self.about = lines_of(top.group(1))
        self.items = list(items_of(SCAFFOLD.sub("", text[top.end():].lstrip())))

    def functions(self):
        return [n for item in self.items for n in item.functions()]

    def exported(self):
        return [n for item in self.items for n in item.exported()]


def lines_of(comment):
    return [re.sub(r"^ \* ?|^ \*$", "", line).rstrip() if i else line.strip() for i, line in enumerate(comment.split("\n"))]


def outer(code):
    """Code without comments and without what stands in braces."""
    code, depth, kept = COMMENT.sub("", code), 0, []
    for c in code:
        depth -= c == "}"
        if depth == 0:
            kept.append(c)
        depth += c == "{"
    return "".join(kept)


def items_of(text):
    comment, code, depth, in_comment = "", [], 0, False
    for line in text.split("\n") + [""]:
        between = depth == 0 and not in_comment and not (code and code[-1].endswith("\\"))
        if between and (not line.strip() or line.startswith("/*")):
            if comment or code:
                yield Item(lines_of(comment[2:-2]) if comment else [], "\n".join(code))
            comment, code = "", []
        if between and line.startswith("/*"):
            comment, in_comment = line, "*/" not in line
        elif in_comment:
            comment, in_comment = comment + "\n" + line, "*/" not in line
        elif line.strip() or depth:
            code.append(line)
            bare = COMMENT.sub("", line)
            depth += bare.count("{") - bare.count("}")


def prose(lines):
    """Markdown of a comment: indented lines are a block of code, the rest is text."""
    out, block = [], []
    for line in lines + [""]:
        if line.startswith("  ") or (block and not line):
            block.append(line)
            continue
        if block:
            while not block[-1]:
                block.pop()
            out += (["", "```text"] if out and out[-1] else ["```text"]) + block + ["```", ""]
            block = []
        out.append(re.sub(r"<(?=\w|/)", "&lt;", line))
    if block:
        while block and not block[-1]:
            block.pop()
        out += ["```text"] + block + ["```"]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).strip()


def rows_of(macro):
    """Rows of a table of the form X(ID, "name", ..., "help") as (name, help)."""
    for row in re.findall(r"X\(((?:[^()\"]|\"(?:[^\"\\]|\\.)*\")*)\)", macro.split("\n", 1)[1]):
        strings = re.findall(r"\"((?:[^\"\\]|\\.)*)\"", row)
        if strings:
            yield strings[0], "".join(strings[1:]) if len(strings) > 1 else ""


def render_table(code):
    rows = list(rows_of(code.replace("\\\n", "\n")))
    return "\n".join(["| name | meaning |", "|---|---|"] + [f"| `{n}` | {h.replace('|', chr(92) + '|')} |" for n, h in rows])


def render_code(code):
    code = re.sub(r"^#define X\([^\n]*\n(?:[^\n]*\\\n)*( *)(DRIFT_\w+)\(X\)\n#undef X$", r"    /* one for each row of \2 */", code, flags=re.M)
    out, depth, body = [], 0, False
    for line in code.split("\n"):
        body = body or (depth == 0 and line.startswith("static inline"))
        if body and line.startswith("{"):
            out[-1] += ";"
        if not body or (depth == 0 and line[0] not in "{}"):
            out.append(line)
        depth += line.count("{") - line.count("}")
        body = body and not line.startswith("}")
    return "\n".join(out)


def render(header):
    title, *rest = header.about
    name, what = title.split(" - ", 1)
    parts = [f"## {name}", prose([what[0].upper() + what[1:], *rest])]
    for item in header.items:
        if TABLE.match(item.code):
            parts.append(render_table(item.code))
            continue
        if item.comment:
            parts.append(prose(item.comment))
        if item.code:
            parts.append("```c\n" + render_code(item.code) + "\n```")
    return "\n\n".join(parts)


def headers():
    names = sorted(n for n in os.listdir(HEADERS) if n.endswith(".h"))
    return [Header(n) for n in FIRST + [n for n in names if n not in FIRST]]


def page():
    all_of = headers()
    index = ["| header | functions |", "|---|---|"]
    for h in all_of:
        functions = " ".join(f"`{n}`" for n in h.functions())
        index.append(f"| [{h.name}](#{h.name.replace('.', '')}) | {functions} |")
    return "\n\n".join([HEAD.rstrip(), "\n".join(index)] + [render(h) for h in all_of]) + "\n"


def umbrella():
    """driftd.h with all the other headers."""
    with open(UMBRELLA) as f:
        text = f.read()
    names = sorted(n for n in os.listdir(HEADERS) if n.endswith(".h") and n != os.path.basename(UMBRELLA))
    return re.sub(r'(#include "driftd/\w+\.h"\n)+', "".join(f'#include "driftd/{n}"\n' for n in names), text)


def main():
    made = umbrella()
    with open(UMBRELLA, "w") as f:
        f.write(made)
    made = page()
    with open(TARGET, "w") as f:
        f.write(made)


if __name__ == "__main__":
    main()
