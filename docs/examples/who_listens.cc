// SPDX-License-Identifier: Apache-2.0
//
// Who listens on a port: who_listens PORT. Exit code 0: somebody does, 1: nobody, 2: not known.

#include <cstdlib>
#include <iostream>
#include <memory>

#include "netdiag/engine.h"
#include "netdiag/row.h"
#include "netdiag/types/address.h"

int main(int argc, char** argv) {
  using namespace netdiag;
  const Query query{
      .protocols = {Protocol::kTcp},
      .states = State::kListen,
      .source_port = Port::FromHost(static_cast<uint16_t>(argc > 1 ? std::atoi(argv[1]) : 22)),
      .owners = true};
  const absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open();
  if (!engine.ok()) return std::cerr << engine.status() << "\n", 2;
  const absl::StatusOr<Summary> summary = (*engine)->Visit(query, [](const Row& row) {
    std::cout << ToText(row.inet()->local());
    for (const Owner& owner : row.owners()) {
      std::cout << " " << owner.pid.value() << "/fd " << owner.fd;
    }
    std::cout << "\n";
    return Flow::kContinue;
  });
  const absl::Status whole = summary.ok() ? summary->Whole() : summary.status();
  if (!whole.ok()) std::cerr << whole << "\n";
  if (summary.ok() && summary->rows > 0) return 0;
  return whole.ok() ? 1 : 2;
}
