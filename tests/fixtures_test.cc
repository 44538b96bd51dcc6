// Captures of our own sockets, recorded on kernels that have families which others lack: each row
// decodes, has every value of its text, and is found by filters made of its values.
// tests/fixtures/README.md says how the captures were made.

#include <algorithm>
#include <dirent.h>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/engine.h"
#include "netdiag/fields.h"
#include "netdiag/filter/filter.h"
#include "netdiag/query.h"
#include "netdiag/row.h"
#include "tests/testing/run_program.h"

namespace netdiag::testing {
namespace {

const std::string kDirectory = "tests/fixtures/";

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The names of the captures, without ".capture".
std::vector<std::string> Names() {
  std::vector<std::string> names;
  DIR* const directory = opendir(kDirectory.c_str());
  if (directory == nullptr) return names;
  while (const dirent* const entry = readdir(directory)) {
    const std::string name = entry->d_name;
    if (name.ends_with(".capture")) names.push_back(name.substr(0, name.size() - 8));
  }
  closedir(directory);
  std::sort(names.begin(), names.end());
  return names;
}

Query Everything() {
  return {.protocols = {Protocol::kSctp, Protocol::kDccp, Protocol::kVsock, Protocol::kTipc,
                        Protocol::kXdp, Protocol::kSmc},
          .states = StateSet::All()};
}

class Fixture : public ::testing::TestWithParam<std::string> {
 protected:
  std::string path() const { return kDirectory + GetParam() + ".capture"; }
  // The family is the first word of the name.
  std::string family() const { return GetParam().substr(0, GetParam().find('-')); }
};

TEST_P(Fixture, DecodesWithoutDamageOrUnknownAttributes) {
  const std::string bytes = ReadFile(path());
  const absl::StatusOr<std::unique_ptr<Engine>> engine =
      Engine::Open({.replay = std::as_bytes(std::span(bytes))});
  ASSERT_TRUE(engine.ok()) << engine.status();
  size_t rows = 0, values = 0;
  const absl::StatusOr<Summary> summary = (*engine)->Visit(Everything(), [&](const Row& row) {
    ++rows;
    EXPECT_FALSE(row.malformed());
    for (const Field& field : AllFields()) values += IsAbsent(field.get(row, 0)) ? 0 : 1;
    return Flow::kContinue;
  });
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->damaged, 0u);
  EXPECT_EQ(summary->unknown_attributes, 0u);
  EXPECT_GT(rows, 0u);
  EXPECT_GT(values, rows * 5);
}

// Each form of output, beside the text that was right when a person compared it with the sockets.
TEST_P(Fixture, IsPrintedAsItWas) {
  const Outcome text =
      RunProgram("tools/diag/diag", {"--replay", path(), "-A", family(), "-aneiom", "--tipcinfo"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_EQ(text.out, ReadFile(kDirectory + GetParam() + ".txt"));
  const Outcome json = RunProgram("tools/diag/diag", {"--replay", path(), "-A", family(), "-aneiom",
                                                      "--jsonl", "--columns=all"});
  EXPECT_EQ(json.exit_code, 0) << json.err;
  // The last line is the summary.
  EXPECT_THAT(json.out, ::testing::HasSubstr("{\"summary\":"));
  EXPECT_GT(std::count(json.out.begin(), json.out.end(), '\n'), 1);
}

// A filter that compares a field with the row's own value selects the row.
TEST_P(Fixture, IsFoundByFiltersMadeOfItsValues) {
  const std::string bytes = ReadFile(path());
  const absl::StatusOr<std::unique_ptr<Engine>> engine =
      Engine::Open({.replay = std::as_bytes(std::span(bytes))});
  ASSERT_TRUE(engine.ok()) << engine.status();
  std::set<std::string> filters;
  const auto collect = [&](const Row& row) {
    for (const Field& field : AllFields()) {
      const FieldValue value = field.get(row, 0);
      if (field.meaning == Meaning::kFlag || IsAbsent(value)) continue;
      const auto* const number = std::get_if<uint64_t>(&value);
      if (number == nullptr || field.unit != Unit::kNone) continue;
      const std::string group(Name(field.group));
      const std::string text = (group.empty() ? "" : group + ".") + std::string(field.name) +
                               " = " + std::to_string(*number);
      const absl::StatusOr<Filter> filter = Filter::Parse(text);
      if (!filter.ok()) continue;  // a code, which is compared by its name
      EXPECT_TRUE(filter->Matches(row)) << text;
      filters.insert(text);
    }
    return Flow::kContinue;
  };
  ASSERT_TRUE((*engine)->Visit(Everything(), collect).ok());
  EXPECT_GT(filters.size(), 3u);
}

INSTANTIATE_TEST_SUITE_P(Recorded, Fixture, ::testing::ValuesIn(Names()), [](const auto& fixture) {
  std::string name = fixture.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '-' || c == '.'; }, '_');
  return name;
});

// A glob that finds nothing would make a suite without tests.
TEST(Fixtures, CoverEveryFamilyThatCommonKernelsLack) {
  std::set<std::string> families;
  for (const std::string& name : Names()) families.insert(name.substr(0, name.find('-')));
  EXPECT_THAT(families, ::testing::IsSupersetOf({"sctp", "dccp", "vsock", "tipc", "xdp", "smc"}));
}

}  // namespace
}  // namespace netdiag::testing
