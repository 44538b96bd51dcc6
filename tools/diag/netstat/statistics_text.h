// tools/diag/netstat/statistics_text.h — the output of `netstat -s`: text and JSON of counters.

#ifndef NETDIAG_TOOLS_DIAG_NETSTAT_STATISTICS_TEXT_H_
#define NETDIAG_TOOLS_DIAG_NETSTAT_STATISTICS_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "netdiag/net/statistics.h"
#include "tools/diag/json.h"
#include "tools/diag/netstat/options.h"

namespace diag::netstat {

// True if the options show the group. Those that netstat does not know are always shown.
bool IsShown(const Options& options, std::string_view group);

// Writes groups in netstat's form. It remembers the indent of the last line, because netstat
// carries it into groups that it does not know.
class StatisticsWriter {
 public:
  // Borrows `options`.
  explicit StatisticsWriter(const Options& options) : options_(options) {}
  // Appends the group with its title, if the options show it.
  void Append(const netdiag::CounterGroup& group, std::string* out);

 private:
  enum class Part : uint8_t { kPlain, kInput, kOutput };
  void AppendCounter(const netdiag::Counter& counter, std::string* out);
  // Appends the heading of a histogram, unless it is the last one.
  void Enter(Part histogram, std::string* out);
  size_t indent() const { return part_ == Part::kPlain ? 4 : 8; }

  const Options& options_;
  Part part_ = Part::kPlain;
};

// Writes each counter of the group as an object.
void PutGroup(const netdiag::CounterGroup& group, Json* json);

}  // namespace diag::netstat

#endif  // NETDIAG_TOOLS_DIAG_NETSTAT_STATISTICS_TEXT_H_
