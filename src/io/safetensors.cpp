#include "graft/io/safetensors.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <map>
#include <tuple>
#include <unordered_set>

#include <nlohmann/json.hpp>

#include "io/file.hpp"
#include "io/tensor_file.hpp"
#include "io/values.hpp"

static_assert(std::endian::native == std::endian::little, "tensors are stored little-endian");

namespace graft {
namespace {

using json = nlohmann::ordered_json;

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

// Makes a document of a JSON text, in the text's order and in time linear in it: the library looks
// through an ordered object for each key it adds. Stops at a key that an object has already, which
// the library would drop without a word.
class document_reader : public nlohmann::json_sax<json> {
 public:
  json root;
  std::optional<std::string> twice;
  std::string error;

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t&) override { return put(value); }
  bool string(string_t& value) override { return put(std::move(value)); }
  bool binary(binary_t&) override { return put(nullptr); }  // no text has any
  bool start_object(std::size_t) override { return open(json::object()); }
  bool key(string_t& name) override {
    if (!open_.back().keys.insert(name).second) twice = name;
    key_ = std::move(name);
    return !twice;
  }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(json::array()); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& e) override {
    error = e.what();
    return false;
  }

 private:
  // An object or a list whose end has not come. It is the last member of the one before, so it stays
  // where it is until then.
  struct level {
    json* value;
    std::unordered_set<std::string> keys;
  };

  json& add(json value) {
    if (open_.empty()) return root = std::move(value);
    json& to = *open_.back().value;
    if (to.is_array()) return to.get_ref<json::array_t&>().emplace_back(std::move(value));
    return to.get_ref<json::object_t&>().emplace_back(std::move(key_), std::move(value)).second;
  }
  template <class Value>
  bool put(Value&& value) {
    add(json(std::forward<Value>(value)));
    return true;
  }
  bool open(json empty) {
    json& made = add(std::move(empty));
    open_.push_back({&made, {}});
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  std::vector<level> open_;
  std::string key_;
};

json parse_header(const std::string& path, const std::string& text) {
  document_reader reader;
  if (json::sax_parse(text, &reader)) return std::move(reader.root);
  if (reader.twice) refuse(path, "its header has the key '" + *reader.twice + "' twice");
  refuse(path, "its header is not JSON: " + reader.error);
}

struct entry {
  std::string name;
  dtype type = dtype::any;
  dims shape;
  std::size_t begin = 0, end = 0;
};

std::uint64_t whole_number(const std::string& path, const json& value, const std::string& where) {
  if (!value.is_number_unsigned())
    refuse(path, "a number is not a whole number of at least 0", where);
  return value.get<std::uint64_t>();
}

entry read_entry(const std::string& path, const std::string& name, const json& value,
                 std::size_t data_size) {
  const std::string where = "tensor '" + name + "'";
  if (!value.is_object() || !value.contains("dtype") || !value.contains("shape") ||
      !value.contains("data_offsets") || value.size() != 3) {
    refuse(path, "an entry is not made of dtype, shape and data_offsets", where);
  }
  entry e;
  e.name = name;
  if (!value["dtype"].is_string()) refuse(path, "its dtype is not a string", where);
  const auto wanted = value["dtype"].get<std::string>();
  for (const auto& [type, text] : type_names) {
    if (wanted == text) e.type = type;
  }
  if (e.type == dtype::any) refuse(path, "the dtype '" + wanted + "' is not known", where);
  if (!value["shape"].is_array()) refuse(path, "its shape is not a list", where);
  std::uint64_t bytes = size_of(e.type);
  for (const json& extent_value : value["shape"]) {
    const std::uint64_t extent = whole_number(path, extent_value, where);
    if (extent > (std::uint64_t{1} << 62) || __builtin_mul_overflow(bytes, extent, &bytes)) {
      refuse(path, "its shape has more elements than can be", where);
    }
    e.shape.push_back(static_cast<std::int64_t>(extent));
  }
  const json& offsets = value["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2)
    refuse(path, "its data_offsets are not two numbers", where);
  const std::uint64_t begin = whole_number(path, offsets[0], where);
  const std::uint64_t end = whole_number(path, offsets[1], where);
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

void check_sum(const std::string& path, std::string header, const json& parsed,
               std::span<const std::byte> data) {
  if (!parsed.contains("__metadata__")) return;
  const json& metadata = parsed["__metadata__"];
  if (!metadata.is_object()) refuse(path, "its metadata are not an object");
  for (const auto& item : metadata.items()) {
    if (!item.value().is_string()) refuse(path, "the metadata '" + item.key() + "' are not text");
  }
  const bool ours = metadata.value("format", std::string()) == "graft";
  if (!metadata.contains(checksum_key)) {
    if (ours) refuse(path, "its checksum is missing");
    return;
  }
  const auto stored = metadata[checksum_key].get<std::string>();
  const auto place = header.find(stored);
  if (stored.size() != no_checksum.size() || place == std::string::npos) {
    refuse(path, "its checksum is malformed");
  }
  header.replace(place, no_checksum.size(), no_checksum);
  const std::array<std::span<const std::byte>, 1> parts{data};
  if (checksum(header, parts) != stored) refuse(path, "its checksum does not match its contents");
}

}  // namespace

void write_safetensors(const std::string& path, const named_arrays& arrays) {
  io::write_tensor_file(path, {arrays, {}});
}

std::optional<std::string> io::duplicate_key(const std::string& text) {
  document_reader reader;
  json::sax_parse(text, &reader);
  return reader.twice;
}

void io::write_tensor_file(const std::string& path, const tensor_file& file) {
  const named_arrays& arrays = file.arrays;
  json header;
  header["__metadata__"] = {{"format", "graft"}, {checksum_key, no_checksum}};
  for (const auto& [key, value] : file.metadata) header["__metadata__"][key] = value;
  std::size_t at = 0;
  std::vector<std::span<const std::byte>> data;
  // The names are known to differ, so members are put at the end of an object unlooked.
  std::unordered_set<std::string_view> names{"__metadata__"};
  auto& members = header.get_ref<json::object_t&>();
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
    json shape = json::array();
    for (const extent e : array.shape()) shape.push_back(e);
    members.emplace_back(
        name, json{{"dtype", type}, {"shape", shape}, {"data_offsets", {at, at + array.bytes()}}});
    at += array.bytes();
    if (array.bytes() > 0) {
      data.emplace_back(static_cast<const std::byte*>(array.data()), array.bytes());
    }
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const json::exception&) {
    throw name_error({"'" + path + "' was to be written", "a name or a note is not valid UTF-8",
                      path, "rename the variable, or write the note as text"});
  }
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
  const json header = parse_header(path, text);
  const auto data = std::span<const std::byte>(file).subspan(sizeof length + length);
  check_sum(path, text, header, data);

  std::vector<entry> entries;
  for (const auto& item : header.items()) {
    if (item.key() == "__metadata__") continue;
    entries.push_back(read_entry(path, item.key(), item.value(), data.size()));
  }
  check_tiling(path, entries, data.size());
  io::tensor_file contents;
  if (header.contains("__metadata__")) {
    for (const auto& item : header["__metadata__"].items()) {
      if (!item.value().is_string()) {
        refuse(path, "the metadata '" + item.key() + "' are not text");
      }
      contents.metadata.emplace_back(item.key(), item.value().get<std::string>());
    }
  }
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
