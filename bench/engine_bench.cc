// The engine compared with the floor, with /proc/net and with its own steps; and the memory of
// diag.
//
//   tools/dev bench engine [--sockets=100000] [--repetitions=15] [--warm-up=2]

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/child.h"
#include "bench/compare.h"
#include "bench/population.h"
#include "bench/proc_net.h"
#include "bench/raw_dump.h"
#include "bench/touch.h"
#include "netdiag/engine.h"
#include "netdiag/fields.h"

namespace netdiag::bench {
namespace {

Query TcpQuery(ExtensionSet extensions = {}) {
  return {.protocols = {Protocol::kTcp}, .extensions = extensions};
}

std::unique_ptr<Engine> OpenEngine() {
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open();
  if (!engine.ok()) Die(std::string(engine.status().message()));
  return *std::move(engine);
}

// Visits every row. Ends the program unless the answer was complete.
template <class F>
uint64_t VisitAll(Engine* engine, const Query& query, F&& use) {
  const absl::StatusOr<Summary> summary = engine->Visit(query, [&](const Row& row) {
    use(row);
    return Flow::kContinue;
  });
  if (!summary.ok() || !summary->tables[0].status.ok()) Die("Visit failed");
  return summary->rows;
}

// A hash of a row. The sum over all rows does not depend on their order.
uint64_t HashOf(std::initializer_list<uint64_t> words) {
  uint64_t hash = 0x9e3779b97f4a7c15;
  for (const uint64_t word : words) {
    hash = (hash ^ word) * 0xff51afd7ed558ccd;
    hash ^= hash >> 32;
  }
  return hash;
}

std::pair<uint64_t, uint64_t> Words(const IpAddress& address) {
  uint64_t words[2] = {};
  std::memcpy(words, address.octets().data(), address.octets().size());
  return {words[0], words[1]};
}

uint64_t HashOfVisit(Engine* engine, ExtensionSet extensions) {
  uint64_t sum = 0;
  VisitAll(engine, TcpQuery(extensions), [&](const Row& row) {
    const InetSocket& socket = *row.inet();
    const auto local = Words(socket.local().address);
    const auto remote = Words(socket.remote().address);
    sum += HashOf({socket.cookie().value(), static_cast<uint64_t>(socket.state()), local.first,
                   local.second, remote.first, remote.second, socket.local_port().value(),
                   socket.remote_port().value()});
  });
  return sum;
}

// The same from the struct of the kernel.
uint64_t HashOfReference(RawDump* dump, uint8_t extensions) {
  uint64_t sum = 0;
  dump->Run(extensions, [&](const std::byte* payload, size_t) {
    inet_diag_msg message;
    std::memcpy(&message, payload, sizeof(message));
    uint64_t local[2], remote[2];
    std::memcpy(local, message.id.idiag_src, sizeof(local));
    std::memcpy(remote, message.id.idiag_dst, sizeof(remote));
    sum += HashOf({message.id.idiag_cookie[0] | uint64_t{message.id.idiag_cookie[1]} << 32,
                   message.idiag_state, local[0], local[1], remote[0], remote[1],
                   __builtin_bswap16(message.id.idiag_sport),
                   __builtin_bswap16(message.id.idiag_dport)});
  });
  return sum;
}

// Keeps the compiler from removing the computation of `value`.
void Keep(uint64_t value) { asm volatile("" : : "r"(value)); }

void BenchFloor(const Options& options, std::string_view what, ExtensionSet extensions) {
  const std::unique_ptr<Engine> engine = OpenEngine();
  RawDump dump;
  const auto bits = static_cast<uint8_t>(extensions.bits());
  Prove(dump.Run(bits, [](const std::byte*, size_t) {}) == static_cast<uint64_t>(options.sockets),
        "sockets in the population");
  Prove(HashOfVisit(engine.get(), extensions) == HashOfReference(&dump, bits),
        "cookies, states and endpoints of Visit and of a reference decoder");

  const Query query = TcpQuery(extensions);
  const auto floor = [&] { Keep(dump.Run(bits, [](const std::byte*, size_t) {})); };
  const auto visit = [&] {
    uint64_t sum = 0;
    VisitAll(engine.get(), query, [&](const Row& row) { sum += Touch(*row.inet()); });
    Keep(sum);
  };
  const Comparison touched = Compare(options, Clock::kThreadCpu, visit, floor);
  const std::string name(what);
  PrintTime(name + ", floor", touched.b);
  PrintTime(name + ", Visit, every field touched", touched.a);
  Claim(name + ": Visit / floor", touched.ratio, AtMost(1.10));

  const auto by_table = [&] {
    uint64_t present = 0;
    VisitAll(engine.get(), query, [&](const Row& row) {
      for (const Field& field : AllFields()) present += !IsAbsent(field.get(row, 0));
    });
    Keep(present);
  };
  const Comparison fields = Compare(options, Clock::kThreadCpu, by_table, floor);
  std::printf("  for the record: through AllFields() (%zu getters) / floor: %.3f\n",
              AllFields().size(), fields.ratio.median);
}

void BenchSteps(const Options& options) {
  const std::unique_ptr<Engine> engine = OpenEngine();
  Query query = TcpQuery();
  query.states = State::kListen;
  query.bounded_steps = true;
  std::vector<double> steps, waits;
  for (int i = 0; i < options.warm_up + options.repetitions; ++i) {
    if (i == options.warm_up) {
      steps.clear();
      waits.clear();
    }
    if (!engine->Begin(query).ok()) Die("Begin failed");
    absl::StatusOr<netlink::Ready> ready = netlink::Ready::kSome;
    while (ready.ok() && *ready != netlink::Ready::kDone) {
      waits.push_back(SecondsOf(Clock::kWall, [&] {
        steps.push_back(SecondsOf(Clock::kThreadCpu, [&] {
          ready = engine->Step([](const Row&) { return Flow::kContinue; });
        }));
      }));
      if (ready.ok() && *ready == netlink::Ready::kWouldBlock) Die("a dump made a step wait");
    }
    if (!ready.ok()) Die("Step failed");
  }
  std::printf("one Step, LISTEN asked for, bounded_steps, %zu steps a dump\n",
              steps.size() / static_cast<size_t>(options.repetitions));
  for (const auto& [name, values] : {std::pair("CPU", steps), std::pair("wall", waits)}) {
    std::printf("  %-5s p50 %.0f µs, p99 %.0f µs\n", name, Percentile(values, 0.50) * 1e6,
                Percentile(values, 0.99) * 1e6);
  }
  std::fflush(stdout);
}

// The values that /proc/net/tcp has too. It prints no backlog of listeners.
uint64_t SumOf(const ProcTcp& row) {
  uint64_t sum = row.local_port + row.remote_port + row.state + row.receive_queue + row.uid +
                 row.inode + row.send_queue;
  for (const uint32_t word : row.local) sum += word;
  for (const uint32_t word : row.remote) sum += word;
  return sum;
}

uint64_t SumOf(const IpAddress& address) {
  uint32_t words[4] = {};
  std::memcpy(words, address.octets().data(), address.octets().size());
  return uint64_t{words[0]} + words[1] + words[2] + words[3];
}

uint64_t SumOf(const InetSocket& socket) {
  const uint32_t send_queue = socket.state() == State::kListen ? 0 : socket.send_queue();
  return uint64_t{socket.local_port().value()} + socket.remote_port().value() +
         static_cast<uint64_t>(socket.state()) + socket.receive_queue() + socket.uid().value() +
         socket.inode().value() + send_queue + SumOf(socket.local().address) +
         SumOf(socket.remote().address);
}

void BenchProcNet(const Options& options) {
  const std::unique_ptr<Engine> engine = OpenEngine();
  const Query query = TcpQuery();
  uint64_t of_visit = 0;
  uint64_t of_proc = 0;
  const auto visit = [&] {
    of_visit = 0;
    VisitAll(engine.get(), query, [&](const Row& row) { of_visit += SumOf(*row.inet()); });
  };
  const auto proc = [&] {
    of_proc = 0;
    ForEachProcTcp([&](const ProcTcp& row) { of_proc += SumOf(row); });
  };
  visit();
  proc();
  Prove(of_visit == of_proc, "fields of Visit and of /proc/net/tcp, tcp6");
  const Comparison pair = Compare(options, Clock::kThreadCpu, proc, visit);
  PrintTime("/proc/net/tcp and tcp6 parsed", pair.a);
  PrintTime("Visit, the same fields", pair.b);
  Claim("/proc/net / Visit", pair.ratio, AtLeast(2.0), " ×");
}

// In MiB. The median of a few runs, which differ by a page or two.
Spread PeakOfDiag() {
  std::vector<double> peaks;
  for (int i = 0; i < 5; ++i) {
    peaks.push_back(RunToNull({DiagProgram(), "-tan"}).peak_mib);
  }
  return SpreadOf(peaks);
}

void BenchMemory(const Spread& few, const Spread& many) {
  Claim("peak RSS of diag -tan", many, AtMost(16), " MiB");
  const double more = many.median - few.median;
  Claim("the same, above that at 1000 sockets", {more, more, more}, AtMost(2), " MiB");
}

void Main(const Options& options) {
  EnterPrivateNamespace();
  Spread few;
  {
    const Population small({.tcp = 1'000});
    few = PeakOfDiag();
  }
  const Population population({.tcp = options.sockets});
  std::printf("%d TCP sockets held by %zu processes; %d pairs\n", options.sockets,
              population.holders().size(), options.repetitions);
  BenchMemory(few, PeakOfDiag());
  BenchFloor(options, "TCP", {});
  BenchFloor(options, "TCP with tcp_info", Extension::kInfo);
  BenchSteps(options);
  BenchProcNet(options);
}

}  // namespace
}  // namespace netdiag::bench

int main(int argc, char** argv) { netdiag::bench::Main(netdiag::bench::ParseOptions(argc, argv)); }
