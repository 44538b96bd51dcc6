#include "tests/testing/alloc_counter.h"

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <new>

namespace netdiag::testing {
namespace {

constinit thread_local uint64_t thread_count = 0;
constinit thread_local uint64_t thread_bytes = 0;
constinit std::atomic<uint64_t> process_count = 0;
constinit std::atomic<uint64_t> process_bytes = 0;

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
constinit std::atomic<int64_t> left = kNever;  // calls that succeed

void* TryAllocate(std::size_t size, std::size_t alignment) {
  ++thread_count;
  thread_bytes += size;
  process_count.fetch_add(1, std::memory_order_relaxed);
  process_bytes.fetch_add(size, std::memory_order_relaxed);
  if (left.load(std::memory_order_relaxed) != kNever && left.fetch_sub(1) <= 0) return nullptr;
  if (alignment <= alignof(std::max_align_t)) return std::malloc(size == 0 ? 1 : size);
  void* memory = nullptr;
  return posix_memalign(&memory, alignment, size) == 0 ? memory : nullptr;
}

void* Allocate(std::size_t size, std::size_t alignment) {
  void* const memory = TryAllocate(size, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

AllocCounter::AllocCounter(Scope scope) : scope_(scope), start_(Now(scope)) {}

AllocCounter::Totals AllocCounter::Now(Scope scope) {
  if (scope == Scope::kThread) return {thread_count, thread_bytes};
  return {process_count.load(), process_bytes.load()};
}

uint64_t AllocCounter::count() const { return Now(scope_).count - start_.count; }

uint64_t AllocCounter::bytes() const { return Now(scope_).bytes - start_.bytes; }

FailingNew::FailingNew(uint64_t after) { left.store(static_cast<int64_t>(after)); }

FailingNew::~FailingNew() { left.store(kNever); }

}  // namespace netdiag::testing

// The other forms (arrays, nothrow) call these by default, but not under a sanitizer, which has its
// own of each form and wants new and delete of one kind.
using netdiag::testing::Allocate;
using netdiag::testing::TryAllocate;
using std::align_val_t;
using std::nothrow_t;
using std::size_t;

void* operator new(size_t size) { return Allocate(size, 0); }
void* operator new[](size_t size) { return Allocate(size, 0); }
void* operator new(size_t size, const nothrow_t&) noexcept { return TryAllocate(size, 0); }
void* operator new[](size_t size, const nothrow_t&) noexcept { return TryAllocate(size, 0); }
void* operator new(size_t size, align_val_t to) { return Allocate(size, size_t(to)); }
void* operator new[](size_t size, align_val_t to) { return Allocate(size, size_t(to)); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, const nothrow_t&) noexcept { std::free(memory); }
void operator delete(void* memory, align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, size_t, align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t, align_val_t) noexcept { std::free(memory); }
