#include "graft/report/summary.hpp"

#include <algorithm>
#include <map>
#include <unordered_set>
#include <vector>

namespace graft {
namespace {

// A sum that knows when it is more than it can tell.
class total {
 public:
  void add(std::int64_t count, std::int64_t each = 1) {
    std::int64_t more = 0;
    if (__builtin_mul_overflow(count, each, &more) || __builtin_add_overflow(sum_, more, &sum_)) {
      beyond_ = true;
    }
  }
  [[nodiscard]] bool empty() const { return sum_ == 0 && !beyond_; }
  [[nodiscard]] std::string in_words() const { return beyond_ ? "over 9e18" : grouped(sum_); }

 private:
  static std::string grouped(std::int64_t n) {
    std::string digits = std::to_string(n);
    for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
    return digits;
  }

  std::int64_t sum_ = 0;
  bool beyond_ = false;
};

struct row {
  std::string name, operators, output;
  total parameters = {};
};

// The ops a tensor depends on, in storage order, without recursion.
std::vector<op_id> dependencies(const Graph& g, tensor_id t) {
  std::unordered_set<op_id> seen{t.op};
  std::vector<op_id> open{t.op}, found;
  while (!open.empty()) {
    const op_id op = open.back();
    open.pop_back();
    found.push_back(op);
    for (const tensor_id operand : g.operands(op)) {
      if (seen.insert(operand.op).second) open.push_back(operand.op);
    }
  }
  std::sort(found.begin(), found.end(),
            [&](op_id a, op_id b) { return g.index_of(a) < g.index_of(b); });
  return found;
}

std::string cut(const std::string& text, std::size_t width) {
  if (text.size() <= width) return text;
  const std::size_t half = (width - 3) / 2;
  return text.substr(0, width - 3 - half) + "..." + text.substr(text.size() - half);
}

std::string padded(std::string text, std::size_t width, bool right = false) {
  if (text.size() < width) text.insert(right ? 0 : text.size(), width - text.size(), ' ');
  return text;
}

}  // namespace

std::string summary(const any_tensor& y, const summary_options& options) {
  const Graph& g = target_traits<Graph>::target_of(y.ref());
  std::vector<row> rows;
  std::map<std::uint32_t, std::size_t> row_of_scope;
  total trainable, other, bytes;
  for (const op_id op : dependencies(g, g.id(y))) {
    const auto variable = g.variable_read_by({op, 0});
    const scope_id scope = g.scope_of(op);
    std::size_t place;
    if (scope.value == 0 && !variable) {
      place = rows.size();
      rows.push_back({g.name_of(op), "", ""});
    } else {
      const auto [known, fresh] = row_of_scope.try_emplace(scope.value, rows.size());
      place = known->second;
      if (fresh) rows.push_back({scope.value == 0 ? "(variables)" : g.scope_path(scope), "", ""});
    }
    row& r = rows[place];
    if (variable) {
      const variable_info& info = g.variable_of(*variable);
      const std::int64_t count = element_count(info.type.shape);
      r.parameters.add(count);
      (info.trainable ? trainable : other).add(count);
      bytes.add(count, static_cast<std::int64_t>(size_of(info.type.type)));
      continue;
    }
    const std::string name(g.schema_of(op).name);
    r.operators += (r.operators.empty() ? "" : ", ") + name;
    r.output = to_string(g.type_of({op, 0}));
  }
  const std::size_t width = std::max<std::size_t>(options.width, 60);
  // Types keep their width as long as names and operators have half of the table.
  const std::size_t count_width = 10;
  std::size_t type_width = 6;
  for (const row& r : rows) type_width = std::max(type_width, r.output.size());
  type_width = std::min(type_width, width / 2 - count_width);
  const std::size_t name_width = (width - type_width - count_width - 3) / 2;
  const std::size_t kind_width = width - type_width - count_width - 3 - name_width;
  const auto line = [&](const std::string& a, const std::string& b, const std::string& c,
                        const std::string& d) {
    std::string text = padded(cut(a, name_width), name_width) + " " +
                       padded(cut(b, kind_width), kind_width) + " " +
                       padded(cut(c, type_width), type_width) + " " + padded(d, count_width, true);
    return text.erase(text.find_last_not_of(' ') + 1) + "\n";
  };
  std::string text =
      line("name", "operators", "output", "parameters") + std::string(width, '-') + "\n";
  for (const row& r : rows) {
    text +=
        line(r.name, r.operators, r.output, r.parameters.empty() ? "" : r.parameters.in_words());
  }
  text += std::string(width, '-') + "\n";
  text += "trainable " + trainable.in_words() + ", other " + other.in_words() + ", " +
          bytes.in_words() + " bytes\n";
  return text;
}

}  // namespace graft
