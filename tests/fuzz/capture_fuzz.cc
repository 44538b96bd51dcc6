// Reads any bytes as a capture. Records end cleanly and stay the same when they are written again,
// and an Engine that replays them delivers what its Summary says.

#include <string>
#include <vector>

#include "netdiag/dump/capture.h"
#include "netdiag/engine.h"
#include "netdiag/snapshot.h"
#include "tests/fuzz/fuzz.h"

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

}  // namespace
}  // namespace netdiag::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace netdiag;  // NOLINT
  const Bytes capture = fuzz::AsBytes(data, size);
  const std::string once = fuzz::Rewrite(capture);
  fuzz::Check(fuzz::Rewrite(std::as_bytes(std::span(once))) == once);
  if (capture.empty()) return 0;  // EngineOptions::replay means no replay if it is empty

  auto engine = Engine::Open({.replay = capture});
  fuzz::Check(engine.ok());
  Query query;
  query.states = StateSet::All();
  uint64_t rows = 0;
  const auto summary = (*engine)->Visit(query, [&](const Row& row) {
    ++rows;
    fuzz::TouchValue(row.inode());
    return rows % 1000 == 999 ? Flow::kStop : Flow::kContinue;
  });
  fuzz::Check(!summary.ok() || summary->rows == rows);
  const auto snapshot = (*engine)->Take(query);
  if (!snapshot.ok()) return 0;
  for (const Row& row : *snapshot) fuzz::Touch(row.message().whole());
  fuzz::Check(snapshot->size() == snapshot->summary().rows);
  return 0;
}
