// docs/filter.md: its examples parse, and its table of short names is the one of the program.

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/field_words.h"
#include "netdiag/filter/filter.h"

namespace netdiag {
namespace {

std::vector<std::string> LinesAfter(std::string_view heading) {
  std::ifstream document("docs/filter.md");
  EXPECT_TRUE(document.good());
  std::vector<std::string> lines;
  bool after = false;
  for (std::string line; std::getline(document, line);) {
    if (after) lines.push_back(line);
    after |= line == heading;
  }
  EXPECT_TRUE(after) << heading;
  return lines;
}

TEST(FilterDocument, ItsExamplesAreFilters) {
  FilterOptions options;
  options.names.users = [](std::string_view) { return Uid(0); };
  options.names.interfaces = [](std::string_view) {
    return std::vector<FilterInterface>{{NetnsId(), IfIndex(1)}};
  };
  size_t examples = 0;
  for (const std::string& line : LinesAfter("## Examples")) {
    if (!line.starts_with("    ")) continue;
    SCOPED_TRACE(line);
    const absl::StatusOr<Filter> filter = Filter::Parse(line, options);
    ASSERT_TRUE(filter.ok()) << filter.status();
    const absl::StatusOr<Filter> again = Filter::Parse(filter->ToString());
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_TRUE(*filter == *again);
    ++examples;
  }
  EXPECT_GE(examples, 10u);
}

TEST(FilterDocument, ListsTheShortNames) {
  std::vector<std::string> listed;
  for (const std::string& line : LinesAfter("| short | field |")) {
    if (line.empty()) break;
    if (line != "|---|---|") listed.push_back(line);
  }
  std::vector<std::string> expected;
  for (const FieldAlias& alias : FieldAliases()) {
    expected.push_back(
        std::string("| ").append(alias.word).append(" | ").append(alias.field).append(" |"));
  }
  EXPECT_EQ(listed, expected);
}

}  // namespace
}  // namespace netdiag
