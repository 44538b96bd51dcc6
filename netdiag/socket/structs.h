// SPDX-License-Identifier: Apache-2.0
//
// netdiag/socket/structs.h — the kernel's structs that grow with its versions, as tables of fields.
//
//   // µs; nullopt: this kernel does not send it
//   std::optional<uint64_t> rtt = info[TcpInfo::Field("rtt")];
//   for (const StructField& field : TcpInfo::fields()) Print(field.name, info[field]);
//
// One row describes one field: its place, its unit, its meaning, and the numbers that mean "not
// set". Code that prints, filters or tests fields iterates over the rows, so a new field is a new
// row. A field exists if the attribute is long enough to hold it: the short structs of old kernels
// give nullopt for the fields they lack, and the longer structs of newer kernels are read as far as
// the table goes.
//
// Cost: one comparison and one load.
// Lifetime: as the bytes of the message.
// Threads: values.
// Source: include/uapi/linux/{tcp,mptcp,sctp,inet_diag,sock_diag,packet_diag,xdp_diag,smc_diag}.h.

#ifndef NETDIAG_SOCKET_STRUCTS_H_
#define NETDIAG_SOCKET_STRUCTS_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "netdiag/netlink/wire.h"
#include "netdiag/types/types.h"

namespace netdiag {

// Why the number in a field can mean that the kernel has no value for it. A field that has none of
// these reasons always has a value; its 0 is a real 0.
enum class Unset : uint8_t {
  kZero,           // the number is 0: not measured, not negotiated, or never filled
  kOnes,           // all bits are set: no limit, or not measured
  kInfinite,       // the number is 2^31-1: no threshold, or not measured
  kDisabled,       // the struct's first member, "enabled", is 0: the kernel fills nothing else
  kListener,       // tcp_info of a listener: not filled, or filled with something else
  kNoRtt,          // tcp_info without "rtt": the initial value
  kNoWindowScale,  // tcp_info without TcpOption::kWindowScale: not filled
  kTwentySeconds,  // the number is 20 s in µs: Westwood begins with it
  kNoToken,        // the number is 0 in an mptcp_info without "token": a listener, not filled
  kEndpoint,       // sctp_info without "tag", of an endpoint: not filled
  kAssociation,    // sctp_info with "tag", of an association: not filled
};
using UnsetSet = Set<Unset>;

struct StructField {
  std::string_view name = {};
  uint16_t offset = 0;  // bytes from the start of the struct
  uint8_t width = 4;    // bytes: 1, 2, 4 or 8, host order
  Unit unit = Unit::kNone;
  Meaning meaning = Meaning::kGauge;
  UnsetSet unset = {};
  uint8_t shift = 0;  // position of a bit-field, from the low end
  uint8_t bits = 0;   // size of a bit-field; 0: the field has the whole width
};

// A view of one struct. `Traits` is a type with a static constexpr array `kFields`.
template <class Traits>
class StructView {
 public:
  StructView() = default;
  explicit StructView(Bytes bytes) : bytes_(bytes) {}

  static constexpr std::span<const StructField> fields() { return Traits::kFields; }
  // The size of the struct as far as the table describes it, in bytes.
  static constexpr size_t size() {
    size_t end = 0;
    for (const StructField& field : Traits::kFields) {
      end = std::max(end, size_t{field.offset} + field.width);
    }
    return end;
  }
  // The row with that name. A name that no row has does not compile. A reference, because clang 14
  // reads a temporary that a consteval function returned before it has written it.
  static consteval const StructField& Field(std::string_view name) {
    for (const StructField& field : Traits::kFields) {
      if (field.name == name) return field;
    }
    NoFieldHasThisName();
    return Traits::kFields[0];
  }

  // The number in the field, whether it is set or not; nullopt if the kernel does not send it.
  // Inlined, so that a field known at compile time costs one comparison and one load.
  [[gnu::always_inline]] std::optional<uint64_t> operator[](const StructField& field) const {
    if (field.offset + size_t{field.width} > bytes_.size()) return std::nullopt;
    uint64_t value = Read(field);
    if (field.bits != 0) value = (value >> field.shift) & ((uint64_t{1} << field.bits) - 1);
    return value;
  }
  // The value of the field; nullopt also if the number means "not set". Filters, orders, counts and
  // every form of output use it.
  [[gnu::always_inline]] std::optional<uint64_t> ValueOf(const StructField& field) const {
    return ValueOf(field, UnsetAsAWhole(field.unset));
  }
  // The same for code that reads many fields: `whole` is UnsetAsAWhole().
  [[gnu::always_inline]] std::optional<uint64_t> ValueOf(const StructField& field,
                                                         UnsetSet whole) const {
    const std::optional<uint64_t> number = (*this)[field];
    if (!number || field.unset.empty()) return number;
    const bool is_filled = field.unset.contains(Unset::kNoToken) && *number != 0;
    if (whole.intersects(field.unset) && !is_filled) return std::nullopt;
    return IsUnset(field, *number) ? std::nullopt : number;
  }
  // Which of the conditions on the whole struct hold, for example kListener. They are the same for
  // all fields. Only those in `among` are tested.
  [[gnu::always_inline]] UnsetSet UnsetAsAWhole(UnsetSet among = kConditions) const {
    UnsetSet holding;
    if constexpr (requires { Traits::kUnset; }) {
      for (const Unset unset : Traits::kUnset) {
        if (among.contains(unset) && Traits::IsUnset(*this, unset)) holding |= unset;
      }
    }
    return holding;
  }
  // The struct as the kernel sent it. A newer kernel sends more than the table describes.
  Bytes bytes() const { return bytes_; }

 private:
  // Not constexpr, so Field() does not compile if it calls this. Never defined.
  static void NoFieldHasThisName();

  static constexpr UnsetSet kConditions = {
      Unset::kDisabled, Unset::kListener, Unset::kNoRtt,      Unset::kNoWindowScale,
      Unset::kNoToken,  Unset::kEndpoint, Unset::kAssociation};
  // True if the number itself means "not set".
  [[gnu::always_inline]] static bool IsUnset(const StructField& field, uint64_t number) {
    const auto has = [&](Unset unset) { return field.unset.contains(unset); };
    return (has(Unset::kZero) && number == 0) ||
           (has(Unset::kOnes) && number == ~uint64_t{0} >> (64 - 8 * field.width)) ||
           (has(Unset::kInfinite) && number == 0x7fffffff) ||
           (has(Unset::kTwentySeconds) && number == 20'000'000);
  }
  // REQUIRES: the field is within the bytes.
  [[gnu::always_inline]] uint64_t Read(const StructField& field) const {
    switch (field.width) {
      case 1:
        return At<uint8_t>(field.offset);
      case 2:
        return At<uint16_t>(field.offset);
      case 4:
        return At<uint32_t>(field.offset);
      default:
        return At<uint64_t>(field.offset);
    }
  }
  template <class T>
  [[gnu::always_inline]] T At(size_t offset) const {
    T value = 0;
    netlink::Fill(bytes_, offset, &value);
    return value;
  }

  Bytes bytes_;
};

// struct tcp_info, filled by tcp_get_info() in net/ipv4/tcp.c, which begins with zeros. For a
// listener it fills only state, pacing, reordering, snd_cwnd, unacked (accept queue) and sacked
// (backlog).
//
// What is not set, and why: srtt_us, rcv_rtt_est and ato are 0 until the first measurement, and
// tcp_min_rtt() is ~0; mdev_us begins with TCP_TIMEOUT_INIT, so rttvar has a meaning only beside
// rtt; sk_pacing_rate and sk_max_pacing_rate are ~0 without a limit (sock_init_data());
// snd_ssthresh is TCP_INFINITE_SSTHRESH until the first loss; tcp_compute_delivery_rate() is 0
// without a sample; icsk_pmtu_cookie is 0 without a route; the window scales are filled only if
// wscale_ok; last_ack_sent is never filled, and fackets not since 4.15.
struct TcpInfoTraits {
  static constexpr auto kFields = [] {
    using enum Unit;
    using enum Meaning;
    using enum Unset;
    return std::to_array<StructField>({
        {"state", 0, 1, kNone, kEnum},
        {"ca_state", 1, 1, kNone, kEnum, kListener},
        {"retransmits", 2, 1, kNone, kGauge, kListener},  // of the first unacknowledged segment
        {"probes", 3, 1, kNone, kGauge, kListener},
        {"backoff", 4, 1, kNone, kGauge, kListener},
        {"options", 5, 1, kNone, kEnum, kListener},  // bits: TcpOption
        {"snd_wscale", 6, 1, kNone, kGauge, kNoWindowScale, 0, 4},
        {"rcv_wscale", 6, 1, kNone, kGauge, kNoWindowScale, 4, 4},
        {"delivery_rate_app_limited", 7, 1, kNone, kFlag, kListener, 0, 1},  // 4.9
        {"fastopen_client_fail", 7, 1, kNone, kEnum, kListener, 1, 2},       // 5.5
        {"rto", 8, 4, kMicroseconds, kGauge, kZero},
        {"ato", 12, 4, kMicroseconds, kGauge, kZero},
        {"snd_mss", 16, 4, kBytes, kGauge, kZero},
        {"rcv_mss", 20, 4, kBytes, kGauge, kZero},
        {"unacked", 24, 4, kPackets},
        {"sacked", 28, 4, kPackets, kGauge, kListener},
        {"lost", 32, 4, kPackets, kGauge, kListener},
        {"retrans", 36, 4, kPackets, kGauge, kListener},
        {"fackets", 40, 4, kPackets, kGauge, kZero},
        {"last_data_sent", 44, 4, kMilliseconds, kGauge, kListener},  // ago
        {"last_ack_sent", 48, 4, kMilliseconds, kGauge, kZero},       // always 0 in the kernel
        {"last_data_recv", 52, 4, kMilliseconds, kGauge, kListener},
        {"last_ack_recv", 56, 4, kMilliseconds, kGauge, kListener},
        {"pmtu", 60, 4, kBytes, kGauge, kZero},
        {"rcv_ssthresh", 64, 4, kBytes, kGauge, kZero},
        {"rtt", 68, 4, kMicroseconds, kGauge, kZero},
        {"rttvar", 72, 4, kMicroseconds, kGauge, kNoRtt},
        {"snd_ssthresh", 76, 4, kPackets, kGauge, {kZero, kInfinite}},
        {"snd_cwnd", 80, 4, kPackets},
        {"advmss", 84, 4, kBytes, kGauge, kZero},
        {"reordering", 88, 4, kPackets},
        {"rcv_rtt", 92, 4, kMicroseconds, kGauge, kZero},
        {"rcv_space", 96, 4, kBytes, kGauge, kZero},
        {"total_retrans", 100, 4, kPackets, kCounter, kListener},
        {"pacing_rate", 104, 8, kBytesPerSecond, kGauge, {kZero, kOnes}},  // 3.15
        {"max_pacing_rate", 112, 8, kBytesPerSecond, kGauge, {kZero, kOnes}},
        {"bytes_acked", 120, 8, kBytes, kCounter, kListener},  // 4.1
        {"bytes_received", 128, 8, kBytes, kCounter, kListener},
        {"segs_out", 136, 4, kPackets, kCounter, kListener},  // 4.2
        {"segs_in", 140, 4, kPackets, kCounter, kListener},
        {"notsent_bytes", 144, 4, kBytes, kGauge, kListener},  // 4.6
        {"min_rtt", 148, 4, kMicroseconds, kGauge, {kZero, kOnes}},
        {"data_segs_in", 152, 4, kPackets, kCounter, kListener},
        {"data_segs_out", 156, 4, kPackets, kCounter, kListener},
        {"delivery_rate", 160, 8, kBytesPerSecond, kGauge, kZero},  // 4.9
        {"busy_time", 168, 8, kMicroseconds, kCounter, kListener},  // 4.10
        {"rwnd_limited", 176, 8, kMicroseconds, kCounter, kListener},
        {"sndbuf_limited", 184, 8, kMicroseconds, kCounter, kListener},
        {"delivered", 192, 4, kPackets, kCounter, kListener},  // 4.18
        {"delivered_ce", 196, 4, kPackets, kCounter, kListener},
        {"bytes_sent", 200, 8, kBytes, kCounter, kListener},  // 4.19
        {"bytes_retrans", 208, 8, kBytes, kCounter, kListener},
        {"dsack_dups", 216, 4, kPackets, kCounter, kListener},
        {"reord_seen", 220, 4, kNone, kCounter, kListener},
        {"rcv_ooopack", 224, 4, kPackets, kCounter, kListener},  // 5.4
        {"snd_wnd", 228, 4, kBytes, kGauge, kListener},
        {"rcv_wnd", 232, 4, kBytes, kGauge, kListener},  // 6.2
        {"rehash", 236, 4, kNone, kCounter, kListener},
        {"total_rto", 240, 2, kNone, kCounter, kListener},  // 6.7
        {"total_rto_recoveries", 242, 2, kNone, kCounter, kListener},
        {"total_rto_time", 244, 4, kMilliseconds, kCounter, kListener},
        {"received_ce", 248, 4, kPackets, kCounter, kListener},  // 6.18, accurate ECN
        {"delivered_e1_bytes", 252, 4, kBytes, kCounter, kListener},
        {"delivered_e0_bytes", 256, 4, kBytes, kCounter, kListener},
        {"delivered_ce_bytes", 260, 4, kBytes, kCounter, kListener},
        {"received_e1_bytes", 264, 4, kBytes, kCounter, kListener},
        {"received_e0_bytes", 268, 4, kBytes, kCounter, kListener},
        {"received_ce_bytes", 272, 4, kBytes, kCounter, kListener},
        {"accecn_bits", 276, 4, kNone, kIdentity, kListener},  // as sent: 7.0 has another layout
    });
  }();

  static constexpr Unset kUnset[] = {Unset::kListener, Unset::kNoRtt, Unset::kNoWindowScale};
  [[gnu::always_inline]] static bool IsUnset(const StructView<TcpInfoTraits>& info, Unset unset) {
    const auto is = [&](uint16_t offset, uint8_t width, uint64_t mask, uint64_t number) {
      const auto found = info[StructField{.offset = offset, .width = width}];
      return found && (*found & mask) == number;
    };
    if (unset == Unset::kListener) return is(0, 1, 0xff, static_cast<uint64_t>(State::kListen));
    if (unset == Unset::kNoRtt) return is(68, 4, 0xffffffff, 0);  // "rtt"
    return is(5, 1, 1u << 2, 0);  // "options" without TcpOption::kWindowScale
  }
};
using TcpInfo = StructView<TcpInfoTraits>;

// Bits of the field "options" of TcpInfo. Source: TCPI_OPT_*.
enum class TcpOption : uint8_t {
  kTimestamps = 0,
  kSack = 1,
  kWindowScale = 2,
  kEcn = 3,
  kEcnSeen = 4,
  kSynData = 5,
  kMicrosecondTimestamps = 6,  // 6.7
  kFastOpenChild = 7,          // 6.12
};
using TcpOptionSet = Set<TcpOption>;
inline TcpOptionSet OptionsOf(const TcpInfo& info) {
  TcpOptionSet options;
  const uint64_t bits = info[TcpInfo::Field("options")].value_or(0);
  for (uint8_t bit = 0; bit < 8; ++bit) {
    if ((bits >> bit) & 1) options |= static_cast<TcpOption>(bit);
  }
  return options;
}

// SK_MEMINFO_*: the memory of the socket's buffers. Source: sk_get_meminfo(), net/core/sock.c.
struct SocketMemoryTraits {
  static constexpr auto kFields = std::to_array<StructField>({
      {"rmem_alloc", 0, 4, Unit::kBytes},
      {"rcvbuf", 4, 4, Unit::kBytes},
      {"wmem_alloc", 8, 4, Unit::kBytes},
      {"sndbuf", 12, 4, Unit::kBytes},
      {"fwd_alloc", 16, 4, Unit::kBytes},
      {"wmem_queued", 20, 4, Unit::kBytes},
      {"optmem", 24, 4, Unit::kBytes},
      {"backlog", 28, 4, Unit::kBytes},
      {"drops", 32, 4, Unit::kPackets, Meaning::kCounter},  // 4.7
  });
};
using SocketMemory = StructView<SocketMemoryTraits>;

// struct inet_diag_meminfo, the older and smaller form of SocketMemory.
struct InetMemoryTraits {
  static constexpr auto kFields = std::to_array<StructField>({
      {"rmem", 0, 4, Unit::kBytes},
      {"wmem", 4, 4, Unit::kBytes},
      {"fmem", 8, 4, Unit::kBytes},
      {"tmem", 12, 4, Unit::kBytes},
  });
};
using InetMemory = StructView<InetMemoryTraits>;

// struct tcpvegas_info, which Vegas, YeAH, Illinois, NV and Westwood fill. Round trips begin as
// 2^31-1 (tcp_vegas_init(), tcp_illinois_init()), ~0 (NV_INIT_RTT), 20 s (TCP_WESTWOOD_INIT_RTT) or
// 0.
struct VegasTraits {
  static constexpr UnsetSet kNotMeasured = {Unset::kZero, Unset::kOnes, Unset::kInfinite,
                                            Unset::kTwentySeconds};
  static constexpr auto kFields = std::to_array<StructField>({
      {"enabled", 0, 4, Unit::kNone, Meaning::kFlag},
      {"rttcnt", 4, 4, Unit::kPackets},
      {"rtt", 8, 4, Unit::kMicroseconds, Meaning::kGauge, kNotMeasured},
      {"minrtt", 12, 4, Unit::kMicroseconds, Meaning::kGauge, kNotMeasured},
  });
};
using VegasInfo = StructView<VegasTraits>;

// struct tcp_dctcp_info. dctcp_get_info() fills nothing if the peer has no ECN.
struct DctcpTraits {
  static constexpr auto kFields = std::to_array<StructField>({
      {"enabled", 0, 2, Unit::kNone, Meaning::kFlag},
      {"ce_state", 2, 2, Unit::kNone, Meaning::kFlag, Unset::kDisabled},
      {"alpha", 4, 4, Unit::kNone, Meaning::kGauge, Unset::kDisabled},
      {"ab_ecn", 8, 4, Unit::kBytes, Meaning::kGauge, Unset::kDisabled},
      {"ab_tot", 12, 4, Unit::kBytes, Meaning::kGauge, Unset::kDisabled},
  });

  static constexpr Unset kUnset[] = {Unset::kDisabled};
  [[gnu::always_inline]] static bool IsUnset(const StructView<DctcpTraits>& info, Unset) {
    return info[kFields[0]] == 0;
  }
};
using DctcpInfo = StructView<DctcpTraits>;

// struct tcp_bbr_info. All is 0 before bbr_init(), which begins min_rtt with
// tcp_min_rtt(): ~0 if no round trip was measured.
struct BbrTraits {
  static constexpr auto kFields = std::to_array<StructField>({
      {"bw_lo", 0, 4, Unit::kBytesPerSecond},  // the low and high half of one 64-bit number
      {"bw_hi", 4, 4, Unit::kBytesPerSecond},
      {"min_rtt", 8, 4, Unit::kMicroseconds, Meaning::kGauge, {Unset::kZero, Unset::kOnes}},
      {"pacing_gain", 12, 4, Unit::k256ths, Meaning::kGauge, Unset::kZero},
      {"cwnd_gain", 16, 4, Unit::k256ths, Meaning::kGauge, Unset::kZero},
  });
};
using BbrInfo = StructView<BbrTraits>;

// struct mptcp_info: the connection as a whole, filled by mptcp_diag_fill_info() in
// net/mptcp/sockopt.c, which begins with zeros. A listener has no token. For it the kernel fills
// only the first three fields and local_addr_used; older kernels also fill limits.
struct MptcpInfoTraits {
  static constexpr auto kFields = [] {
    using enum Unit;
    using enum Meaning;
    using enum Unset;
    return std::to_array<StructField>({
        {"subflows", 0, 1},  // in addition to the first one; 5.9
        {"add_addr_signal", 1, 1},
        {"add_addr_accepted", 2, 1},
        {"subflows_max", 3, 1, kNone, kGauge, kNoToken},
        {"add_addr_signal_max", 4, 1, kNone, kGauge, kNoToken},
        {"add_addr_accepted_max", 5, 1, kNone, kGauge, kNoToken},
        {"fallback", 8, 4, kNone, kFlag, kNoToken, 0, 1},  // continues as plain TCP
        {"remote_key_received", 8, 4, kNone, kFlag, kNoToken, 1, 1},
        {"token", 12, 4, kNone, kIdentity, kZero},
        {"write_seq", 16, 8, kBytes, kGauge, kZero},
        {"snd_una", 24, 8, kBytes, kGauge, kZero},
        {"rcv_nxt", 32, 8, kBytes, kGauge, kZero},
        {"local_addr_used", 40, 1},  // 5.15
        {"local_addr_max", 41, 1, kNone, kGauge, kNoToken},
        {"csum_enabled", 42, 1, kNone, kFlag, kNoToken},
        {"retransmits", 44, 4, kNone, kCounter, kNoToken},  // 6.5
        {"bytes_retrans", 48, 8, kBytes, kCounter, kNoToken},
        {"bytes_sent", 56, 8, kBytes, kCounter, kNoToken},
        {"bytes_received", 64, 8, kBytes, kCounter, kNoToken},
        {"bytes_acked", 72, 8, kBytes, kCounter, kNoToken},
        {"subflows_total", 80, 1, kNone, kGauge, kNoToken},          // 6.7
        {"endp_laminar_max", 81, 1, kNone, kGauge, kNoToken},        // 6.18
        {"endp_fullmesh_max", 82, 1, kNone, kGauge, kNoToken},       // after 6.18
        {"last_data_sent", 84, 4, kMilliseconds, kGauge, kNoToken},  // ago; 6.10
        {"last_data_recv", 88, 4, kMilliseconds, kGauge, kNoToken},
        {"last_ack_recv", 92, 4, kMilliseconds, kGauge, kNoToken},
    });
  }();

  static constexpr Unset kUnset[] = {Unset::kNoToken};
  [[gnu::always_inline]] static bool IsUnset(const StructView<MptcpInfoTraits>& info, Unset) {
    return info[StructField{.offset = 12, .width = 4}] == 0;  // "token"
  }
};
using MptcpInfo = StructView<MptcpInfoTraits>;

// struct sctp_info (4.7), filled by sctp_get_sctp_info() in net/sctp/socket.c, which begins with
// zeros. For an association it fills all but the members "s_"; for an endpoint only these. "p_" is
// the primary path: the address that data goes to. Its address is SctpPrimaryAddress().
//
// Never filled: fragmentation_point (the value is in maxseg) and p_sackfreq. p_srtt and
// p_hbinterval are in jiffies of the kernel, whose rate the message does not tell.
struct SctpInfoTraits {
  static constexpr auto kFields = [] {
    using enum Unit;
    using enum Meaning;
    using enum Unset;
    return std::to_array<StructField>({
        {"tag", 0, 4, kNone, kIdentity, kEndpoint},
        {"state", 4, 4, kNone, kEnum, kEndpoint},  // enum sctp_state
        {"rwnd", 8, 4, kBytes, kGauge, kEndpoint},
        {"unackdata", 12, 2, kNone, kGauge, kEndpoint},
        {"penddata", 14, 2, kNone, kGauge, kEndpoint},
        {"instrms", 16, 2, kNone, kGauge, kEndpoint},
        {"outstrms", 18, 2, kNone, kGauge, kEndpoint},
        {"fragmentation_point", 20, 4, kBytes, kGauge, kZero},
        {"inqueue", 24, 4, kNone, kGauge, kEndpoint},
        {"outqueue", 28, 4, kNone, kGauge, kEndpoint},
        {"overall_error", 32, 4, kNone, kGauge, kEndpoint},
        {"max_burst", 36, 4, kPackets, kGauge, kEndpoint},
        {"maxseg", 40, 4, kBytes, kGauge, kEndpoint},
        {"peer_rwnd", 44, 4, kBytes, kGauge, kEndpoint},
        {"peer_tag", 48, 4, kNone, kIdentity, {kEndpoint, kZero}},  // 0 before the peer's INIT ACK
        {"peer_capable", 52, 1, kNone, kEnum, kEndpoint},           // bits
        {"peer_sack", 53, 1, kNone, kEnum, kEndpoint},              // bits
        {"isacks", 56, 8, kNone, kCounter, kEndpoint},
        {"osacks", 64, 8, kNone, kCounter, kEndpoint},
        {"opackets", 72, 8, kPackets, kCounter, kEndpoint},
        {"ipackets", 80, 8, kPackets, kCounter, kEndpoint},
        {"rtxchunks", 88, 8, kNone, kCounter, kEndpoint},
        {"outofseqtsns", 96, 8, kNone, kCounter, kEndpoint},
        {"idupchunks", 104, 8, kNone, kCounter, kEndpoint},
        {"gapcnt", 112, 8, kNone, kCounter, kEndpoint},
        {"ouodchunks", 120, 8, kNone, kCounter, kEndpoint},
        {"iuodchunks", 128, 8, kNone, kCounter, kEndpoint},
        {"oodchunks", 136, 8, kNone, kCounter, kEndpoint},
        {"iodchunks", 144, 8, kNone, kCounter, kEndpoint},
        {"octrlchunks", 152, 8, kNone, kCounter, kEndpoint},
        {"ictrlchunks", 160, 8, kNone, kCounter, kEndpoint},
        {"p_state", 296, 4, kNone, kEnum, kEndpoint},  // enum sctp_spinfo_state
        {"p_cwnd", 300, 4, kBytes, kGauge, kEndpoint},
        {"p_srtt", 304, 4, kNone, kGauge, {kEndpoint, kZero}},  // jiffies; 0: not measured
        {"p_rto", 308, 4, kMilliseconds, kGauge, kEndpoint},
        {"p_hbinterval", 312, 4, kNone, kGauge, kEndpoint},  // jiffies
        {"p_pathmaxrxt", 316, 4, kNone, kGauge, kEndpoint},
        {"p_sackdelay", 320, 4, kMilliseconds, kGauge, kEndpoint},
        {"p_sackfreq", 324, 4, kNone, kGauge, kZero},
        {"p_ssthresh", 328, 4, kBytes, kGauge, kEndpoint},
        {"p_partial_bytes_acked", 332, 4, kBytes, kGauge, kEndpoint},
        {"p_flight_size", 336, 4, kBytes, kGauge, kEndpoint},
        {"p_error", 340, 2, kNone, kGauge, kEndpoint},
        {"s_autoclose", 344, 4, kNone, kGauge, kAssociation},  // seconds; 0: off
        {"s_adaptation_ind", 348, 4, kNone, kIdentity, kAssociation},
        {"s_pd_point", 352, 4, kBytes, kGauge, kAssociation},
        {"s_nodelay", 356, 1, kNone, kFlag, kAssociation},
        {"s_disable_fragments", 357, 1, kNone, kFlag, kAssociation},
        {"s_v4mapped", 358, 1, kNone, kFlag, kAssociation},
        {"s_frag_interleave", 359, 1, kNone, kGauge, kAssociation},
        {"s_type", 360, 4, kNone, kEnum, kAssociation},  // enum sctp_socket_type
    });
  }();
  static constexpr size_t kPrimaryAddressAt = 168;  // struct sockaddr_storage

  static constexpr Unset kUnset[] = {Unset::kEndpoint, Unset::kAssociation};
  [[gnu::always_inline]] static bool IsUnset(const StructView<SctpInfoTraits>& info, Unset unset) {
    // "tag", which no association has as 0 (sctp_generate_tag()).
    const bool endpoint = info[StructField{.offset = 0, .width = 4}].value_or(0) == 0;
    return endpoint == (unset == Unset::kEndpoint);
  }
};
using SctpInfo = StructView<SctpInfoTraits>;

// What dccp_get_info() in net/dccp/diag.c, and CCID 3 in ccid3_hc_rx_get_info() and
// ccid3_hc_tx_get_info(), fill of a struct tcp_info. They leave 0 in everything else.
struct DccpInfoTraits {
  static constexpr auto kFields = [] {
    using enum Unit;
    using enum Meaning;
    using enum Unset;
    return std::to_array<StructField>({
        {"state", 0, 1, kNone, kEnum},
        {"ca_state", 1, 1, kNone, kEnum, kZero},  // of a receiver with CCID 3
        {"retransmits", 2, 1},
        {"probes", 3, 1},
        {"backoff", 4, 1},
        {"options", 5, 1, kNone, kEnum},  // bits, as TcpOption
        {"rto", 8, 4, kMicroseconds, kGauge, kZero},
        {"pmtu", 60, 4, kBytes, kGauge, kZero},
        {"rtt", 68, 4, kMicroseconds, kGauge, kZero},
        {"rcv_rtt", 92, 4, kMicroseconds, kGauge, kZero},
    });
  }();
};
using DccpInfo = StructView<DccpInfoTraits>;

// struct packet_diag_info, filled by pdiag_put_info() in net/packet/diag.c.
struct PacketInfoTraits {
  static constexpr auto kFields = std::to_array<StructField>({
      // The first member is PacketSocket::interface().
      {"version", 4, 4, Unit::kNone, Meaning::kEnum},  // TPACKET_V1 0, V2 1, V3 2
      {"reserve", 8, 4, Unit::kBytes},
      {"copy_thresh", 12, 4, Unit::kPackets},
      {"tstamp", 16, 4, Unit::kNone, Meaning::kEnum},  // SOF_TIMESTAMPING_*
      {"flags", 20, 4, Unit::kNone, Meaning::kEnum},   // bits: PacketFlag
  });
};
using PacketInfo = StructView<PacketInfoTraits>;

// struct packet_diag_ring.
struct PacketRingTraits {
  static constexpr auto kFields = std::to_array<StructField>({
      {"block_size", 0, 4, Unit::kBytes},
      {"block_count", 4},
      {"frame_size", 8, 4, Unit::kBytes},
      {"frame_count", 12},
      {"retire_timeout", 16, 4, Unit::kMilliseconds},  // this and the next two: version 3 only
      {"private_size", 20, 4, Unit::kBytes},
      {"features", 24, 4, Unit::kNone, Meaning::kEnum},
  });
};
using PacketRing = StructView<PacketRingTraits>;

// struct xdp_diag_umem: the memory that XDP sockets share with the kernel, filled by
// xsk_diag_put_umem() in net/xdp/xsk_diag.c.
struct XdpUmemTraits {
  static constexpr auto kFields = std::to_array<StructField>({
      {"size", 0, 8, Unit::kBytes},
      {"id", 8, 4, Unit::kNone, Meaning::kIdentity},
      {"pages", 12},
      {"chunk_size", 16, 4, Unit::kBytes},
      {"headroom", 20, 4, Unit::kBytes},  // in front of each frame
      {"interface_index", 24, 4, Unit::kNone, Meaning::kIdentity, Unset::kZero},
      {"queue", 28, 4, Unit::kNone, Meaning::kIdentity},
      {"flags", 32, 4, Unit::kNone, Meaning::kEnum},  // bit 0: zero copy
      {"users", 36},
  });
};
using XdpUmem = StructView<XdpUmemTraits>;

// struct xdp_diag_stats: frames that an XDP socket lost, and how often its rings were empty.
struct XdpStatsTraits {
  static constexpr auto kFields = [] {
    using enum Unit;
    using enum Meaning;
    return std::to_array<StructField>({
        {"rx_dropped", 0, 8, kPackets, kCounter},
        {"rx_invalid", 8, 8, kPackets, kCounter},
        {"rx_ring_full", 16, 8, kPackets, kCounter},
        {"fill_ring_empty", 24, 8, kNone, kCounter},
        {"tx_invalid", 32, 8, kPackets, kCounter},
        {"tx_ring_empty", 40, 8, kNone, kCounter},
    });
  }();
};
using XdpStats = StructView<XdpStatsTraits>;

// struct smc_diag_conninfo: the buffers of an SMC connection. A cursor is a position in a ring
// buffer, and `_wrap` counts how often the ring has begun again. Produced (prod) are bytes that the
// sender has put into the receiver's buffer, consumed (cons) those that the receiver has taken out.
struct SmcConnectionTraits {
  static constexpr auto kFields = [] {
    using enum Unit;
    using enum Meaning;
    return std::to_array<StructField>({
        {"token", 0, 4, kNone, kIdentity},
        {"sndbuf", 4, 4, kBytes},
        {"rcvbuf", 8, 4, kBytes},
        {"peer_rcvbuf", 12, 4, kBytes},
        {"rx_prod_wrap", 18, 2},  // each cursor begins with two bytes that are not used
        {"rx_prod", 20, 4, kBytes},
        {"rx_cons_wrap", 26, 2},
        {"rx_cons", 28, 4, kBytes},
        {"tx_prod_wrap", 34, 2},
        {"tx_prod", 36, 4, kBytes},
        {"tx_cons_wrap", 42, 2},
        {"tx_cons", 44, 4, kBytes},
        {"rx_prod_flags", 48, 1, kNone, kEnum},
        {"rx_state_flags", 49, 1, kNone, kEnum},
        {"tx_prod_flags", 50, 1, kNone, kEnum},
        {"tx_state_flags", 51, 1, kNone, kEnum},
        {"tx_prep_wrap", 54, 2},  // prepared, sent and confirmed bytes of the send buffer
        {"tx_prep", 56, 4, kBytes},
        {"tx_sent_wrap", 62, 2},
        {"tx_sent", 64, 4, kBytes},
        {"tx_fin_wrap", 70, 2},
        {"tx_fin", 72, 4, kBytes},
    });
  }();
};
using SmcConnection = StructView<SmcConnectionTraits>;

// struct smc_diag_fallback: why the connection uses TCP, and what the peer said about that.
struct SmcFallbackTraits {
  static constexpr auto kFields = std::to_array<StructField>({
      // SMC_CLC_DECL_*, net/smc/smc_clc.h
      {"fallback_reason", 0, 4, Unit::kNone, Meaning::kEnum, Unset::kZero},
      {"peer_diagnosis", 4, 4, Unit::kNone, Meaning::kEnum, Unset::kZero},
  });
};
using SmcFallback = StructView<SmcFallbackTraits>;

// struct smcd_diag_dmbinfo: the memory of an SMC-D connection in its device (ISM).
struct SmcDeviceTraits {
  static constexpr auto kFields = [] {
    using enum Unit;
    using enum Meaning;
    return std::to_array<StructField>({
        {"link_id", 0, 4, kNone, kIdentity},
        {"peer_gid", 8, 8, kNone, kIdentity},
        {"gid", 16, 8, kNone, kIdentity},
        {"token", 24, 8, kNone, kIdentity},
        {"peer_token", 32, 8, kNone, kIdentity},
        {"peer_gid_ext", 40, 8, kNone, kIdentity},  // 6.8: the second half of a GID
        {"gid_ext", 48, 8, kNone, kIdentity},
    });
  }();
};
using SmcDevice = StructView<SmcDeviceTraits>;

}  // namespace netdiag

#endif  // NETDIAG_SOCKET_STRUCTS_H_
