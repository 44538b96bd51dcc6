#!/bin/bash
# Makes the Debian packages as `tools/dev package` does. Installs them into a root that is a copy of this one (an overlay),
# uses them there, upgrades them to a later version, and removes them: nothing is left.
set -euo pipefail
source tools/install/files.sh
source tools/install/packages.sh
tmp=$TEST_TMPDIR
readonly tmp

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# The part behind this line runs in a mount namespace of its own.
if [[ ${1-} != inside ]]; then
  exec unshare --mount --propagation private -- "$BASH" "$0" inside
fi
mkdir -p "$tmp/layers"
mount -t tmpfs tmpfs "$tmp/layers"
mkdir "$tmp"/layers/{upper,work,root}
mount -t overlay overlay -o "lowerdir=/,upperdir=$tmp/layers/upper,workdir=$tmp/layers/work" "$tmp/layers/root"
readonly root=$tmp/layers/root
mount --rbind /proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"

export PACKAGE_COMPRESSION=1
version=$(install_version .)
for version in "$version" "$version+later"; do
  make_packages . . "$root/tmp/$version" "$version"
done
readonly version
within() { /usr/sbin/chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }
# Everything below /usr and /etc.
tree() { within find /usr /etc -path /usr/share/man -prune -o ! -name ld.so.cache -print | sort; }

tree >"$tmp/before"
within sh -c "dpkg --install /tmp/${version%+later}/*.deb" >"$tmp/log" 2>&1 ||
  { cat "$tmp/log"; fail "the packages cannot be installed"; }
use() {
  within diag --version >/dev/null || fail "diag does not run"
  within python3 -c 'import netdiag; assert netdiag.Engine().columns(None, "state").summary.rows > 0' ||
    fail "the Python package does not work"
  within sh -c 'gcc -Wall -Werror /usr/share/doc/libnetdiag-dev/docs/examples/meter.c -o /tmp/meter -lnetdiag && /tmp/meter 1' \
    >/dev/null || fail "the example in C does not work"
  within sh -c 'gcc /usr/share/doc/libnetdiag-dev/docs/examples/meter.c -o /tmp/meter $(pkg-config --cflags netdiag) \
    -Wl,-Bstatic $(pkg-config --libs netdiag) -Wl,-Bdynamic -lstdc++ -lmnl -lz -lm && /tmp/meter 1' >/dev/null ||
    fail "the archive does not work"
}
use
within sh -c "dpkg --install /tmp/$version/*.deb" >"$tmp/log" 2>&1 ||
  { cat "$tmp/log"; fail "the packages cannot be upgraded"; }
[[ $(within dpkg-query -W -f '${Version}' libnetdiag0) == "$version" ]] || fail "the later version was not installed"
use
within dpkg --purge diag libnetdiag-dev python3-netdiag libnetdiag0 >"$tmp/log" 2>&1 ||
  { cat "$tmp/log"; fail "the packages cannot be removed"; }
tree | diff "$tmp/before" - || fail "removing left or took something"
