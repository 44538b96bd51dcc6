// netdiag/bpf/census.h — what census.bpf.c writes. Internal; plain C, for both sides.

#ifndef NETDIAG_BPF_CENSUS_H_
#define NETDIAG_BPF_CENSUS_H_

// A socket of the namespace. 16 bytes, no gaps.
struct CensusRecord {
  unsigned long long cookie;
  unsigned short family;  // AF_
  unsigned char state;    // of struct sock: 12 for NEW_SYN_RECV
  unsigned char named;    // unix: it has an address
  unsigned int unused;
};

// What a walk counted, and where it stands: the program's one variable.
struct CensusWalk {
  unsigned int total;  // sockets, whether there was room for them or not
  unsigned int torn;   // sockets may be missing
  // Of TCP's iterator.
  unsigned int phase;
  unsigned int bucket;
  unsigned int room;  // of its batch
};

#endif  // NETDIAG_BPF_CENSUS_H_
