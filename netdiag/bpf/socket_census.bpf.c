// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// A census: counts every TCP, UDP or unix socket of a namespace by its cookie, each exactly once.
//
// The kernel's iterators take one bucket at a time: they collect all its sockets under its lock and
// show them to the program afterwards. An iterator can lose its place only if a read ends within a
// bucket. Therefore the program writes nothing to the reader: records go to an array, and one read
// covers the whole table. (Kernels from 6.16 for UDP and 6.17 for TCP find their place again by
// cookie. The census does not rely on that, and the iterator for unix sockets does not do it.)
//
// One case can still lose sockets. If a bucket has more sockets than the batch has room for (16 at
// first), the kernel releases the bucket while it allocates a larger batch. TCP's iterator of 6.17
// then continues at the first of those 16 sockets that still exists, and at the next bucket if all
// of them are gone. So the program must know that a batch that has grown belongs to the bucket for
// which it has grown. It does if the iterator was in the preceding bucket before, or if the batch
// has grown to 1.5 times the sockets of the bucket. Otherwise the pass is torn and is repeated.
//
// Only one of the programs is loaded at a time. Sockets that do not fit into the array are counted
// in `total`, so that the reader knows the size that it needs.
//
// Source: net/ipv4/tcp_ipv4.c (bpf_iter_tcp_batch, 5.15 and 6.18), net/ipv4/udp.c
// (bpf_iter_udp_batch, 6.5), net/unix/af_unix.c (bpf_iter_unix_batch, 5.15). The records are
// declared in socket_census_format.h. Tested by tests/live/exact_live_test.cc.

#include "netdiag/bpf/program.h"
#include "netdiag/bpf/socket_census_format.h"

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

struct CensusPass pass = {};

static __always_inline void Count(struct sock_common* socket, __u64 cookie, __u8 named) {
  __u32 at = pass.total;
  pass.total = at + 1;
  struct CensusRecord* record = bpf_map_lookup_elem(&records, &at);
  if (record == 0) return;
  record->cookie = cookie;
  record->family = socket->skc_family;
  record->state = socket->skc_state;
  record->named = named;
}

// Sets `torn` if the batch has grown and may belong to another bucket. `end`: no socket is left, so
// there is no batch.
static __always_inline void CheckBatch(struct seq_file* seq, int end) {
  struct bpf_tcp_iter_state* at = BPF_CORE_READ(seq, private);
  __u32 phase = BPF_CORE_READ(at, state.state);
  __u32 bucket = BPF_CORE_READ(at, state.bucket);
  __u32 room = BPF_CORE_READ(at, max_sk);
  if (room != pass.room) {
    int next = phase == pass.phase && bucket == pass.bucket + 1;
    __u32 sockets = BPF_CORE_READ(at, end_sk);
    if (end || (!next && sockets * 3 / 2 != room)) pass.torn = 1;
  }
  pass.phase = phase;
  pass.bucket = bucket;
  pass.room = room;
}

SEC("iter/tcp")
int CountTcp(struct bpf_iter__tcp* ctx) {
  struct sock_common* socket = ctx->sk_common;
  CheckBatch(ctx->meta->seq, socket == 0);
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
  // A socket that waits for accept() has no struct socket, and dumps do not show it.
  if (socket == 0 || socket->sk.sk_socket == 0) return 0;
  Count(&socket->sk.__sk_common, bpf_get_socket_cookie(&socket->sk), socket->addr != 0);
  return 0;
}
