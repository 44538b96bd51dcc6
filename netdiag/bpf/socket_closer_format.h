// netdiag/bpf/socket_closer_format.h — Internal. What socket_closer.bpf.c is told and what it
// answers. Plain C, for the program and its reader.

#ifndef NETDIAG_BPF_SOCKET_CLOSER_FORMAT_H_
#define NETDIAG_BPF_SOCKET_CLOSER_FORMAT_H_

// The value of a cookie in the map of sockets to close. Zeros at first.
struct CloserRecord {
  unsigned int visited;  // 1 if the program met the socket
  int error;             // then: 0, or a negative errno
};

#endif  // NETDIAG_BPF_SOCKET_CLOSER_FORMAT_H_
