#!/bin/bash
# The binary interface of libnetdiag.so.0: which symbols it has, and that it is the one of netdiag/c/netdiag.abi, which
# programs were linked with. If something was added, the dump of the new library, which this test writes, becomes netdiag.abi.
set -euo pipefail
readonly library=tools/install/libnetdiag.so map=netdiag/c/netdiag.map dump=netdiag/c/netdiag.abi header=netdiag/c/netdiag.h

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# Exactly the functions of the header, each with the version of its node.
declared=$(grep -oE '^[a-z].*\bnetdiag_[a-z_]+\(' "$header" | grep -oE 'netdiag_[a-z_]+\($' | tr -d '(' | sort)
versioned=$(grep -oE '^ +netdiag_[a-z_]+;' "$map" | tr -d ' ;' | sort)
exported=$(nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' | sort)
diff <(echo "$declared") <(echo "$versioned") || fail "the header and $map differ"
diff <(sed 's/$/@@NETDIAG_0.2/' <<<"$versioned") <(echo "$exported") || fail "the library exports something else"
[[ $(wc -l <<<"$declared") -le 35 ]] || fail "the interface has grown beyond what it wants to be"
readelf -d "$library" | grep -q 'SONAME.*\[libnetdiag.so.0\]' || fail "the soname is another"
needed=$(readelf -d "$library" | sed -nE 's/.*NEEDED.*\[(.*)\]/\1/p' | sort | xargs)
[[ $needed != *bpf* && $needed != *elf* ]] || fail "the library needs $needed"

# Their archive has the same names, and no other strong ones.
archived=$(nm --defined-only tools/install/libnetdiag.a | awk '$2 ~ /^[A-Z]$/ { print $3 }' | sort)
diff <(echo "$versioned") <(echo "$archived") || fail "the archive has other names"

# Only the types of the header count: the handles are opaque.
headers=$(mktemp -d)
cp "$header" "$headers"
new=${TEST_UNDECLARED_OUTPUTS_DIR:-${TEST_TMPDIR:-/tmp}}/netdiag.abi
abidw --headers-dir "$headers" --exported-interfaces-only --drop-private-types --no-corpus-path --no-comp-dir-path \
  --no-show-locs --no-elf-needed "$library" --out-file "$new"
rm -r "$headers"
abidiff --harmless --no-show-locs "$dump" "$new" || fail "the binary interface has changed; the new one is $new"
