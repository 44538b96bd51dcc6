// Reads any bytes as a file of /proc/net. Pieces give the same rows as the whole text. The first
// byte selects the table, the second the size of the pieces.

#include <algorithm>
#include <iterator>
#include <string>
#include <unistd.h>

#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/procfs_source.h"
#include "tests/fuzz/fuzz.h"

namespace netdiag::fuzz {
namespace {

struct Answer {
  std::string rows;
  uint64_t damaged = 0;
  friend bool operator==(const Answer&, const Answer&) = default;
};

Answer Read(const internal::DumpRequest& request, std::string_view text, size_t piece) {
  int fds[2];
  Check(pipe(fds) == 0);
  auto source = internal::ProcfsSource::Open(
      request, [&](std::string_view) -> absl::StatusOr<int> { return fds[0]; });
  Check(source.ok());
  Answer answer;
  const auto visit = [&](const netlink::Message& message) {
    const Bytes whole = message.whole();
    answer.rows.append(reinterpret_cast<const char*>(whole.data()), whole.size());
    return Flow::kContinue;
  };
  for (; !text.empty(); text.remove_prefix(std::min(piece, text.size()))) {
    const std::string_view part = text.substr(0, piece);
    Check(write(fds[1], part.data(), part.size()) == static_cast<ssize_t>(part.size()));
    Check(*source->Step({}, visit) == netlink::Ready::kSome);
  }
  close(fds[1]);
  // Damage in a table of unix sockets is an error, once.
  const absl::StatusOr<netlink::Ready> last = source->Step({}, visit);
  Check(last.ok() ? *last == netlink::Ready::kDone : source->stats().damaged > 0);
  Check(*source->Step({}, visit) == netlink::Ready::kDone);
  answer.damaged = source->stats().damaged;
  return answer;
}

}  // namespace
}  // namespace netdiag::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace netdiag;  // NOLINT
  constexpr size_t kPipe = 65536;
  if (size < 2 || size > kPipe) return 0;
  static const Table kTables[] = {{Protocol::kTcp, Family::kInet, {}},
                                  {Protocol::kTcp, Family::kInet6, {}},
                                  {Protocol::kUnix, Family::kUnix, {}},
                                  {Protocol::kPacket, Family::kPacket, {}},
                                  {Protocol::kNetlink, Family::kNetlink, {}}};
  const internal::DumpRequest request = {.table = kTables[data[0] % std::size(kTables)],
                                         .states = StateSet::All()};
  const std::string_view text(reinterpret_cast<const char*>(data + 2), size - 2);
  const fuzz::Answer pieces = fuzz::Read(request, text, data[1] * size_t{16} + 1);
  fuzz::Check(pieces == fuzz::Read(request, text, kPipe));
  fuzz::Touch(std::as_bytes(std::span(pieces.rows)));
  return 0;
}
