// Where SDKs and backends say things: never stdout, always the listeners.
#pragma once

#include <functional>
#include <memory>
#include <string>

namespace edge {

enum class LogLevel { kError, kWarning, kInfo, kDebug };

const char* log_level_name(LogLevel level);

// Called on any thread, with no lock of the log held.
using LogListener = std::function<void(LogLevel level, const std::string& backend, const std::string& message)>;

// The listener hears log lines until the returned handle is gone.
std::shared_ptr<void> add_log_listener(LogListener listener);

void log(LogLevel level, const std::string& backend, const std::string& message) noexcept;

}  // namespace edge
