#!/bin/bash
# Installs into temporary directories as `tools/dev install` does, and uses only the installed files: compiles the public
# headers and the examples of README.md and docs/embedding.md with pkg-config and with CMake, runs them, and uninstalls.
set -euo pipefail
source tools/install/files.sh

readonly diag=tools/diag/diag archive=tools/install/libnetdiag_cxx.a
readonly tmp=$TEST_TMPDIR
readonly prefix=$tmp/usr
readonly warnings="-Wall -Wextra -Wpedantic -Werror"
mkdir -p "$tmp"

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# The files and directories below DIRECTORY, one a line.
tree() { (cd "$1" && find . | sort); }

# The C++ of DOCUMENT.
examples() { awk '/^```cpp/ { code = 1; next } /^```/ { code = 0 } code' "$1"; }

# ---- Installing ----

mkdir -p "$prefix/bin" "$prefix/include/other"
echo theirs >"$prefix/bin/other"
tree "$tmp" >"$tmp.before"
install_files . "$diag" "$archive" '' "$prefix" 1
install_files . "$diag" "$archive" '' "$prefix" 1 # over itself
for file in bin/diag bin/netstat lib/libnetdiag_cxx.a lib/pkgconfig/netdiag-cxx.pc include/netdiag/engine.h \
  lib/cmake/netdiag/netdiagConfig.cmake share/man/man1/diag.1 share/bash-completion/completions/diag \
  share/zsh/site-functions/_diag share/fish/vendor_completions.d/diag.fish share/doc/netdiag/LICENSE \
  share/doc/netdiag/docs/embedding.md; do
  [[ -s $prefix/$file ]] || fail "$file was not installed"
done
[[ ! -e $prefix/include/netdiag/dump/verifier.h ]] || fail "an internal header was installed"
"$prefix/bin/diag" --version >/dev/null

# ---- The archive ----

# Inline functions of other libraries have copies in every object. They are weak.
strong=$(nm -C --defined-only "$prefix/lib/libnetdiag_cxx.a" 2>/dev/null | awk '$2 ~ /^[TDB]$/' | grep -v ' netdiag::' |
  grep -vE 'guard variable|(vtable|typeinfo|typeinfo name) for netdiag::' || true)
[[ -z $strong ]] || fail "the archive defines names outside netdiag: $strong"
[[ $(ar t "$prefix/lib/libnetdiag_cxx.a" | sort | uniq -d) == '' ]] || fail "two members of the archive have one name"

export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
cflags=$(pkg-config --cflags netdiag-cxx)
libs=$(pkg-config --libs netdiag-cxx)
readonly cflags libs
# A list of words:
# shellcheck disable=SC2086
g++ -shared -Wl,-z,text -Wl,--no-undefined -o "$tmp/all.so" -Wl,--whole-archive "$prefix/lib/libnetdiag_cxx.a" \
  -Wl,--no-whole-archive ${libs/-lnetdiag_cxx/} || fail "the archive cannot be part of a shared object"
readelf -d "$tmp/all.so" | grep NEEDED | grep -E 'bpf|elf' && fail "the library needs libbpf or libelf"

# ---- The headers ----

# All headers in every language that is supported, and in the long form each alone.
(cd "$prefix/include" && find netdiag -name '*.h' | sort) >"$tmp/headers"
while read -r header; do
  grep -q '^// SPDX-License-Identifier: Apache-2.0$' "$prefix/include/$header" || fail "$header names no license"
  echo "#include \"$header\""
done <"$tmp/headers" >"$tmp/all.cc"
for compiler in g++ clang++; do
  for standard in c++20 c++2b; do
    # shellcheck disable=SC2086
    "$compiler" "-std=$standard" $cflags $warnings -fno-exceptions -fno-rtti -fsyntax-only "$tmp/all.cc" ||
      fail "$compiler -std=$standard refuses the headers"
  done
done
[[ -n ${NETDIAG_LONG-} ]] || : >"$tmp/alone"
[[ -e $tmp/alone ]] || cp "$tmp/headers" "$tmp/alone"
# shellcheck disable=SC2086
alone=$(xargs -r -P 2 -I{} g++ -std=c++20 $cflags $warnings -fno-exceptions -fno-rtti -fsyntax-only -x c++ \
  "$prefix/include/{}" <"$tmp/alone" 2>&1) || fail "a header does not stand alone: $alone"
# shellcheck disable=SC2086
old=$(g++ -std=c++17 $cflags -fsyntax-only "$tmp/all.cc" 2>&1 || true)
[[ $old == *'netdiag needs C++20'* ]] || fail "C++17 has no error of its own"

# ---- The examples ----

mkdir "$tmp/examples"
examples README.md >"$tmp/examples/readme.cc"
{
  examples docs/embedding.md
  cat <<'END'
#include <iostream>
#include "netdiag/row.h"
int main() {
  std::unique_ptr<netdiag::Engine> engine = netdiag::Engine::Open().value();
  const netdiag::Query query{.protocols = {netdiag::Protocol::kTcp}};
  size_t rows = 0;
  const absl::Status status = ListWithEpoll(engine.get(), query, [&](const netdiag::Row&) {
    ++rows;
    return netdiag::Flow::kContinue;
  });
  std::cout << status << ", " << rows << " rows, netdiag " << NETDIAG_VERSION_STRING << "\n";
  return status.ok() ? 0 : 1;
}
END
} >"$tmp/examples/embedding.cc"
cat >"$tmp/examples/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.16)
project(examples CXX)
find_package(netdiag 0.2 REQUIRED)
foreach(name readme embedding)
  add_executable(${name} ${name}.cc)
  target_link_libraries(${name} netdiag::cxx)
endforeach()
END

for compiler in g++ clang++; do
  for name in readme embedding; do
    # shellcheck disable=SC2086
    "$compiler" -std=c++20 $warnings "$tmp/examples/$name.cc" -o "$tmp/$name" $cflags $libs ||
      fail "$compiler does not compile the example of $name"
    "$tmp/$name" || fail "the example of $name fails"
  done
done
cmake -S "$tmp/examples" -B "$tmp/build" -DCMAKE_PREFIX_PATH="$prefix" >"$tmp/cmake.log" || {
  cat "$tmp/cmake.log"
  fail "CMake does not find the package"
}
cmake --build "$tmp/build" >"$tmp/cmake.log" || {
  cat "$tmp/cmake.log"
  fail "the examples do not build with CMake"
}
for name in readme embedding; do "$tmp/build/$name" >/dev/null || fail "the example of $name fails"; done
sed -i 's/netdiag 0.2/netdiag 99.1/' "$tmp/examples/CMakeLists.txt"
cmake -S "$tmp/examples" -B "$tmp/build2" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null 2>&1 &&
  fail "CMake takes this version for 99.1"

# ---- Uninstalling ----

rm -rf "$tmp"/{all.so,all.cc,headers,alone,examples,build,build2,readme,embedding,cmake.log}
uninstall_files '' "$prefix"
tree "$tmp" | diff "$tmp.before" - || fail "uninstalling left or took something"
uninstall_files '' "$prefix" && fail "there was nothing to uninstall"

# A stage: the files name the prefix without the stage.
install_files . "$diag" "$archive" "$tmp/stage" /opt/netdiag 0
[[ ! -e $tmp/stage/opt/netdiag/bin/netstat ]] || fail "the link netstat was not asked for"
grep -qx 'prefix=/opt/netdiag' "$tmp/stage/opt/netdiag/lib/pkgconfig/netdiag-cxx.pc" || fail "the prefix has the stage"
! grep -rlI "$tmp" "$tmp/stage" || fail "a file names the stage"
uninstall_files "$tmp/stage" /opt/netdiag
tree "$tmp" | diff "$tmp.before" - || fail "uninstalling a stage left or took something"
