// tests/live/netns_testing.h — network namespaces made by `ip netns`, in a mount namespace of the
// test, so that the host sees neither their names nor their mounts.
//
//   Apart([] {
//     AddNetns("blue");
//     In("blue", [&] { listener = Listen(Loopback(Family::kInet), 1); });
//     const auto engine = OpenForAll();
//   });

#ifndef NETDIAG_TESTS_LIVE_NETNS_TESTING_H_
#define NETDIAG_TESTS_LIVE_NETNS_TESTING_H_

#include <sys/mount.h>

#include <cerrno>
#include <cstdlib>
#include <functional>
#include <memory>
#include <sched.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>

#include <gtest/gtest.h>

#include "netdiag/engine.h"
#include "netdiag/engine/test_options.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/types/error.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {

inline void Shell(const std::string& command) { Check(std::system(command.c_str()) == 0, command); }

// Runs `body` on a thread in a new network namespace and a new mount namespace in which /run is
// empty.
inline void Apart(const std::function<void()>& body) {
  if (geteuid() != 0) GTEST_SKIP() << "making namespaces needs root";
  if (RootIsNoMountPoint()) GTEST_SKIP() << "a chroot has no mount of its own";
  std::thread([&] {
    Check(unshare(CLONE_NEWNS | CLONE_NEWNET) == 0, "unshare");
    Check(mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "private mounts");
    Check(mount("none", "/run", "tmpfs", 0, nullptr) == 0, "tmpfs on /run");
    Shell("ip link set lo up");
    body();
  }).join();
}

// Makes a namespace with `ip netns add`. REQUIRES: the name has no apostrophe.
inline NetnsId AddNetns(const std::string& name) {
  const std::string quoted = "'" + name + "'";
  Shell("ip netns add " + quoted + " && ip netns exec " + quoted + " ip link set lo up");
  return netlink::NetNs::FromPath("/run/netns/" + name).Identify().value();
}

inline void DeleteNetns(const std::string& name) { Shell("ip netns del '" + name + "'"); }

// Runs `make` in the namespace. A socket that `make` opens belongs to this namespace for good.
inline void In(const std::string& name, const std::function<void()>& make) {
  const absl::Status status = netlink::NetNs::FromPath("/run/netns/" + name).Run([&] {
    make();
    return absl::OkStatus();
  });
  ASSERT_TRUE(status.ok()) << status;
}

inline std::unique_ptr<Engine> OpenForAll(EngineOptions options = {},
                                          const internal::TestOptions& test_options = {}) {
  options.all_netns = true;
  absl::StatusOr<std::unique_ptr<Engine>> engine =
      internal::OpenForTest(std::move(options), test_options);
  EXPECT_TRUE(engine.ok()) << engine.status();
  return engine.ok() ? *std::move(engine) : nullptr;
}

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_LIVE_NETNS_TESTING_H_
