#include "tools/diag/table_buffer.h"

#include <sys/ioctl.h>

#include <cstdlib>
#include <pty.h>
#include <string>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "tests/tools/render_testing.h"

namespace diag {
namespace {

// Writes rows of "left", a right-aligned number with a tail, and the text behind the columns. '|'
// ends a cell.
std::string Laid(size_t screen, const std::vector<std::string>& rows) {
  const testing::MemoryFile file;
  Output output(file.fd());
  TableBuffer table({{.header = "Name"},
                     {.header = "Address:", .right = true},
                     {.header = "Port", .left = ""},
                     {.header = "Process"}},
                    screen, &output);
  for (const std::string& row : rows) {
    for (const char c : row) {
      if (c == '|') {
        table.EndCell();
      } else {
        table.text()->push_back(c);
      }
    }
    table.EndRow();
  }
  table.Flush();
  output.Flush();
  return file.Read();
}

TEST(TableBuffer, RowsWithoutAnyTextAreEmptyLines) {
  EXPECT_EQ(Laid(0, {"||||", "||||"}), "\n\n");
  EXPECT_EQ(Laid(80, {"||||"}), "\n");
}

TEST(TableBuffer, PadsToTheLongestAndLeavesNoBlanksAtTheEnd) {
  EXPECT_EQ(Laid(0, {"a|1.2.3.4:|80||", "long|1:|1000|users| rest", "b|1:|1|| rest"}),
            "a    1.2.3.4:80\n"
            "long       1:1000 users rest\n"
            "b          1:1          rest\n");
}

TEST(TableBuffer, SpreadsTheSpareWidthOfAScreen) {
  // The table is 17 characters wide. The columns that have a blank before them share the spare
  // width.
  EXPECT_EQ(Laid(26, {"aaaa|1:|1000|users|"}), "aaaa     1:1000 users\n");
  EXPECT_EQ(Laid(17, {"aaaa|1:|1000|users|"}), "aaaa 1:1000 users\n");
}

TEST(TableBuffer, BreaksLinesIfAScreenIsTooNarrow) {
  EXPECT_EQ(Laid(12, {"aaaa|1:|1000|users|", "b|1:|1|| rest"}),
            "aaaa 1:1000\n        users\n"
            "b    1:1\n              rest\n");
  // An empty text behind the columns makes no empty line. A port stays on the line of its address.
  EXPECT_EQ(Laid(9, {"aaaa|11:|1000||"}), "aaaa\n        11:1000\n");
  EXPECT_EQ(Laid(1, {"aaaa|11:|1000|u|"}), "aaaa\n        11:1000\n        u\n");
}

TEST(TableBuffer, WritesInPiecesWhoseWidthsOnlyGrow) {
  std::vector<std::string> rows(20000, "aaaa|1:|1000||");
  rows.push_back("aaaaaaaa|1:|1000||");
  rows.push_back("a|1:|1000||");
  const std::string text = Laid(0, rows);
  EXPECT_EQ(text.substr(0, 12), "aaaa 1:1000\n");
  EXPECT_EQ(text.substr(text.size() - 16), "a        1:1000\n");
}

TEST(ScreenWidth, IsThatOfTheTerminalOrOfTheEnvironment) {
  if (access("/dev/pts/ptmx", F_OK) != 0) GTEST_SKIP() << "no devpts is mounted: no terminals";
  winsize size = {};
  size.ws_col = 73;
  int terminal = -1;
  int program = -1;
  ASSERT_EQ(openpty(&terminal, &program, nullptr, nullptr, &size), 0);
  const testing::MemoryFile file;
  setenv("COLUMNS", "99", 1);
  EXPECT_EQ(ScreenWidth(program), 73u);
  EXPECT_EQ(ScreenWidth(file.fd()), 99u);
  for (const char* nonsense : {"", "x", "-5", "80x", "99999999999"}) {
    setenv("COLUMNS", nonsense, 1);
    EXPECT_EQ(ScreenWidth(file.fd()), 0u) << nonsense;
  }
  unsetenv("COLUMNS");
  EXPECT_EQ(ScreenWidth(file.fd()), 0u);

  setenv("TERM", "xterm", 1);
  unsetenv("NO_COLOR");
  EXPECT_TRUE(WantsColor(Color::kAuto, program));
  EXPECT_FALSE(WantsColor(Color::kAuto, file.fd()));
  EXPECT_TRUE(WantsColor(Color::kAlways, file.fd()));
  EXPECT_FALSE(WantsColor(Color::kNever, program));
  setenv("TERM", "dumb", 1);
  EXPECT_FALSE(WantsColor(Color::kAuto, program));
  setenv("TERM", "xterm", 1);
  setenv("NO_COLOR", "1", 1);
  EXPECT_FALSE(WantsColor(Color::kAuto, program));
  EXPECT_TRUE(WantsColor(Color::kAlways, program));
  unsetenv("NO_COLOR");
  close(terminal);
  close(program);
}

}  // namespace
}  // namespace diag
