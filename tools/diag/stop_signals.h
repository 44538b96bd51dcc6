// tools/diag/stop_signals.h — SIGINT, SIGTERM, SIGHUP and SIGQUIT as the readiness of a descriptor,
// for commands that run until they are told to stop.

#ifndef NETDIAG_TOOLS_DIAG_STOP_SIGNALS_H_
#define NETDIAG_TOOLS_DIAG_STOP_SIGNALS_H_

namespace diag {

// While it lives, the first of these signals makes fd() readable, and a second one of the same
// number ends the program, which may wait for the reader of its output. A signal that is ignored
// stays ignored. There is one at a time.
class StopSignals {
 public:
  StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  ~StopSignals();

  static int fd();
  static bool came();
};

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_STOP_SIGNALS_H_
