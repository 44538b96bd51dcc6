// What ss's text shows of a socket behind its columns. Tested by tests/tools/render_ss_test.cc and
// against ss itself by tests/live/ss_differential_test.cc.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

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

void AppendCgroup(const netdiag::Row& row, const InetSocket& socket, std::string* out) {
  const std::optional<netdiag::CgroupId> cgroup = socket.cgroup();
  if (!cgroup || *cgroup == netdiag::CgroupId()) return;
  out->append(" cgroup:");
  const bool is_known = row.cgroup() != nullptr && !row.cgroup()->path.empty();
  if (is_known) return AppendEscaped(row.cgroup()->path, out);
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

void AppendFile(const std::optional<UnixSocket::File>& file, std::string* out) {
  if (!file) return;
  out->append(" ino:");
  AppendNumber(file->inode, out);
  out->append(" dev:");
  AppendNumber(file->major, out);
  out->push_back('/');
  AppendNumber(file->minor, out);
}

}  // namespace

void WriteDetails(const netdiag::Row& row, const InetSocket& socket, const ListOptions& options,
                  TableBuffer* table) {
  std::string* const out = table->text();
  if (options.shows(Detail::kTimers) && socket.timer() != netdiag::Timer::kOff) {
    out->append(" timer:(").append(Name(socket.timer())).push_back(',');
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
  const bool streams = row.protocol() == Protocol::kTcp || row.protocol() == Protocol::kMptcp;
  const bool memory = options.shows(Detail::kMemory) && row.source() != netdiag::SourceKind::kEvent;
  const bool info = options.shows(Detail::kTcpInfo);
  if (row.source() == netdiag::SourceKind::kProcfs || (!memory && !(info && streams))) return;
  if (!options.style.oneline) out->append("\n\t");
  if (memory) AppendMemory(socket.memory(), out);
  if (!info) return;
  if (row.protocol() == Protocol::kMptcp) {
    AppendMptcpInfo(row.mptcp_info().value_or(netdiag::MptcpInfo()), out);
  } else {
    WriteTcpInfo(socket, options, table);
  }
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
