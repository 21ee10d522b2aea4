#include "graft/surgery/explain.hpp"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "graft/ops/sources.hpp"

#include "graph/building.hpp"
#include "graph/read_of.hpp"
#include "graph/role_names.hpp"
#include "surgery/clone_data.hpp"
#include "surgery/paths.hpp"

namespace graft {
namespace {

std::string quoted(const std::string& path) { return "'" + path + "'"; }

// The path of what may have been removed since a clone was made.
template <class Id>
std::string path_if_there(const Graph& g, Id id) {
  bool there = false;
  if constexpr (std::is_same_v<Id, tensor_id>) {
    there = g.contains(id.op);
  } else {
    there = g.contains(id);
  }
  return there ? quoted(g.path_of(id)) : "what was removed";
}

// "  title: a, b, c and 5 more".
void add_line(std::string& text, const char* title, const std::vector<std::string>& items) {
  constexpr std::size_t most = 8;
  if (items.empty()) return;
  text += std::string("  ") + title + ": ";
  for (std::size_t i = 0; i < items.size() && i < most; ++i) text += (i > 0 ? ", " : "") + items[i];
  if (items.size() > most) text += " and " + std::to_string(items.size() - most) + " more";
  text += "\n";
}

struct place {
  enum class kind { nothing, op, tensor, scope } what = kind::nothing;
  tensor_id tensor;  // for an op, its output 0
  scope_id scope;
};

place find(const Graph& g, std::string_view path) {
  if (const auto op = g.find_op(path)) return {place::kind::op, {*op, 0}, {}};
  if (const auto scope = g.find_scope(path)) return {place::kind::scope, {}, *scope};
  const std::size_t colon = path.rfind(':');
  if (colon == std::string_view::npos || colon + 1 == path.size()) return {};
  std::uint32_t output = 0;
  for (const char c : path.substr(colon + 1)) {
    if (c < '0' || c > '9' || output > 1000000) return {};
    output = output * 10 + static_cast<std::uint32_t>(c - '0');
  }
  const auto op = g.find_op(path.substr(0, colon));
  if (!op || output >= g.output_count(*op)) return {};
  return {place::kind::tensor, {*op, output}, {}};
}

// A path that leads through an op into one of its bodies: "gru/scan", "body" and "tanh".
struct way_in {
  op_id op;
  std::string_view key, rest;
  const Graph* body = nullptr;  // nullptr: the op has no body of that name
};

std::optional<way_in> way_into_body(const Graph& g, std::string_view path) {
  for (std::size_t slash = path.find('/'); slash != std::string_view::npos;
       slash = path.find('/', slash + 1)) {
    const auto op = g.find_op(path.substr(0, slash));
    if (!op || !g.schema_of(*op).has(ops::bodies)) continue;
    std::string_view rest = path.substr(slash + 1);
    const std::size_t end = std::min(rest.find('/'), rest.size());
    way_in way{*op, rest.substr(0, end), rest.substr(std::min(end + 1, rest.size())), nullptr};
    const attribute_list attributes = g.attributes_of(*op);
    for (const attribute& a : attributes) {
      if (a.kind == attribute_kind::body && a.key == way.key) way.body = &g.body(a.integer);
    }
    return way;
  }
  return std::nullopt;
}

// What a path through bodies leads to.
struct place_in_body {
  const Graph* body;
  place at;
  op_id outermost;    // the op of the graph itself
  std::string where;  // "body 'then' of 'cond' in body 'body' of 'scan'"
};

std::string body_in_words(const Graph& g, const way_in& way, const std::string& around) {
  return "body '" + std::string(way.key) + "' of '" + g.path_of(way.op) + "'" +
         (around.empty() ? "" : " in " + around);
}

std::optional<place_in_body> find_in_bodies(const Graph& g, std::string_view path) {
  std::optional<op_id> outermost;
  std::string where;
  const Graph* graph = &g;
  while (true) {
    const auto way = way_into_body(*graph, path);
    if (!way || way->body == nullptr) return std::nullopt;
    where = body_in_words(*graph, *way, where);
    if (!outermost) outermost = way->op;
    graph = way->body;
    path = way->rest;
    if (const place at = find(*graph, path); at.what != place::kind::nothing && !path.empty()) {
      return place_in_body{graph, at, *outermost, where};
    }
  }
}

[[noreturn]] void refuse(const Graph& g, std::string_view path) {
  // As deep as the path leads.
  const std::string asked = "'" + std::string(path) + "' was to be explained";
  const Graph* graph = &g;
  std::string where;
  for (auto way = way_into_body(g, path); way; way = way_into_body(*graph, path)) {
    if (way->body == nullptr) {
      std::string keys;
      const attribute_list attributes = graph->attributes_of(way->op);
      for (const attribute& a : attributes) {
        if (a.kind == attribute_kind::body)
          keys += (keys.empty() ? "'" : ", '") + std::string(a.key) + "'";
      }
      throw name_error(
          {asked, quoted(graph->path_of(way->op)) + " has no body '" + std::string(way->key) + "'",
           where, "its bodies are " + keys});
    }
    where = body_in_words(*graph, *way, where);
    graph = way->body;
    path = way->rest;
  }
  if (graph != &g) {
    throw name_error(
        {asked, "nothing has that path", where, detail::names_at(*graph, path).hint()});
  }
  const detail::names_near near = detail::names_at(g, path);
  throw name_error({asked, "nothing has that path",
                    near.scope.empty() ? std::string("the graph") : near.scope, near.hint()});
}

std::string typed(const Graph& g, tensor_id t) {
  return quoted(g.path_of(t)) + " " + to_string(g.type_of(t));
}

std::vector<std::string> users_of(const Graph& g, op_id op, std::optional<std::uint32_t> output) {
  std::vector<op_id> users;
  g.for_each_use(op, [&](const Graph::use& u, std::uint32_t from) {
    if (output && from != *output) return;
    if (std::find(users.begin(), users.end(), u.user) == users.end()) users.push_back(u.user);
  });
  std::vector<std::string> paths;
  for (const op_id user : users) paths.push_back(quoted(g.path_of(user)));
  return paths;
}

void describe_variable(std::string& text, const Graph& g, variable_id v) {
  const variable_info& info = g.variable_of(v);
  text += quoted(g.path_of(v)) + " is a variable of " + to_string(info.type) + "\n";
  add_line(text, "role",
           {std::string(detail::name_of(info.role)) + (info.trainable ? "" : ", not trainable")});
  add_line(text, "value", {g.store().initialized(v) ? "set" : "none yet"});
  add_line(text, "starts as",
           {quoted(g.path_of(info.initial)) + " (" +
            std::string(g.schema_of(info.initial.op).name) + ")"});
  std::vector<std::string> items;
  for (const variable_id source : lineage(g, v)) items.push_back(quoted(g.path_of(source)));
  add_line(text, "cloned from", items);
  items.clear();
  for (const op_id update : info.own_updates) items.push_back(quoted(g.path_of(update)));
  add_line(text, "updated by", items);
  add_line(text, "used by", users_of(g, info.read.op, std::nullopt));
}

void describe_op(std::string& text, const Graph& g, op_id op) {
  text += quoted(g.path_of(op)) + " is " + std::string(g.schema_of(op).name) + "\n";
  std::vector<std::string> items;
  for (const tensor_id operand : g.operands(op)) items.push_back(typed(g, operand));
  add_line(text, "takes", items);
  items.clear();
  for (const op_id before : g.control_predecessors(op)) items.push_back(quoted(g.path_of(before)));
  add_line(text, "waits for", items);
  items.clear();
  for (std::uint32_t o = 0; o < g.output_count(op); ++o)
    items.push_back(to_string(g.type_of({op, o})));
  add_line(text, "gives", items);
  add_line(text, "used by", users_of(g, op, std::nullopt));
}

void describe_scope(std::string& text, const Graph& g, scope_id scope) {
  std::size_t ops = 0;
  std::vector<std::string> variables;
  for (std::size_t i = 0; i < g.op_count(); ++i) {
    const op_id op = g.op_at(i);
    if (!g.scope_within(g.scope_of(op), scope)) continue;
    ++ops;
    if (const auto v = detail::variable_read_by(g, op)) variables.push_back(typed(g, {op, 0}));
  }
  const std::string path = g.scope_path(scope);
  text += (path.empty() ? std::string("the root") : quoted(path)) + " is a scope of " +
          std::to_string(ops) + (ops == 1 ? " op\n" : " ops\n");
  add_line(text, "variables", variables);
}

void describe(std::string& text, const Graph& g, const place& at) {
  switch (at.what) {
    case place::kind::scope:
      describe_scope(text, g, at.scope);
      return;
    case place::kind::tensor:
      text += quoted(g.path_of(at.tensor)) + " is output " + std::to_string(at.tensor.output) +
              " of " + quoted(g.path_of(at.tensor.op)) + " (" +
              std::string(g.schema_of(at.tensor.op).name) + ")\n";
      add_line(text, "type", {to_string(g.type_of(at.tensor))});
      add_line(text, "used by", users_of(g, at.tensor.op, at.tensor.output));
      return;
    case place::kind::op:
      if (g.output_count(at.tensor.op) == 1) {
        if (const auto v = g.variable_read_by(at.tensor)) return describe_variable(text, g, *v);
      }
      return describe_op(text, g, at.tensor.op);
    case place::kind::nothing:
      return;
  }
}

// What a clone has to do with things of its own graph or of the source's.
class clone_account {
 public:
  explicit clone_account(const Clone& c)
      : c_(c), d_(*c.data()), source_(c.origin().graph()), target_(c.graph()) {}

  // Of a place of the clone's graph; empty if it is no part of the clone.
  [[nodiscard]] std::string of_copy(const place& at) const {
    if (at.what == place::kind::scope) {
      if (at.scope.value == 0 || !d_.has_scope()) return {};
      if (!target_.scope_within(at.scope, c_.scope())) return {};
      return "  in the clone of " + std::to_string(c_.nodes().size()) + " ops in " +
             quoted(c_.scope_path()) + "\n";
    }
    if (at.what == place::kind::nothing) return {};
    if (const auto v = detail::variable_read_by(target_, at.tensor.op)) {
      if (const auto from = d_.backward(*v)) {
        const variable_image* image = d_.image_of(*from);
        if (d_.same_graph && *from == *v) return of_itself(*image);
        return "  clone: " + to_string(image->policy) + ", from " + path_if_there(source_, *from) +
               "\n";
      }
    }
    const auto cut = d_.cut_originals.find(at.tensor);
    if (cut != d_.cut_originals.end() && !(d_.same_graph && cut->second == at.tensor)) {
      return "  clone: takes the place of " + path_if_there(source_, cut->second) + "\n";
    }
    const auto read = d_.stand_in_originals.find(at.tensor);
    if (read != d_.stand_in_originals.end()) {
      const bool there = source_.contains(read->second);
      const auto v = there ? source_.variable_read_by({read->second, 0}) : std::nullopt;
      return "  clone: takes the place of variable " + path_if_there(source_, read->second) +
             (v ? ", " + to_string(d_.image_of(*v)->policy) : std::string()) + "\n";
    }
    if (const auto op = d_.backward(at.tensor.op); op && !(d_.same_graph && *op == at.tensor.op)) {
      return "  clone: a copy of " + path_if_there(source_, *op) + "\n";
    }
    const std::vector<op_id> added = c_.nodes();
    if (std::find(added.begin(), added.end(), at.tensor.op) != added.end())
      return "  clone: added by it\n";
    return {};
  }

  // Of a place of the source; empty if the region does not have it.
  [[nodiscard]] std::string of_source(const place& at) const {
    if (at.what != place::kind::op && at.what != place::kind::tensor) return {};
    if (const auto v = detail::variable_read_by(source_, at.tensor.op)) {
      if (const variable_image* image = d_.image_of(*v)) return of_variable(*image);
    }
    if (const auto cut = d_.cut_images.find(at.tensor); cut != d_.cut_images.end()) {
      return cut->second == at.tensor && d_.same_graph
                 ? "  clone: an input that it takes as well\n"
                 : "  clone: an input, replaced by " + path_if_there(target_, cut->second) + "\n";
    }
    if (!c_.origin().contains(at.tensor.op)) return {};
    const auto image = d_.forward(at.tensor.op);
    if (!image) {
      return lost_copy(at.tensor.op) ? "  clone: a rule removed its copy\n"
                                     : "  clone: not needed there\n";
    }
    if (d_.same_graph && *image == at.tensor.op) return "  clone: shared, not copied\n";
    return "  clone: copied to " + path_if_there(target_, *image) + "\n";
  }

  [[nodiscard]] std::string image_of(const variable_image& image) const {
    if (image.policy == variable_policy::frozen || image.policy == variable_policy::replaced ||
        image.policy == variable_policy::linked) {
      if (!source_.contains(image.source)) return "what was removed";
      const auto stand_in = d_.stand_ins.find(source_.variable_of(image.source).read.op);
      return stand_in == d_.stand_ins.end() ? "not needed"
                                            : path_if_there(target_, stand_in->second);
    }
    std::string text;
    for (const variable_id v : c_.images(image.source)) {
      text += (text.empty() ? "" : ", ") + path_if_there(d_.variables_graph(), v);
    }
    if (!text.empty()) return text;
    const bool lost =
        source_.contains(image.source) && lost_copy(source_.variable_of(image.source).read.op);
    return lost ? "a rule removed its copy" : "not needed";
  }

 private:
  // True for an op without an image that had a copy, which a rule removed.
  [[nodiscard]] bool lost_copy(op_id op) const {
    const std::uint32_t place = d_.source().places.find(op.value);
    const auto& copied = d_.place_of_copy;
    return std::find(copied.begin(), copied.end(), place) != copied.end();
  }
  [[nodiscard]] std::string of_itself(const variable_image& image) const {
    return "  clone: " + to_string(image.policy) + ", used by clone and source\n";
  }
  [[nodiscard]] std::string of_variable(const variable_image& image) const {
    if (d_.same_graph && image.image == image.source) return of_itself(image);
    return "  clone: " + to_string(image.policy) + ", in the clone " + image_of(image) + "\n";
  }

  const Clone& c_;
  const clone_data& d_;
  const Graph& source_;
  const Graph& target_;
};

// Puts a line after the first.
std::string with_second_line(std::string text, const std::string& line) {
  return text.insert(text.find('\n') + 1, line);
}

std::string description(const place_in_body& inside, const std::string& more = {}) {
  std::string text;
  describe(text, *inside.body, inside.at);
  return with_second_line(std::move(text), "  in " + inside.where + "\n" + more);
}

}  // namespace

std::string to_string(variable_policy policy) {
  switch (policy) {
    case variable_policy::fresh:
      return "fresh";
    case variable_policy::copied:
      return "copied";
    case variable_policy::shared:
      return "shared";
    case variable_policy::frozen:
      return "frozen";
    case variable_policy::linked:
      return "linked";
    case variable_policy::replaced:
      return "replaced";
  }
  return "";
}

std::string explain(const Graph& g, name_view path) {
  const place at = find(g, path);
  if (at.what == place::kind::nothing) {
    if (const auto inside = find_in_bodies(g, path)) return description(*inside);
    refuse(g, path);
  }
  std::string text;
  describe(text, g, at);
  return text;
}

std::string explain(const Clone& clone, name_view path) {
  const clone_account account(clone);
  const Graph &target = clone.graph(), &source = clone.origin().graph();
  const place there = find(target, path), here = find(source, path);
  const std::string copy = account.of_copy(there), original = account.of_source(here);
  std::string text;
  // A path may lead to something in both graphs: the clone's part comes first.
  if (!copy.empty()) {
    describe(text, target, there);
    return with_second_line(std::move(text), copy);
  }
  if (!original.empty()) {
    describe(text, source, here);
    return with_second_line(std::move(text), original);
  }
  if (there.what == place::kind::nothing && here.what == place::kind::nothing) {
    // Bodies have no map of their own: the clone's part is that of the op that has the body.
    const auto owner = [](const place_in_body& in) {
      return place{place::kind::op, {in.outermost, 0}, {}};
    };
    if (const auto in = find_in_bodies(target, path); in && !account.of_copy(owner(*in)).empty()) {
      return description(*in, account.of_copy(owner(*in)));
    }
    if (const auto in = find_in_bodies(source, path)) {
      return description(*in, account.of_source(owner(*in)));
    }
    if (const auto in = find_in_bodies(target, path)) return description(*in);
    refuse(target, path);
  }
  const bool in_target = there.what != place::kind::nothing;
  describe(text, in_target ? target : source, in_target ? there : here);
  return with_second_line(std::move(text), "  clone: no part of it, nor of what was cloned\n");
}

namespace {

std::vector<tensor_id> images_of(const std::unordered_map<tensor_id, tensor_id>& cuts,
                                 const std::vector<tensor_id>& tensors) {
  std::vector<tensor_id> images;
  for (const tensor_id t : tensors) images.push_back(cuts.at(t));
  return images;
}

}  // namespace

std::string to_string(const Clone& clone) {
  const clone_account account(clone);
  const Graph &target = clone.graph(), &source = clone.origin().graph();
  const bool in_scope = clone.data()->has_scope();
  const std::string scope = in_scope ? clone.scope_path() : std::string();
  const std::size_t count = clone.nodes().size();
  std::string text = "clone of " + std::to_string(count) + (count == 1 ? " op" : " ops") + " in " +
                     (!in_scope       ? "a scope that was removed"
                      : scope.empty() ? "the root"
                                      : quoted(scope)) +
                     (&target == &source ? "" : " of another graph") + "\n";
  const auto list = [&](const char* title, const std::vector<tensor_id>& from,
                        const std::vector<tensor_id>& to) {
    for (std::size_t i = 0; i < from.size(); ++i) {
      text += std::string("  ") + title + " " + path_if_there(source, from[i]) + ": ";
      if (&target == &source && from[i] == to[i]) {
        text += "itself\n";
      } else {
        text += target.contains(to[i].op) ? typed(target, to[i]) + "\n" : "what was removed\n";
      }
    }
  };
  list("input", clone.origin().inputs(), clone.inputs());
  list("output", clone.origin().outputs(), clone.outputs());
  for (const variable_image& image : clone.variable_images()) {
    text += "  variable " + path_if_there(source, image.source);
    if (source.contains(image.source))
      text += " " + to_string(source.variable_of(image.source).type);
    text += ": " + to_string(image.policy);
    const bool itself = &target == &source && image.image == image.source;
    text += itself ? "" : ", " + account.image_of(image);
    text += "\n";
  }
  list("kept", clone.origin().kept(), images_of(clone.data()->cut_images, clone.origin().kept()));
  for (const control_image& c : clone.control_images()) {
    text += "  " + path_if_there(source, c.after) + " waits for " +
            path_if_there(source, c.before) + ", its copy for " +
            (c.image.valid() ? path_if_there(target, c.image) : std::string("nothing of that")) +
            "\n";
  }
  for (const variable_id made : clone.variables()) {
    const Graph& owner = clone.data()->variables_graph();
    if (clone.data()->backward(made) || !owner.contains(made)) continue;
    text += "  variable made by a rule: " + quoted(owner.path_of(made)) + " " +
            to_string(owner.variable_of(made).type) + "\n";
  }
  return text;
}

}  // namespace graft
