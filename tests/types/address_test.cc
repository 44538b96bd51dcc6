// Addresses: inet_pton(3) reads back what AppendTo writes, and the text is RFC 5952's.

#include "netdiag/types/address.h"

#include <arpa/inet.h>

#include <array>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "tests/testing/guarded_buffer.h"
#include "tests/testing/rounds.h"

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

TEST(IpAddress, TextIsThatOfRfc5952) {
  const struct {
    const char *input, *text;
  } kRows[] = {
      {"0:0:0:0:0:0:0:0", "::"},
      {"0:0:0:0:0:0:0:1", "::1"},
      {"2001:0db8:0:0:0:0:0:1", "2001:db8::1"},
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},  // one zero group is not shortened
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},           // the longest run is
      {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},     // the first of equal ones is
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

TEST(IpAddress, TextOfAnyV6IsTheSystems) {
  std::mt19937 random(5);
  for (int round = 0; round < testing::Rounds(20000); ++round) {
    std::array<uint8_t, 16> octets = {};
    for (size_t group = 0; group < 8; ++group) {
      // Mostly zeros, so that there are runs of them; all lengths of the others.
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

TEST(IpAddress, TakesNoMoreThanItsOctetsAndReadsMissingOnesAsZero) {
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

// What a message's 16 bytes hold behind a v4 address is no part of it.
TEST(IpAddress, V4IsItsFirstFourOctets) {
  std::array<std::byte, 16> octets;
  octets.fill(std::byte{7});
  EXPECT_EQ(IpAddress::FromNetwork(Family::kInet, octets), IpAddress::V4(7, 7, 7, 7));
  EXPECT_EQ(IpAddress::FromNetwork(static_cast<Family>(99), octets), IpAddress::V4(7, 7, 7, 7));
}

TEST(IpAddress, KnowsSpecialOnes) {
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

TEST(IpAddress, UnmapsMappedOnesOnly) {
  EXPECT_TRUE(V6("::ffff:1.2.3.4").IsV4Mapped());
  EXPECT_EQ(V6("::ffff:1.2.3.4").Unmapped(), IpAddress::V4(1, 2, 3, 4));
  for (const char* text : {"::1.2.3.4", "::fffe:1.2.3.4", "1::ffff:1.2.3.4", "64:ff9b::1.2.3.4"}) {
    EXPECT_FALSE(V6(text).IsV4Mapped()) << text;
    EXPECT_EQ(V6(text).Unmapped(), V6(text)) << text;
  }
  EXPECT_FALSE(IpAddress::V4(1, 2, 3, 4).IsV4Mapped());
  EXPECT_EQ(IpAddress::V4(1, 2, 3, 4).Unmapped(), IpAddress::V4(1, 2, 3, 4));
  EXPECT_NE(V6("::ffff:1.2.3.4"), IpAddress::V4(1, 2, 3, 4));  // until it is asked for
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
      EXPECT_EQ(ordered[i] < ordered[j], i < j);
      EXPECT_EQ(ordered[i] == ordered[j], i == j);
    }
  }
}

TEST(Endpoint, PutsBracketsAroundV6Only) {
  EXPECT_EQ(Text(Endpoint{IpAddress::V4(127, 0, 0, 1), Port::FromHost(22)}), "127.0.0.1:22");
  EXPECT_EQ(Text(Endpoint{V6("::1"), Port::FromHost(65535)}), "[::1]:65535");
  EXPECT_EQ(Text(Endpoint{V6("::ffff:1.2.3.4"), Port()}), "[::ffff:1.2.3.4]:0");
  EXPECT_EQ(Text(Endpoint()), "0.0.0.0:0");
}

}  // namespace
}  // namespace netdiag
