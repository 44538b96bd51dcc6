// The CPU time of the steps of a query with a budget of time, as an event loop makes them
// (Budget::cpu_time): the longest step, and how long the steps are. Beside them, a loop that does
// nothing but read its clock until the budget is spent. It shows what the machine adds to a step.
//
//   tools/dev bench steps [--sockets=100000] [--repetitions=15]

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>
#include <poll.h>
#include <string>
#include <utility>
#include <vector>

#include "bench/compare.h"
#include "bench/population.h"
#include "netdiag/engine.h"
#include "netdiag/row.h"

namespace netdiag::bench {
namespace {

using netlink::Ready;

constexpr std::chrono::microseconds kBudget{500};

double ThreadMicros() {
  timespec time = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

// Appends the time of Begin() and of each step of one query. Returns the number of rows.
uint64_t Ask(Engine* engine, const Query& query, std::vector<double>* micros) {
  uint64_t owners = 0;
  const auto visit = [&](const Row& row) {
    owners += row.owners().size();
    return Flow::kContinue;
  };
  double before = ThreadMicros();
  if (!engine->Begin(query).ok()) Die("Begin failed");
  micros->push_back(ThreadMicros() - before);
  for (absl::StatusOr<Ready> ready = Ready::kSome; *ready != Ready::kDone;) {
    before = ThreadMicros();
    ready = engine->Step(visit, {.cpu_time = kBudget});
    micros->push_back(ThreadMicros() - before);
    if (!ready.ok()) Die("Step failed");
    pollfd wait = {.fd = engine->fd(), .events = POLLIN, .revents = 0};
    if (*ready == Ready::kWouldBlock) poll(&wait, 1, -1);
  }
  return engine->summary().rows;
}

// `first`: the times of the steps of the first query. `later`: those of `queries` queries after it.
void Print(const std::string& name, uint64_t rows, std::vector<double> first,
           std::vector<double> later, size_t queries) {
  std::ranges::sort(first);
  std::ranges::sort(later);
  const auto part = [&](double share) {
    return later[static_cast<size_t>(share * static_cast<double>(later.size() - 1))];
  };
  std::printf(
      "%-28s %8llu rows %7zu steps: %5.0f us median, %5.0f 99 %%, %5.0f longest; %5.0f in "
      "the first query\n",
      name.c_str(), static_cast<unsigned long long>(rows), later.size() / queries, part(0.5),
      part(0.99), later.back(), first.back());
}

void Measure(const std::string& name, const EngineOptions& engine_options, const Query& query,
             int repetitions) {
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(engine_options);
  if (!engine.ok()) Die("Open failed");
  std::vector<double> first, later;
  const uint64_t rows = Ask(engine->get(), query, &first);
  for (int i = 1; i < repetitions; ++i) Ask(engine->get(), query, &later);
  Print(name, rows, std::move(first), std::move(later), static_cast<size_t>(repetitions - 1));
}

void MeasureEmptyLoop(size_t steps) {
  std::vector<double> micros;
  for (size_t i = 0; i < 2 * steps; ++i) {
    const double before = ThreadMicros();
    double now = before;
    while (now - before < std::chrono::duration<double, std::micro>(kBudget).count()) {
      now = ThreadMicros();
    }
    micros.push_back(ThreadMicros() - before);
  }
  const auto half = micros.begin() + static_cast<std::ptrdiff_t>(steps);
  Print("an empty loop", 0, {micros.begin(), half}, {half, micros.end()}, 1);
}

void Main(const Options& options) {
  EnterPrivateNamespace();
  const Population population({.tcp = options.sockets});
  const Query plain{.protocols = {Protocol::kTcp}};
  Query owners = plain;
  owners.owners = true;
  Query cached = owners;
  cached.owner_policy = OwnerPolicy::kCached;
  const int repetitions = std::max(options.repetitions, 2);
  MeasureEmptyLoop(static_cast<size_t>(repetitions) * 200);
  Measure("without owners", {}, plain, repetitions);
  Measure("owners, of /proc", {.owner_source = OwnerSource::kProc}, owners, repetitions);
  Measure("owners, by BPF", {.owner_source = OwnerSource::kBpf}, owners, repetitions);
  Measure("cached owners, of /proc", {.owner_source = OwnerSource::kProc}, cached, repetitions);
  Measure("cached owners, by BPF", {.owner_source = OwnerSource::kBpf}, cached, repetitions);
}

}  // namespace
}  // namespace netdiag::bench

int main(int argc, char** argv) { netdiag::bench::Main(netdiag::bench::ParseOptions(argc, argv)); }
