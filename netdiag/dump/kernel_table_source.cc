// Tested by tests/live/kernel_table_live_test.cc.

#include "netdiag/dump/kernel_table_source.h"

#include <cerrno>
#include <span>
#include <string>
#include <utility>

#include "netdiag/dump/dump_request.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/types/error.h"
#include "netdiag/types/proc_file.h"

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
  if (protocol == Protocol::kUdp && !KernelIsAtLeast(6, 2)) {
    return no("that of UDP is not read before Linux 6.2");
  }
  if (request.table.netns == NetnsId()) return no("the network namespace is not known");
  // A bound, idle socket of TCP is in none of the tables.
  if (protocol == Protocol::kTcp && request.states.contains(State::kBoundInactive)) {
    return no("idle TCP sockets are asked for");
  }
  if (!(request.extensions.bits() & ~kReadable.bits())) return absl::OkStatus();
  return no("attributes are asked for that only a dump has");
}

absl::Status DoubtOf(Protocol protocol, uint64_t unsettled) {
  if (unsettled == 0) return absl::OkStatus();
  return ErrnoError(EAGAIN, "table of " + std::string(Names(protocol).word),
                    "sockets may be missing: " + std::to_string(unsettled) +
                        " hash chains changed during every try to read them");
}

bpf::KernelTable::Question QuestionOf(const DumpRequest& request) {
  return {.protocol = request.table.protocol,
          .families = request.table.families,
          .states = request.states,
          .netns = request.table.netns,
          .local_port = request.source_port,
          .remote_port = request.destination_port,
          .extensions = static_cast<uint8_t>(request.extensions.bits()),
          .depth = request.depth};
}

absl::StatusOr<bpf::KernelTable*> TableProgram::Get() {
  NETDIAG_RETURN_IF_ERROR(failure_);
  if (table_ == nullptr) {
    absl::StatusOr<std::unique_ptr<bpf::KernelTable>> loaded = bpf::KernelTable::Load();
    failure_ = loaded.status();
    NETDIAG_RETURN_IF_ERROR(failure_);
    table_ = *std::move(loaded);
  }
  return table_.get();
}

KernelTableSource::KernelTableSource(std::shared_ptr<TableProgram> program,
                                     const DumpRequest& request, uint32_t parts,
                                     std::span<const NetnsId> besides)
    : program_(std::move(program)),
      parts_(std::make_shared<TableParts>(parts)),
      question_(QuestionOf(request)) {
  question_.parts = parts;
  question_.besides = besides;
}

KernelTableSource KernelTableSource::Beside(std::shared_ptr<TableProgram> program) const {
  KernelTableSource other = *this;
  other.program_ = std::move(program);
  other.table_ = nullptr;
  other.is_helper_ = true;
  return other;
}

absl::StatusOr<bool> KernelTableSource::BeginPart() {
  const std::optional<uint32_t> part = parts_->Take();
  if (!part) return false;
  question_.part = *part;
  NETDIAG_RETURN_IF_ERROR(table_->Begin(question_));
  in_part_ = true;
  return true;
}

void KernelTableSource::EndPart() {
  stats_.repeated += table_->repeated();
  unsettled_ += table_->unsettled();
  stats_.doubt = DoubtOf(question_.protocol, unsettled_);
}

absl::StatusOr<Ready> KernelTableSource::Step(const StepOptions& /*how*/, MessageVisitor visitor) {
  if (table_ == nullptr) {
    const absl::StatusOr<bpf::KernelTable*> loaded = program_->Get();
    if (!loaded.ok() && is_helper_) return Ready::kDone;
    NETDIAG_ASSIGN_OR_RETURN(table_, loaded);
  }
  if (!in_part_) {
    NETDIAG_ASSIGN_OR_RETURN(const bool begun, BeginPart());
    if (!begun) return Ready::kDone;
  }
  NETDIAG_ASSIGN_OR_RETURN(in_part_, table_->Read());
  if (!in_part_) {
    EndPart();
    return Ready::kSome;
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

SourceStats KernelTableSource::stats() const { return stats_; }

}  // namespace netdiag::internal
