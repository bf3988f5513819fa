// A backend without an SDK: the template for new backends, and the tests' tool for delays, errors and hangs.
//
// A model is a text, a line a statement; `#` starts a comment:
//   echo 1                            first line: the format's version
//   input NAME DTYPE DIMS             DIMS such as 1,3,?; `-` for a scalar
//   output NAME = OP INPUT [NUMBER]   OP: identity, add, multiply (element by element), nonzero (its result's shape
//                                     depends on the data: indices of the elements that are not 0, as i64)
//   quantized NAME AXIS SCALE ZERO …  the input or output says that its integers stand for reals: one pair, and `-` for
//                                     AXIS, or a pair a slice (only said: the operations know nothing of it)
//   delay_ms N                        every run takes that long (it sleeps, and can be cancelled)
//   cancel_ms N                       a cancel returns that long after the run has ended for it
//   spin_us N                         every run computes that long (it cannot be cancelled)
//   load_ms N                         so does loading (it sleeps)
//   fail_at N CODE                    run number N (from 1, per model) fails: ERR_BACKEND, ERR_DEVICE_LOST, …
//   hang_at N                         run number N ends only when it is cancelled
//   stuck_at N                        run number N never ends
//   fault_at N FAULT                  run number N kills the process: crash, abort or exit; or it leaks: from then on
//                                     every run keeps 64 MB more
//   load_fault FAULT                  so does loading
//   end_fault FAULT                   so does destroying the model
//   once PATH                         faults happen only while no such file exists, and make it: a process that is
//                                     restarted is spared
//   refuse CODE                       loading fails
//   copy                              the "SDK" cannot use buffers in place: every output is copied, and counted
//   optimal N                         the useful number of runs in flight (default 1)
//   lost_at N [MS]                    run number N loses the device, and with it every run that is on it: they fail
//   with
//                                     ERR_DEVICE_LOST, and so does all else there for MS milliseconds, or until a model
//                                     with `restore` is loaded on it
//   lose [MS]                         loading loses the device, and fails
//   restore                           loading brings the device back
//   needs_reload                      after a loss the model stays lost; loaded anew it works
//   on DEVICE STATEMENT               the statement holds only where the model is loaded on this device
// Devices are "cpu" and, not listed, "1" to "9"; each is lost by itself, in this process, for all models on it.
// NAME may be quoted: "a b". The same settings may come as load properties (`delay_ms`, …), which win.
#pragma once

#include <memory>
#include <string>

#include "core/backend.h"

namespace edge::echo {

std::shared_ptr<Backend> open(const std::string& library);

}  // namespace edge::echo
