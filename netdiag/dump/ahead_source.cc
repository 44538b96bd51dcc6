// A dump read on a thread of its own. Datagrams' messages are copied into buffers that are used
// again; no more of them wait than the limit says, and the reader waits for room.
// Tested by tests/dump/ahead_source_test.cc, under tsan too.

#include <condition_variable>
#include <deque>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include "netdiag/dump/source.h"
#include "netdiag/types/quiet_thread.h"

namespace netdiag::internal {
namespace {

// A dump's datagrams are of this size at most, padding included.
constexpr size_t kDatagramSize = size_t{36} << 10;
// Messages that are shown ahead: enough for the memory, and few enough for the first cache.
constexpr size_t kForeseen = 8;

}  // namespace

class AheadSource::Impl {
 public:
  Impl(NetlinkSource source, const netlink::CallOptions& call, size_t limit)
      : source_(std::move(source)), call_(call), limit_(limit) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    stop_.request_stop();
    {
      const std::lock_guard lock(mutex_);
      abandoned_ = true;
    }
    room_.notify_one();
    if (thread_.joinable()) thread_.join();
  }

  absl::Status Start() {
    NETDIAG_ASSIGN_OR_RETURN(thread_, StartQuietThread([this] { Run(); }));
    return absl::OkStatus();
  }

  // Of an Impl that has not started.
  NetlinkSource TakeBack() { return std::move(source_); }

  absl::StatusOr<netlink::Ready> Step(MessageVisitor visitor,
                                      absl::FunctionRef<void(const netlink::Message&)> foresee);
  SourceStats stats() const {
    const std::lock_guard lock(mutex_);
    return stats_;
  }

 private:
  using Chunk = std::vector<std::byte>;

  void Run();
  bool Put(Chunk chunk, const absl::StatusOr<netlink::Ready>& ready);

  // The thread's.
  NetlinkSource source_;
  netlink::CallOptions call_;
  const size_t limit_;
  std::stop_source stop_;

  mutable std::mutex mutex_;
  std::condition_variable room_;  // the reader may go on
  std::condition_variable some_;  // there is something to visit
  std::deque<Chunk> waiting_;
  std::vector<Chunk> free_;
  size_t bytes_ = 0;  // in waiting_
  bool abandoned_ = false;
  bool over_ = false;
  absl::StatusOr<netlink::Ready> end_ = netlink::Ready::kDone;
  SourceStats stats_;

  std::thread thread_;
};

void AheadSource::Impl::Run() {
  // Whoever stops the call stops the reader, and so does the source's end.
  const std::stop_callback stopped(call_.stop, [this] { stop_.request_stop(); });
  const netlink::CallOptions call = {.deadline = call_.deadline, .stop = stop_.get_token()};
  for (Chunk chunk;;) {
    chunk.reserve(kDatagramSize);
    const auto keep = [&](const netlink::Message& message) {
      const Bytes whole = message.whole();
      chunk.insert(chunk.end(), whole.begin(), whole.end());
      chunk.resize(netlink::Align(chunk.size()));
      return Flow::kContinue;
    };
    const absl::StatusOr<netlink::Ready> ready = source_.Step(Wait::kBlock, call, keep);
    if (!Put(std::move(chunk), ready)) return;
    const std::lock_guard lock(mutex_);
    chunk.clear();
    if (free_.empty()) continue;
    chunk = std::move(free_.back());
    free_.pop_back();
  }
}

// Whether to go on.
bool AheadSource::Impl::Put(Chunk chunk, const absl::StatusOr<netlink::Ready>& ready) {
  std::unique_lock lock(mutex_);
  stats_ = source_.stats();
  over_ = !ready.ok() || *ready == netlink::Ready::kDone;
  if (over_) end_ = ready;
  if (!chunk.empty()) {
    bytes_ += chunk.size();
    waiting_.push_back(std::move(chunk));
  }
  some_.notify_one();
  if (over_) return false;
  room_.wait(lock, [this] { return bytes_ < limit_ || abandoned_; });
  return !abandoned_;
}

absl::StatusOr<netlink::Ready> AheadSource::Impl::Step(
    MessageVisitor visitor, absl::FunctionRef<void(const netlink::Message&)> foresee) {
  Chunk chunk;
  {
    std::unique_lock lock(mutex_);
    some_.wait(lock, [this] { return !waiting_.empty() || over_; });
    if (waiting_.empty()) return end_;
    chunk = std::move(waiting_.front());
    waiting_.pop_front();
  }
  netlink::MessageCursor messages(chunk), foreseen(chunk);
  bool stopped = false;
  netlink::Message message;
  for (size_t i = 0; i < kForeseen && foreseen.Next(&message); ++i) foresee(message);
  while (!stopped && messages.Next(&message)) {
    stopped = visitor(message) == Flow::kStop;
    if (foreseen.Next(&message)) foresee(message);
  }
  const std::lock_guard lock(mutex_);
  bytes_ -= chunk.size();
  chunk.clear();
  free_.push_back(std::move(chunk));
  room_.notify_one();
  return stopped ? netlink::Ready::kDone : netlink::Ready::kSome;
}

absl::StatusOr<AheadSource> AheadSource::Start(NetlinkSource* source,
                                               const netlink::CallOptions& call, size_t limit) {
  auto impl = std::make_unique<Impl>(std::move(*source), call, limit);
  const absl::Status status = impl->Start();
  if (status.ok()) return AheadSource(std::move(impl));
  *source = impl->TakeBack();
  return status;
}

AheadSource::AheadSource(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AheadSource::AheadSource(AheadSource&&) noexcept = default;
AheadSource& AheadSource::operator=(AheadSource&&) noexcept = default;
AheadSource::~AheadSource() = default;

absl::StatusOr<netlink::Ready> AheadSource::Step(
    MessageVisitor visitor, absl::FunctionRef<void(const netlink::Message&)> foresee) {
  return impl_->Step(visitor, foresee);
}
SourceStats AheadSource::stats() const { return impl_->stats(); }

}  // namespace netdiag::internal
