// `diag help fields`. Tested by tests/tools/help_test.cc.

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_join.h"

#include "netdiag/field_words.h"
#include "netdiag/fields.h"
#include "tools/diag/columns.h"
#include "tools/diag/field_descriptions.h"
#include "tools/diag/help.h"

namespace diag {
namespace {

using netdiag::Field;
using netdiag::FieldGroup;

// What the sockets of a group have in common.
struct GroupHelp {
  FieldGroup group;
  std::string_view text;
};
constexpr auto kGroups = [] {
  using enum FieldGroup;
  return std::to_array<GroupHelp>({
      {kSocket, "Every socket"},
      {kOptions, "options set on the socket"},
      {kTcpInfo, "TCP"},
      {kMemory, "memory of the buffers"},
      {kInetMemory, "the same in an older form"},
      {kVegas, "TCP whose congestion control is Vegas or like it"},
      {kDctcp, "TCP whose congestion control is DCTCP"},
      {kBbr, "TCP whose congestion control is BBR"},
      {kTls, "TCP with TLS in the kernel"},
      {kMptcp, "TCP that is a subflow of MPTCP"},
      {kMptcpInfo, "MPTCP connections"},
      {kSctpInfo, "SCTP endpoints (s_) and associations (all others)"},
      {kDccpInfo, "DCCP"},
      {kLocal, "the local addresses of SCTP endpoints and associations"},
      {kPeer, "the addresses of the peers of SCTP associations"},
      {kPacket, "packet sockets"},
      {kReceiveRing, "the receive ring of packet sockets"},
      {kSendRing, "the send ring of packet sockets"},
      {kFanout, "the fanout group of packet sockets"},
      {kNetlink, "netlink sockets"},
      {kVsock, "vsock sockets"},
      {kTipc, "TIPC sockets"},
      {kXdp, "XDP sockets"},
      {kUmem, "the memory for the frames of XDP sockets"},
      {kXdpStats, "what XDP sockets lost"},
      {kSmc, "SMC sockets"},
      {kSmcConn, "the buffers of SMC connections"},
      {kSmcLink, "the link of SMC-R connections"},
      {kSmcDevice, "the memory of SMC-D connections in their device"},
      {kOwner, "the processes that hold the socket"},
      {kPeerOwner, "the processes that hold the other end of a unix socket"},
  });
}();

std::string HeadingOf(FieldGroup group) {
  const auto row = std::ranges::find(kGroups, group, &GroupHelp::group);
  const std::string text(row == kGroups.end() ? "" : row->text);
  const std::string name(Name(group));
  return (name.empty() ? text : name + ": " + text) + "\n";
}

// The words that the field can have; none if its description has them all.
std::vector<std::string> ValuesOf(const Field& field) {
  const netdiag::FieldWords* const words = netdiag::WordsOf(field);
  if (words != nullptr && words->numbers != nullptr) return {};  // too many
  // `diag help states` and `diag help tables` have them.
  if (field.name == "state" || field.name == "protocol") return {};
  std::vector<std::string> all;
  for (const std::string_view word :
       words != nullptr ? words->AllWords() : netdiag::AllowedWords(field)) {
    if (!word.empty()) all.emplace_back(word);
  }
  const std::string_view text = DescriptionOf(field);
  const bool told = std::ranges::all_of(
      all, [&](const std::string& word) { return text.find(word) != text.npos; });
  return told ? std::vector<std::string>() : all;
}

std::string EntryOf(const Column& column) {
  const Field& field = *column.field;
  std::string text(DescriptionOf(field));
  if (const auto words = ValuesOf(field); !words.empty()) {
    text += " Values: " + absl::StrJoin(words, " ") + ".";
  }
  std::vector<std::string> names;
  for (const netdiag::FieldAlias& alias : netdiag::FieldAliases()) {
    if (netdiag::FindFieldByWord(alias.word) != &field) continue;
    names.emplace_back(alias.word);
    if (alias.word == "dev" || alias.word == "user") names.back() += " (its name)";
  }
  if (!names.empty()) text += " Short: " + absl::StrJoin(names, ", ") + ".";
  return HelpEntry("  " + column.key, text);
}

constexpr std::string_view kIntroduction =
    R"(Fields are for filters and for --columns, --sort, --count-by and --sum. A name
may leave out its unit: rtt is rtt_us, in microseconds (us), and ms are
milliseconds. It may have its group before it: tcp_info.rtt. If two groups have
the same name, the name alone means the first one in this list: rtt is
tcp_info.rtt, and vegas.rtt needs its group. The fields of locals and peers
always need their group. --columns also takes the names of groups, and `all`. If
a socket lacks a field, a table shows `-`, and a filter is false.

A field of owners, as in --columns pid,comm,exe, makes diag search for owners,
also without -p. container, pod and unit do so, too. cgroup_path does not: of
unix sockets it needs -p.
)";

constexpr std::string_view kExamples = R"(
Examples:
  diag -tan --columns local,lport,remote,rport,rtt,cwnd
  diag -tan --sort -bytes_acked --limit 10 --columns remote,bytes_acked
  diag -tln --columns lport,pid,comm,exe
  diag -ta --count-by state,user
)";

}  // namespace

std::string FieldsHelp() {
  std::string text(kIntroduction);
  const std::vector<Column> columns = AllColumns(true);
  for (size_t i = 0; i < columns.size();) {
    const FieldGroup group = columns[i].field->group;
    text += "\n" + HeadingOf(group);
    for (; i < columns.size() && columns[i].field->group == group; ++i) text += EntryOf(columns[i]);
  }
  return text.append(kExamples);
}

}  // namespace diag
