// Command lines that no socket can match, and others that look alike.

#include "tools/diag/empty_answer.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tools/render_testing.h"

namespace diag {
namespace {

using netdiag::NetnsId;
using netdiag::testing::IsOk;
using Words = std::vector<std::string>;

constexpr NetnsId kHere = NetnsId(7);

std::string Why(const Words& words, NetnsId netns = kHere) {
  const absl::StatusOr<ListOptions> options = testing::Parse(words);
  EXPECT_THAT(options, IsOk()) << ::testing::PrintToString(words);
  return options.ok() ? WhyEmpty(options->query, netns) : "";
}

TEST(EmptyAnswer, NamesTheStatesThatExcludeEachOther) {
  const std::vector<std::pair<Words, std::string>> rows = {
      {{"-l", "state = established"},
       "the options select the states unconnected, listening, and the filter only established"},
      {{"-tl", "state = established and dst 10/8"}, "the filter only established"},
      {{"state", "listening", "state = established"},
       "the options select the states listening, and the filter only established"},
      {{"-t", "exclude", "established", "state = established"}, "the filter only established"},
      {{"-B", "state = listening"}, "the filter only listening"},
      {{"-u", "state", "listening"},
       "sockets of udp have only the states established, unconnected, and the selected states are "
       "listening"},
      {{"-uw", "LISTEN"}, "sockets of udp, raw have only"},
      {{"-uB"}, "the selected states are bound-inactive"},
      {{"-u", "state = listening"},
       "only sockets of tcp, unix, mptcp, dccp, sctp, vsock, tipc, smc, and the options select "
       "udp"},
      {{"-A", "netlink", "state", "established"}, "have only the states unconnected"},
      {{"-0", "state = listening"}, "and the options select packet"},
      {{"exclude", "all"}, "no state is selected"},
  };
  for (const auto& [words, expected] : rows) {
    const std::string why = Why(words);
    EXPECT_THAT(why, ::testing::StartsWith("no socket can match: "))
        << ::testing::PrintToString(words);
    EXPECT_THAT(why, ::testing::HasSubstr(expected)) << ::testing::PrintToString(words);
  }
}

TEST(EmptyAnswer, NamesTheTablesThatTheFilterCannotMatch) {
  const std::vector<std::pair<Words, std::string>> rows = {
      {{"-4", "src [::1]"},
       "the filter can match only sockets of inet6, smc, and the options select inet"},
      {{"-4", "family = inet6"}, "only sockets of inet6, and the options select inet"},
      {{"-t", "name = /run/x"}, "only sockets of unix, and the options select inet, inet6"},
      {{"-t", "/run/x"}, "only sockets of unix"},
      {{"-x", "sport = 22"}, "and the options select unix"},
      {{"-x", "10.0.0.1"}, "and the options select unix"},
      {{"-x", "rtt > 1ms"}, "and the options select unix"},
      {{"-u", "protocol = tcp"}, "only sockets of tcp, and the options select udp"},
      {{"-u", "rtt > 1ms or name = /x"}, "only sockets of tcp, unix, and the options select udp"},
      {{"-M", "rtt > 1ms"}, "only sockets of tcp, and the options select mptcp"},
      {{"-A", "tcp,!tcp"}, "the options select no table"},
  };
  for (const auto& [words, expected] : rows) {
    EXPECT_THAT(Why(words), ::testing::HasSubstr(expected)) << ::testing::PrintToString(words);
  }
}

TEST(EmptyAnswer, NamesConditionsThatExcludeEachOther) {
  for (const Words& words : std::vector<Words>{{"-ta", "sport = 22 and sport = 443"},
                                               {"-ta", "dst 10/8 and dst 11/8"},
                                               {"-ta", "rtt > 2s and rtt < 1s"},
                                               {"-a", "state = listening and state = established"},
                                               {"-ta", "not src *"}}) {
    EXPECT_EQ(Why(words), "no socket can match: the conditions of the filter exclude each other")
        << ::testing::PrintToString(words);
  }
}

TEST(EmptyAnswer, NamesAnotherNamespace) {
  EXPECT_THAT(Why({"-ta", "netns = 8"}), ::testing::HasSubstr("another network namespace"));
  EXPECT_EQ(Why({"-ta", "netns = 7"}), "");
  EXPECT_EQ(Why({"-ta", "netns = 8"}, NetnsId()), "") << "all namespaces are listed";
}

TEST(EmptyAnswer, IsNotSaidWhereASocketCouldMatch) {
  for (const Words& words : std::vector<Words>{
           {},
           {"-l"},
           {"-a"},
           {"-tB"},
           {"-uB", "-t"},
           {"state", "listening", "state", "established"},
           {"-t", "state = established"},
           {"-t", "state = listening"},
           {"-tu", "state", "listening"},
           {"-l", "state = established or state = listening"},
           {"-4x", "src [::1] or name = /x"},
           {"-6", "src 10/8"},
           {"-tx", "name = /run/x"},
           {"-0"},
           {"-A", "netlink"},
           {"nginx"},
           {":443"},
           {"-ta", "comm = a and comm = b"},
           {"-ta", "netns = 7 or netns = 8"},
       }) {
    EXPECT_EQ(Why(words), "") << ::testing::PrintToString(words);
  }
}

}  // namespace
}  // namespace diag
