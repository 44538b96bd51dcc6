// tests/testing/record_fixture.h — records captures of the sockets that live tests make, on kernels
// that have them. tests/fixtures has some of these; its README says how they are made.

#ifndef NETDIAG_TESTS_TESTING_RECORD_FIXTURE_H_
#define NETDIAG_TESTS_TESTING_RECORD_FIXTURE_H_

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "netdiag/dump/capture.h"
#include "netdiag/engine.h"
#include "netdiag/query.h"

namespace netdiag::testing {

// Writes the answer to `query` to NAME-N.capture in the directory NETDIAG_FIXTURES, which
// `tools/dev vm` sets. N counts the files of the program.
inline void RecordFixture(Engine* engine, const Query& query, std::string_view name) {
  const char* const directory = std::getenv("NETDIAG_FIXTURES");
  if (directory == nullptr) return;
  static std::atomic<int> files = 0;
  const std::string path =
      std::string(directory) + "/" + std::string(name) + "-" + std::to_string(++files) + ".capture";
  std::ofstream file(path, std::ios::binary);
  CaptureWriter writer([&](Bytes frame) {
    file.write(reinterpret_cast<const char*>(frame.data()),
               static_cast<std::streamsize>(frame.size()));
    return absl::OkStatus();
  });
  EXPECT_TRUE(engine->Capture(query, &writer).ok());
  EXPECT_TRUE(writer.Finish().ok() && file.flush()) << path;
}

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_TESTING_RECORD_FIXTURE_H_
