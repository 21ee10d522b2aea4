// What reports look like, against files.
#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <regex>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "graft/graft.hpp"

#include "golden.hpp"

using namespace graft;
using graft_test::check_golden;

namespace {

template <tensor_like X>
auto digits_network(const X& images) {
  auto pixels = reshape<shape<dyn, 1, 8, 8>>(images);
  auto features =
      relu(batch_norm(conv2d<4, conv{.kernel = {3, 3}, .padding = same_padding}>(pixels)));
  auto pooled = flatten(max_pool2d<pool{.window = {2, 2}}>(features));
  auto mix = dense<64>.shared("mix");
  auto hidden = relu(mix(relu(mix(pooled))));
  return dense<10, "logits">(hidden);
}

struct fixture {
  Graph g;
  tensor<Graph, dtype::float32, shape<dim<"batch">, 64>> x =
      placeholder<float, shape<dim<"batch">, 64>>(g, "images");
  decltype(digits_network(x)) y = digits_network(x);
};

// Two layers whose first is to be shared.
struct small_fixture {
  Graph g;
  tensor<Graph, dtype::float32, shape<dyn, 3>> x = placeholder<float, shape<dyn, 3>>(g, "x");
  decltype(dense<2>(x)) y = dense<2, "head">(relu(dense<4, "body">(x)));
  Region region = extract(inputs(x), outputs(y));
};

training_curve falling_curve() {
  training_curve curve;
  for (int step = 0; step <= 40; ++step) {
    curve.add(step * 25, step == 7 ? std::nan("") : 2.0 / (1 + step) + (step % 2) * 0.0625);
  }
  return curve;
}

}  // namespace

TEST_CASE("a summary of more elements than can be counted says so") {
  Graph g;
  constexpr extent side = extent{1} << 31;
  const any_tensor a = make_variable<float, shape<side, side>>(g, "a", zeros());
  const any_tensor b = make_variable<float, shape<side, side>>(g, "b", zeros());
  const std::string all = summary(a + b), one = summary(a * 2.0f);
  CHECK(all.find("trainable over 9e18, other 0, over 9e18 bytes") != std::string::npos);
  CHECK(one.find("trainable 4,611,686,018,427,387,904, other 0, over 9e18 bytes") !=
        std::string::npos);
}

TEST_CASE("the summary of a network") {
  const fixture f;
  check_golden("summary.txt", summary(f.y));
  check_golden("summary_narrow.txt", summary(f.y, {.width = 60}));
}

TEST_CASE("the account of a region") {
  fixture f;
  auto labels = placeholder<std::int64_t, shape<dim<"batch">>>(f.g, "labels");
  minimize(mean(softmax_cross_entropy(f.y, labels)), sgd{.rate = 0.1});
  check_golden("region.txt", to_string(extract(inputs(f.x), outputs(f.y))));
}

TEST_CASE("drawings of a graph") {
  const fixture f;
  check_golden("graph.dot", dot(f.g));
  check_golden("graph.svg", svg(f.g));
}

TEST_CASE("drawings of a region") {
  const fixture f;
  const Region region = extract(inputs(f.x), outputs(f.y));
  check_golden("region.dot", dot(region));
  check_golden("region.svg", svg(region));
}

TEST_CASE("drawings of a region and its clone") {
  fixture f;
  auto x2 = placeholder<float, shape<dim<"batch">, 64>>(f.g, "other_images");
  const Region region = extract(inputs(f.x), outputs(f.y));
  const Clone copy = clone(region, bind(f.x, x2), into("copy"), variables::fresh);
  check_golden("clone.dot", dot(region, copy));
  check_golden("clone.svg", svg(region, copy));
}

TEST_CASE("drawings of a clone that shares a layer") {
  small_fixture f;
  const Clone copy = clone(f.region, into("copy"),
                           variables::by_scope({{"body", variables::shared}}, variables::fresh));
  check_golden("shared.dot", dot(f.region, copy));
  check_golden("shared.svg", svg(f.region, copy));
}

TEST_CASE("drawings of a clone in another graph") {
  small_fixture f;
  Graph other;
  const Clone copy = clone(f.region, into(other, "copy"), variables::fresh);
  check_golden("elsewhere.svg", svg(f.region, copy));
}

TEST_CASE("progress into a file is plain lines") {
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  {
    progress shown({.total_steps = 4, .stream = file, .interval = 0});
    for (const double loss : {2.0, 1.5, 1.25}) shown.step(loss);
    shown.finish();
    shown.finish();
  }
  {
    progress unknown({.stream = file, .interval = 1e9});
    unknown.step(0.5);
    unknown.step(0.25);
  }
  {
    const progress nothing({.stream = file, .interval = 0});
  }
  std::rewind(file);
  std::string text;
  for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) text += static_cast<char>(c);
  std::fclose(file);
  // Speed and time left are the machine's.
  text = std::regex_replace(text, std::regex("[0-9.]+ steps/s"), "N steps/s");
  text = std::regex_replace(text, std::regex("[0-9]+[hm][0-9]+[ms] left"), "T left");
  check_golden("progress.txt", text);
}

TEST_CASE("progress that goes on counts the steps before, and not in its speed") {
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  {
    progress shown({.total_steps = 10, .stream = file, .interval = 0, .first_step = 7});
    shown.step(3);
    shown.step(2);
  }
  {
    const progress nothing({.stream = file, .interval = 0, .first_step = 7});
  }
  std::rewind(file);
  std::string text;
  for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) text += static_cast<char>(c);
  std::fclose(file);
  text = std::regex_replace(text, std::regex("[0-9.]+ steps/s"), "N steps/s");
  text = std::regex_replace(text, std::regex("[0-9]+[hm][0-9]+[ms] left"), "T left");
  CHECK(text ==
        "step 8/10  loss 3.0000  N steps/s  T left\nstep 9/10  loss 2.9000  N steps/s  T left\n");
}

TEST_CASE(
    "losses that are no numbers are shown while they last, tiny and huge ones in few digits") {
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  {
    progress shown({.stream = file, .interval = 0});
    for (const double loss : {2.0, std::nan(""), 1.0, HUGE_VAL, 1.0}) shown.step(loss);
  }
  for (const double loss : {3e-6, 1e300, 0.0}) {
    progress shown({.stream = file, .interval = 0});
    shown.step(loss);
  }
  std::rewind(file);
  std::string text;
  for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) text += static_cast<char>(c);
  std::fclose(file);
  std::string losses;
  const std::regex one("loss ([^ ]+)");
  for (std::sregex_iterator at(text.begin(), text.end(), one), end; at != end; ++at) {
    losses += (*at)[1].str() + " ";
  }
  CHECK(losses == "2.0000 nan 1.9000 inf 1.8100 3.000e-06 1.000e+300 0.0000 ");
}

TEST_CASE("pictures are well-formed whatever bytes a name holds") {
  Graph g;
  (void)placeholder<float, shape<2>>(g,
                                     "a\xff"
                                     "b\xc3\xa9\xed\xa0\x80\xe2\x82"
                                     "c");
  const std::string picture = svg(g);
  CHECK(picture.find("a\xef\xbf\xbd"
                     "b\xc3\xa9\xef\xbf\xbd") != std::string::npos);
  CHECK(picture.find('\xff') == std::string::npos);
  CHECK(picture.find("\xed\xa0") == std::string::npos);
}

TEST_CASE("progress on a terminal is one line that is rewritten") {
  const int master = ::posix_openpt(O_RDWR | O_NOCTTY);
  if (master < 0 || ::grantpt(master) != 0 || ::unlockpt(master) != 0) return;  // there are none
  const int slave = ::open(::ptsname(master), O_RDWR | O_NOCTTY);
  REQUIRE(slave >= 0);
  std::FILE* terminal = ::fdopen(slave, "w");
  REQUIRE(terminal != nullptr);
  const auto wait = [] { std::this_thread::sleep_for(std::chrono::milliseconds(110)); };
  {
    progress shown({.total_steps = 2, .stream = terminal});
    wait();
    shown.step(2);
    shown.step(2);  // too soon to be shown
    shown.finish();
    shown.finish();
  }
  std::string text;  // a terminal may give it in parts
  pollfd ready{master, POLLIN, 0};
  while (!text.ends_with("\r\n") && ::poll(&ready, 1, 10000) == 1) {
    std::array<char, 4096> part;
    const ssize_t length = ::read(master, part.data(), part.size());
    REQUIRE(length > 0);
    text.append(part.data(), static_cast<std::size_t>(length));
  }
  REQUIRE(!text.empty());
  std::fclose(terminal);
  ::close(master);
  CHECK(text.front() == '\r');
  REQUIRE(text.ends_with("\r\n"));  // the terminal's own end of a line
  CHECK(std::count(text.begin(), text.end(), '\n') == 1);
  const std::size_t second = text.find('\r', 1);
  REQUIRE(second < text.size() - 2);
  const std::string first_line = text.substr(1, second - 1);
  const std::string last_line = text.substr(second + 1, text.size() - 2 - (second + 1));
  CHECK(first_line.starts_with("step 1/2 [##########..........]  loss 2.0000  "));
  CHECK(first_line.ends_with(" left"));
  CHECK(last_line.starts_with("step 2/2 [####################]  loss 2.0000  "));
  // Nothing of the longer line before is left over.
  CHECK(last_line.size() == first_line.size());
  CHECK(last_line.ends_with("    "));
  CHECK(last_line.substr(0, last_line.find_last_not_of(' ') + 1).ends_with("steps/s"));
}

TEST_CASE("the curve of a training") {
  const training_curve curve = falling_curve();
  check_golden("curve.csv", curve.csv());
  check_golden("curve.svg", curve.svg("loss < 2 & falling"));
  check_golden("curve_empty.svg", training_curve().svg());
  training_curve flat;
  flat.add(3, 1.0);
  check_golden("curve_one.svg", flat.svg());
}

TEST_CASE("curves of extreme losses have finite coordinates") {
  const std::vector<std::vector<double>> all{
      {-1.7e308, 1.7e308}, {5e-324, 0}, {1e17, 1e17 + 16}, {-0.0, 0.0}, {3, 3, 3}};
  for (const std::vector<double>& losses : all) {
    training_curve curve;
    for (const double loss : losses) curve.add(std::int64_t{1} << 62, loss);
    const std::string text = curve.svg();
    INFO(text);
    CHECK(text.find("nan") == std::string::npos);
    CHECK(text.find("inf") == std::string::npos);
    CHECK(text.size() < 6000);
  }
}

TEST_CASE("a layer used a thousand times is drawn once, with a branch to each use") {
  Graph g;
  auto w = dense<4>.shared("w");
  auto y = placeholder<float, shape<dyn, 4>>(g, "x");
  for (int i = 0; i < 1000; ++i) y = relu(w(y));
  CHECK(svg(g).size() < 3'000'000);
}

TEST_CASE("drawings of training stay of bearable size") {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  auto y = x;
  for (int i = 0; i < 300; ++i) y = tanh(y);
  gradient(sum(y), x);
  CHECK(svg(g).size() < 3'000'000);
}

TEST_CASE("drawings of a frozen clone") {
  small_fixture f;
  Session session(f.g, {.seed = 1});
  session.initialize();
  check_golden("frozen.svg", svg(f.region, clone(f.region, into("copy"), variables::frozen)));
}

TEST_CASE("long names are drawn without their middle") {
  Graph g;
  auto x = placeholder<float, shape<dyn, 3>>(g, "an_input_whose_name_goes_on_and_on_and_on");
  relu(x, "a<b>");
  const std::string picture = svg(g);
  CHECK(picture.find(">an_input_whose...d_on_and_on<") != std::string::npos);
  CHECK(picture.find("<title>an_input_whose_name_goes_on_and_on_and_on\n") != std::string::npos);
  CHECK(picture.find("<b>") == std::string::npos);
  CHECK(picture.find(">a&lt;b&gt;<") != std::string::npos);
}
