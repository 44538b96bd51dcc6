// netdiag/bpf/tcp_hash.h — what tcp_hash.bpf.c writes. Internal; plain C, for both sides.

#ifndef NETDIAG_BPF_TCP_HASH_H_
#define NETDIAG_BPF_TCP_HASH_H_

enum {
  kTcpParts = 8192,          // that the table is read in
  kTcpMaxBuckets = 64,       // of a part
  kTcpStepsOfAPart = 65536,  // over its buckets and sockets
  kTcpMaxWanted = 4096,      // namespaces
};

// A socket of a wanted namespace; its owner's byte orders. 48 bytes, no gaps.
struct TcpRecord {
  unsigned int netns;          // inode; 0: a part was not read to its end
  unsigned short family;       // AF_
  unsigned short state;        // of struct sock: 12 for NEW_SYN_RECV
  unsigned short local_port;   // host order
  unsigned short remote_port;  // network order
  unsigned int interface;      // that it is bound to
  unsigned char local[16];
  unsigned char remote[16];
};

#endif  // NETDIAG_BPF_TCP_HASH_H_
