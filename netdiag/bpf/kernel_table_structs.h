// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// netdiag/bpf/kernel_table_structs.h — Internal. Part of kernel_table.bpf.c: the fields that it
// reads, and how.

#ifndef NETDIAG_BPF_KERNEL_TABLE_STRUCTS_H_
#define NETDIAG_BPF_KERNEL_TABLE_STRUCTS_H_

#include "netdiag/bpf/program.h"

// ---- The used fields of the kernel's structs, which CO-RE finds by name ----

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
  int counter;
} atomic_t;

typedef struct {
  __s64 counter;
} atomic64_t;

typedef struct {
  atomic_t refs;
} refcount_t;

struct hlist_node {
  struct hlist_node* next;
  struct hlist_node** pprev;
};

// Stands for any two words.
struct timespec64 {
  __s64 tv_sec;
  long tv_nsec;
};

struct list_head {
  struct list_head* next;
};

struct ns_common {
  const void* ops;
  unsigned int inum;
};

// The two tables have the same number of slots and follow each other. The head of the list comes
// first in a slot.
struct udp_table {
  void* hash;
  void* hash2;
  unsigned int mask;
};

struct hlist_nulls_head {
  void* first;
};

struct inet_listen_hashbucket {
  struct hlist_nulls_head nulls_head;
};

struct inet_listen_hashbucket___old {
  unsigned int count;
};

struct inet_ehash_bucket;

struct inet_hashinfo {
  struct inet_ehash_bucket* ehash;
  unsigned int ehash_mask;
  unsigned int lhash2_mask;
  struct inet_listen_hashbucket* lhash2;
};

struct inet_timewait_death_row {
  struct inet_hashinfo* hashinfo;
};

struct netns_ipv4 {
  struct inet_timewait_death_row tcp_death_row;
  struct udp_table* udp_table;
};

struct net {
  struct list_head list;
  __u32 hash_mix;
  struct ns_common ns;
  struct netns_ipv4 ipv4;
};

// In 5.19 and 6.0.
struct netns_ipv4___pointer {
  struct inet_timewait_death_row* tcp_death_row;
};

struct net___pointer {
  struct netns_ipv4___pointer ipv4;
};

typedef struct {
  struct net* net;
} possible_net_t;

struct in6_addr {};

struct sock_common {
  __be32 skc_daddr;
  __be32 skc_rcv_saddr;
  union {
    unsigned int skc_hash;
    __u16 skc_u16hashes[2];
  };
  __be16 skc_dport;
  __u16 skc_num;
  unsigned short skc_family;
  volatile unsigned char skc_state;
  unsigned char skc_ipv6only : 1;
  int skc_bound_dev_if;
  possible_net_t skc_net;
  struct in6_addr skc_v6_daddr;
  struct in6_addr skc_v6_rcv_saddr;
  atomic64_t skc_cookie;
  struct hlist_node skc_node;  // in a union with skc_nulls_node, which has the same fields
  refcount_t skc_refcnt;
};

struct timer_list {
  struct hlist_node entry;
  unsigned long expires;
};

struct kernfs_node {
  __u64 id;
};

struct cgroup {
  struct kernfs_node* kn;
};

struct sock_cgroup_data {
  struct cgroup* cgroup;
  __u32 classid;
};

typedef struct {
  __u32 val;
} kuid_t;

struct inode {
  kuid_t i_uid;
  unsigned long i_ino;
};

struct socket;

struct socket_alloc {
  struct inode vfs_inode;
};

struct numa_drop_counters {
  atomic_t drops0;
  atomic_t drops1;
};

struct sock {
  struct sock_common __sk_common;
  atomic_t sk_drops;
  struct {
    atomic_t rmem_alloc;
    int len;
  } sk_backlog;
  int sk_rcvbuf;
  struct socket* sk_socket;
  int sk_forward_alloc;
  atomic_t sk_omem_alloc;
  int sk_wmem_queued;
  refcount_t sk_wmem_alloc;
  struct timer_list sk_timer;
  __u32 sk_priority;
  __u32 sk_mark;
  kuid_t sk_uid;
  int sk_sndbuf;
  __u8 sk_shutdown;
  __u32 sk_ack_backlog;
  __u32 sk_max_ack_backlog;
  unsigned long sk_ino;
  struct sock_cgroup_data sk_cgrp_data;
  struct numa_drop_counters* sk_drop_counters;
};

struct ipv6_pinfo {
  __u8 tclass;
};

struct inet_sock {
  struct sock sk;
  struct ipv6_pinfo* pinet6;
  unsigned long inet_flags;
  __u8 tos;
};

// Before 6.6.
struct inet_sock___bits {
  __u8 recverr : 1;
  __u8 is_icsk : 1;
  __u8 freebind : 1;
  __u8 hdrincl : 1;
  __u8 mc_loop : 1;
  __u8 transparent : 1;
  __u8 mc_all : 1;
  __u8 nodefrag : 1;
  __u8 bind_address_no_port : 1;
  __u8 recverr_rfc4884 : 1;
  __u8 defer_connect : 1;
};

struct tcp_congestion_ops {
  char name[16];
};

struct inet_connection_sock {
  struct inet_sock icsk_inet;
  struct timer_list icsk_retransmit_timer;
  struct timer_list icsk_keepalive_timer;
  struct tcp_congestion_ops* icsk_ca_ops;
  __u8 icsk_retransmits;
  __u8 icsk_pending;
  __u8 icsk_probes_out;
};

// Before 6.14.
struct inet_connection_sock___timeout {
  unsigned long icsk_timeout;
};

struct tcp_sock {
  struct inet_connection_sock inet_conn;
  __u32 copied_seq;
  __u32 write_seq;
  __u32 rcv_nxt;
  __u32 snd_una;
};

struct udp_sock {
  struct inet_sock inet;
  int forward_deficit;
};

struct inet_timewait_sock {
  struct sock_common __tw_common;
  __u32 tw_mark;
  volatile unsigned char tw_substate;
  struct timer_list tw_timer;
};

struct request_sock {
  struct sock_common __req_common;
  __u8 num_retrans;
  struct timer_list rsk_timer;
};

struct inet_request_sock {
  struct request_sock req;
  __u32 ir_mark;
};

struct nsproxy {
  struct net* net_ns;
};

struct task_struct {
  struct nsproxy* nsproxy;
};

struct seq_file {
  unsigned long size;
  unsigned long count;
};

#pragma clang attribute pop

// The context of the iterator: the same in all kernels.
struct bpf_iter_meta {
  struct seq_file* seq;
  __u64 session_id;
  __u64 seq_num;
};

struct bpf_iter__task {
  struct bpf_iter_meta* meta;
  struct task_struct* task;
};

// ---- Reading the kernel's memory ----
//
// FETCH(name, address)          before AS(): takes the struct
// AS(name, address)             the struct that FETCH() took
// BEGINS(object, field)         the first two words of one of its fields
// AGAIN(object, address, field) the present value of a field
// WORD(object, address, field)  the present value of a pointer, as a number
// FOLLOW(pointer, field)        a field of the struct that a pointer leads to

#ifdef NETDIAG_BY_COPIES

// The struct that was fetched last. A fault gives zeros.
char object[4096];

#define FETCH(name, address)                                                            \
  bpf_probe_read_kernel(object, bpf_core_type_size(struct name) & (sizeof(object) - 1), \
                        (const void*)(unsigned long)(address))
#define AS(name, address) ((void)(address), (struct name*)object)
#define BEGINS(object, field) ((struct timespec64*)&(object)->field)
// BPF_CORE_READ() takes each field in its argument for one of the kernel's.
#define AGAIN(object, address, field)                               \
  ({                                                                \
    const typeof(*(object))* now = (void*)(unsigned long)(address); \
    BPF_CORE_READ(now, field);                                      \
  })
#define WORD(object, address, field) ((__u64)AGAIN(object, address, field))
#define FOLLOW(pointer, field) BPF_CORE_READ(pointer, field)

#else

extern void* bpf_rdonly_cast(const void* object, __u32 type) __ksym;

// Fields are read by plain loads, each as it is then. A fault gives 0.
#define FETCH(name, address) ((void)0)
#define AS(name, address)                                               \
  ((struct name*)bpf_rdonly_cast((const void*)(unsigned long)(address), \
                                 bpf_core_type_id_kernel(struct name)))
#define BEGINS(object, field) AS(timespec64, &(object)->field)
#define AGAIN(object, address, field) ((void)(address), (object)->field)
// The verifier does not let a program compute with a pointer of a known type, so this reads it
// through a struct that begins with a number.
#define WORD(object, address, field) ((__u64)BEGINS(object, field)->tv_sec)
#define FOLLOW(pointer, field) ((pointer)->field)

#endif

// Keeps the compiler from taking a value that it has read before.
#define READ_AGAIN() asm volatile("" ::: "memory")

#define AF_INET 2
#define AF_INET6 10

enum {
  kEstablished = 1,
  kSynReceived = 3,
  kTimeWait = 6,
  kClose = 7,
  kListen = 10,
  kNewSynReceived = 12,
};

#endif  // NETDIAG_BPF_KERNEL_TABLE_STRUCTS_H_
