# The part of tools/dev that runs tests on other kernels: `tools/dev vm`. tools/dev sources it and calls cmd_vm.
#
# For each kernel: Debian's package is fetched and unpacked, an initial file system with the test programs is packed, and
# qemu boots it. tools/vm/init runs the programs in the guest and sends their logs and reports as tar archives to a serial
# port. They are counted like those of `tools/dev test`, and check_lacks.awk compares skips and capabilities with
# tools/vm/lacks.
# shellcheck shell=bash

source tools/own_apt.sh

readonly vm_packages="
qemu-system-x86     runs the guests, without the help of a hypervisor (TCG)
busybox-static      shell and tools of the guests
cpio                packs the guests' file system
kmod                tells which modules a kernel has, and in which order to load them
xz-utils            unpacks the modules of newer kernels"
readonly vm_default_kernels="5.10 6.1 6.12"
# Debian's suites with a kernel. The first one that has the wanted kernel is used.
readonly vm_suites="bullseye bookworm trixie forky sid"
# Loaded in the guests if the kernel has them as modules. tipc_diag is "diag" before 6.12.
readonly vm_modules="virtio_pci virtio_console inet_diag tcp_diag udp_diag raw_diag unix_diag af_packet_diag
  netlink_diag mptcp_diag sctp sctp_diag dccp dccp_ipv4 dccp_ipv6 dccp_diag vsock vsock_loopback vsock_diag tipc
  tipc_diag diag xsk_diag smc smc_diag tls veth tun dummy algif_hash"
# The programs that tests run, beside busybox.
readonly vm_programs="dash ip sleep ss"
readonly vm_memory=2048 vm_cpus=2
# Seconds: for one test program; without a line from a guest.
readonly vm_test_limit=2400 vm_quiet_limit=300
# Kernels and package lists, kept between runs.
readonly vm_cache=${XDG_CACHE_HOME:-$HOME/.cache}/netdiag/vm

# ---- Kernels ----

# Runs an apt tool on the lists of the suites above.
vm_apt() { own_apt "$vm_cache/apt" amd64 "$@"; }  # TOOL ARGUMENTS...

# Prints "VERSION SUITE" for each kernel of the lists.
vm_known_kernels() {
  vm_apt apt-cache madison linux-image-cloud-amd64 | awk '{ sub("/.*", "", $6); print $3, $6 }'
}

# Prints the packages with the kernel and its modules that PACKAGE depends on.
vm_packages_of() {  # PACKAGE SUITE
  local name
  vm_apt apt-cache show "$1/$2" | awk '/^Depends: / && !seen++ { gsub(/ \([^)]*\)|,/, ""); print }' | tr ' ' '\n' |
    { grep -E '^linux-(image|binary|modules)-' || true; } | while read -r name; do
    echo "$name"
    vm_packages_of "$name" "$2"
  done
}

# Fetches a kernel unless the cache has it. Then $vm_cache/kernels/KERNEL has the files vmlinuz and release, and
# lib/modules.
vm_fetch() {  # KERNEL
  local home=$vm_cache/kernels/$1 suite new package release
  [[ ! -d $home ]] || return 0
  # The mirror may lack a suite whose kernel is not wanted.
  # shellcheck disable=SC2086  # a list of words
  [[ -f $vm_cache/apt/sources.list ]] || own_apt_update "$vm_cache/apt" amd64 $vm_suites || true
  suite=$(vm_known_kernels | awk -v kernel="$1." '!found && index($1, kernel) == 1 { print $2; found = 1 }')
  [[ -n $suite ]] || fail 2 "Debian has no kernel $1 now, but $(vm_known_kernels | awk '{ print $1 }' | xargs)"
  new=$(mktemp -d "$vm_cache/new.XXXXXX")
  for package in $(vm_packages_of linux-image-cloud-amd64 "$suite"); do
    say "fetching $package"
    (cd "$new" && vm_apt apt-get -qq download "$package/$suite" >&2) || fail 2 "could not fetch $package"
  done
  for package in "$new"/*.deb; do dpkg -x "$package" "$new/files"; done
  mkdir -p "$new/kernel/lib"
  mv "$(find "$new/files" -type d -path '*lib/modules')" "$new/kernel/lib/"
  # In /boot, or beside the modules.
  mv "$(find "$new" -name 'vmlinuz*')" "$new/kernel/vmlinuz"
  release=$(ls "$new/kernel/lib/modules")
  depmod -b "$new/kernel" "$release"
  echo "$release" >"$new/kernel/release"
  mkdir -p "$vm_cache/kernels"
  mv "$new/kernel" "$home"
  rm -rf "$new"
}

# ---- The initial file system ----

vm_copy() {  # FROM TO
  [[ ! -e $2 ]] || return 0
  mkdir -p "$(dirname "$2")"
  cp -L --no-preserve=ownership "$1" "$2"
}

vm_copy_libraries() {  # PROGRAM TREE
  local library
  ldd "$1" 2>/dev/null | awk '$3 ~ /^\// { print $3 } $1 ~ /^\// { print $1 }' | while read -r library; do
    vm_copy "$library" "$2$library"
  done
}

# Makes the directory TREE: busybox, the programs of LABELS with what they need, and tools/vm/init.
vm_make_root() {  # TREE LABELS...
  local tree=$1 name label program bin path target
  mkdir -p "$tree"/{bin,dev,proc,sys,tmp,run,etc,root,vm,netdiag}
  vm_copy "$(command -v busybox)" "$tree/bin/busybox"
  for name in $vm_programs; do
    path=$(readlink -f "$(command -v "$name")")
    vm_copy "$path" "$tree/usr/bin/$name"
    vm_copy_libraries "$path" "$tree"
    ln -s "../usr/bin/$name" "$tree/bin/$name"
  done
  ln -s dash "$tree/bin/sh"
  for name in $(busybox --list); do [[ -e $tree/bin/$name ]] || ln -s busybox "$tree/bin/$name"; done
  for path in /etc/services /etc/protocols; do vm_copy "$path" "$tree$path"; done
  cp -r /etc/iproute2 "$tree/etc/"
  printf 'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\nwww-data:x:33:33::/:/bin/sh\n' >"$tree/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\nwww-data:x:33:\n' >"$tree/etc/group"
  printf '127.0.0.1 localhost\n::1 localhost\n' >"$tree/etc/hosts"
  echo '::sysinit:/vm/init' >"$tree/etc/inittab"

  bin=$(bazel info --config=opt bazel-bin 2>/dev/null)
  for label in "${@:2}"; do
    program=${label#//}
    program=${program/://}
    echo "$program" >>"$tree/vm/programs"
    while read -r path target; do
      [[ ! -f $target ]] || vm_copy "$target" "$tree/$path"
    done <"$bin/$program.runfiles/MANIFEST"
    vm_copy_libraries "$bin/$program" "$tree"
  done
  vm_copy "$bin/tools/diag/diag" "$tree/netdiag/tools/diag/diag"
  vm_copy tools/vm/init "$tree/vm/init"
  ln -s vm/init "$tree/init"
}

# Copies the modules of vm_modules that the kernel has, and those that they need, to TREE. Their names have the order of
# loading.
vm_copy_modules() {  # KERNEL TREE
  local home=$vm_cache/kernels/$1 name file number=100
  mkdir -p "$2/vm/modules"
  for name in $vm_modules; do
    modprobe -C /dev/null -d "$home" -S "$(<"$home/release")" --show-depends "$name" 2>/dev/null || true
  done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r file; do
    number=$((number + 1))
    name=${file##*/}
    if [[ $file == *.xz ]]; then xz -dc "$file"; else cat "$file"; fi >"$2/vm/modules/$number-${name%%.*}.ko"
  done
}

# Packs a directory for the kernel. Several archives one after another are one initial file system.
vm_pack() { (cd "$1" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0); }  # DIRECTORY >ARCHIVE

# ---- Guests ----

# Boots the kernel with the initial file system DIRECTORY/initrd. Afterwards DIRECTORY has the guest's console and what it
# sent. Tells which program runs. Not 0: the guest did not come to its end.
vm_boot() {  # KERNEL DIRECTORY
  local home=$vm_cache/kernels/$1 qemu size=0 told=0 quiet=0 line
  : >"$2/console"
  qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp "$vm_cpus" -m "$vm_memory" -nodefaults -no-reboot \
    -display none -kernel "$home/vmlinuz" -initrd "$2/initrd" -append "console=ttyS0 loglevel=5 panic=-1 lsm=yama" \
    -serial "file:$2/console" -device virtio-serial-pci -chardev "file,id=results,path=$2/results.tar" \
    -device virtserialport,chardev=results,name=results </dev/null >&2 &
  qemu=$!
  # shellcheck disable=SC2064  # $qemu is expanded now
  trap "kill -9 $qemu 2>/dev/null; $vm_cleanup" EXIT
  while kill -0 "$qemu" 2>/dev/null; do
    sleep 1
    quiet=$((quiet + 1))
    if [[ $(stat -c %s "$2/console") != "$size" ]]; then
      size=$(stat -c %s "$2/console") quiet=0
      while IFS= read -r line; do
        told=$((told + 1))
        [[ $line != 'vm: runs '* ]] || say "$1: ${line#vm: }"
      done < <(tr -d '\r' <"$2/console" | tail -n "+$((told + 1))")
    fi
    if ((quiet > vm_quiet_limit)); then
      kill -9 "$qemu"
      say "$1: the guest hung: it wrote nothing for $quiet seconds"
    fi
  done
  wait "$qemu" || true
  # shellcheck disable=SC2064
  trap "$vm_cleanup" EXIT
  grep -q '^vm: done' "$2/console"
}

# Appends the results of a guest to $results, as run_tests does.
vm_collect() {  # KERNEL DIRECTORY LABELS...
  local label home code status
  tar -C "$2" -xf "$2/results.tar" --ignore-zeros 2>/dev/null || true
  # What diag says that the kernel lacks counts as a skip.
  awk -v OFS='\t' -v where="$1 capabilities" '/ no / && NR > 1 {
    name = $1 ($2 ~ /^inet6?$/ ? " " $2 : "")
    if (/netlink yes/) next
    reason = $0
    sub(/^[^ ]+( inet6?)? +(netlink )?no +(procfs (yes|no) *)?/, "", reason)
    print "skipped", where, name, reason
  }' "$2/results/capabilities" >>"$results"
  for label in "${@:3}"; do
    home=${label#//}
    home=$2/results/${home/://}
    if [[ ! -f $home/code ]]; then
      printf 'failed\t%s\tthe whole program\t%s\n' "$1 $label" \
        "the guest ended before it; its console ends: $(tail -n 3 "$2/console" | tr -c '[:print:]' ' ')" >>"$results"
      continue
    fi
    code=$(<"$home/code") status=FAILED
    if [[ $code == 0 ]]; then status=PASSED; elif [[ $code == 137 ]]; then status=TIMEOUT; fi
    [[ -f $home/test.xml ]] || : >"$home/test.xml"
    awk -v where="$1 $label" -v status="$status" -f tools/test_cases.awk "$home/test.log" "$home/test.xml" >>"$results"
  done
}

# Runs the tests of LABELS on a kernel and appends the results to $results.
vm_run() {  # KERNEL ARCHIVE LABELS...
  local home=$work/$1
  vm_fetch "$1"
  mkdir -p "$home"
  vm_copy_modules "$1" "$home/modules"
  # What the guest does not have, it does not get from the host's environment either.
  printf 'limit=%q\nexport NETDIAG_SHORT=1 GTEST_FILTER=%q\n' "$vm_test_limit" "${GTEST_FILTER-*}" \
    >"$home/modules/vm/settings"
  { cat "$2"; vm_pack "$home/modules"; } >"$home/initrd"
  say "booting $1 ($(<"$vm_cache/kernels/$1/release"))"
  vm_boot "$1" "$home" || say "$1: the guest ended early"
  rm "$home/initrd"
  vm_collect "$1" "$home" "${@:3}"
}

cmd_vm() {
  local kernels=() pattern=. keep= record= host= kernel labels
  while (($# > 0)); do
    case $1 in
      --test) pattern=${2:?"--test needs a pattern"}; shift ;;
      --keep) keep=1 ;;
      --record) record=1 ;;
      host) host=1 ;;
      [0-9]*.[0-9]*) kernels+=("$1") ;;
      *) usage >&2; exit 2 ;;
    esac
    shift
  done
  # shellcheck disable=SC2206  # a list of words
  ((${#kernels[@]} > 0)) || [[ -n $host ]] || kernels=($vm_default_kernels)
  install "$build_packages$vm_packages"
  mapfile -t labels < <(bazel query --noshow_progress 'attr(tags, "\blive\b", tests(//tests/...))
    except attr(tags, "\bnovm\b", tests(//tests/...))' 2>/dev/null | grep -E -- "$pattern" | LC_ALL=C sort)
  ((${#labels[@]} > 0)) || fail 2 "no live test matches $pattern"
  bazel build --config=opt //tools/diag:diag "${labels[@]}" >&2 </dev/null || fail 1 "could not build the tests"

  work=$(mktemp -d) results=$work/results
  vm_cleanup="rm -rf '$work'"
  [[ -z $keep ]] || vm_cleanup="echo 'tools/dev: kept $work' >&2"
  # shellcheck disable=SC2064  # $vm_cleanup is expanded now
  trap "$vm_cleanup" EXIT
  : >"$results"
  vm_make_root "$work/tree" "${labels[@]}"
  vm_pack "$work/tree" >"$work/tree.cpio"
  rm -rf "$work/tree"
  for kernel in "${kernels[@]}"; do vm_run "$kernel" "$work/tree.cpio" "${labels[@]}"; done
  awk -f tools/vm/check_lacks.awk tools/vm/lacks "$results" >"$results.checked"
  mv "$results.checked" "$results"
  [[ -z $host ]] || run_tests "$(uname -r | cut -d. -f1,2)" --config=opt "${labels[@]}"
  if [[ -n $record ]]; then
    awk -f tools/vm/seen_on.awk "$results" docs/kernel.md >"$work/kernel.md"
    cat "$work/kernel.md" >docs/kernel.md
  fi
  count_results
}
