#!/usr/bin/env python3
"""Uses Graft the way a user's project does, and runs small programs against it: one that includes a
single small header, and one that includes graft/graft.hpp and nothing else of Graft.

    check_consumer.py (pkg-config|cmake|subproject) SOURCE_ROOT BUILD_ROOT VERSION -- COMPILER...

pkg-config and cmake install the build into a temporary prefix first. subproject configures a project
that has Graft under subprojects/, and compiles and links by what that says; the library itself is
taken from BUILD_ROOT, because compiling it a second time would prove nothing more.
"""
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile


def run(command, **options):
    print("$", shlex.join(map(str, command)), flush=True)
    return subprocess.run(command, check=True, text=True, **options)


def output_of(command, **options):
    return run(command, stdout=subprocess.PIPE, **options).stdout


# The programs of tests/integration/consumer, and what each must say.
PROGRAMS = {"consumer": "graft {version}", "whole": "the copy agrees"}
# An installed header is nobody's system header: strict users see its warnings.
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror"]


def install(build, destination):
    run(["meson", "install", "-C", build, "--destdir", destination, "--no-rebuild", "--quiet"])
    options = json.loads(output_of(["meson", "introspect", build, "--buildoptions"]))
    values = {option["name"]: option["value"] for option in options}
    prefix = pathlib.Path(str(destination) + values["prefix"])
    return prefix, prefix / values["libdir"]


def by_pkg_config(work, source, build, compiler):
    destination = work / "root"
    _, libdir = install(build, destination)
    found = {"PKG_CONFIG_SYSROOT_DIR": str(destination)}
    if (libdir / "libgraft.so").exists():
        # Only our own file, as on a machine that has none of the library's private dependencies.
        found["PKG_CONFIG_LIBDIR"] = str(libdir / "pkgconfig")
    else:
        found["PKG_CONFIG_PATH"] = str(libdir / "pkgconfig")
    flags = output_of(["pkg-config", "--cflags", "--libs", "graft"], env={**os.environ, **found}).split()
    for name in PROGRAMS:
        run([*compiler, "-std=c++20", *STRICT, source / f"{name}.cpp", "-o", work / name, *flags,
             f"-Wl,-rpath,{libdir}"])
    return work


def by_cmake(work, source, build, compiler):
    prefix, libdir = install(build, work / "root")
    options = [f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_CXX_COMPILER={compiler[-1]}",
               f"-DCMAKE_BUILD_RPATH={libdir}"]
    if libdir.name == "lib64":
        # Meson's guess on a Debian without dpkg-dev; CMake there does not look into lib64.
        options.append(f"-Dgraft_DIR={libdir / 'cmake' / 'graft'}")
    run(["cmake", "-G", "Ninja", "-S", source, "-B", work / "build", *options])
    run(["cmake", "--build", work / "build"])
    return work / "build"


def by_subproject(work, source, build, compiler):
    project = work / "project"
    shutil.copytree(source, project)
    (project / "subprojects").mkdir()
    (project / "subprojects" / "graft").symlink_to(source.parents[2])
    setup = work / "build"
    run(["meson", "setup", setup, project], env={**os.environ, "CXX": shlex.join(compiler)})

    # Meson must have taken the subproject, without its tests and examples.
    targets = json.loads(output_of(["meson", "introspect", setup, "--targets"]))
    programs = [target["name"] for target in targets if target["type"] == "executable"]
    unwanted = [name for name in programs if name not in (*PROGRAMS, "graft")]
    if unwanted:
        sys.exit(f"As a subproject Graft also builds {', '.join(unwanted)}.")

    objects = {name: f"{name}.p/{name}.cpp.o" for name in PROGRAMS}
    run(["ninja", "-C", setup, *objects.values()])
    library = build / "src" / "libgraft.so"
    if not library.exists():
        library = library.with_suffix(".a")
    private = ["-lfmt", "-ltbb", "-pthread"] if library.suffix == ".a" else []
    for name, compiled in objects.items():
        run([*compiler, setup / compiled, "-o", work / name, library, *private,
             f"-Wl,-rpath,{library.parent}"])
    return work


WAYS = {"pkg-config": by_pkg_config, "cmake": by_cmake, "subproject": by_subproject}


def main(arguments):
    split = arguments.index("--")
    way, source_root, build, version = arguments[:split]
    consumer = pathlib.Path(source_root) / "tests" / "integration" / "consumer"
    with tempfile.TemporaryDirectory(prefix="graft-consumer-") as work:
        folder = WAYS[way](pathlib.Path(work), consumer, pathlib.Path(build), arguments[split + 1:])
        for name, expected in PROGRAMS.items():
            said = output_of([folder / name]).strip()
            print(said)
            if said != expected.format(version=version):
                sys.exit(f"The program {name} says '{said}' and should say "
                         f"'{expected.format(version=version)}'.")


if __name__ == "__main__":
    main(sys.argv[1:])
