#include "surgery/matcher.hpp"

#include <algorithm>
#include <bit>
#include <set>

#include "graft/graph/tables.hpp"

#include "graph/attribute_lists.hpp"

namespace graft::detail {
namespace {

std::string quoted(const std::string& text) {
  std::string result(1, '\'');
  result += text;
  result += '\'';
  return result;
}

std::string real_text(double value) {
  std::string text = std::to_string(value);
  while (text.size() > 1 && text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

std::string value_text(const Graph& g, op_id op, const attribute& a) {
  switch (a.kind) {
    case attribute_kind::real:
      return real_text(a.real);
    case attribute_kind::integers:
      return integers_text(g.schema_of(op), a);
    case attribute_kind::string:
      return "'" + std::string(a.string) + "'";
    case attribute_kind::type:
      return std::string(name_of(static_cast<dtype>(a.integer)));
    case attribute_kind::constant: {
      const Array& value = g.constant(a.integer);
      return "a constant of " + to_string(value_type::of(value.type(), value.shape()));
    }
    case attribute_kind::variable:
      return "variable '" + g.path_of(g.data().variable(a.integer)) + "'";
    case attribute_kind::body:
      return "a nested graph";
    default:
      return std::to_string(a.integer);
  }
}

}  // namespace

matcher::matcher(anchored a, anchored b, const compare_options& options, bool stop_at_first)
    : l_(std::move(a)), r_(std::move(b)), options_(options), stop_(stop_at_first) {
  for (side* s : {&l_, &r_}) {
    s->partner.assign(s->a.count(), none);
    s->cut_partner.assign(s->a.cuts().size(), none);
  }
}

std::string matcher::name(const side& s, tensor_id t) { return quoted(s.a.graph().path_of(t)); }
std::string matcher::left(op_id op) const { return quoted(l_.a.graph().path_of(op)); }
std::string matcher::right(op_id op) const { return quoted(r_.a.graph().path_of(op)); }

void matcher::add(difference_kind what, op_id left_op, op_id right_op, std::string text) {
  if (stopped()) return;
  result_.differences.push_back({what, left_op, right_op, std::move(text)});
}

correspondence matcher::run() {
  match_boundary();
  while (!stopped()) {
    if (stack_.empty()) {
      if (later_.empty()) break;
      stack_.assign(later_.rbegin(), later_.rend());
      later_.clear();
    }
    const pending p = stack_.back();
    stack_.pop_back();
    match_tensor(p);
  }
  if (!stopped()) check_controls();
  if (!stopped() && options_.collections) check_collections();
  if (!stopped()) list_unmatched();
  return std::move(result_);
}

void matcher::match_boundary() {
  const auto plural = [](std::size_t n, const char* what) {
    return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
  };
  const std::size_t inputs = std::min(l_.a.given(), r_.a.given());
  const std::size_t outputs = std::min(l_.a.outputs().size(), r_.a.outputs().size());
  if (l_.a.outputs().size() != r_.a.outputs().size()) {
    add(difference_kind::outputs, {}, {},
        "the left has " + plural(l_.a.outputs().size(), "output") + ", the right " +
            std::to_string(r_.a.outputs().size()));
  }
  if (l_.a.given() != r_.a.given()) {
    add(difference_kind::inputs, {}, {},
        "the left has " + plural(l_.a.given(), "input") + ", the right " +
            std::to_string(r_.a.given()));
  }
  for (std::size_t i = 0; i < inputs && !stopped(); ++i) {
    l_.cut_partner[i] = r_.cut_partner[i] = static_cast<std::uint32_t>(i);
    const tensor_id x = l_.a.cuts()[i], y = r_.a.cuts()[i];
    const value_type &t = l_.a.graph().type_of(x), &u = r_.a.graph().type_of(y);
    if (!(t == u)) {
      add(difference_kind::type, x.op, y.op,
          "input " + std::to_string(i) + ": " + left(x) + " is " + to_string(t) + ", " + right(y) +
              " is " + to_string(u));
    }
    if (options_.names && l_.a.graph().path_of(x) != r_.a.graph().path_of(y)) {
      add(difference_kind::name, x.op, y.op,
          "input " + std::to_string(i) + " is named " + left(x) + " and " + right(y));
    }
  }
  for (std::size_t i = outputs; i-- > 0;) {
    stack_.push_back({l_.a.outputs()[i],
                      r_.a.outputs()[i],
                      {},
                      {},
                      static_cast<std::uint32_t>(i),
                      "output",
                      false});
  }
}

std::string matcher::place_of(const pending& p) const {
  if (!p.left_user.valid()) return std::string(p.role) + " " + std::to_string(p.slot);
  return std::string(p.role) + " " + std::to_string(p.slot) + " of " + left(p.left_user) + " and " +
         right(p.right_user);
}

void matcher::match_tensor(const pending& p) {
  const int x = p.whole_op ? -1 : l_.a.cut(p.left), y = p.whole_op ? -1 : r_.a.cut(p.right);
  if (x >= 0 && y >= 0) {
    match_cut(p, x, y);
    return;
  }
  if (x >= 0 || y >= 0) {
    if (skip_extra(p)) return;
    const std::string text =
        x >= 0 ? left(p.left) + " is an input, " + right(p.right) + " is computed"
               : left(p.left) + " is computed, " + right(p.right) + " is an input";
    add(difference_kind::inputs, p.left.op, p.right.op, place_of(p) + ": " + text);
    return;
  }
  const std::uint32_t i = l_.a.place(p.left.op), j = r_.a.place(p.right.op);
  if (i == none || j == none) {  // both outside, as what an assign of a body refers to
    if (i != j)
      add(difference_kind::operands, p.left.op, p.right.op,
          place_of(p) + " is inside on one side only");
    return;
  }
  if (l_.partner[i] == j) {
    if (!p.whole_op && p.left.output != p.right.output) {
      add(difference_kind::operands, p.left.op, p.right.op,
          place_of(p) + ": output " + std::to_string(p.left.output) + " of " + left(p.left.op) +
              ", output " + std::to_string(p.right.output) + " of " + right(p.right.op));
    }
    return;
  }
  if (l_.partner[i] != none || r_.partner[j] != none) {
    std::string text = place_of(p) + ": ";
    if (l_.partner[i] != none) {
      text += left(p.left.op) + " stands for " + right(r_.a.op(l_.partner[i])) +
              " elsewhere and for " + right(p.right.op) + " here";
    } else {
      text += right(p.right.op) + " stands for " + left(l_.a.op(r_.partner[j])) +
              " elsewhere and for " + left(p.left.op) + " here";
    }
    add(difference_kind::tie, p.left.op, p.right.op, text);
    return;
  }
  const Graph &g = l_.a.graph(), &h = r_.a.graph();
  if (g.schema_of(p.left.op).name != h.schema_of(p.right.op).name && skip_extra(p)) {
    return;
  }
  l_.partner[i] = j;
  r_.partner[j] = i;
  result_.ops.emplace_back(p.left.op, p.right.op);
  match_op(p.left.op, p.right.op, p);
}

void matcher::match_cut(const pending& p, int left_cut, int right_cut) {
  const auto i = static_cast<std::uint32_t>(left_cut), j = static_cast<std::uint32_t>(right_cut);
  if (l_.cut_partner[i] == j && r_.cut_partner[j] == i) return;
  const bool kept = i >= l_.a.given() && j >= r_.a.given();
  if (kept && l_.cut_partner[i] == none && r_.cut_partner[j] == none) {
    l_.cut_partner[i] = j;
    r_.cut_partner[j] = i;
    const value_type t = l_.a.graph().type_of(p.left), u = r_.a.graph().type_of(p.right);
    if (!(t == u)) {
      add(difference_kind::type, p.left.op, p.right.op,
          left(p.left) + " is " + to_string(t) + ", " + right(p.right) + " is " + to_string(u));
    }
    match_given(p, l_.a.value(i), r_.a.value(j));
    return;
  }
  const auto what = [](const side& s, std::uint32_t cut) {
    return cut < s.a.given() ? "input " + std::to_string(cut) : std::string("a kept source");
  };
  add(difference_kind::inputs, p.left.op, p.right.op,
      place_of(p) + ": " + left(p.left) + " is " + what(l_, i) + ", " + right(p.right) + " is " +
          what(r_, j));
}

void matcher::match_given(const pending& p, const Array* left_value, const Array* right_value) {
  const bool both = left_value != nullptr && right_value != nullptr;
  if (both ? left_value->same_bits(*right_value) : left_value == right_value) return;
  const auto what = [](const Array* value) {
    if (value == nullptr) return std::string("a source without a value");
    return "given a value of " + to_string(value_type::of(value->type(), value->shape()));
  };
  const std::string a = what(left_value), b = what(right_value);
  add(difference_kind::inputs, p.left.op, p.right.op,
      place_of(p) + ": " + left(p.left) + " is " + a + ", " + right(p.right) + " is " + b +
          (a == b ? " of other elements" : ""));
}

bool matcher::looks_like(const side& s, tensor_id t, const side& other, tensor_id u) const {
  const int x = s.a.cut(t), y = other.a.cut(u);
  if (x >= 0 || y >= 0) {
    return x >= 0 && y >= 0 &&
           s.cut_partner[static_cast<std::size_t>(x)] == static_cast<std::uint32_t>(y);
  }
  const std::uint32_t i = s.a.place(t.op), j = other.a.place(u.op);
  if (i == none || j == none || t.output != u.output) return false;
  if (s.partner[i] != none || other.partner[j] != none) return s.partner[i] == j;
  return s.a.graph().schema_of(t.op).name == other.a.graph().schema_of(u.op).name;
}

// Where one side has an op more than the other, goes on behind it.
bool matcher::skip_extra(const pending& p) {
  if (stop_) return false;
  const auto behind = [&](const side& s, tensor_id t, const side& other, tensor_id u,
                          tensor_id& found) {
    if (s.a.cut(t) >= 0 || s.a.place(t.op) == none || s.partner[s.a.place(t.op)] != none)
      return false;
    for (const tensor_id operand : s.a.graph().operands(t.op)) {
      if (!looks_like(s, operand, other, u)) continue;
      found = operand;
      return true;
    }
    return false;
  };
  pending next = p;
  if (behind(r_, p.right, l_, p.left, next.right)) {
    add(difference_kind::added, {}, p.right.op,
        place_of(p) + ": the right has " + right(p.right.op) + " (" +
            std::string(r_.a.graph().schema_of(p.right.op).name) +
            ") between them, the left has not");
  } else if (behind(l_, p.left, r_, p.right, next.left)) {
    add(difference_kind::removed, p.left.op, {},
        place_of(p) + ": the left has " + left(p.left.op) + " (" +
            std::string(l_.a.graph().schema_of(p.left.op).name) +
            ") between them, the right has not");
  } else {
    return false;
  }
  stack_.push_back(next);
  return true;
}

void matcher::match_op(op_id left_op, op_id right_op, const pending& p) {
  const Graph &g = l_.a.graph(), &h = r_.a.graph();
  const std::string_view x = g.schema_of(left_op).name, y = h.schema_of(right_op).name;
  if (x != y) {
    add(difference_kind::op, left_op, right_op,
        left(left_op) + " is " + std::string(x) + ", " + right(right_op) + " is " + std::string(y));
    if (stopped()) return;
  } else {
    if (!p.whole_op && p.left.output != p.right.output) {
      add(difference_kind::operands, left_op, right_op,
          place_of(p) + ": output " + std::to_string(p.left.output) + " of " + left(left_op) +
              ", output " + std::to_string(p.right.output) + " of " + right(right_op));
    }
    match_attributes(left_op, right_op);
    match_types(left_op, right_op);
  }
  if (options_.names && g.path_of(left_op) != h.path_of(right_op)) {
    add(difference_kind::name, left_op, right_op,
        left(left_op) + " is named " + right(right_op) + " on the right");
  }
  push_needs(left_op, right_op);
}

void matcher::push_needs(op_id left_op, op_id right_op) {
  const Graph &g = l_.a.graph(), &h = r_.a.graph();
  const std::uint32_t m = g.operand_count(left_op), n = h.operand_count(right_op);
  if (m != n) {
    add(difference_kind::operands, left_op, right_op,
        left(left_op) + " takes " + std::to_string(m) + " operands, " + right(right_op) + " " +
            std::to_string(n));
  }
  const std::vector<op_id> before = l_.a.effects_before(left_op);
  const std::vector<op_id> other = r_.a.effects_before(right_op);
  for (std::size_t i = std::min(before.size(), other.size()); i-- > 0;) {
    stack_.push_back({{before[i], 0},
                      {other[i], 0},
                      left_op,
                      right_op,
                      static_cast<std::uint32_t>(i),
                      "check",
                      true});
  }
  for (std::uint32_t i = std::min(m, n); i-- > 0;) {
    stack_.push_back(
        {g.operand(left_op, i), h.operand(right_op, i), left_op, right_op, i, "operand", false});
  }
}

void matcher::match_types(op_id left_op, op_id right_op) {
  const Graph &g = l_.a.graph(), &h = r_.a.graph();
  const std::uint32_t m = g.output_count(left_op), n = h.output_count(right_op);
  if (m != n) {
    add(difference_kind::type, left_op, right_op,
        left(left_op) + " has " + std::to_string(m) + " outputs, " + right(right_op) + " " +
            std::to_string(n));
    return;
  }
  for (std::uint32_t i = 0; i < m; ++i) {
    const value_type t = g.type_of({left_op, i}), u = h.type_of({right_op, i});
    if (t == u) continue;
    add(difference_kind::type, left_op, right_op,
        left(tensor_id{left_op, i}) + " is " + to_string(t) + ", " + right(tensor_id{right_op, i}) +
            " is " + to_string(u));
  }
}

void matcher::match_attributes(op_id left_op, op_id right_op) {
  const Graph &g = l_.a.graph(), &h = r_.a.graph();
  const attribute_view x = g.attributes_of(left_op), y = h.attributes_of(right_op);
  const operator_schema& schema = g.schema_of(left_op);
  for (const attribute& a : x) {
    if (stopped()) return;
    const auto b = y.find(a.key);
    if (!b) {
      add(difference_kind::attribute, left_op, right_op,
          left(left_op) + " has the attribute '" + std::string(a.key) +
              "' = " + value_text(g, left_op, a) + ", " + right(right_op) + " has none");
    } else if (options_.streams || !is_stream_key(schema, a)) {
      match_attribute(left_op, right_op, a, *b);
    }
  }
  for (const attribute& b : y) {
    if (x.find(b.key)) continue;
    add(difference_kind::attribute, left_op, right_op,
        right(right_op) + " has the attribute '" + std::string(b.key) +
            "' = " + value_text(h, right_op, b) + ", " + left(left_op) + " has none");
  }
}

void matcher::match_attribute(op_id left_op, op_id right_op, const attribute& x,
                              const attribute& y) {
  const Graph &g = l_.a.graph(), &h = r_.a.graph();
  bool same = x.kind == y.kind;
  std::string note;
  if (same) {
    switch (x.kind) {
      case attribute_kind::real:
        same = std::bit_cast<std::uint64_t>(x.real) == std::bit_cast<std::uint64_t>(y.real);
        break;
      case attribute_kind::integers:
        same = x.integers == y.integers;
        break;
      case attribute_kind::string:
        same = x.string == y.string;
        break;
      case attribute_kind::constant:
        same = g.constant(x.integer).same_bits(h.constant(y.integer));
        note = " of other elements";
        break;
      case attribute_kind::variable:
        match_variables(left_op, right_op, outermost().l_.a.graph().data().variable(x.integer),
                        outermost().r_.a.graph().data().variable(y.integer));
        return;
      case attribute_kind::body:
        match_body(left_op, right_op, x, y);
        return;
      default:
        same = x.integer == y.integer;
        break;
    }
  }
  if (same) return;
  const std::string a = value_text(g, left_op, x), b = value_text(h, right_op, y);
  add(x.key == "key" ? difference_kind::stream : difference_kind::attribute, left_op, right_op,
      "attribute '" + std::string(x.key) + "' of " + left(left_op) + " is " + a + ", of " +
          right(right_op) + " " + (a == b ? b + note : b));
}

void matcher::match_body(op_id left_op, op_id right_op, const attribute& x, const attribute& y) {
  if (depth_ >= max_depth) {
    throw unsupported_error({"two graphs were compared",
                             "their bodies nest deeper than " + std::to_string(max_depth),
                             l_.a.graph().path_of(left_op), "compare the bodies themselves"});
  }
  const Graph &mine = l_.a.graph().body(x.integer), &theirs = r_.a.graph().body(y.integer);
  auto& same_bodies = outermost().same_bodies_;
  const auto known = same_bodies.find({&mine, &theirs});
  const std::string place =
      "the bodies '" + std::string(x.key) + "' of " + left(left_op) + " and " + right(right_op);
  if (known != same_bodies.end()) {
    if (known->second) return;
    add(difference_kind::body, left_op, right_op, place + " differ as they do elsewhere");
    return;
  }
  matcher inner{anchored(mine), anchored(theirs), options_, stop_};
  inner.outer_ = this;
  inner.depth_ = depth_ + 1;
  const correspondence found = inner.run();
  same_bodies.emplace(std::pair(&mine, &theirs), found.differences.empty());
  for (const difference& d : found.differences) {
    add(difference_kind::body, left_op, right_op, "in " + place + ": " + d.text);
  }
}

void matcher::check_controls() {
  for (const auto& [x, y] : result_.ops) {
    if (stopped()) return;
    const std::vector<op_id> before = l_.a.waits_for(x), other = r_.a.waits_for(y);
    if (before.empty() && other.empty()) continue;
    std::set<std::uint32_t> mapped, there;
    for (const op_id op : before) mapped.insert(l_.partner[l_.a.place(op)]);
    for (const op_id op : other) there.insert(r_.a.place(op));
    if (mapped == there) continue;
    std::string text = left(x) + " and " + right(y) + " wait for other ops";
    for (const op_id op : before) {
      if (there.count(l_.partner[l_.a.place(op)]) == 0) {
        text = left(x) + " waits for " + left(op) + ", " + right(y) + " for nothing alike";
        break;
      }
    }
    for (const op_id op : other) {
      if (mapped.count(r_.a.place(op)) == 0) {
        text = right(y) + " waits for " + right(op) + ", " + left(x) + " for nothing alike";
        break;
      }
    }
    add(difference_kind::control, x, y, text);
  }
}

void matcher::list_unmatched() {
  for (std::uint32_t i = 0; i < l_.partner.size(); ++i) {
    if (l_.partner[i] == none && l_.a.place(l_.a.op(i)) != none)
      result_.only_left.push_back(l_.a.op(i));
  }
  for (std::uint32_t i = 0; i < r_.partner.size(); ++i) {
    if (r_.partner[i] == none && r_.a.place(r_.a.op(i)) != none)
      result_.only_right.push_back(r_.a.op(i));
  }
  if (!result_.differences.empty()) return;
  if (!result_.only_left.empty()) {
    add(difference_kind::removed, result_.only_left[0], {},
        "the left has " + left(result_.only_left[0]) + ", the right nothing alike");
  }
  if (!result_.only_right.empty()) {
    add(difference_kind::added, {}, result_.only_right[0],
        "the right has " + right(result_.only_right[0]) + ", the left nothing alike");
  }
}

}  // namespace graft::detail
