// Tested by tests/tools/netstat_sockets_test.cc and tests/live/netstat_differential_test.cc.
//
// Source: proc_lines.h; sctp_eps_seq_show() and sctp_assocs_seq_show(), net/sctp/proc.c.

#include "tools/diag/netstat/proc_sockets.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "netdiag/dump/proc_lines.h"
#include "netdiag/dump/table.h"
#include "netdiag/types/parse_number.h"
#include "tools/diag/text.h"

namespace diag::netstat {
namespace {

using netdiag::IpAddress;
using netdiag::Protocol;
using netdiag::internal::ParseNumber;

constexpr std::string_view kBlanks = " \t\n\v\f\r";

// Takes words off a line that blanks separate. Empty: there is none left.
std::string_view TakeWord(std::string_view* line) {
  line->remove_prefix(std::min(line->find_first_not_of(kBlanks), line->size()));
  const std::string_view word = line->substr(0, line->find_first_of(kBlanks));
  line->remove_prefix(word.size());
  return word;
}

// An address of SCTP's files: "10.0.0.1", or eight groups of four hexadecimal digits. '*' marks the
// primary one.
std::optional<IpAddress> ParseSctpAddress(std::string_view word) {
  if (word.starts_with('*')) word.remove_prefix(1);
  const absl::StatusOr<IpAddress> address = IpAddress::Parse({word.data(), word.size()});
  return address.ok() ? std::optional(*address) : std::nullopt;
}

std::vector<IpAddress> ParseSctpAddresses(std::string_view text) {
  std::vector<IpAddress> addresses;
  while (true) {
    const std::string_view word = TakeWord(&text);
    if (word.empty()) return addresses;
    if (const auto address = ParseSctpAddress(word)) addresses.push_back(*address);
  }
}

// The state of the socket, in TCP's words.
std::string SctpState(std::string_view number) {
  const std::optional<uint8_t> state = ParseNumber<uint8_t>(number);
  if (state && *state >= 1 && *state <= 11) {
    return std::string(netdiag::Names(static_cast<netdiag::State>(*state)).netstat);
  }
  if (state == uint8_t{0}) return "";
  std::string unknown = "UNKNOWN(";
  AppendEscaped(number, &unknown);  // it need be no number
  return unknown + ")";
}

template <class T>
T NumberOr0(std::string_view word) {
  return ParseNumber<T>(word).value_or(T());
}

}  // namespace

int VisitLines(const std::string& path, absl::FunctionRef<void(std::string_view line)> visitor) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"),
                                                             std::fclose);
  if (file == nullptr) return errno;
  char* line = nullptr;
  size_t room = 0;
  for (ssize_t size = 0; (size = getline(&line, &room, file.get())) > 0;) {
    std::string_view text(line, static_cast<size_t>(size));
    if (text.ends_with('\n')) text.remove_suffix(1);
    visitor(text);
  }
  free(line);
  return 0;
}

ProcSockets::ProcSockets(const Options& options, std::string proc_root)
    : options_(options),
      proc_root_(std::move(proc_root)),
      owners_({.proc_root = proc_root_}),
      programs_(proc_root_),
      names_(options.compat),
      holders_(options, proc_root_),
      writer_(options, &names_) {}

void ProcSockets::FindOwners(Output* output) {
  if (options_.programs == 0) return;
  if (owners_.Refresh().ok()) {
    AppendComplaint(owners_.stats(), proc_root_, options_.compat, &output->err);
  } else {
    AppendNoOwners(&output->err);
  }
}

Holders ProcSockets::HoldersOf(netdiag::Inode inode) {
  if (options_.programs == 0) return {};
  return holders_.Of(owners_.Find(inode),
                     [this](const netdiag::Owner& owner) { return programs_.Of(owner); });
}

TableEnd ProcSockets::Append(Protocol protocol, Output* output) {
  switch (protocol) {
    case Protocol::kUnix:
      return AppendUnix(output);
    case Protocol::kSctp:
      return AppendSctp(output);
    default:
      return AppendInet(protocol, output);
  }
}

TableEnd ProcSockets::VisitFiles(std::string_view file, std::string_view file6, Output* output,
                                 absl::FunctionRef<void(std::string_view line)> visitor) {
  const auto visit = [&](std::string_view name) {
    bool header = true;
    const std::string path = proc_root_ + "/net/" + std::string(name);
    return VisitLines(path, [&](std::string_view line) {
      if (std::exchange(header, false)) return;
      visitor(line);
      output->DrainIfLong();
    });
  };
  TableEnd end = TableEnd::kShown;
  if (!options_.named() || options_.inet4 || file6.empty()) {
    const int errnum = visit(file);
    // As in netstat, only the first file of a table can be missing.
    if (errnum == ENOENT || errnum == EACCES) {
      end = TableEnd::kAbsent;
    } else if (errnum != 0) {
      output->err.append(proc_root_).append("/net/").append(file).append(": ");
      output->err.append(std::strerror(errnum)).append("\n");
      return TableEnd::kFailed;
    }
  }
  if (!file6.empty() && (!options_.named() || options_.inet6)) visit(file6);
  return end;
}

TableEnd ProcSockets::AppendInet(Protocol protocol, Output* output) {
  const netdiag::TableInfo& info = netdiag::Describe(protocol);
  return VisitFiles(info.proc_file, info.proc_file6, output, [&](std::string_view text) {
    const std::optional<netdiag::ProcInetLine> parsed = netdiag::ParseProcInetLine(text);
    if (!parsed) {
      output->err.append("warning, got bogus ")
          .append(protocol == Protocol::kUdpLite ? "udp" : netdiag::Names(protocol).netstat)
          .append(" line.\n");
      return;
    }
    const InetLine line = {.protocol = protocol,
                           .local = parsed->local,
                           .remote = parsed->remote,
                           .state = parsed->state,
                           .receive_queue = parsed->receive_queue,
                           .send_queue = parsed->send_queue,
                           .uid = netdiag::Uid(parsed->uid),
                           .inode = parsed->inode,
                           .timer = {.number = parsed->timer,
                                     .hundredths = parsed->ticks,
                                     .retransmits = parsed->retransmits,
                                     .probes = parsed->probes}};
    if (IsShown(options_, line)) writer_.Append(line, HoldersOf(line.inode), &output->out);
  });
}

TableEnd ProcSockets::AppendSctp(Output* output) {
  TableEnd end = TableEnd::kShown;
  if (options_.all || options_.listening) {
    end = VisitFiles("sctp/eps", "sctp6/eps", output,
                     [&](std::string_view line) { AppendEndpoint(line, output); });
  }
  // Of two missing files netstat mentions both, unless the first one ends the listing.
  if (end == TableEnd::kAbsent && options_.all) {
    if (options_.named() || !options_.verbose) return end;
    AppendNoSupport(Protocol::kSctp, output);
  }
  if (end != TableEnd::kFailed && (options_.all || !options_.listening)) {
    end = VisitFiles("sctp/assocs", "sctp6/assocs", output,
                     [&](std::string_view line) { AppendAssociation(line, output); });
  }
  return end;
}

// ENDPT SOCK STY SST HBKT LPORT UID INODE LADDRS
void ProcSockets::AppendEndpoint(std::string_view line, Output* output) {
  std::array<std::string_view, 8> words;
  for (std::string_view& word : words) word = TakeWord(&line);
  if (words.back().empty()) {
    output->err.append("warning, got bogus sctp eps line.\n");
    return;
  }
  const std::string state = SctpState(words[3]);
  const SctpLine row = {
      .locals = ParseSctpAddresses(line),
      .local_port = netdiag::Port::FromHost(NumberOr0<uint16_t>(words[5])),
      .state = state,
      .uid = netdiag::Uid(NumberOr0<uint32_t>(words[6])),
      .inode = netdiag::Inode(NumberOr0<uint32_t>(words[7])),
  };
  writer_.Append(row, HoldersOf(row.inode), &output->out);
}

// ASSOC SOCK STY SST ST HBKT ASSOC-ID TX_QUEUE RX_QUEUE UID INODE LPORT RPORT LADDRS <-> RADDRS …
void ProcSockets::AppendAssociation(std::string_view line, Output* output) {
  std::array<std::string_view, 13> words;
  for (std::string_view& word : words) word = TakeWord(&line);
  if (words.back().empty()) {
    output->err.append("warning, got bogus sctp assoc line.\n");
    return;
  }
  // Tabs end the list of remote addresses: numbers follow.
  const size_t arrow = line.find("<->");
  std::string_view remotes = arrow == line.npos ? std::string_view() : line.substr(arrow + 3);
  remotes = remotes.substr(0, remotes.find_first_of("\t<>-"));
  const std::string state = SctpState(words[3]);
  const SctpLine row = {
      .association = true,
      .locals = ParseSctpAddresses(line.substr(0, arrow)),
      .remotes = ParseSctpAddresses(remotes),
      .local_port = netdiag::Port::FromHost(NumberOr0<uint16_t>(words[11])),
      .remote_port = netdiag::Port::FromHost(NumberOr0<uint16_t>(words[12])),
      .state = state,
      .receive_queue = NumberOr0<uint32_t>(words[8]),
      .send_queue = NumberOr0<uint32_t>(words[7]),
      .uid = netdiag::Uid(NumberOr0<uint32_t>(words[9])),
      .inode = netdiag::Inode(NumberOr0<uint32_t>(words[10])),
  };
  writer_.Append(row, HoldersOf(row.inode), &output->out);
}

TableEnd ProcSockets::AppendUnix(Output* output) {
  std::string path;
  return VisitFiles("unix", "", output, [&](std::string_view text) {
    const std::optional<netdiag::ProcUnixLine> parsed = netdiag::ParseProcUnixLine(text);
    if (!parsed) {
      output->err.append("warning, got bogus unix line.\n");
      return;
    }
    // netstat takes a name for a word.
    std::string_view name = parsed->name;
    path.clear();
    AppendForeign(TakeWord(&name), /*compat=*/true, &path);
    const UnixLine line = {.references = parsed->references,
                           .protocol = parsed->protocol,
                           .flags = parsed->flags,
                           .type = parsed->type,
                           .state = parsed->state,
                           .inode = parsed->inode,
                           .path = path};
    if (IsShown(options_, line)) writer_.Append(line, HoldersOf(line.inode), &output->out);
  });
}

}  // namespace diag::netstat
