// netdiag/bpf/netns_list_format.h — Internal. What netns_list.bpf.c writes. Plain C, for the
// program and its reader.

#ifndef NETDIAG_BPF_NETNS_LIST_FORMAT_H_
#define NETDIAG_BPF_NETNS_LIST_FORMAT_H_

// A power of two.
enum { kNetnsListMax = 4096 };

enum {
  kNetnsListNotRun,
  kNetnsListWhole,
  kNetnsListFull,  // there are more namespaces
  kNetnsListTorn,  // the list could not be followed to its end
};

// The result of a pass and its position: the one variable of the program.
struct NetnsListPass {
  unsigned int state;
  unsigned int count;
  unsigned int inodes[kNetnsListMax];
  unsigned long long node;   // the node to visit
  unsigned long long start;  // the first node
  unsigned long long ops;    // of every network namespace
  unsigned int heads;        // visited nodes that are no namespace
  unsigned int unused;
};

#endif  // NETDIAG_BPF_NETNS_LIST_FORMAT_H_
