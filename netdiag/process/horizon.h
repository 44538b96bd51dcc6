// netdiag/process/horizon.h — which processes a scan cannot see. Internal.
//
// Cost: three system calls. Threads: values. Source: fs/proc/root.c (hidepid), include/uapi/linux/
// nsfs.h (PID_NS_INIT_INO, which has been the same number since 3.8).

#ifndef NETDIAG_PROCESS_HORIZON_H_
#define NETDIAG_PROCESS_HORIZON_H_

namespace netdiag::internal {

struct Horizon {
  bool hidepid = false;  // the procfs does not list processes of other users
  // There can be processes outside the pid namespace that is read.
  bool other_pid_namespace = false;
};

// True if an open file is in a mounted procfs, and not in a tree of its shape. Sets errno if the
// kernel does not tell.
bool IsProcfs(int fd);
// The horizon of an open procfs. A tree of its shape hides nothing.
Horizon HorizonOf(int root);
// The horizon of BPF in this process.
Horizon HorizonOfBpf();

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_HORIZON_H_
