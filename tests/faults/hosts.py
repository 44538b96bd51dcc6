"""Hosts that withhold something from a program: a user, capabilities, namespaces, /proc, system calls.

A Host is made around one run of a program: by words before its command line, which util-linux's
setpriv(1), unshare(1) and nsenter(1) obey, and by a function that the child calls before exec.
"""

import collections
import ctypes
import errno
import os
import socket
import struct
import subprocess

# words: before the command line of the program. before_exec: called in the child, or None.
# whole: the host withholds nothing that docs/security.md says is needed, so the answer must be whole.
# environment: beside that of this process. same_netns: the program sees the namespace of its caller.
Host = collections.namedtuple("Host", "name words before_exec whole environment same_netns",
                              defaults=[[], None, False, {}, True])

# The capabilities that docs/security.md names. All others buy nothing.
BUYING = ["sys_ptrace", "dac_read_search", "dac_override", "sys_admin", "net_admin", "bpf", "perfmon"]
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
# System calls that a sandbox may deny, by their numbers. Source: the kernel's syscall_64.tbl and
# unistd.h of asm-generic.
CALLS = {
    "x86_64": {"socket": 41, "setns": 308, "kcmp": 312, "bpf": 321, "pidfd_open": 434,
               "pidfd_getfd": 438, "unshare": 272, "name_to_handle_at": 303,
               "open_by_handle_at": 304, "statx": 332, "clone3": 435, "sendmsg": 46},
    "aarch64": {"socket": 198, "setns": 268, "kcmp": 272, "bpf": 280, "pidfd_open": 434,
                "pidfd_getfd": 438, "unshare": 97, "name_to_handle_at": 264,
                "open_by_handle_at": 265, "statx": 291, "clone3": 435, "sendmsg": 211},
}[os.uname().machine]
NETLINK = {"netlink": None, "NETLINK_SOCK_DIAG": 4, "NETLINK_ROUTE": 0}
LIBC = ctypes.CDLL(None, use_errno=True)


def privileges():
    every = subprocess.run(["setpriv", "--list-caps"], check=True, capture_output=True, text=True)
    for name in every.stdout.split():
        if not name.startswith("cap_"):  # a capability without a name
            yield Host(f"root without CAP_{name.upper()}", ["setpriv", "--bounding-set", f"-{name}"],
                       whole=name not in BUYING)
    yield Host("root without a capability", ["setpriv", "--bounding-set", "-all"])
    yield Host("nobody", NOBODY)
    for name in BUYING:
        only = f"-all,+{name}"
        yield Host(f"root with CAP_{name.upper()} alone", ["setpriv", "--bounding-set", only])
        yield Host(f"nobody with CAP_{name.upper()}",
                   [*NOBODY, "--inh-caps", only, "--ambient-caps", only])


def shell(script):
    """Words that run a script, which ends by running the words after it: exec "$@"."""
    return ["sh", "-c", script, "sh"]


def namespaces(container, outer_proc):
    """container: the pid of the first process of a pid namespace with a /proc of its own.
    outer_proc: a directory where the procfs of this process is mounted, too."""
    yield Host("a user namespace without users", ["unshare", "--user"])
    yield Host("a user namespace with root", ["unshare", "--user", "--map-root-user"])
    yield Host("a pid namespace", ["unshare", "--pid", "--fork", "--mount-proc"])
    yield Host("a pid namespace, and the /proc of another", ["unshare", "--pid", "--fork"])
    yield Host("a pid namespace, and HOST_PROC", ["unshare", "--pid", "--fork", "--mount-proc"],
               environment={"HOST_PROC": outer_proc})
    yield Host("user and pid namespaces",
               ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"])
    yield Host("a time namespace", ["unshare", "--time", "--fork", "--boottime", "100000"],
               whole=True)
    yield Host("a network namespace", ["unshare", "--net"], same_netns=False)
    yield Host("a network namespace, and nobody", ["unshare", "--net", *NOBODY], same_netns=False)
    yield Host("the mount namespace of a container", ["nsenter", "--mount", "--target", str(container)])
    yield Host("the container's /proc by HOST_PROC",
               environment={"HOST_PROC": f"/proc/{container}/root/proc"})
    yield Host("the same procfs by HOST_PROC", environment={"HOST_PROC": outer_proc})


def procfs():
    users = {"root": [], "root without CAP_SYS_PTRACE": ["setpriv", "--bounding-set", "-sys_ptrace"],
             "nobody": NOBODY}
    for options in ("hidepid=1", "hidepid=2", "hidepid=4", "subset=pid"):
        for user, words in users.items():
            yield Host(f"{options}, {user}",
                       ["unshare", "--mount", *shell(f'mount -t proc -o {options} proc /proc && exec "$@"'),
                        *words])
    for user, words in users.items():
        yield Host(f"an empty /proc, {user}",
                   ["unshare", "--mount", *shell('mount -t tmpfs none /proc && exec "$@"'), *words])
    yield Host("no /proc", ["unshare", "--mount", *shell('umount -l /proc && exec "$@"')])
    yield Host("no /sys", ["unshare", "--mount", *shell('mount -t tmpfs none /sys && exec "$@"')])
    yield Host("the /proc of a pid namespace that has ended",
               ["unshare", "--mount",
                *shell('unshare --pid --fork mount -t proc proc /proc && exec "$@"')])


def deny(call, error, domain=None, protocol=None):
    """A function that denies a system call to the process and its children; of socket(2) perhaps
    only with these arguments. Source: seccomp(2); struct sock_filter of linux/filter.h."""
    load, equal, give = 0x20, 0x15, 0x06  # LD|W|ABS, JMP|JEQ|K, RET|K
    tests = [(0, CALLS[call])]  # the offset in struct seccomp_data, and its value
    tests += [(16, domain)] if domain is not None else []
    tests += [(32, protocol)] if protocol is not None else []
    program = []
    for place, (offset, value) in enumerate(tests):
        program += [(load, 0, 0, offset), (equal, 0, 2 * (len(tests) - place) - 1, value)]
    program += [(give, 0, 0, 0x00050000 | error), (give, 0, 0, 0x7FFF0000)]
    code = b"".join(struct.pack("HBBI", *each) for each in program)

    def enter():
        buffer = ctypes.create_string_buffer(code)
        header = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(buffer))
        # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
        if LIBC.prctl(22, 2, ctypes.create_string_buffer(header), 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "PR_SET_SECCOMP")
    return enter


def sandboxes():
    for error in (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EAFNOSUPPORT):
        name = errno.errorcode[error]
        if error != errno.EAFNOSUPPORT:
            for call in CALLS:
                yield Host(f"{call} denied with {name}", before_exec=deny(call, error))
        for protocol, number in NETLINK.items():
            yield Host(f"{protocol} denied with {name}",
                       before_exec=deny("socket", error, socket.AF_NETLINK, number))


def all_hosts(container, outer_proc):
    yield from privileges()
    yield from namespaces(container, outer_proc)
    yield from procfs()
    yield from sandboxes()
