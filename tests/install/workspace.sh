#!/bin/bash
# Another Bazel workspace, with the lines of docs/embedding.md, builds a program with the library and runs it.
# `tools/dev test --long` runs this. It is no test of Bazel, because it starts a Bazel of its own.
#   workspace.sh ROOT       the root of netdiag's sources
set -euo pipefail
root=$(readlink -f "$1")
work=$(mktemp -d)
trap 'bazel --output_base="$work/base" shutdown >/dev/null 2>&1; chmod -R u+w "$work"; rm -rf "$work"' EXIT

# The text blocks of the document's section "As a Bazel repository", each behind a line that begins with its file's name.
awk -v work="$work" -v root="$root" '
  /^## / { in_section = /^## As a Bazel repository/ }
  !in_section { next }
  /^```/ { file = ""; next }
  /^`[A-Za-z.]+`:$/ { name = substr($0, 2, length($0) - 3); wanted = name }
  /^    / && wanted != "" { sub(/^    /, ""); sub(/\/path\/to\/netdiag/, root); print > (work "/" wanted); next }
  /^[^ ]/ && !/^`/ { wanted = "" }' "$root/docs/embedding.md"
awk '/^```cpp/ { code = 1; next } /^```/ { code = 0 } code' "$root/README.md" >"$work/main.cc"
for file in WORKSPACE .bazelrc BUILD main.cc; do [[ -s $work/$file ]] || { echo "no $file" >&2; exit 1; }; done
[[ ! -f $root/user.bazelrc ]] || cat "$root/user.bazelrc" >>"$work/.bazelrc"

# Bazel would download these; here they are Debian's, and our shims.
overrides=(--override_repository=rules_cc="$root/third_party/rules_cc"
  --override_repository=remote_coverage_tools="$root/third_party/coverage"
  --override_repository=rules_java=/usr/share/bazel/rules/java
  --override_repository=rules_proto=/usr/share/bazel/rules/proto
  --override_repository=platforms=/usr/share/bazel/platforms
  --override_repository=bazel_skylib=/usr/share/bazel/tools/skylib)
cd "$work"
bazel --output_base="$work/base" run "${overrides[@]}" //:main
