// Checks of a clone against its source.
#include <algorithm>
#include <cmath>
#include <set>
#include <unordered_set>
#include <utility>

#include "graft/graph/tables.hpp"

#include "surgery/clone_data.hpp"
#include "surgery/index_set.hpp"

namespace graft {
namespace {

bool both_nan(const attribute& a, const attribute& b) {
  return a.kind == attribute_kind::real && std::isnan(a.real) && std::isnan(b.real);
}

// Pairs of bodies that were compared: they may own one another many times over.
using compared_bodies = std::set<std::pair<const Graph*, const Graph*>>;

// True where one body is the other, or its copy in another mode or with other random streams: op by
// op, in order, at any depth.
bool same_body(const Graph& a, const Graph& b, compared_bodies& compared) {
  if (&a == &b || !compared.emplace(&a, &b).second) return true;  // all ends where two differ
  if (a.op_count() != b.op_count()) return false;
  for (std::size_t i = 0; i < a.op_count(); ++i) {
    const op_id x = a.op_at(i), y = b.op_at(i);
    if (&a.schema_of(x) != &b.schema_of(y) || a.operand_count(x) != b.operand_count(y))
      return false;
    for (std::uint32_t k = 0; k < a.operand_count(x); ++k) {
      const tensor_id from = a.operand(x, k), to = b.operand(y, k);
      if (a.index_of(from.op) != b.index_of(to.op) || from.output != to.output) return false;
    }
    const attribute_view mine = a.attributes_of(x), theirs = b.attributes_of(y);
    if (mine.size() != theirs.size()) return false;
    for (const attribute& m : mine) {
      const auto t = theirs.find(m.key);
      if (!t || t->kind != m.kind) return false;
      if (m.key == "key" || m.key == "training") continue;
      if (m.kind == attribute_kind::body) {
        if (!same_body(a.body(m.integer), b.body(t->integer), compared)) return false;
      } else if (m.kind == attribute_kind::constant) {
        if (!a.constant(m.integer).same_bits(b.constant(t->integer))) return false;
      } else if (!(m == *t) && !both_nan(m, *t)) {
        return false;
      }
    }
  }
  return true;
}

class checker {
 public:
  explicit checker(const clone_data& d)
      : d_(d),
        source_(
            detail::graph_behind(d.source().slot, d.source().generation, "the source of a clone")),
        target_(detail::graph_behind(d.slot, d.generation, "a clone")) {}

  void run() {
    check_map();
    for (std::uint32_t k = 0; k < d_.count; ++k) {
      const op_id op = d_.source().nodes[d_.place_number(k)];
      if (d_.forward(op)) check_op(op);  // a rule may have removed the copy
    }
    check_variables();
    if (d_.around != nullptr) checker(*d_.around).run();
  }

 private:
  [[noreturn]] void fail(const std::string& what, const std::string& where) const {
    throw graph_error({"a clone was checked against its source", what, where,
                       "the clone or its source was edited, or the library is at fault"});
  }
  void require(bool holds, const char* what, op_id op) const {
    if (!holds) fail(what, source_.contains(op) ? source_.path_of(op) : std::string());
  }

  [[nodiscard]] bool converts() const { return d_.elements.to != dtype::any; }
  [[nodiscard]] bool same_constant(const Array& mine, const Array& theirs) const {
    const dtype type = d_.elements(mine.type());
    return (type == mine.type() ? mine : mine.cast(type)).same_bits(theirs);
  }

  void check_map() {
    std::unordered_set<op_id> images;
    for (const op_id op : d_.source().nodes) {
      require(source_.contains(op), "an op of the region is gone", op);
      const auto image = d_.forward(op);
      if (!image) continue;
      require(target_.contains(*image), "the copy of an op is gone", op);
      if (d_.stand_ins.contains(op)) continue;  // one expression may stand for several variables
      require(images.insert(*image).second, "two ops have one copy", op);
      require(d_.backward(*image) == op, "the way back leads to another op", op);
    }
    for (const auto& [cut, image] : d_.cut_images) {
      require(target_.contains(image.op), "the replacement of an input is gone", cut.op);
      require(d_.cut_originals.contains(image), "a replacement leads to no input", cut.op);
    }
  }

  void check_op(op_id old_op) {
    const op_id copy = *d_.forward(old_op);
    require(&source_.schema_of(old_op) == &target_.schema_of(copy), "a copy has another operator",
            old_op);
    const std::uint32_t operands = source_.operand_count(old_op);
    // Bodies that were changed may take more, among the operands that they took.
    const bool more = may_differ(old_op) && source_.schema_of(old_op).has(ops::bodies);
    require(
        operands == target_.operand_count(copy) || (more && operands < target_.operand_count(copy)),
        "a copy has another number of operands", old_op);
    std::uint32_t next = 0;
    for (std::uint32_t i = 0; i < operands; ++i) {
      const tensor_id operand = source_.operand(old_op, i);
      const auto image = d_.forward(operand);
      const auto takes_image = [&](std::uint32_t slot) {
        return image && (*image == target_.operand(copy, slot) ||
                         is_split(operand, target_.operand(copy, slot)));
      };
      while (next + operands - i < target_.operand_count(copy) && !takes_image(next)) ++next;
      require(takes_image(next++), "an operand of a copy is not the operand's image", old_op);
    }
    require(source_.output_count(old_op) == target_.output_count(copy),
            "a copy has another number of outputs", old_op);
    for (std::uint32_t o = 0; o < source_.output_count(old_op); ++o) {
      require(d_.elements(source_.type_of({old_op, o}).type) == target_.type_of({copy, o}).type,
              "a copy has another element type", old_op);
    }
    check_attributes(old_op, copy);
  }

  // True for a further image of the tensor that an operand became.
  [[nodiscard]] bool is_split(tensor_id operand, tensor_id further) const {
    if (d_.splits.empty()) return false;
    const auto of = d_.backward(further);
    return of && d_.forward(*of) == d_.forward(operand);
  }

  // True for an op whose attributes, or bodies, rules or ties::split may have changed.
  [[nodiscard]] bool may_differ(op_id old_op) const {
    return d_.ruled || (!d_.splits.empty() && source_.schema_of(old_op).has(ops::bodies));
  }

  void check_attributes(op_id old_op, op_id copy) {
    const bool ruled = may_differ(old_op);
    const attribute_view a = source_.attributes_of(old_op), b = target_.attributes_of(copy);
    for (const attribute& theirs : b) {
      require(ruled || theirs.key == "key" || a.find(theirs.key).has_value(),
              "a copy has an attribute too many", old_op);
    }
    for (const attribute& mine : a) {
      const auto theirs = b.find(mine.key);
      const bool there = theirs && theirs->kind == mine.kind;
      if (ruled && !there) continue;  // rules may change attributes
      require(there, "an attribute of a copy is missing", old_op);
      if (mine.key == "key" || mine.key == "training") continue;
      if (mine.kind == attribute_kind::variable) {
        const auto image = d_.forward(source_.data().variable(mine.integer));
        require(image && image->value == theirs->integer, "a copy refers to another variable",
                old_op);
      } else if (mine.kind == attribute_kind::constant) {
        require(ruled || same_constant(source_.constant(mine.integer),
                                       target_.constant(theirs->integer)),
                "a copy has another constant", old_op);
      } else if (mine.kind == attribute_kind::body) {
        require(ruled || converts() ||
                    same_body(source_.body(mine.integer), target_.body(theirs->integer), compared_),
                "a copy has another body", old_op);
      } else if (mine.kind == attribute_kind::type) {
        require(ruled || static_cast<std::int64_t>(d_.elements(static_cast<dtype>(mine.integer))) ==
                             theirs->integer,
                "an attribute of a copy names another type", old_op);
      } else if (!ruled) {
        require(mine == *theirs || both_nan(mine, *theirs), "an attribute of a copy differs",
                old_op);
      }
    }
  }

  void check_own_updates(const variable_info& mine, const variable_info& theirs) const {
    for (const op_id update : mine.own_updates) {
      for (const op_id image : d_.updates_for(update)) {
        const bool is_theirs =
            target_.contains(image) && target_.attributes_of(image).integer("variable", no_id) ==
                                           std::int64_t{theirs.id.value};
        const auto& own = theirs.own_updates;
        require(target_.contains(image) &&
                    (!is_theirs || std::find(own.begin(), own.end(), image) != own.end()),
                "an update of a variable is missing", mine.read.op);
      }
    }
  }

  void check_variables() {
    std::unordered_set<variable_id> images;
    for (const variable_image& image : d_.images) {
      const variable_info& mine = source_.variable_of(image.source);
      if (!image.image.valid()) continue;
      require(images.insert(image.image).second, "two variables have one copy", mine.read.op);
      if (d_.same_graph && image.image == image.source) continue;
      if (d_.around != nullptr && d_.around->image_of(image.source) != nullptr) continue;
      const variable_info& theirs = target_.variable_of(image.image);
      require(theirs.read.op == d_.forward(mine.read.op),
              "a variable's read is not the read's image", mine.read.op);
      require(!mine.initial.valid() || theirs.initial == d_.forward(mine.initial),
              "a variable's initial value is not the image of its source's", mine.read.op);
      value_type type = mine.type;
      type.type = d_.elements(type.type);
      require(theirs.role == mine.role && theirs.type == type,
              "a variable's role or type differs from its source's", mine.read.op);
      check_own_updates(mine, theirs);
      const bool same_cell =
          source_.store().cell(image.source) == target_.store().cell(image.image);
      require(same_cell == (image.policy == variable_policy::shared),
              "a variable's storage is not as its policy says", mine.read.op);
    }
  }

  const clone_data& d_;
  const Graph& source_;
  const Graph& target_;
  compared_bodies compared_;
};

}  // namespace

std::vector<source_access> Clone::leak_audit() const {
  const clone_data& d = *data_;
  const Graph& g = graph();
  std::vector<source_access> accesses;
  if (!d.same_graph) {
    const Graph& owner = d.variables_graph();
    for (const variable_image& image : d.images) {
      if (image.policy != variable_policy::shared || !image.image.valid()) continue;
      if (!owner.contains(image.image)) continue;
      const tensor_id read = owner.variable_of(image.image).read;
      // A body has what it took in for it.
      const auto of = d.around != nullptr ? d.around->backward(read) : std::nullopt;
      accesses.push_back({image.source, of ? d.stand_ins.at(of->op).op : read.op, true});
    }
    return accesses;
  }
  // Backwards from the clone's ops; what inputs and variables were replaced by is the caller's own.
  std::vector<op_id> open = nodes(), waited_for;
  detail::index_set seen;
  for (const op_id op : open) seen.insert(op.value);
  while (!open.empty()) {
    const op_id op = open.back();
    open.pop_back();
    detail::for_each_variable(g, g.attributes_of(op), [&](variable_id v) {
      const variable_image* image = d.image_of(v);
      if (image != nullptr) {
        accesses.push_back(
            {v, op,
             image->policy == variable_policy::shared || image->policy == variable_policy::linked});
      }
    });
    for (std::uint32_t i = 0; i < g.operand_count(op); ++i) {
      const tensor_id operand = g.operand(op, i);
      const bool theirs = d.cut_originals.contains(operand) ||
                          (d.stand_in_originals.contains(operand) &&
                           !std::binary_search(d.extra.begin(), d.extra.end(), operand.op));
      if (!theirs && seen.insert(operand.op.value)) open.push_back(operand.op);
    }
    for (const op_id before : g.control_predecessors(op)) waited_for.push_back(before);
  }
  for (const auto& [tensor, original] : d.cut_originals) seen.insert(tensor.op.value);
  for (const auto& [tensor, original] : d.stand_in_originals) seen.insert(tensor.op.value);
  // What runs because the clone waits for it, which is as it was asked for.
  const auto run = [&](op_id op) {
    if (seen.insert(op.value)) open.push_back(op);
  };
  for (const op_id before : waited_for) run(before);
  while (!open.empty()) {
    const op_id op = open.back();
    open.pop_back();
    detail::for_each_variable(g, g.attributes_of(op), [&](variable_id v) {
      const bool own = std::binary_search(d.created.begin(), d.created.end(), v);
      if (!own) accesses.push_back({v, op, true});
    });
    for (const tensor_id operand : g.operands(op)) run(operand.op);
    for (const op_id before : g.control_predecessors(op)) run(before);
  }
  std::sort(accesses.begin(), accesses.end(), [](const source_access& a, const source_access& b) {
    return a.op != b.op ? a.op < b.op : a.variable < b.variable;
  });
  return accesses;
}

void Clone::check() const {
  checker(*data_).run();
  const Graph& g = graph();
  for (const source_access& access : leak_audit()) {
    if (access.allowed) continue;
    throw graph_error({"a clone was checked against its source",
                       "'" + g.path_of(access.op) + "' uses the source's variable '" +
                           g.path_of(access.variable) + "'",
                       g.path_of(access.op), "the policy of that variable does not allow it"});
  }
}

}  // namespace graft
