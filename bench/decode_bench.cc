// Decoding rows of a capture: rows per second, allocations, and instructions per row.
//
//   tools/dev bench decode [google benchmark's flags]
//   decode_bench --once=ROWS [--tcp-info]        visits once, for valgrind: see
//   instructions_bench.sh

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include <benchmark/benchmark.h>

#include "bench/population.h"
#include "bench/synthetic.h"
#include "bench/touch.h"
#include "netdiag/engine.h"
#include "netdiag/row.h"
#include "tests/testing/alloc_counter.h"

namespace netdiag::bench {
namespace {

std::unique_ptr<Engine> OpenReplay(const std::string& capture) {
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open({.replay = AsBytes(capture)});
  if (!engine.ok()) Die("the capture cannot be replayed");
  return *std::move(engine);
}

// Reads every field of every row. Ends the program unless there are `rows` rows.
uint64_t VisitOnce(Engine* engine, const Query& query, uint64_t rows) {
  uint64_t sum = 0;
  const absl::StatusOr<Summary> summary = engine->Visit(query, [&](const Row& row) {
    sum += Touch(*row.inet());
    return Flow::kContinue;
  });
  if (!summary.ok() || summary->rows != rows || summary->damaged != 0) Die("the replay failed");
  return sum;
}

void Decode(benchmark::State& state, bool tcp_info) {
  const int rows = static_cast<int>(state.range(0));
  const std::string capture = SyntheticCapture({rows, tcp_info});
  const std::unique_ptr<Engine> engine = OpenReplay(capture);
  const Query query = {.protocols = {Protocol::kTcp}};
  VisitOnce(engine.get(), query, static_cast<uint64_t>(rows));
  const testing::AllocCounter counter;
  for (auto _ : state) {
    benchmark::DoNotOptimize(VisitOnce(engine.get(), query, static_cast<uint64_t>(rows)));
  }
  const double visited = static_cast<double>(state.iterations()) * rows;
  state.counters["allocations/row"] = static_cast<double>(counter.count()) / visited;
  state.counters["rows/s"] = benchmark::Counter(visited, benchmark::Counter::kIsRate);
  state.counters["s/row"] =
      benchmark::Counter(visited, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK_CAPTURE(Decode, tcp, false)->RangeMultiplier(10)->Range(100, 100'000);
BENCHMARK_CAPTURE(Decode, tcp_with_info, true)->RangeMultiplier(10)->Range(100, 100'000);

// For the instructions of a run without the making of the capture: callgrind's
// --toggle-collect=netdiag_bench_once counts only this function.
extern "C" [[gnu::noinline]] uint64_t netdiag_bench_once(Engine* engine, uint64_t rows) {
  return VisitOnce(engine, {.protocols = {Protocol::kTcp}}, rows);
}

int Once(std::string_view count, bool tcp_info) {
  int rows = 0;
  std::from_chars(count.data(), count.data() + count.size(), rows);
  const std::string capture = SyntheticCapture({rows, tcp_info});
  const std::unique_ptr<Engine> engine = OpenReplay(capture);
  std::printf("%llu\n", static_cast<unsigned long long>(
                            netdiag_bench_once(engine.get(), static_cast<uint64_t>(rows))));
  return 0;
}

}  // namespace
}  // namespace netdiag::bench

int main(int argc, char** argv) {
  constexpr std::string_view kOnce = "--once=";
  const std::string_view first = argc > 1 ? argv[1] : "";
  if (first.starts_with(kOnce)) {
    return netdiag::bench::Once(first.substr(kOnce.size()),
                                argc > 2 && std::string_view(argv[2]) == "--tcp-info");
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
