// Addresses. The text that AppendTo writes follows RFC 5952 and is read back by inet_pton(3). Parse
// accepts and refuses the same texts as inet_pton and Go's package net.

#include "netdiag/types/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "tests/testing/damage.h"
#include "tests/testing/guarded_buffer.h"
#include "tests/testing/rounds.h"
#include "tests/testing/status_matchers.h"

namespace netdiag {
namespace {

using testing::GuardedBuffer;

template <class T>
std::string Text(const T& value) {
  std::string text = "kept ";
  value.AppendTo(&text);
  EXPECT_TRUE(text.starts_with("kept "));
  return text.substr(5);
}

IpAddress Parse(Family family, const char* text) {
  std::array<std::byte, 16> octets{};
  EXPECT_EQ(inet_pton(static_cast<int>(family), text, octets.data()), 1) << text;
  return IpAddress::FromNetwork(family, octets);
}
IpAddress V6(const char* text) { return Parse(Family::kInet6, text); }

void ExpectReadBack(Family family, const std::array<uint8_t, 16>& octets) {
  const IpAddress address = IpAddress::FromNetwork(family, std::as_bytes(std::span(octets)));
  const std::string text = Text(address);
  std::array<uint8_t, 16> back{};
  ASSERT_EQ(inet_pton(static_cast<int>(family), text.c_str(), back.data()), 1) << text;
  EXPECT_EQ(std::memcmp(back.data(), octets.data(), address.octets().size()), 0) << text;
  EXPECT_EQ(text.find_first_of("ABCDEF"), text.npos) << text;
}

TEST(IpAddress, EveryV4TextReadsBack) {
  std::mt19937 random(5952);
  for (int i = 0; i < netdiag::testing::Rounds(20000); ++i) {
    std::array<uint8_t, 16> octets{};
    for (uint8_t& octet : octets) octet = static_cast<uint8_t>(random());
    ExpectReadBack(Family::kInet, octets);
  }
}

TEST(IpAddress, EveryV6TextReadsBackWhereverItsZerosAre) {
  std::mt19937 random(4291);
  for (int zeros = 0; zeros < 256; ++zeros) {  // bit N: group N is zero
    for (int i = 0; i < 50; ++i) {
      std::array<uint8_t, 16> octets{};
      for (size_t group = 0; group < 8; ++group) {
        if ((zeros >> group) & 1) continue;
        octets[2 * group] = static_cast<uint8_t>(random() % 3 == 0 ? 0 : random());
        octets[2 * group + 1] = static_cast<uint8_t>(random() | 1);
      }
      ExpectReadBack(Family::kInet6, octets);
    }
  }
}

TEST(IpAddress, TextFollowsRfc5952) {
  const struct {
    const char *input, *text;
  } kRows[] = {
      {"0:0:0:0:0:0:0:0", "::"},
      {"0:0:0:0:0:0:0:1", "::1"},
      {"2001:0db8:0:0:0:0:0:1", "2001:db8::1"},
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},  // a single zero group is not shortened
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},           // the longest run is shortened
      {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},  // the first of equally long runs is shortened
      {"2001:DB8:AAAA:BBBB:CCCC:DDDD:EEEE:AAA", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:aaa"},
      {"fe80:0:0:0:1:2:3:4", "fe80::1:2:3:4"},
      {"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"},
      {"::ffff:192.0.2.128", "::ffff:192.0.2.128"},
      {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
  };
  for (const auto& row : kRows) EXPECT_EQ(Text(V6(row.input)), row.text);
  EXPECT_EQ(Text(IpAddress::V4(1, 2, 3, 4)), "1.2.3.4");
  EXPECT_EQ(Text(IpAddress::V4(255, 255, 255, 255)), "255.255.255.255");
  EXPECT_EQ(Text(IpAddress()), "0.0.0.0");
}

TEST(IpAddress, TextOfV6EqualsInetNtops) {
  std::mt19937 random(5);
  for (int round = 0; round < testing::Rounds(20000); ++round) {
    std::array<uint8_t, 16> octets = {};
    for (size_t group = 0; group < 8; ++group) {
      // Mostly zeros, for runs of zero groups. The other groups have all lengths.
      const auto kind = static_cast<unsigned>(random() % 8);
      const auto any = static_cast<unsigned>(random() & (0xffffu >> (random() % 16)));
      const unsigned value = kind < 5 ? 0 : kind == 5 ? 0xffff : any;
      octets[2 * group] = static_cast<uint8_t>(value >> 8);
      octets[2 * group + 1] = static_cast<uint8_t>(value);
    }
    char expected[INET6_ADDRSTRLEN] = "";
    ASSERT_NE(inet_ntop(AF_INET6, octets.data(), expected, sizeof(expected)), nullptr);
    std::string text;
    IpAddress::FromNetwork(Family::kInet6, std::as_bytes(std::span(octets))).AppendTo(&text);
    ASSERT_EQ(text, expected);
  }
}

TEST(IpAddress, ReadsOnlyItsOctetsAndMissingOnesAsZero) {
  for (Family family : {Family::kInet, Family::kInet6}) {
    const size_t wanted = family == Family::kInet ? 4 : 16;
    for (size_t size = 0; size <= 20; ++size) {
      GuardedBuffer guarded(size);
      for (size_t i = 0; i < size; ++i) guarded.writable()[i] = static_cast<std::byte>(i + 1);
      const IpAddress address = IpAddress::FromNetwork(family, guarded.bytes());
      ASSERT_EQ(address.family(), family);
      ASSERT_EQ(address.octets().size(), wanted);
      for (size_t i = 0; i < wanted; ++i) {
        EXPECT_EQ(address.octets()[i], i < size ? i + 1 : 0u) << size;
      }
    }
  }
}

// In a message, a v4 address is the first 4 of 16 bytes; the rest does not belong to it.
TEST(IpAddress, V4IsItsFirstFourOctets) {
  std::array<std::byte, 16> octets;
  octets.fill(std::byte{7});
  EXPECT_EQ(IpAddress::FromNetwork(Family::kInet, octets), IpAddress::V4(7, 7, 7, 7));
  EXPECT_EQ(IpAddress::FromNetwork(static_cast<Family>(99), octets), IpAddress::V4(7, 7, 7, 7));
}

TEST(IpAddress, RecognizesUnspecifiedAndLoopback) {
  EXPECT_TRUE(IpAddress().IsUnspecified());
  EXPECT_TRUE(V6("::").IsUnspecified());
  EXPECT_FALSE(V6("::1").IsUnspecified());
  EXPECT_FALSE(IpAddress::V4(0, 0, 0, 1).IsUnspecified());

  EXPECT_TRUE(IpAddress::V4(127, 0, 0, 1).IsLoopback());
  EXPECT_TRUE(IpAddress::V4(127, 255, 255, 254).IsLoopback());
  EXPECT_FALSE(IpAddress::V4(126, 0, 0, 1).IsLoopback());
  EXPECT_TRUE(V6("::1").IsLoopback());
  EXPECT_FALSE(V6("::2").IsLoopback());
  EXPECT_FALSE(V6("7f00::1").IsLoopback());
  EXPECT_FALSE(IpAddress::V4(0, 0, 0, 1).IsLoopback());
}

TEST(IpAddress, UnmapsOnlyV4MappedAddresses) {
  EXPECT_TRUE(V6("::ffff:1.2.3.4").IsV4Mapped());
  EXPECT_EQ(V6("::ffff:1.2.3.4").Unmapped(), IpAddress::V4(1, 2, 3, 4));
  for (const char* text : {"::1.2.3.4", "::fffe:1.2.3.4", "1::ffff:1.2.3.4", "64:ff9b::1.2.3.4"}) {
    EXPECT_FALSE(V6(text).IsV4Mapped()) << text;
    EXPECT_EQ(V6(text).Unmapped(), V6(text)) << text;
  }
  EXPECT_FALSE(IpAddress::V4(1, 2, 3, 4).IsV4Mapped());
  EXPECT_EQ(IpAddress::V4(1, 2, 3, 4).Unmapped(), IpAddress::V4(1, 2, 3, 4));
  EXPECT_NE(V6("::ffff:1.2.3.4"), IpAddress::V4(1, 2, 3, 4));  // only Unmapped() makes them equal
}

TEST(IpAddress, OrdersByFamilyThenOctets) {
  const std::vector<IpAddress> ordered = {IpAddress(),
                                          IpAddress::V4(1, 2, 3, 4),
                                          IpAddress::V4(1, 2, 4, 0),
                                          IpAddress::V4(255, 0, 0, 0),
                                          V6("::"),
                                          V6("::1"),
                                          V6("1::")};
  for (size_t i = 0; i < ordered.size(); ++i) {
    for (size_t j = 0; j < ordered.size(); ++j) {
      SCOPED_TRACE(ToText(ordered[i]) + " and " + ToText(ordered[j]));
      EXPECT_EQ(ordered[i] < ordered[j], i < j);
      EXPECT_EQ(ordered[i] == ordered[j], i == j);
    }
  }
}

// ---- Reading ----

IpAddress Parsed(std::string_view text) {
  const absl::StatusOr<IpAddress> address = IpAddress::Parse(text);
  EXPECT_TRUE(address.ok()) << address.status();
  return address.value_or(IpAddress());
}

// Expects that Parse() and inet_pton(3) read `text` in the same way.
void ExpectReadAsBySystem(const std::string& text) {
  std::array<uint8_t, 16> octets{};
  const absl::StatusOr<IpAddress> address = IpAddress::Parse(text);
  for (const Family family : {Family::kInet, Family::kInet6}) {
    const bool expected = inet_pton(static_cast<int>(family), text.c_str(), octets.data()) == 1;
    ASSERT_EQ(address.ok() && address->family() == family, expected) << '"' << text << '"';
    if (!expected) continue;
    ASSERT_EQ(*address, IpAddress::FromNetwork(family, std::as_bytes(std::span(octets)))) << text;
  }
}

TEST(IpAddress, ReadsAndRefusesEveryShortTextAsTheSystemDoes) {
  // Every text of up to six of these parts: groups, octets, numbers that are too long or too large,
  // and both separators.
  const std::string_view kParts[] = {":", "1", ".", "f0", "256", "04", "12345"};
  std::vector<std::string> texts = {""};
  for (size_t begin = 0, length = 0; length < 6; ++length) {
    const size_t end = texts.size();
    for (; begin < end; ++begin) {
      for (const std::string_view part : kParts) texts.push_back(texts[begin] + std::string(part));
    }
  }
  for (const std::string& text : texts) ASSERT_NO_FATAL_FAILURE(ExpectReadAsBySystem(text));
}

TEST(IpAddress, ReadsAndRefusesDamagedTextAsTheSystemDoes) {
  std::mt19937 random(3513);
  const std::string_view kBases[] = {
      "1.2.3.4", "255.255.255.255", "1:2:3:4:5:6:7:8", "2001:db8::1:0:ff",   "::ffff:192.0.2.1",
      "::",      "1:2:3:4:5:6:7::", "fe80::1:2:3:4",   "1:2:3:4:5:6:1.2.3.4"};
  const std::string_view kChars = "0123456789abcdefABCDEFgx:.%/ +-";
  for (int round = 0; round < testing::Rounds(100000); ++round) {
    const std::string text = testing::Damaged(kBases, kChars, 2, &random);
    ASSERT_NO_FATAL_FAILURE(ExpectReadAsBySystem(text));
  }
}

TEST(IpAddress, EveryV4AddressSurvivesItsText) {
  // The steps are prime, so that every octet takes every value.
  const uint64_t step = testing::Rounds(1) > 1 ? 7 : 4099;
  std::string text;
  for (uint64_t number = 0; number <= 0xffffffff; number += step) {
    const IpAddress address =
        IpAddress::V4(static_cast<uint8_t>(number >> 24), static_cast<uint8_t>(number >> 16),
                      static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number));
    text.clear();
    address.AppendTo(&text);
    const absl::StatusOr<IpAddress> back = IpAddress::Parse(text);
    ASSERT_TRUE(back.ok() && *back == address) << text;
  }
}

TEST(IpAddress, EveryShapeOfV6AddressSurvivesItsText) {
  // Each group is 0, one digit, four digits or ffff.
  constexpr uint16_t kGroups[] = {0, 1, 0xab0f, 0xffff};
  for (uint32_t shape = 0; shape < 1u << 16; ++shape) {
    std::array<uint8_t, 16> octets{};
    for (size_t group = 0; group < 8; ++group) {
      const uint16_t value = kGroups[shape >> 2 * group & 3];
      octets[2 * group] = static_cast<uint8_t>(value >> 8);
      octets[2 * group + 1] = static_cast<uint8_t>(value & 0xff);
    }
    const IpAddress address = IpAddress::V6(octets);
    const absl::StatusOr<IpAddress> back = IpAddress::Parse(ToText(address));
    ASSERT_TRUE(back.ok() && *back == address) << ToText(address);
  }
}

TEST(IpAddress, RefusesTextsAsGoDoes) {
  for (const std::string_view text : {"",
                                      "-0.0.0.0",
                                      "0.-1.0.0",
                                      "0.0.0.-1",
                                      "127.0.0.256",
                                      "abc",
                                      "123:",
                                      "fe80::1%lo0",
                                      "fe80::1%911",
                                      "192.168.0.1%eth0",
                                      "a1:a2:a3:a4::b1:b2:b3:b4",
                                      "127.001.002.003",
                                      "::ffff:127.001.002.003",
                                      "123.000.000.000",
                                      "1.2..4",
                                      "0123.0.0.1",
                                      "1:2:3:4:5:6:7:8:9",
                                      "00001::",
                                      "1.2.3.4/8",
                                      "[::1]"}) {
    const absl::StatusOr<IpAddress> address = IpAddress::Parse(text);
    ASSERT_FALSE(address.ok()) << text;
    EXPECT_THAT(address, testing::ErrnoIs(EINVAL));
    EXPECT_EQ(address.status().message(), "IP address: \"" + std::string(text) + "\": invalid");
  }
  EXPECT_FALSE(IpAddress::Parse(std::string_view("1.2.3.4\0", 8)).ok());
}

// ---- Predicates ----

TEST(IpAddress, ClassifiesAsGoDoes) {
  constexpr unsigned kNone = 0, kLoop = 1, kPrivate = 2, kMulti = 4, kIfMulti = 8;
  constexpr unsigned kLinkMulti = 16, kLink = 32, kGlobal = 64;
  const struct {
    const char* text;
    unsigned classes;
  } kRows[] = {
      {"0.0.0.0", kNone},
      {"::", kNone},
      {"127.0.0.1", kLoop},
      {"127.255.255.254", kLoop},
      {"128.1.2.3", kGlobal},
      {"::1", kLoop},
      {"::2", kGlobal},
      {"224.0.0.0", kMulti | kLinkMulti},
      {"224.0.1.0", kMulti},
      {"239.0.0.0", kMulti},
      {"240.0.0.0", kGlobal},
      {"232.0.0.0", kMulti},
      {"169.254.0.0", kLink},
      {"169.255.0.0", kGlobal},
      {"ff05::", kMulti},
      {"fe80::", kLink},
      {"febf::", kLink},
      {"fec0::", kGlobal},
      {"fe00::", kGlobal},
      {"ff01::", kMulti | kIfMulti},
      {"ff11::1", kMulti | kIfMulti},
      {"ff02::", kMulti | kLinkMulti},
      {"ff32::1", kMulti | kLinkMulti},
      {"2001:db8::123:12:1", kGlobal},
      {"255.255.255.255", kNone},
      {"10.0.0.0", kGlobal | kPrivate},
      {"10.255.255.255", kGlobal | kPrivate},
      {"11.0.0.0", kGlobal},
      {"172.15.255.255", kGlobal},
      {"172.16.0.0", kGlobal | kPrivate},
      {"172.31.255.255", kGlobal | kPrivate},
      {"172.32.0.0", kGlobal},
      {"192.167.255.255", kGlobal},
      {"192.168.0.0", kGlobal | kPrivate},
      {"192.169.0.0", kGlobal},
      {"fbff::1", kGlobal},
      {"fc00::", kGlobal | kPrivate},
      {"fdff::1", kGlobal | kPrivate},
      {"fe00::1", kGlobal},
      {"::ffff:127.0.0.1", kLoop},
      {"::ffff:10.1.2.3", kGlobal | kPrivate},
      {"::ffff:224.0.0.1", kMulti | kLinkMulti},
      {"::ffff:169.254.1.1", kLink},
      {"::ffff:255.255.255.255", kNone},
      {"::ffff:0.0.0.0", kNone},
  };
  for (const auto& row : kRows) {
    const IpAddress ip = Parsed(row.text);
    const unsigned classes =
        (ip.IsLoopback() ? kLoop : 0) | (ip.IsPrivate() ? kPrivate : 0) |
        (ip.IsMulticast() ? kMulti : 0) | (ip.IsInterfaceLocalMulticast() ? kIfMulti : 0) |
        (ip.IsLinkLocalMulticast() ? kLinkMulti : 0) | (ip.IsLinkLocalUnicast() ? kLink : 0) |
        (ip.IsGlobalUnicast() ? kGlobal : 0);
    EXPECT_EQ(classes, row.classes) << row.text;
  }
}

TEST(IpAddress, WellKnownAddressesAreGos) {
  EXPECT_EQ(ToText(kIpv4Zero), "0.0.0.0");
  EXPECT_EQ(ToText(kIpv4Broadcast), "255.255.255.255");
  EXPECT_EQ(ToText(kIpv4AllSystems), "224.0.0.1");
  EXPECT_EQ(ToText(kIpv4AllRouters), "224.0.0.2");
  EXPECT_EQ(ToText(kIpv6Unspecified), "::");
  EXPECT_EQ(ToText(kIpv6Loopback), "::1");
  EXPECT_EQ(ToText(kIpv6InterfaceLocalAllNodes), "ff01::1");
  EXPECT_EQ(ToText(kIpv6LinkLocalAllNodes), "ff02::1");
  EXPECT_EQ(ToText(kIpv6LinkLocalAllRouters), "ff02::2");
  EXPECT_EQ(kIpv4Zero.octets().size(), 4u);
  EXPECT_EQ(kIpv6Loopback.octets().size(), 16u);
}

TEST(IpAddress, SameHostIncludesTheMappedForm) {
  const IpAddress plain = IpAddress::V4(1, 2, 3, 4);
  EXPECT_EQ(plain.Mapped(), V6("::ffff:1.2.3.4"));
  EXPECT_EQ(plain.Mapped().Mapped(), plain.Mapped());
  EXPECT_TRUE(plain.IsSameHost(plain.Mapped()));
  EXPECT_TRUE(plain.Mapped().IsSameHost(plain));
  EXPECT_FALSE(plain.IsSameHost(V6("::1.2.3.4")));
  EXPECT_FALSE(plain.IsSameHost(IpAddress::V4(1, 2, 3, 5)));
}

TEST(IpAddress, SurvivesJson) {
  for (const std::string text : {"192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "::"}) {
    SCOPED_TRACE(text);
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
    const std::string written = ToText(Parsed(text));
    writer.String(written.data(), static_cast<rapidjson::SizeType>(written.size()));
    EXPECT_EQ(buffer.GetString(), '"' + text + '"');  // nothing needs an escape
    rapidjson::Document document;
    document.Parse(buffer.GetString());
    ASSERT_TRUE(document.IsString());
    EXPECT_EQ(Parsed({document.GetString(), document.GetStringLength()}), Parsed(text));
  }
}

// ---- Masks and prefixes ----

TEST(Mask, EveryLengthHasOneMask) {
  for (const Family family : {Family::kInet, Family::kInet6}) {
    const unsigned bits = family == Family::kInet ? 32 : 128;
    for (unsigned ones = 0; ones <= bits; ++ones) {
      const std::optional<Mask> mask = Mask::OfLength(family, ones);
      SCOPED_TRACE(std::to_string(ones) + " of " + std::to_string(bits) + " bits");
      ASSERT_TRUE(mask);
      EXPECT_EQ(mask->length(), ones);
      EXPECT_EQ(mask->family(), family);
      for (unsigned bit = 0; bit < bits; ++bit) {
        EXPECT_EQ((mask->octets()[bit / 8] >> (7 - bit % 8) & 1) != 0, bit < ones) << bit;
      }
    }
    EXPECT_EQ(Mask::OfLength(family, bits + 1), std::nullopt);
    EXPECT_EQ(Mask::OfLength(family, 0u - 1), std::nullopt);
  }
  EXPECT_EQ(ToText(*Mask::OfLength(Family::kInet, 12)), "fff00000");
  EXPECT_EQ(ToText(*Mask::OfLength(Family::kInet6, 4)), "f0000000000000000000000000000000");
}

Mask MaskOf(std::array<uint8_t, 4> octets) {
  return Mask::FromNetwork(Family::kInet, std::as_bytes(std::span(octets)));
}

TEST(Mask, BitsWithHolesHaveNoLength) {
  EXPECT_EQ(MaskOf({255, 0, 255, 0}).length(), std::nullopt);
  EXPECT_EQ(MaskOf({127, 0, 0, 0}).length(), std::nullopt);
  EXPECT_EQ(MaskOf({0xc0, 0, 0xff, 0}).length(), std::nullopt);
  const Prefix odd = {IpAddress::V4(198, 51, 100, 0), MaskOf({0xc0, 0, 0xff, 0})};
  EXPECT_EQ(ToText(odd), "198.51.100.0/c000ff00");
  EXPECT_TRUE(odd.Contains(IpAddress::V4(200, 7, 100, 9)));
  EXPECT_FALSE(odd.Contains(IpAddress::V4(198, 51, 101, 0)));
}

TEST(Mask, DefaultMaskIsGos) {
  EXPECT_EQ(IpAddress::V4(10, 0, 0, 1).DefaultMask(), Mask::OfLength(Family::kInet, 8));
  EXPECT_EQ(IpAddress::V4(127, 0, 0, 1).DefaultMask(), Mask::OfLength(Family::kInet, 8));
  EXPECT_EQ(IpAddress::V4(128, 0, 0, 1).DefaultMask(), Mask::OfLength(Family::kInet, 16));
  EXPECT_EQ(IpAddress::V4(191, 0, 0, 1).DefaultMask(), Mask::OfLength(Family::kInet, 16));
  EXPECT_EQ(IpAddress::V4(192, 0, 0, 1).DefaultMask(), Mask::OfLength(Family::kInet, 24));
  EXPECT_EQ(kIpv6Loopback.DefaultMask(), std::nullopt);
}

TEST(Mask, ClearsBitsOfAddressesOfItsFamily) {
  const IpAddress ip = IpAddress::V4(192, 168, 1, 127);
  EXPECT_EQ(ip.Masked(*Mask::OfLength(Family::kInet, 25)), IpAddress::V4(192, 168, 1, 0));
  EXPECT_EQ(ip.Masked(MaskOf({255, 0, 255, 0})), IpAddress::V4(192, 0, 1, 0));
  EXPECT_EQ(ip.Masked(*Mask::OfLength(Family::kInet6, 25)), std::nullopt);
  EXPECT_EQ(V6("2001:db8::1").Masked(*Mask::OfLength(Family::kInet6, 20)), V6("2001::"));
}

TEST(Cidr, ReadsAddressAndNetwork) {
  const struct {
    const char *text, *address, *network;
  } kRows[] = {
      {"135.104.0.0/32", "135.104.0.0", "135.104.0.0/32"},
      {"0.0.0.0/24", "0.0.0.0", "0.0.0.0/24"},
      {"135.104.0.1/24", "135.104.0.1", "135.104.0.0/24"},
      {"192.0.2.1/24", "192.0.2.1", "192.0.2.0/24"},
      {"10.1.2.3/0", "10.1.2.3", "0.0.0.0/0"},
      {"::1/128", "::1", "::1/128"},
      {"abcd:2345::/24", "abcd:2345::", "abcd:2300::/24"},
      {"2001:db8::68/32", "2001:db8::68", "2001:db8::/32"},
      {"::ffff:10.1.2.3/104", "::ffff:10.1.2.3", "::ffff:10.0.0.0/104"},
  };
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.text);
    const absl::StatusOr<Cidr> cidr = Cidr::Parse(row.text);
    ASSERT_TRUE(cidr.ok()) << cidr.status();
    EXPECT_EQ(ToText(cidr->address), row.address);
    EXPECT_EQ(ToText(cidr->network), row.network);
    EXPECT_EQ(Cidr::Parse(ToText(cidr->network))->network, cidr->network);
    EXPECT_TRUE(cidr->network.Contains(cidr->address));
  }
  for (const std::string text :
       {"192.168.1.1/255.255.255.0", "192.168.1.1/35", "2001:db8::1/-1", "2001:db8::1/-0",
        "-0.0.0.0/32", "0.-1.0.0/32", "0.0.0.0/-0", "127.000.000.001/32", "", "1.2.3.4", "/24",
        "1.2.3.4/", "1.2.3.4/+8", "1.2.3.4/256", "::/129", "1.2.3.4/8/8", "fe80::1%2/64"}) {
    const absl::StatusOr<Cidr> cidr = Cidr::Parse(text);
    ASSERT_FALSE(cidr.ok()) << text;
    EXPECT_EQ(cidr.status().message(), "CIDR address: \"" + text + "\": invalid");
  }
}

TEST(Prefix, ContainsItsAddressesInBothForms) {
  const auto contains = [](const char* network, const char* host) {
    return Cidr::Parse(network)->network.Contains(Parsed(host));
  };
  EXPECT_TRUE(contains("172.16.0.0/13", "172.16.0.1"));
  EXPECT_FALSE(contains("172.16.0.0/13", "172.24.0.1"));
  EXPECT_TRUE(contains("2001:db8:1::/47", "2001:db8:1:2::3"));
  EXPECT_FALSE(contains("2001:db8:1::/47", "2001:db8:2::"));
  EXPECT_TRUE(contains("172.16.0.0/13", "::ffff:172.16.0.1"));
  EXPECT_TRUE(contains("::ffff:172.16.0.0/109", "172.16.0.1"));
  EXPECT_FALSE(contains("::ffff:172.16.0.0/109", "172.24.0.1"));
  EXPECT_FALSE(contains("::/0", "172.16.0.1"));
  EXPECT_FALSE(contains("::/0", "::ffff:172.16.0.1"));
  EXPECT_TRUE(contains("::/0", "2001:db8::1"));
  EXPECT_FALSE(contains("0.0.0.0/0", "::1"));
  EXPECT_TRUE(contains("0.0.0.0/0", "255.1.2.3"));
  EXPECT_FALSE((Prefix{IpAddress::V4(1, 2, 3, 4), *Mask::OfLength(Family::kInet6, 0)})
                   .Contains(IpAddress::V4(1, 2, 3, 4)));  // the mask has another family
}

// ---- Endpoints, hosts and ports ----

TEST(Endpoint, PutsBracketsAroundV6Only) {
  EXPECT_EQ(Text(Endpoint{IpAddress::V4(127, 0, 0, 1), Port::FromHost(22)}), "127.0.0.1:22");
  EXPECT_EQ(Text(Endpoint{V6("::1"), Port::FromHost(65535)}), "[::1]:65535");
  EXPECT_EQ(Text(Endpoint{V6("::ffff:1.2.3.4"), Port()}), "[::ffff:1.2.3.4]:0");
  EXPECT_EQ(Text(Endpoint()), "0.0.0.0:0");
}

TEST(Endpoint, SurvivesItsText) {
  const auto names = [](std::string_view zone) {
    return zone == "eth0" ? std::optional(IfIndex(7)) : Endpoint::NumericZone(zone);
  };
  for (const std::string text : {"127.0.0.1:22", "[::1]:65535", "[fe80::1%2]:0", "0.0.0.0:0",
                                 "[::ffff:1.2.3.4]:80", "[fe80::1%4294967295]:1"}) {
    const absl::StatusOr<Endpoint> end = Endpoint::Parse(text);
    ASSERT_TRUE(end.ok()) << end.status();
    EXPECT_EQ(Text(*end), text);
  }
  EXPECT_EQ(Endpoint::Parse("[fe80::1%eth0]:22", names)->zone, IfIndex(7));
  EXPECT_EQ(Endpoint::ParseHost("fe80::1%2")->zone, IfIndex(2));
  std::string host;
  Endpoint::ParseHost("fe80::1%2")->AppendHostTo(&host);
  EXPECT_EQ(host, "fe80::1%2");
  EXPECT_EQ(*Endpoint::ParseHost("10.0.0.1"), (Endpoint{IpAddress::V4(10, 0, 0, 1), Port()}));
}

TEST(Endpoint, EveryPortSurvivesItsText) {
  for (unsigned port = 0; port <= 0xffff; ++port) {
    const Endpoint end = {kIpv6Loopback, Port::FromHost(static_cast<uint16_t>(port))};
    const absl::StatusOr<Endpoint> back = Endpoint::Parse(ToText(end));
    ASSERT_TRUE(back.ok() && *back == end) << port;
  }
}

TEST(Endpoint, RefusesInvalidText) {
  for (const std::string_view text :
       {"127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:", "127.0.0.1:http", ":80", "::1:80",
        "[::1%2%3]:80", "[fe80::1%eth0]:22", "[fe80::1%]:22", "[fe80::1%0]:22", "1.2.3.4%2:80",
        "localhost:80", "[::1]", "[fe80::1%4294967296]:1"}) {
    SCOPED_TRACE(text);
    const absl::StatusOr<Endpoint> end = Endpoint::Parse(text);
    EXPECT_FALSE(end.ok()) << text;
    EXPECT_THAT(end, testing::ErrnoIs(EINVAL));
  }
}

TEST(HostPort, SplitsAsGoDoes) {
  const struct {
    std::string text, host, port;
  } kGood[] = {
      {"localhost:http", "localhost", "http"},
      {"localhost:80", "localhost", "80"},
      {"localhost%lo0:80", "localhost%lo0", "80"},
      {"[localhost%lo0]:http", "localhost%lo0", "http"},
      {"127.0.0.1:80", "127.0.0.1", "80"},
      {"[::1]:http", "::1", "http"},
      {"[::1%lo0]:80", "::1%lo0", "80"},
      {":http", "", "http"},
      {"[]:80", "", "80"},
      {"golang.org:", "golang.org", ""},
      {"127.0.0.1:", "127.0.0.1", ""},
      {"[::1]:", "::1", ""},
      {"golang.org:https%foo", "golang.org", "https%foo"},
  };
  for (const auto& row : kGood) {
    SCOPED_TRACE(row.text);
    const absl::StatusOr<HostPort> parts = SplitHostPort(row.text);
    ASSERT_TRUE(parts.ok()) << parts.status();
    EXPECT_EQ(parts->host, row.host);
    EXPECT_EQ(parts->port, row.port);
    if (!row.text.starts_with('[') || row.host.find(':') != row.host.npos) {
      EXPECT_EQ(JoinHostPort(parts->host, parts->port), row.text);
    }
  }
  const struct {
    std::string text, why;
  } kBad[] = {
      {"golang.org", "missing port in address"},
      {"127.0.0.1", "missing port in address"},
      {"[::1]", "missing port in address"},
      {"[fe80::1%lo0]", "missing port in address"},
      {"[localhost]", "missing port in address"},
      {"", "missing port in address"},
      {"::1", "too many colons in address"},
      {"fe80::1%lo0", "too many colons in address"},
      {"fe80::1%lo0:80", "too many colons in address"},
      {"localhost:80:81", "too many colons in address"},
      {"[foo:bar]:baz:qux", "too many colons in address"},
      {"[foo]bar:baz", "missing port in address"},
      {"[foo:80", "missing ']' in address"},
      {"[foo]:[bar]:baz", "too many colons in address"},
      {"[foo]:[bar]baz", "unexpected '[' in address"},
      {"foo[bar]:baz", "unexpected '[' in address"},
      {"foo]bar:baz", "unexpected ']' in address"},
      {"[foo]:]", "unexpected ']' in address"},
  };
  for (const auto& row : kBad) {
    const absl::StatusOr<HostPort> parts = SplitHostPort(row.text);
    ASSERT_FALSE(parts.ok()) << row.text;
    EXPECT_EQ(parts.status().message(), "address: \"" + row.text + "\": " + row.why);
  }
}

TEST(HostPort, JoinsWithBracketsAroundColons) {
  EXPECT_EQ(JoinHostPort("localhost", "http"), "localhost:http");
  EXPECT_EQ(JoinHostPort("::1%lo0", "0"), "[::1%lo0]:0");
  EXPECT_EQ(JoinHostPort("127.0.0.1", ""), "127.0.0.1:");
  EXPECT_EQ(JoinHostPort("", "0"), ":0");
}

// ---- Hardware addresses ----

TEST(HardwareAddress, ReadsGosThreeFormsOfThreeLengths) {
  const struct {
    const char *colons, *dots;
  } kRows[] = {
      {"00:00:5e:00:53:01", "0000.5e00.5301"},
      {"02:00:5e:10:00:00:00:01", "0200.5e10.0000.0001"},
      {"00:00:00:00:fe:80:00:00:00:00:00:00:02:00:5e:10:00:00:00:01",
       "0000.0000.fe80.0000.0000.0000.0200.5e10.0000.0001"},
  };
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.colons);
    std::string dashes = row.colons;
    std::ranges::replace(dashes, ':', '-');
    std::string upper = row.colons;
    for (char& c : upper) c = static_cast<char>(std::toupper(c));
    for (const std::string_view text : {std::string_view(row.colons), std::string_view(dashes),
                                        std::string_view(row.dots), std::string_view(upper)}) {
      const absl::StatusOr<HardwareAddress> address = HardwareAddress::Parse(text);
      ASSERT_TRUE(address.ok()) << address.status();
      EXPECT_EQ(Text(*address), row.colons);
    }
  }
}

TEST(HardwareAddress, RefusesWithTheTextAsGoDoes) {
  for (const std::string text :
       {"", "01.02.03.04.05.06", "01:02:03:04:05:06:", "x1:02:03:04:05:06", "01002:03:04:05:06",
        "01:02003:04:05:06", "01:02:03004:05:06", "01:02:03:04005:06", "01:02:03:04:05006",
        "01-02:03:04:05:06", "01:02-03-04-05-06", "0123:4567:89AF", "0123-4567-89AF",
        "0123.4567-89af", "00:00:5e:00:53:0", "00:00:5e:00:53:01:02", "0000.5e00.530x"}) {
    const absl::StatusOr<HardwareAddress> address = HardwareAddress::Parse(text);
    ASSERT_FALSE(address.ok()) << text;
    EXPECT_EQ(address.status().message(), "MAC address: \"" + text + "\": invalid");
  }
}

TEST(HardwareAddress, TakesWhatTheKernelGives) {
  std::array<std::byte, 40> octets;
  for (size_t i = 0; i < octets.size(); ++i) octets[i] = static_cast<std::byte>(i);
  for (size_t size = 0; size <= octets.size(); ++size) {
    SCOPED_TRACE(std::to_string(size) + " octets");
    const auto address = HardwareAddress::FromNetwork(Bytes(octets).first(size));
    EXPECT_EQ(address.octets().size(), std::min(size, HardwareAddress::kMaxSize));
    EXPECT_EQ(address.empty(), size == 0);
  }
  EXPECT_EQ(Text(HardwareAddress()), "");
  EXPECT_EQ(Text(HardwareAddress::FromNetwork(Bytes(octets).first(4))), "00:01:02:03");
}

}  // namespace
}  // namespace netdiag
