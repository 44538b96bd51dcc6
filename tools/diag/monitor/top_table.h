// tools/diag/monitor/top_table.h — the lines of `diag top`: sockets grouped by fields, and what
// each group moved between two looks.

#ifndef NETDIAG_TOOLS_DIAG_MONITOR_TOP_TABLE_H_
#define NETDIAG_TOOLS_DIAG_MONITOR_TOP_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "netdiag/monitor.h"
#include "tools/diag/columns.h"
#include "tools/diag/json.h"
#include "tools/diag/names.h"

namespace diag {

// By what the lines are ordered; the largest come first.
enum class TopOrder : uint8_t { kBytes, kReceived, kSent, kRetrans, kSockets };

struct TopLine {
  std::vector<std::string> values;  // of the columns, escaped; "-": absent
  uint64_t received = 0;            // bytes in the interval
  uint64_t sent = 0;
  uint64_t retrans = 0;  // segments in the interval
  uint64_t sockets = 0;  // that live
};

class TopTable {
 public:
  TopTable(std::vector<Column> by, Names* names);
  const std::vector<Column>& by() const { return by_; }

  void Add(const netdiag::Change& change);
  // Makes the lines of what was added, and begins anew.
  void Finish(const netdiag::Look& look, TopOrder order);

  const std::vector<TopLine>& lines() const { return lines_; }
  const TopLine& total() const { return total_; }
  const netdiag::Look& look() const { return look_; }
  double seconds() const;

 private:
  std::vector<Column> by_;
  Names* const names_;
  netdiag::ChangeSums moved_;  // every change
  netdiag::ChangeSums alive_;  // sockets that live
  std::vector<TopLine> lines_;
  TopLine total_;
  netdiag::Look look_;
};

// `bytes` in `seconds`, by second.
uint64_t PerSecond(uint64_t bytes, double seconds);
// The table as text: at most `rows` lines, or all if it is 0.
void AppendTable(const TopTable& table, uint64_t rows, std::string* out);
// The same as one JSON object. `notes`: what has been said of what it does not show.
void PutTable(const TopTable& table, uint64_t rows, std::span<const std::string> notes, Json* json);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_MONITOR_TOP_TABLE_H_
