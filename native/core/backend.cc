#include "core/backend.h"

namespace edge {

void Request::start(Done) {
  throw Error(ErrorCode::kUnsupported, "This device has no asynchronous start of its own.", "Use a lane instead.");
}

}  // namespace edge
