// Values in files: what comes back is what was saved, and damage is refused and changes nothing.
#include "graft/io/safetensors.hpp"

#include <csignal>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iterator>

#include <sys/resource.h>
#include <sys/stat.h>

#include "clone_fixture.hpp"
#include "failing_allocations.hpp"
#include "temporary_file.hpp"

using namespace graft_test;

namespace {

constexpr dtype stored_types[] = {dtype::float32, dtype::float64, dtype::float16, dtype::bfloat16,
                                  dtype::int8,    dtype::int16,   dtype::int32,   dtype::int64,
                                  dtype::uint8,   dtype::uint16,  dtype::uint32,  dtype::uint64,
                                  dtype::boolean};

Array patterned(dtype type, const dims& shape) {
  Array a(type, shape);
  auto* bytes = static_cast<unsigned char*>(a.mutable_data());
  for (std::size_t i = 0; i < a.bytes(); ++i) {
    bytes[i] = static_cast<unsigned char>(type == dtype::boolean ? i % 3 == 0 : i * 37 + 11);
  }
  return a;
}

// A file as another program would write it: without a checksum.
std::string foreign(const std::string& header, std::size_t data_bytes) {
  const std::uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header + std::string(data_bytes, '\0');
}

std::string tensor_entry(const std::string& name, const std::string& type, const std::string& shape,
                         const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}";
}

void add_two(Graph& g, std::string_view scope) {
  const in_scope inside(g, scope);
  (void)make_variable<float, shape<3>>(g, "w", zeros());
  (void)make_variable<std::int64_t, shape<>>(g, "steps", zeros());
}

// A graph with two variables, saved, then changed.
struct saved_graph {
  Graph g;
  temporary_file file;
  saved_graph() {
    add_two(g, "net");
    g.store().set(variable_named(g, "net/w"), Array::from<float>({3}, {1, 2, 3}));
    g.store().set(variable_named(g, "net/steps"), Array::scalar<std::int64_t>(7));
    save_variables(g, file.path);
    g.store().set(variable_named(g, "net/w"), Array::from<float>({3}, {-1, -2, -3}));
  }
};

// Refused with a sentence, and nothing of the graph has changed.
template <class Error = io_error>
std::string refusal(saved_graph& s, const load_options& options = {}) {
  const std::uint64_t before = s.g.digest();
  std::string message = message_of<Error>([&] { (void)load_variables(s.g, s.file.path, options); });
  CHECK(s.g.digest() == before);
  CHECK(message.size() > 40);
  return message;
}

}  // namespace

TEST_CASE("arrays of every type and odd sizes come back bit by bit", "[safetensors]") {
  named_arrays all;
  for (const dtype type : stored_types) {
    for (const dims& shape :
         {dims{}, dims{1}, dims{7}, dims{3, 5}, dims{0}, dims{2, 0, 3}, dims{1, 1, 13, 1}}) {
      all.emplace_back("a" + std::to_string(all.size()) + "/" + std::string(name_of(type)),
                       patterned(type, shape));
    }
  }
  all.emplace_back("with \"quotes\", \\ and \xc3\xa9", patterned(dtype::float32, {2}));
  all.emplace_back("", patterned(dtype::uint8, {1}));
  const temporary_file file;
  write_safetensors(file.path, all);
  const named_arrays found = read_safetensors(file.path);
  REQUIRE(found.size() == all.size());
  for (const auto& [name, array] : all) {
    const auto place =
        std::find_if(found.begin(), found.end(), [&](const auto& f) { return f.first == name; });
    INFO(name);
    REQUIRE(place != found.end());
    CHECK(place->second.same_bits(array));
  }
  // Equal contents are equal files, and tensors start where any element type may.
  const std::string bytes = file.bytes();
  write_safetensors(file.path, all);
  CHECK(file.bytes() == bytes);
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof header);
  CHECK(header % 8 == 0);
}

TEST_CASE("a file of nothing", "[safetensors]") {
  const temporary_file file;
  write_safetensors(file.path, {});
  CHECK(read_safetensors(file.path).empty());
  file.write(foreign("{}", 0));
  CHECK(read_safetensors(file.path).empty());
}

TEST_CASE("files of other programs are read", "[safetensors]") {
  const temporary_file file;
  // Bytes in another order than the entries, spaces after the header, metadata of their own.
  file.write(foreign("{\"__metadata__\":{\"format\":\"pt\"}," +
                         tensor_entry("b", "F32", "[2]", "[4,12]") + "," +
                         tensor_entry("a", "I16", "[2,1]", "[0,4]") + "}   ",
                     12));
  const named_arrays found = read_safetensors(file.path);
  REQUIRE(found.size() == 2);
  CHECK(found[0].first == "a");
  CHECK(found[0].second.shape() == dims{2, 1});
  CHECK(found[1].second.type() == dtype::float32);
}

TEST_CASE("what cannot be stored is refused and leaves the file", "[safetensors]") {
  const temporary_file file;
  file.write("before");
  const Array a = Array::scalar<float>(1);
  CHECK(
      mentions(message_of<name_error>([&] { write_safetensors(file.path, {{"a", a}, {"a", a}}); }),
               "twice"));
  CHECK(
      mentions(message_of<name_error>([&] { write_safetensors(file.path, {{"__metadata__", a}}); }),
               "reserved"));
  CHECK(mentions(message_of<name_error>([&] { write_safetensors(file.path, {{"\xff", a}}); }),
                 "UTF-8"));
  CHECK(mentions(message_of<dtype_error>([&] { write_safetensors(file.path, {{"a", Array()}}); }),
                 "any"));
  CHECK(file.bytes() == "before");
}

TEST_CASE("variables load by name", "[safetensors]") {
  saved_graph s;
  const variable_id w = variable_named(s.g, "net/w");
  SECTION("all") {
    const load_report report = load_variables(s.g, s.file.path);
    CHECK(report.complete());
    CHECK(report.loaded == std::vector<std::string>{"net/w", "net/steps"});
    CHECK(s.g.store().get(w).at<float>({1}) == 2);
  }
  SECTION("missing and unexpected ones are told, and refused") {
    (void)make_variable<float, shape<2>>(s.g, "more", zeros());
    CHECK(mentions(refusal<name_error>(s), "1 missing: 'more'"));
    CHECK(mentions(refusal<name_error>(s, {.variables = {w}}), "1 unexpected: 'net/steps'"));
    const load_report report = load_variables(s.g, s.file.path, {.strict = false});
    CHECK(report.missing == std::vector<std::string>{"more"});
    CHECK(report.unexpected.empty());
    CHECK(s.g.store().get(w).at<float>({1}) == 2);
    CHECK_FALSE(s.g.store().initialized(variable_named(s.g, "more")));
  }
  SECTION("under another name, by whole components") {
    Graph g;
    add_two(g, "copy");
    CHECK(load_variables(g, s.file.path, {.rename = {"copy", "net"}}).complete());
    CHECK(g.store().get(variable_named(g, "copy/w")).at<float>({2}) == 3);
    CHECK_THROWS_AS(load_variables(g, s.file.path, {.rename = {"cop", "net"}}), name_error);
  }
  SECTION("those without a value are not saved") {
    (void)make_variable<float, shape<2>>(s.g, "more", zeros());
    save_variables(s.g, s.file.path);
    CHECK(read_safetensors(s.file.path).size() == 2);
    const std::vector<variable_id> asked{variable_named(s.g, "more")};
    const std::string before = s.file.bytes();
    CHECK_THROWS_AS(save_variables(s.g, s.file.path, asked), uninitialized_error);
    CHECK(s.file.bytes() == before);
  }
}

TEST_CASE("tensors that do not fit their variables are refused", "[safetensors]") {
  saved_graph s;
  const Array steps = Array::scalar<std::int64_t>(1);
  write_safetensors(s.file.path, {{"net/w", Array(dtype::float32, {4})}, {"net/steps", steps}});
  CHECK(mentions(refusal<shape_error>(s), "'net/w'"));
  write_safetensors(s.file.path, {{"net/w", Array(dtype::float32, {3, 1})}, {"net/steps", steps}});
  CHECK(mentions(refusal<shape_error>(s), "[3, 1]"));
  write_safetensors(s.file.path, {{"net/w", Array(dtype::float64, {3})}, {"net/steps", steps}});
  CHECK(mentions(refusal<dtype_error>(s), "float64"));
  // The first fits, the second does not: neither is taken.
  write_safetensors(s.file.path, {{"net/w", Array(dtype::float32, {3})},
                                  {"net/steps", Array(dtype::int64, {1})}});
  refusal<shape_error>(s);
}

TEST_CASE("a file that ends early is refused at every length", "[safetensors][damage]") {
  saved_graph s;
  const std::string whole = s.file.bytes();
  for (std::size_t length = 0; length < whole.size(); ++length) {
    INFO(length);
    s.file.write(whole.substr(0, length));
    refusal(s);
  }
  s.file.write(whole + '\0');
  refusal(s);
  s.file.write(whole);
  CHECK(load_variables(s.g, s.file.path).complete());
}

TEST_CASE("a file with any one bit changed is refused", "[safetensors][damage]") {
  saved_graph s;
  const std::string whole = s.file.bytes();
  const std::uint64_t before = s.g.digest();
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    INFO("bit " << bit % 8 << " of byte " << bit / 8);
    std::string bytes = whole;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    s.file.write(bytes);
    CHECK_THROWS_AS(load_variables(s.g, s.file.path), io_error);
  }
  CHECK(s.g.digest() == before);
}

TEST_CASE("headers that are not what they should be are refused", "[safetensors][damage]") {
  saved_graph s;
  const auto check = [&](const std::string& header, std::size_t data, const std::string& part) {
    INFO(header.substr(0, 200));
    s.file.write(foreign(header, data));
    CHECK(mentions(refusal(s), part));
  };
  const auto one = [](const std::string& type, const std::string& shape,
                      const std::string& offsets) {
    return "{" + tensor_entry("a", type, shape, offsets) + "}";
  };
  check("", 0, "'{'");
  check("[]", 0, "'{'");
  check("null", 0, "'{'");
  check("{", 0, "not JSON");
  check("{} {}", 0, "not JSON");
  check("{\"a\":NaN}", 0, "not JSON");
  check("{\"a\":1}", 0, "dtype, shape and data_offsets");
  check("{\"a\":{}}", 0, "dtype, shape and data_offsets");
  check(one("F31", "[1]", "[0,4]"), 4, "not known");
  check(one("F32", "1", "[0,4]"), 4, "not a list");
  check(one("F32", "[-1]", "[0,4]"), 4, "whole number");
  check(one("F32", "[1.0]", "[0,4]"), 4, "whole number");
  check(one("F32", "[\"1\"]", "[0,4]"), 4, "whole number");
  check(one("F32", "[4294967296,4294967296]", "[0,0]"), 0, "more elements");
  check(one("F32", "[9223372036854775807]", "[0,4]"), 4, "more elements");
  check(one("F32", "[18446744073709551616]", "[0,4]"), 4, "whole number");
  check(one("F32", "[2]", "[0,4]"), 4, "needs 8");
  check(one("F32", "[1]", "[4,0]"), 4, "outside the file");
  check(one("F32", "[1]", "[0,8]"), 4, "outside the file");
  check(one("F32", "[1]", "[18446744073709551612,0]"), 4, "outside the file");
  check(one("F32", "[1]", "[0]"), 4, "two numbers");
  check(one("F32", "[1]", "[0,4,4]"), 4, "two numbers");
  check(one("F32", "[1]", "[-4,0]"), 4, "whole number");
  check(one("F32", "[1]", "[4,8]"), 8, "hole");
  check(one("F32", "[1]", "[0,4]"), 5, "belong to no tensor");
  check("{" + tensor_entry("a", "F32", "[2]", "[0,8]") + "," +
            tensor_entry("b", "F32", "[2]", "[4,12]") + "}",
        12, "overlap");
  check("{" + tensor_entry("a", "U8", "[4]", "[0,4]") + "," +
            tensor_entry("a", "U8", "[4]", "[0,4]") + "}",
        4, "twice");
  check("{\"__metadata__\":{\"k\":1}}", 0, "not text");
  check("{\"__metadata__\":[]}", 0, "not an object");
  check("{\"__metadata__\":{\"format\":\"graft\"}}", 0, "checksum is missing");
  check("{\"\xff\":{}}", 0, "not JSON");
}

TEST_CASE("a header of great length or depth does no harm", "[safetensors][damage]") {
  saved_graph s;
  for (const std::uint64_t length :
       {std::uint64_t{1} << 63, ~std::uint64_t{0}, std::uint64_t{100'000'001}, std::uint64_t{11}}) {
    std::string bytes(18, ' ');
    std::memcpy(bytes.data(), &length, sizeof length);
    bytes[8] = '{';
    s.file.write(bytes);
    CHECK(mentions(refusal(s), "header claims"));
  }
  const std::size_t deep = 1'000'000;
  s.file.write(foreign("{\"a\":" + std::string(deep, '[') + std::string(deep, ']') + "}", 0));
  refusal(s);
  s.file.write(foreign("{\"a\":" + std::string(deep, '['), 0));
  refusal(s);
  std::string objects = "{\"a\":";
  for (std::size_t i = 0; i < deep / 5; ++i) objects += "{\"a\":";
  s.file.write(foreign(objects + "1" + std::string(deep / 5 + 1, '}'), 0));
  refusal(s);
}

TEST_CASE("booleans are 0 or 1", "[safetensors][damage]") {
  const temporary_file file;
  std::string bytes = foreign("{" + tensor_entry("a", "BOOL", "[2]", "[0,2]") + "}", 2);
  file.write(bytes);
  CHECK(read_safetensors(file.path).size() == 1);
  bytes.back() = 2;
  file.write(bytes);
  CHECK(mentions(message_of<io_error>([&] { (void)read_safetensors(file.path); }), "boolean"));
}

TEST_CASE("files that cannot be read", "[safetensors]") {
  saved_graph s;
  std::filesystem::remove(s.file.path);
  CHECK(mentions(refusal(s), "No such file"));
  std::filesystem::create_directory(s.file.path);
  CHECK(mentions(refusal(s), "it is a folder, not a regular file"));
}

TEST_CASE("only regular files are replaced, at the end of links", "[safetensors]") {
  const named_arrays arrays{{"a", Array::full<float>({2}, 3)}};
  const auto refusal_of = [&](const std::string& path) {
    return message_of<io_error>([&] { write_safetensors(path, arrays); });
  };
  const temporary_file pipe;
  REQUIRE(::mkfifo(pipe.path.c_str(), 0600) == 0);
  CHECK(mentions(refusal_of(pipe.path), "it is a pipe, not a regular file"));
  CHECK(std::filesystem::is_fifo(pipe.path));
  CHECK(mentions(refusal_of("/dev/null"), "it is a device, not a regular file"));
  CHECK(std::filesystem::is_character_file("/dev/null"));

  const temporary_file target, link, dangling;
  target.write("what was there");
  std::filesystem::create_symlink(target.path, link.path);
  write_safetensors(link.path, arrays);
  CHECK(std::filesystem::is_symlink(link.path));
  CHECK(read_safetensors(target.path).size() == 1);
  std::filesystem::create_symlink(dangling.path + ".nothing", dangling.path);
  write_safetensors(dangling.path, arrays);  // there is nothing at its end: it is what is replaced
  CHECK(read_safetensors(dangling.path).size() == 1);
}

TEST_CASE("a file that cannot be written whole leaves the one before", "[safetensors]") {
  const named_arrays arrays{{"a", Array(dtype::float64, {100000})}};
  const temporary_file folder;
  std::filesystem::create_directory(folder.path);
  const std::string path = folder.path + "/values";
  const auto entries = [&] {
    return std::distance(std::filesystem::directory_iterator(folder.path),
                         std::filesystem::directory_iterator());
  };
  SECTION("no folder") {
    const std::string nowhere = folder.path + "/missing/values";
    CHECK(mentions(message_of<io_error>([&] { write_safetensors(nowhere, arrays); }),
                   "No such file"));
  }
  SECTION("a folder in the way") {
    std::filesystem::create_directory(path);
    CHECK_THROWS_AS(write_safetensors(path, arrays), io_error);
    CHECK(entries() == 1);
  }
  SECTION("no room") {
    write_safetensors(path, {{"a", Array::scalar<float>(1)}});
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    const rlimit small{1000, before.rlim_max};
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    const std::string message = message_of<io_error>([&] { write_safetensors(path, arrays); });
    CHECK(::setrlimit(RLIMIT_FSIZE, &before) == 0);
    std::signal(SIGXFSZ, handler);
    CHECK(mentions(message, "too large"));
    CHECK(read_safetensors(path)[0].second.item<float>() == 1);
    CHECK(entries() == 1);
  }
}

TEST_CASE("files get the permissions of other new files", "[safetensors]") {
  const temporary_file file;
  const mode_t before = ::umask(0027);
  write_safetensors(file.path, {});
  ::umask(before);
  struct stat info{};
  REQUIRE(::stat(file.path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0640);
}

TEST_CASE("sixteen times as many arrays ask for sixteen times as much memory, as often") {
  const auto asked = [](std::int64_t count) {
    named_arrays arrays;
    for (std::int64_t i = 0; i < count; ++i)
      arrays.emplace_back("layer_" + std::to_string(i) + "/kernel", Array(dtype::float32, {2}));
    const temporary_file file;
    const failing::cost write = failing::cost_of([&] { write_safetensors(file.path, arrays); });
    named_arrays found;
    const failing::cost read = failing::cost_of([&] { found = read_safetensors(file.path); });
    REQUIRE(found.size() == arrays.size());
    return std::pair(write, read);
  };
  const auto few = asked(2000), many = asked(32000);
  for (const auto& [more, less] :
       {std::pair(many.first, few.first), std::pair(many.second, few.second)}) {
    CHECK(more.allocations < 20 * less.allocations);
    CHECK(more.bytes < 24 * less.bytes);
  }
}

TEST_CASE("a variable that is listed twice is refused by its name") {
  saved_graph s;
  const variable_id w = variable_named(s.g, "net/w");
  const std::string text =
      message_of<argument_error>([&] { load_variables(s.g, s.file.path, {.variables = {w, w}}); });
  CHECK(mentions(text, "'net/w' is listed twice"));
  CHECK(s.g.store().get(w).same_bits(Array::from<float>({3}, {-1, -2, -3})));
}
