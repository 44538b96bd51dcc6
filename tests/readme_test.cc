// README.md's library example, as it stands there: it compiles, and it answers.

#include <sstream>
#include <string>

#include <gtest/gtest.h>

// The example's main() under another name; see the BUILD file.
int ReadmeExample();

namespace {

TEST(Readme, ExampleListsListeningSockets) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(ReadmeExample(), 0);
  // One line a socket, each with a port.
  std::istringstream output(testing::internal::GetCapturedStdout());
  for (std::string line; std::getline(output, line);) {
    EXPECT_NE(line.find(':'), std::string::npos) << line;
  }
}

}  // namespace
