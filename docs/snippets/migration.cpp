// The code of the page for those who come from elsewhere, and that it does what the page says.
#include <cstdio>
#include <string_view>

#include <graft/graft.hpp>

#include "check.hpp"

using namespace graft;

namespace {

const Array ones = Array::full<float>({2, 4}, 1.0f);

void choosing() {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  auto y = dense<2, "head">(relu(dense<8, "trunk">(x)));
  //! [choose]
  auto products = find_ops(g, of_operator("matmul"));
  auto trunk = find_ops(g, within_scope("trunk"));  // "trunk2" is another scope
  auto biases = find_ops(g, matching("bias$"));     // any regular expression
  auto ahead = forward_walk(g, x);                  // what depends on x
  auto behind = backward_walk(g, y, {.stop_at = {g.id(x)}});
  auto both = walk_intersection(g, x, y);      // what lies on a path
  op_boundary border = boundary_of(g, trunk);  // tensors that go in, out, and stay
  //! [choose]
  check(products.size() == 2 && !biases.empty(), "filters find ops by operator and by name");
  check(both.size() == 5 && ahead.size() == 5, "what depends on x lies on a path to y");
  check(behind.size() > both.size(), "the way back meets weights, too");
  check(!border.outputs.empty(), "the trunk gives to the rest");
}

void views() {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  auto h = relu(x);
  auto y = tanh(h);
  //! [view]
  Region region = extract(inputs(x), outputs(h, y));  // by its border
  Region same =
      region_of(g, find_ops(g, of_operator("relu") || of_operator("tanh")));  // by its ops
  Region swapped = region.with_outputs({1, 0});                               // remap_outputs
  Region twice = region.with_outputs({0, 0});
  //! [view]
  check(same.inputs() == region.inputs(), "the ops tell the inputs");
  check(swapped.outputs()[0] == region.outputs()[1], "outputs change places");
  check(twice.outputs()[0] == twice.outputs()[1], "an output may come twice");
}

void copies() {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  auto x2 = placeholder<float, shape<dyn, 4>>(g, "x2");
  auto h = dense<4, "layer">(x);
  auto y = relu(h);
  Session session(g);
  session.initialize();
  //! [copy]
  Region region = extract(inputs(x), outputs(y));
  Clone same_weights = clone(region, bind(x, x2), variables::shared);  // the same weights
  Clone own_weights = clone(region, bind(x, x2), variables::fresh);    // weights of its own
  auto y2 = own_weights(y);                                            // info.transformed(y)
  auto back = own_weights.original(y2);                                // info.original(y2)
  session.run(own_weights.initializer());
  auto z = substitute(y, bind(h, x2));  // graph_replace(y, {h: x2}): only the relu is copied
  //! [copy]
  check(back.ref().id == y.ref().id, "the map leads back");
  check(own_weights.variables().size() == 2 && same_weights.variables().empty(),
        "fresh makes variables, shared does not");
  const Array direct = session.run(z, feed(x2, ones));
  check(direct.at<float>({0, 0}) == 1, "the replacement is taken");
}

void handlers() {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  auto y = relu(x) + 1.0f;
  //! [handler]
  Clone softer = clone(extract(inputs(x), outputs(y)), bind(x, x),
                       each_op([](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
                         if (std::string_view(op.schema->name) != "relu")
                           return std::nullopt;  // copied as it is
                         return std::vector<any_tensor>{softplus(op.operands[0])};
                       }));
  //! [handler]
  Session session(g);
  const Array found = session.run(softer(y), feed(x, ones));
  check(found.at<float>({0, 0}) > 2.3f && found.at<float>({0, 0}) < 2.32f, "1 + log(1 + e)");
}

void rewiring() {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  auto a = relu(x);
  auto b = tanh(x);
  auto y = a * 2.0f;
  auto z = b * 3.0f;
  const auto value = [&](const auto& t) {
    Session session(g);
    return session.run(t, feed(x, ones)).template at<float>({0, 0});
  };
  const float y_before = value(y), z_before = value(z);
  //! [rewire]
  swap_uses(a, b);  // swap_ts: y takes b, z takes a
  swap_uses(a, b);  // and back
  reroute(b, a);    // reroute_ts: what took b takes a
  insert_after(a, [](auto t) { return t + 1.0f; });
  bypass(g, g.id(a).op);  // what took the relu takes x
  //! [rewire]
  check(y_before == 2 && z_before < 3, "before");
  check(value(y) == 4 && value(z) == 6, "both take x + 1");
}

void matches() {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  auto y = dense<2>(relu(dense<8>(x)));
  //! [match]
  using namespace patterns;
  auto found =
      find_matches(g, op(ops::add, op(ops::matmul, any("in"), patterns::variable("kernel")),
                         patterns::variable("bias")));
  //! [match]
  check(found.size() == 2, "both layers are found");
}

void keras_and_torch() {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  auto x2 = placeholder<float, shape<dyn, 4>>(g, "x2");
  auto y = dense<2, "head">(relu(dense<8, "trunk">(x)));
  Session session(g);
  session.initialize();
  Region model = extract(inputs(x), outputs(y));
  {
    //! [keras]
    Clone anew = clone(model, variables::fresh);               // clone_model(model)
    Clone onto = clone(model, bind(x, x2), variables::fresh);  // ..., input_tensors=x2
    Clone equal =
        clone(model, bind(x, x2), variables::copied);  // ... and set_weights(get_weights())
    session.run(onto.initializer());
    copy_values(onto);  // onto.set_weights(model.get_weights())
    //! [keras]
    const Array wanted = session.run(y, feed(x, ones));
    check(session.run(equal(y), feed(x2, ones)).same_bits(wanted),
          "copied values compute the same");
    check(session.run(onto(y), feed(x2, ones)).same_bits(wanted), "and so do those copied later");
    check(anew.inputs().size() == 1, "an input that is not bound is a placeholder");
  }
  {
    auto loss = mean(square(y));
    //! [torch]
    Clone deep = clone(model, bind(x, x2), variables::copied);  // copy.deepcopy(model)

    // functional_call(model, {name: w - 0.1 * grad}, x2)
    std::vector<any_tensor> weights, stepped;
    for (variable_id v : trainable_variables(y)) weights.push_back(g.handle(g.variable_of(v).read));
    auto slopes = gradients(loss, weights);
    for (std::size_t i = 0; i < weights.size(); ++i)
      stepped.push_back(weights[i] - slopes[i] * 0.1f);
    Clone called = clone(model, bind(x, x2), variables::expr(weights, stepped));
    //! [torch]
    check(deep.variables().size() == 4, "a deep copy has variables of its own");
    check(called.variables().empty(), "a functional call has none");
    const Array before = session.run(y, feed(x, ones));
    const Array after = session.run(called(y), feed(x, ones), feed(x2, ones));
    check(!before.same_bits(after), "the step is taken");
    check(session.run(y, feed(x, ones)).same_bits(before), "and the model is as it was");
  }
}

void cntk_and_onnx() {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  auto x2 = placeholder<float, shape<dyn, 4>>(g, "x2");
  auto h = relu(dense<8, "trunk">(x));
  auto y = dense<2, "head">(h);
  Session session(g);
  session.initialize();
  {
    Region model = extract(inputs(x), outputs(y));
    //! [cntk]
    clone(model, bind(x, x2), variables::copied);  // clone(CloneMethod.clone, {x: x2})
    clone(model, bind(x, x2), variables::shared);  // CloneMethod.share
    clone(model, bind(x, x2), variables::frozen);  // CloneMethod.freeze
    //! [cntk]
  }
  //! [onnx]
  // extract_model("in.onnx", "trunk.graft", ["x"], ["h"])
  save_region("trunk.graft", extract(inputs(x), outputs(h)));
  Graph other;
  loaded_region trunk = load_region(other, "trunk.graft");
  //! [onnx]
  std::remove("trunk.graft");
  Session reader(other);
  check(reader.run(trunk.outputs[0], feed(trunk.inputs[0], ones))
            .same_bits(session.run(h, feed(x, ones))),
        "what was saved computes the same");
}

}  // namespace

int main() {
  choosing();
  views();
  copies();
  handlers();
  rewiring();
  matches();
  keras_and_torch();
  cntk_and_onnx();
}
