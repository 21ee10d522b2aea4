#include "ops/reduction.hpp"

#include <algorithm>

#include "ops/movement.hpp"
#include "ops/plain_reduction.hpp"
#include "ops/support.hpp"

namespace graft::support {
namespace {

using kernels::reduction_block;

// Elements below which one thread does a pass alone, and elements of one part of a shared pass.
constexpr std::int64_t worth_sharing = 131072;
constexpr std::int64_t part_elements = 32768;
// With so many independent rows (or slabs of columns) they are shared out; with fewer, each is cut.
constexpr std::int64_t enough_rows = 8;
constexpr std::int64_t block_rows = 1024;
constexpr std::int64_t column_stripe = 64;

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// y[outer][inner] = reduction over r of x[outer][r][inner].
struct pass {
  std::int64_t outer = 1, rows = 1, inner = 1;
  enum class way { whole, rows, blocks, slabs, stripes, row_blocks } how = way::whole;
  std::size_t partial_bytes = 0;

  void choose(std::size_t width) {
    if (outer * rows * inner < worth_sharing) return;
    if (inner == 1) {
      how = outer >= enough_rows || rows <= reduction_block ? way::rows : way::blocks;
      if (how == way::blocks) {
        partial_bytes = static_cast<std::size_t>(outer * divide_up(rows, reduction_block)) * width;
      }
    } else if (outer >= enough_rows) {
      how = way::slabs;
    } else if (outer * divide_up(inner, column_stripe) < 4 && rows >= 4 * block_rows) {
      how = way::row_blocks;
      partial_bytes = static_cast<std::size_t>(outer * divide_up(rows, block_rows) * inner) * width;
    } else {
      how = way::stripes;
    }
  }
};

struct reduction_kernels {
  kernels::reduce_rows_kernel rows = nullptr;
  kernels::reduce_columns_kernel columns = nullptr;
  std::size_t width = 0;
};

void run_rows(const reduction_kernels& k, const pass& p, const kernel_call& call, const void* x,
              void* y) {
  const std::int64_t each =
      std::max<std::int64_t>(1, part_elements / std::max<std::int64_t>(1, p.rows));
  run_parts(call, divide_up(p.outer, each), [&](std::int64_t part) {
    const std::int64_t first = part * each;
    k.rows(element_address(x, first * p.rows, k.width), element_address(y, first, k.width),
           std::min(each, p.outer - first), p.rows);
  });
}

// Few long rows: their blocks are reduced as rows, then the partial results, which is what the
// kernel does with the whole row.
void run_blocks(const reduction_kernels& k, const pass& p, const kernel_call& call, const void* x,
                void* y, std::byte* partials) {
  const std::int64_t blocks = divide_up(p.rows, reduction_block);
  const std::int64_t each = part_elements / reduction_block;
  const std::int64_t parts = divide_up(blocks, each);
  run_parts(call, p.outer * parts, [&](std::int64_t part) {
    const std::int64_t row = part / parts, first = part % parts * each;
    const std::int64_t last = std::min(first + each, blocks);
    const std::int64_t whole = std::min(last, p.rows / reduction_block) - first;
    const void* from = element_address(x, row * p.rows + first * reduction_block, k.width);
    void* to = element_address(partials, row * blocks + first, k.width);
    k.rows(from, to, whole, reduction_block);
    if (first + whole < last) {
      k.rows(element_address(from, whole * reduction_block, k.width),
             element_address(to, whole, k.width), 1, p.rows % reduction_block);
    }
  });
  k.rows(partials, y, p.outer, blocks);
}

void run_slabs(const reduction_kernels& k, const pass& p, const kernel_call& call, const void* x,
               void* y) {
  const std::int64_t slab = p.rows * p.inner;
  const std::int64_t each = std::max<std::int64_t>(1, part_elements / slab);
  run_parts(call, divide_up(p.outer, each), [&](std::int64_t part) {
    const std::int64_t first = part * each;
    k.columns(element_address(x, first * slab, k.width),
              element_address(y, first * p.inner, k.width), std::min(each, p.outer - first), p.rows,
              p.inner, p.inner);
  });
}

void run_stripes(const reduction_kernels& k, const pass& p, const kernel_call& call, const void* x,
                 void* y) {
  const std::int64_t wide =
      std::max(column_stripe, part_elements / p.rows / column_stripe * column_stripe);
  const std::int64_t stripes = divide_up(p.inner, wide);
  run_parts(call, p.outer * stripes, [&](std::int64_t part) {
    const std::int64_t o = part / stripes, first = part % stripes * wide;
    k.columns(element_address(x, o * p.rows * p.inner + first, k.width),
              element_address(y, o * p.inner + first, k.width), 1, p.rows,
              std::min(wide, p.inner - first), p.inner);
  });
}

// Many rows of few columns: blocks of rows first.
void run_row_blocks(const reduction_kernels& k, const pass& p, const kernel_call& call,
                    const void* x, void* y, std::byte* partials) {
  const std::int64_t blocks = divide_up(p.rows, block_rows);
  run_parts(call, p.outer * blocks, [&](std::int64_t part) {
    const std::int64_t o = part / blocks, first = part % blocks * block_rows;
    k.columns(element_address(x, (o * p.rows + first) * p.inner, k.width),
              element_address(partials, part * p.inner, k.width), 1,
              std::min(block_rows, p.rows - first), p.inner, p.inner);
  });
  k.columns(partials, y, p.outer, blocks, p.inner, p.inner);
}

void run_pass(const reduction_kernels& k, const pass& p, const kernel_call& call, const void* x,
              void* y, std::byte* partials) {
  switch (p.how) {
    case pass::way::rows:
      return run_rows(k, p, call, x, y);
    case pass::way::blocks:
      return run_blocks(k, p, call, x, y, partials);
    case pass::way::slabs:
      return run_slabs(k, p, call, x, y);
    case pass::way::stripes:
      return run_stripes(k, p, call, x, y);
    case pass::way::row_blocks:
      return run_row_blocks(k, p, call, x, y, partials);
    case pass::way::whole:
      break;
  }
  if (p.inner == 1) {
    k.rows(x, y, p.outer, p.rows);
  } else {
    k.columns(x, y, p.outer, p.rows, p.inner, p.inner);
  }
}

// Neighbouring axes of one kind count as one; the last reduced ones go first, as they lie closest
// in memory.
std::vector<pass> plan_passes(const dims& shape, const small_vector<bool, 6>& marked,
                              std::size_t width) {
  std::vector<std::pair<std::int64_t, bool>> groups;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 1) continue;
    if (!groups.empty() && groups.back().second == marked[i]) {
      groups.back().first *= shape[i];
    } else {
      groups.emplace_back(shape[i], marked[i]);
    }
  }
  std::vector<pass> passes;
  for (std::size_t i = groups.size(); i-- > 0;) {
    if (!groups[i].second) continue;
    pass p;
    p.rows = groups[i].first;
    for (std::size_t j = 0; j < i; ++j) p.outer *= groups[j].first;
    for (std::size_t j = i + 1; j < groups.size(); ++j) p.inner *= groups[j].first;
    groups[i] = {1, false};
    p.choose(width);
    passes.push_back(p);
  }
  return passes;
}

std::size_t aligned(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

void divide(void* y, std::int64_t n, double by, dtype type) {
  const float single = static_cast<float>(by);
  const kernels::element e = *kernel_element(type);
  const auto kernel = kernels::active().binary(kernels::binary_op::div, e, kernels::operands::vs);
  kernel(y, type == dtype::float32 ? static_cast<const void*>(&single) : &by, y, n);
}

}  // namespace

bound_kernel bind_reduction(const bind_args& b, kernels::reduce_op op,
                            const small_vector<bool, 6>& marked, bool mean) {
  const tensor_info &x = b.inputs[0], &y = b.outputs[0];
  if (is_half(x.type)) {
    const tensor_info wide_x = widened(x), wide_y = widened(y);
    const bind_args wide{{&wide_x, 1}, {&wide_y, 1}, b.attributes, b.graph, b.where};
    return widen_halves(b, bind_reduction(wide, op, marked, mean));
  }
  const auto element = kernel_element(x.type);
  reduction_kernels k;
  k.width = size_of(x.type);
  if (element) {
    k.rows = kernels::active().reduce_rows(op, *element);
    k.columns = kernels::active().reduce_columns(op, *element);
  }
  if (k.rows == nullptr) k.rows = plain_reduce_rows(op, x.type);
  if (k.columns == nullptr) k.columns = plain_reduce_columns(op, x.type);
  if (k.rows == nullptr || k.columns == nullptr) refuse_type(b, "a reduction", x.type);

  // Where there are no elements, the other extents may be such that no product of them fits in 63 bits.
  const bool nothing = x.size == 0;
  std::int64_t combined = nothing ? 0 : 1;
  for (std::size_t i = 0; i < marked.size() && !nothing; ++i) {
    if (marked[i]) combined *= x.shape[i];
  }
  bound_kernel result;
  const std::vector<pass> passes = nothing ? std::vector<pass>{{.outer = y.size, .rows = 0}}
                                           : plan_passes(x.shape, marked, k.width);
  if (passes.empty()) {  // the axes have one element each
    result = bind_plain_copy(b);
    return result;
  }
  // The passes' results lie one after the other in the scratch memory, then come the partial
  // results of one pass.
  std::size_t results = 0, partials = 0;
  for (const pass& p : passes) {
    if (&p != &passes.back()) {
      results += aligned(static_cast<std::size_t>(p.outer * p.inner) * k.width);
    }
    partials = std::max(partials, p.partial_bytes);
  }
  result.scratch_bytes = results + partials;
  result.run = [=, type = x.type, size = y.size](const kernel_call& call) {
    if (size == 0) return;
    const void* from = call.in[0];
    std::byte* next = call.scratch;
    for (const pass& p : passes) {
      const bool last = &p == &passes.back();
      void* to = last ? call.out[0] : next;
      run_pass(k, p, call, from, to, call.scratch + results);
      from = to;
      next += last ? 0 : aligned(static_cast<std::size_t>(p.outer * p.inner) * k.width);
    }
    if (mean) divide(call.out[0], size, static_cast<double>(combined), type);
  };
  return result;
}

}  // namespace graft::support
