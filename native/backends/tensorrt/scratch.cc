#include "backends/tensorrt/scratch.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/log.h"

namespace edge::tensorrt {

ScratchPool::ScratchPool(std::shared_ptr<const Gpu> gpu, size_t bytes) : gpu_(std::move(gpu)), bytes_(bytes) {
  free_.push_back(make_device_memory(gpu_, bytes_));
}

ScratchPool::Lease::~Lease() {
  if (block_.get() == 0) return;
  {
    std::lock_guard<std::mutex> lock(pool_->mutex_);
    pool_->free_.push_back(std::move(block_));
  }
  pool_->returned_.notify_all();  // one that was cancelled takes none
}

void ScratchPool::wake() noexcept {
  // Whoever is about to wait has seen the flag, or waits by now.
  {
    std::lock_guard<std::mutex> lock(mutex_);
  }
  returned_.notify_all();
}

ScratchPool::Lease ScratchPool::take(CuAddress wanted, const std::atomic<bool>& cancelled) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (free_.empty()) {
    try {
      free_.reserve(made_ + 1);  // giving back never fails
      Lease lease(*this, make_device_memory(gpu_, bytes_));
      ++made_;
      return lease;
    } catch (const Error& error) {
      // There is one block at least, which somebody uses.
      if (error.code() != ErrorCode::kOutOfMemory) throw;
      if (!std::exchange(is_told_, true))
        log(LogLevel::kWarning, "tensorrt",
            "There is no memory on the GPU for another " + std::to_string(bytes_) +
                " bytes of scratch memory: runs take turns.");
    }
  }
  returned_.wait(lock, [&] { return !free_.empty() || cancelled; });
  if (cancelled) throw Error(ErrorCode::kAborted, "The run was cancelled.", "", "tensorrt");
  auto found = std::find_if(free_.begin(), free_.end(), [&](const auto& block) { return block.get() == wanted; });
  if (found == free_.end()) found = free_.end() - 1;
  Lease lease(*this, std::move(*found));
  free_.erase(found);
  return lease;
}

}  // namespace edge::tensorrt
