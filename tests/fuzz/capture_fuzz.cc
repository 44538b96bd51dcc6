// Reads any bytes as a capture, as they are and with the checks of their records right. Records end
// cleanly and stay the same when they are written again, and an Engine that replays them delivers
// what its Summary says.

#include <string>
#include <vector>

#include "netdiag/dump/capture.h"
#include "netdiag/engine.h"
#include "netdiag/snapshot.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/repair.h"

namespace netdiag::fuzz {
namespace {

// Writes the records of `capture` again.
std::string Rewrite(Bytes capture) {
  std::string written;
  CaptureWriter writer([&](Bytes frame) {
    written.append(reinterpret_cast<const char*>(frame.data()), frame.size());
    return absl::OkStatus();
  });
  CaptureReader reader(capture);
  for (CaptureRecord record; reader.Next(&record);) writer.Write(record);
  Check(writer.status().ok());
  return written;
}

void Run(Bytes capture) {
  const std::string once = Rewrite(capture);
  Check(Rewrite(std::as_bytes(std::span(once))) == once);

  auto engine = Engine::Open({.replay = capture});
  Check(engine.ok());
  Query query;
  query.states = StateSet::All();
  uint64_t rows = 0;
  const auto summary = (*engine)->Visit(query, [&](const Row& row) {
    ++rows;
    TouchValue(row.inode());
    return rows % 1000 == 999 ? Flow::kStop : Flow::kContinue;
  });
  Check(!summary.ok() || summary->rows == rows);
  const auto snapshot = (*engine)->Take(query);
  if (!snapshot.ok()) return;
  for (const Row& row : *snapshot) Touch(row.message().whole());
  Check(snapshot->size() == snapshot->summary().rows);
}

}  // namespace
}  // namespace netdiag::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace netdiag;  // NOLINT
  const std::string damaged(reinterpret_cast<const char*>(data), size);
  const std::string repaired = fuzz::Repair(damaged);
  fuzz::Run(fuzz::AsBytes(data, size));
  if (repaired != damaged) fuzz::Run(std::as_bytes(std::span(repaired)));
  return 0;
}
