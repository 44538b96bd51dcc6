#include "netdiag/field_words.h"

#include <array>
#include <optional>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "netdiag/types/types.h"

namespace netdiag {
namespace {

std::string_view WordOf(std::string_view field, uint64_t number) {
  const FieldWords* words = WordsOf(*FindField(field));
  return words == nullptr ? "(plain)" : words->Word(number);
}

TEST(FieldWords, NameCodesAndFlags) {
  EXPECT_EQ(WordOf("tcp_info.ca_state", 4), "loss");
  EXPECT_EQ(WordOf("tcp_info.state", 8), "close-wait");
  EXPECT_EQ(WordOf("tls.version", 0x304), "1.3");
  EXPECT_EQ(WordOf("tls.cipher", 54), "chacha20-poly1305");
  EXPECT_EQ(WordOf("tls.rx_mode", 2), "sw");
  EXPECT_EQ(WordOf("tcp_info.options", 1), "sack");  // bit 1: TCPI_OPT_SACK
  EXPECT_EQ(WordOf("mptcp.flags", 7), "connected");
  EXPECT_EQ(WordOf("netlink.protocol", 16), "generic");
  EXPECT_EQ(WordOf("packet.ethertype", 0x0800), "ip");
  EXPECT_EQ(WordOf("packet.ethertype", 3), "all");
  EXPECT_EQ(WordOf("packet.version", 2), "v3");
  EXPECT_EQ(WordOf("fanout.mode", 1), "lb");
  EXPECT_EQ(WordOf("rx_ring.features", 0), "fill_rxhash");   // bit 0: TP_FT_REQ_FILL_RXHASH
  EXPECT_EQ(WordOf("packet.flags", 3), "vnethdr");           // bit 3: PDI_VNETHDR
  EXPECT_EQ(WordOf("sctp_info.peer_capable", 3), "reconf");  // bit 3
  EXPECT_EQ(WordOf("sctp_info.peer_sack", 2), "needed");
  EXPECT_EQ(WordOf("sctp_info.p_state", 2), "active");
  EXPECT_EQ(WordOf("sctp_info.s_type", 2), "one-to-one");
  EXPECT_EQ(WordOf("dccp_info.ca_state", 2), "data");
  EXPECT_EQ(WordOf("dccp_info.options", 1), "sack");
  EXPECT_EQ(WordOf("rtt", 7), "(plain)");
}

TEST(FieldWords, NameTheStatesLikeRowsDo) {
  for (const StateNames& row : AllStates()) {
    SCOPED_TRACE(row.word);
    if (!StateSet::OfTcp().contains(row.state)) continue;
    EXPECT_EQ(WordOf("tcp_info.state", static_cast<uint64_t>(row.state)), row.word);
    if (row.state < State::kBoundInactive) {
      EXPECT_EQ(WordOf("dccp_info.state", static_cast<uint64_t>(row.state)), row.word);
    }
  }
  EXPECT_EQ(WordOf("sctp_info.state", 3), "established");
  EXPECT_EQ(WordOf("sctp_info.state", 1), Names(State::kCookieWait).word);
  EXPECT_EQ(WordOf("sctp_info.state", 7), Names(State::kShutdownAckSent).word);
}

TEST(FieldWords, HaveNoNameForNumbersOfNewerKernels) {
  EXPECT_EQ(WordOf("tcp_info.state", 0), "");
  EXPECT_EQ(WordOf("tcp_info.ca_state", 5), "");
  EXPECT_EQ(WordOf("dccp_info.ca_state", 0), "");
  EXPECT_EQ(WordOf("dccp_info.state", 13), "");
  EXPECT_EQ(WordOf("sctp_info.state", 8), "");
  EXPECT_EQ(WordOf("tls.version", 0x302), "");
  EXPECT_EQ(WordOf("tls.version", 0x305), "");
  EXPECT_EQ(WordOf("tcp_info.options", 64), "");
  EXPECT_EQ(WordOf("netlink.protocol", 17), "");
  EXPECT_EQ(WordOf("packet.ethertype", 0x10800), "");
}

TEST(FieldWords, FindTheNumberOfEachName) {
  for (const Field& field : AllFields()) {
    const FieldWords* const words = WordsOf(field);
    if (words == nullptr) continue;
    SCOPED_TRACE(std::string(field.name));
    EXPECT_FALSE(words->AllWords().empty());
    for (const std::string_view word : words->AllWords()) {
      const std::optional<uint64_t> number = words->Number(word);
      ASSERT_TRUE(number.has_value()) << word;
      EXPECT_EQ(words->Word(*number), word);
    }
    EXPECT_EQ(words->Number(""), std::nullopt);
    EXPECT_EQ(words->Number("no such word"), std::nullopt);
  }
  EXPECT_EQ(WordsOf(*FindField("netlink.protocol"))->Number("Generic"), 16u);
}

TEST(AllowedWords, AreTheValuesOfFieldsWithAFixedSet) {
  const auto count = [](std::string_view field) { return AllowedWords(*FindField(field)).size(); };
  EXPECT_EQ(count("family"), AllFamilies().size());
  EXPECT_EQ(count("state"), AllStates().size());
  EXPECT_EQ(count("congestion"), 0u);
  EXPECT_EQ(count("local_port"), 0u);
}

TEST(WriteRatio, IsAnExactDecimal) {
  const auto text = [](uint64_t number) {
    char out[kRatioRoom];
    return std::string(out, WriteRatio(number, out));
  };
  EXPECT_EQ(text(0), "0");
  EXPECT_EQ(text(256), "1");
  EXPECT_EQ(text(739), "2.88671875");
  EXPECT_EQ(text(320), "1.25");
  EXPECT_EQ(text(1), "0.00390625");
  EXPECT_EQ(text(~uint64_t{0}), "72057594037927935.99609375");
}

TEST(NameWithUnit, HasTheUnitOnce) {
  EXPECT_EQ(NameWithUnit(*FindField("rtt")), "rtt_us");
  EXPECT_EQ(NameWithUnit(*FindField("timer_expires")), "timer_expires_ms");
  EXPECT_EQ(NameWithUnit(*FindField("pmtu")), "pmtu_bytes");
  EXPECT_EQ(NameWithUnit(*FindField("bytes_acked")), "bytes_acked");
  EXPECT_EQ(NameWithUnit(*FindField("notsent_bytes")), "notsent_bytes");
  EXPECT_EQ(NameWithUnit(*FindField("pacing_rate")), "pacing_rate_bytes_per_second");
  EXPECT_EQ(NameWithUnit(*FindField("state")), "state");
  EXPECT_EQ(NameWithUnit(*FindField("unacked")), "unacked");
}

TEST(NameWithUnit, IsUniqueWithinAGroup) {
  std::set<std::string> names;
  for (const Field& field : AllFields()) {
    EXPECT_TRUE(names.insert(std::string(Name(field.group)) + "." + NameWithUnit(field)).second)
        << field.name;
  }
}

TEST(FindFieldByWord, TakesShortNamesThatHideNoField) {
  for (const FieldAlias& alias : FieldAliases()) {
    SCOPED_TRACE(alias.word);
    // In ss, minrtt is the field of tcp_info. The one of Vegas is found with its group.
    const Field* const hidden = FindField(alias.word);
    EXPECT_TRUE(hidden == nullptr || hidden->group == FieldGroup::kVegas);
    ASSERT_NE(FindField(alias.field), nullptr);
    EXPECT_EQ(FindFieldByWord(alias.word), FindField(alias.field));
  }
}

TEST(FindFieldByWord, TakesEveryNameWithAndWithoutUnitAndGroup) {
  for (const Field& field : AllFields()) {
    const std::string group(Name(field.group));
    const std::string lead = group.empty() ? "" : group + ".";
    EXPECT_EQ(FindFieldByWord(lead + std::string(field.name)), &field) << lead << field.name;
    EXPECT_EQ(FindFieldByWord(lead + NameWithUnit(field)), &field) << lead << field.name;
    EXPECT_EQ(FindFieldByWord(NameWithUnit(field)) == nullptr, NeedsGroup(field.group))
        << field.name;
  }
  for (const char* word :
       {"port", "address", "scope", "", ".", "rtt_ms", "tcp_info.", "unix.rtt", "RTT"}) {
    EXPECT_EQ(FindFieldByWord(word), nullptr) << word;
  }
}

TEST(NearestFieldWord, CountsInsertedRemovedChangedAndSwappedLetters) {
  EXPECT_EQ(NearestFieldWord("rtt"), "rtt");
  EXPECT_EQ(NearestFieldWord("stat"), "state");
  EXPECT_EQ(NearestFieldWord("staate"), "state");
  EXPECT_EQ(NearestFieldWord("inide"), "inode");
  EXPECT_EQ(NearestFieldWord("indoe"), "inode");
  EXPECT_EQ(NearestFieldWord("INODE"), "inode");
  EXPECT_EQ(NearestFieldWord("tcp_info.rttt"), "tcp_info.rtt");
  EXPECT_EQ(NearestFieldWord("autobonud", std::to_array<std::string_view>({"autobound"})),
            "autobound");
}

TEST(NearestFieldWord, IsEmptyIfMoreThanOneLetterOfThreeDiffers) {
  EXPECT_EQ(NearestFieldWord("xyzzyxyzzy"), "");
  EXPECT_EQ(NearestFieldWord(std::string(80, '_')), "");
  EXPECT_EQ(NearestFieldWord(std::string(5000, '_')), "");
  const std::string long_word(81, 'a');
  EXPECT_EQ(NearestWord(long_word, std::to_array<std::string_view>({long_word})), "");
  EXPECT_EQ(NearestWord("abcdef", std::to_array<std::string_view>({"abxyef"})), "abxyef");
  EXPECT_EQ(NearestWord("abcdef", std::to_array<std::string_view>({"axyzef"})), "");
}

}  // namespace
}  // namespace netdiag
