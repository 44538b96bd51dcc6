// Tested by tests/tools/netstat_program_test.cc and tests/live/netstat_differential_test.cc.

#include "tools/diag/netstat/engine_sockets.h"

#include <algorithm>

#include "netdiag/dump/proc_lines.h"
#include "netdiag/socket/structs.h"
#include "netdiag/types/error.h"
#include "tools/diag/list_options.h"
#include "tools/diag/netstat/proc_sockets.h"
#include "tools/diag/render.h"

namespace diag::netstat {
namespace {

using netdiag::Family;
using netdiag::Flow;
using netdiag::Protocol;
using netdiag::State;
using netdiag::StateSet;
using netdiag::Timer;

constexpr char kProc[] = "/proc";

constexpr Protocol kTables[] = {Protocol::kTcp,     Protocol::kSctp, Protocol::kUdp,
                                Protocol::kUdpLite, Protocol::kRaw,  Protocol::kUnix};

// netstat has no word for a delayed acknowledgement, and /proc calls it no timer.
uint32_t NumberOf(Timer timer) {
  return timer == Timer::kDelayedAck ? 0 : static_cast<uint32_t>(timer);
}

TimerText TimerOf(const netdiag::InetSocket& socket, const netdiag::Row& row) {
  const Timer timer = socket.timer();
  TimerText text = {.number = NumberOf(timer), .hundredths = socket.expires() / 10};
  // The dump's own count is of retransmits or of probes, and tcp_info has both.
  if (timer == Timer::kOn) text.retransmits = socket.retransmits();
  if (timer == Timer::kKeepalive || timer == Timer::kPersist) text.probes = socket.retransmits();
  if (const auto info = row.tcp_info()) {
    static constexpr auto kRetransmits = netdiag::TcpInfo::Field("retransmits");
    static constexpr auto kProbes = netdiag::TcpInfo::Field("probes");
    text.retransmits = (*info)[kRetransmits].value_or(text.retransmits);
    text.probes = (*info)[kProbes].value_or(text.probes);
  }
  return text;
}

}  // namespace

InetLine LineOf(const netdiag::InetSocket& socket, const netdiag::Row& row) {
  InetLine line = {.protocol = row.protocol(),
                   .local = socket.local(),
                   .remote = socket.remote(),
                   .state = static_cast<uint8_t>(socket.state()),
                   .receive_queue = socket.receive_queue(),
                   .send_queue = socket.send_queue(),
                   .uid = socket.uid(),
                   .inode = socket.inode(),
                   .timer = TimerOf(socket, row)};
  // A raw socket has no remote port. The dump shows what was given to connect().
  if (line.protocol == Protocol::kRaw) line.remote.port = netdiag::Port();
  return line;
}

SctpLine SctpLineOf(const netdiag::InetSocket& socket, const netdiag::Row& row) {
  SctpLine line = {.association = socket.is_association(),
                   .local_port = socket.local_port(),
                   .remote_port = socket.remote_port(),
                   .state = netdiag::Names(row.state()).netstat,
                   .receive_queue = socket.receive_queue(),
                   .send_queue = socket.send_queue(),
                   .uid = socket.uid(),
                   .inode = socket.inode()};
  for (size_t i = 0; i < socket.local_addresses(); ++i) {
    if (const auto address = socket.local_address(i)) {
      line.locals.push_back(address->endpoint.address);
    }
  }
  if (line.locals.empty()) line.locals.push_back(socket.local().address);
  for (size_t i = 0; i < socket.peer_addresses(); ++i) {
    if (const auto address = socket.peer_address(i)) {
      line.remotes.push_back(address->endpoint.address);
    }
  }
  return line;
}

absl::StatusOr<std::unique_ptr<EngineSockets>> EngineSockets::Open(const Options& options) {
  NETDIAG_ASSIGN_OR_RETURN(std::unique_ptr<netdiag::Engine> engine,
                           netdiag::Engine::Open({.threads = 2}));
  return std::unique_ptr<EngineSockets>(new EngineSockets(options, std::move(engine)));
}

netdiag::Query EngineSockets::MakeQuery() const {
  netdiag::Query query;
  query.protocols.clear();
  for (const Protocol protocol : kTables) {
    if (Wants(options_, protocol)) query.protocols.push_back(protocol);
  }
  query.families = Family::kUnix;
  if (!options_.named() || options_.inet4) query.families |= Family::kInet;
  if (!options_.named() || options_.inet6) query.families |= Family::kInet6;
  query.load_modules = false;
  // No socket in another state can be shown, except those of SCTP, whose endpoints and associations
  // have states of their own. Rows are tested again.
  const netdiag::TableInfo& sctp = netdiag::Describe(Protocol::kSctp);
  if (options_.all || (Wants(options_, Protocol::kSctp) && netdiag::IsLoaded(sctp))) {
    query.states = StateSet::SsAll();
  } else if (options_.listening) {
    query.states = StateSet(State::kListen) | State::kClose;
  } else {
    query.states = StateSet::SsAll() - State::kListen;
  }
  if (options_.timers) query.extensions |= netdiag::Extension::kInfo;
  query.owners = query.programs = options_.programs > 0;
  return query;
}

Holders EngineSockets::HoldersOf(const netdiag::Row& row) {
  if (options_.programs == 0) return {};
  return holders_->Of(row.owners(),
                      [&](const netdiag::Owner& owner) { return row.ProgramOf(owner); });
}

void EngineSockets::ReadReferences() {
  references_.clear();
  VisitLines(std::string(kProc) + "/net/unix", [this](std::string_view text) {
    const std::optional<netdiag::ProcUnixLine> line = netdiag::ParseProcUnixLine(text);
    if (!line || line->inode == netdiag::Inode()) return;
    const auto [place, is_new] = references_.try_emplace(line->inode, line->references);
    // A name with a newline in it can forge a line.
    if (!is_new && place->second != line->references) place->second.reset();
  });
}

void EngineSockets::AddUnix(const netdiag::UnixSocket& socket, const netdiag::Row& row,
                            std::string* out) {
  UnixLine line = {.type = static_cast<uint32_t>(socket.type()),
                   .state = socket.state() == State::kEstablished ? netdiag::kProcUnixConnected
                                                                  : netdiag::kProcUnixUnconnected,
                   .inode = socket.inode()};
  if (socket.state() == State::kListen) line.flags = netdiag::kProcUnixAccepts;
  if (!IsShown(options_, line)) return;
  const auto references = references_.find(line.inode);
  if (references != references_.end()) line.references = references->second;
  path_.clear();
  if (!socket.name().empty()) AppendUnixName(socket.name(), &path_);
  line.path = path_;
  writer_.Append(line, HoldersOf(row), out);
}

void EngineSockets::AddInet(const netdiag::InetSocket& socket, const netdiag::Row& row,
                            std::string* out) {
  if (row.protocol() == Protocol::kSctp) {
    const SctpLine line = SctpLineOf(socket, row);
    if (options_.all || line.association != options_.listening) {
      writer_.Append(line, HoldersOf(row), out);
    }
    return;
  }
  const InetLine line = LineOf(socket, row);
  if (IsShown(options_, line)) writer_.Append(line, HoldersOf(row), out);
}

void EngineSockets::AddRow(const netdiag::Row& row, Output* output) {
  const bool v6 = row.family() == Family::kInet6;
  const bool first = row.protocol() == first_ && !v6;
  std::string* out = &output->out;
  if (!first) {
    Text& text = text_[row.protocol()];
    out = v6 ? &text.v6 : &text.v4;
  }
  if (const netdiag::UnixSocket* const socket = row.unix_socket()) AddUnix(*socket, row, out);
  if (const netdiag::InetSocket* const socket = row.inet()) AddInet(*socket, row, out);
  if (first) output->DrainIfLong();
}

void EngineSockets::Complain(const netdiag::Summary& summary, std::string* err) {
  if (options_.programs == 0 || std::exchange(complained_, true)) return;
  if (summary.owners) AppendComplaint(*summary.owners, kProc, /*compat=*/false, err);
  if (!summary.owner_error.ok()) AppendNoOwners(err);
}

absl::Status EngineSockets::Read(Output* output) {
  text_.clear();
  holders_.emplace(options_, kProc);
  if (Wants(options_, Protocol::kUnix)) ReadReferences();
  const netdiag::Query query = MakeQuery();
  first_ = query.protocols.front();
  NETDIAG_ASSIGN_OR_RETURN(summary_, engine_->Visit(query, [&](const netdiag::Row& row) {
    AddRow(row, output);
    return output->failed() ? Flow::kStop : Flow::kContinue;
  }));
  Complain(summary_, &output->err);
  return absl::OkStatus();
}

TableEnd EngineSockets::EndOf(Protocol protocol, const netdiag::Summary& summary,
                              std::string* err) {
  TableEnd end = TableEnd::kAbsent;
  for (const netdiag::TableOutcome& outcome : summary.tables) {
    if (outcome.table.protocol != protocol) continue;
    if (outcome.status.ok()) {
      if (end == TableEnd::kAbsent) end = TableEnd::kShown;
    } else if (!netdiag::IsUnsupported(outcome.status)) {
      err->append("netstat: ");
      AppendEscaped(std::string(outcome.status.message()), err);
      err->push_back('\n');
      end = TableEnd::kFailed;
    }
  }
  return end;
}

TableEnd EngineSockets::Append(Protocol protocol, Output* output) {
  if (!std::exchange(read_, true)) {
    failure_ = Read(output);
    if (!failure_.ok()) {
      output->err.append("netstat: ");
      AppendEscaped(std::string(failure_.message()), &output->err);
      output->err.push_back('\n');
    }
  }
  if (!failure_.ok()) return TableEnd::kFailed;
  const Text& text = text_[protocol];
  output->Append(text.v4);
  output->Append(text.v6);
  return EndOf(protocol, summary_, &output->err);
}

ExitCode EngineSockets::ShowJson(diag::Output* output, std::string* err) {
  ListOptions list;
  list.query = MakeQuery();
  list.style.form = Form::kJson;
  list.style.numeric = true;
  if (options_.extend > 0) list.details |= Detail::kExtended;
  if (options_.timers) list.details |= Detail::kTimers;
  if (options_.programs > 0) list.details |= Detail::kOwners;
  if (options_.context) list.details |= Detail::kProcessContexts;
  const std::unique_ptr<Renderer> renderer = NewRenderer(list, engine_.get(), output);
  renderer->Begin();
  const auto visit = [&](const netdiag::Row& row) {
    bool shown = true;
    if (const netdiag::InetSocket* const socket = row.inet()) {
      shown = row.protocol() == Protocol::kSctp
                  ? options_.all || row.is_association() != options_.listening
                  : IsShown(options_, LineOf(*socket, row));
    } else if (row.unix_socket() != nullptr) {
      shown = options_.all || (row.state() == State::kListen) == options_.listening;
    }
    if (shown) renderer->Row(row, std::nullopt);
    return Flow::kContinue;
  };
  const absl::StatusOr<netdiag::Summary> summary = engine_->Visit(list.query, visit);
  if (!summary.ok()) {
    err->append("netstat: ").append(std::string(summary.status().message())).append("\n");
    return kNotAnswered;
  }
  renderer->End(*summary);
  Complain(*summary, err);
  Output messages;
  const ExitCode code = ShowTables(
      options_, [&](Protocol protocol, Output* to) { return EndOf(protocol, *summary, &to->err); },
      nullptr, &messages);
  err->append(messages.err);
  return code;
}

}  // namespace diag::netstat
