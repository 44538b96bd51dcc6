// netdiag/types/quiet_thread.h — Internal. Threads that take no signals of the host program.

#ifndef NETDIAG_TYPES_QUIET_THREAD_H_
#define NETDIAG_TYPES_QUIET_THREAD_H_

#include <csignal>
#include <pthread.h>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"

#include "netdiag/types/error.h"

namespace netdiag::internal {

// Starts a thread that runs `body` with every signal blocked from its first instruction on: it
// inherits the signal mask of the calling thread, which is restored before this returns.
template <class Body>
absl::StatusOr<std::thread> StartQuietThread(Body body) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  absl::StatusOr<std::thread> thread = std::thread();
  try {
    thread = std::thread(std::move(body));
  } catch (const std::system_error& error) {
    thread = ErrnoError(error.code().value(), "starting a thread");
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace netdiag::internal

#endif  // NETDIAG_TYPES_QUIET_THREAD_H_
