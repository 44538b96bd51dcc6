// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Lists the sockets of the wanted namespaces in the kernel's hash table of TCP connections, in one
// pass for all of them. The table contains every TCP socket except LISTEN and bound ones, including
// TIME_WAIT, SYN_RECV, orphans and connections not yet accepted. The kernel's own iter/tcp makes
// one pass per namespace, as a dump does. The output is declared in tcp_table_format.h.
//
// The program is an iterator over an array that serves as a counter: it runs once per element,
// under RCU, and reads one part of the table. It copies the bucket heads of the part into `heads`,
// then follows their chains. It takes no locks. Sockets are freed by RCU (SLAB_TYPESAFE_BY_RCU), so
// the memory of a socket that is being replaced still contains a socket, and every read is a copy
// that can fail. If the end of a chain names another bucket, a socket has moved there during the
// read, and the chain is read again.
//
// bpf_loop() (5.17) keeps the load cheap: the verifier follows every iteration of a loop in the
// program, which takes 200 ms.
//
// Source: include/net/inet_hashtables.h, include/linux/list_nulls.h, net/ipv4/inet_hashtables.c
// (inet_ehash_insert, __inet_lookup_established), kernel/bpf/map_iter.c. Tested by
// tests/live/netns_live_test.cc.

#include "netdiag/bpf/program.h"
#include "netdiag/bpf/tcp_table_format.h"

#define AF_INET6 10
#define BPF_MAP_TYPE_HASH 1
#define BPF_MAP_TYPE_ARRAY 2

// The used fields of the kernel's structs, which CO-RE finds by name.
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
  unsigned int inum;
};

struct inet_ehash_bucket;

struct inet_hashinfo {
  struct inet_ehash_bucket* ehash;
  unsigned int ehash_mask;
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

// The layout of 5.19 and 6.0.
struct netns_ipv4___pointer {
  struct inet_timewait_death_row* tcp_death_row;
};

struct net___pointer {
  struct netns_ipv4___pointer ipv4;
};

typedef struct {
  struct net* net;
} possible_net_t;

struct hlist_nulls_node {
  struct hlist_nulls_node* next;
};

struct in6_addr {
  char any;
};

struct sock_common {
  __be32 skc_daddr;
  __be32 skc_rcv_saddr;
  __be16 skc_dport;
  __u16 skc_num;
  unsigned short skc_family;
  volatile unsigned char skc_state;
  int skc_bound_dev_if;
  possible_net_t skc_net;
  struct in6_addr skc_v6_daddr;
  struct in6_addr skc_v6_rcv_saddr;
  struct hlist_nulls_node skc_nulls_node;
};

struct nsproxy {
  struct net* net_ns;
};

struct task_struct {
  struct nsproxy* nsproxy;
};

struct seq_file;

struct bpf_iter_meta {
  struct seq_file* seq;
};

struct bpf_map;

struct bpf_iter__bpf_map_elem {
  struct bpf_iter_meta* meta;
  struct bpf_map* map;
  void* key;
  void* value;
};

#pragma clang attribute pop

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, kTcpParts);
  __type(key, __u32);
  __type(value, __u32);
} parts SEC(".maps");

// Inodes of namespaces.
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, kTcpMaxWanted);
  __type(key, __u32);
  __type(value, __u32);
} wanted SEC(".maps");

struct Position {
  __u64 node;    // the next node; odd: the end of a chain
  __u64 net;     // the namespace of the last socket
  __u32 netns;   // its inode, or 0 if it is not wanted
  __u32 bucket;  // the index in `heads` of the next bucket
};

struct Position position;
__u64 heads[kTcpMaxBuckets];

static __always_inline struct inet_hashinfo* HashInfo(void) {
  struct task_struct* reader = (struct task_struct*)bpf_get_current_task();
  struct net* net = BPF_CORE_READ(reader, nsproxy, net_ns);
  if (bpf_core_field_exists(net->ipv4.tcp_death_row)) {
    return BPF_CORE_READ(net, ipv4.tcp_death_row.hashinfo);
  }
  struct net___pointer* other = (struct net___pointer*)net;
  return BPF_CORE_READ(other, ipv4.tcp_death_row, hashinfo);
}

// True if the socket belongs to a wanted namespace; then position.netns is its inode.
static __always_inline int IsWanted(struct sock_common* socket) {
  struct net* net = BPF_CORE_READ(socket, skc_net.net);
  if ((__u64)net != position.net) {
    __u32 inode = BPF_CORE_READ(net, ns.inum);
    position.net = (__u64)net;
    position.netns = bpf_map_lookup_elem(&wanted, &inode) != 0 ? inode : 0;
  }
  return position.netns != 0;
}

static __always_inline int Write(struct seq_file* seq, struct sock_common* socket) {
  struct TcpRecord record = {};
  record.netns = position.netns;
  record.family = BPF_CORE_READ(socket, skc_family);
  record.state = BPF_CORE_READ(socket, skc_state);
  record.local_port = BPF_CORE_READ(socket, skc_num);
  record.remote_port = BPF_CORE_READ(socket, skc_dport);
  record.interface = (__u32)BPF_CORE_READ(socket, skc_bound_dev_if);
  if (record.family == AF_INET6 && bpf_core_field_exists(socket->skc_v6_daddr)) {
    bpf_probe_read_kernel(record.local, 16, &socket->skc_v6_rcv_saddr);
    bpf_probe_read_kernel(record.remote, 16, &socket->skc_v6_daddr);
  } else {
    bpf_probe_read_kernel(record.local, 4, &socket->skc_rcv_saddr);
    bpf_probe_read_kernel(record.remote, 4, &socket->skc_daddr);
  }
  return bpf_seq_write(seq, &record, sizeof(record)) == 0;
}

// The part of the table that one call reads.
struct Part {
  struct seq_file* seq;
  char* table;
  __u64 first;  // the first bucket
  __u64 count;  // the number of buckets
  int unread;   // 1 if something could not be read
};

enum { kGoOn = 0, kStop = 1 };

// Goes to the next bucket, at the end of a chain or at the start of the part.
static __always_inline long NextBucket(struct Part* part, __u64 node) {
  __u32 bucket = position.bucket;
  // The end of a chain names its bucket. If it names another one, read the chain again.
  if (bucket > 0 && (node >> 1) != part->first + bucket - 1) {
    bpf_probe_read_kernel(&position.node, sizeof(position.node),
                          part->table + (part->first + bucket - 1) * sizeof(__u64));
    return kGoOn;
  }
  if (bucket >= part->count) return kStop;
  position.node = heads[bucket & (kTcpMaxBuckets - 1)];
  position.bucket = bucket + 1;
  return kGoOn;
}

static long Step(__u64 index, struct Part* part) {
  __u64 node = position.node;
  if (index == kTcpStepsOfAPart - 1) part->unread = 1;
  if (node & 1) return NextBucket(part, node);
  struct sock_common* socket = 0;
  socket = (struct sock_common*)(node - bpf_core_field_offset(socket->skc_nulls_node));
  __u64 next = 0;
  if (bpf_probe_read_kernel(&next, sizeof(next), &socket->skc_nulls_node.next) != 0) {
    part->unread = 1;
    return kStop;
  }
  position.node = next;
  // If the record does not fit, the kernel drops the output of this call and repeats it.
  return IsWanted(socket) && !Write(part->seq, socket) ? kStop : kGoOn;
}

SEC("iter/bpf_map_elem")
int ListTcp(struct bpf_iter__bpf_map_elem* ctx) {
  __u32* key = ctx->key;
  if (key == 0) return 0;
  struct inet_hashinfo* info = HashInfo();
  __u64 buckets = (__u64)BPF_CORE_READ(info, ehash_mask) + 1;
  // Both are powers of two.
  __u64 count = (buckets + kTcpParts - 1) / kTcpParts;
  struct Part part = {.seq = ctx->meta->seq,
                      .table = (char*)BPF_CORE_READ(info, ehash),
                      .first = *key * count,
                      .count = count};
  if (part.first >= buckets) return 0;
  // Without this the compiler tests `buckets` below, from which the verifier learns nothing.
  barrier_var(count);
  if (count > kTcpMaxBuckets ||
      bpf_probe_read_kernel(heads, count * sizeof(__u64),
                            part.table + part.first * sizeof(__u64)) != 0) {
    part.unread = 1;
  } else {
    position = (struct Position){.node = 1};
    bpf_loop(kTcpStepsOfAPart, Step, &part, 0);
  }
  struct TcpRecord unread = {};
  if (part.unread) bpf_seq_write(part.seq, &unread, sizeof(unread));
  return 0;
}
