// The thread copies the messages of each datagram into a chunk of memory that is used again. It
// waits while more bytes wait to be visited than the limit allows. Tested by
// tests/dump/ahead_source_test.cc, under tsan too.

#include "netdiag/dump/ahead_source.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"

#include "netdiag/netlink/wire.h"
#include "netdiag/types/error.h"
#include "netdiag/types/quiet_thread.h"

namespace netdiag::internal {
namespace {

// The largest datagram of a dump, padding included, in bytes.
constexpr size_t kDatagramSize = size_t{36} << 10;
// The distance in messages between prefetch and visit: long enough for the memory to answer, short
// enough for the first cache.
constexpr size_t kPrefetchDistance = 8;

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

  // REQUIRES: Start() failed.
  NetlinkSource TakeBack() { return std::move(source_); }

  absl::StatusOr<netlink::Ready> Step(const StepOptions& how, MessageVisitor visitor);
  SourceStats stats() const {
    const std::lock_guard lock(mutex_);
    return stats_;
  }

 private:
  using Chunk = std::vector<std::byte>;

  void Run();
  bool Put(Chunk chunk, const absl::StatusOr<netlink::Ready>& ready);

  // Used by the thread only.
  NetlinkSource source_;
  netlink::CallOptions call_;
  const size_t limit_;
  std::stop_source stop_;

  mutable std::mutex mutex_;
  std::condition_variable room_;  // the thread may go on
  std::condition_variable some_;  // there is a chunk to visit, or the dump is over
  std::deque<Chunk> waiting_;
  std::vector<Chunk> free_;
  size_t bytes_ = 0;        // in waiting_
  bool abandoned_ = false;  // the source is being destroyed
  bool over_ = false;       // end_ is the last result
  absl::StatusOr<netlink::Ready> end_ = netlink::Ready::kDone;
  SourceStats stats_;

  std::thread thread_;
};

void AheadSource::Impl::Run() {
  // The caller's stop token ends the thread, and so does the destructor.
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
    const absl::StatusOr<netlink::Ready> ready =
        source_.Step({.wait = Wait::kBlock, .call = call}, keep);
    if (!Put(std::move(chunk), ready)) return;
    const std::lock_guard lock(mutex_);
    chunk.clear();
    if (free_.empty()) continue;
    chunk = std::move(free_.back());
    free_.pop_back();
  }
}

// Queues what a step gave, and waits for room. False if the thread must end.
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

absl::StatusOr<netlink::Ready> AheadSource::Impl::Step(const StepOptions& how,
                                                       MessageVisitor visitor) {
  Chunk chunk;
  {
    std::unique_lock lock(mutex_);
    some_.wait(lock, [this] { return !waiting_.empty() || over_; });
    if (waiting_.empty()) return end_;
    chunk = std::move(waiting_.front());
    waiting_.pop_front();
  }
  netlink::MessageCursor messages(chunk), ahead(chunk);
  bool stopped = false;
  netlink::Message message;
  for (size_t i = 0; i < kPrefetchDistance && ahead.Next(&message); ++i) how.prefetch(message);
  while (!stopped && messages.Next(&message)) {
    stopped = visitor(message) == Flow::kStop;
    if (ahead.Next(&message)) how.prefetch(message);
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

absl::StatusOr<netlink::Ready> AheadSource::Step(const StepOptions& how, MessageVisitor visitor) {
  return impl_->Step(how, visitor);
}
SourceStats AheadSource::stats() const { return impl_->stats(); }

}  // namespace netdiag::internal
