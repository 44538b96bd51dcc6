// Tested by tests/tools/monitor_program_test.cc.

#include "tools/diag/monitor/session.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <poll.h>
#include <unistd.h>
#include <utility>

#include "netdiag/netlink/netns.h"
#include "netdiag/types/error.h"
#include "tools/diag/commands.h"
#include "tools/diag/help.h"
#include "tools/diag/list_words.h"
#include "tools/diag/stop_signals.h"
#include "tools/diag/tables.h"

namespace diag {

using netdiag::BadInput;
using netdiag::Look;
using netdiag::Monitor;
using netdiag::Query;
using netdiag::netlink::Ready;

absl::Status SetRequestTcp(std::string_view, MonitorRequest* request) {
  request->tcp = true;
  return absl::OkStatus();
}

absl::Status SetRequestUdp(std::string_view, MonitorRequest* request) {
  request->udp = true;
  return absl::OkStatus();
}

absl::Status SetRequestNetns(std::string_view name, MonitorRequest* request) {
  request->netns = name;
  return absl::OkStatus();
}

absl::Status SetRequestAllNetns(std::string_view, MonitorRequest* request) {
  request->all_netns = true;
  return absl::OkStatus();
}

absl::Status SetRequestInterval(std::string_view text, MonitorRequest* request) {
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool good = error == std::errc() && end == text.data() + text.size();
  if (!good || !(seconds >= 0.05) || !(seconds <= 86400)) {
    return BadInput("--interval", text, "expected seconds from 0.05 to 86400");
  }
  request->interval = std::chrono::milliseconds(std::lround(seconds * 1000));
  return absl::OkStatus();
}

absl::Status SetRequestJsonLines(std::string_view, MonitorRequest* request) {
  request->json_lines = true;
  return absl::OkStatus();
}

absl::Status SetRequestBy(std::string_view list, MonitorRequest* request) {
  NETDIAG_ASSIGN_OR_RETURN(request->by, ParseColumns(list));
  return absl::OkStatus();
}

namespace {

absl::StatusOr<std::shared_ptr<const netdiag::Filter>> ParseWhen(const MonitorRequest& request,
                                                                 const FilterHost& host,
                                                                 std::string* pointer) {
  if (request.when.empty()) return nullptr;
  absl::Status not_entered;
  const netdiag::FilterOptions options = HostFilterOptions(host, &not_entered);
  absl::StatusOr<netdiag::Filter> filter = netdiag::Filter::Parse(request.when, options);
  NETDIAG_RETURN_IF_ERROR(not_entered);
  if (!filter.ok()) {
    *pointer = netdiag::PointAt(request.when, filter.status());
    return filter.status();
  }
  return std::make_shared<const netdiag::Filter>(*std::move(filter));
}

// The query of the tables and words that the command line has.
absl::StatusOr<Query> QueryOf(const MonitorRequest& request, const Words& words,
                              const FilterHost& host, std::string* pointer) {
  NETDIAG_ASSIGN_OR_RETURN(const ListWords parsed, ParseListWords(words));
  TableChoice tables;
  if (request.tcp) tables.AddTable(netdiag::Protocol::kTcp);
  if (request.udp) tables.AddTable(netdiag::Protocol::kUdp);
  for (const std::string& table : parsed.tables) tables.AddWord(table);
  if (tables.empty()) tables.AddTable(netdiag::Protocol::kTcp);
  Query query;
  tables.ApplyTo(&query);
  NETDIAG_ASSIGN_OR_RETURN(
      const ListFilter filter,
      ParseListFilter(parsed, {.path = "", .families = query.families, .host = host}, pointer));
  query.filter = filter.filter;
  query.states = parsed.states.value_or(netdiag::StateSet::SsAll());
  query.owners = true;
  query.extensions = {netdiag::Extension::kInfo, netdiag::Extension::kSocketMemory};
  return query;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Session>> Session::Open(const MonitorRequest& request,
                                                       const Words& words,
                                                       std::span<const Column> needs,
                                                       std::string* pointer) {
  auto session = std::unique_ptr<Session>(new Session);
  session->interval_ = request.interval.value_or(session->interval_);
  NETDIAG_ASSIGN_OR_RETURN(session->proc_root_, ProcRoot(request.proc_root));
  netdiag::EngineOptions options{.all_netns = request.all_netns, .proc_root = session->proc_root_};
  if (!request.netns.empty()) {
    NETDIAG_ASSIGN_OR_RETURN(options.netns, FindNetns(request.netns, options.proc_root));
  }
  const FilterHost host{
      .netns = request.netns, .all_netns = request.all_netns, .proc_root = options.proc_root};
  NETDIAG_ASSIGN_OR_RETURN(Query query, QueryOf(request, words, host, pointer));
  NETDIAG_ASSIGN_OR_RETURN(session->when_, ParseWhen(request, host, pointer));
  AddNeeds(needs, &query);
  if (session->when_ != nullptr) session->when_->AddNeeds(&query);
  NETDIAG_ASSIGN_OR_RETURN(session->engine_, netdiag::Engine::Open(options));
  NETDIAG_ASSIGN_OR_RETURN(
      session->monitor_,
      Monitor::Open(session->engine_.get(), std::move(query), {.proc_root = options.proc_root}));
  return session;
}

absl::StatusOr<Look> Session::Look(Monitor::Visitor visitor) {
  const Clock::time_point now = Clock::now();
  due_ = due_ == Clock::time_point() ? now + interval_ : std::max(due_ + interval_, now);
  absl::StatusOr<netdiag::Look> look = monitor_->Poll(visitor);
  if (look.ok()) Report(*look);
  return look;
}

void Session::Say(std::string text) {
  if (!quiet_) Complain(text);
  notes_.push_back(std::move(text));
}

void Session::SayOnce(std::string text) {
  std::string reason = text;
  const size_t open = reason.find(" (");
  const size_t close = open == reason.npos ? open : reason.find(')', open);
  if (close != reason.npos) reason.erase(open, close + 1 - open);
  std::erase_if(reason, [](char c) { return c >= '0' && c <= '9'; });
  if (reasons_.insert(std::move(reason)).second) Say(std::move(text));
}

void Session::Report(const netdiag::Look& look) {
  for (std::string& note : NotesOn(look.query, /*named=*/{}, proc_root_)) {
    SayOnce(std::move(note));
  }
  if (!look.no_events.ok()) {
    SayOnce("what closes is noticed late and without its last bytes: " +
            std::string(look.no_events.message()));
  }
  if (look.overruns > 0) {
    const std::string lost =
        look.lost ? "at least " + std::to_string(*look.lost) + " events" : std::string("events");
    Say(lost + " were lost, because the kernel's buffer was full; sums are too low");
  }
  if (look.untold > 0) {
    SayOnce(std::to_string(look.untold) +
            " sockets cannot be followed, because their table tells no cookies of their own");
  }
}

absl::StatusOr<Session::Woken> Session::Wait(Monitor::Visitor visitor,
                                             absl::FunctionRef<void()> flush, int output,
                                             int input) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(due_ - Clock::now());
    if (left.count() <= 0) return StopSignals::came() ? Woken::kOver : Woken::kDue;
    pollfd fds[] = {{monitor_->event_fd(), POLLIN, 0},
                    {StopSignals::fd(), POLLIN, 0},
                    {output, 0, 0},
                    {input, POLLIN, 0}};
    if (poll(fds, 4, static_cast<int>(left.count())) < 0) {
      // A terminal that changes its size gives a key.
      if (errno == EINTR && input >= 0) return Woken::kInput;
      if (errno == EINTR) continue;
      return netdiag::ErrnoError(errno, "poll");
    }
    if (fds[1].revents != 0 || (fds[2].revents & (POLLERR | POLLHUP)) != 0) return Woken::kOver;
    if (fds[3].revents != 0) return Woken::kInput;
    if (fds[0].revents == 0) continue;
    NETDIAG_RETURN_IF_ERROR(monitor_->Drain(visitor).status());
    flush();
  }
}

ExitCode RunMonitorCommand(const MonitorCommand& command, int argc, char** argv) {
  Output output(STDOUT_FILENO);
  MonitorRequest request;
  const absl::StatusOr<Words> words =
      ParseCommandLine<MonitorRequest>(command.options, argc, argv, &request);
  if (!words.ok()) return Fail(words.status(), &output);
  if (request.help) return Print(CommandHelp(FindCommand(command.name)));
  const std::vector<Column> needs = command.prepare(&request);
  std::string pointer;
  absl::StatusOr<std::unique_ptr<Session>> session =
      Session::Open(request, *words, needs, &pointer);
  const absl::Status status =
      session.ok() ? command.run(*std::move(session), request, &output) : session.status();
  if (status.ok()) return Finish(&output, kAnswered);
  const ExitCode code = Fail(status, &output);
  Output errors(STDERR_FILENO);
  errors.Write(pointer);
  errors.Flush();
  return code;
}

}  // namespace diag
