// The kernel's tables read by BPF, dumps, and the choice between them, from 100 sockets to a
// million.
//
//   tools/dev bench table [--sockets=1000000] [--repetitions=5] [--warm-up=1]
//
// "Once" is a new Engine with one query, as in a program that lists and ends; what is loaded
// counts. "Again" is an Engine that has polled before. First the rows of both are compared.

#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "bench/compare.h"
#include "bench/population.h"
#include "bench/raw_dump.h"
#include "bench/touch.h"
#include "netdiag/bpf/kernel_table.h"
#include "netdiag/engine.h"
#include "netdiag/row.h"

namespace netdiag::bench {
namespace {

// A dump, as if the program could not be loaded, is what an Engine does that is asked for cookies.
enum class How { kDump, kTable, kAuto };

class Lister {
 public:
  Lister(How how, size_t threads, Depth depth = Depth::kAll) {
    absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(
        {.source = how == How::kTable ? RowSource::kTable : RowSource::kAuto, .threads = threads});
    if (!engine.ok()) Die(std::string(engine.status().message()));
    engine_ = *std::move(engine);
    query_.protocols = {Protocol::kTcp};
    query_.cookies = how == How::kDump;
    query_.depth = depth;
  }

  // The sum of the fields of all rows, as far as the depth goes.
  uint64_t Visit() {
    uint64_t sum = 0;
    const absl::StatusOr<Summary> summary = engine_->Visit(query_, [&](const Row& row) {
      source_ = row.source();
      sum += query_.depth == Depth::kAll ? Touch(*row.inet()) : TouchBasic(*row.inet());
      return Flow::kContinue;
    });
    if (!summary.ok() || !summary->tables[0].status.ok()) Die("Visit failed");
    return sum;
  }
  SourceKind source() const { return source_; }

 private:
  std::unique_ptr<Engine> engine_;
  Query query_;
  SourceKind source_ = SourceKind::kNetlink;
};

// Two threads share the work, so their time is measured as wall time.
Clock ClockOf(size_t threads) { return threads > 1 ? Clock::kWall : Clock::kThreadCpu; }

void ClaimChoice(const std::string& what, const Comparison& both, const Comparison& choice) {
  PrintTime(what + ", dump", both.a);
  PrintTime(what + ", table", both.b);
  PrintTime(what + ", automatic", choice.a);
  Claim(what + ": automatic / the better of both", choice.ratio, AtMost(1.20));
}

void BenchOnce(const Options& options, size_t threads) {
  const auto once = [threads](How how) { Lister(how, threads).Visit(); };
  const Comparison both = Compare(
      options, ClockOf(threads), [&] { once(How::kDump); }, [&] { once(How::kTable); });
  const How better = both.a.median <= both.b.median ? How::kDump : How::kTable;
  const Comparison choice = Compare(
      options, ClockOf(threads), [&] { once(How::kAuto); }, [&] { once(better); });
  ClaimChoice("once, " + std::to_string(threads) + " thread(s)", both, choice);
}

void BenchAgain(const Options& options, size_t threads) {
  Lister dump(How::kDump, threads), table(How::kTable, threads), automatic(How::kAuto, threads);
  // What the choice loads, it has loaded after so many sockets.
  for (int i = 0; i < 500'000 / options.sockets + 2 && i < 100; ++i) automatic.Visit();
  Prove(dump.Visit() == table.Visit() && dump.Visit() == automatic.Visit(),
        "every field of a dump and of the table");
  const Comparison both = Compare(
      options, ClockOf(threads), [&] { dump.Visit(); }, [&] { table.Visit(); });
  Lister* const better = both.a.median <= both.b.median ? &dump : &table;
  const Comparison choice = Compare(
      options, ClockOf(threads), [&] { automatic.Visit(); }, [&] { better->Visit(); });
  ClaimChoice("again, " + std::to_string(threads) + " thread(s)", both, choice);
  std::printf("  the choice: %s\n", std::string(Name(automatic.source())).c_str());
}

void BenchFloor(const Options& options) {
  RawDump dump;
  const auto floor = [&] { dump.Run(0, [](const std::byte*, size_t) {}); };
  const auto by = [&](Lister* lister, Clock clock) {
    return Compare(
        options, clock, [&] { lister->Visit(); }, floor);
  };
  Lister one(How::kTable, 1, Depth::kBasic), two(How::kTable, 2, Depth::kBasic);
  Prove(one.Visit() == Lister(How::kDump, 1, Depth::kBasic).Visit(), "every basic field");
  const Comparison alone = by(&one, Clock::kThreadCpu);
  PrintTime("a raw dump, dropped", alone.b);
  Claim("Visit of every basic field by the table, one thread / floor", alone.ratio, AtMost(0.65));
  Claim("the same with two threads, wall", by(&two, Clock::kWall).ratio, AtMost(0.40));
  Lister all(How::kTable, 1), all_by_two(How::kTable, 2);
  std::printf("  for the record: every field, one thread / floor: %.3f; with two threads: %.3f\n",
              by(&all, Clock::kThreadCpu).ratio.median, by(&all_by_two, Clock::kWall).ratio.median);
}

void Main(const Options& options) {
  if (const absl::Status status = bpf::KernelTable::Check(); !status.ok()) {
    std::printf("the kernel's tables cannot be read here: %s\n",
                std::string(status.message()).c_str());
    return;
  }
  EnterPrivateNamespace();
  for (const int sockets : {100, 1'000, 10'000, 31'623, 100'000, 316'228, 1'000'000}) {
    if (sockets > options.sockets) break;
    const Population population({.tcp = sockets});
    std::printf("\n%d TCP sockets held by %zu processes\n", sockets, population.holders().size());
    Options size = options;
    size.sockets = sockets;
    for (const size_t threads : {size_t{1}, size_t{2}}) {
      BenchAgain(size, threads);
      BenchOnce(size, threads);
    }
    if (sockets >= 100'000) BenchFloor(size);
  }
}

}  // namespace
}  // namespace netdiag::bench

int main(int argc, char** argv) {
  netdiag::bench::Main(netdiag::bench::ParseOptions(
      argc, argv, {.sockets = 1'000'000, .repetitions = 5, .warm_up = 1}));
}
