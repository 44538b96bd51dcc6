// diag watch: a log of what happens to sockets. Tested by tests/tools/monitor_program_test.cc.

#include <algorithm>
#include <array>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"

#include "netdiag/filter/filter.h"
#include "netdiag/monitor.h"
#include "netdiag/types/error.h"
#include "tools/diag/command_values.h"
#include "tools/diag/commands.h"
#include "tools/diag/json.h"
#include "tools/diag/monitor/change_text.h"
#include "tools/diag/monitor/session.h"
#include "tools/diag/stop_signals.h"

namespace diag {
namespace {

using netdiag::Change;
using netdiag::ChangeKind;

constexpr std::array<std::string_view, 5> kWords = {"opened", "state", "closed", "gone", "when"};

std::vector<std::string> WatchWords() { return {kWords.begin(), kWords.end()}; }

absl::Status SetWhen(std::string_view text, MonitorRequest* request) {
  request->when = text;
  return absl::OkStatus();
}

std::vector<std::string> SplitAtCommas(const std::string& list) {
  std::vector<std::string> words;
  std::istringstream stream(list + ",");
  for (std::string word; std::getline(stream, word, ',');) words.push_back(word);
  return words;
}

absl::Status SetOnly(std::string_view list, MonitorRequest* request) {
  const std::string text(list);
  for (const std::string& word : SplitAtCommas(text)) {
    if (std::ranges::find(kWords, word) == kWords.end()) {
      return netdiag::BadInput("--only", word, "expected opened, state, closed, gone or when");
    }
    request->only.push_back(word);
  }
  return absl::OkStatus();
}

absl::Status SetLines(std::string_view text, MonitorRequest* request) {
  return ReadNumber("--limit", text, &request->count);
}

constexpr auto kOptions = std::to_array<Option<MonitorRequest>>({
    kRequestTcp,
    kRequestUdp,
    kRequestNetns,
    kRequestAllNetns,
    kRequestInterval,
    {{.name = "when",
      .help = "a line when a socket begins to match EXPRESSION",
      .argument = {"EXPRESSION"}},
     SetWhen},
    {{.name = "only",
      .help = "only these lines",
      .argument = {"LIST", Values::kListOf, WatchWords}},
     SetOnly},
    {{.letter = 'n', .name = "limit", .help = "ends after N lines", .argument = {"N"}}, SetLines},
    kRequestJsonLines,
    kRequestProc,
    kRequestHelp,
});

// Writes the lines that the request selects.
class Log {
 public:
  Log(const MonitorRequest& request, const netdiag::Filter* when, Output* output)
      : request_(request), when_(when), output_(output), json_(output) {}

  // `is_first`: the first look, whose sockets did not open now.
  void Note(const Change& change, bool is_first) {
    const bool is_told =
        change.kind() != ChangeKind::kUntold && change.kind() != ChangeKind::kLingers;
    if (!is_told) return;
    const bool is_over = change.kind() == ChangeKind::kClosed || change.kind() == ChangeKind::kGone;
    if (change.kind() == ChangeKind::kOpened && !is_first) Write("opened", change);
    if (change.kind() == ChangeKind::kLived && change.last_state() != change.row().state()) {
      Write("state", change);
    }
    NoteWhen(change, is_over);
    if (is_over) Write(Name(change.kind()), change);
  }
  // A line of JSON for each note that was not written yet. Text has them on stderr.
  void Tell(const std::vector<std::string>& notes) {
    for (; request_.json_lines && told_ < notes.size(); ++told_) {
      json_->StartObject();
      json_.Text("change", "note");
      json_.Text("note", notes[told_]);
      json_->EndObject();
      json_.EndLine();
      json_.Reset();
    }
  }
  bool full() const { return request_.count > 0 && lines_ >= request_.count; }

 private:
  // A socket that matched before gives no line until it has ceased to match.
  void NoteWhen(const Change& change, bool is_over) {
    if (when_ == nullptr) return;
    const netdiag::Cookie cookie = change.row().cookie();
    if (when_->Matches(change.row())) {
      if (matching_.insert(cookie).second) Write("when", change);
    } else {
      matching_.erase(cookie);
    }
    if (is_over) matching_.erase(cookie);
  }
  void Write(std::string_view word, const Change& change) {
    const bool wanted =
        request_.only.empty() || std::ranges::find(request_.only, word) != request_.only.end();
    if (!wanted || full()) return;
    ++lines_;
    if (request_.json_lines) {
      PutChange(word, change, &json_);
      return;
    }
    line_.clear();
    AppendLine(word, change, &line_);
    output_->Write(line_);
  }

  const MonitorRequest& request_;
  const netdiag::Filter* const when_;
  Output* const output_;
  Json json_;
  std::string line_;
  uint64_t lines_ = 0;
  size_t told_ = 0;  // notes
  absl::flat_hash_set<netdiag::Cookie> matching_;
};

absl::Status Watch(std::unique_ptr<Session> session, const MonitorRequest& request,
                   Output* output) {
  const StopSignals signals;
  Log log(request, session->when(), output);
  bool is_first = true;
  const auto note = [&](const Change& change) { log.Note(change, is_first); };
  const auto flush = [&] { output->Flush(); };
  while (true) {
    NETDIAG_RETURN_IF_ERROR(session->Look(note).status());
    is_first = false;
    log.Tell(session->notes());
    flush();
    if (log.full() || output->failed()) return absl::OkStatus();
    NETDIAG_ASSIGN_OR_RETURN(const Session::Woken woken, session->Wait(note, flush, output->fd()));
    if (woken == Session::Woken::kOver || log.full()) return absl::OkStatus();
  }
}

}  // namespace

std::vector<OptionInfo> WatchOptionInfos() { return InfosOf<MonitorRequest>(kOptions); }

ExitCode RunWatch(int argc, char** argv) {
  return RunMonitorCommand({.name = "watch",
                            .options = kOptions,
                            .prepare = [](MonitorRequest*) { return std::vector<Column>(); },
                            .run = Watch},
                           argc, argv);
}

}  // namespace diag
