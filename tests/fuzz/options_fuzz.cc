// Reads any words as the command line of `diag` or of `diag netstat`. The first byte selects which;
// newlines end the words. A command line that is refused has an error that says so, and one that is
// taken has a filter that can be printed and read again.

#include <cstdio>
#include <netdb.h>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "netdiag/filter/filter.h"
#include "tests/fuzz/fuzz.h"
#include "tools/diag/list_options.h"
#include "tools/diag/netstat/options.h"

// In the place of libc's, so that no input asks a name server.
extern "C" int getaddrinfo(const char*, const char*, const addrinfo*, addrinfo**) {
  return EAI_NONAME;
}

namespace diag {
namespace {

using netdiag::fuzz::Check;
using netdiag::fuzz::Touch;

std::vector<std::string> WordsOf(std::string_view text) {
  std::vector<std::string> words = {"diag"};
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    // main() gets no NUL.
    words.emplace_back(text.substr(0, std::min(text.find('\0'), end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

void ParseList(int argc, char** argv) {
  std::string pointer;
  const absl::StatusOr<ListOptions> options = ParseListOptions(argc, argv, &pointer);
  if (!options.ok()) {
    Check(!options.status().message().empty());
    Check(pointer.empty() || pointer.ends_with("^\n"));
    return;
  }
  Check(!options->query.protocols.empty() || options->unlisted);
  if (options->query.filter == nullptr) return;
  const std::string printed = options->query.filter->ToString();
  if (printed.size() > netdiag::Filter::kMaxText) return;
  const auto again = netdiag::Filter::Parse(printed);
  // Printing leaves out the range of ephemeral ports, which `autobound` has from the machine.
  Check(again.ok() && again->ToString() == printed);
}

// getopt_long(3) complains to stderr.
void ParseNetstat(int argc, char** argv) {
  static std::FILE* const kNowhere = std::fopen("/dev/null", "we");
  std::FILE* const before = std::exchange(stderr, kNowhere);
  const netstat::CommandLine line = netstat::ParseCommandLine(argc, argv, absl::OkStatus());
  stderr = before;
  Check(line.err.empty() || line.err.ends_with('\n'));
  Check((line.request == netstat::Request::kFail) == (line.code != kAnswered));
  Check(line.options.interval > 0);
  Touch(std::string_view(line.options.family_list));
}

}  // namespace
}  // namespace diag

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::vector<std::string> words =
      diag::WordsOf({reinterpret_cast<const char*>(data + 1), size - 1});
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const auto argc = static_cast<int>(words.size());
  data[0] % 2 == 0 ? diag::ParseList(argc, argv.data()) : diag::ParseNetstat(argc, argv.data());
  return 0;
}
