// tests/testing/netns.h — new network namespaces for tests, so that no other process of the machine
// changes what a test sees.
//
//   InNewNetns([] { const int listener = Listen(Loopback(Family::kInet), 1); });
//
// For a whole program:
//   const auto* const kNetns = ::testing::AddGlobalTestEnvironment(new NewNetnsEnvironment);
//
// InNewNetns() and EnterNewNetns() need CAP_SYS_ADMIN. A failure ends the program, because it is a
// failure of the test's machine.

#ifndef NETDIAG_TESTS_TESTING_NETNS_H_
#define NETDIAG_TESTS_TESTING_NETNS_H_

#include <functional>

#include <gtest/gtest.h>

namespace netdiag::testing {

// Moves the calling thread to a new network namespace and brings "lo" up there. Threads and
// processes that the thread starts afterwards are in the namespace as well.
void EnterNewNetns();

// Runs `body` on a thread in a new network namespace and waits for it.
void InNewNetns(const std::function<void()>& body);

// Runs `body` on a thread that has no privileges (user and group 65534), in the namespaces of the
// calling thread, and waits for it. Only that thread loses its privileges.
void AsNobody(const std::function<void()>& body);

// Runs all tests of a program in a new network namespace. Without root they run where the program
// was started.
class NewNetnsEnvironment : public ::testing::Environment {
 public:
  void SetUp() override;
};

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_TESTING_NETNS_H_
