// SPDX-License-Identifier: Apache-2.0
//
// netdiag/version.h — the version of the library, for the preprocessor.
//
//   #if NETDIAG_VERSION < NETDIAG_MAKE_VERSION(0, 3, 0)
//
// docs/embedding.md says what may change from version to version. Every public header includes this
// one, directly or indirectly.

#ifndef NETDIAG_VERSION_H_
#define NETDIAG_VERSION_H_

#if __cplusplus < 202002L
#error "netdiag needs C++20 or later: compile with -std=c++20"
#endif

#define NETDIAG_VERSION_MAJOR 0
#define NETDIAG_VERSION_MINOR 2
#define NETDIAG_VERSION_PATCH 0
#define NETDIAG_VERSION_STRING "0.2.0"

#define NETDIAG_MAKE_VERSION(major, minor, patch) ((major)*1000000 + (minor)*1000 + (patch))
#define NETDIAG_VERSION \
  NETDIAG_MAKE_VERSION(NETDIAG_VERSION_MAJOR, NETDIAG_VERSION_MINOR, NETDIAG_VERSION_PATCH)

#endif  // NETDIAG_VERSION_H_
