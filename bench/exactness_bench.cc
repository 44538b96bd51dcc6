// How often dumps beside churn miss sockets, repeat them and raise a doubt, compared with ss; and
// what exactness costs when nothing happens.
//
//   tools/dev bench exactness [--sockets=1500] [--repetitions=200]
//
// --sockets: sockets that live during all dumps and share a port; --repetitions: dumps of each
// kind.
//
// The rates depend on the machine and its load. A broken promise (a socket that was given twice, a
// miss without a doubt) ends the program with 1.

#include <array>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/child.h"
#include "bench/compare.h"
#include "bench/population.h"
#include "netdiag/engine.h"
#include "netdiag/row.h"
#include "tests/live/exact_testing.h"
#include "tests/testing/netns.h"

namespace netdiag::bench {
namespace {

using testing::Churn;
using testing::Count;
using testing::Crowd;
using testing::Kind;
using testing::Tally;

std::unique_ptr<Engine> OpenEngine() {
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open();
  if (!engine.ok()) Die(std::string(engine.status().message()));
  return *std::move(engine);
}

// Makes a dump and adds its rows to `tally`, if that is not null. Returns true if the dump raised a
// doubt.
bool Dump(Engine* engine, const Query& query, Tally* tally) {
  const absl::StatusOr<Summary> summary =
      tally != nullptr ? testing::DumpInto(tally, engine, query)
                       : engine->Visit(query, [](const Row&) { return Flow::kContinue; });
  if (!summary.ok() || summary->tables.size() != 1 || !summary->tables[0].status.ok()) {
    Die("Visit failed");
  }
  return !summary->tables[0].doubt.ok();
}

// Adds the cookies that ss prints: "sk:" and a hexadecimal number.
void RunSs(Kind kind, Tally* tally) {
  const char* options = kind == Kind::kUdp         ? "-Huane"
                        : kind == Kind::kListeners ? "-Htlne"
                                                   : "-Htane";
  for (const std::string& line : RunForLines({"ss", options})) {
    const size_t at = line.find(" sk:");
    if (at != std::string::npos) tally->Add(std::stoull(line.substr(at + 4), nullptr, 16));
  }
}

// Makes the dumps of one reader and prints how many missed a socket, gave one twice, and raised a
// doubt. `dump` returns true if it raised a doubt. `has_doubts`: false if the reader has no doubts,
// as ss; then nothing is proved of it.
void Run(const Options& options, const char* reader, Kind kind, const Crowd& crowd,
         const std::function<bool(Tally*)>& dump, bool has_doubts) {
  int missed = 0;
  int twice = 0;
  int doubts = 0;
  int unflagged = 0;  // dumps that missed a socket and raised no doubt
  for (int i = 0; i < options.repetitions; ++i) {
    Tally tally;
    const bool doubt = dump(&tally);
    const Count count = tally.Of(crowd);
    missed += count.missed > 0 ? 1 : 0;
    twice += count.twice > 0 ? 1 : 0;
    doubts += doubt ? 1 : 0;
    unflagged += count.missed > 0 && !doubt ? 1 : 0;
  }
  std::printf("%-20s %-12s %6d dumps  %6d missed a live socket  %6d gave one twice", reader,
              testing::NameOf(kind), options.repetitions, missed, twice);
  if (has_doubts) std::printf("  %6d doubts", doubts);
  std::printf("\n");
  std::fflush(stdout);
  if (!has_doubts) return;
  Prove(twice == 0 && unflagged == 0, "each socket once, or a doubt");
}

void UnderChurn(Kind kind, const Options& options) {
  const Crowd crowd(kind, static_cast<uint32_t>(options.sockets));
  const std::unique_ptr<Engine> engine = OpenEngine();
  const Churn churn(kind);
  const auto run = [&](const char* reader, Engine* by, const Query& query) {
    Run(
        options, reader, kind, crowd, [&](Tally* tally) { return Dump(by, query, tally); }, true);
  };
  // ss shows no cookies of unix sockets.
  if (kind != Kind::kUnix) {
    Run(
        options, "ss", kind, crowd, [&](Tally* tally) { return RunSs(kind, tally), false; }, false);
  }
  Query fast = testing::QueryOf(kind, Completeness::kFast);
  const Query exact = testing::QueryOf(kind, Completeness::kExact);
  run("kFast", engine.get(), fast);
  run("kExact", engine.get(), exact);
  // With an Engine of its own: BPF programs that root has loaded stay loaded.
  testing::AsNobody([&] { run("kExact, nobody", OpenEngine().get(), exact); });
  if (kind == Kind::kConnections) {
    fast.states = State::kEstablished;
    run("kFast, established", engine.get(), fast);
  }
}

void WhenQuiet(Kind kind, const Options& options) {
  const Crowd crowd(kind, static_cast<uint32_t>(options.sockets));
  const std::unique_ptr<Engine> engine = OpenEngine();
  bool doubts = false;
  const auto dump = [&](Completeness completeness) {
    doubts |= Dump(engine.get(), testing::QueryOf(kind, completeness), nullptr);
  };
  const Comparison comparison = Compare(
      options, Clock::kWall, [&] { dump(Completeness::kExact); },
      [&] { dump(Completeness::kFast); });
  Prove(!doubts, "no doubt when nothing happens");
  PrintTime(std::string(testing::NameOf(kind)) + ", kFast, quiet", comparison.b);
  Claim(std::string(testing::NameOf(kind)) + ", kExact / kFast, quiet", comparison.ratio,
        AtMost(1.3), " ×");
}

int Main(int argc, char** argv) {
  const Options options =
      ParseOptions(argc, argv, {.sockets = 1500, .repetitions = 200, .warm_up = 2});
  constexpr std::array kKinds = {Kind::kUdp, Kind::kListeners, Kind::kConnections, Kind::kUnix};
  for (const Kind kind : kKinds) {
    testing::InOneBucket(kind, [&] { UnderChurn(kind, options); });
  }
  for (const Kind kind : kKinds) {
    testing::InCrowdedNetns([&] { WhenQuiet(kind, options); });
  }
  return 0;
}

}  // namespace
}  // namespace netdiag::bench

int main(int argc, char** argv) { return netdiag::bench::Main(argc, argv); }
