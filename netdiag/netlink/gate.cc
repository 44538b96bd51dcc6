// Entering, waiting and leaving. Tested by tests/netlink/conn_concurrency_test.cc, also under
// ThreadSanitizer.

#include "netdiag/netlink/gate.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <poll.h>
#include <utility>

#include "netdiag/types/error.h"

namespace netdiag::netlink {
namespace {

using Clock = std::chrono::steady_clock;

// The time left, for ppoll(). REQUIRES: `deadline` is not past, so that the difference cannot
// overflow.
timespec Left(TimePoint deadline, TimePoint now) {
  const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(deadline - now).count();
  timespec out{};
  out.tv_sec = left / 1'000'000'000;
  out.tv_nsec = left % 1'000'000'000;
  return out;
}

}  // namespace

Gate::Gate(MnlSocket socket, internal::UniqueFd wake_fd)
    : wake_fd_(std::move(wake_fd)), socket_(std::move(socket)) {}

void Gate::SetDeadlines(bool read, bool write, std::optional<TimePoint> deadline) {
  std::lock_guard lock(mutex_);
  if (read) read_deadline_ = deadline;
  if (write) write_deadline_ = deadline;
  WakeLocked();
}

void Gate::Close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  if (inside_ == 0) socket_.reset();
  WakeLocked();
}

int Gate::fd() const {
  std::lock_guard lock(mutex_);
  return closed_ ? -1 : mnl_socket_get_fd(socket_.get());
}

void Gate::Wake() {
  std::lock_guard lock(mutex_);
  WakeLocked();
}

void Gate::WakeLocked() {
  if (polling_ > 0 && !signalled_) {
    signalled_ = true;
    eventfd_write(wake_fd_.get(), 1);
  }
  changed_.notify_all();
}

Gate::Call::Call(Gate* gate, std::string_view what, const CallOptions& options)
    : gate_(gate), what_(what), options_(options), on_stop_(options.stop, WakeOnStop{gate}) {
  std::lock_guard lock(gate_->mutex_);
  if (gate_->closed_) return;
  ++gate_->inside_;
  inside_ = true;
  fd_ = mnl_socket_get_fd(gate_->socket_.get());
}

Gate::Call::~Call() {
  std::lock_guard lock(gate_->mutex_);
  if (has_turn_) {
    gate_->turn_ = {};
    gate_->changed_.notify_all();
  }
  if (inside_ && --gate_->inside_ == 0 && gate_->closed_) gate_->socket_.reset();
}

std::optional<TimePoint> Gate::Call::DeadlineLocked(Side side) const {
  const std::optional<TimePoint>& of_conn =
      side == Side::kRead ? gate_->read_deadline_ : gate_->write_deadline_;
  if (!of_conn || !options_.deadline) return of_conn ? of_conn : options_.deadline;
  return std::min(*of_conn, *options_.deadline);
}

absl::Status Gate::Call::CheckLocked(Side side) const {
  if (gate_->closed_) return ClosedError(what_);
  if (options_.stop.stop_requested()) return CancelledError(what_);
  const std::optional<TimePoint> deadline = DeadlineLocked(side);
  if (deadline && *deadline <= Clock::now()) return TimeoutError(what_);
  return absl::OkStatus();
}

absl::Status Gate::Call::Check(Side side) {
  std::lock_guard lock(gate_->mutex_);
  return CheckLocked(side);
}

absl::Status Gate::Call::TakeTurn(Side side) {
  std::unique_lock lock(gate_->mutex_);
  for (;;) {
    NETDIAG_RETURN_IF_ERROR(CheckLocked(side));
    if (gate_->turn_ == std::thread::id()) break;
    NETDIAG_RETURN_IF_ERROR(CheckNotNestedLocked());
    if (const std::optional<TimePoint> deadline = DeadlineLocked(side)) {
      gate_->changed_.wait_until(lock, *deadline);
    } else {
      gate_->changed_.wait(lock);
    }
  }
  gate_->turn_ = std::this_thread::get_id();
  has_turn_ = true;
  return absl::OkStatus();
}

bool Gate::Call::TryTurn() {
  std::lock_guard lock(gate_->mutex_);
  if (gate_->turn_ != std::thread::id()) return false;
  gate_->turn_ = std::this_thread::get_id();
  return has_turn_ = true;
}

absl::Status Gate::Call::CheckNotNested() const {
  std::lock_guard lock(gate_->mutex_);
  return CheckNotNestedLocked();
}

absl::Status Gate::Call::CheckNotNestedLocked() const {
  if (gate_->turn_ != std::this_thread::get_id()) return absl::OkStatus();
  return ErrnoError(EDEADLK, what_, "a visitor must not start another exchange on its Conn");
}

absl::Status Gate::Call::Run(Side side, absl::FunctionRef<int()> attempt) {
  for (;;) {
    NETDIAG_RETURN_IF_ERROR(Check(side));
    const int errnum = attempt();
    if (errnum == 0) return absl::OkStatus();
    if (errnum == EAGAIN) {
      if (const int failure = WaitReady(side); failure != 0) return ErrnoError(failure, what_);
    } else if (errnum != EINTR) {
      return ErrnoError(errnum, what_);
    }
  }
}

int Gate::Call::WaitReady(Side side) {
  std::unique_lock lock(gate_->mutex_);
  // If wake_fd_ is signalled, all polling threads are about to leave, and the last of them clears
  // the signal. A thread that polled before that would spin.
  gate_->changed_.wait(lock, [this] { return !gate_->signalled_; });
  if (!CheckLocked(side).ok()) return 0;
  const std::optional<TimePoint> deadline = DeadlineLocked(side);
  const TimePoint now = Clock::now();
  if (deadline && *deadline <= now) return 0;
  const timespec left = deadline ? Left(*deadline, now) : timespec{};
  const short events = side == Side::kRead ? POLLIN : POLLOUT;

  ++gate_->polling_;
  lock.unlock();
  pollfd fds[] = {{fd_, events, 0}, {gate_->wake_fd_.get(), POLLIN, 0}};
  // EINVAL: RLIMIT_NOFILE is below 2.
  const bool failed = ppoll(fds, 2, deadline ? &left : nullptr, nullptr) < 0 && errno != EINTR;
  const int errnum = failed ? errno : 0;
  lock.lock();
  if (--gate_->polling_ == 0 && gate_->signalled_) {
    eventfd_t count = 0;
    eventfd_read(gate_->wake_fd_.get(), &count);
    gate_->signalled_ = false;
    gate_->changed_.notify_all();
  }
  return errnum;
}

}  // namespace netdiag::netlink
