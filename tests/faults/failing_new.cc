// A library for LD_PRELOAD: operator new fails in the program from main() on, after the number of
// calls in NETDIAG_FAIL_AFTER. Static initializers come before main(), and their allocations
// succeed.

#include <cstddef>
#include <cstdlib>
#include <dlfcn.h>
#include <new>

namespace {

using Main = int (*)(int, char**, char**);
using StartMain = int (*)(Main, int, char**, void (*)(), void (*)(), void (*)(), void*);

Main real_main = nullptr;
long left = -1;  // calls that succeed; -1: all

int CountingMain(int argc, char** argv, char** environment) {
  if (const char* const after = std::getenv("NETDIAG_FAIL_AFTER")) left = std::atol(after);
  return real_main(argc, argv, environment);
}

void* Allocate(std::size_t size) {
  if (left == 0) return nullptr;
  if (left > 0) --left;
  return std::malloc(size == 0 ? 1 : size);
}

}  // namespace

// What the program's entry point calls. Source: glibc, csu/libc-start.c.
extern "C" int __libc_start_main(Main main, int argc, char** argv, void (*init)(), void (*fini)(),
                                 void (*linker_fini)(), void* stack);
int __libc_start_main(Main main, int argc, char** argv, void (*init)(), void (*fini)(),
                      void (*linker_fini)(), void* stack) {
  real_main = main;
  const auto start = reinterpret_cast<StartMain>(dlsym(RTLD_NEXT, "__libc_start_main"));
  return start(CountingMain, argc, argv, init, fini, linker_fini, stack);
}

void* operator new(std::size_t size) {
  void* const memory = Allocate(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void* operator new[](std::size_t size) { return operator new(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return Allocate(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return Allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
