#include "tools/diag/shorthand.h"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace diag {
namespace {

std::string Meaning(const std::vector<std::string_view>& words, bool command) {
  const std::optional<Shorthand> shorthand = ParseShorthand(words);
  if (!shorthand) return "(none)";
  EXPECT_EQ(shorthand->command, command) << words[0];
  return shorthand->expression;
}

TEST(Shorthand, APortMatchesEitherEnd) {
  for (const char* word : {":443", "443"}) {
    EXPECT_EQ(Meaning({word}, false), "( sport = :443 or dport = :443 )");
  }
  EXPECT_EQ(Meaning({":https"}, false), "( sport = :https or dport = :https )");
  EXPECT_EQ(Meaning({"3000", "rtt", ">", "100ms"}, false),
            "( sport = :3000 or dport = :3000 ) and ( rtt > 100ms )");
  EXPECT_EQ(Meaning({":22", "and", "dst", "10/8"}, false),
            "( sport = :22 or dport = :22 ) and ( dst 10/8 )");
}

TEST(Shorthand, AnyOtherWordIsTheBeginningOfACommand) {
  EXPECT_EQ(Meaning({"nginx"}, true), "comm = \"nginx*\"");
  EXPECT_EQ(Meaning({"nginx", "state"}, true), "comm = \"nginx*\" and ( state )");
  // The kernel keeps 15 bytes of a command.
  EXPECT_EQ(Meaning({"systemd-resolved"}, true), "comm = \"systemd-resolve*\"");
  EXPECT_EQ(Meaning({"a\"b\\c"}, true), "comm = \"a\\\"b\\\\c*\"");
  EXPECT_EQ(Meaning({"7zip"}, true), "comm = \"7zip*\"");
}

TEST(Shorthand, IsNoneIfTheWordsAreAnExpression) {
  for (const char* word : {"not", "src", "dport", "cgroup", "autobound", "(", "!", "sport=:22",
                           "rtt>100ms", "state", "uid", "comm", "tcp_info.rtt", ":", "::1"}) {
    EXPECT_EQ(Meaning({word}, false), "(none)") << word;
  }
  EXPECT_EQ(Meaning({"unheard_of", ">", "3"}, false), "(none)");
  EXPECT_EQ(Meaning({}, false), "(none)");
  EXPECT_EQ(Meaning({""}, false), "(none)");
}

}  // namespace
}  // namespace diag
