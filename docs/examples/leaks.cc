// SPDX-License-Identifier: Apache-2.0
//
// Connections that the peer has closed and the process has not, for a minute: leaks [SECONDS
// [ROUNDS]].

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <thread>
#include <utility>

#include "netdiag/engine.h"
#include "netdiag/row.h"
#include "netdiag/types/address.h"

int main(int argc, char** argv) {
  using namespace netdiag;
  using Clock = std::chrono::steady_clock;
  const std::chrono::seconds limit(argc > 1 ? std::atoi(argv[1]) : 60);
  const absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open();
  if (!engine.ok()) return std::cerr << engine.status() << "\n", 1;
  const Query query{.protocols = {Protocol::kTcp}, .states = State::kCloseWait, .owners = true};
  std::map<Cookie, Clock::time_point> since;  // when a connection was first seen so
  for (int rounds = argc > 2 ? std::atoi(argv[2]) : -1; rounds != 0; --rounds) {
    const Clock::time_point now = Clock::now();
    std::map<Cookie, Clock::time_point> still;
    const absl::StatusOr<Summary> summary = (*engine)->Visit(query, [&](const Row& row) {
      const auto known = since.find(row.cookie());
      const Clock::time_point first = known == since.end() ? now : known->second;
      still[row.cookie()] = first;
      if (now - first < limit) return Flow::kContinue;
      std::cout << ToText(row.inet()->local()) << " " << ToText(row.inet()->remote());
      for (const Owner& owner : row.owners()) {
        std::cout << " " << owner.pid.value() << "/fd " << owner.fd;
      }
      std::cout << "\n";
      return Flow::kContinue;
    });
    if (!summary.ok()) return std::cerr << summary.status() << "\n", 1;
    if (const absl::Status whole = summary->Whole(); !whole.ok()) std::cerr << whole << "\n";
    since = std::move(still);
    if (rounds != 1) std::this_thread::sleep_for(std::min(limit, std::chrono::seconds(5)));
  }
}
