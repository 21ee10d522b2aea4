#include "graft/report/progress.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include <unistd.h>

namespace graft {
namespace {

std::string format(const char* pattern, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, pattern, value);
  return buffer;
}

std::string loss_text(double loss) {
  const double size = std::abs(loss);
  return format(size == 0 || (size >= 1e-3 && size < 1e6) ? "%.4f" : "%.3e", loss);
}

std::string duration(double seconds) {
  const auto s = static_cast<long long>(seconds + 0.5);
  char buffer[64];
  if (s >= 3600) {
    std::snprintf(buffer, sizeof buffer, "%lldh%02lldm", s / 3600, s / 60 % 60);
  } else {
    std::snprintf(buffer, sizeof buffer, "%lldm%02llds", s / 60, s % 60);
  }
  return buffer;
}

// A range of values, widened to round numbers (1, 2 or 5 times a power of ten) about four steps
// apart.
struct axis {
  double low, step;
  int count;

  axis(double least, double most, bool whole) {
    // The range of all doubles is no double.
    least = std::max(least, -1e300), most = std::min(most, 1e300);
    const double size = std::max(std::abs(least), std::abs(most));
    const double rough =
        std::max(most > least ? (most - least) / 4 : 0.5, std::max(size * 1e-9, 1e-300));
    const double power = std::pow(10.0, std::floor(std::log10(rough)));
    const double digits = rough / power;
    step = (digits < 1.5 ? 1 : digits < 3.5 ? 2 : digits < 7.5 ? 5 : 10) * power;
    if (whole) step = std::max(step, 1.0);
    low = std::floor(least / step) * step;
    count = std::clamp(static_cast<int>(std::ceil((most - low) / step - 1e-9)), 1, 20);
  }
  [[nodiscard]] double tick(int i) const {
    const double value = low + i * step;
    return std::abs(value) < step * 1e-9 ? 0 : value;
  }
  [[nodiscard]] double part(double value) const { return (value - low) / (step * count); }
};

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

progress::progress(const progress_options& options)
    : options_(options),
      terminal_(options.stream != nullptr && ::isatty(::fileno(options.stream)) == 1),
      steps_(options.first_step),
      shown_steps_(options.first_step),
      start_(seconds_now()),
      last_(start_) {}

progress::~progress() { finish(); }

void progress::step(double loss) {
  ++steps_;
  latest_ = loss;
  // A loss that is no number is shown while it is the latest, and leaves no trace.
  if (std::isfinite(loss)) {
    smooth_ = smoothed_ ? 0.9 * smooth_ + 0.1 * loss : loss;
    smoothed_ = true;
  }
  const double now = seconds_now();
  if (now - last_ < (terminal_ ? 0.1 : options_.interval)) return;
  last_ = now;
  shown_steps_ = steps_;
  show(false);
}

void progress::finish() {
  if (finished_) return;
  finished_ = true;
  // On a terminal the line is still open; elsewhere it need not be said twice.
  if (steps_ > options_.first_step && (terminal_ || shown_steps_ != steps_)) show(true);
}

std::string progress::line() const {
  const double seconds = seconds_now() - start_;
  const double rate = seconds > 0 ? static_cast<double>(steps_ - options_.first_step) / seconds : 0;
  std::string text = "step " + std::to_string(steps_);
  if (options_.total_steps > 0) {
    const double part =
        std::min(1.0, static_cast<double>(steps_) / static_cast<double>(options_.total_steps));
    text += "/" + std::to_string(options_.total_steps);
    if (terminal_) {
      const auto filled = static_cast<std::size_t>(part * 20);
      text += " [" + std::string(filled, '#') + std::string(20 - filled, '.') + "]";
    }
  }
  text += "  loss " + loss_text(std::isfinite(latest_) ? smooth_ : latest_) + "  " +
          format("%.1f", rate) + " steps/s";
  if (options_.total_steps > steps_ && rate > 0) {
    text += "  " + duration(static_cast<double>(options_.total_steps - steps_) / rate) + " left";
  }
  return text;
}

void progress::show(bool last) {
  if (options_.stream == nullptr) return;
  std::string text = line();
  if (terminal_) {
    const std::size_t width = text.size();
    if (width < shown_width_) text.append(shown_width_ - width, ' ');
    shown_width_ = width;
    text = "\r" + text + (last ? "\n" : "");
  } else {
    text += "\n";
  }
  std::fputs(text.c_str(), options_.stream);
  std::fflush(options_.stream);
}

void training_curve::add(std::int64_t step, double loss) { points_.push_back({step, loss}); }

std::string training_curve::csv() const {
  std::string text = "step,loss\n";
  for (const point& p : points_)
    text += std::to_string(p.step) + "," + format("%.9g", p.loss) + "\n";
  return text;
}

std::string training_curve::svg(const std::string& title) const {
  std::vector<point> shown;
  for (const point& p : points_) {
    if (std::isfinite(p.loss)) shown.push_back(p);
  }
  constexpr double width = 640, height = 360, left = 70, right = 24, top = 40, bottom = 48;
  std::string text =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 360\" width=\"640\" "
      "height=\"360\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"640\" height=\"360\" "
      "fill=\"white\"/>\n<text "
      "x=\"345\" y=\"24\" text-anchor=\"middle\" font-size=\"15\">";
  for (const char c : title) {
    text += c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
  }
  text += "</text>\n";
  if (shown.empty()) {
    return text +
           "<text x=\"345\" y=\"186\" text-anchor=\"middle\" fill=\"#64748b\">no finite values "
           "yet</text>\n</svg>\n";
  }
  const auto by_loss = [](const point& a, const point& b) { return a.loss < b.loss; };
  const axis losses(std::min_element(shown.begin(), shown.end(), by_loss)->loss,
                    std::max_element(shown.begin(), shown.end(), by_loss)->loss, false);
  const auto by_step = [](const point& a, const point& b) { return a.step < b.step; };
  const axis steps(static_cast<double>(std::min_element(shown.begin(), shown.end(), by_step)->step),
                   static_cast<double>(std::max_element(shown.begin(), shown.end(), by_step)->step),
                   true);
  const auto x = [&](double step) { return left + steps.part(step) * (width - left - right); };
  const auto y = [&](double loss) {
    return height - bottom - losses.part(loss) * (height - top - bottom);
  };
  for (int i = 0; i <= losses.count; ++i) {
    const std::string line = format("%.1f", y(losses.tick(i)));
    text += "<line x1=\"70\" x2=\"616\" y1=\"" + line + "\" y2=\"" + line +
            "\" stroke=\"#e2e8f0\"/><text x=\"62\" y=\"" + format("%.1f", y(losses.tick(i)) + 4) +
            "\" text-anchor=\"end\">" + format("%.6g", losses.tick(i)) + "</text>\n";
  }
  for (int i = 0; i <= steps.count; ++i) {
    text += "<text x=\"" + format("%.1f", x(steps.tick(i))) +
            "\" y=\"330\" text-anchor=\"middle\">" + format("%.12g", steps.tick(i)) + "</text>\n";
  }
  text += "<text x=\"343\" y=\"350\" text-anchor=\"middle\" fill=\"#475569\">step</text>\n";
  if (shown.size() == 1) {
    return text + "<circle cx=\"" + format("%.1f", x(static_cast<double>(shown[0].step))) +
           "\" cy=\"" + format("%.1f", y(shown[0].loss)) +
           "\" r=\"3\" fill=\"#1d4ed8\"/>\n</svg>\n";
  }
  text +=
      "<polyline fill=\"none\" stroke=\"#1d4ed8\" stroke-width=\"1.5\" stroke-linejoin=\"round\" "
      "points=\"";
  for (const point& p : shown) {
    text += format("%.1f", x(static_cast<double>(p.step))) + "," + format("%.1f ", y(p.loss));
  }
  return text + "\"/>\n</svg>\n";
}

}  // namespace graft
