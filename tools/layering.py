#!/usr/bin/env python3
"""Checks that a target lists as `deps` the targets whose headers its files include.

clang's layering_check says the same, but only in a build of its own with clang and without precompiled headers.

  bazel query 'kind("cc_.* rule|alias rule", //...)' --output=xml | tools/layering.py
"""

import re
import sys
import xml.etree.ElementTree as ElementTree

INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)


def path_of(label):
    return label.removeprefix("//").replace(":", "/").removeprefix("/")


def included(path):
    try:
        with open(path, encoding="utf-8") as file:
            return INCLUDE.findall(file.read())
    except FileNotFoundError:
        return []  # generated


class Target:
    def __init__(self, rule):
        self.lists = {
            each.get("name"): [label.get("value") for label in each.iter("label")]
            for each in rule.findall("list")
        }
        self.actual = next((each.get("value") for each in rule.findall("label") if each.get("name") == "actual"), None)
        self.is_library = rule.get("class") == "cc_library"

    def files(self, *names):
        return [path_of(label) for name in names for label in self.lists.get(name, [])]


def headers_of(label, targets):
    target = targets.get(label)
    while target and target.actual:
        target = targets.get(target.actual)
    return target.files("hdrs", "textual_hdrs") if target else []


def main():
    root = ElementTree.fromstring(sys.stdin.buffer.read())
    targets = {rule.get("name"): Target(rule) for rule in root.iter("rule")}
    owned = {header for target in targets.values() for header in target.files("hdrs", "textual_hdrs", "srcs")}
    missing = 0
    for label, target in targets.items():
        own = target.files("srcs", "hdrs", "textual_hdrs")
        allowed = set(own)
        for dep in target.lists.get("deps", []) + target.lists.get("implementation_deps", []):
            allowed.update(headers_of(dep, targets))
        for path in own:
            for header in included(path):
                if header in owned and header not in allowed:
                    missing += 1
                    print(f"{path} includes {header}, which no target in the deps of {label} has", file=sys.stderr)
    print(f"{len(targets)} targets", file=sys.stderr)
    return 1 if missing or not targets else 0


if __name__ == "__main__":
    sys.exit(main())
