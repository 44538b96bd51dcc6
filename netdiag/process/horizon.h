// netdiag/process/horizon.h — Internal. What a scan cannot see, whatever it reads.
//
// Cost: three system calls. Threads: values. Source: fs/proc/root.c (hidepid), include/uapi/linux/
// nsfs.h (PID_NS_INIT_INO, which has been the same number since 3.8).

#ifndef NETDIAG_PROCESS_HORIZON_H_
#define NETDIAG_PROCESS_HORIZON_H_

namespace netdiag::internal {

struct Horizon {
  bool hidepid = false;  // processes of others are not even listed
  bool other_pid_namespace =
      false;  // there can be processes outside the pid namespace that is read
};

// Whether an open directory is of a procfs, and not of a tree of its shape.
bool IsProcfs(int fd);
// Of an open procfs. A tree of its shape hides nothing.
Horizon HorizonOf(int root);
// Of what BPF tells this process.
Horizon HorizonOfBpf();

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_HORIZON_H_
