// SPDX-License-Identifier: Apache-2.0
//
// netdiag/types/abseil.h — makes a link error of a program that has another Abseil than netdiag
// was built with.
//
// Return types are not part of a symbol's name. So a function that returns an absl::Status can be
// linked to a caller that was compiled with another version of Abseil, which reads other bits of
// it. BuiltWithAbseil() has the version, the namespace and the sizes of Abseil's types in its name,
// as the compiler of the caller sees them. The library defines only the one of its own Abseil.
//
//   undefined reference to `netdiag::internal::BuiltWithAbseil(netdiag::internal::Abseil<20230802,
//   1, absl::lts_20230802::Status, 8ul, 16ul, 16ul>)'
//
// Not told apart: two commits of Abseil between its releases, which have no version and mostly the
// same sizes.
//
// Every public header that includes Abseil includes this one, directly or indirectly.
// Cost: a pointer in each program.

#ifndef NETDIAG_TYPES_ABSEIL_H_
#define NETDIAG_TYPES_ABSEIL_H_

#include <cstddef>

#include "absl/base/config.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/version.h"

// Abseil between its releases has no version.
#ifdef ABSL_LTS_RELEASE_VERSION
#define NETDIAG_ABSL_RELEASE ABSL_LTS_RELEASE_VERSION
#define NETDIAG_ABSL_PATCH ABSL_LTS_RELEASE_PATCH_LEVEL
#else
#define NETDIAG_ABSL_RELEASE 0
#define NETDIAG_ABSL_PATCH 0
#endif

namespace netdiag::internal {

template <int kRelease, int kPatch, class Status, size_t kStatusSize, size_t kStatusOrSize,
          size_t kFunctionRefSize>
struct Abseil {};

using AbseilOfThisFile =
    Abseil<NETDIAG_ABSL_RELEASE, NETDIAG_ABSL_PATCH, absl::Status, sizeof(absl::Status),
           sizeof(absl::StatusOr<int>), sizeof(absl::FunctionRef<void()>)>;

// Does nothing. Defined in error.cc.
void BuiltWithAbseil(AbseilOfThisFile);

// Refers to it in every object, also where the linker drops what nothing uses.
[[gnu::used,
  gnu::retain]] inline constexpr void (*kBuiltWithAbseil)(AbseilOfThisFile) = &BuiltWithAbseil;

}  // namespace netdiag::internal

#undef NETDIAG_ABSL_RELEASE
#undef NETDIAG_ABSL_PATCH

#endif  // NETDIAG_TYPES_ABSEIL_H_
