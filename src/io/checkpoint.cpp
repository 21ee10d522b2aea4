#include "graft/io/checkpoint.hpp"

#include <map>
#include <unordered_set>

#include "io/json.hpp"
#include "io/region_format.hpp"
#include "io/tensor_file.hpp"
#include "io/values.hpp"

namespace graft {
namespace {

using io::json;

constexpr const char* checkpoint_key = "graft.checkpoint";
constexpr std::string_view note_prefix = "note.";
constexpr std::int64_t checkpoint_version = 1;

// The metadata entry "graft.checkpoint" is {version, seed?, roles: {path: role}}; it lists all
// variables, those without a value too. Each note is an entry of its own.
struct contents {
  checkpoint_info info;
  std::map<std::string, std::string> roles;
  std::map<std::string, Array> values;
};

[[noreturn]] void refuse(const std::string& path, const std::string& found,
                         const std::string& hint) {
  throw io_error({"'" + path + "' was to be read as a checkpoint", found, path, hint});
}

void read_structure(contents& c, const std::string& path, const std::string& text) {
  const auto malformed = [&](const std::string& what) {
    refuse(path, what, "nothing was loaded; the file may be damaged");
  };
  const auto [all, fault] = io::parse_json(text);
  if (!fault.empty()) malformed("its structure " + fault);
  if (all.as<json::object>() == nullptr) malformed("its structure is not a JSON object");
  const json* version = all.find("version");
  if (version == nullptr || !version->integer()) malformed("its version is missing");
  if (*version->integer() != checkpoint_version) {
    refuse(
        path,
        "its format is " + std::to_string(*version->integer()) + ", this version of Graft reads 1",
        "nothing was loaded; use the version of Graft that wrote it");
  }
  if (const json* seed = all.find("seed")) {
    const auto* number = seed->as<std::uint64_t>();
    if (number == nullptr) malformed("its seed is not a whole number of at least 0");
    c.info.seed = *number;
  }
  const json* roles = all.find("roles");
  const auto* each = roles == nullptr ? nullptr : roles->as<json::object>();
  if (each == nullptr) malformed("its list of variables is missing");
  for (const auto& [name, role] : *each) {
    const auto* role_name = role.as<std::string>();
    if (role_name == nullptr) malformed("a role is not a text");
    c.roles.emplace(name, *role_name);
  }
}

contents read_contents(const std::string& path) {
  contents c;
  io::tensor_file file = io::read_tensor_file(path);
  bool is_checkpoint = false;
  for (const auto& [key, value] : file.metadata) {
    if (key == checkpoint_key) {
      read_structure(c, path, value);
      is_checkpoint = true;
    } else if (key.starts_with(note_prefix)) {
      c.info.notes.emplace_back(key.substr(note_prefix.size()), value);
    }
  }
  if (!is_checkpoint) {
    refuse(path, "it holds values only", "nothing was loaded; load_variables reads such files");
  }
  for (auto& [name, array] : file.arrays) {
    if (!c.roles.contains(name)) {
      refuse(path, "tensor '" + name + "' is not in its list of variables",
             "nothing was loaded; the file may be damaged");
    }
    c.values.emplace(name, std::move(array));
  }
  return c;
}

void save(const Graph& graph, std::optional<std::uint64_t> seed, const std::string& path,
          const checkpoint_notes& notes) {
  io::tensor_file file;
  json roles = json::object();
  for (auto& [v, value] : io::values_of(graph, graph.variables())) {
    const std::string name = graph.path_of(v);
    roles.add(name, io::name_of_role(graph.variable_of(v).role));
    if (value) file.arrays.emplace_back(name, std::move(*value));
  }
  json all = json::object();
  all.add("version", checkpoint_version);
  if (seed) all.add("seed", *seed);
  all.add("roles", std::move(roles));
  std::optional<std::string> structure = all.dump();
  if (!structure) {
    throw name_error({"'" + path + "' was to be written", "a variable's name is not valid UTF-8",
                      path, "rename the variable"});
  }
  file.metadata.emplace_back(checkpoint_key, std::move(*structure));
  std::unordered_set<std::string_view> seen;
  for (const auto& [name, text] : notes) {
    std::string key = std::string(note_prefix) + name;
    if (!seen.insert(name).second) {
      throw name_error({"'" + path + "' was to be written",
                        "the note '" + name + "' is given twice", path,
                        "give each note a name of its own"});
    }
    file.metadata.emplace_back(std::move(key), text);
  }
  io::write_tensor_file(path, file);
}

// Which variables stand only here or only there. @throws name_error if any
void require_same_variables(const Graph& graph, const contents& c, const std::string& path) {
  load_report report;
  for (const variable_id v : graph.variables()) {
    const std::string name = graph.path_of(v);
    const auto role = c.roles.find(name);
    if (role == c.roles.end()) {
      report.missing.push_back(name);
      continue;
    }
    const std::string here = io::name_of_role(graph.variable_of(v).role);
    if (role->second != here) {
      throw name_error({"training was to go on from '" + path + "'",
                        "variable '" + name + "' is a " + here + " here and was a " + role->second +
                            " when it was saved",
                        name, "nothing was loaded; build the graph as it was"});
    }
  }
  for (const auto& [name, role] : c.roles) {
    if (!graph.find_variable(name)) report.unexpected.push_back(name);
  }
  if (report.complete()) return;
  throw name_error({"training was to go on from '" + path + "'", to_string(report), path,
                    "build the network and the training step as they were, or take what "
                    "fits with load_variables"});
}

checkpoint_info load(Graph& graph, contents c, const std::string& path) {
  require_same_variables(graph, c, path);
  std::vector<io::variable_value> values;
  for (const variable_id v : graph.variables()) {
    const std::string name = graph.path_of(v);
    const auto found = c.values.find(name);
    if (found == c.values.end()) {
      values.emplace_back(v, std::nullopt);
      continue;
    }
    io::require_fit(graph, v, name, found->second, path);
    values.emplace_back(v, std::move(found->second));
  }
  io::set_values(graph, std::move(values));
  return std::move(c.info);
}

}  // namespace

std::string checkpoint_info::note(name_view name, name_view fallback) const {
  for (const auto& [key, text] : notes) {
    if (key == name.view()) return text;
  }
  return std::string(fallback);
}

void save_checkpoint(const Session& session, const std::string& path,
                     const checkpoint_notes& notes) {
  save(session.graph(), session.seed(), path, notes);
}

void save_checkpoint(const Graph& graph, const std::string& path, const checkpoint_notes& notes) {
  save(graph, std::nullopt, path, notes);
}

checkpoint_info load_checkpoint(Session& session, const std::string& path) {
  Graph& graph = session.graph();
  contents c = read_contents(path);
  if (c.info.seed && *c.info.seed != session.seed()) {
    throw argument_error({"training was to go on from '" + path + "' in a session with seed " +
                              std::to_string(session.seed()),
                          "it was saved by one with seed " + std::to_string(*c.info.seed), path,
                          "nothing was loaded; make the session with {.seed = " +
                              std::to_string(*c.info.seed) + "}, or load into the graph"});
  }
  return load(graph, std::move(c), path);
}

checkpoint_info load_checkpoint(Graph& graph, const std::string& path) {
  return load(graph, read_contents(path), path);
}

checkpoint_info read_checkpoint_info(const std::string& path) { return read_contents(path).info; }

}  // namespace graft
