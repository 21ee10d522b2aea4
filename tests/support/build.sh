# shellcheck shell=bash
# Shell functions shared by the scripts that build the project. Source it; it expects `set -e`.
#
#   GRAFT_SETUP_ARGS  more arguments for `meson setup`
#   GRAFT_JOBS        number of parallel compilations (default: ninja's own choice)
#   CXX               the compiler, read by Meson when a build folder is first configured

graft_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# configure BUILD_DIR [ARGUMENT...]: configures, or reconfigures so that new files are seen.
configure() {
  local dir=$1
  shift
  local again=()
  if [[ -f $dir/meson-private/coredata.dat ]]; then
    again=(--reconfigure)
  fi
  # shellcheck disable=SC2086  # GRAFT_SETUP_ARGS is a list of words
  meson setup "${again[@]}" "$dir" "$graft_root" "$@" ${GRAFT_SETUP_ARGS:-}
}

# compile BUILD_DIR [TARGET...]
compile() {
  local dir=$1
  shift
  ninja -C "$dir" ${GRAFT_JOBS:+-j "$GRAFT_JOBS"} "$@"
}

# report_results BUILD_DIR: prints "N passed, N failed" of the last test run in that folder.
report_results() {
  python3 "$graft_root/tests/support/count_results.py" "$1"
}
