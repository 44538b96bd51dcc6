// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Lists every descriptor that is a socket: the kernel's iterator iter/task gives the tasks, and the
// program reads their tables of descriptors. Compiled for BPF and embedded in the library. The
// output is declared in task_files_format.h.
//
// The kernel's own walk of the descriptors (iter/task_file) takes a lock and a reference for each
// of them, which costs four times as much as this.
//
// A table is read without locks and references, in chunks. Under RCU nothing that is read here is
// freed, except the files_struct that has the table. So a chunk counts only if, after it was read:
//
// 1. a descriptor still has the file, and the file the inode. Files are reused while RCU is held
//    (SLAB_TYPESAFE_BY_RCU, 6.7). A descriptor that has changed was not there throughout.
// 2. the files_struct still has this table. A table that grew is left as it was, and its files may
//    have been closed since.
// 3. the task still has this files_struct, which therefore was not freed.
//
// If 2 or 3 does not hold, the chunk is read again. A full barrier stands between the two readings.
//
// One program serves all kernels. It uses only types, helpers and fields that all of
// them have; loading it adapts the offsets to the running kernel (CO-RE). So it reads the inode of
// sockfs and not sk_ino (6.18). Where the kernel has bpf_rdonly_cast() (6.2), files are read by
// plain loads, so the processor fetches several at once; elsewhere by copies.
//
// A read ends after kDescriptorsARead descriptors, in the middle of a table if need be: the program
// returns 1, which makes the kernel call it with the same task at the next read(2). The place is
// kept by the reader, so only one pass may run at a time.
//
// Source: kernel/bpf/{bpf_iter,task_iter}.c, fs/file.c (expand_fdtable, put_files_struct),
// include/linux/fdtable.h, net/socket.c (sock_alloc_file), kernel/pid.c (pid_nr_ns),
// fs/proc/array.c (do_task_stat: start time). Tested by tests/process/owner_sources_test.cc.

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

struct socket_alloc {
  struct inode vfs_inode;
};

struct file {
  struct inode* f_inode;
  unsigned int f_mode;
  void* private_data;
};

struct ns_common {
  unsigned int inum;
};

struct hlist_nulls_node {
  struct hlist_nulls_node* next;
};

struct hlist_nulls_head {
  struct hlist_nulls_node* first;
};

struct inet_listen_hashbucket {
  struct hlist_nulls_head nulls_head;
};

struct inet_hashinfo {
  struct inet_listen_hashbucket* lhash2;
  unsigned int lhash2_mask;
};

struct inet_timewait_death_row {
  struct inet_hashinfo* hashinfo;
};

struct netns_ipv4 {
  struct inet_timewait_death_row tcp_death_row;
};

struct net {
  struct ns_common ns;
  struct netns_ipv4 ipv4;
};

typedef struct {
  struct net* net;
} possible_net_t;

struct sock_common {
  possible_net_t skc_net;
  struct hlist_nulls_node skc_nulls_node;
};

struct socket;

struct sock {
  struct sock_common __sk_common;
  struct socket* sk_socket;
};

struct socket {
  struct file* file;
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
  struct net* net_ns;
};

struct fdtable {
  unsigned int max_fds;  // a multiple of 64
  struct file** fd;
};

struct files_struct {
  struct fdtable* fdt;
  struct fdtable fdtab;  // the first one
};

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
struct bpf_iter__task {
  void* meta;
  struct task_struct* task;
};

// Set before the program is loaded, so that the kernel removes the code if it is 0. The namespace
// of a socket is rarely in the cache, and reading it takes half as long as all the rest.
const volatile int with_netns = 0;

struct TaskFilesOutput output SEC(".data.output");

// What one call of the program reads.
struct Walk {
  __u64 task;
  __u64 files;  // its files_struct
  __u64 table;
  __u64 array;
  __u32 size;
  __u32 fd;       // the first descriptor of the next chunk
  __u32 is_full;  // the read has no room for the rest
  __u32 padding;
};

struct Walk walk;

// ---- Tasks ----

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

// Sets the pid and the thread as they are in the reader's pid namespace. Returns 0 if the process
// has ended or is not in that namespace. The pid is that of the signal_struct, which the task keeps
// while the iterator shows it. The pid of the group leader would be wrong: it changes when another
// thread calls execve().
static __always_inline int Number(struct task_struct* task, struct TaskRecord* record) {
  struct task_struct* reader = (struct task_struct*)bpf_get_current_task();
  struct pid* reader_pid = BPF_CORE_READ(reader, thread_pid);
  unsigned int level = BPF_CORE_READ(reader_pid, level);
  struct upid number = NumberAt(BPF_CORE_READ(task, signal, pids[1]), level);
  if (number.nr == 0 || number.ns != NumberAt(reader_pid, level).ns) return 0;
  record->pid = number.nr;
  if (record->thread != 0) record->thread = NumberAt(BPF_CORE_READ(task, thread_pid), level).nr;
  return 1;
}

// Fills the record of the task's process. Returns 0 if the process has ended or is not in the
// reader's pid namespace. After an execve() of another thread the leader can be the memory of
// another process, which has another signal_struct. The four user ids belong to one instant,
// because credentials are never changed in place and the program runs under RCU.
static __always_inline int DescribeProcess(__u32 at, int with_more) {
  struct TaskRecord* record = &output.task[at & (kTasksARead - 1)];
  struct task_struct* task = (struct task_struct*)walk.task;
  struct task_struct* leader = BPF_CORE_READ(task, group_leader);
  record->pid = BPF_CORE_READ(task, tgid);
  const int tid = BPF_CORE_READ(task, pid);
  record->thread = tid == record->pid ? 0 : tid;
  __u64 start = StartOf(leader);
  if (with_more) {
    if (!Number(task, record)) return 0;
    start += BootOffset((struct task_struct*)bpf_get_current_task());
  }
  const struct cred* cred = BPF_CORE_READ(leader, real_cred);
  record->real_uid = BPF_CORE_READ(cred, uid.val);
  record->effective_uid = BPF_CORE_READ(cred, euid.val);
  record->saved_uid = BPF_CORE_READ(cred, suid.val);
  record->filesystem_uid = BPF_CORE_READ(cred, fsuid.val);
  record->start_low = (__u32)start;
  record->start_high = (__u32)(start >> 32);
  bpf_probe_read_kernel_str(record->command, sizeof(record->command), &leader->comm);
  return cred != 0 && BPF_CORE_READ(leader, signal) == BPF_CORE_READ(task, signal);
}

// Global functions, here and below, so that the verifier follows each of them once.
__noinline int Describe(__u32 at) { return DescribeProcess(at, 0); }
__noinline int DescribeWithMore(__u32 at) { return DescribeProcess(at, 1); }

// ---- Files ----

extern void* bpf_rdonly_cast(const void* object, __u32 type) __ksym;

// A field of the struct at an address, by a plain load or by a copy. A fault gives 0.
#define LOAD(name, address, field)                                       \
  (((struct name*)bpf_rdonly_cast((const void*)(unsigned long)(address), \
                                  bpf_core_type_id_kernel(struct name))) \
       ->field)
#define COPY(name, address, field)                                                            \
  ({                                                                                          \
    typeof(((struct name*)0)->field) value_ = 0;                                              \
    bpf_core_read(&value_, sizeof(value_), &((struct name*)(unsigned long)(address))->field); \
    value_;                                                                                   \
  })
// The kernel keeps its candidates for a struct in a table of 31 places, by a hash of the name.
// Names with one place displace each other, and a search takes 0.3 ms. So structs whose names would
// are read as parts of others: an inode as that of a socket, a table of descriptors as the first
// one.
#define IN_SOCKET_ALLOC(inode) ((inode)-bpf_core_field_offset(((struct socket_alloc*)0)->vfs_inode))
#define FIELD(direct, name, address, field) \
  ((direct) ? LOAD(name, address, field) : COPY(name, address, field))

// One descriptor of a chunk.
struct Seen {
  __u64 inode;
  __u32 number;  // of the inode; 0: it is no socket
  __u32 netns;
};

// The chunk that is read.
__u64 before[kChunk];  // its files, read first
__u64 after[kChunk];   // and last
struct Seen seen[kChunk];
__u32 sockets;  // in the output, with those of this chunk
int barrier;

// Reads the file of one descriptor.
static __always_inline int LookAt(__u32 i, int direct, int netns) {
  struct Seen* found = &seen[i & (kChunk - 1)];
  const __u64 file = before[i & (kChunk - 1)];
  found->number = 0;
  if (file == 0) return 0;
  const __u64 inode = (__u64)FIELD(direct, file, file, f_inode);
  // A descriptor opened with O_PATH can refer to the path of a unix socket. All other descriptors
  // with an inode of this type belong to sockfs.
  const __u64 whole = IN_SOCKET_ALLOC(inode);
  if ((FIELD(direct, socket_alloc, whole, vfs_inode.i_mode) & S_IFMT) != S_IFSOCK) return 0;
  if ((FIELD(direct, file, file, f_mode) & FMODE_PATH) != 0) return 0;
  const __u64 number = FIELD(direct, socket_alloc, whole, vfs_inode.i_ino);
  // Dumps have inodes of 32 bits only.
  if (number >> 32 != 0) return 0;
  found->inode = inode;
  found->number = (__u32)number;
  if (netns) {
    struct socket* socket = BPF_CORE_READ((struct file*)file, private_data);
    struct sock* sk = BPF_CORE_READ(socket, sk);
    found->netns = sk == 0 ? 0 : BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
  }
  return 0;
}

// Adds the socket of one descriptor, unless it has changed.
static __always_inline int Keep(__u32 i, int direct) {
  struct Seen* found = &seen[i & (kChunk - 1)];
  const __u64 file = after[i & (kChunk - 1)];
  if (found->number == 0 || file != before[i & (kChunk - 1)]) return 0;
  if ((__u64)FIELD(direct, file, file, f_inode) != found->inode) return 0;
  struct SocketRecord* record = &output.socket[sockets & (kDescriptorsARead - 1)];
  record->fd = (int)(walk.fd + i);
  record->inode = found->number;
  record->netns = found->netns;
  sockets += 1;
  return 0;
}

__noinline int LookByLoads(__u32 i) { return LookAt(i, 1, 0); }
__noinline int LookByLoadsWithMore(__u32 i) { return LookAt(i, 1, with_netns); }
__noinline int LookByCopies(__u32 i) { return LookAt(i, 0, 0); }
__noinline int LookByCopiesWithMore(__u32 i) { return LookAt(i, 0, with_netns); }
__noinline int KeepByLoads(__u32 i) { return Keep(i, 1); }
__noinline int KeepByCopies(__u32 i) { return Keep(i, 0); }

// ---- Listeners of TCP ----

// The files of the sockets that listened when the pass began: a bit for each, by its address. Other
// files can have the same bit; then a socket comes that was not asked for. All namespaces have one
// table of listeners.
__u64 files_of_listeners[kListenerBits / 64];
struct Listening {
  __u64 heads;  // the address of the first head
  __u64 stride;
  __u32 bucket;
  __u32 buckets;
  __u64 node;  // the next one; odd or 0: the chain has ended
};
struct Listening listening;

static __always_inline __u32 BitOf(__u64 file) {
  // Files are some hundred bytes apart.
  return (__u32)(file >> 6 ^ file >> 22) & (kListenerBits - 1);
}

// Goes to the next listener.
static long FindListener(__u64 index, void* unused) {
  (void)index, (void)unused;
  if (listening.node == 0 || (listening.node & 1)) {
    if (listening.bucket >= listening.buckets) return 1;
    __u64 head = 0;
    bpf_probe_read_kernel(&head, sizeof(head),
                          (const void*)(listening.heads + listening.stride * listening.bucket));
    listening.bucket += 1;
    listening.node = head;
    return 0;
  }
  struct sock* sk = 0;
  sk = (struct sock*)(listening.node - bpf_core_field_offset(sk->__sk_common.skc_nulls_node));
  const __u64 file = (__u64)BPF_CORE_READ(sk, sk_socket, file);
  const __u32 bit = BitOf(file);
  if (file != 0) files_of_listeners[bit / 64] |= 1ull << (bit & 63);
  listening.node = (__u64)BPF_CORE_READ(sk, __sk_common.skc_nulls_node.next);
  return 0;
}

// Without locks: a listener that changes its place meanwhile can be missed, as one that begins to
// listen later is.
__noinline int FindListeners(void) {
  struct task_struct* reader = (struct task_struct*)bpf_get_current_task();
  struct net* net = BPF_CORE_READ(reader, nsproxy, net_ns);
  struct inet_hashinfo* info = BPF_CORE_READ(net, ipv4.tcp_death_row.hashinfo);
  struct inet_listen_hashbucket* slot = 0;
  __builtin_memset(files_of_listeners, 0, sizeof(files_of_listeners));
  listening.heads = (__u64)BPF_CORE_READ(info, lhash2) + bpf_core_field_offset(slot->nulls_head);
  listening.stride = bpf_core_type_size(struct inet_listen_hashbucket);
  listening.bucket = 0;
  listening.buckets = BPF_CORE_READ(info, lhash2_mask) + 1;
  listening.node = 0;
  bpf_loop(kMaxChunks, FindListener, 0, 0);
  return 0;
}

static __always_inline int LookAtListener(__u32 i) {
  const __u64 file = before[i & (kChunk - 1)];
  const __u32 bit = BitOf(file);
  if ((files_of_listeners[bit / 64] >> (bit & 63) & 1) != 0) return LookAt(i, 1, 0);
  seen[i & (kChunk - 1)].number = 0;
  return 0;
}

__noinline int LookForListeners(__u32 i) { return LookAtListener(i); }

// ---- Tables ----

static __always_inline void Open(__u64 files) {
  struct files_struct* first = 0;
  __u64 table = files == 0 ? 0 : (__u64)BPF_CORE_READ((struct files_struct*)files, fdt);
  walk.files = files;
  walk.table = table;
  // The table as if it were the first one of this files_struct.
  first = (struct files_struct*)(table - bpf_core_field_offset(first->fdtab));
  walk.array = (__u64)BPF_CORE_READ(first, fdtab.fd);
  walk.size = table == 0 ? 0 : BPF_CORE_READ(first, fdtab.max_fds);
}

// True if what was read belongs to the task. If not, the next chunk is read from the table that the
// task has now.
__noinline int IsOwn(void) {
  struct task_struct* task = (struct task_struct*)walk.task;
  struct files_struct* files = (struct files_struct*)walk.files;
  const __u64 table = (__u64)BPF_CORE_READ(files, fdt);
  const __u64 files_now = (__u64)BPF_CORE_READ(task, files);
  if (table == walk.table && files_now == walk.files) return 1;
  Open(files_now);
  return 0;
}

// Reads the next chunk. Not 0: there is none.
static __always_inline int Chunk(int (*look)(__u32), int (*keep)(__u32)) {
  if (walk.fd >= walk.size) return IsOwn();
  if (output.chunks >= kChunks) {
    walk.is_full = 1;
    return 1;
  }
  output.chunks += 1;
  sockets = output.sockets;
  const void* from = (const void*)(walk.array + 8ull * walk.fd);
  bpf_probe_read_kernel(before, sizeof(before), from);
#pragma unroll
  for (__u32 i = 0; i < kChunk; ++i) look(i);
  __sync_fetch_and_add(&barrier, 1);
  bpf_probe_read_kernel(after, sizeof(after), from);
#pragma unroll
  for (__u32 i = 0; i < kChunk; ++i) keep(i);
  __sync_fetch_and_add(&barrier, 1);
  if (IsOwn()) {
    output.sockets = sockets;
    walk.fd += kChunk;
  }
  return 0;
}

#define CHUNK(name, look, keep)                           \
  __noinline int name(void) { return Chunk(look, keep); } \
  static long Next##name(__u64 index, void* unused) {     \
    (void)index, (void)unused;                            \
    return name() != 0;                                   \
  }
CHUNK(ChunkByLoads, LookByLoads, KeepByLoads)
CHUNK(ChunkByLoadsWithMore, LookByLoadsWithMore, KeepByLoads)
CHUNK(ChunkOfListeners, LookForListeners, KeepByLoads)
CHUNK(ChunkByCopies, LookByCopies, KeepByCopies)
CHUNK(ChunkByCopiesWithMore, LookByCopiesWithMore, KeepByCopies)

// Begins with a task, where the last read has ended. False: there is nothing to read.
__noinline int Enter(void) {
  struct task_struct* task = (struct task_struct*)walk.task;
  const __u64 files = (__u64)BPF_CORE_READ(task, files);
  const int tid = BPF_CORE_READ(task, pid);
  // The threads of a process share its table, as a rule.
  if (files == 0 || (tid != BPF_CORE_READ(task, tgid) &&
                     files == (__u64)BPF_CORE_READ(task, group_leader, files))) {
    return 0;
  }
  const __u64 started = StartOf(task);
  struct Place* place = &output.place;
  if (place->tid != tid || place->started != started) {
    place->tid = tid;
    place->started = started;
    place->fd = 0;
    place->has_record = 0;
  }
  walk.fd = place->fd;
  walk.is_full = 0;
  Open(files);
  return 1;
}

// Writes the record of the task, if sockets were found. Not 0: the next read goes on with it.
static __always_inline int Leave(__u32 first, int (*describe)(__u32)) {
  struct Place* place = &output.place;
  place->fd = walk.fd;
  if (output.sockets != first) {
    const __u32 at = output.tasks & (kTasksARead - 1);
    output.task[at].first = first;
    output.task[at].is_rest = place->has_record;
    if (describe(at)) {
      output.tasks += 1;
      place->has_record = 1;
    } else {
      output.sockets = first;
    }
  }
  return walk.is_full || output.chunks >= kChunks;
}

// One of these is loaded. The others need more structs, or more of the kernel.
#define PROGRAM(name, begin, chunk, describe) \
  SEC("iter/task")                            \
  int name(struct bpf_iter__task* ctx) {      \
    walk.task = (__u64)ctx->task;             \
    if (!output.place.has_begun) begin;       \
    output.place.has_begun = 1;               \
    if (walk.task == 0 || !Enter()) return 0; \
    const __u32 first = output.sockets;       \
    bpf_loop(kMaxChunks, Next##chunk, 0, 0);  \
    return Leave(first, describe);            \
  }
PROGRAM(ListSockets, , ChunkByLoads, Describe)
PROGRAM(ListListeners, FindListeners(), ChunkOfListeners, Describe)
PROGRAM(ListListenersWithMore, FindListeners(), ChunkOfListeners, DescribeWithMore)
PROGRAM(ListSocketsWithMore, , ChunkByLoadsWithMore, DescribeWithMore)
PROGRAM(ListSocketsByCopies, , ChunkByCopies, Describe)
PROGRAM(ListSocketsByCopiesWithMore, , ChunkByCopiesWithMore, DescribeWithMore)
