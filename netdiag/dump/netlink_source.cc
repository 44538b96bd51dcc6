// Tested by tests/dump/netlink_source_test.cc, and against the kernel by
// tests/live/exact_live_test.cc.

#include "netdiag/dump/netlink_source.h"

#include <cerrno>

#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/exchange.h"
#include "netdiag/types/error.h"

namespace netdiag::internal {
namespace {

using netlink::CallOptions;
using netlink::Message;
using netlink::Ready;

DumpOptions WithScratch(DumpOptions options, DumpScratch* own) {
  if (options.scratch == nullptr) options.scratch = own;
  return options;
}

}  // namespace

NetlinkSource::NetlinkSource(netlink::Conn* conn, const DumpRequest& request,
                             const DumpOptions& options)
    : conn_(conn),
      request_(request),
      own_scratch_(options.scratch == nullptr ? std::make_unique<DumpScratch>() : nullptr),
      options_(WithScratch(options, own_scratch_.get())),
      verifier_(request, options_) {
  if (request.table.protocol == Protocol::kNetlink) passes_ = std::make_unique<Passes>();
}

absl::Status NetlinkSource::Begin(const CallOptions& call) {
  foreign_before_ = conn_->stats().foreign;
  if (passes_ == nullptr) verifier_.Begin();
  return BeginDump(call);
}

absl::Status NetlinkSource::BeginDump(const CallOptions& call) {
  ++stats_.dumps;
  std::vector<std::byte>* const storage = &options_.scratch->request;
  if (passes_ != nullptr) {
    return SendDump(conn_, request_, Detail::kAll, passes_->pass(), call, storage);
  }
  verifier_.BeginDump();
  return SendDump(conn_, verifier_.request(), Detail::kAll, 0, call, storage);
}

absl::StatusOr<Ready> NetlinkSource::Step(const StepOptions& how, MessageVisitor visitor) {
  switch (phase_) {
    case Phase::kDump:
      return StepDump(how, visitor);
    case Phase::kCheck: {
      NETDIAG_ASSIGN_OR_RETURN(const Verdict verdict, verifier_.Step(conn_, how));
      return Follow(verdict, how.call);
    }
    case Phase::kEnded:
      break;
  }
  return Ready::kDone;
}

absl::StatusOr<Ready> NetlinkSource::StepDump(const StepOptions& how, MessageVisitor visitor) {
  const absl::StatusOr<Ready> ready = Receive(how, visitor);
  if (!ready.ok() && MayRetryWithoutProgram(ready.status())) {
    request_.bytecode.clear();
    verifier_ = Verifier(request_, options_);
    verifier_.Begin();
    --stats_.dumps;  // the refused one
    return Follow(Verdict::DumpAgain(), how.call);
  }
  if (!ready.ok() || *ready != Ready::kDone || stopped_) return ready;
  if (passes_ != nullptr) return Follow(passes_->EndPass(visitor), how.call);
  NETDIAG_ASSIGN_OR_RETURN(const Verdict verdict, verifier_.EndDump(conn_, how.call));
  return Follow(verdict, how.call);
}

absl::StatusOr<Ready> NetlinkSource::Follow(const Verdict& verdict, const CallOptions& call) {
  switch (verdict.next) {
    case Verdict::Next::kDumpAgain:
      phase_ = Phase::kDump;
      NETDIAG_RETURN_IF_ERROR(BeginDump(call));
      return Ready::kSome;
    case Verdict::Next::kStep:
      phase_ = Phase::kCheck;
      return Ready::kSome;
    case Verdict::Next::kWouldBlock:
      return Ready::kWouldBlock;
    case Verdict::Next::kDoubt:
      stats_.doubt = ErrnoError(EAGAIN, "dump of " + Text(request_.table), verdict.reason);
      break;
    case Verdict::Next::kVerified:
      break;
  }
  phase_ = Phase::kEnded;
  return Ready::kDone;
}

// Receives one datagram and gives its rows.
absl::StatusOr<Ready> NetlinkSource::Receive(const StepOptions& how, MessageVisitor visitor) {
  if (passes_ != nullptr) {
    passes_->BeginDatagram();
    return ReceiveDump(conn_, how, [&](const Message& message) {
      const Flow flow = passes_->Add(message, visitor);
      stopped_ |= passes_->stopped();
      return flow;
    });
  }
  verifier_.BeginDatagram();
  return ReceiveDump(conn_, how, [&](const Message& message) { return Give(message, visitor); });
}

Flow NetlinkSource::Give(const Message& message, MessageVisitor visitor) {
  if (verifier_.Repeats(message) || !IsAskedFamily(message)) return Flow::kContinue;
  // TIPC's answer for a socket whose state was not asked for.
  const bool is_empty = message.payload().empty() && message.type() >= netlink::kFirstType;
  if (is_empty && request_.table.protocol == Protocol::kTipc) return Flow::kContinue;
  any_rows_ = true;
  ++stats_.given;
  const Flow flow = visitor(message);
  stopped_ |= flow == Flow::kStop;
  return flow;
}

// A dump of both families shows sockets of the family that was not asked for.
bool NetlinkSource::IsAskedFamily(const Message& message) const {
  const FamilySet families = request_.table.families;
  if (verifier_.request().table.families == families || message.payload().empty()) return true;
  return families.contains(static_cast<Family>(message.payload()[0]));
}

// A kernel that does not have all instructions of a program refuses it with EINVAL, and a program
// that tests marks without CAP_NET_ADMIN with EPERM.
bool NetlinkSource::MayRetryWithoutProgram(const absl::Status& refusal) const {
  return options_.retry_without_program && !request_.bytecode.empty() && !any_rows_ &&
         (Errno(refusal) == EINVAL || IsPermission(refusal));
}

SourceStats NetlinkSource::stats() const {
  SourceStats stats = stats_;
  stats.repeated = verifier_.repeated();
  stats.missing = verifier_.missing();
  stats.foreign = conn_->stats().foreign - foreign_before_;
  stats.interrupted = conn_->progress().interrupted;
  return stats;
}

}  // namespace netdiag::internal
