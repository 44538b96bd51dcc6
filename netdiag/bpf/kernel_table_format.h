// netdiag/bpf/kernel_table_format.h — Internal. What the reader and kernel_table.bpf.c tell each
// other. Plain C, for both.

#ifndef NETDIAG_BPF_KERNEL_TABLE_FORMAT_H_
#define NETDIAG_BPF_KERNEL_TABLE_FORMAT_H_

enum {
  kTableStage = 8192,           // bytes of rows that the program holds back
  kTableMaxRow = 512,           // more than the longest row has
  kTableFlag = 0x8000,          // nlmsg_flags: the row may come again, and an address follows it
  kTableAddressSize = 8,        // of that address, which is not part of the message
  kTableEndType = 0x7ffe,       // nlmsg_type of the last message, a struct KernelTableEnd
  kTableMaxNamespaces = 65536,  // that are searched for the wanted one
  kTableBesides = 4096,         // bits of KernelTableQuestion::besides
};

// Values of KernelTableQuestion::depth, which are netdiag's Depth.
enum { kTableEnds = 0, kTableBasic = 1, kTableAll = 2 };

// The kernel's hash tables; bits of KernelTableQuestion::tables.
enum { kTableListeners = 0, kTableConnections = 1, kTableUdp = 2, kTables = 3 };

// What is read. Written before the first call. A row has in nlmsg_pid the inode of its namespace,
// if that is another one than `netns`.
struct KernelTableQuestion {
  unsigned int netns;       // inode; whose table and rows are read
  unsigned int tables;      // bits
  unsigned int states;      // bits, as in a request for a dump
  unsigned short families;  // bit 0: IPv4; bit 1: IPv6
  unsigned short depth;     // how much of each socket
  unsigned int ext;         // bits, as in a request for a dump (idiag_ext)
  unsigned int marks;       // 1: rows have their mark
  unsigned int hz;          // jiffies in a second
  // 1: the user of a socket that has no inode any more is the last one (6.17)
  unsigned int keeps_uid;
  unsigned int part;           // that this program reads
  unsigned int parts;          // of the connections
  unsigned short local_port;   // host order; 0: any
  unsigned short remote_port;  // network order; 0: any
  unsigned int many;           // 0: nothing is read besides
  // Namespaces whose rows are read besides: a bit for each, by its inode. Two can have the same.
  unsigned long long besides[kTableBesides / 64];
};

// How a reading ended.
enum { kTableWhole = 0, kTableLacking = 1, kTableNoNetns = 2, kTableBroken = 3 };
struct KernelTableEnd {
  unsigned int outcome;
  unsigned int unsettled;  // chains that changed during every try
  unsigned int no_cookie;  // rows without one
  unsigned int retries;    // chains that were read again
};

#endif  // NETDIAG_BPF_KERNEL_TABLE_FORMAT_H_
