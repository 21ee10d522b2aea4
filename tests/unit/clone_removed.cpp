// Clones of which a part was removed later: what works on values leaves out what is gone.
#include "graft/graft.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

namespace {

using vec4 = tensor<Graph, dtype::float32, shape<4>>;

Array row_of(float value) { return Array::full<float>({4}, value); }

template <class T>
op_id copy_of(const Clone& copy, const T& t) {
  return copy(op_of(t));
}

// Two heads on one input, of a variable each; each head can be removed whole.
struct heads {
  Graph g;
  row4 x = input4(g);
  vec4 a = make_variable<float, shape<4>>(g, "a", ones());
  vec4 b = make_variable<float, shape<4>>(g, "b", zeros());
  row4 first = x * a, second = x + b;
  variable_id va = *g.variable_read_by(id_of(a)), vb = *g.variable_read_by(id_of(b));

  heads() {
    g.store().set(va, row_of(1));
    g.store().set(vb, row_of(2));
  }
  [[nodiscard]] Region region() const { return extract(inputs(x), outputs(first, second)); }
  // Removes a head and its variable, of the source or of a clone in the same graph.
  static void remove(Graph& g, op_id head, variable_id v) {
    const variable_info info = g.variable_of(v);
    g.erase_ops(std::vector{head, info.read.op, info.initial.op});
  }
};

}  // namespace

TEST_CASE("values of a clone's variables that are left move with those of its source",
          "[clone][values]") {
  for (const bool of_clone : {true, false}) {
    heads h;
    const Clone copy = clone(h.region(), bind(h.x, h.x), variables::copied);
    const variable_id left = copy(h.vb);
    h.g.store().set(left, row_of(8));
    const std::int64_t bytes = copy.bytes_owned() + copy.bytes_shared();
    if (of_clone) {
      heads::remove(h.g, copy(op_of(h.first)), copy(h.va));
      CHECK(copy.bytes_owned() + copy.bytes_shared() == bytes / 2);
    } else {
      heads::remove(h.g, op_of(h.first), h.va);
      CHECK(copy.bytes_owned() + copy.bytes_shared() == bytes);
    }
    h.g.validate();
    swap_values(copy);
    CHECK(h.g.store().get(h.vb).same_bits(row_of(8)));
    CHECK(h.g.store().get(left).same_bits(row_of(2)));
    copy_values(copy);
    CHECK(h.g.store().get(left).same_bits(row_of(8)));
    Session session(h.g);
    h.g.store().set(h.vb, row_of(4));
    const update_group follow = soft_update(copy, {.tau = 0.5});
    CHECK(follow.assigns().size() == 1);
    session.run(follow);
    CHECK(h.g.store().get(left).same_bits(row_of(6)));
    CHECK(copy.leak_audit().empty());
    CHECK(mentions(to_string(copy), "removed"));
    CHECK_THROWS_AS(copy.check(), graph_error);
  }
}

TEST_CASE("nothing is left to move where all variables of a clone are gone", "[clone][values]") {
  heads h;
  const Clone copy = clone(h.region(), bind(h.x, h.x), variables::copied);
  heads::remove(h.g, copy(op_of(h.first)), copy(h.va));
  heads::remove(h.g, copy(op_of(h.second)), copy(h.vb));
  const auto before = h.g.digest();
  copy_values(copy);
  swap_values(copy);
  CHECK_THROWS_AS(soft_update(copy), argument_error);
  CHECK(copy.bytes_owned() == 0);
  CHECK(copy.bytes_shared() == 0);
  CHECK(mentions(to_string(copy), "clone of 0 ops in a scope that was removed"));
  CHECK(mentions(message_of<argument_error>([&] { (void)unfreeze(copy); }), "is frozen"));
  CHECK(h.g.digest() == before);
}

TEST_CASE("bytes of shared variables and frozen constants that are left", "[clone][values]") {
  heads h;
  for (const variable_policy policy : {variables::shared, variables::frozen}) {
    Graph other;
    const Clone copy = clone(h.region(), into(other), policy);
    const std::int64_t all = copy.bytes_shared();
    CHECK(all == 2 * 16);
    const op_id read = copy(op_of(h.a));
    std::vector<op_id> gone{copy(op_of(h.first)), read};
    if (policy == variables::shared) gone.push_back(other.variable_of(copy(h.va)).initial.op);
    other.erase_ops(gone);
    other.validate();
    CHECK(copy.bytes_shared() == all / 2);
    CHECK(copy.bytes_owned() == 0);
    CHECK(copy.leak_audit().size() == (policy == variables::shared ? 1 : 0));
    CHECK(mentions(to_string(copy), "removed"));
  }
}

TEST_CASE("bytes and new values need no source", "[clone][values]") {
  auto h = std::make_unique<heads>();
  Graph other;
  const Clone copy = clone(h->region(), into(other), variables::copied);
  const Clone frozen = clone(h->region(), into(other, "frozen"), variables::frozen);
  const std::vector<variable_id> variables = copy.variables();
  for (const variable_id v : variables) other.store().set(v, row_of(3));
  h.reset();
  CHECK(copy.bytes_owned() == 2 * 16);
  CHECK(frozen.bytes_owned() == 2 * 16);
  reset_slots(copy);
  CHECK(other.store().initialized(variables[0]));
  reinitialize(copy);
  CHECK_FALSE(other.store().initialized(variables[0]));
  CHECK_THROWS_AS(copy_values(copy), handle_error);
}

TEST_CASE("ties that are left can be swapped", "[clone][values][ties]") {
  Graph g;
  const auto x = input4(g);
  const auto w = make_variable<float, shape<4>>(g, "w", ones());
  const auto a = x * w, b = x + w;
  const variable_id v = *g.variable_read_by(id_of(w));
  g.store().set(v, row_of(1));
  const Clone copy =
      clone(extract(inputs(x), outputs(a, b)), bind(x, x), ties::split, variables::copied);
  const std::vector<variable_id> images = copy.images(v);
  REQUIRE(images.size() == 2);
  for (const variable_id image : images) g.store().set(image, row_of(5));
  CHECK_THROWS_AS(swap_values(copy), argument_error);
  heads::remove(g, copy(op_of(b)), images[1]);
  swap_values(copy);
  CHECK(g.store().get(v).same_bits(row_of(5)));
  CHECK(g.store().get(images[0]).same_bits(row_of(1)));
  copy_values(copy);
  CHECK(g.store().get(images[0]).same_bits(row_of(5)));
}

TEST_CASE("a clone whose constants were removed cannot be unfrozen, and says why",
          "[clone][values]") {
  heads h;
  const Clone frozen = clone(h.region(), bind(h.x, h.x), variables::frozen);
  h.g.erase_ops(std::vector{copy_of(frozen, h.first), copy_of(frozen, h.a)});
  const auto before = h.g.digest();
  const std::string text = message_of<graph_error>([&] { (void)unfreeze(frozen); });
  INFO(text);
  CHECK(mentions(text, "'a' was removed"));
  CHECK(h.g.digest() == before);
}

TEST_CASE("a clone whose inputs were bound to what is gone is unfrozen on new ones",
          "[clone][values]") {
  heads h;
  const auto z = input4(h.g, "z");
  const Clone frozen =
      clone(extract(inputs(h.x), outputs(h.first)), bind(h.x, z), variables::frozen);
  h.g.erase_ops(std::vector{copy_of(frozen, h.first), op_of(z)});
  const auto before = h.g.digest();
  const std::string text = message_of<graph_error>([&] { (void)unfreeze(frozen); });
  INFO(text);
  CHECK(mentions(text, "input 'x'"));
  CHECK(mentions(text, "bind"));
  CHECK(h.g.digest() == before);
  const Clone warm = unfreeze(frozen, bind(h.x, h.x));
  CHECK(h.g.store().get(warm(h.va)).same_bits(row_of(1)));
}

TEST_CASE("members of an ensemble need the variables of all clones", "[clone][ensemble][values]") {
  heads h;
  const Ensemble both = ensemble(h.region(), 2, bind(h.x, h.x), variables::copied);
  const auto clones = replicate(h.region(), 2, bind(h.x, h.x), variables::copied);
  heads::remove(h.g, clones[1](op_of(h.first)), clones[1](h.va));
  for (const bool gather : {true, false}) {
    const std::string text = message_of<argument_error>([&] {
      if (gather) {
        both.gather_to(clones);
      } else {
        both.scatter_from(clones);
      }
    });
    INFO(text);
    CHECK(mentions(text, "clone 1 has no variable of its own"));
  }
}
