#include "runtime/forms.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <unordered_set>

#include "graft/core/error.hpp"

#include "kernels/forms.hpp"
#include "kernels/kernels.hpp"

namespace graft::detail {
namespace {

struct known_kernel {
  elementwise_form form;
  fused_kernel kernel = nullptr;
  bool shipped = false;
};

// The kernels for one element type.
class form_table {
 public:
  explicit form_table(kernels::element type) {
    for (std::size_t i = 0; i < kernels::shipped_form_count; ++i) {
      add(kernels::shipped_forms[i], kernels::active().fused(i, type), true);
    }
  }

  void add(const elementwise_form& key, fused_kernel kernel, bool shipped) {
    if (kernel == nullptr) return;
    const std::unique_lock lock(guard_);
    const auto [first, last] = all_.equal_range(hash_of(key));
    for (auto i = first; i != last; ++i) {
      if (!(i->second.form == key)) continue;
      if (!i->second.shipped) i->second.kernel = kernel;
      return;
    }
    all_.emplace(hash_of(key), known_kernel{key, kernel, shipped});
    operators_.insert(hash_of_operators(key));
    longest_ = std::max<std::size_t>(longest_, key.node_count);
  }
  [[nodiscard]] fused_kernel find(const elementwise_form& form) const {
    const std::shared_lock lock(guard_);
    const auto [first, last] = all_.equal_range(hash_of(form));
    for (auto i = first; i != last; ++i) {
      if (i->second.form == form) return i->second.kernel;
    }
    return nullptr;
  }
  [[nodiscard]] bool has_operators(std::uint64_t sum) const {
    const std::shared_lock lock(guard_);
    return operators_.contains(sum);
  }
  [[nodiscard]] std::size_t longest() const {
    const std::shared_lock lock(guard_);
    return longest_;
  }

 private:
  mutable std::shared_mutex guard_;
  std::unordered_multimap<std::uint64_t, known_kernel> all_;
  std::unordered_set<std::uint64_t> operators_;
  std::size_t longest_ = 0;
};

std::atomic<std::uint64_t> registered{0};

form_table* table_of(dtype type) {
  static form_table singles(kernels::element::f32), doubles(kernels::element::f64);
  return type == dtype::float32 ? &singles : type == dtype::float64 ? &doubles : nullptr;
}

}  // namespace

std::uint64_t forms_registered() { return registered; }
std::size_t longest_form(dtype type) {
  const form_table* const table = table_of(type);
  return table == nullptr ? 0 : table->longest();
}
bool any_form_of(std::uint64_t operators, dtype type) {
  const form_table* const table = table_of(type);
  return table != nullptr && table->has_operators(operators);
}
fused_kernel find_fused_kernel(const elementwise_form& form, dtype type) {
  const form_table* const table = table_of(type);
  return table == nullptr ? nullptr : table->find(form);
}

}  // namespace graft::detail

namespace graft {

void register_fused_kernel(const elementwise_form& form, dtype type, fused_kernel kernel) {
  detail::form_table* const table = detail::table_of(type);
  if (table == nullptr) {
    throw dtype_error({"a compiled chain was registered for " + std::string(name_of(type)),
                       "chains are compiled for float32 and float64", "", ""});
  }
  const bool full =
      std::any_of(form.operands, form.operands + form.operand_count,
                  [](const form_operand& o) { return o.what == operand_class::full; });
  const bool truth = std::any_of(form.nodes, form.nodes + form.node_count,
                                 [](const form_node& n) { return n.stored && gives_truth(n.op); });
  if (form.output_count() == 0 || !full || truth || kernel == nullptr) {
    throw argument_error(
        {"a compiled chain was registered: " + to_string(form),
         kernel == nullptr ? "there is no kernel"
         : truth           ? "it stores truth values"
         : full            ? "it stores no result"
                           : "none of its operands has an element for each of the results'",
         "", "make forms by form_of(\"f0 r1 add relu\"), or let graft/fuse.hpp make them"});
  }
  if (!(form_for(form, type) == form)) {
    throw argument_error(
        {"a compiled chain was registered: " + to_string(form),
         "it is not in canonical order, which is " + to_string(form_for(form, type)), "",
         "compile the kernel for what form_for(form, type) returns"});
  }
  table->add(form, kernel, false);
  ++detail::registered;
}

bool runs_wide_chains() { return kernels::active().which != kernels::isa::sse2; }

bool has_fused_kernel(const elementwise_form& form, dtype type) {
  return detail::find_fused_kernel(form_for(form, type), type) != nullptr;
}

}  // namespace graft
