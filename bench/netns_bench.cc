// All namespaces in one query: 200 small ones and a large one.
//
//   tools/dev bench netns [--sockets=100000] [--repetitions=15] [--warm-up=2]
//
// 200 namespaces have 20 TCP sockets each, and another one has --sockets. A dump of each namespace
// would be 200 dumps of the whole table. The floor is one raw dump of the large namespace. The
// number of rows of each namespace is checked first. Measures the CPU time of the process, because
// threads enter the namespaces.

#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

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

std::unique_ptr<Engine> OpenForAll(internal::TcpPlan plan) {
  absl::StatusOr<std::unique_ptr<Engine>> engine =
      internal::OpenForTest({.all_netns = true}, {.tcp_plan = plan});
  if (!engine.ok()) Die("Engine::Open");
  return *std::move(engine);
}

Summary VisitAll(Engine* engine, Engine::Visitor visitor) {
  const Query query{.protocols = {Protocol::kTcp}};
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
  int looked_up = 0;
  for (const TableOutcome& outcome : summary.tables) looked_up += outcome.looked_up ? 1 : 0;
  std::printf("%llu namespaces, %d of them without a walk\n",
              static_cast<unsigned long long>(summary.netns->listed), looked_up);
  bool right = rows[large] == expected;
  for (const NetnsId id : small) right &= rows[id] == kSocketsEach;
  Prove(right, "sockets of each namespace");
}

void Main(const Options& options) {
  EnterPrivateNamespace();
  const NetnsId large = netlink::CurrentNetns();
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
  const auto automatic = OpenForAll(internal::TcpPlan::kAuto);
  const auto walks = OpenForAll(internal::TcpPlan::kDumps);
  const uint64_t expected = dump();
  ProveAnswer(automatic.get(), large, expected, small);
  ProveAnswer(walks.get(), large, expected, small);

  const Comparison loaded = Compare(
      options, Clock::kProcessCpu, [&] { VisitAll(automatic.get(), ignore); }, [&] { dump(); });
  PrintTime("all namespaces", loaded.a);
  PrintTime("one raw dump of the large one", loaded.b);
  Claim("all namespaces / one dump", loaded.ratio, AtMost(3), " ×");
  const Comparison first = Compare(
      options, Clock::kProcessCpu,
      [&] { VisitAll(OpenForAll(internal::TcpPlan::kAuto).get(), ignore); }, [&] { dump(); });
  PrintTime("all namespaces, with the load of the BPF program", first.a);
  Claim("all namespaces, with the load / one dump", first.ratio, AtMost(3), " ×");
  Options few = options;
  few.repetitions = few.warm_up = 1;
  const Comparison walked = Compare(
      few, Clock::kProcessCpu, [&] { VisitAll(walks.get(), ignore); }, [&] { dump(); });
  PrintTime("all namespaces, a walk each", walked.a);
}

}  // namespace
}  // namespace netdiag::bench

int main(int argc, char** argv) { netdiag::bench::Main(netdiag::bench::ParseOptions(argc, argv)); }
