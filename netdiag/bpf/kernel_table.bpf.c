// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Reads the kernel's hash tables of TCP and UDP and writes a message for each socket as a dump
// would: struct nlmsghdr, struct inet_diag_msg, attributes.
//
// The program is an iterator over the tasks, which mean nothing here: each call goes on where the
// last one stopped, until the reader's buffer is nearly full. If there are fewer tasks than calls,
// the reader begins another pass. (An iterator over the elements of a map has as many calls as it
// needs, but some kernels refuse it.) A call runs under RCU and takes no lock.
//
// A chain is read like this:
//
// 1. Of each socket, the cookie and the hash are read first, then the row, then the pointer to the
//    next socket, and then whether all that came from one socket: the cookie and the hash again,
//    the reference count, and whether the socket is still hashed.
// 2. A socket that is not hashed any more is left out. What it points to is still the rest of the
//    chain, because nothing is freed under RCU; TCP reuses the memory only for sockets
//    (SLAB_TYPESAFE_BY_RCU). A reused one can lead into another chain. The end of a chain of TCP
//    names its bucket; a socket of UDP keeps the hash of its port. If they name another bucket, the
//    chain is read again.
// 3. Sockets enter at the head. A connection that enters TIME_WAIT or is established becomes
//    another object, which enters at the head while the old one leaves further back. So a chain of
//    connections is complete only if its head is the one with which it began.
//
// The rows of a short chain are held back until it is complete. A long chain is written at once:
// its rows are flagged, and the reader drops those that come again. If a long chain has a new head
// at its end, what is new is read from there to a socket that was passed before. A call can end
// inside a long chain; the next one goes on behind the last socket, if that is still in the chain,
// or else reads the chain again.
//
// Memory is read through bpf_rdonly_cast() (6.2): every read is a plain load whose faults are
// caught, so the processor fetches several sockets at once. A copy for every read
// (bpf_probe_read_kernel) takes 1.6 times as long as a dump.
//
// Loading costs what the verifier follows and what the kernel searches its types for:
//
// - A global function is verified once, alone. Another one is verified for every way that leads to
//   a call of it. So the functions with branches are global, and have numbers as arguments.
// - The kernel searches all of its types for each name of a struct. It keeps what it has found in a
//   table of 31 places, by a hash of the name. A name that takes the place of another costs another
//   search. So `sock` is read as the beginning of `inet_sock`, and in6_addr as two words.
//
// The order of loads matters in 1, and nothing here forces it: x86-64 keeps it.
//
// Source: include/net/inet_hashtables.h, include/linux/list_nulls.h, net/ipv4/inet_hashtables.c
// (inet_ehash_insert), net/ipv4/inet_timewait_sock.c (inet_twsk_hashdance_schedule), net/ipv4/udp.c
// (udp_lib_get_port, udp_lib_unhash), net/ipv4/inet_diag.c (inet_sk_diag_fill, inet_twsk_diag_fill,
// inet_req_diag_fill), kernel/bpf/bpf_iter.c (bpf_seq_read), kernel/bpf/btf.c
// (vmlinux_cand_cache), 6.18. Tested by tests/live/kernel_table_live_test.cc.

#include "netdiag/bpf/kernel_table_format.h"
#include "netdiag/bpf/kernel_table_rows.h"
#include "netdiag/bpf/kernel_table_structs.h"
#include "netdiag/bpf/program.h"

// ---- Tables ----

static __always_inline struct inet_hashinfo* HashInfo(struct net* net) {
#ifdef NETDIAG_BY_COPIES
  if (!bpf_core_field_exists(net->ipv4.tcp_death_row)) {
    struct net___pointer* other = (struct net___pointer*)net;
    return BPF_CORE_READ(other, ipv4.tcp_death_row, hashinfo);
  }
#endif
  return BPF_CORE_READ(net, ipv4.tcp_death_row.hashinfo);
}

static __always_inline struct net* OwnNet(void) {
  struct task_struct* reader = (struct task_struct*)bpf_get_current_task();
  return BPF_CORE_READ(reader, nsproxy, net_ns);
}

static __always_inline __u32 InodeOfNet(__u64 address) {
  struct net* net = (struct net*)address;
  return BPF_CORE_READ(net, ns.inum);
}

// Looks at one namespace of the kernel's list. `r.node` is the place in the list, and `r.head` is
// what tells a namespace from the head of the list.
static long SeekNet(__u64 index, void* unused) {
  (void)index, (void)unused;
  struct net* net = 0;
  net = (struct net*)(r.node - bpf_core_field_offset(net->list));
  if ((__u64)BPF_CORE_READ(net, ns.ops) == r.head && BPF_CORE_READ(net, ns.inum) == q.netns) {
    r.net = (__u64)net;
    return 1;
  }
  r.node = (__u64)BPF_CORE_READ(net, list.next);
  return r.node == 0;
}

// Sets what the table `r.table` is. False: this kernel keeps it in another way.
static __always_inline int Open(void) {
  struct net* net = (struct net*)r.net;
  __u64 mask = 0;
  if (r.table == kTableConnections) {
    struct inet_hashinfo* info = HashInfo(net);
    r.base = (__u64)BPF_CORE_READ(info, ehash);
    mask = BPF_CORE_READ(info, ehash_mask);
    r.stride = sizeof(__u64);
  } else if (r.table == kTableListeners) {
    struct inet_listen_hashbucket* slot = 0;
    struct inet_listen_hashbucket___old* old = 0;
    if (!bpf_core_field_exists(slot->nulls_head) || bpf_core_field_exists(old->count)) return 0;
    struct inet_hashinfo* info = HashInfo(net);
    r.base = (__u64)BPF_CORE_READ(info, lhash2) + bpf_core_field_offset(slot->nulls_head);
    mask = BPF_CORE_READ(info, lhash2_mask);
    r.stride = bpf_core_type_size(struct inet_listen_hashbucket);
  } else {
    // Before 6.2 the table is a variable, which a program finds only with CAP_SYSLOG.
    if (!bpf_core_field_exists(net->ipv4.udp_table) || !bpf_core_field_exists(net->hash_mix)) {
      return 0;
    }
    struct udp_table* table = BPF_CORE_READ(net, ipv4.udp_table);
    r.base = (__u64)BPF_CORE_READ(table, hash);
    mask = BPF_CORE_READ(table, mask);
    r.stride = ((__u64)BPF_CORE_READ(table, hash2) - r.base) / (mask + 1);
  }
  const __u64 buckets = mask + 1;
  // A socket that listens, or one of UDP, can move to a bucket of another part. So the first part
  // has all of them.
  const int whole = r.table != kTableConnections || q.parts == 0;
  const __u64 parts = whole ? 1 : q.parts;
  const __u64 part = whole ? 0 : q.part;
  r.mask = mask;
  r.bucket = buckets * part / parts;
  r.last_bucket = whole && q.part != 0 ? 0 : buckets * (part + 1) / parts;
  return r.base > 4096;
}

static __always_inline __u32 Begin(void) {
  struct net* own = OwnNet();
  r.net = 0;
  r.node = (__u64)&own->list;
  r.head = (__u64)BPF_CORE_READ(own, ns.ops);
  bpf_loop(kTableMaxNamespaces, SeekNet, 0, 0);
  if (r.net == 0) return kTableNoNetns;
  r.node = r.head = 0;
  r.bucket = r.last_bucket = 0;
  r.table = (__u64)-1;  // Seek() goes to the first
  return kTableWhole;
}

// ---- Chains ----

enum { kGoOn = 0, kStop = 1 };

static __always_inline __u64 HeadOf(__u64 bucket) {
  const __u64 address = r.base + bucket * r.stride;
  struct hlist_node* head = AS(hlist_node, address);
  return WORD(head, address, next);
}

static __always_inline __u64 AddressOf(__u64 node) {
  struct sock_common* socket = 0;
  return node - bpf_core_field_offset(socket->skc_node);
}

static __always_inline __u32 HashOf(__u64 node) {
  if (node == 0 || (node & 1)) return 0;
  const __u64 address = AddressOf(node);
  struct sock_common* socket = AS(sock_common, address);
  return AGAIN(socket, address, skc_hash);
}

static __always_inline void BeginLandmarks(void) {
  r.walked = 0;
  r.next_landmark = 0;
}

// Remembers the socket if its place is that of a landmark.
static __always_inline void Pass(__u64 node, __u32 hash) {
  __u32 at = r.next_landmark;
  r.walked += 1;
  if (at >= kLandmarks || r.walked != 1U << at) return;
  r.next_landmark = at + 1;
  barrier_var(at);
  r.landmarks[at & (kLandmarks - 1)].node = node;
  r.landmarks[at & (kLandmarks - 1)].hash = hash;
}

// True if the chain was read from here on.
static __always_inline int IsLandmark(__u64 node, __u32 hash) {
  // Without branches, of which the verifier would follow every combination.
  __u64 found = 0;
#pragma unroll
  for (int i = 0; i < kLandmarks; ++i) {
    __u64 differs = (r.landmarks[i].node ^ node) | (r.landmarks[i].hash ^ hash);
    barrier_var(differs);
    __u64 sign = ~(differs | -differs);
    barrier_var(sign);
    found |= sign >> 63;
  }
  return found != 0;
}

// Goes to the beginning of the present chain.
int BeginChain(__u64 head) {
  r.node = r.head = head;
  r.head_hash = HashOf(head);
  r.unsure = 0;
  r.passed = 0;
  r.in_chain = 1;
  r.catching = 0;
  BeginLandmarks();
  if (r.is_long) {
    __builtin_memset(r.landmarks, 0, sizeof(r.landmarks));
  } else {
    r.at = r.start;
  }
  return kGoOn;
}

static __always_inline int EndChain(void) {
  r.in_chain = 0;
  r.is_long = 0;
  r.tries = 0;
  r.bucket += 1;
  r.start = r.at;
  return kGoOn;
}

// Counts a try. False: there were too many.
static __always_inline int MayTryAgain(void) {
  r.end.retries += 1;
  r.tries += 1;
  if (!r.is_long && r.tries > kTriesHeldBack) {
    r.at = r.start;
    r.is_long = 1;
  }
  return r.tries <= kTriesWritten;
}

int TryAgain(void) {
  if (!MayTryAgain()) {
    r.end.unsettled += 1;
    return EndChain();
  }
  return BeginChain(HeadOf(r.bucket));
}

int AtEnd(int met) {
  const __u64 node = r.node;
  const int named =
      r.table == kTableUdp ? node == 0 : (node & 1) != 0 && ((node >> 1) & r.mask) == r.bucket;
  if ((!met && !named) || r.unsure) return TryAgain();
  if (r.table != kTableConnections) return EndChain();
  const __u64 head = HeadOf(r.bucket);
  const __u32 hash = HashOf(head);
  if (head == r.head && hash == r.head_hash) return EndChain();
  if (!r.is_long) return TryAgain();
  if (!MayTryAgain()) {
    r.end.unsettled += 1;
    return EndChain();
  }
  // Only what is in front of the landmarks is new.
  r.catching = 1;
  r.node = r.head = head;
  r.head_hash = hash;
  r.passed = 0;
  BeginLandmarks();
  return kGoOn;
}

// Sets r.named_inode to that of the namespace.
static __always_inline void NameNet(__u64 net) {
  if (r.named_net == net) return;
  r.named_net = net;
  r.named_inode = InodeOfNet(net);
}

// Sets r.other_net, too.
static __always_inline int IsWantedNet(__u64 net) {
  r.other_net = 0;
  if (net == r.net) return 1;
  if (!q.many) return 0;
  NameNet(net);
  const __u32 inode = r.named_inode;
  r.other_net = inode;
  return (q.besides[inode >> 6 & (kTableBesides / 64 - 1)] >> (inode & 63) & 1) != 0;
}

// The state in which a dump shows the socket, or 0 if it is not asked for.
static __always_inline __u8 IsWanted(struct sock_common* common, __u64 address, __u64 net,
                                     __u8 state) {
  if (!IsWantedNet(net)) return 0;
  const __u16 family = common->skc_family;
  if (!(family == AF_INET6 ? q.families & 2 : family == AF_INET ? q.families & 1 : 0)) return 0;
  __u8 shown = state;
  __u8 asked = state;
  if (r.table == kTableConnections && state == kTimeWait) {
    struct inet_timewait_sock* wait = AS(inet_timewait_sock, address);
    shown = asked = AGAIN(wait, address, tw_substate);
  }
  if (r.table == kTableConnections && state == kNewSynReceived) shown = kSynReceived;
  if (!(q.states >> (asked & 31) & 1)) return 0;
  if (q.local_port != 0 && common->skc_num != q.local_port) return 0;
  if (q.remote_port != 0 && common->skc_dport != q.remote_port) return 0;
  return shown;
}

// True if the socket of UDP belongs to the present bucket.
static __always_inline int IsInBucket(struct sock_common* common, __u64 address) {
  struct net* net = AGAIN(common, address, skc_net.net);
  if (!bpf_core_field_exists(net->hash_mix)) return 0;
  const __u32 hash = AGAIN(common, address, skc_u16hashes[0]);
  return ((hash + FOLLOW(net, hash_mix)) & r.mask) == r.bucket;
}

int Visit(void) {
  const __u64 node = r.node;
  if (node == 0 || (node & 1)) return AtEnd(0);
  if (r.catching && IsLandmark(node, HashOf(node))) return AtEnd(1);
  const __u64 address = AddressOf(node);
  struct sock_common* common = AS(sock_common, address);
  // What tells one socket from another in the same memory comes first and last.
  const __u64 cookie = (__u64)AGAIN(common, address, skc_cookie.counter);
  const __u32 hash = AGAIN(common, address, skc_hash);
  READ_AGAIN();
  const __u64 net = WORD(common, address, skc_net.net);
  FETCH(sock_common, address);
  const __u8 state = common->skc_state;
  const __u32 row = r.at;
  const __u8 shown = IsWanted(common, address, net, state);
  if (shown != 0) Fill(address, state, shown, cookie);
  READ_AGAIN();
  const __u64 next = WORD(common, address, skc_node.next);
  READ_AGAIN();
  // What was read is of one socket, which is still in this chain.
  if (AGAIN(common, address, skc_hash) != hash ||
      (__u64)AGAIN(common, address, skc_cookie.counter) != cookie ||
      (r.table == kTableUdp && !IsInBucket(common, address))) {
    r.at = row;
    return TryAgain();
  }
  r.node = next;
  r.passed = node;
  r.passed_hash = hash;
  r.passed_cookie = cookie;
  if (r.is_long) Pass(node, hash);
  if (shown == 0) return kGoOn;
  if (WORD(common, address, skc_node.pprev) == 0) {
    r.at = row;
    return kGoOn;
  }
  if (AGAIN(common, address, skc_refcnt.refs.counter) == 0) {
    r.at = row;
    r.unsure = 1;
    return kGoOn;
  }
  if (cookie == 0) r.end.no_cookie += 1;
  if (r.is_long || r.table != kTableConnections) {
    ((struct InetDiagMessage*)InStage(row))->flags |= kTableFlag;
    *(__u64*)At(0) = node;
    r.at += kTableAddressSize;
  }
  if (r.is_long) {
    r.start = r.at;
  } else if (r.at - r.start > kShortChain) {
    r.at = r.start;
    r.is_long = 1;
    BeginChain(HeadOf(r.bucket));
  }
  return kGoOn;
}

// Goes on to the next chain that is not empty, or to the next table.
int Seek(void) {
  for (int i = 0; i < kEmptyBuckets; ++i) {
    if (r.bucket >= r.last_bucket) break;
    const __u64 head = HeadOf(r.bucket);
    if (head != 0 && (head & 1) == 0) {
      BeginChain(head);
      return kGoOn;
    }
    // The empty chain of TCP has its name.
    if (head == 0 && r.table != kTableUdp) {
      r.end.outcome = kTableBroken;
      r.ended = 1;
      return kStop;
    }
    r.bucket += 1;
  }
  if (r.bucket < r.last_bucket) return kGoOn;
  r.table += 1;
  if (r.table >= kTables) {
    r.ended = 1;
    return kStop;
  }
  if (!(q.tables >> (r.table & 31) & 1)) {
    r.bucket = r.last_bucket = 0;
  } else if (!Open()) {
    r.end.outcome = kTableLacking;
    r.ended = 1;
    return kStop;
  }
  return kGoOn;
}

// ---- Calls ----

struct Call {
  struct seq_file* seq;
  __u64 room;  // bytes that the reader's buffer has left
};

static __always_inline void Flush(struct Call* call) {
  __u32 size = r.at;
  r.at = r.start = 0;
  if (size == 0) return;
  // Keeps the compiler from dropping the mask, which the verifier needs.
  barrier_var(size);
  size &= 2 * kTableStage - 1;
  if (bpf_seq_write(call->seq, stage, size) != 0) r.end.outcome = kTableBroken;
  call->room = call->room > size ? call->room - size : 0;
}

// Writes what has gathered. kStop: the reader's buffer may not have room for the next rows.
static __always_inline long MakeRoom(struct Call* call) {
  const int is_held_back = r.start != r.at;
  if (r.at < kFlushAt || is_held_back) return kGoOn;
  Flush(call);
  return call->room < kTableStage ? kStop : kGoOn;
}

static long Step(__u64 index, struct Call* call) {
  (void)index;
  const int next = r.in_chain ? Visit() : Seek();
  return next == kGoOn ? MakeRoom(call) : kStop;
}

// Goes on in the chain in which the last call ended.
int Resume(void) {
  if (!r.is_long || r.passed == 0) {
    return BeginChain(HeadOf(r.bucket));
  }
  const __u64 address = AddressOf(r.passed);
  struct sock_common* common = AS(sock_common, address);
  __u64 back = 0;
  const __u64 before = WORD(common, address, skc_node.pprev);
  bpf_probe_read_kernel(&back, sizeof(back), (void*)before);
  const __u64 next = WORD(common, address, skc_node.next);
  READ_AGAIN();
  if (before != 0 && back == r.passed && AGAIN(common, address, skc_hash) == r.passed_hash &&
      (__u64)AGAIN(common, address, skc_cookie.counter) == r.passed_cookie &&
      (r.table != kTableUdp || IsInBucket(common, address))) {
    r.node = next;
    return kGoOn;
  }
  return TryAgain();
}

static __always_inline void WriteEnd(struct Call* call) {
  struct InetDiagMessage* header = (struct InetDiagMessage*)At(0);
  header->length = 16 + sizeof(struct KernelTableEnd);
  header->type = kTableEndType;
  header->flags = 0;
  header->sequence = header->port_id = 0;
  *(struct KernelTableEnd*)At(16) = r.end;
  r.at += 16 + sizeof(struct KernelTableEnd);
  Flush(call);
}

SEC("iter/task")
int ReadTable(struct bpf_iter__task* ctx) {
  if (ctx->task == 0 || r.ended == 2) return 0;
  struct seq_file* seq = ctx->meta->seq;
  const __u64 size = BPF_CORE_READ(seq, size);
  const __u64 used = BPF_CORE_READ(seq, count);
  struct Call call = {.seq = seq, .room = size - used};
  r.now = bpf_jiffies64();
  // The kernel hands out what there is and calls again.
  if (used != 0 && (size < used || call.room < 2 * kTableStage)) return 1;
  if (r.begun == 0) {
    r.begun = 1;
    r.end.outcome = Begin();
    if (r.end.outcome != kTableWhole) r.ended = 1;
  } else if (InodeOfNet(r.net) != q.netns) {
    r.end.outcome = kTableNoNetns;
    r.ended = 1;
  }
  if (r.ended == 0) {
    if (r.in_chain) Resume();
    bpf_loop(kSteps, Step, &call, 0);
    if (r.in_chain && !r.is_long) r.at = r.start;
  }
  Flush(&call);
  if (r.ended == 1) {
    WriteEnd(&call);
    r.ended = 2;
  }
  return 0;
}
