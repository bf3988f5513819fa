#include "core/turnstile.h"

#include <algorithm>

namespace edge {

bool Turnstile::enter(Ticket& ticket) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (ticket.withdrawn_) return false;
  if (inside_ < width_ && line_.empty()) {
    ++inside_;
    return true;
  }
  line_.push_back(&ticket);
  ticket.called_.wait(lock, [&] { return ticket.admitted_ || ticket.withdrawn_; });
  return ticket.admitted_;
}

void Turnstile::leave() noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  if (line_.empty()) {
    --inside_;
    return;
  }
  Ticket& next = *line_.front();
  line_.pop_front();
  next.admitted_ = true;
  next.called_.notify_one();  // under the lock: the ticket may die as soon as it is seen
}

void Turnstile::withdraw(Ticket& ticket) noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  if (ticket.admitted_) return;
  ticket.withdrawn_ = true;
  // Here, not by who waits: an empty line is what lets the next one in.
  line_.erase(std::remove(line_.begin(), line_.end(), &ticket), line_.end());
  ticket.called_.notify_one();
}

size_t Turnstile::inside() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return inside_;
}

size_t Turnstile::waiting() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return line_.size();
}

}  // namespace edge
