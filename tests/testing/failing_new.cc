#include "tests/testing/failing_new.h"

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <new>

namespace netdiag::testing {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
constinit std::atomic<int64_t> left = kNever;  // calls that succeed
constinit std::atomic<uint64_t> calls = 0;

void* TryAllocate(std::size_t size, std::size_t alignment) {
  calls.fetch_add(1, std::memory_order_relaxed);
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

FailingNew::FailingNew(uint64_t after) { left.store(static_cast<int64_t>(after)); }
FailingNew::~FailingNew() { left.store(kNever); }

uint64_t CallsOfNew() { return calls.load(); }

}  // namespace netdiag::testing

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
