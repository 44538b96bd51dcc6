// netdiag/c/engine.h — Internal. The engine behind the C interface's handle, and the frame of a
// call with it.
//
// An exception (out of memory) can leave an Engine between two states. So the frame drops it, and
// the next call opens another with the same options.

#ifndef NETDIAG_C_ENGINE_H_
#define NETDIAG_C_ENGINE_H_

#include <sys/types.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <unistd.h>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/statusor.h"

#include "netdiag/c/border.h"
#include "netdiag/c/columns.h"
#include "netdiag/c/netdiag.h"
#include "netdiag/engine.h"
#include "netdiag/netlink/call.h"
#include "netdiag/summary.h"

struct netdiag_engine {
  struct Capability {
    std::string name, text;
    bool is_table, available;
  };

  netdiag::EngineOptions options;
  std::unique_ptr<netdiag::Engine> engine;  // null: to be opened by the next call
  uint64_t opened = 1;    // how often `engine` was opened: monitors are of one of these
  uint64_t question = 0;  // grows with every query, so that a monitor knows of those of others
  const pid_t process = getpid();
  std::atomic<bool> busy = false;

  netdiag::c::Columns columns;              // of the query that runs
  bool began = false;                       // netdiag_step() may be called
  std::optional<netdiag::Summary> summary;  // of the last query that has ended
  std::string gaps;                         // its text
  std::vector<Capability> capabilities;     // empty: not probed
  std::string kernel;                       // empty: not asked for

  std::mutex stop_mutex;
  std::stop_source stop;  // of the call that can be cancelled
};

namespace netdiag::c {

// Calls `body`, which returns a StatusOr<int>, as Guarded() does, if nothing forbids the call.
template <class Body>
int WithEngine(netdiag_engine* engine, netdiag_error* error, Body body) noexcept {
  if (engine == nullptr) return Fail(NETDIAG_INVALID, EINVAL, "the engine is null", error);
  if (engine->process != getpid()) {
    return Fail(NETDIAG_WRONG_PROCESS, ECHILD, "the engine is that of the parent process", error);
  }
  if (engine->busy.exchange(true, std::memory_order_acquire)) {
    return Fail(NETDIAG_BUSY, EDEADLK, "the engine serves another call", error);
  }
  const absl::Cleanup idle = [engine] { engine->busy.store(false, std::memory_order_release); };
  bool returned = false;
  const int result = Guarded(error, [&]() -> absl::StatusOr<int> {
    if (engine->engine == nullptr) {
      NETDIAG_ASSIGN_OR_RETURN(engine->engine, Engine::Open(engine->options));
    }
    absl::StatusOr<int> answer = body();
    returned = true;
    return answer;
  });
  if (!returned) {
    engine->engine.reset();
    ++engine->opened;
    engine->began = false;
  }
  return result;
}

// The limits of a call that waits, and that netdiag_cancel() ends. Negative: no limit.
netlink::CallOptions BeginCall(netdiag_engine* engine, int64_t timeout_us);

// The budget of a step, and what it returns.
Budget BudgetOf(uint64_t budget_us);
int CodeOf(netlink::Ready ready);

// Fills in `out`; `gaps` keeps its text.
absl::Status WriteSummary(const Summary& summary, std::string* gaps, netdiag_summary* out);

}  // namespace netdiag::c

#endif  // NETDIAG_C_ENGINE_H_
