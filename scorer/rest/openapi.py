"""The OpenAPI document of the server, and a page to try its endpoints."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from scorer import __version__
from scorer.avro.types.grammar import Array, Map, Record, Scalar, Type, Union
from scorer.rest.exchange import Route
from scorer.rest.messages import JSON, PROBLEM, Request, Response, encoded
from scorer.rest.rows import FEATURES
from scorer.rest.site import Site

NAME = "pages"
_HTML = "text/html; charset=utf-8"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
_SCALARS: Mapping[str, Mapping[str, object]] = {
    "null": {"type": "null"},
    "boolean": {"type": "boolean"},
    "int": {"type": "integer", "format": "int32"},
    "long": {"type": "integer", "format": "int64"},
    "float": {"type": ["number", "string"], "description": "a number, or NaN, Infinity or -Infinity as text"},
    "double": {"type": ["number", "string"], "description": "a number, or NaN, Infinity or -Infinity as text"},
    "string": {"type": "string"},
    "uuid": {"type": "string", "format": "uuid"},
    "date": {"type": ["string", "integer"], "description": "a date in ISO 8601, or days since 1970"},
    "time": {"type": ["string", "integer"], "description": "a time in ISO 8601, or a number in the schema's unit"},
    "timestamp": {"type": ["string", "integer"], "description": "ISO 8601, or a number in the schema's unit"},
    "decimal": {"type": ["string", "number"]},
}


def routes(site: Site, others: Sequence[Route]) -> Iterator[Route]:
    """Yield the routes of the two pages.

    Args:
        site: the server.
        others: all other routes, which the document describes.
    """

    def page(_: Request) -> Response:
        headers = (("Content-Security-Policy", _POLICY), ("X-Content-Type-Options", "nosniff"))
        return Response(200, _PAGE.encode(), _HTML, headers)

    yield Route("GET", "/openapi.json", NAME, "This document", page=partial(_document, site, others))
    yield Route("GET", "/", NAME, "A page to try the endpoints", page=page, open=True)


def _document(site: Site, others: Sequence[Route], _: Request) -> Response:
    paths = dict[str, dict[str, object]]()
    for route in others:
        paths.setdefault(route.path.replace("{model}", site.model), {})[route.method.lower()] = _operation(route)
    document = {
        "openapi": "3.1.0",
        "info": {"title": f"{site.model}: scorer serve", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": {
                "Event": _event(site),
                "Problem": {
                    "type": "object",
                    "required": ["title", "status", "detail"],
                    "properties": {
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "detail": {"type": "string"},
                        "errors": {"type": "array", "items": {"type": "object"}},
                    },
                },
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
    return Response(200, encoded(document))


def _operation(route: Route) -> dict[str, object]:
    problem = {"content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}, "description": "A problem"}
    operation: dict[str, object] = {
        "summary": route.purpose,
        "tags": [route.dialect],
        "responses": {"200": {"description": "OK"}, "default": problem},
    }
    if not route.open:
        operation["security"] = [{}, {"token": []}]
    names = [name for name in re.findall(r"\{(\w+)\}", route.path) if name != "model"]
    if names:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
        ]
    if route.read is not None:
        event: dict[str, object] = {"$ref": "#/components/schemas/Event"}
        own = {"anyOf": [event, {"type": "array", "items": event}]}
        schema = own if route.path == "/score" else {"type": ["object", "array"]}
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}}}
    return operation


def _event(site: Site) -> dict[str, Any]:
    """Return the JSON schema of an event with the features that may come with it."""
    lineup = site.lineup()
    schema = _schema(lineup.champion.schema.record)
    if FEATURES not in schema["properties"]:
        number = {"type": ["number", "null"]}
        schema["properties"][FEATURES] = {
            "type": "object",
            "properties": {
                entity.name: {"type": ["object", "null"], "properties": dict.fromkeys(entity.fields, number)}
                for entity in lineup.entities
            },
        }
    return schema


def _schema(kind: Type) -> dict[str, Any]:
    """Return the JSON schema of a type."""
    match kind:
        case Scalar(meaning="enum"):
            return {"enum": list(kind.symbols)}
        case Scalar():
            return dict(_SCALARS.get(kind.meaning, {"type": "string", "contentEncoding": "base64"}))
        case Record(members=members):
            return {"type": "object", "properties": {member.name: _schema(member.type) for member in members}}
        case Union(branches=branches):
            return {"anyOf": [_schema(branch) for branch in branches]}
        case Array(items=items):
            return {"type": "array", "items": _schema(items)}
        case Map(values=values):
            return {"type": "object", "additionalProperties": _schema(values)}


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>scorer serve</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
select, textarea, input, button { font: 14px/1.4 ui-monospace, monospace; width: 100%; box-sizing: border-box }
textarea { height: 16rem } button { width: auto; padding: .3rem 1rem } pre { background: #f4f4f4; padding: 1rem;
overflow: auto; white-space: pre-wrap } label { display: block; margin-top: 1rem }
</style>
<h1 id="title">scorer serve</h1>
<label>Endpoint <select id="endpoint"></select></label>
<label>Token, if the server has one <input id="token" type="password" autocomplete="off"></label>
<label>Body <textarea id="body" spellcheck="false"></textarea></label>
<p><button id="send">Send</button></p>
<pre id="answer"></pre>
<script>
const at = id => document.getElementById(id);
const headers = () => at('token').value ? {Authorization: 'Bearer ' + at('token').value} : {};
function sample(schema) {
  if (schema.anyOf) return sample(schema.anyOf[0].type === 'null' ? schema.anyOf[1] : schema.anyOf[0]);
  if (schema.enum) return schema.enum[0];
  if (schema.properties) return Object.fromEntries(
    Object.entries(schema.properties).filter(([name]) => name !== 'features').map(([name, it]) => [name, sample(it)]));
  const type = [].concat(schema.type)[0];
  return {boolean: false, integer: 0, number: 0, array: [], object: {}, string: ''}[type] ?? null;
}
async function load() {
  const reply = await fetch('openapi.json', {headers: headers()});
  if (!reply.ok) { at('answer').textContent = 'Enter the token of this server.'; return; }
  const api = await reply.json();
  at('title').textContent = api.info.title;
  at('endpoint').replaceChildren();
  for (const [path, operations] of Object.entries(api.paths))
    for (const [method, operation] of Object.entries(operations)) {
      const option = document.createElement('option');
      option.value = method.toUpperCase() + ' ' + path;
      option.textContent = option.value + ' \\u2014 ' + operation.tags[0] + ': ' + operation.summary;
      if (option.value === 'POST /score') option.selected = true;
      at('endpoint').append(option);
    }
  at('body').value = JSON.stringify(sample(api.components.schemas.Event), null, 2);
  at('answer').textContent = '';
}
at('token').addEventListener('change', load);
at('send').addEventListener('click', async () => {
  const [method, path] = at('endpoint').value.split(' ');
  const init = {method, headers: {...headers(), 'Content-Type': 'application/json'}};
  if (method === 'POST') init.body = at('body').value;
  const reply = await fetch(path.slice(1), init);
  at('answer').textContent = reply.status + ' ' + reply.statusText + '\\n\\n' + await reply.text();
});
load();
</script>
"""
