#include "graft/report/progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>

namespace graft {
namespace {

std::string format(const char* pattern, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, pattern, value);
  return buffer;
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

}  // namespace

progress::progress(const progress_options& options)
    : options_(options),
      terminal_(options.stream != nullptr && ::isatty(::fileno(options.stream)) == 1),
      start_(std::chrono::steady_clock::now()),
      last_(start_) {}

progress::~progress() { finish(); }

void progress::step(double loss) {
  ++steps_;
  smooth_ = steps_ == 1 ? loss : 0.9 * smooth_ + 0.1 * loss;
  const auto now = std::chrono::steady_clock::now();
  const double since = std::chrono::duration<double>(now - last_).count();
  if (since < (terminal_ ? 0.1 : options_.interval)) return;
  last_ = now;
  show(false);
}

void progress::finish() {
  if (finished_) return;
  finished_ = true;
  if (steps_ > 0) show(true);
}

std::string progress::line() const {
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  const double rate = seconds > 0 ? static_cast<double>(steps_) / seconds : 0;
  std::string text = "step " + std::to_string(steps_);
  if (options_.total_steps > 0) {
    const double part = std::min(1.0, static_cast<double>(steps_) / static_cast<double>(options_.total_steps));
    text += "/" + std::to_string(options_.total_steps);
    if (terminal_) {
      const auto filled = static_cast<std::size_t>(part * 20);
      text += " [" + std::string(filled, '#') + std::string(20 - filled, '.') + "]";
    }
  }
  text += "  loss " + format("%.4f", smooth_) + "  " + format("%.1f", rate) + " steps/s";
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

std::string training_curve::csv() const {
  std::string text = "step,loss\n";
  for (const point& p : points_) text += std::to_string(p.step) + "," + format("%.9g", p.loss) + "\n";
  return text;
}

std::string training_curve::svg(const std::string& title) const {
  std::vector<point> shown;
  for (const point& p : points_) {
    if (std::isfinite(p.loss)) shown.push_back(p);
  }
  constexpr double width = 640, height = 360, left = 70, right = 20, top = 40, bottom = 45;
  std::string text =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 360\" font-family=\"sans-serif\" "
      "font-size=\"12\">\n<rect width=\"640\" height=\"360\" fill=\"white\"/>\n<text x=\"320\" y=\"24\" "
      "text-anchor=\"middle\" font-size=\"15\">";
  for (const char c : title) {
    text += c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
  }
  text += "</text>\n";
  if (shown.empty()) return text + "</svg>\n";
  const auto by_loss = [](const point& a, const point& b) { return a.loss < b.loss; };
  double low = std::min_element(shown.begin(), shown.end(), by_loss)->loss;
  double high = std::max_element(shown.begin(), shown.end(), by_loss)->loss;
  if (high == low) low -= 0.5, high += 0.5;
  const auto first = static_cast<double>(shown.front().step), last = static_cast<double>(shown.back().step);
  const double steps = last > first ? last - first : 1;
  const auto x = [&](double step) { return left + (step - first) / steps * (width - left - right); };
  const auto y = [&](double loss) {
    return top + (high - loss) / (high - low) * (height - top - bottom);
  };
  for (int i = 0; i <= 4; ++i) {
    const double loss = low + (high - low) * i / 4, step = first + steps * i / 4;
    const std::string line = format("%.1f", y(loss));
    text += "<line x1=\"70\" x2=\"620\" y1=\"" + line + "\" y2=\"" + line + "\" stroke=\"#ddd\"/>";
    text += "<text x=\"64\" y=\"" + format("%.1f", y(loss) + 4) + "\" text-anchor=\"end\">" +
            format("%.3g", loss) + "</text>";
    text += "<text x=\"" + format("%.1f", x(step)) + "\" y=\"335\" text-anchor=\"middle\">" +
            format("%.0f", step) + "</text>\n";
  }
  text += "<text x=\"345\" y=\"354\" text-anchor=\"middle\">step</text>\n<polyline fill=\"none\" "
          "stroke=\"#1f6fb2\" stroke-width=\"1.5\" points=\"";
  for (const point& p : shown) {
    text += format("%.1f", x(static_cast<double>(p.step))) + "," + format("%.1f ", y(p.loss));
  }
  return text + "\"/>\n</svg>\n";
}

}  // namespace graft
