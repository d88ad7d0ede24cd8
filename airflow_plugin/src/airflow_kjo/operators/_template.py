"""Read the file that a parameter names, as Airflow finds its template files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def read_template(path: str, env: Environment) -> str:
    """Return the text of a file that is absolute, or relative to the DAG's template folders.

    :raises FileNotFoundError: names the folders that were searched.
    :raises OSError: it cannot be read, or is not UTF-8.
    """
    if Path(path).is_absolute():
        # Jinja's loader would look for it below the DAG's folder.
        return _text(Path(path))
    from jinja2 import TemplateNotFound

    if env.loader is None:
        raise FileNotFoundError(f"{path}: a relative path is one of a DAG, and the task has none")
    try:
        return env.loader.get_source(env, path)[0]
    except UnicodeDecodeError as error:
        raise OSError(f"{path} is not UTF-8 text: {error}") from error
    except TemplateNotFound as error:
        folders = getattr(env.loader, "searchpath", ())
        for folder in folders:
            # Jinja's loader never goes up.
            if ".." in Path(path).parts and (file := Path(folder, path)).is_file():
                return _text(file)
        searched = ", ".join(folders)
        raise FileNotFoundError(f"{path}: no such file in {searched}") from error


def read_file(path: str, env: Environment) -> str:
    """Return the text of a file as :func:`read_template` does, or else of one in this folder.

    KubernetesPodOperator takes a relative path to be relative to the worker's working folder.

    :raises FileNotFoundError: names the folders that were searched.
    """
    try:
        return read_template(path, env)
    except FileNotFoundError as error:
        here = Path(path)
        if here.is_file():
            return _text(here)
        raise FileNotFoundError(f"{error}; nor in {Path.cwd()}") from error


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise OSError(f"{file} is not UTF-8 text: {error}") from error
    except OSError as error:
        # Without the number, which nobody knows.
        raise type(error)(f"{file}: {error.strerror or error}") from error
