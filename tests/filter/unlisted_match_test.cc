// What a filter says of sockets that no dump shows: only what is known of them decides.

#include "netdiag/filter/unlisted_match.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/filter/filter.h"
#include "netdiag/process/owner_index.h"
#include "netdiag/process/program.h"
#include "tests/testing/proc_tree.h"

namespace netdiag::internal {
namespace {

class UnlistedMatch : public ::testing::Test {
 protected:
  UnlistedMatch() {
    const std::vector<OwnedSocket> held = {
        {Inode(77), {.pid = Pid(5), .start_time = 1, .fd = 3, .command = "nginx", .thread = {}}},
        {Inode(77), {.pid = Pid(6), .start_time = 1, .fd = 4, .command = "sshd", .thread = {}}}};
    index_.Assign(held);
  }
  bool Matches(std::string_view text, std::string_view protocol = "TCPv6", uint32_t netns = 9) {
    const absl::StatusOr<Filter> filter = Filter::Parse(text);
    EXPECT_TRUE(filter.ok()) << text << ": " << filter.status();
    return filter.ok() &&
           MatchesUnlisted(*filter, {Inode(77), NetnsId(netns), index_.Find(Inode(77)),
                                     FindKernelProtocol(protocol), programs_});
  }

  OwnerIndex index_;
  Programs* programs_ = nullptr;
};

TEST_F(UnlistedMatch, ReadsTheProgramsOfTheOwners) {
  testing::ProcTree tree;
  tree.Pid(5, "nginx", 1);
  std::filesystem::create_symlink("/usr/sbin/nginx", tree.path("exe"));
  std::ofstream(tree.path("cmdline"), std::ios::binary) << "nginx" << '\0' << "-q" << '\0';
  Programs programs(tree.root());
  EXPECT_FALSE(Matches("exe = *"));  // not known
  programs_ = &programs;
  EXPECT_TRUE(Matches("exe = /usr/sbin/*"));
  EXPECT_TRUE(Matches("args = nginx?-q"));
  EXPECT_FALSE(Matches("args = nginx"));
}

TEST_F(UnlistedMatch, ReadsOwnersInodeNetnsProtocolAndFamily) {
  for (const char* yes :
       {"", "pid = 5", "pid = 6", "comm = nginx", "comm = ssh*", "fd > 3", "inode = 77",
        "inode != 78", "netns = 9", "protocol = tcp", "family = inet6", "pid = 5 and inode = 77",
        "pid = 1 or pid = 5", "not pid = 1", "not (pid = 1 and inode = 77)"}) {
    EXPECT_TRUE(Matches(yes)) << yes;
  }
  for (const char* no : {"pid = 7", "comm = x", "inode = 78", "netns = 8", "protocol = udp",
                         "family = inet", "not pid = 5", "pid = 5 and inode = 1"}) {
    EXPECT_FALSE(Matches(no)) << no;
  }
}

TEST_F(UnlistedMatch, KnowsTheProtocolsOfOtherFamilies) {
  for (const auto& [kernel, word] : {std::pair{"AF_VSOCK", "vsock"},
                                     {"TIPC", "tipc"},
                                     {"XDP", "xdp"},
                                     {"SMC", "smc"},
                                     {"SMC6", "smc"},
                                     {"INET_SMC", "smc"},
                                     {"INET6_SMC", "smc"}}) {
    EXPECT_TRUE(Matches(std::string("protocol = ") + word, kernel)) << kernel;
    EXPECT_TRUE(Matches(std::string("family = ") + word, kernel)) << kernel;
    EXPECT_FALSE(Matches("protocol = tcp", kernel)) << kernel;
  }
}

TEST_F(UnlistedMatch, APredicateAboutSomethingUnknownNeverDecides) {
  for (const char* unknown : {"sport = 22", "dst 10.0.0.0/8", "state = close", "uid = 0",
                              "rtt > 1ms", "src unix:*", "dev = 1", "fwmark = 1",
                              "peers.address = 10/8", "autobound", "cgroup = 1", "src netlink:*"}) {
    const std::string text = unknown;
    EXPECT_FALSE(Matches(text)) << text;
    EXPECT_FALSE(Matches("not " + text)) << text;
    EXPECT_FALSE(Matches("pid = 5 and " + text)) << text;
    EXPECT_FALSE(Matches("pid = 5 and not " + text)) << text;
    EXPECT_TRUE(Matches("pid = 5 or " + text)) << text;
    EXPECT_TRUE(Matches("not (pid = 1 and " + text + ")")) << text;
  }
}

TEST_F(UnlistedMatch, WithoutNetnsOrTableTheseDecideNothing) {
  for (const char* text : {"netns = 9", "not netns = 9", "netns = 0", "netns != 1"}) {
    EXPECT_FALSE(Matches(text, "TCP", 0)) << text;
  }
  for (const char* text : {"protocol = tcp", "not protocol = tcp", "family != inet"}) {
    EXPECT_FALSE(Matches(text, "ALG")) << text;
  }
  EXPECT_TRUE(Matches("comm = nginx", "ALG", 0));
}

}  // namespace
}  // namespace netdiag::internal
