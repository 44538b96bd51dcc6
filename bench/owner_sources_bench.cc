// Owners from /proc and by BPF, and whether the automatic choice between them is a good one.
//
//   tools/dev bench owner_sources [--sockets=100000] [--repetitions=7] [--warm-up=1]
//
// For populations from a hundred sockets up. First an index made for one scan, the load of the BPF
// program included: what diag -p does. Then one that has loaded it: what a daemon does. Both
// sources' answers are compared before anything is timed.

#include <cstdio>
#include <string>

#include "bench/compare.h"
#include "bench/population.h"
#include "netdiag/process/process.h"

namespace netdiag::bench {
namespace {

void Refresh(OwnerIndex* index) {
  if (!index->Refresh().ok()) Die("owners cannot be read");
}

// A scan by an index of its own.
void ScanOnce(OwnerSource source) {
  OwnerIndex index({.source = source});
  Refresh(&index);
}

void ProveSameAnswers() {
  OwnerIndex proc({.source = OwnerSource::kProc});
  OwnerIndex bpf({.source = OwnerSource::kBpf});
  Refresh(&proc);
  Refresh(&bpf);
  // What else runs on the machine can differ by a few from one scan to the next.
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

void Main(const Options& options) {
  EnterPrivateNamespace();
  for (int sockets : {100, 300, 1'000, 3'000, 5'000, 8'000, 12'000, 18'000, 30'000, 100'000}) {
    if (sockets > options.sockets) break;
    const Population population({.tcp = sockets});
    std::printf("\n%d TCP sockets held by %zu processes\n", sockets, population.holders().size());
    ProveSameAnswers();
    BenchOnce(options);
    Options size = options;
    size.sockets = sockets;
    BenchLoaded(size);
  }
}

}  // namespace
}  // namespace netdiag::bench

int main(int argc, char** argv) {
  netdiag::bench::Main(netdiag::bench::ParseOptions(argc, argv, {.repetitions = 7, .warm_up = 1}));
}
