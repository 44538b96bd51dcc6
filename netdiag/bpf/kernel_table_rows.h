// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// netdiag/bpf/kernel_table_rows.h — Internal. Part of kernel_table.bpf.c: its state, and the
// message of one socket.

#ifndef NETDIAG_BPF_KERNEL_TABLE_ROWS_H_
#define NETDIAG_BPF_KERNEL_TABLE_ROWS_H_

#include "netdiag/bpf/kernel_table_format.h"
#include "netdiag/bpf/kernel_table_structs.h"
#include "netdiag/bpf/program.h"

// ---- State ----

// Its own section, so that the reader writes nothing else.
struct KernelTableQuestion question SEC(".data.question");

enum {
  kSteps = 16384,      // of a call
  kEmptyBuckets = 8,   // that one step passes
  kFlushAt = 4096,     // bytes of rows
  kShortChain = 3072,  // bytes of rows of one chain that are held back
  kTriesHeldBack = 4,  // of a chain
  kTriesWritten = 64,  // of a long one
  kMessageSize = 88,   // struct nlmsghdr and struct inet_diag_msg
};

// A socket of a long chain that was passed: all that stands behind it was read.
struct Landmark {
  __u64 node;
  __u32 hash;
  __u32 reserved;
};
enum { kLandmarks = 16 };

// One reading, from the question to the end.
struct Reading {
  __u32 begun;
  __u32 ended;
  struct KernelTableEnd end;

  __u64 net;    // whose table is read
  __u64 table;  // the number of the present table
  __u64 base;   // the address of the head of bucket 0
  __u64 stride;
  __u64 mask;
  __u64 bucket;       // the present one
  __u64 last_bucket;  // the first one of the next part

  // The present chain.
  __u64 node;       // the next socket's; 0: the chain begins
  __u64 head;       // the first socket's, when the chain was begun
  __u32 head_hash;  // its hash
  __u32 in_chain;   // 1 between the head and the end
  __u32 catching;   // 1: only what is new is read, from a new head to a landmark
  __u32 walked;     // sockets since the chain, or what is new, began
  __u32 tries;
  __u32 is_long;
  __u32 unsure;  // 1: something stood in the chain that was just coming or going
  // The last socket that was passed: where the next call goes on.
  __u64 passed;
  __u64 passed_cookie;
  __u32 passed_hash;

  // The sockets number 1, 2, 4, 8, … from the head, as they were passed last.
  struct Landmark landmarks[kLandmarks];
  __u32 next_landmark;  // its number in the array
  __u32 reserved_too;

  __u64 now;  // jiffies, when the call began

  __u32 at;     // bytes in `stage`
  __u32 start;  // of the chain in `stage`

  __u64 named_net;  // whose inode is
  __u32 named_inode;
  __u32 other_net;  // the inode of the present socket's, if it is not `net`
};

struct Reading reading;
char stage[2 * kTableStage];  // the first half is used, and a row behind it

#define r reading
#define q question

// ---- Rows ----

struct InetDiagMessage {
  __u32 length;
  __u16 type;
  __u16 flags;
  __u32 sequence;
  __u32 port_id;
  __u8 family;
  __u8 state;
  __u8 timer;
  __u8 retransmits;
  __be16 local_port;
  __be16 remote_port;
  __u32 local[4];
  __u32 remote[4];
  __u32 interface;
  __u32 cookie[2];
  __u32 expires;
  __u32 receive_queue;
  __u32 send_queue;
  __u32 user;
  __u32 inode;
};

static __always_inline char* InStage(__u32 at) {
  // Keeps the compiler from dropping the mask, which the verifier needs.
  barrier_var(at);
  return &stage[at & (kTableStage - 1)];
}

// Byte number `offset` of what is written next.
static __always_inline char* At(__u32 offset) { return InStage(r.at + offset); }

// An attribute of one word. `length` of its value: 1, 2 or 4.
static __always_inline void Put(__u16 type, __u16 length, __u32 value) {
  __u32* to = (__u32*)At(0);
  to[0] = (__u32)(length + 4) | (__u32)type << 16;
  to[1] = value;
  r.at += 8;
}

static __always_inline __u32 Milliseconds(__u64 expires) {
  __s64 left = (__s64)(expires - r.now);
  if (left <= 0) return 0;
  return (__u32)((__u64)left * 1000 / (q.hz == 0 ? 1000 : q.hz));
}

static __always_inline void SetInode(struct inet_sock* inet, struct InetDiagMessage* row) {
  if (bpf_core_field_exists(inet->sk.sk_ino)) {
    row->user = inet->sk.sk_uid.val;
    row->inode = (__u32)inet->sk.sk_ino;
    return;
  }
  if (q.keeps_uid) row->user = inet->sk.sk_uid.val;
  struct socket* end = inet->sk.sk_socket;
  if (end == 0) return;
  // struct socket is the first field of struct socket_alloc.
  struct socket_alloc* whole = AS(socket_alloc, end);
  if (!q.keeps_uid) row->user = AGAIN(whole, end, vfs_inode.i_uid.val);
  row->inode = (__u32)AGAIN(whole, end, vfs_inode.i_ino);
}

#ifdef NETDIAG_BY_COPIES
static __always_inline __u32 OptionBitsOf(struct inet_sock___bits* inet) {
#define BIT(name, to) ((__u32)BPF_CORE_READ_BITFIELD(inet, name) << (to))
  return BIT(recverr, 0) | BIT(is_icsk, 1) | BIT(freebind, 2) | BIT(hdrincl, 3) | BIT(mc_loop, 4) |
         BIT(transparent, 5) | BIT(mc_all, 6) | BIT(nodefrag, 7) | BIT(bind_address_no_port, 8) |
         BIT(recverr_rfc4884, 9) | BIT(defer_connect, 10);
#undef BIT
}
#endif

// The bits of struct inet_diag_sockopt.
static __always_inline __u32 OptionsOf(struct inet_sock* inet) {
#ifdef NETDIAG_BY_COPIES
  if (!bpf_core_field_exists(inet->inet_flags)) return OptionBitsOf((void*)inet);
#endif
  // INET_FLAGS_*: RECVERR is 9, RECVERR_RFC4884 10, FREEBIND 11, and so on (include/net/
  // inet_sock.h, 6.6). An enum without a name cannot be found by CO-RE; the live test compares.
  const __u64 flags = inet->inet_flags;
#define BIT(from, to) ((__u32)(flags >> (from)&1) << (to))
  return BIT(9, 0) | BIT(16, 1) | BIT(11, 2) | BIT(12, 3) | BIT(13, 4) | BIT(15, 5) | BIT(14, 6) |
         BIT(17, 7) | BIT(18, 8) | BIT(10, 9) | BIT(19, 10);
#undef BIT
}

static __always_inline __u32 DropsOf(struct inet_sock* inet) {
  if (bpf_core_field_exists(inet->sk.sk_drop_counters)) {
    struct numa_drop_counters* counters = inet->sk.sk_drop_counters;
    if (counters != 0) {
      return (__u32)FOLLOW(counters, drops0.counter) + (__u32)FOLLOW(counters, drops1.counter);
    }
  }
  return (__u32)inet->sk.sk_drops.counter;
}

static __always_inline void PutMemory(struct inet_sock* inet) {
  if (q.ext & 1) {
    __u32* to = (__u32*)At(0);
    to[0] = 20 | 1 << 16;
    to[1] = (__u32)inet->sk.sk_backlog.rmem_alloc.counter;
    to[2] = (__u32)inet->sk.sk_wmem_queued;
    to[3] = (__u32)inet->sk.sk_forward_alloc;
    to[4] = (__u32)inet->sk.sk_wmem_alloc.refs.counter - 1;
    r.at += 20;
  }
  if (q.ext & 1 << 6) {
    __u32* to = (__u32*)At(0);
    to[0] = 40 | 7 << 16;
    to[1] = (__u32)inet->sk.sk_backlog.rmem_alloc.counter;
    to[2] = (__u32)inet->sk.sk_rcvbuf;
    to[3] = (__u32)inet->sk.sk_wmem_alloc.refs.counter - 1;
    to[4] = (__u32)inet->sk.sk_sndbuf;
    to[5] = (__u32)inet->sk.sk_forward_alloc;
    to[6] = (__u32)inet->sk.sk_wmem_queued;
    to[7] = (__u32)inet->sk.sk_omem_alloc.counter;
    to[8] = (__u32)inet->sk.sk_backlog.len;
    to[9] = DropsOf(inet);
    r.at += 40;
  }
}

static __always_inline void PutClass(struct inet_sock* inet) {
  __u32 class = 0;
  if (bpf_core_field_exists(inet->sk.sk_cgrp_data.classid)) class = inet->sk.sk_cgrp_data.classid;
  if (class == 0) class = inet->sk.sk_priority;
  Put(17, 4, class);
}

// Says whether a socket without a connection is for IPv6 only.
static __always_inline void PutV6Only(struct inet_sock* inet, __u32 state) {
  if (state != kListen && state != kClose) return;
  Put(11, 1, (__u32)BPF_CORE_READ_BITFIELD_PROBED(inet, sk.__sk_common.skc_ipv6only));
}

// The attributes that inet_diag_msg_attrs_fill() sends, in its order. The socket was fetched.
int PutAttributes(__u64 address, __u32 family, __u32 state) {
  struct inet_sock* inet = AS(inet_sock, address);
  if (q.depth < kTableAll) {
    if (family == AF_INET6) PutV6Only(inet, state);
    return 0;
  }
  Put(8, 1, inet->sk.sk_shutdown);
  if (q.ext & 1 << 4) Put(5, 1, inet->tos);
  if (family == AF_INET6) {
    if (q.ext & 1 << 5) {
      struct ipv6_pinfo* six = inet->pinet6;
      Put(6, 1, six == 0 ? 0 : FOLLOW(six, tclass));
    }
    PutV6Only(inet, state);
  }
  if (q.marks) Put(15, 4, inet->sk.sk_mark);
  if (q.ext & 1 << 5) PutClass(inet);
  if (bpf_core_field_exists(inet->sk.sk_cgrp_data.cgroup)) {
    struct cgroup* group = inet->sk.sk_cgrp_data.cgroup;
    struct kernfs_node* kn = group == 0 ? 0 : FOLLOW(group, kn);
    const __u64 id = kn == 0 ? 0 : FOLLOW(kn, id);
    __u32* to = (__u32*)At(0);
    to[0] = 12 | 21 << 16;
    to[1] = (__u32)id;
    to[2] = (__u32)(id >> 32);
    r.at += 12;
  }
  Put(22, 2, OptionsOf(inet));
  PutMemory(inet);
  return 0;
}

static __always_inline void PutCongestion(struct inet_connection_sock* icsk) {
  struct tcp_congestion_ops* ops = icsk->icsk_ca_ops;
  if (ops == 0) return;
  char* to = At(0);
  ((__u32*)to)[1] = ((__u32*)to)[2] = ((__u32*)to)[3] = ((__u32*)to)[4] = 0;  // the padding is 0
  const long length = bpf_probe_read_kernel_str(to + 4, 16, &ops->name);
  if (length <= 0) return;
  *(__u32*)to = (__u32)(length + 4) | 4 << 16;
  r.at += 4 + (((__u32)length + 3) & 28);
}

// Before 6.19, and without the change's backport to 6.12, the timer is that of struct sock.
static __always_inline struct timer_list* KeepaliveTimer(struct inet_connection_sock* icsk) {
  if (bpf_core_field_exists(icsk->icsk_keepalive_timer)) return &icsk->icsk_keepalive_timer;
  return &icsk->icsk_inet.sk.sk_timer;
}

static __always_inline void SetTimer(struct inet_connection_sock* icsk,
                                     struct InetDiagMessage* row) {
  enum { kRetransmit = 1, kProbe = 3, kLossProbe = 5, kReorder = 6 };
  const __u8 pending = icsk->icsk_pending;
  if (pending == kRetransmit || pending == kReorder || pending == kLossProbe || pending == kProbe) {
    struct inet_connection_sock___timeout* old = (struct inet_connection_sock___timeout*)icsk;
    __u64 expires = 0;
    if (bpf_core_field_exists(old->icsk_timeout)) {
      bpf_core_read(&expires, sizeof(expires), &old->icsk_timeout);
    } else {
      expires = icsk->icsk_retransmit_timer.expires;
    }
    row->timer = pending == kProbe ? 4 : 1;
    row->retransmits = pending == kProbe ? icsk->icsk_probes_out : icsk->icsk_retransmits;
    row->expires = Milliseconds(expires);
  } else if (KeepaliveTimer(icsk)->entry.pprev != 0) {
    row->timer = 2;
    row->retransmits = icsk->icsk_probes_out;
    row->expires = Milliseconds(KeepaliveTimer(icsk)->expires);
  }
}

int FillTcp(__u64 address, __u32 at) {
  struct InetDiagMessage* row = (struct InetDiagMessage*)InStage(at);
  FETCH(tcp_sock, address);
  struct tcp_sock* tcp = AS(tcp_sock, address);
  struct inet_connection_sock* icsk = &tcp->inet_conn;
  struct inet_sock* inet = &icsk->icsk_inet;
  SetInode(inet, row);
  if (row->state == kListen) {
    row->receive_queue = inet->sk.sk_ack_backlog;
    row->send_queue = inet->sk.sk_max_ack_backlog;
  } else {
    const __s32 waiting = (__s32)(tcp->rcv_nxt - tcp->copied_seq);
    row->receive_queue = waiting < 0 ? 0 : (__u32)waiting;
    row->send_queue = tcp->write_seq - tcp->snd_una;
  }
  SetTimer(icsk, row);
  PutAttributes(address, row->family, row->state);
  if (q.ext & 1 << 3) PutCongestion(icsk);
  return 0;
}

int FillUdp(__u64 address, __u32 at) {
  struct InetDiagMessage* row = (struct InetDiagMessage*)InStage(at);
  FETCH(udp_sock, address);
  struct udp_sock* udp = AS(udp_sock, address);
  struct inet_sock* inet = &udp->inet;
  SetInode(inet, row);
  row->receive_queue = (__u32)inet->sk.sk_backlog.rmem_alloc.counter - (__u32)udp->forward_deficit;
  row->send_queue = (__u32)inet->sk.sk_wmem_alloc.refs.counter - 1;
  PutAttributes(address, row->family, row->state);
  return 0;
}

static __always_inline void FillTimeWait(__u64 address, struct InetDiagMessage* row) {
  FETCH(inet_timewait_sock, address);
  struct inet_timewait_sock* wait = AS(inet_timewait_sock, address);
  row->timer = 3;
  row->expires = Milliseconds(wait->tw_timer.expires);
  if (q.marks) Put(15, 4, wait->tw_mark);
}

static __always_inline void FillRequest(__u64 address, struct InetDiagMessage* row) {
  FETCH(inet_request_sock, address);
  struct inet_request_sock* request = AS(inet_request_sock, address);
  row->timer = 1;
  row->retransmits = request->req.num_retrans;
  row->expires = Milliseconds(request->req.rsk_timer.expires);
  if (q.marks) Put(15, 4, request->ir_mark);
}

static __always_inline void CopyAddress(__u32* to, const struct timespec64* from) {
  const __u64 first = (__u64)from->tv_sec;
  const __u64 second = (__u64)from->tv_nsec;
  to[0] = (__u32)first;
  to[1] = (__u32)(first >> 32);
  to[2] = (__u32)second;
  to[3] = (__u32)(second >> 32);
}

// Writes the row of a socket, which was fetched as a sock_common, to `stage`. `state`: that of the
// object; `shown`: that of the row.
int Fill(__u64 address, __u32 state, __u32 shown, __u64 cookie) {
  struct sock_common* common = AS(sock_common, address);
  const __u32 start = r.at;
  struct InetDiagMessage* row = (struct InetDiagMessage*)At(0);
  __builtin_memset(row, 0, sizeof(*row));
  row->type = 20;  // SOCK_DIAG_BY_FAMILY
  row->flags = 2;  // NLM_F_MULTI
  row->port_id = r.other_net;
  row->family = (__u8)common->skc_family;
  row->state = (__u8)shown;
  row->local_port = __builtin_bswap16(common->skc_num);
  row->remote_port = common->skc_dport;
  row->interface = (__u32)common->skc_bound_dev_if;
  row->cookie[0] = (__u32)cookie;
  row->cookie[1] = (__u32)(cookie >> 32);
  if (row->family == AF_INET6 && bpf_core_field_exists(common->skc_v6_daddr)) {
    CopyAddress(row->local, BEGINS(common, skc_v6_rcv_saddr));
    CopyAddress(row->remote, BEGINS(common, skc_v6_daddr));
  } else {
    row->local[0] = common->skc_rcv_saddr;
    row->remote[0] = common->skc_daddr;
  }
  r.at += kMessageSize;
  if (q.depth == kTableEnds) {
    row->length = kMessageSize;
    return 0;
  }
  if (r.table == kTableUdp) {
    FillUdp(address, start);
  } else if (state == kTimeWait) {
    FillTimeWait(address, row);
  } else if (state == kNewSynReceived) {
    FillRequest(address, row);
  } else {
    FillTcp(address, start);
  }
  row->length = r.at - start;
  return 0;
}

#endif  // NETDIAG_BPF_KERNEL_TABLE_ROWS_H_
