#include "runtime/fusion.hpp"

#include <algorithm>

namespace graft::detail {
namespace {

constexpr std::int64_t tile_elements = 1024;
constexpr std::int64_t max_chunks = 32;
constexpr std::int64_t min_chunk = 16 * tile_elements;
constexpr std::int64_t worth_fusing = 64;  // fewer elements: calls cost more than memory
constexpr std::size_t max_operands = 8;

enum class source_kind : std::uint8_t { outer, temporary, output };

// Where one operand or result of an instruction is.
struct reference {
  source_kind kind = source_kind::outer;
  std::uint32_t index = 0;
  std::size_t width = 0;  // bytes an element
  bool scalar = false;
};
struct instruction {
  std::function<void(const void* const*, const bool*, void*, std::int64_t)> tile;
  small_vector<reference, 3> in;
  reference out;
};

bool same_shape(const tensor_info& a, const tensor_info& b) { return a.size == b.size && a.shape == b.shape; }

class fuser {
 public:
  fuser(plan& p, const std::unordered_set<std::uint32_t>& kept, function_ref<std::uint32_t(std::uint32_t)> root)
      : p_(p), kept_(kept), root_(root), readers_(p.slots.size(), 0) {
    for (const step& s : p.steps) {
      for (const std::uint32_t in : s.in) {
        if (in != no_id) ++readers_[root_(in)];
      }
    }
  }

  void run() {
    std::vector<step> result;
    for (std::size_t i = 0; i < p_.steps.size();) {
      std::size_t end = i;
      if (fits(p_.steps[i])) {
        for (end = i + 1; end < p_.steps.size() && end - i < 32 && fits(p_.steps[end]) &&
                          same_shape(info(p_.steps[end].out[0]), info(p_.steps[i].out[0]));) {
          ++end;
        }
      }
      if (end - i < 2) {
        result.push_back(std::move(p_.steps[i++]));
      } else {
        result.push_back(fused(i, end));
        i = end;
      }
    }
    p_.steps = std::move(result);
  }

 private:
  [[nodiscard]] const tensor_info& info(std::uint32_t slot) const { return p_.slots[slot].info; }

  [[nodiscard]] bool fits(const step& s) const {
    if (!s.kernel.tile || s.out.size() != 1 || s.out[0] == no_id || s.in.size() > max_operands) return false;
    const tensor_info& out = info(s.out[0]);
    return out.size >= worth_fusing && std::all_of(s.in.begin(), s.in.end(), [&](std::uint32_t in) {
             return in != no_id && (info(in).size == 1 || same_shape(info(in), out));
           });
  }

  step fused(std::size_t begin, std::size_t end) {
    step group;
    group.op = p_.steps[end - 1].op;
    std::vector<instruction> program;
    std::unordered_map<std::uint32_t, reference> made;  // by slot
    std::unordered_map<std::uint32_t, std::size_t> inside;  // reads within the group, by slot
    for (std::size_t i = begin; i < end; ++i) {
      for (const std::uint32_t in : p_.steps[i].in) ++inside[in];
    }
    std::uint32_t temporaries = 0;
    std::size_t width = 1;
    for (std::size_t i = begin; i < end; ++i) {
      step& s = p_.steps[i];
      instruction code;
      code.tile = std::move(s.kernel.tile);
      for (const std::uint32_t in : s.in) code.in.push_back(operand(group, made, in));
      const std::uint32_t out = s.out[0];
      const std::size_t bytes = size_of(info(out).type);
      const bool hidden = !kept_.contains(root_(out)) && readers_[root_(out)] == inside[out];
      if (hidden) {
        code.out = {source_kind::temporary, temporaries++, bytes, false};
      } else {
        code.out = {source_kind::output, static_cast<std::uint32_t>(group.out.size()), bytes, false};
        group.out.push_back(out);
      }
      width = std::max(width, bytes);
      made[out] = code.out;
      program.push_back(std::move(code));
    }
    allow_in_place(group, program);
    bind(group, std::move(program), temporaries, width, info(p_.steps[begin].out[0]).size);
    return group;
  }

  reference operand(step& group, const std::unordered_map<std::uint32_t, reference>& made, std::uint32_t slot) const {
    const auto known = made.find(slot);
    if (known != made.end()) return known->second;
    const auto place = std::find(group.in.begin(), group.in.end(), slot);
    const auto index = static_cast<std::uint32_t>(place - group.in.begin());
    if (place == group.in.end()) group.in.push_back(slot);
    return {source_kind::outer, index, size_of(info(slot).type), info(slot).size == 1};
  }

  // The last result of a tile is written after everything in it was read.
  static void allow_in_place(step& group, const std::vector<instruction>& program) {
    const reference& last = program.back().out;
    if (last.kind != source_kind::output || last.index > 255) return;
    for (const instruction& code : program) {
      for (const reference& in : code.in) {
        if (in.kind == source_kind::outer && !in.scalar && in.width == last.width && in.index <= 255) {
          group.kernel.in_place.push_back(
              {static_cast<std::uint8_t>(last.index), static_cast<std::uint8_t>(in.index)});
        }
      }
    }
  }

  static void bind(step& group, std::vector<instruction> program, std::uint32_t temporaries, std::size_t width,
                   std::int64_t n) {
    const std::int64_t wanted = std::max(min_chunk, (n + max_chunks - 1) / max_chunks);
    const std::int64_t chunk = (wanted + tile_elements - 1) / tile_elements * tile_elements;
    const std::int64_t chunks = (n + chunk - 1) / chunk;
    const std::size_t tile_bytes = tile_elements * width;
    const std::size_t scratch = tile_bytes * temporaries;
    group.kernel.scratch_bytes = scratch * static_cast<std::size_t>(chunks);
    group.kernel.run = [program = std::move(program), chunk, chunks, tile_bytes, scratch, n](const kernel_call& call) {
      const auto work = [&](std::int64_t c) {
        std::byte* mine = call.scratch + static_cast<std::size_t>(c) * scratch;
        const std::int64_t end = std::min(n, (c + 1) * chunk);
        for (std::int64_t at = c * chunk; at < end; at += tile_elements) {
          const auto address = [&](const reference& r) -> std::byte* {
            if (r.kind == source_kind::temporary) return mine + r.index * tile_bytes;
            const void* base = r.kind == source_kind::outer ? call.in[r.index] : call.out[r.index];
            auto* bytes = const_cast<std::byte*>(static_cast<const std::byte*>(base));
            return r.scalar ? bytes : bytes + static_cast<std::size_t>(at) * r.width;
          };
          for (const instruction& code : program) {
            const void* in[max_operands];
            bool scalar[max_operands];
            for (std::size_t k = 0; k < code.in.size(); ++k) {
              in[k] = address(code.in[k]);
              scalar[k] = code.in[k].scalar;
            }
            code.tile(in, scalar, address(code.out), std::min(tile_elements, end - at));
          }
        }
      };
      if (chunks == 1) {
        work(0);
      } else {
        call.parallel.run(chunks, work);
      }
    };
  }

  plan& p_;
  const std::unordered_set<std::uint32_t>& kept_;
  function_ref<std::uint32_t(std::uint32_t)> root_;
  std::vector<std::size_t> readers_;
};

}  // namespace

void fuse_elementwise(plan& p, const std::unordered_set<std::uint32_t>& kept,
                      function_ref<std::uint32_t(std::uint32_t)> root) {
  fuser(p, kept, root).run();
}

}  // namespace graft::detail
