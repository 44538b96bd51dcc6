// Three measurements: a look of the Monitor against the query that it runs, steady polling with
// owners against polling without them, and the memory of the Monitor. Before that it is proved that
// the answers are right: every socket is followed, the cached owners are those of a whole scan, and
// bytes that are sent are counted exactly.
//
//   tools/dev bench monitor [--sockets=20000] [--repetitions=15] [--warm-up=2]

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include "bench/compare.h"
#include "bench/population.h"
#include "netdiag/engine.h"
#include "netdiag/fields.h"
#include "netdiag/monitor.h"
#include "netdiag/row.h"

namespace netdiag::bench {
namespace {

std::unique_ptr<Engine> OpenEngine() {
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open();
  if (!engine.ok()) Die(std::string(engine.status().message()));
  return *std::move(engine);
}

Query TcpQuery(bool owners, OwnerPolicy policy = OwnerPolicy::kCached) {
  return {.protocols = {Protocol::kTcp},
          .extensions = Extension::kInfo,
          .owners = owners,
          .owner_policy = policy};
}

struct Counts {
  uint64_t rows = 0;
  uint64_t owners = 0;  // their processes and descriptors, added up
};
Counts Visit(Engine* engine, const Query& query) {
  Counts counts;
  const absl::StatusOr<Summary> summary = engine->Visit(query, [&](const Row& row) {
    ++counts.rows;
    for (const Owner& owner : row.owners()) {
      counts.owners +=
          static_cast<uint64_t>(owner.pid.value()) * 100'003 + static_cast<uint64_t>(owner.fd);
    }
    return Flow::kContinue;
  });
  if (!summary.ok()) Die("Visit failed");
  return counts;
}

// A look, and the bytes that were acknowledged since the last one.
struct Polled {
  Look look;
  uint64_t acked = 0;
};
Polled Poll(Monitor* monitor) {
  static const Field& acked = *FindField("bytes_acked");
  Polled polled;
  const absl::StatusOr<Look> look = monitor->Poll([&](const Change& change) {
    const FieldValue delta = change.Delta(acked);
    if (!IsAbsent(delta)) polled.acked += std::get<uint64_t>(delta);
  });
  if (!look.ok()) Die("Poll failed");
  polled.look = *look;
  return polled;
}

void Prove(bool holds, const char* what) {
  if (holds) return;
  errno = 0;
  Die(what);
}

// The ends of a connection over the loopback device.
struct Pair {
  int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int server = -1;

  Pair() {
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    auto* const at = reinterpret_cast<sockaddr*>(&address);
    const bool connected = bind(listener, at, size) == 0 && listen(listener, 1) == 0 &&
                           getsockname(listener, at, &size) == 0 && connect(client, at, size) == 0;
    server = connected ? accept4(listener, nullptr, nullptr, SOCK_CLOEXEC) : -1;
    if (server < 0) Die("a connection");
    close(listener);
  }
  void Send(size_t bytes) const {
    std::vector<char> data(bytes);
    if (send(client, data.data(), bytes, 0) != static_cast<ssize_t>(bytes) ||
        recv(server, data.data(), bytes, MSG_WAITALL) != static_cast<ssize_t>(bytes)) {
      Die("send");
    }
  }
};

void ProveAnswers(Engine* plain, Engine* cached, Engine* all, Monitor* monitor) {
  const Pair pair;
  const Counts without = Visit(plain, TcpQuery(false));
  const Counts scanned = Visit(all, TcpQuery(true, OwnerPolicy::kAll));
  Prove(scanned.owners > 0 && scanned.rows == without.rows, "a scan of owners");
  for (int i = 0; i < 2; ++i) {
    const Counts kept = Visit(cached, TcpQuery(true));
    Prove(kept.rows == scanned.rows && kept.owners == scanned.owners, "cached owners");
  }
  const Polled first = Poll(monitor);
  Prove(first.look.opened == without.rows && first.acked == 0, "the first look");
  pair.Send(12'345);
  const Polled second = Poll(monitor);
  Prove(second.look.lived == without.rows && second.acked == 12'345, "the second look");
  Prove(second.look.opened + second.look.closed + second.look.untold == 0, "a steady look");
  Prove(monitor->size() == without.rows, "the number of followed sockets");
  close(pair.client);
  close(pair.server);
}

void Main(const Options& options) {
  EnterPrivateNamespace();
  const Population population({.tcp = options.sockets});
  const std::unique_ptr<Engine> plain = OpenEngine(), cached = OpenEngine(), all = OpenEngine(),
                                monitored = OpenEngine();
  absl::StatusOr<std::unique_ptr<Monitor>> monitor =
      Monitor::Open(monitored.get(), TcpQuery(/*owners=*/true));
  if (!monitor.ok()) Die("Monitor::Open failed");
  ProveAnswers(plain.get(), cached.get(), all.get(), monitor->get());
  const auto look = [&] { Poll(monitor->get()); };
  const auto visit = [&](Engine* engine, bool owners, OwnerPolicy policy) {
    return [=] { Visit(engine, TcpQuery(owners, policy)); };
  };
  const auto without = visit(plain.get(), false, OwnerPolicy::kAll);
  const auto with = visit(cached.get(), true, OwnerPolicy::kCached);
  const Comparison kept = Compare(options, Clock::kThreadCpu, with, without);
  const Comparison scanned =
      Compare(options, Clock::kThreadCpu, visit(all.get(), true, OwnerPolicy::kAll), without);
  const Comparison looks = Compare(options, Clock::kThreadCpu, look, with);
  PrintTime("Visit with tcp_info, without owners", kept.b);
  PrintTime("the same with cached owners", kept.a);
  PrintTime("the same with a scan of all owners", scanned.a);
  PrintTime("Poll with cached owners and a delta of each socket", looks.a);
  Claim("cached owners / no owners", kept.ratio, AtMost(1.10));
  Claim("Poll / Visit with cached owners", looks.ratio, AtMost(1.20));
  std::printf(
      "memory of the Monitor: %.0f bytes a socket, beside 408 of its message: %.0f\n",
      static_cast<double>((*monitor)->memory()) / static_cast<double>((*monitor)->size()),
      static_cast<double>((*monitor)->memory()) / static_cast<double>((*monitor)->size()) - 408);
}

}  // namespace
}  // namespace netdiag::bench

int main(int argc, char** argv) {
  netdiag::bench::Main(netdiag::bench::ParseOptions(argc, argv, {.sockets = 20'000}));
}
