// Lines of /proc/net: every field of the kernel's form, and damage.

#include "netdiag/dump/proc_lines.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "netdiag/types/address.h"

namespace netdiag {
namespace {

constexpr std::string_view kTcp =
    "   7: 0100007F:1F90 0200000A:C001 01 00000010:00000003 01:00000014 00000002  1000        5 "
    "173037 2 ffff8881 20 4 30 10 -1";
constexpr std::string_view kTcp6 =
    "   0: B80D0120222211114444333366665555:C351 00000000000000000000000001000000:0016 08 "
    "00000000:00000000 00:00000000 00000000     0        0 173044 1 ffff 20 0 0 10 -1";
constexpr std::string_view kUnix =
    "0000000000000000: 0000000A 00000000 00010000 0001 01   211 @name with a blank";

TEST(ProcLines, AnInetLineHasEveryColumn) {
  const std::optional<ProcInetLine> line = ParseProcInetLine(kTcp);
  ASSERT_TRUE(line);
  EXPECT_EQ(ToText(line->local), "127.0.0.1:8080");
  EXPECT_EQ(ToText(line->remote), "10.0.0.2:49153");
  EXPECT_EQ(line->state, 1);
  EXPECT_EQ(line->send_queue, 16u);
  EXPECT_EQ(line->receive_queue, 3u);
  EXPECT_EQ(line->timer, 1u);
  EXPECT_EQ(line->ticks, 20u);
  EXPECT_EQ(line->retransmits, 2u);
  EXPECT_EQ(line->uid, 1000u);
  EXPECT_EQ(line->probes, 5u);
  EXPECT_EQ(line->inode, Inode(173037));
}

TEST(ProcLines, AddressesOfIpv6AreWordsOfTheMachine) {
  const std::optional<ProcInetLine> line = ParseProcInetLine(kTcp6);
  ASSERT_TRUE(line);
  EXPECT_EQ(ToText(line->local), "[2001:db8:1111:2222:3333:4444:5555:6666]:50001");
  EXPECT_EQ(ToText(line->remote), "[::1]:22");
}

TEST(ProcLines, AUnixLineHasEveryColumn) {
  const std::optional<ProcUnixLine> line = ParseProcUnixLine(kUnix);
  ASSERT_TRUE(line);
  EXPECT_EQ(line->references, 10u);
  EXPECT_EQ(line->protocol, 0u);
  EXPECT_EQ(line->flags, kProcUnixAccepts);
  EXPECT_EQ(line->type, 1u);
  EXPECT_EQ(line->state, kProcUnixUnconnected);
  EXPECT_EQ(line->inode, Inode(211));
  EXPECT_EQ(line->name, "@name with a blank");
}

TEST(ProcLines, WithoutANameTheNameIsEmpty) {
  const std::string_view unnamed = kUnix.substr(0, kUnix.find(" @"));
  EXPECT_EQ(ParseProcUnixLine(unnamed)->name, "");
  EXPECT_EQ(ParseProcUnixLine(std::string(unnamed) + " ")->name, "");
}

TEST(ProcLines, ALineThatIsCutInANumberOrHasOtherWordsIsNone) {
  const size_t inet_end = kTcp.find(" 173037");
  for (size_t size = 0; size <= inet_end; ++size) {
    EXPECT_FALSE(ParseProcInetLine(kTcp.substr(0, size))) << size;
  }
  const size_t unix_end = kUnix.find("   211");
  for (size_t size = 0; size <= unix_end; ++size) {
    EXPECT_FALSE(ParseProcUnixLine(kUnix.substr(0, size))) << size;
  }
  for (const char* text : {"", "  sl  local_address rem_address   st",
                           "Num       RefCount Protocol", "1: 2 3 4 5", "rest of a name\n"}) {
    EXPECT_FALSE(ParseProcInetLine(text)) << text;
    EXPECT_FALSE(ParseProcUnixLine(text)) << text;
  }
}

}  // namespace
}  // namespace netdiag
