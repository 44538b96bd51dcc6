#!/usr/bin/env python3
"""Makes what diag needs fail, one thing in each run, and checks what diag says.

  faults.py DIAG FAILING_NEW [--every N] [--only WORDS]

The things are: each system call with each of its errors, injected by strace; calls that are denied each
time; each allocation, by the library FAILING_NEW; descriptors and memory, by limits; the output. After it, diag must give the whole
answer, or an exit code or a message that the run without a fault does not have. It must not crash or
hang, and every row must be one that the run without a fault has, perhaps without its owners.

--every: only the N-th fault (default: all if NETDIAG_LONG is set, else 53)
--only: only command lines that contain WORDS

Needs root and strace. Runs in a network namespace of its own, whose sockets do not change.
"""

import argparse
import collections
import ctypes
import json
import os
import re
import resource
import socket
import subprocess
import sys
import tempfile

# The errors that each call can have, from section 2 of the manual pages. The errors that say that a
# process or a file has vanished are left out: diag leaves out what vanishes, as it should.
ERRORS = {
    "bind": ["ENOMEM", "EADDRINUSE"],
    "bpf": ["EPERM", "ENOMEM", "ENOSYS", "EINVAL", "E2BIG"],
    "clone3": ["EAGAIN", "ENOMEM"],
    "close": ["EINTR", "EIO"],
    "connect": ["ENOMEM", "EPERM"],
    "fcntl": ["EINVAL"],
    "fstat": ["ENOMEM", "EOVERFLOW"],
    "fstatfs": ["EIO", "ENOSYS"],
    "getdents64": ["EIO", "ENOMEM"],
    "getpeername": ["ENOBUFS"],
    "getrandom": ["EINTR", "ENOSYS"],
    "getsockname": ["ENOBUFS"],
    "getsockopt": ["ENOMEM", "ENOPROTOOPT"],
    "ioctl": ["EPERM", "ENOTTY"],
    "kcmp": ["EPERM", "EACCES", "ENOSYS"],
    "lseek": ["ESPIPE"],
    "madvise": ["ENOMEM"],
    "mmap": ["ENOMEM"],
    "mprotect": ["ENOMEM"],
    "munmap": ["EINVAL"],
    "newfstatat": ["EACCES", "ENOMEM"],
    "openat": ["EMFILE", "ENFILE", "ENOMEM", "EACCES"],
    "pidfd_getfd": ["EPERM", "EMFILE"],
    "pidfd_open": ["EMFILE", "ENOSYS"],
    "poll": ["EINTR", "ENOMEM"],
    "ppoll": ["EINTR", "ENOMEM"],
    "prctl": ["EINVAL"],
    "pread64": ["EIO", "EINTR"],
    "read": ["EIO", "EINTR", "ENOMEM"],
    "readlink": ["EACCES", "ENOMEM"],
    "readlinkat": ["EACCES", "ENOMEM"],
    "recvfrom": ["EINTR", "ENOMEM", "ENOBUFS"],
    "recvmsg": ["EINTR", "ENOMEM", "ENOBUFS"],
    "sendmsg": ["EINTR", "ENOBUFS", "EPERM", "ECONNREFUSED"],
    "sendto": ["EINTR", "ENOBUFS", "EPERM", "ECONNREFUSED"],
    "setns": ["EPERM", "ENOMEM", "ENOSYS", "EINVAL"],
    "setsockopt": ["ENOMEM", "EPERM", "ENOPROTOOPT"],
    "socket": ["EMFILE", "ENFILE", "ENOMEM", "EACCES", "EAFNOSUPPORT", "EPROTONOSUPPORT"],
    "statfs": ["EIO", "ENOSYS"],
    "statx": ["EACCES", "ENOMEM", "ENOSYS"],
    "uname": ["EFAULT"],
    "write": ["EIO", "ENOSPC", "EINTR", "EAGAIN"],
}
LIMIT = 30  # seconds for one run
PLACES = 100  # of one call in one command line
ALLOCATIONS = 400
STRACE = ["strace", "-f", "-qq", "-o", "/dev/null"]


class Population:
    """Sockets of this process, in a network namespace of its own."""

    def __enter__(self):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(0x40000000) != 0:  # CLONE_NEWNET
            raise OSError(ctypes.get_errno(), "unshare")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        listener = socket.create_server(("127.0.0.1", 40001))
        client = socket.create_connection(("127.0.0.1", 40001))
        server, _ = listener.accept()
        six = socket.create_server(("::1", 40002), family=socket.AF_INET6)
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 40003))
        pair = socket.socketpair()
        named = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        named.bind("\0netdiag-faults")
        named.listen()
        self.sockets = [listener, client, server, six, udp, *pair, named]
        return self

    def __exit__(self, *_):
        for each in self.sockets:
            each.close()


Outcome = collections.namedtuple("Outcome", "code out err")


def run(words, **options):
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    try:
        done = subprocess.run(words, timeout=LIMIT, stdin=subprocess.DEVNULL, **options)
        return Outcome(done.returncode, (done.stdout or b"").decode(), (done.stderr or b"").decode())
    except subprocess.TimeoutExpired:
        return Outcome("hung", "", "")


def calls_of(words):
    """How often each thread makes each system call, at most; and how many calls of mmap() are those of
    the dynamic loader, which crashes by itself if some of them fail. Its last call is munmap()."""
    with tempfile.NamedTemporaryFile("r", suffix=".strace") as log:
        run(["strace", "-f", "-qq", "-o", log.name, *words])
        counts = collections.Counter()
        loading, of_loader = True, 0
        for line in log:
            found = re.match(r"(\d+) +(\w+)\(", line)
            if found:
                counts[found.groups()] += 1
                loading = loading and found[2] != "munmap"
                of_loader += loading and found[2] == "mmap"
    most = collections.Counter()
    for (_, call), count in counts.items():
        most[call] = max(most[call], count)
    return most, of_loader


def rows_of(text, form):
    """What must not be invented: the lines of text or JSON's sockets, each without its owners."""
    if form == "json":
        rows = json.loads(text).get("sockets", [])
        return {(r.get("inode"), r.get("cookie"), r.get("state"), r.get("local_port")) for r in rows}
    # Times pass, the columns of a table are as wide as its widest value, and /proc lacks some queues and
    # which sockets are of IPv6 only.
    text = text.replace("[::]:*", "*:*")
    changing = r" users:\(.*| (\d+/\S*|-) *$| (last|busy|age)\w*:\w+|(?<= )\d+ +\d+ +(?=\S+ )"
    return {" ".join(re.sub(changing, "", line).split()) for line in text.splitlines()}


def owners_in(text):
    return len(re.findall(r'users:\(|"pid":|\d+/\w', text))


def faults_of(outcome, whole, form):
    """What is wrong with the outcome of a run with a fault."""
    if outcome.code == "hung":
        return "hung"
    if outcome.code < 0 or outcome.code > 127:
        return f"died: {outcome.code} {outcome.err[-200:]}"
    named = outcome.code != whole.code or outcome.err != whole.err
    try:
        rows = rows_of(outcome.out, form)
    except ValueError:
        return None if outcome.code != 0 else "exit 0 with invalid JSON"
    if form == "lines":
        if not named and outcome.out != whole.out:
            return f"another answer, and not a word:\n{outcome.out}"
        return None
    invented = rows - rows_of(whole.out, form)
    if invented and outcome.code == 0:
        return f"a row that was not there: {sorted(map(str, invented))[:3]}"
    if named:
        return None
    if form == "json":
        document = json.loads(outcome.out)
        if rows == rows_of(whole.out, form) or document.get("complete") is False:
            return None
    # The host can have a process that nothing can read. Then every answer says that owners may be missing.
    elif rows == rows_of(whole.out, form) and (
            owners_in(outcome.out) == owners_in(whole.out) or
            re.search("Not all processes|owners may be missing", outcome.err)):
        return None
    return f"an answer that lacks something, and not a word:\n{outcome.out}"


def system_calls(words, preload):
    """A name and the words and options of a run for each system call and error."""
    counts, of_loader = calls_of(words)
    for call, count in sorted(counts.items()):
        # Calls for each process of the host are alike.
        step = max(1, count // PLACES)
        for place in range(of_loader + 1 if call == "mmap" else 1, count + 1, step):
            for error in ERRORS.get(call, []):
                inject = f"inject={call}:error={error}:when={place}"
                yield inject, [*STRACE, "-e", f"trace={call}", "-e", inject, *words], {}


def denials(words, preload):
    """The same for calls that a filter of system calls denies, each time."""
    for call in ("bpf", "kcmp", "pidfd_getfd", "pidfd_open", "setns", "socket"):
        for error in ("EPERM", "EACCES", "ENOSYS"):
            inject = f"inject={call}:error={error}"
            yield inject, [*STRACE, "-e", f"trace={call}", "-e", inject, *words], {}


def allocations(words, preload):
    """The same for each allocation, and all after it."""
    for after in range(ALLOCATIONS):
        environment = {**os.environ, "LD_PRELOAD": preload, "NETDIAG_FAIL_AFTER": str(after)}
        yield f"allocation {after} fails", words, {"env": environment}


def limits(words, preload):
    for descriptors in range(3, 24):
        def limit(descriptors=descriptors):
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
        yield f"{descriptors} descriptors", words, {"preexec_fn": limit}
    for mebibytes in range(8, 80, 3):
        def limit(mebibytes=mebibytes):
            resource.setrlimit(resource.RLIMIT_AS, (mebibytes << 20, mebibytes << 20))
        yield f"{mebibytes} MiB", words, {"preexec_fn": limit}
    for closed in ([0], [1], [2], [0, 1, 2]):
        yield f"{closed} closed", words, {"preexec_fn": lambda closed=closed: [os.close(fd) for fd in closed]}


KINDS = (denials, system_calls, allocations, limits)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("diag")
    parser.add_argument("failing_new")
    parser.add_argument("--every", type=int, default=1 if "NETDIAG_LONG" in os.environ else 53)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    diag = os.path.abspath(arguments.diag)
    preload = os.path.abspath(arguments.failing_new)
    faults = runs = number = 0
    with Population(), tempfile.TemporaryDirectory() as directory:
        ours = f"netns = {os.stat('/proc/self/ns/net').st_ino}"
        capture = directory + "/capture"
        subprocess.run([diag, "-tuxanp", "--capture", capture], check=True, capture_output=True)
        lines = [
            ("rows", ["-tan"]),
            ("rows", ["-tanp"]),
            ("rows", ["-tan", "--source=table"]),
            ("rows", ["-tan", "--source=proc"]),
            ("rows", ["-tuanpi", "state", "established"]),
            ("json", ["-tuanp", "--json"]),
            ("rows", ["--all-netns", "-tanp", ours]),
            ("rows", ["-xlp", "src = @netdiag-faults"]),
            ("rows", ["--unlisted", "-t"]),
            ("rows", ["--replay", capture, "-tuxanp"]),
            ("lines", ["connections", "--pid", str(os.getpid())]),
            ("lines", ["interfaces"]),
            ("lines", ["netstat", "-rn"]),
            ("rows", ["netstat", "-tnlp"]),
        ]
        for form, words in lines:
            if arguments.only not in " ".join(words):
                continue
            whole = run([diag, *words])
            for kind in KINDS:
                for name, command, options in kind([diag, *words], preload):
                    number += 1
                    if number % arguments.every != 0:
                        continue
                    runs += 1
                    fault = faults_of(run(command, **options), whole, form)
                    if fault:
                        faults += 1
                        print(f"{' '.join(words)}: {name}: {fault}", flush=True)
            with open("/dev/full", "wb") as full:
                if run([diag, *words], stdout=full).code == 0:
                    faults += 1
                    print(f"{' '.join(words)}: /dev/full: exit 0")
    print(f"{runs} runs, {faults} faults")
    return faults > 0 or runs == 0


if __name__ == "__main__":
    sys.exit(main())
