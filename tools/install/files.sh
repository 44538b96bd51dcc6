# What `tools/dev install` copies, and where to. tools/dev and tests/install source it.
#
# Installing writes a list of everything that it made, and uninstalling removes what is in the list: files, and
# directories that were not there before and are empty.
# shellcheck shell=bash

# The place of the list below the prefix.
readonly install_list=share/netdiag/installed

# The pkg-config packages that the library needs. Each package of Abseil names those that it needs itself.
readonly install_requires="absl_any_invocable absl_cord absl_flat_hash_map absl_flat_hash_set absl_function_ref
  absl_hash absl_node_hash_map absl_optional absl_status absl_statusor absl_strings libmnl zlib"

# The version of netdiag/version.h.
install_version() {  # SOURCES
  awk '$1 == "#define" && $2 ~ /^NETDIAG_VERSION_(MAJOR|MINOR|PATCH)$/ { v = v (v == "" ? "" : ".") $3 } END { print v }' \
    "$1/netdiag/version.h"
}

# Makes the directories of PATH below $install_root, and notes the new ones.
install_directory() {  # PATH
  [[ ! -d $install_root/$1 && $1 != . ]] || return 0
  install_directory "$(dirname "$1")"
  mkdir "$install_root/$1"
  echo "d $1" >>"$install_made"
}

# Puts standard input at PATH below $install_root.
install_text() {  # MODE PATH
  install_directory "$(dirname "$2")"
  # A new file, so that a running program or another link to the old one does not change.
  rm -f "$install_root/$2"
  cat >"$install_root/$2"
  chmod "$1" "$install_root/$2"
  echo "f $2" >>"$install_made"
}

install_pkg_config() {  # PREFIX VERSION
  cat <<END
prefix=$1
includedir=\${prefix}/include
libdir=\${prefix}/lib

Name: netdiag-cxx
Description: Sockets of Linux, their owners and their counters
Version: $2
Requires: $(xargs <<<"$install_requires")
Cflags: -I\${includedir}
Libs: -L\${libdir} -lnetdiag_cxx -pthread
END
}

install_cmake_config() {
  # Abseil's targets have the names of its pkg-config packages, with "::" for "_".
  local target targets=
  for target in $install_requires; do
    [[ $target != absl_* ]] || targets+=" absl::${target#absl_}"
  done
  cat <<END
# find_package(netdiag) makes the target netdiag::cxx.
include(CMakeFindDependencyMacro)
find_dependency(absl)
find_dependency(ZLIB)
find_dependency(Threads)
find_library(netdiag_MNL mnl REQUIRED)
get_filename_component(netdiag_PREFIX "\${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
if(NOT TARGET netdiag::cxx)
  add_library(netdiag::cxx STATIC IMPORTED)
  set_target_properties(netdiag::cxx PROPERTIES
    IMPORTED_LOCATION "\${netdiag_PREFIX}/lib/libnetdiag_cxx.a"
    INTERFACE_INCLUDE_DIRECTORIES "\${netdiag_PREFIX}/include"
    INTERFACE_COMPILE_FEATURES cxx_std_20
    INTERFACE_LINK_LIBRARIES "$(xargs <<<"$targets" | tr ' ' ';');ZLIB::ZLIB;Threads::Threads;\${netdiag_MNL}")
endif()
END
}

# Versions with the same major and minor number are compatible before 1.0: docs/embedding.md.
install_cmake_version() {  # VERSION
  cat <<END
set(PACKAGE_VERSION $1)
if(PACKAGE_FIND_VERSION VERSION_GREATER PACKAGE_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
elseif(NOT "\${PACKAGE_FIND_VERSION_MAJOR}.\${PACKAGE_FIND_VERSION_MINOR}" STREQUAL "${1%.*}"
       AND NOT PACKAGE_FIND_VERSION_COUNT LESS 2)
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
else()
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
  if(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
endif()
END
}

# Installs below DESTDIR/PREFIX. What an earlier call installed there is removed first.
install_files() {  # SOURCES DIAG ARCHIVE DESTDIR PREFIX WITH_NETSTAT
  local sources=$1 program=$2 library=$3 at=$5 with_netstat=$6 version header page
  local install_root=$4$5 install_made
  version=$(install_version "$sources")
  uninstall_files "$4" "$5" >/dev/null || true
  install_made=$(mktemp)
  # The root first: below it, names are relative.
  install_parents "$install_root" "$install_made"

  install_text 755 bin/diag <"$program"
  if ((with_netstat)); then
    ln -sf diag "$install_root/bin/netstat"
    echo "f bin/netstat" >>"$install_made"
  fi
  "$program" --help-format=man | install_text 644 share/man/man1/diag.1
  "$program" --help-format=bash | install_text 644 share/bash-completion/completions/diag
  "$program" --help-format=zsh | install_text 644 share/zsh/site-functions/_diag
  "$program" --help-format=fish | install_text 644 share/fish/vendor_completions.d/diag.fish

  install_text 644 lib/libnetdiag_cxx.a <"$library"
  install_pkg_config "$at" "$version" | install_text 644 lib/pkgconfig/netdiag-cxx.pc
  install_cmake_config | install_text 644 lib/cmake/netdiag/netdiagConfig.cmake
  install_cmake_version "$version" | install_text 644 lib/cmake/netdiag/netdiagConfigVersion.cmake
  while read -r header; do
    install_text 644 "include/$header" <"$sources/$header"
  done < <(grep '^netdiag/' "$sources/netdiag/public_headers")
  for page in README.md LICENSE CHANGELOG.md docs/{capture,embedding,exactness,filter,output}.md docs/diag.schema.json; do
    install_text 644 "share/doc/netdiag/$page" <"$sources/$page"
  done

  install_directory "$(dirname "$install_list")"
  sort -u "$install_made" >"$install_root/$install_list"
  rm -f "$install_made"
}

# Makes the directories of ROOT, and notes how many are new: uninstalling removes as many.
install_parents() {  # ROOT LIST
  local path=$1 new=0
  while [[ ! -d $path ]]; do
    path=$(dirname "$path")
    new=$((new + 1))
  done
  mkdir -p "$1"
  echo "p $new" >>"$2"
}

# Removes what install_files() has made below DESTDIR/PREFIX. Fails if nothing is installed there.
uninstall_files() {  # DESTDIR PREFIX
  local below=$1$2 kind path new=0
  [[ -f $below/$install_list ]] || return 1
  while read -r kind path; do
    case $kind in
      f) rm -f "$below/$path" ;;
      p) new=$path ;;
    esac
  done <"$below/$install_list"
  # Inner directories come first.
  { awk '$1 == "d" { print $2 }' "$below/$install_list" && rm -f "$below/$install_list"; } | sort -r |
    while read -r path; do rmdir --ignore-fail-on-non-empty "$below/$path" 2>/dev/null || true; done
  path=$below
  for ((; new > 0; --new)); do
    rmdir "$path" 2>/dev/null || break
    path=$(dirname "$path")
  done
}
