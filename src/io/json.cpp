#include "io/json.hpp"

#include <limits>
#include <unordered_set>

#include <nlohmann/json.hpp>

namespace graft::io {
namespace {

// The library reads tokens and writes numbers and strings. Its own documents are not used: to destroy one
// allocates, which ends the program where memory has run out.
using library = nlohmann::json;

class document_reader : public nlohmann::json_sax<library> {
 public:
  json root;
  std::string fault;

  bool null() override { return put({}); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(std::int64_t{value}); }
  bool number_unsigned(number_unsigned_t value) override { return put(std::uint64_t{value}); }
  bool number_float(number_float_t value, const string_t&) override { return put(value); }
  bool string(string_t& value) override { return put(std::move(value)); }
  bool binary(binary_t&) override { return put({}); }  // no text has any
  bool start_object(std::size_t) override { return open(json::object()); }
  bool key(string_t& name) override {
    if (!open_.back().keys.insert(name).second) {
      fault = "has the key '" + name.substr(0, 80) + "' twice";
      return false;
    }
    key_ = std::move(name);
    return true;
  }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(json::list()); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& e) override {
    fault = std::string("is not JSON: ") + e.what();
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
    return to.as<json::list>() != nullptr ? to.add(std::move(value))
                                          : to.add(std::move(key_), std::move(value));
  }
  bool put(json value) {
    add(std::move(value));
    return true;
  }
  bool open(json empty) {
    if (open_.size() == max_json_depth) {
      fault = "is JSON nested deeper than " + std::to_string(max_json_depth);
      return false;
    }
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

// What the library writes for a number or a string; it throws where a string is not valid UTF-8.
template <class T>
void write_scalar(std::string& to, const T& value) {
  to += library(value).dump();
}

void write(std::string& to, const json& value) {
  if (const auto* list = value.as<json::list>()) {
    to += '[';
    for (const json& item : *list) {
      if (&item != list->data()) to += ',';
      write(to, item);
    }
    to += ']';
  } else if (const auto* object = value.as<json::object>()) {
    to += '{';
    for (const json::member& m : *object) {
      if (&m != object->data()) to += ',';
      write_scalar(to, m.key);
      to += ':';
      write(to, m.value);
    }
    to += '}';
  } else if (const auto* text = value.as<std::string>()) {
    write_scalar(to, *text);
  } else if (const auto* whole = value.as<std::uint64_t>()) {
    to += std::to_string(*whole);
  } else if (const auto* negative = value.as<std::int64_t>()) {
    to += std::to_string(*negative);
  } else if (const auto* real = value.as<double>()) {
    write_scalar(to, *real);
  } else if (const auto* truth = value.as<bool>()) {
    to += *truth ? "true" : "false";
  } else {
    to += "null";
  }
}

}  // namespace

json::json() = default;
json::json(const json& other) = default;
json::json(json&& other) noexcept = default;
json& json::operator=(const json& other) = default;
json& json::operator=(json&& other) noexcept = default;
json::~json() = default;
json::json(bool value) : value_(value) {}
json::json(double value) : value_(value) {}
json::json(std::string value) : value_(std::move(value)) {}
json::json(std::string_view value) : json(std::string(value)) {}
json::json(const char* value) : json(std::string(value)) {}
json::json(list items) : value_(std::move(items)) {}
json::json(object members) : value_(std::move(members)) {}
json::json(std::string key, json value) : value_(object()) {
  add(std::move(key), std::move(value));
}

std::optional<std::int64_t> json::integer() const {
  if (const auto* negative = as<std::int64_t>()) return *negative;
  const auto* whole = as<std::uint64_t>();
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  if (whole == nullptr || *whole > static_cast<std::uint64_t>(most)) return std::nullopt;
  return static_cast<std::int64_t>(*whole);
}

const json* json::find(std::string_view key) const {
  const auto* members = as<object>();
  if (members == nullptr) return nullptr;
  for (const member& m : *members) {
    if (m.key == key) return &m.value;
  }
  return nullptr;
}

json& json::add(json value) { return std::get<list>(value_).emplace_back(std::move(value)); }

json& json::add(std::string key, json value) {
  return std::get<object>(value_).emplace_back(member{std::move(key), std::move(value)}).value;
}

std::optional<std::string> json::dump() const {
  std::string text;
  try {
    write(text, *this);
  } catch (const library::exception&) {
    return std::nullopt;
  }
  return text;
}

parsed_json parse_json(const std::string& text) {
  document_reader reader;
  (void)library::sax_parse(text, &reader);
  return {std::move(reader.root), std::move(reader.fault)};
}

}  // namespace graft::io
