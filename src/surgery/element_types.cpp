// Clones whose elements are of another type.
#include <algorithm>

#include "graft/ops/logic.hpp"

#include "graph/building.hpp"
#include "surgery/cloner.hpp"

namespace graft::detail {

void refuse_element_type(dtype asked) {
  throw argument_error({"a clone was to have elements of " + std::string(name_of(asked)),
                        "only floating tensors become of another type, and of a floating one", "",
                        "name float16, bfloat16, float32 or float64"});
}

namespace {

bool names_converted(const stored_attribute& a, element_types elements) {
  const auto type = static_cast<dtype>(a.integer);
  return a.kind == attribute_kind::type && elements(type) != type;
}

// Lists are shared between ops and their copies, so one that changes is another list.
void convert_attributes(tables& t, std::uint32_t op, element_types elements) {
  tables::op_record& r = t.ops[op];
  const auto stored = t.stored(r);
  if (std::none_of(stored.begin(), stored.end(),
                   [&](const stored_attribute& a) { return names_converted(a, elements); })) {
    return;
  }
  attribute_list list = t.attributes_of(r);
  for (attribute& a : list) {
    if (a.kind != attribute_kind::type) continue;
    a.integer = static_cast<std::int64_t>(elements(static_cast<dtype>(a.integer)));
  }
  const std::uint32_t before = r.attributes, changed = store_attributes(t, list);
  note(t, [op, before](tables& u) { u.ops[op].attributes = before; });
  t.ops[op].attributes = changed;
}

}  // namespace

void convert_elements(Graph& g, op_id first, element_types elements) {
  tables& t = g.data();
  if (!g.contains(first)) return;
  const std::uint32_t from = t.index(first);
  // Outputs become what they would if all did, before the first op is asked: so none is asked of operands of which
  // some are of the new type and some of the old.
  for (std::uint32_t i = from; i < t.ops.size(); ++i) {
    convert_attributes(t, i, elements);
    for (std::uint32_t o = 0; o < t.ops[i].output_count; ++o) {
      dtype& type = t.outputs[t.ops[i].first_output + o].type;
      type = elements(type);
    }
  }
  for (const std::uint32_t i : data_order(t, from)) (void)infer_in_place(t, i);
  touch(t);
}

tensor_id cloner::add_cast(tensor_id of_source) {
  attribute_list attributes;
  attributes.set("type", converted(source_.type_of(of_source)).type);
  const auto other = casts_.find(of_source);
  const tensor_id from = other == casts_.end() ? of_source : other->second;
  return {target_.add(ops::cast, {&from, 1}, attributes, source_.name_of(of_source.op),
                      source_.line_of(of_source.op)),
          0};
}

// An initial value that stays of its type, as one that is made of whole numbers may.
void cloner::require_initial(variable_id source, const variable_info& image) const {
  const value_type initial = target_.type_of(image.initial);
  if (may_be(image.type, initial)) return;
  throw dtype_error(
      {"clone was asked for '" + source_.path_of(source) + "' as " + to_string(image.type),
       "its initial value '" + target_.path_of(image.initial) + "' is " + to_string(initial),
       source_.path_of(source), "cast the initial value where the variable is made"});
}

// True for ops that are others in the clone because of their own types or those that they take.
bool cloner::elements_change(std::uint32_t index) const {
  if (!converts()) return false;
  const tables& t = source_.data();
  const tables::op_record& r = t.ops[index];
  const auto changes = [&](dtype type) { return options_.elements(type) != type; };
  for (std::uint32_t o = 0; o < r.output_count; ++o) {
    if (changes(t.output(index, o).type)) return true;
  }
  for (const tables::edge& e : t.operands_of(index)) {
    if (changes(t.output(e.producer, e.output).type)) return true;
  }
  const auto stored = t.stored(r);
  return r.schema->has(ops::bodies) ||
         std::any_of(stored.begin(), stored.end(), [&](const stored_attribute& a) {
           return names_converted(a, options_.elements);
         });
}

}  // namespace graft::detail
