#!/bin/bash
# Runs the test of filters that is in the source of iproute2, with diag in the place of ss:
#   tests/tools/iproute2_ssfilter.sh DIAG
# The source comes from the Debian mirror of this machine. It is not part of this project.
set -euo pipefail

readonly version=6.1.0 cases=12
diag=$(readlink -f "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' | grep -m1 '/debian/$')
archive=${mirror}pool/main/i/iproute2/iproute2_$version.orig.tar.xz
/usr/lib/apt/apt-helper -o APT::Sandbox::User="$(id -un)" download-file "$archive" "$work/iproute2.tar.xz" >/dev/null ||
  { echo "could not fetch $archive" >&2; exit 1; }
tar -C "$work" -xf "$work/iproute2.tar.xz"
cd "$work/iproute2-$version/testsuite"
ln -s "$diag" "$work/ss"

STD_OUT=$work/out STD_ERR=$work/err ERRF=$work/failed SS=$work/ss ./tests/ss/ssfilter.t >"$work/log" 2>&1 || true
succeeded=$(grep -c 'SUCCESS' "$work/log" || true)
if [[ $succeeded != "$cases" || -s $work/failed ]]; then
  cat "$work/log" "$work/failed" >&2 2>/dev/null || true
  echo "$succeeded of $cases cases of iproute2's ssfilter.t passed" >&2
  exit 1
fi
echo "all $cases cases of iproute2's ssfilter.t passed"
