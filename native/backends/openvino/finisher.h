// Learns how asynchronous runs ended. OpenVINO's C callback carries no status, and waiting for it inside the callback
// would wait for ever: the run counts as ended only when the callback has returned. So a thread of ours waits for it.
#pragma once

#include <functional>

namespace edge::openvino {

// Makes the thread, unless it is there; throws where the system gives none. Before what will be finished is started.
void start_finisher();
// Runs `work` on the finisher's thread, in order, and lets go of it there. Any thread; does not block.
void finish_later(std::function<void()>&& work);

}  // namespace edge::openvino
