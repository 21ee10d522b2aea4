// Region files changed at random: each is refused with the host graph as it was, or makes a graph that is valid
// and that runs, or says why not.
#include <algorithm>
#include <cstring>
#include <fstream>
#include <functional>

#include "graft/graft.hpp"
#include "graft/io/region_file.hpp"
#include "graft/io/safetensors.hpp"
#include "graft/train/extract_training.hpp"

#include "catch.hpp"
#include "dice.hpp"
#include "io/json.hpp"
#include "io/region_format.hpp"
#include "temporary_file.hpp"

using namespace graft;
using namespace graft_test;
using io::json;

namespace {

// --- Files, in pieces -------------------------------------------------------------------------------

struct pieces {
  json header;     // of the container, without the structure
  json structure;  // of the region
  std::string data;
};

std::string bytes_of(const json& header, const std::string& data) {
  std::string text = *header.dump();
  while (text.size() % 8 != 0) text += ' ';
  const std::uint64_t length = text.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + text + data;
}

// As other programs write such files: no checksum, so that it is the contents that are refused.
std::string bytes_of(const pieces& p) {
  json::object header{{"__metadata__", json(io::region_key, *p.structure.dump())}};
  for (const json::member& m : *p.header.as<json::object>()) header.push_back(m);
  return bytes_of(json(header), p.data);
}

pieces taken_apart(const std::string& bytes) {
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  const json all = io::parse_json(bytes.substr(sizeof length, length)).document;
  pieces p{json::object(), {}, bytes.substr(sizeof length + length)};
  for (const auto& [key, value] : *all.as<json::object>()) {
    if (key != "__metadata__") p.header.add(key, value);
  }
  const json* structure = all.find("__metadata__")->find(io::region_key);
  p.structure = io::parse_json(*structure->as<std::string>()).document;
  return p;
}

// --- Changes ----------------------------------------------------------------------------------------

std::size_t count_of(const json& value) {
  std::size_t n = 1;
  if (const auto* list = value.as<json::list>()) {
    for (const json& item : *list) n += count_of(item);
  } else if (const auto* object = value.as<json::object>()) {
    for (const json::member& m : *object) n += count_of(m.value);
  }
  return n;
}

// The value at a place in reading order, changed by f; all else as it was.
json changed_at(const json& value, std::size_t& place, const std::function<json(const json&)>& f) {
  if (place-- == 0) return f(value);
  if (const auto* list = value.as<json::list>()) {
    json::list made;
    for (const json& item : *list) made.push_back(changed_at(item, place, f));
    return made;
  }
  if (const auto* object = value.as<json::object>()) {
    json::object made;
    for (const json::member& m : *object) made.push_back({m.key, changed_at(m.value, place, f)});
    return made;
  }
  return value;
}

json at(const json& value, std::size_t place) {
  json found;
  changed_at(value, place, [&](const json& there) {
    found = there;
    return there;
  });
  return found;
}

json extreme(dice& d) {
  static const std::vector<json> all = {json(),
                                        true,
                                        false,
                                        0,
                                        1,
                                        2,
                                        3,
                                        -1,
                                        -2,
                                        -100,
                                        127,
                                        std::int64_t{1} << 31,
                                        (std::int64_t{1} << 31) - 1,
                                        std::int64_t{1} << 32,
                                        std::int64_t{1} << 53,
                                        std::int64_t{1} << 62,
                                        std::numeric_limits<std::int64_t>::max(),
                                        std::numeric_limits<std::int64_t>::min(),
                                        std::numeric_limits<std::uint64_t>::max(),
                                        0.5,
                                        -1e308,
                                        1e-320,
                                        "",
                                        "a",
                                        "nan",
                                        "-inf",
                                        "in0",
                                        "in1",
                                        "0",
                                        "1:1",
                                        "float64",
                                        "int64",
                                        "boolean",
                                        "any",
                                        "string",
                                        std::string(300, 'x'),
                                        json::list(),
                                        json::list{0},
                                        json::list{-1, 7},
                                        json::list{std::int64_t{1} << 40, std::int64_t{1} << 40},
                                        json::object(),
                                        json("integer", 1),
                                        json("integers", json::list{1, 1}),
                                        json("integers", json::list()),
                                        json("real", 0.5),
                                        json("real", "nan"),
                                        json("string", "gpu:0"),
                                        json("type", "int32"),
                                        json("variable", 0),
                                        json("constant", "/0"),
                                        json("body", 0)};
  return d.of(all);
}

json changed(const json& value, const json& whole, dice& d) {
  if (d.one_in(4)) return extreme(d);
  if (d.one_in(6)) return at(whole, d.below(count_of(whole)));  // something from elsewhere
  if (const auto* list = value.as<json::list>()) {
    json::list made = *list;
    const std::size_t i = made.empty() ? 0 : d.below(made.size()), choice = d.below(5);
    if (made.empty() || choice == 0) {
      made.insert(made.begin() + static_cast<std::ptrdiff_t>(i), extreme(d));
    } else if (choice == 1) {
      made.erase(made.begin() + static_cast<std::ptrdiff_t>(i));
    } else if (choice == 2) {
      made.insert(made.begin() + static_cast<std::ptrdiff_t>(d.below(made.size())), json(made[i]));
    } else if (choice == 3) {
      made.resize(i);
    } else {
      std::swap(made[i], made[d.below(made.size())]);
    }
    return made;
  }
  if (const auto* object = value.as<json::object>()) {
    json::object made = *object;
    if (made.empty()) return json("x", extreme(d));
    const std::size_t i = d.below(made.size()), other = d.below(made.size());
    switch (d.below(4)) {
      case 0:
        made.erase(made.begin() + static_cast<std::ptrdiff_t>(i));
        break;
      case 1:
        made.push_back(json::member(made[i]));  // twice
        break;
      case 2:
        made[i].key = made[other].key + "s";
        break;
      default:
        std::swap(made[i].value, made[other].value);
    }
    return made;
  }
  if (const auto number = value.integer()) {
    const std::int64_t by = static_cast<std::int64_t>(d.below(5)) - 2;
    return -1000 < *number && *number < 1000 ? json(*number + by) : extreme(d);
  }
  if (const auto* text = value.as<std::string>()) {
    std::string made = *text;
    if (!made.empty()) made[d.below(made.size())] = "0129:/_abin"[d.below(11)];
    return made;
  }
  return extreme(d);
}

json mutated(const json& whole, dice& d) {
  std::size_t place = d.below(count_of(whole));
  return changed_at(whole, place, [&](const json& value) { return changed(value, whole, d); });
}

std::string mutant(const std::string& good, const pieces& p, dice& d) {
  pieces m = p;
  switch (d.below(10)) {
    case 0: {  // bytes of the file
      std::string bytes = d.one_in(2) ? good : bytes_of(p);
      for (std::size_t n = 1 + d.below(3); n > 0; --n)
        bytes[d.below(bytes.size())] ^= static_cast<char>(1u << d.below(8));
      return bytes;
    }
    case 1: {
      const std::string bytes = d.one_in(2) ? good : bytes_of(p);
      return bytes.substr(0, d.below(bytes.size()));
    }
    case 2:  // names, types, shapes and offsets of tensors
      m.header = mutated(p.header, d);
      if (m.header.as<json::object>() == nullptr) m.header = json::object();
      break;
    case 3:
      m.data.resize(d.below(2 * m.data.size() + 1));
      break;
    default:
      m.structure = mutated(p.structure, d);
      if (d.one_in(4)) m.structure = mutated(m.structure, d);
  }
  return bytes_of(m);
}

// --- What is done with them ------------------------------------------------------------------------------

// Numbers for an input, or nothing where it is too large or of no number.
std::optional<Array> some(value_type type) {
  if (type.type == dtype::any) type.type = dtype::float32;
  if (size_of(type.type) == 0 || type.shape.size() > 8) return std::nullopt;
  std::int64_t count = 1;
  for (extent& e : type.shape) {
    if (e < 0) e = 2;
    if (e > 1000) return std::nullopt;
    count *= e;
    if (count > 100000) return std::nullopt;
  }
  return Array(type.type, type.shape);
}

// Small enough to be computed within a test.
bool is_small(const Graph& g) {
  for (std::size_t i = 0; i < g.op_count(); ++i) {
    const op_id op = g.op_at(i);
    if (g.schema_of(op).name == "while_loop") return false;  // may not end
    for (std::uint32_t k = 0; k < g.output_count(op); ++k) {
      const value_type type = g.type_of({op, k});
      std::int64_t count = 1;
      for (const extent e : type.shape) {
        if (__builtin_mul_overflow(count, e < 0 ? 2 : e, &count) || count > 1000000) return false;
      }
    }
  }
  for (std::size_t k = 0; k < g.body_count(); ++k) {
    if (!is_small(g.body(static_cast<std::int64_t>(k)))) return false;
  }
  return true;
}

struct tally {
  bool runs = false;  // the file as it was
  int refused = 0, loaded = 0, ran = 0;
};

void run(Graph& g, const loaded_region& loaded, tally& t) {
  if (!is_small(g)) return;
  std::vector<feed_item> feeds;
  for (const any_tensor& input : loaded.inputs) {
    std::optional<Array> value = some(g.type_of(g.id(input.ref())));
    if (!value) return;
    feeds.push_back(feed(input, std::move(*value)));
  }
  try {
    Session session(g);
    session.initialize();
    (void)session.run(loaded.outputs, feeds);
    ++t.ran;
  } catch (const error&) {  // says what does not fit
  }
}

// The graph that files are loaded into: two variables of its own, one with a value.
struct host {
  Graph g;
  host() {
    const auto x = placeholder<float, shape<2>>(g, "x");
    const auto v = make_variable<float, shape<2>>(g, "v", ones());
    Session(g).initialize();
    const auto w = make_variable<float, shape<2>>(g, "w", ones());
    (void)add(mul(x, v), w);
  }
};

tally try_mutants(const std::function<Region(Graph&)>& build) {
  const temporary_file file;
  {
    Graph g;
    const Region region = build(g);
    Session(g).initialize();
    save_region(file.path, region);
  }
  const std::string good = file.bytes();
  const pieces p = taken_apart(good);
  tally t;
  {
    file.write(bytes_of(p));
    Graph g;
    const loaded_region loaded = load_region(g, file.path);
    g.validate();
    run(g, loaded, t);
    t.runs = t.ran == 1;
    CHECK(t.runs == is_small(g));
  }
  for_seeds(400, [&](std::uint64_t seed) {
    INFO("seed " << seed);
    dice d(seed);
    file.write(mutant(good, p, d));
    host h;
    const std::uint64_t before = h.g.digest();
    try {
      const loaded_region loaded = load_region(h.g, file.path);
      ++t.loaded;
      h.g.validate();
      run(h.g, loaded, t);
      h.g.validate();
    } catch (const io_error& e) {
      ++t.refused;
      CHECK_FALSE(e.parts().found.empty());
      CHECK(h.g.digest() == before);
      h.g.validate();
    }
  });
  return t;
}

void check(const std::function<Region(Graph&)>& build) {
  const tally t = try_mutants(build);
  INFO(t.refused << " refused, " << t.loaded << " loaded, " << t.ran << " ran");
  if (std::getenv("GRAFT_TEST_SEED") != nullptr) return;
  CHECK(t.refused > 100);
  CHECK(t.loaded > 10);
  CHECK((t.ran > 5 || !t.runs));
}

}  // namespace

TEST_CASE("mutants of a plain region are refused or run", "[edge-86]") {
  check([](Graph& g) {
    const auto x = placeholder<float, shape<dim<"batch">, 4>>(g, "x");
    const auto h = relu(dense<5>(x));
    const auto c = constant(g, Array::from<float>({5}, {1, 2, 3, 4, 5}), "shift");
    const auto y = softmax(dense<3>(leaky_relu(h + c, 0.1)));
    g.add_to_collection("heads", {member::kind::tensor, {}, g.id(y.ref())});
    return extract(inputs(x), outputs(y, mean(reshape<shape<-1, 5>>(h))));
  });
}

TEST_CASE("mutants of a region with convolutions and statistics are refused or run", "[edge-86]") {
  check([](Graph& g) {
    const auto x = placeholder<float, shape<2, 2, 6, 6>>(g, "x");
    const auto maps = max_pool2d(relu(batch_norm(conv2d<3>(x))));
    const auto y = dense<2>(dropout(flatten(avg_pool2d(maps)), 0.5));
    return extract(inputs(x), outputs(y));
  });
}

TEST_CASE("mutants of a region with bodies are refused or run", "[edge-86]") {
  check([](Graph& g) {
    const auto xs = placeholder<float, shape<3, 2>>(g, "xs");
    const auto k = placeholder<float, shape<2>>(g, "k");
    const auto w = make_variable<float, shape<2>>(g, "w", uniform());
    const auto [last, all] = scan(k, xs, [&](auto s, auto e) {
      const auto next =
          cond(sum(s) < 1.0f, [&] { return tanh(s * w) + e; }, [&] { return s - k * e; });
      return std::tuple{next, sum(next)};
    });
    const auto y = sum(last) + sum(all);
    return extract(inputs(xs, k), outputs(y, gradients(y, {any_tensor(w)})[0]));
  });
}

TEST_CASE("mutants of a region with loops are refused or make a graph", "[edge-86]") {
  // One that goes round for ever is right as any other, so none is run.
  check([](Graph& g) {
    const auto x = placeholder<float, shape<2>>(g, "x");
    const auto out = while_loop(
        std::tuple{constant(g, std::int32_t{0}), x},
        [&](auto i, auto) { return i < std::int32_t{3}; },
        [&](auto i, auto v) { return std::tuple{i + std::int32_t{1}, v * x}; });
    const auto y = sum(std::get<1>(out));
    return extract(inputs(x), outputs(y, gradients(y, {any_tensor(x)})[0]));
  });
}

TEST_CASE("mutants of a training step are refused or run", "[edge-86]") {
  check([](Graph& g) {
    const auto x = placeholder<float, shape<4, 3>>(g, "x");
    const auto labels = placeholder<std::int64_t, shape<4>>(g, "labels");
    const auto loss = mean(softmax_cross_entropy(dense<3>(tanh(dense<4>(x))), labels));
    const training_step step = minimize(loss, adam{0.01}, {.clip_norm = 1.0});
    return extract_training(inputs(x, labels), step);
  });
}

TEST_CASE("mutants of a region with several outputs and control edges are refused or run",
          "[edge-86]") {
  check([](Graph& g) {
    const auto x = placeholder<float, shape<dyn, 6>>(g, "x");
    const auto [a, b] = split<2, 1>(x);
    const auto joined = concat<1>(slice<along<1, 0, 2>>(a), pad<border<1, 1, 0>>(b));
    const auto picked = gather<1>(joined, argmax<1>(joined));
    const auto y = clip(transpose(picked), -1.0, 1.0);
    const auto z = cast(x < 0.5f, dtype::int32);
    g.add_control_edge(g.id(a.ref()).op, g.id(z.ref()).op);
    return extract(inputs(x), outputs(y, z, b));
  });
}

TEST_CASE("mutants of a region with given values are refused or run", "[edge-86]") {
  check([](Graph& g) {
    const auto x = placeholder<float, shape<dyn, 4>>(g, "x");
    const auto mask = placeholder<float, shape<4>>(g, "mask");
    const auto kept = placeholder<float, shape<4>>(g, "kept");
    const auto h = tanh(dense<4>(x * mask));
    const auto inner = exp(kept);
    const auto y = h * inner + kept;
    return extract(inputs(x, kept), outputs(y, mask),
                   given(mask, Array::from<float>({4}, {1, 0, 1, 0}), inner,
                         Array::from<float>({4}, {1, 2, 3, 4})));
  });
}
