#include "tools/diag/columns.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace diag {
namespace {

using netdiag::FieldValue;
using netdiag::testing::IsOk;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Shown(std::string_view name, const FieldValue& value, Escape escape) {
  std::string out;
  AppendValue(*FindColumn(name), value, escape, &out);
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
  EXPECT_THAT(refusal(""), HasSubstr("did you mean"));
  EXPECT_THAT(refusal(std::string(5000, 'x')), HasSubstr("did you mean"));
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
