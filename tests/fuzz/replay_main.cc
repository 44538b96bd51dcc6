// Runs a fuzz target over its corpus without libFuzzer: replay DIRECTORY CUTS. Each file is a test:
// the whole file and about CUTS of its prefixes, or all if it is shorter, each at the end of mapped
// memory.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/fuzz/fuzz.h"
#include "tests/testing/guarded_buffer.h"

namespace {

class CorpusFile : public ::testing::Test {
 public:
  CorpusFile(std::filesystem::path path, size_t cuts) : path_(std::move(path)), cuts_(cuts) {}

  void TestBody() override {
    std::ifstream file(path_, std::ios::binary);
    const std::string input{std::istreambuf_iterator<char>(file), {}};
    ASSERT_FALSE(file.bad()) << path_;
    const size_t step = std::max<size_t>(input.size() / cuts_, 1);
    for (size_t size = 0; size < input.size(); size += step) Run(input, size);
    Run(input, input.size());
  }

 private:
  static void Run(const std::string& input, size_t size) {
    const netdiag::testing::GuardedBuffer guarded(
        netdiag::fuzz::AsBytes(reinterpret_cast<const uint8_t*>(input.data()), size));
    EXPECT_EQ(LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(guarded.bytes().data()),
                                     guarded.bytes().size()),
              0);
  }

  std::filesystem::path path_;
  size_t cuts_;
};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  std::vector<std::filesystem::path> paths;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(argc > 1 ? argv[1] : "", error)) {
    paths.push_back(entry.path());
  }
  if (paths.empty()) {
    std::fprintf(stderr, "no corpus in %s\n", argc > 1 ? argv[1] : "(no directory was named)");
    return 1;
  }
  std::ranges::sort(paths);
  const size_t cuts = std::max(argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 1, 1ul);
  for (const std::filesystem::path& path : paths) {
    testing::RegisterTest("Corpus", path.filename().c_str(), nullptr, nullptr, __FILE__, __LINE__,
                          [path, cuts] { return new CorpusFile(path, cuts); });
  }
  return RUN_ALL_TESTS();
}
