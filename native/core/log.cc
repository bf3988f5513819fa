#include "core/log.h"

#include <utility>

#include "core/listeners.h"

namespace edge {
namespace {

auto& listeners() {
  static auto* instance = new Listeners<LogLevel, std::string, std::string>;
  return *instance;
}

}  // namespace

const char* log_level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kError:
      return "error";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      break;
  }
  return "info";
}

std::shared_ptr<void> add_log_listener(LogListener listener) { return listeners().add(std::move(listener)); }

void log(LogLevel level, const std::string& backend, const std::string& message) noexcept {
  listeners().tell(level, backend, message);
}

}  // namespace edge
