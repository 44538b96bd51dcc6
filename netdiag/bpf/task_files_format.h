// netdiag/bpf/task_files_format.h — Internal. What task_files.bpf.c writes. Plain C, for the
// program and its reader.
//
// The output is a stream of SocketRecords. A TaskRecord precedes the first SocketRecord of a task.
// The first word tells them apart, because kTaskRecord is not a descriptor. Host byte order, no
// gaps.

#ifndef NETDIAG_BPF_TASK_FILES_FORMAT_H_
#define NETDIAG_BPF_TASK_FILES_FORMAT_H_

enum { kTaskRecord = -1, kCommandSize = 16 };

// The task that holds the sockets after it. Written together with the first of them: 64 bytes.
struct TaskRecord {
  int tag;                  // kTaskRecord
  int pid;                  // the process, in the reader's pid namespace
  int thread;               // 0, or the thread that has a descriptor table of its own
  unsigned int start_low;   // start of the process in ns since boot, in the reader's time
  unsigned int start_high;  // namespace: low and high half
  unsigned int real_uid;    // users of the process, in the first user namespace
  unsigned int effective_uid;
  unsigned int saved_uid;
  unsigned int filesystem_uid;
  char command[kCommandSize];  // of the process; NUL-terminated
};

struct SocketRecord {
  int fd;
  unsigned int inode;
  unsigned int netns;  // inode of its network namespace; 0: not requested, or the socket is closing
};

#endif  // NETDIAG_BPF_TASK_FILES_FORMAT_H_
