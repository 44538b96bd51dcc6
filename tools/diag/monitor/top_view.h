// tools/diag/monitor/top_view.h — what `diag top` shows on a whole screen, and what its keys do. It
// makes lines and knows no terminal.

#ifndef NETDIAG_TOOLS_DIAG_MONITOR_TOP_VIEW_H_
#define NETDIAG_TOOLS_DIAG_MONITOR_TOP_VIEW_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "netdiag/monitor.h"
#include "tools/diag/monitor/screen.h"
#include "tools/diag/monitor/top_table.h"
#include "tools/diag/names.h"

namespace diag {

class TopView {
 public:
  // `by`: the columns of the first view, if they are not those of processes.
  TopView(const std::vector<Column>& by, Names* names);

  // The fields that any view reads.
  static std::vector<Column> Needs();

  void Add(const netdiag::Change& change);
  // The look whose changes were added has ended. `notes`: what is to be said beside it.
  void Finish(const netdiag::Look& look, const std::vector<std::string>& notes);

  // What a key asks of the caller.
  enum class Wish : uint8_t {
    kNothing,
    kDraw,    // the lines have changed
    kLook,    // another view: a look now fills it
    kFilter,  // the user has entered filter()
    kQuit,
  };
  Wish Press(int key);
  bool paused() const { return paused_; }
  const std::string& filter() const { return filter_; }
  // The filter was refused: `why` is shown, and it is entered again.
  void Refuse(const std::string& why);
  // The sockets are those of another filter from now on.
  void Accept();

  std::vector<ScreenLine> Lines(size_t rows, size_t columns) const;

 private:
  enum class Mode : uint8_t { kProcesses, kConnections, kGroups, kRemotes, kListeners, kOwn };

  void Show(Mode mode);
  Wish PressInFilter(int key);
  void NoteChosen(const netdiag::Change& change);
  void AddHead(std::vector<ScreenLine>* lines) const;
  void AddTable(size_t rows, std::vector<ScreenLine>* lines) const;
  void AddSocket(size_t rows, std::vector<ScreenLine>* lines) const;

  const std::vector<Column> own_by_;
  Names* const names_;
  Mode mode_ = Mode::kProcesses;
  TopOrder order_ = TopOrder::kBytes;
  std::optional<TopTable> table_;
  size_t chosen_ = 0;  // a line of the table
  bool paused_ = false;
  std::map<netdiag::State, uint64_t> states_, counted_;  // of the last look; of this one
  std::vector<std::string> notes_;

  std::string filter_;   // that is used, or being entered
  std::string before_;   // that was used before
  bool enters_ = false;  // the filter
  std::string refusal_;

  // One socket.
  std::string cookie_;                                 // empty: the table is shown
  std::vector<std::string> fields_;                    // of the last look
  std::deque<std::pair<uint64_t, uint64_t>> history_;  // bytes received and sent by second
  size_t scroll_ = 0;
  std::pair<uint64_t, uint64_t> moved_;  // since the last look
};

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_MONITOR_TOP_VIEW_H_
