// tests/tools/render_testing.h — lists sockets or a capture as diag does.

#ifndef NETDIAG_TESTS_TOOLS_RENDER_TESTING_H_
#define NETDIAG_TESTS_TOOLS_RENDER_TESTING_H_

#include <sys/mman.h>

#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/engine.h"
#include "tests/testing/messages.h"
#include "tests/testing/status_matchers.h"
#include "tools/diag/list_options.h"
#include "tools/diag/render.h"

namespace diag::testing {

inline absl::StatusOr<ListOptions> Parse(std::vector<std::string> words) {
  words.insert(words.begin(), "diag");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  return ParseListOptions(static_cast<int>(words.size()), argv.data());
}

// A file in memory, which collects what is written to its descriptor.
class MemoryFile {
 public:
  MemoryFile() : fd_(memfd_create("output", MFD_CLOEXEC)) {}
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { close(fd_); }
  int fd() const { return fd_; }
  std::string Read() const {
    std::string text(static_cast<size_t>(lseek(fd_, 0, SEEK_END)), '\0');
    EXPECT_EQ(pread(fd_, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    return text;
  }

 private:
  int fd_;
};

// What diag writes about the sockets of `source`: those of this namespace, if it is empty.
inline std::string Render(const std::vector<std::string>& words,
                          const netdiag::EngineOptions& source = {}) {
  const absl::StatusOr<ListOptions> options = Parse(words);
  EXPECT_THAT(options, netdiag::testing::IsOk());
  const auto engine = netdiag::Engine::Open(source);
  EXPECT_THAT(engine, netdiag::testing::IsOk());
  const MemoryFile file;
  Output output(file.fd());
  const std::unique_ptr<Renderer> renderer = NewRenderer(*options, engine->get(), &output);
  Pipeline pipeline(options->selection, renderer.get(), &output);
  renderer->Begin();
  const auto summary =
      (*engine)->Visit(options->query, [&](const netdiag::Row& row) { return pipeline.Add(row); });
  EXPECT_THAT(summary, netdiag::testing::IsOk());
  pipeline.Finish();
  renderer->End(*summary);
  output.Flush();
  return file.Read();
}

inline std::string Render(const std::vector<std::string>& words,
                          const netdiag::testing::Packet& capture) {
  netdiag::EngineOptions replay;
  replay.replay = capture;
  return Render(words, replay);
}

}  // namespace diag::testing

#endif  // NETDIAG_TESTS_TOOLS_RENDER_TESTING_H_
