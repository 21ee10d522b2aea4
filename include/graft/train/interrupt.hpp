// Ending training in good order when the user interrupts it.
#pragma once

namespace graft {

/// While one lives, the first SIGINT (Ctrl-C) or SIGTERM is remembered instead of ending the
/// program, so that a loop can finish its step and save. The next one ends the program as ever. A
/// signal that the program ignored before, as in a job in the background, stays ignored.
///
/// @code
/// const interrupt_watch watch;
/// for (; epoch < 100 && !watch.requested(); ++epoch) ...
/// save_checkpoint(session, "run.safetensors", {{"epoch", std::to_string(epoch)}});
/// @endcode
///
/// Watches may nest; signal handlers that were there before come back with the last one's end. Make
/// and end them on one thread; requested() may be asked on any.
class interrupt_watch {
 public:
  interrupt_watch();
  ~interrupt_watch();
  interrupt_watch(const interrupt_watch&) = delete;
  interrupt_watch& operator=(const interrupt_watch&) = delete;

  /// True once a signal came during the life of the outermost watch.
  [[nodiscard]] bool requested() const noexcept;
};

}  // namespace graft
