// netdiag/netlink/gate.h — Internal. Users want netlink/conn.h.
//
// The concurrency of a Conn: which calls are running, which exchange has the turn, and what ends a
// call (deadlines, a stop token, Close).
//
//   Gate::Call call(&gate, "receive", options);
//   NETDIAG_RETURN_IF_ERROR(call.TakeTurn(Side::kRead));
//   NETDIAG_RETURN_IF_ERROR(call.Run(Side::kRead, [&] { return Attempt(call.fd()); }));
//
// The Gate owns the descriptor. The descriptor stays open while a Call is alive, and the last Call
// to end after Close() closes it, so the kernel cannot reuse its number under a system call. A call
// waits either in ppoll() on the descriptor and one eventfd, or on one condition variable for its
// turn. Every change (deadline, stop, Close) wakes all waiting calls, and each checks whether the
// change ends it.
//
// Locks are std::mutex and not absl::Mutex, because ThreadSanitizer cannot see into Debian's
// prebuilt Abseil.

#ifndef NETDIAG_NETLINK_GATE_H_
#define NETDIAG_NETLINK_GATE_H_

#include <condition_variable>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string_view>
#include <thread>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

#include "netdiag/netlink/call.h"
#include "netdiag/netlink/options.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag::netlink {

// Selects the deadline of the Conn that applies and the readiness to wait for.
enum class Side { kRead, kWrite };

class Gate {
 public:
  class Call;

  // `wake_fd` is an eventfd.
  Gate(MnlSocket socket, internal::UniqueFd wake_fd);
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  // REQUIRES: no Call is alive.
  ~Gate() = default;

  void SetDeadlines(bool read, bool write, std::optional<TimePoint> deadline);
  void Close();
  // The descriptor; -1 after Close().
  int fd() const;

 private:
  // Runs on the thread that requests the stop.
  struct WakeOnStop {
    Gate* gate;
    void operator()() const { gate->Wake(); }
  };

  void Wake();
  // REQUIRES: mutex_ is held.
  void WakeLocked();

  const internal::UniqueFd wake_fd_;
  mutable std::mutex mutex_;
  // Notified when a member below changes that a call may wait for.
  std::condition_variable changed_;
  // mutex_ guards the rest. Running Calls also read `socket_` without the lock.
  MnlSocket socket_;
  bool closed_ = false;
  int inside_ = 0;          // the number of Calls that keep the descriptor open
  std::thread::id turn_;    // the thread whose exchange runs; default: no exchange runs
  int polling_ = 0;         // the number of threads in ppoll()
  bool signalled_ = false;  // wake_fd_ is readable; no thread may start to poll until all have left
  std::optional<TimePoint> read_deadline_;
  std::optional<TimePoint> write_deadline_;
};

// One running call of a public method. Every method except the constructor may report that the call
// has ended. If it has not, they return OK and do not allocate.
class Gate::Call {
 public:
  // `what` names the call in errors. Both it and `options` must outlive the Call.
  Call(Gate* gate, std::string_view what, const CallOptions& options);
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call();

  // Returns OK unless the call has ended. REQUIRED before the first use of fd().
  absl::Status Check(Side side);
  // Waits until no other exchange runs and takes the turn, which the Call keeps until it is
  // destroyed. EDEADLK inside a visitor.
  absl::Status TakeTurn(Side side);
  // As TakeTurn(), without waiting. Returns false if an exchange runs, of this thread or another.
  bool TryTurn();
  // EDEADLK inside a visitor.
  absl::Status CheckNotNested() const;
  // Calls `attempt` until it returns 0 or an error. On EAGAIN it waits for readiness and repeats;
  // on EINTR it repeats unless the call has ended. Any other errno is returned as ErrnoError.
  absl::Status Run(Side side, absl::FunctionRef<int()> attempt);
  // False if the Conn was closed before the Call began.
  bool inside() const { return inside_; }
  int fd() const { return fd_; }
  std::string_view what() const { return what_; }

 private:
  // The next three REQUIRE that mutex_ is held.
  absl::Status CheckLocked(Side side) const;
  absl::Status CheckNotNestedLocked() const;
  std::optional<TimePoint> DeadlineLocked(Side side) const;
  // Returns when the descriptor is ready, the deadline has passed, or the Gate has changed.
  // Returns the errno of a wait that is not possible, or 0.
  int WaitReady(Side side);

  Gate* const gate_;
  const std::string_view what_;
  const CallOptions& options_;
  bool inside_ = false;
  bool has_turn_ = false;
  int fd_ = -1;
  std::stop_callback<WakeOnStop> on_stop_;
};

}  // namespace netdiag::netlink

#endif  // NETDIAG_NETLINK_GATE_H_
