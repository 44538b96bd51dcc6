// Whether an answer is whole: each reason why it is not, alone and together.

#include "netdiag/summary.h"

#include <cerrno>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/process/owner.h"
#include "netdiag/types/error.h"
#include "netdiag/types/types.h"
#include "tests/testing/status_matchers.h"

namespace netdiag {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::ErrnoIs;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;

std::string TextOf(const absl::Status& status) { return std::string(status.message()); }

// A query of two tables with owners in all namespaces, to which nothing is missing.
Summary WholeSummary() {
  Summary summary;
  summary.rows = 7;
  summary.tables.resize(2);
  summary.tables[0].table.protocol = Protocol::kTcp;
  summary.tables[1].table.protocol = Protocol::kUdp;
  summary.owners.emplace();
  summary.netns.emplace();
  return summary;
}

struct Gap {
  std::string name;
  std::function<void(Summary*)> make;
  int errnum;
  std::string text;
};

// Everything that leaves an answer open.
std::vector<Gap> AllGaps() {
  return {
      {"table", [](Summary* s) { s->tables[1].status = ErrnoError(ENOENT, "udp"); }, ENOENT, "udp"},
      {"doubt", [](Summary* s) { s->tables[0].doubt = ErrnoError(EAGAIN, "tcp", "it changed"); },
       EAGAIN, "it changed"},
      {"denied namespaces",
       [](Summary* s) {
         s->netns->denied = 2;
         s->netns->denial = ErrnoError(EPERM, "setns");
       },
       EPERM, "setns"},
      {"hidden namespaces", [](Summary* s) { s->netns->hidden = 3; }, EACCES, "3 processes"},
      {"search for namespaces",
       [](Summary* s) { s->netns->no_socket_search = ErrnoError(EPERM, "BPF"); }, EPERM, "BPF"},
      {"unreached namespaces", [](Summary* s) { s->netns->unreached = 4; }, ENOENT,
       "4 network namespaces"},
      {"namespaces beyond", [](Summary* s) { s->netns->beyond = 5; }, E2BIG,
       "5 network namespaces"},
      {"interrupted", [](Summary* s) { s->interrupted = true; }, EAGAIN, "changed"},
      {"damage", [](Summary* s) { s->damaged = 6; }, EBADMSG, "6 messages or lines"},
      {"damage of a capture", [](Summary* s) { s->replay_damage = DamagedData("capture", "at 9"); },
       EBADMSG, "at 9"},
      {"no owners", [](Summary* s) { s->owner_error = ErrnoError(EIO, "owners"); }, EIO, "owners"},
      {"denied processes", [](Summary* s) { s->owners->denied = 7; }, EACCES, "7 processes"},
      {"hidden processes", [](Summary* s) { s->owners->hidepid = true; }, EACCES, "hidepid"},
      {"pid namespace", [](Summary* s) { s->owners->other_pid_namespace = true; }, EACCES,
       "pid namespace"},
      {"errors of owners",
       [](Summary* s) {
         s->owners->errors = 8;
         s->owners->first_error = EMFILE;
       },
       EMFILE, "8 descriptors or processes"},
      {"budget of owners", [](Summary* s) { s->owners->limit = OwnerLimit::kDescriptors; },
       ETIMEDOUT, "budget"},
      {"unfinished owners", [](Summary* s) { s->owners->partial = true; }, ECANCELED,
       "has not ended"},
  };
}

TEST(Summary, IsWholeIfNothingIsMissing) {
  const Summary summary = WholeSummary();
  EXPECT_THAT(summary.Whole(), IsOk());
  EXPECT_THAT(summary.Gaps(), IsEmpty());
  EXPECT_THAT(Summary().Whole(), IsOk());
}

TEST(Summary, WhatIsNoGapDoesNotCount) {
  Summary summary = WholeSummary();
  summary.stopped = true;
  summary.duplicates = summary.foreign = summary.unknown_attributes = 1;
  summary.netns->vanished = summary.netns->empty = 1;
  summary.netns->no_table = ErrnoError(EPERM, "lookups");
  summary.owners->vanished = 1;
  summary.owners->no_bpf = ErrnoError(EPERM, "BPF");
  summary.tables[0].repeated = 1;
  summary.tables[0].no_table = ErrnoError(EPERM, "BPF");
  EXPECT_THAT(summary.Gaps(), IsEmpty());
}

TEST(Summary, EachGapIsNamedWithItsErrno) {
  for (const Gap& gap : AllGaps()) {
    SCOPED_TRACE(gap.name);
    Summary summary = WholeSummary();
    gap.make(&summary);
    const std::vector<absl::Status> gaps = summary.Gaps();
    ASSERT_EQ(gaps.size(), 1u);
    EXPECT_THAT(gaps[0], ErrnoIs(gap.errnum));
    EXPECT_THAT(TextOf(gaps[0]), HasSubstr(gap.text));
    EXPECT_EQ(summary.Whole(), gaps[0]);
  }
}

TEST(Summary, AllGapsAreToldTogether) {
  Summary summary = WholeSummary();
  for (const Gap& gap : AllGaps()) gap.make(&summary);
  // A scan whose budget is spent has not ended either, which is one reason.
  EXPECT_EQ(summary.Gaps().size(), AllGaps().size() - 1);
}

TEST(Summary, ATableThatWasNotReadHasNoDoubtBesides) {
  Summary summary = WholeSummary();
  summary.tables[0].status = ErrnoError(ENOENT, "tcp");
  summary.tables[0].doubt = ErrnoError(EAGAIN, "tcp");
  summary.tables[1].doubt = ErrnoError(EAGAIN, "udp");
  EXPECT_THAT(summary.Gaps(), ElementsAre(ErrnoIs(ENOENT), ErrnoIs(EAGAIN)));
  EXPECT_THAT(summary.Whole(), ErrnoIs(ENOENT));
}

}  // namespace
}  // namespace netdiag
