#!/bin/bash
# Installs into temporary directories as `tools/dev install` does, and uses only the installed files: compiles the public
# headers, the examples of README.md and docs/embedding.md, and docs/examples with pkg-config and with CMake, runs them, and
# uninstalls.
set -euo pipefail
source tools/install/files.sh

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
install_files . . '' "$prefix" 1
install_files . . '' "$prefix" 1 # over itself
for file in bin/diag bin/netstat lib/libnetdiag_cxx.a lib/pkgconfig/netdiag-cxx.pc include/netdiag/engine.h \
  lib/libnetdiag.so lib/libnetdiag.so.0 lib/libnetdiag.a lib/pkgconfig/netdiag.pc include/netdiag/c/netdiag.h \
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
  head -n 1 "$prefix/include/$header" | grep -q '^/[/*] SPDX-License-Identifier: Apache-2.0$' ||
    fail "$header names no license"
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
for language in c89 c17; do
  gcc "-std=$language" -Wall -Wextra -Wpedantic -Wstrict-prototypes -Werror -fsyntax-only -x c \
    "$prefix/include/netdiag/c/netdiag.h" || fail "the header for C is not $language"
done
g++ -std=c++98 $warnings -Wno-long-long -fsyntax-only -x c++ "$prefix/include/netdiag/c/netdiag.h" ||
  fail "the header for C is not C++98"
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
project(examples C CXX)
find_package(netdiag 0.2 REQUIRED COMPONENTS cxx)
add_executable(embedding embedding.cc)
target_link_libraries(embedding netdiag::cxx)
add_executable(meter meter.c)
target_link_libraries(meter netdiag::c)
END
cp "$prefix"/share/doc/netdiag/docs/examples/* "$tmp/examples"

# compile COMPILER NAME: a program of C++
compile() {
  # shellcheck disable=SC2086
  "$1" -std=c++20 $warnings "$tmp/examples/$2.cc" -o "$tmp/$2.$1" $cflags $libs || echo "$1 does not compile $2"
}
export -f compile
export tmp warnings cflags libs
readonly programs="counts epoll_daemon leaks rates who_listens"
for name in $programs; do
  (($(wc -l <"$tmp/examples/$name.cc") < 60)) || fail "the example $name is too long"
done
(($(wc -l <"$tmp/examples/meter.c") <= 150)) || fail "the meter is too long"
failures=$(for program in "clang++ embedding" "clang++ readme" "g++ readme" "g++ embedding" $(printf 'g++:%s ' $programs); do
  echo "${program/:/ }"
done | xargs -P 2 -L 1 bash -c 'compile "$@"' compile 2>&1)
[[ -z $failures ]] || fail "$failures"
for program in embedding.clang++ readme.clang++ readme.g++ embedding.g++ "counts.g++" "epoll_daemon.g++ 2" "leaks.g++ 1 2" "rates.g++ 2"; do
  read -r name arguments <<<"$program"
  # shellcheck disable=SC2086
  "$tmp/$name" $arguments >"$tmp/out" || fail "the example $name fails"
done
python3 -c 'import socket, subprocess, sys
with socket.create_server(("127.0.0.1", 0)) as listener:
    port = str(listener.getsockname()[1])
    found = subprocess.run([sys.argv[1], port], capture_output=True, text=True).stdout
    assert found.startswith("127.0.0.1:" + port + " "), found
nobody = subprocess.run([sys.argv[1], port], capture_output=True, text=True)
# If processes cannot be read, the program is not sure.
sys.exit(nobody.returncode != 1 and "owners may be missing" not in nobody.stderr)' "$tmp/who_listens.g++" || fail "who_listens does not find a listener"

# ---- Another Abseil ----

# The same headers with another version number. Without a check the program would link, and read errors wrongly.
mkdir "$tmp/abseil"
cp -r /usr/include/absl "$tmp/abseil"
sed -i 's/#define ABSL_LTS_RELEASE_VERSION .*/#define ABSL_LTS_RELEASE_VERSION 29991231/' "$tmp/abseil/absl/base/config.h"
printf '#include "netdiag/engine.h"\nint main() { return netdiag::Engine::Open().ok() ? 0 : 1; }\n' >"$tmp/examples/open.cc"
# shellcheck disable=SC2086
open() { g++ -std=c++20 -ffunction-sections -Wl,--gc-sections $2 "$tmp/examples/open.cc" -o "$tmp/$1.g++" $cflags $libs 2>&1; }
open same '' && "$tmp/same.g++" || fail "a program with the same Abseil does not link or run"
others=$(open other "-I$tmp/abseil") && fail "a program with another Abseil links"
[[ $others == *'BuiltWithAbseil(netdiag::internal::Abseil<29991231,'* ]] || fail "the error of the linker does not name it: $others"

# ---- C, Python and Go ----

c_flags=$(pkg-config --cflags --libs netdiag)
# shellcheck disable=SC2086
gcc -std=c99 $warnings "$tmp/examples/meter.c" -o "$tmp/meter" $c_flags || fail "the meter does not compile"
LD_LIBRARY_PATH=$prefix/lib "$tmp/meter" 2 >"$tmp/out" && grep -q CONNS "$tmp/out" || fail "the meter fails"
# shellcheck disable=SC2046
gcc "$tmp/examples/meter.c" -o "$tmp/meter" $(pkg-config --cflags netdiag) "$prefix/lib/libnetdiag.a" \
  $(pkg-config --static --libs-only-l netdiag | sed 's/-lnetdiag//') || fail "the archive does not link into a program in C"
"$tmp/meter" 1 >/dev/null || fail "the meter fails with the archive"
PYTHONPATH=$prefix/$(install_python_directory "$prefix") python3 "$tmp/examples/slow.py" >/dev/null ||
  fail "the example in Python fails"
if command -v go >/dev/null; then
  (cd "$tmp/examples" && GO111MODULE=off GOCACHE=$tmp/go GOFLAGS=-p=2 go build -o "$tmp/listeners" listeners.go) ||
    fail "the example in Go does not build"
  LD_LIBRARY_PATH=$prefix/lib "$tmp/listeners" || fail "the example in Go fails"
else
  echo "SKIPPED: the example in Go, because golang-go is not installed"
fi

# ---- CMake ----

cmake -S "$tmp/examples" -B "$tmp/build" -DCMAKE_PREFIX_PATH="$prefix" >"$tmp/cmake.log" || {
  cat "$tmp/cmake.log"
  fail "CMake does not find the package"
}
cmake --build "$tmp/build" >"$tmp/cmake.log" || {
  cat "$tmp/cmake.log"
  fail "the examples do not build with CMake"
}
"$tmp/build/embedding" >/dev/null || fail "the example fails that CMake built"
"$tmp/build/meter" 1 >/dev/null || fail "the meter fails that CMake built"
sed -i 's/netdiag 0.2/netdiag 99.1/' "$tmp/examples/CMakeLists.txt"
cmake -S "$tmp/examples" -B "$tmp/build2" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null 2>&1 &&
  fail "CMake takes this version for 99.1"

# ---- Uninstalling ----

rm -rf "$tmp"/{abseil,all.so,all.cc,headers,alone,examples,build,build2,meter,listeners,go,out,cmake.log} "$tmp"/*.{g,clang}++
uninstall_files '' "$prefix"
tree "$tmp" | diff "$tmp.before" - || fail "uninstalling left or took something"
uninstall_files '' "$prefix" && fail "there was nothing to uninstall"

# A stage: the files name the prefix without the stage.
install_files . . "$tmp/stage" /opt/netdiag 0
[[ ! -e $tmp/stage/opt/netdiag/bin/netstat ]] || fail "the link netstat was not asked for"
grep -qx 'prefix=/opt/netdiag' "$tmp/stage/opt/netdiag/lib/pkgconfig/netdiag-cxx.pc" || fail "the prefix has the stage"
! grep -rlI "$tmp" "$tmp/stage" || fail "a file names the stage"
uninstall_files "$tmp/stage" /opt/netdiag
tree "$tmp" | diff "$tmp.before" - || fail "uninstalling a stage left or took something"
