// bench/compare.h — compares A with B: both run in turns, and the ratios of the pairs count.
//
//   const Comparison visit = Compare(options, Clock::kThreadCpu, [&] { Visit(); }, [&] { Floor();
//   }); Claim("Visit / floor", visit.ratio, AtMost(1.10));
//
// On a machine with other users, times change by a quarter from second to second, and the times of
// A and B change together. The ratio of a pair is steadier than either time. So each repetition
// runs both, in alternating order, and the result is the median of the ratios. Work of this thread,
// including its system calls, is measured in CPU time, which excludes other users. Work of other
// processes is measured in wall time. A claim that does not hold is printed as MISSED and does not
// end the program, because times are not tests. Cost: two clock readings a run. Errors: a wrong
// command line ends the program with 2.

#ifndef NETDIAG_BENCH_COMPARE_H_
#define NETDIAG_BENCH_COMPARE_H_

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <time.h>
#include <vector>

namespace netdiag::bench {

struct Options {
  int sockets = 100'000;
  int repetitions = 15;
  int warm_up = 2;
};

// Parses --sockets=N, --repetitions=N and --warm-up=N. Starts with `defaults`.
inline Options ParseOptions(int argc, char** argv, Options defaults = {}) {
  struct Flag {
    std::string_view name;
    int* value;
    int least;
  };
  const Flag flags[] = {{"--sockets=", &defaults.sockets, 1'000},
                        {"--repetitions=", &defaults.repetitions, 1},
                        {"--warm-up=", &defaults.warm_up, 0}};
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const Flag* flag = std::find_if(std::begin(flags), std::end(flags),
                                    [&](const Flag& f) { return argument.starts_with(f.name); });
    const int value =
        flag == std::end(flags) ? -1 : std::atoi(argument.c_str() + flag->name.size());
    if (flag == std::end(flags) || value < flag->least) {
      std::fprintf(stderr, "usage: %s [--sockets=1000…] [--repetitions=1…] [--warm-up=0…]\n",
                   argv[0]);
      std::exit(2);
    }
    *flag->value = value;
  }
  return defaults;
}

// The quartiles of measurements.
struct Spread {
  double low = 0;
  double median = 0;
  double high = 0;
};

// The value below which `share` of the values are. REQUIRES: not empty.
inline double Percentile(std::vector<double> values, double share) {
  const auto rank = static_cast<size_t>(share * static_cast<double>(values.size() - 1) + 0.5);
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

inline Spread SpreadOf(const std::vector<double>& values) {
  return {Percentile(values, 0.25), Percentile(values, 0.5), Percentile(values, 0.75)};
}

enum class Clock : clockid_t {
  kThreadCpu = CLOCK_THREAD_CPUTIME_ID,
  kProcessCpu = CLOCK_PROCESS_CPUTIME_ID,
  kWall = CLOCK_MONOTONIC,
};

inline double SecondsNow(Clock clock) {
  timespec now{};
  clock_gettime(static_cast<clockid_t>(clock), &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

template <class F>
double SecondsOf(Clock clock, F&& run) {
  const double start = SecondsNow(clock);
  run();
  return SecondsNow(clock) - start;
}

struct Comparison {
  Spread a;  // seconds
  Spread b;
  Spread ratio;  // of the pairs, a / b
};

template <class A, class B>
Comparison Compare(const Options& options, Clock clock, A&& a, B&& b) {
  for (int i = 0; i < options.warm_up; ++i) {
    a();
    b();
  }
  std::vector<double> as, bs, ratios;
  for (int i = 0; i < options.repetitions; ++i) {
    double of_a = 0;
    double of_b = 0;
    if (i % 2 == 0) of_a = SecondsOf(clock, a);
    of_b = SecondsOf(clock, b);
    if (i % 2 != 0) of_a = SecondsOf(clock, a);
    as.push_back(of_a);
    bs.push_back(of_b);
    ratios.push_back(of_a / of_b);
  }
  return {SpreadOf(as), SpreadOf(bs), SpreadOf(ratios)};
}

// Prints "what  12.3 ms (quartiles 11.9 … 12.8)".
inline void PrintTime(std::string_view what, const Spread& seconds) {
  std::printf("%-52.*s %9.2f ms (quartiles %.2f … %.2f)\n", static_cast<int>(what.size()),
              what.data(), seconds.median * 1e3, seconds.low * 1e3, seconds.high * 1e3);
}

struct Bound {
  bool at_most = true;
  double value = 0;
};
constexpr Bound AtMost(double value) { return {true, value}; }
constexpr Bound AtLeast(double value) { return {false, value}; }

// Prints whether the median keeps the bound.
inline void Claim(std::string_view what, const Spread& measured, const Bound& bound,
                  std::string_view unit = "") {
  const bool holds =
      bound.at_most ? measured.median <= bound.value : measured.median >= bound.value;
  std::string text("claim: ");
  text.append(what).append(bound.at_most ? " ≤ " : " ≥ ");
  std::printf("%s%.2f%.*s  measured %.3f (quartiles %.3f … %.3f)  %s\n", text.c_str(), bound.value,
              static_cast<int>(unit.size()), unit.data(), measured.median, measured.low,
              measured.high, holds ? "ok" : "MISSED");
  std::fflush(stdout);
}

// Checks the answer of a benchmark before it is measured. A wrong answer ends the program with 1.
inline void Prove(bool right, std::string_view what) {
  std::printf("answer: %.*s: %s\n", static_cast<int>(what.size()), what.data(),
              right ? "the same" : "DIFFERS");
  std::fflush(stdout);
  if (!right) std::exit(1);
}

}  // namespace netdiag::bench

#endif  // NETDIAG_BENCH_COMPARE_H_
