# What `tools/dev install` copies, and where to. tools/dev, tools/install/packages.sh and tests/install source it.
#
# Installing writes a list of everything that it made, and uninstalling removes what is in the list: files (f), caches (c),
# and directories (d) that were not there before and are empty.
# shellcheck shell=bash

# The place of the list below the prefix.
readonly install_list=share/netdiag/installed

# The pkg-config packages that the library needs. Each package of Abseil names those that it needs itself.
readonly install_requires="absl_any_invocable absl_cord absl_flat_hash_map absl_flat_hash_set absl_function_ref
  absl_hash absl_node_hash_map absl_optional absl_status absl_statusor absl_strings libmnl zlib"

# Where libraries are below the prefix.
install_libdir=lib

# What strips and runs programs that were built.
install_strip=strip install_runner=()

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

# A link to TARGET at PATH below $install_root.
install_link() {  # TARGET PATH
  install_directory "$(dirname "$2")"
  ln -sfn "$1" "$install_root/$2"
  echo "f $2" >>"$install_made"
}

# Standard input without what only debuggers read.
stripped() {
  local file
  file=$(mktemp)
  cat >"$file"
  "$install_strip" --strip-debug "$file"
  cat "$file"
  rm -f "$file"
}

# The directory of Python modules below PREFIX that Debian's python3 searches.
install_python_directory() {  # PREFIX
  if [[ $1 == /usr ]]; then
    echo lib/python3/dist-packages
  else
    /usr/bin/python3 -c 'import sys; print("lib/python%d.%d/dist-packages" % sys.version_info[:2])'
  fi
}

# The C interface. What its archive needs is inside, except these shared objects.
install_c_pkg_config() {  # PREFIX VERSION
  cat <<END
prefix=$1
includedir=\${prefix}/include
libdir=\${prefix}/$install_libdir

Name: netdiag
Description: Sockets of Linux, their owners and their counters: the C interface
Version: $2
Cflags: -I\${includedir}
Libs: -L\${libdir} -lnetdiag
Libs.private: -lstdc++ -lmnl -lz -lm -pthread
END
}

install_pkg_config() {  # PREFIX VERSION
  cat <<END
prefix=$1
includedir=\${prefix}/include
libdir=\${prefix}/$install_libdir

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
# find_package(netdiag) makes the target netdiag::c, the C interface, and the target netdiag::cxx, the C++ library, if what
# this needs is installed. find_package(netdiag COMPONENTS cxx) fails if it is not.
get_filename_component(netdiag_LIBDIR "\${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)
get_filename_component(netdiag_PREFIX "\${netdiag_LIBDIR}/$(sed 's|[^/]*|..|g' <<<"$install_libdir")" ABSOLUTE)
if(NOT TARGET netdiag::c)
  add_library(netdiag::c SHARED IMPORTED)
  set_target_properties(netdiag::c PROPERTIES
    IMPORTED_LOCATION "\${netdiag_LIBDIR}/libnetdiag.so.0"
    IMPORTED_SONAME libnetdiag.so.0
    INTERFACE_INCLUDE_DIRECTORIES "\${netdiag_PREFIX}/include")
endif()
find_package(absl QUIET)
find_package(ZLIB QUIET)
find_package(Threads QUIET)
find_library(netdiag_MNL mnl)
if(absl_FOUND AND ZLIB_FOUND AND Threads_FOUND AND netdiag_MNL)
  set(netdiag_cxx_FOUND TRUE)
elseif("cxx" IN_LIST netdiag_FIND_COMPONENTS)
  set(netdiag_FOUND FALSE)
  set(netdiag_NOT_FOUND_MESSAGE "netdiag::cxx needs Abseil, zlib, libmnl and threads")
endif()
if(netdiag_cxx_FOUND AND NOT TARGET netdiag::cxx)
  add_library(netdiag::cxx STATIC IMPORTED)
  set_target_properties(netdiag::cxx PROPERTIES
    IMPORTED_LOCATION "\${netdiag_LIBDIR}/libnetdiag_cxx.a"
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

# The program, its other name, its man page, its completions, and the program and unit of `diag export`.
install_program() {  # SOURCES PROGRAM WITH_NETSTAT PREFIX
  local unit=$1/tools/diag/export/diag-export.service below=$4
  shift
  install_text 755 bin/diag <"$1"
  install_text 755 libexec/netdiag/diag-export <"$1-export"
  sed "s|@prefix@|$below|" "$unit" | install_text 644 lib/systemd/system/diag-export.service
  (($2 == 0)) || install_link diag bin/netstat
  "${install_runner[@]}" "$1" --help-format=man | install_text 644 share/man/man1/diag.1
  "${install_runner[@]}" "$1" --help-format=bash | install_text 644 share/bash-completion/completions/diag
  "${install_runner[@]}" "$1" --help-format=zsh | install_text 644 share/zsh/site-functions/_diag
  "${install_runner[@]}" "$1" --help-format=fish | install_text 644 share/fish/vendor_completions.d/diag.fish
}

# The shared object, by its version and by its soname.
install_shared() {  # BUILT VERSION
  stripped <"$1/tools/install/libnetdiag.so" | install_text 644 "$install_libdir/libnetdiag.so.$2"
  install_link "libnetdiag.so.$2" "$install_libdir/libnetdiag.so.0"
}

# What a compiler needs, for C and C++.
install_development() {  # SOURCES BUILT PREFIX VERSION
  local header example
  install_link libnetdiag.so.0 "$install_libdir/libnetdiag.so"
  stripped <"$2/tools/install/libnetdiag.a" | install_text 644 "$install_libdir/libnetdiag.a"
  stripped <"$2/tools/install/libnetdiag_cxx.a" | install_text 644 "$install_libdir/libnetdiag_cxx.a"
  install_c_pkg_config "$3" "$4" | install_text 644 "$install_libdir/pkgconfig/netdiag.pc"
  install_pkg_config "$3" "$4" | install_text 644 "$install_libdir/pkgconfig/netdiag-cxx.pc"
  install_cmake_config | install_text 644 "$install_libdir/cmake/netdiag/netdiagConfig.cmake"
  install_cmake_version "$4" | install_text 644 "$install_libdir/cmake/netdiag/netdiagConfigVersion.cmake"
  while read -r header; do
    install_text 644 "include/$header" <"$1/$header"
  done < <(grep '^netdiag/' "$1/netdiag/public_headers")
  for example in "$1"/docs/examples/*; do
    install_text 644 "share/doc/netdiag/docs/examples/$(basename "$example")" <"$example"
  done
}

install_python() {  # SOURCES PREFIX
  local directory module
  directory=$(install_python_directory "$2")
  for module in "$1"/python/netdiag/{*.py,py.typed}; do
    install_text 644 "$directory/netdiag/$(basename "$module")" <"$module"
  done
  # Python makes this directory when root imports the package.
  echo "c $directory/netdiag/__pycache__" >>"$install_made"
}

install_documents() {  # SOURCES
  local page
  for page in README.md LICENSE CHANGELOG.md docs/{capture,embedding,exactness,export,filter,monitor,output,security}.md docs/diag.schema.json; do
    install_text 644 "share/doc/netdiag/$page" <"$1/$page"
  done
}

# Installs below DESTDIR/PREFIX what is built in BUILT. What an earlier call installed there is removed first.
install_files() {  # SOURCES BUILT DESTDIR PREFIX WITH_NETSTAT
  local install_root=$3$4 install_made version
  version=$(install_version "$1")
  uninstall_files "$3" "$4" >/dev/null || true
  install_made=$(mktemp)
  # The root first: below it, names are relative.
  install_parents "$install_root" "$install_made"
  install_program "$1" "$2/tools/diag/diag" "$5" "$4"
  install_shared "$2" "$version"
  install_development "$1" "$2" "$4" "$version"
  install_python "$1" "$4"
  install_documents "$1"
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
      c) rm -rf "${below:?}/$path" ;;
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
