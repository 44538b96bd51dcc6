// Tested by tests/tools/events_program_test.cc.

#include "tools/diag/stop_signals.h"

#include <sys/eventfd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <poll.h>
#include <unistd.h>

namespace diag {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
std::atomic<int> stop_fd{-1};

void NoteSignal(int) {
  const int errnum = errno;
  const uint64_t one = 1;
  if (write(stop_fd.load(), &one, sizeof(one)) < 0) {
    // The descriptor is closed: the program ends already.
  }
  errno = errnum;
}

}  // namespace

StopSignals::StopSignals() {
  stop_fd.store(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (fd() < 0) return;  // signals end the program at once
  for (const int number : kSignals) {
    struct sigaction before {};
    if (sigaction(number, nullptr, &before) == 0 && before.sa_handler == SIG_IGN) continue;
    struct sigaction action {};
    action.sa_handler = NoteSignal;
    action.sa_flags = SA_RESETHAND;
    sigaction(number, &action, nullptr);
  }
}

StopSignals::~StopSignals() {
  for (const int number : kSignals) {
    struct sigaction now {};
    if (sigaction(number, nullptr, &now) == 0 && now.sa_handler == NoteSignal) {
      signal(number, SIG_DFL);
    }
  }
  close(stop_fd.exchange(-1));
}

int StopSignals::fd() { return stop_fd.load(); }

bool StopSignals::came() {
  pollfd stop = {fd(), POLLIN, 0};
  return poll(&stop, 1, 0) > 0;
}

}  // namespace diag
