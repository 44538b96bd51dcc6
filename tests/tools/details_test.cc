// What the options of the listing ask the kernel and /proc for, in each form of output.

#include "tools/diag/details.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tools/render_testing.h"

namespace diag {
namespace {

using netdiag::Extension;
using netdiag::ExtensionSet;
using ::testing::HasSubstr;

ListOptions Good(const std::vector<std::string>& words) {
  const absl::StatusOr<ListOptions> options = testing::Parse(words);
  EXPECT_THAT(options, netdiag::testing::IsOk()) << ::testing::PrintToString(words);
  return options.ok() ? *options : ListOptions();
}

std::string Refusal(const std::vector<std::string>& words) {
  return std::string(testing::Parse(words).status().message());
}

TEST(Details, OfEveryFormAskTheKernelForTheSame) {
  for (const char* form : {"--json", "--jsonl", "--csv"}) {
    SCOPED_TRACE(form);
    const netdiag::Query basic = Good({form, "-A", "all"}).query;
    EXPECT_EQ(basic.extensions, ExtensionSet());
    EXPECT_FALSE(basic.owners || basic.peers || basic.cgroups || basic.programs);
    for (const char* option :
         {"-o", "-m", "-i", "--tos", "-b", "-p", "--peers", "--cgroup", "--inet-sockopt"}) {
      SCOPED_TRACE(option);
      const netdiag::Query text = Good({option}).query;
      const netdiag::Query query = Good({form, option}).query;
      EXPECT_EQ(query.extensions, text.extensions);
      EXPECT_EQ(query.owners, text.owners);
      EXPECT_EQ(query.peers, text.peers);
      EXPECT_EQ(query.cgroups, text.cgroups);
      EXPECT_FALSE(query.programs);
    }
    // Text has no place for the memberships of packet sockets.
    EXPECT_EQ(Good({form, "-e"}).query.extensions,
              ExtensionSet({Extension::kUnixFile, Extension::kPacketMemberships}));
    EXPECT_TRUE(Good({form, "-e"}).query.cgroups);
    const netdiag::Query all = Good({form, "--columns=all"}).query;
    EXPECT_TRUE(all.owners && all.peers && all.cgroups && all.programs);
    EXPECT_TRUE(all.extensions.contains(Extension::kTos));
  }
}

TEST(Details, IncludeProgramsOnlyIfTheirFieldsAreNamed) {
  EXPECT_FALSE(Good({"-p", "--columns=pid,comm"}).query.programs);
  for (const char* words :
       {"--columns=exe", "--sort=args", "--count-by=owners.exe", "--columns=peer_owners.args"}) {
    EXPECT_TRUE(Good({words}).query.programs && Good({words}).query.owners) << words;
  }
}

TEST(EachOwner, NeedsAFormWithRowsOfItsOwn) {
  EXPECT_TRUE(Good({"--each-owner", "--columns=state"}).query.owners);
  for (const char* form : {"--json", "--jsonl", "--csv"}) {
    EXPECT_TRUE(Good({"--each-owner", form}).selection.each_owner);
    EXPECT_TRUE(Good({"--each-owner", form}).shows(Detail::kOwners));
  }
  EXPECT_THAT(Refusal({"--each-owner"}), HasSubstr("add --columns"));
  EXPECT_THAT(Refusal({"--each-owner", "--count-by=pid"}), HasSubstr("--each-owner"));
  EXPECT_THAT(Refusal({"--each-owner", "-s", "--json"}), HasSubstr("--each-owner"));
}

}  // namespace
}  // namespace diag
