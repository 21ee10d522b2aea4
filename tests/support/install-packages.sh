#!/usr/bin/env bash
# Installs the Debian packages of the named sets, unless all of them are there already.
#
#   install-packages.sh build [bench] [clang] [examples]
#
# Works as root, or through sudo; asks for neither when nothing is missing.
set -euo pipefail

packages_of() {
  case $1 in
    build)
      echo g++ meson ninja-build pkg-config python3 cmake libxsimd-dev catch2 libtbb-dev \
        librandom123-dev libfmt-dev nlohmann-json3-dev libeigen3-dev
      # Debian's two Boost versions exclude each other: take the newer one only where there is none.
      if ! [[ -e /usr/include/boost/hana.hpp && -e /usr/include/boost/graph/graph_concepts.hpp ]]; then
        echo libboost1.81-dev
      fi
      ;;
    bench) echo libopenblas-dev libeigen3-dev python3-networkx ;;
    clang) echo clang-19 clang-format-19 libclang-rt-19-dev llvm-19 ;;
    examples) ;;
    *)
      echo "install-packages.sh: there is no package set named '$1'" >&2
      return 1
      ;;
  esac
}

is_installed() {
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || true) == installed ]]
}

wanted=""
for set_name in "$@"; do
  wanted+=" $(packages_of "$set_name")"
done

missing=()
for package in $wanted; do
  is_installed "$package" || missing+=("$package")
done
((${#missing[@]} > 0)) || exit 0

as_root=()
if ((EUID != 0)); then
  as_root=(sudo)
fi
echo "Installing: ${missing[*]}" >&2
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q >&2
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -q -y --no-install-recommends "${missing[@]}" >&2
