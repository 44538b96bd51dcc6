// All namespaces in one query: 200 small ones and a large one.
//
//   tools/dev bench netns [--sockets=100000] [--repetitions=15] [--warm-up=2]
//
// 200 namespaces have 20 TCP sockets each, and another one has --sockets. A dump of each namespace
// would be 200 dumps of the whole table. The floor is one raw dump of the large namespace. The
// number of rows of each namespace is checked first. Measures the CPU time of the process, because
// threads enter the namespaces.

#include <cstdio>
#include <fcntl.h>
#include <map>
#include <memory>
#include <sched.h>
#include <string>
#include <unistd.h>
#include <vector>

#include "bench/child.h"
#include "bench/compare.h"
#include "bench/population.h"
#include "bench/raw_dump.h"
#include "netdiag/engine.h"
#include "netdiag/engine/test_options.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/row.h"

namespace netdiag::bench {
namespace {

constexpr int kNamespaces = 200;
constexpr int kSocketsEach = 20;

std::unique_ptr<Engine> OpenForAll(internal::GuestPlan plan) {
  absl::StatusOr<std::unique_ptr<Engine>> engine =
      internal::OpenForTest({.all_netns = true}, {.guest_plan = plan});
  if (!engine.ok()) Die("Engine::Open");
  return *std::move(engine);
}

Summary VisitAll(Engine* engine, Engine::Visitor visitor) {
  const Query query{.protocols = {Protocol::kTcp}, .cookies = false};
  absl::StatusOr<Summary> summary = engine->Visit(query, visitor);
  if (!summary.ok()) Die("Visit");
  return *std::move(summary);
}

void ProveAnswer(Engine* engine, NetnsId large, uint64_t expected,
                 const std::vector<NetnsId>& small) {
  std::map<NetnsId, uint64_t> rows;
  const Summary summary = VisitAll(engine, [&](const Row& row) {
    ++rows[row.table().netns];
    return Flow::kContinue;
  });
  int read = 0;
  for (const TableOutcome& outcome : summary.tables) {
    read += outcome.source == SourceKind::kTable ? 1 : 0;
  }
  std::printf("%llu namespaces, %d of them read from the kernel's table\n",
              static_cast<unsigned long long>(summary.netns->listed), read);
  bool right = rows[large] == expected;
  for (const NetnsId id : small) right &= rows[id] == kSocketsEach;
  Prove(right, "sockets of each namespace");
}

void Main(const Options& options) {
  EnterPrivateNamespace();
  const NetnsId large = netlink::CurrentNetns();
  const int large_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  const Population population({.tcp = options.sockets});
  RawDump floor;
  std::vector<std::unique_ptr<Population>> populations;
  std::vector<NetnsId> small;
  for (int i = 0; i < kNamespaces; ++i) {
    EnterPrivateNamespace();
    small.push_back(netlink::CurrentNetns());
    populations.push_back(std::make_unique<Population>(PopulationOptions{.tcp = kSocketsEach}));
  }
  EnterPrivateNamespace();

  const auto dump = [&] { return floor.Run(0, [](const std::byte*, size_t) {}); };
  const auto ignore = [](const Row&) { return Flow::kContinue; };
  auto automatic = OpenForAll(internal::GuestPlan::kAuto);
  auto walks = OpenForAll(internal::GuestPlan::kDumps);
  const uint64_t expected = dump();
  ProveAnswer(automatic.get(), large, expected, small);
  ProveAnswer(walks.get(), large, expected, small);

  const Comparison loaded = Compare(
      options, Clock::kProcessCpu, [&] { VisitAll(automatic.get(), ignore); }, [&] { dump(); });
  PrintTime("all namespaces", loaded.a);
  PrintTime("one raw dump of the large one", loaded.b);
  Claim("all namespaces / one dump", loaded.ratio, AtMost(2), " ×");
  const Comparison first = Compare(
      options, Clock::kProcessCpu,
      [&] { VisitAll(OpenForAll(internal::GuestPlan::kAuto).get(), ignore); }, [&] { dump(); });
  PrintTime("all namespaces, with the load of the BPF program", first.a);
  Claim("all namespaces, with the load / one dump", first.ratio, AtMost(2), " ×");
  Options few = options;
  few.repetitions = few.warm_up = 1;
  const Comparison walked = Compare(
      few, Clock::kProcessCpu, [&] { VisitAll(walks.get(), ignore); }, [&] { dump(); });
  PrintTime("all namespaces, a walk each", walked.a);

  // Their sockets would keep this namespace alive, which nothing else does then.
  automatic.reset();
  walks.reset();
  if (setns(large_fd, CLONE_NEWNET) != 0) Die("setns");
  close(large_fd);
  const std::vector<std::string> diag = {DiagProgram(), "--all-netns", "-tan"};
  const Comparison program = Compare(
      options, Clock::kWall, [&] { RunToNull(diag); }, [&] { dump(); });
  PrintTime("diag --all-netns -tan, the whole program", program.a);
  Claim("diag --all-netns -tan / one raw dump", program.ratio, AtMost(1), " ×");
}

}  // namespace
}  // namespace netdiag::bench

int main(int argc, char** argv) { netdiag::bench::Main(netdiag::bench::ParseOptions(argc, argv)); }
