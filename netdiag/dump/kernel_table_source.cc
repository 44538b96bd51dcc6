// Tested by tests/live/kernel_table_live_test.cc.

#include "netdiag/dump/kernel_table_source.h"

#include <cerrno>
#include <span>
#include <string>
#include <utility>

#include "netdiag/netlink/wire.h"
#include "netdiag/types/error.h"

namespace netdiag::internal {
namespace {

using netlink::Ready;

// Those that rows of the tables have, or that no row of the protocol has.
constexpr ExtensionSet kReadable = {Extension::kMemory, Extension::kCongestion, Extension::kTos,
                                    Extension::kTrafficClass, Extension::kSocketMemory};

std::string What(const DumpRequest& request) {
  return "reading the kernel's table, " + Text(request.table);
}

}  // namespace

absl::Status KernelTableSource::CanAnswer(const DumpRequest& request) {
  const auto no = [&](const char* why) { return ErrnoError(EOPNOTSUPP, What(request), why); };
  const Protocol protocol = request.table.protocol;
  if (protocol != Protocol::kTcp && protocol != Protocol::kUdp) {
    return no("only the tables of TCP and UDP are read");
  }
  if (request.table.netns == NetnsId()) return no("the network namespace is not known");
  // A bound, idle socket of TCP is in none of the tables.
  if (protocol == Protocol::kTcp && request.states.contains(State::kBoundInactive)) {
    return no("idle TCP sockets are asked for");
  }
  if (!(request.extensions.bits() & ~kReadable.bits())) return absl::OkStatus();
  return no("attributes are asked for that only a dump has");
}

KernelTableSource::KernelTableSource(std::shared_ptr<bpf::KernelTable> table,
                                     const DumpRequest& request)
    : table_(std::move(table)),
      question_{.protocol = request.table.protocol,
                .families = request.table.families,
                .states = request.states,
                .netns = request.table.netns,
                .local_port = request.source_port,
                .remote_port = request.destination_port,
                .extensions = static_cast<uint8_t>(request.extensions.bits())} {}

absl::Status KernelTableSource::Begin() { return table_->Begin(question_); }

absl::StatusOr<Ready> KernelTableSource::Step(const StepOptions& /*how*/, MessageVisitor visitor) {
  NETDIAG_ASSIGN_OR_RETURN(const bool more, table_->Read());
  if (!more) {
    if (const uint64_t chains = table_->unsettled(); chains > 0) {
      stats_.doubt = ErrnoError(EAGAIN, "table of " + std::string(Names(question_.protocol).word),
                                "sockets may be missing: " + std::to_string(chains) +
                                    " hash chains changed during every "
                                    "try to read them");
    }
    return Ready::kDone;
  }
  netlink::Message message;
  for (std::span<const std::byte> bytes; table_->Next(&bytes);) {
    netlink::MessageCursor one(bytes);
    if (!one.Next(&message)) {
      ++stats_.damaged;
      continue;
    }
    ++stats_.given;
    if (visitor(message) == Flow::kStop) return Ready::kDone;
  }
  return Ready::kSome;
}

SourceStats KernelTableSource::stats() const {
  SourceStats stats = stats_;
  stats.repeated = table_->repeated();
  return stats;
}

}  // namespace netdiag::internal
