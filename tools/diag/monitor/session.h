// tools/diag/monitor/session.h — what `diag watch`, `diag top` and `diag export` have in common:
// their options, the Monitor that they make of these, the rhythm of looks, and how they begin and
// end.

#ifndef NETDIAG_TOOLS_DIAG_MONITOR_SESSION_H_
#define NETDIAG_TOOLS_DIAG_MONITOR_SESSION_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/engine.h"
#include "netdiag/filter/filter.h"
#include "netdiag/monitor.h"
#include "netdiag/query.h"
#include "tools/diag/columns.h"
#include "tools/diag/command.h"
#include "tools/diag/command_values.h"
#include "tools/diag/report.h"
#include "tools/diag/text.h"

namespace diag {

// What the command line says.
struct MonitorRequest {
  bool help = false;
  bool tcp = false;
  bool udp = false;
  std::string netns;
  bool all_netns = false;
  std::string proc_root;
  std::optional<std::chrono::milliseconds> interval;  // absent: the command's own
  uint64_t count = 0;                                 // of lines, or of tables; 0: without end
  bool json_lines = false;
  // watch
  std::string when;               // an expression; empty: none
  std::vector<std::string> only;  // kinds of lines; empty: all
  // top
  bool batch = false;
  uint64_t rows = 0;  // of a table; 0: all
  // top and export
  std::vector<Column> by;
  // export
  std::string listen;    // ADDRESS:PORT; empty: nothing is served
  std::string textfile;  // a path; empty: none is written
  uint64_t series = 100;
};

// Rows of the tables of options.
absl::Status SetRequestTcp(std::string_view, MonitorRequest* request);
absl::Status SetRequestUdp(std::string_view, MonitorRequest* request);
absl::Status SetRequestNetns(std::string_view name, MonitorRequest* request);
absl::Status SetRequestAllNetns(std::string_view, MonitorRequest* request);
absl::Status SetRequestInterval(std::string_view seconds, MonitorRequest* request);
absl::Status SetRequestJsonLines(std::string_view, MonitorRequest* request);
absl::Status SetRequestBy(std::string_view list, MonitorRequest* request);
inline constexpr Option<MonitorRequest> kRequestTcp = {
    {.letter = 't', .name = "tcp", .help = "TCP sockets; this is the default"}, SetRequestTcp};
inline constexpr Option<MonitorRequest> kRequestUdp = {
    {.letter = 'u', .name = "udp", .help = "UDP sockets, which have no byte counters"},
    SetRequestUdp};
inline constexpr Option<MonitorRequest> kRequestNetns = {
    {.letter = 'N',
     .name = "net",
     .help = "another network namespace: a name, a process or a file",
     .argument = {"NAME|PID|PATH", Values::kNetns}},
    SetRequestNetns};
inline constexpr Option<MonitorRequest> kRequestAllNetns = {
    {.name = "all-netns", .help = "every network namespace that can be found"}, SetRequestAllNetns};
inline constexpr Option<MonitorRequest> kRequestInterval = {
    {.letter = 'd',
     .name = "interval",
     .help = "the time between two looks, 1 if not given",
     .argument = {"SECONDS"}},
    SetRequestInterval};
inline constexpr Option<MonitorRequest> kRequestJsonLines = {
    {.name = "jsonl", .help = "JSON, one object a line"}, SetRequestJsonLines};
inline constexpr Option<MonitorRequest> kRequestProc = {
    {.name = "proc",
     .help = "read the procfs that is mounted here; default: $HOST_PROC or /proc",
     .argument = {"DIR", Values::kFile}},
    SetProc};
inline constexpr Option<MonitorRequest> kRequestHelp = {
    {.letter = 'h', .name = "help", .help = "this text"}, SetHelp};

// A Monitor of what the command line selects.
class Session {
 public:
  // `words`: the expression. `needs`: what the command shows. If the expression is refused,
  // `*pointer` becomes its line with a caret below the error.
  static absl::StatusOr<std::unique_ptr<Session>> Open(const MonitorRequest& request,
                                                       const Words& words,
                                                       std::span<const Column> needs,
                                                       std::string* pointer);

  netdiag::Engine* engine() { return engine_.get(); }
  netdiag::Monitor* monitor() { return monitor_.get(); }
  // The filter of --when; null: none.
  const netdiag::Filter* when() const { return when_.get(); }

  // From now on complaints are not written, and only notes() has them.
  void KeepNotes() { quiet_ = true; }
  // All complaints, in their order.
  const std::vector<std::string>& notes() const { return notes_; }

  // One look. Complains about what it does not show, once for each reason.
  absl::StatusOr<netdiag::Look> Look(netdiag::Monitor::Visitor visitor);
  // Waits until the next look is due, or something can be read from `input`. Meanwhile events wake
  // it: `visitor` gets them at once, and `flush` is called after them. kOver: a signal came, or the
  // reader of `output` has gone.
  enum class Woken : uint8_t { kDue, kInput, kOver };
  absl::StatusOr<Woken> Wait(netdiag::Monitor::Visitor visitor, absl::FunctionRef<void()> flush,
                             int output, int input = -1);
  // The next Wait() ends at once.
  void Hurry() { due_ = Clock::now(); }
  // The next look is due after another interval.
  void Rest() { due_ = Clock::now() + interval_; }

 private:
  Session() = default;
  void Report(const netdiag::Look& look);
  void Say(std::string text);
  // Not if it has given the same reason before: the same text but for its numbers and what is in
  // parentheses.
  void SayOnce(std::string text);

  using Clock = std::chrono::steady_clock;
  std::chrono::milliseconds interval_{1000};
  std::string proc_root_;
  std::unique_ptr<netdiag::Engine> engine_;
  std::unique_ptr<netdiag::Monitor> monitor_;
  std::shared_ptr<const netdiag::Filter> when_;
  Clock::time_point due_{};  // the next look
  bool quiet_ = false;
  std::vector<std::string> notes_;
  std::set<std::string> reasons_;
};

// What a command that follows sockets has of its own.
struct MonitorCommand {
  std::string_view name;
  std::span<const Option<MonitorRequest>> options;
  // Completes the request, and returns what the command shows.
  std::vector<Column> (*prepare)(MonitorRequest* request);
  absl::Status (*run)(std::unique_ptr<Session> session, const MonitorRequest& request,
                      Output* output);
};
// Parses main()'s arguments, opens the Session and runs the command on it; --help instead is shown.
// Complains about errors; for a refused expression with its line and a caret.
ExitCode RunMonitorCommand(const MonitorCommand& command, int argc, char** argv);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_MONITOR_SESSION_H_
