// Conn: opening, exchanges, options. Waiting, deadlines and Close are gate.h. Tested by
// tests/netlink/conn_test.cc (fake kernel), conn_failure_test.cc, conn_concurrency_test.cc and
// conn_live_test.cc.

#include "netdiag/netlink/conn.h"

#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <mutex>
#include <string>
#include <unistd.h>
#include <utility>

#include <libmnl/libmnl.h>

#include "netdiag/netlink/abi.h"
#include "netdiag/netlink/gate.h"
#include "netdiag/netlink/options.h"
#include "netdiag/netlink/receive_buffer.h"
#include "netdiag/netlink/result.h"
#include "netdiag/netlink/tracer.h"
#include "netdiag/types/error.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag::netlink {
namespace {

// The number of times a dump is requested again after EBUSY: another dump still runs on the socket.
// The rest of that dump is read in between.
constexpr int kBusyRetries = 4;

int ErrnoOf(int result) { return result < 0 ? errno : 0; }

bool IsDump(const Header& header) { return (header.flags & kFlagDump) == kFlagDump; }

// An answer that is being read.
struct Answer {
  uint32_t sequence = 0;      // of the request; 0: messages of any sequence number belong to it
  bool acknowledged = false;  // the request had kFlagAck: only NLMSG_ERROR or DONE ends the answer
  bool ended = false;
  DumpResult result;
};

// ConnStats that several threads update.
struct Counters {
  std::atomic<uint64_t> foreign{0};
  std::atomic<uint64_t> stale{0};
  std::atomic<uint64_t> overruns{0};
  std::atomic<uint64_t> busy_retries{0};
};

}  // namespace

class Conn::Impl {
 public:
  Impl(MnlSocket socket, internal::UniqueFd wake_fd, bool is_netlink, uint32_t port_id,
       Config config)
      : gate_(std::move(socket), std::move(wake_fd)),
        port_id_(port_id),
        is_netlink_(is_netlink),
        buffer_(std::max<size_t>(config.receive_buffer, kHeaderSize)),
        tracer_(std::move(config.trace)),
        // Starts at the time, so that sockets that share a queue (Dup) use different numbers.
        sequence_(
            static_cast<uint32_t>(std::chrono::steady_clock::now().time_since_epoch().count())) {}

  static absl::StatusOr<std::unique_ptr<Conn>> Make(MnlSocket socket, Config config);

  // ---- One datagram ----

  uint32_t NextSequence();
  // Sends `request` under a sequence number from NextSequence().
  absl::Status SendRequest(Gate::Call& call, Bytes request, uint32_t sequence);
  int SendOnce(int fd, msghdr* message);
  // Returns 0 and a datagram, or an errno. EINTR also means that a foreign datagram was dropped.
  int ReceiveOnce(int fd, std::span<std::byte> buffer, Datagram* datagram);
  absl::Status ReceiveDatagram(Gate::Call& call, std::span<std::byte> buffer, Datagram* datagram);
  // Visits the messages of a datagram that belong to `answer`.
  absl::Status Visit(Gate::Call& call, const Datagram& datagram, Answer* answer,
                     absl::FunctionRef<Flow(const Message&)> visitor);
  absl::Status VisitMessage(Gate::Call& call, const Message& message, Answer* answer,
                            absl::FunctionRef<Flow(const Message&)> visitor);

  // ---- Exchanges ----

  // Reads until the answer has ended.
  absl::Status ReceiveAnswer(Gate::Call& call, Answer* answer,
                             absl::FunctionRef<Flow(const Message&)> visitor);
  // The answer to the last Send() if it is still open, else an Answer for any sequence number.
  Answer OpenAnswer();
  void StoreProgress(const Answer& answer, bool over);
  absl::StatusOr<Ready> VisitOpen(Gate::Call& call, const absl::Status& received,
                                  const Datagram& datagram,
                                  absl::FunctionRef<Flow(const Message&)> visitor);
  // Drops the rest of an abandoned dump. Never waits: the kernel queues the next datagram of a dump
  // as soon as one is received, so an empty queue means that there is no rest. `force`: even if no
  // dump is known to be abandoned.
  absl::Status Drain(Gate::Call& call, Side side, bool force);
  // Marks the unfinished dump, if there is one, as abandoned: from now on its messages are stale.
  void AbandonDump() { abandoned_.store(dump_.load()); }
  // Records that the last message with this sequence number was received.
  void Ended(uint32_t sequence);
  // True for an unfinished dump, which only its result ends: in a dump of SCTP the associations
  // come without kFlagMulti (sctp_sock_dump()).
  bool IsOfDump(uint32_t sequence) const {
    return sequence != 0 && (sequence == dump_.load() || sequence == abandoned_.load());
  }
  // False for a notification, which carries the sequence number and port id of the socket that
  // caused it.
  bool IsAnswer(const Header& header) const { return !is_netlink_ || header.port_id == port_id_; }
  bool Belongs(const Header& header, const Answer& answer) const;

  Gate gate_;
  const uint32_t port_id_;
  const bool is_netlink_;
  ReceiveBuffer buffer_;  // used by the exchange that has the turn
  Tracer tracer_;
  Counters counters_;
  std::atomic<uint32_t> sequence_;  // the last one used
  // Sequence numbers, or 0: of the dump whose end was not received yet, and of the abandoned dump.
  std::atomic<uint32_t> dump_{0};
  std::atomic<uint32_t> abandoned_{0};
  // The exchange of Send() and TryReceive(): its sequence number while it is open, or 0, and what
  // it has received.
  std::atomic<uint32_t> open_{0};
  std::mutex progress_mutex_;
  Answer progress_;
};

int Conn::Impl::SendOnce(int fd, msghdr* message) {
  return ErrnoOf(static_cast<int>(sendmsg(fd, message, MSG_DONTWAIT | MSG_NOSIGNAL)));
}

uint32_t Conn::Impl::NextSequence() {
  for (;;) {
    const uint32_t sequence = ++sequence_;
    if (sequence != 0) return sequence;
  }
}

absl::Status Conn::Impl::SendRequest(Gate::Call& call, Bytes request, uint32_t sequence) {
  std::optional<Header> header = Load<Header>(request);
  if (!header || header->length != request.size()) {
    Ended(sequence);
    return ErrnoError(EINVAL, call.what(), "the length in the request's header is wrong");
  }
  header->sequence = sequence;
  header->port_id = port_id_;
  // iovec needs a pointer to non-const; sendmsg() only reads.
  iovec parts[] = {
      {&*header, kHeaderSize},
      {const_cast<std::byte*>(request.data()) + kHeaderSize, request.size() - kHeaderSize}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  // Before sending, because another thread may read the answer before sendmsg() returns.
  if (IsDump(*header)) dump_.store(sequence);
  absl::Status status = call.Run(Side::kWrite, [&] { return SendOnce(call.fd(), &message); });
  if (!status.ok()) {
    Ended(sequence);
  } else {
    tracer_.Trace('>', *header, request);
  }
  return status;
}

int Conn::Impl::ReceiveOnce(int fd, std::span<std::byte> buffer, Datagram* datagram) {
  sockaddr_nl from{};
  iovec part{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_name = &from;
  message.msg_namelen = sizeof(from);
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  const ssize_t size = recvmsg(fd, &message, MSG_DONTWAIT | MSG_TRUNC);
  if (size < 0) {
    if (errno == ENOBUFS) ++counters_.overruns;
    return errno;
  }
  if (is_netlink_ && (message.msg_namelen != sizeof(from) || from.nl_pid != 0)) {
    ++counters_.foreign;
    return EINTR;
  }
  datagram->length = static_cast<size_t>(size);
  datagram->bytes = Bytes(buffer).first(std::min(datagram->length, buffer.size()));
  datagram->groups = is_netlink_ ? from.nl_groups : 0;
  return 0;
}

absl::Status Conn::Impl::ReceiveDatagram(Gate::Call& call, std::span<std::byte> buffer,
                                         Datagram* datagram) {
  return call.Run(Side::kRead, [&] { return ReceiveOnce(call.fd(), buffer, datagram); });
}

bool Conn::Impl::Belongs(const Header& header, const Answer& answer) const {
  if (answer.sequence == 0) {
    const uint32_t abandoned = abandoned_.load();
    return abandoned == 0 || header.sequence != abandoned;
  }
  return header.sequence == answer.sequence && IsAnswer(header);
}

absl::Status Conn::Impl::Visit(Gate::Call& call, const Datagram& datagram, Answer* answer,
                               absl::FunctionRef<Flow(const Message&)> visitor) {
  ++answer->result.datagrams;
  answer->result.bytes += datagram.bytes.size();
  if (datagram.bytes.empty()) {
    return ErrnoError(ECONNRESET, call.what(), "the other end of the socket is closed");
  }
  if (datagram.truncated()) {
    return ErrnoError(EMSGSIZE, call.what(), "a datagram is larger than Config::receive_buffer");
  }
  MessageCursor messages(datagram.bytes);
  for (Message message; messages.Next(&message);) {
    tracer_.Trace('<', message.header(), message.whole());
    NETDIAG_RETURN_IF_ERROR(VisitMessage(call, message, answer, visitor));
  }
  if (messages.malformed()) {
    return DamagedData(call.what(), "the length of a netlink message is wrong");
  }
  return absl::OkStatus();
}

absl::Status Conn::Impl::VisitMessage(Gate::Call& call, const Message& message, Answer* answer,
                                      absl::FunctionRef<Flow(const Message&)> visitor) {
  const Header& header = message.header();
  if (header.type == kTypeNoop) return absl::OkStatus();
  if (header.type == kTypeOverrun) {
    ++counters_.overruns;
    return ErrnoError(ENOBUFS, call.what(), "the kernel lost messages (NLMSG_OVERRUN)");
  }
  const bool belongs = Belongs(header, *answer);
  const bool ends = IsResult(header) || (!answer->acknowledged && !IsOfDump(header.sequence) &&
                                         (header.flags & kFlagMulti) == 0);
  if (ends && IsAnswer(header)) Ended(header.sequence);
  if (!belongs) {
    ++counters_.stale;
    return absl::OkStatus();
  }
  answer->ended |= ends;
  answer->result.interrupted |= (header.flags & kFlagDumpInterrupted) != 0;
  if (IsResult(header)) return ResultIn(message, call.what());
  if (answer->result.stopped) return absl::OkStatus();
  ++answer->result.messages;
  answer->result.stopped = visitor(message) == Flow::kStop;
  return absl::OkStatus();
}

void Conn::Impl::Ended(uint32_t sequence) {
  for (std::atomic<uint32_t>* waiting : {&dump_, &abandoned_, &open_}) {
    uint32_t expected = sequence;
    waiting->compare_exchange_strong(expected, 0);
  }
}

Answer Conn::Impl::OpenAnswer() {
  std::lock_guard lock(progress_mutex_);
  return open_.load() != 0 ? progress_ : Answer();
}

void Conn::Impl::StoreProgress(const Answer& answer, bool over) {
  std::lock_guard lock(progress_mutex_);
  if (answer.sequence == 0 || answer.sequence != progress_.sequence) return;
  progress_ = answer;
  if (over) {
    open_.store(0);
    AbandonDump();
  }
}

absl::Status Conn::Impl::ReceiveAnswer(Gate::Call& call, Answer* answer,
                                       absl::FunctionRef<Flow(const Message&)> visitor) {
  while (!answer->ended && !answer->result.stopped) {
    ReceiveBuffer::Use buffer(buffer_);
    Datagram datagram;
    NETDIAG_RETURN_IF_ERROR(ReceiveDatagram(call, buffer.bytes(), &datagram));
    NETDIAG_RETURN_IF_ERROR(Visit(call, datagram, answer, visitor));
  }
  return absl::OkStatus();
}

absl::Status Conn::Impl::Drain(Gate::Call& call, Side side, bool force) {
  while (force || abandoned_.load() != 0) {
    ReceiveBuffer::Use buffer(buffer_);
    Datagram datagram;
    int errnum = 0;
    NETDIAG_RETURN_IF_ERROR(call.Run(side, [&] {
      errnum = ReceiveOnce(call.fd(), buffer.bytes(), &datagram);
      return errnum == EINTR ? EINTR : 0;
    }));
    if (errnum == ENOBUFS) continue;  // counted; the queued datagrams are still there
    // Either nothing is left or the socket cannot be read; in that case the next call reports it.
    if (errnum != 0 || datagram.bytes.empty()) break;
    MessageCursor messages(datagram.bytes);
    for (Message message; messages.Next(&message);) {
      tracer_.Trace('<', message.header(), message.whole());
      ++counters_.stale;
      if (IsResult(message.header())) Ended(message.header().sequence);
    }
  }
  abandoned_.store(0);
  return absl::OkStatus();
}

// ---- Opening ----

Conn::Conn(std::unique_ptr<Impl> impl) : impl_(std::move(impl)), port_id_(impl_->port_id_) {}

Conn::~Conn() { Close(); }

absl::StatusOr<std::unique_ptr<Conn>> Conn::Dial(int family, Config config) {
  NETDIAG_ASSIGN_OR_RETURN(MnlSocket socket, OpenNetlink(family, config));
  return Impl::Make(std::move(socket), std::move(config));
}

absl::StatusOr<std::unique_ptr<Conn>> Conn::Adopt(int fd, Config config) {
  MnlSocket socket(mnl_socket_fdopen(fd));
  if (!socket) {
    const int errnum = errno;
    if (fd >= 0) close(fd);
    return ErrnoError(errnum, "adopting a socket");
  }
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
      fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
    return ErrnoError(errno, "adopting a socket");
  }
  return Impl::Make(std::move(socket), std::move(config));
}

absl::StatusOr<std::unique_ptr<Conn>> Conn::Dup(int fd, Config config) {
  const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return ErrnoError(errno, "duplicating a socket");
  return Adopt(copy, std::move(config));
}

absl::StatusOr<std::unique_ptr<Conn>> Conn::Impl::Make(MnlSocket socket, Config config) {
  const int fd = mnl_socket_get_fd(socket.get());
  NETDIAG_ASSIGN_OR_RETURN(const int domain, GetInt(fd, SOL_SOCKET, SO_DOMAIN));
  const bool is_netlink = domain == AF_NETLINK;
  NETDIAG_RETURN_IF_ERROR(Configure(fd, is_netlink, config));
  NetlinkAddress address;
  if (is_netlink) {
    NETDIAG_ASSIGN_OR_RETURN(address, AddressBy(getsockname, fd, "getsockname"));
  }
  internal::UniqueFd wake_fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_fd.ok()) return ErrnoError(errno, "eventfd");
  return std::unique_ptr<Conn>(new Conn(std::make_unique<Impl>(
      std::move(socket), std::move(wake_fd), is_netlink, address.port_id, std::move(config))));
}

// ---- Exchanges ----

absl::StatusOr<uint32_t> Conn::Send(Bytes request, const CallOptions& options) {
  Gate::Call call(&impl_->gate_, "netlink send", options);
  NETDIAG_RETURN_IF_ERROR(call.Check(Side::kWrite));
  const std::optional<Header> header = Load<Header>(request);
  // The kernel runs one dump per socket. If another thread has the turn, it drops the old dump.
  if (header && IsDump(*header)) impl_->AbandonDump();
  if (impl_->abandoned_.load() != 0) {
    Gate::Call drain(&impl_->gate_, call.what(), options);
    if (drain.TryTurn()) NETDIAG_RETURN_IF_ERROR(impl_->Drain(drain, Side::kWrite, false));
  }
  const uint32_t sequence = impl_->NextSequence();
  {
    std::lock_guard lock(impl_->progress_mutex_);
    impl_->progress_ = Answer();
    impl_->progress_.sequence = sequence;
    impl_->progress_.acknowledged = header && (header->flags & kFlagAck) != 0;
    impl_->open_.store(sequence);
  }
  NETDIAG_RETURN_IF_ERROR(impl_->SendRequest(call, request, sequence));
  return sequence;
}

// Visits a datagram as part of the answer to the last Send(). If `received` is an error, the answer
// is over.
absl::StatusOr<Ready> Conn::Impl::VisitOpen(Gate::Call& call, const absl::Status& received,
                                            const Datagram& datagram,
                                            absl::FunctionRef<Flow(const Message&)> visitor) {
  Answer answer = OpenAnswer();
  const absl::Status status = received.ok() ? Visit(call, datagram, &answer, visitor) : received;
  const bool over = answer.ended || answer.result.stopped || !status.ok();
  StoreProgress(answer, over);
  NETDIAG_RETURN_IF_ERROR(status);
  return over ? Ready::kDone : Ready::kSome;
}

absl::StatusOr<Ready> Conn::Receive(absl::FunctionRef<Flow(const Message&)> visitor,
                                    const CallOptions& options) {
  Gate::Call call(&impl_->gate_, "netlink receive", options);
  NETDIAG_RETURN_IF_ERROR(call.TakeTurn(Side::kRead));
  ReceiveBuffer::Use buffer(impl_->buffer_);
  Datagram datagram;
  const absl::Status received = impl_->ReceiveDatagram(call, buffer.bytes(), &datagram);
  // The call ended early; the answer is still open.
  if (IsTimeout(received) || absl::IsCancelled(received) || IsClosed(received)) return received;
  return impl_->VisitOpen(call, received, datagram, visitor);
}

absl::StatusOr<Ready> Conn::TryReceive(absl::FunctionRef<Flow(const Message&)> visitor) {
  const CallOptions no_options;
  Gate::Call call(&impl_->gate_, "netlink receive", no_options);
  NETDIAG_RETURN_IF_ERROR(call.Check(Side::kRead));
  NETDIAG_RETURN_IF_ERROR(call.CheckNotNested());
  if (!call.TryTurn()) return Ready::kWouldBlock;
  ReceiveBuffer::Use buffer(impl_->buffer_);
  Datagram datagram;
  const int errnum = impl_->ReceiveOnce(call.fd(), buffer.bytes(), &datagram);
  if (errnum == EAGAIN) return Ready::kWouldBlock;
  if (errnum == EINTR) return Ready::kSome;
  const absl::Status received = errnum == 0 ? absl::OkStatus() : ErrnoError(errnum, call.what());
  return impl_->VisitOpen(call, received, datagram, visitor);
}

absl::StatusOr<DumpResult> Conn::Dump(Bytes request,
                                      absl::FunctionRef<Flow(const Message&)> visitor,
                                      const CallOptions& options) {
  Gate::Call call(&impl_->gate_, "netlink dump", options);
  NETDIAG_RETURN_IF_ERROR(call.TakeTurn(Side::kRead));
  impl_->AbandonDump();
  NETDIAG_RETURN_IF_ERROR(impl_->Drain(call, Side::kRead, false));
  for (int retries = 0;; ++retries) {
    Answer answer;
    answer.sequence = impl_->NextSequence();
    NETDIAG_RETURN_IF_ERROR(impl_->SendRequest(call, request, answer.sequence));
    absl::Status status = impl_->ReceiveAnswer(call, &answer, visitor);
    impl_->AbandonDump();
    if (status.ok()) return answer.result;
    if (Errno(status) != EBUSY || !answer.ended || retries == kBusyRetries) return status;
    ++impl_->counters_.busy_retries;
    NETDIAG_RETURN_IF_ERROR(impl_->Drain(call, Side::kRead, true));
  }
}

absl::Status Conn::Execute(Bytes request, absl::FunctionRef<Flow(const Message&)> visitor,
                           const CallOptions& options) {
  Gate::Call call(&impl_->gate_, "netlink request", options);
  NETDIAG_RETURN_IF_ERROR(call.TakeTurn(Side::kRead));
  impl_->AbandonDump();
  NETDIAG_RETURN_IF_ERROR(impl_->Drain(call, Side::kRead, false));
  Answer answer;
  const std::optional<Header> header = Load<Header>(request);
  answer.acknowledged = header && (header->flags & kFlagAck) != 0;
  answer.sequence = impl_->NextSequence();
  NETDIAG_RETURN_IF_ERROR(impl_->SendRequest(call, request, answer.sequence));
  absl::Status status = impl_->ReceiveAnswer(call, &answer, visitor);
  impl_->AbandonDump();
  return status;
}

DumpResult Conn::progress() const {
  std::lock_guard lock(impl_->progress_mutex_);
  return impl_->progress_.result;
}

// ---- Raw bytes ----

absl::StatusOr<size_t> Conn::Read(std::span<std::byte> buffer, const CallOptions& options) {
  Gate::Call call(&impl_->gate_, "netlink read", options);
  NETDIAG_RETURN_IF_ERROR(call.TakeTurn(Side::kRead));
  Datagram datagram;
  NETDIAG_RETURN_IF_ERROR(impl_->ReceiveDatagram(call, buffer, &datagram));
  return datagram.length;
}

absl::StatusOr<size_t> Conn::Write(Bytes bytes, const CallOptions& options) {
  Gate::Call call(&impl_->gate_, "netlink write", options);
  iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  NETDIAG_RETURN_IF_ERROR(
      call.Run(Side::kWrite, [&] { return impl_->SendOnce(call.fd(), &message); }));
  return bytes.size();
}

absl::Status Conn::ReceiveDatagram(absl::FunctionRef<void(const Datagram&)> visitor,
                                   const CallOptions& options) {
  Gate::Call call(&impl_->gate_, "netlink receive", options);
  NETDIAG_RETURN_IF_ERROR(call.TakeTurn(Side::kRead));
  ReceiveBuffer::Use buffer(impl_->buffer_);
  Datagram datagram;
  NETDIAG_RETURN_IF_ERROR(impl_->ReceiveDatagram(call, buffer.bytes(), &datagram));
  visitor(datagram);
  return absl::OkStatus();
}

absl::Status Conn::SendTo(Bytes bytes, const NetlinkAddress& to, const CallOptions& options) {
  Gate::Call call(&impl_->gate_, "netlink send", options);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_pid = to.port_id;
  address.nl_groups = to.groups;
  iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = sizeof(address);
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  return call.Run(Side::kWrite, [&] { return impl_->SendOnce(call.fd(), &message); });
}

// ---- Deadlines and the end ----

void Conn::SetDeadline(std::optional<TimePoint> deadline) {
  impl_->gate_.SetDeadlines(true, true, deadline);
}
void Conn::SetReadDeadline(std::optional<TimePoint> deadline) {
  impl_->gate_.SetDeadlines(true, false, deadline);
}
void Conn::SetWriteDeadline(std::optional<TimePoint> deadline) {
  impl_->gate_.SetDeadlines(false, true, deadline);
}
void Conn::Close() { impl_->gate_.Close(); }

// ---- The socket ----

int Conn::fd() const { return impl_->gate_.fd(); }

absl::Status Conn::WithFd(absl::FunctionRef<absl::Status(int fd)> use) {
  const CallOptions no_options;
  Gate::Call call(&impl_->gate_, "netlink socket", no_options);
  if (!call.inside()) return ClosedError(call.what());
  return use(call.fd());
}

template <class T>
absl::StatusOr<T> Conn::Get(absl::FunctionRef<absl::StatusOr<T>(int fd)> get) {
  absl::StatusOr<T> value;
  const absl::Status status = WithFd([&](int fd) {
    value = get(fd);
    return value.status();
  });
  if (!status.ok()) return status;
  return value;
}

absl::StatusOr<NetlinkAddress> Conn::LocalAddress() {
  return Get<NetlinkAddress>([](int fd) { return AddressBy(getsockname, fd, "getsockname"); });
}

absl::StatusOr<NetlinkAddress> Conn::RemoteAddress() {
  return Get<NetlinkAddress>([](int fd) { return AddressBy(getpeername, fd, "getpeername"); });
}

absl::Status Conn::JoinGroup(uint32_t group) {
  return SetOption(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, static_cast<int>(group));
}

absl::Status Conn::LeaveGroup(uint32_t group) {
  return SetOption(SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, static_cast<int>(group));
}

absl::Status Conn::SetBPF(std::span<const BpfInstruction> program) {
  return WithFd([&](int fd) { return SetFilter(fd, program); });
}

absl::Status Conn::RemoveBPF() { return SetOption(SOL_SOCKET, SO_DETACH_FILTER, 0); }

absl::StatusOr<int> Conn::ReadBuffer() { return GetOption(SOL_SOCKET, SO_RCVBUF); }
absl::StatusOr<int> Conn::WriteBuffer() { return GetOption(SOL_SOCKET, SO_SNDBUF); }

absl::Status Conn::SetReadBuffer(int bytes) {
  return WithFd([&](int fd) { return SetReceiveSpace(fd, bytes); });
}

absl::Status Conn::SetWriteBuffer(int bytes) {
  return WithFd([&](int fd) { return SetSendSpace(fd, bytes); });
}

absl::StatusOr<int> Conn::GetOption(int level, int name) {
  return Get<int>([&](int fd) { return GetInt(fd, level, name); });
}

absl::Status Conn::SetOption(int level, int name, int value) {
  return WithFd([&](int fd) { return SetInt(fd, level, name, value, "setsockopt"); });
}

ConnStats Conn::stats() const {
  const Counters& counters = impl_->counters_;
  return {counters.foreign.load(), counters.stale.load(), counters.overruns.load(),
          counters.busy_retries.load()};
}

}  // namespace netdiag::netlink
