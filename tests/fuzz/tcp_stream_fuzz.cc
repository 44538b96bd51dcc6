// Reads any bytes as a stream of TCP sockets. The sockets end cleanly, what is written of them is
// read as the same sockets again, and an Engine that reads the stream delivers them.

#include <string>
#include <vector>

#include "netdiag/dump/tcp_stream.h"
#include "netdiag/engine.h"
#include "netdiag/row.h"
#include "tests/fuzz/fuzz.h"

namespace netdiag::fuzz {
namespace {

std::vector<std::string> PayloadsOf(Bytes stream) {
  std::vector<std::string> payloads;
  TcpStreamReader reader(stream);
  for (netlink::Message message; reader.Next(&message);) {
    const Bytes payload = message.payload();
    payloads.emplace_back(reinterpret_cast<const char*>(payload.data()), payload.size());
  }
  Check(!reader.status().ok() || !stream.empty());
  return payloads;
}

std::string Rewrite(Bytes stream, uint64_t* shortened) {
  std::string written;
  TcpStreamWriter writer([&](Bytes message) {
    Check(message.size() <= TcpStreamWriter::kMaxMessage && message.size() % 4 == 0);
    written.append(reinterpret_cast<const char*>(message.data()), message.size());
    return absl::OkStatus();
  });
  TcpStreamReader reader(stream);
  for (netlink::Message message; reader.Next(&message);) writer.Write(message);
  Check(writer.Finish(0).ok());
  *shortened = writer.shortened();
  return written;
}

}  // namespace
}  // namespace netdiag::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace netdiag;  // NOLINT
  const Bytes stream = fuzz::AsBytes(data, size);
  const std::vector<std::string> payloads = fuzz::PayloadsOf(stream);
  uint64_t shortened = 0;
  const std::string written = fuzz::Rewrite(stream, &shortened);
  const std::vector<std::string> again = fuzz::PayloadsOf(std::as_bytes(std::span(written)));
  fuzz::Check(again.size() == payloads.size());
  fuzz::Check(shortened > 0 || again == payloads);

  EngineOptions options;
  options.tcp_stream = {.bytes = stream};
  const auto engine = Engine::Open(options);
  fuzz::Check(engine.ok());
  uint64_t rows = 0;
  const auto summary = (*engine)->Visit({.protocols = {Protocol::kTcp}}, [&](const Row& row) {
    ++rows;
    fuzz::Check(row.source() == SourceKind::kStream);
    fuzz::TouchValue(row.inode());
    fuzz::TouchValue(row.inet()->local_port());
    return Flow::kContinue;
  });
  fuzz::Check(summary.ok() && summary->rows == rows && rows == payloads.size());
  return 0;
}
