// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// A census: the cookie of every TCP, UDP or unix socket of a namespace, each once. The kernel takes
// a bucket at a time under its lock, all its sockets at once, and shows them afterwards. What could
// make it forget where it was is a read that ends in mid-bucket; so nothing is written to the
// reader: records go to an array, and one read walks the whole table. (Kernels of 6.16 for UDP and
// 6.17 for TCP find their place again by cookie; this does not depend on it, and unix has no such
// thing.)
//
// One thing can go wrong. A bucket of more sockets than the batch has room for (16 at first) is let
// go of while a larger batch is made, and TCP's iterator of 6.17 goes on from the first of those 16
// that is still there: from the next bucket if all have gone. So a batch that has grown must be
// that of the bucket it has grown for. It is, if no other bucket can have come between; or if it
// grew to half as much again as the bucket has. Else the walk is torn, and is taken again.
//
// Each program is loaded alone. What does not fit into the array is counted in `total`, so that the
// reader knows how long it should have been.
//
// Source: net/ipv4/tcp_ipv4.c (bpf_iter_tcp_batch, 5.15 and 6.18), net/ipv4/udp.c
// (bpf_iter_udp_batch, 6.5), net/unix/af_unix.c (bpf_iter_unix_batch, 5.15). The form of the records
// is census.h. Tested by tests/live/exact_live_test.cc.

#include "netdiag/bpf/program.h"

#include "netdiag/bpf/census.h"

#define BPF_MAP_TYPE_ARRAY 2
#define BPF_F_MMAPABLE (1U << 10)

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sock_common {
  unsigned short skc_family;
  volatile unsigned char skc_state;
};

struct socket;

struct sock {
  struct sock_common __sk_common;
  struct socket* sk_socket;
};

struct udp_sock;

struct unix_address;

struct unix_sock {
  struct sock sk;
  struct unix_address* addr;
};

struct seq_file {
  void* private;
};

enum tcp_seq_states { TCP_SEQ_STATE_LISTENING };

struct tcp_iter_state {
  enum tcp_seq_states state;
  int bucket;
};

struct bpf_tcp_iter_state {
  struct tcp_iter_state state;
  unsigned int end_sk;
  unsigned int max_sk;
};

struct bpf_iter_meta {
  struct seq_file* seq;
};

struct bpf_iter__tcp {
  struct bpf_iter_meta* meta;
  struct sock_common* sk_common;
};

struct bpf_iter__udp {
  struct bpf_iter_meta* meta;
  struct udp_sock* udp_sk;
};

struct bpf_iter__unix {
  struct bpf_iter_meta* meta;
  struct unix_sock* unix_sk;
};

#pragma clang attribute pop

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);  // set before the load
  __type(key, __u32);
  __type(value, struct CensusRecord);
} records SEC(".maps");

struct CensusWalk walk = {};

static __always_inline void Count(struct sock_common* socket, __u64 cookie, __u8 named) {
  __u32 at = walk.total;
  walk.total = at + 1;
  struct CensusRecord* record = bpf_map_lookup_elem(&records, &at);
  if (record == 0) return;
  record->cookie = cookie;
  record->family = socket->skc_family;
  record->state = socket->skc_state;
  record->named = named;
}

// `end`: nothing is left, and no batch is there.
static __always_inline void Watch(struct seq_file* seq, int end) {
  struct bpf_tcp_iter_state* at = BPF_CORE_READ(seq, private);
  __u32 phase = BPF_CORE_READ(at, state.state);
  __u32 bucket = BPF_CORE_READ(at, state.bucket);
  __u32 room = BPF_CORE_READ(at, max_sk);
  if (room != walk.room) {
    int next = phase == walk.phase && bucket == walk.bucket + 1;
    __u32 sockets = BPF_CORE_READ(at, end_sk);
    if (end || (!next && sockets * 3 / 2 != room)) walk.torn = 1;
  }
  walk.phase = phase;
  walk.bucket = bucket;
  walk.room = room;
}

SEC("iter/tcp")
int CountTcp(struct bpf_iter__tcp* ctx) {
  struct sock_common* socket = ctx->sk_common;
  Watch(ctx->meta->seq, socket == 0);
  if (socket == 0) return 0;
  Count(socket, bpf_get_socket_cookie(socket), 0);
  return 0;
}

SEC("iter/udp")
int CountUdp(struct bpf_iter__udp* ctx) {
  struct sock_common* socket = (struct sock_common*)ctx->udp_sk;
  if (socket == 0) return 0;
  Count(socket, bpf_get_socket_cookie(socket), 0);
  return 0;
}

SEC("iter/unix")
int CountUnix(struct bpf_iter__unix* ctx) {
  struct unix_sock* socket = ctx->unix_sk;
  // One that waits for accept() belongs to no file, and no dump shows it.
  if (socket == 0 || socket->sk.sk_socket == 0) return 0;
  Count(&socket->sk.__sk_common, bpf_get_socket_cookie(&socket->sk), socket->addr != 0);
  return 0;
}
