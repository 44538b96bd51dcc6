// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// A census: counts every UDP or unix socket of a namespace by its cookie, each exactly once.
//
// The kernel's iterators take one bucket at a time: they collect all its sockets under its lock and
// show them to the program afterwards. An iterator can lose its place only if a read ends within a
// bucket. Therefore the program writes nothing to the reader: records go to an array, and one read
// covers the whole table. (Kernels from 6.16 find their place again by cookie for UDP. The census
// does not rely on that, and the iterator for unix sockets does not do it.)
//
// TCP's iterator is not used: it takes a reference to sockets that are just being made, and so can
// let the kernel free one that is in use (iterator.h, CheckTcpIterator()).
//
// Only one of the programs is loaded at a time. Sockets that do not fit into the array are counted
// in `total`, so that the reader knows the size that it needs.
//
// Source: net/ipv4/udp.c (bpf_iter_udp_batch, 6.5), net/unix/af_unix.c (bpf_iter_unix_batch, 5.15).
// The records are declared in socket_census_format.h. Tested by tests/live/exact_live_test.cc.

#include "netdiag/bpf/program.h"
#include "netdiag/bpf/socket_census_format.h"

#define BPF_MAP_TYPE_ARRAY 2
#define BPF_F_MMAPABLE (1U << 10)

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sock_common {
  unsigned short skc_family;
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

struct bpf_iter__udp {
  struct udp_sock* udp_sk;
};

struct bpf_iter__unix {
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

__u32 total = 0;  // sockets, including those that the array had no room for

static __always_inline void Count(struct sock_common* socket, __u64 cookie, __u16 named) {
  __u32 at = total;
  total = at + 1;
  struct CensusRecord* record = bpf_map_lookup_elem(&records, &at);
  if (record == 0) return;
  record->cookie = cookie;
  record->family = socket->skc_family;
  record->named = named;
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
