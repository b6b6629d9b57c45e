"""Secrets come from files or the environment, so that no configuration, recording or log holds one."""

from __future__ import annotations

import os
from pathlib import Path

from dyadwatch.core.errors import ConfigError

_MOST_BYTES = 64 * 1024


def read_secret(at: str, what: str, file: str, env: str) -> str:
    """The secret that a file holds or a variable of the environment; empty where neither is named.

    Arguments:
        at: of the target, such as `delivery.to.phone`.
        what: the secret, such as `password`; keys are `password_file` and `password_env`.
        file, env: as they are configured.

    Raises:
        ConfigError: naming the key, its value and what was expected.
    """
    if file:
        try:
            with Path(file).open("rb") as stream:
                text = stream.read(_MOST_BYTES).decode().strip()
        except (OSError, UnicodeDecodeError) as e:
            why = e.strerror if isinstance(e, OSError) else "it is not UTF-8 text"
            raise ConfigError(
                f"{at}.{what}_file is {file}, which cannot be read ({why}); expected a text file that holds the {what}"
            ) from None
        if not text:
            raise ConfigError(f"{at}.{what}_file is {file}, which is empty; expected a file that holds the {what}")
        return text
    if env:
        text = os.environ.get(env, "").strip()
        if not text:
            raise ConfigError(
                f"{at}.{what}_env is {env}, which is not set; expected a variable of the environment that holds the "
                f"{what}"
            )
        return text
    return ""
