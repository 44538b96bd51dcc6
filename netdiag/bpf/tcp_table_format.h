// netdiag/bpf/tcp_table_format.h — Internal. What tcp_table.bpf.c writes. Plain C, for the program
// and its reader.

#ifndef NETDIAG_BPF_TCP_TABLE_FORMAT_H_
#define NETDIAG_BPF_TCP_TABLE_FORMAT_H_

enum {
  kTcpParts = 8192,          // the number of parts of the table; one call reads one part
  kTcpMaxBuckets = 64,       // the most buckets in a part
  kTcpStepsOfAPart = 65536,  // the most buckets and sockets that one call reads
  kTcpMaxWanted = 4096,      // the most namespaces in one pass
};

// A socket of a wanted namespace, in the byte orders of the kernel's struct. 48 bytes, no gaps.
struct TcpRecord {
  unsigned int netns;          // inode; 0: a part could not be read to its end
  unsigned short family;       // AF_
  unsigned short state;        // from struct sock: 12 for NEW_SYN_RECV
  unsigned short local_port;   // host order
  unsigned short remote_port;  // network order
  unsigned int interface;      // that the socket is bound to
  unsigned char local[16];
  unsigned char remote[16];
};

#endif  // NETDIAG_BPF_TCP_TABLE_FORMAT_H_
