// Files of values: round trips, damage, and training that goes on where it stopped.
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "graft/graft.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

namespace {

// A folder that goes away with the test.
class folder {
 public:
  folder() {
    std::string name = (std::filesystem::temp_directory_path() / "graft-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~folder() { std::filesystem::remove_all(path_); }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;
  [[nodiscard]] std::string operator/(const std::string& name) const {
    return (path_ / name).string();
  }
  [[nodiscard]] std::size_t files() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path_),
                                                  std::filesystem::directory_iterator()));
  }

 private:
  std::filesystem::path path_;
};

std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// A file without a checksum, as others write them.
std::string foreign(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header + data;
}

struct small_net {
  Graph g;
  row4 x = input4(g);
  row4 y = dense4(x);
  explicit small_net(float first = 1) { set_values(g, first); }
};

}  // namespace

TEST_CASE("arrays of every type and size come back bit for bit", "[safetensors]") {
  const folder dir;
  named_arrays arrays;
  for (const dtype type : {dtype::boolean, dtype::int8, dtype::int16, dtype::int32, dtype::int64,
                           dtype::uint8, dtype::uint16, dtype::uint32, dtype::uint64, dtype::float16,
                           dtype::bfloat16, dtype::float32, dtype::float64}) {
    for (const dims& shape : {dims{}, dims{1}, dims{7}, dims{3, 5}, dims{2, 0, 3}}) {
      Array a(type, shape);
      auto* bytes = static_cast<unsigned char*>(a.bytes() > 0 ? a.mutable_data() : nullptr);
      for (std::size_t i = 0; i < a.bytes(); ++i) {
        bytes[i] = static_cast<unsigned char>(type == dtype::boolean ? i % 2 : i * 37 + 11);
      }
      arrays.emplace_back(std::string(name_of(type)) + "/" + to_string(shape), a);
    }
  }
  write_safetensors(dir / "all", arrays);
  const named_arrays found = read_safetensors(dir / "all");
  REQUIRE(found.size() == arrays.size());
  for (const auto& [name, array] : arrays) {
    INFO(name);
    const auto place = std::find_if(found.begin(), found.end(),
                                    [&, &wanted = name](const auto& f) { return f.first == wanted; });
    REQUIRE(place != found.end());
    CHECK(place->second.same_bits(array));
  }
  CHECK(dir.files() == 1);  // no temporary file is left
}

TEST_CASE("a file cut anywhere is refused and loads nothing", "[safetensors]") {
  const folder dir;
  small_net saved(1), other(50);
  save_variables(saved.g, dir / "whole");
  const std::string whole = contents(dir / "whole");
  const auto before = other.g.digest();
  for (std::size_t length = 0; length < whole.size(); ++length) {
    write(dir / "cut", whole.substr(0, length));
    INFO(length << " of " << whole.size() << " bytes");
    REQUIRE_THROWS_AS(load_variables(other.g, dir / "cut"), io_error);
  }
  write(dir / "cut", whole + "x");
  CHECK_THROWS_AS(load_variables(other.g, dir / "cut"), io_error);
  CHECK(other.g.digest() == before);
}

TEST_CASE("a file with any bit flipped is refused and loads nothing", "[safetensors]") {
  const folder dir;
  small_net saved(1), other(50);
  save_variables(saved.g, dir / "whole");
  const std::string whole = contents(dir / "whole");
  const auto before = other.g.digest();
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string changed = whole;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    write(dir / "flipped", changed);
    INFO("bit " << bit);
    REQUIRE_THROWS_AS(load_variables(other.g, dir / "flipped"), graft::error);
  }
  CHECK(other.g.digest() == before);
}

TEST_CASE("malformed files of others get a sentence each", "[safetensors]") {
  const folder dir;
  const std::string four(16, '\0');
  const auto refused = [&](const std::string& bytes) {
    write(dir / "bad", bytes);
    const std::string text = message_of<io_error>([&] { (void)read_safetensors(dir / "bad"); });
    CHECK(mentions(text, "bad"));
    return text;
  };
  const std::string good = R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})";
  write(dir / "good", foreign(good, four));
  CHECK(read_safetensors(dir / "good").size() == 1);

  CHECK(mentions(refused(""), "0 bytes"));
  CHECK(mentions(refused(foreign(good, four).substr(0, 7)), "7 bytes"));
  CHECK(mentions(refused(std::string(8, '\xff') + "{}"), "header claims"));
  refused(foreign("[]", ""));
  refused(foreign("{", ""));
  refused(foreign(R"({"a":1})", ""));
  refused(foreign(R"({"a":{"dtype":"F32","shape":[4]}})", four));
  CHECK(mentions(refused(foreign(R"({"a":{"dtype":"F99","shape":[4],"data_offsets":[0,16]}})", four)),
                 "F99"));
  refused(foreign(R"({"a":{"dtype":3,"shape":[4],"data_offsets":[0,16]}})", four));
  refused(foreign(R"({"a":{"dtype":"F32","shape":4,"data_offsets":[0,16]}})", four));
  refused(foreign(R"({"a":{"dtype":"F32","shape":[-4],"data_offsets":[0,16]}})", four));
  refused(foreign(R"({"a":{"dtype":"F32","shape":[4.0],"data_offsets":[0,16]}})", four));
  CHECK(mentions(
      refused(foreign(
          R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,16]}})", four)),
      "more elements"));
  CHECK(mentions(refused(foreign(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,16]}})", four)),
                 "12"));
  CHECK(mentions(refused(foreign(R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,20]}})", four)),
                 "outside"));
  refused(foreign(R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[16,0]}})", four));
  CHECK(mentions(
      refused(foreign(
          R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})",
          four)),
      "overlap"));
  CHECK(mentions(
      refused(foreign(
          R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}})",
          four)),
      "hole"));
  CHECK(mentions(refused(foreign(good, four + "tail")), "belong to no tensor"));
  refused(foreign(
      R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})",
      four));
  CHECK(mentions(refused(foreign(R"({"a":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}})", "\x02")),
                 "boolean"));
  refused(foreign(R"({"__metadata__":3})", ""));
  refused(foreign(R"({"__metadata__":{"k":3}})", ""));
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += R"({"a":)";
  refused(foreign(deep, ""));
  CHECK(mentions(message_of<io_error>([&] { (void)read_safetensors(dir / "absent"); }), "absent"));
}

TEST_CASE("values that do not fit are refused and nothing changes", "[safetensors]") {
  const folder dir;
  small_net n;
  const auto before = n.g.digest();
  const auto put = [&](const named_arrays& arrays) { write_safetensors(dir / "file", arrays); };
  const Array w = Array::full<float>({4, 4}, 9), b = Array::full<float>({4}, 9);
  put({{"dense/w", w}, {"dense/b", Array::full<float>({5}, 9)}});
  CHECK(mentions(message_of<shape_error>([&] { (void)load_variables(n.g, dir / "file"); }), "dense/b"));
  put({{"dense/w", w}, {"dense/b", Array::full<double>({4}, 9)}});
  CHECK_THROWS_AS(load_variables(n.g, dir / "file"), dtype_error);
  put({{"dense/w", w}, {"other", b}});
  const std::string text = message_of<name_error>([&] { (void)load_variables(n.g, dir / "file"); });
  CHECK(mentions(text, "dense/b"));
  CHECK(mentions(text, "other"));
  CHECK(n.g.digest() == before);

  load_options options;
  options.strict = false;
  const load_report report = load_variables(n.g, dir / "file", options);
  CHECK(report.loaded == std::vector<std::string>{"dense/w"});
  CHECK(report.missing == std::vector<std::string>{"dense/b"});
  CHECK(report.unexpected == std::vector<std::string>{"other"});
  CHECK(n.g.store().get(variable_named(n.g, "dense/w")).same_bits(w));
}

TEST_CASE("a clone loads what its source saved", "[safetensors]") {
  const folder dir;
  small_net n;
  save_variables(n.g, dir / "net");
  const Clone copy = clone(extract(inputs(n.x), outputs(n.y)), into("copy"));
  const load_report report = load_variables(
      n.g, dir / "net", {.variables = copy.variables(), .rename = {"copy", "dense"}});
  CHECK(report.complete());
  for (const variable_id v : copy.variables()) {
    CHECK(n.g.store().get(v).same_bits(n.g.store().get(copy.original(v))));
  }
}

TEST_CASE("a file that cannot be written leaves the old one", "[safetensors]") {
  const folder dir;
  small_net n;
  save_variables(n.g, dir / "net");
  const std::string before = contents(dir / "net");
  const Array a = Array::full<float>({2}, 1);
  CHECK_THROWS_AS(write_safetensors(dir / "net", {{"a", a}, {"a", a}}), name_error);
  CHECK_THROWS_AS(write_safetensors(dir / "net", {{"\xff", a}}), name_error);
  CHECK_THROWS_AS(write_safetensors(dir / "none/net", {{"a", a}}), io_error);
  std::filesystem::create_directory(dir / "taken");
  CHECK_THROWS_AS(write_safetensors(dir / "taken", {{"a", a}}), io_error);
  CHECK(contents(dir / "net") == before);
  CHECK(dir.files() == 2);
}

// Everything that training changes is in variables, so a file of all of them is a checkpoint.
TEST_CASE("training that was saved and loaded goes on bit for bit", "[safetensors]") {
  const folder dir;
  struct trained {
    Graph g;
    tensor<Graph, dtype::float32, shape<dyn, 8>> x = placeholder<float, shape<dyn, 8>>(g, "x");
    any_tensor y = dense<3>(dropout<>(batch_norm(relu(dense<16>(x))), 0.4));
    training_step step = minimize(mean(square(y)), adam{.rate = warmup(0.02, 4, 0.02)});
    Session session{g, {.seed = 5}};
    batches data{{[] {
                   Array all(dtype::float32, {24, 8});
                   float v = 0.8f;
                   for (float& e : all.mutable_span<float>()) e = v, v = v * -0.96f + 0.07f;
                   return all;
                 }()},
                 8,
                 11};
    void train(std::uint64_t first, std::uint64_t last) {
      for (std::uint64_t epoch = first; epoch < last; ++epoch) {
        for (data.start(epoch); data.next();) session.run(step, feed(x, data[0]));
      }
    }
  };
  trained straight;
  straight.session.initialize();
  straight.train(0, 4);
  {
    trained first;
    first.session.initialize();
    first.train(0, 2);
    save_variables(first.g, dir / "checkpoint");
  }
  trained second;
  CHECK(load_variables(second.g, dir / "checkpoint").complete());
  second.train(2, 4);
  for (const variable_id v : straight.g.variables()) {
    INFO(straight.g.path_of(v));
    CHECK(straight.session.value(v).same_bits(second.session.value(v)));
  }
}
