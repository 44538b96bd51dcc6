// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Lists every descriptor that is a socket, with the kernel's iterator iter/task_file. Compiled for
// BPF and embedded in the library. The output is declared in task_files_format.h.
//
// One program serves all kernels. It uses only types, helpers and fields that all of
// them have; loading it adapts the offsets to the running kernel (CO-RE). So it reads the inode of
// sockfs and uses neither bpf_sock_from_file (5.11) nor sk_ino (6.18).
//
// `last` is the state between calls. It changes only after a write that succeeded: after an
// overflow the kernel drops the write and shows the same descriptor again. The state belongs to one
// iterator, so only one iterator may be read at a time.
//
// Source: kernel/bpf/{bpf_iter,task_iter}.c, net/socket.c (sock_alloc_file), kernel/pid.c
// (pid_nr_ns), fs/proc/array.c (do_task_stat: start time). Tested by
// tests/process/owner_sources_test.cc.

#include "netdiag/bpf/program.h"
#include "netdiag/bpf/task_files_format.h"

#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define FMODE_PATH (1 << 14)

// The used fields of the kernel's structs, which CO-RE finds by name. Each struct costs a search in
// all types of the kernel when the program is loaded.
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct inode {
  __u16 i_mode;
  unsigned long i_ino;
};

struct file {
  struct inode* f_inode;
  unsigned int f_mode;
  void* private_data;
};

struct ns_common {
  unsigned int inum;
};

struct net {
  struct ns_common ns;
};

typedef struct {
  struct net* net;
} possible_net_t;

struct sock_common {
  possible_net_t skc_net;
};

struct sock {
  struct sock_common __sk_common;
};

struct socket {
  struct sock* sk;
};

struct pid_namespace;

struct upid {
  int nr;
  struct pid_namespace* ns;
};

struct pid {
  unsigned int level;
  struct upid numbers[1];
};

struct timespec64 {
  __s64 tv_sec;
  long tv_nsec;
};

struct timens_offsets {
  struct timespec64 boottime;
};

struct time_namespace {
  struct timens_offsets offsets;
};

struct nsproxy {
  struct time_namespace* time_ns;
};

struct files_struct;

typedef struct {
  __u32 val;
} kuid_t;

struct cred {
  kuid_t uid;
  kuid_t suid;
  kuid_t euid;
  kuid_t fsuid;
};

struct signal_struct {
  struct pid* pids[2];  // [1]: the process (4.19)
};

struct task_struct {
  int pid;
  int tgid;
  __u64 start_boottime;
  struct task_struct* group_leader;
  struct pid* thread_pid;
  struct signal_struct* signal;
  const struct cred* real_cred;
  struct nsproxy* nsproxy;
  struct files_struct* files;
  char comm[16];
};

// RHEL 8 has the iterators of 5.8 in a kernel where the field still has its name from before 5.5.
struct task_struct___old {
  __u64 real_start_time;
};

#pragma clang attribute pop

// The context of the iterator: the same in all kernels.
struct seq_file;

struct bpf_iter_meta {
  struct seq_file* seq;
  __u64 session_id;
};

struct bpf_iter__task_file {
  struct bpf_iter_meta* meta;
  struct task_struct* task;
  __u32 fd;
  struct file* file;
};

// Set before the program is loaded, so that the kernel removes the code if it is 0. The namespace
// of a socket is rarely in the cache, and reading it takes half as long as all the rest.
const volatile int with_netns = 0;

struct Last {
  __u64 session;  // the iterator
  __u64 started;  // with tid: the task of the last record
  int tid;
};

struct Last last;

static __always_inline __u64 StartOf(struct task_struct* task) {
  if (bpf_core_field_exists(task->start_boottime)) return BPF_CORE_READ(task, start_boottime);
  return BPF_CORE_READ((struct task_struct___old*)task, real_start_time);
}

// A task's number in the pid namespace at depth `level`; 0: the task is not in one.
static __always_inline struct upid NumberAt(struct pid* pid, unsigned int level) {
  struct upid number = {};
  if (pid == 0 || level > BPF_CORE_READ(pid, level)) return number;
  // struct upid has had these two fields since 4.15.
  bpf_probe_read_kernel(&number, sizeof(number),
                        (char*)&pid->numbers + (__u64)level * sizeof(struct upid));
  return number;
}

// The offset of the reader's time namespace for times since boot (5.6).
static __always_inline __u64 BootOffset(struct task_struct* reader) {
  struct nsproxy* proxy = BPF_CORE_READ(reader, nsproxy);
  if (!bpf_core_field_exists(proxy->time_ns)) return 0;
  struct time_namespace* time_ns = BPF_CORE_READ(proxy, time_ns);
  if (!bpf_core_field_exists(time_ns->offsets)) return 0;
  return (__u64)BPF_CORE_READ(time_ns, offsets.boottime.tv_sec) * 1000000000ull +
         (__u64)BPF_CORE_READ(time_ns, offsets.boottime.tv_nsec);
}

// Fills the record of the task's process. Returns 0 if the process has ended or is not in the
// reader's pid namespace. The pid is that of the signal_struct, which the task keeps while the
// iterator shows it. The pid of the group leader would be wrong: it changes when another thread
// calls execve(), and after that the leader can be the memory of another process. The four user ids
// belong to one instant, because credentials are never changed in place and the program runs under
// RCU.
static __always_inline int DescribeProcess(struct task_struct* task, struct TaskRecord* record,
                                           int with_offset) {
  struct task_struct* reader = (struct task_struct*)bpf_get_current_task();
  struct task_struct* leader = task->group_leader;
  struct pid* reader_pid = BPF_CORE_READ(reader, thread_pid);
  unsigned int level = BPF_CORE_READ(reader_pid, level);
  struct upid number = NumberAt(BPF_CORE_READ(task, signal, pids[1]), level);
  if (number.nr == 0 || number.ns != NumberAt(reader_pid, level).ns) return 0;
  __u64 start = StartOf(leader);
  if (with_offset) start += BootOffset(reader);
  const struct cred* cred = leader->real_cred;
  record->real_uid = BPF_CORE_READ(cred, uid.val);
  record->effective_uid = BPF_CORE_READ(cred, euid.val);
  record->saved_uid = BPF_CORE_READ(cred, suid.val);
  record->filesystem_uid = BPF_CORE_READ(cred, fsuid.val);
  record->tag = kTaskRecord;
  record->pid = number.nr;
  record->thread = task->pid == task->tgid ? 0 : NumberAt(task->thread_pid, level).nr;
  record->start_low = (__u32)start;
  record->start_high = (__u32)(start >> 32);
  bpf_probe_read_kernel_str(record->command, sizeof(record->command), &leader->comm);
  return cred != 0 && leader->signal == task->signal;
}

static __always_inline int List(struct bpf_iter__task_file* ctx, int netns, int with_offset) {
  struct task_struct* task = ctx->task;
  struct file* file = ctx->file;
  if (task == 0 || file == 0) return 0;
  struct inode* inode = file->f_inode;
  // A descriptor opened with O_PATH can refer to the path of a unix socket. All other descriptors
  // with an inode of this type belong to sockfs.
  if ((inode->i_mode & S_IFMT) != S_IFSOCK || (file->f_mode & FMODE_PATH) != 0) return 0;
  __u64 number = inode->i_ino;
  // Dumps have inodes of 32 bits only.
  if (number == 0 || number >> 32 != 0) return 0;
  // Early kernels show the descriptor table of a process once per thread.
  if (task->pid != task->tgid && task->files == task->group_leader->files) return 0;

  struct {
    struct TaskRecord task;
    struct SocketRecord socket;
  } record = {};
  record.socket.fd = (int)ctx->fd;
  record.socket.inode = (__u32)number;
  if (netns) {
    struct socket* socket = file->private_data;
    struct sock* sk = BPF_CORE_READ(socket, sk);
    if (sk != 0) record.socket.netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
  }

  struct seq_file* seq = ctx->meta->seq;
  __u64 started = StartOf(task);
  if (last.session == ctx->meta->session_id && last.tid == task->pid && last.started == started) {
    bpf_seq_write(seq, &record.socket, sizeof(record.socket));
    return 0;
  }
  if (!DescribeProcess(task, &record.task, with_offset)) return 0;
  if (bpf_seq_write(seq, &record, sizeof(record)) != 0) return 0;
  last.session = ctx->meta->session_id;
  last.tid = task->pid;
  last.started = started;
  return 0;
}

// One of these is loaded. ListSockets needs fewer structs.
SEC("iter/task_file")
int ListSockets(struct bpf_iter__task_file* ctx) { return List(ctx, 0, 0); }

SEC("iter/task_file")
int ListSocketsWithMore(struct bpf_iter__task_file* ctx) { return List(ctx, with_netns, 1); }
