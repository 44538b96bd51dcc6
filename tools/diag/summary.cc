// Tested by tests/tools/summary_test.cc.

#include "tools/diag/summary.h"

#include <array>
#include <cctype>
#include <string_view>

#include "netdiag/dump/table.h"
#include "netdiag/types/types.h"
#include "tools/diag/text.h"

namespace diag {
namespace {

using netdiag::Family;
using netdiag::Protocol;
using netdiag::State;

// Appends a number and blanks up to the next column, as printf's "%-9d ".
void AppendColumn(uint64_t number, std::string* out) {
  const size_t start = out->size();
  AppendNumber(number, out);
  const size_t length = out->size() - start;
  out->append(length < 10 ? 10 - length : 1, ' ');
}

void EndLine(std::string* out) {
  while (out->ends_with(' ')) out->pop_back();
  out->push_back('\n');
}

}  // namespace

netdiag::Query SocketSummary::Query() {
  netdiag::Query query;
  query.protocols.clear();
  for (const netdiag::TableNames& row : netdiag::AllProtocols()) {
    query.protocols.push_back(row.protocol);
  }
  for (const netdiag::FamilyNames& row : netdiag::AllFamilies()) query.families |= row.family;
  query.states = netdiag::StateSet::SsAll();
  query.load_modules = false;
  return query;
}

void SocketSummary::Add(const netdiag::Row& row) {
  if (row.is_association()) return;  // its endpoint is the socket
  ++total_;
  const State state = row.state();
  if (row.protocol() == Protocol::kTcp) {
    ++tcp_;
    established_ += state == State::kEstablished;
    time_wait_ += state == State::kTimeWait;
    closed_ += state == State::kTimeWait || state == State::kClose;
    // An orphan is closed by its process and not yet by its peer. A socket that is not accepted yet
    // has no inode either, but is in none of these states.
    const bool closing = state == State::kFinWait1 || state == State::kFinWait2 ||
                         state == State::kLastAck || state == State::kClosing;
    orphaned_ += closing && row.inode() == netdiag::Inode();
  }
  if (state == State::kTimeWait || state == State::kSynReceived) return;
  Counts& counts = tables_[row.protocol()];
  ++counts.total;
  counts.inet += row.family() == Family::kInet;
  counts.inet6 += row.family() == Family::kInet6;
}

void SocketSummary::AppendTo(std::string* out) const {
  out->append("Total: ");
  AppendNumber(total_, out);
  out->append("\nTCP:   ");
  AppendNumber(tcp_, out);
  const std::pair<std::string_view, uint64_t> kParts[] = {{" (estab ", established_},
                                                          {", closed ", closed_},
                                                          {", orphaned ", orphaned_},
                                                          {", timewait ", time_wait_}};
  for (const auto& [name, count] : kParts) {
    out->append(name);
    AppendNumber(count, out);
  }
  out->append(")\n\nTransport Total     IP        IPv6\n");
  Counts inet;
  const auto line = [out](std::string_view name, const Counts& counts, bool families) {
    const size_t start = out->size();
    for (const char c : name) {
      out->push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
    }
    out->resize(std::max(out->size() + 1, start + 10), ' ');
    AppendColumn(counts.total, out);
    if (families) {
      AppendColumn(counts.inet, out);
      AppendColumn(counts.inet6, out);
    }
    EndLine(out);
  };
  for (const netdiag::TableNames& row : netdiag::AllProtocols()) {
    const auto place = tables_.find(row.protocol);
    const Counts counts = place == tables_.end() ? Counts() : place->second;
    // A table without IP families has only one number.
    const bool families = netdiag::Describe(row.protocol).families.contains(Family::kInet);
    line(row.word, counts, families);
    if (!families) continue;
    inet.total += counts.total;
    inet.inet += counts.inet;
    inet.inet6 += counts.inet6;
  }
  line("inet", inet, true);
  out->push_back('\n');
}

}  // namespace diag
