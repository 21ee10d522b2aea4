#include "graft/io/safetensors.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <map>
#include <tuple>
#include <unordered_set>

#include "io/file.hpp"
#include "io/json.hpp"
#include "io/tensor_file.hpp"
#include "io/values.hpp"

static_assert(std::endian::native == std::endian::little, "tensors are stored little-endian");

namespace graft {
namespace {

using io::json;

constexpr std::size_t max_header = 100'000'000;
constexpr const char* checksum_key = "graft.checksum";
constexpr std::string_view no_checksum = "0000000000000000";

constexpr std::pair<dtype, const char*> type_names[] = {
    {dtype::float32, "F32"},   {dtype::float64, "F64"}, {dtype::float16, "F16"},
    {dtype::bfloat16, "BF16"}, {dtype::int8, "I8"},     {dtype::int16, "I16"},
    {dtype::int32, "I32"},     {dtype::int64, "I64"},   {dtype::uint8, "U8"},
    {dtype::uint16, "U16"},    {dtype::uint32, "U32"},  {dtype::uint64, "U64"},
    {dtype::boolean, "BOOL"}};

[[noreturn]] void refuse(const std::string& path, const std::string& found,
                         const std::string& where = {}) {
  throw io_error({"'" + path + "' was to be read as safetensors", found,
                  where.empty() ? path : where,
                  "nothing was loaded; the file may be truncated or damaged"});
}

// A 64-bit hash in which each step is a bijection of the state, so no single changed byte goes
// unnoticed. It depends on the bytes alone, not on the pieces they come in.
class hasher {
 public:
  void add(std::span<const std::byte> bytes) {
    while (!bytes.empty() && (waiting_ > 0 || bytes.size() < word_.size())) {
      word_[waiting_++] = bytes.front();
      bytes = bytes.subspan(1);
      if (waiting_ == word_.size()) mix(word_.data());
    }
    for (; bytes.size() >= word_.size(); bytes = bytes.subspan(word_.size())) mix(bytes.data());
    for (const std::byte b : bytes) word_[waiting_++] = b;
  }
  [[nodiscard]] std::string hex() {
    for (std::size_t i = 0; i < waiting_; ++i) mix(static_cast<std::uint64_t>(word_[i]) + 1);
    std::string text(16, '0');
    for (std::size_t i = 0; i < 16; ++i)
      text[i] = "0123456789abcdef"[(state_ >> (60 - 4 * i)) & 15];
    return text;
  }

 private:
  void mix(const std::byte* bytes) {
    std::uint64_t word;
    std::memcpy(&word, bytes, sizeof word);
    mix(word);
    waiting_ = 0;
  }
  void mix(std::uint64_t word) {
    state_ = (state_ ^ word) * 0x9e3779b97f4a7c15ull;
    state_ ^= state_ >> 32;
  }
  std::uint64_t state_ = 0x243f6a8885a308d3ull;
  std::array<std::byte, 8> word_{};
  std::size_t waiting_ = 0;
};

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span<const char>(text));
}

std::string checksum(const std::string& header, std::span<const std::span<const std::byte>> data) {
  hasher hash;
  hash.add(bytes_of(header));
  for (const auto& part : data) hash.add(part);
  return hash.hex();
}

struct entry {
  std::string name;
  dtype type = dtype::any;
  dims shape;
  std::size_t begin = 0, end = 0;
};

std::uint64_t whole_number(const std::string& path, const json& value, const std::string& where) {
  const auto* number = value.as<std::uint64_t>();
  if (number == nullptr) refuse(path, "a number is not a whole number of at least 0", where);
  return *number;
}

entry read_entry(const std::string& path, const std::string& name, const json& value,
                 std::size_t data_size) {
  const std::string where = "tensor '" + name + "'";
  const auto* members = value.as<json::object>();
  const json *type_name = value.find("dtype"), *shape = value.find("shape"),
             *data_offsets = value.find("data_offsets");
  if (type_name == nullptr || shape == nullptr || data_offsets == nullptr || members->size() != 3) {
    refuse(path, "an entry is not made of dtype, shape and data_offsets", where);
  }
  entry e;
  e.name = name;
  const auto* wanted = type_name->as<std::string>();
  if (wanted == nullptr) refuse(path, "its dtype is not a string", where);
  for (const auto& [type, text] : type_names) {
    if (*wanted == text) e.type = type;
  }
  if (e.type == dtype::any) refuse(path, "the dtype '" + *wanted + "' is not known", where);
  const auto* extents = shape->as<json::list>();
  if (extents == nullptr) refuse(path, "its shape is not a list", where);
  std::uint64_t bytes = size_of(e.type);
  for (const json& extent_value : *extents) {
    const std::uint64_t extent = whole_number(path, extent_value, where);
    if (extent > (std::uint64_t{1} << 62) || __builtin_mul_overflow(bytes, extent, &bytes)) {
      refuse(path, "its shape has more elements than can be", where);
    }
    e.shape.push_back(static_cast<std::int64_t>(extent));
  }
  const auto* offsets = data_offsets->as<json::list>();
  if (offsets == nullptr || offsets->size() != 2)
    refuse(path, "its data_offsets are not two numbers", where);
  const std::uint64_t begin = whole_number(path, (*offsets)[0], where);
  const std::uint64_t end = whole_number(path, (*offsets)[1], where);
  if (begin > end || end > data_size) refuse(path, "its data_offsets lie outside the file", where);
  if (end - begin != bytes) {
    refuse(path,
           "its data_offsets hold " + std::to_string(end - begin) +
               " bytes where its shape needs " + std::to_string(bytes),
           where);
  }
  e.begin = begin, e.end = end;
  return e;
}

// Entries in the order of their bytes, without holes, overlaps or bytes left over.
void check_tiling(const std::string& path, std::vector<entry>& entries, std::size_t data_size) {
  std::sort(entries.begin(), entries.end(), [](const entry& a, const entry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  std::size_t at = 0;
  for (const entry& e : entries) {
    if (e.begin != at) {
      refuse(
          path,
          e.begin < at ? "its bytes overlap another tensor's" : "there is a hole before its bytes",
          "tensor '" + e.name + "'");
    }
    at = e.end;
  }
  if (at != data_size) {
    refuse(path, std::to_string(data_size - at) + " bytes at the end belong to no tensor");
  }
}

// The metadata of a header; the header is checked against the sum among them.
std::vector<std::pair<std::string, std::string>> read_metadata(const std::string& path,
                                                               std::string header,
                                                               const json& parsed,
                                                               std::span<const std::byte> data) {
  std::vector<std::pair<std::string, std::string>> result;
  const json* metadata = parsed.find("__metadata__");
  if (metadata == nullptr) return result;
  const auto* members = metadata->as<json::object>();
  if (members == nullptr) refuse(path, "its metadata are not an object");
  const std::string* sum = nullptr;
  bool ours = false;
  for (const auto& [key, value] : *members) {
    const auto* text = value.as<std::string>();
    if (text == nullptr) refuse(path, "the metadata '" + key + "' are not text");
    result.emplace_back(key, *text);
    if (key == checksum_key) sum = text;
    ours = ours || (key == "format" && *text == "graft");
  }
  if (sum == nullptr) {
    if (ours) refuse(path, "its checksum is missing");
    return result;
  }
  const auto place = header.find(*sum);
  if (sum->size() != no_checksum.size() || place == std::string::npos) {
    refuse(path, "its checksum is malformed");
  }
  header.replace(place, no_checksum.size(), no_checksum);
  const std::array<std::span<const std::byte>, 1> parts{data};
  if (checksum(header, parts) != *sum) refuse(path, "its checksum does not match its contents");
  return result;
}

}  // namespace

void write_safetensors(const std::string& path, const named_arrays& arrays) {
  io::write_tensor_file(path, {arrays, {}});
}

void io::write_tensor_file(const std::string& path, const tensor_file& file) {
  const named_arrays& arrays = file.arrays;
  json header = json::object();
  json& metadata = header.add("__metadata__", json::object());
  metadata.add("format", "graft");
  metadata.add(checksum_key, no_checksum);
  for (const auto& [key, value] : file.metadata) metadata.add(key, value);
  std::size_t at = 0;
  std::vector<std::span<const std::byte>> data;
  std::unordered_set<std::string_view> names{"__metadata__"};
  for (const auto& [name, array] : arrays) {
    if (!names.insert(name).second) {
      throw name_error({"'" + path + "' was to be written",
                        "the name '" + name + "' is given twice or reserved", path,
                        "give each array a name of its own"});
    }
    const char* type = nullptr;
    for (const auto& [known, text] : type_names) {
      if (known == array.type()) type = text;
    }
    if (type == nullptr) {
      throw dtype_error({"'" + path + "' was to be written",
                         "array '" + name + "' is " + std::string(name_of(array.type())), path,
                         "only numbers and booleans can be stored"});
    }
    const dims shape = array.shape();
    json& about = header.add(name, json::object());
    about.add("dtype", type);
    about.add("shape", json::list(shape.begin(), shape.end()));
    about.add("data_offsets", json::list{at, at + array.bytes()});
    at += array.bytes();
    if (array.bytes() > 0) {
      data.emplace_back(static_cast<const std::byte*>(array.data()), array.bytes());
    }
  }
  const std::optional<std::string> dumped = header.dump();
  if (!dumped) {
    throw name_error({"'" + path + "' was to be written", "a name or a note is not valid UTF-8",
                      path, "rename the variable, or write the note as text"});
  }
  std::string text = *dumped;
  while (text.size() % 8 != 0) text += ' ';  // tensors start aligned
  const std::string sum = checksum(text, data);
  text.replace(text.find(no_checksum), no_checksum.size(), sum);
  const std::uint64_t length = text.size();
  std::vector<std::span<const std::byte>> parts{
      std::as_bytes(std::span<const std::uint64_t>(&length, 1)), bytes_of(text)};
  parts.insert(parts.end(), data.begin(), data.end());
  io::replace_file(path, parts);
}

named_arrays read_safetensors(const std::string& path) {
  return std::move(io::read_tensor_file(path).arrays);
}

io::tensor_file io::read_tensor_file(const std::string& path) {
  const std::vector<std::byte> file = io::read_file(path);
  std::uint64_t length = 0;
  if (file.size() < sizeof length)
    refuse(path, "it has only " + std::to_string(file.size()) + " bytes");
  std::memcpy(&length, file.data(), sizeof length);
  if (length > max_header || length > file.size() - sizeof length) {
    refuse(path, "its header claims " + std::to_string(length) + " bytes, the file has " +
                     std::to_string(file.size()));
  }
  const std::string text(reinterpret_cast<const char*>(file.data()) + sizeof length, length);
  if (text.empty() || text[0] != '{') refuse(path, "its header does not start with '{'");
  const io::parsed_json parsed = io::parse_json(text);
  if (!parsed.fault.empty()) refuse(path, "its header " + parsed.fault);
  const json& header = parsed.document;
  const auto data = std::span<const std::byte>(file).subspan(sizeof length + length);
  io::tensor_file contents;
  contents.metadata = read_metadata(path, text, header, data);

  std::vector<entry> entries;
  for (const auto& [key, value] : *header.as<json::object>()) {
    if (key == "__metadata__") continue;
    entries.push_back(read_entry(path, key, value, data.size()));
  }
  check_tiling(path, entries, data.size());
  named_arrays& result = contents.arrays;
  for (const entry& e : entries) {
    Array array = Array::uninitialized(e.type, e.shape);
    if (e.end > e.begin) {
      if (e.type == dtype::boolean &&
          std::any_of(data.begin() + static_cast<std::ptrdiff_t>(e.begin),
                      data.begin() + static_cast<std::ptrdiff_t>(e.end),
                      [](std::byte b) { return b > std::byte{1}; })) {
        refuse(path, "a boolean is neither 0 nor 1", "tensor '" + e.name + "'");
      }
      std::memcpy(array.mutable_data(), data.data() + e.begin, e.end - e.begin);
    }
    result.emplace_back(e.name, std::move(array));
  }
  return contents;
}

void save_variables(const Graph& graph, const std::string& path,
                    std::span<const variable_id> variables) {
  named_arrays arrays;
  const std::vector<variable_id> all = graph.variables();
  const bool every = variables.empty();
  for (auto& [v, value] :
       io::values_of(graph, every ? std::span<const variable_id>(all) : variables)) {
    if (!value && every) continue;
    if (!value) {
      throw uninitialized_error({"variable '" + graph.path_of(v) + "' was to be saved",
                                 "it has no value yet", graph.path_of(v),
                                 "initialize it, or leave it out"});
    }
    arrays.emplace_back(graph.path_of(v), std::move(*value));
  }
  write_safetensors(path, arrays);
}

namespace {

std::string stored_name(const std::string& path,
                        const std::pair<std::string, std::string>& rename) {
  const auto& [from, to] = rename;
  if (from.empty() && to.empty()) return path;
  if (from.empty()) return to + "/" + path;
  if (path == from) return to;
  if (path.starts_with(from + "/"))
    return to.empty() ? path.substr(from.size() + 1) : to + path.substr(from.size());
  return path;
}

}  // namespace

load_report load_variables(Graph& graph, const std::string& path, const load_options& options) {
  named_arrays arrays = read_safetensors(path);
  std::map<std::string, Array> found;
  for (auto& [name, array] : arrays) found.emplace(name, std::move(array));
  const std::vector<variable_id> wanted =
      options.variables.empty() ? graph.variables() : options.variables;
  std::unordered_set<variable_id> asked;
  for (const variable_id v : wanted) (void)graph.variable_of(v);  // refuses what is not the graph's
  for (const variable_id v : wanted) {
    if (asked.insert(v).second) continue;
    throw argument_error({"variables were to be loaded from '" + path + "'",
                          "'" + graph.path_of(v) + "' is listed twice", graph.path_of(v),
                          "nothing was loaded; list each variable once"});
  }

  load_report report;
  std::vector<io::variable_value> values;
  for (const variable_id v : wanted) {
    const std::string name = stored_name(graph.path_of(v), options.rename);
    const auto place = found.find(name);
    if (place == found.end()) {
      report.missing.push_back(name);
      continue;
    }
    io::require_fit(graph, v, name, place->second, path);
    values.emplace_back(v, place->second);
    report.loaded.push_back(name);
    found.erase(place);
  }
  for (const auto& rest : found) report.unexpected.push_back(rest.first);
  if (options.strict && !report.complete()) {
    throw name_error({"variables were to be loaded from '" + path + "'", to_string(report), path,
                      "nothing was loaded; pass strict = false to load what is there"});
  }
  io::set_values(graph, std::move(values));
  return report;
}

std::string to_string(const load_report& report) {
  const auto list = [](const char* title, const std::vector<std::string>& names) {
    std::string text = std::to_string(names.size()) + " " + title;
    for (std::size_t i = 0; i < names.size() && i < 8; ++i) {
      text += (i == 0 ? ": '" : ", '") + names[i] + "'";
    }
    return names.size() > 8 ? text + ", ..." : text;
  };
  return list("loaded", report.loaded) + "; " + list("missing", report.missing) + "; " +
         list("unexpected", report.unexpected);
}

}  // namespace graft
