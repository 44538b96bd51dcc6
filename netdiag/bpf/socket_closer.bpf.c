// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Closes the sockets of a namespace whose cookies are in a map, and no others. SOCK_DESTROY finds a
// socket by its name, so it cannot reach every socket of a group that shares a name. This program
// meets each socket of a table and compares its cookie.
//
// It reads cookies from the kernel's struct and gives none out. A socket whose cookie was never
// asked for has the cookie 0, which is not in the map. Sockets in TIME_WAIT and requests for
// connections are left to SOCK_DESTROY: they are smaller than a struct sock, and no two of them
// share a name.
//
// Only one of the programs is loaded at a time. bpf_sock_destroy() is a kernel function that the
// kernel resolves by its name when the program is loaded. A kernel without it refuses the program.
//
// Source: net/core/filter.c (bpf_sock_destroy, 6.5), net/ipv4/tcp_ipv4.c, net/ipv4/udp.c. The
// records are declared in socket_closer_format.h. Tested by tests/live/destroy_live_test.cc.

#include "netdiag/bpf/program.h"
#include "netdiag/bpf/socket_closer_format.h"

#define BPF_MAP_TYPE_HASH 1

#define TCP_TIME_WAIT 6
#define TCP_NEW_SYN_RECV 12

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
  __s64 counter;
} atomic64_t;

struct sock_common {
  volatile unsigned char skc_state;
  atomic64_t skc_cookie;
};

struct udp_sock;

struct bpf_iter__tcp {
  struct sock_common* sk_common;
};

struct bpf_iter__udp {
  struct udp_sock* udp_sk;
};

#pragma clang attribute pop

extern int bpf_sock_destroy(struct sock_common* socket) __ksym;

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1);  // set before the load
  __type(key, __u64);
  __type(value, struct CloserRecord);
} wanted SEC(".maps");

static __always_inline void CloseIfWanted(struct sock_common* socket) {
  __u64 cookie = (__u64)socket->skc_cookie.counter;
  struct CloserRecord* record = bpf_map_lookup_elem(&wanted, &cookie);
  // A socket of UDP stays in its table after it was closed, and another pass meets it again.
  if (record == 0 || record->visited) return;
  record->visited = 1;
  record->error = bpf_sock_destroy(socket);
}

SEC("iter/tcp")
int CloseTcp(struct bpf_iter__tcp* ctx) {
  struct sock_common* socket = ctx->sk_common;
  if (socket == 0) return 0;
  if (socket->skc_state == TCP_TIME_WAIT || socket->skc_state == TCP_NEW_SYN_RECV) return 0;
  CloseIfWanted(socket);
  return 0;
}

SEC("iter/udp")
int CloseUdp(struct bpf_iter__udp* ctx) {
  struct sock_common* socket = (struct sock_common*)ctx->udp_sk;
  if (socket == 0) return 0;
  CloseIfWanted(socket);
  return 0;
}
