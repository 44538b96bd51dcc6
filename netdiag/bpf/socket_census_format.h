// netdiag/bpf/socket_census_format.h — Internal. What socket_census.bpf.c writes. Plain C, for the
// program and its reader.

#ifndef NETDIAG_BPF_SOCKET_CENSUS_FORMAT_H_
#define NETDIAG_BPF_SOCKET_CENSUS_FORMAT_H_

// One socket of the namespace. 16 bytes, no gaps.
struct CensusRecord {
  unsigned long long cookie;
  unsigned short family;  // AF_
  unsigned char state;    // from struct sock: 12 for NEW_SYN_RECV
  unsigned char named;    // unix: the socket has an address
  unsigned int unused;
};

// The result and the position of a pass: the one variable of the program.
struct CensusPass {
  unsigned int total;  // the number of sockets, including those that the array had no room for
  unsigned int torn;   // 1 if sockets may be missing
  // State of TCP's iterator at the last socket.
  unsigned int phase;
  unsigned int bucket;
  unsigned int room;  // size of its batch
};

#endif  // NETDIAG_BPF_SOCKET_CENSUS_FORMAT_H_
