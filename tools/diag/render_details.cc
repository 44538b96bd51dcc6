// What ss's text shows of a socket behind its columns. Tested by tests/tools/render_ss_test.cc and
// against ss itself by tests/live/ss_differential_test.cc.

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "netdiag/bpf/map_values.h"
#include "netdiag/process/cgroup.h"
#include "tools/diag/render.h"
#include "tools/diag/table_buffer.h"

namespace diag {
namespace {

using netdiag::InetSocket;
using netdiag::Protocol;
using netdiag::SocketMemory;
using netdiag::UnixSocket;

// Appends the time until a timer fires as ss writes it: "59min", "1min10sec", "32sec", "1.200sec",
// "040ms"; nothing for 0.
void AppendTimer(uint32_t milliseconds, std::string* out) {
  if (milliseconds == 0) return;
  const uint32_t minutes = milliseconds / 60000;
  const uint32_t seconds = milliseconds / 1000 % 60;
  const uint32_t rest = milliseconds % 1000;
  if (minutes > 0) {
    AppendNumber(minutes, out);
    out->append("min");
    if (minutes <= 9 && seconds > 0) {
      AppendNumber(seconds, out);
      out->append("sec");
    }
    return;
  }
  if (seconds > 9 || (seconds > 0 && rest == 0)) {
    AppendNumber(seconds, out);
    out->append("sec");
    return;
  }
  if (seconds > 0) {
    AppendNumber(seconds, out);
    out->push_back('.');
  }
  const std::string digits = std::to_string(rest);
  out->append(3 - digits.size(), '0').append(digits).append(seconds > 0 ? "sec" : "ms");
}

void AppendCgroup(const netdiag::Row& row, const InetSocket& socket, std::string* out) {
  const std::optional<netdiag::CgroupId> cgroup = socket.cgroup();
  if (!cgroup || *cgroup == netdiag::CgroupId()) return;
  out->append(" cgroup:");
  const bool is_known = row.cgroup() != nullptr && !row.cgroup()->path.empty();
  if (is_known) return AppendField(row.cgroup()->path, out);
  out->append("unreachable:");
  AppendNumber(cgroup->value(), out, 16);
}

// -e
void AppendExtended(const netdiag::Row& row, const InetSocket& socket, std::string* out) {
  AppendIdentity(socket.uid(), socket.inode(), socket.cookie(), out);
  if (const auto mark = socket.mark(); mark && *mark != netdiag::Mark()) {
    out->append(" fwmark:0x");
    AppendNumber(mark->value(), out, 16);
  }
  AppendCgroup(row, socket, out);
  if (const std::optional<bool> v6_only = socket.v6_only()) {
    out->append(*v6_only ? " v6only:1" : " v6only:0");
  }
  AppendShutdown(socket.shutdown(), out);
}

// True if the kernel has more to tell of a socket than its queues.
bool HasInfo(Protocol protocol) {
  return protocol == Protocol::kTcp || protocol == Protocol::kMptcp ||
         protocol == Protocol::kSctp || protocol == Protocol::kDccp;
}

void AppendFile(const std::optional<UnixSocket::File>& file, std::string* out) {
  if (!file) return;
  out->append(" ino:");
  AppendNumber(file->inode, out);
  out->append(" dev:");
  AppendNumber(file->major, out);
  out->push_back('/');
  AppendNumber(file->minor, out);
}

// Appends text of several lines. Keeps the layout, and escapes the names and strings in it.
void AppendLines(std::string_view text, std::string* out) {
  for (bool more = true; more;) {
    const size_t end = text.find('\n');
    more = end != text.npos;
    std::string_view line = text.substr(0, end);
    text.remove_prefix(more ? end + 1 : text.size());
    const size_t indent = std::min(line.find_first_not_of('\t'), line.size());
    out->append(line.substr(0, indent));
    AppendEscaped(line.substr(indent), out);
    if (more) out->push_back('\n');
  }
}

// --bpf-maps: "map_id:7 [", the value as C writes it, and "]". If the type of the map's values is
// not known, their bytes.
void AppendBpfStorages(const InetSocket& socket, const ListOptions& options, std::string* out) {
  const bool oneline = options.style.oneline;
  std::string value;
  for (size_t i = 0; const auto storage = socket.bpf_storage(i); ++i) {
    value.clear();
    const netdiag::bpf::ValueLayout layout = {.oneline = oneline, .indent = oneline ? 0 : 2};
    const bool typed =
        options.map_values != nullptr &&
        options.map_values->Append(storage->map_id, storage->value, layout, &value).ok();
    if (!typed) {
      value.assign(oneline ? " 0x" : "\t\t0x");
      AppendHex(storage->value, &value);
    }
    out->append(oneline ? " map_id:" : "\n\tmap_id:");
    AppendNumber(storage->map_id, out);
    if (!oneline) out->append(" [\n");
    AppendLines(value, out);
    if (!oneline) out->append("\n\t]");
  }
}

// -m and -i, which have a line of their own.
void AppendSecondLine(const netdiag::Row& row, const InetSocket& socket, const ListOptions& options,
                      TableBuffer* table) {
  std::string* const out = table->text();
  const bool memory = options.shows(Detail::kMemory) && row.source() != netdiag::SourceKind::kEvent;
  const bool info = options.shows(Detail::kTcpInfo);
  const bool has_info = info && HasInfo(row.protocol());
  if (row.source() == netdiag::SourceKind::kProcfs || (!memory && !has_info)) return;
  if (!options.style.oneline) out->append("\n\t");
  if (memory) AppendMemory(socket.memory(), out);
  if (row.protocol() == Protocol::kSctp) AppendSctp(socket, out);
  if (!info) return;
  switch (row.protocol()) {
    case Protocol::kMptcp:
      return AppendMptcpInfo(row.mptcp_info().value_or(netdiag::MptcpInfo()), out);
    case Protocol::kSctp:
      return AppendSctpInfo(row.sctp_info().value_or(netdiag::SctpInfo()), out);
    default:  // also DCCP, which fills a few fields of tcp_info
      return WriteTcpInfo(socket, options, table);
  }
}

}  // namespace

void AppendShutdown(const std::optional<netdiag::Shutdown>& shutdown, std::string* out) {
  if (!shutdown) return;
  out->push_back(' ');
  out->push_back(shutdown->receive ? '-' : '<');
  out->push_back('-');
  out->push_back(shutdown->send ? '-' : '>');
}

void AppendMemory(const std::optional<SocketMemory>& memory, std::string* out) {
  if (!memory) return;
  // ss's letters for the fields, in the order of the struct.
  static constexpr std::array<std::string_view, 9> kLetters = {"r", "rb", "t",  "tb", "f",
                                                               "w", "o",  "bl", "d"};
  static_assert(kLetters.size() == SocketMemory::fields().size());
  out->append(" skmem:(");
  for (size_t i = 0; i < kLetters.size(); ++i) {
    const std::optional<uint64_t> value = (*memory)[SocketMemory::fields()[i]];
    if (!value) break;
    if (i > 0) out->push_back(',');
    out->append(kLetters[i]);
    AppendNumber(*value, out);
  }
  out->push_back(')');
}

void WriteDetails(const netdiag::Row& row, const InetSocket& socket, const ListOptions& options,
                  TableBuffer* table) {
  std::string* const out = table->text();
  if (options.shows(Detail::kTimers) && row.timer() != netdiag::Timer::kOff) {
    out->append(" timer:(").append(Name(row.timer())).push_back(',');
    AppendTimer(socket.expires(), out);
    out->push_back(',');
    AppendNumber(socket.retransmits(), out);
    out->push_back(')');
  }
  if (options.shows(Detail::kExtended)) AppendExtended(row, socket, out);
  if (options.shows(Detail::kTos)) AppendTos(socket, out);
  if (options.shows(Detail::kCgroup)) AppendCgroup(row, socket, out);
  if (options.shows(Detail::kSocketOptions)) {
    AppendSocketOptions(socket, options.style.oneline, out);
  }
  AppendSecondLine(row, socket, options, table);
  if (options.shows(Detail::kBpfStorages)) AppendBpfStorages(socket, options, out);
}

void WriteDetails(const netdiag::Row&, const UnixSocket& socket, const ListOptions& options,
                  TableBuffer* table) {
  std::string* const out = table->text();
  if (options.shows(Detail::kMemory)) AppendMemory(socket.memory(), out);
  if (!options.shows(Detail::kExtended)) return;
  AppendShutdown(socket.shutdown(), out);
  AppendFile(socket.file(), out);
}

void WriteDetails(const netdiag::Row&, const netdiag::PacketSocket& socket,
                  const ListOptions& options, TableBuffer* table) {
  AppendPacket(socket, options, table->text());
  if (options.shows(Detail::kMemory)) AppendMemory(socket.memory(), table->text());
}

void WriteDetails(const netdiag::Row&, const netdiag::NetlinkSocket& socket,
                  const ListOptions& options, TableBuffer* table) {
  if (options.shows(Detail::kExtended)) AppendNetlink(socket, table->text());
  if (options.shows(Detail::kMemory)) AppendMemory(socket.memory(), table->text());
}

}  // namespace diag
