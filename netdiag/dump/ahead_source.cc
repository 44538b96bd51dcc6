// The thread copies the messages of each datagram into a chunk of memory that is used again. It
// waits while more bytes wait to be visited than the limit allows. Tested by
// tests/dump/ahead_source_test.cc, under tsan too.

#include "netdiag/dump/ahead_source.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>
#include <variant>
#include <vector>

#include "absl/cleanup/cleanup.h"
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

using Chunk = std::vector<std::byte>;

// The chunks between the thread that reads and the caller that visits them. Once a chunk has been
// visited, its memory is used again.
// Threads: Put(), Spare() and End() are called by the thread that reads, everything else by the
// caller.
class ChunkQueue {
 public:
  explicit ChunkQueue(size_t limit) : limit_(limit) {}

  // Adds a chunk and the result of the step that filled it, then waits until less than `limit`
  // bytes wait to be visited. False if nothing more may be put: the result was the last one, or the
  // queue was abandoned.
  bool Put(Chunk chunk, const absl::StatusOr<netlink::Ready>& ready, const SourceStats& stats);
  // An empty chunk, with memory if one was given back.
  Chunk Spare();

  // Waits for the next chunk; nullopt if there are no more, and then end() is the last result.
  std::optional<Chunk> Take();
  bool has_chunk() const;
  void GiveBack(Chunk chunk);
  absl::StatusOr<netlink::Ready> end() const;
  SourceStats stats() const;
  // Put() returns at once from now on.
  void Abandon();
  // Nothing will be put any more. Makes the end if the last result was not one.
  void End();

 private:
  const size_t limit_;
  mutable std::mutex mutex_;
  std::condition_variable room_;  // Put() may return
  std::condition_variable some_;  // there is a chunk to visit, or the dump is over
  std::deque<Chunk> waiting_;
  std::vector<Chunk> free_;
  size_t bytes_ = 0;  // in chunks that were put and not given back
  bool abandoned_ = false;
  std::optional<absl::StatusOr<netlink::Ready>> end_;  // the last result, once the dump is over
  SourceStats stats_;
};

bool ChunkQueue::Put(Chunk chunk, const absl::StatusOr<netlink::Ready>& ready,
                     const SourceStats& stats) {
  std::unique_lock lock(mutex_);
  stats_ = stats;
  if (!ready.ok() || *ready == netlink::Ready::kDone) end_ = ready;
  if (!chunk.empty()) {
    bytes_ += chunk.size();
    waiting_.push_back(std::move(chunk));
  }
  some_.notify_one();
  if (end_) return false;
  room_.wait(lock, [this] { return bytes_ < limit_ || abandoned_; });
  return !abandoned_;
}

Chunk ChunkQueue::Spare() {
  const std::lock_guard lock(mutex_);
  if (free_.empty()) return {};
  Chunk chunk = std::move(free_.back());
  free_.pop_back();
  return chunk;
}

std::optional<Chunk> ChunkQueue::Take() {
  std::unique_lock lock(mutex_);
  some_.wait(lock, [this] { return !waiting_.empty() || end_; });
  if (waiting_.empty()) return std::nullopt;
  Chunk chunk = std::move(waiting_.front());
  waiting_.pop_front();
  return chunk;
}

bool ChunkQueue::has_chunk() const {
  const std::lock_guard lock(mutex_);
  return !waiting_.empty();
}

void ChunkQueue::GiveBack(Chunk chunk) {
  const std::lock_guard lock(mutex_);
  bytes_ -= chunk.size();
  chunk.clear();
  free_.push_back(std::move(chunk));
  room_.notify_one();
}

absl::StatusOr<netlink::Ready> ChunkQueue::end() const {
  const std::lock_guard lock(mutex_);
  return end_ ? *end_ : netlink::Ready::kSome;
}

SourceStats ChunkQueue::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void ChunkQueue::End() {
  const std::lock_guard lock(mutex_);
  if (!end_) end_ = netlink::Ready::kDone;
  some_.notify_one();
}

void ChunkQueue::Abandon() {
  const std::lock_guard lock(mutex_);
  abandoned_ = true;
  room_.notify_one();
}

}  // namespace

class AheadSource::Impl {
 public:
  using AnySource = std::variant<NetlinkSource, KernelTableSource>;

  Impl(AnySource source, const netlink::CallOptions& call, size_t limit)
      : source_(std::move(source)), call_(call), queue_(limit) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    stop_.request_stop();
    queue_.Abandon();
  }

  absl::Status Start() {
    NETDIAG_ASSIGN_OR_RETURN(thread_, StartQuietThread([this] {
                               const absl::Cleanup end = [this] { queue_.End(); };
                               Run();
                             }));
    return absl::OkStatus();
  }

  // REQUIRES: Start() failed.
  AnySource TakeBack() { return std::move(source_); }
  // Starts the thread. If that fails, *source is as it was.
  template <class S>
  static absl::StatusOr<AheadSource> Start(S* source, const netlink::CallOptions& call,
                                           size_t limit) {
    auto impl = std::make_unique<Impl>(std::move(*source), call, limit);
    const absl::Status status = impl->Start();
    if (status.ok()) return AheadSource(std::move(impl));
    *source = std::get<S>(impl->TakeBack());
    return status;
  }

  absl::StatusOr<netlink::Ready> Step(const StepOptions& how, MessageVisitor visitor);
  bool has_chunk() const { return queue_.has_chunk(); }
  SourceStats stats() const { return queue_.stats(); }

 private:
  void Run();

  AnySource source_;  // used by the thread only
  netlink::CallOptions call_;
  std::stop_source stop_;
  ChunkQueue queue_;
  QuietThread thread_;  // last, so that it ends first
};

void AheadSource::Impl::Run() {
  // The caller's stop token ends the thread, and so does the destructor.
  const std::stop_callback stopped(call_.stop, [this] { stop_.request_stop(); });
  const netlink::CallOptions call = {.deadline = call_.deadline, .stop = stop_.get_token()};
  for (bool more = true; more;) {
    Chunk chunk = queue_.Spare();
    chunk.reserve(kDatagramSize);
    const auto keep = [&](const netlink::Message& message) {
      const Bytes whole = message.whole();
      chunk.insert(chunk.end(), whole.begin(), whole.end());
      chunk.resize(netlink::Align(chunk.size()));
      return Flow::kContinue;
    };
    const auto step = [&](auto& source) {
      const StepOptions how = {.wait = Wait::kBlock, .call = call};
      const absl::StatusOr<netlink::Ready> ready = source.Step(how, keep);
      more = queue_.Put(std::move(chunk), ready, source.stats());
    };
    std::visit(step, source_);
  }
}

absl::StatusOr<netlink::Ready> AheadSource::Impl::Step(const StepOptions& how,
                                                       MessageVisitor visitor) {
  std::optional<Chunk> chunk = queue_.Take();
  if (!chunk) {
    if (thread_.joinable()) thread_.join();  // throws what ended the thread
    return queue_.end();
  }
  netlink::MessageCursor messages(*chunk), ahead(*chunk);
  bool stopped = false;
  netlink::Message message;
  for (size_t i = 0; i < kPrefetchDistance && ahead.Next(&message); ++i) how.prefetch(message);
  while (!stopped && messages.Next(&message)) {
    stopped = visitor(message) == Flow::kStop;
    if (ahead.Next(&message)) how.prefetch(message);
  }
  queue_.GiveBack(*std::move(chunk));
  return stopped ? netlink::Ready::kDone : netlink::Ready::kSome;
}

absl::StatusOr<AheadSource> AheadSource::Start(NetlinkSource* source,
                                               const netlink::CallOptions& call, size_t limit) {
  return Impl::Start(source, call, limit);
}
absl::StatusOr<AheadSource> AheadSource::Start(KernelTableSource* source,
                                               const netlink::CallOptions& call, size_t limit) {
  return Impl::Start(source, call, limit);
}

AheadSource::AheadSource(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AheadSource::AheadSource(AheadSource&&) noexcept = default;
AheadSource& AheadSource::operator=(AheadSource&&) noexcept = default;
AheadSource::~AheadSource() = default;

absl::StatusOr<netlink::Ready> AheadSource::Step(const StepOptions& how, MessageVisitor visitor) {
  return impl_->Step(how, visitor);
}
bool AheadSource::has_chunk() const { return impl_->has_chunk(); }
SourceStats AheadSource::stats() const { return impl_->stats(); }

}  // namespace netdiag::internal
