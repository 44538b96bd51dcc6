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

#endif  // NETDIAG_BPF_CENSUS_H_
