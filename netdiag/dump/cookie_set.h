// netdiag/dump/cookie_set.h — Internal. Users want netdiag/engine.h.
//
// A set of the cookies that a dump has given.
//
// The kernel numbers cookies in the order in which it assigns them, and a dump assigns them to the
// sockets of whole buckets. Sockets that are neighbours in a table therefore mostly have
// neighbouring cookies. Each word of the set holds 64 neighbouring cookies, and the word of the
// last cookie is found without a search.
//
// Cost: 1 ns if the next cookie is near the last one, otherwise one probe of a hash table. 32 to 64
// bytes for each 64 neighbours, or for each cookie that has none. Clear() writes the whole table.
// No allocation once it has grown. Threads: thread-compatible. Source: sock_gen_cookie() in
// net/core/sock_diag.c, gen_cookie_next() in include/linux/cookie.h.

#ifndef NETDIAG_DUMP_COOKIE_SET_H_
#define NETDIAG_DUMP_COOKIE_SET_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace netdiag::internal {

class CookieSet {
 public:
  // True if the cookie was not in the set.
  bool Insert(uint64_t cookie) {
    const uint64_t key = cookie / kBits;
    Word* word = &words_[last_];
    if (word->key != key || word->bits == 0) word = Find(key);
    const uint64_t bit = uint64_t{1} << (cookie % kBits);
    const bool is_new = (word->bits & bit) == 0;
    word->bits |= bit;
    return is_new;
  }
  bool Contains(uint64_t cookie) const {
    const Word& word = words_[PlaceOf(cookie / kBits)];
    return (word.bits >> (cookie % kBits) & 1) != 0;
  }
  void Clear() {
    if (used_ > 0) std::ranges::fill(words_, Word());
    used_ = 0;
  }

 private:
  static constexpr uint64_t kBits = 64;
  static constexpr size_t kLeast = 64;  // words; a power of two
  struct Word {
    uint64_t key = 0;
    uint64_t bits = 0;  // 0: the word is free
  };

  // The word of the key, or a new word. At least half of the table stays free.
  Word* Find(uint64_t key) {
    if (2 * used_ >= words_.size()) Grow();
    last_ = PlaceOf(key);
    Word* const word = &words_[last_];
    used_ += word->bits == 0 ? 1 : 0;
    word->key = key;
    return word;
  }
  size_t PlaceOf(uint64_t key) const {
    constexpr uint64_t kGolden = 0x9e37'79b9'7f4a'7c15;  // 2^64 / φ: Fibonacci hashing
    size_t place = (key * kGolden) >> (64 - std::countr_zero(words_.size()));
    while (words_[place].bits != 0 && words_[place].key != key) {
      place = (place + 1) % words_.size();
    }
    return place;
  }
  void Grow() {
    const std::vector<Word> old = std::exchange(words_, std::vector<Word>(2 * words_.size()));
    for (const Word& word : old) {
      if (word.bits != 0) words_[PlaceOf(word.key)] = word;
    }
  }

  std::vector<Word> words_ = std::vector<Word>(kLeast);
  size_t used_ = 0;
  size_t last_ = 0;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_COOKIE_SET_H_
