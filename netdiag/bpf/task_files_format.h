// netdiag/bpf/task_files_format.h — Internal. What task_files.bpf.c and its reader tell each other.
// Plain C, for both. Host byte order, no gaps.

#ifndef NETDIAG_BPF_TASK_FILES_FORMAT_H_
#define NETDIAG_BPF_TASK_FILES_FORMAT_H_

enum {
  kCommandSize = 16,
  kChunk = 32,   // descriptors that are read together
  kChunks = 64,  // of one read
  kDescriptorsARead = kChunk * kChunks,
  kTasksARead = kChunks,  // a task has at least one chunk
  kMaxChunks = 1 << 22,   // of one table, some of them again and again
  kListenerBits = 1 << 13,
};

// A task that holds sockets.
struct TaskRecord {
  unsigned int first;       // index of its first socket; it has those up to the next task's
  unsigned int is_rest;     // 1: the read before has a record of it, too
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

// Where a pass is. The reader sets all to 0 before it.
struct Place {
  unsigned long long started;  // with tid: the task in whose table the last read ended
  int tid;                     // 0: none
  unsigned int fd;             // the first one to read
  unsigned int has_record;     // 1: that table has had a record
  unsigned int has_begun;
};

// What one read gives. The reader sets the numbers to 0 before it.
struct TaskFilesOutput {
  struct Place place;
  unsigned int tasks;
  unsigned int sockets;
  unsigned int chunks;  // read, empty ones too
  unsigned int reserved;
  struct TaskRecord task[kTasksARead];
  struct SocketRecord socket[kDescriptorsARead];
};

#endif  // NETDIAG_BPF_TASK_FILES_FORMAT_H_
