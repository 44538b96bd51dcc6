# The part of tools/dev that builds for arm64: `tools/dev arm64` and `tools/dev package --arm64`. tools/dev sources it.
#
# Debian's cross compiler builds with a root of Debian's arm64 packages, which are unpacked and not installed. qemu-aarch64
# runs programs of that root as processes of this kernel. It knows neither NETLINK_SOCK_DIAG nor bpf(2), so the live tests
# are left out.
# shellcheck shell=bash

source tools/own_apt.sh

readonly arm64_packages="
g++-aarch64-linux-gnu  compiles for arm64
qemu-user              runs the tests"
# In the root: what build_packages has for this machine.
readonly arm64_root_packages="libc6-dev libmnl-dev libabsl-dev libbpf-dev libelf-dev zlib1g-dev libgtest-dev libgmock-dev
  rapidjson-dev libncurses-dev prometheus-cpp-dev"
readonly arm64_suite=bookworm
# The root and its lists, kept between runs. tools/arm64/toolchain.bzl finds the root there.
readonly arm64_cache=${XDG_CACHE_HOME:-$HOME/.cache}/netdiag/arm64
readonly arm64_root=$arm64_cache/root

# Makes $arm64_root, unless it has the wanted packages. $arm64_cache/libraries has its packages of shared objects once more,
# as dpkg-shlibdeps reads them.
arm64_make_root() {
  local apt=$arm64_cache/apt new=$arm64_cache/new package link
  [[ ! -f $arm64_root/packages || $(<"$arm64_root/packages") != "$arm64_root_packages" ]] || return 0
  own_apt_update "$apt" arm64 "$arm64_suite"
  say "fetching packages of arm64"
  rm -f "$apt"/archives/*.deb
  # shellcheck disable=SC2086  # a list of words
  own_apt "$apt" arm64 apt-get -qq -y --download-only --no-install-recommends install $arm64_root_packages >&2 </dev/null
  rm -rf "$new"
  mkdir -p "$new/libraries"
  for package in "$apt"/archives/*.deb; do
    dpkg -x "$package" "$new/root"
    ! dpkg-deb --info "$package" shlibs &>/dev/null ||
      dpkg-deb --raw-extract "$package" "$new/libraries/$(dpkg-deb --field "$package" Package)"
  done
  # Absolute links would lead out of the root.
  find "$new/root" -type l -lname '/*' | while IFS= read -r link; do
    ln -sfnr "$new/root$(readlink "$link")" "$link"
  done
  echo "$arm64_root_packages" >"$new/root/packages"
  rm -rf "$arm64_root" "$arm64_cache/libraries"
  mv "$new/libraries" "$new/root" "$arm64_cache"
  rmdir "$new"
  rm -f "$apt"/archives/*.deb
}

# Installs what builds for arm64 need.
arm64_setup() {
  install "$build_packages$arm64_packages"
  arm64_make_root
}

# Makes tools/install/packages.sh make packages for arm64.
# shellcheck disable=SC2034  # it reads these
arm64_package_settings() {
  eval "$(dpkg-architecture -a arm64 -s 2>/dev/null)"
  install_runner=(qemu-aarch64 -L "$arm64_root") package_unpacked=$arm64_cache/libraries
}

# Builds everything that is installed and the tests that do not ask the kernel for its sockets, runs these, and appends the
# results to $results.
arm64_test() {  # BAZEL_FLAGS...
  local emulator="qemu-aarch64 -L $arm64_root" labels
  mapfile -t labels < <(bazel query --noshow_progress 'kind("cc_test", //tests/...) except
    attr(tags, "\blive\b", //tests/...)' 2>/dev/null)
  ((${#labels[@]} > 0)) || fail 1 "bazel query found no test"
  # qemu needs the root for the program interpreter and the shared objects. Programs are ten times slower under it.
  run_tests arm64 --config=arm64 --run_under="$emulator" --test_env=NETDIAG_EMULATOR="$emulator" \
    --test_env=NETDIAG_SHORT=1 --test_timeout=3600 "$@" //tools/install:installed "${labels[@]}"
}

cmd_arm64() {
  (($# == 0)) || { usage >&2; exit 2; }
  arm64_setup
  work=$(mktemp -d) results=$work/results
  trap 'rm -rf "$work"' EXIT
  : >"$results"
  local pch_flag
  prepare_pch
  arm64_test "$pch_flag"
  count_results
}
