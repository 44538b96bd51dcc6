// The parser of command lines, with a table of its own.

#include "tools/diag/command.h"

#include <array>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/types/error.h"
#include "tests/testing/status_matchers.h"

namespace diag {
namespace {

using netdiag::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// Collects what the setters are called with.
using Calls = std::vector<std::string>;

constexpr auto kOptions = std::to_array<Option<Calls>>({
    {{'f', "flag", "a flag"},
     [](std::string_view argument, Calls* calls) {
       calls->push_back("flag" + std::string(argument));
       return absl::OkStatus();
     }},
    {{'n', "number", "a number", {"N"}},
     [](std::string_view argument, Calls* calls) {
       calls->push_back("number " + std::string(argument));
       return argument == "bad" ? netdiag::BadInput("--number", argument, "expected a good one")
                                : absl::OkStatus();
     }},
    {{.name = "about"}, [](std::string_view, Calls*) { return absl::OkStatus(); }},
    {{.name = "alias"},
     [](std::string_view, Calls* calls) {
       calls->push_back("alias");
       return absl::OkStatus();
     }},
    {{.letter = 'F'},
     [](std::string_view, Calls* calls) {
       calls->push_back("F");
       return absl::OkStatus();
     }},
});

// Returns the calls, then the words with "word " before each.
absl::StatusOr<Calls> Parse(std::vector<std::string> words) {
  words.insert(words.begin(), "command");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  Calls calls;
  NETDIAG_ASSIGN_OR_RETURN(
      const Words rest,
      ParseCommandLine<Calls>(kOptions, static_cast<int>(words.size()), argv.data(), &calls));
  for (const std::string_view word : rest) calls.push_back("word " + std::string(word));
  return calls;
}

Calls Good(const std::vector<std::string>& words) {
  const absl::StatusOr<Calls> calls = Parse(words);
  EXPECT_THAT(calls, IsOk());
  return calls.value_or(Calls());
}

std::string Refusal(const std::vector<std::string>& words) {
  const absl::StatusOr<Calls> calls = Parse(words);
  EXPECT_THAT(calls, Not(IsOk()));
  return std::string(calls.status().message());
}

TEST(CommandLine, CallsTheSettersInOrder) {
  EXPECT_THAT(Good({}), ElementsAre());
  EXPECT_THAT(Good({"--number", "1", "--flag", "--number=2"}),
              ElementsAre("number 1", "flag", "number 2"));
}

TEST(CommandLine, TakesClustersAbbreviationsAndWordsInBetween) {
  EXPECT_THAT(Good({"-ffn1", "x", "-fn", "2", "y"}),
              ElementsAre("flag", "flag", "number 1", "flag", "number 2", "word x", "word y"));
  EXPECT_THAT(Good({"--num=3", "--fl"}), ElementsAre("number 3", "flag"));
  EXPECT_THAT(Good({"-f", "--", "-f", "--flag"}), ElementsAre("flag", "word -f", "word --flag"));
}

TEST(CommandLine, HasRowsWithOneNameOnly) {
  EXPECT_THAT(Good({"--alias", "-F"}), ElementsAre("alias", "F"));
}

TEST(CommandLine, NamesWhatItRefuses) {
  EXPECT_THAT(Refusal({"-fxf"}), HasSubstr("\"-x\""));
  EXPECT_THAT(Refusal({"--none", "word"}), HasSubstr("\"--none\""));
  EXPECT_THAT(Refusal({"--flag=1"}), HasSubstr("\"--flag=1\": the option takes no argument"));
  EXPECT_THAT(Refusal({"--a"}), HasSubstr("\"--a\": several options"));
  EXPECT_THAT(Refusal({"-fn"}), HasSubstr("\"--number\": an argument must follow"));
  EXPECT_THAT(Refusal({"--number"}), HasSubstr("an argument must follow"));
  EXPECT_THAT(Refusal({"--number="}), HasSubstr("an argument must follow"));
  EXPECT_THAT(Refusal({"-n", ""}), HasSubstr("an argument must follow"));
  EXPECT_THAT(Refusal({"-n", "bad"}), HasSubstr("expected a good one"));
}

TEST(CommandLine, SuggestsOnlyNearNames) {
  EXPECT_THAT(Refusal({"--flga"}), HasSubstr("unknown option: \"--flga\": did you mean --flag?"));
  EXPECT_THAT(Refusal({"--numbers=1"}), HasSubstr("did you mean --number?"));
  for (const char* far : {"--zebra", "--fla-g-g-g", "-x"}) {
    EXPECT_THAT(Refusal({far}), HasSubstr("--help lists the options"));
    EXPECT_THAT(Refusal({far}), Not(HasSubstr("did you mean")));
  }
}

}  // namespace
}  // namespace diag
