#!/usr/bin/env python3
"""A processor that reads images: each run writes the text of every new image in scans/ to a file beside it.

OCR_COMMAND prints the text of an image, whose path is put in place of {}. An image that cannot be read gets a file
`NAME.error` instead, so that one bad scan does not hold up the others.
"""
import os
import pathlib
import shlex
import subprocess
import sys

SCANS = pathlib.Path("scans")
IMAGES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".pgm"}


def read(command, image):
    words = [str(image) if word == "{}" else word for word in command]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    if done.returncode:
        image.with_suffix(".error").write_text(done.stderr)
        return False
    # Written elsewhere first: a run that is ended in between leaves no half of a text.
    part = image.with_suffix(".part")
    part.write_text(done.stdout)
    part.rename(image.with_suffix(".txt"))
    return True


def main():
    command = shlex.split(os.environ.get("OCR_COMMAND") or "tesseract {} stdout")
    is_done = lambda image: image.with_suffix(".txt").exists() or image.with_suffix(".error").exists()
    images = [path for path in sorted(SCANS.glob("*")) if path.suffix in IMAGES and not is_done(path)]
    if not images:
        print("no work: no new image in scans/")
        return 0
    try:
        read_well = sum(read(command, image) for image in images)
    except FileNotFoundError:
        print(f"`{command[0]}` is not installed; set OCR_COMMAND", file=sys.stderr)
        return 1
    print(f"read {read_well} of {len(images)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
