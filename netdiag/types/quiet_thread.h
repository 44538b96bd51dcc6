// netdiag/types/quiet_thread.h — Internal. Threads that take no signals of the host program.

#ifndef NETDIAG_TYPES_QUIET_THREAD_H_
#define NETDIAG_TYPES_QUIET_THREAD_H_

#include <csignal>
#include <exception>
#include <memory>
#include <pthread.h>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/statusor.h"

#include "netdiag/types/error.h"

namespace netdiag::internal {

// A thread, and what its body has thrown: std::bad_alloc, which would end the program if it left
// the thread. The destructor waits for the thread's end.
class QuietThread {
 public:
  QuietThread() = default;
  QuietThread(QuietThread&&) = default;
  QuietThread& operator=(QuietThread&&) = default;
  ~QuietThread() {
    if (thread_.joinable()) thread_.join();
  }

  bool joinable() const { return thread_.joinable(); }
  // Waits for the thread's end, and then throws what its body has thrown.
  void join() {
    thread_.join();
    if (*failure_ != nullptr) std::rethrow_exception(std::exchange(*failure_, nullptr));
  }
  // What the body throws is lost.
  void detach() { thread_.detach(); }

 private:
  template <class Body>
  friend absl::StatusOr<QuietThread> StartQuietThread(Body body);

  std::shared_ptr<std::exception_ptr> failure_ = std::make_shared<std::exception_ptr>();
  std::thread thread_;
};

// Starts a thread that runs `body` with every signal blocked from its first instruction on: it
// inherits the signal mask of the calling thread, which is restored before this returns.
template <class Body>
absl::StatusOr<QuietThread> StartQuietThread(Body body) {
  QuietThread started;
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const absl::Cleanup restore = [&before] { pthread_sigmask(SIG_SETMASK, &before, nullptr); };
  try {
    started.thread_ = std::thread([body = std::move(body), failure = started.failure_]() mutable {
      try {
        body();
      } catch (...) {
        *failure = std::current_exception();
      }
    });
  } catch (const std::system_error& error) {
    return ErrnoError(error.code().value(), "starting a thread");
  }
  return started;
}

}  // namespace netdiag::internal

#endif  // NETDIAG_TYPES_QUIET_THREAD_H_
