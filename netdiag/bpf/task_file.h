// netdiag/bpf/task_file.h — what task_file.bpf.c writes. Internal; plain C, for both sides.
//
// The stream is SocketRecords; before the first one of a task stands its TaskRecord. The first word
// tells them apart: kTaskRecord is no descriptor. Host byte order, no gaps.

#ifndef NETDIAG_BPF_TASK_FILE_H_
#define NETDIAG_BPF_TASK_FILE_H_

enum { kTaskRecord = -1, kCommandSize = 16 };

// Who the sockets that follow are held by. One write with the socket after it: 64 bytes.
struct TaskRecord {
  int tag;                  // kTaskRecord
  int pid;                  // of the process, as the reader's pid namespace numbers it
  int thread;               // 0, or the thread whose own descriptor table it is
  unsigned int start_low;   // of the process, in ns since boot by the reader's
  unsigned int start_high;  // time namespace
  unsigned int real_uid;    // of the process, as the first user namespace numbers users
  unsigned int effective_uid;
  unsigned int saved_uid;
  unsigned int filesystem_uid;
  char command[kCommandSize];  // of the process; ends with NUL
};

struct SocketRecord {
  int fd;
  unsigned int inode;
  unsigned int netns;  // inode of its network namespace; 0: not asked for, or it is being closed
};

#endif  // NETDIAG_BPF_TASK_FILE_H_
