// Misses and repetitions under churn, beside ss, and what exactness costs when nothing happens.
//
//   tools/dev bench exactness [--sockets=1500] [--repetitions=200]
//
// --sockets: that live through and share a port; --repetitions: dumps of each kind.

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

// Whether the dump raised a doubt.
bool Dump(Engine* engine, Kind kind, Completeness completeness, Tally* tally) {
  const Query query = testing::QueryOf(kind, completeness);
  const absl::StatusOr<Summary> summary =
      tally != nullptr ? testing::DumpInto(tally, engine, query)
                       : engine->Visit(query, [](const Row&) { return Flow::kContinue; });
  if (!summary.ok() || summary->tables.size() != 1 || !summary->tables[0].status.ok()) {
    Die("Visit failed");
  }
  return !summary->tables[0].doubt.ok();
}

// The cookies that ss prints, as "sk:" and a number in hexadecimal.
void RunSs(Kind kind, Tally* tally) {
  const char* options = kind == Kind::kUdp         ? "-Huane"
                        : kind == Kind::kListeners ? "-Htlne"
                                                   : "-Htane";
  for (const std::string& line : RunForLines({"ss", options})) {
    const size_t at = line.find(" sk:");
    if (at != std::string::npos) tally->Add(std::stoull(line.substr(at + 4), nullptr, 16));
  }
}

// What dumps of one reader were.
struct Outcome {
  int missed = 0;
  int twice = 0;
  int doubts = 0;
  int unflagged = 0;  // missed a socket and raised no doubt
};

// `dump` says whether it raised a doubt; of ss nobody knows.
Outcome Run(const Options& options, const char* reader, Kind kind, const Crowd& crowd,
            const std::function<bool(Tally*)>& dump, bool tells) {
  Outcome outcome;
  for (int i = 0; i < options.repetitions; ++i) {
    Tally tally;
    const bool doubt = dump(&tally);
    const Count count = tally.Of(crowd);
    outcome.missed += count.missed > 0 ? 1 : 0;
    outcome.twice += count.twice > 0 ? 1 : 0;
    outcome.doubts += doubt ? 1 : 0;
    outcome.unflagged += count.missed > 0 && !doubt ? 1 : 0;
  }
  std::printf("%-16s %-12s %6d dumps  %6d missed a live socket  %6d gave one twice", reader,
              testing::NameOf(kind), options.repetitions, outcome.missed, outcome.twice);
  if (tells) std::printf("  %6d doubts", outcome.doubts);
  std::printf("\n");
  std::fflush(stdout);
  return outcome;
}

void UnderChurn(Kind kind, const Options& options) {
  const Crowd crowd(kind, static_cast<uint32_t>(options.sockets));
  const std::unique_ptr<Engine> engine = OpenEngine();
  const Churn churn(kind);
  const auto run = [&](const char* reader, Engine* by, Completeness completeness) {
    return Run(
        options, reader, kind, crowd,
        [&](Tally* tally) { return Dump(by, kind, completeness, tally); }, true);
  };
  // ss shows no cookies of unix sockets.
  if (kind != Kind::kUnix) {
    Run(
        options, "ss", kind, crowd, [&](Tally* tally) { return RunSs(kind, tally), false; }, false);
  }
  const Outcome fast = run("kFast", engine.get(), Completeness::kFast);
  const Outcome exact = run("kExact", engine.get(), Completeness::kExact);
  // With an Engine of its own: what root has loaded stays loaded.
  Outcome nobody;
  testing::AsNobody(
      [&] { nobody = run("kExact, nobody", OpenEngine().get(), Completeness::kExact); });
  Prove(fast.twice == 0 && exact.twice == 0 && nobody.twice == 0, "sockets, each once");
  Prove(fast.unflagged == 0 && nobody.unflagged == 0, "dumps that miss one and those that doubt");
  Prove(exact.missed == 0 && exact.doubts == 0, "kExact as root and what lived through");
}

void WhenQuiet(Kind kind, const Options& options) {
  const Crowd crowd(kind, static_cast<uint32_t>(options.sockets));
  const std::unique_ptr<Engine> engine = OpenEngine();
  bool doubts = false;
  const auto dump = [&](Completeness completeness) {
    doubts |= Dump(engine.get(), kind, completeness, nullptr);
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
    testing::Within(kind, [&] { UnderChurn(kind, options); });
  }
  for (const Kind kind : kKinds) {
    testing::Alone([&] { WhenQuiet(kind, options); });
  }
  return 0;
}

}  // namespace
}  // namespace netdiag::bench

int main(int argc, char** argv) { return netdiag::bench::Main(argc, argv); }
