// The tables of fields: their layout, and reading structs of every length that end where mapped
// memory ends.

#include "netdiag/socket/structs.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/netlink/abi.h"
#include "tests/testing/guarded_buffer.h"

namespace netdiag {
namespace {

using testing::GuardedBuffer;

template <class View>
class StructViewTest : public ::testing::Test {};
using Views = ::testing::Types<TcpInfo, SocketMemory, InetMemory, VegasInfo, DctcpInfo, BbrInfo,
                               XdpUmem, XdpStats, SmcFallback>;

struct NameOfView {
  template <class View>
  static std::string GetName(int) {
    if (std::is_same_v<View, TcpInfo>) return "TcpInfo";
    if (std::is_same_v<View, SocketMemory>) return "SocketMemory";
    if (std::is_same_v<View, InetMemory>) return "InetMemory";
    if (std::is_same_v<View, VegasInfo>) return "VegasInfo";
    if (std::is_same_v<View, DctcpInfo>) return "DctcpInfo";
    if (std::is_same_v<View, XdpUmem>) return "XdpUmem";
    if (std::is_same_v<View, XdpStats>) return "XdpStats";
    if (std::is_same_v<View, SmcFallback>) return "SmcFallback";
    return "BbrInfo";
  }
};
TYPED_TEST_SUITE(StructViewTest, Views, NameOfView);

TYPED_TEST(StructViewTest, RowsCoverEveryByteOnce) {
  std::set<std::string_view> names;
  size_t end = 0;              // the end of the last row
  size_t start = 0, bits = 0;  // of the bit-fields in the last byte
  for (const StructField& field : TypeParam::fields()) {
    EXPECT_TRUE(names.insert(field.name).second) << field.name;
    EXPECT_TRUE(field.width == 1 || field.width == 2 || field.width == 4 || field.width == 8);
    EXPECT_EQ(field.offset % field.width, 0u) << field.name;
    if (field.bits != 0 && field.offset == start && bits != 0) {
      EXPECT_EQ(field.shift, bits) << field.name;  // follows the previous bit-field
    } else {
      EXPECT_EQ(field.offset, end) << field.name;  // follows the previous field
      EXPECT_EQ(field.shift, 0) << field.name;
      start = field.offset;
      bits = 0;
    }
    if (field.bits != 0) bits += field.bits;
    EXPECT_LE(bits, field.width * size_t{8}) << field.name;
    end = field.offset + size_t{field.width};
  }
}

// Computed byte by byte, independently of the code under test.
uint64_t Expected(const StructField& field, Bytes bytes) {
  uint64_t value = 0;
  for (size_t i = field.width; i-- > 0;) {
    value = value << 8 | std::to_integer<uint64_t>(bytes[field.offset + i]);
  }
  if (field.bits == 0) return value;
  uint64_t part = 0;
  for (size_t bit = 0; bit < field.bits; ++bit) part |= ((value >> (field.shift + bit)) & 1) << bit;
  return part;
}

TYPED_TEST(StructViewTest, FieldIsPresentOnlyIfItFits) {
  for (size_t size = 0; size <= TypeParam::size() + 8; ++size) {
    GuardedBuffer guarded(size);
    for (size_t i = 0; i < size; ++i) guarded.writable()[i] = static_cast<std::byte>(3 * i + 1);
    const TypeParam view(guarded.bytes());
    EXPECT_EQ(view.bytes().size(), size);
    for (const StructField& field : TypeParam::fields()) {
      const std::optional<uint64_t> value = view[field];
      ASSERT_EQ(value.has_value(), field.offset + size_t{field.width} <= size)
          << field.name << " in " << size;
      if (value) {
        EXPECT_EQ(*value, Expected(field, guarded.bytes())) << field.name;
      }
    }
  }
}

TYPED_TEST(StructViewTest, EmptyViewHasNoFields) {
  for (const StructField& field : TypeParam::fields()) {
    EXPECT_FALSE(TypeParam()[field].has_value()) << field.name;
  }
}

// ---- tcp_info ----

// The size of the struct in each kernel, and its last field.
constexpr struct {
  size_t size;
  const char* last;
} kKernels[] = {
    {104, "total_retrans"},    // 2.6
    {120, "max_pacing_rate"},  // 3.15
    {136, "bytes_received"},   // 4.1
    {144, "segs_in"},          // 4.2
    {160, "data_segs_out"},    // 4.6
    {168, "delivery_rate"},    // 4.9
    {192, "sndbuf_limited"},   // 4.10
    {200, "delivered_ce"},     // 4.18
    {224, "reord_seen"},       // 4.19
    {232, "snd_wnd"},          // 5.4
    {240, "rehash"},           // 6.2
    {248, "total_rto_time"},   // 6.7
    {280, "accecn_bits"},      // 6.18
};

TEST(TcpInfo, HasTheFieldsOfTheKernelThatSentIt) {
  for (const auto& kernel : kKernels) {
    const GuardedBuffer guarded(kernel.size);
    const TcpInfo info(guarded.bytes());
    std::string_view last;
    bool ended = false;
    for (const StructField& field : TcpInfo::fields()) {
      if (info[field]) {
        EXPECT_FALSE(ended) << field.name << " in " << kernel.size;
        last = field.name;
      } else {
        ended = true;
      }
    }
    EXPECT_EQ(last, kernel.last) << kernel.size;
  }
  EXPECT_EQ(TcpInfo::size(), kKernels[std::size(kKernels) - 1].size);
}

#define FIELD(name) \
  { #name, offsetof(tcp_info, tcpi_##name), sizeof(tcp_info::tcpi_##name) }

// Compares every field that the build host's header has.
TEST(TcpInfo, FieldsAreWhereTheKernelPutsThem) {
  const struct {
    std::string_view name;
    size_t offset, width;
  } kFields[] = {
      FIELD(state),         FIELD(ca_state),
      FIELD(retransmits),   FIELD(probes),
      FIELD(backoff),       FIELD(options),
      FIELD(rto),           FIELD(ato),
      FIELD(snd_mss),       FIELD(rcv_mss),
      FIELD(unacked),       FIELD(sacked),
      FIELD(lost),          FIELD(retrans),
      FIELD(fackets),       FIELD(last_data_sent),
      FIELD(last_ack_sent), FIELD(last_data_recv),
      FIELD(last_ack_recv), FIELD(pmtu),
      FIELD(rcv_ssthresh),  FIELD(rtt),
      FIELD(rttvar),        FIELD(snd_ssthresh),
      FIELD(snd_cwnd),      FIELD(advmss),
      FIELD(reordering),    FIELD(rcv_rtt),
      FIELD(rcv_space),     FIELD(total_retrans),
      FIELD(pacing_rate),   FIELD(max_pacing_rate),
      FIELD(bytes_acked),   FIELD(bytes_received),
      FIELD(segs_out),      FIELD(segs_in),
      FIELD(notsent_bytes), FIELD(min_rtt),
      FIELD(data_segs_in),  FIELD(data_segs_out),
      FIELD(delivery_rate), FIELD(busy_time),
      FIELD(rwnd_limited),  FIELD(sndbuf_limited),
      FIELD(delivered),     FIELD(delivered_ce),
      FIELD(bytes_sent),    FIELD(bytes_retrans),
      FIELD(dsack_dups),    FIELD(reord_seen),
      FIELD(rcv_ooopack),   FIELD(snd_wnd),
  };
  for (const auto& wanted : kFields) {
    const StructField* found = nullptr;
    for (const StructField& field : TcpInfo::fields()) {
      if (field.name == wanted.name) found = &field;
    }
    ASSERT_NE(found, nullptr) << wanted.name;
    EXPECT_EQ(found->offset, wanted.offset) << wanted.name;
    EXPECT_EQ(found->width, wanted.width) << wanted.name;
  }
}

TEST(TcpInfo, BitFieldsAreThoseOfTheKernelsStruct) {
  tcp_info raw = {};
  raw.tcpi_snd_wscale = 0x3;
  raw.tcpi_rcv_wscale = 0xc;
  raw.tcpi_delivery_rate_app_limited = 1;
  raw.tcpi_fastopen_client_fail = 2;
  TcpInfo info(std::as_bytes(std::span(&raw, 1)));
  EXPECT_EQ(info[TcpInfo::Field("snd_wscale")], 0x3u);
  EXPECT_EQ(info[TcpInfo::Field("rcv_wscale")], 0xcu);
  EXPECT_EQ(info[TcpInfo::Field("delivery_rate_app_limited")], 1u);
  EXPECT_EQ(info[TcpInfo::Field("fastopen_client_fail")], 2u);
  raw.tcpi_delivery_rate_app_limited = 0;
  raw.tcpi_fastopen_client_fail = 3;
  info = TcpInfo(std::as_bytes(std::span(&raw, 1)));
  EXPECT_EQ(info[TcpInfo::Field("delivery_rate_app_limited")], 0u);
  EXPECT_EQ(info[TcpInfo::Field("fastopen_client_fail")], 3u);
}

TEST(TcpInfo, OptionsAreASetOfBits) {
  tcp_info raw = {};
  const TcpInfo info(std::as_bytes(std::span(&raw, 1)));
  EXPECT_TRUE(OptionsOf(info).empty());
  EXPECT_TRUE(OptionsOf(TcpInfo()).empty());
  const struct {
    int bit;
    TcpOption option;
  } kBits[] = {
      {TCPI_OPT_TIMESTAMPS, TcpOption::kTimestamps},
      {TCPI_OPT_SACK, TcpOption::kSack},
      {TCPI_OPT_WSCALE, TcpOption::kWindowScale},
      {TCPI_OPT_ECN, TcpOption::kEcn},
      {TCPI_OPT_ECN_SEEN, TcpOption::kEcnSeen},
      {TCPI_OPT_SYN_DATA, TcpOption::kSynData},
      {64, TcpOption::kMicrosecondTimestamps},  // 6.7
      {128, TcpOption::kFastOpenChild},         // 6.12
  };
  for (const auto& row : kBits) {
    raw.tcpi_options = static_cast<uint8_t>(row.bit);
    EXPECT_EQ(OptionsOf(info), TcpOptionSet(row.option)) << row.bit;
  }
}

// ---- Small structs ----

template <class View, class Raw>
void ExpectSameSize() {
  EXPECT_EQ(View::size(), sizeof(Raw));
}

TEST(SmallStructs, HaveTheSizesOfTheKernelsStructs) {
  ExpectSameSize<InetMemory, inet_diag_meminfo>();
  ExpectSameSize<VegasInfo, tcpvegas_info>();
  ExpectSameSize<DctcpInfo, tcp_dctcp_info>();
  ExpectSameSize<BbrInfo, tcp_bbr_info>();
  ExpectSameSize<SocketMemory, uint32_t[SK_MEMINFO_VARS]>();
}

TEST(SmallStructs, FieldsAreWhereTheKernelPutsThem) {
  const inet_diag_meminfo memory = {0x01020304, 0x05060708, 0x090a0b0c, 0x0d0e0f10};
  const InetMemory memory_view(std::as_bytes(std::span(&memory, 1)));
  EXPECT_EQ(memory_view[InetMemory::Field("rmem")], memory.idiag_rmem);
  EXPECT_EQ(memory_view[InetMemory::Field("wmem")], memory.idiag_wmem);
  EXPECT_EQ(memory_view[InetMemory::Field("fmem")], memory.idiag_fmem);
  EXPECT_EQ(memory_view[InetMemory::Field("tmem")], memory.idiag_tmem);

  const tcp_dctcp_info dctcp = {1, 0x0203, 0x04050607, 0x08090a0b, 0x0c0d0e0f};
  const DctcpInfo dctcp_view(std::as_bytes(std::span(&dctcp, 1)));
  EXPECT_EQ(dctcp_view[DctcpInfo::Field("enabled")], dctcp.dctcp_enabled);
  EXPECT_EQ(dctcp_view[DctcpInfo::Field("ce_state")], dctcp.dctcp_ce_state);
  EXPECT_EQ(dctcp_view[DctcpInfo::Field("alpha")], dctcp.dctcp_alpha);
  EXPECT_EQ(dctcp_view[DctcpInfo::Field("ab_ecn")], dctcp.dctcp_ab_ecn);
  EXPECT_EQ(dctcp_view[DctcpInfo::Field("ab_tot")], dctcp.dctcp_ab_tot);

  const tcpvegas_info vegas = {1, 0x02030405, 0x06070809, 0x0a0b0c0d};
  const VegasInfo vegas_view(std::as_bytes(std::span(&vegas, 1)));
  EXPECT_EQ(vegas_view[VegasInfo::Field("enabled")], vegas.tcpv_enabled);
  EXPECT_EQ(vegas_view[VegasInfo::Field("rttcnt")], vegas.tcpv_rttcnt);
  EXPECT_EQ(vegas_view[VegasInfo::Field("rtt")], vegas.tcpv_rtt);
  EXPECT_EQ(vegas_view[VegasInfo::Field("minrtt")], vegas.tcpv_minrtt);

  const tcp_bbr_info bbr = {0x01020304, 0x05060708, 0x090a0b0c, 0x0d0e0f10, 0x11121314};
  const BbrInfo bbr_view(std::as_bytes(std::span(&bbr, 1)));
  EXPECT_EQ(bbr_view[BbrInfo::Field("bw_lo")], bbr.bbr_bw_lo);
  EXPECT_EQ(bbr_view[BbrInfo::Field("bw_hi")], bbr.bbr_bw_hi);
  EXPECT_EQ(bbr_view[BbrInfo::Field("min_rtt")], bbr.bbr_min_rtt);
  EXPECT_EQ(bbr_view[BbrInfo::Field("pacing_gain")], bbr.bbr_pacing_gain);
  EXPECT_EQ(bbr_view[BbrInfo::Field("cwnd_gain")], bbr.bbr_cwnd_gain);

  uint32_t words[SK_MEMINFO_VARS];
  for (uint32_t i = 0; i < SK_MEMINFO_VARS; ++i) words[i] = 0x01020304 + i;
  const SocketMemory view(std::as_bytes(std::span(words)));
  EXPECT_EQ(view[SocketMemory::Field("rmem_alloc")], words[SK_MEMINFO_RMEM_ALLOC]);
  EXPECT_EQ(view[SocketMemory::Field("rcvbuf")], words[SK_MEMINFO_RCVBUF]);
  EXPECT_EQ(view[SocketMemory::Field("wmem_alloc")], words[SK_MEMINFO_WMEM_ALLOC]);
  EXPECT_EQ(view[SocketMemory::Field("sndbuf")], words[SK_MEMINFO_SNDBUF]);
  EXPECT_EQ(view[SocketMemory::Field("fwd_alloc")], words[SK_MEMINFO_FWD_ALLOC]);
  EXPECT_EQ(view[SocketMemory::Field("wmem_queued")], words[SK_MEMINFO_WMEM_QUEUED]);
  EXPECT_EQ(view[SocketMemory::Field("optmem")], words[SK_MEMINFO_OPTMEM]);
  EXPECT_EQ(view[SocketMemory::Field("backlog")], words[SK_MEMINFO_BACKLOG]);
  EXPECT_EQ(view[SocketMemory::Field("drops")], words[SK_MEMINFO_DROPS]);
}

// ---- Numbers that mean "not set" ----

// The numbers with which vegas, illinois, nv and westwood begin.
TEST(VegasInfo, HasNoRoundTripsBeforeTheyWereMeasured) {
  const auto is_set = [](uint32_t number) {
    const tcpvegas_info raw = {1, 0, number, number};
    const VegasInfo info(std::as_bytes(std::span(&raw, 1)));
    EXPECT_EQ(info[VegasInfo::Field("rtt")], number);
    EXPECT_EQ(info.ValueOf(VegasInfo::Field("enabled")), 1u);
    EXPECT_EQ(info.ValueOf(VegasInfo::Field("rttcnt")), 0u);
    EXPECT_EQ(info.ValueOf(VegasInfo::Field("rtt")).has_value(),
              info.ValueOf(VegasInfo::Field("minrtt")).has_value());
    return info.ValueOf(VegasInfo::Field("rtt")).has_value();
  };
  for (const uint32_t number : {0u, 0x7fffffffu, 0xffffffffu, 20'000'000u}) {
    EXPECT_FALSE(is_set(number)) << number;
  }
  for (const uint32_t number : {1u, 0x7ffffffeu, 0xfffffffeu, 20'000'001u}) {
    EXPECT_TRUE(is_set(number)) << number;
  }
}

TEST(BbrInfo, HasNoRoundTripBeforeItWasMeasured) {
  for (const uint32_t number : {0u, ~0u, 1u, 0x7fffffffu}) {
    const tcp_bbr_info raw = {0, 0, number, 1, 1};
    const BbrInfo info(std::as_bytes(std::span(&raw, 1)));
    EXPECT_EQ(info.ValueOf(BbrInfo::Field("min_rtt")).has_value(), number != 0 && number != ~0u);
  }
}

std::set<std::string_view> ValuesOf(const std::vector<std::byte>& bytes) {
  const MptcpInfo info(bytes);
  std::set<std::string_view> names;
  for (const StructField& field : MptcpInfo::fields()) {
    if (info.ValueOf(field)) names.insert(field.name);
  }
  return names;
}

// The kernel fills four fields for a listener, which has no token, and leaves 0 in the others.
TEST(MptcpInfo, OfAListenerHasOnlyWhatTheKernelFills) {
  std::vector<std::byte> bytes(96);
  const std::set<std::string_view> filled = {"subflows", "add_addr_signal", "add_addr_accepted",
                                             "local_addr_used"};
  EXPECT_EQ(ValuesOf(bytes), filled);
  bytes[3] = std::byte{2};  // an older kernel fills the limit
  EXPECT_EQ(ValuesOf(bytes).count("subflows_max"), 1u);
  EXPECT_EQ(ValuesOf(bytes).size(), filled.size() + 1);
}

TEST(MptcpInfo, OfAConnectionHasCountsOfZero) {
  std::vector<std::byte> bytes(96);
  bytes[12] = std::byte{1};  // the token
  const std::set<std::string_view> values = ValuesOf(bytes);
  for (const char* count : {"bytes_sent", "retransmits", "fallback", "subflows_max",
                            "endp_fullmesh_max", "last_ack_recv"}) {
    EXPECT_EQ(values.count(count), 1u) << count;
  }
  for (const char* sequence : {"write_seq", "snd_una", "rcv_nxt"}) {
    EXPECT_EQ(values.count(sequence), 0u) << sequence;
  }
}

// ---- sctp_info ----

#undef FIELD
#define FIELD(name) \
  { #name, offsetof(sctp_info, sctpi_##name), sizeof(sctp_info::sctpi_##name) }

// Every member of the kernel's struct, in its order, but the address.
TEST(SctpInfo, FieldsAreThoseOfTheKernelsStruct) {
  const struct {
    std::string_view name;
    size_t offset, width;
  } kFields[] = {
      FIELD(tag),
      FIELD(state),
      FIELD(rwnd),
      FIELD(unackdata),
      FIELD(penddata),
      FIELD(instrms),
      FIELD(outstrms),
      FIELD(fragmentation_point),
      FIELD(inqueue),
      FIELD(outqueue),
      FIELD(overall_error),
      FIELD(max_burst),
      FIELD(maxseg),
      FIELD(peer_rwnd),
      FIELD(peer_tag),
      FIELD(peer_capable),
      FIELD(peer_sack),
      FIELD(isacks),
      FIELD(osacks),
      FIELD(opackets),
      FIELD(ipackets),
      FIELD(rtxchunks),
      FIELD(outofseqtsns),
      FIELD(idupchunks),
      FIELD(gapcnt),
      FIELD(ouodchunks),
      FIELD(iuodchunks),
      FIELD(oodchunks),
      FIELD(iodchunks),
      FIELD(octrlchunks),
      FIELD(ictrlchunks),
      FIELD(p_state),
      FIELD(p_cwnd),
      FIELD(p_srtt),
      FIELD(p_rto),
      FIELD(p_hbinterval),
      FIELD(p_pathmaxrxt),
      FIELD(p_sackdelay),
      FIELD(p_sackfreq),
      FIELD(p_ssthresh),
      FIELD(p_partial_bytes_acked),
      FIELD(p_flight_size),
      FIELD(p_error),
      FIELD(s_autoclose),
      FIELD(s_adaptation_ind),
      FIELD(s_pd_point),
      FIELD(s_nodelay),
      FIELD(s_disable_fragments),
      FIELD(s_v4mapped),
      FIELD(s_frag_interleave),
      FIELD(s_type),
  };
  ASSERT_EQ(SctpInfo::fields().size(), std::size(kFields));
  for (size_t i = 0; i < std::size(kFields); ++i) {
    const StructField& field = SctpInfo::fields()[i];
    EXPECT_EQ(field.name, kFields[i].name);
    EXPECT_EQ(field.offset, kFields[i].offset) << field.name;
    EXPECT_EQ(field.width, kFields[i].width) << field.name;
  }
}

// The kernel fills "s_" for an endpoint, which has no tag, and the rest for an association.
TEST(SctpInfo, HasOnlyWhatTheKernelFills) {
  for (const bool association : {false, true}) {
    std::vector<std::byte> bytes(sizeof(sctp_info), std::byte{1});
    if (!association) std::fill_n(bytes.begin(), 4, std::byte{0});
    const SctpInfo info(bytes);
    for (const StructField& field : SctpInfo::fields()) {
      const bool never = field.name == "fragmentation_point" || field.name == "p_sackfreq";
      const bool of_endpoint = field.name.starts_with("s_");
      EXPECT_EQ(info.ValueOf(field).has_value(), never || of_endpoint != association)
          << field.name << " " << association;
    }
  }
  // Of an association, 0 is a count, but no tag and no round trip.
  std::vector<std::byte> bytes(sizeof(sctp_info));
  bytes[0] = std::byte{1};
  const SctpInfo info(bytes);
  EXPECT_EQ(info.ValueOf(SctpInfo::Field("state")), 0u);
  EXPECT_EQ(info.ValueOf(SctpInfo::Field("rtxchunks")), 0u);
  EXPECT_EQ(info.ValueOf(SctpInfo::Field("peer_tag")), std::nullopt);
  EXPECT_EQ(info.ValueOf(SctpInfo::Field("p_srtt")), std::nullopt);
  EXPECT_EQ(info.ValueOf(SctpInfo::Field("fragmentation_point")), std::nullopt);
}

TEST(DccpInfo, HasOnlyWhatDccpFills) {
  tcp_info raw = {};
  raw.tcpi_state = 1;
  raw.tcpi_ca_state = 2;
  raw.tcpi_retransmits = 3;
  raw.tcpi_probes = 4;
  raw.tcpi_backoff = 5;
  raw.tcpi_options = TCPI_OPT_SACK;
  raw.tcpi_rto = 0x01020304;
  raw.tcpi_pmtu = 1500;
  raw.tcpi_rtt = 0x05060708;
  raw.tcpi_rcv_rtt = 0x090a0b0c;
  const DccpInfo info(std::as_bytes(std::span(&raw, 1)));
  const std::pair<std::string_view, uint64_t> kValues[] = {
      {"state", 1},        {"ca_state", 2},        {"retransmits", 3},  {"probes", 4},
      {"backoff", 5},      {"options", 2},         {"rto", 0x01020304}, {"pmtu", 1500},
      {"rtt", 0x05060708}, {"rcv_rtt", 0x090a0b0c}};
  ASSERT_EQ(DccpInfo::fields().size(), std::size(kValues));
  for (size_t i = 0; i < std::size(kValues); ++i) {
    EXPECT_EQ(DccpInfo::fields()[i].name, kValues[i].first);
    EXPECT_EQ(info.ValueOf(DccpInfo::fields()[i]), kValues[i].second) << kValues[i].first;
  }
  raw = {};
  for (const char* name : {"ca_state", "rto", "pmtu", "rtt", "rcv_rtt"}) {
    for (const StructField& field : DccpInfo::fields()) {
      if (field.name == name) {
        EXPECT_EQ(info.ValueOf(field), std::nullopt) << name;
      }
    }
  }
  EXPECT_EQ(info.ValueOf(DccpInfo::Field("retransmits")), 0u);
}

TEST(MptcpInfo, FieldsAfterTheHoleAreWhereTheKernelPutsThem) {
  EXPECT_EQ(MptcpInfo::Field("subflows_total").offset, 80);
  EXPECT_EQ(MptcpInfo::Field("endp_laminar_max").offset, 81);
  EXPECT_EQ(MptcpInfo::Field("endp_fullmesh_max").offset, 82);
  EXPECT_EQ(MptcpInfo::Field("last_data_sent").offset, 84);
}

}  // namespace
}  // namespace netdiag
