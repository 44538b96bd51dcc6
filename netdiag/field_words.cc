// Tested by tests/field_words_test.cc.

#include "netdiag/field_words.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "netdiag/dump/table.h"
#include "netdiag/process/owner.h"
#include "netdiag/socket/socket.h"
#include "netdiag/types/ascii.h"
#include "netdiag/types/types.h"

namespace netdiag {
namespace {

using Word = std::string_view;

// Source: include/net/tcp_states.h.
constexpr Word kTcpStates[] = {"established",   "syn-sent",  "syn-recv",    "fin-wait-1",
                               "fin-wait-2",    "time-wait", "unconnected", "close-wait",
                               "last-ack",      "listening", "closing",     "new-syn-recv",
                               "bound-inactive"};
// Source: enum tcp_ca_state, TCPI_OPT_*, enum tcp_fastopen_client_fail, include/uapi/linux/tcp.h.
constexpr Word kCaStates[] = {"open", "disorder", "cwr", "recovery", "loss"};
constexpr Word kTcpOptions[] = {"timestamps", "sack",     "wscale",  "ecn",
                                "ecn_seen",   "syn_data", "usec_ts", "fastopen_child"};
constexpr Word kFastOpenFailures[] = {"unspecified", "cookie-unavailable", "data-not-acked",
                                      "syn-retransmitted"};
// Source: include/uapi/linux/tls.h.
constexpr Word kTlsVersions[] = {"1.2", "1.3"};
constexpr Word kTlsCiphers[] = {"aes-gcm-128", "aes-gcm-256", "aes-ccm-128",  "chacha20-poly1305",
                                "sm4-gcm",     "sm4-ccm",     "aria-gcm-128", "aria-gcm-256"};
constexpr Word kTlsModes[] = {"none", "sw", "hw", "hw-record"};
// Source: MPTCP_SUBFLOW_FLAG_*, include/uapi/linux/mptcp.h.
constexpr Word kMptcpFlags[] = {"mp_capable_remote", "mp_capable_local", "mp_join_remote",
                                "mp_join_local",     "backup_remote",    "backup_local",
                                "fully_established", "connected",        "map_valid"};
// Source: enum sctp_state, include/net/sctp/constants.h; sctp_get_sctp_info(), net/sctp/socket.c
// (the peer's abilities; before 6.3, "reconf" was an address that is a host's name); enum
// sctp_spinfo_state, include/uapi/linux/sctp.h; enum sctp_socket_type, include/net/sctp/structs.h.
constexpr Word kSctpStates[] = {
    "closed",           "cookie-wait",   "cookie-echoed",     "established",
    "shutdown-pending", "shutdown-sent", "shutdown-received", "shutdown-ack-sent"};
constexpr Word kSctpAbilities[] = {"auth", "prsctp", "asconf", "reconf",
                                   "ipv6", "ipv4",   "ecn",    "intl"};
constexpr Word kSctpSack[] = {"zero_window", "generation", "needed"};
constexpr Word kSctpPaths[] = {"inactive", "potentially-failed", "active", "unconfirmed"};
constexpr Word kSctpTypes[] = {"one-to-many", "one-to-many-high-bandwidth", "one-to-one"};
// Source: enum ccid3_hc_rx_states, net/dccp/ccids/ccid3.h.
constexpr Word kCcid3States[] = {"no-data", "data"};
// Source: enum tpacket_versions, PACKET_FANOUT_*, TP_FT_REQ_*, include/uapi/linux/if_packet.h;
// SOF_TIMESTAMPING_*, include/uapi/linux/net_tstamp.h; PDI_*, include/uapi/linux/packet_diag.h.
constexpr Word kPacketVersions[] = {"v1", "v2", "v3"};
constexpr Word kFanoutModes[] = {"hash", "lb", "cpu", "rollover", "rnd", "qm", "cbpf", "ebpf"};
constexpr Word kRingFeatures[] = {"fill_rxhash"};
constexpr Word kTimestamps[] = {"tx_hardware", "tx_software",  "rx_hardware", "rx_software",
                                "software",    "sys_hardware", "raw_hardware"};
constexpr Word kPacketFlags[] = {"running", "auxdata", "origdev", "vnethdr", "loss"};

// Source: include/uapi/linux/tipc.h; XDP_DU_F_*, include/uapi/linux/xdp_diag.h.
constexpr Word kTipcScopes[] = {"cluster", "node"};
constexpr Word kUmemFlags[] = {"zero_copy"};
// Source: enum smc_state, net/smc/smc.h; SMC_DIAG_MODE_*, include/uapi/linux/smc_diag.h; enum
// smc_lgr_role, net/smc/smc_core.h; struct smc_cdc_producer_flags and smc_cdc_conn_state_flags,
// net/smc/smc_cdc.h.
constexpr Word kSmcStates[] = {"active",
                               "init",
                               "",
                               "",
                               "",
                               "",
                               "closed",
                               "",
                               "",
                               "listen",
                               "",
                               "",
                               "",
                               "",
                               "",
                               "",
                               "",
                               "",
                               "",
                               "peerclosewait1",
                               "peerclosewait2",
                               "appclosewait1",
                               "appclosewait2",
                               "appfinclosewait",
                               "peerfinclosewait",
                               "peerabortwait",
                               "processabort"};
constexpr Word kSmcModes[] = {"smcr", "tcp", "smcd"};
constexpr Word kSmcRoles[] = {"client", "server"};
constexpr Word kSmcProducerFlags[] = {"",
                                      "",
                                      "",
                                      "failover_validation",
                                      "cons_curs_upd_req",
                                      "urg_data_present",
                                      "urg_data_pending",
                                      "write_blocked"};
constexpr Word kSmcStateFlags[] = {
    "", "", "", "", "", "peer_conn_abort", "peer_conn_closed", "peer_done_writing"};

constexpr auto kWords = [] {
  using enum FieldGroup;
  return std::to_array<FieldWords>({
      {kTcpInfo, "state", false, 1, kTcpStates},
      {kTcpInfo, "ca_state", false, 0, kCaStates},
      {kTcpInfo, "options", true, 0, kTcpOptions},
      {kTcpInfo, "fastopen_client_fail", false, 0, kFastOpenFailures},
      {kTls, "version", false, 0x303, kTlsVersions},
      {kTls, "cipher", false, 51, kTlsCiphers},
      {kTls, "tx_mode", false, 1, kTlsModes},
      {kTls, "rx_mode", false, 1, kTlsModes},
      {kMptcp, "flags", true, 0, kMptcpFlags},
      {kSctpInfo, "state", false, 0, kSctpStates},
      {kSctpInfo, "peer_capable", true, 0, kSctpAbilities},
      {kSctpInfo, "peer_sack", true, 0, kSctpSack},
      {kSctpInfo, "p_state", false, 0, kSctpPaths},
      {kSctpInfo, "s_type", false, 0, kSctpTypes},
      // Behind TCP's first twelve, the numbers depend on the kernel (Row::state()).
      {kDccpInfo, "state", false, 1, std::span(kTcpStates).first(12)},
      {kDccpInfo, "ca_state", false, 1, kCcid3States},
      {kDccpInfo, "options", true, 0, kTcpOptions},
      {kPacket, "ethertype", false, 0, {}, EtherTypes},
      {kPacket, "version", false, 0, kPacketVersions},
      {kPacket, "tstamp", true, 0, kTimestamps},
      {kPacket, "flags", true, 0, kPacketFlags},
      {kReceiveRing, "features", true, 0, kRingFeatures},
      {kSendRing, "features", true, 0, kRingFeatures},
      {kFanout, "mode", false, 0, kFanoutModes},
      {kNetlink, "protocol", false, 0, {}, NetlinkProtocols},
      {kTipc, "group_scope", false, 2, kTipcScopes},
      {kUmem, "flags", true, 0, kUmemFlags},
      {kSmc, "state", false, 1, kSmcStates},
      {kSmc, "mode", false, 0, kSmcModes},
      {kSmcConn, "rx_prod_flags", true, 0, kSmcProducerFlags},
      {kSmcConn, "rx_state_flags", true, 0, kSmcStateFlags},
      {kSmcConn, "tx_prod_flags", true, 0, kSmcProducerFlags},
      {kSmcConn, "tx_state_flags", true, 0, kSmcStateFlags},
      {kSmcLink, "role", false, 0, kSmcRoles},
  });
}();

// Filters never look up sport and dport here, because the two are predicates of their own.
constexpr auto kAliases = std::to_array<FieldAlias>({
    {"proto", "protocol"},
    {"local", "local_address"},
    {"lport", "local_port"},
    {"sport", "local_port"},
    {"remote", "remote_address"},
    {"peer", "remote_address"},
    {"rport", "remote_port"},
    {"dport", "remote_port"},
    {"dev", "interface"},
    {"fwmark", "mark"},
    {"recvq", "receive_queue"},
    {"sendq", "send_queue"},
    {"user", "uid"},
    {"ino", "inode"},
    {"sk", "cookie"},
    {"comm", "owners.command"},
    {"process", "owners.command"},
    {"tclass", "traffic_class"},
    {"cong", "congestion"},
    {"expires", "timer_expires"},
    {"mss", "tcp_info.snd_mss"},
    {"cwnd", "tcp_info.snd_cwnd"},
    {"ssthresh", "tcp_info.snd_ssthresh"},
    {"minrtt", "tcp_info.min_rtt"},
    {"notsent", "tcp_info.notsent_bytes"},
    {"lastsnd", "tcp_info.last_data_sent"},
    {"lastrcv", "tcp_info.last_data_recv"},
    {"lastack", "tcp_info.last_ack_recv"},
});

// Only words that are not longer are compared.
constexpr size_t kLongest = 80;

// The number of edits between the words, if it is less than `limit`; else a number that is not less
// than `limit`. REQUIRES: neither word is longer than kLongest.
size_t EditDistance(std::string_view a, std::string_view b, size_t limit) {
  if (std::max(a.size(), b.size()) - std::min(a.size(), b.size()) >= limit) return limit;
  // rows[i % 3][j] is the distance between the first i bytes of a and the first j bytes of b.
  std::array<std::array<size_t, kLongest + 1>, 3> rows;
  for (size_t j = 0; j <= b.size(); ++j) rows[0][j] = j;
  size_t least_above = 0;  // the least value of the row above
  for (size_t i = 1; i <= a.size(); ++i) {
    std::array<size_t, kLongest + 1>& row = rows[i % 3];
    const std::array<size_t, kLongest + 1>& above = rows[(i - 1) % 3];
    size_t least = row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const bool same = internal::ToLower(a[i - 1]) == internal::ToLower(b[j - 1]);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (same ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], rows[(i - 2) % 3][j - 2] + 1);
      least = std::min(least, row[j]);
    }
    // A row is computed from the two above it, by additions only. So no later value is less.
    if (least >= limit && least_above >= limit) return limit;
    least_above = least;
  }
  return rows[a.size() % 3][b.size()];
}

std::string_view Suffix(Unit unit) {
  switch (unit) {
    case Unit::kNone:
    case Unit::kPackets:
    case Unit::k256ths:
      return "";
    case Unit::kBytes:
      return "_bytes";
    case Unit::kMilliseconds:
      return "_ms";
    case Unit::kMicroseconds:
      return "_us";
    case Unit::kBytesPerSecond:
      return "_bytes_per_second";
  }
  return "";
}

struct FieldName {
  std::string text;
  const Field* field;
};

// The names of all fields, with and without unit, and without the group where it needs not be
// named.
const std::vector<FieldName>& AllNames() {
  static const auto* const kNames = [] {
    auto* const names = new std::vector<FieldName>;
    for (const Field& field : AllFields()) {
      const std::string name(field.name);
      const std::string with_unit = NameWithUnit(field);
      if (!NeedsGroup(field.group)) {
        names->push_back({name, &field});
        if (with_unit != name) names->push_back({with_unit, &field});
      }
      if (field.group == FieldGroup::kSocket) continue;
      const std::string group = std::string(Name(field.group)) + ".";
      names->push_back({group + name, &field});
      if (with_unit != name) names->push_back({group + with_unit, &field});
    }
    return names;
  }();
  return *kNames;
}

}  // namespace

std::string_view FieldWords::Word(uint64_t number) const {
  if (numbers != nullptr) {
    const NumberNames* const row =
        number <= UINT16_MAX ? FindNumber(numbers(), static_cast<uint16_t>(number)) : nullptr;
    return row == nullptr ? std::string_view() : row->word.empty() ? row->ss : row->word;
  }
  if (number < first || number - first >= words.size()) return {};
  return words[number - first];
}

std::optional<uint64_t> FieldWords::Number(std::string_view word) const {
  const auto is = [&](uint64_t number) {
    return !word.empty() && internal::EqualIgnoringCase(Word(number), word);
  };
  if (numbers != nullptr) {
    for (const NumberNames& row : numbers()) {
      if (is(row.number)) return row.number;
    }
  }
  for (uint64_t number = first; number < first + words.size(); ++number) {
    if (is(number)) return number;
  }
  return std::nullopt;
}

std::vector<std::string_view> FieldWords::AllWords() const {
  std::vector<std::string_view> all;
  if (numbers != nullptr) {
    for (const NumberNames& row : numbers()) all.push_back(Word(row.number));
  }
  for (const std::string_view word : words) {
    if (!word.empty()) all.push_back(word);
  }
  return all;
}

size_t WriteRatio(uint64_t number, char* out) {
  constexpr uint64_t kStep = 390625;  // 1/256, in units of the eighth decimal
  char* const end = std::to_chars(out, out + 20, number / 256).ptr;
  uint64_t decimals = number % 256 * kStep;
  if (decimals == 0) return static_cast<size_t>(end - out);
  *end = '.';
  char* at = end + 1;
  for (uint64_t place = 10'000'000; decimals != 0; place /= 10) {
    *at++ = static_cast<char>('0' + decimals / place);
    decimals %= place;
  }
  return static_cast<size_t>(at - out);
}

const FieldWords* WordsOf(const Field& field) {
  const auto row = std::ranges::find_if(kWords, [&](const FieldWords& words) {
    return words.group == field.group && words.field == field.name;
  });
  return row == kWords.end() ? nullptr : &*row;
}

std::vector<std::string_view> AllowedWords(const Field& field) {
  std::vector<std::string_view> words;
  if (field.meaning != Meaning::kEnum || field.group != FieldGroup::kSocket) return words;
  if (field.name == "state") {
    for (const StateNames& row : AllStates()) words.push_back(row.word);
  } else if (field.name == "protocol") {
    for (const TableNames& row : AllProtocols()) words.push_back(row.word);
  } else if (field.name == "family") {
    for (const FamilyNames& row : AllFamilies()) words.push_back(row.word);
  } else if (field.name == "type") {
    for (const SocketTypeNames& row : AllSocketTypes()) words.push_back(row.word);
  } else if (field.name == "timer") {
    for (const Timer timer : kTimers) words.push_back(Name(timer));
  } else if (field.name == "source") {
    for (uint8_t i = 0; i <= static_cast<uint8_t>(kLastSourceKind); ++i) {
      words.push_back(Name(static_cast<SourceKind>(i)));
    }
  } else if (field.name == "no_owner") {
    for (auto i = static_cast<uint8_t>(NoOwner::kKernelHeld);
         i <= static_cast<uint8_t>(NoOwner::kVanished); ++i) {
      words.push_back(Name(static_cast<NoOwner>(i)));
    }
  }
  return words;
}

std::string NameWithUnit(const Field& field) {
  std::string name(field.name);
  const bool said = field.unit == Unit::kBytes && name.find("bytes") != name.npos;
  if (!said) name.append(Suffix(field.unit));
  return name;
}

std::span<const FieldAlias> FieldAliases() { return kAliases; }

const Field* FindFieldByWord(std::string_view word) {
  const auto alias = std::ranges::find(kAliases, word, &FieldAlias::word);
  if (alias != kAliases.end()) return FindField(alias->field);
  if (const Field* field = FindField(word)) return field;
  const auto name = std::ranges::find(AllNames(), word, &FieldName::text);
  return name == AllNames().end() ? nullptr : name->field;
}

std::string NearestWord(std::string_view word, std::span<const std::string_view> words) {
  if (word.size() > kLongest) return "";
  std::string_view nearest;
  size_t limit = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string_view candidate : words) {
    if (candidate.size() > kLongest) continue;
    const size_t edits = EditDistance(word, candidate, limit);
    if (edits >= limit) continue;
    nearest = candidate;
    limit = edits;
  }
  return std::string(nearest);
}

std::string NearestFieldWord(std::string_view word, std::span<const std::string_view> others) {
  std::vector<std::string_view> words(others.begin(), others.end());
  for (const FieldAlias& alias : kAliases) words.push_back(alias.word);
  for (const FieldName& name : AllNames()) words.push_back(name.text);
  return NearestWord(word, words);
}

}  // namespace netdiag
