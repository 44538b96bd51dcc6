// KernelTable: loads kernel_table.bpf.c into the kernel. Tested by
// tests/live/kernel_table_live_test.cc.

#include "netdiag/bpf/kernel_table.h"

#include <linux/capability.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <unistd.h>
#include <utility>

#include "netdiag/bpf/calls.h"
#include "netdiag/bpf/iterator.h"
#include "netdiag/bpf/kernel_table_format.h"
#include "netdiag/types/error.h"
#include "netdiag/types/proc_file.h"

namespace netdiag::bpf {
namespace {

namespace loads {
#include "netdiag/bpf/kernel_table.inc"
}
namespace copies {
#include "netdiag/bpf/kernel_table_copies.inc"
}

static_assert(sizeof(KernelTableQuestion) == 48 + kTableBesides / 8);
static_assert(sizeof(KernelTableEnd) == 16);

constexpr std::string_view kWhat = "BPF reading of the socket tables";

// Jiffies in a second. The coarse clock has the resolution of one.
uint32_t TicksPerSecond() {
  timespec resolution = {};
  if (clock_getres(CLOCK_MONOTONIC_COARSE, &resolution) != 0 || resolution.tv_nsec == 0) return 0;
  return static_cast<uint32_t>((1'000'000'000 + resolution.tv_nsec / 2) / resolution.tv_nsec);
}

uint32_t TablesOf(const KernelTable::Question& question) {
  if (question.protocol == Protocol::kUdp) return 1U << kTableUdp;
  uint32_t tables = 0;
  if (question.states.contains(State::kListen)) tables |= 1U << kTableListeners;
  if (!(question.states - State::kListen).empty()) tables |= 1U << kTableConnections;
  return tables;
}

KernelTableQuestion Encode(const KernelTable::Question& question) {
  KernelTableQuestion out = {};
  out.netns = question.netns.value();
  out.tables = TablesOf(question);
  out.states = question.states.bits();
  if (question.states.contains(State::kSynReceived)) {
    out.states |= StateSet(State::kNewSynReceived).bits();
  }
  out.families = (question.families.contains(Family::kInet) ? 1U : 0U) |
                 (question.families.contains(Family::kInet6) ? 2U : 0U);
  out.ext = question.extensions & KernelTable::kExtensions;
  out.depth = static_cast<uint16_t>(question.depth);
  out.marks = CheckCapability(CAP_NET_ADMIN, kWhat, "").ok() ? 1 : 0;
  out.hz = TicksPerSecond();
  out.keeps_uid = internal::KernelIsAtLeast(6, 17) ? 1 : 0;
  out.many = question.besides.empty() ? 0 : 1;
  for (const NetnsId netns : question.besides) {
    const uint32_t bit = netns.value() % kTableBesides;
    out.besides[bit / 64] |= uint64_t{1} << bit % 64;
  }
  out.part = question.part;
  out.parts = question.parts;
  out.local_port = question.local_port.value();
  out.remote_port = question.remote_port.ToNetwork();
  return out;
}

absl::Status Explain(uint32_t outcome) {
  switch (outcome) {
    case kTableWhole:
      return absl::OkStatus();
    case kTableNoNetns:
      return ErrnoError(ENOENT, kWhat, "the network namespace has ended");
    case kTableLacking:
      return ErrnoError(EOPNOTSUPP, kWhat, "this kernel has its tables in another form");
    default:
      return ErrnoError(EIO, kWhat, "a table could not be read");
  }
}

}  // namespace

absl::Status KernelTable::Check() {
#if !defined(__x86_64__)
  return ErrnoError(EOPNOTSUPP, kWhat, "relies on the order of loads of x86-64");
#endif
  return CheckIterator(kWhat);
}

bool KernelTable::IsByLoads() { return internal::KernelIsAtLeast(6, 6); }

absl::StatusOr<std::unique_ptr<KernelTable>> KernelTable::Load() {
  NETDIAG_RETURN_IF_ERROR(Check());
  internal::UniqueFd question, reading;
  const auto attach = [&](LoadedObject* maps) {
    question = maps->Take(".data.question");
    reading = maps->Take(".bss");
    return 0;
  };
  const std::span<const Loader> loaders =
      IsByLoads() ? std::span<const Loader>(loads::kLoaders) : copies::kLoaders;
  NETDIAG_ASSIGN_OR_RETURN(internal::UniqueFd link,
                           LoadIterator(kWhat, loaders, {.program = "ReadTable"}, attach));
  return std::unique_ptr<KernelTable>(
      new KernelTable(std::move(link), std::move(question), std::move(reading)));
}

KernelTable::KernelTable(internal::UniqueFd link, internal::UniqueFd question,
                         internal::UniqueFd reading)
    : link_(std::move(link)),
      question_(std::move(question)),
      reading_(std::move(reading)),
      buffer_(IteratorBufferSize()) {}

absl::Status KernelTable::Begin(const Question& question) {
  iterator_ = internal::UniqueFd();
  messages_.Begin(/*connections=*/question.protocol == Protocol::kTcp);
  const uint32_t key = 0;
  const KernelTableQuestion encoded = Encode(question);
  if (const int error = UpdateElement(question_.get(), &key, &encoded); error != 0) {
    return ErrnoError(-error, kWhat);
  }
  // Everything that the program knows of the reading before.
  const std::span<const LoaderMap> maps =
      IsByLoads() ? std::span<const LoaderMap>(loads::kMaps) : copies::kMaps;
  const auto variables = std::ranges::find(maps, std::string_view(".bss"), &LoaderMap::name);
  const std::vector<std::byte> zero(variables->value_size);
  if (const int error = UpdateElement(reading_.get(), &key, zero.data()); error != 0) {
    return ErrnoError(-error, kWhat);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> KernelTable::Read() {
  if (messages_.damaged()) return DamagedData(kWhat, "a message is incomplete");
  if (messages_.ended()) {
    iterator_ = internal::UniqueFd();
    NETDIAG_RETURN_IF_ERROR(Explain(messages_.end().outcome));
    return false;
  }
  // A pass has one call for each task. The reading goes on in the next pass.
  if (!iterator_.ok()) {
    NETDIAG_ASSIGN_OR_RETURN(iterator_, BeginPass(kWhat, link_.get()));
  }
  const ssize_t size = read(iterator_.get(), buffer_.data(), buffer_.size());
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (size < 0) return ErrnoError(errno, kWhat);
  if (size == 0) iterator_ = internal::UniqueFd();
  messages_.Take(std::span(buffer_).first(static_cast<size_t>(size)));
  return true;
}

}  // namespace netdiag::bpf
