// What the kernel is told of a filter: programs as listings, states, ports, and the kernel's
// limits.

#include "netdiag/filter/bytecode.h"

#include <cerrno>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/filter/filter.h"
#include "netdiag/filter/kernel_part.h"
#include "tests/testing/bytecode_vm.h"

namespace netdiag {
namespace {

using internal::KernelPart;
using testing::AuditBytecode;

const Table kTcp = {Protocol::kTcp, {Family::kInet, Family::kInet6}, NetnsId(7)};
const Table kTcp4 = {Protocol::kTcp, Family::kInet, NetnsId(7)};
const Table kUdp6 = {Protocol::kUdp, Family::kInet6, NetnsId(7)};
const Table kUnix = {Protocol::kUnix, Family::kUnix, NetnsId(7)};

KernelPart PartOf(std::string_view text, const Table& table = kTcp) {
  const absl::StatusOr<Filter> filter = Filter::Parse(text);
  EXPECT_TRUE(filter.ok()) << filter.status();
  const KernelPart part = internal::KernelPartOf(*filter, table);
  if (!part.bytecode.empty()) {
    EXPECT_EQ(AuditBytecode(part.bytecode, /*net_admin=*/true), 0) << text;
  }
  return part;
}

struct Case {
  std::string_view text;
  std::string_view listing;
};

TEST(FilterBytecode, DecidesWhatTheKernelCan) {
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
      // Only what the kernel cannot decide is left out.
      {"uid = 0 and dport < 9", "0 dport <= 8 else reject\n"},
      {"uid = 0 or dport < 9", ""},
      {"not (uid = 0 and dport < 9)", ""},
      {"not (uid = 0 or dport < 9)",
       "0 dport <= 8 else accept\n"
       "8 jump reject\n"},
      {"state = listening and dport < 9", "0 dport <= 8 else reject\n"},
      // A row without a mark or a cgroup does not match, but the kernel takes both for 0: the
      // kernel cannot decide the negation.
      {"cgroup != 7",
       "0 cgroup == 7 else accept\n"
       "12 jump reject\n"},
      {"not cgroup = 7", ""},
      // Without CAP_NET_ADMIN the kernel sends no marks. It must refuse such a query.
      {"not fwmark = 5", "0 mark == 0/0 else reject\n"},
      {"fwmark = 5 or uid = 0", "0 mark == 0/0 else reject\n"},
      {"mark > 5", "0 mark == 0/0 else reject\n"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    EXPECT_EQ(internal::List(PartOf(c.text).bytecode), c.listing);
  }
}

TEST(FilterBytecode, ListsADamagedProgram) {
  const std::byte odd[] = {std::byte{99}, std::byte{4}, std::byte{4}, std::byte{0}, std::byte{1}};
  EXPECT_EQ(internal::List(odd), "0 ? 0 else 4\n?\n");
}

TEST(KernelPart, PortsOfAConjunctionGoIntoTheRequest) {
  const KernelPart part = PartOf("sport = 22 and dport = 23 and uid = 0");
  EXPECT_EQ(part.source_port, Port::FromHost(22));
  EXPECT_EQ(part.destination_port, Port::FromHost(23));
  EXPECT_TRUE(part.bytecode.empty());
  const KernelPart host = PartOf("src = 10.0.0.1:22");
  EXPECT_EQ(host.source_port, Port::FromHost(22));
  EXPECT_FALSE(host.bytecode.empty());
  // But not the ports of a disjunction, not negated ones, and not 0, which means any.
  for (const char* text : {"sport = 22 or sport = 23", "sport != 22", "sport = 0", "not sport = 22",
                           "src != 10.0.0.1:22"}) {
    SCOPED_TRACE(text);
    EXPECT_EQ(PartOf(text).source_port, Port());
    EXPECT_FALSE(PartOf(text).bytecode.empty());
  }
  // The request has room for one local port; the program tests the second one.
  const KernelPart both = PartOf("sport = 22 and not sport != 23");
  EXPECT_EQ(both.source_port, Port::FromHost(22));
  EXPECT_EQ(internal::List(both.bytecode), "0 sport == 23 else reject\n");
}

TEST(KernelPart, StatesGoIntoTheMask) {
  EXPECT_EQ(PartOf("state = established").states, StateSet(State::kEstablished));
  EXPECT_EQ(PartOf("uid = 0 and state = listening or state = syn-sent and dport = 1").states,
            StateSet(State::kListen) | State::kSynSent);
  EXPECT_EQ(PartOf("not state = listening").states, StateSet::All() - State::kListen);
  EXPECT_EQ(PartOf("state = listening or uid = 0").states, StateSet::All());
  EXPECT_EQ(PartOf("uid = 0").states, StateSet::All());
  // A request names two states apart that rows do not.
  EXPECT_EQ(PartOf("state = unconnected").states, StateSet(State::kClose) | State::kBoundInactive);
  EXPECT_EQ(PartOf("state = syn-recv").states,
            StateSet(State::kSynReceived) | State::kNewSynReceived);
}

TEST(KernelPart, HasNoStatesIfNoRowOfTheTableCanMatch) {
  EXPECT_TRUE(PartOf("sport = 22", kUnix).states.empty());
  EXPECT_TRUE(PartOf("src = 10/8 or rtt > 1ms", kUnix).states.empty());
  EXPECT_TRUE(PartOf("src = unix:/x", kTcp).states.empty());
  EXPECT_TRUE(PartOf("src = ::1", kTcp4).states.empty());
  EXPECT_TRUE(PartOf("protocol = tcp and uid = 0", kUdp6).states.empty());
  EXPECT_TRUE(PartOf("family != inet6", kUdp6).states.empty());
  EXPECT_TRUE(PartOf("netns = 8", kTcp).states.empty());
  EXPECT_TRUE(PartOf("not src = *", kTcp).states.empty());
  EXPECT_TRUE(PartOf("src = netlink:route", kTcp).states.empty());
  // An IPv6 socket can have an IPv4-mapped address, and a missing port matches no predicate.
  EXPECT_FALSE(PartOf("src = 10/8", kUdp6).states.empty());
  EXPECT_FALSE(PartOf("not sport = 22", kUnix).states.empty());
  EXPECT_TRUE(PartOf("sport != 22", kUnix).states.empty());
  EXPECT_FALSE(PartOf("netns = 7 and uid = 0", kUnix).states.empty());
}

TEST(KernelPart, HasBothEndsIfAConjunctionNamesThem) {
  const auto ends = PartOf("src = 10.0.0.1:22 and dst = 10.0.0.2 and dport = 99 and dev = 3").ends;
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
    SCOPED_TRACE(less);
    EXPECT_FALSE(PartOf(std::string("dev = 3 and (") + less + ")").ends.has_value());
  }
  // A socket that is bound to a device can have the same ends as one that is not.
  for (const char* more : {"", "and not dev = 3", "and dev != 3", "and (dev = 3 or uid = 0)"}) {
    const std::string both = std::string("src = 10.0.0.1:22 and dst = 10.0.0.2:99 ") + more;
    SCOPED_TRACE(both);
    EXPECT_FALSE(PartOf(both).ends.has_value());
  }
}

TEST(KernelPart, NeedsNetAdminIfTheFilterReadsMarks) {
  for (const char* text : {"fwmark = 5", "not fwmark = 5", "fwmark != 5", "uid = 0 or mark < 4"}) {
    SCOPED_TRACE(text);
    const KernelPart part = PartOf(text);
    EXPECT_TRUE(part.needs_net_admin);
    EXPECT_EQ(AuditBytecode(part.bytecode, /*net_admin=*/false), EPERM);
    const KernelPart minimal = internal::MinimalKernelPartOf(*Filter::Parse(text), kTcp);
    EXPECT_EQ(internal::List(minimal.bytecode), "0 mark == 0/0 else reject\n");
    EXPECT_EQ(minimal.states, StateSet::All());
  }
  EXPECT_FALSE(PartOf("fwmark = 5", kUnix).needs_net_admin);
  EXPECT_FALSE(PartOf("sport = 5").needs_net_admin);
  EXPECT_TRUE(internal::MinimalKernelPartOf(*Filter::Parse("sport != 5"), kTcp).bytecode.empty());
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

// A program has at most 64 KiB. A test of an IPv6 address with its jump takes 32 bytes.
TEST(FilterBytecode, LeavesOutWhatDoesNotFit) {
  const std::string fits = Many("src = ::", 2000, "|");
  EXPECT_GT(PartOf(fits).bytecode.size(), 60000u);
  const std::string does_not = Many("src = ::", 2100, "|");
  EXPECT_TRUE(PartOf(does_not).bytecode.empty());
  // The rest of a conjunction stays.
  EXPECT_EQ(internal::List(PartOf("(" + does_not + ") and dport < 9").bytecode),
            "0 dport <= 8 else reject\n");
  const KernelPart marked = PartOf("(" + does_not + ") and not fwmark = 1");
  EXPECT_EQ(internal::List(marked.bytecode), "0 mark == 0/0 else reject\n");
  // A long conjunction keeps as many parts as fit.
  const KernelPart part = PartOf(Many("src != ::", 2100, "&"));
  EXPECT_GT(part.bytecode.size(), 60000u);
  EXPECT_LE(part.bytecode.size(), internal::kMaxProgram);
}

}  // namespace
}  // namespace netdiag
