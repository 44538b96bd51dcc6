// netdiag/c/border.h — Internal. What every function of the C interface does at its border: it
// checks the sizes of structs, turns errors into codes and texts, and lets no exception out.
//
// Threads: functions without state.

#ifndef NETDIAG_C_BORDER_H_
#define NETDIAG_C_BORDER_H_

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <new>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/c/netdiag.h"
#include "netdiag/types/error.h"

namespace netdiag::c {

// Fills in `error`, which may be null, and returns `code`. Allocates nothing.
int Fail(int code, int error_number, std::string_view text, netdiag_error* error) noexcept;
// The same for a Status that is not OK.
int Fail(const absl::Status& status, netdiag_error* error);

// Calls `body`, which returns a StatusOr<int>, and returns its number or the code of its error.
template <class Body>
int Guarded(netdiag_error* error, Body body) noexcept {
  try {
    const absl::StatusOr<int> result = body();
    return result.ok() ? *result : Fail(result.status(), error);
  } catch (const std::bad_alloc&) {
    return Fail(NETDIAG_NO_MEMORY, ENOMEM, "out of memory", error);
  } catch (...) {
    return Fail(NETDIAG_FAILED, 0, "an exception, which is a defect of the library", error);
  }
}

// Copies the options of a caller whose struct may be older or newer than this library's. Null: all
// defaults.
template <class Options>
absl::StatusOr<Options> ReadOptions(const Options* given) {
  Options options = {};
  options.size = sizeof(options);
  if (given == nullptr) return options;
  if (given->size < sizeof(size_t)) {
    return ErrnoError(EINVAL, "options", "their `size` is not set");
  }
  const auto* const bytes = reinterpret_cast<const char*>(given);
  const char* const known = bytes + std::min(given->size, sizeof(options));
  if (std::any_of(known, bytes + given->size, [](char byte) { return byte != 0; })) {
    return ErrnoError(E2BIG, "options", "one of them is newer than this library");
  }
  std::memcpy(&options, bytes, std::min(given->size, sizeof(options)));
  options.size = sizeof(options);
  return options;
}

// Writes as much of `result` as the caller's struct has room for, and zeros behind it.
template <class Result>
absl::Status WriteResult(const Result& result, Result* out) {
  if (out == nullptr || out->size < sizeof(size_t)) {
    return ErrnoError(EINVAL, "result", "its `size` is not set");
  }
  const size_t size = out->size;
  auto* const bytes = reinterpret_cast<char*>(out);
  std::memcpy(bytes, &result, std::min(size, sizeof(result)));
  if (size > sizeof(result)) std::memset(bytes + sizeof(result), 0, size - sizeof(result));
  std::memcpy(bytes, &size, sizeof(size));
  return absl::OkStatus();
}

}  // namespace netdiag::c

#endif  // NETDIAG_C_BORDER_H_
