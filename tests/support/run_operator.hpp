// Runs the kernel of one operator on arrays, without a graph or a session.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <vector>

#include "graft/graph/operator.hpp"

namespace graft::testing {

/// Runs chunks one after the other, the last first, so that results which depend on order would
/// show.
class backward_runner : public parallel_runner {
 public:
  void run(std::int64_t chunks, function_ref<void(std::int64_t)> f) override {
    for (std::int64_t chunk = chunks; chunk-- > 0;) f(chunk);
  }
  [[nodiscard]] int threads() const override { return 1; }
};

inline tensor_info info_of(const Array& a) { return {a.type(), a.shape(), a.size()}; }

/// The outputs of an operator of the registry.
inline std::vector<Array> run_operator(std::string_view name, const std::vector<Array>& operands,
                                       const attribute_list& attributes = {},
                                       std::uint64_t seed = 0) {
  const operator_definition* d = find_operator(name);
  if (d == nullptr || d->bind == nullptr) throw std::logic_error("no kernel of that name");
  std::vector<value_type> types;
  std::vector<tensor_info> inputs, infos;
  std::vector<const void*> in;
  for (const Array& a : operands) {
    types.push_back(value_type::of(a.type(), a.shape()));
    inputs.push_back(info_of(a));
    in.push_back(a.data());
  }
  const inferred answer = infer(*d->schema, {types, attributes});
  if (answer.error) throw std::invalid_argument(answer.error.clause);
  std::vector<Array> outputs;
  std::vector<void*> out;
  for (const value_type& t : answer.outputs) outputs.emplace_back(t.type, t.shape);
  for (Array& a : outputs) {
    infos.push_back(info_of(a));
    out.push_back(a.mutable_data());
  }
  const Graph none;
  const bound_kernel kernel = d->bind({inputs, infos, attributes, none, name});
  std::vector<std::byte> scratch(kernel.scratch_bytes + 64);
  const std::size_t skip = 64 - reinterpret_cast<std::uintptr_t>(scratch.data()) % 64;
  backward_runner runner;
  kernel.run({in.data(), out.data(), scratch.data() + skip, runner, seed});
  return outputs;
}

}  // namespace graft::testing
