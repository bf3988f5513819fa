// Lets a few through at a time, in the order in which they came; who waits may be called back.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>

namespace edge {

// All functions: any thread.
class Turnstile {
 public:
  // A place in the line, used for one enter() at a time.
  class Ticket {
   private:
    friend class Turnstile;
    std::condition_variable called_;
    bool admitted_ = false, withdrawn_ = false;
  };

  explicit Turnstile(size_t width) : width_(width) {}

  // Blocks until it is this ticket's turn; true: leave() must follow. False: it was withdrawn before its turn came.
  bool enter(Ticket& ticket);
  void leave() noexcept;
  // Of a ticket whose enter() has not returned yet, or has not begun: it must not end meanwhile.
  void withdraw(Ticket& ticket) noexcept;
  // Makes a ticket as new. Nobody may be using it.
  static void reset(Ticket& ticket) { ticket.admitted_ = ticket.withdrawn_ = false; }

  size_t inside() const;
  size_t waiting() const;

 private:
  const size_t width_;
  mutable std::mutex mutex_;  // guards what follows, and the tickets
  size_t inside_ = 0;
  std::deque<Ticket*> line_;
};

}  // namespace edge
