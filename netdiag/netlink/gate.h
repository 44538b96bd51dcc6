// netdiag/netlink/gate.h — Internal. Users want netlink/conn.h.
//
// Who is inside a Conn, whose turn it is, and what ends a call: deadlines, a stop token, Close.
//
//   Gate::Call call(&gate, "receive", options);
//   NETDIAG_RETURN_IF_ERROR(call.TakeTurn(Side::kRead));
//   NETDIAG_RETURN_IF_ERROR(call.Run(Side::kRead, [&] { return Attempt(call.fd()); }));
//
// The Gate owns the descriptor. It stays open while a Call is alive and is closed by the last one
// that leaves after Close(), so its number is never reused under a system call. Whoever waits does
// so in ppoll() on the descriptor and one eventfd, or on one condition variable for its turn; every
// change (deadline, stop, Close) wakes all of them and each looks again whether the change is its
// end. Locks: std::mutex and not absl::Mutex, because ThreadSanitizer cannot see into Debian's
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

// Which deadline of the Conn holds, and which readiness is waited for.
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
  // -1 once closed.
  int fd() const;

 private:
  // Runs on whatever thread requests the stop.
  struct WakeOnStop {
    Gate* gate;
    void operator()() const { gate->Wake(); }
  };

  void Wake();
  // REQUIRES: mutex_ is held.
  void WakeLocked();

  const internal::UniqueFd wake_fd_;
  mutable std::mutex mutex_;
  // Notified when anything below changes that somebody may wait for.
  std::condition_variable changed_;
  // The rest is guarded by mutex_. `socket_` is also read without it by Calls that are inside.
  MnlSocket socket_;
  bool closed_ = false;
  int inside_ = 0;          // Calls that keep the descriptor open
  std::thread::id turn_;    // whose exchange runs; default: nobody's
  int polling_ = 0;         // threads in ppoll()
  bool signalled_ = false;  // wake_fd_ is readable: nobody may begin to poll until all have left
  std::optional<TimePoint> read_deadline_;
  std::optional<TimePoint> write_deadline_;
};

// One call of a public method, for as long as it runs. Every method but the constructor may find
// that the call has ended; all return OK without an allocation otherwise.
class Gate::Call {
 public:
  // `what` names the call in errors. Both it and `options` must outlive the Call.
  Call(Gate* gate, std::string_view what, const CallOptions& options);
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call();

  // OK unless the call has ended. REQUIRED before fd() is used for the first time.
  absl::Status Check(Side side);
  // Waits until no other exchange runs; the turn is held until the Call is destroyed. EDEADLK from
  // inside a visitor.
  absl::Status TakeTurn(Side side);
  // The same without waiting: false, if it is another's turn, or the caller's own already.
  bool TryTurn();
  // EDEADLK inside a visitor.
  absl::Status CheckNotNested() const;
  // Repeats `attempt` until it answers something else than EAGAIN (then waits) and EINTR (then
  // looks whether the call has ended). 0 is success; any other errno is returned as ErrnoError.
  absl::Status Run(Side side, absl::FunctionRef<int()> attempt);
  // False: the Conn was closed before.
  bool inside() const { return inside_; }
  int fd() const { return fd_; }
  std::string_view what() const { return what_; }

 private:
  // REQUIRES, of the three: mutex_ is held.
  absl::Status CheckLocked(Side side) const;
  absl::Status CheckNotNestedLocked() const;
  std::optional<TimePoint> DeadlineLocked(Side side) const;
  // Returns when the descriptor is ready, the deadline passed, or something changed.
  void WaitReady(Side side);

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
