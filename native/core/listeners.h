// Who hears of something that happens in this process, outside any call: a list of listeners that come and go.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace edge {

// Any thread. Make it static and leak it: threads of SDKs may still tell something while the process exits.
template <typename... Arguments>
class Listeners {
 public:
  using Listener = std::function<void(const Arguments&...)>;

  // The listener hears until the returned handle is gone. A call that is on its way then still comes: it owns what it
  // uses.
  std::shared_ptr<void> add(Listener listener) {
    auto held = std::make_shared<Listener>(std::move(listener));
    std::lock_guard<std::mutex> lock(mutex_);
    all_.push_back(held);
    return held;
  }

  // Calls every listener, with no lock held. What cannot be told for want of memory is lost; nothing else may be.
  void tell(const Arguments&... arguments) noexcept {
    try {
      for (const auto& listener : alive()) {
        try {
          (*listener)(arguments...);
        } catch (...) {
          // One that throws does not keep it from the others.
        }
      }
    } catch (...) {
    }
  }

 private:
  std::vector<std::shared_ptr<Listener>> alive() {
    std::vector<std::shared_ptr<Listener>> now;
    std::lock_guard<std::mutex> lock(mutex_);
    for (size_t i = 0; i < all_.size();) {
      if (auto listener = all_[i].lock()) {
        now.push_back(std::move(listener));
        ++i;
      } else {
        all_.erase(all_.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
    return now;
  }

  std::mutex mutex_;
  std::vector<std::weak_ptr<Listener>> all_;
};

}  // namespace edge
