# Debian packages of what `tools/dev install` installs. tools/dev and tests/install source this after files.sh.
#
#   diag             the program, its man page and its completions, and the unit of diag export (Debian has another
#                    package called netdiag)
#   libnetdiag0      libnetdiag.so.0
#   libnetdiag-dev   headers, archives, pkg-config, CMake, documents, examples
#   python3-netdiag  the Python package
#
# Packages are made with dpkg-deb; dpkg-shlibdeps finds the libraries that they need. What `dpkg-architecture -a ARCHITECTURE
# -s` sets makes packages for that architecture.
# shellcheck shell=bash

# A directory with the packages of libraries, each unpacked with its DEBIAN. Empty: those that this machine has installed.
package_unpacked=

# The libraries that FILES need, as in a Depends field.
package_libraries() {  # FILES...
  local work
  work=$(mktemp -d)
  mkdir "$work/debian"
  printf 'Source: netdiag\n\nPackage: netdiag\nArchitecture: any\n' >"$work/debian/control"
  [[ -z $package_unpacked ]] || ln -s "$package_unpacked"/* "$work/debian"
  (cd "$work" && dpkg-shlibdeps -O "$@" 2>/dev/null) | sed -n 's/^shlibs:Depends=//p'
  rm -rf "$work"
}

# Makes OUTPUT/NAME_VERSION_ARCHITECTURE.deb of STAGE. The long description is standard input.
package_build() {  # STAGE NAME SECTION DEPENDS SUMMARY [FIELD...]
  local stage=$1 name=$2 section=$3 depends=$4 summary=$5
  shift 5
  mkdir -p "$stage/DEBIAN"
  {
    printf '%s: %s\n' Package "$name" Source netdiag Version "$package_version" Architecture "$package_architecture" \
      Section "$section" Priority optional Maintainer "$package_maintainer" \
      Installed-Size "$(du -sk --exclude=DEBIAN "$stage" | cut -f1)" Depends "$depends"
    (($# == 0)) || printf '%s\n' "$@"
    printf 'Description: %s\n' "$summary"
    sed 's/^/ /'
  } >"$stage/DEBIAN/control"
  (cd "$stage" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0r md5sum) >"$stage/DEBIAN/md5sums"
  chmod -R u+rwX,go+rX,go-w "$stage"
  dpkg-deb --root-owner-group -z"$package_compression" --build "$stage" "$package_output" >/dev/null
}

# Begins a package: the functions of files.sh install below STAGE/usr.
package_begin() {  # STAGE NAME SOURCES
  install_root=$1/usr
  mkdir -p "$install_root"
  install_text 644 "share/doc/$2/copyright" <"$3/LICENSE"
}

# Makes all packages in OUTPUT of what is built in BUILT.
make_packages() {  # SOURCES BUILT OUTPUT VERSION
  local package_version=$4 package_output=$3 package_compression=${PACKAGE_COMPRESSION:-6}
  local package_architecture package_maintainer="netdiag developers <netdiag@localhost>"
  # The functions of files.sh read these.
  # shellcheck disable=SC2034
  local install_made=/dev/null install_root install_libdir install_strip version stage
  package_architecture=$(dpkg-architecture -qDEB_HOST_ARCH)
  install_strip=$(dpkg-architecture -qDEB_HOST_GNU_TYPE)-strip
  install_libdir=lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)
  version=$(install_version "$1")
  stage=$(mktemp -d)
  mkdir -p "$3"

  package_begin "$stage/diag" diag "$1"
  install_program "$1" "$2/tools/diag/diag" 0 /usr
  "$install_strip" --strip-debug "$install_root"/{bin/diag,libexec/netdiag/diag-export}
  gzip -9n "$install_root/share/man/man1/diag.1"
  package_build "$stage/diag" diag net "$(package_libraries "$install_root/bin/diag")" \
    "sockets of Linux, their owners and their counters" \
    "Recommends: $(package_libraries "$install_root/libexec/netdiag/diag-export")" <<'END'
diag asks the kernel which sockets exist, in what state, and which processes hold them. It has the options and the text of
ss and netstat, and prints the same rows as JSON and CSV. The recommended packages are for diag export, which gives
metrics to Prometheus; its unit diag-export.service is not enabled by itself.
END

  package_begin "$stage/lib" libnetdiag0 "$1"
  install_shared "$2" "$version"
  mkdir -p "$stage/lib/DEBIAN"
  echo "libnetdiag 0 libnetdiag0 (>= $version)" >"$stage/lib/DEBIAN/shlibs"
  echo "activate-noawait ldconfig" >"$stage/lib/DEBIAN/triggers"
  package_build "$stage/lib" libnetdiag0 libs "$(package_libraries "$install_root/$install_libdir/libnetdiag.so.$version")" \
    "sockets of Linux, their owners and their counters: library" "Multi-Arch: same" <<'END'
The C interface of netdiag as a shared object.
END

  package_begin "$stage/dev" libnetdiag-dev "$1"
  install_development "$1" "$2" /usr "$version"
  install_documents "$1"
  # Documents are below the name of the package.
  cp -r "$install_root/share/doc/netdiag/." "$install_root/share/doc/libnetdiag-dev"
  rm -r "$install_root/share/doc/netdiag"
  package_build "$stage/dev" libnetdiag-dev libdevel "libnetdiag0 (= $package_version)" \
    "sockets of Linux, their owners and their counters: development" \
    "Recommends: libabsl-dev, libmnl-dev, zlib1g-dev" <<'END'
Headers and archives of netdiag for C and C++. C++ needs the recommended packages besides.
END

  package_begin "$stage/python" python3-netdiag "$1"
  install_python "$1" /usr
  mkdir -p "$stage/python/DEBIAN"
  printf '#!/bin/sh\nset -e\nif [ "$1" = configure ]; then py3compile -p python3-netdiag; fi\n' >"$stage/python/DEBIAN/postinst"
  printf '#!/bin/sh\nset -e\npy3clean -p python3-netdiag\n' >"$stage/python/DEBIAN/prerm"
  chmod 755 "$stage/python/DEBIAN"/p*
  package_build "$stage/python" python3-netdiag python "libnetdiag0 (>= $package_version), python3 (>= 3.9)" \
    "sockets of Linux, their owners and their counters: Python" <<'END'
A Python package over the C interface of netdiag, with connections as psutil gives them.
END
  rm -rf "$stage"
}
