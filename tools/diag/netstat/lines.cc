// Tested by tests/tools/netstat_lines_test.cc, and against netstat itself by
// tests/live/netstat_differential_test.cc.

#include "tools/diag/netstat/lines.h"

#include <algorithm>
#include <charconv>

#include "netdiag/dump/proc_lines.h"
#include "netdiag/socket/inet_socket.h"
#include "tools/diag/text.h"

namespace diag::netstat {
namespace {

using netdiag::Protocol;

// Appends blanks until `width` bytes follow `begin`.
void Pad(size_t begin, size_t width, std::string* out) {
  const size_t size = out->size() - begin;
  if (size < width) out->append(width - size, ' ');
}
void AppendLeft(std::string_view text, size_t width, std::string* out) {
  const size_t begin = out->size();
  out->append(text);
  Pad(begin, width, out);
}
// Columns of at most 20 digits.
void AppendLeft(uint64_t number, size_t width, std::string* out) {
  const size_t begin = out->size();
  AppendNumber(number, out);
  Pad(begin, width, out);
}
void AppendRight(uint64_t number, size_t width, std::string* out) {
  std::array<char, 24> digits;
  const auto size = static_cast<size_t>(
      std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr - digits.data());
  if (size < width) out->append(width - size, ' ');
  out->append(digits.data(), size);
}

std::string_view WhichSockets(const Options& options) {
  if (options.all) return "(servers and established)";
  return options.listening ? "(only servers)" : "(w/o servers)";
}

constexpr size_t kProgramWidth = 20;
constexpr size_t kContextWidth = 50;

void AppendHolderHeader(const Options& options, std::string* out) {
  if (options.programs > 0) {
    out->push_back(' ');
    AppendLeft("PID/Program name", kProgramWidth, out);
  }
  if (options.context) AppendLeft(" Security Context", kContextWidth, out);
}

PortNames PortNamesOf(Protocol protocol) {
  switch (protocol) {
    case Protocol::kTcp:
      return PortNames::kTcp;
    case Protocol::kRaw:
      return PortNames::kRaw;
    case Protocol::kSctp:
      return PortNames::kNone;
    default:
      return PortNames::kUdp;
  }
}

// "tcp" and "tcp6".
void AppendProtocol(const InetLine& line, std::string* out) {
  const size_t begin = out->size();
  out->append(netdiag::Names(line.protocol).netstat);
  if (line.local.address.family() == netdiag::Family::kInet6) out->push_back('6');
  Pad(begin, 5, out);
}

std::string_view UnixState(const UnixLine& line) {
  static constexpr std::string_view kStates[] = {"FREE", "", "CONNECTING", "CONNECTED",
                                                 "DISCONNECTING"};
  if (line.state == netdiag::kProcUnixUnconnected &&
      (line.flags & netdiag::kProcUnixAccepts) != 0) {
    return "LISTENING";
  }
  return line.state < std::size(kStates) ? kStates[line.state] : "UNKNOWN";
}

std::string_view UnixType(uint32_t type) {
  static constexpr std::string_view kTypes[] = {"", "STREAM", "DGRAM", "RAW", "RDM", "SEQPACKET"};
  return type > 0 && type < std::size(kTypes) ? kTypes[type] : "UNKNOWN";
}

}  // namespace

bool IsShown(const Options& options, const InetLine& line) {
  if (options.all) return true;
  // netstat tells a server by its remote end: the port of TCP, the address of the others.
  const bool server = line.protocol == Protocol::kTcp ? line.remote.port.value() == 0
                                                      : line.remote.address.IsUnspecified();
  return server == options.listening;
}

bool IsShown(const Options& options, const UnixLine& line) {
  const bool server =
      line.state == netdiag::kProcUnixUnconnected && (line.flags & netdiag::kProcUnixAccepts) != 0;
  return options.all || server == options.listening;
}

std::string InetHeader(const Options& options) {
  std::string out = "Active Internet connections ";
  out.append(WhichSockets(options))
      .append("\nProto Recv-Q Send-Q Local Address           Foreign Address         State      ");
  if (options.extend > 0) out.append(" User       Inode     ");
  AppendHolderHeader(options, &out);
  if (options.timers) out.append(" Timer");
  return out.append("\n");
}

std::string UnixHeader(const Options& options) {
  std::string out = "Active UNIX domain sockets ";
  out.append(WhichSockets(options))
      .append("\nProto RefCnt Flags       Type       State         I-Node  ");
  AppendHolderHeader(options, &out);
  return out.append(" Path\n");
}

void LineWriter::AppendEnd(const netdiag::Endpoint& end, PortNames names, std::string* out) {
  host_.clear();
  port_.clear();
  names_.AppendHost(end.address, options_.numeric_hosts, &host_);
  names_.AppendPort(names, end.port, options_.numeric_ports, &port_);
  // netstat's columns, which cut the host before the port.
  constexpr size_t kRoom = 22;
  constexpr size_t kHostAtLeast = 4;
  if (options_.compat && !options_.wide && host_.size() + port_.size() > kRoom) {
    port_.resize(std::min(port_.size(), kRoom - kHostAtLeast));
    host_.resize(std::min(host_.size(), kRoom - port_.size()));
  }
  const size_t begin = out->size();
  out->append(host_).append(":").append(port_);
  Pad(begin, kRoom + 1, out);
}

void LineWriter::AppendState(const InetLine& line, std::string* out) const {
  constexpr size_t kWidth = 11;
  if (line.protocol == Protocol::kRaw) return AppendLeft(uint64_t{line.state}, kWidth, out);
  const auto state = static_cast<netdiag::State>(line.state);
  std::string_view text = line.state == 0 ? "" : netdiag::Names(state).netstat;
  if (line.protocol != Protocol::kTcp && state != netdiag::State::kEstablished) {
    text = state == netdiag::State::kClose ? "" : "UNKNOWN";
  }
  AppendLeft(text, kWidth, out);
}

void LineWriter::AppendTimer(const InetLine& line, std::string* out) const {
  const TimerText& timer = line.timer;
  const bool tcp = line.protocol == Protocol::kTcp;
  static constexpr std::string_view kTcp[] = {"off", "on", "keepalive", "timewait", "probe"};
  static constexpr std::string_view kOthers[] = {"off", "on1", "on2"};
  const std::span<const std::string_view> names =
      tcp ? std::span<const std::string_view>(kTcp) : std::span<const std::string_view>(kOthers);
  out->push_back(' ');
  if (timer.number < names.size()) {
    out->append(names[timer.number]);
  } else {
    out->append("unkn-");
    AppendNumber(timer.number, out);
  }
  out->append(" (");
  const uint64_t hundredths = timer.number == 0 ? 0 : timer.hundredths;
  AppendNumber(hundredths / 100, out);
  out->push_back('.');
  out->push_back(static_cast<char>('0' + hundredths / 10 % 10));
  out->push_back(static_cast<char>('0' + hundredths % 10));
  out->push_back('/');
  // netstat has none of UDP.
  const bool udp = line.protocol == Protocol::kUdp || line.protocol == Protocol::kUdpLite;
  AppendNumber(udp ? 0 : timer.retransmits, out);
  out->push_back('/');
  AppendNumber(timer.probes, out);
  out->push_back(')');
}

void LineWriter::AppendHolders(const Holders& holders, std::string* out) const {
  if (options_.programs > 0) {
    out->push_back(' ');
    AppendLeft(holders.programs, kProgramWidth, out);
  }
  if (options_.context) {
    out->push_back(' ');
    AppendLeft(holders.context, kContextWidth, out);
  }
}

void LineWriter::AppendRest(netdiag::Uid uid, netdiag::Inode inode, const Holders& holders,
                            std::string* out) {
  if (options_.extend > 0) {
    out->push_back(' ');
    const size_t begin = out->size();
    names_.AppendUser(uid, options_.numeric_users, out);
    Pad(begin, 10, out);
    out->push_back(' ');
    AppendLeft(uint64_t{inode.value()}, 10, out);
  }
  AppendHolders(holders, out);
}

void LineWriter::Append(const InetLine& line, const Holders& holders, std::string* out) {
  const PortNames names = PortNamesOf(line.protocol);
  AppendProtocol(line, out);
  out->push_back(' ');
  AppendRight(line.receive_queue, 6, out);
  out->push_back(' ');
  AppendRight(line.send_queue, 6, out);
  out->push_back(' ');
  AppendEnd(line.local, names, out);
  out->push_back(' ');
  AppendEnd(line.remote, names, out);
  out->push_back(' ');
  AppendState(line, out);
  AppendRest(line.uid, line.inode, holders, out);
  if (options_.timers) AppendTimer(line, out);
  out->push_back('\n');
}

void LineWriter::Append(const SctpLine& line, const Holders& holders, std::string* out) {
  // netstat's column of an endpoint takes both places; an association's addresses stand side by
  // side. Further addresses follow on lines of their own, and those of associations have no ports.
  // netstat takes every wish for numbers as one for numbers of these hosts.
  const bool numeric =
      options_.numeric_hosts ||
      (options_.compat && (options_.numeric_ports || options_.numeric_users || options_.symbolic));
  const auto append = [&](const std::vector<netdiag::IpAddress>& list, size_t i, netdiag::Port port,
                          bool with_port, size_t width) {
    const size_t begin = out->size();
    if (i < list.size()) {
      names_.AppendHost(list[i], numeric, out);
      if (with_port) {
        out->push_back(':');
        names_.AppendPort(PortNames::kNone, port, options_.numeric_ports, out);
      }
    }
    Pad(begin, width, out);
  };
  const size_t rows = std::max(line.locals.size(), line.remotes.size());
  for (size_t i = 0; i < rows; ++i) {
    if (i > 0) out->append("\n                    ");
    if (i == 0 && line.association) {
      out->append("sctp  ");
      AppendRight(line.receive_queue, 6, out);
      out->push_back(' ');
      AppendRight(line.send_queue, 6, out);
      out->push_back(' ');
    } else if (i == 0) {
      out->append("sctp                ");
    }
    if (line.association) {
      append(line.locals, i, line.local_port, i == 0, 23);
      out->push_back(' ');
      append(line.remotes, i, line.remote_port, i == 0, 23);
    } else {
      append(line.locals, i, line.local_port, true, 47);
    }
    out->push_back(' ');
    AppendLeft(i == 0 ? line.state : "", 11, out);
  }
  AppendRest(line.uid, line.inode, holders, out);
  // netstat shows no timer of SCTP, but the blank before it.
  if (options_.timers) out->push_back(' ');
  out->push_back('\n');
}

void LineWriter::Append(const UnixLine& line, const Holders& holders, std::string* out) const {
  AppendLeft(line.protocol == 0 ? "unix" : "??", 5, out);
  out->push_back(' ');
  if (line.references) {
    AppendLeft(uint64_t{*line.references}, 6, out);
  } else {
    AppendLeft("-", 6, out);
  }
  const size_t flags = out->size() + 1;
  out->append(" [ ");
  static constexpr std::pair<uint32_t, std::string_view> kFlags[] = {
      {netdiag::kProcUnixAccepts, "ACC "}, {0x20000, "W "}, {0x40000, "N "}};
  for (const auto& [bit, word] : kFlags) {
    if ((line.flags & bit) != 0) out->append(word);
  }
  out->push_back(']');
  Pad(flags, 11, out);
  out->push_back(' ');
  AppendLeft(UnixType(line.type), 10, out);
  out->push_back(' ');
  AppendLeft(UnixState(line), 13, out);
  out->push_back(' ');
  AppendLeft(uint64_t{line.inode.value()}, 8, out);
  AppendHolders(holders, out);
  out->push_back(' ');
  out->append(line.path).append("\n");
}

}  // namespace diag::netstat
