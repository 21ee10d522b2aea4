// Watching training: a progress line, and the curve of the loss.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace graft {

/// The choices of progress.
struct progress_options {
  std::int64_t total_steps = 0;  ///< 0: unknown, no bar and no time left
  std::FILE* stream = stderr;    ///< where to write; it must stay open
  /// Seconds between lines; a terminal's line is rewritten ten times a second at most.
  double interval = 5.0;
  /// Steps that were taken before, where training goes on from a checkpoint; they count in
  /// total_steps, and not in the speed.
  std::int64_t first_step = 0;
};

/// Shows step, loss (smoothed), steps per second and the time left. On a terminal one line is
/// rewritten; into a file or pipe plain lines are written now and then.
class progress {
 public:
  /// Starts the clock.
  explicit progress(const progress_options& options);
  ~progress();
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;

  /// Counts a step; writes if it is time to.
  void step(double loss);
  void finish();  ///< writes the last line; the destructor does it otherwise

 private:
  [[nodiscard]] std::string line() const;
  void show(bool last);

  progress_options options_;
  bool terminal_;
  bool finished_ = false;
  std::int64_t steps_ = 0, shown_steps_ = 0;
  double latest_ = 0, smooth_ = 0;
  bool smoothed_ = false;
  std::size_t shown_width_ = 0;
  double start_, last_;  // in seconds of a steady clock
};

/// Losses by step, for a file.
class training_curve {
 public:
  /// Adds a point; steps come in the order given.
  void add(std::int64_t step, double loss);
  [[nodiscard]] std::string csv() const;  ///< "step,loss" and a line each
  /// A polyline with axes as a self-contained SVG document; values that are not finite are left
  /// out.
  [[nodiscard]] std::string svg(const std::string& title = "loss") const;

 private:
  struct point {
    std::int64_t step;
    double loss;
  };
  std::vector<point> points_;
};

}  // namespace graft
