"""The large working set: where its files are, and that they are in every cache before anything is measured."""

import os

from plan import FILES, FILE_SIZE, FOLDERS


def path_of(number):
    """As in wrk.lua: files with numbers that are near lie in different folders."""
    return f"{number % FOLDERS:03}/{number:05}"


def missing_path(number):
    return f"{number % FOLDERS:03}/missing-{number:06}"


def make_files(site):
    """Each of other bytes."""
    for number in range(FOLDERS):
        (site / f"{number:03}").mkdir(parents=True)
    for number in range(FILES):
        with open(site / path_of(number), "wb", buffering=0) as file:
            file.write(os.urandom(FILE_SIZE))
