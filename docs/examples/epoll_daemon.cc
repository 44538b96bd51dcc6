// SPDX-License-Identifier: Apache-2.0
//
// epoll_daemon [ROUNDS]: a daemon with one epoll loop. It counts the sockets every second. A step
// of the query takes about a millisecond at most, so the loop can serve other descriptors.

#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <unistd.h>

#include "netdiag/engine.h"
#include "netdiag/row.h"

using namespace netdiag;
using netlink::Ready;

int main(int argc, char** argv) {
  const absl::StatusOr<std::unique_ptr<Engine>> opened = Engine::Open();
  if (!opened.ok()) return std::cerr << opened.status() << "\n", 1;
  Engine& engine = **opened;
  const Query query{.owners = true, .bounded_steps = true};
  const auto count = [](const Row&) { return Flow::kContinue; };
  const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  const itimerspec second = {.it_interval = {1, 0}, .it_value = {0, 1}};
  timerfd_settime(timer, 0, &second, nullptr);
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event = {.events = EPOLLIN, .data = {.fd = timer}};
  epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event);
  Ready ready = Ready::kDone;
  for (int rounds = argc > 1 ? std::atoi(argv[1]) : -1; rounds != 0;) {
    // The Engine's descriptor is in epoll only while the loop waits for it, because a step can
    // close it.
    const int fd = ready == Ready::kWouldBlock ? engine.fd() : -1;
    epoll_event wait = {.events = EPOLLIN, .data = {.fd = fd}};
    if (fd >= 0) epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wait);
    const int events = epoll_wait(epoll, &event, 1, ready == Ready::kSome ? 0 : -1);
    if (fd >= 0) epoll_ctl(epoll, EPOLL_CTL_DEL, fd, nullptr);
    if (events == 1 && event.data.fd == timer) {
      uint64_t ticks = 0;
      if (read(timer, &ticks, sizeof(ticks)) < 0 || ready != Ready::kDone) continue;
      if (const absl::Status begun = engine.Begin(query); !begun.ok()) return 1;
      ready = Ready::kSome;
    }
    if (ready == Ready::kDone) continue;
    const auto step = engine.Step(count, {.cpu_time = std::chrono::milliseconds(1)});
    if (!step.ok()) return std::cerr << step.status() << "\n", 1;
    ready = *step;
    if (ready != Ready::kDone) continue;
    std::cout << engine.summary().rows << " sockets\n";
    --rounds;
  }
}
