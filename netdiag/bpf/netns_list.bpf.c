// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Lists the live network namespaces of the kernel, by their inodes. The result is declared in
// netns_list_format.h.
//
// The kernel links all namespaces into one circular list. The program enters it at the reader's
// namespace and follows it until it is there again. The list has one node that is no namespace: its
// head. Every network namespace has the same `ns.ops`, which the head cannot have, so the head
// needs no symbol. (Many kernels have no symbols of variables.)
//
// The program does all its work in its first call, under RCU, so no namespace is freed meanwhile. A
// namespace that leaves the list still points to the next one. The iterator over maps is used
// because every kernel has it, and because it has little to iterate over.
//
// The steps are nested in functions, because the kernel verifies every turn of a loop, but a global
// function once for all its calls. (bpf_loop() exists from 5.17 on only.)
//
// Source: net/core/net_namespace.c (setup_net, cleanup_net), include/net/net_namespace.h
// (for_each_net_rcu, check_net), kernel/bpf/map_iter.c. Tested by tests/live/netns_list_test.cc.

#include "netdiag/bpf/netns_list_format.h"
#include "netdiag/bpf/program.h"

// The used fields of the kernel's structs, which CO-RE finds by name.
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head {
  struct list_head* next;
};

// refcount_t
struct count {
  int value;
};

struct ns_common {
  const void* ops;
  unsigned int inum;
  struct count count;
};

struct net {
  struct list_head list;
  struct ns_common ns;
};

// The place of the count before 5.11.
struct net___old {
  struct count count;
};

// Its name from 6.18 on.
struct ns_common___new {
  struct count __ns_ref;
};

struct net___new {
  struct ns_common___new ns;
};

struct nsproxy {
  struct net* net_ns;
};

struct task_struct {
  struct nsproxy* nsproxy;
};

#pragma clang attribute pop

// The context of the iterator: the same in all kernels.
struct seq_file;
struct bpf_map;

struct bpf_iter_meta {
  struct seq_file* seq;
  __u64 session_id;
  __u64 seq_num;
};

struct bpf_iter__bpf_map {
  struct bpf_iter_meta* meta;
  struct bpf_map* map;
};

enum { kSteps = 16, kGroups = 32, kSections = 2 * kNetnsListMax / kSteps / kGroups };

struct NetnsListPass pass;

// False: no process and no socket uses the namespace any more, and the kernel is taking it down.
static __always_inline int IsLive(struct net* net) {
  struct net___old* old = (struct net___old*)net;
  struct net___new* new = (struct net___new*)net;
  int count = 1;
  if (bpf_core_field_exists(new->ns.__ns_ref)) {
    bpf_probe_read_kernel(&count, sizeof(count), &new->ns.__ns_ref);
  } else if (bpf_core_field_exists(net->ns.count)) {
    bpf_probe_read_kernel(&count, sizeof(count), &net->ns.count);
  } else if (bpf_core_field_exists(old->count)) {
    bpf_probe_read_kernel(&count, sizeof(count), &old->count);
  }
  return count != 0;
}

static __always_inline void Add(__u32 inode) {
  __u32 at = pass.count;
  // Keeps the compiler from dropping the mask, which the verifier needs.
  barrier_var(at);
  pass.inodes[at & (kNetnsListMax - 1)] = inode;
  pass.count = at + 1;
}

// Visits one node. Returns 1 at the end; then pass.state says how it ended.
static __always_inline int Step(void) {
  struct net* net = 0;
  net = (struct net*)(pass.node - bpf_core_field_offset(net->list));
  __u64 next = 0;
  if (bpf_probe_read_kernel(&next, sizeof(next), &net->list.next) != 0) {
    pass.state = kNetnsListTorn;
    return 1;
  }
  if ((__u64)BPF_CORE_READ(net, ns.ops) != pass.ops) {
    pass.heads += 1;
  } else if (IsLive(net)) {
    if (pass.count >= kNetnsListMax) {
      pass.state = kNetnsListFull;
      return 1;
    }
    Add(BPF_CORE_READ(net, ns.inum));
  }
  pass.node = next;
  if (next != pass.start) return 0;
  pass.state = pass.heads == 1 ? kNetnsListWhole : kNetnsListTorn;
  return 1;
}

__attribute__((noinline)) int StepGroup(void) {
  for (int i = 0; i < kSteps; ++i) {
    if (Step()) return 1;
  }
  return 0;
}

__attribute__((noinline)) int StepSection(void) {
  for (int i = 0; i < kGroups; ++i) {
    if (StepGroup()) return 1;
  }
  return 0;
}

SEC("iter/bpf_map")
int ListNetns(struct bpf_iter__bpf_map* ctx) {
  if (ctx->meta->seq_num != 0) return 0;
  struct task_struct* reader = (struct task_struct*)bpf_get_current_task();
  struct net* own = BPF_CORE_READ(reader, nsproxy, net_ns);
  pass.count = 0;
  pass.state = kNetnsListFull;
  pass.node = pass.start = (__u64)&own->list;
  pass.ops = (__u64)BPF_CORE_READ(own, ns.ops);
  pass.heads = 0;
  for (int i = 0; i < kSections; ++i) {
    if (StepSection()) break;
  }
  return 0;
}
