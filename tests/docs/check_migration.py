#!/usr/bin/env python3
"""Holds the page on migration to the names of what people migrate from.

    check_migration.py SOURCE_ROOT

Each public function of TensorFlow's graph_editor and each call of the other tools must be named in a
block of C++ on docs/how-to/migrate.md, beside the code that does the same.
"""
import pathlib
import re
import sys

GRAPH_EDITOR = """
filter_ts filter_ops filter_ts_from_regex filter_ops_from_regex get_name_scope_ops check_cios get_ops_ios
compute_boundary_ts get_within_boundary_ops get_forward_walk_ops get_backward_walk_ops
get_walks_intersection_ops get_walks_union_ops select_ops select_ts select_ops_and_ts
SubGraphView make_view sgv make_view_from_scope sgv_scope connected_inputs connected_outputs passthroughs
is_passthrough remap remap_inputs remap_outputs remap_default remap_outputs_make_unique
remap_outputs_to_consumers remove_unused_ops find_op_by_name input_index output_index consumers
Transformer transform_op_handler copy_op_handler transform_op_if_inside_handler assign_renamed_collections_handler
transform_external_input_handler transform_external_hidden_input_handler transform_original_op_handler
transform_control_input_handler copy_shape nodedef_fn dst_scope src_scope reuse_dst_scope missing_fn
keep_t_if_possible_handler copy copy_with_input_replacements graph_replace transformed original
swap_ts reroute_ts swap_inputs swap_outputs swap_ios reroute_inputs reroute_outputs reroute_ios
add_control_inputs remove_control_inputs detach_control_inputs detach_control_outputs detach_inputs
detach_outputs detach connect bypass make_list_of_op make_list_of_t get_tensors get_generating_ops
get_consuming_ops ControlOutputs placeholder_name make_placeholder_from_tensor
make_placeholder_from_dtype_and_shape ph check_graphs get_unique_graph transform_tree flatten_tree
find_corresponding can_modify cannot_modify positive_filter within_ops within_ops_fn stop_at_ts disconnect_first OpMatcher input_ops control_input_ops output_ops op_type
""".split()
OTHERS = "clone_model deepcopy functional_call CloneMethod.clone CloneMethod.share CloneMethod.freeze extract_model".split()


def missing(page):
    """The names that no comment in the page's C++ has as a whole word."""
    blocks = re.findall(r"```cpp\n(.*?)```", page, re.S)
    comments = "\n".join(line.split("//", 1)[1] for block in blocks for line in block.splitlines() if "//" in line)
    return [name for name in GRAPH_EDITOR + OTHERS
            if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", comments.replace("copy.deepcopy", "deepcopy"))]


if __name__ == "__main__":
    page = pathlib.Path(sys.argv[1], "docs", "how-to", "migrate.md").read_text(encoding="utf-8")
    names = missing(page)
    for name in names:
        print(f"docs/how-to/migrate.md: no code stands beside the name '{name}'.")
    if not missing(""):
        sys.exit("check_migration.py: an empty page is not found wanting.")
    sys.exit(1 if names else 0)
