// Engines: opening, queries, capabilities. Tested by tests/c/netdiag_test.cc.

#include "netdiag/c/engine.h"

#include <chrono>
#include <span>
#include <utility>

#include "netdiag/c/query.h"
#include "netdiag/capabilities.h"
#include "netdiag/dump/table.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/process/owner.h"
#include "netdiag/row.h"
#include "netdiag/types/error.h"

namespace netdiag::c {
namespace {

// A batch of netdiag_visit() is shown when it has this many rows.
constexpr size_t kRowsOfBatch = 1024;
// Timeouts above a century are none.
constexpr int64_t kLongestTimeout = int64_t{100} * 366 * 86400 * 1'000'000;

absl::StatusOr<EngineOptions> ReadEngineOptions(const netdiag_options* given) {
  NETDIAG_ASSIGN_OR_RETURN(const netdiag_options options, ReadOptions(given));
  EngineOptions read;
  if (options.proc_root != nullptr) read.proc_root = options.proc_root;
  if (options.netns != nullptr) {
    NETDIAG_ASSIGN_OR_RETURN(read.netns, netlink::NetNs::FromName(options.netns, read.proc_root));
  }
  read.all_netns = options.all_netns != 0;
  if (options.owner_source > NETDIAG_SOURCE_BPF) {
    return BadInput("owner_source", std::to_string(options.owner_source), "is unknown");
  }
  constexpr OwnerSource kSources[] = {OwnerSource::kAuto, OwnerSource::kProc, OwnerSource::kBpf};
  read.owner_source = kSources[options.owner_source];
  if (options.threads > 1) read.threads = options.threads;
  if (options.replay != nullptr) {
    read.replay = Bytes(static_cast<const std::byte*>(options.replay), options.replay_size);
  }
  if (options.later_replays != nullptr) {
    for (const netdiag_bytes& later :
         std::span(options.later_replays, options.later_replays_count)) {
      read.later_replays.emplace_back(static_cast<const std::byte*>(later.data), later.size);
    }
  }
  return read;
}

absl::StatusOr<int> Open(const netdiag_options* options, netdiag_engine** engine) {
  if (engine == nullptr) return ErrnoError(EINVAL, "engine", "it is null");
  auto made = std::make_unique<netdiag_engine>();
  NETDIAG_ASSIGN_OR_RETURN(made->options, ReadEngineOptions(options));
  NETDIAG_ASSIGN_OR_RETURN(made->engine, Engine::Open(made->options));
  *engine = made.release();
  return 0;
}

// Forgets the last query and begins to collect the rows of another.
absl::Status Prepare(netdiag_engine* engine, const netdiag_query* query) {
  engine->summary.reset();
  engine->began = false;
  ++engine->question;
  if (query == nullptr) return ErrnoError(EINVAL, "query", "it is null");
  engine->columns.SetFields(query->columns);
  return absl::OkStatus();
}

absl::StatusOr<int> Visit(netdiag_engine* engine, const netdiag_query* query, int64_t timeout_us,
                          netdiag_visitor visitor, void* data) {
  NETDIAG_RETURN_IF_ERROR(Prepare(engine, query));
  if (visitor == nullptr) return ErrnoError(EINVAL, "visitor", "it is null");
  Columns& columns = engine->columns;
  const auto show = [&] {
    const bool stop = visitor(data, columns.Batch()) != 0;
    columns.Clear();
    return stop ? Flow::kStop : Flow::kContinue;
  };
  const auto add = [&](const Row& row) {
    columns.Add(row);
    return columns.rows() < kRowsOfBatch ? Flow::kContinue : show();
  };
  absl::StatusOr<Summary> summary =
      engine->engine->Visit(query->query, add, BeginCall(engine, timeout_us));
  // Also after an error, so that the rows that came are not lost.
  const bool stopped = columns.rows() > 0 && show() == Flow::kStop;
  NETDIAG_RETURN_IF_ERROR(summary.status());
  summary->stopped |= stopped;
  engine->summary = *std::move(summary);
  return 0;
}

absl::StatusOr<int> Begin(netdiag_engine* engine, const netdiag_query* query) {
  NETDIAG_RETURN_IF_ERROR(Prepare(engine, query));
  NETDIAG_RETURN_IF_ERROR(engine->engine->Begin(query->query));
  engine->began = true;
  return 0;
}

absl::StatusOr<int> Step(netdiag_engine* engine, uint64_t budget_us, const netdiag_batch** batch) {
  if (batch == nullptr) return ErrnoError(EINVAL, "batch", "it is null");
  *batch = nullptr;
  if (!engine->began) return ErrnoError(EINVAL, "netdiag_step", "no query has begun");
  Columns& columns = engine->columns;
  columns.Clear();
  const auto add = [&](const Row& row) {
    columns.Add(row);
    return Flow::kContinue;
  };
  NETDIAG_ASSIGN_OR_RETURN(const netlink::Ready ready,
                           engine->engine->Step(add, BudgetOf(budget_us)));
  *batch = columns.Batch();
  if (ready == netlink::Ready::kDone) {
    engine->began = false;
    engine->summary = engine->engine->summary();
  }
  return CodeOf(ready);
}

void Probe(netdiag_engine* engine) {
  const Capabilities& probed = engine->engine->capabilities();
  std::vector<netdiag_engine::Capability> made;
  for (const Capability& table : probed.tables) {
    made.push_back(
        {Text(table.table), std::string(table.netlink.message()), true, table.netlink.ok()});
  }
  for (const Feature& feature : probed.features) {
    made.push_back({std::string(feature.name), std::string(feature.status.message()), false,
                    feature.status.ok()});
  }
  engine->capabilities = std::move(made);
}

absl::StatusOr<int> CapabilityAt(netdiag_engine* engine, size_t index, netdiag_capability* out) {
  if (engine->capabilities.empty()) Probe(engine);
  if (index >= engine->capabilities.size()) {
    return ErrnoError(ENOENT, "capability " + std::to_string(index));
  }
  const netdiag_engine::Capability& found = engine->capabilities[index];
  const netdiag_capability capability = {.size = sizeof(capability),
                                         .name = found.name.c_str(),
                                         .is_table = found.is_table ? 1 : 0,
                                         .available = found.available ? 1 : 0,
                                         .text = found.text.c_str()};
  NETDIAG_RETURN_IF_ERROR(WriteResult(capability, out));
  return 0;
}

}  // namespace

netlink::CallOptions BeginCall(netdiag_engine* engine, int64_t timeout_us) {
  netlink::CallOptions call;
  if (timeout_us >= 0 && timeout_us < kLongestTimeout) {
    call.deadline = std::chrono::steady_clock::now() + std::chrono::microseconds(timeout_us);
  }
  std::stop_source stop;
  call.stop = stop.get_token();
  const std::lock_guard lock(engine->stop_mutex);
  engine->stop = std::move(stop);
  return call;
}

Budget BudgetOf(uint64_t budget_us) {
  // A microsecond is less than a unit of work, so one unit is made.
  const auto micros = static_cast<int64_t>(std::clamp<uint64_t>(budget_us, 1, kLongestTimeout));
  return {.cpu_time = std::chrono::microseconds(micros)};
}

int CodeOf(netlink::Ready ready) {
  if (ready == netlink::Ready::kSome) return NETDIAG_MORE;
  return ready == netlink::Ready::kWouldBlock ? NETDIAG_WAIT : NETDIAG_DONE;
}

absl::Status WriteSummary(const Summary& summary, std::string* gaps, netdiag_summary* out) {
  std::string text;
  for (const absl::Status& gap : summary.Gaps()) {
    if (!text.empty()) text += '\n';
    text.append(gap.message().data(), gap.message().size());
  }
  const netdiag_summary written = {.size = sizeof(written),
                                   .rows = summary.rows,
                                   .complete = text.empty() ? 1 : 0,
                                   .stopped = summary.stopped ? 1 : 0,
                                   .gaps = (*gaps = std::move(text)).c_str()};
  return WriteResult(written, out);
}

}  // namespace netdiag::c

extern "C" {

int netdiag_open(const netdiag_options* options, netdiag_engine** engine, netdiag_error* error) {
  return netdiag::c::Guarded(error, [&] { return netdiag::c::Open(options, engine); });
}

void netdiag_close(netdiag_engine* engine) { delete engine; }

int netdiag_visit(netdiag_engine* engine, const netdiag_query* query, int64_t timeout_us,
                  netdiag_visitor visitor, void* data, netdiag_error* error) {
  return netdiag::c::WithEngine(
      engine, error, [&] { return netdiag::c::Visit(engine, query, timeout_us, visitor, data); });
}

int netdiag_begin(netdiag_engine* engine, const netdiag_query* query, netdiag_error* error) {
  return netdiag::c::WithEngine(engine, error, [&] { return netdiag::c::Begin(engine, query); });
}

int netdiag_step(netdiag_engine* engine, uint64_t budget_us, const netdiag_batch** batch,
                 netdiag_error* error) {
  return netdiag::c::WithEngine(engine, error,
                                [&] { return netdiag::c::Step(engine, budget_us, batch); });
}

int netdiag_fd(const netdiag_engine* engine) {
  const bool usable = engine != nullptr && engine->engine != nullptr && engine->process == getpid();
  return usable ? engine->engine->fd() : -1;
}

int netdiag_engine_summary(netdiag_engine* engine, netdiag_summary* summary, netdiag_error* error) {
  return netdiag::c::WithEngine(engine, error, [&]() -> absl::StatusOr<int> {
    if (!engine->summary) return netdiag::ErrnoError(ENOENT, "summary", "no query has ended");
    NETDIAG_RETURN_IF_ERROR(netdiag::c::WriteSummary(*engine->summary, &engine->gaps, summary));
    return 0;
  });
}

void netdiag_cancel(netdiag_engine* engine) {
  const std::lock_guard lock(engine->stop_mutex);
  engine->stop.request_stop();
}

int netdiag_capability_at(netdiag_engine* engine, size_t index, netdiag_capability* capability,
                          netdiag_error* error) {
  return netdiag::c::WithEngine(
      engine, error, [&] { return netdiag::c::CapabilityAt(engine, index, capability); });
}

const char* netdiag_kernel(netdiag_engine* engine) {
  const int result = netdiag::c::WithEngine(engine, nullptr, [&]() -> absl::StatusOr<int> {
    // The text stays where it is, unless another capture is replayed now.
    std::string kernel = engine->engine->kernel();
    if (kernel != engine->kernel) engine->kernel = std::move(kernel);
    return 0;
  });
  return result < 0 ? nullptr : engine->kernel.c_str();
}

}  // extern "C"
