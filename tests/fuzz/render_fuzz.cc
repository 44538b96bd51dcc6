// Lists any capture in one of diag's forms. The first byte selects the form. Text has no control
// byte but those of the form, a line for each row where the form promises one, JSON is valid, and
// every record of CSV has as many values as its header.

#include <sys/mman.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include <rapidjson/document.h>

#include "netdiag/engine.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/repair.h"
#include "tools/diag/capture_file.h"
#include "tools/diag/list_options.h"
#include "tools/diag/render.h"

namespace diag {
namespace {

using netdiag::fuzz::Check;

enum class Shape : uint8_t { kText, kLines, kJson, kJsonLines, kCsv };

struct CommandLine {
  Shape shape;
  std::vector<std::string> words;
};
const std::vector<CommandLine>& CommandLines() {
  static const std::vector<CommandLine> all = {
      {Shape::kText, {"-aeimop", "--tos", "--cgroup", "--inet-sockopt", "--tipcinfo"}},
      {Shape::kText, {"-abp", "-T", "--peers", "--all-netns"}},
      {Shape::kLines, {"-aeimopOb", "--tos", "--cgroup", "--inet-sockopt", "--tipcinfo"}},
      {Shape::kText, {"-a", "--columns=all"}},
      {Shape::kText, {"-a", "--count-by=state,comm,peers.address", "--sum=recvq,bytes_acked"}},
      {Shape::kText, {"-a", "--columns=name,comm,rtt", "--sort=-recvq,comm", "--limit=5"}},
      {Shape::kJson, {"-apeimb", "--json", "--peers", "--tos", "--cgroup", "--inet-sockopt"}},
      {Shape::kJsonLines, {"-apeim", "--jsonl", "--columns=all"}},
      {Shape::kCsv, {"-ap", "--csv", "--columns=all"}},
      {Shape::kCsv, {"-ap", "--csv", "--each-owner", "--columns=name,comm,args,cgroup_path"}},
  };
  return all;
}

// Every family, numbers instead of names of hosts and ports.
ListOptions Parse(std::vector<std::string> words) {
  words.insert(words.begin(), {"diag", "-n",   "-A", "all",  "-f", "inet",    "-f", "inet6",
                               "-f",   "unix", "-f", "link", "-f", "netlink", "-f", "vsock",
                               "-f",   "tipc", "-f", "xdp",  "-f", "smc"});
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const absl::StatusOr<ListOptions> options =
      ParseListOptions(static_cast<int>(words.size()), argv.data());
  Check(options.ok());
  return *options;
}

size_t LinesOf(std::string_view text) {
  return static_cast<size_t>(std::ranges::count(text, '\n'));
}

bool IsJson(std::string_view text) {
  rapidjson::Document document;
  document.Parse(text.data(), text.size());
  return !document.HasParseError() && document.IsObject();
}

// The number of values of each record; quoted values can have commas and newlines.
std::vector<size_t> ValuesOfRecords(std::string_view csv) {
  std::vector<size_t> records;
  bool quoted = false;
  size_t values = 1;
  for (const char c : csv) {
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    if (c == ',') ++values;
    if (c != '\n') continue;
    records.push_back(values);
    values = 1;
  }
  Check(!quoted);
  return records;
}

void CheckShape(Shape shape, std::string_view text, uint64_t rows) {
  Check(std::ranges::all_of(text, [&](char c) {
    return c == '\n' || (c >= ' ' && c != '\x7f') || c < 0 ||
           (c == '\t' && shape == Shape::kText) || shape == Shape::kCsv;
  }));
  Check(text.empty() || text.back() == '\n');
  if (shape == Shape::kLines) Check(LinesOf(text) == rows + 1);
  if (shape == Shape::kJson) Check(IsJson(text));
  if (shape == Shape::kJsonLines) {
    Check(LinesOf(text) == rows + 1);
    for (; !text.empty(); text.remove_prefix(text.find('\n') + 1)) {
      Check(IsJson(text.substr(0, text.find('\n'))));
    }
  }
  if (shape == Shape::kCsv) {
    const std::vector<size_t> records = ValuesOfRecords(text);
    Check(std::ranges::all_of(records, [&](size_t n) { return n == records[0]; }));
  }
}

void List(const CommandLine& line, std::string capture) {
  static const std::vector<ListOptions> kOptions = [] {
    std::vector<ListOptions> options;
    for (const CommandLine& each : CommandLines()) options.push_back(Parse(each.words));
    return options;
  }();
  static const int kFd = memfd_create("output", MFD_CLOEXEC);
  ListOptions options = kOptions[static_cast<size_t>(&line - CommandLines().data())];
  options.replay = std::make_shared<const CaptureFile>(std::move(capture));
  const auto engine = netdiag::Engine::Open({.replay = options.replay->bytes()});
  Check(engine.ok());
  Check(ftruncate(kFd, 0) == 0 && lseek(kFd, 0, SEEK_SET) == 0);
  Output output(kFd);
  const std::unique_ptr<Renderer> renderer = NewRenderer(options, engine->get(), &output);
  Pipeline pipeline(options.selection, renderer.get(), &output);
  renderer->Begin();
  const auto summary =
      (*engine)->Visit(options.query, [&](const netdiag::Row& row) { return pipeline.Add(row); });
  if (!summary.ok()) return;  // it is no capture
  pipeline.Finish();
  renderer->End(*summary);
  output.Flush();
  Check(!output.failed());
  std::string text(static_cast<size_t>(lseek(kFd, 0, SEEK_END)), '\0');
  Check(pread(kFd, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  CheckShape(line.shape, text, summary->rows);
}

}  // namespace
}  // namespace diag

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const auto& lines = diag::CommandLines();
  const std::string capture(reinterpret_cast<const char*>(data + 1), size - 1);
  diag::List(lines[data[0] % lines.size()], netdiag::fuzz::Repair(capture));
  return 0;
}
