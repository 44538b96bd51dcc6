// Owners from /proc and from BPF, and whether the automatic choice between them is good.
//
//   tools/dev bench owner_sources [--sockets=100000] [--repetitions=7] [--warm-up=1]
//
// For populations from 100 sockets to 316 228, in half powers of ten and between. First with an
// index made for one scan, including the load of the BPF program, as diag -p does. Then with an
// index that has loaded it, as a daemon does. Then /proc with two threads compared with one, and
// the second scan of a population compared with its first scan, which finds nothing of it in the
// kernel's caches; so each of these has a population of its own. The answers of both sources are
// compared first.

#include <cstdio>
#include <string>
#include <vector>

#include "bench/compare.h"
#include "bench/population.h"
#include "netdiag/process/owner_index.h"

namespace netdiag::bench {
namespace {

void Refresh(OwnerIndex* index) {
  if (!index->Refresh().ok()) Die("owners cannot be read");
}

// A scan with a new index.
void ScanOnce(OwnerSource source) {
  OwnerIndex index({.source = source});
  Refresh(&index);
}

void ProveSameAnswers() {
  OwnerIndex proc({.source = OwnerSource::kProc});
  OwnerIndex bpf({.source = OwnerSource::kBpf});
  Refresh(&proc);
  Refresh(&bpf);
  // Other programs on the machine can change the number a little between two scans.
  const double ratio =
      static_cast<double>(proc.stats().sockets) / static_cast<double>(bpf.stats().sockets);
  std::printf("%llu sockets by /proc, %llu by BPF\n",
              static_cast<unsigned long long>(proc.stats().sockets),
              static_cast<unsigned long long>(bpf.stats().sockets));
  Prove(ratio > 0.95 && ratio < 1.05, "number of sockets held, within 5 %");
}

void BenchOnce(const Options& options) {
  const Comparison sources = Compare(
      options, Clock::kThreadCpu, [] { ScanOnce(OwnerSource::kProc); },
      [] { ScanOnce(OwnerSource::kBpf); });
  PrintTime("one scan, /proc", sources.a);
  PrintTime("one scan, BPF, load included", sources.b);
  const OwnerSource better =
      sources.a.median <= sources.b.median ? OwnerSource::kProc : OwnerSource::kBpf;
  const Comparison choice = Compare(
      options, Clock::kThreadCpu, [] { ScanOnce(OwnerSource::kAuto); }, [&] { ScanOnce(better); });
  PrintTime("one scan, automatic", choice.a);
  Claim("automatic / the better of both", choice.ratio, AtMost(1.15), " ×");
}

void BenchLoaded(const Options& options) {
  OwnerIndex proc({.source = OwnerSource::kProc});
  OwnerIndex bpf({.source = OwnerSource::kBpf});
  const Comparison pair = Compare(
      options, Clock::kThreadCpu, [&] { Refresh(&proc); }, [&] { Refresh(&bpf); });
  PrintTime("another scan, /proc", pair.a);
  PrintTime("another scan, BPF", pair.b);
  Claim("another scan, /proc / BPF", pair.ratio, AtLeast(options.sockets < 10'000 ? 1 : 4), " ×");
}

// Measures wall time, because threads have CPU times of their own.
void BenchThreads(const Options& options) {
  OwnerIndex one({.source = OwnerSource::kProc});
  OwnerIndex two({.source = OwnerSource::kProc, .threads = 2});
  Refresh(&one);
  Refresh(&two);
  Prove(one.stats().sockets == two.stats().sockets, "sockets found by one thread and by two");
  const Comparison pair = Compare(
      options, Clock::kWall, [&] { Refresh(&one); }, [&] { Refresh(&two); });
  PrintTime("another scan, /proc, 1 thread", pair.a);
  PrintTime("another scan, /proc, 2 threads", pair.b);
  Claim("/proc, 1 thread / 2 threads", pair.ratio, AtLeast(1.5), " ×");
}

// The first and the second scan of a new population, with a new index.
void BenchAgain(const Options& options, OwnerSource source, double at_most) {
  std::vector<double> firsts, agains, ratios;
  for (int i = 0; i < options.repetitions; ++i) {
    const Population population({.tcp = options.sockets});
    OwnerIndex index({.source = source});
    firsts.push_back(SecondsOf(Clock::kThreadCpu, [&] { Refresh(&index); }));
    agains.push_back(SecondsOf(Clock::kThreadCpu, [&] { Refresh(&index); }));
    ratios.push_back(agains.back() / firsts.back());
  }
  const std::string name = source == OwnerSource::kProc ? "/proc" : "BPF";
  PrintTime("first scan of an index, " + name, SpreadOf(firsts));
  PrintTime("Refresh again, " + name, SpreadOf(agains));
  Claim("Refresh again / first, " + name, SpreadOf(ratios), AtMost(at_most), " ×");
}

void BenchMemory() {
  OwnerIndex index({.source = OwnerSource::kProc});
  Refresh(&index);
  const double bytes =
      static_cast<double>(index.memory()) / static_cast<double>(index.stats().sockets);
  Claim("index bytes a socket", {bytes, bytes, bytes}, AtMost(32));
}

void BenchLarge(const Options& options) {
  if (options.sockets < 10'000) return;
  {
    const Population population({.tcp = options.sockets});
    std::printf("\n%d TCP sockets held by %zu processes: threads, memory, scans again\n",
                options.sockets, population.holders().size());
    BenchThreads(options);
    BenchMemory();
  }
  BenchAgain(options, OwnerSource::kProc, 0.85);
  BenchAgain(options, OwnerSource::kBpf, 1.0);
}

void Main(const Options& options) {
  EnterPrivateNamespace();
  constexpr int kSizes[] = {100,    316,    1'000,  3'162,   5'000,  8'000,
                            12'000, 18'000, 31'623, 100'000, 316'228};
  for (const int sockets : kSizes) {
    // With the default options also the largest population.
    if (sockets > options.sockets && options.sockets < 100'000) break;
    const Population population({.tcp = sockets});
    std::printf("\n%d TCP sockets held by %zu processes\n", sockets, population.holders().size());
    ProveSameAnswers();
    BenchOnce(options);
    Options size = options;
    size.sockets = sockets;
    BenchLoaded(size);
  }
  BenchLarge(options);
}

}  // namespace
}  // namespace netdiag::bench

int main(int argc, char** argv) {
  netdiag::bench::Main(netdiag::bench::ParseOptions(argc, argv, {.repetitions = 7, .warm_up = 1}));
}
