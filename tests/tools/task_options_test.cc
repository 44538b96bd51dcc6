// What -K, --dry-run and -E accept, refuse and make of the other options.

#include "tools/diag/task_options.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/filter/filter.h"
#include "tests/tools/render_testing.h"
#include "tools/diag/list_options.h"

namespace diag {
namespace {

using netdiag::Protocol;
using netdiag::StateSet;
using netdiag::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::Parse;

ListOptions Good(const std::vector<std::string>& words) {
  const absl::StatusOr<ListOptions> options = Parse(words);
  EXPECT_THAT(options, IsOk()) << ::testing::PrintToString(words);
  return options.ok() ? *options : ListOptions();
}

// All of these are usage errors.
std::string Refusal(const std::vector<std::string>& words) {
  const absl::StatusOr<ListOptions> options = Parse(words);
  EXPECT_TRUE(absl::IsInvalidArgument(options.status())) << ::testing::PrintToString(words);
  return std::string(options.status().message());
}

// ---- -K ----

TEST(Kill, NeedsAFilterOrAll) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"-K"},
                                                {"--kill", "-t"},
                                                {"-Ktan", "state", "time-wait", "-l"},
                                                {"-K", "state", "established"},
                                                {"-K", "LISTEN"},
                                                {"-KB"},
                                                {"-K", "tcp"}}) {
    EXPECT_THAT(Refusal(words), HasSubstr("it needs a filter")) << ::testing::PrintToString(words);
  }
  for (const std::vector<std::string>& words : {std::vector<std::string>{"-K", "-a"},
                                                {"-aK", "-t", "state", "time-wait"},
                                                {"-K", "dst", "10.0.0.5"},
                                                {"-K", ":443"},
                                                {"-K", "nginx"},
                                                {"-K", "comm = nginx"},
                                                {"-K", "-N", "self", "10/8"}}) {
    EXPECT_EQ(Good(words).task, Task::kKill) << ::testing::PrintToString(words);
    EXPECT_EQ(Good(words).query.completeness, netdiag::Completeness::kExact);
  }
}

// The same command line without -K lists what would be closed.
TEST(Kill, SelectsWhatTheListingSelects) {
  const std::vector<std::string> words = {"-tn", "dport = 22 and state = close-wait"};
  const ListOptions listing = Good(words);
  for (const char* kill : {"-K", "--kill"}) {
    std::vector<std::string> more = words;
    more.emplace_back(kill);
    const ListOptions killing = Good(more);
    EXPECT_EQ(killing.query.states, listing.query.states);
    EXPECT_EQ(*killing.query.filter, *listing.query.filter);
    EXPECT_EQ(killing.query.protocols, listing.query.protocols);
    EXPECT_EQ(killing.query.families, listing.query.families);
  }
}

TEST(Kill, TakesTheTablesThatKernelsClose) {
  const std::vector<Protocol> inet = {Protocol::kRaw, Protocol::kUdp, Protocol::kTcp};
  for (const std::vector<std::string>& words : {std::vector<std::string>{"-aK"},
                                                {"-aK", "-A", "inet"},
                                                {"-aK", "-A", "all"},
                                                {"-aK", "-4"},
                                                {"-aK", "-f", "inet6"}}) {
    EXPECT_EQ(Good(words).query.protocols, inet) << ::testing::PrintToString(words);
    EXPECT_THAT(Good(words).left_out, IsEmpty()) << ::testing::PrintToString(words);
  }
  EXPECT_THAT(Good({"-aK", "-t"}).query.protocols, ElementsAre(Protocol::kTcp));
  // Named tables are left out with a note.
  EXPECT_THAT(Refusal({"-aK", "-A", "udplite,unix"}), HasSubstr("no kernel closes"));
  EXPECT_THAT(Good({"-aK", "-tM"}).left_out, ElementsAre(Protocol::kMptcp));
  EXPECT_THAT(Good({"-aK", "-tx"}).left_out, ElementsAre(Protocol::kUnix));
  EXPECT_THAT(Good({"-aK", "-4x"}).left_out, ElementsAre(Protocol::kUnix));
  for (const std::vector<std::string>& words : {std::vector<std::string>{"-aK", "-x"},
                                                {"-aK", "-M"},
                                                {"-aK", "-0"},
                                                {"-aK", "-f", "netlink"},
                                                {"-aK", "-A", "udplite"}}) {
    EXPECT_THAT(Refusal(words), HasSubstr("only of TCP, UDP and raw sockets"));
  }
}

TEST(Kill, RefusesWhatItCannotDo) {
  EXPECT_THAT(Refusal({"-aK", "--limit", "3"}), HasSubstr("closes everything that matches"));
  EXPECT_THAT(Refusal({"-aK", "--unlisted"}), HasSubstr("no table has"));
  EXPECT_THAT(Refusal({"-aKE"}), HasSubstr("choose one"));
  EXPECT_THAT(Refusal({"--dry-run"}), HasSubstr("it needs -K"));
  EXPECT_THAT(Refusal({"-E", "--dry-run"}), HasSubstr("it needs -K"));
}

TEST(Kill, CanBeRehearsed) {
  EXPECT_EQ(Good({"-K", "--dry-run", ":22"}).task, Task::kDryKill);
  EXPECT_THAT(Refusal({"-K", "--dry-run"}), HasSubstr("it needs a filter"));
}

TEST(Kill, KeepsTheFormsOfOutput) {
  for (const char* form : {"--json", "--jsonl", "--csv", "--columns=local,remote", "--sort=lport",
                           "--count-by=state", "-p", "-e", "-H", "--all-netns"}) {
    EXPECT_EQ(Good({"-aK", form}).task, Task::kKill) << form;
  }
}

// ---- -E ----

TEST(EventOptions, TakeTcpAndUdp) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"-E"},
                                                {"--events"},
                                                {"-E", "-A", "all"},
                                                {"-aE"},
                                                {"-lE"},
                                                {"-E", "-4"}}) {
    EXPECT_THAT(Good(words).query.protocols, ElementsAre(Protocol::kUdp, Protocol::kTcp));
    EXPECT_EQ(Good(words).task, Task::kEvents);
    EXPECT_THAT(Good(words).left_out, IsEmpty());
    EXPECT_FALSE(Good(words).states_ignored);
  }
  EXPECT_THAT(Good({"-tE"}).query.protocols, ElementsAre(Protocol::kTcp));
  EXPECT_THAT(Good({"-tE", "-6"}).query.families, netdiag::FamilySet(netdiag::Family::kInet6));
  EXPECT_THAT(Good({"-txE"}).left_out, ElementsAre(Protocol::kUnix));
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"-xE"}, {"-ME"}, {"-wE"}, {"-E", "-A", "udplite"}, {"-E0"}}) {
    EXPECT_THAT(Refusal(words), HasSubstr("TCP and UDP sockets only, so add -t or -u"));
  }
}

TEST(EventOptions, IgnoreStates) {
  const ListOptions named = Good({"-E", "state", "established"});
  EXPECT_TRUE(named.states_ignored);
  EXPECT_EQ(named.query.states, StateSet::All());
}

TEST(EventOptions, TakeOwners) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"-Ep"},
                                                {"-E", "-T"},
                                                {"-E", "--owners=first"},
                                                {"-E", "--columns", "local,pid"},
                                                {"-E", "--csv", "--each-owner"},
                                                {"-E", "nginx"},
                                                {"-E", "comm = nginx"},
                                                {"-E", "not pid = 1"}}) {
    const netdiag::Query query = Good(words).query;
    EXPECT_TRUE(query.owners || query.filter->ReadsOwners()) << ::testing::PrintToString(words);
  }
  // A port or an address implies -p in a listing. Here it does not.
  EXPECT_FALSE(Good({"-E", ":443"}).shows(Detail::kOwners));
  EXPECT_FALSE(Good({"-E", "10/8"}).query.owners);
  EXPECT_TRUE(Good({":443"}).query.owners);
}

TEST(EventOptions, RefuseFiltersOfWhatEventsLack) {
  for (const char* filter : {"user = root", "inode = 5", "fwmark = 1", "unit = x.service"}) {
    EXPECT_THAT(Refusal({"-E", filter}), HasSubstr("does not send it in an event"));
  }
  Good({"-E", "rtt > 1ms and dport = 443"});
}

TEST(EventOptions, RefuseWhatNeedsAnEndOrAListing) {
  EXPECT_THAT(Refusal({"-E", "--json"}), HasSubstr("--jsonl"));
  EXPECT_THAT(Refusal({"-E", "--sort", "lport"}), HasSubstr("no end"));
  EXPECT_THAT(Refusal({"-E", "--count-by", "state"}), HasSubstr("no end"));
  EXPECT_THAT(Refusal({"-E", "--all-netns"}), HasSubstr("-N"));
  EXPECT_THAT(Refusal({"-E", "--unlisted"}), HasSubstr("lists none"));
  EXPECT_THAT(Refusal({"-E", "-s"}), HasSubstr("counts sockets that exist"));
  EXPECT_THAT(Refusal({"-E", "--exact"}), HasSubstr("drops events"));
  for (const char* form : {"--jsonl", "--csv", "--columns=local,remote", "--limit=3", "-e", "-i",
                           "-o", "-n", "-H", "-Nself"}) {
    EXPECT_EQ(Good({"-E", form}).task, Task::kEvents) << form;
  }
}

}  // namespace
}  // namespace diag
