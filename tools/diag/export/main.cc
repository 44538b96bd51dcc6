// diag-export: what `diag export` becomes. It follows sockets, counts them in series, and serves
// these or writes them to a file. Tested by tests/tools/export_program_test.cc.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <signal.h>
#include <string>
#include <time.h>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/monitor.h"
#include "netdiag/types/error.h"
#include "tools/diag/export/metrics.h"
#include "tools/diag/export/textfile.h"
#include "tools/diag/monitor/export_options.h"
#include "tools/diag/monitor/series.h"
#include "tools/diag/monitor/session.h"
#include "tools/diag/names.h"
#include "tools/diag/privileges.h"
#include "tools/diag/report.h"
#include "tools/diag/stop_signals.h"

namespace diag {
namespace {

using netdiag::Change;
using prometheus::MetricFamily;
using Families = std::vector<MetricFamily>;

// The metrics of the last look, which a scrape copies: it waits for no look.
class Page : public prometheus::Collectable {
 public:
  void Set(Families families) {
    auto next = std::make_shared<const Families>(std::move(families));
    const std::lock_guard lock(mutex_);
    families_ = std::move(next);
  }
  Families Collect() const override {
    const std::shared_ptr<const Families> now = [this] {
      const std::lock_guard lock(mutex_);
      return families_;
    }();
    return *now;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Families> families_ = std::make_shared<const Families>();
};

// Serves `page` by two threads. prometheus-cpp throws.
absl::StatusOr<std::unique_ptr<prometheus::Exposer>> Serve(const std::string& address,
                                                           const std::shared_ptr<Page>& page) {
  try {
    auto exposer = std::make_unique<prometheus::Exposer>(
        std::vector<std::string>{"listening_ports", address, "num_threads", "2",
                                 "request_timeout_ms", "10000", "connection_queue", "16"});
    exposer->RegisterCollectable(page);
    return exposer;
  } catch (const std::exception& error) {
    return absl::UnavailableError("cannot serve at " + address + ": " + error.what());
  }
}

std::chrono::nanoseconds ThreadTime() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

// The looks, and what became of them.
class Looks {
 public:
  Looks(Session* session, Series* series) : session_(session), series_(series) {}

  // One look. If it fails, the gauges of the series are not whole.
  absl::Status Look() {
    const auto began = std::chrono::steady_clock::now();
    const std::chrono::nanoseconds cpu = ThreadTime();
    series_->BeginLook();
    const absl::StatusOr<netdiag::Look> look =
        session_->Look([this](const Change& change) { series_->Add(change); });
    series_->EndLook();
    stats_.cpu += ThreadTime() - cpu;
    if (!look.ok()) {
      ++stats_.errors;
      return look.status();
    }
    ++stats_.looks;
    stats_.overruns += look->overruns;
    stats_.exact = look->exact();
    stats_.sockets = session_->monitor()->size();
    stats_.memory = session_->monitor()->memory();
    stats_.took = std::chrono::steady_clock::now() - began;
    stats_.ended = std::chrono::system_clock::now();
    return absl::OkStatus();
  }
  const LookStats& stats() const { return stats_; }

 private:
  Session* const session_;
  Series* const series_;
  LookStats stats_;
};

absl::Status Export(std::unique_ptr<Session> session, const MonitorRequest& request, Output*) {
  const StopSignals signals;
  Names names({.engine = session->engine()});
  Series series(request.by, request.series, &names);
  Looks looks(session.get(), &series);
  Textfile textfile(request.textfile);
  const auto page = std::make_shared<Page>();
  const auto give = [&] {
    Families families = MetricsOf(series, looks.stats());
    const absl::Status written =
        textfile.wanted() ? textfile.Write(prometheus::TextSerializer().Serialize(families))
                          : absl::OkStatus();
    page->Set(std::move(families));
    return written;
  };
  // What fails at the beginning is the user's to mend; what fails later may pass.
  NETDIAG_RETURN_IF_ERROR(looks.Look());
  NETDIAG_RETURN_IF_ERROR(give());
  std::unique_ptr<prometheus::Exposer> exposer;
  if (!request.listen.empty()) {
    NETDIAG_ASSIGN_OR_RETURN(exposer, Serve(request.listen, page));
    Complain("serves http://" + request.listen + "/metrics");
  }
  std::string complained;
  const auto add = [&](const Change& change) { series.Add(change); };
  for (;;) {
    NETDIAG_ASSIGN_OR_RETURN(const Session::Woken woken, session->Wait(
                                                             add, [] {}, /*output=*/-1));
    if (woken == Session::Woken::kOver) return absl::OkStatus();
    // After a look that failed, the numbers of the one before stay.
    absl::Status status = looks.Look();
    if (status.ok()) status = give();
    // The Monitor is not usable after that. systemd starts another diag-export.
    if (status == netdiag::OutOfMemory()) return status;
    // A failure that lasts is said once.
    if (!status.ok() && complained != status.message()) Complain(status);
    complained = std::string(status.message());
  }
}

std::vector<Column> Prepare(MonitorRequest* request) {
  if (!request->interval) request->interval = std::chrono::seconds(5);
  if (request->listen.empty() && request->textfile.empty()) request->listen = kDefaultListen;
  return request->by;
}

int Main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  // Also for --listen below port 1024, and for --textfile in a directory like /tmp.
  KeepOnly(kForOwners | kForNamespaces |
           CapabilitySet{CAP_NET_ADMIN, CAP_NET_BIND_SERVICE, CAP_FOWNER});
  return RunMonitorCommand(
      {.name = "export", .options = ExportOptions(), .prepare = Prepare, .run = Export}, argc,
      argv);
}

}  // namespace
}  // namespace diag

int main(int argc, char** argv) { return diag::RunMain(diag::Main, argc, argv); }
