// Three measurements: a look of the Monitor against the query that it runs, steady polling with
// owners against polling without them, and the memory of the Monitor.
//
//   tools/dev bench monitor [--sockets=20000] [--repetitions=15] [--warm-up=2]

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

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

uint64_t Visit(Engine* engine, const Query& query) {
  uint64_t owners = 0;
  const absl::StatusOr<Summary> summary = engine->Visit(query, [&](const Row& row) {
    owners += row.owners().size();
    return Flow::kContinue;
  });
  if (!summary.ok()) Die("Visit failed");
  return owners;
}

void Main(const Options& options) {
  EnterPrivateNamespace();
  const Population population({.tcp = options.sockets});
  const std::unique_ptr<Engine> plain = OpenEngine(), cached = OpenEngine(), all = OpenEngine(),
                                monitored = OpenEngine();
  absl::StatusOr<std::unique_ptr<Monitor>> monitor =
      Monitor::Open(monitored.get(), TcpQuery(/*owners=*/true));
  if (!monitor.ok()) Die("Monitor::Open failed");
  const Field& acked = *FindField("bytes_acked");
  uint64_t gained = 0;
  const auto look = [&] {
    const absl::StatusOr<Look> looked = (*monitor)->Poll([&](const Change& change) {
      if (const FieldValue delta = change.Delta(acked); !IsAbsent(delta)) {
        gained += std::get<uint64_t>(delta);
      }
    });
    if (!looked.ok()) Die("Poll failed");
  };
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
