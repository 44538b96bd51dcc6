#!/bin/bash
# A root that has nothing but Debian's packages (debootstrap) gets ours, as a container would: the examples in C, C++ (CMake,
# pkg-config), Python and Go are compiled there against the installed files and run; then the packages are removed, and
# nothing is left. `tools/dev test --long` runs this. It needs root, a mirror of Debian, and about 2 GB.
#   clean_root.sh ROOT       the root of netdiag's sources, where bazel-bin has //tools/install:installed
set -euo pipefail
cd "$1"
source tools/install/files.sh
source tools/install/packages.sh

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# The part behind this line runs in a mount namespace of its own, so that no mount is left.
if [[ ${2-} != inside ]]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  unshare --mount --propagation private -- "$BASH" "$0" "$PWD" inside "$work"
  exit
fi
root=$3/root
mkdir "$root"
# The mirror and the release of this machine.
read -r mirror release < <(apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' 'Component: main' |
  awk '$1 ~ /debian$/ && $2 !~ /-/ { print; exit }') || true
[[ -n ${release-} ]] || fail "apt names no mirror of Debian"
packages=gcc,g++,cmake,make,pkgconf,python3,golang-go,libabsl-dev,libmnl-dev,zlib1g-dev
# The same mirror keeps its packages for the next run.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/netdiag/debootstrap
mkdir -p "$cache"
debootstrap --variant=minbase --cache-dir="$cache" --include="$packages" "$release" "$root" "$mirror" >"$3/log" 2>&1 ||
  { tail -n 20 "$3/log"; fail "debootstrap of $release from $mirror"; }
mount --rbind /proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"

PACKAGE_COMPRESSION=1 make_packages . bazel-bin "$root/tmp/packages" "$(install_version .)"
within() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp DEBIAN_FRONTEND=noninteractive "$@"; }
tree() { within find / -xdev \( -path /tmp -o -path /proc -o -path /var/cache -o -path /var/lib/dpkg -o -path /var/log \) -prune \
  -o ! -name ld.so.cache -print | sort; }
tree >"$3/before"
within sh -c 'dpkg --install /tmp/packages/*.deb' >"$3/log" 2>&1 || { cat "$3/log"; fail "the packages cannot be installed"; }

within diag -tln >/dev/null || fail "diag does not run"
within sh -exc 'cp -r /usr/share/doc/libnetdiag-dev/docs/examples /tmp && cd /tmp/examples
  gcc -std=c99 -Wall -Wextra -Werror meter.c -o meter $(pkg-config --cflags --libs netdiag)
  ./meter 1 >/dev/null
  g++ -std=c++20 -Wall -Wextra -Werror counts.cc -o counts $(pkg-config --cflags --libs netdiag-cxx)
  ./counts >/dev/null
  cat >CMakeLists.txt <<END
cmake_minimum_required(VERSION 3.16)
project(examples C CXX)
find_package(netdiag 0.2 REQUIRED COMPONENTS cxx)
add_executable(listens who_listens.cc)
target_link_libraries(listens netdiag::cxx)
add_executable(meter meter.c)
target_link_libraries(meter netdiag::c)
END
  cmake -S . -B build >/dev/null
  cmake --build build >/dev/null
  ./build/meter 1 >/dev/null
  ./build/listens 1 || [ $? -le 2 ] # nobody, or processes cannot be read
  GO111MODULE=off go build -o listeners listeners.go
  ./listeners >/dev/null
  python3 slow.py >/dev/null
  python3 -W error -c "import netdiag
with netdiag.Engine() as engine, netdiag.Monitor(engine) as monitor:
    assert monitor.poll()"' >"$3/log" 2>&1 || { tail -n 20 "$3/log"; fail "an example does not work"; }

within dpkg --purge diag libnetdiag-dev python3-netdiag libnetdiag0 >"$3/log" 2>&1 ||
  { cat "$3/log"; fail "the packages cannot be removed"; }
tree | diff "$3/before" - || fail "removing left or took something"
