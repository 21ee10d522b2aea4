#include "graft/surgery/splice.hpp"

#include "surgery/fits.hpp"

namespace graft::detail {

Clone splice_region(const Region& region, const replaced_tensors& places,
                    const clone_options& options) {
  const auto refuse = [](const std::string& found, const char* hint) {
    throw argument_error(
        {"a copy of a region was to be put in the place of tensors", found, "", hint});
  };
  if (places.old.size() != places.by.size()) {
    refuse("there are " + std::to_string(places.old.size()) + " of them and " +
               std::to_string(places.by.size()) + " to take their place",
           "give one for each");
  }
  if (places.old.empty()) refuse("none was named", "use clone(), or name one: in_place_of(old, y)");
  Graph& g = options.where.graph != nullptr ? *options.where.graph : region.graph();
  std::vector<std::vector<Graph::use>> uses;  // before the copy makes some
  for (const graph_reference& r : places.old) uses.push_back(g.uses(g.id(r)));

  Graph::transaction all(g);
  Clone copy = clone_region(region, options);
  std::vector<operand_change> changes;
  for (std::size_t i = 0; i < uses.size(); ++i) {
    const tensor_id by = g.id(copy(any_tensor(places.by[i])));
    check_takes_place(g, "splice", places.old[i].id, by, places.shapes);
    for (const Graph::use& u : uses[i]) changes.push_back({u.user, u.slot, by});
  }
  g.set_operands(changes);  // says so where an old tensor is named twice
  all.commit();
  return copy;
}

}  // namespace graft::detail
