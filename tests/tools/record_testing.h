// tests/tools/record_testing.h — files for --replay and TCPDIAG_FILE, and what diag says of them.

#ifndef NETDIAG_TESTS_TOOLS_RECORD_TESTING_H_
#define NETDIAG_TESTS_TOOLS_RECORD_TESTING_H_

#include <sys/mman.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "tests/testing/run_program.h"

namespace netdiag::testing {

// A file in the directory of the test, removed at the end.
class TempFile {
 public:
  explicit TempFile(const std::string& name, const std::string& bytes = "")
      : path_(::testing::TempDir() + "/" + name + "_" + std::to_string(getpid())) {
    Write(bytes);
  }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  ~TempFile() { unlink(path_.c_str()); }

  const std::string& path() const { return path_; }
  void Write(const std::string& bytes) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
  }
  std::string Read() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::string path_;
};

// The words of a line without quotation marks.
inline std::vector<std::string> WordsIn(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

inline std::multiset<std::string> LinesIn(const std::string& text) {
  std::multiset<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    // The widths of columns depend on the other rows.
    std::string squeezed;
    for (const std::string& word : WordsIn(line)) squeezed += word + " ";
    lines.insert(squeezed);
  }
  return lines;
}

// Makes `bytes` the standard input of a child.
inline void GiveStdin(const std::string& bytes) {
  const int file = memfd_create("in", 0);
  if (write(file, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) _exit(126);
  lseek(file, 0, SEEK_SET);
  dup2(file, STDIN_FILENO);
}

// Runs diag with $TCPDIAG_FILE.
inline Outcome RunWithStream(const std::string& path, std::vector<std::string> words,
                             const std::string& program = kDiag) {
  return RunProgram(program, std::move(words), [&] { setenv("TCPDIAG_FILE", path.c_str(), 1); });
}

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_TOOLS_RECORD_TESTING_H_
