"""Finds the route of a request."""

import re
from collections.abc import Iterable
from http import HTTPStatus

from scorer.rest.exchange import Route
from scorer.rest.messages import Refused

_REMEMBERED = 1_000  # paths; clients of one model use a few

Match = tuple[Route, dict[str, str]]  # the names in the path with their values


class Routes:
    """All routes of the server.

    Args:
        routes: the routes; of two for the same method and path, the first one counts.
        model: the name of the only model that there is.
    """

    def __init__(self, routes: Iterable[Route], model: str) -> None:
        self.all, self._model = tuple(routes), model
        self._patterns = [(_pattern(route.path), route) for route in self.all]
        self._known: dict[tuple[str, str], Match] = {}

    def find(self, method: str, path: str) -> Match:
        """Return the route of a request.

        Raises:
            Refused: there is none; 404, or 405 where another method has one.
        """
        method = "GET" if method == "HEAD" else method
        known = self._known.get((method, path))
        if known is None:
            known = self._search(method, path)
            if len(self._known) < _REMEMBERED:
                self._known[method, path] = known
        return known

    def _search(self, method: str, path: str) -> Match:
        methods = list[str]()
        for pattern, route in self._patterns:
            if (found := pattern.fullmatch(path)) is None:
                continue
            names = found.groupdict()
            if names.get("model", self._model) != self._model:
                continue
            if route.method == method:
                return route, names
            methods.append(route.method)
        if methods:
            allowed = ", ".join(sorted(set(methods)))
            raise Refused(
                HTTPStatus.METHOD_NOT_ALLOWED, f"{path} takes {allowed}, not {method}", headers=(("Allow", allowed),)
            )
        advice = f"the model is '{self._model}'; GET / names every endpoint"
        raise Refused(HTTPStatus.NOT_FOUND, f"nothing is at {path[:200]}: {advice}")


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)
    texts = [re.escape(part) if at % 2 == 0 else f"(?P<{part}>[^/:]+)" for at, part in enumerate(parts)]
    return re.compile("".join(texts))
