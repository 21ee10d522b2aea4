// Bodies of cloned ops. What a body takes from outside comes through operands, which are mapped like
// all others; so a body itself is shared, unless the clone is in another mode or draws other numbers.
#include <algorithm>
#include <bit>
#include <string>
#include <unordered_set>

#include "graft/schema/control_operators.hpp"

#include "graph/body_edit.hpp"
#include "graph/body_view.hpp"
#include "graph/building.hpp"
#include "graph/copy.hpp"
#include "surgery/cloner.hpp"

namespace graft::detail {

bool mode_differs(const Graph& owner, const attribute_view& attributes, bool training) {
  std::vector<const Graph*> open;
  std::unordered_set<const Graph*> met;  // bodies may own one another many times over
  const auto look = [&](const Graph& g, const attribute_view& list) {
    for (const attribute& a : list) {
      if (a.kind != attribute_kind::body) continue;
      const Graph* body = &g.body(a.integer);
      if (met.insert(body).second) open.push_back(body);
    }
  };
  look(owner, attributes);
  while (!open.empty()) {
    const Graph& body = *open.back();
    open.pop_back();
    for (std::size_t i = 0; i < body.op_count(); ++i) {
      const op_id op = body.op_at(i);
      const attribute_view own = body.attributes_of(op);
      if (body.schema_of(op).has(ops::modal) && (own.integer("training") != 0) != training)
        return true;
      look(body, own);
    }
  }
  return false;
}

namespace {

// True if a body has tensors of a type that becomes another.
bool has_converted(const Graph& body, const element_types& elements) {
  const tables& t = body.data();
  return std::any_of(t.outputs.begin(), t.outputs.end(),
                     [&](const tables::output_record& o) { return elements(o.type) != o.type; });
}

}  // namespace

std::int64_t cloner::image_of_body(std::int64_t index) {
  const std::shared_ptr<const Graph> body = source_.data().bodies[static_cast<std::size_t>(index)];
  const std::shared_ptr<const Graph> image = changed_body(body);
  return image == body && same_graph_ ? index : append_body(target_, image);
}

// The body itself where nothing in it changes, at any depth.
std::shared_ptr<const Graph> cloner::changed_body(const std::shared_ptr<const Graph>& body) {
  const auto [known, fresh] = body_images_.try_emplace(body.get(), body);
  if (!fresh) return known->second;
  const Graph& from = *body;
  bool changes = converts() && has_converted(from, options_.elements);
  for (std::size_t i = 0; i < from.op_count() && !changes; ++i) {
    const op_id op = from.op_at(i);
    const attribute_view attributes = from.attributes_of(op);
    const operator_schema& schema = from.schema_of(op);
    changes = (schema.has(ops::modal) && options_.as_mode &&
               (attributes.integer("training") != 0) != (*options_.as_mode == mode::training)) ||
              (schema.has(ops::random) && options_.streams != seeds::same &&
               attributes.find("key").has_value());
    for (const attribute& a : attributes) {
      if (a.kind != attribute_kind::body) continue;
      const auto& inner = from.data().bodies[static_cast<std::size_t>(a.integer)];
      changes = changed_body(inner) != inner || changes;
    }
  }
  if (!changes) return body;

  auto made = std::make_shared<Graph>();
  Graph& to = *made;
  const auto attributes = [&](op_id op, attribute_list& list) {
    const operator_schema& schema = from.schema_of(op);
    for (attribute& a : list) {
      if (a.kind == attribute_kind::constant) {
        a.integer = append_constant(to, converted(from.constant(a.integer)));
      } else if (a.kind == attribute_kind::body) {
        a.integer =
            append_body(to, changed_body(from.data().bodies[static_cast<std::size_t>(a.integer)]));
      } else if (a.key == "key" && schema.has(ops::random) && options_.streams != seeds::same) {
        // From the key, not the op's path: a gradient's body repeats ops of the body that it goes
        // back through under other paths, and must draw the same.
        const std::string stream =
            target_.scope_path(data_->scope) + "/" + std::to_string(a.integer);
        a.integer = std::bit_cast<std::int64_t>(key_from(stream_key_of(stream)));
      }
    }
    if (schema.has(ops::modal) && options_.as_mode) {
      list.set("training", *options_.as_mode == mode::training);
    }
  };
  copy_whole(from, to, attributes, ops::modal | ops::random);
  if (converts()) convert_elements(to, to.data().op(0), options_.elements);
  to.data().closed = true;
  body_images_[body.get()] = made;
  return made;
}

}  // namespace graft::detail
