// Tested by tests/live/netns_live_test.cc.

#include "netdiag/dump/guest_source.h"

#include <cerrno>
#include <span>
#include <utility>

#include "netdiag/dump/dump_request.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/socket/inet_socket.h"
#include "netdiag/types/error.h"

namespace netdiag::internal {
namespace {

using netlink::Message;
using netlink::Ready;

// Bytes that one step visits.
constexpr size_t kSlice = size_t{32} << 10;

}  // namespace

GuestPass::GuestPass(TableProgramLoader load, bpf::KernelTable::Question question,
                     std::vector<NetnsId> namespaces)
    : load_(std::move(load)), question_(question), namespaces_(std::move(namespaces)) {
  question_.besides = namespaces_;
  for (const NetnsId netns : namespaces_) rows_.try_emplace(netns);
}

absl::Status GuestPass::Step() {
  if (done_ || !status_.ok()) return status_;
  const absl::StatusOr<bool> more = Read();
  if (more.ok() && *more) return absl::OkStatus();
  status_ = more.status();
  done_ = more.ok();
  table_ = nullptr;
  program_ = nullptr;
  return status_;
}

absl::StatusOr<bool> GuestPass::Read() {
  if (table_ == nullptr) {
    NETDIAG_ASSIGN_OR_RETURN(program_, load_());
    NETDIAG_ASSIGN_OR_RETURN(bpf::KernelTable* const table, program_->Get());
    NETDIAG_RETURN_IF_ERROR(table->Begin(question_));
    table_ = table;
  }
  NETDIAG_ASSIGN_OR_RETURN(const bool more, table_->Read());
  if (!more) doubt_ = DoubtOf(question_.protocol, table_->unsettled());
  Message message;
  for (std::span<const std::byte> bytes; table_->Next(&bytes);) {
    netlink::MessageCursor one(bytes);
    if (!one.Next(&message)) return DamagedData("the kernel's table", "a row is incomplete");
    const uint32_t other = message.header().port_id;
    KeepOf(other == 0 ? question_.netns : NetnsId(other), message);
  }
  return more;
}

bool GuestPass::AsksFor(const DumpRequest& request) const {
  const bpf::KernelTable::Question other = QuestionOf(request);
  return other.protocol == question_.protocol && other.states == question_.states &&
         other.families.bits() == question_.families.bits() &&
         other.local_port == question_.local_port && other.remote_port == question_.remote_port &&
         other.extensions == question_.extensions && other.depth == question_.depth;
}

void GuestPass::Keep(const Message& message) { KeepOf(NetnsId(message.header().port_id), message); }

// Two namespaces can have the same bit in a KernelTableQuestion, so there can be rows of others.
void GuestPass::KeepOf(NetnsId netns, const Message& message) {
  const auto found = rows_.find(netns);
  if (found == rows_.end()) return;
  netlink::Header header = message.header();
  header.port_id = 0;
  found->second.messages.Add(header, message.payload());
  const inet_diag_sockid id = netlink::Load<inet_diag_msg>(message.payload())->id;
  found->second.lacks_cookies |= (id.idiag_cookie[0] | id.idiag_cookie[1]) == 0;
}

void GuestPass::Finish(absl::Status doubt) {
  done_ = true;
  doubt_ = std::move(doubt);
}

void GuestPass::Clear() {
  for (auto& [netns, rows] : rows_) rows = Rows();
}

std::vector<TcpName> GuestPass::NamesOf(const Table& table) const {
  std::vector<TcpName> names;
  const MessageArena& messages = Of(table.netns).messages;
  for (size_t place = 0; place < messages.bytes();) {
    const Message message = messages.At(place);
    place += message.whole().size();
    const auto socket = InetSocket::Parse(message.payload());
    if (!socket || !table.families.contains(socket->family())) continue;
    if (socket->state() == State::kListen) continue;
    names.push_back({socket->local(), socket->remote(), socket->interface(), socket->state()});
  }
  return names;
}

absl::StatusOr<Ready> GuestSource::Step(const StepOptions& /*how*/, MessageVisitor visitor) {
  if (!pass_->done()) {
    NETDIAG_RETURN_IF_ERROR(pass_->Step());
    return Ready::kSome;
  }
  NETDIAG_RETURN_IF_ERROR(lacking_);
  const GuestPass::Rows& rows = pass_->Of(table_.netns);
  if (cookies_ && rows.lacks_cookies) {
    return ErrnoError(EOPNOTSUPP, "reading the kernel's table, " + Text(table_),
                      "a socket has no cookie yet");
  }
  for (const size_t end = place_ + kSlice; place_ < rows.messages.bytes();) {
    if (place_ >= end) return Ready::kSome;
    const Message message = rows.messages.At(place_);
    place_ += message.whole().size();
    const auto socket = netlink::Load<inet_diag_msg>(message.payload());
    if (!socket || !table_.families.contains(static_cast<Family>(socket->idiag_family))) continue;
    if (visitor(message) == Flow::kStop) return Ready::kDone;
  }
  return Ready::kDone;
}

SourceStats GuestSource::stats() const { return {.doubt = pass_->doubt()}; }

}  // namespace netdiag::internal
