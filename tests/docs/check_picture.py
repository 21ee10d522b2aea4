#!/usr/bin/env python3
"""Holds a picture on the pages to what the main example draws.

    check_picture.py PROGRAM PICTURE

Runs the program in a folder of its own and compares its network.svg with the picture, which
GRAFT_UPDATE_GOLDEN=1 in the environment writes anew.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

program, picture = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
with tempfile.TemporaryDirectory() as folder:
    subprocess.run([str(program)], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    drawn = (pathlib.Path(folder) / "network.svg").read_text(encoding="utf-8")
    if os.environ.get("GRAFT_UPDATE_GOLDEN") == "1":
        picture.write_text(drawn, encoding="utf-8")
if not picture.is_file() or picture.read_text(encoding="utf-8") != drawn:
    print(f"{picture.name} is not what the example draws; GRAFT_UPDATE_GOLDEN=1 writes it anew.")
    sys.exit(1)
