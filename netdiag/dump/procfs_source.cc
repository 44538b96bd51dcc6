// Tested by tests/dump/procfs_source_test.cc, fuzzed by tests/fuzz/procfs_fuzz.cc.
//
// Source: proc_lines.h; ping_v4_format_sock(), packet_seq_show(), netlink_native_seq_show().

#include "netdiag/dump/procfs_source.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <unistd.h>
#include <utility>

#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/proc_lines.h"
#include "netdiag/dump/proc_words.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/netlink/request_builder.h"
#include "netdiag/types/address.h"
#include "netdiag/types/error.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag::internal {
namespace {

constexpr size_t kReadSize = size_t{64} * 1024;
// Far above what the kernel writes: its longest line is that of a unix socket, whose name has at
// most 108 bytes (sun_path). A longer line or name is damage.
constexpr size_t kMaxLine = 4096;
constexpr size_t kMaxName = 400;
// Times in /proc are in hundredths of a second (USER_HZ) on every architecture of Debian.
constexpr uint32_t kMillisecondsPerTick = 10;

// One line of tcp, udp, udplite, raw or icmp, or of the same for IPv6.
bool ParseInet(std::string_view line, Family family, inet_diag_msg* message) {
  const std::optional<ProcInetLine> parsed = ParseProcInetLine(line);
  if (!parsed || parsed->timer > 255 || parsed->local.address.family() != family ||
      parsed->remote.address.family() != family) {
    return false;
  }
  *message = {};
  message->idiag_family = static_cast<uint8_t>(family);
  const auto copy = [](const Endpoint& from, __be32(&address)[4], __be16* port) {
    std::memcpy(address, from.address.octets().data(), from.address.octets().size());
    *port = from.port.ToNetwork();
  };
  copy(parsed->local, message->id.idiag_src, &message->id.idiag_sport);
  copy(parsed->remote, message->id.idiag_dst, &message->id.idiag_dport);
  message->idiag_state = parsed->state;
  message->idiag_wqueue = parsed->send_queue;
  message->idiag_rqueue = parsed->receive_queue;
  message->idiag_uid = parsed->uid;
  message->idiag_inode = parsed->inode.value();
  message->idiag_timer = static_cast<uint8_t>(parsed->timer);
  message->idiag_expires = parsed->ticks * kMillisecondsPerTick;
  message->idiag_retrans =
      static_cast<uint8_t>(parsed->timer == 1 ? parsed->retransmits : parsed->probes);
  return true;
}

struct UnixLine {
  unix_diag_msg message = {};
  std::string_view name;  // as printed: '@' stands for the NUL of an abstract name
};

bool ParseUnix(std::string_view line, UnixLine* out) {
  const std::optional<ProcUnixLine> parsed = ParseProcUnixLine(line);
  if (!parsed || parsed->type > 255) return false;
  out->message.udiag_ino = parsed->inode.value();
  out->message.udiag_family = AF_UNIX;
  out->message.udiag_type = static_cast<uint8_t>(parsed->type);
  const State shown = (parsed->flags & kProcUnixAccepts) != 0 ? State::kListen
                      : parsed->state == kProcUnixConnected   ? State::kEstablished
                                                              : State::kClose;
  out->message.udiag_state = static_cast<uint8_t>(shown);
  out->name = parsed->name;
  return true;
}

// One line of packet.
struct PacketLine {
  packet_diag_msg message = {};
  uint32_t interface = 0;
  uint32_t rmem = 0;
  uint32_t uid = 0;
};

bool ParsePacket(std::string_view line, PacketLine* out) {
  ProcWords words(line);
  words.Word();  // address of the socket
  words.Word();  // references
  const auto type = words.Number<uint32_t>(10);
  out->message.pdiag_num = words.Number<uint16_t>(16);
  out->interface = words.Number<uint32_t>(10);
  words.Word();  // "running", a flag of the struct of which PutPacket() writes the first field
  out->rmem = words.Number<uint32_t>(10);
  out->uid = words.Number<uint32_t>(10);
  out->message.pdiag_ino = words.Number<uint32_t>(10);
  out->message.pdiag_family = AF_PACKET;
  out->message.pdiag_type = static_cast<uint8_t>(type);
  return words.ok() && type < 256;
}

void PutPacket(const PacketLine& line, netlink::RequestBuilder* builder) {
  builder->Put(line.message);
  // /proc shows the first field of the struct only.
  builder->Attribute(PACKET_DIAG_INFO, line.interface);
  builder->Attribute(PACKET_DIAG_UID, line.uid);
  builder->Attribute(PACKET_DIAG_MEMINFO, line.rmem);
}

// One line of netlink. It shows neither the socket's type nor its destination.
struct NetlinkLine {
  netlink_diag_msg message = {};
  uint32_t groups = 0;
  uint32_t rmem = 0;
};

bool ParseNetlink(std::string_view line, NetlinkLine* out) {
  ProcWords words(line);
  words.Word();  // address of the socket
  out->message.ndiag_protocol = words.Number<uint8_t>(10);
  out->message.ndiag_portid = words.Number<uint32_t>(10);
  out->groups = words.Number<uint32_t>(16);
  out->rmem = words.Number<uint32_t>(10);
  words.Number<uint32_t>(
      10);  // wmem: its attribute needs fields before it that /proc does not show
  words.Number<uint32_t>(10);  // a dump is running
  words.Word();                // references
  words.Word();                // drops
  out->message.ndiag_ino = words.Number<uint32_t>(10);
  out->message.ndiag_family = AF_NETLINK;
  return words.ok();
}

void PutNetlink(const NetlinkLine& line, netlink::RequestBuilder* builder) {
  builder->Put(line.message);
  builder->Attribute(NETLINK_DIAG_MEMINFO, line.rmem);
  builder->Attribute(NETLINK_DIAG_GROUPS, line.groups);
}

}  // namespace

class ProcfsSource::Impl {
 public:
  struct File {
    UniqueFd fd;
    Family family;
  };

  explicit Impl(const Table& table) : table_(table) { carry_.reserve(kReadSize + kMaxLine); }
  void Add(int fd, Family family) { files_.push_back({UniqueFd(fd), family}); }
  bool has_files() const { return !files_.empty(); }

  absl::StatusOr<netlink::Ready> Step(MessageVisitor visitor) {
    if (current_ == files_.size()) return netlink::Ready::kDone;
    const size_t kept = carry_.size();
    carry_.resize(kept + kReadSize);
    ssize_t got = 0;
    do {
      got = read(files_[current_].fd.get(), carry_.data() + kept, kReadSize);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
      const int errnum = errno;
      return ErrnoError(errnum, "read /proc/net for " + Text(table_));
    }
    carry_.resize(kept + static_cast<size_t>(got));
    if (got == 0) return EndOfFile(visitor);
    return VisitLines(visitor) == Flow::kStop ? netlink::Ready::kDone : netlink::Ready::kSome;
  }

  SourceStats stats() const { return stats_; }

 private:
  // What a line is.
  enum class Line : uint8_t { kRow, kSkipped, kDamaged };

  absl::StatusOr<netlink::Ready> EndOfFile(MessageVisitor visitor) {
    const bool stop = !carry_.empty() && VisitLine(carry_, visitor) == Flow::kStop;
    carry_.clear();
    header_seen_ = dropping_ = false;
    ++current_;
    // A name of a unix socket can have newlines, so that its line is cut and its rest looks like
    // another line. The rest seldom parses; that it does not is all that shows the damage.
    if (table_.protocol == Protocol::kUnix && stats_.damaged > 0 && !stop) {
      return ErrnoError(EBADMSG, "/proc/net for " + Text(table_),
                        std::to_string(stats_.damaged) +
                            " lines do not parse, as after a newline in a name, so sockets may be "
                            "missing and names may be cut");
    }
    return stop || current_ == files_.size() ? netlink::Ready::kDone : netlink::Ready::kSome;
  }

  Flow VisitLines(MessageVisitor visitor) {
    size_t start = 0;
    Flow flow = Flow::kContinue;
    for (size_t end = 0; flow == Flow::kContinue && (end = carry_.find('\n', start)) != carry_.npos;
         start = end + 1) {
      flow = VisitLine(std::string_view(carry_).substr(start, end - start), visitor);
    }
    carry_.erase(0, start);
    if (carry_.size() > kMaxLine) {
      if (!std::exchange(dropping_, true) && header_seen_) ++stats_.damaged;
      carry_.clear();
    }
    return flow;
  }

  Flow VisitLine(std::string_view line, MessageVisitor visitor) {
    const bool header = !std::exchange(header_seen_, true);
    const bool dropped = std::exchange(dropping_, false);
    if (header || dropped) return Flow::kContinue;
    std::array<std::byte, 512> storage;
    netlink::RequestBuilder builder(storage);
    const Line what = line.size() > kMaxLine ? Line::kDamaged : Encode(line, &builder);
    if (what == Line::kSkipped) return Flow::kContinue;
    const absl::StatusOr<Bytes> bytes = builder.Finish();
    if (what == Line::kDamaged || !bytes.ok()) {
      ++stats_.damaged;
      return Flow::kContinue;
    }
    netlink::MessageCursor cursor(*bytes);
    netlink::Message message;
    return cursor.Next(&message) ? visitor(message) : Flow::kContinue;
  }

  Line Encode(std::string_view line, netlink::RequestBuilder* builder) const {
    builder->Header(netlink::abi::kSockDiagByFamily, netlink::kFlagMulti);
    switch (table_.protocol) {
      case Protocol::kUnix:
        return EncodeUnix(line, builder);
      case Protocol::kPacket: {
        PacketLine parsed;
        if (!ParsePacket(line, &parsed)) return Line::kDamaged;
        PutPacket(parsed, builder);
        return Line::kRow;
      }
      case Protocol::kNetlink: {
        NetlinkLine parsed;
        if (!ParseNetlink(line, &parsed)) return Line::kDamaged;
        PutNetlink(parsed, builder);
        return Line::kRow;
      }
      default: {
        inet_diag_msg message;
        if (!ParseInet(line, files_[current_].family, &message)) return Line::kDamaged;
        builder->Put(message);
        return Line::kRow;
      }
    }
  }

  static Line EncodeUnix(std::string_view line, netlink::RequestBuilder* builder) {
    UnixLine parsed;
    if (!ParseUnix(line, &parsed)) return Line::kDamaged;
    // The server's end of a connection that waits for accept(). The kernel's dump omits it too.
    if (parsed.message.udiag_ino == 0) return Line::kSkipped;
    builder->Put(parsed.message);
    if (parsed.name.empty()) return Line::kRow;
    // As the kernel sends it: abstract names begin with NUL, paths end with NUL.
    std::array<char, kMaxName + 1> name;
    if (parsed.name.size() > kMaxName) return Line::kDamaged;
    char* end = std::ranges::copy(parsed.name, name.begin()).out;
    if (name.front() == '@') {
      name.front() = '\0';
    } else {
      *end++ = '\0';
    }
    builder->Attribute(UNIX_DIAG_NAME, std::as_bytes(std::span(name.data(), end)));
    return Line::kRow;
  }

  Table table_;
  std::vector<File> files_;
  size_t current_ = 0;
  bool header_seen_ = false;
  bool dropping_ = false;  // until the end of a line that is too long
  std::string carry_;  // bytes that were read and not yet visited: at most one read and one line
  SourceStats stats_;
};

ProcfsSource::ProcfsSource(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ProcfsSource::ProcfsSource(ProcfsSource&&) noexcept = default;
ProcfsSource& ProcfsSource::operator=(ProcfsSource&&) noexcept = default;
ProcfsSource::~ProcfsSource() = default;

absl::StatusOr<ProcfsSource> ProcfsSource::Open(const DumpRequest& request, Opener open) {
  const TableInfo& info = Describe(request.table.protocol);
  if (info.proc_file.empty()) {
    return ErrnoError(ENOENT, "/proc/net for " + Text(request.table),
                      "/proc/net does not list these sockets");
  }
  auto impl = std::make_unique<Impl>(request.table);
  const auto add = [&](Family family, std::string_view file) -> absl::Status {
    if (!request.table.families.contains(family)) return absl::OkStatus();
    const absl::StatusOr<int> fd = open(file);
    // A kernel without IPv6 has neither the file nor such sockets.
    if (family == Family::kInet6 && impl->has_files() && Errno(fd.status()) == ENOENT) {
      return absl::OkStatus();
    }
    NETDIAG_RETURN_IF_ERROR(fd.status());
    impl->Add(*fd, family);
    return absl::OkStatus();
  };
  for (const Family family : {Family::kUnix, Family::kNetlink, Family::kPacket, Family::kInet}) {
    NETDIAG_RETURN_IF_ERROR(add(family, info.proc_file));
  }
  NETDIAG_RETURN_IF_ERROR(add(Family::kInet6, info.proc_file6));
  return ProcfsSource(std::move(impl));
}

absl::StatusOr<netlink::Ready> ProcfsSource::Step(const StepOptions& /*how*/,
                                                  MessageVisitor visitor) {
  return impl_->Step(visitor);
}
SourceStats ProcfsSource::stats() const { return impl_->stats(); }

}  // namespace netdiag::internal
