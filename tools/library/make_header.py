#!/usr/bin/env python3
"""Makes one self-contained header from the tree's own, so that no copy is maintained by hand.

    make_header.py HEADER RENAMES KEEP

Follows the includes from ROOTS, in order, each header once. Our headers become text, the system's
headers an include line. Names that a program may use itself (u64, MIN, likely, spin_lock) become C's own
type or get the prefix perch_ or PERCH_; names of the allocator and the terms of its field
(percpu_alloc, this_cpu_add) stay. RENAMES ("old new") and KEEP (names) are for objcopy: symbols of
the archive that are renamed with the header, and those that stay global.
SPDX-License-Identifier: MIT
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The hosted twins come first, as in the library's build.
SEARCH = [ROOT / "tools/library", ROOT]
ROOTS = ["tools/library/host.h", "percpu/percpu_instance.h", "percpu/first/layout.h",
         "percpu/first/first_chunk.h", "percpu/first/setup_first_chunk.h",
         "percpu/sync/percpu_lib.h", "percpu/sync/counter.h", "percpu/sync/ref.h",
         "percpu/sync/rwlock.h", "percpu/sync/local.h"]
SYSTEM = {"kernel/base/errno.h": "<errno.h>", "kernel/base/string.h": "<string.h>"}
TYPES = {f"{sign}{bits}": f"{'u' * (sign == 'u')}int{bits}_t"
         for sign in "us" for bits in (8, 16, 32, 64)}
OWN = re.compile(r"_*(pcpu|percpu|perch|this_cpu|cpu_local|per_cpu|alloc_percpu|is_percpu|host_)",
                 re.I)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(<[^>]+>|"[^"]+").*\n', re.M)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
TOKEN = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|\w+|.", re.S)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*$", re.M)

OPENING = """/*
 * perch-percpu.h: per-CPU memory as a library; link with libperch-percpu.a and -pthread.
 * Generated from the sources of Perch; docs/porting.md there describes its use. Begin with
 * perch_host_init() below and percpu_alloc().
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_LIBRARY_H
#define PERCH_PERCPU_LIBRARY_H

"""
# After the system's headers. C++ has the same atomics under other names, of the same layout.
BEFORE = """#ifdef __cplusplus
#include <atomic>
#pragma GCC system_header /* C's casts are no warnings here */
#define PERCH_ATOMIC(type)  std::atomic<type>
#define PERCH_STATIC_ASSERT static_assert
{using}extern "C" {{
#else
#include <stdatomic.h>
#define PERCH_ATOMIC(type)  _Atomic(type)
#define PERCH_STATIC_ASSERT _Static_assert
#endif

"""
AFTER = """#ifdef __cplusplus
}
#endif
#endif
"""
# Words of C11 that C++ lacks, in a form that both have; words of C++ that are names here.
BOTH = {"_Thread_local": "__thread", "_Static_assert": "PERCH_STATIC_ASSERT", "class": "class_",
        "new": "new_", "delete": "delete_", "this": "this_", "private": "private_",
        "public": "public_", "operator": "operator_", "template": "template_", "typename": "typename_",
        "namespace": "namespace_"}
STD = re.compile(r"\b(?:atomic_bool\b|atomic_\w+(?=\()|memory_order_\w+)")
ATOMIC = [(re.compile(r"((?:const )?(?:(?:struct|enum) )?\w+ \*+)_Atomic\b"), r"PERCH_ATOMIC(\1)"),
          (re.compile(r"\b_Atomic ((?:(?:struct|enum) )?\w+)"), r"PERCH_ATOMIC(\1)")]


def find(name):
    for base in SEARCH:
        if (base / name).is_file():
            return base / name
    sys.exit(f"make_header.py: no header {name}")


def collect(name, parts, system):
    """Depth first, so that a header follows those that it needs. parts: name -> text."""
    if name in parts or name in SYSTEM:
        if name in SYSTEM:
            system.setdefault(SYSTEM[name])
        return
    text = find(name).read_text("utf-8")
    parts[name] = None  # being read: guards against a circle
    for target in INCLUDE.findall(text):
        if target[0] == "<":
            system.setdefault(target)
        else:
            collect(target[1:-1], parts, system)
    text = INCLUDE.sub("", text)
    text = re.sub(r"^#ifndef (\w+)\n#define \1\n", "", text, count=1, flags=re.M)
    text = re.sub(r"#endif\s*\Z", "", text)
    text = text.replace(" * SPDX-License-Identifier: MIT\n", "")
    del parts[name]  # in its place now, after those that it needs
    parts[name] = re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def declarations(text):
    """What is at file scope, one by one; braces emptied, enums' kept. Comments are blanks."""
    code = DIRECTIVE.sub("", COMMENT.sub(" ", text))
    depth, at, out = 0, 0, []
    for i, char in enumerate(code):
        depth += (char == "{") - (char == "}")
        if depth == 0 and (char == ";" or (char == "}" and is_function(code[at:i + 1]))):
            out.append(code[at:i + 1].strip())
            at = i + 1
    return out


def is_function(piece):
    return bool(re.match(r"\s*static\b[^=]*\)\s*\{", piece))


def names_of(text):
    """(all names at file scope, those with external linkage)."""
    every = set(re.findall(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", text, re.M))
    linked = set()
    for decl in declarations(text):
        head = re.sub(r"__attribute__\s*\(\(.*?\)\)|\b(ALIGNED|PRINTF|SECTION)\s*\([^)]*\)", " ",
                      decl)
        tag = re.match(r"(?:typedef\s+)?(?:struct|enum|union)\s+(\w+)\s*(?:\{|;)", head)
        if tag:
            every.add(tag[1])
        enum = re.search(r"\benum\b[^{;]*\{([^}]*)\}", head)
        if enum:
            every.update(re.findall(r"(?:^|,)\s*(\w+)", enum[1]))
        head = re.sub(r"\{.*\}", " ", head, flags=re.S).strip()
        if head.startswith("typedef"):
            pointer = re.search(r"\(\s*\*\s*(\w+)\s*\)", head)
            every.add(pointer[1] if pointer else re.findall(r"\w+", head)[-1])
        elif not re.match(r"((struct|enum|union)\s+\w*\s*;|static_assert)", head):
            found = re.search(r"(\w+)\s*\(|(\w+)\s*(?:\[[^;]*\])?\s*;", head)
            name = found[1] or found[2]
            every.add(name)
            if not head.startswith("static"):
                linked.add(name)
    return every, linked


def new_name(name):
    if name in TYPES:
        return TYPES[name]
    return name if OWN.match(name) else ("PERCH_" if name.upper() == name else "perch_") + name


def rename(text, table):
    """In code, and in comments where it is clearly a name: a type, a call, in capitals."""
    def in_comment(match):
        name, rest = match[1], match[2]
        plain = name in TYPES or rest == "(" or (name.upper() == name and "_" in name)
        return (table.get(name, name) if plain else name) + rest

    def token(match):
        word = match[0]
        if word.startswith(("/*", "//")):
            return re.sub(r"\b(\w+)\b(\(?)", in_comment, word)
        return table.get(word, word)

    return TOKEN.sub(token, text)


def check_members(text, table):
    """A renamed name must not be a member's too: users would see that member renamed."""
    code = COMMENT.sub(" ", text)
    for old, new in table.items():
        if old not in TYPES and re.search(rf"(?:\.|->)\s*{new}\b", code):
            sys.exit(f"make_header.py: {old} is at file scope and a member")


def for_both(body):
    """The same text for C and C++: each atomic by PERCH_ATOMIC, no word that one of the two lacks."""
    for pattern, new in ATOMIC:
        body = pattern.sub(new, body)
    return TOKEN.sub(lambda match: BOTH.get(match[0], match[0]), body)


def main(header, renames, keep):
    parts, system = {}, {}
    for name in ROOTS:
        collect(name, parts, system)
    every, linked = set(), set()
    for text in parts.values():
        some = names_of(text)
        every |= some[0]
        linked |= some[1]
    table = {name: new_name(name) for name in every if new_name(name) != name}
    body = ""
    for name, text in parts.items():
        text = re.sub(r"^typedef \w+_t [us]\d+;\n", "", text, flags=re.M)
        body += f"/* ======== {name} ======== */\n\n{rename(text, table)}\n"
    check_members(body, table)
    body = for_both(body)
    system.pop("<stdatomic.h>", None)
    includes = "".join(f"#include {name}\n" for name in sorted(system))
    atomics = sorted(set(STD.findall(COMMENT.sub("", body))))
    before = BEFORE.format(using="".join(f"using std::{name};\n" for name in atomics))
    Path(header).write_text(OPENING + includes + "\n" + before + body + AFTER, encoding="utf-8")
    Path(renames).write_text("".join(f"{old} {table[old]}\n" for old in sorted(linked)
                                     if old in table), encoding="utf-8")
    Path(keep).write_text("".join(f"{table.get(name, name)}\n" for name in sorted(linked)),
                          encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
