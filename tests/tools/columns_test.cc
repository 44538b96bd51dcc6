#include "tools/diag/columns.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"
#include "tools/diag/names.h"

namespace diag {
namespace {

using netdiag::FieldValue;
using netdiag::testing::IsOk;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Shown(std::string_view name, const FieldValue& value, Escape escape) {
  std::string out;
  Names names;
  AppendValue(*FindColumn(name), value, escape, {}, &names, &out);
  return out;
}

TEST(Column, IsFoundByEachOfItsNames) {
  for (const char* name : {"rtt", "rtt_us", "tcp_info.rtt", "tcp_info.rtt_us"}) {
    ASSERT_THAT(FindColumn(name), IsOk()) << name;
    EXPECT_EQ(FindColumn(name)->title(), "tcp_info.rtt_us");
  }
  EXPECT_EQ(FindColumn("state")->title(), "state");
  EXPECT_EQ(FindColumn("tcp_info.state")->title(), "tcp_info.state");
  EXPECT_EQ(FindColumn("cgroup_path")->title(), "cgroup_path");
  EXPECT_EQ(FindColumn("memory.drops")->title(), "memory.drops");
}

TEST(Column, IsFoundInAnyCaseAndKeepsTheNameAsItsHead) {
  for (const Column& column : AllColumns(true)) {
    const std::string upper = absl::AsciiStrToUpper(column.title());
    ASSERT_THAT(FindColumn(upper), IsOk()) << upper;
    EXPECT_EQ(FindColumn(upper)->title(), column.title());
    EXPECT_EQ(FindColumn(upper)->head(), upper);
  }
  EXPECT_EQ(FindColumn("RecvQ")->head(), "RecvQ");
  EXPECT_EQ(FindColumn("lport")->head(), "lport");
}

TEST(Column, GroupsAndAllStandForTheirColumns) {
  const auto titles = [](std::string_view list) {
    std::vector<std::string> names;
    const absl::StatusOr<Selection> selection = ParseSelection(list, "", "", "");
    EXPECT_THAT(selection, IsOk()) << list;
    for (const Column& column : selection->columns) names.push_back(column.title());
    return names;
  };
  std::vector<std::string> all;
  std::map<std::string, std::vector<std::string>> groups;
  for (const Column& column : AllColumns(true)) {
    all.push_back(column.title());
    groups[std::string(Name(column.field->group))].push_back(column.title());
  }
  groups.erase("");
  EXPECT_EQ(titles("all"), all);
  EXPECT_EQ(titles("ALL"), all);
  for (const auto& [group, columns] : groups) EXPECT_EQ(titles(group), columns) << group;
  // What the list names before keeps its place.
  std::vector<std::string> rest = groups["memory"];
  std::erase(rest, "memory.drops");
  rest.insert(rest.begin(), "memory.drops");
  EXPECT_EQ(titles("drops,memory"), rest);
  EXPECT_THAT(ParseSelection("memory,drops", "", "", ""), Not(IsOk()));
  EXPECT_THAT(ParseSelection("", "memory", "", ""), Not(IsOk()));
}

TEST(Column, OfDevAndUserShowsNamesBesideTheirNumbers) {
  EXPECT_EQ(Shown("uid", uint64_t{0}, Escape::kText), "0");
  EXPECT_EQ(Shown("user", uint64_t{0}, Escape::kText), "root");
  EXPECT_EQ(Shown("User", uint64_t{4294967000}, Escape::kCsv), "4294967000");
  EXPECT_EQ(Shown("interface", uint64_t{1}, Escape::kText), "1");
  EXPECT_EQ(Shown("dev", uint64_t{1}, Escape::kText), "lo");
  EXPECT_EQ(Shown("dev", uint64_t{99999}, Escape::kText), "if99999");
  EXPECT_EQ(Shown("dev", FieldValue(), Escape::kText), "");
  EXPECT_THAT(ParseSelection("uid,user,dev,interface", "", "", ""), IsOk());
  EXPECT_THAT(ParseSelection("user,user", "", "", ""), Not(IsOk()));
}

TEST(Column, IsFoundByItsTitle) {
  for (const Column& column : AllColumns(true)) {
    const absl::StatusOr<Column> found = FindColumn(column.title());
    ASSERT_THAT(found, IsOk()) << column.title();
    EXPECT_EQ(found->title(), column.title());
  }
}

TEST(Column, UnknownNameIsRefusedWithTheNearestOne) {
  const auto refusal = [](std::string_view name) {
    const absl::StatusOr<Column> column = FindColumn(name);
    EXPECT_THAT(column, Not(IsOk())) << name;
    return std::string(column.status().message());
  };
  EXPECT_THAT(refusal("stat"), HasSubstr("\"stat\": did you mean state?"));
  EXPECT_THAT(refusal("remote_adress"), HasSubstr("did you mean remote_address?"));
  EXPECT_THAT(refusal("tcp_info.rttt"), HasSubstr("did you mean tcp_info.rtt"));
  EXPECT_THAT(refusal("cgroup_pat"), HasSubstr("did you mean cgroup_path?"));
  // No word is near these.
  for (const std::string& far :
       {std::string("q"), std::string("zebrafish"), std::string(5000, 'x')}) {
    EXPECT_THAT(refusal(far), HasSubstr("diag help fields"));
    EXPECT_THAT(refusal(far), Not(HasSubstr("did you mean")));
  }
}

TEST(Column, ShowsCodesAndFlagsAsWords) {
  EXPECT_EQ(Shown("ca_state", uint64_t{3}, Escape::kText), "recovery");
  EXPECT_EQ(Shown("ca_state", uint64_t{77}, Escape::kText), "77");
  EXPECT_EQ(Shown("tcp_info.options", uint64_t{0x103}, Escape::kText), "timestamps|sack|bit8");
  EXPECT_EQ(Shown("tcp_info.options", uint64_t{0}, Escape::kText), "none");
  EXPECT_EQ(Shown("rtt", uint64_t{1234}, Escape::kText), "1234");
  EXPECT_EQ(Shown("v6_only", true, Escape::kText), "true");
  EXPECT_EQ(Shown("local", netdiag::IpAddress::V4(10, 0, 0, 1), Escape::kText), "10.0.0.1");
  EXPECT_EQ(Shown("rtt", FieldValue(), Escape::kText), "");
}

TEST(Column, EscapesForeignText) {
  const std::string_view abstract("\0x", 2);
  EXPECT_EQ(Shown("name", abstract, Escape::kText), "@x");
  EXPECT_EQ(Shown("name", abstract, Escape::kCsv), "\\x00x");
  EXPECT_EQ(Shown("command", std::string_view("a\x1b[2J\n"), Escape::kText), "a\\x1b[2J\\x0a");
  EXPECT_EQ(Shown("command", std::string_view("a\r\n"), Escape::kCsv), "a\\x0d\\x0a");
  // A spreadsheet must not take the value for a formula.
  for (const char first : {'=', '+', '-', '@'}) {
    const std::string formula = std::string(1, first) + "1+1";
    EXPECT_THAT(Shown("command", std::string_view(formula), Escape::kCsv),
                ::testing::StartsWith("\\x"));
  }
}

TEST(Selection, KeepsTheOrderOfTheCommandLine) {
  const absl::StatusOr<Selection> selection =
      ParseSelection("state,lport,rtt", "-rtt,state", "7", "");
  ASSERT_THAT(selection, IsOk());
  ASSERT_EQ(selection->columns.size(), 3u);
  EXPECT_EQ(selection->columns[1].key, "local_port");
  ASSERT_EQ(selection->sort.size(), 2u);
  EXPECT_TRUE(selection->sort[0].descending);
  EXPECT_FALSE(selection->sort[1].descending);
  EXPECT_EQ(selection->limit, 7u);
  EXPECT_TRUE(ParseSelection("", "", "", "")->empty());
}

}  // namespace
}  // namespace diag
