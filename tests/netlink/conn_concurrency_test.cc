// Deadlines, cancellation, Close and many threads on one Conn. Modelled on Go's test suite for
// implementations of net.Conn. Two Conns talk over a socketpair. Also runs under ThreadSanitizer.

#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <latch>
#include <memory>
#include <signal.h>
#include <stop_token>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/netlink/conn.h"
#include "netdiag/types/error.h"
#include "tests/testing/fake_kernel.h"
#include "tests/testing/rounds.h"
#include "tests/testing/status_matchers.h"

namespace netdiag::netlink {
namespace {

using namespace netdiag::testing;  // NOLINT
using std::chrono::milliseconds;

// On a busy machine a deadline of a millisecond can pass before the call begins.
constexpr int kAttempts = 10'000;

TimePoint Now() { return std::chrono::steady_clock::now(); }

class ConnThreads : public ::testing::Test {
 protected:
  // Runs `work` on `count` threads at once and waits for them.
  static void Together(int count, const std::function<void(int)>& work) {
    std::latch ready(count);
    std::vector<std::jthread> threads;
    for (int i = 0; i < count; ++i) {
      threads.emplace_back([&, i] {
        ready.arrive_and_wait();
        work(i);
      });
    }
  }
  // Writes from a to b until another Write would wait.
  void Fill() {
    while (send(a_->fd(), big_.data(), big_.size(), MSG_DONTWAIT) >= 0) {
    }
    ASSERT_EQ(errno, EAGAIN);
  }

  std::pair<std::unique_ptr<Conn>, std::unique_ptr<Conn>> pair_ = ConnPair();
  Conn* a_ = pair_.first.get();
  Conn* b_ = pair_.second.get();
  std::array<std::byte, 64> buffer_{};
  const Packet big_ = Packet(32 * 1024);
};

TEST_F(ConnThreads, BasicTransferKeepsBoundariesAndOrder) {
  constexpr uint32_t kCount = 2000;
  std::jthread writer([&] {
    for (uint32_t i = 0; i < kCount; ++i) {
      const Packet packet(4 + i % 50, static_cast<std::byte>(i));
      ASSERT_THAT(a_->Write(packet), IsOk());
    }
  });
  for (uint32_t i = 0; i < kCount; ++i) {
    ASSERT_EQ(b_->Read(buffer_).value(), 4 + i % 50);
    ASSERT_EQ(buffer_[3], static_cast<std::byte>(i));
  }
}

TEST_F(ConnThreads, PingPong) {
  constexpr uint32_t kRounds = 500;
  const auto play = [](Conn* conn, bool serves) {
    uint32_t ball = 0;
    const std::span<std::byte> bytes = std::as_writable_bytes(std::span(&ball, 1));
    if (serves) {
      ASSERT_THAT(conn->Write(bytes), IsOk());
    }
    while (ball < kRounds) {
      ASSERT_EQ(conn->Read(bytes).value(), sizeof(ball));
      ++ball;
      ASSERT_THAT(conn->Write(bytes), IsOk());
    }
  };
  Together(2, [&](int i) { play(i == 0 ? a_ : b_, i == 0); });
}

TEST_F(ConnThreads, ReadersRaceWithDeadlines) {
  std::jthread writer([&](std::stop_token stop) {
    while (a_->Write(Text("data"), {.stop = stop}).ok()) {
    }
  });
  std::atomic<int> reads = 0;
  Together(8, [&](int) {
    std::array<std::byte, 16> buffer;
    for (int i = 0; i < 50 || (reads == 0 && i < kAttempts); ++i) {
      b_->SetReadDeadline(Now() + milliseconds(1));
      const absl::StatusOr<size_t> size = b_->Read(buffer);
      if (size.ok()) {
        EXPECT_EQ(*size, 4u);
        ++reads;
      } else {
        EXPECT_THAT(size, EndedByDeadline());
      }
    }
  });
  EXPECT_GT(reads, 0);
}

TEST_F(ConnThreads, WritersRaceWithDeadlines) {
  std::jthread reader([&](std::stop_token stop) {
    std::array<std::byte, 64> buffer;
    while (b_->Read(buffer, {.stop = stop}).ok()) {
    }
  });
  std::atomic<int> writes = 0;
  Together(8, [&](int) {
    for (int i = 0; i < 50 || (writes == 0 && i < kAttempts); ++i) {
      a_->SetWriteDeadline(Now() + milliseconds(1));
      const absl::Status status = a_->Write(Text("data")).status();
      if (status.ok()) {
        ++writes;
      } else {
        EXPECT_THAT(status, EndedByDeadline());
      }
    }
  });
  EXPECT_GT(writes, 0);
}

TEST_F(ConnThreads, ReadTimesOut) {
  const TimePoint begin = Now();
  a_->SetReadDeadline(begin + milliseconds(50));
  EXPECT_THAT(a_->Read(buffer_), EndedByDeadline());
  EXPECT_GE(Now() - begin, milliseconds(50));
  EXPECT_THAT(a_->Write(Text("other direction")), IsOk());
}

TEST_F(ConnThreads, WriteTimesOut) {
  Fill();
  a_->SetWriteDeadline(Now() + milliseconds(50));
  EXPECT_THAT(a_->Write(big_), EndedByDeadline());
  ASSERT_THAT(b_->Write(Text("other direction")), IsOk());
  EXPECT_THAT(a_->Read(buffer_), IsOk());
}

TEST_F(ConnThreads, PastDeadlineFailsBothDirectionsUntilItIsMoved) {
  a_->SetDeadline(Now() - milliseconds(1));
  for (int i = 0; i < 10; ++i) {
    EXPECT_THAT(a_->Read(buffer_), EndedByDeadline());
    EXPECT_THAT(a_->Write(Text("data")), EndedByDeadline());
  }
  a_->SetDeadline(std::nullopt);
  EXPECT_THAT(a_->Write(Text("data")), IsOk());
  EXPECT_THAT(b_->Read(buffer_), IsOk());
}

TEST_F(ConnThreads, DeadlineSetNowEndsPendingCalls) {
  Fill();
  std::latch begun(2);
  std::jthread reader([&] {
    std::array<std::byte, 8> buffer;
    begun.count_down();
    EXPECT_THAT(a_->Read(buffer), EndedByDeadline());
  });
  std::jthread writer([&] {
    begun.count_down();
    EXPECT_THAT(a_->Write(big_), EndedByDeadline());
  });
  begun.wait();
  std::this_thread::sleep_for(
      milliseconds(20));  // they usually wait by now; the test is valid if they do not
  a_->SetDeadline(Now());
}

TEST_F(ConnThreads, FutureDeadlineEndsPendingCalls) {
  Fill();
  const TimePoint deadline = Now() + milliseconds(100);
  std::jthread reader([&] {
    std::array<std::byte, 8> buffer;
    EXPECT_THAT(a_->Read(buffer), EndedByDeadline());
    EXPECT_GE(Now(), deadline);
  });
  std::jthread writer([&] {
    EXPECT_THAT(a_->Write(big_), EndedByDeadline());
    EXPECT_GE(Now(), deadline);
  });
  a_->SetDeadline(deadline);
}

TEST_F(ConnThreads, DeadlineOfAPendingCallCanBeExtended) {
  const TimePoint first = Now() + std::chrono::seconds(2);
  a_->SetReadDeadline(first);
  std::jthread reader([&] {
    std::array<std::byte, 8> buffer;
    EXPECT_EQ(a_->Read(buffer).value(), 4u);
  });
  a_->SetReadDeadline(Now() + std::chrono::hours(1));
  std::this_thread::sleep_until(first + milliseconds(100));
  EXPECT_THAT(b_->Write(Text("late")), IsOk());
}

TEST_F(ConnThreads, CloseWakesBlockedReadAndWrite) {
  Fill();
  std::latch begun(2);
  {
    std::jthread reader([&] {
      std::array<std::byte, 8> buffer;
      begun.count_down();
      EXPECT_THAT(a_->Read(buffer), EndedByClose());
    });
    std::jthread writer([&] {
      begun.count_down();
      EXPECT_THAT(a_->Write(big_), EndedByClose());
    });
    begun.wait();
    std::this_thread::sleep_for(
        milliseconds(20));  // they usually wait by now; the test is valid if they do not
    a_->SetDeadline(Now() + std::chrono::hours(1));
    a_->Close();
  }
  EXPECT_THAT(a_->Read(buffer_), EndedByClose());
}

TEST_F(ConnThreads, CloseWakesCallsThatWaitForTheTurn) {
  std::latch begun(6);
  std::vector<std::jthread> readers;
  for (int i = 0; i < 6; ++i) {
    readers.emplace_back([&] {
      std::array<std::byte, 8> buffer;
      begun.count_down();
      EXPECT_THAT(a_->Read(buffer), EndedByClose());
    });
  }
  begun.wait();
  std::this_thread::sleep_for(
      milliseconds(20));  // they usually wait by now; the test is valid if they do not
  Together(4, [&](int) { a_->Close(); });
}

TEST_F(ConnThreads, WaitingForTheTurnObeysDeadlineAndStop) {
  std::latch begun(1);
  std::jthread holder([&](std::stop_token stop) {
    begun.count_down();
    std::array<std::byte, 8> buffer;
    EXPECT_THAT(a_->Read(buffer, {.stop = stop}), EndedByStop());
  });
  begun.wait();
  std::this_thread::sleep_for(milliseconds(20));  // it usually has the turn by now
  EXPECT_THAT(a_->Read(buffer_, {.deadline = Now() + milliseconds(20)}), EndedByDeadline());
  std::stop_source stop;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(milliseconds(20));
    stop.request_stop();
  });
  EXPECT_THAT(a_->Read(buffer_, {.stop = stop.get_token()}), EndedByStop());
  EXPECT_THAT(a_->Write(Text("beside it")), IsOk());
}

TEST_F(ConnThreads, StopEndsOneCallOnly) {
  std::latch begun(2);
  std::stop_source stop;
  std::jthread stopped([&] {
    std::array<std::byte, 8> buffer;
    begun.count_down();
    EXPECT_THAT(a_->Read(buffer, {.stop = stop.get_token()}), EndedByStop());
  });
  std::jthread other([&] {
    std::array<std::byte, 8> buffer;
    begun.count_down();
    EXPECT_EQ(a_->Read(buffer).value(), 4u);
  });
  begun.wait();
  stop.request_stop();
  stopped.join();
  EXPECT_THAT(b_->Write(Text("data")), IsOk());
}

TEST_F(ConnThreads, CloseDoesNotReuseTheNumberUnderACall) {
  std::latch inside(1);
  std::latch closed(1);
  int number = -1;
  std::jthread user([&] {
    EXPECT_THAT(a_->WithFd([&](int fd) {
      number = fd;
      inside.count_down();
      closed.wait();
      EXPECT_NE(fcntl(fd, F_GETFD), -1);
      return absl::OkStatus();
    }),
                IsOk());
  });
  inside.wait();
  a_->Close();
  EXPECT_EQ(a_->fd(), -1);
  const int reused = open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT_NE(reused, number);
  close(reused);
  closed.count_down();
  user.join();
  EXPECT_EQ(fcntl(number, F_GETFD), -1);
}

TEST_F(ConnThreads, AllMethodsAtOnce) {
  std::jthread sink([&](std::stop_token end) {
    std::array<std::byte, 64> buffer;
    while (b_->Read(buffer, {.stop = end}).ok()) {
    }
  });
  const Request request = DumpRequest();
  const std::vector<std::function<void()>> methods = {
      [&] { a_->Read(buffer_, {.deadline = Now() + milliseconds(1)}).status().IgnoreError(); },
      [&] { a_->Write(Text("data")).status().IgnoreError(); },
      [&] { a_->Send(request).status().IgnoreError(); },
      [&] { a_->TryReceive(Conn::IgnoreMessage).status().IgnoreError(); },
      [&] {
        a_->Dump(request, Conn::IgnoreMessage, {.deadline = Now() + milliseconds(1)})
            .status()
            .IgnoreError();
      },
      [&] { a_->SetDeadline(Now() + milliseconds(1)); },
      [&] { a_->SetReadDeadline(std::nullopt); },
      [&] { a_->SetWriteDeadline(Now() + milliseconds(2)); },
      [&] { EXPECT_GE(a_->stats().stale, 0u); },
      [&] { EXPECT_GE(a_->fd(), 0); },
      [&] { EXPECT_THAT(a_->ReadBuffer(), IsOk()); },
      [&] { EXPECT_EQ(a_->progress().messages, 0u); },
  };
  Together(static_cast<int>(methods.size()), [&](int i) {
    for (int round = 0; round < netdiag::testing::Rounds(100); ++round)
      methods[static_cast<size_t>(i)]();
  });
  a_->SetDeadline(std::nullopt);
  EXPECT_THAT(b_->Write(Text("data")), IsOk());
  EXPECT_EQ(a_->Read(buffer_).value(), 4u);
}

TEST_F(ConnThreads, SignalsDoNotEndACall) {
  // A handler without SA_RESTART makes system calls of the reader fail with EINTR.
  struct sigaction action {};
  action.sa_handler = [](int) {};
  struct sigaction before {};
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  std::atomic<bool> over = false;
  std::jthread reader([&] {
    std::array<std::byte, 8> buffer;
    for (int i = 0; i < 3; ++i) EXPECT_EQ(a_->Read(buffer).value(), 4u);
    over = true;
  });
  const pthread_t thread = reader.native_handle();
  for (int i = 0; i < 60; ++i) {
    pthread_kill(thread, SIGUSR1);
    std::this_thread::sleep_for(milliseconds(1));
    if (i % 20 == 19) {
      EXPECT_THAT(b_->Write(Text("data")), IsOk());
    }
  }
  reader.join();
  EXPECT_TRUE(over);
  sigaction(SIGUSR1, &before, nullptr);
}

}  // namespace
}  // namespace netdiag::netlink
