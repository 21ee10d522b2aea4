// The code of the page on files of values.
#include <cstdio>

#include <graft/graft.hpp>

#include "check.hpp"

using namespace graft;

int main() {
  Graph g;
  auto x = placeholder<float, shape<dim<"batch">, 4>>(g, "x");
  auto y = dense<3, "head">(relu(dense<8, "body">(x)));
  Session session(g, {.seed = 1});
  session.initialize();
  const Array some = Array::full<float>({2, 4}, 0.5f);
  const Array before = session.run(y, feed(x, some));

  //! [save]
  save_variables(g, "network.safetensors");
  //! [save]
  {
    //! [load]
    Graph other;
    auto x2 = placeholder<float, shape<dim<"batch">, 4>>(other, "x");
    auto y2 = dense<3, "head">(relu(dense<8, "body">(x2)));
    load_variables(other, "network.safetensors");
    //! [load]
    Session again(other);
    check(before.same_bits(again.run(y2, feed(x2, some))), "the values came back");
  }
  //! [clone]
  Clone copy = clone(extract(inputs(x), outputs(y)), into("copy"), variables::fresh);
  load_variables(g, "network.safetensors", {.variables = copy.variables(), .rename = {"copy", ""}});
  //! [clone]
  check(before.same_bits(session.run(copy(y), feed(copy(x), some))),
        "the clone has the saved values");
  {
    Graph part;
    auto x3 = placeholder<float, shape<dim<"batch">, 4>>(part, "x");
    auto features = relu(dense<8, "body">(x3));
    auto other_head = dense<5, "other">(features);
    check_refused([&] { load_variables(part, "network.safetensors"); }, "other/kernel");
    //! [some]
    load_report report = load_variables(part, "network.safetensors", {.strict = false});
    std::puts(to_string(report).c_str());  // what was loaded, what is missing, what had no place
    //! [some]
    check(report.loaded.size() == 2 && report.missing.size() == 2 && report.unexpected.size() == 2,
          "the body was loaded and the heads differ");
    check(trainable_variables(other_head).size() == 4, "the new head is there");
  }
  std::remove("network.safetensors");
}
