// netdiag/bpf/socket_census_format.h — Internal. What socket_census.bpf.c writes. Plain C, for the
// program and its reader.

#ifndef NETDIAG_BPF_SOCKET_CENSUS_FORMAT_H_
#define NETDIAG_BPF_SOCKET_CENSUS_FORMAT_H_

// One socket of the namespace. 16 bytes, no gaps.
struct CensusRecord {
  unsigned long long cookie;
  unsigned short family;  // AF_
  unsigned short named;   // unix: 1 if the socket has an address
  unsigned int unused;
};

#endif  // NETDIAG_BPF_SOCKET_CENSUS_FORMAT_H_
