// SPDX-License-Identifier: Apache-2.0
//
// The bytes that each process sends and receives by TCP, every second: rates [ROUNDS].

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <thread>
#include <utility>

#include "netdiag/engine.h"
#include "netdiag/row.h"
#include "netdiag/socket/structs.h"

using namespace netdiag;

struct Bytes2 {
  uint64_t in = 0, out = 0;
};

int main(int argc, char** argv) {
  const absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open();
  if (!engine.ok()) return std::cerr << engine.status() << "\n", 1;
  const Query query{.protocols = {Protocol::kTcp},
                    .states = StateSet::Connected(),
                    .extensions = Extension::kInfo,
                    .owners = true};
  std::map<Cookie, Bytes2> before;
  for (int rounds = argc > 1 ? std::atoi(argv[1]) : -1; rounds != 0; --rounds) {
    std::map<Cookie, Bytes2> now;
    std::map<Pid, Bytes2> processes;
    const absl::StatusOr<Summary> summary = (*engine)->Visit(query, [&](const Row& row) {
      const std::optional<TcpInfo> info = row.tcp_info();
      if (!info) return Flow::kContinue;
      const Bytes2 total = {(*info)[TcpInfo::Field("bytes_received")].value_or(0),
                            (*info)[TcpInfo::Field("bytes_acked")].value_or(0)};
      now[row.cookie()] = total;
      const auto last = before.find(row.cookie());
      if (last == before.end() || row.owners().empty()) return Flow::kContinue;
      Bytes2& process = processes[row.owners()[0].pid];
      process.in += total.in - last->second.in;
      process.out += total.out - last->second.out;
      return Flow::kContinue;
    });
    if (!summary.ok()) return std::cerr << summary.status() << "\n", 1;
    for (const auto& [pid, bytes] : processes) {
      std::cout << pid.value() << ": " << bytes.in << " B/s in, " << bytes.out << " B/s out\n";
    }
    if (const absl::Status whole = summary->Whole(); !whole.ok()) std::cerr << whole << "\n";
    before = std::move(now);
    if (rounds != 1) std::this_thread::sleep_for(std::chrono::seconds(1));
  }
}
