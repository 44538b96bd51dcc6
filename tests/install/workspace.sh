#!/bin/bash
# Another Bazel workspace, with the lines of docs/embedding.md, builds a program with the library and runs it; then with an
# Abseil of its own, also for the library; and it cannot link a program whose Abseil is not the library's.
# `tools/dev test --long` runs this. It is no test of Bazel, because it starts a Bazel of its own. It compiles the library twice.
#   workspace.sh ROOT       the root of netdiag's sources
set -euo pipefail
root=$(readlink -f "$1")
work=$(mktemp -d)
trap 'bazel --output_base="$work/base" shutdown >/dev/null 2>&1; chmod -R u+w "$work"; rm -rf "$work"' EXIT

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# The text blocks of the document's section "As a Bazel repository", each behind a line that begins with its file's name.
awk -v work="$work" -v root="$root" '
  /^## / { in_section = /^## As a Bazel repository/ }
  !in_section { next }
  /^`[A-Za-z.]+`:$/ { wanted = substr($0, 2, length($0) - 3); next }
  /^    / && wanted != "" { sub(/^    /, ""); sub(/\/path\/to\/netdiag/, root); print > (work "/" wanted); next }
  /^[^ ]/ { wanted = "" }' "$root/docs/embedding.md"
awk '/^```cpp/ { code = 1; next } /^```/ { code = 0 } code' "$root/README.md" >"$work/main.cc"
for file in WORKSPACE .bazelrc BUILD main.cc; do [[ -s $work/$file ]] || fail "no $file"; done
[[ ! -f $root/user.bazelrc ]] || cat "$root/user.bazelrc" >>"$work/.bazelrc"
# Debian's Bazel writes a page of trace for each action in a sandbox.
echo "build --spawn_strategy=local" >>"$work/.bazelrc"

# Bazel would download these; here they are Debian's, and our shims.
overrides=(--override_repository=rules_cc="$root/third_party/rules_cc"
  --override_repository=remote_coverage_tools="$root/third_party/coverage"
  --override_repository=rules_java=/usr/share/bazel/rules/java
  --override_repository=rules_proto=/usr/share/bazel/rules/proto
  --override_repository=platforms=/usr/share/bazel/platforms
  --override_repository=bazel_skylib=/usr/share/bazel/tools/skylib)
cd "$work"
# bazel_here COMMAND ARGUMENTS...
bazel_here() { bazel --output_base="$work/base" "$1" "${overrides[@]}" --color=no --show_progress_rate_limit=30 "${@:2}"; }
bazel_here run //:main

# Two targets that stand for an Abseil of this workspace, both with the archives of Debian. One has equal headers, and the
# other the headers of another version.
for name in own other; do
  mkdir "$name"
  cp -r /usr/include/absl "$name/absl"
  echo '#define ABSEIL_OF_THE_WORKSPACE 1' >>"$name/absl/base/config.h"
  awk '/^cc_library/ { rule = "" } { rule = rule $0 "\n" } /name = "debian_absl"/ { found = 1 }
    /^)/ && found { print rule; exit }' "$root/third_party/BUILD" |
    sed 's|name = "debian_absl".*|name = "absl", visibility = ["//visibility:public"], hdrs = glob(["absl/**"]), includes = ["."],|' \
      >"$name/BUILD"
  cat >>BUILD <<END

cc_binary(
    name = "with_$name",
    srcs = ["abseil.cc"],
    deps = ["//$name:absl", "@netdiag//netdiag:engine"],
)
END
done
sed -i 's/#define ABSL_LTS_RELEASE_VERSION .*/#define ABSL_LTS_RELEASE_VERSION 29991231/' other/absl/base/config.h
cat >abseil.cc <<'END'
#include "netdiag/engine.h"
#ifndef ABSEIL_OF_THE_WORKSPACE
#error "these headers are not the workspace's"
#endif
int main() { return netdiag::Engine::Open().ok() ? 0 : 1; }
END
log=$(bazel_here build //:with_other 2>&1) && fail "a program with another Abseil links"
[[ $log == *'BuiltWithAbseil(netdiag::internal::Abseil<29991231,'* ]] || fail "the linker does not name the other Abseil: $log"
readonly flag=--@netdiag//third_party:absl=//own:absl
bazel_here run "$flag" //:with_own
both=$(bazel_here cquery "$flag" 'filter(debian_absl, deps(//:with_own))' 2>/dev/null) || fail "cquery"
[[ -z $both ]] || fail "the library has Debian's Abseil besides the workspace's: $both"
