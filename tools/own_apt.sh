# Debian packages that are unpacked instead of installed: apt with lists of its own, so that the machine's do not change.
# tools/vm/run.sh and tools/arm64/run.sh source this.
# shellcheck shell=bash

# Runs an apt tool on the lists of DIRECTORY. apt verifies the signatures of the lists and the hashes of the packages.
own_apt() {  # DIRECTORY ARCHITECTURE TOOL ARGUMENTS...
  "$3" -o Dir::Etc::sourcelist="$1/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$1/lists" \
    -o Dir::Cache="$1" -o Dir::State::status=/dev/null -o APT::Sandbox::User="$(id -un)" \
    -o APT::Architecture="$2" -o APT::Architectures="$2" "${@:4}"
}

# Fetches the lists of Debian's SUITES to DIRECTORY, from the mirror of the machine's sources.
own_apt_update() {  # DIRECTORY ARCHITECTURE SUITES...
  local mirror suite
  # A machine that never updated its lists knows no labels.
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(LABEL)' 'Identifier: Packages' |
    awk '!found && ($2 == "Debian" || $1 ~ /\/debian\/$/) { print $1; found = 1 }')
  [[ -n $mirror ]] || fail 2 "apt's sources name no mirror of Debian"
  mkdir -p "$1/lists/partial" "$1/archives/partial"
  for suite in "${@:3}"; do
    echo "deb [arch=$2 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
  done >"$1/sources.list"
  say "fetching the lists of ${*:3} from $mirror"
  own_apt "$1" "$2" apt-get -qq update >&2
}
