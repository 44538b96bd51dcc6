// Programs as listings, and the limits that the kernel sets them.

#include "netdiag/filter/bytecode.h"

#include <cerrno>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/filter/filter.h"
#include "netdiag/filter/parse.h"
#include "tests/testing/bytecode_vm.h"

namespace netdiag {
namespace {

using testing::AuditBytecode;

const Table kTcp = {Protocol::kTcp, {Family::kInet, Family::kInet6}, NetnsId(7)};
const Table kTcp4 = {Protocol::kTcp, Family::kInet, NetnsId(7)};
const Table kUdp6 = {Protocol::kUdp, Family::kInet6, NetnsId(7)};
const Table kUnix = {Protocol::kUnix, Family::kUnix, NetnsId(7)};

KernelPart PlanOf(std::string_view text, const Table& table = kTcp) {
  const absl::StatusOr<Filter> filter = Filter::Parse(text);
  EXPECT_TRUE(filter.ok()) << filter.status();
  const KernelPart part = filter->PlanFor(table);
  if (!part.bytecode.empty()) {
    EXPECT_EQ(AuditBytecode(part.bytecode, /*net_admin=*/true), 0) << text;
  }
  return part;
}

struct Case {
  std::string_view text;
  std::string_view listing;
};

TEST(FilterBytecode, ListsAsExpected) {
  const Case cases[] = {
      {"", ""},
      {"sport >= 1024", "0 sport >= 1024 else reject\n"},
      {"sport != 22",
       "0 sport == 22 else accept\n"
       "8 jump reject\n"},
      {"sport = 8000-8010",
       "0 sport >= 8000 else reject\n"
       "8 sport <= 8010 else reject\n"},
      {"sport != 8000-8010",
       "0 sport >= 8000 else 12\n"
       "8 jump 16\n"
       "12 jump accept\n"
       "16 sport <= 8010 else accept\n"
       "24 jump reject\n"},
      {"sport = 1 or dport = 2",
       "0 sport == 1 else 12\n"
       "8 jump accept\n"
       "12 dport == 2 else reject\n"},
      {"(sport = 1 or dport = 2) and dev = 3",
       "0 sport == 1 else 12\n"
       "8 jump 20\n"
       "12 dport == 2 else reject\n"
       "20 dev == 3 else reject\n"},
      {"not (sport = 1 or dport = 2)",
       "0 sport == 1 else 12\n"
       "8 jump reject\n"
       "12 dport == 2 else accept\n"
       "20 jump reject\n"},
      {"src = 10/8 and dst = [::1]:22",
       "0 src in 10.0.0.0/8 else reject\n"
       "16 dst in [::1]/128:22 else reject\n"},
      {"family = inet6", "0 src in [::]/0 else reject\n"},
      {"family = inet",
       "0 src in [::]/0 else accept\n"
       "28 jump reject\n"},
      {"cgroup = 7", "0 cgroup == 7 else reject\n"},
      {"fwmark = 5/7", "0 mark == 5/7 else reject\n"},
      {"autobound",
       "0 sport >= 32768 else reject\n"
       "8 sport <= 60999 else reject\n"},
      // What the kernel cannot say is left out, and only that.
      {"uid = 0 and dport < 9", "0 dport <= 8 else reject\n"},
      {"uid = 0 or dport < 9", ""},
      {"not (uid = 0 and dport < 9)", ""},
      {"not (uid = 0 or dport < 9)",
       "0 dport <= 8 else accept\n"
       "8 jump reject\n"},
      {"state = listening and dport < 9", "0 dport <= 8 else reject\n"},
      // A row without a mark or a cgroup does not match, so these are not negated from outside.
      {"cgroup != 7",
       "0 cgroup == 7 else accept\n"
       "12 jump reject\n"},
      {"not cgroup = 7", ""},
      // Marks are not told to everybody: whoever may not ask is to be refused.
      {"not fwmark = 5", "0 mark == 0/0 else reject\n"},
      {"fwmark = 5 or uid = 0", "0 mark == 0/0 else reject\n"},
      {"mark > 5", "0 mark == 0/0 else reject\n"},
  };
  for (const Case& c : cases) {
    const KernelPart part = PlanOf(c.text);
    EXPECT_EQ(internal::List(part.bytecode), c.listing) << c.text;
  }
}

TEST(FilterBytecode, ListsWhatIsNoProgram) {
  const std::byte odd[] = {std::byte{99}, std::byte{4}, std::byte{4}, std::byte{0}, std::byte{1}};
  EXPECT_EQ(internal::List(odd), "0 ? 0 else 4\n?\n");
}

TEST(FilterPlan, PortsOfAConjunctionGoIntoTheRequest) {
  const KernelPart part = PlanOf("sport = 22 and dport = 23 and uid = 0");
  EXPECT_EQ(part.source_port, Port::FromHost(22));
  EXPECT_EQ(part.destination_port, Port::FromHost(23));
  EXPECT_TRUE(part.bytecode.empty());
  const KernelPart host = PlanOf("src = 10.0.0.1:22");
  EXPECT_EQ(host.source_port, Port::FromHost(22));
  EXPECT_FALSE(host.bytecode.empty());
  // Not of a disjunction, not negated, and 0 means any.
  for (const char* text : {"sport = 22 or sport = 23", "sport != 22", "sport = 0", "not sport = 22",
                           "src != 10.0.0.1:22"}) {
    EXPECT_EQ(PlanOf(text).source_port, Port()) << text;
    EXPECT_FALSE(PlanOf(text).bytecode.empty()) << text;
  }
  // The second port is left to the program.
  const KernelPart both = PlanOf("sport = 22 and sport = 23");
  EXPECT_EQ(both.source_port, Port::FromHost(22));
  EXPECT_EQ(internal::List(both.bytecode), "0 sport == 23 else reject\n");
}

TEST(FilterPlan, StatesGoIntoTheMask) {
  EXPECT_EQ(PlanOf("state = established").states, StateSet(State::kEstablished));
  EXPECT_EQ(PlanOf("uid = 0 and state = listening or state = syn-sent and dport = 1").states,
            StateSet(State::kListen) | State::kSynSent);
  EXPECT_EQ(PlanOf("not state = listening").states, StateSet::All() - State::kListen);
  EXPECT_EQ(PlanOf("state = listening or uid = 0").states, StateSet::All());
  EXPECT_EQ(PlanOf("uid = 0").states, StateSet::All());
  // Rows of these two are asked for by other names than they have.
  EXPECT_EQ(PlanOf("state = unconnected").states, StateSet(State::kClose) | State::kBoundInactive);
  EXPECT_EQ(PlanOf("state = syn-recv").states,
            StateSet(State::kSynReceived) | State::kNewSynReceived);
}

TEST(FilterPlan, ATableWithoutAMatchIsNotAsked) {
  EXPECT_TRUE(PlanOf("sport = 22", kUnix).states.empty());
  EXPECT_TRUE(PlanOf("src = 10/8 or rtt > 1ms", kUnix).states.empty());
  EXPECT_TRUE(PlanOf("src = unix:/x", kTcp).states.empty());
  EXPECT_TRUE(PlanOf("src = ::1", kTcp4).states.empty());
  EXPECT_TRUE(PlanOf("protocol = tcp and uid = 0", kUdp6).states.empty());
  EXPECT_TRUE(PlanOf("family != inet6", kUdp6).states.empty());
  EXPECT_TRUE(PlanOf("netns = 8", kTcp).states.empty());
  EXPECT_TRUE(PlanOf("not src = *", kTcp).states.empty());
  EXPECT_TRUE(PlanOf("src = netlink:route", kTcp).states.empty());
  // IPv4 addresses are found in IPv6 sockets, and what is not there is not equal either.
  EXPECT_FALSE(PlanOf("src = 10/8", kUdp6).states.empty());
  EXPECT_FALSE(PlanOf("not sport = 22", kUnix).states.empty());
  EXPECT_TRUE(PlanOf("sport != 22", kUnix).states.empty());
  EXPECT_FALSE(PlanOf("netns = 7 and uid = 0", kUnix).states.empty());
}

TEST(FilterPlan, NamesBothEndsOfAConnection) {
  const auto ends = PlanOf("src = 10.0.0.1:22 and dst = 10.0.0.2 and dport = 99 and dev = 3").ends;
  ASSERT_TRUE(ends.has_value());
  std::string text;
  ends->local.AppendTo(&text);
  ends->remote.AppendTo(&(text += " "));
  EXPECT_EQ(text, "10.0.0.1:22 10.0.0.2:99");
  EXPECT_EQ(ends->interface, IfIndex(3));
  for (const char* less :
       {"src = 10.0.0.1:22 and dst = 10.0.0.2", "src = 10.0.0.1:22",
        "src = 10.0.0.0/31:22 and dst = 10.0.0.2:99", "src = 10.0.0.1:22 or dst = 10.0.0.2:99",
        "src = 10.0.0.1:22 and dst = [::1]:99"}) {
    EXPECT_FALSE(PlanOf(std::string("dev = 3 and (") + less + ")").ends.has_value()) << less;
  }
  // A socket that is bound to a device can have the ends of one that is not.
  for (const char* more : {"", "and not dev = 3", "and dev != 3", "and (dev = 3 or uid = 0)"}) {
    const std::string both = std::string("src = 10.0.0.1:22 and dst = 10.0.0.2:99 ") + more;
    EXPECT_FALSE(PlanOf(both).ends.has_value()) << both;
  }
}

TEST(FilterPlan, MarksNeedAPrivilege) {
  for (const char* text : {"fwmark = 5", "not fwmark = 5", "fwmark != 5", "uid = 0 or mark < 4"}) {
    const KernelPart part = PlanOf(text);
    EXPECT_TRUE(part.needs_net_admin) << text;
    EXPECT_EQ(AuditBytecode(part.bytecode, /*net_admin=*/false), EPERM) << text;
    const KernelPart guard = Filter::Parse(text)->GuardFor(kTcp);
    EXPECT_EQ(internal::List(guard.bytecode), "0 mark == 0/0 else reject\n");
    EXPECT_EQ(guard.states, StateSet::All());
  }
  EXPECT_FALSE(PlanOf("fwmark = 5", kUnix).needs_net_admin);
  EXPECT_FALSE(PlanOf("sport = 5").needs_net_admin);
  EXPECT_TRUE(Filter::Parse("sport != 5")->GuardFor(kTcp).bytecode.empty());
}

// ---- Limits ----

std::string Many(std::string_view predicate, size_t n, std::string_view joint) {
  std::string text;
  for (size_t i = 0; i < n; ++i) {
    if (i > 0) text.append(joint);
    text.append(predicate).append(std::to_string(i + 1));
  }
  return text;
}

// Each of IPv6 with its jump takes 32 bytes, and 64 KiB is the end.
TEST(FilterBytecode, WhatDoesNotFitIsLeftToMatches) {
  const std::string fits = Many("src = ::", 2000, "|");
  EXPECT_GT(PlanOf(fits).bytecode.size(), 60000u);
  const std::string does_not = Many("src = ::", 2100, "|");
  EXPECT_TRUE(PlanOf(does_not).bytecode.empty());
  // What else there is stays.
  EXPECT_EQ(internal::List(PlanOf("(" + does_not + ") and dport < 9").bytecode),
            "0 dport <= 8 else reject\n");
  const KernelPart marked = PlanOf("(" + does_not + ") and not fwmark = 1");
  EXPECT_EQ(internal::List(marked.bytecode), "0 mark == 0/0 else reject\n");
  // Of a long conjunction as much as there is room for.
  const KernelPart part = PlanOf(Many("src != ::", 2100, "&"));
  EXPECT_GT(part.bytecode.size(), 60000u);
  EXPECT_LE(part.bytecode.size(), internal::kMaxProgram);
}

}  // namespace
}  // namespace netdiag
