// Tested by tests/field_words_test.cc.

#include "netdiag/field_words.h"

#include <algorithm>
#include <array>

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
// Source: TCP_ACCECN_*, include/net/tcp_ecn.h and tcp.h (6.18).
constexpr Word kAccEcnFailures[] = {"ace_fail_send", "ace_fail_recv", "opt_fail_send",
                                    "opt_fail_recv"};
constexpr Word kAccEcnOptions[] = {"not-seen", "empty", "counter", "fail"};
constexpr Word kOnOff[] = {"off", "on"};
// Source: include/uapi/linux/tls.h.
constexpr Word kTlsVersions[] = {"1.2", "1.3"};
constexpr Word kTlsCiphers[] = {"aes-gcm-128", "aes-gcm-256", "aes-ccm-128",  "chacha20-poly1305",
                                "sm4-gcm",     "sm4-ccm",     "aria-gcm-128", "aria-gcm-256"};
constexpr Word kTlsModes[] = {"none", "sw", "hw", "hw-record"};
// Source: MPTCP_SUBFLOW_FLAG_*, include/uapi/linux/mptcp.h.
constexpr Word kMptcpFlags[] = {"mp_capable_remote", "mp_capable_local", "mp_join_remote",
                                "mp_join_local",     "backup_remote",    "backup_local",
                                "fully_established", "connected",        "map_valid"};
// Source: PDI_*, include/uapi/linux/packet_diag.h.
constexpr Word kPacketFlags[] = {"running", "auxdata", "origdev", "vnethdr", "loss"};

constexpr auto kWords = [] {
  using enum FieldGroup;
  return std::to_array<FieldWords>({
      {kTcpInfo, "state", false, 1, kTcpStates},
      {kTcpInfo, "ca_state", false, 0, kCaStates},
      {kTcpInfo, "options", true, 0, kTcpOptions},
      {kTcpInfo, "delivery_rate_app_limited", false, 0, kOnOff},
      {kTcpInfo, "fastopen_client_fail", false, 0, kFastOpenFailures},
      {kTcpInfo, "accecn_fail_mode", true, 0, kAccEcnFailures},
      {kTcpInfo, "accecn_opt_seen", false, 0, kAccEcnOptions},
      {kVegas, "enabled", false, 0, kOnOff},
      {kDctcp, "enabled", false, 0, kOnOff},
      {kDctcp, "ce_state", false, 0, kOnOff},
      {kTls, "version", false, 0x303, kTlsVersions},
      {kTls, "cipher", false, 51, kTlsCiphers},
      {kTls, "tx_mode", false, 1, kTlsModes},
      {kTls, "rx_mode", false, 1, kTlsModes},
      {kTls, "tx_zero_copy", false, 0, kOnOff},
      {kTls, "rx_no_padding", false, 0, kOnOff},
      {kMptcp, "flags", true, 0, kMptcpFlags},
      {kMptcpInfo, "fallback", false, 0, kOnOff},
      {kMptcpInfo, "remote_key_received", false, 0, kOnOff},
      {kMptcpInfo, "csum_enabled", false, 0, kOnOff},
      {kPacket, "flags", true, 0, kPacketFlags},
  });
}();

std::string_view Suffix(Unit unit) {
  switch (unit) {
    case Unit::kNone:
    case Unit::kPackets:
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

}  // namespace

const FieldWords* WordsOf(const Field& field) {
  const auto row = std::ranges::find_if(kWords, [&](const FieldWords& words) {
    return words.group == field.group && words.field == field.name;
  });
  return row == kWords.end() ? nullptr : &*row;
}

std::string NameWithUnit(const Field& field) {
  std::string name(field.name);
  const bool said = field.unit == Unit::kBytes && name.find("bytes") != name.npos;
  if (!said) name.append(Suffix(field.unit));
  return name;
}

}  // namespace netdiag
