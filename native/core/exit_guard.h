// Keeps static destructors of an SDK from running under a thread that is still inside it when the process exits.
#pragma once

namespace edge {

// Something that can end its runs early when the process exits.
class ExitListener {
 public:
  virtual void cancel_for_exit() noexcept = 0;

 protected:
  ExitListener() = default;
  ~ExitListener() = default;
  // By the most derived class: at the end of its constructor, and first in its destructor. After unlisten()
  // cancel_for_exit() is not called any more, nor being called.
  void listen();
  void unlisten();
};

// Around every call into an SDK that is made on a thread of ours (lane, loader, reaper). Once the process is exiting
// such a thread stops here for good instead of entering the SDK.
class SdkCall {
 public:
  SdkCall() noexcept { enter(); }
  ~SdkCall() { leave(); }
  SdkCall(const SdkCall&) = delete;
  SdkCall& operator=(const SdkCall&) = delete;

  // For runs that an SDK ends on a thread of its own: enter() before the start, leave() when it is done.
  static void enter() noexcept;
  static void leave() noexcept;
};

// Puts our exit handler before the static destructors of everything that is loaded by now. Call it after an SDK's
// library or one of its plug-ins may have been loaded; it does nothing when there is no new one.
//
// At exit: runs are cancelled and get one second to end; if a call is still inside an SDK then (a hung device, a
// compile), the process ends at once with its exit status, without static destructors, because running them under a
// working SDK crashes.
void guard_exit();
// On the main thread when the process is about to exit: waits as above already now, and puts the handler before what
// SDKs have registered while they worked.
void about_to_exit();
// When a thread that used SDKs ends, perhaps because the process exits: if a call is in progress, the handler is put
// first again.
void guard_exit_of_thread();

}  // namespace edge
