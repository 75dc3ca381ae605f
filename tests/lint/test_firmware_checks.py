"""docs/firmware-checks.md lists every finding of kernel/base/firmware_ids.h, with its class, and
nothing else.

SPDX-License-Identifier: MIT
"""
import re

from conftest import ROOT

LIST = re.compile(r'X\((\w+),\s+"([a-z0-9-]+)",\s+(FAIL|WARN|INFO),\s+(BUG|NOTE),\s+"([\w ]+)"\)')
ROW = re.compile(r"^\| `([a-z0-9-]+)` \| (\w+) \| ([^|]+) \| ([^|]+) \|$", re.M)


def listed():
    text = (ROOT / "kernel/base/firmware_ids.h").read_text("utf-8")
    found = LIST.findall(text)
    assert len(found) == text.count("\n    X("), "a line of the list has another form"
    return found


def page():
    return ROW.findall((ROOT / "docs/firmware-checks.md").read_text("utf-8"))


def test_page_and_list_agree():
    in_list = [(text, severity) for _, text, severity, _, _ in listed()]
    in_page = [(text, severity) for text, severity, _, _ in page()]
    assert len(in_list) > 40 and len(set(in_list)) == len(in_list)
    assert in_page == in_list, set(in_page) ^ set(in_list) or "in another order"


def test_every_row_says_something():
    for text, _, anchor, advice in page():
        assert anchor.strip() and len(advice.strip()) > 5, text


def test_names_and_forms():
    seen = set()
    for name, text, severity, form, _ in listed():
        plain = text.replace("-", "_").upper()
        # A second line of an id is for a known case in which the fault is harmless.
        assert name == plain or (text in seen and name.startswith(plain + "_")
                                 and severity == "INFO"), name
        seen.add(text)
        assert severity != "FAIL" or form == "BUG", text  # a FAIL is a line "firmware bug:"
        assert severity != "INFO" or form == "NOTE", text
